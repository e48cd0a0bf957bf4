"""Mappings: what the fields of a source mean.

A mapping is a TOML file with a closed set of operations. It is compiled once and then applied column by column to
chunks of rows: each distinct value is worked out once and looked up afterwards, and the fields are validated as whole
columns against the types of the canonical models. Nothing interprets the file while rows pass.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import repeat
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
)

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from pydantic import ConfigDict, TypeAdapter, ValidationError

from fingerpost._errors import ConfigError
from fingerpost._mapping_file import (
    Condition,
    Fallback,
    FieldDocument,
    Kind,
    MappingDocument,
    MappingLibrary,
    did_you_mean,
    load_kinds,
)
from fingerpost._parsers import (
    PARSERS_VERSION,
    BadValue,
    check_date_format,
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
from fingerpost._records import MODELS, SCHEMA_VERSION, TEMPORARY_ULN, Activity, Assignment, CanonicalRecord

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from fingerpost._messages import StreamName

__all__ = [
    "CompiledMapping",
    "FieldTrace",
    "Issue",
    "Kind",
    "Mapped",
    "MappingDocument",
    "MappingLibrary",
    "Reject",
    "compile_mapping",
    "load_kinds",
]

Converter: TypeAlias = Callable[[Any], Any]

_MEMO_LIMIT = 10_000
"""Distinct values of one column that are remembered; real files repeat their dates and codes far below it."""

_SAMPLE = 64
"""Texts that are looked at to see whether a column repeats itself."""


# -- results ----------------------------------------------------------------------------------------------------------


class Reject(NamedTuple):
    """Say why a row gave no record: a reason code and the canonical field it is about."""

    reason: str
    field: str


class Issue(NamedTuple):
    """Say that a field of a record was lost: the row's index in the chunk, the canonical field, a reason code."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name, which nobody needs here
    field: str
    code: str


class Mapped(NamedTuple):
    """What became of a chunk: one entry for each row (None where it is no record), and the fields lost.

    `passed_over` names the fields whose unknown code made a row no record (``otherwise = "skip"``).
    """

    records: list[CanonicalRecord | Reject | None]
    issues: list[Issue]
    passed_over: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldTrace:
    """Tell how one canonical field came about, for ``map explain``.

    `raw` holds what the source gave in each of `columns`. Values are shown to whoever asked about this row; they stay
    out of the `repr`, so that a log cannot pick them up.
    """

    field: str
    columns: tuple[str, ...]
    raw: tuple[Any, ...] = dataclasses.field(repr=False)
    steps: tuple[str, ...] = dataclasses.field(repr=False)
    result: Any = dataclasses.field(repr=False)
    problem: str | None = None


# -- columns and chunks -----------------------------------------------------------------------------------------------


def _roots(node: Mapping[str, Any]) -> set[str]:
    """Return the top-level keys that a JMESPath expression reads."""
    if node["type"] == "field":
        return {node["value"]}
    children = [child for child in node["children"] if isinstance(child, Mapping)]
    descends = {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten",
                "pipe"}  # fmt: skip
    return set().union(*(_roots(child) for child in (children[:1] if node["type"] in descends else children)))


def _functions(node: Mapping[str, Any]) -> set[str]:
    """Return the functions that a JMESPath expression calls."""
    own = {node["value"]} if node["type"] == "function_expression" else set()
    return own.union(*(_functions(child) for child in node["children"] if isinstance(child, Mapping)))


class _Column:
    """One source column, or a path into nested JSON where the name reads as one and no plain key has it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path: Any = None
        self.reads = frozenset((name,))
        if not name.isidentifier():
            try:
                path = jmespath.compile(name)
            except JMESPathError:
                return  # just a column with a blank or a hyphen in its name
            if _functions(path.parsed) <= Functions.FUNCTION_TABLE.keys():  # "Employer (name)" calls no function
                self.path = path
                self.reads |= _roots(path.parsed)

    def get(self, row: Mapping[str, Any]) -> Any:
        if self.path is None or self.name in row:
            return row.get(self.name)
        try:
            return self.path.search(row)
        except JMESPathError:
            return None

    def is_in(self, names: Collection[str]) -> bool:
        return not self.reads.isdisjoint(names)


class _Chunk:
    """Rows turned into columns, each of which is taken once."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = rows
        shapes = set(map(tuple, rows))
        self._names = frozenset().union(*shapes)
        self._columns: dict[str, Sequence[Any]] = {}
        if len(shapes) == 1:
            cells = zip(*(row.values() for row in rows), strict=True)
            self._columns = dict(zip(shapes.pop(), cells, strict=True))

    def take(self, column: _Column) -> Sequence[Any] | None:
        """Return the values of a column, or None where no row has it."""
        if column.name not in self._columns:
            if not column.is_in(self._names):
                return None
            self._columns[column.name] = [column.get(row) for row in self.rows]
        return self._columns[column.name]


class _Problem(NamedTuple):
    """Stands in a column where a value was bad."""

    code: str
    fatal: bool
    skip: bool = False


_V = TypeVar("_V")


class _Memo(dict[Any, _V], Generic[_V]):
    """Remember what a function made of the texts it saw, up to a limit."""

    def __init__(self, function: Callable[[Any], _V]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, raw: Any) -> _V:
        value = self._function(raw)
        # Only texts: 1, 1.0 and True are the same key.
        if type(raw) is str or raw is None:
            if len(self) >= _MEMO_LIMIT:
                self.clear()
            self[raw] = value
        return value

    def over(self, column: Sequence[Any]) -> list[_V]:
        try:
            return list(map(self.__getitem__, column))
        except TypeError:  # lists and objects of nested JSON are no keys
            return [self[raw] if type(raw) is str else self._function(raw) for raw in column]


# -- conditions -------------------------------------------------------------------------------------------------------


class _Test:
    """One compiled condition."""

    def __init__(self, condition: Condition, nulls: frozenset[str], where: str) -> None:
        said = [name for name in ("is_", "in_", "empty", "matches") if getattr(condition, name) is not None]
        if len(said) != 1:
            raise ConfigError(f"{where}: a condition needs exactly one of is, in, empty and matches")
        self.column = _Column(condition.field)
        self._nulls = nulls
        if condition.empty is not None:
            wanted = condition.empty
            self.accepts: Callable[[Any], bool] = lambda raw: (_clean(raw, nulls) is None) == wanted
        elif condition.matches is not None:
            try:
                pattern = re.compile(condition.matches, re.IGNORECASE)
            except re.error as error:
                raise ConfigError(f"{where}: matches is not a regular expression: {error}") from error
            self.accepts = self._folded(lambda text: pattern.fullmatch(text) is not None)
        else:
            words = condition.in_ if condition.in_ is not None else [condition.is_]
            self.accepts = self._folded(frozenset(fold(word) for word in words).__contains__)
        self.memo = _Memo(self.accepts)

    def _folded(self, accepts: Callable[[str], bool]) -> Callable[[Any], bool]:
        def test(raw: Any) -> bool:
            value = _clean(raw, self._nulls)
            try:
                return value is not None and accepts(fold(value))
            except BadValue:  # a list or an object equals no text
                return False

        return test


@dataclass(frozen=True, slots=True)
class _Tests:
    """Conditions that must all hold."""

    tests: tuple[_Test, ...]

    def hold(self, row: Mapping[str, Any]) -> bool:
        return all(test.accepts(test.column.get(row)) for test in self.tests)

    def mask(self, chunk: _Chunk) -> list[bool] | None:
        """Return for each row whether all hold; None where they hold nowhere."""
        masks: list[list[bool]] = []
        for test in self.tests:
            column = chunk.take(test.column)
            if column is not None:
                masks.append(test.memo.over(column))
            elif not test.memo[None]:
                return None
        if not masks:
            return [True] * len(chunk.rows)
        mask = masks[0] if len(masks) == 1 else [all(row) for row in zip(*masks, strict=True)]
        return mask if True in mask else None


# -- one field --------------------------------------------------------------------------------------------------------


def _clean(raw: Any, nulls: frozenset[str]) -> Any:
    """Strip a text and turn what means nothing into None."""
    if type(raw) is str:
        text = raw.strip()
        return None if text in nulls else text
    return raw


class _Step(NamedTuple):
    words: str
    run: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How one canonical field is made, compiled."""

    name: str
    gather: Literal["none", "from", "first_of", "join"]
    columns: tuple[_Column, ...]
    whens: tuple[tuple[_Tests, Any], ...]
    steps: tuple[_Step, ...]
    nulls: frozenset[str]
    default: Any
    default_words: str
    required: bool
    fatal: bool
    texts: TypeAdapter[list[Any]] | None
    """Set where the field is plain text: then whole columns take a shorter way with the same outcome."""

    memo: _Memo[Any] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "memo", _Memo(self.read))

    @property
    def all_columns(self) -> tuple[_Column, ...]:
        tested = (test.column for tests, _ in self.whens for test in tests.tests)
        return tuple({column.name: column for column in (*self.columns, *tested)}.values())

    def read(self, raw: Any, trace: list[str] | None = None) -> Any:
        """Work out one value; a `_Problem` where it is bad. `trace` takes what happened, in words."""
        value = raw
        for step in self.steps:
            if value is None:
                break
            try:
                value = step.run(value)
            except BadValue as error:
                value = _Problem(error.code, self.fatal or error.fatal, error.skip)
            except ValueError:
                value = _Problem("bad_value", self.fatal)
            if trace is not None:
                trace.append(f"{step.words}: {_shown(value)}")
            if type(value) is _Problem:
                return value
        if value is None and self.default is not None:
            if trace is not None:
                trace.append(f"{self.default_words}: {_shown(self.default)}")
            return self.default
        return value

    def pick(self, raws: Iterable[Any]) -> Any:
        """Return the first of several values that is not empty."""
        return next((raw for raw in raws if _clean(raw, self.nulls) is not None), None)

    def column(self, chunk: _Chunk) -> list[Any] | None:
        """Return the field's values for a chunk; None where all have the default."""
        made = self._sourced(chunk)
        for tests, value in reversed(self.whens):
            mask = tests.mask(chunk)
            if mask is not None:
                below = made if made is not None else [self.default] * len(mask)
                made = [value if holds else other for holds, other in zip(mask, below, strict=True)]
        return made

    def _sourced(self, chunk: _Chunk) -> list[Any] | None:
        present = [cells for column in self.columns if (cells := chunk.take(column)) is not None]
        if not present:
            return None
        if self.gather == "join":
            return self.memo.over(list(zip(*present, strict=True)))
        raw = present[0] if len(present) == 1 else [self.pick(cells) for cells in zip(*present, strict=True)]
        if self.texts is None:
            return self.memo.over(raw)
        return self._texts(raw, self.texts)

    def _texts(self, raw: Sequence[Any], adapter: TypeAdapter[list[Any]]) -> list[Any]:
        nulls = self.nulls
        try:
            # Where texts repeat, as the names of employers do, looking them up is quicker.
            if len(set(raw[:_SAMPLE])) <= _SAMPLE // 2 < len(raw):
                return self.memo.over(raw)
            texts = [
                None if (text := cell.strip()) in nulls else text if text.isprintable() else fold_controls(text) or None
                for cell in (raw if None not in raw else ["" if cell is None else cell for cell in raw])
            ]
        except (AttributeError, TypeError):  # not all are texts
            return [self.read(cell) for cell in raw]
        made = self._validated(texts, raw, adapter)
        return [self.default if text is None else text for text in made] if self.default is not None else made

    def _validated(self, texts: list[str | None], raw: Sequence[Any], adapter: TypeAdapter[list[Any]]) -> list[Any]:
        try:
            return adapter.validate_python(texts)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False, include_context=False)
        bad = {int(fault["loc"][0]): None for fault in faults}
        made = adapter.validate_python([bad.get(index, text) for index, text in enumerate(texts)])
        for index in bad:
            made[index] = self.read(raw[index])
        return made

    def explain(self, row: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
        """Return the value for one row and the steps to it, in words."""
        for tests, value in self.whens:
            if tests.hold(row):
                words = " and ".join(f'"{test.column.name}"' for test in tests.tests)
                return value, (f"the when on {words} applies: {_shown(value)}",)
        raws = [column.get(row) for column in self.columns]
        trace: list[str] = []
        if self.gather == "join":
            return self.read(tuple(raws), trace), tuple(trace)
        raw = self.pick(raws) if self.gather == "first_of" else raws[0] if raws else None
        if self.gather == "first_of" and raw is not None:
            trace.append("take the first column that is not empty")
        return self.read(raw, trace), tuple(trace)


def _shown(value: Any) -> str:
    if type(value) is _Problem:
        return f"refused ({value.code})"
    if value is None:
        return "nothing"
    try:
        return f'"{value}"' if isinstance(value, str) else text_of(value)
    except BadValue:
        return "several values" if isinstance(value, list | tuple) else "an object"


# -- rules on whole records -------------------------------------------------------------------------------------------

_PERIODS: dict[StreamName, tuple[str, ...]] = {
    "programmes": ("planned_end", "actual_end"),
    "assignments": ("ends_on",),
    "activities": ("ends_on",),
    "destinations": ("ends_on",),
}
_PERSON = ("learner_ref", "uln")
_NEEDED: dict[StreamName, tuple[tuple[str, ...], ...]] = {
    "learners": (_PERSON,),
    "programmes": (_PERSON,),
    "assignments": ((*_PERSON, "group"), ("tutor_email", "group")),
    "activities": ((*_PERSON, "group", "programme"),),
    "destinations": (_PERSON,),
    "responses": (_PERSON,),
}
"""For each stream, sets of fields of which a record needs at least one."""


def _missing_party(record: CanonicalRecord) -> str | None:
    """Return the field without which the record is about nobody, if it is."""
    # The temporary ULN identifies nobody.
    known = record.learner_ref is not None or (record.uln is not None and record.uln != TEMPORARY_ULN)
    if isinstance(record, Activity) and record.subject != "learner":
        return None if getattr(record, record.subject) is not None else record.subject
    if isinstance(record, Assignment) and record.group is not None:
        return None
    if not known:
        return "learner_ref"
    return "tutor_email" if isinstance(record, Assignment) and record.tutor_email is None else None


# -- the compiled mapping ---------------------------------------------------------------------------------------------


class _Losses:
    """Collect the rejects and issues of one chunk."""

    def __init__(self) -> None:
        self.rejects: dict[int, Reject] = {}
        self.codes: dict[tuple[int, str], str] = {}
        self.skips: dict[int, Issue] = {}

    def add(self, index: int, name: str, problem: _Problem) -> None:
        if problem.skip:
            self.skips.setdefault(index, Issue(index, name, problem.code))
        elif problem.fatal:
            self.rejects.setdefault(index, Reject(problem.code, name))
        else:
            self.codes.setdefault((index, name), problem.code)

    def issues(self) -> list[Issue]:
        return sorted(
            Issue(index, name, code)
            for (index, name), code in self.codes.items()
            if index not in self.rejects and index not in self.skips
        )


def _check_parties(records: Sequence[CanonicalRecord], losses: _Losses) -> None:
    """Refuse records that are about nobody; if a bad value is the reason, its code says so."""
    for index, record in enumerate(records):
        if index not in losses.rejects and (name := _missing_party(record)) is not None:
            code = losses.codes.get((index, name), "missing_required")
            losses.add(index, name, _Problem(code, fatal=True))


@dataclass(frozen=True, kw_only=True)
class CompiledMapping:
    """A mapping ready to be applied. Make one with `compile_mapping`, once a run."""

    name: str
    stream: StreamName
    key: tuple[str, ...]
    feeds: tuple[str, ...]
    columns: frozenset[str]
    """The source columns that it reads; of nested JSON, the top-level keys too."""
    fingerprint: str
    """Changes whenever the same row could become another record."""
    _model: type[CanonicalRecord] = dataclasses.field(repr=False)
    _plans: tuple[_Plan, ...] = dataclasses.field(repr=False)
    _skips: tuple[_Tests, ...] = dataclasses.field(repr=False)

    @property
    def fields(self) -> frozenset[str]:
        """The canonical fields that it fills; every other field keeps the model's default."""
        return frozenset(plan.name for plan in self._plans)

    def apply(self, rows: Sequence[Mapping[str, Any]]) -> Mapped:
        """Map and validate a chunk of rows; about 1,000 are best. The outcome does not depend on where it is cut."""
        skipped = self._skipped(rows)
        if not skipped:
            return self._map(rows) if rows else Mapped([], [])
        live = [index for index in range(len(rows)) if index not in skipped]
        if not live:
            return Mapped([None] * len(rows), [])
        mapped = self._map([rows[index] for index in live])
        records: list[CanonicalRecord | Reject | None] = [None] * len(rows)
        for index, record in zip(live, mapped.records, strict=True):
            records[index] = record
        issues = [issue._replace(index=live[issue.index]) for issue in mapped.issues]
        return Mapped(records, issues, tuple(issue._replace(index=live[issue.index]) for issue in mapped.passed_over))

    def explain(self, row: Mapping[str, Any]) -> tuple[FieldTrace, ...]:
        """Tell for one row what became of each field, in the order of the canonical model."""
        ((outcome,), issues, passed_over) = self._map([row])
        problems = {issue.field: issue.code for issue in (*issues, *passed_over)}
        if isinstance(outcome, Reject):
            problems[outcome.field] = outcome.reason
        traces = []
        for plan in self._plans:
            value, steps = plan.explain(row)
            if isinstance(value, _Problem):
                problems.setdefault(plan.name, value.code)
            if plan.name in problems:
                value = None
            columns = plan.all_columns
            raw = tuple(column.get(row) for column in columns)
            names = tuple(column.name for column in columns)
            traces.append(FieldTrace(plan.name, names, raw, steps, value, problems.pop(plan.name, None)))
        # A record can also be refused for a field that the mapping does not have.
        traces += [FieldTrace(name, (), (), (), None, code) for name, code in problems.items()]
        return tuple(traces)

    def given(self, field: str, row: Mapping[str, Any]) -> str:
        """Return what a row gives for a canonical field before the mapping reads it, as text; for ``map check``."""
        plan = next(plan for plan in self._plans if plan.name == field)
        values = [column.get(row) for column in plan.columns]
        if plan.gather == "first_of":
            values = [plan.pick(values)]
        return " ".join(str(value).strip() for value in values if value is not None)

    def skips(self, row: Mapping[str, Any]) -> bool:
        """Say whether a row is no record at all by the mapping's ``[[skip]]`` tables."""
        return any(tests.hold(row) for tests in self._skips)

    def missing(self, columns: Collection[str]) -> tuple[str, ...]:
        """Return the columns without which every row of a source with these `columns` would be refused.

        Where one of several would do, the entry reads ``date or activity_date``. A stream with missing columns must
        stop before anything is written.
        """
        by_name = {plan.name: plan for plan in self._plans}
        groups = [
            plan.columns for plan in self._plans if plan.required and plan.default is None and plan.gather != "none"
        ]
        for names in _NEEDED[self.stream]:
            plans = [by_name[name] for name in names if name in by_name]
            if all(plan.gather != "none" and not plan.whens and plan.default is None for plan in plans):
                groups.append(tuple(column for plan in plans for column in plan.columns))
        lacking = (" or ".join(column.name for column in group) for group in groups if not _any_in(group, columns))
        return tuple(dict.fromkeys(lacking))

    def unread(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Return those of `columns` that the mapping does not read, in the order given."""
        return tuple(column for column in columns if column not in self.columns)

    @cached_property
    def _template(self) -> dict[str, Any]:
        """What a record holds where no column says otherwise, in the order of the model."""
        values = {name: None if info.is_required() else info.default for name, info in self._model.model_fields.items()}
        return {**values, **{plan.name: plan.default for plan in self._plans}}

    def _skipped(self, rows: Sequence[Mapping[str, Any]]) -> frozenset[int]:
        if not self._skips or not rows:
            return frozenset()
        chunk = _Chunk(rows)
        masks = [mask for tests in self._skips if (mask := tests.mask(chunk)) is not None]
        return frozenset(index for mask in masks for index, holds in enumerate(mask) if holds)

    def _map(self, rows: Sequence[Mapping[str, Any]]) -> Mapped:
        chunk = _Chunk(rows)
        losses = _Losses()
        columns = {plan.name: made for plan in self._plans if (made := plan.column(chunk)) is not None}
        for plan in self._plans:
            self._settle(plan, columns, losses, len(rows))
        self._check_periods(columns, losses)
        built = self._build(columns, len(rows))
        if not self._sure_of_learner(columns):
            _check_parties(built, losses)
        records: list[CanonicalRecord | Reject | None] = [*built]
        for index, reject in losses.rejects.items():
            records[index] = reject
        for index in losses.skips:  # what is no record cannot be a bad one
            records[index] = None
        return Mapped(records, losses.issues(), tuple(losses.skips[index] for index in sorted(losses.skips)))

    def _settle(self, plan: _Plan, columns: dict[str, list[Any]], losses: _Losses, count: int) -> None:
        """Take the problems out of a column and note them; note what is required and empty."""
        column = columns.get(plan.name)
        if column is None:
            if plan.required and plan.default is None:
                for index in range(count):
                    losses.add(index, plan.name, _Problem("missing_required", fatal=True))
            return
        if _Problem in set(map(type, column)):
            for index, value in enumerate(column):
                if type(value) is _Problem:
                    losses.add(index, plan.name, value)
                    column[index] = None
        if plan.required and None in column:
            for index, value in enumerate(column):
                if value is None:  # a problem noted above stays the reason
                    losses.add(index, plan.name, _Problem("missing_required", fatal=True))

    def _sure_of_learner(self, columns: Mapping[str, list[Any]]) -> bool:
        """Say whether every record names a learner and needs nothing else; most chunks do."""
        references = columns.get("learner_ref")
        return (
            self.stream != "assignments"
            and references is not None
            and None not in references
            and ("subject" not in columns and self._template.get("subject", "learner") == "learner")
        )

    def _check_periods(self, columns: dict[str, list[Any]], losses: _Losses) -> None:
        """Drop an end that lies before its start: one of the two is wrong, and the start is what counts."""
        starts = columns.get("starts_on")
        fatal = {plan.name for plan in self._plans if plan.required}
        for name in _PERIODS.get(self.stream, ()):
            ends = columns.get(name)
            if starts is None or ends is None:
                continue
            for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
                if end is not None and start is not None and end < start:
                    losses.add(index, name, _Problem("ends_before_start", fatal=name in fatal))
                    ends[index] = None

    def _build(self, columns: dict[str, list[Any]], count: int) -> list[CanonicalRecord]:
        """Make the records out of columns that are already validated, as `model_construct` would but many times faster.

        Every value has passed the type of its field, and the models have no rules beyond those (a test compares).
        """
        model, template = self._model, self._template
        new, put = model.__new__, object.__setattr__
        records = [new(model) for _ in range(count)]
        states = [template.copy() for _ in range(count)]
        for name, column in columns.items():
            for state, value in zip(states, column, strict=True):
                state[name] = value
        fields_set = {plan.name for plan in self._plans}
        slots: dict[str, Iterable[Any]] = {
            "__dict__": states,
            "__pydantic_fields_set__": repeat(fields_set),
            "__pydantic_extra__": repeat(None),
            "__pydantic_private__": repeat(None),
        }
        for slot, values in slots.items():
            deque(map(put, records, repeat(slot), values), maxlen=0)  # a loop that runs in C
        return records


def _any_in(group: Iterable[_Column], columns: Collection[str]) -> bool:
    return any(column.is_in(columns) for column in group)


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
"""What pydantic's error types are called in a list of warnings; anything else is a bad_value."""

_PARSERS: dict[str, Callable[[Any], Any]] = {
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
"""The types that suit each shape of canonical field; the first is meant where a mapping names none."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What the model says about one canonical field."""

    name: str
    shape: str
    nullable: bool
    default: Any
    choices: tuple[str, ...]
    adapter: TypeAdapter[Any]
    column_adapter: TypeAdapter[list[Any]]


@cache
def _target(model: type[CanonicalRecord], name: str) -> _Target:
    """Return what a model says about a field; making its adapters takes half of the time of compiling a mapping."""
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
        TypeAdapter(list[hint | None], config=config),
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

    def refuse(self, place: str, sentence: str) -> ConfigError:
        return ConfigError(f"{self.document.file}: {place}{': ' if place else ''}{sentence}")

    def plans(self) -> tuple[_Plan, ...]:
        known = self.model.model_fields
        for name in self.document.fields:
            if name not in known:
                hint = did_you_mean(name, known)
                raise self.refuse(f"fields.{name}", f"the stream {self.document.stream} has no such field{hint}")
        for name, info in known.items():
            if info.is_required() and name not in self.document.fields:
                raise self.refuse(f"fields.{name}", "is missing, and no record can do without it; add the table")
        for needed in _NEEDED[self.document.stream]:
            if not set(needed) & set(self.document.fields):
                raise self.refuse("fields", f"the mapping needs at least one of {', '.join(needed)}")
        ordered = [name for name in known if name in self.document.fields]
        return tuple(self.plan(name, self.document.fields[name]) for name in ordered)

    def skips(self) -> tuple[_Tests, ...]:
        nulls = frozenset({"", *self.document.null_tokens})
        tables = enumerate(self.document.skip, start=1)
        return tuple(self.tests(table.if_, nulls, f"skip number {number}") for number, table in tables)

    def tests(self, conditions: Sequence[Condition], nulls: frozenset[str], place: str) -> _Tests:
        where = f"{self.document.file}: {place}"
        return _Tests(tuple(_Test(condition, nulls, where) for condition in conditions))

    def plan(self, name: str, said: FieldDocument) -> _Plan:
        place, target = f"fields.{name}", _target(self.model, name)
        self.check_combination(place, said)
        tokens = self.document.null_tokens if said.null_tokens is None else said.null_tokens
        nulls = frozenset({"", *tokens})
        gather, columns = _gather(said)
        steps, plain = self.steps(place, said, target, nulls) if columns else ((), False)
        whens = tuple(
            (self.tests(when.if_, nulls, place), self.literal(f"{place}.when", when.value, target))
            for when in said.when
        )
        default, words = target.default, "it is empty, and the record says then"
        if said.const is not None:
            default, words = self.literal(f"{place}.const", said.const, target), "it is always"
        elif said.default is not None:
            default, words = self.literal(f"{place}.default", said.default, target), "it is empty, and the default is"
        model_requires = self.model.model_fields[name].is_required()
        required = said.required or model_requires
        return _Plan(
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
                raise self.refuse(place, f"{operation} needs {needs} beside it")
        if "const" in given and "default" in given:
            raise self.refuse(place, "default has no effect beside const; take one away")

    def steps(
        self, place: str, said: FieldDocument, target: _Target, nulls: frozenset[str]
    ) -> tuple[tuple[_Step, ...], bool]:
        """Return the steps from what the source gave to a valid value, and whether the field is plain text."""
        steps: list[_Step] = []
        if said.join is not None:
            steps.append(_join_step(" " if said.sep is None else said.sep, nulls))
        if said.split is not None:
            steps.append(_split_step(said.split, said.index or 0))
        steps.append(_clean_step(nulls, said.strip))
        kind_of_value = self.value_type(place, said, target)
        codes = self.codes(place, said, target, kind_of_value)
        if codes is not None:
            steps.append(codes)
        else:
            steps.append(self.parse_step(place, said, kind_of_value))
        if said.convert is not None:
            steps.append(self.convert_step(place, said.convert))
        steps.append(self.check_step(target))
        plain = kind_of_value == "text" and said.strip and len(steps) == 3 and codes is None
        return tuple(steps), plain

    def value_type(self, place: str, said: FieldDocument, target: _Target) -> str:
        suitable = _SHAPE_TYPES[target.shape]
        if said.type is None:
            if said.formats is not None and suitable[0] != "date":
                raise self.refuse(place, f"formats are for dates, and {target.name} is not one; take formats away")
            return "text" if said.convert is not None else suitable[0]
        if said.type not in suitable and said.convert is None:
            raise self.refuse(place, f'type = "{said.type}" does not suit {target.name}; write {" or ".join(suitable)}')
        if said.formats is not None and said.type not in {"date", "datetime"}:
            raise self.refuse(place, f'formats are for dates, and the type is "{said.type}"; take one away')
        return said.type

    def codes(self, place: str, said: FieldDocument, target: _Target, kind_of_value: str) -> _Step | None:
        """Return the step of a code list: the mapping's own, and the words of the model where it has a closed set."""
        own: Collection[str] = ()
        if said.convert is None:
            own = self.kinds if kind_of_value == "kind" else target.choices
        if said.values is None and not own:
            if said.otherwise is not None:
                raise self.refuse(place, "otherwise is for values that are not in a list; add values or take it away")
            return None
        table: dict[str, Any] = {fold(word): word for word in own}
        seen: dict[str, Any] = {}
        for code, meaning in (said.values or {}).items():
            if seen.setdefault(fold(code), meaning) != meaning:
                raise self.refuse(f"{place}.values", f'"{code}" stands there twice with different meanings')
            table[fold(code)] = (
                meaning if said.convert is not None else self.literal(f'{place}.values."{code}"', meaning, target)
            )
        return _Step(f"look it up in the list of {len(table)} values", self.lookup(place, said, target, table))

    def lookup(
        self, place: str, said: FieldDocument, target: _Target, table: Mapping[str, Any]
    ) -> Callable[[Any], Any]:
        fallback: Any = None
        if isinstance(said.otherwise, Fallback):
            fallback = said.otherwise.value
            if said.convert is None:
                fallback = self.literal(f"{place}.otherwise", fallback, target)
        elif said.otherwise == "null" and not target.nullable:
            raise self.refuse(place, f'{target.name} cannot be empty; write otherwise = "reject" or {{ value = ... }}')
        fatal, skip = said.otherwise == "reject", said.otherwise == "skip"

        def look_up(value: Any) -> Any:
            found = table.get(fold(value), fallback)
            if found is None:
                raise BadValue("unmatched_code", fatal=fatal, skip=skip)
            return found

        return look_up

    def parse_step(self, place: str, said: FieldDocument, kind_of_value: str) -> _Step:
        if kind_of_value == "date":
            formats = said.formats or ["%Y-%m-%d"]
            self.check_formats(place, formats)
            return _Step(f"read it as a date, {' or '.join(formats)}", date_parser(formats, self.zone))
        if kind_of_value == "datetime":
            self.check_formats(place, said.formats or [])
            return _Step("read it as an instant and take its local day", datetime_parser(said.formats or [], self.zone))
        if kind_of_value == "kind":
            return _Step("read it as a kind", parse_text)
        words = {"uln": "a ULN with its check digit", "bool": "yes or no", "email": "an e-mail address", "int":
                 "a whole number", "decimal": "a number", "academic_year": "an academic year"}  # fmt: skip
        return _Step(f"read it as {words.get(kind_of_value, kind_of_value)}", _PARSERS[kind_of_value])

    def check_formats(self, place: str, formats: Sequence[str]) -> None:
        for pattern in formats:
            try:
                check_date_format(pattern)
            except ValueError as error:
                raise self.refuse(f"{place}.formats", f'"{pattern}" is not a format of dates: {error}') from error

    def convert_step(self, place: str, name: str) -> _Step:
        converter = self.converters.get(name)
        if converter is None:
            hint = did_you_mean(name, self.converters)
            raise self.refuse(f"{place}.convert", f'there is no converter called "{name}"{hint}')
        self.used[name] = converter

        def convert(value: Any) -> Any:
            try:
                return converter(value)
            except Exception as error:  # a converter is a plugin's code: its fault costs the field, not the stream
                raise BadValue("convert_failed") from error

        return _Step(f'convert it with "{name}"', convert)

    def check_step(self, target: _Target) -> _Step:
        kinds = self.kinds if target.shape == "kind" else None

        def check(value: Any) -> Any:
            try:
                checked = target.adapter.validate_python(value)
            except ValidationError as error:
                raise BadValue(_code_of(error, target.shape)) from None
            if kinds is not None and checked not in kinds:
                raise BadValue("unmatched_code")
            return checked

        return _Step("check it against the careers record", check)

    def literal(self, place: str, value: Any, target: _Target) -> Any:
        """Return a value that the mapping itself gives, or refuse it where the record cannot hold it."""
        if target.shape == "kind" and value not in self.kinds:
            hint = did_you_mean(str(value), self.kinds)
            raise self.refuse(place, f'"{value}" is not a kind of activity{hint}')
        try:
            return target.adapter.validate_python(value, strict=True)
        except ValidationError:
            pass
        if target.choices:
            raise self.refuse(place, f'{target.name} cannot be "{value}"{did_you_mean(str(value), target.choices)}')
        example = {"date": "a date without quotes, such as 2025-09-01", "bool": "true or false, without quotes",
                   "float": "a number without quotes", "int": "a whole number without quotes"}  # fmt: skip
        hint = example.get(target.shape, "a text that fits the field")
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
    """Return what changes when a converter does: its name and, where Python can find it, its source."""
    try:
        source = inspect.getsource(converter)
    except (OSError, TypeError):
        source = ""
    named = converter if hasattr(converter, "__qualname__") else type(converter)
    return [str(getattr(named, "__module__", "")), str(named.__qualname__), source]


def _gather(
    said: FieldDocument,
) -> tuple[Literal["none", "from", "first_of", "join"], tuple[_Column, ...]]:
    if said.from_ is not None:
        return "from", (_Column(said.from_),)
    if said.first_of is not None:
        return "first_of", tuple(map(_Column, said.first_of))
    if said.join is not None:
        return "join", tuple(map(_Column, said.join))
    return "none", ()


def _join_step(sep: str, nulls: frozenset[str]) -> _Step:
    def join(parts: tuple[Any, ...]) -> str | None:
        kept = (_clean(part, nulls) for part in parts)
        return sep.join(text_of(part) for part in kept if part is not None) or None

    return _Step(f'join the parts that are not empty with "{sep}"', join)


def _split_step(separator: str, index: int) -> _Step:
    def split(value: Any) -> str | None:
        parts = text_of(value).split(separator)
        return parts[index] if -len(parts) <= index < len(parts) else None

    return _Step(f'split it at "{separator}" and take part {index}', split)


def _clean_step(nulls: frozenset[str], strip: bool) -> _Step:
    def clean(value: Any) -> Any:
        cleaned = _clean(value, nulls)
        return cleaned if strip or cleaned is None else value

    return _Step("strip it" if strip else "see whether it is empty", clean)


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
    """Check a mapping against the careers record and make it ready to be applied.

    `kinds` are the keys of the kinds of activity, `never_ingest` the columns that privacy keeps out, `timezone` the
    zone of instants that name none. ConfigError names the file, the field and the operation, and what to write instead.
    """
    compiler = _Compiler(document, converters, kinds, timezone)
    plans, skips = compiler.plans(), compiler.skips()
    if document.feeds and document.stream != "activities":
        raise compiler.refuse("feeds", f"only activities have kinds, and the stream is {document.stream}; take it away")
    for kind in document.feeds:
        if kind not in kinds:
            raise compiler.refuse("feeds", f'"{kind}" is not a kind of activity{did_you_mean(kind, kinds)}')
    read = [(f"fields.{plan.name}", column) for plan in plans for column in plan.all_columns]
    read += [("skip", test.column) for tests in skips for test in tests.tests]
    for place, column in read:
        if column.is_in(never_ingest):
            raise compiler.refuse(place, f'reads the column "{column.name}", which [privacy] never_ingest keeps out; '
                                         "take it out of one of the two")  # fmt: skip
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
