"""What a channel delivers, and what it answers.

A channel gets items, never strings: a `Digest` for a person or a `GapItem` for a learner's page in the ILP. It renders
an item once to a `Payload` whose bytes are frozen in the outbox, and delivers payloads against receipts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple, TypeAlias

Change: TypeAlias = Literal["new", "changed", "open", "reminder", "closed"]
"""Why a line is sent: it is new, changed, listed for completeness, due again, or done."""

ReceiptStatus: TypeAlias = Literal["sent", "put_off", "temporary", "permanent", "unknown"]
"""The outcome of a payload: it went, try again soon, try again next run, never try again, or unknown."""


class Person(NamedTuple):
    """A member of staff who gets messages."""

    name: str
    email: str

    def __repr__(self) -> str:
        """Hide the name and address."""
        return "Person(...)"


@dataclass(frozen=True, slots=True)
class DigestLine:
    """One thing that one learner still needs (or has now done), in words for a tutor.

    `needs` says what is missing ("1 of 2 meetings with employers this year"), `closes` what would settle it ("A talk,
    visit or project with one more employer"), `booked` the next planned activity that would count, `due` the last day,
    `overdue` whether it has passed. `gap_key` and `content_hash` identify what was sent; they are not shown.
    """

    gap_key: str
    content_hash: str
    change: Change
    criterion: str
    needs: str
    closes: str
    due: date | None = None
    overdue: bool = False
    booked: str | None = None


@dataclass(frozen=True, slots=True)
class DigestLearner:
    """One learner in a digest, with every line about them, most urgent first.

    `link` is the learner's page in the ILP, `in_mind` a line about the occupation they have in mind, with year and
    source.
    """

    name: str = field(repr=False)
    reference: str
    group: str | None
    lines: tuple[DigestLine, ...]
    link: str | None = None
    in_mind: str | None = None


@dataclass(frozen=True, slots=True)
class DigestSource:
    """How fresh one source was when the digest was made; `as_of` is in college time."""

    name: str
    as_of: str
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Digest:
    """One message to one person about their own learners.

    `key` is stable: the same digest planned again has the same key. `on_track` of `group_size` learners need nothing
    now; `cannot_tell` counts learners for whom no system records something we need, so that nothing is claimed about
    them; `not_listed` counts learners who need something but did not fit; they come next week. `role` is ``tutor``, or
    ``careers_leader`` for learners without a tutor on record. `unreachable` are tutors to whom messages are refused, so
    that the careers leader is told about their learners.
    """

    key: str
    recipient: Person
    role: Literal["tutor", "cover", "careers_leader"]
    college: str
    academic_year: str
    as_of: date
    learners: tuple[DigestLearner, ...]
    closed: tuple[DigestLearner, ...] = ()
    on_track: int = 0
    group_size: int = 0
    cannot_tell: int = 0
    not_listed: int = 0
    sources: tuple[DigestSource, ...] = ()
    careers_leader: Person | None = None
    record_where: str | None = None
    unreachable: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class GapItem:
    """One learner's open gaps as one item on the learner's page in the ILP.

    `key` stays the same for the item's life; `operation` says what to do with it, and `external_ref` what the ILP calls
    it, if an earlier delivery found out. `text` is for the learner, and a parent who may look: plain lines without a
    mark (`mark_item` puts it in front). `lines` are the same gaps one by one.
    """

    key: str
    operation: Literal["open", "update", "close"]
    learner_reference: str
    text: str = field(repr=False)
    lines: tuple[DigestLine, ...]
    as_of: date
    external_ref: str | None = None


class ListedItem(NamedTuple):
    """One open item that a channel found in the ILP by its mark: its key, and the learner whose page it is on."""

    key: str
    learner_reference: str

    def __repr__(self) -> str:
        """Hide the learner's reference."""
        return f"ListedItem(key={self.key!r})"


Item: TypeAlias = Digest | GapItem
"""What a channel may be asked to render."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The frozen bytes of one item: rendered once, stored, delivered, and resent unchanged.

    `message_id` identifies the delivery outside (an e-mail's Message-ID); `recipient` is the one address or reference
    it goes to; `subject` contains no personal name.
    """

    key: str
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)
    content_type: str
    message_id: str
    subject: str


class Receipt(NamedTuple):
    """Report the outcome of one payload.

    ``sent`` and ``permanent`` are final, and ``permanent`` blames the address; ``temporary`` is tried again by the next
    run, and ``put_off`` by this one first, minutes later; ``unknown`` means that it may have arrived: it is reconciled,
    or resent unchanged once. `detail` is a code, or a sentence with a full stop that the report and `status` pass on to
    IT; it holds no personal data.
    """

    key: str
    status: ReceiptStatus
    external_ref: str | None = None
    detail: str = ""
