"""A whole invented college in files: its ILR file, its tutors, two years of careers logs and its configuration.

It is realistic where that matters: the shape of a college, what tutors record and what they forget, and the usual dirt
of files that people keep by hand.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fingerpost_demo.careers_log import LOG_COLUMNS, Row, last_year, put_in_order, spoilt, this_year
from fingerpost_demo.ilr import YEAR, write_people
from fingerpost_demo.people import AS_OF, UKPRN, Person, make_people
from fingerpost_demo.tutors import TUTOR_COLUMNS, assign, make_groups, make_tutors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class FakeCollege:
    """What was made: where it is and how much of it there is."""

    folder: Path
    config: Path
    groups: int
    tutors: int
    without_tutor: int
    activities: int


def make_college(folder: Path, *, learners: int = 1200, seed: int = 20260302) -> FakeCollege:
    """Write a whole college below `folder`: `fingerpost.toml`, an ILR file, tutors and two years of careers logs."""
    rng = random.Random(seed)  # noqa: S311 - invented people need no strong randomness
    people = list(make_people(rng, learners))
    groups = make_groups(people)
    tutors = make_tutors(rng, groups)
    assignments, without = assign(rng, groups, tutors)
    logs = {"2526": this_year(rng, groups, people, tutors), "2425": last_year(rng, people)}
    _spoil_ulns(rng, people)

    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    config = folder / "fingerpost.toml"
    config.write_text(_CONFIG, encoding="utf-8", newline="\n")
    write_people(data / f"ILR-{UKPRN}-{YEAR}-20260227-010203-01.xml", rng, people)
    _write_csv(data / "tutors.csv", TUTOR_COLUMNS, assignments)
    refs = [person.ref for person in people]
    for year, rows in sorted(logs.items()):
        put_in_order(rows, f"A{year}")
        name = f"activities-20{year[:2]}-{year[2:]}.csv"
        _write_csv(data / name, LOG_COLUMNS, spoilt(rng, rows, refs), ragged=True)
    return FakeCollege(
        folder=folder,
        config=config,
        groups=len(groups),
        tutors=len(set(tutors.values())),
        without_tutor=without,
        activities=sum(map(len, logs.values())),
    )


def _spoil_ulns(rng: random.Random, people: Sequence[Person]) -> None:
    """Give a few learners no learner number yet, and a few a mistyped one."""
    for person in people:
        chance = rng.random()
        if chance < 0.004:
            person.uln = "9999999999"
        elif chance < 0.008:
            person.uln = person.uln[:-1] + str((int(person.uln[-1]) + 3) % 10)


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
