"""Lists that are no proof of what is gone: those that move while they are read, and answers that failed in their body;
and lists that are asked for by the academic year."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from colleges import SmallCollege, stream
from contexts import HostContext, keys
from http_server import Answer, HttpServer, Request, json_answer
from pydantic import ValidationError

from fingerpost import Checkpoint, Cursor, Deleted, Message, Record, SourceUnavailable
from fingerpost_rest import RestChannel, RestConfig, RestSource, WritebackConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fingerpost import StreamName

Rows = list[dict[str, Any]]


def rows(count: int) -> Rows:
    return [{"id": f"K{n:02}", "name": f"Given{n}", "updated": "2026-02-01T10:00:00Z"} for n in range(1, count + 1)]


class Service(HttpServer):
    """A list in pages of ten, by ``offset``, ``page`` or a link; `move` may change it after each answer."""

    def __init__(self, count: int = 34, *, move: Callable[[Service], None] = lambda _: None) -> None:
        super().__init__()
        self.rows = rows(count)
        self.move = move
        self.answers = 0
        self.says: dict[str, Any] = {}
        self.shows_total = True

    def answer(self, request: Request) -> Answer:
        self.answers += 1
        start = int(request.one("offset", "0")) + (int(request.one("page", "1")) - 1) * 10
        body = {"data": self.rows[start : start + 10], **self.says}
        if self.shows_total:
            body["total"] = len(self.rows)
        if start + 10 < len(self.rows):
            body["next"] = f"{self.url}{request.path}?offset={start + 10}"
        self.move(self)
        return json_answer(body)


PAGINATIONS: dict[str, dict[str, str]] = {
    "offset": {"kind": "offset", "total": "total"},
    "page": {"kind": "page", "total": "total"},
    "next_link": {"kind": "next_link", "next": "next"},
}


def at(answer: int, change: Callable[[Rows], object]) -> Callable[[Service], None]:
    """Change the list once, after the given answer."""

    def move(service: Service) -> None:
        if service.answers == answer:
            change(service.rows)

    return move


def remove(number: int) -> Callable[[Rows], object]:
    return lambda rows: rows.pop(number)


def insert(number: int) -> Callable[[Rows], object]:
    return lambda rows: rows.insert(number, {"id": "NEW", "name": "New"})


def replace(old: int, new: int) -> Callable[[Rows], object]:
    """Move a record within the list: the number of records stays the same."""
    return lambda rows: rows.insert(new, rows.pop(old))


def source(url: str, name: StreamName = "learners", **said: Any) -> RestSource:
    one = {"path": "list", "records": "data", "key": ["id"], "mapping": "learners", **said}
    return RestSource(RestConfig(type="rest", name="ilp", base_url=url, streams={name: one}))


@pytest.fixture
def context() -> Iterator[HostContext]:
    made = HostContext(columns=frozenset({"id", "name"}))
    yield made
    made.close()


def read(context: HostContext, one: RestSource, cursor: Cursor | None = None) -> list[Message]:
    return list(one.read_learners(cursor, context))


# -- lists that move ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "change"),
    [("offset", remove(1)), ("page", remove(8)), ("offset", insert(0)), ("page", insert(12)),
     ("next_link", insert(0)), ("next_link", replace(32, 0)), ("offset", replace(32, 0)), ("page", replace(2, 33))],
)  # fmt: skip
def test_a_list_that_moved_once_is_read_again_and_then_whole(
    context: HostContext, kind: str, change: Callable[[Rows], object]
) -> None:
    with Service(move=at(1, change)) as service:
        messages = read(context, source(service.url, pagination=PAGINATIONS[kind]))
    assert {row["id"] for row in service.rows} <= set(keys(messages))
    assert len([one for one in service.requests if one.one("offset", one.one("page")) in ("", "0", "1")]) == 2
    assert context.gaps == []
    assert messages[-1] == Checkpoint(None)


def test_the_second_pass_hands_over_only_what_is_new(context: HostContext) -> None:
    with Service(move=at(1, remove(1))) as service:
        found = keys(read(context, source(service.url, pagination=PAGINATIONS["offset"])))
    assert len(found) == len(set(found)) == 34


@pytest.mark.parametrize("kind", ["offset", "page"])
def test_a_list_that_keeps_moving_is_no_proof(context: HostContext, kind: str) -> None:
    def shrink(service: Service) -> None:
        del service.rows[0]

    with Service(move=shrink) as service:
        read(context, source(service.url, pagination=PAGINATIONS[kind]))
    (why,) = context.gaps
    assert why.startswith("the list changed each of the 3 times that it was read (it named ")
    assert len([one for one in service.requests if one.one("offset", one.one("page")) in ("0", "1")]) == 3


def test_a_total_that_is_not_what_comes_is_no_proof(context: HostContext) -> None:
    with Service(12) as service:
        service.shows_total, service.says = False, {"total": 11}
        read(context, source(service.url, pagination=PAGINATIONS["offset"]))
    assert [why.partition("(")[2] for why in context.gaps] == ["it named 11 records in all, and 12 came)"]


def test_a_key_that_always_comes_twice_is_how_the_list_is(context: HostContext) -> None:
    with Service(25) as service:
        service.rows[20]["id"] = "K02"
        read(context, source(service.url, pagination=PAGINATIONS["page"]))
        assert (context.gaps, len(service.requests)) == ([], 6)


def test_a_log_of_changes_may_name_a_record_twice(context: HostContext) -> None:
    incremental = {"parameter": "since", "field": "updated", "ordered": True}
    with Service(25) as service:
        service.rows[20]["id"] = "K02"
        one = source(service.url, pagination=PAGINATIONS["page"], incremental=incremental)
        found = keys(read(context, one, "2026-02-01T00:00:00Z"))
        assert (context.gaps, len(service.requests), len(found)) == ([], 3, 25)


def test_a_list_that_stands_still_is_read_once(context: HostContext) -> None:
    for kind, said in PAGINATIONS.items():
        with Service() as service:
            assert len(keys(read(context, source(service.url, pagination=said)))) == 34
            assert len(service.requests) == 4, kind


def test_tombstones_and_faults_of_a_second_pass_count_once(context: HostContext) -> None:
    with Service(move=at(1, remove(3))) as service:
        service.rows[15] = {"name": "nobody"}
        service.rows[16]["gone"] = True
        messages = read(context, source(service.url, pagination=PAGINATIONS["offset"], deleted="gone"))
    assert [one for one in messages if isinstance(one, Deleted)] == [Deleted("K17")]
    assert len([one for one in messages if not isinstance(one, Record | Checkpoint | Deleted)]) == 1


# -- failures that only the body tells ---------------------------------------------------------------------------------

FAILED: list[dict[str, Any]] = [
    {"success": False, "message": "Timeout expired"},
    {"Success": "false"},
    {"ok": False, "errors": ["try later"]},
    {"is_success": False},
    {"error": {"code": "E1003", "message": "Given7 Family7 is locked"}},
    {"error": "Timeout expired"},
    {"errors": [{"code": 17, "detail": "no"}]},
    {"status": "error"},
    {"status": 503},
    {"exception": {"type": "SqlException"}},
]
FINE: list[dict[str, Any]] = [
    {"success": True, "error": None, "errors": []},
    {"ok": True, "error": ""},
    {"status": "ok", "error": {"code": 0, "message": ""}},
    {"status": 200, "errors": {}, "error": False},
    {"message": "No records found", "result": "success"},
    {"error": "none"},
]


def failing(says: dict[str, Any], page: int, records: Rows) -> Callable[[Service], None]:
    """Let the given page say that it failed."""

    def move(service: Service) -> None:
        service.says = says | {"data": records} if service.answers == page - 1 else {}

    return move


@pytest.mark.parametrize("says", FAILED)
@pytest.mark.parametrize("page", [1, 3])
def test_an_answer_that_failed_is_no_empty_page(context: HostContext, says: dict[str, Any], page: int) -> None:
    with Service(25, move=failing(says, page, [])) as service:
        service.shows_total = False
        service.says = {**says, "data": []} if page == 1 else {}
        with pytest.raises(SourceUnavailable, match="says in the answer that it failed") as caught:
            read(context, source(service.url, pagination={"kind": "page"}))
    assert "Given7" not in caught.value.message
    assert "Timeout" not in caught.value.message
    assert ("(code E1003)" in caught.value.message) == ("E1003" in str(says))


@pytest.mark.parametrize("says", FINE)
def test_an_answer_that_succeeded_may_be_empty(context: HostContext, says: dict[str, Any]) -> None:
    with Service(0) as service:
        service.says = says
        assert keys(read(context, source(service.url, pagination={"kind": "page"}))) == []
    assert context.gaps == []


@pytest.mark.parametrize("says", [{"errors": ["two rows left out"]}, {"fault": {"code": "PARTIAL"}}, {"error": "x"}])
def test_an_error_beside_records_makes_them_no_proof(context: HostContext, says: dict[str, Any]) -> None:
    with Service(5) as service:
        service.says = says
        assert len(keys(read(context, source(service.url)))) == 5
    assert context.gaps == ["127.0.0.1 named an error beside the records on page 1"]


def test_a_refusal_fails_whatever_stands_beside_it(context: HostContext) -> None:
    with Service(5) as service:
        service.says = {"success": False}
        with pytest.raises(SourceUnavailable, match="failed"):
            read(context, source(service.url))


def test_a_failure_around_a_list_further_down_counts(context: HostContext) -> None:
    with Service(0) as service:
        service.says = {"answer": {"status": "failed", "rows": []}}
        with pytest.raises(SourceUnavailable, match="failed"):
            read(context, source(service.url, records="answer.rows"))


@pytest.mark.parametrize(
    ("success", "says", "fails"),
    [("success", {"success": True, "error": "old news"}, ""),
     ("success", {"success": False}, "says in the answer that it failed"),
     ("outcome == 'A'", {"outcome": "A", "status": "error"}, ""),
     ("outcome == 'A'", {"outcome": "F"}, "says in the answer that it failed"),
     ("contains(['A', 'B'], outcome)", {"outcome": "B"}, ""),
     ("head.done", {}, "no true or false at head.done; check success in streams.learners of connector ilp")],
)  # fmt: skip
@pytest.mark.parametrize("count", [0, 3])
def test_a_stream_may_say_where_success_is_declared(
    context: HostContext, success: str, says: dict[str, Any], fails: str, count: int
) -> None:
    with Service(count) as service:
        service.says = says
        if not fails:
            assert len(keys(read(context, source(service.url, success=success)))) == count
            return
        with pytest.raises(SourceUnavailable, match=fails):
            read(context, source(service.url, success=success))


# -- the academic year -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "asked"),
    [("{academic_year}", "2025/26"), ("{academic_year:short}", "25/26"), ("{academic_year:compact}", "2526"),
     ("{academic_year:dash}", "2025-26"), ("{academic_year:long}", "2025-2026"), ("{academic_year:start}", "2025"),
     ("year eq '{academic_year:short}'", "year eq '25/26'")],
)  # fmt: skip
def test_the_academic_year_is_filled_in(context: HostContext, written: str, asked: str) -> None:
    with Service(12) as service:
        one = source(service.url, path="years/{academic_year}/list", query={"year": written})
        read(context, one)
        assert one.streams
    assert [(request.path, request.one("year")) for request in service.requests] == [("/years/2025%2F26/list", asked)]
    assert context.warnings == []


@pytest.mark.parametrize(
    ("day", "year"),
    [(datetime(2026, 7, 31, 22, 30, tzinfo=UTC), "25/26"), (datetime(2026, 7, 31, 23, 30, tzinfo=UTC), "26/27"),
     (datetime(2099, 12, 31, tzinfo=UTC), "99/00")],
)  # fmt: skip
def test_the_academic_year_turns_on_1_august_in_the_college(context: HostContext, day: datetime, year: str) -> None:
    context.now = day
    with Service(1) as service:
        read(context, source(service.url, query={"year": "{academic_year:short}"}))
    assert service.requests[0].one("year") == year


def test_a_spelling_that_does_not_exist_is_refused() -> None:
    for said in ({"query": {"year": "{academic_year:shrt}"}}, {"path": "years/{academic_year:}/list"}):
        with pytest.raises(ValidationError, match=r"the spellings of the academic year are \{academic_year\}, "):
            source("https://ilp.example.ac.uk", **said)
    with pytest.raises(ValidationError, match="may have no variable named academic_year"):
        RestConfig(type="rest", name="ilp", base_url="https://ilp.example.ac.uk", variables={"academic_year": "25/26"},
                   streams={"learners": {"path": "list", "mapping": "learners"}})  # fmt: skip


@pytest.mark.parametrize(
    ("said", "where", "written", "instead"),
    [({"query": {"year": "24/25"}}, "year", "24/25", "{academic_year:short}"),
     ({"query": {"filter": "academicYear eq '2024-25'"}}, "filter", "2024-25", "{academic_year:dash}"),
     ({"query": {"AcademicYear": "2425"}}, "AcademicYear", "2425", "{academic_year:compact}"),
     ({"query": {"years": "23/24,24/25"}}, "years", "24/25", "{academic_year:short}"),
     ({"path": "years/2024-2025/list"}, "path", "2024-2025", "{academic_year:long}"),
     ({"path": "year/2024/list"}, "path", "2024", "{academic_year:start}")],
)  # fmt: skip
def test_a_year_that_has_passed_is_warned_of(
    context: HostContext, said: dict[str, Any], where: str, written: str, instead: str
) -> None:
    with Service(3) as service:
        warned, found = source(service.url, **said).check(context)
        assert (warned.level, found.level) == ("warning", "ok")
        assert warned.message.startswith(f"learners: {where} asks for {written}, but the academic year is now ")
        assert instead in warned.hint
        read(context, source(service.url, **said))
    assert context.warnings[0] == ("past_academic_year", "", where, "streams.learners")


@pytest.mark.parametrize(
    "query",
    [{"year": "25/26"}, {"year": "26/27"}, {"years": "24/25,25/26"}, {"limit": "2021"}, {"from": "2024-08-01"},
     {"hours": "24/7"}, {"id": "01242500"}, {"tags": "a-24-25"}],
)  # fmt: skip
def test_what_is_no_passed_year_is_not_warned_of(context: HostContext, query: dict[str, str]) -> None:
    with Service(3) as service:
        (finding,) = source(service.url, query=query).check(context)
    assert finding.level == "ok"


def test_a_channel_fills_in_and_warns_of_years_as_well(context: HostContext) -> None:
    write = {"path": "items/{key}", "query": {"year": "24/25"}, "body": {"learner": "{learner}", "note": "{text}"}}
    said = {
        "look": {"path": "l/{learner}", "query": {"year": "{academic_year}"}, "id": "id", "text": "note"},
        "open": {**write, "query": {}, "body": {"of": "{learner}", "note": "{text}", "year": "2024/25"}},
        "update": write,
    }
    channel = RestChannel(WritebackConfig(type="rest-writeback", name="ilp", base_url="http://127.0.0.1", **said))
    warned = [one.message for one in channel.check(context) if "asks for" in one.message]
    assert [one.partition(",")[0] for one in warned] == [
        "open: year asks for 2024/25", "update: year asks for 24/25", "close: year asks for 24/25"
    ]  # fmt: skip


# -- whole nights ------------------------------------------------------------------------------------------------------


def college(folder: Path, service: Service, **said: Any) -> SmallCollege:
    made = SmallCollege(folder)
    (folder / "mappings").mkdir()
    (folder / "mappings" / "list.toml").write_text(
        'schema_version = 1\nstream = "learners"\n[fields.learner_ref]\nfrom = "id"\nrequired = true\n'
        '[fields.given_names]\nfrom = "name"\n',
        encoding="utf-8",
    )
    one = {"path": "list", "records": "data", "key": ["id"], "mapping": "list", **said}
    made.connectors.append({"type": "rest", "name": "ilp", "base_url": service.url, "streams": {"learners": one}})
    return made


def move_always(service: Service) -> None:
    """Delete a record after the first page of every pass, and have it back before the next one."""
    service.rows = rows(34)
    if service.answers % 4:
        del service.rows[1]


def test_a_night_whose_list_moves_removes_nobody_and_the_next_one_does(tmp_path: Path) -> None:
    with Service() as service:
        made = college(tmp_path, service, pagination=PAGINATIONS["offset"])
        made.sync()
        service.answers, service.move = 0, move_always
        made.later()
        report = made.sync()
        found = stream(report, "ilp")
        assert (found.state, found.deleted, report.records["learners"], report.exit_code) == ("incomplete", 0, 34, 3)
        assert found.message is not None
        assert "the list changed each of the 3 times that it was read (it named 34 records in all, then 33)" in (
            found.message
        )
        with made.open() as opened:
            status = opened.status()
        assert found.message in status.todo
        assert (status.sources[0].state, status.sources[0].complete_at) == ("incomplete", "2026-03-02T04:00:00Z")
        service.move, service.rows = (lambda _: None), rows(33)
        made.later()
        found = stream(made.sync(), "ilp")
        assert (found.state, found.deleted) == ("complete", 1)


@pytest.mark.parametrize("says", FAILED[:3])
def test_a_night_whose_last_pages_failed_removes_nobody(tmp_path: Path, says: dict[str, Any]) -> None:
    with Service(62) as service:
        service.shows_total = False
        made = college(tmp_path, service, pagination={"kind": "page"})
        made.sync()
        service.answers, service.move = 0, failing(says, 6, [])
        report = made.sync()
        found = stream(report, "ilp")
        assert (found.state, found.deleted, report.records["learners"], report.exit_code) == ("failed", 0, 62, 3)


def test_the_year_turns_without_a_change_of_settings(tmp_path: Path) -> None:
    """A day is an incremental read like any other; in a new year everything is asked for again."""
    with Service(3) as service:
        made = college(tmp_path, service, query={"year": "{academic_year:short}"},
                       incremental={"parameter": "since", "field": "updated"})  # fmt: skip
        made.source("ilp")["full_every"] = 100
        made.now = datetime(2026, 7, 30, 4, tzinfo=UTC)
        for _ in range(4):
            made.sync()
            made.later()
        asked = [(one.one("year"), "since" in one.query) for one in service.requests]
    assert asked == [("25/26", False), ("25/26", True), ("26/27", False), ("26/27", True)]


def test_a_passed_year_is_among_the_warnings_of_status(tmp_path: Path) -> None:
    with Service(3) as service:
        made = college(tmp_path, service, query={"year": "24/25"})
        for _ in range(2):
            made.sync()
        with made.open() as opened:
            assert opened.status().sources[0].warnings["past_academic_year"] == 1
