"""Say what a person got wrong in a TOML file, from what pydantic found."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from fingerpost._words.errors import ConfigError
from fingerpost._words.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails


Place: TypeAlias = tuple[str | int, ...]


def config_error(where: str | Path, problems: Sequence[str]) -> ConfigError:
    """Make one error of everything that is wrong with a file, so that it is put right in one go."""
    if len(problems) == 1:
        return ConfigError(f"{where}: {problems[0]}")
    return ConfigError("\n  ".join([f"{where} has {len(problems)} problems:", *problems]))


def unknown(where: str, kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, and which one was probably meant.

    `where` is the table and key that uses it, such as ``[benchmarks] framework``; `kind` says what it is the name of.
    """
    names = sorted(known)
    near = did_you_mean(name, names)
    listed = f" Known: {', '.join(names)}." if names and not near else ""
    return f"{where} names the {kind} '{name}', which does not exist.{near}{listed}"


def union_members(annotation: Any) -> list[Any]:
    """Return what a value may be: the members of a union, without the wrapping."""
    if get_origin(annotation) is Annotated:
        return union_members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [option for member in get_args(annotation) for option in union_members(member)]
    return [annotation]


def place_in_file(details: ErrorDetails, data: object) -> Place:
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


def sentence_for(details: ErrorDetails, path: Place, model: type[BaseModel], label: str) -> str:
    where = label
    if not label:  # the first pass, where the first part is the table
        if details["type"] == "extra_forbidden" and len(path) == 1:
            return _unknown_table(str(path[0]), model)
        if len(path) <= 1:
            return _whole_table(str(path[0]) if path else "", details["type"], model)
        where = f"[{path[0]}]"
        if path[0] == "connector":
            return f"[[connector]] number {int(path[1]) + 1} must be a table."
        model, path = _model_at(model, path[:1]) or model, path[1:]
    holder = _model_at(model, path[:-1])
    fields = dict(holder.model_fields) if holder else {}
    spelt = {str(field.validation_alias or name): field for name, field in fields.items()}
    key = str(path[-1]) if path else ""
    steps = [where, *(f"item {part + 1}" if isinstance(part, int) else part for part in path)]
    around = " ".join(steps[:-1])
    if details["type"] == "extra_forbidden":
        near = did_you_mean(key, spelt)
        known = "" if near else f" Its keys are: {', '.join(sorted(spelt))}."
        return f"{around} has no key '{key}'.{near}{known}"
    meaning = _meaning(spelt[key].description) if key in spelt else "."
    if details["type"] == "missing":
        return f"{around} needs the key {key}{meaning}"
    if not path:
        return f"{where}: {_must(details)}."
    return f"{' '.join(steps)} {_must(details)}{meaning if details['type'] in _NEEDS_MEANING else '.'}"


def _unknown_table(name: str, model: type[BaseModel]) -> str:
    homes = [table for table in model.model_fields if name in getattr(_model_at(model, (table,)), "model_fields", {})]
    if homes:
        return f"The key '{name}' stands outside its table; put it below the line [{homes[0]}]."
    tables = ["[[connector]]" if table == "connector" else f"[{table}]" for table in model.model_fields]
    near = did_you_mean(f"[{name}]", tables)
    known = "" if near else f" The tables are: {', '.join(tables)}."
    return f"There is no table [{name}].{near}{known}"


def _whole_table(name: str, kind: str, model: type[BaseModel]) -> str:
    if name == "connector":
        return "Each connector is a table of its own that begins with the line [[connector]], with two brackets."
    table = _model_at(model, (name,))
    if kind == "missing" and table:
        needed = [key for key, field in table.model_fields.items() if field.is_required()]
        return f"The table [{name}] is missing; it needs the keys {' and '.join(needed)}."
    return f"[{name}] must be a table: write [{name}] on a line of its own, and its keys below it."


def _model_at(model: type[BaseModel], path: Place) -> type[BaseModel] | None:
    """Return the model of the table that stands at `path`, if it has one."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        members = [
            argument for option in union_members(field.annotation if field else None) for argument in _within(option)
        ]
        found = next((member for member in members if isinstance(member, type) and issubclass(member, BaseModel)), None)
        if found is None:
            return None
        model = found
    return model


def _within(option: Any) -> list[Any]:
    return [option, *(member for argument in get_args(option) for member in union_members(argument))]


def _meaning(description: str | None) -> str:
    if not description:
        return "."
    start = description if description[1:2].isupper() else description[:1].lower() + description[1:]
    return f": {start.rstrip('.')}."


_NEEDS_MEANING = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}

_MUST = {
    "bool": "must be true or false, without quotes",
    "date": "must be a date such as 2026-03-02, without quotes",
    "datetime": "must be a date and time such as 2026-03-02T08:00:00, without quotes",
    "dict": "must be a table of keys and values",
    "float": "must be a number, without quotes",
    "finite": "must be a number, without quotes",
    "frozen": 'must be a list, such as ["one", "two"]',
    "int": "must be a whole number, without quotes",
    "list": 'must be a list, such as ["one", "two"]',
    "mapping": "must be a table of keys and values",
    "model": "must be a table of keys and values",
    "path": "must be a path in quotes",
    "set": 'must be a list, such as ["one", "two"]',
    "string": "must be text in quotes",
    "tuple": 'must be a list, such as ["one", "two"]',
    "url": "must be a web address such as https://example.ac.uk",
}
"""What to write, by the first word of pydantic's error type."""


def _must(details: ErrorDetails) -> str:
    """Say what a value must be, never what it is."""
    kind, context = details["type"], details.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", "is not valid")).rstrip(".")
    if kind in ("literal_error", "enum"):
        return f"must be {context['expected']}"
    if kind == "string_pattern_mismatch":
        if details["loc"] == ("name",):
            return "may hold only small letters, digits, - and _, at most 40 of them"
        return f"must have the form {context['pattern']}"
    for limit, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if limit in context:
            return f"must be {words} {context[limit]}"
    if kind in ("string_too_short", "too_short"):
        return (
            "must not be empty" if context["min_length"] == 1 else f"must have at least {context['min_length']} parts"
        )
    if kind in ("string_too_long", "too_long"):
        return f"is too long; {context['max_length']} is the most"
    return _MUST.get(kind.partition("_")[0], details["msg"].replace("Input should be", "must be"))
