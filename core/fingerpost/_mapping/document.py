"""Mapping files: their grammar and how they are found."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from fingerpost._contract.messages import STREAMS, StreamName
from fingerpost._words.errors import ConfigError
from fingerpost._words.faults import explained
from fingerpost._words.packaged import Library

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
    """One ``[[fields.X.when]]``: if all conditions hold, the field has this value."""

    if_: list[Condition] = Field(alias="if", min_length=1)
    value: _Scalar


class Skip(_Part):
    """One ``[[skip]]``: if all conditions hold, the row is not a record."""

    if_: list[Condition] = Field(alias="if", min_length=1)


class Fallback(_Part):
    """``otherwise = { value = ... }``: the value of a code that is not in the list."""

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


class MappingFile(_Part):
    """The contents of a mapping file; `extends` is taken out beforehand."""

    schema_version: Literal[1] = Field(description="Write schema_version = 1.")
    extends: str | None = Field(default=None, exclude=True)
    stream: StreamName = Field(description=f"One of {', '.join(STREAMS)}.")
    description: str = Field(default="", exclude=True)
    key: list[str] = []
    feeds: list[str] = []
    null_tokens: list[str] = [""]
    fields: dict[str, FieldDocument] = Field(min_length=1)
    skip: list[Skip] = []


class MappingDocument(MappingFile):
    """A mapping laid over the one it extends, with its name and file."""

    name: str
    file: str = Field(exclude=True)


_HINTS = {
    "values": '{ "what the source says" = "what it means" }',
    "otherwise": '"reject", "null", "skip" or { value = ... }',
    "when": '[[fields.NAME.when]] with if = [{ field = "column", is = "text" }] and value = ...',
    "if": '[{ field = "column", is = "text" }]',
    **dict.fromkeys(("is", "value", "values.NAME", "const", "default"), "text, a number, a date, true or false"),
}


# -- the library ------------------------------------------------------------------------------------------------------


class MappingLibrary(Library):
    """The mappings of a college, and those that plugins ship."""

    what, folder = "mapping", "mappings"

    def load(self, name: str, base_dir: Path) -> MappingDocument:
        """Return the mapping called `name`, laid over the one it extends; see `Library.read` for names.

        Raises `ConfigError` if it does not exist or is wrong.
        """
        path, data = self.read(name, base_dir)
        with explained(path, MappingFile, data, hints=_HINTS):
            said = MappingFile.model_validate(data)
        return MappingDocument(**dict(said), name=path.stem, file=str(path))

    def overlay(self, base: dict[str, Any], top: dict[str, Any], *, files: tuple[Path, Path]) -> dict[str, Any]:
        """Let the fields and other keys of `top` replace those of the base.

        A field with nothing but codes adds them to those of the base: a college has a few of its own.
        """
        if top.get("stream", base.get("stream")) != base.get("stream"):
            raise ConfigError(f"{files[1]}: stream differs from that of the mapping it extends; remove the line.")
        below, above = base.get("fields", {}), top.get("fields", {})
        if not isinstance(below, dict) or not isinstance(above, dict):
            return {**base, **top, "fields": None}  # refused like any other mistake
        merged = {**below, **{name: _field(below.get(name), table) for name, table in above.items()}}
        # An empty table takes a field out: no other way to stop reading a column.
        return {**base, **top, "fields": {name: table for name, table in merged.items() if table != {}}}


def _field(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict) and above.keys() == {"values"}):
        return above
    codes, more = below.get("values"), above["values"]
    return {**below, "values": {**codes, **more}} if isinstance(codes, dict) and isinstance(more, dict) else above
