"""Recognise the learners of several systems as one, link every row to its learner, and merge what sources say.

Identity is deterministic: the provider's reference first; then the ULN, where it is valid, permanent and unique among
live learners on both sides; then the crosswalk file, which is applied when a row is read. Never the name. A link
between two identities is a row of its own, with its evidence, so that it can be undone.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import xxhash

from fingerpost._errors import ConfigError
from fingerpost._failpoints import hit
from fingerpost._records import TEMPORARY_ULN
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.reading import Touched, mark_dirty
from fingerpost._sync.rows import Identify, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from fingerpost._host import Instance
    from fingerpost._messages import StreamName
    from fingerpost._sync.context import Run

__all__ = ["Identities", "link", "load_crosswalk"]

LISTED_UNKNOWN = 1_000
"""Rows that name an unknown learner which are listed one by one, for each stream; more are counted."""

_LINKED: tuple[StreamName, ...] = ("programmes", "assignments", "activities", "destinations")


def load_crosswalk(path: Path | None) -> tuple[dict[str, str], str]:
    """Read the crosswalk file; return identity to identity, and a digest of the file.

    Raises `ConfigError` naming file, line and column.
    """
    if path is None:
        return {}, ""
    columns = ("ukprn", "learner_ref", "same_as_ukprn", "same_as_learner_ref")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"[identity] crosswalk: the file {path} cannot be read: {error.strerror}.") from error
    try:
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    except UnicodeDecodeError as error:
        raise ConfigError(f"[identity] crosswalk: {path.name} is not UTF-8; save it as CSV UTF-8.") from error
    links: dict[str, str] = {}
    for line, row in enumerate(rows, start=2):
        values = [(row.get(column) or "").strip() for column in columns]
        if not all(values):
            lacking = ", ".join(name for name, value in zip(columns, values, strict=True) if not value)
            raise ConfigError(f"[identity] crosswalk: {path.name} line {line} has no {lacking}.")
        links[f"{values[0]}:{values[1]}"] = f"{values[2]}:{values[3]}"
    for start in links:
        end = start
        for _ in range(len(links) + 1):
            if end not in links:
                break
            end = links[end]
        else:
            raise ConfigError(f"[identity] crosswalk: {path.name} leads in a circle.")
        links[start] = end
    return links, xxhash.xxh3_64_hexdigest(content)


class Identities:
    """Know the learner of every identity during a run."""

    def __init__(self, run: Run, crosswalk: Mapping[str, str]) -> None:
        self.run = run
        self.crosswalk = crosswalk
        self.marked = Touched()
        self._learners: dict[str, int] = {}
        self._new: list[tuple[int, str]] = []
        self._next_id = 1
        self._insert = run.store.dialect.insert_ignore(schema.learner)
        self.load()

    def load(self) -> None:
        """Read again what is stored: at the start, and after a transaction was rolled back."""
        connection, learner, alias = self.run.unit.connection, schema.learner, schema.identity_link
        with self.run.unit.transaction():
            self._learners = dict(connection.execute(sa.select(learner.c.identity, learner.c.id)).tuples().all())
            for identity, same_as in connection.execute(sa.select(alias.c.identity, alias.c.same_as)):
                self._learners[identity] = self._learners[same_as]
            self._next_id = 1 + (connection.scalar(sa.select(sa.func.max(learner.c.id))) or 0)
        self._new.clear()

    def for_instance(self, instance: Instance) -> Identify:
        """Return how this instance's rows name learners: its own UKPRN, or the college's."""
        ukprn = getattr(instance.config, "ukprn", None) or self.run.config.settings.college.ukprn
        return identify(ukprn, self.crosswalk)

    @property
    def learner_of(self) -> Callable[[str], int | None]:
        """Return the function that gives the learner of an identity, or None."""
        return self._learners.get

    def ensure(self, identity: str) -> int:
        """Return the learner of an identity, making one where there is none; `write_new` stores it."""
        number = self._learners.get(identity)
        if number is None:
            number = self._next_id
            self._next_id += 1
            self._learners[identity] = number
            self._new.append((number, identity))
        return number

    def write_new(self) -> None:
        """Store the learners that were made, before the rows that point to them."""
        if not self._new:
            return
        blanks = (None,) * len(schema.learner_fields)
        run = self.run.id
        rows = []
        for number, identity in self._new:
            ukprn, _, reference = identity.partition(":")
            known = ukprn != "uln"
            rows.append(
                (number, identity, int(ukprn) if known else None, reference if known else None,
                 None if known else reference, *blanks, run, run, None, None)
            )  # fmt: skip
        executemany(self.run.unit.connection, self._insert, rows)
        self._new.clear()


def link(run: Run, identities: Identities) -> None:
    """Bring identities, links and merged learners up to date with what was read."""
    unit = run.unit
    with unit.transaction() as connection:
        run.store.ensure_indexes(connection)
        if _merges_pending(connection):
            _bridge(run, identities)
        for stream in _LINKED:
            _link_stream(run, stream)
        hit("link_written")
    hit("link_committed")
    identities.load()
    _merge(run)
    with unit.transaction():
        _list_unknown(run)


def _merges_pending(connection: sa.Connection) -> bool:
    dirty = schema.dirty
    return connection.scalar(sa.select(dirty.c.learner_id).where(dirty.c.merge).limit(1)) is not None


# -- ULN ---------------------------------------------------------------------------------------------------------


def _usable(rows: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(rows.c.deleted_run.is_(None), rows.c.uln.is_not(None), rows.c.uln != TEMPORARY_ULN)


def _ambiguous(rows: sa.Table) -> sa.Select[Any]:
    """Select the ULNs that two references of one source share: they identify nobody."""
    return (
        sa.select(rows.c.uln)
        .where(_usable(rows))
        .group_by(rows.c.connector, rows.c.uln)
        .having(sa.func.count(sa.distinct(rows.c.identity)) > 1)
    )


def _bridge(run: Run, identities: Identities) -> None:
    """Let identities that share a usable ULN be one learner, under the name the most trusted source gives them."""
    connection, rows = run.unit.connection, schema.source_learner
    ambiguous = set(connection.scalars(_ambiguous(rows)))
    _warn_ambiguous(run, ambiguous)
    shared = (
        sa.select(rows.c.uln)
        .where(_usable(rows))
        .group_by(rows.c.uln)
        .having(sa.func.count(sa.distinct(rows.c.identity)) > 1)
    )
    ranks = {number: run.rank(name) for name, number in run.connector_ids.items()}
    members: dict[str, dict[str, int]] = {}
    for uln, identity, source in connection.execute(
        sa.select(rows.c.uln, rows.c.identity, rows.c.connector).where(_usable(rows), rows.c.uln.in_(shared))
    ):
        if uln not in ambiguous:
            rank = ranks.get(source, len(ranks))
            known = members.setdefault(uln, {})
            known[identity] = min(rank, known.get(identity, rank))
    wanted: dict[str, str] = {}
    for known in members.values():
        # A reference outranks a bare ULN; then the most trusted source; then the spelling, to be deterministic.
        first = min(known, key=lambda identity: (identity.startswith("uln:"), known[identity], identity))
        wanted.update((identity, first) for identity in known if identity != first)
    _rewrite_links(run, identities, wanted)


def _rewrite_links(run: Run, identities: Identities, wanted: Mapping[str, str]) -> None:
    connection, alias = run.unit.connection, schema.identity_link
    stored: dict[str, str] = dict(connection.execute(sa.select(alias.c.identity, alias.c.same_as)).tuples().all())
    if stored == wanted:
        return
    own = dict(connection.execute(sa.select(schema.learner.c.identity, schema.learner.c.id)).tuples().all())
    for identity in sorted({*wanted, *stored}):
        target = wanted.get(identity)
        if target == stored.get(identity):
            continue
        connection.execute(sa.delete(alias).where(alias.c.identity == identity))
        if target is not None:
            connection.execute(sa.insert(alias).values(identity=identity, same_as=target, evidence="uln", run=run.id))
        _move(run, identity, own[target if target is not None else identity])
        touched = {own[name] for name in (identity, target, stored.get(identity)) if name is not None}
        mark_dirty(connection, run.store.dialect, Touched(merges=touched))


def _move(run: Run, identity: str, learner: int) -> None:
    """Point every row that names an identity to another learner."""
    for table in schema.SOURCE_TABLES.values():
        run.unit.connection.execute(
            sa.update(table)
            .where(table.c.identity == identity, table.c.learner_id.is_not(None), table.c.learner_id != learner)
            .values(learner_id=learner)
        )


def _warn_ambiguous(run: Run, ulns: Iterable[str]) -> None:
    """List the rows whose ULN identifies nobody; drop what was listed and no longer holds."""
    rows = schema.source_learner
    listed = sorted(ulns)
    found: set[tuple[int, str]] = set()
    for start in range(0, len(listed), 500):
        found.update(
            (row.connector, row.key)
            for row in run.unit.connection.execute(
                sa.select(rows.c.connector, rows.c.key).where(
                    rows.c.deleted_run.is_(None), rows.c.uln.in_(listed[start : start + 500])
                )
            )
        )
    _replace_warnings(run, "learners", "uln", "ambiguous_uln", found)


def _replace_warnings(run: Run, stream: str, field: str, code: str, wanted: set[tuple[int, str]]) -> None:
    """Make the warnings of one code in one stream be those about `wanted`: pairs of connector and key."""
    connection, table = run.unit.connection, schema.warning
    stored = {
        (row.connector, row.key): row.id
        for row in connection.execute(
            sa.select(table.c.id, table.c.connector, table.c.key).where(table.c.stream == stream, table.c.code == code)
        )
    }
    old = [number for pair, number in stored.items() if pair not in wanted]
    for start in range(0, len(old), 500):
        connection.execute(sa.delete(table).where(table.c.id.in_(old[start : start + 500])))
    new = [
        {"connector": source, "stream": stream, "key": key, "field": field, "code": code, "where": "",
         "first_run": run.id}
        for source, key in sorted(wanted - stored.keys())
    ]  # fmt: skip
    if new:
        connection.execute(run.store.dialect.insert(table).on_conflict_do_nothing(), new)


# -- links -------------------------------------------------------------------------------------------------------


def _link_stream(run: Run, stream: StreamName) -> None:
    """Attach rows that came before their learner: by identity, by a linked identity, by a unique ULN."""
    connection = run.unit.connection
    table = schema.SOURCE_TABLES[stream]
    if connection.scalar(sa.select(table.c.id).where(_unlinked(table)).limit(1)) is None:
        return
    learner, alias = schema.learner, schema.identity_link
    by_alias = (
        sa.select(learner.c.id)
        .join(alias, alias.c.same_as == learner.c.identity)
        .where(alias.c.identity == table.c.identity)
        .scalar_subquery()
    )
    by_identity = sa.select(learner.c.id).where(learner.c.identity == table.c.identity).scalar_subquery()
    people = schema.source_learner
    by_uln = (
        sa.select(sa.func.min(people.c.learner_id))
        .where(_usable(people), people.c.uln == table.c.uln, people.c.uln.not_in(_ambiguous(people)))
        .having(sa.func.count(sa.distinct(people.c.learner_id)) == 1)
        .scalar_subquery()
    )
    dialect, dirty = run.store.dialect, schema.dirty
    for found in (by_alias, by_identity, by_uln):
        linked = sa.and_(_unlinked(table), found.is_not(None))
        marks = sa.select(found, sa.false()).distinct().where(linked)
        connection.execute(dialect.insert_from(dirty, ["learner_id", "merge"], marks))
        connection.execute(sa.update(table).where(linked).values(learner_id=found))


def _unlinked(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.learner_id.is_(None), table.c.identity.is_not(None))


# -- merging -----------------------------------------------------------------------------------------------------


def _merge(run: Run) -> None:
    """Make every marked learner again from its live source rows."""
    dirty = schema.dirty
    while True:
        with run.unit.transaction() as connection:
            batch = list(
                connection.scalars(
                    sa.select(dirty.c.learner_id).where(dirty.c.merge).order_by(dirty.c.learner_id).limit(2_000)
                )
            )
            if not batch:
                return
            for start in range(0, len(batch), 500):
                _merge_batch(run, batch[start : start + 500])
            connection.execute(
                sa.update(dirty).where(dirty.c.merge, dirty.c.learner_id <= batch[-1]).values(merge=False)
            )
            hit("merge_written")
        hit("merge_committed")
        run.progress.advance(len(batch))


def _merge_batch(run: Run, batch: list[int]) -> None:
    connection, rows, learner = run.unit.connection, schema.source_learner, schema.learner
    said: dict[int, list[Any]] = {number: [] for number in batch}
    for row in connection.execute(sa.select(rows).where(rows.c.learner_id.in_(batch), rows.c.deleted_run.is_(None))):
        said[row.learner_id].append(row)
    merger = _Merger(run)
    columns = ("uln", *schema.learner_fields)
    statement = (
        sa.update(learner)
        .where(learner.c.id == sa.bindparam("number"))
        .values({name: sa.bindparam(f"new_{name}") for name in (*columns, "deleted_run", "changed_run")})
    )
    updates = []
    for known in connection.execute(sa.select(learner).where(learner.c.id.in_(batch))):
        merged = merger.merge(said[known.id]) if said[known.id] else {name: getattr(known, name) for name in columns}
        deleted = None if said[known.id] else (known.deleted_run or run.id)
        if deleted == known.deleted_run and all(merged[name] == getattr(known, name) for name in columns):
            continue
        updates.append(
            {"number": known.id, "new_deleted_run": deleted, "new_changed_run": run.id}
            | {f"new_{name}": value for name, value in merged.items()}
        )
    if updates:
        connection.execute(statement, updates)


class _Merger:
    """Merge what sources say of one learner: the first non-null value, by the order of trust for each field."""

    def __init__(self, run: Run) -> None:
        names = {number: name for name, number in run.connector_ids.items()}
        precedence = {name.removeprefix("learner."): order for name, order in run.config.settings.precedence.items()}
        self._rank = {number: run.rank(name) for number, name in names.items()}
        self._orders = {
            field: {number: _place(order, name, run.rank(name)) for number, name in names.items()}
            for field, order in precedence.items()
        }

    def merge(self, rows: list[Any]) -> dict[str, Any]:
        """Return the merged fields."""
        last = len(self._rank) + 1
        # Within one source the newest part speaks first: an ILR of this year before last year's.
        rows = sorted(
            sorted(rows, key=lambda row: row.part, reverse=True), key=lambda row: self._rank.get(row.connector, last)
        )
        merged: dict[str, Any] = {"uln": self._uln(rows)}
        for name in schema.learner_fields:
            ordered = self._ordered(rows, name)
            merged[name] = next((value for row in ordered if (value := getattr(row, name)) is not None), None)
        return merged

    def _ordered(self, rows: list[Any], name: str) -> list[Any]:
        """Put rows into the order of trust that `[precedence]` sets for one field, if it sets one."""
        order = self._orders.get(name)
        return rows if order is None else sorted(rows, key=lambda row: order.get(row.connector, (2, 0)))

    @staticmethod
    def _uln(rows: list[Any]) -> str | None:
        """Return the ULN; a temporary one says less than any other source's permanent one."""
        known = [row.uln for row in rows if row.uln is not None]
        return next((uln for uln in known if uln != TEMPORARY_ULN), known[0] if known else None)


def _place(order: tuple[str, ...], name: str, rank: int) -> tuple[int, int]:
    return (0, order.index(name)) if name in order else (1, rank)


# -- rows without a learner --------------------------------------------------------------------------------------


def _list_unknown(run: Run) -> None:
    """List the rows that name a learner whom no source holds: kept, and attached when that learner appears."""
    connection = run.unit.connection
    names = {number: name for name, number in run.connector_ids.items()}
    for stream in _LINKED:
        table = schema.SOURCE_TABLES[stream]
        lost = sa.and_(_unlinked(table), table.c.deleted_run.is_(None))
        select = sa.select(table.c.connector, sa.func.count()).where(lost).group_by(table.c.connector)
        counts: dict[int, int] = dict(connection.execute(select).tuples().all())
        found = {
            (row.connector, row.key)
            for row in connection.execute(
                sa.select(table.c.connector, table.c.key).where(lost).order_by(table.c.id).limit(LISTED_UNKNOWN)
            )
        }
        _replace_warnings(run, stream, "learner_ref", "unknown_learner", found)
        for number, count in sorted(counts.items()):
            run.report.messages.append(
                f"{names.get(number, '(removed connector)')}: {count} {stream} name a learner whom no source holds; "
                "they are kept, and count as soon as that learner appears."
            )
