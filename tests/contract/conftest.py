"""What the tests of the three careers services share: a clock that stands still, a memory, and a host."""

from __future__ import annotations

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
def context() -> Iterator[Any]:
    with host_context() as made:
        yield made
