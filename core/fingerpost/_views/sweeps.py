"""The removals that a sync held back: list them, say what each would change, and carry them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa

from fingerpost._config.opened import Opened
from fingerpost._contract.messages import StreamName
from fingerpost._store import schema
from fingerpost._store.store import Unit
from fingerpost._sync.crosswalk import load_crosswalk
from fingerpost._sync.judge import judge
from fingerpost._sync.marks import mark_dirty, remove_rows
from fingerpost._sync.merge import merge_marked
from fingerpost._sync.run import Run, quiet_run
from fingerpost._version import __version__
from fingerpost._words.days import academic_year_of, utc_text
from fingerpost._words.errors import ConfigError
from fingerpost._words.printed import Printed

_hold = schema.sweep_hold


@dataclass(frozen=True, slots=True)
class HeldSweep(Printed):
    """Rows of one stream that are no longer in its source: `rows` of `of` live ones.

    `ending` counts the memberships or enrolments among them that would end, by academic year: they are remembered, and
    what they brought stays. What ends in no year never began.
    """

    connector: str
    stream: StreamName
    rows: int
    of: int
    ending: Mapping[str, int] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The removal as a sentence."""
        return f"{self.connector} no longer holds {self.rows} of {self.of} {self.stream}."


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """How many learners' verdicts on a criterion would change; a status is None where there is no verdict."""

    criterion: str
    before: str | None
    after: str | None
    learners: int


@dataclass(frozen=True, slots=True)
class SweepPreview(Printed):
    """What confirming the held removals would change: how many learners would be gone, and which verdicts."""

    learners_gone: int
    changes: tuple[VerdictChange, ...]


def held_sweeps(opened: Opened, only: Collection[str] = ()) -> list[HeldSweep]:
    """Return what is held, of these sources or of all, in order of connector and stream."""
    for name in only:
        opened.source(name)
    with opened.store.reading() as connection:
        return _held(connection, only)


def _held(connection: sa.Connection, only: Collection[str]) -> list[HeldSweep]:
    names = schema.connector
    found = []
    for name, number, stream, rows in connection.execute(
        sa.select(names.c.name, _hold.c.connector, _hold.c.stream, sa.func.count())
        .join(names, names.c.id == _hold.c.connector)
        .where(names.c.name.in_(only) if only else sa.true())
        .group_by(names.c.name, _hold.c.connector, _hold.c.stream)
        .order_by(names.c.name, _hold.c.stream)
    ):
        table = schema.SOURCE_TABLES[stream]
        live = sa.select(sa.func.count()).where(table.c.connector == number, table.c.deleted_run.is_(None))
        ending = _ending(connection, table, number, stream)
        found.append(HeldSweep(name, stream, rows, int(connection.scalar(live) or 0), ending))
    return found


def _ending(connection: sa.Connection, table: sa.Table, number: int, stream: str) -> dict[str, int]:
    """Count the memberships or enrolments that would end, by academic year."""
    if "ended_on" not in table.c:
        return {}
    these = _hold.c.connector == number, _hold.c.stream == stream, _hold.c.ended_on.is_not(None)
    begun = sa.or_(table.c.starts_on.is_(None), table.c.starts_on <= _hold.c.ended_on)
    select = sa.select(_hold.c.ended_on, sa.func.count()).join(table, table.c.id == _hold.c.row_id)
    counts: Counter[str] = Counter()
    for day, count in connection.execute(select.where(*these, begun).group_by(_hold.c.ended_on)):
        counts[academic_year_of(date.fromisoformat(day))] += count
    return dict(sorted(counts.items()))


def confirm_sweep(opened: Opened, only: Collection[str]) -> list[HeldSweep]:
    """Carry out the held removals, for these connectors or all; the next sync judges the learners again.

    Raises `LockHeld` during a run.
    """
    store, now = opened.store, utc_text(opened.now())
    with store.locked() as connection, connection.begin():
        known = store.connector_names(connection).values()
        for name in only:
            if name not in known:
                raise ConfigError(f"There is no source called '{name}', so it has no removals to confirm.")
        confirmed = _held(connection, only)
        if confirmed:
            run = connection.execute(
                sa.insert(schema.run).returning(schema.run.c.id).values(
                    started_at=now, finished_at=now, status="succeeded", exit_code=0, version=__version__,
                    as_of=opened.today().isoformat(),
                    summary='{"command": "sweep --confirm"}',
                )
            ).scalar_one()  # fmt: skip
            _carry_out(opened, connection, confirmed, int(run))
        return confirmed


def _carry_out(opened: Opened, connection: sa.Connection, held: Collection[HeldSweep], run: int) -> None:
    numbers = {name: number for number, name in opened.store.connector_names(connection).items()}
    for one in held:
        number = numbers[one.connector]
        these = sa.and_(_hold.c.connector == number, _hold.c.stream == one.stream)
        for last_day in connection.scalars(sa.select(_hold.c.ended_on).where(these).distinct()).all():
            same = _hold.c.ended_on.is_not_distinct_from(last_day)
            rows = list(connection.scalars(sa.select(_hold.c.row_id).where(these, same)))
            touched = remove_rows(
                connection, schema.SOURCE_TABLES[one.stream], rows, run=run, connector=number, stream=one.stream,
                last_day=last_day or opened.today().isoformat(),
            )  # fmt: skip
            mark_dirty(connection, opened.store.dialect, touched)
        connection.execute(sa.delete(_hold).where(these))


def preview_sweep(opened: Opened, only: Collection[str] = ()) -> SweepPreview:
    """Say what confirming the held removals would change, by doing it and taking it back.

    Raises `LockHeld` during a run.
    """
    with opened.store.locked() as connection:
        run = quiet_run(opened, Unit(connection, dry=True))
        try:
            return _preview(run, _held(connection, only))
        finally:
            run.unit.close()


def _preview(run: Run, held: Collection[HeldSweep]) -> SweepPreview:
    judge(run)  # what is due anyway is not a consequence
    connection = run.unit.connection
    with run.unit.transaction():
        _carry_out(run.opened, connection, held, run.id)
        concerned = list(connection.scalars(sa.select(schema.dirty.c.learner_id)))
        before = _statuses(connection, concerned)
    merge_marked(run, load_crosswalk(run.config))
    judge(run)
    with run.unit.transaction():
        after = _statuses(connection, concerned)
        person = schema.learner
        gone = sa.select(sa.func.count()).where(person.c.deleted_run == run.id)
        learners_gone = int(connection.scalar(gone) or 0)
    changes = Counter(
        (criterion, before.get((learner, criterion, period)), after.get((learner, criterion, period)))
        for learner, criterion, period in before.keys() | after.keys()
    )
    return SweepPreview(
        learners_gone,
        tuple(
            VerdictChange(criterion, was, becomes, learners)
            for (criterion, was, becomes), learners in sorted(changes.items(), key=str)
            if was != becomes
        ),
    )


def _statuses(connection: sa.Connection, learners: list[int]) -> dict[tuple[int, str, str], str]:
    verdict, found = schema.verdict, {}
    for start in range(0, len(learners), 500):
        some = verdict.c.learner_id.in_(learners[start : start + 500])
        for row in connection.execute(sa.select(verdict).where(some)):
            found[row.learner_id, row.criterion, row.period] = row.status
    return found
