"""Ask LMI for All, and tell an answer that holds nothing from a service that is no longer there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fingerpost import RateLimited, SourceUnavailable
from fingerpost_lmiforall._parsing import UNREADABLE, is_answer, is_no_data, is_occupation, json_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerpost import Context

__all__ = ["Service"]

_NOTHING = (400, 401, 403, 404, 406, 422, 500)
"""Statuses with which the service may say that it has no figure: which of them it uses is documented nowhere."""

_MAX_BYTES = 10 * 1024 * 1024
_SAMPLE = 1115
"""An occupation that every edition of the service knows (chief executives), to see whether it is alive."""


class Service:
    """Ask one address, and remember whether it was LMI for All that answered last."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        self._alive = False

    @property
    def host(self) -> str:
        """The host that is asked."""
        return urlsplit(self._base).hostname or "the service"

    def ask(self, path: str, params: Mapping[str, str], context: Context) -> Any:
        """Return the JSON of an answer, or None where there is nothing in it that can be read.

        Raises `RateLimited` as the HTTP helper does. Raises `SourceUnavailable` where there is no answer, a refusal or
        one of another form than is documented, and the service turns out to be gone: else whatever has taken its place
        would wipe out what it once said. Where it is there, that is no more than a figure that it does not have.
        """
        try:
            value, is_page = self._get(path, params, context)
        except RateLimited:
            raise
        except SourceUnavailable:
            self.prove_alive(context, retry=False)
            value, is_page = UNREADABLE, False
        if is_answer(path, value):
            self._alive = True
            return value
        if is_page or not self._alive or not is_no_data(value):
            self.prove_alive(context)
        self._alive = False  # a good answer just before vouches for one refusal, and not for a row of them
        return None

    def prove_alive(self, context: Context, *, retry: bool = True) -> None:
        """Ask for an occupation that is always there; raises `SourceUnavailable` where it is not."""
        self._alive = False
        value, _ = self._get(f"soc/code/{_SAMPLE}", {}, context, retry=retry)
        self._alive = is_occupation(value, _SAMPLE)
        if not self._alive:
            raise SourceUnavailable(
                f"{self.host} answers, but not as LMI for All does; the service may have closed, or base_url is wrong."
            )

    def _get(self, path: str, params: Mapping[str, str], context: Context, *, retry: bool = True) -> tuple[Any, bool]:
        """Return the value of an answer, and whether it is a page for people."""
        response = context.http.get(
            f"{self._base}/{path}",
            params=dict(params),
            headers={"Accept": "application/json"},
            accept=_NOTHING,
            retry=retry,
            max_bytes=_MAX_BYTES,
        )
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        is_good = 200 <= response.status_code < 300 and not is_page
        return (json_value(response.content) if is_good else UNREADABLE), is_page
