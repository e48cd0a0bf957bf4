"""Find, digest and open files: shared by every connector that reads files, whatever is in them.

Every file goes through `open_texts`: it looks at the first bytes rather than the name, unpacks as it reads and writes
nothing to disk, stops at archives packed to do harm, and says in one sentence why a file cannot be read. Whether a file
may be read is decided there; what its text means, in the connector.
"""

from __future__ import annotations

import glob
import gzip
import io
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import xxhash
from pydantic import Field

from fingerpost._contract.connector import Context, SourceConfig
from fingerpost._contract.messages import StreamName
from fingerpost._words.errors import SourceUnavailable

__all__ = ["FileConfig", "FoundFile", "Readable", "chunks", "digest", "find_files", "open_text", "open_texts"]

_CHUNK_BYTES = 1 << 15
"""How much is read at once: fastest if it fits the processor's cache."""

_MAX_MEMBERS = 1000
_MAX_BYTES = 8 << 30
_MAX_RATIO = 200
"""Real exports shrink to about a thirtieth; one below a two-hundredth was made to do harm."""
_RATIO_FROM_BYTES = 10 << 20

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORKBOOK_PARTS = {"[Content_Types].xml", "content.xml"}  # Microsoft's and the open document format's
_WORKBOOK = (
    'is a spreadsheet workbook, whatever its name; open it in Excel and save it as "CSV UTF-8 (Comma delimited)"'
)


class FileConfig(SourceConfig):
    """The keys of every source of files."""

    mode: Literal["snapshot", "append"] | None = Field(
        default=None,
        description="snapshot: a record that is gone from the files is deleted. append: what was read stays. The "
        "default is append for activities and destinations, else snapshot.",
    )

    def kept(self, stream: StreamName) -> Literal["snapshot", "append"]:
        """Return how the files of a stream are kept: as configured, else by default.

        A termly file that overwrites the last one must not erase last term's evidence, so activities and destinations
        are appended.
        """
        return self.mode or ("append" if stream in {"activities", "destinations"} else "snapshot")


class Readable(Protocol):
    """Anything that can be opened and read more than once: a file, or an answer in memory."""

    @property
    def label(self) -> str:
        """The name to show."""
        ...

    def raw(self) -> IO[bytes]:
        """Open the raw bytes, packed or not."""
        ...


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file that a pattern matched; `label` is the name to show, `size` is in bytes, `modified` in UTC."""

    path: Path
    label: str
    size: int
    modified: datetime

    def raw(self) -> IO[bytes]:
        """Open the raw bytes on disk."""
        return self.path.open("rb")


def find_files(
    pattern: str, context: Context, *, endings: Sequence[str] = (), any_case: bool = False, full_labels: bool = False
) -> list[FoundFile]:
    """Return the files that match `pattern`, the last name first.

    Exports have the year or term in their name, so that the last name is the newest and wins. With `endings`, a folder
    means the files in it that match one of them. With `any_case`, the last part of the pattern ignores case on every
    system: one export may arrive as ``.xml`` and as ``.XML``. A label is the file's name, or the path below the
    configuration if names recur or `full_labels` is set.

    Raises `SourceUnavailable` with pattern and folder if no file matches.
    """
    base = context.base_dir
    with _worded(context, pattern):
        paths = sorted((path for path in _matches(base, pattern, endings, any_case) if path.is_file()), reverse=True)
        times = Counter(path.name for path in paths)
        if paths:
            return [_found(path, None if times[path.name] == 1 and not full_labels else base) for path in paths]
    raise SourceUnavailable(
        f"Connector {context.name}: no file matches {pattern} in the folder {base}; check path, and that the export "
        "has run"
    )


def _matches(base: Path, pattern: str, endings: Sequence[str], any_case: bool) -> Iterable[Path]:
    whole = base / pattern
    if whole.is_file():  # a name such as "log [final].csv" means itself
        return [whole]
    if endings and whole.is_dir():
        return [path for ending in endings for path in whole.glob(ending)]
    if not any_case:
        return _glob(base, pattern)
    folder, last = str(Path(pattern).parent), Path(pattern).name.casefold()
    inside = (path for found in _glob(base, folder) if found.is_dir() for path in found.iterdir())
    return [path for path in inside if fnmatchcase(path.name.casefold(), last)]


def _glob(base: Path, pattern: str) -> list[Path]:
    matches = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207 - pathlib refuses absolute patterns
    return [base / match for match in matches]


def _found(path: Path, base: Path | None) -> FoundFile:
    label = path.name
    if base is not None:
        label = (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()
    stat = path.stat()
    return FoundFile(path, label, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))


def digest(file: Readable, context: Context, seed: bytes = b"") -> str:
    """Return a digest of `seed` and a file's raw bytes, for `Context.unchanged`."""
    state = xxhash.xxh3_128(seed)
    with _worded(context, file.label), file.raw() as raw:
        for chunk in chunks(raw):
            state.update(chunk)
    return state.hexdigest()


def chunks(text: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of a text, in pieces of the fastest size."""
    return iter(partial(text.read, _CHUNK_BYTES), b"")


@contextmanager
def open_text(file: Readable, context: Context, member: str | None = None) -> Iterator[IO[bytes]]:
    """Open a file's only text; otherwise as `open_texts`, but only one member of an archive may match."""
    with closing(open_texts(file, context, member, only=True)) as texts:
        yield next(texts)[1]


def open_texts(
    file: Readable, context: Context, member: str | None = None, *, only: bool = False
) -> Generator[tuple[str, IO[bytes]], None, None]:
    """Yield label and bytes of each text in a file; each stays open until the next is asked for.

    A gzipped file holds one text. Of a zip archive, members that match the pattern `member` are read, the last name
    first; with `only` there must be exactly one, and without `member` it is not opened. Raises `SourceUnavailable`, now
    or while a text is read, for a workbook, a locked or damaged archive, or one that unpacks beyond the caps.
    """
    label = file.label
    with _worded(context, label), file.raw() as raw:
        first = raw.read(len(_OLD_EXCEL))
        size = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        if first.startswith(_OLD_EXCEL):
            raise _refused(context, label, _WORKBOOK)
        if first.startswith(_ZIP) and member is not None:
            with zipfile.ZipFile(raw) as archive:
                yield from _members(archive, label, context, _wanted(archive, label, context, member, only=only))
        elif first.startswith(_GZIP):
            with gzip.open(raw) as unpacked:
                yield label, _guarded(unpacked, label, context, _most(size))
        else:
            yield label, _guarded(raw, label, context)


def _wanted(
    archive: zipfile.ZipFile, label: str, context: Context, member: str, *, only: bool
) -> list[zipfile.ZipInfo]:
    """Return the members to read, the last name first; raise `SourceUnavailable` for none or too many."""
    entries = archive.infolist()
    if _WORKBOOK_PARTS.intersection(archive.namelist()):
        raise _refused(context, label, _WORKBOOK)
    if len(entries) > _MAX_MEMBERS:
        raise _refused(context, label, f"holds {len(entries):,} files; the limit is {_MAX_MEMBERS:,}")
    files = [entry for entry in entries if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")]
    wanted = [entry for entry in files if fnmatchcase(entry.filename.casefold(), member.casefold())]
    if not wanted:
        raise _refused(context, label, f"holds no file that matches {member}; set member to the name of one it holds")
    if only and len(wanted) > 1:
        raise _refused(context, label, f"holds {len(wanted)} files that match {member}; set member to the one to read")
    return sorted(wanted, key=lambda entry: entry.filename, reverse=True)


def _members(
    archive: zipfile.ZipFile, label: str, context: Context, wanted: Iterable[zipfile.ZipInfo]
) -> Iterator[tuple[str, IO[bytes]]]:
    left = _MAX_BYTES
    for entry in wanted:
        name = f"{label}/{entry.filename}"
        if entry.flag_bits & 1:
            raise _refused(context, name, "is protected by a password; have it exported without one")
        with archive.open(entry) as unpacked:
            yield name, _guarded(unpacked, name, context, min(left, _most(entry.compress_size)))
        left -= entry.file_size


def _most(packed: int) -> int:
    """Return how many bytes may come out of `packed` ones."""
    return min(_MAX_BYTES, max(_RATIO_FROM_BYTES, packed * _MAX_RATIO))


def _guarded(text: IO[bytes] | gzip.GzipFile, label: str, context: Context, most: float = math.inf) -> IO[bytes]:
    return io.BufferedReader(_Guarded(text, label, context, most), _CHUNK_BYTES)


class _Guarded(io.RawIOBase):
    """Bytes that are counted, so that reading stops at `most`, with faults in plain words."""

    def __init__(self, text: IO[bytes] | gzip.GzipFile, label: str, context: Context, most: float) -> None:
        self._text = text
        self._label = label
        self._context = context
        self._most = most
        self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _worded(self._context, self._label):
            data = self._text.read(len(buffer))
        self._total += len(data)
        if self._total > self._most:
            what = (
                f"is packed far more tightly than any export, so reading stopped after {self._total >> 20:,} MiB; "
                "unpack it yourself if you trust it"
            )
            raise _refused(self._context, self._label, what)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _worded(context: Context, label: str) -> Iterator[None]:
    """Turn errors of the operating system and of archive formats into a sentence."""
    try:
        yield
    except NotImplementedError as error:
        what = "is packed in a way that is not supported; zip it with the operating system's own command"
        raise _refused(context, label, what, error) from error
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        what = "is a damaged or incomplete archive; copy or export it again"
        raise _refused(context, label, what, error) from error
    except OSError as error:
        what = (
            f"cannot be read ({error.strerror or 'input error'}); check that no other program has it open and that "
            "this account may read it"
        )
        raise _refused(context, label, what) from error


def _refused(context: Context, label: str, what: str, error: Exception | None = None) -> SourceUnavailable:
    detail = None if error is None else repr(error)
    return SourceUnavailable(f"Connector {context.name}: {label} {what}", detail=detail)
