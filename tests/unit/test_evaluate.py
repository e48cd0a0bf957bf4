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
    from collections.abc import Mapping

COLLEGES = FrameworkLibrary((Path(fingerpost_mappings.__file__).parent / "frameworks").glob("*.toml")).load(
    "gatsby-colleges-2025"
)
TODAY = date(2026, 3, 2)
ALL_KINDS = {kind for criterion, _ in COLLEGES.rules for kind in criterion.kinds}
FRESH: dict[str, Literal["fresh", "stale"]] = dict.fromkeys(ALL_KINDS, "fresh")


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
    fed: Mapping[str, Literal["fresh", "stale"]] = FRESH,
) -> LearnerFacts:
    return LearnerFacts(1, born, plan, (programme(),) if programmes is None else programmes, list(evidence), dict(fed))


def judge(
    criterion: str,
    facts: LearnerFacts,
    as_of: date = TODAY,
    *,
    unrecorded: Literal["count", "unknown"] = "count",
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
    """One learner on one day: how they stand on a criterion, and why."""

    criterion: str
    facts: LearnerFacts
    stands: tuple[str, str | None]
    as_of: date = TODAY
    settings: Mapping[str, Any] = {}
    unrecorded: Literal["count", "unknown"] = "count"


MET, SOON, MISSING = ("met", None), ("at_risk", None), ("not_met", None)
LEFT, OUTSIDE, BREAK = (("not_applicable", why) for why in ("left", "outside_scope_19_plus", "on_break"))
STALE: dict[str, Literal["fresh", "stale"]] = {"employer_encounter": "stale"}
ONE_PROVIDER = learner(activity("provider_encounter", provider_type="university", **GOOD))
SHORT = learner(programmes=(programme(date(2026, 1, 5), date(2026, 2, 27), status="continuing"),))
PAUSED = programme(actual=date(2025, 12, 1), status="on_break")
NO_STATUS = learner(programmes=(programme(planned=date(2026, 2, 27), status=None),))
TWO_YEARS = learner(programmes=(programme(date(2024, 9, 2), date(2026, 7, 3)),))

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
        Case("6.1", learner(programmes=(PAUSED, programme(date(2026, 1, 12), key="P2"))), SOON),
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
}  # fmt: skip


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{name}-{n}") for name, cases in CASES.items() for n, case in enumerate(cases)]
)
def test_where_a_learner_stands(case: Case) -> None:
    framework = configured(**case.settings)
    verdict = judge(case.criterion, case.facts, case.as_of, unrecorded=case.unrecorded, framework=framework)
    assert outcome(verdict) == case.stands


def test_a_spell_after_a_break_has_a_period_of_its_own() -> None:
    resumed = learner(programmes=(PAUSED, programme(date(2026, 1, 12), key="P2")))
    assert judge("6.1", resumed).period == "programme:2025/26"


@pytest.mark.parametrize(
    ("criterion", "evidence", "reason"),
    [
        ("6.1", activity("parttime_job", **GOOD), "part_time_job"),
        ("6.1", activity("workplace_experience", mode="simulated", **GOOD), "simulated"),
        ("6.1", activity("workplace_experience", state="planned", hours=315.0, **GOOD), "planned"),
        ("8.1", activity("guidance_meeting", state="missed"), "missed"),
        ("8.1", activity("guidance_meeting", state="cancelled"), "cancelled"),
    ],
)
def test_what_does_not_count_is_rejected_with_its_reason(criterion: str, evidence: Evidence, reason: str) -> None:
    verdict = judge(criterion, learner(evidence))
    assert verdict.status == "at_risk"
    assert only_use(verdict)[1:] == ("rejected", reason)


# -------------------------------------------------------------------------------------- the traps of the field


def test_one_of_the_two_must_be_through_the_course_and_is_judged_on_its_own() -> None:
    outside = {**GOOD, "via_curriculum": False}
    facts = learner(replace(TALK, attributes=outside), replace(VISIT, attributes=outside))
    assert judge("5.1", facts).status == "met"
    assert judge("5.2", facts).status == "at_risk"
    assert {use.reason for use in judge("5.2", facts).uses} == {"not_via_curriculum"}
    assert judge("5.2", learner(THROUGH_COURSE)).status == "met"


def test_last_years_employers_do_not_count_this_year() -> None:
    facts = learner(
        activity(day=date(2025, 3, 3), **GOOD), TALK, programmes=(programme(date(2024, 9, 2), date(2026, 7, 3)),)
    )
    verdict = judge("5.1", facts)
    assert (verdict.have, verdict.need, verdict.period) == (1, 2, "2025/26")
    assert verdict.uses[0].reason == "outside_period"


def test_a_workplace_of_the_first_year_counts_in_the_second() -> None:
    facts = learner(
        activity("workplace_experience", date(2025, 3, 3), **GOOD),
        programmes=(programme(date(2024, 9, 2), date(2026, 7, 3)),),
    )
    verdict = judge("6.1", facts)
    assert (verdict.status, verdict.period) == ("met", "programme:2024/25")


def test_two_visits_to_universities_are_one_kind_of_provider() -> None:
    visits = [activity("he_visit", date(2025, 11, day), **GOOD) for day in (3, 4)]
    verdict = judge("7.1", learner(*visits))
    assert (verdict.status, verdict.have) == ("at_risk", 1)
    assert [use.reason for use in verdict.uses] == [None, "not_distinct"]
    both = judge("7.1", learner(*visits, activity("provider_encounter", provider_type="training_provider", **GOOD)))
    assert (both.status, both.have) == ("met", 2)


def test_apprenticeship_providers_are_training_providers_since_2025() -> None:
    types = ("training_provider", "apprenticeship_provider")
    facts = learner(*(activity("provider_encounter", provider_type=name, **GOOD) for name in types))
    assert judge("7.1", facts).have == 1


def test_one_guidance_meeting_will_do_and_an_offer_will_not() -> None:
    assert judge("8.1", learner(activity("guidance_meeting"))).status == "met"
    offered = judge("8.1", learner(activity("guidance_offer")))
    assert (offered.status, offered.uses) == ("at_risk", ())


def test_the_college_itself_is_never_judged_from_a_learners_records() -> None:
    verdicts = evaluate(COLLEGES, learner(), TODAY, meaningful_unrecorded="count")
    assert [verdict.criterion for verdict in verdicts] == [criterion.id for criterion, _ in COLLEGES.rules]
    assert "1.1" not in {verdict.criterion for verdict in verdicts}


# ------------------------------------------------------------------------------------------ who is judged at all


def test_without_a_programme_nothing_can_be_said() -> None:
    verdict = judge("5.1", learner(programmes=()))
    assert outcome(verdict) == ("unknown", "no_programme")
    assert verdict.programme is None


def test_who_has_not_started_owes_nothing_yet() -> None:
    verdict = judge("6.1", learner(programmes=(programme(date(2026, 3, 16)),)))
    assert outcome(verdict) == ("not_due", "not_started")
    assert verdict.next_change == date(2026, 3, 16)


def test_an_apprentices_own_job_is_for_the_college_to_decide() -> None:
    facts = learner(programmes=(programme(type="apprenticeship"),))
    assert outcome(judge("6.1", facts)) == ("unknown", "apprentice_job")
    assert judge("5.1", facts).status == "at_risk"
    counted = judge("6.1", facts, framework=configured(apprentice_job_counts="yes"))
    assert (*outcome(counted), counted.have, counted.quality_not_recorded) == ("met", "apprentice_job", 1, False)
    assert outcome(judge("6.1", facts, framework=configured(apprentice_job_counts="no"))) == ("at_risk", None)
    placed = learner(activity("workplace_experience", **GOOD), programmes=facts.programmes)
    assert outcome(judge("6.1", placed)) == ("met", None)


# ------------------------------------------------------------------------------------------------ spells of study


def test_programmes_a_summer_apart_are_one_spell() -> None:
    first = programme(date(2024, 9, 2), date(2025, 7, 4), date(2025, 7, 4), key="Y1", status="completed")
    second = programme(date(2025, 9, 1), date(2026, 7, 3), key="Y2")
    facts = learner(activity("workplace_experience", date(2025, 5, 6), **GOOD), programmes=(second, first))
    verdict = judge("6.1", facts)
    assert (verdict.status, verdict.period, verdict.programme) == ("met", "programme:2024/25", "Y2")
    assert judge("5.1", facts, date(2025, 8, 14)).status == "not_due"  # in the summer they have not left


def test_a_longer_gap_starts_a_new_spell() -> None:
    first = programme(date(2023, 9, 4), date(2024, 7, 5), date(2024, 7, 5), key="Y1", status="completed")
    facts = learner(activity("workplace_experience", date(2024, 5, 6), **GOOD), programmes=(first, programme()))
    verdict = judge("6.1", facts)
    assert (verdict.status, verdict.period) == ("at_risk", "programme:2025/26")
    assert only_use(verdict).reason == "outside_period"


@pytest.mark.parametrize(
    ("ended", "begins", "status", "period"),
    [
        pytest.param(date(2025, 6, 26), date(2025, 9, 2), "completed", "programme:2024/25", id="an early summer"),
        pytest.param(date(2025, 7, 31), date(2025, 8, 1), "completed", "programme:2024/25", id="no summer at all"),
        pytest.param(date(2024, 11, 29), date(2025, 9, 2), "withdrawn", "programme:2024/25", id="back the next year"),
        pytest.param(date(2024, 10, 4), date(2026, 1, 5), "withdrawn", "programme:2024/25", id="late in the next year"),
        pytest.param(date(2024, 7, 5), date(2025, 9, 2), "completed", "programme:2025/26", id="a year out"),
        pytest.param(date(2024, 2, 2), date(2025, 9, 2), "on_break", "programme:2023/24", id="a long break of study"),
    ],
)
def test_studies_continue_if_academic_years_follow_each_other(
    ended: date, begins: date, status: str, period: str
) -> None:
    first = programme(date(ended.year - (ended.month < 8), 9, 2), ended, ended, key="Y1", status=status)
    second = programme(begins, date(2026, 7, 3), key="Y2")
    assert judge("6.1", learner(programmes=(first, second))).period == period


def test_a_programme_is_due_on_the_latest_planned_day_of_what_is_still_running() -> None:
    transferred = (
        programme(date(2025, 9, 1), date(2027, 7, 2), date(2025, 10, 10), key="A", status="withdrawn"),
        programme(date(2025, 10, 13), date(2026, 6, 26), key="B"),
        programme(date(2025, 9, 1), date(2026, 5, 29), key="C"),
    )
    verdict = judge("6.1", learner(programmes=transferred))
    assert (verdict.due, verdict.programme) == (date(2026, 6, 26), "C")  # C is the longer of the two that run


def test_without_a_planned_end_the_year_is_the_end() -> None:
    verdict = judge("6.1", learner(programmes=(programme(planned=None),)))
    assert (verdict.status, verdict.due) == ("at_risk", date(2026, 7, 31))


def test_a_year_is_due_when_the_studies_end_if_that_is_earlier() -> None:
    assert judge("5.1", learner()).due == date(2026, 7, 3)
    assert judge("5.1", learner(programmes=(programme(planned=date(2027, 7, 2)),))).due == date(2026, 7, 31)


def test_who_stays_beyond_the_planned_end_is_overdue() -> None:
    staying = learner(programmes=(programme(planned=date(2026, 2, 27)),))
    assert judge("6.1", staying, date(2026, 2, 27)).status == "at_risk"
    assert judge("6.1", staying, date(2026, 2, 28)).status == "not_met"
    # A new year has its own last day.
    assert judge("5.1", staying, date(2026, 9, 1)).due == date(2027, 7, 31)
    assert judge("5.1", staying, date(2026, 9, 1)).status == "not_due"


def test_the_main_programme_is_the_one_planned_longest_even_if_a_shorter_one_overruns() -> None:
    overrun = programme(date(2025, 9, 1), date(2026, 1, 16), key="A")
    main = programme(date(2026, 1, 5), date(2026, 7, 3), key="B")
    assert judge("6.1", learner(programmes=(overrun, main)), date(2026, 5, 1)).programme == "B"


def test_a_later_programme_of_the_next_year_continues_an_overrunning_one() -> None:
    overrun = programme(date(2024, 9, 2), date(2025, 7, 4), key="A")
    facts = learner(programmes=(overrun, programme(date(2026, 1, 5), date(2026, 7, 3), key="B")))
    verdict = judge("6.1", facts, date(2025, 9, 1))
    assert (verdict.status, verdict.due, verdict.period) == ("not_due", date(2026, 7, 3), "programme:2024/25")


def test_a_last_day_in_the_future_ends_it_on_that_day() -> None:
    leaving = learner(programmes=(programme(actual=date(2026, 3, 6), status="withdrawn"),))
    verdict = judge("6.1", leaving)
    assert (verdict.status, verdict.next_change) == ("at_risk", date(2026, 3, 7))
    assert outcome(judge("6.1", leaving, date(2026, 3, 7))) == ("not_applicable", "left")


def test_the_first_to_end_of_two_programmes_may_change_the_verdict() -> None:
    short = programme(date(2025, 9, 1), date(2026, 3, 6), key="A", status=None)
    facts = learner(born=None, programmes=(short, programme(type="adult", key="B")))
    verdict = judge("6.1", facts)
    assert (verdict.status, verdict.next_change) == ("at_risk", date(2026, 3, 7))
    assert outcome(judge("6.1", facts, date(2026, 3, 7))) == ("unknown", "age_not_recorded")


# ------------------------------------------------------------------------------------------------- due and soon


def test_26_weeks_before_the_last_day_something_missing_is_due_soon() -> None:
    facts = learner(programmes=(programme(planned=date(2027, 7, 2)),))
    soon = date(2026, 7, 31) - timedelta(weeks=26)
    before = judge("5.1", facts, soon - timedelta(days=1))
    assert (before.status, before.next_change) == ("not_due", soon)
    assert judge("5.1", facts, soon).status == "at_risk"
    assert judge("6.1", facts, soon).status == "not_due"
    assert judge("5.1", facts, soon, framework=configured(due_soon_weeks=4)).status == "not_due"


def test_intentions_are_due_by_the_end_of_february_of_the_final_year() -> None:
    two_years = learner(programmes=(programme(date(2024, 9, 2), date(2026, 7, 3)),))
    assert judge("3.5", two_years, date(2025, 3, 3)).due == date(2025, 7, 31)
    assert judge("3.5", two_years, date(2026, 1, 5)).due == date(2026, 2, 28)
    assert judge("3.5", two_years, date(2026, 1, 5)).status == "at_risk"
    assert judge("3.5", two_years, date(2026, 1, 5)).next_change == date(2026, 3, 1)
    assert judge("3.5", two_years, date(2026, 3, 1)).status == "not_met"
    assert judge("3.5", two_years, framework=configured(intentions_due_month=12)).due == date(2025, 12, 31)
    leap = learner(programmes=(programme(date(2027, 9, 1), date(2028, 6, 30)),), born=date(2010, 1, 1))
    assert judge("3.5", leap, date(2028, 1, 10)).due == date(2028, 2, 29)
    early = learner(programmes=(programme(planned=date(2026, 1, 16)),))
    assert judge("3.5", early, date(2026, 1, 5)).due == date(2026, 1, 16)


def test_intentions_need_both_and_every_missing_one_fed() -> None:
    one = activity("destination_intended")
    assert judge("3.5", learner(one)).have == 1
    assert judge("3.5", learner(one, activity("destination_intended", date(2026, 1, 9)))).have == 1
    assert judge("3.5", learner(one, activity("aspiration"))).status == "met"
    half_fed = {"destination_intended": "fresh"}
    assert outcome(judge("3.5", learner(one, fed=half_fed))) == ("unknown", "not_fed")  # type: ignore[arg-type]
    other_fed = {"aspiration": "fresh"}
    assert outcome(judge("3.5", learner(one, fed=other_fed))) == ("not_met", None)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------- sure and possible


def test_what_nobody_called_meaningful_counts_and_is_marked_by_default() -> None:
    facts = learner(activity(day=date(2025, 10, 7)), VISIT)
    counted = judge("5.1", facts)
    assert (counted.status, counted.have, counted.quality_not_recorded) == ("met", 2, True)
    assert [use[1:] for use in counted.uses] == [("possible", "meaningful"), ("counted", None)]
    strict = judge("5.1", facts, unrecorded="unknown")
    assert (*outcome(strict), strict.have) == ("unknown", "quality_not_recorded", 1)
    assert not judge("5.1", learner(TALK, VISIT)).quality_not_recorded


def test_the_checklist_stands_in_for_a_judgement_that_nobody_recorded() -> None:
    assert only_use(judge("5.1", learner(activity(**CHECKED)))).outcome == "counted"
    assert only_use(judge("5.1", learner(activity(purpose=True)))).outcome == "possible"
    lacking = only_use(judge("5.1", learner(activity(**{**CHECKED, "two_way": False}))))
    assert lacking[1:] == ("rejected", "not_meaningful:two_way")
    judged = only_use(judge("5.1", learner(activity(**{**CHECKED, "two_way": False}, meaningful=True))))
    assert judged.outcome == "counted"
    assert only_use(judge("5.1", learner(activity(meaningful=False))))[1:] == ("rejected", "not_meaningful")


def test_each_benchmark_has_its_own_checklist() -> None:
    no_task = {**CHECKED, "task": False}
    assert only_use(judge("5.1", learner(activity(**no_task)))).outcome == "counted"
    placement = activity("workplace_experience", **no_task)
    assert only_use(judge("6.1", learner(placement))).reason == "not_meaningful:task"
    no_learners = activity("provider_encounter", provider_type="university", met_learners=False)
    assert only_use(judge("7.1", learner(no_learners))).reason == "not_meaningful:met_learners"


def test_an_attribute_that_decides_and_is_not_recorded_leaves_it_open() -> None:
    unsaid = judge("5.2", learner(TALK))
    assert outcome(unsaid) == ("unknown", "attribute_not_recorded:via_curriculum")
    assert only_use(unsaid)[1:] == ("possible", "via_curriculum")
    visits = [activity("provider_encounter", date(2025, 11, day), **GOOD) for day in (3, 4)]
    assert outcome(judge("7.1", learner(*visits))) == ("unknown", "attribute_not_recorded:provider_type")
    assert judge("7.1", learner(visits[0])).status == "at_risk"  # even as a kind of its own it would be one of two


def test_a_virtual_activity_is_sure_only_if_it_is_recorded_as_meaningful() -> None:
    online = activity("workplace_experience", mode="virtual")
    meant = activity("workplace_experience", mode="virtual", **GOOD)
    assert judge("6.1", learner(online)).quality_not_recorded
    assert outcome(judge("6.1", learner(online), unrecorded="unknown")) == ("unknown", "quality_not_recorded")
    assert outcome(judge("6.1", learner(meant))) == ("met", "virtual_only")
    in_person = activity("workplace_experience", date(2026, 1, 8), mode="in_person", **GOOD)
    assert outcome(judge("6.1", learner(meant, in_person))) == ("met", None)


def test_whether_online_alone_will_do_is_a_setting() -> None:
    online = [activity(day=date(2025, 11, day), mode="virtual", **GOOD) for day in (3, 4)]
    never = judge("5.1", learner(*online), framework=configured(virtual="never"))
    assert (never.status, never.have, never.uses[0].reason) == ("at_risk", 0, "virtual")
    not_alone = configured(virtual="not_alone")
    refused = judge("5.1", learner(*online), framework=not_alone)
    assert (refused.status, refused.have) == ("at_risk", 1)
    assert judge("5.1", learner(*online, TALK), framework=not_alone).status == "met"
    assert judge("5.1", learner(TALK, VISIT), framework=not_alone).status == "met"
    # An online visit to a kind of place that was visited in person takes nothing away.
    places = [
        activity("provider_encounter", date(2026, 1, 6), provider_type="university", **GOOD),
        activity("provider_encounter", date(2026, 1, 7), provider_type="fe_college", mode="virtual", **GOOD),
    ]
    more = activity("provider_encounter", date(2026, 1, 5), provider_type="university", mode="virtual", **GOOD)
    assert judge("7.1", learner(*places), framework=not_alone).status == "met"
    assert judge("7.1", learner(*places, more), framework=not_alone).status == "met"


def test_an_adviser_below_level_6_counts_with_a_remark() -> None:
    verdict = judge("8.1", learner(activity("guidance_meeting", adviser_level=4)))
    assert verdict.status == "met"
    assert only_use(verdict)[1:] == ("counted", "adviser_level")
    assert only_use(judge("8.1", learner(activity("guidance_meeting", adviser_level=6)))).reason is None


# ---------------------------------------------------------------------------------------- what does not count


def test_what_is_dated_later_does_not_count_until_its_day() -> None:
    facts = learner(activity("guidance_meeting", date(2026, 3, 10)))
    verdict = judge("8.1", facts)
    assert (verdict.status, only_use(verdict).reason) == ("at_risk", "future")
    assert verdict.next_change == date(2026, 3, 10)
    assert judge("8.1", facts, date(2026, 3, 10)).status == "met"


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


def test_a_duplicate_does_not_count() -> None:
    twice = replace(VISIT, duplicate_of=TALK.ref)
    verdict = judge("5.1", learner(TALK, twice))
    assert (verdict.have, verdict.uses[1].reason) == (1, "duplicate")


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


# ------------------------------------------------------------------------------------------ who feeds what


def test_advice_is_shown_and_never_missing() -> None:
    one = judge("5.V", learner(activity(organisation="Acme Ltd"), activity(organisation="ACME Limited.")))
    assert (*outcome(one), one.have) == ("not_due", "advisory", 1)
    two = judge("5.V", learner(activity(organisation="Acme"), activity(organisation="Bolts & Sons")))
    assert two.status == "met"
    assert outcome(judge("5.V", learner(activity(), activity(day=date(2026, 1, 1))))) == (
        "unknown",
        "attribute_not_recorded:organisation",
    )


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


def test_a_shared_event_key_is_one_event_and_the_surest_record_stays() -> None:
    assert marked(
        activity(ref="a", state="planned", event_key="E", meaningful=True),
        activity(ref="b", event_key="E"),
        activity(ref="c", event_key="E", connector="ilp"),
    ) == {"a": "c", "b": "c", "c": None}
    assert marked(activity(ref="b", event_key="E", hours=2.0), activity(ref="c", event_key="E", connector="ilp")) == {
        "b": None,
        "c": "b",
    }


def test_same_day_kind_and_employer_in_two_systems_is_one_event() -> None:
    assert marked(
        activity(ref="a", organisation="Acme Ltd"), activity(ref="b", organisation=" ACME  limited", connector="ilp")
    ) == {"a": "b", "b": None}


def test_in_one_system_two_rows_are_two_events() -> None:
    rows = (activity(ref="a", organisation="Acme"), activity(ref="b", organisation="Acme"))
    assert set(marked(*rows).values()) == {None}
    more = activity(ref="c", organisation="Acme", connector="ilp")
    assert sorted(str(one) for one in marked(*rows, more).values()) == ["None", "None", "c"]


def test_what_differs_or_is_not_recorded_is_not_the_same() -> None:
    base = activity(ref="a", organisation="Acme")
    for other in (
        activity(ref="b", connector="ilp"),
        activity(ref="b", connector="ilp", organisation="Bolts"),
        activity("mock_interview", ref="b", connector="ilp", organisation="Acme"),
        activity(day=date(2025, 11, 6), ref="b", connector="ilp", organisation="Acme"),
    ):
        assert set(marked(base, other).values()) == {None}


def test_a_company_called_limited_is_still_somebody() -> None:
    assert set(
        marked(activity(ref="a", organisation="Ltd"), activity(ref="b", organisation="PLC", connector="ilp")).values()
    ) == {None}


def test_duplicates_of_duplicates_point_at_the_one_that_stays() -> None:
    assert marked(
        activity(ref="a", event_key="E"),
        activity(ref="b", event_key="E", organisation="Acme"),
        activity(ref="c", connector="ilp", organisation="Acme", hours=1.0),
    ) == {"a": "c", "b": "c", "c": None}


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
    states: st.SearchStrategy[Literal["fresh", "stale"]] = st.sampled_from(["fresh", "fresh", "stale"])
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
_UNRECORDED: st.SearchStrategy[Literal["count", "unknown"]] = st.sampled_from(["count", "unknown"])


@settings(deadline=None)
@given(_learners(), _activities(("attended",)), _DAYS, _UNRECORDED, _FRAMEWORKS)
def test_more_attendance_never_undoes_what_is_met(
    facts: LearnerFacts, more: Evidence, as_of: date, unrecorded: Literal["count", "unknown"], framework: Framework
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
def test_judging_and_marking_again_changes_nothing(
    facts: LearnerFacts, as_of: date, unrecorded: Literal["count", "unknown"]
) -> None:
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
def test_nothing_is_missing_where_nothing_feeds_it(
    facts: LearnerFacts, as_of: date, unrecorded: Literal["count", "unknown"]
) -> None:
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
    facts: LearnerFacts, as_of: date, unrecorded: Literal["count", "unknown"], framework: Framework, later: int
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
    facts: LearnerFacts, as_of: date, unrecorded: Literal["count", "unknown"]
) -> None:
    kinds = {criterion.id: kinds for criterion, kinds in COLLEGES.rules if criterion.enabled_by_default}
    for verdict in evaluate(COLLEGES, facts, as_of, meaningful_unrecorded=unrecorded):
        looked_at = sorted(use.ref for use in verdict.uses)
        ours = sorted(one.ref for one in facts.evidence if one.kind in kinds.get(verdict.criterion, ()))
        assert looked_at == (ours if verdict.due is not None else [])
        assert all(use.reason for use in verdict.uses if use.outcome != "counted")
