"""E-mail addresses and display names that may stand in a header or in an SMTP command."""

from __future__ import annotations

import re
import unicodedata

# A dot-atom of RFC 5322 at a dotted host name: no quotes, comments, commas, spaces, line ends or second address.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")

# The characters that give a phrase in a header a structure. The standard library loses the quotes around them when it
# folds a long name, and a comma without quotes starts a second address.
_SPECIALS = re.compile(r'[",:;<>@()\[\]\\]+')

_JOINERS = "\u200c\u200d"  # part of how names are spelt in Persian and Indic scripts


def usable(address: str) -> bool:
    """Say whether `address` is one plain address that cannot change the meaning of a header or command.

    Stricter than RFC 5322 on purpose: quoted local parts, non-ASCII addresses and host names without a dot are no
    college's staff addresses.
    """
    local, _, _ = address.partition("@")
    return len(address) <= 254 and len(local) <= 64 and _ADDRESS.fullmatch(address) is not None


def domain_of(address: str) -> str:
    """Return the lower-case domain of a usable address."""
    return address.rpartition("@")[2].lower()


def clean(text: str) -> str:
    """Return `text` on one line, without control, direction and other invisible characters.

    Records come from systems where people paste: a line end could fake a line of the message, a direction mark could
    reverse what follows it. Letters of every script stay as they are.
    """
    if text.isprintable():  # nearly every text: no invisible character and no white space but the plain blank
        return " ".join(text.split())
    visible = "".join(
        char if char in _JOINERS or not unicodedata.category(char).startswith("C") else " " if char.isspace() else ""
        for char in text
    )
    return " ".join(visible.split())


def display_name(name: str) -> str:
    """Return `name` as it may stand before an address: cleaned, without structure characters, 60 characters at most."""
    return clean(_SPECIALS.sub(" ", name))[:60].strip()
