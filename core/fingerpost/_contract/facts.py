"""What is known about an occupation: facts with their source, and "no data" as an ordinary answer.

A figure without its year, region and source misleads, and the services that publish such figures differ in all three.
So every fact carries them, whichever service it came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

from fingerpost._words.nearest import did_you_mean

SocVersion: TypeAlias = Literal[2010, 2020]
"""The edition of the Standard Occupational Classification that a code belongs to: one number may mean two jobs."""

FactKind: TypeAlias = Literal[
    "occupation", "pay", "hours", "annual_change", "employment", "replacement", "unemployment", "shortage", "skill",
    "course", "vacancy", "profile",
]  # fmt: skip
"""What a fact is about: `occupation` its title and tasks, `employment` the number of jobs, now or projected."""

FACT_KINDS: tuple[FactKind, ...] = get_args(FactKind)
"""Every kind of fact."""

REGIONS: Final = (
    "East Midlands", "East of England", "London", "North East", "North West", "South East", "South West",
    "West Midlands", "Yorkshire and the Humber", "England", "Northern Ireland", "Scotland", "Wales", "UK",
    "United Kingdom",
)  # fmt: skip
"""The names by which services know regions: those of England, and the countries."""


def fold_region(name: str) -> str:
    """Return a region's name in the form in which two spellings of it are equal: "Yorkshire & Humber" has several."""
    words = re.findall(r"\w+", name.casefold().replace("&", " and "))
    return " ".join(word for word in words if word != "the")


def same_region(one: str, other: str) -> bool:
    """Say whether two names are spellings of one region."""
    return fold_region(one) == fold_region(other)


def doubt_region(name: str) -> str | None:
    """Return which regions may be meant by a name that is not a region's, as a sentence; None where it is one."""
    known = any(same_region(name, region) for region in REGIONS)
    return None if known else did_you_mean(name, REGIONS).strip()


class Occupation(NamedTuple):
    """Name an occupation by its four-digit SOC code, the edition it belongs to, and its title where that is known."""

    soc: str
    soc_version: SocVersion
    title: str = ""


@dataclass(frozen=True, slots=True)
class LabourMarketQuestion:
    """Ask about occupations: for a region by its name ("West Midlands") or the whole UK, and for these kinds of fact.

    It holds nothing about a learner, and nothing about one may be added to it on the way out.
    """

    occupations: tuple[Occupation, ...]
    region: str | None = None
    kinds: frozenset[FactKind] = frozenset(FACT_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Say one thing about an occupation.

    * `value` and `unit`: a figure, in "GBP a week", "GBP a year", "hours a week", "people", "percent" or "adverts".
    * `text`: words instead of, or beside, a figure: a title, a skill, a course, an overview. Beside pay or hours it is
      the title of the job profile that they are of, and not of the whole occupation.
    * `statistic`: what kind of figure it is: "estimate", "median", "decile 10", "starting", "experienced", "share" …
      Of an occupation's words, "title" is its own title, and never that of one job profile.
    * `year`: the year or period that it speaks of ("2022", "2014/15"), or "" where it is about no year.
    * `region`: the region that it speaks of, by name; what a service gives without being asked for a region is
      "UK (as served)".
    * `split`: which part of a breakdown it is, such as "qualification: Level 3".
    * `coarse`: it speaks of a wider group of occupations, since the service had nothing closer.
    * `projected`: it is a projection and not a count.
    * `source`, `attribution`, `licence`: who says so, the line to show with it, and on what terms.
    * `retrieved`: the day on which the service said so; `stale` that it could not be asked again since.
    * `link`: where to read on, an https address.
    """

    kind: FactKind
    soc: str
    soc_version: SocVersion
    source: str
    retrieved: date
    attribution: str
    licence: str
    value: float | None = None
    unit: str = ""
    text: str | None = None
    statistic: str = ""
    year: str = ""
    region: str = "UK"
    split: str = ""
    coarse: bool = False
    projected: bool = False
    stale: bool = False
    link: str | None = None

    @property
    def scope(self) -> str:
        """What it is about where that is not the whole occupation: its `split`, and the job profile that is paid so."""
        profile = f"job profile {self.text}" if self.kind in ("pay", "hours") and self.text else ""
        return ", ".join(part for part in (self.split, profile) if part)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, with its `scope`."""
        return asdict(self) | {"retrieved": self.retrieved.isoformat(), "scope": self.scope}


class NoData(NamedTuple):
    """Say that a service has nothing of a kind about an occupation; `reason` is a code."""

    kind: FactKind
    soc: str
    source: str
    reason: str = "none"


class Reply(NamedTuple):
    """Hand over what a service said: JSON, or None where it has nothing; when, and whether that is out of date."""

    value: Any
    retrieved: date
    stale: bool


class Reference(Protocol):
    """What services said before: an enricher asks its service through it, so that nobody is asked twice."""

    def fetch(
        self, service: str, key: str, kind: str, ask: Callable[[], Any], *, limit: tuple[int, float] | None = None,
        remember: bool = True,
    ) -> Reply:  # fmt: skip
        """Return what `service` says to the question `key`, asking it only where that is not remembered.

        `ask` makes one call and returns JSON, or None where the service has nothing. `limit` is a number of calls and
        the seconds in which a service takes no more; every question to it names the same, and its calls are made
        without trying again, since one is counted. `key` holds neither a secret nor anything about a learner. Where
        the service cannot be asked, or has nothing where it had something, the last answer is returned as `stale`;
        where there is none, raises what `ask` raised: `SourceUnavailable`, `RateLimited` or `AuthError`. Raises
        `ContractError` where the connector breaks the rules above. `remember=False` is for words that somebody typed:
        the service is always asked, and neither question nor answer is kept.
        """
        ...

    def peek(self, service: str, key: str) -> Reply | None:
        """Return what is remembered, without asking."""
