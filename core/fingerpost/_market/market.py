"""Ask the configured enrichers about occupations, and sum one up in an honest line.

Nothing about a learner goes in: the question is a code, a region of the college's choice and the kinds of fact. A
service that fails causes one warning, and everything else goes on as if it were not configured.
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
"""Used instead of a connector's name where a region is in doubt."""


@dataclass(frozen=True, slots=True)
class MarketReport:
    """What is known about one occupation, what services have no data on, and what went wrong, a sentence each."""

    occupation: Occupation
    region: str | None
    facts: tuple[Fact, ...]
    no_data: tuple[NoData, ...]
    warnings: tuple[str, ...]

    def of(self, kind: FactKind) -> list[Fact]:
        """Return the facts of one kind."""
        return [fact for fact in self.facts if fact.kind == kind]

    def figures(self, year: int) -> list[Fact]:
        """Return the newest of each figure for the whole occupation; `year` is the current one.

        A projection of jobs yields two: the newest that is not in the future, and the last.
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
        """The occupation's title: the one asked about, else the first service's, else its code."""
        return self.occupation.title or _own_title(self.facts) or f"SOC {self.occupation.soc}"

    @property
    def is_titled(self) -> bool:
        """Say whether the occupation has a title, not just a code."""
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
        """Return the titles in the services' lists."""
        if self._titles is None:
            self._titles = Titles(self._each("list_occupations"))
        return self._titles

    def find(self, words: str) -> list[tuple[str, Occupation]]:
        """Return the occupations that services find for some typed words, each with the name of the service."""
        return [
            (instance.name, occupation)
            for instance, context in self._enrichers
            for occupation in self._ask(instance, "find_occupations", words=words, context=context)
        ]

    def editions(self, occupation: Occupation) -> tuple[Occupation, ...]:
        """Return an occupation as it is coded in each edition of the SOC, as far as services know.

        Where they name several codes between them it was split, and there is no knowing which one is meant.
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

        If it has no title, the one that services have for its code is used: some services know only titles.
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
        """Warn of a region that no service knows: every figure would otherwise be missing without explanation."""
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
        """Return all that one enricher answers, including what it said before it failed."""
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
            self._lost(instance, f"It crashed ({type(error).__name__}); report it to its vendor.")
        if any(isinstance(one, Fact) and one.stale for one in said):
            self._lost(instance, _why_stale(answers.met - before))
        return said

    def _lost(self, instance: Instance, sentence: str) -> None:
        """Warn about a service once, even if its next answers fail in the same way."""
        self.warnings.setdefault(instance.name, f"{instance.name}: {sentence}")


def _why_stale(met: Counter[str]) -> str:
    """Say why an old answer is shown, judging by the errors that the questions ran into."""
    if met["rate_limited"]:
        return f"Its request limit is used up; earlier answers are shown with their dates. {_LATER}"
    if met:
        return "The service could not be reached; earlier answers are shown with their dates."
    return "It no longer has what it had before; the earlier answers are shown with their dates."


def _own_title(said: Iterable[Fact | NoData]) -> str:
    """Return the first service's title for the occupation, never that of a single job profile."""
    facts = (one for one in said if isinstance(one, Fact) and one.kind == "occupation" and one.statistic == "title")
    return next((fact.text for fact in facts if fact.text), "")


def _is_whole(fact: Fact) -> bool:
    """Say whether a figure is for the whole occupation, not for a part of it or for one skill, course or advert.

    Adverts from one training provider are the closest thing to all adverts where a college asks for no others.
    """
    if fact.kind == "vacancy":
        return fact.unit == "adverts"
    return not fact.split and fact.kind not in ("skill", "course", "profile", "occupation")


def market_line(report: MarketReport) -> str | None:
    """Return a line about an occupation for a tutor, with year and source; None where nothing honest can be said."""
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
    """Say whether two figures share service, job, region and unit, so that they make a range."""
    return other is not None and _range(one) == _range(other)


_range = attrgetter("source", "scope", "region", "unit")


def _newest(facts: Sequence[Fact], like: Fact) -> str:
    return max(fact.year for fact in facts if (fact.source, fact.statistic) == (like.source, like.statistic))


def _source(fact: Fact) -> str:
    """Describe a figure: what it covers, its kind, year and region, and where it comes from."""
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
