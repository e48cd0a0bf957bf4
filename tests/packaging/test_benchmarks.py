"""The benchmarks can be repeated: the same input every time, and a yardstick that does what it claims.

How long anything takes is not tested.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LEARNERS, ACTIVITIES = 60, 3_000


def run(script: str, *arguments: str | Path) -> Any:
    command = [sys.executable, str(BENCHMARKS / script), *(str(argument) for argument in arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout)


def generate(out: Path) -> Any:
    return run("generate.py", "--learners", str(LEARNERS), "--activities", str(ACTIVITIES), "--out", out)


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    generate(folder)
    return folder


def manifest(made: Path) -> Any:
    return json.loads((made / "manifest.json").read_text(encoding="utf-8"))


def test_the_input_is_the_same_every_time(made: Path, tmp_path: Path) -> None:
    again = generate(tmp_path / "again")
    assert again == manifest(made)
    # The very bytes, on every machine and release of Python, or results of different days cannot be compared.
    assert again["sha256"]["learners.csv"][:12] == "45ff1b746853"
    assert again["sha256"]["activities.csv"][:12] == "f7a86c443ec7"


@pytest.mark.parametrize("name", ["learners", "activities"])
def test_requoted_files_hold_the_same_rows_in_other_bytes(made: Path, name: str) -> None:
    plain, requoted = made / f"{name}.csv", made / f"{name}_requoted.csv"
    assert rows(plain) == rows(requoted)
    assert plain.read_bytes() != requoted.read_bytes()


def test_the_delta_changes_as_many_rows_as_it_says(made: Path) -> None:
    before, after = rows(made / "activities.csv"), rows(made / "activities_delta.csv")
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == manifest(made)["changed"]
    assert 0.003 < len(changed) / ACTIVITIES < 0.03
    for old, new in changed:
        assert (new[3], float(new[5])) == (f"{old[3]} (edited)", float(old[5]) + 0.5)


def test_the_yardstick_writes_what_is_new_or_changed_and_nothing_else(made: Path, tmp_path: Path) -> None:
    wanted = {"learners": LEARNERS, "programmes": LEARNERS, "assignments": LEARNERS, "activities": ACTIVITIES}
    written = []
    for suffix in ("", "_requoted", "_delta"):
        shutil.copyfile(made / f"learners{suffix.replace('_delta', '')}.csv", tmp_path / "learners.csv")
        shutil.copyfile(made / f"activities{suffix}.csv", tmp_path / "activities.csv")
        said = run("raw_sqlite.py", "--data", tmp_path, "--store", tmp_path / "raw.db")
        assert said["rows"] == wanted
        written.append(said["written"])
    assert written == [sum(wanted.values()), 0, manifest(made)["changed"]]
