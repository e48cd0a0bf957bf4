"""A college as it really is: people, groups and events with their dates, and nothing about files.

`live` makes one up from a seed. Each learner and each group draws from a source of chance of its own, so that a college
of fewer learners, or of fewer troubles, is otherwise the same one.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, TypeAlias

from lived.calendar import (
    ENROLLED_AHEAD,
    FIRST_NIGHT,
    LAST_NIGHT,
    ONE_DAY,
    ONE_WEEK,
    ROLLOVER,
    TERM_STARTS,
    exported_year,
    first_day,
    in_the_summer,
    last_day,
    mondays,
    term_ends,
    year_of,
)
from lived.troubles import Troubles
from ulns import valid_uln

EPOCH = date(2020, 1, 1)
"""Earlier than anything that happens here."""

YEARS = (2025, 2026, 2027)

ANOTHER = 1000
"""What is added to a learner's number for the one who gets their reference, and twice for their second record."""

Flavour: TypeAlias = Literal["csv", "ilr"]
"""What tells of learners and programmes: two CSV files, or the ILR."""

SOURCES: Mapping[Flavour, tuple[str, ...]] = {
    "csv": ("mis", "courses", "tutors", "careers-log"),
    "ilr": ("mis", "tutors", "careers-log"),
}


@dataclass(frozen=True, slots=True)
class Course:
    code: str
    title: str
    years: int
    type: Literal["Study programme", "Apprenticeship", "Adult"]


COURSES = (
    Course("60100001", "Catering level 2", 1, "Study programme"),
    Course("60100002", "Business level 3", 2, "Study programme"),
    Course("60100003", "Engineering level 3", 2, "Study programme"),
    Course("91", "Plumbing apprenticeship", 2, "Apprenticeship"),
    Course("60100005", "Accounting for adults", 1, "Adult"),
)


@dataclass(eq=False, slots=True)
class Tutor:
    """A member of staff: `names` are the surnames with the first day of each."""

    number: int
    names: list[tuple[date, str]]

    def surname_on(self, day: date) -> str:
        return [name for since, name in self.names if since <= day][-1]

    def name_on(self, day: date) -> str:
        return f"Tutor {self.surname_on(day)}"

    def address_on(self, day: date) -> str:
        return f"{self.surname_on(day).lower()}@example.ac.uk"


@dataclass(eq=False, slots=True)
class Group:
    """A tutor group of one academic year; `tutors` are its tutors with the first day of each."""

    year: int
    course: Course
    stage: int
    code: str
    tutors: list[tuple[date, Tutor]]

    def tutor_on(self, day: date) -> Tutor:
        return [tutor for since, tutor in self.tutors if since <= day][-1]


@dataclass(eq=False, slots=True)
class Enrolment:
    """One row that the college keeps of a learner on a programme."""

    course: Course
    starts: date
    planned_end: date
    left: date | None = None
    """The last day of a learner who left before the end."""
    break_from: date | None = None
    break_until: date | None = None
    closed: bool = True
    """Whether somebody enters that it is completed."""

    @property
    def last(self) -> date:
        return self.left or self.planned_end

    @property
    def listed_from(self) -> date:
        return self.starts - ENROLLED_AHEAD

    def status_on(self, day: date) -> tuple[str, date | None]:
        """Return the status that the college has on record on a day, and the actual end."""
        if self.left is not None and day > self.left:
            return "Withdrawn", self.left
        if self.break_from is not None and self.break_until is not None and self.break_from <= day < self.break_until:
            return "On break", None
        if day > self.planned_end and self.closed:
            return "Completed", self.planned_end
        return "Current", None


@dataclass(eq=False, slots=True)
class Membership:
    """A learner's days in a group; `ends` is the last of them."""

    group: Group
    begins: date
    ends: date


@dataclass(eq=False, slots=True)
class Learner:
    """A person whom the college knows.

    `references` are their references in turn, each with its first day. A learner who is on record twice is two of
    these until `merged_on`; from then on everything about the second is about the first, `merged_into`.
    """

    number: int
    born: date
    uln: str
    uln_from: date
    references: list[tuple[date, str]]
    enrolments: list[Enrolment] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)
    merged_into: Learner | None = None
    merged_on: date = date.max
    reference_lost_on: date = date.max
    """The day from which another person has this learner's reference."""

    def reference_on(self, day: date) -> str:
        return [reference for since, reference in self.references if since <= day or since == EPOCH][-1]

    @property
    def known_from(self) -> date:
        return min(enrolment.listed_from for enrolment in self.enrolments)

    def is_on_record(self, day: date) -> bool:
        """Say whether the college has this person on record on a day, whether still here or not."""
        return self.known_from <= day < min(self.merged_on, self.reference_lost_on)

    def is_of_year(self, year: int) -> bool:
        """Say whether the learner is, or was, enrolled in an academic year."""
        return any(one.starts <= last_day(year) and one.last >= first_day(year) for one in self.enrolments)

    def membership_on(self, day: date) -> Membership | None:
        return next((one for one in self.memberships if one.begins <= day <= one.ends), None)

    def is_enrolled_on(self, day: date) -> bool:
        return any(
            one.starts <= day <= one.last
            and not (one.break_from and one.break_until and one.break_from <= day < one.break_until)
            for one in self.enrolments
        )


Subject: TypeAlias = Learner | Group | Course


@dataclass(eq=False, slots=True)
class Event:
    """Something that took place for a learner, a group or everybody on a course, and what the log says of it.

    `says` are the columns of the log that are about the event itself, in turn: each with the day from which the log
    says so.
    """

    number: int
    subject: Subject
    says: list[tuple[date, dict[str, str]]]

    @property
    def recorded_on(self) -> date:
        return self.says[0][0]

    def said_on(self, day: date) -> dict[str, str]:
        return [columns for since, columns in self.says if since <= day][-1]

    @property
    def day(self) -> date:
        return date.fromisoformat(self.says[0][1]["date"])

    @property
    def year(self) -> int:
        return year_of(self.day)


@dataclass(eq=False)
class LivedCollege:
    """Everything that is true of a college, and the nights on which its files are read."""

    seed: int
    troubles: Troubles
    learners: list[Learner]
    groups: list[Group]
    events: list[Event]
    late: set[tuple[str, date]]
    """The sources whose file does not arrive on a night, but a week later."""
    flavour: Flavour

    def __post_init__(self) -> None:
        self._events: dict[Subject, list[Event]] = {}
        for event in self.events:
            self._events.setdefault(event.subject, []).append(event)
        self._twins: dict[Learner, list[Learner]] = {}
        for learner in self.learners:
            if learner.merged_into is not None:
                self._twins.setdefault(learner.merged_into, []).append(learner)

    def events_of(self, subject: Subject) -> Sequence[Event]:
        """Return the events that were recorded of a learner, a group or a course."""
        return self._events.get(subject, ())

    def twins_of(self, learner: Learner) -> Sequence[Learner]:
        """Return the second records that there were of a learner."""
        return self._twins.get(learner, ())

    def lists_turn(self, year: int) -> date:
        """Return the Monday on which the list of tutors is of a new academic year."""
        return ROLLOVER[year] + (2 * ONE_WEEK if self.troubles.late_lists else timedelta())

    def listed_year(self, day: date) -> int:
        """Return the academic year that the list of tutors is of."""
        return max([2025, *(year for year in ROLLOVER if day >= self.lists_turn(year))])

    def lists_enrolment(self, enrolment: Enrolment, day: date) -> bool:
        """Say whether the export of programmes holds a row on a day."""
        if not self.has_listed(enrolment, day):
            return False
        return not self.is_of_this_year_only or enrolment.last >= first_day(exported_year(day))

    def has_listed(self, enrolment: Enrolment, day: date) -> bool:
        """Say whether the export of programmes has ever held a row; the ILR has no row before its year's file."""
        if self.flavour == "ilr" and enrolment.starts > last_day(exported_year(day)):
            return False
        return enrolment.listed_from <= day

    @property
    def is_of_this_year_only(self) -> bool:
        """Whether what the export of programmes says today is of this academic year; the ILR always is."""
        return self.troubles.this_year_programmes or self.flavour == "ilr"

    def lists_learner(self, learner: Learner, day: date) -> bool:
        """Say whether the export of learners holds a person on a day."""
        if self.flavour == "ilr":
            return learner.is_on_record(day) and any(self.lists_enrolment(one, day) for one in learner.enrolments)
        if not learner.is_on_record(day):
            return False
        ahead = any(one.listed_from <= day < one.starts for one in learner.enrolments)
        return not self.troubles.this_year_learners or ahead or learner.is_of_year(exported_year(day))

    def confirmation(self, year: int) -> date:
        """Return the Monday on which somebody confirms what September's sweeps hold."""
        return self.lists_turn(year) + (3 * ONE_WEEK if self.troubles.late_confirmation else timedelta())

    def nights(self, *, brisk: bool = False) -> Iterator[date]:
        """Yield the days on which the files are read: each Monday, and a few others.

        At a brisk pace it is every second Monday, except when files turn from one academic year to the next.
        """
        chance = random.Random(f"{self.seed}/nights")
        for number, monday in enumerate(mondays()):
            other = chance.random() < 0.06
            if brisk and number % 2 and not (date(2000, 8, 20) <= monday.replace(year=2000) <= date(2000, 10, 26)):
                continue
            yield monday
            if other:
                yield monday + timedelta(days=chance.choice((1, 2, 4)))


def live(
    seed: int,
    *,
    size: int = 20,
    troubles: Troubles | None = None,
    only: Collection[int] | None = None,
    events: Collection[int] | None = None,
    flavour: Flavour = "csv",
) -> LivedCollege:
    """Make up a college of so many learners; with `only` and `events`, a college of some of them."""
    troubles = troubles or Troubles()
    if flavour == "ilr":  # which forbids it
        troubles = troubles.without("reused_references")
    lived = _Author(seed, size, troubles, flavour).college()
    return lived if only is None and events is None else _part(lived, only, events)


def _part(lived: LivedCollege, only: Collection[int] | None, events: Collection[int] | None) -> LivedCollege:
    """Return the same college with fewer learners, and fewer events."""
    learners = [one for one in lived.learners if only is None or one.number % ANOTHER in only]
    theirs: set[Subject] = {*learners, *(one.course for learner in learners for one in learner.enrolments)}
    codes = {one.group.code for learner in learners for one in learner.memberships}
    kept = [
        one for one in lived.events
        if (one.subject.code in codes if isinstance(one.subject, Group) else one.subject in theirs)
        and (events is None or one.number in events)
    ]  # fmt: skip
    return LivedCollege(lived.seed, lived.troubles, learners, lived.groups, kept, lived.late, lived.flavour)


class _Author:
    """Make up one college."""

    def __init__(self, seed: int, size: int, troubles: Troubles, flavour: Flavour) -> None:
        self.flavour = flavour
        self.seed = seed
        self.size = size
        self.troubles = troubles
        self.tutors = [Tutor(number, [(EPOCH, f"Ash{number:02}")]) for number in range(max(3, size // 6))]
        self.groups: dict[tuple[int, str, int, int], Group] = {}
        self.learners: list[Learner] = []
        self.events: list[Event] = []
        # Days on which a group has no events: whether they were in it could be said either way.
        self.quiet: list[tuple[Group, date, date]] = []
        self.busy: set[date] = set()
        """Nights on which people change names, groups or references: no file is late then."""

    def chance(self, *about: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, *about))))

    def college(self) -> LivedCollege:
        for number in range(self.size):
            self._learner(number)
        self._name_changes()
        self._reuse_references()
        self._duplicates()
        self._tutors()
        for group in self.groups.values():
            self._events_of_group(group)
        for year in YEARS:
            for course in COURSES:
                self._events_of_course(year, course)
        for learner in self.learners:
            self._events_of_learner(learner)
        self.events.sort(key=lambda one: (one.recorded_on, one.number))
        return LivedCollege(
            self.seed, self.troubles, self.learners, list(self.groups.values()), self.events, self._late_files(),
            self.flavour,
        )  # fmt: skip

    # Learners, and what they study

    def _learner(self, number: int) -> None:
        chance = self.chance("learner", number)
        course = chance.choices(COURSES, (4, 4, 4, 1, 1))[0]
        entry = chance.choices((2024, 2025, 2026, 2027), (2 if course.years == 2 else 0, 6, 4, 1))[0]
        age = chance.choice((21, 34)) if course.type == "Adult" else chance.choice((16, 16, 16, 17))
        born = date(entry - age, 8, 31) - timedelta(days=chance.randrange(365))
        learner = Learner(number, born, valid_uln(10 * number), EPOCH, [(EPOCH, f"L{number:03}")])
        self._study(learner, course, entry, self.chance("study", number))
        self.learners.append(learner)
        self._join_groups(learner, self.chance("groups", number))

    def _study(self, learner: Learner, course: Course, entry: int, chance: random.Random) -> None:
        starts, trouble = TERM_STARTS[entry], self.troubles
        late, leaves, takes_break, returns, goes_on = (chance.random() for _ in range(5))
        day_late, day_left, stays_away, not_back = (chance.random() for _ in range(4))
        if trouble.late_starters and late < 0.15 and entry > 2024:
            starts = date(entry, 11, 3) + timedelta(days=int(day_late * 80))
        self._enrol(learner, course, starts, entry + course.years - 1)
        if trouble.leavers and course.years == 2 and not_back < 0.2:
            self._leave(learner, term_ends(entry, long_summer=trouble.long_summer))
        elif trouble.leavers and leaves < 0.2:
            earliest = max(starts + timedelta(days=30), FIRST_NIGHT)
            self._leave(learner, _weekday(earliest + timedelta(days=int(day_left * 200))))
        elif trouble.breaks and takes_break < 0.25:
            self._take_break(learner, int(stays_away * 60))
        elif course.years == 1 and course.type == "Study programme":
            if trouble.years_out and returns < 0.4 and entry == 2025:
                self._enrol(learner, COURSES[1], TERM_STARTS[2027], 2028)
            elif goes_on < 0.5 and entry < 2027:
                self._enrol(learner, COURSES[2], TERM_STARTS[entry + 1], entry + 2)

    def _enrol(self, learner: Learner, course: Course, starts: date, last_year: int) -> None:
        """Enrol a learner, once or anew each year; what no export ever says is left out."""
        trouble = self.troubles
        rows = [(starts, last_year)]
        if trouble.yearly_enrolment:
            first = year_of(starts)
            rows = [(starts if year == first else TERM_STARTS[year], year) for year in range(first, last_year + 1)
                    if year in TERM_STARTS]  # fmt: skip
        for begins, year in rows:
            ends = term_ends(year, long_summer=trouble.long_summer)
            if (trouble.this_year_programmes or self.flavour == "ilr") and ends < first_day(2025):
                continue
            closed = not trouble.never_closed or trouble.years_out
            learner.enrolments.append(Enrolment(course, begins, ends, closed=closed))

    def _leave(self, learner: Learner, day: date) -> None:
        kept = [one for one in learner.enrolments if one.starts <= day]
        if not kept:
            return
        learner.enrolments[:] = kept
        if day < kept[-1].planned_end:
            kept[-1].left = day
            self.busy.update(_nights_about(day))

    def _take_break(self, learner: Learner, days: int) -> None:
        for one in learner.enrolments:
            begins = date(2026, 11, 9) if one.starts < date(2026, 11, 1) else date(2027, 11, 8)
            until = begins + timedelta(days=28 + days)
            if one.starts < begins and until < one.planned_end:
                one.break_from, one.break_until = begins, until
                return

    # Groups

    def _join_groups(self, learner: Learner, chance: random.Random) -> None:
        for year in YEARS:
            side, moves, when = chance.randrange(2), chance.random(), chance.randrange(25)
            rows = [one for one in learner.enrolments if one.starts <= last_day(year) and one.last >= first_day(year)]
            if not rows:
                continue
            row = rows[0]
            begun = min(year_of(one.starts) for one in learner.enrolments if one.course is row.course)
            stage = year - begun + 1
            begins = max(first_day(year), row.starts)
            ends = min(last_day(year), row.left or date.max)
            group = self._group(year, row.course, stage, side)
            day = max(date(year, 10, 19), FIRST_NIGHT + ONE_WEEK)
            day += (7 - day.weekday()) % 7 * ONE_DAY + when * ONE_WEEK
            if self.troubles.moves and moves < 0.3 and begins < day < min(ends, date(year + 1, 6, 1)):
                other = self._group(year, row.course, stage, 1 - side)
                learner.memberships.append(Membership(group, begins, day - ONE_DAY))
                self.quiet += ((group, day - ONE_WEEK, day + 2 * ONE_WEEK), (other, day - ONE_WEEK, day + 2 * ONE_WEEK))
                self.busy.add(day)
                group, begins = other, day
            learner.memberships.append(Membership(group, begins, ends))
            if begins > FIRST_NIGHT and begins > date(year, 10, 1):  # a late starter, of whom lists hear on a night
                self.quiet.append((group, begins - ONE_WEEK, begins + 2 * ONE_WEEK))

    def _group(self, year: int, course: Course, stage: int, side: int) -> Group:
        key = (year, course.code, stage, side)
        if key not in self.groups:
            # Of one side other learners have the code each year; of the other a group keeps it for two years.
            name = course.title[:3].upper()
            code = f"{name}-B{'XY'[(year - stage) % 2]}" if side else f"{name}-A{stage}"
            if not self.troubles.reused_codes:
                code += f"-{year % 100}"
            chance = self.chance("group", *key)
            tutor = chance.choice(self.tutors)
            self.groups[key] = Group(year, course, stage, code, [(EPOCH, tutor)])
        return self.groups[key]

    def _tutors(self) -> None:
        for key, group in self.groups.items():
            chance = self.chance("tutor", *key)
            day = max(date(group.year, 10, 19), FIRST_NIGHT + ONE_WEEK)
            day += (7 - day.weekday()) % 7 * ONE_DAY + chance.randrange(25) * ONE_WEEK
            other, changes = chance.choice(self.tutors), chance.random()
            if self.troubles.tutor_changes and changes < 0.4 and day < date(group.year + 1, 6, 1):
                group.tutors.append((day, other))
        if self.troubles.tutor_renames:
            for tutor in self.tutors:
                chance = self.chance("rename", tutor.number)
                day = list(mondays())[chance.randrange(4, 90)]
                if chance.random() < 0.5 and not in_the_summer(day):
                    tutor.names.append((day, f"Birch{tutor.number:02}"))

    # What systems call people

    def _name_changes(self) -> None:
        for learner in self.learners:
            chance = self.chance("names", learner.number)
            late, weeks, renamed, year = chance.random(), chance.randrange(3, 20), chance.random(), chance.choice(YEARS)
            if self.troubles.late_ulns and late < 0.3:
                learner.uln_from = learner.known_from + weeks * ONE_WEEK
            if self.troubles.new_references and renamed < 0.4 and year in ROLLOVER:
                day = ROLLOVER[year]
                # The old reference and the permanent ULN were once in one export.
                if max(learner.uln_from, learner.known_from, FIRST_NIGHT) < day - ONE_WEEK:
                    learner.references.append((day, f"N{learner.number:03}"))
                    self.busy.add(day)

    def _reuse_references(self) -> None:
        """Give the reference of somebody who left in the autumn to somebody who starts in the winter."""
        if not self.troubles.reused_references:
            return
        for learner in list(self.learners):
            last = learner.enrolments[-1] if learner.enrolments else None
            if last is None or last.left is None or len(learner.references) > 1:
                continue
            day = _monday_after(last.left + timedelta(days=21))
            if in_the_summer(day) or day.month in (6, 7) or day > LAST_NIGHT:
                continue
            learner.reference_lost_on = day
            number = learner.number + ANOTHER
            chance = self.chance("heir", number)
            heir = Learner(number, date(year_of(day) - 17, 3, 1) + timedelta(days=chance.randrange(100)),
                           valid_uln(10 * number), EPOCH, [(EPOCH, learner.references[0][1])])  # fmt: skip
            self._enrol(heir, COURSES[0], day + ENROLLED_AHEAD, year_of(day))
            self.learners.append(heir)
            self._join_groups(heir, chance)
            self.busy.update((day, day + ONE_WEEK, *_nights_about(heir.enrolments[0].starts)))

    def _duplicates(self) -> None:
        """Put some learners on record a second time, from October to February."""
        if not self.troubles.duplicates:
            return
        for learner in list(self.learners):
            chance = self.chance("duplicate", learner.number)
            wanted, year = chance.random(), chance.choice((2026, 2027))
            first = _monday_after(date(year, 10, 12)) + chance.randrange(3) * ONE_WEEK
            merged = first + chance.randrange(4, 11) * ONE_WEEK
            row = next((one for one in learner.enrolments if one.starts < first and one.last > merged), None)
            if wanted > 0.25 or row is None or learner.number >= ANOTHER or row.break_from is not None:
                continue
            number = learner.number + 2 * ANOTHER
            twin = Learner(number, learner.born, "", date.max, [(EPOCH, f"D{learner.number:03}")])
            twin.enrolments.append(
                Enrolment(row.course, first + ENROLLED_AHEAD, term_ends(year, long_summer=self.troubles.long_summer))
            )
            twin.merged_into, twin.merged_on = learner, merged
            self.learners.append(twin)
            self.busy.update((first, merged, first + 2 * ONE_WEEK))

    # Events, and what the log says of them

    def _record(
        self, chance: random.Random, subject: Subject, day: date, columns: dict[str, str], *, earliest: date = EPOCH,
        latest: date = date.max,
    ) -> None:  # fmt: skip
        """Write an event into the log some days later, within its academic year, and perhaps correct it."""
        recorded = max(min(day + timedelta(days=chance.randrange(14)), last_day(year_of(day)), latest), earliest, day)
        says = [(recorded, {"date": day.isoformat(), "status": "Attended"} | columns)]
        wrong, other, shift = chance.random(), chance.randrange(3), chance.randrange(1, 6)
        corrected = recorded + timedelta(days=chance.randrange(7, 60))
        if self.troubles.corrections and wrong < 0.15 and corrected < min(last_day(year_of(day)), latest):
            changes = (
                {"date": _weekday(day - timedelta(days=shift)).isoformat()},
                {"status": "Did not attend"},
                {"activity_type": "CV workshop"},
            )[other if isinstance(subject, Learner) else 2]
            if not (other == 0 and year_of(day - timedelta(days=9)) != year_of(day)):
                says.append((corrected, says[0][1] | changes))
        self.events.append(Event(len(self.events), subject, says))

    def _events_of_learner(self, learner: Learner) -> None:
        for year in YEARS:
            chance = self.chance("events", learner.number, year)
            for columns in _programme_of_a_year(chance):
                day = TERM_STARTS[year] + timedelta(days=chance.randrange(300))
                day = _weekday(day)
                if not learner.is_enrolled_on(day) or day > LAST_NIGHT or year_of(day) != year:
                    continue
                if learner.merged_into is not None and day >= learner.merged_on - ONE_WEEK:
                    continue
                latest = date.max
                if learner.merged_into is not None:
                    latest = learner.merged_on - ONE_DAY
                elif learner.reference_lost_on < date.max:
                    latest = learner.reference_lost_on - ONE_WEEK
                self._record(chance, learner, day, columns, latest=latest)

    def _events_of_group(self, group: Group) -> None:
        chance = self.chance("group events", group.year, group.course.code, group.stage, group.code)
        turn = ROLLOVER[group.year] + 2 * ONE_WEEK if group.year in ROLLOVER else EPOCH
        days: set[date] = set()
        for columns in _group_programme(chance):
            day = _weekday(date(group.year, 9, 8) + timedelta(days=chance.randrange(280)))
            if day.weekday() == 0:
                day += ONE_DAY
            quiet = any(who is group and first <= day <= last for who, first, last in self.quiet)
            if day > LAST_NIGHT or quiet or day in days:
                continue
            days.add(day)
            key = f"E-{group.year}-{group.code}-{len(self.events)}"
            self._record(chance, group, day, columns | {"event_key": key}, earliest=turn)
            absent = chance.random()
            there = [
                one for one in self.learners
                if one.number < ANOTHER and one.reference_lost_on == date.max and _was_in(one, group, day)
            ]  # fmt: skip
            if absent < 0.4 and there and len(self.events[-1].says) == 1:
                who = self.learners[chance.choice(there).number]
                self.events.append(
                    Event(len(self.events), who, [
                        (self.events[-1].recorded_on,
                         columns | {"date": day.isoformat(), "status": "Did not attend", "event_key": key}),
                    ])
                )  # fmt: skip

    def _events_of_course(self, year: int, course: Course) -> None:
        chance = self.chance("course events", year, course.code)
        turn = ROLLOVER[year] + 2 * ONE_WEEK if year in ROLLOVER else EPOCH
        day = _weekday(date(year, 10, 1) + timedelta(days=chance.randrange(200)))
        if chance.random() < 0.5 and day <= LAST_NIGHT:
            kind = chance.choice(("Careers in class", "Employer talk"))
            self._record(chance, course, day, {"activity_type": kind, "employer": "Orchard"}, earliest=turn)

    # Files that are late

    def _late_files(self) -> set[tuple[str, date]]:
        """Choose files that arrive a week late: not about September, nor when names and groups change."""
        late: set[tuple[str, date]] = set()
        if not self.troubles.late_files:
            return late
        for source in SOURCES[self.flavour]:
            chance = self.chance("late", source)
            before = False
            for monday in list(mondays())[1:]:
                before = not before and chance.random() < 0.1
                week = {monday + number * ONE_DAY for number in range(-13, 8)}
                if before and not (in_the_summer(monday) or monday.month in (7, 8) or week & self.busy):
                    late.add((source, monday))
        return late


def _was_in(learner: Learner, group: Group, day: date) -> bool:
    membership = learner.membership_on(day)
    return membership is not None and membership.group is group


def _programme_of_a_year(chance: random.Random) -> Iterator[dict[str, str]]:
    """Yield what a learner may take part in during a year, in the words of a careers log."""
    for kind, most in (
        ("Employer talk", 3), ("Mock interview", 1), ("Work experience", 1), ("Part-time job", 1),
        ("Simulated work experience", 1), ("University visit", 2), ("Apprenticeship talk", 1),
        ("Training provider visit", 1), ("Careers interview", 1), ("Guidance offer", 1), ("Careers research", 1),
        ("Careers in class", 1),
    ):  # fmt: skip
        for _ in range(chance.randrange(most + 1) if chance.random() < 0.7 else 0):
            columns = {"activity_type": kind, "employer": chance.choice(("Bakery", "Garage", "Forge", "Mill"))}
            if chance.random() < 0.1:
                columns["status"] = chance.choice(("Did not attend", "Cancelled", "Planned"))
            if chance.random() < 0.15:
                columns["meaningful"] = chance.choice(("Yes", "No"))
            yield columns


def _group_programme(chance: random.Random) -> Iterator[dict[str, str]]:
    for kind, likely in (
        ("Employer talk", 0.5), ("Employer visit", 0.4), ("University visit", 0.5), ("Sixth form visit", 0.2),
        ("Careers research", 0.4), ("Careers in class", 0.4), ("Site visit", 0.2),
    ):  # fmt: skip
        if chance.random() < likely:
            yield {"activity_type": kind, "employer": chance.choice(("Foundry", "Harbour", "Brewery", "Dairy"))}


def _weekday(day: date) -> date:
    """Return the day, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def _monday_after(day: date) -> date:
    return day + timedelta(days=7 - day.weekday())


def _nights_about(day: date) -> set[date]:
    return {day + number * ONE_DAY for number in range(-7, 8)}
