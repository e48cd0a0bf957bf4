"""What a person asks about the labour market: one occupation, what learners have in mind, and what words may mean."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from fingerpost._contract.facts import Fact, FactKind, Occupation, SocVersion
from fingerpost._market.answers import Answers
from fingerpost._market.in_mind import LearnerOccupation, known_occupations, occupations_in_mind, occupations_of
from fingerpost._market.market import Market, MarketReport
from fingerpost._market.occupations import fold_title
from fingerpost._market.services import Services
from fingerpost._sync.report import Progress, SilentProgress
from fingerpost._words.errors import ConfigError, SourceUnavailable
from fingerpost._words.printed import Printed

_CODE = re.compile(r"[1-9][0-9]{3}")
_COMPARED: tuple[FactKind, ...] = (
    "pay", "hours", "employment", "replacement", "annual_change", "shortage", "unemployment", "vacancy", "occupation",
)  # fmt: skip
"""The kinds of figure that are put side by side, in this order, and the occupation for its title."""
_PATIENCE = 86_400.0
"""Seconds that a refresh waits for a service's limit: none is longer than a day."""


class Suggestion(NamedTuple):
    """One occupation that words may mean, and who suggests it."""

    occupation: Occupation
    source: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What words may mean, likeliest first, and which services could not be asked, a sentence each."""

    suggestions: tuple[Suggestion, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi suggest WORDS --json` prints."""
        found = [one.occupation._asdict() | {"source": one.source} for one in self.suggestions]
        return {"suggestions": found, "warnings": list(self.warnings)}


@dataclass(frozen=True, slots=True)
class UnknownOccupation:
    """Learners' words for which no occupation was found, how many learners, and what they may mean.

    `several` says that more than one occupation has the title; `suggestions` are then those.
    """

    words: str
    learners: int
    several: bool
    suggestions: tuple[Occupation, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        found = [one._asdict() for one in self.suggestions]
        return {"words": self.words, "learners": self.learners, "several": self.several, "suggestions": found}


@dataclass(frozen=True, slots=True)
class UnknownOccupations:
    """The words that mean no occupation yet, and which services could not be asked, a sentence each.

    `crosswalk` is the file in which a person says what words mean, where one is configured.
    """

    unknown: tuple[UnknownOccupation, ...]
    warnings: tuple[str, ...]
    crosswalk: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi suggest --json` prints."""
        return {"unknown": [one.as_dict() for one in self.unknown], "warnings": list(self.warnings)}


class ComparedFigure(NamedTuple):
    """One line of a comparison: the same figure from the same service for each occupation, None if it has none.

    `split` is the part of a breakdown that the line covers. A fact's own `scope` says which job profile it is for.
    """

    kind: FactKind
    statistic: str
    unit: str
    region: str
    source: str
    split: str
    facts: tuple[Fact | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several occupations side by side; a line compares only the same figure from one service for one region."""

    reports: tuple[MarketReport, ...]
    figures: tuple[ComparedFigure, ...]

    @property
    def attributions(self) -> tuple[str, ...]:
        """The lines to show wherever these figures are shown."""
        shown = (fact for figure in self.figures for fact in figure.facts if fact is not None)
        return tuple(dict.fromkeys(fact.attribution for fact in shown))

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi compare --json` prints."""
        return {
            "occupations": [one.occupation._asdict() | {"title": one.title} for one in self.reports],
            "region": self.reports[0].region if self.reports else None,
            "figures": [
                one._asdict() | {"facts": [fact and fact.as_dict() for fact in one.facts]} for one in self.figures
            ],
            "warnings": list(dict.fromkeys(warning for one in self.reports for warning in one.warnings)),
            "attributions": list(self.attributions),
        }


@dataclass(frozen=True, slots=True)
class RefreshReport(Printed):
    """What a refresh did: occupations asked about, requests to each service, and what went wrong."""

    occupations: int
    facts: int
    requests: dict[str, int]
    warnings: tuple[str, ...]


def ask_about(
    services: Services, who: str, region: str | None, soc_version: SocVersion | None, kinds: Collection[FactKind]
) -> MarketReport:
    """Ask about one occupation; see `College.labour_market`."""
    market = _configured_market(services)
    settings = services.opened.config.settings.labour_market
    version = soc_version or settings.soc_version
    who = who.strip()
    occupation = Occupation(who, version) if _CODE.fullmatch(who) else _by_title(services, market, version, who)
    # Services are asked with their own title for the code: the words would find no more than the code does.
    found = market.report(occupation._replace(title=""), region=region or settings.region, kinds=kinds)
    if not found.is_titled:
        found = replace(found, occupation=found.occupation._replace(title=occupation.title))
    return replace(found, warnings=tuple(market.warnings.values()))


def _configured_market(services: Services, answers: Answers | None = None) -> Market:
    market = services.market(answers)
    if not market.is_configured:
        raise ConfigError(
            'No labour market service is configured. Add a [[connector]] such as type = "lmiforall" or type = "ncs"; '
            "fingerpost plugins lists them."
        )
    return market


def _by_title(services: Services, market: Market, version: SocVersion, title: str) -> Occupation:
    """Return the occupation with this title, or raise with the reason and what may be meant."""
    known = known_occupations(services.opened.config, market, version)
    found = known.of(None, title)
    if found.occupation is not None:
        return found.occupation
    near = ", ".join(f"{one.title} ({one.soc}, SOC {one.soc_version})" for one in known.titles.near(title, count=4))
    advice = (
        f"{f'Perhaps: {near}. ' if near else ''}Give its four-digit SOC code; fingerpost lmi suggest searches for it."
    )
    if found.how == "several":
        raise ConfigError(f"Several occupations are called '{title}'. {advice}")
    if market.warnings:
        why = " ".join(market.warnings.values())
        raise SourceUnavailable(
            f"No service that could be asked lists an occupation called '{title}', but not all could be. {why} {advice}"
        )
    raise ConfigError(f"No service lists an occupation called '{title}'. {advice}")


def compare(services: Services, whos: Sequence[str], region: str | None, soc_version: SocVersion | None) -> Comparison:
    """Put several occupations side by side; see `College.compare_occupations`."""
    reports = tuple(ask_about(services, who, region, soc_version, _COMPARED) for who in whos)
    lines: dict[tuple[ComparedFigure, str], dict[int, Fact]] = defaultdict(dict)
    for number, report in enumerate(reports):
        for fact in report.figures(services.opened.today().year):
            if fact.kind in _COMPARED:
                line = ComparedFigure(fact.kind, fact.statistic, fact.unit, fact.region, fact.source, fact.split, ())
                # Jobs of this year and projected ones are lines of their own.
                lines[line, fact.year if fact.projected else ""].setdefault(number, fact)
    in_order = sorted(lines.items(), key=lambda one: (_COMPARED.index(one[0][0].kind), one[0][1]))
    return Comparison(
        reports, tuple(line._replace(facts=tuple(map(facts.get, range(len(reports))))) for (line, _), facts in in_order)
    )


def learner_occupations(services: Services, market: Market | None = None) -> list[LearnerOccupation]:
    """Return what learners have in mind; see `College.occupations`."""
    with services.opened.store.reading() as connection:
        counted = occupations_in_mind(connection)
    return occupations_of(counted, services.opened.config, market or services.market())


def suggest(services: Services, words: str, *, ask: bool) -> Suggestions:
    """Return what words may mean; see `College.suggest_occupations`."""
    market = _configured_market(services)
    suggestions = [Suggestion(one, "titles") for one in market.titles().near(words)]
    suggestions += [Suggestion(one, source) for source, one in market.find(words)] if ask else []
    first: dict[tuple[str, int], Suggestion] = {}
    for one in suggestions:
        first.setdefault((one.occupation.soc, one.occupation.soc_version), one)
    return Suggestions(tuple(first.values()), tuple(market.warnings.values()))


def unknown_occupations(services: Services) -> UnknownOccupations:
    """Return the words for which no occupation was found; see `College.unknown_occupations`."""
    market = _configured_market(services)
    titles, usual = market.titles(), services.opened.config.settings.labour_market.soc_version
    by_title: dict[str, list[LearnerOccupation]] = defaultdict(list)
    for one in learner_occupations(services, market):
        if one.found.occupation is None and one.words:
            by_title[fold_title(one.words)].append(one)
    found = []
    for title, spellings in by_title.items():
        several = any(one.found.how == "several" for one in spellings)
        codes = titles.codes(title)
        near = [one for one in titles.near(title) if not several or one._replace(title="") in codes]
        near.sort(key=lambda one: one.soc_version != usual)
        learners = sum(one.learners for one in spellings)
        found.append(UnknownOccupation(spellings[0].words or title, learners, several, tuple(near)))
    found.sort(key=lambda one: -one.learners)
    crosswalk = services.opened.config.settings.labour_market.crosswalk
    return UnknownOccupations(tuple(found), tuple(market.warnings.values()), crosswalk)


def forget(services: Services, service: str | None) -> int:
    """Forget what services said; see `College.forget_labour_market`."""
    known = {name for name, *_ in services.answers().entries()}
    if service is not None and service not in known:
        raise ConfigError(
            f"No answers are kept from a service called '{service}'. There are answers from: "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    return services.answers().forget(service)


def refresh(services: Services, *, force: bool, progress: Progress | None) -> RefreshReport:
    """Ask about everything that learners have in mind; see `College.refresh_labour_market`."""
    shown = progress or SilentProgress()
    asked = facts = 0

    def show_progress() -> None:
        shown.phase("enrich")
        shown.advance(asked)

    def wait(seconds: float) -> None:
        """Wait for a service's limit, and show that if it takes long."""
        if seconds >= 1:
            shown.phase("wait")
        time.sleep(seconds)
        if seconds >= 1:
            show_progress()

    region = services.opened.config.settings.labour_market.region
    with services.open_answers(refresh=force, max_wait=_PATIENCE, sleep=wait) as answers:
        market = _configured_market(services, answers)
        show_progress()
        found = (one.found.occupation for one in learner_occupations(services, market))
        for occupation in dict.fromkeys(one._replace(title="") for one in found if one is not None):
            facts += len(market.report(occupation, region=region).facts)
            asked += 1
            shown.advance(1)
        return RefreshReport(asked, facts, dict(answers.asked), tuple(market.warnings.values()))
