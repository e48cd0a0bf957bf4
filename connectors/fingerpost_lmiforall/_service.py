"""Ask LMI for All, and tell an answer that holds nothing from a service that is no longer there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fingerpost import SourceUnavailable
from fingerpost_lmiforall._parsing import UNREADABLE, is_remark, json_value, title

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fingerpost import Context

__all__ = ["Service"]

_NOTHING = (400, 401, 403, 404, 406, 422)
"""Statuses with which the service may say that it has no figure: which of them it uses is documented nowhere."""

_MAX_BYTES = 10 * 1024 * 1024
_SAMPLE = "soc/code/1115"
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

    def ask(self, path: str, params: Mapping[str, str], context: Context, *, also_nothing: Collection[int] = ()) -> Any:
        """Return the JSON of an answer, or None where there is nothing in it that can be read.

        Raises `SourceUnavailable` and `RateLimited` as the HTTP helper does. Raises `SourceUnavailable` as well where
        the answer is a refusal or nothing, and the service turns out to be gone: otherwise whatever has taken its place
        would wipe out what it once said.
        """
        value, is_page = self._get(path, params, context, (*_NOTHING, *also_nothing))
        if value is not UNREADABLE and not is_remark(value):
            self._alive = True
            return value
        if is_page or not self._alive:
            self.prove_alive(context)
        self._alive = False  # a good answer just before vouches for one refusal, and not for a row of them
        return None

    def prove_alive(self, context: Context) -> None:
        """Ask for an occupation that is always there; raises `SourceUnavailable` where it is not."""
        value, _ = self._get(_SAMPLE, {}, context, _NOTHING)
        self._alive = value is not UNREADABLE and bool(title(value))
        if not self._alive:
            raise SourceUnavailable(
                f"{self.host} answers, but not as LMI for All does; the service may have closed, or base_url is wrong."
            )

    def _get(self, path: str, params: Mapping[str, str], context: Context, accept: Collection[int]) -> tuple[Any, bool]:
        """Return the value of an answer, and whether it is a page for people."""
        response = context.http.get(
            f"{self._base}/{path}",
            params=dict(params),
            headers={"Accept": "application/json"},
            accept=accept,
            max_bytes=_MAX_BYTES,
        )
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        is_good = 200 <= response.status_code < 300 and not is_page
        return (json_value(response.content) if is_good else UNREADABLE), is_page
