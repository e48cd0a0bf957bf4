"""Turn canonical records into rows of the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from fingerpost._record.models import CHECKLIST, MODELS, TEMPORARY_ULN, CanonicalRecord
from fingerpost._store.schema import SOURCE_TABLES

if TYPE_CHECKING:
    from fingerpost._contract.messages import StreamName


PROVENANCE: tuple[str, ...] = (
    "id", "connector", "key", "part", "row_hash", "first_run", "changed_run", "deleted_run", "identity", "uln",
    "learner_id",
)  # fmt: skip
"""The columns that every source table begins with."""

STAMPS: dict[StreamName, dict[str, tuple[str, ...]]] = {"responses": {"answered_run": ("response", "until")}}
"""The columns of a stream's table that hold the run in which others of its columns last changed, and those others.

`changed_run` does not say that: it is the run of any change, and of a changed setting too.
"""

Identify: TypeAlias = Callable[[str | None, str | None], str | None]


def identify(ukprn: int) -> Identify:
    """Return the function that says whom a row names: (reference, ULN) to "ukprn:reference" or "uln:…".

    A temporary ULN names nobody.
    """
    prefix = f"{ukprn}:"

    def identity(reference: str | None, uln: str | None) -> str | None:
        if reference:
            return prefix + reference
        return f"uln:{uln}" if uln and uln != TEMPORARY_ULN else None

    return identity


def written_columns(stream: StreamName, fields: Collection[str]) -> list[str]:
    """Return the columns of a stream's table that a mapping of `fields` can fill, in the table's order.

    The others stay null in every row, and need not be bound a million times.
    """
    filled = {*fields, *(["checklist"] if not set(CHECKLIST).isdisjoint(fields) else [])}
    ours = {*PROVENANCE, *STAMPS.get(stream, ())}
    columns = [column for column in SOURCE_TABLES[stream].columns if column.name not in ours]
    return [column.name for column in columns if column.name in filled or not column.nullable]


def row_encoder(stream: StreamName, columns: Sequence[str]) -> Callable[[CanonicalRecord], tuple[Any, ...]]:
    """Return the function that gives a record's values for these columns."""
    if "checklist" in columns:
        return _checklist_encoder(stream, columns)
    dates = {name for name in columns if "date" in str(MODELS[stream].model_fields[name].annotation)}
    fetch = itemgetter(*columns) if len(columns) > 1 else lambda fields: (fields[columns[0]],)
    days = tuple(columns.index(name) for name in columns if name in dates)

    def encode(record: CanonicalRecord) -> tuple[Any, ...]:
        values = list(fetch(record.__dict__))
        for index in days:
            day = values[index]
            if day is not None:
                values[index] = day.isoformat()
        return tuple(values)

    return encode


def _checklist_encoder(stream: StreamName, columns: Sequence[str]) -> Callable[[CanonicalRecord], tuple[Any, ...]]:
    """Encode activities whose source records the elements of "meaningful": they share one column."""
    position = columns.index("checklist")
    others = row_encoder(stream, [name for name in columns if name != "checklist"])
    checklist = itemgetter(*CHECKLIST)
    nothing = (None,) * len(CHECKLIST)

    def encode(record: CanonicalRecord) -> tuple[Any, ...]:
        values = others(record)
        checked = checklist(record.__dict__)
        return (*values[:position], None if checked == nothing else _as_json(checked), *values[position:])

    return encode


def _as_json(checked: tuple[bool | None, ...]) -> str:
    return json.dumps({name: value for name, value in zip(CHECKLIST, checked, strict=True) if value is not None})
