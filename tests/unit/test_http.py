"""The HTTP helper: what is tried again, what is refused, what an error says and what it must never say."""

from __future__ import annotations

import gzip
import logging
import re
import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
import structlog
import trustme
from http_server import Answer, ScriptedServer, cut_chunk, drip, drip_head, hang, json_answer, redirect, reset
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fingerpost import AuthError, ConfigError, ContractError, RateLimited, SourceUnavailable
from fingerpost._web.failures import retry_after
from fingerpost._web.http import ATTEMPTS, PATIENCE, Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeHttp = Callable[..., Http]
    Web = responses.RequestsMock

HOST = "https://ilp.example.ac.uk"
SECRET = "k3y/with+odd=signs"


@pytest.fixture
def pauses() -> list[float]:
    """Return the pauses that were asked for; nobody sleeps."""
    return []


@pytest.fixture
def make(pauses: list[float]) -> Iterator[MakeHttp]:
    made: list[Http] = []

    def factory(**options: Any) -> Http:
        log = structlog.get_logger()
        made.append(Http(**{"log": log, "sleep": pauses.append, "secrets": [SECRET], "timeout": 5.0, **options}))
        return made[-1]

    yield factory
    for http in made:
        http.close()


def make_http(**options: Any) -> Http:
    return Http(log=structlog.get_logger(), sleep=lambda _: None, attempts=1, **options)


def next_link(page: requests.Response) -> str | None:
    link: str | None = page.json().get("next")
    return link


def offer(web: Web, door: str, target: str) -> None:
    """Let the first answer lead to `target`; a header comes as the bytes that were sent, each a letter."""
    if door == "redirect":
        web.get(f"{HOST}/a", status=302, headers={"Location": target.encode().decode("latin-1")})
    else:
        web.get(f"{HOST}/a", json={"next": target})


@pytest.fixture
def http(make: MakeHttp) -> Http:
    return make()


# Answers


def test_json_is_returned_and_what_was_asked_is_sent(http: Http, web: Web) -> None:
    matchers = [
        responses.matchers.query_param_matcher({"page": "2"}),
        responses.matchers.header_matcher({"Authorization": "Bearer x"}),
    ]
    web.get(f"{HOST}/learners", json={"items": [1, 2]}, match=matchers)
    found = http.json(f"{HOST}/learners", params={"page": 2}, headers={"Authorization": "Bearer x"})
    assert found == {"items": [1, 2]}


def test_a_byte_order_mark_before_json_is_no_fault(http: Http, web: Web) -> None:
    web.get(f"{HOST}/a", body='\ufeff{"a": 1}'.encode())
    assert http.json(f"{HOST}/a") == {"a": 1}


@pytest.mark.parametrize(
    ("method", "status", "options"),
    [
        ("GET", 404, {}),
        ("POST", 409, {"json": {}, "accept": (409,)}),
        ("GET", 304, {"headers": {"If-None-Match": "1"}}),
        ("GET", 204, {"expect_json": True, "accept": (204,)}),
    ],
)
def test_a_status_that_may_be_expected_comes_back_to_the_caller(
    http: Http, web: Web, method: str, status: int, options: Any
) -> None:
    web.add(method, f"{HOST}/a", status=status)
    assert http.request(method, f"{HOST}/a", **options).status_code == status


WEB_PAGE = re.escape(
    "ilp.example.ac.uk answered with a web page instead of data; is the address right and the key valid?"
)


@pytest.mark.parametrize(
    ("expect_json", "reply", "error", "words"),
    [
        (True, {"status": 404}, SourceUnavailable, r"ilp\.example\.ac\.uk answered with status 404"),
        (True, {"status": 304}, SourceUnavailable, r"nothing has changed \(status 304\)"),
        (True, {"status": 204}, SourceUnavailable, "not JSON"),
        *((False, {"status": status}, AuthError, rf"refused our credentials \(status {status}\)")
          for status in (401, 403)),
        (False, {"status": 407}, AuthError, "web proxy"),
        *((False, {"status": status}, SourceUnavailable, f"status {status}") for status in (400, 405, 410, 501)),
        (True, {"body": "<!DOCTYPE html><title>Sign in</title>"}, SourceUnavailable, f"^{WEB_PAGE}$"),
        (True, {"body": "\n  <html></html>", "content_type": "text/plain"}, SourceUnavailable, f"^{WEB_PAGE}$"),
        (True, {"body": "Sign in", "content_type": "text/html; charset=utf-8"}, SourceUnavailable, f"^{WEB_PAGE}$"),
        *((True, {"body": body}, SourceUnavailable, "something that is not JSON")
          for body in ("", "{", "learner: Amelia", "[" * 100_000)),
    ],
)  # fmt: skip
def test_what_is_no_data_is_an_error_that_shows_nothing_and_is_not_tried_again(
    http: Http, web: Web, pauses: list[float], expect_json: bool, reply: Any, error: type[Exception], words: str
) -> None:
    web.get(f"{HOST}/a", **{"content_type": "application/json", **reply})
    with pytest.raises(error, match=words) as caught:
        http.json(f"{HOST}/a") if expect_json else http.get(f"{HOST}/a")
    assert pauses == []
    assert "Amelia" not in f"{caught.value!r} {vars(caught.value)}"


# Trying again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_status_is_tried_again(http: Http, web: Web, pauses: list[float], status: int) -> None:
    web.get(f"{HOST}/a", status=status)
    web.get(f"{HOST}/a", json={"ok": True})
    assert http.json(f"{HOST}/a") == {"ok": True}
    assert len(pauses) == 1


def test_pauses_grow_and_the_attempts_end(http: Http, web: Web, pauses: list[float]) -> None:
    for _ in range(ATTEMPTS):
        web.get(f"{HOST}/a", status=503)
    with pytest.raises(SourceUnavailable, match=r"not available \(status 503\)"):
        http.get(f"{HOST}/a")
    assert all(low <= pause <= low + 1 for low, pause in zip([1, 2, 4, 8], pauses, strict=True))


def test_a_connection_error_is_tried_again(http: Http, web: Web) -> None:
    web.get(f"{HOST}/a", body=requests.ConnectionError("reset"))
    web.get(f"{HOST}/a", body=requests.Timeout("slow"))
    web.get(f"{HOST}/a", json=1)
    assert http.json(f"{HOST}/a") == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_post_is_not_repeated_unless_told_that_it_may(http: Http, web: Web, pauses: list[float], status: int) -> None:
    web.post(f"{HOST}/notes", status=status)
    with pytest.raises(SourceUnavailable):
        http.post(f"{HOST}/notes", json={"text": "x"})
    assert pauses == []
    web.post(f"{HOST}/search", status=status)
    web.post(f"{HOST}/search", json=[])
    assert http.json(f"{HOST}/search", method="POST", retry=True) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "delete"])
def test_methods_that_may_be_repeated_are(http: Http, web: Web, method: str) -> None:
    web.add(method.upper(), f"{HOST}/a", status=502)
    web.add(method.upper(), f"{HOST}/a", status=204)
    assert http.request(method, f"{HOST}/a").status_code == 204


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "37"}, 37.0),
        # A date is read against the host's own clock, however wrong.
        (503, {"Date": "Mon, 01 Jan 2001 00:00:00 GMT", "Retry-After": "Mon, 01 Jan 2001 00:00:41 GMT"}, 41.0),
    ],
)
def test_retry_after_is_honoured(
    http: Http, web: Web, pauses: list[float], status: int, headers: dict[str, str], seconds: float
) -> None:
    web.get(f"{HOST}/a", status=status, headers=headers)
    web.get(f"{HOST}/a", json={})
    http.get(f"{HOST}/a")
    assert pauses == [seconds]


def test_a_wait_beyond_our_patience_ends_the_request_at_once(http: Http, web: Web, pauses: list[float]) -> None:
    web.get(f"{HOST}/a", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(RateLimited, match="come back in 3600 seconds") as caught:
        http.get(f"{HOST}/a")
    assert caught.value.retry_after == 3600
    assert pauses == []


def test_patience_counts_all_waits_of_a_request(http: Http, web: Web, pauses: list[float]) -> None:
    for _ in range(3):
        web.get(f"{HOST}/a", status=429, headers={"Retry-After": "50"})
    with pytest.raises(RateLimited):
        http.get(f"{HOST}/a")
    assert pauses == [50.0, 50.0]
    assert sum(pauses) <= PATIENCE


@given(st.integers(min_value=0, max_value=10**9))
def test_retry_after_means_the_same_in_seconds_and_as_a_date(seconds: int) -> None:
    now = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    assert retry_after({"Retry-After": str(seconds)}) == seconds
    assert retry_after({"Retry-After": date, "Date": format_datetime(now, usegmt=True)}) == seconds


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5e9", "²", "9" * 5000, "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_a_retry_after_that_cannot_be_read_says_nothing(value: str) -> None:
    assert retry_after({"Retry-After": value}) is None


def test_a_retry_after_in_the_past_means_now() -> None:
    assert retry_after({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0
    assert retry_after({"Retry-After": "Mon, 01 Jan 2001 00:00:00 -0000"}) == 0


# Where we go


@pytest.mark.parametrize(
    "url",
    ["", "ilp.example.ac.uk/api", "ftp://ilp.example.ac.uk", "https://", "https://[bad/a", f"{HOST}:x/a",
     f"{HOST}:99999/", r"https://evil.example\@ilp.example.ac.uk/n", f"{HOST}/a\\b", f"{HOST}/a\nb", "https://u:p@ilp.example.ac.uk/a",
     "https://ilp.example .ac.uk/a", f" {HOST}/a"],
)  # fmt: skip
def test_what_is_no_web_address_is_a_configuration_error(http: Http, url: str) -> None:
    with pytest.raises(ConfigError, match="begins with https://"):
        http.get(url)


def test_an_unencrypted_address_is_refused(http: Http) -> None:
    with pytest.raises(ConfigError, match=r"ilp\.example\.ac\.uk would be contacted without encryption"):
        http.get("http://ilp.example.ac.uk/a")


def test_only_the_connectors_own_hosts_may_be_asked(make: MakeHttp, web: Web) -> None:
    http = make(base_hosts=["ILP.example.ac.uk"])
    web.get(f"{HOST}/a", json=1)
    assert http.json(f"{HOST}/a") == 1
    with pytest.raises(ContractError, match=r"asked evil\.example"):
        http.get("https://evil.example/a")


def test_the_hosts_that_may_be_asked_may_be_spelt_in_any_way(make: MakeHttp, web: Web) -> None:
    http = make(base_hosts=["coll\u00e8ge.example", "::1"])
    web.get("https://xn--collge-6ua.example/a", json=1)
    web.get("http://[::1]:8000/a", json=2)
    assert http.json("https://coll\u00e8ge.example/a") == 1
    assert http.json("http://[::1]:8000/a") == 2


def test_a_redirect_on_the_same_host_is_followed(http: Http, web: Web) -> None:
    web.get(f"{HOST}/old", status=301, headers={"Location": "/new?a=1"})
    web.get(f"{HOST}/new?a=1", json="moved")
    assert http.json(f"{HOST}/old", params={"b": "2"}) == "moved"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("https://login.example.com/?next=x", r"another host \(login\.example\.com\)"),
        ("//login.example.com/", r"another host \(login\.example\.com\)"),
        (f"{HOST}:8443/a", "another host"),
        ("http://login.example.com/a", r"another host \(login\.example\.com\)"),
        ("http://ilp.example.ac.uk:8080/a", "unencrypted address.*ask its operator"),
        ("file:///etc/passwd", "cannot be read"),
        ("https://[bad/", "cannot be read"),
        (r"https://evil.example\@ilp.example.ac.uk/n", "cannot be read"),
        (r"\\evil.example/n", "cannot be read"),
        ("/n\tx", "cannot be read"),
        ("https://u:p@ilp.example.ac.uk/n", "cannot be read"),
        ("https://ilp.example.ac.uk .evil.example/n", "cannot be read"),
    ],
)
@pytest.mark.parametrize("door", ["redirect", "next page"])
def test_an_address_that_leads_elsewhere_is_refused(http: Http, web: Web, door: str, target: str, words: str) -> None:
    offer(web, door, target)
    with pytest.raises(SourceUnavailable, match=words.replace("another host", f"{door} to another host")):
        list(http.pages(f"{HOST}/a", next_link))


@pytest.mark.parametrize("door", ["redirect", "next page"])
@pytest.mark.parametrize("target", ["http://ilp.example.ac.uk/b?n=1", "http://ILP.example.ac.uk:80/b?n=1"])
def test_a_service_that_calls_its_own_pages_http_is_asked_by_https(
    http: Http, web: Web, door: str, target: str
) -> None:
    offer(web, door, target)
    web.get(f"{HOST}/b?n=1", json={})
    assert [page.url for page in http.pages(f"{HOST}/a", next_link)][-1] == f"{HOST}/b?n=1"


def test_a_blank_in_a_query_is_sent_as_one(http: Http, web: Web) -> None:
    web.get(f"{HOST}/a", json={"next": "/a?since=2026-02-01 09:00"})
    web.get(f"{HOST}/a?since=2026-02-01%2009:00", json={})
    assert len(list(http.pages(f"{HOST}/a", next_link))) == 2


HOSTS = st.sampled_from(["evil.example", "ilp.example.ac.uk"])
SIGNS = st.sampled_from("@\\/:?#;% \t\n\0\x85\xa0\u3002\uff0f\uff20\xad\xdf.[]1ux")
ODD = st.tuples(
    st.sampled_from(["https://", "//", "/", "https:", "http://", ""]),
    HOSTS,
    st.text(st.sampled_from("@\\/"), min_size=1, max_size=2) | st.text(SIGNS, max_size=4),
    HOSTS,
    st.text(SIGNS, max_size=2),
).map("".join)
"""Addresses of pieces about which libraries have disagreed."""


def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return where a socket was to go to, from now on; none goes anywhere."""
    places: list[tuple[str, int]] = []

    def nowhere(host: str, port: int, *_: object, **__: object) -> None:
        places.append((host, port))
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    return places


@settings(max_examples=100, deadline=None)
@given(ODD)
@example(r"https://evil.example\@ilp.example.ac.uk/n")
def test_only_the_connectors_own_hosts_are_dialled_whatever_the_address(url: str) -> None:
    with pytest.MonkeyPatch.context() as patch, make_http(base_hosts=["ilp.example.ac.uk"]) as http:
        places = dialled(patch)
        with pytest.raises((SourceUnavailable, ConfigError, ContractError)) as caught:
            http.get(url)
        assert {host for host, _ in places} == ({"ilp.example.ac.uk"} if caught.type is SourceUnavailable else set())


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["redirect", "next page"]), ODD)
@example("redirect", r"https://evil.example\@ilp.example.ac.uk/n")
@example("next page", r"//evil.example\@ilp.example.ac.uk/n")
def test_a_key_is_sent_to_no_other_host_whatever_the_link(door: str, target: str) -> None:
    with pytest.MonkeyPatch.context() as patch, make_http() as http, responses.RequestsMock() as web:
        places = dialled(patch)
        offer(web, door, target)
        web.add_passthru(re.compile(""))
        with pytest.raises(SourceUnavailable):
            list(http.pages(f"{HOST}/a", next_link, headers={"Authorization": "Bearer x"}))
        assert set(places) <= {("ilp.example.ac.uk", 443)}


def test_a_redirected_post_is_refused(http: Http, web: Web) -> None:
    web.post(f"{HOST}/a", status=302, headers={"Location": "/b"})
    with pytest.raises(SourceUnavailable, match="redirected a POST"):
        http.post(f"{HOST}/a")


def test_the_pace_is_asked_for_before_every_request_and_costs_no_time(make: MakeHttp, web: Web) -> None:
    waited = [0.0]
    http = make(clock=lambda: sum(waited), timeout=5.0)
    web.get(f"{HOST}/a", status=503)
    web.get(f"{HOST}/a", status=401)
    web.get(f"{HOST}/a", status=302, headers={"Location": "/b"})
    web.get(f"{HOST}/b", json="there")
    assert http.json(f"{HOST}/a", pace=lambda: waited.append(100.0), renew=lambda: None) == "there"
    assert waited[1:] == [100.0] * 4


def test_redirects_in_a_circle_end(http: Http, web: Web) -> None:
    for _ in range(6):
        web.get(f"{HOST}/a", status=302, headers={"Location": "/a"})
    with pytest.raises(SourceUnavailable, match="more than 5 times"):
        http.get(f"{HOST}/a")


def test_the_environment_cannot_redirect_our_traffic(http: Http, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "nowhere.pem")
    web.get(f"{HOST}/a", json=1)
    http.get(f"{HOST}/a")
    sent: Any = web.calls[0].request
    assert sent.req_kwargs["proxies"] == {}
    assert sent.req_kwargs["verify"] is True


def test_the_configured_proxy_is_used_but_not_for_this_machine(make: MakeHttp) -> None:
    with ScriptedServer(json_answer("direct")) as server:
        http = make(proxy="http://127.0.0.1:9", attempts=1)
        assert http.json(server.url) == "direct"
        with pytest.raises(SourceUnavailable, match=r"ilp\.example\.ac\.uk could not be reached through the web proxy"):
            http.get(f"{HOST}/a")


# Pages


def test_pages_follow_the_links_to_the_end(http: Http, web: Web) -> None:
    web.get(f"{HOST}/a?size=2", json={"items": [1, 2], "next": "/a?after=2"})
    web.get(f"{HOST}/a?after=2", json={"items": [3], "next": f"{HOST}/a?after=3"})
    web.get(f"{HOST}/a?after=3", json={"items": [], "next": None})
    pages = http.pages(f"{HOST}/a", next_link, params={"size": "2"})
    assert [item for page in pages for item in page.json()["items"]] == [1, 2, 3]


def test_a_circle_of_pages_ends(http: Http, web: Web) -> None:
    web.get(f"{HOST}/a", json={"next": "/b"})
    web.get(f"{HOST}/b", json={"next": "/a"})
    web.get(f"{HOST}/a", json={"next": "/b"})
    pages = http.pages(f"{HOST}/a", next_link)
    assert [next(pages).url, next(pages).url] == [f"{HOST}/a", f"{HOST}/b"]
    with pytest.raises(SourceUnavailable, match=r"ilp\.example\.ac\.uk points back to a page already read"):
        next(pages)


def test_pages_without_end_end(http: Http) -> None:
    with responses.RequestsMock() as web:
        web.add_callback("GET", f"{HOST}/a", lambda sent: (200, {}, f'{{"next": "/a?n={len(web.calls)}"}}'))
        with pytest.raises(SourceUnavailable, match=r"more than 25 pages.*\(size\).*\(max_pages\)"):
            list(http.pages(f"{HOST}/a", next_link, max_pages=25))


def test_a_web_page_among_the_pages_is_recognised(http: Http, web: Web) -> None:
    web.get(f"{HOST}/a", json={"next": "/b"})
    web.get(f"{HOST}/b", body="<html>", content_type="text/html")
    with pytest.raises(SourceUnavailable, match="a web page instead of data"):
        list(http.pages(f"{HOST}/a", next_link))


# What nobody may read


def test_no_error_and_no_log_line_holds_a_secret_a_query_or_an_answer(
    http: Http, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"{HOST}/{SECRET}/k3y%2Fwith%2Bodd%3Dsigns/x"
    for _ in range(ATTEMPTS):
        web.get(url, status=500, body="Amelia Khan")
    with capture_logs() as lines, pytest.raises(SourceUnavailable) as caught:
        http.get(url, params={"key": SECRET, "name": "Amelia"})
    shown = f"{lines} {caplog.text} {caught.value!r} {caught.value.detail} {http!r}"
    assert "/***/***/x" in shown
    for hidden in (SECRET, "k3y%2F", "Amelia", "?"):
        assert hidden not in shown


def test_the_log_holds_host_path_status_and_attempt(http: Http, web: Web) -> None:
    web.get(f"{HOST}/a", status=502)
    web.get(f"{HOST}/a", json={})
    with capture_logs() as lines:
        http.get(f"{HOST}/a", params={"page": "2"})
    retried, done = lines
    assert (retried["event"], retried["host"], retried["path"], retried["attempt"]) == (
        "http_retry", "ilp.example.ac.uk", "/a", 1,
    )  # fmt: skip
    assert "status 502" in retried["reason"]
    assert (done["event"], done["path"], done["status"], done["attempt"]) == ("http_request", "/a", 200, 2)


def test_the_libraries_below_log_no_query_either(make: MakeHttp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    http = make()
    with ScriptedServer(Answer()) as server:
        http.get(f"{server.url}/a", params={"key": SECRET})
        assert server.asked == [("GET", "/a?key=k3y%2Fwith%2Bodd%3Dsigns")]
    assert "k3y" not in caplog.text


def test_a_key_that_cannot_be_sent_is_not_shown(http: Http) -> None:
    for key in ("k\u00e9y\u2026", "two\nlines"):
        with (
            ScriptedServer(Answer()) as server,
            pytest.raises(ConfigError, match="check the address and the key") as caught,
        ):
            http.get(server.url, headers={"Authorization": f"Bearer {key}"})
        assert key not in repr(caught.value)
        assert caught.value.__suppress_context__


# Faults that only a socket has


@pytest.mark.parametrize(
    "fault",
    [Answer(b'{"half": ', length=500), cut_chunk, reset, Answer(b"too much, said too little about" * 10, length=4)],
    ids=["cut", "cut-chunk", "reset", "longer-than-said"],
)
def test_a_broken_answer_is_read_again(make: MakeHttp, fault: Any, pauses: list[float]) -> None:
    http = make()
    with ScriptedServer(fault, json_answer("whole")) as server:
        # A body that is longer than it claims spoils the connection only, so it shows with the request after it.
        first = http.get(server.url).content
        assert first in {b'"whole"', b"too "}
        assert http.json(server.url) == "whole"


def test_a_cut_answer_that_stays_cut_is_an_error(make: MakeHttp, pauses: list[float]) -> None:
    http = make(attempts=3)
    with ScriptedServer(Answer(b"[1, 2", length=50)) as server:
        with pytest.raises(SourceUnavailable, match="the connection broke"):
            http.json(server.url)
        assert len(server.requests) == 3


@pytest.mark.parametrize("fault", [hang, drip(b"x", seconds=0.05, count=1000)], ids=["hangs", "trickles"])
def test_a_host_that_does_not_come_to_an_end_is_given_up(make: MakeHttp, fault: Any) -> None:
    http = make(timeout=0.3, attempts=2)
    with ScriptedServer(fault) as server:
        with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.3 seconds"):
            http.get(server.url)
        assert len(server.requests) == 2


def test_headers_that_trickle_are_given_up(make: MakeHttp) -> None:
    http, through = make(timeout=0.3, attempts=1), threading.Event()
    with ScriptedServer(drip_head(seconds=0.05, count=100, through=through)) as server:
        with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.3 seconds"):
            http.get(server.url)
        assert not through.is_set()


def test_a_proxy_whose_headers_trickle_is_given_up(make: MakeHttp) -> None:
    through = threading.Event()
    with ScriptedServer(drip_head(seconds=0.05, count=100, through=through)) as server:
        http = make(timeout=0.3, attempts=1, proxy=server.url)
        with pytest.raises(SourceUnavailable):
            http.get(f"{HOST}/a")
        assert server.asked == [("CONNECT", "ilp.example.ac.uk:443")]
        assert not through.is_set()


def test_redirects_get_no_more_time(make: MakeHttp) -> None:
    http = make(timeout=0.5, attempts=1)
    hops = [replace(redirect(f"/{n}"), late=0.2) for n in range(4)]
    with ScriptedServer(*hops, json_answer("late")) as server:
        with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.5 seconds"):
            http.get(server.url)
        assert len(server.requests) <= 3


def test_a_connection_that_is_used_again_has_its_whole_time_again(make: MakeHttp) -> None:
    http = make(timeout=1.0, attempts=1)
    with ScriptedServer(replace(json_answer(1), late=0.6)) as server:
        assert [http.json(server.url) for _ in range(3)] == [1, 1, 1]


def test_a_request_may_have_its_own_time_limit(make: MakeHttp) -> None:
    http = make(timeout=0.1)
    with ScriptedServer(drip(b"1", seconds=0.05, count=10)) as server:
        assert http.json(server.url, timeout=60) == 1111111111


def test_nobody_listening_is_said_plainly(make: MakeHttp) -> None:
    with ScriptedServer(Answer()) as server:
        url = server.url
    with pytest.raises(SourceUnavailable, match="could not be reached"):
        make(attempts=2).get(url)


def test_a_redirect_to_another_host_never_reaches_it(http: Http) -> None:
    with ScriptedServer(Answer()) as other, ScriptedServer(redirect(f"{other.url}/take")) as server:
        with pytest.raises(SourceUnavailable, match="another host"):
            http.get(server.url, headers={"Authorization": "Bearer x"})
        assert other.requests == []


def test_slow_down_over_a_socket(http: Http, pauses: list[float]) -> None:
    with ScriptedServer(
        Answer(status=429, headers={"Retry-After": "7"}), Answer(status=429), json_answer("ok")
    ) as server:
        assert http.json(server.url) == "ok"
    assert pauses[0] == 7
    assert 2 <= pauses[1] <= 3


def test_a_post_over_a_cut_connection_is_sent_once(http: Http) -> None:
    with ScriptedServer(reset) as server:
        with pytest.raises(SourceUnavailable):
            http.post(server.url, json={"note": 1})
        assert server.asked == [("POST", "/")]


@pytest.mark.parametrize(
    "fault",
    [
        Answer(b"x" * 2000),
        Answer(gzip.compress(b"x" * 100_000), headers={"Content-Encoding": "gzip"}),
        Answer(b"", length=10**12),
    ],
    ids=["long", "bomb", "announced"],
)
def test_an_answer_that_is_too_long_is_refused(http: Http, fault: Any) -> None:
    with ScriptedServer(fault) as server:
        with pytest.raises(SourceUnavailable, match="more than 1,000 bytes"):
            http.get(server.url, max_bytes=1000)
        assert len(server.requests) == 1


def test_compressed_answers_are_unpacked(http: Http) -> None:
    with ScriptedServer(Answer(gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})) as server:
        assert http.json(server.url) == {"a": 1}


# Certificates


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve https on the loopback interface; return its address and the file of its authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "college-ca.pem"))
    with ScriptedServer(Answer(), tls=context) as server:
        yield server.url, tmp_path / "college-ca.pem"


def test_an_unknown_certificate_is_refused_and_not_tried_again(
    http: Http, secure: tuple[str, Path], pauses: list[float]
) -> None:
    with pytest.raises(SourceUnavailable, match=r"certificate of localhost could not be verified.*\[network\] ca_file"):
        http.get(secure[0])
    assert pauses == []


def test_the_colleges_own_authority_is_trusted(make: MakeHttp, secure: tuple[str, Path]) -> None:
    assert make(ca_file=secure[1]).json(secure[0]) == {}


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_authority_file_that_cannot_be_read_is_a_configuration_error(
    make: MakeHttp, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="ascii")
    with pytest.raises(ConfigError, match=r"\[network\] ca_file: ca\.pem"):
        make(ca_file=path)
