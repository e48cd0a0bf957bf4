"""The statements by which write-back finds and writes the items on learners' pages.

Nothing but names that were checked goes into a statement; what comes from data or configuration is bound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from fingerpost import MARK_PATTERN, ConfigError
from fingerpost_promonitor._catalogue import Catalogue
from fingerpost_promonitor._queries import trimmed
from fingerpost_promonitor._write_config import PromonitorWriteConfig

Operation: TypeAlias = Literal["insert", "update", "close"]

_PARAMETERS: Final = ("operation", "pm_student", "item", "before", "text", "written_on")
"""What a procedure is given, by these names."""

_CLOSED: Final = f"{MARK_PATTERN.removesuffix('%')} closed%"

_LETTER_BY_LETTER: Final = "Latin1_General_BIN2"
"""A collation of SQL Server by which texts are the same only if they are: most compare without regard to case."""

_NO_PROCEDURES: Final = "A {} database has no procedures; take `procedure` out, so that the table itself is written to."


class ItemStatements:
    """The statements for one database.

    Raises `ConfigError` where a table or column is missing, and for a procedure where the database knows none.
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
            self.procedure = _quoted(config.procedure, dialect)
            return
        self._date = catalogue.column(self.plan, config.date_column, what="date_column").name
        self._values = self._named(catalogue, config.values, "values")
        self._closed = self._named(catalogue, config.closed_values, "closed_values")

    def _named(self, catalogue: Catalogue, values: Mapping[str, Any], what: str) -> dict[str, Any]:
        return {catalogue.column(self.plan, name, what=what).name: value for name, value in values.items()}

    @property
    def tables(self) -> tuple[sa.Table, sa.Table]:
        """The tables that are looked into."""
        return self._student, self.plan

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that an UPDATE sets."""
        return () if self.procedure is not None else (self.text.name, self._date, *self._closed)

    def pages(self, references: Iterable[str]) -> sa.Select[Any]:
        """Return the statement that finds the pages of learners: reference and PMStudentID."""
        reference = trimmed(self._student.c.StudentID)
        return sa.select(reference, self._student.c.PMStudentID).where(
            reference.in_(sa.bindparam("references", sorted(references), expanding=True, type_=sa.Unicode))
        )

    def lock(self, key: str, seconds: float) -> list[sa.Executable]:
        """Return the statements that keep other runs from this item until the transaction ends.

        The last of them answers with a negative number where that was not to be had. SQLite has no need of any: there,
        a transaction of ours keeps all others out.
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
            _text("resource", f"fingerpost {key}"), _text("mode", "Exclusive"), _text("owner", "Transaction"),
            sa.bindparam("wait", int(seconds * 500), type_=sa.Integer),  # it gives up before the statement does
        )  # fmt: skip
        return [begin, lock_it]

    def look(self, pages: Sequence[int], key: str) -> sa.Select[Any]:
        """Return the statement that finds what stands under this key: ActionPlanID, PMStudentID and text."""
        return (
            sa.select(self.plan.c.ActionPlanID, self.plan.c.PMStudentID, self.text)
            .where(
                self.plan.c.PMStudentID.in_(sa.bindparam("pages", list(pages), expanding=True, type_=sa.Integer)),
                self.text.like(_text("pattern", f"%Fingerpost {key}-%")),
            )
            .order_by(self.plan.c.ActionPlanID)
        )

    def listed(self) -> sa.Select[Any]:
        """Return the statement that finds every item that was not closed: learner's reference and text."""
        return (
            sa.select(trimmed(self._student.c.StudentID), self.text)
            .join_from(self.plan, self._student, self._student.c.PMStudentID == self.plan.c.PMStudentID)
            .where(self.text.like(_text("mark", MARK_PATTERN)), self.text.not_like(_text("closed", _CLOSED)))
        )

    def write(
        self, operation: Operation, *, page: int, item: int | None, text: str, before: str | None, now: datetime
    ) -> sa.Executable:
        """Return the statement that writes one item.

        `before` is the text that an item must still have: what somebody changed since it was read is not overwritten.
        """
        if self.procedure is not None:
            return self._call(operation, page, item, before, text, now)
        written = {self.text.name: text, self._date: now}
        if operation == "insert":
            # Neither RETURNING nor OUTPUT: SQL Server refuses that on a table with triggers, and we look anyway.
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
        return now == _text("before", before)

    def _call(
        self, operation: Operation, page: int, item: int | None, before: str | None, text: str, now: datetime
    ) -> sa.TextClause:
        if self._dialect.name == "mssql":
            call = f"SET NOCOUNT ON; EXEC {self.procedure} " + ", ".join(f"@{name}=:{name}" for name in _PARAMETERS)
        else:
            call = f"SELECT * FROM {self.procedure}({', '.join(f'{name} => :{name}' for name in _PARAMETERS)})"  # noqa: S608
        return sa.text(call).bindparams(
            _text("operation", operation), sa.bindparam("pm_student", page, type_=sa.Integer),
            sa.bindparam("item", item, type_=sa.Integer), _text("before", before), _text("text", text),
            sa.bindparam("written_on", now, type_=sa.DateTime),
        )  # fmt: skip


def table_rights(items: ItemStatements, dialect: sa.Dialect) -> sa.Select[Any] | None:
    """Return the statement that asks for the rights to look and to write; None where the database knows no rights.

    It answers with one row: a right for each column, by the name that a database administrator knows it by.
    """
    format_table = dialect.identifier_preparer.format_table
    looks = [(f"SELECT on {table.name}", format_table(table), "SELECT", "") for table in items.tables]
    plan = format_table(items.plan)
    writes = [(f"UPDATE of {name} in {items.plan.name}", plan, "UPDATE", name) for name in items.written]
    if items.procedure is None:
        writes.insert(0, (f"INSERT on {items.plan.name}", plan, "INSERT", ""))
    if dialect.name == "mssql":
        return sa.select(
            *(
                sa.func.has_perms_by_name(table, "OBJECT", right, *([column, "COLUMN"] if column else [])).label(label)
                for label, table, right, column in (*looks, *writes)
            )
        )
    if dialect.name == "postgresql":
        return sa.select(
            *(
                (
                    sa.func.has_column_privilege(table, column, right)
                    if column
                    else sa.func.has_any_column_privilege(table, right)
                ).label(label)
                for label, table, right, column in (*looks, *writes)
            )
        )
    return None


def procedure_rights(procedure: str, dialect: sa.Dialect) -> sa.Select[Any]:
    """Return the statement that asks whether the login may call the procedure; it answers NULL where there is none."""
    if dialect.name == "mssql":
        return sa.select(sa.func.has_perms_by_name(procedure, "OBJECT", "EXECUTE"))
    found = sa.cast(sa.func.to_regproc(procedure), sa.dialects.postgresql.OID)
    return sa.select(sa.func.has_function_privilege(found, "EXECUTE"))


def _quoted(name: str, dialect: sa.Dialect) -> str:
    if dialect.name not in ("mssql", "postgresql"):
        raise ConfigError(_NO_PROCEDURES.format(dialect.name))
    return ".".join(dialect.identifier_preparer.quote_identifier(part) for part in name.split("."))


def _text(name: str, value: str | None) -> sa.BindParameter[str]:
    return sa.bindparam(name, value, type_=sa.Unicode)
