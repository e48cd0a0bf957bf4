"""The `email` channel: tutor digests as `.eml` files in a folder, or by SMTP over verified TLS."""

from __future__ import annotations

from fingerpost import Connector, hookimpl
from fingerpost_email._channel import EmailChannel
from fingerpost_email._config import EmailConfig

__all__ = ["EmailChannel", "EmailConfig", "connectors"]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the connector classes of this plugin."""
    return [EmailChannel]
