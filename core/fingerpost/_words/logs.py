"""Logging: on standard error, in UTC, without personal data or secrets.

Secrets and names leak through error text far more often than through log calls, so nothing reaches a renderer before it
has been through `_Redaction`, and a traceback is logged without its values.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import structlog
from structlog.stdlib import ProcessorFormatter

from fingerpost._words.errors import FingerpostError

if TYPE_CHECKING:
    from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger


REDACTED = "[redacted]"

_SECRET_KEYS = re.compile(r"passw|passphrase|secret|token|authori[sz]ation|apikey|cookie|credential|privatekey")
_PERSONAL_KEYS = frozenset(
    {
        "name", "names", "fullname", "givenname", "givennames", "firstname", "forename", "forenames", "familyname",
        "lastname", "surname", "preferredname", "knownas", "learnername", "studentname", "tutorname",
        "careersleadername", "recordedby", "recipient", "dateofbirth", "dob", "birthdate", "email", "emailaddress",
        "learneremail", "tutoremail", "careersleader", "address", "postcode", "phone", "telephone", "mobile", "telno",
        "uln", "ninumber", "intendeddestination", "intendedoccupation", "ethnicity", "sex", "gender", "ehcplan",
        "lookedafter", "careleaver", "raw", "data", "payload", "content", "body", "subject",
    }
)  # fmt: skip
"""Keys of personal values, in bare small letters so that GivenNames and given_names are one."""

_QUIET = ("alembic", "sqlalchemy", "urllib3", "requests")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAX_DEPTH = 6


def configure_logging(level: str = "info", json_lines: bool = False, secrets: Iterable[str] = ()) -> None:
    """Log from `level` on to standard error, as ``key=value`` text or as one JSON object a line.

    `secrets` must never be seen, wherever they turn up. Libraries log warnings and worse only: below that they log
    addresses and parameters with personal data. May be called again; the last call wins.
    """
    renderer: Processor = structlog.processors.JSONRenderer() if json_lines else _as_text()
    chain = _chain(secrets)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    _route_libraries(chain, renderer, max(threshold, logging.WARNING))


_secrets_without_config: set[str] = set()


def log_safely(secrets: Iterable[str] = ()) -> None:
    """Log warnings, redacted, unless the Python caller has configured logging.

    Left to itself, structlog prints everything, with the message of every exception, and so names and secrets.
    """
    _secrets_without_config.update(secrets)
    if structlog.is_configured() and structlog.get_config()["logger_factory"] is not _to_stderr:
        return
    structlog.configure(
        processors=[_only_warnings, *_chain(_secrets_without_config), _as_text()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )


def _only_warnings(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if method in ("debug", "info"):
        raise structlog.DropEvent
    return event


def _to_stderr(*_arguments: object) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)


def _chain(secrets: Iterable[str]) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        _strip_exception,
        _Redaction(secrets),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _as_text() -> Processor:
    return structlog.processors.LogfmtRenderer(
        key_order=["timestamp", "level", "event"], drop_missing=True, bool_as_flag=False
    )


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret in it replaced, the longest first, so that none is left in part."""
    for secret in spellings(secrets):
        text = text.replace(secret, REDACTED)
    return text


def spellings(secrets: Iterable[str]) -> list[str]:
    """Return the secrets in every spelling that an address may hold, the longest first."""
    spellings = {
        spelling
        for secret in secrets
        for spelling in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    }
    return sorted(spellings - {""}, key=lambda secret: (-len(secret), secret))


class _Handler(logging.StreamHandler[Any]):
    """Our own handler, so that a second call finds it among others."""


def _route_libraries(chain: Sequence[Processor], renderer: Processor, threshold: int) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(handler)
    ours = _Handler(sys.stderr)
    ours.setFormatter(
        ProcessorFormatter(foreign_pre_chain=chain, processors=[ProcessorFormatter.remove_processors_meta, renderer])
    )
    ours.setLevel(threshold)
    root.addHandler(ours)
    for name in _QUIET:
        logging.getLogger(name).setLevel(threshold)


def _strip_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception with its types and the places it passed.

    Only our own messages are logged: any other may quote the value it stumbled over. Local variables and source lines
    are left out for the same reason.
    """
    event.pop("stack_info", None)
    exc_info: ExcInfo | BaseException | bool | None = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()  # type: ignore[assignment]
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = _story(error)
    return event


def _story(error: BaseException) -> str:
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        places = [f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in frames]
        parts.append(f"{_named(current)} in {' > '.join(places) or 'an unknown place'}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "; because of ".join(parts)


def _named(error: BaseException) -> str:
    name = type(error).__name__
    return f"{name}: {error.message}" if isinstance(error, FingerpostError) else name


class _Redaction:
    """Remove what must not be logged: by key, by known value, and whatever is not plain data.

    Only the type of an object is logged, since its `repr` may show anything; likewise of a named tuple such as a
    record.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = spellings(secrets)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        internal = {key: event.pop(key) for key in ("_record", "_from_structlog") if key in event}  # never rendered
        return internal | {self._key(key): self._by_key(key, value, 0) for key, value in event.items()}

    def _key(self, key: object) -> str:
        return re.sub(r"[\s=\"]", "_", self._text(str(key)))

    def _by_key(self, key: object, value: object, depth: int) -> object:
        squashed = re.sub(r"[^a-z]", "", str(key).casefold())
        if squashed in _PERSONAL_KEYS or _SECRET_KEYS.search(squashed):
            return REDACTED
        return self._value(value, depth + 1)

    def _value(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, (bool, int, float)):
            return REDACTED if str(value) in self._secrets else value
        if depth > _MAX_DEPTH:
            return "…"
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._key(key): self._by_key(key, item, depth) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_fields"):
            return [self._value(item, depth + 1) for item in value]
        return self._object(value)

    def _object(self, value: object) -> str:
        if isinstance(value, (PurePath, timedelta, UUID)):
            return self._text(str(value))
        if isinstance(value, date):
            return self._text(value.isoformat())
        if isinstance(value, BaseException):
            return self._text(_named(value))
        return f"<{type(value).__name__}>"

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
