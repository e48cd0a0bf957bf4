"""The invented college: valid where it must be, dirty where real colleges are, and the same every time."""

from __future__ import annotations

import csv
import subprocess
import sys
import tomllib
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest
from lxml import etree

import fingerpost_demo
import fingerpost_mappings
from fingerpost._mapping.compiled import Reject
from fingerpost._mapping.compiler import compile_mapping
from fingerpost._mapping.document import MappingLibrary
from fingerpost._record.kinds import load_kinds
from fingerpost_cli import main
from fingerpost_demo import AS_OF, DEMONSTRATIONS, FakeCollege, make_college, write_ilr

SCHEMA = Path(__file__).parent.parent / "data" / "ilr" / "ILR-2025-26.xsd"
SPACE = "{ESFA/ILR/2025-26}"


@pytest.fixture(scope="module")
def college(tmp_path_factory: pytest.TempPathFactory) -> FakeCollege:
    return make_college(tmp_path_factory.mktemp("college"))


def parsed(path: Path) -> Any:
    return etree.parse(path).getroot()


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def records_of(path: Path, name: str) -> list[Any]:
    """Return what the shipped mapping makes of a file's proper rows."""
    header, *rows = rows_of(path)
    library = MappingLibrary((Path(fingerpost_mappings.__file__).parent / "sources").glob("*.toml"))
    document = library.load(name, Path())
    mapping = compile_mapping(document, converters={}, kinds=load_kinds(), timezone=ZoneInfo("Europe/London"))
    assert mapping.unread(header) in {(), ("activity_id",)}
    proper = [dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]
    return mapping.apply(proper).records


def valid_uln(uln: str) -> bool:
    rest = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), uln[:9], strict=True)) % 11
    return rest != 0 and uln[0] != "0" and 10 - rest == int(uln[9])


def test_the_file_passes_the_published_schema(tmp_path: Path) -> None:
    path = tmp_path / "ilr.xml"
    write_ilr(path, learners=1500, seed=3)
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    schema.assertValid(etree.parse(path))


def test_the_file_has_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "ilr.xml"
    write_ilr(path, learners=2000, seed=4, placements=0.3, deliveries=(3, 6))
    learners = parsed(path).findall(f"{SPACE}Learner")
    assert len(learners) == 2000
    ulns = [each.findtext(f"{SPACE}ULN") for each in learners]
    assert len(set(ulns)) == 2000
    assert all(valid_uln(uln) for uln in ulns)
    assert len({each.findtext(f"{SPACE}LearnRefNumber") for each in learners}) == 2000
    assert {len(each.findall(f"{SPACE}LearningDelivery")) for each in learners} == {3, 4, 5, 6}
    placed = sum(1 for each in learners if next(each.iter(f"{SPACE}LearningDeliveryWorkPlacement"), None) is not None)
    assert 0.27 * 2000 < placed < 0.33 * 2000
    plans = sum(1 for each in learners if "EHC" in each.xpath("*[local-name()='LearnerFAM']/*[1]/text()"))
    assert 20 < plans < 200
    funds = Counter(each.findtext(f"{SPACE}LearningDelivery/{SPACE}FundModel") for each in learners)
    assert set(funds) == {"25", "36", "38"}
    assert funds["25"] > 1500


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_college(tmp_path / name, learners=150, seed=seed)
    contents = [
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).rglob("*")) if path.is_file()}
        for name in "abc"
    ]
    assert contents[0] == contents[1]
    assert {name for name, content in contents[0].items() if content != contents[2][name]} == {
        name for name in contents[0] if name != "fingerpost.toml"
    }


def test_a_college_has_its_files(college: FakeCollege) -> None:
    assert sorted(path.relative_to(college.folder).as_posix() for path in college.folder.rglob("*.*")) == [
        "data/ILR-99999999-2526-20260227-010203-01.xml",
        "data/activities-2024-25.csv",
        "data/activities-2025-26.csv",
        "data/tutors.csv",
        "fingerpost.toml",
    ]
    config = tomllib.loads(college.config.read_text(encoding="utf-8"))
    assert config["college"] == {"name": "Example College", "ukprn": 99999999, "as_of": AS_OF}
    assert [(each["type"], each["name"]) for each in config["connector"]] == [
        ("ilr", "mis"),
        ("csv", "tutors"),
        ("csv", "careers-log"),
    ]
    assert config["alerts"]["allowed_domains"] == ["example.ac.uk"]


def test_its_ilr_file_passes_the_schema_and_has_a_few_bad_ulns(college: FakeCollege) -> None:
    (path,) = (college.folder / "data").glob("*.xml")
    root = parsed(path)
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(root)
    ulns = [each.text for each in root.iterfind(f"{SPACE}Learner/{SPACE}ULN")]
    assert len(ulns) == 1200
    assert 0 < sum(1 for uln in ulns if uln == "9999999999") < 20
    assert 0 < sum(1 for uln in ulns if uln != "9999999999" and not valid_uln(uln)) < 20


def test_tutors_have_groups_of_a_usual_size(college: FakeCollege) -> None:
    assignments = records_of(college.folder / "data" / "tutors.csv", "assignments")
    assert not any(isinstance(each, Reject) for each in assignments)
    current = [each for each in assignments if each.role == "tutor" and each.ends_on is None]
    sizes = Counter(each.group for each in current)
    assert len(sizes) == college.groups
    assert 45 <= college.tutors <= 65
    assert max(sizes.values()) <= 40
    assert len({each.learner_ref for each in current}) == len(current)
    assert 0 < college.without_tutor < 30
    assert {each.tutor_email.rpartition("@")[2] for each in assignments} == {"example.ac.uk"}
    assert {each.role for each in assignments} == {"tutor", "cover"}


def test_the_logs_are_dirty_but_far_below_what_stops_a_run(college: FakeCollege) -> None:
    refused = 0
    for name in ("activities-2024-25.csv", "activities-2025-26.csv"):
        path = college.folder / "data" / name
        header, *rows = rows_of(path)
        assert Counter(len(row) for row in rows if len(row) != len(header)) == {0: 2, len(header) + 2: 1}
        ids = [row[0] for row in rows if row]
        assert len(set(ids)) < len(ids)
        activities = records_of(path, "careers-log")
        rejects = [each for each in activities if isinstance(each, Reject)]
        assert {each.reason for each in rejects} <= {"bad_date", "unmatched_code"}
        assert 0 < len(rejects) < 15
        refused += len(rejects)
    assert refused < 0.02 * college.activities


def test_the_log_looks_like_a_college_s(college: FakeCollege) -> None:
    (path,) = (college.folder / "data").glob("*.xml")
    learners = {each.text for each in parsed(path).iterfind(f"{SPACE}Learner/{SPACE}LearnRefNumber")}
    records = records_of(college.folder / "data" / "activities-2025-26.csv", "careers-log")
    activities = [each for each in records if not isinstance(each, Reject)]
    assert {each.subject for each in activities} == {"learner", "group"}
    assert {each.state for each in activities} == {"attended", "planned", "missed"}
    assert all(each.starts_on > AS_OF for each in activities if each.state == "planned")
    assert all(each.starts_on <= AS_OF for each in activities if each.state == "attended")
    assert all(date(2025, 8, 1) <= each.starts_on < date(2026, 8, 1) for each in activities)
    strangers = {each.learner_ref for each in activities if each.learner_ref} - learners
    assert 0 < len(strangers) < 20
    guided = {each.learner_ref for each in activities if each.kind == "guidance_meeting"} & learners
    assert 0.2 < len(guided) / len(learners) < 0.4
    own = Counter(each.learner_ref for each in activities if each.learner_ref)
    assert max(own.values()) < 12


def test_its_calendar_is_an_ordinary_college_s(college: FakeCollege) -> None:
    (path,) = (college.folder / "data").glob("*.xml")
    study = parsed(path).xpath("//*[local-name()='LearningDelivery'][*[local-name()='FundModel'] = '25']")
    begins = {date.fromisoformat(each.findtext(f"{SPACE}LearnStartDate")) for each in study}
    ends = {date.fromisoformat(each.findtext(f"{SPACE}LearnPlanEndDate")) for each in study}
    assert {(day.month, day.day) for day in begins} == {(9, 2), (9, 3), (9, 4), (9, 9)}
    assert {day for day in ends if day.year == 2026} == {date(2026, 6, 26), date(2026, 7, 3), date(2026, 7, 10)}
    assert all((6, 25) <= (day.month, day.day) <= (7, 10) and day.weekday() == 4 for day in ends)

    half_terms = [date(2024, 10, 28), date(2025, 2, 17), date(2025, 10, 27), date(2026, 2, 16), date(2026, 5, 25)]
    for name in ("activities-2024-25.csv", "activities-2025-26.csv"):
        records = records_of(college.folder / "data" / name, "careers-log")
        days = {each.starts_on for each in records if not isinstance(each, Reject) and each.ends_on is None}
        assert len(days) > 40
        assert not [day for day in days if day.weekday() > 4 or any(0 <= (day - one).days < 7 for one in half_terms)]


def test_the_public_names_are_sorted_and_there() -> None:
    assert fingerpost_demo.__all__ == sorted(fingerpost_demo.__all__)
    assert all(hasattr(fingerpost_demo, name) for name in fingerpost_demo.__all__)


def test_the_command_offers_every_demonstration() -> None:
    (source,) = [one for one in main.commands["demo"].params if one.name == "source"]
    assert isinstance(source.type, click.Choice)
    assert set(source.type.choices) == set(DEMONSTRATIONS)


def test_other_commands_do_not_wait_for_the_demonstration() -> None:
    code = "import sys, fingerpost_cli; sys.exit('fingerpost_demo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
