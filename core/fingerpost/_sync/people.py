"""Decide which identities are one person: what joins them, and what forbids it.

What a person said comes first (the crosswalk file, then a decision), then a provider's word that it called the learner
otherwise before, then the ULN. Within a source a reference may succeed another one, since only one of the two is listed
at a time. Two that are listed at once are two people, whatever their ULN; so are two with different dates of birth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

from fingerpost._record.models import TEMPORARY_ULN
from fingerpost._store import schema
from fingerpost._sync.crosswalk import Decisions
from fingerpost._sync.identities import batches

LISTED, HELD, GONE = 2, 1, 0
"""How a source has a reference: it lists it, its removal waits for a person, or the source has it no more."""

_READ = ("id", "deleted_run", "identity", "connector", "part", "uln", "date_of_birth", "previous_ref", "previous_ukprn",
         "first_run")  # fmt: skip

Standing: TypeAlias = tuple[int, str]
_rows = schema.source_learner


def state_of() -> sa.Case[int]:
    """Return the expression of how a source has the reference of one of its rows."""
    hold = schema.sweep_hold
    is_held = sa.exists().where(
        hold.c.connector == _rows.c.connector, hold.c.stream == "learners", hold.c.row_id == _rows.c.id
    )
    return sa.case((_rows.c.deleted_run.is_not(None), GONE), (is_held, HELD), else_=LISTED)


@dataclass(slots=True)
class Trace:
    """What the sources hold under one identity.

    `standing` says by source how it has the identity, and the newest part in which it does; `first` when we first saw
    it, and in which part.
    """

    standing: dict[int, Standing] = field(default_factory=dict)
    ulns: set[str] = field(default_factory=set)
    births: set[str] = field(default_factory=set)
    previous: set[str] = field(default_factory=set)
    first: tuple[int, str] = (2**31, "")

    @property
    def is_known(self) -> bool:
        """Whether a source has the identity now, be it only until a removal is confirmed."""
        return any(state > GONE for state, _ in self.standing.values())

    def take(self, source: int, standing: Standing, rows: Iterable[Any]) -> None:
        """Add what one source holds."""
        self.standing[source] = standing
        for row in rows:
            if row.uln is not None and row.uln != TEMPORARY_ULN:
                self.ulns.add(row.uln)
            if row.date_of_birth is not None:
                self.births.add(row.date_of_birth)
            if row.previous_ref is not None and standing[0] > GONE:
                provider = row.previous_ukprn or row.identity.partition(":")[0]
                self.previous.add(f"{provider}:{row.previous_ref}")
            self.first = min(self.first, (row.first_run, row.part))

    def disagrees(self, other: Trace) -> bool:
        """Say whether both have a date of birth, and not the same."""
        return bool(self.births and other.births) and self.births.isdisjoint(other.births)


@dataclass(frozen=True, slots=True)
class Doubts:
    """What joined nobody, so that it can be corrected at its source: ULNs, and identities."""

    ulns: set[str] = field(default_factory=set)
    births: set[str] = field(default_factory=set)
    previous: set[str] = field(default_factory=set)
    previous_births: set[str] = field(default_factory=set)


class People:
    """Work out which identities are one person; `providers` are those whose former references are ours to join.

    `owner` maps a ULN to an identity of the person who has it. `ranks` gives each source's place in the order of trust;
    `wanted` are ULNs to look up besides those that several identities share.
    """

    def __init__(
        self, connection: sa.Connection, ranks: Mapping[int, int], crosswalk: Mapping[str, str], decisions: Decisions,
        wanted: Collection[str], providers: Collection[str],
    ) -> None:  # fmt: skip
        self.doubts = Doubts()
        self.owner: dict[str, str] = {}
        self._ranks = ranks
        self._crosswalk = crosswalk
        self._decisions = decisions
        self._providers = providers
        self._starts: dict[str, list[str]] = defaultdict(list)
        self._group: dict[str, set[str]] = {}
        self._evidence: dict[str, dict[str, str]] = defaultdict(dict)
        self._traces: dict[str, Trace] = {}
        self._order: dict[str, tuple[Any, ...]] = {}
        self._read(connection, wanted)
        for identity, same_as in crosswalk.items():
            self._starts[same_as].append(identity)
            self._join(identity, same_as, "crosswalk")
        for identity, other in decisions.joins:
            self._join(identity, other, "decision")
        self._follow_previous()
        self._follow_ulns()

    # -- what is known -------------------------------------------------------------------------------------------

    def _read(self, connection: sa.Connection, wanted: Collection[str]) -> None:
        """Read the traces of everybody who may be somebody else, too."""
        usable = sa.and_(_rows.c.uln.is_not(None), _rows.c.uln != TEMPORARY_ULN)
        is_shared = sa.func.count(sa.distinct(_rows.c.identity)) > 1
        shared = sa.select(_rows.c.uln).where(usable).group_by(_rows.c.uln).having(is_shared)
        names = {
            *self._crosswalk, *self._crosswalk.values(),
            *(name for pair in (*self._decisions.joins, *self._decisions.splits) for name in pair),
            *connection.scalars(sa.select(_rows.c.identity).where(_rows.c.previous_ref.is_not(None))),
        }  # fmt: skip
        for some in batches(wanted):
            names.update(connection.scalars(sa.select(_rows.c.identity).where(_rows.c.uln.in_(some))))
        sharing = _rows.c.identity.in_(sa.select(_rows.c.identity).where(_rows.c.uln.in_(shared)))
        self._take(connection, [sharing])
        self._take_named(connection, names)
        self._take_named(connection, {name for trace in self._traces.values() for name in trace.previous})

    def _take_named(self, connection: sa.Connection, names: Collection[str]) -> None:
        missing = set(names) - self._traces.keys()
        self._take(connection, [_rows.c.identity.in_(some) for some in batches(missing)])

    def _take(self, connection: sa.Connection, conditions: Iterable[sa.ColumnElement[bool]]) -> None:
        hold = schema.sweep_hold
        held = set(connection.scalars(sa.select(hold.c.row_id).where(hold.c.stream == "learners")))
        said: dict[tuple[str, int], list[tuple[int, Any]]] = defaultdict(list)
        for condition in conditions:
            for row in connection.execute(sa.select(*(_rows.c[name] for name in _READ)).where(condition)):
                state = GONE if row.deleted_run is not None else HELD if row.id in held else LISTED
                said[row.identity, row.connector].append((state, row))
        for (identity, source), rows in sorted(said.items(), key=itemgetter(0)):
            state = max(state for state, _ in rows)
            current = [row for now, row in rows if now == state]
            part = max(row.part for row in current) if state > GONE else ""
            self._traces.setdefault(identity, Trace()).take(source, (state, part), current)

    # -- who is joined -------------------------------------------------------------------------------------------

    def _members(self, identity: str) -> set[str]:
        return self._group.get(identity) or {identity}

    def _join(self, one: str, other: str, evidence: str) -> None:
        """Make two identities one person, unless a decision forbids it."""
        joined = self._members(one) | self._members(other)
        if evidence in ("previous_reference", "uln") and self._decisions.forbid(joined):
            return
        self._group.update(dict.fromkeys(joined, joined))
        self._evidence[one].setdefault(other, evidence)
        self._evidence[other].setdefault(one, evidence)

    def _trace(self, identity: str) -> Trace:
        """Return what is known about the person with an identity: all their identities together."""
        members = self._group.get(identity)
        if members is None:
            return self._traces.get(identity, Trace())
        whole = Trace()
        for trace in (self._traces[name] for name in members if name in self._traces):
            whole.ulns |= trace.ulns
            whole.births |= trace.births
            for source, standing in trace.standing.items():
                whole.standing[source] = max(standing, whole.standing.get(source, (GONE, "")))
        return whole

    def _follow_previous(self) -> None:
        """Join references to the ones that they succeed, by the provider's own word."""
        named_by: dict[str, set[str]] = defaultdict(set)
        for identity, trace in self._traces.items():
            for former in trace.previous - {identity}:
                if former in self._traces or former.partition(":")[0] in self._providers:
                    named_by[former].add(identity)
        for former, successors in sorted(named_by.items()):
            if self._clash(successors):
                self.doubts.previous.update(successors)
                continue
            for identity in sorted(successors):
                if self._trace(identity).disagrees(self._trace(former)):
                    self.doubts.previous_births.add(identity)
                else:
                    self._join(identity, former, "previous_reference")

    def _follow_ulns(self) -> None:
        """Join the identities that share a ULN, or ULNs that one person has had in turn."""
        holders: dict[str, set[str]] = defaultdict(set)
        for identity, trace in self._traces.items():
            for uln in trace.ulns:
                holders[uln].add(identity)
        self.doubts.ulns.update(uln for uln, names in holders.items() if self._clash(names))
        agreeing = {
            uln: self._who_agree(names) for uln, names in sorted(holders.items()) if uln not in self.doubts.ulns
        }
        for ulns in _chains({uln: self._persons(names) for uln, names in agreeing.items()}):
            names = set().union(*(agreeing[uln] for uln in ulns))
            if self._clash(names):
                self.doubts.ulns.update(ulns)
                continue
            first, *others = sorted(names, key=self._precedence)
            for identity in others:
                if self._trace(identity).disagrees(self._trace(first)):
                    self.doubts.births.update((identity, first))
                else:
                    self._join(identity, first, "uln")
            for uln in ulns:
                if known := [name for name in agreeing[uln] if self._trace(name).is_known]:
                    self.owner[uln] = min(known, key=self._precedence)

    def _persons(self, names: Iterable[str]) -> set[str]:
        return {min(self._members(name)) for name in names}

    def _clash(self, names: Iterable[str]) -> bool:
        """Say whether one source has two of these persons at once, who cannot then be one."""
        here: set[tuple[int, Standing]] = set()
        for person in self._persons(names):
            listed = {place for place in self._trace(person).standing.items() if place[1][0] > GONE}
            if not here.isdisjoint(listed):
                return True
            here |= listed
        return False

    def _who_agree(self, names: Collection[str]) -> list[str]:
        """Return those who are one by a shared ULN: with the date of birth of the most trusted, and not long gone.

        A reference that its source has no more may be succeeded by another one there; elsewhere it has no successor.
        """
        if len(names) == 1:
            return list(names)
        known = sorted((name for name in names if self._trace(name).is_known), key=self._precedence)
        known = known or [min(names, key=self._precedence)]
        anchor = next((trace for name in known if (trace := self._trace(name)).births), self._trace(known[0]))
        apart = {name for name in names if self._trace(name).disagrees(anchor)}
        if apart:
            self.doubts.births.update(names)
        places = {source for name in known if name not in apart for source in self._trace(name).standing}
        return [
            name for name in names
            if name not in apart and (name in known or not places.isdisjoint(self._trace(name).standing))
        ]  # fmt: skip

    # -- the outcome ---------------------------------------------------------------------------------------------

    def _precedence(self, identity: str) -> tuple[Any, ...]:
        """Order identities: a reference outranks a bare ULN; then the most trusted source, the oldest, the spelling.

        The oldest, so that the keys of gaps, which are made from the identity, outlive it.
        """
        if (known := self._order.get(identity)) is not None:
            return known
        last = len(self._ranks)
        traces = [self._traces[name] for name in (identity, *self._starts.get(identity, ())) if name in self._traces]
        rank = min((self._ranks.get(source, last) for trace in traces for source in trace.standing), default=last)
        first = min((trace.first for trace in traces), default=Trace().first)
        return self._order.setdefault(identity, (identity.startswith("uln:"), rank, first, identity))

    def main(self, identity: str) -> str:
        """Return the identity under which the person with another one is kept."""
        members = self._members(identity)
        return min((name for name in members if name not in self._crosswalk), key=self._precedence, default=identity)

    def links(self) -> Iterator[tuple[str, str, str]]:
        """Yield every identity of a person besides the main one, with the main one and the evidence."""
        for members in {id(group): group for group in self._group.values()}.values():
            main = self.main(next(iter(members)))
            reached, edge = {main}, [main]
            while edge:
                here = edge.pop(0)
                for name, evidence in sorted(self._evidence[here].items()):
                    if name not in reached:
                        reached.add(name)
                        edge.append(name)
                        yield name, main, evidence

    def may_have(self, identity: str, uln: str) -> str | None:
        """Return the person whose ULN a row names, unless a decision keeps the row's reference from them."""
        owner = self.owner.get(uln)
        if owner is None or self._decisions.forbid(self._members(owner) | self._members(identity)):
            return None
        return self.main(owner)


def _chains(persons: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Group ULNs that one person has had in turn."""
    group_of: dict[str, list[str]] = {}
    for uln, names in sorted(persons.items()):
        joined = [uln]
        for other in {id(group): group for name in names if (group := group_of.get(name))}.values():
            joined += other
        for one in joined:
            group_of.update(dict.fromkeys(persons[one], joined))
    return list({id(group): group for group in group_of.values()}.values())
