"""One run: what its parts share, and its line in the ledger."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog

from fingerpost._config.opened import make_http
from fingerpost._plugins.context import HookContext
from fingerpost._store import schema
from fingerpost._store.store import Store, Unit
from fingerpost._sync.failpoints import hit
from fingerpost._sync.report import Progress, RunReport, SilentProgress
from fingerpost._version import __version__
from fingerpost._words.days import utc_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from structlog.typing import FilteringBoundLogger

    from fingerpost._benchmarks.framework import Framework
    from fingerpost._config.configuration import Configuration
    from fingerpost._mapping.compiled import CompiledMapping
    from fingerpost._plugins.host import Host
    from fingerpost._plugins.instance import Instance


@dataclass(slots=True)
class Run:
    """One run and everything that its parts need."""

    id: int
    store: Store
    unit: Unit
    host: Host
    config: Configuration
    framework: Framework
    mappings: Mapping[tuple[str, str], CompiledMapping]
    now: datetime
    as_of: date
    report: RunReport
    progress: Progress
    log: FilteringBoundLogger
    connector_ids: dict[str, int] = field(default_factory=dict)

    @property
    def now_text(self) -> str:
        """The start of the run, as the store spells it."""
        return utc_text(self.now)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase of the run and say that it began."""
        self.progress.phase(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            taken = round(time.perf_counter() - started, 3)
            self.report.phases[name] = round(self.report.phases.get(name, 0.0) + taken, 3)
            self.log.info("phase_done", phase=name, seconds=taken)

    def rank(self, connector: str) -> int:
        """Return how much a connector is trusted: its place in the configuration."""
        return self.config.rank(connector)


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How one sync differs from the usual.

    * `dry_run`: do everything but leave nothing: no row, no digest.
    * `only`: read these connectors alone; the others' records stay as they are.
    * `full`: read everything, whatever cursors and digests say.
    * `deliver`: hand planned digests to the channels.
    """

    dry_run: bool = False
    only: Collection[str] = ()
    full: bool = False
    deliver: bool = True


def start_run(
    store: Store,
    connection: sa.Connection,
    host: Host,
    config: Configuration,
    framework: Framework,
    mappings: Mapping[tuple[str, str], CompiledMapping],
    options: SyncOptions,
    now: datetime,
    as_of: date,
    progress: Progress | None,
) -> Run:
    """Close dead runs, open this one, and number the connectors."""
    unit = Unit(connection, dry=options.dry_run)
    table = schema.run
    with unit.transaction():
        interrupted = list(connection.scalars(sa.select(table.c.id).where(table.c.status == "running")))
        connection.execute(
            sa.update(table).where(table.c.status == "running").values(status="interrupted", finished_at=utc_text(now))
        )
        number = int(
            connection.execute(
                sa.insert(table)
                .values(started_at=utc_text(now), status="running", as_of=as_of.isoformat(), version=__version__)
                .returning(table.c.id)
            ).scalar_one()
        )
        names = [*(instance.name for instance in config.instances), *(channel.name for channel in config.channels)]
        for name in names:
            store.connector_id(connection, name)
        # Those that the configuration no longer names too: their rows are still there.
        known = schema.connector
        numbers = {name: number for number, name in connection.execute(sa.select(known.c.id, known.c.name))}
    report = RunReport(number, as_of.isoformat(), interrupted=interrupted, dry_run=options.dry_run)
    if interrupted:
        report.messages.append(f"Run {interrupted[-1]} was interrupted; this one carries on where it stopped.")
    log = structlog.get_logger("fingerpost").bind(run=number)
    run = Run(
        number, store, unit, host, config, framework, mappings, now, as_of, report, progress or SilentProgress(), log,
        numbers,
    )  # fmt: skip
    log.info("run_started", as_of=as_of.isoformat(), dry_run=options.dry_run)
    host.run_started(number, as_of.isoformat())
    hit("run_started")
    return run


def hook_context(
    run: Run, instance: Instance, *, mapping: CompiledMapping | None = None, key: tuple[str, ...] = ()
) -> HookContext:
    """Return the context of an instance's hooks in this run."""
    return HookContext(
        name=instance.name,
        base_dir=run.config.base_dir,
        now=run.now,
        as_of=run.as_of,
        timezone=ZoneInfo(run.config.settings.college.timezone),
        make_http=lambda: make_http(run.config, instance.config, run.log),
        mapping=mapping,
        key=key,
        columns=frozenset() if mapping is None else mapping.columns | frozenset(key),
        log=run.log.bind(connector=instance.name),
    )


def finish_run(run: Run) -> None:
    """Close the run in the ledger and tell the plugins."""
    report, table = run.report, schema.run
    connection = run.unit.connection
    # What a dry run would write speaks of learners; it is for whoever started it.
    summary = {name: value for name, value in report.as_dict().items() if name != "would_write"}
    if connection.in_transaction() and not run.unit.dry:
        connection.rollback()
    with run.unit.transaction():
        connection.execute(
            sa.update(table)
            .where(table.c.id == run.id)
            .values(
                finished_at=utc_text(datetime.now(UTC)),
                status=report.status,
                exit_code=report.exit_code,
                summary=json.dumps(summary),
            )
        )
    run.log.info("run_finished", status=report.status, exit_code=report.exit_code)
    run.host.run_finished(run.id, summary)
