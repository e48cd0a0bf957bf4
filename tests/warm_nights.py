"""Warm the process that nights in processes of their own are forked from: load everything, and live one night."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path

import nights  # noqa: F401 - what a forked process would import next
import structlog
import warm
from colleges import usual_college


def live_a_night() -> None:
    with tempfile.TemporaryDirectory() as folder:
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        usual_college(Path(folder), learners=4).sync()
        structlog.reset_defaults()


warm.share()
live_a_night()
gc.freeze()  # the collector of a forked process would touch, and so copy, all that was there before
