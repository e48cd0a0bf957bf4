"""Generate the benchmarks' input: a college's learners and its careers log, the same bytes for the same arguments.

    python benchmarks/generate.py --size S --out made/S

Everything is invented. Unique learner numbers satisfy the published check-digit rule and nothing else. Written are

* ``learners.csv`` and ``activities.csv``;
* ``learners_requoted.csv`` and ``activities_requoted.csv``: the same rows in other bytes;
* ``activities_delta.csv``: the activities, of which about one in a hundred has another title and other hours;
* ``manifest.json``: how many rows there are, how many of them changed, and a digest of each file.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Row = list[str]

SIZES = {"XS": (500, 10_000), "S": (5_000, 100_000), "L": (50_000, 1_000_000)}
SEED = 20260901
CHANGED = 0.01

LEARNER_COLUMNS = (
    "learner_ref", "uln", "given_names", "family_name", "date_of_birth", "email", "tutor_name", "tutor_email",
    "tutor_group", "programme", "level", "start_date", "planned_end_date", "ehcp", "lac", "intended_destination",
)  # fmt: skip
ACTIVITY_COLUMNS = (
    "activity_id", "learner_ref", "activity_type", "title", "activity_date", "hours", "employer", "recorded_by",
    "notes",
)  # fmt: skip

GIVEN = (
    "Aderyn", "Bartosz", "Cécile", "Dylan", "Elif", "Fionn", "Gwenllïan", "Hamza", "Isla", "Jürgen", "Kezia", "Lórcan",
    "Maya", "Nadia", "Oisín", "Poppy", "Quentin", "Rhys", "Søren", "Tariq", "Una", "Violet", "Wiktor", "Xanthe",
    "Yasmin", "Zofia", "Ife", "Leon", "Mabel", "Theo",
)  # fmt: skip
FAMILY = (
    "Abbott", "Bałuk", "Chaudhry", "D'Arcy", "Ekwueme", "Fairley", "Gómez", "Hollis", "Ivanova", "Jardine", "Kaya",
    "Lindström", "Marsh", "Nwosu", "O'Dowd", "Pryce", "Quayle", "Rao", "Šimić", "Thorne", "Usman", "Vaughan",
    "Weatherby", "Çelik", "Zielińska", "Brook",
)  # fmt: skip
PROGRAMMES = (
    "A Levels", "Access to Nursing", "Animal Care", "BTEC Applied Science", "Carpentry", "Catering",
    "GCSE English and Maths", "Supported Internship", "T Level Construction", "T Level Education",
)  # fmt: skip
LEVELS = ("1", "2", "3", "3", "3", "4")
DESTINATIONS = ("Apprenticeship", "Further study", "Not sure", "Paid work", "Supported work", "University", "")
TYPES = {
    "Employer talk": 14, "Work experience": 6, "University visit": 7, "Guidance interview": 12, "Careers fair": 9,
    "Workplace visit": 6, "Apprenticeship talk": 8, "Careers in the subject": 14, "CV workshop": 9,
    "Mock interview": 7, "Alumni talk": 4, "Industry project": 4,
}  # fmt: skip
ORGANISATIONS = (
    "Aldous Joinery Ltd", "Brasserie Zoé", "City Council, Housing", "Deepdale Dairies", "Electra & Daughters",
    "Fernhill Hospice", "Grünwald Optik", "Hopper Haulage, Ltd", 'The "Little" Nursery', "Jæger Marine", "",
)  # fmt: skip
NOTES = (
    "Stayed for the whole event", "Wants to know more, has a list", 'Called it "eye-opening"', "Second meeting agreed",
    "Came late because of the bus", "Needs help with a résumé", "Unsure about entry grades, see plan",
    "Trial shift at £11.40/h", "Talked through the options", "Travel costs are a worry", "Is applying in October",
    "Was offered a visit",
)  # fmt: skip
HOURS = ("0.5", "1", "1", "1.5", "2", "3", "6", "7.5", "37.5")
CHECK_WEIGHTS = range(10, 1, -1)


class Chance:
    """Choose at random. Only `random()` is used, whose numbers no release of Python has changed."""

    def __init__(self, seed: int) -> None:
        self.number = random.Random(seed).random

    def below(self, count: int) -> int:
        """Return a whole number from 0 to `count` - 1."""
        return int(self.number() * count)

    def of(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[int(self.number() * len(choices))]


def unique_learner_number(chance: Chance, used: set[str]) -> str:
    """Return a number nobody has yet: nine digits and a check digit of 10 - (weighted sum mod 11)."""
    while True:
        digits = [1 + chance.below(9), *(chance.below(10) for _ in range(8))]
        rest = sum(weight * digit for weight, digit in zip(CHECK_WEIGHTS, digits, strict=True)) % 11
        number = "".join(map(str, digits)) + str(10 - rest)
        if rest and number not in used:
            used.add(number)
            return number


def mailbox(name: str) -> str:
    """Return the plain letters of a name."""
    plain = unicodedata.normalize("NFKD", name.translate(str.maketrans("łŁøØæÆ", "lLoOaA")))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha()).lower()


def spelt(day: date) -> str:
    """Return a day as British spreadsheets spell it."""
    return f"{day:%d/%m/%Y}"


def learner_rows(chance: Chance, count: int) -> Iterator[Row]:
    """Yield one row a learner; a tutor has about 25 of them."""
    tutors = [(chance.of(GIVEN), chance.of(FAMILY)) for _ in range(max(1, count // 25))]
    used: set[str] = set()
    for number in range(count):
        given, family = chance.of(GIVEN), chance.of(FAMILY)
        tutor = number % len(tutors)
        tutor_given, tutor_family = tutors[tutor]
        start = date(2024 + chance.below(2), 9, 1 + chance.below(12))
        end = date(start.year + 1 + chance.below(2), 7, 1 + chance.below(31))
        yield [
            reference(number),
            unique_learner_number(chance, used),
            f"{given} {chance.of(GIVEN)}" if chance.number() < 0.2 else given,
            family,
            spelt(date(2006, 9, 1) + timedelta(days=chance.below(3 * 365))),
            f"{mailbox(given)}.{mailbox(family)}{number}@students.example.ac.uk",
            f"{tutor_given} {tutor_family}",
            f"{mailbox(tutor_given)}.{mailbox(tutor_family)}{tutor}@staff.example.ac.uk",
            f"TG{tutor:04d}",
            chance.of(PROGRAMMES),
            chance.of(LEVELS),
            spelt(start),
            spelt(end),
            "Y" if chance.number() < 0.07 else "N",
            "Y" if chance.number() < 0.01 else "N",
            chance.of(DESTINATIONS),
        ]


def note(chance: Chance) -> str:
    """Return a note: nothing, one remark, two, or occasionally two on two lines."""
    luck = chance.number()
    if luck < 0.25:
        return ""
    if luck < 0.6:
        return chance.of(NOTES)
    return f"{chance.of(NOTES)}{chr(10) if luck > 0.98 else '; '}{chance.of(NOTES)}"


def activity_rows(chance: Chance, count: int, learners: int) -> Iterator[Row]:
    """Yield the careers log, in the order of its keys; the learners come in any order."""
    days = [spelt(date(2024, 9, 1) + timedelta(days=day)) for day in range(700)]
    staff = [f"{chance.of(GIVEN)} {chance.of(FAMILY)}" for _ in range(40)]
    types = [kind for kind, weight in TYPES.items() for _ in range(weight)]
    for number in range(count):
        kind = chance.of(types)
        yield [
            f"ACT{number + 1:09d}",
            reference(chance.below(learners)),
            kind,
            f"{kind} {chance.of('ABCDEFGH')}{number % 997}",
            chance.of(days),
            chance.of(HOURS),
            chance.of(ORGANISATIONS),
            chance.of(staff),
            note(chance),
        ]


def reference(number: int) -> str:
    """Return a learner's reference."""
    return f"LRN{number + 1:07d}"


def edited(row: Row) -> Row:
    """Return the row as somebody corrected it."""
    return [*row[:3], f"{row[3]} (edited)", row[4], str(float(row[5]) + 0.5), *row[6:]]


def generate(learners: int, activities: int, seed: int, out: Path) -> dict[str, Any]:
    """Write the files into `out` and return the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    chance = Chance(seed)
    luck = Chance(seed + 1).number
    changed = 0
    with ExitStack() as stack:

        def table(name: str, columns: Sequence[str], *, requoted: bool = False) -> Callable[[Sequence[str]], object]:
            file = stack.enter_context((out / name).open("w", encoding="utf-8", newline=""))
            if requoted:
                write = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow
            else:
                write = csv.writer(file, lineterminator="\r\n").writerow
            write(columns)
            return write

        plain, other = (
            table("learners.csv", LEARNER_COLUMNS),
            table("learners_requoted.csv", LEARNER_COLUMNS, requoted=True),
        )
        for row in learner_rows(chance, learners):
            plain(row)
            other(row)
        plain = table("activities.csv", ACTIVITY_COLUMNS)
        other = table("activities_requoted.csv", ACTIVITY_COLUMNS, requoted=True)
        delta = table("activities_delta.csv", ACTIVITY_COLUMNS)
        for row in activity_rows(chance, activities, learners):
            plain(row)
            other(row)
            change = luck() < CHANGED
            changed += change
            delta(edited(row) if change else row)
    manifest = {
        "learners": learners,
        "activities": activities,
        "changed": changed,
        "seed": seed,
        "sha256": {path.name: digest(path) for path in sorted(out.glob("*.csv"))},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return manifest


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Read the arguments, write the files, print the manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, help="; ".join(f"{k}: {v[0]:,} + {v[1]:,}" for k, v in SIZES.items()))
    parser.add_argument("--learners", type=int, default=500, help="how many learners, where no size is given")
    parser.add_argument("--activities", type=int, default=10_000, help="how many activities, where no size is given")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    wish = parser.parse_args()
    learners, activities = SIZES[wish.size] if wish.size else (wish.learners, wish.activities)
    print(json.dumps(generate(learners, activities, wish.seed, wish.out), indent=2))


if __name__ == "__main__":
    main()
