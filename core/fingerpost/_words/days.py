"""Academic years, and how an instant and a day are spelt."""

from __future__ import annotations

from datetime import UTC, date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def spell_academic_year(start: int) -> str:
    return f"{start}/{(start + 1) % 100:02d}"


def academic_year_of(day: date) -> str:
    """Return the academic year (1 August to 31 July) of a day, spelt ``2025/26``."""
    return spell_academic_year(day.year if day.month >= 8 else day.year - 1)


def academic_year_bounds(year: str) -> tuple[date, date]:
    """Return the first and the last day of an academic year spelt ``2025/26``: 1 August and 31 July."""
    start = int(year[:4])
    return date(start, 8, 1), date(start + 1, 7, 31)


def utc_text(instant: datetime) -> str:
    """Spell an instant in UTC as the store does: to the second, sortable; raise ValueError where it names no zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def say_day(day: date) -> str:
    """Spell a day as people here write it, whatever the machine's own language: 2 March 2026."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
