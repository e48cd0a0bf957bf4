"""The yardstick: the fastest way we know to load the same rows into SQLite with Python, and nothing else.

No mapping, no validation, no warnings, no ledger, no identity: `csv.reader`, a row hash and one upsert through
`executemany`, in one transaction, with the pragmas, the keys and the secondary indexes of Fingerpost's own store. It
reads each file once although it fills four tables, and it never skips a file: what it saves, it may keep.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

import xxhash

CHUNK = 1_000
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-262144", "temp_store=MEMORY")


@dataclass(frozen=True)
class Target:
    """A table, the file it is filled from, its key column, its other columns and those of them with an index."""

    name: str
    file: str
    key: str
    columns: tuple[str, ...]
    indexed: tuple[str, ...]

    @property
    def create(self) -> str:
        """The statement that makes the table."""
        columns = ", ".join(f"{column} TEXT" for column in self.columns)
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} (id INTEGER PRIMARY KEY, connector INTEGER NOT NULL, "
            f"key TEXT NOT NULL, row_hash BLOB NOT NULL, {columns}, UNIQUE (connector, key))"
        )

    @property
    def upsert(self) -> str:
        """The statement that writes a row where it is new or changed."""
        columns = ("row_hash", *self.columns)
        return (
            f"INSERT INTO {self.name} (connector, key, {', '.join(columns)}) VALUES (1, ?{', ?' * len(columns)}) "
            f"ON CONFLICT (connector, key) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in columns)} "
            f"WHERE {self.name}.row_hash IS NOT excluded.row_hash"
        )

    def shape(self, header: Sequence[str]) -> Callable[[list[str]], tuple[str | bytes, ...]]:
        """Return what makes the parameters of the upsert from a row of the file."""
        key, digest = header.index(self.key), xxhash.xxh3_128_digest
        values = itemgetter(*(header.index(column) for column in self.columns))

        def parameters(row: list[str]) -> tuple[str | bytes, ...]:
            wanted = values(row)
            return (row[key], digest("\x1f".join(wanted).encode()), *wanted)

        return parameters


TARGETS = (
    Target(
        "learners", "learners.csv", "learner_ref",
        ("learner_ref", "uln", "given_names", "family_name", "date_of_birth", "email", "ehcp", "lac",
         "intended_destination"),
        ("learner_ref", "uln"),
    ),
    Target(
        "programmes", "learners.csv", "learner_ref",
        ("learner_ref", "programme", "level", "start_date", "planned_end_date"),
        ("learner_ref", "programme"),
    ),
    Target(
        "assignments", "learners.csv", "learner_ref",
        ("learner_ref", "tutor_group", "tutor_name", "tutor_email"),
        ("learner_ref", "tutor_group"),
    ),
    Target(
        "activities", "activities.csv", "activity_id",
        ("learner_ref", "activity_type", "title", "activity_date", "hours", "employer", "recorded_by"),
        ("learner_ref",),
    ),
)  # fmt: skip


def load(connection: sqlite3.Connection, data: Path) -> None:
    """Load all files into their tables, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for target in TARGETS:
        connection.execute(target.create)
    empty = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM learners)").fetchone()[0]
    for file in dict.fromkeys(target.file for target in TARGETS):
        with (data / file).open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines)
            header = next(rows)
            writes = [(target.upsert, target.shape(header)) for target in TARGETS if target.file == file]
            while chunk := list(islice(rows, CHUNK)):
                for upsert, parameters in writes:
                    connection.executemany(upsert, map(parameters, chunk))
    if empty:
        for target in TARGETS:
            for column in target.indexed:
                connection.execute(f"CREATE INDEX ix_{target.name}_{column} ON {target.name} ({column})")
    connection.execute("COMMIT")


def main() -> None:
    """Load and print what was done: seconds from reading to commit, rows in each table, rows written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with learners.csv and activities.csv")
    parser.add_argument("--store", type=Path, required=True, help="the SQLite file to fill")
    wish = parser.parse_args()
    gc.disable()
    with closing(sqlite3.connect(wish.store, isolation_level=None)) as connection:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        before, start = connection.total_changes, time.perf_counter()
        load(connection, wish.data)
        seconds, written = time.perf_counter() - start, connection.total_changes - before
        rows = {t.name: connection.execute(f"SELECT count(*) FROM {t.name}").fetchone()[0] for t in TARGETS}
    print(json.dumps({"seconds": seconds, "rows": rows, "written": written}))


if __name__ == "__main__":
    main()
