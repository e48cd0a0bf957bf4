"""The evaluator: each rule of the benchmarks on small examples, and what must hold for every learner."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fingerpost_mappings
from fingerpost._benchmarks.duplicates import mark_duplicates
from fingerpost._benchmarks.evaluate import evaluate, next_booked
from fingerpost._benchmarks.framework import Framework, FrameworkLibrary
from fingerpost._benchmarks.standing import lapse
from fingerpost._benchmarks.verdicts import GAP, Evidence, EvidenceUse, LearnerFacts, ProgrammeFacts, Verdict
from fingerpost._words.days import academic_year_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Unrecorded = Literal["count", "unknown"]
Freshness = Literal["fresh", "stale"]
COLLEGES = FrameworkLibrary((Path(fingerpost_mappings.__file__).parent / "frameworks").glob("*.toml")).load(
    "gatsby-colleges-2025"
)
TODAY = date(2026, 3, 2)
ALL_KINDS = {kind for criterion, _ in COLLEGES.rules for kind in criterion.kinds}
FRESH: dict[str, Freshness] = dict.fromkeys(ALL_KINDS, "fresh")


def programme(
    start: date = date(2025, 9, 1),
    planned: date | None = date(2026, 7, 3),
    actual: date | None = None,
    *,
    key: str = "P1",
    type: str | None = "study_programme",
    status: str | None = "continuing",
) -> ProgrammeFacts:
    return ProgrammeFacts(key, "Course", type, "3", "Area", start, planned, actual, status)


def activity(
    kind: str = "employer_encounter",
    day: date = date(2025, 11, 5),
    state: str = "attended",
    *,
    ref: str | None = None,
    connector: str = "log",
    ends_on: date | None = None,
    title: str | None = None,
    event_key: str | None = None,
    subject: str = "learner",
    **attributes: object,
) -> Evidence:
    ref = ref or f"{connector}:{kind}-{day}-{state}-{'-'.join(map(str, attributes.values()))}-{event_key}"
    return Evidence(ref, connector, kind, state, day, ends_on, title, event_key, subject, attributes)


def learner(
    *evidence: Evidence,
    born: date | None = date(2008, 1, 15),
    plan: bool | None = None,
    programmes: tuple[ProgrammeFacts, ...] | None = None,
    fed: Mapping[str, Freshness] = FRESH,
) -> LearnerFacts:
    return LearnerFacts(1, born, plan, (programme(),) if programmes is None else programmes, list(evidence), dict(fed))


def judge(
    criterion: str,
    facts: LearnerFacts,
    as_of: date = TODAY,
    *,
    unrecorded: Unrecorded = "count",
    framework: Framework = COLLEGES,
) -> Verdict:
    verdicts = evaluate(framework, facts, as_of, meaningful_unrecorded=unrecorded)
    return next(verdict for verdict in verdicts if verdict.criterion == criterion)


def configured(**values: Any) -> Framework:
    return COLLEGES.configure(values)


def outcome(verdict: Verdict) -> tuple[str, str | None]:
    return verdict.status, verdict.reason


def only_use(verdict: Verdict) -> EvidenceUse:
    assert len(verdict.uses) == 1
    return verdict.uses[0]


GOOD: dict[str, Any] = {"meaningful": True}
CHECKED: dict[str, Any] = {"purpose": True, "outcomes": True, "two_way": True, "reflection": True}
TALK = activity(day=date(2025, 10, 7), **GOOD)
VISIT = activity(day=date(2025, 12, 9), **GOOD)
THROUGH_COURSE = activity(day=date(2026, 1, 20), **GOOD, via_curriculum=True)


# ------------------------------------------------------------------------------------------- where a learner stands


class Case(NamedTuple):
    """One learner on one day: how they stand on a criterion, and why; what else the verdict says, and of each use."""

    criterion: str
    facts: LearnerFacts
    stands: tuple[str, str | None]
    as_of: date = TODAY
    settings: Mapping[str, Any] = {}
    unrecorded: Unrecorded = "count"
    says: Mapping[str, object] = {}
    uses: Sequence[str | None] | None = None


MET, SOON, MISSING = ("met", None), ("at_risk", None), ("not_met", None)
LEFT, OUTSIDE, BREAK = (("not_applicable", why) for why in ("left", "outside_scope_19_plus", "on_break"))
STALE: dict[str, Freshness] = {"employer_encounter": "stale"}
ONE_PROVIDER = learner(activity("provider_encounter", provider_type="university", **GOOD))
SHORT = learner(programmes=(programme(date(2026, 1, 5), date(2026, 2, 27), status="continuing"),))
PAUSED = programme(actual=date(2025, 12, 1), status="on_break")
NO_STATUS = learner(programmes=(programme(planned=date(2026, 2, 27), status=None),))
TWO_YEARS = learner(programmes=(programme(date(2024, 9, 2), date(2026, 7, 3)),))
NOT_DUE, UNFED = ("not_due", None), ("unknown", "not_fed")
SPELL, SPELL_BEFORE = {"period": "programme:2025/26"}, {"period": "programme:2024/25"}
HE_VISITS = [activity("he_visit", date(2025, 11, day), **GOOD) for day in (3, 4)]
TRAINED = activity("provider_encounter", provider_type="training_provider", **GOOD)
APPRENTICE = learner(programmes=(programme(type="apprenticeship"),))
PLACED = activity("workplace_experience", **GOOD)
SUMMER_APART = learner(
    activity("workplace_experience", date(2025, 5, 6), **GOOD),
    programmes=(
        programme(date(2025, 9, 1), date(2026, 7, 3), key="Y2"),
        programme(date(2024, 9, 2), date(2025, 7, 4), date(2025, 7, 4), key="Y1", status="completed"),
    ),
)
LONG_APART = learner(
    activity("workplace_experience", date(2024, 5, 6), **GOOD),
    programmes=(
        programme(date(2023, 9, 4), date(2024, 7, 5), date(2024, 7, 5), key="Y1", status="completed"), programme()
    ),
)  # fmt: skip
TRANSFERRED = learner(
    programmes=(
        programme(date(2025, 9, 1), date(2027, 7, 2), date(2025, 10, 10), key="A", status="withdrawn"),
        programme(date(2025, 10, 13), date(2026, 6, 26), key="B"),
        programme(date(2025, 9, 1), date(2026, 5, 29), key="C"),
    )
)
STAYING = learner(programmes=(programme(planned=date(2026, 2, 27)),))
OVERRUN = learner(
    programmes=(
        programme(date(2025, 9, 1), date(2026, 1, 16), key="A"), programme(date(2026, 1, 5), date(2026, 7, 3), key="B")
    )
)  # fmt: skip
JOINED = learner(
    programmes=(
        programme(date(2024, 9, 2), date(2025, 7, 4), key="A"), programme(date(2026, 1, 5), date(2026, 7, 3), key="B")
    )
)  # fmt: skip
LEAVING = learner(programmes=(programme(actual=date(2026, 3, 6), status="withdrawn"),))
FIRST_ENDS = learner(
    born=None,
    programmes=(
        programme(date(2025, 9, 1), date(2026, 3, 6), key="A", status=None), programme(type="adult", key="B")
    ),
)  # fmt: skip
PLANNED_LONGER = learner(programmes=(programme(planned=date(2027, 7, 2)),))
BEFORE_26_WEEKS = date(2026, 7, 31) - timedelta(weeks=26)
LEAP = learner(programmes=(programme(date(2027, 9, 1), date(2028, 6, 30)),), born=date(2010, 1, 1))
INTENDED = activity("destination_intended")
OUTSIDE_COURSE = [replace(one, attributes={**GOOD, "via_curriculum": False}) for one in (TALK, VISIT)]
UNTYPED = [activity("provider_encounter", date(2025, 11, day), **GOOD) for day in (3, 4)]
ONLINE = [activity(day=date(2025, 11, day), mode="virtual", **GOOD) for day in (3, 4)]
ONLINE_WORK = activity("workplace_experience", mode="virtual")
MEANT_ONLINE = activity("workplace_experience", mode="virtual", **GOOD)
NOT_ALONE = {"virtual": "not_alone"}
PLACES = [
    activity("provider_encounter", date(2026, 1, 6), provider_type="university", **GOOD),
    activity("provider_encounter", date(2026, 1, 7), provider_type="fe_college", mode="virtual", **GOOD),
]
ONLINE_PLACE = activity("provider_encounter", date(2026, 1, 5), provider_type="university", mode="virtual", **GOOD)


def apart(ended: date, begins: date, status: str = "completed") -> LearnerFacts:
    """Return a learner whose studies ended on a day and went on with another programme on a later one."""
    first = programme(date(ended.year - (ended.month < 8), 9, 2), ended, ended, key="Y1", status=status)
    return learner(programmes=(first, programme(begins, date(2026, 7, 3), key="Y2")))


CASES: dict[str, list[Case]] = {
    "a college counts two employers every year and not one": [
        Case("5.1", learner(TALK), SOON), Case("5.1", learner(TALK, VISIT), MET)],
    "how many kinds of provider make a range is a setting": [
        Case("7.1", ONE_PROVIDER, SOON), Case("7.1", ONE_PROVIDER, MET, settings={"provider_types_needed": 1})],
    "adults without a plan are outside and with one inside": [
        *(Case("8.1", learner(born=date(2004, 5, 1), plan=plan), OUTSIDE) for plan in (None, False)),  # 21
        Case("8.1", learner(born=date(2004, 5, 1), plan=True), SOON),
        Case("8.1", learner(born=date(1999, 8, 31), plan=True), OUTSIDE)],  # 26
    "age is taken on 31 August": [
        Case("8.1", learner(born=date(2006, 8, 31)), OUTSIDE),
        *(Case("8.1", learner(born=born), SOON) for born in (date(2006, 9, 1), date(2007, 8, 31)))],
    "who left is not judged, and is still there on the last day": [
        Case("6.1", learner(programmes=(programme(actual=date(2026, 1, 30), status=status),)), stands, day)
        for status in ("completed", "withdrawn") for stands, day in ((LEFT, TODAY), (SOON, date(2026, 1, 30)))],
    "who left without a last day on record has left all the same": [
        Case("6.1", learner(programmes=(programme(status="withdrawn"),)), LEFT)],
    "who withdrew before the first day has left": [
        Case("6.1", learner(programmes=(programme(date(2026, 4, 1), status="withdrawn"),)), LEFT)],
    "a break is not judged and ends with the next programme": [
        Case("6.1", learner(programmes=(PAUSED,)), BREAK),
        Case("6.1", learner(programmes=(PAUSED, programme(date(2026, 1, 12), key="P2"))), SOON, says=SPELL),
        Case("6.1", learner(programmes=(programme(status="on_break"),)), BREAK)],
    "without a birthday the type of programme tells who is young": [
        Case("5.1", learner(born=None, programmes=(programme(type=kind),)), SOON)
        for kind in ("study_programme", "t_level", "supported_internship", "traineeship")],
    "without a birthday other programmes leave it open": [
        Case("5.1", learner(born=None, programmes=(programme(type=kind),)), ("unknown", "age_not_recorded"))
        for kind in ("adult", "apprenticeship", "other", None)],
    "short courses may be left out of the yearly count by a local setting": [
        Case("5.1", SHORT, MISSING),
        Case("5.1", SHORT, ("not_applicable", "short_programme"), settings={"min_programme_weeks": 12}),
        Case("8.1", SHORT, MISSING, settings={"min_programme_weeks": 12}),
        Case("5.1", learner(), SOON, settings={"min_programme_weeks": 12})],
    "a source without status means its planned end": [
        Case("6.1", NO_STATUS, SOON, date(2026, 2, 27)), Case("6.1", NO_STATUS, LEFT, date(2026, 2, 28))],
    "guidance is due soon from the middle of the final year": [
        Case("8.1", TWO_YEARS, ("not_due", None), date(2025, 10, 1)), Case("8.1", TWO_YEARS, SOON, date(2026, 1, 2))],
    "what no source feeds is unknown and never missing": [
        Case("5.1", learner(fed={}), ("unknown", "not_fed")),
        Case("5.1", learner(TALK, fed={}), ("unknown", "not_fed")), Case("5.1", learner(TALK, VISIT, fed={}), MET)],
    "a kind that only serves as another does not feed it": [
        Case("7.1", learner(fed={"he_visit": "fresh"}), ("unknown", "not_fed"))],
    "a stale source proves no gap and undoes nothing": [
        Case("5.1", learner(TALK, fed=STALE), ("unknown", "stale")), Case("5.1", learner(TALK, VISIT, fed=STALE), MET),
        Case("5.1", learner(activity(), TALK, fed=STALE), MET),
        Case("5.1", learner(activity(), TALK, fed=STALE), ("unknown", "stale"), unrecorded="unknown")],
    "what is unconfirmed is not judged": [
        Case(criterion, learner(TALK, activity("record_access")), ("unknown", "not_judged"))
        for criterion in ("3.2", "3.3", "3.4")],
    "last year's employers do not count this year": [
        Case("5.1", replace(TWO_YEARS, evidence=[activity(day=date(2025, 3, 3), **GOOD), TALK]), SOON,
             says={"have": 1, "need": 2, "period": "2025/26"}, uses=["outside_period", None])],
    "a workplace of the first year counts in the second": [
        Case("6.1", replace(TWO_YEARS, evidence=[activity("workplace_experience", date(2025, 3, 3), **GOOD)]), MET,
             says=SPELL_BEFORE)],
    "two visits to universities are one kind of provider": [
        Case("7.1", learner(*HE_VISITS), SOON, says={"have": 1}, uses=[None, "not_distinct"]),
        Case("7.1", learner(*HE_VISITS, TRAINED), MET, says={"have": 2})],
    "apprenticeship providers are training providers since 2025": [
        Case("7.1", learner(TRAINED, activity("provider_encounter", provider_type="apprenticeship_provider", **GOOD)),
             SOON, says={"have": 1})],
    "one guidance meeting will do and an offer will not": [
        Case("8.1", learner(activity("guidance_meeting")), MET),
        Case("8.1", learner(activity("guidance_offer")), SOON, uses=[])],
    "without a programme nothing can be said": [
        Case("5.1", learner(programmes=()), ("unknown", "no_programme"), says={"programme": None})],
    "who has not started owes nothing yet": [
        Case("6.1", learner(programmes=(programme(date(2026, 3, 16)),)), ("not_due", "not_started"),
             says={"next_change": date(2026, 3, 16)})],
    "an apprentice's own job is for the college to decide": [
        Case("6.1", APPRENTICE, ("unknown", "apprentice_job")), Case("5.1", APPRENTICE, SOON),
        Case("6.1", APPRENTICE, ("met", "apprentice_job"), settings={"apprentice_job_counts": "yes"},
             says={"have": 1, "quality_not_recorded": False}),
        Case("6.1", APPRENTICE, SOON, settings={"apprentice_job_counts": "no"}),
        Case("6.1", replace(APPRENTICE, evidence=[PLACED]), MET)],
    "programmes a summer apart are one spell, and in the summer nobody has left": [
        Case("6.1", SUMMER_APART, MET, says={**SPELL_BEFORE, "programme": "Y2"}),
        Case("5.1", SUMMER_APART, NOT_DUE, date(2025, 8, 14))],
    "a longer gap starts a new spell": [Case("6.1", LONG_APART, SOON, says=SPELL, uses=["outside_period"])],
    "a programme is due on the latest planned day of what still runs, the longer of which is the main one": [
        Case("6.1", TRANSFERRED, SOON, says={"due": date(2026, 6, 26), "programme": "C"})],
    "without a planned end the year is the end": [
        Case("6.1", learner(programmes=(programme(planned=None),)), SOON, says={"due": date(2026, 7, 31)})],
    "a year is due when the studies end if that is earlier": [
        Case("5.1", learner(), SOON, says={"due": date(2026, 7, 3)}),
        Case("5.1", PLANNED_LONGER, SOON, says={"due": date(2026, 7, 31)})],
    "who stays beyond the planned end is overdue, and a new year has its own last day": [
        Case("6.1", STAYING, SOON, date(2026, 2, 27)), Case("6.1", STAYING, MISSING, date(2026, 2, 28)),
        Case("5.1", STAYING, NOT_DUE, date(2026, 9, 1), says={"due": date(2027, 7, 31)})],
    "the main programme is the one planned longest even if a shorter one overruns": [
        Case("6.1", OVERRUN, SOON, date(2026, 5, 1), says={"programme": "B"})],
    "a later programme of the next year continues an overrunning one": [
        Case("6.1", JOINED, NOT_DUE, date(2025, 9, 1), says={**SPELL_BEFORE, "due": date(2026, 7, 3)})],
    "a last day in the future ends it on that day": [
        Case("6.1", LEAVING, SOON, says={"next_change": date(2026, 3, 7)}),
        Case("6.1", LEAVING, LEFT, date(2026, 3, 7))],
    "the first to end of two programmes may change the verdict": [
        Case("6.1", FIRST_ENDS, SOON, says={"next_change": date(2026, 3, 7)}),
        Case("6.1", FIRST_ENDS, ("unknown", "age_not_recorded"), date(2026, 3, 7))],
    "26 weeks before the last day something missing is due soon": [
        Case("5.1", PLANNED_LONGER, NOT_DUE, BEFORE_26_WEEKS - timedelta(days=1),
             says={"next_change": BEFORE_26_WEEKS}),
        Case("5.1", PLANNED_LONGER, SOON, BEFORE_26_WEEKS), Case("6.1", PLANNED_LONGER, NOT_DUE, BEFORE_26_WEEKS),
        Case("5.1", PLANNED_LONGER, NOT_DUE, BEFORE_26_WEEKS, settings={"due_soon_weeks": 4})],
    "intentions are due by the end of February of the final year": [
        Case("3.5", TWO_YEARS, NOT_DUE, date(2025, 3, 3), says={"due": date(2025, 7, 31)}),
        Case("3.5", TWO_YEARS, SOON, date(2026, 1, 5),
             says={"due": date(2026, 2, 28), "next_change": date(2026, 3, 1)}),
        Case("3.5", TWO_YEARS, MISSING, date(2026, 3, 1)),
        Case("3.5", TWO_YEARS, MISSING, settings={"intentions_due_month": 12}, says={"due": date(2025, 12, 31)}),
        Case("3.5", LEAP, SOON, date(2028, 1, 10), says={"due": date(2028, 2, 29)}),
        Case("3.5", learner(programmes=(programme(planned=date(2026, 1, 16)),)), SOON, date(2026, 1, 5),
             says={"due": date(2026, 1, 16)})],
    "intentions need both and every missing one fed": [
        Case("3.5", learner(INTENDED), MISSING, says={"have": 1}),
        Case("3.5", learner(INTENDED, activity("destination_intended", date(2026, 1, 9))), MISSING, says={"have": 1}),
        Case("3.5", learner(INTENDED, activity("aspiration")), MET),
        Case("3.5", learner(INTENDED, fed={"destination_intended": "fresh"}), UNFED),
        Case("3.5", learner(INTENDED, fed={"aspiration": "fresh"}), MISSING)],
    "what is dated later does not count until its day": [
        Case("8.1", learner(activity("guidance_meeting", date(2026, 3, 10))), SOON,
             says={"next_change": date(2026, 3, 10)}, uses=["future"]),
        Case("8.1", learner(activity("guidance_meeting", date(2026, 3, 10))), MET, date(2026, 3, 10))],
    "one of the two must be through the course and is judged on its own": [
        Case("5.1", learner(*OUTSIDE_COURSE), MET),
        Case("5.2", learner(*OUTSIDE_COURSE), SOON, uses=["not_via_curriculum"] * 2),
        Case("5.2", learner(THROUGH_COURSE), MET)],
    "studies continue if academic years follow each other": [
        Case("6.1", apart(date(2025, 6, 26), date(2025, 9, 2)), SOON, says=SPELL_BEFORE),
        Case("6.1", apart(date(2025, 7, 31), date(2025, 8, 1)), SOON, says=SPELL_BEFORE),
        Case("6.1", apart(date(2024, 11, 29), date(2025, 9, 2), "withdrawn"), SOON, says=SPELL_BEFORE),
        Case("6.1", apart(date(2024, 10, 4), date(2026, 1, 5), "withdrawn"), SOON, says=SPELL_BEFORE)],
    "after a year out a new spell begins, but a break of study may be long": [
        Case("6.1", apart(date(2024, 7, 5), date(2025, 9, 2)), SOON, says=SPELL),
        Case("6.1", apart(date(2024, 2, 2), date(2025, 9, 2), "on_break"), SOON, says={"period": "programme:2023/24"})],
    "an attribute that decides and is not recorded leaves it open": [
        Case("5.2", learner(TALK), ("unknown", "attribute_not_recorded:via_curriculum")),
        Case("7.1", learner(*UNTYPED), ("unknown", "attribute_not_recorded:provider_type")),
        Case("7.1", learner(UNTYPED[0]), SOON)],  # even as a kind of its own it would be one of two
    "a virtual activity is sure only if it is recorded as meaningful": [
        Case("6.1", learner(ONLINE_WORK), ("met", "virtual_only"), says={"quality_not_recorded": True}),
        Case("6.1", learner(ONLINE_WORK), ("unknown", "quality_not_recorded"), unrecorded="unknown"),
        Case("6.1", learner(MEANT_ONLINE), ("met", "virtual_only")),
        Case("6.1", learner(MEANT_ONLINE, replace(PLACED, attributes={**GOOD, "mode": "in_person"})), MET)],
    "whether online alone will do is a setting": [
        Case("5.1", learner(*ONLINE), SOON, settings={"virtual": "never"}, says={"have": 0}, uses=["virtual"] * 2),
        Case("5.1", learner(*ONLINE), SOON, settings=NOT_ALONE, says={"have": 1}),
        Case("5.1", learner(*ONLINE, TALK), MET, settings=NOT_ALONE),
        Case("5.1", learner(TALK, VISIT), MET, settings=NOT_ALONE)],
    "an online visit to a kind of place that was visited in person takes nothing away": [
        Case("7.1", learner(*places), MET, settings=NOT_ALONE) for places in (PLACES, [*PLACES, ONLINE_PLACE])],
    "advice is shown and never missing": [
        Case("5.V", learner(activity(organisation="Acme Ltd"), activity(organisation="ACME Limited.")),
             ("not_due", "advisory"), says={"have": 1}),
        Case("5.V", learner(activity(organisation="Acme"), activity(organisation="Bolts & Sons")), MET),
        Case("5.V", learner(activity(), activity(day=date(2026, 1, 1))),
             ("unknown", "attribute_not_recorded:organisation"))],
    "a duplicate does not count": [
        Case("5.1", learner(TALK, replace(VISIT, duplicate_of=TALK.ref)), SOON, says={"have": 1},
             uses=[None, "duplicate"])],
}  # fmt: skip


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{name}-{n}") for name, cases in CASES.items() for n, case in enumerate(cases)]
)
def test_where_a_learner_stands(case: Case) -> None:
    framework = configured(**case.settings)
    verdict = judge(case.criterion, case.facts, case.as_of, unrecorded=case.unrecorded, framework=framework)
    assert outcome(verdict) == case.stands
    assert {name: getattr(verdict, name) for name in case.says} == case.says
    assert case.uses is None or [use.reason for use in verdict.uses] == case.uses


WITHOUT_TASK, ONE_WAY = {**CHECKED, "task": False}, {**CHECKED, "two_way": False}
USES: dict[str, list[tuple[str, Evidence, str, tuple[str, str | None]]]] = {
    "what does not count is rejected with its reason": [
        ("6.1", activity("parttime_job", **GOOD), "at_risk", ("rejected", "part_time_job")),
        ("6.1", activity("workplace_experience", mode="simulated", **GOOD), "at_risk", ("rejected", "simulated")),
        ("6.1", activity("workplace_experience", state="planned", hours=315.0, **GOOD), "at_risk",
         ("rejected", "planned")),
        ("8.1", activity("guidance_meeting", state="missed"), "at_risk", ("rejected", "missed")),
        ("8.1", activity("guidance_meeting", state="cancelled"), "at_risk", ("rejected", "cancelled"))],
    "the checklist stands in for a judgement that nobody recorded": [
        ("5.1", activity(**CHECKED), "at_risk", ("counted", None)),
        ("5.1", activity(purpose=True), "at_risk", ("possible", "meaningful")),
        ("5.1", activity(**ONE_WAY), "at_risk", ("rejected", "not_meaningful:two_way")),
        ("5.1", activity(**ONE_WAY, meaningful=True), "at_risk", ("counted", None)),
        ("5.1", activity(meaningful=False), "at_risk", ("rejected", "not_meaningful"))],
    "each benchmark has its own checklist": [
        ("5.1", activity(**WITHOUT_TASK), "at_risk", ("counted", None)),
        ("6.1", activity("workplace_experience", **WITHOUT_TASK), "at_risk", ("rejected", "not_meaningful:task")),
        ("7.1", activity("provider_encounter", provider_type="university", met_learners=False), "at_risk",
         ("rejected", "not_meaningful:met_learners"))],
    "an attribute that decides and is not recorded leaves it open": [
        ("5.2", TALK, "unknown", ("possible", "via_curriculum"))],
    "an adviser below level 6 counts with a remark": [
        ("8.1", activity("guidance_meeting", adviser_level=4), "met", ("counted", "adviser_level")),
        ("8.1", activity("guidance_meeting", adviser_level=6), "met", ("counted", None))],
}  # fmt: skip


@pytest.mark.parametrize(
    ("criterion", "evidence", "status", "use"),
    [pytest.param(*case, id=f"{name}-{n}") for name, cases in USES.items() for n, case in enumerate(cases)],
)
def test_how_a_record_is_used(criterion: str, evidence: Evidence, status: str, use: tuple[str, str | None]) -> None:
    verdict = judge(criterion, learner(evidence))
    assert verdict.status == status
    assert only_use(verdict)[1:] == use


def test_the_college_itself_is_never_judged_from_a_learners_records() -> None:
    verdicts = evaluate(COLLEGES, learner(), TODAY, meaningful_unrecorded="count")
    assert [verdict.criterion for verdict in verdicts] == [criterion.id for criterion, _ in COLLEGES.rules]
    assert "1.1" not in {verdict.criterion for verdict in verdicts}


def test_what_nobody_called_meaningful_counts_and_is_marked_by_default() -> None:
    facts = learner(activity(day=date(2025, 10, 7)), VISIT)
    counted = judge("5.1", facts)
    assert (counted.status, counted.have, counted.quality_not_recorded) == ("met", 2, True)
    assert [use[1:] for use in counted.uses] == [("possible", "meaningful"), ("counted", None)]
    strict = judge("5.1", facts, unrecorded="unknown")
    assert (*outcome(strict), strict.have) == ("unknown", "quality_not_recorded", 1)
    assert not judge("5.1", learner(TALK, VISIT)).quality_not_recorded


def test_the_next_booked_activity_is_the_earliest_that_would_count() -> None:
    booked = [
        activity(day=date(2026, 2, 3), state="planned", via_curriculum=True),  # its day has passed
        activity(day=date(2026, 4, 1), state="planned", via_curriculum=False),
        activity(day=date(2026, 5, 6), state="planned", via_curriculum=True),
        activity(day=date(2026, 6, 2), state="planned", via_curriculum=True),
        activity(day=date(2026, 9, 9), state="planned", via_curriculum=True),  # next year
    ]
    facts = learner(*booked)
    verdict = judge("5.2", facts)
    assert verdict.status == "at_risk"
    assert next_booked(verdict, facts.evidence, TODAY) is booked[2]
    assert [use.reason for use in verdict.uses] == [
        "planned", "not_via_curriculum", "planned", "planned", "outside_period",
    ]  # fmt: skip
    assert next_booked(judge("5.1", facts), facts.evidence, TODAY) is booked[1]
    assert next_booked(judge("8.1", facts), facts.evidence, TODAY) is None


def test_a_placement_under_way_is_still_booked() -> None:
    under_way = activity("workplace_experience", date(2026, 2, 2), "planned", ends_on=date(2026, 3, 13))
    facts = learner(under_way)
    verdict = judge("6.1", facts)
    assert next_booked(verdict, facts.evidence, TODAY) is under_way
    assert verdict.next_change == date(2026, 3, 14)
    assert next_booked(judge("6.1", facts, date(2026, 3, 14)), facts.evidence, date(2026, 3, 14)) is None


def test_one_event_under_two_kinds_counts_once() -> None:
    facts = learner(
        activity(event_key="E1", **GOOD),
        activity("mock_interview", event_key="E1"),
        activity("mock_interview", date(2026, 2, 4), **GOOD),
    )
    verdict = judge("5.1", facts)
    assert verdict.have == 2
    assert sorted(str(use.reason) for use in verdict.uses) == ["None", "None", "duplicate"]


def test_of_one_event_the_better_recorded_one_counts() -> None:
    vague = activity("mock_interview", date(2025, 11, 4), event_key="E1")
    verdict = judge("5.1", learner(vague, activity(event_key="E1", **GOOD)))
    assert [use[1:] for use in verdict.uses] == [("rejected", "duplicate"), ("counted", None)]


def test_an_overlay_may_turn_it_on(tmp_path: Path) -> None:
    (tmp_path / "frameworks").mkdir()
    text = 'extends = "gatsby-colleges-2025"\n[[criterion]]\nid = "3.3"\nenabled_by_default = true\n'
    (tmp_path / "frameworks" / "ours.toml").write_text(text, encoding="utf-8")
    shipped = (Path(fingerpost_mappings.__file__).parent / "frameworks").glob("*.toml")
    ours = FrameworkLibrary(shipped).load("ours", tmp_path)
    early = activity("previous_record_import", date(2025, 6, 2))
    assert judge("3.3", learner(early), framework=ours).status == "met"  # before the start, when places are offered
    missing = judge("3.3", learner(), framework=ours)
    assert (missing.status, missing.due) == ("not_met", date(2025, 10, 13))


# --------------------------------------------------------------------------------------- periods and years


@pytest.mark.parametrize(
    ("day", "year"), [(date(2025, 7, 31), "2024/25"), (date(2025, 8, 1), "2025/26"), (date(1999, 9, 1), "1999/00")]
)
def test_the_academic_year_begins_on_1_august(day: date, year: str) -> None:
    assert academic_year_of(day) == year


def test_a_stored_year_lapses_when_it_is_over() -> None:
    assert not lapse("2025/26", date(2026, 7, 31))
    assert lapse("2025/26", date(2026, 8, 1))
    assert not lapse("2025/26", date(2025, 1, 1))
    assert not lapse("programme:2020/21", date(2026, 8, 1))


# ------------------------------------------------------------------------------- the same event, recorded twice

RANK = {"ilp": 0, "log": 1}


def marked(*evidence: Evidence) -> dict[str, str | None]:
    mark_duplicates(list(evidence), RANK)
    return {item.ref: item.duplicate_of for item in evidence}


def acme(ref: str, kind: str = "employer_encounter", **said: Any) -> Evidence:
    """Return a record of the day's visit to one employer."""
    return activity(kind, ref=ref, **{"organisation": "Acme", **said})


@pytest.mark.parametrize(
    ("evidence", "duplicates"),
    [
        # A shared event key is one event, and the surest record stays.
        ([activity(ref="a", state="planned", event_key="E", meaningful=True), activity(ref="b", event_key="E"),
          activity(ref="c", event_key="E", connector="ilp")], {"a": "c", "b": "c"}),
        ([activity(ref="b", event_key="E", hours=2.0), activity(ref="c", event_key="E", connector="ilp")], {"c": "b"}),
        # The same day, kind and employer in two systems is one event.
        ([acme("a", organisation="Acme Ltd"), acme("b", organisation=" ACME  limited", connector="ilp")], {"a": "b"}),
        # In one system two rows are two events.
        ([acme("a"), acme("b")], {}),
        # What differs or is not recorded is not the same.
        ([acme("a"), activity(ref="b", connector="ilp")], {}),
        ([acme("a"), acme("b", connector="ilp", organisation="Bolts")], {}),
        ([acme("a"), acme("b", "mock_interview", connector="ilp")], {}),
        ([acme("a"), acme("b", day=date(2025, 11, 6), connector="ilp")], {}),
        # A company called Limited is still somebody.
        ([acme("a", organisation="Ltd"), acme("b", organisation="PLC", connector="ilp")], {}),
        # Duplicates of duplicates point at the one that stays.
        ([activity(ref="a", event_key="E"), acme("b", event_key="E"), acme("c", connector="ilp", hours=1.0)],
         {"a": "c", "b": "c"}),
    ],
)  # fmt: skip
def test_what_is_a_duplicate_of_what(evidence: list[Evidence], duplicates: dict[str, str]) -> None:
    assert marked(*evidence) == {one.ref: None for one in evidence} | duplicates


def test_of_two_rows_of_one_system_one_may_be_that_of_the_other() -> None:
    found = marked(acme("a"), acme("b"), acme("c", connector="ilp"))
    assert sorted(str(one) for one in found.values()) == ["None", "None", "c"]


@pytest.mark.parametrize("state", ["missed", "cancelled"])
@pytest.mark.parametrize(
    ("group", "own"),
    [
        ({"event_key": "E"}, {"event_key": "E"}),
        ({"organisation": "Acme Ltd"}, {"organisation": "acme"}),
        ({"title": "A talk by Acme"}, {"title": "A talk by ACME"}),
        ({"title": "A talk", "organisation": "Acme"}, {"title": "a  talk"}),
    ],
)
def test_an_absence_beats_the_groups_attendance(state: str, group: dict[str, Any], own: dict[str, Any]) -> None:
    for_all = activity(ref="g", subject="group", **group)
    mark_duplicates([for_all, activity(ref="l", state=state, connector="ilp", **own)], RANK)
    assert for_all.state == state


@pytest.mark.parametrize(
    "own",
    [
        {"event_key": "F"},
        {"organisation": "Bolts", "title": "A talk"},
        {"title": "Another talk"},
        {},
        {"day": date(2025, 11, 6), "organisation": "Acme"},
        {"kind": "lmi_use", "organisation": "Acme"},
    ],
)
def test_another_absence_leaves_the_groups_attendance_alone(own: dict[str, Any]) -> None:
    for_all = activity(ref="g", subject="group", event_key="E", title="A talk", organisation="Acme")
    mark_duplicates([for_all, activity(ref="l", state="missed", **own)], RANK)
    assert for_all.state == "attended"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_different_absences_missed_is_what_the_group_record_takes(order: int) -> None:
    for_all = activity(ref="g", subject="group", event_key="E")
    absences = [activity(ref=state, state=state, event_key="E") for state in ("cancelled", "missed")]
    mark_duplicates([for_all, *absences[::order]], RANK)
    assert for_all.state == "missed"


def test_an_absence_does_not_touch_what_was_recorded_for_the_learner() -> None:
    own = activity(ref="a", event_key="E")
    missed = activity(ref="b", event_key="E", state="missed")
    mark_duplicates([own, missed], RANK)
    assert (own.state, own.duplicate_of, missed.duplicate_of) == ("attended", None, "a")


# ----------------------------------------------------------------------------------- what holds for everybody

_DAYS = st.dates(date(2023, 8, 1), date(2027, 8, 31))
_MAYBE = st.sampled_from([None, True, False])
_KINDS = st.sampled_from([
    "employer_encounter", "mock_interview", "workplace_experience", "parttime_job", "provider_encounter", "he_visit",
    "guidance_meeting", "guidance_offer", "lmi_use", "curriculum_link", "aspiration", "destination_intended",
])  # fmt: skip


@st.composite
def _activities(draw: st.DrawFn, states: tuple[str, ...] = ("attended", "planned", "missed", "cancelled")) -> Evidence:
    drawn: dict[str, object] = {
        "meaningful": draw(_MAYBE),
        "via_curriculum": draw(_MAYBE),
        "two_way": draw(_MAYBE),
        "mode": draw(st.sampled_from([None, "in_person", "virtual", "simulated"])),
        "provider_type": draw(st.sampled_from([None, "university", "fe_college", "apprenticeship_provider"])),
        "organisation": draw(st.sampled_from([None, "Acme", "Acme Ltd", "Bolts"])),
    }
    return Evidence(
        ref=draw(st.uuids()).hex,
        connector=draw(st.sampled_from(["ilp", "log", "mis"])),
        kind=draw(_KINDS),
        state=draw(st.sampled_from(states)),
        starts_on=draw(_DAYS),
        event_key=draw(st.sampled_from([None, None, "E1", "E2"])),
        subject=draw(st.sampled_from(["learner", "group"])),
        attributes={name: value for name, value in drawn.items() if value is not None},
    )


@st.composite
def _programmes(draw: st.DrawFn) -> ProgrammeFacts:
    start = draw(_DAYS)
    length = st.integers(0, 800).map(lambda days: start + timedelta(days=days))
    return ProgrammeFacts(
        key=draw(st.sampled_from(["A", "B", "C"])),
        title=None,
        type=draw(st.sampled_from([None, "study_programme", "apprenticeship", "adult"])),
        level=None,
        area=None,
        starts_on=start,
        planned_end=draw(st.none() | length),
        actual_end=draw(st.none() | length),
        status=draw(st.sampled_from([None, "continuing", "continuing", "completed", "withdrawn", "on_break"])),
    )


@st.composite
def _learners(draw: st.DrawFn) -> LearnerFacts:
    states: st.SearchStrategy[Freshness] = st.sampled_from(["fresh", "fresh", "stale"])
    feeding = st.dictionaries(st.sampled_from(sorted(ALL_KINDS)), states)
    ordinary = st.just((programme(date(2024, 9, 2), date(2026, 7, 3)),))
    return LearnerFacts(
        learner_id=1,
        date_of_birth=draw(st.sampled_from([date(2008, 1, 15), date(2006, 10, 1), date(2003, 5, 5), None])),
        ehc_plan=draw(_MAYBE),
        programmes=draw(ordinary | st.lists(_programmes(), max_size=3).map(tuple)),
        evidence=draw(st.lists(_activities(), max_size=12)),
        fed=draw(st.just(FRESH) | feeding),
    )


_FRAMEWORKS = st.sampled_from([
    COLLEGES,
    configured(virtual="not_alone", provider_types_needed=3),
    configured(virtual="never", apprentice_job_counts="yes", min_programme_weeks=20),
])  # fmt: skip
_UNRECORDED: st.SearchStrategy[Unrecorded] = st.sampled_from(["count", "unknown"])


@settings(deadline=None)
@given(_learners(), _activities(("attended",)), _DAYS, _UNRECORDED, _FRAMEWORKS)
def test_more_attendance_never_undoes_what_is_met(
    facts: LearnerFacts, more: Evidence, as_of: date, unrecorded: Unrecorded, framework: Framework
) -> None:
    before = evaluate(framework, facts, as_of, meaningful_unrecorded=unrecorded)
    facts.evidence.append(more)
    after = evaluate(framework, facts, as_of, meaningful_unrecorded=unrecorded)
    for old, new in zip(before, after, strict=True):
        assert new.have >= old.have
        assert old.status != "met" or new.status == "met"


@settings(deadline=None)
@given(_learners(), st.randoms(use_true_random=False), _DAYS)
def test_the_order_of_the_evidence_does_not_matter(facts: LearnerFacts, random: Any, as_of: date) -> None:
    shuffled = replace(facts, evidence=random.sample([replace(one) for one in facts.evidence], len(facts.evidence)))
    for one in (facts, shuffled):
        mark_duplicates(one.evidence, RANK)
    assert {one.ref: (one.state, one.duplicate_of) for one in facts.evidence} == {
        one.ref: (one.state, one.duplicate_of) for one in shuffled.evidence
    }
    assert evaluate(COLLEGES, facts, as_of, meaningful_unrecorded="count") == evaluate(
        COLLEGES, shuffled, as_of, meaningful_unrecorded="count"
    )


@settings(deadline=None)
@given(_learners(), _DAYS, _UNRECORDED)
def test_judging_and_marking_again_changes_nothing(facts: LearnerFacts, as_of: date, unrecorded: Unrecorded) -> None:
    mark_duplicates(facts.evidence, RANK)
    once = evaluate(COLLEGES, facts, as_of, meaningful_unrecorded=unrecorded)
    before = [replace(one) for one in facts.evidence]
    mark_duplicates(facts.evidence, RANK)
    assert facts.evidence == before
    assert evaluate(COLLEGES, facts, as_of, meaningful_unrecorded=unrecorded) == once


@settings(deadline=None)
@given(st.lists(_activities(), max_size=12))
def test_a_duplicate_points_at_a_record_that_stays_and_is_at_least_as_sure(evidence: list[Evidence]) -> None:
    mark_duplicates(evidence, RANK)
    by_ref = {one.ref: one for one in evidence}
    sure = {"attended": 0, "planned": 1, "missed": 2, "cancelled": 2}
    for one in evidence:
        if one.duplicate_of is not None:
            kept = by_ref[one.duplicate_of]
            assert kept.duplicate_of is None
            assert kept.kind == one.kind
            assert sure[kept.state] <= sure[one.state]


@settings(deadline=None)
@given(_learners(), _DAYS, _UNRECORDED)
def test_nothing_is_missing_where_nothing_feeds_it(facts: LearnerFacts, as_of: date, unrecorded: Unrecorded) -> None:
    for verdict in evaluate(COLLEGES, facts, as_of, meaningful_unrecorded=unrecorded):
        criterion = COLLEGES.criterion(verdict.criterion)
        if verdict.status in GAP:
            assert "fresh" in {facts.fed.get(kind) for kind in criterion.kinds}
            assert criterion.enabled_by_default
            assert not criterion.advisory
            assert verdict.have < verdict.need
            assert verdict.due is not None


@settings(deadline=None)
@given(_learners(), _DAYS, _UNRECORDED, _FRAMEWORKS, st.integers(1, 400))
def test_nothing_changes_before_the_next_change(
    facts: LearnerFacts, as_of: date, unrecorded: Unrecorded, framework: Framework, later: int
) -> None:
    verdicts = evaluate(framework, facts, as_of, meaningful_unrecorded=unrecorded)
    changes = [verdict.next_change for verdict in verdicts if verdict.next_change is not None]
    assert len(changes) == len(verdicts)
    assert min(changes) > as_of
    for day in {change - timedelta(days=1) for change in changes} | {as_of + timedelta(days=later)}:
        judged = evaluate(framework, facts, day, meaningful_unrecorded=unrecorded)
        for then, now, change in zip(verdicts, judged, changes, strict=True):
            if day < change:
                assert (now.status, now.reason, now.period, now.have, now.due, now.programme) == (
                    then.status, then.reason, then.period, then.have, then.due, then.programme,
                )  # fmt: skip


@settings(deadline=None)
@given(_learners(), _DAYS, _UNRECORDED)
def test_every_record_of_a_criterions_kinds_is_accounted_for(
    facts: LearnerFacts, as_of: date, unrecorded: Unrecorded
) -> None:
    kinds = {criterion.id: kinds for criterion, kinds in COLLEGES.rules if criterion.enabled_by_default}
    for verdict in evaluate(COLLEGES, facts, as_of, meaningful_unrecorded=unrecorded):
        looked_at = sorted(use.ref for use in verdict.uses)
        ours = sorted(one.ref for one in facts.evidence if one.kind in kinds.get(verdict.criterion, ()))
        assert looked_at == (ours if verdict.due is not None else [])
        assert all(use.reason for use in verdict.uses if use.outcome != "counted")
