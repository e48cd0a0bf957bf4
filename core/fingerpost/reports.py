"""What the methods of `College` answer with: one report for each question, each ready to be printed as JSON."""

from __future__ import annotations

from fingerpost._market.in_mind import LearnerOccupation
from fingerpost._market.market import MarketReport, market_line
from fingerpost._sync.report import RunReport, StreamReport
from fingerpost._views.check import CheckReport
from fingerpost._views.digests import DigestPreview
from fingerpost._views.explain import ExplainedMembership, ExplainedOccupation, Explanation
from fingerpost._views.gaps import CriterionWords, Gap, GapReport
from fingerpost._views.identity import HeldBy, IdentityExplanation, IdentityLink, KnownIdentity
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
from fingerpost._views.quarantine import QuarantinedRecord, RetryReport, ShownRecord
from fingerpost._views.status import DataFault, StatusReport
from fingerpost._views.sweeps import HeldSweep, SweepPreview, VerdictChange
from fingerpost._views.year import YearOfList, YearReport

__all__ = [
    "CheckReport", "ComparedFigure", "Comparison", "CriterionWords", "DataFault", "DigestPreview",
    "ExplainedMembership", "ExplainedOccupation", "Explanation", "Gap", "GapReport", "HeldBy", "HeldSweep",
    "IdentityExplanation", "IdentityLink", "KnownIdentity", "LearnerOccupation", "MappingCheck", "MarketReport",
    "QuarantinedRecord", "RefreshReport", "RetryReport", "RowTrace", "RunReport", "ShownRecord", "StatusReport",
    "StreamReport", "Suggestion", "Suggestions", "SweepPreview", "UnknownOccupation", "UnknownOccupations",
    "VerdictChange", "YearOfList", "YearReport", "market_line",
]  # fmt: skip
