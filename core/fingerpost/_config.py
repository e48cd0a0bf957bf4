"""`fingerpost.toml`: read it, check every word of it, and say in plain sentences what to write instead.

Two passes. The first checks the tables that every college has (`_settings`); the second hands each ``[[connector]]`` to
the `Config` of the class that the host found for its type, so that a vendor's connector is configured like ours.
Problems are collected and told together, and none of them shows a value: it might be a secret or a person.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr, ValidationError

from fingerpost._connector import Channel, Connector, ConnectorConfig, Enricher, Source
from fingerpost._errors import ConfigError, ContractError, FingerpostError
from fingerpost._host import Host, Instance, did_you_mean
from fingerpost._logging import mask_secrets
from fingerpost._mapping import load_kinds
from fingerpost._records import Learner
from fingerpost._settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "BrokenConnector",
    "Configuration",
    "config_error",
    "default_config_path",
    "init_template",
    "load_config",
    "refuse_network_share",
    "unknown",
]

_Path: TypeAlias = tuple[str | int, ...]

_OUTBOX = {"type": "email", "name": "outbox"}
"""The channel of a college that configures none: messages are written to files and nothing is sent."""


class BrokenConnector(NamedTuple):
    """A configured connector whose plugin did not load: it fails alone, and the others work."""

    name: str
    message: str
    feeds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """A checked configuration, with its connectors registered in the host.

    Paths in `settings` are absolute; the fields of its ``[precedence]`` are spelt without ``learner.``. `instances` are
    the sources and `channels` the channels, each in the order of the file; one connector may be both. `broken` are the
    connectors whose plugin did not load, `order` the names of all, the most trusted first. `store_url` is
    the address of the database where one is configured, with its secret in place. `secrets` are the values that a log
    must never show.
    """

    path: Path
    base_dir: Path
    settings: Settings = dataclasses.field(repr=False)
    instances: tuple[Instance, ...]
    channels: tuple[Instance, ...]
    enrichers: tuple[Instance, ...] = ()
    broken: tuple[BrokenConnector, ...] = ()
    order: tuple[str, ...] = ()
    store_url: str | None = dataclasses.field(default=None, repr=False)
    secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def rank(self, connector: str) -> int:
        """Return how much a connector is trusted: its place in the file; one that is not there comes last."""
        return self.order.index(connector) if connector in self.order else len(self.order)

    @property
    def allowed_domains(self) -> tuple[str, ...]:
        """The domains that may be written to, in small letters: by default the careers leader's own."""
        alerts = self.settings.alerts
        named = alerts.allowed_domains or ((alerts.careers_leader.rpartition("@")[2],) if alerts.careers_leader else ())
        return tuple(domain.removeprefix("@").casefold() for domain in named)


def default_config_path() -> Path:
    """Return the file that ``FINGERPOST_CONFIG`` names, else `fingerpost.toml` in the current folder."""
    return Path(os.environ.get("FINGERPOST_CONFIG") or "fingerpost.toml")


def init_template() -> str:
    """Return the commented configuration that ``fingerpost init`` writes."""
    return importlib.resources.files("fingerpost").joinpath("_init_template.toml").read_text(encoding="utf-8")


def load_config(path: Path, host: Host) -> Configuration:
    """Read and check a configuration, and register its connectors in `host`.

    Raises `ConfigError` with every problem at once, one a line; nothing is registered then. Raises `ContractError`
    where a connector breaks the plugin contract.
    """
    path = path.absolute()
    return _Reader(path, host).read(_document(path))


def config_error(where: str | Path, problems: Sequence[str]) -> ConfigError:
    """Make one error of everything that is wrong with a file, so that it is put right in one go."""
    if len(problems) == 1:
        return ConfigError(f"{where}: {problems[0]}")
    return ConfigError("\n  ".join([f"{where} has {len(problems)} problems:", *problems]))


def unknown(where: str, kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, and which one was probably meant.

    `where` is the table and key that uses it, such as ``[benchmarks] framework``; `kind` says what it is the name of.
    """
    names = sorted(known)
    near = did_you_mean(name, names)
    listed = f" Known: {', '.join(names)}." if names and not near else ""
    return f"{where} names the {kind} '{name}', which does not exist.{near}{listed}"


def refuse_network_share(path: Path) -> None:
    """Raise `ConfigError` where a file is not on a disk of this machine.

    SQLite locks and flushes through the operating system, and network file systems answer both wrongly: the store
    would be damaged, quietly, on the first night on which two machines meet.
    """
    text = str(path)
    slashes = text.replace("\\", "/")
    share = slashes.startswith("//") and not slashes.startswith(("//?/", "//./"))
    if share or slashes.upper().startswith("//?/UNC/") or _remote(path):
        raise ConfigError(
            "[store] path is on a network share, where SQLite cannot keep data safe. Choose a folder on a disk of this "
            "machine, or use PostgreSQL with `url`."
        )


def _tells_tutors(connector: Connector) -> bool:
    return isinstance(connector, Channel) and connector.accepts == "digest"


# The file


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; name the configuration file in it.")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no configuration file {path}. `fingerpost init` writes one; FINGERPOST_CONFIG may name another."
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read by this account ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; save it again with the encoding UTF-8.") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise config_error(path, [_syntax(str(error), text)]) from None  # the trace would hold the whole text
    if not document:
        raise ConfigError(f"{path} is empty. `fingerpost init` writes one to start from.")
    return document


def _syntax(message: str, text: str) -> str:
    what, _, place = message.rpartition(" (at ")
    place = place.removesuffix(")")
    line = re.match(r"line (\d+)", place)
    shown = text.splitlines()[int(line[1]) - 1] if line and int(line[1]) <= len(text.splitlines()) else ""
    hint = ""
    if "\\" in shown:
        hint = " In double quotes a backslash must be doubled; write paths with / or in single quotes."
    elif "declare" in what or "overwrite" in what or "redefine" in what or "mutate" in what:
        hint = " A table or key may stand only once."
    elif "invalid value" in what.casefold():
        hint = " Text needs quotes; yes and no are written true and false."
    return f"not valid TOML at {place}: {what[:1].lower()}{what[1:]}.{hint}"


# Both passes


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
        # What did not load may have been the channel: then nothing is written to files in its place.
        if not self.broken and not any(_tells_tutors(connector) for connector in connectors):
            connectors += self._outbox({str(table.get("name")) for _, table in tables})
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
            document["precedence"] = self._flat(document["precedence"])
        try:
            settings = Settings.model_validate(document)
        except ValidationError as error:
            self._explain(error, Settings, document, "")
            return None
        store = settings.store.model_copy(update={"path": self._absolute(settings.store.path)})
        network, identity = settings.network, settings.identity
        if network.ca_file:
            network = network.model_copy(update={"ca_file": self._file("[network] ca_file", network.ca_file)})
        if identity.crosswalk:
            identity = identity.model_copy(update={"crosswalk": self._file("[identity] crosswalk", identity.crosswalk)})
        labour_market = settings.labour_market.model_copy(
            update={"cache": self._absolute(settings.labour_market.cache)}
        )
        if labour_market.crosswalk:
            path = self._file("[labour_market] crosswalk", labour_market.crosswalk)
            labour_market = labour_market.model_copy(update={"crosswalk": path})
        if network.proxy and urlsplit(network.proxy).password:
            self.secrets += _url_secrets(network.proxy)
        return settings.model_copy(
            update={"store": store, "network": network, "identity": identity, "labour_market": labour_market}
        )

    def _flat(self, precedence: dict[str, Any]) -> dict[str, Any]:
        """Take ``learner.email`` in any spelling that TOML has for it, and drop the prefix."""
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

    def _file(self, where: str, path: Path) -> Path:
        path = self.base_dir / path
        if not path.is_file():
            self.problems.append(f"{where}: there is no file {path}.")
        return path

    def _store(self, settings: Settings) -> str | None:
        url = settings.store.url
        if url is None:
            try:
                refuse_network_share(settings.store.path)
            except ConfigError as error:
                self.problems.append(error.message)
            return None
        if isinstance(url, dict):
            resolved = self._secret("[store] url", url)
            if resolved is None:
                return None
            self.secrets += _url_secrets(resolved)
            url = resolved
        elif _password(url):
            self.secrets += _url_secrets(url)
            self.problems.append(
                "[store] url holds a password, which must not stand in the file: put the whole address into an "
                'environment variable or a file and write url = { env = "FINGERPOST_STORE_URL" } or { file = "PATH" }.'
            )
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
        """Return the connectors' tables, each with the words that an error uses for it."""
        tables = document.get("connector", [])
        if not isinstance(tables, list):
            return []  # the first pass has said so
        labelled = [
            (
                f"[[connector]] '{table['name']}'"
                if isinstance(table.get("name"), str)
                else f"[[connector]] number {n}",
                table,
            )
            for n, table in enumerate(tables, start=1)
            if isinstance(table, dict)
        ]
        names = Counter(table["name"] for _, table in labelled if isinstance(table.get("name"), str))
        self.problems += [
            f"[[connector]] '{name}' is there {count} times; give each connector a name of its own."
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
        table = self._resolved(connector.Config, table, label)
        try:
            config = connector.Config.model_validate(table)
        except ValidationError as error:
            self._explain(error, connector.Config, table, label)
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
            message = f"The connector type '{config.type}' failed while it was set up; its vendor must act."
            raise ContractError(message, detail=type(error).__name__) from error

    def _outbox(self, taken: set[str]) -> list[Connector]:
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

    def _resolved(self, model: type[BaseModel], table: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Put the secret in place of its reference wherever the model has a `SecretStr`."""
        fields = {str(field.validation_alias or name): field.annotation for name, field in model.model_fields.items()}
        return {
            key: self._place(fields[key], value, f"{where} {key}") if key in fields else value
            for key, value in table.items()
        }

    def _place(self, annotation: Any, value: Any, where: str) -> Any:
        options = _options(annotation)
        if SecretStr in options:
            return self._secret(where, value) or "unresolved"
        for option in options:
            if isinstance(value, dict) and isinstance(option, type) and issubclass(option, BaseModel):
                return self._resolved(option, value, where)
            arguments = get_args(option)
            if isinstance(value, dict) and arguments and get_origin(option) in (dict, Mapping):
                return {key: self._place(arguments[1], item, f"{where} {key}") for key, item in value.items()}
            if isinstance(value, list) and arguments:
                return [self._place(arguments[0], item, where) for item in value]
        return value

    def _secret(self, where: str, reference: object) -> str | None:
        if not isinstance(reference, dict):
            if isinstance(reference, str):
                self.secrets.append(reference)
            key = where.rpartition(" ")[2]
            self.problems.append(
                f"{where} is a secret and must not stand in the file; write {key} = {{ env = "
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

    # Sentences

    def _explain(self, error: ValidationError, model: type[BaseModel], data: Mapping[str, Any], label: str) -> None:
        told: dict[_Path, str] = {}
        missing: set[_Path] = set()
        for details in error.errors(include_url=False, include_input=False):
            path = _written(details, data)
            if path not in told:  # a union complains once for each of its members
                told[path] = _sentence(details, path, model, label)
                if details["type"] == "missing":
                    missing.add(path)
        for path, sentence in told.items():
            # A key that is missing because it is misspelt is one problem, told where it is misspelt.
            meant = f"Did you mean '{path[-1]}'?" if path in missing else ""
            if not meant or not any(other.endswith(meant) for at, other in told.items() if at[:-1] == path[:-1]):
                # A vendor's validator may quote what it refuses.
                self.problems.append(mask_secrets(sentence, self.secrets))


def _options(annotation: Any) -> list[Any]:
    """Return what a value may be: the members of a union, without the wrapping."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [option for member in get_args(annotation) for option in _options(member)]
    return [annotation]


def _written(details: ErrorDetails, data: object) -> _Path:
    """Return where in the file a problem is. pydantic also names union members, which nobody wrote."""
    path: list[str | int] = []
    *_, last = details["loc"] or ("",)
    for part in details["loc"]:
        row = isinstance(part, int) and isinstance(data, (list, tuple)) and part < len(data)
        if row or (isinstance(data, dict) and part in data):
            data = data[part]  # type: ignore[index]
        elif not (details["type"] == "missing" and part == last):
            continue
        path.append(part)
    return tuple(path)


def _sentence(details: ErrorDetails, path: _Path, model: type[BaseModel], label: str) -> str:
    where = label
    if not label:  # the first pass, where the first part is the table
        if details["type"] == "extra_forbidden" and len(path) == 1:
            return _unknown_table(str(path[0]), model)
        if len(path) <= 1:
            return _whole_table(str(path[0]) if path else "", details["type"], model)
        where = f"[{path[0]}]"
        if path[0] == "connector":
            return f"[[connector]] number {int(path[1]) + 1} must be a table."
        model, path = _model_at(model, path[:1]) or model, path[1:]
    holder = _model_at(model, path[:-1])
    fields = dict(holder.model_fields) if holder else {}
    spelt = {str(field.validation_alias or name): field for name, field in fields.items()}
    key = str(path[-1]) if path else ""
    steps = [where, *(f"item {part + 1}" if isinstance(part, int) else part for part in path)]
    around = " ".join(steps[:-1])
    if details["type"] == "extra_forbidden":
        near = did_you_mean(key, spelt)
        known = "" if near else f" Its keys are: {', '.join(sorted(spelt))}."
        return f"{around} has no key '{key}'.{near}{known}"
    meaning = _meaning(spelt[key].description) if key in spelt else "."
    if details["type"] == "missing":
        return f"{around} needs the key {key}{meaning}"
    if not path:
        return f"{where}: {_must(details)}."
    return f"{' '.join(steps)} {_must(details)}{meaning if details['type'] in _NEEDS_MEANING else '.'}"


def _unknown_table(name: str, model: type[BaseModel]) -> str:
    homes = [table for table in model.model_fields if name in getattr(_model_at(model, (table,)), "model_fields", {})]
    if homes:
        return f"The key '{name}' stands outside its table; put it below the line [{homes[0]}]."
    tables = ["[[connector]]" if table == "connector" else f"[{table}]" for table in model.model_fields]
    near = did_you_mean(f"[{name}]", tables)
    known = "" if near else f" The tables are: {', '.join(tables)}."
    return f"There is no table [{name}].{near}{known}"


def _whole_table(name: str, kind: str, model: type[BaseModel]) -> str:
    if name == "connector":
        return "Each connector is a table of its own that begins with the line [[connector]], with two brackets."
    table = _model_at(model, (name,))
    if kind == "missing" and table:
        needed = [key for key, field in table.model_fields.items() if field.is_required()]
        return f"The table [{name}] is missing; it needs the keys {' and '.join(needed)}."
    return f"[{name}] must be a table: write [{name}] on a line of its own, and its keys below it."


def _model_at(model: type[BaseModel], path: _Path) -> type[BaseModel] | None:
    """Return the model of the table that stands at `path`, if it has one."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        members = [argument for option in _options(field.annotation if field else None) for argument in _within(option)]
        found = next((member for member in members if isinstance(member, type) and issubclass(member, BaseModel)), None)
        if found is None:
            return None
        model = found
    return model


def _within(option: Any) -> list[Any]:
    return [option, *(member for argument in get_args(option) for member in _options(argument))]


def _meaning(description: str | None) -> str:
    if not description:
        return "."
    start = description if description[1:2].isupper() else description[:1].lower() + description[1:]
    return f": {start.rstrip('.')}."


_NEEDS_MEANING = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}

_MUST = {
    "bool": "must be true or false, without quotes",
    "date": "must be a date such as 2026-03-02, without quotes",
    "datetime": "must be a date and time such as 2026-03-02T08:00:00, without quotes",
    "dict": "must be a table of keys and values",
    "float": "must be a number, without quotes",
    "finite": "must be a number, without quotes",
    "frozen": 'must be a list, such as ["one", "two"]',
    "int": "must be a whole number, without quotes",
    "list": 'must be a list, such as ["one", "two"]',
    "mapping": "must be a table of keys and values",
    "model": "must be a table of keys and values",
    "path": "must be a path in quotes",
    "set": 'must be a list, such as ["one", "two"]',
    "string": "must be text in quotes",
    "tuple": 'must be a list, such as ["one", "two"]',
    "url": "must be a web address such as https://example.ac.uk",
}
"""What to write, by the first word of pydantic's error type."""


def _must(details: ErrorDetails) -> str:
    """Say what a value must be, never what it is."""
    kind, context = details["type"], details.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", "is not valid")).rstrip(".")
    if kind in ("literal_error", "enum"):
        return f"must be {context['expected']}"
    if kind == "string_pattern_mismatch":
        if details["loc"] == ("name",):
            return "may hold only small letters, digits, - and _, at most 40 of them"
        return f"must have the form {context['pattern']}"
    for limit, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if limit in context:
            return f"must be {words} {context[limit]}"
    if kind in ("string_too_short", "too_short"):
        return (
            "must not be empty" if context["min_length"] == 1 else f"must have at least {context['min_length']} parts"
        )
    if kind in ("string_too_long", "too_long"):
        return f"is too long; {context['max_length']} is the most"
    return _MUST.get(kind.partition("_")[0], details["msg"].replace("Input should be", "must be"))


# Places and addresses


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def _url_secrets(url: str) -> list[str]:
    password = _password(url)
    return [url, password, unquote(password)] if password else []


_NETWORK_FILESYSTEMS = frozenset(
    {"afs", "cifs", "davfs", "fuse.sshfs", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs"}
)
"""As /proc/mounts names them. Not 9p: virtual machines and containers use it for what is a local disk."""


def _remote(path: Path) -> bool:
    if sys.platform == "win32":
        import ctypes

        remote_drive = 4  # DRIVE_REMOTE of the Windows API
        return bool(ctypes.windll.kernel32.GetDriveTypeW(f"{path.absolute().drive}\\") == remote_drive)
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return False
    return _filesystem(path.resolve(), mounts.read_text(encoding="utf-8", errors="replace")) in _NETWORK_FILESYSTEMS


def _filesystem(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds `path`: that of its deepest mount point, the last one mounted."""
    deepest, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1]))
        if path.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), fields[2]
    return kind
