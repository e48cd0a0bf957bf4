"""The command line: what each command prints, as text and as JSON, and what it exits with."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import date
from typing import TYPE_CHECKING, Any

import filelock
import pytest
from colleges import SmallCollege, activity, contents, usual_college
from command_line import run, run_json, tries
from plugins import install

import fingerpost
from fingerpost_demo import make_college

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIDTH = 100


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a fake college after its first night; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("college")
    made = make_college(folder, learners=60)
    result = run("--log-level", "error", "sync", config=made.config)
    assert result.exit_code in (0, 3), result.output
    return made.config


@pytest.fixture
def copy(morning: Path, tmp_path: Path) -> Path:
    shutil.copytree(morning.parent, tmp_path / "college")
    return tmp_path / "college" / morning.name


@pytest.fixture
def small(tmp_path: Path) -> SmallCollege:
    """Return a college of four clean files, judged on a fixed day."""
    college = usual_college(tmp_path / "small")
    college.tables["college"]["as_of"] = date(2026, 3, 2)
    college.configure()
    return college


# -- every command


COMMANDS: list[tuple[str, list[str], set[str]]] = [
    ("check", ["check"], {"ok", "connectors"}),
    ("sync", ["sync"], {"run", "status", "exit_code", "as_of", "streams", "records", "verdicts", "digests", "phases"}),
    ("sweep", ["sweep"], {"confirmed", "held"}),
    ("status", ["status"], {"runs", "sources", "outbox", "todo"}),
    ("gaps", ["gaps"], {"as_of", "framework", "gaps"}),
    ("digest", ["digest", "preview"], {"digests"}),
    ("quarantine list", ["quarantine", "list"], {"records"}),
    ("quarantine show", ["quarantine", "show", "1"], {"number", "reason", "field", "raw"}),
    ("quarantine retry", ["quarantine", "retry"], {"run", "stored", "rejected", "skipped", "left"}),
    ("quarantine discard", ["quarantine", "discard", "1"], {"discarded"}),
    ("map check", ["map", "check", "careers-log"], {"streams"}),
    ("map explain", ["map", "explain", "careers-log", "3"], {"key", "outcome", "fields"}),
    ("plugins", ["plugins"], {"plugins"}),
]


@pytest.mark.parametrize(("arguments", "keys"), [row[1:] for row in COMMANDS], ids=[row[0] for row in COMMANDS])
def test_each_command_prints_text_and_json(
    copy: Path, arguments: list[str], keys: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fingerpost_cli._output.on_terminal", lambda: True)
    printed = run_json(*arguments, config=copy)
    assert keys <= printed.keys()
    if "discard" in arguments:
        return  # the record is forgotten now
    result = run(*arguments, config=copy)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()
    assert not result.stdout.startswith("{")
    # A path may be as long as it is.
    assert [line for line in result.stdout.splitlines() if len(line) > WIDTH and str(copy.parent) not in line] == []


def test_a_table_is_cut_on_a_terminal_and_whole_for_a_file_or_a_program(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = run_json("gaps", config=copy)["gaps"][0]["learner"]
    held = run_json("explain", learner, config=copy)["assignments"]
    said = [one[field] for one in held for field in ("key", "tutor_email")]
    piped = run("explain", learner, config=copy).stdout
    assert said
    assert all(value in piped for value in said)
    assert "..." not in piped
    listed = run("digest", "preview", config=copy).stdout
    for one in run_json("digest", "preview", config=copy)["digests"]:
        assert one["recipient"] in listed
        assert one["subject"] in listed

    monkeypatch.setattr("fingerpost_cli._output.on_terminal", lambda: True)
    shown = run("explain", learner, config=copy).stdout
    assert not all(value in shown for value in said)
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_nothing_but_the_object_goes_to_standard_output(copy: Path) -> None:
    result = run("--log-level", "debug", "sync", "--json", config=copy)
    assert json.loads(result.stdout)["status"] == "succeeded"
    assert "event=phase_done" in result.stderr


def test_logs_are_json_on_request(copy: Path) -> None:
    result = run("--log-json", "--log-level", "info", "sync", config=copy)
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert {"run_started", "run_finished"} <= {line["event"] for line in lines}


def test_without_a_terminal_a_phase_is_a_line(copy: Path) -> None:
    result = run("--log-level", "error", "sync", config=copy)
    assert [line.removesuffix(" ...") for line in result.stderr.splitlines()] == [
        "Reading the sources", "Finding whose records they are", "Working out what is missing",
        "Asking about occupations", "Writing digests", "Delivering digests",
    ]  # fmt: skip


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"fingerpost {fingerpost.__version__}\n"


def test_commands_are_listed_in_the_order_of_their_use() -> None:
    listed = [line.split()[0] for line in run("--help").stdout.split("Commands:")[1].splitlines() if line.strip()]
    assert listed[:4] == ["init", "demo", "check", "sync"]


# -- setting up


def test_init_writes_a_configuration_and_never_over_another(tmp_path: Path) -> None:
    result = run("init", tmp_path / "college")
    path = tmp_path / "college" / "fingerpost.toml"
    assert result.exit_code == 0
    assert "fingerpost check" in result.stdout
    assert path.read_text(encoding="utf-8") == fingerpost.init_template()

    path.write_text("mine", encoding="utf-8")
    result = run("init", tmp_path / "college")
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert path.read_text(encoding="utf-8") == "mine"


def test_demo_makes_a_college_runs_it_and_says_what_to_try(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    result = run("demo", folder, "--learners", 40)
    assert result.exit_code == 0, result.output
    for word in ("40 learners", "careers-log", str(folder / "outbox"), f"cd {folder}", "fingerpost status",
                 "fingerpost explain"):  # fmt: skip
        assert word in result.stdout
    assert len(result.stdout.splitlines()) <= 40
    sent = sorted((folder / "outbox").glob("*.eml"))
    assert sent
    assert any(path.name in result.stdout for path in sent)

    again = run("demo", folder)
    assert again.exit_code == 0
    assert "nothing has changed" in again.stdout
    assert sorted((folder / "outbox").glob("*.eml")) == sent


def test_what_the_demo_says_to_try_works(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shown = run("demo", folder, "--learners", 40).stdout
    for command in tries(shown):
        result = run(*command, config=folder / "fingerpost.toml")
        assert result.exit_code == 0, result.output


def test_demo_leaves_a_folder_with_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    result = run("demo", tmp_path)
    assert result.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_check_exits_2_when_something_must_be_put_right(small: SmallCollege) -> None:
    assert run("check", config=small.config_path).exit_code == 0
    (small.folder / "data" / "tutors.csv").unlink()
    result = run("check", config=small.config_path)
    assert result.exit_code == 2
    assert "tutors.csv" in result.stdout
    assert run_json("check", config=small.config_path, exit_code=2)["ok"] is False


# -- a night


def test_a_dry_run_leaves_nothing(small: SmallCollege) -> None:
    assert run("check", config=small.config_path).exit_code == 0  # which makes the empty store
    before = contents(small.store_path)
    report = run_json("sync", "--dry-run", config=small.config_path)
    assert report["records"]["learners"] == 20
    assert report["digests"]["planned"] > 0
    assert contents(small.store_path) == before
    assert small.outbox == []
    assert "nothing was kept" in run("sync", "--dry-run", config=small.config_path).stdout


def test_without_delivery_the_digests_wait(small: SmallCollege) -> None:
    report = run_json("sync", "--no-deliver", config=small.config_path, exit_code=4)
    assert report["digests"]["deferred"] == report["digests"]["planned"] > 0
    assert small.outbox == []
    assert "sync" in " ".join(run_json("status", config=small.config_path)["todo"])
    assert run_json("sync", config=small.config_path)["digests"]["sent"] == report["digests"]["planned"]
    assert len(small.outbox) == report["digests"]["planned"]


def test_only_reads_the_sources_that_are_named(small: SmallCollege) -> None:
    report = run_json("sync", "--only", "mis", "--only", "tutors", config=small.config_path)
    assert {one["connector"] for one in report["streams"]} == {"mis", "tutors"}
    result = run("sync", "--only", "mss", config=small.config_path)
    assert result.exit_code == 2
    assert "mis" in result.stderr


def test_full_reads_what_has_not_changed(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    assert {one["state"] for one in run_json("sync", config=small.config_path)["streams"]} == {"unchanged"}
    report = run_json("sync", "--full", config=small.config_path)
    assert {one["state"] for one in report["streams"]} == {"complete"}
    assert sum(one["unchanged"] for one in report["streams"]) == sum(one["read"] for one in report["streams"]) > 0


def test_a_source_that_fails_is_named_and_the_others_finish(small: SmallCollege) -> None:
    (small.folder / "data" / "tutors.csv").unlink()
    result = run("sync", config=small.config_path)
    assert result.exit_code == 3
    assert "no file matches" in result.stdout
    status = run_json("status", config=small.config_path)
    assert {one["connector"]: one["state"] for one in status["sources"]} == {
        "mis": "complete", "courses": "complete", "tutors": "failed", "careers-log": "complete",
    }  # fmt: skip
    assert any("tutors.csv" in sentence for sentence in status["todo"])
    assert status["runs"][0]["exit_code"] == 3


def test_a_run_beside_another_exits_75(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    with filelock.FileLock(f"{small.store_path}.lock"):
        for command in (["sync"], ["quarantine", "retry"], ["quarantine", "discard", "1"], ["sweep", "--confirm"]):
            result = run(*command, config=small.config_path)
            assert result.exit_code == 75
            assert "Another run" in result.stderr
        assert run("status", config=small.config_path).exit_code == 0


def test_digests_to_addresses_outside_the_college_are_held(small: SmallCollege) -> None:
    small.tables["alerts"]["allowed_domains"] = ["elsewhere.example"]
    small.configure()
    report = run_json("sync", config=small.config_path, exit_code=4)
    assert report["digests"]["held"] == report["digests"]["planned"] > 0
    assert any("allowed_domains" in sentence for sentence in run_json("status", config=small.config_path)["todo"])


def test_a_held_removal_is_listed_and_confirmed(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    small.put("tutors", small.rows["tutors"][:8])
    assert run_json("sync", config=small.config_path, exit_code=3)["records"]["assignments"] == 20
    assert run_json("sweep", config=small.config_path)["held"] == [
        {"connector": "tutors", "stream": "assignments", "rows": 12, "of": 20, "ending": {"2025/26": 12}}
    ]
    assert any("sweep --confirm" in sentence for sentence in run_json("status", config=small.config_path)["todo"])
    assert run_json("sweep", "--only", "mis", config=small.config_path)["held"] == []
    assert run("sweep", "--only", "nobody", config=small.config_path).exit_code == 2

    result = run("sweep", "--confirm", config=small.config_path)
    assert result.exit_code == 0
    assert "removed" in result.stdout
    assert run_json("sweep", config=small.config_path)["held"] == []
    assert run_json("sync", config=small.config_path)["records"]["assignments"] == 8


def test_status_says_first_what_to_do_when_nothing_was_read(small: SmallCollege) -> None:
    status = run_json("status", config=small.config_path)
    assert status["runs"] == []
    assert "fingerpost sync" in status["todo"][0]
    assert {one["state"] for one in status["sources"]} == {None}


def test_status_tells_of_a_run_that_was_cut_short(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    with sqlite3.connect(small.store_path) as connection:
        connection.execute("INSERT INTO run (started_at, status, as_of, version) VALUES "
                           "(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'running', '2026-03-02', '0')")  # fmt: skip
    connection.close()
    status = run_json("status", config=small.config_path)
    assert status["runs"][0]["status"] == "running"
    assert "continues" in status["todo"][0]
    run("sync", config=small.config_path)
    assert [one["status"] for one in run_json("status", config=small.config_path)["runs"]][:2] == [
        "succeeded", "interrupted",
    ]  # fmt: skip


def test_status_keeps_count_of_a_source_that_is_no_longer_configured(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    small.connectors = [table for table in small.connectors if table["name"] != "tutors"]
    small.configure()
    status = run_json("status", config=small.config_path)
    (gone,) = [one for one in status["sources"] if one["connector"] == "tutors"]
    assert (gone["configured"], gone["live"]) == (False, 20)
    assert any("no longer configured" in sentence for sentence in status["todo"])


# -- questions


def test_gaps_are_filtered(morning: Path) -> None:
    every = run_json("gaps", config=morning)["gaps"]
    one = next(gap for gap in every if gap["tutors"] and gap["group"])
    filters: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
        "--criterion": (one["criterion"], lambda gap: gap["criterion"] == one["criterion"]),
        "--tutor": (one["tutors"][0].upper(), lambda gap: one["tutors"][0] in gap["tutors"]),
        "--group": (one["group"].lower(), lambda gap: gap["group"] == one["group"]),
        "--learner": (one["learner"], lambda gap: gap["learner"] == one["learner"]),
    }
    for option, (value, matches) in filters.items():
        found = run_json("gaps", option, value, config=morning)["gaps"]
        assert found == [gap for gap in every if matches(gap)]
        assert 0 < len(found) < len(every)
    assert run_json("gaps", "--limit", 3, config=morning)["gaps"] == every[:3]
    assert set(every[0]) == {
        "key", "learner", "criterion", "period", "programme", "status", "due", "have", "need", "reason", "tutors",
        "group",
    }  # fmt: skip


def test_an_unknown_criterion_is_refused(morning: Path) -> None:
    result = run("gaps", "--criterion", "5.9", config=morning)
    assert result.exit_code == 2
    assert "5.9" in result.stderr


def test_gaps_as_of_the_day_of_the_run_are_those_of_the_run(morning: Path) -> None:
    stored = run_json("gaps", config=morning)
    judged = run_json("gaps", "--as-of", stored["as_of"], config=morning)
    assert judged == stored


def test_gaps_as_of_another_day_ignore_what_came_later(morning: Path) -> None:
    before = contents(morning.parent / "fingerpost.db")
    report = run_json("gaps", "--as-of", "2025-10-01", config=morning)
    assert report["as_of"] == "2025-10-01"
    assert report["gaps"] != run_json("gaps", config=morning)["gaps"]
    assert contents(morning.parent / "fingerpost.db") == before
    assert run("gaps", "--as-of", "1 October", config=morning).exit_code == 2


def test_explain_says_what_counted_on_a_day(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    outcomes = {}
    for day in ("2025-10-01", "2026-03-02"):
        found = run_json("explain", "L001", "--as-of", day, config=small.config_path)
        assert (found["learner"], found["as_of"]) == ("L001", day)
        (criterion,) = [one for one in found["criteria"] if one["criterion"] == "5.1"]
        outcomes[day] = {item["record"]: item["outcome"] for item in criterion["evidence"]}
    assert outcomes["2025-10-01"] == {"careers-log:L001-1": "rejected", "careers-log:L001-2": "rejected"}
    assert "rejected" not in outcomes["2026-03-02"].values()
    text = run("explain", "L001", config=small.config_path).stdout
    assert "GivenL001" in text
    assert "tutor0@example.ac.uk" in text


def test_explain_refuses_a_learner_whom_nobody_knows(morning: Path) -> None:
    result = run("explain", "no-such-learner", config=morning)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_preview_marks_nothing_as_told(small: SmallCollege) -> None:
    run("sync", "--no-deliver", config=small.config_path)
    before = contents(small.store_path)
    listed = run_json("digest", "preview", config=small.config_path)["digests"]
    assert {one["recipient"] for one in listed} == {"tutor0@example.ac.uk", "tutor1@example.ac.uk"}
    text = run("digest", "preview", "--tutor", "TUTOR0@example.ac.uk", config=small.config_path).stdout
    html = run("digest", "preview", "--tutor", "tutor0@example.ac.uk", "--html", config=small.config_path).stdout
    assert "L001" in text
    assert "<html" in html
    assert contents(small.store_path) == before
    assert small.outbox == []


def test_a_preview_is_written_to_a_folder(small: SmallCollege, tmp_path: Path) -> None:
    run("sync", config=small.config_path)
    result = run("digest", "preview", "--out", tmp_path / "out", config=small.config_path)
    assert result.exit_code == 0
    written = sorted(path.suffix for path in (tmp_path / "out").iterdir())
    assert written == [".eml", ".eml", ".html", ".html", ".txt", ".txt"]
    text = sorted((tmp_path / "out").glob("*.txt"))[0].read_text(encoding="utf-8")
    assert "L001" in text


# -- rejected records and mappings


OVERLAY = """\
schema_version = 1
stream = "activities"
extends = "careers-log"

[fields.kind]
from = "activity_type"
type = "kind"
required = true

[fields.kind.values]
"Employer talk" = "employer_encounter"
"Employer visit" = "employer_encounter"
"Careers interview" = "guidance_meeting"
"Chat about jobs" = "employer_encounter"
"""


def with_a_bad_row(college: SmallCollege) -> None:
    chat = activity("X-1", "L001", "Chat about jobs", "2025-12-09", employer="Bank")
    college.add("careers-log", chat, activity("X-2", "L002", "Employer talk", "soon"))


def correct(college: SmallCollege) -> None:
    """Write a mapping of the college's own that knows the code."""
    college.add_mapping("log", OVERLAY)
    college.source("careers-log")["mapping"] = "log"
    college.configure()


def test_a_rejected_record_is_listed_without_what_it_says(small: SmallCollege) -> None:
    with_a_bad_row(small)
    assert run("sync", config=small.config_path).exit_code == 3
    listed = run("quarantine", "list", config=small.config_path).stdout
    assert "X-1" in listed
    assert "unmatched_code" in listed
    assert "bad_date" in listed
    for value in ("Chat about jobs", "soon", "Bank"):
        assert value not in listed
        assert value not in json.dumps(run_json("quarantine", "list", config=small.config_path))
    records = run_json("quarantine", "list", config=small.config_path)["records"]
    number = next(one["number"] for one in records if one["key"] == "X-1")
    assert "Chat about jobs" in run("quarantine", "show", number, config=small.config_path).stdout
    assert run_json("quarantine", "show", number, config=small.config_path)["raw"]["employer"] == "Bank"
    assert run("quarantine", "show", 99, config=small.config_path).exit_code == 2


def test_a_retry_stores_what_the_sync_would_have_stored(small: SmallCollege, tmp_path: Path) -> None:
    with_a_bad_row(small)
    run("sync", config=small.config_path)
    correct(small)
    shutil.copytree(small.folder, tmp_path / "twin")
    assert run_json("quarantine", "retry", config=small.config_path)["stored"] == 1
    assert [one["key"] for one in run_json("quarantine", "list", config=small.config_path)["records"]] == ["X-2"]

    report = run_json("sync", config=small.config_path)
    (log,) = [one for one in report["streams"] if one["connector"] == "careers-log"]
    assert log["unchanged"] == 1  # every other row is new to the corrected mapping; this one it has seen
    assert log["new"] == 0

    twin = SmallCollege(tmp_path / "twin", now=small.now)
    twin.tables, twin.connectors = small.tables, small.connectors
    assert run("sync", config=twin.config_path).exit_code in (0, 3)
    assert small.snapshot()["source_activity"] == twin.snapshot()["source_activity"]
    assert small.snapshot()["verdict"] == twin.snapshot()["verdict"]
    assert small.snapshot()["episode"] == twin.snapshot()["episode"]


def test_a_retry_with_the_same_mapping_changes_nothing(small: SmallCollege) -> None:
    with_a_bad_row(small)
    run("sync", config=small.config_path)
    before = small.snapshot()
    report = run_json("quarantine", "retry", config=small.config_path)
    assert (report["stored"], report["rejected"], report["left"]) == (0, 2, 0)
    assert small.snapshot() == before


def test_a_record_that_nobody_could_read_is_not_retried(copy: Path) -> None:
    records = run_json("quarantine", "list", config=copy)["records"]
    ragged = [one for one in records if one["reason"] == "ragged_row"]
    assert ragged
    assert not any(one["can_be_retried"] for one in ragged)
    assert run_json("quarantine", "retry", config=copy)["left"] == len(ragged)


def test_records_are_forgotten_by_number_or_all(small: SmallCollege) -> None:
    with_a_bad_row(small)
    run("sync", config=small.config_path)
    numbers = [one["number"] for one in run_json("quarantine", "list", config=small.config_path)["records"]]
    assert run("quarantine", "discard", config=small.config_path).exit_code == 2
    assert run("quarantine", "discard", "--all", numbers[0], config=small.config_path).exit_code == 2
    assert run_json("quarantine", "discard", numbers[0], 99, config=small.config_path) == {"discarded": 1}
    assert run_json("quarantine", "discard", "--all", config=small.config_path) == {"discarded": 1}
    assert run("quarantine", "list", config=small.config_path).stdout == "There are no rejected records.\n"


def test_map_check_counts_and_names_the_codes(small: SmallCollege) -> None:
    with_a_bad_row(small)
    (found,) = run_json("map", "check", "careers-log", config=small.config_path)["streams"]
    rows = len(small.rows["careers-log"])
    assert (found["rows"], found["ok"], found["skipped"]) == (rows, rows - 2, 0)
    assert {(one["field"], one["code"], one["rows"]) for one in found["rejected"]} == {
        ("kind", "unmatched_code", 1), ("starts_on", "bad_date", 1),
    }  # fmt: skip
    assert found["unmatched"] == [{"field": "kind", "value": "Chat about jobs", "rows": 1}]
    assert found["unread"] == ["notes"]
    text = run("map", "check", "careers-log", config=small.config_path).stdout
    assert "Chat about jobs" in text
    assert "soon" not in text
    (some,) = run_json("map", "check", "careers-log", "--limit", 5, config=small.config_path)["streams"]
    assert some["rows"] == 5


def test_map_check_stores_nothing(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    before = contents(small.store_path)
    for connector in ("mis", "courses", "tutors", "careers-log"):
        assert run("map", "check", connector, config=small.config_path).exit_code == 0
    assert contents(small.store_path) == before


def test_map_explain_finds_a_row_by_key_and_by_number(small: SmallCollege) -> None:
    with_a_bad_row(small)
    by_key = run_json("map", "explain", "careers-log", "X-1", config=small.config_path)
    by_number = run_json("map", "explain", "careers-log", len(small.rows["careers-log"]) - 1, config=small.config_path)
    assert by_key == by_number
    assert (by_key["outcome"], by_key["reason"]) == ("rejected", "unmatched_code in kind")
    (kind,) = [one for one in by_key["fields"] if one["field"] == "kind"]
    assert kind["raw"] == ["Chat about jobs"]
    assert kind["problem"] == "unmatched_code"
    assert "PROBLEM: unmatched_code" in run("map", "explain", "careers-log", "X-1", config=small.config_path).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["map", "check", "careers"], ["careers", "careers-log", "tutors"]),
        (["map", "check", "tutors", "--stream", "activities"], ["tutors", "activities", "assignments"]),
        (["map", "explain", "tutors", "nobody"], ["tutors", "key"]),
        (["map", "explain", "tutors", "1000000"], ["tutors", "number"]),
        (["map", "explain", "mis", "1"], ["--stream", "learners", "programmes"]),
    ],
)
def test_what_is_not_there_is_refused_in_a_sentence(morning: Path, arguments: list[str], words: list[str]) -> None:
    result = run(*arguments, config=morning)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for word in words:
        assert word in result.stderr


# -- plugins


@pytest.fixture
def broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plugin that cannot be imported, as pip would."""
    source = "import a_driver_that_is_not_installed\n"
    install(tmp_path / "site", "broken-mis", "broken", "vendor_broken_mis", source, version="1.0.1")
    monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.mark.usefixtures("broken_plugin")
def test_a_broken_plugin_is_listed_and_hurts_nothing_else(small: SmallCollege) -> None:
    assert run("sync", config=small.config_path).exit_code == 0
    listed = run_json("plugins", config=small.config_path)
    (broken,) = [one for one in listed["plugins"] if one["name"] == "broken"]
    assert (broken["state"], broken["distribution"], broken["version"]) == ("failed", "broken-mis", "1.0.1")
    assert "a_driver_that_is_not_installed" in broken["cause"]
    assert "broken-mis 1.0.1" in run("plugins", config=small.config_path).stdout


@pytest.mark.usefixtures("broken_plugin")
def test_a_configured_plugin_that_is_broken_is_told_and_fails_alone(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    small.source("tutors")["type"] = "broken"  # as if the vendor's update had broken what worked yesterday
    small.configure()
    assert run_json("plugins", config=small.config_path, exit_code=1)["missing_types"] == ["broken"]
    result = run("--debug", "sync", config=small.config_path)
    assert result.exit_code == 3, result.output
    assert "broken-mis 1.0.1" in result.stderr
    result = run("check", config=small.config_path)
    assert result.exit_code == 2
    status = run_json("status", config=small.config_path)
    assert "broken-mis 1.0.1" in status["todo"][0]
    (tutors,) = [one for one in status["sources"] if one["connector"] == "tutors"]
    assert (tutors["state"], tutors["configured"], tutors["live"]) == ("failed", True, 20)


def test_plugins_need_no_configuration(tmp_path: Path) -> None:
    assert run("plugins", config=tmp_path / "nowhere.toml").exit_code == 0


# -- what goes wrong


def test_a_bug_is_told_in_a_sentence_and_its_place_only_on_request(small: SmallCollege) -> None:
    run("sync", config=small.config_path)
    with sqlite3.connect(small.store_path) as connection:
        connection.execute("UPDATE run SET summary = 'canary {'")
    connection.close()
    result = run("status", config=small.config_path)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "JSONDecodeError" in result.stderr
    assert "--debug" in result.stderr
    result = run("--debug", "status", config=small.config_path)
    assert result.exit_code == 1
    assert "status.py" in result.stderr
    assert "canary" not in result.stderr


def test_the_environment_names_the_configuration(small: SmallCollege, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPOST_CONFIG", str(small.config_path))
    assert run("sync").exit_code == 0
