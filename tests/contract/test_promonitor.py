"""The ProMonitor connector, through its hooks: what it reads, what it refuses, and every statement that it issues."""

from __future__ import annotations

import importlib.util
import os
import re
import sqlite3
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import contexts
import pytest
import sqlalchemy as sa
from databases import execute, fresh_postgres, rows, spelt
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy.dialects import mssql

from fingerpost import STREAMS, AuthError, ConfigError, Record, SourceUnavailable, mark_item
from fingerpost._mapping.compiler import compile_mapping
from fingerpost._mapping.document import MappingLibrary
from fingerpost._record.kinds import load_kinds
from fingerpost_demo import make_prosuite
from fingerpost_promonitor import PromonitorConfig, PromonitorSource
from fingerpost_promonitor._catalogue import Catalogue
from fingerpost_promonitor._config import Procedure
from fingerpost_promonitor._database import Database
from fingerpost_promonitor._faults import fault
from fingerpost_promonitor._procedures import own_statement
from fingerpost_promonitor._queries import activity_queries, known_learners, page_tokens, query_for
from fingerpost_promonitor._rights import rights
from fingerpost_promonitor._select import checked_select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fingerpost import Context, Cursor, Finding
    from fingerpost_promonitor._query import Query

SCREEN = {
    "table": "CareersRecord",
    "key": "ID",
    "modified": "LastModifiedDate",
    "columns": {"Type": "Information1", "Date": "Information2", "Hours": "Information3"},
}
USUAL = tuple(stream for stream in STREAMS if stream != "responses")
ANSWERS = {"acknowledged": ["Seen by tutor"], "snoozed": [" not NOW "]}


class HostContext(contexts.HostContext):
    """What the host hands to a source; it knows no column twice."""

    def header(self, columns: Sequence[str], *, where: str) -> None:
        assert len(set(columns)) == len(columns)


class College:
    """A database of the fake college and the connector that reads it."""

    def __init__(self, folder: Path, url: str = "sqlite:///prosuite.db", **config: Any) -> None:
        self.folder = folder
        self.now = datetime(2026, 3, 2, 2, tzinfo=UTC)
        self.source = PromonitorSource(configured(url=url, **config))

    def context(self, stream: str, columns: frozenset[str] | None = None) -> HostContext:
        return HostContext(self.folder, shipped_columns(stream) if columns is None else columns, now=self.now)

    def read(self, stream: str, *columns: str, cursor: Cursor | None = None) -> list[Record]:
        context = self.context(stream, frozenset(columns) or None)
        hook = getattr(self.source, f"read_{stream}")
        messages = list(hook(cursor, cast("Context", context)))
        self.warnings = [(code, field) for code, _, field, _ in context.warnings]
        return [message for message in messages if isinstance(message, Record)]

    def check(self, *columns: str) -> list[Finding]:
        context = self.context("learners", frozenset(columns) or None)
        return list(self.source.check(cast("Context", context)))


def configured(**config: Any) -> PromonitorConfig:
    return PromonitorConfig(**{"type": "promonitor", "name": "ilp", "url": "sqlite:///prosuite.db", **config})


def shipped_columns(stream: str) -> frozenset[str]:
    folder = Path(__file__).parents[2] / "mappings" / "fingerpost_mappings" / "sources"
    document = MappingLibrary([folder / f"promonitor-{stream}.toml"]).load(f"promonitor-{stream}", folder)
    return compile_mapping(
        document, converters={}, kinds=load_kinds(), timezone=ZoneInfo("Europe/London")
    ).columns  # fmt: skip


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one fake college; nobody may change it."""
    folder = tmp_path_factory.mktemp("prosuite")
    make_prosuite(at(folder), learners=120, ilp_rows=2400, seed=7)
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Make a fake college that a test may change."""
    make_prosuite(at(tmp_path), learners=40, ilp_rows=600, seed=8)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of a fake college on each database."""
    if request.param == "sqlite":
        make_prosuite(at(tmp_path), learners=60, ilp_rows=900)
        yield "sqlite:///prosuite.db"
        return
    with fresh_postgres(request.getfixturevalue("postgres")) as url:
        make_prosuite(spelt(url), learners=60, ilp_rows=900)
        yield spelt(url)


def at(folder: Path) -> str:
    """Return the address of the fake college in a folder."""
    return f"sqlite:///{folder / 'prosuite.db'}"


# -- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", USUAL)
def test_both_databases_give_the_same_records(stream: str, tmp_path: Path, postgres: str) -> None:
    make_prosuite(at(tmp_path), learners=60, ilp_rows=900)
    here = College(tmp_path, screens=[SCREEN]).read(stream)
    with fresh_postgres(postgres) as url:
        address = spelt(url)
        make_prosuite(address, learners=60, ilp_rows=900)
        there = College(tmp_path, address, screens=[SCREEN]).read(stream)
    assert here
    assert sorted(here, key=lambda one: one.key) == sorted(there, key=lambda one: one.key)


def test_a_learner_has_a_record_for_each_year(made: Path) -> None:
    records = College(made).read("learners")
    expected = rows(
        at(made),
        "SELECT trim(s.AcademicYearID), trim(s.RefNo) FROM StudentDetail s WHERE EXISTS (SELECT 1 FROM vStudent v "
        "WHERE trim(v.StudentID) = trim(s.RefNo) AND trim(v.AcademicYearID) = trim(s.AcademicYearID))",
    )
    assert Counter(record.key for record in records) == Counter(f"{year}/{ref}" for year, ref in expected)
    assert all(record.key == f"{record.part}/{record.data['RefNo']}" for record in records)


def test_no_padding_is_left(made: Path) -> None:
    for stream in USUAL:
        for record in College(made, screens=[SCREEN]).read(stream):
            assert all(value == value.strip() for value in record.data.values())


def test_everybody_in_prosolution_can_be_read(made: Path) -> None:
    everybody = College(made, learners="prosolution").read("learners")
    assert len(everybody) == rows(at(made), "SELECT count(*) FROM StudentDetail")[0][0]
    assert len(everybody) > len(College(made).read("learners"))


def test_two_databases_can_be_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_prosuite(f"sqlite:///{tmp_path / name}.db", learners=20, ilp_rows=200)
    execute(f"sqlite:///{tmp_path / 'one.db'}", "DROP TABLE StudentDetail")
    college = College(tmp_path, "sqlite:///one.db", prosolution_url="sqlite:///two.db")
    assert college.read("learners")
    assert college.read("activities")


def test_one_learner_with_three_enrolments_has_three_programmes(made: Path) -> None:
    enrolled = Counter((record.part, record.data["RefNo"]) for record in College(made).read("programmes"))
    expected = rows(
        at(made),
        "SELECT trim(s.AcademicYearID), trim(s.RefNo), count(*) FROM Enrolment e JOIN StudentDetail s USING "
        "(StudentDetailID) WHERE EXISTS (SELECT 1 FROM vStudent v WHERE v.PMStudentID = s.StudentDetailID + 100000) "
        "GROUP BY 1, 2",
    )
    assert enrolled == {(year, ref): count for year, ref, count in expected}
    assert 3 in enrolled.values()


def test_only_the_years_asked_for_are_read(made: Path) -> None:
    assert {record.part for record in College(made, academic_years=["24/25"]).read("learners")} == {"24/25"}
    assert {record.part for record in College(made).read("learners")} == {"24/25", "25/26"}


def test_a_meeting_with_several_comments_is_one_activity(made: Path) -> None:
    records = [one for one in College(made).read("activities") if one.data["Type"] and one.key.startswith("meeting/")]
    expected = rows(
        at(made),
        "SELECT DISTINCT a.TutorialID, a.PMStudentID FROM ActionPlan a JOIN Tutorial t USING (TutorialID) "
        "WHERE t.TutorialTypeID IS NOT NULL",
    )
    assert Counter(record.key for record in records) == Counter(f"meeting/{one}/{two}" for one, two in expected)
    assert all(record.data["EventKey"].startswith("meeting ") for record in records)


def test_a_page_never_loses_or_doubles_a_row(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {stream: College(made, screens=[SCREEN]).read(stream) for stream in USUAL}
    for size in (2, 17):
        monkeypatch.setattr("fingerpost_promonitor._reading.PAGE", size)
        for stream in USUAL:
            assert College(made, screens=[SCREEN]).read(stream) == whole[stream]


def test_free_text_is_read_only_where_it_is_named(made: Path) -> None:
    told = str([one.data for one in College(made, screens=[SCREEN]).read("activities")])
    assert "private" not in told
    named = College(made, activities=["comments"]).read("activities", "RefNo", "Type", "Comment")
    assert "private" in str([one.data for one in named])


def test_what_we_wrote_ourselves_is_not_read(own: Path) -> None:
    ours = mark_item("4XATZ8SV", "1 of 2 meetings with employers")
    execute(at(own), f"UPDATE ActionPlan SET Comment = 'Look: {ours}' WHERE ActionPlanID % 3 = 0")
    execute(at(own), "UPDATE ActionPlan SET Comment = NULL WHERE ActionPlanID % 3 = 1")
    for config in ({}, {"marker_column": "Comment"}):
        keys = {one.key for one in College(own, activities=["comments"], **config).read("activities")}
        assert {int(key.partition("/")[2]) % 3 for key in keys} == {1, 2}


def test_a_table_without_the_usual_column_of_texts_is_read_as_it_is(own: Path) -> None:
    before = College(own).read("activities")
    execute(at(own), "ALTER TABLE ActionPlan RENAME COLUMN Comment TO Notes")
    assert College(own).read("activities") == before
    assert College(own, marker_column="Notes").read("activities") == before
    with pytest.raises(ConfigError, match="marker_column names the column Comment"):
        College(own, marker_column="Comment").read("activities")


def test_a_comment_that_is_an_action_may_be_known_by_either_type(own: Path) -> None:
    execute(
        at(own),
        "DELETE FROM ActionPlan WHERE ActionPlanID > 6",
        "UPDATE ActionPlan SET TutorialID = NULL, CommentTypeID = 1, ActionTypeID = 3",  # General, Careers action plan
        "UPDATE ActionPlan SET CommentTypeID = NULL WHERE ActionPlanID = 2",
        "UPDATE ActionPlan SET ActionTypeID = NULL WHERE ActionPlanID = 3",
        "UPDATE ActionPlan SET CommentTypeID = 2 WHERE ActionPlanID = 4",
        "UPDATE ActionPlan_CommentType SET Title = '   ' WHERE CommentTypeID = 2",
        "UPDATE ActionPlan SET CommentTypeID = NULL, ActionTypeID = NULL WHERE ActionPlanID = 5",
        "UPDATE ActionPlan SET TutorialID = 7 WHERE ActionPlanID = 6",
    )
    records = College(own, activities=["comments"]).read("activities", "RefNo", "Type", "EventKey", "Source")
    assert [(one.key, one.data["Source"], one.data["Type"], one.data["EventKey"]) for one in records] == [
        ("comment/1", "comment", "General", "comment 1"),
        ("action/1", "action", "Careers action plan", "comment 1"),
        ("action/2", "action", "Careers action plan", "comment 2"),
        ("comment/3", "comment", "General", "comment 3"),
        ("action/4", "action", "Careers action plan", "comment 4"),
        ("comment/5", "comment", "", "comment 5"),
        ("comment/6", "comment", "General", "meeting 7"),
        ("action/6", "action", "Careers action plan", "meeting 7"),
    ]
    # A mapping that reads the two types by their own names gets one record of each row.
    plain = College(own, activities=["comments"]).read("activities", "RefNo", "CommentType", "ActionType")
    assert [one.key for one in plain] == [f"comment/{number}" for number in range(1, 7)]


def test_a_learner_has_the_smallest_token_of_the_year(own: Path) -> None:
    execute(at(own), "DELETE FROM StudentCodeMapping WHERE trim(StudentID) = 'P000003'")
    found = {one.key: one.data["PageToken"] for one in College(own).read("learners")}
    tokens = rows(
        at(own),
        "SELECT trim(AcademicYearID) || '/' || trim(StudentID), min(trim(StudentCode)), count(*) FROM "
        "StudentCodeMapping GROUP BY 1",
    )
    assert max(count for *_, count in tokens) == 2
    assert found == {key: token for key, token, _ in tokens if key in found} | {
        key: "" for key in found if key.endswith("P000003")
    }
    assert all("PageToken" not in one.data for one in College(own).read("learners", "RefNo", "Surname"))


def test_a_college_without_tokens_has_none(own: Path) -> None:
    execute(at(own), "DROP TABLE StudentCodeMapping")
    college = College(own)
    assert {one.data["PageToken"] for one in college.read("learners")} == {""}
    assert not college.warnings
    assert {finding.level for finding in college.check()} == {"ok"}


def test_tokens_are_those_of_promonitor_on_another_server(own: Path) -> None:
    expected = College(own).read("learners")
    make_prosuite(f"sqlite:///{own / 'two.db'}", learners=40, ilp_rows=600, seed=8)
    execute(f"sqlite:///{own / 'two.db'}", "DROP TABLE StudentCodeMapping")
    assert College(own, prosolution_url="sqlite:///two.db").read("learners") == expected


# -- what tutors answered ---------------------------------------------------------------------------------------------


def test_answers_to_what_was_written_back_are_read(own: Path) -> None:
    assert "responses" not in {spec.name for spec in College(own).source.streams}
    execute(at(own), "ALTER TABLE ActionPlan ADD COLUMN ReviewDate DATETIME", "UPDATE ActionPlan SET ActionTypeID = 5")
    for number, (action, until, closed) in enumerate(
        [("5", "NULL", False), ("6", "'2026-04-01 00:00:00.000000'", False), ("1", "NULL", False),
         ("NULL", "NULL", False), ("5", "NULL", True)], start=1
    ):  # fmt: skip
        text = mark_item(f"4XATZ8S{number}", "To do", closed=closed)
        execute(
            at(own),
            f"UPDATE ActionPlan SET Comment = '{text}', ActionTypeID = {action}, ReviewDate = {until} "
            f"WHERE ActionPlanID = {number}",
        )
    college = College(own, responses={**ANSWERS, "until_column": "ReviewDate", "staff_column": "CommentStaffID"})
    records = college.read("responses")
    assert [(one.key, one.part, one.data["Response"], one.data["Until"]) for one in records] == [
        ("1", "", "acknowledged", ""), ("2", "", "snoozed", "2026-04-01"),
    ]  # fmt: skip
    names = rows(
        at(own), "SELECT trim(v.StudentID), trim(s.StaffName) FROM ActionPlan a JOIN vStudent v USING (PMStudentID) "
        "LEFT JOIN vStaff s ON s.StaffID = a.CommentStaffID WHERE a.ActionPlanID <= 2 ORDER BY a.ActionPlanID",
    )  # fmt: skip
    assert [(one.data["RefNo"], one.data["Staff"]) for one in records] == [(ref, name or "") for ref, name in names]
    # Without those columns nothing is known of them; the item of an older year is answered all the same.
    plain = College(own, responses=ANSWERS, academic_years=["30/31"])
    assert [(one.data["Response"], one.data["Until"], one.data["Staff"]) for one in plain.read("responses")] == [
        (answer, "", "") for answer in ("acknowledged", "snoozed")
    ]
    assert not plain.warnings


def test_a_tutor_may_answer_with_the_type_of_comment(own: Path) -> None:
    text = mark_item("4XATZ8SV", "To do")
    execute(at(own), f"UPDATE ActionPlan SET Comment = '{text}', CommentTypeID = 2 WHERE ActionPlanID = 9")
    (record,) = College(own, responses={"acknowledged": ["praise"], "column": "CommentType"}).read("responses")
    assert (record.key, record.data["Response"]) == ("9", "acknowledged")


def test_a_query_of_the_colleges_own_may_give_the_answers(made: Path) -> None:
    select = (
        "SELECT 1 AS ActionPlanID, 'P000001' AS RefNo, 'Snoozed' AS Response UNION ALL "
        "SELECT 2, 'P000002', 'Fine' UNION ALL SELECT 3, 'P000003', NULL"
    )
    college = College(
        made, responses={"acknowledged": ["fine"]}, queries={"responses": select}, academic_years=["25/26"]
    )
    assert [(one.key, one.data["Response"]) for one in college.read("responses")] == [
        ("1", "snoozed"), ("2", "acknowledged")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"streams": ["responses"]}, "lacks .connector.responses"),
        ({"queries": {"responses": "SELECT 1"}}, "lacks .connector.responses"),
        ({"responses": {}}, "without a title"),
        ({"responses": {"acknowledged": ["Seen"], "snoozed": [" seen "]}}, "acknowledged and as snoozed"),
        ({"responses": {"acknowledged": ["Seen"], "until_column": "a]b"}}, "not a plain name"),
    ],
)
def test_answers_must_be_told_apart(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        configured(**config)


@pytest.mark.parametrize(
    "tutors",
    [
        {"rule": "offering_staff"},
        {"rule": "offering_staff", "email_domain": "college.example"},
        {"rule": "field", "field": "UserDefined1", "group_field": "UserDefined2"},
        {"rule": "group_table", "table": "TutorGroup", "matches": "StaffID"},
    ],
)
def test_each_rule_finds_tutors_and_groups(made: Path, tutors: dict[str, str]) -> None:
    records = College(made, tutors=tutors).read("assignments")
    assert len({record.key for record in records}) == len(records)
    assert len({record.data["GroupCode"] for record in records}) > 3
    addresses = {record.data["TutorEmail"] for record in records} - {""}
    domain = tutors.get("email_domain", "example.ac.uk")
    assert addresses
    assert all(address.endswith(f"@{domain}") for address in addresses)


YEARS = {"24/25": ("2024-08-01", "2025-07-31"), "25/26": ("2025-08-01", "2026-07-31")}


@pytest.mark.parametrize(
    "keys",
    [
        {"tutors": {"rule": "field", "field": "UserDefined1", "group_field": "UserDefined2"}},
        {"tutors": {"rule": "group_table", "table": "TutorGroup", "matches": "StaffID"}},
        {"queries": {"assignments": "SELECT RefNo AS AssignmentKey, RefNo FROM StudentDetail "
                                    "WHERE trim(AcademicYearID) = :academic_year"}},
    ],
    ids=["field", "group table", "own query"],
)  # fmt: skip
def test_a_tutor_without_dates_is_one_for_the_academic_year(made: Path, keys: dict[str, Any]) -> None:
    college = College(made, **keys)
    records = college.read("assignments")
    assert {one.part for one in records} == YEARS.keys()
    assert all((one.data["StartDate"], one.data["ExpectedEndDate"]) == YEARS[one.part] for one in records)
    assert all(one.data["ActualEndDate"] == "" for one in records)
    assert not [one for one in college.warnings if one[1].endswith("Date")]


@pytest.mark.parametrize(
    ("says", "means"),
    [
        (("2023-09-05", "2026-07-03", ""), ("2024-08-01", "2025-07-31", "")),
        (("2024-09-05", "2025-06-20", "2025-01-10"), ("2024-09-05", "2025-06-20", "2025-01-10")),
        (("2024-09-05", "", "2026-02-01"), ("2024-09-05", "2025-07-31", "2025-07-31")),
        (("05/09/2024", "20/06/2026", ""), ("05/09/2024", "20/06/2026", "")),
    ],
    ids=["two years", "within the year", "left later", "another spelling"],
)
def test_a_tutor_with_dates_is_one_no_longer_than_the_academic_year(
    made: Path, says: tuple[str, ...], means: tuple[str, ...]
) -> None:
    names = ("StartDate", "ExpectedEndDate", "ActualEndDate")
    dates = ", ".join(f"'{day}' AS {name}" for name, day in zip(names, says, strict=True))
    select = f"SELECT 1 AS AssignmentKey, 'P000001' AS RefNo, {dates}"
    (record,) = College(made, queries={"assignments": select}, academic_years=["2024/25"]).read("assignments")
    assert tuple(record.data[name] for name in names) == means


def test_a_year_that_is_not_spelt_as_one_dates_nothing(made: Path) -> None:
    select = "SELECT 1 AS AssignmentKey, 'P000001' AS RefNo"
    (record,) = College(made, queries={"assignments": select}, academic_years=["current"]).read("assignments")
    assert (record.data["StartDate"], record.data["ExpectedEndDate"]) == ("", "")


def test_a_group_table_gives_each_learner_their_own_tutor(made: Path) -> None:
    tutors = {"rule": "group_table", "table": "TutorGroup", "matches": "StaffID"}
    records = College(made, tutors=tutors, learners="prosolution").read("assignments")
    expected = rows(
        at(made),
        "SELECT trim(g.AcademicYearID), trim(g.RefNo), coalesce(trim(s.UserName), '') FROM TutorGroup g "
        "LEFT JOIN Staff s USING (StaffID)",
    )
    found = Counter((one.part, one.data["RefNo"], one.data["TutorEmail"].partition("@")[0]) for one in records)
    with_address = {(year, ref) for year, ref, name in found if name}
    assert {(year, ref) for year, ref, *_ in found} == {(year, ref) for year, ref, _ in expected}
    assert with_address <= {(year, ref) for year, ref, _ in expected}


def test_a_cursor_reads_what_changed_and_what_was_never_dated(own: Path) -> None:
    execute(
        at(own),
        "UPDATE StudentDetail SET LastModifiedDate = '2025-10-01 00:00:00.000000' WHERE LastModifiedDate IS NOT NULL",
        "UPDATE StudentDetail SET LastModifiedDate = NULL WHERE StudentDetailID = 3",
        "UPDATE StudentDetail SET LastModifiedDate = '2026-06-01 10:30:00.000000' WHERE StudentDetailID = 4",
    )
    undated = rows(at(own), "SELECT count(*) FROM StudentDetail WHERE LastModifiedDate IS NULL")[0][0]
    # At half past ten of a summer's day in London it is half past nine in UTC.
    assert len(College(own, learners="prosolution").read("learners", cursor="2026-06-01T09:30:00Z")) == undated + 1
    assert len(College(own, learners="prosolution").read("learners", cursor="2026-06-01T09:31:00Z")) == undated


def test_a_learner_whom_promonitor_comes_to_know_late_is_read(own: Path) -> None:
    execute(
        at(own), "UPDATE StudentDetail SET LastModifiedDate = '2025-10-01 00:00:00.000000'",
        "CREATE TABLE later AS SELECT * FROM vStudent WHERE StudentID LIKE 'P000005%'",
        "DELETE FROM vStudent WHERE StudentID LIKE 'P000005%'",
    )  # fmt: skip
    before = {one.key for one in College(own).read("learners")}
    execute(at(own), "INSERT INTO vStudent SELECT * FROM later")
    college = College(own)
    after = {one.key for one in college.read("learners", cursor="2026-03-01T02:00:00Z")}
    assert {key.partition("/")[2][3:] for key in after - before} == {"P000005"}
    cursors = {spec.name: spec.cursor for spec in college.source.streams if spec.cursor is not None}
    assert cursors == {"activities": "instant"}


@pytest.mark.parametrize("stream", ["learners", "activities"])
def test_what_was_made_for_the_new_year_in_summer_is_read_when_it_begins(own: Path, stream: str) -> None:
    execute(
        at(own),
        "UPDATE StudentDetail SET AcademicYearID = '26/27     ', LastModifiedDate = '2026-06-10 10:00:00.000000' "
        "WHERE AcademicYearID LIKE '25/26%'",
        "UPDATE vStudent SET AcademicYearID = '26/27     ' WHERE AcademicYearID LIKE '25/26%'",
        "UPDATE ActionPlan SET CommentDate = '2026-06-10 10:00:00.000000'",
    )
    college = College(own, learners="prosolution", activities=["comments"])
    college.now = datetime(2026, 7, 31, 12, tzinfo=UTC)
    assert not [one for one in college.read(stream, cursor="2026-07-31T00:00:00Z") if one.part == "26/27"]
    college.now = datetime(2026, 8, 1, 2, tzinfo=UTC)
    whole = college.read(stream)
    assert "26/27" in {one.part for one in whole}
    assert college.read(stream, cursor="2026-07-31T02:00:00Z") == whole
    # Once it has begun, what changed is enough again; and a list of years moves only with the configuration.
    assert len(college.read(stream, cursor="2026-08-01T00:00:00Z")) < len(whole) / 10
    listed = College(own, learners="prosolution", activities=["comments"], academic_years=["25/26", "26/27"])
    listed.now = college.now
    assert len(listed.read(stream, cursor="2026-07-31T02:00:00Z")) < len(whole) / 10


@pytest.mark.parametrize("size", [4, 5, 5_000])
def test_a_screen_that_is_numbered_by_texts_loses_no_row(own: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerpost_promonitor._reading.PAGE", size)
    keys = ["aa", "ab", "ac", "AC", "ad", "ae"]  # ac and AC are one text to the database, as they are to SQL Server
    execute(
        at(own), "CREATE TABLE Visits (Code TEXT COLLATE NOCASE, PMStudentID INTEGER)",
        *(f"INSERT INTO Visits SELECT '{key}', min(PMStudentID) FROM vStudent" for key in keys),
    )  # fmt: skip
    screen = {"table": "Visits", "key": "Code", "activity": "Employer visit", "columns": {"Title": "Code"}}
    records = College(own, activities=["badges"], screens=[screen]).read("activities", "RefNo", "Type", "Source")
    assert sorted(one.key for one in records if one.data["Source"] == "Visits") == sorted(
        f"Visits/{key}" for key in keys
    )


def test_a_screen_can_say_what_its_rows_are(made: Path) -> None:
    screen = {"table": "Progression", "activity": "Career aspiration", "columns": {"Title": "Information1"}}
    records = College(made, activities=["badges"], screens=[screen]).read(
        "activities", "RefNo", "Type", "Title", "Source"
    )
    entries = [record for record in records if record.data["Source"] == "Progression"]
    assert len(entries) == rows(at(made), "SELECT count(*) FROM Progression")[0][0]
    assert {record.data["Type"] for record in entries} == {"Career aspiration"}
    assert "Careers: Complete" in {record.data["Type"] for record in records}


def test_other_names_of_tables_are_used(own: Path) -> None:
    before = College(own).read("activities")
    execute(at(own), "ALTER TABLE vStudent RENAME TO Student")
    assert College(own, tables={"vStudent": "Student"}).read("activities") == before


# -- a college's own queries ------------------------------------------------------------------------------------------


def test_a_query_can_be_replaced(made: Path) -> None:
    select = (
        "SELECT t.TutorialID, a.PMStudentID, trim(v.StudentID) AS RefNo, 'Careers: 1:1' AS Type, min(a.CommentDate) AS "
        "Date FROM ActionPlan a JOIN Tutorial t ON t.TutorialID = a.TutorialID JOIN vStudent v ON v.PMStudentID = "
        "a.PMStudentID WHERE trim(v.AcademicYearID) = :academic_year AND a.CommentDate >= :since GROUP BY 1, 2, 3"
    )
    college = College(made, activities=["meetings"], queries={"meetings": select})
    records = college.read("activities", "RefNo", "Type", "Date")
    assert {record.part for record in records} == {"24/25", "25/26"}
    assert {record.data["Type"] for record in records} == {"Careers: 1:1"}
    later = college.read("activities", "RefNo", "Type", "Date", cursor="2026-01-01T00:00:00Z")
    assert 0 < len(later) < len(records)


def test_a_procedure_can_replace_a_query(tmp_path: Path, postgres: str) -> None:
    with fresh_postgres(postgres) as url:
        execute(
            url,
            'CREATE FUNCTION "SPR_Learners"("AcademicYear" text, "From" timestamp) RETURNS TABLE ("RefNo" text, '
            "\"Surname\" text) LANGUAGE sql AS $$ SELECT 'R' || substr($1, 1, 2), to_char($2, 'YYYY') $$",
        )
        procedure = {"procedure": "SPR_Learners", "parameters": {"AcademicYear": "academic_year", "From": "since"}}
        college = College(tmp_path, spelt(url), streams=["learners"], queries={"learners": procedure})
        records = college.read("learners", "RefNo", "Surname")
    assert [(one.key, one.data["Surname"]) for one in records] == [("24/25/R24", "1900"), ("25/26/R25", "1900")]


def test_a_query_without_its_key_is_refused(made: Path) -> None:
    college = College(made, queries={"programmes": "SELECT StartDate FROM Enrolment"})
    with pytest.raises(ConfigError, match="no column EnrolmentID"):
        college.read("programmes", "StartDate")


READS = [
    'SELECT a, [Update], "Drop" FROM dbo.vMeeting WHERE y = :academic_year AND t >= :since',
    "with x as (select 1 as a) select a from x where b in ('it''s', N'10:30 -- not a comment; at all')",
    "SELECT TOP 10 x.* FROM (SELECT a FROM t UNION ALL SELECT b FROM u) x ORDER BY 1 DESC",
    "SELECT CAST(a AS DATE), CASE WHEN b <> 1.5e3 THEN 'x' ELSE NULL END, Comment FROM t WHERE a % 2 = 0",
]
WRITES = [
    "", "   ", ";", "UPDATE t SET a = 1", "DELETE FROM t", "EXEC dbo.p", "DROP TABLE t", "SELECT 1; DROP TABLE t",
    "SELECT 1;", "SELECT * INTO t2 FROM t", "SELECT 1 EXEC('DROP TABLE t')", "SELECT 1e0EXEC('DROP TABLE t')",
    "SELECT 1.EXEC('DROP TABLE t')", "SELECT 1EXEC('DROP TABLE t')", "SELECT 'a'EXEC('DROP TABLE t')",
    "SELECT [a]EXEC('x')", "SELECT (1)UPDATE t SET a = 1", "SELECT t.UPDATE x",
    "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x",
    "SELECT 1 -- comment", "SELECT /* x */ 1", "SELECT 1 # x", "SEL/**/ECT 1", "SELECT 'a\\'; DROP TABLE t; --'",
    "SELECT 'open", 'SELECT "open', "SELECT [open", "SELECT (1", "SELECT 1)", "SELECT :other", "SELECT a::int FROM t",
    "SELECT @@version", "SELECT @x", "SELECT $$x$$", "SELECT E'\\x'", "SELECT e'x'", "SELECT `a` FROM t",
    "SELECT pg_sleep(10)", 'SELECT "pg_sleep"(10)', "SELECT pg_catalog.pg_terminate_backend(1)", "SELECT nextval('s')",
    "SELECT NEXT VALUE FOR s", "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM OPENROWSET('x', 'y', 'z')", "SELECT * FROM OPENQUERY(s, 'DROP TABLE t')", "SELECT dblink_exec('x')",
    "SELECT load_extension('x')", "PRAGMA query_only = OFF", "SELECT 1 WAITFOR DELAY '1:0'",
    "SELECT a FROM t FOR UPDATE",
    "VALUES (1)", "TABLE t", "(SELECT 1) DROP TABLE t", "SELECT\x00 1", "SELECT 1\u017fet x", "IF 1=1 SELECT 1",
    "SELECT 1 IF 1=1 SELECT 2", "SELECT master..xp_cmdshell", "SELECT query_to_xml('DELETE FROM t', true, true, '')",
]  # fmt: skip


@pytest.mark.parametrize("select", READS)
def test_a_select_is_accepted(select: str) -> None:
    assert checked_select(select)


@pytest.mark.parametrize("select", WRITES)
def test_whatever_could_do_more_than_read_is_refused(select: str, made: Path) -> None:
    before = (made / "prosuite.db").read_bytes()
    with pytest.raises(ValidationError) as caught:
        configured(queries={"meetings": select})
    assert len(str(caught.value.errors()[0]["msg"])) < 250
    assert (made / "prosuite.db").read_bytes() == before


@given(
    st.lists(st.sampled_from(["'", "''", "[", "]", '"', "--", ";", ":x", ":since", " ", "a", "DROP", "\\", "(", ")"]))
)
def test_nothing_escapes_from_a_text(pieces: list[str]) -> None:
    """What is accepted is one statement by SQLite's judgement too, with no other parameter than ours."""
    try:
        text = checked_select("SELECT 1 WHERE 'x' <> '" + "".join(pieces))
    except ValueError:
        return
    assert set(sa.text(text)._bindparams) <= {"since", "academic_year"}
    assert ";" not in "".join(text.replace("''", "").split("'")[::2])


# -- hostile configuration --------------------------------------------------------------------------------------------

HOSTILE = [
    'a"; DROP TABLE StudentDetail; --',
    "a]",
    "[a]",
    "a'b",
    "a;b",
    "a\nb",
    "",
    " a",
    "a ",
    "1a",
    "a" * 129,
    "a.b",
    "a--",
    "a--b",
    "-a",
    "a-;b",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "config",
    [
        lambda name: (
            {"schemas": {"prosolution": name}} if name and name != "a.b" else {"schemas": {"prosolution": "a.b.c"}}
        ),
        lambda name: {"tables": {"vStudent": name}},
        lambda name: {"screens": [{**SCREEN, "table": name}]},
        lambda name: {"screens": [{**SCREEN, "columns": {"Type": name}}]},
        lambda name: {"screens": [{**SCREEN, "modified": name}]},
        lambda name: {"tutors": {"rule": "field", "field": name}},
        lambda name: {"tutors": {"rule": "group_table", "table": name}},
        lambda name: {"comment_modified": name},
        lambda name: {"marker_column": name},
        lambda name: {"queries": {"meetings": {"procedure": f"x.{name}.y"}}},
        lambda name: {"queries": {"meetings": {"procedure": "p", "parameters": {name: "since"}}}},
    ],
)
def test_a_hostile_name_in_the_configuration_is_refused(name: str, config: Any) -> None:
    with pytest.raises(ValidationError):
        configured(**config(name))


@pytest.mark.parametrize("column", ['x"; DROP TABLE StudentDetail; --', "x]", "x'y", "x;y", "(SELECT 1)", "a, b"])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_hostile_column_of_a_mapping_is_refused(stream: str, column: str, made: Path) -> None:
    before = (made / "prosuite.db").read_bytes()
    with pytest.raises(ConfigError, match="not a plain name") as caught:
        College(made, responses=ANSWERS).read(stream, "RefNo", column)
    assert "nothing was read" in caught.value.message
    assert (made / "prosuite.db").read_bytes() == before


@pytest.mark.parametrize("stream", STREAMS)
def test_an_unknown_column_is_refused_with_the_one_that_was_meant(stream: str, made: Path) -> None:
    with pytest.raises(ConfigError, match="reads the column RefNoo") as caught:
        College(made, responses=ANSWERS).read(stream, "RefNoo")
    assert "Did you mean 'RefNo'?" in caught.value.message
    assert any("RefNoo" in finding.message for finding in College(made).check("RefNoo") if finding.level == "error")


@pytest.mark.parametrize(
    "config",
    [
        {"screens": [{**SCREEN, "table": "Nowhere"}]},
        {"screens": [{**SCREEN, "columns": {"Type": "Information99"}}]},
        {"marker_column": "Nowhere"},
        {"responses": {**ANSWERS, "until_column": "Nowhere"}},
        {"comment_modified": "Nowhere"},
    ],
)
def test_what_the_configuration_names_must_be_there(config: dict[str, Any], made: Path) -> None:
    stream = "responses" if "responses" in config else "activities"
    with pytest.raises(ConfigError, match=r"Nowhere|Information99"):
        College(made, **config).read(stream)


@pytest.mark.parametrize(
    "url",
    [
        "mssql+pymssql://login:secret@server/ProMonitor",
        "mssql+pyodbc://server/ProMonitor?driver=x&PWD=secret",
        "mssql+pyodbc:///?odbc_connect=PWD%3Dsecret",
        "not an address",
    ],
)
def test_an_address_holds_no_password(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        configured(url=url)
    assert "secret" not in str(caught.value)


# -- check, and faults ------------------------------------------------------------------------------------------------


def test_check_is_green_where_all_is_well(made: Path) -> None:
    findings = College(made, screens=[SCREEN], responses=ANSWERS).check()
    assert {finding.level for finding in findings} == {"ok"}
    assert len(findings) == 1 + len(STREAMS)
    assert len(College(made).check()) == len(STREAMS)


def test_check_warns_of_a_year_that_is_not_there(made: Path) -> None:
    (warning,) = [one for one in College(made, academic_years=["25/26", "2024-25"]).check() if one.level != "ok"]
    assert (warning.level, "2024-25" in warning.message) == ("warning", True)


@pytest.mark.parametrize(
    ("years", "is_stale"),
    [
        (["24/25", "25/26"], True), (["2024/25"], True), (["2425", "2526"], True), (["2025-2026"], True),
        (["25/26", "26/27"], False), (["2627"], False), (["2026-27"], False), (["2026/2027"], False),
        (["LAST", "THIS"], False), ([], False),
    ],
)  # fmt: skip
def test_check_warns_of_a_list_of_years_that_has_gone_stale(made: Path, years: list[str], is_stale: bool) -> None:
    college = College(made, academic_years=years)
    college.now = datetime(2026, 11, 2, 2, tzinfo=UTC)
    told = [one for one in college.check() if "and not the academic year 26/27" in one.message]
    assert [(one.level, "Take academic_years out" in one.hint) for one in told] == [("warning", True)] * is_stale


def test_check_names_what_is_missing(own: Path) -> None:
    execute(
        at(own),
        "DROP TABLE vStaff",
        "ALTER TABLE Enrolment DROP COLUMN FundingID",
        "ALTER TABLE Staff DROP COLUMN Email",
    )
    errors = [finding.message for finding in College(own).check() if finding.level == "error"]
    assert any("no table or view vStaff" in message for message in errors)
    assert any("Enrolment has no column FundingID" in message for message in errors)
    assert not any("Email" in message for message in errors)


def test_an_inferred_column_may_be_missing(own: Path) -> None:
    execute(at(own), "ALTER TABLE StudentDetail DROP COLUMN ULN")
    college = College(own)
    assert {record.data["ULN"] for record in college.read("learners")} == {""}
    assert ("missing_column", "ULN") in college.warnings


def test_a_login_that_can_write_is_told_of_and_cannot(tmp_path: Path, postgres: str) -> None:
    with fresh_postgres(postgres) as url:
        address = spelt(url)
        make_prosuite(address, learners=10, ilp_rows=50)
        findings = College(tmp_path, address).check()
        assert any("may change" in finding.message for finding in findings if finding.level == "warning")
        # A function that writes, called from a SELECT that the checks let through, is stopped by the session.
        execute(
            url,
            'CREATE FUNCTION harmless() RETURNS int LANGUAGE sql AS $$ DELETE FROM "ProSolution"."Site"; SELECT 1 $$',
        )
        select = 'SELECT harmless() AS "EnrolmentID"'
        with pytest.raises(ConfigError, match="refused a statement"):
            College(tmp_path, address, queries={"programmes": select}).read("programmes", "StartDate")
        assert rows(url, 'SELECT count(*) FROM "ProSolution"."Site"') == [(2,)]


def test_a_read_login_is_enough(tmp_path: Path, postgres: str) -> None:
    with fresh_postgres(postgres) as url:
        make_prosuite(spelt(url), learners=10, ilp_rows=50)
        role = f"reader_{uuid.uuid4().hex[:8]}"
        execute(url, f"CREATE ROLE {role} LOGIN")
        for schema in ("ProSolution", "ProMonitor", "LearnerInformation", "ILP"):
            execute(
                url,
                f'GRANT USAGE ON SCHEMA "{schema}" TO {role}',
                f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO {role}',
            )
        college = College(tmp_path, url.set(username=role, password="").render_as_string(hide_password=False))
        assert {finding.level for finding in college.check()} == {"ok"}
        assert all(college.read(stream) for stream in USUAL)
        execute(url, f'REVOKE SELECT ON "LearnerInformation"."Badge" FROM {role}')
        with pytest.raises(AuthError, match="may not read"):
            college.read("activities")
        execute(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_dropped_connection_costs_one_page(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerpost_promonitor._reading.PAGE", 50)
    with fresh_postgres(postgres) as url:
        address = spelt(url)
        make_prosuite(address, learners=100, ilp_rows=1000)
        whole = College(tmp_path, address).read("activities")
        ending = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'"
        college, read = College(tmp_path, address), []
        context = cast("Context", college.context("activities"))
        for message in college.source.read_activities(None, context):
            read += [message] if isinstance(message, Record) else []
            if len(read) in (60, 300):
                execute(url.set(database="postgres"), ending)
    assert read == whole


def test_a_statement_that_takes_too_long_is_stopped(tmp_path: Path, either: str) -> None:
    # A product of a table with itself, again and again, would take for ever.
    place = "" if either.startswith("sqlite") else '"LearnerInformation".'
    table = f'{place}"ActionPlan"'
    many = f'SELECT count(*) AS "EnrolmentID" FROM {table} a, {table} b, {table} c, {table} d'
    college = College(tmp_path, either, timeout=1, queries={"programmes": many})
    with pytest.raises(SourceUnavailable, match="longer than 1 seconds"):
        college.read("programmes", "StartDate")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no file"):
        College(tmp_path).read("learners")
    assert [finding.level for finding in College(tmp_path).check()] == ["error"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("server", ["postgresql", "mssql"])
def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path, server: str) -> None:
    if server == "mssql":
        pytest.importorskip("pymssql", reason="the extra mssql is not installed")
    college = College(tmp_path, f"{server}://reader@127.0.0.1:1/ProMonitor", password="hunter2hunter2", timeout=5)
    assert [finding.level for finding in college.check()] == ["error"]
    with pytest.raises(SourceUnavailable, match="cannot be reached") as caught:
        college.read("learners")
    assert "hunter2" not in f"{caught.value.message}{caught.value.detail}{college.source.config!r}"


def test_a_missing_driver_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="driver"):
        College(tmp_path, "oracle://reader@server/college").read("learners")


@pytest.mark.skipif(os.name == "nt", reason="there the extra brings pyodbc")
@pytest.mark.parametrize("driver", ["pyodbc", "mxodbc"])
def test_a_driver_that_the_extra_does_not_bring_is_told_with_the_one_that_it_does(driver: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(driver) is not None:
        pytest.skip(f"{driver} is installed")
    with pytest.raises(ConfigError, match=r"write mssql\+pymssql:// in `url`"):
        College(tmp_path, f"mssql+{driver}://sql01/ProMonitor").read("learners")


GENERAL = "DB-Lib error message 20018, severity 16:\nGeneral SQL Server error: Check messages from the SQL Server\n"


@pytest.mark.parametrize(
    ("number", "said", "kind", "sentence"),
    [
        (20003, "DB-Lib error message 20003, severity 6:\nAdaptive Server connection timed out (sql01)\n", "late",
         "longer than 60 seconds"),
        (20009, "DB-Lib error message 20009, severity 9:\nUnable to connect: server does not exist (sql01)\n", "lost",
         "cannot be reached"),
        (20047, "DB-Lib error message 20047, severity 9:\nDBPROCESS is dead or not enabled\n", "lost",
         "cannot be reached"),
        (18456, "Login failed for user 'fingerpost_read'.", "login", "refused the login"),
        (4060, 'Cannot open database "ProMonitor" requested by the login.', "login", "refused the login"),
        (229, "The SELECT permission was denied on the object 'vStudent'.", "denied", "may not read a table"),
        (916, 'The principal "fingerpost_read" is not able to access the database "ProSolution" in this context.',
         "denied", "no user in the database ProSolution. Ask your database administrator"),
        (911, "Database 'ProSolution' does not exist.", "refused", "no database ProSolution. Correct its name"),
        (927, "Database 'ProMonitor' cannot be opened. It is in the middle of a restore.", "lost", "stopped answering"),
        (1205, "Transaction was deadlocked on lock resources.", "busy", "stopped answering"),
        (201, "Procedure 'SPR_X' expects parameter '@foo', which was not supplied.", "refused", "refused a statement"),
        (8145, "@since is not a parameter for procedure SPR_X.", "refused", "refused a statement"),
        (242, "The conversion resulted in an out-of-range value.", "refused", "refused a statement"),
        (245, "Conversion failed when converting the value 'login failed, SSL Provider certificate'.", "refused",
         "refused a statement"),
        (468, "Cannot resolve the collation conflict.", "refused", "refused a statement"),
        (50001, "The text has no mark.", "refused", "refused a statement"),
    ],
)  # fmt: skip
def test_errors_of_sql_server_are_told_apart_by_their_number(
    number: int, said: str, kind: str, sentence: str, tmp_path: Path
) -> None:
    pymssql = pytest.importorskip("pymssql", reason="the extra mssql is not installed")
    database = Database(
        "mssql://reader@sql01/ProMonitor", SecretStr("hunter2"), timeout=60, base_dir=tmp_path, label="ilp"
    )
    text = (said if number > 20000 else said + GENERAL).encode()
    odbc = f"[42000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{said} ({number}) (SQLExecDirectW)"
    errors = [pymssql.OperationalError(number, text), pymssql.OperationalError((number, text))]
    if number < 20000:  # the rest is of the library below pymssql
        errors.append(sqlite3.ProgrammingError("42000", odbc))
    for cause in errors:
        error = sa.exc.OperationalError("SELECT 1", {}, cause)
        assert (fault(error), sentence in database.explain(error).message) == (kind, True)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("[IM002] [Microsoft][ODBC Driver Manager] Data source name not found (0) (SQLDriverConnect)",
         "Install Microsoft's ODBC Driver 18"),
        ("[01000] [unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18' : file not found (0) (SQLDriverConnect)",
         "Install Microsoft's ODBC Driver 18"),
        ("[08001] SSL Provider: The certificate chain is not trusted. (-2146893019) (SQLDriverConnect)",
         "does not trust the server's certificate"),
    ],
)  # fmt: skip
def test_what_a_machine_lacks_for_odbc_is_told_with_the_next_step(said: str, sentence: str, tmp_path: Path) -> None:
    database = Database("mssql+pyodbc://sql01/ProMonitor", None, timeout=60, base_dir=tmp_path, label="ilp")
    for kind in (sa.exc.OperationalError, sa.exc.InterfaceError):
        error = kind("", {}, sqlite3.OperationalError(said[1:6], said))
        told = database.explain(error)
        assert (isinstance(told, ConfigError), sentence in told.message) == (True, True)


def test_no_answer_while_connecting_is_not_a_slow_statement() -> None:
    pymssql = pytest.importorskip("pymssql", reason="the extra mssql is not installed")
    cause = pymssql.OperationalError(20003, b"DB-Lib error message 20003, severity 6:\nconnection timed out\n")
    assert fault(sa.exc.OperationalError(None, None, cause)) == "lost"


class Stalled:
    """What a driver would be whose server never answers; it counts how often it was asked."""

    def __init__(self, number: int) -> None:
        self.number, self.asked = number, 0

    def connect(self, *_: object, **__: object) -> Stalled:
        return self

    def cursor(self) -> Stalled:
        return self

    def execute(self, statement: str, *_: object) -> None:
        self.description = [("one", None, None, None, None, None, None)]
        if "stalled" in statement:
            self.asked += 1
            message = b"DB-Lib error message %d, severity 6:\n" % self.number
            raise importlib.import_module("pymssql").OperationalError(self.number, message)

    def fetchone(self) -> tuple[object]:
        return ("Microsoft SQL Server 2019 - 15.0.2000.5 (X64)",)

    def fetchall(self) -> list[tuple[object]]:
        return [self.fetchone()]

    def close(self) -> None:
        pass

    commit = rollback = close


@pytest.mark.parametrize(("number", "asked"), [(20003, 1), (20047, 3)])
def test_a_slow_statement_is_not_tried_again_and_a_lost_one_is(
    number: int, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pymssql = pytest.importorskip("pymssql", reason="the extra mssql is not installed")
    monkeypatch.setattr("fingerpost_promonitor._database._TRIES", (0, 0))
    stalled = Stalled(number)
    monkeypatch.setattr(pymssql, "connect", stalled.connect)
    database = Database("mssql://reader@sql01/ProMonitor", None, timeout=60, base_dir=tmp_path, label="ilp")
    with pytest.raises(SourceUnavailable, match="longer than 60" if asked == 1 else "cannot be reached"):
        database.page(sa.select(sa.column("a")).select_from(sa.table("stalled")), {})
    assert stalled.asked == asked


# -- SQL Server -------------------------------------------------------------------------------------------------------


def every_statement() -> Iterator[tuple[str, sa.ClauseElement]]:
    """Yield each statement that the connector can issue on SQL Server, in every form."""
    group_table = {"rule": "group_table", "table": "TutorGroup", "matches": "StaffID"}
    offering_staff = {"rule": "offering_staff", "email_domain": "example.ac.uk"}
    field_rule = {"rule": "field", "field": "UserDefined1", "group_field": "UserDefined2"}
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    by_comment = {**ANSWERS, "column": "CommentType", "until_column": "CommentDate", "staff_column": "CommentStaffID"}
    rules = ((offering_staff, ANSWERS), (field_rule, by_comment), (group_table, ANSWERS))
    live = {"prosolution": "ProSolution-Live.dbo", "learner_information": "ProMonitor-Live.LearnerInformation"}
    for rule, answers in rules:
        config = configured(
            url="mssql://sql01/ProMonitor", tutors=rule, screens=[SCREEN], responses=answers,
            schemas=live if rule is field_rule else {},
        )  # fmt: skip
        catalogue = Catalogue(config, "mssql")
        queries: list[tuple[str, Query]] = [("activities", one) for one in activity_queries(catalogue, config)]
        queries += [("learners", known_learners(catalogue)), ("learners", page_tokens(catalogue))]
        for name in set(STREAMS) - {"activities"}:
            queries.append((name, query_for(name, catalogue, config)))
        for stream, query in queries:
            names = sorted({*shipped_columns(stream), *query.key})
            for after in (False, True):
                for since in (False, True):
                    form = f"{query.name} ({rule['rule']}, after={after}, since={since})"
                    yield form, query.page(names, size=5000, after=after, since=since)
        for table in catalogue.tables:
            asks = rights(table, dialect)
            assert asks is not None
            yield f"rights to {table.name}", asks
    procedure = Procedure(procedure="dbo.SPR_Meetings", database="My-Reports")
    yield "procedure", own_statement(procedure, dialect)
    yield "own select", own_statement("SELECT [a] FROM dbo.v WHERE y = :academic_year AND t >= :since", dialect)


def test_every_statement_compiles_for_sql_server() -> None:
    seen, dialect = 0, mssql.dialect()  # type: ignore[no-untyped-call]
    for form, statement in every_statement():
        compiled = statement.compile(dialect=dialect)
        text = str(compiled)
        print(f"-- {form}\n{text}\n")  # pytest -s shows them
        seen += 1
        if "page_number" in text:
            assert text.startswith("SELECT TOP __[POSTCOMPILE_")
            assert re.search(r"\[(ProSolution|ProMonitor)(-Live)?\]\.", text)
        assert "-Live" not in re.sub(r"\[\w+-Live\]", "", text)
        if form == "procedure":
            assert text.startswith("SET NOCOUNT ON; EXEC [My-Reports].[dbo].[SPR_Meetings] @")
            assert text.rstrip().rpartition("ORDER BY")[2].strip()
        assert "'" not in text
        assert "example.ac.uk" not in text
        assert not any(word in text.upper().split() for word in ("INSERT", "UPDATE", "DELETE", "MERGE", "INTO"))
    assert seen > 60
