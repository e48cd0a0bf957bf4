"""Reach the databases of a college.

Through a `Database` nothing but reading can happen: the session is made read-only where the database knows such a
thing, and every transaction is rolled back. Rows come in pages that are read whole before the first of them is handed
on, so no statement and no lock of ours outlives a page, and a dropped connection costs one page that is simply read
again. A `WritableDatabase` is another login, for write-back alone. Each statement of either has a time limit.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

import sqlalchemy as sa

from fingerpost import AuthError, ConfigError, FingerpostError, SourceUnavailable

if TYPE_CHECKING:
    from pydantic import SecretStr


Fault: TypeAlias = Literal["late", "login", "denied", "busy", "lost", "refused"]
"""What a database may answer: too slow, not let in, not allowed, locked by others, out of reach, or a plain no."""

PAGE: Final = 5_000
"""Rows of one page."""

_TRIES: Final = (0.5, 3.0)
"""Seconds to wait before a page is tried again after the connection was lost."""

_DRIVERS: Final = {"mssql": "mssql+pymssql", "postgresql": "postgresql+psycopg"}
"""Drivers of the extras, for an address that names none."""

_EXTRAS: Final = {"mssql": "mssql", "postgresql": "postgres"}


class Server:
    """One database server, or file, as one login reaches it.

    `label` names it in sentences. A relative path of a SQLite file starts at `base_dir`.
    """

    read_only: ClassVar[bool]
    rights: ClassVar[str]
    """What the login needs, as a sentence for whoever may grant it."""

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
        except (ModuleNotFoundError, ImportError, sa.exc.NoSuchModuleError) as error:
            raise ConfigError(
                f"{self.label}: the driver that {url.drivername}:// needs is not installed{_how_to_install(url)}.",
                detail=type(error).__name__,
            ) from error
        sa.event.listen(engine, "connect", self._connected)
        return engine

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    def told(self, error: sa.exc.SQLAlchemyError) -> FingerpostError:
        """Turn what the driver raised into a sentence that holds nothing of what was read."""
        cause = _cause(error)
        detail = f"{type(error).__name__}: {type(cause).__name__} {_code(cause) or ''}".strip()
        kind = fault(error)
        usual = _usual(cause)
        if usual is not None:
            wrong, sentence = usual
            return wrong(f"{self.label}: {sentence}", detail=detail)
        if kind == "late":
            return SourceUnavailable(
                f"{self.label}: a statement took longer than {self._timeout:.0f} seconds. Set a larger timeout, or ask "
                "your database administrator why the tables answer slowly.",
                detail=detail,
            )
        if kind == "login":
            return AuthError(
                f"{self.label}: the server does not let the login in. Check `url` and `password`.", detail=detail
            )
        if kind == "denied":
            return AuthError(f"{self.label}: {self.rights}", detail=detail)
        if kind in ("lost", "busy"):
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
        """Set the time limits of a new connection."""
        if self.backend == "sqlite":
            connection.set_progress_handler(self._is_late, 10_000)
        elif self.backend == "postgresql":
            self._at_once(connection, f"SET statement_timeout = {int(self._timeout * 1000)}")
        elif self.backend == "mssql" and hasattr(connection, "timeout"):
            connection.timeout = int(self._timeout)

    @staticmethod
    def _at_once(connection: Any, statement: str) -> None:
        """Execute a statement outside any transaction, so that no rollback takes it back."""
        before, connection.autocommit = connection.autocommit, True
        connection.execute(statement)
        connection.autocommit = before

    def _start_clock(self) -> None:
        self._deadline = time.monotonic() + self._timeout

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline


class Database(Server):
    """A database that is read, and nothing else."""

    read_only = True
    rights = (
        "the login may not read a table. Ask your database administrator for SELECT on the tables that fingerpost "
        "check lists."
    )

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

    def _connected(self, connection: Any, record: object) -> None:
        super()._connected(connection, record)
        if self.backend == "sqlite":
            connection.execute("PRAGMA query_only=ON")
        elif self.backend == "postgresql":
            self._at_once(connection, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")


class WritableDatabase(Server):
    """A database that write-back writes to, with the login that may."""

    read_only = False
    rights = (
        "the login may not do what write-back needs. Ask your database administrator for the rights that fingerpost "
        "check lists."
    )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction that ends with a rollback unless it was committed; errors come out as they are."""
        with self.engine.connect() as connection:
            self._start_clock()
            yield connection

    def _connected(self, connection: Any, record: object) -> None:
        super()._connected(connection, record)
        if self.backend == "sqlite":
            connection.isolation_level = None  # Python would begin where it likes, and too late to keep others out

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine; on SQLite a transaction shuts other writers out from its beginning."""
        engine = super().engine
        if self.backend == "sqlite":
            sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine


def _how_to_install(url: sa.URL) -> str:
    """Return the end of a sentence that says a driver is not there: what to do about it."""
    extra = _EXTRAS.get(url.get_backend_name())
    if extra is None:
        return ""
    usual = _DRIVERS[url.get_backend_name()]
    how = f"run pip install 'fingerpost[{extra}]'"
    if url.drivername == usual or (url.get_driver_name() == "pyodbc" and os.name == "nt"):
        return f": {how}"
    return f", and fingerpost[{extra}] does not bring it to this machine: write {usual}:// in `url`, and {how}"


_TIMED_OUT: Final = ("statement timeout", "query timeout", "timed out", "timeout expired", "hyt00", "interrupted")
_NOT_LET_IN: Final = ("login failed", "authentication failed", "no password supplied", "cannot open database")
_NOT_ALLOWED: Final = ("permission denied", "permission was denied", "not authorized", "readonly database")
_LOCKED: Final = ("is locked", "deadlock", "lock timeout", "lock request time out", "could not serialize")
_SQLITE_SAYS_NO: Final = 1
_NO_DRIVER: Final = ("[im002]", "can't open lib")
_NO_TRUST: Final = ("ssl provider", "certificate")

# SQL Server says a number, and words in the language of the login that may quote data: only the number counts. Those
# from 20000 are of the library below pymssql. The class of the error says little: nearly all are "operational" there.
_NO_ANSWER: Final = 20003
_NO_USER: Final = 916
_NO_DATABASE: Final = 911
_UPGRADING: Final = 18401
_NOT_LET_IN_NUMBERS: Final = frozenset({4060, 4064, *range(18400, 18500), 20014}) - {_UPGRADING}
_NOT_ALLOWED_NUMBERS: Final = frozenset({229, 230, 262, 297, 300, 15247, _NO_USER})
_LOCKED_NUMBERS: Final = frozenset({1205, 1222, 3960})
_LOST_NUMBERS: Final = frozenset(
    {
        53, 64, 121, 233, 258, 10053, 10054, 10060, 10061, 11001,  # the network
        20002, *range(20004, 20014), 20015, 20016, 20017, 20019, 20020, 20047,  # what FreeTDS says of it
        596, 701, 1105, 6005, 8645, 9001, 9002, 17142, _UPGRADING,  # the server stops, or has no room
        921, 922, 924, 927, 942, 976, 978, 983,  # the database is being restored, or is with another server
    }
)  # fmt: skip


def fault(error: sa.exc.SQLAlchemyError) -> Fault:
    """Say what kind of no an error is."""
    cause = _cause(error)
    number, said = _number(cause), str(cause).casefold()
    if number is not None:
        return _fault_of_sql_server(number, error)
    if _is_not_set_up(said):
        return "refused"
    if any(words in said for words in _TIMED_OUT) and "connect" not in said:
        return "late"
    if any(words in said for words in _NOT_LET_IN):
        return "login"
    if any(words in said for words in _NOT_ALLOWED):
        return "denied"
    if any(words in said for words in _LOCKED):
        return "busy"
    if getattr(cause, "sqlite_errorcode", None) == _SQLITE_SAYS_NO:
        return "refused"
    return "lost" if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) else "refused"


def _fault_of_sql_server(number: int, error: sa.exc.SQLAlchemyError) -> Fault:
    """Say what kind of no a numbered error is: a statement was refused unless it is known to be something else."""
    if number == _NO_ANSWER:  # while it connects, or ends a transaction, there is no statement that could be slow
        return "lost" if getattr(error, "statement", None) is None else "late"
    if number in _NOT_LET_IN_NUMBERS:
        return "login"
    if number in _NOT_ALLOWED_NUMBERS:
        return "denied"
    if number in _LOCKED_NUMBERS:
        return "busy"
    if number in _LOST_NUMBERS or getattr(error, "connection_invalidated", False):
        return "lost"
    return "refused"


def _usual(cause: BaseException) -> tuple[type[FingerpostError], str] | None:
    """Return the next step for what usually goes wrong on the first day."""
    number, said = _number(cause), str(cause)
    if number == _NO_USER:
        return AuthError, (
            f"the login may sign in, but has no user in the database{_named_in(said)}. Ask your database administrator "
            "for CREATE USER for this login there, and for the rights that fingerpost check lists."
        )
    if number == _NO_DATABASE:
        return ConfigError, (
            f"the server has no database{_named_in(said)}. Correct its name in `schemas` or `url`; your database "
            "administrator knows what it is called."
        )
    if number is not None or not _is_not_set_up(said.casefold()):
        return None
    if any(words in said.casefold() for words in _NO_DRIVER):
        return ConfigError, (
            "this machine has no ODBC driver of the name in `url`. Install Microsoft's ODBC Driver 18 for SQL Server, "
            "and end `url` with ?driver=ODBC+Driver+18+for+SQL+Server."
        )
    return ConfigError, (
        "this machine does not trust the server's certificate. Have your server administrator install one that it "
        "trusts. In a protected network you may end `url` with &TrustServerCertificate=yes; then nothing verifies "
        "which server answers."
    )


def _is_not_set_up(said: str) -> bool:
    return any(words in said for words in _NO_DRIVER) or all(words in said for words in _NO_TRUST)


_DATABASE_NAME: Final = re.compile(r"""[Dd]atabase ["']([^"'\\]{1,128})["']""")


def _named_in(said: str) -> str:
    found = _DATABASE_NAME.search(said)
    return f" {found[1]}" if found else ""


def _cause(error: sa.exc.SQLAlchemyError) -> BaseException:
    return getattr(error, "orig", None) or error


def _code(cause: BaseException) -> str | int | None:
    """Return the number of SQL Server, or the SQLSTATE of another database, if there is one."""
    state: str | None = getattr(cause, "sqlstate", None)
    return state or _number(cause)


_ODBC_NUMBER: Final = re.compile(r"\((\d+)\) \(SQL")
"""Where an ODBC driver puts the server's number; 0 and less are errors of its own."""


def _number(cause: BaseException) -> int | None:
    """Return the number of an error of SQL Server, or None."""
    if type(cause).__module__.partition(".")[0] == "pymssql":
        return next(_whole_numbers(cause.args), None)
    found = _ODBC_NUMBER.search(str(cause))
    return int(found[1]) or None if found else None


def _whole_numbers(args: Iterable[object]) -> Iterator[int]:
    """Yield the numbers among arguments, and among those within them: pymssql gives now the one, now the other."""
    for arg in args:
        if isinstance(arg, int):
            yield arg
        elif isinstance(arg, tuple):
            yield from _whole_numbers(arg)


def _is_lost(error: sa.exc.DBAPIError) -> bool:
    """Say whether it was the connection that failed, and not the statement: one that took too long would do so again.

    SQLAlchemy takes both for lost connections, as neither can be used any more.
    """
    return error.connection_invalidated and fault(error) == "lost"
