"""The hooks of Fingerpost.

Two layers. *Discovery hooks* are implemented by an installed plugin, at module level; the host collects what they
return. *Data hooks* are implemented by a configured connector instance, which the host registers as a plugin under its
configured name and calls alone, inside a guard: an exception fails that stream or channel and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy

from fingerpost._contract.connector import Connector, Context, Finding
from fingerpost._contract.facts import Fact, LabourMarketQuestion, NoData, Occupation, Reference
from fingerpost._contract.items import Item, ListedItem, Payload, Receipt
from fingerpost._contract.messages import Cursor, Message

hookspec = pluggy.HookspecMarker("fingerpost")


class DiscoveryHooks:
    """Hooks that an installed plugin implements at module level."""

    @hookspec
    def connectors(self) -> Iterable[type[Connector]]:  # type: ignore[empty-body]
        """Return the connector classes of this plugin.

        Called once, when the plugin is loaded; an exception marks the plugin as failed.

        .. versionadded:: 0.1
        """

    @hookspec
    def mappings(self) -> Iterable[Path]:  # type: ignore[empty-body]
        """Return the mapping files that this plugin ships; the name of a mapping is the file's stem.

        .. versionadded:: 0.1
        """

    @hookspec
    def frameworks(self) -> Iterable[Path]:  # type: ignore[empty-body]
        """Return the framework files that this plugin ships; the name of a framework is the file's stem.

        .. versionadded:: 0.1
        """

    @hookspec
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:  # type: ignore[empty-body]
        """Return named converters for mappings: a function of one value that raises ValueError on a bad one.

        .. versionadded:: 0.1
        """


class DataHooks:
    """Hooks that a configured connector instance implements as methods."""

    @hookspec
    def check(self, context: Context) -> Iterable[Finding]:  # type: ignore[empty-body]
        """Try the connection and say what was found, without reading the data and without writing anything.

        Called by ``fingerpost check``. An `AuthError` or `SourceUnavailable` becomes an error finding.

        .. versionadded:: 0.1
        """

    @hookspec
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:  # type: ignore[empty-body]
        """Yield learners. Read everything when `cursor` is None, else what changed at or after it.

        Called once a run for each source that declares the stream. The host may close the generator early. An exception
        fails this stream only; what was committed at a checkpoint stays.

        .. versionadded:: 0.1
        """

    @hookspec
    def read_programmes(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:  # type: ignore[empty-body]
        """Yield enrolments on programmes; otherwise as `read_learners`.

        .. versionadded:: 0.1
        """

    @hookspec
    def read_assignments(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:  # type: ignore[empty-body]
        """Yield who tutors whom and who is in which group; otherwise as `read_learners`.

        .. versionadded:: 0.1
        """

    @hookspec
    def read_activities(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:  # type: ignore[empty-body]
        """Yield careers activities; otherwise as `read_learners`.

        .. versionadded:: 0.1
        """

    @hookspec
    def read_destinations(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:  # type: ignore[empty-body]
        """Yield intended and actual destinations; otherwise as `read_learners`.

        .. versionadded:: 0.1
        """

    @hookspec
    def read_responses(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:  # type: ignore[empty-body]
        """Yield tutors' answers to our items in the ILP; otherwise as `read_learners`.

        .. versionadded:: 0.1
        """

    @hookspec
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield facts about the occupations of a question, or that there are none.

        Ask the service through `reference`, which remembers answers and keeps limits. An exception loses only what this
        connector had yet to yield.

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def find_occupations(self, words: str, reference: Reference, context: Context) -> Iterator[Occupation]:  # type: ignore[empty-body]
        """Yield occupations that `words` may mean, the likeliest first, for a person to choose from.

        Called only with words that somebody typed for this purpose, never with what a learner wrote.

        .. versionadded:: 0.1
        """

    @hookspec
    def list_occupations(self, reference: Reference, context: Context) -> Iterator[Occupation]:  # type: ignore[empty-body]
        """Yield every occupation that the service lists, one for each title: its own and its alternative ones.

        Learners' words are compared with them here, so that they never leave the building.

        .. versionadded:: 0.1
        """

    @hookspec
    def convert_occupation(
        self, occupation: Occupation, reference: Reference, context: Context
    ) -> Iterator[Occupation]:
        """Yield the codes of an occupation in the other edition of the SOC, if the service has them.

        Several codes mean that the occupation was split: the host then leaves it open.

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def render(self, item: Item, context: Context) -> Payload:  # type: ignore[empty-body]
        """Render one item to the bytes that will be delivered; the host freezes them in its outbox.

        Called once for each item, before anything is sent. It must not touch the network.

        .. versionadded:: 0.1
        """

    @hookspec
    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:  # type: ignore[empty-body]
        """Deliver payloads and yield one receipt for each, as soon as its outcome is known.

        The host has marked the payloads as being sent before it calls. A payload without a receipt counts as unknown.

        .. versionadded:: 0.1
        """

    @hookspec
    def reconcile(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:  # type: ignore[empty-body]
        """Find out whether payloads of unknown outcome arrived, without delivering them again.

        Answer ``sent`` if the payload is found, ``temporary`` if it is certainly not there, and ``unknown`` if the
        channel cannot tell. A channel without this hook never can.

        .. versionadded:: 0.1
        """

    @hookspec
    def list_items(self, context: Context) -> Iterator[ListedItem]:  # type: ignore[empty-body]
        """Yield our open items on learners' pages, found by their marks alone.

        Called once a run, before anything is planned, to close items that a new or renamed store does not know. Leave
        out those that are closed or not intact. Read as a stream, and write nothing. A channel without this hook closes
        only what its own deliveries opened.

        .. versionadded:: 0.1
        """


class ResolverHooks:
    """Hooks where the first implementation with an answer wins."""

    @hookspec(firstresult=True)
    def resolve_secret(self, reference: Mapping[str, str]) -> str | None:
        """Return the secret that `reference` names (``{"env": "SMTP_PASSWORD"}``), or None if it is not yours.

        Raise `ConfigError` if it is yours and missing. The value is never logged.

        .. versionadded:: 0.1
        """


class EventHooks:
    """Hooks that follow a run; their results are ignored, their exceptions logged and never fatal."""

    @hookspec
    def run_started(self, run: int, as_of: str) -> None:
        """Take note that a run has started, under the lock.

        .. versionadded:: 0.1
        """

    @hookspec
    def record_quarantined(self, connector: str, stream: str, reason: str, field: str) -> None:
        """Take note that a record was newly quarantined; only codes are given.

        .. versionadded:: 0.1
        """

    @hookspec
    def run_finished(self, run: int, summary: Mapping[str, Any]) -> None:
        """Take note of how a run ended; `summary` is what ``fingerpost sync --json`` prints, without learners.

        .. versionadded:: 0.1
        """
