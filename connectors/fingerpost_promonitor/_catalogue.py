"""Know which tables and columns a college's database has, so that a query names nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from fingerpost import ConfigError
from fingerpost_promonitor._config import Access
from fingerpost_promonitor._tables import PROSUITE, SCHEMAS, is_inferred, located, table_named


class Catalogue:
    """The tables of one database, with the columns that they have there.

    Raises `ConfigError` for a table or column that is missing. Without a connection every table is taken to be as we
    define it.
    """

    def __init__(self, config: Access, backend: str, connection: sa.Connection | None = None) -> None:
        configured: Mapping[str, str] = config.schemas  # type: ignore[assignment]  # its keys are some of these
        vendors = SCHEMAS.get(backend, SCHEMAS["sqlite"])
        self._schemas = {place: configured.get(place, schema) or None for place, schema in vendors.items()}
        self._names = config.tables
        self._inspector = None if connection is None else sa.inspect(connection)
        self._tables: dict[tuple[str, str], sa.Table] = {}

    @property
    def tables(self) -> list[sa.Table]:
        """The tables that were asked for."""
        return list(self._tables.values())

    def table(self, name: str) -> sa.Table:
        """Return one of the vendor's tables with the columns that it has here."""
        definition = table_named(name)
        key = (str(definition.schema), name)
        if key not in self._tables:
            expected = located(definition, self._schemas, self._names)
            table = self._as_it_is(expected)
            lacking = [
                column.name for column in expected.columns
                if column.name not in table.c and not is_inferred(definition.c[column.name])
            ]  # fmt: skip
            if lacking:
                raise ConfigError(
                    f"The table {full_name(table)} has no column {', '.join(lacking)}. If your columns have other "
                    "names, make a view with ours, or configure a query of your own."
                )
            self._tables[key] = table
        return self._tables[key]

    def own_table(self, place: str, name: str) -> sa.Table:
        """Return a table that the configuration names."""
        if f"{place}.{name}" in PROSUITE.tables:
            return self.table(name)
        key = (place, name)
        if key not in self._tables:
            self._tables[key] = self._as_it_is(sa.Table(name, sa.MetaData(), schema=self._schemas[place]))
        return self._tables[key]

    def column(self, table: sa.Table, name: str, *, what: str) -> sa.Column[Any]:
        """Return a column that the configuration names; `what` is the key that names it."""
        found: sa.Column[Any] | None = find(table, name)
        if found is not None:
            return found
        if self._inspector is None:
            table.append_column(sa.Column(name))  # its type there is unknown
            return table.c[name]
        raise ConfigError(
            f"{what} names the column {name}, which the table {full_name(table)} does not have. It has: "
            f"{', '.join(table.columns.keys())}."
        )

    def _as_it_is(self, table: sa.Table) -> sa.Table:
        """Return a table with the columns that the database has, or as it is defined where there is no connection."""
        if self._inspector is None:
            return table
        try:
            columns = self._inspector.get_columns(table.name, schema=table.schema)
        except exc.NoSuchTableError:
            columns = []
        if not columns:
            raise ConfigError(
                f"The database has no table or view {full_name(table)}, or the login may not see it. Correct "
                "`schemas` or `tables`, or ask your database administrator for SELECT on it."
            )
        found = (sa.Column(column["name"], column["type"]) for column in columns)
        return sa.Table(table.name, sa.MetaData(), *found, schema=table.schema)


def find(table: sa.FromClause, name: str) -> Any:
    """Return a column by its name, or None; as on SQL Server, case is ignored where only one can be meant."""
    if name in table.c:
        return table.c[name]
    same = [column for column in table.columns if column.name.casefold() == name.casefold()]
    return same[0] if len(same) == 1 else None


def full_name(table: sa.Table) -> str:
    """Return the name of a table, with its schema, as it stands in messages."""
    return f"{table.schema}.{table.name}" if table.schema else table.name
