"""What a person asks about the labour market: one occupation, what learners have in mind, and what words may mean."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fingerpost._errors import ConfigError
from fingerpost._labour_market import Occupation
from fingerpost._occupations import Occupations, fold_title, load_occupations
from fingerpost._sync.enriching import occupations_in_mind, occupations_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fingerpost._college import College
    from fingerpost._labour_market import Fact, FactKind, SocVersion
    from fingerpost._market import Market, MarketReport
    from fingerpost._reference import Reference
    from fingerpost._sync.context import Progress
    from fingerpost._sync.enriching import LearnerOccupation

__all__ = [
    "ComparedFigure",
    "Comparison",
    "RefreshReport",
    "Suggestion",
    "UnknownOccupation",
    "compare",
    "forget",
    "in_mind",
    "refresh",
    "report",
    "suggest",
    "unknown",
]

_CODE = re.compile(r"[1-9][0-9]{3}")
_COMPARED: tuple[FactKind, ...] = (
    "pay", "hours", "employment", "replacement", "annual_change", "shortage", "unemployment", "vacancy", "occupation",
)  # fmt: skip
"""The kinds of figure that are put side by side, in this order; and the occupation, for its title."""


class Suggestion(NamedTuple):
    """One occupation that words may mean, and who suggests it."""

    occupation: Occupation
    source: str


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
        """Return what `fingerpost lmi suggest --json` prints."""
        found = [one._asdict() for one in self.suggestions]
        return {"words": self.words, "learners": self.learners, "several": self.several, "suggestions": found}


class ComparedFigure(NamedTuple):
    """One line of a comparison: the same figure by the same service for each occupation, or None where it has none."""

    kind: FactKind
    statistic: str
    unit: str
    region: str
    source: str
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
        cells = [figure._asdict() | {"facts": [_cell(fact) for fact in figure.facts]} for figure in self.figures]
        return {
            "occupations": [one.occupation._asdict() | {"title": one.title} for one in self.reports],
            "region": self.reports[0].region if self.reports else None,
            "figures": cells,
            "warnings": list(dict.fromkeys(warning for one in self.reports for warning in one.warnings)),
            "attributions": list(self.attributions),
        }


def _cell(fact: Fact | None) -> dict[str, Any] | None:
    return None if fact is None else asdict(fact) | {"retrieved": fact.retrieved.isoformat()}


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


def compare(college: College, whos: Sequence[str], region: str | None, soc_version: SocVersion | None) -> Comparison:
    """Put several occupations side by side; see `College.compare_occupations`."""
    reports = tuple(report(college, who, region, soc_version, _COMPARED) for who in whos)
    lines: dict[tuple[Any, ...], dict[int, Fact]] = {}
    for number, one in enumerate(reports):
        for fact in one.figures(college.today().year):
            if fact.kind in _COMPARED:
                # Jobs of this year and projected ones are lines of their own.
                when = fact.year if fact.projected else ""
                key = (_COMPARED.index(fact.kind), when, fact.statistic, fact.unit, fact.region, fact.source)
                lines.setdefault(key, {}).setdefault(number, fact)
    figures = [
        ComparedFigure(_COMPARED[kind], statistic, unit, where, source, tuple(map(found.get, range(len(reports)))))
        for (kind, _, statistic, unit, where, source), found in sorted(lines.items(), key=lambda line: line[0][:2])
    ]
    return Comparison(reports, tuple(figures))


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


def unknown(college: College) -> list[UnknownOccupation]:
    """Return the words that mean no occupation yet; see `College.unknown_occupations`."""
    settings = college.config.settings.labour_market
    titles = _market(college).titles()
    counted: Counter[str] = Counter()
    spelt: dict[str, str] = {}
    several: set[str] = set()
    for one in in_mind(college):
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
    return found


def forget(college: College, service: str | None) -> int:
    """Forget what services said; see `College.forget_labour_market`."""
    known = {name for name, *_ in college.reference.entries()}
    if service is not None and service not in known:
        raise ConfigError(
            f"Nothing is remembered of a service called '{service}'. What is remembered was said by: "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    return college.reference.forget(service)


def refresh(college: College, *, force: bool, progress: Progress | None) -> RefreshReport:
    """Ask about everything that learners have in mind; see `College.refresh_labour_market`."""
    region = college.config.settings.labour_market.region
    with college.open_reference(refresh=force) as reference:
        market = _market(college, reference)
        occupations = dict.fromkeys(
            one.found.occupation._replace(title="") for one in in_mind(college) if one.found.occupation is not None
        )
        facts = 0
        if progress is not None:
            progress.phase("enrich")
        for occupation in occupations:
            facts += len(market.report(occupation, region=region).facts)
            if progress is not None:
                progress.advance(1)
        return RefreshReport(len(occupations), facts, dict(reference.asked), tuple(market.warnings.values()))
