"""Keep track of which learner each identity belongs to during a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import sqlalchemy as sa

from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.marks import Marks
from fingerpost._sync.providers import provider_of
from fingerpost._sync.rows import Identify, identify
from fingerpost._sync.run import Run


class Identities:
    """Keep track of which learner each identity belongs to."""

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
        """Read what is stored: at the start, and again after a rollback."""
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
            ukprn, _, reference = identity.partition(":")
            known = ukprn != "uln"
            rows.append(
                (number, identity, int(ukprn) if known else None, reference if known else None,
                 None if known else reference, *blanks, run, run, None, None)
            )  # fmt: skip
        executemany(self.run.unit.connection, self._insert, rows)
        self._new.clear()


def batches(values: Collection[str], size: int = 500) -> Iterator[list[str]]:
    """Sort values and cut them into lists short enough to be database parameters."""
    ordered = sorted(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
