"""The tutors of an invented college, their groups and who tutors whom."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from fingerpost_demo.people import DOMAIN, FAMILY, GIVEN, Person, ascii_letters

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

TUTOR_COLUMNS = ("learner_ref", "tutor_group", "tutor_name", "tutor_email", "role", "start_date", "end_date")
_GROUP_SIZE = 19
_WITHOUT_TUTOR = 0.01


def make_groups(people: Sequence[Person]) -> dict[str, list[Person]]:
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


class Tutor(NamedTuple):
    """Somebody who looks after a group."""

    name: str
    email: str


def make_tutors(rng: random.Random, groups: Iterable[str]) -> dict[str, Tutor]:
    """Give each group a tutor of its own, no two with one address."""
    taken: set[str] = set()
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


def assign(
    rng: random.Random, groups: dict[str, list[Person]], tutors: dict[str, Tutor]
) -> tuple[list[dict[str, str]], int]:
    """Say who tutors whom, and count the learners whom nobody does.

    One group changed its tutor at Christmas, one has cover.
    """
    names = list(groups)
    changed, covered = names[len(names) // 3], names[len(names) // 2]
    rows, without = [], 0

    def add(ref: str, group: str, tutor: Tutor, role: str, starts_on: str, ends_on: str = "") -> None:
        rows.append(dict(zip(TUTOR_COLUMNS, (ref, group, *tutor, role, starts_on, ends_on), strict=True)))

    for group, members in groups.items():
        for person in members:
            if rng.random() < _WITHOUT_TUTOR:
                without += 1
                continue
            ref = f" {person.ref} " if rng.random() < 0.005 else person.ref
            if group == changed:
                add(ref, group, tutors[names[0]], "tutor", "2025-09-01", "2025-12-19")
            add(ref, group, tutors[group], "tutor", "2026-01-05" if group == changed else "2025-09-01")
            if group == covered:
                add(ref, group, tutors[names[-1]], "cover", "2026-02-09", "2026-03-27")
    return rows, without
