"""Say how far the academic year has turned: what is this year's, what is awaited, what is held and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from fingerpost._alerts.audience import Audiences
from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._sync.history import TURNED_BY
from fingerpost._views.sweeps import HeldSweep, held_sweeps
from fingerpost._words.days import academic_year_bounds, academic_year_of, say_day
from fingerpost._words.printed import Printed


@dataclass(frozen=True, slots=True)
class YearOfList:
    """One source's list of tutors and groups: the year that it is known to be of, its rows, and those new this year."""

    connector: str
    year: str | None
    rows: int
    new: int
    held: int

    def is_of(self, year: str) -> bool:
        """Say whether the list is this year's."""
        return self.year is not None and self.year >= year


@dataclass(frozen=True, slots=True)
class YearReport(Printed):
    """How far the academic year has turned.

    `enrolled` learners are on a programme today. Those in `awaited` should be by their planned end, but no source lists
    an enrolment of theirs. `without_tutor` are enrolled, and nobody is named for them.
    """

    academic_year: str
    as_of: str
    lists: tuple[YearOfList, ...]
    learners: int
    enrolled: int
    awaited: int
    without_tutor: int
    held: tuple[HeldSweep, ...]
    todo: tuple[str, ...]


def year(opened: Opened) -> YearReport:
    """Return how far the academic year of today has turned."""
    today = opened.today()
    label = academic_year_of(today)
    begins = academic_year_bounds(label)[0]
    held = tuple(held_sweeps(opened))
    with opened.store.reading() as connection:
        person = schema.learner
        live = frozenset(connection.scalars(sa.select(person.c.id).where(person.c.deleted_run.is_(None))))
        audiences = Audiences(connection, opened, today)
        enrolled = audiences.enrolled() & live
        untutored = frozenset[int]().union(*(one.untutored for one in audiences)) & enrolled
        awaited = (_expected(connection, begins, today) & live) - enrolled
        lists = tuple(_lists(opened, connection, begins.isoformat(), held))
    report = (lists, len(live), len(enrolled), len(awaited), len(untutored), held)
    return YearReport(label, today.isoformat(), *report, todo=tuple(_todo(label, begins, *report)))


def _expected(connection: sa.Connection, begins: date, today: date) -> frozenset[int]:
    """Return the learners of whom an enrolment that was to go on still has not been listed since the year turned."""
    row = schema.source_programme.c
    goes_on = row.planned_end >= today.isoformat(), row.actual_end.is_(None)
    select = sa.select(row.learner_id).where(
        row.learner_id.is_not(None), *goes_on, row.ended_on < f"{begins.year}{TURNED_BY}"
    )
    return frozenset(connection.scalars(select))


def _lists(opened: Opened, connection: sa.Connection, begins: str, held: tuple[HeldSweep, ...]) -> Iterator[YearOfList]:
    table, state, names = schema.source_assignment, schema.stream_state, schema.connector
    waiting = {one.connector: one.rows for one in held if one.stream == "assignments"}
    configured = {instance.name for instance in opened.config.instances}
    is_new = sa.or_(table.c.since >= begins, table.c.starts_on >= begins)
    for number, name, known in connection.execute(
        sa.select(names.c.id, names.c.name, state.c.year)
        .join(state, state.c.connector == names.c.id)
        .where(state.c.stream == "assignments")
        .order_by(names.c.name)
    ).all():
        if name in configured:
            counts = sa.select(sa.func.count(), sa.func.count().filter(is_new))
            live = table.c.connector == number, table.c.deleted_run.is_(None)
            rows, new = connection.execute(counts.where(*live)).one()
            yield YearOfList(name, known, rows, new, waiting.get(name, 0))


def _todo(
    label: str,
    begins: date,
    lists: tuple[YearOfList, ...],
    learners: int,
    enrolled: int,
    awaited: int,
    without_tutor: int,
    held: tuple[HeldSweep, ...],
) -> Iterator[str]:
    """Yield what is still to be done before the year has turned."""
    for one in lists:
        if not one.is_of(label):
            yield (
                f"{one.connector} is still the list of {one.year or 'an earlier year'}: export the tutors and groups "
                f"of {label}. Until then last year's tutors are notified, and a group's activities since "
                f"{say_day(begins)} count for nobody."
            )
    if learners and not enrolled:
        yield f"Nobody is enrolled for {label} yet: export this year's learners and enrolments."
    elif awaited:
        yield (
            f"{awaited:,} learners were to stay beyond the summer, but no enrolment of {label} is on record for them: "
            "they are not judged until there is one."
        )
    if without_tutor:
        yield f"{without_tutor:,} enrolled learners have no tutor: the careers leader is notified about them."
    if held:
        yield "Removals are held: fingerpost sweep says what would change, fingerpost sweep --confirm carries them out."
