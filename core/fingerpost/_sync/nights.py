"""Know the nights that are missing: those without a run, and those of which the store could not be told.

A run for which the store was held by another program, or lost, is a line in a file beside the store (beside the
configuration, if the store is on a server). The next run enters it into the ledger; until then `status` reads it there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._version import __version__
from fingerpost._words.days import say_day, utc_text
from fingerpost._words.errors import FingerpostError, LockHeld

MISSED_DAYS = 3
"""Days without a run after which nights are missing: a college may leave out its weekends."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time without a sync, long enough to be a mistake: the days so far, and the instant of the last one."""

    days: int
    since: datetime
    sentence: str


def pause(connection: sa.Connection, opened: Opened) -> Pause | None:
    """Return how long no sync has run, if it is some days; None where none ever has.

    A run that failed is a run. One that only a command such as ``sweep --confirm`` has left in the ledger is not.
    """
    table = schema.run
    runs = connection.execute(sa.select(table.c.started_at, table.c.summary).order_by(table.c.id.desc()))
    starts = (row.started_at for row in runs if "command" not in json.loads(row.summary or "{}"))
    last = max((*(one.started_at for one in lost_nights(opened)), next(starts, "")))
    if not last:
        return None
    since = datetime.fromisoformat(last)
    lasted = opened.now() - since
    if lasted < timedelta(days=MISSED_DAYS):
        return None
    sentence = (
        f"No sync has run for {lasted.days:,} days, since {say_day(since.astimezone(opened.timezone))}. Check that the "
        "nightly task is switched on and that its account can still log on, or run fingerpost sync."
    )
    return Pause(lasted.days, since, sentence)


@dataclass(frozen=True, slots=True)
class LostNight:
    """A run that failed without a word in the ledger; `run` is its number, if it got as far as having one."""

    run: int | None
    started_at: str
    finished_at: str
    as_of: str
    exit_code: int
    message: str

    @property
    def summary(self) -> str:
        """What the ledger keeps of it."""
        return json.dumps({"messages": [self.message]})


class Night:
    """Watch over one run: if it fails and the ledger cannot say so, note it beside the store.

    `run` is its number in the ledger; `is_recorded` says that the ledger knows how it ended.
    """

    def __init__(self, opened: Opened, *, dry: bool) -> None:
        self._opened = opened
        self._started = opened.now()
        self.run: int | None = None
        self.is_recorded = dry  # a dry run leaves nothing, not even a failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self.is_recorded or not isinstance(error, Exception) or isinstance(error, LockHeld):
            return
        opened, is_said = self._opened, isinstance(error, FingerpostError)
        night = LostNight(
            run=self.run,
            started_at=utc_text(self._started),
            finished_at=utc_text(opened.now()),
            as_of=opened.today().isoformat(),
            exit_code=getattr(error, "exit_code", 1),
            message=str(error) if is_said else f"Something in Fingerpost broke ({type(error).__name__}).",
        )
        with contextlib.suppress(OSError):  # a full disk, say: then the error itself is all that is left
            _note(lost_nights_path(opened), night)


def lost_nights_path(opened: Opened) -> Path:
    """Return where such runs are noted; the store need not be open."""
    config = opened.config
    store = config.path if config.store_url else config.settings.store.path
    return store.with_name(f"{store.name}.failed")


def lost_nights(opened: Opened) -> list[LostNight]:
    """Return the runs that were noted and are not in the ledger yet, oldest first; skip a line cut short."""
    return list(_read(lost_nights_path(opened)))


def enter_lost_nights(connection: sa.Connection, nights: list[LostNight]) -> None:
    """Enter runs that were noted into the ledger."""
    table = schema.run
    for night in nights:
        ended = {
            "finished_at": night.finished_at, "status": "failed", "exit_code": night.exit_code, "summary": night.summary
        }  # fmt: skip
        if night.run is not None:
            connection.execute(sa.update(table).where(table.c.id == night.run).values(ended))
        else:
            started = {"started_at": night.started_at, "as_of": night.as_of, "version": __version__}
            connection.execute(sa.insert(table).values(started | ended))


def _note(path: Path, night: LostNight) -> None:
    private = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(private, "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(night)) + "\n")


def _read(path: Path) -> Iterator[LostNight]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            yield LostNight(**json.loads(line))
