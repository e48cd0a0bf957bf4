"""Try every connection and say what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fingerpost._contract.connector import Finding


@dataclass(frozen=True, slots=True)
class CheckedConnector:
    """What was found out about one connector, or about the store or the alerts."""

    name: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found out."""

    connectors: tuple[CheckedConnector, ...]

    @property
    def ok(self) -> bool:
        """Say whether nothing stands in the way of a sync."""
        return all(finding.level != "error" for one in self.connectors for finding in one.findings)
