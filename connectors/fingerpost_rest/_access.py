"""Sign in, renew what has expired, and keep to the pace that a service asks for."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from requests.auth import AuthBase

from fingerpost import AuthError, Context
from fingerpost_rest._config import Auth, Rate
from fingerpost_rest._paths import parsed, search

if TYPE_CHECKING:
    from pydantic import SecretStr
    from requests import PreparedRequest, Response


_TO_PATH = re.compile(r"((?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://[^/?#]*)?)([^?#]*)")
"""What is before the path of an address, perhaps a relative one, and the path."""


def address(base_url: str, path: str) -> str:
    """Return the address of a path below the base; a full address stays as it is."""
    return path if "://" in path else f"{base_url.rstrip('/')}/{path.lstrip('/')}"


class Access(AuthBase):
    """Put the key or token into every request, and get a new token when the old one is refused.

    The token lives here and nowhere else: in memory, for as long as the service takes it.
    """

    def __init__(self, auth: Auth, base_url: str, headers: Mapping[str, str]) -> None:
        self._auth = auth
        self._url = address(base_url, auth.url or "")
        self._headers = dict(headers)
        self._token: str | None = None

    @property
    def renewable(self) -> bool:
        """Whether a refused token may be replaced by a new one; a key that is refused stays refused."""
        return self._auth.kind in {"oauth2", "login"}

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign one request; `requests` calls it for every one that is sent."""
        auth = self._auth
        if auth.kind == "basic":
            request.headers["Authorization"] = _basic(auth.username or "", _plain(auth.password))
        elif auth.kind != "none":
            token = {"api_key": _plain(auth.key), "bearer": _plain(auth.token)}.get(auth.kind, self._token or "")
            pattern = auth.value or ("{token}" if auth.kind == "api_key" else "Bearer {token}")
            request.headers[auth.header] = pattern.replace("{token}", token)
        return request

    def prepare(self, context: Context, pace: Pace) -> None:
        """Sign in where that is needed and has not been done yet."""
        if self.renewable and self._token is None:
            self.renew(context, pace)

    def renew(self, context: Context, pace: Pace) -> None:
        """Get a new token. Raises `AuthError` where the service gives none."""
        auth = self._auth
        self._token = None
        # Asking twice for a token is harmless. Some services answer wrong credentials with 200 or 400 and no token.
        method = "GET" if auth.kind == "login" and auth.send == "basic" else "POST"
        response = context.http.request(
            method, self._url, retry=True, accept=(400,), expect_json=True, pace=pace.wait, **self._credentials()
        )
        path = auth.token_path or ("access_token" if auth.kind == "oauth2" else "token")
        token = search(path, parsed(response.content))
        if not isinstance(token, str) or not token.strip():
            raise AuthError(
                f"Connector {context.name}: {urlsplit(self._url).hostname} gave no token at {path}; check the user and "
                "the password or secret, and then token_path.",
                detail=f"status {response.status_code}",
            )
        self._token = token.strip()

    def _credentials(self) -> dict[str, Any]:
        """Return what the request for a token carries."""
        auth, headers = self._auth, dict(self._headers)
        if auth.kind == "oauth2":
            form = {"grant_type": "client_credentials"} | ({"scope": auth.scope} if auth.scope else {})
            name, secret = auth.client_id or "", _plain(auth.client_secret)
            if auth.send == "form":
                return {"headers": headers, "data": form | {"client_id": name, "client_secret": secret}}
            # RFC 6749, 2.3.1: both are form-encoded first.
            headers["Authorization"] = _basic(quote(name, safe=""), quote(secret, safe=""))
            return {"headers": headers, "data": form}
        if auth.send == "basic":
            headers["Authorization"] = _basic(auth.username or "", _plain(auth.password))
            return {"headers": headers}
        fields = {auth.username_field: auth.username or "", auth.password_field: _plain(auth.password)}
        return {"headers": headers, "data" if auth.send == "form" else "json": fields}


class PathParameters(AuthBase):
    """Fill in the placeholders of a path, and sign the request.

    It happens only when a request is signed, so that the path in the HTTP helper's log has the placeholder
    ``{learner}`` in it and nobody's reference.
    """

    def __init__(self, access: Access, values: Mapping[str, str]) -> None:
        self._access = access
        self._values = {name: quote(value, safe="") for name, value in values.items()}

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign one request; `requests` calls it for every one that is sent."""
        parts = urlsplit(str(request.url))
        path = re.sub(r"%7B([a-z]+)%7D", lambda found: self._values.get(found[1], found[0]), parts.path)
        request.url = urlunsplit(parts._replace(path=path))
        return self._access(request)

    def hiding(self, following: Callable[[Response], str | None]) -> Callable[[Response], str | None]:
        """Put the placeholder back into the addresses that `following` finds, as they are logged as well."""

        def hidden(response: Response) -> str | None:
            url, learner = following(response), self._values["learner"]
            if not url:
                return url
            return _TO_PATH.sub(lambda found: found[1] + found[2].replace(learner, "{learner}"), url, count=1)

        return hidden


class Pace:
    """Keep the requests of one connector within the rate that its service allows."""

    def __init__(self, rate: Rate | None) -> None:
        self._seconds = rate.seconds if rate else 0.0
        self._sent: deque[float] = deque(maxlen=rate.requests if rate else 1)

    def wait(self) -> None:
        """Wait until another request may be sent, and count it."""
        if self._seconds and len(self._sent) == self._sent.maxlen:
            time.sleep(max(0.0, self._sent[0] + self._seconds - time.monotonic()))
        self._sent.append(time.monotonic())


def _basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
