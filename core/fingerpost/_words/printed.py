"""Reports as plain data, as `--json` prints them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast


class Printed:
    """A dataclass that `--json` prints as it is."""

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        return asdict(cast("Any", self))  # every subclass is a dataclass
