"""Parsers that all mappings share: from a source's text to a value of the careers record.

Each takes what the source has (usually text) and returns a value, or raises `BadValue` with a reason code. The code
never contains any of the input: it goes into logs and lists of warnings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

from fingerpost._record.models import TEMPORARY_ULN
from fingerpost._words.days import MONTHS, read_academic_year, spell_academic_year

PARSERS_VERSION = 1
"""Raised when a parser changes, so that unchanged rows are read again."""


class BadValue(ValueError):  # noqa: N818 - a fault in the data, not in the program
    """Refuse a value; `code` says why and never quotes it.

    `fatal` means that the whole record is refused, even if the field may be empty; `skip` that it is not a record.
    """

    def __init__(self, code: str, *, fatal: bool = False, skip: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.fatal = fatal
        self.skip = skip


# -- text -------------------------------------------------------------------------------------------------------------

# Unprintable characters and line breaks become spaces; half a surrogate pair cannot be stored at all.
_CONTROLS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufeff]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def fold_controls(text: str) -> str:
    """Replace runs of control characters and white space with one space, and what cannot be stored with U+FFFD."""
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", text)).strip()


def fold(value: Any) -> str:
    """Return the form in which codes are compared: stripped, inner white space as one space, case ignored."""
    return " ".join(text_of(value).split()).casefold()


def text_of(value: Any) -> str:
    """Return the text of a scalar; a whole number that came as a float loses its ``.0``.

    Raises `BadValue` ``bad_value`` for anything that is not a scalar.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise BadValue("bad_value")


def parse_text(value: Any) -> str | None:
    """Return one line of text without control characters; None if nothing is left."""
    text = text_of(value).strip()
    return text if text and text.isprintable() else fold_controls(text) or None


# -- numbers ----------------------------------------------------------------------------------------------------------

# A comma groups thousands, as in Britain. "1,5" is refused: to read it as 1.5 would be a guess.
_NUMBER = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?"
_PLAIN = re.compile(rf"[+-]?(?:{_NUMBER})")
_CLOCK = re.compile(r"([0-9]{1,4}):([0-5][0-9])(?::([0-5][0-9]))?")
_SPELT = re.compile(
    rf"(?:(?P<h>{_NUMBER})\s*(?:h|hr|hrs|hour|hours)\.?)?\s*(?:(?P<m>{_NUMBER})\s*(?:m|min|mins|minute|minutes)?\.?)?",
    re.IGNORECASE,
)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def parse_decimal(value: Any) -> float:
    """Return a number; a comma groups thousands. Raises ``bad_number``."""
    text = text_of(value).strip()
    if not _PLAIN.fullmatch(text):
        raise BadValue("bad_number")
    return _number(text)


def parse_int(value: Any) -> int:
    """Return a whole number; ``3.0``, as spreadsheets write it, is one. Raises ``bad_number``."""
    text = text_of(value).strip()
    if not _PLAIN.fullmatch(text):
        raise BadValue("bad_number")
    number = Decimal(text.replace(",", ""))
    if number != int(number):
        raise BadValue("bad_number")
    return int(number)


def parse_hours(value: Any) -> float:
    """Return hours from ``1.5``, ``1:30``, ``90 mins``, ``2h`` or ``1h 30m``. Raises ``bad_number``.

    Rounded to a ten-thousandth, which is less than a second.
    """
    text = text_of(value).strip()
    if _PLAIN.fullmatch(text):
        return round(_number(text), 4)
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return round(hours + minutes / 60 + seconds / 3600, 4)
    spelt = _SPELT.fullmatch(text)
    if not text or not spelt:
        raise BadValue("bad_number")
    return round(_number(spelt["h"] or "0") + _number(spelt["m"] or "0") / 60, 4)


_BOOLS = {**dict.fromkeys(("y", "yes", "t", "true", "1"), True), **dict.fromkeys(("n", "no", "f", "false", "0"), False)}


def parse_bool(value: Any) -> bool:
    """Return yes or no from y, yes, t, true, 1 and their opposites, in any case. Raises ``bad_bool``."""
    found = _BOOLS.get(fold(value))
    if found is None:
        raise BadValue("bad_bool")
    return found


# -- identifiers and addresses ----------------------------------------------------------------------------------------

_ULN = re.compile(r"[1-9][0-9]{9}")


def parse_uln(value: Any) -> str:
    """Return a unique learner number whose check digit is right. Raises ``bad_uln``.

    The rule is the ILR's (validation rule ULN_04): the first nine digits, weighted 10 to 2, modulo 11 give r; r = 0 is
    never issued and the tenth digit is 10 - r. 9999999999 passes: it means that the number is not known yet.
    """
    text = text_of(value).replace(" ", "").strip()
    if not _ULN.fullmatch(text):
        raise BadValue("bad_uln")
    if text != TEMPORARY_ULN:
        remainder = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), text, strict=False)) % 11
        if remainder == 0 or int(text[9]) != 10 - remainder:
            raise BadValue("bad_uln")
    return text


_POSTCODE = re.compile(r"(GIR|[A-Z]{1,2}[0-9][A-Z0-9]?) ?([0-9][ABD-HJLNP-UW-Z]{2})")


def parse_postcode(value: Any) -> str:
    """Return a UK postcode in capitals with one space. Raises ``bad_postcode``."""
    found = _POSTCODE.fullmatch(" ".join(text_of(value).upper().split()))
    if not found:
        raise BadValue("bad_postcode")
    return f"{found[1]} {found[2]}"


_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\"]+")


def parse_email(value: Any) -> str:
    """Return an e-mail address with its domain in lower case. Raises ``bad_email``.

    The part before the @ is left alone: by the standard, its case may matter.
    """
    text = text_of(value).strip()
    if not text.isprintable() or not _EMAIL.fullmatch(text):
        raise BadValue("bad_email")
    local, _, domain = text.partition("@")
    return f"{local}@{domain.lower()}"


# -- dates ------------------------------------------------------------------------------------------------------------

_MONTHS = {name[:length].lower(): n for n, name in enumerate(MONTHS, start=1) for length in (3, 9)} | {"sept": 9}
_EARLIEST, _LATEST = 1900, 2100

# Months are English whatever the server's locale; a weekday is ignored.
_DIRECTIVES = {
    "d": r"(?P<day>[0-9]{1,2})", "m": r"(?P<month>[0-9]{1,2})", "Y": r"(?P<year>[0-9]{4})", "y": r"(?P<short>[0-9]{2})",
    "b": r"(?P<name>[a-z]{3,9})\.?", "B": r"(?P<name>[a-z]{3,9})\.?", "a": r"[a-z]{3,9}\.?", "A": r"[a-z]{3,9}\.?",
    "H": r"(?P<hour>[01]?[0-9]|2[0-3])", "I": r"(?P<hour>0?[1-9]|1[0-2])", "M": r"(?P<minute>[0-5]?[0-9])",
    "S": r"(?P<second>[0-5]?[0-9])", "f": r"[0-9]{1,9}", "p": r"(?P<half>[ap])\.?m\.?",
    "z": r"(?P<zone>z|[+-][0-9]{2}:?[0-9]{2})", "%": "%",
}  # fmt: skip


def compile_date_format(pattern: str) -> re.Pattern[str]:
    """Return what finds the parts of a date in a text; raises ValueError, saying what is wrong with the format."""
    parts: list[str] = []
    pieces = re.findall(r"%.?|\s+|[^%\s]", pattern, re.DOTALL)
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
        if piece.startswith("%"):
            if piece[1:] not in _DIRECTIVES:
                raise ValueError(f"{piece} is not supported; use %d %m %Y %y %b %B %H %I %M %S %f %p %a %A %z")
            directive = _DIRECTIVES[piece[1:]]
            # Digits without separators have their full width: 20250901.
            parts.append(directive.replace("{1,2}", "{2}") if following[:1] == "%" else directive)
        else:
            parts.append(r"\s+" if piece.isspace() else re.escape(piece))
    try:
        compiled = re.compile("".join(parts), re.IGNORECASE | re.ASCII)
    except re.error as error:
        raise ValueError("it says the same thing twice") from error
    if not {"day"} <= set(compiled.groupindex):
        raise ValueError("it leaves out the day (%d)")
    if not {"month", "name"} & set(compiled.groupindex):
        raise ValueError("it leaves out the month (%m, %b or %B)")
    if not {"year", "short"} & set(compiled.groupindex):
        raise ValueError("it leaves out the year (%Y or %y)")
    return compiled


def _year(parts: dict[str, str]) -> int:
    if "year" in parts:
        return int(parts["year"])
    short = int(parts["short"])
    return short + (2000 if short < 69 else 1900)  # the pivot of POSIX, and so of strptime


def _zone(text: str) -> tzinfo:
    if text in "zZ":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _day(parts: dict[str, str], local: tzinfo) -> date:
    month = int(parts["month"]) if "month" in parts else _MONTHS.get(parts["name"].lower(), 0)
    day = date(_year(parts), month, int(parts["day"]))
    if "zone" not in parts:
        return day
    hour = int(parts.get("hour", 0))
    if "half" in parts:
        hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
    minute, second = int(parts.get("minute", 0)), int(parts.get("second", 0))
    instant = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=_zone(parts["zone"]))
    return instant.astimezone(local).date()


def _in_range(day: date) -> date:
    if not _EARLIEST <= day.year <= _LATEST:
        raise BadValue("out_of_range")
    return day


def _local_date(value: Any, local: tzinfo) -> date | None:
    """Return the day of a value that is already a date, or None."""
    if isinstance(value, datetime):
        try:
            return _in_range((value.astimezone(local) if value.tzinfo else value).date())
        except OverflowError as error:
            raise BadValue("out_of_range") from error
    return _in_range(value) if isinstance(value, date) else None


def date_parser(formats: Sequence[str], local: tzinfo) -> Callable[[Any], date]:
    """Return a parser of dates in the declared `formats`, tried in order; the order of day and month is never guessed.

    A time after the date is ignored unless it has a zone: then the day is that in `local`. The parser raises
    ``bad_date``, or ``out_of_range`` for years outside 1900 to 2100. ValueError if a format is not supported.
    """
    patterns = [compile_date_format(pattern) for pattern in formats]

    def parse(value: Any) -> date:
        if found := _local_date(value, local):
            return found
        text = text_of(value).strip()
        for pattern in patterns:
            if match := pattern.fullmatch(text):
                try:
                    day = _day({name: part for name, part in match.groupdict().items() if part}, local)
                except (ValueError, OverflowError):
                    continue  # a day that does not exist; another format may still fit
                return _in_range(day)
        raise BadValue("bad_date")

    return parse


def datetime_parser(formats: Sequence[str], local: tzinfo) -> Callable[[Any], date]:
    """Return a parser of instants to the day they fall on in `local`; one without a zone is already local.

    Without `formats`, ISO 8601 is read. The parser raises ``bad_date`` or ``out_of_range``.
    """
    if formats:
        return date_parser(formats, local)

    def parse(value: Any) -> date:
        if found := _local_date(value, local):
            return found
        try:
            instant = datetime.fromisoformat(text_of(value).strip())
            day = (instant.astimezone(local) if instant.tzinfo else instant).date()
        except (ValueError, OverflowError) as error:
            raise BadValue("bad_date") from error
        return _in_range(day)

    return parse


# -- academic years ---------------------------------------------------------------------------------------------------


def parse_academic_year(value: Any) -> str:
    """Return ``2025/26`` from any spelling in MIS and ILR files. Raises ``bad_academic_year``.

    They are ``25/26`` (ProSolution), ``2526`` (ILR), ``2025-26``, ``2025/26`` and ``2025-2026``. ``out_of_range`` is a
    year before 2000.
    """
    start = read_academic_year(text_of(value).strip())
    if start is None:
        raise BadValue("bad_academic_year")
    if not 2000 <= start <= 2099:
        raise BadValue("out_of_range")
    return spell_academic_year(start)


PARSERS: dict[str, Callable[[Any], Any]] = {
    "text": parse_text,
    "int": parse_int,
    "decimal": parse_decimal,
    "bool": parse_bool,
    "uln": parse_uln,
    "postcode": parse_postcode,
    "email": parse_email,
    "hours": parse_hours,
    "academic_year": parse_academic_year,
}
"""The parsers of single values, by the type that a mapping names."""
