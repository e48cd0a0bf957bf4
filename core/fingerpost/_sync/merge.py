"""Merge what the sources say about a learner into one record."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from fingerpost._record.models import TEMPORARY_ULN
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.failpoints import hit
from fingerpost._sync.identities import named
from fingerpost._sync.people import HELD, state_of
from fingerpost._sync.run import Run

MERGE_BATCH = 2_000
"""Learners merged and stored in one transaction."""


def merge_marked(run: Run, crosswalk: Mapping[str, str]) -> None:
    """Rebuild every marked learner from its live source rows; the crosswalk says what a reference is called here."""
    dirty = schema.dirty
    while True:
        with run.unit.transaction() as connection:
            batch = list(
                connection.scalars(
                    sa.select(dirty.c.learner_id).where(dirty.c.merge).order_by(dirty.c.learner_id).limit(MERGE_BATCH)
                )
            )
            if not batch:
                return
            for start in range(0, len(batch), 500):
                _merge_batch(run, crosswalk, batch[start : start + 500])
            connection.execute(
                sa.update(dirty).where(dirty.c.merge, dirty.c.learner_id <= batch[-1]).values(merge=False)
            )
            hit("merge_written")
        hit("merge_committed")
        run.progress.advance(len(batch))


_SAID = ("uln", *schema.learner_fields)
_MERGED = ("ukprn", "reference", *_SAID)
_fetch = attrgetter(*_SAID)


def _merge_batch(run: Run, crosswalk: Mapping[str, str], batch: list[int]) -> None:
    connection, rows, learner = run.unit.connection, schema.source_learner, schema.learner
    said: dict[int, list[Any]] = {number: [] for number in batch}
    live = rows.c.learner_id.in_(batch), rows.c.deleted_run.is_(None)
    for row in connection.execute(sa.select(rows, (state_of() == HELD).label("is_held")).where(*live)):
        said[row.learner_id].append(row)
    merger = _Merger(run, crosswalk)
    updates = []
    for known in connection.execute(sa.select(learner).where(learner.c.id.in_(batch))):
        before = (known.ukprn, known.reference, *_fetch(known))
        merged = merger.merge(said[known.id]) if said[known.id] else before
        deleted = None if said[known.id] else (known.deleted_run or run.id)
        if deleted != known.deleted_run or merged != before:
            updates.append((*merged, run.id, deleted, known.id))
    names = [*_MERGED, "changed_run", "deleted_run"]
    statement = sa.update(learner).where(learner.c.id == sa.bindparam("number"))
    executemany(
        connection,
        run.store.dialect.positional(
            statement.values({name: sa.bindparam(f"new_{name}") for name in names}),
            [*(f"new_{name}" for name in names), "number"],
        ),
        updates,
    )


class _Merger:
    """Merge what sources say about a learner: the first non-null value, in the order of trust for each field."""

    def __init__(self, run: Run, crosswalk: Mapping[str, str]) -> None:
        self._crosswalk = crosswalk
        names = {number: name for name, number in run.connector_ids.items()}
        precedence = {name.removeprefix("learner."): order for name, order in run.config.settings.precedence.items()}
        self._rank = {number: run.config.rank(name) for number, name in names.items()}
        self._orders = {
            field: {number: _rank_in(order, name, run.config.rank(name)) for number, name in names.items()}
            for field, order in precedence.items()
        }

    def merge(self, rows: list[Any]) -> tuple[Any, ...]:
        """Return the merged fields, in the order of `_MERGED`."""
        if len(rows) == 1:
            return (*self._reference(rows), *_fetch(rows[0]))
        last = len(self._rank) + 1
        # Within a source what is newest comes first: this year's ILR before last year's, a reference before those that
        # it succeeds. What waits to be removed comes last.
        rows = sorted(rows, key=lambda row: row.key)
        rows.sort(key=lambda row: row.first_run, reverse=True)
        rows.sort(key=lambda row: row.part, reverse=True)
        rows.sort(key=lambda row: (self._rank.get(row.connector, last), row.is_held))
        return (
            *self._reference(rows),
            self._uln(self._ordered(rows, "uln")),
            *(
                next((value for row in self._ordered(rows, name) if (value := getattr(row, name)) is not None), None)
                for name in schema.learner_fields
            ),
        )

    def _reference(self, rows: list[Any]) -> tuple[int | None, str | None]:
        """Return provider and reference as the first row has them that has any, or as the crosswalk has them."""
        found = (named(self._crosswalk.get(row.identity, row.identity)) for row in rows)
        return next((one for one in found if one[1] is not None), (None, None))

    def _ordered(self, rows: list[Any], name: str) -> list[Any]:
        """Sort rows by the order of trust that `[precedence]` sets for one field, if any."""
        order = self._orders.get(name)
        return rows if order is None else sorted(rows, key=lambda row: order.get(row.connector, (2, 0)))

    @staticmethod
    def _uln(rows: list[Any]) -> str | None:
        """Return the ULN; any source's permanent one comes before a temporary one."""
        known = [row.uln for row in rows if row.uln is not None]
        return next((uln for uln in known if uln != TEMPORARY_ULN), known[0] if known else None)


def _rank_in(order: tuple[str, ...], name: str, rank: int) -> tuple[int, int]:
    return (0, order.index(name)) if name in order else (1, rank)
