"""One run: read, link, judge, plan and deliver, so that a kill anywhere loses nothing and doubles nothing."""

from __future__ import annotations

from fingerpost._sync.report import DigestCounts, RunReport, StreamReport
from fingerpost._sync.run import SyncOptions, sync

__all__ = ["DigestCounts", "RunReport", "StreamReport", "SyncOptions", "sync"]
