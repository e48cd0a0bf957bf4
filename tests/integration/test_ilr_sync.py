"""Whole nights on ILR files: the real sample, the oddities of real files, years side by side, and size."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import ilr_files
import pytest
import sqlalchemy as sa
from colleges import SmallCollege
from ilr_files import NAME, SAMPLE, aim, ilr, placement, tags, write_large

from fingerpost._store import schema

if TYPE_CHECKING:
    from pathlib import Path

    from fingerpost.reports import Explanation, RunReport

ULN, OTHER_ULN = "1061484016", "1061484466"


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    found = SmallCollege(tmp_path)
    found.keep = True
    found.connectors.append({"type": "ilr", "name": "mis", "path": "data/ILR-*.xml"})
    (tmp_path / "data").mkdir()
    return found


def put(college: SmallCollege, content: str | bytes, name: str = NAME) -> None:
    (college.folder / "data" / name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


learner = partial(ilr_files.learner, uln="9999999999")


def outcome(ref: str, **values: object) -> str:
    plain: dict[str, object] = {"OutType": "EMP", "OutCode": 1, "OutStartDate": "2024-09-01"}
    return ilr_files.outcome(ref, tags(**plain | values))


def explain(college: SmallCollege, who: str) -> Explanation:
    with college.open() as opened:
        return opened.explain(who)


def warnings(college: SmallCollege) -> list[tuple[str, str, str, str]]:
    """Return stream, key, field and code of every warning."""
    table = schema.warning
    with college.open() as opened, opened._opened.store.reading() as connection:
        rows = connection.execute(sa.select(table.c.stream, table.c.key, table.c.field, table.c.code))
        return sorted(tuple(row) for row in rows)


def codes(college: SmallCollege) -> set[str]:
    return {code for *_, code in warnings(college)}


def lived(college: SmallCollege, table: sa.Table) -> list[dict[str, Any]]:
    """Return the live rows of a table, with the reference of the learner to whom each belongs."""
    person = schema.learner
    with college.open() as opened, opened._opened.store.reading() as connection:
        rows = connection.execute(
            sa.select(table, person.c.reference)
            .join(person, person.c.id == table.c.learner_id, isouter=True)
            .where(table.c.deleted_run.is_(None))
            .order_by(table.c.key)
        )
        return [dict(row) for row in rows.mappings()]


def fine(report: RunReport) -> None:
    assert [one.message for one in report.streams if one.message] == []
    assert (report.status, report.exit_code) == ("succeeded", 0)


# -- the real sample ---------------------------------------------------------------------------------------------


def test_the_real_sample(college: SmallCollege) -> None:
    put(college, SAMPLE.read_bytes(), SAMPLE.name)
    report = college.sync()
    fine(report)
    programmes = lived(college, schema.source_programme)
    assert len({one["reference"] for one in programmes}) == 18
    assert report.records == {
        "learners": 18, "programmes": len(programmes), "assignments": 0, "activities": 2, "destinations": 4,
        "responses": 0,
    }  # fmt: skip
    (message,) = report.messages
    assert message.startswith("mis: 2 destinations refer to a learner in none of the sources; they are kept, ")
    assert [one["reference"] for one in lived(college, schema.source_destination)] == [
        "16Learner", None, None, "TshipLearn17",
    ]  # fmt: skip
    assert [one[0] for one in warnings(college) if one[3] == "unknown_learner"] == ["destinations"] * 2
    fine(college.sync())


def test_outcomes_of_an_absent_learner_are_theirs_when_a_later_file_has_them(college: SmallCollege) -> None:
    put(college, SAMPLE.read_bytes(), SAMPLE.name)
    college.sync()
    put(college, ilr(learner("IndSpLearn"), year="1920", prepared="2020-06-01T00:00:00"), "ILR-99999999-1920-1.xml")
    report = college.sync()
    fine(report)
    assert report.records["learners"] == 19
    assert report.messages == []
    assert "unknown_learner" not in codes(college)
    mine = [one for one in lived(college, schema.source_destination) if one["reference"] == "IndSpLearn"]
    assert [one["type"] for one in mine] == ["further_education", "independent_living"]
    assert [one["part"] for one in mine] == ["1819", "1819"]


# -- odd files ---------------------------------------------------------------------------------------------------


def test_elements_of_two_namespaces(college: SmallCollege) -> None:
    old = learner("L2", aim(placement())).replace("<Learner>", '<Learner xmlns="ESFA/ILR/2024-25">')
    put(college, ilr(learner("L1"), old, learner("L3", aim(placement()))))
    report = college.sync()
    fine(report)
    assert report.records | {"destinations": 0} == {
        "learners": 3, "programmes": 3, "assignments": 0, "activities": 2, "destinations": 0, "responses": 0,
    }  # fmt: skip
    assert "mixed_namespaces" in codes(college)


def test_name_namespace_and_header_disagree_on_the_year(college: SmallCollege) -> None:
    put(college, ilr(learner("L1"), year="2526", namespace="ESFA/ILR/2023-24"), NAME.replace("2526", "2425"))
    report = college.sync()
    fine(report)
    assert report.records["learners"] == 1
    assert [one["part"] for one in lived(college, schema.source_learner)] == ["2526"]
    assert ("learners", "", "Year", "year_disagrees") in warnings(college)


@pytest.mark.parametrize("oddity", ["bom", "upper case", "comment"])
def test_what_stands_before_the_root_and_how_the_file_is_called(college: SmallCollege, oddity: str) -> None:
    content, name = ilr(learner("L1"), learner("L2")), NAME
    if oddity == "bom":
        content = "\ufeff" + content
    elif oddity == "upper case":
        name = NAME.replace(".xml", ".XML")
    else:
        content = content.replace("<Message", "<!-- made by our MIS, v 4 -->\n<Message", 1)
    put(college, content, name)
    report = college.sync()
    fine(report)
    assert report.records["learners"] == 2


def test_1089_learners_who_share_three_ulns(college: SmallCollege) -> None:
    ulns = ("1061484016", "1061484466", "1061484679")
    put(
        college,
        ilr(*(learner(f"L{number}", uln=ulns[number % 3]) for number in range(1089)), learner("M", uln="1061484903")),
    )
    college.add_csv(
        "ilp", "learners", "learners",
        [{"learner_ref": "P1", "uln": ulns[0]}, {"learner_ref": "P2", "uln": "1061484903"}],
    )  # fmt: skip
    report = college.sync()
    fine(report)
    assert report.records["learners"] == 1089 + 1 + 1
    warned = [one for one in warnings(college) if one[3] == "ambiguous_uln"]
    assert len(warned) == 1089 + 1
    assert stream_of(report, "learners").warnings == 1089
    assert explain(college, "P1").also_known_as == ()
    assert explain(college, "P2").learner == "M"


def stream_of(report: RunReport, name: str) -> Any:
    (found,) = [one for one in report.streams if (one.connector, one.stream) == ("mis", name)]
    return found


def test_the_same_reference_twice_in_one_file(college: SmallCollege) -> None:
    first = learner("L1", aim(placement()), GivenNames="First")
    second = learner(
        "L1",
        aim(placement(WorkPlaceStartDate="2026-02-02"), FundModel=36, ProgType=25, StdCode=102),
        GivenNames="Second",
    )
    put(college, ilr(first, learner("L2"), second))
    report = college.sync()
    fine(report)
    assert (report.records["learners"], report.records["programmes"], report.records["activities"]) == (2, 3, 2)
    assert ("learners", "2526/L1", "", "duplicate_key") in warnings(college)
    assert {one["reference"] for one in lived(college, schema.source_activity)} == {"L1"}
    assert explain(college, "L1").name.startswith("First")
    report = college.sync()
    fine(report)
    assert all(one.state == "unchanged" for one in report.streams)


def test_a_bad_uln_an_impossible_outcome_and_2343_hours(college: SmallCollege) -> None:
    content = (
        learner("L1", aim(placement(WorkPlaceHours=2343)), uln="1234567890"),
        learner("L2"),
        outcome("L1", OutCode=123),
        outcome("L2"),
    )
    put(college, ilr(*content, year="2324", prepared="2024-06-01T00:00:00"))
    report = college.sync()
    fine(report)
    assert (report.records["learners"], report.records["activities"], report.records["destinations"]) == (2, 1, 2)
    assert [(one["hours"], one["reference"]) for one in lived(college, schema.source_activity)] == [(None, "L1")]
    assert [(one["type"], one["reference"]) for one in lived(college, schema.source_destination)] == [
        (None, "L1"), ("employment", "L2"),
    ]  # fmt: skip
    found = {(name, field) for name, _, field, _ in warnings(college)}
    assert {("learners", "uln"), ("activities", "hours"), ("destinations", "type")} <= found
    assert {item["field"] for item in explain(college, "L1").warnings} == {"uln", "hours", "type"}


# -- a year is a part --------------------------------------------------------------------------------------------

LAST, THIS = "ILR-99999999-2425-20250801-010203-01.xml", NAME


def two_years(college: SmallCollege, *this_year: str) -> None:
    put(college, ilr(learner("L1"), learner("L2"), learner("OLD"), year="2425", prepared="2025-08-01T01:02:03"), LAST)
    put(college, ilr(*(learner(ref) for ref in this_year)), THIS)


def parts(college: SmallCollege) -> list[str]:
    return [one["key"] for one in lived(college, schema.source_learner)]


def test_a_newer_file_of_this_year_removes_nothing_of_last_year(college: SmallCollege) -> None:
    two_years(college, "L1", "L2", "NEW")
    assert college.sync().records["learners"] == 4
    put(college, ilr(learner("L2"), learner("NEW"), prepared="2026-03-01T00:00:00"), NAME.replace("0227", "0301"))
    report = college.sync()
    assert stream_of(report, "learners").deleted == 1
    assert parts(college) == ["2425/L1", "2425/L2", "2425/OLD", "2526/L2", "2526/NEW"]
    assert report.records["learners"] == 4
    assert [one["academic_year"] for one in explain(college, "L1").programmes if "academic_year" in one] == []
    assert len(explain(college, "L1").programmes) == 1


def test_an_older_file_of_the_same_year_is_not_read(college: SmallCollege) -> None:
    two_years(college, "L1", "L2")
    college.sync()
    put(college, ilr(learner("GHOST"), prepared="2025-10-01T00:00:00"), NAME.replace("20260227", "20251001"))
    report = college.sync()
    assert {one.state for one in report.streams} == {"unchanged"}
    assert report.records["learners"] == 3


def test_last_year_stays_when_its_file_is_taken_away(college: SmallCollege) -> None:
    two_years(college, "L1", "L2")
    college.sync()
    (college.folder / "data" / LAST).unlink()
    report = college.sync()
    assert stream_of(report, "learners").deleted == 0
    assert report.records["learners"] == 3


def test_the_newest_year_says_who_a_learner_is(college: SmallCollege) -> None:
    put(college, ilr(learner("L1", GivenNames="Old"), year="2425", prepared="2025-08-01T01:02:03"), LAST)
    put(college, ilr(learner("L1", GivenNames="New")), THIS)
    college.sync()
    assert explain(college, "L1").name.startswith("New")


def test_a_year_whose_file_came_empty_keeps_its_learners_and_says_so(college: SmallCollege) -> None:
    two_years(college, "L1", "L2", "NEW")
    college.sync()
    put(college, ilr(prepared="2026-03-01T00:00:00"), NAME.replace("0227", "0301"))
    report = college.sync()
    assert report.exit_code == 3
    assert stream_of(report, "learners").deleted == 0
    assert NAME.replace("0227", "0301") in (stream_of(report, "learners").message or "")
    assert report.records["learners"] == 4


# -- size --------------------------------------------------------------------------------------------------------

_NIGHT = """
import re, sys
from pathlib import Path
from fingerpost import College

with College.open(Path(sys.argv[1])) as college:
    report = college.sync()
assert report.exit_code == 0, report
# Not ru_maxrss: a child begins with its parent's, so that a large test process would hide what a night takes.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))[1]
print(report.records["learners"], report.records["activities"], peak)
"""


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_a_night_takes_no_more_memory_for_ten_times_the_learners(tmp_path: Path) -> None:
    peaks = {}
    for count in (5_000, 50_000):
        college = SmallCollege(tmp_path / str(count))
        college.connectors.append({"type": "ilr", "name": "mis", "path": "data/ILR-*.xml"})
        write_large(college.folder / "data" / NAME, count, placements=0.3, deliveries=(3, 6))
        done = subprocess.run(
            [sys.executable, "-c", _NIGHT, str(college.configure())],
            capture_output=True, encoding="utf-8", check=True, env=os.environ | {"PYTHONUTF8": "1"},
        )  # fmt: skip
        learners, placements, peaks[count] = map(int, done.stdout.split())
        assert learners == count
        assert 0.28 * count < placements < 0.32 * count
    assert peaks[50_000] - peaks[5_000] <= 30 * 1024  # kibibytes
