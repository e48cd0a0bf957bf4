"""Nights and exports that stopped: what the run, `status` and `check` say, and whom they blame."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from datetime import date
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from colleges import SmallCollege, activity, dump, play, start_cli, usual_college
from command_line import run

from fingerpost import Checkpoint, Record, StoreError
from fingerpost._store import dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fingerpost.reports import StatusReport


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    return usual_college(tmp_path / "college")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "WAIT_SECONDS", 0.2)


@contextlib.contextmanager
def held(path: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """Hold the store, as a database browser or a backup does."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    if begin == "BEGIN EXCLUSIVE":
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute(begin)
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def status(college: SmallCollege, runs: int = 10) -> StatusReport:
    with college.open() as opened:
        return opened.status(runs=runs)


def warnings(college: SmallCollege, name: str) -> list[str]:
    with college.open() as opened:
        (one,) = [one for one in opened.check().connectors if one.name == name]
    return [finding.message for finding in one.findings if finding.level == "warning"]


# -- exports that stopped


@pytest.mark.parametrize(
    ("days", "fresh_for", "stops"), [(35, None, False), (36, None, True), (90, None, True), (90, 120, False)]
)
def test_an_export_that_stopped_while_others_go_on_proves_nothing(
    college: SmallCollege, days: int, fresh_for: int | None, stops: bool
) -> None:
    if fresh_for is not None:
        college.source("careers-log")["fresh_for"] = fresh_for
    college.later(days=days)
    college.write("mis")
    report = college.sync()
    said = [message for message in report.messages if message.startswith("careers-log: the activities are of")]
    verdicts = {status for counts in report.verdicts.values() for status in counts}
    assert (report.exit_code == 3) is stops
    assert bool(report.digests.planned) is not stops
    assert ({"at_risk", "not_met"}.isdisjoint(verdicts)) is stops
    assert bool(said) is stops
    todo = [one for one in status(college).todo if "careers-log" in one]
    found = warnings(college, "careers-log")
    if stops:
        assert said[0].startswith(f"careers-log: the activities are of 2 March 2026, {days} days ago, so nothing")
        assert todo == said
        assert found == [f"When last read, the activities were of 2 March 2026, {days} days ago."]
    else:
        assert (todo, found) == ([], [])


def test_only_the_first_night_counts_a_stopped_export_as_a_failure(college: SmallCollege) -> None:
    codes = []
    for days in (0, 35, 1, 1, 1):
        college.later(days=days)
        college.write("mis")
        codes.append(college.sync().exit_code)
    college.write("careers-log")
    codes.append(college.sync().exit_code)
    assert codes == [0, 0, 3, 0, 0, 0]
    assert not status(college).todo


def test_a_second_run_on_a_stopped_export_writes_nothing(college: SmallCollege) -> None:
    college.sync()
    college.later(days=40)
    college.write("mis")
    college.sync()
    with college.open() as opened:
        before = dump(opened._opened.store)
    college.sync()
    with college.open() as opened:
        assert dump(opened._opened.store) == before


@pytest.mark.parametrize("days", [36, 60])
def test_in_a_holiday_all_exports_rest_and_none_has_stopped(college: SmallCollege, days: int) -> None:
    first = college.sync()
    college.later(days=days)
    report = college.sync()
    assert report.exit_code == 0
    assert "unknown" not in report.verdicts["8.1"]
    assert first.verdicts["8.1"].keys() >= {"met"}
    (sentence,) = status(college).todo
    assert sentence == (
        f"The newest export is of 2 March 2026, {days} days ago, and learners are judged by it. Check that the exports "
        "still run."
    )


def test_a_list_that_feeds_nothing_may_be_old(college: SmallCollege) -> None:
    college.sync()
    college.later(days=100)
    for name in ("mis", "careers-log"):
        college.write(name)
    assert college.sync().exit_code == 0  # tutors and courses are as old as the year
    assert not status(college).todo


def test_a_source_that_is_read_live_goes_on(college: SmallCollege) -> None:
    college.add_scripted("ilp", play(Record("k1", activity("k1", "L001")), Checkpoint()))
    college.later(days=50)
    assert [one for one in college.sync().messages if one.startswith("careers-log: the activities are of 2 March")]


def test_a_college_that_is_looked_at_on_a_past_day_is_as_old_as_then(college: SmallCollege) -> None:
    college.tables["college"]["as_of"] = date(2026, 3, 5)
    college.later(days=200)
    college.write("mis")
    assert college.sync().exit_code == 0
    assert not status(college).todo


def test_a_source_that_only_left_out_is_not_an_export_that_stopped(college: SmallCollege) -> None:
    college.sync()
    college.later(days=8)
    college.write("careers-log")
    college.sync(only=["mis", "courses", "tutors"])
    (sentence,) = status(college).todo
    assert sentence == (
        "careers-log: the activities were last read to their end on 2 March 2026, 8 days ago, so nothing is concluded "
        "from missing records. Run fingerpost sync without --only."
    )


# -- nights without a run


@pytest.mark.parametrize("days", [2.9, 3, 8, 50])
def test_missing_nights_come_first_and_no_export_is_blamed(college: SmallCollege, days: float) -> None:
    college.sync()
    college.later(days=days)
    report = status(college)
    if days < 3:
        assert (report.todo, report.days_without_sync) == ((), None)
        return
    assert report.days_without_sync == days
    (sentence,) = report.todo
    assert sentence == (
        f"No sync has run for {days} days, since 2 March 2026. Check that the nightly task is switched on and that its "
        "account can still log on, or run fingerpost sync."
    )
    assert warnings(college, "store") == [sentence]
    assert warnings(college, "careers-log") == []
    college.sync()
    assert not [one for one in status(college).todo if "No sync" in one]


def test_an_export_that_had_stopped_before_is_still_named(college: SmallCollege) -> None:
    college.later(days=40)
    college.write("mis")
    college.sync()
    college.later(days=10)
    first, second = status(college).todo
    assert first.startswith("No sync has run for 10 days, since 11 April 2026.")
    assert second.startswith("careers-log: the activities are of 2 March 2026, 50 days ago")


@pytest.mark.usefixtures("impatient")
def test_a_run_that_failed_is_a_run_and_a_dry_one_is_not(college: SmallCollege) -> None:
    college.sync()
    college.later(days=4)
    college.sync(dry_run=True)
    assert status(college).days_without_sync == 4
    with held(college.store_path), pytest.raises(StoreError):
        college.sync()
    assert status(college).days_without_sync is None


# -- nights on which the store was held or lost


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_night_on_which_another_program_holds_the_store_is_remembered(college: SmallCollege, begin: str) -> None:
    college.sync()
    college.later()
    college.configure()
    with held(college.store_path, begin):
        result = run("sync", config=college.config_path)
    assert result.exit_code == 1
    assert f"Another program holds the store {college.store_path} open" in result.stderr
    assert "broke" not in result.output and "Traceback" not in result.output
    lost, _ = status(college).runs
    assert (lost.run, lost.status, lost.exit_code) == (None, "failed", 1)
    assert status(college).todo[-1].startswith("The last run failed: Another program holds the store")
    shown = run("status", config=college.config_path)
    assert "failed" in shown.stdout
    assert college.sync(dry_run=True).exit_code == 0
    assert status(college).runs[0].run is None  # a dry run takes nothing over
    assert college.sync().run == 3
    assert [(one.run, one.status, one.exit_code) for one in status(college).runs] == [
        (3, "succeeded", 0), (2, "failed", 1), (1, "succeeded", 0)
    ]  # fmt: skip
    assert not list(college.folder.glob("*.failed"))


@pytest.mark.usefixtures("impatient")
def test_a_store_that_is_held_while_a_source_is_read_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    college = SmallCollege(tmp_path / "college")
    college.add_scripted("ilp", play(Record("k0", activity("k0", "L1")), Checkpoint()))
    college.sync()
    college.later()
    with contextlib.ExitStack() as stack:

        def hold() -> None:
            stack.enter_context(held(college.store_path))

        college.scripts["ilp"] = play(hold, Record("k1", activity("k1", "L1")), Checkpoint())
        with pytest.raises(StoreError, match="Another program holds the store"):
            college.sync()
    last = status(college).runs[0]
    assert (last.run, last.status) == (2, "failed")
    assert status(college).todo[0].startswith("Run 2 failed: Another program holds the store")
    college.scripts["ilp"] = play(Record("k1", activity("k1", "L1")), Checkpoint())
    report = college.sync()
    assert (report.run, report.interrupted, report.exit_code) == (3, [2], 0)
    assert [(one.run, one.status) for one in status(college).runs] == [
        (3, "succeeded"),
        (2, "failed"),
        (1, "succeeded"),
    ]


@pytest.mark.usefixtures("impatient")
def test_a_store_that_is_held_for_a_moment_costs_one_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held while the first source is written, and let go before the second."""
    monkeypatch.setattr(dialect, "WAIT_SECONDS", 1.0)
    college = SmallCollege(tmp_path / "college")
    for name in ("first", "second"):
        college.add_scripted(name, play(Record(name, activity(name, "L1")), Checkpoint()))
    college.sync()
    connection = sqlite3.connect(college.store_path, isolation_level=None, check_same_thread=False)
    timer = threading.Timer(1.4, lambda: connection.execute("ROLLBACK"))

    def hold() -> None:
        connection.execute("BEGIN IMMEDIATE")
        timer.start()

    college.scripts["first"] = play(hold, Record("new", activity("new", "L1")), Checkpoint())
    report = college.sync()
    timer.join()
    connection.close()
    assert [one.state for one in report.streams] == ["failed", "complete"]
    assert (report.streams[0].message or "").startswith("Another program holds the store")
    assert report.exit_code == 3


def test_a_real_process_that_finds_the_store_held_has_no_traceback(college: SmallCollege) -> None:
    college.sync()
    site = college.folder / "quick"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import fingerpost._store.dialect as dialect\ndialect.WAIT_SECONDS = 0.3\n", encoding="utf-8"
    )
    before = os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as patch, held(college.store_path):
        patch.setenv("PYTHONPATH", os.pathsep.join((str(site), before)))
        process = start_cli(college, "--log-level", "error", "sync")
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.startswith("Another program holds the store")
    assert errors.count("\n") == 1


def ends_backends(address: str) -> int:
    """End every connection that holds a lock of ours, as a server does that is started anew."""
    engine = sa.create_engine(sa.make_url(address).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        ended = list(
            connection.scalars(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            )
        )
    engine.dispose()
    return len(ended)


@pytest.mark.parametrize("phase", ["link", "judge", "plan"])
def test_a_connection_that_is_lost_after_reading_is_said_and_remembered(
    tmp_path: Path, postgres_schema: Callable[[], str], phase: str
) -> None:
    address = postgres_schema()
    college = usual_college(tmp_path / "college")
    college.tables["store"] = {"url": address}
    college.sync()
    college.later()
    college.amend("careers-log", date="2026-02-02")

    class Ending:
        def phase(self, name: str) -> None:
            if name == phase:
                assert ends_backends(address) == 1

        def advance(self, count: int) -> None:
            pass

    with pytest.raises(StoreError, match=r"The connection to the store .* was lost") as raised:
        college.sync(progress=Ending())
    assert "Fingerpost broke" not in raised.value.message
    last = status(college).runs[0]
    assert (last.run, last.status, last.exit_code) == (2, "failed", 1)
    assert college.sync().exit_code == 0
    assert [(one.run, one.status) for one in status(college).runs][:2] == [(3, "succeeded"), (2, "failed")]


@pytest.mark.parametrize("why", ["no server", "no such account", "no such database"])
def test_a_server_that_cannot_be_reached_is_said_and_remembered(
    tmp_path: Path, postgres_schema: Callable[[], str], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    college = SmallCollege(tmp_path / "college")
    college.add_scripted("ilp", play())
    address = postgres_schema()
    college.tables["store"] = {"url": {"env": "A_STORE"}}
    monkeypatch.setenv("A_STORE", address)
    college.sync()
    url = sa.make_url(address)
    wrong = {
        "no server": sa.make_url("postgresql://someone:secret@localhost:1/college"),
        "no such account": url.set(username="someone", password="secret"),
        "no such database": url.set(database="nowhere"),
    }[why]
    monkeypatch.setenv("A_STORE", wrong.render_as_string(hide_password=False))
    with pytest.raises(StoreError, match="cannot be reached") as raised:
        college.sync()
    assert "secret" not in raised.value.message
    assert "damaged" not in raised.value.message
    monkeypatch.setenv("A_STORE", address)
    assert status(college).todo[0].startswith("The last run failed: The store postgresql://")
