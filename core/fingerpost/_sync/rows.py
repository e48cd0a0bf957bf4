"""Turn canonical records into rows of the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from fingerpost._records import CHECKLIST, MODELS, TEMPORARY_ULN, CanonicalRecord
from fingerpost._store.schema import SOURCE_TABLES

if TYPE_CHECKING:
    from fingerpost._messages import StreamName

__all__ = ["PROVENANCE", "Identify", "identify", "row_encoder"]

PROVENANCE: tuple[str, ...] = (
    "id", "connector", "key", "part", "row_hash", "first_run", "changed_run", "deleted_run", "identity", "uln",
    "learner_id",
)  # fmt: skip
"""The columns that every source table begins with."""

Identify: TypeAlias = Callable[[str | None, str | None], str | None]


def identify(ukprn: int, crosswalk: Mapping[str, str]) -> Identify:
    """Return the function that says whom a row names: (reference, ULN) to "ukprn:reference" or "uln:…".

    The crosswalk is applied to the reference; a temporary ULN names nobody.
    """
    prefix = f"{ukprn}:"

    def identity(reference: str | None, uln: str | None) -> str | None:
        if reference:
            own = prefix + reference
            return crosswalk.get(own, own)
        return f"uln:{uln}" if uln and uln != TEMPORARY_ULN else None

    return identity


def row_encoder(stream: StreamName) -> Callable[[CanonicalRecord], tuple[Any, ...]]:
    """Return the function that gives a record's own columns, in the order of the stream's table."""
    columns = [column.name for column in SOURCE_TABLES[stream].columns][len(PROVENANCE) :]
    if stream == "activities":
        return _activity_encoder(columns)
    dates = {name for name in columns if "date" in str(MODELS[stream].model_fields[name].annotation)}
    fetch = itemgetter(*columns)
    days = tuple(columns.index(name) for name in columns if name in dates)

    def encode(record: CanonicalRecord) -> tuple[Any, ...]:
        values = list(fetch(record.__dict__))
        for index in days:
            day = values[index]
            if day is not None:
                values[index] = day.isoformat()
        return tuple(values)

    return encode


def _activity_encoder(columns: list[str]) -> Callable[[CanonicalRecord], tuple[Any, ...]]:
    """Encode activities: the million rows of a college, hence written out."""
    before = itemgetter(*columns[: columns.index("starts_on")])
    after = itemgetter(*columns[columns.index("ends_on") + 1 : columns.index("checklist")])
    last = itemgetter(*columns[columns.index("checklist") + 1 :])
    checklist = itemgetter(*CHECKLIST)
    nothing = (None,) * len(CHECKLIST)
    iso = date.isoformat

    def encode(record: CanonicalRecord) -> tuple[Any, ...]:
        fields = record.__dict__
        checked = checklist(fields)
        return (
            *before(fields),
            iso(fields["starts_on"]),
            None if fields["ends_on"] is None else iso(fields["ends_on"]),
            *after(fields),
            None if checked == nothing else _as_json(checked),
            *last(fields),
        )

    return encode


def _as_json(checked: tuple[bool | None, ...]) -> str:
    return json.dumps({name: value for name, value in zip(CHECKLIST, checked, strict=True) if value is not None})
