"""The public names of `fingerpost`: sorted, complete, documented."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fingerpost
import fingerpost.files
import fingerpost.lmi
import fingerpost.reports
from fingerpost._contract import connector, items, messages
from fingerpost._words import errors

CONTRACT = (connector, errors, items, messages)
PUBLIC = (fingerpost, fingerpost.files, fingerpost.lmi, fingerpost.reports)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_the_public_names_are_sorted(module: ModuleType) -> None:
    def order(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert module.__all__ == sorted(module.__all__, key=order)
    assert len(set(module.__all__)) == len(module.__all__)


def test_every_public_name_is_there_and_none_is_left_out() -> None:
    members = {
        name
        for name, member in vars(fingerpost).items()
        if not name.startswith("_") and not isinstance(member, ModuleType) and name != "annotations"
    }
    assert members | {"__version__"} == set(fingerpost.__all__)


def test_every_public_name_is_used_outside_the_core() -> None:
    files = [path for root in ("connectors", "cli", "demo") for path in (ROOT / root).rglob("*.py")]
    files += [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    words = set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in files)))
    assert not {name for module in PUBLIC for name in module.__all__} - words


@pytest.mark.parametrize("module", CONTRACT, ids=lambda module: module.__name__)
def test_what_the_contract_defines_is_public(module: ModuleType) -> None:
    defined = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            defined.add(ast.unparse(target))
    assert {name for name in defined if not name.startswith("_")} <= set(fingerpost.__all__)


def documented_values(module: ModuleType) -> set[str]:
    """Return the names that the module assigns and explains in a string below."""
    body = ast.parse(inspect.getsource(module)).body
    explained = set()
    for statement, following in itertools.pairwise(body):
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            explained |= {target.id for target in targets if isinstance(target, ast.Name)}
    return explained


def explanation(name: str, member: Any) -> str:
    """Return the docstring of a class or function; one that the language made up does not count."""
    own = vars(member).get("__doc__") if inspect.isclass(member) else member.__doc__  # not that of a base class
    text = inspect.cleandoc(own or "")
    return "" if text.startswith(f"{name}(") else text


@pytest.mark.parametrize("name", fingerpost.files.__all__)
def test_every_public_name_of_files_says_what_it_is(name: str) -> None:
    assert explanation(name, getattr(fingerpost.files, name)).partition("\n\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("name", fingerpost.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    member = getattr(fingerpost, name)
    if inspect.isclass(member) or inspect.isfunction(member):
        first = explanation(name, member).partition("\n\n")[0]
        assert first.endswith((".", ":")), f"{name} needs a docstring that begins with one whole sentence"
        return
    imports = ast.parse(inspect.getsource(fingerpost)).body
    homes = [
        inspect.importlib.import_module(node.module)  # type: ignore[attr-defined]
        for node in imports
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names)
    ]
    assert len(homes) == 1
    assert name in documented_values(homes[0]), f"{name} needs a string below it that says what it is"
