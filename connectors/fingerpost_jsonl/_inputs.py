"""Find and open what holds the lines: files, plain or gzipped, or the answer of a web address."""

from __future__ import annotations

import glob
import gzip
import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

import xxhash

from fingerpost import Context, Cursor, SourceUnavailable, StreamName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fingerpost_jsonl._config import JsonlConfig

__all__ = ["Download", "InputFile", "download", "find_files"]

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 16
_MAX_BYTES = 4 << 30
_MAX_RATIO = 200
_RATIO_FROM_BYTES = 10 << 20


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file; `label` is what people are shown, `modified` is in UTC."""

    path: Path
    label: str
    modified: datetime

    def digest(self, context: Context) -> str:
        """Return a digest of the bytes of the file."""
        digest = xxhash.xxh3_128()
        with told(context, self.label), self.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def open(self, context: Context) -> Iterator[IO[bytes]]:
        """Open the file for reading its lines."""
        with told(context, self.label), self.path.open("rb") as stream, _unpacked(stream, self.label, context) as lines:
            yield lines


@dataclass(frozen=True, slots=True)
class Download:
    """What a web address answered."""

    content: bytes
    label: str

    def digest(self, context: Context) -> str:
        """Return a digest of the bytes."""
        return xxhash.xxh3_128_hexdigest(self.content)

    @contextmanager
    def open(self, context: Context) -> Iterator[IO[bytes]]:
        """Open the answer for reading its lines."""
        with told(context, self.label), _unpacked(io.BytesIO(self.content), self.label, context) as lines:
            yield lines


def find_files(pattern: str, context: Context) -> list[InputFile]:
    """Return the files that match `pattern` or lie in the folder of that name, the last name first.

    Exports carry a date in their name, so that the last name is the newest and its word wins. Raises
    `SourceUnavailable` if there is none, naming pattern and folder.
    """
    base = context.base_dir
    with told(context, pattern):
        if (base / pattern).is_dir():
            found = [path for ending in ("*.jsonl", "*.jsonl.gz") for path in (base / pattern).glob(ending)]
        elif (base / pattern).is_file():  # a name such as "log [final].jsonl" means itself
            found = [base / pattern]
        else:
            matches = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207 - pathlib refuses absolute ones
            found = [base / match for match in matches]
        paths = sorted((path for path in found if path.is_file()), reverse=True)
        if paths:
            names = [path.name for path in paths]
            return [
                InputFile(
                    path,
                    path.name if names.count(path.name) == 1 else _long_label(path, base),
                    datetime.fromtimestamp(path.stat().st_mtime, UTC),
                )
                for path in paths
            ]
    raise SourceUnavailable(
        f"Connector {context.name}: no file matches {pattern} in the folder {base}; check path, and that the export "
        "has run"
    )


def download(options: JsonlConfig, stream: StreamName, cursor: Cursor | None, context: Context) -> Download:
    """Fetch the lines of one stream. Raises `SourceUnavailable` where a web page comes instead of lines."""
    url = (options.url or "").replace("{stream}", stream)
    headers = {"Accept": "application/x-ndjson, application/jsonl, application/json"}
    if options.token is not None:
        token = options.token.get_secret_value()
        headers[options.header] = f"Bearer {token}" if options.header.casefold() == "authorization" else token
    asked: dict[str, Any] = {}
    if options.since is not None and cursor is not None:
        asked["params"] = {options.since: str(cursor)}
    response = context.http.get(url, headers=headers, accept=(), **asked)
    host = urlsplit(url).hostname or ""
    if "html" in response.headers.get("Content-Type", "").lower() or response.content.lstrip()[:1] == b"<":
        raise SourceUnavailable(
            f"{host} answered with a web page instead of data; is the address right and the key valid?"
        )
    return Download(response.content, host)


def _long_label(path: Path, base: Path) -> str:
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


@contextmanager
def _unpacked(stream: IO[bytes], label: str, context: Context) -> Iterator[IO[bytes]]:
    magic = stream.read(len(_GZIP))
    stream.seek(0)
    if magic != _GZIP:
        yield stream
        return
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    with gzip.open(stream) as unpacked, io.BufferedReader(_Guarded(unpacked, size, label, context)) as lines:
        yield lines


class _Guarded(io.RawIOBase):
    """Give up on an archive that is packed far more tightly than an export is."""

    def __init__(self, stream: gzip.GzipFile, size: int, label: str, context: Context) -> None:
        self._stream = stream
        self._size = size
        self._label = label
        self._context = context
        self._total = 0

    def readable(self) -> bool:
        """Say yes: it is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer` and count."""
        count = self._stream.readinto(buffer)
        self._total += count
        if self._total > _MAX_BYTES or self._total > max(_RATIO_FROM_BYTES, self._size * _MAX_RATIO):
            raise SourceUnavailable(
                f"Connector {self._context.name}: {self._label} was given up after {self._total >> 20:,} MiB, because "
                "it is packed far more tightly than an export is; unpack it yourself if you trust it"
            )
        return count


@contextmanager
def told(context: Context, label: str) -> Iterator[None]:
    """Turn what the operating system and gzip raise into a sentence."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SourceUnavailable(
            f"Connector {context.name}: {label} is a damaged or incomplete archive; copy or export it again",
            detail=repr(error),
        ) from error
    except OSError as error:
        raise SourceUnavailable(
            f"Connector {context.name}: {label} cannot be read ({error.strerror or 'input error'}); see that no other "
            "program holds it open and that this account may read it"
        ) from error
