"""Count the apprenticeships that are advertised for an occupation, and name the newest.

From the Display Advert API of Find an apprenticeship, which covers England. Its adverts name a course and no
occupation; which courses lead to an occupation is for the college to say.
"""

from __future__ import annotations

from fingerpost import Connector, hookimpl
from fingerpost_apprenticeships._enricher import ApprenticeshipsConfig, ApprenticeshipsEnricher

__all__ = ["ApprenticeshipsConfig", "ApprenticeshipsEnricher", "connectors"]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the connector `apprenticeships`."""
    return [ApprenticeshipsEnricher]
