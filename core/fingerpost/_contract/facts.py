"""What is known about an occupation: facts with their source, and "no data" as an ordinary answer.

A figure without its year, region and source misleads, and services differ in all three, so every fact carries them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

from fingerpost._words.nearest import did_you_mean

SocVersion: TypeAlias = Literal[2010, 2020]
"""The edition of the Standard Occupational Classification of a code: one number may mean two jobs."""

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
"""The names of regions that services use: those of England, and the countries."""


def fold_region(name: str) -> str:
    """Return a region's name so that its spellings compare equal: "Yorkshire & Humber" has several."""
    words = re.findall(r"\w+", name.casefold().replace("&", " and "))
    return " ".join(word for word in words if word != "the")


def same_region(one: str, other: str) -> bool:
    """Say whether two names are of the same region."""
    return fold_region(one) == fold_region(other)


def doubt_region(name: str) -> str | None:
    """Return a sentence with the regions that an unknown name may mean; None if it is known."""
    known = any(same_region(name, region) for region in REGIONS)
    return None if known else did_you_mean(name, REGIONS).strip()


class Occupation(NamedTuple):
    """Name an occupation by its four-digit SOC code, the edition it belongs to, and its title if known."""

    soc: str
    soc_version: SocVersion
    title: str = ""


@dataclass(frozen=True, slots=True)
class LabourMarketQuestion:
    """Ask about occupations: for a region by its name ("West Midlands") or the whole UK, and for these kinds of fact.

    It contains nothing about a learner, and nothing may be added on the way out.
    """

    occupations: tuple[Occupation, ...]
    region: str | None = None
    kinds: frozenset[FactKind] = frozenset(FACT_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """State one fact about an occupation.

    * `value` and `unit`: a figure, in "GBP a week", "GBP a year", "hours a week", "people", "percent" or "adverts".
    * `text`: words instead of, or with, a figure: a title, a skill, a course, an overview. With pay or hours it is the
      title of the job profile that they belong to, not the whole occupation.
    * `statistic`: what kind of figure it is: "estimate", "median", "decile 10", "starting", "experienced", "share" …
      For an occupation's words, "title" means its own title, never that of a job profile.
    * `year`: the year or period ("2022", "2014/15"), or "" if it has none.
    * `region`: the region by name; what a service sends without being asked for a region is "UK (as served)".
    * `split`: which part of a breakdown it is, such as "qualification: Level 3".
    * `coarse`: it is about a wider group of occupations, since the service had nothing closer.
    * `projected`: it is a projection, not a count.
    * `source`, `attribution`, `licence`: where it comes from, the line to show with it, and the terms.
    * `retrieved`: the day of the service's answer; `stale` if it could not be asked again since.
    * `link`: where to read more, an https address.
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
        """What it is about if not the whole occupation: its `split`, and the job profile of pay or hours."""
        profile = f"job profile {self.text}" if self.kind in ("pay", "hours") and self.text else ""
        return ", ".join(part for part in (self.split, profile) if part)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, with its `scope`."""
        return asdict(self) | {"retrieved": self.retrieved.isoformat(), "scope": self.scope}


class NoData(NamedTuple):
    """Report that a service has nothing of a kind about an occupation; `reason` is a code."""

    kind: FactKind
    soc: str
    source: str
    reason: str = "none"


class Reply(NamedTuple):
    """A service's answer: JSON, or None if it has nothing; when it came, and whether it is out of date."""

    value: Any
    retrieved: date
    stale: bool


class Reference(Protocol):
    """The remembered answers of services: an enricher asks through them, so that nothing is asked twice."""

    def fetch(
        self, service: str, key: str, kind: str, ask: Callable[[], Any], *, limit: tuple[int, float] | None = None,
        remember: bool = True,
    ) -> Reply:  # fmt: skip
        """Return the answer of `service` to the question `key`, asking only if it is not remembered.

        `ask` makes one call and returns JSON, or None if the service has nothing. `limit` is the calls that a service
        allows in so many seconds; every question to it names the same limit, and its calls are never retried, since
        only one is counted. `key` contains neither a secret nor anything about a learner. If the service cannot be
        asked, or no longer has what it had, the last answer is returned as `stale`; without one, raises what `ask`
        raised: `SourceUnavailable`, `RateLimited` or `AuthError`. Raises `ContractError` if the connector breaks the
        rules above. `remember=False` is for words that somebody typed: the service is always asked, and neither
        question nor answer is kept.
        """
        ...

    def peek(self, service: str, key: str) -> Reply | None:
        """Return what is remembered, without asking."""
