"""The repository: what is packaged, what must be there, and what must never be in a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fingerpost

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("core", "connectors", "mappings", "cli", "demo")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD = PROJECT["tool"]["hatch"]["build"]


def packages(root: str) -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / root).iterdir()
        if path.is_dir() and path.name.startswith("fingerpost")
    )


ALL_PACKAGES = [package for root in SOURCE_ROOTS for package in packages(root)]


def files() -> list[Path]:
    """Return the files of the repository: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is not a git repository")
    paths = [ROOT / name for name in listed.stdout.decode("utf-8").split("\0") if name]
    return [path for path in paths if path.is_file()]


# What is packaged


def test_every_source_root_is_in_both_build_tables() -> None:
    assert sorted(BUILD["dev-mode-dirs"]) == sorted(SOURCE_ROOTS)
    assert sorted(BUILD["targets"]["wheel"]["packages"]) == sorted(ALL_PACKAGES)
    assert {f"/{root}" for root in SOURCE_ROOTS} <= set(BUILD["targets"]["sdist"]["include"])


def test_what_the_source_archive_names_exists() -> None:
    for name in BUILD["targets"]["sdist"]["include"]:
        assert (ROOT / name.lstrip("/")).exists(), name


@pytest.mark.parametrize("package", ALL_PACKAGES)
def test_every_package_is_typed(package: str) -> None:
    assert (ROOT / package / "__init__.py").is_file()
    assert (ROOT / package / "py.typed").is_file()


def test_every_connector_has_an_entry_point() -> None:
    declared = set(PROJECT["project"]["entry-points"]["fingerpost"].values())
    assert declared == {Path(package).name for package in packages("connectors")}


def test_the_same_tools_see_every_source_root() -> None:
    assert set(SOURCE_ROOTS) <= set(PROJECT["tool"]["mypy"]["files"])
    assert set(SOURCE_ROOTS) <= set(PROJECT["tool"]["mypy"]["mypy_path"])
    assert set(SOURCE_ROOTS) == set(PROJECT["tool"]["ruff"]["src"])


# What must be there


def test_the_licence_is_there() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_changelog_tells_of_this_release() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[?{re.escape(fingerpost.__version__)}\b"
    assert re.search(heading, text, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no such mark")
def test_the_checks_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_constraints_pin_every_dependency_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", f"{name}=={version}") for name, version in pins.items())
    for wanted in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]:
        requirement = Requirement(wanted)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"constraints.txt does not pin {name}"
        assert requirement.specifier.contains(pins[name]), f"constraints.txt pins {name} outside of its range"


# What must never be in a file

MARKS = {
    # Put together from pieces, so that this file does not find itself.
    "a package index": r"index-url *" + r"[=:]|source = \{ " + r"registry|pypi\." + r"org|python" + r"hosted\.org",
    "a path of a build machine": r"(?<![\w.~-])/(?:root|work|github|builds)" + r"/\w|\.py" + r"env/",
}


def traces(text: str) -> list[str]:
    """Return what a text says about where it was made."""
    found = [f"{what}: {match[0]}" for what, mark in MARKS.items() for match in re.finditer(mark, text)]
    for path in {ROOT.as_posix(), str(ROOT), Path.home().as_posix(), str(Path.home())}:
        if re.search(rf"(?<![\w.~-]){re.escape(path)}[/\\]\w", text):
            found.append(f"the path {path}")
    return found


def test_no_file_names_a_package_index_or_a_path_of_a_machine() -> None:
    found = {}
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content and (marks := traces(content.decode("utf-8", "replace"))):
            found[path.relative_to(ROOT).as_posix()] = marks
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "pip install --index-" + "url=https://example.org/simple",
        "see https://pypi." + "org/project/x",
        "open('/root" + "/data.csv')",
        f"open({str(Path.home() / 'data.csv')!r})",
        f"in {ROOT.as_posix()}" + "/core",
    ],
)
def test_such_a_trace_is_found(text: str) -> None:
    assert traces(text)


@pytest.mark.parametrize(
    "text", ["/etc/fingerpost.toml", "docs/home/page.md", "#!/usr/bin/env bash", "https://x/root/y"]
)
def test_other_paths_are_not(text: str) -> None:
    assert traces(text) == []


def test_no_lock_file_is_tracked() -> None:
    assert not [path for path in files() if path.name in {"uv.lock", "poetry.lock"}]
