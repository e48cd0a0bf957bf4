"""Fingerpost connects a college's MIS and ILP to its careers programme.

These are the public names, together with those of `fingerpost.files` (what connectors of files share), `fingerpost.lmi`
(what enrichers share) and `fingerpost.reports` (what `College` answers with). Everything else is private.
"""

from __future__ import annotations

from fingerpost._config.configuration import default_config_path, init_template
from fingerpost._contract.connector import (
    API_VERSION,
    Channel,
    Connector,
    ConnectorConfig,
    Context,
    Enricher,
    Finding,
    ItemChannelConfig,
    Source,
    SourceConfig,
    hookimpl,
)
from fingerpost._contract.items import (
    Change,
    Digest,
    DigestLearner,
    DigestLine,
    DigestSource,
    GapItem,
    Item,
    ListedItem,
    Payload,
    Person,
    Receipt,
    ReceiptStatus,
)
from fingerpost._contract.many_streams import ManyStreamSource
from fingerpost._contract.marker import MARK_PATTERN, ItemMark, item_key, mark_item, read_mark
from fingerpost._contract.messages import (
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
from fingerpost._contract.retry import call_with_retries
from fingerpost._plugins.admission import PluginInfo
from fingerpost._plugins.host import Host
from fingerpost._sync.report import Progress
from fingerpost._version import __version__
from fingerpost._words.errors import (
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
from fingerpost._words.logs import configure_logging
from fingerpost._words.nearest import did_you_mean
from fingerpost.college import College

__all__ = [
    "API_VERSION", "MARK_PATTERN", "STREAMS", "AuthError", "Change", "Channel", "Checkpoint", "College",
    "ConfigError", "Connector", "ConnectorConfig", "Context", "ContractError", "Cursor", "Deleted", "Digest",
    "DigestLearner", "DigestLine", "DigestSource", "Enricher", "Finding", "FingerpostError", "GapItem", "Host",
    "Item", "ItemChannelConfig", "ItemMark", "ListedItem", "LockHeld", "ManyStreamSource", "Message", "Payload",
    "Person", "PluginInfo", "Progress", "RateLimited", "Receipt", "ReceiptStatus", "Record", "RecordError",
    "Rejected", "Source", "SourceConfig", "SourceUnavailable", "StoreError", "StreamName", "StreamSpec",
    "__version__", "call_with_retries", "configure_logging", "default_config_path", "did_you_mean", "hookimpl",
    "init_template", "item_key", "mark_item", "read_mark",
]  # fmt: skip
