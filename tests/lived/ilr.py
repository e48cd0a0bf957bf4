"""The ILR files that a college makes of the truth: one for each academic year, of which only the newest changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ilr_files import aim, ilr, learner
from lived.calendar import ONE_DAY, ROLLOVER, exported_year, first_day, last_day
from lived.college import Enrolment, Learner, LivedCollege

STATUSES = {"Current": 1, "Completed": 2, "Withdrawn": 3, "On break": 6}

KINDS: dict[str, dict[str, object]] = {
    "Study programme": {"AimType": 5, "FundModel": 25},
    "Apprenticeship": {"AimType": 1, "FundModel": 36, "ProgType": 25},
    "Adult": {"AimType": 4, "FundModel": 35},
}


def ilr_files(college: LivedCollege, day: date) -> dict[str, str]:
    """Return the ILR files that lie in the folder on a day, by name."""
    year = exported_year(day)
    years = [year] if college.troubles.this_year_programmes else range(2025, year + 1)
    return {
        f"ILR-99999999-{_collection(one)}-{one + 1}0901-010203-01": _file(college, one, _made_on(one, day))
        for one in years
    }


def _made_on(year: int, day: date) -> date:
    return min(day, ROLLOVER[year + 1] - ONE_DAY) if year + 1 in ROLLOVER else day


def _collection(year: int) -> str:
    return f"{year % 100}{(year + 1) % 100}"


def _file(college: LivedCollege, year: int, day: date) -> str:
    people = [text for one in college.learners if one.is_on_record(day) for text in _learner(college, one, year, day)]
    return ilr(*people, year=_collection(year), prepared=f"{day}T01:02:03")


def _learner(college: LivedCollege, one: Learner, year: int, day: date) -> Iterator[str]:
    aims = [
        _aim(enrolment, number, day) for number, enrolment in enumerate(one.enrolments, 1)
        if enrolment.listed_from <= day and enrolment.starts <= last_day(year) and enrolment.last >= first_day(year)
    ]  # fmt: skip
    if aims:
        former = one.references[-2][1] if len(one.references) > 1 and one.references[-1][0] <= day else None
        yield learner(
            one.reference_on(day), *aims, uln=one.uln if one.uln_from <= day else "9999999999",
            PrevLearnRefNumber=former, FamilyName=f"Family{one.number}", GivenNames=f"Given{one.number}",
            DateOfBirth=one.born.isoformat(),
        )  # fmt: skip


def _aim(enrolment: Enrolment, number: int, day: date) -> str:
    status, ended = enrolment.status_on(day)
    course = enrolment.course
    named: dict[str, object] = {"LearnAimRef": course.code}
    if course.type == "Apprenticeship":
        named = {"LearnAimRef": "ZPROG001", "StdCode": course.code}
    return aim(
        AimSeqNumber=number, LearnStartDate=enrolment.starts, LearnPlanEndDate=enrolment.planned_end,
        CompStatus=STATUSES[status], LearnActEndDate=ended, **KINDS[course.type], **named,
    )  # fmt: skip
