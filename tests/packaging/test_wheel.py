"""What is released: the wheel works alone, and so does an editable install with plain pip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("core", "connectors", "mappings", "cli", "demo")
PACKAGES = [mark.parent.name for root in ROOTS for mark in ROOT.glob(f"{root}/*/py.typed")]
BUILT_IN = {
    "apprenticeships", "csv", "email", "ilr", "jsonl", "lmiforall", "ncs", "occupationalmaps", "promonitor", "rest",
}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.longest]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command as somebody who has nothing set up would, and return what it prints."""
    ours = ("PYTHON", "PYTEST", "UV_PROJECT", "UV_PYTHON", "VIRTUAL_ENV", "FINGERPOST")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment | {"PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


class CleanEnvironment:
    """A virtual environment with nothing in it, or nothing but pip."""

    def __init__(self, folder: Path, *, pip: bool = False) -> None:
        venv.create(folder, with_pip=pip)
        self.programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
        self.home = folder / "empty"
        self.home.mkdir()

    def python(self, *arguments: str | Path) -> str:
        return run(self.programs / "python", *arguments, cwd=self.home)

    def fingerpost(self, *arguments: str | Path) -> str:
        return run(self.programs / "fingerpost", *arguments, cwd=self.home)


def test_the_wheel_alone_runs_the_demo(tmp_path: Path) -> None:
    # The wheel is built from the source archive, so what the archive lacks, the wheel lacks too.
    run(sys.executable, "-m", "build", "--installer=uv", "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        inside = set(packed.namelist())
    with tarfile.open(archive) as source:
        archived = {name.partition("/")[2] for name in source.getnames()}
    assert {f"{package}/py.typed" for package in PACKAGES} <= inside
    assert not [name for name in inside if name.startswith(("tests/", "benchmarks/", "core/"))]
    assert {"LICENSE", "CHANGELOG.md", "README.md", "constraints.txt", "tests/packaging/test_wheel.py"} <= archived

    clean = CleanEnvironment(tmp_path / "clean")
    run(sys.executable, "-m", "uv", "pip", "install", "--python", clean.programs / "python", wheel, cwd=clean.home)
    listed = clean.fingerpost("plugins", "--json")
    json.loads(listed)
    assert all(f'"{name}"' in listed for name in BUILT_IN)
    assert clean.fingerpost("demo")
    assert (clean.home / "fingerpost-demo" / "fingerpost.toml").is_file()


def test_an_editable_install_works_with_plain_pip(tmp_path: Path) -> None:
    clean = CleanEnvironment(tmp_path / "clean", pip=True)
    clean.python("-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", "-e", ROOT)
    where = clean.python("-c", "import fingerpost, fingerpost_csv; print(fingerpost.__file__, fingerpost_csv.__file__)")
    assert str(ROOT / "core") in where
    assert str(ROOT / "connectors") in where
    assert all(f'"{name}"' in clean.fingerpost("plugins", "--json") for name in BUILT_IN)
