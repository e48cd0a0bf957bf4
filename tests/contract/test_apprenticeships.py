"""The connector `apprenticeships`: against a stand-in of the Display Advert API, and against answers that are wrong."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import responses
from careers_servers import (
    GONE,
    HTML,
    NOW,
    AdvertServer,
    Clock,
    advert,
    asking,
    assert_asked_once,
    assert_never_stumbles,
    bodies,
    configured,
    crowd,
    host_context,
    reference,
    until_it_fails,
)
from connector_cases import each_status, only_fact
from http_server import KEY, Answer
from hypothesis import example, given, settings
from pydantic import ValidationError
from structlog.testing import capture_logs

from fingerpost import AuthError
from fingerpost.lmi import Fact, NoData, Occupation
from fingerpost_apprenticeships import ApprenticeshipsConfig, ApprenticeshipsEnricher, connectors
from fingerpost_apprenticeships._reading import kept_page, page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "https://adverts.example.org/vacancies"
JOINERS = Occupation("5316", 2020, "Carpenters and joiners")
SOURCE = "Find an apprenticeship"


def enricher(base_url: str = BASE, key: str = KEY, **said: Any) -> ApprenticeshipsEnricher:
    table = {"type": "apprenticeships", "name": "adverts", "key": key, "base_url": base_url}
    return ApprenticeshipsEnricher(
        ApprenticeshipsConfig.model_validate(table | {"courses": {"5316": [240, 91]}} | said)
    )


def ask(adverts: list[dict[str, Any]], context: Any, folder: Path, **said: Any) -> tuple[list[Any], AdvertServer]:
    with AdvertServer(adverts) as server, reference(folder, Clock()) as cache:
        return list(enricher(server.url, **said).labour_market(asking(JOINERS), cache, context)), server


def test_adverts_are_counted_and_the_newest_named(context: Any, tmp_path: Path) -> None:
    adverts = [advert(n, 240 if n % 2 else 91) for n in range(1, 130)] + [advert(500, 7)]
    (count, *newest), server = ask(adverts, context, tmp_path)
    assert (count.value, count.unit, count.region, count.text) == (129.0, "adverts", "England", None)
    assert [(fact.text, fact.value, fact.unit) for fact in newest] == [
        (
            f"Apprentice joiner {n}; Example Joinery; Leeds LS1 1AA; closes 30 November 2026; £15,704 a year",
            15704.0,
            "GBP a year",
        )
        for n in (1, 2, 3)
    ]
    assert newest[0].link == "https://www.findapprenticeship.service.gov.uk/1"
    assert len(server.requests) == 1
    for fact in (count, *newest):
        assert (fact.kind, fact.soc, fact.soc_version, fact.source) == ("vacancy", "5316", 2020, SOURCE)
        assert (fact.retrieved, fact.stale) == (NOW.date(), False)
        assert "Open Government Licence v3.0" in fact.attribution


def test_further_pages_are_read_only_for_adverts_that_can_be_used(context: Any, tmp_path: Path) -> None:
    over = [advert(n, closingDate="2026-11-01T23:59:59Z") for n in range(100)]
    (count, *newest), server = ask([*over, *(advert(n) for n in range(100, 350))], context, tmp_path)
    assert count.value == 350.0
    assert [fact.text.split(";")[0] for fact in newest] == [f"Apprentice joiner {n}" for n in (100, 101, 102)]
    assert [call.one("PageNumber") for call in server.requests] == ["1", "2"]


def test_pages_end_whatever_the_service_says_about_them(context: Any, cache: Any) -> None:
    nothing = {"total": 9_000_000, "totalFiltered": 9_000_000, "totalPages": 90_000, "vacancies": []}
    with responses.RequestsMock() as web:
        web.get(f"{BASE}/vacancy", json=nothing)
        count = only_fact(enricher().labour_market(asking(JOINERS), cache, context))
        assert len(web.calls) == 5
    assert count.value == 9_000_000


def test_no_advert_is_an_answer(context: Any, tmp_path: Path) -> None:
    (count,), _ = ask([advert(1, 7)], context, tmp_path)
    assert (count.value, count.unit) == (0.0, "adverts")


@pytest.mark.parametrize(
    ("wage", "value", "shown"),
    [
        ("£20,400 a year", 20400.0, "£20,400 a year"),
        ("£15704.00 a year", 15704.0, "£15704.00 a year"),
        ("£15,704 to £20,000 a year", None, "£15,704 to £20,000 a year"),
        ("£15,704 a year, rising", None, "£15,704 a year, rising"),
        ("£7.55 an hour", None, "£7.55 an hour"),
        ("£15,70 a year", None, "£15,70 a year"),
        ("Competitive", None, "Competitive"),
        (None, None, ""),
        (15704, None, ""),
    ],
)
def test_money_is_taken_only_where_it_is_plain(
    context: Any, tmp_path: Path, wage: object, value: float | None, shown: str
) -> None:
    said = {"wageType": "Custom", "wageUnit": "Annually", "wageAmount": None, "wageAdditionalInformation": wage}
    (_, fact), _ = ask([advert(1, wage=said)], context, tmp_path)
    assert (fact.value, fact.unit) == (value, "" if value is None else "GBP a year")
    assert fact.text == "; ".join(
        filter(None, ("Apprentice joiner 1", "Example Joinery", "Leeds LS1 1AA", "closes 30 November 2026", shown))
    )


def test_adverts_from_elsewhere_are_taken_as_they_are(context: Any, tmp_path: Path) -> None:
    nhs = advert(
        1, wage=None, addresses=[], closingDate=None, vacancyReference="C1234-26-0001",
        title="Nurse &amp; <b>carer</b> &lt;b&gt;", employerName=None,
        vacancyUrl="https://www.findapprenticeship.service.gov.uk/",
    )  # fmt: skip
    national = advert(2, addresses=[], isNationalVacancy=True, vacancyUrl="http://plain.example.org/2")
    bare = {"title": "Bare", "course": {"larsCode": 240}}
    (_, *newest), _ = ask([nhs, national, bare], context, tmp_path)
    assert [(fact.text, fact.link) for fact in newest] == [
        ("Nurse & carer", "https://apply.example.org/"),
        (
            "Apprentice joiner 2; Example Joinery; across England; closes 30 November 2026; £15,704 a year",
            "https://apply.example.org/",
        ),
        ("Bare", None),
    ]


def test_only_configured_courses_are_asked_for(context: Any, cache: Any) -> None:
    electricians, joiners_2010 = Occupation("5241", 2020, "Electricians"), Occupation("5316", 2010, "Glaziers")
    with responses.RequestsMock():
        assert list(enricher().labour_market(asking(electricians, joiners_2010), cache, context)) == [
            NoData("vacancy", "5241", SOURCE, "no_course"),
            NoData("vacancy", "5316", SOURCE, "soc_version"),
        ]
        assert list(enricher().labour_market(asking(JOINERS, kinds=["pay"]), cache, context)) == []


def test_what_is_sent_is_documented_and_holds_the_colleges_place_alone(context: Any, tmp_path: Path) -> None:
    with AdvertServer([advert(1)]) as server, reference(tmp_path, Clock()) as cache, capture_logs() as log:
        adverts = enricher(server.url, lat=53.8, lon=-1.55, distance_miles=20, ukprn=10000001)
        count, *_ = adverts.labour_market(asking(JOINERS), cache, context)
        (found,) = adverts.check(context)
        remembered = str(list(cache.entries()))
    assert server.undocumented() == set()
    assert sorted(server.requests[0].params) == [
        ("DistanceInMiles", "20"), ("ExcludeRecruitingNationally", "true"), ("Lat", "53.8"), ("Lon", "-1.55"),
        ("PageNumber", "1"), ("PageSize", "100"),
        ("StandardLarsCode", "240"), ("StandardLarsCode", "91"), ("Ukprn", "10000001"),
    ]  # fmt: skip
    assert {call.headers["X-Version"] for call in server.requests} == {"2"}
    assert isinstance(count, Fact)
    assert (count.region, count.split) == ("within 20 miles of the college", "training provider 10000001")
    assert found.level == "ok"
    for shown in (server.everything(), str(log), remembered, repr(adverts.config)):
        assert KEY not in shown
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    # An advert names a person to write to: nobody's address is remembered, or shared in an export.
    assert b"Apprentice joiner" in kept
    assert not any(word in kept for word in (KEY.encode(), b"Pat Person", b"0113", b"pat.person"))


def test_a_huge_advert_is_remembered_small(context: Any, tmp_path: Path) -> None:
    (count, newest), _ = ask([advert(1, title="Very " * 200_000, description="long " * 600_000)], context, tmp_path)
    assert count.value == 1.0
    assert len(newest.text) < 400
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000


@pytest.mark.parametrize("gone", [GONE, HTML, Answer(b"", 500), Answer(b"", 404), Answer(b"", 429), Answer(b"", 403)])
def test_when_the_service_is_gone_memory_speaks_with_its_date(
    context: Any, clock: Clock, cache: Any, gone: Answer
) -> None:
    others = Occupation("5315", 2020, "Plumbers")
    with AdvertServer([advert(1)]) as server:
        adverts = enricher(server.url, courses={"5316": [240], "5315": [91]})
        list(adverts.labour_market(asking(JOINERS), cache, context))
        clock.later(days=2)
        server.gone = gone
        told = until_it_fails(adverts.labour_market(asking(others, JOINERS), cache, context))
        assert [(fact.value, fact.stale, fact.retrieved) for fact in told] == [
            (1.0, True, NOW.date()),
            (15704.0, True, NOW.date()),
        ]
        at_once = gone.status in (401, 403, 429)
        assert len(server.requests) == (2 if at_once else 3)  # and then it was left alone


@pytest.mark.parametrize(
    "odd", [b"", b"[]", b"null", b'{"message": "moved", "status": 410}', b'{"totalFiltered": "1"}']
)
def test_what_is_no_page_of_adverts_takes_none_away(context: Any, clock: Clock, cache: Any, odd: bytes) -> None:
    with AdvertServer([advert(1)]) as server:
        before = list(enricher(server.url).labour_market(asking(JOINERS), cache, context))
        clock.later(days=2)
        server.gone = Answer(odd)
        after = list(enricher(server.url).labour_market(asking(JOINERS), cache, context))
        assert [getattr(fact, "text", None) for fact in after] == [getattr(fact, "text", None) for fact in before]
        assert {fact.stale for fact in after if isinstance(fact, Fact)} == {True}


def test_an_advert_that_closed_meanwhile_is_not_named(tmp_path: Path) -> None:
    clock = Clock()
    with AdvertServer([advert(1)]) as server:
        with reference(tmp_path, clock) as cache, host_context() as context:
            list(enricher(server.url).labour_market(asking(JOINERS), cache, context))
        server.gone = GONE
        clock.later(days=40)
        with reference(tmp_path, clock) as cache, host_context(now=clock.now) as context:
            count = only_fact(enricher(server.url).labour_market(asking(JOINERS), cache, context))
    assert (count.value, count.stale) == (1.0, True)


@each_status("refused the version")
def test_a_status_means_what_the_service_says(
    context: Any, cache: Any, status: int, error: type[Exception], words: str
) -> None:
    hook = enricher().labour_market(asking(JOINERS), cache, context)
    assert_asked_once(hook, context, f"{BASE}/vacancy", status, error, words)


def test_without_a_key_or_a_version_the_stand_in_refuses(context: Any, cache: Any) -> None:
    with AdvertServer([]) as server:
        with pytest.raises(AuthError):
            list(enricher(server.url, key="another").labour_market(asking(JOINERS), cache, context))
        response = context.http.get(f"{server.url}/vacancy", headers={"Ocp-Apim-Subscription-Key": KEY})
        assert (response.status_code, response.content) == (404, b"")


@pytest.mark.slow
def test_two_processes_together_keep_the_limit(tmp_path: Path) -> None:
    with AdvertServer([advert(1)]) as server:
        courses = {str(1000 + n): [n + 1] for n in range(200)}
        said = {"type": "apprenticeships", "name": "a", "key": KEY, "base_url": server.url, "courses": courses}
        told = crowd("fingerpost_apprenticeships", said, "Job", 200, tmp_path)
        assert "RateLimited" in told[0] + told[1]
        assert len(server.requests) == server.busiest(300.0) == ApprenticeshipsEnricher.limit[0] == 150
        assert server.refused == 0


def test_check_says_what_is_there(context: Any) -> None:
    with AdvertServer([advert(1)] * 1200) as server:
        (found,) = enricher(server.url).check(context)
        assert found.message == "Find an apprenticeship answers; 1,200 apprenticeships are advertised."
        assert server.requests[0].one("PageSize") == "1"
        _, lacking = enricher(server.url, courses={}).check(context)
        assert (lacking.level, "knows no course" in lacking.message) == ("warning", True)
        server.gone = Answer(b'{"error": "?"}')
        (found,) = enricher(server.url).check(context)
        assert found.level == "warning"


@pytest.mark.parametrize(
    "said",
    [
        {"lat": 53.8},
        {"lat": 53.8, "lon": -1.5},
        {"distance_miles": 5},
        {"lat": 530, "lon": 0, "distance_miles": 5},
        {"courses": {"53": [1]}},
        {"courses": {"5316": []}},
        {"courses": {"5316": [0]}},
        {"ukprn": 1},
        {"postcode": "LS1 1AA"},
    ],
)
def test_a_wrong_configuration_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        enricher(**said)


@pytest.mark.parametrize("total", [-1, True, "5", None, 5.5, [], 10**30])
def test_a_total_that_is_none_is_no_data(context: Any, cache: Any, total: object) -> None:
    with responses.RequestsMock() as web:
        web.get(f"{BASE}/vacancy", json={"totalFiltered": total, "totalPages": 1, "vacancies": [advert(1)]})
        assert list(enricher().labour_market(asking(JOINERS), cache, context)) == [
            NoData("vacancy", "5316", SOURCE, "none")
        ]


def test_the_connector_is_offered(tmp_path: Path) -> None:
    table = {"type": "apprenticeships", "name": "adverts", "courses": {"5316": [240, 91]}}
    made = configured(tmp_path, table | {"lat": 53.8, "lon": -1.55, "distance_miles": 20})
    assert isinstance(made, ApprenticeshipsEnricher)
    assert made.config.courses == {"5316": (240, 91)}
    assert made.config.base_url == "https://api.apprenticeships.education.gov.uk/vacancies"
    assert connectors() == [ApprenticeshipsEnricher]
    assert (ApprenticeshipsEnricher.name, ApprenticeshipsEnricher.limit) == ("apprenticeships", (150, 300.0))


PAGE = {"total": 3900, "totalFiltered": 2, "totalPages": 1, "vacancies": [advert(1), advert(2)]}


@settings(max_examples=700, deadline=None)
@given(body=bodies(PAGE))
@example(body=json.dumps(PAGE | {"totalFiltered": ["x" * 60_000], "totalPages": {"y": "x" * 60_000}}).encode())
def test_no_json_makes_the_reading_stumble(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        return
    # As it goes: what is kept is remembered as JSON, and an export may bring back anything.
    kept = json.loads(json.dumps(kept_page(value)))
    for given_back in (value, kept):
        found = page(given_back)
        assert found is None or (found.total >= 0 and found.pages >= 0)
        for each in found.adverts if found else ():
            assert each.title.isprintable()
            assert each.closes is None or isinstance(each.closes, date)
    assert len(json.dumps(kept)) < 50_000


def test_no_answer_makes_a_hook_stumble(tmp_path: Path) -> None:
    def hooks(cache: Any, context: Any) -> Iterator[Iterator[Any]]:
        yield enricher().labour_market(asking(JOINERS), cache, context)
        yield enricher().check(context)

    assert_never_stumbles(tmp_path, {f"{BASE}/vacancy": bodies(PAGE)}, hooks, days=2)
