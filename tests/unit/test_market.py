"""The line about an occupation, the figures that count, and what enrichers may do to the one who asks them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import responses
from colleges import usual_college
from hypothesis import given
from hypothesis import strategies as st
from markets import ATTRIBUTION, Service, install

from fingerpost import Fact, MarketReport, NoData, Occupation, market_line

if TYPE_CHECKING:
    from pathlib import Path

    from colleges import SmallCollege

PAY = {"kind": "pay", "value": 640.0, "unit": "GBP a week", "statistic": "estimate", "year": "2022"}
STARTING = {"kind": "pay", "value": 24000.0, "unit": "GBP a year", "statistic": "starting", "region": "UK (as served)"}
EXPERIENCED = STARTING | {"value": 42000.0, "statistic": "experienced"}
ADVERTS = {"kind": "vacancy", "value": 57.0, "unit": "adverts", "statistic": "count", "region": "England"}


def fact(said: dict[str, Any], **more: Any) -> Fact:
    common: dict[str, Any] = {"soc": "5241", "soc_version": 2010, "source": "bureau", "retrieved": date(2026, 3, 2),
              "attribution": ATTRIBUTION, "licence": "OGL"}  # fmt: skip
    return Fact(**(common | said | more))


def report(*facts: Fact, title: str = "Electricians") -> MarketReport:
    return MarketReport(Occupation("5241", 2010, title), None, facts, (), ())


# -- the line


BUREAU = "Figures by the Bureau of Work"
THEN = "as it was on 2 March 2026"


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ([fact(PAY, region="Wales")], f"about £640 a week before tax (estimate for 2022, Wales, {BUREAU})"),
        (
            [fact(PAY, coarse=True)],
            f"about £640 a week before tax (estimate for 2022, UK, for a wider group of occupations, {BUREAU})",
        ),
        ([fact(PAY, stale=True)], f"about £640 a week before tax (estimate for 2022, UK, {BUREAU}, {THEN})"),
        (
            [fact(PAY, value=31234.5, unit="GBP a year", statistic="median")],
            f"about £31,234 a year before tax (for 2022, UK, {BUREAU})",
        ),
        (
            [fact(STARTING), fact(EXPERIENCED)],
            f"£24,000 to £42,000 a year before tax (UK (as served), {BUREAU}, {THEN})",
        ),
        (
            [fact(PAY), fact(ADVERTS)],
            (
                f"about £640 a week before tax (estimate for 2022, UK, {BUREAU}). "
                f"57 apprenticeship adverts (England, {BUREAU}, {THEN})"
            ),
        ),
        ([fact(ADVERTS, stale=True)], f"57 apprenticeship adverts (England, {BUREAU}, {THEN})"),
    ],
    ids=["estimate", "coarse", "stale", "median", "range", "adverts-too", "adverts"],
)
def test_the_line_says_year_region_and_source(facts: list[Fact], line: str) -> None:
    assert market_line(report(*facts)) == f"Electricians: {line}."


@pytest.mark.parametrize(
    "facts",
    [
        [],
        [fact(STARTING)],
        [fact(EXPERIENCED)],
        [fact(PAY, value=None)],
        [fact(PAY, value=0.0)],
        [fact(PAY, split="gender: female")],
        [fact(PAY, unit="USD a month")],
        [fact(PAY, statistic="decile 10")],
        [fact(ADVERTS, value=0.0)],
        [fact(ADVERTS, value=18000.0, unit="GBP a year", statistic="newest")],
        [fact({"kind": "profile", "text": "They install wires."})],
        [fact({"kind": "occupation", "text": "Electricians", "statistic": "title"})],
    ],
)
def test_without_an_honest_figure_there_is_no_line(facts: list[Fact]) -> None:
    assert market_line(report(*facts)) is None


def test_the_newest_year_is_told_whatever_the_order() -> None:
    years = [fact(PAY, year=year, value=value) for year, value in (("2020", 610.0), ("2022", 640.0), ("2016", 580.0))]
    for order in (years, years[::-1]):
        assert "£640 a week before tax (estimate for 2022" in (market_line(report(*order)) or "")


def test_the_most_trusted_service_speaks_first() -> None:
    assert "£24,000 to £42,000" in (market_line(report(fact(STARTING), fact(EXPERIENCED), fact(PAY))) or "")
    assert "£640" in (market_line(report(fact(PAY), fact(STARTING), fact(EXPERIENCED))) or "")


def test_without_a_title_the_service_names_the_occupation_or_else_its_code() -> None:
    titled = fact({"kind": "occupation", "text": "Electricians and electrical fitters", "statistic": "title"})
    assert (market_line(report(fact(PAY), titled, title="")) or "").startswith("Electricians and electrical fitters: ")
    assert (market_line(report(fact(PAY), title="")) or "").startswith("SOC 5241: ")


figures = st.builds(
    fact, st.sampled_from([PAY, STARTING, EXPERIENCED, ADVERTS]), value=st.none() | st.floats(0, 99_999),
    year=st.sampled_from(["", "2020", "2022"]), region=st.sampled_from(["UK", "Wales"]), stale=st.booleans(),
    coarse=st.booleans(), split=st.sampled_from(["", "gender: male"]), statistic=st.sampled_from(["estimate", "count"]),
    source=st.sampled_from(["bureau", "office"]),
)  # fmt: skip


@given(st.lists(figures, max_size=6))
def test_a_line_always_names_a_source_a_region_and_a_time(facts: list[Fact]) -> None:
    line = market_line(report(*facts))
    if line is not None:
        assert ATTRIBUTION.rstrip(".") in line
        assert "UK" in line or "Wales" in line
        assert "for 202" in line or "as it was on 2 March 2026" in line


# -- the figures that stand for an occupation


def test_figures_are_the_newest_of_each_sort_and_of_jobs_those_of_now_and_the_last() -> None:
    jobs = [
        fact({"kind": "employment", "value": 1000.0 + year, "unit": "people", "statistic": "projection"},
             year=str(year), projected=True)
        for year in (2027, 2014, 2026, 2025)
    ]  # fmt: skip
    found = report(
        fact(PAY, year="2020"), fact(PAY), fact(PAY, region="Wales", year="2019"), *jobs,
        fact(PAY, split="gender: female"), fact({"kind": "skill", "text": "Repairing", "value": 3.75}),
    ).figures(2026)  # fmt: skip
    assert [(one.kind, one.region, one.year) for one in found] == [
        ("pay", "UK", "2022"), ("pay", "Wales", "2019"), ("employment", "UK", "2026"), ("employment", "UK", "2027")
    ]  # fmt: skip


@pytest.mark.parametrize(("years", "told"), [((2030, 2031), ["2030", "2031"]), ((2014, 2020), ["2020"])])
def test_a_projection_that_begins_later_or_has_ended(years: tuple[int, ...], told: list[str]) -> None:
    said = {"kind": "employment", "value": 1.0, "unit": "people", "statistic": "projection", "projected": True}
    found = report(*(fact(said, year=str(year)) for year in years)).figures(2026)
    assert [one.year for one in found] == told


# -- asking


@pytest.fixture
def college(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallCollege:
    install(tmp_path / "plugins", monkeypatch)
    small = usual_college(tmp_path / "college", learners=2)
    small.tables["labour_market"] = {"soc_version": 2010}
    return small


def test_a_dead_service_is_one_warning_and_the_others_still_answer(college: SmallCollege) -> None:
    dead = Service(college, {}, name="dead")
    Service(college, {"2010:5241": [PAY]})
    dead.close_down()
    with college.open() as opened:
        market = opened.market()
        first = market.report(Occupation("5241", 2010))
        second = market.report(Occupation("5242", 2010))
    assert [one.value for one in first.facts] == [640.0]
    assert len(market.warnings) == 1
    assert [len(one.warnings) for one in (first, second)] == [1, 0]
    assert first.warnings[0].startswith("dead: ")


@pytest.mark.parametrize(
    ("said", "told"),
    [([["5249", 2020]], ["5241", "5249"]), ([["5249", 2020], ["5241", 2020]], ["5241"]), ([], ["5241"]),
     ([["5241", 2010]], ["5241"])],
)  # fmt: skip
def test_a_code_is_converted_only_where_one_code_is_meant(
    college: SmallCollege, said: list[Any], told: list[str]
) -> None:
    Service(college, {"convert/2010:5241": said})
    with college.open() as opened:
        editions = opened.market().editions(Occupation("5241", 2010, "Electricians"))
    assert [one.soc for one in editions] == told
    assert [one.soc_version for one in editions] == [2010, 2020][: len(told)]
    assert {one.title for one in editions} == {"Electricians"}


def test_a_split_occupation_is_not_converted_by_a_less_trusted_service(college: SmallCollege) -> None:
    Service(college, {"convert/2010:5241": [["5249", 2020], ["5250", 2020]]}, name="first")
    Service(college, {"convert/2010:5241": [["5249", 2020]]}, name="second")
    with college.open() as opened:
        assert opened.market().editions(Occupation("5241", 2010)) == (Occupation("5241", 2010),)


def test_no_data_is_told_once_and_only_where_nothing_else_is_said(college: SmallCollege) -> None:
    nothing = [{"kind": kind, "reason": "soc_version"} for kind in ("pay", "hours", "hours")]
    Service(college, {"2010:5241": nothing, "2020:5249": [PAY], "convert/2010:5241": [["5249", 2020]]})
    with college.open() as opened:
        found = opened.labour_market("5241")
    assert [(one.soc, one.soc_version) for one in found.facts] == [("5249", 2020)]
    assert found.no_data == (NoData("hours", "5241", "bureau", "soc_version"),)


def test_what_was_said_is_served_with_its_date_when_the_service_is_gone(college: SmallCollege) -> None:
    service = Service(college, {"2010:5241": [PAY]})
    with college.open() as opened:
        opened.labour_market("5241")
    service.close_down()
    college.later(days=100)
    with college.open() as opened:
        found = opened.labour_market("5241")
    assert [one.stale for one in found.facts] == [True]
    assert found.facts[0].retrieved == date(2026, 3, 2)


def test_a_code_is_asked_with_a_title_that_a_service_gives_to_it(college: SmallCollege) -> None:
    title = {"kind": "occupation", "text": "Electricians", "statistic": "title"}
    Service(college, {"2010:5241": [PAY, title], "list": [["6121", 2010, "Nursery nurses"], ["6121", 2010, "Nanny"]]})
    with college.open() as opened:
        reports = [opened.labour_market(code, kinds=["pay"]) for code in ("5241", "6121", "7777")]
    assert [one.occupation.title for one in reports] == ["Electricians", "Nursery nurses", ""]
    assert [len(one.facts) for one in reports] == [1, 0, 0]


@responses.activate
def test_offline_not_even_a_connector_that_goes_its_own_ways_reaches_the_network(college: SmallCollege) -> None:
    responses.get("https://example.org/figures", json={})
    Service(college, {"2010:5241": [PAY]})
    college.source("bureau")["address"] = "https://example.org/figures"
    with college.open() as opened:
        asked = opened.market().report(Occupation("5241", 2010, "Electricians"))
        calls = len(responses.calls)
        offline = opened.market(offline=True).report(Occupation("5241", 2010, "Electricians"))
    assert (len(asked.facts), calls) == (1, 1)
    assert (offline.facts, len(responses.calls)) == ((), 1)
    assert offline.warnings == ("bureau: No service is asked now.",)
