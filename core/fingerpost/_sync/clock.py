"""Recognise a clock that was set back, and take back what earlier runs dated ahead of this one.

A clock that is wrong for one night must not cost more than that night: a cursor from 2030 would ask for nothing until
2030, and a source that was read then would count as fresh for as long.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from fingerpost._store import schema
from fingerpost._words.days import say_day, utc_text

SKEW = timedelta(days=1)
"""How far ahead of us an instant may lie before it says nothing: clocks of two machines never quite agree."""


def earlier_than_before(run: int, started_at: str, last: tuple[int, str] | None) -> str | None:
    """Return a sentence if a run began before the last one did, whose number and start are `last`."""
    if last is None or started_at >= last[1]:
        return None
    return (
        f"Run {run} began at {say_instant(started_at)}, before run {last[0]} did, at {say_instant(last[1])}: the clock "
        "of this machine was wrong in one of them. Check it. What lay ahead was taken back, so what is read by time is "
        "read whole."
    )


def say_instant(stored: str) -> str:
    """Write an instant of the store for a person: 04:00 UTC on 2 March 2026."""
    at = datetime.fromisoformat(stored)
    return f"{at:%H:%M} UTC on {say_day(at.date())}"


def last_run(connection: sa.Connection) -> tuple[int, str] | None:
    """Return the number and the start of the last run, None if there was none."""
    table = schema.run
    row = connection.execute(sa.select(table.c.id, table.c.started_at).order_by(table.c.id.desc()).limit(1)).first()
    return None if row is None else (row.id, row.started_at)


def take_back(connection: sa.Connection, now: datetime, zone: ZoneInfo) -> None:
    """Take back every remembered instant that lies ahead of `now`.

    A stream is read whole again, and was last read to the end when the ledger says so. What waits in the outbox or in
    quarantine counts from now on.
    """
    text, today = utc_text(now), now.astimezone(zone).date()
    state = schema.stream_state
    for row in connection.execute(sa.select(state)).all():
        told = {name: getattr(row, name) for name in ("full_at", "complete_at", "data_at")}
        ahead: dict[str, str | None] = {
            name: None for name, value in told.items() if value is not None and value > text
        }
        if "complete_at" in ahead:
            ahead["complete_at"] = _last_complete(connection, row.connector, row.stream, text)
        if _is_ahead(row.cursor, text, today):
            ahead |= {"cursor": None, "full_at": None}
        if ahead:
            this = sa.and_(state.c.connector == row.connector, state.c.stream == row.stream)
            connection.execute(sa.update(state).where(this).values(ahead))
    for column in (schema.quarantine.c.since, schema.outbox.c.attempted_at, schema.outbox.c.settled_at):
        connection.execute(sa.update(column.table).where(column > text).values({column.name: text}))


def _is_ahead(cursor: str | None, now: str, today: date) -> bool:
    """Say whether a stored cursor is a time after now; a growing number is none."""
    value = None if cursor is None else json.loads(cursor)
    return isinstance(value, str) and value > (today.isoformat() if len(value) == len("2026-03-02") else now)


def _last_complete(connection: sa.Connection, connector: int, stream: str, now: str) -> str | None:
    """Return the start of the last run by now that read a stream to its end."""
    read, run = schema.stream_run, schema.run
    select = sa.select(sa.func.max(run.c.started_at)).join(read, read.c.run == run.c.id)
    whole = read.c.state.in_(("complete", "unchanged"))
    this = sa.and_(read.c.connector == connector, read.c.stream == stream, whole, run.c.started_at <= now)
    found: str | None = connection.scalar(select.where(this))
    return found
