"""Keep what has ended: who was in which group, and on which programme, when.

A row that a complete source no longer lists has ended; it was not untrue. It stays in its table, removed but with its
last day in `ended_on`, and evidence of a group or programme is decided by it for ever. A row that is changed into
another membership or enrolment leaves a copy of what it said. A row that goes before it began was never so.

A list of groups that gives no dates belongs to an academic year. Its year turns when a fifth of its rows are new that
year: what it lacks from then on ended on 31 July, and what it adds begins on 1 August.

Enrolments that a source keeps by academic year, as the ILR does, are what was so in that year. Once the source has the
next year, that alone says who continues: what stands in an earlier year without an end ended with it, listed or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.marks import Touched
from fingerpost._sync.stream import Stream
from fingerpost._words.days import academic_year_bounds, academic_year_of, read_academic_year, spell_academic_year

NEW_SHARE = 5
"""A list has turned when one in so many of its rows is new this academic year."""

TURNED_BY = "-11-01"
"""The day by which a list that is still being read is this year's, however little of it is new."""

OPEN_END = "9999-12-31"
"""The last day of what has none."""

Fields: TypeAlias = Mapping[str, Any]
_assignment, _programme, _activity = schema.source_assignment, schema.source_programme, schema.source_activity
_COPIED = re.compile(r" \(before run [0-9]+\)$")
"""How the key ends of what a row said before it came to mean something else."""


def is_or_was(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a row is listed, or was so once."""
    return sa.or_(table.c.deleted_run.is_(None), table.c.ended_on.is_not(None))


def parts_by_year(parts: Iterable[str]) -> dict[str, str]:
    """Return the parts of a stream that are academic years, whatever their spelling, by the year as we spell it."""
    starts = {part: read_academic_year(part) for part in parts}
    return {spell_academic_year(start): part for part, start in starts.items() if start is not None}


def last_day(today: date, year: str | None) -> str:
    """Return the last day of a row that today's read lacks: today, or 31 July if its list is last year's."""
    if year is None or year >= academic_year_of(today):
        return today.isoformat()
    return academic_year_bounds(year)[1].isoformat()


class History:
    """Keep the history of one stream while it is read; `year` is the academic year that its list is known to be of."""

    code: str | None = None
    """The warning about a row that now means something else, if there is one."""

    def __init__(self, stream: Stream, year: str | None) -> None:
        self.stream = stream
        self.table = stream.table
        self.year = year
        self.last_day = last_day(stream.run.as_of, year)
        self._today = stream.run.as_of.isoformat()
        self._first_day = academic_year_bounds(academic_year_of(stream.run.as_of))[0].isoformat()

    def before(self, numbers: Iterable[int | None]) -> dict[int, Any]:
        """Return what is stored of rows that are about to be replaced, by number."""
        known = [number for number in numbers if number is not None]
        select = sa.select(self.table).where(self.table.c.id.in_(known))
        return {row.id: row for row in self.stream.connection.execute(select)} if known else {}

    def stamps(self, identity: str | None, fields: Fields, old: Any) -> tuple[str, ...]:
        """Return the values of a row's columns that depend on what it said before, if there are any."""
        return ()

    def has_replaced(self, identity: str | None, fields: Fields, old: Any) -> bool:
        """Say whether a row now means something else than before, and is not a correction of it."""
        raise NotImplementedError

    def keep(self, replaced: Sequence[Any], next_id: int, warn: Callable[[str, str], None]) -> int:
        """Store copies of rows that now mean something else, as ended; return the next free number."""
        if self.code is not None:
            for old in replaced:
                warn(self.code, old.key)
        names = [column.name for column in self.table.columns]
        copies = [copy for old in replaced if (copy := self._copy(old)) is not None]
        rows = [
            tuple((copy | {"id": next_id + place, "row_hash": 0})[name] for name in names)
            for place, copy in enumerate(copies)
        ]
        executemany(self.stream.connection, self.stream.run.store.dialect.insert_ignore(self.table), rows)
        return next_id + len(rows)

    def _copy(self, old: Any) -> dict[str, Any] | None:
        ended = old.ended_on or self.last_day
        was_never_so = old.deleted_run is not None and old.ended_on is None
        if was_never_so or (old.starts_on is not None and old.starts_on > ended):
            return None
        deleted = old.deleted_run or self.stream.run.id
        return dict(
            old._asdict(), key=f"{old.key} (before run {self.stream.run.id})", ended_on=ended, deleted_run=deleted
        )

    def renamed(self) -> list[int]:
        """Return the rows that the source now holds under another key as well."""
        return []

    def finish(self, gone: Collection[int], touched: Touched) -> str | None:
        """Settle what a complete read without these rows means; return the academic year that the list is now of."""
        return self.year


class Enrolments(History):
    """Keep the enrolments that have ended."""

    def has_replaced(self, identity: str | None, fields: Fields, old: Any) -> bool:
        """Say whether a row now means another learner, another course or a later enrolment on the same one."""
        if old.identity != identity or (None not in (old.code, fields["code"]) and old.code != fields["code"]):
            return True
        end = old.actual_end or old.planned_end or OPEN_END
        return academic_year_of(fields["starts_on"]) > _year(old.starts_on) or fields["starts_on"].isoformat() > end

    def finish(self, gone: Collection[int], touched: Touched) -> str | None:
        """End what only an earlier year has without an end; return the year that now says who continues.

        That year must hold a fifth as many learners as the year before: a file with a handful is a trial.
        """
        row = _programme.c
        listed = row.connector == self.stream.number, row.deleted_run.is_(None)
        select = sa.select(row.part, sa.func.count(sa.distinct(row.identity))).where(*listed).group_by(row.part)
        learners: dict[str, int] = dict(self.stream.connection.execute(select).all())
        years = parts_by_year(learners)
        if not years:
            return self.year
        newest, *earlier = sorted(years, reverse=True)
        few = bool(earlier) and learners[years[newest]] * NEW_SHARE < learners[years[earlier[0]]]
        if few and self.year != newest:
            return self.year
        goes_on = row.actual_end.is_(None), row.ended_on.is_(None), row.status.is_distinct_from("on_break")
        for year in earlier:
            superseded = sa.and_(*listed, *goes_on, row.part == years[year])
            touched.learners.update(
                self.stream.connection.scalars(sa.select(row.learner_id).where(superseded, row.learner_id.is_not(None)))
            )
            ended = {"ended_on": academic_year_bounds(year)[1].isoformat(), "changed_run": self.stream.run.id}
            self.stream.connection.execute(sa.update(_programme).where(superseded).values(ended))
        return newest


class Memberships(History):
    """Keep the memberships of groups that have ended, and know since when a learner has been in a group."""

    def __init__(self, stream: Stream, year: str | None) -> None:
        super().__init__(stream, year)
        self._is_this_years = year is None or year >= academic_year_of(stream.run.as_of)

    def stamps(self, identity: str | None, fields: Fields, old: Any) -> tuple[str, ...]:
        """Return the day on which we first saw the learner in the group, and the first day in the group."""
        begins = None if fields["starts_on"] is None else fields["starts_on"].isoformat()
        if old is None or self.has_replaced(identity, fields, old):
            moved = self._is_this_years and old is not None and self._has_moved(old)
            return self._today, begins or (self._today if moved else self._first_day)
        same_tutor = (old.tutor_email, old.tutor_name) == (fields["tutor_email"], fields["tutor_name"])
        if begins not in (None, old.starts_on) and same_tutor:
            return old.since, begins  # a correction
        since = self._today if identity is None and not same_tutor else old.since
        return since, min(old.joined_on, begins or old.joined_on)

    def has_replaced(self, identity: str | None, fields: Fields, old: Any) -> bool:
        """Say whether a row now means another learner or group, another year, or one who left in an earlier year."""
        if (old.identity, old.group) != (identity, fields["group"]):
            return True
        starts = fields["starts_on"]
        if starts is not None and academic_year_of(starts) > _year(old.joined_on):
            return True
        if old.ended_on is None:
            return False
        is_of_last_year = old.ended_on < self._first_day and self._is_this_years
        return is_of_last_year or self._was_elsewhere(old)

    def _has_moved(self, old: Any) -> bool:
        """Say whether a learner comes from another membership of this year."""
        return (old.ended_on or self._today) >= self._first_day or self._was_elsewhere(old)

    def _was_elsewhere(self, old: Any) -> bool:
        """Say whether a learner who is back in a group was in another one since; else a list just lacked the row."""
        row = _assignment.c
        another = row.connector == self.stream.number, row.learner_id == old.learner_id, row.group != old.group
        select = sa.select(row.id).where(*another, row.since >= old.ended_on).limit(1)
        return self.stream.connection.scalar(select) is not None

    def finish(self, gone: Collection[int], touched: Touched) -> str | None:
        """Let new memberships succeed those that have gone, and turn the list's year when it is this year's."""
        self._succeed(frozenset(gone))
        return self._turn()

    def _succeed(self, gone: frozenset[int]) -> None:
        """Date the memberships that no complete read saw before by those that the same learners have left.

        The same group under another tutor carries on from its first day. Another group, without a date of its own,
        begins today, unless what was left was last year's.
        """
        connection, last = self.stream.connection, self._last_run()
        if last is None or not (self.stream.report.new or self.stream.run.report.interrupted):
            return
        row = _assignment.c
        names = (
            row.id,
            row.identity,
            row.group,
            row.starts_on,
            row.since,
            row.joined_on,
            row.ended_on,
            row.deleted_run,
            row.first_run,
        )
        select = sa.select(*names).where(row.connector == self.stream.number, row.identity.is_not(None))
        rows = connection.execute(select.order_by(row.identity).execution_options(yield_per=5_000))
        updates = []
        for _, some in groupby(rows, key=attrgetter("identity")):
            known = list(some)
            left = [one for one in known if one.id in gone or (one.ended_on or "") >= self._first_day]
            for new in known if left else ():
                if new.first_run > last and new.deleted_run is None:
                    updates.append((*self._succession(new, left, gone), new.id))
        mark = self.stream.run.store.dialect.placeholder
        update = f"UPDATE source_assignment SET since = {mark}, joined_on = {mark} WHERE id = {mark}"  # noqa: S608
        executemany(connection, update, updates)

    def _last_run(self) -> int | None:
        """Return the last run that read the list to its end, and remember this one, in the same transaction.

        The ledger would not do: a run that is killed has written its rows before its line in the ledger.
        """
        store, connection, name = self.stream.run.store, self.stream.connection, f"list_read:{self.stream.number}"
        remembered = store.get_state(connection, name)
        store.set_state(connection, name, str(self.stream.run.id))
        if remembered is not None:
            return int(remembered)
        ledger = schema.stream_run
        ends = self.stream.of(ledger), ledger.c.state.in_(("complete", "unchanged", "held"))
        last: int | None = connection.scalar(sa.select(sa.func.max(ledger.c.run)).where(*ends))
        return last

    def _succession(self, new: Any, left: Sequence[Any], gone: Collection[int]) -> tuple[str, str]:
        same = [old for old in left if old.group == new.group and old.id in gone]
        if same:
            begins = [old.joined_on for old in same] + ([] if new.starts_on is None else [new.starts_on])
            return min(old.since for old in same), min(begins)
        moved = new.starts_on is None and self._is_this_years
        return new.since, self._today if moved else new.joined_on

    def _turn(self) -> str:
        """Return the academic year that the list is known to be of, now that it was read to its end."""
        this_year = academic_year_of(self.stream.run.as_of)
        if self.year is None or self.year >= this_year:  # a later one: the clock was wrong
            return this_year
        row, hold = _assignment.c, schema.sweep_hold
        held = sa.select(hold.c.row_id).where(self.stream.of(hold))
        goes_on = sa.or_(row.ends_on.is_(None), row.ends_on >= self._first_day)  # a list may keep former years
        listed = row.connector == self.stream.number, row.deleted_run.is_(None), row.id.not_in(held), goes_on
        is_new = sa.or_(row.since >= self._first_day, row.starts_on >= self._first_day)
        counts = sa.select(sa.func.count(), sa.func.count().filter(is_new)).where(*listed)
        total, new = self.stream.connection.execute(counts).one()
        is_late = self._today >= f"{this_year[:4]}{TURNED_BY}"
        return this_year if total and (new * NEW_SHARE >= total or is_late) else self.year


class ReusedKeys(History):
    """Keep last year's evidence in a log whose numbers start again.

    A log that is only ever added to may not say that they do; then another event shows it. One that is configured to
    begin anew each year, or to have a numbering for each file, does say so.
    """

    def __init__(self, stream: Stream, year: str | None) -> None:
        super().__init__(stream, year)
        self.code = None if stream.holds == "this_year" else "key_reused"

    def has_replaced(self, identity: str | None, fields: Fields, old: Any) -> bool:
        """Say whether a key now means another day and another learner, or another event of another academic year."""
        day = fields["starts_on"].isoformat()
        if old.starts_on == day or old.deleted_run is not None:
            return False
        is_another_years = _year(old.starts_on) != _year(day)
        if is_another_years and self.stream.holds == "this_year":
            return True
        if self.stream.mode != "append":
            return False
        if (old.identity, old.group, old.programme) != (identity, fields["group"], fields["programme"]):
            return True
        event = [(getattr(old, name), fields[name]) for name in ("kind", "title", "organisation")]
        is_later = (
            old.starts_on < day and old.starts_on[5:] != day[5:]
        )  # the same day of a later year is a slip of the pen
        return is_another_years and (is_later or any(before != now for before, now in event))

    def _copy(self, old: Any) -> dict[str, Any]:
        """Keep the event: it took place."""
        return dict(old._asdict(), key=f"{old.key} (before run {self.stream.run.id})")

    def renamed(self) -> list[int]:
        """Return the rows that stand under the name of their file as well, now that files are told apart.

        They were read before `holds` was set. A record of a file that has gone since stays as it is.
        """
        if self.stream.holds != "year_a_file":
            return []
        row = _activity.c
        columns = (row.id, row.key, row.part, row.starts_on, row.kind, row.identity, row.group, row.programme)
        select = sa.select(*columns).where(row.connector == self.stream.number, row.deleted_run.is_(None))
        former: dict[tuple[Any, ...], list[int]] = {}
        for number, key, _, *event in self.stream.connection.execute(select.where(row.part == "")):
            former.setdefault((_COPIED.sub("", key), *event), []).append(number)
        found: list[int] = []
        for _, key, part, *event in self.stream.connection.execute(select.where(row.part != "")) if former else ():
            found += former.pop((key.removeprefix(f"{part}/"), *event), ())
        return found


def history_of(stream: Stream, year: str | None) -> History | None:
    """Return what keeps the history of a stream, if it has one."""
    if stream.spec.name == "assignments":
        return Memberships(stream, year)
    if stream.spec.name == "programmes":
        return Enrolments(stream, year)
    is_log = stream.spec.name == "activities" and (stream.mode == "append" or stream.holds is not None)
    return ReusedKeys(stream, year) if is_log else None


def _year(day: str) -> str:
    return academic_year_of(date.fromisoformat(day))
