"""Read one stream of one source into the store.

Every row is looked up by its key, and skipped when its hash is what it was. What is new or changed is mapped,
validated and upserted through the driver's `executemany`. The rows of one read are marked in a bitmap by their
number in the table: that finds duplicates and what is gone, in an eighth of a byte a row.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
import xxhash

from fingerpost._contract.messages import Checkpoint, Cursor, Deleted, Record, Rejected, StreamSpec
from fingerpost._mapping.compiled import Reject
from fingerpost._record.models import MODELS
from fingerpost._store import schema
from fingerpost._store.store import executemany
from fingerpost._sync.cursor import cap, look_back
from fingerpost._sync.failpoints import hit
from fingerpost._sync.marks import Marks, Touched, mark_dirty, remove_rows
from fingerpost._sync.rows import PROVENANCE, STAMPS, Identify, row_encoder, written_columns
from fingerpost._sync.seen import SeenRows
from fingerpost._words.days import utc_text
from fingerpost._words.errors import ContractError, FingerpostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fingerpost._mapping.compiled import CompiledMapping
    from fingerpost._plugins.context import HookContext
    from fingerpost._plugins.instance import Instance
    from fingerpost._sync.identities import Identities
    from fingerpost._sync.report import StreamReport
    from fingerpost._sync.run import Run


CHUNK = 1_000
"""Rows that are looked up, mapped and written together; larger chunks fall out of the processor's cache."""

CHECKPOINT_ROWS = 100_000
"""Rows after which a checkpoint is committed; a commit for every 10,000 would double the time of a large load."""

SWEEP_ROWS, SWEEP_SHARE = 5, 0.20
"""A sweep that would remove more rows than this, and more than this share, waits for a person."""

BREAKER_ROWS, BREAKER_SHARE, BREAKER_FROM = 20, 0.05, 1_000
"""A stream with more rejected rows than this, and more than this share, is stopped: its mapping is wrong."""

PASSED_OVER = 200
"""Codes of a source that are listed because the mapping makes their rows no records."""

_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")

PASS_CODES = frozenset({"duplicate_key"})
"""Warnings about a record that every complete read finds again, although the record did not change."""


class BreakerOpen(FingerpostError):  # noqa: N818 - a state, raised to leave the stream
    """Stop a stream because too much of it was rejected."""


class StreamReader:
    """Read one stream once."""

    def __init__(
        self,
        run: Run,
        instance: Instance,
        spec: StreamSpec,
        mapping: CompiledMapping,
        context: HookContext,
        identities: Identities,
        report: StreamReport,
        *,
        mode: str,
        fingerprint: str,
        full: bool,
    ) -> None:
        self.run = run
        self.instance = instance
        self.spec = spec
        self.mapping = mapping
        self.context = context
        self.identities = identities
        self.report = report
        self.mode = mode
        self.fingerprint = fingerprint
        self.force_full = full
        self.connection = run.unit.connection
        self.dialect = run.store.dialect
        self.connector = run.connector_ids[instance.name]
        self.table = schema.SOURCE_TABLES[spec.name]
        self.identify: Identify = identities.for_instance(instance)
        written = written_columns(spec.name, mapping.fields)
        self.encode = row_encoder(spec.name, written)
        stamps = STAMPS.get(spec.name, {})
        self._stamp = (run.id,) * len(stamps)
        blank = [column.name for column in self.table.columns if column.name not in {*PROVENANCE, *written, *stamps}]
        self._upsert = self.dialect.upsert(
            self.table, conflict=["connector", "key"], keep=["id", "first_run"], null=["deleted_run", *blank],
            stamp=stamps,
        )  # fmt: skip
        self._select = (
            f"SELECT key, id, row_hash, deleted_run, learner_id FROM {self.table.name} "  # noqa: S608 - our own names
            f"WHERE connector = {self.dialect.placeholder} AND "
        )
        self._shares = spec.name == "activities" and not mapping.fields.isdisjoint(("group", "programme"))
        self._seed = f"{fingerprint}\x1e"
        self._hashing: dict[tuple[str, ...], tuple[Callable[[Mapping[str, Any]], tuple[Any, ...]], str]] = {}
        self._touched = Touched()
        self._marks: Marks = identities.marks
        self._parts: set[str] = set()
        self._warnings: list[tuple[Any, ...]] = []
        self._rewarned: list[str] = []
        self._pass_warnings: set[tuple[str, str, str, str]] = set()
        self._passed_over: set[tuple[str, str]] = set()
        self._cursor: Cursor | None = None
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._alike: Counter[str] = Counter()
        self._breaks = True
        self._tells_changes = spec.ordered and spec.cursor is not None
        self._stored = self._counts()

    def read(self) -> None:
        """Read the stream to its end, or to the error that fails it; the report says which.

        Raises nothing: a source that fails must not stop the others.
        """
        hit("stream_started")
        try:
            with _no_collector():
                self._read()
        except BreakerOpen as error:
            self._restore_state()
            self._fail(error)
        except (FingerpostError, sa.exc.SQLAlchemyError) as error:
            self._fail(error)
        except Exception as error:
            self.run.log.debug("stream_raised", exc_info=True)
            self._fail(
                ContractError(
                    f"Connector {self.instance.name} broke while reading {self.spec.name} ({type(error).__name__}). "
                    "Report it to its vendor; run again with --debug for the details."
                )
            )

    def retry(self, records: Sequence[Record]) -> None:
        """Try rejected records again, as if the source had just given them, in one transaction of its own.

        What is good now is stored and leaves the quarantine; what the mapping skips now leaves it too. The breaker does
        not apply: a quarantine is expected to hold bad rows.
        """
        self._breaks = False
        with self.run.unit.transaction():
            self._load_state()
            for start in range(0, len(records), CHUNK):
                self._flush(list(records[start : start + CHUNK]))
            for key in [one.key for one in records if one.key not in self._quarantine_seen]:
                if key in self._quarantined:
                    self._release(key)
            self._write_marks()

    def _fail(self, error: Exception) -> None:
        self.report.state = "failed"
        for name, count in self._stored.items():
            setattr(self.report, name, count)
        self.identities.load()
        if isinstance(error, FingerpostError):
            self.report.message = error.message
        else:
            self.report.message = f"The store refused a write ({type(error).__name__})."
            self.run.log.debug("store_refused", exc_info=error)
        self.run.log.error(
            "stream_failed", connector=self.instance.name, stream=self.spec.name, message=self.report.message
        )

    # -- one read ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self._transaction = self.run.unit.begin()
        try:
            self._load_state()
            self._consume()
            self._finish()
            hit("stream_written")
            self._transaction.commit()
        except BaseException:
            if self._transaction.is_active:
                self._transaction.rollback()
            raise
        self._marks.add(self._touched)
        hit("stream_committed")

    def _load_state(self) -> None:
        table, state = self.table, schema.stream_state
        known = self.connection.execute(
            sa.select(state).where(state.c.connector == self.connector, state.c.stream == self.spec.name)
        ).one_or_none()
        self._known = known
        same = known is not None and known.fingerprint == self.fingerprint
        if known is not None and not same:
            self.run.log.info("whole_read", connector=self.instance.name, stream=self.spec.name, why="settings changed")
        if known is not None and same and not self.force_full:
            self.context.known_digests = json.loads(known.digests) if known.digests else None
        self._since = self._cursor_to_read_from() if same and not self.force_full else None
        self._full = self._since is None
        self._next_id = self._first_new = 1 + (self.connection.scalar(sa.select(sa.func.max(table.c.id))) or 0)
        self._seen = SeenRows(self._next_id)
        rejected = schema.quarantine.c
        self._quarantined: dict[str, tuple[int, str]] = {
            row.key: (row.raw_hash, row.where)
            for row in self.connection.execute(
                sa.select(rejected.key, rejected.raw_hash, rejected.where).where(
                    rejected.connector == self.connector, rejected.stream == self.spec.name
                )
            )
        }
        self._quarantine_seen: set[str] = set()
        self.context.warned = self._warn

    def _consume(self) -> None:
        """Take the messages, and commit at checkpoints."""
        buffer: list[Record] = []
        uncommitted = 0
        checkpoint_due = False
        messages = self.instance.read(self.spec.name, self._since, cast("Any", self.context))
        with contextlib.closing(cast("Any", messages)):
            for message in messages:
                kind = type(message)
                if kind is Record:
                    buffer.append(cast("Record", message))
                    if len(buffer) >= CHUNK:
                        self._flush(buffer)
                        uncommitted += len(buffer)
                        buffer = []
                        checkpoint_due = uncommitted >= CHECKPOINT_ROWS
                    continue
                if buffer:
                    self._flush(buffer)
                    uncommitted += len(buffer)
                    buffer = []
                if kind is Checkpoint:
                    self._move_cursor(cast("Checkpoint", message).cursor)
                    if checkpoint_due or uncommitted >= CHECKPOINT_ROWS:
                        self._checkpoint()
                        uncommitted, checkpoint_due = 0, False
                elif kind is Deleted:
                    self._hear_deleted(cast("Deleted", message).key)
                else:
                    self._reject_unread(cast("Rejected", message))
        if buffer:
            self._flush(buffer)

    def _checkpoint(self) -> None:
        self._write_marks()
        if self.spec.ordered:
            self._save_state(complete=False)
        self.dialect.enlarge_cache(self.connection)
        hit("checkpoint_written")
        self._transaction.commit()
        self._marks.add(self._touched)
        self._touched.clear()
        self._stored = self._counts()
        hit("checkpoint_committed")
        self._transaction = self.run.unit.begin()

    def _counts(self) -> dict[str, int]:
        """Return the counts of what was done to the store: of a read that fails, what was committed is told."""
        names = ("new", "changed", "deleted", "newly_rejected")
        return {name: getattr(self.report, name) for name in names}

    def _finish(self) -> None:
        """End a complete read: judge the breaker, sweep, and remember how far it came."""
        if self.context.skipped:
            self.report.state = "unchanged"
            self._save_state(complete=True)
            self._count_warnings()
            return
        self._break_if_rejected(final=True)
        held = self._full and self.mode == "snapshot" and not self._sweep()
        if self._full:
            self._forget_old_quarantine()
            self._forget_old_warnings()
        self.report.state = "held" if held else "complete"
        self._write_marks()
        self._save_state(complete=True, held=held)
        self._count_warnings()

    # -- one chunk -----------------------------------------------------------------------------------------------

    def _flush(self, records: list[Record]) -> None:
        """Look up, skip, map and write one chunk.

        The first word on a key counts, and the others are warned of. But an ordered stream with a cursor tells changes
        one after the other, and may tell one twice: there the last word counts.
        """
        report = self.report
        report.read += len(records)
        changes = self._tells_changes
        if changes:
            records = list({record.key: record for record in records}.values())
        keys = [record.key for record in records]
        found = self._look_up(keys)
        fresh: list[Record] = []
        hashes: list[int] = []
        numbers: list[int | None] = []
        here: set[str] = set()
        unchanged = 0
        digest, seen, join = xxhash.xxh3_64_intdigest, self._seen, "\x1f".join
        offered: tuple[str, ...] = ()
        values, seed = self._hashed(offered)
        for record in records:
            key, data, _ = record
            if tuple(data) != offered:
                offered = tuple(data)
                values, seed = self._hashed(offered)
            raw = values(data)
            try:
                row_hash = digest(f"{seed}{record[2]}\x1f{join(raw)}".encode("utf-8", "surrogatepass")) >> 1
            except TypeError:  # not text alone: a source with types of its own
                row_hash = digest(f"{seed}{record[2]}\x1f{raw!r}".encode("utf-8", "surrogatepass")) >> 1
            row = found.get(key)
            if row is None:
                if key in here or not key or (key in self._quarantine_seen and not changes):
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
                    if self._quarantined:  # the source took back what was rejected
                        self._take_back(key)
                    continue
                numbers.append(row[0])
            fresh.append(record)
            hashes.append(row_hash)
        self._parts.update({record[2] for record in records})
        report.unchanged += unchanged
        if fresh:
            self._write(fresh, hashes, numbers, found)
        self.run.progress.advance(len(records))
        hit("chunk_written")

    def _hashed(self, offered: tuple[str, ...]) -> tuple[Callable[[Mapping[str, Any]], tuple[Any, ...]], str]:
        """Return what of a record with these fields is hashed, and what the hash begins with.

        Only what the mapping reads counts, and which of it the source offers: a column that is new to a file may make
        another record of the same row.
        """
        known = self._hashing.get(offered)
        if known is None:
            columns = sorted(self.mapping.columns.intersection(offered))
            seed = f"{self._seed}{columns!r}\x1e"
            if len(columns) > 1:
                known = itemgetter(*columns), seed
            else:
                known = (lambda data: tuple(data[column] for column in columns)), seed
            self._hashing[offered] = known
        return known

    def _refuse_key(self, key: str) -> None:
        if key:
            self._warn("duplicate_key", key, "", "")
        else:
            raise ContractError(f"Connector {self.instance.name} yields {self.spec.name} with an empty key.")

    def _look_up(self, keys: list[str]) -> dict[str, tuple[int, int, int | None, int | None]]:
        """Return number, hash, deletion and learner of the rows that exist, by key.

        Where the keys ascend, as in most files, one range of the index answers; a list of keys costs ten times that.
        """
        if self.dialect.sorts_like_python and keys[0] < keys[-1] and keys == sorted(keys):
            limit = 4 * len(keys)
            mark = self.dialect.placeholder
            condition = f"key >= {mark} AND key <= {mark} LIMIT {limit}"
            rows = self.connection.exec_driver_sql(self._select + condition, (self.connector, keys[0], keys[-1])).all()
            if len(rows) < limit:
                return {row[0]: row[1:] for row in rows}
        condition, parameters = self.dialect.keys_among(keys)
        rows = self.connection.exec_driver_sql(self._select + condition, (self.connector, *parameters)).all()
        return {row[0]: row[1:] for row in rows}

    def _write(
        self,
        records: list[Record],
        hashes: list[int],
        numbers: list[int | None],
        found: Mapping[str, tuple[int, int, int | None, int | None]],
    ) -> None:
        """Map and upsert what is new or changed."""
        mapped = self.mapping.apply([record.data for record in records])
        rows: list[tuple[Any, ...]] = []
        run, connector, identify, encode, stamp = self.run.id, self.connector, self.identify, self.encode, self._stamp
        learner: int | None
        learner_of, touched, quarantined = self.identities.learner_of, self._touched, self._quarantined
        is_learners = self.spec.name == "learners"
        model_class = MODELS[self.spec.name]
        new = changed = 0
        for model, record, row_hash, known in zip(mapped.records, records, hashes, numbers, strict=True):
            if type(model) is not model_class:  # pydantic's own isinstance takes longer than all else here
                self._not_a_row(model, record, row_hash, known)
                continue
            key, _, part = record
            fields = model.__dict__
            uln = fields["uln"]
            identity = identify(fields["learner_ref"], uln)
            if is_learners:
                if identity is None:
                    self._quarantine(record, row_hash, "missing_required", "learner_ref", "")
                    continue
                learner = self.identities.ensure(identity)
                touched.merges.add(learner)
            else:
                learner = learner_of(identity) if identity is not None else None
            if known is None:
                number = self._next_id
                self._next_id += 1
                new += 1
            else:
                number = known
                changed += 1
                self._rewarned.append(key)
                before = found[key][3]
                if before is not None and before != learner:
                    touched.learners.add(before)
                    if is_learners:
                        touched.merges.add(before)
            if learner is not None and not is_learners:
                touched.learners.add(learner)
            if quarantined:
                self._take_back(key)
            rows.append(
                (number, connector, key, part, row_hash, run, run, identity, uln, learner, *encode(model), *stamp)
            )
            if self._shares:
                self._note_shared(fields)
        for index, name, code in mapped.issues:
            self._warnings.append((records[index].key, name, code, ""))
        for index, name, _ in mapped.passed_over:
            self._pass_over(name, self.mapping.given(name, records[index].data))
        self.report.new += new
        self.report.changed += changed
        if changed and self.spec.name == "activities":
            self._note_shared_before([number for number in numbers if number is not None])
        if is_learners:
            self.identities.write_new()
        executemany(self.connection, self._upsert, rows)
        self._write_warnings()
        self._break_if_rejected(final=False)

    def _note_shared(self, fields: Mapping[str, Any]) -> None:
        """Note a group or programme whose members must be judged again."""
        if fields["subject"] == "group":
            self._touched.groups.add(fields["group"])
        elif fields["subject"] == "programme":
            self._touched.programmes.add(fields["programme"])

    def _note_shared_before(self, numbers: list[int]) -> None:
        """Note the groups and programmes that changed activities were for until now: they may have lost them."""
        table = self.table
        for column, names in ((table.c.group, self._touched.groups), (table.c.programme, self._touched.programmes)):
            names.update(
                self.connection.scalars(
                    sa.select(column).distinct().where(table.c.id.in_(numbers), column.is_not(None))
                )
            )

    def _not_a_row(self, outcome: object, record: Record, row_hash: int, number: int | None) -> None:
        """Deal with a record that the mapping rejected, or says is none."""
        if isinstance(outcome, Reject):
            if number is None and outcome.field in self.mapping.fields:
                said = self.mapping.given(outcome.field, record.data)
                if said and said in record.key:  # the bad value is part of the key, which is listed
                    record = record._replace(key=pseudonym(record.key))
            self._quarantine(record, row_hash, outcome.reason, outcome.field or "", "")
            return
        self.report.skipped += 1
        if number is not None and self._full and self.mode == "snapshot":
            self._seen.remove(number)  # it is gone like one that did not come: the sweep decides whether to believe it
        elif number is not None or record.key in self._quarantined:
            self._delete(record.key)

    # -- quarantine ----------------------------------------------------------------------------------------------

    def _quarantine(self, record: Record, row_hash: int, reason: str, field: str, where: str) -> None:
        """Keep a rejected record as it came; the same one again is no news, and no write unless it has moved."""
        self.report.rejected += 1
        self._reasons[reason, field] += 1
        key = record.key
        self._quarantine_seen.add(key)
        known = self._quarantined.get(key)
        if known == (row_hash, where):
            return
        self._quarantined[key] = (row_hash, where)
        columns = self.mapping.columns | set(self.context.key)
        raw = json.dumps({name: value for name, value in record.data.items() if name in columns}, default=str)
        executemany(
            self.connection,
            self._upsert_rejected,
            [(self.connector, self.spec.name, key, record.part, raw, row_hash, reason, field, where,
              self.run.id, self.run.id, self.run.now_text)],
        )  # fmt: skip
        if known is not None and known[0] == row_hash:
            return
        self.report.newly_rejected += 1
        self.run.log.warning(
            "record_rejected", connector=self.instance.name, stream=self.spec.name, reason=reason, field=field,
            where=where,
        )  # fmt: skip
        self.run.host.record_quarantined(self.instance.name, self.spec.name, reason, field)

    @cached_property
    def _upsert_rejected(self) -> str:
        """The statement that keeps a rejected record, compiled when the first one comes."""
        return self.dialect.upsert(
            schema.quarantine, conflict=["connector", "stream", "key"], keep=["first_run", "since"], omit=["id"]
        )

    def _reject_unread(self, message: Rejected) -> None:
        """Quarantine what the connector itself could not read."""
        self._check_code(message.reason)
        self.report.read += 1
        columns = self.mapping.columns | set(self.context.key)
        read = {name: value for name, value in message.raw.items() if name in columns} or message.raw
        said = f"{message.reason}\x1f{sorted(read.items())!r}"
        raw_hash = xxhash.xxh3_64_intdigest(f"{self._seed}{said}".encode("utf-8", "surrogatepass")) >> 1
        # Where a row is garbled, what stands in the place of its key may be anything, a name too. A key that is known
        # is one; it keeps the sweep from taking the row for gone.
        known = bool(message.key) and self._mark_seen(message.key)
        key = message.key if known else pseudonym(message.key) if message.key else self._keyless(said)
        self._quarantine(Record(key, message.raw), raw_hash, message.reason, "", message.where)
        self._break_if_rejected(final=False)

    def _keyless(self, said: str) -> str:
        """Return what stands for the key of a record that shows none: what it says, and which one it is of its like.

        Its place would not do: another record in front moves it, and in its place stands another bad one.
        """
        like = pseudonym(said)
        self._alike[like] += 1
        return like if self._alike[like] == 1 else f"{like}-{self._alike[like]}"

    def _mark_seen(self, key: str) -> bool:
        """Keep a sweep from removing a row whose new version could not be read; say whether there is one."""
        row = self._look_up([key]).get(key)
        if row is not None:
            self._seen.add(row[0])
        return row is not None

    def _take_back(self, key: str) -> None:
        """Close what was rejected under a key of which the source says something else now."""
        for name in (key, pseudonym(key)):
            if name in self._quarantined:
                self._release(name)

    def _release(self, key: str) -> None:
        """Close a quarantined record of which a good version came."""
        del self._quarantined[key]
        table = schema.quarantine
        self.connection.execute(
            sa.delete(table).where(
                table.c.connector == self.connector, table.c.stream == self.spec.name, table.c.key == key
            )
        )

    def _forget_old_quarantine(self) -> None:
        """After a whole read: what the source no longer holds needs no retry.

        Where files are overwritten it may be last term's evidence, so what a corrected mapping could save stays there.
        """
        old = self._quarantined.keys() - self._quarantine_seen
        if old and self.mode == "append":
            table = schema.quarantine
            this = sa.and_(table.c.connector == self.connector, table.c.stream == self.spec.name)
            can_be_saved = sa.and_(table.c.field != "", table.c.raw != "{}")
            old -= set(self.connection.scalars(sa.select(table.c.key).where(this, can_be_saved)))
        for key in old:
            self._release(key)

    def _break_if_rejected(self, *, final: bool) -> None:
        report = self.report
        if not self._breaks or (not final and report.read < BREAKER_FROM):
            return
        # Some sources give what bears no date at every incremental read: what is known to be bad says nothing new.
        known = 0 if self._full else report.rejected - report.newly_rejected
        rejected = report.rejected - known
        if rejected > BREAKER_ROWS and rejected > BREAKER_SHARE * (report.read - known):
            (reason, field), count = self._reasons.most_common(1)[0]
            where = f" in {field}" if field else ""
            raise BreakerOpen(
                f"Connector {self.instance.name}: {report.rejected} of {report.read} {self.spec.name} were rejected, "
                f"{count} of them for {reason}{where}, so reading stopped. Run fingerpost map check "
                f"{self.instance.name} and correct the mapping {self.mapping.name} or the export."
            )

    # -- deletion ------------------------------------------------------------------------------------------------

    def _hear_deleted(self, key: str) -> None:
        """Take the source's word that a record is gone, unless it said something else of it before: see `_flush`."""
        row = self._look_up([key]).get(key)
        told = key in self._quarantine_seen or (row is not None and row[2] is None and row[0] in self._seen)
        if told and not self._tells_changes:
            self._refuse_key(key)
        else:
            self._delete(key)

    def _delete(self, key: str) -> None:
        """Remove, softly, what is no more."""
        self._take_back(key)
        row = self._look_up([key]).get(key)
        if row is not None and row[2] is None:
            self._remove([row[0]])

    def _sweep(self) -> bool:
        """After a whole read, remove what it lacked; say no, and hold it, when that is more than is believable."""
        table = self.table
        live = sa.select(table.c.id, table.c.part).where(
            table.c.connector == self.connector, table.c.deleted_run.is_(None)
        )
        total = 0
        gone: list[int] = []
        for number, part in self.connection.execute(live.execution_options(yield_per=10_000)):
            if self._parts and part not in self._parts:
                continue
            total += number < self._first_new
            if number not in self._seen:
                gone.append(number)
        empty = not self._parts and not self.report.rejected
        # What is held stays held: new rows must not make the share of what is gone small enough.
        many = len(gone) > SWEEP_ROWS and (self._is_held() or len(gone) > SWEEP_SHARE * total)
        # Answers go all at once when a year ends and its items are closed; without them a tutor hears more, not less.
        if gone and (empty or many) and self.spec.name != "responses":
            self._hold(gone, total)
            return False
        self._clear_hold()
        self._remove(gone)
        return True

    def _hold(self, gone: list[int], total: int) -> None:
        hold = schema.sweep_hold
        self._clear_hold()
        executemany(
            self.connection,
            self.dialect.insert_ignore(hold),
            [(self.connector, self.spec.name, number) for number in gone],
        )
        why = "came empty" if not self._parts else f"no longer holds {len(gone)} of {total} {self.spec.name}"
        self.report.message = (
            f"Connector {self.instance.name} {why}, so nothing was removed. If that is right, run "
            f"fingerpost sweep --confirm; if not, correct the export and sync again."
        )
        self.run.log.warning(
            "sweep_held", connector=self.instance.name, stream=self.spec.name, rows=len(gone), of=total
        )

    def _is_held(self) -> bool:
        hold = schema.sweep_hold
        this = sa.and_(hold.c.connector == self.connector, hold.c.stream == self.spec.name)
        return self.connection.scalar(sa.select(hold.c.row_id).where(this).limit(1)) is not None

    def _clear_hold(self) -> None:
        hold = schema.sweep_hold
        self.connection.execute(
            sa.delete(hold).where(hold.c.connector == self.connector, hold.c.stream == self.spec.name)
        )

    def _remove(self, numbers: list[int]) -> None:
        self.report.deleted += len(numbers)
        self._touched.add(
            remove_rows(
                self.connection, self.table, numbers, run=self.run.id, connector=self.connector, stream=self.spec.name
            )
        )

    # -- warnings ------------------------------------------------------------------------------------------------

    def _pass_over(self, field: str, code: str) -> None:
        """List a code that makes rows no records, so that IT sees what is being left out; each code once."""
        if len(self._passed_over) < PASSED_OVER and (field, code) not in self._passed_over:
            self._passed_over.add((field, code))
            self._warn("code_passed_over", "", field, code[:60])

    def _warn(self, code: str, key: str, field: str, where: str) -> None:
        """Take a warning of the connector, or about a key."""
        self._check_code(code)
        if not key or where or code in PASS_CODES:
            self._pass_warnings.add((key, field, code, where))
        self._warnings.append((key, field, code, where))
        self.run.log.debug(
            "data_warning", connector=self.instance.name, stream=self.spec.name, code=code, field=field, where=where
        )

    def _check_code(self, code: str) -> None:
        """Refuse a sentence where a code belongs: it goes into logs and lists, and may quote what a record says."""
        if _CODE.fullmatch(code) is None:
            raise ContractError(
                f"Connector {self.instance.name} gives a sentence where {self.spec.name} need a short code such as "
                "ragged_row. Report it to its vendor."
            )

    def _write_warnings(self) -> None:
        table = schema.warning
        if self._rewarned:
            keys, self._rewarned = self._rewarned, []
            self.connection.execute(
                sa.delete(table).where(
                    table.c.connector == self.connector,
                    table.c.stream == self.spec.name,
                    table.c.key.in_(keys),
                    table.c.code.not_in(PASS_CODES),
                )
            )
        if self._warnings:
            rows, self._warnings = self._warnings, []
            self.connection.execute(
                self.dialect.insert(table).on_conflict_do_nothing(),
                [
                    {"connector": self.connector, "stream": self.spec.name, "key": key, "field": name, "code": code,
                     "where": where, "first_run": self.run.id}
                    for key, name, code, where in rows
                ],
            )  # fmt: skip

    def _forget_old_warnings(self) -> None:
        """After a whole read: drop what was said of the source, of a place in it or of a doubled key, and is past."""
        self._write_warnings()
        table = schema.warning
        stale = [
            row.id
            for row in self.connection.execute(
                sa.select(table.c.id, table.c.key, table.c.field, table.c.code, table.c.where).where(
                    table.c.connector == self.connector,
                    table.c.stream == self.spec.name,
                    sa.or_(table.c.key == "", table.c.where != "", table.c.code.in_(PASS_CODES)),
                )
            )
            if (row.key, row.field, row.code, row.where) not in self._pass_warnings
        ]
        if stale:
            self.connection.execute(sa.delete(table).where(table.c.id.in_(stale)))

    def _count_warnings(self) -> None:
        self._write_warnings()
        table = schema.warning
        self.report.warnings = int(
            self.connection.scalar(
                sa.select(sa.func.count()).where(table.c.connector == self.connector, table.c.stream == self.spec.name)
            )
            or 0
        )

    # -- marks and state -----------------------------------------------------------------------------------------

    def _write_marks(self) -> None:
        """Mark who must be judged again, in the transaction of the rows that are the reason."""
        mark_dirty(self.connection, self.dialect, self._touched, self._marks)

    def _cursor_to_read_from(self) -> Cursor | None:
        """Return where to begin: the stored cursor less the look-back, or None when a whole read is due.

        It is due, too, where the stored cursor can be read no longer.
        """
        known = self._known
        if known is None or known.cursor is None or known.full_at is None or self.spec.cursor is None:
            return None
        config = cast("Any", self.instance.config)
        full_at = datetime.fromisoformat(known.full_at)
        if self.run.now - full_at >= timedelta(days=config.full_every):
            return None
        cursor: Cursor = json.loads(known.cursor)
        lookback = self.spec.lookback_days if config.lookback is None else config.lookback
        with contextlib.suppress(ValueError, OverflowError):
            return look_back(cursor, lookback, self.spec)
        return None

    def _move_cursor(self, cursor: Cursor | None) -> None:
        """Take a checkpoint's cursor: it never moves back, and never past the start of the run.

        One that says when nothing was yet is none.
        """
        if cursor is None:
            return
        if self.spec.cursor is None:
            raise ContractError(
                f"Connector {self.instance.name} gives {self.spec.name} a cursor, but declares that it has none."
            )
        cursor = cap(cursor, self.run.now, self.spec, self.context.timezone)
        if cursor is None:
            self._warn("bad_cursor", "", "", "")
        elif self._cursor is None or cast("Any", cursor) > self._cursor:
            self._cursor = cursor

    def _save_state(self, *, complete: bool, held: bool = False) -> None:
        known = self._known
        same = known is not None and known.fingerprint == self.fingerprint
        old: Cursor | None = json.loads(known.cursor) if known is not None and same and known.cursor else None
        cursor = self._cursor if old is None or (self._cursor is not None and cast("Any", self._cursor) > old) else old
        digests = self.context.digests if complete and not held else None
        now = self.run.now_text
        data_at = None if self.context.data_at is None else utc_text(self.context.data_at.astimezone(UTC))
        full_at = now if complete and self._full else (known.full_at if known is not None and same else None)
        row = (
            self.connector,
            self.spec.name,
            self.fingerprint,
            None if cursor is None else json.dumps(cursor),
            None if digests is None else json.dumps(digests),
            now if complete else (known.complete_at if known is not None else None),
            None if held else full_at,  # until the rows are back or a person has spoken, every read is a whole one
            data_at if complete else (known.data_at if known is not None else None),
        )
        executemany(self.connection, self.dialect.upsert(schema.stream_state, conflict=["connector", "stream"]), [row])

    def _restore_state(self) -> None:
        """Put the cursor back to where this read began: what was rejected on the way must be read again."""
        state = schema.stream_state
        with self.run.unit.transaction() as connection:
            if self._known is None:
                this = sa.and_(state.c.connector == self.connector, state.c.stream == self.spec.name)
                connection.execute(sa.delete(state).where(this))
            else:
                upsert = self.dialect.upsert(state, conflict=["connector", "stream"])
                executemany(connection, upsert, [tuple(self._known)])


def pseudonym(key: str) -> str:
    """Return what stands for a key that may be no key: the same for the same text, and not the text."""
    return f"#{xxhash.xxh3_64_hexdigest(key.encode('utf-8', 'surrogatepass'))}"


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the cyclic collector out of the loop: it makes no garbage in cycles, and a million live objects."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
