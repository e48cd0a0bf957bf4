"""The connector `rest`: against a server on the loopback interface, made-up answers, and through whole nights."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import contexts
import pytest
import responses
import structlog
from colleges import SmallCollege, snapshot
from connector_cases import assert_refused
from contexts import keys, rejected
from http_server import KEY, Answer, cut, json_answer, too_many, web_page
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rest_server import PAGING, PASSWORD, SIGNS, TOKENS, USER, RestServer
from structlog.testing import capture_logs

from fingerpost import (
    AuthError,
    Checkpoint,
    ConfigError,
    Cursor,
    Deleted,
    Message,
    RateLimited,
    Record,
    SourceUnavailable,
)
from fingerpost_rest import RestConfig, RestSource, declarations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HOST = "https://ilp.example.ac.uk"
ROWS = [{"id": f"A{n}", "kind": "talk", "updated": f"2026-02-{n:02}T10:00:00Z"} for n in range(1, 8)]


@dataclass
class HostContext(contexts.HostContext):
    """What the host hands to a source; a service says nothing about the age of its data."""

    columns: frozenset[str] = frozenset({"id", "kind", "updated"})
    secrets: Sequence[str] = (KEY, PASSWORD)
    forbidden: frozenset[str] = frozenset({"data_from"})


def table(base_url: str, *, auth: str = "none", paging: str = "none", **said: Any) -> dict[str, Any]:
    one = {"path": "v1/log", "records": "data", "key": ["id"], "mapping": "careers-log", "pagination": PAGING[paging]}
    return {"type": "rest", "name": "ilp", "base_url": base_url, "auth": SIGNS[auth],
            "streams": {"activities": {**one, **said}}}  # fmt: skip


def source(base_url: str, **said: Any) -> RestSource:
    return RestSource(RestConfig(**table(base_url, **said)))


def read(context: HostContext, one: RestSource, cursor: Cursor | None = None) -> list[Message]:
    return list(one.read_activities(cursor, context))


# -- paging and signing in, against a server ---------------------------------------------------------------------------


@pytest.mark.parametrize("paging", PAGING)
@pytest.mark.parametrize("count", [0, 1, 3, 6, 7])
def test_every_record_of_every_page_comes_once(context: HostContext, paging: Any, count: int) -> None:
    with RestServer({"log": ROWS[:count]}, paging=paging) as server:
        messages = read(context, source(server.url, paging=paging))
    assert keys(messages) == [row["id"] for row in ROWS[:count]]
    assert messages[-1] == Checkpoint(None)


@pytest.mark.parametrize("auth", SIGNS)
def test_every_way_to_sign_in_is_known(context: HostContext, auth: Any) -> None:
    with RestServer({"log": ROWS}, paging="page", auth=auth) as server:
        assert len(keys(read(context, source(server.url, paging="page", auth=auth)))) == 7
        assert server.logins == (auth in {"oauth2", "login", "login_basic"})


@pytest.mark.parametrize(
    ("auth", "more", "sent", "kept"),
    [("oauth2", {"send": "form", "scope": "ilp.read"}, ["client_secret", "scope=ilp.read"], []),
     ("oauth2", {"send": "basic", "scope": "ilp.read"}, ["scope=ilp.read"], ["client_secret"]),
     ("login", {"send": "form"}, ["pass="], ["{"])],
)  # fmt: skip
def test_credentials_are_sent_as_the_table_says(
    context: HostContext, auth: Any, more: dict[str, str], sent: list[str], kept: list[str]
) -> None:
    with RestServer({"log": ROWS}, auth=auth) as server:
        said = table(server.url, auth=auth)
        said["auth"] = {**said["auth"], **more}
        assert keys(read(context, RestSource(RestConfig(**said))))
        body = server.requests[0].body
    assert (all(word in body for word in sent), any(word in body for word in kept)) == (True, False)


@pytest.mark.parametrize("auth", ["oauth2", "login", "login_basic"])
def test_a_token_that_expires_on_the_way_is_renewed(context: HostContext, auth: Any) -> None:
    with RestServer({"log": ROWS}, paging="page", auth=auth, token_uses=2) as server:
        assert keys(read(context, source(server.url, paging="page", auth=auth))) == [row["id"] for row in ROWS]
        assert server.logins == 2
        assert [request.query["page"] for request in server.reads] == ["1", "2", "3", "3", "4"]


def test_a_token_serves_the_next_read_too(context: HostContext) -> None:
    with RestServer({"log": ROWS}, auth="login") as server:
        one = source(server.url, auth="login")
        read(context, one)
        read(context, one)
        assert server.logins == 1


def test_a_new_token_that_is_refused_as_well_is_the_end(context: HostContext) -> None:
    with (
        RestServer({"log": ROWS}, auth="login", token_uses=0) as server,
        pytest.raises(AuthError, match="refused our credentials"),
    ):
        read(context, source(server.url, auth="login"))
    assert server.logins == 2


@pytest.mark.parametrize("auth", [auth for auth in SIGNS if auth != "none"])
def test_wrong_credentials_are_told_as_such_and_not_tried_again(context: HostContext, auth: Any) -> None:
    with RestServer({"log": ROWS}, auth=auth) as server:
        said = json.dumps(table(server.url, auth=auth)).replace(KEY, "wrong").replace(PASSWORD, "wrong")
        with pytest.raises(AuthError, match=r"127\.0\.0\.1 (gave no token|refused our credentials)"):
            read(context, RestSource(RestConfig(**json.loads(said))))
        assert len(server.requests) == 1
        assert len(server.reads) == (auth in {"api_key", "bearer", "basic"})


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [None, 7])
def test_a_service_that_asks_for_patience_gets_it(context: HostContext, seconds: int | None) -> None:
    with RestServer({"log": ROWS}, paging="page", faults={2: too_many(seconds), 3: too_many(seconds)}) as server:
        assert len(keys(read(context, source(server.url, paging="page")))) == 7
    assert len(context.pauses) == 2
    assert all(pause >= (seconds or 0) for pause in context.pauses)


def test_patience_ends(context: HostContext) -> None:
    with (
        RestServer({"log": ROWS}, faults=dict.fromkeys(range(1, 99), too_many(3600))) as server,
        pytest.raises(RateLimited, match="come back in 3600 seconds"),
    ):
        read(context, source(server.url))


@pytest.mark.parametrize("paging", ["next_link", "page", "offset", "cursor"])
def test_a_body_that_is_cut_is_read_again(context: HostContext, paging: Any) -> None:
    half = cut(json_answer({"data": ROWS, "meta": {}}))
    with RestServer({"log": ROWS}, paging=paging, faults={2: half}) as server:
        assert keys(read(context, source(server.url, paging=paging))) == [row["id"] for row in ROWS]


@pytest.mark.parametrize("number", [1, 2])
def test_a_log_in_page_with_status_200_is_no_data(context: HostContext, number: int) -> None:
    with RestServer({"log": ROWS}, paging="page", faults={number: web_page()}) as server:
        came: list[Message] = []
        with pytest.raises(SourceUnavailable, match="a web page instead of data"):
            came.extend(source(server.url, paging="page").read_activities(None, context))
    assert len(keys(came)) == 3 * (number - 1)


@pytest.mark.parametrize("paging", ["next_link", "link_header", "cursor"])
def test_pages_that_lead_back_to_themselves_end(context: HostContext, paging: Any) -> None:
    with (
        RestServer({"log": ROWS}, paging=paging, loops=True) as server,
        pytest.raises(SourceUnavailable, match=r"already read|sent before"),
    ):
        read(context, source(server.url, paging=paging))
    assert len(server.requests) <= 5


@pytest.mark.parametrize("paging", ["page", "offset", "cursor"])
@pytest.mark.parametrize("records", ["data", "data[?kind=='visit']"])
def test_a_service_that_ignores_the_page_is_found_out(context: HostContext, paging: Any, records: str) -> None:
    with (
        RestServer({"log": ROWS}, paging=paging, ignores_paging=True) as server,
        pytest.raises(SourceUnavailable, match=r"sent before|already read"),
    ):
        read(context, source(server.url, paging=paging, records=records))
    assert len(server.requests) == 2


def test_pages_that_come_round_again_are_found_out(context: HostContext, web: responses.RequestsMock) -> None:
    for letter in "abca":
        web.get(f"{HOST}/v1/log", json={"data": [{"id": letter}]})
    with pytest.raises(SourceUnavailable, match="sent before"):
        read(context, source(HOST, paging="page"))


def test_a_key_never_follows_a_link_to_another_host(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(f"{HOST}/v1/log", json={"data": ROWS, "meta": {"next": "https://elsewhere.example.com/v1/log?page=2"}})
    with pytest.raises(SourceUnavailable, match="another host"):
        read(context, source(HOST, paging="next_link", auth="bearer"))


# -- the logic of pages, against made-up answers -----------------------------------------------------------------------


def asked(web: responses.RequestsMock) -> list[dict[str, str]]:
    return [
        {name: values[0] for name, values in parse_qs(urlsplit(str(call.request.url)).query).items()}
        for call in web.calls
    ]


def test_an_offset_goes_on_after_what_came(context: HostContext, web: responses.RequestsMock) -> None:
    """A service may cap the size of a page below what was asked for."""
    for part in (ROWS[:2], ROWS[2:4], []):
        web.get(f"{HOST}/v1/log", json={"data": part})
    paging = {"kind": "offset", "size": 100, "size_parameter": "limit", "parameter": "skip"}
    assert len(keys(read(context, source(HOST, pagination=paging)))) == 4
    assert asked(web) == [{"limit": "100", "skip": str(skip)} for skip in (0, 2, 4)]


@pytest.mark.parametrize(
    ("said", "metas"),
    [({"total": "meta.total"}, [{"total": 5}, {"total": "5"}]),
     ({"more": "meta.more"}, [{"more": True}, {"more": False}]),
     ({"more": "meta.more == 'yes'"}, [{"more": "yes"}, {}]),
     ({"more": "meta.next != `null`"}, [{"next": "there"}, {}]),
     ({"more": "meta.page < meta.pages"}, [{"page": 1, "pages": 2}, {"page": 2, "pages": 2}]),
     ({"more": "to_number(meta.page) < to_number(meta.pages)"},
      [{"page": "2", "pages": "10"}, {"page": "10", "pages": "10"}])],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["page", "offset"])
def test_the_service_may_say_where_the_end_is(
    context: HostContext, web: responses.RequestsMock, kind: str, said: dict[str, str], metas: list[dict[str, Any]]
) -> None:
    for part, meta in zip((ROWS[:3], ROWS[3:5]), metas, strict=True):
        web.get(f"{HOST}/v1/log", json={"data": part, "meta": meta})
    assert len(keys(read(context, source(HOST, pagination={"kind": kind, **said})))) == 5


@pytest.mark.parametrize(
    ("kind", "last"), [("offset", {"json": {"data": [], "meta": {"total": 9}}}), ("page", {"status": 204})]
)
def test_nothing_where_more_was_promised_is_no_end(
    context: HostContext, web: responses.RequestsMock, kind: str, last: dict[str, Any]
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": ROWS, "meta": {"total": 9}})
    web.get(f"{HOST}/v1/log", **last)
    with pytest.raises(SourceUnavailable, match="more records follow"):
        read(context, source(HOST, pagination={"kind": kind, "total": "meta.total"}))


@pytest.mark.parametrize(
    ("first", "link"), [([], "/v1/log?page=2"), (ROWS[:4], "http://ilp.example.ac.uk/v1/log?page=2")],
    ids=["an empty page with a link is no end", "a service behind a proxy may call its next page http"],
)  # fmt: skip
def test_a_link_is_followed(
    context: HostContext, web: responses.RequestsMock, first: list[dict[str, str]], link: str
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": first, "meta": {"next": link}})
    web.get(f"{HOST}/v1/log?page=2", json={"data": ROWS[len(first) :], "meta": {"next": None}})
    assert len(keys(read(context, source(HOST, paging="next_link")))) == 7


def test_the_first_page_may_have_another_number(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(f"{HOST}/v1/log", json={"data": ROWS})
    web.get(f"{HOST}/v1/log", json={"data": []})
    read(context, source(HOST, pagination={"kind": "page", "start": 0, "parameter": "p"}, query={"year": "25/26"}))
    assert asked(web) == [{"p": "0", "year": "25/26"}, {"p": "1", "year": "25/26"}]


@pytest.mark.parametrize(
    ("pagination", "meta", "says"),
    [({"kind": "next_link", "next": "meta.next"}, {"next": {"href": "x"}}, "no text at meta.next"),
     ({"kind": "cursor", "next": "meta.next"}, {"next": True}, "no text at meta.next"),
     ({"kind": "page", "total": "meta.total"}, {}, "no number at meta.total; check total"),
     ({"kind": "page", "more": "meta.mroe"}, {"more": True}, "no true or false at meta.mroe; check more"),
     ({"kind": "offset", "more": "meta.more"}, {"more": "false"}, "no true or false at meta.more"),
     ({"kind": "offset", "more": "to_number(meta)"}, {}, "no true or false"),
     ({"kind": "page", "more": "meta.page < meta.pages"}, {"page": "2", "pages": "15"}, r"to_number\(\)"),
     ({"kind": "page", "total": "meta.total"}, {"total": True}, "no number at meta.total")],
)  # fmt: skip
def test_an_answer_that_does_not_say_where_to_go_on_is_refused(
    context: HostContext, web: responses.RequestsMock, pagination: dict[str, str], meta: Any, says: str
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": ROWS, "meta": meta})
    with pytest.raises(SourceUnavailable, match=says):
        read(context, source(HOST, pagination=pagination))


@pytest.mark.parametrize("cursor", [None, "2026-02-01T00:00:00Z"])
def test_nothing_is_an_empty_page_only_where_changes_were_asked_for(
    context: HostContext, web: responses.RequestsMock, cursor: Cursor | None
) -> None:
    web.get(f"{HOST}/v1/log", status=204)
    one = source(HOST, incremental={"parameter": "since", "field": "updated"})
    if cursor is not None:
        assert read(context, one, cursor) == [Checkpoint(None)] * 2
        return
    with pytest.raises(SourceUnavailable, match=r"nothing \(status 204\) where a list of activities was expected"):
        read(context, one, cursor)


def test_nothing_behind_another_page_is_the_end(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(f"{HOST}/v1/log", json={"data": ROWS})
    web.get(f"{HOST}/v1/log", status=204)
    assert len(keys(read(context, source(HOST, paging="page")))) == 7


@pytest.mark.parametrize("cursor", [None, "2026-02-01T00:00:00Z"])
def test_that_nothing_changed_is_no_answer(
    context: HostContext, web: responses.RequestsMock, cursor: Cursor | None
) -> None:
    web.get(f"{HOST}/v1/log", status=304)
    with pytest.raises(SourceUnavailable, match="status 304"):
        read(context, source(HOST, incremental={"parameter": "since", "field": "updated"}), cursor)


@pytest.mark.parametrize("paging", ["next_link", "page", "offset", "cursor"])
def test_more_pages_than_are_allowed_end_the_read(context: HostContext, paging: Any) -> None:
    with (
        RestServer({"log": ROWS}, paging=paging, size=1) as server,
        pytest.raises(SourceUnavailable, match=r"more than 3 pages.*\(size\).*\(max_pages\)"),
    ):
        read(context, source(server.url, pagination={**PAGING[paging], "max_pages": 3}))
    assert len(server.requests) == 3


@pytest.mark.parametrize("body", [{"rows": []}, {"data": None}, {"data": {"id": "A1"}}, [], 7])
def test_an_answer_without_a_list_is_not_an_empty_college(
    context: HostContext, web: responses.RequestsMock, body: Any
) -> None:
    web.get(f"{HOST}/v1/log", json=body)
    with pytest.raises(SourceUnavailable, match=r"no list of activities at data; check records in streams\.activities"):
        read(context, source(HOST))


def read_in_pages(rows: list[dict[str, Any]], each: int, kind: str, records: str = "data", **said: Any) -> list[str]:
    """Return the keys that come from a service with so many rows on each page, of which the table says so much."""

    def page(request: Any) -> tuple[int, dict[str, str], str]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        start = (int(query.get("page", "1")) - 1) * each + int(query.get("offset", "0")) + int(query.get("cursor", "0"))
        more = start + each < len(rows)
        body = {"data": rows[start : start + each], "total": len(rows), "more": more, "next": more and start + each}
        return 200, {"Content-Type": "application/json"}, json.dumps(body)

    pagination = {"kind": kind, **said, **({"next": "next"} if kind == "cursor" else {})}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web, closing(HostContext()) as made:
        web.add_callback("GET", f"{HOST}/v1/log", page)
        return keys(read(made, source(HOST, records=records, pagination=pagination)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 23), st.integers(1, 9), st.integers(1, 9), st.sampled_from(["page", "offset", "cursor"]))
def test_any_size_of_page_gives_the_same(count: int, size: int, wanted: int, kind: str) -> None:
    rows = [{"id": str(number)} for number in range(count)]
    assert read_in_pages(rows, size, kind, size=wanted, size_parameter="limit") == [row["id"] for row in rows]


FILTERS = [
    "data[?keep]", "data[?keep].{id: id}", "data[?keep] | [*]", "data | [?keep]", "@ | data[?keep]", "[data][0][?keep]",
    "data[].{id: id, keep: keep} | [?keep]", "{rows: data}.rows[?keep]",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.booleans(), max_size=20), st.integers(1, 5), st.sampled_from(["page", "offset", "cursor"]),
    st.sampled_from([{}, {"total": "total"}, {"more": "more"}]), st.sampled_from(FILTERS),
)  # fmt: skip
def test_a_filter_changes_nothing_about_the_pages(
    kept: list[bool], size: int, kind: str, said: dict[str, str], records: str
) -> None:
    """What a service counts are its own records, not those that a filter leaves over."""
    rows = [{"id": str(number), "keep": keep} for number, keep in enumerate(kept)]
    told = {} if kind == "cursor" else said
    assert read_in_pages(rows, size, kind, records, **told) == [row["id"] for row in rows if row["keep"]]


def test_a_slice_changes_nothing_about_the_pages(context: HostContext, web: responses.RequestsMock) -> None:
    for part in (ROWS[:3], ROWS[3:4], []):
        web.get(f"{HOST}/v1/log", json={"data": part})
    assert keys(read(context, source(HOST, records="data[1:]", paging="offset"))) == ["A2", "A3"]
    assert [query["offset"] for query in asked(web)] == ["0", "3", "4"]


@pytest.mark.parametrize("kind", ["none", "next_link", "page", "offset"])
@pytest.mark.parametrize(
    "records", ["sort_by(data[?kind], &id)", "data[?kind].rows[]", "reverse(data[1:])", "data[?kind] | [0].rows",
                "data[?kind] || rows"],
)  # fmt: skip
def test_a_filter_that_hides_how_many_came_is_refused(records: str, kind: str) -> None:
    says = "the pages are counted before the filter; let the filter follow" if kind in {"page", "offset"} else None
    assert_refused(RestConfig, table(HOST, records=records, pagination={"kind": kind}), says)


# -- records -----------------------------------------------------------------------------------------------------------


def test_only_what_the_mapping_reads_is_handed_over(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(f"{HOST}/v1/log", json={"data": [{"id": 1, "kind": "talk", "notes": "private"}, {"id": 2, "place": "x"}]})
    messages = read(context, source(HOST))
    assert messages[:2] == [Record("1", {"id": 1, "kind": "talk"}), Record("2", {"id": 2})]
    assert context.headers == [(("id", "kind", "notes", "place"), "activities")]


def test_the_key_may_lie_deep_and_in_parts(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(f"{HOST}/v1/log", json={"data": [{"id": 1, "kind": {"code": " T "}}]})
    assert keys(read(context, source(HOST, key=["id", "kind.code"]))) == ["1|T"]


def test_a_part_of_a_key_may_be_empty(context: HostContext, web: responses.RequestsMock) -> None:
    parts = [(1, None), (1, " "), (" ", "x"), (None, ""), (2, ["x"])]
    web.get(f"{HOST}/v1/log", json={"data": [{"id": one, "kind": other} for one, other in parts]})
    messages = read(context, source(HOST, key=["id", "kind"]))
    assert keys(messages) == ["1|", "1|", "|x"]
    bad = [(message.reason, message.where) for message in rejected(messages)]
    assert bad == [("missing_key", "page 1 record 4"), ("missing_key", "page 1 record 5")]


@given(st.lists(st.tuples(*[st.text("a|\\ ", max_size=4)] * 3), min_size=1, max_size=12))
def test_records_whose_keys_differ_in_any_part_have_different_keys(parts: list[tuple[str, str, str]]) -> None:
    made = HostContext()
    with responses.RequestsMock() as web:
        web.get(f"{HOST}/v1/log", json={"data": [dict(zip("abc", one, strict=True)) for one in parts]})
        found = keys(read(made, source(HOST, key=["a", "b", "c"])))
    different = {tuple(part.strip() for part in one) for one in parts if any(part.strip() for part in one)}
    assert len(set(found)) == len(different)
    made.close()


def test_without_a_key_the_mapping_names_it(context: HostContext, web: responses.RequestsMock) -> None:
    context.key = ("kind",)
    web.get(f"{HOST}/v1/log", json={"data": [{"id": 1, "kind": "a"}]})
    assert keys(read(context, source(HOST, key=[]))) == ["a"]


def test_without_any_key_nothing_is_asked(context: HostContext) -> None:
    with pytest.raises(ConfigError, match=r"say what identifies a record of activities"):
        read(context, source(HOST, key=[]))


@pytest.mark.parametrize(
    ("row", "reason"),
    [({"kind": "talk"}, "missing_key"), ({"id": None}, "missing_key"), ({"id": " "}, "missing_key"),
     ({"id": ["A"]}, "missing_key"), ({"id": True}, "missing_key"), ({"id": "a\0b"}, "bad_key"),
     ({"id": "\ud800"}, "bad_key"), ("text", "not_an_object"), (None, "not_an_object")],
)  # fmt: skip
def test_a_record_that_cannot_be_read_costs_only_itself(
    context: HostContext, web: responses.RequestsMock, row: Any, reason: str
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": [ROWS[0], row, ROWS[1]]})
    messages = read(context, source(HOST))
    assert keys(messages) == ["A1", "A2"]
    (bad,) = rejected(messages)
    assert (bad.reason, bad.where) == (reason, "page 1 record 2")


def test_a_list_within_a_record_becomes_records(context: HostContext, web: responses.RequestsMock) -> None:
    context.columns = frozenset({"name", "item", "item.id"})
    groups = [{"id": "G1", "name": "Group 1", "students": {"data": [{"id": 1}, {"id": 2}]}}, {"id": "G2", "name": "x"}]
    web.get(f"{HOST}/v1/log", json={"data": groups})
    messages = read(context, source(HOST, expand="students.data", key=["id", "item.id"]))
    assert messages[:2] == [Record(f"G1|{n}", {"name": "Group 1", "item": {"id": n}}) for n in (1, 2)]
    assert keys(messages) == ["G1|1", "G1|2"]


def test_a_record_may_say_that_it_is_deleted(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(f"{HOST}/v1/log", json={"data": [{"id": "1", "status": "tobedeleted"}, {"id": "2", "status": "active"}]})
    messages = read(context, source(HOST, deleted="status == 'tobedeleted'"))
    assert messages[:2] == [Deleted("1"), Record("2", {"id": "2"})]


# -- what changed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "cursor", "sent"),
    [({}, None, None), ({}, "2026-02-01T09:00:00Z", "2026-02-01T09:00:00Z"),
     ({"format": "%Y-%m-%d %H:%M:%S"}, "2026-02-01T09:00:00Z", "2026-02-01 09:00:00"),
     ({"format": "%d/%m/%Y %H:%M", "local": True}, "2026-07-01T09:00:00Z", "01/07/2026 10:00"),
     ({"value": "modified>'{cursor}'"}, "2026-02-01T09:00:00Z", "modified>'2026-02-01T09:00:00Z'"),
     ({"cursor": "date"}, "2026-02-01", "2026-02-01"),
     ({"cursor": "date", "format": "%d/%m/%Y"}, "2026-02-01", "01/02/2026"),
     ({"cursor": "integer", "field": "n"}, 17, "17")],
)  # fmt: skip
def test_the_cursor_is_sent_as_the_service_wants_it(
    context: HostContext, web: responses.RequestsMock, said: dict[str, Any], cursor: Cursor | None, sent: str | None
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": []})
    read(context, source(HOST, incremental={"parameter": "since", **said}), cursor)
    assert asked(web) == [{} if sent is None else {"since": sent}]


@pytest.mark.parametrize(
    ("said", "values", "reached"),
    [({}, ["2026-02-03T10:00:00Z", "2026-02-03T11:30:00+01:00", "2026-02-01 00:00:00"], "2026-02-03T10:30:00+00:00"),
     ({}, ["2026-07-01 12:00:00.5"], "2026-07-01T11:00:00.500000+00:00"),
     ({"cursor": "date"}, ["2026-02-03", "2026-02-04T01:00:00", "2026-01-01"], "2026-02-04"),
     ({"cursor": "integer"}, [3, "12", 7], 12)],
)  # fmt: skip
def test_the_newest_change_is_where_the_next_read_begins(
    context: HostContext, web: responses.RequestsMock, said: dict[str, Any], values: list[Any], reached: Cursor
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": [{"id": n, "updated": value} for n, value in enumerate(values)]})
    messages = read(context, source(HOST, incremental={"parameter": "since", "field": "updated", **said}))
    assert messages[-1] == Checkpoint(reached)


@pytest.mark.parametrize("value", [None, "soon", 7, "", {"date": "2026-02-03"}])
def test_a_record_that_does_not_say_when_it_changed_is_warned_of(
    context: HostContext, web: responses.RequestsMock, value: Any
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": [{"id": "1", "updated": value}]})
    messages = read(context, source(HOST, incremental={"parameter": "since", "field": "updated"}))
    assert messages == [Record("1", {"id": "1", "updated": value}), Checkpoint(None), Checkpoint(None)]
    assert context.warnings == [("bad_cursor", "1", "updated", "")]


@pytest.mark.parametrize(("kind", "reached"), [("instant", "2026-03-02T01:00:00+00:00"), ("date", "2026-03-02")])
def test_where_no_record_says_when_it_changed_the_start_of_the_run_counts(
    context: HostContext, web: responses.RequestsMock, kind: str, reached: str
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": ROWS})
    messages = read(context, source(HOST, incremental={"parameter": "since", "cursor": kind}))
    assert messages[-2:] == [Checkpoint(None), Checkpoint(reached)]


def test_an_ordered_stream_tells_how_far_it_came_after_every_page(context: HostContext) -> None:
    with RestServer({"log": ROWS}, paging="page") as server:
        said = {"parameter": "since", "field": "updated", "ordered": True}
        one = source(server.url, paging="page", incremental=said)
        messages = read(context, one)
    assert one.streams[0].ordered
    assert [message.cursor for message in messages if isinstance(message, Checkpoint)] == [
        f"2026-02-0{day}T10:00:00+00:00" for day in (3, 6, 7, 7, 7)
    ]


def test_the_pace_that_is_allowed_is_kept(context: HostContext) -> None:
    with RestServer({"log": ROWS}, paging="page", size=1) as server:
        said = table(server.url, paging="page") | {"rate": {"requests": 2, "seconds": 0.1}}
        read(context, RestSource(RestConfig(**said)))
        times = [request.at for request in server.requests]
    assert len(times) == 8
    # Sent at least this far apart; a loaded machine may receive them a little closer.
    assert times[-1] - times[0] >= 0.2
    assert any(later - earlier > 0.05 for earlier, later in pairwise(times))


def test_what_is_sent_again_keeps_the_pace_too(context: HostContext) -> None:
    faults = dict.fromkeys((2, 3, 4, 5), too_many())
    with RestServer({"log": ROWS}, paging="page", auth="login", token_uses=2, faults=faults) as server:
        said = table(server.url, paging="page", auth="login") | {"rate": {"requests": 1, "seconds": 0.05}}
        assert len(keys(read(context, RestSource(RestConfig(**said))))) == 7
        times = [request.at for request in server.requests]
    assert len(times) == 11
    # Ten gaps; the first request may have been received late.
    assert times[-1] - times[0] > 0.4


# -- the configuration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [({"base_url": "http://ilp.example.ac.uk"}, "must begin with https://"),
     ({"base_url": "ilp.example.ac.uk"}, "not a web address"),
     ({"base_url": "https://[broken"}, "not a web address"),
     ({"base_url": "https://u:p@ilp.example.ac.uk"}, "must not contain a user"),
     ({"base_url": "https://@ilp.example.ac.uk"}, "must not contain a user"),
     ({"base_url": r"https://evil.example\@ilp.example.ac.uk"}, "must not contain a backslash"),
     ({"base_url": "https://ilp.example.ac.uk/v 1"}, "contain a backslash, a space"),
     ({"auth": {**SIGNS["oauth2"], "url": "https://ilp.example.ac.uk\t/token"}}, "contain a backslash, a space"),
     ({"base_url": "https://ilp.example.ac.uk/?key=1"}, "must not contain a user"),
     ({"auth": {"kind": "bearer"}}, "needs token"),
     ({"auth": {"kind": "login", "username": "u", "password": "p"}}, "needs url"),
     ({"auth": {"kind": "bearer", "token": "t", "password": "p"}}, "no use for password"),
     ({"auth": {"kind": "api_key", "key": "k"}}, "needs header"),
     ({"auth": {**SIGNS["oauth2"], "url": "http://login.example.ac.uk/token"}}, "must begin with https://"),
     ({"auth": {**SIGNS["oauth2"], "send": "json"}}, '"basic" or "form"'),
     ({"auth": {**SIGNS["bearer"], "value": "Bearer"}}, "must hold {token} once"),
     ({"auth": {**SIGNS["bearer"], "header": "X Key:"}}, "not the name of a header"),
     ({"headers": {"Authorization": "Bearer x"}}, "is a header for keys"),
     ({"streams": {}}, "at least 1"),
     ({"streams": {"actions": {}}}, "activities"),
     ({"rate": {"requests": 0}}, "greater than or equal to 1"),
     ({"variables": {}}, None)],
)  # fmt: skip
def test_a_wrong_table_is_refused(change: dict[str, Any], says: str | None) -> None:
    assert_refused(RestConfig, table(HOST) | change, says)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"path": "https://elsewhere.example.com/x"}, "must be a path below base_url"),
     ({"path": "//elsewhere.example.com/x"}, "must be a path below base_url"),
     ({"path": "log?key=1"}, "parameters go into query"),
     ({"records": "data["}, "not a JMESPath"),
     ({"records": "shout(data)"}, None),  # a function that does not exist is found when it is called
     ({"pagination": {"kind": "cursor"}}, "needs next"),
     ({"pagination": {"kind": "page", "next": "x"}}, "no use for next"),
     ({"pagination": {"kind": "page", "size": 10}}, "size and size_parameter together"),
     ({"pagination": {"kind": "none", "max_pages": 10}}, "no use for max_pages"),
     ({"pagination": {"kind": "page", "max_pages": 0}}, "greater than or equal to 1"),
     ({"incremental": {"parameter": "since", "cursor": "integer"}}, "needs field"),
     ({"incremental": {"parameter": "since", "value": "x"}}, "must hold {cursor} once"),
     ({"enabled": False}, "no enabled stream"),
     ({"path": "v1/{school}/log"}, r"uses \{school\} in path")],
)  # fmt: skip
def test_a_wrong_stream_is_refused(change: dict[str, Any], says: str | None) -> None:
    assert_refused(RestConfig, table(HOST, **change), says)


def test_variables_stand_where_they_are_named(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(f"{HOST}/v1/A%2F..%2FB/log", json={"data": ROWS})
    said = table("https://{host}/v1", path="{school}/log", query={"year": "{year}"})
    config = RestConfig(**said, variables={"host": "ilp.example.ac.uk", "school": "A/../B", "year": 2526})
    assert len(keys(read(context, RestSource(config)))) == 7
    assert asked(web) == [{"year": "2526"}]


def test_a_function_that_does_not_exist_is_told_by_the_missing_list(
    context: HostContext, web: responses.RequestsMock
) -> None:
    web.get(f"{HOST}/v1/log", json={"data": ROWS})
    with pytest.raises(SourceUnavailable, match=r"no list of activities at shout\(data\)"):
        read(context, source(HOST, records="shout(data)"))


@pytest.mark.parametrize(("stream", "mode"), [("learners", "snapshot"), ("activities", "append")])
def test_streams_are_kept_as_is_usual_for_them(stream: str, mode: str) -> None:
    said = table(HOST)
    said["streams"] = {stream: said["streams"]["activities"]}
    assert RestSource(RestConfig(**said)).streams[0].mode == mode


# -- shipped declarations ----------------------------------------------------------------------------------------------

DECLARED: dict[str, dict[str, Any]] = {
    "wonde": {"variables": {"school": "A1234567890"}, "auth": {"token": KEY}},
    "ebs": {"variables": {"host": "https://ebs.example.ac.uk/ws"}, "auth": {"username": USER, "password": PASSWORD}},
}


def declared(name: str, **more: Any) -> RestSource:
    said = {"type": "rest", "name": "mis", "declaration": name, **DECLARED[name], **more}
    return RestSource(RestConfig.model_validate(said))


def test_every_shipped_declaration_is_tried_here() -> None:
    assert set(declarations()) == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_a_declaration_needs_its_variables(name: str) -> None:
    said = {"type": "rest", "name": "mis", "declaration": name, **DECLARED[name], "variables": {}}
    with pytest.raises(ValidationError, match=r"needs in variables: \w+ \(the "):
        RestConfig.model_validate(said)


def test_a_declaration_that_is_not_shipped_is_refused() -> None:
    with pytest.raises(ValidationError, match="there are: ebs, wonde"):
        RestConfig.model_validate({"type": "rest", "name": "mis", "declaration": "sims"})


def test_a_college_may_change_a_declaration() -> None:
    one = declared("wonde", streams={
        "assignments": {"enabled": False},
        "learners": {"mapping": "ours", "pagination": {"kind": "page"}, "incremental": {"parameter": "updated_after"}},
    })  # fmt: skip
    (spec,) = one.streams
    assert (spec.name, spec.mapping, spec.cursor) == ("learners", "ours", "instant")


@pytest.mark.parametrize("auth", ["api_key", "bearer", "basic", "oauth2"])
def test_another_way_to_sign_in_takes_the_place_of_the_shipped_one(
    context: HostContext, web: responses.RequestsMock, auth: str
) -> None:
    assert declared("ebs", auth=SIGNS[auth]).config.auth == RestConfig(**table(HOST, auth=auth)).auth  # type: ignore[attr-defined]


def test_the_shipped_way_to_sign_in_may_be_changed_in_part() -> None:
    mine = {"kind": "login", "username": USER, "password": PASSWORD, "value": "Bearer {token}"}
    auth = declared("ebs", auth=mine).config.auth  # type: ignore[attr-defined]
    assert (auth.url, auth.send, auth.value) == ("rest/Authentication", "basic", "Bearer {token}")


def test_wonde_is_read_as_its_documentation_says(context: HostContext, web: responses.RequestsMock) -> None:
    base = "https://api.wonde.com/v1.0/schools/A1234567890"
    context.columns = frozenset({"mis_id"})
    next_page = f"{base}/students/?page=2"
    signed = [responses.matchers.header_matcher({"Authorization": f"Bearer {KEY}"})]
    web.get(f"{base}/students/", match=signed, json={
        "data": [{"id": "A1", "mis_id": "9919"}],
        "meta": {"pagination": {"next": next_page, "more": True, "per_page": "200", "current_page": 1}}})  # fmt: skip
    web.get(next_page, match=signed, json={
        "data": [{"id": "A2", "mis_id": "9920"}], "meta": {"pagination": {"next": None, "more": False}}})  # fmt: skip
    messages = list(declared("wonde").read_learners(None, context))
    assert messages[0] == Record("A1", {"mis_id": "9919"})
    assert keys(messages) == ["A1", "A2"]
    assert asked(web)[0] == {"include": "education_details,contact_details", "per_page": "200"}


def test_ebs_is_signed_into_as_its_documentation_says(context: HostContext, web: responses.RequestsMock) -> None:
    base = "https://ebs.example.ac.uk/ws/rest"
    context.columns = frozenset({"PERSON_CODE"})
    web.get(f"{base}/Authentication", json={"Token": TOKENS})
    web.get(f"{base}/Modules/15866/Screens/Fingerpost/Data/FingerpostLearners", json=[{"PERSON_CODE": 345678}],
            match=[responses.matchers.header_matcher({"Authorization": f"Basic {TOKENS}"})])  # fmt: skip
    assert keys(list(declared("ebs").read_learners(None, context))) == ["345678"]


def mis(folder: Path, declaration: str, **keys: Any) -> SmallCollege:
    """Return a college whose MIS is read as a shipped declaration says."""
    made = SmallCollege(folder)
    made.connectors.append({"type": "rest", "name": "mis", "declaration": declaration, **keys})
    return made


def assert_stored(college: SmallCollege, *values: str) -> None:
    stored = repr(college.snapshot())
    for value in values:
        assert value in stored, value


def test_a_night_of_wonde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of the shape that its documentation shows; the service itself was not asked."""
    base = "https://api.wonde.com/v1.0/schools/A1234567890"
    monkeypatch.setenv("WONDE_TOKEN", KEY)
    made = mis(tmp_path, "wonde", variables={"school": "A1234567890"}, auth={"token": {"env": "WONDE_TOKEN"}})
    student = {
        "id": "A1", "mis_id": "9919", "forename": "Ruth", "surname": "Bennett", "legal_surname": "Bennett",
        "date_of_birth": {"date": "2008-05-17 00:00:00.000000", "timezone_type": 3, "timezone": "Europe/London"},
        "education_details": {"data": {"learner_number": None, "upn": "X"}},
        "contact_details": {"data": {"emails": {"email": "ruth@example.ac.uk", "primary": None}}},
    }  # fmt: skip
    staff = {"forename": "Ann", "surname": "Tutor",
             "contact_details": {"data": {"emails": {"work": "tutor@example.ac.uk"}}}}  # fmt: skip
    members = {"data": [{"id": "A1", "mis_id": "9919"}]}
    groups = [
        {"id": "G1", "type": "REGISTRATION", "name": "12A", "students": members, "employees": {"data": [staff]}},
        {"id": "G2", "type": "YEAR", "name": "12", "students": members},
    ]
    with responses.RequestsMock() as web:
        web.get(f"{base}/students/", json={"data": [student], "meta": {"pagination": {"next": None}}})
        web.get(f"{base}/groups/", json={"data": groups, "meta": {"pagination": {"next": None}}})
        report = made.sync()
    assert [(one.stream, one.new, one.rejected) for one in report.streams] == [
        ("learners", 1, 0), ("assignments", 1, 0)]  # fmt: skip
    assert_stored(made, "9919", "Ruth", "Bennett", "2008-05-17", "ruth@example.ac.uk")
    assert_stored(made, "12A", "Ann Tutor", "tutor@example.ac.uk")


def test_a_night_of_ebs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of data links with the columns that the mappings ask for; the service itself was not asked."""
    base = "https://ebs.example.ac.uk/ws/rest"
    monkeypatch.setenv("EBS_PASSWORD", PASSWORD)
    auth = {"username": USER, "password": {"env": "EBS_PASSWORD"}}
    made = mis(tmp_path, "ebs", variables={"host": "https://ebs.example.ac.uk/ws"}, auth=auth)
    person = {
        "PERSON_CODE": 345678, "UNIQUE_LEARN_NO": 1000000043, "FORENAME": "Ruth", "MIDDLE_NAMES": None,
        "SURNAME": "Bennett", "DATE_OF_BIRTH": "2008-05-17T00:00:00", "HAS_HEALTHCARE_PLAN": "N",
    }  # fmt: skip
    course = {
        "PERSON_CODE": 345678, "PEOPLE_UNITS_ID": 9, "ACADEMIC_YEAR": "25/26", "COURSE_TITLE": "Catering",
        "PROG_TYPE": 31, "START_DATE": "01/09/2025", "EXP_END_DATE": "10/07/2026", "COMPLETION": 1,
    }  # fmt: skip
    tutor = {"PERSON_CODE": 345678, "TUTOR_GROUP": "G1", "TUTOR_NAME": "Ann Tutor", "TUTOR_EMAIL": "t@example.ac.uk"}
    other = {**tutor, "TUTOR_NAME": "Bo Tutor", "TUTOR_EMAIL": None}
    with responses.RequestsMock() as web:
        web.get(f"{base}/Authentication", json={"Token": TOKENS})
        for name, rows in (("Learners", [person]), ("Programmes", [course]), ("Assignments", [tutor, other])):
            web.get(f"{base}/Modules/15866/Screens/Fingerpost/Data/Fingerpost{name}", json=rows)
        report = made.sync()
    assert [(one.stream, one.new, one.rejected, one.warnings) for one in report.streams] == [
        ("learners", 1, 0, 0), ("programmes", 1, 0, 0), ("assignments", 2, 0, 0)]  # fmt: skip
    assert_stored(made, "345678", "1000000043", "Ruth", "2008-05-17", "2025/26", "t_level", "continuing")
    assert_stored(made, "Ann Tutor", "Bo T")


# -- check -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "fault", "level", "says"),
    [(ROWS, None, "ok", "the first page holds 3 records"),
     ([], None, "warning", "the first page is empty"),
     ([{"id": "1"}, {"kind": "x"}], None, "error", "1 of the first 2 records have nothing at id"),
     (ROWS, web_page(), "error", "a web page instead of data"),
     (ROWS, Answer(b"", 401), "error", "refused our credentials"),
     (ROWS, Answer(b"", 404), "error", "status 404")],
)  # fmt: skip
def test_check_says_what_it_found(
    context: HostContext, rows: list[dict[str, Any]], fault: Answer | None, level: str, says: str
) -> None:
    with RestServer({"log": rows}, paging="page", faults={1: fault} if fault else {}) as server:
        (finding,) = source(server.url, paging="page").check(context)
    assert finding.level == level
    assert says in finding.message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("pagination", "count", "level", "says"),
    [({"kind": "next_link", "next": "meta.next"}, 7, "ok", "holds 3 records"),
     ({"kind": "next_link", "next": "meta.nxet"}, 7, "warning", "does not name a next page"),
     ({"kind": "next_link"}, 7, "warning", "does not name a next page"),
     ({"kind": "cursor", "next": "meta.nxet"}, 7, "warning", "does not name a next page"),
     ({"kind": "none"}, 7, "warning", "the first page is full, with the 3 records that size asks for"),
     ({"kind": "page", "more": "meta.mroe"}, 7, "error", "no true or false at meta.mroe"),
     ({"kind": "page", "total": "meta.total"}, 7, "error", "no number at meta.total"),
     ({"kind": "page"}, 7, "ok", "holds 3 records"),
     ({"kind": "next_link", "next": "meta.next"}, 2, "ok", "holds 2 records")],
)  # fmt: skip
def test_check_sees_that_a_full_page_leads_nowhere(
    context: HostContext, pagination: dict[str, str], count: int, level: str, says: str
) -> None:
    with RestServer({"log": ROWS[:count]}, paging="next_link") as server:
        said = {**pagination, "size": 3, "size_parameter": "limit"}
        (finding,) = source(server.url, pagination=said).check(context)
    assert (finding.level, len(server.requests)) == (level, 1)
    assert says in finding.message


def test_check_sees_that_a_filter_lets_nothing_through(context: HostContext) -> None:
    with RestServer({"log": ROWS}, paging="page") as server:
        (finding,) = source(server.url, paging="page", records="data[?kind=='visit']").check(context)
    assert (finding.level, len(server.requests)) == ("warning", 1)
    assert "takes none of the 3 records" in finding.message


# -- whole nights ------------------------------------------------------------------------------------------------------

STUDENTS: list[dict[str, Any]] = [
    {"id": f"W{n}", "student": {"ref": f"L{n:03}", "name": {"first": f"Given{n}", "last": f"Family{n}"}},
     "born": "2008-05-17", "updated": "2026-02-01T10:00:00Z"}
    for n in range(1, 9)
]  # fmt: skip
LOG: list[dict[str, Any]] = [
    {"id": f"E{n}", "learner": f"L{n:03}", "what": "Employer talk", "on": "2025-10-06",
     "updated": "2026-02-01T10:00:00Z"}
    for n in range(1, 9)
]  # fmt: skip
MAPPINGS = {
    "ilp-learners": 'schema_version = 1\nstream = "learners"\n[fields.learner_ref]\nfrom = "student.ref"\n'
    'required = true\n[fields.given_names]\nfrom = "student.name.first"\n[fields.family_name]\n'
    'from = "student.name.last"\n[fields.date_of_birth]\nfrom = "born"\n',
    "ilp-log": 'schema_version = 1\nstream = "activities"\n[fields.learner_ref]\nfrom = "learner"\n[fields.kind]\n'
    'from = "what"\nvalues = { "Employer talk" = "employer_encounter" }\n[fields.starts_on]\nfrom = "on"\n',
}


def college(folder: Path, server: RestServer, monkeypatch: pytest.MonkeyPatch) -> SmallCollege:
    made = SmallCollege(folder)
    (folder / "mappings").mkdir()
    for name, text in MAPPINGS.items():
        (folder / "mappings" / f"{name}.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("ILP_PASSWORD", PASSWORD)
    incremental = {"parameter": "since", "field": "updated"}
    made.connectors.append({
        "type": "rest", "name": "ilp", "base_url": server.url,
        "auth": SIGNS["login"] | {"password": {"env": "ILP_PASSWORD"}},
        "streams": {
            "learners": {"path": "v1/students", "records": "data", "key": ["id"], "mapping": "ilp-learners",
                         "pagination": PAGING["page"]},
            "activities": {"path": "v1/log", "records": "data", "key": ["id"], "mapping": "ilp-log", "mode": "snapshot",
                           "pagination": PAGING["page"], "incremental": incremental},
        },
    })  # fmt: skip
    return made


@pytest.fixture
def service() -> Iterator[RestServer]:
    lists = {"students": [dict(row) for row in STUDENTS], "log": [dict(row) for row in LOG]}
    with RestServer(lists, paging="page", auth="login", token_uses=5) as server:
        yield server


@pytest.fixture
def made(tmp_path: Path, service: RestServer, monkeypatch: pytest.MonkeyPatch) -> SmallCollege:
    return college(tmp_path / "college", service, monkeypatch)


def test_a_night_reads_everything_and_the_next_one_only_what_changed(made: SmallCollege, service: RestServer) -> None:
    first = made.sync()
    assert [(one.stream, one.state, one.new, one.rejected) for one in first.streams] == [
        ("learners", "complete", 8, 0), ("activities", "complete", 8, 0)]  # fmt: skip
    before = made.snapshot()

    made.later()
    service.requests.clear()
    second = made.sync()
    assert [(one.new, one.changed, one.deleted) for one in second.streams] == [(0, 0, 0), (0, 0, 0)]
    assert made.snapshot() == before
    # The newest change less the look-back of a day.
    logs = [request for request in service.reads if request.path == "/v1/log"]
    assert {request.query["since"] for request in logs} == {"2026-01-31T10:00:00Z"}

    made.later()
    service.lists["log"][2] |= {"on": "2025-11-03", "updated": "2026-03-03T10:00:00Z"}
    third = made.sync()
    assert [(one.stream, one.changed) for one in third.streams] == [("learners", 0), ("activities", 1)]
    with made.open() as opened:
        assert opened.explain("L003").learner


def test_what_is_gone_from_the_service_is_gone_after_a_whole_read(made: SmallCollege, service: RestServer) -> None:
    made.sync()
    del service.lists["log"][0]
    made.later(days=8)
    assert [one.deleted for one in made.sync().streams] == [0, 1]


@pytest.mark.parametrize(
    ("fault", "says"),
    [(web_page(), "a web page instead of data"), (Answer(b"", 403), "refused our credentials"),
     (Answer(b'{"data": [', 200), "not JSON")],
)  # fmt: skip
def test_a_night_that_fails_on_the_way_loses_nothing(
    made: SmallCollege, service: RestServer, fault: Answer, says: str
) -> None:
    made.sync()
    before = made.snapshot()
    service.faults = {len(service.reads) + 2: fault}  # the second page of learners
    made.later()
    report = made.sync()
    assert [one.state for one in report.streams] == ["failed", "complete"]
    assert says in (report.streams[0].message or "")
    assert report.exit_code == 3
    assert made.snapshot() == before
    service.faults = {}
    made.later()
    made.sync(full=True)
    assert made.snapshot() == before


def test_a_broken_table_is_told_in_sentences(made: SmallCollege) -> None:
    made.connectors[0]["auth"] = {"kind": "bearer", "token": KEY}
    made.connectors[0]["base_url"] = "http://ilp.example.ac.uk"
    with pytest.raises(ConfigError) as caught:
        made.sync()
    assert "is a secret and must not be written in the file" in caught.value.message
    assert "base_url must begin with https://" in caught.value.message
    assert KEY not in caught.value.message


def test_a_missing_variable_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WONDE_TOKEN", KEY)
    made = mis(tmp_path, "wonde", auth={"token": {"env": "WONDE_TOKEN"}})
    with pytest.raises(ConfigError, match=r"'mis'.* needs in variables: school \(the id of the college in Wonde"):
        made.sync()
    made.connectors[0]["variables"] = {"school": "A1"}
    with made.open() as opened:
        assert [spec.name for spec in opened._opened.source("mis").streams] == ["learners", "assignments"]


def test_tokens_may_come_from_another_host_that_the_table_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only hosts in the configuration may be asked, and one within a table within a table is in the configuration."""
    with RestServer({"students": STUDENTS, "log": LOG}, paging="page", auth="oauth2") as service:
        made = college(tmp_path / "college", service, monkeypatch)
        elsewhere = service.url.replace("127.0.0.1", "localhost")
        made.connectors[0]["auth"] = SIGNS["oauth2"] | {
            "url": f"{elsewhere}/token", "client_secret": {"env": "ILP_PASSWORD"}}  # fmt: skip
        assert [one.state for one in made.sync().streams] == ["complete", "complete"]


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["api_key", "bearer", "basic", "oauth2", "login", "login_basic"])
@pytest.mark.parametrize(
    "fault", [None, too_many(1), web_page(), Answer(b"", 401), Answer(b"", 403), Answer(b"", 500), Answer(b"{", 200)]
)
def test_secrets_appear_nowhere(
    context: HostContext, auth: Any, fault: Answer | None, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    caplog.set_level(logging.DEBUG)
    faults = dict.fromkeys(range(2, 30), fault) if fault else {}
    with RestServer({"log": ROWS}, paging="page", auth=auth, token_uses=2, faults=faults) as server:
        one = source(server.url, paging="page", auth=auth)
        with capture_logs() as logs:
            context.log = structlog.get_logger()
            try:
                said.append(repr(read(context, one)))
            except Exception as error:
                chain: BaseException | None = error
                while chain is not None:
                    said += [repr(chain), str(chain), repr(vars(chain))]
                    chain = chain.__cause__
            said += [repr(finding) for finding in one.check(context)]
        said += [repr(logs), caplog.text, repr(one), repr(one.config), repr(vars(one)), one.config.model_dump_json()]
    everything = "\n".join(said)
    assert server.requests
    assert not [secret for secret in (KEY, PASSWORD, TOKENS) if secret in everything]


def test_secrets_appear_in_no_store_and_no_log_of_a_night(
    made: SmallCollege, service: RestServer, capfd: pytest.CaptureFixture[str]
) -> None:
    service.faults = {3: too_many(0), 9: Answer(b"", 403)}
    with capture_logs() as logs, made.open() as opened:
        report = opened.sync()
        told = [
            repr(logs),
            repr(report),
            repr(opened._opened.config),
            repr(snapshot(opened._opened.store)),
            repr(opened.check()),
        ]
    captured = capfd.readouterr()
    told += [captured.out, captured.err]
    stored = b"".join(path.read_bytes() for path in made.folder.rglob("*") if path.is_file())
    for secret in (PASSWORD, TOKENS):
        assert not [text for text in told if secret in text]
        assert secret.encode() not in stored
    assert [one.state for one in report.streams].count("failed") == 1
