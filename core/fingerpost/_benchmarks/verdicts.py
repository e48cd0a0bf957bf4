"""What the evaluator takes about one learner, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal[
    "met", "not_met", "at_risk", "not_due", "not_applicable", "unknown", "lapsed", "self_assessed"
]

GAP: frozenset[str] = frozenset({"not_met", "at_risk"})
"""The statuses that make a gap."""


@dataclass(frozen=True, slots=True)
class ProgrammeFacts:
    """One enrolment, as `Programme` describes it.

    One that its source no longer lists has ended, on `actual_end` at the latest.
    """

    key: str
    title: str | None
    type: str | None
    level: str | None
    area: str | None
    starts_on: date
    planned_end: date | None
    actual_end: date | None
    status: str | None
    is_listed: bool = True


@dataclass(slots=True)
class Evidence:
    """One activity that names the learner: directly, through a group or through a programme.

    `ref` is "connector:key" of the source row. `attributes` holds the recorded (non-null) fields of `Activity` that
    rules use: meaningful, the checklist, via_curriculum, mode, provider_type, organisation, organisation_id, sector,
    size, stem, adviser_level, hours. A destination becomes evidence of kind `destination_actual` or
    `destination_intended`; an intended destination of the learner becomes `destination_intended` too. `through` is the
    code of the group or programme that it was for.
    """

    ref: str
    connector: str
    kind: str
    state: str
    starts_on: date
    ends_on: date | None = None
    title: str | None = None
    event_key: str | None = None
    subject: str = "learner"
    attributes: Mapping[str, object] = field(default_factory=dict)
    duplicate_of: str | None = None
    through: str | None = None


@dataclass(slots=True)
class LearnerFacts:
    """Everything that the evaluator knows about one learner.

    `fed` maps an activity kind to the state of its sources for this learner: ``fresh`` or ``stale`` (absent if no
    source feeds it).
    """

    learner_id: int
    date_of_birth: date | None
    ehc_plan: bool | None
    programmes: tuple[ProgrammeFacts, ...]
    evidence: list[Evidence]
    fed: Mapping[str, Literal["fresh", "stale"]]


class EvidenceUse(NamedTuple):
    """The outcome of one piece of evidence for one criterion.

    `outcome` is ``counted`` (sure), ``possible`` (an attribute is not recorded) or ``rejected``; `reason` is a code:
    planned, missed, cancelled, future, outside_period, simulated, not_meaningful, not_via_curriculum, part_time_job,
    duplicate, attribute names for what is not recorded, and so on; see `docs/benchmarks.md`.
    """

    ref: str
    outcome: Literal["counted", "possible", "rejected"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one criterion for one learner in one period.

    `period` is an academic year (``2025/26``) or ``programme:2025/26``, the spell of study that began in that year.
    `have` counts sure and, if so set, possible evidence. `quality_not_recorded`: the verdict rests on possible
    evidence. `due` is the last day; `next_change` is the first later day on which the verdict may change without new
    data. `reason` is a code.
    """

    criterion: str
    period: str
    status: Status
    have: int
    need: int
    due: date | None = None
    programme: str | None = None
    reason: str | None = None
    quality_not_recorded: bool = False
    next_change: date | None = None
    uses: tuple[EvidenceUse, ...] = ()
