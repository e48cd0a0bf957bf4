"""The connector `ncs`: against a stand-in of the Job Profiles API, and against answers that no service should give."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import responses
from careers_servers import (
    GONE,
    HTML,
    NOW,
    Clock,
    NcsServer,
    asking,
    assert_asked_once,
    assert_never_stumbles,
    bodies,
    configured,
    crowd,
    job_profile,
    reference,
    until_it_fails,
)
from connector_cases import each_status, only_fact
from http_server import KEY, Answer
from hypothesis import given, settings
from structlog.testing import capture_logs

from fingerpost import AuthError, SourceUnavailable
from fingerpost.lmi import Fact, NoData, Occupation
from fingerpost_ncs import NcsConfig, NcsEnricher, connectors
from fingerpost_ncs._reading import kept_names, kept_profile, likeness, names, profile, search_results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "https://careers.example.org/job-profiles"
PLUMBER = job_profile("Plumber", "5314", "5315", AlternativeTitle="Heating engineer,  pipe fitter")
PROFILES = {
    "plumber": PLUMBER,
    "gas-engineer": job_profile("Gas engineer", "5314A", "5315", SalaryStarter="", SalaryExperienced="0"),
    "electrician": job_profile("Electrician", "5241", "5241", MinimumHours=0, MaximumHours=None),
    "engineer": job_profile("Engineer", None, None),
    "joiner": job_profile("Joiner", "5315", "5316"),
}
PLUMBERS_2010 = Occupation("5314", 2010, "Plumbers and heating and ventilating engineers")
PLUMBERS_2020 = Occupation("5315", 2020, "Plumbers and heating and ventilating installers and repairers")


def enricher(base_url: str = BASE, key: str = KEY) -> NcsEnricher:
    return NcsEnricher(NcsConfig.model_validate({"type": "ncs", "name": "careers", "key": key, "base_url": base_url}))


@pytest.fixture
def server() -> Iterator[NcsServer]:
    with NcsServer(PROFILES) as running:
        yield running


def said(kind: str, facts: list[Fact | NoData]) -> list[Any]:
    return [each for each in facts if each.kind == kind]


def test_a_profile_that_names_the_code_says_what_it_knows(server: NcsServer, context: Any, cache: Any) -> None:
    facts = list(enricher(server.url).labour_market(asking(PLUMBERS_2020), cache, context))
    assert [(fact.statistic, fact.value, fact.unit) for fact in said("pay", facts)] == [
        ("starting", 24000.0, "GBP a year"),
        ("experienced", 42000.0, "GBP a year"),
    ]
    assert [(fact.statistic, fact.value, fact.unit) for fact in said("hours", facts)] == [
        ("minimum", 40.0, "hours a week"),
        ("maximum", 42.0, "hours a week"),
    ]
    assert [(fact.statistic, fact.text) for fact in said("occupation", facts)] == [
        ("profile title", "Plumber"),
        ("alternative title", "Heating engineer"),
        ("alternative title", "pipe fitter"),
    ]
    assert [fact.text for fact in said("skill", facts)] == ["knowledge of building", "to work well with your hands"]
    (overview,) = said("profile", facts)
    assert overview.text == "Plumbers do this and that."
    assert overview.link == "https://nationalcareers.service.gov.uk/job-profiles/plumber"
    for fact in facts:
        assert isinstance(fact, Fact)
        assert (fact.soc, fact.soc_version, fact.retrieved, fact.stale) == ("5315", 2020, NOW.date(), False)
        assert fact.source == "National Careers Service"
        assert ("O*NET" in fact.attribution and "CC BY 4.0" in fact.licence) == (fact.kind == "skill")
        assert "licence assumed: Open Government Licence v3.0" in fact.attribution
        assert fact.licence.startswith("Open Government Licence v3.0 (assumed)")


def test_one_number_in_two_editions_is_two_occupations(server: NcsServer, context: Any, cache: Any) -> None:
    joiners_2010 = Occupation("5315", 2010, "Carpenters and joiners")
    question = asking(PLUMBERS_2020, joiners_2010, kinds=["profile"])
    first, second = enricher(server.url).labour_market(question, cache, context)
    assert isinstance(first, Fact)
    assert isinstance(second, Fact)
    assert (first.text or "").startswith("Plumber")
    assert (second.text or "").startswith("Joiner")


def test_an_occupation_in_both_editions_is_told_once(server: NcsServer, context: Any, cache: Any) -> None:
    asked = asking(PLUMBERS_2020, PLUMBERS_2010, kinds=["profile", "vacancy"])
    (fact,) = enricher(server.url).labour_market(asked, cache, context)
    assert (fact.kind, fact.soc) == ("profile", "5315")


def test_titles_are_compared_here_and_never_sent(server: NcsServer, context: Any, cache: Any) -> None:
    asked = asking(Occupation("5315", 2020, "Plumber like Uncle Kevin"), kinds=["profile"])
    only_fact(enricher(server.url).labour_market(asked, cache, context))
    assert [call.path for call in server.requests] == ["/summary", "/plumber"]
    assert "Kevin" not in server.everything() + str(list(cache.entries()))


def test_the_likeliest_title_comes_first(context: Any, cache: Any) -> None:
    titles = ["Engineer", "Electrical engineer", "Electrician", "Astronaut", "Electrical fitter and engineer"]
    profiles = {title.lower().replace(" ", "-"): job_profile(title, "5241", "5241") for title in titles}
    with NcsServer(profiles) as server:
        asked = asking(Occupation("5241", 2020, "Electricians and electrical fitters"), kinds=["occupation"])
        fact = only_fact(enricher(server.url).labour_market(asked, cache, context))
    assert fact.text == "Electrician"


CARPENTRY = {
    "kitchen-fitter": job_profile("Kitchen fitter", "5315", "5316", SalaryStarter="18000"),
    "carpenter": job_profile("Carpenter", "5315", "5316", SalaryStarter="26000"),
    "bench-joiner": job_profile("Bench joiner", "5315", "5316", SalaryStarter="22000"),
    "electrician": job_profile("Electrician", "5241", "5241"),
}
CARPENTERS = Occupation("5316", 2020, "Carpenters and joiners")
BEFORE: tuple[list[Occupation], ...] = (
    [],
    [Occupation("5241", 2020, "Electricians and electrical fitters")],  # looks into the kitchen fitter as well
    [Occupation("5316", 2020, "Kitchen fitters")],
    [Occupation("5316", 2020, "Kitchen fitters"), Occupation("5316", 2020, "Bench joiners"), CARPENTERS],
)


@pytest.mark.parametrize("before", BEFORE)
def test_an_occupation_is_told_the_same_whatever_was_asked_before(
    context: Any, cache: Any, before: list[Occupation]
) -> None:
    with NcsServer(CARPENTRY) as server:
        list(enricher(server.url).labour_market(asking(*before), cache, context))
        facts = list(enricher(server.url).labour_market(asking(CARPENTERS, kinds=["pay"]), cache, context))
    assert [(fact.text, fact.value) for fact in said("pay", facts)] == [("Carpenter", 26000), ("Carpenter", 42000)]


@pytest.mark.parametrize("order", [("bench-joiner", "kitchen-fitter"), ("kitchen-fitter", "bench-joiner")])
def test_among_profiles_that_are_known_the_order_of_finding_them_means_nothing(
    context: Any, cache: Any, order: tuple[str, str]
) -> None:
    with NcsServer(CARPENTRY) as server:
        for name in order:
            list(enricher(server.url).find_occupations(name.replace("-", " "), cache, context))
        asked = asking(Occupation("5316", 2020), kinds=["occupation"])
        fact, *_ = enricher(server.url).labour_market(asked, cache, context)
    assert isinstance(fact, Fact)
    assert (fact.statistic, fact.text) == ("profile title", "Bench joiner")


def test_a_profile_of_another_code_does_not_count(server: NcsServer, context: Any, cache: Any) -> None:
    asked = asking(Occupation("9999", 2020, "Plumbers"), kinds=["pay", "skill"])
    facts = list(enricher(server.url).labour_market(asked, cache, context))
    # Without a title there is nothing to look for. But what was read about the first is about this one.
    asked = asking(Occupation("5315", 2020), kinds=["pay"])
    facts += enricher(server.url).labour_market(asked, cache, context)
    assert facts[:2] == [
        NoData("pay", "9999", "National Careers Service", "no_profile"),
        NoData("skill", "9999", "National Careers Service", "no_profile"),
    ]
    assert [fact.text for fact in said("pay", facts[2:])] == ["Plumber", "Plumber"]


@pytest.mark.parametrize("salary", ["", "0", "0.00", None, "competitive", 0, [], "-5", "99999999999", True])
def test_a_salary_that_is_none_is_no_data(context: Any, cache: Any, salary: object) -> None:
    profile = job_profile("Plumber", "5314", "5315", SalaryStarter=salary, SalaryExperienced=salary)
    with NcsServer({"plumber": profile}) as server:
        asked = asking(Occupation("5315", 2020, "Plumber"), kinds=["pay"])
        assert list(enricher(server.url).labour_market(asked, cache, context)) == [
            NoData("pay", "5315", "National Careers Service", "none")
        ]


@pytest.mark.parametrize(("salary", "pay"), [("18,500", 18500.0), ("£18500", 18500.0), (18500, 18500.0)])
def test_a_salary_may_be_written_in_other_ways(context: Any, cache: Any, salary: object, pay: float) -> None:
    profile = job_profile("Plumber", "5314", "5315", SalaryStarter=salary, SalaryExperienced=None)
    with NcsServer({"plumber": profile}) as server:
        asked = asking(Occupation("5315", 2020, "Plumber"), kinds=["pay"])
        fact = only_fact(enricher(server.url).labour_market(asked, cache, context))
    assert fact.value == pay


def test_the_other_edition_comes_from_profiles_that_name_both(server: NcsServer, context: Any, cache: Any) -> None:
    ncs = enricher(server.url)
    assert list(ncs.convert_occupation(PLUMBERS_2010, cache, context)) == [Occupation("5315", 2020)]
    assert list(ncs.convert_occupation(PLUMBERS_2020, cache, context)) == [Occupation("5314", 2010)]
    assert list(ncs.convert_occupation(Occupation("1111", 2010, "Chief executives"), cache, context)) == []


def test_an_occupation_that_profiles_split_has_several_codes(context: Any, cache: Any) -> None:
    profiles = {"plumber": PLUMBER, "gas-plumber": job_profile("Gas plumber", "5314", "5330")}
    with NcsServer(profiles) as server:
        found = set(enricher(server.url).convert_occupation(PLUMBERS_2010, cache, context))
    assert found == {Occupation("5315", 2020), Occupation("5330", 2020)}


def test_a_person_who_searches_is_offered_both_editions(server: NcsServer, context: Any, cache: Any) -> None:
    ncs = enricher(server.url)
    found = list(ncs.find_occupations("Heating / engineer?", cache, context))
    assert list(ncs.find_occupations(" /?# ", cache, context)) == []
    assert list(ncs.find_occupations("astronaut", cache, context)) == []
    assert found[:2] == [Occupation("5315", 2020, "Plumber"), Occupation("5314", 2010, "Plumber")]
    assert {call.path for call in server.requests} >= {"/search/heating%20engineer", "/search/astronaut"}


def test_what_was_said_is_remembered(server: NcsServer, context: Any, clock: Clock, cache: Any) -> None:
    before = list(enricher(server.url).labour_market(asking(PLUMBERS_2020, PLUMBERS_2010), cache, context))
    asked = len(server.requests)
    assert list(enricher(server.url).labour_market(asking(PLUMBERS_2020, PLUMBERS_2010), cache, context)) == before
    assert len(server.requests) == asked
    assert len({call.path for call in server.requests}) == asked
    clock.later(days=400)
    list(enricher(server.url).labour_market(asking(PLUMBERS_2020), cache, context))
    assert len(server.requests) > asked


@pytest.mark.parametrize("gone", [GONE, HTML, Answer(b"", 500), Answer(b"", 404), Answer(b"", 429), Answer(b"", 401)])
def test_when_the_service_is_gone_memory_speaks_with_its_date(
    server: NcsServer, context: Any, clock: Clock, cache: Any, gone: Answer
) -> None:
    list(enricher(server.url).labour_market(asking(PLUMBERS_2020), cache, context))
    clock.later(days=400)
    server.gone = gone
    asked = len(server.requests)
    # The first has never been asked for; the second is remembered.
    question = asking(Occupation("5241", 2020, "Electrician"), PLUMBERS_2020, kinds=["pay"])
    told = until_it_fails(enricher(server.url).labour_market(question, cache, context))
    assert [(fact.value, fact.stale, fact.retrieved) for fact in told] == [
        (24000.0, True, NOW.date()),
        (42000.0, True, NOW.date()),
    ]
    at_once = gone.status in (401, 403, 429)
    assert len(server.requests) == asked + (1 if at_once else 2)  # and then it was left alone


def test_nothing_but_what_is_documented_is_sent(server: NcsServer, context: Any, tmp_path: Path) -> None:
    with reference(tmp_path, Clock()) as cache, capture_logs() as log:
        ncs = enricher(server.url)
        list(ncs.labour_market(asking(PLUMBERS_2020), cache, context))
        list(ncs.find_occupations("plumber", cache, context))
        list(ncs.check(context))
        remembered = str(list(cache.entries()))
    assert server.undocumented() == set()
    assert {call.headers["Version"] for call in server.requests} == {"v1"}
    assert {call.headers["Accept"] for call in server.requests} == {"application/json"}
    for shown in (server.everything(), str(log), remembered, repr(ncs.config)):
        assert KEY not in shown
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@each_status("refused the version")
def test_a_status_means_what_the_service_says(
    context: Any, cache: Any, status: int, error: type[Exception], words: str
) -> None:
    for hook in (enricher().labour_market(asking(PLUMBERS_2020), cache, context), enricher().check(context)):
        assert_asked_once(hook, context, f"{BASE}/summary", status, error, words)


def test_no_content_means_nothing_found(server: NcsServer, context: Any, cache: Any) -> None:
    ncs = enricher(server.url)
    assert list(ncs.find_occupations("astronaut", cache, context)) == []
    list(ncs.labour_market(asking(PLUMBERS_2020), cache, context))
    del server.profiles["electrician"]  # it is still in the list that is remembered
    asked = asking(Occupation("5241", 2020, "Electrician"), kinds=["pay"])
    for _ in range(2):
        assert list(ncs.labour_market(asked, cache, context)) == [
            NoData("pay", "5241", "National Careers Service", "no_profile")
        ]
    assert [call.path for call in server.requests].count("/electrician") == 1


LISTS_OF_NOTHING = [
    Answer(b"", 204),
    Answer(b"", 200),
    Answer(b"[]"),
    Answer(b"null"),
    Answer(b'{"message": "This API has moved"}'),
    Answer(b'[{"Url": null, "Title": "Plumber"}, 3]'),
]


@pytest.mark.parametrize("nothing", LISTS_OF_NOTHING)
def test_a_list_of_no_profiles_is_a_service_that_cannot_be_asked(
    server: NcsServer, context: Any, clock: Clock, tmp_path: Path, nothing: Answer
) -> None:
    server.gone = nothing
    with reference(tmp_path, clock) as cache, pytest.raises(SourceUnavailable, match="lists no job profile"):
        list(enricher(server.url).labour_market(asking(PLUMBERS_2020), cache, context))
    # In the end it was not taken for a list of nothing.
    for days, answer in ((1, None), (181, nothing), (8, None)):
        clock.later(days=days)
        server.gone = answer
        with reference(tmp_path, clock) as cache:
            told = list(enricher(server.url).labour_market(asking(PLUMBERS_2020), cache, context))
        stale = answer is not None
        assert [(fact.value, fact.stale) for fact in said("pay", told)] == [(24000.0, stale), (42000.0, stale)]


def test_what_is_no_profile_takes_no_profile_away(server: NcsServer, context: Any, tmp_path: Path) -> None:
    clock = Clock()
    asked = asking(PLUMBERS_2020, kinds=["pay"])
    with reference(tmp_path, clock) as cache:
        before = list(enricher(server.url).labour_market(asked, cache, context))
    clock.later(days=31)
    server.gone = Answer(b'{"message": "This API has moved", "status": 410}')
    with reference(tmp_path, clock) as cache:
        after = list(enricher(server.url).labour_market(asked, cache, context))
        assert cache.failures == {"ncs": "unavailable"}
        assert [replace(fact, stale=False) for fact in said("pay", after)] == before
        assert {fact.stale for fact in said("pay", after)} == {True}
        with pytest.raises(SourceUnavailable, match="no job profile"):
            joiners = Occupation("5316", 2020, "Joiners")
            list(enricher(server.url).labour_market(asking(joiners), cache, context))


def test_words_that_somebody_typed_are_not_remembered(server: NcsServer, context: Any, tmp_path: Path) -> None:
    with reference(tmp_path, Clock()) as cache:
        for _ in range(2):
            assert list(enricher(server.url).find_occupations("plumber with Uncle Kevin", cache, context))
        assert [call.path for call in server.requests].count("/search/plumber%20with%20uncle%20kevin") == 2
        assert {key for _, key, _, _ in cache.entries()} == {"plumber"}
        cache.export(tmp_path / "market.export")
    assert "kevin" not in gzip.decompress((tmp_path / "market.export").read_bytes()).decode().lower()
    assert all(b"kevin" not in path.read_bytes().lower() for path in tmp_path.iterdir())


def test_what_nobody_asked_for_is_not_asked(context: Any, cache: Any) -> None:
    with responses.RequestsMock():
        assert list(enricher().labour_market(asking(PLUMBERS_2020, kinds=["vacancy"]), cache, context)) == []


def test_check_says_what_is_there(server: NcsServer, context: Any) -> None:
    (found,) = enricher(server.url).check(context)
    assert (found.level, found.message) == ("ok", "National Careers Service answers and lists 5 job profiles.")
    server.gone = Answer(b'{"error": "?"}')
    (found,) = enricher(server.url).check(context)
    assert found.level == "warning"
    server.gone = None
    with pytest.raises(AuthError):
        list(enricher(server.url, key="another").check(context))


@pytest.mark.slow
def test_two_processes_together_keep_the_limit(tmp_path: Path) -> None:
    profiles = {f"job{n}": job_profile(f"Job{n}", str(1000 + n), str(1000 + n)) for n in range(200)}
    with NcsServer(profiles) as server:
        said = {"type": "ncs", "name": "careers", "key": KEY, "base_url": server.url}
        told = crowd("fingerpost_ncs", said, "Job", 200, tmp_path)
        assert "RateLimited" in told[0] + told[1]
        assert len(server.requests) == server.busiest(60.0) == NcsEnricher.limit[0] == 150
        assert server.refused == 0


@pytest.mark.parametrize(
    ("overview", "shown"),
    [
        ("Fix <b>pipes</b>.\n\n\tAnd&nbsp;boilers", "Fix pipes . And boilers"),
        ("See [what\u202e we do | https://example.org]\x1b[31m", "See what we do [31m"),
        ("Fish &amp;amp; chips &lt;script&gt;", "Fish &amp; chips"),
        ("\ud800half", "half"),
        ("a < b", "a < b"),
        ("word " * 1000, ("word " * 200)[:999] + "…"),
    ],
)
def test_text_is_cleaned(context: Any, cache: Any, overview: str, shown: str) -> None:
    with NcsServer({"plumber": job_profile("Plumber", "5314", "5315", Overview=overview)}) as server:
        fact = only_fact(enricher(server.url).labour_market(asking(PLUMBERS_2020, kinds=["profile"]), cache, context))
    assert fact.text == shown


def test_the_connector_is_offered(tmp_path: Path) -> None:
    made = configured(tmp_path, {"type": "ncs", "name": "careers"})
    assert isinstance(made, NcsEnricher)
    assert made.config.base_url == "https://api.nationalcareers.service.gov.uk/job-profiles"
    assert connectors() == [NcsEnricher]
    assert (NcsEnricher.name, NcsEnricher.limit) == ("ncs", (150, 60.0))


SUMMARY = [{"Url": f"{BASE}/plumber", "Title": "Plumber", "LastUpdated": "2024-05-01T00:00:00Z"}]
SEARCH = {"Count": 1, "CurrentPage": 1, "PageSize": 5, "Results": [
    {"ResultItemTitle": "Plumber", "ResultItemUrlName": f"{BASE}/plumber", "ResultItemSalaryRange": ""}]}  # fmt: skip


@settings(max_examples=700, deadline=None)
@given(body=bodies(PLUMBER, SUMMARY, SEARCH))
def test_no_json_makes_the_reading_stumble(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        return
    # As it goes: what is kept is remembered as JSON, and an export may bring back anything.
    for given_back in (value, *json.loads(json.dumps([kept_profile(value), kept_names(value)]))):
        found = profile(given_back)
        assert found is None or (found.title and found.codes)
        named = [*names(given_back), *search_results(given_back)]
        assert all(0 <= likeness("Plumbers", title)[0] <= 1 for title in names(given_back).values())
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) for name in named)


def test_no_answer_makes_a_hook_stumble(tmp_path: Path) -> None:
    occupation = Occupation("5315", 2020, "Plumber")

    def hooks(cache: Any, context: Any) -> Iterator[Iterator[Any]]:
        ncs = enricher()
        yield ncs.labour_market(asking(occupation), cache, context)
        yield ncs.find_occupations("plumber", cache, context)
        yield ncs.convert_occupation(occupation, cache, context)
        yield ncs.check(context)

    answers = {f"{BASE}/summary": bodies(SUMMARY), f"{BASE}/plumber": bodies(PLUMBER), f"{BASE}/.*": bodies(SEARCH)}
    assert_never_stumbles(tmp_path, answers, hooks, days=400)
