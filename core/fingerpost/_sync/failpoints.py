"""Named points at which a test may kill the process, to show that the next run recovers.

``FINGERPOST_FAILPOINT=checkpoint_committed:2`` kills the second time that point is reached. Without the variable a
point costs one call of an empty function.
"""

from __future__ import annotations

import os
import signal
import sys

FAILPOINTS: tuple[str, ...] = (
    "run_started",
    "stream_started",
    "chunk_written",
    "checkpoint_written",
    "checkpoint_committed",
    "stream_written",
    "stream_committed",
    "merge_written",
    "merge_committed",
    "link_written",
    "link_committed",
    "evaluation_written",
    "evaluation_committed",
    "planning_written",
    "planning_committed",
    "claim_committed",
    "delivered",
    "receipt_committed",
    "run_finishing",
)
"""Every point, in the order in which a run reaches them."""

_name, _, _count = os.environ.get("FINGERPOST_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def _hit(name: str) -> None:
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        # Nothing may be flushed or unwound: to the store this is a power cut.
        if sys.platform == "win32":
            os._exit(137)
        os.kill(os.getpid(), signal.SIGKILL)


def _ignore(name: str) -> None:
    """Do nothing: no failpoint is set."""


hit = _hit if _name else _ignore
"""Reach the point `name`."""

if _name and _name not in FAILPOINTS:
    message = f"FINGERPOST_FAILPOINT names {_name}, which is not one of {', '.join(FAILPOINTS)}"
    raise RuntimeError(message)
