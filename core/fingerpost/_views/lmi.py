"""What a person asks about the labour market: one occupation, what learners have in mind, and what words may mean."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fingerpost._contract.facts import Occupation
from fingerpost._market.in_mind import occupations_in_mind, occupations_of
from fingerpost._market.occupations import Occupations, fold_title, load_occupations
from fingerpost._sync.report import SilentProgress
from fingerpost._words.errors import ConfigError, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fingerpost._contract.facts import Fact, FactKind, SocVersion
    from fingerpost._market.answers import Reference
    from fingerpost._market.in_mind import LearnerOccupation
    from fingerpost._market.market import Market, MarketReport
    from fingerpost._market.services import Services
    from fingerpost._sync.report import Progress


_CODE = re.compile(r"[1-9][0-9]{3}")
_COMPARED: tuple[FactKind, ...] = (
    "pay", "hours", "employment", "replacement", "annual_change", "shortage", "unemployment", "vacancy", "occupation",
)  # fmt: skip
"""The kinds of figure that are put side by side, in this order; and the occupation, for its title."""
_PATIENCE = 86_400.0
"""Seconds that a refresh waits for room in a limit: no limit is of more than a day."""


class Suggestion(NamedTuple):
    """One occupation that words may mean, and who suggests it."""

    occupation: Occupation
    source: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What words may mean, the likeliest first, and which services could not be asked, a sentence each."""

    suggestions: tuple[Suggestion, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi suggest WORDS --json` prints."""
        found = [one.occupation._asdict() | {"source": one.source} for one in self.suggestions]
        return {"suggestions": found, "warnings": list(self.warnings)}


@dataclass(frozen=True, slots=True)
class UnknownOccupation:
    """Words of learners that mean no occupation yet, of how many learners, and what they may mean.

    `several` says that the words are the title of more than one occupation; then `suggestions` are those.
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
    """The words that mean no occupation yet, and which services could not be asked, a sentence each."""

    unknown: tuple[UnknownOccupation, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi suggest --json` prints."""
        return {"unknown": [one.as_dict() for one in self.unknown], "warnings": list(self.warnings)}


class ComparedFigure(NamedTuple):
    """One line of a comparison: the same figure by the same service for each occupation, or None where it has none.

    `split` is the part of a breakdown that all of it is of. Which job profile a fact is of, its own `scope` says.
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
    """Several occupations side by side; a line compares only what one service says in one way of one region."""

    reports: tuple[MarketReport, ...]
    figures: tuple[ComparedFigure, ...]

    @property
    def attributions(self) -> tuple[str, ...]:
        """The lines to show wherever these figures are shown."""
        shown = (fact for figure in self.figures for fact in figure.facts if fact is not None)
        return tuple(dict.fromkeys(fact.attribution for fact in shown))

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi compare --json` prints."""
        cells = [
            figure._asdict() | {"facts": [fact and fact.as_dict() for fact in figure.facts]} for figure in self.figures
        ]
        return {
            "occupations": [one.occupation._asdict() | {"title": one.title} for one in self.reports],
            "region": self.reports[0].region if self.reports else None,
            "figures": cells,
            "warnings": list(dict.fromkeys(warning for one in self.reports for warning in one.warnings)),
            "attributions": list(self.attributions),
        }


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh did: occupations asked about, requests made to each service, and what went wrong."""

    occupations: int
    facts: int
    requests: dict[str, int]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi refresh --json` prints."""
        return asdict(self)


def _market(services: Services, reference: Reference | None = None) -> Market:
    market = services.market(reference)
    if not market.is_configured:
        raise ConfigError(
            'No service is configured that knows the labour market. Add a [[connector]] such as type = "lmiforall" or '
            'type = "ncs"; fingerpost plugins lists them.'
        )
    return market


def _known(services: Services, market: Market, version: SocVersion) -> Occupations:
    settings = services.opened.config.settings.labour_market
    return Occupations(load_occupations(settings.crosswalk, settings.soc_version), version, market.titles())


def report(
    services: Services, who: str, region: str | None, soc_version: SocVersion | None, kinds: Collection[FactKind]
) -> MarketReport:
    """Ask about one occupation; see `College.labour_market`."""
    market = _market(services)
    settings = services.opened.config.settings.labour_market
    version = soc_version or settings.soc_version
    who = who.strip()
    occupation = Occupation(who, version) if _CODE.fullmatch(who) else _called(services, market, version, who)
    # Services are asked with the title that they give to the code: words find no more than their code does.
    found = market.report(occupation._replace(title=""), region=region or settings.region, kinds=kinds)
    if not found.is_titled:
        found = replace(found, occupation=found.occupation._replace(title=occupation.title))
    return replace(found, warnings=tuple(market.warnings.values()))


def _called(services: Services, market: Market, version: SocVersion, who: str) -> Occupation:
    """Return the occupation with this title, or raise what is in the way of knowing it."""
    known = _known(services, market, version)
    found = known.of(None, who)
    if found.occupation is not None:
        return found.occupation
    near = known.titles.near(who, count=4)
    meant = ", ".join(f"{one.title} ({one.soc}, SOC {one.soc_version})" for one in near)
    then = (
        f"{f'Perhaps: {meant}. ' if meant else ''}Name its SOC code of four digits; fingerpost lmi suggest searches "
        "for it."
    )
    if found.how == "several":
        raise ConfigError(f"Several occupations are called '{who}'. {then}")
    if market.warnings:
        why = " ".join(market.warnings.values())
        raise SourceUnavailable(
            f"Whether a service lists an occupation that is called '{who}' is not known: not all could be asked. {why} "
            f"{then}"
        )
    raise ConfigError(f"No service lists an occupation that is called '{who}'. {then}")


def compare(services: Services, whos: Sequence[str], region: str | None, soc_version: SocVersion | None) -> Comparison:
    """Put several occupations side by side; see `College.compare_occupations`."""
    reports = tuple(report(services, who, region, soc_version, _COMPARED) for who in whos)
    lines: dict[tuple[Any, ...], dict[int, Fact]] = {}
    for number, one in enumerate(reports):
        for fact in one.figures(services.opened.today().year):
            if fact.kind in _COMPARED:
                # Jobs of this year and projected ones are lines of their own.
                when = fact.year if fact.projected else ""
                what = (fact.statistic, fact.unit, fact.region, fact.source, fact.split)
                key = (_COMPARED.index(fact.kind), when, *what)
                lines.setdefault(key, {}).setdefault(number, fact)
    figures = [
        ComparedFigure(
            _COMPARED[kind], statistic, unit, where, source, split, tuple(map(found.get, range(len(reports))))
        )
        for (kind, _, statistic, unit, where, source, split), found in sorted(
            lines.items(), key=lambda line: line[0][:2]
        )
    ]
    return Comparison(reports, tuple(figures))


def in_mind(services: Services, market: Market | None = None) -> list[LearnerOccupation]:
    """Return what learners have in mind; see `College.occupations`."""
    settings = services.opened.config.settings.labour_market
    with services.opened.store.reading() as connection:
        counted = occupations_in_mind(connection)
    crosswalk = load_occupations(settings.crosswalk, settings.soc_version)
    return occupations_of(counted, services.opened.config, crosswalk, market or services.market())


def suggest(services: Services, words: str, *, ask: bool) -> Suggestions:
    """Return what words may mean; see `College.suggest_occupations`."""
    market = _market(services)
    near = [Suggestion(one, "titles") for one in market.titles().near(words)]
    asked = [Suggestion(one, source) for source, one in market.find(words)] if ask else []
    seen: dict[tuple[str, int], Suggestion] = {}
    for one in (*near, *asked):
        seen.setdefault((one.occupation.soc, one.occupation.soc_version), one)
    return Suggestions(tuple(seen.values()), tuple(market.warnings.values()))


def unknown(services: Services) -> UnknownOccupations:
    """Return the words that mean no occupation yet; see `College.unknown_occupations`."""
    settings = services.opened.config.settings.labour_market
    market = _market(services)
    titles = market.titles()
    counted: Counter[str] = Counter()
    spelt: dict[str, str] = {}
    several: set[str] = set()
    for one in in_mind(services, market):
        if one.found.occupation is None and one.words:
            folded = fold_title(one.words)
            counted[folded] += one.learners
            spelt.setdefault(folded, one.words)
            several.update({folded} if one.found.how == "several" else ())
    found = []
    for folded, learners in counted.most_common():
        of_them = {(one.soc, one.soc_version) for one in titles.codes(folded)}
        near = [one for one in titles.near(folded) if folded not in several or (one.soc, one.soc_version) in of_them]
        usual = sorted(near, key=lambda one: one.soc_version != settings.soc_version)
        found.append(UnknownOccupation(spelt[folded], learners, folded in several, tuple(usual)))
    return UnknownOccupations(tuple(found), tuple(market.warnings.values()))


def forget(services: Services, service: str | None) -> int:
    """Forget what services said; see `College.forget_labour_market`."""
    known = {name for name, *_ in services.answers().entries()}
    if service is not None and service not in known:
        raise ConfigError(
            f"Nothing is remembered of a service called '{service}'. What is remembered was said by: "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    return services.answers().forget(service)


def refresh(services: Services, *, force: bool, progress: Progress | None) -> RefreshReport:
    """Ask about everything that learners have in mind; see `College.refresh_labour_market`."""
    region = services.opened.config.settings.labour_market.region
    told = _Told(progress or SilentProgress())
    with services.open_answers(refresh=force, max_wait=_PATIENCE, sleep=told.wait) as reference:
        market = _market(services, reference)
        told.begin()
        occupations = dict.fromkeys(
            one.found.occupation._replace(title="")
            for one in in_mind(services, market)
            if one.found.occupation is not None
        )
        facts = 0
        for occupation in occupations:
            facts += len(market.report(occupation, region=region).facts)
            told.go_on()
        return RefreshReport(len(occupations), facts, dict(reference.asked), tuple(market.warnings.values()))


class _Told:
    """How far a refresh is, told also while it waits for room in the limit of a service."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def begin(self) -> None:
        self._progress.phase("enrich")
        self._progress.advance(self._done)

    def go_on(self) -> None:
        self._done += 1
        self._progress.advance(1)

    def wait(self, seconds: float) -> None:
        if seconds < 1:
            time.sleep(seconds)
            return
        self._progress.phase("wait")
        time.sleep(seconds)
        self.begin()
