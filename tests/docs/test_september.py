"""`docs/september.md`: the demonstration lives through the September that the page tells of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import run
from samples import differences, on_a_terminal

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "september.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^```console\n(.*?)^```(?:\n\n[^`#]*^```text\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE)
"""The commands of each example, and the sample of what the last of them prints."""


def test_the_page_goes_through_the_whole_september() -> None:
    told = " ".join(commands for commands, _ in STEPS).replace("fingerpost ", "").split("\n")
    assert [one.strip() for one in told if one.strip()] == [
        "demo", "demo --next-september", "cd fingerpost-demo", "sync", "year", "sweep", "sweep --confirm", "sync",
        "explain 25000350",
    ]  # fmt: skip
    assert sum(bool(sample) for _, sample in STEPS) >= 6


def test_the_samples_are_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch, tmp_path)
    wrong = {}
    for commands, sample in STEPS:
        printed = ""
        for program, *arguments in map(str.split, commands.splitlines()):
            if program == "cd":
                monkeypatch.chdir(arguments[0])
                continue
            result = run(*arguments)
            assert result.exit_code == (3 if "Run 2," in sample else 0), f"{commands}: {result.output}"
            printed = result.stdout.replace(str(tmp_path), "/srv")
        if found := differences(sample, printed):
            wrong[commands] = found
    assert not wrong
