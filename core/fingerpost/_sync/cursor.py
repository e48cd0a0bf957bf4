"""Where an incremental read begins, and how far a cursor may move."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fingerpost._words.days import utc_text

if TYPE_CHECKING:
    from fingerpost._contract.messages import Cursor, StreamSpec

EARLIEST_YEAR = 1900
"""Instants and days before this year are what some systems write for none: .NET has 0001-01-01, others 1899-12-30."""


def look_back(cursor: Cursor, days: float, spec: StreamSpec) -> Cursor:
    if spec.cursor == "instant":
        return utc_text(datetime.fromisoformat(str(cursor)) - timedelta(days=days))
    if spec.cursor == "date":
        return (date.fromisoformat(str(cursor)) - timedelta(days=math.ceil(days))).isoformat()
    return cursor


def cap(cursor: Cursor, now: datetime, spec: StreamSpec, zone: Any) -> Cursor | None:
    """Normalise a cursor and keep it from passing the start of the run: a row may be written while we read.

    Returns None for one of a year in which no record was made.
    """
    if spec.cursor == "instant":
        instant = datetime.fromisoformat(str(cursor))
        if instant.year < EARLIEST_YEAR:
            return None
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=zone)
        return utc_text(min(instant, now).astimezone(UTC))  # in this order: the last day there is has no other zone
    if spec.cursor == "date":
        day = date.fromisoformat(str(cursor))
        return min(day, now.astimezone(zone).date()).isoformat() if day.year >= EARLIEST_YEAR else None
    return cursor
