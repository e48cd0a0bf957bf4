"""One stream of one source while it is being read: what its parts share."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from fingerpost._contract.messages import StreamSpec
from fingerpost._mapping.compiled import CompiledMapping
from fingerpost._plugins.context import HookContext
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._sync.report import StreamReport
from fingerpost._sync.run import Run


@dataclass(slots=True)
class Stream:
    """One stream of one source in one run.

    `mode` is ``snapshot`` or ``append``; `fingerprint` covers everything that decides how a row is stored. `number` is
    the connector's in the store.
    """

    run: Run
    instance: Instance
    spec: StreamSpec
    mapping: CompiledMapping
    context: HookContext
    report: StreamReport
    mode: str
    fingerprint: str
    number: int = field(init=False)
    table: sa.Table = field(init=False)

    def __post_init__(self) -> None:
        self.number = self.run.connector_ids[self.instance.name]
        self.table = schema.SOURCE_TABLES[self.spec.name]

    @property
    def connection(self) -> sa.Connection:
        """The connection that the run writes on."""
        return self.run.unit.connection

    @property
    def holds(self) -> str | None:
        """How a log is kept over the years, if its configuration says: ``this_year``, ``year_a_file`` or ``all_years``."""
        return getattr(self.instance.config, "holds", None)

    @property
    def is_changelog(self) -> bool:
        """Whether the source yields changes in order, so that the last record for a key counts."""
        return self.spec.ordered and self.spec.cursor is not None

    def of(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Return the condition that selects this stream's rows in a table about streams."""
        return sa.and_(table.c.connector == self.number, table.c.stream == self.spec.name)
