"""`fingerpost demo --source promonitor`: a whole night on the databases of a fake college, and a second one.

What the night should have made is worked out by plain SQL on those databases, which knows nothing of the connector.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from colleges import contents, dump
from command_line import run, tries
from mails import text_of

from fingerpost import College, item_key, read_mark
from fingerpost._store import schema

if TYPE_CHECKING:
    from pathlib import Path

LEARNERS = 120


def demo(folder: Path, *options: object) -> str:
    result = run("demo", "--source", "promonitor", folder, *options)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a demonstration after its first night, and what it said; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("demo") / "college"
    return folder, demo(folder, "--learners", LEARNERS)


@pytest.fixture
def folder(first_night: tuple[Path, str], tmp_path: Path) -> Path:
    shutil.copytree(first_night[0], tmp_path / "college")
    return tmp_path / "college"


# What is in the databases, and what is in the store


def asked(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """Ask the databases of the college."""
    with closing(sqlite3.connect(folder / "prosuite.db")) as connection:
        return connection.execute(statement).fetchall()


def whole(folder: Path) -> list[str]:
    """Return everything that is in the databases of the college, in a settled order."""
    return sorted(contents(folder / "prosuite.db"))


def keys(folder: Path, stream: str) -> set[str]:
    """Return the keys of the records that the store holds of a stream."""
    table = schema.SOURCE_TABLES[stream]  # type: ignore[index]  # any stream's name
    with College.open(folder / "fingerpost.toml") as college, college._opened.store.reading() as connection:
        return set(connection.scalars(sa.select(table.c.key).where(table.c.deleted_run.is_(None))))


KNOWN = """
    SELECT d.StudentDetailID, trim(d.RefNo) AS Ref, trim(d.AcademicYearID) AS Year, d.StudentID AS Person
    FROM StudentDetail d JOIN vStudent v
      ON trim(v.StudentID) = trim(d.RefNo) AND trim(v.AcademicYearID) = trim(d.AcademicYearID)
"""
"""The learners of each year whom both systems know."""

WANTED = {
    "learners": f"SELECT Year || '/' || Ref FROM ({KNOWN})",
    "programmes": f"SELECT EnrolmentID FROM Enrolment WHERE StartDate IS NOT NULL"
    f" AND StudentDetailID IN (SELECT StudentDetailID FROM ({KNOWN}))",
    "assignments": f"SELECT e.EnrolmentID || '/' || coalesce(s.StaffID, '') FROM Enrolment e"
    f" JOIN ({KNOWN}) k ON k.StudentDetailID = e.StudentDetailID"
    f" LEFT JOIN OfferingStaff s ON s.OfferingID = e.OfferingID WHERE e.OfferingID IS NOT NULL",
    "destinations": f"SELECT StudentOutcomeID FROM StudentOutcome WHERE StudentID IN (SELECT Person FROM ({KNOWN}))",
}  # fmt: skip


@pytest.mark.parametrize("stream", WANTED)
def test_the_records_are_those_of_the_databases(first_night: tuple[Path, str], stream: str) -> None:
    wanted = {str(key) for (key,) in asked(first_night[0], WANTED[stream])}
    assert wanted
    assert keys(first_night[0], stream) == wanted


def test_there_is_one_learner_for_each_person(first_night: tuple[Path, str]) -> None:
    people = [person for (person,) in asked(first_night[0], f"SELECT DISTINCT Person FROM ({KNOWN})")]
    with College.open(first_night[0] / "fingerpost.toml") as college, college._opened.store.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.learner)) == len(people)


def test_meetings_and_entries_of_the_careers_page_become_activities(first_night: tuple[Path, str]) -> None:
    folder, _ = first_night
    found = keys(folder, "activities")
    interviews = asked(
        folder,
        "SELECT DISTINCT a.TutorialID, a.PMStudentID FROM ActionPlan a JOIN Tutorial t ON t.TutorialID = a.TutorialID"
        " JOIN MeetingType m ON m.MeetingTypeID = t.TutorialTypeID"
        " WHERE m.MeetingTypeName IN ('Careers interview', 'Careers guidance interview', 'Mock interview',"
        " 'Parents'' careers evening') AND a.CommentDate IS NOT NULL",
    )
    assert {key for key in found if key.startswith("meeting/")} == {f"meeting/{one}/{who}" for one, who in interviews}
    entries = asked(
        folder,
        "SELECT ID FROM CareersRecord WHERE Information2 LIKE '__/__/____' AND Information1 IN ('Employer visit',"
        " 'Employer talk', 'Work experience', 'University open day', 'Apprenticeship talk', 'Careers research')",
    )
    assert {key for key in found if key.startswith("CareersRecord/")} == {f"CareersRecord/{one}" for (one,) in entries}
    assert interviews
    assert entries
    assert any(key.startswith("comment/") for key in found)


# What is missing, and what stands on the pages


def pages(folder: Path) -> list[tuple[str, int, str]]:
    """Return the learner, the page and the text of every item."""
    return asked(
        folder,
        "SELECT trim(v.StudentID), a.PMStudentID, a.Comment FROM ActionPlan a"
        " JOIN vStudent v ON v.PMStudentID = a.PMStudentID WHERE a.Comment LIKE '%Fingerpost%'",
    )


def test_an_item_stands_once_on_the_page_of_everybody_who_lacks_something(first_night: tuple[Path, str]) -> None:
    folder, said = first_night
    with College.open(folder / "fingerpost.toml") as college:
        lacking = {gap.learner for gap in college.gaps().gaps}
    items = pages(folder)
    assert len(items) == len(lacking) > LEARNERS / 4
    assert {reference for reference, _, _ in items} == lacking
    assert f"{len(items):,} items" in said
    newest = dict(asked(folder, "SELECT trim(StudentID), max(PMStudentID) FROM vStudent GROUP BY 1"))
    for reference, page, text in items:
        mark = read_mark(text)
        assert mark is not None
        assert (mark.key, mark.closed, mark.intact) == (item_key(99999999, reference), False, True)
        assert page == newest[reference]
        assert re.search(r"^- \w", text, re.MULTILINE)


def test_nothing_else_in_the_databases_is_changed(folder: Path, tmp_path: Path) -> None:
    from fingerpost_demo import make_prosuite

    (tmp_path / "other").mkdir()
    make_prosuite(f"sqlite:///{tmp_path / 'other' / 'prosuite.db'}", learners=LEARNERS)
    with closing(sqlite3.connect(folder / "prosuite.db")) as connection, connection:
        connection.execute("DELETE FROM ActionPlan WHERE Comment LIKE '%Fingerpost%'")
    assert whole(folder) == whole(tmp_path / "other")


def test_check_is_green_on_any_day(first_night: tuple[Path, str]) -> None:
    """The college is looked at as of a day of its own, so its academic years are those of that day."""
    result = run("--config", first_night[0] / "fingerpost.toml", "check")
    assert result.exit_code == 0
    assert "academic years 24/25, 25/26 are read" in result.output
    assert not re.search(r"^  (warning|error)", result.output, re.MULTILINE)


def test_digests_link_to_the_pages(first_night: tuple[Path, str]) -> None:
    folder, _ = first_night
    tokens = {token for (token,) in asked(folder, "SELECT trim(StudentCode) FROM StudentCodeMapping")}
    links = set()
    for path in sorted((folder / "outbox").glob("*.eml")):
        links |= set(re.findall(r'href="(https://promonitor[^"]*)"', text_of(path.read_bytes(), "html")))
    assert links
    for link in links:
        parts = urlsplit(link)
        assert (parts.hostname, parts.path) == ("promonitor.example.ac.uk", "/ilp/information/details.aspx")
        assert parse_qs(parts.query)["pmstudentid"][0] in tokens


# A second night


def data(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    with College.open(folder / "fingerpost.toml") as college:
        return dump(college._opened.store)


def answers(folder: Path) -> list[str]:
    """Return what the store holds of what tutors answered."""
    table = schema.source_response
    with College.open(folder / "fingerpost.toml") as college, college._opened.store.reading() as connection:
        return list(connection.scalars(sa.select(table.c.response)))


def test_a_second_night_writes_nothing(folder: Path) -> None:
    before, stored, sent = whole(folder), data(folder), sorted((folder / "outbox").iterdir())
    said = demo(folder)
    assert "nothing has changed" in said
    assert "items" not in said
    assert whole(folder) == before
    assert sorted((folder / "outbox").iterdir()) == sent
    assert data(folder) == stored


def test_nothing_that_was_written_comes_back_as_an_activity(folder: Path) -> None:
    before, stored = whole(folder), keys(folder, "activities")
    result = run("--config", folder / "fingerpost.toml", "sync", "--full")
    assert result.exit_code == 0, result.output
    assert keys(folder, "activities") == stored
    assert whole(folder) == before


def test_an_answer_in_the_ilp_is_read_and_its_item_stays(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "prosuite.db")) as connection, connection:
        (seen,) = connection.execute("SELECT ID FROM ActionPlan_ActionType WHERE ActionDescription = 'Seen by tutor'")
        connection.execute(
            "UPDATE ActionPlan SET ActionTypeID = ? WHERE ActionPlanID ="
            " (SELECT min(ActionPlanID) FROM ActionPlan WHERE Comment LIKE '%Fingerpost%')", seen,
        )  # fmt: skip
    before = whole(folder)
    demo(folder)
    assert answers(folder) == ["acknowledged"]
    assert whole(folder) == before


# The command


def test_the_demo_says_how_to_read_an_item(first_night: tuple[Path, str]) -> None:
    (line,) = [line.strip() for line in first_night[1].splitlines() if "python -c" in line]
    code = shlex.split(line.removeprefix("uv run "))[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=first_night[0], capture_output=True, encoding="utf-8", check=True
    )
    assert read_mark(done.stdout) is not None


def test_what_the_demo_says_to_try_works(first_night: tuple[Path, str]) -> None:
    folder, said = first_night
    for command in tries(said):
        result = run(*command, config=folder / "fingerpost.toml")
        assert result.exit_code == 0, result.output
    assert len(said.splitlines()) <= 40
    assert said.count("Each tutor gets one message") == 1


def test_the_demonstrations_do_not_mix(folder: Path, tmp_path: Path) -> None:
    before = whole(folder)
    refused = run("demo", folder)
    assert refused.exit_code == 2
    assert "holds other files" in refused.stderr
    assert whole(folder) == before
    assert run("demo", tmp_path / "csv", "--learners", 20).exit_code == 0
    assert run("demo", "--source", "promonitor", tmp_path / "csv").exit_code == 2
    assert not (tmp_path / "csv" / "prosuite.db").exists()
