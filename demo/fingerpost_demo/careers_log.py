"""The careers logs of an invented college: what tutors record, what they forget, and the faults that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from fingerpost_demo.people import AREAS, EMPLOYERS, PROVIDERS, Person
from fingerpost_demo.terms import AS_OF, START, teaching_day

if TYPE_CHECKING:
    import random

LOG_COLUMNS = (
    "activity_id", "learner_ref", "group", "activity_type", "title", "date", "end_date", "hours", "employer",
    "provider_type", "meaningful", "via_course", "mode", "status", "recorded_by", "event_key",
)  # fmt: skip
_ADVISERS = ("R. Achebe", "M. Lindqvist", "S. Pryce")

Row = dict[str, str]


@dataclass(slots=True)
class _Log:
    """A careers log in the making; dates are ISO until the rows are in order."""

    rng: random.Random
    rows: list[Row] = field(default_factory=list)
    events: int = 0

    def event(self, prefix: str) -> str:
        """Return a key for an event that several rows share."""
        self.events += 1
        return f"{prefix}-{self.events:04}"

    def add(self, day: date, kind: str, title: str, *, ref: str = "", group: str = "", **more: str) -> None:
        """Add a row; `more` names columns beyond the usual ones."""
        row = dict.fromkeys(LOG_COLUMNS, "")
        row |= {"learner_ref": ref, "group": group, "activity_type": kind, "title": title, "date": day.isoformat()}
        row |= {"mode": "In person", "status": "Attended", "recorded_by": self.rng.choice(_ADVISERS)}
        self.rows.append(row | more)

    def add_placement(self, ref: str, begin: date, end: date, employer: str, hours: str, **more: str) -> None:
        """Add a work placement."""
        more |= {"end_date": end.isoformat(), "hours": hours, "employer": employer}
        self.add(begin, "Work experience", f"Placement with {employer or 'an employer'}", ref=ref, **more)


def this_year(
    rng: random.Random, groups: dict[str, list[Person]], people: Sequence[Person], tutors: dict[str, str]
) -> list[Row]:
    """Return what groups and learners did this year, and what is booked."""
    log = _Log(rng)
    for group, members in groups.items():
        for day, kind, title, more in _group_events(rng, members[0]):
            status = "Planned" if day > AS_OF else "Attended"
            more |= {"event_key": log.event(group), "status": status, "recorded_by": tutors[group]}
            log.add(day, kind, title, group=group, **more)
            for person in members:
                if status == "Attended" and rng.random() < 0.06:
                    log.add(day, kind, title, ref=person.ref, **more | {"status": "Did not attend"})
    for person in people:
        if person.kind != "adult":
            _own_events(rng, log, person)
    return log.rows


def _group_events(rng: random.Random, member: Person) -> Iterator[tuple[date, str, str, Row]]:
    """Yield what a tutor group did together this year, and what is booked for it."""
    autumn, winter, spring = date(2025, 9, 22), date(2025, 11, 10), date(2026, 3, 9)
    employer = rng.choice(member.area.employers)
    if rng.random() < 0.75:
        yield teaching_day(rng, autumn, 40), "LMI session", "Jobs in our region", {"hours": "1", "via_course": "Yes"}
    if rng.random() < 0.7:
        more = {"employer": employer, "hours": "1.5", "via_course": "Yes", "meaningful": rng.choice(("Yes", "Yes", ""))}
        yield teaching_day(rng, autumn, 60), "Employer talk", f"Talk by {employer}", more
    if rng.random() < 0.35:
        more = {"employer": employer, "hours": "3", "via_course": "Yes", "meaningful": rng.choice(("Yes", "", "No"))}
        yield teaching_day(rng, winter, 90), "Employer project", f"Project set by {employer}", more
    if rng.random() < (0.6 if member.second_year else 0.3):
        title, provider, provider_type = rng.choice(PROVIDERS)
        more = {"employer": provider, "provider_type": provider_type, "hours": "4"}
        yield teaching_day(rng, winter, 90), "Provider visit", title, more
    if rng.random() < 0.4:
        other = rng.choice(EMPLOYERS)
        yield teaching_day(rng, spring, 80), "Employer visit", f"Visit to {other}", {"employer": other, "hours": "3"}


def _own_events(rng: random.Random, log: _Log, person: Person) -> None:
    """Add what one learner did alone."""
    ref = person.ref
    for _ in range(rng.choices((0, 1, 2), (55, 33, 12))[0]):
        employer = rng.choice(EMPLOYERS)
        mode = "Online" if rng.random() < 0.12 else "In person"
        day, kind = (
            teaching_day(rng, date(2025, 9, 15), 160),
            rng.choice(("Employer talk", "Mock interview", "Careers fair")),
        )
        more = {
            "employer": employer, "hours": rng.choice(("0.5", "1", "1.5", "")),
            "via_course": rng.choice(("Yes", "No", "No", "")), "meaningful": rng.choice(("Yes", "Yes", "", "No")),
        }  # fmt: skip
        log.add(day, kind, f"Meeting with {employer}", ref=ref, mode=mode, **more)
    if rng.random() < 0.34:
        hours = rng.choice(("0.5", "0.75"))
        log.add(
            teaching_day(rng, date(2025, 9, 15), 165), "Careers interview", "Careers interview", ref=ref, hours=hours
        )
    if person.second_year and rng.random() < 0.3:
        title, provider, provider_type = rng.choice(PROVIDERS[:2])
        day = teaching_day(rng, date(2025, 9, 20), 120)
        log.add(day, "Provider visit", title, ref=ref, employer=provider, provider_type=provider_type, hours="4")
    for placement in (aim.placement for aim in person.aims):
        if placement is None or placement.simulated or placement.ends_on is None or placement.ends_on >= AS_OF:
            continue
        chance = rng.random()
        if chance < 0.75:
            begin, end, employer = placement.starts_on, placement.ends_on, placement.employer or ""
            meaningful = rng.choice(("Yes", "Yes", "Yes", ""))
            status = "Attended" if chance < 0.7 else "Did not attend"
            log.add_placement(ref, begin, end, employer, str(placement.hours), meaningful=meaningful, status=status)


def first_weeks(rng: random.Random, groups: dict[str, list[Person]], tutors: dict[str, str]) -> list[Row]:
    """Return what groups and learners did in the first days of the next September, and what is booked."""
    log, begin = _Log(rng), date(START + 1, 9, 3)
    for group, members in groups.items():
        common = {"event_key": log.event(group), "recorded_by": tutors[group], "via_course": "Yes", "hours": "1"}
        if rng.random() < 0.4:
            log.add(teaching_day(rng, begin, 8), "LMI session", "Jobs in our region", group=group, **common)
        employer = rng.choice(members[0].area.employers)
        more = common | {"event_key": log.event(group), "employer": employer}
        if rng.random() < 0.2:
            log.add(teaching_day(rng, begin, 8), "Employer talk", f"Talk by {employer}", group=group, **more)
        else:
            day = teaching_day(rng, date(START + 1, 9, 28), 60)
            log.add(day, "Employer talk", f"Talk by {employer}", group=group, **more | {"status": "Planned"})
        for person in members:
            if rng.random() < 0.04:
                day = teaching_day(rng, begin, 8)
                log.add(day, "Careers interview", "Careers interview", ref=person.ref, hours="0.75")
    return log.rows


def last_year(rng: random.Random, people: Sequence[Person]) -> list[Row]:
    """Return what the second-year learners did last year."""
    log = _Log(rng)
    talks = {
        area.code: (log.event("T2425"), teaching_day(rng, date(2024, 10, 7), 120), rng.choice(area.employers))
        for area in AREAS
    }
    for person in people:
        if not person.second_year or person.kind == "adult":
            continue
        ref = person.ref
        event, day, employer = talks[person.area.code]
        if rng.random() < 0.7:
            more = {"employer": employer, "hours": "1", "via_course": "Yes", "event_key": event}
            log.add(day, "Employer talk", f"Talk by {employer}", ref=ref, **more)
        if rng.random() < 0.5:
            log.add(teaching_day(rng, date(2024, 10, 1), 60), "LMI session", "Jobs in our region", ref=ref)
        if rng.random() < 0.18:
            log.add(teaching_day(rng, date(2025, 1, 13), 140), "Careers interview", "Careers interview", ref=ref)
        if rng.random() < 0.15:
            employer = rng.choice(person.area.employers)
            log.add_placement(ref, date(2025, 6, 9), date(2025, 6, 13), employer, "35", meaningful="Yes")
    return log.rows


def numbered(rows: list[Row], year: int) -> list[Row]:
    """Return the rows of a log in order, numbered from 1, with their dates as the British write them."""
    rows = sorted(rows, key=lambda row: (row["date"], row["learner_ref"], row["group"], row["title"]))
    return [
        row | {"activity_id": f"A{year % 100}{year % 100 + 1}-{number:05}",
               "date": _british(row["date"]), "end_date": _british(row["end_date"])}
        for number, row in enumerate(rows, start=1)
    ]  # fmt: skip


def _british(iso: str) -> str:
    return date.fromisoformat(iso).strftime("%d/%m/%Y") if iso else ""


def spoilt(rng: random.Random, rows: Iterable[Row], refs: Sequence[str]) -> Iterator[Row]:
    """Pass rows on, one or two in a hundred with a fault that people make."""
    for row in rows:
        chance = rng.random()
        if chance < 0.0015:
            yield row | {"date": rng.choice(("31/02/2026", "2026-13-01", "next Tuesday"))}
        elif chance < 0.003:
            yield row | {"activity_type": rng.choice(("Assembly", "Enrichment?", "tbc"))}
        elif chance < 0.006 and row["learner_ref"]:
            yield row | {"learner_ref": f"  {row['learner_ref']}   "}
        elif chance < 0.009 and row["learner_ref"]:
            yield row | {"learner_ref": f"{int(max(refs)) + rng.randint(1, 99)}"}
        elif chance < 0.011:
            yield row | {"activity_type": row["activity_type"].upper(), "status": row["status"].lower()}
        elif chance < 0.013:
            yield row
            yield row
        elif chance < 0.015:
            yield row | {"hours": "about two"}
        else:
            yield row
