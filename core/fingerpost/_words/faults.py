"""Explain in a sentence what is wrong in a TOML document, from what pydantic found.

A sentence names the place as the file spells it (``[alerts] weekday``), says what to write instead, and never shows the
value: it might be a secret or a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fingerpost._words.errors import ConfigError
from fingerpost._words.nearest import did_you_mean

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


Hints: TypeAlias = Mapping[str, str]
"""What to write in one sort of document: by key, by ``KEY.NAME`` for anything in the table of a key, or by the pattern
of the value."""

_Path: TypeAlias = tuple[str | int, ...]

# Errors


def config_error(where: str | Path, problems: Sequence[str]) -> ConfigError:
    """Make one error of all the problems in a file, so that they can be fixed in one go."""
    if len(problems) == 1:
        return ConfigError(f"{where}: {problems[0]}")
    return ConfigError("\n  ".join([f"{where} has {len(problems)} problems:", *problems]))


def unknown(where: str, kind: str, name: str, known: Collection[str]) -> str:
    """Say that a name is unknown, and which one was probably meant.

    `where` is the table and key that uses it, such as ``[benchmarks] framework``; `kind` is what it should be the name
    of.
    """
    return f"{where} names the {kind} '{name}', which does not exist.{did_you_mean(name, known)}"


@contextmanager
def explained(
    file: str | Path, model: type[BaseModel], data: object, where: str = "", hints: Hints = MappingProxyType({})
) -> Iterator[None]:
    """Turn a pydantic error inside into a `ConfigError` that says the first thing to fix in `file`."""
    try:
        yield
    except ValidationError as error:
        raise config_error(file, fault_sentences(error, model, data, where, hints)[:1]) from None


def fault_sentences(
    error: ValidationError, model: type[BaseModel], data: object, where: str = "", hints: Hints = MappingProxyType({})
) -> list[str]:
    """Return everything that is wrong in `data`, one sentence for each place.

    `where` names the table in `data`; without it, `data` is the whole file.
    """
    document = _Document(model, where, hints)
    said: dict[_Path, str] = {}
    missing: set[_Path] = set()
    for details in error.errors(include_url=False, include_input=False):
        path = _path_in_file(details, data)
        if path not in said:  # a union complains once for each of its members
            said[path] = document.sentence(details, path)
            if details["type"] == "missing":
                missing.add(path)
    # A key that is missing because it is misspelt is one problem, reported where it is misspelt.
    meant = {(at[:-1], sentence.partition(" Did you mean ")[2]) for at, sentence in said.items()}
    return [
        sentence
        for path, sentence in said.items()
        if path not in missing or not any(at == path[:-1] and f"'{path[-1]}'" in words for at, words in meant)
    ]


def _path_in_file(details: ErrorDetails, data: object) -> _Path:
    """Return where in the file a problem is. pydantic also names union members, which nobody wrote."""
    path: list[str | int] = []
    *_, last = details["loc"] or ("",)
    for part in details["loc"]:
        row = isinstance(part, int) and isinstance(data, (list, tuple)) and part < len(data)
        if row or (isinstance(data, dict) and part in data):
            data = data[part]  # type: ignore[index]
        elif not (details["type"] == "missing" and part == last):
            continue
        path.append(part)
    return tuple(path)


# Sentences


@dataclass(frozen=True, slots=True)
class _Document:
    """What is checked, and what its places are called."""

    model: type[BaseModel]
    where: str
    hints: Hints

    def sentence(self, details: ErrorDetails, path: _Path) -> str:
        kind, key, context = details["type"], str(path[-1]) if path else "", details.get("ctx", {})
        if len(path) == 1 and not self.where and (said := self._about_table(key, kind)):
            return said
        holder = _model_in(self._annotation(path[:-1]))
        keys = keys_of(holder) if holder else {}
        place, around = self._place(path), self._place(path[:-1])
        if kind == "extra_forbidden":
            return f"{around} has no key '{key}'.{did_you_mean(key, keys)}"
        if kind in ("value_error", "assertion_error"):  # the words are ours, or a vendor's
            said = str(context["error"]).rstrip(".") or "is not valid"
            about_table = _model_in(self._annotation(path)) is not None
            return f"{place}{':' if about_table else ''} {said}{'' if said.endswith('?') else '.'}"
        hint = self.hints.get(key) or self.hints.get(f"{path[-2] if len(path) > 1 else ''}.NAME", "")
        meaning = _after_colon(hint or (key in keys and keys[key].description) or "")
        if kind == "missing":
            return f"{around} needs the key {key}{meaning}" if around else f"The key {key} is missing{meaning}"
        if kind == "string_pattern_mismatch":
            hint = self.hints.get(context["pattern"], hint)
        limit = kind.startswith(("greater_than", "less_than"))
        return f"{place} {f'must be {hint}' if hint else _must(details)}{meaning if limit else '.'}"

    def _about_table(self, name: str, kind: str) -> str | None:
        """Say what is wrong with a whole table of the file, or return None where it is an ordinary key."""
        if kind == "extra_forbidden":
            return self._unknown_table(name)
        annotation = self._annotation((name,))
        table = _table_of(name, annotation)
        if not table or not kind.endswith(("missing", "_short", "_type")):
            return None
        model = _model_in(annotation) or _model_in(inside(annotation, 0))
        needed = [key for key, field in keys_of(model).items() if field.is_required()] if model else []
        keys = " and ".join(needed) or "its keys"
        return f"The table {table} is missing: write {table} on a line of its own, and {keys} below it."

    def _unknown_table(self, name: str) -> str:
        tables = {each: _model_in(field.annotation) for each, field in keys_of(self.model).items()}
        homes = [each for each, model in tables.items() if model and name in keys_of(model)]
        if homes:
            return f"The key '{name}' is outside its table; put it below the line [{homes[0]}]."
        return f"There is no table or key '{name}'.{did_you_mean(name, tables)}"

    def _place(self, path: _Path) -> str:
        """Write a place as the file does: its table, then the keys in it."""
        table, rest = self.where, path
        if path and not table and (table := _table_of(str(path[0]), self._annotation(path[:1]))):
            rest = path[1:]
            if rest and table.startswith("[["):
                table, rest = f"{table} number {int(rest[0]) + 1}", rest[1:]
            elif rest and "." in table:
                table, rest = f"[{path[0]}.{rest[0]}]", rest[1:]
        keys = "".join(f" item {part + 1}," if isinstance(part, int) else f".{part}" for part in rest)
        return f"{table} {keys.replace(',.', ', ').strip('., ')}".strip()

    def _annotation(self, path: _Path) -> Any:
        """Return the type of the value at `path`, or None where any will do."""
        return reduce(inside, path, self.model)


def _after_colon(text: str) -> str:
    """Return `text` as the end of a sentence, its first letter small unless it begins an abbreviation."""
    start = text if text[1:2].isupper() else text[:1].lower() + text[1:]
    return f": {start.rstrip('.')}." if text else "."


_MUST = {
    "bool": "must be true or false, without quotes",
    "date": "must be a date such as 2026-03-02, without quotes",
    "datetime": "must be a date and time such as 2026-03-02T08:00:00, without quotes",
    "enum": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int": "must be a whole number, without quotes",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal": "must be {expected}",
    "path": "must be a path in quotes",
    "string": "must be text in quotes",
    "string_pattern_mismatch": "must have the form {pattern}",
    "url": "must be a web address such as https://example.ac.uk",
    **dict.fromkeys(("float", "finite"), "must be a number, without quotes"),
    **dict.fromkeys(("frozen", "list", "set", "tuple"), 'must be a list, such as ["one", "two"]'),
    **dict.fromkeys(("dict", "mapping", "model"), "must be a table of keys and values"),
    **dict.fromkeys(("string_too_long", "too_long"), "is too long; the most is {max_length}"),
    **dict.fromkeys(("string_too_short", "too_short"), "is too short; the least is {min_length}"),
}
"""What to write, by pydantic's error type or its first word."""


def _must(details: ErrorDetails) -> str:
    """Say what a value must be, never what it is."""
    kind, context = details["type"], details.get("ctx", {})
    if context.get("min_length") == 1:
        return "must not be empty"
    said = _MUST.get(kind) or _MUST.get(kind.partition("_")[0])
    return said.format(**context) if said else details["msg"].replace("Input should be", "must be")


# Types


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by their keys in a file."""
    return {str(field.validation_alias or name): field for name, field in model.model_fields.items()}


def union_members(annotation: Any) -> list[Any]:
    """Return the types that a value may have: the members of a union, unwrapped."""
    if get_origin(annotation) is Annotated:
        return union_members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [option for member in get_args(annotation) for option in union_members(member)]
    return [annotation]


def is_table(annotation: Any) -> bool:
    """Say whether a type is the model of a table."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    return next(filter(is_table, union_members(annotation)), None)


def inside(annotation: Any, part: str | int) -> Any:
    """Return the type of a table's value under a key, or of a list's at a place."""
    for option in union_members(annotation):
        if is_table(option) and part in keys_of(option):
            return keys_of(option)[str(part)].annotation
        if get_origin(option) in (dict, Mapping):
            return get_args(option)[1]
        if get_args(option) and isinstance(part, int):
            return get_args(option)[0]
    return None


def _table_of(name: str, annotation: Any) -> str:
    """Return the line that begins a table of this type: [name], [name.NAME] or [[name]]; empty for other types."""
    for option in union_members(annotation):
        inner = inside(option, 0) if get_origin(option) in (dict, Mapping, list, tuple) else None
        if get_origin(option) in (list, tuple) and (_model_in(inner) or get_origin(inner) is dict):
            return f"[[{name}]]"
        if get_origin(option) in (dict, Mapping):
            return f"[{name}.NAME]" if _model_in(inner) else f"[{name}]"
        if is_table(option):
            return f"[{name}]"
    return ""
