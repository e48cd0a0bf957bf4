"""Say what the National Careers Service knows about an occupation: its job profiles.

It needs a key, which the service gives on request. What becomes of its address and keys, now that adult careers advice
has moved to another department, is not known; so everything said here may come from memory, with its date.
"""

from __future__ import annotations

from fingerpost import Connector, hookimpl
from fingerpost_ncs._enricher import NcsConfig, NcsEnricher

__all__ = ["NcsConfig", "NcsEnricher", "connectors"]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the connector `ncs`."""
    return [NcsEnricher]
