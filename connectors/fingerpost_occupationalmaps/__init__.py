"""Say how occupations, the two editions of the SOC and technical education belong together.

It comes from the Occupational Maps of Skills England. For each of their occupations they name the SOC codes, the
products of technical education (apprenticeship standards, T Levels and others) and the occupations that may come next.
"""

from __future__ import annotations

from fingerpost import Connector, hookimpl
from fingerpost_occupationalmaps._enricher import OccupationalMapsConfig, OccupationalMapsEnricher

__all__ = ["OccupationalMapsConfig", "OccupationalMapsEnricher", "connectors"]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the connector `occupationalmaps`."""
    return [OccupationalMapsEnricher]
