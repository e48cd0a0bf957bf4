"""An ILP in memory with a page for each learner: a channel for tests, offered by this module as a plugin."""

from __future__ import annotations

import importlib.metadata
import json
from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar, Literal

from fingerpost import (
    AuthError,
    Channel,
    Context,
    GapItem,
    Host,
    Item,
    ItemChannelConfig,
    ListedItem,
    Payload,
    Receipt,
    SourceUnavailable,
    hookimpl,
    mark_item,
    read_mark,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fingerpost import Connector


class Board(Channel):
    """An ILP in memory: pages of learners, each a list of texts. `fault` says what befalls the next write."""

    name: ClassVar[str] = "board"
    Config = ItemChannelConfig
    accepts: ClassVar[Literal["digest", "gap_item"]] = "gap_item"

    pages: ClassVar[dict[str, list[str]]] = {}
    writes: ClassVar[list[tuple[str, str]]] = []
    fault: ClassVar[str] = ""
    unknown_learners: ClassVar[set[str]] = set()

    @staticmethod
    def clear() -> None:
        """Empty every page."""
        Board.pages, Board.writes, Board.fault, Board.unknown_learners = defaultdict(list), [], "", set()

    @staticmethod
    def open_items() -> dict[str, list[str]]:
        """Return the open items of every learner who has one."""
        found = {ref: [text for text in texts if not _is_closed(text)] for ref, texts in Board.pages.items()}
        return {ref: texts for ref, texts in found.items() if texts}

    @hookimpl
    def render(self, item: Item, context: Context) -> Payload:
        assert isinstance(item, GapItem)
        text = mark_item(item.key, item.text, closed=item.operation == "close")
        content = json.dumps({"key": item.key, "operation": item.operation, "text": text, "ref": item.external_ref})
        return Payload(item.key, item.learner_reference, content.encode(), "application/json", item.key, "")

    @hookimpl
    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        for number, payload in enumerate(payloads):
            if Board.fault == "denied" and number:
                yield Receipt(payload.key, "temporary", detail="not_allowed")
            else:
                yield self._deliver(payload, json.loads(payload.content))
        if Board.fault == "denied":
            raise AuthError("the login may not do that")

    def _deliver(self, payload: Payload, said: dict[str, str]) -> Receipt:
        if Board.fault == "down":
            return Receipt(payload.key, "temporary", detail="unreachable")
        if payload.recipient in Board.unknown_learners:
            return Receipt(payload.key, "permanent", detail="no_learner_page")
        page = Board.pages[payload.recipient]
        mine = [index for index, text in enumerate(page) if said["key"] in text and not _is_closed(text)]
        if mine and not _is_intact(page[mine[0]]):
            return Receipt(payload.key, "permanent", detail="edited_by_tutor")
        if mine and page[mine[0]] != said["text"]:
            page[mine[0]] = said["text"]
            Board.writes.append((payload.recipient, said["operation"]))
        elif not mine and said["operation"] != "close":
            page.append(said["text"])
            Board.writes.append((payload.recipient, said["operation"]))
        if Board.fault == "lost":
            return Receipt(payload.key, "unknown", detail="cut")
        return Receipt(payload.key, "sent", f"{payload.recipient}/{mine[0] if mine else len(page) - 1}")


class ReadBack(Board):
    """An ILP in which one can look what became of a write."""

    name: ClassVar[str] = "read-back"

    @hookimpl
    def reconcile(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        for payload in payloads:
            there = json.loads(payload.content)["text"] in Board.pages[payload.recipient]
            yield Receipt(payload.key, "sent" if there else "temporary")


class Listing(Board):
    """An ILP that can list what stands open in it."""

    name: ClassVar[str] = "listing"
    lists: ClassVar[int] = 0

    @hookimpl
    def list_items(self, context: Context) -> Iterator[ListedItem]:
        Listing.lists += 1
        for ref, texts in Board.pages.items():
            if Board.fault == "cut" and ref != min(Board.pages):
                raise SourceUnavailable("the ILP is down")
            for mark in map(read_mark, texts):
                if mark is not None and mark.intact and not mark.closed:
                    yield ListedItem(mark.key, ref)


def _is_closed(text: str) -> bool:
    mark = read_mark(text)
    return mark is not None and mark.closed


def _is_intact(text: str) -> bool:
    mark = read_mark(text)
    return mark is not None and mark.intact


@hookimpl
def connectors() -> list[type[Connector]]:
    """Offer the three ILPs."""
    return [Board, ReadBack, Listing]


def host() -> Host:
    """Return a host with the installed plugins and this one."""
    plugin = importlib.metadata.EntryPoint("board", __name__, "fingerpost")
    installed = importlib.metadata.entry_points(group="fingerpost")
    return Host.load(entry_points=[*installed, plugin])
