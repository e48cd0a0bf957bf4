"""The mapping engine: every operation, every refusal, and that neither ever shows a value."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerpost import ConfigError
from fingerpost._mapping.compiled import CompiledMapping, Issue, Mapped, Reject
from fingerpost._mapping.compiler import compile_mapping
from fingerpost._mapping.document import MappingDocument, MappingLibrary
from fingerpost._record.kinds import load_kinds
from fingerpost._record.models import MODELS, Activity, Assignment, CanonicalRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fingerpost._mapping.plan import FieldTrace

LONDON = ZoneInfo("Europe/London")
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = load_kinds()
SHIPPED = sorted((Path(__file__).parents[2] / "mappings" / "fingerpost_mappings" / "sources").glob("*.toml"))
LIBRARY = MappingLibrary(SHIPPED)

HEAD = 'schema_version = 1\nstream = "activities"\n'
WITHOUT_KIND = f'{HEAD}[fields.learner_ref]\nfrom = "ref"\n[fields.starts_on]\nconst = 2025-09-01\n'
ACTIVITY = """
[fields.learner_ref]
from = "ref"
[fields.kind]
const = "employer_encounter"
[fields.starts_on]
const = 2025-09-01
"""


def no_spaces(value: str) -> str:
    return value.replace(" ", "")


def shout(value: Any) -> Any:
    if value == "boom":
        raise ValueError("canary boom")
    if value == "bug":
        raise KeyError("canary bug")
    return None if value == "nothing" else str(value).upper()


CONVERTERS: dict[str, Callable[[Any], Any]] = {"no_spaces": no_spaces, "shout": shout}


def document(text: str, tmp_path: Path | None = None, name: str = "m") -> MappingDocument:
    if tmp_path is None:
        data = tomllib.loads(text)
        return MappingDocument.model_validate({**data, "name": name, "file": f"{name}.toml"})
    folder = tmp_path / "mappings"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return LIBRARY.load(name, tmp_path)


def build(
    text: str,
    converters: Mapping[str, Callable[[Any], Any]] = CONVERTERS,
    never_ingest: Sequence[str] = (),
    zone: ZoneInfo = LONDON,
) -> CompiledMapping:
    return compile_mapping(document(text), converters=converters, kinds=KINDS, never_ingest=never_ingest, timezone=zone)


def activity(fields: str, skip: str = "", null_tokens: str = "") -> CompiledMapping:
    """Compile a mapping of activities with these fields beside those that every activity needs."""
    return build(f"{HEAD}{null_tokens}\n{ACTIVITY}\n{fields}\n{skip}")


def stream_mapping(stream: str) -> CompiledMapping:
    """Compile a mapping in which every field has a column of its own name."""
    info = MODELS[stream].model_fields  # type: ignore[index]
    fields = "".join(f'[fields.{name}]\nfrom = "{name}"\n' for name in info)
    return build(f'schema_version = 1\nstream = "{stream}"\n{fields}')


DAY = "2025-09-01"


def one(mapping: CompiledMapping, **row: Any) -> Any:
    """Map one row that must give a record without a warning."""
    mapped = mapping.apply([{"ref": "L1", **row}])
    assert mapped.issues == []
    (record,) = mapped.records
    assert isinstance(record, CanonicalRecord)
    return record


def issue(mapping: CompiledMapping, **row: Any) -> tuple[str, str]:
    """Map one row that must give a record with exactly one field lost."""
    mapped = mapping.apply([{"ref": "L1", **row}])
    assert isinstance(mapped.records[0], CanonicalRecord)
    ((index, field, code),) = mapped.issues
    assert index == 0
    assert getattr(mapped.records[0], field) is None
    return field, code


def reject(mapping: CompiledMapping, **row: Any) -> Reject:
    mapped = mapping.apply([{"ref": "L1", **row}])
    assert mapped.issues == []
    (record,) = mapped.records
    assert isinstance(record, Reject)
    return record


def refusal(text: str, tmp_path: Path, **options: Any) -> str:
    """Return the sentence with which a mapping is refused; it names the file."""
    with pytest.raises(ConfigError) as caught:
        compile_mapping(
            document(text, tmp_path), **{"converters": CONVERTERS, "kinds": KINDS, "timezone": LONDON, **options}
        )
    assert "m.toml" in caught.value.message
    return caught.value.message


class Lost(NamedTuple):
    """What a bad value makes of an optional field: nothing, and a warning with this code."""

    code: str


def outcome(mapping: CompiledMapping, field: str, row: dict[str, Any]) -> object:
    """Return what a row makes of a field: its value, that it is lost, or that the record is rejected."""
    mapped = mapping.apply([{"ref": "L1", **row}])
    if isinstance(mapped.records[0], Reject):
        return reject(mapping, **row)
    if mapped.issues:
        lost, code = issue(mapping, **row)
        assert lost == field
        return Lost(code)
    return getattr(one(mapping, **row), field)


ONLINE = '[fields.mode]\nfrom = "m"\nvalues = { "Online" = "virtual" }\n'
PIGEON, UNMATCHED = {"m": "carrier pigeon"}, Reject("unmatched_code", "mode")
OF_FIELDS: dict[str, tuple[str, list[tuple[dict[str, Any], object]]]] = {
    "from takes a column": ('[fields.title]\nfrom = "Name of event"', [({"Name of event": "  Talk "}, "Talk")]),
    "from follows a path into nested data": (
        '[fields.title]\nfrom = "event.names[0].text"',
        [({"event": {"names": [{"text": "Talk"}]}}, "Talk"), ({"event": {}}, None), ({}, None)]),
    "a plain key wins over a path": (
        '[fields.title]\nfrom = "event.title"', [({"event.title": "flat", "event": {"title": "deep"}}, "flat")]),
    "a path that fails on a row gives nothing": (
        "[fields.title]\nfrom = \"join(',', event.names)\"",
        [({"event": {"names": ["a", "b"]}}, "a,b"), ({"event": {"names": 3}}, None)]),
    **{f"const is the same for every row, {field}": (f"[fields.{field}]\nconst = {value}", [({}, made)])
       for field, value, made in (("mode", '"virtual"', "virtual"), ("hours", "2", 2.0), ("stem", "false", False))},
    "first_of takes the first that is not empty": (
        '[fields.title]\nfirst_of = ["a", "b", "c"]',
        [({"a": " ", "b": "B", "c": "C"}, "B"), ({"c": "C"}, "C"), ({"a": "", "b": None}, None)]),
    "join leaves out what is empty": (
        '[fields.recorded_by]\njoin = ["first", "last"]',
        [({"first": "Zoë", "last": ""}, "Zoë"), ({"first": " ", "last": None}, None)]),
    "join with a separator": ('[fields.title]\njoin = ["x", "y"]\nsep = "/"', [({"x": "a", "y": 3}, "a/3")]),
    "join refuses what is no text": (
        '[fields.title]\njoin = ["x", "y"]', [({"x": [1], "y": "a"}, Lost("bad_value"))]),
    "split takes the first part unless told": (
        '[fields.title]\nfrom = "t"\nsplit = "-"', [({"t": "Talk - Acme"}, "Talk")]),
    **{f"split takes part {index}": (
           f'[fields.title]\nfrom = "t"\nsplit = ";"\nindex = {index}', [({"t": "a; b ;c"}, part)])
       for index, part in ((0, "a"), (1, "b"), (-1, "c"), (3, None), (-4, None))},
    "default fills what is empty and never what is bad": (
        '[fields.hours]\nfrom = "h"\ndefault = 1.5',
        [({"h": ""}, 1.5), ({}, 1.5), ({"h": "3"}, 3), ({"h": "long"}, Lost("bad_number"))]),
    "an empty field takes the default of the record": ('[fields.state]\nfrom = "s"', [({"s": ""}, "attended")]),
    "values compare stripped, folded and without case": (
        '[fields.mode]\nfrom = "m"\nvalues = { "On  Site" = "in_person", "1" = "virtual" }',
        [({"m": " on site "}, "in_person"), ({"m": "ON\tSITE"}, "in_person"), ({"m": 1}, "virtual"),
         ({"m": 1.0}, "virtual")]),
    "the words of the record itself always count": (ONLINE, [({"m": "In_Person"}, "in_person")]),
    "an unmatched code costs an optional field": (ONLINE, [(PIGEON, Lost("unmatched_code"))]),
    "an unmatched code can cost the record": (
        f'{ONLINE}otherwise = "reject"', [(PIGEON, UNMATCHED), ({"m": ""}, None)]),
    "an unmatched code can have a value of its own": (
        f'{ONLINE}otherwise = {{ value = "mixed" }}', [(PIGEON, "mixed"), ({"m": ""}, None)]),
    "an unmatched code of a required field costs the record": (
        f"{ONLINE}required = true", [(PIGEON, UNMATCHED), ({"m": " "}, Reject("missing_required", "mode"))]),
    "a word for a missed talk never becomes attended": (
        '[fields.state]\nfrom = "s"\nvalues = { "Yes" = "attended" }',
        [({"s": "ill, sadly"}, Reject("unmatched_code", "state"))]),
    "values can be true or false": (
        '[fields.stem]\nfrom = "s"\nvalues = { "STEM" = true, "arts" = false }',
        [({"s": "stem"}, True), ({"s": "Arts"}, False)]),
    "values can be numbers": (
        '[fields.hours]\nfrom = "h"\nvalues = { "half day" = 3, "full day" = 6.5 }', [({"h": "Full Day"}, 6.5)]),
    "values can be days": (
        '[fields.ends_on]\nfrom = "e"\nvalues = { "autumn" = 2025-12-19 }', [({"e": "Autumn"}, date(2025, 12, 19))]),
    "a bad required field costs the record": (
        '[fields.hours]\nfrom = "h"\nrequired = true',
        [({"h": "lots"}, Reject("bad_number", "hours")), ({"h": "9999"}, Reject("out_of_range", "hours")),
         ({"h": None}, Reject("missing_required", "hours")), ({}, Reject("missing_required", "hours"))]),
    "dates are read in the declared formats": (
        '[fields.ends_on]\nfrom = "e"\nformats = ["%d/%m/%Y", "%d %b %Y"]',
        [({"e": "01/10/2025"}, date(2025, 10, 1)), ({"e": "1 Oct 2025"}, date(2025, 10, 1)),
         ({"e": "2025-10-01"}, Lost("bad_date"))]),
    "a postcode can be kept in a text": (
        '[fields.sector]\nfrom = "p"\ntype = "postcode"',
        [({"p": "st42de"}, "ST4 2DE"), ({"p": "nowhere"}, Lost("bad_postcode"))]),
    "control characters do not reach the record": (
        '[fields.title]\nfrom = "t"', [({"t": "two\r\nlines\x00"}, "two lines"), ({"t": "\x00"}, None)]),
    "a converter gets the value after its type, and one that fails costs the field": (
        '[fields.title]\nfrom = "t"\nconvert = "shout"',
        [({"t": " quiet "}, "QUIET"), ({"t": "nothing"}, None), ({"t": ""}, None),
         ({"t": "boom"}, Lost("convert_failed")), ({"t": "bug"}, Lost("convert_failed"))]),
    "a converter works on the words of a code list": (
        '[fields.title]\nfrom = "t"\nvalues = { "1" = "one" }\nconvert = "shout"',
        [({"t": "1"}, "ONE"), ({"t": "2"}, Lost("unmatched_code"))]),
    "a condition can look into nested data": (
        '[[fields.stem.when]]\nif = [{ field = "a.b", is = "x" }]\nvalue = true',
        [({"a": {"b": "X"}}, True), ({"a": {}}, None)]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "row", "expected"),
    [
        pytest.param(fields, row, expected, id=f"{name}-{number}")
        for name, (fields, cases) in OF_FIELDS.items()
        for number, (row, expected) in enumerate(cases)
    ],
)
def test_what_a_row_makes_of_a_field(fields: str, row: dict[str, Any], expected: object) -> None:
    found = outcome(activity(fields), re.findall(r"fields\.(\w+)", fields)[0], row)
    assert found == expected
    assert type(found) is type(expected) or not isinstance(expected, bool)


# -- where a field comes from -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Employer (name)", "start-date", "Übung", "1st choice", "a b.c"])
def test_a_column_name_that_only_looks_like_a_path_is_one_column(name: str) -> None:
    mapping = activity(f'[fields.title]\nfrom = "{name}"')
    assert one(mapping, **{name: "Talk"}).title == "Talk"
    assert mapping.columns == {"ref", name}


def test_the_columns_read_include_the_roots_of_paths() -> None:
    mapping = activity('[fields.title]\nfrom = "a.b"\n[fields.sector]\nfrom = "c.x || d[0].y"')
    assert {"a", "a.b", "c", "d", "ref"} <= mapping.columns
    assert mapping.unread(["a", "c", "ref", "notes"]) == ("notes",)


@pytest.mark.parametrize(
    ("field", "rows", "titles"),
    [
        ('first_of = ["a", "b"]', [{"a": "A", "b": "B"}, {"a": "", "b": "B"}], ["A", "B"]),
        ('from = "t"\ndefault = "Talk"', [{"t": "a"}, {"t": ""}, {"t": " "}], ["a", "Talk", "Talk"]),
    ],
)
def test_every_row_of_a_chunk_is_filled_on_its_own(field: str, rows: list[dict[str, str]], titles: list[str]) -> None:
    mapped = activity(f"[fields.title]\n{field}").apply([{"ref": "1", **row} for row in rows])
    assert [record.title for record in mapped.records if isinstance(record, Activity)] == titles


# -- empty words, stripping, code lists -------------------------------------------------------------------------------


def test_null_tokens_are_matched_after_stripping() -> None:
    mapping = activity(
        '[fields.title]\nfrom = "t"\n[fields.sector]\nfrom = "s"\nnull_tokens = ["none"]',
        null_tokens='null_tokens = ["N/A", "-"]',
    )
    assert one(mapping, t=" N/A ", s="-").title is None
    assert one(mapping, t="n/a", s="-").sector == "-"
    assert one(mapping, s=" none").sector is None
    assert one(mapping, t="", s=" ").sector is None


def test_an_unmatched_code_can_make_the_row_no_record() -> None:
    mapping = activity(
        '[fields.mode]\nfrom = "m"\nvalues = { "Online" = "virtual" }\nrequired = true\notherwise = "skip"',
        skip='[[skip]]\nif = [{ field = "m", is = "Holiday" }]',
    )
    rows = [{"ref": "L1", "m": said} for said in ("Holiday", "carrier pigeon", "Online", "")]
    mapped = mapping.apply(rows)
    assert mapped.records[:2] == [None, None]
    assert [type(record) for record in mapped.records[2:]] == [Activity, Reject]
    assert mapped.issues == []
    assert mapped.passed_over == ((1, "mode", "unmatched_code"),)
    assert mapping.given("mode", rows[1]) == "carrier pigeon"


def test_kinds_are_known_by_their_keys_and_by_the_list() -> None:
    mapping = build(
        f'{WITHOUT_KIND}[fields.kind]\nfrom = "k"\ntype = "kind"\nvalues = {{ "Talk" = "employer_encounter" }}\n'
    )
    assert one(mapping, k="talk").kind == "employer_encounter"
    assert one(mapping, k="LMI_use").kind == "lmi_use"
    assert reject(mapping, k="Holiday") == Reject("unmatched_code", "kind")
    assert reject(mapping, k="") == Reject("missing_required", "kind")


# -- types ------------------------------------------------------------------------------------------------------------


def test_types_follow_from_the_field() -> None:
    mapping = activity(
        '[fields.uln]\nfrom = "u"\n[fields.hours]\nfrom = "h"\n[fields.stem]\nfrom = "s"\n'
        '[fields.adviser_level]\nfrom = "l"\n[fields.ends_on]\nfrom = "e"\n'
    )
    record = one(mapping, u=" 1000000043", h="1:30", s="Y", l="6", e="2025-10-01")
    assert (record.uln, record.hours, record.stem) == ("1000000043", 1.5, True)
    assert (record.adviser_level, record.ends_on) == (6, date(2025, 10, 1))


def test_values_of_json_keep_their_type() -> None:
    mapping = activity(
        '[fields.hours]\nfrom = "h"\n[fields.stem]\nfrom = "s"\n'
        '[fields.title]\nfrom = "t"\n[fields.feedback]\nfrom = "f"'
    )
    mapped = mapping.apply(
        [{"ref": 17, "h": 1, "s": True, "t": 1, "f": 0}, {"ref": "1", "h": True, "s": 1, "t": True, "f": False}]
    )
    first, second = mapped.records
    assert isinstance(first, Activity)
    assert isinstance(second, Activity)
    assert (first.learner_ref, first.hours, first.stem, first.title, first.feedback) == ("17", 1.0, True, "1", False)
    assert (second.stem, second.title, second.feedback, second.hours) == (True, "true", False, None)
    assert mapped.issues == [Issue(1, "hours", "bad_number")]


@pytest.mark.parametrize(
    ("stream", "field", "value", "code"),
    [
        ("activities", "hours", "lots", "bad_number"),
        ("activities", "hours", "2001", "out_of_range"),
        ("activities", "hours", "-1", "out_of_range"),
        ("activities", "hours", [1], "bad_value"),
        ("activities", "stem", "maybe", "bad_bool"),
        ("activities", "adviser_level", "9", "out_of_range"),
        ("activities", "adviser_level", "six", "bad_number"),
        ("activities", "ends_on", "01/10/2025", "bad_date"),
        ("activities", "ends_on", "1025-10-01", "out_of_range"),
        ("activities", "title", "x" * 301, "too_long"),
        ("activities", "title", {"a": 1}, "bad_value"),
        ("activities", "uln", "1000000044", "bad_uln"),
        ("activities", "mode", "by owl", "unmatched_code"),
        ("activities", "event_key", "x" * 61, "too_long"),
        ("learners", "email", "not an address", "bad_email"),
        ("learners", "soc_code", "12", "bad_value"),
        ("programmes", "academic_year", "2025/27", "bad_academic_year"),
        ("programmes", "level", "x" * 11, "too_long"),
    ],
)
def test_a_bad_optional_field_costs_the_field(stream: str, field: str, value: object, code: str) -> None:
    row = {"learner_ref": "L1", "starts_on": DAY, "kind": "lmi_use", field: value}
    assert issue(stream_mapping(stream), **row) == (field, code)


def test_an_instant_falls_on_its_day_in_the_college() -> None:
    text = f'{HEAD}{ACTIVITY}[fields.ends_on]\nfrom = "e"\ntype = "datetime"\n'
    assert one(build(text), e="2025-09-30T23:30:00Z").ends_on == date(2025, 10, 1)
    assert one(build(text, zone=ZoneInfo("UTC")), e="2025-09-30T23:30:00Z").ends_on == date(2025, 9, 30)
    assert one(build(text), e=datetime(2025, 9, 30, 23, 30, tzinfo=UTC)).ends_on == date(2025, 10, 1)


def test_academic_years_have_one_spelling() -> None:
    row = {"learner_ref": "L1", "starts_on": DAY}
    made = [one(stream_mapping("programmes"), **row, academic_year=year).academic_year for year in ("2526", " 25/26")]
    assert made == ["2025/26", "2025/26"]


# -- converters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "type_", "converter", "given", "expected"),
    [
        ("hours", "int", lambda days: days * 6, "2", 12),
        ("title", "text", lambda value: f"length {len(value)}", " a ", "length 1"),
    ],
)
def test_a_converter_gets_a_stripped_value_of_its_type(
    field: str, type_: str, converter: Callable[[Any], Any], given: str, expected: object
) -> None:
    text = f'{HEAD}{ACTIVITY}[fields.{field}]\nfrom = "x"\ntype = "{type_}"\nconvert = "ours"\n'
    assert getattr(one(build(text, {"ours": converter}), x=given), field) == expected


def test_what_a_converter_returns_is_checked() -> None:
    mapping = activity('[fields.mode]\nfrom = "m"\nconvert = "shout"')
    assert issue(mapping, m="in_person") == ("mode", "unmatched_code")
    kind = build(f'{WITHOUT_KIND}[fields.kind]\nfrom = "k"\nconvert = "no_spaces"\n')
    assert one(kind, k="lmi _use").kind == "lmi_use"
    assert reject(kind, k="lmi use") == Reject("unmatched_code", "kind")


# -- when and skip ----------------------------------------------------------------------------------------------------


WHEN = """
[fields.via_curriculum]
from = "via"
[[fields.via_curriculum.when]]
if = [{ field = "where", is = "Class" }, { field = "hours", empty = false }]
value = true
[[fields.via_curriculum.when]]
if = [{ field = "where", in = ["class", "workshop"] }]
value = false
"""


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"where": " class ", "hours": "1"}, True),
        ({"where": "class", "hours": ""}, False),
        ({"where": "Workshop", "hours": "1", "via": "y"}, False),
        ({"where": "hall", "via": "y"}, True),
        ({"where": "hall"}, None),
        ({"via": "n"}, False),
        ({}, None),
        ({"where": "workshop", "via": "perhaps"}, False),  # a bad value is overridden
    ],
)
def test_the_first_when_whose_conditions_all_hold_decides(row: dict[str, str], expected: bool | None) -> None:
    assert one(activity(WHEN), **row).via_curriculum is expected


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ('is = "A b"', " a  B ", True),
        ('is = "a"', "ab", False),
        ("is = true", True, True),
        ("is = true", "TRUE", True),
        ("is = 1", 1.0, True),
        ("is = 2025-09-01", date(2025, 9, 1), True),
        ('is = ""', "", False),
        ('in = ["a", "b"]', "B", True),
        ('in = ["a", "b"]', "c", False),
        ('in = ["a"]', ["a"], False),
        ("empty = true", " N/A ", True),
        ("empty = true", None, True),
        ("empty = true", "x", False),
        ("empty = false", "x", True),
        ("empty = false", ["a"], True),
        ('matches = "t[ -]?level.*"', "T Level Digital", True),
        ('matches = "level"', "T Level", False),
        ('matches = ".*"', "", False),
        ('matches = ".*"', None, False),
    ],
)
def test_conditions(condition: str, value: object, holds: bool) -> None:
    mapping = activity(
        f'[[fields.stem.when]]\nif = [{{ field = "x", {condition} }}]\nvalue = true\n',
        null_tokens='null_tokens = ["N/A"]',
    )
    assert one(mapping, x=value).stem is (True if holds else None)


SKIP = """
[[skip]]
if = [{ field = "type", in = ["Holiday", "Room booking"] }]
[[skip]]
if = [{ field = "type", is = "Staff" }, { field = "ref", empty = true }]
"""


def test_skipped_rows_are_no_records_and_no_rejects() -> None:
    mapping = activity('[fields.hours]\nfrom = "h"', SKIP)
    rows = [
        {"ref": "1", "type": "holiday", "h": "bad"},
        {"ref": "2", "type": "Talk", "h": "bad"},
        {"ref": "", "type": "Staff", "h": "1"},
        {"ref": "3", "type": "Staff", "h": "1"},
        {"ref": "", "type": "Talk", "h": "1"},
    ]
    mapped = mapping.apply(rows)
    assert mapped.records[0] is mapped.records[2] is None
    assert isinstance(mapped.records[1], Activity)
    assert isinstance(mapped.records[3], Activity)
    assert mapped.records[4] == Reject("missing_required", "learner_ref")
    assert mapped.issues == [Issue(1, "hours", "bad_number")]
    assert [mapping.skips(row) for row in rows] == [True, False, True, False, False]


@pytest.mark.parametrize("number", [0, 3])
def test_all_rows_can_be_skipped(number: int) -> None:
    assert activity("", SKIP).apply([{"type": "Holiday"}] * number) == Mapped([None] * number, [])


# -- rules on whole records -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "row", "lacks"),
    [
        ("learners", {"learner_ref": "1"}, None),
        ("learners", {"uln": "1000000043"}, None),
        ("learners", {"given_names": "Zoë"}, "learner_ref"),
        ("learners", {"uln": "9999999999"}, "learner_ref"),
        ("programmes", {"learner_ref": "1", "starts_on": DAY}, None),
        ("programmes", {"starts_on": DAY}, "learner_ref"),
        ("programmes", {"learner_ref": "1"}, "starts_on"),
        ("destinations", {"uln": "1000000043"}, None),
        ("destinations", {"title": "Leeds"}, "learner_ref"),
        ("assignments", {"learner_ref": "1", "group": "A"}, None),
        ("assignments", {"learner_ref": "1", "tutor_email": "a@b.uk"}, None),
        ("assignments", {"group": "A", "tutor_email": "a@b.uk"}, None),
        ("assignments", {"group": "A"}, None),
        ("assignments", {"tutor_email": "a@b.uk"}, "learner_ref"),
        ("assignments", {"learner_ref": "1", "tutor_name": "Ms B"}, "tutor_email"),
        ("activities", {"learner_ref": "1", "kind": "lmi_use", "starts_on": DAY}, None),
        ("activities", {"uln": "1000000043", "kind": "lmi_use", "starts_on": DAY}, None),
        ("activities", {"kind": "lmi_use", "starts_on": DAY}, "learner_ref"),
        ("activities", {"group": "A", "kind": "lmi_use", "starts_on": DAY}, "learner_ref"),
        ("activities", {"subject": "group", "group": "A", "kind": "lmi_use", "starts_on": DAY}, None),
        ("activities", {"subject": "group", "learner_ref": "1", "kind": "lmi_use", "starts_on": DAY}, "group"),
        ("activities", {"subject": "programme", "programme": "P", "kind": "lmi_use", "starts_on": DAY}, None),
        ("activities", {"subject": "programme", "group": "A", "kind": "lmi_use", "starts_on": DAY}, "programme"),
        ("activities", {"learner_ref": "1", "starts_on": DAY}, "kind"),
        ("activities", {"learner_ref": "1", "kind": "lmi_use"}, "starts_on"),
    ],
)
def test_a_record_must_be_about_somebody(stream: str, row: dict[str, str], lacks: str | None) -> None:
    (record,) = stream_mapping(stream).apply([row]).records
    if lacks is None:
        assert isinstance(record, CanonicalRecord)
    else:
        assert record == Reject("missing_required", lacks)


def test_the_reason_of_a_reject_is_the_bad_value_behind_it() -> None:
    mapped = stream_mapping("learners").apply([{"learner_ref": "x" * 41}])
    assert mapped == Mapped([Reject("too_long", "learner_ref")], [])


def test_a_bad_uln_costs_nothing_but_the_uln() -> None:
    mapped = stream_mapping("learners").apply([{"learner_ref": "1", "uln": "1000000044"}])
    assert mapped.issues == [Issue(0, "uln", "bad_uln")]


@pytest.mark.parametrize(
    ("stream", "end"),
    [("activities", "ends_on"), ("programmes", "planned_end"), ("programmes", "actual_end"), ("assignments", "ends_on"),
     ("destinations", "ends_on")],
)  # fmt: skip
def test_an_end_before_its_start_is_lost(stream: str, end: str) -> None:
    row = {"learner_ref": "1", "group": "A", "kind": "lmi_use", "starts_on": DAY}
    mapping = stream_mapping(stream)
    mapped = mapping.apply([{**row, end: "2025-08-31"}, {**row, end: DAY}, {**row, end: ""}])
    ends = [getattr(record, end) for record in mapped.records]
    assert ends == [None, date(2025, 9, 1), None]
    assert mapped.issues == [Issue(0, end, "ends_before_start")]


def test_a_required_end_before_its_start_costs_the_record() -> None:
    text = f'{HEAD}[fields.learner_ref]\nfrom = "ref"\n[fields.kind]\nconst = "lmi_use"\n'
    mapping = build(f'{text}[fields.starts_on]\nfrom = "s"\n[fields.ends_on]\nfrom = "e"\nrequired = true\n')
    assert reject(mapping, s="2025-09-02", e=DAY) == Reject("ends_before_start", "ends_on")


# -- the outcome is that of the models, and does not depend on the cut ------------------------------------------------

CELLS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "N/A", "L1", "a", "y", "no", "perhaps", "2025-09-01", "2024-01-01", "31/02/2025", "1.5", "90 mins",
         "99999", "lmi_use", "Employer talk", "attended", "missed", "virtual", "group", "programme", "boom", "bug",
         "1000000043", "9999999999", "1000000044", "x" * 500, "a\x00b", "\ufeff", "a@b.uk", "6", "Level 6", "tutor"]
    ),
    st.text(max_size=8),
    st.integers(-5, 3000),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.lists(st.text(max_size=2), max_size=2),
)  # fmt: skip


@st.composite
def chunks(draw: st.DrawFn, columns: Sequence[str]) -> list[dict[str, Any]]:
    wanted = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=8, unique=True))
    whole = st.fixed_dictionaries(dict.fromkeys(wanted, CELLS))
    some = st.dictionaries(st.sampled_from(wanted), CELLS)
    return draw(st.lists(st.one_of(whole, some) if draw(st.booleans()) else whole, min_size=1, max_size=12))


SHIPPED_MAPPINGS = {
    name: compile_mapping(LIBRARY.load(name, Path("nowhere")), converters={}, kinds=KINDS, timezone=LONDON)
    for name in ("careers-log", "promonitor-activities", "assignments", "learners", "programmes", "destinations")
}
ODD = activity(
    WHEN + '[fields.title]\njoin = ["a", "b"]\nconvert = "shout"\n[fields.sector]\nfrom = "a"\nsplit = ";"\n'
    '[fields.state]\nfrom = "s"\n[fields.hours]\nfrom = "hours"\ndefault = 1\n[fields.recorded_by]\nfrom = "a.b"\n',
    SKIP,
)
ALL_MAPPINGS = [*SHIPPED_MAPPINGS.values(), *map(stream_mapping, MODELS), ODD]
CASES = st.sampled_from(ALL_MAPPINGS).flatmap(
    lambda mapping: st.tuples(st.just(mapping), chunks(sorted(mapping.columns)))
)


@untimed
@given(CASES, st.data())
def test_any_cut_gives_the_same(case: tuple[CompiledMapping, list[dict[str, Any]]], data: st.DataObject) -> None:
    mapping, rows = case
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    whole = mapping.apply(rows)
    records: list[CanonicalRecord | Reject | None] = []
    issues: list[Issue] = []
    passed_over: list[Issue] = []
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        part = mapping.apply(rows[start:end])
        records += part.records
        issues += [Issue(index + start, field, code) for index, field, code in part.issues]
        passed_over += [Issue(index + start, field, code) for index, field, code in part.passed_over]
    assert (records, issues, tuple(passed_over)) == whole
    assert len(whole.records) == len(rows)


@untimed
@given(CASES)
def test_every_record_is_one_that_its_model_accepts(case: tuple[CompiledMapping, list[dict[str, Any]]]) -> None:
    mapping, rows = case
    model = MODELS[mapping.stream]
    for record in mapping.apply(rows).records:
        if isinstance(record, CanonicalRecord):
            assert type(record) is model
            assert model.model_validate(record.model_dump()) == record
            assert list(record.__dict__) == list(model.model_fields)
            copy = record.model_copy(update={"learner_ref": "other"})
            assert copy.learner_ref == "other"


@untimed
@given(CASES)
def test_explain_tells_what_apply_does(case: tuple[CompiledMapping, list[dict[str, Any]]]) -> None:
    mapping, rows = case
    for row in rows:
        mapped = mapping.apply([row])
        traces = mapping.explain(row)
        (record,) = mapped.records
        if isinstance(record, CanonicalRecord):
            assert {trace.field: trace.result for trace in traces} == {
                trace.field: getattr(record, trace.field) for trace in traces
            }
            problems = {trace.field: trace.problem for trace in traces if trace.problem}
            assert problems == {issue.field: issue.code for issue in mapped.issues}
        elif isinstance(record, Reject):
            assert (record.field, record.reason) in [(trace.field, trace.problem) for trace in traces]


@untimed
@given(st.lists(st.sampled_from(["Acme", " Acme ", "x" * 301, "", "N/A", "a\tb", None, 3]), min_size=1, max_size=200))
def test_long_columns_of_text_go_the_same_way(titles: list[str | int | None]) -> None:
    mapping = activity('[fields.title]\nfrom = "t"', null_tokens='null_tokens = ["N/A"]')
    rows = [{"ref": str(number), "t": title} for number, title in enumerate(titles)]
    assert mapping.apply(rows).records == [mapping.apply([row]).records[0] for row in rows]


def test_more_distinct_values_than_are_remembered() -> None:
    mapping = activity('[fields.hours]\nfrom = "h"')
    rows = [{"ref": "1", "h": f"{number / 100}"} for number in range(25_000)]
    hours = [record.hours for record in mapping.apply(rows).records if isinstance(record, Activity)]
    assert hours == [number / 100 for number in range(25_000)]


def test_records_are_apart_from_each_other() -> None:
    first, second = activity("").apply([{"ref": "1"}, {"ref": "2"}]).records
    assert isinstance(first, Activity)
    assert isinstance(second, Activity)
    first.title = "changed"
    assert second.title is None


# -- explaining a row -------------------------------------------------------------------------------------------------


def traces_of(mapping: CompiledMapping, **row: Any) -> dict[str, FieldTrace]:
    return {trace.field: trace for trace in mapping.explain({"ref": "L1", **row})}


def test_a_trace_shows_columns_raw_values_steps_and_result() -> None:
    mapping = activity('[fields.ends_on]\nfirst_of = ["e", "f"]\nformats = ["%d/%m/%Y"]\n' + WHEN)
    traces = traces_of(mapping, f=" 01/10/2025", where="workshop", via="no")
    ends = traces["ends_on"]
    assert (ends.columns, ends.raw, ends.result) == (("e", "f"), (None, " 01/10/2025"), date(2025, 10, 1))
    assert ends.steps == (
        "take the first column that is not empty",
        'strip it: "01/10/2025"',
        "read it as a date, %d/%m/%Y: 2025-10-01",
        "check it against the careers record: 2025-10-01",
    )
    via = traces["via_curriculum"]
    assert via.columns == ("via", "where", "hours")
    assert via.steps == ('the when on "where" applies: false',)
    assert traces["kind"].steps == ('it is always: "employer_encounter"',)


def test_a_trace_shows_where_it_stopped() -> None:
    trace = traces_of(activity('[fields.hours]\nfrom = "h"'), h="soon")["hours"]
    assert (trace.result, trace.problem) == (None, "bad_number")
    assert trace.steps[-1] == "read it as hours: refused (bad_number)"


def test_a_trace_of_a_rejected_row_names_the_reason() -> None:
    trace = traces_of(activity(""), ref="")["learner_ref"]
    assert trace.problem == "missing_required"
    assert trace.steps == ("strip it: nothing",)


def test_the_repr_of_a_trace_shows_no_value() -> None:
    trace = traces_of(activity('[fields.title]\nfrom = "t"'), t="Zoë canary")["title"]
    assert "canary" not in repr(trace)


# -- columns of a source ----------------------------------------------------------------------------------------------


def test_missing_columns_are_those_without_which_every_row_would_be_refused() -> None:
    mapping = SHIPPED_MAPPINGS["careers-log"]
    assert mapping.missing(["learner_ref", "activity_type", "activity_date"]) == ()
    assert mapping.missing(["tutor_group", "activity_type", "date"]) == ()
    assert mapping.missing(["learner_ref"]) == ("activity_type", "date or activity_date or start_date")
    assert mapping.missing(["activity_type", "date"]) == ("learner_ref or uln or group or tutor_group or programme",)
    assert SHIPPED_MAPPINGS["assignments"].missing(["learner_ref"]) == ("tutor_email or tutor_group or group",)
    assert SHIPPED_MAPPINGS["learners"].missing(["email"]) == ("learner_ref or uln",)


def test_constants_and_defaults_need_no_column() -> None:
    assert activity('[fields.hours]\nfrom = "h"\nrequired = true\ndefault = 1').missing(["ref"]) == ()
    assert activity('[fields.hours]\nfrom = "h"\nrequired = true').missing(["ref"]) == ("h",)
    assert activity('[fields.title]\nfrom = "a.b"\nrequired = true').missing(["ref", "a"]) == ()


def test_unread_columns_keep_their_order() -> None:
    assert SHIPPED_MAPPINGS["learners"].unread(["z", "email", "notes", "learner_ref"]) == ("z", "notes")


# -- the fingerprint --------------------------------------------------------------------------------------------------


TITLE, MODE = '[fields.title]\nfrom = "t"\n', '[fields.mode]\nfrom = "m"\nvalues = { a = "mixed", b = "virtual" }\n'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (build(f"{HEAD}{ACTIVITY}"), build(f'description = "words"\n{HEAD}{ACTIVITY}')),
        (activity(TITLE + MODE), activity(MODE + TITLE)),
        (build(f"{HEAD}{ACTIVITY}", {}), build(f"{HEAD}{ACTIVITY}", CONVERTERS)),
    ],
    ids=["description", "order of tables", "unused converters"],
)
def test_the_fingerprint_ignores_what_changes_no_record(one: CompiledMapping, other: CompiledMapping) -> None:
    assert one.fingerprint == other.fingerprint
    int(one.fingerprint, 16)


def test_the_fingerprint_changes_with_whatever_changes_a_record() -> None:
    text = f'{HEAD}{ACTIVITY}[fields.title]\nfrom = "t"\nconvert = "shout"\n'
    variants = [
        build(text),
        build(text, {"shout": no_spaces}),
        build(text.replace('"t"', '"u"')),
        build(text.replace('"employer_encounter"', '"lmi_use"')),
        build(text, zone=ZoneInfo("UTC")),
        build(f'{text}[[skip]]\nif = [{{ field = "x", is = "y" }}]\n'),
        build(f'{text}[[skip]]\nif = [{{ field = "x", is = true }}]\n'),
        build(f"{text}required = true\n"),
        compile_mapping(document(text), converters=CONVERTERS, kinds=["employer_encounter"], timezone=LONDON),
    ]
    assert len({mapping.fingerprint for mapping in variants}) == len(variants)


def test_a_converter_without_source_has_a_fingerprint() -> None:
    text = f'{HEAD}{ACTIVITY}[fields.title]\nfrom = "t"\nconvert = "c"\n'
    assert build(text, {"c": str.upper}).fingerprint != build(text, {"c": str.lower}).fingerprint


# -- refusals of the document -----------------------------------------------------------------------------------------


WRONG_DOCUMENTS: list[tuple[str, list[str]]] = [
    (f'{HEAD}kye = ["a"]\n{ACTIVITY}', ["There is no table or key 'kye'.", "Did you mean 'key'?"]),
    (f'{HEAD}name = "x"\n{ACTIVITY}', ["There is no table or key 'name'.", "Choose from: description"]),
    (HEAD, ["The table [fields.NAME] is missing: write"]),
    (f"{HEAD}[fields]\n", ["The table [fields.NAME] is missing: write"]),
    (f'schema_version = 1\n{ACTIVITY}', ["The key stream is missing: one of learners, programmes,"]),
    (f'schema_version = 1\nstream = "people"\n{ACTIVITY}', ["stream must be 'learners', 'programmes',"]),
    (f'stream = "activities"\n{ACTIVITY}', ["schema_version = 1"]),
    (f'schema_version = 2\nstream = "activities"\n{ACTIVITY}', ["schema_version"]),
    (f'{WITHOUT_KIND}[fields.kind]\nfrom = "k"\nvalues = {{ Talk = "employer_encouter" }}\n',
     ['[fields.kind] values."Talk"', "Did you mean 'employer_encounter'?"]),
    (f'{WITHOUT_KIND}[fields.kind]\nconst = "employer"\n', ["not a kind"]),
    (f'{HEAD}feeds = ["lmi_us"]\n{ACTIVITY}', ["Did you mean 'lmi_use'?"]),
    ('schema_version = 1\nstream = "learners"\nfeeds = ["lmi_use"]\n[fields.learner_ref]\nfrom = "r"\n',
     ["only activities have kinds"]),
    (f'{HEAD}[fields.learner_ref]\nfrom = "ref"\n[fields.kind]\nconst = "lmi_use"\n',
     ["[fields.starts_on]: this table is missing"]),
    ('schema_version = 1\nextends = ["a", "b"]\n', ["extends must be the name of one mapping"]),
    *((f'schema_version = 1\nstream = "{stream}"\n[fields.{field}]\nfrom = "x"\n', [f"at least one of {needs}"])
      for stream, field, needs in (
          ("learners", "email", "learner_ref, uln"), ("destinations", "title", "learner_ref, uln"),
          ("assignments", "tutor_email", "learner_ref, uln, group"),
          ("assignments", "learner_ref", "tutor_email, group"))),
]  # fmt: skip
WRONG_TABLES = [
    ('[fields.title]\nform = "t"', ["[fields.title] has no key 'form'. Did you mean"]),
    ('[fields.title]\nfrom = "t"\ntype = "txt"', ["[fields.title] type must be 'text', 'int',"]),
    ('[fields.title]\nfrom = ["t"]', ["[fields.title] from must be text in quotes."]),
    ('[fields.title]\nfirst_of = "t"', ["[fields.title] first_of must be a list, such as"]),
    ('[fields.title]\nfrom = "t"\nrequired = "yes"', ["required", "true or false"]),
    ('[fields.mode]\nfrom = "t"\notherwise = "ignore"', ['otherwise must be "reject", "null"']),
    ('[fields.mode]\nfrom = "t"\notherwise = { val = 1 }', ['otherwise must be "reject"']),
    ('[fields.mode]\nfrom = "t"\nvalues = ["a"]', ['values must be { "what the source says"']),
    ('[fields.mode]\nfrom = "t"\nvalues = { a = ["b"] }', ["values.a must be text,"]),
    ('[fields.ends_on]\nfrom = "t"\nformats = "%d"', ["[fields.ends_on] formats must be a"]),
    ("[fields.title]\nconst = [1]", ["[fields.title] const must be text, a number"]),
    ('[[fields.stem.when]]\nvalue = true', ["[fields.stem] when item 1 needs the key if"]),
    ("[[fields.stem.when]]\nif = []\nvalue = true", ["[fields.stem] when item 1, if must be"]),
    ('[[fields.stem.when]]\nif = [{ feild = "x", is = 1 }]\nvalue = true',
     ["[fields.stem] when item 1, if item 1 has no key 'feild'. Did you mean 'field'?"]),
    ('[[skip]]\nif = [{ field = "x", equals = 1 }]', ["[[skip]] number 1 if item 1 has no"]),
    ('[fields.title]\nfrom = "t', ["not valid TOML", "line"]),
    ('[fields.titel]\nfrom = "t"', ["[fields.titel]", "Did you mean 'title'?"]),
    ('[fields.title]\nfrom = "t"\nconst = "x"', ["both const and from"]),
    ('[fields.title]\nfrom = "t"\nfirst_of = ["a"]', ["both first_of and from"]),
    ("[fields.title]\nrequired = true", ["where it comes from"]),
    ("[fields.title]", ["where it comes from"]),
    ('[fields.title]\nconst = "x"\ntype = "text"', ["type", "from, first_of or join"]),
    ('[fields.title]\nconst = "x"\ndefault = "y"', ["default", "const"]),
    ('[fields.title]\nfrom = "t"\nsep = "-"', ["sep needs join"]),
    ('[fields.title]\nfrom = "t"\nindex = 1', ["index needs split"]),
    ('[fields.title]\njoin = ["a", "b"]\nsplit = ";"', ["split needs from"]),
    ('[fields.title]\nfrom = "t"\ntype = "date"', ['type = "date"', "title", "text or postcode"]),
    ('[fields.stem]\nfrom = "t"\ntype = "int"', ['type = "int"', "bool"]),
    ('[fields.uln]\nfrom = "t"\ntype = "text"', ['type = "text"', "uln"]),
    ('[fields.title]\nfrom = "t"\nformats = ["%d/%m/%Y"]', ["formats are for dates"]),
    ('[fields.title]\nfrom = "t"\ntype = "text"\nformats = ["%d/%m/%Y"]', ["formats are for dates"]),
    ('[fields.ends_on]\nfrom = "t"\nformats = ["%d/%m"]', ["[fields.ends_on] formats", '"%d/%m"', "year"]),
    ('[fields.ends_on]\nfrom = "t"\ntype = "datetime"\nformats = ["%H"]', ['"%H"', "day"]),
    ('[fields.title]\nfrom = "t"\nconvert = "shoot"', ["converter called 'shoot'", "Did you mean 'shout'?"]),
    ('[fields.title]\nfrom = "t"\notherwise = "null"', ["otherwise", "values"]),
    ('[fields.mode]\nfrom = "t"\nvalues = { a = "virtal" }', ['[fields.mode] values."a"', "Did you mean 'virtual'?"]),
    ('[fields.mode]\nfrom = "t"\nvalues = { a = "mixed", A = "virtual" }', ['"A"', "twice"]),
    ('[fields.mode]\nconst = "virtal"', ["[fields.mode] const", "Did you mean 'virtual'?"]),
    ('[fields.mode]\nfrom = "t"\ndefault = "virtal"', ["[fields.mode] default", "Did you mean 'virtual'?"]),
    ('[fields.mode]\nfrom = "t"\notherwise = { value = "v" }',
     ["[fields.mode] otherwise", "Choose from: in_person, mixed,"]),
    ('[fields.state]\nfrom = "t"\notherwise = "null"', ["state cannot be empty", '"reject"']),
    ('[fields.stem]\nfrom = "t"\nvalues = { a = "true" }', ["true or false, without quotes"]),
    ('[fields.ends_on]\nfrom = "t"\nvalues = { a = "2025-09-01" }', ["a date without quotes"]),
    ('[fields.hours]\nconst = "2"', ["a number without quotes"]),
    ("[fields.hours]\nconst = 2001", ["cannot hold this value"]),
    ("[fields.title]\nconst = 3", ["cannot hold this value"]),
    ('[[fields.mode.when]]\nif = [{ field = "x", is = "y" }]\nvalue = "v"', ["[fields.mode] when"]),
    ('[[fields.stem.when]]\nif = [{ field = "x" }]\nvalue = true', ["exactly one of is, in, empty and matches"]),
    ('[[fields.stem.when]]\nif = [{ field = "x", is = 1, in = [2] }]\nvalue = true', ["exactly one"]),
    ('[[fields.stem.when]]\nif = [{ field = "x", matches = "(" }]\nvalue = true', ["not a regular expression"]),
    ('[[skip]]\nif = [{ field = "x" }]', ["[[skip]] number 1", "exactly one"]),
]  # fmt: skip
"""Tables beside those of a mapping that is right."""


@pytest.mark.parametrize(
    ("text", "says"), [*WRONG_DOCUMENTS, *((f"{HEAD}{ACTIVITY}{tables}\n", says) for tables, says in WRONG_TABLES)]
)
def test_a_document_that_is_not_right_is_refused(text: str, says: list[str], tmp_path: Path) -> None:
    message = refusal(text, tmp_path)
    for words in says:
        assert words in message


@pytest.mark.parametrize(
    "fields",
    [
        '[fields.title]\nfrom = "notes"',
        '[fields.title]\nfirst_of = ["t", "notes"]',
        '[fields.title]\njoin = ["t", "notes"]',
        '[fields.title]\nfrom = "notes.text"',
        '[[fields.stem.when]]\nif = [{ field = "notes", is = "y" }]\nvalue = true',
        '[[skip]]\nif = [{ field = "notes", is = "y" }]',
    ],
)
def test_a_mapping_may_not_read_what_is_never_taken_in(fields: str, tmp_path: Path) -> None:
    message = refusal(f"{HEAD}{ACTIVITY}{fields}\n", tmp_path, never_ingest=["Notes", "notes"])
    assert "never_ingest" in message
    assert '"notes' in message


def test_columns_that_are_never_taken_in_and_not_read_do_not_matter() -> None:
    assert build(f"{HEAD}{ACTIVITY}", never_ingest=["notes"]).unread(["notes"]) == ("notes",)


# -- the library and extends ------------------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def test_names_are_those_of_the_shipped_mappings() -> None:
    assert MappingLibrary([Path("b/two.toml"), Path("a/one.toml")]).names() == ("one", "two")


def test_a_bare_name_means_the_local_mapping_first(tmp_path: Path) -> None:
    shipped = write(tmp_path / "shipped", "log", f'{HEAD}description = "shipped"\n{ACTIVITY}')
    library = MappingLibrary([shipped])
    assert library.load("log", tmp_path).description == "shipped"
    write(tmp_path / "mappings", "log", f'{HEAD}description = "local"\n{ACTIVITY}')
    assert library.load("log", tmp_path).description == "local"
    assert library.load("log", tmp_path).name == "log"


def test_the_first_of_two_shipped_mappings_stands(tmp_path: Path) -> None:
    first = write(tmp_path / "a", "log", f'{HEAD}description = "first"\n{ACTIVITY}')
    second = write(tmp_path / "b", "log", f'{HEAD}description = "second"\n{ACTIVITY}')
    assert MappingLibrary([first, second]).load("log", tmp_path).description == "first"


@pytest.mark.parametrize("name", ["other/log.toml", "log.toml", "./log.toml"])
def test_a_path_starts_at_the_configuration(name: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / name).write_text(f"{HEAD}{ACTIVITY}", encoding="utf-8")
    assert LIBRARY.load(name, tmp_path).name == "log"


@pytest.mark.parametrize("name", ["gone.toml", "folder/gone"])
def test_a_path_without_a_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no mapping"):
        LIBRARY.load(name, tmp_path)


def test_an_unknown_name_gets_the_nearest_spelling(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'careers-log'"):
        LIBRARY.load("carers-log", tmp_path)
    write(tmp_path / "mappings", "our-own-log", f"{HEAD}{ACTIVITY}")
    with pytest.raises(ConfigError, match="Did you mean 'our-own-log'"):
        LIBRARY.load("our-own-lgo", tmp_path)
    with pytest.raises(ConfigError, match=r"There is no mapping 'x'\. A mapping of your own would be .*x\.toml\."):
        MappingLibrary([]).load("x", tmp_path / "empty")


def test_notepad_may_write_its_mark(tmp_path: Path) -> None:
    write(tmp_path, "m", f"{HEAD}{ACTIVITY}", encoding="utf-8-sig")
    assert LIBRARY.load("m.toml", tmp_path).stream == "activities"


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "m", f'{HEAD}description = "Zoë"\n{ACTIVITY}', encoding="cp1252")
    with pytest.raises(ConfigError, match=r"m\.toml.*UTF-8"):
        LIBRARY.load("m.toml", tmp_path)


def fields_of(mapping: MappingDocument) -> dict[str, Any]:
    dumped: dict[str, Any] = mapping.model_dump(mode="json", by_alias=True)["fields"]
    return dumped


BASE = f'{HEAD}key = ["id"]\n{ACTIVITY}[fields.title]\nfrom = "t"\nrequired = true\n{SKIP}'


def overlay(text: str, tmp_path: Path) -> MappingDocument:
    """Load a mapping of this text that extends BASE."""
    write(tmp_path / "mappings", "base", BASE)
    return document(f'schema_version = 1\nextends = "base"\n{text}', tmp_path)


def test_an_overlay_replaces_fields_by_name(tmp_path: Path) -> None:
    top = overlay('[fields.title]\nfrom = "u"\n[fields.sector]\nfrom = "s"\n', tmp_path)
    base = LIBRARY.load("base", tmp_path)
    assert (top.stream, top.key, top.skip) == ("activities", ["id"], base.skip)
    assert top.fields["title"].from_ == "u"
    assert top.fields["title"].required is False
    assert set(top.fields) == {*base.fields, "sector"}


def test_an_overlay_replaces_skip_and_key(tmp_path: Path) -> None:
    top = overlay('skip = []\nkey = ["a"]\n', tmp_path)
    assert (top.skip, top.key) == ([], ["a"])


def test_an_empty_table_takes_a_field_out(tmp_path: Path) -> None:
    assert "title" not in overlay("[fields.title]\n", tmp_path).fields


def test_a_local_mapping_may_extend_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    top = document(
        'schema_version = 1\nextends = "careers-log"\n[fields.title]\nfrom = "Thema"\n', tmp_path, "careers-log"
    )
    assert top.fields["title"].from_ == "Thema"
    assert top.fields["kind"] == LIBRARY.load("careers-log", tmp_path / "elsewhere").fields["kind"]


@pytest.mark.parametrize(
    ("base", "text", "says"),
    [
        (BASE, 'stream = "learners"\n', "stream differs"),
        (BASE, "fields = 3\n", r"write \[fields\.NAME\] on a line of its own"),
        (f"{HEAD}fields = 3\n", "", r"write \[fields\.NAME\] on a line of its own"),
    ],
)
def test_an_overlay_that_does_not_fit_is_refused(base: str, text: str, says: str, tmp_path: Path) -> None:
    write(tmp_path / "mappings", "base", base)
    with pytest.raises(ConfigError, match=rf"m\.toml.*{says}"):
        document(f'schema_version = 1\nextends = "base"\n{text}', tmp_path)


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ("base", "leads back to this file"),
        ("m", r"m\.toml.*leads back to this file"),
        ("nothing-like-it", r"m\.toml.*extends names the mapping"),
        ("../x.toml", r"m\.toml.*extends names the mapping"),
    ],
)
def test_circles_and_gaps_in_extends_are_refused(extends: str, says: str, tmp_path: Path) -> None:
    write(tmp_path / "mappings", "base", 'schema_version = 1\nextends = "m"\n')
    with pytest.raises(ConfigError, match=says):
        document(f'schema_version = 1\nextends = "{extends}"\n', tmp_path)


OPTIONAL = ["title", "sector", "organisation", "recorded_by"]
OVERLAYS = st.dictionaries(st.sampled_from(OPTIONAL), st.sampled_from(["one", "two", "three"]))


def as_toml(head: str, fields: Mapping[str, str]) -> str:
    tables = "".join(f"[fields.{name}]\nfrom = {json.dumps(column)}\n" for name, column in fields.items())
    return f"schema_version = 1\n{head}\n{tables}"


@untimed
@given(OVERLAYS, OVERLAYS, OVERLAYS)
def test_the_laws_of_extends(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, str], two: dict[str, str], three: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("college")
    mappings = folder / "mappings"
    write(mappings, "base", f"{HEAD}{ACTIVITY}{as_toml('', one).replace('schema_version = 1', '')}")
    write(mappings, "nothing", as_toml('extends = "base"', {}))
    write(mappings, "over", as_toml('extends = "base"', two))
    write(mappings, "twice", as_toml('extends = "over"', two))
    write(mappings, "chain", as_toml('extends = "over"', three))
    write(mappings, "at-once", as_toml('extends = "base"', {**two, **three}))
    loaded = {name: fields_of(LIBRARY.load(name, folder)) for name in
              ("base", "nothing", "over", "twice", "chain", "at-once")}  # fmt: skip
    assert loaded["nothing"] == loaded["base"]
    assert loaded["twice"] == loaded["over"]
    assert loaded["chain"] == loaded["at-once"]
    assert {name: loaded["over"][name]["from"] for name in two} == two


# -- what is shipped --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIBRARY.names())
def test_every_shipped_mapping_compiles(name: str) -> None:
    shipped = LIBRARY.load(name, Path("nowhere"))
    mapping = compile_mapping(shipped, converters={}, kinds=KINDS, timezone=LONDON)
    assert shipped.description
    assert set(mapping.key) <= mapping.columns | {"activity_id", "Session ID"}


def test_kinds_are_in_plain_words() -> None:
    assert list(KINDS) == [kind.key for kind in KINDS.values()]
    for kind in KINDS.values():
        words = f"{kind.singular} {kind.plural} {kind.description}"
        assert kind.singular != kind.plural
        assert kind.description.endswith(".")
        for jargon in ("LMI", "via curriculum", "encounter", "criterion", "gap", "at risk"):
            assert jargon not in words


EVERYDAY_WORDS = {
    "Employer talk": "employer_encounter", "CAREERS FAIR": "employer_encounter", "Alumni talk": "employer_encounter",
    "Mock interview": "mock_interview", "Work experience": "workplace_experience",
    "workplace  visit": "workplace_experience", "Industry placement": "workplace_experience",
    "Part-time job": "parttime_job", "University visit": "provider_encounter", "UCAS fair": "provider_encounter",
    "Apprenticeship talk": "provider_encounter", "Guidance interview": "guidance_meeting",
    "Careers interview": "guidance_meeting", "1:1 careers meeting": "guidance_meeting", "LMI session": "lmi_use",
    "Careers research": "lmi_use", "CV workshop": "employability_session",
    "Subject careers link": "curriculum_link", "guidance_meeting": "guidance_meeting",
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "field", "expected"),
    [
        *(({"activity_type": words}, "kind", kind) for words, kind in EVERYDAY_WORDS.items()),
        ({}, "subject", "learner"),
        ({"group": "TG1"}, "subject", "learner"),
        ({"learner_ref": "", "group": "TG1"}, "subject", "group"),
        ({"learner_ref": " ", "tutor_group": "TG1"}, "group", "TG1"),
        ({"learner_ref": "", "programme": "P1"}, "subject", "programme"),
        ({"activity_type": "UCAS fair"}, "provider_type", "university"),
        ({"activity_type": "Apprenticeship talk"}, "provider_type", "apprenticeship_provider"),
        ({"activity_type": "UCAS fair", "provider_type": "College"}, "provider_type", "fe_college"),
        ({"activity_type": "Provider talk"}, "provider_type", None),
        ({"activity_type": "Simulated work experience"}, "mode", "simulated"),
        ({"mode": "Face to face"}, "mode", "in_person"),
        ({"status": "DNA"}, "state", "missed"),
        ({"status": "Booked"}, "state", "planned"),
        ({"status": ""}, "state", "attended"),
        ({"via_course": "Y"}, "via_curriculum", True),
        ({"meaningful": ""}, "meaningful", None),
        ({"hours": "90 mins"}, "hours", 1.5),
        ({"date": "2025-10-02", "end_date": "3 Oct 2025"}, "ends_on", date(2025, 10, 3)),
        ({"employer": "-"}, "organisation", None),
        ({"adviser_level": "Level 6"}, "adviser_level", 6),
        ({"activity_type": "Tea"}, "kind", Reject("unmatched_code", "kind")),
        ({"date": "soon"}, "starts_on", Reject("bad_date", "starts_on")),
        ({"learner_ref": ""}, "learner_ref", Reject("missing_required", "learner_ref")),
        ({"status": "who knows"}, "state", Reject("unmatched_code", "state")),
    ],
)
def test_a_careers_log_is_read(row: dict[str, str], field: str, expected: object) -> None:
    base = {"learner_ref": "L1", "activity_type": "Employer talk", "date": "01/09/2025"}
    (record,) = SHIPPED_MAPPINGS["careers-log"].apply([{**base, **row}]).records
    if isinstance(expected, Reject):
        assert record == expected
    else:
        assert isinstance(record, Activity)
        assert getattr(record, field) == expected


ROSTER = {
    "learner_ref": "LRN0000001", "uln": "1000000043", "given_names": "Zoë", "family_name": "Ní-Bhriain",
    "date_of_birth": "01/09/2007", "email": "zoe1@Students.example.ac.uk", "tutor_name": "Mei Brown",
    "tutor_email": "mei.brown@staff.example.ac.uk", "tutor_group": "TG0001", "programme": "T Level Digital",
    "level": "3", "start_date": "08/09/2025", "planned_end_date": "10/07/2027", "ehcp": "Y", "lac": "N",
    "intended_destination": "University",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("learners", {"uln": "1000000043", "date_of_birth": date(2007, 9, 1), "ehc_plan": True, "looked_after": False,
                      "email": "zoe1@students.example.ac.uk", "intended_destination": "University"}),
        ("programmes", {"title": "T Level Digital", "type": "t_level", "level": "3", "starts_on": date(2025, 9, 8),
                        "planned_end": date(2027, 7, 10)}),
        ("assignments", {"group": "TG0001", "tutor_name": "Mei Brown", "role": "tutor",
                         "tutor_email": "mei.brown@staff.example.ac.uk"}),
    ],
)  # fmt: skip
def test_one_roster_feeds_three_streams(name: str, expected: dict[str, Any]) -> None:
    mapping = SHIPPED_MAPPINGS[name]
    assert mapping.missing(ROSTER) == ()
    assert set(mapping.key) <= set(ROSTER)
    mapped = mapping.apply([ROSTER])
    assert mapped.issues == []
    (record,) = mapped.records
    assert isinstance(record, CanonicalRecord)
    assert record.learner_ref == "LRN0000001"
    assert {field: getattr(record, field) for field in expected} == expected


def test_an_unknown_role_gets_no_mail() -> None:
    mapped = SHIPPED_MAPPINGS["assignments"].apply([{**ROSTER, "role": "Progress coach"}, {**ROSTER, "role": "Parent"}])
    assert isinstance(mapped.records[0], Assignment)
    assert mapped.records[1] == Reject("unmatched_code", "role")


# -- no value is ever shown -------------------------------------------------------------------------------------------


@untimed
@given(CASES)
def test_reasons_and_codes_are_from_a_closed_set(case: tuple[CompiledMapping, list[dict[str, Any]]]) -> None:
    codes = {
        "missing_required", "bad_date", "bad_uln", "bad_bool", "bad_number", "out_of_range", "too_long", "bad_email",
        "unmatched_code", "bad_value", "bad_academic_year", "convert_failed", "ends_before_start",
    }  # fmt: skip
    mapping, rows = case
    mapped = mapping.apply(rows)
    fields = set(MODELS[mapping.stream].model_fields)
    for record in mapped.records:
        if isinstance(record, Reject):
            assert record.reason in codes
            assert record.field in fields
    for _, field, code in mapped.issues:
        assert code in codes
        assert field in fields


def test_the_repr_of_a_mapping_shows_no_value_it_has_seen() -> None:
    mapping = activity('[fields.title]\nfrom = "t"\n[fields.hours]\nfrom = "h"')
    mapping.apply([{"ref": "canary", "t": "canary", "h": "canary"}] * 100)
    assert "canary" not in repr(mapping)


def test_a_field_with_nothing_but_codes_adds_them_to_those_of_the_base(tmp_path: Path) -> None:
    kind = '[fields.kind]\nfrom = "what"\ntype = "kind"\nrequired = true\n'
    base = write(tmp_path / "shipped", "base", f'{WITHOUT_KIND}{kind}values = {{ "Talk" = "employer_encounter" }}\n')
    own = 'schema_version = 1\nextends = "base"\n[fields.kind]\nvalues = { "Chat" = "guidance_meeting" }\n'
    write(tmp_path / "mappings", "own", own)
    compiled = compile_mapping(
        MappingLibrary([base]).load("own", tmp_path), converters={}, kinds=KINDS, timezone=LONDON
    )
    assert [one(compiled, what=word).kind for word in ("Talk", "Chat")] == ["employer_encounter", "guidance_meeting"]
