"""Read one stream of one source into the store.

Every row is looked up by its key, and skipped if its hash is unchanged. New and changed rows are mapped, validated
and upserted through the driver's `executemany`. The rows of one read are marked in a bitmap by their number in the
table, which finds duplicates and missing rows at the cost of a bit per row.

A transaction is open only while the host writes: what a source yields is collected first, so that nothing is left half
written while a source waits for a network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from time import perf_counter
from typing import Any, cast

import sqlalchemy as sa
import xxhash

from fingerpost._contract.messages import Checkpoint, Deleted, Message, Record, Rejected
from fingerpost._mapping.compiled import Reject
from fingerpost._record.models import MODELS
from fingerpost._sync.collector import no_collector
from fingerpost._sync.cursor import StreamState
from fingerpost._sync.failpoints import hit
from fingerpost._sync.hands import Hands
from fingerpost._sync.history import history_of, last_day
from fingerpost._sync.identities import Identities
from fingerpost._sync.marks import Touched, mark_dirty, remove_rows
from fingerpost._sync.rows import StreamRows
from fingerpost._sync.seen import SeenRows
from fingerpost._sync.set_aside import BreakerOpen, Quarantine, Warnings, pseudonym
from fingerpost._sync.stream import Stream
from fingerpost._sync.sweep import sweep
from fingerpost._words.errors import ContractError

CHUNK = 1_000
"""Rows looked up, mapped and written together; larger chunks do not fit into the processor's cache."""

CHECKPOINT_ROWS = 100_000
"""Rows after which a checkpoint is committed; committing every 10,000 would double the time of a large load."""

WAITING = 0.02
"""Seconds without a row after which a source is assumed to be waiting for a network; files are far quicker."""


class StreamReader:
    """Read one stream once."""

    def __init__(self, stream: Stream, identities: Identities, *, full: bool) -> None:
        self.stream = stream
        self.identities = identities
        self.quarantine = Quarantine(stream)
        self.warnings = Warnings(stream)
        self.state = StreamState(stream, full=full)
        self._unit = stream.run.unit
        self._dialect = stream.run.store.dialect
        self._rows = StreamRows(stream)
        name, fields = stream.spec.name, stream.mapping.fields
        self._is_shared = name == "activities" and not fields.isdisjoint(("group", "programme"))
        self._touched = Touched()
        self._hands = Hands(stream, identities, self._touched, self.warnings)
        self._gone: list[int] = []
        self._parts: set[str] = set()
        self._uncommitted = 0
        self._has_breaker = True
        self._stored = self._counts()

    def read(self) -> None:
        """Read the stream to its end, or until an error; the report says which.

        A source that fails must not stop the others: this raises only if the store itself is lost.
        """
        hit("stream_started")
        try:
            with no_collector():
                self._read()
        except BreakerOpen as error:
            with self._unit.transaction():
                self.state.restore()
            self._fail(error)
        except Exception as error:
            self._fail(error)

    def retry(self, records: Sequence[Record]) -> None:
        """Try rejected records again, as if the source had just yielded them, in a separate transaction.

        Records that are valid now are stored and leave the quarantine, as do those that the mapping now skips. The
        breaker does not apply: a quarantine is expected to hold bad rows.
        """
        self._has_breaker = False
        with self._unit.transaction():
            self._load()
            for start in range(0, len(records), CHUNK):
                self._take_records(list(records[start : start + CHUNK]))
            self.quarantine.release(*(one.key for one in records if one.key not in self.quarantine.seen))
            self._mark()

    def _fail(self, error: Exception) -> None:
        for name, count in self._stored.items():
            setattr(self.stream.report, name, count)
        self.identities.load()
        self.stream.note_failed(error)

    # -- one read ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            with self._unit.transaction():
                self._load()
            self._consume()
            self._unit.begin()
            self._finish()
            self.stream.report.warnings = self.warnings.count()
            hit("stream_written")
            self._unit.commit()
        except BaseException:
            self._unit.rollback()
            raise
        self.identities.marks.add(self._touched)
        hit("stream_committed")

    def _load(self) -> None:
        stream = self.stream
        self.state.load()
        self._history = history_of(stream, self.state.year)
        self._last_day = last_day(stream.run.as_of, self.state.year)
        self._next_id = 1 + (stream.connection.scalar(sa.select(sa.func.max(stream.table.c.id))) or 0)
        self._seen = SeenRows(self._next_id)
        self.quarantine.load()
        stream.context.warned = self.warnings.warn

    def _consume(self) -> None:
        """Collect the messages, write them a chunk at a time, and commit at checkpoints.

        The first write opens a transaction. If the source waits for a network, everything up to a checkpoint is
        written and committed in one go, so that nobody else is locked out in the meantime. A source that waits after
        more than a chunk without a checkpoint does lock others out: what it said may not be committed yet.
        """
        collected: list[Message] = []
        waits = False
        messages = self.stream.instance.read(self.stream.spec.name, self.state.since, cast("Any", self.stream.context))
        with contextlib.closing(cast("Any", messages)):
            before = perf_counter()
            for message in messages:
                now = perf_counter()
                waits = waits or now - before > WAITING
                before = now
                if type(message) is not Checkpoint:
                    collected.append(message)
                    if len(collected) < CHUNK:
                        continue
                    self._write(collected)
                else:
                    if not self.state.move(message.cursor):
                        self.warnings.warn("bad_cursor")
                    due = self._uncommitted + len(collected) >= CHECKPOINT_ROWS
                    if not due and not (waits and self._unit.is_open):
                        continue
                    self._write(collected)
                    self._checkpoint()
                    waits = False
                collected = []
                before = perf_counter()
        self._write(collected)

    def _write(self, messages: list[Message]) -> None:
        """Write the collected messages in order, records a chunk at a time."""
        if messages:
            self._unit.begin()
        for kind, some in groupby(messages, type):
            if kind is Record:
                records = cast("list[Record]", list(some))
                for start in range(0, len(records), CHUNK):
                    self._take_records(records[start : start + CHUNK])
                continue
            for message in some:
                if isinstance(message, Deleted):
                    self._take_deleted(message)
                else:
                    self._take_rejected(cast("Rejected", message))
        self._uncommitted += len(messages)

    def _checkpoint(self) -> None:
        self._mark()
        if self.stream.spec.ordered:
            self.state.save(complete=False)
        self._dialect.size_cache(self.stream.connection, large=True)
        hit("checkpoint_written")
        self._unit.commit()
        self.identities.marks.add(self._touched)
        self._touched.clear()
        self._stored = self._counts()
        self._uncommitted = 0
        hit("checkpoint_committed")

    def _counts(self) -> dict[str, int]:
        """Return the counts of changes to the store: a read that fails reports only what was committed."""
        names = ("new", "changed", "deleted", "newly_rejected")
        return {name: getattr(self.stream.report, name) for name in names}

    def _finish(self) -> None:
        """End a complete read: check the breaker, sweep, and remember how far it got."""
        report = self.stream.report
        why = self.stream.context.incomplete_because
        if self.stream.context.skipped and why is None:
            report.state = "unchanged"
            self.state.save(complete=True)
            return
        self._check_breaker(final=True)
        if why is not None:
            self.stream.note_incomplete(why)
            self._mark()
            self.state.restore()
            return
        self._remove([] if self._history is None else self._history.renamed())
        held = False
        if self.state.is_full and self.stream.mode == "snapshot":
            gone, held = sweep(self.stream, self._seen, self._parts, self._last_day)
            if held:
                self._gone += gone
            else:
                self._remove(gone)
        if self._history is not None:
            self.state.year = self._history.finish(self._gone, self._touched)
        if self.state.is_full:
            self.quarantine.forget_old()
            self.warnings.forget_old()
        report.state = "held" if held else "complete"
        self._mark()
        self.state.save(complete=True, held=held)

    def _mark(self) -> None:
        """Mark who must be judged again, in the same transaction as the rows that caused it."""
        mark_dirty(self.stream.connection, self._dialect, self._touched, self.identities.marks)

    def _check_breaker(self, *, final: bool) -> None:
        if self._has_breaker:
            self.quarantine.check_breaker(is_full=self.state.is_full, final=final)

    # -- one chunk -----------------------------------------------------------------------------------------------

    def _take_records(self, records: list[Record]) -> None:
        """Look up, skip, map and write one chunk.

        The first record with a key counts, and a warning lists the others. But a changelog may hold a record twice:
        there the last one counts.
        """
        report, changes = self.stream.report, self.stream.is_changelog
        report.read += len(records)
        if changes:
            records = list({record.key: record for record in records}.values())
        found = self._rows.look_up([record.key for record in records])
        fresh: list[Record] = []
        hashes: list[int] = []
        numbers: list[int | None] = []
        here: set[str] = set()
        unchanged = 0
        digest, seen, join = xxhash.xxh3_64_intdigest, self._seen, "\x1f".join
        offered: tuple[str, ...] = ()
        values, seed = self._rows.hashing(offered)
        for record in records:
            key, data, _ = record
            if tuple(data) != offered:
                offered = tuple(data)
                values, seed = self._rows.hashing(offered)
            raw = values(data)
            try:
                row_hash = digest(f"{seed}{record[2]}\x1f{join(raw)}".encode("utf-8", "surrogatepass")) >> 1
            except TypeError:  # not only text: a source with types of its own
                row_hash = digest(f"{seed}{record[2]}\x1f{raw!r}".encode("utf-8", "surrogatepass")) >> 1
            row = found.get(key)
            if row is None:
                if key in here or not key or (key in self.quarantine.seen and not changes):
                    self._refuse_key(key)
                    continue
                here.add(key)
                numbers.append(None)
            else:
                if seen.add(row[0]) and not changes:
                    self._refuse_key(key)
                    continue
                if row[1] == row_hash and row[2] is None:
                    unchanged += 1
                    if self.quarantine:  # the source has replaced what was rejected
                        self._withdraw(key)
                    continue
                numbers.append(row[0])
            fresh.append(record)
            hashes.append(row_hash)
        self._parts.update({record[2] for record in records})
        report.unchanged += unchanged
        if fresh:
            self._store(fresh, hashes, numbers, found)
        self.stream.run.progress.advance(len(records))
        hit("chunk_written")

    def _refuse_key(self, key: str) -> None:
        if not key:
            name = self.stream.instance.name
            raise ContractError(f"Connector {name} yields {self.stream.spec.name} with an empty key.")
        self.warnings.warn("duplicate_key", key)

    def _store(
        self, records: list[Record], hashes: list[int], numbers: list[int | None],
        found: Mapping[str, tuple[int, int, int | None, int | None]],
    ) -> None:  # fmt: skip
        """Map and upsert new and changed records."""
        stream, touched, is_quarantined = self.stream, self._touched, len(self.quarantine) > 0
        mapped = stream.mapping.apply([record.data for record in records])
        whose, self._next_id = self._hands.whose(mapped.records, records, numbers, self._next_id)
        history, replaced = self._history, []
        before_it = {} if history is None else history.before(numbers)
        rows: list[tuple[Any, ...]] = []
        run, connector = stream.run.id, stream.number
        encode, stamp = self._rows.encode, self._rows.stamp
        learner: int | None
        learner_of, ensure = self.identities.learner_of, self.identities.ensure
        is_learners = stream.spec.name == "learners"
        model_class = MODELS[stream.spec.name]
        new = changed = 0
        taken = zip(mapped.records, records, hashes, numbers, whose, strict=True)
        for model, record, row_hash, known, identity in taken:
            if type(model) is not model_class:  # pydantic's own isinstance takes longer than all else here
                self._set_aside(model, record, row_hash, known)
                continue
            key, _, part = record
            fields = model.__dict__
            if is_learners:
                if identity is None:
                    self.quarantine.reject(record, row_hash, "missing_required", "learner_ref", "")
                    continue
                learner = ensure(identity)
                touched.merges.add(learner)
            else:
                learner = None if identity is None else learner_of(identity)
            if known is None:
                number = self._next_id
                self._next_id += 1
                new += 1
            else:
                number = known
                changed += 1
                self.warnings.replace_for(key)
                before = found[key][3]
                if before is not None and before != learner:
                    touched.learners.add(before)
                    if is_learners:
                        touched.merges.add(before)
            if learner is not None and not is_learners:
                touched.learners.add(learner)
            if is_quarantined:
                self._withdraw(key)
            if history is not None:
                old = before_it.get(number)
                stamp = history.stamps(identity, fields, old)
                if old is not None and history.has_replaced(identity, fields, old):
                    replaced.append(old)
            about = number, connector, key, part, row_hash, run, run, identity, fields["uln"], learner
            rows.append((*about, *encode(fields), *stamp))
            if self._is_shared:
                touched.note_shared(fields)
        self.warnings.add_issues((records[index].key, name, code) for index, name, code in mapped.issues)
        for index, name, _ in mapped.passed_over:
            self.warnings.list_code(name, stream.mapping.given(name, records[index].data))
        stream.report.new += new
        stream.report.changed += changed
        if changed and stream.spec.name == "activities":
            touched.note_shared_before(stream.connection, stream.table, numbers)
        if is_learners:
            self.identities.write_new()
        if history is not None and replaced:
            self._next_id = history.keep(replaced, self._next_id, self.warnings.warn)
        self._rows.upsert(rows)
        self.warnings.write()
        self._check_breaker(final=False)

    def _set_aside(self, outcome: object, record: Record, row_hash: int, number: int | None) -> None:
        """Handle a record that the mapping rejects or skips."""
        mapping = self.stream.mapping
        if isinstance(outcome, Reject):
            if number is None and outcome.field in mapping.fields:
                said = mapping.given(outcome.field, record.data)
                if said and said in record.key:  # the bad value is part of the key, and keys are listed
                    record = record._replace(key=pseudonym(record.key))
            self.quarantine.reject(record, row_hash, outcome.reason, outcome.field or "", "")
            return
        self.stream.report.skipped += 1
        if number is not None and self.state.is_full and self.stream.mode == "snapshot":
            self._seen.remove(number)  # treated like a missing row: the sweep decides whether to believe it
        elif number is not None or record.key in self.quarantine:
            self._delete(record.key)

    # -- what the source could not read, replaced or deleted --------------------------------------------------------

    def _take_rejected(self, message: Rejected) -> None:
        """Quarantine what the connector itself could not read."""
        self.stream.report.read += 1
        # If a row is garbled, its supposed key may be anything, even a name. A known key is a real one, and keeps the
        # sweep from removing the row.
        is_known = bool(message.key) and self._mark_seen(message.key)
        self.quarantine.reject_unread(message, is_known=is_known)
        self._check_breaker(final=False)

    def _mark_seen(self, key: str) -> bool:
        """Keep a sweep from removing a row whose new version could not be read; return whether there is one."""
        row = self._rows.look_up([key]).get(key)
        if row is not None:
            self._seen.add(row[0])
        return row is not None

    def _withdraw(self, key: str) -> None:
        """Release what was rejected under a key, since the source has replaced it."""
        self.quarantine.release(key, pseudonym(key))

    def _take_deleted(self, message: Deleted) -> None:
        """Delete a record that the source says is gone, unless it contradicts itself."""
        key, row = message.key, self._rows.look_up([message.key]).get(message.key)
        contradicts = key in self.quarantine.seen or (row is not None and row[2] is None and row[0] in self._seen)
        if contradicts and not self.stream.is_changelog:
            self._refuse_key(key)
        else:
            self._delete(key, was_mistake=message.mistake)

    def _delete(self, key: str, *, was_mistake: bool = False) -> None:
        """Mark a record as deleted, if there is one."""
        self._withdraw(key)
        row = self._rows.look_up([key]).get(key)
        if row is not None and row[2] is None:
            self._remove([row[0]], was_mistake=was_mistake)

    def _remove(self, numbers: list[int], *, was_mistake: bool = False) -> None:
        stream = self.stream
        stream.report.deleted += len(numbers)
        self._gone += numbers
        self._touched.add(
            remove_rows(
                stream.connection, stream.table, numbers, run=stream.run.id, connector=stream.number,
                stream=stream.spec.name, last_day=None if was_mistake else self._last_day,
            )
        )  # fmt: skip
