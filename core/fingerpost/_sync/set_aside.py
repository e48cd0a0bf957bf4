"""What one read sets aside: rejected records, and faults that cost a field but not the record.

Too many rejected records stop the stream: the breaker.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import sqlalchemy as sa
import xxhash

from fingerpost._contract.messages import Record, Rejected
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.run import Run
from fingerpost._sync.stream import Stream
from fingerpost._words.errors import ContractError, FingerpostError

BREAKER_ROWS, BREAKER_SHARE, BREAKER_FROM = 20, 0.05, 1_000
"""A stream with more rejected rows than this, and a larger share, is stopped: its mapping must be wrong."""

LISTED_CODES = 200
"""How many of a source's codes are listed because the mapping leaves out their rows."""

EVERY_READ = frozenset({"duplicate_key"})
"""Warnings about a record that every complete read finds again, even if the record did not change."""

_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")


class BreakerOpen(FingerpostError):  # noqa: N818 - a state, raised to leave the stream
    """Stop a stream because too much of it was rejected."""


def pseudonym(key: str) -> str:
    """Return a substitute for what may not really be a key: always the same for one text, without revealing it."""
    return f"#{xxhash.xxh3_64_hexdigest(key.encode('utf-8', 'surrogatepass'))}"


def check_code(stream: Stream, code: str) -> None:
    """Refuse a sentence where a code belongs: it goes into logs and lists, and might quote a record."""
    if _CODE.fullmatch(code) is None:
        raise ContractError(
            f"Connector {stream.instance.name} returns a sentence where {stream.spec.name} need a short code such as "
            "ragged_row. Report it to its vendor."
        )


class Quarantine:
    """The rejected records of one stream, kept as received so that a corrected mapping can be tried on them."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seen: set[str] = set()
        self._stored: dict[str, tuple[int, str]] = {}
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._keyless: Counter[str] = Counter()

    def load(self) -> None:
        """Load which records are already in quarantine."""
        table = schema.quarantine
        select = sa.select(table.c.key, table.c.raw_hash, table.c.where).where(self.stream.of(table))
        self._stored = {key: (raw_hash, where) for key, raw_hash, where in self.stream.connection.execute(select)}

    def __contains__(self, key: str) -> bool:
        return key in self._stored

    def __len__(self) -> int:
        return len(self._stored)

    def reject(self, record: Record, row_hash: int, reason: str, field: str, where: str) -> None:
        """Keep a rejected record as received; an identical one is not reported, nor written unless it has moved."""
        stream = self.stream
        run, key = stream.run, record.key
        stream.report.rejected += 1
        self._reasons[reason, field] += 1
        self.seen.add(key)
        known = self._stored.get(key)
        if known == (row_hash, where):
            return
        self._stored[key] = (row_hash, where)
        columns = stream.mapping.columns | set(stream.context.key)
        raw = json.dumps({name: value for name, value in record.data.items() if name in columns}, default=str)
        row = (
            stream.number, stream.spec.name, key, record.part, raw, row_hash, reason, field, where, run.id, run.id,
            run.now_text,
        )  # fmt: skip
        executemany(stream.connection, self._upsert, [row])
        if known is not None and known[0] == row_hash:
            return
        stream.report.newly_rejected += 1
        name = stream.instance.name
        run.log.warning(
            "record_rejected", connector=name, stream=stream.spec.name, reason=reason, field=field, where=where
        )
        run.opened.host.record_quarantined(name, stream.spec.name, reason, field)

    def reject_unread(self, message: Rejected, *, is_known: bool) -> None:
        """Keep what the connector itself could not read; the key is shown only if a stored row has it."""
        stream = self.stream
        check_code(stream, message.reason)
        columns = stream.mapping.columns | set(stream.context.key)
        read = {name: value for name, value in message.raw.items() if name in columns} or message.raw
        said = f"{message.reason}\x1f{sorted(read.items())!r}"
        row_hash = xxhash.xxh3_64_intdigest(f"{stream.fingerprint}\x1e{said}".encode("utf-8", "surrogatepass")) >> 1
        key = message.key if is_known else pseudonym(message.key) if message.key else self._key_for_keyless(said)
        self.reject(Record(key, message.raw), row_hash, message.reason, "", message.where)

    def _key_for_keyless(self, said: str) -> str:
        """Return a substitute key for a record without one: its content, numbered among records with the same.

        Its position would not do: a record inserted before it would shift another bad record there.
        """
        like = pseudonym(said)
        self._keyless[like] += 1
        return like if self._keyless[like] == 1 else f"{like}-{self._keyless[like]}"

    @cached_property
    def _upsert(self) -> str:
        """The statement that keeps a rejected record, compiled for the first one."""
        return self.stream.run.store.dialect.upsert(
            schema.quarantine, conflict=["connector", "stream", "key"], keep=["first_run", "since"], omit=["id"]
        )

    def release(self, *keys: str) -> None:
        """Release what was rejected under these keys: a valid version arrived, or the record is gone."""
        table = schema.quarantine
        for key in keys:
            if self._stored.pop(key, None) is not None:
                self.stream.connection.execute(sa.delete(table).where(self.stream.of(table), table.c.key == key))

    def forget_old(self) -> None:
        """Drop, after a full read, what the source no longer holds.

        If files are overwritten it may be last term's evidence, so what a corrected mapping could rescue is kept.
        """
        old = self._stored.keys() - self.seen
        if old and self.stream.mode == "append":
            table = schema.quarantine
            can_be_saved = sa.and_(table.c.field != "", table.c.raw != "{}")
            select = sa.select(table.c.key).where(self.stream.of(table), can_be_saved)
            old -= set(self.stream.connection.scalars(select))
        self.release(*old)

    def check_breaker(self, *, is_full: bool, final: bool) -> None:
        """Raise `BreakerOpen` if so much is rejected that the mapping or the export must be wrong."""
        stream, report = self.stream, self.stream.report
        if not final and report.read < BREAKER_FROM:
            return
        # Some sources return undated records at every incremental read: known bad ones prove nothing new.
        known = 0 if is_full else report.rejected - report.newly_rejected
        rejected = report.rejected - known
        if rejected > BREAKER_ROWS and rejected > BREAKER_SHARE * (report.read - known):
            (reason, field), count = self._reasons.most_common(1)[0]
            where = f" in {field}" if field else ""
            name = stream.instance.name
            raise BreakerOpen(
                f"Connector {name}: {report.rejected} of {report.read} {stream.spec.name} were rejected, "
                f"{count} of them for {reason}{where}, so reading stopped. Run fingerpost map check "
                f"{name} and correct the mapping {stream.mapping.name} or the export."
            )


class Warnings:
    """The faults in one stream's data that cost no record, listed so that they can be corrected at the source."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._new: list[tuple[str, str, str, str]] = []
        self._changed: list[str] = []
        self._of_this_read: set[tuple[str, str, str, str]] = set()
        self._listed_codes: set[tuple[str, str]] = set()

    def warn(self, code: str, key: str = "", field: str = "", where: str = "") -> None:
        """Add a warning from the connector, or about a key."""
        stream = self.stream
        check_code(stream, code)
        if not key or where or code in EVERY_READ:
            self._of_this_read.add((key, field, code, where))
        self._new.append((key, field, code, where))
        name = stream.instance.name
        stream.run.log.debug(
            "data_warning", connector=name, stream=stream.spec.name, code=code, field=field, where=where
        )

    def add_issues(self, issues: Iterable[tuple[str, str, str]]) -> None:
        """Add the fields that records lost: key, field and code of each."""
        self._new += [(key, field, code, "") for key, field, code in issues]

    def list_code(self, field: str, code: str) -> None:
        """List a code whose rows are left out, so that IT sees it; each code once."""
        if len(self._listed_codes) < LISTED_CODES and (field, code) not in self._listed_codes:
            self._listed_codes.add((field, code))
            self.warn("code_passed_over", "", field, code[:60])

    def replace_for(self, key: str) -> None:
        """Drop, at the next write, the warnings about a record that has changed."""
        self._changed.append(key)

    def write(self) -> None:
        """Store what was added since the last write."""
        table, stream = schema.warning, self.stream
        if self._changed:
            keys, self._changed = self._changed, []
            outdated = sa.and_(stream.of(table), table.c.key.in_(keys), table.c.code.not_in(EVERY_READ))
            stream.connection.execute(sa.delete(table).where(outdated))
        if self._new:
            rows, self._new = self._new, []
            stream.connection.execute(
                stream.run.store.dialect.insert(table).on_conflict_do_nothing(),
                [
                    {"connector": stream.number, "stream": stream.spec.name, "key": key, "field": name, "code": code,
                     "where": where, "first_run": stream.run.id}
                    for key, name, code, where in rows
                ],
            )  # fmt: skip

    def forget_old(self) -> None:
        """Drop, after a full read, outdated warnings about the source, a place in it or a duplicate key."""
        self.write()
        table = schema.warning
        of_a_read = sa.or_(table.c.key == "", table.c.where != "", table.c.code.in_(EVERY_READ))
        select = sa.select(table.c.id, table.c.key, table.c.field, table.c.code, table.c.where)
        stale = [
            number
            for number, *said in self.stream.connection.execute(select.where(self.stream.of(table), of_a_read))
            if tuple(said) not in self._of_this_read
        ]
        if stale:
            self.stream.connection.execute(sa.delete(table).where(table.c.id.in_(stale)))

    def count(self) -> int:
        """Return how many are listed."""
        self.write()
        select = sa.select(sa.func.count()).select_from(schema.warning).where(self.stream.of(schema.warning))
        found: Any = self.stream.connection.scalar(select)
        return int(found or 0)


def replace_warnings(run: Run, stream: str, field: str, code: str, wanted: set[tuple[int, str]]) -> None:
    """Replace the warnings with one code in one stream by those about `wanted`: pairs of connector and key."""
    connection, table = run.unit.connection, schema.warning
    stored = {
        (row.connector, row.key): row.id
        for row in connection.execute(
            sa.select(table.c.id, table.c.connector, table.c.key).where(table.c.stream == stream, table.c.code == code)
        )
    }
    old = [number for pair, number in stored.items() if pair not in wanted]
    for start in range(0, len(old), 500):
        connection.execute(sa.delete(table).where(table.c.id.in_(old[start : start + 500])))
    new = [
        {"connector": source, "stream": stream, "key": key, "field": field, "code": code, "where": "",
         "first_run": run.id}
        for source, key in sorted(wanted - stored.keys())
    ]  # fmt: skip
    if new:
        connection.execute(run.store.dialect.insert(table).on_conflict_do_nothing(), new)
