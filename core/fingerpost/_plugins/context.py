"""The context of a connector's hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import structlog

from fingerpost._contract.connector import ConnectorConfig
from fingerpost._mapping.compiled import CompiledMapping
from fingerpost._words.errors import ConfigError
from fingerpost._words.nearest import nearest

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from fingerpost._web.http import Http


def key_columns(settings: ConnectorConfig, otherwise: Sequence[str]) -> tuple[str, ...]:
    """Return the columns in a connector's `key`; if that is something else, such as a secret, the others."""
    named = getattr(settings, "key", None)
    return tuple(named) if isinstance(named, list | tuple) and named else tuple(otherwise)


def addresses_in(value: object) -> Iterator[str]:
    """Yield every address in a connector's settings, nested tables included."""
    if isinstance(value, str):
        if value.startswith(("https://", "http://")):
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from addresses_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from addresses_in(one)


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
    incomplete_because: str | None = None
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
        """Refuse a file without a column that the mapping needs; list the unread columns."""
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

    def incomplete(self, why: str) -> None:
        """Remember the first reason why this read is no proof of what is gone."""
        self.incomplete_because = self.incomplete_because or why

    def _missing_sentence(self, mapping: str, missing: Mapping[str, Any], columns: Sequence[str], where: str) -> str:
        near = {name: nearest(name, columns) for name in missing}
        parts = [f"'{name}'" + (f" (did you mean '{meant}'?)" if meant else "") for name, meant in near.items()]
        plural = "columns" if len(parts) > 1 else "column"
        return (
            f"Connector {self.name}: {where} has no {plural} {', '.join(parts)}, which the mapping {mapping} "
            f"needs. It has: {', '.join(columns)}. Correct the export, or write a mapping for it."
        )
