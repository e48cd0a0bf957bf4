"""The file that keeps services' answers, how often each service was asked, and which ones are being left alone.

It is a separate SQLite file without learners, shared by all threads and processes of one college. Nothing here is
logged, and no error quotes a question or an answer: a key is a matter for the connector that made it.
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
"""Days for which a service's answer remains valid, with its date, when the same service now has nothing.

A service that has closed often answers every question with nothing. After that time the nothing is believed.
"""

DAY: Final = 86_400.0
"""Seconds in a day: no limit and no rest lasts longer, so anything further ahead is due to a wrong clock."""

_VERSION = 2
_APPLICATION = 0x46504C4D
"""Marks a SQLite file as ours ("FPLM"), so that we never write to another program's file."""
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
"""Creates a new file, or brings an older one up to date: version 1 recorded in `claim` who was asking what."""
_KEEP = (
    "INSERT INTO answer (service, key, kind, value, retrieved) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (service, key) DO UPDATE SET kind=excluded.kind, value=excluded.value, retrieved=excluded.retrieved, "
    "emptied=NULL"
)
# Nothing never replaces something. Two answers from the same instant are ordered too: whichever file is imported
# first, the outcome is the same.
_KEEP_NEWER = (
    f"{_KEEP} WHERE (excluded.value <> 'null', excluded.retrieved, excluded.kind, excluded.value)"
    " > (value <> 'null', retrieved, kind, value)"
)

_LOST = "its contents will be fetched again, or can be imported from an export."


def _named(path: Path) -> str:
    return f"The file {path}, which holds labour market information,"


class Answer(NamedTuple):
    """What a service said, as JSON text; `emptied` is when it last answered with nothing instead."""

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
        """Return it as connectors receive it."""
        return Reply(json.loads(self.text), self.retrieved.date(), stale or self.emptied is not None)


@dataclass(eq=False, repr=False)
class Cache:
    """The file at `path`, which is created when something is first written.

    Raises `ConfigError` if it is damaged, belongs to another program or a newer release, or is on a network share.
    """

    path: Path
    clock: Callable[[], datetime]
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _db: sqlite3.Connection | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        refuse_network_share(self.path, "[labour_market] cache")
        self._rows("SELECT 1")  # raises if something is wrong with the file

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
        """Keep an answer and return it; if it is nothing where there was something, return the earlier answer."""
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
        """Return the service, key, kind and UTC instant of every remembered answer."""
        select = "SELECT service, key, kind, retrieved FROM answer"
        return [
            (service, key, kind, datetime.fromisoformat(retrieved))
            for service, key, kind, retrieved in self._rows(select)
        ]

    def forget(self, service: str | None = None) -> int:
        """Forget all answers and rests, or those of one service; return how many answers there were.

        How often a service was asked is kept, since its limit still applies.
        """
        if not self._is_there():
            return 0
        with self._writing() as db:
            db.execute("DELETE FROM rest WHERE service=coalesce(?, service)", (service,))
            return db.execute("DELETE FROM answer WHERE service=coalesce(?, service)", (service,)).rowcount

    def export(self, path: Path) -> int:
        """Write everything that is remembered to one file for another machine; return the number of answers.

        The file is written completely or not at all. Raises `ConfigError` if it cannot be written.
        """
        select = "SELECT service, key, kind, retrieved, value FROM answer"
        names = ("service", "key", "kind", "retrieved")
        answers = (
            dict(zip(names, texts, strict=True)) | {"value": json.loads(value)} for *texts, value in self._rows(select)
        )
        return write_export(path, self._now(), answers)

    def import_(self, path: Path) -> tuple[int, int]:
        """Import an export, keeping the newest answer to each question; return how many were taken, and how many not.

        It is imported completely or not at all. Raises `ConfigError` if the file cannot be read, is not an export,
        comes from a newer release, is compressed far more than an export would be, or has a faulty line.
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
        """Keep everybody else from asking the same question in the meantime, or go ahead if the wait is too long.

        The lock is the operating system's, on a file next to ours that is removed with it: a killed process frees it.
        From 3.24 on, `filelock` tries again if the file was removed between opening and locking it.
        """
        question = hashlib.sha256(f"{service}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()
        path = Path(f"{self.path}.{question[:16]}.lock")
        with self._lock, self._usable():
            self._connection()  # which creates the folder
        lock = filelock.FileLock(path, timeout=seconds, mode=0o600)
        with self._usable(), suppress(filelock.Timeout):
            lock.acquire()
        try:
            yield
        finally:
            if lock.is_locked:
                with suppress(OSError):  # Windows does not remove an open file; there the release does it
                    path.unlink()
                lock.release()

    def count_call(self, service: str, limit: tuple[int, float] | None) -> tuple[float, int | None]:
        """Count a call that is about to be made: a process killed in it has still made it.

        Return the seconds until the limit allows it, and its number for `end_call`; it is counted only if the limit
        allows it at once.
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
        """Count a call as made now: the service may have counted it at any time until it answered."""
        self._write("UPDATE call SET made=? WHERE id=?", self._now().timestamp(), call)

    def rest(self, service: str) -> tuple[str, float] | None:
        """Return why a service is being left alone, as a code, and for how many more seconds."""
        now = self._now().timestamp()
        for code, ends in self._rows("SELECT code, ends FROM rest WHERE service=?", service):
            return (code, ends - now) if 0 < ends - now <= DAY else None
        return None

    def begin_rest(self, service: str, code: str, seconds: float) -> None:
        """Leave a service alone, in every process."""
        self._write("INSERT OR REPLACE INTO rest VALUES (?, ?, ?)", service, code, self._now().timestamp() + seconds)

    def end_rest(self, service: str) -> None:
        """Note that a service has answered."""
        self._write("DELETE FROM rest WHERE service=?", service)

    # The file

    def _now(self) -> datetime:
        return self.clock().astimezone(UTC)

    def _is_there(self) -> bool:
        with self._usable():
            return self._db is not None or self.path.exists()

    def _rows(self, select: str, *values: object) -> list[Any]:
        """Return the rows found; none if there is no file, since only writing creates one."""
        with self._lock, self._usable():
            return self._connection().execute(select, values).fetchall() if self._is_there() else []

    def _write(self, statement: str, *values: object) -> None:
        with self._writing() as db:
            db.execute(statement, values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Provide the connection inside a transaction that excludes other writers."""
        with self._lock, self._usable(), self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Say which file cannot be used, and what to do."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(
                f"{_named(self.path)} cannot be used: {why}. Check that its folder is writable. A damaged file can be "
                f"deleted: {_LOST}"
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
    db.execute("PRAGMA synchronous=NORMAL")  # survives a killed process; a power cut may lose the last answer
    with db:
        db.execute("BEGIN IMMEDIATE")
        application, version = (db.execute(f"PRAGMA {one}").fetchone()[0] for one in ("application_id", "user_version"))
        if application != _APPLICATION and (version or db.execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise ConfigError(
                f"[labour_market] cache is set to {path}, which belongs to another program. Choose a new file name."
            )
        if version > _VERSION:
            raise ConfigError(
                f"{_named(path)} was written by a newer release of Fingerpost. Reinstall that release, or delete the "
                f"file: {_LOST}"
            )
        if version < _VERSION:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
    with suppress(sqlite3.OperationalError):  # the file is in use: the next process to open it sets this
        db.execute("PRAGMA journal_mode=WAL")
