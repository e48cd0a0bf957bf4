"""The errors of Fingerpost: each carries an intent, a sentence for IT and a detail for the vendor."""

from __future__ import annotations

from typing import ClassVar


class FingerpostError(Exception):
    """Say what went wrong in one sentence that a person who has never seen Python can act on.

    `message` never holds a personal value or a secret: it is printed and logged. `detail` is for the vendor of a
    connector, is shown with `--debug` only, and obeys the same rule.
    """

    exit_code: ClassVar[int] = 1
    """The exit code of a command that this error ends."""

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class ConfigError(FingerpostError):
    """Refuse a configuration, mapping or framework; the message says what to write instead."""

    exit_code = 2


class AuthError(FingerpostError):
    """Report that a system refused our credentials: somebody has to put it right; trying again will not help."""


class SourceUnavailable(FingerpostError):  # noqa: N818 - a state of the world, not a mistake
    """Report that a source cannot be read now; the next run tries again."""


class RateLimited(SourceUnavailable):
    """Report that a service asked us to slow down for longer than this run can wait.

    `retry_after` is in seconds, or None if the service did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class RecordError(FingerpostError):
    """Refuse one record: it is quarantined and the stream continues.

    `reason` is a code such as ``missing_required``; `field` is the canonical field.
    """

    def __init__(self, message: str, *, reason: str, field: str | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.reason = reason
        self.field = field


class ContractError(FingerpostError):
    """Report that a plugin breaks the plugin contract: its vendor must act."""


class StoreError(FingerpostError):
    """Report that the store cannot be opened, read or written."""


class LockHeld(FingerpostError):  # noqa: N818 - a state of the world, not a mistake
    """Report that another run holds the lock of this college."""

    exit_code = 75
