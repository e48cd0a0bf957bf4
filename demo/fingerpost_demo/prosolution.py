"""What ProSolution, the MIS, holds of an invented college: courses, staff, learners, enrolments and destinations.

The learners of the plan and what is said of them here are what ProMonitor goes on from.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from fingerpost_demo import people
from fingerpost_demo.people import DOMAIN, FAMILY, GIVEN, make_ulns
from fingerpost_demo.terms import AS_OF

_YEARS: Final = ("24/25", "25/26")
"""The academic years that are kept."""
_TODAY: Final = datetime(AS_OF.year, AS_OF.month, AS_OF.day)  # noqa: DTZ001 - local, as in the database
_AREAS: Final = [(one.code, one.name) for one in people.AREAS if one.code not in ("HAB", "CAT", "EYE", "ALV")]
_COURSES: Final = (
    # code, name, ILR FundModel, ILR ProgType, level, share
    ("ST", "Level 3 Diploma in {}", "25", None, "3", 55),
    ("TL", "T Level in {}", "25", 31, "3", 15),
    ("AP", "Apprenticeship in {}", "36", 25, "2", 10),
    ("AD", "Certificate in {}", "38", None, "2", 20),
)
_DESTINATIONS: Final = (
    ("EDU6", "University"), ("EDU4", "Further education, full time"), ("EDU2", "Apprenticeship"),
    ("EMP1", "Paid work, 16 hours or more"), ("NPE1", "Looking for work"), ("OTH4", "Not known"),
    ("XUNI", "Uni abroad"),
)  # fmt: skip

Row = dict[str, Any]


class LearnerYear(NamedTuple):
    """A learner in one academic year, as far as other tables need to know."""

    pm_student: int
    detail: int
    person: int
    year: int
    area: int
    course: int
    group: int

    @property
    def reference(self) -> str:
        """The learner's reference: shorter than its column, so that it is padded."""
        return f"P{self.person:06}"

    @property
    def group_code(self) -> str:
        """The code of the learner's group."""
        return group_code(self.area, self.course, self.group)

    def key(self, column: str) -> dict[str, Any]:
        """Return the learner's reference in this column and the academic year, as most tables begin."""
        return {column: _padded(self.reference, 12), "AcademicYearID": _padded(_YEARS[self.year], 10)}


@dataclass(slots=True)
class Plan:
    """How large the databases are; `rows` fills while the learners are written, for the tables after them."""

    learners: int
    ilp_rows: int
    seed: int
    rows: list[LearnerYear] = field(default_factory=list)

    @property
    def staff(self) -> int:
        """The number of members of staff."""
        return max(5, self.learners // 35)

    @property
    def groups(self) -> int:
        """The number of groups of each course."""
        return max(1, self.learners // (len(_AREAS) * len(_COURSES) * 22))

    def rng(self, what: str) -> random.Random:
        """Return the dice of one table, so that no table depends on the size of another."""
        return random.Random(f"{self.seed} {what}")  # noqa: S311 - invented people need no strong randomness

    def offering(self, year: int, area: int, course: int, group: int) -> int:
        """Return the number of an offering: one group of one course in one year."""
        return 1 + group + self.groups * (course + len(_COURSES) * (area + len(_AREAS) * year))

    def extra_course(self, year: int, subject: int) -> int:
        """Return the number of an offering of English or mathematics."""
        return self.offering(len(_YEARS), 0, 0, 0) + year * 2 + subject

    def offering_of(self, row: LearnerYear) -> int:
        """Return the number of a learner's main course."""
        return self.offering(row.year, row.area, row.course, row.group)

    def tutor(self, offering: int) -> int:
        """Return the member of staff who tutors an offering."""
        return 1 + (offering * 7919 + self.seed) % self.staff


def group_code(area: int, course: int, group: int) -> str:
    """Return the code of a group."""
    return f"{_AREAS[area][0]}-{_COURSES[course][0]}{group + 1}"


def instant(rng: random.Random, year: int) -> datetime:
    """Return an instant of an academic year, not after the day on which the college is looked at."""
    begin = _first_day(_YEARS[year])
    days = max(1, min(310, (_TODAY - begin).days))
    return begin + timedelta(days=rng.randrange(days), hours=rng.randint(9, 16), minutes=rng.randrange(60))


def _first_day(year: str) -> datetime:
    """Return the first day of teaching of a year such as 25/26."""
    return datetime(2000 + int(year[:2]), 9, 1)  # noqa: DTZ001 - local, as in the database


def _padded(text: str, length: int) -> str:
    return text.ljust(length)


def mis_tables(plan: Plan) -> Iterator[tuple[str, Iterable[Row]]]:
    """Yield each table's name and its rows; the rows are made while they are read, and in this order."""
    yield "CollegeLevel", _levels()
    yield "Site", [{"SiteID": 1, "Description": "Main site"}, {"SiteID": 2, "Description": None}]
    yield "Staff", _staff(plan)
    yield "vStaff", _staff_names(plan)
    yield "Offering", _offerings(plan)
    yield "OfferingStaff", _offering_staff(plan)
    yield "LocalDestination", _local_destinations()
    yield "StudentDetail", _details(plan)
    yield "vStudent", _students(plan)
    yield "StudentCodeMapping", _codes(plan)
    yield "TutorGroup", _tutor_groups(plan)
    yield "Enrolment", _enrolments(plan)
    yield "StudentOutcome", _outcomes(plan)


def _levels() -> Iterator[Row]:
    yield {"SID": 1, "ParentSID": None, "Code": _padded("COLL", 12), "Name": "Example College"}
    for number, (code, name) in enumerate(_AREAS):
        yield {"SID": 10 + number, "ParentSID": 1, "Code": _padded(code, 12), "Name": name}


def _staff(plan: Plan) -> Iterator[Row]:
    rng = plan.rng("staff")
    for number in range(1, plan.staff + 1):
        user = None if rng.random() < 0.02 else f"tutor{number:04}"
        yield {
            "StaffID": number, "SystemUserID": number if rng.random() < 0.9 else None, "UserName": user,
            "FirstForename": rng.choice(GIVEN), "Surname": rng.choice(FAMILY),
            "Email": f"tutor{number:04}@{DOMAIN}" if rng.random() < 0.95 else None,
        }  # fmt: skip


def _staff_names(plan: Plan) -> Iterator[Row]:
    for row in _staff(plan):
        yield {"StaffID": row["StaffID"], "StaffName": f"{row['FirstForename']} {row['Surname']}"}


def _offerings(plan: Plan) -> Iterator[Row]:
    for year, label in enumerate(_YEARS):
        begin = _first_day(label)
        common = {"AcademicYearID": _padded(label, 10), "StartDate": begin, "EndDate": begin + timedelta(days=300)}
        for area, (_, name) in enumerate(_AREAS):
            for course, (prefix, title, _, prog, level, _) in enumerate(_COURSES):
                for group in range(plan.groups):
                    yield {
                        **common, "OfferingID": plan.offering(year, area, course, group),
                        "Code": _padded(group_code(area, course, group), 24), "Name": title.format(name),
                        "SID": 10 + area, "SiteID": 1 + group % 2, "QualID": _padded("60311834", 8),
                        "OfferingTypeID": 1, "ProgrammeTypeID": prog, "Level": level if prefix != "AD" else None,
                    }  # fmt: skip
        for subject, name in enumerate(("English", "Mathematics")):
            yield {
                **common, "OfferingID": plan.extra_course(year, subject), "Code": _padded(name[:4].upper(), 24),
                "Name": f"GCSE {name}", "SID": None, "SiteID": None, "QualID": _padded("60146084", 8),
                "OfferingTypeID": None, "ProgrammeTypeID": None, "Level": "2",
            }  # fmt: skip


def _offering_staff(plan: Plan) -> Iterator[Row]:
    """Give every course of an area a tutor, and each thirtieth two; English and mathematics have none."""
    for offering in range(1, plan.offering(len(_YEARS), 0, 0, 0)):
        tutor = plan.tutor(offering)
        yield {"OfferingID": offering, "StaffID": tutor}
        if offering % 30 == 0:
            yield {"OfferingID": offering, "StaffID": 1 + tutor % plan.staff}


def _local_destinations() -> Iterator[Row]:
    for number, (code, description) in enumerate(_DESTINATIONS, start=1):
        yield {"LocalDestinationID": number, "Code": _padded(code, 10), "Description": description, "Enabled": True}
    yield {"LocalDestinationID": 99, "Code": None, "Description": None, "Enabled": None}


def _details(plan: Plan) -> Iterator[Row]:
    """Yield a row for each person and year, and remember what the other tables need."""
    rng, ulns = plan.rng("people"), make_ulns(plan.rng("ulns"))
    weights = [course[-1] for course in _COURSES]
    detail = 0
    last = len(_YEARS) - 1
    for person in range(1, plan.learners + 1):
        course = rng.choices(range(len(_COURSES)), weights)[0]
        area, group = rng.randrange(len(_AREAS)), rng.randrange(plan.groups)
        first = rng.choices(range(last + 1), [3] * last + [5])[0]
        stays = first < last and rng.random() < 0.75
        age = rng.randint(19, 50) if _COURSES[course][0] == "AD" else rng.choices((16, 17, 18), (70, 20, 10))[0]
        start = _first_day(_YEARS[first])
        born = date(start.year - age, 8, 31) - timedelta(days=rng.randint(0, 364))
        given, family, uln = rng.choice(GIVEN), rng.choice(FAMILY), next(ulns)
        for year in range(first, first + 1 + stays):
            detail += 1
            changed = instant(rng, year)
            row = LearnerYear(100_000 + detail, detail, person, year, area, course, group)
            plan.rows.append(row)
            yield {
                **row.key("RefNo"), "StudentDetailID": detail, "StudentID": person, "Surname": family,
                "FirstForename": given,
                "DateOfBirth": None if rng.random() < 0.01 else datetime(born.year, born.month, born.day),  # noqa: DTZ001
                "Sex": rng.choice("FM"), "HasEducationHealthCarePlan": _maybe(rng, 0.05),
                "HighNeedsStudent": _maybe(rng, 0.05), "CareLeaver": _maybe(rng, 0.02),
                "LookedAfter": _maybe(rng, 0.02),
                "UserDefined1": f"tutor{plan.tutor(plan.offering_of(row)):04}  ", "UserDefined2": row.group_code,
                "LastModifiedBy": "mis", "LastModifiedDate": None if rng.random() < 0.02 else changed,
                "ULN": "9999999999" if rng.random() < 0.02 else None if rng.random() < 0.02 else uln,
                "CollegeEmail": None if rng.random() < 0.05 else f"{row.reference.lower()}@{DOMAIN}",
            }  # fmt: skip


def _students(plan: Plan) -> Iterator[Row]:
    """ProMonitor knows everybody but each hundredth, who only applied."""
    for row in plan.rows:
        if row.person % 100:
            yield {**row.key("StudentID"), "PMStudentID": row.pm_student}


def _codes(plan: Plan) -> Iterator[Row]:
    for row in plan.rows:
        for number in range(2 if row.person % 9 == 0 else 1):
            yield {**row.key("StudentID"), "StudentCode": f"{row.pm_student * 7 + number:09x}AB="}


def _tutor_groups(plan: Plan) -> Iterator[Row]:
    for row in plan.rows:
        if row.person % 17:
            tutor = plan.tutor(plan.offering_of(row)) if row.person % 13 else None
            yield {**row.key("RefNo"), "GroupCode": _padded(row.group_code, 12), "StaffID": tutor}


def _enrolments(plan: Plan) -> Iterator[Row]:
    """Yield the main course of everybody, and English and mathematics for a third."""
    rng = plan.rng("enrolments")
    number = 0
    for row in plan.rows:
        offerings: list[int | None] = [plan.offering_of(row)]
        if row.person % 3 == 0:
            offerings += [plan.extra_course(row.year, 0), plan.extra_course(row.year, 1)]
        if rng.random() < 0.01 and len(offerings) > 1:
            offerings[-1] = None
        begin = _first_day(_YEARS[row.year]) + timedelta(days=rng.randint(0, 20))
        over = begin + timedelta(days=290) < _TODAY
        status = "2" if over else "3" if rng.random() < 0.03 else "1"
        for offering in offerings:
            number += 1
            yield {
                "EnrolmentID": number, "StudentDetailID": row.detail, "OfferingID": offering,
                "CompletionStatusID": None if rng.random() < 0.01 else _padded(status, 2),
                "StartDate": None if rng.random() < 0.001 else begin, "ExpectedEndDate": begin + timedelta(days=290),
                "ActualEndDate": begin + timedelta(days=290 if over else 60) if status != "1" else None,
                "AimTypeID": "1 ", "FundingID": _padded(_COURSES[row.course][2], 4),
            }  # fmt: skip


def _outcomes(plan: Plan) -> Iterator[Row]:
    rng = plan.rng("outcomes")
    number = 0
    for row in plan.rows:
        if rng.random() < 0.3:
            number += 1
            day = instant(rng, row.year)
            yield {
                "StudentOutcomeID": number, "StudentID": row.person,
                "LocalDestinationID": None if rng.random() < 0.02 else rng.randint(1, len(_DESTINATIONS)),
                "StartDate": day, "CollectionDate": day if rng.random() < 0.9 else None,
                "IsActualDestination": None if rng.random() < 0.005 else row.year < len(_YEARS) - 1,
                "CreatedBy": "careers", "CreatedDate": day,
            }  # fmt: skip


def _maybe(rng: random.Random, share: float) -> bool | None:
    return None if rng.random() < 0.1 else rng.random() < share
