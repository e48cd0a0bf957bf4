"""What the Job Profiles API answers; whatever JSON comes, nothing here raises.

Names are in PascalCase; salaries and SOC codes are strings, hours are numbers, and 0 stands for none; text may hold
HTML, entities and links of the form ``[words | address]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from fingerpost import plain_text
from fingerpost.lmi import Json

if TYPE_CHECKING:
    from fingerpost import SocVersion

__all__ = ["Profile", "kept_names", "kept_profile", "likeness", "names", "profile", "search_results"]

_KEPT = (
    "Title", "Url", "Soc", "Soc2020", "AlternativeTitle", "Overview", "SalaryStarter", "SalaryExperienced",
    "MinimumHours", "MaximumHours", "WhatItTakes",
)  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")
_LINK = re.compile(r"\[([^\[\]|]*)\|[^\[\]]*\]")
_FILLERS = {"", "and", "or", "of", "in", "the", "a", "n", "e", "c", "nec"}
_MOST_SKILLS = 20


@dataclass(frozen=True, slots=True)
class Profile:
    """One job profile: what is shown of it, and the SOC codes that it belongs to, by edition.

    `pay` is in GBP a year and `hours` in hours a week, each by the statistic that it is.
    """

    title: str
    codes: dict[SocVersion, str]
    alternatives: tuple[str, ...]
    overview: str
    link: str | None
    pay: dict[str, float]
    hours: dict[str, float]
    skills: tuple[str, ...]


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
    codes = {version: code for version, code in found.items() if code}
    if not title or not codes:
        return None
    pay = {"starting": said["SalaryStarter"], "experienced": said["SalaryExperienced"]}
    hours = {"minimum": said["MinimumHours"], "maximum": said["MaximumHours"]}
    alternatives = (word.strip() for word in _words(said["AlternativeTitle"], 1000).split(","))
    skills = (_words(row["Description"]) for row in said["WhatItTakes"]["Skills"])
    return Profile(
        title=title,
        codes=codes,
        alternatives=tuple(word for word in dict.fromkeys(alternatives) if word),
        overview=_words(said["Overview"], 1000),
        link=said["Url"].link(),
        pay={name: amount for name, figure in pay.items() if (amount := figure.number(1, 10_000_000))},
        hours={name: amount for name, figure in hours.items() if (amount := figure.number(0.1, 168))},
        skills=tuple(skill for skill in dict.fromkeys(skills) if skill)[:_MOST_SKILLS],
    )


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
