"""Remember what services said about occupations, in a file of its own that no learner is in.

A service is asked once for each question within its time to live, by all processes together, and never more often than
it allows. When it is down or gone, or has nothing where it had something, what it last said is served with its date.

Nothing here is logged, and no error names a question or an answer: a key is the business of the connector that made it.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fingerpost._market.export import instant_text, read_export, write_export
from fingerpost._store.disks import refuse_network_share
from fingerpost._words.errors import AuthError, ConfigError, ContractError, RateLimited, SourceUnavailable
from fingerpost._words.faults import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date
    from pathlib import Path
    from types import TracebackType
    from typing import Self


KEEP_DAYS: Final[Mapping[str, int]] = {
    "codes": 180,  # code lists and filters change with an edition of a classification
    "occupation": 365,  # titles and tasks change with the classification itself, every ten years
    "pay": 90, "hours": 90, "annual_change": 90, "employment": 90, "replacement": 90, "unemployment": 90,
    "shortage": 90,  # published once a year: the new figures are there within a term
    "skill": 180, "course": 180,  # revised once or twice a year
    "vacancy": 1,  # an advert may close on any day
    "profile": 30,  # edited by hand all year round
}  # fmt: skip
"""Days after which each kind of answer is asked for again, unless ``[labour_market] keep_days`` says otherwise."""

NOTHING_DAYS: Final = 7
"""Days after which a service that had nothing is asked again, however long the kind is kept.

A service that is being rebuilt may have nothing for an afternoon, and that must not count for a year.
"""

OUTLIVES_NOTHING_DAYS: Final = 365
"""Days for which what a service said goes on counting, with its date, where the same service now has nothing.

A service that is shut often goes on to answer every question with nothing. After that time nothing is believed.
"""

REST_SECONDS: Final = 600.0
"""How long a service that did not answer twice in a row is left alone.

Once may be the fault of one question: that is not asked again, and all others are.
"""

REST_LIMITED_SECONDS: Final = 300.0
"""How long a service that asked for patience is left alone where it did not say how long."""

CLAIM_SECONDS: Final = 120.0
"""How long a question may be somebody else's to ask: a killed process blocks its question no longer than that.

A call that takes longer may be made a second time by who waits for it, and is counted a second time.
"""

_POLL = 0.05
_DAY = 86_400.0
_VERSION = 1
_APPLICATION = 0x46504C4D
"""What marks a SQLite file as ours ("FPLM"), so that no other program's file is written into."""
_SCHEMA = f"""
    CREATE TABLE answer (
        service TEXT, key TEXT, kind TEXT NOT NULL, value TEXT NOT NULL, retrieved TEXT NOT NULL, emptied TEXT,
        PRIMARY KEY (service, key)
    ) WITHOUT ROWID;
    CREATE TABLE claim (
        service TEXT, key TEXT, holder TEXT NOT NULL, ends REAL NOT NULL, PRIMARY KEY (service, key)
    ) WITHOUT ROWID;
    CREATE TABLE call (id INTEGER PRIMARY KEY, service TEXT NOT NULL, made REAL NOT NULL);
    CREATE INDEX call_made ON call (service, made);
    CREATE TABLE rest (service TEXT PRIMARY KEY, code TEXT NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
    PRAGMA application_id={_APPLICATION};
    PRAGMA user_version={_VERSION}
"""
_REMEMBER = (
    "INSERT INTO answer (service, key, kind, value, retrieved) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (service, key) DO UPDATE SET kind=excluded.kind, value=excluded.value, retrieved=excluded.retrieved, "
    "emptied=NULL"
)
# Nothing never takes the place of something. Two answers of one instant are ordered too: whichever file comes first,
# the outcome is the same.
_REMEMBER_NEWER = (
    f"{_REMEMBER} WHERE (excluded.value <> 'null', excluded.retrieved, excluded.kind, excluded.value)"
    " > (value <> 'null', retrieved, kind, value)"
)


class Reply(NamedTuple):
    """Hand over what a service said: JSON, or None where it has nothing; when, and whether that is out of date."""

    value: Any
    retrieved: date
    stale: bool


class _Question(NamedTuple):
    service: str
    key: str
    kind: str
    limit: tuple[int, float] | None
    began: datetime
    remember: bool


class _Answer(NamedTuple):
    """What is remembered; `emptied` is when the service last had nothing in its place."""

    kind: str
    text: str
    retrieved: datetime
    emptied: datetime | None = None

    @property
    def is_nothing(self) -> bool:
        return self.text == "null"

    @property
    def heard(self) -> datetime:
        """When the service last answered."""
        return self.emptied or self.retrieved

    def reply(self, *, stale: bool = False) -> Reply:
        return Reply(json.loads(self.text), self.retrieved.date(), stale or self.emptied is not None)


class _Claim(NamedTuple):
    holder: str
    call: int | None


class Reference:
    """The remembered answers of all services of one college.

    It may be used by several threads, and its file by several processes. `asked` counts the calls of each service in
    this process; `failures` says for each service what first went wrong in it: ``unavailable``, ``rate_limited`` or
    ``auth``, whoever met it. `met` counts the questions that met each of the three.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], datetime], keep_days: Mapping[str, int], offline: bool, refresh: bool,
        max_wait: float, sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        self.asked: Counter[str] = Counter()
        self.failures: dict[str, str] = {}
        self.met: Counter[str] = Counter()
        self._path = path
        self._clock = clock
        self._keep = {kind: timedelta(days=days) for kind, days in ({**KEEP_DAYS, **keep_days}).items()}
        self._offline = offline
        self._refresh = refresh
        self._max_wait = max_wait
        self._sleep = sleep
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._renewed: set[tuple[str, str]] = set()
        self._refused: dict[str, str] = {}
        self._failed: dict[tuple[str, str], str] = {}
        self._faltering: set[str] = set()

    @classmethod
    def open(
        cls, path: Path, *, clock: Callable[[], datetime], keep_days: Mapping[str, int] = {}, offline: bool = False,
        refresh: bool = False, max_wait: float = 30.0, sleep: Callable[[float], None] = time.sleep,
    ) -> Reference:  # fmt: skip
        """Open what is remembered in the file `path`, which is made when a service is first asked.

        `keep_days` stands in for `KEEP_DAYS`, kind by kind; 0 always asks. `offline` never asks; `refresh` asks once
        for everything that is fetched, however fresh. `max_wait` is in seconds: how long a call may wait for room in a
        service's limit. Raises `ConfigError` where the file is damaged, another program's, of a newer release or on a
        network share, or where `keep_days` names what is no kind.
        """
        for kind, days in keep_days.items():
            if kind not in KEEP_DAYS:
                raise ConfigError(unknown("[labour_market] keep_days", "kind", kind, KEEP_DAYS))
            if not 0 <= days <= 36_500:
                raise ConfigError(f"[labour_market] keep_days: {kind} needs a number of days from 0 to 36500.")
        try:
            refuse_network_share(path)
        except ConfigError as error:
            raise ConfigError(
                "[labour_market] cache is on a network share, where SQLite cannot keep data safe. Choose a file on a "
                "disk of this machine."
            ) from error
        reference = cls(
            path, clock=clock, keep_days=keep_days, offline=offline, refresh=refresh, max_wait=max_wait, sleep=sleep
        )
        with reference._existing():
            return reference

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Asking

    def fetch(
        self, service: str, key: str, kind: str, ask: Callable[[], Any], *, limit: tuple[int, float] | None = None,
        remember: bool = True,
    ) -> Reply:  # fmt: skip
        """Return what `service` says to the question `key`, asking it only where that is not remembered.

        `ask` makes one call and returns JSON, or None where the service has nothing. `limit` is a number of calls and
        the seconds in which a service takes no more; every question to it names the same, and its calls are made
        without trying again, since one is counted. `key` holds neither a secret nor anything about a learner. Where
        the service cannot be asked, or has nothing where it had something, the last answer is returned as `stale`;
        where there is none, raises what `ask` raised: `SourceUnavailable`, `RateLimited` or `AuthError`. Raises
        `ContractError` where the connector breaks the rules above. `remember=False` is for words that somebody typed:
        the service is always asked, and neither question nor answer is kept.
        """
        if kind not in self._keep:
            raise ContractError(f"{service} asks for the kind of fact '{kind}', which does not exist.")
        if limit is not None and not (limit[0] >= 1 and 0 < limit[1] < _DAY):
            raise ContractError(f"{service} names a limit that is not a number of calls and seconds of up to a day.")
        if not remember:
            key = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        question = _Question(service, key, kind, limit, self._now(), remember)
        answer = self._find(service, key)
        if answer is not None and (self._offline or self._is_fresh(question, answer)):
            return answer.reply(stale=self._offline and self._is_old(answer, kind))
        if self._offline:
            raise SourceUnavailable(f"{service} is not asked now, and has not been asked this before.")
        try:
            turn = self._turn(question)
            answer = turn if isinstance(turn, _Answer) else self._ask(question, turn, ask)
            return answer.reply()
        except (AuthError, SourceUnavailable) as error:
            with self._lock:
                self.failures.setdefault(service, _code(error))
                self.met[_code(error)] += 1
            answer = self._find(service, key)
            if answer is None:
                raise
            return answer.reply(stale=True)

    def _turn(self, question: _Question) -> _Answer | _Claim:
        """Wait until the question is ours to ask, and counted; or until somebody else has got the answer."""
        for_claim = for_limit = 0.0
        while True:
            with self._transaction() as db:
                answer = _find(db, question.service, question.key)
                if answer is not None and self._is_fresh(question, answer, waited=for_claim > 0):
                    return answer
                now = self._now().timestamp()
                self._refuse(db, question, now)
                claimed = for_claim < CLAIM_SECONDS and _is_claimed(db, question, now)
                wait = _POLL if claimed else _wait_for_room(db, question, now)
                if not wait:
                    return _claim(db, question, now)
            if claimed:
                for_claim += wait
            elif for_limit + wait > self._max_wait:
                raise RateLimited(
                    f"{question.service} has been asked as often as it allows; it can be asked again in "
                    f"{math.ceil(wait)} seconds.", retry_after=wait,
                )  # fmt: skip
            else:
                for_limit += wait
            self._sleep(wait)

    def _ask(self, question: _Question, claim: _Claim, ask: Callable[[], Any]) -> _Answer:
        service = question.service
        with self._lock:
            self.asked[service] += 1
        try:
            text = _as_json(service, ask())
        except BaseException as error:
            rest = self._rest_after(question, error)
            with self._given_back(question, claim) as (db, now):
                if rest is not None:
                    db.execute("INSERT OR REPLACE INTO rest VALUES (?, ?, ?)", (service, rest[0], now + rest[1]))
            raise
        answer = _Answer(question.kind, text, self._now())
        with self._given_back(question, claim) as (db, _):
            if question.remember:
                answer = _remember(db, service, question.key, answer)
                self._renewed.add((service, question.key))
            self._faltering.discard(service)
            db.execute("DELETE FROM rest WHERE service=?", (service,))
        return answer

    def _rest_after(self, question: _Question, error: BaseException) -> tuple[str, float] | None:
        """Take note of a call that failed; return the rest that its service needs, if any."""
        service = question.service
        if isinstance(error, AuthError):
            self._refused[service] = error.message
        elif isinstance(error, RateLimited):
            return _code(error), _rest_seconds(error)
        elif isinstance(error, SourceUnavailable):
            with self._lock:
                again = service in self._faltering
                self._faltering.add(service)
                self._failed[service, question.key] = error.message
            return (_code(error), REST_SECONDS) if again else None
        return None

    @contextmanager
    def _given_back(self, question: _Question, claim: _Claim) -> Iterator[tuple[sqlite3.Connection, float]]:
        """Give the question back once it was asked; more may be done in the same transaction."""
        with self._transaction() as db:
            now = self._now().timestamp()
            mine = (question.service, question.key, claim.holder)
            db.execute("DELETE FROM claim WHERE service=? AND key=? AND holder=?", mine)
            # The service may have counted the call at any time until now: it counts in full from here.
            db.execute("UPDATE call SET made=? WHERE id=?", (now, claim.call))
            yield db, now

    def _refuse(self, db: sqlite3.Connection, question: _Question, now: float) -> None:
        """Raise where the service is left alone, or the question failed before."""
        service = question.service
        if service in self._refused:
            raise AuthError(self._refused[service])
        found = db.execute("SELECT code, ends FROM rest WHERE service=?", (service,)).fetchone()
        left = found[1] - now if found else 0.0
        if 0 < left <= _DAY:
            if found[0] == "rate_limited":
                message = f"{service} asked for patience shortly before and is left alone for {_minutes(left)}."
                raise RateLimited(message, retry_after=left)
            raise SourceUnavailable(f"{service} did not answer shortly before and is left alone for {_minutes(left)}.")
        if (service, question.key) in self._failed:
            raise SourceUnavailable(self._failed[service, question.key])

    def _is_fresh(self, question: _Question, answer: _Answer, *, waited: bool = False) -> bool:
        if waited and answer.heard >= question.began:
            return True  # somebody asked while we stood in line
        if self._refresh:
            return (question.service, question.key) in self._renewed
        return not self._is_old(answer, question.kind)

    def _is_old(self, answer: _Answer, kind: str) -> bool:
        keep = self._keep.get(kind, timedelta(0))
        if answer.is_nothing or answer.emptied is not None:
            keep = min(keep, timedelta(days=NOTHING_DAYS))
        return not -timedelta(days=1) < self._now() - answer.heard < keep

    # What is remembered

    def peek(self, service: str, key: str) -> Reply | None:
        """Return what is remembered, without asking."""
        answer = self._find(service, key)
        return answer.reply(stale=self._is_old(answer, answer.kind)) if answer else None

    def entries(self) -> Iterator[tuple[str, str, str, datetime]]:
        """Yield the service, key, kind and UTC instant of everything that is remembered."""
        with self._existing() as db:
            found = db.execute("SELECT service, key, kind, retrieved FROM answer").fetchall() if db else []
        for service, key, kind, retrieved in found:
            yield service, key, kind, datetime.fromisoformat(retrieved)

    def forget(self, service: str | None = None) -> int:
        """Forget every answer, or those of one service, and that it needs a rest; return how many answers there were.

        How often a service was asked is kept, since its limit goes on.
        """
        with self._existing() as db:
            if db is None:
                return 0
            self._failed.clear()
            self._faltering.clear()
            db.execute("DELETE FROM rest WHERE service=coalesce(?, service)", (service,))
            return db.execute("DELETE FROM answer WHERE service=coalesce(?, service)", (service,)).rowcount

    def export(self, path: Path) -> int:
        """Write everything that is remembered into one file for another machine; return how many answers.

        The file is there whole or not at all. Raises `ConfigError` where it cannot be written.
        """
        with self._existing() as db:
            return write_export(path, self._now(), _answers(db) if db else ())

    def import_(self, path: Path) -> tuple[int, int]:
        """Take in an export: the newest answer to each question stays. Return how many were taken, and how many not.

        All of it is taken in, or nothing. Raises `ConfigError` where the file cannot be read, is no export, is one of a
        newer release, is packed far more tightly than an export is, or has a line that is wrong.
        """
        taken = older = 0
        with read_export(path, not_after=self._now() + timedelta(days=1)) as answers, self._transaction() as db:
            for answer in answers:
                changed = db.execute(_REMEMBER_NEWER, answer).rowcount
                taken, older = taken + changed, older + 1 - changed
        return taken, older

    # The file

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def _find(self, service: str, key: str) -> _Answer | None:
        with self._existing() as db:
            return _find(db, service, key) if db else None

    @contextmanager
    def _existing(self) -> Iterator[sqlite3.Connection | None]:
        """Give the connection, or None where there is no file: only asking makes one."""
        with self._lock:
            if self._db is None and not _is_there(self._path):
                yield None
                return
            with self._told():
                yield self._connection()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction that no other process writes beside."""
        with self._lock, self._told():
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.commit()
            except BaseException:
                db.rollback()
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _unusable(self._path, str(error)) from error

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            _make_private(self._path)
            db = sqlite3.connect(self._path, timeout=60.0, isolation_level=None, check_same_thread=False)
            try:
                _prepare(db, self._path)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db


def _unusable(path: Path, why: str | None) -> ConfigError:
    return ConfigError(
        f"The file {path}, in which labour market information is remembered, cannot be used: {why}. Check that its "
        "folder can be written. A damaged file can be deleted: what was in it is asked for again, or imported anew "
        "from an export."
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # in a folder that is closed to us: opening it says so


def _make_private(path: Path) -> None:
    """Make the file readable by the service account alone; SQLite gives its side files the same rights."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            if sys.platform != "win32":
                path.chmod(0o600)  # whatever the umask says
    except OSError as error:
        raise _unusable(path, error.strerror) from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA synchronous=NORMAL")  # survives a killed process; a power cut may cost the last answer
    db.execute("BEGIN IMMEDIATE")
    application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if application != _APPLICATION and (version or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]):
        raise ConfigError(
            f"[labour_market] cache names {path}, which is another program's file. Name one that does not exist yet."
        )
    if version > _VERSION:
        raise ConfigError(
            f"The file {path}, in which labour market information is remembered, was written by a newer release of "
            "Fingerpost. Install that release again, or delete the file: what was in it is asked for again, or "
            "imported anew from an export."
        )
    if not version:
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
    db.commit()
    with suppress(sqlite3.OperationalError):  # in use just now: it is a property of the file, and the next one sets it
        db.execute("PRAGMA journal_mode=WAL")


def _find(db: sqlite3.Connection, service: str, key: str) -> _Answer | None:
    select = "SELECT kind, value, retrieved, emptied FROM answer WHERE service=? AND key=?"
    found = db.execute(select, (service, key)).fetchone()
    if found is None:
        return None
    kind, text, retrieved, emptied = found
    return _Answer(kind, text, datetime.fromisoformat(retrieved), datetime.fromisoformat(emptied) if emptied else None)


def _remember(db: sqlite3.Connection, service: str, key: str, answer: _Answer) -> _Answer:
    """Keep an answer and return it; or, where it is nothing in place of something, what was said before."""
    before = _find(db, service, key)
    if answer.is_nothing and before is not None and not before.is_nothing:
        age = answer.retrieved - before.retrieved
        if -timedelta(days=1) < age < timedelta(days=OUTLIVES_NOTHING_DAYS):
            emptied = instant_text(answer.retrieved)
            db.execute("UPDATE answer SET emptied=? WHERE service=? AND key=?", (emptied, service, key))
            return before._replace(emptied=answer.retrieved)
    db.execute(_REMEMBER, (service, key, answer.kind, answer.text, instant_text(answer.retrieved)))
    return answer


def _answers(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    for *texts, value in db.execute("SELECT service, key, kind, retrieved, value FROM answer"):
        yield dict(zip(("service", "key", "kind", "retrieved"), texts, strict=True)) | {"value": json.loads(value)}


def _is_claimed(db: sqlite3.Connection, question: _Question, now: float) -> bool:
    found = db.execute(
        "SELECT 1 FROM claim WHERE service=? AND key=? AND ends>?", (question.service, question.key, now)
    )
    return found.fetchone() is not None


def _wait_for_room(db: sqlite3.Connection, question: _Question, now: float) -> float:
    """Return the seconds until one more call keeps the limit. A call far in the future is a clock's fault."""
    if question.limit is None:
        return 0.0
    calls, seconds = question.limit
    found = db.execute(
        "SELECT made FROM call WHERE service=? AND made>? AND made<=? ORDER BY made DESC LIMIT 1 OFFSET ?",
        (question.service, now - seconds, now + _DAY, calls - 1),
    ).fetchone()
    return max(found[0] + seconds - now, 0.001) if found else 0.0


def _claim(db: sqlite3.Connection, question: _Question, now: float) -> _Claim:
    """Make the question ours, and count the call before it is made: a process killed in it has still made it."""
    service, key, limit = question.service, question.key, question.limit
    holder, call = uuid.uuid4().hex, None
    db.execute("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?)", (service, key, holder, now + CLAIM_SECONDS))
    if limit is not None:
        db.execute("DELETE FROM call WHERE service=? AND made NOT BETWEEN ? AND ?", (service, now - _DAY, now + _DAY))
        call = db.execute("INSERT INTO call (service, made) VALUES (?, ?)", (service, now)).lastrowid
    return _Claim(holder, call)


def _code(error: AuthError | SourceUnavailable) -> str:
    if isinstance(error, AuthError):
        return "auth"
    return "rate_limited" if isinstance(error, RateLimited) else "unavailable"


def _rest_seconds(error: RateLimited) -> float:
    return REST_LIMITED_SECONDS if error.retry_after is None else min(max(error.retry_after, 0.0), _DAY)


def _minutes(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes} more minute{'s' if minutes > 1 else ''}"


def _as_json(service: str, value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractError(f"The connector of {service} handed over an answer that is not JSON.") from error
