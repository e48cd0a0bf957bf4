"""The four messages that a read hook yields, and the streams they belong to.

They are named tuples: immutable, typed, and the cheapest objects to make by the million.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

StreamName: TypeAlias = Literal["learners", "programmes", "assignments", "activities", "destinations", "responses"]
"""The name of a stream."""

STREAMS: tuple[StreamName, ...] = (
    "learners", "programmes", "assignments", "activities", "destinations", "responses",
)  # fmt: skip
"""Every stream, in the order in which one run reads them."""

Cursor: TypeAlias = str | int
"""How far an incremental read has got: an ISO instant or date, or a growing integer. It is stored as JSON."""


class Record(NamedTuple):
    """Hand over one record as the source has it; the host maps and validates it.

    `key` is the source's own key: stable, unique in the stream, never empty. `data` is a plain mapping of source field
    to value. `part` names the partition of the stream, for sources kept in parts that are not all read (an ILR has one
    per academic year): a sweep removes only from parts that were read. A part that is an academic year, in any usual
    spelling, is that year: once a source has the next one, enrolments of the earlier one have ended with it.
    """

    key: str
    data: Mapping[str, Any]
    part: str = ""

    def __repr__(self) -> str:
        """Show which record it is, but not its contents."""
        return f"Record(key={self.key!r}, part={self.part!r}, {len(self.data)} fields)"


class Deleted(NamedTuple):
    """Report that the source no longer holds the record with this key.

    A membership or an enrolment has ended then, and what it brought stays; with `mistake` it was never so.
    """

    key: str
    mistake: bool = False


class Rejected(NamedTuple):
    """Hand over a record that could not be read at all; the host quarantines it and continues.

    `reason` is a short code such as ``ragged_row``, `where` a place a person can find (``activities.csv line 17``),
    `raw` what could be read. No personal data belongs in `reason` or `where`.
    """

    key: str
    reason: str
    where: str = ""
    raw: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        """Show what is wrong and where, but not the record's contents: its key may be among them."""
        return f"Rejected(reason={self.reason!r}, where={self.where!r}, {len(self.raw)} fields)"


class Checkpoint(NamedTuple):
    """Promise that everything yielded before may be committed.

    `cursor` is how far the read has got (None if the stream has no cursor).
    """

    cursor: Cursor | None = None


Message: TypeAlias = Record | Deleted | Rejected | Checkpoint
"""What a read hook may yield."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """Declare how one stream of a source behaves.

    * `cursor`: the type of the cursor, or None if the stream can only be read whole.
    * `ordered`: records come in cursor order, so that the cursor may move at every checkpoint. An unordered stream
      moves it only at the end.
    * `lookback_days`: how far back each incremental read goes, for late entries.
    * `mode`: ``snapshot`` (a record missing from a whole read is gone) or ``append``.
    * `mapping`: the mapping used if the configuration names none.
    * `feeds`: the activity kinds that this stream vouches for unless configured.
    """

    name: StreamName
    cursor: Literal["instant", "date", "integer"] | None = None
    ordered: bool = False
    lookback_days: float = 1.0
    mode: Literal["snapshot", "append"] = "snapshot"
    mapping: str | None = None
    feeds: tuple[str, ...] = ()
