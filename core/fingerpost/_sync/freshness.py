"""Know how old each source's data is, and whether it is too old for a missing record to mean something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from fingerpost._config.opened import Opened
from fingerpost._contract.messages import StreamSpec
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._sync.clock import SKEW
from fingerpost._words.days import say_day

FRESH_DAYS = 7.0
"""Days after a source's last complete read until its data is stale, unless the source says otherwise."""

EXPORT_DAYS = 35.0
"""Days after which an export that feeds activities has stopped if others go on, unless the source says otherwise.

A month and some days, since there are monthly exports. In a holiday all exports rest, and none has stopped.
"""

CHECK_EXPORT = "Check that the export still runs; if it is made less often than that, set fresh_for."
"""What to do about an export that stopped."""

Key: TypeAlias = tuple[str, str]
"""A connector's name and a stream."""


@dataclass(frozen=True, slots=True)
class _Read:
    complete_at: datetime
    data_at: datetime | None

    @property
    def newest(self) -> datetime:
        """Of when the data is: a source that does not say is read live."""
        return self.data_at or self.complete_at


class Freshness:
    """Know which streams are fresh at an instant: read, and their data produced, recently enough."""

    def __init__(self, connection: sa.Connection, opened: Opened, now: datetime) -> None:
        self._now, self._today = now, opened.now()
        self._day, self._zone = _judged(opened, now), opened.timezone
        self._streams = {
            (instance.name, str(spec.name)): (
                getattr(instance.config, "fresh_for", None),
                bool(fed(opened, instance, spec)),
            )
            for instance in opened.config.instances
            for spec in instance.streams
        }
        self._reads = _reads(connection)

    def of(self, key: Key) -> Literal["fresh", "not_read", "not_exported"]:
        """Say whether a stream is fresh; if not, whether we have not read it or its export is not made.

        One that was read at an instant still to come was read by a wrong clock.
        """
        read = self._reads.get(key)
        fresh_for, feeds = self._streams.get(key, (None, False))
        if read is None or not -SKEW <= self._now - read.complete_at <= timedelta(days=fresh_for or FRESH_DAYS):
            return "not_read"
        limit = fresh_for or (EXPORT_DAYS if feeds and self._others_go_on(key[0]) else None)
        is_old = limit is not None and read.data_at is not None and self._is_older(read.data_at, limit)
        return "not_exported" if is_old else "fresh"

    def stopped(self) -> Iterator[tuple[Key, str]]:
        """Yield each stream whose export is no longer made, and a sentence that says since when."""
        for key in self._streams:
            if self.of(key) == "not_exported":
                yield (
                    key,
                    f"{key[0]}: the {key[1]} are of {self.age(key)}, so nothing is concluded from missing records.",
                )

    def all_stopped(self) -> str | None:
        """Say of when the newest export is, where all are so old that none can be told to have stopped."""
        feeding = [key for key, (fresh_for, feeds) in self._streams.items() if feeds and not fresh_for]
        dates = [read.data_at for key in feeding if (read := self._reads.get(key)) and read.data_at]
        newest = max((self._reads[key].newest for key in self._streams if key in self._reads), default=None)
        if not dates or newest is None or not self._is_older(newest, EXPORT_DAYS):
            return None
        return self._ago(newest)

    def age(self, key: Key, *, read: bool = False) -> str:
        """Say of which day a stream's data is, or when it was last read to its end, and how many days ago that was."""
        known = self._reads[key]
        return self._ago(known.complete_at if read else known.newest)

    def _ago(self, instant: datetime) -> str:
        return f"{say_day(instant.astimezone(self._zone))}, {(self._today - instant).days:,} days ago"

    def _is_older(self, instant: datetime, days: float) -> bool:
        return self._day - instant > timedelta(days=days)

    def _others_go_on(self, connector: str) -> bool:
        return any(
            key[0] != connector and key in self._reads and not self._is_older(self._reads[key].newest, EXPORT_DAYS)
            for key in self._streams
        )


def fed(opened: Opened, instance: Instance, spec: StreamSpec) -> tuple[str, ...]:
    """Return the kinds of activity for which a stream is trusted to hold every record."""
    if spec.name not in ("activities", "destinations", "learners"):
        return ()
    configured: tuple[str, ...] | None = getattr(instance.config, "feeds", None)
    if configured is not None:
        names = [one.name for one in instance.streams]
        feeding = "activities" if "activities" in names else names[0]  # or the instance's only one
        return configured if spec.name == feeding else ()
    return tuple(spec.feeds or opened.mappings[instance.name, spec.name].feeds)


def _judged(opened: Opened, now: datetime) -> datetime:
    """Return the instant by which data is old: now, or the end of the day that is looked at, if that is past."""
    as_of = opened.config.settings.college.as_of
    return now if as_of is None else min(now, datetime.combine(as_of, time.max, opened.timezone))


def _reads(connection: sa.Connection) -> dict[Key, _Read]:
    state, names = schema.stream_state, schema.connector
    select = sa.select(names.c.name, state.c.stream, state.c.complete_at, state.c.data_at)
    rows: Any = connection.execute(select.join(names, names.c.id == state.c.connector))
    return {
        (row.name, row.stream): _Read(
            datetime.fromisoformat(row.complete_at), datetime.fromisoformat(row.data_at) if row.data_at else None
        )
        for row in rows
        if row.complete_at is not None
    }
