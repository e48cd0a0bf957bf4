"""The demonstration lives through the following September: what counted stays, and nobody is told too much."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import run, run_json, tries

from fingerpost_demo import AS_OF, make_college, next_september
from fingerpost_demo.terms import NEXT_SEPTEMBER

PROGRAMME_LONG = ("2.1", "4.1", "6.1", "7.1", "8.1")
STEPS = ("sync", "year", "sweep", "sweep --confirm", "sync")


class Lived:
    """A demonstration in which September was lived through: what was met before, after each step, and who was told."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "fingerpost.toml"
        self.database = folder / "fingerpost.db"
        assert run("demo", folder, "--learners", 700).exit_code == 0
        self.met_before = self.met()
        self.tutors_before = self.tutors()
        self.told_before = set(self.told())
        self.logged_before = self.logged()
        self.said = run("demo", "--next-september", folder).stdout
        assert run("sync", config=self.config).exit_code == 3
        self.preview = run_json("sweep", config=self.config)
        assert run("sweep", "--confirm", config=self.config).exit_code == 0
        assert run("sync", config=self.config).exit_code == 0

    def ask(self, select: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(select).fetchall()

    def met(self) -> set[tuple[str, str]]:
        """Return whose programme-long criteria are met: pairs of the learner's ULN and the criterion."""
        select = "SELECT uln, criterion FROM verdict JOIN learner ON learner.id = learner_id WHERE status = 'met'"
        return {(uln, criterion) for uln, criterion in self.ask(select) if criterion in PROGRAMME_LONG}

    def stayed(self) -> dict[str, str]:
        """Return the ULNs and references of those who are judged and are in both ILR files."""
        both = (
            "SELECT uln FROM source_learner WHERE key LIKE '2526/%' AND uln IN "
            "(SELECT uln FROM source_learner WHERE key LIKE '2627/%')"
        )
        judged = "SELECT learner_id FROM verdict WHERE criterion = '2.1' AND status <> 'not_applicable'"
        return dict(self.ask(f"SELECT uln, reference FROM learner WHERE uln IN ({both}) AND id IN ({judged})"))

    def tutors(self) -> set[str]:
        select = "SELECT DISTINCT tutor_email FROM source_assignment WHERE deleted_run IS NULL"
        return {address for (address,) in self.ask(select)}

    def logged(self) -> int:
        """Return how many activities of last year's careers log are on record."""
        select = "SELECT COUNT(*) FROM source_activity WHERE key LIKE 'A2526-%' AND deleted_run IS NULL "
        return int(self.ask(f"{select} AND starts_on < '2026-08-01'")[0][0])

    def told(self) -> list[tuple[str, str, str]]:
        """Return what was told to whom in each message: the recipient, the key of the gap and its content."""
        return self.ask(
            "SELECT outbox.recipient, gap_key, told.content_hash FROM told JOIN outbox ON outbox.id = outbox_id"
        )


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("september") / "demo")


def test_who_stayed_keeps_what_was_met(lived: Lived) -> None:
    stayed = lived.stayed()
    assert len(stayed) > 200
    assert {(uln, criterion) for uln, criterion in lived.met_before - lived.met() if uln in stayed} == set()


def test_confirming_changes_no_verdict(lived: Lived) -> None:
    assert lived.preview["effect"]["changes"] == []


def test_who_is_there_under_another_reference_is_one_learner(lived: Lived) -> None:
    renamed = lived.ask(
        "SELECT DISTINCT a.learner_id, b.learner_id FROM source_learner AS a JOIN source_learner AS b ON a.uln = b.uln "
        "WHERE a.key LIKE '2526/%' AND b.key LIKE '2627/%' AND a.identity <> b.identity AND a.uln <> '9999999999'"
    )
    assert len(renamed) == 3
    assert all(one == other for one, other in renamed)


def test_last_year_s_tutors_who_have_nobody_now_are_told_nothing(lived: Lived) -> None:
    retired = lived.tutors_before - lived.tutors()
    assert len(retired) >= 3
    told = {recipient for (recipient,) in lived.ask("SELECT recipient FROM outbox WHERE planned_run > 1")}
    assert told
    assert not told & retired


def test_nobody_is_told_twice(lived: Lived) -> None:
    new = [one for one in lived.told() if one not in lived.told_before]
    recipients = [recipient for (recipient,) in lived.ask("SELECT recipient FROM outbox WHERE planned_run > 1")]
    assert len(recipients) == len(set(recipients))
    assert len(new) == len(set(new))
    assert run("sync", config=lived.config).exit_code == 0
    assert lived.ask("SELECT COUNT(*) FROM outbox WHERE planned_run > 1") == [(len(recipients),)]


def test_the_numbers_of_the_new_log_overwrite_nothing(lived: Lived) -> None:
    ((again,),) = lived.ask("SELECT COUNT(*) FROM warning WHERE code = 'key_reused'")
    assert again > 50
    assert lived.logged() == lived.logged_before > 500


def test_what_it_says_to_do_next_works(lived: Lived) -> None:
    *steps, explain = tries(lived.said)
    assert [" ".join(step) for step in steps] == list(STEPS)
    result = run(*explain, config=lived.config)
    assert result.exit_code == 0
    assert "2025-09-01  2026-07-31" in result.stdout


# -- the exports of September


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_college(tmp_path_factory.mktemp("made") / "demo", learners=120).folder


@pytest.fixture
def demo(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "demo")


def test_september_is_the_same_every_time_and_comes_once(demo: Path, tmp_path: Path) -> None:
    other = shutil.copytree(demo, tmp_path / "other")
    assert next_september(demo) is not None
    first = files_of(demo)
    assert set(first) == {
        "fingerpost.toml", "data/tutors.csv", "data/activities-2026-27.csv",
        "data/ILR-99999999-2526-20260911-010203-01.xml", "data/ILR-99999999-2627-20260911-010203-01.xml",
    }  # fmt: skip
    assert next_september(demo) is None
    assert files_of(demo) == first
    next_september(other)
    assert files_of(other) == first


def test_what_was_cut_short_can_be_done_again(demo: Path, tmp_path: Path) -> None:
    config = demo / "fingerpost.toml"
    text = config.read_bytes()
    next_september(demo)
    first = files_of(demo)
    config.write_bytes(text)  # the day is written last
    next_september(demo)
    assert files_of(demo) == first


def test_only_the_day_of_the_configuration_is_changed(demo: Path) -> None:
    config = demo / "fingerpost.toml"
    config.write_text(config.read_text(encoding="utf-8") + "\n[logging]\nlevel = 'error'\n", encoding="utf-8")
    before = config.read_text(encoding="utf-8")
    next_september(demo)
    assert config.read_text(encoding="utf-8") == before.replace(str(AS_OF), str(NEXT_SEPTEMBER))


@pytest.mark.parametrize("what", ["empty", "other files", "another college", "databases", "no day", "no ILR file"])
def test_september_is_refused_where_there_is_no_such_demonstration(demo: Path, what: str) -> None:
    config = demo / "fingerpost.toml"
    text = config.read_text(encoding="utf-8")
    if what in {"empty", "other files"}:
        shutil.rmtree(demo)
        demo.mkdir()
    if what == "other files":
        (demo / "thesis.txt").write_text("mine", encoding="utf-8")
    elif what == "another college":
        config.write_text(text.split("\n", 1)[1], encoding="utf-8")
    elif what == "databases":
        config.write_text("# A college that does not exist, with ProSolution" + text, encoding="utf-8")
    elif what == "no day":
        config.write_text(text.replace(f"as_of = {AS_OF}", ""), encoding="utf-8")
    elif what == "no ILR file":
        for path in demo.glob("data/*.xml"):
            path.unlink()
    before = files_of(demo)
    result = run("demo", "--next-september", demo)
    assert result.exit_code == 2
    assert "fingerpost demo DIR" in result.stderr
    assert files_of(demo) == before


@pytest.mark.parametrize("options", [["--source", "promonitor"], ["--learners", "30"]], ids=" ".join)
def test_september_is_one_demonstration_s_and_as_large_as_it_is(demo: Path, options: list[str]) -> None:
    before = files_of(demo)
    result = run("demo", "--next-september", *options, demo)
    assert result.exit_code == 2
    assert options[0] in result.stderr
    assert files_of(demo) == before
