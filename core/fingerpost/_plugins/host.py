"""The plugin host: it finds plugins, judges each alone, and calls their hooks one instance at a time.

pluggy holds the hooks, but two of its habits would hurt here. `load_setuptools_entrypoints` neither survives a plugin
that cannot be imported nor reports a name that is taken, so the host loads plugins itself. A hook call loses every
result if one implementation raises, so the host calls each on its own. Nothing else touches the plugin manager: `Host`
and `Instance` are the typed way in.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy
import structlog

from fingerpost._contract.connector import API_VERSION, Connector
from fingerpost._plugins import builtin
from fingerpost._plugins.admission import (
    GROUP,
    OWN_DISTRIBUTION,
    RESERVED_NAMES,
    Offer,
    PluginInfo,
    Refused,
    collect_offer,
    guarded,
    identify_plugin,
    import_plugin,
    instance_problem,
    new_manager,
    one_line,
    type_name,
)
from fingerpost._plugins.instance import Instance, call_alone, implementations
from fingerpost._version import __version__
from fingerpost._words.errors import ConfigError, ContractError
from fingerpost._words.nearest import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_log = structlog.get_logger("fingerpost.host")


class Host:
    """Hold the plugins of this process, what they offer, and the configured connector instances.

    One host serves one configuration: two instances with the same name are refused.
    """

    def __init__(self) -> None:
        self._manager = new_manager()
        self._plugins: list[PluginInfo] = []
        self._offer: Offer = {"connector": {}, "mapping": {}, "framework": {}, "converter": {}}
        self._owners: dict[tuple[str, str], PluginInfo] = {}
        self._instances: dict[str, Instance] = {}

    @classmethod
    def load(cls, *, entry_points: Iterable[EntryPoint] | None = None) -> Host:
        """Load every installed plugin, each inside its own guard, and return the host.

        A plugin that cannot be loaded is a line in `plugins` with its distribution, version and cause, and harms
        nothing else. ``FINGERPOST_STRICT_PLUGINS=1`` raises `ContractError` instead, for developers.
        ``FINGERPOST_DISABLE_PLUGINS`` names, separated by commas, plugins that are not even imported.
        """
        host = cls()
        core = PluginInfo(OWN_DISTRIBUTION, OWN_DISTRIBUTION, __version__, "loaded", builtin=True)
        host._admit(core, lambda: builtin)
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=GROUP)
        blocked = {name.strip() for name in os.environ.get("FINGERPOST_DISABLE_PLUGINS", "").split(",")}
        found = [(identify_plugin(entry_point), entry_point.value) for entry_point in entry_points]
        # Ours come first, so that reserved names are theirs, whatever the order on the path.
        for plugin, value in sorted(found, key=lambda pair: (not pair[0].builtin, pair[0].name, pair[0].distribution)):
            host._admit(plugin, partial(import_plugin, value), blocked=plugin.name in blocked)
        return host

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin found, loaded or not, in the order of loading."""
        return tuple(self._plugins)

    def connector_types(self) -> tuple[str, ...]:
        """Return the names for ``type = "..."``, sorted."""
        return tuple(sorted(self._offer["connector"]))

    def connector_class(self, type_name: str) -> type[Connector]:
        """Return the connector class with this name.

        Raises `ContractError` if the plugin with the type did not load, which its vendor must fix, and `ConfigError`
        with the nearest spelling, or else the known types, if no plugin has it.
        """
        found: type[Connector] | None = self._offer["connector"].get(type_name)
        if found:
            return found
        broken = [plugin for plugin in self._plugins if plugin.state != "loaded"]
        for plugin in broken:
            if type_name in (plugin.name, *plugin.connectors):
                why = f"{plugin} is {_outcome(plugin)}"
                raise ContractError(f"The connector type '{type_name}' is unavailable because {why}")
        message = f"There is no connector type '{type_name}'.{did_you_mean(type_name, self.connector_types())}"
        if broken:
            names = ", ".join(map(str, broken))
            message += f" It may belong to a plugin that was not loaded: {names}; `fingerpost plugins` says why."
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

        Asks the built-in resolver first and then each plugin's; one that raises anything but `ConfigError` is skipped.
        Raises `ConfigError` if none has the secret. The value is never logged.
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
        """Register a configured connector under its name and return the way to call it.

        Raises `ContractError` if the connector's hooks and declarations differ, and `ConfigError` if the name is taken.
        """
        problem = instance_problem(connector)
        if problem:
            raise ContractError(f"The connector type '{type_name(connector)}' breaks the plugin contract: {problem}")
        name = connector.config.name
        if name in self._instances:
            raise ConfigError(f"Two connectors are called '{name}'; give each a name of its own.")
        try:
            self._manager.register(connector, name)
        except (ValueError, TypeError, pluggy.PluginValidationError) as error:
            raise ContractError(
                f"The connector type '{type_name(connector)}' cannot be registered.", detail=one_line(error)
            ) from error
        self._instances[name] = Instance(self._manager, connector)
        return self._instances[name]

    def run_started(self, run: int, as_of: str) -> None:
        """Notify every plugin that a run has started; whatever it returns or raises is ignored."""
        self._tell("run_started", run=run, as_of=as_of)

    def record_quarantined(self, connector: str, stream: str, reason: str, field: str) -> None:
        """Notify every plugin of a newly quarantined record."""
        self._tell("record_quarantined", connector=connector, stream=stream, reason=reason, field=field)

    def run_finished(self, run: int, summary: Mapping[str, Any]) -> None:
        """Notify every plugin of how a run ended."""
        self._tell("run_finished", run=run, summary=summary)

    def _tell(self, hook: str, **arguments: Any) -> None:
        for name, call in self._implementations(hook):
            try:
                call(**arguments)
            except (Exception, SystemExit) as error:
                _log.warning("a plugin failed in an event hook", plugin=name, hook=hook, error=type(error).__name__)

    def _implementations(self, hook: str) -> list[tuple[str, pluggy.HookCaller]]:
        """Return a caller for each implementation of a hook, in the order of registration."""
        return [
            (one.plugin_name.removeprefix("plugin:"), call_alone(self._manager, one.plugin, hook))
            for one in implementations(self._manager, hook)
        ]

    def _admit(self, plugin: PluginInfo, load: Callable[[], ModuleType], *, blocked: bool = False) -> None:
        """Load one plugin and accept all that it offers, or nothing."""
        try:
            if blocked:
                raise Refused("blocked", "It is switched off by FINGERPOST_DISABLE_PLUGINS.")
            self._refuse_taken(plugin, "plugin", [plugin.name])
            module = load()
            offer = collect_offer(module)
            for kind, names in offer.items():
                self._refuse_taken(plugin, kind, names)
            with guarded("being registered"):
                self._manager.register(module, f"plugin:{plugin.name}")  # no instance's name can contain a colon
        except Refused as refusal:
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
                raise Refused("duplicate", cause)
            owner = self._owners.get((kind, name))
            if owner:
                cause = f"{what}, '{name}', is already taken by {owner}; uninstall one of the two."
                raise Refused("duplicate", cause)

    def _enter(self, plugin: PluginInfo, why: Exception | None = None) -> None:
        self._plugins.append(plugin)
        if plugin.state in ("loaded", "blocked"):
            return
        if os.environ.get("FINGERPOST_STRICT_PLUGINS") == "1":
            raise ContractError(f"The plugin {plugin} is {_outcome(plugin)}") from why
        told = {name: getattr(plugin, name) for name in ("distribution", "version", "state", "cause")}
        _log.warning("a plugin was not loaded", plugin=plugin.name, **told)


def _outcome(plugin: PluginInfo) -> str:
    return f"{plugin.state}: {plugin.cause}"
