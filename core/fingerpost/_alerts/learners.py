"""What a message needs to know about each learner: name, link, open gaps, tutors' answers and what is settled.

A tutor's "not now" silences a gap here, for as long as it lasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa

from fingerpost._benchmarks.framework import Criterion
from fingerpost._benchmarks.verdicts import GAP, Verdict
from fingerpost._config.opened import Opened
from fingerpost._market.in_mind import InMind
from fingerpost._store import schema

SNOOZE = timedelta(days=14)
"""How long "not now" lasts if no date was given."""


LONGEST_SNOOZE = timedelta(weeks=6)
"""How long it lasts at most: what is put off for longer is forgotten."""


_COLUMNS = (
    "id", "ukprn", "reference", "uln", "given_names", "family_name", "page_token", "soc_code", "intended_occupation",
)  # fmt: skip


@dataclass(slots=True)
class Known:
    """What a digest or an item needs to know about one learner.

    A silent learner has an open gap that cannot be judged for now. `answer` is a tutor's latest answer.
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
    """What a tutor answered in the ILP, about how things were before the run that first read it."""

    response: str
    run: int
    until: date | None

    def hushes(self, verdict: Any, episode: Any, as_of: date) -> bool:
        """Say whether a gap should be left out: acknowledged and unchanged since, or put off to a later day."""
        if self.response == "acknowledged":
            return bool(episode.opened_run < self.run and verdict.changed_run < self.run)
        return self.until is not None and as_of <= self.until and bool(episode.opened_run < self.run)


class KnownLearners:
    """Look up learners in batches, with what is open and settled for each."""

    def __init__(
        self, connection: sa.Connection, opened: Opened, as_of: date, occupations: Mapping[InMind, str]
    ) -> None:
        self.connection = connection
        self.framework = opened.framework
        self.as_of = as_of
        self._alerts = opened.config.settings.alerts
        self._occupations = occupations

    def with_open_episodes(self) -> list[int]:
        """Return the learners with an open gap."""
        episode = schema.episode
        return list(
            self.connection.scalars(
                sa.select(episode.c.learner_id)
                .where(episode.c.closed_on.is_(None), episode.c.framework == self.framework.name)
                .distinct()
                .order_by(episode.c.learner_id)
            )
        )

    def of(self, numbers: Sequence[int]) -> Iterator[tuple[int, Known]]:
        """Yield what is known about the live ones among these learners, in batches."""
        learner, episode, verdict = schema.learner, schema.episode, schema.verdict
        for start in range(0, len(numbers), 500):
            some = numbers[start : start + 500]
            known: dict[int, Known] = {}
            answers = self._answers(some)
            for row in self.connection.execute(
                sa.select(*(learner.c[name] for name in _COLUMNS))
                .where(learner.c.id.in_(some), learner.c.deleted_run.is_(None))
                .order_by(learner.c.id)
            ):
                known[row.id] = Known(
                    self._name(row),
                    row.reference or "",
                    row.ukprn,
                    self._link(row),
                    self._occupations.get((row.soc_code, row.intended_occupation)),
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
        """Return the latest answer about each of these learners, if it still applies."""
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
            # What a clock that was ahead of us read would be put off until that day has come.
            counts = row.response == "snoozed" and read_on <= self.as_of
            found[row.learner_id] = _Answer(row.response, row.answered_run, until if counts else None)
        return found

    def _link(self, row: Any) -> str | None:
        """Return the address of the learner's page in the ILP; nothing from the ILP can change its host."""
        pattern = self._alerts.learner_page
        if pattern is None or ("{token}" in pattern and not row.page_token):
            return None
        token, reference = quote(row.page_token or "", safe=""), quote(row.reference or "", safe="")
        return pattern.replace("{token}", token).replace("{reference}", reference)

    def without_answered(self, learner: Known) -> Known:
        """Leave out the gaps that the tutor has acknowledged or put off."""
        answer = learner.answer
        if answer is None or not learner.gaps:
            return learner
        return replace(learner, gaps=[gap for gap in learner.gaps if not answer.hushes(*gap, self.as_of)])

    @staticmethod
    def _take(learner: Known, row: Any, episodes: Mapping[tuple[int, str, str], Any]) -> None:
        """Add one stored verdict to what a digest says."""
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

    def _name(self, row: Any) -> str:
        style = self._alerts.show_names
        reference = row.reference or row.uln or "a learner"
        if style == "reference" or not row.given_names:
            return str(reference)
        if style == "first_and_initial":
            return f"{row.given_names.split()[0]} {row.family_name[:1]}." if row.family_name else str(row.given_names)
        return f"{row.given_names} {row.family_name or ''}".strip()


def _as_verdict(row: Any) -> Verdict:
    return Verdict(
        row.criterion, row.period, row.status, row.have, row.need,
        due=None if row.due is None else date.fromisoformat(row.due), programme=row.programme, reason=row.reason,
        quality_not_recorded=row.quality_not_recorded,
    )  # fmt: skip


def _when_answered(row: Any) -> tuple[int, int, int]:
    """Order answers; those read in one run by number if the source numbers them, otherwise as they arrived."""
    key: str = row.key
    return row.answered_run, int(key) if key.isascii() and key.isdecimal() and len(key) < 20 else -1, row.id
