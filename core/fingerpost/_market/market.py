"""Ask the configured enrichers about occupations, and say one honest line about one.

Nothing about a learner goes in: the question is a code, a region of the college's choice and the kinds of fact. A
service that fails is warned of once, and everything else goes on as if it were not configured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from fingerpost._contract.facts import (
    FACT_KINDS,
    Fact,
    FactKind,
    LabourMarketQuestion,
    NoData,
    Occupation,
    doubt_region,
    same_region,
)
from fingerpost._market.answers import Answers
from fingerpost._market.occupations import Titles
from fingerpost._plugins.context import HookContext
from fingerpost._plugins.instance import Instance
from fingerpost._words.days import say_day
from fingerpost._words.errors import FingerpostError, RateLimited

_LATER = "Later, fingerpost lmi refresh fetches the rest."
_REGION = "[labour_market] region"
"""What stands in the place of a connector's name where a region is in doubt."""


@dataclass(frozen=True, slots=True)
class MarketReport:
    """What is known about one occupation, what services have nothing of, and what went wrong, a sentence each."""

    occupation: Occupation
    region: str | None
    facts: tuple[Fact, ...]
    no_data: tuple[NoData, ...]
    warnings: tuple[str, ...]

    def of(self, kind: FactKind) -> list[Fact]:
        """Return the facts of one kind."""
        return [fact for fact in self.facts if fact.kind == kind]

    def figures(self, year: int) -> list[Fact]:
        """Return the figures for all of the occupation, each at its newest; `year` is this one.

        Of a projection of jobs they are two: the newest that is not of the future, and the last.
        """
        series: dict[tuple[str, ...], list[Fact]] = {}
        for fact in self.facts:
            if fact.value is not None and _is_whole(fact):
                key = (fact.kind, fact.source, fact.statistic, fact.unit, fact.region, fact.scope)
                series.setdefault(key, []).append(fact)
        found = []
        for facts in series.values():
            in_order = sorted(facts, key=lambda fact: fact.year)
            newest = next(fact for fact in in_order if fact.year == in_order[-1].year)
            if newest.projected and newest.kind == "employment":
                past = [fact for fact in in_order if fact.year <= str(year)]
                now = past[-1] if past else in_order[0]
                found += [now] if now is not newest else []
            found.append(newest)
        return found

    @property
    def title(self) -> str:
        """The occupation's title: as asked for, else as the first service gives it, else its code."""
        return self.occupation.title or _own_title(self.facts) or f"SOC {self.occupation.soc}"

    @property
    def is_titled(self) -> bool:
        """Say whether the occupation has a title, and not its code alone."""
        return self.title != f"SOC {self.occupation.soc}"

    @property
    def attributions(self) -> tuple[str, ...]:
        """The lines to show wherever these facts are shown."""
        return tuple(dict.fromkeys(fact.attribution for fact in self.facts))

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost lmi show --json` prints."""
        return {
            "occupation": self.occupation._asdict() | {"title": self.title},
            "region": self.region,
            "facts": [fact.as_dict() for fact in self.facts],
            "no_data": [one._asdict() for one in self.no_data],
            "warnings": list(self.warnings),
            "attributions": list(self.attributions),
        }


class Market:
    """The enrichers of one college, in the order of trust, and what they remember."""

    def __init__(self, enrichers: Sequence[tuple[Instance, HookContext]], answers: Callable[[], Answers]) -> None:
        self._enrichers = enrichers
        self._answers = answers  # opened when first needed: a college without services has no such file
        self._titles: Titles | None = None
        self.warnings: dict[str, str] = {}

    @property
    def is_configured(self) -> bool:
        """Say whether any service can be asked."""
        return bool(self._enrichers)

    def close(self) -> None:
        """Close the connections to every service."""
        for _, context in self._enrichers:
            context.close()

    def titles(self) -> Titles:
        """Return the titles that services list."""
        if self._titles is None:
            self._titles = Titles(self._each("list_occupations"))
        return self._titles

    def find(self, words: str) -> list[tuple[str, Occupation]]:
        """Return what services take some typed words to mean, each with the name of the service."""
        return [
            (instance.name, occupation)
            for instance, context in self._enrichers
            for occupation in self._ask(instance, "find_occupations", words=words, context=context)
        ]

    def editions(self, occupation: Occupation) -> tuple[Occupation, ...]:
        """Return an occupation as it is coded in each edition of the SOC, as far as services say so.

        Where they name several codes, all together, it was split, and nobody can tell which is meant.
        """
        found = self._each("convert_occupation", occupation=occupation)
        others = {(one.soc, one.soc_version) for one in found if one.soc_version != occupation.soc_version}
        if len(others) != 1:
            return (occupation,)
        ((soc, version),) = others
        return occupation, Occupation(soc, version, occupation.title)

    def report(
        self, occupation: Occupation, *, region: str | None = None, kinds: Collection[FactKind] = FACT_KINDS
    ) -> MarketReport:
        """Ask every enricher about one occupation.

        Where it comes without a title, one that services give to its code is asked with: some know titles alone.
        """
        known = dict(self.warnings)
        if not occupation.title:
            occupation = occupation._replace(title=self._title(occupation, region))
        question = LabourMarketQuestion(self.editions(occupation), region, frozenset(kinds))
        said = list(self._each("labour_market", question=question))
        facts = tuple(one for one in said if isinstance(one, Fact))
        has = {(fact.source, fact.kind) for fact in facts}
        missing = dict.fromkeys(one for one in said if isinstance(one, NoData) and (one.source, one.kind) not in has)
        self._doubt(region, facts, missing)
        new = tuple(sentence for name, sentence in self.warnings.items() if known.get(name) != sentence)
        return MarketReport(occupation, region, facts, tuple(missing), new)

    def _doubt(self, region: str | None, facts: Collection[Fact], missing: Collection[NoData]) -> None:
        """Warn of a region that no service knows: else every figure would be missing without a word."""
        if not region or not any(one.reason == "region" for one in missing):
            return
        if not any(same_region(fact.region, region) for fact in facts):
            advice = doubt_region(region) or "Without a region, figures of the whole UK are asked for."
            self.warnings.setdefault(_REGION, f"{_REGION}: no service knows a region called '{region}'. {advice}")

    def _title(self, occupation: Occupation, region: str | None) -> str:
        question = LabourMarketQuestion((occupation,), region, frozenset({"occupation"}))
        return _own_title(self._each("labour_market", question=question)) or self.titles().title(occupation)

    def _each(self, hook: str, **arguments: Any) -> Iterator[Any]:
        for instance, context in self._enrichers:
            yield from self._ask(instance, hook, context=context, **arguments)

    def _ask(self, instance: Instance, hook: str, **arguments: Any) -> list[Any]:
        """Return all that one enricher answers; what it said before it failed counts."""
        said: list[Any] = []
        if not instance.has(hook):
            return said
        kinds = (Fact, NoData) if hook == "labour_market" else Occupation
        answers = self._answers()
        before = answers.met.copy()
        try:
            for one in instance.enrich(hook, kinds, reference=answers, **arguments):
                said.append(one)
        except RateLimited as error:
            self._lost(instance, f"{error.message} {_LATER}")
        except FingerpostError as error:
            self._lost(instance, error.message)
        except Exception as error:  # a vendor's exception may hold anything, so only its type is shown
            self._lost(instance, f"It broke ({type(error).__name__}); its vendor must act.")
        if any(isinstance(one, Fact) and one.stale for one in said):
            self._lost(instance, _why_stale(answers.met - before))
        return said

    def _lost(self, instance: Instance, sentence: str) -> None:
        """Warn of a service, once; the next answers may say the same again."""
        self.warnings.setdefault(instance.name, f"{instance.name}: {sentence}")


def _why_stale(met: Counter[str]) -> str:
    """Say why an old answer is shown, by what questions met meanwhile."""
    if met["rate_limited"]:
        return f"It was asked as often as it allows; what it said before is shown with its date. {_LATER}"
    if met:
        return "The service could not be asked; what it said before is shown with its date."
    return "It has nothing now where it had something before; that is shown with its date."


def _own_title(said: Iterable[Fact | NoData]) -> str:
    """Return the title that the first service gives to the occupation; that of one job profile is never it."""
    facts = (one for one in said if isinstance(one, Fact) and one.kind == "occupation" and one.statistic == "title")
    return next((fact.text for fact in facts if fact.text), "")


def _is_whole(fact: Fact) -> bool:
    """Say whether a figure is for the whole occupation, and not for a part of it or for one skill, course or advert.

    Adverts of one training provider are the nearest thing to all adverts where a college asks for no others.
    """
    if fact.kind == "vacancy":
        return fact.unit == "adverts"
    return not fact.split and fact.kind not in ("skill", "course", "profile", "occupation")


def market_line(report: MarketReport) -> str | None:
    """Say one line about an occupation for a tutor, with year and source; None where there is nothing honest to say."""
    parts = [_pay(report)]
    adverts = next((fact for fact in report.of("vacancy") if fact.value), None)
    if adverts is not None and adverts.unit == "adverts":
        parts.append(f"{adverts.value:,.0f} apprenticeship adverts ({_source(adverts)})")
    said = [part for part in parts if part]
    return f"{report.title}: {'. '.join(said)}." if said else None


def _pay(report: MarketReport) -> str | None:
    facts = [fact for fact in report.of("pay") if fact.value and not fact.split]
    starting = next((fact for fact in facts if fact.statistic == "starting"), None)
    experienced = next((fact for fact in facts if fact.statistic == "experienced" and _are_alike(fact, starting)), None)
    for fact in facts:
        if fact is starting and experienced is not None:
            return f"£{fact.value:,.0f} to £{experienced.value:,.0f} a year before tax ({_source(fact)})"
        if fact.statistic in ("estimate", "median", "mean") and fact.year == _newest(facts, fact):
            span = {"GBP a week": "a week", "GBP a year": "a year"}.get(fact.unit)
            if span:
                return f"about £{fact.value:,.0f} {span} before tax ({_source(fact)})"
    return None


def _are_alike(one: Fact, other: Fact | None) -> bool:
    """Say whether two figures are by one service, of one job, region and unit, so that they make a range."""
    return other is not None and _range(one) == _range(other)


_range = attrgetter("source", "scope", "region", "unit")


def _newest(facts: Sequence[Fact], like: Fact) -> str:
    return max(fact.year for fact in facts if (fact.source, fact.statistic) == (like.source, like.statistic))


def _source(fact: Fact) -> str:
    """Say what a figure is: what it is of, its kind, year and region, and who says so."""
    kind = "estimate" if fact.statistic == "estimate" else ""
    parts = [
        fact.scope,
        " ".join(part for part in (kind, f"for {fact.year}" if fact.year else "") if part),
        fact.region,
        "for a wider group of occupations" if fact.coarse else "",
        fact.attribution.rstrip("."),
        f"as it was on {say_day(fact.retrieved)}" if fact.stale or not fact.year else "",
    ]
    return ", ".join(part for part in parts if part)
