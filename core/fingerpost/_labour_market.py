"""What is known about an occupation: facts with their source, and "no data" as an ordinary answer.

A figure without its year, region and source misleads, and the services that publish such figures differ in all three.
So every fact carries them, whichever service it came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from datetime import date

__all__ = ["FACT_KINDS", "Fact", "FactKind", "LabourMarketQuestion", "NoData", "Occupation", "SocVersion"]

SocVersion: TypeAlias = Literal[2010, 2020]
"""The edition of the Standard Occupational Classification that a code belongs to: one number may mean two jobs."""

FactKind: TypeAlias = Literal[
    "occupation", "pay", "hours", "annual_change", "employment", "replacement", "unemployment", "shortage", "skill",
    "course", "vacancy", "profile",
]  # fmt: skip
"""What a fact is about: `occupation` its title and tasks, `employment` the number of jobs, now or projected."""

FACT_KINDS: tuple[FactKind, ...] = (
    "occupation", "pay", "hours", "annual_change", "employment", "replacement", "unemployment", "shortage", "skill",
    "course", "vacancy", "profile",
)  # fmt: skip
"""Every kind of fact."""


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
    * `text`: words instead of, or beside, a figure: a title, a skill, a course, an overview.
    * `statistic`: what kind of figure it is: "estimate", "median", "decile 10", "starting", "experienced", "share" …
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


class NoData(NamedTuple):
    """Say that a service has nothing of a kind about an occupation; `reason` is a code."""

    kind: FactKind
    soc: str
    source: str
    reason: str = "none"
