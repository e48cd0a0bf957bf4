"""A night with services that know the labour market: one line for each occupation, and never the worse for them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from careers_servers import AdvertServer, MapsServer, NcsServer, advert, job_profile, standard
from colleges import contents, stream, usual_college
from command_line import run_json
from http_server import KEY, Answer, refusal, web_page
from lmi_server import LmiServer
from mails import text_of

from fingerpost import ConfigError
from fingerpost._market.answers import KEEP_DAYS
from fingerpost._web.http import Http
from fingerpost.reports import market_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from colleges import SmallCollege

    from fingerpost import College

OCCUPATIONS = [f"{code}" for code in range(5201, 5261)]
MAPPING = """
schema_version = 1
stream = "learners"
extends = "learners"
[fields.soc_code]
from = "soc"
[fields.intended_occupation]
from = "dream"
"""


def college_with(folder: Path, url: str, *, learners: int = 6) -> SmallCollege:
    """Return a college whose learners all have an occupation in mind, and whose service is at `url`."""
    college = usual_college(folder, learners=learners)
    college.add_mapping("dreams", MAPPING)
    college.source("mis")["mapping"] = "dreams"
    for number, row in enumerate(college.rows["mis"]):
        row["soc"], row["dream"] = OCCUPATIONS[number % len(OCCUPATIONS)], ""
    college.write("mis")
    college.tables["labour_market"] = {"soc_version": 2010}
    college.connectors.append({"type": "lmiforall", "name": "lmi", "base_url": url})
    return college


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once what the HTTP helper would try again after a while."""
    defaults = Http.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", lambda seconds: None)


@pytest.fixture
def server() -> Iterator[LmiServer]:
    with LmiServer() as running:
        yield running


def texts(college: SmallCollege) -> dict[str, str]:
    """Return the digests of this week as text, by file."""
    return {path.name.split("-")[0]: text_of(path.read_bytes()) for path in college.outbox}


def in_mind(college: SmallCollege) -> list[str]:
    return [line for text in texts(college).values() for line in text.splitlines() if "In mind:" in line]


def without_lines(college: SmallCollege) -> dict[str, str]:
    return {
        name: "\n".join(line for line in text.splitlines() if "In mind:" not in line)
        for name, text in texts(college).items()
    }


def test_a_digest_says_one_line_for_each_occupation(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    report = college.sync()
    assert (report.exit_code, report.messages) == (0, [])
    lines = in_mind(college)
    assert len(lines) == 6
    for line in lines:
        assert " a week before tax (estimate for 2022, UK (as served), Data powered by LMI for All)" in line
    assert len({line.split(":")[1] for line in lines}) == 6


def test_the_colleges_region_is_asked_for_by_name(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    college.tables["labour_market"]["region"] = "west midlands"
    college.sync()
    assert in_mind(college)
    assert all("West Midlands" in line for line in in_mind(college))


def test_a_region_that_is_none_is_one_warning(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    college.tables["labour_market"]["region"] = "West Midland"
    report = college.sync()
    assert (report.exit_code, in_mind(college)) == (0, [])
    assert len(report.messages) == 1
    assert "'West Midland'. Did you mean 'West Midlands'?" in report.messages[0]


def test_a_question_that_fails_every_night_starves_no_other(tmp_path: Path, server: LmiServer) -> None:
    broken = refusal(410)
    server.instead |= {"ashe/estimatePay?soc=5201": broken, "ashe/estimatePay?coarse=true&soc=5201": broken}
    college = college_with(tmp_path, server.url)
    college.sync()
    assert len(in_mind(college)) >= 5
    asked = {target for target in server.calls if target.startswith("ashe/estimatePay?soc=")}
    assert asked == {f"ashe/estimatePay?soc={code}" for code in OCCUPATIONS[:6]}


def test_a_dry_run_asks_nobody_and_keeps_nothing(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    report = college.sync(dry_run=True)
    assert (report.exit_code, report.messages, server.requests) == (0, [], [])
    assert not list(tmp_path.glob("labour-market*"))
    college.sync(deliver=False)
    before = len(server.requests)
    college.later(days=KEEP_DAYS["pay"] + 1)
    remembered = contents(tmp_path / "labour-market.db")
    report = college.sync(dry_run=True)
    assert (report.exit_code, report.messages, len(server.requests)) == (0, [], before)
    assert contents(tmp_path / "labour-market.db") == remembered


def test_lines_are_left_out_where_the_college_says_so(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    college.tables["labour_market"]["in_digests"] = False
    college.sync()
    assert (in_mind(college), server.requests) == ([], [])


@pytest.mark.parametrize("dead", ["refused", "gone", "page", "no such host"])
def test_with_every_service_dead_the_night_is_as_without_them(tmp_path: Path, dead: str) -> None:
    plain = college_with(tmp_path / "plain", "http://127.0.0.1:1/")
    plain.connectors.pop()
    expected = plain.sync()
    answers: dict[str, Answer] = {"gone": refusal(410), "page": web_page()}
    with LmiServer(always=answers.get(dead)) as server:
        urls = {"refused": "http://127.0.0.1:1/api/", "no such host": "https://lmi.invalid/api/v1/"}
        college = college_with(tmp_path / "dead", urls.get(dead, server.url))
        report = college.sync()
    assert report.exit_code == expected.exit_code == 0
    assert report.verdicts == expected.verdicts
    assert texts(college) == texts(plain)
    assert len(report.messages) == 1
    assert report.messages[0].startswith("lmi: ")


def test_what_a_dead_service_once_said_is_told_with_its_date(tmp_path: Path) -> None:
    with LmiServer() as server:
        college = college_with(tmp_path, server.url)
        college.sync()
        before = without_lines(college)
        server.always = refusal(410)
        for path in college.outbox:
            path.unlink()
        (tmp_path / "fingerpost.db").unlink()  # told anew, by a service that has gone since
        for path in tmp_path.glob("fingerpost.db-*"):
            path.unlink()
        college.later(days=KEEP_DAYS["pay"] + 1)
        college.tables["college"]["as_of"] = "2026-03-02"
        report = college.sync()
    assert report.exit_code == 0
    assert len(report.messages) == 1
    assert len(in_mind(college)) == 6
    assert all("as it was on 2 March 2026" in line for line in in_mind(college))
    assert without_lines(college) == before


def test_a_service_is_asked_once_for_each_occupation_and_thing(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url, learners=400)
    college.tables["alerts"]["learners_per_digest"] = 200
    college.sync()
    assert len(in_mind(college)) >= 300
    assert set(server.calls.values()) == {1}
    assert {target for target in server.calls if target.startswith("ashe/estimatePay")} == {
        f"ashe/estimatePay?soc={code}" for code in OCCUPATIONS
    }
    before = dict(server.calls)
    for _ in range(3):
        college.later(days=7)
        college.sync(full=True)
    assert dict(server.calls) == before
    college.later(days=KEEP_DAYS["pay"])
    college.sync()
    assert sum(server.calls.values()) > sum(before.values())


def test_two_processes_ask_no_more_than_one(tmp_path: Path, server: LmiServer) -> None:
    first = college_with(tmp_path / "one", server.url, learners=40)
    second = college_with(tmp_path / "two", server.url, learners=40)
    for college in (first, second):
        college.tables["labour_market"]["cache"] = str(tmp_path / "shared.db")
        college.tables["college"]["as_of"] = "2026-03-02"
        college.configure()
    program = (
        "import sys; from pathlib import Path; from fingerpost import College\n"
        "with College.open(Path(sys.argv[1])) as college: sys.exit(college.sync().exit_code)"
    )
    nights = [
        subprocess.Popen([sys.executable, "-c", program, str(college.config_path)], stderr=subprocess.DEVNULL)
        for college in (first, second)
    ]
    assert [night.wait() for night in nights] == [0, 0]
    assert set(server.calls.values()) == {1}
    assert len(in_mind(first)) == len(in_mind(second)) > 0


def test_no_request_says_anything_about_a_learner(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    canaries = []
    for number, row in enumerate(college.rows["mis"]):
        row |= {"given_names": f"Canariella{number}", "family_name": f"Zwyndlebury{number}",
                "email": f"canary{number}@secret.example", "uln": "",
                "dream": f"Astronaut like my aunt Brunhild{number}"}  # fmt: skip
        if number % 2:
            row["soc"] = ""
        canaries += [row["given_names"], row["family_name"], row["email"], row["learner_ref"], row["dream"],
                     "Brunhild", row["date_of_birth"]]  # fmt: skip
    college.write("mis")
    college.sync()
    with college.open() as opened:
        opened.occupations()
        opened.refresh_labour_market(force=True)
        for row in college.rows["mis"]:
            opened.suggest_occupations(row["dream"], ask=False)
    assert len(server.requests) > 20
    said = "\n".join(
        f"{request.path} {request.query} {request.headers} {request.body!r}" for request in server.requests
    )
    for canary in canaries:
        assert canary.casefold() not in said.casefold()
    # Nor is any of it in the file that may be shared with other colleges.
    remembered = (tmp_path / "labour-market.db").read_bytes() + b"".join(
        path.read_bytes() for path in tmp_path.glob("labour-market.db-*")
    )
    for canary in canaries:
        assert canary.encode() not in remembered


def test_a_line_is_no_news(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    college.sync()
    before = college.dump()
    server.instead["ashe/estimatePay"] = Answer(b"{}", 200, {"Content-Type": "application/json"})
    college.later(days=7)
    college.tables["labour_market"]["keep_days"] = {"pay": 0}
    report = college.sync()
    assert report.digests.planned == 0
    assert college.dump() == before


def test_what_is_answered_is_the_figure_that_was_asked_for(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    with college.open() as opened:
        report = opened.labour_market("5241", region="West Midlands")
    (pay,) = report.of("pay")
    assert (pay.unit, pay.year, pay.region, pay.coarse) == ("GBP a week", "2022", "West Midlands", False)
    asked = [request.query for request in server.requests if request.path.endswith("ashe/estimatePay")]
    assert {"soc": "5241", "filters": "region:6"} in asked  # ASHE's own number, not that of the other endpoints
    assert all(fact.source and fact.attribution and fact.licence for fact in report.facts)


def test_the_command_line_shows_the_figures_of_a_region(tmp_path: Path, server: LmiServer) -> None:
    config = college_with(tmp_path, server.url).configure()
    facts = run_json("lmi", "show", "5241", "--region", "West Midlands", config=config)["facts"]
    figures = {
        (fact["kind"], fact["value"], fact["unit"], fact["year"], fact["region"], fact["coarse"])
        for fact in facts
        if fact["value"] is not None and not fact["split"]
    }
    assert figures >= {
        ("pay", 623.25, "GBP a week", "2022", "West Midlands", False),
        ("hours", 39.5, "hours a week", "2022", "West Midlands", True),
        ("employment", 5500.0, "people", "2026", "West Midlands", False),
        ("shortage", 38.0, "percent", "2019", "West Midlands", False),
    }
    assert {fact["source"] for fact in facts} == {"LMI for All"}


def test_a_college_without_services_makes_no_file(tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=2)
    assert stream(college.sync(), "mis").state == "complete"
    assert not (tmp_path / "labour-market.db").exists()


def test_a_bad_crosswalk_ends_the_run_before_it_begins(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    (tmp_path / "occupations.csv").write_text("occupation,soc\nnurse,22\n", encoding="utf-8")
    college.tables["labour_market"]["crosswalk"] = "occupations.csv"
    with pytest.raises(ConfigError, match=r"occupations\.csv, line 2"):
        college.sync()
    assert not server.requests


def test_the_crosswalk_speaks_first(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    (tmp_path / "occupations.csv").write_text("occupation,soc\nSparky,5241\n5202,5249\n", encoding="utf-8")
    college.tables["labour_market"]["crosswalk"] = "occupations.csv"
    rows: Any = college.rows["mis"]
    rows[0] |= {"soc": "", "dream": "  sparky "}
    rows[1] |= {"soc": "5202"}
    college.write("mis")
    college.sync()
    with college.open() as opened:
        found = {one.words or one.soc_code: one.found for one in opened.occupations()}
    assert found["sparky"].occupation is not None
    assert (found["sparky"].occupation.soc, found["sparky"].how) == ("5241", "crosswalk")
    assert found["5202"].occupation is not None
    assert found["5202"].occupation.soc == "5249"


def test_the_college_facade_is_closed_twice_without_harm(tmp_path: Path, server: LmiServer) -> None:
    college = college_with(tmp_path, server.url)
    opened: College = college.open()
    opened.labour_market("5241")
    opened.close()
    opened.close()


# All services at once

Services: TypeAlias = tuple[LmiServer, NcsServer, AdvertServer, MapsServer]


@pytest.fixture
def services(server: LmiServer) -> Iterator[Services]:
    profiles = {
        "electrician": job_profile("Electrician", "5241", "5241"),
        "plumber": job_profile("Plumber", "5314", "5315"),
    }
    occupations = [standard("OCC0152", "Electrician", 5241, 5241), standard("OCC0303", "Plumber", 5314, 5315)]
    with NcsServer(profiles) as ncs, AdvertServer([advert(1), advert(2)]) as adverts, MapsServer(occupations) as maps:
        yield server, ncs, adverts, maps


def with_all(folder: Path, services: Services) -> SmallCollege:
    """Return a college whose learners wrote what they want to be, and that asks every service."""
    lmi, ncs, adverts, maps = services
    college = college_with(folder, lmi.url)
    (folder / "key.txt").write_text(KEY, encoding="utf-8")
    key = {"file": "key.txt"}
    college.tables["labour_market"] = {"soc_version": 2020}
    college.connectors += [
        {
            "type": "occupationalmaps",
            "name": "maps",
            "base_url": maps.url,
            "standards_url": maps.standards_url,
            "key": key,
        },
        {"type": "ncs", "name": "ncs", "base_url": ncs.url, "key": key},
        {"type": "apprenticeships", "name": "adverts", "base_url": adverts.url, "key": key, "courses": {"5241": [240]}},
    ]
    for row, dream in zip(
        college.rows["mis"], ("plumber", "Electrician", "PLUMBER ", "astronaut", "", ""), strict=True
    ):
        row |= {"soc": "", "dream": dream}
    college.write("mis")
    return college


def test_a_title_that_a_service_lists_leads_to_figures_of_all(tmp_path: Path, services: Services) -> None:
    college = with_all(tmp_path, services)
    report = college.sync()
    assert (report.exit_code, report.messages) == (0, [])
    lines = sorted(in_mind(college))
    assert len(lines) == 3
    assert sum("2 apprenticeship adverts" in line for line in lines) == 1
    with college.open() as opened:
        found = {one.words: (one.found.how, one.found.occupation) for one in opened.occupations()}
        market = opened.labour_market("5315")
    assert found["astronaut"] == ("unknown", None)
    assert found["plumber"][0] == "title"
    # The maps say which code of the older edition it is, so that LMI for All can be asked too.
    assert {(fact.source, fact.soc) for fact in market.of("pay")} >= {("LMI for All", "5314")}
    assert len(market.attributions) >= 3


@pytest.mark.parametrize("before", [[], ["5241"], ["5316"]])
def test_what_an_occupation_is_called_does_not_depend_on_what_was_asked_before(
    tmp_path: Path, before: list[str]
) -> None:
    profiles = {
        "electrician": job_profile("Electrician", "5241", "5241"),
        "kitchen-fitter": job_profile("Kitchen fitter", "5315", "5316", SalaryStarter="18000"),
        "carpenter": job_profile("Carpenter", "5315", "5316", SalaryStarter="26000"),
    }
    listed = standard("OCC0002", "Site carpenter", 5315, 5316)
    listed["soc"]["soc2020Description"] = "Carpenters and joiners"
    (tmp_path / "key.txt").write_text(KEY, encoding="utf-8")
    with NcsServer(profiles) as ncs, MapsServer([listed]) as maps:
        college = usual_college(tmp_path, learners=1)
        college.connectors += [
            {"type": kind, "name": kind, "base_url": server.url, "key": {"file": "key.txt"}}
            for kind, server in (("ncs", ncs), ("occupationalmaps", maps))
        ]
        for code in [*before, "5316"]:
            with college.open() as opened:
                line = market_line(opened.labour_market(code)) or ""
    assert line.startswith("Carpenters and joiners: £26,000 to ")
    assert "(job profile Carpenter, " in line


def test_no_request_of_a_night_with_all_services_says_anything_about_a_learner(
    tmp_path: Path, services: Services
) -> None:
    college = with_all(tmp_path, services)
    lmi, *others = services
    college.sync()
    with college.open() as opened:
        opened.refresh_labour_market(force=True)
        opened.unknown_occupations()
    assert all(service.requests for service in services)
    said = " ".join([*(one.everything() for one in others), *(repr(request) for request in lmi.requests)]).casefold()
    for row in college.rows["mis"]:
        for value in (row["given_names"], row["family_name"], row["email"], row["learner_ref"], row["date_of_birth"]):
            assert value.casefold() not in said
    assert "astronaut" not in said
    assert all(not service.undocumented() for service in others)


def test_when_all_services_die_at_once_the_night_is_as_without_them(tmp_path: Path, services: Services) -> None:
    plain = with_all(tmp_path / "plain", services)
    del plain.connectors[-4:]
    expected = plain.sync()
    lmi, *others = services
    lmi.always = refusal(410)
    for service in others:
        service.gone = refusal(410)
    college = with_all(tmp_path / "dead", services)
    report = college.sync()
    assert (report.exit_code, expected.exit_code) == (0, 0)
    assert report.verdicts == expected.verdicts
    assert texts(college) == texts(plain)
    assert len(report.messages) <= 4
