"""A web server on the loopback interface that misbehaves in the ways only a socket can."""

from __future__ import annotations

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

Behaviour: TypeAlias = "Callable[[_Handler], None]"


class FaultServer:
    """Serve one behaviour after the other; the last one stays. `requests` lists what was asked: method and target."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)
        self.requests: list[tuple[str, str]] = []
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.faults = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

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


class _Server(ThreadingHTTPServer):
    faults: FaultServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that gives up on a misbehaving server is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5  # an idle kept-alive connection must not keep the server from closing
    server: _Server

    def do_GET(self) -> None:
        faults = self.server.faults
        faults.requests.append((self.command, self.path))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        (faults.behaviours.pop(0) if len(faults.behaviours) > 1 else faults.behaviours[0])(self)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for
    do_CONNECT = do_GET  # noqa: N815 - what a proxy is asked

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


def answer(
    body: bytes = b"{}", *, status: int = 200, headers: Mapping[str, str] | None = None, length: int | None = None
) -> Behaviour:
    """Answer; `length` is what Content-Length claims, where it lies."""

    def behave(handler: _Handler) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = length is not None and length > len(body)

    return behave


def data(value: object) -> Behaviour:
    """Answer with JSON."""
    return answer(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def redirect(target: str, status: int = 302) -> Behaviour:
    """Redirect to `target`."""
    return answer(b"", status=status, headers={"Location": target})


def drip(piece: bytes, *, seconds: float, count: int) -> Behaviour:
    """Send a body piece by piece, each before a read would time out."""

    def behave(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(piece) * count))
        handler.end_headers()
        for _ in range(count):
            if handler.server.faults.stopping.wait(seconds):
                return
            handler.wfile.write(piece)
            handler.wfile.flush()

    return behave


def drip_head(*, seconds: float, count: int, through: threading.Event) -> Behaviour:
    """Send a header letter by letter, each before a read would time out; `through` is set when all were sent."""

    def behave(handler: _Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(count):
            if handler.server.faults.stopping.wait(seconds):
                return
            handler.wfile.write(b"x")
            handler.wfile.flush()
        through.set()
        handler.wfile.write(b"\r\nContent-Length: 2\r\n\r\n{}")

    return behave


def late(behaviour: Behaviour, *, seconds: float) -> Behaviour:
    """Do `behaviour` after a while."""

    def behave(handler: _Handler) -> None:
        if not handler.server.faults.stopping.wait(seconds):
            behaviour(handler)

    return behave


def hang(handler: _Handler) -> None:
    """Take the request and never answer."""
    handler.server.faults.stopping.wait()
    handler.close_connection = True


def reset(handler: _Handler) -> None:
    """Break the connection off instead of closing it (RST)."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def cut_chunk(handler: _Handler) -> None:
    """Announce a chunk and close in the middle of it."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'10\r\n{"half": ')
    handler.close_connection = True
