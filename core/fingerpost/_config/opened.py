"""A college that is opened: what views and runs need of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fingerpost._mapping.compiler import compile_mapping
from fingerpost._mapping.document import MappingLibrary
from fingerpost._plugins.context import addresses_in, key_columns
from fingerpost._record.kinds import load_kinds
from fingerpost._words.errors import ConfigError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from fingerpost._config.configuration import Configuration
    from fingerpost._contract.connector import ConnectorConfig, Source
    from fingerpost._mapping.compiled import CompiledMapping
    from fingerpost._plugins.host import Host
    from fingerpost._web.http import Http


def make_http(config: Configuration, settings: ConnectorConfig, log: FilteringBoundLogger) -> Http:
    """Make the HTTP helper that ``[network]`` describes; its libraries take a while to import.

    Only hosts that stand in the connector's own settings may be asked; where none stands there, the connector knows
    its service itself.
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
    """Compile the mapping of every stream of every source; collect what is wrong with them."""
    library = MappingLibrary(host.mapping_files())
    converters, kinds = host.converters(), load_kinds()
    zone = ZoneInfo(config.settings.college.timezone)
    compiled: dict[tuple[str, str], CompiledMapping] = {}
    for instance in config.instances:
        for spec in instance.streams:
            name = cast("Source", instance.connector).mapping_for(spec.name) or spec.mapping
            where = f'Connector "{instance.name}", stream {spec.name}'
            if not isinstance(name, str):
                problems.append(f"{where}: say which mapping to use: mapping = \"NAME\". There are: "
                                f"{', '.join(library.names())}.")  # fmt: skip
                continue
            try:
                document = library.load(name, config.base_dir)
                if document.stream != spec.name:
                    problems.append(f'{where}: the mapping "{name}" is for {document.stream}, not for {spec.name}.')
                    continue
                for column in key_columns(instance.config, document.key):
                    if column in config.settings.privacy.never_ingest:
                        problems.append(f'{where}: key names the column "{column}", which [privacy] never_ingest keeps '
                                        "out; take it out of one of the two.")  # fmt: skip
                compiled[instance.name, spec.name] = compile_mapping(
                    document, converters=converters, kinds=kinds,
                    never_ingest=config.settings.privacy.never_ingest, timezone=zone,
                )  # fmt: skip
            except ConfigError as error:
                problems.append(f"{where}: {error.message}")
    return compiled
