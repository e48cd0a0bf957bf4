"""What a ``[[connector]]`` table of type `jsonl` may say."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from fingerpost import STREAMS, StreamName
from fingerpost.files import FileConfig


class JsonlConfig(FileConfig):
    """The keys of a ``[[connector]]`` table with ``type = "jsonl"``."""

    path: str | None = Field(
        default=None,
        min_length=1,
        description="The file, files or folder, relative to the configuration; * and ** stand for any name and any "
        "folders. Files may be gzipped.",
    )
    url: str | None = Field(
        default=None, description="An https address instead of path; {stream} in it stands for the stream's name."
    )
    streams: tuple[StreamName, ...] = Field(
        default=STREAMS,
        min_length=1,
        description="The streams that the lines hold. Where there is only one, its lines need not name it.",
    )
    mapping: dict[StreamName, str] = Field(
        default_factory=dict, description="Your own mapping for a stream, by the stream's name."
    )
    token: SecretStr | None = Field(default=None, description="The key for url, if it needs one.")
    header: str = Field(
        default="Authorization",
        pattern=r"^[A-Za-z0-9-]+$",
        description="The header that holds the key; in Authorization it is a Bearer token.",
    )
    since: str | None = Field(
        default=None,
        min_length=1,
        description="The query parameter with which url is asked for what changed since the last cursor.",
    )
    cursor: Literal["instant", "date", "integer"] = Field(
        default="instant", description="What the cursors in the lines are, where since is set."
    )

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return value
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not host:
            raise ValueError("is not a web address; write one such as https://feed.example.ac.uk/fingerpost")
        if parts.username is not None:
            raise ValueError("must not hold a user name and password; use token")
        if parts.scheme == "http" and host not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("must begin with https://, or learners' data would travel unencrypted")
        return value

    @field_validator("streams")
    @classmethod
    def _distinct(cls, value: tuple[StreamName, ...]) -> tuple[StreamName, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names a stream twice")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("needs either path or url, to say where the lines are")
        if self.url is None and (self.token is not None or self.since is not None):
            raise ValueError("uses token and since only with url")
        if other := [name for name in self.mapping if name not in self.streams]:
            raise ValueError(f"has a mapping for {other[0]}, which is not among streams")
        return self
