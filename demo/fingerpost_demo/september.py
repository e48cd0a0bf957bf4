"""The invented college in the following September: the same exports, as a college really gets them.

Last year's ILR file is complete, but for a few results that nobody entered, and this year's stands beside it. The list
of tutors is another one, which uses codes of groups again for other learners. The careers log is last year's
spreadsheet, emptied, so that its numbers are last year's, too. A few learners came back under another reference, some
did not come back, and one who had left did.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from fingerpost import ConfigError
from fingerpost_demo.careers_log import Row, first_weeks, numbered, spoilt
from fingerpost_demo.college import (
    SEED,
    Tutor,
    assigned,
    groups_of,
    invent,
    log_name,
    tutored,
    tutors_of,
    write_log,
    write_tutors,
)
from fingerpost_demo.ilr import PREPARED, ilr_name, write_people
from fingerpost_demo.people import Aim, Intake, Person, extra_aims, make_people
from fingerpost_demo.terms import AS_OF, NEXT_SEPTEMBER, START, first_day, last_day

YEAR = START + 1
"""The calendar year in which the academic year begins."""
_EXPORTED = date(YEAR, 9, 11)
"""The day on which both ILR files are prepared."""
_BEGINS = date(YEAR, 8, 1)
_AS_OF = re.compile(r"^as_of = (\d{4}-\d\d-\d\d)", re.MULTILINE)
_NEW_REFERENCES = 3
_NO_RESULT, _DOES_NOT_COME_BACK, _NEXT_COURSE, _THIRD_YEAR, _TUTOR_LEFT = 0.02, 0.03, 0.6, 0.04, 0.2


@dataclass(frozen=True, slots=True)
class NextSeptember:
    """What was written: the day, the names of the exports, how many learners are there, and an example.

    `stayed` of the learners were there last year. The `example` is one of them whose group did most together.
    """

    day: date
    exports: tuple[str, ...]
    learners: int
    stayed: int
    example: str


def next_september(folder: Path, *, seed: int = SEED) -> NextSeptember | None:
    """Write the exports of the following September over those of a demonstration, and its day into its configuration.

    Returns None, and writes nothing, where that day has come. The day is written last: what is cut short can be done
    again. Raises `ConfigError` where the demonstration is no longer what was made.
    """
    data, path = folder / "data", folder / "fingerpost.toml"
    text = path.read_text(encoding="utf-8-sig")
    as_of = _AS_OF.search(text)
    if as_of is None:
        raise ConfigError(f"{path} no longer says as_of = {AS_OF}; make another demonstration: fingerpost demo DIR.")
    if as_of[1] >= str(NEXT_SEPTEMBER):
        return None
    rng, people, _, tutors, _, logs = invent(_count(data), seed)
    for person in people:
        _finish(person)
    write_people(data / ilr_name(START, _EXPORTED), rng, people, prepared=_EXPORTED)

    rng = random.Random(f"{seed} {YEAR}")  # noqa: S311 - invented people need no strong randomness
    before = {person.uln: person.group for person in people}
    second_years = list(_second_years(rng, people))
    everybody = [*second_years, *_first_years(rng, len(people) - len(second_years), before)]
    groups = groups_of(everybody)
    named = _tutors(rng, groups, tutors)
    write_people(data / ilr_name(YEAR, _EXPORTED), rng, everybody, year=YEAR, prepared=_EXPORTED)
    write_tutors(data, [assigned(ref, group, named[group], f"{YEAR}-09-01") for ref, group in tutored(rng, groups)])
    rows = numbered(first_weeks(rng, groups, {group: tutor.name for group, tutor in named.items()}), START)
    write_log(data, YEAR, spoilt(rng, rows, [person.ref for person in everybody]))
    for old in (ilr_name(START, PREPARED), *map(log_name, logs)):
        (data / old).unlink(missing_ok=True)
    path.write_text(_AS_OF.sub(f"as_of = {NEXT_SEPTEMBER}", text), encoding="utf-8", newline="\n")
    exports = ilr_name(START, _EXPORTED), ilr_name(YEAR, _EXPORTED), "tutors.csv", log_name(YEAR)
    return NextSeptember(
        NEXT_SEPTEMBER, exports, len(everybody), len(second_years), _example(second_years, before, logs[START])
    )


def _count(data: Path) -> int:
    """Return how many learners a demonstration was made with, by the ILR file that it has of that year."""
    for prepared in (PREPARED, _EXPORTED):
        file = data / ilr_name(START, prepared)
        if file.is_file():
            return file.read_text(encoding="utf-8").count("<LearnRefNumber>")
    raise ConfigError(
        f"The folder {data} has no {ilr_name(START, PREPARED)}; make another demonstration: fingerpost demo DIR."
    )


def _finish(person: Person) -> None:
    """End the aims that were to end by the summer; now and then nobody enters the result."""
    rng = random.Random(person.ref)  # noqa: S311 - invented people need no strong randomness
    if rng.random() < _NO_RESULT:
        return
    for aim in person.aims:
        if aim.status == 1 and aim.planned_end < _BEGINS:
            aim.status, aim.actual_end = 2, aim.planned_end


def _second_years(rng: random.Random, people: Iterable[Person]) -> Iterator[Person]:
    """Yield those who are there again: a few under another reference, one after having left."""
    renamed, has_returned = 0, False
    for person in people:
        withdrew = any(aim.status == 3 for aim in person.aims)
        if withdrew and not has_returned and not person.second_year:
            has_returned, aims = True, _next_course(rng, person)
        else:
            aims = [] if withdrew else _aims(rng, person)
        if not aims or (person.young and rng.random() < _DOES_NOT_COME_BACK and not withdrew):
            continue
        ref = person.ref
        if renamed < _NEW_REFERENCES and person.young and not withdrew and rng.random() < 0.05:
            renamed += 1
            ref = f"{YEAR % 100}9{renamed:05}"
        yield replace(person, ref=ref, aims=aims, second_year=True)


def _aims(rng: random.Random, person: Person) -> list[Aim]:
    """Return a learner's aims of the new academic year, none if there is no more to do."""
    going_on = [aim for aim in person.aims if aim.status == 1 and aim.planned_end >= _BEGINS]
    if not person.young:
        return going_on
    if going_on:
        extras = extra_aims(rng, person, rng.randint(1, 3), first_day(rng, YEAR), last_day(YEAR + 1, person.area.weeks))
        return going_on + extras
    more = rng.random() < (_THIRD_YEAR if person.second_year else _NEXT_COURSE)
    return _next_course(rng, person) if more else []


def _next_course(rng: random.Random, person: Person) -> list[Aim]:
    """Return another course, of one year, in the same area."""
    begin, end = first_day(rng, YEAR), last_day(YEAR + 1, person.area.weeks)
    main = next(aim for aim in person.aims if aim.kind == 5)
    another = replace(main, starts_on=begin, planned_end=end, status=1, actual_end=None)
    return [another, *extra_aims(rng, person, rng.randint(2, 4), begin, end)]


def _first_years(rng: random.Random, count: int, known: Mapping[str, str]) -> Iterator[Person]:
    """Yield those who are new and have begun; the others come later in the autumn."""
    for person in make_people(rng, count, placements=0, intake=Intake(YEAR, NEXT_SEPTEMBER, 0)):
        person.aims = [aim for aim in person.aims if aim.starts_on <= _EXPORTED]
        if person.aims and person.uln not in known:
            yield person


def _tutors(rng: random.Random, groups: Mapping[str, object], last: Mapping[str, Tutor]) -> dict[str, Tutor]:
    """Let tutors stay with a group's code, so that those who move up get another one; some have left."""
    stay = {group: tutor for group, tutor in last.items() if group in groups and rng.random() >= _TUTOR_LEFT}
    return tutors_of(rng, [group for group in groups if group not in stay], last.values()) | stay


def _example(people: Iterable[Person], before: Mapping[str, str], log: Iterable[Row]) -> str:
    """Return who is there under the same reference, and was in the group that did most together last year."""
    together = [row["group"] for row in log if not row["learner_ref"] and row["status"] == "Attended"]
    known = [person for person in people if person.young and person.ref[:2] != f"{YEAR % 100}"]
    return max(known, key=lambda person: together.count(before[person.uln])).ref
