"""Say in a sentence why the database refuses: another program holds it, it was lost, or it cannot be used.

It is asked once, by the engine, for every error of a driver: no caller has to know what drivers raise.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from fingerpost._words.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext


class StoreHeld(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """Report that another program holds the store open: it can be used again once that one lets go."""


def refusal(where: str, waited: float, context: ExceptionContext) -> StoreError | None:
    """Return the error for IT, or None for a fault in a statement or a value, which is ours.

    `where` names the store, `waited` is how many seconds SQLite waits for another program.
    """
    error = context.original_exception
    if context.is_pre_ping:  # the pool then makes a new connection by itself
        return None
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreHeld(
                f"Another program holds the store {where} open and did not let go within {waited:.0f} seconds: a "
                "database browser or a backup, perhaps. Close it, then run fingerpost sync, which carries on."
            )
        is_ours = code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE)
        return None if is_ours or not isinstance(error, sqlite3.DatabaseError) else unusable(where, error)
    if context.is_disconnect and context.connection is not None:
        return StoreError(
            f"The connection to the store {where} was lost. What was committed stays; the next fingerpost sync carries "
            "on."
        )
    if context.connection is None:
        return StoreError(
            f"The store {where} cannot be reached: {_cause(error)}. Check that the server is up and accepts this "
            "account; the next fingerpost sync carries on."
        )
    # The standard's name for what a database cannot do now, whatever the statement; every driver has the class.
    is_operational = any(kind.__name__ == "OperationalError" for kind in type(error).__mro__)
    return unusable(where, error) if is_operational else None


def unusable(where: str, error: BaseException | None) -> StoreError:
    """Return the error for a store that cannot be used, with the first line of what the driver says."""
    return StoreError(
        f"The store {where} cannot be used: {_cause(error)}. If it is damaged, put the last backup in its place; the "
        "next sync repairs what is missing."
    )


def _cause(error: BaseException | None) -> str:
    """Return the first line of a driver's message: without the statement and its values."""
    return str(error).split("\n", maxsplit=1)[0].strip().rstrip(".")
