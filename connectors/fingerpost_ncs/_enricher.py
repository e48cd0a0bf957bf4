"""The connector `ncs`: ask the Job Profiles API, and find the profile of an occupation.

The API knows profiles by name and not by occupation. So its titles are compared with that of an occupation, and a
profile counts only where it names the very SOC code that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar
from urllib.parse import quote

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
    Reference,
    Reply,
    Service,
    SocVersion,
)
from fingerpost_ncs import _reading as reading
from fingerpost_ncs._reading import ORIGIN, Profile

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
    """Report what job profiles say about occupations: pay, hours, skills and what the work is."""

    name: ClassVar[str] = "ncs"
    Config: ClassVar[type[ConnectorConfig]] = NcsConfig
    limit: ClassVar[tuple[int, float]] = (150, 60.0)
    """How many calls the service allows in how many seconds."""

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
        listed = reading.names(reading.kept_names(self._service.get(context, "summary")))
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
        kinds: list[FactKind] = [kind for kind in KINDS if kind in question.kinds]
        answered: set[tuple[SocVersion, str]] = set()
        for occupation in question.occupations if kinds else ():
            if (occupation.soc_version, occupation.soc) in answered:
                continue  # the same occupation in the other edition
            with first_error.put_off():
                found = next(self._profiles(occupation, inquiry), None)
                if found is None:
                    yield from ORIGIN.answers(kinds, occupation, (), "no_profile")
                    continue
                profile, reply = found
                answered.update(profile.codes.items())
                yield from ORIGIN.answers(kinds, occupation, list(reading.facts(profile, occupation, reply)))
        first_error.raise_it()

    @hookimpl
    def find_occupations(self, words: str, reference: Reference, context: Context) -> Iterator[Occupation]:
        """Yield the occupations of the profiles that a search finds, in both editions of the SOC.

        The words are not remembered; the profiles are.
        """
        inquiry = Inquiry(self._service, reference, context)
        for name in self._search(words, inquiry):
            if found := self._profile(name, inquiry):
                profile, _ = found
                for version, code in sorted(profile.codes.items(), reverse=True):
                    yield Occupation(code, version, profile.title)

    @hookimpl
    def convert_occupation(
        self, occupation: Occupation, reference: Reference, context: Context
    ) -> Iterator[Occupation]:
        """Yield the codes that profiles of this occupation name in the other edition."""
        other: SocVersion = 2010 if occupation.soc_version == 2020 else 2020
        profiles = self._profiles(occupation, Inquiry(self._service, reference, context))
        found = [profile.codes.get(other) for profile, _ in profiles]
        # The title is the profile's and not that of the occupation, so none is given.
        yield from (Occupation(code, other) for code in dict.fromkeys(found) if code)

    # -- finding profiles

    def _profiles(self, occupation: Occupation, inquiry: Inquiry) -> Iterator[tuple[Profile, Reply]]:
        """Yield the profiles that name the occupation's code, those with the likeliest titles first, then by name.

        Titles are compared here. An occupation's title may be as somebody at the college wrote it, so it is never sent
        for the service to search for. The likeliest are looked into whatever was asked before; those that other
        questions have brought to light come after them, and are all there is for an occupation without a title.
        """
        titles = reading.names(inquiry.fetch("codes", "summary", keep=self._kept_names).value)
        self._recall(titles, inquiry)
        ranks = {name: reading.likeness(occupation.title, title) for name, title in titles.items()}
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
            self._learn(name, reading.profile(remembered.value) if remembered else None)

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
        return reading.search_results(reply.value)[:MOST_FOUND]

    def _profile(self, name: str, inquiry: Inquiry) -> tuple[Profile, Reply] | None:
        reply = inquiry.fetch("profile", name, keep=self._kept_profile)
        found = reading.profile(reply.value)
        self._learn(name, found)
        return (found, reply) if found else None

    def _kept_names(self, value: Any) -> Any:
        """Return what is kept of the list of profiles; a service that lists none is not what it was."""
        if not (kept := reading.kept_names(value)):
            raise self._service.changed("lists no job profile")
        return kept

    def _kept_profile(self, value: Any) -> Any:
        """Return what is kept of a profile, or None where there is none: the service then answers with nothing."""
        kept = reading.kept_profile(value)
        if kept is None and value is not None:
            raise self._service.changed("sent no job profile")
        return kept
