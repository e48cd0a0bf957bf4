"""Nights that end badly: run a sync in a process of its own that dies where the test says.

The process is forked from one that has lived a night already, since imports and compiling would take most of the time;
the failpoint is set in it as the environment would have set it at the import.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from datetime import datetime
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext

Death: TypeAlias = tuple[str, int]
"""Where a process dies, and at which time of coming by: a failpoint, or `before_rename` or `after_rename`, which are
about the last step by which the file outbox puts a message into its folder."""

KILLED = 137 if sys.platform == "win32" else -signal.SIGKILL
"""The exit code of a process that died at a failpoint."""


def small_steps(patch: Callable[[object, str, object], None] = setattr) -> None:
    """Make every step so small that a small college needs several of each."""
    import fingerpost_csv._rows as csv_rows
    from fingerpost._alerts import outbox
    from fingerpost._sync import judge, merge, reader

    patch(reader, "CHUNK", 5)
    patch(reader, "CHECKPOINT_ROWS", 10)
    patch(csv_rows, "_CHECKPOINT_LINES", 5)
    patch(merge, "MERGE_BATCH", 8)
    patch(judge, "BATCH", 8)
    patch(outbox, "BATCH", 2)


def night(folder: str, now: str, death: Death | None) -> None:
    """Sync the college in `folder` at an instant, in small steps, and die where `death` says."""
    name, count = death or ("", 0)
    import structlog

    from fingerpost import College

    if name and not name.endswith("_rename"):
        _set_failpoint(name, count)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    small_steps()
    if name.endswith("_rename"):
        _die_at_rename(name == "after_rename", count)
    with College.open(Path(folder) / "fingerpost.toml", clock=lambda: datetime.fromisoformat(now)) as college:
        college.sync()


def _set_failpoint(name: str, count: int) -> None:
    """Do what ``FINGERPOST_FAILPOINT`` does when Fingerpost is imported, in modules that are there already."""
    from fingerpost._sync import failpoints

    failpoints._name, failpoints._left = name, count
    passes_by, comes_by = failpoints._ignore, failpoints._hit
    for module in list(sys.modules.values()):
        if getattr(module, "hit", None) is passes_by:
            module.hit = comes_by  # type: ignore[attr-defined]  # it is there


def _die_at_rename(after: bool, count: int) -> None:
    rename, left = Path.replace, [count]

    def replace(self: Path, target: Any) -> Path:
        left[0] -= self.name.endswith(".eml.part")
        if left[0] == 0 and not after:
            _die()
        renamed = rename(self, target)
        if left[0] == 0:
            _die()
        return renamed

    Path.replace = replace  # type: ignore[method-assign, assignment]


def _die() -> None:
    if sys.platform == "win32":
        os._exit(KILLED)
    os.kill(os.getpid(), signal.SIGKILL)


@cache
def _context() -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm_nights"])
    with pytest.MonkeyPatch.context() as patch:  # the server knows nothing of the folders that pytest looks into
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()
    return context


def run_night(folder: Path, now: datetime, death: Death | None = None) -> int:
    """Run one night in a process of its own; return how the process ended."""
    (code,) = run_at_once(1, night, str(folder), now.isoformat(), death)
    return code


def run_at_once(times: int, function: Callable[..., object], *arguments: object) -> list[int]:
    """Call a function in so many processes at the same time; return how each of them ended."""
    processes = [
        _context().Process(  # type: ignore[attr-defined]  # typeshed has it on the kinds of context only
            target=function, args=arguments
        )
        for _ in range(times)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]
