"""The files that a college's systems export of the truth on a day, with all their troubles."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import TypeAlias

from lived.calendar import ONE_DAY, exported_year, last_day, spelt, year_of
from lived.college import Course, Event, Group, Learner, LivedCollege, Membership, Tutor
from lived.ilr import ilr_files

Row: TypeAlias = dict[str, str]

Content: TypeAlias = list[Row] | str
"""What is in a file: the rows of a CSV file, or text."""

COLUMNS = {
    "mis": ("learner_ref", "uln", "given_names", "family_name", "date_of_birth", "email"),
    "courses": (
        "learner_ref", "programme_code", "programme", "programme_type", "academic_year", "start_date",
        "planned_end_date", "actual_end_date", "status", "area",
    ),
    "tutors": ("learner_ref", "tutor_group", "tutor_name", "tutor_email", "start_date", "end_date"),
    "careers-log": (
        "activity_id", "learner_ref", "group", "programme", "activity_type", "date", "employer", "status", "meaningful",
        "event_key",
    ),
}  # fmt: skip
"""The columns of each source's files."""

TEMPORARY_ULN = "9999999999"


def files(college: LivedCollege, source: str, day: date) -> Mapping[str, Content]:
    """Return the files of a source as they are exported on a day, by name."""
    if source == "mis" and college.flavour == "ilr":
        return ilr_files(college, day)
    if source == "careers-log":
        return _log(college, day)
    rows = {"mis": _learners, "courses": _programmes, "tutors": _tutors}[source](college, day)
    return {source: [dict.fromkeys(COLUMNS[source], "") | row for row in rows]}


def text_of(name: str, content: Content) -> str:
    """Return a file as text."""
    if isinstance(content, str):
        return content
    text = io.StringIO()
    source = next(one for one in COLUMNS if name.startswith(one))
    writer = csv.DictWriter(text, COLUMNS[source], lineterminator="\n")
    writer.writeheader()
    writer.writerows(content)
    return text.getvalue()


def _learners(college: LivedCollege, day: date) -> Iterator[Row]:
    for learner in college.learners:
        if college.lists_learner(learner, day):
            reference = learner.reference_on(day)
            yield {
                "learner_ref": reference, "uln": learner.uln if learner.uln_from <= day else TEMPORARY_ULN,
                "given_names": f"Given{learner.number}", "family_name": f"Family{learner.number}",
                "date_of_birth": learner.born.isoformat(), "email": f"{reference.lower()}@students.example.ac.uk",
            }  # fmt: skip


def _programmes(college: LivedCollege, day: date) -> Iterator[Row]:
    for learner in college.learners:
        if not learner.is_on_record(day):
            continue
        for one in learner.enrolments:
            if not college.lists_enrolment(one, day):
                continue
            status, ended = one.status_on(day)
            yield {
                "learner_ref": learner.reference_on(day), "programme_code": one.course.code,
                "programme": one.course.title, "programme_type": one.course.type,
                "academic_year": spelt(year_of(one.starts)) if college.troubles.yearly_enrolment else "",
                "start_date": one.starts.isoformat(), "planned_end_date": one.planned_end.isoformat(),
                "actual_end_date": ended.isoformat() if ended else "", "status": status, "area": one.course.code,
            }  # fmt: skip


# The list of tutors


def _tutors(college: LivedCollege, day: date) -> Iterator[Row]:
    if not college.troubles.undated_lists:
        yield from _dated(college, day)
        return
    made_on = list_made_on(college, day)
    groups: dict[str, Group] = {}
    for learner in college.learners:
        membership = listed_membership(college, learner, day)
        if membership is None:
            continue
        group = membership.group
        groups[group.code] = group
        row = {"learner_ref": learner.reference_on(made_on), "tutor_group": group.code}
        yield row if college.troubles.heads_apart else row | _named(group.tutor_on(made_on), made_on)
    if college.troubles.heads_apart:
        for code, group in sorted(groups.items()):
            yield {"tutor_group": code} | _named(group.tutor_on(made_on), made_on)


def list_made_on(college: LivedCollege, day: date) -> date:
    """Return the day on which the list of tutors that lies there was made: in summer it is last year's."""
    return min(day, last_day(college.listed_year(day)))


def listed_membership(college: LivedCollege, learner: Learner, day: date) -> Membership | None:
    """Return what the list of tutors that lies there on a day says of a learner."""
    made_on, year = list_made_on(college, day), college.listed_year(day)
    if not learner.is_on_record(made_on):
        return None
    membership = learner.membership_on(made_on)
    return membership if membership is not None and membership.group.year == year else None


def _dated(college: LivedCollege, day: date) -> Iterator[Row]:
    for learner in college.learners:
        for one in learner.memberships if learner.is_on_record(day) else ():
            if one.begins > day or one.group.year > college.listed_year(day):
                continue
            # An end is known when it has come, except for that of the year.
            ends = one.ends if one.ends < day else last_day(one.group.year)
            known = [(since, tutor) for since, tutor in one.group.tutors if since <= day]
            for (since, tutor), (until, _) in pairwise([*known, (date.max, known[-1][1])]):
                first, last = max(one.begins, since), min(ends, until - ONE_DAY)
                if first <= last:
                    yield {
                        "learner_ref": learner.reference_on(day), "tutor_group": one.group.code,
                        "start_date": first.isoformat(), "end_date": last.isoformat(),
                    } | _named(tutor, day)  # fmt: skip


def _named(tutor: Tutor, day: date) -> Row:
    return {"tutor_name": tutor.name_on(day), "tutor_email": tutor.address_on(day)}


# The careers log


def _log(college: LivedCollege, day: date) -> dict[str, list[Row]]:
    trouble = college.troubles
    rows: dict[str, list[Row]] = {}
    numbers: dict[int, int] = {}
    for event in college.events:  # in the order in which they were recorded
        if event.recorded_on > day:
            continue
        series = event.year if trouble.log_restarts else 0
        numbers[series] = numbers.get(series, 0) + 1
        if trouble.log_this_year and not trouble.log_file_a_year and event.year != exported_year(day):
            continue
        name = "careers-log" + (f"-{event.year}" if trouble.log_file_a_year else "")
        row = {"activity_id": str(numbers[series])} | _subject(event, day) | event.said_on(day)
        rows.setdefault(name, []).append(dict.fromkeys(COLUMNS["careers-log"], "") | row)
    return rows or {"careers-log": []}


def _subject(event: Event, day: date) -> Row:
    if isinstance(event.subject, Group):
        return {"group": event.subject.code}
    if isinstance(event.subject, Course):
        return {"programme": event.subject.code}
    owner = owner_of(event.subject, day)
    # What was written under an earlier reference stays so, but for the record of somebody who was there twice.
    return {"learner_ref": owner.reference_on(event.recorded_on if owner is event.subject else day)}


def owner_of(learner: Learner, day: date) -> Learner:
    """Return the learner whom a record is about, once duplicates are merged."""
    return learner.merged_into if learner.merged_into is not None and learner.merged_on <= day else learner
