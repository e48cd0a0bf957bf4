"""Small colleges for tests: their files, their configuration, a source that a test scripts, and a look at their store.

This module is a plugin, too: it offers the connector `scripted` to the host that `host()` makes.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib.metadata
import io
import json
import os
import runpy
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import plugins
import sqlalchemy as sa

from fingerpost import (
    College,
    ConnectorConfig,
    Context,
    Cursor,
    Host,
    Message,
    Source,
    SourceConfig,
    StreamName,
    StreamSpec,
    hookimpl,
)
from fingerpost._store import schema
from fingerpost.reports import RunReport, StreamReport

if TYPE_CHECKING:
    from fingerpost._store.store import Store

MONDAY = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
"""The night to a Monday in the spring: digests may go, and a year's programme is within its last months."""

Row: TypeAlias = dict[str, str]
Script: TypeAlias = Callable[[Cursor | None, Context], Iterable[Message]]
Snapshot: TypeAlias = dict[str, list[tuple[Any, ...]]]


# A source that a test scripts


def play(*steps: Message | Exception | Callable[[], object]) -> Script:
    """Return a script that yields messages, raises exceptions and calls functions, in this order, at every read."""

    def script(cursor: Cursor | None, context: Context) -> Iterator[Message]:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            if callable(step):
                step()
            else:
                yield step

    return script


class ScriptedConfig(SourceConfig):
    """The keys of a scripted source: the declaration of its one stream."""

    stream: StreamName = "activities"
    mapping: str = "careers-log"
    cursor: Literal["instant", "date", "integer"] | None = None
    ordered: bool = False
    lookback_days: float = 1.0
    mode: Literal["snapshot", "append"] = "snapshot"
    program: str | None = None
    """A Python file that defines `script`, for a run in a process of its own."""


class ScriptedSource(Source):
    """A source that yields what the test's script yields; `asked` holds the cursor of every read."""

    name: ClassVar[str] = "scripted"
    Config: ClassVar[type[ConnectorConfig]] = ScriptedConfig

    def __init__(self, config: ScriptedConfig) -> None:
        super().__init__(config)
        spec = StreamSpec(
            config.stream, config.cursor, config.ordered, config.lookback_days, config.mode, config.mapping
        )
        self.streams = (spec,)
        self.script: Script = runpy.run_path(config.program)["script"] if config.program else play()
        self.asked: list[Cursor | None] = []

    @hookimpl
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        return self._read(cursor, context)

    read_programmes = read_assignments = read_activities = read_destinations = read_responses = read_learners

    def _read(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        self.asked.append(cursor)
        yield from self.script(cursor, context)


@hookimpl
def connectors() -> list[type[ScriptedSource]]:
    """Offer the connector `scripted`."""
    return [ScriptedSource]


def host() -> Host:
    """Return a host with the installed plugins and this one."""
    scripted = importlib.metadata.EntryPoint("scripted", __name__, "fingerpost")
    return Host.load(entry_points=[*_installed(*sys.path), scripted])


@functools.cache
def _installed(*path: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Look for plugins once for each search path: a test may put one onto it."""
    return tuple(importlib.metadata.entry_points(group="fingerpost"))


def program(path: Path, body: str) -> str:
    """Write the program of a scripted source: the body of `script(cursor, context)`; return its path."""
    lines = ["import os, pathlib, time", "from fingerpost import *", "def script(cursor, context):"]
    lines += [f"    {line}" for line in textwrap.dedent(body).strip().splitlines()]
    path.write_text("\n".join([*lines, "    yield from ()", ""]), encoding="utf-8")
    return str(path)


def start_cli(college: SmallCollege, *arguments: str) -> subprocess.Popen[str]:
    """Start `fingerpost` in a process of its own that has this plugin installed."""
    site = college.folder / "site"
    if not site.exists():
        plugins.install(site, "scripted-plugin", "scripted", __name__)
    path = os.pathsep.join((str(site), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(
        [sys.executable, "-c", "from fingerpost_cli import main; main()",
         "--config", str(college.config_path), *arguments],
        env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8",
    )  # fmt: skip


# A college


class SmallCollege:
    """A folder with a configuration and CSV files, and a clock that stands still until it is moved.

    `rows` holds what `write` puts into the files of the same names; `tables` and `connectors` make the configuration.
    """

    keep = False

    def __init__(self, folder: Path, *, now: datetime = MONDAY) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.now = now
        self.rows: dict[str, list[Row]] = {}
        self.tables: dict[str, dict[str, Any]] = {
            "college": {"name": "Example College", "ukprn": 99999999},
            "alerts": {"careers_leader": "careers@example.ac.uk"},
        }
        self.connectors: list[dict[str, Any]] = []
        self.scripts: dict[str, Script] = {}
        self.asked: dict[str, list[Cursor | None]] = {}
        self.kept: tuple[str, College] | None = None
        self.host = host

    @property
    def config_path(self) -> Path:
        return self.folder / "fingerpost.toml"

    @property
    def store_path(self) -> Path:
        return self.folder / "fingerpost.db"

    @property
    def outbox(self) -> list[Path]:
        """The digests that were delivered to the folder."""
        return sorted((self.folder / "outbox").glob("*.eml"))

    def source(self, name: str) -> dict[str, Any]:
        """Return the table of a connector, to change it."""
        return next(table for table in self.connectors if table["name"] == name)

    def add_csv(self, name: str, stream: str, mapping: str, rows: list[Row], **keys: Any) -> None:
        """Add a `csv` source whose file holds `rows`."""
        self.connectors.append(
            {"type": "csv", "name": name, "stream": stream, "path": f"data/{name}.csv", "mapping": mapping, **keys}
        )
        self.put(name, rows)

    def add_scripted(self, name: str, script: Script, **keys: Any) -> None:
        """Add a `scripted` source."""
        self.connectors.append({"type": "scripted", "name": name, **keys})
        self.scripts[name] = script

    def write(self, name: str, *, newline: str = "\r\n", header: Sequence[str] = ()) -> Path:
        """Write the rows of one source, as old as the clock says."""
        path = self.folder / "data" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        rows = self.rows[name]
        columns = list(header) or list(dict.fromkeys(column for row in rows for column in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns or ["learner_ref"], lineterminator=newline)
        writer.writeheader()
        writer.writerows(rows)
        path.write_bytes(text.getvalue().encode("utf-8"))
        os.utime(path, (self.now.timestamp(), self.now.timestamp()))
        return path

    def put(self, name: str, rows: list[Row]) -> None:
        """Let a source hold other rows."""
        self.rows[name] = rows
        self.write(name)

    def add(self, name: str, *rows: Row) -> None:
        """Let a source hold more rows."""
        self.rows[name].extend(rows)
        self.write(name)

    def drop(self, name: str, *learners: str) -> None:
        """Let a source hold no row of these learners."""
        self.put(name, [row for row in self.rows[name] if row["learner_ref"] not in learners])

    def amend(self, name: str, *learners: str, **values: str) -> None:
        """Let a source say something else of these learners, or of all where none is named."""
        for row in self.rows[name]:
            if not learners or row["learner_ref"] in learners:
                row.update(values)
        self.write(name)

    def add_mapping(self, name: str, text: str) -> None:
        """Let the college have a mapping of its own, or another one of that name."""
        folder = self.folder / "mappings"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")

    def configure(self) -> Path:
        """Write the configuration."""
        lines = []
        for title, tables in (*((f"[{name}]", [table]) for name, table in self.tables.items()),
                              ("[[connector]]", self.connectors)):  # fmt: skip
            for table in tables:
                lines += [title, *(f"{key} = {_toml(value)}" for key, value in table.items()), ""]
        self.config_path.write_text("\n".join(lines), encoding="utf-8")
        return self.config_path

    def open(self) -> College:
        """Open the college as it is configured now; close it after use.

        While `keep` holds and the configuration stays the same, it is what was opened before: that is faster.
        """
        self.configure()
        text = self.config_path.read_text(encoding="utf-8")
        if self.keep and self.kept is not None and self.kept[0] == text:
            college = self.kept[1]
        else:
            college = College.open(self.config_path, host=self.host(), clock=lambda: self.now)
            self.kept = (text, college)
        for name, script in self.scripts.items():
            source = college._opened.source(name).connector
            assert isinstance(source, ScriptedSource)
            source.script = script
            source.asked = self.asked.setdefault(name, [])
        return college

    def sync(self, **options: Any) -> RunReport:
        """Run once."""
        with self.open() as college:
            return college.sync(**options)

    def later(self, *, days: float = 1.0) -> None:
        """Move the clock."""
        self.now += timedelta(days=days)

    def snapshot(self, *, live: bool = False) -> Snapshot:
        """Return what the store holds; see `snapshot`."""
        with self.open() as college:
            return snapshot(college._opened.store, live=live)

    def dump(self, tables: Iterable[sa.Table] = schema.DATA_TABLES) -> Snapshot:
        """Return every row of some tables; see `dump`."""
        with self.open() as college:
            return dump(college._opened.store, tables)


def usual_college(folder: Path, *, learners: int = 20, now: datetime = MONDAY) -> SmallCollege:
    """Return a college of four CSV files: `mis`, `courses`, `tutors` and `careers-log`.

    Every learner is 17, on a one-year course, in one of two groups with a tutor each, and has met one employer; every
    second one has met two, and had guidance. So there are gaps, and things that are met.
    """
    college = SmallCollege(folder, now=now)
    refs = [f"L{number:03d}" for number in range(1, learners + 1)]
    college.add_csv(
        "mis", "learners", "learners",
        [{"learner_ref": ref, "given_names": f"Given{ref}", "family_name": f"Family{ref}",
          "date_of_birth": "2008-05-17", "email": f"{ref.lower()}@example.ac.uk"} for ref in refs],
    )  # fmt: skip
    college.add_csv(
        "courses", "programmes", "programmes",
        [{"learner_ref": ref, "programme": "Catering", "start_date": "2025-09-01", "planned_end_date": "2026-07-10",
          "programme_type": "Study programme", "status": "Current", "area": "Catering"} for ref in refs],
    )  # fmt: skip
    college.add_csv(
        "tutors", "assignments", "assignments",
        [{"learner_ref": ref, "tutor_group": f"G{index % 2}", "tutor_name": f"Tutor {index % 2}",
          "tutor_email": f"tutor{index % 2}@example.ac.uk"} for index, ref in enumerate(refs)],
    )  # fmt: skip
    college.add_csv(
        "careers-log", "activities", "careers-log", [row for index, ref in enumerate(refs) for row in _log(ref, index)],
        feeds=["employer_encounter", "workplace_experience", "provider_encounter", "guidance_meeting", "lmi_use"],
    )  # fmt: skip
    return college


def _log(ref: str, index: int) -> list[Row]:
    rows = [activity(f"{ref}-1", ref, "Employer talk", "2025-10-06", employer="Bakery")]
    if index % 2 == 0:
        rows.append(activity(f"{ref}-2", ref, "Employer visit", "2025-11-10", employer="Garage"))
        rows.append(activity(f"{ref}-3", ref, "Careers interview", "2025-12-01"))
    return rows


def activity(key: str, learner: str, kind: str = "Employer talk", day: str = "2025-10-06", **more: str) -> Row:
    """Return one row of a careers log, in the columns of the mapping `careers-log`."""
    row = {"activity_id": key, "learner_ref": learner, "activity_type": kind, "date": day, "hours": "1",
           "employer": "", "notes": ""}  # fmt: skip
    return row | more


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | int | float) else str(value)


def stream(report: RunReport, connector: str) -> StreamReport:
    """Return what a run did with the one stream of a connector."""
    (found,) = [one for one in report.streams if one.connector == connector]
    return found


# What a store holds

_OF_A_RUN = {
    "first_run", "changed_run", "answered_run", "opened_run", "closed_run", "last_run", "planned_run", "run", "since",
    "planned_at", "attempted_at", "settled_at", "message_id", "content", "content_hash", "attempts", "external_ref",
}  # fmt: skip
"""Columns that say when something came, or what follows from that: not what it is."""


def snapshot(store: Store, *, live: bool = False) -> Snapshot:
    """Return the contents of every data table in a form in which two stores with the same records are equal.

    Rows come sorted, without run numbers and times of runs; the numbers of connectors, learners and digests are
    replaced by the names they stand for. With `live`, rows that were softly deleted are left out.
    """
    with store.reading() as connection:
        names = dict(connection.execute(sa.select(schema.connector.c.id, schema.connector.c.name)).all())
        people = dict(connection.execute(sa.select(schema.learner.c.id, schema.learner.c.identity)).all())
        digests = {
            row.id: (row.channel, row.key)
            for row in connection.execute(sa.select(schema.outbox.c.id, schema.outbox.c.channel, schema.outbox.c.key))
        }
        found: Snapshot = {}
        for table in schema.DATA_TABLES:
            rows = []
            for row in connection.execute(sa.select(table)).mappings():
                deleted = row.get("deleted_run") is not None
                if live and deleted:
                    continue
                kept: dict[str, Any] = {"deleted": deleted}
                for column, value in row.items():
                    if column in _OF_A_RUN and not (column == "content_hash" and table is not schema.outbox):
                        continue
                    if column == "connector":
                        kept[column] = names[value]
                    elif column == "learner_id":
                        kept[column] = people.get(value, value)
                    elif column == "outbox_id":
                        kept[column] = digests[value]
                    elif column not in ("id", "deleted_run"):
                        kept[column] = value
                rows.append(tuple(kept.items()))
            found[table.name] = sorted(rows, key=repr)
    return found


def contents(database: Path) -> list[str]:
    """Return everything that a SQLite file holds, as statements."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def dump(store: Store, tables: Iterable[sa.Table] = schema.DATA_TABLES) -> Snapshot:
    """Return every row of some tables, just as it is stored."""
    with store.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for table in tables
        }


def cursors(store: Store) -> dict[str, Cursor | None]:
    """Return the stored cursor of every connector with one stream."""
    state, names = schema.stream_state, schema.connector
    with store.reading() as connection:
        rows = connection.execute(sa.select(names.c.name, state.c.cursor).join(names, names.c.id == state.c.connector))
        return {row.name: None if row.cursor is None else json.loads(row.cursor) for row in rows}
