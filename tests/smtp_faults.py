"""A mail server on a real socket that goes wrong on purpose.

Raw sockets, since what matters cannot be had from a well-behaved server: an answer that never comes, a connection
closed or reset right after the message, an answer that is no answer.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from http_server import close_with_rst

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

__all__ = ["Fault", "FaultServer", "Mail", "free_port"]

Step = Literal["greeting", "ehlo", "auth", "mail", "rcpt", "data", "body", "final", "rset", "quit"]

_ANSWERS: dict[Step, bytes] = {
    "greeting": b"220 faults.example ESMTP",
    "ehlo": b"250 faults.example",
    "auth": b"235 2.7.0 ok",
    "mail": b"250 2.1.0 ok",
    "rcpt": b"250 2.1.5 ok",
    "data": b"354 go on",
    "final": b"250 2.0.0 taken",
    "rset": b"250 ok",
    "quit": b"221 bye",
}
_VERBS: dict[bytes, Step] = {
    b"EHLO": "ehlo",
    b"AUTH": "auth",
    b"MAIL": "mail",
    b"RCPT": "rcpt",
    b"DATA": "data",
    b"RSET": "rset",
    b"QUIT": "quit",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at one step of one connection.

    ``reply`` sends `text` instead of the usual answer and goes on; ``fin`` closes and ``rst`` resets the connection
    without an answer; ``hang`` answers nothing until the server is left. At ``final`` the message was taken before
    `fin`, `rst`, `hang` and every reply that is not a refusal.
    """

    at: Step
    action: Literal["reply", "fin", "rst", "hang"]
    text: bytes = b""


class Mail(NamedTuple):
    """One message that the server took."""

    sender: str
    recipient: str
    content: bytes


class FaultServer:
    """Serve SMTP on a free local port; connection number n suffers the n-th fault, later ones none.

    `extensions` are EHLO lines such as ``AUTH PLAIN``. `mails` holds what was taken, `lines` every command received,
    `connections` counts them.
    """

    def __init__(self, faults: Iterable[Fault | None] = (), *, extensions: Iterable[bytes] = ()) -> None:
        self.mails: list[Mail] = []
        self.lines: list[bytes] = []
        self.connections = 0
        self._faults: Iterator[Fault | None] = iter(faults)
        self._extensions = tuple(extensions)
        self._left = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = "127.0.0.1", int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        # A connection of our own wakes the accepting thread on every platform; closing the socket does not.
        with socket.create_connection((self.host, self.port)):
            self._threads[0].join()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._left.is_set():
                connection.close()
                return
            self.connections += 1
            self._start(self._serve, connection, next(self._faults, None))

    def _serve(self, connection: socket.socket, fault: Fault | None) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                self._talk(connection, iter(lines.readline, b""), fault)
        except OSError:
            pass  # the client went away, which clients may

    def _talk(self, connection: socket.socket, lines: Iterator[bytes], fault: Fault | None) -> None:
        if not self._answer(connection, "greeting", fault):
            return
        sender = recipient = ""
        for line in lines:
            self.lines.append(line.rstrip(b"\r\n"))
            step = _VERBS.get(line[:4].upper())
            if step is None:
                connection.sendall(b"502 5.5.1 what?\r\n")
                continue
            if step == "mail":
                sender = _address(line)
            if step == "rcpt":
                recipient = _address(line)
            if not self._answer(connection, step, fault) or step == "quit":
                return
            if step == "data" and not (fault and fault.at == "data"):
                if fault and fault.at == "body":
                    next(lines, b"")
                    self._break(connection, fault)
                    return
                content = b"".join(_body(lines))
                if not _refuses(fault):
                    self.mails.append(Mail(sender, recipient, content))
                if not self._answer(connection, "final", fault):
                    return

    def _answer(self, connection: socket.socket, step: Step, fault: Fault | None) -> bool:
        """Answer one step; return whether the connection goes on."""
        if fault is not None and fault.at == step:
            if fault.action != "reply":
                self._break(connection, fault)
                return False
            connection.sendall(fault.text + b"\r\n")
            return not fault.text.startswith(b"421")
        if step == "ehlo":
            heads = (b"faults.example", *self._extensions)
            separators = [b"-"] * (len(heads) - 1) + [b" "]
            connection.sendall(b"".join(b"250%s%s\r\n" % pair for pair in zip(separators, heads, strict=True)))
        else:
            connection.sendall(_ANSWERS[step] + b"\r\n")
        return True

    def _break(self, connection: socket.socket, fault: Fault) -> None:
        if fault.action == "hang":
            self._left.wait()
        elif fault.action == "rst":
            close_with_rst(connection)


def free_port() -> int:
    """Return a local port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode("ascii")


def _body(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == b".\r\n":
            return
        yield line[1:] if line.startswith(b".") else line


def _refuses(fault: Fault | None) -> bool:
    return fault is not None and fault.at == "final" and fault.action == "reply" and fault.text[:1] in {b"4", b"5"}
