"""Samples of what commands print, as the pages show them, and how they are compared with what is printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fingerpost_cli import _output

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MASKS = {
    r"(\d{4}-\d\d-\d\d )?\b\d\d:\d\d\b": "TIME",
    r"\d+ (hours|days) old": "AGE old",
    r"\b\d+\.\d+\.\d+\S*": "VERSION",
    # Whether one of these is said depends on the day on which the test is run.
    r"warning The newest ILR file is for \S+, but the academic year is now \S+ "
    r"-> Put this year's file beside it; the old one may stay\. ": "",
    r"warning The newest ILR file is AGE old\. -> Ask the MIS team for a new export\. ": "",
}


def plain(text: str) -> str:
    """Join the lines of an output, and mask what differs from one run to the next."""
    text = " ".join(text.split())
    for pattern, word in MASKS.items():
        text = re.sub(pattern, word, text)
    return text


def differences(sample: str, printed: str) -> list[str]:
    """Return the words at which a sample departs from what is printed; a line of three dots stands for anything."""
    found, rest = [], f" {plain(printed)} "
    for stretch in re.split(r"^\.\.\.\n", sample, flags=re.MULTILINE):
        words = plain(stretch).split()
        starts = (" ".join(["", *words[:count], ""]) for count in range(len(words), -1, -1))
        start = next(one for one in starts if one in rest)
        known = len(start.split())
        if known < len(words):
            found.append(" ".join(words[max(known - 5, 0) : known + 5]))
        else:
            rest = rest[rest.index(start) + len(start) - 1 :]
    return found


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let commands print as on a terminal, in this folder."""
    monkeypatch.chdir(folder)
    for name in ("FINGERPOST_CONFIG", "UV_RUN_RECURSION_DEPTH"):  # under uv the demo says `uv run` before each command
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_output, "on_terminal", lambda: True)
