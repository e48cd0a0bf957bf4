"""The reading side of the `promonitor` connector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import ClassVar

import sqlalchemy as sa

from fingerpost import (
    Context,
    Cursor,
    Finding,
    FingerpostError,
    ManyStreamSource,
    Message,
    StreamName,
    StreamSpec,
    hookimpl,
)
from fingerpost_promonitor._catalogue import Catalogue, full_name
from fingerpost_promonitor._config import PromonitorConfig
from fingerpost_promonitor._database import Database
from fingerpost_promonitor._queries import activity_queries, query_for
from fingerpost_promonitor._reading import Reading, academic_years, beginning, dated_streams
from fingerpost_promonitor._rights import rights

_SPECS = (
    StreamSpec("learners", mapping="promonitor-learners"),
    StreamSpec("programmes", mapping="promonitor-programmes"),
    StreamSpec("assignments", mapping="promonitor-assignments"),
    # The date of a comment is often the day that it is about, not the day on which somebody typed it.
    StreamSpec("activities", lookback_days=7.0, mapping="promonitor-activities"),
    StreamSpec("destinations", mapping="promonitor-destinations"),
    StreamSpec("responses", mapping="promonitor-responses"),
)


class PromonitorSource(ManyStreamSource):
    """Read learners, programmes, tutors and destinations from ProSolution, and activities from ProMonitor.

    Both are read from their SQL Server database, with a login that may only read. A learner has a row for each academic
    year, which is a part of its own: the newest year speaks first. Comments and other free text are read only where
    a mapping or the configuration names their columns.
    """

    name: ClassVar[str] = "promonitor"
    Config = PromonitorConfig
    config: PromonitorConfig

    def __init__(self, config: PromonitorConfig) -> None:
        super().__init__(config)
        dated = dated_streams(config)
        self.streams = tuple(
            replace(spec, cursor="instant" if spec.name in dated else None)
            for spec in _SPECS if spec.name in config.wanted
        )  # fmt: skip

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Report whether the databases answer, have the tables that are read, and would let the login write."""
        yield from _check_listed_years(self.config.academic_years, context)
        with closing(Reading(self.config, context)) as reading:
            databases = dict.fromkeys(reading.database(stream) for stream in self.config.wanted)
            for database in databases:
                yield from self._check_database(reading, database, context)

    def read_stream(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield one stream: learners of each year, enrolments, tutors by the configured rule, activities, answers."""
        with closing(Reading(self.config, context)) as reading:
            yield from reading.read(stream, cursor)

    def _check_database(self, reading: Reading, database: Database, context: Context) -> Iterator[Finding]:
        streams: list[StreamName] = [stream for stream in self.config.wanted if reading.database(stream) is database]
        try:
            with database.connect() as connection:
                connection.execute(sa.select(sa.literal(1))).all()
                years = ", ".join(reading.years)
                yield Finding("ok", f"{database.label}: the database answers; academic years {years} are read.")
                catalogue = Catalogue(self.config, database.backend, connection)
                yield from self._check_tables(database, catalogue, streams)
                if "learners" in streams and "learners" not in self.config.queries:
                    yield from self._check_years(reading.years, database, connection, catalogue)
                yield from _check_rights(database, connection, catalogue.tables)
            unknown = reading.unknown(context.columns, streams) if len(self.config.wanted) == len(streams) else []
        except FingerpostError as error:
            yield Finding("error", error.message)
            return
        for name in unknown:
            yield Finding(
                "error", f"A mapping reads the column {name}, which no table that is read has.", "Correct the mapping."
            )

    def _check_tables(
        self, database: Database, catalogue: Catalogue, streams: Sequence[StreamName]
    ) -> Iterator[Finding]:
        """Try to build every query, and report what is missing."""
        for stream in streams:
            try:
                if stream == "activities":
                    activity_queries(catalogue, self.config)
                elif stream not in self.config.queries:
                    query_for(stream, catalogue, self.config)
            except FingerpostError as error:
                yield Finding("error", f"{database.label}, {stream}: {error.message}")
            else:
                yield Finding("ok", f"{database.label}: the tables of the {stream} are there.")

    def _check_years(
        self, years: Sequence[str], database: Database, connection: sa.Connection, catalogue: Catalogue
    ) -> Iterator[Finding]:
        """Warn about a year without learners: the database spells it another way, or it has not begun."""
        try:
            query = query_for("learners", catalogue, self.config)
        except FingerpostError:
            return  # reported already
        for year in years:
            page = query.page((), size=1, after=False, since=False)
            if connection.execute(page, {"academic_years": [year]}).first() is None:
                yield Finding(
                    "warning",
                    f"{database.label}: the academic year {year} has no learners.",
                    "If the database spells its years another way, set academic_years to its spellings.",
                )


def _check_listed_years(listed: Sequence[str], context: Context) -> Iterator[Finding]:
    """Warn about a list of years that is out of date; years spelt without numbers are left alone."""
    current = academic_years(context.as_of)[1]
    begins = [beginning(year) for year in listed]
    if listed and None not in begins and beginning(current) not in begins:
        yield Finding(
            "warning",
            f"{context.name}: academic_years names {', '.join(listed)}, and not the academic year {current}: nothing "
            "of the current year is read.",
            "Take academic_years out, so that this year and the one before are always read; or add this year.",
        )


def _check_rights(database: Database, connection: sa.Connection, tables: Sequence[sa.Table]) -> Iterator[Finding]:
    """Warn about a login that can write: to read, it needs no such right."""
    questions = [(table, rights(table, connection.dialect)) for table in tables]
    writable = [
        full_name(table) for table, asks in questions if asks is not None and any(connection.execute(asks).one())
    ]
    if writable:
        more = f" and {len(writable) - 3} more tables" if len(writable) > 3 else ""
        yield Finding(
            "warning",
            f"{database.label}: the login may change {', '.join(writable[:3])}{more}.",
            "Give the reading login SELECT alone; writing back uses a login of its own.",
        )
    elif database.backend not in {"mssql", "postgresql", "sqlite"}:
        yield Finding(
            "warning", f"{database.label}: Fingerpost cannot see whether the login may write on {database.backend}."
        )
