"""The days that matter to a college, from the spring of 2026 to the second February after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

FIRST_NIGHT = date(2026, 4, 13)
LAST_NIGHT = date(2028, 2, 7)
"""Both are Mondays."""

ONE_DAY, ONE_WEEK = timedelta(days=1), timedelta(weeks=1)

TERM_STARTS = {2024: date(2024, 9, 2), 2025: date(2025, 9, 1), 2026: date(2026, 9, 2), 2027: date(2027, 9, 6)}

ROLLOVER = {2026: date(2026, 9, 7), 2027: date(2027, 9, 6)}
"""The Mondays on which the exports begin to be of the new academic year."""

ENROLLED_AHEAD = timedelta(days=14)
"""How long before it begins a programme is in the export."""


def year_of(day: date) -> int:
    """Return the calendar year in which the academic year of a day began."""
    return day.year if day.month >= 8 else day.year - 1


def first_day(year: int) -> date:
    return date(year, 8, 1)


def last_day(year: int) -> date:
    return date(year + 1, 7, 31)


def term_ends(year: int, *, long_summer: bool) -> date:
    return date(year + 1, 6, 26) if long_summer else date(year + 1, 7, 9)


def spelt(year: int) -> str:
    return f"{year}/{(year + 1) % 100:02d}"


def exported_year(day: date) -> int:
    """Return the academic year that exports of this year only are of: it turns on a Monday in September."""
    return max([2025, *(year for year, monday in ROLLOVER.items() if day >= monday)])


def mondays(first: date = FIRST_NIGHT, last: date = LAST_NIGHT) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += ONE_WEEK


def in_the_summer(day: date) -> bool:
    """Say whether files turn from one academic year to the next about this day."""
    return (8, 1) <= (day.month, day.day) <= (10, 12)
