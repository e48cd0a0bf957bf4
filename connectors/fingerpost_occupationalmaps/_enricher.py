"""The connector `occupationalmaps`: ask the Occupational Maps API of Skills England.

Its list of all occupations is asked for once and answers most questions: which of them a SOC code means, and what that
code is in the other edition. The LARS codes of apprenticeships are not in the maps: Skills England shows them with each
standard, at an address of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from fingerpost import ConnectorConfig, Context, Enricher, Finding, hookimpl
from fingerpost.lmi import (
    Fact,
    FactKind,
    FirstError,
    Inquiry,
    LabourMarketQuestion,
    NoData,
    Occupation,
    Origin,
    Reference,
    Reply,
    Service,
    SocVersion,
)
from fingerpost_occupationalmaps import _reading as reading

ORIGIN = Origin(
    source="Skills England Occupational Maps",
    attribution="© Skills England. Contains public sector information from the Occupational Maps, licensed under the "
    "Open Government Licence v3.0. Skills England asks for its logo beside it where it is shown to the public.",
    licence="Open Government Licence v3.0",
    region="England",
)
KINDS: tuple[FactKind, ...] = ("occupation", "course", "profile")
LISTED = {"expand": "occupation.soc,occupation.typicaljobtitles"}
"""What the list is to hold. `expand` is known to work for one occupation; nobody was seen to use it for the list."""
MOST_OCCUPATIONS = 10
"""How many of the maps' occupations are looked into for one SOC code."""
STANDARDS = "skillsengland-standards"
"""What the address of the LARS codes is called in what is remembered: when it is down, the maps are still asked."""
MOST_BYTES = 10 * 1024 * 1024
"""The most that one standard may hold; the whole list, which is never asked for here, has 79 MB."""
MOST_LARS_CODES = 10
"""How many LARS codes are asked for per SOC code, since each is a request of its own."""


class OccupationalMapsConfig(ConnectorConfig):
    """The keys of a ``[[connector]]`` table with ``type = "occupationalmaps"``."""

    key: SecretStr = Field(description="The key of the Occupational Maps API, as a secret reference.")
    base_url: str = Field(
        default="https://occupational-maps-api.skillsengland.education.gov.uk/api/v1",
        description="The address of the API.",
    )
    standards_url: str = Field(
        default="https://skillsengland.education.gov.uk/api/apprenticeshipstandards",
        description="The address that apprenticeship standards are below, each with its LARS code; it takes no key.",
    )


class OccupationalMapsEnricher(Enricher):
    """Name the occupations of the maps that a SOC code means, how to train for them and what may come next."""

    name: ClassVar[str] = "occupationalmaps"
    Config: ClassVar[type[ConnectorConfig]] = OccupationalMapsConfig
    limit: ClassVar[tuple[int, float]] = (120, 60.0)
    """How many calls to either address in how many seconds: no limit is documented, and this one is ours."""

    config: OccupationalMapsConfig

    def __init__(self, config: OccupationalMapsConfig) -> None:
        super().__init__(config)
        self._maps = Service(
            name=self.name,
            origin=ORIGIN,
            base_url=config.base_url,
            key=("X-API-KEY", config.key),
            limit=self.limit,
            not_found="has no list of occupations",
        )
        # The key of the maps stays with the maps.
        self._standards = Service(
            name=STANDARDS, origin=ORIGIN, base_url=config.standards_url, limit=self.limit, max_bytes=MOST_BYTES
        )

    # -- hooks

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Fetch the list of occupations, and see that it names SOC codes."""
        found = reading.map_occupations(self._maps.get(context, "Occupations", LISTED))
        coded = [each for each in found if each.socs]
        if coded:
            counts = f"{len(found):,} occupations, {len(coded):,} with a SOC code"
            yield Finding("ok", f"{ORIGIN.source} answers and lists {counts}.")
        else:
            what = "no SOC code for any of its occupations" if found else "no occupation"
            yield self._maps.doubt(context, f"lists {what}, so it is of no use here")

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield the maps' occupations of each SOC code, what there is to train for them, and what may come next.

        Where LARS codes cannot be had, courses are named without them.
        """
        kinds: list[FactKind] = [kind for kind in KINDS if kind in question.kinds]
        if not kinds or not question.occupations:
            return
        inquiry, first_error = Inquiry(self._maps, reference, context), FirstError()
        listed = self._list(inquiry)
        known = reading.map_occupations(listed.value)
        answered: list[reading.MapOccupation] = []
        for occupation in question.occupations:
            if any(each.is_coded(occupation) for each in answered):
                continue  # the same occupation in the other edition
            meant = [each for each in known if each.is_coded(occupation)]
            answered += meant
            lars_codes = _LarsCodes(Inquiry(self._standards, reference, context), first_error)
            with first_error.put_off():
                facts: list[Fact] = []
                for each in meant[:MOST_OCCUPATIONS]:
                    if "occupation" in kinds:
                        facts += _titles(occupation, each, listed)
                    if "course" in kinds:
                        facts += _courses(occupation, each, inquiry, lars_codes)
                    if "profile" in kinds:
                        facts += _next_steps(occupation, each, inquiry)
                yield from ORIGIN.answers(kinds, occupation, facts, "none" if meant else "no_occupation")
        first_error.raise_it()

    @hookimpl
    def list_occupations(self, reference: Reference, context: Context) -> Iterator[Occupation]:
        """Yield the codes of every occupation under its name, its typical job titles and the titles of its codes."""
        for each in reading.map_occupations(self._list(Inquiry(self._maps, reference, context)).value):
            for version, (code, title) in each.socs.items():
                names = dict.fromkeys((each.name, *each.job_titles, title))
                yield from (Occupation(code, version, name) for name in names if name)

    @hookimpl
    def convert_occupation(
        self, occupation: Occupation, reference: Reference, context: Context
    ) -> Iterator[Occupation]:
        """Yield every code that the maps give in the other edition to an occupation with this code."""
        other: SocVersion = 2010 if occupation.soc_version == 2020 else 2020
        found: dict[str, str] = {}
        for each in reading.map_occupations(self._list(Inquiry(self._maps, reference, context)).value):
            if each.is_coded(occupation) and other in each.socs:
                code, title = each.socs[other]
                found[code] = found.get(code) or title
        yield from (Occupation(code, other, title) for code, title in found.items())

    # -- the list

    def _list(self, inquiry: Inquiry) -> Reply:
        return inquiry.fetch("codes", "Occupations", LISTED, keep=self._kept_list)

    def _kept_list(self, value: Any) -> Any:
        """Return what is kept of the list; a service whose list has not a single SOC code is not what it was."""
        kept = reading.kept_list(value)
        if not any(each.socs for each in reading.map_occupations(kept)):
            raise self._maps.changed("lists no occupation with a SOC code")
        return kept


class _LarsCodes:
    """Look up the LARS codes of a few apprenticeships; where that fails, nothing else is lost."""

    def __init__(self, inquiry: Inquiry, first_error: FirstError) -> None:
        self._inquiry = inquiry
        self._first_error = first_error
        self._left = MOST_LARS_CODES

    def added_to(self, product: reading.Product) -> reading.Product:
        """Return an apprenticeship with its LARS code, as far as that can be had."""
        if product.standard and self._left:
            self._left -= 1
            keep = partial(reading.kept_lars_code, code=product.standard)
            with self._first_error.put_off():
                reply = self._inquiry.fetch("course", product.standard, keep=keep, nothing=(400, 404))
                return replace(product, lars=reading.lars_code(reply.value))
        return product


def _titles(occupation: Occupation, found: reading.MapOccupation, listed: Reply) -> Iterator[Fact]:
    fact = partial(ORIGIN.fact, "occupation", occupation, listed)
    if title := found.socs[occupation.soc_version][1]:
        yield fact(text=title, statistic="title")
    # A SOC code is several occupations of the maps: none of them is what the code is called.
    yield fact(text=found.title, statistic="map title")
    for title in found.job_titles:
        yield fact(text=title, statistic="alternative title")


def _courses(
    occupation: Occupation, found: reading.MapOccupation, inquiry: Inquiry, lars_codes: _LarsCodes
) -> Iterator[Fact]:
    path, expand = f"Occupations/{found.code}", {"expand": "occupation.products"}
    keep = partial(reading.kept_lists, keys=("products",))
    reply = inquiry.fetch("course", path, expand, keep=keep, nothing=(404,))
    for product in reading.products(reply.value):
        yield ORIGIN.fact("course", occupation, reply, text=lars_codes.added_to(product).title)


def _next_steps(occupation: Occupation, found: reading.MapOccupation, inquiry: Inquiry) -> Iterator[Fact]:
    path = f"OccupationalProgression/{found.code}"
    keep = partial(reading.kept_lists, keys=("occupations", "progressions"))
    reply = inquiry.fetch("profile", path, keep=keep, nothing=(404,))
    fact = partial(ORIGIN.fact, "profile", occupation, reply, statistic="next occupation", split=f"from {found.name}")
    yield from (fact(text=title) for title in reading.next_occupations(reply.value, found.code))
