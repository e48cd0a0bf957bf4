"""Find files by pattern and open them, plain, gzipped or in a zip archive, as chunks of bytes."""

from __future__ import annotations

import glob
import gzip
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING

import xxhash

from fingerpost import Context, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase
    from pathlib import Path

__all__ = ["CHUNK_BYTES", "FoundFile", "digest", "find_files", "open_texts"]

CHUNK_BYTES = 1 << 15
"""How much is read at once, in bytes: what fits a processor's cache is read fastest."""

_MAX_MEMBERS = 1000
_MAX_BYTES = 4 << 30
_MAX_RATIO = 200
_RATIO_FROM_BYTES = 10 << 20

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORKBOOK_PARTS = {"[Content_Types].xml", "content.xml"}  # Microsoft's and the open document format's


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file that the pattern matched; `label` is what people are shown, `size` is in bytes, `modified` in UTC."""

    path: Path
    label: str
    size: int
    modified: datetime


def find_files(pattern: str, context: Context) -> list[FoundFile]:
    """Return the files that match `pattern`, the last name first.

    Exports carry the year or the term in their name, so that the last name is the newest and its word wins. Raises
    `SourceUnavailable` if there is none, naming pattern and folder.
    """
    base = context.base_dir
    with _told(context, pattern):
        matches = [pattern]
        if not (base / pattern).is_file():  # a name such as "log [final].csv" means itself
            matches = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207 - pathlib refuses absolute ones
        paths = sorted((path for path in (base / match for match in matches) if path.is_file()), reverse=True)
        if paths:
            return [_found(path, paths, base) for path in paths]
    raise SourceUnavailable(
        f"Connector {context.name}: no file matches {pattern} in the folder {base}; check path, and that the "
        "export has run"
    )


def _found(path: Path, paths: list[Path], base: Path) -> FoundFile:
    label = path.name
    if sum(other.name == label for other in paths) > 1:
        label = (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()
    stat = path.stat()
    return FoundFile(path, label, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))


def digest(file: FoundFile, seed: bytes, context: Context) -> str:
    """Return a digest of `seed` and of the bytes of the file."""
    state = xxhash.xxh3_128(seed)
    with _told(context, file.label), file.path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()


def open_texts(file: FoundFile, member: str, context: Context) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each text that the file holds: what to call it, and its bytes in chunks.

    What kind of file it is, its first bytes say and not its name. Nothing is extracted to disk. Raises
    `SourceUnavailable` for a workbook, for an encrypted or damaged archive, and for one that grows beyond the caps.
    """
    with _told(context, file.label), file.path.open("rb") as stream:
        magic = stream.read(8)
        stream.seek(0)
        if magic.startswith(_OLD_EXCEL):
            raise _workbook(context, file.label)
        if magic.startswith(_ZIP):
            yield from _members(stream, file.label, member, context)
        elif magic.startswith(_GZIP):
            with gzip.open(stream) as text:
                yield file.label, _chunks(text, file.label, file.size, _MAX_BYTES, context)
        else:
            yield file.label, _chunks(stream, file.label, None, 0, context)


def _members(stream: IO[bytes], label: str, member: str, context: Context) -> Iterator[tuple[str, Iterator[bytes]]]:
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        if _WORKBOOK_PARTS.intersection(archive.namelist()):
            raise _workbook(context, label)
        if len(entries) > _MAX_MEMBERS:
            raise SourceUnavailable(
                f"Connector {context.name}: {label} holds {len(entries):,} files, and at most {_MAX_MEMBERS:,} "
                "are looked at"
            )
        wanted = [entry for entry in entries if _is_wanted(entry.filename, member)]
        if not wanted:
            raise SourceUnavailable(
                f"Connector {context.name}: {label} holds no file that matches {member}; set member to the "
                "name of one it holds"
            )
        left = _MAX_BYTES
        for entry in sorted(wanted, key=lambda entry: entry.filename, reverse=True):
            name = f"{label}/{entry.filename}"
            if entry.flag_bits & 1:
                raise SourceUnavailable(
                    f"Connector {context.name}: {name} is protected by a password; have it exported without one"
                )
            with archive.open(entry) as text:
                yield name, _chunks(text, name, entry.compress_size, left, context)
            left -= entry.file_size


def _is_wanted(name: str, member: str) -> bool:
    if name.endswith("/") or name.startswith("__MACOSX/"):
        return False
    return fnmatchcase(name.casefold(), member.casefold())


def _chunks(
    stream: IO[bytes] | BufferedIOBase, label: str, packed: int | None, limit: int, context: Context
) -> Iterator[bytes]:
    """Yield the bytes in chunks; `packed` is how many the archive holds them in, None where there is no archive."""
    total = 0
    with _told(context, label):
        while chunk := stream.read(CHUNK_BYTES):
            total += len(chunk)
            if packed is not None and (total > limit or (total > _RATIO_FROM_BYTES and total > packed * _MAX_RATIO)):
                raise SourceUnavailable(
                    f"Connector {context.name}: {label} was given up after {total >> 20:,} MiB, because it is "
                    "packed far more tightly than an export is; unpack it yourself if you trust it"
                )
            yield chunk


@contextmanager
def _told(context: Context, label: str) -> Iterator[None]:
    """Turn what the operating system and the archive formats raise into a sentence."""
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise SourceUnavailable(
            f"Connector {context.name}: {label} is a damaged or incomplete archive; copy or export it again",
            detail=repr(error),
        ) from error
    except OSError as error:
        raise SourceUnavailable(
            f"Connector {context.name}: {label} cannot be read ({error.strerror or 'input error'}); see that no "
            "other program holds it open and that this account may read it"
        ) from error


def _workbook(context: Context, label: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"Connector {context.name}: {label} is a spreadsheet workbook, whatever its name says; open it in Excel and "
        'save it as "CSV UTF-8 (Comma delimited)"'
    )
