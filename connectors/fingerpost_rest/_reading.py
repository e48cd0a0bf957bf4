"""Read one stream page by page, and turn what the service sends into messages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from fingerpost import Checkpoint, ConfigError, Context, Cursor, Deleted, Message, Record, Rejected
from fingerpost_rest._config import Incremental, RestStream
from fingerpost_rest._moving import TRIES, Pass
from fingerpost_rest._pages import Client, Page
from fingerpost_rest._paths import search
from fingerpost_rest._years import passed_years

_ROOT = re.compile(r"\w*")


class Reader:
    """Read one stream of one service."""

    def __init__(self, client: Client, stream: RestStream, context: Context, *, name: str) -> None:
        self._client = client
        self._stream = stream
        self._context = context
        self._name = name

    def messages(self, cursor: Cursor | None) -> Iterator[Message]:
        """Yield every record, with a checkpoint after each page.

        A list that moves is read again, and what one pass has handed over the next leaves out. If it still moves, what
        did not come proves nothing.
        """
        stream, context = self._stream, self._context
        if not self._key:
            raise ConfigError(
                f'Connector {context.name}: say what identifies a record of {self._name}: write, say, key = ["id"] in '
                f"streams.{self._name}."
            )
        for passed in passed_years(stream.asked, context.as_of):
            context.warn("past_academic_year", field=passed.where, where=f"streams.{self._name}")
        mark = _Progress(stream.incremental, context)
        handed: set[int] = set()
        order: int | None = None
        moved: str | None = None
        for number in range(TRIES):
            this = Pass(handed, repeats=self._is_changelog and cursor is not None)
            yield from self._once(cursor, this, mark, is_first=not number)
            moved = this.finish(order)
            if moved is None:
                break
            order = this.order
            context.log.info("list_moved", stream=self._name, attempt=number + 1)
        else:
            context.incomplete(f"the list changed each of the {TRIES} times that it was read ({moved})")
        yield Checkpoint(mark.end)

    @property
    def _key(self) -> tuple[str, ...]:
        return self._stream.key or self._context.key

    @property
    def _is_changelog(self) -> bool:
        """Whether the last record for a key counts."""
        return self._stream.incremental is not None and self._stream.incremental.ordered

    def _once(self, cursor: Cursor | None, this: Pass, mark: _Progress, *, is_first: bool) -> Iterator[Message]:
        stream, context = self._stream, self._context
        columns = sorted(context.columns)
        shown = not is_first
        for number, page in enumerate(self.pages(cursor), start=1):
            this.turn_to(page)
            if page.doubtful:
                context.incomplete(f"{self._client.host} named an error beside the records on page {number}")
            rows = list(self._rows(page.records))
            if not shown:
                shown = self._show_header([row for _, row in rows if isinstance(row, dict)])
            for place, row in rows:
                where = f"page {number} record {place}"
                data = {name: row[name] for name in columns if name in row} if isinstance(row, dict) else {}
                identity, fault = record_key(row, self._key) if isinstance(row, dict) else ("", "not_an_object")
                if fault:
                    if is_first:
                        yield Rejected("", fault, where, data)
                    continue
                mark.see(row, identity)
                if not this.note(identity) and not self._is_changelog:
                    continue
                if stream.deleted is not None and search(stream.deleted, row):
                    yield Deleted(identity)
                else:
                    yield Record(identity, data)
            yield Checkpoint(mark.reached)

    def pages(self, cursor: Cursor | None) -> Iterator[Page]:
        """Yield one page of records after the other; raises what `Client.pages` raises."""
        stream = self._stream
        params: dict[str, str] = {}
        if stream.incremental is not None and cursor is not None:
            params[stream.incremental.parameter] = _cursor_text(cursor, stream.incremental, self._context)
        where = f"streams.{self._name}"
        return self._client.pages(
            stream, self._context, name=self._name, where=where, params=params, changes=bool(params)
        )

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
        """Report which fields the first records have between them; return whether there were any records.

        Fields that only we read, such as the key, are left out: the host would list them as unread.
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


class _Progress:
    """Keep track of how far an incremental read has come."""

    def __init__(self, incremental: Incremental | None, context: Context) -> None:
        self._incremental = incremental
        self._context = context
        self._reached: datetime | date | int | None = None

    def see(self, row: Mapping[str, Any], key: str) -> None:
        """Note when a record was changed."""
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
        """The cursor after a complete read: the start of the run, where records do not say when they changed."""
        said, context = self._incremental, self._context
        if said is None or said.field is not None:
            return self.reached
        today = context.now.astimezone(context.timezone).date()
        return context.now.isoformat() if said.cursor == "instant" else today.isoformat()

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


def _cursor_text(cursor: Cursor, said: Incremental, context: Context) -> str:
    """Return the cursor as the service wants it written."""
    text = str(cursor)
    if said.cursor == "instant":
        at = datetime.fromisoformat(text).astimezone(context.timezone if said.local else UTC)
        text = at.strftime(said.format) if said.format else at.isoformat().replace("+00:00", "Z")
    elif said.cursor == "date" and said.format:
        text = date.fromisoformat(text).strftime(said.format)
    return said.value.replace("{cursor}", text)


def record_key(row: Mapping[str, Any], paths: Sequence[str]) -> tuple[str, str]:
    """Return the key of a record, or an empty one and the reason why it has none.

    Of several parts some may be empty, such as the e-mail address of a tutor who has none. Each keeps its place, and a
    bar within one is escaped, so that records whose parts differ never share a key.
    """
    parts = []
    for path in paths:
        found = row[path] if path in row else search(path, row)
        if isinstance(found, bool) or not isinstance(found, str | int | float | None):
            return "", "missing_key"
        parts.append("" if found is None else str(found).strip())
    if not any(parts):
        return "", "missing_key"
    if len(parts) > 1:
        parts = [part.replace("\\", "\\\\").replace("|", "\\|") for part in parts]
    key = "|".join(parts)
    # Not every store takes control characters and halves of surrogate pairs.
    if not key.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in key):
        return "", "bad_key"
    return key, ""
