"""Ask one service: signed in, at its pace, and page after page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import xxhash

from fingerpost import Context, SourceUnavailable
from fingerpost_rest._access import Access, Pace, PathParameters, address
from fingerpost_rest._config import Listed, Pagination, Service
from fingerpost_rest._outcome import Failure, failure_in
from fingerpost_rest._paths import answer_at, search, whole_list_of
from fingerpost_rest._years import with_year

if TYPE_CHECKING:
    from requests import Response


class NotThere(Exception):  # noqa: N818 - an answer, not a mistake
    """Report that the service does not know the learner whose list was asked for."""


class NotAllowed(Exception):  # noqa: N818 - an answer, not a mistake
    """Report that the service withholds a learner's list; it may let us see those of others."""


class Page(NamedTuple):
    """One page of a list: its records, how many there were before they were filtered, and whether it is the last.

    `total` is how many records the answer says there are in all; `doubtful` that it names an error beside them.
    """

    records: list[Any]
    listed: int
    last: bool
    total: int | None = None
    doubtful: bool = False


class Client:
    """Ask one service as its configuration says; both the source and the channel go through here."""

    def __init__(self, config: Service) -> None:
        self._config = config
        self.access = Access(config.auth, config.base_url, config.headers)
        self._pace = Pace(config.rate)
        self.host = urlsplit(config.base_url).hostname or ""

    def sign_in(self, context: Context) -> None:
        """Sign in where that is needed and has not been done yet."""
        self.access.prepare(context, self._pace)

    def send(self, method: str, path: str, context: Context, *, placed: PathParameters, **options: Any) -> Response:
        """Send one request and return the answer, checked by the HTTP helper alone."""
        self.sign_in(context)
        ours = self._options(context, placed)
        ours["headers"] |= options.pop("headers", {})
        return context.http.request(method, address(self._config.base_url, path), **ours, **options)

    def pages(
        self, listed: Listed, context: Context, *, name: str, where: str, params: Mapping[str, str],
        placed: PathParameters | None = None, changes: bool = False,
    ) -> Iterator[Page]:  # fmt: skip
        """Yield one page of records after the other; `params` go beside those of the list.

        Raises `SourceUnavailable` where an answer has no list of records, or where pages begin to repeat themselves:
        a service that ignores the parameter of the page sends the first one for ever. An answer without content is an
        empty page only where nothing but `changes` was asked for, or after another page. With `placed` the list is
        that of one learner; `NotThere` is raised where the service does not know the learner, and `NotAllowed` where
        it withholds them.
        """
        self.sign_in(context)
        pagination = _Paginator(listed.pagination, self.host)
        seen: set[int] = set()
        day = context.as_of
        answers = context.http.pages(
            address(self._config.base_url, with_year(listed.path, day, in_path=True)),
            pagination.following if placed is None else placed.hiding(pagination.following),
            params=with_year({**listed.query, **pagination.first(), **params}, day),
            max_pages=listed.pagination.max_pages,
            accept=(204,) if placed is None else (403, 404),
            **self._options(context, placed),
        )
        for number, response in enumerate(answers):
            if response.status_code == 403:
                raise NotAllowed
            if response.status_code == 404:
                if not number:
                    raise NotThere
                raise SourceUnavailable(f"{self.host} does not have the next page of {name} that it named.")
            if response.status_code == 204 and not number:
                if not changes:
                    raise SourceUnavailable(
                        f"{self.host} answered with nothing (status 204) where a list of {name} was expected; check "
                        f"path in {where} of connector {context.name}."
                    )
                yield Page([], 0, last=True)
                return
            body, records, whole, doubtful = None, [], [], False
            if response.status_code != 204:
                body = json.loads(response.content)
                whole = whole_list_of(listed.records, body)
                doubtful = self._is_doubtful(body, whole, listed, context, name=name, where=where)
                records = self._records(body, listed, context, name=name, where=where)
            content = xxhash.xxh3_64_intdigest(json.dumps(whole).encode()) if whole else None
            if content in seen:
                raise SourceUnavailable(
                    f"{self.host} sent a page of {name} that it had sent before, so reading stopped. Check pagination."
                )
            if content is not None:
                seen.add(content)
            pagination.advance(response, body, len(whole))
            yield Page(records, len(whole), not pagination.following(response), pagination.total, doubtful)

    def _options(self, context: Context, placed: PathParameters | None) -> dict[str, Any]:
        renewal = {"renew": lambda: self.access.renew(context, self._pace)} if self.access.renewable else {}
        headers = {"Accept": "application/json", **self._config.headers}
        return {"headers": headers, "auth": placed or self.access, "pace": self._pace.wait, **renewal}

    def _is_doubtful(
        self, body: object, whole: Sequence[Any], listed: Listed, context: Context, *, name: str, where: str
    ) -> bool:
        """Return whether an answer names an error beside its records; raises `SourceUnavailable` where it failed."""
        place = f"{where} of connector {context.name}"
        if listed.success is not None:
            succeeded = answer_at(listed.success, body)
            if succeeded is None:
                raise SourceUnavailable(
                    f"The answer of {self.host} has no true or false at {listed.success}; check success in {place}."
                )
            failure = None if succeeded else Failure(outright=True)
        else:
            failure = failure_in(body, listed.records)
        if failure is None or (whole and not failure.outright):
            return failure is not None
        raise SourceUnavailable(
            f"{self.host} answered with status 200, but says in the answer that it failed{failure}, so its list of "
            f"{name} is no list. The next run tries again; if such an answer is in order, say with success in {place} "
            "how to tell."
        )

    def _records(self, body: object, listed: Listed, context: Context, *, name: str, where: str) -> list[Any]:
        records = search(listed.records, body)
        if not isinstance(records, list):
            raise SourceUnavailable(
                f"The answer of {self.host} has no list of {name} at {listed.records}; check records in {where} of "
                f"connector {context.name}."
            )
        return records


class _Paginator:
    """Find the address of the next page."""

    def __init__(self, pagination: Pagination, host: str) -> None:
        self._pagination = pagination
        self._host = host
        self._number = 1 if pagination.start is None else pagination.start
        self._read = 0
        self._body: Any = None
        self._count = 0
        self._next: str | None = None
        self.total: int | None = None
        """How many records the last answer said there are in all."""

    def first(self) -> dict[str, str]:
        """Return the parameters of the first page."""
        said = self._pagination
        params: dict[str, str] = {}
        if said.size is not None and said.size_parameter is not None:
            params[said.size_parameter] = str(said.size)
        if said.kind in {"page", "offset"}:
            params[said.parameter or said.kind] = self._place
        return params

    def advance(self, response: Response, body: object, count: int) -> None:
        """Find the page after one that held `count` records before they were filtered."""
        self._body, self._count = body, count
        self._read += count
        self.total = None if self._pagination.total is None or body is None else self._total_at(self._pagination.total)
        kinds: dict[str, Callable[[Response], str | None]] = {
            "none": lambda _: None, "next_link": self._link, "cursor": self._cursor, "page": self._counted,
            "offset": self._counted,
        }  # fmt: skip
        self._next = kinds[self._pagination.kind](response)

    def following(self, _: Response) -> str | None:
        """Return the address of the next page, None at the end."""
        return self._next

    def _link(self, response: Response) -> str | None:
        if self._pagination.next is None:
            return response.links.get("next", {}).get("url")
        return self._text_at(self._pagination.next)

    def _cursor(self, response: Response) -> str | None:
        token = self._text_at(self._pagination.next or "")
        return _with_parameter(response.url, self._pagination.parameter or "cursor", token) if token else None

    def _counted(self, response: Response) -> str | None:
        if self._is_last():
            return None
        self._number += 1
        return _with_parameter(response.url, self._pagination.parameter or self._pagination.kind, self._place)

    @property
    def _place(self) -> str:
        """Where a page begins: after what was received, not what was asked for, as a service may cap its size."""
        return str(self._number if self._pagination.kind == "page" else self._read)

    def _is_last(self) -> bool:
        """Trust what the answer says about its end; where it says nothing, only an empty page is the end.

        A short page is not, since a service may cap the size.
        """
        if self._pagination.more is None and self._pagination.total is None:
            return not self._count
        last = self._body is not None and self._answer_says_last()
        if not last and not self._count:
            raise SourceUnavailable(
                f"{self._host} says that more records follow, but sent an empty page; the next run tries again."
            )
        return last

    def _answer_says_last(self) -> bool:
        said = self._pagination
        if said.more is not None:
            more = answer_at(said.more, self._body)
            if more is None:
                raise SourceUnavailable(
                    f"The answer of {self._host} has no true or false at {said.more}; check more in pagination, and "
                    "compare numbers that are sent as text with to_number()."
                )
            return not more
        return self.total is not None and self._read >= self.total

    def _total_at(self, path: str) -> int:
        total = search(path, self._body)
        if isinstance(total, bool) or not isinstance(total, int | str) or not str(total).isdecimal():
            raise SourceUnavailable(f"The answer of {self._host} has no number at {path}; check total in pagination.")
        return int(total)

    def _text_at(self, path: str) -> str | None:
        found = search(path, self._body)
        if found is None or found is False or found == "":
            return None
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise SourceUnavailable(f"The answer of {self._host} has no text at {path}; check next in pagination.")
        return str(found)


def _with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, value)])))
