"""What a ``[[connector]]`` table of type `rest-writeback` may say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fingerpost import ItemChannelConfig
from fingerpost_rest._config import (
    HeaderName,
    JmesPath,
    Listed,
    Query,
    RelativePath,
    Service,
    Table,
    put_variables,
    refuse_taken,
    with_variables,
)
from fingerpost_rest._years import PLACEHOLDER, check_spellings

PLACEHOLDERS = ("learner", "key", "text", "date", "id", PLACEHOLDER)
"""The placeholders: the learner's reference, the key of the item, its text, the day of the run, what the service calls
the item, and the academic year."""


def texts(value: object) -> Iterator[str]:
    """Yield every text in a body, those in tables within tables included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)


def _body(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError("holds a value that JSON does not have; write dates and times in quotes") from error
    check_spellings(value)
    return value


def _named(*values: object) -> set[str]:
    return {name for value in values for text in texts(value) for name in re.findall(r"\{([a-z][a-z0-9_]*)\}", text)}


def _demand(known: tuple[str, ...], value: object, where: str) -> None:
    if unknown := sorted(_named(value) - set(known)):
        offer = ", ".join(f"{{{name}}}" for name in known)
        raise ValueError(f"uses {{{unknown[0]}}} in {where}; it may use {offer}")


class Look(Listed):
    """``look``: how to list the items on one learner's page."""

    id: JmesPath = Field(description="Where a record of the list says what the service calls the item.")
    text: JmesPath = Field(description="Where a record of the list holds the text of the item.")

    @model_validator(mode="after")
    def _asks_for_one_learner(self) -> Self:
        for where in ("path", "query"):
            _demand(("learner", "key", PLACEHOLDER), getattr(self, where), where)
        if "learner" not in _named(self.path, self.query):
            raise ValueError("does not say whose page to read; put {learner} into its path or query")
        return self


class Write(Table):
    """A request that writes one item."""

    known: ClassVar[tuple[str, ...]] = PLACEHOLDERS

    path: RelativePath = Field(description="The path below base_url.")
    query: Query = Field(default_factory=dict, description="Query parameters.")
    body: Annotated[dict[str, Any], AfterValidator(_body)] = Field(description="What is sent, as JSON.")

    @model_validator(mode="after")
    def _says_the_text(self) -> Self:
        of_address = tuple(name for name in self.known if name != "text")
        for where, known in (("path", of_address), ("query", of_address), ("body", self.known)):
            _demand(known, getattr(self, where), where)
        if "text" not in _named(self.body):
            raise ValueError("sends no text; put {text} into its body")
        return self

    @property
    def asked(self) -> dict[str, Any]:
        """What is sent, in which an academic year may stand."""
        return {"path": self.path, "query": self.query, "body": self.body}


class Open(Write):
    """``open``: how to put an item on a learner's page."""

    known: ClassVar[tuple[str, ...]] = tuple(name for name in PLACEHOLDERS if name != "id")

    method: Literal["POST", "PUT"] = Field(default="POST", description="POST or PUT.")
    id: JmesPath | None = Field(
        default=None,
        description="Where the answer says what the service calls the item. Without it the page is looked at again.",
    )

    @model_validator(mode="after")
    def _goes_to_one_learner(self) -> Self:
        if "learner" not in _named(self.path, self.query, self.body):
            raise ValueError("goes to nobody's page; put {learner} into its path or body")
        return self


class Change(Write):
    """``update`` and ``close``: how to change the text of an item that is there."""

    method: Literal["POST", "PUT", "PATCH"] = Field(default="PUT", description="POST, PUT or PATCH.")

    @model_validator(mode="after")
    def _changes_one_item(self) -> Self:
        if not {"id", "key"} & _named(self.path, self.query, self.body):
            raise ValueError("does not say which item; put {id} into its path")
        return self


class WritebackConfig(Service, ItemChannelConfig):
    """The keys of a ``[[connector]]`` table with ``type = "rest-writeback"``."""

    look: Look = Field(description="How the items on one learner's page are listed.")
    open: Open = Field(description="How an item is put onto a learner's page.")
    update: Change = Field(description="How an item gets another text.")
    close: Change | None = Field(default=None, description="How an item is closed, if not as it is updated.")
    idempotency_header: HeaderName | None = Field(
        default=None, description="The header by which the service recognises a request that comes twice."
    )

    @model_validator(mode="before")
    @classmethod
    def _declared(cls, data: object) -> object:
        """Put the variables in their places."""
        if not isinstance(data, dict):
            return data
        table = dict(data)
        variables = table.get("variables", {})
        if isinstance(variables, dict):
            refuse_taken(variables, PLACEHOLDERS)
            put_variables(table, variables)
            for name in ("look", "open", "update", "close"):
                if name in table:
                    table[name] = with_variables(table[name], variables, keep=PLACEHOLDERS)
        return table

    @property
    def closing(self) -> Change:
        """How an item is closed."""
        return self.close or self.update
