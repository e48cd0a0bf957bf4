"""The file that takes remembered answers from one college to another: gzipped JSON lines, the first a header.

It comes from outside, so it is read with care: a file that is compressed too much, a line that is not an
answer, and a time in the future are refused.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias

from fingerpost._words.errors import ConfigError

_FORMAT: Final = "fingerpost-labour-market"
_VERSION: Final = 1
_MAX_BYTES: Final = 512 * 1024 * 1024
_MAX_LINE: Final = 32 * 1024 * 1024
_MAX_RATIO: Final = 200
_RATIO_FROM_BYTES: Final = 16 * 1024 * 1024

_Columns: TypeAlias = tuple[str, str, str, str, str]
"""Service, key, kind, value as JSON, and instant of one answer."""


def instant_text(moment: datetime) -> str:
    """Write an instant so that sorting the texts sorts by time."""
    return moment.isoformat(timespec="microseconds")


def write_export(path: Path, exported: datetime, answers: Iterable[dict[str, Any]]) -> int:
    """Write answers to a file, all or nothing; return how many there were.

    Raises `ConfigError` if it cannot be written.
    """
    count = -1  # the header is not an answer
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
            made = Path(folder) / "export"
            with made.open("wb") as packed, gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as lines:
                header = {"format": _FORMAT, "version": _VERSION, "exported": instant_text(exported)}
                for line in chain([header], answers):
                    lines.write(json.dumps(line).encode("ascii") + b"\n")
                    count += 1
            made.replace(path)
    except OSError as error:
        raise ConfigError(f"The export {path} cannot be written: {error.strerror}.") from error
    return count


@contextmanager
def read_export(path: Path, *, not_after: datetime) -> Iterator[Iterator[_Columns]]:
    """Provide the answers in an export, one at a time; any dated later than `not_after` is refused.

    Raises `ConfigError` if the file cannot be read, is not an export, comes from a newer release, is compressed far
    more than an export would be, or has a faulty line.
    """
    try:
        size, packed = path.stat().st_size, path.open("rb")
    except OSError as error:
        raise ConfigError(f"The export {path} cannot be read: {error.strerror}.") from error
    with packed, gzip.GzipFile(fileobj=packed) as unpacked:
        lines = _lines(unpacked, path, size)
        _check_header(path, next(lines, b""))
        yield (_entry(path, number, line, not_after) for number, line in enumerate(lines, start=2))


def _lines(unpacked: gzip.GzipFile, path: Path, packed: int) -> Iterator[bytes]:
    """Yield the lines of an export, and stop if it is compressed far more than an export would be."""
    total = 0
    most = min(_MAX_BYTES, max(_RATIO_FROM_BYTES, packed * _MAX_RATIO))
    while True:
        try:
            line = unpacked.readline(_MAX_LINE + 1)
        except (OSError, zlib.error, EOFError) as error:
            raise ConfigError(f"{path} is damaged, or is not an export of labour market information.") from error
        if not line:
            return
        total += len(line)
        if total > most or len(line) > _MAX_LINE:
            raise ConfigError(
                f"Stopped reading {path} after {total >> 20} MiB: it is larger, or compressed far more, than an "
                "export of labour market information would be."
            )
        yield line


def _check_header(path: Path, line: bytes) -> None:
    try:
        header = json.loads(line)
        name, version = header["format"], header["version"]
    except (ValueError, TypeError, LookupError, RecursionError):
        name, version = None, None
    if name != _FORMAT or type(version) is not int or version < 1:
        raise ConfigError(f"{path} line 1: this is not an export of labour market information.")
    if version > _VERSION:
        raise ConfigError(f"{path} was exported by a newer release of Fingerpost. Install that release to import it.")


def _entry(path: Path, number: int, line: bytes, latest: datetime) -> _Columns:
    """Return the columns of one line, or say which line is faulty."""
    try:
        found = json.loads(line)
        texts = service, key, kind = found["service"], found["key"], found["kind"]
        if not all(type(text) is str and text and text.encode() for text in texts):
            raise ValueError
        retrieved = datetime.fromisoformat(found["retrieved"])
        if retrieved.tzinfo is None or retrieved.astimezone(UTC) > latest:
            raise ValueError
        return service, key, kind, json.dumps(found["value"]), instant_text(retrieved.astimezone(UTC))
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        raise ConfigError(
            f"{path} line {number} is not an answer with a service, a key, a kind and a time in the past. Nothing was "
            "imported; ask for a new export."
        ) from None
