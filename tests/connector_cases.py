"""What the tests of several connectors try of each."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from fingerpost import AuthError, RateLimited, SourceUnavailable
from fingerpost.lmi import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerpost.lmi import NoData


def assert_refused(config: type[BaseModel], said: dict[str, Any], says: str | None) -> None:
    """Make a configuration, which must be refused with these words, or be good where there are none."""
    with nullcontext() if says is None else pytest.raises(ValidationError, match=says):
        config(**said)


def only_fact(hook: Iterator[Fact | NoData]) -> Fact:
    """Return what a hook of an enricher says, which must be one fact."""
    (fact,) = hook
    assert isinstance(fact, Fact)
    return fact


def each_status(not_found: str) -> pytest.MarkDecorator:
    """Try each status that a careers service may answer with; `not_found` is what 404 means to this one."""
    return pytest.mark.parametrize(
        ("status", "error", "words"),
        [(401, AuthError, "refused our credentials"), (403, AuthError, "refused our credentials"),
         (404, SourceUnavailable, not_found), (410, SourceUnavailable, "status 410"),
         (429, RateLimited, "slow down"), (500, SourceUnavailable, "not available"),
         (502, SourceUnavailable, "not available"), (503, SourceUnavailable, "not available")],
    )  # fmt: skip
