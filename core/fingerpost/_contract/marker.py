"""Mark what is written into an ILP: it is found again, never read back as an activity, and left alone once edited.

The mark is the only memory that a crash, a lost store or a second machine cannot take away: it stands in the text of
the item itself. It names the item and holds a check of the text that follows, so whoever finds the item can tell
whether somebody has changed a word of it since.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

import xxhash

MARK_PATTERN: Final = "%Fingerpost ________-________%"
"""A pattern of SQL's LIKE that every marked text matches; it needs no escape in any dialect."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's digits: no letter that is mistaken for another when somebody reads a key out over the telephone."""

_MARK: Final = re.compile(r"\[Fingerpost ([0-9A-HJKMNP-TV-Z]{8})-([0-9A-HJKMNP-TV-Z]{8})( closed)?\]")


class ItemMark(NamedTuple):
    """What the mark of a text says.

    `key` names the item, `closed` says whether it was closed, and `intact` whether the text is as it was written.
    """

    key: str
    closed: bool
    intact: bool


def item_key(ukprn: int, reference: str) -> str:
    """Return the key of a learner's item: always the same, and without the reference nobody can tell whose it is."""
    return _digits(f"{ukprn}\x1f{reference.strip()}")


def mark_item(key: str, text: str, *, closed: bool = False) -> str:
    """Return the text with its mark in front, as it is written into the ILP."""
    return f"[Fingerpost {key}-{_check(key, text, closed=closed)}{' closed' if closed else ''}] {text}"


def read_mark(text: str) -> ItemMark | None:
    """Return what the mark in a text of the ILP says, or None where there is none.

    Blanks and line ends may have been changed by the ILP; anything else that was changed makes the text not intact.
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
    """Return eight of Crockford's digits: 40 bits, so that a college's items do not meet by chance."""
    number = xxhash.xxh3_64_intdigest(text.encode()) >> 24
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -5, -5))
