"""Turn what LMI for All answers into facts.

The service is old, and what it answers may be cut, odd or from something else that took its place. So nothing here
raises, whatever JSON it is given: what cannot be read is left out, and no facts at all mean that there is no data.
"""

from __future__ import annotations

import html
import json
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from fingerpost import Fact, FactKind, Occupation, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

__all__ = [
    "ADVERTS", "AS_SERVED", "NAME", "SOURCE", "UNREADABLE", "About", "Region", "adverts", "annual_changes", "courses",
    "employment", "employment_by", "employment_in", "fold_region", "found_occupations", "hours", "is_answer",
    "is_no_data", "is_occupation", "is_rate_limited", "json_value", "occupation", "onet_codes", "pay", "regions",
    "replacement", "shortages", "skills", "title", "unemployment",
]  # fmt: skip

NAME = "lmiforall"
"""The connector's type, and the service's name in the cache."""

ADVERTS = f"{NAME}-vacancies"
"""The name in the cache of the service's adverts: when they are to be left alone for a while, nothing else is."""

SOURCE = "LMI for All"
"""Who says so, in every fact."""

AS_SERVED = "UK (as served)"
"""The region of a figure that was asked for without one: one consumer says that the service then means London."""

_ATTRIBUTION = "Data powered by LMI for All."
_LICENCE = "Open Government Licence"
_ONET_ATTRIBUTION = (
    f"{_ATTRIBUTION} It includes information from the O*NET Database by the U.S. Department of Labor, Employment and "
    "Training Administration (USDOL/ETA), used under the CC BY 4.0 licence."
)
_ADVERT_LICENCE = "not established"
"""The service's licence speaks of its own data; nothing says on what terms the adverts may be shown."""

UNREADABLE = object()
"""Stands for an answer that is no JSON."""

_MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 30
_MAX_RAW_TEXT = 20_000
_SHORT, _LONG = 300, 3_000
_ENOUGH_CODES = 10

_NEC = re.compile(r"(?i)[\s,(]*\bn\.?e\.?c\b\.?\)?$")
_JACS = re.compile(r"^\([A-Z0-9]{1,5}\)\s*")
_PERIOD = re.compile(r"(\d{4})(?:[/-]\d{2,4})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ONET = re.compile(r"[0-9]{2}-[0-9]{4}\.[0-9]{2}")

Row: TypeAlias = "dict[str, Any]"


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

    def fact(self, kind: FactKind, **said: Any) -> Fact:
        """Make a fact."""
        common: dict[str, Any] = {
            "attribution": _ATTRIBUTION,
            "licence": _LICENCE,
            "region": self.region,
            "coarse": self.coarse,
        }
        return Fact(
            kind=kind, soc=self.soc, soc_version=2010, source=SOURCE, retrieved=self.retrieved, stale=self.stale,
            **(common | said),
        )  # fmt: skip


# -- JSON and text -----------------------------------------------------------------------------------------------------


def json_value(content: bytes) -> Any:
    """Return what a body holds, or `UNREADABLE` where it is empty, no JSON, too long or too deep to be an answer."""
    if len(content) > _MAX_BYTES:
        return UNREADABLE
    try:
        value = json.loads(content, parse_float=_finite, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return UNREADABLE
    return UNREADABLE if _is_deep(value) else value


_KEYS: dict[str, tuple[str, ...]] = {
    "ashe/estimatePay": ("series",), "ashe/estimateHours": ("series",), "ashe/annualChanges": ("annual_changes",),
    "lfs/unemployment": ("years",), "wf/predict": ("predictedEmployment",), "wf/replacement_demand": ("rate",),
    "ess/uk": ("percentSSV", "percentHTF", "percentHTFisSSV"),
    "ess/region": ("percentSSV", "percentHTF", "percentHTFisSSV"),
    "o-net/soc2onet": ("onetCodes",), "o-net/skills": ("scales",), "hesa/courses": ("years",),
}  # fmt: skip
"""What an answer holds that is one, whatever the figures in it: at least one of these keys."""


def is_answer(path: str, value: object) -> bool:
    """Say whether an answer has the form that is documented for what was asked; a list of regions has London."""
    if path in ("soc/search", "vacancies/search"):
        return isinstance(value, list)
    if path in ("ashe/filters/all", "wf/filters/info/region", "ess/regions"):
        return "london" in regions(value)
    if path.startswith("soc/code/"):
        return _whole(_table(value).get("soc"), 0, 9999) is not None and "title" in _table(value)
    return any(key in _table(value) for start, keys in _KEYS.items() if path.startswith(start) for key in keys)


def is_no_data(value: object) -> bool:
    """Say whether an answer is of a form in which the service says that it has no figure: nothing, or a lone error."""
    return value is UNREADABLE or value is None or _table(value).keys() == {"error"}


def is_occupation(value: object, soc: int) -> bool:
    """Say whether an answer is an occupation, and the one that was asked for."""
    return bool(title(value)) and _whole(_table(value).get("soc"), 0, 9999) == soc


def _finite(text: str) -> float | None:
    """Read a number; what is too large to be one cannot be remembered as JSON either."""
    figure = float(text)
    return figure if math.isfinite(figure) else None


def _is_deep(value: Any) -> bool:
    """Say whether a value is nested deeper than any answer: whoever walks through it later would run out of stack."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _short(value: object) -> str:
    return plain_text(value, _SHORT)


def _number(value: object, low: float, high: float) -> float | None:
    """Return a number between two limits; some answers hold numbers as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if low <= figure <= high else None


def _whole(value: object, low: int, high: int) -> int | None:
    figure = _number(value, low, high)
    return int(figure) if figure is not None and figure.is_integer() else None


def _year(value: object) -> int | None:
    return _whole(value, 1990, 2100)


def _table(value: object) -> Row:
    return value if isinstance(value, dict) else {}


def _rows(value: object, key: str | None = None) -> list[Row]:
    """Return the objects of a list, or of the list at a key of an object."""
    listed = value if key is None else _table(value).get(key)
    return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []


def _is_about(value: object, about: About) -> bool:
    """Say whether an answer is about the occupation that was asked for; a coarse one may name the wider group."""
    table = _table(value)
    return about.coarse or "soc" not in table or _whole(table["soc"], 0, 9999) == int(about.soc)


# -- occupations -------------------------------------------------------------------------------------------------------


def title(value: object) -> str:
    """Return the title of an occupation; an unknown code comes back as an occupation that is called "Missing"."""
    text = _NEC.sub("", _short(_table(value).get("title")))
    return "" if text.casefold() == "missing" else text


def occupation(value: object, about: About) -> list[Fact]:
    """Read `soc/code`: title, description, qualifications, tasks and alternative titles, told apart by `statistic`."""
    named = title(value)
    if not named or not _is_about(value, about):
        return []
    table = _table(value)
    tasks = table.get("tasks")
    # Entities end with a semicolon as well.
    parts = html.unescape(tasks[:_MAX_RAW_TEXT]).split(";") if isinstance(tasks, str) else []
    others = table.get("add_titles")
    told = [
        ("title", named),
        ("description", plain_text(table.get("description"), _LONG)),
        ("qualifications", plain_text(table.get("qualifications"), _LONG)),
        *(("task", _short(part)) for part in parts),
        *(("alternative title", _short(other)) for other in (others if isinstance(others, list) else ())),
    ]
    return [about.fact("occupation", statistic=what, text=text) for what, text in dict.fromkeys(told) if text]


def found_occupations(value: object) -> list[Occupation]:
    """Read `soc/search`, in the order of the service; lists may repeat a code and end with the code -1."""
    found: dict[str, Occupation] = {}
    for row in _rows(value):
        code, named = _whole(row.get("soc"), 1000, 9999), title(row)
        if code is not None and named:
            found.setdefault(str(code), Occupation(str(code), 2010, named))
    return list(found.values())


# -- regions -----------------------------------------------------------------------------------------------------------


def fold_region(name: str) -> str:
    """Return a region's name in the form in which two spellings of it are equal: "Yorkshire & Humber" has several."""
    words = re.findall(r"\w+", name.casefold().replace("&", " and "))
    return " ".join(word for word in words if word != "the")


def regions(value: object) -> dict[str, Region]:
    """Read a list of regions by folded name, in any of the three forms that the families of endpoints have.

    ASHE lists every filter with its `codings`, Working Futures shows one filter with its `coding`, and the Employer
    Skills Survey maps names to codes. A name that has two codes is left out: nobody can tell which is meant.
    """
    found: dict[str, set[Region]] = {}
    for said, code in _codings(value):
        name, number = _short(said), _whole(code, 0, 9999)
        if name and number is not None:
            found.setdefault(fold_region(name), set()).add(Region(name, number))
    return {folded: min(several) for folded, several in found.items() if len({region.code for region in several}) == 1}


def _codings(value: object) -> Iterator[tuple[object, object]]:
    filters = [row for row in _rows(value) if row.get("name") == "region"]
    table = _table(value)
    if "coding" in table or "codings" in table:
        filters.append(table)
    elif table:
        yield from table.items()
    for one in filters:
        for row in (*_rows(one, "codings"), *_rows(one, "coding")):
            yield row.get("name", row.get("description")), row.get("value", row.get("code"))


# -- figures -----------------------------------------------------------------------------------------------------------


def _newest(rows: Iterable[Row], key: str, low: float, high: float) -> tuple[int, float] | None:
    """Return the newest year that has a figure, and the figure; the order of the rows says nothing."""
    figures = ((_year(row.get("year")), _number(row.get(key), low, high)) for row in rows)
    return max(((year, figure) for year, figure in figures if year is not None and figure is not None), default=None)


def _latest(
    kind: FactKind, value: object, about: About, *, rows: str, key: str, limits: tuple[float, float], **said: Any
) -> list[Fact]:
    newest = _newest(_rows(value, rows), key, *limits) if _is_about(value, about) else None
    return [] if newest is None else [about.fact(kind, year=str(newest[0]), value=newest[1], **said)]


def pay(value: object, about: About) -> list[Fact]:
    """Read `ashe/estimatePay`: gross weekly pay in GBP, modelled."""
    return _latest(
        "pay", value, about, rows="series", key="estpay", limits=(1, 100_000), unit="GBP a week", statistic="estimate"
    )


def hours(value: object, about: About) -> list[Fact]:
    """Read `ashe/estimateHours`: hours a week."""
    return _latest(
        "hours", value, about, rows="series", key="hours", limits=(0.1, 168), unit="hours a week", statistic="estimate"
    )


def annual_changes(value: object, about: About) -> list[Fact]:
    """Read `ashe/annualChanges`: the change of pay to the year before, most likely in percent."""
    return _latest(
        "annual_change", value, about, rows="annual_changes", key="change", limits=(-100, 1_000), unit="percent",
        statistic="change in a year",
    )  # fmt: skip


def unemployment(value: object, about: About) -> list[Fact]:
    """Read `lfs/unemployment`: the rate in percent; 0 stands for no figure."""
    return _latest(
        "unemployment", value, about, rows="years", key="unemprate", limits=(1e-9, 100), unit="percent",
        statistic="rate",
    )  # fmt: skip


def shortages(value: object, about: About) -> list[Fact]:
    """Read `ess/uk` and `ess/region`: three shares in percent, with what the survey says of their reliability."""
    table = _table(value)
    year, reliability = _year(table.get("year")), _whole(table.get("reliability"), 0, 10)
    served = _short(_table(table.get("region")).get("name"))
    is_elsewhere = about.region != AS_SERVED and served and fold_region(served) != fold_region(about.region)
    if is_elsewhere or not _is_about(value, about):
        return []
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
        if (share := _number(table.get(key), 0, 100)) is not None
    ]  # fmt: skip


def employment(value: object, about: About) -> list[Fact]:
    """Read `wf/predict`: people in the occupation, for every year, the earliest first."""
    if not _is_about(value, about):
        return []
    return _projection(((row.get("year"), row.get("employment")) for row in _rows(value, "predictedEmployment")), about)


def employment_in(value: object, about: About, region: Region) -> list[Fact]:
    """Read one region out of `wf/predict/breakdown/region`, by its name and where it has none by its code."""
    if not _is_about(value, about):
        return []
    folded = fold_region(region.name)
    return _projection(
        (
            (row.get("year"), part.get("employment"))
            for row in _rows(value, "predictedEmployment")
            for part in _rows(row, "breakdown")
            if (fold_region(name) == folded if (name := _short(part.get("name"))) else part.get("code") == region.code)
        ),
        about,
    )


def employment_by(value: object, about: About, by: str) -> list[Fact]:
    """Read `wf/predict/breakdown`: the newest year, split by region, industry, status, qualification or gender."""
    if not _is_about(value, about):
        return []
    years: dict[int, dict[str, float]] = {}
    for row in _rows(value, "predictedEmployment"):
        year = _year(row.get("year"))
        for part in _rows(row, "breakdown"):
            name, people = _short(part.get("name")), _people(part.get("employment"))
            if year is not None and name and people is not None:
                years.setdefault(year, {}).setdefault(name, people)
    if not years:
        return []
    newest = max(years)
    return [
        _projected(about._replace(region=name) if by == "region" else about, newest, people, split=f"{by}: {name}")
        for name, people in years[newest].items()
    ]


def _projection(said: Iterable[tuple[object, object]], about: About) -> list[Fact]:
    figures = {
        year: people
        for when, many in said
        if (year := _year(when)) is not None and (people := _people(many)) is not None
    }
    return [_projected(about, year, people) for year, people in sorted(figures.items())]


def _projected(about: About, year: int, people: float, *, split: str = "") -> Fact:
    return about.fact(
        "employment", value=people, unit="people", statistic="projection", year=str(year), split=split, projected=True
    )


def _people(value: object) -> float | None:
    return _number(value, 0, 1e9)


def replacement(value: object, about: About) -> list[Fact]:
    """Read `wf/replacement_demand`: the share of today's workers who will have to be replaced in a period."""
    table = _table(value)
    start, end, rate = _year(table.get("start_year")), _year(table.get("end_year")), _number(table.get("rate"), 0, 1000)
    if rate is None or not _is_about(value, about):
        return []
    period = f"{start}-{end}" if start is not None and end is not None and start < end else ""
    return [about.fact("replacement", value=rate, unit="percent", statistic="rate", year=period, projected=True)]


# -- skills, courses and adverts ---------------------------------------------------------------------------------------


def onet_codes(value: object) -> list[str]:
    """Read `o-net/soc2onet`: the codes of the matching O*NET occupations, ten at most."""
    codes = (row.get("code") for row in _rows(value, "onetCodes"))
    good = (code for code in codes if isinstance(code, str) and _ONET.fullmatch(code))
    return sorted(set(good))[:_ENOUGH_CODES]


def skills(value: object, about: About, code: str) -> list[Fact]:
    """Read `o-net/skills`: what counts most first, on O*NET's own scales (level 0 to 7, importance 1 to 5)."""
    facts = [
        about.fact(
            "skill", text=name, value=score, statistic={"LV": "level", "IM": "importance"}.get(scale, scale),
            split=f"O*NET {code}", attribution=_ONET_ATTRIBUTION, licence=f"{_LICENCE}; O*NET: CC BY 4.0",
        )
        for one in _rows(value, "scales")
        for scale in [_short(one.get("id"))]
        for row in _rows(one, "skills")
        if (name := _short(row.get("name"))) and (score := _number(row.get("value"), 0, 100)) is not None
    ]  # fmt: skip
    return sorted(facts, key=lambda fact: (fact.statistic, -(fact.value or 0.0)))


def courses(value: object, about: About) -> list[Fact]:
    """Read `hesa/courses`: what graduates in the occupation had studied, in the newest year, the most first."""
    if not _is_about(value, about):
        return []
    years: dict[str, dict[str, float]] = {}
    for row in _rows(value, "years"):
        period = _short(row.get("year"))
        for course in _rows(row, "courses"):
            name, share = _JACS.sub("", _short(course.get("name"))), _number(course.get("percentage"), 0, 100)
            if name and share is not None and _PERIOD.fullmatch(period):
                years.setdefault(period, {}).setdefault(name, share)
    if not years:
        return []
    newest = max(years)
    return [
        about.fact("course", text=name, value=share, unit="percent", statistic="share", year=newest)
        for name, share in sorted(years[newest].items(), key=lambda course: -course[1])
    ]


def is_rate_limited(value: object) -> bool:
    """Say whether `vacancies/search` asks us to slow down: it does so with an advert of that title, and status 200."""
    listed = _rows(value)
    return len(listed) == 1 and _short(listed[0].get("title")).casefold() == "too many requests"


def adverts(value: object, about: About, today: date) -> list[Fact]:
    """Read `vacancies/search`, without the adverts that have ended since they were fetched."""
    facts = []
    for row in _rows(value):
        named, company = _short(row.get("title")), _short(row.get("company"))
        ends = _short(_table(row.get("activedate")).get("end"))[:10]
        if named and not is_rate_limited([row]) and not (_DAY.fullmatch(ends) and ends < today.isoformat()):
            text = f"{named}, {company}" if company else named
            facts.append(about.fact("vacancy", text=text, link=_link(row.get("link")), licence=_ADVERT_LICENCE))
    return facts


def _link(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > _SHORT or not value.isascii() or not value.isprintable():
        return None
    try:
        parts = urlsplit(value)
        return value if parts.scheme == "https" and parts.hostname and parts.username is None else None
    except ValueError:
        return None
