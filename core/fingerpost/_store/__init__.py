"""The store: every record as its source told it, what was made of it, and what each run did."""

from __future__ import annotations

from fingerpost._store.store import Store, Unit

__all__ = ["Store", "Unit"]
