"""All differences between SQLite and PostgreSQL.

SQLite is the embedded default: WAL, `synchronous=FULL`, a local disk. PostgreSQL is reached by URL. The rest of the
store knows neither.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, event, exc, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import ExceptionContext

from fingerpost._contract.retry import call_with_retries
from fingerpost._store.refusals import refusal
from fingerpost._words.errors import ConfigError, LockHeld, StoreError

WAIT_SECONDS = 60.0
"""Seconds that SQLite waits while another program holds the store: longer than any transaction of our own."""

CACHE_KIB = 16_384
"""The page cache, in KiB: enough for a college's nightly rosters."""

CACHE_LARGE_KIB = 262_144
"""The page cache after the first checkpoint of a large stream: it halves the time to load it."""


class Dialect:
    """What one database does in its own way."""

    name: str

    def __init__(self, url: URL) -> None:
        self.url = url
        self.patience = WAIT_SECONDS

    @property
    def where(self) -> str:
        """Name the store for a message, without a password."""
        return self.url.render_as_string(hide_password=True)

    def engine(self) -> sa.Engine:
        """Make the engine; its connections begin transactions that may write, and raise `StoreError` with a sentence.

        What is a fault of ours, in a statement or a value, is raised as the driver's own error.
        """
        engine, where, waited = self._engine(), self.where, self.patience

        @event.listens_for(engine, "handle_error")
        def _refused(context: ExceptionContext) -> StoreError | None:
            # SQLAlchemy asks for every engine with the same dialect: a connector's database is not our store.
            is_ours = context.engine is None or context.engine.url == engine.url
            return refusal(where, waited, context) if is_ours else None

        return engine

    def _engine(self) -> sa.Engine:
        raise NotImplementedError

    def size_cache(self, connection: sa.Connection, *, large: bool) -> None:
        """Say how much of the store a connection may keep in memory: more while a stream writes a lot."""

    @contextlib.contextmanager
    def lock(self, connection: sa.Connection) -> Iterator[None]:
        """Hold the lock of the college, on the writing connection if the database can; raise `LockHeld`."""
        raise NotImplementedError
        yield

    def upsert(
        self,
        table: sa.Table,
        *,
        conflict: Sequence[str],
        keep: Sequence[str] = (),
        omit: Sequence[str] = (),
        null: Sequence[str] = (),
        stamp: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> str:
        """Return an upsert of whole rows for the driver's `executemany`, one positional parameter a column.

        A row whose `conflict` columns exist is updated except for the columns in `keep`. Two sorts of column take no
        parameter: those in `omit` are left to the database, those in `null` are set to null, because SQLite's driver
        binds a null far more slowly than a value. A column in `stamp` says when the columns named there last changed: a
        live row with the same values in them keeps its own.
        """
        stamps = tuple((name, tuple(of)) for name, of in stamp.items())
        key = (self.name, table.name, tuple(conflict), tuple(keep), tuple(omit), tuple(null), stamps)
        if key in _upserts:
            return _upserts[key]
        absent = {*omit, *null}
        names = [column.name for column in table.columns if column.name not in absent]
        statement = self.insert(table).values({name: sa.bindparam(name) for name in names})
        kept = {*conflict, *keep}
        changes = {name: statement.excluded[name] for name in names if name not in kept}
        changes |= dict.fromkeys(null, sa.null())
        for name, of in stamp.items():
            same = [table.c[one].is_not_distinct_from(changes[one]) for one in of]
            changes[name] = sa.case((sa.and_(table.c.deleted_run.is_(None), *same), table.c[name]), else_=changes[name])
        statement = statement.on_conflict_do_update(index_elements=[table.c[name] for name in conflict], set_=changes)
        return _upserts.setdefault(key, self.positional(statement, names))

    def insert_ignore(self, table: sa.Table) -> str:
        """Return an insert of whole rows that leaves existing rows alone, for `executemany`."""
        names = [column.name for column in table.columns]
        statement = self.insert(table).values({name: sa.bindparam(name) for name in names})
        return self.positional(statement.on_conflict_do_nothing(), names)

    def insert_from(self, table: sa.Table, names: Sequence[str], select: sa.SelectBase) -> sa.Insert:
        """Return an insert of what `select` finds that leaves existing rows alone."""
        statement: sa.Insert = self.insert(table).from_select(list(names), select).on_conflict_do_nothing()
        return statement

    def positional(self, statement: sa.ClauseElement, names: Sequence[str]) -> str:
        """Compile a statement to the driver's text with one positional parameter for each of `names`, in order."""
        compiled = statement.compile(dialect=self._compiler())
        order = list(getattr(compiled, "positiontup", None) or ())
        if order != list(names):
            message = f"parameters come out as {order}, not as {list(names)}"
            raise AssertionError(message)
        return str(compiled)

    def keys_among(self, keys: Sequence[str]) -> tuple[str, tuple[object, ...]]:
        """Return the text and parameters of the condition that `key` is one of `keys`."""
        raise NotImplementedError

    def insert(self, table: sa.Table) -> Any:
        """Return the database's own INSERT, which knows ON CONFLICT."""
        raise NotImplementedError

    def _compiler(self) -> sa.Dialect:
        raise NotImplementedError

    placeholder: str
    """How the driver marks a parameter."""

    sorts_like_python: bool
    """Whether text compares by code point, so that a range of sorted keys is a range of the index."""


class SqliteDialect(Dialect):
    """SQLite: one file, one writer, many readers."""

    name = "sqlite"
    placeholder = "?"
    sorts_like_python = True

    @property
    def where(self) -> str:
        """Name the store's file."""
        return self.url.database or ""

    def _engine(self) -> sa.Engine:
        """Make the engine; every transaction takes the write lock at once, so that none fails half way."""
        path = self.where
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder of the store {path} cannot be created: {error.strerror}.") from error
        engine = sa.create_engine(self.url, connect_args={"timeout": self.patience}, hide_parameters=True)

        @event.listens_for(engine, "connect")
        def _connected(connection: Any, _record: object) -> None:
            # SQLAlchemy begins transactions itself; the driver would commit behind its back.
            connection.isolation_level = None
            _write_ahead(connection, until=time.monotonic() + self.patience)
            for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", f"cache_size=-{CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            reads = connection.get_execution_options().get("fingerpost_reads", False)
            connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

        return engine

    def size_cache(self, connection: sa.Connection, *, large: bool) -> None:
        """Set the size of the page cache; SQLite frees what no longer fits."""
        connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE_LARGE_KIB if large else CACHE_KIB}")

    @contextlib.contextmanager
    def lock(self, connection: sa.Connection) -> Iterator[None]:
        """Hold an operating system's lock on a file beside the store."""
        import filelock

        lock = filelock.FileLock(f"{self.url.database}.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise LockHeld("Another run of this college is still going; this one did nothing.") from error
        try:
            yield
        finally:
            lock.release()

    def keys_among(self, keys: Sequence[str]) -> tuple[str, tuple[object, ...]]:
        """Return an IN list: SQLite takes more than 30,000 parameters."""
        return f"key IN ({','.join('?' * len(keys))})", tuple(keys)

    def insert(self, table: sa.Table) -> Any:
        """Return SQLite's INSERT."""
        return sqlite.insert(table)

    def _compiler(self) -> sa.Dialect:
        return sqlite.dialect(paramstyle="qmark")


def _write_ahead(connection: Any, *, until: float) -> None:
    """Switch to the write-ahead log; SQLite does not wait for it while another process makes the same new file.

    Where it did wait, because another program holds the whole store, the waiting is over at `until`.
    """
    call_with_retries(
        lambda: connection.execute("PRAGMA journal_mode=WAL"),
        waits=(0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        when=lambda error: isinstance(error, sqlite3.OperationalError) and time.monotonic() < until,
    )


class PostgresDialect(Dialect):
    """PostgreSQL: one schema for each college."""

    name = "postgresql"
    placeholder = "%s"
    sorts_like_python = False

    def _engine(self) -> sa.Engine:
        """Make the engine, with the driver of the extra `postgres`."""
        try:
            return sa.create_engine(
                self.url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True
            )
        except ModuleNotFoundError as error:
            raise ConfigError(
                "[store] url names PostgreSQL, whose driver is not installed: run pip install 'fingerpost[postgres]'."
            ) from error

    @contextlib.contextmanager
    def lock(self, connection: sa.Connection) -> Iterator[None]:
        """Hold an advisory lock of the server, named by the schema, on the connection that writes.

        Lock and transactions end together: if the server drops this connection, nothing more can be committed on it,
        and another run may begin.
        """
        key = sa.func.hashtext(sa.func.current_database() + "/" + sa.func.current_schema())
        with connection.begin():
            got = connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK_CLASS, key)))
        if not got:
            raise LockHeld("Another run of this college is still going; this one did nothing.")
        try:
            yield
        finally:
            if not connection.invalidated:
                if connection.in_transaction():
                    connection.rollback()
                with contextlib.suppress(exc.DBAPIError, StoreError), connection.begin():
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK_CLASS, key)))

    def keys_among(self, keys: Sequence[str]) -> tuple[str, tuple[object, ...]]:
        """Return an array: one parameter, whatever its length."""
        return "key = ANY(%s)", (list(keys),)

    def insert(self, table: sa.Table) -> Any:
        """Return PostgreSQL's INSERT."""
        from sqlalchemy.dialects import postgresql  # slow to import, and rarely needed

        return postgresql.insert(table)

    def _compiler(self) -> sa.Dialect:
        from sqlalchemy.dialects import postgresql

        return postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


_upserts: dict[tuple[object, ...], str] = {}
"""The upserts compiled so far: compiling one takes as long as writing a thousand rows or so."""

_LOCK_CLASS = 0x46504F53
"""The class of our advisory locks ("FPOS"), so that they collide with no other program's."""


def dialect_for(address: str | Path) -> Dialect:
    """Return the dialect of a store: a path means SQLite, an address PostgreSQL."""
    if isinstance(address, Path):
        return SqliteDialect(URL.create("sqlite+pysqlite", database=str(address)))
    try:
        url = make_url(address)
    except (exc.ArgumentError, ValueError) as error:  # ValueError: a port that is not a number
        raise ConfigError("[store] url is not an address: write postgresql://user@server/database.") from error
    if url.get_backend_name() != "postgresql":
        raise ConfigError(
            f"[store] url begins with {url.get_backend_name()}://, but only postgresql:// is supported; "
            "for SQLite write [store] path instead."
        )
    return PostgresDialect(url)
