"""Classify the errors of database drivers: by number on SQL Server, by words elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from sqlalchemy import exc

from fingerpost import AuthError, ConfigError, FingerpostError

Fault: TypeAlias = Literal["late", "login", "denied", "busy", "lost", "refused"]
"""What went wrong: too slow, login refused, not allowed, locked by others, out of reach, or the statement refused."""

_WORDS: Final[dict[Fault, tuple[str, ...]]] = {
    "login": ("login failed", "authentication failed", "no password supplied", "cannot open database"),
    "denied": ("permission denied", "permission was denied", "not authorized", "readonly database"),
    "busy": ("is locked", "deadlock", "lock timeout", "lock request time out", "could not serialize"),
}
_TIMED_OUT: Final = ("statement timeout", "query timeout", "timed out", "timeout expired", "hyt00", "interrupted")
_NO_DRIVER: Final = ("[im002]", "can't open lib")
_NO_TRUST: Final = ("ssl provider", "certificate")
_SQLITE_ERROR: Final = 1

# SQL Server gives a number, and words in the language of the login that may quote data: only the number counts. Those
# from 20000 are of the library below pymssql. The class of the error says little: nearly all are "operational" there.
_NO_ANSWER: Final = 20003
_NO_USER: Final = 916
_NO_DATABASE: Final = 911
_UPGRADING: Final = 18401
_NUMBERS: Final[dict[Fault, frozenset[int]]] = {
    "login": frozenset({4060, 4064, *range(18400, 18500), 20014}) - {_UPGRADING},
    "denied": frozenset({229, 230, 262, 297, 300, 15247, _NO_USER}),
    "busy": frozenset({1205, 1222, 3960}),
    "lost": frozenset(
        {
            53, 64, 121, 233, 258, 10053, 10054, 10060, 10061, 11001,  # the network
            20002, *range(20004, 20014), 20015, 20016, 20017, 20019, 20020, 20047,  # what FreeTDS reports of it
            596, 701, 1105, 6005, 8645, 9001, 9002, 17142, _UPGRADING,  # the server stops, or has no room
            921, 922, 924, 927, 942, 976, 978, 983,  # the database is being restored, or is with another server
        }
    ),
}  # fmt: skip


def fault(error: exc.SQLAlchemyError) -> Fault:
    """Classify an error: a statement was refused unless it is known to be something else."""
    cause = cause_of(error)
    number, words = _number(cause), str(cause).casefold()
    if number is not None:
        return _fault_of_sql_server(number, error)
    if _is_not_set_up(words):
        return "refused"
    if _contains(words, _TIMED_OUT) and "connect" not in words:
        return "late"
    for kind, said in _WORDS.items():
        if _contains(words, said):
            return kind
    if getattr(cause, "sqlite_errorcode", None) == _SQLITE_ERROR:
        return "refused"
    return "lost" if isinstance(error, exc.OperationalError | exc.InterfaceError) else "refused"


def _fault_of_sql_server(number: int, error: exc.SQLAlchemyError) -> Fault:
    if number == _NO_ANSWER:  # while it connects, or ends a transaction, there is no statement that could be slow
        return "lost" if getattr(error, "statement", None) is None else "late"
    for kind, numbers in _NUMBERS.items():
        if number in numbers:
            return kind
    return "lost" if getattr(error, "connection_invalidated", False) else "refused"


def is_lost(error: BaseException) -> bool:
    """Say whether it was the connection that failed, and not the statement: one that took too long would do so again.

    SQLAlchemy takes both for lost connections, as neither can be used any more.
    """
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated and fault(error) == "lost"


def first_day_advice(cause: BaseException) -> tuple[type[FingerpostError], str] | None:
    """Return the next step for a machine or login that was never set up; None for any other error."""
    number, words = _number(cause), str(cause)
    if number == _NO_USER:
        return AuthError, (
            f"the login may sign in, but has no user in the database{_database_named_in(words)}. Ask your database "
            "administrator for CREATE USER for this login there, and for the rights that fingerpost check lists."
        )
    if number == _NO_DATABASE:
        return ConfigError, (
            f"the server has no database{_database_named_in(words)}. Correct its name in `schemas` or `url`; your "
            "database administrator knows what it is called."
        )
    if number is not None or not _is_not_set_up(words.casefold()):
        return None
    if _contains(words.casefold(), _NO_DRIVER):
        return ConfigError, (
            "this machine lacks the ODBC driver that `url` names. Install Microsoft's ODBC Driver 18 for SQL Server, "
            "and end `url` with ?driver=ODBC+Driver+18+for+SQL+Server."
        )
    return ConfigError, (
        "this machine does not trust the server's certificate. Have your server administrator install one that it "
        "trusts. In a protected network you may end `url` with &TrustServerCertificate=yes; then nothing verifies "
        "which server answers."
    )


def _is_not_set_up(words: str) -> bool:
    return _contains(words, _NO_DRIVER) or all(part in words for part in _NO_TRUST)


def _contains(words: str, parts: Iterable[str]) -> bool:
    return any(part in words for part in parts)


_DATABASE_NAME: Final = re.compile(r"""[Dd]atabase ["']([^"'\\]{1,128})["']""")


def _database_named_in(words: str) -> str:
    found = _DATABASE_NAME.search(words)
    return f" {found[1]}" if found else ""


def cause_of(error: exc.SQLAlchemyError) -> BaseException:
    """Return what the driver raised."""
    return getattr(error, "orig", None) or error


def code_of(cause: BaseException) -> str | int | None:
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
    """Yield the numbers among arguments, and among those within them: pymssql nests them, but not always."""
    for arg in args:
        if isinstance(arg, int):
            yield arg
        elif isinstance(arg, tuple):
            yield from _whole_numbers(arg)
