"""A mail server that takes mail, and the configuration that sends through it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from smtp_faults import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiosmtpd.smtp import SMTP, Envelope, Session
    from colleges import SmallCollege


def by_smtp(college: SmallCollege, port: int, **keys: Any) -> None:
    """Send through a mail server on this machine."""
    college.connectors.append(
        {"type": "email", "name": "post", "transport": "smtp", "host": "127.0.0.1", "port": port, "security": "none",
         "sender": "careers@example.ac.uk", "per_minute": 6000, "timeout": 5.0, **keys}
    )  # fmt: skip


@dataclass
class Mailbox:
    """A mail server that refuses some recipients, until it is told otherwise, and puts all off so many times."""

    refuses: dict[str, str] = field(default_factory=dict)
    greylists: int = 0
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked.append(address)
        if self.asked.count(address) <= self.greylists:
            return "450 4.7.1 greylisted, come back later"
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        (recipient,) = envelope.rcpt_tos
        self.taken.append((recipient, envelope.content))
        return "250 taken"


@contextmanager
def mailbox(refuses: dict[str, str] | None = None) -> Iterator[tuple[Mailbox, int]]:
    box, port = Mailbox(dict(refuses or {})), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()
