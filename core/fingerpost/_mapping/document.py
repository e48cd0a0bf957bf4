"""Mapping files: their grammar, how they are found, and the kinds of activity that they may name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fingerpost._contract.messages import STREAMS, StreamName
from fingerpost._words.errors import ConfigError
from fingerpost._words.packaged import read_toml

if TYPE_CHECKING:
    from pathlib import Path


# -- the document -----------------------------------------------------------------------------------------------------

_Type = Literal[
    "text", "int", "decimal", "bool", "date", "datetime", "uln", "postcode", "email", "hours", "academic_year", "kind"
]
_Scalar: TypeAlias = str | bool | int | float | date


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, frozen=True)


class Condition(_Part):
    """One condition of an ``if``: a source column and what it must be."""

    field: str
    is_: _Scalar | None = Field(default=None, alias="is")
    in_: list[_Scalar] | None = Field(default=None, alias="in")
    empty: bool | None = None
    matches: str | None = None


class When(_Part):
    """One ``[[fields.X.when]]``: where all conditions hold, the field has this value."""

    if_: list[Condition] = Field(alias="if", min_length=1)
    value: _Scalar


class Skip(_Part):
    """One ``[[skip]]``: where all conditions hold, the row is no record."""

    if_: list[Condition] = Field(alias="if", min_length=1)


class Fallback(_Part):
    """``otherwise = { value = ... }``: what a code that is not in the list becomes."""

    value: _Scalar


class FieldDocument(_Part):
    """One ``[fields.X]``: where a canonical field comes from and how it is read."""

    from_: str | None = Field(default=None, alias="from", min_length=1)
    first_of: list[str] | None = Field(default=None, min_length=1)
    join: list[str] | None = Field(default=None, min_length=1)
    const: _Scalar | None = None
    when: list[When] = []
    sep: str | None = None
    split: str | None = Field(default=None, min_length=1)
    index: int | None = None
    strip: bool = True
    null_tokens: list[str] | None = None
    values: dict[str, _Scalar] | None = None
    otherwise: Literal["reject", "null", "skip"] | Fallback | None = None
    type: _Type | None = None
    formats: list[str] | None = Field(default=None, min_length=1)
    convert: str | None = None
    default: _Scalar | None = None
    required: bool = False


class MappingDocument(_Part):
    """A mapping as its file says it, with what it extends already laid underneath."""

    schema_version: Literal[1]
    name: str
    file: str = Field(exclude=True)
    stream: StreamName
    description: str = Field(default="", exclude=True)
    key: list[str] = []
    feeds: list[str] = []
    null_tokens: list[str] = [""]
    fields: dict[str, FieldDocument] = Field(min_length=1)
    skip: list[Skip] = []


_KEYS = sorted({"extends", *MappingDocument.model_fields} - {"name", "file"})
_OPERATIONS = sorted(info.alias or name for name, info in FieldDocument.model_fields.items())
_KNOWN_KEYS: dict[int, Sequence[str]] = {1: _KEYS, 3: _OPERATIONS}
_CONDITION_KEYS = ("empty", "field", "if", "in", "is", "matches", "value")

_COLUMNS_HINT = 'write a list of columns, such as ["first", "second"]'
_HINTS = {
    "schema_version": "write schema_version = 1",
    "stream": f"write one of {', '.join(STREAMS)}",
    "type": f"write one of {', '.join(get_args(_Type))}",
    "otherwise": 'write "reject", "null", "skip" or { value = ... }',
    "formats": 'write a list of formats, such as ["%d/%m/%Y", "%Y-%m-%d"]',
    "from": 'write the name of one column, such as from = "date"',
    "first_of": _COLUMNS_HINT,
    "join": _COLUMNS_HINT,
    "key": _COLUMNS_HINT,
    "null_tokens": 'write a list of words that mean nothing, such as ["", "N/A"]',
    "values": 'write { "what the source says" = "what it means" }',
    "when": 'write [[fields.NAME.when]] with if = [{ field = "column", is = "text" }] and value = ...',
    "skip": 'write [[skip]] with if = [{ field = "column", is = "text" }]',
    "if": 'write [{ field = "column", is = "text" }]',
    "is": "write one text, number, date, true or false",
    "in": 'write a list, such as ["one", "other"]',
    "value": "write one text, number, date, true or false",
    "const": "write one text, number, date, true or false",
    "default": "write one text, number, date, true or false",
    "fields": "write a [fields.NAME] table for each canonical field",
    "split": 'write the separator, such as split = ";"',
    "sep": 'write the text to put between the parts, such as sep = " "',
    "index": "write a whole number; 0 is the first part and -1 the last",
    "convert": "write the name of one converter",
    **dict.fromkeys(("required", "strip", "empty"), "write true or false, without quotes"),
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that refuses `word`: the nearest known spelling, or all of them."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if not close:  # spelt right but for the case
        close = [choice for choice in choices if choice.casefold() == word.casefold()]
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; write one of {', '.join(choices)}" if choices else "; there are none"


def _place(loc: Sequence[int | str]) -> str:
    text = ""
    for part in loc:
        text += f" number {part + 1}" if isinstance(part, int) else f".{part}" if text else part
    return text


def _in_file(loc: Sequence[int | str], data: Any, *, missing: bool) -> list[int | str]:
    """Keep what stands in the file: the members of a union add their names to the place of a fault."""
    place: list[int | str] = []
    for part in loc:
        if not (part in data if isinstance(data, Mapping) else isinstance(data, list) and isinstance(part, int)):
            break
        place.append(part)
        data = data[part]
    return [*place, loc[-1]] if missing else place


def _sentence(error: ValidationError, data: Mapping[str, Any]) -> str:
    """Say what is wrong with the first faulty entry, and what to write instead."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    missing = fault["type"] == "missing"
    place = _in_file(fault["loc"], data, missing=missing)
    last = next((str(part) for part in reversed(place) if not isinstance(part, int)), "")
    if fault["type"] == "extra_forbidden":
        known = _KNOWN_KEYS.get(len(place) if place[0] == "fields" or len(place) == 1 else 0, _CONDITION_KEYS)
        return f"{_place(place)} is not something a mapping can say{did_you_mean(last, known)}"
    hint = _HINTS.get("values" if "values" in place[:-1] else last, _HINTS["fields"])
    return f"{_place(place)} {'is missing' if missing else 'is not right'}; {hint}"


def _parse_document(data: Mapping[str, Any], name: str, path: Path) -> MappingDocument:
    for reserved in ("name", "file"):
        if reserved in data:
            raise ConfigError(f"{path}: {reserved} is not something a mapping can say; its file name is its name")
    try:
        return MappingDocument.model_validate({**data, "name": name, "file": str(path)})
    except ValidationError as error:
        raise ConfigError(f"{path}: {_sentence(error, data)}") from None


def _overlay(base: dict[str, Any], top: dict[str, Any], path: Path) -> dict[str, Any]:
    """Lay `top` over `base`: its fields replace those of the same name, its other keys those of the base.

    A field that gives nothing but codes adds them to those of the base: a college has a word or two of its own.
    """
    if top.get("stream", base.get("stream")) != base.get("stream"):
        raise ConfigError(f"{path}: stream differs from that of the mapping it extends; take the line away")
    below, above = base.get("fields", {}), top.get("fields", {})
    if not isinstance(below, dict) or not isinstance(above, dict):
        raise ConfigError(f"{path}: fields is not right; {_HINTS['fields']}")
    merged = {**below, **{name: _field(below.get(name), table) for name, table in above.items()}}
    # An empty table takes a field out: there is no other way to stop reading a column.
    return {**base, **top, "fields": {name: table for name, table in merged.items() if table != {}}}


def _field(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict) and above.keys() == {"values"}):
        return above
    codes, more = below.get("values"), above["values"]
    return {**below, "values": {**codes, **more}} if isinstance(codes, dict) and isinstance(more, dict) else above


class MappingLibrary:
    """Find mappings by name: the college's own ones beside its configuration, and those that plugins ship."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._shipped: dict[str, Path] = {}
        for path in files:  # the first of a name stands: a plugin cannot shadow a built-in mapping
            self._shipped.setdefault(path.stem, path)

    def names(self) -> tuple[str, ...]:
        """Return the names of the shipped mappings, sorted."""
        return tuple(sorted(self._shipped))

    def load(self, name: str, base_dir: Path) -> MappingDocument:
        """Return the mapping called `name`, with what it extends laid underneath.

        A bare name means ``mappings/NAME.toml`` under `base_dir` if that file exists, else the shipped mapping. A name
        that ends in ``.toml`` or holds a slash is a path relative to `base_dir`. ConfigError if there is no such
        mapping, if it cannot be read, or if mappings extend each other in a circle.
        """
        path = self._find(name, base_dir, asked_by=None)
        return _parse_document(self._resolve(path, base_dir, []), path.stem, path)

    def _find(self, name: str, base_dir: Path, asked_by: Path | None) -> Path:
        where = f"{asked_by}: extends: " if asked_by else ""
        if name.endswith(".toml") or "/" in name or "\\" in name:
            path = base_dir / name
            if not path.is_file():
                raise ConfigError(f'{where}there is no mapping file "{name}"; looked for {path}')
            return path
        local = base_dir / "mappings" / f"{name}.toml"
        shipped = self._shipped.get(name)
        if local.is_file() and not (asked_by and shipped and local.resolve() == asked_by.resolve()):
            return local
        if shipped is None:
            own = [path.stem for path in (base_dir / "mappings").glob("*.toml")]
            hint = did_you_mean(name, {*self._shipped, *own})
            raise ConfigError(f'{where}there is no mapping called "{name}"{hint}')
        return shipped

    def _resolve(self, path: Path, base_dir: Path, chain: list[Path]) -> dict[str, Any]:
        chain = [*chain, path.resolve()]
        data = read_toml(path)
        if data.get("schema_version") != 1:
            raise ConfigError(f"{path}: schema_version must be 1 in this release; {_HINTS['schema_version']}")
        if "extends" not in data:
            return data
        extends = data.pop("extends")
        if not isinstance(extends, str) or not extends:
            raise ConfigError(f'{path}: extends is not right; write the name of one mapping, such as "careers-log"')
        base = self._find(extends, base_dir, asked_by=path)
        if base.resolve() in chain:
            raise ConfigError(f'{path}: extends = "{extends}" leads back to this file; take one extends line away')
        return _overlay(self._resolve(base, base_dir, chain), data, path)
