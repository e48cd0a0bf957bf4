"""Know which tables and columns a college's database has, so that a query names nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from fingerpost import ConfigError
from fingerpost_promonitor._config import Access
from fingerpost_promonitor._tables import PROSUITE, SCHEMAS, is_inferred, located, table_named


def schemas_of(config: Access, backend: str) -> Mapping[str, str | None]:
    """Return where the tables are: as configured, else where the vendor puts them."""
    usual = SCHEMAS.get(backend, SCHEMAS["sqlite"])
    configured: Mapping[str, str] = config.schemas  # type: ignore[assignment]  # its keys are some of these
    return {place: configured.get(place, schema) or None for place, schema in usual.items()}


class Catalogue:
    """The tables of one database as they are there, each under its alias in our queries.

    Raises `ConfigError` for a table or column that is missing. Without an engine every table is believed to be as it
    is defined.
    """

    def __init__(self, config: Access, backend: str, inspect: Callable[[], sa.Inspector] | None = None) -> None:
        self.backend = backend
        self._config = config
        self._schemas = schemas_of(config, backend)
        self._inspect = inspect
        self._inspector: sa.Inspector | None = None
        self._tables: dict[tuple[str, str], sa.Table] = {}

    def table(self, name: str) -> sa.Table:
        """Return one of the vendor's tables with the columns that it has here."""
        definition = table_named(name)
        key = (str(definition.schema), name)
        if key not in self._tables:
            table = located(definition, self._schemas, self._config.tables)
            found = self._columns_of(table)
            if found is not None:
                lacking = [
                    column.name for column in table.columns
                    if column.name not in found and not is_inferred(definition.c[column.name])
                ]  # fmt: skip
                if lacking:
                    raise ConfigError(
                        f"The table {shown(table)} has no column {', '.join(lacking)}. If yours is called otherwise, "
                        "make a view with our names, or configure a query of your own."
                    )
                table = self._built(table, found)
            self._tables[key] = table
        return self._tables[key]

    @property
    def tables(self) -> list[sa.Table]:
        """The tables that were asked for."""
        return list(self._tables.values())

    def own_table(self, place: str, name: str) -> sa.Table:
        """Return a table that the configuration names."""
        if f"{place}.{name}" in PROSUITE.tables:
            return self.table(name)
        key = (place, name)
        if key not in self._tables:
            table = sa.Table(name, sa.MetaData(), schema=self._schemas[place])
            found = self._columns_of(table)
            self._tables[key] = table if found is None else self._built(table, found)
        return self._tables[key]

    def column(self, table: sa.Table, name: str, *, what: str) -> sa.Column[Any]:
        """Return a column that the configuration names; `what` says where it names it."""
        found: sa.Column[Any] | None = find(table, name)
        if found is not None:
            return found
        if self._inspect is None:
            table.append_column(sa.Column(name))  # of what type it is there nobody knows
            return table.c[name]
        raise ConfigError(
            f"{what} names the column {name}, and the table {shown(table)} has none of that name. It has: "
            f"{', '.join(table.columns.keys())}."
        )

    def _columns_of(self, table: sa.Table) -> Mapping[str, Any] | None:
        """Return the types of a table's columns by their names; None where nobody can be asked."""
        if self._inspect is None:
            return None
        if self._inspector is None:
            self._inspector = self._inspect()
        try:
            columns = self._inspector.get_columns(table.name, schema=table.schema)
        except sa.exc.NoSuchTableError:
            columns = []
        if not columns:
            raise ConfigError(
                f"The database has no table or view {shown(table)}, or the login may not see it. Correct `schemas` or "
                "`tables`, or ask your database administrator for SELECT on it."
            )
        return {column["name"]: column["type"] for column in columns}

    @staticmethod
    def _built(table: sa.Table, types: Mapping[str, Any]) -> sa.Table:
        return sa.Table(
            table.name, sa.MetaData(), *(sa.Column(name, type_) for name, type_ in types.items()), schema=table.schema
        )


def find(table: sa.FromClause, name: str) -> Any:
    """Return a column by its name, or None; as on SQL Server, case is ignored where only one can be meant."""
    if name in table.c:
        return table.c[name]
    same = [column for column in table.columns if column.name.casefold() == name.casefold()]
    return same[0] if len(same) == 1 else None


def shown(table: sa.Table) -> str:
    """Return a table's name as IT knows it."""
    return f"{table.schema}.{table.name}" if table.schema else table.name
