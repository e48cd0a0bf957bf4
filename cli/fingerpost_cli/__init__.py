"""The command line of Fingerpost."""

from __future__ import annotations
