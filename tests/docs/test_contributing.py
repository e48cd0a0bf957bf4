"""CONTRIBUTING.md, GLOSSARY.md and the walk of one record hold against the code."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from colleges import usual_college

import fingerpost

if TYPE_CHECKING:
    from types import FrameType

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CORE = ROOT / "core" / "fingerpost"


def rooms() -> set[str]:
    return {path.name for path in CORE.iterdir() if (path / "__init__.py").is_file()}


def test_the_picture_shows_every_room_and_public_module() -> None:
    picture = CONTRIBUTING[CONTRIBUTING.index("```\n cli/") :]
    shown = set(re.findall(r"^ (\w+)/? ", picture, re.MULTILINE)) | set(re.findall(r"\b(\w+)\.py\b", picture))
    assert rooms() <= shown
    assert {path.stem for path in CORE.glob("*.py") if not path.stem.startswith("_")} <= shown


def test_every_room_says_what_it_holds_and_what_it_never_knows() -> None:
    for room in rooms():
        text = (CORE / room / "__init__.py").read_text(encoding="utf-8")
        assert re.match(r'"""[^"]{40,}"""\n$', text), f"{room} holds code or lacks a docstring"
        assert "never" in text or "knows none" in text, room


def test_every_file_that_the_pages_name_exists() -> None:
    for page in ("CONTRIBUTING.md", "docs/how-it-works.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"`((?:_\w+|connectors|core|cli|demo|docs|mappings|tests)/[\w./*-]+)`", text))
        assert named
        for name in named:
            base = CORE if name.startswith("_") else ROOT
            assert list(base.glob(name.rstrip("/"))), f"{page} names {name}"


def test_each_kind_of_test_has_its_folder() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py"))}
    assert folders == set(re.findall(r"^\| \w+ \| `tests/(\w+)` \|", CONTRIBUTING, re.MULTILINE))


def walk() -> list[tuple[str, str]]:
    """Return file and function of every step of the walk."""
    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    return re.findall(r"^\| \w+ \| `([\w/.]+\.py)` \| `([\w.]+)` \|", text, re.MULTILINE)


def test_a_record_walks_as_the_page_says(tmp_path: Path) -> None:
    steps = walk()
    assert len(steps) > 15
    wanted, seen = set(steps), []

    def look(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            code = frame.f_code
            path = Path(code.co_filename)
            where = "/".join(path.parts[-4:]) if "core" in path.parts else "/".join(path.parts[-3:])
            for step in ((where, code.co_name), (where, code.co_qualname)):
                if step in wanted and step not in seen:
                    seen.append(step)

    college = usual_college(tmp_path, learners=3)
    with college.open() as opened:
        sys.setprofile(look)
        try:
            opened.sync()
        finally:
            sys.setprofile(None)
    assert seen == steps


@pytest.mark.parametrize("word", ["digest", "gap", "episode", "quarantine", "sweep", "checkpoint", "stream"])
def test_the_glossary_knows_the_words(word: str) -> None:
    assert f"| **{word}** |" in (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| \*\*([^*]+)\*\* \|", (ROOT / "GLOSSARY.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert words == sorted(words, key=str.casefold)


def test_the_page_for_python_lists_every_method_with_what_it_answers() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE))
    methods = {
        name: inspect.signature(member).return_annotation
        for name, member in vars(fingerpost.College).items()
        if callable(member) and not name.startswith("_") and name not in ("close", "configure_logging", "today")
    }
    assert listed.keys() == methods.keys()
    for name, answer in methods.items():
        assert all(f"`{report}`" in listed[name] for report in re.findall(r"[A-Z]\w+", answer)), name
