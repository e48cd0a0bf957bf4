"""The evaluator: what a framework says about one learner on one day. Pure Python, without a clock and without I/O.

The nightly pass and `explain` both call `evaluate`, so that they cannot differ. It works in two steps. `stand` places
the learner: their current spell of study, whether they are covered at all, and when things are due. `_judge` then sorts
each record of a criterion's kinds into sure, possible or rejected, and decides. `docs/benchmarks.md` explains the rules
to a careers leader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from fingerpost._benchmarks.duplicates import plain_name
from fingerpost._benchmarks.framework import CountsAs, Criterion, Framework
from fingerpost._benchmarks.standing import ONE_DAY, Standing, VerdictReason, Window, stand, window_of
from fingerpost._benchmarks.verdicts import Evidence, EvidenceUse, LearnerFacts, Status, Verdict

if TYPE_CHECKING:
    _Fed: TypeAlias = Mapping[str, Literal["fresh", "stale"]]

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
"""Why a record did not count, or only possibly did (then the reason names what is not recorded).

``not_meaningful`` may be followed by a colon and the element of the checklist that was missing.
"""

_SURE, _UNJUDGED, _UNRECORDED, _OUT = range(4)
"""A record's grade: it counts; only its quality is not recorded; something else is not recorded; it does not count."""


class _PreparedRules:
    """A framework in a shape that judges many learners quickly."""

    def __init__(self, framework: Framework) -> None:
        self.scope = framework.scope
        self.counts_as = framework.counts_as
        self.criteria = [criterion for criterion, _ in framework.rules]
        self.serves: dict[str, list[int]] = {}
        for place, (criterion, kinds) in enumerate(framework.rules):
            for kind in kinds if criterion.enabled_by_default else ():
                self.serves.setdefault(kind, []).append(place)
        # Learners of one intake share dates, so few windows are computed twice.
        self.windows = lru_cache(maxsize=512)(self._windows)

    def _windows(self, spell_start: date | None, planned_end: date | None, as_of: date) -> list[Window]:
        return [window_of(criterion, spell_start, planned_end, as_of) for criterion in self.criteria]

    def candidates(self, evidence: Iterable[Evidence]) -> list[list[Evidence]]:
        """Give each criterion the records of its kinds, in date order."""
        found: list[list[Evidence]] = [[] for _ in self.criteria]
        for item in sorted(evidence, key=_IN_TIME):
            for place in self.serves.get(item.kind, ()):
                found[place].append(item)
        return found


_rules_of = lru_cache(maxsize=8)(_PreparedRules)

_IN_TIME = attrgetter("starts_on", "ref")


def evaluate(
    framework: Framework, facts: LearnerFacts, as_of: date, *, meaningful_unrecorded: Literal["count", "unknown"]
) -> list[Verdict]:
    """Judge every criterion of scope ``learner``, for one learner on one day.

    Verdicts are in the order of the framework. Call `mark_duplicates` on the evidence first. `as_of` decides what is
    past; nothing dated later counts. `meaningful_unrecorded` is the college's setting. A verdict holds until its
    `next_change` unless data, settings or the freshness of a source change.
    """
    rules = _rules_of(framework)
    standing = stand(rules.scope, facts, as_of)
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


def _set_aside(criterion: Criterion, window: Window, standing: Standing) -> Verdict:
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
    window: Window,
    standing: Standing,
    items: list[Evidence],
    counts_as: Mapping[str, CountsAs],
    fed: _Fed,
    counts_unjudged: bool,
) -> Verdict:
    as_of, need = standing.as_of, criterion.need
    ratings = [_rate(criterion, item, window, as_of, counts_as.get(item.kind)) for item in items]
    tally = _tally(criterion, items, ratings) if ratings else _NOTHING
    status, reason = _decide(criterion, window, standing, tally, fed, counts_unjudged)
    have = tally.unjudged if counts_unjudged else tally.sure
    days = [standing.next_change, window.next_change]
    if items and items[-1].starts_on > as_of:
        days.append(next(item.starts_on for item in items if item.starts_on > as_of))
    for item, rating in zip(items, ratings, strict=True):
        if rating[1] == "planned" and (item.ends_on or item.starts_on) >= as_of:
            days.append((item.ends_on or item.starts_on) + ONE_DAY)  # then `next_booked` no longer returns it
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
            [
                EvidenceUse(item.ref, _OUTCOMES[rating[0]], rating[1])
                for item, rating in zip(items, ratings, strict=True)
            ]
        ),
    )


_OUTCOMES: tuple[Literal["counted", "possible", "rejected"], ...] = ("counted", "possible", "possible", "rejected")

_Rating: TypeAlias = tuple[int, str | None, str | None]
"""One record under one criterion: its grade, a reason, and the value that a distinct criterion counts."""


_COUNTS_SURELY: _Rating = (_SURE, None, None)


def _rate(criterion: Criterion, item: Evidence, window: Window, as_of: date, as_: CountsAs | None) -> _Rating:
    reason = _no_evidence(criterion, item, window, as_of)
    if reason is not None:
        return _OUT, reason, None
    if not criterion.reads_attributes and item.state == "attended":
        return _COUNTS_SURELY
    attributes = item.attributes if as_ is None else {**as_.assume, **item.attributes}
    judged = _meaningful(criterion, attributes) if criterion.meaningful else True
    broken = _broken_rule(criterion, attributes, judged)
    if broken is not None:
        missing = broken == "not_meaningful" and isinstance(judged, str)
        return _OUT, f"{broken}:{judged}" if missing else broken, None
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


def _no_evidence(criterion: Criterion, item: Evidence, window: Window, as_of: date) -> UseReason | None:
    """Say why a record is not evidence for the period, whatever its attributes."""
    if item.kind in criterion.never_kinds:
        return criterion.never_kinds[item.kind]
    if item.duplicate_of is not None:
        return "duplicate"
    state = item.state
    if state == "missed":
        return "missed"
    if state == "cancelled":
        return "cancelled"
    if not window.start <= item.starts_on <= window.end:
        return "outside_period"
    return "future" if item.starts_on > as_of and state != "planned" else None


def _meaningful(criterion: Criterion, attributes: Mapping[str, object]) -> bool | str | None:
    """Say whether it was meaningful, or which element was missing; None if too little was recorded.

    A recorded judgement wins. Without one it is meaningful if every element of the checklist is recorded as present,
    and not if any is recorded as missing.
    """
    said = attributes.get("meaningful")
    if said is not None:
        return bool(said)
    recorded = [(name, attributes[name]) for name in criterion.checklist if name in attributes]
    for name, there in recorded:
        if not there:
            return name
    return True if recorded and len(recorded) == len(criterion.checklist) else None


_NOT: dict[str, UseReason] = {"via_curriculum": "not_via_curriculum", "stem": "not_stem"}


def _broken_rule(criterion: Criterion, attributes: Mapping[str, object], judged: bool | str | None) -> UseReason | None:
    mode = attributes.get("mode")
    if mode == "virtual" and criterion.virtual == "never":
        return "virtual"
    for never in criterion.never_modes:
        if mode == never:
            return never
    for name in criterion.requires:
        recorded = attributes.get(name)
        if recorded is not None and not recorded:
            return _NOT[name]
    return "not_meaningful" if judged is False or isinstance(judged, str) else None


def _value(criterion: Criterion, kind: str, attributes: Mapping[str, object], as_: CountsAs | None) -> str | None:
    if criterion.distinct == "kind":
        served = as_.kinds if as_ is not None and kind not in criterion.kinds else (kind,)
        return next((one for one in served if one in criterion.kinds), kind)
    if criterion.distinct == "provider_type":
        found = attributes.get("provider_type")
        return None if found is None else str(found)
    organisation = attributes.get("organisation") or attributes.get("organisation_id")
    return None if organisation is None else plain_name(str(organisation))


def _remark(criterion: Criterion, attributes: Mapping[str, object]) -> UseReason | None:
    level = attributes.get("adviser_level") if criterion.adviser_level is not None else None
    return "adviser_level" if isinstance(level, int) and level < (criterion.adviser_level or 0) else None


class _Tally(NamedTuple):
    """How many records of a grade or better one criterion has, each event or value once.

    `in_person` is the best grade among records not online, `unrecorded` the first missing attribute.
    """

    sure: int
    unjudged: int
    unrecorded: int
    in_person: int
    attribute: str | None
    values: frozenset[str | None]


_NOTHING = _Tally(0, 0, 0, _OUT, None, frozenset())


def _tally(criterion: Criterion, items: list[Evidence], ratings: list[_Rating]) -> _Tally:
    """Count; change `ratings` where a record turns out to add nothing."""
    # Before any are dropped, so that one more record can never make things worse.
    in_person = _OUT
    for item, rating in zip(items, ratings, strict=True):
        if rating[0] < in_person and item.attributes.get("mode") != "virtual":
            in_person = rating[0]
    if len(ratings) > 1:
        _count_once(criterion, items, ratings)
    counts = [0, 0, 0, 0]
    for rating in ratings:
        counts[rating[0]] += 1
    most = [counts[_SURE], counts[_SURE] + counts[_UNJUDGED], sum(counts[:_OUT])]
    if criterion.virtual == "not_alone":  # then at least one must not be online
        most = [min(n, criterion.need - 1) if in_person > grade else n for grade, n in enumerate(most)]
    attribute = (
        next((rating[1] for rating in ratings if rating[0] == _UNRECORDED), None) if counts[_UNRECORDED] else None
    )
    values = (
        frozenset() if criterion.distinct is None else frozenset(rating[2] for rating in ratings if rating[0] != _OUT)
    )
    return _Tally(most[_SURE], most[_UNJUDGED], most[_UNRECORDED], in_person, attribute, values)


def _count_once(criterion: Criterion, items: list[Evidence], ratings: list[_Rating]) -> None:
    """Reject what adds nothing: a second record of one event, or of one value if different ones are counted.

    The better recorded one stays. If different values are counted, one event may serve several.
    """
    distinct = criterion.distinct is not None
    keys = [rating[2] if distinct else item.event_key for item, rating in zip(items, ratings, strict=True)]
    if not any(keys):
        return
    seen: set[str] = set()
    for place in sorted(range(len(ratings)), key=lambda place: (ratings[place][0], place)):
        key = keys[place]
        if key is None or ratings[place][0] == _OUT:
            continue
        if key in seen:
            ratings[place] = (_OUT, "not_distinct" if distinct else "duplicate", None)
        seen.add(key)


def _decide(
    criterion: Criterion, window: Window, standing: Standing, tally: _Tally, fed: _Fed, counts_unjudged: bool
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


def _too_short(criterion: Criterion, standing: Standing) -> bool:
    if standing.spell_start is None or standing.planned_end is None:
        return False
    return standing.planned_end - standing.spell_start < timedelta(weeks=criterion.min_programme_weeks)


def _feed(criterion: Criterion, tally: _Tally, fed: _Fed) -> VerdictReason | None:
    """Say why missing records prove nothing, or None if they do.

    One kind is enough, unless one of each is needed: then every missing kind must be fed.
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
    """Return the earliest planned activity, today or later, that would count for a verdict once attended."""
    planned = {use.ref for use in verdict.uses if use.reason == "planned"}
    coming = [item for item in evidence if item.ref in planned and (item.ends_on or item.starts_on) >= as_of]
    return min(coming, key=_IN_TIME, default=None)
