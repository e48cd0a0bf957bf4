"""Say what the National Careers Service knows about an occupation: its job profiles.

Needs a key that the service gives on request. Where its hosts and keys go now that adult careers advice has moved to
another department is not known, so that everything said here may come from memory, with its date.
"""

from __future__ import annotations

from fingerpost import Connector, hookimpl
from fingerpost_ncs._enricher import NcsConfig, NcsEnricher

__all__ = ["NcsConfig", "NcsEnricher", "connectors"]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the connector `ncs`."""
    return [NcsEnricher]
