"""The kinds of careers activity."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fingerpost._words.packaged import packaged_file, read_document


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
    kinds = read_document(packaged_file("fingerpost_mappings", "kinds.toml"), "list of kinds")["kinds"]
    return MappingProxyType({key: Kind(key=key, **words) for key, words in kinds.items()})
