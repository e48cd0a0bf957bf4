"""Keep track of which learner each identity belongs to during a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date

import sqlalchemy as sa

from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.marks import Marks
from fingerpost._sync.providers import provider_of
from fingerpost._sync.rows import Identify, identify
from fingerpost._sync.run import Run

_FORMER = re.compile(r"(.+)~\d{4}-\d\d-\d\d(?:\.\d+)?")


def is_former(identity: str | None, *, of: str | None) -> bool:
    """Say whether an identity is that of somebody who had a reference before it changed hands."""
    found = _FORMER.fullmatch(identity or "")
    return found is not None and found[1] == of


def named(identity: str) -> tuple[int | None, str | None]:
    """Return provider and reference of an identity, or None twice if it is a bare ULN."""
    ukprn, _, reference = identity.partition(":")
    found = _FORMER.fullmatch(reference)
    return (None, None) if ukprn == "uln" else (int(ukprn), found[1] if found else reference)


def keyed_as(connection: sa.Connection) -> Callable[[str], str]:
    """Return the function from an identity to the name that keys of gaps are made from.

    It is the identity itself, unless somebody had the reference before: the keys of that person's gaps are taken.
    """
    learner = schema.learner
    former = connection.scalars(sa.select(learner.c.identity).where(learner.c.identity.like("%~%")))
    before = Counter(found[1] for one in former if (found := _FORMER.fullmatch(one)))
    return lambda identity: f"{identity}~{before[identity]}" if identity in before else identity


class Identities:
    """Keep track of which learner each identity belongs to."""

    def __init__(self, run: Run, crosswalk: Mapping[str, str]) -> None:
        self.run = run
        self.crosswalk = crosswalk
        self.marks = Marks()
        self._learners: dict[str, int] = {}
        self._new: list[tuple[int, str]] = []
        self._next_id = 1
        self._former: dict[str, list[str]] = {}
        self._insert = run.store.dialect.insert_ignore(schema.learner)
        self.load()

    def load(self) -> None:
        """Read what is stored: at the start, and again after a rollback."""
        connection, learner, alias = self.run.unit.connection, schema.learner, schema.identity_link
        self._learners.clear()
        self._former.clear()
        self._new.clear()
        with self.run.unit.transaction():
            for number, identity in connection.execute(sa.select(learner.c.id, learner.c.identity)):
                self._learners[identity] = number
                if "~" in identity and (found := _FORMER.fullmatch(identity)):
                    self._former.setdefault(found[1], []).append(identity)
            for identity, same_as in connection.execute(sa.select(alias.c.identity, alias.c.same_as)):
                self._learners[identity] = self._learners[same_as]
            self._next_id = 1 + (connection.scalar(sa.select(sa.func.max(learner.c.id))) or 0)

    def for_instance(self, instance: Instance) -> Identify:
        """Return how this instance's rows identify learners: with its own UKPRN, or the college's."""
        return identify(provider_of(instance, self.run.config))

    @property
    def learner_of(self) -> Callable[[str], int | None]:
        """Return the function from an identity to its learner, or None."""
        return self._learners.get

    def ensure(self, identity: str) -> int:
        """Return the learner with an identity, creating one if there is none; `write_new` stores it."""
        number = self._learners.get(identity)
        if number is None:
            same = self.crosswalk.get(identity)
            number = self._make(identity) if same is None else self.ensure(same)
            self._learners[identity] = number
        return number

    @property
    def has_former(self) -> bool:
        """Whether any reference has ever changed hands."""
        return bool(self._former)

    def formers_of(self, identity: str) -> list[tuple[str, str]]:
        """Return who had a reference before, each with the day on which it changed hands, in that order."""
        return [(former.rpartition("~")[2][:10], former) for former in self._former.get(identity, ())]

    def latest_former(self, identity: str) -> str:
        """Return the identity of whoever had a reference last, before it changed hands."""
        return self._former[identity][-1]

    def retire(self, identity: str, day: date) -> str:
        """Let a reference be free for somebody else; return the identity of the one who has had it."""
        known = self._former.setdefault(identity, [])
        former = f"{identity}~{day.isoformat()}"
        if former in known:
            former = f"{former}.{len(known) + 1}"
        known.append(former)
        learner = self._learners.pop(identity, None)
        if learner is not None:
            self._learners[former] = learner
        return former

    def _make(self, identity: str) -> int:
        number = self._next_id
        self._next_id += 1
        self._new.append((number, identity))
        return number

    def own(self, identities: Collection[str], *, make: bool = False) -> dict[str, int]:
        """Return the learners with these identities as their own; with `make`, create those that are missing."""
        learner, connection = schema.learner, self.run.unit.connection
        found: dict[str, int] = {}
        for some in batches(identities):
            select = sa.select(learner.c.identity, learner.c.id).where(learner.c.identity.in_(some))
            found.update((row.identity, row.id) for row in connection.execute(select))
        if make:
            found.update((identity, self._make(identity)) for identity in sorted(set(identities) - found.keys()))
            self.write_new()
        return found

    def write_new(self) -> None:
        """Store the learners that were created, before the rows that point to them."""
        if not self._new:
            return
        blanks = (None,) * len(schema.learner_fields)
        run = self.run.id
        rows = []
        for number, identity in self._new:
            ukprn, reference = named(identity)
            uln = identity.partition(":")[2] if ukprn is None else None
            rows.append((number, identity, ukprn, reference, uln, *blanks, run, run, None, None))
        executemany(self.run.unit.connection, self._insert, rows)
        self._new.clear()


def batches(values: Collection[str], size: int = 500) -> Iterator[list[str]]:
    """Sort values and cut them into lists short enough to be database parameters."""
    ordered = sorted(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
