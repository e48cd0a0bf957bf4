"""Plan what each tutor is sent: at most one digest a week, only when there is news, frozen in the outbox.

A gap is news if this episode of it was never sent to the person, if what it says has changed or, once, if it was sent
and is now settled. A log holds the gap keys and content hashes sent to each recipient on each channel; a digest that
was dropped undelivered counts as never sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import xxhash

from fingerpost._alerts.audience import Audience, Audiences, allowed
from fingerpost._alerts.learners import Known, KnownLearners
from fingerpost._benchmarks.wording import done, needs_together
from fingerpost._config.opened import Opened
from fingerpost._contract.items import Change, Digest, DigestLearner, DigestLine, DigestSource, Item, Payload
from fingerpost._market.in_mind import InMind
from fingerpost._plugins.context import HookContext
from fingerpost._plugins.instance import Instance
from fingerpost._record.kinds import load_kinds
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.failpoints import hit
from fingerpost._sync.freshness import Freshness
from fingerpost._sync.run import Run
from fingerpost._words.days import academic_year_of, say_day
from fingerpost._words.errors import FingerpostError

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_NOT_SENT = ("failed", "expired")
"""Outbox states in which a digest reached nobody, as far as we know: its content still has to be sent."""


MAY_HAVE_ARRIVED = "may_have_arrived"
"""Why an expired digest still counts as its week's."""


ADDRESS_NOT_ALLOWED = "address_not_allowed"
"""Why a digest is held: its recipient's domain is not allowed."""


def iso_week(day: date) -> str:
    """Return the week that a digest belongs to, such as ``2026-W10``."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


class Planner:
    """Build digests from what is stored, for planning and preview alike."""

    def __init__(
        self,
        connection: sa.Connection,
        opened: Opened,
        as_of: date,
        now: datetime,
        occupations: Mapping[InMind, str] | None = None,
    ) -> None:
        self.connection = connection
        self.config = opened.config
        self.alerts = opened.config.settings.alerts
        self.framework = opened.framework
        self.as_of = as_of
        self.now = now
        self._freshness = Freshness(connection, opened, now)
        self.audiences = Audiences(connection, opened, as_of)
        self.known = KnownLearners(connection, opened, as_of, occupations or {})
        self.kinds = load_kinds()
        self.sources = self._sources()
        self._connectors = {name: number for number, name in opened.store.connector_names(connection).items()}

    def digest(self, audience: Audience, channel: str, *, news_only: bool = True) -> Digest | None:
        """Return what to send to a recipient now, or None if there is no news.

        With `news_only` false it contains everything that is open, for a preview.
        """
        told = self._told(channel, audience.person.email)
        listed = self.alerts.learners_per_digest
        learners: list[DigestLearner] = []
        closed: list[DigestLearner] = []
        in_scope = on_track = cannot_tell = not_listed = 0
        news = False
        for number, learner in self.known.of(sorted(audience.learners)):
            in_scope += learner.in_scope
            on_track += learner.in_scope and not learner.gaps and not learner.unknown
            cannot_tell += learner.in_scope and learner.unknown and not learner.gaps
            group = audience.learners[number]
            if number in audience.untutored and audience.role != "careers_leader":
                group = "no tutor on record"
            lines = self.lines(self.known.without_answered(learner), told)
            if lines:
                listing = DigestLearner(learner.name, learner.reference, group, lines, learner.link, learner.in_mind)
                learners.append(listing)
                news = news or any(line.change in ("new", "changed") for line in lines)
                if len(learners) > listed + 500:  # the careers leader may have a whole college
                    learners.sort(key=_urgency)
                    not_listed += len(learners) - listed
                    del learners[listed:]
            settled = self._settled(learner, told)
            if settled:
                closed.append(DigestLearner(learner.name, learner.reference, group, settled, learner.link))
        if not (news or closed) and (news_only or not learners):
            return None
        learners.sort(key=_urgency)
        return Digest(
            key=xxhash.xxh3_128_hexdigest(f"{channel}\x1f{audience.person.email}\x1f{iso_week(self.as_of)}".encode()),
            recipient=audience.person,
            role=audience.role,
            college=self.config.settings.college.name,
            academic_year=academic_year_of(self.as_of),
            as_of=self.as_of,
            learners=tuple(learners[:listed]),
            closed=tuple(closed),
            on_track=on_track,
            group_size=in_scope,
            cannot_tell=cannot_tell,
            not_listed=not_listed + max(0, len(learners) - listed),
            sources=self.sources,
            careers_leader=self.audiences.leader,
            record_where=self.alerts.record_where,
        )

    def lines(self, learner: Known, told: Mapping[str, tuple[str, str]]) -> tuple[DigestLine, ...]:
        """Return one line for each thing to do; criteria that are reported together share one."""
        gaps = {row.criterion: (row, episode) for row, episode in learner.gaps}
        lines = []
        for line in needs_together(self.known.open_for(learner)):
            first = line.verdicts[0]
            episodes = [gaps[verdict.criterion][1] for verdict in line.verdicts]
            lines.append(
                DigestLine(
                    gap_key=" ".join(episode.gap_key for episode in episodes),
                    content_hash=" ".join(episode.content_hash for episode in episodes),
                    change=_change(episodes, told),
                    criterion=first.criterion,
                    needs=line.needs,
                    closes=line.closes,
                    due=first.due,
                    overdue=first.due is not None and first.due < self.as_of,
                    booked=self._booked(gaps[first.criterion][0].booked),
                )
            )
        return tuple(lines)

    def _settled(self, learner: Known, told: Mapping[str, tuple[str, str]]) -> tuple[DigestLine, ...]:
        """Return what was reported as missing and is settled now, each once."""
        lines = []
        for row, episode in learner.settled:
            said = told.get(episode.gap_key)
            if said is None or said[1] == "closed":
                continue
            words = done(self.framework.criterion(row.criterion))
            lines.append(
                DigestLine(episode.gap_key, episode.content_hash, "closed", row.criterion, needs=words, closes="")
            )
        return tuple(lines)

    def _told(self, channel: str, recipient: str) -> dict[str, tuple[str, str]]:
        """Return what this person was last sent, by gap key: content hash and kind of change."""
        told, outbox = schema.told, schema.outbox
        return {
            row.gap_key: (row.content_hash, row.change)
            for row in self.connection.execute(
                sa.select(told.c.gap_key, told.c.content_hash, told.c.change)
                .join(outbox, outbox.c.id == told.c.outbox_id)
                .where(outbox.c.channel == channel, outbox.c.recipient == recipient, outbox.c.state.not_in(_NOT_SENT))
                .order_by(outbox.c.id)
            )
        }

    def _booked(self, reference: str | None) -> str | None:
        """Describe the planned activity that would settle it."""
        if reference is None:
            return None
        name, _, key = reference.partition(":")
        table = schema.source_activity
        row = self.connection.execute(
            sa.select(table.c.title, table.c.kind, table.c.starts_on).where(
                table.c.connector == self._connectors.get(name), table.c.key == key
            )
        ).one_or_none()
        if row is None:
            return None
        kind = self.kinds.get(row.kind)
        what = row.title or (kind.singular.capitalize() if kind is not None else row.kind)
        return f"{what}, {say_day(date.fromisoformat(row.starts_on))}"

    def _sources(self) -> tuple[DigestSource, ...]:
        """Return each source's date, in college time, and whether it is stale."""
        state, names = schema.stream_state, schema.connector
        zone = ZoneInfo(self.config.settings.college.timezone)
        newest: dict[str, str] = {}
        stale: set[str] = set()
        for row in self.connection.execute(
            sa.select(names.c.name, state.c.stream, state.c.complete_at, state.c.data_at).join(
                names, names.c.id == state.c.connector
            )
        ):
            when = row.data_at or row.complete_at
            if when is not None:
                newest[row.name] = max(when, newest.get(row.name, ""))
            if self._freshness.of((row.name, row.stream)) != "fresh":
                stale.add(row.name)
        told = []
        for instance in self.config.instances:
            if instance.name in newest:
                instant = datetime.fromisoformat(newest[instance.name]).astimezone(zone)
                told.append(DigestSource(instance.name, say_day(instant), stale=instance.name in stale))
        return tuple(told)


def _change(episodes: Sequence[Any], told: Mapping[str, tuple[str, str]]) -> Change:
    """Say whether a line is new, changed, or listed because it is still open."""
    said = [told.get(episode.gap_key) for episode in episodes]
    if all(one is None for one in said):
        return "new"
    if any(one is None or one[0] != episode.content_hash for one, episode in zip(said, episodes, strict=True)):
        return "changed"
    return "open"


def _urgency(learner: DigestLearner) -> tuple[Any, ...]:
    """Order learners: news first, then overdue, then the earliest due date, then those who need most.

    News comes first so that a learner left out this week for lack of room is listed next week.
    """
    first = min((line.due or date.max for line in learner.lines), default=date.max)
    return (
        not any(line.change in ("new", "changed") for line in learner.lines),
        not any(line.overdue for line in learner.lines),
        first,
        -len(learner.lines),
        learner.name,
        learner.reference,
    )


def plan(run: Run, planner: Planner, channel: Instance, context: HookContext) -> None:
    """Plan this week's digests for one channel, one recipient per transaction."""
    if planner.as_of.weekday() < _WEEKDAYS.index(planner.alerts.weekday):
        return
    week = iso_week(planner.as_of)
    table = schema.outbox
    with run.unit.transaction() as connection:
        # A digest that certainly reached nobody in time leaves the week open. A refused one waits for the next week:
        # an address that does not exist today will not exist tomorrow.
        served = set(
            connection.scalars(
                sa.select(table.c.recipient).where(
                    table.c.channel == channel.name,
                    table.c.week == week,
                    sa.or_(table.c.state != "expired", table.c.detail == MAY_HAVE_ARRIVED),
                )
            )
        )
        audiences = [one for one in planner.audiences if one.person.email not in served]
    for audience in audiences:
        with run.unit.transaction() as connection:
            digest = planner.digest(audience, channel.name)
            if digest is None:
                continue
            payload = render(run, channel, context, digest)
            if payload is None:
                run.report.digests.failed += 1
                continue
            may = allowed(audience.person.email, planner.config.allowed_domains)
            _store(run, connection, channel.name, digest, payload, week, held=not may)
            hit("planning_written")
        hit("planning_committed")
        run.report.digests.planned += 1


def render(run: Run, channel: Instance, context: HookContext, item: Item) -> Payload | None:
    """Return the frozen message, or report to IT and return None: a failure must not hold up the others."""
    try:
        return channel.render(item, cast("Any", context))
    except FingerpostError as error:
        said = f"Channel {channel.name}: {error.message}"
    except Exception as error:
        said = f"Channel {channel.name} crashed while making a message ({type(error).__name__})."
        run.log.debug("render_broke_details", exc_info=True)
    run.log.error("message_not_made", channel=channel.name, message=said)
    if said not in run.report.messages:
        run.report.messages.append(said)
    return None


def _store(
    run: Run, connection: sa.Connection, channel: str, digest: Digest, payload: Payload, week: str, *, held: bool
) -> None:
    """Freeze one digest in the outbox, with a log of the gaps in it, in one transaction."""
    outbox, told = schema.outbox, schema.told
    # Replaces a digest for the same week that reached nobody.
    old = connection.scalar(sa.select(outbox.c.id).where(outbox.c.channel == channel, outbox.c.key == payload.key))
    if old is not None:
        connection.execute(sa.delete(told).where(told.c.outbox_id == old))
        connection.execute(sa.delete(outbox).where(outbox.c.id == old))
    lines = (line for learner in (*digest.learners, *digest.closed) for line in learner.lines)
    freeze(
        run, connection, payload, lines, channel=channel, key=payload.key, item="digest", operation="open",
        recipient=digest.recipient.email, week=week, subject=payload.subject, message_id=payload.message_id,
        content_hash=xxhash.xxh3_128_hexdigest(payload.content), state="held" if held else "pending",
        detail=ADDRESS_NOT_ALLOWED if held else None,
    )  # fmt: skip


def freeze(run: Run, connection: sa.Connection, payload: Payload, lines: Iterable[DigestLine], **columns: Any) -> None:
    """Put one message into the outbox, with a log of the gaps in it."""
    number = connection.execute(
        sa.insert(schema.outbox).returning(schema.outbox.c.id).values(
            content_type=payload.content_type, content=payload.content, attempts=0, planned_run=run.id,
            planned_at=run.now_text, **columns,
        )
    ).scalar_one()  # fmt: skip
    rows = [
        (number, gap, said, line.change)
        for line in lines
        for gap, said in zip(line.gap_key.split(), line.content_hash.split(), strict=True)
    ]
    executemany(connection, run.store.dialect.insert_ignore(schema.told), rows)
