"""Whether an answer with status 200 says that it failed: many services tell success in the body alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_REFUSALS = frozenset({"success", "successful", "succeeded", "issuccess", "issuccessful", "ok"})
_STATUSES = frozenset({"status", "statuscode", "result"})
_ERRORS = frozenset({"error", "errors", "exception", "fault"})
_CODES = frozenset({"code", "errorcode", "statuscode", "status"})
_FAILED = frozenset({"error", "fail", "failed", "failure"})
_NOTHING = frozenset({"", "0", "false", "no", "none", "null", "ok", "success"})


class Failure(NamedTuple):
    """A failure that an answer declares.

    `outright` is false where it names errors but may have a list all the same; `code` is one of the service's own.
    """

    outright: bool
    code: str = ""

    def __str__(self) -> str:
        return f" (code {self.code})" if self.code else ""


def failure_in(body: object, path: str = "@") -> Failure | None:
    """Return the failure that an answer declares, at its top or around the list at `path`; None if it declares none."""
    found = [Failure(outright, _code(around)) for around in _around(body, path) for outright in _signs(around)]
    return max(found, key=lambda one: (one.outright, one.code), default=None)


def _around(body: object, path: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that a path leads through."""
    plain = re.match(r"(?:[A-Za-z_]\w*\.?)*", path)
    for name in ["", *(plain[0].split(".") if plain else [])]:
        body = body.get(name) if name and isinstance(body, dict) else body
        if isinstance(body, dict):
            yield body


def _signs(around: Mapping[str, Any]) -> Iterator[bool]:
    """Yield for each sign of a failure whether it is an outright one."""
    for name, value in _plain(around):
        said = value.strip().casefold() if isinstance(value, str) else value
        if name in _ERRORS:
            if _says_something(value):
                yield False
        elif (name in _REFUSALS and said in (False, "false", "no")) or (name in _STATUSES and _is_failed(said)):
            yield True


def _plain(around: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in around.items():
        yield str(name).casefold().replace("_", ""), value


def _is_failed(status: object) -> bool:
    if isinstance(status, str):
        return status in _FAILED
    return isinstance(status, int) and 400 <= status < 600


def _says_something(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().casefold() not in _NOTHING
    if isinstance(value, dict | list):
        return any(_says_something(one) for one in (value.values() if isinstance(value, dict) else value))
    return bool(value)


def _code(around: Mapping[str, Any]) -> str:
    """Return the code of an error if it has the form of one: a message may be about a learner."""
    errors = [value for name, value in _plain(around) if name in _ERRORS]
    inner = [one for value in errors for one in (value if isinstance(value, list) else [value])]
    for holder in (*inner, around):
        for name, value in _plain(holder) if isinstance(holder, dict) else ():
            is_code = isinstance(value, str | int) and not isinstance(value, bool)
            if name in _CODES and is_code and re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", str(value)):
                return str(value)
    return ""
