"""Whole nights: what a run writes, what it must not write, and what a bad night does to the good ones."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from colleges import Row, SmallCollege, activity, play, program, snapshot, start_cli, stream, usual_college

from fingerpost import Checkpoint, ConfigError, Deleted, LockHeld, Record, Rejected, SourceUnavailable
from fingerpost._store import schema
from fingerpost._sync import reader, set_aside
from fingerpost.reports import RunReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOWN = SourceUnavailable("The ILP does not answer.")


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    made = usual_college(tmp_path)
    made.keep = True
    return made


def records(*rows: Row) -> list[Record]:
    return [Record(row["activity_id"], row) for row in rows]


def counts(report: RunReport, connector: str) -> tuple[str, int, int, int]:
    """Return state, new, changed and deleted of one source's stream."""
    one = stream(report, connector)
    return one.state, one.new, one.changed, one.deleted


def statuses(college: SmallCollege, learner: str) -> dict[str, str]:
    """Return how a learner stands on each criterion, as stored."""
    with college.open() as opened, opened._opened.store.reading() as connection:
        verdict, person = schema.verdict, schema.learner
        rows = connection.execute(
            verdict.join(person, person.c.id == verdict.c.learner_id)
            .select()
            .where(person.c.reference == learner)
            .with_only_columns(verdict.c.criterion, verdict.c.status)
        )
        return {row.criterion: row.status for row in rows}


def open_gaps(college: SmallCollege) -> set[str]:
    with college.open() as opened, opened._opened.store.reading() as connection:
        episode = schema.episode
        return set(connection.scalars(episode.select().where(episode.c.closed_on.is_(None))))


def learners_held(college: SmallCollege) -> int:
    return len(college.snapshot(live=True)["learner"])


# Writes to data tables


@contextlib.contextmanager
def written(college: SmallCollege) -> Iterator[list[str]]:
    """Let triggers of the database note every row that is inserted, updated or deleted in a data table."""
    found: list[str] = []
    store = sqlite3.connect(college.store_path)
    store.execute("CREATE TABLE written (what TEXT)")
    for table in schema.DATA_TABLES:
        for verb in ("INSERT", "UPDATE", "DELETE"):
            store.execute(
                f"CREATE TRIGGER note_{table.name}_{verb} AFTER {verb} ON {table.name} "
                f"BEGIN INSERT INTO written VALUES ('{verb} {table.name}'); END"
            )
    store.commit()
    yield found
    found.extend(row[0] for row in store.execute("SELECT what FROM written"))
    for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        store.execute(f"DROP TRIGGER {name}")
    store.execute("DROP TABLE written")
    store.commit()
    store.close()


def test_the_triggers_see_what_a_run_writes(college: SmallCollege) -> None:
    college.sync()
    college.amend("mis", "L001", email="new@example.ac.uk")
    with written(college) as found:
        college.sync()
    assert {"UPDATE source_learner", "UPDATE learner"} <= set(found)


@pytest.mark.parametrize("days", [0, 1])
def test_untouched_files_are_skipped_whole_and_nothing_is_written(college: SmallCollege, days: int) -> None:
    first = college.sync()
    college.later(days=days)
    with written(college) as found:
        second = college.sync()
    assert found == []
    assert {(one.state, one.new, one.changed) for one in second.streams} == {("unchanged", 0, 0)}
    assert second.digests.planned == second.digests.sent == 0
    assert (second.status, second.exit_code) == ("succeeded", 0)
    assert (second.records, second.verdicts) == (first.records, first.verdicts)
    assert len(college.outbox) == first.digests.sent == 2


def test_the_same_rows_in_other_bytes_are_read_and_nothing_is_written(college: SmallCollege) -> None:
    college.rows["careers-log"].append(activity("odd", "L001", day="soon"))  # goes to quarantine
    college.rows["careers-log"].append(activity("odd-hours", "L001", hours="many"))  # a warning
    college.rows["careers-log"].append(activity("L001-1", "L001", "Work experience"))  # a doubled key
    college.rows["careers-log"].append(activity("stranger", "L999"))  # of a learner whom nobody knows
    college.write("careers-log")
    college.sync()
    college.later()
    for name in college.rows:
        college.write(name, newline="\n")
    with written(college) as found:
        second = college.sync()
    assert found == []
    assert {(one.state, one.new, one.changed, one.deleted) for one in second.streams} == {("complete", 0, 0, 0)}
    assert [one.read for one in second.streams] == [20, 20, 20, 44]
    assert second.digests.planned == 0
    assert second.exit_code == 0


def test_a_full_sync_of_untouched_files_reads_all_and_writes_nothing(college: SmallCollege) -> None:
    college.sync()
    with written(college) as found:
        second = college.sync(full=True)
    assert found == []
    assert {one.state for one in second.streams} == {"complete"}
    assert stream(second, "mis").unchanged == 20


def test_the_first_file_of_the_week_brings_no_news_twice(college: SmallCollege) -> None:
    college.sync()
    for _ in range(3):
        college.later(days=7)
        assert college.sync().digests.planned == 0
    assert len(college.outbox) == 2


def test_the_ledger_alone_tells_of_a_night_without_news(college: SmallCollege) -> None:
    college.sync()
    before = college.dump()
    college.sync()
    assert college.dump() == before
    with college.open() as opened:
        assert [run.status for run in opened.status().runs] == ["succeeded", "succeeded"]


# What must reach rows that did not change


def test_a_corrected_mapping_reaches_unchanged_rows(college: SmallCollege) -> None:
    college.keep = False  # it is told by its text whether a configuration is the same, and this is about another file
    text = 'schema_version = 1\nstream = "activities"\nextends = "careers-log"\n'
    college.add_mapping("our-log", text)
    college.source("careers-log")["mapping"] = "our-log"
    college.sync()
    assert statuses(college, "L001")["2.1"] == "at_risk"
    college.later()
    assert counts(college.sync(), "careers-log") == ("unchanged", 0, 0, 0)
    kind = '[fields.kind]\nfrom = "activity_type"\ntype = "kind"\nrequired = true\n[fields.kind.values]\n'
    values = '"Careers interview" = "lmi_use"\n"Employer talk" = "employer_encounter"\n"Employer visit" = "he_visit"\n'
    college.add_mapping("our-log", text + kind + values)
    report = college.sync()
    assert counts(report, "careers-log") == ("complete", 0, 40, 0)
    assert counts(report, "mis")[0] == "unchanged"
    assert statuses(college, "L001")["2.1"] == "met"
    assert statuses(college, "L001")["8.1"] == "at_risk"


def test_a_changed_crosswalk_reaches_unchanged_rows(college: SmallCollege) -> None:
    college.tables["college"]["former_ukprns"] = [88888888]
    college.add_csv(
        "old-college", "activities", "careers-log", [activity("o-1", "OLD1", "Careers interview")], ukprn=88888888
    )
    college.sync()
    assert statuses(college, "L002")["8.1"] == "at_risk"
    crosswalk = college.folder / "crosswalk.csv"
    header = "ukprn,learner_ref,same_as_ukprn,same_as_learner_ref\n"
    crosswalk.write_text(header + "88888888,OLD1,99999999,L002\n", encoding="utf-8")
    college.tables["identity"] = {"crosswalk": "crosswalk.csv"}
    college.sync()
    assert statuses(college, "L002")["8.1"] == "met"
    crosswalk.write_text(header + "88888888,OLD1,99999999,L004\n", encoding="utf-8")
    college.sync()
    assert statuses(college, "L002")["8.1"] == "at_risk"
    assert statuses(college, "L004")["8.1"] == "met"


def test_a_changed_framework_setting_judges_everybody_again(college: SmallCollege) -> None:
    assert college.sync().verdicts["5.V"] == {"met": 10, "not_due": 10}
    college.tables["benchmarks"] = {"settings": {"employers_wanted": 3}}
    report = college.sync()
    assert {one.state for one in report.streams} == {"unchanged"}
    assert report.verdicts["5.V"] == {"not_due": 20}  # nobody has met three


def test_a_moved_talk_counts_no_longer_for_the_group_that_had_it(college: SmallCollege) -> None:
    talk = activity("talk", "", "Industry talk", "2025-11-24", employer="Bank") | {"tutor_group": "G1"}
    for row in college.rows["careers-log"]:
        row["tutor_group"] = ""
    college.add("careers-log", talk)
    assert college.sync().verdicts["5.1"] == {"met": 20}
    talk["tutor_group"] = "G0"
    college.write("careers-log")
    assert college.sync().verdicts["5.1"] == {"met": 10, "at_risk": 10}


# A source that fails


def scripted_log(college: SmallCollege, *steps: Any, **keys: Any) -> None:
    college.add_scripted("ilp", play(*steps), **keys)


TWO = records(activity("i-1", "L002", "Careers interview"), activity("i-2", "L004", "Careers interview"))


@pytest.mark.usefixtures("small_checkpoints")
@pytest.mark.parametrize(
    ("steps", "stays"),
    [
        ((DOWN,), 0),
        ((*TWO, DOWN), 0),
        ((TWO[0], Checkpoint(), TWO[1], DOWN), 1),
        ((*TWO, Checkpoint(), DOWN), 2),
        ((*TWO, Checkpoint(), RuntimeError("a bug")), 2),
        ((TWO[0], Record("", {})), 0),
    ],
)
def test_a_source_that_raises_fails_alone(college: SmallCollege, steps: tuple[Any, ...], stays: int) -> None:
    college.sync()
    gaps = open_gaps(college)
    scripted_log(college, *steps)
    college.amend("mis", "L001", email="new@example.ac.uk")
    report = college.sync()
    failed = stream(report, "ilp")
    assert (failed.state, failed.new) == ("failed", stays)
    assert failed.message
    assert "L002" not in failed.message
    assert (report.status, report.exit_code) == ("partial", 3)
    assert counts(report, "mis") == ("complete", 0, 1, 0)
    assert {one.state for one in report.streams if one.connector not in ("ilp", "mis")} == {"unchanged"}
    assert len(gaps) - len(open_gaps(college)) == stays  # what was committed counts, and nothing else closes
    college.scripts["ilp"] = play(*TWO, Checkpoint())
    report = college.sync()
    assert counts(report, "ilp") == ("complete", 2 - stays, 0, 0)
    assert report.exit_code == 0


def test_a_failed_source_loses_nothing_that_it_told_before(college: SmallCollege) -> None:
    scripted_log(college, *TWO, Checkpoint())
    college.sync()
    gaps, held = open_gaps(college), college.snapshot()
    college.scripts["ilp"] = play(TWO[0], DOWN)
    college.later()
    assert college.sync().exit_code == 3
    assert open_gaps(college) == gaps
    assert college.snapshot() == held


def test_a_missing_file_fails_its_source_and_says_so(college: SmallCollege) -> None:
    college.sync()
    (college.folder / "data" / "careers-log.csv").unlink()
    report = college.sync()
    failed = stream(report, "careers-log")
    assert (failed.state, report.exit_code) == ("failed", 3)
    assert "careers-log" in (failed.message or "")
    assert report.records["activities"] == 40


@pytest.mark.parametrize("header_only", [True, False])
@pytest.mark.parametrize("name", ["mis", "courses", "tutors"])
def test_an_empty_file_removes_nothing(college: SmallCollege, name: str, header_only: bool) -> None:
    college.sync()
    gaps, held = open_gaps(college), college.snapshot()
    header = list(college.rows[name][0])
    college.rows[name] = []
    path = college.write(name, header=header)
    if not header_only:
        path.write_bytes(b"")
    college.later()
    report = college.sync()
    assert counts(report, name) == ("held", 0, 0, 0)
    assert (report.status, report.exit_code) == ("partial", 3)
    assert "returned no rows" in (stream(report, name).message or "")
    assert "fingerpost sweep --confirm" in (stream(report, name).message or "")
    assert open_gaps(college) == gaps
    assert college.snapshot() == held
    assert report.digests.planned == 0


def test_a_few_rows_of_a_tiny_source_that_came_empty_are_held_too(tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=2)
    college.sync()
    header = list(college.rows["mis"][0])
    college.rows["mis"] = []
    college.write("mis", header=header)
    assert counts(college.sync(), "mis") == ("held", 0, 0, 0)


def test_losing_two_in_five_learners_waits_for_a_word(college: SmallCollege) -> None:
    college.sync()
    gaps, held = open_gaps(college), college.snapshot()
    everybody = college.rows["mis"]
    college.put("mis", everybody[:12])
    for _ in range(3):  # every night, also when no byte changes any more
        college.later()
        report = college.sync()
        assert counts(report, "mis") == ("held", 0, 0, 0)
        assert "8 of 20 learners" in (stream(report, "mis").message or "")
        assert report.exit_code == 3
        assert college.snapshot() == held
        assert open_gaps(college) == gaps
    with college.open() as opened:
        (waiting,) = opened.held_sweeps()
        assert (waiting.connector, waiting.stream, waiting.rows, waiting.of) == ("mis", "learners", 8, 20)
        assert opened.confirm_sweep() == [waiting]
        assert opened.held_sweeps() == []
    report = college.sync()
    assert counts(report, "mis") == ("complete", 0, 0, 0)
    assert (report.records["learners"], report.exit_code) == (12, 0)
    assert len(open_gaps(college)) == len(gaps) * 12 // 20
    assert report.digests.planned == 0  # nobody hears that a leaver's gap is settled
    college.later(days=7)
    assert college.sync().digests.planned == 0


def test_rows_that_return_release_what_is_held(college: SmallCollege) -> None:
    college.sync()
    held = college.snapshot()
    everybody = college.rows["mis"]
    college.put("mis", everybody[:12])
    assert college.sync().exit_code == 3
    college.put("mis", everybody)
    report = college.sync()
    assert counts(report, "mis") == ("complete", 0, 0, 0)
    assert report.exit_code == 0
    with college.open() as opened:
        assert opened.held_sweeps() == []
        assert opened.confirm_sweep() == []
    assert college.snapshot() == held


def test_a_large_intake_does_not_release_what_is_held(college: SmallCollege) -> None:
    college.sync()
    new = [dict(row, learner_ref=f"N{number}") for number, row in enumerate(college.rows["mis"] * 3)]
    college.put("mis", college.rows["mis"][:12] + new)
    for held_of in (20, 80):
        report = college.sync()
        assert stream(report, "mis").state == "held"
        assert f"8 of {held_of} learners" in (stream(report, "mis").message or "")
        assert report.records["learners"] == 80


def test_a_sweep_can_be_confirmed_for_one_source(college: SmallCollege) -> None:
    college.sync()
    for name in ("mis", "courses"):
        college.rows[name] = college.rows[name][:12]
        college.write(name)
    college.sync()
    with college.open() as opened:
        assert [one.connector for one in opened.held_sweeps()] == ["courses", "mis"]
        assert [one.connector for one in opened.confirm_sweep(only=["courses"])] == ["courses"]
        assert [one.connector for one in opened.held_sweeps()] == ["mis"]
        with pytest.raises(ConfigError, match="no source called 'nobody'"):
            opened.confirm_sweep(only=["nobody"])
    report = college.sync()
    assert (report.records["programmes"], report.records["learners"]) == (12, 20)


@pytest.mark.parametrize(("gone", "held"), [(1, False), (5, False), (6, True)])
def test_five_rows_go_without_asking(college: SmallCollege, gone: int, held: bool) -> None:
    college.sync()
    college.put("mis", college.rows["mis"][gone:])
    report = college.sync()
    assert counts(report, "mis") == (("held", 0, 0, 0) if held else ("complete", 0, 0, gone))
    assert report.exit_code == (3 if held else 0)
    assert report.records["learners"] == (20 if held else 20 - gone)


def test_a_fifth_of_many_goes_without_asking(tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=50)
    college.sync()
    college.put("mis", college.rows["mis"][10:])
    assert counts(college.sync(), "mis") == ("complete", 0, 0, 10)


def test_a_forced_full_read_that_is_held_stays_held(college: SmallCollege) -> None:
    many = records(*(activity(f"i-{number}", "L002") for number in range(10)))
    last = Checkpoint("2026-02-01T00:00:00Z")
    scripted_log(college, *many, last, cursor="instant", ordered=True)
    college.sync()
    college.later()
    college.scripts["ilp"] = play(*many[:3], last)
    assert stream(college.sync(full=True), "ilp").state == "held"
    college.later()
    assert stream(college.sync(), "ilp").state == "held"
    college.scripts["ilp"] = play(*many, last)
    assert stream(college.sync(), "ilp").state == "complete"
    assert college.asked["ilp"][1:] == [None, None, None]


def test_only_the_parts_that_were_read_are_swept(college: SmallCollege) -> None:
    def part(year: str, *keys: str) -> list[Record]:
        return [Record(key, activity(key, "L002"), year) for key in keys]

    last, this = part("2024/25", *"abcdefgh"), part("2025/26", *"ijklmnop")
    scripted_log(college, *last, *this)
    assert college.sync().records["activities"] == 56
    college.scripts["ilp"] = play(*this[1:])  # the newest file alone, as an ILR folder is cleared
    assert counts(college.sync(), "ilp") == ("complete", 0, 0, 1)
    college.scripts["ilp"] = play(*this[1:2])
    assert counts(college.sync(), "ilp") == ("held", 0, 0, 0)
    assert college.sync().records["activities"] == 55


def test_a_source_that_does_not_exist_cannot_be_read_alone(college: SmallCollege) -> None:
    with college.open() as opened, pytest.raises(ConfigError, match=r"no source called 'mos'.*mis, courses"):
        opened.sync(only=["mos"])


def test_deleted_rows_come_back(college: SmallCollege) -> None:
    college.sync()
    held = college.snapshot()
    gone, college.rows["mis"] = college.rows["mis"][:2], college.rows["mis"][2:]
    college.write("mis")
    assert counts(college.sync(), "mis") == ("complete", 0, 0, 2)
    assert learners_held(college) == 18
    assert statuses(college, "L001") == {}
    college.later(days=7)
    college.put("mis", gone + college.rows["mis"])
    report = college.sync()
    assert counts(report, "mis") == ("complete", 0, 2, 0)
    assert report.digests.planned == 0  # the same gaps are open that were told before
    after = college.snapshot()
    assert after["learner"] == held["learner"]
    assert after["verdict"] == held["verdict"]
    assert [row for row in after["episode"] if ("outcome", None) not in row] == []


def test_a_tombstone_deletes_and_a_record_revives(college: SmallCollege) -> None:
    scripted_log(college, *TWO)
    college.sync()
    assert statuses(college, "L002")["8.1"] == "met"
    college.scripts["ilp"] = play(Deleted("i-1"), Deleted("never-heard-of"), TWO[1])
    assert counts(college.sync(), "ilp") == ("complete", 0, 0, 1)
    assert statuses(college, "L002")["8.1"] == "at_risk"
    college.scripts["ilp"] = play(*TWO)
    assert counts(college.sync(), "ilp") == ("complete", 0, 1, 0)
    assert statuses(college, "L002")["8.1"] == "met"


def test_rows_that_a_mapping_begins_to_skip_meet_the_same_guard(college: SmallCollege) -> None:
    college.keep = False  # it is told by its text whether a configuration is the same, and this is about another file
    text = 'schema_version = 1\nstream = "learners"\nextends = "learners"\n'
    college.add_mapping("our-learners", text)
    college.source("mis")["mapping"] = "our-learners"
    college.sync()
    skip = '[[skip]]\nif = [{ field = "family_name", is = "FamilyL001" }]\n'
    college.add_mapping("our-learners", text + skip)
    report = college.sync()
    assert counts(report, "mis") == ("complete", 0, 19, 1)
    assert stream(report, "mis").skipped == 1
    college.add_mapping("our-learners", text + '[[skip]]\nif = [{ field = "learner_ref", empty = false }]\n')
    report = college.sync()
    assert counts(report, "mis") == ("held", 0, 0, 0)
    assert report.records["learners"] == 19


# Files that overwrite each other


def test_an_overwritten_log_loses_no_earlier_activity(college: SmallCollege) -> None:
    college.add("careers-log", activity("broken", "L001", day="soon"))
    first = college.sync()
    college.put("careers-log", [activity("s-1", "L002", "Careers interview", "2026-02-20")])
    college.later()
    report = college.sync()
    assert counts(report, "careers-log") == ("complete", 1, 0, 0)
    assert report.exit_code == 0
    assert report.records["activities"] == first.records["activities"] + 1 == 41
    assert statuses(college, "L001")["8.1"] == statuses(college, "L002")["8.1"] == "met"
    with college.open() as opened:  # a corrected mapping may still save it
        assert [one.key for one in opened.quarantine()] == ["broken"]


def test_an_overwritten_log_in_snapshot_mode_is_what_it_is(college: SmallCollege) -> None:
    college.source("careers-log")["mode"] = "snapshot"
    college.sync()
    college.put("careers-log", college.rows["careers-log"][:5])
    assert counts(college.sync(), "careers-log") == ("held", 0, 0, 0)
    with college.open() as opened:
        opened.confirm_sweep()
    assert college.sync().records["activities"] == 5


# Two runs at once


@pytest.mark.slow
def test_of_two_runs_started_together_one_works_and_one_exits_75(college: SmallCollege) -> None:
    college.add_scripted("ilp", play(), program=program(
        college.folder / "wait.py",
        """
        while not (context.base_dir / "go").exists():
            time.sleep(0.01)
        """,
    ))  # fmt: skip
    college.source("careers-log")["fresh_for"] = 10_000  # by the real clock, its file is old
    college.configure()
    both = [start_cli(college, "sync", "--json") for _ in range(2)]
    while all(process.poll() is None for process in both):
        time.sleep(0.01)
    loser, winner = sorted(both, key=lambda process: process.poll() is None)
    out, err = loser.communicate()
    assert loser.returncode == 75, err
    assert out == ""
    assert "Another run" in err
    with college.open() as opened:
        with pytest.raises(LockHeld):
            opened.sync()
        with pytest.raises(LockHeld):
            opened.confirm_sweep()
        with pytest.raises(LockHeld):
            opened.retry_quarantine()
        assert opened.status().runs[0].status == "running"
    (college.folder / "go").touch()
    out, err = winner.communicate()
    assert winner.returncode == 0, err
    assert json.loads(out)["records"]["learners"] == 20
    with college.open() as opened:
        assert [run.status for run in opened.status().runs] == ["succeeded"]


@pytest.mark.slow
@pytest.mark.parametrize("death", ["killed", "gone"])
def test_a_dead_run_frees_the_lock_and_reads_interrupted(college: SmallCollege, death: str) -> None:
    lines = "(context.base_dir / 'reading').touch()\n" + ("os._exit(9)" if death == "gone" else "time.sleep(600)")
    college.add_scripted("ilp", play(*TWO), program=program(college.folder / "die.py", lines))
    college.configure()
    process = start_cli(college, "sync")
    if death == "killed":
        while not (college.folder / "reading").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.kill()
    process.communicate()
    assert process.returncode == (9 if death == "gone" else 1 if sys.platform == "win32" else -signal.SIGKILL)
    with college.open() as opened:
        (dead,) = opened.status().runs
        assert (dead.status, dead.finished_at) == ("running", None)
    report = college.sync()
    assert report.interrupted == [dead.run]
    assert any("was interrupted" in message for message in report.messages)
    assert (report.status, report.exit_code, report.digests.sent) == ("succeeded", 0, 2)
    with college.open() as opened:
        assert [(run.run, run.status) for run in opened.status().runs] == [
            (report.run, "succeeded"),
            (dead.run, "interrupted"),
        ]
    assert college.sync().interrupted == []


# Warnings and quarantine


def quarantined(college: SmallCollege) -> list[tuple[str, str, str]]:
    with college.open() as opened:
        return [(one.key, one.reason, one.field) for one in opened.quarantine()]


def warnings(college: SmallCollege) -> list[tuple[str, str, str]]:
    """Return key, field and code of every warning about a record."""
    rows = [dict(row) for row in college.snapshot()["warning"]]
    return [(row["key"], row["field"], row["code"]) for row in rows if row["key"]]


def test_a_bad_optional_field_costs_the_field(college: SmallCollege) -> None:
    college.amend("mis", "L001", date_of_birth="the 3rd")
    report = college.sync()
    assert (stream(report, "mis").warnings, report.exit_code) == (1, 0)
    assert report.records["learners"] == 20
    (found,) = warnings(college)
    assert found[:2] == ("L001", "date_of_birth")
    (row,) = [dict(row) for row in college.snapshot()["learner"] if ("reference", "L001") in row]
    assert (row["date_of_birth"], row["given_names"]) == (None, "GivenL001")
    college.amend("mis", "L001", date_of_birth="2008-03-03")
    assert stream(college.sync(), "mis").warnings == 0
    assert warnings(college) == []


def test_a_bad_required_field_costs_the_record_until_a_good_version_comes(college: SmallCollege) -> None:
    bad = activity("x-1", "L002", "Careers interview", "32/13/2026", notes="met Ms Canary at Wharf Lane")
    college.add("careers-log", bad)
    report = college.sync()
    assert (stream(report, "careers-log").rejected, report.exit_code, report.status) == (1, 3, "partial")
    (key, _, field), *_ = found = quarantined(college)
    assert (len(found), key, field) == (1, "x-1", "starts_on")
    with college.open() as opened:
        (listed,) = opened.quarantine()
        raw = opened.show_quarantined(listed.number).raw
    assert raw["date"] == "32/13/2026"
    assert "notes" not in raw  # no mapping reads it, so it is not kept
    assert b"Canary" not in _bytes_of(college)

    college.later()
    college.write("careers-log", newline="\n")
    report = college.sync()  # the same record again is no news
    assert (stream(report, "careers-log").rejected, report.exit_code) == (1, 0)
    college.later()
    assert college.sync().exit_code == 0  # nor is it when no byte changed

    bad["date"] = "33/13/2026"
    college.write("careers-log")
    assert college.sync().exit_code == 3  # another bad version is
    assert len(quarantined(college)) == 1

    bad["date"] = "2026-02-12"
    college.write("careers-log")
    report = college.sync()
    assert (counts(report, "careers-log"), report.exit_code) == (("complete", 1, 0, 0), 0)
    assert quarantined(college) == []
    assert statuses(college, "L002")["8.1"] == "met"


def _bytes_of(college: SmallCollege) -> bytes:
    files = [path for path in college.folder.iterdir() if path.name.startswith("fingerpost.db")]
    return b"".join(path.read_bytes() for path in files)


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_a_mistake_that_is_taken_back_is_no_longer_quarantined(college: SmallCollege, mode: str) -> None:
    college.source("careers-log")["mode"] = mode
    college.sync()
    row = college.rows["careers-log"][2]
    was, row["date"] = row["date"], "yesterday"
    college.write("careers-log")
    assert college.sync().exit_code == 3
    row["date"] = was
    college.write("careers-log")
    assert counts(college.sync(), "careers-log") == ("complete", 0, 0, 0)
    assert quarantined(college) == []


def test_a_bad_version_does_not_remove_the_good_one(college: SmallCollege) -> None:
    college.source("careers-log")["mode"] = "snapshot"
    college.sync()
    row = college.rows["careers-log"][2]
    assert row["activity_type"] == "Careers interview"
    row["date"] = "yesterday"
    college.write("careers-log")
    report = college.sync()
    assert counts(report, "careers-log") == ("complete", 0, 0, 0)
    assert statuses(college, "L001")["8.1"] == "met"


def test_what_a_connector_cannot_read_is_quarantined_by_place(college: SmallCollege) -> None:
    path = college.write("careers-log")
    path.write_bytes(path.read_bytes() + b"ragged,L001\r\n")
    report = college.sync()
    assert (stream(report, "careers-log").rejected, report.exit_code) == (1, 3)
    with college.open() as opened:
        (one,) = opened.quarantine()
    assert (one.reason, one.where) == ("ragged_row", "careers-log.csv line 42")
    college.write("careers-log")
    assert college.sync().exit_code == 0
    assert quarantined(college) == []


def test_a_tombstone_closes_what_is_quarantined(college: SmallCollege) -> None:
    bad = Record("i-9", activity("i-9", "L001", day="soon"))
    scripted_log(college, *TWO, bad, Checkpoint("2026-03-01T00:00:00Z"), cursor="instant")
    college.sync()
    assert [key for key, _, _ in quarantined(college)] == ["i-9"]
    college.scripts["ilp"] = play(Deleted("i-9"))
    college.sync()
    assert college.asked["ilp"][-1] is not None
    assert quarantined(college) == []


def test_the_first_of_two_rows_with_one_key_wins(college: SmallCollege) -> None:
    college.rows["mis"].append(dict(college.rows["mis"][0], email="second@example.ac.uk"))
    path = college.write("mis")
    report = college.sync()
    assert (counts(report, "mis"), report.exit_code) == (("complete", 20, 0, 0), 0)
    assert warnings(college) == [("L001", "", "duplicate_key")]
    held = college.snapshot()
    path.write_bytes(path.read_bytes() + b"\r\n")  # read again, and the same
    assert counts(college.sync(), "mis") == ("complete", 0, 0, 0)
    assert college.snapshot() == held
    college.rows["mis"].pop()
    college.write("mis")
    college.sync()
    assert warnings(college) == []


def test_the_first_of_two_rows_with_one_key_wins_also_when_it_is_bad(college: SmallCollege) -> None:
    filler = records(*(activity(f"f-{number}", "L001") for number in range(1, reader.CHUNK)))
    bad, good = activity("i-1", "L002", day="soon"), activity("i-1", "L002")
    for rows in ([bad, good], [bad, *(record.data for record in filler), good]):  # in one chunk, and in two
        scripted_log(college, *(Record(str(row["activity_id"]), row) for row in rows))
        for newly in (1, 0):
            report = college.sync()
            assert (stream(report, "ilp").rejected, stream(report, "ilp").newly_rejected) == (1, newly)
        assert ("i-1", "", "duplicate_key") in warnings(college)
        college.connectors.pop()
        college.scripts.clear()
        with college.open() as opened:
            opened.discard_quarantine([one.number for one in opened.quarantine()])


@pytest.mark.usefixtures("small_checkpoints")
def test_too_many_rejected_rows_stop_a_stream_and_put_its_cursor_back(college: SmallCollege) -> None:
    good = [(Record(f"g-{n}", activity(f"g-{n}", "L002")), Checkpoint(f"2026-01-{n:02d}T00:00:00Z")) for n in (5, 6, 7)]
    scripted_log(college, *good[0], cursor="instant", ordered=True)
    college.sync()
    college.later()
    bad = [Record(f"b-{n}", activity(f"b-{n}", "L002", day="soon")) for n in range(21)]
    college.scripts["ilp"] = play(*good[1], *bad, Checkpoint("2026-01-20T00:00:00Z"), *good[2])
    report = college.sync()
    failed = stream(report, "ilp")
    assert (failed.state, failed.new, report.exit_code) == ("failed", 2, 3)
    assert "21 of 23 activities were rejected" in (failed.message or "")
    assert "fingerpost map check ilp" in (failed.message or "")
    assert report.records["activities"] == 43  # what was committed stays
    college.later()
    college.scripts["ilp"] = play(*good[1], *(Record(one.key, activity(one.key, "L002")) for one in bad), *good[2])
    report = college.sync()
    assert college.asked["ilp"] == [None, "2026-01-04T00:00:00Z", "2026-01-04T00:00:00Z"]
    assert counts(report, "ilp") == ("complete", 21, 0, 0)
    assert quarantined(college) == []
    assert report.exit_code == 0


@pytest.mark.parametrize(("bad", "good", "stops"), [(20, 0, False), (21, 399, False), (21, 398, True), (30, 0, True)])
def test_the_breaker_opens_above_twenty_and_five_in_a_hundred(
    college: SmallCollege, bad: int, good: int, stops: bool
) -> None:
    rows = [activity(f"b-{n}", "L001", day="soon") for n in range(bad)]
    scripted_log(college, *records(*rows, *(activity(f"g-{n}", "L001") for n in range(good))))
    report = college.sync()
    assert stream(report, "ilp").state == ("failed" if stops else "complete")
    assert len(quarantined(college)) == (0 if stops else bad)


def test_what_is_known_to_be_bad_and_comes_every_night_does_not_open_the_breaker(college: SmallCollege) -> None:
    bad = records(*(activity(f"b-{n}", "L001", day="") for n in range(30)))
    good = records(*(activity(f"g-{n}", "L001") for n in range(600)))
    scripted_log(college, *good, *bad, Checkpoint("2026-01-05T00:00:00Z"), cursor="instant")
    assert college.sync().exit_code == 3  # the bad ones are news, and few enough
    college.later()
    college.scripts["ilp"] = play(*bad, *good[:5], Checkpoint("2026-01-06T00:00:00Z"))
    report = college.sync()
    assert (stream(report, "ilp").state, stream(report, "ilp").rejected, report.exit_code) == ("complete", 30, 0)
    college.later()
    worse = records(*(activity(f"c-{n}", "L001", day="") for n in range(21)))
    college.scripts["ilp"] = play(*bad, *worse, *good[:5], Checkpoint("2026-01-07T00:00:00Z"))
    assert stream(college.sync(), "ilp").state == "failed"


def test_the_breaker_opens_before_a_wrong_file_is_read_to_its_end(college: SmallCollege) -> None:
    keys = iter(range(100_000))
    rows = (Record(f"b-{n}", activity(f"b-{n}", "L001", day="soon")) for n in keys)
    college.add_scripted("ilp", lambda cursor, context: rows)
    failed = stream(college.sync(), "ilp")
    assert (failed.state, failed.read) == ("failed", set_aside.BREAKER_FROM)
    assert next(keys) == set_aside.BREAKER_FROM  # nobody asked for more


def test_columns_that_are_never_ingested_are_nowhere(college: SmallCollege) -> None:
    college.tables["privacy"] = {"never_ingest": ["religion", "notes"]}
    for row in college.rows["mis"]:
        row["religion"] = "Canarism"
    college.rows["mis"][0]["learner_ref"] = ""  # quarantined
    college.rows["mis"][1]["date_of_birth"] = "soon"  # warned of
    college.rows["careers-log"][0] |= {"notes": "Canarism", "date": "soon"}
    for name in ("mis", "careers-log"):
        college.write(name)
    rejected = Rejected(
        "r-1", "not_json", "page 3", {"date": "2026-01-05", "religion": "Canarism", "notes": "Canarism"}
    )
    scripted_log(college, Record("i-1", {**activity("i-1", "L004"), "religion": "Canarism"}), rejected)
    report = college.sync()
    assert sum(one.rejected for one in report.streams) == 3
    assert b"Canarism" not in _bytes_of(college)


def test_a_mapping_may_not_read_what_is_never_ingested(college: SmallCollege) -> None:
    college.tables["privacy"] = {"never_ingest": ["email"]}
    with pytest.raises(ConfigError, match="email"):
        college.open()


def test_a_warning_of_a_place_goes_with_the_place(college: SmallCollege) -> None:
    def script(lines: dict[str, int]) -> Any:
        def read(cursor: object, context: Any) -> Iterator[Record]:
            for key, line in lines.items():
                if line:
                    context.warn("smudge", key=key, where=f"line {line}")
                yield Record(key, activity(key, "L001"))

        return read

    college.add_scripted("ilp", script({"i-1": 0, "i-2": 2}))
    college.sync()
    assert [dict(row)["where"] for row in college.snapshot()["warning"] if ("key", "i-2") in row] == ["line 2"]
    college.scripts["ilp"] = script({"i-0": 0, "i-1": 0, "i-2": 3})
    college.sync()
    assert [dict(row)["where"] for row in college.snapshot()["warning"] if ("key", "i-2") in row] == ["line 3"]
    college.scripts["ilp"] = script({"i-0": 0, "i-1": 0, "i-2": 0})
    assert stream(college.sync(), "ilp").warnings == 0


# Staleness


def test_a_stale_source_leaves_what_is_met_and_makes_the_rest_unknown(college: SmallCollege) -> None:
    college.source("careers-log")["fresh_for"] = 3
    first = college.sync()
    gaps = open_gaps(college)
    assert first.verdicts["8.1"] == {"met": 10, "at_risk": 10}
    log = college.folder / "data" / "careers-log.csv"
    content = log.read_bytes()
    log.unlink()
    college.later(days=2)
    assert college.sync().verdicts["8.1"] == {"met": 10, "at_risk": 10}
    college.later(days=5)  # a Monday, on which digests go
    report = college.sync()
    assert report.verdicts["8.1"] == {"met": 10, "unknown": 10}
    assert report.verdicts["5.1"] == {"met": 10, "unknown": 10}
    assert report.digests.planned == 0
    assert open_gaps(college) == gaps
    reasons = {dict(row)["reason"] for row in college.snapshot()["verdict"] if ("criterion", "8.1") in row}
    assert reasons == {None, "stale"}
    with college.open() as opened:
        (one,) = [source for source in opened.status().sources if source.connector == "careers-log"]
        assert one.stale
    log.write_bytes(content)
    college.write("careers-log")
    report = college.sync()
    assert report.verdicts == first.verdicts
    assert report.digests.planned == 0  # nothing of it is new
    assert open_gaps(college) == gaps
    college.later(days=7)
    college.write("careers-log")
    assert college.sync().digests.planned == 0


def test_an_export_that_is_no_longer_made_grows_stale_although_it_is_read(college: SmallCollege) -> None:
    college.source("careers-log")["fresh_for"] = 3
    college.sync()
    college.later(days=4)
    report = college.sync()
    assert counts(report, "careers-log") == ("unchanged", 0, 0, 0)
    assert report.verdicts["8.1"] == {"met": 10, "unknown": 10}
    college.write("careers-log")  # made again, and the same
    assert college.sync().verdicts["8.1"] == {"met": 10, "at_risk": 10}


def test_a_source_that_tells_its_age_and_fails_is_as_old_as_before(college: SmallCollege) -> None:
    def script(cursor: object, context: Any) -> Iterator[Any]:
        context.data_from(context.now)
        yield from TWO
        if fails:
            raise DOWN

    fails = False
    college.add_scripted("ilp", script, fresh_for=3, feeds=["curriculum_link"])
    college.sync()
    fails = True
    college.later(days=2)
    college.sync()
    with college.open() as opened:
        (one,) = [source for source in opened.status().sources if source.connector == "ilp"]
    assert one.data_at == one.complete_at == "2026-03-02T04:00:00Z"


# A dry run


def test_a_dry_run_does_the_same_and_leaves_nothing(college: SmallCollege) -> None:
    everything = schema.metadata.sorted_tables
    corrected = dict(college.rows["mis"][0], email="new@example.ac.uk")
    bad = activity("z", "L002", "Careers interview", "soon")
    for name, rows in (
        ("mis", college.rows["mis"]),
        ("mis", [corrected, *college.rows["mis"][1:]]),
        ("careers-log", [*college.rows["careers-log"], bad]),
        ("mis", college.rows["mis"][9:]),
    ):
        college.rows[name] = rows
        college.write("mis")
        college.write("careers-log")
        before = college.dump(everything)
        dry = college.sync(dry_run=True)
        assert college.dump(everything) == before
        sent = len(college.outbox)
        real = college.sync()
        assert dry.dry_run
        assert not real.dry_run
        assert [one.as_dict() for one in dry.streams] == [one.as_dict() for one in real.streams]
        assert (dry.records, dry.verdicts, dry.run) == (real.records, real.verdicts, real.run)
        assert dry.digests.planned == real.digests.planned
        assert (dry.status, dry.exit_code) == (real.status, real.exit_code) or dry.digests.deferred
        assert dry.digests.sent == 0
        assert len(college.outbox) - sent == real.digests.sent
        college.later(days=7)


def test_a_dry_run_with_a_failing_source_leaves_nothing_either(college: SmallCollege) -> None:
    scripted_log(college, *TWO, DOWN)
    before = college.dump(schema.metadata.sorted_tables)
    report = college.sync(dry_run=True)
    assert report.exit_code == 3
    assert report.records["learners"] == 20
    assert college.dump(schema.metadata.sorted_tables) == before


# Exit codes


def test_a_good_night_exits_0(college: SmallCollege) -> None:
    report = college.sync()
    assert (report.status, report.exit_code) == ("succeeded", 0)


def test_a_night_with_held_digests_exits_4_and_a_failed_source_outranks_it(college: SmallCollege) -> None:
    for row in college.rows["tutors"][:10]:
        row["tutor_email"] = "somebody@elsewhere.example.org"
    college.write("tutors")
    report = college.sync()
    assert report.digests.held == 1
    assert (report.status, report.exit_code) == ("partial", 4)
    scripted_log(college, DOWN)
    report = college.sync()
    assert report.digests.held == 1
    assert report.exit_code == 3


def test_digests_that_are_not_to_be_delivered_yet_exit_4(college: SmallCollege) -> None:
    report = college.sync(deliver=False)
    assert (report.digests.planned, report.digests.deferred, report.digests.sent) == (2, 2, 0)
    assert report.exit_code == 4
    report = college.sync()
    assert (report.digests.planned, report.digests.sent, report.exit_code) == (0, 2, 0)


def test_a_wrong_configuration_found_in_the_run_exits_2_in_the_ledger_too(college: SmallCollege) -> None:
    (college.folder / "crosswalk.csv").write_text("ukprn,learner_ref\n1,2\n", encoding="utf-8")
    college.tables["identity"] = {"crosswalk": "crosswalk.csv"}
    with college.open() as opened:
        with pytest.raises(ConfigError) as caught:
            opened.sync()
        assert caught.value.exit_code == 2
        (run,) = opened.status().runs
    assert (run.status, run.exit_code) == ("failed", 2)
    del college.tables["identity"]
    assert college.sync().exit_code == 0


def test_a_bug_in_the_run_exits_1_and_is_in_the_ledger(college: SmallCollege) -> None:
    class Broken:
        def phase(self, name: str) -> None:
            if name == "judge":
                raise RuntimeError("a bug")

        def advance(self, count: int) -> None:
            pass

    with college.open() as opened:
        with pytest.raises(RuntimeError):
            opened.sync(progress=Broken())
        (run,) = opened.status().runs
    assert (run.status, run.exit_code) == ("failed", 1)
    report = college.sync()
    assert (report.exit_code, report.digests.sent, report.interrupted) == (0, 2, [])
    assert report.verdicts["8.1"] == {"met": 10, "at_risk": 10}


@pytest.mark.parametrize(("wrong", "code"), [("none", 0), ("config", 2), ("source", 3), ("delivery", 4)])
def test_the_command_line_exits_as_the_run_says(college: SmallCollege, wrong: str, code: int) -> None:
    if wrong == "config":
        college.tables["college"]["ukprm"] = 1
    if wrong == "source":
        (college.folder / "data" / "mis.csv").unlink()
    college.configure()
    arguments = ("sync", "--no-deliver") if wrong == "delivery" else ("sync",)
    process = start_cli(college, *arguments)
    out, err = process.communicate()
    assert process.returncode == code, out + err


def test_snapshots_of_equal_colleges_are_equal_and_of_unequal_ones_are_not(tmp_path: Path) -> None:
    """The helper that other tests trust must see a difference where there is one."""
    one, other = usual_college(tmp_path / "one"), usual_college(tmp_path / "other")
    one.connectors.reverse()  # other numbers, the same records
    one.sync()
    other.sync()
    assert one.snapshot() == other.snapshot()
    other.rows["careers-log"][0]["hours"] = "2"
    other.write("careers-log")
    other.sync()
    with one.open() as left, other.open() as right:
        assert snapshot(left._opened.store)["source_activity"] != snapshot(right._opened.store)["source_activity"]
