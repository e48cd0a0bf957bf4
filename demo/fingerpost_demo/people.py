"""The people of an invented college: who they are, what they study and where they are placed.

Every person, address and number is invented. The shape is a real college's: areas, kinds of programme, ages, second
years, work placements and learners who leave.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from fingerpost_demo.terms import AS_OF, START, first_day, last_day

if TYPE_CHECKING:
    import random

UKPRN = 99999999
DOMAIN = "example.ac.uk"

GIVEN = (  # noqa: SIM905 - a page of quotation marks reads worse
    "Aaliyah Adam Aisha Alfie Amara Amelia Anya Arjun Ayaan Bethan Callum Chidi Chloé Connor Daniel Dilan Efua "
    "Ellie Emre Ewan Farah Fatima Finn Freya Gethin Grace Hamza Hannah Harpreet Ibrahim Imani Isla Jakub Jasmine "
    "Jayden Joe José Kai Kamal Keira Khadija Kofi Lauren Leila Liam Logan Łukasz Maisie Malik Maya Megan Mei Mia "
    "Mohammed Nadia Niamh Noah Nia Oisín Oliver Olivia Omar Oskar Parveen Poppy Priya Rahul Reece Rhys Rosa Ruby "
    "Ryan Safiya Sam Seren Shanice Siân Sofia Tariq Thanh Theo Tia Tomos Tyler Uzma Wiktoria Yasmin Yusuf Zainab "
    "Zara Zoë"
).split()
FAMILY = (  # noqa: SIM905 - a page of quotation marks reads worse
    "Abdi Adeyemi Ahmed Ali Anderson Bailey Begum Bennett Boateng Brown Campbell Chen Chowdhury Clarke Costa "
    "Davies Demir Edwards Evans Fernandes Fletcher Foster García Green Griffiths Hall Harris Hassan Hughes "
    "Hussain Ibrahim Iqbal Jackson Jones Kamara Kaur Khan Kowalski Kumar Lewis Mahmood Marsh McKenna Mensah Miah "
    "Mitchell Morgan Müller Murphy Nguyễn Novák Nowak O'Brien O'Neill Okafor Olowo Osei Owen Palmer Patel Pereira "
    "Phillips Popescu Price Rahman Richardson Roberts Robinson Rossi Sesay Shah Sharma Silva Singh Smith-Jones "
    "Stewart Suleiman Taylor Thapa Thomas Thompson Turner Walker Wang Ward Watson White Williams Wilson Wójcik "
    "Wood Wright Yilmaz Young Zhang"
).split()


class Area(NamedTuple):
    """A curriculum area: a code for its groups, the aims of its courses and the employers who come to it.

    Its courses end so many `weeks` after the first that do.
    """

    code: str
    name: str
    aim: str
    t_level: str
    standard: str
    employers: tuple[str, ...]
    weeks: int


AREAS = (
    Area(
        "HSC", "Health and Care", "60311834", "60358300", "102", ("Elm Court Care Home", "Bridgeford Hospital Trust"), 1
    ),
    Area("CON", "Construction", "60173737", "60358312", "91", ("Hollins & Daughters Builders", "Northway Homes"), 2),
    Area(
        "DIG", "Digital", "60153281", "60358294", "154", ("Blue Kite Software", "Harbour Data Ltd", "Pixel Foundry"), 1
    ),
    Area("BUS", "Business", "60171759", "", "196", ("Riverside Bank", "Market Street Accountants"), 0),
    Area("CRE", "Creative Arts", "60171802", "", "", ("The Old Print Works", "Lantern Theatre", "Studio Nine"), 1),
    Area("ENG", "Engineering", "60170263", "60358324", "457", ("Acre Fabrications", "Denholm Rail", "Volt & Sons"), 2),
    Area("HAB", "Hair and Beauty", "60156876", "", "255", ("Salon Forty", "Juniper Spa"), 1),
    Area("SPO", "Sport", "60171991", "", "302", ("Bridgeford Leisure Centre", "City Football Foundation"), 0),
    Area("SCI", "Science", "60181846", "60358336", "", ("Calder Laboratories", "Bridgeford Water"), 0),
    Area("CAT", "Catering", "60150346", "", "228", ("The Weir Hotel", "Saffron Kitchen"), 2),
    Area("EYE", "Early Years", "60315619", "60358348", "135", ("Acorns Nursery", "Little Steps Pre-School"), 1),
    Area("ALV", "A Levels", "60144957", "", "", ("Bridgeford Council", "Hart Solicitors", "Calder Laboratories"), 0),
)
EMPLOYERS = sorted({employer for area in AREAS for employer in area.employers})
PROVIDERS = (
    ("Open day at the University of Bridgeford", "University of Bridgeford", "University"),
    ("Higher education fair", "Universities of the North", "University"),
    ("Apprenticeship providers' evening", "Calder Valley Training", "Training provider"),
    ("Degree apprenticeships talk", "Denholm Rail", "Apprenticeship provider"),
)
_PLACEMENT_AIM, _T_LEVEL_PLACEMENT_AIM = "ZWRKX001", "ZWRKX003"
_EXTRA_AIMS = ("60146084", "60147635", "Z0001897", "Z0005426", "Z0002035", "60350412")
"""Maths, English, tutorial, enrichment and the like."""
_KINDS = {"study": 58, "a_level": 12, "t_level": 12, "apprenticeship": 6, "adult": 12}
_YOUNG = ("study", "a_level", "t_level")
_YOUNG_SHARE = sum(_KINDS[kind] for kind in _YOUNG) / sum(_KINDS.values())


class Intake(NamedTuple):
    """When people are looked at: the calendar year in which the academic year begins, the day, and who is there.

    `second_years` is the share of those who are in their second year.
    """

    year: int
    today: date
    second_years: float


THIS_YEAR = Intake(START, AS_OF, 0.42)


@dataclass(slots=True)
class Placement:
    """A work placement, or a simulated one."""

    starts_on: date
    ends_on: date | None
    hours: int
    simulated: bool
    employer: str | None


@dataclass(slots=True)
class Aim:
    """One learning aim, as the ILR has it."""

    ref: str
    kind: int
    fund: int
    starts_on: date
    planned_end: date
    prog: int | None = None
    standard: str = ""
    status: int = 1
    actual_end: date | None = None
    placement: Placement | None = None


@dataclass(slots=True)
class Person:
    """A learner."""

    ref: str
    uln: str
    family: str
    given: str
    sex: str
    born: date
    kind: str
    area: Area
    second_year: bool
    ehc: bool
    aims: list[Aim] = field(default_factory=list)
    group: str = ""

    @property
    def young(self) -> bool:
        """Say whether this is a learner on a 16 to 19 programme."""
        return self.kind in _YOUNG


def make_people(
    rng: random.Random,
    count: int,
    *,
    placements: float = 0.3,
    deliveries: tuple[int, int] = (3, 6),
    intake: Intake = THIS_YEAR,
) -> Iterator[Person]:
    """Yield that many learners, each with a number of aims within `deliveries`; `placements` is the share placed."""
    ulns = make_ulns(rng)
    for number in range(1, count + 1):
        kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        placed = kind in _YOUNG and rng.random() < placements / _YOUNG_SHARE
        yield _person(rng, intake, number, kind, next(ulns), placed, rng.randint(*deliveries))


def make_ulns(rng: random.Random) -> Iterator[str]:
    """Yield learner numbers with a valid check digit, no two alike (ILR derived data DD01)."""
    offset, bits = rng.getrandbits(29), (1 << 29) - 1
    for number in range(1 << 29):
        digits = str(100_000_000 + ((offset + number * 314_159_265) & bits))
        rest = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits, strict=True)) % 11
        if rest:
            yield f"{digits}{10 - rest}"


def _person(
    rng: random.Random, intake: Intake, number: int, kind: str, uln: str, placed: bool, deliveries: int
) -> Person:
    area = _area(rng, kind)
    second_year = kind != "adult" and rng.random() < intake.second_years
    ehc = kind == "study" and rng.random() < 0.06
    if kind == "adult":
        age = rng.randint(19, 58)
    elif kind == "apprenticeship":
        age = rng.randint(16, 22)
    else:
        age = rng.choices((16, 17, 18), (80, 15, 5))[0] + (rng.randint(0, 4) if ehc else 0)
    first = intake.year - second_year
    family, given, sex = rng.choice(FAMILY), rng.choice(GIVEN), rng.choice("FM")
    born = date(first - age, 8, 31) - timedelta(days=rng.randint(0, 364))
    ref = f"{first % 100:02}{number:06}"
    person = Person(ref, uln, family, given, sex, born, kind, area, second_year, ehc)
    if kind == "adult":
        person.aims = _adult_aims(rng, intake, area, deliveries)
    elif kind == "apprenticeship":
        person.aims = _apprentice_aims(rng, area, first, deliveries)
    else:
        person.aims = _young_aims(rng, intake, person, first, deliveries, placed)
    return person


def _area(rng: random.Random, kind: str) -> Area:
    if kind == "a_level":
        return AREAS[-1]
    return rng.choice([
        area for area in AREAS[:-1]
        if {"t_level": area.t_level, "apprenticeship": area.standard}.get(kind, True)
    ])  # fmt: skip


def _young_aims(
    rng: random.Random, intake: Intake, person: Person, first: int, deliveries: int, placed: bool
) -> list[Aim]:
    begin = first_day(rng, first)
    two_years = person.kind != "study" or person.second_year or rng.random() < 0.55
    weeks = person.area.weeks
    end = last_day(first + 1 + two_years, weeks)
    t_level = person.kind == "t_level"
    prog = 31 if t_level else None
    aims = [Aim("ZPROG001", 1, 25, begin, end, prog)] if t_level else []
    aims.append(Aim(person.area.t_level if t_level else person.area.aim, 5, 25, begin, end, prog))
    if placed:
        ref = _T_LEVEL_PLACEMENT_AIM if t_level else _PLACEMENT_AIM
        placement = _placement(rng, intake, person.area, long=t_level)
        aims.append(Aim(ref, 3 if t_level else 4, 25, begin, end, prog, placement=placement))
    aims += extra_aims(rng, person, deliveries - len(aims), begin, min(end, last_day(intake.year + 1, weeks)))
    if rng.random() < 0.025:
        left = date(intake.year, 10, 6) + timedelta(days=rng.randint(0, 120))
        if left <= intake.today:
            _withdraw(aims, begin, left)
    return aims


def extra_aims(rng: random.Random, person: Person, count: int, begin: date, end: date) -> list[Aim]:
    """Return what a young learner does beside the main aim: maths, English, tutorial, enrichment and the like."""
    t_level = person.kind == "t_level"
    kind, prog = (3, 31) if t_level else (4, None)
    return [Aim(ref, kind, 25, begin, end, prog) for ref in rng.sample(_EXTRA_AIMS, max(0, count))]


def _withdraw(aims: list[Aim], begin: date, left: date) -> None:
    for aim in aims:
        aim.status, aim.actual_end = 3, left
        if aim.placement and aim.placement.starts_on > left:
            aim.placement.starts_on, aim.placement.ends_on = begin, left


def _placement(rng: random.Random, intake: Intake, area: Area, *, long: bool) -> Placement:
    begin = date(intake.year, 11, 3) + timedelta(days=rng.randint(0, 215))
    hours = rng.choice((315, 350, 400)) if long else rng.choice((30, 35, 35, 37, 60, 70))
    end = begin + timedelta(days=hours // 5 if long else hours // 7 + 2)
    simulated = not long and rng.random() < 0.08
    ended = end if rng.random() < 0.9 else None
    employer = None if simulated or rng.random() < 0.1 else rng.choice(area.employers)
    return Placement(begin, ended, hours, simulated, employer)


def _apprentice_aims(rng: random.Random, area: Area, first: int, deliveries: int) -> list[Aim]:
    begin = date(first, 8, 18) + timedelta(days=rng.randint(0, 180))
    end = begin + timedelta(days=rng.randint(400, 900))
    refs = [("ZPROG001", 1), (area.aim, 3), *((ref, 3) for ref in _EXTRA_AIMS)][:deliveries]
    return [Aim(ref, kind, 36, begin, end, 25, area.standard) for ref, kind in refs]


def _adult_aims(rng: random.Random, intake: Intake, area: Area, deliveries: int) -> list[Aim]:
    aims = []
    for ref in (area.aim, *_EXTRA_AIMS)[:deliveries]:
        begin = date(intake.year, 9, 8) + timedelta(days=rng.randint(0, 120))
        aim = Aim(ref, 4, 38, begin, begin + timedelta(days=rng.randint(40, 260)))
        if aim.planned_end < date(intake.year + 1, 2, 14):
            aim.status, aim.actual_end = 2, aim.planned_end
        aims.append(aim)
    return aims


def ascii_letters(text: str) -> str:
    """Return the letters of a name as an e-mail address has them."""
    plain = unicodedata.normalize("NFKD", text.replace("Ł", "L").replace("ł", "l"))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha()).lower()
