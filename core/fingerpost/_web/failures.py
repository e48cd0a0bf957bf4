"""What a failed or unexpected answer means, in a sentence for IT."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from fingerpost._web.address import host_of
from fingerpost._words.errors import ConfigError, FingerpostError, RateLimited, SourceUnavailable

if TYPE_CHECKING:
    from requests import Response


class Again(Exception):  # noqa: N818 - a request to the retry loop, never seen outside
    """Carry the error that ends the request unless another attempt succeeds."""

    def __init__(self, error: FingerpostError, retry_after: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.retry_after = retry_after


def passing(host: str, response: Response, detail: str) -> Again:
    """Return the error for a status that may be temporary."""
    asked = retry_after(response.headers)
    status = response.status_code
    if status != 429:
        return Again(
            SourceUnavailable(f"{host} is not available (status {status}); the next run tries again.", detail=detail),
            asked,
        )
    wish = "" if asked is None else f" and to come back in {asked:.0f} seconds"
    return Again(
        RateLimited(f"{host} asked us to slow down{wish}; the next run tries again.", retry_after=asked, detail=detail),
        asked,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` asks us to wait, or None if it cannot be read.

    It holds seconds or a date (RFC 9110, 10.2.3). A date is compared with the host's own ``Date`` where it sent one:
    its clock wrote both.
    """
    value = headers.get("Retry-After", "").strip()
    try:
        if value.isascii() and value.isdigit():
            return float(int(value))
        wait = _instant(value) - (_instant(headers["Date"]) if "Date" in headers else datetime.now(UTC))
    except (ValueError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def _instant(value: str) -> datetime:
    instant = parsedate_to_datetime(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def demand_json(host: str, response: Response, detail: str) -> None:
    """Raise `SourceUnavailable` if an answer is not JSON, such as a login page."""
    if "html" in response.headers.get("Content-Type", "").lower() or response.content.lstrip().startswith(b"<"):
        raise SourceUnavailable(
            f"{host} answered with a web page instead of data; is the address right and the key valid?", detail=detail
        )
    try:
        json.loads(response.content)
    except (ValueError, RecursionError):
        raise SourceUnavailable(f"{host} answered with something that is not JSON.", detail=detail) from None


def failure(host: str, timeout: float, error: Exception) -> Exception:
    """Return what to raise for a request that got no complete answer."""
    detail = type(error).__name__
    if isinstance(error, requests.exceptions.SSLError) and _is_bad_certificate(error):
        return SourceUnavailable(
            f"The certificate of {host} could not be verified. If your network inspects encrypted traffic, name its "
            "authority in [network] ca_file.",
            detail=detail,
        )
    if isinstance(error, requests.exceptions.ProxyError):
        sentence = f"{host} could not be reached through the web proxy; check [network] proxy."
    elif isinstance(error, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)):
        sentence = f"{host} did not answer within {timeout:g} seconds; the next run tries again."
    elif isinstance(error, ValueError):
        return ConfigError(
            f"A request to {host} could not be made; check the address and the key in the configuration for spaces, "
            "line breaks and stray characters.",
            detail=detail,
        )
    else:
        sentence = f"{host} could not be reached, or the connection broke; the next run tries again."
    return Again(SourceUnavailable(sentence, detail=detail))


def _is_bad_certificate(error: BaseException) -> bool:
    """Say whether a certificate was refused; the ssl module's own error is wrapped in others."""
    layers: list[object] = [error]
    seen: set[int] = set()
    while layers:
        layer = layers.pop()
        if isinstance(layer, ssl.SSLCertVerificationError):
            return True
        if isinstance(layer, BaseException) and id(layer) not in seen:
            seen.add(id(layer))
            layers += [layer.__cause__, layer.__context__, getattr(layer, "reason", None), *layer.args]
    return False


def json_of(response: Response) -> Any:
    """Return the JSON of an answer, or None if it is empty, as some services are when they have nothing.

    Raises `SourceUnavailable` for anything else, such as a web page where a service used to be.
    """
    if not response.content.strip():
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        host = host_of(response.url) or "The service"
        raise SourceUnavailable(f"{host} answered with something that is not JSON.") from None
