"""Read what the Job Profiles API answers; whatever JSON comes, nothing here raises.

Names are in PascalCase; salaries and SOC codes are strings, hours are numbers; text may hold HTML, entities and links
of the form ``[words | address]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from fingerpost import plain_text

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

    `pay` is in GBP a year and `hours` in hours a week, each as a statistic and its value.
    """

    title: str
    codes: dict[SocVersion, str]
    alternatives: tuple[str, ...] = ()
    overview: str = ""
    link: str | None = None
    pay: tuple[tuple[str, float], ...] = ()
    hours: tuple[tuple[str, float], ...] = ()
    skills: tuple[str, ...] = ()


def kept_profile(value: Any) -> Any:
    """Return what is worth remembering of a profile: what `profile` reads; None where the answer is no profile."""
    if not _words(_in(value, "Title"), 200):
        return None
    return {key: value[key] for key in _KEPT if key in value}


def profile(value: Any) -> Profile | None:
    """Read a profile; None where the answer is none, or one that belongs to no occupation."""
    if not isinstance(value, dict):
        return None
    title = _words(value.get("Title"), 200)
    # The SOC2010 code has been seen with an extension behind its four digits.
    found: dict[SocVersion, str] = {2010: _code(value.get("Soc")), 2020: _code(value.get("Soc2020"))}
    codes = {version: code for version, code in found.items() if code}
    if not title or not codes:
        return None
    salaries = (("starting", value.get("SalaryStarter")), ("experienced", value.get("SalaryExperienced")))
    hours = (("minimum", value.get("MinimumHours")), ("maximum", value.get("MaximumHours")))
    alternatives = (word.strip() for word in _words(value.get("AlternativeTitle"), 1000).split(","))
    return Profile(
        title,
        codes,
        tuple(word for word in dict.fromkeys(alternatives) if word),
        _words(value.get("Overview"), 1000),
        _link(value.get("Url")),
        _amounts(salaries, 10_000_000),
        _amounts(hours, 168),
        _skills(value.get("WhatItTakes")),
    )


def kept_names(value: Any) -> Any:
    """Return what is worth remembering of the list of all profiles: the title of each by its name in an address."""
    rows = value if isinstance(value, list) else []
    named = ((_name(_in(row, "Url")), _words(_in(row, "Title"), 200)) for row in rows)
    return {name: title for name, title in named if name and title} or None


def names(value: Any) -> dict[str, str]:
    """Read what `kept_names` kept; an export of somebody else may have brought anything."""
    kept = value.items() if isinstance(value, dict) else ()
    return {name: title[:200] for name, title in kept if isinstance(title, str) and title and _NAME.fullmatch(name)}


def likeness(title: str, profile_title: str) -> tuple[float, int]:
    """Return how much of a profile's title is in an occupation's title, as a share and as a number of words.

    "Electricians and electrical fitters" holds all of "Electrician", and half of "Electrical engineer".
    """
    wanted, offered = _stems(title), _stems(profile_title)
    common = len(wanted & offered)
    return (common / len(offered) if offered else 0.0), common


def search_results(value: Any) -> list[str]:
    """Read a page of search results: the names of the profiles in an address, the likeliest first."""
    rows = _in(value, "Results")
    names = (_name(_in(row, "ResultItemUrlName")) for row in rows) if isinstance(rows, list) else ()
    return list(dict.fromkeys(name for name in names if name))


@lru_cache(maxsize=4096)
def _stems(title: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", title.casefold())
    return frozenset(f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s") for word in words) - _FILLERS


def _in(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _words(value: Any, most: int) -> str:
    """Return plain text; a link within it comes as ``[words|address]``, of which the words stay."""
    return plain_text(_LINK.sub(r"\1", value) if isinstance(value, str) else value, most)


def _code(value: Any) -> str:
    if isinstance(value, int) and 1000 <= value <= 9999:
        return str(value)
    found = re.match(r"[1-9][0-9]{3}(?=[^0-9]|$)", value.strip()) if isinstance(value, str) else None
    return found[0] if found else ""


def _link(value: Any) -> str | None:
    if not isinstance(value, str) or not value.startswith("https://") or len(value) > 500 or not value.isprintable():
        return None
    return value if " " not in value else None


def _name(value: Any) -> str:
    """Return the last step of an address, which names a profile."""
    if not isinstance(value, str):
        return ""
    try:
        step = unquote(urlsplit(value[:500]).path).rstrip("/").rpartition("/")[2].lower()
    except ValueError:
        return ""
    return step if _NAME.fullmatch(step) else ""


def _amounts(named: tuple[tuple[str, Any], ...], most: float) -> tuple[tuple[str, float], ...]:
    return tuple((name, amount) for name, value in named if 0 < (amount := _number(value)) < most)


def _number(value: Any) -> float:
    """Return a number; 0 where there is none, which is how the service says so itself."""
    if isinstance(value, str):
        plain = value.strip().removeprefix("£").replace(",", "")
        return float(plain) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,4})?", plain, re.ASCII) else 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 < value < 1e9 else 0.0


def _skills(value: Any) -> tuple[str, ...]:
    rows = _in(value, "Skills")
    named = (_words(_in(row, "Description"), 200) for row in rows) if isinstance(rows, list) else ()
    return tuple(dict.fromkeys(name for name in named if name))[:_MOST_SKILLS]
