"""What a message says, as its reader sees it."""

from __future__ import annotations

import email
import email.policy


def text_of(content: bytes, kind: str = "plain") -> str:
    """Return the one part of a message that is of this kind."""
    body = email.message_from_bytes(content, policy=email.policy.default).get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
