"""`docs/commands.md` and the command line say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from command_line import run
from samples import differences, on_a_terminal

from fingerpost_cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
OUTSIDE_EXAMPLES = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)


def commands(group: click.Group, path: tuple[str, ...] = ("fingerpost",)) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def options(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


COMMANDS = dict(commands(main))
SECTIONS = dict(re.findall(r"^## (fingerpost[^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def test_the_page_has_a_section_for_every_command_and_for_nothing_else() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_names_every_option_of_its_command(name: str) -> None:
    for option in options(COMMANDS[name]) - {"--json"}:
        assert f"`{option}" in SECTIONS[name]


def test_the_page_names_every_option_of_fingerpost_itself() -> None:
    for option in options(main):
        assert f"`{option}" in PAGE


def test_the_page_names_no_option_that_does_not_exist() -> None:
    known = set().union(options(main), *(options(command) for command in COMMANDS.values()), {"--help"})
    assert set(re.findall(r"--[a-z-]+[a-z]", OUTSIDE_EXAMPLES)) <= known


# Samples of what the commands print

SAMPLES = {
    name: found for name, text in SECTIONS.items() if (found := re.findall(r"^```text\n(.*?)^```", text, re.M | re.S))
}

PRINTED_BY = {
    "fingerpost demo": ["demo"],
    "fingerpost check": ["check"],
    "fingerpost sync": ["sync"],
    "fingerpost status": ["status"],
    "fingerpost year": ["year"],
    "fingerpost gaps": ["gaps --learner 24000003"],
    "fingerpost explain": ["explain 24000003"],
    "fingerpost digest preview": ["digest preview", "digest preview --tutor farah.white@example.ac.uk"],
    "fingerpost quarantine list": ["quarantine list"],
    "fingerpost quarantine show": ["quarantine show 3"],
    "fingerpost quarantine retry": ["quarantine retry"],
    "fingerpost map check": ["map check careers-log"],
    "fingerpost map explain": ["map explain careers-log A2526-01134"],
    "fingerpost plugins": ["plugins"],
}
"""The commands that print the samples of each section, in the order in which they are run."""

NOT_RUN = {
    "fingerpost sweep": "a source of the demonstration would have to lose rows first",
    "fingerpost identity list": "no learner of the demonstration has two references",
    "fingerpost identity why": "no learner of the demonstration has two references",
    "fingerpost lmi suggest": "the demonstration asks no service about the labour market",
    "fingerpost lmi refresh": "the demonstration asks no service about the labour market",
}


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what each command prints on a terminal, in a demonstration as large as the page's."""
    on_a_terminal(monkeypatch, tmp_path)
    found = {}
    for command in [one for several in PRINTED_BY.values() for one in several]:
        result = run(*command.split())
        assert result.exit_code == 0, f"{command}: {result.output}"
        found[command] = result.stdout.replace(str(tmp_path), "/srv")
        monkeypatch.chdir(tmp_path / "fingerpost-demo")
    return found


def test_every_sample_is_compared_or_there_is_a_reason() -> None:
    compared = {name: len(several) for name, several in PRINTED_BY.items()}
    assert {name: len(several) for name, several in SAMPLES.items()} == compared | dict.fromkeys(NOT_RUN, 1)


def test_the_samples_are_what_the_commands_print(printed: dict[str, str]) -> None:
    found = {
        command: differences(sample, printed[command])
        for name, several in PRINTED_BY.items()
        for command, sample in zip(several, SAMPLES[name], strict=True)
    }
    assert not {command: words for command, words in found.items() if words}


def test_a_wrong_line_in_a_sample_would_be_seen() -> None:
    (sample,) = SAMPLES["fingerpost check"]
    wrong = sample.replace("145 enrolled learners", "147 enrolled learners")
    assert differences(wrong, sample) == ["learners assigned to them. warning 147 enrolled learners have no"]
    assert not differences(sample, sample)
