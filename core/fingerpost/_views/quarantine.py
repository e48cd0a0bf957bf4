"""The rejected records: list them, show one, try them again, or forget them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from fingerpost._config.opened import Opened
from fingerpost._contract.messages import STREAMS, Record
from fingerpost._store import schema
from fingerpost._sync.crosswalk import load_crosswalk
from fingerpost._sync.identities import Identities
from fingerpost._sync.run import Run, SyncOptions, finish_run, start_run
from fingerpost._sync.sync import stream_reader
from fingerpost._words.errors import ConfigError
from fingerpost._words.printed import Printed

_EMPTY = "{}"


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """One rejected record, without its content.

    `reason` is a code such as ``missing_required``, `field` the canonical field concerned (empty if the connector
    itself could not read the record), `where` a place in the source, `since` when it was first rejected, in UTC. `kept`
    says whether its content is still stored: it is removed after ``[privacy] quarantine_days``.
    """

    number: int
    connector: str
    stream: str
    key: str = field(repr=False)
    reason: str
    field: str
    where: str
    since: str
    kept: bool

    @property
    def can_be_retried(self) -> bool:
        """Say whether a corrected mapping could help: what could not be read must be corrected in the source."""
        return self.kept and bool(self.field)

    def as_dict(self) -> dict[str, Any]:
        """Return the row that `fingerpost quarantine list --json` prints."""
        return asdict(self) | {"can_be_retried": self.can_be_retried}


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """One rejected record with its content, for the person who asked; `raw` holds the mapped columns."""

    record: QuarantinedRecord
    raw: Mapping[str, Any] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return what `fingerpost quarantine show --json` prints."""
        return self.record.as_dict() | {"raw": dict(self.raw)}


@dataclass(frozen=True, slots=True)
class RetryReport(Printed):
    """How many rejected records today's mappings store, skip or reject again.

    `stored` are valid now, `skipped` are not records according to the mapping, `rejected` are still faulty. `left`
    could not be tried: their content is gone or could never be read, or their source is not configured.
    """

    run: int
    stored: int
    skipped: int
    rejected: int
    left: int


_rejected = sa.select(schema.quarantine, schema.connector.c.name).join(
    schema.connector, schema.connector.c.id == schema.quarantine.c.connector
)


def quarantined(opened: Opened) -> list[QuarantinedRecord]:
    """Return the rejected records, oldest first."""
    table = schema.quarantine
    with opened.store.reading() as connection:
        return [_listed(row) for row in connection.execute(_rejected.order_by(table.c.since, table.c.id))]


def show(opened: Opened, number: int) -> ShownRecord:
    """Return one rejected record with its content; raise `ConfigError` if there is none with this number."""
    with opened.store.reading() as connection:
        row = connection.execute(_rejected.where(schema.quarantine.c.id == number)).one_or_none()
    if row is None:
        raise ConfigError(f"No rejected record has the number {number}; fingerpost quarantine list shows them.")
    return ShownRecord(_listed(row), json.loads(row.raw))


def _listed(row: Any) -> QuarantinedRecord:
    return QuarantinedRecord(
        row.id, row.name, row.stream, row.key, row.reason, row.field, row.where, row.since, row.raw != _EMPTY
    )


def discard(opened: Opened, numbers: Sequence[int]) -> int:
    """Forget rejected records; return how many there were. Raises `LockHeld` during a run.

    A record that is still in its source is rejected again when it is next read.
    """
    table = schema.quarantine
    with opened.store.locked() as connection, connection.begin():
        return sum(
            connection.execute(sa.delete(table).where(table.c.id.in_(numbers[start : start + 500]))).rowcount
            for start in range(0, len(numbers), 500)
        )


def retry(opened: Opened) -> RetryReport:
    """Try the rejected records again as if their sources had just yielded them, with today's mappings.

    It is a separate run in the ledger, and each stream is one transaction. The next sync judges the learners. Raises
    `LockHeld` during another run.
    """
    with opened.store.locked() as connection:
        run = start_run(opened, connection, SyncOptions())
        try:
            report = _retry(run)
            run.report.status = "succeeded"
        except BaseException:
            run.report.status, run.report.exit_code = "failed", 1
            raise
        finally:
            finish_run(run)
        return report


def _retry(run: Run) -> RetryReport:
    identities = Identities(run, load_crosswalk(run.config))
    waiting, total = _waiting(run)
    read = skipped = rejected = 0
    for name in STREAMS:
        for instance in run.config.instances:
            for spec in instance.streams:
                records = waiting.get((instance.name, spec.name))
                if spec.name == name and records:
                    reader = stream_reader(run, instance, spec, identities, full=True)
                    reader.retry(records)
                    read += reader.stream.report.read
                    skipped += reader.stream.report.skipped
                    rejected += reader.stream.report.rejected
    report = RetryReport(run.id, read - skipped - rejected, skipped, rejected, total - read)
    run.report.messages.append(f"quarantine retry: {report.stored:,} stored, {total - report.stored:,} not")
    return report


def _waiting(run: Run) -> tuple[dict[tuple[str, str], list[Record]], int]:
    """Return what can be tried, by connector and stream, and how many records there are in all."""
    table = schema.quarantine
    names = {number: name for name, number in run.connector_ids.items()}
    configured = {(instance.name, spec.name) for instance in run.config.instances for spec in instance.streams}
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    total = 0
    with run.unit.transaction() as connection:
        for row in connection.execute(sa.select(table).order_by(table.c.id)):
            total += 1
            source = (names.get(row.connector, ""), row.stream)
            if source in configured and row.field and row.raw != _EMPTY:
                found[source].append(Record(row.key, json.loads(row.raw), row.part))
    return found, total
