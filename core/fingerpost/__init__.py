"""Fingerpost connects a college's MIS and ILP to its careers programme.

This module is the whole public interface; everything else is private.
"""

from __future__ import annotations

from fingerpost._connector import (
    API_VERSION,
    Channel,
    Connector,
    ConnectorConfig,
    Context,
    Enricher,
    Finding,
    Source,
    SourceConfig,
    hookimpl,
)
from fingerpost._errors import (
    AuthError,
    ConfigError,
    ContractError,
    FingerpostError,
    LockHeld,
    RateLimited,
    RecordError,
    SourceUnavailable,
    StoreError,
)
from fingerpost._items import (
    Change,
    Digest,
    DigestLearner,
    DigestLine,
    DigestSource,
    GapItem,
    Item,
    Payload,
    Person,
    Receipt,
    ReceiptStatus,
)
from fingerpost._messages import (
    STREAMS,
    Checkpoint,
    Cursor,
    Deleted,
    Message,
    Record,
    Rejected,
    StreamName,
    StreamSpec,
)
from fingerpost._version import __version__

__all__ = [
    "API_VERSION",
    "STREAMS",
    "AuthError",
    "Change",
    "Channel",
    "Checkpoint",
    "ConfigError",
    "Connector",
    "ConnectorConfig",
    "Context",
    "ContractError",
    "Cursor",
    "Deleted",
    "Digest",
    "DigestLearner",
    "DigestLine",
    "DigestSource",
    "Enricher",
    "Finding",
    "FingerpostError",
    "GapItem",
    "Item",
    "LockHeld",
    "Message",
    "Payload",
    "Person",
    "RateLimited",
    "Receipt",
    "ReceiptStatus",
    "Record",
    "RecordError",
    "Rejected",
    "Source",
    "SourceConfig",
    "SourceUnavailable",
    "StoreError",
    "StreamName",
    "StreamSpec",
    "__version__",
    "hookimpl",
]
