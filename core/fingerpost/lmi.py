"""What an enricher needs, whichever labour market service it uses.

* `Json` reads an answer that may contain anything, and never raises.
* `Origin` makes facts that carry their source and terms.
* `Service` is an address and how to ask it; `Inquiry` asks it for one hook, through what is remembered.
* `FirstError` puts a failure off until everything else is done.

This module is public, for vendors' enrichers as for the built-in ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlencode, urlsplit

from fingerpost._contract.connector import Context, Finding
from fingerpost._contract.facts import (
    FACT_KINDS,
    Fact,
    FactKind,
    LabourMarketQuestion,
    NoData,
    Occupation,
    Reference,
    Reply,
    SocVersion,
    fold_region,
)
from fingerpost._web.failures import json_of
from fingerpost._web.http import MAX_BYTES
from fingerpost._words.errors import AuthError, SourceUnavailable
from fingerpost._words.text import plain_text

if TYPE_CHECKING:
    from pydantic import SecretStr
    from requests import Response


__all__ = [
    "AS_SERVED", "FACT_KINDS", "AnswerKind", "Fact", "FactKind", "FirstError", "Inquiry", "Json",
    "LabourMarketQuestion", "NoData", "Occupation", "Origin", "Params", "Reference", "Reply", "Service", "SocVersion",
    "fold_region", "json_of", "plain_text",
]  # fmt: skip

AS_SERVED: Final = "UK (as served)"
"""The region of a figure from a service that takes no region: it may not cover the whole UK."""

AnswerKind: TypeAlias = FactKind | Literal["codes"]
"""What an answer is about, which decides how long it is kept: a kind of fact, or `codes` for look-up lists."""

Params: TypeAlias = "Mapping[str, Any]"
"""The query of an address; a parameter with a list of values is sent once for each."""

_FIGURE = re.compile(r"[+-]?£?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?:\.[0-9]{1,15})?")
_SOC = re.compile(r"[1-9][0-9]{3}(?![0-9])")
_LONGEST_LINK = 500


class Json:
    """Read JSON that may contain anything: whatever is unexpected reads as nothing, and nothing raises.

    Indexing returns the value at a key, iterating the items of a list; each is a `Json` again, of None for nothing. So
    a path needs no checks on the way: ``Json(advert)["wage"]["text"].text()``.
    """

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value: Any = value.value if isinstance(value, Json) else value

    def __getitem__(self, key: str) -> Json:
        return Json(self.value.get(key) if isinstance(self.value, dict) else None)

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def __iter__(self) -> Iterator[Json]:
        return map(Json, self.value if isinstance(self.value, list) else ())

    @property
    def first(self) -> Json:
        """The first item of a list."""
        return next(iter(self), Json(None))

    def items(self) -> Iterator[tuple[str, Json]]:
        """Yield the keys of an object with their values."""
        for key, value in self.value.items() if isinstance(self.value, dict) else ():
            yield key, Json(value)

    def only(self, *keys: str) -> dict[str, Any]:
        """Return an object's values at these keys, so that no more of an answer is remembered than is read."""
        return {key: self.value[key] for key in keys if key in self}

    @property
    def string(self) -> str:
        """A text as it was sent; "" where it is not one."""
        return self.value if isinstance(self.value, str) else ""

    def text(self, most: int = 200) -> str:
        """Return text fit to show; see `plain_text`."""
        return plain_text(self.value, most)

    def number(self, low: float, high: float) -> float | None:
        """Return a number from `low` to `high`; some services send text, such as "£18,500"."""
        value = self.value
        if isinstance(value, str) and _FIGURE.fullmatch(value.strip()):
            value = float(value.replace("£", "").replace(",", ""))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if low <= value <= high else None

    def whole(self, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`."""
        figure = self.number(low, high)
        return int(figure) if figure is not None and figure.is_integer() else None

    def soc(self) -> str:
        """Return a SOC code, or "", without what some services append to its four digits."""
        found = _SOC.match(self.string.strip() or str(self.whole(1000, 9999)))
        return found[0] if found else ""

    def day(self) -> date | None:
        """Return the day at the start of a text such as "2026-11-30T23:59:59Z"."""
        try:
            return date.fromisoformat(self.string[:10])
        except ValueError:
            return None

    def link(self) -> str | None:
        """Return an address that a reader may follow: https, with nothing that hides where it leads."""
        url = self.string
        if len(url) > _LONGEST_LINK or not re.fullmatch(r"https://[!-~]+", url):
            return None
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        return url if parts.hostname and parts.username is None else None


class Origin(NamedTuple):
    """The source of facts, the line to show with them, their terms, and their region unless they have one."""

    source: str
    attribution: str
    licence: str
    region: str = "UK"

    def fact(self, kind: FactKind, occupation: Occupation, reply: Reply, **said: Any) -> Fact:
        """Make a fact of an answer: as old as the answer, with `said` in preference to what is common to all."""
        return Fact(
            kind=kind, soc=occupation.soc, soc_version=occupation.soc_version, retrieved=reply.retrieved,
            stale=reply.stale, **(self._asdict() | said),
        )  # fmt: skip

    def no_data(self, kind: FactKind, occupation: Occupation, reason: str = "none") -> NoData:
        """Report that there is nothing of a kind."""
        return NoData(kind, occupation.soc, self.source, reason)

    def answers(
        self, kinds: Iterable[FactKind], occupation: Occupation, facts: Collection[Fact], reason: str = "none"
    ) -> Iterator[Fact | NoData]:
        """Yield the facts of each kind once; for a kind without facts, yield that there is nothing, and why."""
        for kind in kinds:
            of_kind = dict.fromkeys(fact for fact in facts if fact.kind == kind)
            yield from of_kind or [self.no_data(kind, occupation, reason)]


@dataclass(kw_only=True)
class Service:
    """An address, and how to ask it.

    * `name`: the name under which its answers are remembered, and it is left alone when it is down.
    * `key`: the header for a key, and the key.
    * `limit`: so many calls in so many seconds; see `Reference.fetch`.
    * `not_found`: what status 404 means here, to follow "The host …".
    """

    name: str
    origin: Origin
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, SecretStr] | None = None
    limit: tuple[int, float] | None = None
    max_bytes: int = MAX_BYTES
    not_found: str = "has nothing at this address"

    @property
    def host(self) -> str:
        """The host that is asked."""
        return urlsplit(self.base_url).hostname or self.origin.source

    def send(
        self, context: Context, path: str, params: Params | None = None, *, accept: Collection[int], retry: bool = False
    ) -> Response:
        """Ask, and return the raw answer; see `fingerpost.Context.http`.

        Without `retry` it is one call: further attempts would be calls that no limit counts.
        """
        headers = {"Accept": "application/json", **self.headers}
        if self.key:
            headers[self.key[0]] = self.key[1].get_secret_value()
        url = f"{self.base_url.rstrip('/')}/{path}"
        return context.http.get(
            url, params=params or {}, headers=headers, accept=accept, retry=retry, max_bytes=self.max_bytes
        )

    def get(self, context: Context, path: str, params: Params | None = None, *, nothing: Collection[int] = ()) -> Any:
        """Ask once, and return JSON, or None for an empty answer and for the statuses in `nothing`.

        Raises `SourceUnavailable`, `RateLimited` or `AuthError`.
        """
        response = self.send(context, path, params, accept=(404, *nothing))
        if response.status_code in nothing:
            return None
        if response.status_code == 404:
            raise SourceUnavailable(
                f"{self.host} {self.not_found} (status 404); check base_url of connector {context.name}, or the API "
                "has changed."
            )
        return json_of(response)

    def changed(self, but: str) -> SourceUnavailable:
        """Return the error for an answer that this service would not send, which must not be remembered."""
        return SourceUnavailable(
            f"{self.host} answers, but {but}; the service may have moved or closed, or base_url is wrong."
        )

    def doubt(self, context: Context, but: str) -> Finding:
        """Return the finding of `check` on a useless answer."""
        return Finding(
            "warning", f"{self.origin.source} answers, but {but}.", f"Check base_url of connector {context.name}."
        )


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Ask a service for one hook, through what is remembered."""

    service: Service
    reference: Reference
    context: Context

    def fetch(
        self, kind: AnswerKind, path: str, params: Params | None = None, *,
        keep: Callable[[Any], Any] = lambda value: value, nothing: Collection[int] = (), remember: bool = True,
        name: str | None = None,
    ) -> Reply:  # fmt: skip
        """Return the service's answer; `keep` turns it into what is remembered, and raises if it is not one.

        `name` is for a part of a service that is left alone separately when it is down. See `Service.get` for
        `nothing`, and `Reference.fetch` for the rest.
        """
        question = f"{path}?{urlencode(params, doseq=True)}" if params else path
        return self.reference.fetch(
            name or self.service.name, question, kind,
            lambda: keep(self.service.get(self.context, path, params, nothing=nothing)),
            limit=self.service.limit, remember=remember,
        )  # fmt: skip


class FirstError:
    """Put the first failure of a service off until the end, so that what is remembered can still be used.

    Do each part inside ``with first_error.put_off():``, and at the end call `raise_it`.
    """

    def __init__(self) -> None:
        self._error: AuthError | SourceUnavailable | None = None

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Leave the block if a service cannot be asked, and carry on after it."""
        try:
            yield
        except (AuthError, SourceUnavailable) as error:
            self._error = self._error or error

    def raise_it(self) -> None:
        """Raise the first failure, if there was one."""
        if self._error is not None:
            raise self._error
