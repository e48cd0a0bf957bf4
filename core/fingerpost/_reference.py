"""Remember what services said about occupations, in a file of its own that no learner is in.

A service is asked once for each question within its time to live, by all processes together, and never more often than
it allows. When it is down or gone, what it last said is served with its date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

__all__ = ["Reference", "Reply"]


class Reply(NamedTuple):
    """Hand over what a service said: JSON, or None where it has nothing; when, and whether that is out of date."""

    value: Any
    retrieved: date
    stale: bool


class Reference:
    """The remembered answers of all services of one college."""

    def fetch(
        self, service: str, key: str, kind: str, ask: Callable[[], Any], *, limit: tuple[int, float] | None = None
    ) -> Reply:
        """Return what `service` says to the question `key`, asking it only where that is not remembered."""
        raise NotImplementedError
