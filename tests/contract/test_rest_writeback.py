"""The channel `rest-writeback`: against a server on the loopback interface, and against made-up answers."""

from __future__ import annotations

import json
import logging
import random
import re
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import contexts
import pytest
import requests
import responses
import structlog
from colleges import usual_college
from connector_cases import assert_refused
from http_server import KEY, Answer, cut, json_answer, too_many, web_page
from rest_server import PAGING, PASSWORD, SIGNS, TOKENS, RestServer
from structlog.testing import capture_logs

from fingerpost import (
    AuthError,
    College,
    ConfigError,
    ContractError,
    Deleted,
    Digest,
    GapItem,
    Payload,
    Person,
    Receipt,
    item_key,
    mark_item,
    read_mark,
)
from fingerpost_rest import RestChannel, RestConfig, RestSource, WritebackConfig, connectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOST = "https://ilp.example.ac.uk"
DOCS = Path(__file__).parents[2] / "docs" / "rest.md"
LEARNER = "L/0 01"
PAGE = f"{HOST}/v1/learners/L%2F0%2001/items"
ITEM_KEY = item_key(99999999, LEARNER)
DONE = json_answer({"data": {"id": 1}}, status=201)


@dataclass
class HostContext(contexts.HostContext):
    """What the host hands to a channel; a channel has no faulty data to report."""

    key: tuple[str, ...] = ("id",)
    name: str = "ilp-items"
    secrets: Sequence[str] = (KEY, PASSWORD)
    forbidden: frozenset[str] = frozenset({"warn", "data_from"})


@pytest.fixture
def server() -> Iterator[RestServer]:
    with RestServer({}, pages={LEARNER: []}) as made:
        yield made


def table(base_url: str, *, auth: str = "none", paging: str = "none", **said: Any) -> dict[str, Any]:
    change = {"path": "v1/items/{id}", "body": {"note": "{text}"}}
    return {
        "type": "rest-writeback", "name": "ilp-items", "base_url": base_url, "auth": SIGNS[auth], "write": True,
        "look": {"path": "v1/learners/{learner}/items", "records": "data", "id": "id", "text": "note",
                 "pagination": PAGING[paging]},
        "open": {"path": "v1/learners/{learner}/items", "id": "data.id",
                 "body": {"note": "{text}", "raised": "{date}", "tags": ["careers", {"key": "k-{key}"}], "level": 2}},
        "update": change, "close": {**change, "body": {"note": "{text}", "state": "done", "number": "{id}"}}, **said,
    }  # fmt: skip


def channel(base_url: str, **said: Any) -> RestChannel:
    return RestChannel(WritebackConfig(**table(base_url, **said)))


@pytest.fixture
def one(server: RestServer) -> RestChannel:
    return channel(server.url)


def item(
    text: str = "Talk to an employer.", operation: Literal["open", "update", "close"] = "open", learner: str = LEARNER
) -> GapItem:
    return GapItem(item_key(99999999, learner), operation, learner, text, (), date(2026, 3, 2))


def payload(one: RestChannel, context: HostContext, what: GapItem, number: str = "delivery-1") -> Payload:
    """Return what the host hands back: the bytes as they were rendered, under a key of its own."""
    return replace(one.render(what, context), key=number)


def deliver(one: RestChannel, context: HostContext, *items: GapItem) -> list[Receipt]:
    return list(one.deliver([payload(one, context, what, f"delivery-{n}") for n, what in enumerate(items, 1)], context))


def reconcile(one: RestChannel, context: HostContext, what: GapItem) -> Receipt:
    (receipt,) = one.reconcile([payload(one, context, what)], context)
    return receipt


def opened(items: Sequence[Mapping[str, Any]]) -> list[str]:
    marks = [(one["note"], read_mark(one["note"])) for one in items]
    return [note for note, mark in marks if mark is not None and not mark.closed]


# -- opening, updating, closing ----------------------------------------------------------------------------------------


def test_the_plugin_offers_the_channel_beside_the_source() -> None:
    assert [connector.name for connector in connectors()] == ["rest", "rest-writeback"]
    assert RestChannel.accepts == "gap_item"


def test_an_item_is_opened_updated_and_closed(context: HostContext, server: RestServer, one: RestChannel) -> None:
    assert deliver(one, context, item("A")) == [Receipt("delivery-1", "sent", "1")]
    assert server.pages[LEARNER] == [
        {"id": 1, "note": mark_item(ITEM_KEY, "A"), "raised": "2026-03-02", "level": 2,
         "tags": ["careers", {"key": f"k-{ITEM_KEY}"}]}
    ]  # fmt: skip
    assert deliver(one, context, item("B", "update")) == [Receipt("delivery-1", "sent", "1")]
    assert opened(server.pages[LEARNER]) == [mark_item(ITEM_KEY, "B")]
    assert deliver(one, context, item("Done", "close")) == [Receipt("delivery-1", "sent", "1")]
    (last,) = server.pages[LEARNER]
    assert last["note"] == mark_item(ITEM_KEY, "Done", closed=True)
    assert (last["state"], last["number"]) == ("done", 1)  # a number stays a number
    assert [request.method for request in server.writes] == ["POST", "PUT", "PUT"]


def test_the_reference_of_a_learner_cannot_lead_to_another_path(context: HostContext, server: RestServer) -> None:
    deliver(channel(server.url), context, item())
    assert {request.path for request in server.requests} == {"/v1/learners/L%2F0%2001/items"}
    assert deliver(channel(server.url), context, item(learner="..")) == [
        Receipt("delivery-1", "permanent", None, "unusable_reference")
    ]
    assert len(server.requests) == 2


@pytest.mark.parametrize("what", [item("A"), item("A", "update"), item("A", "close")])
def test_the_same_payload_twice_writes_once(
    context: HostContext, server: RestServer, one: RestChannel, what: GapItem
) -> None:
    deliver(one, context, item("before"))
    first = deliver(one, context, what)
    count = len(server.writes)
    again = deliver(one, context, what, what)
    assert [(receipt.status, receipt.detail) for receipt in again] == [("sent", "")] * 2
    assert first[0].external_ref == "1"
    assert len(server.writes) == count
    assert len(server.pages[LEARNER]) == 1
    assert reconcile(one, context, what).status == "sent"


def test_an_update_of_what_is_gone_opens_and_an_open_of_what_is_there_updates(
    context: HostContext, server: RestServer, one: RestChannel
) -> None:
    assert deliver(one, context, item("A", "update"))[0].status == "sent"
    assert deliver(one, context, item("B", "open"))[0].status == "sent"
    assert [one["note"] for one in server.pages[LEARNER]] == [mark_item(ITEM_KEY, "B")]


def test_closing_what_is_not_there_writes_nothing(context: HostContext, server: RestServer) -> None:
    assert deliver(channel(server.url), context, item("Done", "close"))[0].status == "sent"
    assert server.writes == []


@pytest.mark.parametrize("header", [None, "Idempotency-Key"])
def test_what_was_said_before_is_said_again(context: HostContext, server: RestServer, header: str | None) -> None:
    """All on one day, to a service that does what comes twice with the same key only once."""
    one = channel(server.url, idempotency_header=header)
    for text in ("A", "B", "A"):
        assert deliver(one, context, item(text))[0].status == "sent"
        assert opened(server.pages[LEARNER]) == [mark_item(ITEM_KEY, text)]
    for what in (item("Done", "close"), item("A")):
        assert deliver(one, context, what)[0].status == "sent"
    assert len(server.pages[LEARNER]) == 2
    assert opened(server.pages[LEARNER]) == [mark_item(ITEM_KEY, "A")]


def test_of_several_the_first_is_kept_and_the_others_are_closed(context: HostContext, server: RestServer) -> None:
    server.pages[LEARNER] = [
        {"id": n, "note": mark_item(ITEM_KEY, text)} for n, text in ((7, "old"), (8, "A"), (9, "A"))
    ]
    one = channel(server.url, idempotency_header="Idempotency-Key")
    assert reconcile(one, context, item("A")).status == "temporary"
    assert deliver(one, context, item("A")) == [Receipt("delivery-1", "sent", "7")]
    assert opened(server.pages[LEARNER]) == [mark_item(ITEM_KEY, "A")]
    assert len({request.headers["Idempotency-Key"] for request in server.writes}) == len(server.writes) == 3


@pytest.mark.parametrize("paging", PAGING)
def test_an_item_is_found_on_any_page(context: HostContext, paging: Any) -> None:
    others = [{"id": n, "note": f"somebody else's {n}"} for n in range(2, 10)]
    ours = {"id": 1, "note": mark_item(ITEM_KEY, "A")}
    with RestServer({}, pages={LEARNER: [*others, ours]}, paging=paging) as server:
        assert deliver(channel(server.url, paging=paging), context, item("A")) == [Receipt("delivery-1", "sent", "1")]
        assert server.writes == []


@pytest.mark.parametrize("count", range(7))
def test_an_item_is_found_behind_a_filter(context: HostContext, count: int) -> None:
    """Pages that hold nothing but what the filter takes away are not the end of the list."""
    others = [{"id": 100 + n, "kind": "attendance", "note": f"somebody else's {n}"} for n in range(count)]
    with RestServer({}, pages={LEARNER: list(others)}, paging="page") as server:
        said = table(server.url, paging="page")
        said["look"]["records"] = "data[?kind=='careers']"
        said["open"]["body"]["kind"] = "careers"
        one = RestChannel(WritebackConfig(**said))
        for text in ("A", "B", "C"):
            assert deliver(one, context, item(text)) == [Receipt("delivery-1", "sent", "1")]
        assert deliver(one, context, item("Done", "close"))[0].status == "sent"
        assert [one["note"] for one in server.pages[LEARNER][count:]] == [mark_item(ITEM_KEY, "Done", closed=True)]


def test_what_is_not_ours_is_left_alone(context: HostContext, server: RestServer) -> None:
    theirs: list[dict[str, Any]] = [
        {"id": 1, "note": "Talk to an employer."}, {"id": 2, "note": None}, {"id": 3},
        {"id": 4, "note": mark_item(item_key(99999999, "another"), "A")},
    ]  # fmt: skip
    server.pages[LEARNER] = [dict(one) for one in theirs]
    server._last_item = 4
    assert deliver(channel(server.url), context, item("A"))[0].external_ref == "5"
    assert server.pages[LEARNER][:4] == theirs


@pytest.mark.parametrize("operation", ["open", "update", "close"])
def test_what_a_tutor_edited_is_never_overwritten(
    context: HostContext, server: RestServer, one: RestChannel, operation: Literal["open", "update", "close"]
) -> None:
    edited = {"id": 1, "note": mark_item(ITEM_KEY, "Talk to an employer.") + " We agreed on Friday!"}
    server.pages[LEARNER] = [dict(edited)]
    assert deliver(one, context, item("B", operation)) == [Receipt("delivery-1", "permanent", None, "edited_by_tutor")]
    assert server.pages[LEARNER] == [edited]
    assert server.writes == []
    assert reconcile(one, context, item("B", operation)).status == "temporary"


def test_other_blanks_are_no_edit(context: HostContext, server: RestServer, one: RestChannel) -> None:
    note = mark_item(ITEM_KEY, "Talk to an employer.\nGo to a fair.")
    server.pages[LEARNER] = [{"id": 1, "note": f"  {note}\r\n".replace("\n", "\r\n  ")}]
    assert deliver(one, context, item("Talk to an employer.\nGo to a fair.")) == [Receipt("delivery-1", "sent", "1")]
    assert server.writes == []
    assert deliver(one, context, item("Another."))[0].status == "sent"
    assert opened(server.pages[LEARNER]) == [mark_item(ITEM_KEY, "Another.")]


def test_a_learner_whom_the_ilp_does_not_know_is_told_as_such(context: HostContext, one: RestChannel) -> None:
    receipts = deliver(one, context, item(learner="nobody"), item())
    assert [(one.status, one.detail) for one in receipts] == [("permanent", "no_learner_page"), ("sent", "")]
    assert reconcile(one, context, item(learner="nobody")).status == "temporary"


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [cut(DONE), Answer(b"", 500), Answer(b"", 502), Answer(b"", 504),
              Answer(b"", 302, {"Location": "/elsewhere"})],
)  # fmt: skip
@pytest.mark.parametrize("what", [item("B"), item("Done", "close")])
@pytest.mark.parametrize("arrives", [True, False])
def test_where_nobody_can_tell_whether_it_arrived_looking_settles_it(
    context: HostContext, server: RestServer, one: RestChannel, fault: Answer, what: GapItem, arrives: bool
) -> None:
    if what.operation == "close":
        server.pages[LEARNER] = [{"id": 1, "note": mark_item(ITEM_KEY, "A")}]
    (server.afterwards if arrives else server.faults)[2] = fault
    (receipt,) = deliver(one, context, what)
    assert receipt.status == "unknown"
    assert len(server.writes) == 1  # never sent again without looking
    assert reconcile(one, context, what).status == ("sent" if arrives else "temporary")
    assert deliver(one, context, what)[0].status == "sent"
    assert opened(server.pages[LEARNER]) == ([] if what.operation == "close" else [mark_item(ITEM_KEY, "B")])
    assert len(server.pages[LEARNER]) == 1
    assert len(server.writes) == (1 if arrives else 2)


@pytest.mark.parametrize(
    "fault", [web_page(), Answer(b"OK"), Answer(b"{"), json_answer({"success": False}),
              json_answer({"status": "error"}), json_answer({"data": {"id": 1}, "errors": ["locked"]})],
)  # fmt: skip
@pytest.mark.parametrize("what", [item("B"), item("Done", "close")])
def test_an_answer_that_says_nothing_is_settled_at_once_where_it_can(
    context: HostContext, server: RestServer, one: RestChannel, fault: Answer, what: GapItem
) -> None:
    server.pages[LEARNER] = [{"id": 1, "note": mark_item(ITEM_KEY, "A")}]
    server.faults[2] = fault
    assert deliver(one, context, what) == [Receipt("delivery-1", "unknown", None, "unclear_answer")]
    assert reconcile(one, context, what).status == "temporary"
    server.afterwards[len(server.reads) + 2] = fault
    assert deliver(one, context, what)[0].status == "sent"
    assert len(server.writes) == 2
    assert opened(server.pages[LEARNER]) == ([] if what.operation == "close" else [mark_item(ITEM_KEY, "B")])


def test_a_write_that_is_answered_too_late_is_settled_by_looking(
    context: HostContext, server: RestServer, one: RestChannel
) -> None:
    server.afterwards[2] = replace(DONE, late=30.0)
    with closing(HostContext(timeout=0.3)) as hasty:
        (receipt,) = deliver(one, hasty, item("A"))
    assert (receipt.status, receipt.detail) == ("unknown", "no_answer")
    # A look that a loaded machine was too slow for would be no news about the write, so this one may take longer.
    assert reconcile(one, context, item("A")) == Receipt("delivery-1", "sent", "1")
    assert len(server.pages[LEARNER]) == len(server.writes) == 1


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [(json_answer({"errors": ["note of L/0 01 is too long"]}, status=422), "permanent", "refused_422"),
     (Answer(b"", 400), "permanent", "refused_400"), (Answer(b"", 409), "permanent", "refused_409"),
     (too_many(), "temporary", "status_429"), (too_many(9), "temporary", "status_429"),
     (Answer(b"", 503), "temporary", "status_503"), (Answer(b"", 408), "temporary", "status_408")],
)  # fmt: skip
def test_what_a_refusal_means(
    context: HostContext, server: RestServer, fault: Answer, status: str, detail: str
) -> None:
    server.faults[2] = fault
    assert deliver(channel(server.url), context, item()) == [Receipt("delivery-1", status, None, detail)]  # type: ignore[arg-type]
    assert len(server.writes) == 1
    assert server.pages[LEARNER] == []


@pytest.mark.parametrize(
    ("fault", "detail"),
    [(web_page(), "unreachable"), (json_answer({"rows": []}), "unreachable"), (Answer(b"", 500), "unreachable"),
     (Answer(b'{"data": [', 200), "unreachable"), (too_many(3600), "rate_limited")],
)  # fmt: skip
def test_without_a_look_nothing_is_written(
    context: HostContext, server: RestServer, one: RestChannel, fault: Answer, detail: str
) -> None:
    server.faults = dict.fromkeys(range(1, 99), fault)
    assert deliver(one, context, item()) == [Receipt("delivery-1", "temporary", None, detail)]
    assert reconcile(one, context, item()) == Receipt("delivery-1", "unknown", None, detail)
    assert server.writes == []


def test_a_look_is_patient(context: HostContext, server: RestServer) -> None:
    server.faults = {1: too_many(7), 2: Answer(b"", 503)}
    assert deliver(channel(server.url), context, item())[0].status == "sent"
    assert len(context.pauses) == 2
    assert context.pauses[0] >= 7


def test_a_service_that_is_not_there_is_asked_for_three_learners_and_no_more(context: HostContext) -> None:
    with responses.RequestsMock() as web:
        web.get(re.compile(f"{HOST}/.*"), body=requests.exceptions.ConnectionError("refused"))
        receipts = deliver(channel(HOST), context, *[item(learner=f"L{n}") for n in range(9)])
        assert {(one.status, one.detail) for one in receipts} == {("temporary", "unreachable")}
        assert len({call.request.url for call in web.calls}) == 3
    assert [one.key for one in receipts] == [f"delivery-{n}" for n in range(1, 10)]


def test_writes_that_get_no_answer_are_tried_for_three_learners_and_no_more(
    context: HostContext, server: RestServer
) -> None:
    server.faults = dict.fromkeys(range(2, 99, 2), Answer(b"", 500))
    server.pages = {f"L{n}": [] for n in range(9)}
    receipts = deliver(channel(server.url), context, *[item(learner=f"L{n}") for n in range(9)])
    assert [one.status for one in receipts] == ["unknown"] * 3 + ["temporary"] * 6
    assert len(server.writes) == 3


@pytest.mark.parametrize("auth", ["oauth2", "login"])
def test_a_token_that_expires_on_the_way_is_renewed(context: HostContext, auth: Any) -> None:
    learners = [f"L{n}" for n in range(6)]
    with RestServer({}, pages={learner: [] for learner in learners}, auth=auth, token_uses=3) as server:
        receipts = deliver(channel(server.url, auth=auth), context, *[item(learner=learner) for learner in learners])
        assert [one.status for one in receipts] == ["sent"] * 6
        assert [len(items) for items in server.pages.values()] == [1] * 6
        assert server.logins == 4
        refused = len(server.requests) - server.logins - 12
        assert refused == 3


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("number", [1, 2])
def test_who_is_not_let_in_must_be_told(context: HostContext, server: RestServer, status: int, number: int) -> None:
    server.faults = dict.fromkeys(range(number, 99), Answer(b"", status))
    with pytest.raises(AuthError, match="refused our credentials") as caught:
        deliver(channel(server.url), context, item())
    assert "L%2F0" not in f"{caught.value.detail}{caught.value}"
    assert server.pages[LEARNER] == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_page_that_is_kept_from_us_keeps_no_other_waiting(
    context: HostContext, server: RestServer, number: int
) -> None:
    server.pages["R2"] = []
    server.faults[number] = Answer(b"", 403)
    receipts = deliver(channel(server.url), context, item(), item(learner="R2"))
    assert [(one.status, one.detail) for one in receipts] == [("temporary", "not_allowed"), ("sent", "")]
    assert [len(server.pages[ref]) for ref in (LEARNER, "R2")] == [0, 1]
    assert [one.status for one in deliver(channel(server.url), context, item())] == ["sent"]


def test_the_same_payload_carries_the_same_key(context: HostContext, server: RestServer) -> None:
    one = channel(server.url, idempotency_header="Idempotency-Key")
    server.faults[2] = Answer(b"", 503)
    server.afterwards[4] = cut(DONE)
    what = payload(one, context, item("A"))
    assert [next(iter(one.deliver([what], context))).status for _ in range(3)] == ["temporary", "unknown", "sent"]
    deliver(one, context, item("B", "update"))
    keys = [request.headers["Idempotency-Key"] for request in server.writes]
    assert keys[0] == keys[1] != keys[2]
    assert all(re.fullmatch(rf"{ITEM_KEY}-[0-9a-f]{{32}}", key) for key in keys)
    assert len(server.pages[LEARNER]) == 1


def test_sixty_nights_of_random_faults_leave_one_open_item(context: HostContext) -> None:
    """Whatever is lost on the way, in the end the page says what is open now, once; and nothing once all is closed."""
    learners = [f"R{n:02}" for n in range(60)]
    with RestServer({}, pages={learner: [] for learner in learners}, auth="login", token_uses=7) as server:
        one = channel(server.url, auth="login", idempotency_header="Idempotency-Key")
        for seed, learner in enumerate(learners):
            dice = random.Random(seed)
            closes = dice.random() < 0.3
            steps = [item(f"{n} open", "update" if n else "open", learner) for n in range(dice.randint(1, 4))]
            steps += [item("Done", "close", learner)] if closes else []
            for what in steps:
                one = dice.choice([one, channel(server.url, auth="login")])  # now and then another machine
                settle(one, context, what, server, dice)
            page = server.pages[learner]
            assert opened(page) == ([] if closes else [mark_item(item_key(99999999, learner), steps[-1].text)]), seed
            assert len(page) == 1, seed
        assert any(request.method == "PUT" for request in server.writes)


def settle(one: RestChannel, context: HostContext, what: GapItem, server: RestServer, dice: random.Random) -> None:
    """Deliver as the host does, with a fault here and there, until the item is settled."""
    lost = [cut(DONE), web_page(), too_many(1), *(Answer(b"", status) for status in (500, 503, 504)), Answer(b"{")]
    sent = payload(one, context, what)
    state = "temporary"
    for attempt in range(30):
        now = len(server.reads)
        server.faults, server.afterwards = {}, {}
        if attempt < 6 and dice.random() < 0.6:
            server.faults = {now + dice.randint(1, 4): dice.choice([*lost, Answer(b"", 401)])}
        if attempt < 6 and dice.random() < 0.6:
            server.afterwards = {now + dice.randint(1, 4): dice.choice(lost)}
        try:
            if state == "unknown":
                (receipt,) = one.reconcile([sent], context)
            else:
                *_, receipt = one.deliver([sent] * dice.choice([1, 1, 2]), context)
            state = receipt.status
        except AuthError:
            state = "unknown"
        assert state != "permanent", receipt
        if state == "sent":
            return
    raise AssertionError("it never settled")


# -- without a socket --------------------------------------------------------------------------------------------------


def test_a_search_by_query_and_key(context: HostContext, web: responses.RequestsMock) -> None:
    look = {"path": "find", "query": {"who": "{learner}", "label": "fp-{key}", "year": "{year}"}, "id": "uid",
            "text": "body"}  # fmt: skip
    web.get(f"{HOST}/find", json=[], match=[responses.matchers.query_param_matcher(
        {"who": LEARNER, "label": f"fp-{ITEM_KEY}", "year": "2526"})])  # fmt: skip
    web.put(f"{HOST}/i/{ITEM_KEY}", json={"uid": "x-1"}, match=[
        responses.matchers.query_param_matcher({"notify": "no"}),
        responses.matchers.json_params_matcher(
            {"body": mark_item(ITEM_KEY, "{learner} & {id}"), "who": LEARNER})])  # fmt: skip
    body = {"body": "{text}", "who": "{learner}"}
    said: dict[str, Any] = {"method": "PUT", "path": "i/{key}", "query": {"notify": "no"}, "body": body}
    one = channel(HOST, look=look, open={**said, "id": "uid"}, update=said, close=None, variables={"year": 2526})
    assert deliver(one, context, item("{learner} & {id}")) == [Receipt("delivery-1", "sent", "x-1")]


@pytest.mark.parametrize("answer", [{}, {"data": {"id": None}}, {"data": {"id": True}}, {"data": []}, []])
def test_where_the_answer_names_no_item_the_page_is_looked_at_again(
    context: HostContext, web: responses.RequestsMock, answer: Any
) -> None:
    for listed, receipt in (
        ([{"id": "a7", "note": mark_item(ITEM_KEY, "A")}], Receipt("delivery-1", "sent", "a7")),
        ([], Receipt("delivery-1", "unknown", None, "unclear_answer")),
    ):
        web.get(PAGE, json={"data": []})
        web.post(PAGE, json=answer, status=201)
        web.get(PAGE, json={"data": listed})
        assert deliver(channel(HOST), context, item("A")) == [receipt]


@pytest.mark.parametrize(
    ("answer", "code"),
    [({"data": [], "success": False}, "unreachable"), ({"data": [], "error": "locked"}, "unreachable"),
     ({"data": [{"id": 1, "note": "x"}], "errors": ["two left out"]}, "unclear_page")],
)  # fmt: skip
def test_a_page_that_could_not_be_listed_gets_no_second_item(
    context: HostContext, web: responses.RequestsMock, answer: Any, code: str
) -> None:
    web.get(f"{HOST}/v1/learners/L%2F0%2001/items", json=answer)
    assert deliver(channel(HOST), context, item("A")) == [Receipt("delivery-1", "temporary", None, code)]


def test_an_item_without_an_id_is_not_written_to(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(PAGE, json={"data": [{"note": mark_item(ITEM_KEY, "A")}]})
    assert deliver(channel(HOST), context, item("B")) == [Receipt("delivery-1", "permanent", None, "no_id_on_page")]


def test_an_id_cannot_lead_to_another_path(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(PAGE, json={"data": [{"id": "../learners?x=1", "note": mark_item(ITEM_KEY, "A")}]})
    web.put(f"{HOST}/v1/items/..%2Flearners%3Fx%3D1", status=204)
    assert deliver(channel(HOST), context, item("B"))[0].status == "sent"
    web.get(PAGE, json={"data": [{"id": "..", "note": mark_item(ITEM_KEY, "A")}]})
    assert deliver(channel(HOST), context, item("B"))[0].detail == "unusable_reference"


def test_a_payload_holds_everything_and_the_same_item_makes_the_same_bytes(context: HostContext) -> None:
    one = channel(HOST)
    what = replace(item("Talk.\nGo."), external_ref="7")
    made = one.render(what, context)
    assert made == one.render(what, context)
    assert (made.key, made.recipient, made.message_id, made.subject) == (ITEM_KEY, LEARNER, ITEM_KEY, "")
    said = json.loads(made.content)
    assert (said["operation"], said["key"], said["learner"], said["ref"], said["date"]) == (
        "open", ITEM_KEY, LEARNER, "7", "2026-03-02")  # fmt: skip
    assert said["text"] == mark_item(ITEM_KEY, "Talk.\nGo.")
    assert json.loads(one.render(item("Done", "close"), context).content)["text"] == mark_item(
        ITEM_KEY, "Done", closed=True
    )
    assert context.helper is None


def test_a_digest_is_refused(context: HostContext) -> None:
    digest = Digest("k", Person("A", "a@example.ac.uk"), "tutor", "College", "2025/26", date(2026, 3, 2), ())
    with pytest.raises(ContractError, match="items onto learners' pages"):
        channel(HOST).render(digest, context)


# -- the configuration -------------------------------------------------------------------------------------------------

_CHANGE = {"path": "v1/items/{id}", "body": {"note": "{text}"}}


@pytest.mark.parametrize(
    ("change", "says"),
    [({"base_url": "http://ilp.example.ac.uk"}, "must begin with https://"),
     ({"auth": {"kind": "bearer"}}, "needs token"),
     ({"streams": {}}, "Extra inputs"),
     ({"look": {"path": "v1/items", "id": "id", "text": "note"}}, r"whose page to read; put \{learner\}"),
     ({"look": {"path": "v1/{learner}", "id": "id[", "text": "note"}}, "not a JMESPath"),
     ({"look": {"path": "v1/{learner}", "text": "note"}}, "Field required"),
     ({"look": {"path": "v1/{learner}", "id": "id", "text": "note", "records": "sort_by(data[?kind], &id)",
                "pagination": {"kind": "page"}}}, "let the filter follow the list"),
     ({"look": {"path": "v1/{learner}/{text}", "id": "id", "text": "note"}}, r"uses \{text\} in path"),
     ({"look": {"path": "v1/{lerner}", "id": "id", "text": "note"}}, r"uses \{lerner\} in path"),
     ({"look": {"path": "https://elsewhere.example.com/{learner}", "id": "id", "text": "note"}}, "path below base_url"),
     ({"open": {"path": "v1/items", "body": {"note": "{text}"}}}, r"nobody's page; put \{learner\}"),
     ({"open": {"path": "v1/{learner}", "body": {"note": "hello"}}}, r"no text; put \{text\}"),
     ({"open": {"path": "v1/{learner}", "body": {"note": "{text}", "n": ["{tutor}"]}}}, r"uses \{tutor\} in body"),
     ({"open": {"path": "v1/{learner}/{id}", "body": {"note": "{text}"}}}, r"uses \{id\} in path"),
     ({"open": {"path": "v1/{learner}/{text}", "body": {"note": "{text}"}}}, r"uses \{text\} in path"),
     ({"open": {"path": "v1/{learner}", "method": "GET", "body": {"note": "{text}"}}}, "POST"),
     ({"open": {"path": "v1/{learner}", "body": {"note": "{text}", "on": date(2026, 3, 2)}}}, "times in quotes"),
     ({"open": {"path": "v1/{learner}", "body": {"note": "{text}", "n": float("nan")}}}, "value that JSON does not"),
     ({"update": {"path": "v1/items", "body": {"note": "{text}"}}}, r"which item; put \{id\}"),
     ({"update": {**_CHANGE, "method": "DELETE"}}, "PATCH"),
     ({"close": {"path": "v1/items/{id}", "body": {"state": "done"}}}, r"no text; put \{text\}"),
     ({"variables": {"learner": "L1"}}, "no variable named learner"),
     ({"idempotency_header": "Idempotency Key"}, "not the name of a header"),
     ({"ceiling": 0}, "greater than or equal to 1"),
     ({"update": {"path": "v1/items", "body": {"note": "{text}", "item": "{id}"}}}, None),
     ({"close": None}, None)],
)  # fmt: skip
def test_a_wrong_table_is_refused(change: dict[str, Any], says: str | None) -> None:
    assert_refused(WritebackConfig, table(HOST) | change, says)


def test_nothing_is_written_until_somebody_says_so() -> None:
    said = table(HOST)
    del said["write"]
    config = WritebackConfig(**said)
    assert (config.write, config.ceiling) == (False, 500)


COLLEGE = '[college]\nname = "Example College"\nukprn = 99999999\n\n[alerts]\ncareers_leader = "c@example.ac.uk"\n\n'


def example() -> str:
    blocks = re.findall(r"^```toml\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in blocks if "rest-writeback" in block]
    return str(shown)


def college(folder: Path, text: str) -> College:
    config = folder / "fingerpost.toml"
    config.write_text(COLLEGE + text, encoding="utf-8")
    return College.open(config)


def test_the_example_of_the_documentation_is_one_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: HostContext, web: responses.RequestsMock
) -> None:
    monkeypatch.setenv("ILP_WRITE_TOKEN", KEY)
    with college(tmp_path, example()) as opened:
        (config,) = [one.config for one in opened._opened.config.channels if one.name == "ilp-items"]
    assert isinstance(config, WritebackConfig)
    page = f"{HOST}/api/v2/learners/L%2F0%2001/actions"
    web.get(page, json={"data": [], "links": {"next": f"{page}?p=2"}})
    web.get(page, json={"data": []})
    web.post(page, json={"data": {"id": 7}}, match=[
        responses.matchers.header_matcher({"Authorization": f"Bearer {KEY}"}),
        responses.matchers.json_params_matcher({
            "type": "careers", "note": mark_item(ITEM_KEY, "A"), "raised": "2026-03-02",
            "status": {"code": "open", "source": f"Fingerpost {ITEM_KEY}"}})])  # fmt: skip
    assert deliver(RestChannel(config), context, item("A")) == [Receipt("delivery-1", "sent", "7")]


def test_a_wrong_example_is_told_in_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILP_WRITE_TOKEN", KEY)
    wrong = example().replace('path = "v2/actions/{id}"', 'path = "v2/actions"')
    with pytest.raises(ConfigError) as caught:
        college(tmp_path, wrong)
    assert re.search(
        r"'ilp-items'.*update.* does not say which item; put \{id\} into its path", caught.value.message, re.S
    )
    assert KEY not in caught.value.message


def test_every_key_and_placeholder_is_documented() -> None:
    said = DOCS.read_text(encoding="utf-8").partition("## Write a learner's open points back")[2]
    shared = {"variables", "base_url", "headers", "auth", "rate", "type", "name", "enabled"}
    tables = [WritebackConfig, *(WritebackConfig.model_fields[name].annotation for name in ("look", "open", "update"))]
    keys = {name for one in tables for name in one.model_fields} - shared  # type: ignore[union-attr]
    assert not {key for key in keys if f"`{key}`" not in said}
    assert not {
        name for name in ("learner", "key", "id", "date", "text", "academic_year") if f"| `{{{name}}}` |" not in said
    }


def test_a_source_that_reads_the_same_actions_leaves_ours_out(
    context: HostContext, web: responses.RequestsMock
) -> None:
    (expression,) = re.findall(r'`deleted = "(.*?)"`', DOCS.read_text(encoding="utf-8").partition("## Write")[2])
    rows = [{"id": "1", "note": mark_item(ITEM_KEY, "A")}, {"id": "2", "note": None}, {"id": "3"}]
    web.get(f"{HOST}/log", json=rows)
    stream = {"path": "log", "key": ["id"], "mapping": "careers-log", "deleted": expression}
    one = RestSource(RestConfig(type="rest", name="ilp", base_url=HOST, streams={"activities": stream}))
    messages = list(one.read_activities(None, context))
    kinds = [type(message).__name__ for message in messages]
    assert kinds == ["Deleted", "Record", "Record", "Checkpoint", "Checkpoint"]
    assert messages[0] == Deleted("1")


# -- check -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["none", "bearer", "oauth2", "login"])
@pytest.mark.parametrize("write", [True, False])
def test_check_signs_in_and_says_what_is_configured(context: HostContext, auth: Any, write: bool) -> None:
    with RestServer({}, pages={LEARNER: []}, auth=auth) as server:
        findings = list(channel(server.url, auth=auth, write=write).check(context))
        assert len(server.requests) == server.logins == (auth in {"oauth2", "login"})
    assert [one.level for one in findings] == ["ok"] * 4 + ([] if write else ["warning"])
    assert ("signed in" in findings[0].message) == (auth in {"oauth2", "login"})
    assert findings[1].message == "open: POST v1/learners/{learner}/items"
    if not write:
        assert "write is false" in findings[-1].message
        assert "--dry-run" in findings[-1].hint


def test_check_says_that_it_is_not_let_in(context: HostContext) -> None:
    with RestServer({}, auth="login") as server:
        said = json.loads(json.dumps(table(server.url, auth="login")).replace(PASSWORD, "wrong"))
        findings = list(RestChannel(WritebackConfig(**said)).check(context))
    assert findings[0].level == "error"
    assert "refused our credentials" in findings[0].message


# -- whole nights ------------------------------------------------------------------------------------------------------


def test_nights_leave_one_item_on_each_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an answer that is lost, a learner without a page and an item that a tutor takes over."""
    monkeypatch.setenv("ILP_PASSWORD", PASSWORD)
    refs = [f"L{number:03d}" for number in range(1, 6)]
    made = usual_college(tmp_path / "college", learners=5)
    with RestServer({}, pages={ref: [] for ref in refs[1:]}, auth="login", token_uses=5) as server:
        auth = SIGNS["login"] | {"password": {"env": "ILP_PASSWORD"}}
        said = table(server.url) | {"auth": auth, "write": False}
        made.connectors.append(said)
        made.sync()
        assert server.requests == []
        with made.open() as opened_college:
            assert "write is false" in repr(opened_college.check())

        said["write"] = True
        server.afterwards = {len(server.reads) + 5: cut(DONE)}
        made.later()
        first = made.sync()
        assert (first.items.no_page, first.items.unknown) == (1, 1)
        made.later()
        made.sync()
        assert [len(opened(server.pages[ref])) for ref in refs[1:]] == [1] * 4

        writes = len(server.writes)
        made.later()
        made.sync()
        assert len(server.writes) == writes

        theirs = server.pages["L002"][0]
        theirs["note"] += " We agreed on Friday."
        before = dict(theirs)
        made.rows["careers-log"] = []  # so that everybody's page has something else to say
        made.write("careers-log")
        made.later(days=8)
        made.sync(full=True)
        assert server.pages["L002"] == [before]
        assert all(len(server.pages[ref]) == 1 for ref in refs[1:])


# -- secrets and learners ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["api_key", "bearer", "basic", "oauth2", "login"])
@pytest.mark.parametrize(
    "fault", [None, too_many(1), web_page(), cut(DONE), Answer(b"", 401), Answer(b"", 403), Answer(b"", 422),
              Answer(b"", 500)],
)  # fmt: skip
def test_secrets_and_learners_appear_nowhere(
    context: HostContext, auth: Any, fault: Answer | None, caplog: pytest.LogCaptureFixture
) -> None:
    """No key in a log, an error or a receipt, and nothing by which a learner could be told: the log names the item."""
    said: list[str] = []
    caplog.set_level(logging.DEBUG)
    faults = dict.fromkeys(range(4, 30), fault) if fault else {}
    others = [{"id": n, "note": "somebody else's"} for n in range(3)]
    learner = "CANARY 99"
    with RestServer({}, pages={learner: others}, auth=auth, paging="next_link", token_uses=2, faults=faults) as server:
        one = channel(server.url, auth=auth, paging="next_link")
        with capture_logs() as logs:
            context.log = structlog.get_logger()
            what = payload(one, context, item("canary words", learner=learner))
            try:
                said += [repr(receipt) for _ in range(2) for receipt in one.deliver([what], context)]
                said += [repr(receipt) for receipt in one.reconcile([what], context)]
            except Exception as error:
                said += [repr(error), str(error), repr(vars(error))]
            said += [repr(finding) for finding in one.check(context)]
        said += [repr(logs), caplog.text, repr(what), repr(one), repr(one.config), repr(vars(one))]
        assert any(f"{log.get('path')}".endswith("/v1/learners/{learner}/items") for log in logs)
        assert any("CANARY%2099" in request.path for request in server.requests)
    everything = "\n".join(said)
    assert not [word for word in (KEY, PASSWORD, TOKENS, "CANARY", "canary words") if word in everything]
