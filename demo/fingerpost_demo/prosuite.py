"""Make the ProSolution and ProMonitor databases of a college that does not exist.

The tables are those that are publicly known, plus two of the kind that every college adds: a table of tutor groups and
an information screen on which careers activities are kept. Everything follows from the seed. It is as untidy as the
real thing: references padded with blanks, a row for each learner and year, obsolete types, doubled codes, and NULL
wherever the database lets it stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from typing import Final

import sqlalchemy as sa

from fingerpost import ConfigError
from fingerpost_demo.promonitor import ilp_tables
from fingerpost_demo.prosolution import Plan, mis_tables
from fingerpost_promonitor import PROSUITE, SCHEMAS, located

_CHUNK: Final = 5_000

_COLLEGE: Final = sa.MetaData()
"""Tables of the kind that a college makes for itself."""

sa.Table(
    "TutorGroup",
    _COLLEGE,
    sa.Column("RefNo", sa.CHAR(12)),
    sa.Column("AcademicYearID", sa.CHAR(10)),
    sa.Column("GroupCode", sa.CHAR(12)),
    sa.Column("StaffID", sa.Integer),
    schema="prosolution",
)
sa.Table(
    "CareersRecord",  # an information screen: what its fields mean is known to the college alone
    _COLLEGE,
    sa.Column("ID", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("PMStudentID", sa.Integer, index=True),
    *(sa.Column(f"Information{number}", sa.Unicode(4000)) for number in range(1, 9)),
    sa.Column("LastModifiedDate", sa.DateTime, index=True),
    schema="learner_information",
)
sa.Table(
    "Progression",
    _COLLEGE,
    sa.Column("PMStudentID", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("Information1", sa.Unicode(4000)),
    schema="learner_information",
)


def make_prosuite(target: str | sa.Engine, *, learners: int = 400, ilp_rows: int | None = None, seed: int = 1) -> None:
    """Make the tables in an empty SQLite or PostgreSQL database and fill them, in flat memory but for an index.

    `learners` are people; nearly half of them are there in two years. `ilp_rows` counts comments, badges and entries of
    the careers screen. Nothing is dated after `AS_OF`. Raises `ConfigError` where the database holds such tables.
    """
    engine = sa.create_engine(target) if isinstance(target, str) else target
    schemas = SCHEMAS[engine.dialect.name]
    tables = {table.name: located(table, schemas) for table in (*PROSUITE.tables.values(), *_COLLEGE.tables.values())}
    plan = Plan(learners, 20 * learners if ilp_rows is None else ilp_rows, seed)
    try:
        with engine.begin() as connection:
            _create(connection, tables)
        with engine.begin() as connection:
            for name, rows in chain(mis_tables(plan), ilp_tables(plan)):
                iterator = iter(rows)
                while chunk := list(islice(iterator, _CHUNK)):
                    connection.execute(sa.insert(tables[name]), chunk)
            _number_on(connection, tables["ActionPlan"])
    finally:
        if isinstance(target, str):
            engine.dispose()


def _create(connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
    inspector = sa.inspect(connection)
    for table in tables.values():
        if inspector.has_table(table.name, schema=table.schema):
            raise ConfigError(f"The database already has a table {table.name}; choose an empty one.")
    for schema in dict.fromkeys(table.schema for table in tables.values()):
        if schema is not None:
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    for table in tables.values():
        table.create(connection)


def _number_on(connection: sa.Connection, plan: sa.Table) -> None:
    """Let the database go on where the comments end; SQLite does so of itself."""
    if connection.dialect.name == "postgresql":
        name = connection.dialect.identifier_preparer.format_table(plan)
        sequence = sa.func.pg_get_serial_sequence(name, "ActionPlanID")
        connection.execute(sa.select(sa.func.setval(sequence, sa.func.max(plan.c.ActionPlanID))))
