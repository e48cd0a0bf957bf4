"""`docs/lmi.md`: its configurations load, its commands print what is shown, and its example for vendors works."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import responses
from colleges import usual_college
from command_line import run
from lmi_server import LmiServer
from plugins import install

from fingerpost import College, DigestLearner, Host
from fingerpost._market.answers import KEEP_DAYS, NOTHING_DAYS
from fingerpost._market.occupations import load_occupations
from fingerpost.lmi import FACT_KINDS
from fingerpost_cli._lmi import REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "lmi.md").read_text(encoding="utf-8")
COLLEGE = '[college]\nname = "Example College"\nukprn = 99999999\nas_of = 2026-03-02\n\n'
SECRETS = dict.fromkeys(re.findall(r'env = "(\w+)"', PAGE), "a key")


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the name and the text of every fenced block of a language."""
    return re.findall(rf"^```{language} ?(.*)\n((?:.*\n)*?)^```$", PAGE, re.MULTILINE)


def block(language: str, name: str) -> str:
    (found,) = [text for known, text in blocks(language) if known == name]
    return found


def section(heading: str) -> str:
    return PAGE.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def college_of(folder: Path, text: str) -> Path:
    config = folder / "fingerpost.toml"
    config.write_text(COLLEGE + text, encoding="utf-8")
    (folder / "occupations.csv").write_text(block("csv", "occupations.csv"), encoding="utf-8")
    (folder / "mappings").mkdir()
    (folder / "mappings" / "our-kudos.toml").write_text(block("toml", "mappings/our-kudos.toml"), encoding="utf-8")
    return config


@pytest.mark.parametrize("text", [text for name, text in blocks("toml") if not name])
@pytest.mark.usefixtures("secrets")
def test_configurations_load(tmp_path: Path, text: str) -> None:
    assert tomllib.loads(text)["connector"]
    with College.open(college_of(tmp_path, text)) as college:
        assert not college._opened.config.broken


@pytest.mark.usefixtures("secrets")
def test_the_first_configuration_has_every_service(tmp_path: Path) -> None:
    with College.open(college_of(tmp_path, blocks("toml")[0][1])) as college:
        types = [instance.config.type for instance in college._opened.config.enrichers]
    assert sorted(types) == ["apprenticeships", "lmiforall", "ncs", "occupationalmaps"]
    for name in types:
        assert f'`type = "{name}"`' in section("## The services")


def test_the_crosswalk_is_one(tmp_path: Path) -> None:
    college_of(tmp_path, "")
    assert set(load_occupations(tmp_path / "occupations.csv", 2020)) == {"sparky", "works with kids"}


def test_the_shown_comparison_is_what_is_printed(tmp_path: Path) -> None:
    with LmiServer() as server:
        config = college_of(
            tmp_path,
            '[labour_market]\nsoc_version = 2010\nregion = "West Midlands"\n'
            f'[[connector]]\ntype = "lmiforall"\nname = "lmi-for-all"\nbase_url = "{server.url}"\n',
        )
        (line,) = [line for _, text in blocks("console") for line in text.splitlines() if " lmi compare " in line]
        result = run(*line.split()[1:], config=config)
        told = run("lmi", "show", "5241", config=config).stdout
    assert result.stdout == block("text", "lmi compare")
    (amount,) = re.findall(r"about (£\d+ a week)", block("text", "digest"))
    assert amount in told
    assert "in_mind" in DigestLearner.__dataclass_fields__


def test_the_days_are_those_of_the_program() -> None:
    told: dict[str, int] = {}
    for kinds, days in re.findall(r"^\| (`.*) \| (\d+) \|$", section("## What is remembered"), re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"`(\w+)`", kinds), int(days))
    assert told == KEEP_DAYS
    assert set(told) == {*FACT_KINDS, "codes"}
    assert f'"There is nothing" is remembered for {NOTHING_DAYS} days' in PAGE


def test_the_reasons_of_no_data_are_those_that_are_put_into_words() -> None:
    told = (
        section("## For vendors: a service of your own").partition("The reason of a `NoData`")[2].partition("\n* ")[0]
    )
    assert set(re.findall(r"`(\w+)`", told)) == set(REASONS)


def test_the_columns_of_the_examples_are_those_of_the_mappings() -> None:
    files = {path.stem: path for path in Host.load().mapping_files()}
    told = dict(re.findall(r"^\| `(lmi-use-[\w-]+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert set(told) == {name for name in files if name.startswith("lmi-use-")}
    for name, columns in told.items():
        document = tomllib.loads(files[name].read_text(encoding="utf-8"))
        read = set(document["key"])
        for field in document["fields"].values():
            read |= {field["from"]} if "from" in field else {*field.get("first_of", ()), *field.get("join", ())}
        read |= {test["field"] for rule in document["skip"] for test in rule["if"]}
        assert set(re.findall(r"`([^`]+)`", columns)) == read
        assert document["fields"]["kind"] == {"const": "lmi_use"}


@responses.activate
def test_the_example_for_vendors_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = block("python", "fingerpost_bureau.py")
    install(tmp_path / "site", "fingerpost-bureau", "bureau", "fingerpost_bureau", example)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    responses.get("https://bureau.example.org/titles", json={"5241": "Electricians"})
    responses.get("https://bureau.example.org/pay/5241", json={"weekly": 640, "year": 2025})
    responses.get("https://bureau.example.org/pay/6111", json={"weekly": None})

    small = usual_college(tmp_path / "college", learners=1)
    small.amend("mis", "L001", intended_occupation="electricians")
    small.connectors.append({"type": "bureau", "name": "bureau"})
    with small.open() as college:
        assert college.labour_market("6111").no_data[0].kind == "pay"
        assert not college.labour_market("5241", soc_version=2010).facts
        college.sync()
        explained = college.explain("L001").in_mind
    assert explained is not None
    assert explained.line == (
        "Electricians: about £640 a week before tax (for 2025, UK, Figures by the Bureau of Work)."
    )
    assert len(responses.calls) == 3
