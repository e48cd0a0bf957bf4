"""The channel `rest-writeback`: keep one item on each learner's page, through the service's own HTTP API.

Between two deliveries nothing is remembered but what stands on the page itself. Each one looks first, writes what is
missing, and reports ``unknown`` where it cannot see whether a write arrived: the next look will show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

import xxhash

from fingerpost import (
    AuthError,
    Channel,
    ConnectorConfig,
    Context,
    ContractError,
    Finding,
    FingerpostError,
    GapItem,
    Item,
    ItemMark,
    Payload,
    RateLimited,
    Receipt,
    ReceiptStatus,
    SourceUnavailable,
    hookimpl,
    mark_item,
    read_mark,
)
from fingerpost_rest._access import PathParameters
from fingerpost_rest._outcome import failure_in
from fingerpost_rest._pages import Client, NotAllowed, NotThere
from fingerpost_rest._paths import parsed, search
from fingerpost_rest._writing_config import Change, Open, WritebackConfig
from fingerpost_rest._years import with_year, year_findings

if TYPE_CHECKING:
    from requests import Response


_MAX_FAILURES = 3
"""After so many payloads in a row without a useful answer, the rest of the delivery waits for the next run."""

_STATUSES_JUDGED_HERE = frozenset(range(300, 600)) - {401, 407}
"""The answers to a write that this channel judges itself; the others are about our credentials."""

_BUSY_STATUSES = frozenset({408, 429, 503})


class RestChannel(Channel):
    """Write a learner's open points onto the learner's page in an ILP with an HTTP API.

    The item is found by its mark, so a delivery that is repeated, or whose answer was lost, changes nothing. Services
    have no lock in common; the lock of the run sees to it that two runs do not write at once.
    """

    name: ClassVar[str] = "rest-writeback"
    Config: ClassVar[type[ConnectorConfig]] = WritebackConfig
    accepts: ClassVar[Literal["digest", "gap_item"]] = "gap_item"
    config: WritebackConfig

    def __init__(self, config: WritebackConfig) -> None:
        super().__init__(config)
        self._client = Client(config)

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Sign in where the service gives tokens, and report what would be written; read and write nothing."""
        try:
            self._client.sign_in(context)
        except FingerpostError as error:
            yield Finding("error", error.message)
        else:
            if self._client.access.renewable:
                yield Finding("ok", f"signed in to {self._client.host}")
            else:
                yield Finding("ok", f"{self._client.host} is first contacted when an item is written")
        config = self.config
        yield from year_findings("look", config.look.asked, context.as_of)
        for name, request in (("open", config.open), ("update", config.update), ("close", config.closing)):
            yield Finding("ok", f"{name}: {request.method} {request.path}")
            yield from year_findings(name, request.asked, context.as_of)
        if not config.write:
            yield Finding(
                "warning",
                "nothing is written: write is false",
                "see what would be written with fingerpost sync --dry-run, then set write = true",
            )

    @hookimpl
    def render(self, item: Item, context: Context) -> Payload:
        """Render an item to everything that its delivery needs. Raises `ContractError` for any other kind of item."""
        if not isinstance(item, GapItem):
            raise ContractError("The rest-writeback channel writes items onto learners' pages, not digests to people.")
        closing = mark_item(item.key, item.text, closed=True)
        text = closing if item.operation == "close" else mark_item(item.key, item.text)
        job = _Job(
            item.operation, item.key, item.learner_reference, item.external_ref, text, closing, item.as_of.isoformat()
        )
        content = json.dumps(asdict(job), ensure_ascii=False, sort_keys=True).encode()
        return Payload(item.key, item.learner_reference, content, "application/json", item.key, "")

    @hookimpl
    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Bring each learner's page up to date. Raises `AuthError` where the service refuses our credentials."""
        return self._each(payloads, context, _Page.deliver, otherwise="temporary")

    @hookimpl
    def reconcile(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Check whether the pages say what the payloads say; write nothing."""
        return self._each(payloads, context, _Page.reconcile, otherwise="unknown")

    def _each(
        self, payloads: Sequence[Payload], context: Context, settle: Callable[[_Page], str | None], *,
        otherwise: ReceiptStatus,
    ) -> Iterator[Receipt]:  # fmt: skip
        """Yield a receipt for each payload; a service that is down is not asked hundreds of times.

        Where access to one learner's page is refused, the others are still tried; only where it is refused to all of
        them, the error is raised, at the end.
        """
        in_vain, let_in, kept_out = 0, False, False
        for payload in payloads:
            if in_vain >= _MAX_FAILURES:
                yield Receipt(payload.key, otherwise, detail="unreachable")
                continue
            try:
                ref = settle(_Page(self.config, self._client, context, _Job(**json.loads(payload.content))))
            except _Unsettled as why:
                in_vain = in_vain + 1 if why.in_vain else 0
                let_in = let_in or not why.in_vain
                yield Receipt(payload.key, why.status or otherwise, detail=why.code)
            except NotAllowed:
                kept_out = True
                yield Receipt(payload.key, otherwise, detail="not_allowed")
            except AuthError as error:
                raise AuthError(error.message) from None  # its detail names the path, and so the learner
            else:
                in_vain, let_in = 0, True
                yield Receipt(payload.key, "sent", external_ref=ref)
        if kept_out and not let_in:
            raise AuthError(
                f"{self._client.host} refused our credentials for every page that was asked for (status 403); check "
                f"what they may do, and connector {context.name}."
            )


class _UnclearError(Exception):
    """Report an answer that is neither yes nor no: a sign-in page, a failure with status 200, no id of a new item."""


class _Unsettled(Exception):  # noqa: N818 - an outcome, not a mistake
    """End the work on one payload; without a `status` nothing was written, and the page could not be read."""

    def __init__(self, status: ReceiptStatus | None, code: str, *, in_vain: bool = False) -> None:
        super().__init__(code)
        self.status: Final = status
        self.code = code
        self.in_vain = in_vain


@dataclass(frozen=True, slots=True, repr=False)
class _Job:
    """The content of a payload: `text` is the marked text for the page, and `closing` closes a surplus item."""

    operation: Literal["open", "update", "close"]
    key: str
    learner: str
    ref: str | None
    text: str
    closing: str
    date: str


class _Found(NamedTuple):
    """One of our items as it stands on the page."""

    id: str | int | None
    text: str
    mark: ItemMark

    def says(self, text: str) -> bool:
        """Say whether it shows `text`: the mark holds a check of what follows it, white space apart."""
        return self.mark.intact and text[: text.index("]") + 1] in self.text

    @property
    def ref(self) -> str | None:
        """What the service calls it, as text."""
        return None if self.id is None else str(self.id)


class _Page:
    """One learner's page, and what our item there should become."""

    def __init__(self, config: WritebackConfig, client: Client, context: Context, job: _Job) -> None:
        self._config = config
        self._client = client
        self._context = context
        self._job = job

    def deliver(self) -> str | None:
        """Write what is missing and return what the service calls the item."""
        try:
            return self._converge()
        except _UnclearError:
            try:
                return self.reconcile()
            except _Unsettled:
                raise _Unsettled("unknown", "unclear_answer", in_vain=True) from None

    def _converge(self) -> str | None:
        job = self._job
        found = self._find_ours()
        opened = [one for one in found if not one.mark.closed]
        ours = [one for one in opened if one.mark.intact]
        edited = len(ours) < len(opened)
        if job.operation == "close":
            return self._close(ours, edited=edited)
        if edited and not any(one.says(job.text) for one in ours):
            raise _Unsettled("permanent", "edited_by_tutor")
        for one in ours[1:]:
            self._change("close", one, job.closing)
        if not ours:
            return self._open(after=len(found))
        if not ours[0].says(job.text):
            self._change("update", ours[0], job.text)
        return ours[0].ref

    def reconcile(self) -> str | None:
        """Return what the service calls the item where the page is up to date; write nothing."""
        job = self._job
        opened = [one for one in self._find_ours(missing=None) if not one.mark.closed]
        if job.operation == "close" and not opened:
            return job.ref
        if job.operation != "close" and len(opened) == 1 and opened[0].says(job.text):
            return opened[0].ref
        raise _Unsettled("temporary", "not_written")

    def _close(self, ours: Sequence[_Found], *, edited: bool) -> str | None:
        for one in ours:
            self._change("close", one, self._job.text)
        if edited:
            raise _Unsettled("permanent", "edited_by_tutor")
        return ours[0].ref if ours else self._job.ref

    def _open(self, *, after: int) -> str:
        answer = self._write("open", self._config.open, self._job.text, before=str(after))
        path = self._config.open.id
        named = _identity(search(path, parsed(answer.content))) if path is not None else None
        if named is None:
            raise _UnclearError
        return str(named)

    def _find_ours(self, *, missing: ReceiptStatus | None = "permanent") -> list[_Found]:
        """Return the items on the page that have our key, as the service orders them."""
        look, job = self._config.look, self._job
        values = {"learner": job.learner, "key": job.key}
        params = {name: _filled(value, values) for name, value in look.query.items()}
        placed = self._placed(look.path, values)
        try:
            asked = self._client.pages(look, self._context, name="items", where="look", params=params, placed=placed)
            pages = list(asked)
        except NotThere:
            raise _Unsettled(missing or "temporary", "no_learner_page") from None
        except SourceUnavailable as error:
            self._context.log.warning("items_not_seen", item=job.key, message=error.message)
            code = "rate_limited" if isinstance(error, RateLimited) else "unreachable"
            raise _Unsettled(None, code, in_vain=True) from None
        if any(page.doubtful for page in pages):  # ours may be among what is not there
            raise _Unsettled(None, "unclear_page", in_vain=True)
        found = (_marked(row, look.id, look.text) for page in pages for row in page.records)
        return [one for one in found if one is not None and one.mark.key == job.key]

    def _change(self, operation: Literal["update", "close"], one: _Found, text: str) -> None:
        if one.id is None:
            raise _Unsettled("permanent", "no_id_on_page")
        said = self._config.update if operation == "update" else self._config.closing
        self._write(operation, said, text, before=f"{one.id} {one.text}", item=one.id)

    def _write(
        self, operation: str, said: Open | Change, text: str, *, before: str, item: str | int | None = None
    ) -> Response:
        """Send one request, once: where no answer came, the next look shows whether it arrived.

        `before` is what the write changes, for the idempotency header.
        """
        job = self._job
        values: dict[str, Any] = {"learner": job.learner, "key": job.key, "text": text, "date": job.date, "id": item}
        day = date.fromisoformat(job.date)
        try:
            response = self._client.send(
                said.method,
                with_year(said.path, day, in_path=True),
                self._context,
                placed=self._placed(said.path, values),
                params={name: str(_filled(value, values)) for name, value in with_year(said.query, day).items()},
                headers=self._idempotency(operation, text, before),
                json=_filled(with_year(said.body, day), values),
                retry=False,
                accept=_STATUSES_JUDGED_HERE,
            )
        except SourceUnavailable as error:
            self._context.log.warning("item_write_unanswered", item=job.key, message=error.message)
            raise _Unsettled("unknown", "no_answer", in_vain=True) from None
        _check_status(response)
        return response

    def _placed(self, path: str, values: Mapping[str, Any]) -> PathParameters:
        """Refuse a value that would lead to another path, even when percent-encoded."""
        for name, value in values.items():
            if f"{{{name}}}" in path and str(value).strip() in {"", ".", ".."}:
                raise _Unsettled("permanent", "unusable_reference")
        return PathParameters(
            self._client.access, {name: str(value) for name, value in values.items() if name != "text"}
        )

    def _idempotency(self, operation: str, text: str, before: str) -> dict[str, str]:
        """Return the header by which the service recognises a request that comes twice.

        It covers the earlier text and the day as well: an item that returns to a former text is not a repetition, nor
        is closing the second of two items.
        """
        header, job = self._config.idempotency_header, self._job
        if header is None:
            return {}
        said = "\x1f".join((job.key, operation, job.date, text, before))
        return {header: f"{job.key}-{xxhash.xxh3_128_hexdigest(said.encode())}"}


def _check_status(response: Response) -> None:
    """Return if the write was done, else raise what its answer means."""
    status = response.status_code
    if status == 403:
        raise NotAllowed
    if status in _BUSY_STATUSES:
        raise _Unsettled("temporary", f"status_{status}", in_vain=True)
    if 400 <= status < 500:
        raise _Unsettled("permanent", f"refused_{status}")
    if not 200 <= status < 300:
        raise _Unsettled("unknown", f"status_{status}", in_vain=True)
    body = parsed(response.content)
    if response.content and (body is None or failure_in(body) is not None):
        raise _UnclearError


def _marked(row: object, where: str, text: str) -> _Found | None:
    """Return an item with our mark; None for any other."""
    said = search(text, row)
    mark = read_mark(said) if isinstance(said, str) else None
    return None if mark is None else _Found(_identity(search(where, row)), said, mark)


def _identity(value: object) -> str | int | None:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        return None
    return value


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """Fill in a body; a text that is one placeholder and nothing else becomes the value itself, perhaps a number."""
    if isinstance(template, str):
        whole = re.fullmatch(r"\{([a-z]+)\}", template)
        if whole and whole[1] in values:
            return values[whole[1]]
        return re.sub(r"\{([a-z]+)\}", lambda found: str(values.get(found[1], found[0])), template)
    if isinstance(template, dict):
        return {name: _filled(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    return template
