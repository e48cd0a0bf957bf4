"""Let the many colleges of one test run share what a process would otherwise work out again for each of them.

In life a process opens one college. Tests open thousands, and would spend half of their time compiling the same
statements, reading the same files of the package and judging the same plugins. None of it depends on a college.
"""

from __future__ import annotations

import functools
import pickle
import tomllib
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fingerpost._plugins import admission, host

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["share"]

_create_engine = sa.create_engine
_first: list[sa.Engine] = []


def share() -> None:
    """Share from now on, in this process and those that are forked from it."""
    sa.create_engine = _sharing_engine
    tomllib.loads = _remembering(tomllib.loads)
    # A plugin's module offers the same whenever it is asked, and an installed package keeps its name.
    host.collect_offer = functools.cache(host.collect_offer)  # type: ignore[attr-defined]  # where it is called
    admission._named = functools.cache(admission._named)
    judged = functools.cache(admission._class_problem)
    admission._class_problem = judged  # type: ignore[assignment]  # called in the same way


def _sharing_engine(*arguments: Any, **options: Any) -> sa.Engine:
    """Make an engine; those of SQLite share the statements that they compiled."""
    engine = _create_engine(*arguments, **options)
    if engine.dialect.name == "sqlite":
        if not _first:
            _first.append(engine)
        engine.dialect, engine._compiled_cache = _first[0].dialect, _first[0]._compiled_cache
    return engine


def _remembering(loads: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return `tomllib.loads` with a memory; everybody gets a copy of their own."""

    @functools.lru_cache(maxsize=256)
    def packed(text: str) -> bytes:
        return pickle.dumps(loads(text))

    def remembering(text: str, **options: Any) -> dict[str, Any]:
        if options or not isinstance(text, str):
            return loads(text, **options)
        found: dict[str, Any] = pickle.loads(packed(text))
        return found

    return remembering
