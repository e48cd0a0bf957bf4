"""The connector: what is asked for each kind of fact, and what is done where a figure is lacking."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias
from urllib.parse import urlencode

from pydantic import Field

from fingerpost import (
    AuthError,
    ConnectorConfig,
    Context,
    Enricher,
    Fact,
    FactKind,
    Finding,
    FingerpostError,
    LabourMarketQuestion,
    NoData,
    Occupation,
    RateLimited,
    Reference,
    Reply,
    SourceUnavailable,
    hookimpl,
)
from fingerpost_lmiforall import _parsing as parsing
from fingerpost_lmiforall._parsing import ADVERTS, NAME, SOURCE, About, Region, fold_region
from fingerpost_lmiforall._service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["LmiForAll", "LmiForAllConfig"]

Read: TypeAlias = "Callable[[object, About], list[Fact]]"

_SOC = re.compile(r"[1-9][0-9]{3}")
_UK = {"uk", "united kingdom"}
_ASHE, _FUTURES, _SURVEY = "ashe/filters/all", "wf/filters/info/region", "ess/regions"
"""Where each family of endpoints lists its regions: ASHE numbers them differently from the other two."""

_MOST_ADVERTS = 10


class LmiForAllConfig(ConnectorConfig):
    """The keys of a ``[[connector]]`` table with ``type = "lmiforall"``."""

    base_url: str = Field(
        default="https://api.lmiforall.org.uk/api/v1/", description="The address that all paths are below."
    )
    vacancies: bool = Field(
        default=False,
        description="Whether live adverts are asked for too. The service hardly has any; `apprenticeships` is better.",
    )


class LmiForAll(Enricher):
    """Say what LMI for All knows about occupations, which are coded by SOC2010.

    The service's data ended in 2024 and it may be gone any day: everything is asked through the host's memory, which
    goes on serving what was said.
    """

    name: ClassVar[str] = NAME
    Config: ClassVar[type[ConnectorConfig]] = LmiForAllConfig

    def __init__(self, config: LmiForAllConfig) -> None:
        super().__init__(config)
        self._vacancies = config.vacancies
        self._service = Service(config.base_url)

    @hookimpl
    def check(self, context: Context) -> Iterable[Finding]:
        """Ask for one occupation; that the service is gone is a warning, for what it once said is still shown."""
        try:
            self._service.prove_alive(context)
        except (SourceUnavailable, AuthError) as error:
            yield Finding(
                "warning",
                f"LMI for All cannot be asked: {error.message}",
                "what it said before is still shown, with its date; if it stays away, take the connectors ncs, "
                "apprenticeships and occupationalmaps instead",
            )
        else:
            yield Finding("ok", f"{self._service.host} answers; its data has not been renewed since the end of 2024")

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield the newest figures for each occupation.

        Where something cannot be asked, everything else is still said; only then comes the first error, once.
        """
        return _Inquiry(self._service, question, reference, context, vacancies=self._vacancies).answers()

    @hookimpl
    def find_occupations(self, words: str, reference: Reference, context: Context) -> Iterator[Occupation]:
        """Yield what the service's search finds; the search is fuzzy and its first hit often not the right one.

        Neither the words nor what was found is remembered.
        """
        sought = " ".join(words.casefold().split())
        if sought:
            path, params = "soc/search", {"q": sought}
            reply = reference.fetch(
                NAME, _key(path, params), "codes", lambda: self._service.ask(path, params, context), remember=False
            )
            yield from parsing.found_occupations(reply.value)


def _key(path: str, params: Mapping[str, str]) -> str:
    """Return the request as it is sent, under which its answer is remembered."""
    return f"{path}?{urlencode(params)}" if params else path


class _UnknownRegionError(Exception):
    """Report that a family of endpoints has no region of that name."""


class _Inquiry:
    """Answer one question."""

    def __init__(
        self,
        service: Service,
        question: LabourMarketQuestion,
        reference: Reference,
        context: Context,
        *,
        vacancies: bool,
    ) -> None:
        self._service = service
        self._question = question
        self._reference = reference
        self._context = context
        self._failure: FingerpostError | None = None
        region = fold_region(question.region or "")
        self._region_name = "" if region in _UK else region
        self._steps: dict[FactKind, Callable[[str], Iterator[Fact]]] = {
            "occupation": self._occupation,
            "pay": lambda soc: self._ashe("pay", "ashe/estimatePay", soc, parsing.pay),
            "hours": lambda soc: self._ashe("hours", "ashe/estimateHours", soc, parsing.hours),
            "annual_change": self._annual_change,
            "unemployment": lambda soc: self._plain("unemployment", "lfs/unemployment", soc, parsing.unemployment),
            "employment": self._employment,
            "replacement": lambda soc: self._plain("replacement", "wf/replacement_demand", soc, parsing.replacement),
            "shortage": self._shortage,
            "skill": self._skills,
            "course": self._courses,
        }
        if vacancies:
            self._steps["vacancy"] = self._adverts

    def answers(self) -> Iterator[Fact | NoData]:
        """Yield facts and the lack of them, kind by kind; raise the first error at the end."""
        for kind, step in self._steps.items():
            if kind in self._question.kinds:
                for occupation in self._question.occupations:
                    yield from self._answer(kind, step, occupation)
        if self._failure is not None:
            raise self._failure

    def _answer(
        self, kind: FactKind, step: Callable[[str], Iterator[Fact]], occupation: Occupation
    ) -> Iterator[Fact | NoData]:
        reason = "none"
        if occupation.soc_version != 2010:
            reason = "soc_version"
        elif not _SOC.fullmatch(occupation.soc):
            reason = "soc"
        else:
            try:
                for fact in step(occupation.soc):
                    reason = ""
                    yield fact
            except _UnknownRegionError:
                reason = "region"
            except (SourceUnavailable, AuthError) as error:
                self._failure = self._failure or error
                return
        if reason:
            yield NoData(kind, occupation.soc, SOURCE, reason)

    # -- the kinds

    def _occupation(self, soc: str) -> Iterator[Fact]:
        reply = self._fetch("occupation", f"soc/code/{soc}")
        yield from parsing.occupation(reply.value, _about(soc, reply))

    def _plain(self, kind: FactKind, path: str, soc: str, read: Read) -> Iterator[Fact]:
        reply = self._fetch(kind, path, {"soc": soc})
        yield from read(reply.value, _about(soc, reply))

    def _ashe(self, kind: FactKind, path: str, soc: str, read: Read) -> Iterator[Fact]:
        region = self._region(_ASHE)
        return self._closest(kind, path, {"soc": soc} | _filters(region), soc, region, read)

    def _annual_change(self, soc: str) -> Iterator[Fact]:
        region = self._region(_ASHE)
        reply = self._fetch("annual_change", "ashe/annualChanges", {"soc": soc} | _filters(region))
        yield from parsing.annual_changes(reply.value, _about(soc, reply, region))

    def _shortage(self, soc: str) -> Iterator[Fact]:
        region = self._region(_SURVEY)
        path = f"ess/uk/{soc}" if region is None else f"ess/region/{region.code}/{soc}"
        return self._closest("shortage", path, {}, soc, region, parsing.shortages)

    def _employment(self, soc: str) -> Iterator[Fact]:
        """Yield the projection of the region, or of the UK with its split by region; other splits are the UK's."""
        region = self._region(_FUTURES)
        if region is None:
            yield from self._plain("employment", "wf/predict", soc, parsing.employment)
        reply = self._split("region", soc)
        if region is None:
            yield from parsing.employment_by(reply.value, _about(soc, reply), "region")
        else:
            yield from parsing.employment_in(reply.value, _about(soc, reply, region), region)
        for by in ("industry", "status", "qualification", "gender"):
            reply = self._split(by, soc)
            yield from parsing.employment_by(reply.value, _about(soc, reply), by)

    def _split(self, by: str, soc: str) -> Reply:
        return self._fetch("employment", f"wf/predict/breakdown/{by}", {"soc": soc})

    def _skills(self, soc: str) -> Iterator[Fact]:
        for code in parsing.onet_codes(self._fetch("codes", f"o-net/soc2onet/{soc}").value):
            reply = self._fetch("skill", f"o-net/skills/{code}")
            yield from parsing.skills(reply.value, _about(soc, reply), code)

    def _courses(self, soc: str) -> Iterator[Fact]:
        reply = self._fetch("course", f"hesa/courses/{soc}")
        yield from parsing.courses(reply.value, _about(soc, reply))

    def _adverts(self, soc: str) -> Iterator[Fact]:
        """Search by the service's own title: never by words that came with the question."""
        title = parsing.title(self._fetch("occupation", f"soc/code/{soc}").value)
        if title:
            params = {"keywords": title, "limit": str(_MOST_ADVERTS)}
            reply = self._fetch("vacancy", "vacancies/search", params, service=ADVERTS)
            yield from parsing.adverts(reply.value, _about(soc, reply), self._context.now.date())

    # -- asking

    def _closest(
        self, kind: FactKind, path: str, params: Mapping[str, str], soc: str, region: Region | None, read: Read
    ) -> Iterator[Fact]:
        """Yield the figure for the occupation, or else for the wider group that it belongs to."""
        reply = self._fetch(kind, path, params)
        facts = read(reply.value, _about(soc, reply, region))
        if not facts:
            reply = self._fetch(kind, path, {**params, "coarse": "true"})
            facts = read(reply.value, _about(soc, reply, region, coarse=True))
        yield from facts

    def _region(self, path: str) -> Region | None:
        """Return the region that is asked for as the service numbers it there, or None for the whole UK."""
        if not self._region_name:
            return None
        listed = self._fetch("codes", path).value
        if not parsing.is_answer(path, listed):
            raise SourceUnavailable(
                f"{self._service.host} does not say how it numbers regions, so that nothing was asked about one."
            )
        known = parsing.regions(listed)
        if self._region_name not in known:
            raise _UnknownRegionError
        return known[self._region_name]

    def _fetch(self, kind: str, path: str, params: Mapping[str, str] | None = None, *, service: str = NAME) -> Reply:
        given = params or {}
        return self._reference.fetch(service, _key(path, given), kind, lambda: self._ask(path, given))

    def _ask(self, path: str, params: Mapping[str, str]) -> Any:
        value = self._service.ask(path, params, self._context)
        if path == "vacancies/search" and parsing.is_rate_limited(value):
            raise RateLimited(f"{self._service.host} asked us to slow down with its adverts; the next run tries again.")
        return value


def _filters(region: Region | None) -> dict[str, str]:
    return {} if region is None else {"filters": f"region:{region.code}"}


def _about(soc: str, reply: Reply, region: Region | None = None, *, coarse: bool = False) -> About:
    return About(soc, reply.retrieved, reply.stale, parsing.AS_SERVED if region is None else region.name, coarse)
