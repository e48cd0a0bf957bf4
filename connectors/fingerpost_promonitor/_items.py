"""The statements with which write-back finds and writes the items on learners' pages.

Nothing but checked names goes into a statement; values from data or configuration are bound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from fingerpost_promonitor._catalogue import Catalogue
from fingerpost_promonitor._procedures import procedure_call, quoted_procedure
from fingerpost_promonitor._query import bound_text, is_open_item, trimmed
from fingerpost_promonitor._write_config import PromonitorWriteConfig

Operation: TypeAlias = Literal["insert", "update", "close"]

_PARAMETERS: Final = ("operation", "pm_student", "item", "before", "text", "written_on")
"""The parameters of a procedure, by name."""

_LETTER_BY_LETTER: Final = "Latin1_General_BIN2"
"""A collation of SQL Server under which only identical texts are equal: most ignore case."""


class ItemStatements:
    """The statements for one database.

    Raises `ConfigError` where a table or column is missing, and for a procedure where the database has none.
    """

    def __init__(self, catalogue: Catalogue, config: PromonitorWriteConfig, dialect: sa.Dialect) -> None:
        self._config = config
        self._dialect = dialect
        self._student = catalogue.table("vStudent")
        self.plan = catalogue.table("ActionPlan")
        self.text: sa.Column[Any] = catalogue.column(self.plan, config.text_column, what="text_column")
        self._values: Mapping[str, Any] = {}
        self._closed: Mapping[str, Any] = {}
        self.procedure: str | None = None
        if config.procedure is not None:
            instead = "remove `procedure`, so that write-back writes to the table itself"
            self.procedure = quoted_procedure(config.procedure, dialect, instead=instead)
            return
        self._date = catalogue.column(self.plan, config.date_column, what="date_column").name
        self._values = self._named(catalogue, config.values, "values")
        self._closed = self._named(catalogue, config.closed_values, "closed_values")

    def _named(self, catalogue: Catalogue, values: Mapping[str, Any], what: str) -> dict[str, Any]:
        return {catalogue.column(self.plan, name, what=what).name: value for name, value in values.items()}

    @property
    def tables(self) -> tuple[sa.Table, sa.Table]:
        """The tables that are read."""
        return self._student, self.plan

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that an UPDATE sets."""
        return () if self.procedure is not None else (self.text.name, self._date, *self._closed)

    def pages(self, references: Iterable[str]) -> sa.Select[Any, Any]:
        """Return the statement that finds the pages of learners: reference and PMStudentID."""
        reference = trimmed(self._student.c.StudentID)
        return sa.select(reference, self._student.c.PMStudentID).where(
            reference.in_(sa.bindparam("references", sorted(references), expanding=True, type_=sa.Unicode))
        )

    def lock(self, key: str, seconds: float) -> list[sa.Executable]:
        """Return the statements that keep other runs from this item until the transaction ends.

        The last of them answers with a negative number where it could not get the lock. SQLite needs none: there, a
        transaction of ours keeps all others out.
        """
        if self._dialect.name == "postgresql":
            number = int.from_bytes(hashlib.blake2b(f"fingerpost {key}".encode(), digest_size=8).digest(), signed=True)
            lock = sa.func.pg_advisory_xact_lock(sa.bindparam("resource", number, type_=sa.BigInteger))
            return [sa.select(sa.literal(0)).select_from(lock)]
        if self._dialect.name != "mssql":
            return []
        # Some drivers begin a transaction with the first statement that reads a table, and the lock needs one.
        begin = sa.select(self.plan.c.ActionPlanID).where(sa.false())
        lock_it = sa.text(
            "SET NOCOUNT ON; DECLARE @taken int; EXEC @taken = sp_getapplock @Resource = :resource, @LockMode = :mode, "
            "@LockOwner = :owner, @LockTimeout = :wait; SELECT @taken"
        ).bindparams(
            bound_text("resource", f"fingerpost {key}"), bound_text("mode", "Exclusive"),
            bound_text("owner", "Transaction"),
            sa.bindparam("wait", int(seconds * 500), type_=sa.Integer),  # it gives up before the statement does
        )  # fmt: skip
        return [begin, lock_it]

    def look(self, pages: Sequence[int], key: str) -> sa.Select[Any, Any, Any]:
        """Return the statement that finds the items with this key: ActionPlanID, PMStudentID and text."""
        return (
            sa.select(self.plan.c.ActionPlanID, self.plan.c.PMStudentID, self.text)
            .where(
                self.plan.c.PMStudentID.in_(sa.bindparam("pages", list(pages), expanding=True, type_=sa.Integer)),
                self.text.like(bound_text("pattern", f"%Fingerpost {key}-%")),
            )
            .order_by(self.plan.c.ActionPlanID)
        )

    def listed(self) -> sa.Select[Any, Any]:
        """Return the statement that finds every open item: the learner's reference and the text."""
        return (
            sa.select(trimmed(self._student.c.StudentID), self.text)
            .join_from(self.plan, self._student, self._student.c.PMStudentID == self.plan.c.PMStudentID)
            .where(*is_open_item(self.text))
        )

    def write(
        self, operation: Operation, *, page: int, item: int | None, text: str, before: str | None, now: datetime
    ) -> sa.Executable:
        """Return the statement that writes one item.

        `before` is the text that an item must still have, so that nobody's edit since we read it is overwritten.
        """
        if self.procedure is not None:
            return self._call(self.procedure, operation, page, item, before, text, now)
        written = {self.text.name: text, self._date: now}
        if operation == "insert":
            # No OUTPUT or RETURNING: SQL Server refuses it on a table with triggers, and we read the row back anyway.
            return sa.insert(self.plan).values({"PMStudentID": page, **self._values, **written}).inline()
        return (
            sa.update(self.plan)
            .where(self.plan.c.ActionPlanID == sa.bindparam("item", item), self._is_still(before or ""))
            .values({**written, **(self._closed if operation == "close" else {})})
        )

    def _is_still(self, before: str) -> sa.ColumnElement[bool]:
        now: sa.ColumnElement[Any] = sa.cast(self.text, sa.Unicode)
        if self._dialect.name == "mssql":
            now = now.collate(_LETTER_BY_LETTER)
        return now == bound_text("before", before)

    def _call(
        self, procedure: str, operation: Operation, page: int, item: int | None, before: str | None, text: str,
        now: datetime,
    ) -> sa.TextClause:  # fmt: skip
        call = procedure_call(procedure, dict(zip(_PARAMETERS, _PARAMETERS, strict=True)), self._dialect)
        return sa.text(call).bindparams(
            bound_text("operation", operation), sa.bindparam("pm_student", page, type_=sa.Integer),
            sa.bindparam("item", item, type_=sa.Integer), bound_text("before", before), bound_text("text", text),
            sa.bindparam("written_on", now, type_=sa.DateTime),
        )  # fmt: skip
