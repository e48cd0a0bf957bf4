"""A college's own SQL: the SELECTs that replace a query of ours, and the stored procedures that are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from fingerpost import ConfigError
from fingerpost_promonitor._config import Procedure
from fingerpost_promonitor._select import PARAMETERS


def own_statement(query: str | Procedure, dialect: sa.Dialect) -> sa.TextClause:
    """Return a college's own query ready to be executed, with its parameters bound.

    Raises `ConfigError` for a procedure where the database has none.
    """
    if isinstance(query, str):
        text = query
    else:
        path = query.procedure if query.database is None else f"{query.database}.{query.procedure}"
        name = quoted_procedure(path, dialect, instead="write a SELECT for the query instead")
        text = procedure_call(name, query.parameters, dialect)
    types: dict[str, Any] = {"academic_year": sa.Unicode, "since": sa.DateTime}
    used = [name for name in PARAMETERS if re.search(rf"(?<![:\w\\]):{name}\b", text)]
    return sa.text(text).bindparams(*(sa.bindparam(name, type_=types[name]) for name in used))


def quoted_procedure(path: str, dialect: sa.Dialect, *, instead: str) -> str:
    """Return the quoted name of a procedure; raises `ConfigError`, with what to do `instead`, where there can be none.

    The parts of `path` were checked, and none of them holds a dot.
    """
    if dialect.name not in {"mssql", "postgresql"}:
        raise ConfigError(f"A {dialect.name} database has no procedures; {instead}.")
    return ".".join(dialect.identifier_preparer.quote_identifier(part) for part in path.split("."))


def procedure_call(name: str, arguments: Mapping[str, str], dialect: sa.Dialect) -> str:
    """Return the call of a procedure, or of what PostgreSQL has in its place; `arguments` say what each is bound to."""
    if dialect.name == "mssql":
        given = ", ".join(f"@{argument}=:{parameter}" for argument, parameter in arguments.items())
        return f"SET NOCOUNT ON; EXEC {name} {given}"  # else the rows that it counts would be its first answer
    quote = dialect.identifier_preparer.quote
    given = ", ".join(f"{quote(argument)} => :{parameter}" for argument, parameter in arguments.items())
    return f"SELECT * FROM {name}({given})"  # noqa: S608 - checked names, quoted
