"""The command line, run within the test or in a process of its own."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog
from click.testing import CliRunner, Result

from fingerpost_cli import main

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = (sys.executable, "-c", "from fingerpost_cli import main; main()")
"""What `fingerpost` is in a process of its own."""


def run(*arguments: object, config: Path | None = None) -> Result:
    """Run a command within the test."""
    options = [] if config is None else ["--config", config]
    try:
        return CliRunner().invoke(main, [str(argument) for argument in (*options, *arguments)])
    finally:
        unlog()


def unlog() -> None:
    """Take down what a command set up: its logs go to a stream that is closed by now."""
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [one for one in root.handlers if type(one).__module__.startswith("fingerpost.")]:
        root.removeHandler(handler)


def tries(said: str) -> list[list[str]]:
    """Return the arguments of the commands that a demonstration says to try, whether with uv or without."""
    ways = ("  fingerpost ", "  uv run fingerpost ")
    lines = [line.split("fingerpost ", 1)[1] for line in said.splitlines() if line.startswith(ways)]
    assert len(lines) >= 4
    return [line.split("  ")[0].split() for line in lines]


def run_json(*arguments: object, config: Path, exit_code: int = 0) -> Any:
    """Run a command with --json and return the one object that it prints."""
    result = run(*arguments, "--json", config=config)
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)
