"""Decide whether to admit a plugin: what it offers, and how its hooks are spelt."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import pluggy

from fingerpost._contract.connector import API_VERSION, Channel, Connector, ConnectorConfig, Enricher, Source
from fingerpost._contract.hooks import DataHooks, DiscoveryHooks, EventHooks, ResolverHooks
from fingerpost._contract.messages import STREAMS, StreamSpec
from fingerpost._words.errors import FingerpostError
from fingerpost._words.nearest import did_you_mean, nearest

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint


PluginState: TypeAlias = Literal["loaded", "failed", "incompatible", "duplicate", "blocked"]

GROUP = "fingerpost"
"""The entry-point group of plugins."""

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
"""Plugin and connector names reserved for the distribution `fingerpost`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, slots=True)
class PluginInfo:
    """The state of one installed plugin.

    `cause` is one sentence if the state is not ``loaded``, else empty. `connectors` are the names of its connectors,
    `api` the version of the plugin contract they were written for (None if it has none), `builtin` whether it comes
    with Fingerpost itself.
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


class Refused(Exception):  # noqa: N818 - a verdict on a plugin, never seen outside this package
    def __init__(
        self, state: PluginState, cause: str, *, connectors: Iterable[str] = (), api: int | None = None
    ) -> None:
        super().__init__(cause)
        self.state = state
        self.cause = cause
        self.connectors = tuple(connectors)
        self.api = api


Offer: TypeAlias = dict[str, dict[str, Any]]
"""What a plugin offers: for each kind of thing, by name."""


# Finding plugins


def identify_plugin(entry_point: EntryPoint) -> PluginInfo:
    name, version = _named(entry_point.dist) if entry_point.dist else ("unknown", "unknown")
    own = re.sub(r"[-_.]+", "-", name).casefold() == OWN_DISTRIBUTION
    return PluginInfo(entry_point.name, name, version, "loaded", builtin=own)


def _named(distribution: Distribution) -> tuple[str, str]:
    try:
        metadata = distribution.metadata
        found = [metadata[key] or "unknown" for key in ("Name", "Version")]
    except Exception:  # a damaged installation may raise anything
        return "unknown", "unknown"
    return found[0], found[1]


def import_plugin(value: str) -> ModuleType:
    if not all(part.isidentifier() for part in value.split(".")):
        raise Refused("failed", f"Its entry point must name a module such as fingerpost_acme, not '{value}'.")
    with guarded("being imported"):
        return importlib.import_module(value)


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Turn whatever a plugin raises into one sentence. `SystemExit` too: a plugin must not end the program."""
    try:
        yield
    except Refused:
        raise
    except SystemExit as error:
        raise Refused("failed", f"It tried to end the program while {doing}.") from error
    except Exception as error:
        raise Refused("failed", f"It failed while {doing}: {one_line(error)}") from error


# Judging plugins


def collect_offer(module: ModuleType) -> Offer:
    """Ask one plugin for everything it offers; nothing is accepted yet."""
    manager = new_manager()
    problem = _hook_problem(module, f"module {module.__name__}", _MODULE_HOOKS)
    try:
        with guarded("its hooks were read"):
            manager.register(module)
        connectors = _connectors(_ask(manager, "connectors"))
    except Refused as refusal:
        if problem is None or refusal.state == "incompatible":  # better explains a hook we do not know
            raise
        raise Refused("failed", problem) from refusal
    if problem:
        raise Refused("failed", problem)
    if not any(hook for _, _, hook in _members(module)):
        raise Refused("failed", "It implements no hooks; a function such as connectors() needs @hookimpl above it.")
    return {
        "connector": connectors,
        "mapping": _by_name("mapping", [(path.stem, path) for path in _paths(manager, "mappings")]),
        "framework": _by_name("framework", [(path.stem, path) for path in _paths(manager, "frameworks")]),
        "converter": _converters(manager),
    }


def _ask(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    with guarded(f"its {hook}() was called"):
        return [item for answer in getattr(manager.hook, hook)() for item in answer]


def _connectors(offered: list[Any]) -> dict[str, type[Connector]]:
    for offer in offered:
        if not (isinstance(offer, type) and issubclass(offer, (Source, Enricher, Channel))):
            cause = (
                f"Its connectors() returned {name_type(offer)} instead of a subclass of Source, Enricher or Channel."
            )
            raise Refused("failed", cause)
        name = getattr(offer, "name", None)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            cause = f"Its class {offer.__name__} needs a name of small letters, digits, - and _, such as 'acme'."
            raise Refused("failed", cause)
    names = sorted(offer.name for offer in offered)
    for offer in offered:
        if offer.api != API_VERSION:
            newer = isinstance(offer.api, int) and offer.api > API_VERSION
            cause = (
                f"Its connector '{offer.name}' is written for version {offer.api} of the plugin contract, but this "
                f"Fingerpost supports version {API_VERSION}; update {'Fingerpost' if newer else 'the plugin'}."
            )
            raise Refused("incompatible", cause, connectors=names, api=offer.api)
        problem = _class_problem(offer)
        if problem:
            raise Refused("failed", problem, connectors=names, api=offer.api)
    return _by_name("connector", [(offer.name, offer) for offer in offered])


def _paths(manager: pluggy.PluginManager, hook: str) -> list[Path]:
    paths = _ask(manager, hook)
    for path in paths:
        if not (isinstance(path, Path) and path.suffix == ".toml" and path.is_file()):
            shown = f"{path.name}, which is not a .toml file on disk" if isinstance(path, Path) else name_type(path)
            raise Refused("failed", f"Its {hook}() must return paths of TOML files and returned {shown}.")
    return paths


def _converters(manager: pluggy.PluginManager) -> dict[str, Callable[[Any], Any]]:
    with guarded("its converters() was called"):
        offered = [pair for answer in manager.hook.converters() for pair in dict(answer).items()]
    for name, function in offered:
        if not isinstance(name, str) or not callable(function):
            raise Refused("failed", "Its converters() must return a dictionary of names to functions of one value.")
    return _by_name("converter", offered)


def _by_name(kind: str, pairs: Iterable[tuple[str, _T]]) -> dict[str, _T]:
    named: dict[str, _T] = {}
    for name, thing in pairs:
        if name in named:
            raise Refused("failed", f"It offers the {kind} '{name}' twice.")
        named[name] = thing
    return named


def _class_problem(connector: type[Connector]) -> str | None:
    config: object = connector.Config
    if not (isinstance(config, type) and issubclass(config, ConnectorConfig)):
        return f"The Config of class {connector.__name__} must derive from ConnectorConfig or SourceConfig."
    return _hook_problem(connector, f"class {connector.__name__}", _INSTANCE_HOOKS)


def instance_problem(connector: Connector) -> str | None:
    """Return a sentence on how a configured connector contradicts its declarations, or None."""
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
            return f"it declares the stream '{name}' but lacks the hook read_{name}."
    if inspect.getattr_static(type(source), "streams") is not source.streams:
        return None  # the instance chose its streams from its configuration
    for name in STREAMS:
        if f"read_{name}" in marked and name not in declared:
            return f"it has the hook read_{name} but does not declare the stream '{name}'."
    return None


# Hooks and their spelling


def new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    for hooks in (DiscoveryHooks, DataHooks, ResolverHooks, EventHooks):
        manager.add_hookspecs(hooks)
    return manager


def _specified(*specifications: type) -> dict[str, tuple[str, ...]]:
    """Return the hooks of a layer and the arguments that each offers."""
    return {
        name: tuple(inspect.signature(function).parameters)[1:]
        for specification in specifications
        for name, function in vars(specification).items()
        if not name.startswith("_")
    }


_MODULE_HOOKS = _specified(DiscoveryHooks, ResolverHooks, EventHooks)
_INSTANCE_HOOKS = _specified(DataHooks, EventHooks)


def _members(subject: ModuleType | type) -> Iterator[tuple[str, object, str | None]]:
    """Yield name, value and, if marked, the hook's name, of everything that the plugin itself defines.

    Nothing is called, so that no property of a plugin is executed.
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
    """Return a sentence on a hook that is misspelt, unmarked or asks for an unknown argument, or None.

    pluggy silently accepts an unknown name and ignores an unmarked function: the plugin would seem to work.
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
    return f"is marked as a hook, but there is no hook '{hook}'.{did_you_mean(hook, hooks)}"


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
    near = nearest(name, hooks, cutoff=0.85)
    if near is None:
        return None
    return (
        f"looks like the hook '{near}': spell it like that and put @hookimpl above it, or start its name with an "
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
            meant = did_you_mean(parameter.name, offered) or " It takes no arguments."
            return f"asks for '{parameter.name}', which it is not given.{meant}"
        if parameter.name in offered and not (required and parameter.kind is parameter.POSITIONAL_OR_KEYWORD):
            return f"would never receive '{parameter.name}': write it as a plain argument without a default."
    return None


def type_name(connector: Connector) -> str:
    return str(getattr(connector, "name", type(connector).__name__))


def name_type(value: object) -> str:
    """Name the type of a value, which may itself be personal."""
    return f"an object of type {type(value).__name__}"


def one_line(error: Exception) -> str:
    text = error.message if isinstance(error, FingerpostError) else f"{type(error).__name__}: {error}"
    line = text.strip().splitlines()[0]
    line = line if len(line) <= 200 else f"{line[:200]}…"
    return line.rstrip(":. ") + "."
