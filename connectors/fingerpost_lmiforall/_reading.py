"""What LMI for All answers, as facts.

The service is old, and what it answers may be cut, odd or from something else that took its place. So nothing here
raises, whatever JSON it is given: what cannot be read is left out, and no facts at all mean that there is no data.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from fingerpost.lmi import AS_SERVED, Fact, FactKind, Json, Occupation, Origin, Reply, fold_region, plain_text

NAME = "lmiforall"
"""The connector's type, and the service's name in what is remembered."""

ADVERTS = f"{NAME}-vacancies"
"""The name there of the service's adverts: when they are to be left alone for a while, nothing else is."""

ORIGIN = Origin(
    source="LMI for All",
    attribution="Data powered by LMI for All.",
    licence="Open Government Licence",
    region=AS_SERVED,
)
"""A figure that was asked for without a region may not be the UK's: one consumer says that the service means London."""

_ONET = ORIGIN._replace(
    attribution=f"{ORIGIN.attribution} It includes information from the O*NET Database by the U.S. Department of "
    "Labor, Employment and Training Administration (USDOL/ETA), used under the CC BY 4.0 licence.",
    licence=f"{ORIGIN.licence}; O*NET: CC BY 4.0",
)
_ADVERTS = ORIGIN._replace(licence="not established")
"""The service's licence speaks of its own data; nothing says on what terms the adverts may be shown."""

ASHE_REGIONS, FUTURES_REGIONS, SURVEY_REGIONS = "ashe/filters/all", "wf/filters/info/region", "ess/regions"
"""Where each family of endpoints lists its regions: ASHE numbers them differently from the other two."""

UNREADABLE = object()
"""Stands for an answer that is not JSON."""

_MOST_BYTES = 1024 * 1024
_MOST_DEPTH = 30
_LONGEST_TASKS = 20_000
_SHORT, _LONG = 300, 3_000
_MOST_ONET_CODES = 10

_NEC = re.compile(r"(?i)[\s,(]*\bn\.?e\.?c\b\.?\)?$")
_JACS = re.compile(r"^\([A-Z0-9]{1,5}\)\s*")
_PERIOD = re.compile(r"(\d{4})(?:[/-]\d{2,4})?")
_ONET_CODE = re.compile(r"[0-9]{2}-[0-9]{4}\.[0-9]{2}")


class Region(NamedTuple):
    """A region as one family of endpoints names and numbers it."""

    name: str
    code: int


class About(NamedTuple):
    """Say what all facts of one answer have in common."""

    soc: str
    retrieved: date
    stale: bool = False
    region: str = AS_SERVED
    coarse: bool = False

    def fact(self, kind: FactKind, origin: Origin = ORIGIN, **said: Any) -> Fact:
        """Make a fact."""
        common: dict[str, Any] = {"region": self.region, "coarse": self.coarse}
        reply = Reply(None, self.retrieved, self.stale)
        return origin.fact(kind, Occupation(self.soc, 2010), reply, **(common | said))

    def read(self, value: object) -> Json:
        """Return an answer, or nothing where it is about another occupation; a coarse one may name the wider group."""
        said = Json(value)
        return said if self.coarse or "soc" not in said or said["soc"].soc() == self.soc else Json(None)


# -- answers and what is none ------------------------------------------------------------------------------------------


def json_value(content: bytes) -> Any:
    """Return what a body holds, or `UNREADABLE` where it is empty, not JSON, too long or too deep to be an answer."""
    if len(content) > _MOST_BYTES:
        return UNREADABLE
    try:
        value = json.loads(content, parse_float=_finite, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return UNREADABLE
    return UNREADABLE if _is_deep(value) else value


def _finite(text: str) -> float | None:
    """Read a number; what is too large to be one cannot be remembered as JSON either."""
    figure = float(text)
    return figure if math.isfinite(figure) else None


def _is_deep(value: Any) -> bool:
    """Say whether a value is nested deeper than any answer: whoever walks through it later would run out of stack."""
    level = [Json(value)]
    for _ in range(_MOST_DEPTH):
        level = [inner for one in level for inner in (*one, *dict(one.items()).values())]
        if not level:
            return False
    return True


_KEYS: dict[str, tuple[str, ...]] = {
    "ashe/estimatePay": ("series",), "ashe/estimateHours": ("series",), "ashe/annualChanges": ("annual_changes",),
    "lfs/unemployment": ("years",), "wf/predict": ("predictedEmployment",), "wf/replacement_demand": ("rate",),
    "ess/uk": ("percentSSV", "percentHTF", "percentHTFisSSV"),
    "ess/region": ("percentSSV", "percentHTF", "percentHTFisSSV"),
    "o-net/soc2onet": ("onetCodes",), "o-net/skills": ("scales",), "hesa/courses": ("years",),
}  # fmt: skip
"""By these keys an answer is known, whatever the figures in it: it has at least one of them."""


def is_answer(path: str, value: object) -> bool:
    """Say whether an answer has the form that is documented for what was asked; a list of regions has London."""
    said = Json(value)
    if path in ("soc/search", "vacancies/search"):
        return isinstance(value, list)
    if path in (ASHE_REGIONS, FUTURES_REGIONS, SURVEY_REGIONS):
        return "london" in regions(value)
    if path.startswith("soc/code/"):
        return said["soc"].whole(0, 9999) is not None and "title" in said
    return any(key in said for start, keys in _KEYS.items() if path.startswith(start) for key in keys)


def is_no_data(value: object) -> bool:
    """Say whether this is how the service says that it has no figure: with nothing, or a lone error."""
    return value is UNREADABLE or value is None or (isinstance(value, dict) and value.keys() == {"error"})


def is_occupation(value: object, soc: str) -> bool:
    """Say whether an answer is an occupation, and the one that was asked for."""
    return bool(title(value)) and Json(value)["soc"].soc() == soc


def is_rate_limited(value: object) -> bool:
    """Say whether `vacancies/search` asks us to slow down: it does so with an advert of that title, and status 200."""
    listed = list(Json(value))
    return len(listed) == 1 and listed[0]["title"].text().casefold() == "too many requests"


# -- occupations and regions -------------------------------------------------------------------------------------------


def title(value: object) -> str:
    """Return the title of an occupation; an unknown code comes back as an occupation that is called "Missing"."""
    text = _NEC.sub("", Json(value)["title"].text(_SHORT))
    return "" if text.casefold() == "missing" else text


def occupation(value: object, about: About) -> list[Fact]:
    """Read `soc/code`: title, description, qualifications, tasks and alternative titles, told apart by `statistic`."""
    said = about.read(value)
    named = title(said)
    # Entities end with a semicolon as well.
    tasks = html.unescape(said["tasks"].string[:_LONGEST_TASKS]).split(";")
    texts = [
        ("title", named),
        ("description", said["description"].text(_LONG)),
        ("qualifications", said["qualifications"].text(_LONG)),
        *(("task", plain_text(task, _SHORT)) for task in tasks),
        *(("alternative title", other.text(_SHORT)) for other in said["add_titles"]),
    ]
    shown = dict.fromkeys((statistic, text) for statistic, text in texts if text) if named else {}
    return [about.fact("occupation", statistic=statistic, text=text) for statistic, text in shown]


def found_occupations(value: object) -> list[Occupation]:
    """Read `soc/search`, in the order of the service; lists may repeat a code and end with the code -1."""
    found: dict[str, Occupation] = {}
    for row in Json(value):
        code, named = row["soc"].soc(), title(row)
        if code and named:
            found.setdefault(code, Occupation(code, 2010, named))
    return list(found.values())


def regions(value: object) -> dict[str, Region]:
    """Read a list of regions by folded name, in any of the three forms that the families of endpoints have.

    ASHE lists every filter with its `codings`, Working Futures shows one filter with its `coding`, and the Employer
    Skills Survey maps names to codes. A name that has two codes is left out: nobody can tell which is meant.
    """
    found: dict[str, set[Region]] = {}
    for said, code in _codings(Json(value)):
        name, number = said.text(_SHORT), code.whole(0, 9999)
        if name and number is not None:
            found.setdefault(fold_region(name), set()).add(Region(name, number))
    return {folded: min(several) for folded, several in found.items() if len({region.code for region in several}) == 1}


def _codings(said: Json) -> Iterator[tuple[Json, Json]]:
    filters = [row for row in said if row["name"].value == "region"]
    if "coding" in said or "codings" in said:
        filters.append(said)
    else:
        yield from ((Json(name), code) for name, code in said.items())
    for one in filters:
        for row in (*one["codings"], *one["coding"]):
            yield row["name" if "name" in row else "description"], row["value" if "value" in row else "code"]


# -- figures -----------------------------------------------------------------------------------------------------------


def _year(row: Json, key: str = "year") -> int | None:
    return row[key].whole(1990, 2100)


_SERIES: dict[FactKind, tuple[str, str, float, float, str, str]] = {
    "pay": ("series", "estpay", 1, 100_000, "GBP a week", "estimate"),  # gross, modelled
    "hours": ("series", "hours", 0.1, 168, "hours a week", "estimate"),
    # Of pay, to the year before; most likely in percent.
    "annual_change": ("annual_changes", "change", -100, 1_000, "percent", "change in a year"),
    "unemployment": ("years", "unemprate", 1e-9, 100, "percent", "rate"),  # 0 stands for no figure
}
"""Where an answer has a figure for each year, from what to what it may be, its unit and what it is."""


def newest(value: object, about: About, kind: FactKind) -> list[Fact]:
    """Read the figure of the newest year that has one; the order of the rows says nothing."""
    rows, key, low, high, unit, statistic = _SERIES[kind]
    figures = ((_year(row), row[key].number(low, high)) for row in about.read(value)[rows])
    known = {year: figure for year, figure in figures if year is not None and figure is not None}
    return [
        about.fact(kind, year=str(year), value=known[year], unit=unit, statistic=statistic)
        for year in sorted(known)[-1:]
    ]


def shortages(value: object, about: About) -> list[Fact]:
    """Read `ess/uk` and `ess/region`: three shares in percent, with what the survey says of their reliability."""
    said = about.read(value)
    served = said["region"]["name"].text(_SHORT)
    if about.region != AS_SERVED and served and fold_region(served) != fold_region(about.region):
        return []
    year, reliability = _year(said), said["reliability"].whole(0, 10)
    shares = {
        "percentSSV": "vacancies that are skill-shortage",
        "percentHTF": "vacancies that are hard to fill",
        "percentHTFisSSV": "hard-to-fill vacancies that are skill-shortage",
    }
    return [
        about.fact(
            "shortage", value=share, unit="percent", statistic=statistic, year="" if year is None else str(year),
            text=None if reliability is None else f"reliability {reliability}",
        )
        for key, statistic in shares.items()
        if (share := said[key].number(0, 100)) is not None
    ]  # fmt: skip


def employment(value: object, about: About) -> list[Fact]:
    """Read `wf/predict`: people in the occupation, for every year, the earliest first."""
    return _projection(((_year(row), row) for row in about.read(value)["predictedEmployment"]), about)


def employment_in(value: object, about: About, region: Region) -> list[Fact]:
    """Read one region out of `wf/predict/breakdown/region`, by its name and where it has none by its code."""

    def is_there(part: Json) -> bool:
        name = part["name"].text(_SHORT)
        return fold_region(name) == fold_region(region.name) if name else part["code"].value == region.code

    return _projection(((year, part) for year, part in _breakdown(value, about) if is_there(part)), about)


def employment_by(value: object, about: About, by: str) -> list[Fact]:
    """Read `wf/predict/breakdown`: the newest year, split by region, industry, status, qualification or gender."""
    years: dict[int, dict[str, float]] = {}
    for year, part in _breakdown(value, about):
        name, people = part["name"].text(_SHORT), _people(part)
        if year is not None and name and people is not None:
            years.setdefault(year, {}).setdefault(name, people)
    return [
        _projected(about._replace(region=name) if by == "region" else about, year, people, split=f"{by}: {name}")
        for year in sorted(years)[-1:]
        for name, people in years[year].items()
    ]


def _breakdown(value: object, about: About) -> Iterator[tuple[int | None, Json]]:
    for row in about.read(value)["predictedEmployment"]:
        yield from ((_year(row), part) for part in row["breakdown"])


def _projection(parts: Iterable[tuple[int | None, Json]], about: About) -> list[Fact]:
    figures = {year: people for year, part in parts if year is not None and (people := _people(part)) is not None}
    return [_projected(about, year, people) for year, people in sorted(figures.items())]


def _projected(about: About, year: int, people: float, *, split: str = "") -> Fact:
    return about.fact(
        "employment", value=people, unit="people", statistic="projection", year=str(year), split=split, projected=True
    )


def _people(part: Json) -> float | None:
    return part["employment"].number(0, 1e9)


def replacement(value: object, about: About) -> list[Fact]:
    """Read `wf/replacement_demand`: the share of today's workers who will have to be replaced in a period."""
    said = about.read(value)
    start, end, rate = _year(said, "start_year"), _year(said, "end_year"), said["rate"].number(0, 1000)
    if rate is None:
        return []
    period = f"{start}-{end}" if start is not None and end is not None and start < end else ""
    return [about.fact("replacement", value=rate, unit="percent", statistic="rate", year=period, projected=True)]


# -- skills, courses and adverts ---------------------------------------------------------------------------------------


def onet_codes(value: object) -> list[str]:
    """Read `o-net/soc2onet`: the codes of the matching O*NET occupations, ten at most."""
    codes = {row["code"].string for row in Json(value)["onetCodes"]}
    return sorted(code for code in codes if _ONET_CODE.fullmatch(code))[:_MOST_ONET_CODES]


def skills(value: object, about: About, code: str) -> list[Fact]:
    """Read `o-net/skills`: what counts most first, on O*NET's own scales (level 0 to 7, importance 1 to 5)."""
    facts = [
        about.fact(
            "skill", _ONET, text=name, value=score, split=f"O*NET {code}",
            statistic={"LV": "level", "IM": "importance"}.get(scale, scale),
        )
        for one in Json(value)["scales"]
        for scale in [one["id"].text(_SHORT)]
        for row in one["skills"]
        if (name := row["name"].text(_SHORT)) and (score := row["value"].number(0, 100)) is not None
    ]  # fmt: skip
    return sorted(facts, key=lambda fact: (fact.statistic, -(fact.value or 0.0)))


def courses(value: object, about: About) -> list[Fact]:
    """Read `hesa/courses`: what graduates in the occupation had studied, in the newest year, the most first."""
    years: dict[str, dict[str, float]] = {}
    for row in about.read(value)["years"]:
        period = row["year"].text(_SHORT)
        for course in row["courses"]:
            name, share = _JACS.sub("", course["name"].text(_SHORT)), course["percentage"].number(0, 100)
            if name and share is not None and _PERIOD.fullmatch(period):
                years.setdefault(period, {}).setdefault(name, share)
    return [
        about.fact("course", text=name, value=share, unit="percent", statistic="share", year=year)
        for year in sorted(years)[-1:]
        for name, share in sorted(years[year].items(), key=lambda course: -course[1])
    ]


def adverts(value: object, about: About, today: date) -> list[Fact]:
    """Read `vacancies/search`, without the adverts that have ended since they were fetched."""
    facts = []
    for row in Json(value):
        named, company, ends = row["title"].text(_SHORT), row["company"].text(_SHORT), row["activedate"]["end"].day()
        if named and not is_rate_limited([row]) and (ends is None or ends >= today):
            text = f"{named}, {company}" if company else named
            facts.append(about.fact("vacancy", _ADVERTS, text=text, link=row["link"].link()))
    return facts
