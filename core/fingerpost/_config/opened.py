"""An opened college: the configuration, plugins, rules and store that views and runs use."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog

from fingerpost._benchmarks.framework import Framework
from fingerpost._config.configuration import Configuration
from fingerpost._contract.connector import ConnectorConfig, Source
from fingerpost._mapping.compiled import CompiledMapping
from fingerpost._mapping.compiler import compile_mapping
from fingerpost._mapping.document import MappingLibrary
from fingerpost._plugins.context import HookContext, addresses_in, key_columns
from fingerpost._plugins.host import Host
from fingerpost._plugins.instance import Instance
from fingerpost._record.kinds import load_kinds
from fingerpost._store.store import Store
from fingerpost._words.errors import ConfigError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from fingerpost._web.http import Http


def utc_now() -> datetime:
    """Return the present instant; tests hand in another clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Opened:
    """Everything that a view or a run needs to know of a college.

    `clock` is the only source of time, and `sleep` the only way for a run to let some pass.
    """

    host: Host
    config: Configuration
    framework: Framework
    mappings: Mapping[tuple[str, str], CompiledMapping]
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    _store: Store | None = field(default=None, repr=False)

    @property
    def store(self) -> Store:
        """The store, opened when first asked for, and created or migrated if necessary."""
        if self._store is None:
            self._store = Store.open(self.config.store_url or self.config.settings.store.path)
        return self._store

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return self.clock().astimezone(UTC)

    @property
    def timezone(self) -> ZoneInfo:
        """The college's time zone."""
        return ZoneInfo(self.config.settings.college.timezone)

    def today(self, as_of: date | None = None) -> date:
        """Return the day to judge: the one asked for, the configured one, or today in the college's zone."""
        return as_of or self.config.settings.college.as_of or self.now().astimezone(self.timezone).date()

    def source(self, name: str) -> Instance:
        """Return a configured source by name, or raise `ConfigError` listing them."""
        for instance in self.config.instances:
            if instance.name == name:
                return instance
        names = ", ".join(instance.name for instance in self.config.instances)
        raise ConfigError(f"There is no source called '{name}'. The sources are: {names}.")

    def context(
        self,
        instance: Instance,
        mapping: CompiledMapping | None = None,
        *,
        now: datetime | None = None,
        log: FilteringBoundLogger | None = None,
    ) -> HookContext:
        """Return the context of an instance's hooks: in a run, with its start as `now` and its log."""
        bound: FilteringBoundLogger = (log or structlog.get_logger("fingerpost")).bind(connector=instance.name)
        key = key_columns(instance.config, mapping.key) if mapping is not None else ()
        return HookContext(
            name=instance.name,
            base_dir=self.config.base_dir,
            now=now or self.now(),
            as_of=self.today(),
            timezone=self.timezone,
            make_http=lambda: _make_http(self.config, instance.config, bound),
            mapping=mapping,
            key=key,
            columns=frozenset() if mapping is None else mapping.columns | frozenset(key),
            log=bound,
        )


def _make_http(config: Configuration, settings: ConnectorConfig, log: FilteringBoundLogger) -> Http:
    """Make the HTTP helper that ``[network]`` describes; its libraries are slow to import.

    Only hosts in the connector's own settings may be asked; without any, the connector knows its service itself.
    """
    from fingerpost._web.http import Http

    network = config.settings.network
    hosts = {urlsplit(address).hostname for address in addresses_in(settings.model_dump())}
    return Http(
        base_hosts=[host for host in hosts if host is not None],
        timeout=network.timeout,
        proxy=network.proxy,
        ca_file=network.ca_file,
        secrets=config.secrets,
        log=log,
    )


def compile_mappings(host: Host, config: Configuration, problems: list[str]) -> dict[tuple[str, str], CompiledMapping]:
    """Compile the mapping of every stream of every source; what is wrong is added to `problems`."""
    library = MappingLibrary(host.mapping_files())
    never = config.settings.privacy.never_ingest
    options: Any = {
        "converters": host.converters(),
        "kinds": load_kinds(),
        "never_ingest": never,
        "timezone": ZoneInfo(config.settings.college.timezone),
    }
    compiled: dict[tuple[str, str], CompiledMapping] = {}
    for instance in config.instances:
        for spec in instance.streams:
            name = cast("Source", instance.connector).mapping_for(spec.name) or spec.mapping
            where = f'Connector "{instance.name}", stream {spec.name}'
            if not isinstance(name, str):
                known = ", ".join(library.names())
                problems.append(f'{where}: say which mapping to use: mapping = "NAME". Choose from: {known}.')
                continue
            try:
                document = library.load(name, config.base_dir)
                if document.stream != spec.name:
                    problems.append(f'{where}: the mapping "{name}" is for {document.stream}, not for {spec.name}.')
                    continue
                problems += [
                    f'{where}: key names the column "{column}", which [privacy] never_ingest keeps out; remove it from '
                    "one of the two."
                    for column in key_columns(instance.config, document.key)
                    if column in never
                ]
                compiled[instance.name, spec.name] = compile_mapping(document, **options)
            except ConfigError as error:
                problems.append(f"{where}: {error.message}")
    return compiled
