"""The connector `apprenticeships`: ask the Display Advert API, version 2, for the adverts of a few courses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from fingerpost import ConnectorConfig, Context, Enricher, Finding, hookimpl
from fingerpost.lmi import (
    Fact,
    FirstError,
    Inquiry,
    LabourMarketQuestion,
    NoData,
    Occupation,
    Origin,
    Reference,
    Reply,
    Service,
)
from fingerpost_apprenticeships._reading import Advert, Page, kept_page, page

ORIGIN = Origin(
    source="Find an apprenticeship",
    attribution="Contains public sector information from Find an apprenticeship (Department for Education), licensed "
    "under the Open Government Licence v3.0.",
    licence="Open Government Licence v3.0",
    region="England",
)
PAGE_SIZE = 100
NAMED_ADVERTS = 3
"""How many adverts are named for one occupation, the newest first."""
MOST_PAGES = 5
"""How many pages are searched for them."""

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
    """Count the apprenticeships that are advertised for an occupation, and name the newest."""

    name: ClassVar[str] = "apprenticeships"
    Config: ClassVar[type[ConnectorConfig]] = ApprenticeshipsConfig
    limit: ClassVar[tuple[int, float]] = (150, 300.0)
    """How many calls the service allows in how many seconds."""

    config: ApprenticeshipsConfig

    def __init__(self, config: ApprenticeshipsConfig) -> None:
        super().__init__(config)
        self._service = Service(
            name=self.name,
            origin=ORIGIN,
            base_url=config.base_url,
            headers={"X-Version": "2"},
            key=("Ocp-Apim-Subscription-Key", config.key),
            limit=self.limit,
            not_found="refused the version of the Display Advert API that Fingerpost uses, 2",
        )

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Ask for one advert, and say what the configuration leaves out."""
        found = page(self._service.get(context, "vacancy", {"PageNumber": 1, "PageSize": 1}))
        if found is None:
            yield self._service.doubt(context, "not with adverts")
        else:
            yield Finding("ok", f"{ORIGIN.source} answers; {found.total:,} apprenticeships are advertised.")
        if not self.config.courses:
            yield Finding(
                "warning",
                f"Connector {context.name} knows no course, so it has nothing to say about any occupation.",
                "List the LARS codes of apprenticeships by SOC code under courses; with a connector occupationalmaps, "
                "fingerpost lmi show CODE names them.",
            )

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield the number of adverts for each occupation, then the newest; the region of a question plays no part.

        Adverts have a place and no region, so they are counted for all of England or around the college.
        """
        inquiry, first_error = Inquiry(self._service, reference, context), FirstError()
        for occupation in question.occupations if "vacancy" in question.kinds else ():
            courses = self.config.courses.get(occupation.soc)
            if occupation.soc_version != self.config.soc_version:
                yield ORIGIN.no_data("vacancy", occupation, "soc_version")
            elif not courses:
                yield ORIGIN.no_data("vacancy", occupation, "no_course")
            else:
                with first_error.put_off():
                    yield from self._adverts(occupation, courses, inquiry)
        first_error.raise_it()

    def _adverts(self, occupation: Occupation, courses: Sequence[int], inquiry: Inquiry) -> Iterator[Fact | NoData]:
        """Yield the number of adverts, then the newest of those that one can still apply for."""
        reply = self._page(1, courses, inquiry)
        first = page(reply.value)
        if first is None:
            yield ORIGIN.no_data("vacancy", occupation)
            return
        yield self._fact(occupation, reply, value=float(first.total), unit="adverts", statistic="count")
        for advert, said in islice(self._open_adverts(first, reply, courses, inquiry), NAMED_ADVERTS):
            wage = {} if advert.yearly is None else {"value": advert.yearly, "unit": "GBP a year"}
            yield self._fact(occupation, said, text=advert.line, statistic="newest", link=advert.link, **wage)

    def _open_adverts(
        self, first: Page, reply: Reply, courses: Sequence[int], inquiry: Inquiry
    ) -> Iterator[tuple[Advert, Reply]]:
        """Yield adverts that are still open, going to a further page only where the ones before it have too few."""
        today = inquiry.context.now.astimezone(inquiry.context.timezone).date()
        found: Page | None = first
        for number in range(1, min(first.pages, -(-first.total // PAGE_SIZE), MOST_PAGES) + 1):
            if number > 1:
                reply = self._page(number, courses, inquiry)
                found = page(reply.value)
            for advert in found.adverts if found else ():
                if advert.closes is None or advert.closes >= today:
                    yield advert, reply

    def _page(self, number: int, courses: Sequence[int], inquiry: Inquiry) -> Reply:
        """Ask for one page; unless asked otherwise, the service sorts the newest first."""
        config = self.config
        asked: dict[str, Any] = {"PageNumber": number, "PageSize": PAGE_SIZE, "StandardLarsCode": sorted(set(courses))}
        if config.distance_miles is not None:
            asked |= {"Lat": config.lat, "Lon": config.lon, "DistanceInMiles": config.distance_miles}
            asked["ExcludeRecruitingNationally"] = "true"  # what has no place is not within so many miles
        if config.ukprn is not None:
            asked["Ukprn"] = config.ukprn
        return inquiry.fetch("vacancy", "vacancy", asked, keep=kept_page)

    def _fact(self, occupation: Occupation, reply: Reply, **said: Any) -> Fact:
        config = self.config
        if config.distance_miles:
            said["region"] = f"within {config.distance_miles} miles of the college"
        if config.ukprn:
            said["split"] = f"training provider {config.ukprn}"
        return ORIGIN.fact("vacancy", occupation, reply, **said)
