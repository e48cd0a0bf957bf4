"""A web server on the loopback interface: it answers, keeps what it was asked, and fails as only a socket can.

A service is a subclass that says in `answer` what it replies to a request; `ScriptedServer` sends replies in their
order. A reply is an `Answer`, or one of the faults further down, which write to the socket themselves.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

Reply: TypeAlias = "Callable[[Handler], None]"

KEY = "canary-key-7f3a91"
"""The key that services ask for; no log, error or file may hold it."""


@dataclass
class Request:
    """One request as it came; `params` holds a parameter as often as it was sent, `query` the first of each name."""

    method: str
    target: str
    headers: dict[str, str]
    body: str
    at: float

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = parts.path
        self.params = parse_qsl(parts.query, keep_blank_values=True)
        self.query = dict(reversed(self.params))

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.params if each == name]

    def one(self, name: str, default: str = "") -> str:
        return self.query.get(name, default)


@dataclass
class Answer:
    """One answer; `length` is what Content-Length claims, where it lies, and `late` the seconds that it takes."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    late: float = 0.0

    def __call__(self, handler: Handler) -> None:
        if self.late and handler.is_left_within(self.late):
            return
        length = len(self.body) if self.length is None else self.length
        handler.head(self.status, self.headers if self.status == 204 else {**self.headers, "Content-Length": length})
        handler.wfile.write(self.body)
        handler.close_connection |= length > len(self.body)


class HttpServer:
    """Serve on a free port while it is entered; `requests` holds everything that came, in its order."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.service = self
        self._origin = f"http://127.0.0.1:{self._server.server_port}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._origin = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._origin

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The method and the target of every request."""
        return [(request.method, request.target) for request in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reply(self, request: Request) -> Reply:
        """Keep a request and return the reply to it, one request at a time."""
        with self._lock:
            self.requests.append(request)
            return self.answer(request)

    def answer(self, request: Request) -> Reply:
        """Return the reply to a request."""
        raise NotImplementedError


class ScriptedServer(HttpServer):
    """Send one reply after the other; the last one stays."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.replies = list(replies)

    def answer(self, request: Request) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class _Server(ThreadingHTTPServer):
    service: HttpServer
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that gives up is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 5  # an idle kept-alive connection must not keep the server from closing
    wbufsize = -1  # head and body in one piece, or the second waits for the first to be acknowledged
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8", "replace")
        headers = {name.title(): value for name, value in self.headers.items()}
        self.server.service.reply(Request(self.command, self.path, headers, body, time.monotonic()))(self)

    do_POST = do_PUT = do_PATCH = do_CONNECT = do_GET  # noqa: N815 - the names that http.server looks for

    def head(self, status: int, headers: Mapping[str, object]) -> None:
        """Write the status and the headers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def is_left_within(self, seconds: float | None) -> bool:
        """Wait, for ever where no time is given; return whether the server was left meanwhile."""
        left = self.server.service.stopping.wait(seconds)
        self.close_connection |= left
        return left

    def trickle(self, pieces: list[bytes], seconds: float) -> bool:
        """Send pieces with a pause before each; return whether all of them were sent."""
        for piece in pieces:
            if self.is_left_within(seconds):
                return False
            self.wfile.write(piece)
            self.wfile.flush()
        return True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


# Answers that many services give


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with JSON."""
    return Answer(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})


def refusal(status: int = 404) -> Answer:
    """Answer with a status and nothing else."""
    return Answer(b"", status)


def web_page(status: int = 200) -> Answer:
    """Answer with a page for people, as a proxy does that wants them to sign in, or whatever replaced a service."""
    body = b"<!DOCTYPE html><html><title>Sign in</title><p>This service has closed.</html>"
    return Answer(body, status, {"Content-Type": "text/html; charset=utf-8"})


def redirect(target: str, status: int = 302) -> Answer:
    """Redirect to `target`."""
    return Answer(b"", status, {"Location": target})


def too_many(seconds: int | None = None) -> Answer:
    """Ask for patience, with or without saying how much."""
    return Answer(b"", 429, {} if seconds is None else {"Retry-After": str(seconds)})


def cut(answer: Answer) -> Answer:
    """Send half of an answer and close."""
    return Answer(answer.body[: len(answer.body) // 2], answer.status, answer.headers, len(answer.body))


# Faults that only a socket has


def close_with_rst(connection: socket.socket) -> None:
    """Close a connection so that RST is sent and not FIN: with lingering on, and a time of nought."""
    linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def drip(piece: bytes, *, seconds: float, count: int) -> Reply:
    """Send a body piece by piece, each before a read would time out."""

    def reply(handler: Handler) -> None:
        handler.head(200, {"Content-Length": len(piece) * count})
        handler.wfile.flush()
        handler.trickle([piece] * count, seconds)

    return reply


def drip_head(*, seconds: float, count: int, through: threading.Event) -> Reply:
    """Send a header letter by letter, each before a read would time out; `through` is set when all were sent."""

    def reply(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        if handler.trickle([b"x"] * count, seconds):
            through.set()
            handler.wfile.write(b"\r\nContent-Length: 2\r\n\r\n{}")
        handler.close_connection = True

    return reply


def hang(handler: Handler) -> None:
    """Take the request and never answer."""
    handler.is_left_within(None)


def reset(handler: Handler) -> None:
    """Break the connection off instead of closing it."""
    close_with_rst(handler.connection)
    handler.close_connection = True


def cut_chunk(handler: Handler) -> None:
    """Announce a chunk and close in the middle of it."""
    handler.head(200, {"Transfer-Encoding": "chunked"})
    handler.wfile.write(b'10\r\n{"half": ')
    handler.close_connection = True
