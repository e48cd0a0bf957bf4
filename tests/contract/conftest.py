"""What tests of several connectors share: a host, and for careers services a clock that stands still and a memory."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from careers_servers import Clock, host_context, reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Iterator[Any]:
    with reference(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def context(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Give the host as the module of a test describes it, or that of the careers services; close what it opened."""
    described = getattr(request.module, "HostContext", None)
    with host_context() if described is None else closing(described(tmp_path)) as made:
        yield made
