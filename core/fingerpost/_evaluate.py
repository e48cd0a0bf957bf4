"""The evaluator: what a framework says about one learner on one day. Pure Python, without a clock and without I/O.

The nightly pass and `explain` both call `evaluate`, so that what is told and what is explained cannot differ. It
answers in two steps. `_stand` places the learner: their current spell of study, whether they are meant at all, and by
when things are due. `_judge` then looks at each record of the kinds that a criterion asks for, sorts it into sure,
possible or rejected, and decides. `docs/benchmarks.md` explains the rules to a careers leader.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from fingerpost._parsers import academic_year_bounds, academic_year_of
from fingerpost._verdicts import EvidenceUse, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fingerpost._frameworks import CountsAs, Criterion, Framework, Scope
    from fingerpost._verdicts import Evidence, LearnerFacts, ProgrammeFacts, Status

    _Fed: TypeAlias = Mapping[str, Literal["fresh", "stale"]]

__all__ = ["UseReason", "VerdictReason", "evaluate", "lapse", "mark_duplicates", "next_booked"]

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
"""Why a verdict is what it is. ``attribute_not_recorded`` is followed by a colon and the attribute's name."""

UseReason: TypeAlias = Literal[
    "planned",
    "missed",
    "cancelled",
    "future",
    "outside_period",
    "simulated",
    "virtual",
    "not_meaningful",
    "not_via_curriculum",
    "not_stem",
    "part_time_job",
    "duplicate",
    "not_distinct",
    "not_a_listed_value",
    "adviser_level",
    "meaningful",
    "via_curriculum",
    "stem",
    "provider_type",
    "organisation",
]
"""Why a record did not count, or did so only possibly (then the reason names what is not recorded).

``not_meaningful`` may be followed by a colon and the element of the checklist that was missing.
"""

SUMMER = timedelta(days=62)
"""Two programmes with a longer gap between them are two spells of study; a shorter one is a summer."""

_DAY = timedelta(days=1)

_SURE, _UNJUDGED, _UNRECORDED, _OUT = range(4)
"""How good a record is: it counts; only its quality is not recorded; something else is not recorded; it does not."""


# ---------------------------------------------------------------------------------------------------- the year


class _Year(NamedTuple):
    label: str
    start: date
    end: date


@lru_cache(maxsize=256)
def _year_of(day: date) -> _Year:
    year = academic_year_of(day)
    return _Year(year, *academic_year_bounds(year))


def lapse(period: str, as_of: date) -> bool:
    """Say whether a stored period is over on a day, so that its open verdicts become ``lapsed``.

    An academic year is over once 31 July has passed. A programme's period is over only when the learner has left, which
    `evaluate` says as ``not_applicable``, or when a new spell begins, which it says by answering with another period.
    """
    return not period.startswith("programme:") and period < academic_year_of(as_of)


# ------------------------------------------------------------------------------------ where the learner stands


class _Enrolment(NamedTuple):
    """A programme as it stands on the day: `end` is the last day on which it is taken to run."""

    programme: ProgrammeFacts
    state: Literal["future", "active", "on_break", "ended"]
    end: date


@dataclass(slots=True)
class _Standing:
    """What all criteria share for one learner on one day.

    `status` and `reason` are set where nothing else matters. `planned_end` is None where no programme of the spell says
    when it ends. `next_change` is the first later day on which any of this may differ.
    """

    as_of: date
    year: _Year
    next_change: date
    status: Status | None = None
    reason: VerdictReason | None = None
    programme: str | None = None
    spell_start: date | None = None
    planned_end: date | None = None
    apprentice: bool = False


def _stand(scope: Scope, facts: LearnerFacts, as_of: date) -> _Standing:
    year = _year_of(as_of)
    standing = _Standing(as_of, year, _next_boundary(facts.programmes, as_of, year))
    enrolments = [_enrolment(programme, as_of) for programme in facts.programmes]
    if enrolments:
        _place(standing, enrolments)
    else:
        standing.status, standing.reason = "unknown", "no_programme"
    _apply_scope(standing, scope, facts)
    return standing


def _next_boundary(programmes: Iterable[ProgrammeFacts], as_of: date, year: _Year) -> date:
    """Return the first later day on which a programme begins or ends, comes within a summer, or the year is over."""
    days = [year.end + _DAY]
    for programme in programmes:
        if programme.starts_on > as_of:
            days += programme.starts_on, programme.starts_on - SUMMER
        if programme.planned_end is not None:
            days.append(programme.planned_end + _DAY)
        if programme.actual_end is not None:
            days.append(programme.actual_end + _DAY)
    return min(day for day in days if day > as_of)


def _enrolment(programme: ProgrammeFacts, as_of: date) -> _Enrolment:
    planned, actual, start = programme.planned_end, programme.actual_end, programme.starts_on
    if start > as_of and programme.status not in ("completed", "withdrawn"):
        return _Enrolment(programme, "future", max(start, actual or planned or _year_of(start).end))
    if actual is not None:
        if actual >= as_of:
            return _Enrolment(programme, "active", max(start, actual))
        return _Enrolment(programme, "on_break" if programme.status == "on_break" else "ended", max(start, actual))
    if programme.status == "on_break":
        return _Enrolment(programme, "on_break", max(start, planned or start))
    # A source that reports no status cannot say that somebody stayed on: its planned end is the end.
    over = programme.status is None and planned is not None and planned < as_of
    if over or programme.status in ("completed", "withdrawn"):
        return _Enrolment(programme, "ended", max(start, planned or start))
    return _Enrolment(programme, "active", max(as_of, planned or _year_of(as_of).end))


def _spells(enrolments: list[_Enrolment]) -> list[list[_Enrolment]]:
    """Join programmes that overlap or lie at most a summer apart, in order of time."""
    spells: list[list[_Enrolment]] = []
    end = date.min
    for enrolment in sorted(enrolments, key=lambda one: (one.programme.starts_on, one.programme.key)):
        if spells and enrolment.programme.starts_on <= end + SUMMER:
            spells[-1].append(enrolment)
            end = max(end, enrolment.end)
        else:
            spells.append([enrolment])
            end = enrolment.end
    return spells


def _place(standing: _Standing, enrolments: list[_Enrolment]) -> None:
    """Find the current spell of study, or say why there is none."""
    spells = _spells(enrolments)
    begun = [one for one in enrolments if one.state != "future"]
    latest = max(begun, key=lambda one: (one.end, one.programme.starts_on, one.programme.key), default=None)
    spell = next((spell for spell in spells if any(one.state == "active" for one in spell)), None)
    if spell is None and latest is not None and latest.state == "on_break":
        standing.status, standing.reason = "not_applicable", "on_break"
    elif spell is None:
        # Between two programmes of one spell, a learner who is enrolled for after the summer has not left.
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


def _describe(standing: _Standing, spell: list[_Enrolment]) -> None:
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


def _apply_scope(standing: _Standing, scope: Scope, facts: LearnerFacts) -> None:
    """Leave out whom the framework does not mean; an age outranks what `_place` found."""
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


# ------------------------------------------------------------------------------------------- one criterion


class _Window(NamedTuple):
    """The days of evidence that belong to a period, its name, and the last day by which it is due.

    `status` is that of a learner who lacks something, `next_change` the first later day on which it is another.
    """

    period: str
    start: date
    end: date
    due: date
    status: Status
    next_change: date


class _Rules:
    """A framework in the shape in which many learners are judged quickly."""

    def __init__(self, framework: Framework) -> None:
        self.scope = framework.scope
        self.counts_as = framework.counts_as
        self.criteria = [criterion for criterion, _ in framework.rules]
        self.serves: dict[str, list[int]] = {}
        for place, (criterion, kinds) in enumerate(framework.rules):
            for kind in kinds if criterion.enabled_by_default else ():
                self.serves.setdefault(kind, []).append(place)
        # Learners of one intake share their dates, so that hardly any window is computed twice.
        self.windows = lru_cache(maxsize=512)(self._windows)

    def _windows(self, spell_start: date | None, planned_end: date | None, as_of: date) -> list[_Window]:
        return [_window(criterion, spell_start, planned_end, as_of) for criterion in self.criteria]

    def candidates(self, evidence: Iterable[Evidence]) -> list[list[Evidence]]:
        """Hand each criterion the records of its kinds, in order of time."""
        found: list[list[Evidence]] = [[] for _ in self.criteria]
        for item in sorted(evidence, key=_IN_TIME):
            for place in self.serves.get(item.kind, ()):
                found[place].append(item)
        return found


_rules_of = lru_cache(maxsize=8)(_Rules)

_IN_TIME = attrgetter("starts_on", "ref")


def _window(criterion: Criterion, spell_start: date | None, planned_end: date | None, as_of: date) -> _Window:
    year = _year_of(as_of)
    start = spell_start or year.start
    early = timedelta(weeks=criterion.early_weeks)
    if criterion.period == "academic_year":
        period, first, last = year.label, year.start - early, year.end
        due = planned_end if planned_end is not None and year.start <= planned_end < year.end else year.end
    else:
        due = planned_end or year.end
        period, first, last = f"programme:{_year_of(start).label}", start - early, max(due, as_of)
    if criterion.due_weeks_after_start is not None:
        due = min(due, start + timedelta(weeks=criterion.due_weeks_after_start))
    if criterion.final_year_due_month is not None and planned_end is not None:
        due_year = _year_of(due)
        if _year_of(planned_end) == due_year:
            due = min(due, _month_end(due_year, criterion.final_year_due_month))
    soon = due - timedelta(weeks=criterion.due_soon_weeks)
    status: Status = "not_met" if due < as_of else "at_risk" if soon <= as_of else "not_due"
    next_change = min((day for day in (soon, due + _DAY) if day > as_of), default=year.end + _DAY)
    return _Window(period, first, last, due, status, next_change)


def _month_end(year: _Year, month: int) -> date:
    calendar_year = year.start.year if month >= 8 else year.end.year
    return date(calendar_year + month // 12, month % 12 + 1, 1) - _DAY


def evaluate(
    framework: Framework,
    facts: LearnerFacts,
    as_of: date,
    *,
    meaningful_unrecorded: Literal["count", "unknown"],
) -> list[Verdict]:
    """Judge every criterion that is judged from records, for one learner on one day.

    The order of the verdicts is that of the framework. Call `mark_duplicates` on the evidence first. `as_of` decides
    what is past; nothing dated later counts. `meaningful_unrecorded` is the college's choice of that name. The verdict
    holds until its `next_change` unless data, settings or the freshness of a source change.
    """
    rules = _rules_of(framework)
    standing = _stand(rules.scope, facts, as_of)
    windows = rules.windows(standing.spell_start, standing.planned_end, as_of)
    if standing.status is not None:
        return [
            _set_aside(criterion, window, standing) for criterion, window in zip(rules.criteria, windows, strict=True)
        ]
    counts_unjudged = meaningful_unrecorded == "count"
    return [
        _judge(criterion, window, standing, items, rules.counts_as, facts.fed, counts_unjudged)
        for criterion, window, items in zip(rules.criteria, windows, rules.candidates(facts.evidence), strict=True)
    ]


def _set_aside(criterion: Criterion, window: _Window, standing: _Standing) -> Verdict:
    return Verdict(
        criterion=criterion.id,
        period=window.period,
        status=standing.status or "unknown",
        have=0,
        need=criterion.need,
        programme=standing.programme,
        reason=standing.reason,
        next_change=standing.next_change,
    )


def _judge(
    criterion: Criterion,
    window: _Window,
    standing: _Standing,
    items: list[Evidence],
    counts_as: Mapping[str, CountsAs],
    fed: _Fed,
    counts_unjudged: bool,
) -> Verdict:
    as_of, need = standing.as_of, criterion.need
    looks = [_look(criterion, item, window, as_of, counts_as.get(item.kind)) for item in items]
    tally = _tally(criterion, items, looks) if looks else _NOTHING
    status, reason = _decide(criterion, window, standing, tally, fed, counts_unjudged)
    have = tally.unjudged if counts_unjudged else tally.sure
    days = [standing.next_change, window.next_change]
    if items and items[-1].starts_on > as_of:
        days.append(next(item.starts_on for item in items if item.starts_on > as_of))
    for item, look in zip(items, looks, strict=True):
        if look[1] == "planned" and (item.ends_on or item.starts_on) >= as_of:
            days.append((item.ends_on or item.starts_on) + _DAY)  # then it is no longer what `next_booked` answers
    return Verdict(
        criterion=criterion.id,
        period=window.period,
        status=status,
        have=max(have, need) if status == "met" else have,
        need=need,
        due=window.due,
        programme=standing.programme,
        reason=reason,
        quality_not_recorded=status == "met" and tally.sure < need and reason != "apprentice_job",
        next_change=min(days),
        uses=tuple(
            [EvidenceUse(item.ref, _OUTCOMES[look[0]], look[1]) for item, look in zip(items, looks, strict=True)]
        ),
    )


_OUTCOMES: tuple[Literal["counted", "possible", "rejected"], ...] = ("counted", "possible", "possible", "rejected")

_Look: TypeAlias = tuple[int, str | None, str | None]
"""What one record is worth to one criterion: its grade, a reason, and what a distinct criterion tells it apart by."""


_COUNTS: _Look = (_SURE, None, None)


def _look(criterion: Criterion, item: Evidence, window: _Window, as_of: date, as_: CountsAs | None) -> _Look:
    reason = _no_evidence(criterion, item, window, as_of)
    if reason is not None:
        return _OUT, reason, None
    if not criterion.reads_attributes and item.state == "attended":
        return _COUNTS
    attributes = item.attributes if as_ is None else {**as_.assume, **item.attributes}
    judged = _meaningful(criterion, attributes) if criterion.meaningful else True
    reason = _broken_rule(criterion, attributes, judged)
    if reason is not None:
        return _OUT, reason, None
    value = None if criterion.distinct is None else _value(criterion, item.kind, attributes, as_)
    if value is not None and criterion.distinct_values:
        value = criterion.distinct_values.get(value)
        if value is None:
            return _OUT, "not_a_listed_value", None
    if item.state == "planned" and not item.kind.endswith("_offer"):  # an offer counts once it is made
        return _OUT, "planned", None
    for name in criterion.requires:
        if attributes.get(name) is None:
            return _UNRECORDED, name, value
    if criterion.distinct is not None and value is None:
        return _UNRECORDED, criterion.distinct, None
    if judged is None:
        return _UNJUDGED, "meaningful", value
    return _SURE, _remark(criterion, attributes), value


def _no_evidence(criterion: Criterion, item: Evidence, window: _Window, as_of: date) -> str | None:
    """Say why a record is no evidence for the period, whatever its attributes say."""
    if item.kind in criterion.never_kinds:
        return criterion.never_kinds[item.kind]
    if item.duplicate_of is not None:
        return "duplicate"
    state = item.state
    if state in ("missed", "cancelled"):
        return state
    if not window.start <= item.starts_on <= window.end:
        return "outside_period"
    return "future" if item.starts_on > as_of and state != "planned" else None


def _meaningful(criterion: Criterion, attributes: Mapping[str, object]) -> bool | str | None:
    """Say whether it was meaningful, or which element was missing; None where nobody recorded enough.

    A recorded judgement wins. Without one it is meaningful if every element of the checklist is recorded as there, and
    is not if one of them is recorded as missing.
    """
    said = attributes.get("meaningful")
    if said is not None:
        return bool(said)
    recorded = [(name, attributes[name]) for name in criterion.checklist if name in attributes]
    for name, there in recorded:
        if not there:
            return name
    return True if recorded and len(recorded) == len(criterion.checklist) else None


def _broken_rule(criterion: Criterion, attributes: Mapping[str, object], judged: bool | str | None) -> str | None:
    mode = attributes.get("mode")
    if mode is not None and (mode in criterion.never_modes or (mode == "virtual" and criterion.virtual == "never")):
        return str(mode)
    for name in criterion.requires:
        recorded = attributes.get(name)
        if recorded is not None and not recorded:
            return f"not_{name}"
    if isinstance(judged, str):
        return f"not_meaningful:{judged}"
    return "not_meaningful" if judged is False else None


def _value(criterion: Criterion, kind: str, attributes: Mapping[str, object], as_: CountsAs | None) -> str | None:
    if criterion.distinct == "kind":
        served = as_.kinds if as_ is not None and kind not in criterion.kinds else (kind,)
        return next((one for one in served if one in criterion.kinds), kind)
    if criterion.distinct == "provider_type":
        found = attributes.get("provider_type")
        return None if found is None else str(found)
    organisation = attributes.get("organisation") or attributes.get("organisation_id")
    return None if organisation is None else _plain(str(organisation))


def _remark(criterion: Criterion, attributes: Mapping[str, object]) -> UseReason | None:
    level = attributes.get("adviser_level") if criterion.adviser_level is not None else None
    return "adviser_level" if isinstance(level, int) and level < (criterion.adviser_level or 0) else None


class _Tally(NamedTuple):
    """How many records of one criterion there are of a grade or better, each event or value once.

    `in_person` is the best grade of a record that was not online, `unrecorded` the first attribute that is missing.
    """

    sure: int
    unjudged: int
    unrecorded: int
    in_person: int
    attribute: str | None
    values: frozenset[str | None]


_NOTHING = _Tally(0, 0, 0, _OUT, None, frozenset())


def _tally(criterion: Criterion, items: list[Evidence], looks: list[_Look]) -> _Tally:
    """Count; `looks` is changed where a record turns out to add nothing."""
    # Taken before anything is dropped for adding nothing, so that one more record can never make things worse.
    in_person = _OUT
    for item, look in zip(items, looks, strict=True):
        if look[0] < in_person and item.attributes.get("mode") != "virtual":
            in_person = look[0]
    if len(looks) > 1:
        _count_once(criterion, items, looks)
    counts = [0, 0, 0, 0]
    for look in looks:
        counts[look[0]] += 1
    most = [counts[_SURE], counts[_SURE] + counts[_UNJUDGED], sum(counts[:_OUT])]
    if criterion.virtual == "not_alone":  # then one of those needed must not be online
        most = [min(n, criterion.need - 1) if in_person > grade else n for grade, n in enumerate(most)]
    attribute = next((look[1] for look in looks if look[0] == _UNRECORDED), None) if counts[_UNRECORDED] else None
    values = frozenset() if criterion.distinct is None else frozenset(look[2] for look in looks if look[0] != _OUT)
    return _Tally(most[_SURE], most[_UNJUDGED], most[_UNRECORDED], in_person, attribute, values)


def _count_once(criterion: Criterion, items: list[Evidence], looks: list[_Look]) -> None:
    """Reject what adds nothing: a second record of one event, or of one value where different ones are counted.

    The better recorded one stays. Where different values are counted, one event may serve several of them.
    """
    distinct = criterion.distinct is not None
    keys = [look[2] if distinct else item.event_key for item, look in zip(items, looks, strict=True)]
    if not any(keys):
        return
    seen: set[str] = set()
    for place in sorted(range(len(looks)), key=lambda place: (looks[place][0], place)):
        key = keys[place]
        if key is None or looks[place][0] == _OUT:
            continue
        if key in seen:
            looks[place] = (_OUT, "not_distinct" if distinct else "duplicate", None)
        seen.add(key)


def _decide(
    criterion: Criterion,
    window: _Window,
    standing: _Standing,
    tally: _Tally,
    fed: _Fed,
    counts_unjudged: bool,
) -> tuple[Status, str | None]:
    if not criterion.enabled_by_default:
        return "unknown", "not_judged"
    need = criterion.need
    if tally.sure >= need:
        return "met", "virtual_only" if tally.in_person > _SURE else None
    if counts_unjudged and tally.unjudged >= need:
        return "met", "virtual_only" if tally.in_person > _UNJUDGED else None
    if standing.apprentice and criterion.apprentice_job_counts != "no":
        return ("met" if criterion.apprentice_job_counts == "yes" else "unknown"), "apprentice_job"
    if criterion.min_programme_weeks and _too_short(criterion, standing):
        return "not_applicable", "short_programme"
    unproven = _feed(criterion, tally, fed)
    if unproven is not None:
        return "unknown", unproven
    if tally.unjudged >= need:
        return "unknown", "quality_not_recorded"
    if tally.unrecorded >= need:
        return "unknown", f"attribute_not_recorded:{tally.attribute}"
    if criterion.advisory:
        return "not_due", "advisory"
    return window.status, None


def _too_short(criterion: Criterion, standing: _Standing) -> bool:
    if standing.spell_start is None or standing.planned_end is None:
        return False
    return standing.planned_end - standing.spell_start < timedelta(weeks=criterion.min_programme_weeks)


def _feed(criterion: Criterion, tally: _Tally, fed: _Fed) -> VerdictReason | None:
    """Say why nothing can be concluded from the absence of records, or None where it can.

    One of the kinds is enough, except where one of each is needed: then every kind that is missing must be fed.
    """
    if criterion.distinct == "kind":
        states = [fed.get(kind) for kind in criterion.kinds if kind not in tally.values]
        if None in states:
            return "not_fed"
        return "stale" if "stale" in states else None
    for kind in criterion.kinds:
        if fed.get(kind) == "fresh":
            return None
    return "stale" if any(kind in fed for kind in criterion.kinds) else "not_fed"


def next_booked(verdict: Verdict, evidence: Iterable[Evidence], as_of: date) -> Evidence | None:
    """Return the earliest planned activity, today or later, that would count for a verdict once it is attended."""
    planned = {use.ref for use in verdict.uses if use.reason == "planned"}
    coming = [item for item in evidence if item.ref in planned and (item.ends_on or item.starts_on) >= as_of]
    return min(coming, key=_IN_TIME, default=None)


# --------------------------------------------------------------------------------- the same event, recorded twice

_LEGAL_FORM = re.compile(r"\b(?:ltd|limited|plc|llp|inc|cic)\b")
_NOT_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    """Spell a name so that "Acme Ltd." and "ACME Limited" are the same."""
    words = _NOT_WORD.sub(" ", name.casefold()).strip()
    return " ".join(_LEGAL_FORM.sub(" ", words).split()) or words


def mark_duplicates(evidence: list[Evidence], rank: Mapping[str, int]) -> None:
    """Mark, in place, which records speak of an event that another record of this learner already stands for.

    `rank` gives each connector's place in the order of trust, the most trusted lowest. In this order:

    * A learner's own ``missed`` or ``cancelled`` beats what a group or programme record says: the record with the same
      `event_key`, or with the same kind and day and the same organisation (or, where one of them names none, the same
      title), takes that state.
    * Records of one kind with the same `event_key` are one event, whoever keeps them.
    * Records of the same kind, day and organisation from different connectors are one event. Two in one connector are
      two: a morning talk and an afternoon visit. If one connector has two and another three of them, there were three.

    The surest record stays: attended before planned before missed, then the one with more attributes, then the more
    trusted connector. Others get its `ref` as `duplicate_of`. Marking again changes nothing.
    """
    for item in evidence:
        item.duplicate_of = None
    _apply_absences(evidence)
    order = sorted(evidence, key=lambda item: _surety(item, rank))
    by_event: dict[tuple[str, str], Evidence] = {}
    for item in order:
        if item.event_key is not None:
            first = by_event.setdefault((item.kind, item.event_key), item)
            if first is not item:
                item.duplicate_of = first.ref
    stands_for = _match_across_connectors(item for item in order if item.duplicate_of is None)
    for item in evidence:
        same = item.duplicate_of or item.ref
        item.duplicate_of = stands_for.get(same, item.duplicate_of)


_STATES = {"attended": 0, "planned": 1}


def _surety(item: Evidence, rank: Mapping[str, int]) -> tuple[object, ...]:
    return (
        _STATES.get(item.state, 2),
        -len(item.attributes),
        rank.get(item.connector, len(rank)),
        item.subject != "learner",
        item.ref,
    )


def _apply_absences(evidence: Sequence[Evidence]) -> None:
    absences = [item for item in evidence if item.subject == "learner" and item.state in ("missed", "cancelled")]
    if not absences:
        return
    absences.sort(key=lambda item: (item.state == "cancelled", item.ref))
    for item in evidence:
        if item.subject == "learner" or item.state not in _STATES:
            continue
        for absence in absences:
            if _same_event(item, absence):
                item.state = absence.state
                break


def _same_event(one: Evidence, other: Evidence) -> bool:
    if one.event_key is not None and one.event_key == other.event_key:
        return True
    if one.kind != other.kind or one.starts_on != other.starts_on:
        return False
    names = _organisation(one), _organisation(other)
    if None not in names:
        return names[0] == names[1]
    return one.title is not None and other.title is not None and _plain(one.title) == _plain(other.title)


def _organisation(item: Evidence) -> str | None:
    found = item.attributes.get("organisation")
    return None if not found else _plain(str(found))


def _match_across_connectors(order: Iterable[Evidence]) -> dict[str, str]:
    """Return the `ref` of each further record of an event and that of the record that stands for it."""
    places: defaultdict[tuple[date, str, str], list[Evidence]] = defaultdict(list)
    for item in order:
        name = _organisation(item)
        if name is not None:
            places[item.starts_on, item.kind, name].append(item)
    stands_for: dict[str, str] = {}
    for items in places.values():
        # The surest of one connector is matched with the surest of each other one, then the second surest, and so on.
        seen: defaultdict[str, int] = defaultdict(int)
        events: list[str] = []
        for item in items:
            number = seen[item.connector]
            seen[item.connector] += 1
            if number < len(events):
                stands_for[item.ref] = events[number]
            else:
                events.append(item.ref)
    return stands_for
