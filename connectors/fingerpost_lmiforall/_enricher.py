"""The connector `lmiforall`: what is asked for each kind of fact, and what is done where a figure is lacking."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import ClassVar, TypeAlias

from pydantic import Field

from fingerpost import AuthError, ConnectorConfig, Context, Enricher, Finding, SourceUnavailable, hookimpl
from fingerpost.lmi import (
    AS_SERVED,
    Fact,
    FactKind,
    FirstError,
    Inquiry,
    LabourMarketQuestion,
    NoData,
    Occupation,
    Params,
    Reference,
    Reply,
    fold_region,
)
from fingerpost_lmiforall import _reading as reading
from fingerpost_lmiforall._reading import ADVERTS, ASHE_REGIONS, FUTURES_REGIONS, NAME, ORIGIN, SURVEY_REGIONS
from fingerpost_lmiforall._service import LmiForAllService

Read: TypeAlias = "Callable[[object, reading.About], list[Fact]]"

_SOC = re.compile(r"[1-9][0-9]{3}")
_UK = {"uk", "united kingdom"}
_MOST_BYTES = 10 * 1024 * 1024
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
    """Report what LMI for All knows about occupations, which it codes by SOC 2010.

    The service's data ended in 2024 and it may be gone any day: everything is asked through what is remembered, which
    then goes on being shown.
    """

    name: ClassVar[str] = NAME
    Config: ClassVar[type[ConnectorConfig]] = LmiForAllConfig

    def __init__(self, config: LmiForAllConfig) -> None:
        super().__init__(config)
        self._asks_for_adverts = config.vacancies
        self._service = LmiForAllService(name=NAME, origin=ORIGIN, base_url=config.base_url, max_bytes=_MOST_BYTES)

    @hookimpl
    def check(self, context: Context) -> Iterable[Finding]:
        """Ask for one occupation; a service that is gone is a warning, since what it once said is still shown."""
        try:
            self._service.prove_alive(context)
        except (SourceUnavailable, AuthError) as error:
            yield Finding(
                "warning",
                f"LMI for All cannot be asked: {error.message}",
                "What it said before is still shown, with its date. If it stays away, use the connectors ncs, "
                "apprenticeships and occupationalmaps instead.",
            )
        else:
            yield Finding("ok", f"{self._service.host} answers; its data has not been updated since the end of 2024.")

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield the newest figures for each occupation, kind by kind.

        Where something cannot be asked, everything else is still said; only then comes the first error, once.
        """
        steps = _Steps(Inquiry(self._service, reference, context), question.region).by_kind
        if not self._asks_for_adverts:
            del steps["vacancy"]
        first_error = FirstError()
        for kind, step in steps.items():
            for occupation in question.occupations if kind in question.kinds else ():
                with first_error.put_off():
                    yield from _answer(kind, step, occupation)
        first_error.raise_it()

    @hookimpl
    def find_occupations(self, words: str, reference: Reference, context: Context) -> Iterator[Occupation]:
        """Yield what the service's search finds; the search is fuzzy, and its first hit often not the right one.

        Neither the words nor what was found is remembered.
        """
        sought = " ".join(words.casefold().split())
        if sought:
            inquiry = Inquiry(self._service, reference, context)
            reply = inquiry.fetch("codes", "soc/search", {"q": sought}, remember=False)
            yield from reading.found_occupations(reply.value)


class _UnknownRegionError(Exception):
    """Report that a family of endpoints has no region of that name."""


def _answer(kind: FactKind, step: Callable[[str], Iterable[Fact]], occupation: Occupation) -> Iterator[Fact | NoData]:
    """Yield the facts of one kind about one occupation, or why there are none."""
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
    if reason:
        yield ORIGIN.no_data(kind, occupation, reason)


class _Steps:
    """What is asked for each kind of fact about an occupation with this code, in a region or in the whole UK."""

    def __init__(self, inquiry: Inquiry, region: str | None) -> None:
        self._inquiry = inquiry
        folded = fold_region(region or "")
        self._region_name = "" if folded in _UK else folded
        self.by_kind: dict[FactKind, Callable[[str], Iterable[Fact]]] = {
            "occupation": lambda soc: self._read("occupation", reading.occupation, soc, f"soc/code/{soc}"),
            "pay": partial(self._ashe, "pay", "ashe/estimatePay", widen=True),
            "hours": partial(self._ashe, "hours", "ashe/estimateHours", widen=True),
            "annual_change": partial(self._ashe, "annual_change", "ashe/annualChanges"),
            "unemployment": partial(
                self._plain, "unemployment", partial(reading.newest, kind="unemployment"), "lfs/unemployment"
            ),
            "employment": self._employment,
            "replacement": partial(self._plain, "replacement", reading.replacement, "wf/replacement_demand"),
            "shortage": self._shortage,
            "skill": self._skills,
            "course": lambda soc: self._read("course", reading.courses, soc, f"hesa/courses/{soc}"),
            "vacancy": self._adverts,
        }

    # -- the kinds

    def _plain(self, kind: FactKind, read: Read, path: str, soc: str) -> list[Fact]:
        return self._read(kind, read, soc, path, {"soc": soc})

    def _ashe(self, kind: FactKind, path: str, soc: str, *, widen: bool = False) -> list[Fact]:
        read = partial(reading.newest, kind=kind)
        region = self._region(ASHE_REGIONS)
        filters = {} if region is None else {"filters": f"region:{region.code}"}
        return self._read(kind, read, soc, path, {"soc": soc} | filters, region, widen=widen)

    def _employment(self, soc: str) -> Iterator[Fact]:
        """Yield the projection of the region, or of the UK with its split by region; other splits are the UK's."""
        region, path = self._region(FUTURES_REGIONS), "wf/predict"
        splits = ["industry", "status", "qualification", "gender"]
        if region is None:
            yield from self._plain("employment", reading.employment, path, soc)
            splits.insert(0, "region")
        else:
            read = partial(reading.employment_in, region=region)
            yield from self._read("employment", read, soc, f"{path}/breakdown/region", {"soc": soc}, region)
        for by in splits:
            yield from self._plain("employment", partial(reading.employment_by, by=by), f"{path}/breakdown/{by}", soc)

    def _shortage(self, soc: str) -> list[Fact]:
        region = self._region(SURVEY_REGIONS)
        path = f"ess/uk/{soc}" if region is None else f"ess/region/{region.code}/{soc}"
        return self._read("shortage", reading.shortages, soc, path, region=region, widen=True)

    def _skills(self, soc: str) -> Iterator[Fact]:
        for code in reading.onet_codes(self._inquiry.fetch("codes", f"o-net/soc2onet/{soc}").value):
            yield from self._read("skill", partial(reading.skills, code=code), soc, f"o-net/skills/{code}")

    def _adverts(self, soc: str) -> list[Fact]:
        """Search by the service's own title: never by words that came with the question."""
        title = reading.title(self._inquiry.fetch("occupation", f"soc/code/{soc}").value)
        if not title:
            return []
        params = {"keywords": title, "limit": _MOST_ADVERTS}
        reply = self._inquiry.fetch("vacancy", "vacancies/search", params, name=ADVERTS)
        return reading.adverts(reply.value, _about(soc, reply), self._inquiry.context.now.date())

    # -- asking

    def _read(
        self, kind: FactKind, read: Read, soc: str, path: str, params: Params | None = None,
        region: reading.Region | None = None, *, widen: bool = False,
    ) -> list[Fact]:  # fmt: skip
        """Return the figures for the occupation, or else, with `widen`, for the wider group that it belongs to."""
        reply = self._inquiry.fetch(kind, path, params)
        facts = read(reply.value, _about(soc, reply, region))
        if widen and not facts:
            reply = self._inquiry.fetch(kind, path, {**(params or {}), "coarse": "true"})
            facts = read(reply.value, _about(soc, reply, region, coarse=True))
        return facts

    def _region(self, path: str) -> reading.Region | None:
        """Return the region that is asked for as the service numbers it there, or None for the whole UK."""
        if not self._region_name:
            return None
        listed = self._inquiry.fetch("codes", path).value
        if not reading.is_answer(path, listed):
            raise SourceUnavailable(
                f"{self._inquiry.service.host} does not say how it numbers regions, so it was not asked about one."
            )
        known = reading.regions(listed)
        if self._region_name not in known:
            raise _UnknownRegionError
        return known[self._region_name]


def _about(soc: str, reply: Reply, region: reading.Region | None = None, *, coarse: bool = False) -> reading.About:
    where = AS_SERVED if region is None else region.name
    return reading.About(soc, reply.retrieved, reply.stale, where, coarse)
