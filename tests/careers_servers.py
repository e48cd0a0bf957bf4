"""Three careers services on the loopback interface: job profiles, apprenticeship adverts and occupational maps.

Each serves what a test gives it in the shapes that the service documents, with their quirks: keys and version headers
that are refused in the service's own way, "nothing" as a status, zero as "no code", totals that differ. Each records
every request, counts them itself, and refuses more than its limit. `gone` is what it answers when it has been closed.
"""

from __future__ import annotations

import copy
import importlib.metadata
import json
import math
import re
import subprocess
import sys
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import contexts
import pytest
import responses
from colleges import SmallCollege
from http_server import KEY, Answer, HttpServer, Request, json_answer, refusal, web_page
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerpost import AuthError, College, Host, SourceUnavailable
from fingerpost._market.answers import Answers as Reference
from fingerpost.lmi import FACT_KINDS, Fact, LabourMarketQuestion, NoData, Occupation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fingerpost.lmi import FactKind

NOW = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)
HTML = web_page()
GONE = refusal(410)
NO_KEY = json_answer({"statusCode": 401, "message": "Access denied due to missing subscription key."}, status=401)

_USUAL_HEADERS = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


class CareersServer(HttpServer):
    """Serve one service; `gone` is what it answers once it is closed."""

    key_header: ClassVar[str]
    version: ClassVar[tuple[str, str] | None] = None
    documented: ClassVar[frozenset[str]] = frozenset()
    """The parameters that the service documents."""
    limit: tuple[int, float] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.gone: Answer | None = None
        self.refused = 0

    def busiest(self, seconds: float) -> int:
        """Return the most requests that came within so many seconds."""
        times = sorted(call.at for call in self.requests)
        return max((sum(start <= at < start + seconds for at in times) for start in times), default=0)

    def undocumented(self) -> set[str]:
        """Return every header and parameter that came and that the service does not document."""
        known = _USUAL_HEADERS | {self.key_header.title()} | ({self.version[0].title()} if self.version else set())
        return {
            name
            for call in self.requests
            for name in ({*call.headers} - known) | ({name for name, _ in call.params} - self.documented)
        }

    def everything(self) -> str:
        """Return all that was sent, for a search in it; the key itself left out of its header."""
        told = [
            (call.path, call.params, {**call.headers, self.key_header.title(): "***"}) for call in self.requests
        ]  # fmt: skip
        return json.dumps(told)

    def answer(self, call: Request) -> Answer:
        if self.limit and sum(each.at > call.at - self.limit[1] for each in self.requests) > self.limit[0]:
            self.refused += 1
            return refusal(429)
        if self.gone:
            return self.gone
        if self.version and call.headers.get(self.version[0].title()) != self.version[1]:
            return refusal(404)
        if not self.is_open(call) and call.headers.get(self.key_header.title()) != KEY:
            return NO_KEY
        return self.served(call)

    def is_open(self, call: Request) -> bool:
        """Say whether a request needs no key."""
        return False

    def served(self, call: Request) -> Answer:
        raise NotImplementedError


class NcsServer(CareersServer):
    """The Job Profiles API: `profiles` by their names in an address."""

    key_header = "Ocp-Apim-Subscription-Key"
    version = ("version", "v1")
    documented = frozenset({"page", "pageSize"})
    limit = (150, 60.0)

    def __init__(self, profiles: Mapping[str, dict[str, Any]]) -> None:
        super().__init__()
        self.profiles = dict(profiles)

    def served(self, call: Request) -> Answer:
        match call.path.strip("/").split("/"):
            case ["summary"]:
                rows = [
                    {"Url": self._link(name), "Title": each["Title"], "LastUpdated": "2024-05-01T00:00:00Z"}
                    for name, each in self.profiles.items()
                ]
                return json_answer(sorted(rows, key=lambda row: str(row["Title"])))
            case ["search", term]:
                return self._search(unquote(term), call)
            case [name] if name.lower() in self.profiles:
                return json_answer(self.profiles[name.lower()])
        return refusal(204)

    def _search(self, term: str, call: Request) -> Answer:
        words = {word.rstrip("s") for word in term.lower().split()} - {"and"}
        score = {name: len(words & self._words(profile)) for name, profile in self.profiles.items()}
        found = sorted((name for name in score if score[name]), key=lambda name: -score[name])
        size, page = int(call.one("pageSize", "10")), int(call.one("page", "1"))
        if not found:
            return refusal(204)
        results = [
            {"ResultItemTitle": self.profiles[name]["Title"], "ResultItemAlternativeTitle": None,
             "ResultItemOverview": "...", "ResultItemSalaryRange": "", "ResultItemUrlName": self._link(name),
             "JobProfileCategories": []}
            for name in found[(page - 1) * size : page * size]
        ]  # fmt: skip
        return json_answer({"Count": len(found), "CurrentPage": page, "PageSize": size, "Results": results})

    @staticmethod
    def _words(profile: dict[str, Any]) -> set[str]:
        said = f"{profile['Title']} {profile['AlternativeTitle']}".lower().split()
        return {word.strip(",").rstrip("s") for word in said}

    @staticmethod
    def _link(name: str) -> str:
        return f"https://nationalcareers.service.gov.uk/job-profiles/{name}"


class AdvertServer(CareersServer):
    """The Display Advert API: `adverts`, the newest first."""

    key_header = "Ocp-Apim-Subscription-Key"
    version = ("X-Version", "2")
    documented = frozenset({
        "PageNumber", "PageSize", "Sort", "Lat", "Lon", "DistanceInMiles", "PostedInLastNumberOfDays",
        "StandardLarsCode", "Routes", "ExcludeRecruitingNationally", "EmployerName", "Ukprn", "IncludeDetails",
    })  # fmt: skip
    limit = (150, 300.0)

    def __init__(self, adverts: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self.adverts = list(adverts)

    def served(self, call: Request) -> Answer:
        if call.path.strip("/") != "vacancy":
            return refusal(404)
        codes, ukprn = {int(code) for code in call.all("StandardLarsCode")}, call.one("Ukprn")
        found = [
            each
            for each in self.adverts
            if (not codes or each.get("course", {}).get("larsCode") in codes)
            and (not ukprn or each["ukprn"] == int(ukprn))
        ]
        size, page = min(int(call.one("PageSize", "10")), 100), int(call.one("PageNumber", "1"))
        return json_answer({
            "total": len(self.adverts) + 200, "totalFiltered": len(found), "totalPages": math.ceil(len(found) / size),
            "vacancies": found[(page - 1) * size : page * size],
        })  # fmt: skip


class MapsServer(CareersServer):
    """The Occupational Maps API: `occupations`, and `onward` the codes that one may go on to, by code.

    Below `standards_url`, which is another host in the world and takes no key, it has the apprenticeship standards:
    `lars` are their LARS codes by the standards' own. `standards_gone` is what is answered there alone.
    """

    key_header = "X-API-KEY"
    documented = frozenset({"expand"})

    def __init__(
        self,
        occupations: Sequence[dict[str, Any]],
        onward: Mapping[str, list[str]] | None = None,
        *,
        lars: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.lars = dict(lars or {})
        self.standards_gone: Answer | None = None
        self.occupations = {each["stdCode"]: each for each in occupations}
        self.onward = dict(onward or {})

    @property
    def standards_url(self) -> str:
        return f"{self.url}/apprenticeshipstandards"

    @property
    def standards(self) -> list[Request]:
        """The requests for standards."""
        return [call for call in self.requests if self.is_open(call)]

    def is_open(self, call: Request) -> bool:
        return call.path.startswith("/apprenticeshipstandards/")

    def served(self, call: Request) -> Answer:
        if self.standards_gone and self.is_open(call):
            return self.standards_gone
        expand = {part.lower() for part in call.one("expand").split(",")}
        match call.path.strip("/").split("/"):
            case ["Occupations"]:
                return json_answer([self._shown(each, expand) for each in self.occupations.values()])
            case ["Occupations", code] if code in self.occupations:
                return json_answer(self._shown(self.occupations[code], expand))
            case ["OccupationalProgression", code] if code in self.onward:
                around = [code, *self.onward[code]]
                return json_answer({
                    "keyStdCode": code,
                    "occupations": [self._shown(self.occupations[each], set()) for each in around],
                    "progressions": [{"stdCodeFrom": code, "stdCodeTo": each} for each in self.onward[code]],
                })  # fmt: skip
            case ["apprenticeshipstandards", code] if code in self.lars:
                return json_answer(apprenticeship(code, self.lars[code]))
        return refusal(404)

    @staticmethod
    def _shown(occupation: dict[str, Any], expand: set[str]) -> dict[str, Any]:
        more = {"soc", "typicalJobTitles", "products"}
        return {
            name: value
            for name, value in occupation.items()
            if name not in more or f"occupation.{name.lower()}" in expand
        }


# What the services hold


def job_profile(title: str, soc: str | None, soc2020: str | None, **said: Any) -> dict[str, Any]:
    """Return a job profile with every key that the service documents."""
    routes = {"RelevantSubjects": [], "FurtherInformation": [], "EntryRequirementPreface": None,
              "EntryRequirements": [], "AdditionalInformation": ["[More | https://example.org]"]}  # fmt: skip
    return {
        "Title": title, "LastUpdatedDate": "2024-05-01T00:00:00",
        "Url": f"https://nationalcareers.service.gov.uk/job-profiles/{title.lower().replace(' ', '-')}",
        "Soc": soc, "Soc2020": soc2020, "Soc2020Extension": None, "ONetOccupationalCode": "47-2152.00",
        "AlternativeTitle": "", "Overview": f"<p>{title}s&nbsp;do [this | /job-profiles/this] and that.</p>",
        "SalaryStarter": "24000", "SalaryExperienced": "42000", "MinimumHours": 40.0, "MaximumHours": 42.0,
        "WorkingHoursDetails": "a week", "WorkingPattern": "between 8am and 6pm", "WorkingPatternDetails": None,
        "HowToBecome": {"EntryRouteSummary": ["..."], "EntryRoutes": {"University": routes, "Work": []},
                        "MoreInformation": {"Registrations": []}},
        "WhatItTakes": {"DigitalSkillsLevel": "...", "Skills": [
            {"Description": "knowledge of building", "ONetAttributeType": "Knowledge", "ONetRank": "5.06",
             "ONetElementId": "2.C.4.b"},
            {"Description": "to work well with your hands", "ONetAttributeType": "Ability", "ONetRank": "4.8",
             "ONetElementId": "1.A.2"}],
            "RestrictionsAndRequirements": {"RelatedRestrictions": [], "OtherRequirements": []}},
        "WhatYouWillDo": {"WYDDayToDayTasks": ["..."], "WorkingEnvironment": {"Location": "", "Uniform": ""}},
        "CareerPathAndProgression": {"CareerPathAndProgression": ["..."]}, "RelatedCareers": [],
    } | said  # fmt: skip


def advert(number: int, lars: int | None = 240, **said: Any) -> dict[str, Any]:
    """Return an advert with the keys that the service documents; None leaves one out, as the service does."""
    whole: dict[str, Any] = {
        "title": f"Apprentice joiner {number}", "description": "Join us.", "numberOfPositions": 1,
        "postedDate": "2026-10-01T08:00:00Z", "closingDate": "2026-11-30T23:59:59Z",
        "startDate": "2027-01-04T00:00:00Z",
        "wage": {"wageType": "ApprenticeshipMinimum", "wageUnit": "Annually", "wageAmount": None,
                 "wageAdditionalInformation": "£15,704 a year", "workingWeekDescription": "Mon-Fri"},
        "hoursPerWeek": 37.5, "expectedDuration": "24 months",
        "addresses": [{"addressLine1": "1 Mill Lane", "addressLine3": "Leeds", "postcode": "LS1 1AA",
                       "latitude": 53.8, "longitude": -1.55}],
        "applicationUrl": "https://apply.example.org/", "employerName": "Example Joinery",
        "employerContactName": "Pat Person", "employerContactPhone": "0113 496 0000",
        "employerContactEmail": "pat.person@example.org",
        "course": {"larsCode": lars, "title": "Carpentry and joinery (level 2)", "level": 2,
                   "route": "Construction and the built environment", "type": "Apprenticeship"},
        "apprenticeshipLevel": "Intermediate", "providerName": "Example College", "ukprn": 10000001,
        "isDisabilityConfident": False, "vacancyUrl": f"https://www.findapprenticeship.service.gov.uk/{number}",
        "vacancyReference": str(2000000000 + number), "isNationalVacancy": False, "isNationalVacancyDetails": "",
    }  # fmt: skip
    return {name: value for name, value in (whole | said).items() if value is not None}


def standard(code: str, name: str, soc2010: int, soc2020: int, **said: Any) -> dict[str, Any]:
    """Return an occupation of the maps as it is with everything expanded."""
    return {
        "stdCode": code, "name": name, "level": 3, "versionNo": "1.3", "status": 1, "statusName": "Approved occupation",
        "soc": {"soc2020Code": soc2020, "soc2020Description": f"SOC 2020 {soc2020}" if soc2020 else "",
                "soc2010Code": soc2010, "soc2010Description": f"SOC 2010 {soc2010}" if soc2010 else ""},
        "typicalJobTitles": [{"name": f"{name} fitter"}, f"{name} engineer"],
        "products": [{"productCode": code.replace("OCC", "ST"), "name": name, "level": 3,
                      "statusName": "Approved for delivery", "typeName": "Apprenticeship"}],
    } | said  # fmt: skip


def apprenticeship(code: str, lars: Any, **said: Any) -> dict[str, Any]:
    """Return an apprenticeship standard: a few of its many keys, with the numbers that are texts."""
    return {
        "templateType": 1, "larsCode": lars, "referenceNumber": code, "title": "Plumber", "level": 3,
        "status": "Approved for delivery", "versionNumber": "1.3", "typicalDuration": 30, "maxFunding": 13000,
        "minimumHoursForCompliance": "605", "route": "Construction and the built environment",
        "typicalJobTitles": ["Plumber"], "keywords": ["pipes"], "occupationCode": code.replace("ST", "OCC"),
        "standardPageUrl": f"https://skillsengland.education.gov.uk/apprenticeship-standards/{code.lower()}-v1-3",
        "knowledges": [{"knowledgeId": "K1", "detail": "<p>Pipes.</p>"}],
    } | said  # fmt: skip


# A host for a connector


class Clock(contexts.Clock):
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        super().__init__(now)


def host_context(now: datetime = NOW) -> AbstractContextManager[Any]:
    """Give a context with the host's own HTTP helper."""
    return contexts.host_context(name="careers", now=now, secrets=[KEY])


@contextmanager
def reference(folder: Path, clock: Callable[[], datetime], **said: Any) -> Iterator[Reference]:
    """Open a cache that never waits: where a limit is reached, it says so at once."""
    with Reference(folder / "lmi.db", clock=clock, max_wait=0.0, **said) as opened:
        yield opened


def configured(folder: Path, table: Mapping[str, Any]) -> Any:
    """Return the one enricher of a college that is configured with it and with `KEY`, as the host makes it."""
    kind = str(table["type"])
    college = SmallCollege(folder)
    college.connectors.append({**table, "key": {"file": "key.txt"}})
    (folder / "key.txt").write_text(KEY, encoding="utf-8")
    plugin = importlib.metadata.EntryPoint(kind, f"fingerpost_{kind}", "fingerpost")
    # The name is reserved for what Fingerpost brings itself, wherever the tests run from.
    vars(plugin).update(dist=importlib.metadata.distribution("fingerpost"))
    installed = [point for point in importlib.metadata.entry_points(group="fingerpost") if point.name != kind]
    with College.open(college.configure(), host=Host.load(entry_points=[*installed, plugin])) as opened:
        (instance,) = opened._opened.config.enrichers
        assert KEY not in repr(opened._opened.config)
        connector: Any = instance.connector
        assert connector.config.key.get_secret_value() == KEY
        return connector


def asking(*occupations: Occupation, kinds: Sequence[FactKind] | None = None) -> LabourMarketQuestion:
    """Return a question."""
    return LabourMarketQuestion(occupations, kinds=frozenset(FACT_KINDS if kinds is None else kinds))


def crowd(connector: str, said: Mapping[str, Any], titles: str, occupations: int, folder: Path) -> tuple[str, str]:
    """Let two processes ask for half of these occupations each; return what errors each of them met."""
    code = "import json, pathlib, sys\nfrom careers_servers import ask_alone\nask_alone(*json.loads(sys.argv[1]))\n"
    half = occupations // 2
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, json.dumps([connector, said, titles, first, half, str(folder)])],
            cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )
        for first in (0, half)
    ]  # fmt: skip
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    return told[0], told[1]


def ask_alone(connector: str, said: Mapping[str, Any], titles: str, first: int, count: int, folder: str) -> None:
    """Ask for occupations one by one, and print the errors."""
    (kind,) = importlib.import_module(connector).connectors()
    asker = kind(kind.Config.model_validate(said))
    occupations = [Occupation(str(1000 + n), 2020, f"{titles}{n}") for n in range(first, first + count)]
    with host_context() as context, reference(Path(folder), lambda: datetime.now(UTC)) as cache:
        for occupation in occupations:
            try:
                list(asker.labour_market(asking(occupation), cache, context))
            except SourceUnavailable as error:
                print(type(error).__name__)


def until_it_fails(hook: Iterator[Any]) -> list[Any]:
    """Return what a hook says before it finds that the service cannot be asked, or does not let it in."""
    told: list[Any] = []
    with pytest.raises((SourceUnavailable, AuthError)):
        for fact in hook:
            told.append(fact)
    return told


def assert_asked_once(
    hook: Iterator[Any], context: Any, address: str, status: int, error: type[Exception], words: str
) -> Any:
    """Let an address answer with a status: the error says what it means and shows no key; return what was sent.

    It is not asked a second time: an attempt more would be a call beyond the service's limit.
    """
    with responses.RequestsMock() as web:
        web.get(address, status=status, body=f"no {KEY} here")
        with pytest.raises(error, match=words) as caught:
            list(hook)
        (call,) = web.calls
    assert KEY not in f"{caught.value!r} {vars(caught.value)}"
    assert context.pauses == []
    return call.request


# Answers that are wrong

_STRANGE: tuple[Any, ...] = (
    "", "<b>bold", "&lt;i&gt;&#0;&nbsp;", "[a | b", "\ud800", "\x00\x1b[31m", "https://[", "https://a b", "£1 a year",
    "£15,704 a year", "0", "1e309", "\u202e", "OCC0001", "ST0303", "javascript:x", "x" * 3_000, "<" * 900, "[" * 900,
    None, True, False, 0, -1, 5315, 10**30, -(10**30), 0.5, -0.0, math.nan, math.inf, [], {}, [None], [[[]]], [{}],
    {"": {"": [""]}}, {"Title": None}, {"title": ["x"]}, ["<b>", 1, {"name": 2}],
)  # fmt: skip
JUNK = st.one_of(
    st.sampled_from(_STRANGE),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.lists(st.sampled_from(_STRANGE), max_size=2),
)
"""JSON that nobody expects there: most of it fixed, since drawing as much would take most of a test's time."""


@st.composite
def bodies(draw: st.DrawFn, *shapes: Any) -> bytes:
    """Draw the body of an answer: a documented shape with damage here and there, or something else altogether."""
    whole = draw(st.sampled_from(range(8)))
    if whole == 0:
        other = [
            b"",
            b" ",
            b"null",
            b"[]",
            b"{}",
            b'{"error": "none"}',
            b"<html>",
            HTML.body,
            b"[1,",
            b"\xff\xfe",
            b"NaN",
        ]
        return draw(st.one_of(st.sampled_from(other), st.binary(max_size=20), JUNK.map(_as_body)))
    shape = copy.deepcopy(draw(st.sampled_from(shapes)))
    for _ in range(draw(st.integers(1, 4))):
        shape = _damaged(draw, shape)
    return _as_body(shape)


def _as_body(value: Any) -> bytes:
    return json.dumps(value).encode()


def _damaged(draw: st.DrawFn, value: Any) -> Any:
    """Replace one thing somewhere inside by anything, or leave it out."""
    number, junk, drop = draw(st.integers(0, 16_000_000)), copy.deepcopy(draw(JUNK)), draw(st.integers(0, 5)) == 0
    holder: Any = [value]
    container, place = holder, 0
    while True:
        inner = container[place]
        places = sorted(inner) if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        number, stays = divmod(number, 8)
        if not places or not stays:
            break
        number, step = divmod(number, len(places))
        container, place = inner, places[step]
    if drop and container is not holder:
        del container[place]
    else:
        container[place] = junk
    return holder[0]


def assert_sound(said: Sequence[Fact | NoData]) -> None:
    """Refuse what nobody could show: numbers that are none, text with markup or control characters, odd links."""
    for each in said:
        if isinstance(each, NoData):
            assert each.reason
            continue
        assert each.source
        assert each.attribution
        assert each.licence
        assert each.value is not None or each.text
        assert each.value is None or (math.isfinite(each.value) and each.unit)
        assert each.text is None or (each.text.isprintable() and 0 < len(each.text) <= 1000 and "<b>" not in each.text)
        assert each.link is None or (each.link.startswith("https://") and each.link.isprintable())


def assert_never_stumbles(
    folder: Path,
    answers: Mapping[str, st.SearchStrategy[bytes]],
    hooks: Callable[[Reference, Any], Iterator[Iterator[Any]]],
    *,
    days: float,
) -> None:
    """Answer each address with whatever is drawn for it, `days` apart, and call the hooks of an enricher.

    A hook may find that the service cannot be asked; nothing else may go wrong, and what it says must be sound.
    """
    clock = Clock()
    with (
        host_context() as context,
        reference(folder, clock) as cache,
        responses.RequestsMock(assert_all_requests_are_fired=False) as web,
    ):

        @settings(max_examples=100, deadline=None)
        @given(st.fixed_dictionaries(dict(answers)))
        def whatever_comes(drawn: dict[str, bytes]) -> None:
            web.reset()
            for address, body in drawn.items():
                web.add(responses.GET, re.compile(rf"{address}(\?.*)?$"), body=body)
            clock.later(days=days)
            for hook in hooks(cache, context):
                try:
                    told = list(hook)
                except SourceUnavailable:
                    continue
                assert_sound([each for each in told if isinstance(each, Fact | NoData)])

        whatever_comes()
