"""Recognise the learners of several systems as one, link every row to its learner, and merge what sources say.

Identity is deterministic: the provider's reference first; then the ULN, where it is valid, permanent and unique among
live learners on both sides; then the crosswalk file. Never the name. A row keeps the identity that its source gave it;
that two identities are one learner is a row of its own, with its evidence, so that it can be undone.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
import xxhash

from fingerpost._errors import ConfigError
from fingerpost._failpoints import hit
from fingerpost._records import TEMPORARY_ULN
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.reading import Marks, Touched, mark_dirty
from fingerpost._sync.rows import Identify, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from fingerpost._config import Configuration
    from fingerpost._host import Instance
    from fingerpost._messages import StreamName
    from fingerpost._sync.context import Run

__all__ = ["Identities", "known_providers", "link", "load_crosswalk"]

LISTED_UNKNOWN = 1_000
"""Rows that name an unknown learner which are listed one by one, for each stream; more are counted."""

MERGE_BATCH = 2_000
"""Learners merged and stored in one transaction."""

_LINKED: tuple[StreamName, ...] = ("programmes", "assignments", "activities", "destinations", "responses")

_CROSSWALK = ("ukprn", "learner_ref", "same_as_ukprn", "same_as_learner_ref")


def load_crosswalk(config: Configuration) -> dict[str, str]:
    """Read the crosswalk file, if there is one; return which identity is the same as which.

    Raises `ConfigError` naming file, line and column.
    """
    path = config.settings.identity.crosswalk
    if path is None:
        return {}
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"[identity] crosswalk: the file {path} cannot be read: {error.strerror}.") from error
    try:
        rows = csv.DictReader(content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise ConfigError(f"[identity] crosswalk: {path.name} is not UTF-8; save it as CSV UTF-8.") from error
    lacking = [column for column in _CROSSWALK if column not in (rows.fieldnames or ())]
    if lacking:
        raise ConfigError(f"[identity] crosswalk: {path.name} has no column {', '.join(lacking)}.")
    providers = known_providers(config)
    links: dict[str, str] = {}
    for line, row in enumerate(rows, start=2):
        ukprn, reference, same_as_ukprn, same_as_reference = _crosswalk_row(row, path, line, providers)
        links[f"{ukprn}:{reference}"] = f"{same_as_ukprn}:{same_as_reference}"
    return {start: _end(links, start, path) for start in links}


def known_providers(config: Configuration) -> set[str]:
    """Return the providers whose learners there may be: the college, what it was before, and the sources' own."""
    college = config.settings.college
    own = (getattr(instance.config, "ukprn", None) for instance in config.instances)
    return {str(number) for number in (college.ukprn, *college.former_ukprns, *own) if number}


def _crosswalk_row(row: Mapping[str, str | None], path: Path, line: int, providers: Collection[str]) -> list[str]:
    values = [(row[column] or "").strip() for column in _CROSSWALK]
    for column, value in zip(_CROSSWALK, values, strict=True):
        if not value:
            raise ConfigError(f"[identity] crosswalk: {path.name} line {line} has no {column}.")
        if "ukprn" in column and value not in providers:
            raise ConfigError(
                f"[identity] crosswalk: {path.name} line {line}: the {column} is not that of the college. If it is a "
                "college that merged into yours, add it to [college] former_ukprns; otherwise correct it."
            )
    return values


def _end(links: Mapping[str, str], start: str, path: Path) -> str:
    """Follow the links to the identity that is no other's."""
    end = links[start]
    for _ in links:
        if end not in links:
            return end
        end = links[end]
    raise ConfigError(f"[identity] crosswalk: {path.name} leads in a circle.")


class Identities:
    """Know the learner of every identity during a run."""

    def __init__(self, run: Run, crosswalk: Mapping[str, str]) -> None:
        self.run = run
        self.crosswalk = crosswalk
        self.marks = Marks()
        self._learners: dict[str, int] = {}
        self._new: list[tuple[int, str]] = []
        self._next_id = 1
        self._insert = run.store.dialect.insert_ignore(schema.learner)
        self.load()

    def load(self) -> None:
        """Read again what is stored: at the start, and after a transaction was rolled back."""
        connection, learner, alias = self.run.unit.connection, schema.learner, schema.identity_link
        self._learners.clear()
        self._new.clear()
        with self.run.unit.transaction():
            for number, identity in connection.execute(sa.select(learner.c.id, learner.c.identity)):
                self._learners[identity] = number
            for identity, same_as in connection.execute(sa.select(alias.c.identity, alias.c.same_as)):
                self._learners[identity] = self._learners[same_as]
            self._next_id = 1 + (connection.scalar(sa.select(sa.func.max(learner.c.id))) or 0)

    def for_instance(self, instance: Instance) -> Identify:
        """Return how this instance's rows name learners: with its own UKPRN, or the college's."""
        return identify(getattr(instance.config, "ukprn", None) or self.run.config.settings.college.ukprn)

    @property
    def learner_of(self) -> Callable[[str], int | None]:
        """Return the function that gives the learner of an identity, or None."""
        return self._learners.get

    def ensure(self, identity: str) -> int:
        """Return the learner of an identity, making one where there is none; `write_new` stores it."""
        number = self._learners.get(identity)
        if number is None:
            same = self.crosswalk.get(identity)
            number = self._make(identity) if same is None else self.ensure(same)
            self._learners[identity] = number
        return number

    def _make(self, identity: str) -> int:
        number = self._next_id
        self._next_id += 1
        self._new.append((number, identity))
        return number

    def own(self, identities: Collection[str], *, make: bool = False) -> dict[str, int]:
        """Return the learners that bear these identities as their own, making those that are lacking on request."""
        learner, connection = schema.learner, self.run.unit.connection
        found: dict[str, int] = {}
        for some in _batches(identities):
            select = sa.select(learner.c.identity, learner.c.id).where(learner.c.identity.in_(some))
            found.update((row.identity, row.id) for row in connection.execute(select))
        if make:
            found.update((identity, self._make(identity)) for identity in sorted(set(identities) - found.keys()))
            self.write_new()
        return found

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


def _batches(values: Collection[str], size: int = 500) -> Iterator[list[str]]:
    """Sort values and cut them into lists that a database takes as parameters."""
    ordered = sorted(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def link(run: Run, identities: Identities) -> None:
    """Bring identities, links and merged learners up to date with what was read."""
    unit = run.unit
    with unit.transaction() as connection:
        run.store.ensure_indexes(connection)
        _merge_all_if_trust_changed(run, identities)
        named = _named_by_rows(connection)
        if named or _merges_pending(connection):
            _bridge(run, identities, named)
        for stream in _LINKED:
            _link_stream(run, stream)
        hit("link_written")
    hit("link_committed")
    _merge(run)
    with unit.transaction():
        _list_unknown(run)


def _merges_pending(connection: sa.Connection) -> bool:
    dirty = schema.dirty
    return connection.scalar(sa.select(dirty.c.learner_id).where(dirty.c.merge).limit(1)) is not None


def _merge_all_if_trust_changed(run: Run, identities: Identities) -> None:
    """Merge every learner again where the order of trust or the crosswalk is not what it was."""
    connection, store, settings = run.unit.connection, run.store, run.config.settings
    decides = repr((run.config.order, sorted(settings.precedence.items()), sorted(identities.crosswalk.items())))
    merged_by = xxhash.xxh3_64_hexdigest(decides.encode())
    before = store.get_state(connection, "merged_by")
    if before == merged_by:
        return
    store.set_state(connection, "merged_by", merged_by)
    if before is not None:
        connection.execute(sa.update(schema.dirty).values(merge=True))
        # Without a WHERE SQLite takes the ON CONFLICT that follows for a join.
        everybody = sa.select(schema.learner.c.id, sa.true()).where(schema.learner.c.id.is_not(None))
        connection.execute(store.dialect.insert_from(schema.dirty, ["learner_id", "merge"], everybody))


# -- who is the same as whom -------------------------------------------------------------------------------------


def _usable(rows: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(rows.c.deleted_run.is_(None), rows.c.uln.is_not(None), rows.c.uln != TEMPORARY_ULN)


def _unlinked(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.learner_id.is_(None), table.c.identity.is_not(None))


def _named_by_rows(connection: sa.Connection) -> dict[str, set[str]]:
    """Return the identities, and their ULNs, of rows that name a learner by a reference that no learner has."""
    named: dict[str, set[str]] = defaultdict(set)
    for stream in _LINKED:
        rows = schema.SOURCE_TABLES[stream]
        select = sa.select(rows.c.identity, rows.c.uln).distinct().where(_unlinked(rows), _usable(rows))
        for identity, uln in connection.execute(select):
            named[identity].add(uln)
    return named


def _bridge(run: Run, identities: Identities, named: dict[str, set[str]]) -> None:
    """Decide which identities are one learner, under the name that the most trusted source gives them.

    Learners who share a usable ULN are one; so are those whom the crosswalk joins. A row that names nobody by its
    reference is for the learner who has its ULN.
    """
    connection, alias = run.unit.connection, schema.identity_link
    stored = {row.identity: (row.same_as, row.evidence) for row in connection.execute(sa.select(alias))}
    _add_linked_rows(connection, stored, named)
    people = _People(run, identities.crosswalk, {uln for ulns in named.values() for uln in ulns})
    _warn_ambiguous(run, people.ambiguous)
    wanted = {identity: (same_as, "uln") for identity, same_as in people.same_as.items()}
    known = _held(connection, named)
    for identity, ulns in named.items():
        owners = {people.owner[uln] for uln in ulns if uln in people.owner}
        if identity not in known and len(owners) == 1:
            wanted[identity] = (owners.pop(), "uln")
    ours = identities.own({*identities.crosswalk, *identities.crosswalk.values()})
    for identity, same_as in identities.crosswalk.items():
        if identity in ours or same_as in ours:
            wanted[identity] = (people.same_as.get(same_as, same_as), "crosswalk")
        else:
            wanted.pop(identity, None)
    _rewrite_links(run, identities, stored, {name: link for name, link in wanted.items() if name != link[0]})


def _add_linked_rows(
    connection: sa.Connection, stored: Mapping[str, tuple[str, str]], named: dict[str, set[str]]
) -> None:
    """Add what was linked by the ULN of a row before, so that it is decided again."""
    alias, learner = schema.identity_link, schema.learner
    for identity in stored:
        if identity.startswith("uln:"):
            named[identity].add(identity.removeprefix("uln:"))
    for stream in _LINKED:
        rows = schema.SOURCE_TABLES[stream]
        select = (
            sa.select(rows.c.identity, rows.c.uln)
            .distinct()
            .join_from(alias, learner, learner.c.identity == alias.c.same_as)
            .join(rows, sa.and_(rows.c.learner_id == learner.c.id, rows.c.identity == alias.c.identity))
            .where(alias.c.identity.not_like("uln:%"), _usable(rows))
        )
        for identity, uln in connection.execute(select):
            named[identity].add(uln)


def _held(connection: sa.Connection, identities: Collection[str]) -> set[str]:
    """Return which of these identities a source holds as a learner."""
    rows = schema.source_learner
    found: set[str] = set()
    for some in _batches(identities):
        select = sa.select(rows.c.identity).where(rows.c.identity.in_(some), rows.c.deleted_run.is_(None))
        found.update(connection.scalars(select))
    return found


class _People:
    """Know which learners the sources' ULNs show to be one.

    `same_as` maps an identity to the one that names the learner, `owner` a ULN to the name of the learner who has it,
    `ambiguous` holds the ULNs that identify nobody: one source gives them to two learners, or they would make two of
    its learners one. `wanted` are ULNs to look up beside those that learners share.
    """

    def __init__(self, run: Run, crosswalk: Mapping[str, str], wanted: Collection[str]) -> None:
        self._ranks = {number: run.rank(name) for name, number in run.connector_ids.items()}
        self._members: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._read(run.unit.connection, crosswalk, wanted)
        self.ambiguous = {uln for uln, members in self._members.items() if _clash([members])}
        self.same_as: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        for ulns in self._groups():
            if _clash([self._members[uln] for uln in ulns]):
                self.ambiguous.update(ulns)
            else:
                self._settle(ulns)
        for identity, same_as in crosswalk.items():
            if same_as in self.same_as:
                self.same_as[identity] = self.same_as[same_as]

    def _read(self, connection: sa.Connection, crosswalk: Mapping[str, str], wanted: Collection[str]) -> None:
        rows = schema.source_learner
        shared = (
            sa.select(rows.c.uln)
            .where(_usable(rows))
            .group_by(rows.c.uln)
            .having(sa.func.count(sa.distinct(rows.c.identity)) > 1)
        )
        select = sa.select(rows.c.uln, rows.c.identity, rows.c.connector).where(_usable(rows))
        for condition in (rows.c.uln.in_(shared), *(rows.c.uln.in_(some) for some in _batches(wanted))):
            for uln, identity, source in connection.execute(select.where(condition)):
                self._members[uln][crosswalk.get(identity, identity)].add(source)

    def _groups(self) -> list[list[str]]:
        """Put ULNs together that a learner has had one after the other."""
        group_of: dict[str, list[str]] = {}
        for uln in sorted(self._members.keys() - self.ambiguous):
            joined = [uln]
            for other in {id(group): group for name in self._members[uln] if (group := group_of.get(name))}.values():
                joined += other
            for one in joined:
                group_of.update(dict.fromkeys(self._members[one], joined))
        return list({id(group): group for group in group_of.values()}.values())

    def _settle(self, ulns: Collection[str]) -> None:
        ranks: dict[str, int] = {}
        last = len(self._ranks)
        for uln in ulns:
            for identity, sources in self._members[uln].items():
                rank = min(self._ranks.get(source, last) for source in sources)
                ranks[identity] = min(rank, ranks.get(identity, last))
        # A reference outranks a bare ULN; then the most trusted source; then the spelling, to be deterministic.
        first = min(ranks, key=lambda identity: (identity.startswith("uln:"), ranks[identity], identity))
        self.same_as.update((identity, first) for identity in ranks if identity != first)
        self.owner.update(dict.fromkeys(ulns, first))


def _clash(members: Iterable[Mapping[str, set[int]]]) -> bool:
    """Say whether one source holds two of these identities: they cannot be one learner."""
    held: dict[int, str] = {}
    return any(
        held.setdefault(source, identity) != identity
        for identities in members
        for identity, sources in identities.items()
        for source in sources
    )


def _rewrite_links(
    run: Run,
    identities: Identities,
    stored: Mapping[str, tuple[str, str]],
    wanted: Mapping[str, tuple[str, str]],
) -> None:
    """Store what has changed among the links, and point the rows to their learners."""
    connection, alias = run.unit.connection, schema.identity_link
    changed = {identity for identity in {*stored, *wanted} if stored.get(identity) != wanted.get(identity)}
    if not changed:
        return
    undone = changed - wanted.keys()
    targets = {wanted[identity][0] for identity in changed - undone}
    learners = identities.own(targets | _held(connection, undone), make=True)
    learners |= identities.own({*changed, *(stored[identity][0] for identity in changed & stored.keys())})
    for some in _batches(changed):
        connection.execute(sa.delete(alias).where(alias.c.identity.in_(some)))
    executemany(
        connection,
        run.store.dialect.insert_ignore(alias),
        [(identity, *wanted[identity], run.id) for identity in sorted(changed - undone)],
    )
    before = {
        identity: {learners[name] for name in (identity, stored.get(identity, ("",))[0]) if name in learners}
        for identity in changed
    }
    _point_to_learners(run, before)
    after = {learners[wanted[identity][0]] for identity in changed - undone}
    touched = after.union(*before.values())
    mark_dirty(connection, run.store.dialect, Touched(merges=touched))


def _point_to_learners(run: Run, before: Mapping[str, Collection[int]]) -> None:
    """Point the rows that bear these identities, and stand with these learners, to whom they are for now."""
    for table in schema.SOURCE_TABLES.values():
        learner = sa.func.coalesce(_by_link(table), _by_identity(table))
        for some in _batches(before.keys()):
            numbers = {number for identity in some for number in before[identity]}
            run.unit.connection.execute(
                sa.update(table)
                .where(table.c.learner_id.in_(sorted(numbers)), table.c.identity.in_(some))
                .values(learner_id=learner)
            )


def _by_link(table: sa.Table) -> sa.ScalarSelect[int]:
    """Find the learner whom a row's identity stands for by a link."""
    learner, alias = schema.learner, schema.identity_link
    return (
        sa.select(learner.c.id)
        .join(alias, alias.c.same_as == learner.c.identity)
        .where(alias.c.identity == table.c.identity)
        .scalar_subquery()
    )


def _by_identity(table: sa.Table) -> sa.ScalarSelect[int]:
    """Find the learner who bears a row's identity."""
    learner = schema.learner
    return sa.select(learner.c.id).where(learner.c.identity == table.c.identity).scalar_subquery()


def _warn_ambiguous(run: Run, ulns: Iterable[str]) -> None:
    """List the rows whose ULN identifies nobody; drop what was listed and no longer holds."""
    rows = schema.source_learner
    found: set[tuple[int, str]] = set()
    for some in _batches(list(ulns)):
        select = sa.select(rows.c.connector, rows.c.key).where(rows.c.deleted_run.is_(None), rows.c.uln.in_(some))
        found.update((row.connector, row.key) for row in run.unit.connection.execute(select))
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
    """Attach rows that came before their learner: by a linked identity, then by their own."""
    connection = run.unit.connection
    table = schema.SOURCE_TABLES[stream]
    if connection.scalar(sa.select(table.c.id).where(_unlinked(table)).limit(1)) is None:
        return
    for found in (_by_link(table), _by_identity(table)):
        linked = sa.and_(_unlinked(table), found.is_not(None))
        marks = cast("sa.Select[Any]", sa.select(found, sa.false()).distinct().where(linked))
        connection.execute(run.store.dialect.insert_from(schema.dirty, ["learner_id", "merge"], marks))
        connection.execute(sa.update(table).where(linked).values(learner_id=found))


# -- merging -----------------------------------------------------------------------------------------------------


def _merge(run: Run) -> None:
    """Make every marked learner again from its live source rows."""
    dirty = schema.dirty
    while True:
        with run.unit.transaction() as connection:
            batch = list(
                connection.scalars(
                    sa.select(dirty.c.learner_id).where(dirty.c.merge).order_by(dirty.c.learner_id).limit(MERGE_BATCH)
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


_MERGED = ("uln", *schema.learner_fields)
_fetch = attrgetter(*_MERGED)


def _merge_batch(run: Run, batch: list[int]) -> None:
    connection, rows, learner = run.unit.connection, schema.source_learner, schema.learner
    said: dict[int, list[Any]] = {number: [] for number in batch}
    for row in connection.execute(sa.select(rows).where(rows.c.learner_id.in_(batch), rows.c.deleted_run.is_(None))):
        said[row.learner_id].append(row)
    merger = _Merger(run)
    updates = []
    for known in connection.execute(sa.select(learner).where(learner.c.id.in_(batch))):
        before = _fetch(known)
        merged = merger.merge(said[known.id]) if said[known.id] else before
        deleted = None if said[known.id] else (known.deleted_run or run.id)
        if deleted != known.deleted_run or merged != before:
            updates.append((*merged, run.id, deleted, known.id))
    names = [*_MERGED, "changed_run", "deleted_run"]
    statement = sa.update(learner).where(learner.c.id == sa.bindparam("number"))
    executemany(
        connection,
        run.store.dialect.positional(
            statement.values({name: sa.bindparam(f"new_{name}") for name in names}),
            [*(f"new_{name}" for name in names), "number"],
        ),
        updates,
    )


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

    def merge(self, rows: list[Any]) -> tuple[Any, ...]:
        """Return the merged fields, in the order of `_MERGED`."""
        if len(rows) == 1:
            merged: tuple[Any, ...] = _fetch(rows[0])
            return merged
        last = len(self._rank) + 1
        # Within one source the newest part speaks first: an ILR of this year before last year's.
        rows = sorted(rows, key=lambda row: row.key)
        rows.sort(key=lambda row: row.part, reverse=True)
        rows.sort(key=lambda row: self._rank.get(row.connector, last))
        return (
            self._uln(self._ordered(rows, "uln")),
            *(
                next((value for row in self._ordered(rows, name) if (value := getattr(row, name)) is not None), None)
                for name in schema.learner_fields
            ),
        )

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
        counts: dict[int, int] = dict(connection.execute(select).all())
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
