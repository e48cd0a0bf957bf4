"""Notice that a list moved while it was paged: a record deleted on page one pulls another over the edge, unread."""

from __future__ import annotations

import xxhash

from fingerpost_rest._pages import Page

TRIES = 3
"""How often a list that moves is read before it is left for the next run."""


class Pass:
    """One pass over a list, page by page.

    `handed` holds what earlier passes handed over. With `repeats` a key may come twice, as in a log of changes.
    """

    def __init__(self, handed: set[int], *, repeats: bool) -> None:
        self._handed = handed
        self._repeats = repeats
        self._order = xxhash.xxh3_64()
        self._before: set[int] = set()
        self._here: set[int] = set()
        self._totals: list[int] = []
        self._read = 0
        self._twice = False

    def turn_to(self, page: Page) -> None:
        """Note the next page."""
        self._before |= self._here
        self._here = set()
        self._read += page.listed
        if page.total is not None and page.total not in self._totals:
            self._totals.append(page.total)

    def note(self, key: str) -> bool:
        """Note a record; return whether no earlier pass handed it over."""
        digest = xxhash.xxh3_64_intdigest(key.encode())
        self._order.update(digest.to_bytes(8, "big"))
        self._twice = self._twice or (digest in self._before and not self._repeats)
        self._here.add(digest)
        return digest not in self._handed

    def finish(self, order: int | None) -> str | None:
        """Return in a few words how the list moved, None if it did not.

        `order` is that of the pass before: where a key comes twice in both of them, that is how the list is.
        """
        self._handed |= self._before | self._here
        if len(self._totals) > 1:
            return f"it named {self._totals[0]:,} records in all, then {self._totals[1]:,}"
        if self._totals and self._totals[0] != self._read:
            return f"it named {self._totals[0]:,} records in all, and {self._read:,} came"
        return "a record came on two pages" if self._twice and self.order != order else None

    @property
    def order(self) -> int:
        """A digest of the keys in the order in which they came."""
        return self._order.intdigest()
