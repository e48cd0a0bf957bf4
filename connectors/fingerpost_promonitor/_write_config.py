"""What a ``[[connector]]`` table of type `promonitor-writeback` may say."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from fingerpost import ItemChannelConfig
from fingerpost_promonitor._config import Access, Location, Name

Value: TypeAlias = StrictBool | StrictInt | Annotated[StrictStr, Field(max_length=1000)]


class PromonitorWriteConfig(Access, ItemChannelConfig):
    """The keys of a ``[[connector]]`` table with ``type = "promonitor-writeback"``."""

    procedure: Location | None = Field(
        default=None,
        min_length=1,
        description='Your own procedure that writes an item, such as "dbo.Fingerpost_WriteItem". Without it, the table '
        "ActionPlan is written to.",
    )
    text_column: Name = Field(default="Comment", description="The column of ActionPlan that holds an item's text.")
    date_column: Name = Field(
        default="CommentDate", description="The column of ActionPlan that says when an item was last written."
    )
    values: dict[Name, Value] = Field(
        default_factory=dict,
        description="What a new item holds beside its text: { CommentTypeID = 4, CommentStaffID = 1 }.",
    )
    closed_values: dict[Name, Value] = Field(
        default_factory=dict, description="What an item is given when it is closed: { ActionTypeID = 5 }."
    )

    @model_validator(mode="after")
    def _consistent(self) -> PromonitorWriteConfig:
        if self.procedure is not None and (self.values or self.closed_values):
            raise ValueError("has values beside procedure; your procedure itself sets what an item holds")
        ours = {name.casefold() for name in ("ActionPlanID", "PMStudentID", self.text_column, self.date_column)}
        if len(ours) < 4:
            raise ValueError("gives the text, the date and the keys of ActionPlan fewer than four columns")
        for name in (*self.values, *self.closed_values):
            if name.casefold() in ours:
                raise ValueError(f"sets {name} among its values; write-back fills that column itself, so take it out")
        return self
