"""List the open gaps: as last judged, or as today's records stood on another day."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from fingerpost._alerts.audience import Audiences
from fingerpost._benchmarks.verdicts import GAP
from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._sync.judge import Judge, gap_key
from fingerpost._words.printed import Printed

BATCH = 500


@dataclass(frozen=True, slots=True)
class Gap:
    """One criterion that one learner does not meet in one period.

    `learner` is the provider's reference, `tutors` the addresses of those who are notified, `reason` a code if there is
    more to say, `programme` the key of the programme concerned.
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
class GapReport(Printed):
    """The gaps of a college on a day, by learner and criterion."""

    as_of: str
    framework: str
    gaps: tuple[Gap, ...]


class CriterionWords(NamedTuple):
    """A criterion by its id, its title, and what would settle it for a learner who has nothing yet.

    `closes` is empty for one that the college answers about itself.
    """

    id: str
    title: str
    closes: str


def criteria(opened: Opened) -> tuple[CriterionWords, ...]:
    """Return the criteria that the college is judged by, in the order of the framework."""
    return tuple(
        CriterionWords(
            one.id, one.title, (one.words.closes_none or one.words.closes).format(need=one.need) if one.words else ""
        )
        for one in opened.framework.criteria
    )


def gaps(opened: Opened, as_of: date | None, only: Collection[str] = ()) -> GapReport:
    """Return every open gap: as it was last judged, or, with `as_of`, as today's records stood on that day."""
    for criterion in only:
        opened.framework.criterion(criterion)  # says which there are
    day = opened.today(as_of)
    with opened.store.reading() as connection:
        tutors: dict[int, list[str]] = {}
        groups: dict[int, str | None] = {}
        for audience in Audiences(connection, opened, day):
            for learner, group in audience.learners.items():
                tutors.setdefault(learner, []).append(audience.person.email)
                groups[learner] = group
        rows = _stored(opened, connection) if as_of is None else _judged(opened, connection, as_of)
        learners = schema.learner.c
        names = {
            number: reference or uln or identity
            for number, reference, uln, identity in connection.execute(
                sa.select(learners.id, learners.reference, learners.uln, learners.identity)
            )
        }
        found = [
            Gap(learner=names[number], tutors=tuple(tutors.get(number, ())), group=groups.get(number), **fields)
            for number, fields in rows
            if not only or fields["criterion"] in only
        ]
    found.sort(key=lambda gap: (gap.learner, gap.criterion, gap.period))
    return GapReport(day.isoformat(), opened.framework.name, tuple(found))


_STORED = ("criterion", "period", "programme", "status", "due", "have", "need", "reason")


def _stored(opened: Opened, connection: sa.Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    verdict, episode = schema.verdict, schema.episode
    columns = [verdict.c[name] for name in _STORED]
    same = (episode.c[name] == verdict.c[name] for name in ("learner_id", "framework", "criterion", "period"))
    select = (
        sa.select(verdict.c.learner_id, episode.c.gap_key.label("key"), *columns)
        .join(episode, sa.and_(*same, episode.c.closed_on.is_(None)))
        .where(verdict.c.framework == opened.framework.name, verdict.c.status.in_(GAP))
    )
    for row in connection.execute(select.execution_options(yield_per=2_000)).mappings():
        fields = dict(row)
        yield fields.pop("learner_id"), fields


def _judged(opened: Opened, connection: sa.Connection, as_of: date) -> Iterator[tuple[int, dict[str, Any]]]:
    """Judge everybody as of a day; a gap has the key of its stored episode, if there is one."""
    episode, learner, framework = schema.episode, schema.learner, opened.framework.name
    judge = Judge(connection, opened, opened.now())
    numbers = list(connection.scalars(sa.select(learner.c.id).where(learner.c.deleted_run.is_(None))))
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        episodes = connection.execute(
            sa.select(episode)
            .where(episode.c.learner_id.in_(batch), episode.c.framework == framework)
            .order_by(episode.c.number)
        )
        latest = {(row.learner_id, row.criterion, row.period): row.gap_key for row in episodes}
        names = sa.select(learner.c.id, learner.c.identity).where(learner.c.id.in_(batch))
        identities = dict(connection.execute(names).all())
        for facts, verdicts in judge.verdicts(batch, as_of):
            number = facts.learner_id
            for verdict in verdicts:
                if verdict.status not in GAP:
                    continue
                key = latest.get((number, verdict.criterion, verdict.period))
                key = key or gap_key(
                    judge.keyed_as(identities[number]), framework, verdict.criterion, verdict.period, 1
                )
                fields = {name: getattr(verdict, name) for name in _STORED}
                yield number, fields | {"key": key, "due": None if verdict.due is None else verdict.due.isoformat()}
