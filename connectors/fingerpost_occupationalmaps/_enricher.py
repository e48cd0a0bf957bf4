"""The connector `occupationalmaps`: ask the Occupational Maps API of Skills England.

Its list of all occupations is asked for once and answers most questions: which of them a SOC code means, and what that
code is in the other edition.
"""

from __future__ import annotations

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
    Standard,
    kept_list,
    kept_products,
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


class OccupationalMapsConfig(ConnectorConfig):
    """The keys of a ``[[connector]]`` table with ``type = "occupationalmaps"``."""

    key: SecretStr = Field(description="The key of the Occupational Maps API, as a secret reference.")
    base_url: str = Field(
        default="https://occupational-maps-api.skillsengland.education.gov.uk/api/v1",
        description="The address of the API.",
    )


class OccupationalMapsEnricher(Enricher):
    """Say which occupations of the maps a SOC code means, how one trains for them and what may come next."""

    name: ClassVar[str] = "occupationalmaps"
    Config: ClassVar[type[ConnectorConfig]] = OccupationalMapsConfig
    limit: ClassVar[tuple[int, float]] = (120, 60.0)
    """Calls in so many seconds: the service documents no limit, and this one is ours."""

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
        """Yield the maps' occupations of each SOC code, what there is to train for them, and what may come next."""
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
            try:
                facts = [
                    fact
                    for each in meant[:MOST]
                    for fact in self._facts(occupation, each, listed, kinds, reference, context)
                ]
            except (AuthError, SourceUnavailable) as error:
                failed = failed or error  # what is remembered about others can still be said
                continue
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
        reference: Reference,
        context: Context,
    ) -> Iterator[Fact]:
        """Yield what is said about one occupation of the maps, asking only for what `kinds` need."""
        step = quote(standard.code, safe="")
        if "occupation" in kinds:
            for title in (standard.socs[occupation.soc_version][1], standard.title):
                if title:
                    yield _fact("occupation", occupation, listed, text=title, statistic="title")
            for title in standard.job_titles:
                yield _fact("occupation", occupation, listed, text=title, statistic="alternative title")
        if "course" in kinds:
            path, expand = f"Occupations/{step}", "occupation.products"
            reply = self._ask(path, "course", kept_products, reference, context, expand)
            for product in products(reply.value):
                yield _fact("course", occupation, reply, text=product.title)
        if "profile" in kinds:
            reply = self._ask(f"OccupationalProgression/{step}", "profile", lambda said: said, reference, context)
            for title in next_standards(reply.value, standard.code):
                yield _fact(
                    "profile", occupation, reply, text=title, statistic="next occupation", split=f"from {standard.name}"
                )

    # -- asking

    def _list(self, reference: Reference, context: Context) -> Reply:
        return self._ask("Occupations", "codes", kept_list, reference, context, LISTED)

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
