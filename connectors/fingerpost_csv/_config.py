"""What a ``[[connector]]`` table of type `csv` may say."""

from __future__ import annotations

import codecs
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from fingerpost import StreamName
from fingerpost.files import FileConfig


class CsvConfig(FileConfig):
    """The keys of a ``[[connector]]`` table with ``type = "csv"``."""

    stream: StreamName = Field(
        description="What a row is: learners, programmes, assignments, activities, destinations."
    )
    path: str = Field(
        min_length=1,
        description="The file or files, relative to the configuration; * and ** stand for any name and any folders. "
        "Files may be gzipped or in a zip archive.",
    )
    mapping: str = Field(min_length=1, description="The mapping that says what the columns mean.")
    key: tuple[str, ...] = Field(
        default=(), description="The columns that identify a row. Empty means those that the mapping names."
    )
    holds: Literal["all_years", "this_year", "year_a_file"] | None = Field(
        default=None,
        description="For activities, how the log is kept over the years. all_years: it has one numbering; of two rows "
        "with one key the newest file's counts. this_year: it begins anew each year; what earlier years held stays. "
        "year_a_file: each file has a numbering of its own. Without it, files that number alike are refused.",
    )
    encoding: str = Field(default="utf-8-sig", description='The encoding of the text, such as "utf-8" or "cp1252".')
    delimiter: Literal[",", "\t", ";", "|"] = Field(
        default=",", description='What stands between two fields: ",", ";", "|" or "tab".'
    )
    header: tuple[str, ...] = Field(
        default=(), description="The names of the columns, for files whose first row does not give them."
    )
    skip_lines: int = Field(default=0, ge=0, le=1000, description="Lines to leave out at the top of each file.")
    member: str = Field(default="*.csv", min_length=1, description="Which files of a zip archive to read.")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value.strip().casefold() == "auto":
            raise ValueError(
                'cannot be "auto", because a wrong guess silently spoils names; leave it out and run '
                "fingerpost check, which suggests one"
            )
        try:
            codecs.getincrementaldecoder(value)
            b"a".decode(value)
        except UnicodeError:
            pass  # one byte is not a text in UTF-16, but the encoding exists
        except (LookupError, ValueError) as error:
            raise ValueError('is not a text encoding; write one such as "utf-8-sig", "cp1252" or "utf-16"') from error
        return value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab_by_name(cls, value: object) -> object:
        return "\t" if value == "tab" else value

    @field_validator("key", "header")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        stripped = tuple(name.strip() for name in value)
        named = [name for name in stripped if name]
        if len(set(named)) < len(named):
            raise ValueError("names a column twice")
        return stripped

    @model_validator(mode="after")
    def _of_a_log(self) -> Self:
        if self.holds is not None and self.stream != "activities":
            raise ValueError("has holds, which is only for activities: other lists say what is so now; take it out")
        return self

    def fingerprint(self, key: tuple[str, ...]) -> bytes:
        """Return what decides, besides their bytes, which records the files hold.

        A key of several columns is marked: it was once spelt otherwise, and files that have not changed since are read
        again.
        """
        mark = (*(("escaped",) if len(key) > 1 else ()), *((self.holds,) if self.holds == "year_a_file" else ()))
        return repr((self.encoding, self.delimiter, self.header, self.skip_lines, self.member, key, *mark)).encode()
