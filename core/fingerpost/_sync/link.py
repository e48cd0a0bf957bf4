"""Recognise the same learner in several systems, and link every row to its learner.

Identity is deterministic: the provider's reference first, then what `people` finds to join several. Never the name. A
row keeps the identity from its source; that two identities are one learner is stored separately, with its evidence, so
that it can be undone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
import xxhash

from fingerpost._contract.messages import StreamName
from fingerpost._record.models import TEMPORARY_ULN
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.collector import no_collector
from fingerpost._sync.crosswalk import Decisions, known_providers, load_decisions
from fingerpost._sync.episodes import follow
from fingerpost._sync.failpoints import hit
from fingerpost._sync.identities import Identities, batches
from fingerpost._sync.marks import Touched, mark_dirty
from fingerpost._sync.merge import merge_marked
from fingerpost._sync.people import Doubts, People
from fingerpost._sync.run import Run
from fingerpost._sync.set_aside import replace_warnings

LISTED_UNKNOWN = 1_000
"""How many rows about an unknown learner are listed one by one, for each stream; the rest are counted."""

_LINKED: tuple[StreamName, ...] = ("programmes", "assignments", "activities", "destinations", "responses")


def link(run: Run, identities: Identities) -> None:
    """Bring identities, links and merged learners up to date with what was read."""
    unit = run.unit
    with unit.transaction() as connection:
        run.store.ensure_indexes(connection)
        _merge_all_if_trust_changed(run, identities)
        named = _named_by_rows(connection)
        decisions = load_decisions(connection)
        if _is_decided_anew(run, decisions) or named or _merges_pending(connection):
            _bridge(run, identities, decisions, named)
        for stream in _LINKED:
            _link_stream(run, stream)
        hit("link_written")
    hit("link_committed")
    merge_marked(run, identities.crosswalk)
    with unit.transaction():
        _list_unknown(run)


def _is_decided_anew(run: Run, decisions: Decisions) -> bool:
    """Say whether somebody has decided about identities, or other removals of learners wait than in the last run."""
    connection, hold = run.unit.connection, schema.sweep_hold
    held = sorted(connection.scalars(sa.select(hold.c.row_id).where(hold.c.stream == "learners")))
    decides = xxhash.xxh3_64_hexdigest(repr((decisions, held)).encode())
    before = run.store.get_state(connection, "identities_by")
    run.store.set_state(connection, "identities_by", decides)
    return before is not None and before != decides


def _merges_pending(connection: sa.Connection) -> bool:
    dirty = schema.dirty
    return connection.scalar(sa.select(dirty.c.learner_id).where(dirty.c.merge).limit(1)) is not None


def _merge_all_if_trust_changed(run: Run, identities: Identities) -> None:
    """Merge every learner again if the order of trust or the crosswalk has changed."""
    connection, store, settings = run.unit.connection, run.store, run.config.settings
    decides = repr((run.config.order, sorted(settings.precedence.items()), sorted(identities.crosswalk.items())))
    merged_by = xxhash.xxh3_64_hexdigest(decides.encode())
    before = store.get_state(connection, "merged_by")
    if before == merged_by:
        return
    store.set_state(connection, "merged_by", merged_by)
    if before is not None:
        connection.execute(sa.update(schema.dirty).values(merge=True))
        # Without a WHERE, SQLite parses the following ON CONFLICT as part of a join.
        everybody = sa.select(schema.learner.c.id, sa.true()).where(schema.learner.c.id.is_not(None))
        connection.execute(store.dialect.insert_from(schema.dirty, ["learner_id", "merge"], everybody))


# -- who is the same as whom -------------------------------------------------------------------------------------


def _usable(rows: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(rows.c.deleted_run.is_(None), rows.c.uln.is_not(None), rows.c.uln != TEMPORARY_ULN)


def _unlinked(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.learner_id.is_(None), table.c.identity.is_not(None))


def _named_by_rows(connection: sa.Connection) -> dict[str, set[str]]:
    """Return the identities, and their ULNs, of rows whose reference no learner has."""
    named: dict[str, set[str]] = defaultdict(set)
    for stream in _LINKED:
        rows = schema.SOURCE_TABLES[stream]
        select = sa.select(rows.c.identity, rows.c.uln).distinct().where(_unlinked(rows), _usable(rows))
        for identity, uln in connection.execute(select):
            named[identity].add(uln)
    return named


def _bridge(run: Run, identities: Identities, decisions: Decisions, named: dict[str, set[str]]) -> None:
    """Decide which identities are one learner, and under which of them the learner is kept.

    A row whose reference nobody has belongs to the learner with its ULN.
    """
    connection, alias = run.unit.connection, schema.identity_link
    stored = {row.identity: (row.same_as, row.evidence) for row in connection.execute(sa.select(alias))}
    _add_linked_rows(connection, stored, named)
    ranks = {number: run.config.rank(name) for name, number in run.connector_ids.items()}
    ulns = {uln for ulns in named.values() for uln in ulns}
    with no_collector():
        people = People(connection, ranks, identities.crosswalk, decisions, ulns, known_providers(run.config))
    _warn_of_doubts(run, people.doubts)
    said = {name for pair in (*identities.crosswalk.items(), *decisions.joins) for name in pair}
    ours = identities.own(said)
    wanted = {
        identity: (main, evidence)
        for identity, main, evidence in people.links()
        if evidence not in ("crosswalk", "decision") or identity in ours or main in ours
    }
    known = _held(connection, named)
    for identity, ulns in named.items():
        owners = {owner for uln in ulns if (owner := people.may_have(identity, uln)) is not None}
        if identity not in known and identity not in wanted and len(owners) == 1:
            wanted[identity] = (owners.pop(), "uln")
    _rewrite_links(run, identities, stored, {name: link for name, link in wanted.items() if name != link[0]})


def _add_linked_rows(
    connection: sa.Connection, stored: Mapping[str, tuple[str, str]], named: dict[str, set[str]]
) -> None:
    """Add what was previously linked by a row's ULN, so that it is decided again."""
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
    """Return which of these identities are learners in a source."""
    rows = schema.source_learner
    found: set[str] = set()
    for some in batches(identities):
        select = sa.select(rows.c.identity).where(rows.c.identity.in_(some), rows.c.deleted_run.is_(None))
        found.update(connection.scalars(select))
    return found


def _rewrite_links(
    run: Run, identities: Identities, stored: Mapping[str, tuple[str, str]], wanted: Mapping[str, tuple[str, str]]
) -> None:
    """Store the links that changed, and point the rows to their learners."""
    connection, alias = run.unit.connection, schema.identity_link
    changed = {identity for identity in {*stored, *wanted} if stored.get(identity) != wanted.get(identity)}
    if not changed:
        return
    undone = changed - wanted.keys()
    targets = {wanted[identity][0] for identity in changed - undone}
    learners = identities.own(targets | _held(connection, undone), make=True)
    learners |= identities.own({*changed, *(stored[identity][0] for identity in changed & stored.keys())})
    for some in batches(changed):
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
    follow(
        connection,
        own=learners,
        kept_with={name: stored[name][0] for name in changed & stored.keys()},
        goes_to={name: wanted[name][0] for name in changed - undone},
    )
    after = {learners[wanted[identity][0]] for identity in changed - undone}
    touched = after.union(*before.values())
    mark_dirty(connection, run.store.dialect, Touched(merges=touched))


def _point_to_learners(run: Run, before: Mapping[str, Collection[int]]) -> None:
    """Point the rows with these identities, now linked to these learners, to their new learners."""
    for table in schema.SOURCE_TABLES.values():
        learner = sa.func.coalesce(_by_link(table), _by_identity(table))
        for some in batches(before.keys()):
            numbers = {number for identity in some for number in before[identity]}
            run.unit.connection.execute(
                sa.update(table)
                .where(table.c.learner_id.in_(sorted(numbers)), table.c.identity.in_(some))
                .values(learner_id=learner)
            )


def _by_link(table: sa.Table) -> sa.ScalarSelect[int]:
    """Find the learner that a link gives for a row's identity."""
    learner, alias = schema.learner, schema.identity_link
    return (
        sa.select(learner.c.id)
        .join(alias, alias.c.same_as == learner.c.identity)
        .where(alias.c.identity == table.c.identity)
        .scalar_subquery()
    )


def _by_identity(table: sa.Table) -> sa.ScalarSelect[int]:
    """Find the learner with a row's identity."""
    learner = schema.learner
    return sa.select(learner.c.id).where(learner.c.identity == table.c.identity).scalar_subquery()


def _warn_of_doubts(run: Run, doubts: Doubts) -> None:
    """List the learners' rows whose ULN or former reference joins nobody; drop those that no longer apply."""

    def listed(column: sa.Column[Any], values: Collection[str]) -> set[tuple[int, str]]:
        rows = schema.source_learner.c
        found: set[tuple[int, str]] = set()
        for some in batches(values):
            select = sa.select(rows.connector, rows.key).where(rows.deleted_run.is_(None), column.in_(some))
            found.update((row.connector, row.key) for row in run.unit.connection.execute(select))
        return found

    rows = schema.source_learner.c
    replace_warnings(run, "learners", "uln", "ambiguous_uln", listed(rows.uln, doubts.ulns))
    replace_warnings(run, "learners", "uln", "uln_birth_date_disagrees", listed(rows.identity, doubts.births))
    field, named = "previous_ref", doubts.previous_births
    replace_warnings(run, "learners", field, "ambiguous_previous_ref", listed(rows.identity, doubts.previous))
    replace_warnings(run, "learners", field, "previous_ref_birth_date_disagrees", listed(rows.identity, named))


# -- links -------------------------------------------------------------------------------------------------------


def _link_stream(run: Run, stream: StreamName) -> None:
    """Attach rows that arrived before their learner: by a linked identity, then by their own."""
    connection = run.unit.connection
    table = schema.SOURCE_TABLES[stream]
    if connection.scalar(sa.select(table.c.id).where(_unlinked(table)).limit(1)) is None:
        return
    for found in (_by_link(table), _by_identity(table)):
        linked = sa.and_(_unlinked(table), found.is_not(None))
        marks = sa.select(found, sa.false()).distinct().where(linked)
        connection.execute(run.store.dialect.insert_from(schema.dirty, ["learner_id", "merge"], marks))
        connection.execute(sa.update(table).where(linked).values(learner_id=found))


# -- rows without a learner --------------------------------------------------------------------------------------


def _list_unknown(run: Run) -> None:
    """List the rows about a learner in no source: they are kept, and attached when that learner appears."""
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
        replace_warnings(run, stream, "learner_ref", "unknown_learner", found)
        for number, count in sorted(counts.items()):
            run.report.messages.append(
                f"{names.get(number, '(removed connector)')}: {count} {stream} refer to a learner in none of the "
                "sources; they are kept, and count as soon as that learner appears."
            )
