"""Read one stream page by page, and turn what the service sends into messages."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import xxhash

from fingerpost import (
    Checkpoint,
    ConfigError,
    Context,
    Cursor,
    Deleted,
    Message,
    Record,
    Rejected,
    SourceUnavailable,
)
from fingerpost_rest._access import address
from fingerpost_rest._config import search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from requests import Response

    from fingerpost_rest._access import Access, Pace
    from fingerpost_rest._config import Incremental, Pagination, RestConfig, RestStream

__all__ = ["Reader", "record_key"]


_ROOT = re.compile(r"\w*")


class Reader:
    """Read one stream of one service."""

    def __init__(
        self, config: RestConfig, stream: RestStream, access: Access, pace: Pace, context: Context, *, name: str
    ) -> None:
        self._config = config
        self._stream = stream
        self._access = access
        self._pace = pace
        self._context = context
        self._name = name
        self._host = urlsplit(config.base_url).hostname or ""

    def messages(self, cursor: Cursor | None) -> Iterator[Message]:
        """Yield every record, with a checkpoint after each page."""
        stream, context = self._stream, self._context
        key = stream.key or context.key
        if not key:
            raise ConfigError(
                f'Connector {context.name}: say what identifies a record of {self._name}: key = ["id"] in '
                f"streams.{self._name}."
            )
        mark = _Mark(stream.incremental, context)
        columns = sorted(context.columns)
        shown = False
        for number, page in enumerate(self.pages(cursor), start=1):
            rows = list(self._rows(page))
            if not shown:
                shown = self._show_header([row for _, row in rows if isinstance(row, dict)])
            for place, row in rows:
                where = f"page {number} record {place}"
                if not isinstance(row, dict):
                    yield Rejected("", "not_an_object", where)
                    continue
                data = {name: row[name] for name in columns if name in row}
                identity, fault = record_key(row, key)
                if fault:
                    yield Rejected("", fault, where, data)
                    continue
                mark.see(row, identity)
                if stream.deleted is not None and search(stream.deleted, row):
                    yield Deleted(identity)
                else:
                    yield Record(identity, data)
            yield Checkpoint(mark.reached)
        yield Checkpoint(mark.end)

    def pages(self, cursor: Cursor | None) -> Iterator[list[Any]]:
        """Yield the records of one page after the other.

        Raises `SourceUnavailable` where an answer has no list of records, or where pages begin to repeat themselves:
        a service that ignores the parameter of the page sends the first one for ever.
        """
        stream, context = self._stream, self._context
        self._access.prepare(context, self._pace)
        turner = _Turner(stream.pagination, self._pace, self._host)
        params = {**stream.query, **turner.first()}
        if stream.incremental is not None and cursor is not None:
            params[stream.incremental.parameter] = _spelt(cursor, stream.incremental, context)
        renewal: Any = {"renew": self._renew} if self._access.renewable else {}
        self._pace.wait()
        seen: set[int] = set()
        for response in context.http.pages(
            address(self._config.base_url, stream.path),
            turner.following,
            params=params,
            headers={"Accept": "application/json", **self._config.headers},
            auth=self._access,
            **renewal,
        ):
            body = json.loads(response.content)
            records = self._records(body)
            content = xxhash.xxh3_64_intdigest(json.dumps(records).encode()) if records else None
            if content in seen:
                raise SourceUnavailable(
                    f"{self._host} sends a page of {self._name} that it sent before; reading stopped. Check pagination."
                )
            if content is not None:
                seen.add(content)
            turner.turned(body, len(records))
            yield records

    def _renew(self) -> None:
        self._access.renew(self._context, self._pace)

    def _records(self, body: object) -> list[Any]:
        records = search(self._stream.records, body)
        if not isinstance(records, list):
            raise SourceUnavailable(
                f"The answer of {self._host} has no list of {self._name} at {self._stream.records}; check records in "
                f"streams.{self._name} of connector {self._context.name}."
            )
        return records

    def _rows(self, page: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        """Yield each record with its place, and with `expand` one for each element of a list within it."""
        for number, record in enumerate(page, start=1):
            if self._stream.expand is None or not isinstance(record, dict):
                yield str(number), record
                continue
            elements = search(self._stream.expand, record)
            for position, element in enumerate(elements if isinstance(elements, list) else (), start=1):
                yield f"{number}.{position}", {**record, "item": element}

    def _show_header(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Show which fields the first records have between them; say whether there were any records.

        What only we read, such as the key, is left out: it would be listed as read by nobody.
        """
        if not rows:
            return False
        stream, reads = self._stream, self._context.columns
        marked = stream.incremental.field if stream.incremental else None
        paths = (*stream.key, stream.expand, stream.deleted, marked)
        ours = {name for path in paths if path for name in _ROOT.findall(path)[:1]}
        fields = dict.fromkeys(name for row in rows for name in row if name in reads or name not in ours)
        named = self._context.key if self._stream.key else ()  # ours goes before the mapping's, and may be paths
        self._context.header([*fields, *(name for name in named if name not in fields)], where=self._name)
        return True


class _Turner:
    """Find the address of the next page."""

    def __init__(self, pagination: Pagination, pace: Pace, host: str) -> None:
        self._pagination = pagination
        self._pace = pace
        self._host = host
        self._number = 1 if pagination.start is None else pagination.start
        self._read = 0
        self._body: Any = None
        self._count = 0

    def first(self) -> dict[str, str]:
        """Return the parameters of the first page."""
        said = self._pagination
        params: dict[str, str] = {}
        if said.size is not None and said.size_parameter is not None:
            params[said.size_parameter] = str(said.size)
        if said.kind == "page":
            params[said.parameter or "page"] = str(self._number)
        elif said.kind == "offset":
            params[said.parameter or "offset"] = "0"
        return params

    def turned(self, body: object, count: int) -> None:
        """Take note of the page that was just read."""
        self._body, self._count = body, count
        self._read += count

    def following(self, response: Response) -> str | None:
        """Return the address of the page after this one, None at the end."""
        kinds: dict[str, Callable[[Response], str | None]] = {
            "none": lambda _: None, "next_link": self._link, "cursor": self._cursor, "page": self._page,
            "offset": self._offset,
        }  # fmt: skip
        url = kinds[self._pagination.kind](response)
        if url:
            self._pace.wait()
        return url

    def _link(self, response: Response) -> str | None:
        if self._pagination.next is None:
            return response.links.get("next", {}).get("url")
        return self._text_at(self._pagination.next)

    def _cursor(self, response: Response) -> str | None:
        token = self._text_at(self._pagination.next or "")
        return _with_parameter(response.url, self._pagination.parameter or "cursor", token) if token else None

    def _page(self, response: Response) -> str | None:
        if self._is_last():
            return None
        self._number += 1
        return _with_parameter(response.url, self._pagination.parameter or "page", str(self._number))

    def _offset(self, response: Response) -> str | None:
        """Go on after what was received, not after what was asked for: a service may cap the size of a page."""
        if self._is_last():
            return None
        return _with_parameter(response.url, self._pagination.parameter or "offset", str(self._read))

    def _is_last(self) -> bool:
        """Believe what the answer says of its end; where it says nothing, only an empty page is the end.

        A page that is merely short is not: a service may cap the size.
        """
        said = self._pagination
        if said.more is not None:
            last = not search(said.more, self._body)
        elif said.total is not None:
            total = search(said.total, self._body)
            if isinstance(total, bool) or not isinstance(total, int | str) or not str(total).isdecimal():
                raise SourceUnavailable(f"The answer of {self._host} has no number at {said.total}; check pagination.")
            last = self._read >= int(total)
        else:
            return not self._count
        if not last and not self._count:
            raise SourceUnavailable(
                f"{self._host} says that more records follow, and sends an empty page; the next run tries again."
            )
        return last

    def _text_at(self, path: str) -> str | None:
        found = search(path, self._body)
        if found is None or found is False or found == "":
            return None
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise SourceUnavailable(f"The answer of {self._host} has no text at {path}; check next in pagination.")
        return str(found)


class _Mark:
    """Follow how far an incremental read has come."""

    def __init__(self, incremental: Incremental | None, context: Context) -> None:
        self._incremental = incremental
        self._context = context
        self._reached: datetime | date | int | None = None

    def see(self, row: Mapping[str, Any], key: str) -> None:
        """Take in when a record was changed."""
        if self._incremental is None or self._incremental.field is None:
            return
        at = self._read(search(self._incremental.field, row))
        if at is None:
            self._context.warn("bad_cursor", key=key, field=self._incremental.field)
        elif self._reached is None or at > self._reached:  # type: ignore[operator]  # all of one kind
            self._reached = at

    @property
    def reached(self) -> Cursor | None:
        """The newest change seen."""
        reached = self._reached
        return reached if reached is None or isinstance(reached, int) else reached.isoformat()

    @property
    def end(self) -> Cursor | None:
        """Where a complete read stands: where records do not say when they changed, at the start of the run."""
        said, context = self._incremental, self._context
        if said is None or said.field is not None:
            return self.reached
        return context.now.isoformat() if said.cursor == "instant" else _day(context).isoformat()

    def _read(self, value: object) -> datetime | date | int | None:
        kind = self._incremental.cursor if self._incremental else ""
        try:
            if kind == "integer":
                return None if isinstance(value, bool) or not isinstance(value, int | str) else int(value)
            if not isinstance(value, str):
                return None
            if kind == "date":
                return date.fromisoformat(value.strip()[:10])
            at = datetime.fromisoformat(value.strip())
            return at.replace(tzinfo=at.tzinfo or self._context.timezone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def _spelt(cursor: Cursor, said: Incremental, context: Context) -> str:
    """Write the cursor as the service wants it."""
    text = str(cursor)
    if said.cursor == "instant":
        at = datetime.fromisoformat(text).astimezone(context.timezone if said.local else UTC)
        text = at.strftime(said.format) if said.format else at.isoformat().replace("+00:00", "Z")
    elif said.cursor == "date" and said.format:
        text = date.fromisoformat(text).strftime(said.format)
    return said.value.replace("{cursor}", text)


def _day(context: Context) -> date:
    return context.now.astimezone(context.timezone).date()


def _with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, value)])))


def record_key(row: Mapping[str, Any], paths: Sequence[str]) -> tuple[str, str]:
    """Return the key of a record, or an empty one and the reason why it has none."""
    parts = []
    for path in paths:
        found = row[path] if path in row else search(path, row)
        if isinstance(found, bool) or not isinstance(found, str | int | float) or not str(found).strip():
            return "", "missing_key"
        parts.append(str(found).strip())
    key = "|".join(parts)
    # Control characters and halves of surrogate pairs cannot be stored everywhere.
    if not key.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in key):
        return "", "bad_key"
    return key, ""
