"""What a run reports: the object that `fingerpost sync --json` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from fingerpost._words.printed import Printed


@dataclass(slots=True)
class StreamReport(Printed):
    """What one stream of one connector did.

    `state` is ``complete``, ``unchanged`` (the input is byte for byte the same), ``held`` (complete, but so many rows
    disappeared that nothing was removed), ``incomplete`` (some rows may not have come, so nothing was removed) or
    ``failed``. `warnings` counts the current faults in the stream's data that
    cost a field but not the record. `skipped` counts rows that are not records according to the mapping. `message` says
    what IT should know or do. `newly_stale` is true in the first run that finds that the export is no longer made.
    """

    connector: str
    stream: str
    state: Literal["reading", "complete", "unchanged", "held", "incomplete", "failed"] = "reading"
    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    warnings: int = 0
    skipped: int = 0
    newly_rejected: int = 0
    newly_stale: bool = False
    message: str | None = None


@dataclass(slots=True)
class DigestCounts:
    """What this run did with digests; `held`, `unknown` and `deferred` count all that wait in the outbox."""

    planned: int = 0
    sent: int = 0
    deferred: int = 0
    held: int = 0
    unknown: int = 0
    failed: int = 0


@dataclass(slots=True)
class ItemCounts:
    """What this run did with items on learners' pages; `deferred` and `unknown` count all that wait in the outbox.

    `edited` items belong to the tutor who changed them, `no_page` learners are not in the ILP, and items
    `over_ceiling` are left to the next runs.
    """

    planned: int = 0
    written: int = 0
    edited: int = 0
    no_page: int = 0
    failed: int = 0
    deferred: int = 0
    unknown: int = 0
    over_ceiling: int = 0


@dataclass(frozen=True, slots=True)
class WouldWrite:
    """One item that a dry run would write: `text` is what the learner would read."""

    channel: str
    operation: str
    learner: str
    text: str


@dataclass(slots=True)
class RunReport(Printed):
    """What one run did; `exit_code` is that of the command line."""

    run: int
    as_of: str
    status: Literal["running", "succeeded", "partial", "failed"] = "running"
    exit_code: int = 0
    streams: list[StreamReport] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    verdicts: dict[str, dict[str, int]] = field(default_factory=dict)
    digests: DigestCounts = field(default_factory=DigestCounts)
    items: ItemCounts = field(default_factory=ItemCounts)
    would_write: list[WouldWrite] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    interrupted: list[int] = field(default_factory=list)
    dry_run: bool = False

    def say(self, message: str) -> None:
        """Add a message for IT, once."""
        if message not in self.messages:
            self.messages.append(message)

    def settle(self) -> None:
        """Set status and exit code from what happened, in the documented order of precedence."""
        if any(
            stream.state in ("failed", "held", "incomplete") or stream.newly_rejected or stream.newly_stale
            for stream in self.streams
        ):
            self.status, self.exit_code = "partial", 3
        elif any(counts.deferred or counts.unknown or counts.failed for counts in (self.digests, self.items)) or (
            self.digests.held or self.items.over_ceiling
        ):
            self.status, self.exit_code = "partial", 4
        else:
            self.status, self.exit_code = "succeeded", 0


class Progress(Protocol):
    """Follow a run: the command line shows it, a Python caller may ignore it."""

    def phase(self, name: str) -> None:
        """Note that a phase begins."""

    def advance(self, count: int) -> None:
        """Note how many more records or learners are done in this phase."""


class SilentProgress:
    """Follow a run without showing anything."""

    def phase(self, name: str) -> None:
        """Ignore it."""

    def advance(self, count: int) -> None:
        """Ignore it."""
