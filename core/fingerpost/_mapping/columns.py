"""Source columns taken from chunks of rows, and the conditions that test them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from fingerpost._mapping.document import Condition
from fingerpost._record.parsers import BadValue, fold
from fingerpost._words.errors import ConfigError

_MEMO_LIMIT = 10_000
"""Distinct values remembered for one column; the dates and codes of real files are far fewer."""


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


class Column:
    """One source column, or a path into nested JSON if the name reads as one and is not a plain key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path: Any = None
        self.reads = frozenset((name,))
        if not name.isidentifier():
            try:
                path = jmespath.compile(name)
            except JMESPathError:
                return  # just a column with a space or a hyphen in its name
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


class Chunk:
    """Rows turned into columns, each taken once."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = rows
        shapes = set(map(tuple, rows))
        self._names = frozenset().union(*shapes)
        self._columns: dict[str, Sequence[Any]] = {}
        if len(shapes) == 1:
            cells = zip(*(row.values() for row in rows), strict=True)
            self._columns = dict(zip(shapes.pop(), cells, strict=True))

    def take(self, column: Column) -> Sequence[Any] | None:
        """Return the values of a column, or None if no row has it."""
        if column.name not in self._columns:
            if not column.is_in(self._names):
                return None
            self._columns[column.name] = [column.get(row) for row in self.rows]
        return self._columns[column.name]


class BadCell(NamedTuple):
    """Takes the place of a bad value in a column."""

    code: str
    fatal: bool
    skip: bool = False


_V = TypeVar("_V")


class Memo(dict[Any, _V], Generic[_V]):
    """Remember what a function returned for texts, up to a limit."""

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
        except TypeError:  # lists and objects of nested JSON cannot be keys
            return [self[raw] if type(raw) is str else self._function(raw) for raw in column]


# -- conditions -------------------------------------------------------------------------------------------------------


class CompiledCondition:
    """One compiled condition."""

    def __init__(self, condition: Condition, nulls: frozenset[str], where: str) -> None:
        said = [name for name in ("is_", "in_", "empty", "matches") if getattr(condition, name) is not None]
        if len(said) != 1:
            raise ConfigError(f"{where}: a condition needs exactly one of is, in, empty and matches.")
        self.column = Column(condition.field)
        self._nulls = nulls
        if condition.empty is not None:
            wanted = condition.empty
            self.accepts: Callable[[Any], bool] = lambda raw: (clean_cell(raw, nulls) is None) == wanted
        elif condition.matches is not None:
            try:
                pattern = re.compile(condition.matches, re.IGNORECASE)
            except re.error as error:
                raise ConfigError(f"{where}: matches is not a regular expression: {error}.") from error
            self.accepts = self._folded(lambda text: pattern.fullmatch(text) is not None)
        else:
            words = condition.in_ if condition.in_ is not None else [condition.is_]
            self.accepts = self._folded(frozenset(fold(word) for word in words).__contains__)
        self.memo = Memo(self.accepts)

    def _folded(self, accepts: Callable[[str], bool]) -> Callable[[Any], bool]:
        def test(raw: Any) -> bool:
            value = clean_cell(raw, self._nulls)
            try:
                return value is not None and accepts(fold(value))
            except BadValue:  # a list or an object never equals text
                return False

        return test


@dataclass(frozen=True, slots=True)
class CompiledConditions:
    """Conditions that must all hold."""

    tests: tuple[CompiledCondition, ...]

    def hold(self, row: Mapping[str, Any]) -> bool:
        return all(test.accepts(test.column.get(row)) for test in self.tests)

    def mask(self, chunk: Chunk) -> list[bool] | None:
        """Return for each row whether all hold; None if they hold nowhere."""
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


def clean_cell(raw: Any, nulls: frozenset[str]) -> Any:
    """Strip a text, and return None for one that means nothing."""
    if type(raw) is str:
        text = raw.strip()
        return None if text in nulls else text
    return raw
