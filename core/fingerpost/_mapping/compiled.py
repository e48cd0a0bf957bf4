"""A compiled mapping: apply it to chunks of rows, or explain the outcome for one row."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple

from fingerpost._contract.messages import StreamName
from fingerpost._mapping.columns import BadCell, Chunk, Column, CompiledConditions
from fingerpost._mapping.plan import FieldPlan, FieldTrace
from fingerpost._record.models import TEMPORARY_ULN, Activity, Assignment, CanonicalRecord

# -- results ----------------------------------------------------------------------------------------------------------


class Reject(NamedTuple):
    """Why a row yielded no record: a reason code and the canonical field."""

    reason: str
    field: str


class Issue(NamedTuple):
    """A lost field of a record: the row's index in the chunk, the canonical field, a reason code."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name, unused here
    field: str
    code: str


class Mapped(NamedTuple):
    """The outcome for a chunk: one entry for each row (None if it is not a record), and the fields lost.

    `passed_over` names the fields whose unknown code made a row be skipped (``otherwise = "skip"``).
    """

    records: list[CanonicalRecord | Reject | None]
    issues: list[Issue]
    passed_over: tuple[Issue, ...] = ()


# -- rules on whole records -------------------------------------------------------------------------------------------

_PERIODS: dict[StreamName, tuple[str, ...]] = {
    "programmes": ("planned_end", "actual_end"),
    "assignments": ("ends_on",),
    "activities": ("ends_on",),
    "destinations": ("ends_on",),
}
_PERSON = ("learner_ref", "uln")
NEEDED_PARTY: dict[StreamName, tuple[tuple[str, ...], ...]] = {
    "learners": (_PERSON,),
    "programmes": (_PERSON,),
    "assignments": ((*_PERSON, "group"), ("tutor_email", "group")),
    "activities": ((*_PERSON, "group", "programme"),),
    "destinations": (_PERSON,),
    "responses": (_PERSON,),
}
"""For each stream, sets of fields; a record needs at least one of each."""


def _missing_party(record: CanonicalRecord) -> str | None:
    """Return the missing field that would say whom the record is about, if it does not."""
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

    def add(self, index: int, name: str, problem: BadCell) -> None:
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
    """Refuse records that name nobody; if a bad value is the cause, use its code."""
    for index, record in enumerate(records):
        if index not in losses.rejects and (name := _missing_party(record)) is not None:
            code = losses.codes.get((index, name), "missing_required")
            losses.add(index, name, BadCell(code, fatal=True))


@dataclass(frozen=True, kw_only=True)
class CompiledMapping:
    """A mapping ready to be applied. Make one with `compile_mapping`, once a run."""

    name: str
    stream: StreamName
    key: tuple[str, ...]
    feeds: tuple[str, ...]
    columns: frozenset[str]
    """The source columns that it reads, including the top-level keys of nested JSON."""
    fingerprint: str
    """Changes whenever the same row could become a different record."""
    _model: type[CanonicalRecord] = dataclasses.field(repr=False)
    _plans: tuple[FieldPlan, ...] = dataclasses.field(repr=False)
    _skips: tuple[CompiledConditions, ...] = dataclasses.field(repr=False)

    @property
    def fields(self) -> frozenset[str]:
        """The canonical fields that it fills; the others keep the model's default."""
        return frozenset(plan.name for plan in self._plans)

    def apply(self, rows: Sequence[Mapping[str, Any]]) -> Mapped:
        """Map and validate a chunk of rows; about 1,000 are best. How they are cut makes no difference."""
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
        """Explain for one row how each field was made, in the order of the canonical model."""
        ((outcome,), issues, passed_over) = self._map([row])
        problems = {issue.field: issue.code for issue in (*issues, *passed_over)}
        if isinstance(outcome, Reject):
            problems[outcome.field] = outcome.reason
        traces = []
        for plan in self._plans:
            value, steps = plan.explain(row)
            if isinstance(value, BadCell):
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
        """Return what a row has for a canonical field before mapping, as text; for ``map check``."""
        plan = next(plan for plan in self._plans if plan.name == field)
        values = [column.get(row) for column in plan.columns]
        if plan.gather == "first_of":
            values = [plan.pick(values)]
        return " ".join(str(value).strip() for value in values if value is not None)

    def skips(self, row: Mapping[str, Any]) -> bool:
        """Say whether the mapping's ``[[skip]]`` tables leave a row out."""
        return any(tests.hold(row) for tests in self._skips)

    def missing(self, columns: Collection[str]) -> tuple[str, ...]:
        """Return the columns missing from `columns` without which every row would be refused.

        If one of several would do, the entry reads ``date or activity_date``. A stream with missing columns must stop
        before anything is written.
        """
        by_name = {plan.name: plan for plan in self._plans}
        groups = [
            plan.columns for plan in self._plans if plan.required and plan.default is None and plan.gather != "none"
        ]
        for names in NEEDED_PARTY[self.stream]:
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
        """The default values of a record, in the order of the model."""
        values = {name: None if info.is_required() else info.default for name, info in self._model.model_fields.items()}
        return {**values, **{plan.name: plan.default for plan in self._plans}}

    def _skipped(self, rows: Sequence[Mapping[str, Any]]) -> frozenset[int]:
        if not self._skips or not rows:
            return frozenset()
        chunk = Chunk(rows)
        masks = [mask for tests in self._skips if (mask := tests.mask(chunk)) is not None]
        return frozenset(index for mask in masks for index, holds in enumerate(mask) if holds)

    def _map(self, rows: Sequence[Mapping[str, Any]]) -> Mapped:
        chunk = Chunk(rows)
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
        for index in losses.skips:  # a row that is not a record cannot be a bad one
            records[index] = None
        return Mapped(records, losses.issues(), tuple(losses.skips[index] for index in sorted(losses.skips)))

    def _settle(self, plan: FieldPlan, columns: dict[str, list[Any]], losses: _Losses, count: int) -> None:
        """Take the problems out of a column and note them, and note required values that are empty."""
        column = columns.get(plan.name)
        if column is None:
            if plan.required and plan.default is None:
                for index in range(count):
                    losses.add(index, plan.name, BadCell("missing_required", fatal=True))
            return
        if BadCell in set(map(type, column)):
            for index, value in enumerate(column):
                if type(value) is BadCell:
                    losses.add(index, plan.name, value)
                    column[index] = None
        if plan.required and None in column:
            for index, value in enumerate(column):
                if value is None:  # a problem noted above stays the reason
                    losses.add(index, plan.name, BadCell("missing_required", fatal=True))

    def _sure_of_learner(self, columns: Mapping[str, list[Any]]) -> bool:
        """Say whether every record names a learner and needs nothing else, as in most chunks."""
        references = columns.get("learner_ref")
        return (
            self.stream != "assignments"
            and references is not None
            and None not in references
            and ("subject" not in columns and self._template.get("subject", "learner") == "learner")
        )

    def _check_periods(self, columns: dict[str, list[Any]], losses: _Losses) -> None:
        """Drop an end before its start: one of the two is wrong, and the start matters more."""
        starts = columns.get("starts_on")
        fatal = {plan.name for plan in self._plans if plan.required}
        for name in _PERIODS.get(self.stream, ()):
            ends = columns.get(name)
            if starts is None or ends is None:
                continue
            for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
                if end is not None and start is not None and end < start:
                    losses.add(index, name, BadCell("ends_before_start", fatal=name in fatal))
                    ends[index] = None

    def _build(self, columns: dict[str, list[Any]], count: int) -> list[CanonicalRecord]:
        """Make records from validated columns, as `model_construct` would but many times faster.

        Every value has passed the type of its field, and the models have no other rules (a test compares).
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


def _any_in(group: Iterable[Column], columns: Collection[str]) -> bool:
    return any(column.is_in(columns) for column in group)
