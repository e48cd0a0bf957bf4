"""Remember the runs that the store could not: those for which it was held by another program, or lost.

Each is a line in a file beside the store (beside the configuration, if the store is on a server). The next run enters
them into the ledger; until then `status` reads them from there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._version import __version__
from fingerpost._words.days import utc_text
from fingerpost._words.errors import FingerpostError, LockHeld


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

    def __enter__(self) -> Night:
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
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with open(os.open(path, flags, 0o600), "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(night)) + "\n")


def _read(path: Path) -> Iterator[LostNight]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            yield LostNight(**json.loads(line))
