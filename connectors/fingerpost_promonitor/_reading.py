"""Turn the rows of a college's databases into records."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from functools import partial
from itertools import islice
from typing import Any, Final

from fingerpost import AuthError, Checkpoint, ConfigError, Context, Cursor, Message, Record, StreamName, did_you_mean
from fingerpost_promonitor._catalogue import Catalogue
from fingerpost_promonitor._config import PromonitorConfig, QueryName
from fingerpost_promonitor._database import PAGE, Database
from fingerpost_promonitor._procedures import own_statement
from fingerpost_promonitor._queries import activity_queries, known_learners, page_tokens, query_for
from fingerpost_promonitor._query import KEYS, OFFERED, OPTIONAL, Query
from fingerpost_promonitor._select import IDENTIFIER

_LONG_AGO: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - the databases hold local times
_ACTIVITIES: Final = ("meetings", "comments", "badges")
_PREFIXES: Final = {"meetings": "meeting", "comments": "comment", "actions": "action", "badges": "badge"}
_TYPE_COLUMNS: Final = {"comments": ("CommentType", "ActionType"), "badges": ("Badge", "BadgeValue")}
"""Columns that are always read, as the type of a row follows from them."""

_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EVENTS: Final = {"meeting": "meeting", "comment": "comment", "action": "comment"}


class Reading:
    """One read of one or more streams; whoever makes it closes it."""

    def __init__(self, config: PromonitorConfig, context: Context) -> None:
        self._config = config
        self._context = context
        reach = partial(Database, timeout=config.timeout, base_dir=context.base_dir)
        self.promonitor = self.prosolution = reach(config.url, config.password, label=context.name)
        if config.prosolution_url is not None:
            label = f"{context.name} (ProSolution)"
            self.prosolution = reach(config.prosolution_url, config.prosolution_password, label=label)

    def close(self) -> None:
        """Close the connections."""
        self.promonitor.close()
        self.prosolution.close()

    @property
    def years(self) -> list[str]:
        """The academic years to read, as the databases spell them."""
        return list(self._config.academic_years or academic_years(self._context.as_of))

    def database(self, stream: str) -> Database:
        """Return the database that holds a stream."""
        return self.promonitor if stream in ("activities", "responses") else self.prosolution

    def queries(self, stream: StreamName) -> list[Query]:
        """Return our queries of a stream; those that the college replaced are not among them."""
        database = self.database(stream)
        with database.connect() as connection:
            catalogue = Catalogue(self._config, database.backend, connection)
            if stream == "activities":
                return activity_queries(catalogue, self._config)
            replaced = stream in self._config.queries
            return [] if replaced else [query_for(stream, catalogue, self._config)]

    def read(self, stream: StreamName, cursor: Cursor | None) -> Iterator[Message]:
        """Yield the records of a stream: all of them, or those that may have changed since `cursor`."""
        names = sorted(self._context.columns)
        for name in names:
            if not IDENTIFIER.fullmatch(name):
                raise ConfigError(
                    f"The mapping reads the column {name!r}, which is not a plain name, so nothing was read. Correct "
                    "the mapping."
                )
        queries = self.queries(stream)
        replaced = self._replaced(stream)
        if not replaced:
            self._refuse_unknown(stream, names, queries)
        dated = stream in dated_streams(self._config)
        since = self._since(cursor) if dated else None
        is_known = self._known(stream) if queries else None
        tokens = self._tokens() if stream == "learners" and "PageToken" in names else {}
        database = self.database(stream)
        for query in queries:
            yield from _completed(stream, self._read_query(database, query, names, since, is_known), tokens)
        for name in replaced:
            yield from _completed(stream, self._read_own_query(database, name, names, since), tokens)
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
        """Return the instant from which rows are read, as the databases write instants: local, without a zone.

        None means all of them. So it is when the academic years have moved on: rows of the new year that were made in
        summer are older than any night that read it.
        """
        if cursor is None:
            return None
        since = datetime.fromisoformat(str(cursor)).astimezone(self._context.timezone).replace(tzinfo=None)
        moved = academic_years(since.date()) != academic_years(self._context.as_of)
        return None if moved and not self._config.academic_years else since

    # -- our own queries ---------------------------------------------------------------------------------------------

    def _known(self, stream: str) -> Callable[[Record], bool] | None:
        """Return a test of whether ProMonitor knows the learner of a record; None where that does not matter."""
        if stream in ("activities", "responses") or self._config.learners == "prosolution":
            return None
        known: set[str] = set()
        for row in self._promonitor_rows(known_learners, ("RefNo", "AcademicYearID")):
            year, reference = text_of(row["AcademicYearID"]), text_of(row["RefNo"])
            known |= {f"{year}/{reference}", reference}
        if stream == "destinations":  # they are the person's, whatever the year
            return lambda record: record.data["RefNo"] in known
        return lambda record: (
            (f"{record.part}/{record.data['RefNo']}" if record.part else record.data["RefNo"]) in known
        )

    def _tokens(self) -> dict[str, str]:
        """Return the token of each learner and year, by the key of that record: the smallest, where there are several.

        A college without the table, or whose login may not read it, has none.
        """
        tokens: dict[str, str] = {}
        names = ("AcademicYearID", "RefNo", "PageToken")
        try:
            for row in self._promonitor_rows(page_tokens, names):
                year, reference, token = (text_of(row[name]) for name in names)
                if token:
                    key = f"{year}/{reference}"
                    tokens[key] = min(token, tokens.get(key, token))
        except (ConfigError, AuthError):
            return {}
        return tokens

    def _promonitor_rows(self, build: Callable[[Catalogue], Query], names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield all rows of a query on ProMonitor."""
        database = self.promonitor
        with database.connect() as connection:
            query = build(Catalogue(self._config, database.backend, connection))
        for rows in self._pages(database, query, names, {"academic_years": self.years}, since=False):
            yield from rows

    def _read_query(
        self, database: Database, query: Query, names: Sequence[str], since: datetime | None,
        is_known: Callable[[Record], bool] | None,
    ) -> Iterator[Message]:  # fmt: skip
        typed_by = _TYPE_COLUMNS.get(query.name, ())
        selected = list(dict.fromkeys((*names, *query.key, "RefNo", "AcademicYearID", *typed_by)))
        values: dict[str, Any] = {"academic_years": self.years, "since": since}
        make = _record_maker(query.name, query.key, names, query.activity, self._answers(query.name))
        make_action = _record_maker("actions", query.key, names, None, {})
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
        """Return what each title means that a tutor answers with; a college's own query may give the meaning itself."""
        if query != "responses" or self._config.responses is None:
            return {}
        outright = {answer: answer for answer in ("acknowledged", "snoozed") if query in self._config.queries}
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
                offered = {*OFFERED[stream], *(given for query in queries for given in query.given)}
                offered |= {column.name for query in queries for table in query.tables for column in table.columns}
                raise ConfigError(
                    f"Connector {self._context.name}: the mapping for {stream} reads the column {name}, which the "
                    f"tables of the {stream} do not have.{did_you_mean(name, offered)} Correct the mapping."
                )
            if stream != "activities" and name not in OPTIONAL:
                self._context.warn("missing_column", field=name)
        self._context.header([name for name in names if name not in lacking or name in OFFERED[stream]], where=stream)

    # -- the college's own queries -----------------------------------------------------------------------------------

    def _read_own_query(
        self, database: Database, name: QueryName, names: Sequence[str], since: datetime | None
    ) -> Iterator[Message]:
        statement = own_statement(self._config.queries[name], database.engine.dialect)
        make = _record_maker(name, KEYS[name], names, None, self._answers(name))
        first = True
        for year in self.years:
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
                f"Connector {self._context.name}: your query for {name} returns no column {' and '.join(lacking)}, "
                f"which tells its rows apart. It returns: {', '.join(columns)}."
            )
        stream = "activities" if name in _PREFIXES else name
        for column in names:
            if column not in columns and column not in OFFERED[stream]:
                self._context.warn("missing_column", field=column)


def dated_streams(config: PromonitorConfig) -> frozenset[StreamName]:
    """Return the streams that can be read by when their rows were last changed, at least in part.

    ProMonitor does not date the learners whom it knows. One whom it adds long after ProSolution last changed them would
    be missed, so learners are read whole unless everybody in ProSolution is one.
    """
    return frozenset({"activities", "learners"} if config.learners == "prosolution" else {"activities"})


def academic_years(today: date) -> tuple[str, str]:
    """Return the academic year before that of a day and its own, as ProSolution spells them: 24/25."""
    start = today.year if today.month >= 8 else today.year - 1
    return tuple(f"{year % 100:02}/{(year + 1) % 100:02}" for year in (start - 1, start))  # type: ignore[return-value]


def beginning(year: str) -> int | None:
    """Return the calendar year in which an academic year begins, whatever its spelling; None where it is not clear."""
    digits = re.sub(r"\D", "", year)
    first, second = {4: (digits[:2], digits[2:]), 6: (digits[2:4], digits[4:]), 8: (digits[2:4], digits[6:])}.get(
        len(digits), ("0", "0")
    )
    return 2000 + int(first) if (int(first) + 1) % 100 == int(second) else None


# -- one record -------------------------------------------------------------------------------------------------------


def _record_maker(
    query: str, key: Sequence[str], names: Sequence[str], activity: str | None, answers: Mapping[str, str]
) -> Callable[[Mapping[str, Any]], Record]:
    """Return the function that makes a record of a row.

    Every value becomes text, without its padding: the mapping says what it means, not the type in the database.
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
            if "EventKey" in data and source in _EVENTS:  # with a word, as another source's events have numbers, too
                meeting = data["EventKey"]
                data["EventKey"] = f"meeting {meeting}" if meeting else f"{_EVENTS[source]} {parts[0]}"
        if query == "responses":
            if "Response" in data:
                data["Response"] = answers.get(data["Response"].casefold(), "none")
            return Record(parts[0], data)  # items come and go whatever the year, so all are one part
        year = text_of(row.get("AcademicYearID"))
        if query == "assignments":
            _keep_within_year(data, year)
        return Record("/".join((*prefix, *parts)), data, year)

    return make


def _keep_within_year(assignment: dict[str, str], year: str) -> None:
    """Date a tutor or group within the academic year for which it was entered: from 1 August to 31 July, at the most.

    Most rules give no dates, and a course runs for one year, whatever an enrolment on it says: last year's tutors must
    not be this year's because two years are read. A day that a college's own query spells in another way is left alone.
    """
    starts = beginning(year)
    if starts is None:
        return
    first, last = f"{starts}-08-01", f"{starts + 1}-07-31"
    for name in ("StartDate", "ExpectedEndDate", "ActualEndDate"):
        day = assignment.get(name)
        if day == "" and name != "ActualEndDate":
            assignment[name] = first if name == "StartDate" else last
        elif day and _ISO_DAY.match(day):
            assignment[name] = max(day, first) if name == "StartDate" else min(day, last)


def _completed(stream: str, messages: Iterable[Message], tokens: Mapping[str, str]) -> Iterator[Message]:
    """Give each learner the token of their page, where the record holds none; leave out items without an answer."""
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
    """Return the type of a badge: its name and value, as ``Careers: Interview held``."""
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
