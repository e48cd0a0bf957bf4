"""Ask a database what a login may do. A SQLite file knows no logins and cannot be asked."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from fingerpost_promonitor._items import ItemStatements


def rights(table: sa.Table, dialect: sa.Dialect) -> sa.Select[Any] | None:
    """Return the statement that asks whether the login may change a table; None where the database cannot be asked."""
    name = dialect.identifier_preparer.format_table(table)
    if dialect.name == "mssql":
        return sa.select(*(sa.func.has_perms_by_name(name, "OBJECT", one) for one in ("INSERT", "UPDATE", "DELETE")))
    if dialect.name == "postgresql":
        return sa.select(sa.func.has_table_privilege(name, "INSERT, UPDATE, DELETE"))
    return None


def table_rights(items: ItemStatements, dialect: sa.Dialect) -> sa.Select[Any] | None:
    """Return the statement that asks for the rights that write-back needs; None where the database cannot be asked.

    It returns one row with a column for each right, named as a database administrator would name it.
    """
    format_table = dialect.identifier_preparer.format_table
    needed = [(f"SELECT on {table.name}", format_table(table), "SELECT", "") for table in items.tables]
    plan = format_table(items.plan)
    if items.procedure is None:
        needed.append((f"INSERT on {items.plan.name}", plan, "INSERT", ""))
    needed += [(f"UPDATE of {name} in {items.plan.name}", plan, "UPDATE", name) for name in items.written]
    ask = {"mssql": _on_sql_server, "postgresql": _on_postgresql}.get(dialect.name)
    return None if ask is None else sa.select(*(ask(*right).label(label) for label, *right in needed))


def _on_sql_server(table: str, right: str, column: str) -> sa.Function[Any]:
    return sa.func.has_perms_by_name(table, "OBJECT", right, *([column, "COLUMN"] if column else []))


def _on_postgresql(table: str, right: str, column: str) -> sa.Function[Any]:
    if column:
        return sa.func.has_column_privilege(table, column, right)
    return sa.func.has_any_column_privilege(table, right)


def procedure_rights(procedure: str, dialect: sa.Dialect) -> sa.Select[Any]:
    """Return the statement that asks whether the login may call the procedure; it answers NULL where there is none."""
    if dialect.name == "mssql":
        return sa.select(sa.func.has_perms_by_name(procedure, "OBJECT", "EXECUTE"))
    found = sa.cast(sa.func.to_regproc(procedure), postgresql.OID)
    return sa.select(sa.func.has_function_privilege(found, "EXECUTE"))
