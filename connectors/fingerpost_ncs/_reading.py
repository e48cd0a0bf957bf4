"""What the Job Profiles API answers; whatever JSON comes, nothing here raises.

Names are in PascalCase; salaries and SOC codes are strings, hours are numbers, and 0 stands for none; text may hold
HTML, entities and links of the form ``[words | address]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from fingerpost.lmi import AS_SERVED, Fact, FactKind, Json, Occupation, Origin, Reply, SocVersion, plain_text

ORIGIN = Origin(
    source="National Careers Service",
    attribution="Contains public sector information from the National Careers Service (licence assumed: Open "
    "Government Licence v3.0).",
    licence="Open Government Licence v3.0 (assumed)",
    region=AS_SERVED,
)
"""On what terms job profiles may be shown could not be confirmed; most of the government's content is on these."""
SKILLS = ORIGIN._replace(
    attribution=f"{ORIGIN.attribution} Includes information from the O*NET Database by the U.S. Department of Labor, "
    "Employment and Training Administration (USDOL/ETA), used under the CC BY 4.0 licence. O*NET is a trademark of "
    "USDOL/ETA. The information has been modified; USDOL/ETA has not approved, endorsed or tested the modifications.",
    licence=f"{ORIGIN.licence}; O*NET information: CC BY 4.0",
)

_KEPT = (
    "Title", "Url", "Soc", "Soc2020", "AlternativeTitle", "Overview", "SalaryStarter", "SalaryExperienced",
    "MinimumHours", "MaximumHours", "WhatItTakes",
)  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")
_LINK = re.compile(r"\[([^\[\]|]*)\|[^\[\]]*\]")
_FILLERS = {"", "and", "or", "of", "in", "the", "a", "n", "e", "c", "nec"}
_MOST_SKILLS = 20


class Profile(NamedTuple):
    """One job profile: its title, the SOC codes that it belongs to, by edition, and all else that it says."""

    title: str
    codes: dict[SocVersion, str]
    said: Json


def kept_profile(value: Any) -> Any:
    """Return what is worth remembering of a profile: what `profile` reads; None where the answer is not a profile."""
    said = Json(value)
    return said.only(*_KEPT) if _words(said["Title"]) else None


def profile(value: Any) -> Profile | None:
    """Read a profile; None where the answer is not one, or is one that belongs to no occupation."""
    said = Json(value)
    title = _words(said["Title"])
    # The SOC2010 code has been seen with an extension behind its four digits.
    found: dict[SocVersion, str] = {2010: said["Soc"].soc(), 2020: said["Soc2020"].soc()}
    codes: dict[SocVersion, str] = {version: code for version, code in found.items() if code}
    if not title or not codes:
        return None
    return Profile(title, codes, said)


def facts(found: Profile, occupation: Occupation, reply: Reply) -> Iterator[Fact]:
    """Yield what a profile says, under its own title: it is one job, and a SOC code has several."""
    said = found.said

    def fact(kind: FactKind, text: str, origin: Origin = ORIGIN, **more: Any) -> Fact:
        return origin.fact(kind, occupation, reply, text=text, link=said["Url"].link(), **more)

    yield fact("occupation", found.title, statistic="profile title")
    for word in _words(said["AlternativeTitle"], 1000).split(","):
        if title := word.strip():
            yield fact("occupation", title, statistic="alternative title")
    for key, statistic in {"SalaryStarter": "starting", "SalaryExperienced": "experienced"}.items():
        if (pay := said[key].number(1, 10_000_000)) is not None:
            yield fact("pay", found.title, value=pay, unit="GBP a year", statistic=statistic)
    for key, statistic in {"MinimumHours": "minimum", "MaximumHours": "maximum"}.items():
        if (hours := said[key].number(0.1, 168)) is not None:
            yield fact("hours", found.title, value=hours, unit="hours a week", statistic=statistic)
    skills = dict.fromkeys(_words(row["Description"]) for row in said["WhatItTakes"]["Skills"])
    yield from (fact("skill", skill, SKILLS) for skill in [skill for skill in skills if skill][:_MOST_SKILLS])
    if overview := _words(said["Overview"], 1000):
        yield fact("profile", overview)


def kept_names(value: Any) -> Any:
    """Return what is worth remembering of the list of all profiles: the title of each by its name in an address."""
    named = ((_name(row["Url"]), _words(row["Title"])) for row in Json(value))
    return {name: title for name, title in named if name and title} or None


def names(value: Any) -> dict[str, str]:
    """Read what `kept_names` kept; what was imported from another college's export may hold anything."""
    return {name: title.string[:200] for name, title in Json(value).items() if title.string and _NAME.fullmatch(name)}


def likeness(title: str, profile_title: str) -> tuple[float, int]:
    """Return how much of a profile's title is in an occupation's title, as a share and as a number of words.

    "Electricians and electrical fitters" holds all of "Electrician", and half of "Electrical engineer".
    """
    wanted, offered = _stems(title), _stems(profile_title)
    common = len(wanted & offered)
    return (common / len(offered) if offered else 0.0), common


def search_results(value: Any) -> list[str]:
    """Read a page of search results: the names of the profiles in an address, the likeliest first."""
    found = (_name(row["ResultItemUrlName"]) for row in Json(value)["Results"])
    return list(dict.fromkeys(name for name in found if name))


@lru_cache(maxsize=4096)
def _stems(title: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", title.casefold())
    return frozenset(f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s") for word in words) - _FILLERS


def _words(said: Json, most: int = 200) -> str:
    """Return plain text; of a link within it, the words stay."""
    return plain_text(_LINK.sub(r"\1", said.string), most)


def _name(said: Json) -> str:
    """Return the last step of an address, which names a profile."""
    try:
        step = unquote(urlsplit(said.string[:500]).path).rstrip("/").rpartition("/")[2].lower()
    except ValueError:
        return ""
    return step if _NAME.fullmatch(step) else ""
