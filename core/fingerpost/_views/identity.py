"""Show which references are one learner and why, and keep what a person decides about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._sync.crosswalk import Pair, load_crosswalk, load_decisions
from fingerpost._sync.identities import is_former
from fingerpost._sync.people import GONE, HELD, LISTED, state_of
from fingerpost._words.days import utc_text
from fingerpost._words.errors import ConfigError
from fingerpost._words.printed import Printed

Decision: TypeAlias = Literal["join", "split"]

_STATES = {LISTED: "listed", HELD: "held", GONE: "gone"}
_DOUBTS = ("ambiguous_uln", "uln_birth_date_disagrees", "ambiguous_previous_ref", "previous_ref_birth_date_disagrees",
           "reference_changed_hands")  # fmt: skip


@dataclass(frozen=True, slots=True)
class IdentityLink(Printed):
    """Two identities that are one learner, or that somebody decided are two.

    `evidence` is ``uln``, ``previous_reference``, ``crosswalk`` or ``decision``, `since` an instant in UTC. `author` is
    a person for a decision, and the crosswalk's file. `waits` says that the next sync will apply it.
    """

    decision: Decision
    identity: str = field(repr=False)
    other: str = field(repr=False)
    evidence: str
    since: str | None
    author: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)
    waits: bool = False


@dataclass(frozen=True, slots=True)
class HeldBy(Printed):
    """How one source has a reference: `state` is ``listed``, ``held`` (its removal waits) or ``gone``."""

    connector: str
    state: str
    part: str
    since: str


@dataclass(frozen=True, slots=True)
class KnownIdentity(Printed):
    """One identity of a learner; `evidence` is None for the one under which the learner is kept."""

    identity: str = field(repr=False)
    evidence: str | None
    sources: tuple[HeldBy, ...]


@dataclass(frozen=True, slots=True)
class IdentityExplanation(Printed):
    """Every identity of one learner, what joins them and keeps others apart, and what is in doubt.

    `before` are the identities of those who had one of these references before it changed hands.
    """

    learner: str
    identities: tuple[KnownIdentity, ...] = field(repr=False)
    links: tuple[IdentityLink, ...] = field(repr=False)
    doubts: tuple[dict[str, str], ...] = field(repr=False)
    before: tuple[str, ...] = field(repr=False)


# -- what there is -----------------------------------------------------------------------------------------------


def identities(opened: Opened) -> list[IdentityLink]:
    """Return every join and every split, with the evidence, in order of identity."""
    with opened.store.reading() as connection:
        return _links(opened, connection)


def _links(opened: Opened, connection: sa.Connection) -> list[IdentityLink]:
    alias, runs = schema.identity_link, schema.run
    file = opened.config.settings.identity.crosswalk
    decided = _decided(connection)
    rows = connection.execute(sa.select(alias, runs.c.started_at).outerjoin(runs, runs.c.id == alias.c.run)).all()
    main = {row.identity: row.same_as for row in rows}
    found = [
        IdentityLink(
            "join", row.identity, row.same_as, row.evidence, row.started_at,
            file.name if row.evidence == "crosswalk" and file is not None else None,
        )
        for row in rows if row.evidence != "decision"
    ]  # fmt: skip
    for (one, other), row in decided.items():
        are_one = main.get(one, one) == main.get(other, other)
        waits = are_one != (row.decision == "join")
        found.append(
            IdentityLink(row.decision, one, other, "decision", row.made_at, row.author, row.reason, waits=waits)
        )
    return sorted(found, key=lambda one: (one.identity, one.other))


def _decided(connection: sa.Connection) -> dict[Pair, Any]:
    """Return the last decision about each pair."""
    table = schema.identity_decision
    rows = connection.execute(sa.select(table).order_by(table.c.id))
    return {(min(row.identity, row.other), max(row.identity, row.other)): row for row in rows}


def why(opened: Opened, who: str) -> IdentityExplanation:
    """Return the identities of one learner and the reasons; raise `ConfigError` if nothing has this reference."""
    with opened.store.reading() as connection:
        identity = _resolve(opened, connection, who, "This")
        alias, learner = schema.identity_link, schema.learner
        main = connection.scalar(sa.select(alias.c.same_as).where(alias.c.identity == identity)) or identity
        others = connection.execute(sa.select(alias).where(alias.c.same_as == main).order_by(alias.c.identity))
        evidence = {main: None} | {row.identity: row.evidence for row in others}
        person = connection.execute(sa.select(learner).where(learner.c.identity == main)).one_or_none()
        names = opened.store.connector_names(connection)
        sources = _sources(connection, evidence, names)
        return IdentityExplanation(
            learner=(person.reference or person.uln if person is not None else None) or main,
            identities=tuple(KnownIdentity(one, evidence[one], tuple(sources.get(one, ()))) for one in evidence),
            links=tuple(
                link for link in _links(opened, connection) if link.identity in evidence or link.other in evidence
            ),
            doubts=tuple(_doubts(connection, evidence, names)),
            before=tuple(_before(connection, evidence)),
        )


def _sources(
    connection: sa.Connection, identities: Collection[str], names: Mapping[int, str]
) -> dict[str, list[HeldBy]]:
    rows, runs = schema.source_learner, schema.run
    select = (
        sa.select(rows.c.identity, rows.c.connector, rows.c.part, runs.c.started_at, state_of().label("state"))
        .join(runs, runs.c.id == rows.c.first_run)
        .where(rows.c.identity.in_(identities))
        .order_by(rows.c.connector, rows.c.part, rows.c.key)
    )
    found: dict[str, list[HeldBy]] = {}
    for row in connection.execute(select):
        one = HeldBy(names.get(row.connector, "?"), _STATES[row.state], row.part, row.started_at)
        found.setdefault(row.identity, []).append(one)
    return found


def _doubts(
    connection: sa.Connection, identities: Collection[str], names: Mapping[int, str]
) -> Iterator[dict[str, str]]:
    rows, warning = schema.source_learner, schema.warning
    same = sa.and_(warning.c.connector == rows.c.connector, warning.c.key == rows.c.key)
    select = (
        sa.select(rows.c.identity, warning.c.connector, warning.c.key, warning.c.code)
        .join(warning, same)
        .where(rows.c.identity.in_(identities), warning.c.stream == "learners", warning.c.code.in_(_DOUBTS))
        .order_by(warning.c.connector, warning.c.key, warning.c.code)
    )
    for row in connection.execute(select):
        yield {"connector": names.get(row.connector, "?"), "key": row.key, "identity": row.identity, "code": row.code}


def _before(connection: sa.Connection, identities: Collection[str]) -> list[str]:
    learner = schema.learner.c.identity
    former = connection.scalars(sa.select(learner).where(learner.like("%~%")).order_by(learner))
    return [one for one in former if any(is_former(one, of=identity) for identity in identities)]


# -- what a person decides ---------------------------------------------------------------------------------------


def decide(opened: Opened, decision: Decision, one: str, other: str, *, author: str, reason: str) -> IdentityLink:
    """Keep a decision that two references are one learner, or two; the next sync applies it.

    Raises `ConfigError` if a reference is unknown, or a split contradicts what keeps them joined; `LockHeld` during a
    run. The same decision again changes nothing.
    """
    if not author.strip() or not reason.strip():
        raise ConfigError("A decision needs its author and a reason: give --author and --reason.")
    table, now = schema.identity_decision, utc_text(opened.now())
    with opened.store.locked() as connection, connection.begin():
        names = _resolve(opened, connection, one, "The first"), _resolve(opened, connection, other, "The second")
        pair = (min(names), max(names))
        if pair[0] == pair[1]:
            raise ConfigError("Both are the same reference: name two different ones.")
        known = _decided(connection).get(pair)
        if known is None or known.decision != decision:
            if decision == "split":
                _refuse_if_joined(opened, connection, pair)
            values = {"author": author.strip(), "reason": reason.strip(), "made_at": now}
            connection.execute(sa.insert(table).values(decision=decision, identity=pair[0], other=pair[1], **values))
        return next(
            link for link in _links(opened, connection)
            if link.evidence == "decision" and (link.identity, link.other) == pair
        )  # fmt: skip


def _refuse_if_joined(opened: Opened, connection: sa.Connection, pair: Pair) -> None:
    """Refuse a split that the crosswalk or other decisions would outweigh: a person must take those back first."""
    crosswalk = load_crosswalk(opened.config)
    if _are_joined(pair, crosswalk.items()):
        raise ConfigError(
            "The crosswalk file says that the two are one learner: take its line out and sync; then split them if they "
            "are still one."
        )
    others = [join for join in load_decisions(connection).joins if join != pair]
    if _are_joined(pair, (*crosswalk.items(), *others)):
        raise ConfigError(
            "Other decisions say that the two are one learner: fingerpost identity why lists them. Take them back with "
            "fingerpost identity split first."
        )


def _are_joined(pair: Pair, joins: Iterable[Pair]) -> bool:
    joins, reached = tuple(joins), {pair[0]}
    while more := {name for join in joins if not reached.isdisjoint(join) for name in join} - reached:
        reached |= more
    return pair[1] in reached


# -- whom a reference means --------------------------------------------------------------------------------------


def _resolve(opened: Opened, connection: sa.Connection, who: str, what: str) -> str:
    """Return the identity that a reference, "ukprn:reference" or a ULN means."""
    who = who.strip()
    names = {who, f"{opened.config.settings.college.ukprn}:{who}", f"uln:{who}"}
    rows, learner = schema.source_learner.c, schema.learner.c
    elsewhere = sa.select(rows.identity).where(rows.identity.like(f"%:{_escaped(who)}", escape="\\"))
    with_uln = sa.select(learner.identity).where(learner.uln == who, learner.deleted_run.is_(None))
    for found in (_known(connection, names), *(set(connection.scalars(select)) for select in (elsewhere, with_uln))):
        if len(found) == 1:
            return str(next(iter(found)))
        if found:
            known = ", ".join(sorted(found)[:10])
            raise ConfigError(f"{what} reference or ULN is that of several learners: write one of {known}.")
    raise ConfigError(
        f"{what} reference is in none of the sources, and never was. Write it as the MIS does, or as ukprn:reference; "
        "fingerpost explain finds a learner by their ULN."
    )


def _known(connection: sa.Connection, names: Collection[str]) -> set[str]:
    """Return which of these identities some record has, or had."""
    alias = schema.identity_link
    columns = [schema.source_learner.c.identity, schema.learner.c.identity, alias.c.identity, alias.c.same_as]
    selects = [sa.select(column).where(column.in_(names)) for column in columns]
    for stream, table in schema.SOURCE_TABLES.items():
        if stream != "learners":  # rows that are linked name an identity of a learner
            selects.append(sa.select(table.c.identity).where(table.c.learner_id.is_(None), table.c.identity.in_(names)))
    return {identity for select in selects for identity in connection.scalars(select.distinct())}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
