"""Ask LMI for All, and tell an answer that holds nothing from a service that is no longer there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from fingerpost import Context, RateLimited, SourceUnavailable
from fingerpost.lmi import Params, Service
from fingerpost_lmiforall import _reading as reading

_NO_FIGURE = (400, 401, 403, 404, 406, 422, 500)
"""Statuses with which the service may say that it has no figure: which of them it uses is documented nowhere."""

_SAMPLE = "1115"
"""An occupation that every edition of the service knows (chief executives), to see whether it is alive."""


@dataclass(kw_only=True)
class LmiForAllService(Service):
    """Ask one address, and remember whether it was LMI for All that answered last."""

    _is_alive: bool = field(default=False, init=False)

    def get(self, context: Context, path: str, params: Params | None = None, *, nothing: Collection[int] = ()) -> Any:
        """Return the JSON of an answer, or None where nothing in it can be read.

        `nothing` plays no part, since almost any status may mean that. Raises `RateLimited` where the service asks us
        to slow down. Raises `SourceUnavailable` where no answer comes, or a refusal, or one of another form than is
        documented, and the service turns out to be gone: otherwise whatever has taken its place would wipe out what it
        once said. Where the service is there, it merely lacks that figure.
        """
        try:
            value, is_page = self._read(context, path, params)
        except RateLimited:
            raise
        except SourceUnavailable:
            self.prove_alive(context, retry=False)
            value, is_page = reading.UNREADABLE, False
        if reading.is_answer(path, value):
            self._is_alive = True
            if path == "vacancies/search" and reading.is_rate_limited(value):
                raise RateLimited(f"{self.host} asked us to slow down with its adverts; the next run tries again.")
            return value
        if is_page or not self._is_alive or not reading.is_no_data(value):
            self.prove_alive(context)
        self._is_alive = False  # a good answer just before vouches for one refusal, and not for a row of them
        return None

    def prove_alive(self, context: Context, *, retry: bool = True) -> None:
        """Ask for an occupation that is always there; raises `SourceUnavailable` where it is not."""
        self._is_alive = False
        value, _ = self._read(context, f"soc/code/{_SAMPLE}", retry=retry)
        self._is_alive = reading.is_occupation(value, _SAMPLE)
        if not self._is_alive:
            raise self.changed("not as LMI for All does")

    def _read(
        self, context: Context, path: str, params: Params | None = None, *, retry: bool = True
    ) -> tuple[Any, bool]:
        """Return the value of an answer, and whether it is a page for people."""
        response = self.send(context, path, params, accept=_NO_FIGURE, retry=retry)
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        is_good = 200 <= response.status_code < 300 and not is_page
        return (reading.json_value(response.content) if is_good else reading.UNREADABLE), is_page
