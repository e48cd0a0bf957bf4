"""What the host hands to a connector, for tests that call its hooks: it keeps what it is told, and nobody waits."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import structlog

from fingerpost import Message, Record, Rejected
from fingerpost._web.http import Http

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass
class HostContext:
    """A context; `forbidden` names what the connector of a test has no reason to call.

    `warnings`, `headers`, `digests`, `data_at`, `gaps` and `pauses` hold what the connector said and how long it
    would have waited; `known` are the digests of the last night.
    """

    base_dir: Path = field(default_factory=Path)
    columns: frozenset[str] = frozenset()
    key: tuple[str, ...] = ()
    name: str = "ilp"
    now: datetime = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/London"))
    log: Any = field(default_factory=structlog.get_logger)
    hosts: Sequence[str] = ()
    secrets: Sequence[str] = ()
    timeout: float = 5.0
    known: Mapping[str, str] | None = None
    forbidden: frozenset[str] = frozenset()
    warnings: list[tuple[str, str, str, str]] = field(default_factory=list)
    headers: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    data_at: datetime | None = None
    gaps: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    helper: Http | None = None

    @property
    def as_of(self) -> date:
        return self.now.astimezone(self.timezone).date()

    @property
    def http(self) -> Http:
        """The host's own HTTP helper, made when it is first asked for."""
        if self.helper is None:
            self.helper = Http(
                log=self.log, sleep=self.pauses.append, secrets=self.secrets, timeout=self.timeout,
                base_hosts=self.hosts,
            )  # fmt: skip
        return self.helper

    def close(self) -> None:
        if self.helper is not None:
            self.helper.close()

    def warn(self, code: str, *, key: str = "", field: str = "", where: str = "") -> None:
        assert "warn" not in self.forbidden, code
        self.warnings.append((code, key, field, where))

    def unchanged(self, digests: Mapping[str, str]) -> bool:
        self.digests = dict(digests)
        return self.digests == self.known

    def header(self, columns: Sequence[str], *, where: str) -> None:
        assert "header" not in self.forbidden, where
        self.headers.append((tuple(columns), where))

    def data_from(self, instant: datetime) -> None:
        assert "data_from" not in self.forbidden, instant
        self.data_at = instant

    def incomplete(self, why: str) -> None:
        assert "incomplete" not in self.forbidden, why
        self.gaps.append(why)


class Clock:
    """A clock that goes on only when it is told to, or when somebody sleeps."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.slept = 0.0

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.later(seconds=seconds)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


def records(messages: Iterable[Message]) -> list[Record]:
    return [message for message in messages if isinstance(message, Record)]


def rejected(messages: Iterable[Message]) -> list[Rejected]:
    return [message for message in messages if isinstance(message, Rejected)]


def keys(messages: Iterable[Message]) -> list[str]:
    """Return the keys of the records among messages."""
    return [record.key for record in records(messages)]


@contextmanager
def host_context(**said: Any) -> Iterator[Any]:
    """Give a context, and close what it opened."""
    made = HostContext(**said)
    try:
        yield made
    finally:
        made.close()
