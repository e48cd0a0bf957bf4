"""Plan what each tutor is told: one digest at most in a week, only when there is news, frozen in the outbox.

A gap is news when the person was never told of this episode of it, when what is said of it has changed, or, once,
when it was told and is now settled. What was told is a log of gap key and content hash for each recipient and
channel; a digest that was dropped undelivered counts as never told.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast
from urllib.parse import quote
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import xxhash

from fingerpost._alerts.audience import Audience, TutorRow, allowed
from fingerpost._benchmarks.verdicts import GAP, Verdict
from fingerpost._benchmarks.wording import done, needs_together
from fingerpost._contract.items import Change, Digest, DigestLearner, DigestLine, DigestSource, Item, Payload, Person
from fingerpost._record.kinds import load_kinds
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.facts import is_fresh
from fingerpost._sync.failpoints import hit
from fingerpost._words.days import academic_year_of, say_day
from fingerpost._words.errors import FingerpostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fingerpost._benchmarks.framework import Criterion, Framework
    from fingerpost._config.configuration import Configuration
    from fingerpost._market.in_mind import InMind
    from fingerpost._plugins.context import HookContext
    from fingerpost._plugins.instance import Instance
    from fingerpost._store.store import Store
    from fingerpost._sync.run import Run


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NOT_TOLD = ("failed", "expired")
"""Outbox states in which a digest reached nobody, as far as we know: what it said is still to be told."""

MAY_HAVE_ARRIVED = "may_have_arrived"
"""Why an expired digest still counts as the one of its week."""

ADDRESS_NOT_ALLOWED = "address_not_allowed"
"""Why a digest is held: its recipient's domain is none that may be written to."""


SNOOZE = timedelta(days=14)
"""How long "not now" holds where no day was named."""

LONGEST_SNOOZE = timedelta(weeks=6)
"""How long it holds at most: what is put off for longer is forgotten."""


def iso_week(day: date) -> str:
    """Return the week that a digest counts for, such as ``2026-W10``."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


@dataclass(slots=True)
class Known:
    """What a digest or an item needs to know of one learner.

    A silent one has a gap that was open and cannot be judged for now. `answer` is what a tutor last answered.
    """

    name: str = field(repr=False)
    reference: str
    ukprn: int | None = None
    link: str | None = None
    in_mind: str | None = None
    answer: _Answer | None = None
    gaps: list[tuple[Any, Any]] = field(default_factory=list)
    settled: list[Any] = field(default_factory=list)
    in_scope: bool = False
    unknown: bool = False
    is_silent: bool = False


class _Answer(NamedTuple):
    """What a tutor answered in the ILP: it speaks of what was so before the run that first read it."""

    response: str
    run: int
    until: date | None

    def hushes(self, verdict: Any, episode: Any, as_of: date) -> bool:
        """Say whether a gap is not to be listed: known and unchanged since, or put off to a later day."""
        if self.response == "acknowledged":
            return bool(episode.opened_run < self.run and verdict.changed_run < self.run)
        return self.until is not None and as_of <= self.until and bool(episode.opened_run < self.run)


class Planner:
    """Build digests from what is stored; planning and preview use the same."""

    def __init__(
        self,
        connection: sa.Connection,
        store: Store,
        config: Configuration,
        framework: Framework,
        as_of: date,
        now: datetime,
        connectors: Mapping[int, str],
        occupations: Mapping[InMind, str] | None = None,
    ) -> None:
        self.connection = connection
        self.store = store
        self.config = config
        self.alerts = config.settings.alerts
        self.framework = framework
        self.as_of = as_of
        self.now = now
        self.connectors = connectors
        self.occupations = occupations or {}
        self.kinds = load_kinds()
        self.sources = self._sources()
        self.leader = (
            Person(self.alerts.careers_leader_name, self.alerts.careers_leader.lower())
            if self.alerts.careers_leader
            else None
        )

    # -- who is told of whom -------------------------------------------------------------------------------------

    def audiences(self) -> Iterator[Audience]:
        """Return every recipient with their learners on the day, in order of address.

        For each learner the most trusted source that names a tutor decides. While somebody covers, the digest goes to
        them. Learners without any tutor go to the careers leader, who gets one message also where they tutor
        themselves. Addresses that differ in case alone are one person's.
        """
        found: dict[str, Audience] = {}
        owned: set[int] = set()
        for learner, group, people in self._tutors():
            owned.add(learner)
            for person, role in people:
                audience = found.setdefault(person.email, Audience(person, role))
                audience.learners[learner] = group
        rest = frozenset(self._live_learners()) - owned if self.leader is not None else frozenset()
        if self.leader is not None and rest:
            audience = found.setdefault(self.leader.email, Audience(self.leader, "careers_leader"))
            audience.learners.update(dict.fromkeys(sorted(rest)))
            audience.untutored = rest
        for address in sorted(found):
            yield found[address]

    def enrolled(self) -> frozenset[int]:
        """Return the learners who are on a programme on the day."""
        table, today = schema.source_programme, self.as_of.isoformat()
        return frozenset(
            self.connection.scalars(
                sa.select(table.c.learner_id).where(
                    table.c.deleted_run.is_(None),
                    table.c.learner_id.is_not(None),
                    table.c.starts_on <= today,
                    sa.or_(table.c.actual_end.is_(None), table.c.actual_end >= today),
                    sa.or_(table.c.planned_end.is_(None), table.c.planned_end >= today),
                )
            )
        )

    def _live_learners(self) -> list[int]:
        learner = schema.learner
        return list(
            self.connection.scalars(
                sa.select(learner.c.id).where(learner.c.deleted_run.is_(None)).order_by(learner.c.id)
            )
        )

    def _tutors(self) -> Iterator[tuple[int, str | None, list[tuple[Person, Literal["tutor", "cover"]]]]]:
        """Return for each learner that has one: group, and who is told about them today."""
        rank = self._tutor_rank()
        by_group: dict[str | None, list[TutorRow]] = defaultdict(list)
        table = schema.source_assignment
        today = self.as_of.isoformat()
        current = sa.and_(
            table.c.deleted_run.is_(None),
            table.c.role != "careers_leader",
            sa.or_(table.c.starts_on.is_(None), table.c.starts_on <= today),
            sa.or_(table.c.ends_on.is_(None), table.c.ends_on >= today),
        )
        select = sa.select(
            table.c.learner_id, table.c.connector, table.c.group, table.c.tutor_name, table.c.tutor_email, table.c.role
        ).where(current)
        heads_of_groups = select.where(table.c.identity.is_(None), table.c.tutor_email.is_not(None))
        for row in self.connection.execute(heads_of_groups.order_by(table.c.key)):
            by_group[row.group].append(TutorRow(*row[1:]))
        rows: list[TutorRow] = []
        learner: int | None = None
        ordered = select.where(table.c.learner_id.is_not(None)).order_by(table.c.learner_id, table.c.key)
        for row in self.connection.execute(ordered.execution_options(yield_per=5_000)):
            if row.learner_id != learner:
                if learner is not None and rows:
                    yield (learner, *self._tutors_of(rows, rank))
                rows, learner = [], row.learner_id
            rows += by_group.get(row.group, ()) if row.tutor_email is None else (TutorRow(*row[1:]),)
        if learner is not None and rows:
            yield (learner, *self._tutors_of(rows, rank))

    def _tutors_of(
        self, rows: Sequence[TutorRow], rank: Mapping[int, tuple[int, int]]
    ) -> tuple[str | None, list[tuple[Person, Literal["tutor", "cover"]]]]:
        """Return the group of one learner and who is told: whom the most trusted source names for them or the group."""
        best = min(rank[row.connector] for row in rows)
        trusted = [row for row in rows if rank[row.connector] == best]
        role: Literal["tutor", "cover"] = "cover" if any(row.role == "cover" for row in trusted) else "tutor"
        people = {
            row.tutor_email.lower(): Person(row.tutor_name or row.tutor_email, row.tutor_email.lower())
            for row in trusted
            if row.role == role
        }
        group = next((row.group for row in trusted if row.group), None)
        return group, [(person, role) for person in people.values()]

    def _tutor_rank(self) -> dict[int, tuple[int, int]]:
        order = self.config.settings.precedence.get("tutor", ())
        return {
            number: (0, order.index(name)) if name in order else (1, self.config.rank(name))
            for number, name in self.connectors.items()
        }

    # -- what is said --------------------------------------------------------------------------------------------

    def digest(self, audience: Audience, channel: str, *, news_only: bool = True) -> Digest | None:
        """Return what a recipient is to be told now, or None where there is no news.

        With `news_only` false, everything that is open is told, as a preview shows it.
        """
        told = self._told(channel, audience.person.email)
        listed = self.alerts.learners_per_digest
        learners: list[DigestLearner] = []
        closed: list[DigestLearner] = []
        in_scope = on_track = cannot_tell = not_listed = 0
        news = False
        for number, learner in self.learners(sorted(audience.learners)):
            in_scope += learner.in_scope
            on_track += learner.in_scope and not learner.gaps and not learner.unknown
            cannot_tell += learner.in_scope and learner.unknown and not learner.gaps
            group = audience.learners[number]
            if number in audience.untutored and audience.role != "careers_leader":
                group = "no tutor on record"
            lines = self.lines(self._unanswered(learner), told)
            if lines:
                listing = DigestLearner(learner.name, learner.reference, group, lines, learner.link, learner.in_mind)
                learners.append(listing)
                news = news or any(line.change in ("new", "changed") for line in lines)
                if len(learners) > listed + 500:  # a whole college may be the careers leader's
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
            careers_leader=self.leader,
            record_where=self.alerts.record_where,
        )

    def with_open_episodes(self) -> list[int]:
        """Return the learners of whom a gap is open."""
        episode = schema.episode
        return list(
            self.connection.scalars(
                sa.select(episode.c.learner_id)
                .where(episode.c.closed_on.is_(None), episode.c.framework == self.framework.name)
                .distinct()
                .order_by(episode.c.learner_id)
            )
        )

    def learners(self, numbers: Sequence[int]) -> Iterator[tuple[int, Known]]:
        """Return what is known of the live ones among these learners, some at a time."""
        learner, episode, verdict = schema.learner, schema.episode, schema.verdict
        for start in range(0, len(numbers), 500):
            some = numbers[start : start + 500]
            known: dict[int, Known] = {}
            answers = self._answers(some)
            for row in self.connection.execute(
                sa.select(
                    learner.c.id,
                    learner.c.ukprn,
                    learner.c.reference,
                    learner.c.uln,
                    learner.c.given_names,
                    learner.c.family_name,
                    learner.c.page_token,
                    learner.c.soc_code,
                    learner.c.intended_occupation,
                )
                .where(learner.c.id.in_(some), learner.c.deleted_run.is_(None))
                .order_by(learner.c.id)
            ):
                known[row.id] = Known(
                    self._name(row),
                    row.reference or "",
                    row.ukprn,
                    self._link(row),
                    self.occupations.get((row.soc_code, row.intended_occupation)),
                    answers.get(row.id),
                )
            open_gaps = {
                (row.learner_id, row.criterion, row.period): row
                for row in self.connection.execute(
                    sa.select(episode)
                    .where(
                        episode.c.learner_id.in_(some),
                        episode.c.framework == self.framework.name,
                        sa.or_(episode.c.closed_on.is_(None), episode.c.outcome == "met"),
                    )
                    .order_by(episode.c.number)
                )
            }
            for row in self.connection.execute(
                sa.select(verdict)
                .where(verdict.c.learner_id.in_(some), verdict.c.framework == self.framework.name)
                .order_by(verdict.c.learner_id, verdict.c.criterion, verdict.c.period)
            ):
                if row.learner_id in known:
                    self._take(known[row.learner_id], row, open_gaps)
            yield from known.items()

    def _answers(self, numbers: Sequence[int]) -> dict[int, _Answer]:
        """Return what was last answered about each of these learners, where it still means anything."""
        table, runs = schema.source_response, schema.run
        found = {}
        rows = self.connection.execute(
            sa.select(table, runs.c.as_of)
            .join(runs, runs.c.id == table.c.answered_run)
            .where(table.c.learner_id.in_(numbers), table.c.deleted_run.is_(None))
        )
        for row in sorted(rows, key=_when_answered):
            read_on = date.fromisoformat(row.as_of)
            until = read_on + SNOOZE if row.until is None else date.fromisoformat(row.until)
            until = min(until, read_on + LONGEST_SNOOZE)
            found[row.learner_id] = _Answer(
                row.response, row.answered_run, until if row.response == "snoozed" else None
            )
        return found

    def _link(self, row: Any) -> str | None:
        """Return the address of the learner's page in the ILP; nothing that the ILP says can change its host."""
        pattern = self.alerts.learner_page
        if pattern is None or ("{token}" in pattern and not row.page_token):
            return None
        token, reference = quote(row.page_token or "", safe=""), quote(row.reference or "", safe="")
        return pattern.replace("{token}", token).replace("{reference}", reference)

    def _unanswered(self, learner: Known) -> Known:
        """Leave out the gaps of which the tutor has said that they know, or not now."""
        answer = learner.answer
        if answer is None or not learner.gaps:
            return learner
        return replace(learner, gaps=[gap for gap in learner.gaps if not answer.hushes(*gap, self.as_of)])

    @staticmethod
    def _take(learner: Known, row: Any, episodes: Mapping[tuple[int, str, str], Any]) -> None:
        """Sort one stored verdict into what a digest says."""
        if row.status in ("not_applicable", "lapsed"):
            return
        learner.in_scope = True
        episode = episodes.get((row.learner_id, row.criterion, row.period))
        if row.status == "unknown":
            learner.unknown = True
            learner.is_silent = learner.is_silent or (episode is not None and episode.closed_on is None)
        elif row.status in GAP and episode is not None and episode.closed_on is None:
            learner.gaps.append((row, episode))
        elif row.status == "met" and episode is not None and episode.outcome == "met":
            learner.settled.append((row, episode))

    def open_for(self, learner: Known) -> list[tuple[Criterion, Verdict]]:
        """Return what is open for a learner, the most important first."""
        gaps = {row.criterion: row for row, _ in learner.gaps}
        criteria = sorted((self.framework.criterion(name) for name in gaps), key=lambda one: (one.priority, one.id))
        return [(criterion, _as_verdict(gaps[criterion.id])) for criterion in criteria]

    def lines(self, learner: Known, told: Mapping[str, tuple[str, str]]) -> tuple[DigestLine, ...]:
        """Return one line for each thing to do; a criterion that is told with another shares its line."""
        gaps = {row.criterion: (row, episode) for row, episode in learner.gaps}
        lines = []
        for line in needs_together(self.open_for(learner)):
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
        """Return what was told as missing and is settled now; each is told once."""
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
        """Return what this person was last told, by gap key: content hash and how it was told."""
        told, outbox = schema.told, schema.outbox
        return {
            row.gap_key: (row.content_hash, row.change)
            for row in self.connection.execute(
                sa.select(told.c.gap_key, told.c.content_hash, told.c.change)
                .join(outbox, outbox.c.id == told.c.outbox_id)
                .where(
                    outbox.c.channel == channel,
                    outbox.c.recipient == recipient,
                    outbox.c.state.not_in(_NOT_TOLD),
                )
                .order_by(outbox.c.id)
            )
        }

    def _booked(self, reference: str | None) -> str | None:
        """Say which planned activity would settle it."""
        if reference is None:
            return None
        name, _, key = reference.partition(":")
        number = next((number for number, known in self.connectors.items() if known == name), None)
        table = schema.source_activity
        row = self.connection.execute(
            sa.select(table.c.title, table.c.kind, table.c.starts_on).where(
                table.c.connector == number, table.c.key == key
            )
        ).one_or_none()
        if row is None:
            return None
        kind = self.kinds.get(row.kind)
        what = row.title or (kind.singular.capitalize() if kind is not None else row.kind)
        return f"{what}, {say_day(date.fromisoformat(row.starts_on))}"

    def _name(self, row: Any) -> str:
        style = self.alerts.show_names
        reference = row.reference or row.uln or "a learner"
        if style == "reference" or not row.given_names:
            return str(reference)
        if style == "first_and_initial":
            return f"{row.given_names.split()[0]} {row.family_name[:1]}." if row.family_name else str(row.given_names)
        return f"{row.given_names} {row.family_name or ''}".strip()

    def _sources(self) -> tuple[DigestSource, ...]:
        """Say of when each source is, in college time, and whether that is too long ago."""
        state, names = schema.stream_state, schema.connector
        zone = ZoneInfo(self.config.settings.college.timezone)
        newest: dict[str, str] = {}
        stale: set[str] = set()
        fresh_for = {instance.name: cast("Any", instance.config).fresh_for for instance in self.config.instances}
        for row in self.connection.execute(
            sa.select(names.c.name, state.c.complete_at, state.c.data_at).join(names, names.c.id == state.c.connector)
        ):
            when = row.data_at or row.complete_at
            if when is not None:
                newest[row.name] = max(when, newest.get(row.name, ""))
            if not is_fresh(row.complete_at, row.data_at, fresh_for.get(row.name), self.now):
                stale.add(row.name)
        told = []
        for instance in self.config.instances:
            if instance.name in newest:
                instant = datetime.fromisoformat(newest[instance.name]).astimezone(zone)
                told.append(DigestSource(instance.name, say_day(instant), stale=instance.name in stale))
        return tuple(told)


def _as_verdict(row: Any) -> Verdict:
    return Verdict(
        row.criterion, row.period, row.status, row.have, row.need,
        due=None if row.due is None else date.fromisoformat(row.due), programme=row.programme, reason=row.reason,
        quality_not_recorded=row.quality_not_recorded,
    )  # fmt: skip


def _when_answered(row: Any) -> tuple[int, int, int]:
    """Order answers; those read in one run by number, where the source numbers them, else as they came."""
    key: str = row.key
    return row.answered_run, int(key) if key.isascii() and key.isdecimal() and len(key) < 20 else -1, row.id


def _change(episodes: Sequence[Any], told: Mapping[str, tuple[str, str]]) -> Change:
    """Say whether a line is new, changed, or listed because it is still open."""
    said = [told.get(episode.gap_key) for episode in episodes]
    if all(one is None for one in said):
        return "new"
    if any(one is None or one[0] != episode.content_hash for one, episode in zip(said, episodes, strict=True)):
        return "changed"
    return "open"


def _urgency(learner: DigestLearner) -> tuple[Any, ...]:
    """Order learners: news, then what is overdue, then what is due first, then who needs most.

    News comes first so that who did not fit this week is listed next week.
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
    """Plan this week's digests for one channel, a recipient a transaction."""
    if planner.as_of.weekday() < _WEEKDAYS.index(planner.alerts.weekday):
        return
    week = iso_week(planner.as_of)
    table = schema.outbox
    with run.unit.transaction() as connection:
        # What certainly reached nobody in time leaves the week open. What was refused waits for the next week: an
        # address that does not exist today will not exist tomorrow.
        served = set(
            connection.scalars(
                sa.select(table.c.recipient).where(
                    table.c.channel == channel.name,
                    table.c.week == week,
                    sa.or_(table.c.state != "expired", table.c.detail == MAY_HAVE_ARRIVED),
                )
            )
        )
        audiences = [one for one in planner.audiences() if one.person.email not in served]
    for audience in audiences:
        with run.unit.transaction() as connection:
            digest = planner.digest(audience, channel.name)
            payload = None if digest is None else render(run, channel, context, digest)
            if digest is None:
                continue
            if payload is None:
                run.report.digests.failed += 1
                continue
            may = allowed(audience.person.email, planner.config.allowed_domains)
            _store(run, connection, channel.name, digest, payload, week, held=not may)
            hit("planning_written")
        hit("planning_committed")
        run.report.digests.planned += 1


def render(run: Run, channel: Instance, context: HookContext, item: Item) -> Payload | None:
    """Return the frozen message, or None and a word to IT: one that cannot be made must not keep the others back."""
    try:
        return channel.render(item, cast("Any", context))
    except FingerpostError as error:
        said = f"Channel {channel.name}: {error.message}"
    except Exception as error:
        said = f"Channel {channel.name} broke while making a message ({type(error).__name__})."
        run.log.debug("render_broke_details", exc_info=True)
    run.log.error("message_not_made", channel=channel.name, message=said)
    if said not in run.report.messages:
        run.report.messages.append(said)
    return None


def _store(
    run: Run, connection: sa.Connection, channel: str, digest: Digest, payload: Payload, week: str, *, held: bool
) -> None:
    """Freeze one digest in the outbox, with the log of what it tells, in one transaction."""
    outbox, told = schema.outbox, schema.told
    # A digest of the same week that reached nobody makes way for this one.
    old = connection.scalar(sa.select(outbox.c.id).where(outbox.c.channel == channel, outbox.c.key == payload.key))
    if old is not None:
        connection.execute(sa.delete(told).where(told.c.outbox_id == old))
        connection.execute(sa.delete(outbox).where(outbox.c.id == old))
    number = connection.execute(
        sa.insert(outbox).returning(outbox.c.id).values(
            channel=channel, key=payload.key, item="digest", operation="open", recipient=digest.recipient.email,
            week=week, subject=payload.subject, message_id=payload.message_id, content_type=payload.content_type,
            content=payload.content, content_hash=xxhash.xxh3_128_hexdigest(payload.content),
            state="held" if held else "pending", attempts=0, planned_run=run.id, planned_at=run.now_text,
            detail=ADDRESS_NOT_ALLOWED if held else None,
        )
    ).scalar_one()  # fmt: skip
    lines = (line for learner in (*digest.learners, *digest.closed) for line in learner.lines)
    executemany(connection, run.store.dialect.insert_ignore(told), told_rows(number, lines))


def told_rows(number: int, lines: Iterable[DigestLine]) -> list[tuple[Any, ...]]:
    """Return the log of what one message tells: a row for each gap."""
    return [
        (number, gap, said, line.change)
        for line in lines
        for gap, said in zip(line.gap_key.split(), line.content_hash.split(), strict=True)
    ]
