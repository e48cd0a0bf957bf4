"""Mark the learners that must be merged or judged again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from fingerpost._store import schema
from fingerpost._store.dialect import Dialect
from fingerpost._store.store import executemany


@dataclass(slots=True)
class Touched:
    """What rows affect: the learners that must be judged again, and those of them to be merged first."""

    learners: set[int] = field(default_factory=set)
    merges: set[int] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    programmes: set[str] = field(default_factory=set)

    def add(self, other: Touched) -> None:
        """Add what other rows affect."""
        self.learners |= other.learners
        self.merges |= other.merges
        self.groups |= other.groups
        self.programmes |= other.programmes

    def note_shared(self, activity: Mapping[str, Any]) -> None:
        """Note a group or programme whose members must be judged again."""
        if activity["subject"] == "group":
            self.groups.add(activity["group"])
        elif activity["subject"] == "programme":
            self.programmes.add(activity["programme"])

    def note_shared_before(
        self, connection: sa.Connection, activities: sa.Table, numbers: Iterable[int | None]
    ) -> None:
        """Note the groups and programmes that changed activities were for until now: they may have lost evidence."""
        known = [number for number in numbers if number is not None]
        for column, names in ((activities.c.group, self.groups), (activities.c.programme, self.programmes)):
            select = sa.select(column).distinct().where(activities.c.id.in_(known), column.is_not(None))
            names.update(connection.scalars(select))

    def clear(self) -> None:
        """Forget everything once it is stored."""
        for group in (self.learners, self.merges, self.groups, self.programmes):
            group.clear()


class Marks:
    """Remember who is already marked in the store, to be judged or to be merged too, in a byte per learner."""

    JUDGE, MERGE = 1, 2

    def __init__(self) -> None:
        self._levels = bytearray()

    def without(self, learners: Iterable[int], level: int) -> list[int]:
        """Return, in order, the learners not yet marked at this level."""
        levels, end = self._levels, len(self._levels)
        return sorted(number for number in learners if number >= end or levels[number] < level)

    def add(self, touched: Touched) -> None:
        """Add what has been stored."""
        for learners, level in ((touched.learners, self.JUDGE), (touched.merges, self.MERGE)):
            self._levels.extend(bytes(max(0, 1 + max(learners, default=0) - len(self._levels))))
            for number in learners:
                self._levels[number] = max(level, self._levels[number])


def remove_rows(
    connection: sa.Connection, table: sa.Table, numbers: list[int], *, run: int, connector: int, stream: str,
    last_day: str | None,
) -> Touched:  # fmt: skip
    """Mark rows as deleted; return what that affects.

    Memberships and enrolments that had begun have ended on `last_day`; without one they were never so.
    """
    gone_from: dict[str, Any] = {"deleted_run": run, "changed_run": run}
    if "ended_on" in table.c and last_day is None:
        gone_from["ended_on"] = None
    elif "ended_on" in table.c:
        begun = sa.or_(table.c.starts_on.is_(None), table.c.starts_on <= last_day)
        gone_from["ended_on"] = sa.case((begun, sa.func.coalesce(table.c.ended_on, last_day)))
    touched = Touched()
    warning = schema.warning
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        shared = [table.c.group, table.c.programme] if stream == "activities" else []
        gone = connection.execute(sa.select(table.c.learner_id, table.c.key, *shared).where(table.c.id.in_(some))).all()
        touched.learners.update(row.learner_id for row in gone if row.learner_id is not None)
        if shared:
            touched.groups.update(row.group for row in gone if row.group is not None)
            touched.programmes.update(row.programme for row in gone if row.programme is not None)
        connection.execute(sa.update(table).where(table.c.id.in_(some)).values(gone_from))
        connection.execute(
            sa.delete(warning).where(
                warning.c.connector == connector,
                warning.c.stream == stream,
                warning.c.key.in_([row.key for row in gone]),
            )
        )
    if stream == "learners":
        touched.merges |= touched.learners
    return touched


def mark_dirty(connection: sa.Connection, dialect: Dialect, touched: Touched, marks: Marks | None = None) -> None:
    """Mark learners to be judged again, those in `merges` to be merged first.

    Learners in `marks` are marked already.
    """
    dirty = schema.dirty
    marks = marks if marks is not None else Marks()
    for learners, level, statement in (
        (touched.learners - touched.merges, Marks.JUDGE, dialect.insert_ignore(dirty)),
        (touched.merges, Marks.MERGE, dialect.upsert(dirty, conflict=["learner_id"])),
    ):
        numbers = marks.without(learners, level)
        for start in range(0, len(numbers), 10_000):
            some = numbers[start : start + 10_000]
            executemany(connection, statement, [(number, level == Marks.MERGE) for number in some])
    for values, column in (
        (touched.groups, schema.source_assignment.c.group),
        (touched.programmes, schema.source_programme.c.code),
    ):
        names = sorted(values)
        for start in range(0, len(names), 500):
            members = (
                sa.select(column.table.c.learner_id, sa.false())
                .distinct()
                .where(column.table.c.learner_id.is_not(None), column.in_(names[start : start + 500]))
            )
            connection.execute(dialect.insert_from(dirty, ["learner_id", "merge"], members))
