"""`fingerpost.toml`: read it, check every value, and say in plain sentences what to write instead.

Two passes. The first checks the tables that every college has (`settings.py`); the second passes each ``[[connector]]``
to the `Config` of the class that the host found for its type, so that a vendor's connector is configured like ours.
Problems are reported together, and none shows a value: it might be a secret or personal.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, ValidationError

from fingerpost._config.configuration import BrokenConnector, Configuration
from fingerpost._config.settings import Settings
from fingerpost._contract.connector import Channel, Connector, ConnectorConfig, Enricher, Source
from fingerpost._plugins.host import Host
from fingerpost._record.kinds import load_kinds
from fingerpost._record.models import Learner
from fingerpost._store.disks import refuse_network_share
from fingerpost._words.errors import ConfigError, ContractError, FingerpostError
from fingerpost._words.faults import config_error, fault_sentences, inside, union_members, unknown
from fingerpost._words.logs import mask_secrets
from fingerpost._words.nearest import did_you_mean
from fingerpost._words.packaged import read_document

_ADVICE = " `fingerpost init` writes one; FINGERPOST_CONFIG may name another."

_HINTS = {r"^[a-z0-9][a-z0-9_-]{0,39}$": "up to 40 small letters, digits, - and _"}
"""What a value must be, by the pattern it should match."""

_OUTBOX = {"type": "email", "name": "outbox"}
"""The channel used if none is configured: messages are written to files and nothing is sent."""


def load_config(path: Path, host: Host) -> Configuration:
    """Read and check a configuration, and register its connectors in `host`.

    Raises `ConfigError` with every problem, one a line, and registers nothing. Raises `ContractError` if a connector
    breaks the plugin contract.
    """
    path = path.absolute()
    return _Reader(path, host).read(read_document(path, "configuration file", _ADVICE))


class _Reader:
    def __init__(self, path: Path, host: Host) -> None:
        self.path = path
        self.base_dir = path.parent
        self.host = host
        self.problems: list[str] = []
        self.broken: list[BrokenConnector] = []
        self.secrets: list[str] = []

    def read(self, document: dict[str, Any]) -> Configuration:
        settings = self._settings(document)
        store_url = self._store(settings) if settings else None
        tables = self._tables(document)
        connectors = [connector for label, table in tables if (connector := self._connector(label, table))]
        # A connector that did not load may have been the channel: do not write files instead.
        if not self.broken and not any(isinstance(one, Channel) and one.accepts == "digest" for one in connectors):
            connectors += self._default_outbox({str(table.get("name")) for _, table in tables})
        if settings:
            self._precedence(settings, {str(table.get("name")) for _, table in tables})
        if self.problems or settings is None:
            raise config_error(self.path, self.problems)
        instances = [self.host.add(connector) for connector in connectors]
        return Configuration(
            path=self.path,
            base_dir=self.base_dir,
            settings=settings,
            instances=tuple(instance for instance in instances if isinstance(instance.connector, Source)),
            channels=tuple(instance for instance in instances if isinstance(instance.connector, Channel)),
            enrichers=tuple(instance for instance in instances if isinstance(instance.connector, Enricher)),
            broken=tuple(self.broken),
            order=tuple(str(table.get("name")) for _, table in tables),
            store_url=store_url,
            secrets=tuple(dict.fromkeys(self.secrets)),
        )

    # The first pass: the tables that every college has

    def _settings(self, document: dict[str, Any]) -> Settings | None:
        document = dict(document)
        if isinstance(document.get("precedence"), dict):
            document["precedence"] = self._without_prefix(document["precedence"])
        try:
            settings = Settings.model_validate(document)
        except ValidationError as error:
            self.problems += fault_sentences(error, Settings, document)
            return None
        self.secrets += _url_secrets(settings.network.proxy)
        market = settings.labour_market
        paths = {
            "store": {"path": self._absolute(settings.store.path)},
            "network": {"ca_file": self._file("[network] ca_file", settings.network.ca_file)},
            "identity": {"crosswalk": self._file("[identity] crosswalk", settings.identity.crosswalk)},
            "labour_market": {
                "cache": self._absolute(market.cache),
                "crosswalk": self._file("[labour_market] crosswalk", market.crosswalk),
            },
        }
        tables = {name: getattr(settings, name).model_copy(update=found) for name, found in paths.items()}
        return settings.model_copy(update=tables)

    def _without_prefix(self, precedence: dict[str, Any]) -> dict[str, Any]:
        """Accept every TOML spelling of ``learner.email``, and drop the prefix."""
        nested = precedence.get("learner")
        pairs = [(key, value) for key, value in precedence.items() if key != "learner" or not isinstance(value, dict)]
        pairs += nested.items() if isinstance(nested, dict) else []
        named = [(key.removeprefix("learner."), value) for key, value in pairs]
        for key, count in Counter(key for key, _ in named).items():
            if count > 1:
                self.problems.append(f"[precedence] has '{key}' and 'learner.{key}', which are the same; keep one.")
        return dict(named)

    def _absolute(self, path: Path) -> Path:
        if str(path).startswith("\\\\"):
            return path  # a Windows share, which other systems would take for a name in this folder
        return self.base_dir / path

    def _file(self, where: str, path: Path | None) -> Path | None:
        path = self.base_dir / path if path else None
        if path and not path.is_file():
            self.problems.append(f"{where}: there is no file {path}.")
        return path

    def _store(self, settings: Settings) -> str | None:
        url = settings.store.url
        if url is None:
            try:
                refuse_network_share(settings.store.path, otherwise=", or use PostgreSQL with `url`")
            except ConfigError as error:
                self.problems.append(error.message)
            return None
        if isinstance(url, dict):
            url = self._secret("[store] url", url)
            if url is None:
                return None
        elif _url_secrets(url):
            self.problems.append(
                "[store] url holds a password, which must not be written in the file: put the whole address into an "
                'environment variable or a file and write url = { env = "FINGERPOST_STORE_URL" } or { file = "PATH" }.'
            )
        self.secrets += _url_secrets(url)
        if not url.startswith(("postgresql://", "postgresql+psycopg://")):
            self.problems.append("[store] url must begin with postgresql://; for a SQLite file use `path`.")
        return url

    def _precedence(self, settings: Settings, names: set[str]) -> None:
        fields = {*Learner.model_fields, "tutor"}
        for field, ranking in settings.precedence.items():
            if field not in fields:
                self.problems.append(f"[precedence] has no field '{field}'.{did_you_mean(field, fields)}")
            self.problems += [
                unknown(f"[precedence] {field}", "connector", name, names) for name in ranking if name not in names
            ]

    # The second pass: each connector by its own class

    def _tables(self, document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return the connectors' tables, each with its label for errors."""
        tables = document.get("connector", [])
        if not isinstance(tables, list):
            return []  # already reported by the first pass
        labelled = [(_label(n, table), table) for n, table in enumerate(tables, start=1) if isinstance(table, dict)]
        names = Counter(table["name"] for _, table in labelled if isinstance(table.get("name"), str))
        self.problems += [
            f"[[connector]] '{name}' appears {count} times; give each connector a name of its own."
            for name, count in names.items()
            if count > 1
        ]
        return labelled

    def _connector(self, label: str, table: dict[str, Any]) -> Connector | None:
        if table.get("enabled") is False:
            return None
        if not isinstance(table.get("type"), str):
            types = ", ".join(self.host.connector_types())
            self.problems.append(f'{label} needs the key type, one of: {types}. For example type = "csv".')
            return None
        try:
            connector = self.host.connector_class(table["type"])
        except ConfigError as error:
            self.problems.append(f"{label}: {error.message}")
            return None
        except ContractError as error:
            feeds = table.get("feeds", ())
            fed = tuple(kind for kind in feeds if isinstance(kind, str)) if isinstance(feeds, list) else ()
            self.broken.append(BrokenConnector(str(table.get("name", table["type"])), error.message, fed))
            return None
        known = len(self.problems)
        table = self._with_secrets(connector.Config, table, label)
        try:
            config = connector.Config.model_validate(table)
        except ValidationError as error:
            sentences = fault_sentences(error, connector.Config, table, label, _HINTS)
            self.problems += [mask_secrets(sentence, self.secrets) for sentence in sentences]
            return None
        self._feeds(label, config)
        if len(self.problems) > known or not config.enabled:
            return None
        try:
            return connector(config)
        except ConfigError as error:
            self.problems.append(mask_secrets(f"{label}: {error.message}", self.secrets))
            return None
        except FingerpostError:
            raise
        except Exception as error:
            message = f"The connector type '{config.type}' failed during set-up; contact its vendor."
            raise ContractError(message, detail=type(error).__name__) from error

    def _default_outbox(self, taken: set[str]) -> list[Connector]:
        if _OUTBOX["type"] not in self.host.connector_types():
            return []
        name = next(name for name in (_OUTBOX["name"], "file-outbox", "fingerpost-outbox") if name not in taken)
        connector = self._connector("the default outbox", _OUTBOX | {"name": name})
        return [connector] if connector else []

    def _feeds(self, label: str, config: ConnectorConfig) -> None:
        named = getattr(config, "feeds", None) or ()
        kinds = load_kinds() if named else {}
        self.problems += [
            unknown(f"{label} feeds", "activity kind", kind, kinds) for kind in named if kind not in kinds
        ]

    # Secrets

    def _with_secrets(self, annotation: Any, value: Any, where: str) -> Any:
        """Replace each reference with its secret wherever the type has a `SecretStr`."""
        if SecretStr in union_members(annotation):
            return self._secret(where, value) or "unresolved"
        if isinstance(value, dict):
            return {
                key: self._with_secrets(inside(annotation, key), one, f"{where} {key}") for key, one in value.items()
            }
        if isinstance(value, list):
            return [self._with_secrets(inside(annotation, n), one, where) for n, one in enumerate(value)]
        return value

    def _secret(self, where: str, reference: object) -> str | None:
        if not isinstance(reference, dict):
            if isinstance(reference, str):
                self.secrets.append(reference)
            key = where.rpartition(" ")[2]
            self.problems.append(
                f"{where} is a secret and must not be written in the file; write {key} = {{ env = "
                f'"FINGERPOST_{key.upper()}" }}, {{ file = "PATH" }} or {{ keyring = "service/user" }}.'
            )
            return None
        if isinstance(reference.get("file"), str):
            reference = reference | {"file": str(self.base_dir / reference["file"])}
        try:
            secret = self.host.resolve_secret(reference)
        except ConfigError as error:
            self.problems.append(f"{where}: {error.message}.")
            return None
        self.secrets.append(secret)
        return secret


def _label(number: int, table: dict[str, Any]) -> str:
    name = table.get("name")
    return f"[[connector]] '{name}'" if isinstance(name, str) else f"[[connector]] number {number}"


def _url_secrets(url: str | None) -> list[str]:
    """Return what a log must not show of an address with a password."""
    try:
        password = urlsplit(url or "").password
    except ValueError:
        return []
    return [url, password, unquote(password)] if url and password else []
