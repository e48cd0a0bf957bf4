"""A whole invented college in files: its ILR file, its tutors, two years of careers logs and its configuration.

It is realistic where that matters: the shape of a college, what tutors record and what they forget, and the usual dirt
of files that people keep by hand.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fingerpost_demo.careers_log import LOG_COLUMNS, Row, last_year, numbered, spoilt, this_year
from fingerpost_demo.ilr import PREPARED, ilr_name, write_people
from fingerpost_demo.people import DOMAIN, FAMILY, GIVEN, UKPRN, Person, ascii_letters, make_people
from fingerpost_demo.terms import AS_OF, START

_CONFIG = f"""\
# A college that does not exist. Look at everything, change anything, then run: fingerpost sync

[college]
name = "Example College"
ukprn = {UKPRN}
as_of = {AS_OF} # the day this college is looked at; leave it out to look at today

[[connector]]
type = "ilr"
name = "mis"
path = "data/ILR-*.xml"

[[connector]]
type = "csv"
name = "tutors"
stream = "assignments"
path = "data/tutors.csv"
mapping = "assignments"

[[connector]]
type = "csv"
name = "careers-log"
stream = "activities"
path = "data/activities*.csv"
mapping = "careers-log"
feeds = ["employer_encounter", "workplace_experience", "provider_encounter", "guidance_meeting", "lmi_use"]

[alerts]
careers_leader = "careers@example.ac.uk"
allowed_domains = ["example.ac.uk"]
"""

_TUTOR_COLUMNS = ("learner_ref", "tutor_group", "tutor_name", "tutor_email", "role", "start_date", "end_date")
_GROUP_SIZE = 19
_WITHOUT_TUTOR = 0.01

SEED = 20260302
"""What the demonstration follows from."""


@dataclass(frozen=True, slots=True)
class FakeCollege:
    """What was made: where it is and how much of it there is."""

    folder: Path
    config: Path
    groups: int
    tutors: int
    without_tutor: int
    activities: int


class Tutor(NamedTuple):
    """Somebody who looks after a group."""

    name: str
    email: str


class Invented(NamedTuple):
    """A college before it is written down; `rng` goes on from here."""

    rng: random.Random
    people: list[Person]
    groups: dict[str, list[Person]]
    tutors: dict[str, Tutor]
    assignments: list[Row]
    logs: dict[int, list[Row]]


def invent(learners: int, seed: int) -> Invented:
    """Invent a college: its people, their groups and tutors, and what is on record of two years."""
    rng = random.Random(seed)  # noqa: S311 - invented people need no strong randomness
    people = list(make_people(rng, learners))
    groups = groups_of(people)
    tutors = tutors_of(rng, groups)
    assignments = _assignments(rng, groups, tutors)
    names = {group: tutor.name for group, tutor in tutors.items()}
    logs = {START: this_year(rng, groups, people, names), START - 1: last_year(rng, people)}
    _spoil_ulns(rng, people)
    return Invented(rng, people, groups, tutors, assignments, logs)


def make_college(folder: Path, *, learners: int = 1200, seed: int = SEED) -> FakeCollege:
    """Write a whole college below `folder`: `fingerpost.toml`, an ILR file, tutors and two years of careers logs."""
    rng, people, groups, tutors, assignments, logs = invent(learners, seed)
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    config = folder / "fingerpost.toml"
    config.write_text(_CONFIG, encoding="utf-8", newline="\n")
    write_people(data / ilr_name(START, PREPARED), rng, people)
    write_tutors(data, assignments)
    refs = [person.ref for person in people]
    for year, rows in sorted(logs.items()):
        write_log(data, year, spoilt(rng, numbered(rows, year), refs))
    activities = sum(map(len, logs.values()))
    without = sum(map(len, groups.values())) - len({row["learner_ref"].strip() for row in assignments})
    return FakeCollege(folder, config, len(groups), len(tutors), without, activities)


def groups_of(people: Sequence[Person]) -> dict[str, list[Person]]:
    """Put everybody but the adults into tutor groups of one area and one year."""
    cells: dict[str, list[Person]] = defaultdict(list)
    for person in people:
        if person.kind == "apprenticeship":
            cells["APP"].append(person)
        elif person.kind != "adult":
            cells[f"{person.area.code}{2 if person.second_year else 1}"].append(person)
    groups: dict[str, list[Person]] = {}
    for cell, members in sorted(cells.items()):
        count = max(1, round(len(members) / _GROUP_SIZE))
        for index, person in enumerate(members):
            person.group = f"{cell}{'ABCDEFGHJKLMNPQRSTUVWXYZ'[index * count // len(members) % 24]}"
            groups.setdefault(person.group, []).append(person)
    return groups


def tutors_of(rng: random.Random, groups: Iterable[str], others: Iterable[Tutor] = ()) -> dict[str, Tutor]:
    """Give each group a tutor of its own, no two with one address, and none with that of one of the others."""
    taken = {tutor.email for tutor in others}
    tutors = {}
    for group in groups:
        while True:
            given, family = rng.choice(GIVEN), rng.choice(FAMILY)
            email = f"{ascii_letters(given)}.{ascii_letters(family)}@{DOMAIN}"
            if email not in taken:
                break
        taken.add(email)
        tutors[group] = Tutor(f"{given} {family}", email)
    return tutors


def _assignments(rng: random.Random, groups: dict[str, list[Person]], tutors: dict[str, Tutor]) -> list[Row]:
    """Say who tutors whom: a few have nobody, one group changed its tutor at Christmas, one has cover."""
    names = list(groups)
    changed, covered = names[len(names) // 3], names[len(names) // 2]
    rows = []
    for ref, group in tutored(rng, groups):
        if group == changed:
            rows.append(assigned(ref, group, tutors[names[0]], "2025-09-01", "2025-12-19"))
        rows.append(assigned(ref, group, tutors[group], "2026-01-05" if group == changed else "2025-09-01"))
        if group == covered:
            rows.append(assigned(ref, group, tutors[names[-1]], "2026-02-09", "2026-03-27", role="cover"))
    return rows


def tutored(rng: random.Random, groups: dict[str, list[Person]]) -> Iterator[tuple[str, str]]:
    """Yield the learners who have a tutor on the list, as it spells their references, with their groups."""
    for group, members in groups.items():
        for person in members:
            if rng.random() >= _WITHOUT_TUTOR:
                yield f" {person.ref} " if rng.random() < 0.005 else person.ref, group


def assigned(ref: str, group: str, tutor: Tutor, starts_on: str, ends_on: str = "", *, role: str = "tutor") -> Row:
    """Return a row of the list of tutors."""
    return dict(zip(_TUTOR_COLUMNS, (ref, group, *tutor, role, starts_on, ends_on), strict=True))


def _spoil_ulns(rng: random.Random, people: Sequence[Person]) -> None:
    """Give a few learners no learner number yet, and a few a mistyped one."""
    for person in people:
        chance = rng.random()
        if chance < 0.004:
            person.uln = "9999999999"
        elif chance < 0.008:
            person.uln = person.uln[:-1] + str((int(person.uln[-1]) + 3) % 10)


def write_tutors(data: Path, rows: Iterable[Row]) -> None:
    """Write the list of tutors."""
    _write_csv(data / "tutors.csv", _TUTOR_COLUMNS, rows)


def write_log(data: Path, year: int, rows: Iterable[Row]) -> None:
    """Write the careers log of an academic year."""
    _write_csv(data / log_name(year), LOG_COLUMNS, rows, ragged=True)


def log_name(year: int) -> str:
    """Return the name of the careers log of an academic year."""
    return f"activities-{year}-{(year + 1) % 100}.csv"


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row], *, ragged: bool = False) -> None:
    """Write a file as a spreadsheet saves it; a `ragged` one has a row too long and two blank lines."""
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(columns)
        for number, row in enumerate(rows):
            values = [row[column] for column in columns]
            if ragged and number == 40:
                values += ["", "moved here from the old sheet"]
            if ragged and number in {100, 200}:
                out.write("\r\n")
            writer.writerow(values)
