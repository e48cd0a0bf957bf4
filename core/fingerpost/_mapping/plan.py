"""How one canonical field is made from source columns, compiled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from fingerpost._mapping.columns import BadCell, Chunk, Column, CompiledConditions, Memo, clean_cell
from fingerpost._record.parsers import BadValue, fold_controls, text_of

_SAMPLE = 64
"""How many texts show whether a column repeats itself."""


@dataclass(frozen=True, slots=True)
class FieldTrace:
    """How one canonical field was made, for ``map explain``.

    `raw` holds the source's values in `columns`. They are shown to whoever asked about this row, but stay out of the
    `repr`, so that they cannot reach a log.
    """

    field: str
    columns: tuple[str, ...]
    raw: tuple[Any, ...] = dataclasses.field(repr=False)
    steps: tuple[str, ...] = dataclasses.field(repr=False)
    result: Any = dataclasses.field(repr=False)
    problem: str | None = None


class Step(NamedTuple):
    words: str
    run: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """How one canonical field is made, compiled."""

    name: str
    gather: Literal["none", "from", "first_of", "join"]
    columns: tuple[Column, ...]
    whens: tuple[tuple[CompiledConditions, Any], ...]
    steps: tuple[Step, ...]
    nulls: frozenset[str]
    default: Any
    default_words: str
    required: bool
    fatal: bool
    texts: TypeAdapter[list[Any]] | None
    """Set if the field is plain text: whole columns then take a shorter way to the same outcome."""

    memo: Memo[Any] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "memo", Memo(self.read))

    @property
    def all_columns(self) -> tuple[Column, ...]:
        tested = (test.column for tests, _ in self.whens for test in tests.tests)
        return tuple({column.name: column for column in (*self.columns, *tested)}.values())

    def read(self, raw: Any, trace: list[str] | None = None) -> Any:
        """Work out one value; a `_Problem` if it is bad. `trace` collects what happened, in words."""
        value = raw
        for step in self.steps:
            if value is None:
                break
            try:
                value = step.run(value)
            except BadValue as error:
                value = BadCell(error.code, self.fatal or error.fatal, error.skip)
            except ValueError:
                value = BadCell("bad_value", self.fatal)
            if trace is not None:
                trace.append(f"{step.words}: {_shown(value)}")
            if type(value) is BadCell:
                return value
        if value is None and self.default is not None:
            if trace is not None:
                trace.append(f"{self.default_words}: {_shown(self.default)}")
            return self.default
        return value

    def pick(self, raws: Iterable[Any]) -> Any:
        """Return the first of several values that is not empty."""
        return next((raw for raw in raws if clean_cell(raw, self.nulls) is not None), None)

    def column(self, chunk: Chunk) -> list[Any] | None:
        """Return the field's values for a chunk; None if all have the default."""
        made = self._sourced(chunk)
        for tests, value in reversed(self.whens):
            mask = tests.mask(chunk)
            if mask is not None:
                below = made if made is not None else [self.default] * len(mask)
                made = [value if holds else other for holds, other in zip(mask, below, strict=True)]
        return made

    def _sourced(self, chunk: Chunk) -> list[Any] | None:
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
            # If texts repeat, as the names of employers do, looking them up is quicker.
            if len(set(raw[:_SAMPLE])) <= _SAMPLE // 2 < len(raw):
                return self.memo.over(raw)
            texts = [
                None if (text := cell.strip()) in nulls else text if text.isprintable() else fold_controls(text) or None
                for cell in (raw if None not in raw else ["" if cell is None else cell for cell in raw])
            ]
        except (AttributeError, TypeError):  # not all are text
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
    if type(value) is BadCell:
        return f"refused ({value.code})"
    if value is None:
        return "nothing"
    try:
        return f'"{value}"' if isinstance(value, str) else text_of(value)
    except BadValue:
        return "several values" if isinstance(value, list | tuple) else "an object"
