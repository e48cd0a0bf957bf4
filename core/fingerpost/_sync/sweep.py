"""Remove rows missing from a full read, or hold the removal for a person if implausibly many are missing."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.seen import SeenRows
from fingerpost._sync.stream import Stream
from fingerpost._words.days import academic_year_bounds, academic_year_of

SWEEP_ROWS, SWEEP_SHARE = 5, 0.20
"""A sweep that would remove more rows than this, and more than this share, waits for a person."""

_hold = schema.sweep_hold


class Missing(NamedTuple):
    """The rows that a full read lacked, and whether their removal is held for a person."""

    rows: list[int]
    is_held: bool


def sweep(stream: Stream, seen: SeenRows, parts: Collection[str], last_day: str) -> Missing:
    """Return the rows that a full read lacked; whoever removes them gives them `last_day`, also after a hold.

    Only rows of the `parts` that the source supplied are considered, and of a log that begins anew each year only those
    of this year, once it holds any: what earlier years held is not missing. An empty stream, and one that lacks
    implausibly many rows, are held, and stay held: new rows must not make the share of missing ones small enough.
    """
    table = stream.table
    live = sa.select(table.c.id, table.c.part).where(table.c.connector == stream.number, table.c.deleted_run.is_(None))
    begins_anew = stream.holds == "this_year"
    if begins_anew:
        first, last = academic_year_bounds(academic_year_of(stream.run.as_of))
        live = live.where(table.c.starts_on.between(first.isoformat(), last.isoformat()))
    if stream.holds == "year_a_file":
        parts = {*parts, ""} if parts else parts  # where rows stood before their files were told apart
    total = found = 0
    gone: list[int] = []
    for number, part in stream.connection.execute(live.execution_options(yield_per=10_000)):
        if parts and part not in parts:
            continue
        total += number < seen.first_new
        if number in seen:
            found += 1
        else:
            gone.append(number)
    if begins_anew and parts and not found:
        gone = []  # the log is not of this year: it has not begun yet, or next year's has begun already
    empty = not parts and not stream.report.rejected
    many = len(gone) > SWEEP_ROWS and (_is_held(stream) or len(gone) > SWEEP_SHARE * total)
    # Answers all go at once when a year ends and its items are closed; without them a tutor is sent more, not less.
    if gone and (empty or many) and stream.spec.name != "responses":
        why = "returned no rows" if not parts else f"no longer holds {len(gone)} of {total} {stream.spec.name}"
        _hold_back(stream, gone, why, last_day)
        stream.run.log.warning(
            "sweep_held", connector=stream.instance.name, stream=stream.spec.name, rows=len(gone), of=total
        )
        return Missing(gone, is_held=True)
    _let_go(stream)
    return Missing(gone, is_held=False)


def _hold_back(stream: Stream, gone: list[int], why: str, last_day: str) -> None:
    select = sa.select(_hold.c.row_id, _hold.c.ended_on).where(stream.of(_hold))
    before: dict[int, str | None] = dict(stream.connection.execute(select).all())
    _let_go(stream)
    rows = [(stream.number, stream.spec.name, number, before.get(number) or last_day) for number in gone]
    executemany(stream.connection, stream.run.store.dialect.insert_ignore(_hold), rows)
    stream.report.message = (
        f"Connector {stream.instance.name} {why}, so nothing was removed. If that is right, run "
        f"fingerpost sweep --confirm; if not, correct the export and sync again."
    )


def _is_held(stream: Stream) -> bool:
    return stream.connection.scalar(sa.select(_hold.c.row_id).where(stream.of(_hold)).limit(1)) is not None


def _let_go(stream: Stream) -> None:
    stream.connection.execute(sa.delete(_hold).where(stream.of(_hold)))
