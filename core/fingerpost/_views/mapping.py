"""Try a mapping on what a source holds now, without writing anything, and explain one row.

The source's values are shown only in the answer to the person who asks: never in a log, never in a `repr`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, cast

from fingerpost._config.opened import Opened
from fingerpost._contract.messages import Record, Rejected, StreamSpec
from fingerpost._mapping.compiled import CompiledMapping, Reject
from fingerpost._mapping.plan import FieldTrace
from fingerpost._plugins.instance import Instance
from fingerpost._words.errors import ConfigError, ContractError, FingerpostError
from fingerpost._words.printed import Printed

CHUNK = 1_000

LISTED_CODES = 50
"""How many unmatched codes are listed for each stream, the most frequent first."""


@dataclass(frozen=True, slots=True)
class FieldCount:
    """How often one thing was wrong with one canonical field; `field` is empty if the row itself was unreadable."""

    field: str
    code: str
    rows: int


@dataclass(frozen=True, slots=True)
class UnmatchedCode:
    """One of the source's codes that the mapping does not know, as the source spells it."""

    field: str
    value: str = dataclasses.field(repr=False)
    rows: int = 0


@dataclass(frozen=True, slots=True)
class MappingCheck(Printed):
    """How the rows of one stream were mapped.

    `ok` rows produced a record, some of them without a field (`issues`); `skipped` rows are not records according to
    the mapping; `rejected` counts the others by reason. `unread` are the columns that nothing reads; `remarks` counts
    the connector's own warnings.
    """

    connector: str
    stream: str
    mapping: str
    rows: int
    ok: int
    skipped: int
    rejected: tuple[FieldCount, ...]
    issues: tuple[FieldCount, ...]
    unmatched: tuple[UnmatchedCode, ...]
    unread: tuple[str, ...]
    remarks: dict[str, int]


@dataclass(frozen=True, slots=True)
class RowTrace(Printed):
    """How one row is mapped, field by field; `reason` says why there is no record."""

    connector: str
    stream: str
    mapping: str
    key: str
    outcome: Literal["record", "skipped", "rejected"]
    reason: str | None
    fields: tuple[FieldTrace, ...] = dataclasses.field(repr=False)


def check_mapping(opened: Opened, connector: str, stream: str | None, limit: int | None) -> list[MappingCheck]:
    """Map up to `limit` rows of each stream as the source holds them now, write nothing, and count the outcomes.

    Raises `ConfigError` for an unknown connector or stream, and any error from the source.
    """
    instance = opened.source(connector)
    return [_check_stream(opened, instance, spec, limit) for spec in _specs(instance, stream)]


def _specs(instance: Instance, stream: str | None) -> list[StreamSpec]:
    found = [spec for spec in instance.streams if stream is None or spec.name == stream]
    if not found:
        names = ", ".join(spec.name for spec in instance.streams)
        raise ConfigError(f"The source '{instance.name}' has no stream '{stream}'. It has: {names}.")
    return found


def _check_stream(opened: Opened, instance: Instance, spec: StreamSpec, limit: int | None) -> MappingCheck:
    tally = _Tally(opened.mappings[instance.name, spec.name])
    with _reading(opened, instance, spec, tally) as messages:
        rows = islice(messages, limit)
        while chunk := list(islice(rows, CHUNK)):
            tally.take(chunk)
    mapping = tally.mapping
    return MappingCheck(
        instance.name, spec.name, mapping.name, tally.rows, tally.ok, tally.skipped, _counted(tally.rejected),
        _counted(tally.issues),
        tuple(UnmatchedCode(name, value, count) for (name, value), count in tally.unmatched.most_common(LISTED_CODES)),
        tuple(tally.unread), dict(sorted(tally.remarks.items())),
    )  # fmt: skip


def _counted(counts: Counter[tuple[str, str]]) -> tuple[FieldCount, ...]:
    return tuple(FieldCount(name, code, count) for (name, code), count in counts.most_common())


@contextlib.contextmanager
def _reading(
    opened: Opened, instance: Instance, spec: StreamSpec, tally: _Tally | None
) -> Iterator[Iterator[Record | Rejected]]:
    """Read the rows of a stream from its beginning, and report a connector that crashes as a sync would."""
    context = opened.context(instance, opened.mappings[instance.name, spec.name])
    if tally is not None:
        context.warned = tally.warned
    messages = instance.read(spec.name, None, cast("Any", context))
    try:
        with contextlib.closing(context), contextlib.closing(cast("Any", messages)):
            yield (message for message in messages if isinstance(message, Record | Rejected))
    except (FingerpostError, GeneratorExit):
        raise
    except Exception as error:
        raise ContractError(
            f"Connector {instance.name} crashed while reading {spec.name} ({type(error).__name__}). Report it to its "
            "vendor; run again with --debug for the details."
        ) from error


class _Tally:
    """Count the outcomes of rows."""

    def __init__(self, mapping: CompiledMapping) -> None:
        self.mapping = mapping
        self.rows = self.ok = self.skipped = 0
        self.rejected: Counter[tuple[str, str]] = Counter()
        self.issues: Counter[tuple[str, str]] = Counter()
        self.unmatched: Counter[tuple[str, str]] = Counter()
        self.remarks: Counter[str] = Counter()
        self.unread: dict[str, None] = {}

    def warned(self, code: str, key: str, name: str, where: str) -> None:
        """Count a warning from the connector or about the header."""
        if code == "unread_column":
            self.unread[name] = None
        else:
            self.remarks[code] += 1

    def take(self, chunk: list[Record | Rejected]) -> None:
        """Map one chunk and count."""
        self.rows += len(chunk)
        records = [one for one in chunk if isinstance(one, Record)]
        self.rejected.update(("", one.reason) for one in chunk if isinstance(one, Rejected))
        mapped = self.mapping.apply([record.data for record in records])
        for record, outcome in zip(records, mapped.records, strict=True):
            if outcome is None:
                self.skipped += 1
            elif isinstance(outcome, Reject):
                self.rejected[outcome.field, outcome.reason] += 1
                self._note_code(record, outcome.field, outcome.reason)
            else:
                self.ok += 1
        for index, name, code in mapped.issues:
            self.issues[name, code] += 1
            self._note_code(records[index], name, code)
        for index, name, code in mapped.passed_over:
            self._note_code(records[index], name, code)

    def _note_code(self, record: Record, name: str, code: str) -> None:
        if code == "unmatched_code":
            self.unmatched[name, self.mapping.given(name, record.data)] += 1


def explain_row(opened: Opened, connector: str, row: str, stream: str | None) -> RowTrace:
    """Find one row by key, or by number from 1, and show how each field is mapped; see `College.explain_mapping`.

    A key takes precedence over a number. Raises `ConfigError` if there is no such row, or if several streams have a
    row with the number.
    """
    instance = opened.source(connector)
    specs = _specs(instance, stream)
    number = int(row) if row.isdecimal() else None
    numbered: list[tuple[StreamSpec, Record | Rejected]] = []
    for spec in specs:
        with _reading(opened, instance, spec, None) as messages:
            for position, message in enumerate(messages, start=1):
                if message.key == row:
                    return _trace(opened, instance, spec, message)
                if position == number:
                    numbered.append((spec, message))
    if len(numbered) == 1:
        return _trace(opened, instance, *numbered[0])
    if numbered:
        names = ", ".join(spec.name for spec, _ in numbered)
        raise ConfigError(f"{connector} has a row {row} in several streams; choose one with --stream: {names}.")
    streams = " and ".join(spec.name for spec in specs)
    raise ConfigError(f"{connector} has no row with this key or number in its {streams}. Rows are counted from 1.")


def _trace(opened: Opened, instance: Instance, spec: StreamSpec, message: Record | Rejected) -> RowTrace:
    mapping = opened.mappings[instance.name, spec.name]
    if isinstance(message, Rejected):
        reason = f"{message.reason} ({message.where})" if message.where else message.reason
        return RowTrace(instance.name, spec.name, mapping.name, message.key, "rejected", reason, ())
    outcome = mapping.apply([message.data]).records[0]
    fields = mapping.explain(message.data)
    if outcome is None:
        why = "a [[skip]] table" if mapping.skips(message.data) else 'an unknown code, and otherwise = "skip"'
        return RowTrace(instance.name, spec.name, mapping.name, message.key, "skipped", why, fields)
    if isinstance(outcome, Reject):
        reason = f"{outcome.reason} in {outcome.field}"
        return RowTrace(instance.name, spec.name, mapping.name, message.key, "rejected", reason, fields)
    return RowTrace(instance.name, spec.name, mapping.name, message.key, "record", None, fields)
