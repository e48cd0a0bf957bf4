"""`docs/commands.md` and the command line say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

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
