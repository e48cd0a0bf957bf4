"""Fingerpost connects a college's MIS and ILP to its careers programme.

This module is the whole public interface; everything else is private.
"""

from __future__ import annotations

from fingerpost._college import CheckReport, College, DigestPreview
from fingerpost._config import default_config_path, init_template
from fingerpost._connector import (
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
from fingerpost._explain import ExplainedOccupation, Explanation
from fingerpost._gaps import Gap, GapReport
from fingerpost._host import Host, PluginInfo, did_you_mean
from fingerpost._http import json_of
from fingerpost._items import (
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
from fingerpost._labour_market import (
    FACT_KINDS,
    Fact,
    FactKind,
    LabourMarketQuestion,
    NoData,
    Occupation,
    SocVersion,
)
from fingerpost._lmi import (
    ComparedFigure,
    Comparison,
    RefreshReport,
    Suggestion,
    Suggestions,
    UnknownOccupation,
    UnknownOccupations,
)
from fingerpost._logging import configure_logging
from fingerpost._mapcheck import MappingCheck, RowTrace
from fingerpost._marker import MARK_PATTERN, ItemMark, item_key, mark_item, read_mark
from fingerpost._market import MarketReport, market_line
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
from fingerpost._quarantine import QuarantinedRecord, RetryReport, ShownRecord
from fingerpost._reference import Reference, Reply
from fingerpost._retry import call_with_retries
from fingerpost._status import DataFault, StatusReport
from fingerpost._sweep import HeldSweep
from fingerpost._sync import RunReport, StreamReport
from fingerpost._sync.context import Progress
from fingerpost._sync.enriching import LearnerOccupation
from fingerpost._text import plain_text
from fingerpost._version import __version__

__all__ = [
    "API_VERSION",
    "FACT_KINDS",
    "MARK_PATTERN",
    "STREAMS",
    "AuthError",
    "Change",
    "Channel",
    "CheckReport",
    "Checkpoint",
    "College",
    "ComparedFigure",
    "Comparison",
    "ConfigError",
    "Connector",
    "ConnectorConfig",
    "Context",
    "ContractError",
    "Cursor",
    "DataFault",
    "Deleted",
    "Digest",
    "DigestLearner",
    "DigestLine",
    "DigestPreview",
    "DigestSource",
    "Enricher",
    "ExplainedOccupation",
    "Explanation",
    "Fact",
    "FactKind",
    "Finding",
    "FingerpostError",
    "Gap",
    "GapItem",
    "GapReport",
    "HeldSweep",
    "Host",
    "Item",
    "ItemChannelConfig",
    "ItemMark",
    "LabourMarketQuestion",
    "LearnerOccupation",
    "ListedItem",
    "LockHeld",
    "MappingCheck",
    "MarketReport",
    "Message",
    "NoData",
    "Occupation",
    "Payload",
    "Person",
    "PluginInfo",
    "Progress",
    "QuarantinedRecord",
    "RateLimited",
    "Receipt",
    "ReceiptStatus",
    "Record",
    "RecordError",
    "Reference",
    "RefreshReport",
    "Rejected",
    "Reply",
    "RetryReport",
    "RowTrace",
    "RunReport",
    "ShownRecord",
    "SocVersion",
    "Source",
    "SourceConfig",
    "SourceUnavailable",
    "StatusReport",
    "StoreError",
    "StreamName",
    "StreamReport",
    "StreamSpec",
    "Suggestion",
    "Suggestions",
    "UnknownOccupation",
    "UnknownOccupations",
    "__version__",
    "call_with_retries",
    "configure_logging",
    "default_config_path",
    "did_you_mean",
    "hookimpl",
    "init_template",
    "item_key",
    "json_of",
    "mark_item",
    "market_line",
    "plain_text",
    "read_mark",
]
