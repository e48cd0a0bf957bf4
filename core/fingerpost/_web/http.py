"""How connectors talk to the web: limits, retries, verification and redaction are settled here, once.

The author of a connector should not have to think about what a college's network does to a nightly run: a request that
hangs, a body cut short, a service that asks us to wait, a login page instead of data.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from fingerpost._version import __version__
from fingerpost._web.adapter import Adapter, Session, tls_context
from fingerpost._web.address import AMBIGUOUS, address_of, host_of, is_loopback
from fingerpost._web.failures import Again, demand_json, failure, passing
from fingerpost._words.errors import AuthError, ConfigError, ContractError, SourceUnavailable
from fingerpost._words.logs import spellings

if TYPE_CHECKING:
    from requests import Response
    from requests.auth import AuthBase
    from structlog.typing import FilteringBoundLogger


ATTEMPTS = 5
"""How many times one request is tried."""

PATIENCE = 120.0
"""The most seconds that one request may wait between attempts, in total."""

MAX_BYTES = 100 * 1024 * 1024
"""The most bytes in one answer, after decompression."""

MAX_PAGES = 10_000
"""The most pages that `Http.pages` reads."""

_MAX_REDIRECTS = 5
_CHUNK = 64 * 1024
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_PASSING = frozenset({429, 500, 502, 503, 504})
_BACKOFF = wait_exponential_jitter(initial=1, max=30, jitter=1)


class RequestOptions(TypedDict, total=False):
    """The options of a request, besides its method and address."""

    params: Mapping[str, str | int]
    headers: Mapping[str, str]
    json: Any
    data: Mapping[str, str] | bytes
    auth: AuthBase | tuple[str, str]
    accept: Collection[int]
    """Statuses returned to the caller besides success; 404 by default."""
    expect_json: bool
    """Refuse a successful answer that is not JSON."""
    retry: bool
    """Whether trying again is harmless; true for every method but POST and PATCH."""
    renew: Callable[[], None]
    """Called once after a 401, before the request is sent again: it fetches the new key that `auth` then sends."""
    pace: Callable[[], None]
    """Called before every request, repeats and redirects included; its waiting counts towards no limit."""
    timeout: float
    """Seconds, in place of ``[network] timeout``."""
    max_bytes: int


class _KeyRefusedError(AuthError):
    """Report a 401: a new key may help, where there is a way to get one."""


class Http:
    """Fetch from the web for a connector.

    Time limits are always set, certificates always verified, proxies and authorities come from ``[network]`` alone.
    Temporary faults are retried, with growing pauses and as ``Retry-After`` asks, but only where that is harmless.
    Errors are those of `fingerpost` and name the host; neither they nor the log contain a secret, a query or the host's
    answer.
    """

    def __init__(
        self,
        *,
        base_hosts: Collection[str] = (),
        timeout: float = 30.0,
        proxy: str | None = None,
        ca_file: Path | None = None,
        secrets: Collection[str] = (),
        log: FilteringBoundLogger,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        attempts: int = ATTEMPTS,
        patience: float = PATIENCE,
    ) -> None:
        """Set up for one connector.

        `base_hosts` are the only hosts that may be asked; empty means any. `timeout` is in seconds and covers one whole
        attempt, from connecting to the last byte, redirects included, but not the look-up of the host; if several of
        its addresses do not answer, each is tried for as long. `secrets` are blotted out wherever they would be shown.
        Raises `ConfigError` if `ca_file` cannot be used.
        """
        self._hosts = frozenset(
            host_of(f"https://[{host}]" if ":" in host else f"https://{host}") for host in base_hosts
        )
        self._timeout = timeout
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._hidden = spellings(secrets)
        self._log = log
        self._sleep = sleep
        self._clock = clock
        self._attempts = attempts
        self._patience = patience
        self._session = Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = f"fingerpost/{__version__}"
        adapter = Adapter(tls_context(ca_file))
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # urllib3 logs whole addresses, and a query may hold a key.
        logging.getLogger("urllib3").setLevel(logging.ERROR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._session.close()

    def get(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """Fetch `url`; see `request`."""
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """Post to `url`, once only unless `retry` says that doing it twice is harmless; see `request`."""
        return self.request("POST", url, **options)

    def json(self, url: str, *, method: str = "GET", **options: Unpack[RequestOptions]) -> Any:
        """Fetch `url` and return the JSON of the answer.

        Raises what `request` raises, and `SourceUnavailable` if the answer is not JSON or the address does not exist.
        """
        options.setdefault("accept", ())
        options["expect_json"] = True
        return json.loads(self.request(method, url, **options).content)

    def pages(
        self,
        first_url: str,
        next_of: Callable[[Response], str | None],
        *,
        max_pages: int = MAX_PAGES,
        **options: Unpack[RequestOptions],
    ) -> Iterator[Response]:
        """Yield one page after another; `next_of` finds the address of the next one in a page, or None at the end.

        `params` go with the first request only: the address of a next page already holds them. A page on another host
        is refused, since our key would go there; a page seen before, or more than `max_pages`, raises
        `SourceUnavailable`, or a run might never end. The pages are JSON unless `expect_json` is false.
        """
        options.setdefault("accept", ())
        options.setdefault("expect_json", True)
        seen: set[str] = set()
        url = first_url
        while True:
            response = self.get(url, **options)
            host = host_of(url)
            if response.url in seen:
                raise SourceUnavailable(f"{host} points back to a page already read; reading stopped.")
            seen.add(response.url)
            yield response
            following = next_of(response)
            if not following:
                return
            if len(seen) >= max_pages:
                raise SourceUnavailable(
                    f"{host} offers more than {max_pages:,} pages; reading stopped. Ask for more records per page "
                    "(size), or allow more pages (max_pages)."
                )
            options.pop("params", None)
            url = self._on_same_host(response.url, following, what="the next page")

    def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> Response:
        """Send a request and return the answer, its body read completely.

        Success and the statuses in `accept` (404 by default) are returned. Raises `AuthError` on 401 and 403,
        `RateLimited` if the host asks for a longer wait than a run allows, `SourceUnavailable` if it cannot be reached
        or answers with something unexpected, `ConfigError` if the address cannot be used, and `ContractError` if the
        connector asks a host that is not its own.
        """
        method = method.upper()
        self._admit(url)
        renew = options.get("renew")
        if renew is not None:
            try:
                return self._send(method, url, options)
            except _KeyRefusedError:
                renew()
        return self._send(method, url, options)

    def _send(self, method: str, url: str, options: RequestOptions) -> Response:
        """Send a request, retrying as often as it may be."""
        retrying = Retrying(
            retry=retry_if_exception_type(Again),
            stop=self._stop(options.get("retry", method in _REPEATABLE)),
            wait=_pause,
            before_sleep=lambda state: self._log_retry(method, url, state),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            response = retrying(self._once, method, url, options)
        except Again as again:
            raise again.error from None
        self._log.debug(
            "http_request",
            method=method,
            **self._place(url),
            status=response.status_code,
            attempt=retrying.statistics["attempt_number"],
        )
        return response

    def _stop(self, repeatable: bool) -> Callable[[RetryCallState], bool]:
        tries = stop_after_attempt(self._attempts if repeatable else 1)
        return lambda state: tries(state) or state.idle_for + state.upcoming_sleep > self._patience

    def _once(self, method: str, url: str, options: RequestOptions) -> Response:
        """Make one attempt and judge the status of its answer."""
        timeout = options.get("timeout", self._timeout)
        try:
            response = self._fetch(method, url, options, timeout)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Never `from error`: its text may hold an address with a key, or the header that could not be sent.
            raise failure(host_of(url), timeout, error) from None
        self._judge(method, response, options)
        return response

    def _fetch(self, method: str, url: str, options: RequestOptions, left: float) -> Response:
        """Send, follow redirects that stay on the host, and read the body, in `left` seconds."""
        params = options.get("params")
        for _ in range(_MAX_REDIRECTS + 1):
            if (pace := options.get("pace")) is not None:
                pace()
            began = self._clock()
            with closing(self._ask(method, url, params, options, left)) as response:
                target = requests.Session.get_redirect_target(self._session, response)
                if target is None:
                    self._read(response, began + left, options.get("max_bytes", MAX_BYTES))
                    return response
            if method not in {"GET", "HEAD"}:
                raise SourceUnavailable(f"{host_of(url)} redirected a {method}, which is refused; check the address.")
            url = self._on_same_host(response.url, target, what="a redirect")
            params = None
            left -= self._clock() - began
            if left <= 0:
                raise requests.exceptions.ReadTimeout
        raise SourceUnavailable(f"{host_of(url)} redirected more than {_MAX_REDIRECTS} times; check the address.")

    def _ask(
        self, method: str, url: str, params: Mapping[str, str | int] | None, options: RequestOptions, left: float
    ) -> Response:
        """Send one request and read only the headers of the answer."""
        return self._session.request(
            method,
            url,
            params=params,
            headers=options.get("headers"),
            json=options.get("json"),
            data=options.get("data"),
            auth=options.get("auth"),
            timeout=urllib3.Timeout(total=left),  # type: ignore[arg-type]  # requests hands it on as it is
            stream=True,
            proxies={} if is_loopback(host_of(url)) else self._proxies,
        )

    def _read(self, response: Response, deadline: float, limit: int) -> None:
        """Read the body within the limits."""
        host = host_of(response.url)
        declared = response.headers.get("Content-Length", "")
        size = int(declared) if declared.isascii() and declared.isdigit() else 0
        body = bytearray()
        while size <= limit and (chunk := response.raw.read1(_CHUNK, decode_content=True)):
            body += chunk
            size = len(body)
            if self._clock() > deadline:
                raise requests.exceptions.ReadTimeout
        if size > limit:
            raise SourceUnavailable(
                f"{host} sent more than {limit:,} bytes in one answer, which is refused; check the address."
            )
        # The documented way to a body reads without limits; this is what it would set.
        response._content = bytes(body)  # noqa: SLF001
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001

    def _judge(self, method: str, response: Response, options: RequestOptions) -> None:
        """Return if the caller may have the answer, else raise what it means."""
        host, status = host_of(response.url), response.status_code
        detail = self._clean(f"{method} {urlsplit(response.url).path}: status {status}")
        if status in options.get("accept", (404,)):
            return
        if status == 304 and options.get("expect_json", False):
            raise SourceUnavailable(
                f"{host} answered that nothing has changed (status 304), though we did not ask; the next run "
                "tries again.",
                detail=detail,
            )
        if 200 <= status < 300 or status == 304:
            if options.get("expect_json", False):
                demand_json(host, response, detail)
        elif status in {401, 403}:
            refused = _KeyRefusedError if status == 401 else AuthError
            raise refused(
                f"{host} refused our credentials (status {status}); check the key or account in the configuration.",
                detail=detail,
            )
        elif status == 407:
            raise AuthError("The web proxy asks for credentials; check [network] proxy.", detail=detail)
        elif status in _PASSING:
            raise passing(host, response, detail)
        else:
            raise SourceUnavailable(
                f"{host} answered with status {status}, which was not expected; check the address.", detail=detail
            )

    def _admit(self, url: str) -> None:
        """Refuse an address before anything is sent to it."""
        place = address_of(url)
        if place is None:
            raise ConfigError(
                "An address in the configuration is not a web address; write one that begins with https:// and has no "
                "user, backslash or space in it."
            )
        if place.scheme == "http" and not is_loopback(place.host):
            raise ConfigError(f"{place.host} would be contacted without encryption; write https:// in its address.")
        if self._hosts and place.host not in self._hosts:
            raise ContractError(f"The connector asked {place.host}, a host that it may not contact.")

    def _on_same_host(self, base: str, target: str, *, what: str) -> str:
        """Resolve `target`, and refuse it if our key would go to another server, or travel unencrypted.

        A service behind a proxy may not know that it is reached by https and give its own pages as http: they are
        fetched by https, from the address of `base`.
        """
        before, after, url = address_of(base), None, ""
        if not AMBIGUOUS.search(target):
            with suppress(ValueError):
                url = urljoin(base, target)
                after = address_of(url)
        if before is None or after is None:
            raise SourceUnavailable(
                f"{host_of(base)} sent an address for {what} that cannot be read; it must begin with https:// and have "
                "no user, backslash or space in it."
            )
        if after == before:
            return url
        if (before.scheme, after.scheme, after.host) != ("https", "http", before.host):
            there = self._clean(after.host if after.host != before.host else f"{after.host}:{after.port}")
            raise SourceUnavailable(
                f"{before.host} pointed {what} to another host ({there}), which is refused; is the address right and "
                "the key valid?"
            )
        if before.port != after.port and (before.port, after.port) != (443, 80):
            raise SourceUnavailable(
                f"{before.host} pointed {what} to an unencrypted address, which is refused; ask its operator to "
                "send addresses that begin with https://."
            )
        return urlsplit(url)._replace(scheme="https", netloc=urlsplit(base).netloc).geturl()

    def _log_retry(self, method: str, url: str, state: RetryCallState) -> None:
        again = state.outcome.exception() if state.outcome else None
        self._log.warning(
            "http_retry",
            method=method,
            **self._place(url),
            attempt=state.attempt_number,
            reason=str(again.error) if isinstance(again, Again) else "",
            wait_seconds=round(state.upcoming_sleep, 1),
        )

    def _place(self, url: str) -> dict[str, str]:
        return {"host": host_of(url), "path": self._clean(urlsplit(url).path)}

    def _clean(self, text: str) -> str:
        for secret in self._hidden:
            text = text.replace(secret, "***")
        return text


def _pause(state: RetryCallState) -> float:
    """Return how long to wait: as long as we were asked to, but at least the growing pause."""
    again = state.outcome.exception() if state.outcome else None
    asked = again.retry_after if isinstance(again, Again) else None
    return max(asked or 0.0, _BACKOFF(state))
