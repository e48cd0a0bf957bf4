"""The file in which the answers of services are kept, with how often each service was asked, and which ones rest.

It is a SQLite file of its own that holds no learner, shared by all threads and processes of one college. Nothing here
is logged, and no error names a question or an answer: a key is the business of the connector that made it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import filelock

from fingerpost._contract.facts import Reply
from fingerpost._market.export import instant_text, read_export, write_export
from fingerpost._store.disks import make_private, refuse_network_share
from fingerpost._words.errors import ConfigError

OUTLIVES_NOTHING_DAYS: Final = 365
"""Days for which what a service said goes on counting, with its date, where the same service now has nothing.

A service that is shut often goes on to answer every question with nothing. After that time nothing is believed.
"""

DAY: Final = 86_400.0
"""Seconds of a day: no limit and no rest is longer, so what lies further ahead is the fault of a clock."""

_VERSION = 2
_APPLICATION = 0x46504C4D
"""What marks a SQLite file as ours ("FPLM"), so that we never write into another program's file."""
_SCHEMA = f"""
    CREATE TABLE IF NOT EXISTS answer (
        service TEXT, key TEXT, kind TEXT NOT NULL, value TEXT NOT NULL, retrieved TEXT NOT NULL, emptied TEXT,
        PRIMARY KEY (service, key)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS call (id INTEGER PRIMARY KEY, service TEXT NOT NULL, made REAL NOT NULL);
    CREATE INDEX IF NOT EXISTS call_made ON call (service, made);
    CREATE TABLE IF NOT EXISTS rest (service TEXT PRIMARY KEY, code TEXT NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
    DROP TABLE IF EXISTS claim;
    PRAGMA application_id={_APPLICATION};
    PRAGMA user_version={_VERSION}
"""
"""Makes a new file, and brings an older one up to date: version 1 kept in `claim` who was asking what."""
_KEEP = (
    "INSERT INTO answer (service, key, kind, value, retrieved) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (service, key) DO UPDATE SET kind=excluded.kind, value=excluded.value, retrieved=excluded.retrieved, "
    "emptied=NULL"
)
# Nothing never takes the place of something. Two answers of one instant are ordered too: whichever file comes first,
# the outcome is the same.
_KEEP_NEWER = (
    f"{_KEEP} WHERE (excluded.value <> 'null', excluded.retrieved, excluded.kind, excluded.value)"
    " > (value <> 'null', retrieved, kind, value)"
)

_LOST = "what was in it is asked for again, or imported anew from an export."


def _named(path: Path) -> str:
    return f"The file {path}, in which labour market information is remembered,"


class Answer(NamedTuple):
    """What a service said, as JSON text; `emptied` is when it last had nothing in its place."""

    kind: str
    text: str
    retrieved: datetime
    emptied: datetime | None = None

    @property
    def is_nothing(self) -> bool:
        """Say whether the service had nothing."""
        return self.text == "null"

    @property
    def heard(self) -> datetime:
        """When the service last answered."""
        return self.emptied or self.retrieved

    def reply(self, *, stale: bool = False) -> Reply:
        """Return it as a connector gets it."""
        return Reply(json.loads(self.text), self.retrieved.date(), stale or self.emptied is not None)


@dataclass(eq=False, repr=False)
class Cache:
    """The file at `path`, which is made when something is first written.

    Raises `ConfigError` where it is damaged, another program's, of a newer release or on a network share.
    """

    path: Path
    clock: Callable[[], datetime]
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _db: sqlite3.Connection | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        refuse_network_share(self.path, "[labour_market] cache")
        self._rows("SELECT 1")  # says what is wrong with the file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    # Answers

    def find(self, service: str, key: str) -> Answer | None:
        """Return what is remembered, without asking."""
        select = "SELECT kind, value, retrieved, emptied FROM answer WHERE service=? AND key=?"
        for kind, text, retrieved, emptied in self._rows(select, service, key):
            return Answer(
                kind, text, datetime.fromisoformat(retrieved), datetime.fromisoformat(emptied) if emptied else None
            )
        return None

    def keep(self, service: str, key: str, answer: Answer) -> Answer:
        """Keep an answer and return it; or, where it is nothing in place of something, what was said before."""
        with self._writing() as db:
            before = self.find(service, key)
            if answer.is_nothing and before is not None and not before.is_nothing:
                age = answer.retrieved - before.retrieved
                if -timedelta(days=1) < age < timedelta(days=OUTLIVES_NOTHING_DAYS):
                    emptied = instant_text(answer.retrieved)
                    db.execute("UPDATE answer SET emptied=? WHERE service=? AND key=?", (emptied, service, key))
                    return before._replace(emptied=answer.retrieved)
            db.execute(_KEEP, (service, key, answer.kind, answer.text, instant_text(answer.retrieved)))
            return answer

    def entries(self) -> list[tuple[str, str, str, datetime]]:
        """Return the service, key, kind and UTC instant of everything that is remembered."""
        select = "SELECT service, key, kind, retrieved FROM answer"
        return [
            (service, key, kind, datetime.fromisoformat(retrieved))
            for service, key, kind, retrieved in self._rows(select)
        ]

    def forget(self, service: str | None = None) -> int:
        """Forget every answer, or those of one service, and that it needs a rest; return how many answers there were.

        How often a service was asked is kept, since its limit goes on.
        """
        if not self._is_there():
            return 0
        with self._writing() as db:
            db.execute("DELETE FROM rest WHERE service=coalesce(?, service)", (service,))
            return db.execute("DELETE FROM answer WHERE service=coalesce(?, service)", (service,)).rowcount

    def export(self, path: Path) -> int:
        """Write everything that is remembered into one file for another machine; return how many answers.

        The file is there whole or not at all. Raises `ConfigError` where it cannot be written.
        """
        select = "SELECT service, key, kind, retrieved, value FROM answer"
        names = ("service", "key", "kind", "retrieved")
        answers = (
            dict(zip(names, texts, strict=True)) | {"value": json.loads(value)} for *texts, value in self._rows(select)
        )
        return write_export(path, self._now(), answers)

    def import_(self, path: Path) -> tuple[int, int]:
        """Take in an export: the newest answer to each question stays. Return how many were taken, and how many not.

        All of it is taken in, or nothing. Raises `ConfigError` where the file cannot be read, is not an export, is one
        of a newer release, is packed far more tightly than an export is, or has a line that is wrong.
        """
        taken = older = 0
        latest = self._now() + timedelta(days=1)
        with read_export(path, not_after=latest) as answers, self._writing() as db:
            for answer in answers:
                changed = db.execute(_KEEP_NEWER, answer).rowcount
                taken, older = taken + changed, older + 1 - changed
        return taken, older

    # Asking

    @contextmanager
    def alone(self, service: str, key: str, seconds: float) -> Iterator[None]:
        """Keep everybody else from asking the same question meanwhile, or go ahead where that takes too long.

        The lock is the operating system's, on a file beside ours that goes with it: a killed process frees it.
        From 3.24 on, `filelock` starts anew where the file was removed between opening and locking it.
        """
        question = hashlib.sha256(f"{service}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()
        path = Path(f"{self.path}.{question[:16]}.lock")
        with self._lock, self._usable():
            self._connection()  # which makes the folder
        lock = filelock.FileLock(path, timeout=seconds, mode=0o600)
        with self._usable(), suppress(filelock.Timeout):
            lock.acquire()
        try:
            yield
        finally:
            if lock.is_locked:
                with suppress(OSError):  # Windows removes no file that is open; there the release does it
                    path.unlink()
                lock.release()

    def count_call(self, service: str, limit: tuple[int, float] | None) -> tuple[float, int | None]:
        """Count a call that is about to be made: a process killed in it has still made it.

        Return the seconds until the limit has room for it, and how `end_call` knows it; it is counted only where
        there is room at once.
        """
        if limit is None:
            return 0.0, None
        now = self._now().timestamp()
        calls, seconds = limit
        with self._writing() as db:
            full = db.execute(
                "SELECT made FROM call WHERE service=? AND made>? AND made<=? ORDER BY made DESC LIMIT 1 OFFSET ?",
                (service, now - seconds, now + DAY, calls - 1),
            ).fetchone()
            if full:
                return max(full[0] + seconds - now, 0.001), None
            db.execute("DELETE FROM call WHERE service=? AND made NOT BETWEEN ? AND ?", (service, now - DAY, now + DAY))
            return 0.0, db.execute("INSERT INTO call (service, made) VALUES (?, ?)", (service, now)).lastrowid

    def end_call(self, call: int) -> None:
        """Count a call in full from now on: the service may have counted it at any time until it answered."""
        self._write("UPDATE call SET made=? WHERE id=?", self._now().timestamp(), call)

    def rest(self, service: str) -> tuple[str, float] | None:
        """Return why a service is left alone, as a code, and for how many seconds more."""
        now = self._now().timestamp()
        for code, ends in self._rows("SELECT code, ends FROM rest WHERE service=?", service):
            return (code, ends - now) if 0 < ends - now <= DAY else None
        return None

    def begin_rest(self, service: str, code: str, seconds: float) -> None:
        """Leave a service alone, in every process."""
        self._write("INSERT OR REPLACE INTO rest VALUES (?, ?, ?)", service, code, self._now().timestamp() + seconds)

    def end_rest(self, service: str) -> None:
        """Take note that a service answered."""
        self._write("DELETE FROM rest WHERE service=?", service)

    # The file

    def _now(self) -> datetime:
        return self.clock().astimezone(UTC)

    def _is_there(self) -> bool:
        with self._usable():
            return self._db is not None or self.path.exists()

    def _rows(self, select: str, *values: object) -> list[Any]:
        """Return what is found; nothing where there is no file, since only asking makes one."""
        with self._lock, self._usable():
            return self._connection().execute(select, values).fetchall() if self._is_there() else []

    def _write(self, statement: str, *values: object) -> None:
        with self._writing() as db:
            db.execute(statement, values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction that no other process writes beside."""
        with self._lock, self._usable(), self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Say which file it is that cannot be used, and what to do."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(
                f"{_named(self.path)} cannot be used: {why}. Check that its folder can be written to. A damaged file "
                f"can be deleted: {_LOST}"
            ) from error

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            make_private(self.path)
            db = sqlite3.connect(self.path, timeout=60.0, isolation_level=None, check_same_thread=False)
            try:
                _prepare(db, self.path)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA synchronous=NORMAL")  # survives a killed process; a power cut may cost the last answer
    with db:
        db.execute("BEGIN IMMEDIATE")
        application, version = (db.execute(f"PRAGMA {one}").fetchone()[0] for one in ("application_id", "user_version"))
        if application != _APPLICATION and (version or db.execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise ConfigError(
                f"[labour_market] cache names {path}, which is another program's file. Name one that does not exist "
                "yet."
            )
        if version > _VERSION:
            raise ConfigError(
                f"{_named(path)} was written by a newer release of Fingerpost. Install that release again, or delete "
                f"the file: {_LOST}"
            )
        if version < _VERSION:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
    with suppress(sqlite3.OperationalError):  # in use just now: it is a property of the file, and the next one sets it
        db.execute("PRAGMA journal_mode=WAL")
