"""One run from lock to report."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import sqlalchemy as sa
import xxhash

from fingerpost._config.opened import Opened
from fingerpost._contract.connector import ConnectorConfig
from fingerpost._contract.messages import STREAMS, StreamSpec
from fingerpost._market.in_mind import InMind, occupation_lines, occupations_in_mind
from fingerpost._market.market import Market
from fingerpost._market.occupations import load_occupations
from fingerpost._plugins.context import key_columns
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._sync.crosswalk import load_crosswalk
from fingerpost._sync.failpoints import hit
from fingerpost._sync.freshness import CHECK_EXPORT, Freshness, Key
from fingerpost._sync.identities import Identities
from fingerpost._sync.judge import count_verdicts, judge
from fingerpost._sync.link import link
from fingerpost._sync.missing import list_missing
from fingerpost._sync.nights import Night
from fingerpost._sync.providers import provider_of
from fingerpost._sync.reader import StreamReader
from fingerpost._sync.report import Progress, RunReport, StreamReport
from fingerpost._sync.run import Run, SyncOptions, finish_run, start_run
from fingerpost._sync.stream import Stream
from fingerpost._words.days import utc_text
from fingerpost._words.errors import FingerpostError, StoreError

Notify: TypeAlias = "Callable[[Run, SyncOptions, Mapping[InMind, str]], None]"
"""Notifies people at the end of a run: it plans and delivers, since a run does not know how a message looks."""


def sync(
    opened: Opened, market: Market, notify: Notify, options: SyncOptions, progress: Progress | None = None
) -> RunReport:
    """Run once, holding the college's lock.

    Raises `LockHeld` if another run has it. A source or channel that fails is reported, not raised.
    """
    with Night(opened, dry=options.dry_run) as night, opened.store.locked() as connection:
        run = start_run(opened, connection, options, progress)
        night.run = run.id
        try:
            _work(run, options, market, notify)
            run.report.settle()
            hit("run_finishing")
            finish_run(run)
        except BaseException as error:
            run.report.status, run.report.exit_code = "failed", getattr(error, "exit_code", 1)
            if isinstance(error, FingerpostError):
                run.report.say(error.message)
            with contextlib.suppress(StoreError):  # a lost store is the error itself
                finish_run(run)
                night.is_recorded = True
            raise
        finally:
            run.unit.close()
        return run.report


def _work(run: Run, options: SyncOptions, market: Market, notify: Notify) -> None:
    labour_market = run.config.settings.labour_market
    load_occupations(labour_market.crosswalk, labour_market.soc_version)  # a bad file ends the run before it begins
    identities = Identities(run, load_crosswalk(run.config))
    with run.phase("read"):
        _read(run, identities, options)
        _tell_stopped(run)
    with run.phase("link"):
        link(run, identities)
        list_missing(run)
    with run.phase("judge"):
        judge(run)
    with run.phase("enrich"):
        occupations = _enrich(run, market)
    notify(run, options, occupations)
    _purge(run)
    _count(run)


def _read(run: Run, identities: Identities, options: SyncOptions) -> None:
    """Read every stream of every source: streams in their order, sources in order of trust."""
    for broken in run.config.broken:
        run.report.streams.append(StreamReport(broken.name, "(all)", state="failed", message=broken.message))
        run.log.error("connector_not_loaded", connector=broken.name)
    for name in STREAMS:
        for instance in run.config.instances:
            if options.only and instance.name not in options.only:
                continue
            for spec in instance.streams:
                if spec.name == name:
                    run.report.streams.append(_read_stream(run, instance, spec, identities, options))


def _tell_stopped(run: Run) -> None:
    """Say which exports are no longer made; only the run that is the first to find it counts it as a failure."""
    table = schema.run
    reported = sa.and_(table.c.id < run.id, table.c.status.in_(("succeeded", "partial")))
    with run.unit.transaction() as connection:
        last = connection.scalar(sa.select(sa.func.max(table.c.started_at)).where(reported))
        known: set[Key] = set() if last is None else set(_stopped(connection, run, datetime.fromisoformat(last)))
        found = _stopped(connection, run, run.now)
    for stream in run.report.streams:
        key = (stream.connector, stream.stream)
        if key in found and stream.state != "failed":
            stream.newly_stale = key not in known
            run.report.say(f"{found[key]} {CHECK_EXPORT}")


def _stopped(connection: sa.Connection, run: Run, now: datetime) -> dict[Key, str]:
    return dict(Freshness(connection, run.opened, now).stopped())


def stream_reader(
    run: Run, instance: Instance, spec: StreamSpec, identities: Identities, *, full: bool
) -> StreamReader:
    """Return the reader for one stream; the mapping and the settings that matter decide what it stores."""
    report = StreamReport(instance.name, spec.name)
    mapping = run.opened.mappings[instance.name, spec.name]
    settings: Any = instance.config
    mode = getattr(settings, "mode", None) or spec.mode
    key = key_columns(settings, mapping.key)
    fingerprint = xxhash.xxh3_64_hexdigest(
        "\x1f".join(
            (mapping.fingerprint, _settings_that_decide(settings), str(provider_of(instance, run.config)), repr(key))
        ).encode()
    )
    context = run.context(instance, mapping)
    stream = Stream(run, instance, spec, mapping, context, report, mode, fingerprint)
    return StreamReader(stream, identities, full=full)


def _read_stream(
    run: Run, instance: Instance, spec: StreamSpec, identities: Identities, options: SyncOptions
) -> StreamReport:
    reader = stream_reader(run, instance, spec, identities, full=options.full)
    report = reader.stream.report
    run.log.info("stream_started", connector=instance.name, stream=spec.name)
    with contextlib.closing(reader.stream.context):
        reader.read()
    run.log.info(
        "stream_done", connector=instance.name, stream=spec.name, state=report.state, read=report.read, new=report.new,
        changed=report.changed, unchanged=report.unchanged, deleted=report.deleted, rejected=report.rejected,
    )  # fmt: skip
    with run.unit.transaction() as connection:
        run.store.dialect.size_cache(connection, large=False)
        table = schema.stream_run
        values = {name: value for name, value in report.as_dict().items() if name in table.c}
        values |= {"run": run.id, "connector": run.connector_ids[instance.name]}
        connection.execute(sa.insert(table).values(values))
    return report


_SETTINGS_THAT_DO_NOT_DECIDE = {
    "name", "enabled", "feeds", "areas", "fresh_for", "full_every", "lookback", "ukprn", "holds",
}  # fmt: skip


def _settings_that_decide(settings: ConnectorConfig) -> str:
    """Return as text the settings that decide what a source reads; secrets are masked.

    Stores remember a hash of this text, so an order that changed would have every source read whole once: `mode` stands
    where file connectors had it before they shared it.
    """
    values = settings.model_dump(mode="json", exclude=_SETTINGS_THAT_DO_NOT_DECIDE)
    names = [name for name in values if name != "mode"]
    before = next((name for name in ("key", "streams") if name in values), None)
    if "mode" in values:
        names.insert(len(names) if before is None else names.index(before) + 1, "mode")
    return json.dumps({name: values[name] for name in names}, separators=(",", ":"), ensure_ascii=False)


def _enrich(run: Run, market: Market) -> dict[InMind, str]:
    """Return the lines about the occupations that learners have in mind; a service that fails costs only its line."""
    if not market.is_configured or not run.config.settings.labour_market.in_digests:
        return {}
    with run.unit.transaction() as connection:
        in_mind = occupations_in_mind(connection)
    lines = occupation_lines(in_mind, run.config, market) if in_mind else {}
    # A dry run asks no service, so none has failed.
    for name, message in () if run.unit.dry else market.warnings.items():
        run.report.messages.append(message)
        run.log.warning("labour_market_unavailable", connector=name, message=message)
    return lines


def _purge(run: Run) -> None:
    """Remove the content of rejected records that have been kept long enough; they stay listed."""
    limit = utc_text(run.now - timedelta(days=run.config.settings.privacy.quarantine_days))
    table = schema.quarantine
    with run.unit.transaction() as connection:
        connection.execute(sa.update(table).where(table.c.since < limit, table.c.raw != "{}").values(raw="{}"))


def _count(run: Run) -> None:
    report, live = run.report, run.report.records
    with run.unit.transaction() as connection:
        for name in STREAMS:
            table = schema.learner if name == "learners" else schema.SOURCE_TABLES[name]
            live[name] = int(
                connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.deleted_run.is_(None)))
                or 0
            )
        report.verdicts = count_verdicts(connection, run.framework, run.as_of)
        warning, names = schema.warning, run.connector_ids
        counts = {
            (number, stream): count
            for number, stream, count in connection.execute(
                sa.select(warning.c.connector, warning.c.stream, sa.func.count()).group_by(
                    warning.c.connector, warning.c.stream
                )
            )
        }
        # What an interrupted run rejected was never reported, so it is new to this one.
        bad = schema.quarantine
        unreported: dict[tuple[int, str], int] = {
            (number, stream): count
            for number, stream, count in connection.execute(
                sa.select(bad.c.connector, bad.c.stream, sa.func.count())
                .where(bad.c.last_run.in_(report.interrupted))
                .group_by(bad.c.connector, bad.c.stream)
            )
        }
    for stream in report.streams:
        stream.warnings = counts.get((names.get(stream.connector, 0), stream.stream), 0)
        stream.newly_rejected += unreported.get((names.get(stream.connector, 0), stream.stream), 0)
