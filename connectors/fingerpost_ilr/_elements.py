"""Walk through an ILR file in flat memory, by local names alone.

The namespace of the ILR changes every year and real files mix two of them, so it is only looked at to report that.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from typing import IO, Any

from lxml import etree

from fingerpost import SourceUnavailable

LEARNER = "Learner"
DESTINATIONS = "LearnerDestinationandProgression"


class LocalNames(dict[str, str]):
    """Local names by qualified names, each worked out once."""

    def __missing__(self, tag: str) -> str:
        local = self[tag] = tag.rpartition("}")[2]
        return local

    @property
    def namespaces(self) -> set[str]:
        """The namespaces met so far."""
        return {tag.rpartition("}")[0] for tag in self}


class _Source:
    """A file that knows whether it has been read to its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.ended = False

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.ended = not data
        return data


def parsed(file: IO[bytes], name: str, **options: Any) -> Generator[etree._Element, None, None]:
    """Yield elements as the parser meets them, resolving nothing that a file declares.

    Raises SourceUnavailable with the line where the file stops being XML.
    """
    source = _Source(file)
    events = etree.iterparse(
        source,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        **options,
    )
    try:
        for _, element in events:
            yield element
    except etree.XMLSyntaxError as error:
        raise _broken(name, error.lineno or 0, ended=source.ended) from None


def _broken(name: str, line: int, *, ended: bool) -> SourceUnavailable:
    """Say where a file stops being XML.

    The parser's own words are kept out: they quote what it stumbled over, which may be a person's name.
    """
    if not line:
        return SourceUnavailable(f"{name} is empty; ask for a new export.")
    if ended:
        return SourceUnavailable(f"{name} stops in the middle, at line {line}; ask for a complete export.")
    return SourceUnavailable(f"{name} is not valid XML at line {line}; ask for a new export.")


def elements(file: IO[bytes], name: str, wanted: str, names: LocalNames) -> Iterator[etree._Element]:
    """Yield each `wanted` element and forget it when the next one is asked for; otherwise as `parsed`."""
    tags = (f"{{*}}{LEARNER}", f"{{*}}{DESTINATIONS}")
    for element in parsed(file, name, tag=tags, remove_blank_text=True, collect_ids=False):
        if names[element.tag] == wanted:
            yield element
        element.clear()
        parent = element.getparent()
        while parent is not None and element.getprevious() is not None:
            del parent[0]


def texts(element: etree._Element, wanted: Collection[str], names: LocalNames) -> dict[str, str]:
    """Return the stripped texts of the wanted children; a child that is absent or empty is an empty text."""
    found = dict.fromkeys(wanted, "")
    for child in element:
        name = names[child.tag]
        if name in found and (text := child.text):
            found[name] = text.strip()
    return found


def text(element: etree._Element, wanted: str, names: LocalNames) -> str:
    """Return the stripped text of the first child of that name, or an empty text."""
    for child in element:
        if names[child.tag] == wanted:
            return (child.text or "").strip()
    return ""
