"""The import rule: who may know whom.

Connectors, the command line and the demonstration use `fingerpost` through its public names, as a vendor must; the core
knows none of them; no connector knows another; the mappings know nothing. What is read is the source, so that an import
inside a function or for a type checker counts as well.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import fingerpost

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def packages(root: Path, folder: str) -> set[str]:
    """Return the names of the packages in a source root."""
    return {path.name for path in (root / folder).iterdir() if path.is_dir() and path.name.isidentifier()}


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str | None]]:
    """Yield line, module and name of every import; the name is None where the module itself is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "fingerpost":
            yield node.lineno, "fingerpost", node.attr
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                yield node.lineno, str(node.args[0].value), None


def is_refused(folder: str, package: str, module: str, name: str | None, root: Path) -> bool:
    """Say whether a file of `package`, which lies in `folder`, may not import this."""
    top = module.partition(".")[0]
    connectors = packages(root, "connectors")
    commands = packages(root, "cli") | packages(root, "demo")
    if folder == "mappings":
        return module != "__future__"
    if folder == "core":
        return top in connectors | commands
    if top == "fingerpost":
        return module != "fingerpost" or (name is not None and name not in fingerpost.__all__)
    if folder == "connectors":
        return top in (connectors | commands) - {package}
    return folder == "demo" and top in packages(root, "cli")


def violations(root: Path) -> list[str]:
    """Return every import that the rule refuses, as "file:line imports what"."""
    found = []
    for folder in ("core", "connectors", "mappings", "cli", "demo"):
        for path in sorted((root / folder).rglob("*.py")):
            package = path.relative_to(root / folder).parts[0]
            for line, module, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
                if is_refused(folder, package, module, name, root):
                    place = path.relative_to(root).as_posix()
                    found.append(f"{place}:{line} imports {module}{f' {name}' if name else ''}")
    return found


def test_nobody_imports_what_they_must_not_know() -> None:
    assert violations(ROOT) == []


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    """Make a project of the same shape, without anything in it."""
    for package in ("core/fingerpost", "connectors/fingerpost_a", "connectors/fingerpost_b",
                    "mappings/fingerpost_mappings", "cli/fingerpost_cli", "demo/fingerpost_demo"):  # fmt: skip
        (tmp_path / package).mkdir(parents=True)
    return tmp_path


ALLOWED = [
    ("core/fingerpost", "from fingerpost._errors import ConfigError"),
    ("core/fingerpost", "import fingerpost_mappings"),
    ("connectors/fingerpost_a", "import fingerpost\nfingerpost.Record"),
    ("connectors/fingerpost_a", "from fingerpost import Record, hookimpl"),
    ("connectors/fingerpost_a", "from fingerpost_a._rows import rows\nfrom . import _rows\nimport csv, requests"),
    ("cli/fingerpost_cli", "import click\nfrom fingerpost import __version__"),
    ("cli/fingerpost_cli", "def f():\n    from fingerpost_demo import make_college"),
    ("demo/fingerpost_demo", "from fingerpost import ConfigError\nfrom fingerpost_a import TABLES"),
    ("mappings/fingerpost_mappings", "from __future__ import annotations"),
]

REFUSED = [
    ("core/fingerpost", "import fingerpost_a"),
    ("core/fingerpost", "def f():\n    from fingerpost_cli import main"),
    ("core/fingerpost", "import importlib\nimportlib.import_module('fingerpost_b.rows')"),
    ("connectors/fingerpost_a", "from fingerpost._errors import ConfigError"),
    ("connectors/fingerpost_a", "import fingerpost._errors"),
    ("connectors/fingerpost_a", "from fingerpost import _errors"),
    ("connectors/fingerpost_a", "import fingerpost\nfingerpost._errors"),
    ("connectors/fingerpost_a", "if TYPE_CHECKING:\n    from fingerpost._http import Http"),
    ("connectors/fingerpost_a", "from fingerpost import NoSuchName"),
    ("connectors/fingerpost_a", "import fingerpost_b"),
    ("connectors/fingerpost_a", "from fingerpost_b._rows import rows"),
    ("connectors/fingerpost_a", "from fingerpost_cli import main"),
    ("cli/fingerpost_cli", "from fingerpost._sync import sync"),
    ("core/fingerpost", "import fingerpost_demo"),
    ("connectors/fingerpost_a", "import fingerpost_demo"),
    ("demo/fingerpost_demo", "from fingerpost._errors import ConfigError"),
    ("demo/fingerpost_demo", "from fingerpost_cli import main"),
    ("mappings/fingerpost_mappings", "import fingerpost"),
    ("mappings/fingerpost_mappings", "import json"),
]


@pytest.mark.parametrize(("package", "source"), ALLOWED)
def test_the_checker_lets_through_what_is_allowed(twin: Path, package: str, source: str) -> None:
    (twin / package / "module.py").write_text(source, encoding="utf-8")
    assert violations(twin) == []


@pytest.mark.parametrize(("package", "source"), REFUSED)
def test_the_checker_finds_what_is_not(twin: Path, package: str, source: str) -> None:
    (twin / package / "module.py").write_text(source, encoding="utf-8")
    found = violations(twin)
    assert len(found) == 1
    assert found[0].startswith(f"{package}/module.py:")
