"""Read web addresses so that a key goes only to the host that was meant."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
from urllib3.util import parse_url

_ADDRESS = re.compile(r"https?://[^\s\\/?#@%\x00-\x20\x7f-\x9f]+(?:[/?#][^\\\x00-\x1f\x7f-\x9f]*)?", re.IGNORECASE)
"""A web address without a user, a backslash, a control character, or a space before its path."""

AMBIGUOUS = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
"""What libraries that read addresses disagree about, or silently drop."""


class Address(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: int


def address_of(url: str) -> Address | None:
    r"""Return where a request for `url` goes; None if it is not a web address, or has two meanings.

    The libraries that send it decide, because their rules differ: to them ``https://a\@b`` is on host a, to
    `urllib.parse` on b.
    """
    if not _ADDRESS.fullmatch(url):
        return None
    try:
        sent = str(requests.Request("GET", url).prepare().url)
        dialled, parts = parse_url(sent), urlsplit(sent)
        host, port = (dialled.host or "").strip("[]"), dialled.port
        if not host or dialled.auth or (host, port) != (parts.hostname, parts.port):
            return None
    except ValueError:
        return None
    scheme = parts.scheme
    return Address(scheme, host, port or {"http": 80, "https": 443}[scheme])


def host_of(url: str) -> str:
    """Return the host of an address; empty where there is none."""
    place = address_of(url)
    return place.host if place is not None else ""


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
