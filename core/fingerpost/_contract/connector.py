"""The base classes of connectors, and what the host gives them.

Base classes rather than protocols: what a later release adds then has a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol
from zoneinfo import ZoneInfo

import pluggy
from pydantic import BaseModel, ConfigDict, Field

from fingerpost._contract.messages import StreamSpec

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from fingerpost._web.http import Http


API_VERSION = 1
"""The version of the plugin contract: an integer, separate from the release version."""

hookimpl = pluggy.HookimplMarker("fingerpost")
"""Mark a function or method as the implementation of a Fingerpost hook."""


class ConnectorConfig(BaseModel):
    """The keys that every ``[[connector]]`` table may hold; a connector's own `Config` adds to them.

    Unknown keys are refused, and a bad value is never printed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: str = Field(description="Which connector this is: a name that `fingerpost plugins` lists.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="Your own name for this instance.")
    enabled: bool = Field(default=True, description="Set to false to leave the connector out without deleting it.")


class SourceConfig(ConnectorConfig):
    """The keys that every source may hold."""

    ukprn: int | None = Field(
        default=None, ge=10000000, le=99999999, description="The provider its learners belong to, if not the college."
    )
    feeds: tuple[str, ...] | None = Field(
        default=None,
        description="The activity kinds that this source is trusted to hold for every learner. What no source feeds is "
        "reported as unknown, never as missing.",
    )
    areas: tuple[str, ...] = Field(
        default=(), description="The curriculum areas for which `feeds` holds; empty means the whole college."
    )
    fresh_for: float | None = Field(
        default=None, gt=0, description="Days after which the last delivery of this source counts as stale."
    )
    full_every: float = Field(default=7.0, gt=0, description="Days between full reads of an incremental stream.")
    lookback: float | None = Field(default=None, ge=0, description="Days that each incremental read goes back.")


class ItemChannelConfig(ConnectorConfig):
    """The keys of every channel that writes items onto learners' pages (``accepts = "gap_item"``)."""

    write: bool = Field(
        default=False,
        description="Nothing is written until this is true; `fingerpost sync --dry-run` shows what it would be.",
    )
    ceiling: int = Field(
        default=500, ge=1, le=100_000, description="Items that one run may write; the rest wait for the next run."
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of `check`: `level` is ``ok``, ``warning`` or ``error``; `hint` is the next step."""

    level: Literal["ok", "warning", "error"]
    message: str
    hint: str = ""


class Context(Protocol):
    """What the host gives every hook of a configured connector."""

    @property
    def name(self) -> str:
        """The configured name of the instance."""
        ...

    @property
    def base_dir(self) -> Path:
        """The folder of the configuration file; relative paths start here."""
        ...

    @property
    def now(self) -> datetime:
        """The start of the run, in UTC."""
        ...

    @property
    def as_of(self) -> date:
        """The day on which the college is judged: today there, unless the configuration names another."""
        ...

    @property
    def timezone(self) -> ZoneInfo:
        """The college's time zone, for source times without one."""
        ...

    @property
    def columns(self) -> frozenset[str]:
        """The source fields that the stream's mapping reads; others need not be fetched."""
        ...

    @property
    def key(self) -> tuple[str, ...]:
        """The source fields that identify a record, as the configuration or the mapping names them."""
        ...

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger that knows the run and the instance. Log keys, counts and codes, never personal data."""
        ...

    @property
    def http(self) -> Http:
        """The host's HTTP helper, which takes care of time limits, retries and redaction."""
        ...

    def warn(self, code: str, *, key: str = "", field: str = "", where: str = "") -> None:
        """Report a fault that loses no record: it is counted and listed for the MIS team, never fatal."""

    def unchanged(self, digests: Mapping[str, str]) -> bool:
        """Say whether these inputs are byte for byte those of the last complete read of this stream.

        `digests` maps each input's name to a digest of its content. If the answer is true, return without yielding: the
        host treats the stream as completely read and unchanged.
        """
        ...

    def header(self, columns: Sequence[str], *, where: str) -> None:
        """Show the fields of a file or table, once each time one is opened.

        Unread fields are listed for IT. Raises `ConfigError`, before anything is written, if a field that the mapping
        needs is missing.
        """

    def data_from(self, instant: datetime) -> None:
        """Report how old the data is (a file's modification time), for `fresh_for`."""

    def incomplete(self, why: str) -> None:
        """Report that this read may have missed records although it came to an end.

        What it yields counts, but nothing is removed, the cursor stays where the read began, and the stream does not
        count as completely read. `why` ends a sentence for IT, such as "the list changed while it was read"; it holds
        nothing personal.
        """


class Connector:
    """The base of everything that a plugin's `connectors` hook returns.

    The host makes one instance per ``[[connector]]`` table and registers it as a plugin under its configured name. The
    hooks that an instance offers are methods marked with `hookimpl`.
    """

    name: ClassVar[str]
    """The connector's ``type = "..."`` in the configuration; the same as the entry point's name."""

    api: ClassVar[int] = API_VERSION
    """The contract version that the connector was written for."""

    Config: ClassVar[type[ConnectorConfig]] = ConnectorConfig

    def __init__(self, config: ConnectorConfig) -> None:
        self.config = config


class Source(Connector):
    """A connector to read from: it offers one `read_<stream>` hook for each of its `streams`."""

    Config: ClassVar[type[ConnectorConfig]] = SourceConfig
    streams: tuple[StreamSpec, ...] = ()
    """The streams of this instance; an instance may set its own in `__init__`."""

    def mapping_for(self, stream: str) -> str | Mapping[str, object] | None:
        """Return the mapping that the configuration names for `stream`, if it names one."""
        mapping = getattr(self.config, "mapping", None)
        if isinstance(mapping, Mapping):
            named = mapping.get(stream)
            return named if isinstance(named, str) else None
        return mapping if isinstance(mapping, str) else None


class Enricher(Connector):
    """A connector that adds facts not about a learner, such as labour market information."""


class Channel(Connector):
    """A connector that delivers: it offers `render`, `deliver` and, if it can check, `reconcile`."""

    accepts: ClassVar[Literal["digest", "gap_item"]] = "digest"
    """The kind of item that this channel delivers."""
