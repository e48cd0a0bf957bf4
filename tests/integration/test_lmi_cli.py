"""`fingerpost lmi` and what `explain` says of an occupation, with a service that a test scripts."""

from __future__ import annotations

import copy
import gzip
import json
import shutil
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from colleges import usual_college
from command_line import run
from markets import ATTRIBUTION, Service, install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

PAY = {"kind": "pay", "value": 640.0, "unit": "GBP a week", "statistic": "estimate", "year": "2022",
       "region": "West Midlands"}  # fmt: skip
JOBS = [
    {"kind": "employment", "value": 231000.4 + year, "unit": "people", "statistic": "projection", "year": str(year),
     "projected": True, "region": "West Midlands"}
    for year in (2027, 2024, 2026, 2025)
]  # fmt: skip
ELECTRICIANS = [
    {"kind": "occupation", "text": "Electricians and electrical fitters", "statistic": "title"},
    *({"kind": "occupation", "text": f"lay wire {number}", "statistic": "task"} for number in range(11)),
    PAY,
    {"kind": "hours", "value": 41.5, "unit": "hours a week", "statistic": "estimate", "year": "2021", "coarse": True},
    *JOBS,
    {"kind": "employment", "value": 90.0, "unit": "people", "statistic": "projection", "year": "2027",
     "projected": True, "split": "industry: Construction"},
    {"kind": "shortage", "value": 38.04, "unit": "percent", "statistic": "vacancies that are hard to fill",
     "text": "reliability 3", "year": "2019"},
    {"kind": "skill", "text": "Repairing", "value": 3.75, "statistic": "level"},
    {"kind": "vacancy", "value": 57.0, "unit": "adverts", "statistic": "count", "region": "England"},
    {"kind": "vacancy", "value": 18000.0, "unit": "GBP a year", "statistic": "newest", "region": "England",
     "text": "Apprentice electrician; Leeds", "link": "https://example.org/1"},
    {"kind": "unemployment", "reason": "none"},
]  # fmt: skip
LISTED = [
    ["5241", 2010, "Electricians and electrical fitters"],
    ["5241", 2010, "Engineer, electrical"],
    ["5241", 2010, "Jointer"],
    ["5442", 2010, "Jointer (cable)"],
]
LEARNERS = [("Electrical engineer", ""), ("jointer", ""), ("Fixing wires", ""), ("fixing  WIRES", ""), ("", "6121"),
            ("Sparky", "")]  # fmt: skip


class Night:
    """A college of six learners with occupations in mind, after one night, and the service that it asks."""

    def __init__(self, folder: Path) -> None:
        self.college = usual_college(folder, learners=len(LEARNERS))
        self.college.tables["college"]["as_of"] = date(2026, 3, 2)
        self.college.tables["labour_market"] = {
            "soc_version": 2010, "region": "West Midlands", "crosswalk": "occupations.csv"
        }  # fmt: skip
        (folder / "occupations.csv").write_text("occupation,soc\nSparky,5241\n", encoding="utf-8")
        for row, (words, soc) in zip(self.college.rows["mis"], LEARNERS, strict=True):
            row["intended_occupation"], row["soc_code"] = words, soc
        self.college.write("mis")
        nursery = [PAY | {"value": 410.0}, {"kind": "occupation", "text": "Nursery nurses", "statistic": "title"}]
        self.service = Service(
            self.college, {"2010:5241": ELECTRICIANS, "2010:6121": nursery, "list": LISTED,
                             "2010:7777": [{"kind": "pay", "reason": "soc_version"}],
                             "find?spark": [["5241", 2010, "Electricians and electrical fitters"]]}
        )  # fmt: skip
        self.run("--log-level", "error", "sync")

    def run(self, *arguments: object, exit_code: int = 0) -> Result:
        self.college.configure()
        with mock.patch("fingerpost_cli._output.on_terminal", return_value=True):  # where tables keep to a width
            result = run(*arguments, config=self.college.config_path)
        assert result.exit_code == exit_code, result.output
        if exit_code in (0, 3) and "--json" not in arguments and str(self.college.folder.parent) not in result.stdout:
            assert [line for line in result.stdout.splitlines() if len(line) > 100] == []
        return result

    def json(self, *arguments: object, exit_code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", exit_code=exit_code).stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("market")
    with pytest.MonkeyPatch.context() as patch:
        install(folder / "plugins", patch)
        yield Night(folder / "college")


@pytest.fixture
def night(made: Night, tmp_path: Path) -> Night:
    """Return the college on the morning after, for one test."""
    college, service = copy.copy(made.college), copy.copy(made.service)
    college.folder = tmp_path / "college"
    college.tables = copy.deepcopy(college.tables)
    service.says = copy.deepcopy(service.says)
    shutil.copytree(made.college.folder, college.folder)
    service.path = college.folder / service.path.name
    night = copy.copy(made)
    night.college, night.service = college, service
    return night


def lines(result: Result) -> list[str]:
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


# -- show


def test_show_says_figure_year_region_and_source(night: Night) -> None:
    told = lines(night.run("lmi", "show", "5241"))
    assert told[0] == "5241 Electricians and electrical fitters (SOC 2010), West Midlands"
    assert "£640 a week estimate 2022 West Midlands bureau" in told
    assert "41.5 hours a week estimate, of a wider group of occupations 2021 UK bureau" in told
    assert "38% vacancies that are hard to fill, reliability 3 2019 UK bureau" in told
    assert "57 adverts count England bureau" in told
    assert "- Apprentice electrician; Leeds (£18,000 a year) https://example.org/1" in told
    assert "bureau: unemployment (nothing is known there)" in told
    assert told[-1] == ATTRIBUTION


def test_show_lists_jobs_of_this_year_the_last_year_and_the_split(night: Night) -> None:
    told = lines(night.run("lmi", "show", "5241"))
    jobs = told[told.index("Jobs, now and projected") + 2 :][:3]
    assert [line.split(" people ")[0] for line in jobs] == ["233,026", "233,027", "90"]
    assert "industry: Construction" in jobs[2]


def test_show_cuts_what_is_long_and_says_so(night: Night) -> None:
    told = lines(night.run("lmi", "show", "5241"))
    assert "and 3 more, with --json" in told
    assert "lay wire 10" not in " ".join(told)


def test_show_as_json_has_everything(night: Night) -> None:
    found = night.json("lmi", "show", "5241")
    assert found["occupation"] == {
        "soc": "5241", "soc_version": 2010, "title": "Electricians and electrical fitters"
    }  # fmt: skip
    assert len(found["facts"]) == len(ELECTRICIANS) - 1
    pay = next(one for one in found["facts"] if one["kind"] == "pay")
    assert (pay["value"], pay["unit"], pay["year"], pay["region"]) == (640.0, "GBP a week", "2022", "West Midlands")
    assert found["attributions"] == [ATTRIBUTION]
    assert found["no_data"] == [{"kind": "unemployment", "soc": "5241", "source": "bureau", "reason": "none"}]


def test_show_asks_for_the_region_and_the_edition_that_were_named(night: Night) -> None:
    night.run("lmi", "show", "5241", "--region", "Wales", "--soc", "2020")
    assert "facts/2020:5241?region=Wales" in night.service.asked


def test_show_takes_a_title_that_a_service_lists_and_no_other(night: Night) -> None:
    assert night.run("lmi", "show", "electrical engineer").stdout == night.run("lmi", "show", "5241").stdout
    refused = night.run("lmi", "show", "jointer", exit_code=2).stderr
    assert "Several occupations are called 'jointer'" in refused
    assert "5442" in refused
    assert "fingerpost lmi suggest" in night.run("lmi", "show", "dragon tamer", exit_code=2).stderr


def test_show_says_of_words_that_not_all_services_could_be_asked(night: Night) -> None:
    night.run("lmi", "forget")
    night.service.close_down()
    refused = " ".join(night.run("lmi", "show", "dragon tamer", exit_code=1).stderr.split())
    assert "'dragon tamer', but not all could be. bureau: The Bureau of Work does not answer." in refused
    assert "No service lists" not in refused


def test_show_warns_of_a_region_that_no_service_knows(night: Night) -> None:
    night.service.say({"2010:6121": [{"kind": "pay", "reason": "region"}]})
    told = " ".join(night.run("lmi", "show", "6121", "--region", "West Midland").stderr.split())
    assert "no service knows a region called 'West Midland'. Did you mean 'West Midlands'?" in told


def test_show_says_which_edition_to_ask_where_that_is_all_that_is_wrong(night: Night) -> None:
    told = " ".join(lines(night.run("lmi", "show", "7777")))
    assert "7777 no title is known (SOC 2010)" in told
    assert "ask with --soc 2020" in told
    assert "occupationalmaps" in told
    assert "--soc" not in night.run("lmi", "show", "5241").stdout


def test_a_service_that_is_gone_is_a_warning_and_what_it_said_has_its_date(night: Night) -> None:
    night.run("lmi", "show", "5241")
    night.service.close_down()
    night.college.tables["labour_market"]["keep_days"] = {"pay": 0}
    result = night.run("lmi", "show", "5241")
    assert "as it was on" in result.stdout
    gone = night.run("lmi", "show", "1111")
    assert gone.stderr.startswith("Warning: bureau: ")
    assert night.json("lmi", "show", "1111")["warnings"]


def test_without_a_service_lmi_says_how_to_configure_one(tmp_path: Path) -> None:
    college = usual_college(tmp_path / "college", learners=1)
    config = college.configure()
    for command in (["show", "5241"], ["compare", "5241"], ["suggest"], ["suggest", "spark"], ["refresh"]):
        result = run("lmi", *command, config=config)
        assert result.exit_code == 2, result.output
        assert 'type = "lmiforall"' in result.stderr


# -- compare


def test_compare_puts_figures_of_one_service_side_by_side(night: Night) -> None:
    told = lines(night.run("lmi", "compare", "5241", "6121", "7777"))
    assert told[:3] == ["5241 Electricians and electrical fitters (SOC 2010)", "6121 Nursery nurses (SOC 2010)",
                        "7777 no title is known (SOC 2010)"]  # fmt: skip
    assert told[4:9] == [
        "bureau, West Midlands",
        "figure 5241 6121 7777",
        "pay, estimate, £ a week £640 (2022) £410 (2022) n/a",
        "employment, projection, people 233,026 (2026) n/a n/a",
        "employment, projection, people 233,027 (2027) n/a n/a",
    ]
    assert "bureau, UK" in told
    assert "hours, estimate, hours a week 41.5 (2021)* n/a n/a" in told
    assert "shortage, vacancies that are hard to fill 38% (2019) n/a n/a" in told
    assert "* of a wider group of occupations" in told
    assert told[-1] == ATTRIBUTION


def test_compare_never_mixes_regions_units_or_statistics_in_one_line(night: Night) -> None:
    yearly = PAY | {"unit": "GBP a year", "value": 30000.0}
    night.service.say({"2010:6121": [PAY | {"region": "UK"}, yearly, PAY | {"statistic": "median"}]})
    night.run("lmi", "refresh", "--force")
    figures = night.json("lmi", "compare", "5241", "6121")["figures"]
    pay = [one for one in figures if one["kind"] == "pay"]
    assert [[fact is not None for fact in one["facts"]] for one in pay] == [[True, False]] + [[False, True]] * 3


STARTING = {"kind": "pay", "value": 24000.0, "unit": "GBP a year", "statistic": "starting", "text": "Auto electrician"}


def test_compare_says_of_which_job_profile_a_figure_is(night: Night) -> None:
    nanny, nobody = STARTING | {"text": "Nanny", "value": 19000.0}, STARTING | {"text": None, "value": 21000.0}
    night.service.say({"2010:5241": [STARTING], "2010:6121": [nanny], "2010:7777": [nobody]})
    night.run("lmi", "forget")
    told = lines(night.run("lmi", "compare", "5241", "6121", "7777"))
    assert "pay, starting, £ a year £24,000 [1] £19,000 [2] £21,000" in told
    assert told[-4:-2] == ["[1] of the job profile Auto electrician alone", "[2] of the job profile Nanny alone"]
    assert "starting, job profile Nanny" in night.run("lmi", "show", "6121").stdout
    (figure,) = night.json("lmi", "compare", "5241", "6121", "7777")["figures"]
    assert [one["scope"] for one in figure["facts"]] == ["job profile Auto electrician", "job profile Nanny", ""]
    assert night.json("lmi", "show", "6121")["facts"][0]["scope"] == "job profile Nanny"


def test_compare_keeps_the_adverts_of_one_training_provider_apart(night: Night) -> None:
    adverts = {"kind": "vacancy", "value": 57.0, "unit": "adverts", "statistic": "count", "region": "England"}
    mine = adverts | {"value": 5.0, "split": "training provider: 10000001"}
    night.service.say({"2010:5241": [mine], "2010:6121": [adverts]})
    night.run("lmi", "forget")
    told = lines(night.run("lmi", "compare", "5241", "6121"))
    assert "vacancy, count, training provider: 10000001, adverts 5 n/a" in told
    assert "vacancy, count, adverts n/a 57" in told
    assert [one["split"] for one in night.json("lmi", "compare", "5241", "6121")["figures"]] == [
        "training provider: 10000001", ""
    ]  # fmt: skip
    assert "5 adverts count, training provider: 10000001 England bureau" in lines(night.run("lmi", "show", "5241"))


def test_compare_says_where_there_is_no_figure(night: Night) -> None:
    assert "No service has a figure for any of them." in night.run("lmi", "compare", "7777").stdout


def test_compare_marks_what_could_not_be_asked_again(night: Night) -> None:
    night.service.close_down()
    night.college.tables["labour_market"]["keep_days"] = {"pay": 0, "codes": 0}
    told = night.run("lmi", "compare", "5241", "6121").stdout
    assert "£640 (2022)+" in told
    assert "when the service last answered" in told


# -- suggest


def test_words_that_were_typed_go_to_the_service(night: Night) -> None:
    assert "2010 5241 Electricians and electrical fitters bureau" in lines(night.run("lmi", "suggest", "spark"))
    assert night.service.asked[-1] == "find?spark"
    assert night.json("lmi", "suggest", "spark")["suggestions"][0]["soc"] == "5241"
    assert "No service knows" in night.run("lmi", "suggest", "dragon", "tamer").stdout


def test_words_that_were_typed_are_not_kept(night: Night, tmp_path: Path) -> None:
    night.run("lmi", "suggest", "uncle", "Brunhild")
    night.run("lmi", "export", tmp_path / "export")
    with gzip.open(tmp_path / "export") as lines_of_it:
        assert b"brunhild" not in lines_of_it.read().lower()
    assert b"brunhild" not in b"".join(path.read_bytes() for path in night.college.folder.glob("labour*")).lower()


@pytest.mark.parametrize("words", [["spark"], []])
def test_suggest_tells_which_services_could_not_be_asked(night: Night, words: list[str]) -> None:
    night.run("lmi", "forget")
    night.service.close_down()
    warning = "bureau: The Bureau of Work does not answer."
    assert night.json("lmi", "suggest", *words)["warnings"] == [warning]
    result = night.run("lmi", "suggest", *words)
    assert "Warning: bureau: " in result.stderr
    assert "could" in result.stdout
    assert "No service knows" not in result.stdout


def test_what_learners_wrote_and_nobody_knows_is_listed_and_stays_here(night: Night) -> None:
    before = len(night.service.asked)
    told = lines(night.run("lmi", "suggest"))
    assert "Fixing wires 2" in told
    assert "jointer 1 2010 5241 Jointer (one of several)" in told
    assert not [line for line in told if "L00" in line or "Sparky" in line or "lectrical" in line]
    found = night.json("lmi", "suggest")["unknown"]
    assert [(one["words"], one["learners"], one["several"]) for one in found] == [
        ("Fixing wires", 2, False), ("jointer", 1, True)
    ]  # fmt: skip
    assert {one["soc"] for one in found[1]["suggestions"]} == {"5241", "5442"}
    assert night.service.asked[before:] == []


def test_when_everything_is_known_suggest_says_so(night: Night) -> None:
    crosswalk = "occupation,soc\nSparky,5241\nFixing wires,5241\nJointer,5442\n"
    (night.college.folder / "occupations.csv").write_text(crosswalk, encoding="utf-8")
    assert "is known" in night.run("lmi", "suggest").stdout


# -- what is remembered


def test_refresh_asks_for_what_learners_have_in_mind_and_only_what_is_old(night: Night) -> None:
    report = night.json("lmi", "refresh")
    assert report == {"occupations": 2, "facts": len(ELECTRICIANS) - 1 + 2, "requests": {}, "warnings": []}
    before = len(night.service.asked)
    report = night.json("lmi", "refresh", "--force")
    assert report["requests"] == {"bureau": len(night.service.asked) - before}
    assert {"facts/2010:5241?region=West Midlands", "facts/2010:6121?region=West Midlands"} <= set(
        night.service.asked[before:]
    )
    assert "Requests: none" in night.run("lmi", "refresh").stdout


def test_a_refresh_waits_as_long_as_a_limit_asks_and_says_so(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        night.college.now += timedelta(seconds=seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    night.college.source("bureau")["limit"] = [1, 600]
    with night.college.open() as college:
        told = Told()
        report = college.refresh_labour_market(force=True, progress=told)
    assert (report.occupations, report.facts, report.warnings) == (2, len(ELECTRICIANS) - 1 + 2, ())
    assert 590 < sum(slept) <= 610
    assert told.heard == ["enrich", 0, 1, "wait", "enrich", 1, 1]


class Told:
    """A progress that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str | int] = []

    def phase(self, name: str) -> None:
        self.heard.append(name)

    def advance(self, count: int) -> None:
        self.heard.append(count)


def test_a_refresh_of_a_service_that_is_gone_keeps_what_it_said(night: Night) -> None:
    night.service.close_down()
    result = night.run("lmi", "refresh", "--force", exit_code=3)
    assert "Asking about occupations" in result.stderr
    assert "Warning: bureau: " in result.stderr
    assert night.json("lmi", "show", "5241")["facts"]


def test_a_refresh_that_learns_nothing_from_a_service_exits_3(night: Night) -> None:
    night.run("lmi", "forget")
    night.service.close_down()
    assert "Warning: bureau:" in night.run("lmi", "refresh", exit_code=3).stderr


def test_what_was_said_goes_from_college_to_college(night: Night, tmp_path: Path) -> None:
    night.run("lmi", "show", "5241")
    file = tmp_path / "market.export"
    count = night.json("lmi", "export", file)["exported"]
    assert count
    assert f"{count} answers written to" in " ".join(night.run("lmi", "export", file).stdout.split())
    night.service.close_down()
    assert night.json("lmi", "forget")["forgotten"] == count
    assert not night.json("lmi", "show", "5241")["facts"]
    assert night.json("lmi", "import", file) == {"taken": count, "older": 0}
    assert f"0 answers taken in, {count} not newer" in night.run("lmi", "import", file).stdout
    assert night.json("lmi", "show", "5241")["facts"]


def test_forget_knows_the_services_and_says_which(night: Night) -> None:
    assert "answers from: bureau" in night.run("lmi", "forget", "--service", "lmi", exit_code=2).stderr
    assert "forgotten" in night.run("lmi", "forget", "--service", "bureau").stdout


def test_a_file_that_is_no_export_is_refused(night: Night, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing", encoding="utf-8")
    assert str(tmp_path / "x") in night.run("lmi", "import", tmp_path / "x", exit_code=2).stderr
    assert "cannot be read" in night.run("lmi", "import", tmp_path / "y", exit_code=2).stderr


# -- explain and check


def explained(night: Night, learner: str) -> str:
    told = " ".join(night.run("explain", learner).stdout.split())
    assert "Has in mind: " in told
    return told.partition("Has in mind: ")[2].partition(" What each source says")[0]


FOUND_BY_TITLE = (
    "Electrical engineer (Electricians and electrical fitters, 5241 in SOC 2010, the title that a service lists). "
    "Electricians and electrical fitters: about £640 a week before tax (estimate for 2022, West Midlands, Figures by "
    "the Bureau of Work)."
)


@pytest.mark.parametrize(
    ("learner", "said"),
    [
        ("L001", FOUND_BY_TITLE),
        ("L005", "6121 (Nursery nurses, 6121 in SOC 2010, the code on record). Nursery nurses: about £410"),
        ("L006", "Sparky (Electricians and electrical fitters, 5241 in SOC 2010, by the college's crosswalk file)."),
    ],
    ids=["title", "code", "crosswalk"],
)
def test_explain_says_what_a_learner_has_in_mind_and_how_that_is_known(night: Night, learner: str, said: str) -> None:
    assert explained(night, learner).startswith(said)


@pytest.mark.parametrize(
    ("learner", "said"),
    [("L002", "jointer (more than one occupation is called that;"), ("L003", "Fixing wires (no occupation is known")],
)
def test_explain_guesses_nothing(night: Night, learner: str, said: str) -> None:
    assert explained(night, learner).startswith(said)
    found = night.json("explain", learner)["in_mind"]
    assert (found["soc"], found["line"]) == (None, None)


def test_explain_asks_nobody(night: Night) -> None:
    before = len(night.service.asked)
    night.college.tables["labour_market"]["keep_days"] = {"pay": 0, "codes": 0}
    assert "as it was on" in explained(night, "L001")
    found = night.json("explain", "L001")["in_mind"]
    assert (found["soc"], found["soc_version"], found["how"]) == ("5241", 2010, "title")
    assert "£640" in found["line"]
    night.run("lmi", "forget")
    assert explained(night, "L006") == "Sparky (5241 in SOC 2010, by the college's crosswalk file)."
    assert night.json("explain", "L006")["in_mind"]["line"] is None
    assert night.service.asked[before:] == []


def test_explain_of_a_learner_with_nothing_in_mind_says_nothing(tmp_path: Path) -> None:
    college = usual_college(tmp_path / "college", learners=1)
    college.sync()
    result = run("explain", "L001", config=college.config_path)
    assert result.exit_code == 0
    assert "Has in mind" not in result.stdout


def test_check_looks_at_services_and_never_fails_for_one(night: Night) -> None:
    checked = night.json("check")
    (service,) = [one for one in checked["connectors"] if one["name"] == "bureau"]
    assert service["findings"]
    assert "error" not in {one["level"] for one in service["findings"]}
    assert checked["ok"]
    assert "labour_market" not in {one["name"] for one in checked["connectors"]}


def test_check_doubts_a_region_that_is_none(night: Night) -> None:
    night.college.tables["labour_market"]["region"] = "West Midland"
    checked = night.json("check")
    (found,) = [one for one in checked["connectors"] if one["name"] == "labour_market"]
    assert [one["level"] for one in found["findings"]] == ["warning"]
    told = " ".join(night.run("check").stdout.split())
    assert "[labour_market] region: 'West Midland' is not among the regions that services are known to cover." in told
    assert "Did you mean 'West Midlands'?" in told
    assert checked["ok"]
