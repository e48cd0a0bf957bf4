"""What the parts of one run share, and the context that a connector's hooks are given."""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import structlog

from fingerpost._errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date, datetime
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from structlog.typing import FilteringBoundLogger

    from fingerpost._config import Configuration
    from fingerpost._connector import ConnectorConfig
    from fingerpost._frameworks import Framework
    from fingerpost._host import Host
    from fingerpost._http import Http
    from fingerpost._mapping import CompiledMapping
    from fingerpost._store import Store, Unit
    from fingerpost._sync.report import RunReport

__all__ = ["HookContext", "Progress", "Run", "SilentProgress", "key_columns", "make_http", "utc_text"]


class Progress(Protocol):
    """Follow a run: the command line draws it, a Python caller may ignore it."""

    def phase(self, name: str) -> None:
        """Learn that a phase begins."""

    def advance(self, count: int) -> None:
        """Learn that so many more records or learners are done in this phase."""


class SilentProgress:
    """Follow a run without saying anything."""

    def phase(self, name: str) -> None:
        """Ignore it."""

    def advance(self, count: int) -> None:
        """Ignore it."""


def utc_text(instant: datetime) -> str:
    """Spell an instant in UTC as the store does: to the second, sortable."""
    return instant.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def key_columns(settings: ConnectorConfig, otherwise: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that a connector's `key` names; for a key of another kind, such as a secret, the others."""
    named = getattr(settings, "key", None)
    return tuple(named) if isinstance(named, list | tuple) and named else tuple(otherwise)


def make_http(config: Configuration, settings: ConnectorConfig, log: FilteringBoundLogger) -> Http:
    """Make the HTTP helper that ``[network]`` describes; its libraries take a while to import.

    Only hosts that stand in the connector's own settings may be asked; where none stands there, the connector knows
    its service itself.
    """
    from fingerpost._http import Http

    network = config.settings.network
    hosts = {urlsplit(address).hostname for address in _addresses(settings.model_dump())}
    return Http(
        base_hosts=[host for host in hosts if host is not None],
        timeout=network.timeout,
        proxy=network.proxy,
        ca_file=network.ca_file,
        secrets=config.secrets,
        log=log,
    )


def _addresses(value: object) -> Iterator[str]:
    """Yield the addresses that stand anywhere in a connector's settings, tables within tables included."""
    if isinstance(value, str):
        if value.startswith(("https://", "http://")):
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _addresses(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _addresses(one)


@dataclass(slots=True)
class Run:
    """One run and everything that its parts need."""

    id: int
    store: Store
    unit: Unit
    host: Host
    config: Configuration
    framework: Framework
    mappings: Mapping[tuple[str, str], CompiledMapping]
    now: datetime
    as_of: date
    report: RunReport
    progress: Progress
    log: FilteringBoundLogger
    connector_ids: dict[str, int] = field(default_factory=dict)

    @property
    def now_text(self) -> str:
        """The start of the run, as the store spells it."""
        return utc_text(self.now)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase of the run and say that it began."""
        self.progress.phase(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            taken = round(time.perf_counter() - started, 3)
            self.report.phases[name] = round(self.report.phases.get(name, 0.0) + taken, 3)
            self.log.info("phase_done", phase=name, seconds=taken)

    def rank(self, connector: str) -> int:
        """Return how much a connector is trusted: its place in the configuration."""
        return self.config.rank(connector)


@dataclass(slots=True)
class HookContext:
    """The context of one hook call; see `fingerpost.Context`."""

    name: str
    base_dir: Path
    now: datetime
    as_of: date
    timezone: ZoneInfo
    make_http: Callable[[], Http]
    mapping: CompiledMapping | None = None
    key: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    log: FilteringBoundLogger = field(default_factory=structlog.get_logger)
    warned: Callable[[str, str, str, str], None] = lambda code, key, field, where: None
    known_digests: Mapping[str, str] | None = None
    digests: dict[str, str] | None = None
    skipped: bool = False
    data_at: datetime | None = None
    _http: Http | None = None

    @property
    def http(self) -> Http:
        """The HTTP helper, made when first asked for."""
        if self._http is None:
            self._http = self.make_http()
        return self._http

    def warn(self, code: str, *, key: str = "", field: str = "", where: str = "") -> None:
        """Pass a fault in the data on to the run."""
        self.warned(code, key, field, where)

    def unchanged(self, digests: Mapping[str, str]) -> bool:
        """Compare the inputs with those of the last complete read, and remember them for the next."""
        self.digests = dict(digests)
        self.skipped = self.known_digests is not None and self.digests == self.known_digests
        return self.skipped

    def header(self, columns: Sequence[str], *, where: str) -> None:
        """Refuse a file without a column that the mapping needs; list the columns that nothing reads."""
        if self.mapping is None:
            return
        missing = (*self.mapping.missing(columns), *(name for name in self.key if name not in columns))
        if missing:
            raise ConfigError(self._missing_sentence(self.mapping.name, dict.fromkeys(missing), columns, where))
        for column in self.mapping.unread(columns):
            if column not in self.key:
                self.warn("unread_column", field=column, where=where)

    def close(self) -> None:
        """Close the HTTP helper, if it was used."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def data_from(self, instant: datetime) -> None:
        """Remember the age of the data: that of its newest part."""
        if self.data_at is None or instant > self.data_at:
            self.data_at = instant

    def _missing_sentence(self, mapping: str, missing: Mapping[str, Any], columns: Sequence[str], where: str) -> str:
        parts = []
        for name in missing:
            near = difflib.get_close_matches(name, columns, n=1)
            parts.append(f"'{name}'" + (f" (is it '{near[0]}'?)" if near else ""))
        plural = "columns" if len(parts) > 1 else "column"
        return (
            f"Connector {self.name}: {where} has no {plural} {', '.join(parts)}, which the mapping {mapping} "
            f"needs. It has: {', '.join(columns)}. Correct the export, or write a mapping for it."
        )
