"""Read lines as messages, and lose no line to the faults of another."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import IO, Any, NoReturn

import xxhash

from fingerpost import STREAMS, Checkpoint, Context, Deleted, Message, Record, Rejected, SourceUnavailable, StreamName
from fingerpost.files import Readable, open_text
from fingerpost_jsonl._config import JsonlConfig

_LINE_LIMIT = 1 << 20
_CHECKPOINT_LINES = 20_000
_BOM = b"\xef\xbb\xbf"
_DELETED = b'"deleted"'
_KEYS = frozenset({"stream", "key", "record", "deleted", "mistake", "cursor", "checkpoint"})
_KEY_IN_TEXT = re.compile(rb'"(?:key|deleted)"\s*:\s*"([^"\\]{1,200})"')
_EARLIEST_YEAR = 1900
_FORGIVING = json.JSONDecoder(parse_int=str, strict=False)
_BLANK = b" \t\r\n\0"  # what is left at the end of a file in UTF-16, which has faults enough, is not half a line
_STREAM_IN_TEXT = re.compile(rb'"stream"\s*:\s*"([a-z]+)"')


class _BadLine(Exception):  # noqa: N818 - it never leaves this module
    """Say why a line cannot be read, and what it seems to be about."""

    def __init__(self, reason: str, stream: str = "", key: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.stream = stream
        self.key = key


class LineReader:
    """Read the lines of one stream, from one input after the other, the newest first.

    A line that cannot be read, and names no stream that is read, is reported once: with the first of the streams.
    """

    def __init__(self, options: JsonlConfig, stream: StreamName, context: Context) -> None:
        self._streams = options.streams
        self._stream = stream
        self._context = context
        self._is_first = stream == options.streams[0]
        self._cursor = options.cursor if options.since is not None else None
        # Most lines of other streams need not be taken apart to see that they are not ours.
        self._name = b'"' + stream.encode() + b'"'
        self._alone = len(options.streams) == 1
        self._columns = sorted(context.columns)
        self._known = context.columns
        self._gone: set[str] = set()
        self._warned: set[tuple[str, str]] = set()

    def read(self, one: Readable) -> Iterator[Message]:
        """Yield the messages of one input, which is read twice; only what is deleted is kept in memory.

        A deletion is about the lines before it, and a line after it brings the record back. What a newer input has
        deleted, an older one does not bring back. Raises `SourceUnavailable`, before any message, where the input was
        cut off: what it lacks must not look as if it were gone.
        """
        with open_text(one, self._context) as lines:
            gone = self._deletions(lines, one.label)
        with open_text(one, self._context) as lines:
            for message in self._messages(lines, one.label, gone):
                if isinstance(message, Checkpoint) or message.key not in self._gone:
                    yield message
        yield from (message for key, (_, message) in gone.items() if key not in self._gone)
        self._gone |= gone.keys()

    def _deletions(self, lines: IO[bytes], label: str) -> dict[str, tuple[int, Deleted]]:
        """Return the keys that an input deletes, with the last line that does, and its message."""
        gone: dict[str, tuple[int, Deleted]] = {}
        line = b""
        for number, line in enumerate(_lines(lines), start=1):
            if _DELETED in line and (self._alone or self._name in line):
                with suppress(_BadLine):
                    message = self._message(line, label)
                    if isinstance(message, Deleted):
                        gone[message.key] = number, message
        if _is_cut(line):
            raise SourceUnavailable(
                f"Connector {self._context.name}: {label} ends in the middle of a line; copy or export it again"
            )
        return gone

    def _messages(self, lines: IO[bytes], label: str, gone: dict[str, tuple[int, Deleted]]) -> Iterator[Message]:
        """Yield what no later line deletes, and take out of `gone` what a later line brings back."""
        for number, line in enumerate(_lines(lines), start=1):
            if not line or line.isspace():
                continue
            if not (self._alone or self._is_first or self._name in line):
                continue
            message: Message | None
            try:
                message = self._message(line, label)
            except _BadLine as bad:
                message = self._rejected(bad, line, f"{label} line {number}")
            if isinstance(message, Record | Rejected) and message.key in gone:
                if number < gone[message.key][0]:
                    message = None
                else:
                    del gone[message.key]
            if message is not None and not (isinstance(message, Deleted) and message.key in gone):
                yield message
            if number % _CHECKPOINT_LINES == 0:
                yield Checkpoint()

    def _rejected(self, bad: _BadLine, line: bytes, where: str) -> Rejected | None:
        """Return a bad line for quarantine; one without a key is recognised by its content."""
        if bad.stream != self._stream and not (self._is_first and bad.stream not in self._streams):
            return None
        return Rejected(bad.key, bad.reason, where, {} if bad.key else {"line": xxhash.xxh3_64_hexdigest(line.strip())})

    def _message(self, line: bytes, label: str) -> Message | None:
        """Return what one line says; None where it is about another stream."""
        said = _parsed(line)
        stream = said.get("stream", self._stream if self._alone else None)
        if stream != self._stream:
            self._refuse_unknown(stream, label)
            return None
        for name in said.keys() - _KEYS:
            self._warn("unread_column", name, label)
        if "cursor" in said or "checkpoint" in said:
            return self._checkpoint(said)
        key = _whole(said.get("deleted", said.get("key")))
        if isinstance(key, bool) or not isinstance(key, str | int) or not str(key).strip():
            raise _BadLine("missing_key", stream)
        key = str(key).strip()
        if not key.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in key):
            raise _BadLine("bad_key", stream)
        if "deleted" in said:
            return Deleted(key, said.get("mistake") is True)
        record = said.get("record")
        if not isinstance(record, dict):
            raise _BadLine("bad_line", stream, key)
        for name in record.keys() - self._known:
            self._warn("unread_column", name, label)
        # All columns of all records, so that the mapping need not look at each record's shape.
        return Record(key, {name: record.get(name) for name in self._columns})

    def _checkpoint(self, said: dict[str, Any]) -> Checkpoint:
        cursor = _whole(said.get("cursor"))
        if self._cursor is None or cursor is None:
            return Checkpoint()
        if not _is_cursor(cursor, self._cursor):
            raise _BadLine("bad_cursor", self._stream)
        return Checkpoint(cursor)

    def _refuse_unknown(self, stream: object, label: str) -> None:
        """Refuse a line of a stream that does not exist; warn of one that is not read."""
        if stream in self._streams:
            return
        if stream not in STREAMS:
            raise _BadLine("unknown_stream" if isinstance(stream, str) else "missing_stream")
        if self._is_first:
            self._warn("unread_stream", str(stream), label)

    def _warn(self, code: str, name: str, label: str) -> None:
        if (name, label) not in self._warned:
            self._warned.add((name, label))
            self._context.warn(code, field=name if name.isprintable() else ascii(name), where=label)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines without a byte order mark; of a line that is far too long only the beginning, and its end."""
    first = True
    while line := stream.readline(_LINE_LIMIT + 1):
        rest = line
        while len(rest) > _LINE_LIMIT and not rest.endswith(b"\n"):
            rest = stream.readline(_LINE_LIMIT + 1)
        if rest is not line and rest.endswith(b"\n"):
            line += b"\n"
        if first:
            line, first = line.removeprefix(_BOM), False
        yield line


def _is_cut(line: bytes) -> bool:
    """Say whether the last line of an input is only the beginning of one."""
    if line.endswith(b"\n") or not line.strip(_BLANK):
        return False
    try:
        _FORGIVING.decode(line.decode("utf-8", "replace").strip())
    except (ValueError, RecursionError):
        return True
    return False


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the object in a line. A line that is damaged may still show its key: a sweep must not take it for gone."""
    reason = "bad_json"
    try:
        if len(line) > _LINE_LIMIT:
            reason = "line_too_long"
        else:
            said = json.loads(line.decode("utf-8"), parse_constant=_refuse)
            if isinstance(said, dict):
                return said
            reason = "bad_line"
    except UnicodeDecodeError:
        reason = "bad_encoding"
    except (ValueError, RecursionError):
        pass
    stream, key = _STREAM_IN_TEXT.search(line), _KEY_IN_TEXT.search(line)
    raise _BadLine(
        reason, stream[1].decode() if stream else "", key[1].decode("utf-8", "replace") if key else ""
    ) from None


def _is_cursor(value: object, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    try:
        day: date = (datetime if kind == "instant" else date).fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return day.year >= _EARLIEST_YEAR


def _whole(value: Any) -> Any:
    """Return a number such as 17.0 as the whole number that it is in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
