"""Make a college that does not exist: its ILR file, its tutors, its careers logs and its configuration.

The demonstration and the tests run on it. Everything follows from the seed; every person, address and number is
invented. It is realistic where that matters: the shape of a college, what tutors record and what they forget, and the
usual dirt of files that people keep by hand.
"""

from __future__ import annotations

import csv
import random
import unicodedata
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

__all__ = ["AS_OF", "FakeCollege", "make_college", "write_ilr"]

AS_OF = date(2026, 3, 2)
"""The day on which the fake college is looked at."""

_YEAR = "2526"
_UKPRN = 99999999
_DOMAIN = "example.ac.uk"

_GIVEN = (  # noqa: SIM905 - a page of quotation marks reads worse
    "Aaliyah Adam Aisha Alfie Amara Amelia Anya Arjun Ayaan Bethan Callum Chidi Chloé Connor Daniel Dilan Efua "
    "Ellie Emre Ewan Farah Fatima Finn Freya Gethin Grace Hamza Hannah Harpreet Ibrahim Imani Isla Jakub Jasmine "
    "Jayden Joe José Kai Kamal Keira Khadija Kofi Lauren Leila Liam Logan Łukasz Maisie Malik Maya Megan Mei Mia "
    "Mohammed Nadia Niamh Noah Nia Oisín Oliver Olivia Omar Oskar Parveen Poppy Priya Rahul Reece Rhys Rosa Ruby "
    "Ryan Safiya Sam Seren Shanice Siân Sofia Tariq Thanh Theo Tia Tomos Tyler Uzma Wiktoria Yasmin Yusuf Zainab "
    "Zara Zoë"
).split()
_FAMILY = (  # noqa: SIM905 - a page of quotation marks reads worse
    "Abdi Adeyemi Ahmed Ali Anderson Bailey Begum Bennett Boateng Brown Campbell Chen Chowdhury Clarke Costa "
    "Davies Demir Edwards Evans Fernandes Fletcher Foster García Green Griffiths Hall Harris Hassan Hughes "
    "Hussain Ibrahim Iqbal Jackson Jones Kamara Kaur Khan Kowalski Kumar Lewis Mahmood Marsh McKenna Mensah Miah "
    "Mitchell Morgan Müller Murphy Nguyễn Novák Nowak O'Brien O'Neill Okafor Olowo Osei Owen Palmer Patel Pereira "
    "Phillips Popescu Price Rahman Richardson Roberts Robinson Rossi Sesay Shah Sharma Silva Singh Smith-Jones "
    "Stewart Suleiman Taylor Thapa Thomas Thompson Turner Walker Wang Ward Watson White Williams Wilson Wójcik "
    "Wood Wright Yilmaz Young Zhang"
).split()


class _Area(NamedTuple):
    """A curriculum area: a code for its groups, the aims of its courses and the employers who come to it."""

    code: str
    name: str
    aim: str
    t_level: str
    standard: str
    employers: tuple[str, ...]


_AREAS = (
    _Area(
        "HSC", "Health and Care", "60311834", "60358300", "102", ("Elm Court Care Home", "Bridgeford Hospital Trust")
    ),
    _Area("CON", "Construction", "60173737", "60358312", "91", ("Hollins & Daughters Builders", "Northway Homes")),
    _Area("DIG", "Digital", "60153281", "60358294", "154", ("Blue Kite Software", "Harbour Data Ltd", "Pixel Foundry")),
    _Area("BUS", "Business", "60171759", "", "196", ("Riverside Bank", "Market Street Accountants")),
    _Area("CRE", "Creative Arts", "60171802", "", "", ("The Old Print Works", "Lantern Theatre", "Studio Nine")),
    _Area("ENG", "Engineering", "60170263", "60358324", "457", ("Acre Fabrications", "Denholm Rail", "Volt & Sons")),
    _Area("HAB", "Hair and Beauty", "60156876", "", "255", ("Salon Forty", "Juniper Spa")),
    _Area("SPO", "Sport", "60171991", "", "302", ("Bridgeford Leisure Centre", "City Football Foundation")),
    _Area("SCI", "Science", "60181846", "60358336", "", ("Calder Laboratories", "Bridgeford Water")),
    _Area("CAT", "Catering", "60150346", "", "228", ("The Weir Hotel", "Saffron Kitchen")),
    _Area("EYE", "Early Years", "60315619", "60358348", "135", ("Acorns Nursery", "Little Steps Pre-School")),
    _Area("ALV", "A Levels", "60144957", "", "", ("Bridgeford Council", "Hart Solicitors", "Calder Laboratories")),
)
_EMPLOYERS = sorted({employer for area in _AREAS for employer in area.employers})
_PROVIDERS = (
    ("Open day at the University of Bridgeford", "University of Bridgeford", "University"),
    ("Higher education fair", "Universities of the North", "University"),
    ("Apprenticeship providers' evening", "Calder Valley Training", "Training provider"),
    ("Degree apprenticeships talk", "Denholm Rail", "Apprenticeship provider"),
)
_ADVISERS = ("R. Achebe", "M. Lindqvist", "S. Pryce")

_PLACEMENT_AIM, _T_LEVEL_PLACEMENT_AIM = "ZWRKX001", "ZWRKX003"
_EXTRA_AIMS = ("60146084", "60147635", "Z0001897", "Z0005426", "Z0002035", "60350412")
"""Maths, English, tutorial, enrichment and the like."""
_KINDS = {"study": 58, "a_level": 12, "t_level": 12, "apprenticeship": 6, "adult": 12}
_YOUNG = ("study", "a_level", "t_level")
_YOUNG_SHARE = sum(_KINDS[kind] for kind in _YOUNG) / sum(_KINDS.values())


@dataclass(slots=True)
class _Placement:
    starts_on: date
    ends_on: date | None
    hours: int
    simulated: bool
    employer: str | None


@dataclass(slots=True)
class _Aim:
    ref: str
    kind: int
    fund: int
    starts_on: date
    planned_end: date
    prog: int | None = None
    standard: str = ""
    status: int = 1
    actual_end: date | None = None
    placement: _Placement | None = None


@dataclass(slots=True)
class _Person:
    ref: str
    uln: str
    family: str
    given: str
    sex: str
    born: date
    kind: str
    area: _Area
    second_year: bool
    ehc: bool
    aims: list[_Aim]
    group: str = ""


@dataclass(frozen=True, slots=True)
class FakeCollege:
    """What was made: where it is and how much of it there is."""

    folder: Path
    config: Path
    learners: int
    groups: int
    tutors: int
    without_tutor: int
    activities: int


def write_ilr(
    path: Path,
    *,
    learners: int,
    year: str = _YEAR,
    seed: int = 1,
    placements: float = 0.3,
    deliveries: tuple[int, int] = (3, 6),
) -> None:
    """Write an ILR file of that many learners, in flat memory.

    It passes the published schema of 2025-26. Each learner has from `deliveries[0]` to `deliveries[1]` aims;
    `placements` is the share of learners with a work placement, all of them on 16 to 19 programmes.
    """
    rng = random.Random(seed)  # noqa: S311 - invented people need no strong randomness
    people = _people(rng, learners, year, placements, deliveries)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        _write_ilr(out, rng, people, year)


# -- people -----------------------------------------------------------------------------------------------------------


def _people(
    rng: random.Random, count: int, year: str, placements: float, deliveries: tuple[int, int]
) -> Iterator[_Person]:
    start = 2000 + int(year[:2])
    ulns = _ulns(rng)
    kinds, weights = list(_KINDS), list(_KINDS.values())
    for number in range(1, count + 1):
        kind = rng.choices(kinds, weights)[0]
        placed = kind in _YOUNG and rng.random() < placements / _YOUNG_SHARE
        yield _person(rng, number, kind, start, next(ulns), placed, rng.randint(*deliveries))


def _ulns(rng: random.Random) -> Iterator[str]:
    """Yield learner numbers with a valid check digit, no two alike (ILR derived data DD01)."""
    offset, bits = rng.getrandbits(29), (1 << 29) - 1
    for number in range(1 << 29):
        digits = str(100_000_000 + ((offset + number * 314_159_265) & bits))
        rest = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits, strict=True)) % 11
        if rest:
            yield f"{digits}{10 - rest}"


def _person(rng: random.Random, number: int, kind: str, start: int, uln: str, placed: bool, deliveries: int) -> _Person:
    area = _area(rng, kind)
    second_year = kind != "adult" and rng.random() < 0.42
    ehc = kind == "study" and rng.random() < 0.06
    if kind == "adult":
        age = rng.randint(19, 58)
    elif kind == "apprenticeship":
        age = rng.randint(16, 22)
    else:
        age = rng.choices((16, 17, 18), (80, 15, 5))[0] + (rng.randint(0, 4) if ehc else 0)
    first = start - second_year
    person = _Person(
        ref=f"{first % 100:02}{number:06}",
        uln=uln,
        family=rng.choice(_FAMILY),
        given=rng.choice(_GIVEN),
        sex=rng.choice("FM"),
        born=date(first - age, 8, 31) - timedelta(days=rng.randint(0, 364)),
        kind=kind,
        area=area,
        second_year=second_year,
        ehc=ehc,
        aims=[],
    )
    if kind == "adult":
        person.aims = _adult_aims(rng, area, start, deliveries)
    elif kind == "apprenticeship":
        person.aims = _apprentice_aims(rng, area, first, deliveries)
    else:
        person.aims = _young_aims(rng, person, first, start, deliveries, placed)
    return person


def _area(rng: random.Random, kind: str) -> _Area:
    if kind == "a_level":
        return _AREAS[-1]
    fitting = [
        area
        for area in _AREAS[:-1]
        if (kind != "t_level" or area.t_level) and (kind != "apprenticeship" or area.standard)
    ]
    return rng.choice(fitting)


def _young_aims(
    rng: random.Random, person: _Person, first: int, start: int, deliveries: int, placed: bool
) -> list[_Aim]:
    begin = date(first, 9, 1) + timedelta(days=rng.randint(0, 11))
    two_years = person.kind != "study" or person.second_year or rng.random() < 0.55
    end = date(first + 1 + two_years, 6, 26)
    t_level = person.kind == "t_level"
    prog = 31 if t_level else None
    aims = [_Aim("ZPROG001", 1, 25, begin, end, prog)] if t_level else []
    aims.append(_Aim(person.area.t_level if t_level else person.area.aim, 5, 25, begin, end, prog))
    if placed:
        ref = _T_LEVEL_PLACEMENT_AIM if t_level else _PLACEMENT_AIM
        placement = _placement(rng, person.area, start, long=t_level)
        aims.append(_Aim(ref, 3 if t_level else 4, 25, begin, end, prog, placement=placement))
    extra = rng.sample(_EXTRA_AIMS, max(0, deliveries - len(aims)))
    aims += [_Aim(ref, 3 if t_level else 4, 25, begin, min(end, date(start + 1, 6, 26)), prog) for ref in extra]
    if rng.random() < 0.025:
        left = date(start, 10, 6) + timedelta(days=rng.randint(0, 120))
        for aim in aims:
            aim.status, aim.actual_end = 3, left
            if aim.placement and aim.placement.starts_on > left:
                aim.placement.starts_on, aim.placement.ends_on = begin, left
    return aims


def _placement(rng: random.Random, area: _Area, start: int, *, long: bool) -> _Placement:
    begin = date(start, 11, 3) + timedelta(days=rng.randint(0, 215))
    hours = rng.choice((315, 350, 400)) if long else rng.choice((30, 35, 35, 37, 60, 70))
    end = begin + timedelta(days=hours // 5 if long else hours // 7 + 2)
    simulated = not long and rng.random() < 0.08
    return _Placement(
        starts_on=begin,
        ends_on=end if rng.random() < 0.9 else None,
        hours=hours,
        simulated=simulated,
        employer=None if simulated or rng.random() < 0.1 else rng.choice(area.employers),
    )


def _apprentice_aims(rng: random.Random, area: _Area, first: int, deliveries: int) -> list[_Aim]:
    begin = date(first, 8, 18) + timedelta(days=rng.randint(0, 180))
    end = begin + timedelta(days=rng.randint(400, 900))
    refs = [("ZPROG001", 1), (area.aim, 3), *((ref, 3) for ref in _EXTRA_AIMS)][:deliveries]
    return [_Aim(ref, kind, 36, begin, end, 25, area.standard) for ref, kind in refs]


def _adult_aims(rng: random.Random, area: _Area, start: int, deliveries: int) -> list[_Aim]:
    aims = []
    for ref in (area.aim, *_EXTRA_AIMS)[:deliveries]:
        begin = date(start, 9, 8) + timedelta(days=rng.randint(0, 120))
        aim = _Aim(ref, 4, 38, begin, begin + timedelta(days=rng.randint(40, 260)))
        if aim.planned_end < date(start + 1, 2, 14):
            aim.status, aim.actual_end = 2, aim.planned_end
        aims.append(aim)
    return aims


# -- the ILR file -----------------------------------------------------------------------------------------------------


def _write_ilr(out: TextIO, rng: random.Random, people: Iterable[_Person], year: str) -> None:
    start = 2000 + int(year[:2])
    prepared = f"{start + 1}-02-27"
    out.write(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<Message xmlns="ESFA/ILR/{start}-{year[2:]}">\n<Header>\n<CollectionDetails>\n'
        + _tags(Collection="ILR", Year=year, FilePreparationDate=prepared)
        + "</CollectionDetails>\n<Source>\n"
        + _tags(
            ProtectiveMarking="OFFICIAL-SENSITIVE-Personal",
            UKPRN=_UKPRN,
            SoftwareSupplier="Fingerpost",
            SoftwarePackage="Fake college",
            Release=1,
            SerialNo="01",
            DateTime=f"{prepared}T01:02:03",
        )
        + "</Source>\n</Header>\n"
        + _group("LearningProvider", UKPRN=_UKPRN)
    )
    for person in people:
        out.write(_learner(rng, person))
    out.write("</Message>\n")


def _tags(**values: object) -> str:
    return "".join(f"<{name}>{value}</{name}>\n" for name, value in values.items() if value not in {None, ""})


def _group(tag: str, **values: object) -> str:
    return f"<{tag}>\n{_tags(**values)}</{tag}>\n"


def _learner(rng: random.Random, person: _Person) -> str:
    young = person.kind in _YOUNG
    begin = min(aim.starts_on for aim in person.aims)
    postcode = f"QX{rng.randint(1, 9)} {rng.randint(1, 9)}{rng.choice('ABDEFGH')}{rng.choice('JLNPQRS')}"
    parts = [
        _tags(
            LearnRefNumber=person.ref,
            ULN=person.uln,
            FamilyName=escape(person.family),
            GivenNames=escape(person.given),
            DateOfBirth=person.born,
            Ethnicity=rng.choice((31, 31, 31, 34, 35, 38, 39, 40, 41, 44, 98)),
            Sex=person.sex,
            LLDDHealthProb=1 if person.ehc else rng.choice((1, 2, 2, 2, 2, 9)),
            PlanLearnHours=rng.randint(480, 640) if young else None,
            PlanEEPHours=rng.randint(40, 120) if young else None,
            MathGrade=rng.choice("3456") if young else None,
            EngGrade=rng.choice("3456") if young else None,
            PostcodePrior=postcode,
            Postcode=postcode,
            AddLine1=f"{rng.randint(1, 199)} Weir Lane",
            AddLine2="Bridgeford",
            TelNo=f"07700900{rng.randint(0, 999):03}",
            Email=f"{_ascii(person.given)}.{_ascii(person.family)}{person.ref[-4:]}@{_DOMAIN}",
        ),
        _group("PriorAttain", PriorLevel=2 if young else rng.choice((1, 2, 3)), DateLevelApp=begin),
    ]
    if person.ehc:
        parts.append(_group("LLDDandHealthProblem", LLDDCat=rng.choice((12, 13, 14)), PrimaryLLDD=1))
        parts.append(_group("LearnerFAM", LearnFAMType="EHC", LearnFAMCode=1))
    if young:
        parts.append(_group("LearnerFAM", LearnFAMType="LSR", LearnFAMCode=rng.choice((36, 55, 56))))
    if person.group:
        parts.append(_group("ProviderSpecLearnerMonitoring", ProvSpecLearnMonOccur="A", ProvSpecLearnMon=person.group))
    if not young:
        status = 10 if person.kind == "apprenticeship" else rng.choice((10, 11, 12))
        parts.append(
            _group("LearnerEmploymentStatus", EmpStat=status, DateEmpStatApp=begin - timedelta(days=rng.randint(1, 60)))
        )
    parts += [_delivery(rng, person, number, aim) for number, aim in enumerate(person.aims, start=1)]
    return f"<Learner>\n{''.join(parts)}</Learner>\n"


def _delivery(rng: random.Random, person: _Person, number: int, aim: _Aim) -> str:
    parts = [
        _tags(
            LearnAimRef=aim.ref,
            AimType=aim.kind,
            AimSeqNumber=number,
            LearnStartDate=aim.starts_on,
            LearnPlanEndDate=aim.planned_end,
            FundModel=aim.fund,
            ProgType=aim.prog,
            StdCode=aim.standard,
            DelLocPostCode="QX1 1AA",
            CompStatus=aim.status,
            LearnActEndDate=aim.actual_end,
            WithdrawReason=rng.choice((2, 3, 40, 98)) if aim.status == 3 else None,
            Outcome={2: 1, 3: 3}.get(aim.status),
            SWSupAimId=uuid.UUID(int=rng.getrandbits(128), version=4),
        ),
        _group("LearningDeliveryFAM", LearnDelFAMType="SOF", LearnDelFAMCode={25: 107}.get(aim.fund, 105)),
    ]
    if aim.placement:
        parts.append(
            _group(
                "LearningDeliveryWorkPlacement",
                WorkPlaceStartDate=aim.placement.starts_on,
                WorkPlaceEndDate=aim.placement.ends_on,
                WorkPlaceHours=aim.placement.hours,
                WorkPlaceMode=1 if aim.placement.simulated else 2,
                WorkPlaceEmpId=_employer_id(aim.placement.employer),
            )
        )
    parts.append(_group("ProviderSpecDeliveryMonitoring", ProvSpecDelMonOccur="A", ProvSpecDelMon=person.area.name))
    return f"<LearningDelivery>\n{''.join(parts)}</LearningDelivery>\n"


def _employer_id(employer: str | None) -> str:
    """Return an employer number with a valid check digit (ILR derived data DD14)."""
    if employer is None:
        return "999999999"
    number = 10_000_000 + 137 * _EMPLOYERS.index(employer)
    while True:
        total = sum(weight * int(digit) for weight, digit in zip((9, 8, 7, 6, 5, 4, 3, 2), str(number), strict=True))
        check = (11 - total % 11) % 11
        if check < 10:
            return f"{number}{check}"
        number += 1


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("Ł", "L").replace("ł", "l"))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha()).lower()


# -- the whole college ------------------------------------------------------------------------------------------------

_CONFIG = """\
# A college that does not exist. Look at everything, change anything, then run: fingerpost sync

[college]
name = "Example College"
ukprn = 99999999
as_of = 2026-03-02 # the day this college is looked at; leave it out to look at today

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
_LOG_COLUMNS = (
    "activity_id", "learner_ref", "group", "activity_type", "title", "date", "end_date", "hours", "employer",
    "provider_type", "meaningful", "via_course", "mode", "status", "recorded_by", "event_key",
)  # fmt: skip
_GROUP_SIZE = 19
_WITHOUT_TUTOR = 0.01

_Row = dict[str, str]


def make_college(folder: Path, *, learners: int = 1200, seed: int = 20260302) -> FakeCollege:
    """Write a whole college below `folder`: `fingerpost.toml`, an ILR file, tutors and two years of careers logs."""
    rng = random.Random(seed)  # noqa: S311 - invented people need no strong randomness
    people = list(_people(rng, learners, _YEAR, 0.3, (3, 6)))
    groups = _groups(rng, people)
    tutors = _tutors(rng, groups)
    assignments, without = _assignments(rng, groups, tutors)
    this_year = _this_year(rng, groups, people, tutors)
    last_year = _last_year(rng, people)
    _spoil_ulns(rng, people)

    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    config = folder / "fingerpost.toml"
    config.write_text(_CONFIG, encoding="utf-8", newline="\n")
    with (data / f"ILR-{_UKPRN}-{_YEAR}-20260227-010203-01.xml").open("w", encoding="utf-8", newline="\n") as out:
        _write_ilr(out, rng, people, _YEAR)
    _write_csv(data / "tutors.csv", _TUTOR_COLUMNS, assignments)
    refs = [person.ref for person in people]
    logs = {"activities-2024-25.csv": ("A2425", last_year), "activities-2025-26.csv": ("A2526", this_year)}
    for name, (prefix, rows) in logs.items():
        rows.sort(key=lambda row: (row["date"], row["learner_ref"], row["group"], row["title"]))
        for number, row in enumerate(rows, start=1):
            row["activity_id"] = f"{prefix}-{number:05}"
            row["date"], row["end_date"] = _british(row["date"]), _british(row["end_date"])
        _write_csv(data / name, _LOG_COLUMNS, _spoilt(rng, rows, refs), ragged=True)
    return FakeCollege(
        folder=folder,
        config=config,
        learners=len(people),
        groups=len(groups),
        tutors=len(set(tutors.values())),
        without_tutor=without,
        activities=len(this_year) + len(last_year),
    )


def _groups(rng: random.Random, people: Sequence[_Person]) -> dict[str, list[_Person]]:
    """Put everybody but the adults into tutor groups of one area and one year."""
    cells: dict[str, list[_Person]] = defaultdict(list)
    for person in people:
        if person.kind == "apprenticeship":
            cells["APP"].append(person)
        elif person.kind != "adult":
            cells[f"{person.area.code}{2 if person.second_year else 1}"].append(person)
    groups: dict[str, list[_Person]] = {}
    for cell, members in sorted(cells.items()):
        count = max(1, round(len(members) / _GROUP_SIZE))
        for index, person in enumerate(members):
            person.group = f"{cell}{'ABCDEFGHJKLMNPQRSTUVWXYZ'[index * count // len(members) % 24]}"
            groups.setdefault(person.group, []).append(person)
    return groups


class _Tutor(NamedTuple):
    name: str
    email: str


def _tutors(rng: random.Random, groups: Iterable[str]) -> dict[str, _Tutor]:
    taken: set[str] = set()
    tutors = {}
    for group in groups:
        while True:
            given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
            email = f"{_ascii(given)}.{_ascii(family)}@{_DOMAIN}"
            if email not in taken:
                break
        taken.add(email)
        tutors[group] = _Tutor(f"{given} {family}", email)
    return tutors


def _assignments(
    rng: random.Random, groups: dict[str, list[_Person]], tutors: dict[str, _Tutor]
) -> tuple[list[_Row], int]:
    """Say who tutors whom: one group changed its tutor at Christmas, one has cover, a few learners have nobody."""
    names = list(groups)
    changed, covered = names[len(names) // 3], names[len(names) // 2]
    rows, without = [], 0

    def add(ref: str, group: str, tutor: _Tutor, role: str, starts_on: str, ends_on: str = "") -> None:
        rows.append(
            dict(zip(_TUTOR_COLUMNS, (ref, group, tutor.name, tutor.email, role, starts_on, ends_on), strict=True))
        )

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


def _spoil_ulns(rng: random.Random, people: Sequence[_Person]) -> None:
    """Give a few learners no learner number yet, and a few a mistyped one."""
    for person in people:
        chance = rng.random()
        if chance < 0.004:
            person.uln = "9999999999"
        elif chance < 0.008:
            person.uln = person.uln[:-1] + str((int(person.uln[-1]) + 3) % 10)


# -- the careers logs -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Log:
    """A careers log in the making; dates are ISO until the rows are in order."""

    rng: random.Random
    rows: list[_Row] = field(default_factory=list)
    events: int = 0

    def event(self, prefix: str) -> str:
        self.events += 1
        return f"{prefix}-{self.events:04}"

    def add(self, day: date, kind: str, title: str, *, ref: str = "", group: str = "", **more: str) -> None:
        row = dict.fromkeys(_LOG_COLUMNS, "")
        row |= {"learner_ref": ref, "group": group, "activity_type": kind, "title": title, "date": day.isoformat()}
        row |= {"mode": "In person", "status": "Attended", "recorded_by": self.rng.choice(_ADVISERS)}
        self.rows.append(row | more)


def _this_year(
    rng: random.Random, groups: dict[str, list[_Person]], people: Sequence[_Person], tutors: dict[str, _Tutor]
) -> list[_Row]:
    log = _Log(rng)
    for group, members in groups.items():
        for day, kind, title, more in _group_events(rng, members[0]):
            event = log.event(group)
            planned = day > AS_OF
            status = "Planned" if planned else "Attended"
            more |= {"event_key": event, "status": status, "recorded_by": tutors[group].name}
            log.add(day, kind, title, group=group, **more)
            for person in members:
                if not planned and rng.random() < 0.06:
                    log.add(day, kind, title, ref=person.ref, **more | {"status": "Did not attend"})
    for person in people:
        if person.kind != "adult":
            _own_events(rng, log, person)
    return log.rows


def _group_events(rng: random.Random, member: _Person) -> Iterator[tuple[date, str, str, _Row]]:
    """Yield what a tutor group did together this year, and what is booked for it."""
    autumn, winter, spring = date(2025, 9, 22), date(2025, 11, 10), date(2026, 3, 9)
    employer = rng.choice(member.area.employers)
    if rng.random() < 0.75:
        yield _day(rng, autumn, 40), "LMI session", "Jobs in our region", {"hours": "1", "via_course": "Yes"}
    if rng.random() < 0.7:
        more = {"employer": employer, "hours": "1.5", "via_course": "Yes", "meaningful": rng.choice(("Yes", "Yes", ""))}
        yield _day(rng, autumn, 60), "Employer talk", f"Talk by {employer}", more
    if rng.random() < 0.35:
        more = {"employer": employer, "hours": "3", "via_course": "Yes", "meaningful": rng.choice(("Yes", "", "No"))}
        yield _day(rng, winter, 90), "Employer project", f"Project set by {employer}", more
    if rng.random() < (0.6 if member.second_year else 0.3):
        title, provider, provider_type = rng.choice(_PROVIDERS)
        more = {"employer": provider, "provider_type": provider_type, "hours": "4"}
        yield _day(rng, winter, 90), "Provider visit", title, more
    if rng.random() < 0.4:
        other = rng.choice(_EMPLOYERS)
        yield _day(rng, spring, 80), "Employer visit", f"Visit to {other}", {"employer": other, "hours": "3"}


def _own_events(rng: random.Random, log: _Log, person: _Person) -> None:
    """Add what one learner did alone."""
    ref = person.ref
    for _ in range(rng.choices((0, 1, 2), (55, 33, 12))[0]):
        employer = rng.choice(_EMPLOYERS)
        virtual = rng.random() < 0.12
        log.add(
            _day(rng, date(2025, 9, 15), 160),
            rng.choice(("Employer talk", "Mock interview", "Careers fair")),
            f"Meeting with {employer}",
            ref=ref,
            employer=employer,
            hours=rng.choice(("0.5", "1", "1.5", "")),
            via_course=rng.choice(("Yes", "No", "No", "")),
            meaningful=rng.choice(("Yes", "Yes", "", "No")),
            mode="Online" if virtual else "In person",
        )
    if rng.random() < 0.34:
        hours = rng.choice(("0.5", "0.75"))
        log.add(_day(rng, date(2025, 9, 15), 165), "Careers interview", "Careers interview", ref=ref, hours=hours)
    if person.second_year and rng.random() < 0.3:
        title, provider, provider_type = rng.choice(_PROVIDERS[:2])
        day = _day(rng, date(2025, 9, 20), 120)
        log.add(day, "Provider visit", title, ref=ref, employer=provider, provider_type=provider_type, hours="4")
    for aim in person.aims:
        placement = aim.placement
        if placement and not placement.simulated and placement.ends_on and placement.ends_on < AS_OF:
            chance = rng.random()
            if chance < 0.75:
                log.add(
                    placement.starts_on,
                    "Work experience",
                    f"Placement with {placement.employer or 'an employer'}",
                    ref=ref,
                    end_date=placement.ends_on.isoformat(),
                    hours=str(placement.hours),
                    employer=placement.employer or "",
                    meaningful=rng.choice(("Yes", "Yes", "Yes", "")),
                    status="Attended" if chance < 0.7 else "Did not attend",
                )


def _last_year(rng: random.Random, people: Sequence[_Person]) -> list[_Row]:
    """Add what the second-year learners did last year."""
    log = _Log(rng)
    talks = {
        area.code: (log.event("T2425"), _day(rng, date(2024, 10, 7), 120), rng.choice(area.employers))
        for area in _AREAS
    }
    for person in people:
        if not person.second_year or person.kind == "adult":
            continue
        event, day, employer = talks[person.area.code]
        if rng.random() < 0.7:
            log.add(
                day,
                "Employer talk",
                f"Talk by {employer}",
                ref=person.ref,
                employer=employer,
                hours="1",
                via_course="Yes",
                event_key=event,
            )
        if rng.random() < 0.5:
            log.add(_day(rng, date(2024, 10, 1), 60), "LMI session", "Jobs in our region", ref=person.ref)
        if rng.random() < 0.18:
            log.add(_day(rng, date(2025, 1, 13), 140), "Careers interview", "Careers interview", ref=person.ref)
        if rng.random() < 0.15:
            employer = rng.choice(person.area.employers)
            log.add(
                date(2025, 6, 9),
                "Work experience",
                f"Placement with {employer}",
                ref=person.ref,
                end_date="2025-06-13",
                hours="35",
                employer=employer,
                meaningful="Yes",
            )
    return log.rows


def _day(rng: random.Random, first: date, days: int) -> date:
    """Return a weekday."""
    day = first + timedelta(days=rng.randint(0, days))
    return day - timedelta(days=max(0, day.weekday() - 4))


def _british(iso: str) -> str:
    return date.fromisoformat(iso).strftime("%d/%m/%Y") if iso else ""


def _spoilt(rng: random.Random, rows: Iterable[_Row], refs: Sequence[str]) -> Iterator[_Row]:
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


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[_Row], *, ragged: bool = False) -> None:
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
