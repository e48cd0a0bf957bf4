"""A source that says that its read may have missed records: what came counts, and nothing else is concluded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from colleges import SmallCollege, activity, cursors, stream

from fingerpost import Checkpoint, Deleted, Record
from fingerpost._sync import reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from colleges import Script

    from fingerpost import Context, Cursor, Message

WHY = "the list changed while it was read"


def cut(*messages: Message, why: str = WHY) -> Script:
    """Return a script that says in the middle of its messages that they are not all."""

    def script(cursor: Cursor | None, context: Context) -> Iterator[Message]:
        context.incomplete(why)
        yield from messages
        context.incomplete("this reason comes too late")

    return script


def record(key: str, **more: str) -> Record:
    return Record(key, activity(key, "L1", **more))


def college(folder: Path, script: Script, **keys: Any) -> SmallCollege:
    made = SmallCollege(folder)
    made.add_scripted("ilp", script, **keys)
    return made


def whole(*messages: Message) -> Script:
    return lambda cursor, context: iter(messages)


@pytest.mark.parametrize("count", [1, 4, 30])
def test_what_came_is_kept_and_what_did_not_come_stays(tmp_path: Path, count: int) -> None:
    records = [record(f"a{number}") for number in range(count)]
    made = college(tmp_path, whole(*records))
    made.sync()
    made.later()
    made.scripts["ilp"] = cut(record("new"), record("a0", hours="3"))
    report = made.sync()
    found = stream(report, "ilp")
    assert (found.state, found.new, found.changed, found.deleted, report.exit_code) == ("incomplete", 1, 1, 0, 3)
    assert report.records["activities"] == count + 1
    assert found.message == (
        f"Connector ilp: the read of activities is incomplete, since {WHY}. What came was kept, nothing was removed "
        "for not coming, and the next run reads from the same place again."
    )
    with made.open() as opened:
        status = opened.status()
    assert (status.sources[0].state, status.sources[0].complete_at) == ("incomplete", "2026-03-02T04:00:00Z")
    assert "1 of 1 streams incomplete" in status.runs[0].summary
    assert found.message in status.todo
    made.scripts["ilp"] = whole(*records, record("new"))
    assert stream(made.sync(), "ilp").state == "complete"


@pytest.mark.parametrize("ordered", [False, True])
def test_the_cursor_goes_back_to_where_the_read_began(
    tmp_path: Path, ordered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CHECKPOINT_ROWS", 1)
    first, second = Checkpoint("2026-02-01T00:00:00Z"), Checkpoint("2026-02-20T00:00:00Z")
    made = college(tmp_path, whole(record("a"), first), cursor="instant", ordered=ordered, lookback=0)
    made.sync()
    made.scripts["ilp"] = cut(record("b"), second, Deleted("a"), second)
    report = made.sync()
    assert (stream(report, "ilp").state, report.records["activities"]) == ("incomplete", 1)  # the source named it
    with made.open() as opened:
        assert cursors(opened._opened.store) == {"ilp": first.cursor}
    made.sync()
    assert made.asked["ilp"] == [None, first.cursor, first.cursor]


def test_a_first_read_that_is_incomplete_is_followed_by_a_whole_one(tmp_path: Path) -> None:
    made = college(tmp_path, cut(record("a"), Checkpoint("2026-02-01T00:00:00Z")), cursor="instant")
    for _ in range(2):
        made.sync()
    assert made.asked["ilp"] == [None, None]
    with made.open() as opened:
        assert opened.status().sources[0].stale


def test_files_of_an_incomplete_read_are_read_again(tmp_path: Path) -> None:
    reads = []

    def script(cursor: Cursor | None, context: Context) -> Iterator[Message]:
        if context.unchanged({"a.xml": "1"}):
            return
        reads.append(1)
        if len(reads) == 1:
            context.incomplete(WHY)
        yield record("a")

    made = college(tmp_path, script)
    assert [stream(made.sync(), "ilp").state for _ in range(3)] == ["incomplete", "complete", "unchanged"]
