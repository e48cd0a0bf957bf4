"""Read the rows of one delimited text as messages, and lose no row to the faults of another."""

from __future__ import annotations

import codecs
import csv
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from itertools import chain, islice
from operator import itemgetter

import xxhash

from fingerpost import Checkpoint, ConfigError, Context, Deleted, Message, Record, Rejected
from fingerpost_csv._config import CsvConfig

_CHECKPOINT_LINES = 20_000
_LINE_LIMIT = 1 << 20
_ROW_LIMIT = 1 << 20
_DELIMITERS = {"\t": "tab", ";": ";", "|": "|", ",": ","}

_SEPARATOR, _ESCAPE = "|", "\\"
_ESCAPED = _ESCAPE + _SEPARATOR

_UNDECODABLE = "\udcff"  # a lone surrogate: no codec makes one of good bytes
_ON_BAD_BYTES = "fingerpost_csv.mark"


def _mark(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return _UNDECODABLE, error.end
    raise error


codecs.register_error(_ON_BAD_BYTES, _mark)


class _Lines:
    """The physical lines of a text, decoded block by block, with those of an unfinished row kept for a second try.

    Set `finished` to the number of the last line that has been dealt with. `suspect` becomes true as soon as a block
    held something undecodable or a NUL: until then nobody needs to look for any.
    """

    def __init__(self, chunks: Iterator[bytes], encoding: str) -> None:
        self.finished = 0
        self.suspect = False
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder(encoding)(_ON_BAD_BYTES)
        self._kept: list[str] = []
        self._dropped = 0
        self._tail = ""
        self._started = self._ended = False

    def after(self, line: int) -> Iterator[str]:
        """Yield the lines after number `line`: those kept, then those still to come."""
        return chain(self._kept[line - self._dropped :], chain.from_iterable(iter(self._block, [])))

    def until(self, line: int) -> list[str]:
        """Return the lines after the finished ones up to number `line`, which have been read."""
        return self._kept[self.finished - self._dropped : line - self._dropped]

    def _block(self) -> list[str]:
        """Return the next lines, none at the end. Raises `csv.Error` where a row goes on beyond all reason."""
        del self._kept[: self.finished - self._dropped]
        self._dropped = self.finished
        if sum(map(len, self._kept)) > _ROW_LIMIT:
            raise csv.Error("row larger than limit")
        while not self._ended:
            chunk = next(self._chunks, b"")
            self._ended = not chunk
            text = self._tail + self._decoder.decode(chunk, final=self._ended)
            if not self._started and text:
                self._started = True
                text = text.removeprefix("\ufeff")
            whole = self._ended or len(text) > _LINE_LIMIT
            # A carriage return at the very end may be half of a line end.
            cut = len(text) if whole else text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
            self._tail = text[cut:]
            if cut:
                text = text[:cut]
                self.suspect = self.suspect or _UNDECODABLE in text or "\0" in text
                # str.splitlines would also split at characters that do not end a line in a CSV file.
                lines = StringIO(text, newline="").readlines()
                self._kept += lines
                return lines
        return []


def read_rows(chunks: Iterator[bytes], label: str, options: CsvConfig, context: Context) -> Iterator[Message]:
    """Yield the rows of one text as records, and as `Rejected` those that cannot be read.

    The reader is strict, because a lenient one repairs a stray quote by swallowing the rows that follow it. What a
    stray quote swallowed is read again from the line after it. Raises `ConfigError` for a header that cannot be used.
    """
    lines = _Lines(chunks, options.encoding)
    header = _read_header(lines, label, options, context)
    if not header:
        return
    table = _Table(header, label, options, context)
    # The inner loop runs a million times: what it needs is local, and what is rare is elsewhere.
    width, names, pick, key_of = table.width, table.names, table.pick, table.key_of
    new, record = tuple.__new__, Record  # calling a named tuple costs three times as much
    base = lines.finished
    due = base + _CHECKPOINT_LINES
    while True:
        reader = csv.reader(lines.after(base), delimiter=options.delimiter, strict=True)
        try:
            for row in reader:
                last = base + reader.line_num
                key = key_of(row) if len(row) == width else ""
                if key and row != header and not (lines.suspect and _unreadable(row)):
                    if last - lines.finished > 1 and table.swallows(lines.until(last)):
                        context.warn("quote_spans_rows", key=key, where=table.where(lines.finished + 1))
                    if _ESCAPED in key and (former := table.former_key(row, key)):
                        yield Deleted(former, mistake=True)
                    yield new(record, (key, dict(zip(names, pick(row))), ""))  # noqa: B905 - an argument costs, too
                elif not table.is_noise(row):
                    if len(row) != width and table.swallows(lines.until(last)):
                        raise csv.Error("rows in a quoted field")
                    yield table.rejected(row, lines.finished + 1)
                lines.finished = last
                if last >= due:
                    yield Checkpoint()
                    due = last + _CHECKPOINT_LINES
            return
        except csv.Error:
            line = lines.until(lines.finished + 1)[0]
            yield table.refused(line, lines.finished + 1, spans_lines=base + reader.line_num > lines.finished + 1)
            base = lines.finished = lines.finished + 1


def _read_header(lines: _Lines, label: str, options: CsvConfig, context: Context) -> list[str]:
    """Read the header, or take the configured one; empty where the text holds nothing but blank lines."""
    deque(islice(lines.after(0), options.skip_lines), maxlen=0)
    lines.finished = options.skip_lines
    if options.header:
        return list(options.header)
    reader = csv.reader(lines.after(lines.finished), delimiter=options.delimiter, strict=True)
    try:
        for row in reader:
            lines.finished = options.skip_lines + reader.line_num
            for_excel = reader.line_num == 1 and [cell.strip().casefold() for cell in row] == ["sep=", ""]
            if not for_excel and not _is_blank(row):
                return row
    except csv.Error as error:
        raise ConfigError(
            f"Connector {context.name}: the header row of {label} cannot be read; set skip_lines if something "
            "stands above it, and check delimiter and encoding",
            detail=str(error),
        ) from error
    return []


class _Table:
    """What the header of a text means for its rows."""

    def __init__(self, header: list[str], label: str, options: CsvConfig, context: Context) -> None:
        columns = [name.strip() for name in header]
        self.width = len(columns)
        self._header = header
        self._label = label
        self._delimiter = options.delimiter
        _refuse_unusable(columns, label, options, context)
        context.header([name for name in columns if name], where=label)
        self._key = tuple(columns.index(name) for name in context.key)
        self._read = [position for position, name in enumerate(columns) if name in context.columns]
        self.names = [columns[position] for position in self._read]
        self.pick = _picker(self._read)
        self.key_of = _key_function(self._key, columns)

    def where(self, line: int) -> str:
        """Return the place that a person can find in an editor."""
        return f"{self._label} line {line}"

    def former_key(self, row: list[str], key: str) -> str:
        """Return how a row's key was spelt before parts were escaped, or nothing if it was the same or is another's.

        A store that holds the row under its former key would keep it twice. A former key that was mended has at least
        as many separators as parts. Such a key now has one that is not escaped between each two parts; a former key
        with more or fewer of those is the key of no row.
        """
        former = _SEPARATOR.join(row[position].strip() for position in self._key)
        separators = former.replace(_ESCAPE * 2, "").replace(_ESCAPED, "").count(_SEPARATOR)
        return former if len(self._key) > 1 and former != key and separators != len(self._key) - 1 else ""

    def is_noise(self, row: list[str]) -> bool:
        """Say whether a row is blank or the header once more."""
        return row == self._header or _is_blank(row)

    def swallows(self, lines: Sequence[str]) -> bool:
        """Say whether the lines of one row look like several rows, as they do after a stray quote."""
        return self.width > 2 and sum(line.count(self._delimiter) == self.width - 1 for line in lines) > 1

    def refused(self, line: str, number: int, *, spans_lines: bool) -> Rejected:
        """Return as `Rejected` a line at which the strict reader stopped, with the cells that can be made out."""
        reason = "unclosed_quote" if spans_lines else "bad_quote"
        try:
            row = next(csv.reader([line], delimiter=self._delimiter), [])
        except csv.Error:
            row, reason = [], "field_too_long"
        return self.rejected(row, number, reason)

    def rejected(self, row: list[str], number: int, reason: str = "") -> Rejected:
        """Return a row as `Rejected`, under its own key where it shows one, so that no sweep takes it for gone."""
        reason = _unreadable(row) or reason or ("ragged_row" if len(row) != self.width else "missing_key")
        row = [cell.replace(_UNDECODABLE, "\ufffd").replace("\0", "\ufffd") for cell in row]
        key = self.key_of(row) if self._key and len(row) > max(self._key) else ""
        raw = {
            name: row[position] for name, position in zip(self.names, self._read, strict=True) if position < len(row)
        }
        return Rejected(key or _hash(row or [self.where(number)]), reason, self.where(number), raw)


def _refuse_unusable(columns: list[str], label: str, options: CsvConfig, context: Context) -> None:
    """Raise `ConfigError` for a header that was not decoded or split, names no known column, or names one twice."""
    if _unreadable(columns):
        raise ConfigError(
            f'Connector {context.name}: {label} is not written in the encoding "{options.encoding}"; run '
            "fingerpost check, which suggests one"
        )
    if not context.columns.union(context.key).intersection(columns):
        for delimiter, name in _DELIMITERS.items():
            if len(columns) == 1 and delimiter in columns[0]:
                raise ConfigError(
                    f'Connector {context.name}: {label} is not separated by "{_DELIMITERS[options.delimiter]}"; '
                    f'set delimiter = "{name}"'
                )
        # It may be a learner's row, so it is not shown.
        raise ConfigError(
            f"Connector {context.name}: the first row of {label} names no column that the mapping reads; set header "
            "to the names of the columns if the file has no header row, and skip_lines if something stands above it"
        )
    twice = [name for name, times in Counter(columns).items() if name and times > 1]
    if twice:
        raise ConfigError(
            f"Connector {context.name}: {label} has more than one column named {', '.join(twice)}; rename all but "
            "one where the file is made, or name the columns yourself with header and skip_lines"
        )


def _key_function(key: tuple[int, ...], columns: list[str]) -> Callable[[list[str]], str]:
    """Return the function that makes a row's key; it returns an empty key for a row that has none."""
    if len(key) == 1:
        only = key[0]
        return lambda row: row[only].strip()
    if key:
        return lambda row: _joined(parts) if any(parts := [row[position].strip() for position in key]) else ""
    # By name, so that a file whose columns were moved about still has the same keys.
    in_order = _picker(sorted(range(len(columns)), key=columns.__getitem__))
    return lambda row: "" if _is_blank(row) else _hash(in_order(row))


def _joined(parts: list[str]) -> str:
    """Return parts as one key, such that other parts make another key.

    Parts that hold no separator are joined as they stand. The others are escaped; the number of separators tells the
    two kinds of key apart.
    """
    key = _SEPARATOR.join(parts)
    if key.count(_SEPARATOR) < len(parts):
        return key
    return _SEPARATOR.join(part.replace(_ESCAPE, _ESCAPE * 2).replace(_SEPARATOR, _ESCAPED) for part in parts)


def _picker(positions: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: [row[position] for position in positions]


def _hash(values: Sequence[str]) -> str:
    return xxhash.xxh3_128_hexdigest("\x1f".join(values).encode("utf-8", "surrogatepass"))


def _is_blank(row: list[str]) -> bool:
    return not "".join(row).strip()


def _unreadable(row: list[str]) -> str:
    text = "".join(row)
    if _UNDECODABLE in text:
        return "bad_encoding"
    return "nul_character" if "\0" in text else ""
