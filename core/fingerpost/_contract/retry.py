"""Try again what fails for a moment: a database that is busy, a connection that was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")


def call_with_retries(act: Callable[[], _T], *, waits: Sequence[float], when: Callable[[BaseException], bool]) -> _T:
    """Call `act` and return what it returns, trying again after each of `waits`, in seconds, where it failed.

    An error is worth another try where `when` says so; every other error, and the last one, is raised as it is. It is
    for what is not HTTP: ``context.http`` has retries of its own.
    """
    steps = (*waits, 0.0)  # the last attempt is followed by no wait
    attempts = Retrying(
        stop=stop_after_attempt(len(steps)),
        wait=lambda state: steps[state.attempt_number - 1],
        retry=retry_if_exception(when),
        reraise=True,
    )
    return attempts(act)
