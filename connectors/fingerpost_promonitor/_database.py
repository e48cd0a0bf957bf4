"""Reach the databases of a college.

A `Database` can only be read: its session is read-only where the database has such a thing, and every transaction is
rolled back. Rows come in pages that are read whole before the first of them is handed on, so no statement and no lock
of ours outlives a page, and after a dropped connection one page is simply read again. A `WritableDatabase` is another
login, for write-back alone. Each statement of either has a time limit.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy import event, exc

from fingerpost import AuthError, ConfigError, FingerpostError, SourceUnavailable, call_with_retries
from fingerpost_promonitor._faults import Fault, cause_of, code_of, fault, first_day_advice, is_lost

if TYPE_CHECKING:
    from pydantic import SecretStr


PAGE: Final = 5_000
"""Rows of one page."""

_TRIES: Final = (0.5, 3.0)
"""Seconds to wait before a page is tried again after the connection was lost."""

_DRIVERS: Final = {"mssql": "mssql+pymssql", "postgresql": "postgresql+psycopg"}
"""Drivers of the extras, for an address that names none."""

_EXTRAS: Final = {"mssql": "mssql", "postgresql": "postgres"}


class Server:
    """One database server, or file, as one login reaches it.

    `label` names it in messages. A relative path of a SQLite file starts at `base_dir`.
    """

    read_only: ClassVar[bool]
    rights: ClassVar[str]
    """What the login lacks, as a sentence for whoever may grant it."""

    def __init__(self, address: str, password: SecretStr | None, *, timeout: float, base_dir: Path, label: str) -> None:
        url = sa.make_url(address)
        if password is not None:
            url = url.set(password=password.get_secret_value())
        if url.drivername in _DRIVERS:
            url = url.set(drivername=_DRIVERS[url.drivername])
        if url.get_backend_name() == "sqlite" and url.database not in (None, ":memory:"):
            url = url.set(database=str(base_dir / str(url.database)))
        self.url = url
        self.backend = url.get_backend_name()
        self.label = label
        self._timeout = timeout
        self._deadline = float("inf")

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine: one connection, which is tested before each use."""
        url, arguments = self.url, dict[str, Any]()
        if self.backend == "sqlite" and url.database and not Path(url.database).is_file():
            raise SourceUnavailable(f"{self.label}: there is no file {Path(url.database).name}. Check `url`.")
        if self.backend == "mssql":
            if url.get_driver_name() == "pymssql":
                arguments = {"timeout": int(self._timeout), "login_timeout": int(min(self._timeout, 30))}
            elif self.read_only and "ApplicationIntent" not in url.query:
                url = url.update_query_dict({"ApplicationIntent": "ReadOnly"})
        elif self.backend == "sqlite":
            arguments = {"timeout": self._timeout}
        elif self.backend == "postgresql" and "connect_timeout" not in url.query:
            arguments = {"connect_timeout": max(2, int(min(self._timeout, 30)))}
        try:
            engine = sa.create_engine(
                url, connect_args=arguments, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True
            )
        except (ModuleNotFoundError, ImportError, exc.NoSuchModuleError) as error:
            raise ConfigError(
                f"{self.label}: the driver that {url.drivername}:// needs is not installed{_how_to_install(url)}.",
                detail=type(error).__name__,
            ) from error
        event.listen(engine, "connect", self._connected)
        return engine

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    def explain(self, error: exc.SQLAlchemyError) -> FingerpostError:
        """Turn what the driver raised into a sentence that quotes nothing from the database."""
        cause = cause_of(error)
        known, sentence = first_day_advice(cause) or self._sentence(fault(error))
        detail = f"{type(error).__name__}: {type(cause).__name__} {code_of(cause) or ''}".strip()
        return known(f"{self.label}: {sentence}", detail=detail)

    def _sentence(self, kind: Fault) -> tuple[type[FingerpostError], str]:
        if kind == "late":
            return SourceUnavailable, (
                f"a statement took longer than {self._timeout:.0f} seconds. Set a larger timeout, or ask your database "
                "administrator why the tables answer slowly."
            )
        if kind == "login":
            return AuthError, "the server refused the login. Check `url` and `password`."
        if kind == "denied":
            return AuthError, self.rights
        if kind in ("lost", "busy"):
            return SourceUnavailable, (
                "the database cannot be reached or stopped answering. Check `url` and whether the server is running."
            )
        return ConfigError, (
            "the database refused a statement. Run fingerpost check; if you configured a query of your own, try it in "
            "Management Studio."
        )

    def _connected(self, connection: Any, _record: object) -> None:
        """Set the time limits of a new connection."""
        if self.backend == "sqlite":
            connection.set_progress_handler(lambda: time.monotonic() > self._deadline, 10_000)
        elif self.backend == "postgresql":
            self._outside_transaction(connection, f"SET statement_timeout = {int(self._timeout * 1000)}")
        elif self.backend == "mssql" and hasattr(connection, "timeout"):
            connection.timeout = int(self._timeout)

    @staticmethod
    def _outside_transaction(connection: Any, statement: str) -> None:
        """Execute a statement outside any transaction, so that no rollback takes it back."""
        before, connection.autocommit = connection.autocommit, True
        connection.execute(statement)
        connection.autocommit = before

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction that ends with a rollback unless it was committed; errors come out as they are."""
        with self.engine.connect() as connection:
            self._start_clock()
            yield connection

    @contextlib.contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a transaction that ends with a rollback; errors come out as sentences."""
        try:
            with self.transaction() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            raise self.explain(error) from error

    def _start_clock(self) -> None:
        self._deadline = time.monotonic() + self._timeout


class Database(Server):
    """A database that is only read."""

    read_only = True
    rights = (
        "the login may not read a table. Ask your database administrator for SELECT on the tables that fingerpost "
        "check lists."
    )

    def page(self, statement: sa.Select[Any], values: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
        """Return all rows of a statement; where the connection is lost on the way, connect anew and ask again."""

        def ask() -> Sequence[sa.Row[Any]]:
            with self.transaction() as connection:
                return connection.execute(statement, values).all()

        try:
            return call_with_retries(ask, waits=_TRIES, when=is_lost)
        except exc.SQLAlchemyError as error:
            raise self.explain(error) from error

    def stream(self, statement: sa.Executable, values: Mapping[str, Any]) -> Iterator[sa.RowMapping]:
        """Yield the rows of a statement as the server gives them, in flat memory.

        It is for what has no key by which it could be cut into pages: a connection lost on the way ends the read.
        """
        with self.connect() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=1_000)
            for row in streaming.execute(statement, values).mappings():
                self._start_clock()
                yield row

    def _connected(self, connection: Any, record: object) -> None:
        super()._connected(connection, record)
        if self.backend == "sqlite":
            connection.execute("PRAGMA query_only=ON")
        elif self.backend == "postgresql":
            self._outside_transaction(connection, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")


class WritableDatabase(Server):
    """A database that write-back writes to, with the login that may."""

    read_only = False
    rights = (
        "the login may not do what write-back needs. Ask your database administrator for the rights that fingerpost "
        "check lists."
    )

    def _connected(self, connection: Any, record: object) -> None:
        super()._connected(connection, record)
        if self.backend == "sqlite":
            connection.isolation_level = None  # Python would begin too late to keep others out

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine; on SQLite a transaction shuts other writers out from its beginning."""
        engine = super().engine
        if self.backend == "sqlite":
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine


def _how_to_install(url: sa.URL) -> str:
    """Return the end of a sentence about a missing driver: what to do about it."""
    extra = _EXTRAS.get(url.get_backend_name())
    if extra is None:
        return ""
    ours = _DRIVERS[url.get_backend_name()]
    how = f"run pip install 'fingerpost[{extra}]'"
    if url.drivername == ours or (url.get_driver_name() == "pyodbc" and os.name == "nt"):
        return f": {how}"
    return f", and fingerpost[{extra}] does not bring it to this machine: write {ours}:// in `url`, and {how}"
