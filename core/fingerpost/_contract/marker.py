"""Mark items written into an ILP: they are found again, never read back as activities, and left alone once edited.

The mark survives a crash, a lost store and a second machine, because it is in the text of the item itself. It names the
item and holds a checksum of the text that follows, which shows whether a word has been changed since.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

import xxhash

MARK_PATTERN: Final = "%Fingerpost ________-________%"
"""A pattern of SQL's LIKE that every marked text matches; no dialect needs an escape."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's digits: no two are confused when a key is read out over the telephone."""

_MARK: Final = re.compile(r"\[Fingerpost ([0-9A-HJKMNP-TV-Z]{8})-([0-9A-HJKMNP-TV-Z]{8})( closed)?\]")


class ItemMark(NamedTuple):
    """The contents of a mark.

    `key` names the item, `closed` says whether it was closed, `intact` whether the text is unchanged.
    """

    key: str
    closed: bool
    intact: bool


def item_key(ukprn: int, reference: str) -> str:
    """Return the key of a learner's item: always the same, and anonymous without the reference."""
    return _digits(f"{ukprn}\x1f{reference.strip()}")


def mark_item(key: str, text: str, *, closed: bool = False) -> str:
    """Return the text with its mark in front, as it is written into the ILP."""
    return f"[Fingerpost {key}-{_check(key, text, closed=closed)}{' closed' if closed else ''}] {text}"


def read_mark(text: str) -> ItemMark | None:
    """Return the mark in a text of the ILP, or None.

    The ILP may change spaces and line ends; after any other change the text is not intact.
    """
    match = _MARK.search(text)
    if match is None:
        return None
    closed = match[3] is not None
    rest = text[: match.start()] + text[match.end() :]
    return ItemMark(match[1], closed, match[2] == _check(match[1], rest, closed=closed))


def _check(key: str, text: str, *, closed: bool) -> str:
    said = " ".join(unicodedata.normalize("NFC", text).split())
    return _digits(f"{key}\x1f{closed}\x1f{said}")


def _digits(text: str) -> str:
    """Return eight of Crockford's digits: 40 bits, so that a college's items do not collide."""
    number = xxhash.xxh3_64_intdigest(text.encode()) >> 24
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -5, -5))
