"""Wrong configuration: each mistake ends with one sentence that somebody who has never seen Python can act on.

The sentence names where the mistake is and what to do, and shows no secret. `check` exits 2 for every mistake; `sync`
does where nothing at all can be done, and 3 where only one source is affected and the others finish.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from command_line import run

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SECRET = "canary-9f3b-Passw0rd"

CONFIG = """\
[college]
name = "Example College"
ukprn = 99999999

[[connector]]
type = "csv"
name = "tutors"
stream = "assignments"
path = "data/tutors.csv"
mapping = "assignments"

[[connector]]
type = "csv"
name = "careers-log"
stream = "activities"
path = "data/activities.csv"
mapping = "careers-log"

[[connector]]
type = "email"
name = "mail"
transport = "smtp"
host = "localhost"
port = 9
security = "none"
sender = "careers@example.ac.uk"
username = "careers"
password = { env = "FINGERPOST_TEST_PASSWORD" }

[alerts]
careers_leader = "careers@example.ac.uk"

[benchmarks]
framework = "gatsby-colleges-2025"

[store]
path = "fingerpost.db"
"""

OWN_MAPPING = """\
schema_version = 1
stream = "assignments"
key = ["learner_ref", "tutor_email"]

[fields.learner_ref]
from = "Learner Ref No"
required = true

[fields.tutor_email]
from = "tutor_email"
type = "email"
required = true
"""

TUTORS = "learner_ref,tutor_group,tutor_name,tutor_email\nL001,G1,T. Tutor,tutor@example.ac.uk\n"
ACTIVITIES = "activity_id,learner_ref,activity_type,date\nA1,L001,Employer talk,2025-10-06\n"


@dataclass(frozen=True)
class Mistake:
    """One mistake: what is written instead of `old`, where it must be said to be, and what to do about it."""

    name: str
    old: str
    new: str
    place: tuple[str, ...]
    remedy: str
    sync_exits: int = 2

    def __str__(self) -> str:
        return self.name


MISTAKES = [
    Mistake("unknown connector type", 'type = "csv"\nname = "tutors"', 'type = "cvs"\nname = "tutors"',
            ("tutors", "cvs"), "Did you mean 'csv'?"),
    Mistake("misspelt key", 'mapping = "assignments"', 'maping = "assignments"', ("tutors", "maping"),
            "Did you mean 'mapping'?"),
    Mistake("misspelt key of a table", "careers_leader =", "careers_lead =", ("[alerts]", "careers_lead"),
            "Did you mean 'careers_leader'?"),
    Mistake("misspelt table", "[alerts]", "[alert]", ("'alert'",), "Did you mean 'alerts'?"),
    Mistake("missing required key", "ukprn = 99999999", "", ("[college]", "ukprn"), "eight digits"),
    Mistake("missing required key of a connector", 'path = "data/tutors.csv"', "", ("tutors", "path"), "needs the key"),
    Mistake("missing type", 'type = "csv"\nname = "tutors"', 'name = "tutors"', ("tutors", "type"), 'type = "csv"'),
    Mistake("wrong type", "ukprn = 99999999", 'ukprn = "the big one"', ("[college]", "ukprn"), "whole number"),
    Mistake("number out of range", "ukprn = 99999999", "ukprn = 12", ("[college]", "ukprn"), "at least 10000000"),
    Mistake("wrong type of a connector's key", "port = 9", 'port = "nine"', ("mail", "port"), "whole number"),
    Mistake("unset secret", "FINGERPOST_TEST_PASSWORD", "FINGERPOST_TEST_NOTHING",
            ("mail", "password", "FINGERPOST_TEST_NOTHING"), "set it for the account that runs Fingerpost"),
    Mistake("secret in clear", 'password = { env = "FINGERPOST_TEST_PASSWORD" }', f'password = "{SECRET}"',
            ("mail", "password"), "env ="),
    Mistake("secret file that is not there", '{ env = "FINGERPOST_TEST_PASSWORD" }', '{ file = "nowhere.txt" }',
            ("mail", "password", "nowhere.txt"), "put the secret, and nothing else, into it"),
    Mistake("duplicate instance name", 'name = "careers-log"', 'name = "tutors"', ("tutors",), "a name of its own"),
    Mistake("unknown mapping", 'mapping = "careers-log"', 'mapping = "carers-log"', ("careers-log", "carers-log"),
            "Did you mean 'careers-log'?"),
    Mistake("mapping of another stream", 'mapping = "assignments"', 'mapping = "careers-log"',
            ("tutors", "careers-log", "activities"), "assignments"),
    Mistake("bad TOML syntax", 'name = "Example College"', "name = Example College", ("line 2",), "Text needs quotes"),
    Mistake("backslashes in a path", '"data/tutors.csv"', '"C:\\Users\\data"', ("line 9",), "write paths with /"),
    Mistake("unknown framework", "gatsby-colleges-2025", "gatsby-colleges-2026",
            ("[benchmarks]", "gatsby-colleges-2026"), "gatsby-colleges-2025"),
    Mistake("network share as store", 'path = "fingerpost.db"', r"path = '\\server\share\fingerpost.db'",
            ("[store]", "path"), "a disk of this machine"),
    Mistake("network share as store, with slashes", 'path = "fingerpost.db"', 'path = "//server/share/fingerpost.db"',
            ("[store]", "path"), "a disk of this machine"),
    Mistake("unreadable path", "data/tutors.csv", "data/tutor-list.csv", ("tutors", "tutor-list.csv"), "check path",
            sync_exits=3),
    Mistake("folder as a path", "data/tutors.csv", "data", ("tutors", "data"), "check path", sync_exits=3),
    Mistake("unknown column in a mapping", 'mapping = "assignments"', 'mapping = "own"',
            ("tutors", "Learner Ref No", "tutors.csv"), "did you mean 'learner_ref'?", sync_exits=3),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINGERPOST_TEST_PASSWORD", SECRET)
    monkeypatch.delenv("FINGERPOST_TEST_NOTHING", raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "mappings").mkdir()
    (tmp_path / "data" / "tutors.csv").write_text(TUTORS, encoding="utf-8")
    (tmp_path / "data" / "activities.csv").write_text(ACTIVITIES, encoding="utf-8")
    (tmp_path / "mappings" / "own.toml").write_text(OWN_MAPPING, encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "fingerpost.toml").write_text(text, encoding="utf-8")


def assert_decent(result: Result) -> None:
    assert "Traceback" not in result.output
    assert "pydantic" not in result.output
    assert SECRET not in result.output


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_check_says_where_the_mistake_is_and_what_to_do(folder: Path, mistake: Mistake) -> None:
    assert CONFIG.count(mistake.old) >= 1
    write(folder, CONFIG.replace(mistake.old, mistake.new, 1))
    result = run("check", config=folder / "fingerpost.toml")
    assert result.exit_code == 2
    assert_decent(result)
    said = " ".join(result.output.split())
    for word in (*mistake.place, mistake.remedy):
        assert word in said


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_sync_says_it_in_one_sentence(folder: Path, mistake: Mistake) -> None:
    write(folder, CONFIG.replace(mistake.old, mistake.new, 1))
    result = run("--log-level", "error", "sync", "--no-deliver", config=folder / "fingerpost.toml")
    assert result.exit_code == mistake.sync_exits
    assert_decent(result)
    if mistake.sync_exits == 2:
        (sentence,) = result.stderr.splitlines()
        assert sentence.startswith(str(folder / "fingerpost.toml"))
        assert result.stdout == ""
    else:
        sentence = " ".join(result.stdout.split())
        assert "tutors assignments failed" in sentence
        assert "careers-log activities complete" in sentence
    for word in (*mistake.place, mistake.remedy):
        assert word in sentence


def test_without_a_mistake_nothing_is_said(folder: Path) -> None:
    """Show that the configuration in which the mistakes are made has none of its own."""
    write(folder, CONFIG)
    result = run("--log-level", "error", "sync", "--no-deliver", config=folder / "fingerpost.toml")
    assert result.exit_code in (0, 4), result.output
    assert_decent(result)


def test_several_mistakes_are_told_at_once(folder: Path) -> None:
    text = CONFIG.replace("ukprn = 99999999", "ukprn = 12").replace('mapping = "careers-log"', 'maping = "careers-log"')
    write(folder, text.replace('type = "email"', 'type = "emial"'))
    result = run("check", config=folder / "fingerpost.toml")
    assert result.exit_code == 2
    assert_decent(result)
    heading, *problems = result.stderr.splitlines()
    assert "3 problems" in heading
    assert len(problems) == 3


@pytest.mark.parametrize(
    "command", [["check"], ["sync"], ["status"], ["gaps"], ["map", "check", "tutors"]], ids=" ".join
)
def test_a_configuration_that_is_not_there_is_named(tmp_path: Path, command: list[str]) -> None:
    result = run(*command, config=tmp_path / "fingerpost.toml")
    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert str(tmp_path / "fingerpost.toml") in sentence
    assert "fingerpost init" in sentence


def test_a_file_that_is_no_store_is_named(folder: Path) -> None:
    (folder / "fingerpost.db").write_text("not a database " * 500, encoding="utf-8")
    write(folder, CONFIG)
    result = run("sync", config=folder / "fingerpost.toml")
    assert result.exit_code == 1
    assert_decent(result)
    (sentence,) = result.stderr.splitlines()
    assert "fingerpost.db" in sentence
