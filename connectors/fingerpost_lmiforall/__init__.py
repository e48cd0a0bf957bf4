"""The built-in connector `lmiforall`: labour market information from LMI for All."""

from __future__ import annotations

from collections.abc import Iterable

from fingerpost import Connector, hookimpl
from fingerpost_lmiforall._enricher import LmiForAll, LmiForAllConfig

__all__ = ["LmiForAll", "LmiForAllConfig", "connectors"]


@hookimpl
def connectors() -> Iterable[type[Connector]]:
    """Offer the connector `lmiforall`."""
    return [LmiForAll]
