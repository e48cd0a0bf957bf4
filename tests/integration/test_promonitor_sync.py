"""Whole nights on the fake ProSolution and ProMonitor, judged by SQL and counting of the test's own."""

from __future__ import annotations

import re
import tracemalloc
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
import sqlalchemy as sa
from colleges import SmallCollege
from databases import fresh_postgres, spelt

from fingerpost import STREAMS, Record
from fingerpost._store import schema
from fingerpost_demo import make_prosuite
from fingerpost_promonitor import PROSUITE, SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fingerpost import Context
    from fingerpost.reports import RunReport

MONDAY_NIGHT = datetime(2026, 3, 2, 2, tzinfo=UTC)
SCREEN = {
    "table": "CareersRecord", "key": "ID", "modified": "LastModifiedDate",
    "columns": {"Type": "Information1", "Date": "Information2", "Hours": "Information3", "Organisation": "Information4",
                "State": "Information6"},
}  # fmt: skip
MAPPED = {
    "Careers interview", "Careers guidance interview", "Mock interview", "Parents' careers evening", "Employer talk",
    "Careers research", "University visit", "Work experience", "Careers action plan", "Employer visit",
    "University open day", "Apprenticeship talk", "Career aspiration",
}  # fmt: skip
"""The types of the fake college that are careers activities."""


@dataclass
class ProSuite:
    """The databases of a fake college."""

    url: str
    engine: sa.Engine

    def table(self, name: str) -> str:
        places = {table.name: str(table.schema) for table in PROSUITE.tables.values()} | {
            "CareersRecord": "learner_information"
        }
        schema_name = SCHEMAS[self.engine.dialect.name][places[name]]
        return f'"{schema_name}"."{name}"' if schema_name else f'"{name}"'

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of a whole table, texts without their padding."""
        names = ", ".join(f'"{column}"' for column in columns)
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT {names} FROM {self.table(table)}")
            return [tuple(cell.strip() if isinstance(cell, str) else cell for cell in row) for row in found]

    def execute(self, statement: str) -> int:
        statement = re.sub(r"\{(\w+)\}", lambda match: self.table(match[1]), statement)
        if self.engine.dialect.name == "postgresql":
            statement = statement.replace("%", "%%")
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(statement).rowcount


@contextmanager
def prosuite(
    kind: str, folder: Path, request: pytest.FixtureRequest, *, learners: int, ilp_rows: int
) -> Iterator[ProSuite]:
    with ExitStack() as stack:
        address, file = "sqlite:///prosuite.db", f"sqlite:///{folder / 'prosuite.db'}"
        if kind == "postgresql":
            address = file = spelt(stack.enter_context(fresh_postgres(request.getfixturevalue("postgres"))))
        engine = sa.create_engine(file)
        stack.callback(engine.dispose)
        make_prosuite(engine, learners=learners, ilp_rows=ilp_rows, seed=3)
        yield ProSuite(address, engine)


def college_of(folder: Path, made: ProSuite, **keys: Any) -> SmallCollege:
    college = SmallCollege(folder, now=MONDAY_NIGHT)
    college.connectors.append(
        {"type": "promonitor", "name": "ilp", "url": made.url, "lookback": 0, "screens": [SCREEN],
         "feeds": ["employer_encounter", "guidance_meeting"], **keys}
    )  # fmt: skip
    return college


def read(report: RunReport) -> dict[str, int]:
    return {one.stream: one.read for one in report.streams}


def stored(college: SmallCollege) -> dict[str, Any]:
    """Return what the store holds: keys for each stream, and the learners."""
    with college.open() as opened, opened._opened.store.reading() as connection:
        found: dict[str, Any] = {
            stream: set(connection.scalars(sa.select(table.c.key).where(table.c.deleted_run.is_(None))))
            for stream, table in schema.SOURCE_TABLES.items()
        }
        live = sa.select(schema.learner.c.identity).where(schema.learner.c.deleted_run.is_(None))
        found["people"] = [identity.partition(":")[2] for identity in connection.scalars(live)]
        linked = sa.select(sa.func.count()).where(schema.source_activity.c.learner_id.is_(None))
        found["unlinked"] = connection.scalar(linked)
        quarantine = schema.quarantine
        found["rejected"] = Counter(
            {row[0]: row[1] for row in connection.execute(
                sa.select(quarantine.c.stream, sa.func.count()).group_by(quarantine.c.stream))}
        )  # fmt: skip
        return found


@dataclass
class Expected:
    """What a correct reading gives, worked out from the plain tables."""

    keys: dict[str, set[str]]
    people: set[str]
    rejected: Counter[str]


def expected(made: ProSuite) -> Expected:
    known = {(ref, year) for ref, year in made.rows("vStudent", "StudentID", "AcademicYearID")}
    details = {
        number: (ref, year, person)
        for number, ref, year, person in made.rows(
            "StudentDetail", "StudentDetailID", "RefNo", "AcademicYearID", "StudentID"
        )
        if (ref, year) in known
    }
    rejected: Counter[str] = Counter()
    keys: dict[str, set[str]] = {"learners": {f"{year}/{ref}" for ref, year, _ in details.values()}}
    enrolments = made.rows("Enrolment", "EnrolmentID", "StudentDetailID", "OfferingID", "StartDate")
    enrolments = [row for row in enrolments if row[1] in details]
    keys["programmes"] = {str(row[0]) for row in enrolments if row[3] is not None}
    rejected["programmes"] = sum(1 for row in enrolments if row[3] is None)
    staff: dict[int, list[int]] = {}
    for offering, one in made.rows("OfferingStaff", "OfferingID", "StaffID"):
        staff.setdefault(offering, []).append(one)
    keys["assignments"] = {
        f"{row[0]}/{one}" for row in enrolments if row[2] is not None for one in staff.get(row[2], [""])
    }
    people = {person for *_, person in details.values()}
    outcomes = made.rows("StudentOutcome", "StudentOutcomeID", "StudentID")
    keys["destinations"] = {str(number) for number, person in outcomes if person in people}
    keys["activities"], rejected["activities"] = activities(made)
    keys["responses"] = set()  # nothing was written back that could be answered
    return Expected(keys, {ref for ref, *_ in details.values()}, +rejected)


def activities(made: ProSuite) -> tuple[set[str], int]:
    dated: set[str] = set()
    undated: set[str] = set()
    meeting_types = dict(made.rows("MeetingType", "MeetingTypeID", "MeetingTypeName"))
    tutorials = dict(made.rows("Tutorial", "TutorialID", "TutorialTypeID"))
    titles = dict(made.rows("ActionPlan_CommentType", "CommentTypeID", "Title"))
    actions = dict(made.rows("ActionPlan_ActionType", "ID", "ActionDescription"))
    for number, action, kind, day, student, meeting in made.rows(
        "ActionPlan", "ActionPlanID", "ActionTypeID", "CommentTypeID", "CommentDate", "PMStudentID", "TutorialID"
    ):
        if titles.get(kind) in MAPPED:
            (undated if day is None else dated).add(f"comment/{number}")
        if actions.get(action) in MAPPED:
            (undated if day is None else dated).add(f"action/{number}")
        if meeting_types.get(tutorials.get(meeting)) in MAPPED:
            (undated if day is None else dated).add(f"meeting/{meeting}/{student}")
    undated -= dated  # a meeting is dated by any of its comments
    for student, badge, value in made.rows("BadgeStudent", "PMStudentID", "BadgeID", "BadgeValueID"):
        if badge == 2 and value is None:
            dated.add(f"badge/{student}/2/")
    for number, kind, day in made.rows("CareersRecord", "ID", "Information1", "Information2"):
        if kind in MAPPED:
            (dated if re.fullmatch(r"\d\d/\d\d/\d{4}", day) else undated).add(f"CareersRecord/{number}")
    return dated, len(undated)


def judge(college: SmallCollege, made: ProSuite) -> None:
    found, wanted = stored(college), expected(made)
    for stream in STREAMS:
        assert found[stream] == wanted.keys[stream], stream
    assert Counter(found["people"]) == Counter(wanted.people)
    assert found["rejected"] == wanted.rejected
    assert found["unlinked"] == 0


def change_one_percent(made: ProSuite) -> dict[str, int]:
    """Change some rows at noon of the Monday; return how many a night should read: of learners, who have none, all."""
    noon = "'2026-03-02 12:00:00'"
    touched = made.execute(f'UPDATE {{StudentDetail}} SET "LastModifiedDate" = {noon}, "Surname" = \'Changed\' '
                           'WHERE "StudentDetailID" % 100 = 7')  # fmt: skip
    made.execute(f'UPDATE {{ActionPlan}} SET "CommentDate" = {noon} WHERE "ActionPlanID" % 100 = 1')
    made.execute(
        f'UPDATE {{CareersRecord}} SET "LastModifiedDate" = {noon}, "Information3" = \'4\' WHERE "ID" % 100 = 1'
    )
    titles = dict(made.rows("ActionPlan_CommentType", "CommentTypeID", "Title"))
    typed = made.rows("ActionPlan", "ActionPlanID", "CommentDate", "CommentTypeID", "ActionTypeID")
    comments = sum(
        2 if titles.get(kind) and action else 1
        for number, day, kind, action in typed
        if day is None or number % 100 == 1
    )
    plans = made.rows("ActionPlan", "ActionPlanID", "CommentDate", "TutorialID", "PMStudentID")
    days: dict[tuple[int, int], list[Any]] = {}
    for number, day, meeting, student in plans:
        if meeting is not None:
            days.setdefault((meeting, student), []).append(number % 100 == 1 if day is not None else None)
    meetings = sum(1 for changed in days.values() if True in changed or set(changed) == {None})
    screens = [
        1 for number, day in made.rows("CareersRecord", "ID", "LastModifiedDate") if day is None or number % 100 == 1
    ]
    known = {(ref, year) for ref, year in made.rows("vStudent", "StudentID", "AcademicYearID")}
    learners = [row for row in made.rows("StudentDetail", "RefNo", "AcademicYearID") if row in known]
    assert touched
    return {"learners": len(learners), "activities": comments + meetings + len(screens)}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_nights(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with prosuite(kind, tmp_path, request, learners=150, ilp_rows=4000) as made:
        college = college_of(tmp_path, made)
        first = college.sync()
        assert {one.state for one in first.streams} == {"complete"}
        judge(college, made)
        before = college.dump()
        with college.open() as opened:
            assert opened.gaps().gaps
        college.later()
        second = college.sync()
        assert college.dump() == before
        assert {(one.new, one.changed, one.deleted) for one in second.streams} == {(0, 0, 0)}


def test_the_third_night_reads_what_changed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with prosuite("sqlite", tmp_path, request, learners=150, ilp_rows=4000) as made:
        college = college_of(tmp_path, made)
        whole = read(college.sync())
        wanted = change_one_percent(made)
        college.later()
        report = college.sync()
        assert {name: read(report)[name] for name in wanted} == wanted
        (learners,) = [one for one in report.streams if one.stream == "learners"]
        assert 0 < learners.changed < learners.unchanged
        assert read(report)["activities"] < whole["activities"] / 20
        judge(college, made)


def test_types_that_are_not_mapped_are_listed_and_not_rejected(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with prosuite("sqlite", tmp_path, request, learners=60, ilp_rows=2000) as made:
        college = college_of(tmp_path, made)
        report = college.sync()
        (activity,) = [one for one in report.streams if one.stream == "activities"]
        with college.open() as opened:
            warning = schema.warning
            with opened._opened.store.reading() as connection:
                listed = set(connection.scalars(sa.select(warning.c.where).where(warning.c.code == "code_passed_over")))
            (checked,) = opened.check_mapping("ilp", stream="activities")
        types = {name for _, name in made.rows("MeetingType", "MeetingTypeID", "MeetingTypeName")}
        types |= {name for _, name in made.rows("ActionPlan_CommentType", "CommentTypeID", "Title") if name}
        types |= {"Attendance", "Behaviour", "Homework"}  # actions, nearly all of which are comments of a type, too
        assert types - MAPPED <= listed
        assert not listed & MAPPED
        assert activity.skipped == checked.skipped > activity.new
        assert {code.value for code in checked.unmatched} == listed
        assert sum(code.rows for code in checked.unmatched) <= checked.skipped


@pytest.mark.parametrize(
    "tutors",
    [{"rule": "group_table", "table": "TutorGroup", "matches": "StaffID", "email_domain": "example.ac.uk"},
     {"rule": "field", "field": "UserDefined1", "email_domain": "example.ac.uk"}, {"email_domain": "example.ac.uk"}],
    ids=["group table", "field", "offering staff"],
)  # fmt: skip
def test_nobody_has_last_year_s_tutor_because_two_years_are_read(
    tutors: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with prosuite("sqlite", tmp_path, request, learners=80, ilp_rows=80) as made:
        college = college_of(tmp_path, made, tutors=tutors, streams=["learners", "programmes", "assignments"])
        made.execute(
            'UPDATE {Enrolment} SET "ActualEndDate" = NULL, "ExpectedEndDate" = \'2027-06-25 00:00:00.000000\''
        )
        college.sync()
        with college.open() as opened:
            people = opened.explain
            told = {
                ref: people(ref)
                for ref in {f"P{number:06}" for number in range(1, 60)} & set(stored(college)["people"])
            }
    assert len(told) > 40
    for one in told.values():
        current = {row["tutor_email"] for row in one.assignments if row["ends_on"] == "2026-07-31"}
        assert {row["ends_on"] for row in one.assignments} <= {"2025-07-31", "2026-07-31"}
        assert {email for email in one.tutors if email != "careers@example.ac.uk"} <= current


def test_a_learner_whom_this_year_lacks_has_left_whatever_last_year_s_enrolment_says(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with prosuite("sqlite", tmp_path, request, learners=80, ilp_rows=80) as made:
        college = college_of(tmp_path, made, streams=["learners", "programmes"])
        goes_on = (
            '"ActualEndDate" = NULL, "CompletionStatusID" = \'1\', "ExpectedEndDate" = \'2027-06-25 00:00:00.000000\''
        )
        made.execute(f"UPDATE {{Enrolment}} SET {goes_on}")
        years: dict[str, set[str]] = {}
        for ref, year in made.rows("vStudent", "StudentID", "AcademicYearID"):
            years.setdefault(ref, set()).add(year)
        college.sync()
        with college.open() as opened:
            listed = {one.key for one in opened.data_quality() if one.code == "missing_from_this_year"}
    gone = {f"24/25/{ref}" for ref, known in years.items() if known == {"24/25"}}
    assert listed
    assert listed <= gone


def test_a_row_that_goes_is_removed_by_the_next_whole_read(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with prosuite("sqlite", tmp_path, request, learners=60, ilp_rows=2000) as made:
        college = college_of(tmp_path, made)
        college.sync()
        gone = made.execute('DELETE FROM {CareersRecord} WHERE "ID" % 10 = 3')
        college.later()
        assert sum(one.deleted for one in college.sync().streams) == 0
        report = college.sync(full=True)
        assert 0 < sum(one.deleted for one in report.streams) <= gone
        judge(college, made)


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_college_of_full_size(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with prosuite(kind, tmp_path, request, learners=12_000, ilp_rows=250_000) as made:
        college = college_of(tmp_path, made)
        college.tables["alerts"]["weekday"] = "friday"  # what is read counts here, and no digest is due
        college.sync(deliver=False)
        judge(college, made)
        wanted = change_one_percent(made)
        college.later()
        report = college.sync(deliver=False)
        assert {name: read(report)[name] for name in wanted} == wanted
        judge(college, made)


@pytest.mark.slow
@pytest.mark.longest
def test_memory_does_not_grow_with_the_database(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    peaks = []
    for number, size in enumerate((20_000, 100_000)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with prosuite("sqlite", folder, request, learners=500, ilp_rows=size) as made:
            with college_of(folder, made).open() as opened:
                instance = opened._opened.source("ilp")
                context = opened._opened.context(instance, opened._opened.mappings["ilp", "activities"])
                tracemalloc.start()
                count = sum(
                    isinstance(one, Record) for one in instance.read("activities", None, cast("Context", context))
                )
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
            assert count > size * 0.8
    assert peaks[1] < peaks[0] * 1.1
