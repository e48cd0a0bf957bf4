"""Notice a reference that was given to another person, who inherits nothing that is recorded under it.

A learner's row with another ULN, another date of birth and another family name is about somebody else; with one or two
of them it is a correction. All that is stored under the reference until then keeps the earlier person's identity, which
from now on bears the day on which the reference changed hands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from fingerpost._contract.messages import Record, StreamName
from fingerpost._record.models import MODELS, TEMPORARY_ULN
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.identities import Identities, batches, is_former
from fingerpost._sync.marks import Touched
from fingerpost._sync.set_aside import Warnings
from fingerpost._sync.stream import Stream

GOES_ON: tuple[StreamName, ...] = ("programmes", "assignments")
"""The streams whose rows are read again when a reference changes hands: what their sources still list is the new
person's."""

_Fields: TypeAlias = Mapping[str, Any]
_learners = schema.source_learner


class Hands:
    """Say whom the rows of one stream are about, as long as it is read."""

    def __init__(self, stream: Stream, identities: Identities, touched: Touched, warnings: Warnings) -> None:
        self._stream = stream
        self._identities = identities
        self._touched = touched
        self._warnings = warnings
        self._identify = identities.for_instance(stream.instance)
        self._model = MODELS[stream.spec.name]
        self._count = 0
        self._had_rows: bool | None = None

    def whose(
        self, models: Sequence[object], records: Sequence[Record], numbers: Sequence[int | None], next_id: int
    ) -> tuple[list[str | None], int]:
        """Return whom each model is about, and the next free number of a row.

        `numbers` are those of the stored rows that the records replace.
        """
        identify, model_class = self._identify, self._model
        names = [
            identify(model.__dict__["learner_ref"], model.__dict__["uln"]) if type(model) is model_class else None
            for model in models
        ]
        if self._stream.spec.name == "activities":
            return [self._at_the_time(name, model) for name, model in zip(names, models, strict=True)], next_id
        if self._stream.spec.name != "learners":
            return self._keep_former(names, numbers), next_id
        before = dict(self._before(names, numbers))
        for place, old in before.items():
            fields, identity = models[place].__dict__, str(names[place])
            is_another = _is_another(old, fields)
            if old.identity == identity and is_another:
                self._change_hands(identity, records[place].part)
                if numbers[place] is not None:
                    self._copy(old, next_id, self._identities.latest_former(identity))
                    next_id += 1
                self._touched.merges.add(old.learner_id)
                self._warn(records[place].key)
            elif is_former(old.identity, of=identity) and not is_another:
                names[place] = old.identity
        return names, next_id

    def _before(self, names: Sequence[str | None], numbers: Sequence[int | None]) -> Iterator[tuple[int, Any]]:
        """Yield what this source said before of the learners that rows are about, by the row's place.

        A new key may hold a known reference: that of the same learner's row in last year's file.
        """
        places = {number: place for place, number in enumerate(numbers) if number is not None and names[place]}
        if places:
            select = sa.select(_learners).where(_learners.c.id.in_(list(places)))
            yield from ((places[row.id], row) for row in self._stream.connection.execute(select))
        new = {
            name: place
            for place, name in enumerate(names)
            if numbers[place] is None and name and self._identities.learner_of(name) is not None
        }
        if new and self._has_had_rows():
            mine = _learners.c.connector == self._stream.number
            for some in batches(new.keys()):
                select = sa.select(_learners).where(mine, _learners.c.identity.in_(some))
                newest = {
                    row.identity: row for row in self._stream.connection.execute(select.order_by(_learners.c.part))
                }
                yield from ((new[name], row) for name, row in newest.items())

    def _has_had_rows(self) -> bool:
        """Say whether the source was read before this run: only then is there an index to look in."""
        if self._had_rows is None:
            ledger = schema.stream_run
            select = sa.select(ledger.c.run).where(self._stream.of(ledger)).limit(1)
            self._had_rows = self._stream.connection.scalar(select) is not None
        return self._had_rows

    def _at_the_time(self, name: str | None, model: object) -> str | None:
        """Return whoever had a reference when an activity took place, whatever key its record has now."""
        if name is None or not self._identities.has_former:
            return name
        formers = self._identities.formers_of(name)
        day = model.__dict__["starts_on"].isoformat()
        return next((former for until, former in formers if day < until), name)

    def _keep_former(self, names: list[str | None], numbers: Sequence[int | None]) -> list[str | None]:
        """Leave stored rows to whoever had the reference before, but for those that are to be read again.

        An enrolment or a membership that had ended, and is listed again, is the new person's.
        """
        if not self._identities.has_former:
            return names
        table = self._stream.table
        places = {number: place for place, number in enumerate(numbers) if number is not None and names[place]}
        select = sa.select(table.c.id, table.c.identity).where(
            table.c.id.in_(list(places)), table.c.identity.like("%~%"), table.c.row_hash != 0,
            table.c.deleted_run.is_(None) if self._stream.spec.name in GOES_ON else sa.true(),
        )  # fmt: skip
        for row in self._stream.connection.execute(select):
            if is_former(row.identity, of=names[places[row.id]]):
                names[places[row.id]] = row.identity
        return names

    # -- the day on which it changes hands -----------------------------------------------------------------------

    def _change_hands(self, identity: str, part: str) -> None:
        """Give everything that is stored under an identity to the earlier person's own."""
        connection, former = self._stream.connection, self._identities.retire(identity, self._stream.run.as_of)
        for table in schema.SOURCE_TABLES.values():
            connection.execute(sa.update(table).where(table.c.identity == identity).values(identity=former))
        for table, columns in (
            (schema.learner, ("identity",)), (schema.identity_link, ("identity", "same_as")),
            (schema.identity_decision, ("identity", "other")),
        ):  # fmt: skip
            for column in (table.c[name] for name in columns):
                connection.execute(sa.update(table).where(column == identity).values({column.name: former}))
        for name in GOES_ON:
            self._read_again(schema.SOURCE_TABLES[name], name, former, part)

    def _read_again(self, table: sa.Table, name: str, former: str, part: str) -> None:
        """Have the rows read again that their source may still list, but not those of this source's earlier files."""
        connection, state = self._stream.connection, schema.stream_state
        is_earlier = sa.and_(table.c.connector == self._stream.number, table.c.part < part)
        these = sa.and_(table.c.identity == former, table.c.deleted_run.is_(None), sa.not_(is_earlier))
        sources = list(connection.scalars(sa.select(table.c.connector).where(these).distinct()))
        connection.execute(sa.update(table).where(these).values(row_hash=0))
        whole = {"cursor": None, "digests": None, "full_at": None}
        of = sa.and_(state.c.connector.in_(sources), state.c.stream == name)
        connection.execute(sa.update(state).where(of).values(whole))

    def _copy(self, old: Any, number: int, former: str) -> None:
        """Keep what was said of the earlier person, who may come back under another reference."""
        run = self._stream.run.id
        copy = old._asdict() | {
            "id": number, "key": f"{old.key} (before run {run})", "identity": former, "row_hash": 0,
            "changed_run": run, "deleted_run": old.deleted_run or run,
        }  # fmt: skip
        insert = self._stream.run.store.dialect.insert_ignore(_learners)
        executemany(self._stream.connection, insert, [tuple(copy[column.name] for column in _learners.columns)])

    def _warn(self, key: str) -> None:
        self._count += 1
        self._warnings.warn("reference_changed_hands", key, "learner_ref")
        references = "reference was" if self._count == 1 else "references were"
        self._stream.report.message = (
            f"{self._count} {references} given to somebody else (another ULN, date of birth and family name), who "
            "begins anew: what was recorded until now stays with the earlier learner. If it is one person after all, "
            "correct the source, then run fingerpost identity join. fingerpost status --data-quality lists the rows."
        )


def _is_another(old: Any, fields: _Fields) -> bool:
    """Say whether a row that was about one person is now about another: all that identifies them has changed."""
    born, name = fields["date_of_birth"], fields["family_name"]
    if None in (old.uln, old.date_of_birth, old.family_name, fields["uln"], born, name):
        return False
    if TEMPORARY_ULN in (old.uln, fields["uln"]):
        return False
    same_name = old.family_name.casefold() == name.casefold()
    return not (old.uln == fields["uln"] or old.date_of_birth == born.isoformat() or same_name)
