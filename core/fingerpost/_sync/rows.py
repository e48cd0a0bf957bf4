"""The stored rows of a stream: which columns are written, and how a row is hashed, looked up and upserted."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from fingerpost._contract.messages import StreamName
from fingerpost._record.models import CHECKLIST, MODELS, TEMPORARY_ULN
from fingerpost._store.schema import SOURCE_TABLES
from fingerpost._store.store import executemany
from fingerpost._sync.stream import Stream

PROVENANCE: tuple[str, ...] = (
    "id", "connector", "key", "part", "row_hash", "first_run", "changed_run", "deleted_run", "identity", "uln",
    "learner_id",
)  # fmt: skip
"""The columns that every source table begins with."""

HISTORY: dict[StreamName, tuple[str, ...]] = {"assignments": ("since", "joined_on"), "programmes": ()}
"""Columns of a stream's table that depend on what a row said before."""

STAMPS: dict[StreamName, dict[str, tuple[str, ...]]] = {"responses": {"answered_run": ("response", "until")}}
"""Columns of a stream's table that hold the run in which certain other columns last changed, and those columns.

`changed_run` will not do: it is the run of any change, even of a changed setting.
"""

Identify: TypeAlias = Callable[[str | None, str | None], str | None]


def identify(ukprn: int) -> Identify:
    """Return the function that says whom a row is about: (reference, ULN) to "ukprn:reference" or "uln:…".

    A temporary ULN identifies nobody.
    """
    prefix = f"{ukprn}:"

    def identity(reference: str | None, uln: str | None) -> str | None:
        if reference:
            return prefix + reference
        return f"uln:{uln}" if uln and uln != TEMPORARY_ULN else None

    return identity


def written_columns(stream: StreamName, fields: Collection[str]) -> list[str]:
    """Return the columns of a stream's table that a mapping of `fields` can fill, in table order.

    The others are null in every row, and need not be bound a million times.
    """
    filled = {*fields, *(["checklist"] if not set(CHECKLIST).isdisjoint(fields) else [])}
    ours = {*PROVENANCE, *STAMPS.get(stream, ()), *HISTORY.get(stream, ())}
    columns = [column for column in SOURCE_TABLES[stream].columns if column.name not in ours]
    return [column.name for column in columns if column.name in filled or not column.nullable]


def row_encoder(stream: StreamName, columns: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return the function from a record to its values for these columns."""
    if "checklist" in columns:
        return _checklist_encoder(stream, columns)
    dates = {name for name in columns if "date" in str(MODELS[stream].model_fields[name].annotation)}
    fetch = itemgetter(*columns) if len(columns) > 1 else lambda fields: (fields[columns[0]],)
    days = tuple(columns.index(name) for name in columns if name in dates)

    def encode(fields: Mapping[str, Any]) -> tuple[Any, ...]:
        values = list(fetch(fields))
        for index in days:
            day = values[index]
            if day is not None:
                values[index] = day.isoformat()
        return tuple(values)

    return encode


def _checklist_encoder(stream: StreamName, columns: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Encode activities whose source records the elements of "meaningful": they share one column."""
    position = columns.index("checklist")
    others = row_encoder(stream, [name for name in columns if name != "checklist"])
    checklist = itemgetter(*CHECKLIST)
    nothing = (None,) * len(CHECKLIST)

    def encode(fields: Mapping[str, Any]) -> tuple[Any, ...]:
        values = others(fields)
        checked = checklist(fields)
        return (*values[:position], None if checked == nothing else _as_json(checked), *values[position:])

    return encode


def _as_json(checked: tuple[bool | None, ...]) -> str:
    return json.dumps({name: value for name, value in zip(CHECKLIST, checked, strict=True) if value is not None})


class StreamRows:
    """Hash, look up and upsert the rows of one stream; the statements are compiled once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._dialect = stream.run.store.dialect
        self.seed = f"{stream.fingerprint}\x1e"
        name, table = stream.spec.name, stream.table
        written, stamps = written_columns(name, stream.mapping.fields), STAMPS.get(name, {})
        self.encode = row_encoder(name, written)
        self.stamp: tuple[int | str, ...] = (stream.run.id,) * len(stamps)
        bound = {*PROVENANCE, *written, *stamps, *HISTORY.get(name, ())}
        blank = [one.name for one in table.columns if one.name not in bound]
        self._upsert = self._dialect.upsert(
            table, conflict=["connector", "key"], keep=["id", "first_run"], null=["deleted_run", *blank], stamp=stamps
        )
        self._select = (
            f"SELECT key, id, row_hash, deleted_run, learner_id FROM {table.name} "  # noqa: S608 - our own names
            f"WHERE connector = {self._dialect.placeholder} AND "
        )
        self._hashing: dict[tuple[str, ...], tuple[Callable[[Mapping[str, Any]], tuple[Any, ...]], str]] = {}

    def upsert(self, rows: list[tuple[Any, ...]]) -> None:
        """Write complete rows through the driver's `executemany`."""
        executemany(self._stream.connection, self._upsert, rows)

    def hashing(self, offered: tuple[str, ...]) -> tuple[Callable[[Mapping[str, Any]], tuple[Any, ...]], str]:
        """Return the getter of the values to hash in a record with these fields, and what the hash begins with.

        Only the columns that the mapping reads count, and which of them the source offers: a column added to a file
        may turn the same row into a different record.
        """
        known = self._hashing.get(offered)
        if known is None:
            columns = sorted(self._stream.mapping.columns.intersection(offered))
            seed = f"{self.seed}{columns!r}\x1e"
            if len(columns) > 1:
                known = itemgetter(*columns), seed
            else:
                known = (lambda data: tuple(data[column] for column in columns)), seed
            self._hashing[offered] = known
        return known

    def look_up(self, keys: list[str]) -> dict[str, tuple[int, int, int | None, int | None]]:
        """Return number, hash, deletion and learner of the existing rows, by key.

        If the keys ascend, as in most files, one index range suffices; a list of keys costs ten times as much.
        """
        connection, number = self._stream.connection, self._stream.number
        if self._dialect.sorts_like_python and keys[0] < keys[-1] and keys == sorted(keys):
            limit = 4 * len(keys)
            mark = self._dialect.placeholder
            condition = f"key >= {mark} AND key <= {mark} LIMIT {limit}"
            rows = connection.exec_driver_sql(self._select + condition, (number, keys[0], keys[-1])).all()
            if len(rows) < limit:
                return {row[0]: row[1:] for row in rows}
        condition, parameters = self._dialect.keys_among(keys)
        rows = connection.exec_driver_sql(self._select + condition, (number, *parameters)).all()
        return {row[0]: row[1:] for row in rows}
