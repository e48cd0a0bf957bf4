"""One stream of one source while it is being read: what its parts share."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import exc

from fingerpost._contract.messages import StreamSpec
from fingerpost._mapping.compiled import CompiledMapping
from fingerpost._plugins.context import HookContext
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._sync.report import StreamReport
from fingerpost._sync.run import Run
from fingerpost._words.errors import FingerpostError


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
        """How a log is kept over the years, if its settings say: ``all_years``, ``this_year`` or ``year_a_file``."""
        return getattr(self.instance.config, "holds", None)

    @property
    def is_changelog(self) -> bool:
        """Whether the source yields changes in order, so that the last record for a key counts."""
        return self.spec.ordered and self.spec.cursor is not None

    def of(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Return the condition that selects this stream's rows in a table about streams."""
        return sa.and_(table.c.connector == self.number, table.c.stream == self.spec.name)

    def note_incomplete(self, why: str) -> None:
        """Report a read that may have missed records: what came counts, what did not come proves nothing."""
        self.report.state = "incomplete"
        self.report.message = (
            f"Connector {self.instance.name}: the read of {self.spec.name} is incomplete, since {why}. What came was "
            "kept, nothing was removed for not coming, and the next run reads from the same place again."
        )
        self.run.log.warning("stream_incomplete", connector=self.instance.name, stream=self.spec.name)

    def note_failed(self, error: Exception) -> None:
        """Report a read that failed, with what IT or the vendor can do."""
        name, report, log = self.instance.name, self.report, self.run.log
        report.state = "failed"
        if isinstance(error, FingerpostError):
            report.message = error.message
        elif isinstance(error, exc.SQLAlchemyError):
            report.message = f"The store refused a write ({type(error).__name__})."
            log.debug("store_refused", exc_info=error)
        else:
            broke = f"Connector {name} broke while reading {self.spec.name}"
            advice = "Report it to its vendor; run again with --debug for the details."
            report.message = f"{broke} ({type(error).__name__}). {advice}"
            log.debug("stream_raised", exc_info=error)
        log.error("stream_failed", connector=name, stream=self.spec.name, message=report.message)
