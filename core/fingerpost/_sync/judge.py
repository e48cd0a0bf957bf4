"""Judge the learners whose data changed or whose next date has come, and keep the episodes of their gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
import xxhash

from fingerpost._benchmarks.duplicates import mark_duplicates
from fingerpost._benchmarks.evaluate import evaluate, next_booked
from fingerpost._benchmarks.framework import Framework
from fingerpost._benchmarks.standing import lapse
from fingerpost._benchmarks.verdicts import GAP, LearnerFacts, Verdict
from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.facts import Facts
from fingerpost._sync.failpoints import hit
from fingerpost._sync.identities import keyed_as
from fingerpost._sync.run import Run
from fingerpost._words.days import academic_year_of

BATCH = 500
"""Learners judged and stored in one transaction."""

COUNTED = 5_000
"""Learners whose verdicts are counted together."""

_VERDICT_COLUMNS = tuple(column.name for column in schema.verdict.columns)


def gap_key(identity: str, framework: str, criterion: str, period: str, episode: int) -> str:
    """Return the stable key of one episode of a gap; it does not reveal the learner.

    The provider is part of the identity. The framework is named without its settings, so that a changed setting does
    not make a new gap.
    """
    return (
        "g"
        + xxhash.xxh3_128_hexdigest("\x1f".join((identity, framework, criterion, period, str(episode))).encode())[:20]
    )


def content_hash(verdict: Verdict) -> str:
    """Return a hash of what is said about a gap: if it differs, the gap has changed and is news again."""
    said = (verdict.status, verdict.have, verdict.need, verdict.due, verdict.reason)
    return xxhash.xxh3_64_hexdigest(repr(said).encode())


class Judge:
    """Judge learners by the college's framework, for the nightly run and every view alike."""

    def __init__(self, connection: sa.Connection, opened: Opened, now: datetime) -> None:
        self.facts = Facts(connection, opened, now)
        self.framework = opened.framework
        self.keyed_as = keyed_as(connection)
        self._ranks = {name: opened.config.rank(name) for name in self.facts.connectors.values()}
        self._unrecorded: Final = opened.config.settings.benchmarks.meaningful_unrecorded

    @property
    def fingerprint(self) -> str:
        """Return as text everything besides the records that decides a verdict."""
        return f"{self.framework.fingerprint} {self._unrecorded} {self.facts.fingerprint}"

    def verdicts(self, batch: Sequence[int], as_of: date) -> Iterator[tuple[LearnerFacts, list[Verdict]]]:
        """Yield the facts and verdicts for the live learners among `batch`, as the records stood on a day."""
        for facts in self.facts.of(batch):
            mark_duplicates(facts.evidence, self._ranks)
            yield facts, evaluate(self.framework, facts, as_of, meaningful_unrecorded=self._unrecorded)


def judge(run: Run) -> None:
    """Judge every learner who is marked or whose verdict may change today, one batch per transaction."""
    with run.unit.transaction() as connection:
        judging = Judge(connection, run.opened, run.now)
        _mark_what_is_due(run, judging.fingerprint)
    dirty = schema.dirty
    while True:
        with run.unit.transaction() as connection:
            batch = list(connection.scalars(sa.select(dirty.c.learner_id).order_by(dirty.c.learner_id).limit(BATCH)))
            if not batch:
                return
            _judge_batch(run, judging, batch)
            connection.execute(sa.delete(dirty).where(dirty.c.learner_id.in_(batch)))
            hit("evaluation_written")
        hit("evaluation_committed")
        run.progress.advance(len(batch))


def _mark_what_is_due(run: Run, judged_by: str) -> None:
    """Mark the learners whose date has come, or everybody if the rules or the sources' freshness changed."""
    connection, store, learner = run.unit.connection, run.store, schema.learner
    day = run.as_of.isoformat()
    last_day = store.get_state(connection, "judged_as_of")
    everybody = store.get_state(connection, "judged_by") != judged_by or (last_day is not None and day < last_day)
    who = learner.c.deleted_run.is_(None) if everybody else learner.c.next_change <= day
    marks = sa.select(learner.c.id, sa.false()).where(who)
    connection.execute(store.dialect.insert_from(schema.dirty, ["learner_id", "merge"], marks))
    store.set_state(connection, "judged_by", judged_by)
    store.set_state(connection, "judged_as_of", day)


def _judge_batch(run: Run, judging: Judge, batch: Sequence[int]) -> None:
    connection, name = run.unit.connection, run.framework.name
    stored = _by_learner(connection, schema.verdict, batch, name)
    episodes = _by_learner(connection, schema.episode, batch, name)
    people = {
        row.id: row
        for row in connection.execute(
            sa.select(schema.learner.c.id, schema.learner.c.identity, schema.learner.c.next_change).where(
                schema.learner.c.id.in_(batch)
            )
        )
    }
    work = _Work(run)
    judged = set()
    for facts, verdicts in judging.verdicts(batch, run.as_of):
        number = facts.learner_id
        judged.add(number)
        work.store_verdicts(facts, verdicts, stored.get(number, []))
        work.keep_episodes(number, judging.keyed_as(people[number].identity), verdicts, episodes.get(number, []))
        changes = [verdict.next_change for verdict in verdicts if verdict.next_change is not None]
        next_change = min(changes).isoformat() if changes else None
        if next_change != people[number].next_change:
            work.next_changes.append({"number": number, "day": next_change})
    for number in people.keys() - judged:
        work.forget(number, stored.get(number, []), episodes.get(number, []))
    work.write()


def _by_learner(
    connection: sa.Connection, table: sa.Table, batch: Sequence[int], framework: str
) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in connection.execute(
        sa.select(table).where(table.c.learner_id.in_(batch), table.c.framework == framework)
    ):
        found.setdefault(row.learner_id, []).append(row)
    return found


@dataclass(slots=True)
class _Change:
    gap_key: str
    values: dict[str, Any]


class _Work:
    """Collect what a batch changes, and write it at once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.framework = run.framework.name
        self.day = run.as_of.isoformat()
        self.next_changes: list[dict[str, Any]] = []
        self._verdicts: list[tuple[Any, ...]] = []
        self._dropped: list[dict[str, Any]] = []
        self._opened: list[dict[str, Any]] = []
        self._updated: list[_Change] = []

    def store_verdicts(self, facts: LearnerFacts, verdicts: Sequence[Verdict], stored: Sequence[Any]) -> None:
        """Upsert verdicts that differ; one whose period is over lapses, one that no longer applies is dropped."""
        before = {(row.criterion, row.period): row for row in stored}
        for verdict in verdicts:
            row = before.pop((verdict.criterion, verdict.period), None)
            booked = None if verdict.status == "met" else next_booked(verdict, facts.evidence, self.run.as_of)
            values = _verdict_values(verdict, None if booked is None else booked.ref)
            if row is None or tuple(row)[4:-1] != values:
                self._verdicts.append(
                    (facts.learner_id, self.framework, verdict.criterion, verdict.period, *values, self.run.id)
                )
        for row in before.values():
            if not lapse(row.period, self.run.as_of):
                self._drop(row)
            elif row.status not in ("met", "lapsed", "not_applicable"):
                self._verdicts.append((*tuple(row)[:4], "lapsed", *tuple(row)[5:-1], self.run.id))

    def _drop(self, row: Any) -> None:
        self._dropped.append({"who": row.learner_id, "what": row.criterion, "when": row.period})

    def keep_episodes(self, learner: int, identity: str, verdicts: Sequence[Verdict], stored: Sequence[Any]) -> None:
        """Open, change and close the episodes of gaps.

        A new episode begins only after the criterion was met: a gap that was silent for a while is the same gap. A
        verdict that is unknown or not due leaves an open episode open and silent.
        """
        latest: dict[tuple[str, str], Any] = {}
        for row in stored:
            key = (row.criterion, row.period)
            if key not in latest or row.number > latest[key].number:
                latest[key] = row
        for verdict in verdicts:
            row = latest.pop((verdict.criterion, verdict.period), None)
            if verdict.status in GAP:
                self._gap(learner, identity, verdict, row)
            elif row is not None and row.closed_on is None and verdict.status in ("met", "not_applicable"):
                self._close(row, verdict.status)
        for row in latest.values():
            if row.closed_on is None:
                self._close(row, "lapsed" if lapse(row.period, self.run.as_of) else "not_applicable")

    def _gap(self, learner: int, identity: str, verdict: Verdict, row: Any) -> None:
        said = content_hash(verdict)
        if row is None or row.outcome == "met":
            number = 1 if row is None else row.number + 1
            self._opened.append(
                {
                    "gap_key": gap_key(identity, self.framework, verdict.criterion, verdict.period, number),
                    "learner_id": learner, "framework": self.framework, "criterion": verdict.criterion,
                    "period": verdict.period, "number": number, "content_hash": said, "opened_on": self.day,
                    "opened_run": self.run.id, "closed_on": None, "closed_run": None, "outcome": None,
                }
            )  # fmt: skip
        elif row.closed_on is not None or row.content_hash != said:
            self._updated.append(
                _Change(row.gap_key, {"content_hash": said, "closed_on": None, "closed_run": None, "outcome": None})
            )

    def _close(self, row: Any, outcome: str) -> None:
        self._updated.append(
            _Change(
                row.gap_key,
                {
                    "content_hash": row.content_hash,
                    "closed_on": self.day,
                    "closed_run": self.run.id,
                    "outcome": outcome,
                },
            )
        )

    def forget(self, learner: int, verdicts: Sequence[Any], episodes: Sequence[Any]) -> None:
        """Remove the verdicts of a learner who is no longer in any source; none is ever reported as done."""
        for row in verdicts:
            self._drop(row)
        for row in episodes:
            if row.closed_on is None:
                self._close(row, "not_applicable")
        self.next_changes.append({"number": learner, "day": None})

    def write(self) -> None:
        """Write everything that was collected."""
        connection, dialect = self.run.unit.connection, self.run.store.dialect
        verdict, episode, learner = schema.verdict, schema.episode, schema.learner
        executemany(
            connection,
            dialect.upsert(verdict, conflict=["learner_id", "framework", "criterion", "period"]),
            self._verdicts,
        )
        if self._dropped:
            connection.execute(
                sa.delete(verdict).where(
                    verdict.c.learner_id == sa.bindparam("who"),
                    verdict.c.framework == self.framework,
                    verdict.c.criterion == sa.bindparam("what"),
                    verdict.c.period == sa.bindparam("when"),
                ),
                self._dropped,
            )
        if self._opened:
            connection.execute(sa.insert(episode), self._opened)
        if self._updated:
            connection.execute(
                sa.update(episode)
                .where(episode.c.gap_key == sa.bindparam("which"))
                .values({name: sa.bindparam(f"new_{name}") for name in self._updated[0].values}),
                [
                    {"which": change.gap_key} | {f"new_{name}": value for name, value in change.values.items()}
                    for change in self._updated
                ],
            )
        if self.next_changes:
            connection.execute(
                sa.update(learner)
                .where(learner.c.id == sa.bindparam("number"))
                .values(next_change=sa.bindparam("day")),
                self.next_changes,
            )


def _verdict_values(verdict: Verdict, booked: str | None) -> tuple[Any, ...]:
    """Return the stored columns of a verdict from `status` on, without the run."""
    return (
        verdict.status, verdict.have, verdict.need, None if verdict.due is None else verdict.due.isoformat(),
        verdict.programme, verdict.reason, verdict.quality_not_recorded, booked,
    )  # fmt: skip


def count_verdicts(connection: sa.Connection, framework: Framework, as_of: date) -> dict[str, dict[str, int]]:
    """Count verdicts of current periods by criterion and status."""
    table = schema.verdict
    current = sa.or_(table.c.period == academic_year_of(as_of), table.c.period.like("programme:%"))
    select = (
        sa.select(table.c.criterion, table.c.status, sa.func.count())
        .where(table.c.framework == framework.name, current)
        .group_by(table.c.criterion, table.c.status)
    )
    found: Counter[tuple[str, str]] = Counter()
    # A database sorts what it groups, which takes memory, so this goes some learners at a time.
    for start in range(0, 1 + (connection.scalar(sa.select(sa.func.max(table.c.learner_id))) or 0), COUNTED):
        for criterion, status, count in connection.execute(
            select.where(table.c.learner_id.between(start, start + COUNTED - 1))
        ):
            found[criterion, status] += count
    counts: dict[str, dict[str, int]] = {}
    for (criterion, status), count in sorted(found.items()):
        counts.setdefault(criterion, {})[status] = count
    return counts
