"""What the last runs did, how fresh each source is, and what needs a person."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

import sqlalchemy as sa

from fingerpost._alerts.audience import Audiences, refused_addresses
from fingerpost._alerts.outbox import is_sentence
from fingerpost._alerts.pages import EDITED, NO_PAGE
from fingerpost._alerts.successors import likely_successors
from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._sync.clock import earlier_than_before, say_instant
from fingerpost._sync.freshness import CHECK_EXPORT, Freshness
from fingerpost._sync.missing import MISSING, missing_sentence
from fingerpost._sync.nights import Pause, lost_nights, pause
from fingerpost._views.sweeps import HeldSweep, held_sweeps
from fingerpost._words.days import academic_year_of, iso_week, utc_text
from fingerpost._words.printed import Printed


@dataclass(frozen=True, slots=True)
class DataFault(Printed):
    """One fault in a source's data that cost a field but not the record; `key` is the record's in that source."""

    connector: str
    stream: str
    key: str
    field: str
    code: str
    where: str


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One line of the ledger; instants are UTC.

    `status` is ``succeeded``, ``partial``, ``failed``, ``interrupted`` or ``running``. An interrupted run remains
    ``running`` until the next one starts. `summary` says in a line what it did. `run` is None for a run that failed
    because the store could not be written: the next one gives it a number.
    """

    run: int | None
    started_at: str
    finished_at: str | None
    status: str
    exit_code: int | None
    summary: str


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The status of one stream of one source.

    `state` and `message` are from its last read; `complete_at` is when it was last read to the end, `data_at` the date
    of the data then, if the source gives one. `live` counts the rows held, `of_nobody` those of learners whom no source
    has any more, `warnings` the faults in them by code. `configured` is False for a source that is no longer in the
    configuration, whose rows still count. `year` is the academic year that a list of tutors and groups is of.
    """

    connector: str
    stream: str
    configured: bool
    state: str | None
    message: str | None
    complete_at: str | None
    data_at: str | None
    stale: bool
    live: int
    of_nobody: int
    warnings: dict[str, int]
    quarantined: int
    held: int
    year: str | None


@dataclass(frozen=True, slots=True)
class StatusReport(Printed):
    """What happened, the current state and, in `todo`, what to do next, a sentence each.

    `outbox` counts the digests and `items` the changes of items on learners' pages, by state. `days_without_sync` is
    None unless no sync has run for some days.
    """

    college: str
    store: str
    timezone: str
    runs: tuple[RunStatus, ...]
    sources: tuple[SourceStatus, ...]
    outbox: dict[str, int]
    items: dict[str, int]
    todo: tuple[str, ...] = field(repr=False)
    days_without_sync: int | None


def status(opened: Opened, runs: int) -> StatusReport:
    """Return what the last `runs` runs did, how fresh each source is, and what needs a person."""
    held = held_sweeps(opened)
    with opened.store.reading() as connection:
        ledger, lately_run = _runs(opened, connection, runs), _runs(opened, connection, 2)
        sources = _sources(opened, connection, held)
        gap = pause(connection, opened)
        exports = tuple(_todo_exports(opened, connection, gap, sources))
        outbox, items = _outbox(connection, "digest", ""), _outbox(connection, "gap_item", "")
        since = ledger[0].started_at if ledger else ""
        refused_items = _outbox(connection, "gap_item", since).get("failed", 0)
        people = (*_todo_channels(connection), *_todo_addresses(opened, connection)) if ledger else ()
    broken = [one.message for one in opened.config.broken]
    waiting = {"digest": outbox | {"failed": 0}, "gap_item": items | {"failed": refused_items}}
    todo = (*_todo(ledger, sources, exports, held, waiting), *_todo_lists(sources, opened.today()), *people)
    clocks = _todo_clock(lately_run, utc_text(opened.now()))
    first = () if gap is None else (gap.sentence,)
    return StatusReport(
        college=opened.config.settings.college.name,
        store=opened.store.where,
        timezone=opened.config.settings.college.timezone,
        runs=ledger,
        sources=sources,
        outbox=outbox,
        items=items,
        todo=tuple(dict.fromkeys((*first, *broken, *todo, *clocks))),
        days_without_sync=None if gap is None else gap.days,
    )


# -- runs --------------------------------------------------------------------------------------------------------------


def _runs(opened: Opened, connection: sa.Connection, limit: int) -> tuple[RunStatus, ...]:
    """Return the newest runs, with those that the next run will enter into the ledger."""
    table = schema.run
    lost = {one.run: one for one in lost_nights(opened)}
    rows = connection.execute(sa.select(table).order_by(table.c.id.desc()).limit(limit))
    noted = [
        RunStatus(None, one.started_at, one.finished_at, "failed", one.exit_code, _summary(one.summary))
        for one in reversed(lost_nights(opened))
        if one.run is None
    ]
    known = [
        RunStatus(row.id, row.started_at, lost[row.id].finished_at, "failed", lost[row.id].exit_code,
                  _summary(lost[row.id].summary))
        if row.id in lost else
        RunStatus(row.id, row.started_at, row.finished_at, row.status, row.exit_code, _summary(row.summary))
        for row in rows
    ]  # fmt: skip
    return tuple([*noted, *known][:limit])


_TROUBLE = ("failed", "held", "incomplete")
"""The states of a stream that a person should know of."""


def _summary(stored: str | None) -> str:
    """Say in a line what a run did, from the report that it left."""
    if stored is None:
        return "no report"
    report: dict[str, Any] = json.loads(stored)
    if "command" in report:
        return str(report["command"])
    streams = report.get("streams", [])
    if not streams and report.get("messages"):
        return str(report["messages"][0])
    counts = {name: sum(stream[name] for stream in streams) for name in ("new", "changed", "deleted", "rejected")}
    counts["digests sent"] = report.get("digests", {}).get("sent", 0)
    counts["items written"] = report.get("items", {}).get("written", 0)
    told = [f"{count:,} {name}" for name, count in counts.items() if count]
    states = [stream["state"] for stream in streams]
    trouble = [f"{states.count(one)} of {len(states)} streams {one}" for one in _TROUBLE if one in states]
    return ", ".join([*trouble, *told]) or "no record had changed"


# -- sources -----------------------------------------------------------------------------------------------------------

_Key: TypeAlias = tuple[str, str]


def _sources(opened: Opened, connection: sa.Connection, held: list[HeldSweep]) -> tuple[SourceStatus, ...]:
    names = opened.store.connector_names(connection)
    live, of_nobody = _live(connection, names), _of_nobody(connection, names)
    last, states = _last_reads(connection, names), _states(connection, names)
    warnings, quarantined = _warnings(connection, names), _quarantined(connection, names)
    freshness = Freshness(connection, opened, opened.now())
    waiting: dict[_Key, int] = {(one.connector, one.stream): one.rows for one in held}
    configured = [(one.name, str(spec.name)) for one in opened.config.instances for spec in one.streams]
    gone = sorted(key for key, count in live.items() if count and key not in configured)
    found = []
    broken = {one.name: one.message for one in opened.config.broken}
    keys: tuple[_Key, ...] = (*configured, *gone)
    for key in keys:
        read, state = last.get(key), states.get(key)
        standing = (None, None) if read is None else (read.state, read.message)
        if key[0] in broken:
            standing = ("failed", broken[key[0]])
        complete_at = state.complete_at if state is not None else None
        data_at = state.data_at if state is not None else None
        found.append(
            SourceStatus(
                connector=key[0], stream=key[1], configured=key in configured or key[0] in broken,
                state=standing[0], message=standing[1],
                complete_at=complete_at, data_at=data_at,
                stale=key in configured and freshness.of(key) != "fresh",
                live=live.get(key, 0), of_nobody=of_nobody.get(key, 0),
                warnings=dict(sorted(warnings.get(key, {}).items())),
                quarantined=quarantined.get(key, 0), held=waiting.get(key, 0),
                year=None if state is None else state.year,
            )
        )  # fmt: skip
    return tuple(found)


def _live(connection: sa.Connection, names: Mapping[int, str]) -> dict[_Key, int]:
    counts: dict[_Key, int] = {}
    for stream, table in schema.SOURCE_TABLES.items():
        select = sa.select(table.c.connector, sa.func.count()).where(table.c.deleted_run.is_(None))
        for number, count in connection.execute(select.group_by(table.c.connector)):
            counts[names[number], str(stream)] = int(count)
    return counts


def _of_nobody(connection: sa.Connection, names: Mapping[int, str]) -> dict[_Key, int]:
    """Count the rows of learners who are in no source: of those who left, and of references that nobody succeeds."""
    learner, counts = schema.learner, {}
    for stream, table in schema.SOURCE_TABLES.items():
        gone = sa.select(table.c.connector, sa.func.count()).join(learner, learner.c.id == table.c.learner_id)
        gone = gone.where(table.c.deleted_run.is_(None), learner.c.deleted_run.is_not(None))
        for number, count in connection.execute(gone.group_by(table.c.connector)):
            counts[names[number], str(stream)] = int(count)
    return counts


def _last_reads(connection: sa.Connection, names: Mapping[int, str]) -> dict[_Key, Any]:
    table = schema.stream_run
    key = (table.c.connector, table.c.stream)
    newest = sa.select(sa.func.max(table.c.run).label("run"), *key).group_by(*key).subquery()
    same = (newest.c[name] == table.c[name] for name in ("run", "connector", "stream"))
    select = sa.select(table).join(newest, sa.and_(*same))
    return {(names[row.connector], row.stream): row for row in connection.execute(select)}


def _states(connection: sa.Connection, names: Mapping[int, str]) -> dict[_Key, Any]:
    rows = connection.execute(sa.select(schema.stream_state))
    return {(names[row.connector], row.stream): row for row in rows}


def _warnings(connection: sa.Connection, names: Mapping[int, str]) -> dict[_Key, dict[str, int]]:
    table = schema.warning
    counts: dict[_Key, dict[str, int]] = defaultdict(dict)
    kind = (table.c.connector, table.c.stream, table.c.code)
    for number, stream, code, count in connection.execute(sa.select(*kind, sa.func.count()).group_by(*kind)):
        counts[names[number], stream][code] = int(count)
    return counts


def _quarantined(connection: sa.Connection, names: Mapping[int, str]) -> dict[_Key, int]:
    table = schema.quarantine
    select = sa.select(table.c.connector, table.c.stream, sa.func.count()).group_by(table.c.connector, table.c.stream)
    return {(names[number], stream): int(count) for number, stream, count in connection.execute(select)}


def _outbox(connection: sa.Connection, item: str, since: str) -> dict[str, int]:
    """Count one kind of item in the outbox by state, leaving out items settled before an instant.

    Items edited by a tutor, and learners who are not in the ILP, need no action.
    """
    table = schema.outbox
    select = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
    recent = sa.or_(table.c.settled_at.is_(None), table.c.settled_at >= since)
    is_left = sa.and_(table.c.detail.is_not(None), table.c.detail.in_((EDITED, NO_PAGE)))
    told = select.where(table.c.item == item, recent, sa.not_(is_left))
    return {state: int(count) for state, count in connection.execute(told)}


# -- what to do --------------------------------------------------------------------------------------------------------


def _todo(
    runs: tuple[RunStatus, ...],
    sources: tuple[SourceStatus, ...],
    exports: tuple[str, ...],
    held: list[HeldSweep],
    outbox: Mapping[str, Mapping[str, int]],
) -> Iterator[str]:
    """Yield what needs a person, the most urgent first."""
    if not runs:
        yield "Nothing has been read yet: run fingerpost check, then fingerpost sync."
        return
    yield from _todo_runs(runs[0])
    for source in sources:
        if source.state == "failed":
            yield source.message or f"{source.connector}: reading {source.stream} failed; run fingerpost check."
        elif source.state == "incomplete" and source.message:
            yield source.message
        if MISSING in source.warnings:
            yield missing_sentence(source.connector, source.warnings[MISSING])
        if not source.configured:
            yield (
                f"{source.connector} is no longer configured, but its {source.live:,} {source.stream} still count. Put "
                "it back, or sync it once with an empty export and confirm the removal."
            )
    yield from exports
    for one in held:
        yield f"{one.message} If that is right, run fingerpost sweep --confirm; if not, correct the export and sync."
    rejected = sum(source.quarantined for source in sources)
    if rejected:
        yield f"{_many(rejected, 'record is', 'records are')} rejected: fingerpost quarantine list shows which and why."
    for item, counts in outbox.items():
        for state, what in (_WAITING | {"failed": _REFUSED}).items():
            if counts.get(state):
                yield f"{_many(counts[state], *_MANY[item])} {what}"


def _todo_lists(sources: tuple[SourceStatus, ...], today: date) -> Iterator[str]:
    """Yield which lists of tutors and groups are still last year's, from September on: nobody makes them in August."""
    for source in sources:
        is_last_years = source.configured and source.year is not None and source.year < academic_year_of(today)
        if is_last_years and today.month != 8:
            yield f"{source.connector} is still the list of {source.year}: fingerpost year says what is awaited."


def _todo_exports(
    opened: Opened, connection: sa.Connection, gap: Pause | None, sources: tuple[SourceStatus, ...]
) -> Iterator[str]:
    """Yield what is out of date and why.

    While nights are missing, it is as of the last run: what has grown old since then is no export's fault.
    """
    freshness = Freshness(connection, opened, opened.now() if gap is None else gap.since)
    stopped = dict(freshness.stopped())
    for source in sources:
        key = (source.connector, source.stream)
        if source.state == "failed" or not source.stale or source.complete_at is None:
            continue
        if key in stopped:
            yield f"{stopped[key]} {CHECK_EXPORT}"
        elif freshness.of(key) == "not_read":
            read = f"{source.connector}: the {source.stream} were last read to their end on"
            yield (
                f"{read} {freshness.age(key, read=True)}, so nothing is concluded from missing records. Run fingerpost "
                "sync without --only."
            )
    newest = freshness.all_stopped()
    if newest is not None:
        yield f"The newest export is of {newest}, and learners are judged by it. Check that the exports still run."


def _todo_clock(runs: tuple[RunStatus, ...], now: str) -> Iterator[str]:
    """Yield what the last two runs say about the clock of this machine."""
    begun = [(one.run, one.started_at) for one in runs if one.run is not None]
    if not begun:
        return
    (number, started_at), *earlier = begun
    if started_at > now:
        yield (
            f"Run {number} began at {say_instant(started_at)}, which is still to come: the clock of this "
            "machine was or is wrong. Check it; the next fingerpost sync takes back what lies ahead."
        )
    for one in earlier:
        if turned := earlier_than_before(number, started_at, one):
            yield turned


def _todo_runs(last: RunStatus) -> Iterator[str]:
    if last.status == "running":
        yield (
            f"Run {last.run} has not finished. If no sync is running, it was interrupted; the next fingerpost sync "
            "continues from where it stopped."
        )
    elif last.status == "interrupted":
        yield f"Run {last.run} was interrupted: run fingerpost sync, which continues from where it stopped."
    elif last.status == "failed":
        which = "The last run" if last.run is None else f"Run {last.run}"
        why = last.summary if last.summary.endswith(".") else "run fingerpost --debug sync by hand to see why."
        yield f"{which} failed: {why}"


_MANY = {"digest": ("digest is", "digests are"), "gap_item": ("item for a learner's page is", "items are")}
_WAITING = {
    "pending": "not delivered yet: the next fingerpost sync tries again.",
    "held": "held back, because the address is not in [alerts] allowed_domains: correct one or the other.",
    "unknown": "sent without an answer: the next fingerpost sync finds out what happened, or sends the same once more.",
}
_REFUSED = "permanently refused by the ILP: run fingerpost check, and make sure that the login may write."


def _todo_channels(connection: sa.Connection) -> Iterator[str]:
    """Yield what a person must put right before anything that waits for a channel can go."""
    table = schema.outbox
    select = sa.select(table.c.channel, table.c.detail).where(table.c.state == "pending").distinct()
    for channel, detail in connection.execute(select.order_by(table.c.channel, table.c.detail)):
        if is_sentence(detail):
            yield f"Channel {channel}: {detail}"


def _todo_addresses(opened: Opened, connection: sa.Connection) -> Iterator[str]:
    """Yield whose address is refused, and who may have a new one."""
    today, alerts = opened.today(), opened.config.settings.alerts
    everybody = list(Audiences(connection, opened, today))
    for channel in (one.name for one in opened.config.channels if one.accepts == "digest"):
        refused = refused_addresses(connection, channel)
        for person in (one.person for one in everybody if one.person.email in refused):
            yield (
                f"{person.name} cannot be reached at {person.email}: the address was refused ({channel}, "
                f"{refused[person.email]}). Correct it where it is recorded, or enter who has taken over. It is tried "
                "once a week; from the second on, the careers leader, if there is one, is told about these learners."
            )
        for person, former in likely_successors(connection, alerts, channel, iso_week(today), everybody):
            yield (
                f"{person.name} ({person.email}) may be who was {former} until now, and gets no digest this week. If "
                f'so, write same_person = {{ "{former}" = "{person.email}" }} under [alerts], and nothing is told '
                "anew; if not, do nothing, and the first digest goes out next week."
            )


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def data_quality(opened: Opened) -> list[DataFault]:
    """List every fault in the data, so that it can be corrected at its source; values are never included."""
    table, names = schema.warning, schema.connector
    select = (
        sa.select(names.c.name, table.c.stream, table.c.key, table.c.field, table.c.code, table.c.where)
        .join(names, names.c.id == table.c.connector)
        .order_by(names.c.name, table.c.stream, table.c.code, table.c.field, table.c.key, table.c.where)
    )
    with opened.store.reading() as connection:
        return [DataFault(*row) for row in connection.execute(select)]
