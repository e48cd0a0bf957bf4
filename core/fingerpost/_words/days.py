"""Academic years and weeks, and how instants and days are written."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime


def spell_academic_year(start: int) -> str:
    return f"{start}/{(start + 1) % 100:02d}"


def academic_year_of(day: date) -> str:
    """Return the academic year (1 August to 31 July) of a day, spelt ``2025/26``."""
    return spell_academic_year(day.year if day.month >= 8 else day.year - 1)


def academic_year_bounds(year: str) -> tuple[date, date]:
    """Return the first and the last day of an academic year spelt ``2025/26``: 1 August and 31 July."""
    start = int(year[:4])
    return date(start, 8, 1), date(start + 1, 7, 31)


_ACADEMIC_YEAR = re.compile(r"([0-9]{4}|[0-9]{2})\s*[/\u2013-]\s*([0-9]{4}|[0-9]{2})|([0-9]{2})([0-9]{2})")


def read_academic_year(text: str) -> int | None:
    """Return the year in which an academic year begins, from any usual spelling; None if the text is not one."""
    match = _ACADEMIC_YEAR.fullmatch(text)
    if not match:
        return None
    first, second = (match[1], match[2]) if match[1] else (match[3], match[4])
    start = int(first) if len(first) == 4 else int(first) + (1900 if int(first) >= 90 else 2000)
    follows = int(second) == (start + 1 if len(second) == 4 else (start + 1) % 100)
    return start if follows and len(second) <= len(first) else None


def iso_week(day: date) -> str:
    """Return the ISO week of a day, such as ``2026-W10``; the texts sort as the weeks do."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def utc_text(instant: datetime) -> str:
    """Spell an instant in UTC as the store does: to the second, sortable; raise ValueError if it has no time zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def say_day(day: date) -> str:
    """Write a day as the British do, whatever the machine's locale: 2 March 2026."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
