"""The connector `occupationalmaps`: against a stand-in of the Occupational Maps API, and against wrong answers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import responses
from careers_servers import (
    GONE,
    HTML,
    NOW,
    Clock,
    MapsServer,
    apprenticeship,
    asking,
    assert_asked_once,
    assert_never_stumbles,
    bodies,
    configured,
    reference,
    standard,
    until_it_fails,
)
from connector_cases import each_status, only_fact
from http_server import KEY, Answer
from hypothesis import example, given, settings
from structlog.testing import capture_logs

from fingerpost import AuthError, SourceUnavailable
from fingerpost.lmi import Fact, NoData, Occupation
from fingerpost_occupationalmaps import OccupationalMapsConfig, OccupationalMapsEnricher, connectors
from fingerpost_occupationalmaps._reading import kept_lars_code, kept_list, kept_lists, lars_code, products
from fingerpost_occupationalmaps._reading import map_occupations as standards
from fingerpost_occupationalmaps._reading import next_occupations as next_standards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "https://maps.example.org/api/v1"
STANDARDS = "https://standards.example.org/apprenticeshipstandards"
SOURCE = "Skills England Occupational Maps"
RETIRED = {
    "productCode": "ST0001",
    "name": "Old way",
    "level": 2,
    "statusName": "Retired",
    "typeName": "Apprenticeship",
}
T_LEVEL = {"productCode": "TL0007", "name": "Building services", "level": 3, "typeName": "T Level"}
PLUMBER = standard("OCC0303", "Plumber", 5314, 5315)
PLUMBER["products"] += [RETIRED, T_LEVEL]
OCCUPATIONS = [
    PLUMBER,
    standard("OCC0305", "Gas engineer", 5314, 5330, level=4),
    standard("OCC0152", "Electrician", 0, 5241),
    standard("OCC0240", "Joiner", 5315, 5316),
    standard("OCC0999", "Old plumber", 5314, 5399, status=3),
]
PLUMBERS = Occupation("5315", 2020, "Plumbers")


def enricher(server: MapsServer | None = None, key: str = KEY) -> OccupationalMapsEnricher:
    table = {"type": "occupationalmaps", "name": "maps", "key": key}
    table["base_url"] = server.url if server else BASE
    table["standards_url"] = server.standards_url if server else STANDARDS
    return OccupationalMapsEnricher(OccupationalMapsConfig.model_validate(table))


@pytest.fixture
def server() -> Iterator[MapsServer]:
    with MapsServer(OCCUPATIONS, {"OCC0303": ["OCC0305"]}, lars={"ST0303": 91}) as running:
        yield running


def test_an_occupation_has_titles_courses_and_a_way_on(server: MapsServer, context: Any, cache: Any) -> None:
    facts = list(enricher(server).labour_market(asking(PLUMBERS), cache, context))
    assert [(fact.kind, fact.statistic, fact.text, fact.split) for fact in facts if isinstance(fact, Fact)] == [
        ("occupation", "title", "SOC 2020 5315", ""),
        ("occupation", "map title", "Plumber (level 3)", ""),
        ("occupation", "alternative title", "Plumber fitter", ""),
        ("occupation", "alternative title", "Plumber engineer", ""),
        ("course", "", "Plumber (ST0303, level 3, Apprenticeship, LARS 91)", ""),
        ("course", "", "Building services (TL0007, level 3, T Level)", ""),
        ("profile", "next occupation", "Gas engineer (level 4)", "from Plumber"),
    ]
    for fact in facts:
        assert isinstance(fact, Fact)
        assert (fact.soc, fact.soc_version, fact.source) == ("5315", 2020, SOURCE)
        assert (fact.retrieved, fact.stale, fact.region) == (NOW.date(), False, "England")
        assert "Skills England" in fact.attribution
        assert "Open Government Licence v3.0" in fact.attribution


@pytest.mark.parametrize(
    ("lars", "shown"),
    [(240, ", LARS 240"), ("240", ", LARS 240"), (" 7 ", ", LARS 7"), (0, ""), ("0", ""), (None, ""), ("", ""),
     ("none", ""), (True, ""), (-5, ""), (10**6, ""), (24.5, ""), ([240], ""), ("٢٤٠", "")],
)  # fmt: skip
def test_an_apprenticeship_is_named_with_its_lars_code(
    server: MapsServer, context: Any, cache: Any, lars: object, shown: str
) -> None:
    server.lars["ST0303"] = lars
    for _ in range(2):  # as it came, and as it was remembered
        told = list(enricher(server).labour_market(asking(PLUMBERS, kinds=["course"]), cache, context))
        assert [fact.text for fact in told if isinstance(fact, Fact)] == [
            f"Plumber (ST0303, level 3, Apprenticeship{shown})",
            "Building services (TL0007, level 3, T Level)",
        ]
    (kept,) = [value for service, key, *_ in cache.entries() if (value := cache.peek(service, key)) and key[:2] == "ST"]
    assert kept.value is None or set(kept.value) == {"larsCode"}
    (call,) = server.standards  # of apprenticeships alone, and once
    assert call.path == "/apprenticeshipstandards/ST0303"


def test_no_key_goes_where_none_is_asked_for(server: MapsServer, context: Any, cache: Any) -> None:
    list(enricher(server).labour_market(asking(PLUMBERS, kinds=["course"]), cache, context))
    (call,) = server.standards
    assert KEY not in str(call)
    assert call.params == []
    assert set(call.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


ODD_STANDARDS = [b"", b"[]", b"null", b'{"message": "moved"}', b'{"referenceNumber": "ST0001", "larsCode": 5}', b'"x"']


@pytest.mark.parametrize("odd", ODD_STANDARDS)
def test_what_is_another_standard_or_none_has_no_lars_code(
    server: MapsServer, context: Any, cache: Any, odd: bytes
) -> None:
    server.standards_gone = Answer(odd)
    course, _ = enricher(server).labour_market(asking(PLUMBERS, kinds=["course"]), cache, context)
    assert isinstance(course, Fact)
    assert course.text == "Plumber (ST0303, level 3, Apprenticeship)"


@pytest.mark.parametrize(
    "gone", [GONE, HTML, Answer(b"", 500), Answer(b"", 429), Answer(b"", 401), Answer(b"{" + b" " * (11 << 20))]
)
def test_where_lars_codes_cannot_be_had_nothing_else_is_lost(
    server: MapsServer, context: Any, tmp_path: Path, gone: Answer
) -> None:
    clock = Clock()
    electricians = Occupation("5241", 2020)
    server.standards_gone = gone
    with reference(tmp_path, clock) as cache:
        told = until_it_fails(enricher(server).labour_market(asking(PLUMBERS, electricians), cache, context))
        assert {fact.kind for fact in told if isinstance(fact, Fact)} == {"occupation", "course", "profile"}
        assert [fact.text for fact in told if fact.kind == "course"] == [
            "Plumber (ST0303, level 3, Apprenticeship)",
            "Building services (TL0007, level 3, T Level)",
            "Electrician (ST0152, level 3, Apprenticeship)",
        ]
        assert not any(fact.stale for fact in told if isinstance(fact, Fact))
        assert set(cache.failures) == {"skillsengland-standards"}  # the maps themselves are not left alone
    for days, answer in ((1, None), (200, gone)):  # and what was said once is remembered
        clock.later(days=days)
        server.standards_gone = answer
        with reference(tmp_path, clock) as cache:
            course, *_ = enricher(server).labour_market(asking(PLUMBERS, kinds=["course"]), cache, context)
            assert isinstance(course, Fact)
            assert course.text == "Plumber (ST0303, level 3, Apprenticeship, LARS 91)"


def test_lars_codes_are_asked_for_few_standards_of_an_occupation(context: Any, cache: Any) -> None:
    many = standard("OCC0303", "Plumber", 5314, 5315)
    many["products"] = [{"productCode": f"ST{n:04}", "name": f"Way {n}", "level": 3} for n in range(1, 30)]
    many["products"][0]["productCode"] = "ST0001A"  # a letter is none of the code
    with MapsServer([many], lars={f"ST{n:04}": n for n in range(1, 30)}) as server:
        told = list(enricher(server).labour_market(asking(PLUMBERS, kinds=["course"]), cache, context))
        assert len(server.standards) == 10
    assert len(told) == 29
    assert isinstance(told[0], Fact)
    assert told[0].text == "Way 1 (ST0001A, level 3, LARS 1)"


BARE = [{name: value for name, value in each.items() if name != "soc"} for each in OCCUPATIONS]
LISTS_OF_NOTHING = [
    Answer(b"", 204), Answer(b"", 200), Answer(b"[]"), Answer(b"null"), Answer(b'{"message": "This API has moved"}'),
    Answer(b'[{"stdCode": 5, "name": "Plumber"}, 3]'), Answer(json.dumps(BARE).encode()),
]  # fmt: skip


@pytest.mark.parametrize("nothing", LISTS_OF_NOTHING)
def test_a_list_without_a_code_is_a_service_that_cannot_be_asked(
    server: MapsServer, context: Any, tmp_path: Path, nothing: Answer
) -> None:
    clock = Clock()
    server.gone = nothing
    with reference(tmp_path, clock) as cache, pytest.raises(SourceUnavailable, match="no occupation with a SOC code"):
        list(enricher(server).convert_occupation(PLUMBERS, cache, context))
    for days, answer in ((1, None), (181, nothing), (1, None)):
        clock.later(days=days)
        server.gone = answer
        with reference(tmp_path, clock) as cache:
            assert list(enricher(server).convert_occupation(PLUMBERS, cache, context)) == [
                Occupation("5314", 2010, "SOC 2010 5314")
            ]
            listed = cache.peek("occupationalmaps", next(key for _, key, _, _ in cache.entries()))
            assert listed is not None
            assert listed.stale == (answer is not None)


def test_codes_are_converted_where_the_maps_say_so(server: MapsServer, context: Any, cache: Any) -> None:
    maps = enricher(server)
    for occupation, expected in (
        (Occupation("5315", 2020), [Occupation("5314", 2010, "SOC 2010 5314")]),
        # One occupation became two; one that is approved no longer says nothing.
        (
            Occupation("5314", 2010),
            [Occupation("5315", 2020, "SOC 2020 5315"), Occupation("5330", 2020, "SOC 2020 5330")],
        ),
        (Occupation("5315", 2010), [Occupation("5316", 2020, "SOC 2020 5316")]),
        (Occupation("5241", 2020), []),
        (Occupation("0", 2010), []),
        (Occupation("9999", 2020), []),
    ):
        assert list(maps.convert_occupation(occupation, cache, context)) == expected
    assert len(server.requests) == 1


def test_an_occupation_in_both_editions_is_told_once(server: MapsServer, context: Any, cache: Any) -> None:
    twin = Occupation("5314", 2010, "Plumbers")
    facts = list(enricher(server).labour_market(asking(PLUMBERS, twin, kinds=["profile"]), cache, context))
    assert [(fact.soc, getattr(fact, "text", None)) for fact in facts] == [("5315", "Gas engineer (level 4)")]


def test_several_occupations_of_one_code_are_all_told(server: MapsServer, context: Any, cache: Any) -> None:
    asked = asking(Occupation("5314", 2010), kinds=["occupation"])
    facts = list(enricher(server).labour_market(asked, cache, context))
    titles = [(fact.statistic, fact.text) for fact in facts if isinstance(fact, Fact) and "title" in fact.statistic]
    assert [title for title in titles if title[0] != "alternative title"] == [
        ("title", "SOC 2010 5314"),
        ("map title", "Plumber (level 3)"),
        ("map title", "Gas engineer (level 4)"),
    ]


def test_every_title_is_listed_with_its_codes(server: MapsServer, context: Any, cache: Any) -> None:
    listed = list(enricher(server).list_occupations(cache, context))
    titles = ("Plumber", "Plumber fitter", "Plumber engineer")
    assert {one for one in listed if "lumber" in one.title} == {
        *(Occupation("5315", 2020, title) for title in titles),
        *(Occupation("5314", 2010, title) for title in titles),
    }
    assert Occupation("5241", 2020, "SOC 2020 5241") in listed
    assert {one.soc for one in listed if one.soc_version == 2010} == {"5314", "5315"}
    assert len(server.requests) == 1


def test_what_the_maps_do_not_have_is_no_data(server: MapsServer, context: Any, cache: Any) -> None:
    nobody, electrician = Occupation("1111", 2020), Occupation("5241", 2020)
    facts = list(
        enricher(server).labour_market(asking(nobody, electrician, kinds=["course", "profile"]), cache, context)
    )
    assert facts[:2] == [
        NoData("course", "1111", SOURCE, "no_occupation"),
        NoData("profile", "1111", SOURCE, "no_occupation"),
    ]
    assert facts[3:] == [NoData("profile", "5241", SOURCE, "none")]
    assert isinstance(facts[2], Fact)
    assert facts[2].text == "Electrician (ST0152, level 3, Apprenticeship)"  # a standard that has no LARS code


def test_only_what_is_needed_is_asked_for_and_once(server: MapsServer, context: Any, clock: Clock, cache: Any) -> None:
    for _ in range(2):
        list(enricher(server).labour_market(asking(PLUMBERS, kinds=["profile"]), cache, context))
    assert [call.path for call in server.requests] == ["/Occupations", "/OccupationalProgression/OCC0303"]
    list(enricher(server).labour_market(asking(PLUMBERS, kinds=["pay"]), cache, context))
    list(enricher(server).labour_market(asking(), cache, context))
    list(enricher(server).labour_market(asking(PLUMBERS, kinds=["occupation", "pay"]), cache, context))
    assert len(server.requests) == 2


def test_nothing_but_what_is_documented_is_sent(server: MapsServer, context: Any, tmp_path: Path) -> None:
    with reference(tmp_path, Clock()) as cache, capture_logs() as log:
        maps = enricher(server)
        list(maps.labour_market(asking(PLUMBERS), cache, context))
        list(maps.check(context))
        remembered = str(list(cache.entries()))
    assert server.undocumented() == set()
    assert {call.one("expand") for call in server.requests} == {
        "occupation.soc,occupation.typicaljobtitles",
        "occupation.products",
        "",
    }
    for shown in (server.everything(), str(log), remembered, repr(maps.config)):
        assert KEY not in shown
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("gone", [GONE, HTML, Answer(b"", 500), Answer(b"", 429), Answer(b"", 401)])
def test_when_the_service_is_gone_memory_speaks_with_its_date(
    server: MapsServer, context: Any, clock: Clock, cache: Any, gone: Answer
) -> None:
    list(enricher(server).labour_market(asking(PLUMBERS, kinds=["course"]), cache, context))
    clock.later(days=400)
    server.gone = gone
    question = asking(Occupation("5241", 2020), PLUMBERS, kinds=["course"])
    told = until_it_fails(enricher(server).labour_market(question, cache, context))
    assert [(fact.text[:7], fact.stale, fact.retrieved) for fact in told] == [
        ("Plumber", True, NOW.date()),
        ("Buildin", True, NOW.date()),
    ]


@each_status("no list of occupations")
def test_a_status_means_what_it_says(context: Any, cache: Any, status: int, error: type[Exception], words: str) -> None:
    hook = enricher().labour_market(asking(PLUMBERS), cache, context)
    request = assert_asked_once(hook, context, f"{BASE}/Occupations", status, error, words)
    assert request.headers["X-API-KEY"] == KEY


def test_check_says_what_is_there(server: MapsServer, context: Any) -> None:
    (found,) = enricher(server).check(context)
    assert found.message == f"{SOURCE} answers and lists 4 occupations, 4 with a SOC code."
    server.gone = Answer(json.dumps(BARE).encode())
    (found,) = enricher(server).check(context)
    assert (found.level, "no SOC code" in found.message) == ("warning", True)
    server.gone = Answer(b'{"error": "?"}')
    (found,) = enricher(server).check(context)
    assert (found.level, "lists no occupation" in found.message) == ("warning", True)
    server.gone = None
    with pytest.raises(AuthError):
        list(enricher(server, key="another").check(context))


def test_only_the_next_step_counts(context: Any, cache: Any) -> None:
    around = {
        "keyStdCode": "OCC0303",
        "occupations": [{"stdCode": code, "name": code, "level": None} for code in ("OCC0303", "OCC0305", "OCC0240")],
        "progressions": [
            {"stdCodeFrom": "OCC0240", "stdCodeTo": "OCC0303"},
            {"stdCodeFrom": "OCC0303", "stdCodeTo": "OCC0305"},
            {"stdCodeFrom": "OCC0305", "stdCodeTo": "OCC0240"},
            {"stdCodeFrom": "OCC0303", "stdCodeTo": "OCC9999"},
        ],
    }
    with responses.RequestsMock() as web:
        web.get(f"{BASE}/Occupations", json=OCCUPATIONS)
        web.get(f"{BASE}/OccupationalProgression/OCC0303", json=around)
        fact = only_fact(enricher().labour_market(asking(PLUMBERS, kinds=["profile"]), cache, context))
    assert fact.text == "OCC0305"


def test_the_connector_is_offered(tmp_path: Path) -> None:
    made = configured(tmp_path, {"type": "occupationalmaps", "name": "maps"})
    assert isinstance(made, OccupationalMapsEnricher)
    assert made.config.base_url == "https://occupational-maps-api.skillsengland.education.gov.uk/api/v1"
    assert made.config.standards_url == "https://skillsengland.education.gov.uk/api/apprenticeshipstandards"
    assert connectors() == [OccupationalMapsEnricher]
    assert OccupationalMapsEnricher.name == "occupationalmaps"


PROGRESSION = {
    "keyStdCode": "OCC0303",
    "occupations": [{"stdCode": "OCC0303", "name": "Plumber", "level": 3}, {"stdCode": "OCC0305", "name": "Gas"}],
    "progressions": [{"stdCodeFrom": "OCC0303", "stdCodeTo": "OCC0305"}],
}


STANDARD = apprenticeship("ST0303", "91")


@settings(max_examples=700, deadline=None)
@given(body=bodies(OCCUPATIONS, PLUMBER, PROGRESSION, STANDARD))
@example(body=json.dumps(STANDARD).encode())
def test_no_json_makes_the_reading_stumble(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        return
    # As it goes: what is kept is remembered as JSON, and an export may bring back anything.
    kept = (
        kept_list(value), kept_lists(value, keys=("products",)),
        kept_lists(value, keys=("occupations", "progressions")), code := kept_lars_code(value, "ST0303"),
    )  # fmt: skip
    assert code is None or set(code) == {"larsCode"}
    for given_back in (value, *json.loads(json.dumps(kept))):
        number = lars_code(given_back)
        assert number is None or (type(number) is int and 0 < number < 100_000)
        for each in standards(given_back):
            assert all(re.fullmatch("[1-9][0-9]{3}", code) for code, _ in each.socs.values())
            assert all(title and title.isprintable() for title in each.job_titles)
        titles = [*(each.title for each in products(given_back)), *next_standards(given_back, "OCC0303")]
        assert all(title and title.isprintable() for title in titles)


def test_no_answer_makes_a_hook_stumble(tmp_path: Path) -> None:
    def hooks(cache: Any, context: Any) -> Iterator[Iterator[Any]]:
        maps = enricher()
        yield maps.labour_market(asking(PLUMBERS), cache, context)
        yield maps.convert_occupation(PLUMBERS, cache, context)
        yield maps.list_occupations(cache, context)
        yield maps.check(context)

    answers = {
        f"{STANDARDS}/.*": bodies(STANDARD), f"{BASE}/Occupations": bodies(OCCUPATIONS),
        f"{BASE}/Occupations/.*": bodies(PLUMBER), f"{BASE}/OccupationalProgression/.*": bodies(PROGRESSION),
    }  # fmt: skip
    assert_never_stumbles(tmp_path, answers, hooks, days=400)
