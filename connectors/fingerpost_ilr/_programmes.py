"""Make programmes, as a tutor would count them, of the learning aims that the ILR lists.

The ILR has no record of a study programme: it lists aims, each with its funding model, programme type and dates (ILR
specification 2025-26, Learning Delivery entity). The rules here turn a learner's aims into programmes; no learner
with an aim is left without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

PLACEMENT_AIMS = {
    "Z0007834", "Z0007835", "Z0007836", "Z0007837", "Z0007838", "Z0002347", "ZWRKX001", "ZWRKX002", "ZWRKX003",
}  # fmt: skip
"""Aims that stand for a work placement (ILR validation rules WorkPlaceStartDate_03 and WorkPlacement_01)."""

_SUPPORTED_INTERNSHIP = "Z0002347"
_NAMELESS = PLACEMENT_AIMS | {"ZPROG001", ""}

_PROGRAMME_AIM, _CORE_AIM = "1", "5"
_CONTINUING, _COMPLETED, _WITHDRAWN, _ON_BREAK = "1", "2", "3", "6"

_YOUNG_FUND = {"25", "82"}
"""16 to 19 funding, and other 16 to 19."""
_YOUNG_PROG = {"", "30", "31"}
"""No programme type, T Level foundation year, T Level."""
_T_LEVEL = "31"
_TRAINEESHIP = "24"
_APPRENTICESHIPS = {"2", "3", "10", "20", "21", "22", "23", "25"}
_FUND_TYPES = {"36": "apprenticeship"} | dict.fromkeys(("10", "11", "35", "37", "38", "70", "81"), "adult")

_LEVELS = {"2": "3", "3": "2", "20": "4", "21": "5", "22": "6", "23": "7", _T_LEVEL: "3"}
"""Level by programme type; the level of anything else is in no ILR file."""


class Aim(NamedTuple):
    """One learning aim of a learner (ILR LearningDelivery): codes as they stand, dates empty where they are not."""

    ref: str
    kind: str
    fund: str
    prog: str
    course: str
    status: str
    start: str
    planned_end: str
    actual_end: str
    area: str


class Programme(NamedTuple):
    """One programme: `slug` tells it from the learner's others, whatever order the file has them in."""

    slug: str
    code: str
    title: str
    type: str
    level: str
    area: str
    starts_on: str
    planned_end: str
    actual_end: str
    status: str


@lru_cache(maxsize=4096)
def iso_day(text: str) -> str:
    """Return the day of an XML date, without the time or zone that it may carry; an empty text if it is not a date."""
    day = text[:10]
    try:
        date.fromisoformat(day)
    except ValueError:
        return ""
    return day if len(day) == 10 and day[4] == "-" else ""


def programmes(aims: Sequence[Aim]) -> list[Programme]:
    """Return the programmes that a learner's aims make up.

    * Aims of 16 to 19 funding are one study programme as long as they overlap: a T Level with its English and maths
      is one programme. A learner who left and began another later has two.
    * Every programme aim of an apprenticeship or traineeship is one programme; its components belong to it. Where the
      programme aim is missing, the components make it up.
    * Every other aim stands alone. Work placements alone make a programme only where there is nothing else.
    """
    young: list[Aim] = []
    families: dict[str, list[Aim]] = {}
    single: list[Aim] = []
    for aim in sorted(aims, key=lambda each: each.start):
        if aim.prog in _YOUNG_PROG and (aim.prog or aim.fund in _YOUNG_FUND):
            young.append(aim)
        elif aim.prog:
            families.setdefault(aim.prog, []).append(aim)
        else:
            single.append(aim)
    found = [_study_programme(spell, "25") for spell in _spells(young)]
    for family in families.values():
        found.extend(_family(family))
    found.extend(_standalone(aim) for aim in single if aim.ref not in PLACEMENT_AIMS)
    if aims and not found:
        found.append(_study_programme(single, "placement"))
    return found


def _spells(aims: Iterable[Aim]) -> list[list[Aim]]:
    """Split aims, in the order of their starts, where everything before had ended when the next began."""
    spells: list[list[Aim]] = []
    last_day: str | None = ""
    for aim in aims:
        if spells and (last_day is None or aim.start <= last_day):
            spells[-1].append(aim)
        else:
            spells.append([aim])
            last_day = ""
        last_day = max(last_day, aim.actual_end) if last_day is not None and aim.actual_end else None
    return spells


def _study_programme(spell: Sequence[Aim], slug: str) -> Programme:
    kept = [aim for aim in spell if aim.status != _WITHDRAWN] or spell
    named = [aim for aim in kept if aim.ref not in _NAMELESS]
    core = [aim for aim in named if aim.kind == _CORE_AIM]
    code = max(core or named, key=_length, default=None)
    ref = code.ref if code else ""
    level = ""
    if any(aim.prog == _T_LEVEL for aim in kept):
        type_, words, level = "t_level", "T Level", _LEVELS[_T_LEVEL]
    elif any(aim.ref == _SUPPORTED_INTERNSHIP for aim in kept):
        type_, words = "supported_internship", "Supported internship"
    elif any(aim.prog or aim.fund in _YOUNG_FUND for aim in kept):
        type_, words = "study_programme", "Study programme"
    else:
        type_, words = "other", "Work placement"
    area = (code.area if code else "") or _first_area(kept)
    return _programme(spell, slug=slug, type_=type_, title=f"{words} {ref}".strip(), code=ref, level=level, area=area)


def _length(aim: Aim) -> int:
    """Return how many days an aim is planned to take; of equal ones the first to start names the programme."""
    if not aim.start or not aim.planned_end:
        return 0
    return (date.fromisoformat(aim.planned_end) - date.fromisoformat(aim.start)).days


def _family(aims: Sequence[Aim]) -> list[Programme]:
    leaders = [[aim] for aim in aims if aim.kind == _PROGRAMME_AIM]
    if not leaders:
        courses: dict[str, list[Aim]] = {}
        for aim in aims:
            courses.setdefault(aim.course, []).append(aim)
        leaders = list(courses.values())
    return [_led_programme(members, _first_area(members) or _first_area(aims)) for members in leaders]


def _led_programme(members: Sequence[Aim], area: str) -> Programme:
    prog, course = members[0].prog, members[0].course
    if prog == _TRAINEESHIP:
        type_, title = "traineeship", "Traineeship"
    elif prog in _APPRENTICESHIPS:
        kind = "framework" if "/" in course else "standard"
        type_, title = "apprenticeship", f"Apprenticeship {kind} {course}" if course else "Apprenticeship"
    else:
        type_, title = "other", "Programme"
    slug = f"{prog}-{course.replace('/', '-')}" if course else prog
    level = _LEVELS.get(prog, "")
    return _programme(members, slug=slug, type_=type_, title=title, code=course, level=level, area=area)


def _standalone(aim: Aim) -> Programme:
    ref = aim.ref
    type_ = _FUND_TYPES.get(aim.fund, "other")
    return _programme([aim], slug=ref or "aim", type_=type_, title=f"Aim {ref}".strip(), code=ref, area=aim.area)


def _first_area(aims: Iterable[Aim]) -> str:
    return next((aim.area for aim in aims if aim.area), "")


def _programme(
    members: Sequence[Aim], *, slug: str, type_: str, title: str, code: str, area: str, level: str = ""
) -> Programme:
    ends = [aim.actual_end for aim in members]
    return Programme(
        slug=slug,
        code=code,
        title=title,
        type=type_,
        level=level,
        area=area,
        starts_on=min((aim.start for aim in members if aim.start), default=""),
        planned_end=max(aim.planned_end for aim in members),
        actual_end=max(ends) if all(ends) else "",
        status=_status({aim.status for aim in members}),
    )


def _status(statuses: set[str]) -> str:
    words = {_CONTINUING: "continuing", _ON_BREAK: "on_break", _COMPLETED: "completed", _WITHDRAWN: "withdrawn"}
    # Where it is no code that the specification knows, the host reports it.
    return next((word for code, word in words.items() if code in statuses), min(statuses))
