"""A service with an HTTP API on the loopback interface: lists of records in pages, four ways to page, five ways to sign
in, and the faults that such services have.

`RestServer` serves what a test puts into `lists`, each list by the name in its path (``/v1/learners``). How the address
is asked decides nothing: the test says which pages and which sign-in the service knows. Vendors may use it to try a
declaration of their own: fill `lists`, set `paging` and `auth`, and point `base_url` at `url`.

It keeps learners' pages too (`pages`, each a list of items by the learner's reference): ``/v1/learners/REF/items``
lists the items of one learner and takes new ones by POST, ``/v1/items/ID`` takes another text by PUT or PATCH.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import parse_qs, unquote, urlencode

from http_server import KEY, Answer, HttpServer, Request, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

Paging: TypeAlias = Literal["none", "next_link", "link_header", "page", "offset", "cursor"]
Sign: TypeAlias = Literal["none", "api_key", "bearer", "basic", "oauth2", "login", "login_basic"]

PASSWORD = "canary-password-c0ffee/+="
USER = "fingerpost"
TOKENS = "canary-token"
"""What every token that the server gives begins with."""


PAGING: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "next_link": {"kind": "next_link", "next": "meta.next"},
    "link_header": {"kind": "next_link"},
    "page": {"kind": "page"},
    "offset": {"kind": "offset", "size": 3, "size_parameter": "limit"},
    "cursor": {"kind": "cursor", "parameter": "after", "next": "meta.cursor"},
}
"""How a table says which pages the service has."""

SIGNS: dict[str, dict[str, Any]] = {
    "none": {},
    "api_key": {"kind": "api_key", "header": "X-Api-Key", "key": KEY},
    "bearer": {"kind": "bearer", "token": KEY},
    "basic": {"kind": "basic", "username": USER, "password": PASSWORD},
    "oauth2": {"kind": "oauth2", "url": "token", "client_id": USER, "client_secret": PASSWORD},
    "login": {"kind": "login", "url": "token", "username": USER, "password": PASSWORD, "username_field": "user",
              "password_field": "pass"},
    "login_basic": {"kind": "login", "url": "token", "username": USER, "password": PASSWORD, "send": "basic",
                    "token_path": "Token", "value": "Basic {token}"},
}  # fmt: skip
"""How a table says which sign-in the service wants."""


class RestServer(HttpServer):
    """Serve `lists` and `pages`. `faults` maps the number of a request for records, from 1, to an answer in its place;
    `afterwards` does so too, but the request has done its work by then.

    `token_uses` is how many requests one token lasts. `loops` makes the last page point back to the first one;
    `ignores_paging` sends the first page whatever is asked for.
    """

    def __init__(
        self,
        lists: Mapping[str, list[dict[str, Any]]],
        *,
        paging: Paging = "none",
        auth: Sign = "none",
        size: int = 3,
        says_total: bool = False,
        token_uses: int | None = None,
        loops: bool = False,
        ignores_paging: bool = False,
        faults: Mapping[int, Answer] | None = None,
        pages: Mapping[str, list[dict[str, Any]]] | None = None,
        afterwards: Mapping[int, Answer] | None = None,
    ) -> None:
        super().__init__()
        self.lists = dict(lists)
        self.paging = paging
        self.auth = auth
        self.size = size
        self.says_total = says_total
        self.token_uses = token_uses
        self.loops = loops
        self.ignores_paging = ignores_paging
        self.faults = dict(faults or {})
        self.pages = {learner: list(items) for learner, items in (pages or {}).items()}
        self.afterwards = dict(afterwards or {})
        self.logins = 0
        self._answered: dict[tuple[str, str, str], Answer] = {}
        self._last_item = 0
        self._tokens: dict[str, int] = {}
        self._reads = 0

    @property
    def reads(self) -> list[Request]:
        """The requests for records."""
        return [request for request in self.requests if request.path.startswith("/v1/")]

    @property
    def writes(self) -> list[Request]:
        """The requests that were to write an item."""
        return [request for request in self.reads if request.method != "GET"]

    # -- answering

    def answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._login(request)
        self._reads += 1
        if self._reads in self.faults:
            return self.faults[self._reads]
        if not self._is_signed(request):
            return json_answer({"error": "unauthorised"}, status=401)
        answer = self._served(request)
        return self.afterwards.get(self._reads, answer)

    def _served(self, request: Request) -> Answer:
        match request.path.removeprefix("/v1/").strip("/").split("/"):
            case ["learners", learner, "items"] if unquote(learner) in self.pages:
                items = self.pages[unquote(learner)]
                return self._page(items, request) if request.method == "GET" else self._once(request, items)
            case ["items", number] if request.method != "GET":
                return self._once(request, [one for items in self.pages.values() for one in items], number)
            case [name] if name in self.lists:
                return self._page(self.lists[name], request)
        return json_answer({"error": "not found"}, status=404)

    def _once(self, request: Request, items: list[dict[str, Any]], number: str | None = None) -> Answer:
        """Do a request that has an Idempotency-Key once, and answer it a second time as the first."""
        key = (request.method, request.path, request.headers.get("Idempotency-Key", ""))
        if key[2] and key in self._answered:
            return self._answered[key]
        answer = self._open(request, items) if number is None else self._change(request, items, number)
        if answer.status < 300:
            self._answered[key] = answer
        return answer

    def _open(self, request: Request, items: list[dict[str, Any]]) -> Answer:
        body = json.loads(request.body)
        if not isinstance(body.get("note"), str):
            return json_answer({"errors": ["note is missing"]}, status=422)
        self._last_item += 1
        items.append({**body, "id": self._last_item})
        return json_answer({"data": {"id": self._last_item}}, status=201)

    def _change(self, request: Request, items: list[dict[str, Any]], number: str) -> Answer:
        for item in items:
            if str(item["id"]) == number:
                item |= {**json.loads(request.body), "id": item["id"]}
                return Answer(b"", 204)
        return json_answer({"error": "not found"}, status=404)

    def _login(self, request: Request) -> Answer:
        self.logins += 1
        is_json = "json" in request.headers.get("Content-Type", "")
        form = {} if is_json else {name: values[0] for name, values in parse_qs(request.body).items()}
        if self.auth == "oauth2":
            good = form.get("grant_type") == "client_credentials" and (
                request.headers.get("Authorization") == basic(USER, PASSWORD, quoted=True)
                or (form.get("client_id"), form.get("client_secret")) == (USER, PASSWORD)
            )
            return self._token("access_token") if good else json_answer({"error": "invalid_client"}, status=400)
        if self.auth == "login_basic":  # as Tribal ebs documents it: wrong credentials are no error
            good = request.method == "GET" and request.headers.get("Authorization") == basic(USER, PASSWORD)
            return self._token("Token") if good else json_answer({"Success": False})
        said = json.loads(request.body) if is_json else form
        if said == {"user": USER, "pass": PASSWORD}:
            return self._token("token")
        return json_answer({"error": "wrong"}, status=401)

    def _token(self, name: str) -> Answer:
        token = f"{TOKENS}-{self.logins}"
        self._tokens[token] = 0
        return json_answer({name: token, "expires_in": 3600})

    def _is_signed(self, request: Request) -> bool:
        said = request.headers.get("Authorization", "")
        if self.auth == "none":
            return True
        if self.auth == "api_key":
            return request.headers.get("X-Api-Key") == KEY
        if self.auth == "bearer":
            return said == f"Bearer {KEY}"
        if self.auth == "basic":
            return said == basic(USER, PASSWORD)
        token = said.partition(" ")[2]
        if token not in self._tokens:
            return False
        self._tokens[token] += 1
        return self.token_uses is None or self._tokens[token] <= self.token_uses

    def _page(self, rows: list[dict[str, Any]], request: Request) -> Answer:
        if since := request.query.get("since"):
            rows = [row for row in rows if row["updated"] >= since]
        start = {"page": lambda: (int(request.query.get("page", "1")) - 1) * self.size,
                 "offset": lambda: int(request.query.get("offset", "0")),
                 "cursor": lambda: int(request.query.get("after", "c0")[1:]),
                 "next_link": lambda: int(request.query.get("from", "0")),
                 "link_header": lambda: int(request.query.get("from", "0"))}.get(self.paging, lambda: 0)()  # fmt: skip
        if self.ignores_paging:
            start = 0
        end = len(rows) if self.paging == "none" else start + self.size
        following: int | None = end if end < len(rows) else None
        if following is None and self.loops:
            following = 0
        body: dict[str, Any] = {"data": rows[start:end], "meta": {}}
        headers = {}
        if self.says_total:
            body["meta"] = {"total": len(rows), "more": following is not None}
        if following is not None:
            link = f"{self.url}{request.path}?{urlencode({**request.query, 'from': following})}"
            if self.paging == "next_link":
                body["meta"]["next"] = link
            elif self.paging == "link_header":
                headers["Link"] = f'<{link}>; rel="next"'
            elif self.paging == "cursor":
                body["meta"]["cursor"] = f"c{following}"
        return json_answer(body, headers=headers)


def basic(user: str, password: str, *, quoted: bool = False) -> str:
    """Return the header of HTTP Basic."""
    if quoted:
        user, password = urlencode({"u": user})[2:], urlencode({"p": password})[2:]
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
