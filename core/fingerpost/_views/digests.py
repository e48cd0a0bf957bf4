"""Digests as people would get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fingerpost._contract.items import Digest, Payload


@dataclass(frozen=True, slots=True)
class DigestPreview:
    """A digest as a person would get it."""

    channel: str
    digest: Digest
    payload: Payload
