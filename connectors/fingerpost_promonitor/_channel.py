"""The writing side: gaps become one item on the learner's page in ProMonitor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import ClassVar, Literal

import sqlalchemy as sa
from sqlalchemy import exc

from fingerpost import (
    Channel,
    ConnectorConfig,
    Context,
    ContractError,
    Finding,
    FingerpostError,
    GapItem,
    Item,
    ListedItem,
    Payload,
    Receipt,
    hookimpl,
)
from fingerpost_promonitor._catalogue import full_name
from fingerpost_promonitor._items import ItemStatements
from fingerpost_promonitor._rights import procedure_rights, table_rights
from fingerpost_promonitor._write_config import PromonitorWriteConfig
from fingerpost_promonitor._writing import Order, Writing


class PromonitorChannel(Channel):
    """Write a learner's gaps as one comment or action on their page in ProMonitor.

    It has a login of its own, and uses either a procedure of the college's or the table ActionPlan. It looks for an
    item before it writes one, leaves alone what a tutor edited, and never deletes anything.
    """

    name: ClassVar[str] = "promonitor-writeback"
    Config: ClassVar[type[ConnectorConfig]] = PromonitorWriteConfig
    accepts: ClassVar[Literal["digest", "gap_item"]] = "gap_item"
    config: PromonitorWriteConfig

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Report whether the database answers, has the tables, and would let the login write; write nothing."""
        with closing(Writing(self.config, context)) as writing:
            label = writing.database.label
            try:
                with writing.database.transaction() as connection:
                    connection.execute(sa.select(sa.literal(1))).all()
                    items = writing.statements(connection)
                    table = f"into the table {full_name(items.plan)}"
                    target = table if items.procedure is None else f"through the procedure {items.procedure}"
                    yield Finding("ok", f"{label}: the database answers; items go {target}.")
                    yield from _check_rights(label, connection, items)
            except exc.SQLAlchemyError as error:
                yield Finding("error", writing.database.explain(error).message)
            except FingerpostError as error:
                yield Finding("error", f"{label}: {error.message}")
        if not self.config.write:
            yield Finding(
                "warning",
                f"{context.name}: nothing is written until write = true.",
                "See what would be written with fingerpost sync --dry-run; then set write = true.",
            )

    @hookimpl
    def render(self, item: Item, context: Context) -> Payload:
        """Render an item to what `deliver` needs; raises `ContractError` for any other kind of item."""
        if not isinstance(item, GapItem):
            raise ContractError("The promonitor-writeback channel writes items on learners' pages, not digests.")
        content = Order.of(item).content()
        return Payload(item.key, item.learner_reference, content, "application/json", item.key, "")

    @hookimpl
    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Bring each item to what its payload says, each in a transaction of its own."""
        with closing(Writing(self.config, context)) as writing:
            yield from writing.deliver(payloads)

    @hookimpl
    def reconcile(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Look on the learners' pages for what became of payloads."""
        with closing(Writing(self.config, context)) as writing:
            yield from writing.reconcile(payloads)

    @hookimpl
    def list_items(self, context: Context) -> Iterator[ListedItem]:
        """Yield our open items on all pages, found by their marks in one read."""
        with closing(Writing(self.config, context)) as writing:
            yield from writing.listed()


def _check_rights(label: str, connection: sa.Connection, items: ItemStatements) -> Iterator[Finding]:
    """Report every right that the login lacks."""
    lacking: list[str] = []
    asks = table_rights(items, connection.dialect)
    if asks is not None:
        lacking = [right for right, has in connection.execute(asks).mappings().one().items() if not has]
    if items.procedure is not None:
        may = connection.execute(procedure_rights(items.procedure, connection.dialect)).scalar()
        if may is None:
            yield Finding(
                "error",
                f"{label}: the database has no procedure {items.procedure}, or the login may not see it.",
                "Install the procedure, or correct `procedure`.",
            )
        elif not may:
            lacking.append(f"EXECUTE on {items.procedure}")
    if lacking:
        yield Finding(
            "error",
            f"{label}: the login lacks {', '.join(lacking)}.",
            "Ask your database administrator to grant that to the login of write-back, and nothing more.",
        )
