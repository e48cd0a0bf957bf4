"""Fetch the lines of one stream from a web address."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

from fingerpost import Context, Cursor, SourceUnavailable, StreamName
from fingerpost_jsonl._config import JsonlConfig


@dataclass(frozen=True, slots=True)
class Download:
    """What a web address answered, to be opened like a file."""

    content: bytes
    label: str

    def raw(self) -> IO[bytes]:
        """Open the bytes as they came."""
        return io.BytesIO(self.content)


def download(options: JsonlConfig, stream: StreamName, cursor: Cursor | None, context: Context) -> Download:
    """Fetch the lines of one stream. Raises `SourceUnavailable` where a web page comes instead of lines."""
    url = (options.url or "").replace("{stream}", stream)
    headers = {"Accept": "application/x-ndjson, application/jsonl, application/json"}
    if options.token is not None:
        token = options.token.get_secret_value()
        headers[options.header] = f"Bearer {token}" if options.header.casefold() == "authorization" else token
    since = {options.since: str(cursor)} if options.since is not None and cursor is not None else {}
    response = context.http.get(url, headers=headers, accept=(), params=since)
    host = urlsplit(url).hostname or ""
    if "html" in response.headers.get("Content-Type", "").lower() or response.content.lstrip()[:1] == b"<":
        raise SourceUnavailable(
            f"{host} answered with a web page instead of data; check that the address is right and the key valid"
        )
    return Download(response.content, host)
