"""What every command shares: the options of `fingerpost` itself, and a question to the college that they lead to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click

from fingerpost import College, configure_logging, default_config_path
from fingerpost_cli._output import as_json, print_json


@dataclass(slots=True)
class App:
    """The options of `fingerpost`, before the command's own."""

    config: Path | None = None
    debug: bool = False
    log_level: str | None = None
    log_json: bool = False

    @property
    def config_path(self) -> Path:
        """The configuration file that is used, whether or not it is there."""
        return self.config or default_config_path()

    def configure(self) -> None:
        """Set up logging before a college is opened, at the level that was asked for."""
        configure_logging("debug" if self.debug else self.log_level or "error", self.log_json)

    def open(self, *, level: str = "error", config: Path | None = None) -> College:
        """Open the college; log from the level that was asked for or configured, else from `level`."""
        self.configure()
        college = College.open(config or self.config_path)
        asked = "debug" if self.debug else self.log_level
        self.log_level, self.log_json = college.configure_logging(asked, otherwise=level, json_lines=self.log_json)
        for sentence in college.left_out:
            click.echo(f"Warning: {sentence}", err=True)
        return college


pass_app = click.make_pass_decorator(App)


class Answer(NamedTuple):
    """What a command found, as `--json` prints it, and the exit code that it ends with."""

    found: object
    exit_code: int = 0


def question(ask: Callable[..., Iterator[Answer]], *, level: Callable[[], str] = lambda: "error") -> Any:
    """Make a command of a generator that asks an open college, yields its answer, and goes on to print it for people.

    With `--json` the answer is printed as one object, and the generator goes no further. The college is closed before
    anything is printed: output that somebody pages through holds no store open. `level` is the level of the log where
    none was asked for.
    """

    @as_json
    @pass_app
    def command(app: App, /, as_json: bool, **options: Any) -> None:
        with app.open(level=level()) as college:
            steps = ask(college, **options)
            answer = next(steps)
        if as_json:
            print_json(answer.found)
        else:
            for _ in steps:
                pass
        click.get_current_context().exit(answer.exit_code)

    return functools.update_wrapper(command, ask, updated=())
