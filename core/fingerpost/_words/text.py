"""Make plain text of a service's answer: it may hold markup, entities and invisible characters."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

_MOST_READ: Final = 20_000
_INVISIBLE: Final = re.compile(r"(?is)<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)")
_TAG: Final = re.compile(r"</?[a-zA-Z!][^<>]*>")


def plain_text(value: object, most: int = 200) -> str:
    """Return text without markup, entities and surplus spaces, cut to `most` characters.

    Anything but text comes out empty: a service that answers with the wrong type has said nothing.
    """
    if not isinstance(value, str):
        return ""
    # Entities first: text that was escaped twice holds tags as well.
    text = _TAG.sub(" ", _INVISIBLE.sub(" ", unescape(value[:_MOST_READ])))
    text = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
