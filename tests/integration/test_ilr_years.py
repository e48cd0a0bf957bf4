"""Last year's ILR file beside this year's: who continues, who does not, and who is named because nobody knows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import ilr_files
import pytest
from colleges import SmallCollege
from ilr_files import NAME, aim, ilr

if TYPE_CHECKING:
    from pathlib import Path

LAST, THIS = "ILR-99999999-2425-20250801-010203-01.xml", NAME
MISSING = "missing_from_this_year"

learner = partial(ilr_files.learner, uln="9999999999")

TWO_YEARS = {"LearnStartDate": "2024-09-04", "LearnPlanEndDate": "2026-06-26"}
ONE_YEAR = {"LearnStartDate": "2024-09-04", "LearnPlanEndDate": "2025-06-27"}


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    found = SmallCollege(tmp_path)
    found.connectors.append({"type": "ilr", "name": "mis", "path": "data/ILR-*.xml"})
    (tmp_path / "data").mkdir()
    return found


def last_year(college: SmallCollege, *learners: str) -> None:
    text = ilr(learner("STAYS", aim(**TWO_YEARS)), *learners, year="2425", prepared="2025-08-01T01:02:03")
    (college.folder / "data" / LAST).write_text(text, encoding="utf-8")


def this_year(college: SmallCollege, *learners: str) -> None:
    text = ilr(learner("STAYS", aim(**TWO_YEARS)), *learners)
    (college.folder / "data" / THIS).write_text(text, encoding="utf-8")


def has_left(college: SmallCollege, who: str) -> bool:
    """Say whether nothing applies to a learner any more; what does apply must not be mixed with it."""
    with college.open() as opened:
        standing = {one.status == "not_applicable" for one in opened.explain(who).criteria if one.criterion == "8.1"}
    (left,) = standing
    return left


def listed(college: SmallCollege) -> list[str]:
    """Return the keys of those who are listed as missing; the status must count the same."""
    with college.open() as opened:
        keys = [fault.key for fault in opened.data_quality() if fault.code == MISSING]
        said = [one for one in opened.status().todo if "missing from this year's" in one]
    assert len(said) == bool(keys)
    assert not keys or said[0].startswith(f"mis: {len(keys)} learner")
    return keys


@pytest.mark.parametrize(
    "aims",
    [[aim(**TWO_YEARS)], [aim(**ONE_YEAR)], [aim(**TWO_YEARS), aim(**TWO_YEARS, AimSeqNumber=2, FundModel=38)],
     [aim(**TWO_YEARS, FundModel=36, ProgType=25, StdCode=102, AimType=1)]],
    ids=["withdrawn or transferred", "result never entered", "two programmes", "apprentice"],
)  # fmt: skip
def test_who_is_missing_from_this_year_has_left_and_is_named(college: SmallCollege, aims: list[str]) -> None:
    last_year(college, learner("GONE", *aims))
    this_year(college)
    report = college.sync()
    assert has_left(college, "GONE")
    assert not has_left(college, "STAYS")
    assert listed(college) == ["2425/GONE"]
    assert any("1 learner continues in last year's records" in one for one in report.messages)


@pytest.mark.parametrize(
    "values",
    [{"LearnActEndDate": "2025-06-20", "CompStatus": 2}, {"LearnActEndDate": "2025-01-10", "CompStatus": 3},
     {"CompStatus": 2}, {"CompStatus": 6, "LearnActEndDate": "2025-03-01"}],
    ids=["finished", "withdrew", "finished without a day", "on a break"],
)  # fmt: skip
def test_whoever_is_known_to_have_stopped_is_not_named(college: SmallCollege, values: dict[str, object]) -> None:
    last_year(college, learner("LEFT", aim(**ONE_YEAR | values)))
    this_year(college)
    college.sync()
    assert has_left(college, "LEFT")
    assert listed(college) == []


@pytest.mark.parametrize(
    "values",
    [{"FundModel": 36, "ProgType": 25, "StdCode": 102, "AimType": 1, "LearnPlanEndDate": "2026-09-30"},
     {"FundModel": 38, "LearnPlanEndDate": "2026-05-29"}, {"FundModel": 25, "LearnPlanEndDate": "2025-06-27"}],
    ids=["apprentice", "adult", "stays on beyond the planned end"],
)  # fmt: skip
def test_an_aim_that_is_in_both_files_goes_on(college: SmallCollege, values: dict[str, object]) -> None:
    aims = aim(**{"LearnStartDate": "2024-11-04"} | values)
    last_year(college, learner("BOTH", aims, DateOfBirth="2008-01-15"))
    this_year(college, learner("BOTH", aims, DateOfBirth="2008-01-15"))
    college.sync()
    assert not has_left(college, "BOTH")
    assert listed(college) == []


def test_a_break_without_an_end_goes_on(college: SmallCollege) -> None:
    last_year(college, learner("BREAK", aim(**TWO_YEARS, CompStatus=6)))
    this_year(college)
    college.sync()
    with college.open() as opened:
        (programme,) = opened.explain("BREAK").programmes
    assert (programme["status"], programme.get("ended_on")) == ("on_break", None)
    assert listed(college) == []


def test_an_aim_that_this_year_lacks_has_ended_although_the_learner_stays(college: SmallCollege) -> None:
    other = aim(LearnAimRef="50098401", AimSeqNumber=2, FundModel=38, **TWO_YEARS)
    last_year(college, learner("L1", aim(**TWO_YEARS), other))
    this_year(college, learner("L1", aim(**TWO_YEARS)))
    college.sync()
    with college.open() as opened:
        ends = {one["key"]: one.get("ended_on") for one in opened.explain("L1").programmes}
    assert ends == {"2425/L1/25": "2025-07-31", "2425/L1/50098401": "2025-07-31", "2526/L1/25": None}
    assert listed(college) == []


def test_last_year_stands_until_this_year_s_file_is_there_and_holds_more_than_a_handful(college: SmallCollege) -> None:
    last_year(college, *(learner(f"L{number}", aim(**TWO_YEARS)) for number in range(9)))
    college.sync()
    assert (has_left(college, "L3"), listed(college)) == (False, [])
    this_year(college)  # one learner of ten
    college.sync()
    assert (has_left(college, "L3"), listed(college)) == (False, [])
    this_year(college, learner("L1", aim(**TWO_YEARS)))
    college.sync()
    assert has_left(college, "L3")
    assert len(listed(college)) == 8


def test_last_year_s_file_may_have_gone_before_this_year_s_came(college: SmallCollege) -> None:
    last_year(college, learner("GONE", aim(**TWO_YEARS)))
    college.sync()
    (college.folder / "data" / LAST).unlink()
    this_year(college)
    college.sync()
    assert has_left(college, "GONE")
    assert listed(college) == ["2425/GONE"]


def test_whoever_turns_up_or_is_entered_as_a_leaver_is_no_longer_named(college: SmallCollege) -> None:
    last_year(college, learner("LATE", aim(**TWO_YEARS)), learner("LEFT", aim(**TWO_YEARS)))
    this_year(college)
    college.sync()
    assert listed(college) == ["2425/LATE", "2425/LEFT"]
    this_year(college, learner("LATE", aim(**TWO_YEARS)))
    college.sync()
    assert (has_left(college, "LATE"), listed(college)) == (False, ["2425/LEFT"])
    left = learner("LEFT", aim(**TWO_YEARS, LearnActEndDate="2025-05-09", CompStatus=3))
    last_year(college, learner("LATE", aim(**TWO_YEARS)), left)
    college.sync()
    assert (has_left(college, "LEFT"), listed(college)) == (True, [])


def test_a_learner_with_another_reference_this_year_is_not_missing(college: SmallCollege) -> None:
    (college.folder / "crosswalk.csv").write_text(
        "ukprn,learner_ref,same_as_ukprn,same_as_learner_ref\n99999999,OLD,99999999,NEW\n", encoding="utf-8"
    )
    college.tables["identity"] = {"crosswalk": "crosswalk.csv"}
    last_year(college, learner("OLD", aim(**TWO_YEARS)))
    this_year(college, learner("NEW", aim(**TWO_YEARS)))
    college.sync()
    assert (has_left(college, "NEW"), listed(college)) == (False, [])


def test_a_second_night_writes_nothing_even_if_every_row_is_read_again(college: SmallCollege) -> None:
    last_year(college, learner("GONE", aim(**TWO_YEARS)))
    this_year(college)
    college.sync()
    before = college.snapshot()
    college.later()
    report = college.sync(full=True)
    assert sum(one.changed + one.new + one.deleted for one in report.streams) == 0
    assert college.snapshot() == before


def test_what_is_taken_out_of_last_year_s_file_still_ended_with_that_year(college: SmallCollege) -> None:
    last_year(college, learner("GONE", aim(**TWO_YEARS)))
    this_year(college)
    college.sync()
    last_year(college)
    college.sync()
    rows = [dict(row) for row in college.snapshot()["source_programme"]]
    assert [row["ended_on"] for row in rows if row["key"] == "2425/GONE/25"] == ["2025-07-31"]


def test_the_previous_reference_and_provider_are_read(college: SmallCollege) -> None:
    this_year(college, learner("NEW", PrevLearnRefNumber="OLD 7", PrevUKPRN="10000001"))
    college.sync()
    rows = {row["key"]: row for row in map(dict, college.snapshot()["source_learner"])}
    assert (rows["2526/NEW"]["previous_ref"], rows["2526/NEW"]["previous_ukprn"]) == ("OLD 7", "10000001")
    assert (rows["2526/STAYS"]["previous_ref"], rows["2526/STAYS"]["previous_ukprn"]) == (None, None)
