"""List the open gaps: as last judged, or as today's records stood on another day."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fingerpost._benchmarks.verdicts import GAP
from fingerpost._store import schema
from fingerpost._sync.facts import gather
from fingerpost._sync.judge import gap_key, judge_facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from fingerpost.college import College


BATCH = 500


@dataclass(frozen=True, slots=True)
class Gap:
    """One criterion that one learner does not meet in one period.

    `learner` is the provider's reference, `tutors` the addresses of those who are told, `reason` a code where there is
    more to say, `programme` the key of the programme it is about.
    """

    key: str
    learner: str
    criterion: str
    period: str
    programme: str | None
    status: str
    due: str | None
    have: int
    need: int
    reason: str | None
    tutors: tuple[str, ...] = field(repr=False)
    group: str | None


@dataclass(frozen=True, slots=True)
class GapReport:
    """The gaps of a college on a day, by learner and criterion."""

    as_of: str
    framework: str
    gaps: tuple[Gap, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost gaps --json` prints."""
        return asdict(self)


def gaps(college: College, as_of: date | None) -> GapReport:
    """Return the open gaps; see `College.gaps`."""
    with college.store.reading() as connection:
        tutors: dict[int, list[str]] = {}
        groups: dict[int, str | None] = {}
        planner = college.planner(connection, as_of)
        for audience in planner.audiences():
            for learner, group in audience.learners.items():
                tutors.setdefault(learner, []).append(audience.person.email)
                groups[learner] = group
        rows = _stored(college, connection) if as_of is None else _judged(college, connection, as_of)
        names = {
            number: reference or uln or identity
            for number, reference, uln, identity in connection.execute(
                sa.select(
                    schema.learner.c.id, schema.learner.c.reference, schema.learner.c.uln, schema.learner.c.identity
                )
            )
        }
        found = [
            Gap(
                key=row["key"], learner=names[number], criterion=row["criterion"], period=row["period"],
                programme=row["programme"], status=row["status"], due=row["due"], have=row["have"], need=row["need"],
                reason=row["reason"], tutors=tuple(tutors.get(number, ())), group=groups.get(number),
            )
            for number, row in rows
        ]  # fmt: skip
    found.sort(key=lambda gap: (gap.learner, gap.criterion, gap.period))
    return GapReport(college.today(as_of).isoformat(), college.framework.name, tuple(found))


def _stored(college: College, connection: sa.Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    verdict, episode = schema.verdict, schema.episode
    select = (
        sa.select(verdict, episode.c.gap_key.label("key"))
        .join(
            episode,
            sa.and_(
                episode.c.learner_id == verdict.c.learner_id,
                episode.c.framework == verdict.c.framework,
                episode.c.criterion == verdict.c.criterion,
                episode.c.period == verdict.c.period,
                episode.c.closed_on.is_(None),
            ),
        )
        .where(verdict.c.framework == college.framework.name, verdict.c.status.in_(GAP))
    )
    for row in connection.execute(select.execution_options(yield_per=2_000)).mappings():
        yield row["learner_id"], dict(row)


def _judged(college: College, connection: sa.Connection, as_of: date) -> Iterator[tuple[int, dict[str, Any]]]:
    """Judge everybody as of a day; the keys are those of the stored episodes where there is one."""
    episode, learner = schema.episode, schema.learner
    numbers = list(connection.scalars(sa.select(learner.c.id).where(learner.c.deleted_run.is_(None))))
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        latest = {
            (row.learner_id, row.criterion, row.period): row
            for row in connection.execute(
                sa.select(episode)
                .where(episode.c.learner_id.in_(batch), episode.c.framework == college.framework.name)
                .order_by(episode.c.number)
            )
        }
        names = sa.select(learner.c.id, learner.c.identity).where(learner.c.id.in_(batch))
        identities = dict(connection.execute(names).all())
        for number, verdicts in judge_learners(college, connection, batch, as_of):
            for verdict in verdicts:
                if verdict.status not in GAP:
                    continue
                row = latest.get((number, verdict.criterion, verdict.period))
                key = row.gap_key if row is not None else gap_key(
                    identities[number], college.framework.name, verdict.criterion, verdict.period, 1
                )  # fmt: skip
                yield number, {
                    "key": key, "criterion": verdict.criterion, "period": verdict.period, "status": verdict.status,
                    "programme": verdict.programme, "due": None if verdict.due is None else verdict.due.isoformat(),
                    "have": verdict.have, "need": verdict.need, "reason": verdict.reason,
                }  # fmt: skip


def judge_learners(college: College, connection: sa.Connection, batch: list[int], as_of: date) -> Iterator[Any]:
    """Judge learners without storing anything; yield number and verdicts."""
    connectors = college.connector_names(connection)
    ranks = {name: college.config.rank(name) for name in connectors.values()}
    unrecorded = college.config.settings.benchmarks.meaningful_unrecorded
    for facts in gather(connection, batch, college.feeds(connection), connectors):
        yield facts.learner_id, judge_facts(college.framework, facts, as_of, ranks, unrecorded)
