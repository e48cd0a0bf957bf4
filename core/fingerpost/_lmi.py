"""What a person asks about the labour market: one occupation, what learners have in mind, and what words may mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fingerpost._errors import ConfigError
from fingerpost._labour_market import Occupation
from fingerpost._occupations import Occupations, load_occupations
from fingerpost._sync.enriching import occupations_in_mind, occupations_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from fingerpost._college import College
    from fingerpost._labour_market import FactKind, SocVersion
    from fingerpost._market import Market, MarketReport
    from fingerpost._reference import Reference
    from fingerpost._sync.context import Progress
    from fingerpost._sync.enriching import LearnerOccupation

__all__ = ["RefreshReport", "Suggestion", "in_mind", "refresh", "report", "suggest"]

_CODE = re.compile(r"[1-9][0-9]{3}")


class Suggestion(NamedTuple):
    """One occupation that words may mean, and who suggests it."""

    occupation: Occupation
    source: str


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh did: occupations asked about, requests made to each service, and what went wrong."""

    occupations: int
    facts: int
    requests: dict[str, int]
    warnings: tuple[str, ...]


def _market(college: College, reference: Reference | None = None) -> Market:
    market = college.market(reference)
    if not market.is_configured:
        raise ConfigError(
            'No service is configured that knows the labour market. Add a [[connector]] such as type = "lmiforall" or '
            'type = "ncs"; fingerpost plugins lists them.'
        )
    return market


def _known(college: College, market: Market, version: SocVersion) -> Occupations:
    settings = college.config.settings.labour_market
    return Occupations(load_occupations(settings.crosswalk, settings.soc_version), version, market.titles())


def report(
    college: College, who: str, region: str | None, soc_version: SocVersion | None, kinds: Collection[FactKind]
) -> MarketReport:
    """Ask about one occupation; see `College.labour_market`."""
    market = _market(college)
    settings = college.config.settings.labour_market
    version = soc_version or settings.soc_version
    who = who.strip()
    if _CODE.fullmatch(who):
        occupation = Occupation(who, version)
    else:
        known = _known(college, market, version)
        found = known.of(None, who)
        if found.occupation is None:
            near = known.titles.near(who, count=4)
            meant = ", ".join(f"{one.title} ({one.soc}, SOC {one.soc_version})" for one in near)
            what = "Several occupations are" if found.how == "several" else "No service lists an occupation that is"
            raise ConfigError(
                f"{what} called '{who}'.{f' Perhaps: {meant}.' if meant else ''} Name its SOC code of four digits; "
                "fingerpost lmi suggest searches for it."
            )
        occupation = found.occupation
    return market.report(occupation, region=region or settings.region, kinds=kinds)


def in_mind(college: College) -> list[LearnerOccupation]:
    """Return what learners have in mind; see `College.occupations`."""
    settings = college.config.settings.labour_market
    with college.store.reading() as connection:
        counted = occupations_in_mind(connection)
    crosswalk = load_occupations(settings.crosswalk, settings.soc_version)
    return occupations_of(counted, college.config, crosswalk, college.market())


def suggest(college: College, words: str, *, ask: bool) -> list[Suggestion]:
    """Return what words may mean; see `College.suggest_occupations`."""
    market = _market(college)
    near = [Suggestion(one, "titles") for one in market.titles().near(words)]
    asked = [Suggestion(one, source) for source, one in market.find(words)] if ask else []
    seen: dict[tuple[str, int], Suggestion] = {}
    for one in (*near, *asked):
        seen.setdefault((one.occupation.soc, one.occupation.soc_version), one)
    return list(seen.values())


def refresh(college: College, *, force: bool, progress: Progress | None) -> RefreshReport:
    """Ask about everything that learners have in mind; see `College.refresh_labour_market`."""
    region = college.config.settings.labour_market.region
    with college.open_reference(refresh=force) as reference:
        market = _market(college, reference)
        occupations = dict.fromkeys(
            one.found.occupation._replace(title="") for one in in_mind(college) if one.found.occupation is not None
        )
        facts = 0
        for occupation in occupations:
            facts += len(market.report(occupation, region=region).facts)
            if progress is not None:
                progress.advance(1)
        return RefreshReport(len(occupations), facts, dict(reference.asked), tuple(market.warnings.values()))
