"""Read ProMonitor, the electronic ILP of many English colleges, and ProSolution, the MIS beside it; write gaps back.

There is no public interface to either: colleges read their SQL Server databases. `PROSUITE` holds what is publicly
known of the tables, for this connector and for whoever builds a database to try it on.
"""

from __future__ import annotations

from fingerpost import Connector, hookimpl
from fingerpost_promonitor._channel import PromonitorChannel
from fingerpost_promonitor._config import PromonitorConfig
from fingerpost_promonitor._source import PromonitorSource
from fingerpost_promonitor._tables import PROSUITE, SCHEMAS, located
from fingerpost_promonitor._write_config import PromonitorWriteConfig

__all__ = [
    "PROSUITE",
    "SCHEMAS",
    "PromonitorChannel",
    "PromonitorConfig",
    "PromonitorSource",
    "PromonitorWriteConfig",
    "connectors",
    "located",
]


@hookimpl
def connectors() -> list[type[Connector]]:
    """Return the two sides of the ProMonitor connector: the source, and the channel that writes back."""
    return [PromonitorSource, PromonitorChannel]
