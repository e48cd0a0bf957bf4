"""The calendar of an invented college: when its terms begin and end, and when nobody is there.

It is an ordinary college's. Courses begin in the first days of September and end in late June or early July, each on a
day of its own, so that summers are from 54 to 75 days long. In half terms and holidays there are no events.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

START = 2025
"""The calendar year in which its academic year begins."""
AS_OF = date(2026, 3, 2)
"""The day as of which an invented college is looked at."""
NEXT_SEPTEMBER = date(2026, 9, 14)
"""The day as of which it is looked at when the next academic year has begun."""

_FIRST_DAYS = (2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 9, 9)
"""The days of September on which learners begin, as often as they do."""
_NO_TEACHING = {
    # the first Monday, and how many weeks
    date(2024, 10, 28): 1, date(2024, 12, 23): 2, date(2025, 2, 17): 1, date(2025, 4, 7): 2, date(2025, 5, 26): 1,
    date(2025, 10, 27): 1, date(2025, 12, 22): 2, date(2026, 2, 16): 1, date(2026, 3, 30): 2, date(2026, 5, 25): 1,
    date(2026, 10, 26): 1, date(2026, 12, 21): 2,
}  # fmt: skip
_WEEK = timedelta(weeks=1)


def first_day(rng: random.Random, year: int) -> date:
    """Return the day on which a learner begins in the September of a year."""
    return date(year, 9, rng.choice(_FIRST_DAYS))


def last_day(year: int, weeks: int) -> date:
    """Return the Friday on which a course ends in the summer of a year: late in June, or so many weeks later."""
    june = date(year, 6, 26)
    return june - timedelta(days=(june.weekday() - 4) % 7) + weeks * _WEEK


def teaching_day(rng: random.Random, first: date, days: int) -> date:
    """Return a day of teaching, at most so many days after the first; what falls into a holiday comes after it."""
    day = first + timedelta(days=rng.randint(0, days))
    day -= timedelta(days=max(0, day.weekday() - 4))
    while any(monday <= day < monday + weeks * _WEEK for monday, weeks in _NO_TEACHING.items()):
        day += _WEEK
    return day
