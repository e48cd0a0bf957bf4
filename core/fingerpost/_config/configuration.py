"""A checked configuration, with its connectors registered in the host."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

from fingerpost._config.settings import Settings
from fingerpost._plugins.instance import Instance
from fingerpost._words.packaged import packaged_file


class BrokenConnector(NamedTuple):
    """A configured connector whose plugin did not load: it fails alone, and the others work."""

    name: str
    message: str
    feeds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """A checked configuration, with its connectors registered in the host.

    Paths in `settings` are absolute; the fields of its ``[precedence]`` are spelt without ``learner.``. `instances` are
    the sources and `channels` the channels, each in the order of the file; a connector may be both. `broken` are the
    connectors whose plugin did not load, `order` the names of all, the most trusted first. `store_url` is the
    database's address, if configured, with its secret in place. `secrets` are the values that a log must never show.
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
        """Return how far a connector is trusted: its place in the file; one not in it comes last."""
        return self.order.index(connector) if connector in self.order else len(self.order)

    @property
    def allowed_domains(self) -> tuple[str, ...]:
        """The domains that may get messages, in small letters: by default the careers leader's own."""
        alerts = self.settings.alerts
        named = alerts.allowed_domains or ((alerts.careers_leader.rpartition("@")[2],) if alerts.careers_leader else ())
        return tuple(domain.removeprefix("@").casefold() for domain in named)


def default_config_path() -> Path:
    """Return the file that ``FINGERPOST_CONFIG`` names, else `fingerpost.toml` in the current folder."""
    return Path(os.environ.get("FINGERPOST_CONFIG") or "fingerpost.toml")


def init_template() -> str:
    """Return the commented configuration that ``fingerpost init`` writes."""
    return packaged_file("fingerpost._config", "template.toml").read_text(encoding="utf-8")
