"""The connector `apprenticeships`: ask the Display Advert API, version 2, for the adverts of a few courses."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode, urlsplit

from pydantic import Field, SecretStr, model_validator

from fingerpost import (
    AuthError,
    ConnectorConfig,
    Enricher,
    Fact,
    Finding,
    NoData,
    SourceUnavailable,
    hookimpl,
    json_of,
)
from fingerpost_apprenticeships._reading import Advert, Page, kept_page, page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from typing import Self

    from requests import Response

    from fingerpost import Context, LabourMarketQuestion, Occupation, Reference, Reply

__all__ = ["ApprenticeshipsConfig", "ApprenticeshipsEnricher"]

SOURCE = "Find an apprenticeship"
LICENCE = "Open Government Licence v3.0"
ATTRIBUTION = (
    "Contains public sector information from Find an apprenticeship (Department for Education), licensed under the "
    "Open Government Licence v3.0."
)
PAGE_SIZE = 100
SHOWN = 3
"""How many adverts are named for one occupation, the newest first."""
MOST_PAGES = 5
"""How many pages are looked through for them."""

_LarsCode = Annotated[int, Field(ge=1, le=99_999)]
_SocCode = Annotated[str, Field(pattern=r"^[1-9][0-9]{3}$")]


class ApprenticeshipsConfig(ConnectorConfig):
    """The keys of a ``[[connector]]`` table with ``type = "apprenticeships"``.

    The place is the college's own: adverts are never looked for around a learner's home.
    """

    key: SecretStr = Field(description="The subscription key of the Display Advert API, as a secret reference.")
    base_url: str = Field(
        default="https://api.apprenticeships.education.gov.uk/vacancies", description="The address of the API."
    )
    courses: dict[_SocCode, Annotated[tuple[_LarsCode, ...], Field(min_length=1, max_length=20)]] = Field(
        default_factory=dict,
        description='Which apprenticeships lead to an occupation: LARS codes by SOC code, "5315" = [240, 91].',
    )
    soc_version: Literal[2010, 2020] = Field(default=2020, description="The edition of the SOC codes in `courses`.")
    lat: float | None = Field(default=None, ge=49, le=61, description="The college's latitude.")
    lon: float | None = Field(default=None, ge=-9, le=2, description="The college's longitude.")
    distance_miles: int | None = Field(
        default=None, ge=1, le=500, description="Count adverts within so many miles of the college."
    )
    ukprn: int | None = Field(
        default=None, ge=10000000, le=99999999, description="Count only what this training provider teaches."
    )

    @model_validator(mode="after")
    def _whole_place(self) -> Self:
        place = (self.lat, self.lon, self.distance_miles)
        if any(each is None for each in place) and any(each is not None for each in place):
            raise ValueError("needs lat, lon and distance_miles together, or none of them")
        return self


class ApprenticeshipsEnricher(Enricher):
    """Say how many apprenticeships are advertised for an occupation, and which are the newest."""

    name: ClassVar[str] = "apprenticeships"
    Config: ClassVar[type[ConnectorConfig]] = ApprenticeshipsConfig
    limit: ClassVar[tuple[int, float]] = (150, 300.0)
    """The calls that the service allows in so many seconds."""

    config: ApprenticeshipsConfig

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Ask for one advert, and say what the configuration leaves out."""
        found = page(self._get(urlencode({"PageNumber": 1, "PageSize": 1}), context))
        if found is None:
            yield Finding(
                "warning",
                f"{SOURCE} answers, but not with adverts.",
                f"Check base_url of connector {context.name}.",
            )
        else:
            yield Finding("ok", f"{SOURCE} answers; {found.total:,} apprenticeships are advertised.")
        if not self.config.courses:
            yield Finding(
                "warning",
                f"Connector {context.name} knows no course, so it has nothing to say about any occupation.",
                "List the LARS codes of apprenticeships by SOC code under courses. With a connector occupationalmaps, "
                "fingerpost lmi show CODE names them.",
            )

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield the number of adverts for each occupation, then the newest; the region of a question plays no part.

        Adverts have a place and no region, so that they are counted for all of England or around the college.
        """
        failed: AuthError | SourceUnavailable | None = None
        for occupation in question.occupations if "vacancy" in question.kinds else ():
            codes = self.config.courses.get(occupation.soc)
            if occupation.soc_version != self.config.soc_version:
                yield NoData("vacancy", occupation.soc, SOURCE, "soc_version")
            elif not codes:
                yield NoData("vacancy", occupation.soc, SOURCE, "no_course")
            else:
                try:
                    yield from self._adverts(occupation, codes, reference, context)
                except (AuthError, SourceUnavailable) as error:
                    failed = failed or error  # what is remembered about others can still be said
        if failed:
            raise failed

    def _adverts(
        self, occupation: Occupation, codes: Sequence[int], reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield the number of adverts, then the newest of those that one can still apply for."""
        reply = self._page(codes, 1, reference, context)
        first = page(reply.value)
        if first is None:
            yield NoData("vacancy", occupation.soc, SOURCE, "none")
            return
        yield self._fact(occupation, reply, value=float(first.total), unit="adverts", statistic="count")
        today = context.now.astimezone(context.timezone).date()
        for advert, said in islice(self._open_adverts(first, reply, codes, today, reference, context), SHOWN):
            wage = {} if advert.yearly is None else {"value": advert.yearly, "unit": "GBP a year"}
            yield self._fact(occupation, said, text=_line(advert), statistic="newest", link=advert.link, **wage)

    def _open_adverts(
        self, first: Page, reply: Reply, codes: Sequence[int], today: date, reference: Reference, context: Context
    ) -> Iterator[tuple[Advert, Reply]]:
        """Yield adverts, going to a further page only where those before it have too few that can be used."""
        found: Page | None = first
        for number in range(1, min(first.pages, -(-first.total // PAGE_SIZE), MOST_PAGES) + 1):
            if number > 1:
                reply = self._page(codes, number, reference, context)
                found = page(reply.value)
            for advert in found.adverts if found else ():
                if advert.closes is None or advert.closes >= today:
                    yield advert, reply

    def _fact(self, occupation: Occupation, reply: Reply, **said: Any) -> Fact:
        config = self.config
        around = f"within {config.distance_miles} miles of the college" if config.distance_miles else "England"
        return Fact(
            kind="vacancy",
            soc=occupation.soc,
            soc_version=occupation.soc_version,
            source=SOURCE,
            retrieved=reply.retrieved,
            stale=reply.stale,
            attribution=ATTRIBUTION,
            licence=LICENCE,
            region=around,
            split=f"training provider {config.ukprn}" if config.ukprn else "",
            **said,
        )

    # -- asking

    def _page(self, codes: Sequence[int], number: int, reference: Reference, context: Context) -> Reply:
        """Ask for one page; the service sorts the newest first unless told otherwise."""
        config = self.config
        asked: dict[str, Any] = {"PageNumber": number, "PageSize": PAGE_SIZE}
        asked["StandardLarsCode"] = sorted(set(codes))
        if config.distance_miles is not None:
            asked |= {"Lat": config.lat, "Lon": config.lon, "DistanceInMiles": config.distance_miles}
            asked["ExcludeRecruitingNationally"] = "true"  # what has no place is not within so many miles
        if config.ukprn is not None:
            asked["Ukprn"] = config.ukprn
        query = urlencode(asked, doseq=True)
        return reference.fetch(
            self.name, f"vacancy?{query}", "vacancy", lambda: kept_page(self._get(query, context)), limit=self.limit
        )

    def _get(self, query: str, context: Context) -> Any:
        """Ask once: an attempt more would be a call that nobody counts."""
        response = context.http.get(
            f"{self.config.base_url.rstrip('/')}/vacancy?{query}",
            headers={
                "Ocp-Apim-Subscription-Key": self.config.key.get_secret_value(),
                "X-Version": "2",
                "Accept": "application/json",
            },
            retry=False,
        )
        if response.status_code == 404:
            raise SourceUnavailable(
                f"{_host(response)} refused the version of the Display Advert API that we speak, 2 (status 404); "
                f"check base_url of connector {context.name}, or the API has changed."
            )
        return json_of(response)


def _host(response: Response) -> str:
    return urlsplit(response.url).hostname or SOURCE


def _line(advert: Advert) -> str:
    closes = f"closes {advert.closes.day} {advert.closes:%B %Y}" if advert.closes else ""
    return "; ".join(part for part in (advert.title, advert.employer, advert.place, closes, advert.wage) if part)
