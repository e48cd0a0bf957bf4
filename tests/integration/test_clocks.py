"""A clock that was wrong for one night costs that night: what it dated ahead of the next run is taken back."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from colleges import MONDAY, SmallCollege, activity, cursors, play, stream, usual_college

from fingerpost import Checkpoint, Record, Rejected, SourceUnavailable
from fingerpost._store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fingerpost import Cursor, Message

YEARS, DAYS = timedelta(days=4 * 365), timedelta(days=3)


def scripted(folder: Path, *steps: Message | Exception, now: datetime = MONDAY, **keys: Any) -> SmallCollege:
    """Return a college with one incremental source, `ilp`."""
    college = SmallCollege(folder, now=now)
    college.add_scripted("ilp", play(*steps), **({"cursor": "instant"} | keys))
    return college


def record(key: str) -> Record:
    return Record(key, activity(key, "L1"))


def wrong_night(college: SmallCollege, by: timedelta) -> None:
    """Run once with the clock ahead, or behind, and set it right."""
    now = college.now
    college.now = now + by
    college.sync()
    college.now = now + timedelta(days=1)


def about_clocks(sentences: Iterable[str]) -> list[str]:
    return [sentence for sentence in sentences if "clock" in sentence]


def stored(college: SmallCollege, column: sa.Column[Any]) -> list[Any]:
    with college.open() as opened, opened._opened.store.reading() as connection:
        return list(connection.scalars(sa.select(column)))


@pytest.mark.parametrize("by", [YEARS, DAYS, timedelta(hours=50)])
@pytest.mark.parametrize(
    ("kind", "of_night", "right"),
    [
        ("instant", lambda at: at.isoformat(), "2026-03-03T04:00:00Z"),
        ("date", lambda at: at.date().isoformat(), "2026-03-03"),
        ("integer", lambda at: 4711, 4711),
    ],
)
def test_a_source_read_by_a_clock_that_was_ahead_is_read_whole_once(
    tmp_path: Path, kind: str, of_night: Any, right: Cursor, by: timedelta
) -> None:
    college = scripted(tmp_path, cursor=kind, lookback=0)
    college.scripts["ilp"] = lambda cursor, context: iter((record("a"), Checkpoint(of_night(context.now))))
    college.sync()
    wrong_night(college, by)
    college.sync()
    with college.open() as opened:
        assert cursors(opened._opened.store)["ilp"] == right
    college.later()
    college.sync()
    whole = kind != "integer" or by == YEARS  # a number says nothing about a clock, the last whole read does
    assert [cursor is None for cursor in college.asked["ilp"]] == [True, by == YEARS, whole, False]


def test_a_run_that_begins_before_the_last_one_says_so_once(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"))
    assert not about_clocks(college.sync().messages)
    wrong_night(college, YEARS)
    with college.open() as opened:
        assert any("run 2 began" in todo.lower() and "still to come" in todo for todo in opened.status().todo)
    (said,) = about_clocks(college.sync().messages)
    assert said.startswith("Run 3 began at 04:00 UTC on 3 March 2026, before run 2 did, at 04:00 UTC on 1 March 2030")
    with college.open() as opened:
        assert said in opened.status(runs=1).todo
    college.later()
    assert not about_clocks(college.sync().messages)
    with college.open() as opened:
        assert not about_clocks(opened.status().todo)


def test_a_clock_that_was_behind_says_so_too(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"))
    college.sync()
    college.now -= timedelta(days=400)
    (said,) = about_clocks(college.sync().messages)
    assert "Run 2 began" in said
    assert "before run 1 did" in said


def test_a_source_is_not_fresh_because_it_was_read_in_a_year_to_come(tmp_path: Path) -> None:
    """It was last read when the ledger says so, and is out of date a week after that."""
    college = scripted(tmp_path, record("a"), feeds=["employer_encounter"])
    college.sync()
    wrong_night(college, YEARS)
    college.scripts["ilp"] = play(SourceUnavailable("The ILP does not answer."))
    with college.open() as opened:
        assert opened.status().sources[0].stale
    college.sync()
    with college.open() as opened:
        (source,) = opened.status().sources
        assert (source.complete_at, source.stale) == ("2026-03-02T04:00:00Z", False)
    college.later(days=7)
    with college.open() as opened:
        assert opened.status().sources[0].stale


def test_a_file_that_is_dated_ahead_grows_old_all_the_same(tmp_path: Path) -> None:
    college = SmallCollege(tmp_path)
    college.add_csv("mis", "learners", "learners", [{"learner_ref": "L1"}], fresh_for=3)
    ahead = (MONDAY + YEARS).timestamp()
    os.utime(tmp_path / "data" / "mis.csv", (ahead, ahead))
    for _ in range(5):
        college.sync()
        college.later()
    with college.open() as opened:
        (source,) = opened.status().sources
    assert (source.data_at, source.stale) == ("2026-03-02T04:00:00Z", True)


def test_what_was_rejected_in_a_year_to_come_is_kept_as_long_as_the_rest(tmp_path: Path) -> None:
    college = scripted(tmp_path, Rejected("", "bad_line", "line 4", {"learner_ref": "L9"}))
    wrong_night(college, YEARS)
    college.sync()
    assert stored(college, schema.quarantine.c.since) == ["2026-03-03T04:00:00Z"]


def test_what_was_planned_in_a_year_to_come_is_not_sent_now(tmp_path: Path) -> None:
    college = usual_college(tmp_path)
    college.now += YEARS
    college.sync(deliver=False)
    assert set(stored(college, schema.outbox.c.state)) <= {"pending"}
    college.now = MONDAY
    with college.open() as opened, opened._opened.store.writing() as connection:
        connection.execute(
            sa.insert(schema.outbox).values(
                channel="mail", key="k", item="digest", operation="send", recipient="tutor0@example.ac.uk",
                week="2030-W09", subject="s", message_id="m", content_type="message/rfc822", content=b"",
                content_hash="h", state="pending", attempts=0, planned_run=1, planned_at="2030-03-01T04:00:00Z",
            )
        )  # fmt: skip
    college.sync()
    rows = dict(zip(stored(college, schema.outbox.c.key), stored(college, schema.outbox.c.state), strict=True))
    assert rows.pop("k") == "expired"
    assert set(rows.values()) == {"sent"}


@pytest.mark.parametrize("cursor", ["instant", "date"])
def test_a_new_academic_year_is_read_whole(tmp_path: Path, cursor: str) -> None:
    """A service may be asked for a year by name, and then what it said before is of another list."""
    college = scripted(tmp_path, record("a"), Checkpoint("2026-07-28"), now=datetime(2026, 7, 29, 23, 30, tzinfo=UTC),
                       cursor=cursor, full_every=100)  # fmt: skip
    for _ in range(5):
        college.sync()
        college.later()
    # 23:30 UTC on 31 July is 00:30 on 1 August in London
    assert [one is None for one in college.asked["ilp"]] == [True, False, True, False, False]


def test_a_run_with_the_clock_right_takes_nothing_back(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-03-01T00:00:00Z"))
    college.sync()
    college.sync()
    assert stream(college.sync(), "ilp").state == "complete"
    assert college.asked["ilp"] == [None, "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z"]
