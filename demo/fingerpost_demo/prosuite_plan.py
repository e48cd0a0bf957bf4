"""The size of a pair of invented databases, and the learners, courses and groups that both of them know."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from fingerpost_demo.people import AS_OF

YEARS: Final = ("24/25", "25/26")
"""The academic years that are kept."""
TODAY: Final = datetime(AS_OF.year, AS_OF.month, AS_OF.day)  # noqa: DTZ001 - local, as in the database
AREAS: Final = (
    ("HSC", "Health and Care"), ("CON", "Construction"), ("DIG", "Digital"), ("BUS", "Business"),
    ("CRE", "Creative Arts"), ("ENG", "Engineering"), ("SPO", "Sport"), ("SCI", "Science"),
)  # fmt: skip
COURSES: Final = (
    # code, name, ILR FundModel, ILR ProgType, level, share
    ("ST", "Level 3 Diploma in {}", "25", None, "3", 55),
    ("TL", "T Level in {}", "25", 31, "3", 15),
    ("AP", "Apprenticeship in {}", "36", 25, "2", 10),
    ("AD", "Certificate in {}", "38", None, "2", 20),
)


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
        return {column: padded(self.reference, 12), "AcademicYearID": padded(YEARS[self.year], 10)}


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
        return max(1, self.learners // (len(AREAS) * len(COURSES) * 22))

    def rng(self, what: str) -> random.Random:
        """Return the dice of one table, so that no table depends on the size of another."""
        return random.Random(f"{self.seed} {what}")  # noqa: S311 - invented people need no strong randomness

    def offering(self, year: int, area: int, course: int, group: int) -> int:
        """Return the number of an offering: one group of one course in one year."""
        return 1 + group + self.groups * (course + len(COURSES) * (area + len(AREAS) * year))

    def extra_course(self, year: int, subject: int) -> int:
        """Return the number of an offering of English or mathematics."""
        return self.offering(len(YEARS), 0, 0, 0) + year * 2 + subject

    def offering_of(self, row: LearnerYear) -> int:
        """Return the number of a learner's main course."""
        return self.offering(row.year, row.area, row.course, row.group)

    def tutor(self, offering: int) -> int:
        """Return the member of staff who tutors an offering."""
        return 1 + (offering * 7919 + self.seed) % self.staff


def group_code(area: int, course: int, group: int) -> str:
    """Return the code of a group."""
    return f"{AREAS[area][0]}-{COURSES[course][0]}{group + 1}"


def instant(rng: random.Random, year: int) -> datetime:
    """Return an instant of an academic year, not after the day on which the college is looked at."""
    begin = first_day(YEARS[year])
    days = max(1, min(310, (TODAY - begin).days))
    return begin + timedelta(days=rng.randrange(days), hours=rng.randint(9, 16), minutes=rng.randrange(60))


def first_day(year: str) -> datetime:
    """Return the first day of teaching of a year such as 25/26."""
    return datetime(2000 + int(year[:2]), 9, 1)  # noqa: DTZ001 - local, as in the database


def padded(text: str, length: int) -> str:
    """Return a text as a column of fixed length gives it back."""
    return text.ljust(length)
