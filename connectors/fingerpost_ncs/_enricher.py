"""The connector `ncs`: ask the Job Profiles API, and find the profile of an occupation.

The API knows profiles by name and not by occupation. So its titles are compared with that of an occupation, and a
profile counts only where it names the very SOC code that was asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from pydantic import Field, SecretStr

from fingerpost import ConnectorConfig, Enricher, Fact, Finding, NoData, Occupation, hookimpl
from fingerpost.lmi import AS_SERVED, FirstError, Inquiry, Origin, Service
from fingerpost_ncs._reading import Profile, kept_names, kept_profile, likeness, names, profile, search_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fingerpost import Context, FactKind, LabourMarketQuestion, Reference, Reply, SocVersion

__all__ = ["NcsConfig", "NcsEnricher"]

ORIGIN = Origin(
    source="National Careers Service",
    attribution="Contains public sector information from the National Careers Service (licence assumed: Open "
    "Government Licence v3.0).",
    licence="Open Government Licence v3.0 (assumed)",
    region=AS_SERVED,
)
"""On what terms job profiles may be shown could not be confirmed; most of the government's content is on these."""
SKILLS = ORIGIN._replace(
    attribution=f"{ORIGIN.attribution} Includes information from the O*NET Database by the U.S. Department of Labor, "
    "Employment and Training Administration (USDOL/ETA), used under the CC BY 4.0 licence. O*NET is a trademark of "
    "USDOL/ETA. The information has been modified; USDOL/ETA has not approved, endorsed or tested the modifications.",
    licence=f"{ORIGIN.licence}; O*NET information: CC BY 4.0",
)
KINDS: tuple[FactKind, ...] = ("occupation", "pay", "hours", "skill", "profile")
MOST_CANDIDATES = 3
"""How many profiles with likely titles are looked into for one occupation."""
LIKELY = 0.5
"""How much of a profile's title must be in the occupation's title for it to be likely."""
MOST_FOUND = 5
"""How many of the profiles that a search finds are looked into."""


class NcsConfig(ConnectorConfig):
    """The keys of a ``[[connector]]`` table with ``type = "ncs"``."""

    key: SecretStr = Field(description="The subscription key of the Job Profiles API, as a secret reference.")
    base_url: str = Field(
        default="https://api.nationalcareers.service.gov.uk/job-profiles",
        description="The address of the API; some keys are for https://pp.api.nationalcareers.service.gov.uk/"
        "job-profiles.",
    )


class NcsEnricher(Enricher):
    """Say what job profiles say about occupations: pay, hours, skills and what the work is."""

    name: ClassVar[str] = "ncs"
    Config: ClassVar[type[ConnectorConfig]] = NcsConfig
    limit: ClassVar[tuple[int, float]] = (150, 60.0)
    """The calls that the service allows in so many seconds."""

    config: NcsConfig

    def __init__(self, config: NcsConfig) -> None:
        super().__init__(config)
        self._service = Service(
            name=self.name,
            origin=ORIGIN,
            base_url=config.base_url,
            headers={"version": "v1"},
            key=("Ocp-Apim-Subscription-Key", config.key),
            limit=self.limit,
            not_found="refused the version of the Job Profiles API that Fingerpost uses, v1",
        )
        self._names_by_code: dict[tuple[SocVersion, str], set[str]] = {}
        self._has_recalled = False

    # -- hooks

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Fetch the list of profiles."""
        listed = names(kept_names(self._service.get(context, "summary")))
        if listed:
            yield Finding("ok", f"{ORIGIN.source} answers and lists {len(listed):,} job profiles.")
        else:
            yield self._service.doubt(context, "lists no job profile")

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield what the likeliest profile of each occupation says, of the kinds that were asked for."""
        inquiry, first_error = Inquiry(self._service, reference, context), FirstError()
        kinds = [kind for kind in KINDS if kind in question.kinds]
        answered: set[tuple[SocVersion, str]] = set()
        for occupation in question.occupations if kinds else ():
            if (occupation.soc_version, occupation.soc) in answered:
                continue  # the same occupation in the other edition
            with first_error.put_off():
                found = next(self._profiles(occupation, inquiry), None)
                answered.update(found[0].codes.items() if found else ())
                facts = list(_facts(occupation, *found)) if found else []
                yield from ORIGIN.answers(kinds, occupation, facts, "none" if found else "no_profile")
        first_error.raise_it()

    @hookimpl
    def find_occupations(self, words: str, reference: Reference, context: Context) -> Iterator[Occupation]:
        """Yield the occupations of the profiles that a search finds, in both editions of the SOC.

        The words are not remembered; the profiles are.
        """
        inquiry = Inquiry(self._service, reference, context)
        for name in self._search(words, inquiry):
            if found := self._profile(name, inquiry):
                for version in sorted(found[0].codes, reverse=True):
                    yield Occupation(found[0].codes[version], version, found[0].title)

    @hookimpl
    def convert_occupation(
        self, occupation: Occupation, reference: Reference, context: Context
    ) -> Iterator[Occupation]:
        """Yield the codes that profiles of this occupation name in the other edition."""
        other: SocVersion = 2010 if occupation.soc_version == 2020 else 2020
        profiles = self._profiles(occupation, Inquiry(self._service, reference, context))
        found = [each.codes.get(other) for each, _ in profiles]
        # The title is the profile's and not that of the occupation, so none is given.
        yield from (Occupation(code, other) for code in dict.fromkeys(found) if code)

    # -- finding profiles

    def _profiles(self, occupation: Occupation, inquiry: Inquiry) -> Iterator[tuple[Profile, Reply]]:
        """Yield the profiles that name the occupation's code, those with the likeliest titles first, then by name.

        Titles are compared here. An occupation's title may be as somebody at the college wrote it, so it is never sent
        for the service to search for. The likeliest are looked into whatever was asked before; those that other
        questions have brought to light come after them, and are all there is for an occupation without a title.
        """
        titles = names(inquiry.fetch("codes", "summary", keep=self._kept_names).value)
        self._recall(titles, inquiry)
        ranks = {name: likeness(occupation.title, title) for name, title in titles.items()}
        by_rank = sorted(titles, key=lambda name: (-ranks[name][0], -ranks[name][1], name))
        likely = [name for name in by_rank[:MOST_CANDIDATES] if ranks[name][0] >= LIKELY]
        known = self._names_by_code.get((occupation.soc_version, occupation.soc), set())
        for name in [*likely, *(name for name in by_rank if name in known and name not in likely)]:
            found = self._profile(name, inquiry)
            if found and found[0].codes.get(occupation.soc_version) == occupation.soc:
                yield found

    def _recall(self, listed: Iterable[str], inquiry: Inquiry) -> None:
        """Learn, once, the codes of every profile that is remembered."""
        if self._has_recalled:
            return
        self._has_recalled = True
        for name in listed:
            remembered = inquiry.reference.peek(self.name, name)
            self._learn(name, profile(remembered.value) if remembered else None)

    def _learn(self, name: str, found: Profile | None) -> None:
        for code in found.codes.items() if found else ():
            self._names_by_code.setdefault(code, set()).add(name)

    def _search(self, words: str, inquiry: Inquiry) -> list[str]:
        # Anything but letters, digits and blanks may mean something in an address or to the search.
        term = " ".join(re.sub(r"[^\w'-]+", " ", words).casefold().split())[:100]
        if not term:
            return []
        asked = {"page": 1, "pageSize": MOST_FOUND}
        reply = inquiry.fetch("codes", f"search/{quote(term, safe='')}", asked, remember=False)
        return search_results(reply.value)[:MOST_FOUND]

    def _profile(self, name: str, inquiry: Inquiry) -> tuple[Profile, Reply] | None:
        reply = inquiry.fetch("profile", name, keep=self._kept_profile)
        found = profile(reply.value)
        self._learn(name, found)
        return (found, reply) if found else None

    def _kept_names(self, value: Any) -> Any:
        """Return what is kept of the list of profiles; a service that lists none is not what it was."""
        if not (kept := kept_names(value)):
            raise self._service.changed("lists no job profile")
        return kept

    def _kept_profile(self, value: Any) -> Any:
        """Return what is kept of a profile, or None where there is none: the service then answers with nothing."""
        kept = kept_profile(value)
        if kept is None and value is not None:
            raise self._service.changed("sent no job profile")
        return kept


def _facts(occupation: Occupation, found: Profile, reply: Reply) -> Iterator[Fact]:
    """Yield what a profile says, under its own title: it is one job, and a SOC code has several."""

    def fact(kind: FactKind, text: str, origin: Origin = ORIGIN, **said: Any) -> Fact:
        return origin.fact(kind, occupation, reply, text=text, link=found.link, **said)

    yield fact("occupation", found.title, statistic="profile title")
    for title in found.alternatives:
        yield fact("occupation", title, statistic="alternative title")
    for name, value in found.pay.items():
        yield fact("pay", found.title, value=value, unit="GBP a year", statistic=name)
    for name, value in found.hours.items():
        yield fact("hours", found.title, value=value, unit="hours a week", statistic=name)
    for skill in found.skills:
        yield fact("skill", skill, SKILLS)
    if found.overview:
        yield fact("profile", found.overview)
