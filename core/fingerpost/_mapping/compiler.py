"""Compile a mapping document: say what the fields of a source mean.

A mapping is a TOML file with a closed set of operations. It is compiled once and then applied column by column to
chunks of rows: each distinct value is worked out once and then looked up, and fields are validated as whole columns
against the types of the canonical models. The file is never interpreted row by row.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fingerpost._mapping.columns import Column, CompiledCondition, CompiledConditions, clean_cell
from fingerpost._mapping.compiled import NEEDED_PARTY, CompiledMapping
from fingerpost._mapping.document import Condition, Fallback, FieldDocument, MappingDocument
from fingerpost._mapping.plan import FieldPlan, Step
from fingerpost._record.models import MODELS, SCHEMA_VERSION, CanonicalRecord
from fingerpost._record.parsers import (
    PARSERS,
    PARSERS_VERSION,
    BadValue,
    compile_date_format,
    date_parser,
    datetime_parser,
    fold,
    parse_text,
    text_of,
)
from fingerpost._words.errors import ConfigError
from fingerpost._words.nearest import did_you_mean

Converter: TypeAlias = Callable[[Any], Any]


# -- the compiler -----------------------------------------------------------------------------------------------------

_CODES = {
    "string_too_long": "too_long",
    **dict.fromkeys(("greater_than", "greater_than_equal", "less_than", "less_than_equal"), "out_of_range"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "float_type", "float_parsing"), "bad_number"),
    "finite_number": "bad_number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "bad_bool"),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "bad_date"),
    "date_from_datetime_inexact": "bad_date",
    "literal_error": "unmatched_code",
}
"""Reason codes for pydantic's error types; any other is a bad_value."""

_SHAPE_TYPES: dict[str, tuple[str, ...]] = {
    "date": ("date", "datetime"),
    "bool": ("bool",),
    "float": ("hours", "decimal", "int"),
    "int": ("int",),
    "code": ("text",),
    "kind": ("kind",),
    "uln": ("uln",),
    "email": ("email",),
    "academic_year": ("academic_year",),
    "str": ("text", "postcode"),
}
"""The types that suit each shape of canonical field; the first is the default."""


@dataclass(frozen=True, slots=True)
class _Target:
    """One canonical field in the model."""

    name: str
    shape: str
    nullable: bool
    default: Any
    choices: tuple[str, ...]
    adapter: TypeAdapter[Any]
    column_adapter: TypeAdapter[list[Any]]


@cache
def _target(model: type[CanonicalRecord], name: str) -> _Target:
    """Return a field of a model; making its adapters takes half the time of compiling a mapping."""
    info = model.model_fields[name]
    options = get_args(info.annotation)
    nullable = NoneType in options
    inner = next(option for option in options if option is not NoneType) if nullable else info.annotation
    base = get_args(inner)[0] if get_origin(inner) is Annotated else inner
    choices = get_args(base) if get_origin(base) is Literal else ()
    if choices:
        shape = "code"
    elif base is str:
        shape = {"tutor_email": "email"}.get(name, name if name in _SHAPE_TYPES else "str")
    else:
        shape = cast("type", base).__name__
    hint: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    config = ConfigDict(str_strip_whitespace=True, hide_input_in_errors=True)
    default = None if info.is_required() else info.default
    return _Target(
        name, shape, nullable, default, choices, TypeAdapter(hint, config=config),
        TypeAdapter(cast("Any", list)[hint | None], config=config),
    )  # fmt: skip


class _Compiler:
    def __init__(
        self, document: MappingDocument, converters: Mapping[str, Converter], kinds: Collection[str], zone: ZoneInfo
    ) -> None:
        self.document = document
        self.converters = converters
        self.kinds = kinds
        self.zone = zone
        self.model = MODELS[document.stream]
        self.used: dict[str, Converter] = {}

    def refuse(self, place: str, sentence: str, meant: str = "") -> ConfigError:
        return ConfigError(f"{self.document.file}: {place}: {sentence}.{meant}")

    def plans(self) -> tuple[FieldPlan, ...]:
        known = self.model.model_fields
        for name in self.document.fields:
            if name not in known:
                sentence = f"the stream {self.document.stream} has no such field"
                raise self.refuse(f"[fields.{name}]", sentence, did_you_mean(name, known))
        for name, info in known.items():
            if info.is_required() and name not in self.document.fields:
                raise self.refuse(f"[fields.{name}]", "this table is missing, and every record needs it")
        for needed in NEEDED_PARTY[self.document.stream]:
            if not set(needed) & set(self.document.fields):
                raise self.refuse("[fields]", f"the mapping needs at least one of {', '.join(needed)}")
        ordered = [name for name in known if name in self.document.fields]
        return tuple(self.plan(name, self.document.fields[name]) for name in ordered)

    def skips(self) -> tuple[CompiledConditions, ...]:
        nulls = frozenset({"", *self.document.null_tokens})
        tables = enumerate(self.document.skip, start=1)
        return tuple(self.tests(table.if_, nulls, f"[[skip]] number {number}") for number, table in tables)

    def tests(self, conditions: Sequence[Condition], nulls: frozenset[str], place: str) -> CompiledConditions:
        where = f"{self.document.file}: {place}"
        return CompiledConditions(tuple(CompiledCondition(condition, nulls, where) for condition in conditions))

    def plan(self, name: str, said: FieldDocument) -> FieldPlan:
        place, target = f"[fields.{name}]", _target(self.model, name)
        self.check_combination(place, said)
        tokens = self.document.null_tokens if said.null_tokens is None else said.null_tokens
        nulls = frozenset({"", *tokens})
        gather, columns = _gather(said)
        steps, plain = self.steps(place, said, target, nulls) if columns else ((), False)
        whens = tuple(
            (self.tests(when.if_, nulls, place), self.literal(f"{place} when", when.value, target))
            for when in said.when
        )
        default, words = target.default, "it is empty, so the record has"
        if said.const is not None:
            default, words = self.literal(f"{place} const", said.const, target), "it is always"
        elif said.default is not None:
            default, words = self.literal(f"{place} default", said.default, target), "it is empty, and the default is"
        model_requires = self.model.model_fields[name].is_required()
        required = said.required or model_requires
        return FieldPlan(
            name=name, gather=gather, columns=columns, whens=whens, steps=steps, nulls=nulls, default=default,
            default_words=words, required=required, fatal=required or not target.nullable,
            texts=target.column_adapter if plain else None,
        )  # fmt: skip

    def check_combination(self, place: str, said: FieldDocument) -> None:
        """Refuse operations that contradict each other or have no effect."""
        given = {info.alias or name for name, info in FieldDocument.model_fields.items()
                 if name in said.model_fields_set}  # fmt: skip
        sources = given & {"from", "first_of", "join", "const"}
        if len(sources) > 1:
            raise self.refuse(place, f"says both {' and '.join(sorted(sources))}; keep one")
        if not sources and not said.when:
            raise self.refuse(place, 'does not say where it comes from; write from = "the column"')
        reads = sources - {"const"}
        if not reads and (idle := given - {"const", "when", "default", "required", "null_tokens"}):
            raise self.refuse(place, f"{sorted(idle)[0]} has nothing to work on; it needs from, first_of or join")
        for operation, needs in (("sep", "join"), ("index", "split"), ("split", "from")):
            if operation in given and needs not in given:
                raise self.refuse(place, f"{operation} needs {needs} as well")
        if "const" in given and "default" in given:
            raise self.refuse(place, "default has no effect with const; remove one")

    def steps(
        self, place: str, said: FieldDocument, target: _Target, nulls: frozenset[str]
    ) -> tuple[tuple[Step, ...], bool]:
        """Return the steps from the source's value to a valid one, and whether the field is plain text."""
        steps: list[Step] = []
        if said.join is not None:
            steps.append(_join_step(" " if said.sep is None else said.sep, nulls))
        if said.split is not None:
            steps.append(_split_step(said.split, said.index or 0))
        steps.append(_clean_step(nulls, said.strip))
        kind_of_value = self.value_type(place, said, target)
        codes = self.codes(place, said, target, kind_of_value)
        steps.append(codes if codes is not None else self.parse_step(place, said, kind_of_value))
        if said.convert is not None:
            steps.append(self.convert_step(place, said.convert))
        steps.append(self.check_step(target))
        plain = kind_of_value == "text" and said.strip and len(steps) == 3 and codes is None
        return tuple(steps), plain

    def value_type(self, place: str, said: FieldDocument, target: _Target) -> str:
        suitable = _SHAPE_TYPES[target.shape]
        if said.type is None:
            if said.formats is not None and suitable[0] != "date":
                raise self.refuse(place, f"formats are for dates, and {target.name} is not one; remove formats")
            return "text" if said.convert is not None else suitable[0]
        if said.type not in suitable and said.convert is None:
            raise self.refuse(place, f'type = "{said.type}" does not suit {target.name}; write {" or ".join(suitable)}')
        if said.formats is not None and said.type not in {"date", "datetime"}:
            raise self.refuse(place, f'formats are for dates, and the type is "{said.type}"; remove one')
        return said.type

    def codes(self, place: str, said: FieldDocument, target: _Target, kind_of_value: str) -> Step | None:
        """Return the step of a code list: the mapping's own, and the model's choices if it has a closed set."""
        own: Collection[str] = ()
        if said.convert is None:
            own = self.kinds if kind_of_value == "kind" else target.choices
        if said.values is None and not own:
            if said.otherwise is not None:
                raise self.refuse(place, "otherwise is for values that are not in a list; add values or remove it")
            return None
        table: dict[str, Any] = {fold(word): word for word in own}
        seen: dict[str, Any] = {}
        for code, meaning in (said.values or {}).items():
            if seen.setdefault(fold(code), meaning) != meaning:
                raise self.refuse(f"{place} values", f'"{code}" appears twice with different meanings')
            table[fold(code)] = (
                meaning if said.convert is not None else self.literal(f'{place} values."{code}"', meaning, target)
            )
        return Step(f"look it up in the list of {len(table)} values", self.lookup(place, said, target, table))

    def lookup(
        self, place: str, said: FieldDocument, target: _Target, table: Mapping[str, Any]
    ) -> Callable[[Any], Any]:
        fallback: Any = None
        if isinstance(said.otherwise, Fallback):
            fallback = said.otherwise.value
            if said.convert is None:
                fallback = self.literal(f"{place} otherwise", fallback, target)
        elif said.otherwise == "null" and not target.nullable:
            raise self.refuse(place, f'{target.name} cannot be empty; write otherwise = "reject" or {{ value = ... }}')
        fatal, skip = said.otherwise == "reject", said.otherwise == "skip"

        def look_up(value: Any) -> Any:
            found = table.get(fold(value), fallback)
            if found is None:
                raise BadValue("unmatched_code", fatal=fatal, skip=skip)
            return found

        return look_up

    def parse_step(self, place: str, said: FieldDocument, kind_of_value: str) -> Step:
        if kind_of_value == "date":
            formats = said.formats or ["%Y-%m-%d"]
            self.check_formats(place, formats)
            return Step(f"read it as a date, {' or '.join(formats)}", date_parser(formats, self.zone))
        if kind_of_value == "datetime":
            self.check_formats(place, said.formats or [])
            return Step("read it as an instant and take its local day", datetime_parser(said.formats or [], self.zone))
        if kind_of_value == "kind":
            return Step("read it as a kind", parse_text)
        words = {"uln": "a ULN with its check digit", "bool": "yes or no", "email": "an e-mail address", "int":
                 "a whole number", "decimal": "a number", "academic_year": "an academic year"}  # fmt: skip
        return Step(f"read it as {words.get(kind_of_value, kind_of_value)}", PARSERS[kind_of_value])

    def check_formats(self, place: str, formats: Sequence[str]) -> None:
        for pattern in formats:
            try:
                compile_date_format(pattern)
            except ValueError as error:
                raise self.refuse(f"{place} formats", f'"{pattern}" is not a date format: {error}') from error

    def convert_step(self, place: str, name: str) -> Step:
        converter = self.converters.get(name)
        if converter is None:
            meant = did_you_mean(name, self.converters)
            raise self.refuse(f"{place} convert", f"there is no converter called '{name}'", meant)
        self.used[name] = converter

        def convert(value: Any) -> Any:
            try:
                return converter(value)
            except Exception as error:  # a plugin's code: its fault costs the field, not the stream
                raise BadValue("convert_failed") from error

        return Step(f'convert it with "{name}"', convert)

    def check_step(self, target: _Target) -> Step:
        kinds = self.kinds if target.shape == "kind" else None

        def check(value: Any) -> Any:
            try:
                checked = target.adapter.validate_python(value)
            except ValidationError as error:
                raise BadValue(_code_of(error, target.shape)) from None
            if kinds is not None and checked not in kinds:
                raise BadValue("unmatched_code")
            return checked

        return Step("check it against the careers record", check)

    def literal(self, place: str, value: Any, target: _Target) -> Any:
        """Return a value given by the mapping itself, or refuse one that the record cannot hold."""
        if target.shape == "kind" and value not in self.kinds:
            raise self.refuse(place, f"'{value}' is not a kind of activity", did_you_mean(str(value), self.kinds))
        try:
            return target.adapter.validate_python(value, strict=True)
        except ValidationError:
            pass
        if target.choices:
            meant = did_you_mean(str(value), target.choices)
            raise self.refuse(place, f"{target.name} cannot be '{value}'", meant)
        example = {"date": "a date without quotes, such as 2025-09-01", "bool": "true or false, without quotes",
                   "float": "a number without quotes", "int": "a whole number without quotes"}  # fmt: skip
        hint = example.get(target.shape, "text that fits the field")
        raise self.refuse(place, f"{target.name} cannot hold this value; write {hint}")

    def fingerprint(self) -> str:
        says = self.document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        facts = {
            "mapping": says,
            "converters": {name: _identity(converter) for name, converter in self.used.items()},
            "kinds": sorted(self.kinds) if self.document.stream == "activities" else [],
            "zone": str(self.zone),
            "versions": [SCHEMA_VERSION, PARSERS_VERSION],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8")).hexdigest()[:32]


def _identity(converter: Converter) -> list[str]:
    """Return what changes when a converter does: its name and, if Python can find it, its source."""
    try:
        source = inspect.getsource(converter)
    except (OSError, TypeError):
        source = ""
    named = converter if hasattr(converter, "__qualname__") else type(converter)
    return [str(getattr(named, "__module__", "")), str(named.__qualname__), source]


def _gather(said: FieldDocument) -> tuple[Literal["none", "from", "first_of", "join"], tuple[Column, ...]]:
    if said.from_ is not None:
        return "from", (Column(said.from_),)
    if said.first_of is not None:
        return "first_of", tuple(map(Column, said.first_of))
    if said.join is not None:
        return "join", tuple(map(Column, said.join))
    return "none", ()


def _join_step(sep: str, nulls: frozenset[str]) -> Step:
    def join(parts: tuple[Any, ...]) -> str | None:
        kept = (clean_cell(part, nulls) for part in parts)
        return sep.join(text_of(part) for part in kept if part is not None) or None

    return Step(f'join the parts that are not empty with "{sep}"', join)


def _split_step(separator: str, index: int) -> Step:
    def split(value: Any) -> str | None:
        parts = text_of(value).split(separator)
        return parts[index] if -len(parts) <= index < len(parts) else None

    return Step(f'split it at "{separator}" and take part {index}', split)


def _clean_step(nulls: frozenset[str], strip: bool) -> Step:
    def clean(value: Any) -> Any:
        cleaned = clean_cell(value, nulls)
        return cleaned if strip or cleaned is None else value

    return Step("strip it" if strip else "see whether it is empty", clean)


def _code_of(error: ValidationError, shape: str) -> str:
    """Return the reason code of a field that pydantic refused."""
    kind = error.errors(include_url=False, include_input=False, include_context=False)[0]["type"]
    if kind == "string_pattern_mismatch" and shape in {"email", "uln", "academic_year"}:
        return f"bad_{shape}"
    return _CODES.get(kind, "bad_value")


def compile_mapping(
    document: MappingDocument,
    *,
    converters: Mapping[str, Converter],
    kinds: Collection[str],
    never_ingest: Collection[str] = (),
    timezone: ZoneInfo,
) -> CompiledMapping:
    """Check a mapping against the careers record and make it ready to apply.

    `kinds` are the keys of the kinds of activity, `never_ingest` the columns that privacy keeps out, `timezone` the
    zone of instants without one. ConfigError names the file, the field and the operation, and what to write.
    """
    compiler = _Compiler(document, converters, kinds, timezone)
    plans, skips = compiler.plans(), compiler.skips()
    if document.feeds and document.stream != "activities":
        raise compiler.refuse("feeds", f"only activities have kinds, and the stream is {document.stream}; remove it")
    for kind in document.feeds:
        if kind not in kinds:
            raise compiler.refuse("feeds", f"'{kind}' is not a kind of activity", did_you_mean(kind, kinds))
    read = [(f"[fields.{plan.name}]", column) for plan in plans for column in plan.all_columns]
    read += [("[[skip]]", test.column) for tests in skips for test in tests.tests]
    for place, column in read:
        if column.is_in(never_ingest):
            raise compiler.refuse(place, f'reads the column "{column.name}", which [privacy] never_ingest keeps out; '
                                         "remove it from one of the two")  # fmt: skip
    return CompiledMapping(
        name=document.name,
        stream=document.stream,
        key=tuple(document.key),
        feeds=tuple(document.feeds),
        columns=frozenset().union(*(column.reads for _, column in read)),
        fingerprint=compiler.fingerprint(),
        _model=compiler.model,
        _plans=plans,
        _skips=skips,
    )
