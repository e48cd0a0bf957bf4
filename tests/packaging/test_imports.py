"""The import rules of pyproject.toml hold, and a planted wrong import is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCE_ROOTS = PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"]


def lint(root: Path) -> tuple[int, str]:
    """Hold the packages below `root` against the rules; return the exit code and what was printed."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(root / one) for one in SOURCE_ROOTS),
        "PYTHONUTF8": "1",
    }
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=root, env=environment, capture_output=True, check=False,
        encoding="utf-8",
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_nobody_imports_what_they_must_not_know() -> None:
    code, said = lint(ROOT)
    assert code == 0, said


def test_every_package_is_under_the_rules() -> None:
    packages = {path.name for root in SOURCE_ROOTS for path in (ROOT / root).glob("fingerpost*") if path.is_dir()}
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == packages


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources, so that a wrong import can be planted in them."""
    root = tmp_path_factory.mktemp("twin")
    shutil.copy(ROOT / "pyproject.toml", root)
    for one in SOURCE_ROOTS:
        shutil.copytree(ROOT / one, root / one, ignore=shutil.ignore_patterns("__pycache__", "*.toml", "*.json"))
    return root


PLANTED = [
    ("core/fingerpost/_words/text.py", "from fingerpost._contract.messages import Record"),
    ("core/fingerpost/_benchmarks/evaluate.py", "from fingerpost._store import schema"),
    ("core/fingerpost/_sync/judge.py", "def f():\n    from fingerpost._alerts.digests import plan"),
    ("core/fingerpost/_views/gaps.py", "if TYPE_CHECKING:\n    from fingerpost.college import College"),
    ("core/fingerpost/_sync/seen.py", "from fingerpost._sync.reader import StreamReader"),
    ("core/fingerpost/files.py", "import fingerpost_csv"),
    ("connectors/fingerpost_csv/_rows.py", "from fingerpost._words.errors import ConfigError"),
    ("connectors/fingerpost_csv/_rows.py", "from fingerpost_ilr import connectors"),
    ("connectors/fingerpost_csv/_rows.py", "from fingerpost_cli import main"),
    ("cli/fingerpost_cli/_run.py", "from fingerpost import _sync"),
    ("mappings/fingerpost_mappings/__init__.py", "import fingerpost"),
]


@pytest.mark.parametrize(("file", "planted"), PLANTED, ids=[f"{file}: {planted}" for file, planted in PLANTED])
def test_a_planted_wrong_import_is_found(twin: Path, file: str, planted: str) -> None:
    path = twin / file
    source = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{source}\n\n{planted}\n", encoding="utf-8")
        code, said = lint(twin)
    finally:
        path.write_text(source, encoding="utf-8")
    assert code == 1, said
    assert "is not allowed to import" in said or "could be made acyclic" in said


MOST_LINES = 450


def test_a_long_file_says_why_it_is_one() -> None:
    long = []
    for root in SOURCE_ROOTS:
        for path in (ROOT / root).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            head = text[3 : text.find('"""', 3)]
            if text.count("\n") > MOST_LINES and "in one file" not in head:
                long.append(path.relative_to(ROOT).as_posix())
    assert long == []
