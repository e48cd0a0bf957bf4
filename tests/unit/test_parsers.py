"""The shared parsers: what each accepts, what each refuses, and that a refusal never quotes its input."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerpost._record.parsers import (
    BadValue,
    compile_date_format,
    date_parser,
    datetime_parser,
    fold,
    fold_controls,
    parse_academic_year,
    parse_bool,
    parse_decimal,
    parse_email,
    parse_hours,
    parse_int,
    parse_postcode,
    parse_text,
    parse_uln,
    text_of,
)
from fingerpost._words.days import academic_year_bounds, academic_year_of

if TYPE_CHECKING:
    from collections.abc import Callable

LONDON = ZoneInfo("Europe/London")
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))


def code_of(parse: Callable[[Any], object], value: object) -> str:
    with pytest.raises(BadValue) as caught:
        parse(value)
    return caught.value.code


# -- what each reads and what it refuses -------------------------------------------------------------------------------

BRITISH, MONTH_FIRST = date_parser(["%d/%m/%Y"], LONDON), date_parser(["%m/%d/%Y", "%d/%m/%Y"], LONDON)
COMPACT, IN_WORDS = date_parser(["%Y%m%d"], LONDON), date_parser(["%d %b %Y"], LONDON)
ZONED = date_parser(["%d/%m/%Y %H:%M %z", "%d/%m/%Y %I:%M %p %z"], LONDON)
INSTANT = datetime_parser([], LONDON)

READ: dict[str, tuple[Callable[[Any], object], list[tuple[object, object]]]] = {
    "a ULN with padding or as a number": (
        parse_uln, [("  1000000043 ", "1000000043"), ("100 000 0043", "1000000043"), (1000000043, "1000000043")]),
    "the temporary ULN": (parse_uln, [("9999999999", "9999999999")]),
    "an academic year as a number": (parse_academic_year, [(2526, "2025/26")]),
    "single digits that something separates": (BRITISH, [("1/9/2025", date(2025, 9, 1))]),
    "September as Sept": (IN_WORDS, [("1 Sept. 2025", date(2025, 9, 1))]),
    "a weekday is read over": (
        date_parser(["%a %d %B %Y"], LONDON), [("Mon 1 September 2025", date(2025, 9, 1))]),
    "formats in their order": (
        date_parser(["%d/%m/%Y", "%m/%d/%Y"], LONDON), [("03/04/2025", date(2025, 4, 3))]),
    "formats in another order": (
        MONTH_FIRST, [("03/04/2025", date(2025, 3, 4)), ("30/04/2025", date(2025, 4, 30))]),
    "a zone gives the local day": (
        ZONED, [(text, date(2025, 9, 2)) for text in ("01/09/2025 23:30 +0000", "01/09/2025 11:30 pm Z")]),
    "a zone west of Greenwich": (
        date_parser(["%Y-%m-%dT%H:%M%z"], LONDON), [("2025-01-01T20:00-05:00", date(2025, 1, 2))]),
    "noon and midnight": (
        ZONED, [("01/01/2025 12:30 am +0100", date(2024, 12, 31)), ("01/01/2025 12:30 pm +0100", date(2025, 1, 1))]),
    "dates of a database": (
        BRITISH, [(date(2025, 9, 1), date(2025, 9, 1)), (datetime(2025, 9, 1, 23, 30), date(2025, 9, 1)),
                  (datetime(2025, 9, 1, 23, 30, tzinfo=UTC), date(2025, 9, 2))]),
    "an instant falls on its local day": (
        INSTANT, [("2025-09-01", date(2025, 9, 1)), ("2025-09-01T23:30:00", date(2025, 9, 1)),
                  ("2025-09-01T23:30:00Z", date(2025, 9, 2)), ("2025-09-01T23:30:00+02:00", date(2025, 9, 1)),
                  ("2025-01-01 23:30:00Z", date(2025, 1, 1))]),
    "an instant with a format": (
        datetime_parser(["%d/%m/%Y %H:%M"], LONDON), [("01/09/2025 10:00", date(2025, 9, 1))]),
    "instants of a database": (INSTANT, [(datetime(2025, 9, 1, 23, 30, tzinfo=UTC), date(2025, 9, 2))]),
    "hours": (
        parse_hours,
        [("1.5", 1.5), ("1:30", 1.5), ("01:30:00", 1.5), ("90 mins", 1.5), ("90min", 1.5), ("90m", 1.5), ("2h", 2),
         ("2 hrs", 2), ("1 hour", 1), ("1h 30m", 1.5), ("1h30", 1.5), ("1 hr 30 mins", 1.5), ("1.5 hours", 1.5),
         ("0", 0), (".5", 0.5), ("1,200", 1200), (" 3 ", 3), ("20 mins", 0.3333), ("-1", -1)]),
    "numbers": (parse_decimal, [("3.25", 3.25), ("1,234.5", 1234.5), (Decimal("2.5"), 2.5), (7, 7.0)]),
    "yes": (
        parse_bool, [(said, True) for word in ("y", "yes", "true", "t", "1") for said in (word, f" {word.upper()} ")]),
    "no": (
        parse_bool, [(said, False) for word in ("n", "no", "false", "f", "0") for said in (word, f" {word.upper()} ")]),
    "yes and no of JSON": (parse_bool, [(True, True), (1, True), (1.0, True), (False, False), (0, False)]),
    "the domain of an address in small letters": (
        parse_email, [("  Zoe.Smith@Example.AC.uk ", "Zoe.Smith@example.ac.uk")]),
    "postcodes in one spelling": (
        parse_postcode, [("sw1a1aa", "SW1A 1AA"), (" st4  2de ", "ST4 2DE"), ("M1 1AE", "M1 1AE"),
                         ("GIR 0AA", "GIR 0AA"), ("ZZ99 9ZZ", "ZZ99 9ZZ")]),
    "text as one clean line": (
        parse_text,
        [("  Zoë  ", "Zoë"), ("two\nlines", "two lines"), ("nul\x00l", "nul l"), ("\ufeffBOM", "BOM"), ("\x07", None),
         ("half \ud800", "half \ufffd"), (12.0, "12"), (12.5, "12.5"), (True, "true"),
         (date(2025, 9, 1), "2025-09-01")]),
}  # fmt: skip
REFUSED: dict[str, tuple[Callable[[Any], object], str, list[object]]] = {
    "ULN": (parse_uln, "bad_uln",
            ["", "0123456789", "123456789", "12345678901", "100000004X", "\u0663" * 10, "1000000040"]),
    "academic year": (parse_academic_year, "bad_academic_year",
                      ["", "2025", "2025/27", "25/27", "2026/25", "25/2026", "2525", "autumn", "2025//26"]),
    "academic year before 2000": (parse_academic_year, "out_of_range", ["98/99"]),
    "date": (BRITISH, "bad_date",
             ["", "soon", "31/02/2025", "00/01/2025", "1/1/25", "1/9/2025 10:00", "0\u0661/09/2025"]),
    "day and month are never swapped": (BRITISH, "bad_date", ["09/13/2025"]),
    "single digits that nothing separates": (COMPACT, "bad_date", ["202591"]),
    "unknown month": (IN_WORDS, "bad_date", ["1 Foo 2025"]),
    "impossible time": (date_parser(["%d/%m/%Y %H:%M"], LONDON), "bad_date", ["01/09/2025 25:00"]),
    "absurd year": (BRITISH, "out_of_range", ["01/09/1025", "01/09/9025"]),
    "last instant of a database": (
        BRITISH, "out_of_range", [datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))]),
    "instant": (INSTANT, "bad_date", ["yesterday"]),
    "first instant": (INSTANT, "out_of_range", ["0001-01-01"]),
    "hours": (parse_hours, "bad_number",
              ["", "1,5", "half a day", "1:75", "nan", "inf", "1e3", "2 days", "h", "1.5.1"]),
    "whole number": (parse_int, "bad_number", ["", "3.5", "three", "1,5", "inf"]),
    "number": (parse_decimal, "bad_number", ["", "1,5", "12,34", "nan", "£3"]),
    "yes or no": (parse_bool, "bad_bool", ["", "maybe", "2", "yess", "x"]),
    "address": (parse_email, "bad_email",
                ["", "zoe", "zoe@", "@example.org", "zoe@example", "a b@c.de", "Zoe <zoe@c.de>", "a@b@c.de",
                 "a@b.c\x00d"]),
    "postcode": (parse_postcode, "bad_postcode", ["", "ST4", "ST4 2CE", "12345", "ST42 22DE"]),
    "scalar": (text_of, "bad_value", [[1], {"a": 1}, object(), b"bytes"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "value", "read"),
    [pytest.param(parse, *pair, id=f"{name}-{pair[0]}") for name, (parse, pairs) in READ.items() for pair in pairs],
)
def test_what_is_read(parse: Callable[[Any], object], value: object, read: object) -> None:
    found = parse(value)
    assert found == read
    assert not isinstance(read, bool) or found is read


@pytest.mark.parametrize(
    ("parse", "code", "value"),
    [
        pytest.param(parse, code, value, id=f"{name}-{number}")
        for name, (parse, code, values) in REFUSED.items()
        for number, value in enumerate(values)
    ],
)
def test_what_is_refused(parse: Callable[[Any], object], code: str, value: object) -> None:
    assert code_of(parse, value) == code


# -- ULN --------------------------------------------------------------------------------------------------------------


def with_check_digit(nine: int) -> str | None:
    """Return the ten digits that the ILR's rule gives, computed apart from the parser."""
    digits = [int(digit) for digit in str(nine)]
    total = 0
    for position in range(9):
        total += digits[position] * (10 - position)
    return None if total % 11 == 0 else f"{nine}{10 - total % 11}"


NINE_DIGITS = st.integers(100_000_000, 999_999_999)


@untimed
@given(NINE_DIGITS)
def test_exactly_one_check_digit_is_right_or_none(nine: int) -> None:
    right = with_check_digit(nine)
    accepted = []
    for digit in range(10):
        try:
            accepted.append(parse_uln(f"{nine}{digit}"))
        except BadValue as error:
            assert error.code == "bad_uln"
    expected = {right} - {None} | ({"9999999999"} if nine == 999_999_999 else set())
    assert set(accepted) == expected


# -- academic years ---------------------------------------------------------------------------------------------------


@untimed
@given(st.integers(2000, 2098))
def test_every_spelling_of_an_academic_year_means_the_same(start: int) -> None:
    canonical = f"{start}/{(start + 1) % 100:02d}"
    end = start + 1
    spellings = [canonical, f"{start}-{end % 100:02d}", f"{start}-{end}", f"{start}/{end}", f" {start} - {end} "]
    if start < 2089:
        spellings += [f"{start % 100:02d}/{end % 100:02d}", f"{start % 100:02d}{end % 100:02d}"]
        spellings += [f"{start % 100:02d}-{end % 100:02d}"]
    assert {parse_academic_year(spelling) for spelling in spellings} == {canonical}


@untimed
@given(DAYS)
def test_a_day_lies_within_its_academic_year(day: date) -> None:
    first, last = academic_year_bounds(academic_year_of(day))
    assert first <= day <= last
    assert (first.month, first.day, last.month, last.day) == (8, 1, 7, 31)
    assert last.year == first.year + 1


@untimed
@given(st.dates(date(2000, 8, 1), date(2099, 7, 31)))
def test_the_name_of_a_year_is_read_as_itself(day: date) -> None:
    assert parse_academic_year(academic_year_of(day)) == academic_year_of(day)


# -- dates ------------------------------------------------------------------------------------------------------------

UNAMBIGUOUS = ["%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%d.%m.%Y", "%Y%m%d", "%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December"]  # fmt: skip


@untimed
@given(DAYS, st.sampled_from(UNAMBIGUOUS))
def test_what_a_format_writes_it_reads(day: date, pattern: str) -> None:
    written = datetime(day.year, day.month, day.day, 13, 5, 9).strftime(pattern)
    assert date_parser([pattern], LONDON)(written) == day


@untimed
@given(DAYS, st.booleans(), st.booleans())
def test_months_are_english_words_in_any_case(day: date, short: bool, capitals: bool) -> None:
    month = MONTHS[day.month - 1]
    month = month[:3] if short else month
    text = f"{day.day} {month.upper() if capitals else month} {day.year}"
    assert date_parser(["%d %b %Y"], LONDON)(text) == date_parser(["%d %B %Y"], LONDON)(text) == day


@untimed
@given(st.dates(date(1969, 1, 1), date(2068, 12, 31)))
def test_two_digit_years_turn_at_69(day: date) -> None:
    assert date_parser(["%d/%m/%y"], LONDON)(day.strftime("%d/%m/%y")) == day


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("%d/%m", "year"),
        ("%m/%Y", "day"),
        ("%d/%Y", "month"),
        ("%Q/%m/%Y", "%Q is not supported"),
        ("%d/%m/%Y %", "% is not supported"),
        ("%d/%d/%m/%Y", "twice"),
        ("dd/mm/yyyy", "day"),
    ],
)
def test_formats_that_cannot_work_are_refused(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        compile_date_format(pattern)


# -- numbers ----------------------------------------------------------------------------------------------------------


@untimed
@given(st.integers(0, 99), st.integers(0, 59))
def test_hours_and_minutes_are_read_alike_in_every_spelling(hours: int, minutes: int) -> None:
    expected = round(hours + minutes / 60, 4)
    spellings = [f"{hours}:{minutes:02d}", f"{hours}h {minutes}m", f"{hours} hours {minutes} minutes"]
    assert {parse_hours(spelling) for spelling in spellings} == {expected}


@pytest.mark.parametrize(("value", "number"), [("3", 3), ("3.0", 3), ("1,000", 1000), (3, 3), (3.0, 3), ("-2", -2)])
def test_whole_numbers_are_read(value: object, number: int) -> None:
    assert parse_int(value) == number
    assert type(parse_int(value)) is int


@untimed
@given(st.integers(-(10**30), 10**30))
def test_long_whole_numbers_keep_every_digit(number: int) -> None:
    assert parse_int(str(number)) == number


# -- addresses and text -----------------------------------------------------------------------------------------------


@untimed
@given(st.text(st.characters(exclude_categories=[])))
def test_clean_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    cleaned = fold_controls(text)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned
    assert "\n" not in cleaned
    assert fold_controls(cleaned) == cleaned


@untimed
@given(st.text())
def test_folding_twice_changes_nothing_for_ascii(text: str) -> None:
    ascii_only = text.encode("ascii", "ignore").decode("ascii")
    assert fold(fold(ascii_only)) == fold(ascii_only) == fold(f"  {ascii_only.upper()}\t")


# -- no refusal quotes its input --------------------------------------------------------------------------------------

CODES = {"bad_uln", "bad_academic_year", "out_of_range", "bad_date", "bad_number", "bad_bool", "bad_email",
         "bad_postcode", "bad_value"}  # fmt: skip
ALL: list[Callable[[Any], object]] = [
    parse_uln, parse_academic_year, date_parser(["%d/%m/%Y"], LONDON), datetime_parser([], LONDON), parse_hours,
    parse_int, parse_decimal, parse_bool, parse_email, parse_postcode, parse_text,
]  # fmt: skip
ANYTHING = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), DAYS, st.datetimes(), st.lists(st.text(), max_size=2)
)


@untimed
@given(ANYTHING, st.sampled_from(ALL))
def test_a_parser_returns_a_value_or_a_known_code(value: object, parse: Callable[[Any], object]) -> None:
    try:
        parse(value)
    except BadValue as error:
        assert error.code in CODES
        assert error.args == (error.code,)
