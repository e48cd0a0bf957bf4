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

from fingerpost import SourceUnavailable
from fingerpost._contract.facts import doubt_region
from fingerpost.lmi import Fact, NoData, Occupation
from fingerpost.reports import MarketReport, market_line

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


PROFILE = {"text": "Auto electrician"}


def report(*facts: Fact, title: str = "Electricians") -> MarketReport:
    return MarketReport(Occupation("5241", 2010, title), None, facts, (), ())


# -- the line


BUREAU = "Figures by the Bureau of Work"
THEN = "as it was on 2 March 2026"
WEEK, RANGE = "about £640 a week before tax", "£24,000 to £42,000 a year before tax"


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ([fact(PAY, region="Wales")], f"{WEEK} (estimate for 2022, Wales, {BUREAU})"),
        ([fact(PAY, coarse=True)], f"{WEEK} (estimate for 2022, UK, for a wider group of occupations, {BUREAU})"),
        ([fact(PAY, stale=True)], f"{WEEK} (estimate for 2022, UK, {BUREAU}, {THEN})"),
        (
            [fact(PAY, value=31234.5, unit="GBP a year", statistic="median")],
            f"about £31,234 a year before tax (for 2022, UK, {BUREAU})",
        ),
        ([fact(STARTING), fact(EXPERIENCED)], f"{RANGE} (UK (as served), {BUREAU}, {THEN})"),
        (
            [fact(PAY), fact(ADVERTS)],
            f"{WEEK} (estimate for 2022, UK, {BUREAU}). 57 apprenticeship adverts (England, {BUREAU}, {THEN})",
        ),
        (
            [fact(STARTING | PROFILE), fact(EXPERIENCED | PROFILE)],
            f"{RANGE} (job profile Auto electrician, UK (as served), {BUREAU}, {THEN})",
        ),
        (
            [fact(ADVERTS, split="training provider: 10000001")],
            f"57 apprenticeship adverts (training provider: 10000001, England, {BUREAU}, {THEN})",
        ),
        ([fact(ADVERTS, stale=True)], f"57 apprenticeship adverts (England, {BUREAU}, {THEN})"),
    ],
    ids=["estimate", "coarse", "stale", "median", "range", "adverts-too", "profile", "provider", "adverts"],
)
def test_the_line_says_year_region_and_source(facts: list[Fact], line: str) -> None:
    assert market_line(report(*facts)) == f"Electricians: {line}."


@pytest.mark.parametrize(
    "facts",
    [
        [],
        [fact(STARTING)],
        [fact(EXPERIENCED)],
        [fact(STARTING | PROFILE), fact(EXPERIENCED)],
        [fact(STARTING), fact(EXPERIENCED, source="office")],
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
    assert (report(titled, title="").is_titled, report(title="").is_titled) == (True, False)


def test_the_title_of_a_job_profile_is_not_the_occupations() -> None:
    profile = fact({"kind": "occupation", "text": "Auto electrician", "statistic": "profile title"})
    assert (market_line(report(fact(PAY), profile, title="")) or "").startswith("SOC 5241: ")


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


def test_figures_of_parts_that_stand_for_all_are_told_apart() -> None:
    mine, other = fact(ADVERTS, split="training provider: 1"), fact(ADVERTS, split="training provider: 2")
    found = report(mine, other, fact(ADVERTS), fact(STARTING | PROFILE), fact(STARTING)).figures(2026)
    assert [one.scope for one in found] == [
        "training provider: 1", "training provider: 2", "", "job profile Auto electrician", ""
    ]  # fmt: skip
    assert report(mine, fact(STARTING | PROFILE)).as_dict()["facts"][1]["scope"] == "job profile Auto electrician"


# -- regions


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("west midlands ", None), ("Yorkshire & Humber", None), ("YORKSHIRE AND THE HUMBER", None), ("England", None),
        ("Northern Ireland", None), ("UK", None), ("the North East", None),
        ("West Midland", "Did you mean 'West Midlands'"), ("Yorkshire", "Did you mean 'Yorkshire and the Humber'?"),
        ("Lodnon", "Did you mean 'London'?"), ("Ruritania", "Choose from: East Midlands, "), ("", "Choose from: "),
    ],
)  # fmt: skip
def test_a_region_that_is_none_is_doubted(name: str, advice: str | None) -> None:
    said = doubt_region(name)
    assert said is None if advice is None else (said or "").startswith(advice)


# -- asking


def ask(college: SmallCollege, who: str, **said: Any) -> MarketReport:
    with college.open() as opened:
        return opened.labour_market(who, **said)


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
        market = opened._services.market()
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
        editions = opened._services.market().editions(Occupation("5241", 2010, "Electricians"))
    assert [one.soc for one in editions] == told
    assert [one.soc_version for one in editions] == [2010, 2020][: len(told)]
    assert {one.title for one in editions} == {"Electricians"}


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (["5249", "5250"], ["5249"], ["5241"]),
        (["5249"], ["5249", "5250"], ["5241"]),
        (["5249"], ["5250"], ["5241"]),
        (["5249"], ["5249"], ["5241", "5249"]),
        ([], ["5249"], ["5241", "5249"]),
    ],
)
def test_a_code_is_converted_only_where_all_services_together_name_one(
    college: SmallCollege, first: list[str], second: list[str], told: list[str]
) -> None:
    for name, codes in (("first", first), ("second", second)):
        Service(college, {"convert/2010:5241": [[code, 2020] for code in codes]}, name=name)
    with college.open() as opened:
        assert [one.soc for one in opened._services.market().editions(Occupation("5241", 2010))] == told


def test_no_data_is_told_once_and_only_where_nothing_else_is_said(college: SmallCollege) -> None:
    nothing = [{"kind": kind, "reason": "soc_version"} for kind in ("pay", "hours", "hours")]
    Service(college, {"2010:5241": nothing, "2020:5249": [PAY], "convert/2010:5241": [["5249", 2020]]})
    found = ask(college, "5241")
    assert [(one.soc, one.soc_version) for one in found.facts] == [("5249", 2020)]
    assert found.no_data == (NoData("hours", "5241", "bureau", "soc_version"),)


def test_what_was_said_is_served_with_its_date_when_the_service_is_gone(college: SmallCollege) -> None:
    service = Service(college, {"2010:5241": [PAY]})
    ask(college, "5241")
    service.close_down()
    college.later(days=100)
    found = ask(college, "5241")
    assert [one.stale for one in found.facts] == [True]
    assert found.facts[0].retrieved == date(2026, 3, 2)


def test_a_code_is_asked_with_a_title_that_a_service_gives_to_it(college: SmallCollege) -> None:
    title = {"kind": "occupation", "text": "Electricians", "statistic": "title"}
    Service(college, {"2010:5241": [PAY, title], "list": [["6121", 2010, "Nursery nurses"], ["6121", 2010, "Nanny"]]})
    with college.open() as opened:
        reports = [opened.labour_market(code, kinds=["pay"]) for code in ("5241", "6121", "7777")]
    assert [one.occupation.title for one in reports] == ["Electricians", "Nursery nurses", ""]
    assert [len(one.facts) for one in reports] == [1, 0, 0]


def test_words_find_what_the_code_finds_and_are_shown_where_there_is_no_title(college: SmallCollege) -> None:
    title = {"kind": "occupation", "text": "Electricians and electrical fitters", "statistic": "title"}
    Service(college, {"2010:5241": [PAY, title], "2010:5242": [PAY], "list": [["5241", 2010, "Jointer"]]})
    (college.folder / "x.csv").write_text("occupation,soc\nSparky,5241\nWirer,5242\n", encoding="utf-8")
    college.tables["labour_market"]["crosswalk"] = "x.csv"
    with college.open() as opened:
        by_code = opened.labour_market("5241")
        for words in ("Sparky", "jointer"):
            assert opened.labour_market(words) == by_code
        untitled = opened.labour_market("wirer")
    assert by_code.title == "Electricians and electrical fitters"
    assert untitled.title == "Wirer"
    assert [one.kind for one in untitled.facts] == ["pay"]


def test_the_services_that_failed_are_told_whatever_they_were_asked(college: SmallCollege) -> None:
    Service(college, {}, name="dead").close_down()
    Service(college, {"2010:5241": [PAY], "list": [["5241", 2010, "Jointer"]]})
    with college.open() as opened:
        reports = [opened.labour_market(who) for who in ("5241", "Jointer")]
        suggested, unknown = opened.suggest_occupations("joiner"), opened.unknown_occupations()
    for warnings in (reports[0].warnings, reports[1].warnings, suggested.warnings, unknown.warnings):
        assert [sentence.partition(":")[0] for sentence in warnings] == ["dead"]


def test_a_title_that_a_service_may_list_that_could_not_be_asked_is_not_called_unknown(college: SmallCollege) -> None:
    Service(college, {"list": [["5241", 2010, "Jointer"]]})
    Service(college, {}, name="dead").close_down()
    with college.open() as opened, pytest.raises(SourceUnavailable, match=r"not all could be asked\. dead: ") as caught:
        opened.labour_market("Joiner")
    assert "Jointer (5241, SOC 2010)" in caught.value.message


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (True, "could not be reached; earlier answers are shown with their dates."),
        (False, "no longer has what it had before; the earlier answers are shown with their dates."),
    ],
)
def test_why_an_old_answer_is_shown_is_told(college: SmallCollege, gone: bool, said: str) -> None:
    service = Service(college, {"2010:5241": [PAY]})
    ask(college, "5241")
    college.tables["labour_market"]["keep_days"] = {"pay": 0}
    if gone:
        service.close_down()
    else:
        service.says.clear()
        service.write()
    found = ask(college, "5241")
    assert [(one.value, one.stale) for one in found.facts] == [(640.0, True)]
    assert len(found.warnings) == 1
    assert found.warnings[0].endswith(said)


def test_a_limit_that_is_reached_is_told_with_the_next_step(college: SmallCollege) -> None:
    Service(college, {"2010:5241": [PAY], "2010:5242": [PAY]})
    college.source("bureau")["limit"] = [1, 60]
    with college.open() as opened:
        told = [opened.labour_market(code) for code in ("5241", "5242")]
    college.later(days=100)
    with college.open() as opened:
        told += [opened.labour_market(code) for code in ("5242", "5241")]
    assert [len(one.facts) for one in told] == [1, 0, 1, 1]
    for one in (told[1], told[3]):
        assert len(one.warnings) == 1
        assert one.warnings[0].endswith("Later, fingerpost lmi refresh fetches the rest.")


@pytest.mark.parametrize(
    ("facts", "warned"),
    [
        ([{"kind": "pay", "reason": "region"}], True),
        ([{"kind": "pay", "reason": "region"}, ADVERTS], True),
        ([{"kind": "pay", "reason": "region"}, PAY | {"region": "West midland"}], False),
        ([{"kind": "pay", "reason": "none"}], False),
        ([PAY], False),
    ],
)
def test_a_region_that_no_service_knows_is_told(college: SmallCollege, facts: list[Any], warned: bool) -> None:
    Service(college, {"2010:5241": facts})
    college.tables["labour_market"]["region"] = "West Midland"
    warnings = ask(college, "5241").warnings
    said = "[labour_market] region: no service knows a region called 'West Midland'. Did you mean 'West Midlands'?"
    assert warnings == ((said,) if warned else ())


def test_a_region_that_exists_and_no_service_knows_is_told_with_the_way_out(college: SmallCollege) -> None:
    Service(college, {"2010:5241": [{"kind": "pay", "reason": "region"}]})
    (warning,) = ask(college, "5241", region="England").warnings
    assert warning.endswith("called 'England'. Without a region, figures of the whole UK are asked for.")


@responses.activate
def test_offline_not_even_a_connector_that_goes_its_own_ways_reaches_the_network(college: SmallCollege) -> None:
    responses.get("https://example.org/figures", json={})
    Service(college, {"2010:5241": [PAY]})
    college.source("bureau")["address"] = "https://example.org/figures"
    with college.open() as opened:
        asked = opened._services.market().report(Occupation("5241", 2010, "Electricians"))
        calls = len(responses.calls)
        offline = opened._services.market(offline=True).report(Occupation("5241", 2010, "Electricians"))
    assert (len(asked.facts), calls) == (1, 1)
    assert (offline.facts, len(responses.calls)) == ((), 1)
    assert offline.warnings == ("bureau: Services cannot be asked while offline.",)
