"""The connector `lmiforall`: against a stand-in of the service on the loopback interface, and after its end."""

from __future__ import annotations

import copy
import functools
import json
import math
import re
import socket
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import contexts
import pytest
from http_server import Answer, json_answer, refusal, web_page
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lmi_server import ELECTRICIANS, LmiServer, answer, huge, slow, too_many_requests

from fingerpost import FingerpostError, Host, RateLimited, SourceUnavailable
from fingerpost._market.answers import Answers as Reference
from fingerpost.lmi import AS_SERVED, FACT_KINDS, Fact, FactKind, LabourMarketQuestion, NoData, Occupation, Reply
from fingerpost_lmiforall import LmiForAll, LmiForAllConfig, connectors
from fingerpost_lmiforall import _reading as parsing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MONDAY = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
ELECTRICIAN = Occupation("5241", 2010, "something that nobody may see: canary-7f3a91")
OWN = frozenset(FACT_KINDS) - {"profile", "vacancy"}
REGIONAL: frozenset[FactKind] = frozenset({"pay", "hours", "annual_change", "employment", "shortage"})
ENDPOINTS = (
    "soc/code/5241", "ashe/estimatePay", "ashe/estimateHours", "ashe/annualChanges", "lfs/unemployment", "wf/predict",
    "wf/predict/breakdown", "wf/replacement_demand", "ess/uk", "o-net/soc2onet", "hesa/courses",
)  # fmt: skip


@dataclass
class Bench(contexts.HostContext):
    """A place to ask from: what the host hands to a connector, and a memory in a file."""

    now: datetime = MONDAY
    name: str = "lmi"
    opened: list[Reference] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        """Wait so long for an answer from now on."""
        self.close()
        self.helper, self.timeout = None, seconds

    def reference(self) -> Reference:
        """Return what is remembered, as a process that was just started sees it."""
        made = Reference(self.base_dir / "labour-market.db", clock=lambda: self.now)
        self.opened.append(made)
        return made

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()
    for one in made.opened:
        one.close()


@pytest.fixture
def server() -> Iterator[LmiServer]:
    with LmiServer() as made:
        yield made


@dataclass
class Told:
    """What was said to a question, and the error that came at the end."""

    facts: list[Fact]
    no_data: list[NoData]
    error: FingerpostError | None

    def of(self, kind: FactKind) -> list[Fact]:
        return [fact for fact in self.facts if fact.kind == kind]

    def figures(self, kind: FactKind) -> list[tuple[Any, ...]]:
        return [(fact.value, fact.unit, fact.year, fact.region) for fact in self.of(kind) if not fact.split]


def connector(url: str, **said: Any) -> LmiForAll:
    return LmiForAll(LmiForAllConfig(type="lmiforall", name="lmi", base_url=url, **said))


def tell(
    bench: Bench,
    url: str,
    *occupations: Occupation,
    region: str | None = None,
    kinds: frozenset[FactKind] = OWN,
    one: LmiForAll | None = None,
    **said: Any,
) -> Told:
    """Ask as the host does, with a connector that was just made unless `one` is given."""
    question = LabourMarketQuestion(occupations or (ELECTRICIAN,), region, kinds)
    instance = Host.load(entry_points=[]).add(one or connector(url, **said))
    told = Told([], [], None)
    try:
        for answered in instance.enrich(
            "labour_market", (Fact, NoData), question=question, reference=bench.reference(), context=bench
        ):
            (told.facts if isinstance(answered, Fact) else told.no_data).append(answered)  # type: ignore[arg-type]
    except FingerpostError as error:
        told.error = error
    return told


def reasons(told: Told) -> dict[str, str]:
    return {one.kind: one.reason for one in told.no_data}


# -- figures -----------------------------------------------------------------------------------------------------------


def test_the_plugin_offers_the_connector_named_lmiforall() -> None:
    assert [offered.name for offered in connectors()] == ["lmiforall"]


def test_figures_of_a_region_have_their_year_unit_and_region_whatever_the_service_does_to_hide_them(
    bench: Bench, server: LmiServer
) -> None:
    told = tell(bench, server.url, region="West Midlands")
    assert told.error is None
    assert told.no_data == []
    assert told.figures("pay") == [(623.25, "GBP a week", "2022", "West Midlands")]
    assert told.figures("hours") == [(39.5, "hours a week", "2022", "West Midlands")]
    assert told.figures("annual_change") == [(2.4, "percent", "2021", "West Midlands")]
    assert told.figures("unemployment") == [(4.1, "percent", "2020", "UK (as served)")]
    assert told.figures("employment") == [
        (5000.0, "people", "2024", "West Midlands"), (5500.0, "people", "2026", "West Midlands")]  # fmt: skip
    assert told.figures("replacement") == [(33.1, "percent", "2017-2027", "UK (as served)")]
    assert told.figures("shortage") == [
        (figure, "percent", "2019", "West Midlands") for figure in (25.0, 38.0, 56.3)]  # fmt: skip
    assert {fact.kind for fact in told.facts if fact.coarse} == {"hours"}
    assert {fact.kind for fact in told.facts if fact.projected} == {"employment", "replacement"}
    assert {(fact.soc, fact.soc_version, fact.source) for fact in told.facts} == {("5241", 2010, "LMI for All")}
    assert {(fact.retrieved, fact.stale) for fact in told.facts} == {(date(2026, 3, 2), False)}
    assert all(fact.attribution.startswith("Data powered by LMI for All.") for fact in told.facts)
    assert all(fact.licence.startswith("Open Government Licence") for fact in told.facts)


def test_figures_without_a_region_are_those_that_the_service_gives_unasked(bench: Bench, server: LmiServer) -> None:
    told = tell(bench, server.url)
    assert not [call for call in server.calls if "filter" in call or "region" in call.removeprefix("wf/predict")
                .removeprefix("/breakdown/region")]  # fmt: skip
    assert told.figures("pay") == [(655.5, "GBP a week", "2022", "UK (as served)")]
    assert told.figures("employment") == [
        (518859.0, "people", "2024", "UK (as served)"), (524100.77, "people", "2026", "UK (as served)")]  # fmt: skip
    assert told.figures("shortage")[0] == (21.4, "percent", "2019", "UK (as served)")
    split = {fact.split: (fact.value, fact.year, fact.region) for fact in told.of("employment") if fact.split}
    assert split["region: West Midlands"] == (5500.0, "2026", "West Midlands")
    assert split["qualification: QCF Level 3"] == (4400.0, "2026", "UK (as served)")
    assert {name.partition(":")[0] for name in split} == {"region", "industry", "status", "qualification", "gender"}
    assert "UK (as served)" in {fact.region for fact in tell(bench, server.url, region="UK").of("pay")}


@pytest.mark.parametrize(
    "region", ["yorkshire & humber", "Yorkshire and the Humber", " YORKSHIRE AND HUMBER", "Yorkshire and The Humber"]
)
def test_a_region_is_found_by_its_name_however_it_is_spelt(bench: Bench, server: LmiServer, region: str) -> None:
    told = tell(bench, server.url, region=region)
    calls = server.calls
    assert told.no_data == []
    assert told.of("pay")[0].region == "Yorkshire & Humber"
    assert told.of("shortage")[0].region == "Yorkshire and The Humber"
    assert calls["ashe/estimatePay?filters=region:4&soc=5241"] == 1
    assert calls["ess/region/7/5241"] == 1
    assert told.figures("employment")[0][0] == 7000.0


@pytest.mark.parametrize("region", ["Mercia", "Midlands", "5", "region:5"])
def test_an_unknown_region_has_no_figures_and_no_figure_of_another_region_stands_in(
    bench: Bench, server: LmiServer, region: str
) -> None:
    told = tell(bench, server.url, region=region)
    assert {kind for kind, reason in reasons(told).items() if reason == "region"} == REGIONAL
    assert {fact.kind for fact in told.facts} == OWN - REGIONAL


def test_an_answer_about_another_region_than_the_one_asked_for_is_no_data(bench: Bench) -> None:
    with LmiServer(instead={"ess/region/5": answer("ess/region/6/5241", {})}) as server:
        told = tell(bench, server.url, region="West Midlands", kinds=frozenset({"shortage"}))
    assert (told.facts, reasons(told)) == ([], {"shortage": "none"})


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_figure_that_is_refused_comes_from_the_wider_group_and_says_so(bench: Bench, status: int) -> None:
    wider = answer("ess/uk/5241", {"coarse": "true"})
    instead = {
        "ashe/estimatePay?soc=5241": refusal(status),
        "ess/uk": refusal(status),
        "ess/uk/5241?coarse=true": wider,
    }
    with LmiServer(instead=instead) as server:
        told = tell(bench, server.url)
        assert server.calls["ashe/estimatePay?soc=5241"] == server.calls["ess/uk/5241"] == 1
    assert (told.error, told.no_data) == (None, [])
    assert [(fact.value, fact.coarse) for fact in told.of("pay")] == [(655.5, True)]
    assert [(fact.value, fact.coarse) for fact in told.of("shortage")] == [(21.4, True), (38.0, True), (56.3, True)]


def test_what_the_occupation_is_called_and_does(bench: Bench, server: LmiServer) -> None:
    told = tell(bench, server.url, kinds=frozenset({"occupation"}))
    assert set(server.calls) == {"soc/code/5241"}
    assert [(fact.statistic, fact.text) for fact in told.facts] == [
        ("title", "Electricians and electrical fitters"),
        ("description", "They install, maintain & repair electrical plant."),
        ("qualifications", "There are no formal entry requirements."),
        ("task", "examines drawings"),
        ("task", "selects, cuts & lays wires"),
        ("task", "tests the result."),
        ("alternative title", "Engineer, electrical (building)"),
        ("alternative title", "Jointer"),
    ]


def test_skills_and_courses_come_most_first(bench: Bench, server: LmiServer) -> None:
    told = tell(bench, server.url, kinds=frozenset({"skill", "course"}))
    assert [(fact.text, fact.value, fact.statistic, fact.split) for fact in told.of("skill")] == [
        ("Repairing", 3.75, "level", "O*NET 47-2111.00"),
        ("Troubleshooting", 3.5, "level", "O*NET 47-2111.00"),
    ]
    assert [(fact.text, fact.value, fact.year) for fact in told.of("course")] == [
        ("Electronic & electrical engineering", 31.0, "2014/15"), ("Building", 12.5, "2014/15")]  # fmt: skip
    assert all("O*NET" in fact.attribution and "CC BY 4.0" in fact.licence for fact in told.of("skill"))


def test_only_occupations_of_its_own_edition_are_asked_for(bench: Bench, server: LmiServer) -> None:
    told = tell(
        bench, server.url, Occupation("5241", 2020), Occupation("524", 2010), Occupation("../x", 2010),
        Occupation("٥٢٤١", 2010), kinds=frozenset({"pay", "profile", "vacancy"}),
    )  # fmt: skip
    assert not server.requests
    assert told.facts == []
    assert [(one.kind, one.soc, one.reason) for one in told.no_data] == [
        ("pay", "5241", "soc_version"),
        ("pay", "524", "soc"),
        ("pay", "../x", "soc"),
        ("pay", "٥٢٤١", "soc"),
    ]


# -- nothing there -----------------------------------------------------------------------------------------------------

NOTHING = {
    "a lone error": json_answer({"error": "No data"}),
    "a remark": json_answer({"message": "No data", "status": 404}),
    "a problem": json_answer({"type": "about:blank", "title": "Not found", "status": 404}),
    "a server that broke": refusal(500),
    "a server that broke with words": json_answer({"error": "No data"}, status=500),
    "a gateway that broke": refusal(502),
    "an empty object": json_answer({}),
    "an empty list": json_answer([]),
    "null": json_answer(None),
    "a text": json_answer("none"),
    "a number": json_answer(0),
    "an empty body": Answer(b"", 200, {"Content-Type": "application/json"}),
    "no content": Answer(b"", 204),
    "no JSON": Answer(b"No data", 200, {"Content-Type": "text/plain"}),
    "half of the JSON": Answer(b'{"soc": 5241, "series": [', 200, {"Content-Type": "application/json"}),
    "a page": web_page(),
    "not found": refusal(404),
    "a page that says not found": web_page(404),
    "a bad request": json_answer({"error": "bad"}, status=400),
    "empty lists": json_answer(
        {"soc": 5241, "series": [], "years": [], "predictedEmployment": [], "annual_changes": [], "onetCodes": []}
    ),
    "nothing but nulls": json_answer({
        "soc": 5241, "title": None, "tasks": None, "series": [{"year": 2022, "estpay": None, "hours": None}],
        "years": [{"year": 2020, "unemprate": None, "courses": None}], "predictedEmployment": None, "rate": None,
        "annual_changes": [None], "onetCodes": [{"code": None}], "percentSSV": None,
    }),
    "somebody else's figures": json_answer({
        "soc": 5242, "title": "Telecoms engineers", "series": [{"year": 2022, "estpay": 1, "hours": 1}], "rate": 1,
        "years": [{"year": 2020, "unemprate": 1, "courses": [{"name": "x", "percentage": 1}]}], "percentSSV": 1,
        "predictedEmployment": [{"year": 2024, "employment": 1, "breakdown": [{"name": "London", "employment": 1}]}],
        "annual_changes": [{"year": 2022, "change": 1}],
    }),
}  # fmt: skip


@pytest.mark.parametrize("form", NOTHING)
def test_every_form_of_no_data_is_no_data(bench: Bench, form: str) -> None:
    closest = {"ashe/estimatePay", "ashe/estimateHours", "ess/uk"}
    if form == "somebody else's figures":  # what is asked for the wider group may be about another code
        kinds, paths = OWN - {"pay", "hours", "shortage", "skill"}, set(ENDPOINTS) - closest
    else:
        kinds, paths = OWN, set(ENDPOINTS)
    with LmiServer(instead=dict.fromkeys(paths, NOTHING[form])) as server:
        told = tell(bench, server.url, kinds=kinds)
    assert told.error is None
    assert told.facts == []
    assert reasons(told) == dict.fromkeys(kinds, "none")


def test_an_unknown_code_that_is_called_missing_is_no_occupation(bench: Bench, server: LmiServer) -> None:
    told = tell(bench, server.url, Occupation("9999", 2010), kinds=frozenset({"occupation", "vacancy"}),
                vacancies=True)  # fmt: skip
    assert set(server.calls) == {"soc/code/9999"}
    assert (told.facts, reasons(told)) == ([], {"occupation": "none", "vacancy": "none"})


def test_what_is_known_to_be_nothing_is_not_asked_for_again(bench: Bench) -> None:
    with LmiServer(instead={"lfs/unemployment": refusal()}) as server:
        for _ in range(3):
            assert reasons(tell(bench, server.url, kinds=frozenset({"unemployment"}))) == {"unemployment": "none"}
        assert server.calls["lfs/unemployment?soc=5241"] == 1


NASTY = {
    "not a number": b'{"soc": 5241, "series": [{"year": 2022, "estpay": NaN}]}',
    "infinity": b'{"soc": 5241, "series": [{"year": 2022, "estpay": 1e999}, {"year": -Infinity, "estpay": 3}]}',
    "too many digits": b'{"soc": 5241, "series": [{"year": 2022, "estpay": %s}]}' % (b"9" * 4000),
    "far too many digits": b'{"soc": 5241, "series": [{"year": 2022, "estpay": %s}]}' % (b"9" * 9000),
    "deep": b"[" * 200 + b"]" * 200,
    "far too deep": b"[" * 200_000 + b"]" * 200_000,
    "half a character": b'{"soc": 5241, "series": [{"year": "\\ud800", "estpay": "\\u0000"}], "\\udfff": "\\ud800"}',
    "not Unicode": b'{"soc": "\xff\xfe"}',
    "too long": b'{"soc": 5241, "series": "%s"}' % (b"x" * (3 << 20)),
    "a year that is none": b'{"soc": 5241, "series": [{"year": true, "estpay": 3}, {"year": 20222, "estpay": 3}]}',
    "half a year": b'{"soc": 5241, "series": [{"year": 2021.5, "estpay": 3}]}',
}


@pytest.mark.parametrize("form", NASTY)
def test_what_no_service_should_send_is_no_data(bench: Bench, form: str) -> None:
    nasty = Answer(NASTY[form], 200, {"Content-Type": "application/json;charset=utf-8"})
    with LmiServer(instead={"ashe/estimatePay": nasty}) as server:
        for _ in range(2):  # as it came, and as it was remembered
            told = tell(bench, server.url, kinds=frozenset({"pay", "unemployment"}))
            assert (told.error, reasons(told)) == (None, {"pay": "none"})
            assert told.figures("unemployment")


# -- a service that is gone --------------------------------------------------------------------------------------------

GONE = {
    "410": refusal(410),
    "a page": web_page(),
    "a page with 404": web_page(404),
    "a page with 403": web_page(403),
    "404": refusal(404),
    "401": refusal(401),
    "503": refusal(503),
    "500": refusal(500),
    "a redirect to another host": Answer(b"", 301, {"Location": "https://www.example.org/closed"}),
    "no answer": slow(5.0),
    "an empty body": Answer(b"", 200),
    "JSON of somebody else": json_answer({"message": "closed"}, status=404),
    "a remark": json_answer({"message": "This service has closed."}),
    "a longer remark": json_answer({"message": "This service has been retired.", "status": 410}),
    "a problem": json_answer({"type": "about:blank", "title": "Gone", "status": 410}),
    "a problem of every occupation": json_answer({"soc": None, "title": "Gone"}),
    "an empty list": json_answer([]),
    "an empty object": json_answer({}),
    "null": json_answer(None),
    "an error": json_answer({"error": "gone"}),
}


def patience(way: str) -> float:
    return 0.05 if way == "no answer" else 5.0


@pytest.mark.parametrize("way", GONE)
def test_a_service_that_is_gone_fails_once_and_is_then_left_alone(bench: Bench, way: str) -> None:
    bench.wait(patience(way))
    with LmiServer(always=GONE[way]) as server:
        told = tell(bench, server.url)
        assert len(server.requests) <= 12  # two questions, each tried five times, and whether it is there at all
        assert isinstance(told.error, SourceUnavailable)
        assert (told.facts, told.no_data) == ([], [])


@pytest.mark.parametrize("way", GONE)
def test_what_a_service_once_said_outlives_it_with_its_date(bench: Bench, way: str) -> None:
    with LmiServer() as server:
        before = tell(bench, server.url, region="Wales")
    bench.later(days=400)
    bench.wait(patience(way))
    with LmiServer(always=GONE[way]) as server:
        for _ in range(2):
            after = tell(bench, server.url, region="Wales")
            assert after.error is None
            assert after.facts == [replace(fact, stale=True) for fact in before.facts]
            bench.later(hours=1)
    bench.wait(5.0)
    with LmiServer() as server:
        assert not [fact for fact in tell(bench, server.url, region="Wales").facts if fact.stale]


@pytest.mark.parametrize("way", ["a page", "404", "an empty body", "410"])
def test_a_service_that_goes_while_it_is_being_asked_takes_no_more_than_one_answer_with_it(
    bench: Bench, server: LmiServer, way: str
) -> None:
    one = connector(server.url)
    before = tell(bench, server.url, one=one)
    bench.later(days=400)
    server.always = GONE[way]
    after = tell(bench, server.url, one=one)
    lost = {"occupation"} if way in ("404", "an empty body") else set()
    assert after.error is None
    assert after.facts == [replace(fact, stale=True) for fact in before.facts if fact.kind not in lost]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_one_figure_at_which_the_service_breaks_costs_no_other(bench: Bench, status: int) -> None:
    others = tuple(Occupation(str(soc), 2010) for soc in (5201, 5202, 5203))
    broken = ("ashe/annualChanges?soc=5201", "ashe/estimatePay?soc=5201", "ashe/estimatePay?coarse=true&soc=5201")
    with LmiServer(instead=dict.fromkeys(broken, refusal(status))) as server:
        for _ in range(2):
            told = tell(bench, server.url, *others)
            assert told.error is None
            assert [(one.kind, one.soc, one.reason) for one in told.no_data] == [
                ("pay", "5201", "none"), ("annual_change", "5201", "none")]  # fmt: skip
            for soc in ("5202", "5203"):
                assert {fact.kind for fact in told.facts if fact.soc == soc} == OWN
        assert server.calls["ashe/estimatePay?soc=5202"] == 1


ODD_LISTS = {"an empty list": [], "an empty object": {}, "a remark": {"message": "moved", "status": 301}, "null": None,
             "no regions": [{"name": "gender", "codings": [{"name": "Male", "value": 1}]}]}  # fmt: skip


@pytest.mark.parametrize("form", ODD_LISTS)
def test_a_list_of_no_regions_is_a_failure_and_not_remembered_as_a_list(bench: Bench, form: str) -> None:
    lists = dict.fromkeys(("ashe/filters/all", "wf/filters/info/region", "ess/regions"), json_answer(ODD_LISTS[form]))
    with LmiServer(instead=lists) as server:
        told = tell(bench, server.url, region="Wales")
        assert isinstance(told.error, SourceUnavailable)
        assert "regions" in told.error.message
        assert {fact.kind for fact in told.facts} == OWN - REGIONAL  # and nothing says that there is no such region
        assert told.no_data == []
    bench.later(days=8)
    with LmiServer() as server:
        before = tell(bench, server.url, region="Wales")
        assert before.error is None
        assert {fact.kind for fact in before.facts} == OWN
    bench.later(days=181)
    with LmiServer(instead=lists) as server:
        after = tell(bench, server.url, region="Wales")
        assert after.error is None
        assert {fact.kind for fact in after.facts if fact.region == "Wales"} >= REGIONAL
    with LmiServer(always=json_answer(ODD_LISTS[form])) as server:
        bench.later(days=181)
        assert {fact.stale for fact in tell(bench, server.url, region="Wales").facts} == {True}


def test_a_host_that_has_no_address_any_more_is_a_service_that_is_gone(
    bench: Bench, server: LmiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    before = tell(bench, server.url)
    bench.later(days=400)
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    after = tell(bench, "https://api.lmiforall.org.uk/api/v1/")
    assert after.error is None
    assert after.facts == [replace(fact, stale=True) for fact in before.facts]
    bench.later(hours=1)
    new = tell(bench, "https://api.lmiforall.org.uk/api/v1/", Occupation("1121", 2010))
    assert isinstance(new.error, SourceUnavailable)
    assert "api.lmiforall.org.uk" in new.error.message


def test_a_service_that_refuses_the_connection_is_gone(bench: Bench) -> None:
    with LmiServer() as server:
        url = server.url
    assert isinstance(tell(bench, url).error, SourceUnavailable)


def test_what_is_remembered_is_said_even_where_other_things_cannot_be_asked(bench: Bench) -> None:
    with LmiServer() as server:
        tell(bench, server.url, kinds=frozenset({"pay"}))
    with LmiServer(always=refusal(410)) as server:
        told = tell(bench, server.url)
    assert [(fact.kind, fact.value, fact.stale) for fact in told.facts] == [("pay", 655.5, False)]
    assert isinstance(told.error, SourceUnavailable)


# -- manners -----------------------------------------------------------------------------------------------------------


def test_each_thing_is_asked_for_once_within_its_time_to_live(bench: Bench, server: LmiServer) -> None:
    several = tuple(Occupation(str(soc), 2010) for soc in (5241, 2211, 5223))
    for _ in range(3):
        assert tell(bench, server.url, *several, *several, region="Wales", vacancies=True).error is None
        bench.later(hours=1)
    assert set(server.calls.values()) == {1}
    assert [call for call in server.calls if "filters/" in call or call == "ess/regions"] == [
        "ashe/filters/all", "wf/filters/info/region", "ess/regions"]  # fmt: skip
    bench.later(days=100)
    assert tell(bench, server.url, *several, region="Wales").error is None
    assert server.calls["ashe/estimatePay?filters=region:10&soc=5241"] == 2
    assert server.calls["soc/code/5241"] == 1


DOCUMENTED = {
    "soc/search": {"q"}, "ashe/estimatePay": {"soc", "filters", "coarse"}, "ashe/annualChanges": {"soc", "filters"},
    "ashe/estimateHours": {"soc", "filters", "coarse"}, "ess/uk": {"coarse"}, "lfs/unemployment": {"soc"},
    "ess/region": {"coarse"}, "wf/predict": {"soc"}, "wf/replacement_demand": {"soc"},
    "vacancies/search": {"keywords", "limit"}, "wf/predict/breakdown": {"soc"},
}  # fmt: skip


def test_a_request_carries_what_is_documented_and_nothing_else(bench: Bench, server: LmiServer) -> None:
    kinds = frozenset(FACT_KINDS)
    tell(bench, server.url, kinds=kinds, vacancies=True)
    tell(bench, server.url, kinds=kinds, vacancies=True, region="West Midlands")
    list(connector(server.url).find_occupations("electrician", bench.reference(), bench))
    requests = server.requests
    assert len(requests) > 25
    for request in requests:
        path = re.sub(r"(/\d+){1,2}$", "", request.path.removeprefix("/api/v1/")).replace(
            "breakdown/" + request.path.rpartition("/")[2], "breakdown"
        )
        assert set(request.query) <= DOCUMENTED.get(path, set()), path
        assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert request.headers["Accept"] == "application/json"
        assert request.body == ""
    assert "canary" not in repr(requests)
    assert "canary" not in repr(list(bench.reference().entries()))


def test_only_the_configured_host_is_asked(bench: Bench, server: LmiServer) -> None:
    bench.hosts = ("127.0.0.1",)
    assert tell(bench, server.url.rstrip("/")).error is None


# -- adverts -----------------------------------------------------------------------------------------------------------


def test_adverts_are_asked_for_only_where_that_is_configured(bench: Bench, server: LmiServer) -> None:
    told = tell(bench, server.url, kinds=frozenset({"vacancy"}))
    assert (told.facts, told.no_data, server.requests) == ([], [], [])
    told = tell(bench, server.url, kinds=frozenset({"vacancy"}), vacancies=True)
    assert server.requests[-1].query == {"keywords": "Electricians and electrical fitters", "limit": "10"}
    assert [(fact.text, fact.value, fact.link, fact.licence) for fact in told.facts] == [
        ("Electrician & mate, Sparks Ltd", None, "https://findajob.dwp.gov.uk/details/123", "not established")
    ]


def test_an_advert_that_asks_for_patience_is_no_advert_and_costs_nothing_else(bench: Bench) -> None:
    kinds = frozenset(FACT_KINDS)
    with LmiServer(instead={"vacancies/search": too_many_requests()}) as server:
        for soc in ("5241", "2211", "2212"):  # a question for each, as the host asks
            told = tell(bench, server.url, Occupation(soc, 2010), kinds=kinds, vacancies=True)
            assert isinstance(told.error, RateLimited)
            assert {fact.kind for fact in told.facts} == OWN
            assert told.of("vacancy") == []
        assert len([call for call in server.calls if call.startswith("vacancies")]) == 1
        assert bench.reference().peek("lmiforall", "ashe/estimatePay?soc=2212") is not None


ODD_ADVERTS = {
    "huge": (huge(), 0),
    "empty": (json_answer([]), 0),
    "broken": (json_answer([{"title": None}, None, 3, {"title": "<br>"}, {"title": "Too many requests"}]), 0),
    "a call for patience among others": (json_answer([{"title": "Too Many Requests"}, {"title": "Electrician"}]), 1),
    **{f"a link that nobody should follow: {link}": (json_answer([{"title": "Electrician", "link": link}]), 1)
       for link in ("http://example.org/1", "javascript:alert(1)", "https://user:key@example.org/", "https://", 5,
                    "https://[x")},
}  # fmt: skip


@pytest.mark.parametrize("form", ODD_ADVERTS)
def test_of_odd_adverts_only_what_can_be_shown_is_told(bench: Bench, server: LmiServer, form: str) -> None:
    server.instead["vacancies/search"], count = ODD_ADVERTS[form]
    told = tell(bench, server.url, kinds=frozenset({"vacancy"}), vacancies=True)
    assert [(fact.text, fact.link) for fact in told.facts] == [("Electrician", None)] * count
    assert (told.error, reasons(told)) == (None, {} if count else {"vacancy": "none"})


# -- searching and checking --------------------------------------------------------------------------------------------


def test_words_find_occupations_in_the_order_of_the_service(bench: Bench, server: LmiServer) -> None:
    instance = Host.load(entry_points=[]).add(connector(server.url))

    def found(words: str) -> list[Occupation]:
        reference = bench.reference()
        return list(instance.enrich("find_occupations", Occupation, words=words, reference=reference, context=bench))

    assert found("  Electric   FITTER ") == [
        Occupation("5241", 2010, "Electricians and electrical fitters"),
        Occupation("5249", 2010, "Workers of kind 5249"),
    ]
    assert found("dragon tamer") == found("  ") == []
    assert [request.query["q"] for request in server.requests] == ["electric fitter", "dragon tamer"]


def test_words_that_somebody_typed_are_not_remembered(bench: Bench, server: LmiServer) -> None:
    for _ in range(2):
        reference = bench.reference()
        one = connector(server.url)
        assert list(one.find_occupations("electrician like Uncle Kevin", reference, bench))
    assert server.calls["soc/search?q=electrician like uncle kevin"] == 2
    assert list(bench.reference().entries()) == []
    assert all(b"kevin" not in path.read_bytes().lower() for path in bench.base_dir.iterdir())


def test_a_check_of_a_service_that_is_well_takes_one_request(bench: Bench, server: LmiServer) -> None:
    (finding,) = Host.load(entry_points=[]).add(connector(server.url)).check(bench)
    assert len(server.requests) == 1
    assert finding.level == "ok"
    assert "2024" in finding.message


@pytest.mark.parametrize("way", GONE)
def test_a_check_of_a_service_that_is_gone_is_a_warning_with_the_next_step(bench: Bench, way: str) -> None:
    bench.wait(patience(way))
    with LmiServer(always=GONE[way]) as server:
        (finding,) = Host.load(entry_points=[]).add(connector(server.url)).check(bench)
    assert finding.level == "warning"
    assert "127.0.0.1" in finding.message
    assert "ncs" in finding.hint


# -- reading -----------------------------------------------------------------------------------------------------------

ABOUT = parsing.About("5241", date(2026, 3, 2))


@settings(max_examples=50)
@given(
    st.dictionaries(st.integers(2005, 2030), st.one_of(st.none(), st.integers(100, 2_000)), min_size=1), st.randoms()
)
def test_the_newest_year_with_a_figure_counts_whatever_the_order(pay: dict[int, int | None], random: Any) -> None:
    series = [{"year": year, "estpay": figure} for year, figure in pay.items()]
    random.shuffle(series)
    known = {year: figure for year, figure in pay.items() if figure is not None}
    found = [(fact.year, fact.value) for fact in parsing.newest({"soc": 5241, "series": series}, ABOUT, "pay")]
    assert found == ([(str(max(known)), float(known[max(known)]))] if known else [])


@pytest.mark.parametrize(
    ("said", "shown"),
    [("Engineers n.e.c.", "Engineers"), ("Engineers, n.e.c", "Engineers"), ("Engineers (nec)", "Engineers"),
     ("Connectors", "Connectors"), ("MISSING", ""), ("", "")],
)  # fmt: skip
def test_titles_are_shown_without_what_only_statisticians_read(said: str, shown: str) -> None:
    assert parsing.title({"title": said}) == shown


def test_only_json_that_can_be_remembered_is_an_answer() -> None:
    assert parsing.json_value(b'{"a": [1.5, NaN, 1e999, -Infinity]}') == {"a": [1.5, None, None, None]}
    assert parsing.json_value(b"[" * 50 + b"]" * 50) is parsing.UNREADABLE
    assert parsing.json_value(b"[" * 10 + b"]" * 10) is not parsing.UNREADABLE


def test_a_wider_figure_may_be_under_the_code_of_the_wider_group() -> None:
    said = {"soc": 524, "series": [{"year": 2022, "hours": 39.5}]}
    assert parsing.newest(said, ABOUT, "hours") == []
    (fact,) = parsing.newest(said, ABOUT._replace(coarse=True), "hours")
    assert (fact.soc, fact.value) == ("5241", 39.5)


def test_codes_of_skills_are_few_and_well_formed() -> None:
    codes: list[object] = [f"47-{number}.00" for number in range(1000, 1050)]
    odd = ["47-2111", "../../x", "٤٧-2111.00", None, 5, "47-2111.00?"]
    assert parsing.onet_codes({"onetCodes": [{"code": code} for code in odd + codes]}) == codes[:10]
    assert parsing.onet_codes({"onetCodes": [{"code": code} for code in odd]}) == []


def test_a_name_with_two_numbers_is_no_region() -> None:
    codes = [(1, "The North"), (2, "NORTH"), ("3", "South"), (None, "East")]
    known = parsing.regions({"coding": [{"code": code, "description": name} for code, name in codes]})
    assert {name: region.code for name, region in known.items()} == {"south": 3}


# -- anything at all ---------------------------------------------------------------------------------------------------

_ODD = ("5241", "2022", "Missing", "Too Many Requests", -1, 0, 2022, 10**400, "1e999", "West Midlands")
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(_ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["soc", "year", "series", "estpay", "title", "name", "code", "value", "breakdown", "error", "years", "coding"]
    ), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
STRANGE: tuple[Any, ...] = (
    *_ODD, None, True, False, 1, 2.5, -0.0, 1e300, math.nan, math.inf, 9_999, 5242, 10**18, "", " ", "\0", "\ud800",
    "\u202e", "<b>", "&amp;lt;", "n.e.c.", "2022/23", "[", [], {}, [None], [[]], [{}], {"error": "none"}, {"soc": 5241},
    {"soc": 5241, "title": "Missing"}, [{"title": "Too Many Requests"}], {"message": "moved", "status": 410},
    [{"year": 2022, "estpay": "1"}], {"coding": [{"code": True, "description": "West Midlands"}]}, {"": {"": [""]}},
    [{"name": "region", "codings": [{"name": "London", "value": None}]}], {"breakdown": [{"employment": -1}]},
)  # fmt: skip
"""What is put in the place of something: fixed, since drawing as much JSON would take most of the time."""
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["replace", "drop", "wrap", "repeat", "rename"]),
        st.integers(0, 9_999),
        st.sampled_from(STRANGE),
    ),
    max_size=4,
)


def place(value: Any, number: int) -> tuple[Any, Any] | None:
    """Return the place in a JSON value that a number leads to, step by step: its container, and the key there."""
    found = None
    while isinstance(value, dict | list) and value:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        number, step = divmod(number, len(keys))
        found = value, keys[step]
        if not number:
            break
        value = value[keys[step]]
    return found


def change(value: Any, how: str, number: int, junk: Any) -> None:
    """Spoil one place of a JSON value."""
    found = place(value, number)
    if found is None:
        return
    container, key = found
    if how == "drop":
        del container[key]
    elif how == "wrap":
        container[key] = [container[key]]
    elif how == "repeat" and isinstance(container, list):
        container.insert(0, copy.deepcopy(container[key]))
    elif how == "rename" and isinstance(container, dict):
        container[str(junk)[:5]] = container.pop(key)
    else:
        container[key] = copy.deepcopy(junk)


@functools.cache
def recorded(path: str, *params: tuple[str, str]) -> bytes:
    """Return what the service says when it is well."""
    return answer(path, dict(params)).body or b"null"


class Forgetful:
    """A memory that remembers nothing."""

    def fetch(self, service: str, key: str, kind: str, ask: Any, **_: Any) -> Reply:
        return Reply(json.loads(json.dumps(ask())), date(2026, 3, 2), False)


class Spoilt:
    """The web, as far as the connector sees it: the recorded answers, each spoilt in the same way."""

    def __init__(self, changes: list[tuple[str, int, Any]]) -> None:
        self._changes = changes

    def get(self, url: str, *, params: Mapping[str, str], **_: Any) -> Any:
        path = url.removeprefix("https://lmi.example.org/")
        said = {"value": json.loads(recorded(path, *params.items()))}
        # The occupation by which the service is known to be alive stays as it is, or it would count as gone.
        for one in self._changes if path != "soc/code/1115" else ():
            change(said, *one)
        body = json.dumps(said.get("value")).encode()
        return SimpleNamespace(status_code=200, headers={"Content-Type": "application/json"}, content=body)


ASKED: tuple[frozenset[FactKind], ...] = (
    frozenset({"employment", "replacement", "unemployment"}),
    frozenset({"occupation", "pay", "hours", "annual_change"}),
    frozenset({"occupation", "shortage", "skill", "course", "vacancy"}),
)


@pytest.mark.slow
@settings(max_examples=2_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(CHANGES, st.sampled_from(ASKED), st.sampled_from([None, "West Midlands"]))
def test_whatever_is_answered_is_facts_or_no_data(
    changes: list[Any], kinds: frozenset[FactKind], region: str | None
) -> None:
    context: Any = SimpleNamespace(http=Spoilt(changes), now=MONDAY)
    one = connector("https://lmi.example.org/", vacancies=True)
    question = LabourMarketQuestion((ELECTRICIAN,), region, kinds)
    reference: Any = Forgetful()
    told: list[Fact | NoData] = []
    lost: frozenset[str] | set[str] = set()
    try:
        told.extend(one.labour_market(question, reference, context))  # what was said before an error counts
    except RateLimited:
        assert "Too Many Requests" in repr(changes)
        lost = {"vacancy"}
    except SourceUnavailable as error:
        assert region
        assert "regions" in error.message  # whose list is spoilt, and no list of none
        lost = REGIONAL | {"vacancy"} if "Too Many Requests" in repr(changes) else REGIONAL
    assert {said.kind for said in told} | (lost & kinds) == kinds
    for said in told:
        if isinstance(said, Fact):
            assert said.value is None or math.isfinite(said.value)
            assert said.value is not None or said.text
            assert f"{said.text}{said.year}{said.region}{said.split}{said.statistic}".isprintable()
            assert said.region == AS_SERVED or region or said.split
    for occupation in one.find_occupations("electric", reference, context):
        assert re.fullmatch(r"[1-9]\d{3}", occupation.soc)
        assert occupation.title


@given(JUNK)
def test_reading_never_fails(junk: Any) -> None:
    region = parsing.Region("Wales", 10)
    for read in (parsing.occupation, parsing.shortages, parsing.employment, parsing.replacement, parsing.courses):
        assert all(isinstance(fact, Fact) for fact in read(junk, ABOUT))
    for kind in ("pay", "hours", "annual_change", "unemployment"):
        assert all(isinstance(fact, Fact) for fact in parsing.newest(junk, ABOUT, kind))
    parsing.employment_in(junk, ABOUT, region)
    parsing.employment_by(junk, ABOUT, "gender")
    parsing.skills(junk, ABOUT, "47-2111.00")
    parsing.adverts(junk, ABOUT, date(2026, 3, 2))
    assert isinstance(parsing.regions(junk), dict)
    assert isinstance(parsing.title(junk), str)
    assert parsing.is_rate_limited(junk) in (True, False)
    assert isinstance(parsing.found_occupations(junk), list)
    assert isinstance(parsing.onet_codes(junk), list)


def test_the_stand_in_says_of_electricians_what_is_documented() -> None:
    assert json.loads(answer("soc/code/5241", {}).body) == ELECTRICIANS
