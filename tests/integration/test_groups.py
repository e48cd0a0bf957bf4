"""Activities of groups and programmes: they count for those who belonged on the day, and for nobody else.

Each test asks twice: what the night stored, and what `explain` says now. They differ when a night does not notice whom
a change concerns.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from colleges import Row, SmallCollege, activity, play

from fingerpost import Host, Record
from fingerpost._store import schema
from fingerpost._sync.groups import GroupHomes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fingerpost.reports import RunReport

REFS = ("L1", "L2", "L3", "L4", "L5", "L6", "L7")
DAY = "2025-10-06"
TALK = activity("talk", "", "Employer talk", DAY, title="Bakery talk", employer="Bakery") | {
    "tutor_group": "G1", "programme": "", "status": "",
}  # fmt: skip


def member(ref: str, group: str = "G1", start: str = "", end: str = "") -> Row:
    return {"learner_ref": ref, "tutor_group": group, "tutor_email": "", "start_date": start, "end_date": end}


def enrolled(ref: str, code: str = "CAT", start: str = "2025-09-01", end: str = "") -> Row:
    return {"learner_ref": ref, "programme": "Catering", "programme_code": code, "start_date": start,
            "planned_end_date": "2026-07-10", "actual_end_date": end, "programme_type": "Study programme"}  # fmt: skip


def learner(ref: str) -> Row:
    return {"learner_ref": ref, "date_of_birth": "2008-05-17"}


def group_college(folder: Path, members: list[Row], *log: Row, courses: list[Row] | None = None) -> SmallCollege:
    """Return a college of learners who are all on a course, with lists of members and a log in which rows may go."""
    college = SmallCollege(folder)
    college.keep = True
    college.add_csv("mis", "learners", "learners", [learner(ref) for ref in REFS])
    college.add_csv("courses", "programmes", "programmes", courses or [enrolled(ref) for ref in REFS])
    college.add_csv("groups", "assignments", "assignments", members)
    college.add_csv("log", "activities", "careers-log", list(log), mode="snapshot", feeds=["employer_encounter"])
    return college


def change(college: SmallCollege, **files: list[Row]) -> RunReport:
    """Put other rows into the files and run again."""
    for name, rows in files.items():
        header = list(college.rows[name][0])
        college.rows[name] = rows
        college.write(name, header=header)
    report = college.sync(deliver=False)
    assert report.exit_code == 0
    return report


def met(college: SmallCollege) -> set[str]:
    """Return who has met an employer this year, by what is stored and by what is explained, which must agree."""
    return {ref for ref, count in counts(college).items() if count}


def counts(college: SmallCollege) -> dict[str, int]:
    verdict, person = schema.verdict, schema.learner
    found = {}
    with college.open() as opened:
        with opened._opened.store.reading() as connection:
            stored = dict(
                connection.execute(
                    sa.select(person.c.reference, verdict.c.have)
                    .join(person, person.c.id == verdict.c.learner_id)
                    .where(verdict.c.criterion == "5.1", person.c.deleted_run.is_(None))
                ).all()
            )
        for ref in stored:
            (explained,) = [one.have for one in opened.explain(ref).criteria if one.criterion == "5.1"]
            found[ref] = explained
    assert stored == found
    return found


# -- groups ------------------------------------------------------------------------------------------------------


def test_a_talk_for_a_group_counts_for_its_members_on_that_day(tmp_path: Path) -> None:
    members = [
        member("L1"),
        member("L2", start="2025-09-01", end="2026-07-10"),
        member("L3", start=DAY),
        member("L4", end=DAY),
        member("L5", start="2025-10-07"),
        member("L6", end="2025-10-05"),
        member("L7", "G2"),
    ]
    college = group_college(tmp_path, members, TALK)
    assert college.sync().exit_code == 0
    assert met(college) == {"L1", "L2", "L3", "L4"}


@pytest.mark.parametrize(
    "absence",
    [
        pytest.param({"title": "Bakery talk"}, id="same title"),
        pytest.param({"employer": "bakery"}, id="same organisation"),
        pytest.param({"employer": "Bakery", "status": "Cancelled"}, id="cancelled"),
    ],
)
def test_a_talk_for_a_group_does_not_count_for_one_who_was_marked_absent(
    tmp_path: Path, absence: dict[str, str]
) -> None:
    missed = activity("missed", "L2", "Employer talk", DAY, **({"status": "Did not attend"} | absence))
    other_day = activity("other", "L3", "Employer talk", "2025-10-07", status="Did not attend", title="Bakery talk")
    college = group_college(tmp_path, [member(ref) for ref in REFS[:3]], TALK, missed, other_day)
    college.sync()
    assert met(college) == {"L1", "L3"}


def test_a_register_of_absences_may_come_later_in_another_source_and_be_corrected(tmp_path: Path) -> None:
    college = group_college(tmp_path, [member("L1"), member("L2")], TALK | {"event_key": "E7"})
    absent = activity("r1", "L2", "Employer talk", "2025-10-08", status="Absent", event_key="E7")
    elsewhere = activity("r2", "L3", "Employer talk", "2025-10-08", status="Absent", event_key="E8")
    college.add_csv("register", "activities", "careers-log", [elsewhere], mode="snapshot")
    college.sync()
    assert met(college) == {"L1", "L2"}
    change(college, register=[elsewhere, absent])
    assert met(college) == {"L1"}
    with college.open() as opened:
        (explained,) = [one for one in opened.explain("L2").criteria if one.criterion == "5.1"]
    assert ("log:talk", "rejected") in [(item.record, item.outcome) for item in explained.evidence]
    change(college, register=[elsewhere])
    assert met(college) == {"L1", "L2"}


def test_membership_may_arrive_after_the_talk_change_and_end(tmp_path: Path) -> None:
    college = group_college(tmp_path, [member("L1"), member("L7", "G2")], TALK)
    college.sync()
    assert met(college) == {"L1"}
    change(college, groups=[member("L1"), member("L2"), member("L3", start="2025-10-07")])
    assert met(college) == {"L1", "L2"}
    change(college, groups=[member("L1", "G2"), member("L2", end="2025-09-30"), member("L3", start="2025-10-01")])
    assert met(college) == {"L1", "L3"}  # what L1 was part of before moving stays theirs; L2's dates were corrected


def test_a_talk_that_is_moved_changed_or_deleted_is_judged_again_for_all_whom_it_concerns(tmp_path: Path) -> None:
    college = group_college(tmp_path, [member("L1"), member("L2", "G2"), member("L3", start="2025-10-07")], TALK)
    college.sync()
    assert met(college) == {"L1"}
    change(college, log=[TALK | {"tutor_group": "G2"}])
    assert met(college) == {"L2"}
    change(college, log=[TALK | {"date": "2025-10-07"}])
    assert met(college) == {"L1", "L3"}
    change(college, log=[TALK | {"learner_ref": "L5"}])
    assert met(college) == {"L5"}
    change(college, log=[TALK | {"tutor_group": "", "programme": "CAT"}])
    assert met(college) == set(REFS)
    change(college, log=[TALK | {"status": "Cancelled"}])
    assert met(college) == set()
    change(college, log=[TALK])
    assert met(college) == {"L1"}
    change(college, log=[TALK | {"activity_id": "other", "tutor_group": "G3"}])
    assert met(college) == set()


def test_a_member_named_by_two_sources_counts_the_talk_once(tmp_path: Path) -> None:
    college = group_college(tmp_path, [member("L1"), member("L2", " G1 ")], TALK)
    college.add_csv("timetable", "assignments", "assignments", [member("L1"), member("L3")])
    college.sync()
    assert counts(college) == {ref: int(ref in {"L1", "L2", "L3"}) for ref in REFS}


def test_a_talk_recorded_for_the_group_and_for_a_member_elsewhere_counts_once(tmp_path: Path) -> None:
    college = group_college(tmp_path, [member("L1"), member("L2")], TALK)
    own = activity("own", "L1", "Employer talk", DAY, employer="Bakery", title="My favourite talk")
    another = activity("another", "L2", "Employer talk", DAY, employer="Garage")
    college.add_csv("platform", "activities", "careers-log", [own, another], feeds=["employer_encounter"])
    college.sync()
    assert counts(college) == {"L1": 1, "L2": 2} | dict.fromkeys(REFS[2:], 0)


# -- programmes --------------------------------------------------------------------------------------------------


def test_a_talk_for_a_programme_counts_for_those_who_were_on_it_that_day(tmp_path: Path) -> None:
    courses = [
        enrolled("L1"),
        enrolled("L2", start=DAY),
        enrolled("L3", end=DAY),
        enrolled("L4", start="2025-10-07"),
        enrolled("L5", "BUS"),
        enrolled("L6", end="2025-10-05"),
        enrolled("L6", "BUS", start="2025-10-05"),
        enrolled("L7", "BUS"),
    ]
    college = group_college(tmp_path, [member("L7")], TALK | {"tutor_group": "", "programme": "CAT"}, courses=courses)
    college.sync()
    on_that_day = {"L1", "L2"}
    assert met(college) - {"L3"} == on_that_day  # L3 has left since, so that nothing is judged any more
    change(college, courses=[*courses[:-1], enrolled("L7")])
    assert met(college) - {"L3"} == {"L1", "L2", "L7"}
    change(college, courses=[enrolled("L1", "BUS"), *courses[1:]])
    assert met(college) - {"L3"} == {"L1", "L2", "L7"}  # L1 and L7 have moved to another course since
    change(college, log=[TALK | {"tutor_group": "", "programme": "BUS"}])
    assert met(college) == {"L1", "L5", "L6", "L7"}


# -- streams in any order ----------------------------------------------------------------------------------------


def test_activities_memberships_and_enrolments_may_arrive_before_the_learner(tmp_path: Path) -> None:
    own = activity("own", "L9", "Employer talk", "2025-11-10", employer="Garage")
    college = group_college(tmp_path, [member("L1"), member("L9")], TALK, own)
    college.add("courses", enrolled("L9"))
    report = college.sync()
    assert counts(college) == dict.fromkeys(REFS, 0) | {"L1": 1}
    waiting = [message for message in report.messages if "in none of the sources" in message]
    assert [message.split(" refer")[0] for message in waiting] == [
        "courses: 1 programmes", "groups: 1 assignments", "log: 1 activities",
    ]  # fmt: skip
    report = change(college, mis=[*college.rows["mis"], learner("L9")])
    assert counts(college) == dict.fromkeys(REFS, 0) | {"L1": 1, "L9": 2}
    assert not any("in none of the sources" in message for message in report.messages)


def test_a_learner_who_is_gone_and_comes_back_has_their_records_again(tmp_path: Path) -> None:
    college = group_college(tmp_path, [member("L1"), member("L2")], TALK)
    college.sync()
    change(college, mis=[learner(ref) for ref in REFS if ref != "L1"])
    assert met(college) == {"L2"}
    change(college, mis=[learner(ref) for ref in REFS])
    assert met(college) == {"L1", "L2"}


# -- codes belong to a provider and a source ---------------------------------------------------------------------


def test_two_providers_groups_of_one_code_are_two_groups(tmp_path: Path) -> None:
    college = group_college(tmp_path, [member("L1")], TALK)
    college.tables["college"] = {"name": "Example College", "ukprn": 99999999, "former_ukprns": [99999998]}
    college.add_csv("old-mis", "learners", "learners", [learner("M1")], ukprn=99999998)
    college.add_csv("old-courses", "programmes", "programmes", [enrolled("M1")], ukprn=99999998)
    college.add_csv("old-groups", "assignments", "assignments", [member("M1")], ukprn=99999998)
    college.sync()
    assert counts(college) == {"L1": 1, "M1": 0} | dict.fromkeys(REFS[1:], 0)


def disable(college: SmallCollege) -> None:
    college.source("old-log")["enabled"] = False


def take_out(college: SmallCollege) -> None:
    college.connectors.remove(college.source("old-log"))


def break_plugin(college: SmallCollege) -> None:
    entry = EntryPoint("scripted", "a_module_that_is_not_there", "fingerpost")
    college.host = lambda: Host.load(entry_points=[*entry_points(group="fingerpost"), entry])


@pytest.mark.parametrize("stop", [disable, take_out, break_plugin])
def test_what_another_provider_s_source_recorded_stays_its_own_when_the_source_is_gone(
    tmp_path: Path, stop: Callable[[SmallCollege], None]
) -> None:
    college = group_college(tmp_path, [member("L1")], activity("own", "L5"))
    college.keep = False
    college.tables["college"] = {"name": "Example College", "ukprn": 99999999, "former_ukprns": [99999998]}
    college.add_scripted("old-log", play(Record("talk", TALK)), ukprn=99999998)
    college.sync()
    assert met(college) == {"L5"}
    college.scripts.clear()
    stop(college)
    assert met(college) == {"L5"}
    college.amend("mis", "L1", email="ada@example.ac.uk")
    college.sync(deliver=False)
    assert met(college) == {"L5"}


def test_a_source_with_groups_of_its_own_means_these() -> None:
    """An ILP has groups of its own beside those of the timetable: a talk that it records is for its own G1."""
    homes = GroupHomes(dict.fromkeys((1, 2, 3), 99999999), [(1, "G1"), (2, "G1"), (1, "G2")])
    assert [number for number in (1, 2) if homes.means(2, "G1", number)] == [2]
    assert [number for number in (1, 2) if homes.means(3, "G1", number)] == [1, 2]
    assert homes.means(2, "G2", 1)


def test_programmes_of_one_code_at_two_providers_are_two_programmes(tmp_path: Path) -> None:
    talk = TALK | {"tutor_group": "", "programme": "CAT"}
    college = group_college(tmp_path, [member("L1")], talk, courses=[enrolled("L1"), enrolled("L2", "BUS")])
    college.tables["college"] = {"name": "Example College", "ukprn": 99999999, "former_ukprns": [99999998]}
    college.add_csv("old-mis", "learners", "learners", [learner("M1")], ukprn=99999998)
    college.add_csv("old-courses", "programmes", "programmes", [enrolled("M1")], ukprn=99999998)
    college.sync()
    assert met(college) == {"L1"}


def test_the_tutor_of_another_provider_s_group_is_not_this_group_s(tmp_path: Path) -> None:
    head = {"learner_ref": "", "tutor_group": "G1", "start_date": "", "end_date": ""}
    college = group_college(tmp_path, [member("L1"), head | {"tutor_email": "ann@example.ac.uk"}])
    college.tables["college"] = {"name": "Example College", "ukprn": 99999999, "former_ukprns": [99999998]}
    college.add_csv("old-mis", "learners", "learners", [learner("M1")], ukprn=99999998)
    heads = [member("M1"), head | {"tutor_email": "bob@example.ac.uk"}]
    college.add_csv("old-groups", "assignments", "assignments", heads, ukprn=99999998)
    college.sync()
    with college.open() as opened:
        assert opened.explain("99999999:L1").tutors == ("ann@example.ac.uk",)
        assert opened.explain("99999998:M1").tutors == ("bob@example.ac.uk",)


def test_the_heads_of_two_sources_groups_of_one_code_each_hear_of_their_own(tmp_path: Path) -> None:
    """But a list of heads alone, which has no members, is about the groups of its provider's other sources."""
    head = {"learner_ref": "", "tutor_group": "G1", "start_date": "", "end_date": ""}
    ann, bob, cyd = (head | {"tutor_email": f"{name}@example.ac.uk"} for name in ("ann", "bob", "cyd"))
    college = group_college(tmp_path, [member("L1"), ann])
    college.add_csv("ilp", "assignments", "assignments", [member("L2"), bob])
    college.tables["precedence"] = {"tutor": ["ilp"]}
    college.sync()
    with college.open() as opened:
        assert opened.explain("L1").tutors == ("ann@example.ac.uk",)
        assert opened.explain("L2").tutors == ("bob@example.ac.uk",)
    college.add_csv("heads", "assignments", "assignments", [cyd])
    college.tables["precedence"] = {"tutor": ["heads"]}
    college.sync()
    with college.open() as opened:
        assert opened.explain("L1").tutors == opened.explain("L2").tutors == ("cyd@example.ac.uk",)
