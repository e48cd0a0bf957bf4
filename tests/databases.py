"""Databases that are made for one test, and plain SQL on them."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator


def execute(url: sa.URL | str, *statements: str) -> None:
    """Run statements, each on its own."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def rows(url: sa.URL | str, statement: str) -> list[Any]:
    """Return the rows that a statement selects."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = list(connection.exec_driver_sql(statement).all())
    engine.dispose()
    return found


def with_driver(address: str) -> sa.URL:
    """Return the address of a PostgreSQL with the driver that is installed."""
    return sa.make_url(address).set(drivername="postgresql+psycopg")


def spelt(url: sa.URL) -> str:
    """Return an address as a configuration holds it."""
    return url.render_as_string(hide_password=False)


@contextmanager
def fresh_postgres(server: str, *, template: sa.URL | None = None) -> Iterator[sa.URL]:
    """Make a database on the session's server, empty or a copy of another one, and drop it."""
    url = with_driver(server)
    name = f"prosuite_{uuid.uuid4().hex[:10]}"
    execute(url, f"CREATE DATABASE {name}" + (f" TEMPLATE {template.database}" if template is not None else ""))
    try:
        yield url.set(database=name)
    finally:
        execute(url, f"DROP DATABASE {name} WITH (FORCE)")
