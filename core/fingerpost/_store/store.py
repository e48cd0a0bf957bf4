"""Open the store, bring its schema up to date and hand out transactions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from fingerpost._contract.retry import call_with_retries
from fingerpost._store import schema
from fingerpost._store.dialect import Dialect, SqliteDialect, dialect_for
from fingerpost._store.disks import make_private
from fingerpost._store.refusals import StoreHeld, unusable
from fingerpost._words.errors import StoreError

SCHEMA_REVISION = "0005"
"""The newest migration; an older store is migrated; a newer one is refused."""


class Unit:
    """Give out the transactions of one run, one after another, on one connection.

    In a dry run every transaction is a savepoint inside one that is rolled back at the end, so that it does exactly
    what a real run does and leaves nothing.
    """

    def __init__(self, connection: sa.Connection, *, dry: bool) -> None:
        self.connection = connection
        self.dry = dry
        self._outer = connection.begin() if dry else None
        self._current: sa.Transaction | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Commit what is done inside, or roll it back if it raises."""
        self.begin()
        try:
            yield self.connection
            self.commit()
        except BaseException:
            self.rollback()
            raise

    @property
    def is_open(self) -> bool:
        """Say whether a transaction is open."""
        return self._current is not None

    def begin(self) -> None:
        """Begin a transaction, unless one is open.

        Raises `StoreError` if the connection was lost: on PostgreSQL the run's lock went with it, and a new connection
        would write without one.
        """
        if self._current is not None:
            return
        if self.connection.invalidated:
            raise StoreError(
                "The connection to the store was lost, and the lock of this run with it, so the run has stopped. The "
                "next run carries on."
            )
        self._current = self.connection.begin_nested() if self.dry else self.connection.begin()

    def commit(self) -> None:
        """Commit the transaction that is open, if one is."""
        if self._current is not None:
            self._current.commit()
            self._current = None

    def rollback(self) -> None:
        """Roll back the transaction that is open, if one is."""
        current, self._current = self._current, None
        if current is not None and (current.is_active or not self.dry):
            current.rollback()

    def close(self) -> None:
        """Forget everything that a dry run did."""
        if self._outer is not None:
            self._outer.rollback()


class Store:
    """One college's store."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.engine = dialect.engine()

    @classmethod
    def open(cls, address: str | Path) -> Store:
        """Open the store at a path or address, creating or migrating it if necessary.

        Raises `StoreError` if it cannot be opened, is not a store, or was written by a newer release.
        """
        dialect = dialect_for(address)
        if isinstance(dialect, SqliteDialect) and dialect.url.database:
            path = Path(dialect.url.database)
            try:
                make_private(path)
            except OSError as error:
                raise StoreError(
                    f"The store {path} cannot be created: {error.strerror}. Check the folder's permissions."
                ) from error
        store = cls(dialect)
        try:
            store._migrate_in_turn()
        except exc.DatabaseError as error:
            store.close()
            raise unusable(store.where, error.orig) from error
        except StoreError:
            store.close()
            raise
        return store

    @property
    def where(self) -> str:
        """Name the store for a message, without a password."""
        return self.dialect.where

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Provide a connection that sees one state of the store and blocks no writer."""
        with self.engine.connect().execution_options(fingerpost_reads=True) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Provide a connection in one transaction that is committed at the end."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def locked(self) -> Iterator[sa.Connection]:
        """Provide a connection that holds the college's lock, so that nobody else changes it; raise `LockHeld`.

        The operating system or the server frees the lock when a process dies: no stale one is ever left.
        """
        with self.engine.connect() as connection, self.dialect.lock(connection):
            yield connection

    def _migrate_in_turn(self) -> None:
        """Migrate, waiting where SQLite does not: it refuses at once what another process just makes or closes."""
        until = time.monotonic() + self.dialect.patience
        call_with_retries(
            self._migrate,
            waits=(0.05, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0),
            when=lambda error: isinstance(error, StoreHeld) and time.monotonic() < until,
        )

    def _migrate(self) -> None:
        revision = self._revision()
        if revision == SCHEMA_REVISION:
            return
        if revision is not None and revision > SCHEMA_REVISION:
            raise StoreError(
                f"The store {self.where} was written by a newer release of Fingerpost (schema {revision}; this one "
                f"knows {SCHEMA_REVISION}). Install that release again."
            )
        # Alembic is slow to import and only needed if the schema is out of date.
        from fingerpost._store.migrations import upgrade

        with self.engine.connect() as connection, connection.begin():
            upgrade(connection)

    def _revision(self) -> str | None:
        with self.engine.connect().execution_options(fingerpost_reads=True) as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return found

    def ensure_indexes(self, connection: sa.Connection) -> None:
        """Make the indexes that a first load leaves until afterwards, unless they exist."""
        for index in schema.DEFERRED_INDEXES:
            connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))

    def connector_names(self, connection: sa.Connection) -> dict[int, str]:
        """Return the configured name of every connector by its number."""
        table = schema.connector
        return dict(connection.execute(sa.select(table.c.id, table.c.name)).all())

    def enter_connector(self, connection: sa.Connection, name: str, ukprn: int | None = None) -> None:
        """Give a connector instance a number on its first run, and remember the provider whose records it holds."""
        table = schema.connector
        known = connection.execute(sa.select(table.c.id, table.c.ukprn).where(table.c.name == name)).one_or_none()
        if known is None:
            connection.execute(sa.insert(table).values(name=name, ukprn=ukprn))
        elif known.ukprn != ukprn:
            connection.execute(sa.update(table).where(table.c.id == known.id).values(ukprn=ukprn))

    def get_state(self, connection: sa.Connection, name: str) -> str | None:
        """Return one remembered value."""
        found: str | None = connection.scalar(sa.select(schema.state.c.value).where(schema.state.c.name == name))
        return found

    def set_state(self, connection: sa.Connection, name: str, value: str) -> None:
        """Remember one value; write nothing if it is unchanged."""
        if self.get_state(connection, name) == value:
            return
        connection.exec_driver_sql(self.dialect.upsert(schema.state, conflict=["name"]), (name, value))


def executemany(connection: sa.Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Run one statement for many rows through the driver's own `executemany`."""
    if rows:
        connection.exec_driver_sql(statement, rows)
