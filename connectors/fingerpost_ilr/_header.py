"""Say what an ILR file is: its year, its provider and when it was prepared; and which files are to be read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fingerpost import Context, SourceUnavailable
from fingerpost.files import FoundFile, open_text
from fingerpost_ilr._elements import parsed

if TYPE_CHECKING:
    from lxml import etree


_FILE_NAME = re.compile(r"ILR-(?P<ukprn>[0-9]{8})-(?P<year>[0-9]{4})-[0-9]{8}-[0-9]{6}-[0-9]{2}", re.IGNORECASE)
"""What the ILR specification makes of a file name: provider, year, date, time, serial number."""
_YEAR = re.compile(r"(?:20)?(?P<first>[0-9]{2})[-/]?(?:20)?(?P<second>[0-9]{2})")
_NAMESPACE_YEAR = re.compile(r"20[0-9]{2}-[0-9]{2}$")


@dataclass(frozen=True, slots=True)
class IlrFile:
    """One ILR file and what its header says.

    `year` is an academic year as the ILR spells it ("2526"); `prepared` is when the MIS made the file, in UTC or the
    college's zone.
    """

    file: FoundFile
    year: str
    ukprn: str
    namespace: str
    prepared: datetime
    year_disagrees: bool
    ukprn_disagrees: bool

    @property
    def name(self) -> str:
        """What messages call the file."""
        return self.file.label


def year_code(text: str) -> str | None:
    """Return an academic year in the ILR's spelling ("2526"), or None if `text` does not name one."""
    match = _YEAR.fullmatch(text.strip())
    if match is None or (int(match["first"]) + 1) % 100 != int(match["second"]):
        return None
    return match["first"] + match["second"]


def describe(file: FoundFile, member: str, context: Context) -> IlrFile:
    """Read the header of one file.

    Raises SourceUnavailable if it is not an ILR file, does not say its academic year, or declares a document type: an
    ILR file never does.
    """
    root = _beginning(file, member, context)
    namespace = root.tag.rpartition("}")[0]
    by_name = _FILE_NAME.match(file.path.name)
    space = _NAMESPACE_YEAR.search(namespace)
    years = [
        year_code(_text(root, "Header/CollectionDetails/Year")),
        year_code(space[0]) if space else None,
        year_code(by_name["year"]) if by_name else None,
    ]
    ukprns = [
        _text(root, "LearningProvider/UKPRN"),
        _text(root, "Header/Source/UKPRN"),
        by_name["ukprn"] if by_name else None,
    ]
    year = next(filter(None, years), None)
    if year is None:
        raise SourceUnavailable(f"{file.label} does not say its academic year; ask for an ILR export with a header.")
    return IlrFile(
        file=file,
        year=year,
        ukprn=next(filter(None, ukprns), ""),
        namespace=namespace,
        prepared=_prepared(root, context.timezone) or file.modified,
        year_disagrees=len({*filter(None, years)}) > 1,
        ukprn_disagrees=len({*filter(None, ukprns)}) > 1,
    )


def _beginning(file: FoundFile, member: str, context: Context) -> etree._Element:
    """Return the root element of an ILR file, with what it holds before the first learner."""
    with open_text(file, context, member) as text, closing(parsed(text, file.label, events=("start",))) as elements:
        root = next(elements)
        if root.getroottree().docinfo.internalDTD is not None:
            raise SourceUnavailable(
                f"{file.label} declares a document type (DOCTYPE), which no ILR file does, so it was not read. Find "
                "out where it comes from."
            )
        if _local(root) != "Message":
            raise SourceUnavailable(f"{file.label} is not an ILR file; check `path`.")
        for element in elements:
            if element.getparent() is root and _local(element).startswith("Learner"):
                break
    return root


def _text(root: etree._Element, path: str) -> str:
    return (root.findtext("/".join(f"{{*}}{name}" for name in path.split("/"))) or "").strip()


def _local(element: etree._Element) -> str:
    return element.tag.rpartition("}")[2]


def _prepared(root: etree._Element, timezone: ZoneInfo) -> datetime | None:
    for path in ("Header/Source/DateTime", "Header/CollectionDetails/FilePreparationDate"):
        try:
            instant = datetime.fromisoformat(_text(root, path))
        except ValueError:
            continue
        return instant if instant.tzinfo else instant.replace(tzinfo=timezone)
    return None


def newest_of_each_year(files: Iterable[IlrFile]) -> list[IlrFile]:
    """Return the newest file of each academic year, the latest year first.

    A provider sends the whole year again each time, so older files of a year add nothing. Raises SourceUnavailable
    where one year has files of two providers: choosing one would lose the other's learners.
    """
    newest: dict[str, IlrFile] = {}
    for file in sorted(files, key=lambda each: (each.prepared, each.name)):
        other = newest.get(file.year)
        if other is not None and other.ukprn != file.ukprn:
            raise SourceUnavailable(
                f"{other.name} and {file.name} are for one year but from two providers ({other.ukprn}, {file.ukprn}); "
                "give each provider its own [[connector]] table with its own `path` and `ukprn`."
            )
        newest[file.year] = file
    return sorted(newest.values(), key=lambda each: each.year, reverse=True)
