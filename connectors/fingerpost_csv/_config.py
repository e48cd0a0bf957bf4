"""What a ``[[connector]]`` table of type `csv` may say."""

from __future__ import annotations

import codecs
from typing import Literal

from pydantic import Field, field_validator

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

    def fingerprint(self, key: tuple[str, ...]) -> bytes:
        """Return what decides, besides their bytes, which records the files hold.

        A key of several columns is marked: it was once spelt otherwise, and files that have not changed since are read
        again.
        """
        mark = ("escaped",) if len(key) > 1 else ()
        return repr((self.encoding, self.delimiter, self.header, self.skip_lines, self.member, key, *mark)).encode()
