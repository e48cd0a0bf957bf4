"""A learner's standing on a day: their spell of study, whether a framework covers them, when things are due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from fingerpost._benchmarks.framework import Criterion, Scope
from fingerpost._benchmarks.verdicts import LearnerFacts, ProgrammeFacts, Status
from fingerpost._words.days import academic_year_bounds, academic_year_of

VerdictReason: TypeAlias = Literal[
    "outside_scope_19_plus",
    "age_not_recorded",
    "no_programme",
    "left",
    "on_break",
    "not_started",
    "short_programme",
    "apprentice_job",
    "not_judged",
    "not_fed",
    "stale",
    "quality_not_recorded",
    "attribute_not_recorded",
    "advisory",
    "virtual_only",
]
"""The reason for a verdict. ``attribute_not_recorded`` is followed by a colon and the attribute's name."""

ONE_DAY = timedelta(days=1)


class AcademicYear(NamedTuple):
    label: str
    start: date
    end: date


@lru_cache(maxsize=256)
def year_of(day: date) -> AcademicYear:
    year = academic_year_of(day)
    return AcademicYear(year, *academic_year_bounds(year))


def lapse(period: str, as_of: date) -> bool:
    """Say whether a stored period is over on a day, so that its open verdicts become ``lapsed``.

    An academic year is over once 31 July has passed. A programme's period is over only when the learner has left
    (`evaluate` returns ``not_applicable``) or a new spell begins (it returns another period).
    """
    return not period.startswith("programme:") and period < academic_year_of(as_of)


class _Enrolment(NamedTuple):
    """A programme on the day: `end` is the last day on which it is taken to run."""

    programme: ProgrammeFacts
    state: Literal["future", "active", "on_break", "ended"]
    end: date


@dataclass(slots=True)
class Standing:
    """What all criteria share about one learner on one day.

    `status` and `reason` are set if nothing else matters. `planned_end` is None if no programme of the spell has one.
    `next_change` is the first later day on which any of this may differ.
    """

    as_of: date
    year: AcademicYear
    next_change: date
    status: Status | None = None
    reason: VerdictReason | None = None
    programme: str | None = None
    spell_start: date | None = None
    planned_end: date | None = None
    apprentice: bool = False


def stand(scope: Scope, facts: LearnerFacts, as_of: date) -> Standing:
    year = year_of(as_of)
    standing = Standing(as_of, year, _next_boundary(facts.programmes, as_of, year))
    enrolments = [_enrolment(programme, as_of) for programme in facts.programmes]
    if enrolments:
        _find_spell(standing, enrolments)
    else:
        standing.status, standing.reason = "unknown", "no_programme"
    _apply_scope(standing, scope, facts)
    return standing


def _next_boundary(programmes: Iterable[ProgrammeFacts], as_of: date, year: AcademicYear) -> date:
    """Return the first later day on which a programme begins or has ended, or the year is over."""
    days = [year.end + ONE_DAY]
    for programme in programmes:
        days.append(programme.starts_on)
        days += [end + ONE_DAY for end in (programme.planned_end, programme.actual_end) if end is not None]
    return min(day for day in days if day > as_of)


def _enrolment(programme: ProgrammeFacts, as_of: date) -> _Enrolment:
    planned, actual, start = programme.planned_end, programme.actual_end, programme.starts_on
    if start > as_of and programme.status not in ("completed", "withdrawn"):
        return _Enrolment(programme, "future", max(start, actual or planned or year_of(start).end))
    if actual is not None:
        if actual >= as_of:
            return _Enrolment(programme, "active", max(start, actual))
        return _Enrolment(programme, "on_break" if programme.status == "on_break" else "ended", max(start, actual))
    if programme.status == "on_break":
        return _Enrolment(programme, "on_break", max(start, planned or start))
    # Without a status, nobody can be said to have stayed on: the planned end is the end.
    over = programme.status is None and planned is not None and planned < as_of
    if over or programme.status in ("completed", "withdrawn"):
        return _Enrolment(programme, "ended", max(start, planned or start))
    return _Enrolment(programme, "active", max(as_of, planned or year_of(as_of).end))


def _spells(enrolments: list[_Enrolment]) -> list[list[_Enrolment]]:
    """Join programmes of the same academic year or of years that follow each other, in date order.

    A summer is a summer, whatever its first and last days are. After a break of study the learner continues, however
    long it was.
    """
    spells: list[list[_Enrolment]] = []
    last: _Enrolment | None = None
    for enrolment in sorted(enrolments, key=lambda one: (one.programme.starts_on, one.programme.key)):
        if last is not None and _continues(enrolment, last):
            spells[-1].append(enrolment)
            last = max(last, enrolment, key=lambda one: one.end)
        else:
            spells.append([enrolment])
            last = enrolment
    return spells


def _continues(enrolment: _Enrolment, last: _Enrolment) -> bool:
    years = year_of(enrolment.programme.starts_on).start.year - year_of(last.end).start.year
    return years <= 1 or last.programme.status == "on_break"


def _find_spell(standing: Standing, enrolments: list[_Enrolment]) -> None:
    """Find the current spell of study, or the reason why there is not one."""
    spells = _spells(enrolments)
    begun = [one for one in enrolments if one.state != "future"]
    latest = max(begun, key=lambda one: (one.end, one.programme.starts_on, one.programme.key), default=None)
    spell = next((spell for spell in spells if any(one.state == "active" for one in spell)), None)
    if spell is None and latest is not None and latest.state == "on_break":
        standing.status, standing.reason = "not_applicable", "on_break"
    elif spell is None:
        # Between two programmes of one spell, a learner enrolled for after the summer has not left.
        spell = next((one for one in spells if _resumes(one, standing.as_of)), None)
        if spell is None and len(begun) < len(enrolments):
            standing.status, standing.reason = "not_due", "not_started"
            spell = next(one for one in spells if any(each.state == "future" for each in one))
        elif spell is None:
            standing.status, standing.reason = "not_applicable", "left"
    if spell is None:
        spell = next(one for one in spells if latest in one)
    _describe(standing, spell)


def _resumes(spell: list[_Enrolment], as_of: date) -> bool:
    return spell[0].programme.starts_on <= as_of and any(one.state == "future" for one in spell)


def _describe(standing: Standing, spell: list[_Enrolment]) -> None:
    standing.spell_start = spell[0].programme.starts_on
    open_ = [one for one in spell if one.state in ("active", "future")]
    standing.planned_end = max((one.programme.planned_end for one in open_ if one.programme.planned_end), default=None)
    current = [one for one in open_ if one.state == "active"] or open_ or spell
    standing.programme = max(current, key=_weight).programme.key
    standing.apprentice = any(one.programme.type == "apprenticeship" for one in current)


def _weight(enrolment: _Enrolment) -> tuple[int, int, str]:
    programme = enrolment.programme
    length = (programme.planned_end or enrolment.end) - programme.starts_on
    return length.days, -programme.starts_on.toordinal(), programme.key


def _apply_scope(standing: Standing, scope: Scope, facts: LearnerFacts) -> None:
    """Leave out learners whom the framework does not cover; age outranks what `_find_spell` found."""
    born = facts.date_of_birth
    if born is not None:
        age = standing.year.start.year - born.year - ((born.month, born.day) > (8, 31))
        limit = scope.max_age_with_ehc_plan if facts.ehc_plan else scope.max_age
        if age > limit:
            standing.status, standing.reason = "not_applicable", "outside_scope_19_plus"
    elif standing.status in (None, "not_due") and not any(
        one.type in scope.types_without_age
        for one in facts.programmes
        if _enrolment(one, standing.as_of).state in ("active", "future")
    ):
        standing.status, standing.reason = "unknown", "age_not_recorded"


class Window(NamedTuple):
    """The days of evidence of a period, its name, and the day by which it is due.

    `status` is that of a learner who lacks something, `next_change` the first later day on which it differs.
    """

    period: str
    start: date
    end: date
    due: date
    status: Status
    next_change: date


def window_of(criterion: Criterion, spell_start: date | None, planned_end: date | None, as_of: date) -> Window:
    year = year_of(as_of)
    start = spell_start or year.start
    early = timedelta(weeks=criterion.early_weeks)
    if criterion.period == "academic_year":
        period, first, last = year.label, year.start - early, year.end
        due = planned_end if planned_end is not None and year.start <= planned_end < year.end else year.end
    else:
        due = planned_end or year.end
        period, first, last = f"programme:{year_of(start).label}", start - early, max(due, as_of)
    if criterion.due_weeks_after_start is not None:
        due = min(due, start + timedelta(weeks=criterion.due_weeks_after_start))
    if criterion.final_year_due_month is not None and planned_end is not None:
        due_year = year_of(due)
        if year_of(planned_end) == due_year:
            due = min(due, _month_end(due_year, criterion.final_year_due_month))
    soon = due - timedelta(weeks=criterion.due_soon_weeks)
    status: Status = "not_met" if due < as_of else "at_risk" if soon <= as_of else "not_due"
    next_change = min((day for day in (soon, due + ONE_DAY) if day > as_of), default=year.end + ONE_DAY)
    return Window(period, first, last, due, status, next_change)


def _month_end(year: AcademicYear, month: int) -> date:
    calendar_year = year.start.year if month >= 8 else year.end.year
    return date(calendar_year + month // 12, month % 12 + 1, 1) - ONE_DAY
