"""The connector `ncs`: ask the Job Profiles API, and find the profile of an occupation.

The API knows profiles by name and not by occupation. So its titles are compared with that of an occupation, and a
profile counts only where it names the very SOC code that was asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

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
from fingerpost_ncs._reading import Profile, kept_names, kept_profile, likeness, names, profile, search_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from requests import Response

    from fingerpost import Context, FactKind, LabourMarketQuestion, Reference, Reply, SocVersion

__all__ = ["NcsConfig", "NcsEnricher"]

SOURCE = "National Careers Service"
LICENCE = "Open Government Licence v3.0 (assumed)"
ATTRIBUTION = (
    "Contains public sector information from the National Careers Service (licence assumed: Open Government Licence "
    "v3.0)."
)
"""On what terms job profiles may be shown could not be confirmed; this is how most of the government's content is."""
SKILLS_LICENCE = f"{LICENCE}; O*NET information: CC BY 4.0"
SKILLS_ATTRIBUTION = (
    f"{ATTRIBUTION} Includes information from the O*NET Database by the U.S. Department of Labor, Employment and "
    "Training Administration (USDOL/ETA), used under the CC BY 4.0 licence. O*NET is a trademark of USDOL/ETA. The "
    "information has been modified; USDOL/ETA has not approved, endorsed or tested the modifications."
)
KINDS: tuple[FactKind, ...] = ("occupation", "pay", "hours", "skill", "profile")
CANDIDATES = 3
"""How many profiles with likely titles are looked into for one occupation."""
HALF = 0.5
"""How much of a profile's title must be in the occupation's title for it to be likely."""
FOUND = 5
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
        self._known: dict[tuple[SocVersion, str], set[str]] = {}
        self._recalled = False

    # -- hooks

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Fetch the list of profiles."""
        listed = names(kept_names(self._get("summary", context)))
        if listed:
            yield Finding("ok", f"{SOURCE} answers and lists {len(listed):,} job profiles.")
        else:
            yield Finding(
                "warning",
                f"{SOURCE} answers, but lists no job profile.",
                f"Check base_url of connector {context.name}.",
            )

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        """Yield what the likeliest profile of each occupation says, of the kinds that were asked for."""
        kinds = [kind for kind in KINDS if kind in question.kinds]
        failed: AuthError | SourceUnavailable | None = None
        told: list[Profile] = []
        for occupation in question.occupations if kinds else ():
            if any(each.codes.get(occupation.soc_version) == occupation.soc for each in told):
                continue  # the same occupation in the other edition
            try:
                found = next(self._profiles(occupation, reference, context), None)
            except (AuthError, SourceUnavailable) as error:
                failed = failed or error  # what is remembered about others can still be said
                continue
            facts = _facts(occupation, *found) if found else []
            told += [found[0]] if found else []
            for kind in kinds:
                of_kind = [fact for fact in facts if fact.kind == kind]
                yield from of_kind
                if not of_kind:
                    yield NoData(kind, occupation.soc, SOURCE, "none" if found else "no_profile")
        if failed:
            raise failed

    @hookimpl
    def find_occupations(self, words: str, reference: Reference, context: Context) -> Iterator[Occupation]:
        """Yield the occupations of the profiles that a search finds, in both editions of the SOC.

        The words are not remembered; the profiles are.
        """
        for name in self._search(words, reference, context):
            if found := self._profile(name, reference, context):
                for version in sorted(found[0].codes, reverse=True):
                    yield Occupation(found[0].codes[version], version, found[0].title)

    @hookimpl
    def convert_occupation(
        self, occupation: Occupation, reference: Reference, context: Context
    ) -> Iterator[Occupation]:
        """Yield the codes that profiles of this occupation name in the other edition."""
        other: SocVersion = 2010 if occupation.soc_version == 2020 else 2020
        found = [each.codes.get(other) for each, _ in self._profiles(occupation, reference, context)]
        # The title is the profile's and not that of the occupation, so none is given.
        yield from (Occupation(code, other) for code in dict.fromkeys(found) if code)

    # -- finding profiles

    def _profiles(
        self, occupation: Occupation, reference: Reference, context: Context
    ) -> Iterator[tuple[Profile, Reply]]:
        """Yield the profiles that name the occupation's code, those with the likeliest titles first, then by name.

        Titles are compared here. An occupation's title may be as somebody at the college wrote it, so that it is never
        sent for the service to search for. The likeliest are looked into whatever was asked before; what other
        questions have brought to light comes after them, and is all there is for an occupation without a title.
        """
        titles = names(self._ask("summary", "codes", reference, context, keep=self._kept_names).value)
        self._recall(titles, reference)
        ranks = {name: likeness(occupation.title, title) for name, title in titles.items()}
        by_rank = sorted(titles, key=lambda name: (-ranks[name][0], -ranks[name][1], name))
        likely = [name for name in by_rank[:CANDIDATES] if ranks[name][0] >= HALF]
        known = self._known.get((occupation.soc_version, occupation.soc), set())
        for name in [*likely, *(name for name in by_rank if name in known and name not in likely)]:
            found = self._profile(name, reference, context)
            if found and found[0].codes.get(occupation.soc_version) == occupation.soc:
                yield found

    def _recall(self, listed: Iterable[str], reference: Reference) -> None:
        """Learn once what the profiles that were ever read say about their codes."""
        if self._recalled:
            return
        self._recalled = True
        for name in listed:
            remembered = reference.peek(self.name, name)
            self._learn(name, profile(remembered.value) if remembered else None)

    def _learn(self, name: str, found: Profile | None) -> None:
        for version, code in found.codes.items() if found else ():
            self._known.setdefault((version, code), set()).add(name)

    def _search(self, words: str, reference: Reference, context: Context) -> list[str]:
        # What is no letter, digit or blank may mean something in an address or to the search.
        term = " ".join(re.sub(r"[^\w'-]+", " ", words).casefold().split())[:100]
        if not term:
            return []
        path = f"search/{quote(term, safe='')}?page=1&pageSize={FOUND}"
        return search_results(self._ask(path, "codes", reference, context, remember=False).value)[:FOUND]

    def _profile(self, name: str, reference: Reference, context: Context) -> tuple[Profile, Reply] | None:
        reply = self._ask(name, "profile", reference, context, keep=self._kept_profile)
        found = profile(reply.value)
        self._learn(name, found)
        return (found, reply) if found else None

    # -- asking

    def _ask(
        self,
        path: str,
        kind: FactKind | str,
        reference: Reference,
        context: Context,
        *,
        keep: Callable[[Any], Any] = lambda value: value,
        remember: bool = True,
    ) -> Reply:
        return reference.fetch(
            self.name, path, kind, lambda: keep(self._get(path, context)), limit=self.limit, remember=remember
        )

    def _kept_names(self, value: Any) -> Any:
        """Return what is kept of the list of profiles; one that names none is a service that is not what it was."""
        if not (kept := kept_names(value)):
            raise self._moved("lists no job profile")
        return kept

    def _kept_profile(self, value: Any) -> Any:
        """Return what is kept of a profile, or None where there is none, which the service says by saying nothing."""
        kept = kept_profile(value)
        if kept is None and value is not None:
            raise self._moved("with something that is no job profile")
        return kept

    def _moved(self, what: str) -> SourceUnavailable:
        host = urlsplit(self.config.base_url).hostname or SOURCE
        return SourceUnavailable(f"{host} answers, but {what}; the service may have moved, or base_url is wrong.")

    def _get(self, path: str, context: Context) -> Any:
        """Ask once: an attempt more would be a call that nobody counts. 204 means that there is nothing."""
        response = context.http.get(
            f"{self.config.base_url.rstrip('/')}/{path}",
            headers={
                "Ocp-Apim-Subscription-Key": self.config.key.get_secret_value(),
                "version": "v1",
                "Accept": "application/json",
            },
            retry=False,
        )
        if response.status_code == 404:
            raise SourceUnavailable(
                f"{_host(response)} refused the version of the Job Profiles API that we speak, v1 (status 404); check "
                f"base_url of connector {context.name}, or the API has changed."
            )
        return json_of(response)


def _host(response: Response) -> str:
    return urlsplit(response.url).hostname or SOURCE


def _facts(occupation: Occupation, found: Profile, reply: Reply) -> list[Fact]:
    """Return what a profile says, under its own title: it is one job, and a SOC code has several."""

    def fact(kind: FactKind, **said: Any) -> Fact:
        # The service's figures are asked for without a region.
        terms = {"attribution": ATTRIBUTION, "licence": LICENCE, "region": "UK (as served)", "link": found.link}
        return Fact(
            kind=kind,
            soc=occupation.soc,
            soc_version=occupation.soc_version,
            source=SOURCE,
            retrieved=reply.retrieved,
            stale=reply.stale,
            **(terms | said),
        )

    skills = {"attribution": SKILLS_ATTRIBUTION, "licence": SKILLS_LICENCE}
    return [
        fact("occupation", text=found.title, statistic="profile title"),
        *(fact("occupation", text=title, statistic="alternative title") for title in found.alternatives),
        *(fact("pay", text=found.title, value=value, unit="GBP a year", statistic=name) for name, value in found.pay),
        *(
            fact("hours", text=found.title, value=value, unit="hours a week", statistic=name)
            for name, value in found.hours
        ),
        *(fact("skill", text=skill, **skills) for skill in found.skills),
        *([fact("profile", text=found.overview)] if found.overview else []),
    ]
