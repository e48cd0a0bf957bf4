"""One run: what its parts share, and its row in the ledger."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from fingerpost._benchmarks.framework import Framework
from fingerpost._config.configuration import Configuration
from fingerpost._config.opened import Opened
from fingerpost._mapping.compiled import CompiledMapping
from fingerpost._plugins.context import HookContext
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._store.store import Store, Unit
from fingerpost._sync.clock import earlier_than_before, last_run, take_back
from fingerpost._sync.failpoints import hit
from fingerpost._sync.nights import enter_lost_nights, lost_nights, lost_nights_path
from fingerpost._sync.providers import provider_of
from fingerpost._sync.report import Progress, RunReport, SilentProgress
from fingerpost._version import __version__
from fingerpost._words.days import utc_text

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How one sync differs from the usual.

    * `dry_run`: do everything, but keep and send nothing.
    * `only`: read only these connectors; the others' records stay as they are.
    * `full`: read everything, regardless of cursors and digests.
    * `deliver`: pass planned digests to the channels.
    """

    dry_run: bool = False
    only: Collection[str] = ()
    full: bool = False
    deliver: bool = True


@dataclass(slots=True)
class Run:
    """One run and everything that its parts need; `connector_ids` are the store's numbers for all connectors."""

    id: int
    opened: Opened
    unit: Unit
    now: datetime
    as_of: date
    report: RunReport
    progress: Progress
    log: FilteringBoundLogger
    connector_ids: dict[str, int]

    @property
    def store(self) -> Store:
        """The college's store."""
        return self.opened.store

    @property
    def config(self) -> Configuration:
        """The college's configuration."""
        return self.opened.config

    @property
    def framework(self) -> Framework:
        """The benchmarks that the college is judged by."""
        return self.opened.framework

    @property
    def now_text(self) -> str:
        """The start of the run, as the store writes it."""
        return utc_text(self.now)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase of the run and announce it."""
        self.progress.phase(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            taken = round(time.perf_counter() - started, 3)
            self.report.phases[name] = round(self.report.phases.get(name, 0.0) + taken, 3)
            self.log.info("phase_done", phase=name, seconds=taken)

    def context(self, instance: Instance, mapping: CompiledMapping | None = None) -> HookContext:
        """Return what an instance's hooks are given in this run."""
        return self.opened.context(instance, mapping, now=self.now, log=self.log)


def start_run(opened: Opened, connection: sa.Connection, options: SyncOptions, progress: Progress | None = None) -> Run:
    """Close interrupted runs, take back what lies ahead of this one, open it, and number the connectors."""
    now, as_of, store, config = opened.now(), opened.today(), opened.store, opened.config
    unit = Unit(connection, dry=options.dry_run)
    table, lost = schema.run, lost_nights(opened)
    with unit.transaction():
        before = last_run(connection)
        take_back(connection, now, opened.timezone)
        interrupted = list(connection.scalars(sa.select(table.c.id).where(table.c.status == "running")))
        connection.execute(
            sa.update(table).where(table.c.status == "running").values(status="interrupted", finished_at=utc_text(now))
        )
        enter_lost_nights(connection, lost)
        number = int(
            connection.execute(
                sa.insert(table)
                .values(started_at=utc_text(now), status="running", as_of=as_of.isoformat(), version=__version__)
                .returning(table.c.id)
            ).scalar_one()
        )
        for instance in (*config.instances, *config.channels):
            store.enter_connector(connection, instance.name, provider_of(instance, config))
        # Including those no longer configured: their rows are still there.
        numbers = {name: number for number, name in store.connector_names(connection).items()}
    if lost and not options.dry_run:
        lost_nights_path(opened).unlink(missing_ok=True)
    report = RunReport(number, as_of.isoformat(), interrupted=interrupted, dry_run=options.dry_run)
    if interrupted:
        report.messages.append(f"Run {interrupted[-1]} was interrupted; this run continues from where it stopped.")
    if turned := earlier_than_before(number, utc_text(now), before):
        report.messages.append(turned)
    log = structlog.get_logger("fingerpost").bind(run=number)
    run = Run(number, opened, unit, now, as_of, report, progress or SilentProgress(), log, numbers)
    log.info("run_started", as_of=as_of.isoformat(), dry_run=options.dry_run)
    opened.host.run_started(number, as_of.isoformat())
    hit("run_started")
    return run


def quiet_run(opened: Opened, unit: Unit) -> Run:
    """Return a run that nobody hears of, for a dry unit: to see what something would change."""
    names = opened.store.connector_names(unit.connection)
    report = RunReport(0, opened.today().isoformat(), dry_run=True)
    log = structlog.get_logger("fingerpost").bind(run=0)
    numbers = {name: number for number, name in names.items()}
    return Run(0, opened, unit, opened.now(), opened.today(), report, SilentProgress(), log, numbers)


def finish_run(run: Run) -> None:
    """Close the run in the ledger and notify the plugins."""
    report, table = run.report, schema.run
    # What a dry run would write is about learners; it is only for the person who started it.
    summary = {name: value for name, value in report.as_dict().items() if name != "would_write"}
    run.unit.rollback()
    with run.unit.transaction() as connection:
        connection.execute(
            sa.update(table)
            .where(table.c.id == run.id)
            .values(
                finished_at=utc_text(run.opened.now()),
                status=report.status,
                exit_code=report.exit_code,
                summary=json.dumps(summary),
            )
        )
    run.log.info("run_finished", status=report.status, exit_code=report.exit_code)
    run.opened.host.run_finished(run.id, summary)
