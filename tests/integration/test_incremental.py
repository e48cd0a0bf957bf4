"""Incremental reads: where they begin, how far the cursor moves, and that no history of nights shows in the store."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from colleges import MONDAY, SmallCollege, Snapshot, activity, cursors, play, snapshot, stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerpost import Checkpoint, Context, Cursor, Deleted, Message, Record, SourceUnavailable
from fingerpost._store import schema
from fingerpost._sync import reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DOWN = SourceUnavailable("The ILP does not answer.")


def record(key: str, *, learner: str = "L1", **more: str) -> Record:
    return Record(key, activity(key, learner, **more))


def scripted(folder: Path, *steps: Message | Exception, **keys: Any) -> SmallCollege:
    """Return a college with one incremental source, `ilp`."""
    college = SmallCollege(folder)
    college.add_scripted("ilp", play(*steps), **({"cursor": "instant"} | keys))
    return college


def cursor_of(college: SmallCollege, name: str = "ilp") -> Cursor | None:
    with college.open() as opened:
        return cursors(opened._opened.store).get(name)


# Where a read begins


def test_the_first_read_is_whole_and_the_next_begins_a_look_back_before_the_cursor(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-03-01T12:00:00Z"))
    college.sync()
    college.later()
    college.sync()
    assert college.asked["ilp"] == [None, "2026-02-28T12:00:00Z"]
    assert cursor_of(college) == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("cursor", "value", "lookback", "start"),
    [
        ("instant", "2026-03-01T12:00:00Z", 0.5, "2026-03-01T00:00:00Z"),
        ("instant", "2026-03-01T12:00:00Z", 0, "2026-03-01T12:00:00Z"),
        ("instant", "2026-03-01T12:00:00.900+02:00", 0, "2026-03-01T10:00:00Z"),
        ("instant", "2026-07-01T12:00:00", 0, "2026-07-01T11:00:00Z"),  # British summer time
        ("date", "2026-03-01", 2, "2026-02-27"),
        ("date", "2026-03-01", 0.5, "2026-02-28"),
        ("date", "2026-03-01", 0, "2026-03-01"),
        ("integer", 4711, 3, 4711),
    ],
)
def test_a_cursor_of_each_kind_begins_where_it_ended(
    tmp_path: Path, cursor: str, value: Cursor, lookback: float, start: Cursor
) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint(value), cursor=cursor, lookback=lookback)
    college.now = datetime(2026, 8, 1, tzinfo=UTC)
    college.sync()
    college.later()
    college.sync()
    assert college.asked["ilp"] == [None, start]


@pytest.mark.parametrize(
    ("cursor", "value", "stored"),
    [
        ("instant", "2031-01-01T00:00:00Z", "2026-03-02T04:00:00Z"),
        ("date", "2031-01-01", "2026-03-02"),
        ("integer", 4711, 4711),
    ],
)
def test_a_cursor_never_passes_the_start_of_the_run(tmp_path: Path, cursor: str, value: Cursor, stored: Cursor) -> None:
    """What is written while we read has an instant after the start, and is read the next night."""
    college = scripted(tmp_path, record("a"), Checkpoint(value), cursor=cursor)
    college.sync()
    assert cursor_of(college) == stored


def test_a_cursor_never_moves_back(tmp_path: Path) -> None:
    college = scripted(tmp_path, Checkpoint("2026-03-01T00:00:00Z"), Checkpoint("2026-02-01T00:00:00Z"))
    college.sync()
    assert cursor_of(college) == "2026-03-01T00:00:00Z"
    college.later()
    college.scripts["ilp"] = play(record("a"), Checkpoint("2026-02-27T00:00:00Z"))
    college.sync()
    assert cursor_of(college) == "2026-03-01T00:00:00Z"
    college.scripts["ilp"] = play(Checkpoint(None))
    college.sync()
    assert cursor_of(college) == "2026-03-01T00:00:00Z"


def test_a_whole_read_comes_when_it_is_due(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-03-01T00:00:00Z"), full_every=3)
    for _ in range(8):
        college.sync()
        college.later()
    assert [cursor is None for cursor in college.asked["ilp"]] == [True, False, False] * 2 + [True, False]


@pytest.mark.usefixtures("small_checkpoints")
def test_a_whole_read_that_was_cut_is_still_due(tmp_path: Path) -> None:
    last = Checkpoint("2026-03-01T00:00:00Z")
    college = scripted(tmp_path, record("a"), record("b"), last, full_every=3, ordered=True)
    college.sync()
    college.later(days=3)
    college.scripts["ilp"] = play(record("a"), Checkpoint("2026-02-01T00:00:00Z"), DOWN)
    assert stream(college.sync(), "ilp").state == "failed"
    college.later()
    college.scripts["ilp"] = play(record("a"), last)
    report = college.sync()
    assert college.asked["ilp"] == [None, None, None]
    assert (stream(report, "ilp").state, stream(report, "ilp").deleted) == ("complete", 1)  # and only now it sweeps


def test_an_incremental_read_removes_nothing_that_it_did_not_hear_of(tmp_path: Path) -> None:
    many = [record(f"a{number}") for number in range(30)]
    college = scripted(tmp_path, *many, Checkpoint("2026-03-01T00:00:00Z"))
    college.sync()
    college.later()
    college.scripts["ilp"] = play(Deleted("a7"), Checkpoint("2026-03-02T00:00:00Z"))
    report = college.sync()
    assert (stream(report, "ilp").state, stream(report, "ilp").deleted) == ("complete", 1)
    assert report.records["activities"] == 29


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ({"mapping": "our-log"}, True),
        ({"ukprn": 88888888}, True),
        ({"mode": "append"}, True),
        ({"feeds": ["lmi_use"]}, False),
        ({"fresh_for": 3}, False),
        ({"full_every": 5}, False),
    ],
)
def test_changed_settings_that_decide_what_is_stored_read_everything(
    tmp_path: Path, change: dict[str, Any], whole: bool
) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-03-01T00:00:00Z"))
    college.add_mapping("our-log", 'schema_version = 1\nstream = "activities"\nextends = "careers-log"\n')
    college.sync()
    college.later()
    college.source("ilp").update(change)
    college.sync()
    assert (college.asked["ilp"][1] is None) == whole
    college.later()
    college.sync()
    assert college.asked["ilp"][2] is not None


def test_a_changed_look_back_is_taken_at_once(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-03-01T00:00:00Z"))
    college.sync()
    college.source("ilp")["lookback"] = 10
    college.sync()
    assert college.asked["ilp"] == [None, "2026-02-19T00:00:00Z"]


@pytest.mark.parametrize(
    ("cursor", "none"),
    [
        ("instant", "0001-01-01T00:00:00"),
        ("instant", "0001-01-01T00:00:00Z"),
        ("instant", "0001-01-01T00:00:00+01:00"),
        ("instant", "1899-12-30T00:00:00"),
        ("date", "0001-01-01"),
        ("date", "1899-12-30"),
    ],
)
def test_an_instant_before_there_were_records_is_no_cursor(tmp_path: Path, cursor: str, none: str) -> None:
    """A system that writes .NET's or OLE's nought for "never" costs whole reads, and not the stream."""
    college = scripted(tmp_path, record("a"), Checkpoint(none), cursor=cursor)
    for _ in range(2):
        assert stream(college.sync(), "ilp").state == "complete"
        assert (cursor_of(college), college.asked["ilp"][-1]) == (None, None)
        assert "bad_cursor" in {dict(row)["code"] for row in college.snapshot()["warning"]}
    college.scripts["ilp"] = play(record("a"), Checkpoint(none), Checkpoint("2026-03-01"), Checkpoint(none))
    college.sync()
    assert str(cursor_of(college)).startswith("2026-03-01")


@pytest.mark.parametrize("cursor", ["9999-12-31T23:59:59", "9999-12-31T23:59:59-05:00"])
def test_the_last_instant_that_there_is_is_the_start_of_the_run(tmp_path: Path, cursor: str) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint(cursor))
    college.tables["college"]["timezone"] = "America/New_York"
    college.sync()
    assert cursor_of(college) == "2026-03-02T04:00:00Z"


@pytest.mark.parametrize(("cursor", "lookback"), [("1-01-01T00:01:15Z", 1), ("2026-03-01T00:00:00Z", 3_000_000)])
def test_a_cursor_from_which_nothing_can_be_reckoned_means_a_whole_read(
    tmp_path: Path, cursor: str, lookback: float
) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-03-01T00:00:00Z"), lookback=lookback)
    college.sync()
    with college.open() as opened, opened._opened.store.writing() as connection:
        connection.execute(schema.stream_state.update().values(cursor=json.dumps(cursor)))
    assert stream(college.sync(), "ilp").state == "complete"
    assert college.asked["ilp"] == [None, None]
    assert cursor_of(college) == "2026-03-01T00:00:00Z"


# When the cursor moves


@pytest.mark.usefixtures("small_checkpoints")
@pytest.mark.parametrize(("ordered", "stored"), [(True, "2026-02-02T00:00:00Z"), (False, "2026-02-01T00:00:00Z")])
def test_an_unordered_stream_moves_its_cursor_only_at_the_end(tmp_path: Path, ordered: bool, stored: str) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-02-01T00:00:00Z"), ordered=ordered)
    college.sync()
    college.later()
    college.scripts["ilp"] = play(record("b"), Checkpoint("2026-02-02T00:00:00Z"), record("c"), DOWN)
    report = college.sync()
    assert report.records["activities"] == 2  # committed either way
    assert cursor_of(college) == stored
    college.scripts["ilp"] = play(record("b"), record("c"), Checkpoint("2026-02-03T00:00:00Z"))
    report = college.sync()
    assert (stream(report, "ilp").new, stream(report, "ilp").unchanged) == (1, 1)
    assert cursor_of(college) == "2026-02-03T00:00:00Z"


def test_a_read_that_fails_before_any_checkpoint_leaves_the_cursor(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-02-01T00:00:00Z"), ordered=True)
    college.sync()
    college.scripts["ilp"] = play(record("b"), DOWN)
    college.sync()
    assert cursor_of(college) == "2026-02-01T00:00:00Z"


def test_only_touches_the_cursors_of_its_sources(tmp_path: Path) -> None:
    first, second = Checkpoint("2026-02-01T00:00:00Z"), Checkpoint("2026-02-02T00:00:00Z")
    college = scripted(tmp_path, record("a"), first)
    college.add_scripted("other", play(record("b"), first), cursor="instant")
    college.sync()
    college.later()
    for name in ("ilp", "other"):
        college.scripts[name] = play(record("c"), second)
    report = college.sync(only=["ilp"])
    assert [one.connector for one in report.streams] == ["ilp"]
    assert report.records["activities"] == 3
    assert (len(college.asked["ilp"]), len(college.asked["other"])) == (2, 1)
    assert (cursor_of(college, "ilp"), cursor_of(college, "other")) == (second.cursor, first.cursor)
    college.sync()
    assert college.asked["other"] == [None, "2026-01-31T00:00:00Z"]


def test_full_reads_everything_and_keeps_the_cursor(tmp_path: Path) -> None:
    last = Checkpoint("2026-03-01T00:00:00Z")
    college = scripted(tmp_path, record("a"), last)
    college.sync()
    college.later()
    college.sync(full=True)
    college.later()
    college.sync()
    assert college.asked["ilp"] == [None, None, "2026-02-28T00:00:00Z"]


def test_a_dry_run_moves_no_cursor(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint("2026-02-01T00:00:00Z"))
    college.sync()
    college.scripts["ilp"] = play(record("b"), Checkpoint("2026-02-02T00:00:00Z"))
    assert stream(college.sync(dry_run=True), "ilp").new == 1
    assert cursor_of(college) == "2026-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("declared", "cursor"), [("instant", "last Tuesday"), ("integer", "12"), (None, "2026-02-01T00:00:00Z")]
)
def test_a_cursor_that_is_not_what_was_declared_fails_the_stream(
    tmp_path: Path, declared: str | None, cursor: Cursor
) -> None:
    college = scripted(tmp_path, record("a"), Checkpoint(1), Checkpoint(cursor), cursor="integer")
    if declared != "integer":
        college.scripts["ilp"] = play(record("a"), Checkpoint(cursor))
        college.source("ilp").pop("cursor")
        college.source("ilp").update({"cursor": declared} if declared else {})
    report = college.sync()
    assert (stream(report, "ilp").state, report.exit_code) == ("failed", 3)


# Several words on one key in one read


@pytest.fixture(params=[1, 2, 1_000])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at so many messages at once: at each alone, and at several words on a key together."""
    monkeypatch.setattr(reader, "CHUNK", request.param)


@pytest.mark.usefixtures("chunks")
def test_in_an_ordered_stream_the_last_word_counts(tmp_path: Path) -> None:
    college = scripted(
        tmp_path, record("a", hours="1"), record("b"), record("a", hours="2"), record("b"), record("a", hours="3"),
        Checkpoint("2026-02-01T00:00:00Z"), ordered=True,
    )  # fmt: skip
    report = college.sync()
    assert (stream(report, "ilp").read, report.records["activities"]) == (5, 2)
    assert stream(report, "ilp").warnings == len(college.snapshot()["warning"])
    assert {dict(row)["code"] for row in college.snapshot()["warning"]} == {"unknown_learner"}
    (row,) = [dict(row) for row in college.snapshot()["source_activity"] if ("key", "a") in row]
    assert row["hours"] == 3.0
    report = college.sync()
    assert (stream(report, "ilp").new, college.snapshot()["source_activity"][0]) == (0, tuple(row.items()))


@pytest.mark.usefixtures("chunks")
def test_in_an_unordered_stream_the_first_word_counts(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a", hours="1"), record("b"), record("a", hours="2"))
    for _ in range(2):
        college.sync()
        (row,) = [dict(row) for row in college.snapshot()["source_activity"] if ("key", "a") in row]
        assert row["hours"] == 1.0
        assert ("a", "duplicate_key") in {
            (dict(row)["key"], dict(row)["code"]) for row in college.snapshot()["warning"]
        }


@pytest.mark.usefixtures("chunks")
def test_in_an_unordered_stream_a_tombstone_after_the_record_is_no_first_word(tmp_path: Path) -> None:
    college = scripted(tmp_path, record("a"), record("b"), record("c", kind="Juggling"))
    college.sync()
    college.scripts["ilp"] = play(
        record("a"), Deleted("a"), record("new"), Deleted("new"), record("c", kind="Juggling"), Deleted("c"),
        Deleted("b"), Checkpoint("2026-02-01T00:00:00Z"),
    )  # fmt: skip
    report = college.sync()
    assert (stream(report, "ilp").deleted, report.records["activities"]) == (1, 2)
    assert {dict(row)["key"] for row in college.snapshot(live=True)["source_activity"]} == {"a", "new"}
    assert [dict(row)["key"] for row in college.snapshot()["quarantine"]] == ["c"]
    doubled = {dict(row)["key"] for row in college.snapshot()["warning"] if ("code", "duplicate_key") in row}
    assert doubled == {"a", "new", "c"}


@pytest.mark.usefixtures("chunks")
def test_a_record_after_its_tombstone_lives_and_before_it_dies(tmp_path: Path) -> None:
    steps: list[Message] = [record("a"), Deleted("a"), record("b"), Deleted("b"), record("b")]
    college = scripted(tmp_path, *steps, Checkpoint("2026-02-01T00:00:00Z"), ordered=True)
    for _ in range(2):
        assert college.sync().records["activities"] == 1
        assert {dict(row)["key"] for row in college.snapshot(live=True)["source_activity"]} == {"b"}


# Any history of nights gives the store of one clean run

LOOKBACK = 24
START = MONDAY - timedelta(hours=MONDAY.hour)
NIGHTS = [28 + 24 * night for night in range(4)]
LAST = NIGHTS[-1] + 6
KIND = ("Employer talk", "Careers interview", "Work experience")


@dataclass(frozen=True)
class Change:
    """One change in the source: what a key says from an instant on, in hours, and how late the source shows it."""

    stream: Literal["learners", "activities"]
    key: str
    at: int
    late: int
    value: int | None

    @property
    def shown(self) -> int:
        return self.at + self.late

    def message(self) -> Message:
        if self.value is None:
            return Deleted(self.key)
        if self.stream == "learners":
            born = ("2008-05-17", "2009-01-01", "some day")[self.value]
            return Record(self.key, {"learner_ref": self.key, "given_names": f"N{self.value}", "date_of_birth": born})
        hours = ("1", "2", "many")[self.value]
        return record(self.key, learner=f"L{self.value + 1}", kind=KIND[self.value], hours=hours)


@dataclass(frozen=True)
class Night:
    """What goes wrong in one night: after how many messages each stream is cut, and a seed for the rest."""

    learners_cut: int | None
    activities_cut: int | None
    seed: int


changes = st.one_of(
    st.builds(
        Change, st.just("learners"), st.sampled_from(["L1", "L2", "L3"]), st.integers(0, LAST),
        st.integers(0, LOOKBACK), st.integers(0, 2),
    ),
    st.builds(
        Change, st.just("activities"), st.sampled_from(["a1", "a2", "a3", "a4", "a5"]), st.integers(0, LAST),
        st.integers(0, LOOKBACK), st.one_of(st.none(), st.integers(0, 2)),
    ),
)  # fmt: skip
cuts = st.one_of(st.none(), st.integers(0, 8))
nights = st.lists(st.builds(Night, cuts, cuts, st.integers(0, 2**16)), min_size=1, max_size=len(NIGHTS) - 1)


def instant(hours: int) -> str:
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


class SourceOfChanges:
    """A source that keeps changes, either the newest of each key (`table`) or every one (`log`)."""

    def __init__(self, changes: Sequence[Change], *, ordered: bool, log: bool) -> None:
        self.changes = changes
        self.ordered = ordered
        self.log = log
        self.hour = 0
        self.cut: int | None = None
        self.dice: random.Random | None = None

    def __call__(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        found = [change for change in self.known() if cursor is None or instant(change.at) >= str(cursor)]
        found.sort(key=lambda change: change.at)
        newest = ""
        for number, change in enumerate(self.shuffled(found, cursor)):
            if number == self.cut:
                raise DOWN
            yield change.message()
            newest = max(newest, instant(change.at))
            if self.dice is not None and self.dice.random() < 0.5:
                yield Checkpoint(newest)
        if self.cut is not None:
            raise DOWN
        yield Checkpoint(newest or None)

    def known(self) -> list[Change]:
        """Return what the source shows at this hour."""
        shown = sorted((change for change in self.changes if change.shown <= self.hour), key=lambda one: one.shown)
        if self.log:
            return shown
        return list({change.key: change for change in shown}.values())

    def shuffled(self, found: list[Change], cursor: Cursor | None) -> list[Change]:
        """Repeat some, and put them into any order that the declaration of the stream allows."""
        if self.dice is None:
            return found
        if self.log:  # a page that is told twice
            first = self.dice.randint(0, len(found))
            last = self.dice.randint(first, len(found))
            return found[:last] + found[first:]
        again = [change for change in found if self.dice.random() < 0.3]
        if not self.ordered:
            mixed = found + again
            self.dice.shuffle(mixed)
            return mixed
        before = "" if cursor is None else instant_after(str(cursor))
        overlap = [change for change in found if instant(change.at) <= before]
        self.dice.shuffle(overlap)
        rest = [change for change in found if instant(change.at) > before]
        return overlap + sorted(rest + [change for change in again if change in rest], key=lambda change: change.at)


def instant_after(cursor: str) -> str:
    """Return where the cursor stood from which a read was asked to begin."""
    return (datetime.fromisoformat(cursor) + timedelta(hours=LOOKBACK)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Stage:
    """A college whose store is emptied and used again: that is far faster than a new one."""

    def __init__(self, folder: Path, *, ordered: bool, full_every: float = 1.5) -> None:
        college = self.college = SmallCollege(folder)
        college.keep = True
        keys = {"cursor": "instant", "ordered": ordered, "full_every": full_every}
        college.add_scripted("people", play(), stream="learners", mapping="learners", **keys)
        college.add_scripted("ilp", play(), **keys)
        courses = [
            Record(f"c{ref}", {"learner_ref": ref, "programme": "Catering", "programme_type": "Study programme",
                               "start_date": "2025-09-01", "planned_end_date": "2026-07-10"})
            for ref in ("L1", "L2", "L3")
        ]  # fmt: skip
        college.add_scripted("courses", play(*courses), stream="programmes", mapping="programmes")

    def run(self, changes: Sequence[Change], hours: Sequence[int], bad: Sequence[Night], **how: bool) -> Snapshot:
        """Empty the store, run at these hours, the first nights being bad, and return what is held at the end."""
        college = self.college.open()
        with college._opened.store.writing() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                connection.execute(table.delete())
        for number, hour in enumerate(hours):
            night = bad[number] if number < len(bad) and hour != hours[-1] else None
            for name, which in (("people", "learners"), ("ilp", "activities")):
                source = SourceOfChanges([one for one in changes if one.stream == which], **how)
                source.hour = hour
                if night is not None:
                    source.cut = getattr(night, f"{which}_cut")
                    source.dice = random.Random(night.seed)
                self.college.scripts[name] = source
            self.college.now = START + timedelta(hours=hour)
            report = self.college.open().sync(deliver=False)
        assert {one.state for one in report.streams} == {"complete"}
        return _without_history(snapshot(college._opened.store, live=True))


def _without_history(found: Snapshot) -> Snapshot:
    """Leave out what tells how it came to be so: episodes of gaps, digests, and doubled keys in one read."""
    found = {name: rows for name, rows in found.items() if name not in ("episode", "outbox", "told")}
    return found | {"warning": [row for row in found["warning"] if ("code", "duplicate_key") not in row]}


# With every second night a whole read, or only the first; the last never is one, which would mend all.
STAGES = {"table": (True, False, 1.5), "unordered table": (False, False, 3.5), "log": (True, True, 3.5)}


@pytest.fixture(scope="module", params=STAGES)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, bool]]:
    ordered, log, full_every = STAGES[request.param]
    made = Stage(tmp_path_factory.mktemp("stage"), ordered=ordered, full_every=full_every)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "CHECKPOINT_ROWS", 1)
        patch.setattr(reader, "CHUNK", 3)
        yield made, log
    made.college.open().close()


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=st.lists(changes, min_size=4, max_size=14), bad=nights)
def test_any_history_gives_the_store_of_one_clean_run(
    stage: tuple[Stage, bool], log: list[Change], bad: list[Night]
) -> None:
    made, keeps_all = stage
    ordered = bool(made.college.source("ilp")["ordered"])
    if keeps_all:  # in a log two changes of a key at one instant have no order
        log = list({(change.key, change.at): change for change in log}.values())
    lived = made.run(log, NIGHTS, bad, ordered=ordered, log=keeps_all)
    clean = made.run(log, NIGHTS[-1:], [], ordered=ordered, log=keeps_all)
    assert lived == clean


def test_the_property_compares_what_matters(tmp_path: Path) -> None:
    """It would be worth nothing if it left out too much, or if no night were bad."""
    made = Stage(tmp_path, ordered=True)
    log = [
        Change("learners", "L1", 1, 0, 0), Change("activities", "a1", 2, 0, 0), Change("activities", "a1", 40, 0, None),
        Change("activities", "a2", 3, 20, 2), Change("learners", "L3", 80, 3, 2),
    ]  # fmt: skip
    found = made.run(log, NIGHTS, [Night(0, 1, 1), Night(1, 0, 2)], ordered=True, log=False)
    assert [len(made.college.asked[name]) for name in ("people", "ilp", "courses")] == [len(NIGHTS)] * 3
    assert {name: len(rows) for name, rows in found.items() if rows and name != "verdict"} == {
        "source_learner": 2, "source_programme": 3, "source_activity": 1, "learner": 2, "warning": 3,
    }  # fmt: skip
    assert {dict(row)["learner_id"] for row in found["verdict"]} == {"99999999:L1", "99999999:L3"}
    made.college.open().close()
