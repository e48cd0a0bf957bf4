"""How results are printed: aligned tables of at most 100 columns, wrapped sentences, or one JSON object."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

WIDTH = 100
_GAP = "  "
_NARROWEST = 8

_F = TypeVar("_F", bound=Callable[..., Any])


def as_json(command: _F) -> _F:
    """Give a command the option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")(command)


def print_json(value: object) -> None:
    """Print one JSON object; escapes keep it readable by every program in every encoding."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> object:
    if hasattr(value, "as_dict"):
        return value.as_dict()
    return value.isoformat() if isinstance(value, date) else str(value)


def on_terminal() -> bool:
    """Say whether a person reads the output as it comes, rather than a file or a program."""
    return sys.stdout is not None and sys.stdout.isatty()  # None where the process was started without one


def show_table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, indent: str = "") -> None:
    """Print an aligned table: numbers to the right; on a terminal the widest columns give way to a line's width.

    A file or another program gets every cell whole: a cut e-mail address or key is of no use to it.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(isinstance(row[n], int | None) for row in rows) for n in range(len(headings))]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    while on_terminal() and len(indent) + sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH:
        widest = max((n for n in range(len(widths)) if not numeric[n]), key=lambda n: widths[n], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    for line in (headings, *cells):
        shown = (
            cell.rjust(width) if right else _cut(cell, width).ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        click.echo(indent + _GAP.join(shown).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else " ".join(str(value).split())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def say(text: str, *, mark: str = "", err: bool = False) -> None:
    """Print a text wrapped to the width, hanging below `mark`."""
    indent = " " * len(mark)
    click.echo(textwrap.fill(text, WIDTH, initial_indent=mark, subsequent_indent=indent, break_long_words=False,
                             break_on_hyphens=False), err=err)  # fmt: skip


def many(count: int, one: str, more: str | None = None) -> str:
    """Say how many of something there are."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def counted(counts: Mapping[str, int]) -> str:
    """Say how many there are of each, leaving out what there is none of."""
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def local(instant: str | None, zone: ZoneInfo) -> str:
    """Return an instant as the college's clocks show it, to the minute."""
    if instant is None:
        return ""
    return datetime.fromisoformat(instant).astimezone(zone).strftime("%Y-%m-%d %H:%M")


def day(text: str | None) -> str:
    """Return an ISO day as people write it, such as 2 March 2026."""
    return "" if text is None else f"{int(text[8:10])} {date.fromisoformat(text):%B %Y}"


def period(text: str) -> str:
    """Return the period of a verdict as people read it: a year, or the studies that began in one."""
    return text.replace("programme:", "since ")


def safe_output() -> None:
    """Let a character that a Windows console does not have become a question mark instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
