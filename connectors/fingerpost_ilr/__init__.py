"""Read learners, programmes, work placements and destinations from ILR files.

The Individualised Learner Record is the file that every publicly funded provider of further education in England
prepares from its MIS several times a year, so that it is the one export that every college has.
"""

from __future__ import annotations

from fingerpost import Connector, hookimpl
from fingerpost_ilr._source import IlrConfig, IlrSource

__all__ = ["IlrConfig", "IlrSource", "connectors"]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the ILR connector."""
    return [IlrSource]
