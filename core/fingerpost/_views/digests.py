"""Digests as people would get them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fingerpost._alerts.digests import Planner
from fingerpost._config.opened import Opened
from fingerpost._contract.items import Digest, Payload


@dataclass(frozen=True, slots=True)
class DigestPreview:
    """A digest as a person would get it."""

    channel: str
    digest: Digest
    payload: Payload


def outboxes(opened: Opened) -> tuple[Path, ...]:
    """Return the folders of the channels that write digests to files."""
    channels = (one for one in opened.config.channels if one.accepts == "digest")
    return tuple(opened.config.base_dir / str(getattr(channel.config, "path", "outbox")) for channel in channels)


def preview(opened: Opened, recipient: str | None, as_of: date | None) -> list[DigestPreview]:
    """Return the digests that people would get if nothing had been sent to them yet; nothing is marked as sent."""
    # All channels of a kind render alike.
    channel = next((one for one in opened.config.channels if one.accepts == "digest"), None)
    if channel is None:
        return []
    previews = []
    with opened.store.reading() as connection:
        planner = Planner(connection, opened, opened.today(as_of), opened.now())
        for audience in planner.audiences.to_notify(channel.name):
            if recipient is not None and audience.person.email.casefold() != recipient.casefold():
                continue
            digest = planner.digest(audience, f"preview of {channel.name}", news_only=False)
            if digest is not None:
                payload = channel.render(digest, opened.context(channel))
                previews.append(DigestPreview(channel.name, digest, payload))
    return previews
