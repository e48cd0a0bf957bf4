"""What has ended stays: memberships of groups, enrolments, and the records of a log whose numbers start again.

Each test lives through nights of a small college of learners on two-year courses, and asks what is stored and what is
explained, which must agree.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from colleges import Row, SmallCollege, activity, play, stream
from nights import KILLED, run_night
from ulns import valid_uln

from fingerpost import Deleted, Record
from fingerpost._store import schema

if TYPE_CHECKING:
    from pathlib import Path

REFS = ("P1", "P2", "P3", "P4")
KINDS = ["employer_encounter", "provider_encounter", "guidance_meeting"]


def learner(ref: str) -> Row:
    return {"learner_ref": ref, "date_of_birth": "2009-01-15"}


def enrolled(ref: str, code: str = "ALV", start: str = "2025-09-03", end: str = "2027-06-25") -> Row:
    return {"learner_ref": ref, "programme": code, "programme_code": code, "start_date": start,
            "planned_end_date": end, "programme_type": "Study programme", "status": "Current"}  # fmt: skip


def member(ref: str, group: str, tutor: str = "ann", start: str = "", end: str = "") -> Row:
    return {"learner_ref": ref, "tutor_group": group, "tutor_email": f"{tutor}@example.ac.uk", "start_date": start,
            "end_date": end}  # fmt: skip


def visit(key: str, group: str, day: str, *, programme: str = "", ref: str = "") -> Row:
    """Return a visit to a college, for a group, a programme or a learner: one of the two kinds that 7.1 asks for."""
    return activity(key, ref, "College visit", day) | {"group": group, "programme": programme}


class Years(SmallCollege):
    """A college of two-year courses whose clock is set to any day."""

    def __init__(
        self, folder: Path, groups: list[Row], *log: Row, courses: list[Row] | None = None, **keys: Any
    ) -> None:
        super().__init__(folder, now=datetime(2026, 3, 2, 4, tzinfo=UTC))
        self.keep = True
        self.tables["college"] |= {"former_ukprns": []}
        self.add_csv("mis", "learners", "learners", [learner(ref) for ref in REFS])
        self.add_csv("courses", "programmes", "programmes", courses or [enrolled(ref) for ref in REFS])
        self.add_csv("groups", "assignments", "assignments", groups, **keys)
        self.add_csv("log", "activities", "careers-log", list(log) or [visit("none", "X", "2025-10-01")], feeds=KINDS)

    def night(self, day: str, **files: list[Row]) -> Any:
        """Sync on a day, after some files were replaced."""
        self.now = datetime.fromisoformat(f"{day}T04:00:00+00:00")
        for name, rows in files.items():
            self.rows[name] = rows
            self.write(name)
        return self.sync(deliver=False)

    def visited(self) -> set[str]:
        """Return who has visited a college, by what is stored and by what is explained."""
        verdict, person = schema.verdict, schema.learner
        with self.open() as college:
            with college._opened.store.reading() as connection:
                select = sa.select(person.c.reference, verdict.c.have).join(person, person.c.id == verdict.c.learner_id)
                where = verdict.c.criterion == "7.1", person.c.deleted_run.is_(None), verdict.c.status != "lapsed"
                stored = dict(connection.execute(select.where(*where)).all())
            for ref, have in stored.items():
                (explained,) = [one.have for one in college.explain(ref).criteria if one.criterion == "7.1"]
                assert explained == have
        return {ref for ref, have in stored.items() if have}

    def memberships(self, ref: str) -> list[tuple[str, str, str | None, int]]:
        with self.open() as college:
            return [(one.group, one.first, one.last, len(one.brought)) for one in college.explain(ref).memberships]


def everybody(group: str, tutor: str = "ann", **dates: str) -> list[Row]:
    return [member(ref, group, tutor, **dates) for ref in REFS]


# -- groups that end, and groups that begin ------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, ["learner_ref"]], ids=["a row goes and another comes", "a row is rewritten"])
@pytest.mark.parametrize("dated", [False, True], ids=["without dates", "with dates"])
def test_what_a_group_brought_stays_when_the_groups_are_made_anew(
    tmp_path: Path, key: list[str] | None, dated: bool
) -> None:
    before, now = ({"start": "2025-09-08"}, {"start": "2026-09-07"}) if dated else ({}, {})
    keys: dict[str, Any] = {} if key is None else {"key": key}
    college = Years(tmp_path, everybody("A1", **before), visit("V1", "A1", "2025-11-04"), **keys)
    college.night("2026-06-29")
    assert college.visited() == set(REFS)
    college.night("2026-09-14", groups=everybody("A2", "di", **now))
    assert college.visited() == set(REFS)
    begins, again = ("2025-09-08", "2026-09-07") if dated else ("2025-08-01", "2026-08-01")
    assert college.memberships("P1") == [("A1", begins, "2026-07-31", 1), ("A2", again, "2027-07-31", 0)]
    assert college.night("2026-09-15").records["assignments"] == 4


@pytest.mark.parametrize("dates", [{}, {"start": "2026-09-07"}], ids=["without dates", "with dates"])
def test_a_code_that_is_used_again_is_another_group(tmp_path: Path, dates: dict[str, str]) -> None:
    college = Years(tmp_path, everybody("B1"), visit("V1", "A1", "2025-11-04"))
    college.night("2026-06-29")
    college.night("2027-01-11", groups=everybody("A1", "bo", **dates))
    assert college.visited() == set()
    college.night("2027-01-12", log=[visit("V1", "A1", "2025-11-04"), visit("V2", "A1", "2026-10-06")])
    assert college.visited() == set(REFS)


def test_two_learners_who_swap_groups_keep_their_own_visits(tmp_path: Path) -> None:
    log = [visit("V1", "A1", "2025-10-07"), visit("V2", "B1", "2026-02-03")]
    college = Years(tmp_path, [member("P1", "A1"), member("P2", "B1")], log[0])
    college.night("2025-11-03")
    assert college.visited() == {"P1"}
    college.night("2026-01-12", groups=[member("P1", "B1"), member("P2", "A1")])
    assert college.visited() == {"P1"}
    college.night("2026-02-09", log=log)
    assert college.memberships("P1") == [("A1", "2025-08-01", "2026-01-12", 1), ("B1", "2026-01-12", "2026-07-31", 1)]
    assert college.memberships("P2") == [("B1", "2025-08-01", "2026-01-12", 0), ("A1", "2026-01-12", "2026-07-31", 0)]


def test_who_enrols_late_was_not_in_the_group_before(tmp_path: Path) -> None:
    courses = [enrolled("P1"), enrolled("P2", start="2026-01-05")]
    college = Years(tmp_path, [member("P1", "A1")], visit("V1", "A1", "2025-10-07"), courses=courses)
    college.night("2025-11-03")
    college.night("2026-01-12", groups=[member("P1", "A1"), member("P2", "A1")])
    assert college.visited() == {"P1"}


@pytest.mark.parametrize("key", [None, ["learner_ref"]], ids=["a row goes and another comes", "a row is rewritten"])
@pytest.mark.parametrize("start", ["", "2026-01-19"], ids=["without dates", "dated by the tutor's first day"])
def test_a_new_tutor_restarts_nothing(tmp_path: Path, key: list[str] | None, start: str) -> None:
    log = [visit("V1", "A1", "2025-10-07"), visit("V2", "A1", "2026-01-14")]
    keys: dict[str, Any] = {} if key is None else {"key": key}
    college = Years(tmp_path, everybody("A1"), *log, **keys)
    college.night("2025-11-03")
    college.night("2026-01-12", groups=everybody("A1", "di", start=start))
    assert college.visited() == set(REFS)
    live = [one for one in college.memberships("P1") if one[2] == "2026-07-31"]
    assert live == [("A1", "2025-08-01", "2026-07-31", 2)]


def test_an_export_that_lacks_a_row_for_a_night_changes_nothing(tmp_path: Path) -> None:
    college = Years(tmp_path, everybody("A1"), visit("V1", "A1", "2025-10-07"), visit("V2", "A1", "2026-01-20"))
    college.night("2025-11-03")
    college.night("2026-01-12", groups=everybody("A1")[1:])
    college.night("2026-02-02", groups=everybody("A1"))
    assert college.memberships("P1") == [("A1", "2025-08-01", "2026-07-31", 2)]


def test_what_goes_before_it_began_was_never_so(tmp_path: Path) -> None:
    college = Years(tmp_path, [member("P1", "A1"), member("P2", "A1", start="2026-04-13")])
    college.night("2026-03-02")
    college.night("2026-03-09", groups=[member("P1", "A1")])
    assert college.memberships("P2") == []


@pytest.mark.parametrize("mistake", [False, True])
def test_a_record_that_is_deleted_as_a_mistake_was_never_so(tmp_path: Path, mistake: bool) -> None:
    college = Years(tmp_path, [member("P2", "B1")], visit("V1", "A1", "2025-10-07"))
    row = member("P1", "A1")
    keys = {"stream": "assignments", "mapping": "assignments", "mode": "append"}
    college.add_scripted("ilp", play(Record("1", row)), **keys)
    college.night("2025-11-03")
    assert college.visited() == {"P1"}
    college.scripts["ilp"] = play(Deleted("1", mistake=mistake))
    college.night("2025-12-01")
    assert college.visited() == (set() if mistake else {"P1"})


KEYS = [None, ["learner_ref"], ["learner_ref", "tutor_group"]]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_learner_who_moved_gets_nothing_of_the_time_before_when_the_tutor_changes(
    tmp_path: Path, key: list[str] | None
) -> None:
    keys: dict[str, Any] = {} if key is None else {"key": key}
    college = Years(tmp_path, [member("P1", "A1"), member("P2", "B1")], visit("V1", "B1", "2025-11-04"), **keys)
    college.night("2025-12-01")
    college.night("2026-02-02", groups=[member("P1", "B1"), member("P2", "B1")])
    college.night("2026-03-16", groups=[member("P1", "B1", "cy"), member("P2", "B1", "cy")])
    assert college.visited() == {"P2"}
    college.night("2026-04-13", groups=[member("P1", "B1", "cy", end="2026-07-10"), member("P2", "B1", "cy")])
    assert college.visited() == {"P2"}


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_who_was_away_in_another_group_gets_nothing_of_that_time(tmp_path: Path, key: list[str] | None) -> None:
    keys: dict[str, Any] = {} if key is None else {"key": key}
    college = Years(tmp_path, [member("P1", "A1"), member("P2", "A1")], visit("V1", "A1", "2026-01-14"), **keys)
    college.night("2025-11-03")
    college.night("2025-12-01", groups=[member("P1", "B1"), member("P2", "A1")])
    college.night("2026-02-02", groups=[member("P1", "A1"), member("P2", "A1")])
    assert college.visited() == {"P2"}


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_later_edit_does_not_restart_what_a_new_tutor_did_not(tmp_path: Path, key: list[str] | None) -> None:
    keys: dict[str, Any] = {} if key is None else {"key": key}
    college = Years(tmp_path, everybody("A1", start="2025-09-08"), visit("V1", "A1", "2025-11-04"), **keys)
    college.night("2025-12-01")
    college.night("2026-01-26", groups=everybody("A1", "di", start="2026-01-19"))
    college.night("2026-03-02", groups=everybody("A1", "di", start="2026-01-19", end="2026-07-10"))
    assert college.visited() == set(REFS)


def test_who_moves_into_last_year_s_group_begins_there_on_that_day(tmp_path: Path) -> None:
    college = Years(tmp_path, [member("P1", "B1"), member("P2", "B1")])
    college.night("2026-06-29")
    this_year = [member("P1", "A1"), member("P2", "B1", "di"), member("P3", "B1", "di")]
    college.night("2026-09-07", groups=this_year, log=[visit("V1", "B1", "2026-09-15")])
    college.night("2026-11-16", groups=[member("P1", "B1"), *this_year[1:]])
    assert college.visited() == {"P2", "P3"}


# -- the turn of the year ------------------------------------------------------------------------------------------


def test_last_year_s_list_is_not_this_year_s(tmp_path: Path) -> None:
    """A visit of this September's A1 is for whom this year's list names, once there is one."""
    log = [visit("V1", "A1", "2026-09-03")]
    college = Years(tmp_path, [member("P1", "A1"), member("P2", "A1"), member("P3", "B1")])
    college.night("2026-06-29")
    college.night("2026-09-07", log=log, groups=college.rows["groups"])
    assert college.visited() == set()
    with college.open() as opened:
        report = opened.year()
        assert [(one.connector, one.year, one.new) for one in report.lists] == [("groups", "2025/26", 0)]
        assert report.todo[0].startswith(
            "groups is still the list of 2025/26: export the tutors and groups of 2026/27."
        )
        assert any("is still the list of 2025/26" in sentence for sentence in opened.status().todo)
    college.night("2026-09-14", groups=[member("P1", "A2"), member("P2", "A2"), member("P4", "A1")])
    assert college.visited() == {"P4"}
    with college.open() as opened:
        assert [(one.year, one.new) for one in opened.year().lists] == [("2026/27", 3)]


def test_a_group_that_goes_on_under_its_code_is_this_year_s_too(tmp_path: Path) -> None:
    college = Years(tmp_path, [member("P1", "A"), member("P2", "A"), member("P3", "B")])
    college.night("2026-06-29")
    stays = [member("P1", "A"), member("P2", "A"), member("P4", "A")]
    college.night("2026-09-14", groups=stays, log=[visit("V1", "A", "2026-09-21")])
    college.night("2026-09-28")
    assert college.visited() == {"P1", "P2", "P4"}


def test_a_list_of_which_nothing_is_new_is_this_year_s_by_november(tmp_path: Path) -> None:
    college = Years(tmp_path, everybody("A"), visit("V1", "A", "2026-09-21"))
    college.night("2026-06-29")
    college.night("2026-10-26", groups=everybody("A"))
    assert college.visited() == set()
    college.night("2026-11-02", groups=[*everybody("A"), member("P1", "CLUB")])
    assert college.visited() == set(REFS)


def test_a_list_that_keeps_former_years_is_this_year_s_when_its_rows_of_this_year_are(tmp_path: Path) -> None:
    before = [member(ref, f"A{number}", start="2025-09-08", end="2026-07-10") for ref in REFS for number in range(9)]
    college = Years(tmp_path, before)
    college.night("2026-06-29")
    now = everybody("A2X", start="2026-09-07")
    college.night("2026-09-14", groups=[*before, *now], log=[visit("V1", "A2X", "2026-09-10")])
    assert college.visited() == set(REFS)
    college.night("2026-10-12", groups=[*before, *now[1:]])
    assert college.visited() == set(REFS)


def test_the_heads_of_this_year_s_groups_hear_nothing_of_last_year_s(tmp_path: Path) -> None:
    head = {"learner_ref": "", "tutor_group": "A1", "start_date": "", "end_date": ""}
    college = Years(tmp_path, [member("P1", "A1") | {"tutor_email": ""}])
    college.add_csv("heads", "assignments", "assignments", [head | {"tutor_email": "ann@example.ac.uk"}])
    college.night("2026-06-29")
    college.night("2026-09-07", heads=[head | {"tutor_email": "bo@example.ac.uk"}])
    with college.open() as opened:
        assert opened.explain("P1").tutors == ("careers@example.ac.uk",)
    college.night(
        "2026-09-14", groups=[member("P1", "A1X") | {"tutor_email": ""}, member("P2", "A1") | {"tutor_email": ""}]
    )
    with college.open() as opened:
        assert opened.explain("P2").tutors == ("bo@example.ac.uk",)


def test_a_run_that_is_killed_after_the_list_dates_nothing_anew(tmp_path: Path) -> None:
    college = Years(tmp_path, [], visit("V1", "A2", "2026-09-08"))
    refs = many_learners(college)
    college.night("2026-06-29", groups=[member(ref, "A1") for ref in refs])
    college.keep = False
    college.now = datetime(2026, 9, 14, 4, tzinfo=UTC)
    college.put("groups", [member(ref, "A2", "di") for ref in refs])
    college.configure()
    assert run_night(college.folder, college.now, ("stream_committed", 3)) == KILLED
    college.sync()
    assert college.visited() == set(refs)


def many_learners(college: Years) -> list[str]:
    """Let seven learners be in the college, so that a list that is replaced is held."""
    refs = [f"P{number}" for number in range(1, 8)]
    college.put("mis", [learner(ref) for ref in refs])
    college.put("courses", [enrolled(ref) for ref in refs])
    return refs


def test_while_a_removal_is_held_only_the_newest_list_addresses_anybody(tmp_path: Path) -> None:
    college = Years(tmp_path, [], visit("V1", "A1", "2025-11-04"))
    refs = many_learners(college)
    college.night("2026-06-29", groups=[member(ref, "A1") for ref in refs])
    this_year = [member(ref, "A2", "di") for ref in refs[:6]]
    assert college.night("2026-09-07", groups=this_year).exit_code == 3
    with college.open() as opened:
        assert opened.explain("P1").tutors == ("di@example.ac.uk",)
        assert opened.explain("P7").tutors == ("careers@example.ac.uk",)  # this year's list says nothing of P7
        (held,) = opened.held_sweeps()
        assert (held.rows, held.of, held.ending) == (7, 13, {"2025/26": 7})
        effect = opened.preview_sweep()
        assert (effect.learners_gone, effect.changes) == (0, ())
        assert [one.held for one in opened.year().lists] == [7]
        opened.confirm_sweep()
    assert college.visited() == set(refs)
    college.night("2026-12-07")
    assert college.visited() == set(refs)
    assert college.memberships("P1") == [("A1", "2025-08-01", "2026-07-31", 1), ("A2", "2026-08-01", "2027-07-31", 0)]


def test_a_list_that_came_in_part_takes_nobody_their_tutor(tmp_path: Path) -> None:
    college = Years(tmp_path, [])
    refs = many_learners(college)
    college.night("2026-01-12", groups=[member(ref, "A1") for ref in refs])
    assert college.night("2026-02-02", groups=[member("P1", "B1", "di")]).exit_code == 3
    with college.open() as opened:
        assert opened.explain("P1").tutors == ("di@example.ac.uk",)
        assert opened.explain("P7").tutors == ("ann@example.ac.uk",)


def test_while_a_removal_is_held_nobody_inherits_what_a_reused_code_does_now(tmp_path: Path) -> None:
    college = Years(tmp_path, [])
    refs = many_learners(college)
    college.night("2026-06-29", groups=[member(ref, "A1", start="2025-09-08") for ref in refs])
    this_year = [member(ref, "A2", "di", "2026-09-07") for ref in refs]
    assert college.night("2026-09-14", groups=this_year, log=[visit("V1", "A1", "2026-09-10")]).exit_code == 3
    assert college.visited() == set()
    with college.open() as opened:
        assert opened.preview_sweep().changes == ()


@pytest.mark.parametrize("key", [None, ["learner_ref"], ["learner_ref", "tutor_group"]], ids=str)
def test_a_list_that_names_each_year_s_first_day_takes_no_year_back(tmp_path: Path, key: list[str] | None) -> None:
    keys: dict[str, Any] = {} if key is None else {"key": key}
    college = Years(tmp_path, everybody("A1", start="2025-09-08"), visit("V1", "A1", "2025-11-04"), **keys)
    college.night("2026-06-29")
    assert college.visited() == set(REFS)
    college.night("2026-09-14", groups=everybody("A1", start="2026-09-07"))
    assert college.visited() == set(REFS)


def test_the_preview_of_a_removal_says_which_verdicts_would_change_and_keeps_nothing(tmp_path: Path) -> None:
    college = Years(tmp_path, [])
    refs = many_learners(college)
    log = [visit(f"V{ref}", "", "2025-11-04", ref=ref) for ref in refs]
    college.source("log")["mode"] = "snapshot"
    college.night("2026-03-02", log=log)
    college.night("2026-03-09", log=log[:1], mis=[learner(ref) for ref in refs[:1]])
    with college.open() as opened:
        before = college.snapshot()
        effect = opened.preview_sweep(only=["log"])
        assert college.snapshot() == before
        assert effect.learners_gone == 0
        assert {(one.criterion, one.learners) for one in effect.changes} <= {("7.1", 6)}
        assert opened.preview_sweep().learners_gone == 6
    assert college.visited() == set(refs)


# -- enrolments ----------------------------------------------------------------------------------------------------


def test_an_export_of_this_year_s_enrolments_does_not_shorten_a_stay(tmp_path: Path) -> None:
    last = [enrolled(ref, "BTC1", "2025-09-03", "2026-06-26") for ref in REFS]
    college = Years(tmp_path, [], visit("V1", "", "2025-11-04", ref="P1"), courses=last)
    college.night("2026-06-22")
    college.night("2026-09-07", courses=[enrolled(ref, "BTC2", "2026-09-02") for ref in REFS])
    assert college.visited() == {"P1"}
    with college.open() as opened:
        (verdict,) = [one for one in opened.explain("P1").criteria if one.criterion == "7.1"]
    assert verdict.period == "programme:2025/26"


def test_who_was_to_finish_in_august_and_did_is_not_awaited_in_september(tmp_path: Path) -> None:
    college = Years(tmp_path, everybody("A1"), courses=[enrolled(ref, end="2026-08-21") for ref in REFS])
    college.night("2026-06-29")
    college.night("2026-09-14", courses=[enrolled("P1")])
    with college.open() as opened:
        assert opened.year().awaited == 0


@pytest.mark.parametrize("key", [None, ["learner_ref"]], ids=["a row goes and another comes", "a row is rewritten"])
def test_what_a_programme_brought_stays_after_a_transfer(tmp_path: Path, key: list[str] | None) -> None:
    log = [visit("V1", "", "2025-10-07", programme="CAT"), visit("V2", "", "2025-10-08", programme="BUS")]
    college = Years(tmp_path, [], *log, courses=[enrolled(ref, "CAT") for ref in REFS[:2]])
    if key is not None:
        college.source("courses")["key"] = key
    college.night("2025-11-03")
    moved = [enrolled("P1", "BUS", "2025-11-17"), enrolled("P2", "CAT")]
    college.night("2025-12-01", courses=moved)
    assert college.visited() == {"P1", "P2"}
    with college.open() as opened:
        brought = {item.record for one in opened.explain("P1").criteria for item in one.evidence}
    assert brought == {"log:V1"}


def test_a_learner_whose_enrolment_has_gone_has_left_and_is_awaited_if_it_was_to_go_on(tmp_path: Path) -> None:
    college = Years(tmp_path, [], visit("V1", "", "2025-11-04", ref="P1"))
    college.night("2026-06-22")
    college.night("2026-09-07", courses=[enrolled(ref) for ref in REFS[1:]])
    college.night("2026-09-08")
    with college.open() as opened:
        (verdict,) = [one for one in opened.explain("P1").criteria if one.criterion == "7.1"]
        assert (verdict.status, verdict.period) == ("not_applicable", "programme:2025/26")
        assert (opened.year().enrolled, opened.year().awaited) == (3, 1)
    college.night("2026-09-14", courses=[enrolled(ref) for ref in REFS])
    assert college.visited() == {"P1"}
    with college.open() as opened:
        assert (opened.year().enrolled, opened.year().awaited) == (4, 0)


# -- logs whose numbers start again --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(visit("1", "", "2026-10-06", ref="P2"), id="another learner"),
        pytest.param(visit("1", "A2", "2026-10-06"), id="a group"),
        pytest.param(activity("1", "P1", "Employer talk", "2026-10-06", employer="Bakery"), id="another event"),
        pytest.param(visit("1", "", "2026-10-06", ref="P1"), id="the same sort of event"),
    ],
)
def test_a_number_that_is_used_again_overwrites_nothing(tmp_path: Path, now: Row) -> None:
    college = Years(tmp_path, [member("P3", "A2")], visit("1", "", "2025-11-04", ref="P1"))
    college.night("2026-06-22")
    report = college.night("2026-10-12", log=[now | {"group": now.get("group", ""), "programme": ""}])
    assert "P1" in college.visited()
    assert report.records["activities"] == 2
    with college.open() as opened:
        assert [one.key for one in opened.data_quality() if one.code == "key_reused"] == ["1"]
    assert stream(college.night("2026-10-13"), "log").changed == 0


def test_an_event_key_that_is_used_again_next_year_is_another_event(tmp_path: Path) -> None:
    before, now = (
        activity(key, "P1", "Employer talk", day, employer=employer) | {"event_key": "A1-0001"}
        for key, day, employer in (("V1", "2025-11-04", "Bakery"), ("V2", "2026-11-03", "Garage"))
    )
    college = Years(tmp_path, everybody("A1"), before)
    college.night("2026-06-29")
    college.night("2026-12-07", log=[now])
    with college.open() as opened:
        (this_year,) = [one for one in opened.explain("P1").criteria if one.criterion == "5.1"]
    assert (this_year.period, this_year.have) == ("2026/27", 1)


@pytest.mark.parametrize(
    ("corrected", "visited"),
    [
        pytest.param(visit("1", "", "2025-11-04", ref="P2"), {"P2"}, id="the learner"),
        pytest.param(visit("1", "", "2025-11-05", ref="P1"), {"P1"}, id="the day"),
        pytest.param(visit("1", "", "2024-11-04", ref="P1"), set(), id="the year"),
        pytest.param(visit("1", "", "2024-12-02", ref="P1"), set(), id="the year and the day"),
    ],
)
def test_a_correction_is_a_correction(tmp_path: Path, corrected: Row, visited: set[str]) -> None:
    college = Years(tmp_path, [], visit("1", "", "2025-11-04", ref="P1"))
    college.night("2026-03-02")
    report = college.night("2026-03-09", log=[corrected])
    assert college.visited() == visited
    assert report.records["activities"] == 1


# -- both databases ------------------------------------------------------------------------------------------------


def test_every_database_keeps_the_same_history(tmp_path: Path, store_address: Path | str) -> None:
    college = Years(tmp_path, [], visit("1", "A1", "2025-11-04"))
    college.tables["store"] = {"url" if isinstance(store_address, str) else "path": str(store_address)}
    refs = many_learners(college)
    college.night("2026-01-12", groups=[member(ref, "A1") for ref in refs])
    moved = [member("P1", "B1"), *(member(ref, "A1", "di") for ref in refs[1:])]
    college.night("2026-02-02", groups=moved)
    assert college.night("2026-09-07", groups=[member(ref, "A2") for ref in refs]).exit_code == 3
    with college.open() as opened:
        assert [one.ending for one in opened.held_sweeps()] == [{"2025/26": 14}]
        assert opened.preview_sweep().changes == ()
        assert opened.year().lists[0].year == "2026/27"
        opened.confirm_sweep()
    college.night("2026-09-08", log=[visit("1", "A2", "2026-09-07")])
    assert college.visited() == set(refs)
    assert college.memberships("P1") == [
        ("A1", "2025-08-01", "2026-02-02", 1), ("B1", "2026-02-02", "2026-07-31", 0),
        ("A2", "2026-08-01", "2027-07-31", 1),
    ]  # fmt: skip
    assert college.memberships("P2")[0] == ("A1", "2025-08-01", "2026-02-02", 1)
    before = college.snapshot()
    college.night("2026-09-09")
    assert college.snapshot() == before


# -- a reference that somebody else has now ------------------------------------------------------------------------


def test_who_has_a_leaver_s_reference_is_in_the_group_that_lists_it_again(tmp_path: Path) -> None:
    def person(number: int, name: str, born: str) -> Row:
        return {"learner_ref": "P3", "uln": valid_uln(number), "family_name": name, "date_of_birth": born}

    college = Years(tmp_path, [member("P2", "G"), member("P3", "G")], courses=[enrolled("P2"), enrolled("P3")])
    college.night("2026-04-13", mis=[learner("P2") | person(20, "Two", "2009-08-19") | {"learner_ref": "P2"},
                                     person(30, "Three", "2008-04-07")])  # fmt: skip
    college.night("2026-05-04", groups=[member("P2", "G")])
    heir = [college.rows["mis"][0], person(1030, "Heir", "2008-03-14")]
    college.night("2026-06-08", mis=heir, groups=[member("P2", "G"), member("P3", "G")],
                  courses=[enrolled("P2"), enrolled("P3", start="2026-06-08")])  # fmt: skip
    with college.open() as opened:
        assert opened.explain("P3").tutors == ("ann@example.ac.uk",)
