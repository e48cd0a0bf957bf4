"""The academic year in what is asked for: a placeholder that follows it, and a written year that has passed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import quote

from fingerpost import Finding

PLACEHOLDER = "academic_year"
"""What stands in braces for the academic year of the day that is judged."""

_SPELLINGS: dict[str, Callable[[int], str]] = {
    "": lambda start: f"{start}/{_short(start + 1)}",
    ":short": lambda start: f"{_short(start)}/{_short(start + 1)}",
    ":compact": lambda start: f"{_short(start)}{_short(start + 1)}",
    ":dash": lambda start: f"{start}-{_short(start + 1)}",
    ":long": lambda start: f"{start}-{start + 1}",
    ":start": lambda start: f"{start}",
}
_IN_BRACES = re.compile(r"\{academic_year(:[^{}]*)?\}")
_WRITTEN = re.compile(r"(?<![\w/-])(?:\d{4}|\d\d)(?:[/-](?:\d{4}|\d\d))?(?![\w/-])")
_KNOWN_YEARS = 20


class PassedYear(NamedTuple):
    """An academic year that is written out where it is asked for, and has passed."""

    where: str
    written: str
    placeholder: str


def _short(year: int) -> str:
    return f"{year % 100:02d}"


def start_of_year(day: date) -> int:
    """Return the calendar year in which the academic year of a day begins, on 1 August."""
    return day.year if day.month >= 8 else day.year - 1


def check_spellings(value: object) -> None:
    """Refuse a placeholder that asks for a spelling which does not exist; raises `ValueError`."""
    for _, text in _texts(value, ""):
        for name in _IN_BRACES.findall(text):
            if name not in _SPELLINGS:
                offer = ", ".join(_placeholder(one) for one in _SPELLINGS)
                raise ValueError(f"uses {_placeholder(name)}; the spellings of the academic year are {offer}")


def with_year(value: Any, day: date, *, in_path: bool = False) -> Any:
    """Fill in the academic year of a day, in texts and in tables within tables; in a path it makes no new level."""
    if isinstance(value, str):
        start = start_of_year(day)

        def spelt(found: re.Match[str]) -> str:
            text = _SPELLINGS[found[1] or ""](start)
            return quote(text, safe="") if in_path else text

        return _IN_BRACES.sub(spelt, value)
    if isinstance(value, dict):
        return {name: with_year(one, day) for name, one in value.items()}
    return [with_year(one, day) for one in value] if isinstance(value, list) else value


def passed_years(request: Mapping[str, Any], day: date) -> Iterator[PassedYear]:
    """Yield where a request asks for an academic year that was written out and is over on a day.

    Four digits alone are a year only where something there is called one.
    """
    now = start_of_year(day)
    years = range(now - _KNOWN_YEARS, now + 2)
    known = {spell(start): (start, name) for name, spell in _SPELLINGS.items() for start in years}
    for where, asked in _texts(request, ""):
        text = asked.replace("/", " ") if where == "path" else asked
        found = [
            (*known[written], written)
            for written in _WRITTEN.findall(text)
            if written in known and (not written.isdecimal() or "year" in f"{where} {text}".casefold())
        ]
        if found and max(found)[0] < now:
            _, name, written = max(found)
            yield PassedYear(where, written, _placeholder(name))


def year_findings(name: str, request: Mapping[str, Any], day: date) -> Iterator[Finding]:
    """Yield a warning of `check` for each year in a request that has passed."""
    for where, written, placeholder in passed_years(request, day):
        yield Finding(
            "warning",
            f"{name}: {where} asks for {written}, but the academic year is now {with_year(placeholder, day)}",
            f"write {placeholder} there, which follows the year",
        )


def _placeholder(name: str) -> str:
    return f"{{{PLACEHOLDER}{name}}}"


def _texts(value: object, where: str) -> Iterator[tuple[str, str]]:
    """Yield every text within a value, and the key that it stands under."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(one, str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, where)
