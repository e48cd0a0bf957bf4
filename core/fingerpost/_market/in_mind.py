"""Write a line about the occupation that each learner has in mind, asking each service once for each occupation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import sqlalchemy as sa

from fingerpost._config.configuration import Configuration
from fingerpost._contract.facts import Occupation, SocVersion
from fingerpost._market.market import Market, MarketReport, market_line
from fingerpost._market.occupations import Found, Occupations, load_occupations
from fingerpost._store import schema

InMind: TypeAlias = "tuple[str | None, str | None]"
"""What a learner has in mind, as recorded: a SOC code, and words."""


class LearnerOccupation(NamedTuple):
    """One occupation that learners have in mind: as recorded, how many have it in mind, and what was found."""

    soc_code: str | None
    words: str | None
    learners: int
    found: Found


def occupations_in_mind(connection: sa.Connection) -> Counter[InMind]:
    """Count what learners have in mind, without saying who they are."""
    learner = schema.learner
    select = (
        sa.select(learner.c.soc_code, learner.c.intended_occupation, sa.func.count())
        .where(learner.c.deleted_run.is_(None))
        .where(sa.or_(learner.c.soc_code.is_not(None), learner.c.intended_occupation.is_not(None)))
        .group_by(learner.c.soc_code, learner.c.intended_occupation)
    )
    return Counter({(code, words): count for code, words, count in connection.execute(select)})


def known_occupations(config: Configuration, market: Market, version: SocVersion | None = None) -> Occupations:
    """Return what the college's crosswalk and the services' titles cover, in its edition of the SOC or another."""
    settings = config.settings.labour_market
    crosswalk = load_occupations(settings.crosswalk, settings.soc_version)
    return Occupations(crosswalk, version or settings.soc_version, market.titles())


def occupations_of(in_mind: Mapping[InMind, int], config: Configuration, market: Market) -> list[LearnerOccupation]:
    """Find the occupation behind everything that learners have in mind, the most frequent first."""
    known = known_occupations(config, market)
    found = [LearnerOccupation(code, words, count, known.of(code, words)) for (code, words), count in in_mind.items()]
    return sorted(found, key=lambda one: (-one.learners, one.words or "", one.soc_code or ""))


def line_report(market: Market, occupation: Occupation, region: str | None) -> MarketReport:
    """Ask for what the line about an occupation needs, without its title, which may be a learner's own words."""
    return market.report(occupation._replace(title=""), region=region, kinds=("occupation", "pay", "vacancy"))


def occupation_lines(in_mind: Mapping[InMind, int], config: Configuration, market: Market) -> dict[InMind, str]:
    """Return a line for everything that learners have in mind, where there is something honest to say.

    It asks services, which may take minutes: no transaction may be open in the meantime.
    """
    by_code: dict[tuple[str, int], str | None] = {}
    lines: dict[InMind, str] = {}
    for one in occupations_of(in_mind, config, market):
        occupation = one.found.occupation
        if occupation is not None:
            code = (occupation.soc, occupation.soc_version)
            if code not in by_code:
                by_code[code] = market_line(line_report(market, occupation, config.settings.labour_market.region))
            if line := by_code[code]:
                lines[one.soc_code, one.words] = line
    return lines
