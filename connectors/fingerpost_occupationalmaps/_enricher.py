"""The connector `occupationalmaps`: ask the Occupational Maps API of Skills England.

Its list of all occupations is asked for once and answers most questions: which of them a SOC code means, and what that
code is in the other edition. The LARS codes of apprenticeships are not in the maps: Skills England shows them with each
standard, at an address of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, SecretStr

from fingerpost import (
    AuthError,
    ConnectorConfig,
    Enricher,
    Fact,
    Finding,
    NoData,
    Occupation,
    SourceUnavailable,
    hookimpl,
    json_of,
)
from fingerpost_occupationalmaps._reading import (
    Product,
    Standard,
    kept_lars_code,
    kept_list,
    kept_products,
    kept_progression,
    lars_code,
    next_standards,
    products,
    standards,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response

    from fingerpost import Context, FactKind, LabourMarketQuestion, Reference, Reply, SocVersion

__all__ = ["OccupationalMapsConfig", "OccupationalMapsEnricher"]

SOURCE = "Skills England Occupational Maps"
LICENCE = "Open Government Licence v3.0"
ATTRIBUTION = (
    "© Skills England. Contains public sector information from the Occupational Maps, licensed under the Open "
    "Government Licence v3.0. Skills England asks for its logo beside it where it is shown to the public."
)
KINDS: tuple[FactKind, ...] = ("occupation", "course", "profile")
LISTED = "occupation.soc,occupation.typicaljobtitles"
"""What the list is to hold. `expand` is known to work for one occupation; nobody was seen to use it for the list."""
MOST = 10
"""How many of the maps' occupations are looked into for one SOC code."""
STANDARDS = "skillsengland-standards"
"""What the address of the LARS codes is called in what is remembered: when it is down, the maps are asked on."""
MAX_BYTES = 10 * 1024 * 1024
"""The most that one standard may hold; the whole list, which nobody asks for here, has 79 MB."""
MOST_CODES = 10
"""How many LARS codes are asked for for one SOC code, since each is a request of its own."""


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
    """Say which occupations of the maps a SOC code means, how one trains for them and what may come next."""

    name: ClassVar[str] = "occupationalmaps"
    Config: ClassVar[type[ConnectorConfig]] = OccupationalMapsConfig
    limit: ClassVar[tuple[int, float]] = (120, 60.0)
    """Calls in so many seconds to either address: no limit is documented, and this one is ours."""

    config: OccupationalMapsConfig

    # -- hooks

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Fetch the list of occupations, and see that it names SOC codes."""
        found = standards(self._get("Occupations", LISTED, context))
        coded = [each for each in found if each.socs]
        if coded:
            yield Finding(
                "ok", f"{SOURCE} answers and lists {len(found):,} occupations, {len(coded):,} with a SOC code."
            )
        else:
            what = "no SOC code to any of its occupations" if found else "no occupation"
            yield Finding(
                "warning",
                f"{SOURCE} answers, but lists {what}, so that it is of no use here.",
                f"Check base_url of connector {context.name}.",
            )

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield the maps' occupations of each SOC code, what there is to train for them, and what may come next.

        Where LARS codes cannot be had, courses are named without.
        """
        kinds = [kind for kind in KINDS if kind in question.kinds]
        if not kinds or not question.occupations:
            return
        listed = self._list(reference, context)
        known = standards(listed.value)
        failed: AuthError | SourceUnavailable | None = None
        told: list[Standard] = []
        for occupation in question.occupations:
            if any(each.is_coded(occupation) for each in told):
                continue  # the same occupation in the other edition
            meant = [each for each in known if each.is_coded(occupation)]
            told += meant
            codes = _LarsCodes(self, reference, context)
            try:
                facts = [
                    fact
                    for each in meant[:MOST]
                    for fact in self._facts(occupation, each, listed, kinds, codes, reference, context)
                ]
            except (AuthError, SourceUnavailable) as error:
                failed = failed or error  # what is remembered about others can still be said
                continue
            failed = failed or codes.failed
            for kind in kinds:
                of_kind = list(dict.fromkeys(fact for fact in facts if fact.kind == kind))
                yield from of_kind
                if not of_kind:
                    yield NoData(kind, occupation.soc, SOURCE, "none" if meant else "no_occupation")
        if failed:
            raise failed

    @hookimpl
    def list_occupations(self, reference: Reference, context: Context) -> Iterator[Occupation]:
        """Yield the codes of every occupation under its name, its typical job titles and the titles of its codes."""
        for each in standards(self._list(reference, context).value):
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
        for each in standards(self._list(reference, context).value):
            if each.is_coded(occupation) and other in each.socs:
                code, title = each.socs[other]
                found[code] = found.get(code) or title
        yield from (Occupation(code, other, title) for code, title in found.items())

    # -- facts

    def _facts(
        self,
        occupation: Occupation,
        standard: Standard,
        listed: Reply,
        kinds: list[FactKind],
        codes: _LarsCodes,
        reference: Reference,
        context: Context,
    ) -> Iterator[Fact]:
        """Yield what is said about one occupation of the maps, asking only for what `kinds` need."""
        step = quote(standard.code, safe="")
        if "occupation" in kinds:
            if title := standard.socs[occupation.soc_version][1]:
                yield _fact("occupation", occupation, listed, text=title, statistic="title")
            # A SOC code is several occupations of the maps: none of them is what the code is called.
            yield _fact("occupation", occupation, listed, text=standard.title, statistic="map title")
            for title in standard.job_titles:
                yield _fact("occupation", occupation, listed, text=title, statistic="alternative title")
        if "course" in kinds:
            path, expand = f"Occupations/{step}", "occupation.products"
            reply = self._ask(path, "course", kept_products, reference, context, expand)
            for product in products(reply.value):
                yield _fact("course", occupation, reply, text=codes.added(product).title)
        if "profile" in kinds:
            reply = self._ask(f"OccupationalProgression/{step}", "profile", kept_progression, reference, context)
            for title in next_standards(reply.value, standard.code):
                yield _fact(
                    "profile", occupation, reply, text=title, statistic="next occupation", split=f"from {standard.name}"
                )

    # -- asking

    def _list(self, reference: Reference, context: Context) -> Reply:
        return self._ask("Occupations", "codes", self._kept_list, reference, context, LISTED)

    def _kept_list(self, value: Any) -> Any:
        """Return what is kept of the list; one without a single SOC code is a service that is not what it was."""
        kept = kept_list(value)
        if not any(each.socs for each in standards(kept)):
            raise SourceUnavailable(
                f"{urlsplit(self.config.base_url).hostname or SOURCE} answers, but lists no occupation with a SOC "
                "code; the service may have moved, or base_url is wrong."
            )
        return kept

    def _ask(
        self,
        path: str,
        kind: FactKind | str,
        keep: Callable[[Any], Any],
        reference: Reference,
        context: Context,
        expand: str = "",
    ) -> Reply:
        key = f"{path}?{urlencode({'expand': expand})}" if expand else path
        return reference.fetch(self.name, key, kind, lambda: keep(self._get(path, expand, context)), limit=self.limit)

    def _get(self, path: str, expand: str, context: Context) -> Any:
        """Ask once: an attempt more would be a call that nobody counts. 404 below the list means: nothing there."""
        response = context.http.get(
            f"{self.config.base_url.rstrip('/')}/{path}",
            params={"expand": expand} if expand else {},
            headers={"X-API-KEY": self.config.key.get_secret_value(), "Accept": "application/json"},
            retry=False,
        )
        if response.status_code != 404:
            return json_of(response)
        if path == "Occupations":
            raise SourceUnavailable(
                f"{_host(response)} has no list of occupations (status 404); check base_url of connector "
                f"{context.name}, or the API has changed."
            )
        return None

    def lars_code(self, code: str, reference: Reference, context: Context) -> int | None:
        """Return the LARS code of an apprenticeship standard; None where it has none.

        The key of the maps stays with the maps. Raises `SourceUnavailable` where the address cannot be asked.
        """

        def ask() -> Any:
            response = context.http.get(
                f"{self.config.standards_url.rstrip('/')}/{code}",
                headers={"Accept": "application/json"},
                accept=(400, 404),
                retry=False,
                max_bytes=MAX_BYTES,
            )
            return kept_lars_code(json_of(response), code) if response.status_code == 200 else None

        return lars_code(reference.fetch(STANDARDS, code, "course", ask, limit=self.limit).value)


class _LarsCodes:
    """The LARS codes for one question; `failed` is what first kept them from being had."""

    def __init__(self, enricher: OccupationalMapsEnricher, reference: Reference, context: Context) -> None:
        self._enricher = enricher
        self._reference = reference
        self._context = context
        self._left = MOST_CODES
        self.failed: AuthError | SourceUnavailable | None = None

    def added(self, product: Product) -> Product:
        """Return an apprenticeship with its LARS code, as far as that can be had."""
        if not product.standard or not self._left:
            return product
        self._left -= 1
        try:
            code = self._enricher.lars_code(product.standard, self._reference, self._context)
        except (AuthError, SourceUnavailable) as error:
            self.failed = self.failed or error
            return product
        return replace(product, lars=code)


def _host(response: Response) -> str:
    return urlsplit(response.url).hostname or SOURCE


def _fact(kind: FactKind, occupation: Occupation, reply: Reply, **said: Any) -> Fact:
    return Fact(
        kind=kind,
        soc=occupation.soc,
        soc_version=occupation.soc_version,
        source=SOURCE,
        retrieved=reply.retrieved,
        stale=reply.stale,
        attribution=ATTRIBUTION,
        licence=LICENCE,
        region="England",
        **said,
    )
