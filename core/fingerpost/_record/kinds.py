"""The kinds of activity, in words that a tutor understands."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files as package_files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# -- the kinds of activity --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of activity, in words that a tutor understands."""

    key: str
    singular: str
    plural: str
    description: str


@functools.cache
def load_kinds() -> Mapping[str, Kind]:
    """Return every kind of activity by its key, in the order of ``kinds.toml``."""
    text = (package_files("fingerpost_mappings") / "kinds.toml").read_text(encoding="utf-8")
    return MappingProxyType({key: Kind(key=key, **words) for key, words in tomllib.loads(text)["kinds"].items()})
