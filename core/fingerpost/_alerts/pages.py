"""Plan what is shown on each learner's page in the ILP: one item while anything is open, and none otherwise.

The item follows the learner's gaps: opened with the first, updated when its text changes, closed with the last. The
outbox's record of earlier deliveries shows what is there now; if an answer never arrived, the channel is asked for the
wanted state again, since it looks before it writes. Anything else that a channel finds in the ILP, such as after a lost
store, is adopted and follows the gaps like the rest.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
import xxhash

from fingerpost._alerts.digests import MAY_HAVE_ARRIVED, Planner, freeze, render
from fingerpost._alerts.learners import Known
from fingerpost._benchmarks.wording import page_text
from fingerpost._contract.items import GapItem
from fingerpost._contract.marker import item_key
from fingerpost._plugins.context import HookContext
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._sync.crosswalk import known_providers
from fingerpost._sync.failpoints import hit
from fingerpost._sync.report import WouldWrite
from fingerpost._sync.run import Run
from fingerpost._words.days import academic_year_of
from fingerpost._words.errors import FingerpostError

EDITED = "edited_by_tutor"
"""A channel's code for an item that somebody has changed: it is theirs now and never overwritten."""

NO_PAGE = "no_learner_page"
"""A channel's code for a learner who is not in the ILP."""

RETRY_AFTER = timedelta(days=7)
"""How long to wait before trying a refused item again: the learner may be in the ILP by then."""

BATCH = 200
"""Items frozen in one transaction."""

CLOSED = "closed"
"""What an item says once nothing is open any more, and a page that never had one."""

_CLOSED_TEXT = "Careers programme: everything that was listed here is done or no longer needed."

_NEVER_JUDGED = ("not_fed", "not_judged", "apprentice_job")
"""Reasons for an unknown verdict that are permanent: what a college does not judge was never on a page."""

_RANK = {"close": 0, "update": 1, "open": 2}
_outbox = schema.outbox


@dataclass(slots=True)
class _Page:
    """What the outbox knows about one item: what is shown, what is on its way, and what was refused.

    `says` is the hash of its text, or `CLOSED`. If delivery expired without an answer, it is uncertain.
    """

    reference: str
    says: str = CLOSED
    external_ref: str | None = None
    revisions: int = 0
    is_uncertain: bool = False
    in_flight: bool = False
    waiting: Any = None
    refused: Any = None

    def take(self, row: Any) -> None:
        """Apply the next delivery."""
        self.revisions = int(row.key.rpartition(".")[2])
        if row.state == "sent":
            self.says, self.is_uncertain, self.refused = row.content_hash, False, None
            self.external_ref = None if self.says == CLOSED else row.external_ref
        elif row.state == "failed":
            self.refused = row
        elif row.state == "expired":
            self.is_uncertain = self.is_uncertain or row.detail == MAY_HAVE_ARRIVED
        elif row.state == "pending":
            self.waiting = row
        else:
            self.in_flight = True

    def operation(self, wanted: str, now: datetime) -> Literal["open", "update", "close"] | None:
        """Return what makes the item say what is wanted; None if nothing can or need be done."""
        if self.in_flight or (self.says == wanted and not self.is_uncertain) or self._is_refused(wanted, now):
            return None
        if wanted == CLOSED:
            return "close"
        return "open" if self.says == CLOSED and not self.is_uncertain else "update"

    def _is_refused(self, wanted: str, now: datetime) -> bool:
        refused = self.refused
        if refused is None or refused.content_hash != wanted:
            return False
        return refused.detail == EDITED or now - datetime.fromisoformat(refused.settled_at) < RETRY_AFTER


class _Wanted(NamedTuple):
    """One wanted change, with what decides its turn."""

    rank: int
    due: date
    reference: str
    item: GapItem
    says: str
    revision: int


def plan_items(run: Run, planner: Planner, channel: Instance, context: HookContext) -> None:
    """Plan the item changes for one channel to write, as many as one run may; a dry run lists them."""
    settings: Any = channel.config
    if not (settings.write or run.report.dry_run):
        return
    with run.unit.transaction() as connection:
        pages = _pages(connection, channel.name)
    found = _take_in(run, channel, context, pages) if _knows_everybody(run) else set()
    with run.unit.transaction() as connection:
        changes = _Changes(run, planner, pages, found)
        _drop_outdated(connection, pages, changes)
        waiting = sum(page.waiting is not None for page in pages.values())
        room = max(0, settings.ceiling - waiting)
        # At least one is selected, so that all are counted.
        chosen = heapq.nsmallest(max(room, 1), changes, key=lambda one: one[:3])[:room]
    run.report.items.over_ceiling += changes.count - len(chosen)
    for start in range(0, len(chosen), BATCH):
        with run.unit.transaction() as connection:
            for wanted in chosen[start : start + BATCH]:
                _freeze(run, connection, channel, context, wanted)
            hit("planning_written")
        hit("planning_committed")


class _Changes:
    """Go through the wanted changes one at a time, and count them.

    `found` are the keys of items that were only found in the ILP.
    """

    def __init__(self, run: Run, planner: Planner, pages: dict[str, _Page], found: set[str]) -> None:
        self.count = 0
        self._run = run
        self._planner = planner
        self._pages = pages
        self._found = found

    def __iter__(self) -> Iterator[_Wanted]:
        self.count = 0
        there = set()
        for key, learner in self.people():
            there.add(key)
            page = self._pages.get(key) or _Page(learner.reference)
            wanted = None if learner.is_silent or page.waiting is not None else self._open(key, page, learner)
            if wanted is not None:
                yield self._counted(wanted)
        there |= self._not_judged(self._found - there)
        for key, page in self._pages.items():
            if key not in there and page.waiting is None and page.operation(CLOSED, self._run.now) is not None:
                item = GapItem(key, "close", page.reference, _CLOSED_TEXT, (), self._run.as_of, page.external_ref)
                yield self._counted(_Wanted(_RANK["close"], date.min, page.reference, item, CLOSED, page.revisions + 1))

    def people(self) -> Iterator[tuple[str, Known]]:
        """Yield everybody with something open, or not judgeable for now, with the key of their item."""
        for _, learner in self._planner.known.of(self._planner.known.with_open_episodes()):
            if learner.reference and (learner.gaps or learner.is_silent):
                yield self._key(learner.ukprn, learner.reference), learner

    def _not_judged(self, keys: set[str]) -> set[str]:
        """Return the keys whose learners cannot be judged for now: what was open for them is unknown."""
        if not keys:
            return set()
        learner, verdict = schema.learner, schema.verdict
        unknown = self._planner.connection.execute(
            sa.select(learner.c.ukprn, learner.c.reference)
            .join(verdict, verdict.c.learner_id == learner.c.id)
            .where(
                learner.c.deleted_run.is_(None), learner.c.reference.is_not(None),
                verdict.c.framework == self._planner.framework.name, verdict.c.status == "unknown",
                sa.or_(verdict.c.reason.is_(None), verdict.c.reason.not_in(_NEVER_JUDGED)),
            )
            .execution_options(yield_per=5_000)
        )  # fmt: skip
        not_judged = {key for ukprn, reference in unknown if (key := self._key(ukprn, reference)) in keys}
        rejected = self._rejected({self._pages[key].reference for key in keys})
        return not_judged | {key for key in keys if self._pages[key].reference in rejected}

    def _rejected(self, references: set[str]) -> set[str]:
        """Return the references that appear in a rejected learner record: those learners have not left."""
        table, found = schema.quarantine, set()
        raw = sa.select(table.c.raw).where(table.c.stream == "learners").execution_options(yield_per=5_000)
        for text in self._planner.connection.scalars(raw):
            found |= references & {str(value).strip() for value in json.loads(text).values()}
        return found

    def _key(self, ukprn: int | None, reference: str) -> str:
        return item_key(ukprn or self._planner.config.settings.college.ukprn, reference)

    def text(self, learner: Known) -> str:
        """Return the text for a learner's item."""
        return page_text(self._planner.known.open_for(learner), academic_year_of(self._run.as_of))

    def _open(self, key: str, page: _Page, learner: Known) -> _Wanted | None:
        text = self.text(learner)
        operation = page.operation(_hash(text), self._run.now)
        if operation is None:
            return None
        lines = self._planner.lines(learner, {})
        due = min((line.due or date.max for line in lines), default=date.max)
        item = GapItem(key, operation, learner.reference, text, lines, self._run.as_of, page.external_ref)
        return _Wanted(_RANK[operation], due, learner.reference, item, _hash(text), page.revisions + 1)

    def _counted(self, wanted: _Wanted) -> _Wanted:
        self.count += 1
        return wanted


def _pages(connection: sa.Connection, channel: str) -> dict[str, _Page]:
    """Return what the outbox knows about each of a channel's items, by key."""
    pages: dict[str, _Page] = {}
    columns = ("id", "key", "message_id", "operation", "recipient", "state", "content_hash", "external_ref", "detail",
               "settled_at")  # fmt: skip
    select = sa.select(*(_outbox.c[name] for name in columns)).where(
        _outbox.c.channel == channel, _outbox.c.item == "gap_item"
    )
    for row in connection.execute(select.order_by(_outbox.c.id)):
        pages.setdefault(row.message_id, _Page(row.recipient)).take(row)
    return pages


def _knows_everybody(run: Run) -> bool:
    """Say whether this run read every stream to its end: only then has somebody in no source really left."""
    read = {(one.connector, one.stream) for one in run.report.streams if one.state not in ("reading", "failed")}
    wanted = {(instance.name, spec.name) for instance in run.config.instances for spec in instance.streams}
    return not run.config.broken and wanted <= read


def _take_in(run: Run, channel: Instance, context: HookContext, pages: dict[str, _Page]) -> set[str]:
    """Add to `pages` the items that are open in the ILP but not in the outbox; return their keys.

    A lost store, or a connector with another name, may have left them there. Known items are not kept, so that a usual
    night costs no memory; another college's items are recognised by their keys and left alone.
    """
    ukprns = [int(ukprn) for ukprn in known_providers(run.config)]
    found = set()
    try:
        for item in channel.list_items(context):
            page = pages.get(item.key)
            if page is not None and (page.says != CLOSED or page.is_uncertain):
                continue
            if any(item.key == item_key(ukprn, item.learner_reference) for ukprn in ukprns):
                page = pages.setdefault(item.key, _Page(item.learner_reference))
                page.is_uncertain = True
                found.add(item.key)
    except FingerpostError as error:
        run.report.say(f"Channel {channel.name}: {error.message}")
        run.log.error("listing_failed", channel=channel.name, message=error.message)
    except Exception as error:
        run.report.messages.append(f"Channel {channel.name} crashed while listing items ({type(error).__name__}).")
        run.log.error("listing_broke", channel=channel.name, error=type(error).__name__)
        run.log.debug("listing_broke_details", exc_info=True)
    return found


def _drop_outdated(connection: sa.Connection, pages: dict[str, _Page], changes: _Changes) -> None:
    """Withdraw waiting items that are no longer right; they have certainly not been sent."""
    waiting = {key: page for key, page in pages.items() if page.waiting is not None}
    if not waiting:
        return
    wanted = {key: learner for key, learner in changes.people() if key in waiting}
    for key, page in waiting.items():
        learner = wanted.get(key)
        if learner is not None and learner.is_silent:
            continue
        if page.waiting.content_hash != (CLOSED if learner is None else _hash(changes.text(learner))):
            connection.execute(sa.delete(schema.told).where(schema.told.c.outbox_id == page.waiting.id))
            connection.execute(sa.delete(_outbox).where(_outbox.c.id == page.waiting.id))
            page.waiting = None


def _freeze(run: Run, connection: sa.Connection, channel: Instance, context: HookContext, wanted: _Wanted) -> None:
    """Freeze one change in the outbox, with a log of the gaps in it."""
    item = wanted.item
    payload = render(run, channel, context, item)
    if payload is None:
        run.report.items.failed += 1
        return
    freeze(
        run, connection, payload, item.lines, channel=channel.name, key=f"{item.key}.{wanted.revision}",
        item="gap_item", operation=item.operation, recipient=item.learner_reference, week="", subject="",
        message_id=item.key, content_hash=wanted.says, state="pending",
    )  # fmt: skip
    run.report.items.planned += 1
    if run.report.dry_run:
        run.report.would_write.append(WouldWrite(channel.name, item.operation, item.learner_reference, item.text))


def _hash(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(text.encode())
