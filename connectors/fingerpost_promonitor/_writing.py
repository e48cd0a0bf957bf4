"""Bring the items on learners' pages up to date, so that doing it twice does it once.

Each item is looked for before it is written, under a lock and in one transaction, and looked for again afterwards: only
what is found as we wrote it is committed. So nothing depends on the memory of an earlier run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc

from fingerpost import (
    AuthError,
    ConfigError,
    Context,
    FingerpostError,
    GapItem,
    ItemMark,
    ListedItem,
    Payload,
    Receipt,
    ReceiptStatus,
    SourceUnavailable,
    mark_item,
    read_mark,
)
from fingerpost_promonitor._catalogue import Catalogue
from fingerpost_promonitor._database import WritableDatabase
from fingerpost_promonitor._faults import Fault, fault
from fingerpost_promonitor._items import ItemStatements, Operation
from fingerpost_promonitor._write_config import PromonitorWriteConfig

_CODES: dict[Fault, str] = {
    "late": "timeout", "login": "login_refused", "denied": "not_allowed", "busy": "busy", "lost": "unreachable",
    "refused": "refused",
}  # fmt: skip


class Order(NamedTuple):
    """What one item should become: the content of a payload."""

    key: str
    operation: Literal["open", "update", "close"]
    reference: str
    text: str
    external_ref: str | None

    @classmethod
    def of(cls, item: GapItem) -> Order:
        """Return the order for an item; its text is marked."""
        text = mark_item(item.key, item.text, closed=item.operation == "close")
        return cls(item.key, item.operation, item.learner_reference.strip(), text, item.external_ref)

    @classmethod
    def read(cls, content: bytes) -> Order:
        """Return the order that a payload's content holds."""
        return cls(**json.loads(content))

    def content(self) -> bytes:
        """Return the order as the content of a payload."""
        return json.dumps(self._asdict(), ensure_ascii=False).encode()

    def __repr__(self) -> str:
        """Show neither the text nor the learner."""
        return f"Order(key={self.key!r}, operation={self.operation!r})"


class _Found(NamedTuple):
    """An item of ours as it stands in the database."""

    item: int
    page: int
    text: str
    mark: ItemMark

    @property
    def is_edited(self) -> bool:
        return not self.mark.closed and not self.mark.intact

    @property
    def is_ours(self) -> bool:
        """Say whether it is open and as we wrote it."""
        return not self.mark.closed and self.mark.intact


class _Outcome(NamedTuple):
    status: ReceiptStatus
    ref: str | None = None
    detail: str = ""


_EDITED = _Outcome("permanent", None, "edited_by_tutor")
_CHANGED = _Outcome("temporary", None, "changed_meanwhile")


class Writing:
    """One delivery, or one look at what became of an earlier one; whoever makes it closes it."""

    def __init__(self, config: PromonitorWriteConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self.database = WritableDatabase(
            config.url, config.password, timeout=config.timeout, base_dir=context.base_dir, label=context.name
        )
        self._now = context.now.astimezone(context.timezone).replace(tzinfo=None, microsecond=0)
        self._items: ItemStatements
        self._pages: dict[str, list[int]] = {}
        self._wrote = False

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def statements(self, connection: sa.Connection) -> ItemStatements:
        """Return the statements for this database; `ConfigError` says what it lacks."""
        catalogue = Catalogue(self._config, self.database.backend, connection)
        return ItemStatements(catalogue, self._config, connection.dialect)

    def deliver(self, payloads: Sequence[Payload]) -> Iterator[Receipt]:
        """Yield a receipt for each payload as soon as its transaction has ended.

        Raises `AuthError` or `ConfigError`, after the receipts, where nothing can be written until a human has acted.
        """
        return self._each(payloads, self._carry_out, "temporary")

    def reconcile(self, payloads: Sequence[Payload]) -> Iterator[Receipt]:
        """Yield what became of each payload, without writing anything; raises as `deliver` does."""
        return self._each(payloads, self._read_back, "unknown")

    def listed(self) -> Iterator[ListedItem]:
        """Yield every open item that stands on a page exactly as we wrote it."""
        with self.database.connect() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=1_000)
            for reference, text in streaming.execute(self.statements(connection).listed()):
                mark = read_mark(text)
                if mark is not None and mark.intact and not mark.closed:
                    yield ListedItem(mark.key, reference.strip())

    def _each(
        self, payloads: Sequence[Payload], act: Callable[[sa.Connection, Order], _Outcome], put_off: ReceiptStatus
    ) -> Iterator[Receipt]:
        """Act on each payload; where the database cannot serve us, put off all that are left."""
        orders = [(payload.key, Order.read(payload.content)) for payload in payloads]
        try:
            with self.database.transaction() as connection:
                self._prepare(connection, [order.reference for _, order in orders])
            while orders:
                key, order = orders[0]
                try:
                    outcome = self._in_transaction(order, act)
                    if outcome == _CHANGED:  # whoever was editing it has finished: see what it says now
                        outcome = self._in_transaction(order, act)
                except exc.SQLAlchemyError as error:
                    if not self._wrote or fault(error) == "denied":
                        raise  # nothing was written
                    outcome = _after_writing(fault(error))
                orders.pop(0)
                yield Receipt(key, *outcome)
                if outcome.detail == _CODES["late"]:
                    raise SourceUnavailable("", detail=outcome.detail)
        except (exc.SQLAlchemyError, FingerpostError) as error:
            trouble, code = self._explained(error)
            for key, _ in orders:
                yield Receipt(key, put_off, None, code)
            if isinstance(trouble, AuthError | ConfigError):
                raise trouble from (None if trouble is error else error)
            self._context.log.warning("writeback_put_off", code=code, count=len(orders))

    def _explained(self, error: exc.SQLAlchemyError | FingerpostError) -> tuple[FingerpostError, str]:
        if isinstance(error, exc.SQLAlchemyError):
            return self.database.explain(error), _CODES[fault(error)]
        return error, "misconfigured" if isinstance(error, ConfigError) else error.detail or _CODES["lost"]

    def _prepare(self, connection: sa.Connection, references: list[str]) -> None:
        """Find the pages of all learners at once; the newest page of each comes first."""
        self._items = self.statements(connection)
        pages: dict[str, list[int]] = {}
        for reference, page in connection.execute(self._items.pages(set(references))):
            pages.setdefault(reference.strip(), []).append(page)
        self._pages = {reference: sorted(found, reverse=True) for reference, found in pages.items()}

    def _in_transaction(self, order: Order, act: Callable[[sa.Connection, Order], _Outcome]) -> _Outcome:
        self._wrote = False
        with self.database.transaction() as connection:
            for statement in self._items.lock(order.key, self._config.timeout):
                taken = connection.execute(statement).scalar()
                if taken is not None and taken < 0:
                    raise SourceUnavailable("Another run holds the lock of an item.", detail=_CODES["busy"])
            outcome = act(connection, order)
            if self._wrote and outcome.status == "sent":
                connection.commit()
            return outcome

    def _carry_out(self, connection: sa.Connection, order: Order) -> _Outcome:
        pages = self._pages.get(order.reference)
        if not pages:
            return _Outcome("permanent", None, "no_learner_page")
        found = self._find_ours(connection, order)
        write = partial(self._write, connection, order, {one.item for one in found})
        ours = [one for one in found if one.is_ours]
        if order.operation == "close":
            if not ours:
                return _EDITED if any(one.is_edited for one in found) else _Outcome("sent")
            closed = [write("close", one, order.text) for one in ours]
            return next((one for one in closed if one.status != "sent"), closed[0])
        here = [one for one in ours if one.page == pages[0]]
        # A second item is an accident, and nobody looks at the page of a year that is over.
        for one in [one for one in ours if one not in here[:1]]:
            closed_one = write("close", one, _closed(one))
            if closed_one.status != "sent":
                return closed_one
        if not here:
            edited = any(one.is_edited and one.page == pages[0] for one in found)
            return _EDITED if edited else write("insert", None, order.text)
        oldest = here[0]
        if _same(oldest.text, order.text):
            return _Outcome("sent", str(oldest.item))
        return write("update", oldest, order.text)

    def _read_back(self, connection: sa.Connection, order: Order) -> _Outcome:
        found = self._find_ours(connection, order)
        still_open = [one for one in found if not one.mark.closed]
        if order.operation == "close":
            ref = next((str(one.item) for one in found if one.mark.closed), None)
            return _Outcome("temporary", None, "still_open") if still_open else _Outcome("sent", ref)
        ours = [one for one in still_open if _same(one.text, order.text)]
        if len(ours) == 1 and not any(one.is_ours for one in still_open if one != ours[0]):
            return _Outcome("sent", str(ours[0].item))
        return _Outcome("temporary", None, "not_there")

    def _find_ours(self, connection: sa.Connection, order: Order) -> list[_Found]:
        """Return everything on the learner's pages that bears the order's key, the oldest first."""
        pages = self._pages.get(order.reference)
        if not pages:
            return []
        return [
            _Found(item, page, text, mark)
            for item, page, text in connection.execute(self._items.look(pages, order.key)).all()
            if (mark := read_mark(text)) is not None and mark.key == order.key
        ]

    def _write(
        self, connection: sa.Connection, order: Order, known: set[int], operation: Operation, old: _Found | None,
        text: str,
    ) -> _Outcome:  # fmt: skip
        """Write one item and check that it is there; what was not kept as it was written is not committed.

        `known` are the items that were there before: a new item is none of them.
        """
        statement = self._items.write(
            operation, page=self._pages[order.reference][0], item=None if old is None else old.item, text=text,
            before=None if old is None else old.text, now=self._now,
        )  # fmt: skip
        self._wrote = True
        result = connection.execute(statement)
        if self._items.procedure is not None and result.returns_rows:
            _exhaust(result.cursor, connection.dialect)
        result.close()
        for one in self._find_ours(connection, order):
            is_it = one.item not in known if old is None else one.item == old.item
            if is_it and _same(one.text, text):
                return _Outcome("sent", str(one.item))
        return _CHANGED if old is not None else _Outcome("permanent", None, "not_kept")


def _exhaust(cursor: Any, dialect: sa.Dialect) -> None:
    """Read all results of a procedure: only then has it finished. What the driver raises comes out as SQLAlchemy's."""
    errors = dialect.loaded_dbapi.Error
    try:
        while cursor.nextset():
            pass
    except errors as error:
        raise exc.DBAPIError.instance(None, None, error, errors, hide_parameters=True, dialect=dialect) from error


def _after_writing(kind: Fault) -> _Outcome:
    """Return the outcome where a fault came after something was written, be it at the very end."""
    # Where it is busy, the server itself rolled everything back.
    statuses: dict[Fault, ReceiptStatus] = {
        "busy": "temporary", "lost": "unknown", "late": "unknown", "login": "unknown"
    }  # fmt: skip
    return _Outcome(statuses.get(kind, "permanent"), None, _CODES[kind])


def _same(one: str, other: str) -> bool:
    """Say whether two texts are the same but for white space, which an ILP may change."""
    return one.split() == other.split()


def _closed(found: _Found) -> str:
    """Return the text of an item as a closed one."""
    before, _, rest = found.text.partition("[Fingerpost ")
    return mark_item(found.mark.key, f"{before} {rest.partition(']')[2]}".strip(), closed=True)
