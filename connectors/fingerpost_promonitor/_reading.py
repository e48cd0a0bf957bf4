"""Turn the rows of a college's databases into records."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa

from fingerpost import AuthError, Checkpoint, ConfigError, Context, Cursor, Message, Record, StreamName
from fingerpost_promonitor._catalogue import Catalogue
from fingerpost_promonitor._config import Procedure, PromonitorConfig, QueryName
from fingerpost_promonitor._database import PAGE, Database
from fingerpost_promonitor._queries import (
    KEYS,
    OFFERED,
    OPTIONAL,
    Query,
    activity_queries,
    known_learners,
    page_tokens,
    query_for,
)
from fingerpost_promonitor._select import IDENTIFIER, PARAMETERS

_LONG_AGO: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - the databases hold local times
_ACTIVITIES: Final = ("meetings", "comments", "badges")
_PREFIXES: Final = {"meetings": "meeting", "comments": "comment", "actions": "action", "badges": "badge"}
_SAYS_ITS_TYPE: Final = {"comments": ("CommentType", "ActionType"), "badges": ("Badge", "BadgeValue")}
_EVENTS: Final = {"meeting": "meeting", "comment": "comment", "action": "comment"}
"""Columns that are always read, as what a row is follows from them."""


class Reading:
    """One read of one or more streams; it closes its connections."""

    def __init__(self, config: PromonitorConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self.promonitor = Database(
            config.url, config.password, timeout=config.timeout, base_dir=context.base_dir, label=context.name
        )
        self.prosolution = self.promonitor
        if config.prosolution_url is not None:
            self.prosolution = Database(
                config.prosolution_url, config.prosolution_password, timeout=config.timeout, base_dir=context.base_dir,
                label=f"{context.name} (ProSolution)",
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.promonitor.close()
        self.prosolution.close()

    def database(self, stream: str) -> Database:
        """Return the database that holds a stream."""
        return self.promonitor if stream in ("activities", "responses") else self.prosolution

    def queries(self, stream: StreamName) -> list[Query]:
        """Return our queries of a stream; those that the college replaced are not among them."""
        database = self.database(stream)
        with database.connect() as connection:
            catalogue = Catalogue(self._config, database.backend, lambda: sa.inspect(connection))
            if stream == "activities":
                return activity_queries(catalogue, self._config)
            replaced = stream in self._config.queries
            return [] if replaced else [query_for(stream, catalogue, self._config)]

    def read(self, stream: StreamName, cursor: Cursor | None) -> Iterator[Message]:
        """Yield the records of a stream: all of them, or those that may have changed since `cursor`."""
        names = sorted(self._context.columns)
        _refuse_odd_names(names)
        queries = self.queries(stream)
        replaced = self._replaced(stream)
        if not replaced:
            self._refuse_unknown(stream, names, queries)
        dated = stream in dated_streams(self._config)
        since = self._since(cursor) if dated else None
        years = list(self._config.academic_years or academic_years(self._context.as_of))
        is_known = self._known(stream, years) if queries else None
        tokens = self._tokens(years) if stream == "learners" and "PageToken" in names else {}
        for query in queries:
            yield from _completed(stream, self._ours(query, names, years, since, is_known), tokens)
        for name in replaced:
            yield from _completed(stream, self._own(name, names, years, since), tokens)
        yield Checkpoint(self._context.now.isoformat() if dated else None)

    def unknown(self, names: Collection[str], streams: Iterable[StreamName]) -> list[str]:
        """Return those of `names` that no query of these streams could give."""
        if any(self._replaced(stream) for stream in streams):
            return []
        known = frozenset[str]().union(*(OFFERED[stream] for stream in streams))
        queries = [query for stream in streams for query in self.queries(stream)]
        return sorted(
            name for name in names if name not in known and all(query.column(name) is None for query in queries)
        )

    def _replaced(self, stream: str) -> list[QueryName]:
        names = _ACTIVITIES if stream == "activities" else (stream,)
        wanted = self._config.activities if stream == "activities" else names
        return [name for name in self._config.queries if name in names and name in wanted]

    def _since(self, cursor: Cursor | None) -> datetime | None:
        """Return from when on rows are read, as the databases write instants: local, without a zone.

        None means all of them. That is so, too, where other academic years are read than were then: rows of the new
        year that were made in summer are older than any night that read it.
        """
        if cursor is None:
            return None
        since = datetime.fromisoformat(str(cursor)).astimezone(self._context.timezone).replace(tzinfo=None)
        moved = academic_years(since.date()) != academic_years(self._context.as_of)
        return None if moved and not self._config.academic_years else since

    # -- our own queries ---------------------------------------------------------------------------------------------

    def _known(self, stream: str, years: list[str]) -> Callable[[Record], bool] | None:
        """Return how to tell whether ProMonitor knows the learner of a record; None where that does not matter."""
        if stream in ("activities", "responses") or self._config.learners == "prosolution":
            return None
        database = self.promonitor
        with database.connect() as connection:
            query = known_learners(Catalogue(self._config, database.backend, lambda: sa.inspect(connection)))
        known: set[str] = set()
        for rows in self._pages(database, query, ["RefNo", "AcademicYearID"], {"academic_years": years}, since=False):
            for row in rows:
                known.add(f"{text_of(row['AcademicYearID'])}/{text_of(row['RefNo'])}")
                known.add(text_of(row["RefNo"]))
        if stream == "destinations":  # they are the person's, whatever the year
            return lambda record: record.data["RefNo"] in known
        return lambda record: (
            (f"{record.part}/{record.data['RefNo']}" if record.part else record.data["RefNo"]) in known
        )

    def _tokens(self, years: list[str]) -> dict[str, str]:
        """Return the token of each learner and year, by the key of that record: the smallest, where there are several.

        A college without the table, or whose login may not read it, has none.
        """
        tokens: dict[str, str] = {}
        database = self.promonitor
        try:
            with database.connect() as connection:
                query = page_tokens(Catalogue(self._config, database.backend, lambda: sa.inspect(connection)))
            for rows in self._pages(database, query, list(query.given), {"academic_years": years}, since=False):
                for row in rows:
                    year, reference, token = (text_of(row[name]) for name in ("AcademicYearID", "RefNo", "PageToken"))
                    key = f"{year}/{reference}"
                    if token:
                        tokens[key] = min(token, tokens.get(key, token))
        except (ConfigError, AuthError):
            return {}
        return tokens

    def _ours(
        self, query: Query, names: Sequence[str], years: list[str], since: datetime | None,
        is_known: Callable[[Record], bool] | None,
    ) -> Iterator[Message]:  # fmt: skip
        database = self.database("activities" if query.name in _PREFIXES or query.name not in KEYS else query.name)
        told = _SAYS_ITS_TYPE.get(query.name, ())
        selected = list(dict.fromkeys((*names, *query.key, "RefNo", "AcademicYearID", *told)))
        values: dict[str, Any] = {**query.values, "academic_years": years, "since": since}
        make = _maker(query.name, query.key, names, query.activity, self._answers(query.name))
        make_action = _maker("actions", query.key, names, None, {})
        for rows in self._pages(database, query, selected, values, since=since is not None):
            if query.name == "comments" and "Type" in names:
                records: Iterable[Record] = (
                    (make_action if is_action else make)(typed) for row in rows for is_action, typed in _by_type(row)
                )
            else:
                records = map(make, rows)
            yield from records if is_known is None else filter(is_known, records)
            yield Checkpoint()

    def _answers(self, query: str) -> dict[str, str]:
        """Return what the titles mean that a tutor answers with; a query of the college's own may say it outright."""
        if query != "responses" or self._config.responses is None:
            return {}
        outright = {"acknowledged": "acknowledged", "snoozed": "snoozed"} if query in self._config.queries else {}
        return {**outright, **self._config.responses.answers}

    @staticmethod
    def _pages(
        database: Database, query: Query, names: Sequence[str], values: dict[str, Any], *, since: bool
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a query, page by page."""
        size, after = PAGE, False
        while True:
            statement = query.page(names, size=size, after=after, since=since)
            labels = [*statement.selected_columns.keys()]
            if query.number is None:
                rows = database.stream(statement, values)
                while page := [dict(row) for row in islice(rows, PAGE)]:
                    yield page
                return
            found = database.page(statement, values)
            whole = len(found) < size
            if not whole:  # the rest of the last number's rows may be on the next page
                last = found[-1].page_number
                found = [row for row in found if row.page_number != last]
            if not found and not whole:
                size *= 2
                continue
            yield [dict(zip(labels, row, strict=True)) for row in found]
            if whole:
                return
            values["after"] = found[-1].page_number
            size, after = PAGE, True

    def _refuse_unknown(self, stream: str, names: Sequence[str], queries: Sequence[Query]) -> None:
        lacking = [name for name in names if all(query.column(name) is None for query in queries)]
        for name in lacking:
            if name not in OFFERED[stream]:
                raise ConfigError(self.unknown_sentence(stream, name, queries))
            if stream != "activities" and name not in OPTIONAL:
                self._context.warn("missing_column", field=name)
        self._context.header([name for name in names if name not in lacking or name in OFFERED[stream]], where=stream)

    def unknown_sentence(self, stream: str, name: str, queries: Sequence[Query]) -> str:
        """Say that a mapping reads a column that is nowhere."""
        offered = {*OFFERED[stream], *(given for query in queries for given in query.given)}
        offered |= {column.name for query in queries for table in query.tables for column in table.columns}
        near = difflib.get_close_matches(name, offered, n=1)
        hint = f" Is it {near[0]}?" if near else ""
        return (
            f"Connector {self._context.name}: the mapping for {stream} reads the column {name}, and the tables of the "
            f"{stream} have none of that name.{hint} Correct the mapping."
        )

    # -- the college's own queries -----------------------------------------------------------------------------------

    def _own(
        self, name: QueryName, names: Sequence[str], years: list[str], since: datetime | None
    ) -> Iterator[Message]:
        database = self.database("activities" if name in _PREFIXES else name)
        statement = own_statement(self._config.queries[name], database.engine.dialect)
        make = _maker(name, KEYS[name], names, None, self._answers(name))
        first = True
        for year in years:
            for row in database.stream(statement, {"academic_year": year, "since": since or _LONG_AGO}):
                given = {str(column): value for column, value in row.items()}
                if first:
                    self._refuse_lacking(name, names, list(given))
                    first = False
                yield make({"AcademicYearID": year, **given})
            yield Checkpoint()

    def _refuse_lacking(self, name: str, names: Sequence[str], columns: list[str]) -> None:
        lacking = [column for column in KEYS[name] if column not in columns and column != "AcademicYearID"]
        if lacking:
            raise ConfigError(
                f"Connector {self._context.name}: your query for {name} gives no column {' and '.join(lacking)}, which "
                f"tells its rows apart. It gives: {', '.join(columns)}."
            )
        stream = "activities" if name in _PREFIXES else name
        for column in names:
            if column not in columns and column not in OFFERED[stream]:
                self._context.warn("missing_column", field=column)


def dated_streams(config: PromonitorConfig) -> frozenset[StreamName]:
    """Return the streams that can be read by when their rows were last changed, at least in part.

    Whom ProMonitor knows has no date. A learner whom it comes to know long after ProSolution wrote them down would be
    missed, so learners are read whole unless everybody in ProSolution is one.
    """
    return frozenset({"activities", "learners"} if config.learners == "prosolution" else {"activities"})


def academic_years(today: date) -> tuple[str, str]:
    """Return the academic year before that of a day and its own, as ProSolution spells them: 24/25."""
    start = today.year if today.month >= 8 else today.year - 1
    return tuple(f"{year % 100:02}/{(year + 1) % 100:02}" for year in (start - 1, start))  # type: ignore[return-value]


def own_statement(query: str | Procedure, dialect: sa.Dialect) -> sa.TextClause:
    """Return a college's own query ready to be executed, with its parameters bound.

    Raises `ConfigError` for a procedure where the database has none.
    """
    text = query if isinstance(query, str) else _call(query, dialect)
    types: dict[str, Any] = {"academic_year": sa.Unicode, "since": sa.DateTime}
    used = [name for name in PARAMETERS if re.search(rf"(?<![:\w\\]):{name}\b", text)]
    return sa.text(text).bindparams(*(sa.bindparam(name, type_=types[name]) for name in used))


def _call(query: Procedure, dialect: sa.Dialect) -> str:
    quote = dialect.identifier_preparer.quote_identifier
    parts = [*([query.database] if query.database else []), *query.procedure.split(".")]
    name = ".".join(quote(part) for part in parts)
    if dialect.name == "mssql":
        arguments = ", ".join(f"@{name}=:{value}" for name, value in query.parameters.items())
        return f"SET NOCOUNT ON; EXEC {name} {arguments}"  # else the rows that it counts would be its first answer
    if dialect.name == "postgresql":
        arguments = ", ".join(f"{quote(name)} => :{value}" for name, value in query.parameters.items())
        return f"SELECT * FROM {name}({arguments})"  # noqa: S608 - checked names, quoted
    raise ConfigError(f"A {dialect.name} database has no procedures; write a SELECT for the query instead.")


def _refuse_odd_names(names: Iterable[str]) -> None:
    for name in names:
        if not IDENTIFIER.fullmatch(name):
            raise ConfigError(
                f"The mapping reads the column {name!r}, which is not a plain name of a column, so nothing was read. "
                "Correct the mapping."
            )


# -- one record -------------------------------------------------------------------------------------------------------


def _maker(
    query: str, key: Sequence[str], names: Sequence[str], activity: str | None, answers: Mapping[str, str]
) -> Callable[[Mapping[str, Any]], Record]:
    """Return the function that makes a record of a row.

    Everything becomes text, stripped of its padding: the database's types are not the source's meaning.
    """
    is_activity = query in _PREFIXES or query not in KEYS
    prefix = [_PREFIXES.get(query, query)] if is_activity else []
    source = _PREFIXES.get(query, query)

    def make(row: Mapping[str, Any]) -> Record:
        data = {name: text_of(row.get(name)) for name in names}
        parts = [text_of(row[name]) for name in key]
        if query == "learners" and not parts[1]:
            parts[1] = f"(row {text_of(row['page_number'])})" if "page_number" in row else "(no reference)"
        if is_activity:
            if "Source" in data:
                data["Source"] = source
            if "Type" in data and not data["Type"]:
                data["Type"] = activity or _badge(row)
            if "EventKey" in data and source in _EVENTS:  # with words, as another source's events have numbers, too
                meeting = data["EventKey"]
                data["EventKey"] = f"meeting {meeting}" if meeting else f"{_EVENTS[source]} {parts[0]}"
        if query == "responses":
            if "Response" in data:
                data["Response"] = answers.get(data["Response"].casefold(), "none")
            return Record(parts[0], data)  # items come and go whatever the year, so all are one part
        return Record("/".join((*prefix, *parts)), data, text_of(row.get("AcademicYearID")))

    return make


def _completed(stream: str, messages: Iterable[Message], tokens: Mapping[str, str]) -> Iterator[Message]:
    """Give each learner the token of their page, where the record holds none; leave out what nobody answered."""
    for message in messages:
        if not isinstance(message, Record):
            yield message
        elif stream == "responses":
            if message.data.get("Response") != "none":
                yield message
        elif tokens and not message.data["PageToken"]:
            yield message._replace(data={**message.data, "PageToken": tokens.get(message.key, "")})
        else:
            yield message


def _by_type(row: Mapping[str, Any]) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """Yield a comment with its type, and the action that it is as well; say which of the two it is.

    Only the mapping knows which types are careers activities, and either may be. Both have one event key, so that they
    count once where both are.
    """
    action = text_of(row["ActionType"])
    if text_of(row["CommentType"]) or not action:
        yield False, {**row, "Type": row["CommentType"]}
    if action:
        yield True, {**row, "Type": action}


def _badge(row: Mapping[str, Any]) -> str:
    """Return what a badge is: its name and value, as ``Careers: Interview held``."""
    return ": ".join(text for name in ("Badge", "BadgeValue") if (text := text_of(row.get(name))))


_MIDNIGHT: Final = time()


def text_of(value: Any) -> str:
    """Return the text of a database value; an instant at midnight is a day."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
