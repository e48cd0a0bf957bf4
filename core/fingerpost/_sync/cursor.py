"""What is remembered about a stream between reads: how far its cursor got, and what its inputs were."""

from __future__ import annotations

import contextlib
import json
import math
from datetime import date, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa

from fingerpost._contract.messages import Cursor, StreamSpec
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.stream import Stream
from fingerpost._words.days import academic_year_of, utc_text
from fingerpost._words.errors import ContractError

EARLIEST_YEAR = 1900
"""Some systems write an earlier year where there is no date: .NET has 0001-01-01, others 1899-12-30."""


class StreamState:
    """Remember how far one stream was read; after a change of fingerprint it is read from the start."""

    def __init__(self, stream: Stream, *, full: bool) -> None:
        self.stream = stream
        self._cursor: Cursor | None = None
        self._known: Any = None
        self._force_full = full
        self.since: Cursor | None = None
        self.year: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether this is a full read."""
        return self.since is None

    def load(self) -> None:
        """Load what is stored, and decide where this read begins."""
        stream, state = self.stream, schema.stream_state
        self._known = stream.connection.execute(sa.select(state).where(stream.of(state))).one_or_none()
        self.year = None if self._known is None else self._known.year
        if self._known is not None and not self._is_same:
            name = stream.instance.name
            stream.run.log.info("whole_read", connector=name, stream=stream.spec.name, why="settings changed")
        elif self._known is not None and not self._force_full:
            stream.context.known_digests = json.loads(self._known.digests) if self._known.digests else None
            self.since = self._begin_from()

    @property
    def _is_same(self) -> bool:
        return self._known is not None and self._known.fingerprint == self.stream.fingerprint

    def _begin_from(self) -> Cursor | None:
        """Return where to begin: the stored cursor minus the look-back, or None if a full read is due.

        It is also due in a new academic year, for which a service may be asked by name, and if the stored cursor can no
        longer be parsed.
        """
        known, spec = self._known, self.stream.spec
        if known.cursor is None or known.full_at is None or spec.cursor is None:
            return None
        config = cast("Any", self.stream.instance.config)
        run, whole_at = self.stream.run, datetime.fromisoformat(known.full_at)
        if run.now - whole_at >= timedelta(days=config.full_every) or self._year_of(whole_at) != self._year_of(run.now):
            return None
        lookback = spec.lookback_days if config.lookback is None else config.lookback
        with contextlib.suppress(ValueError, OverflowError):
            return look_back(json.loads(known.cursor), lookback, spec)
        return None

    def _year_of(self, instant: datetime) -> str:
        return academic_year_of(instant.astimezone(self.stream.context.timezone).date())

    def move(self, cursor: Cursor | None) -> bool:
        """Advance to a checkpoint's cursor, never backwards or past the start of the run; return whether it is valid.

        One from before `EARLIEST_YEAR` is not.
        """
        if cursor is None:
            return True
        stream = self.stream
        if stream.spec.cursor is None:
            raise ContractError(
                f"Connector {stream.instance.name} returns a cursor for {stream.spec.name}, but declares none."
            )
        capped = cap(cursor, stream.run.now, stream.spec, stream.context.timezone)
        if capped is not None and (self._cursor is None or cast("Any", capped) > self._cursor):
            self._cursor = capped
        return capped is not None

    def save(self, *, complete: bool, held: bool = False) -> None:
        """Store how far the read got; while a sweep is held every read is a full one."""
        stream, known = self.stream, self._known
        old: Cursor | None = json.loads(known.cursor) if self._is_same and known.cursor else None
        cursor = self._cursor if old is None or (self._cursor is not None and cast("Any", self._cursor) > old) else old
        digests = stream.context.digests if complete and not held else None
        now = stream.run.now_text
        full_at = now if complete and self.is_full else (known.full_at if self._is_same else None)
        row = (
            stream.number,
            stream.spec.name,
            stream.fingerprint,
            None if cursor is None else json.dumps(cursor),
            None if digests is None else json.dumps(digests),
            now if complete else (known.complete_at if known is not None else None),
            None if held else full_at,
            self._data_at() if complete else (known.data_at if known is not None else None),
            self.year,
        )
        self._upsert(row)

    def _data_at(self) -> str | None:
        """Return how old the data is: no newer than this run, and no newer than it was if it has not changed."""
        context, known = self.stream.context, self._known
        if context.data_at is None:
            return None
        if context.data_at <= self.stream.run.now:
            return utc_text(context.data_at)
        before: str | None = None if known is None else known.data_at
        return before if context.skipped and before is not None else self.stream.run.now_text

    def restore(self) -> None:
        """Reset the cursor to where this read began: what came since must be read again."""
        if self._known is None:
            self.stream.connection.execute(sa.delete(schema.stream_state).where(self.stream.of(schema.stream_state)))
        else:
            self._upsert(tuple(self._known))

    def _upsert(self, row: tuple[Any, ...]) -> None:
        upsert = self.stream.run.store.dialect.upsert(schema.stream_state, conflict=["connector", "stream"])
        executemany(self.stream.connection, upsert, [row])


def look_back(cursor: Cursor, days: float, spec: StreamSpec) -> Cursor:
    """Return a cursor that lies some days before another; one that is not a time stays as it is."""
    if spec.cursor == "instant":
        return utc_text(datetime.fromisoformat(str(cursor)) - timedelta(days=days))
    if spec.cursor == "date":
        return (date.fromisoformat(str(cursor)) - timedelta(days=math.ceil(days))).isoformat()
    return cursor


def cap(cursor: Cursor, now: datetime, spec: StreamSpec, zone: Any) -> Cursor | None:
    """Normalise a cursor and keep it from passing the start of the run: a row may be written while we read.

    Returns None if it lies before `EARLIEST_YEAR`.
    """
    if spec.cursor == "instant":
        instant = datetime.fromisoformat(str(cursor))
        if instant.year < EARLIEST_YEAR:
            return None
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=zone)
        return utc_text(min(instant, now))  # in this order: converting the last representable day would overflow
    if spec.cursor == "date":
        day = date.fromisoformat(str(cursor))
        return min(day, now.astimezone(zone).date()).isoformat() if day.year >= EARLIEST_YEAR else None
    return cursor
