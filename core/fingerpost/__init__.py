"""Fingerpost connects a college's MIS and ILP to its careers programme.

This module, `fingerpost.files` and `fingerpost.lmi` are the public interface; everything else is private.
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
from fingerpost._contract.facts import (
    FACT_KINDS,
    Fact,
    FactKind,
    LabourMarketQuestion,
    NoData,
    Occupation,
    Reference,
    Reply,
    SocVersion,
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
from fingerpost._market.in_mind import LearnerOccupation
from fingerpost._market.market import MarketReport, market_line
from fingerpost._plugins.admission import PluginInfo
from fingerpost._plugins.host import Host
from fingerpost._sync.report import Progress, RunReport, StreamReport
from fingerpost._version import __version__
from fingerpost._views.check import CheckReport
from fingerpost._views.digests import DigestPreview
from fingerpost._views.explain import ExplainedOccupation, Explanation
from fingerpost._views.gaps import Gap, GapReport
from fingerpost._views.held import HeldSweep, QuarantinedRecord, RetryReport, ShownRecord
from fingerpost._views.lmi import (
    ComparedFigure,
    Comparison,
    RefreshReport,
    Suggestion,
    Suggestions,
    UnknownOccupation,
    UnknownOccupations,
)
from fingerpost._views.mapping import MappingCheck, RowTrace
from fingerpost._views.status import DataFault, StatusReport
from fingerpost._web.failures import json_of
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
from fingerpost._words.text import plain_text
from fingerpost.college import College

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
    "ManyStreamSource",
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
