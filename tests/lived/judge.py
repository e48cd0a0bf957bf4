"""A judge who knows the truth and the published rules, and nothing of Fingerpost's evaluator.

It is slow and plain, to be read beside docs/benchmarks.md. `known` says of which day the newest file of each source is:
nobody can judge by what no file has said yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Literal, NamedTuple, TypeAlias

from lived.calendar import first_day, last_day, spelt, year_of
from lived.college import Enrolment, Event, Learner, LivedCollege
from lived.exports import list_made_on, listed_membership, owner_of

Known: TypeAlias = Mapping[str, date]

Answer: TypeAlias = Literal["met", "open", "not judged"]

CAREERS_LEADER = "careers@example.ac.uk"

CRITERIA = ("2.1", "4.1", "5.1", "6.1", "7.1", "8.1")

STATUSES: Mapping[str, Answer] = {
    "met": "met", "not_met": "open", "at_risk": "open", "not_due": "open", "unknown": "not judged",
    "not_applicable": "not judged", "lapsed": "not judged",
}  # fmt: skip

EMPLOYER = {"Employer talk", "Employer visit", "Mock interview"}
WORKPLACE = {"Work experience", "Site visit"}
PROVIDERS = {
    "University visit": "university", "Sixth form visit": "sixth form", "Apprenticeship talk": "training",
    "Training provider visit": "training",
}  # fmt: skip
"""Apprenticeship providers and training providers are one kind."""


class Expected(NamedTuple):
    """What is true of one criterion; `period` is None where it does not matter."""

    answer: Answer
    period: str | None = None


class Place(NamedTuple):
    """Where a learner is on a day: whether they are judged, and the first day of their spell of study."""

    state: Literal["here", "to come", "not judged"]
    spell_from: date | None = None
    apprentice: bool = False


class _Row(NamedTuple):
    """A programme as the college has it on record: `last` is the day on which it ended, or is to end."""

    enrolment: Enrolment
    state: Literal["here", "break", "over", "to come"]
    last: date


def expected(college: LivedCollege, learner: Learner, day: date, known: Known) -> dict[str, Expected]:
    """Return what is true of a learner for each criterion."""
    place = place_of(college, learner, day, known)
    if place.state == "not judged" or place.spell_from is None:
        return dict.fromkeys(CRITERIA, Expected("not judged"))
    year = year_of(day)
    programme = f"programme:{spelt(year_of(place.spell_from))}"
    if place.state == "to come":
        return {name: Expected("open", spelt(year) if name == "5.1" else programme) for name in CRITERIA}
    attended = [
        columns for columns in _attended(college, learner, known)
        if date.fromisoformat(columns["date"]) <= day
    ]  # fmt: skip
    of_the_year = [one for one in attended if first_day(year) <= date.fromisoformat(one["date"]) <= last_day(year)]
    of_the_spell = [one for one in attended if place.spell_from <= date.fromisoformat(one["date"])]
    met = {
        "2.1": any(one["activity_type"] == "Careers research" for one in of_the_spell),
        "4.1": any(one["activity_type"] == "Careers in class" for one in of_the_spell),
        "5.1": sum(one["activity_type"] in EMPLOYER and _meaningful(one) for one in of_the_year) >= 2,
        "6.1": any(one["activity_type"] in WORKPLACE and _meaningful(one) for one in of_the_spell),
        "7.1": len({
            PROVIDERS[one["activity_type"]] for one in of_the_spell
            if one["activity_type"] in PROVIDERS and _meaningful(one)
        }) >= 2,
        "8.1": any(one["activity_type"] == "Careers interview" for one in of_the_spell),
    }  # fmt: skip
    answers = {
        name: Expected("met" if yes else "open", spelt(year) if name == "5.1" else programme)
        for name, yes in met.items()
    }
    if place.apprentice and not met["6.1"]:  # whether their own job counts is for the college to decide
        answers["6.1"] = Expected("not judged")
    return answers


# Where a learner is


def place_of(college: LivedCollege, learner: Learner, day: date, known: Known) -> Place:
    """Say whether a learner is judged on a day, and since when they have been studying."""
    if not learner.is_on_record(known["mis"]) or _age(learner, year_of(day)) > 18:
        return Place("not judged")
    rows = [
        _row(college, one, day, known["courses"])
        for one in learner.enrolments
        if college.has_listed(one, known["courses"])
    ]
    if not rows or not learner.is_on_record(known["courses"]):
        return Place("not judged")
    spells = _spells(rows)
    here = [spell for spell in spells if any(row.state == "here" for row in spell)]
    if here:
        return _place("here", here[0], "here")
    begun = [row for row in rows if row.state != "to come"]
    if begun and max(begun, key=lambda row: row.last).state == "break":
        return Place("not judged")
    for spell in spells:
        if any(row.state == "to come" for row in spell):  # a summer apart is no absence
            return _place("here" if spell[0].enrolment.starts <= day else "to come", spell, "to come")
    return Place("not judged")


def _place(state: Literal["here", "to come"], spell: list[_Row], current: str) -> Place:
    courses = {row.enrolment.course.type for row in spell if row.state == current}
    return Place(state, spell[0].enrolment.starts, "Apprenticeship" in courses)


def _age(learner: Learner, year: int) -> int:
    """Return the age on 31 August of an academic year."""
    return year - learner.born.year - ((learner.born.month, learner.born.day) > (8, 31))


def _row(college: LivedCollege, enrolment: Enrolment, day: date, known: date) -> _Row:
    status, ended = enrolment.status_on(known)
    if status == "On break":
        return _Row(enrolment, "break", enrolment.planned_end)
    if ended is not None and ended < day:
        return _Row(enrolment, "over", ended)
    if not college.lists_enrolment(enrolment, known):  # what has left the export has ended
        return _Row(enrolment, "over", enrolment.last)
    if enrolment.starts > day:
        return _Row(enrolment, "to come", enrolment.planned_end)
    return _Row(enrolment, "here", max(day, enrolment.planned_end))


def _spells(rows: list[_Row]) -> list[list[_Row]]:
    """Join what overlaps, is at most 62 days apart, or is of academic years that follow each other."""
    spells: list[list[_Row]] = []
    for row in sorted(rows, key=lambda row: row.enrolment.starts):
        if spells:
            end = max(one.last for one in spells[-1])
            starts = row.enrolment.starts
            if starts <= end + timedelta(days=62) or year_of(starts) == year_of(end) + 1:
                spells[-1].append(row)
                continue
        spells.append([row])
    return spells


# What a learner took part in


def _attended(college: LivedCollege, learner: Learner, known: Known) -> list[dict[str, str]]:
    """Return what the log says of everything that a learner attended: alone, with the group or with the course."""
    log = known["careers-log"]
    own = [event.said_on(log) for event in _own(college, learner, log) if event.recorded_on <= log]
    shared = [event.said_on(log) for event in _shared(college, learner) if event.recorded_on <= log]
    missed = {said.get("event_key") for said in own if said["status"] == "Did not attend"} - {None}
    return [said for said in (*own, *shared) if said["status"] == "Attended" and said.get("event_key") not in missed]


def _own(college: LivedCollege, learner: Learner, log: date) -> Iterator[Event]:
    for person in (learner, *college.twins_of(learner)):
        if owner_of(person, log) is learner:
            yield from college.events_of(person)


def _shared(college: LivedCollege, learner: Learner) -> Iterator[Event]:
    """Yield the events of groups that the learner was in on the day, and of courses that they were on."""
    for membership in learner.memberships:
        for event in college.events_of(membership.group):
            if membership.begins <= event.day <= membership.ends:
                yield event
    for enrolment in learner.enrolments:
        for event in college.events_of(enrolment.course):
            if enrolment.starts <= event.day <= enrolment.last:
                yield event


def _meaningful(columns: dict[str, str]) -> bool:
    return columns.get("meaningful") != "No"


# Who is told


def tutors_of(college: LivedCollege, learner: Learner, day: date, known: Known) -> set[str]:
    """Return who is to be told about a learner: one address, except in a summer without this year's list.

    Until this year's list has come, last year's tutor is as good as the careers leader.
    """
    listed = known["tutors"]
    summer = college.listed_year(day) < year_of(day)
    if college.troubles.undated_lists:
        membership, as_of = listed_membership(college, learner, listed), list_made_on(college, listed)
    else:
        membership, as_of = learner.membership_on(listed), listed
        if membership is not None and (
            day > last_day(membership.group.year) or membership.group.year > college.listed_year(listed)
        ):
            membership = None
    tutor = None if membership is None else membership.group.tutor_on(as_of).address_on(as_of)
    if tutor is None:
        return {CAREERS_LEADER}
    return {tutor, CAREERS_LEADER} if summer else {tutor}
