"""Reach the databases of a college to read them, and nothing else.

Reading is all that can happen here: the session is made read-only where the database knows such a thing, every
transaction is rolled back, and each statement has a time limit. Rows come in pages that are read whole before the
first of them is handed on, so no statement and no lock of ours outlives a page, and a dropped connection costs one page
that is simply read again.
"""

from __future__ import annotations

import contextlib
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from fingerpost import AuthError, ConfigError, FingerpostError, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import SecretStr

__all__ = ["PAGE", "Database"]

PAGE: Final = 5_000
"""Rows of one page."""

_TRIES: Final = (0.5, 3.0)
"""Seconds to wait before a page is tried again after the connection was lost."""

_DRIVERS: Final = {"mssql": "mssql+pymssql", "postgresql": "postgresql+psycopg"}
"""Drivers of the extras, for an address that names none."""

_EXTRAS: Final = {"mssql": "mssql", "postgresql": "postgres"}


class Database:
    """One database server, or file, that is read with one login.

    `label` names it in sentences. A relative path of a SQLite file starts at `base_dir`.
    """

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
            raise SourceUnavailable(f"{self.label}: there is no file {Path(url.database).name}; check `url`.")
        if self.backend == "mssql":
            if url.get_driver_name() == "pymssql":
                arguments = {"timeout": int(self._timeout), "login_timeout": int(min(self._timeout, 30))}
            elif "ApplicationIntent" not in url.query:
                url = url.update_query_dict({"ApplicationIntent": "ReadOnly"})
        try:
            engine = sa.create_engine(
                url, connect_args=arguments, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True
            )
        except (ModuleNotFoundError, ImportError, sa.exc.NoSuchModuleError) as error:
            extra = _EXTRAS.get(self.backend)
            how = f": run pip install 'fingerpost[{extra}]'" if extra else ""
            raise ConfigError(
                f"{self.label}: the driver that {url.drivername}:// needs is not installed{how}.",
                detail=type(error).__name__,
            ) from error
        sa.event.listen(engine, "connect", self._connected)
        return engine

    @property
    def is_read_only(self) -> bool:
        """Say whether the session itself refuses to write; on SQL Server only the login's rights do."""
        return self.backend in {"postgresql", "sqlite"}

    def close(self) -> None:
        """Close the connection; nothing was written, so nothing is lost."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    @contextlib.contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a transaction that ends with a rollback; errors come out as sentences."""
        try:
            with self.engine.connect() as connection:
                self._start_clock()
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise self.told(error) from error

    def page(self, statement: sa.Select[Any], values: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
        """Return all rows of a statement; where the connection is lost on the way, connect anew and ask again."""
        for wait in (*_TRIES, None):
            try:
                with self.engine.connect() as connection:
                    self._start_clock()
                    return connection.execute(statement, values).all()
            except sa.exc.DBAPIError as error:
                if wait is None or not _is_lost(error):
                    raise self.told(error) from error
            except sa.exc.SQLAlchemyError as error:
                raise self.told(error) from error
            time.sleep(wait)
        raise AssertionError

    def stream(self, statement: sa.Executable, values: Mapping[str, Any]) -> Iterator[sa.RowMapping]:
        """Yield the rows of a statement as the server gives them, in flat memory.

        It is for what has no key by which it could be cut into pages: a connection lost on the way ends the read.
        """
        with self.connect() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=1_000)
            for row in streaming.execute(statement, values).mappings():
                self._start_clock()
                yield row

    def told(self, error: sa.exc.SQLAlchemyError) -> FingerpostError:
        """Turn what the driver raised into a sentence that holds nothing of what was read."""
        cause = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None) or next((arg for arg in cause.args if isinstance(arg, int)), None)
        detail = f"{type(error).__name__}: {type(cause).__name__} {state or ''}".strip()
        said = str(cause).casefold()
        if any(words in said for words in _TIMED_OUT) and "connect" not in said:
            return SourceUnavailable(
                f"{self.label}: a statement took longer than {self._timeout:.0f} seconds. Set a larger timeout, or ask "
                "your database administrator why the tables answer slowly.",
                detail=detail,
            )
        if any(words in said for words in _NOT_LET_IN):
            return AuthError(
                f"{self.label}: the server does not let the login in. Check `url` and `password`.", detail=detail
            )
        if any(words in said for words in _NOT_ALLOWED):
            return AuthError(
                f"{self.label}: the login may not read a table. Ask your database administrator for SELECT on the "
                "tables that fingerpost check lists.",
                detail=detail,
            )
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) and not isinstance(
            error, sa.exc.ProgrammingError
        ):
            return SourceUnavailable(
                f"{self.label}: the database cannot be reached or gave up. Check `url` and whether the server runs.",
                detail=detail,
            )
        return ConfigError(
            f"{self.label}: the database refused a statement. Run fingerpost check; if you configured a query of your "
            "own, try it in Management Studio.",
            detail=detail,
        )

    def _connected(self, connection: Any, _record: object) -> None:
        if self.backend == "sqlite":
            connection.execute("PRAGMA query_only=ON")
            connection.set_progress_handler(self._is_late, 10_000)
        elif self.backend == "postgresql":
            before, connection.autocommit = connection.autocommit, True
            connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            connection.execute(f"SET statement_timeout = {int(self._timeout * 1000)}")
            connection.autocommit = before
        elif self.backend == "mssql" and hasattr(connection, "timeout"):
            connection.timeout = int(self._timeout)

    def _start_clock(self) -> None:
        self._deadline = time.monotonic() + self._timeout

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline


_TIMED_OUT: Final = ("statement timeout", "query timeout", "timed out", "timeout expired", "hyt00", "interrupted")
_NOT_LET_IN: Final = ("login failed", "authentication failed", "no password supplied", "cannot open database")
_NOT_ALLOWED: Final = ("permission denied", "permission was denied", "not authorized")


def _is_lost(error: sa.exc.DBAPIError) -> bool:
    """Say whether it was the connection that failed, and not the statement."""
    return error.connection_invalidated
