"""Find ILR files, open them safely, and say which of them are to be read."""

from __future__ import annotations

import glob
import re
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import xxhash
from lxml import etree

from fingerpost import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

_CHUNK = 1 << 20
_PROLOG_CHUNK = 1 << 14

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_MAX_BYTES = 8 << 30
"""No provider's ILR comes near eight gigabytes."""
_ZIP_MAX_RATIO = 200
"""Real ILR files shrink to about a thirtieth; what shrinks to less than a two-hundredth was made to do harm."""

_FILE_NAME = re.compile(r"ILR-(?P<ukprn>[0-9]{8})-(?P<year>[0-9]{4})-[0-9]{8}-[0-9]{6}-[0-9]{2}", re.IGNORECASE)
"""What the ILR specification makes of a file name: provider, year, date, time, serial number."""
_YEAR = re.compile(r"(?:20)?(?P<first>[0-9]{2})[-/]?(?:20)?(?P<second>[0-9]{2})")
_NAMESPACE_YEAR = re.compile(r"20[0-9]{2}-[0-9]{2}$")

_TEARS = (OSError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged, locked or vanished file raises."""


@dataclass(frozen=True, slots=True)
class IlrFile:
    """One ILR file and what its header says.

    `name` is how messages call the file; `year` is an academic year as the ILR spells it ("2526"); `prepared` is
    when the MIS made the file, in UTC or the college's zone.
    """

    path: Path
    name: str
    year: str
    ukprn: str
    namespace: str
    prepared: datetime
    size: int
    year_disagrees: bool
    ukprn_disagrees: bool


def find(base_dir: Path, pattern: str) -> list[Path]:
    """List the files that `pattern` matches, in the order of their names.

    The last part of the pattern is compared without regard to case, on every system: the same export arrives as
    ``.xml`` and as ``.XML``.
    """
    whole = Path(pattern)
    folders = str(whole.parent) if whole.is_absolute() else str(Path(glob.escape(str(base_dir))) / whole.parent)
    last = whole.name.casefold()
    return sorted(
        path
        for folder in glob.glob(folders, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
        if Path(folder).is_dir()
        for path in Path(folder).iterdir()
        if fnmatchcase(path.name.casefold(), last) and path.is_file()
    )


def display_name(path: Path, base_dir: Path) -> str:
    """Return what messages call the file: its path below the configuration, else its whole path."""
    return path.relative_to(base_dir).as_posix() if path.is_relative_to(base_dir) else str(path)


def year_code(text: str) -> str | None:
    """Return an academic year in the ILR's spelling ("2526"), or None if `text` does not name one."""
    match = _YEAR.fullmatch(text.strip())
    if match is None or (int(match["first"]) + 1) % 100 != int(match["second"]):
        return None
    return match["first"] + match["second"]


@contextmanager
def opened(path: Path, name: str, member: str) -> Iterator[IO[bytes]]:
    """Open an ILR file, or the one file inside a zip that `member` matches, without unpacking it.

    Raises SourceUnavailable where the file cannot be opened or read, is damaged, or would swell without measure.
    """
    try:
        with path.open("rb") as raw:
            start = raw.read(4)
            raw.seek(0)
            if start not in _ZIP_STARTS:
                yield raw
                return
            with zipfile.ZipFile(raw) as archive, archive.open(_only_member(archive, name, member)) as inside:
                yield inside
    except PermissionError as error:
        raise SourceUnavailable(
            f"{name} may not be read; give the account that runs Fingerpost the right to read it.", detail=repr(error)
        ) from error
    except NotImplementedError as error:
        raise SourceUnavailable(
            f"{name} is compressed in a way that is not supported; zip it with the operating system's own command."
        ) from error
    except _TEARS as error:
        raise SourceUnavailable(
            f"{name} cannot be read to its end: it is damaged or was taken away; ask for a new export.",
            detail=repr(error),
        ) from error


def _only_member(archive: zipfile.ZipFile, name: str, member: str) -> zipfile.ZipInfo:
    wanted = member.casefold()
    found = [info for info in archive.infolist() if not info.is_dir() and fnmatchcase(info.filename.casefold(), wanted)]
    if len(found) != 1:
        raise SourceUnavailable(
            f"{name} holds {len(found) or 'no'} file{'' if len(found) == 1 else 's'} that match {member}; an ILR zip "
            f"holds exactly one. Say which with `member`, or ask for a new export."
        )
    info = found[0]
    if info.flag_bits & 1:
        raise SourceUnavailable(f"{name} is protected by a password; an ILR zip must not be. Ask for a new export.")
    if info.file_size > _ZIP_MAX_BYTES or info.file_size > _ZIP_MAX_RATIO * max(info.compress_size, 1 << 10):
        raise SourceUnavailable(
            f"{name} would unpack to {info.file_size:,} bytes, which no ILR file does; it was not opened. "
            f"Find out where it comes from."
        )
    return info


def digest(file: IlrFile) -> str:
    """Return a digest of the file's bytes."""
    state = xxhash.xxh3_128()
    try:
        with file.path.open("rb") as raw:
            while chunk := raw.read(_CHUNK):
                state.update(chunk)
    except OSError as error:
        raise SourceUnavailable(f"{file.name} can no longer be read.", detail=repr(error)) from error
    return state.hexdigest()


class _DoctypeFoundError(Exception):
    pass


class _Prolog:
    """A parser target that keeps the texts of everything before the first learner."""

    def __init__(self) -> None:
        self.root = ""
        self.texts: dict[str, str] = {}
        self.done = False
        self._path: list[str] = []
        self._text: list[str] = []

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        raise _DoctypeFoundError

    def start(self, tag: str, _attributes: object) -> None:
        self.root = self.root or tag
        local = tag.rpartition("}")[2]
        self.done = self.done or (len(self._path) == 1 and local.startswith("Learner"))
        self._path.append(local)
        self._text.clear()

    def data(self, data: str) -> None:
        if not self.done:
            self._text.append(data)

    def end(self, _tag: str) -> None:
        if not self.done:
            self.texts.setdefault("/".join(self._path[1:]), "".join(self._text).strip())
        self._path.pop()
        self._text.clear()

    def close(self) -> None:
        self.done = True


def describe(path: Path, *, base_dir: Path, member: str, timezone: ZoneInfo) -> IlrFile:
    """Read the header of one file.

    Raises SourceUnavailable if it is no ILR file, does not say its academic year, or declares a document type:
    an ILR file never does, and what one can declare (entities, external files) is only of use to an attacker.
    """
    name = display_name(path, base_dir)
    prolog = _read_prolog(path, name, member)
    texts = prolog.texts
    if prolog.root.rpartition("}")[2] != "Message":
        raise SourceUnavailable(f"{name} is not an ILR file; check `path`.")
    by_name = _FILE_NAME.match(path.name)
    namespace = prolog.root.rpartition("}")[0]
    space = _NAMESPACE_YEAR.search(namespace)
    years = [
        year_code(texts.get("Header/CollectionDetails/Year", "")),
        year_code(space[0]) if space else None,
        year_code(by_name["year"]) if by_name else None,
    ]
    ukprns = [
        texts.get("LearningProvider/UKPRN"),
        texts.get("Header/Source/UKPRN"),
        by_name["ukprn"] if by_name else None,
    ]
    year = next((found for found in years if found), None)
    if year is None:
        raise SourceUnavailable(f"{name} does not say its academic year; ask for an ILR export with a header.")
    stat = path.stat()
    return IlrFile(
        path=path,
        name=name,
        year=year,
        ukprn=next((found for found in ukprns if found), ""),
        namespace=namespace,
        prepared=_prepared(texts, timezone) or datetime.fromtimestamp(stat.st_mtime, UTC),
        size=stat.st_size,
        year_disagrees=len({found for found in years if found}) > 1,
        ukprn_disagrees=len({found for found in ukprns if found}) > 1,
    )


def _read_prolog(path: Path, name: str, member: str) -> _Prolog:
    prolog = _Prolog()
    parser = etree.XMLParser(
        target=cast("etree.ParserTarget", prolog),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_pis=True,
    )
    with opened(path, name, member) as source:
        ended = False
        try:
            while not prolog.done:
                chunk = source.read(_PROLOG_CHUNK)
                ended = not chunk
                if ended:
                    parser.close()
                else:
                    parser.feed(chunk)
        except _DoctypeFoundError:
            raise SourceUnavailable(
                f"{name} declares a document type (DOCTYPE), which no ILR file does; it was not read. "
                f"Find out where it comes from."
            ) from None
        except etree.XMLSyntaxError as error:
            raise broken(name, error, ended=ended) from None
    return prolog


def broken(name: str, error: etree.XMLSyntaxError, *, ended: bool) -> SourceUnavailable:
    """Say where a file stops being XML.

    The parser's own words are kept out: they quote what it stumbled over, which may be a person's name.
    """
    line = error.lineno or 0
    if not line:
        return SourceUnavailable(f"{name} is empty; ask for a new export.")
    if ended:
        return SourceUnavailable(f"{name} stops in the middle, at line {line}; ask for a complete export.")
    return SourceUnavailable(f"{name} is not valid XML at line {line}; ask for a new export.")


def _prepared(texts: dict[str, str], timezone: ZoneInfo) -> datetime | None:
    for key in ("Header/Source/DateTime", "Header/CollectionDetails/FilePreparationDate"):
        try:
            instant = datetime.fromisoformat(texts.get(key, ""))
        except ValueError:
            continue
        return instant if instant.tzinfo else instant.replace(tzinfo=timezone)
    return None


def newest_of_each_year(files: Iterable[IlrFile]) -> list[IlrFile]:
    """Return the newest file of each academic year, the latest year first.

    A provider sends the whole year again each time, so that older files of a year hold nothing more. Raises
    SourceUnavailable where one year has files of two providers: choosing one would lose the other's learners.
    """
    newest: dict[str, IlrFile] = {}
    for file in sorted(files, key=lambda each: (each.prepared, each.name)):
        other = newest.get(file.year)
        if other is not None and other.ukprn != file.ukprn:
            raise SourceUnavailable(
                f"{other.name} and {file.name} are of one year but of two providers ({other.ukprn}, {file.ukprn}); "
                f"give each provider its own [[connector]] table with its own `path` and `ukprn`."
            )
        newest[file.year] = file
    return sorted(newest.values(), key=lambda each: each.year, reverse=True)
