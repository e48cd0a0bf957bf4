"""Show how far a run is: a counter on a terminal, one line a phase without one."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

import click

from fingerpost import Progress
from fingerpost_cli._app import App

_WORDS = {
    "read": "Reading the sources",
    "link": "Finding whose records they are",
    "judge": "Working out what is missing",
    "enrich": "Asking about occupations",
    "wait": "Waiting until a service takes more questions",
    "plan": "Writing digests",
    "deliver": "Delivering digests",
}
_EVERY = 0.1
_CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """Give the progress that suits where standard error goes, and clear away what it drew.

    A log that reports each phase itself, or that a program reads line by line, is not disturbed.
    """
    app = click.get_current_context().ensure_object(App)
    if app.log_json or app.log_level in ("debug", "info"):
        yield _Silent()
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        counter = _Counter()
        try:
            yield counter
        finally:
            counter.clear()


class _Silent:
    def phase(self, name: str) -> None:
        """Say nothing: the log does."""

    def advance(self, count: int) -> None:
        """Say nothing: nobody is watching."""


class _Lines(_Silent):
    def phase(self, name: str) -> None:
        """Print a line."""
        click.echo(f"{_WORDS.get(name, name)} ...", err=True)


class _Counter:
    _words, _count, _shown = "", 0, 0.0

    def phase(self, name: str) -> None:
        """Begin a phase on the same line."""
        self._words, self._count = _WORDS.get(name, name), 0
        self._show()

    def advance(self, count: int) -> None:
        """Count on, a few times a second."""
        self._count += count
        if time.monotonic() - self._shown >= _EVERY:
            self._show()

    def clear(self) -> None:
        """Leave a clean line for the report."""
        click.echo(_CLEAR, err=True, nl=False)

    def _show(self) -> None:
        self._shown = time.monotonic()
        count = f" {self._count:,}" if self._count else ""
        click.echo(f"{_CLEAR}{self._words} ...{count}", err=True, nl=False)
