"""Removals that a sync held back because too much had gone, and a person's word that it is right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from fingerpost._errors import ConfigError
from fingerpost._store import schema
from fingerpost._sync.context import utc_text
from fingerpost._sync.reading import mark_dirty, remove_rows
from fingerpost._version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection

    from fingerpost._college import College
    from fingerpost._messages import StreamName

__all__ = ["HeldSweep", "confirm_sweep", "held_sweeps"]


@dataclass(frozen=True, slots=True)
class HeldSweep:
    """Rows of one stream that its source no longer holds: `rows` of `of` live ones."""

    connector: str
    stream: StreamName
    rows: int
    of: int

    @property
    def message(self) -> str:
        """Say it in a sentence."""
        return f"{self.connector} no longer holds {self.rows} of {self.of} {self.stream}."


def held_sweeps(college: College) -> list[HeldSweep]:
    """Return what is held, in order of connector and stream."""
    with college.store.reading() as connection:
        return _held(connection)


def _held(connection: sa.Connection) -> list[HeldSweep]:
    hold, names = schema.sweep_hold, schema.connector
    found = []
    for name, number, stream, rows in connection.execute(
        sa.select(names.c.name, hold.c.connector, hold.c.stream, sa.func.count())
        .join(names, names.c.id == hold.c.connector)
        .group_by(names.c.name, hold.c.connector, hold.c.stream)
        .order_by(names.c.name, hold.c.stream)
    ):
        table = schema.SOURCE_TABLES[stream]
        live = connection.scalar(
            sa.select(sa.func.count()).where(table.c.connector == number, table.c.deleted_run.is_(None))
        )
        found.append(HeldSweep(name, stream, rows, int(live or 0)))
    return found


def confirm_sweep(college: College, only: Collection[str], now: datetime) -> list[HeldSweep]:
    """Remove what is held, softly, and mark the learners so that the next sync judges them again."""
    store, hold = college.store, schema.sweep_hold
    with store.dialect.lock(), store.writing() as connection:
        numbers = {name: number for number, name in college.connector_names(connection).items()}
        for name in only:
            if name not in numbers:
                raise ConfigError(f"There is no source called '{name}' whose removals wait.")
        confirmed = [one for one in _held(connection) if not only or one.connector in only]
        if not confirmed:
            return []
        run = int(
            connection.execute(
                sa.insert(schema.run).returning(schema.run.c.id).values(
                    started_at=utc_text(now.astimezone(UTC)), finished_at=utc_text(now.astimezone(UTC)),
                    status="succeeded", exit_code=0, as_of=college.today().isoformat(), version=__version__,
                    summary='{"command": "sweep --confirm"}',
                )
            ).scalar_one()
        )  # fmt: skip
        for one in confirmed:
            number = numbers[one.connector]
            these = sa.and_(hold.c.connector == number, hold.c.stream == one.stream)
            rows = list(connection.scalars(sa.select(hold.c.row_id).where(these)))
            touched = remove_rows(
                connection, schema.SOURCE_TABLES[one.stream], rows, run=run, connector=number, stream=one.stream
            )
            mark_dirty(connection, store.dialect, touched)
            connection.execute(sa.delete(hold).where(these))
        return confirmed
