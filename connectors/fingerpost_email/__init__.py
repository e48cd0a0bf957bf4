"""The `email` channel: tutor digests as `.eml` files in a folder, or by SMTP over verified TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerpost import hookimpl
from fingerpost_email._channel import EmailChannel
from fingerpost_email._config import EmailConfig

if TYPE_CHECKING:
    from fingerpost import Connector

__all__ = ["EmailChannel", "EmailConfig", "connectors"]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the connector classes of this plugin."""
    return [EmailChannel]
