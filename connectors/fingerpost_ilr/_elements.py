"""Walk through an ILR file in flat memory, by local names alone.

The namespace of the ILR changes every year and real files mix two of them, so that it is only looked at to report that.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from lxml import etree

from fingerpost_ilr._files import broken

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

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


def elements(file: IO[bytes], name: str, wanted: str, names: LocalNames) -> Iterator[etree._Element]:
    """Yield each `wanted` element and forget it when the next one is asked for.

    Raises SourceUnavailable with the line where the file stops being XML.
    """
    source = _Source(file)
    events = etree.iterparse(
        source,
        tag=(f"{{*}}{LEARNER}", f"{{*}}{DESTINATIONS}"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_blank_text=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        for _, element in events:
            if names[element.tag] == wanted:
                yield element
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
    except etree.XMLSyntaxError as error:
        raise broken(name, error, ended=source.ended) from None


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
