"""The plugin host: it finds plugins, judges each of them alone, and calls their hooks one instance at a time.

pluggy holds the hooks, but two of its habits would hurt here. `load_setuptools_entrypoints` neither survives a plugin
that cannot be imported nor reports a name that is taken, so the host loads plugins itself. A call of a hook loses every
result when one implementation raises, so the host calls each implementation on its own. Nobody else touches the plugin
manager: `Host` and `Instance` are the typed way in.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.metadata
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

import pluggy
import structlog

from fingerpost import _builtin
from fingerpost._connector import (
    API_VERSION,
    Channel,
    Connector,
    ConnectorConfig,
    Context,
    Enricher,
    Finding,
    Source,
)
from fingerpost._errors import ConfigError, ContractError, FingerpostError
from fingerpost._hookspecs import DataHooks, DiscoveryHooks, EventHooks, ResolverHooks
from fingerpost._items import Item, ListedItem, Payload, Receipt, ReceiptStatus
from fingerpost._messages import STREAMS, Checkpoint, Cursor, Deleted, Message, Record, Rejected, StreamName, StreamSpec
from fingerpost._version import __version__

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

__all__ = ["GROUP", "RESERVED_NAMES", "Host", "Instance", "PluginInfo", "PluginState", "did_you_mean"]

PluginState: TypeAlias = Literal["loaded", "failed", "incompatible", "duplicate", "blocked"]

GROUP = "fingerpost"
"""The entry-point group in which plugins are found."""

OWN_DISTRIBUTION = "fingerpost"

RESERVED_NAMES: frozenset[str] = frozenset(
    {
        "fingerpost",
        "apprenticeships",
        "csv",
        "email",
        "ilr",
        "jsonl",
        "lmiforall",
        "ncs",
        "occupationalmaps",
        "promonitor",
        "promonitor-writeback",
        "rest",
        "rest-writeback",
    }
)
"""Names that only the distribution `fingerpost` may give to a plugin or a connector."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_log = structlog.get_logger("fingerpost.host")
_T = TypeVar("_T")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` with a leading blank, or nothing where no known word is near.

    Case is ignored and ``-`` equals ``_``, because these are what people mix up; of two that are as near, the one with
    the same letters is meant.
    """
    folded = {name.casefold().replace("-", "_"): name for name in known}
    typed = word.casefold().replace("-", "_")
    near = difflib.get_close_matches(typed, folded, n=3, cutoff=0.6)
    near.sort(key=lambda name: sorted(name) != sorted(typed))
    return f" Did you mean '{folded[near[0]]}'?" if near else ""


@dataclasses.dataclass(frozen=True, slots=True)
class PluginInfo:
    """Say what became of one installed plugin.

    `cause` is one sentence where the state is not ``loaded``, else empty. `connectors` are the names of the connectors
    it offers, `api` the version of the plugin contract they were written for (None where there are none), `builtin`
    whether it comes with Fingerpost itself.
    """

    name: str
    distribution: str
    version: str
    state: PluginState
    cause: str = ""
    connectors: tuple[str, ...] = ()
    api: int | None = None
    builtin: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the row that ``fingerpost plugins --json`` prints."""
        return dataclasses.asdict(self) | {"connectors": list(self.connectors)}

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


class _Refused(Exception):  # noqa: N818 - a verdict on a plugin, never seen outside this module
    def __init__(
        self, state: PluginState, cause: str, *, connectors: Iterable[str] = (), api: int | None = None
    ) -> None:
        super().__init__(cause)
        self.state = state
        self.cause = cause
        self.connectors = tuple(connectors)
        self.api = api


_Offer: TypeAlias = dict[str, dict[str, Any]]
"""What a plugin offers: for each kind of thing, its names and the things themselves."""


class Host:
    """Hold the plugins of this process, what they offer, and the configured connector instances.

    One host serves one configuration: two instances of one name are refused.
    """

    def __init__(self) -> None:
        self._manager = _manager()
        self._plugins: list[PluginInfo] = []
        self._offer: _Offer = {"connector": {}, "mapping": {}, "framework": {}, "converter": {}}
        self._owners: dict[tuple[str, str], PluginInfo] = {}
        self._instances: dict[str, Instance] = {}

    @classmethod
    def load(cls, *, entry_points: Iterable[EntryPoint] | None = None) -> Host:
        """Load every installed plugin, each inside its own guard, and return the host.

        A plugin that cannot be loaded is a line in `plugins` with its distribution, version and cause, and nothing
        else is hurt by it. With ``FINGERPOST_STRICT_PLUGINS=1`` it raises `ContractError` instead, for developers.
        ``FINGERPOST_DISABLE_PLUGINS`` names, separated by commas, plugins that are not even imported.
        """
        host = cls()
        core = PluginInfo(OWN_DISTRIBUTION, OWN_DISTRIBUTION, __version__, "loaded", builtin=True)
        host._admit(core, lambda: _builtin)
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=GROUP)
        blocked = {name.strip() for name in os.environ.get("FINGERPOST_DISABLE_PLUGINS", "").split(",")}
        found = [(_identify(entry_point), entry_point.value) for entry_point in entry_points]
        # Ours come first, so that a name is taken by the one who has the right to it, whatever the order on the path.
        for plugin, value in sorted(found, key=lambda pair: (not pair[0].builtin, pair[0].name, pair[0].distribution)):
            host._admit(plugin, partial(_import, value), blocked=plugin.name in blocked)
        return host

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin that was found, in the order of loading, whatever became of it."""
        return tuple(self._plugins)

    def connector_types(self) -> tuple[str, ...]:
        """Return the names that ``type = "..."`` may say, sorted."""
        return tuple(sorted(self._offer["connector"]))

    def connector_class(self, type_name: str) -> type[Connector]:
        """Return the connector class of this name.

        Raises `ContractError` where an installed plugin has the type and did not load, which its vendor must mend, and
        `ConfigError` with the nearest spelling and the known types where nobody has it.
        """
        found: type[Connector] | None = self._offer["connector"].get(type_name)
        if found:
            return found
        broken = [plugin for plugin in self._plugins if plugin.state != "loaded"]
        for plugin in broken:
            if type_name in (plugin.name, *plugin.connectors):
                told = _told(plugin)
                raise ContractError(f"The connector type '{type_name}' is not there because {plugin} is {told}")
        known = self.connector_types()
        message = f"There is no connector type '{type_name}'.{did_you_mean(type_name, known)}"
        message += f" Known types: {', '.join(known) or 'none'}."
        if broken:
            names = ", ".join(map(str, broken))
            message += f" Not loaded, and perhaps its home: {names}; `fingerpost plugins` says why."
        raise ConfigError(message)

    def mapping_files(self) -> list[Path]:
        """Return the mapping files of all plugins; the stem of a file is the mapping's name."""
        return list(self._offer["mapping"].values())

    def framework_files(self) -> list[Path]:
        """Return the framework files of all plugins; the stem of a file is the framework's name."""
        return list(self._offer["framework"].values())

    def converters(self) -> dict[str, Callable[[Any], Any]]:
        """Return the named converters of all plugins."""
        return dict(self._offer["converter"])

    def resolve_secret(self, reference: Mapping[str, object]) -> str:
        """Return the secret that `reference` names, such as ``{"env": "SMTP_PASSWORD"}``.

        Asks the built-in resolver first and then each plugin's; one that raises anything but `ConfigError` is passed
        over. Raises `ConfigError` if nobody knows the secret. The value is never logged.
        """
        if len(reference) != 1 or not all(isinstance(name, str) and name for name in reference.values()):
            raise ConfigError('write one of { env = "NAME" }, { file = "PATH" } or { keyring = "service/user" }')
        silent = []
        for name, call in self._implementations("resolve_secret"):
            try:
                secret = call(reference=reference)
            except ConfigError:
                raise
            except (Exception, SystemExit) as error:
                silent.append(name)
                _log.warning("a plugin failed to resolve a secret", plugin=name, error=type(error).__name__)
                continue
            if isinstance(secret, str):
                return secret
        after = f" ({', '.join(silent)} failed while asked)" if silent else ""
        kind = next(iter(reference))
        raise ConfigError(f"no plugin knows secrets of the kind '{kind}'{after}; use env, file or keyring")

    def add(self, connector: Connector) -> Instance:
        """Register a configured connector under its configured name and return the way to call it.

        Raises `ContractError` where the connector's hooks and its declarations differ, and `ConfigError` where the name
        is taken.
        """
        problem = _instance_problem(connector)
        if problem:
            raise ContractError(f"The connector type '{_type_name(connector)}' breaks the plugin contract: {problem}")
        name = connector.config.name
        if name in self._instances:
            raise ConfigError(f"Two connectors are called '{name}'; give each a name of its own.")
        try:
            self._manager.register(connector, name)
        except (ValueError, TypeError, pluggy.PluginValidationError) as error:
            raise ContractError(
                f"The connector type '{_type_name(connector)}' cannot be registered.", detail=_one_line(error)
            ) from error
        self._instances[name] = Instance(self, connector)
        return self._instances[name]

    def run_started(self, run: int, as_of: str) -> None:
        """Tell every plugin that a run has started; what it answers or raises is of no consequence."""
        self._tell("run_started", run=run, as_of=as_of)

    def record_quarantined(self, connector: str, stream: str, reason: str, field: str) -> None:
        """Tell every plugin that a record was newly put into quarantine."""
        self._tell("record_quarantined", connector=connector, stream=stream, reason=reason, field=field)

    def run_finished(self, run: int, summary: Mapping[str, Any]) -> None:
        """Tell every plugin how a run ended."""
        self._tell("run_finished", run=run, summary=summary)

    def _tell(self, hook: str, **arguments: Any) -> None:
        for name, call in self._implementations(hook):
            try:
                call(**arguments)
            except (Exception, SystemExit) as error:
                _log.warning("a plugin failed in an event hook", plugin=name, hook=hook, error=type(error).__name__)

    def _implementations(self, hook: str) -> list[tuple[str, pluggy.HookCaller]]:
        """Return each implementation of a hook as a caller of its own, in the order of registration."""
        found = self._caller(hook).get_hookimpls()
        return [(one.plugin_name.removeprefix("plugin:"), self._alone(one.plugin, hook)) for one in found]

    def _caller(self, hook: str) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return caller

    def _alone(self, plugin: object, hook: str) -> pluggy.HookCaller:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        return self._manager.subset_hook_caller(hook, others)

    def _admit(self, plugin: PluginInfo, load: Callable[[], ModuleType], *, blocked: bool = False) -> None:
        """Load one plugin and take over what it offers, all of it or nothing."""
        try:
            if blocked:
                raise _Refused("blocked", "It is switched off by FINGERPOST_DISABLE_PLUGINS.")
            self._refuse_taken(plugin, "plugin", [plugin.name])
            module = load()
            offer = _collect(module)
            for kind, names in offer.items():
                self._refuse_taken(plugin, kind, names)
            with _guarded("being registered"):
                self._manager.register(module, f"plugin:{plugin.name}")  # no instance's name can hold a colon
        except _Refused as refusal:
            refused = dataclasses.replace(
                plugin, state=refusal.state, cause=refusal.cause, connectors=refusal.connectors, api=refusal.api
            )
            self._enter(refused, refusal)
            return
        connectors = tuple(sorted(offer["connector"]))
        loaded = dataclasses.replace(plugin, connectors=connectors, api=API_VERSION if connectors else None)
        for kind, things in offer.items():
            self._offer[kind].update(things)
            self._owners |= {(kind, name): loaded for name in things}
        self._owners["plugin", plugin.name] = loaded
        self._enter(loaded)

    def _refuse_taken(self, plugin: PluginInfo, kind: str, names: Iterable[str]) -> None:
        for name in names:
            what = "Its name" if kind == "plugin" else f"The name of its {kind}"
            if kind in ("plugin", "connector") and name in RESERVED_NAMES and not plugin.builtin:
                cause = f"{what}, '{name}', is reserved for Fingerpost itself; its vendor must choose another."
                raise _Refused("duplicate", cause)
            owner = self._owners.get((kind, name))
            if owner:
                cause = f"{what}, '{name}', is already taken by {owner}; uninstall one of the two."
                raise _Refused("duplicate", cause)

    def _enter(self, plugin: PluginInfo, why: Exception | None = None) -> None:
        self._plugins.append(plugin)
        if plugin.state in ("loaded", "blocked"):
            return
        if os.environ.get("FINGERPOST_STRICT_PLUGINS") == "1":
            raise ContractError(f"The plugin {plugin} is {_told(plugin)}") from why
        _log.warning(
            "a plugin was not loaded",
            plugin=plugin.name,
            distribution=plugin.distribution,
            version=plugin.version,
            state=plugin.state,
            cause=plugin.cause,
        )


class Instance:
    """Call the hooks of one configured connector, and of no other.

    What a connector answers is checked here, once, so that the rest of the host can rely on it. An exception of the
    connector comes through as it is, for the caller's guard; an attempt to end the program becomes a `ContractError`.
    """

    def __init__(self, host: Host, connector: Connector) -> None:
        self._host = host
        self.connector = connector
        self.config: ConnectorConfig = connector.config
        self.name: str = connector.config.name

    def __repr__(self) -> str:
        return f"Instance(name={self.name!r}, type={self.config.type!r})"

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """The streams that the connector declares; none if it is not a source."""
        return tuple(self.connector.streams) if isinstance(self.connector, Source) else ()

    @property
    def accepts(self) -> str:
        """The kind of item that the connector delivers; nothing if it is not a channel."""
        return self.connector.accepts if isinstance(self.connector, Channel) else ""

    def has(self, hook: str) -> bool:
        """Say whether the connector implements a hook."""
        return any(found.plugin is self.connector for found in self._host._caller(hook).get_hookimpls())  # noqa: SLF001

    def check(self, context: Context) -> list[Finding]:
        """Try the connection and return what was found; every failure becomes an error finding."""
        if not self.has("check"):
            return [Finding("warning", f"The connector type '{self.config.type}' offers no check.")]
        findings: list[Finding] = []
        try:
            for finding in self._each("check", Finding, context=context):
                findings.append(finding)  # one by one: what was found before a failure counts
        except FingerpostError as error:
            findings.append(Finding("error", error.message))
        except Exception as error:  # a vendor's exception may hold anything, so only its type is told
            findings.append(
                Finding("error", f"The check itself failed ({type(error).__name__}).", "Tell the connector's vendor.")
            )
        return findings

    def read(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the messages of one stream; the connector's generator is closed whatever happens.

        Raises `ContractError` where the connector yields anything but the four messages.
        """
        return self._each(f"read_{stream}", (Record, Checkpoint, Rejected, Deleted), cursor=cursor, context=context)

    def render(self, item: Item, context: Context) -> Payload:
        """Render one item to the payload that will be frozen in the outbox."""
        payload = self._call("render", item=item, context=context)
        if not isinstance(payload, Payload):
            raise self._broken("render", f"it returned {_kind(payload)} instead of a Payload")
        return payload

    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Yield the receipt of each payload as soon as its outcome is known."""
        return self._receipts("deliver", payloads, context)

    def reconcile(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Yield what became of payloads of unknown outcome; without that hook everything stays unknown."""
        if not self.has("reconcile"):
            return iter([Receipt(payload.key, "unknown") for payload in payloads])
        return self._receipts("reconcile", payloads, context)

    def list_items(self, context: Context) -> Iterator[ListedItem]:
        """Yield what stands open in the ILP; nothing where the channel cannot list it."""
        return self._each("list_items", ListedItem, context=context) if self.has("list_items") else iter(())

    def enrich(self, hook: str, kinds: type[_T] | tuple[type[_T], ...], **arguments: Any) -> Iterator[_T]:
        """Yield what an enricher's hook answers; raises `ContractError` where it yields anything else."""
        return self._each(hook, kinds, **arguments)

    def _receipts(self, hook: str, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        open_keys = {payload.key for payload in payloads}
        for receipt in self._each(hook, Receipt, payloads=payloads, context=context):
            if receipt.status not in get_args(ReceiptStatus):
                raise self._broken(hook, "it yielded a receipt whose status is none of the four")
            if receipt.key not in open_keys:
                raise self._broken(hook, "it yielded a receipt for a payload that it was not given, or two for one")
            open_keys.remove(receipt.key)
            yield receipt

    def _each(self, hook: str, kinds: type[_T] | tuple[type[_T], ...], **arguments: Any) -> Iterator[_T]:
        result = self._call(hook, **arguments)
        if not isinstance(result, Iterable):
            raise self._broken(hook, f"it returned {_kind(result)} instead of yielding")
        iterator: Any = result if hasattr(result, "close") else (item for item in result)
        with closing(iterator) as items:
            try:
                for item in items:
                    if not isinstance(item, kinds):
                        expected = kinds if isinstance(kinds, tuple) else (kinds,)
                        names = ", ".join(kind.__name__ for kind in expected)
                        raise self._broken(hook, f"it yielded {_kind(item)}; it may yield only {names}")
                    yield item
            except SystemExit as error:
                raise self._broken(hook, "it tried to end the program") from error

    def _call(self, hook: str, **arguments: Any) -> Any:
        try:
            results = self._host._alone(self.connector, hook)(**arguments)  # noqa: SLF001
        except SystemExit as error:
            raise self._broken(hook, "it tried to end the program") from error
        if not results:  # pluggy leaves out None
            raise self._broken(hook, "it returned nothing" if self.has(hook) else "the connector does not have it")
        return results[0]

    def _broken(self, hook: str, what: str) -> ContractError:
        return ContractError(
            f"The hook {hook} of the connector '{self.name}' (type '{self.config.type}') breaks the plugin contract: "
            f"{what}."
        )


# Finding plugins


def _identify(entry_point: EntryPoint) -> PluginInfo:
    name, version = _named(entry_point.dist) if entry_point.dist else ("unknown", "unknown")
    own = re.sub(r"[-_.]+", "-", name).casefold() == OWN_DISTRIBUTION
    return PluginInfo(entry_point.name, name, version, "loaded", builtin=own)


def _named(distribution: Distribution) -> tuple[str, str]:
    try:
        metadata = distribution.metadata
        found = [metadata[key] or "unknown" for key in ("Name", "Version")]
    except Exception:  # a damaged installation raises many things
        return "unknown", "unknown"
    return found[0], found[1]


def _import(value: str) -> ModuleType:
    if not all(part.isidentifier() for part in value.split(".")):
        raise _Refused("failed", f"Its entry point must name a module such as fingerpost_acme, and says '{value}'.")
    with _guarded("being imported"):
        return importlib.import_module(value)


@contextmanager
def _guarded(doing: str) -> Iterator[None]:
    """Turn whatever a plugin raises into one sentence about it. `SystemExit` too: a plugin must not end the program."""
    try:
        yield
    except _Refused:
        raise
    except SystemExit as error:
        raise _Refused("failed", f"It tried to end the program while {doing}.") from error
    except Exception as error:
        raise _Refused("failed", f"It failed while {doing}: {_one_line(error)}") from error


# Judging plugins


def _collect(module: ModuleType) -> _Offer:
    """Ask one plugin alone for everything it offers; nothing is taken over yet."""
    manager = _manager()
    problem = _hook_problem(module, f"module {module.__name__}", _MODULE_HOOKS)
    try:
        with _guarded("its hooks were read"):
            manager.register(module)
        connectors = _connectors(_ask(manager, "connectors"))
    except _Refused as refusal:
        if problem is None or refusal.state == "incompatible":  # the better explanation of a hook we do not know
            raise
        raise _Refused("failed", problem) from refusal
    if problem:
        raise _Refused("failed", problem)
    if not any(hook for _, _, hook in _members(module)):
        raise _Refused("failed", "It implements no hook; a function such as connectors() needs @hookimpl above it.")
    return {
        "connector": connectors,
        "mapping": _by_name("mapping", [(path.stem, path) for path in _paths(manager, "mappings")]),
        "framework": _by_name("framework", [(path.stem, path) for path in _paths(manager, "frameworks")]),
        "converter": _converters(manager),
    }


def _ask(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    with _guarded(f"its {hook}() was called"):
        return [item for answer in getattr(manager.hook, hook)() for item in answer]


def _connectors(offered: list[Any]) -> dict[str, type[Connector]]:
    for offer in offered:
        if not (isinstance(offer, type) and issubclass(offer, (Source, Enricher, Channel))):
            cause = f"Its connectors() returned {_kind(offer)} where a subclass of Source, Enricher or Channel belongs."
            raise _Refused("failed", cause)
        name = getattr(offer, "name", None)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            cause = f"Its class {offer.__name__} needs a name of small letters, digits, - and _, such as 'acme'."
            raise _Refused("failed", cause)
    names = sorted(offer.name for offer in offered)
    for offer in offered:
        if offer.api != API_VERSION:
            newer = isinstance(offer.api, int) and offer.api > API_VERSION
            cause = (
                f"Its connector '{offer.name}' is written for version {offer.api} of the plugin contract, and this "
                f"Fingerpost speaks version {API_VERSION}; update {'Fingerpost' if newer else 'the plugin'}."
            )
            raise _Refused("incompatible", cause, connectors=names, api=offer.api)
        problem = _class_problem(offer)
        if problem:
            raise _Refused("failed", problem, connectors=names, api=offer.api)
    return _by_name("connector", [(offer.name, offer) for offer in offered])


def _paths(manager: pluggy.PluginManager, hook: str) -> list[Path]:
    paths = _ask(manager, hook)
    for path in paths:
        if not (isinstance(path, Path) and path.suffix == ".toml" and path.is_file()):
            shown = f"{path.name}, which is not a .toml file on disk" if isinstance(path, Path) else _kind(path)
            raise _Refused("failed", f"Its {hook}() must return paths of TOML files and returned {shown}.")
    return paths


def _converters(manager: pluggy.PluginManager) -> dict[str, Callable[[Any], Any]]:
    with _guarded("its converters() was called"):
        offered = [pair for answer in manager.hook.converters() for pair in dict(answer).items()]
    for name, function in offered:
        if not isinstance(name, str) or not callable(function):
            raise _Refused("failed", "Its converters() must return a dictionary of names to functions of one value.")
    return _by_name("converter", offered)


def _by_name(kind: str, pairs: Iterable[tuple[str, _T]]) -> dict[str, _T]:
    named: dict[str, _T] = {}
    for name, thing in pairs:
        if name in named:
            raise _Refused("failed", f"It offers the {kind} '{name}' twice.")
        named[name] = thing
    return named


def _class_problem(connector: type[Connector]) -> str | None:
    config: object = connector.Config
    if not (isinstance(config, type) and issubclass(config, ConnectorConfig)):
        return f"The Config of class {connector.__name__} must derive from ConnectorConfig or SourceConfig."
    return _hook_problem(connector, f"class {connector.__name__}", _INSTANCE_HOOKS)


def _instance_problem(connector: Connector) -> str | None:
    """Say in a sentence how a configured connector breaks its own word, or return None."""
    problem = _class_problem(type(connector))
    if problem:
        return problem
    if not isinstance(getattr(connector, "config", None), ConnectorConfig):
        return f"__init__() of class {type(connector).__name__} must call super().__init__(config)."
    marked = {hook for _, _, hook in _members(type(connector)) if hook}
    if isinstance(connector, Source):
        problem = _stream_problem(connector, marked)
        if problem:
            return problem
    if isinstance(connector, Channel) and not marked >= {"render", "deliver"}:
        return "a channel needs the hooks render and deliver."
    return None


def _stream_problem(source: Source, marked: set[str]) -> str | None:
    if not all(isinstance(spec, StreamSpec) for spec in source.streams):
        return "its streams must be a tuple of StreamSpec."
    declared = [spec.name for spec in source.streams]
    for name in declared:
        if name not in STREAMS:
            return f"it declares a stream '{name}' that does not exist.{did_you_mean(name, STREAMS)}"
        if declared.count(name) > 1:
            return f"it declares the stream '{name}' twice."
        if f"read_{name}" not in marked:
            return f"it declares the stream '{name}' and lacks the hook read_{name}."
    if inspect.getattr_static(type(source), "streams") is not source.streams:
        return None  # the instance chose among its hooks, as one that reads whatever its configuration names does
    for name in STREAMS:
        if f"read_{name}" in marked and name not in declared:
            return f"it has the hook read_{name} and does not declare the stream '{name}'."
    return None


# Hooks and their spelling


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    for hooks in (DiscoveryHooks, DataHooks, ResolverHooks, EventHooks):
        manager.add_hookspecs(hooks)
    return manager


def _specified(*specifications: type) -> dict[str, tuple[str, ...]]:
    """Return the hooks of a layer and what each offers as arguments."""
    return {
        name: tuple(inspect.signature(function).parameters)[1:]
        for specification in specifications
        for name, function in vars(specification).items()
        if not name.startswith("_")
    }


_MODULE_HOOKS = _specified(DiscoveryHooks, ResolverHooks, EventHooks)
_INSTANCE_HOOKS = _specified(DataHooks, EventHooks)


def _members(subject: ModuleType | type) -> Iterator[tuple[str, object, str | None]]:
    """Yield name, value and, where it is marked, the hook's name, for everything that the plugin itself wrote.

    Looks without calling, so that no property of a plugin is executed.
    """
    for name in dir(subject):
        value = inspect.getattr_static(subject, name, None)
        if isinstance(subject, type):
            owner = next((base for base in subject.__mro__ if name in vars(base)), subject)
            if owner is object or owner.__module__ == Connector.__module__:
                continue
        function = getattr(value, "__func__", value)
        options = getattr(function, f"{GROUP}_impl", None) if isinstance(function, FunctionType) else None
        yield name, value, (options.get("specname") or name) if isinstance(options, dict) else None


def _hook_problem(subject: ModuleType | type, where: str, hooks: Mapping[str, tuple[str, ...]]) -> str | None:
    """Say in a sentence which hook is misspelt, unmarked or asks for what it is not given, or return None.

    pluggy takes an unknown name without a word and passes over an unmarked function: the plugin would seem to work.
    """
    for name, value, hook in _members(subject):
        problem = _marked_problem(hook, value, hooks) if hook else _unmarked_problem(name, value, subject, hooks)
        if problem:
            return f"{name}() in {where} {problem}"
    return None


def _marked_problem(hook: str, value: object, hooks: Mapping[str, tuple[str, ...]]) -> str | None:
    if hook in hooks:
        return _argument_problem(value, hooks[hook])
    if hook in _MODULE_HOOKS:
        return "is a hook of the plugin's module: move it out of the class."
    if hook in _INSTANCE_HOOKS:
        return "is a hook of a connector: move it into the connector's class."
    return f"is marked as a hook, and there is no hook '{hook}'.{did_you_mean(hook, hooks)}"


def _unmarked_problem(
    name: str, value: object, subject: ModuleType | type, hooks: Mapping[str, tuple[str, ...]]
) -> str | None:
    if name in hooks and callable(getattr(value, "__func__", value)):
        return "is not marked as a hook: put @hookimpl above it."
    function = getattr(value, "__func__", value)
    if name.startswith("_") or not isinstance(function, FunctionType):
        return None
    if isinstance(subject, ModuleType) and function.__module__ != subject.__name__:
        return None  # an imported helper
    near = difflib.get_close_matches(name.casefold(), hooks, n=1, cutoff=0.85)
    if not near:
        return None
    return (
        f"looks like the hook '{near[0]}': spell it so and put @hookimpl above it, or start its name with an "
        "underscore if it is not meant as a hook."
    )


def _argument_problem(value: object, offered: tuple[str, ...]) -> str | None:
    function = getattr(value, "__func__", value)
    parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    if "." in function.__qualname__ and not isinstance(value, staticmethod):  # type: ignore[attr-defined]
        parameters = parameters[1:]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        required = parameter.default is parameter.empty
        if required and parameter.name not in offered:
            near = did_you_mean(parameter.name, offered)
            return f"asks for '{parameter.name}'.{near} It is given: {', '.join(offered) or 'nothing'}."
        if parameter.name in offered and not (required and parameter.kind is parameter.POSITIONAL_OR_KEYWORD):
            return f"would never be given '{parameter.name}': write it as a plain argument without a default."
    return None


# Words


def _told(plugin: PluginInfo) -> str:
    return f"{plugin.state}: {plugin.cause}"


def _type_name(connector: Connector) -> str:
    return str(getattr(connector, "name", type(connector).__name__))


def _kind(value: object) -> str:
    """Name the type of a value; the value itself may be a person's."""
    return f"an object of type {type(value).__name__}"


def _one_line(error: Exception) -> str:
    text = error.message if isinstance(error, FingerpostError) else f"{type(error).__name__}: {error}"
    line = text.strip().splitlines()[0]
    line = line if len(line) <= 200 else f"{line[:200]}…"
    return line.rstrip(":. ") + "."
