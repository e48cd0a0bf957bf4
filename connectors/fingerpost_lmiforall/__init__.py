"""The built-in connector `lmiforall`: labour market information from LMI for All."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerpost import Connector, hookimpl
from fingerpost_lmiforall._enricher import LmiForAll, LmiForAllConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LmiForAll", "LmiForAllConfig", "connectors"]


@hookimpl
def connectors() -> Iterable[type[Connector]]:
    """Offer the connector `lmiforall`."""
    return [LmiForAll]
