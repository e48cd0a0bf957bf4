"""Read the crosswalk file: the same learner under two references."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from pathlib import Path

from fingerpost._config.configuration import Configuration
from fingerpost._words.errors import ConfigError

_CROSSWALK = ("ukprn", "learner_ref", "same_as_ukprn", "same_as_learner_ref")


def load_crosswalk(config: Configuration) -> dict[str, str]:
    """Read the crosswalk file, if there is one; return a map from each identity to the one that it is the same as.

    Raises `ConfigError` naming file, line and column.
    """
    path = config.settings.identity.crosswalk
    if path is None:
        return {}
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"[identity] crosswalk: the file {path} cannot be read: {error.strerror}.") from error
    try:
        rows = csv.DictReader(content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise ConfigError(f"[identity] crosswalk: {path.name} is not UTF-8; save it as CSV UTF-8.") from error
    lacking = [column for column in _CROSSWALK if column not in (rows.fieldnames or ())]
    if lacking:
        raise ConfigError(f"[identity] crosswalk: {path.name} has no column {', '.join(lacking)}.")
    providers = known_providers(config)
    links: dict[str, str] = {}
    for line, row in enumerate(rows, start=2):
        ukprn, reference, same_as_ukprn, same_as_reference = _crosswalk_row(row, path, line, providers)
        links[f"{ukprn}:{reference}"] = f"{same_as_ukprn}:{same_as_reference}"
    return {start: _end(links, start, path) for start in links}


def known_providers(config: Configuration) -> set[str]:
    """Return the providers that learners may belong to: the college, its predecessors, and the sources' own."""
    college = config.settings.college
    own = (getattr(instance.config, "ukprn", None) for instance in config.instances)
    return {str(number) for number in (college.ukprn, *college.former_ukprns, *own) if number}


def _crosswalk_row(row: Mapping[str, str | None], path: Path, line: int, providers: Collection[str]) -> list[str]:
    values = [(row[column] or "").strip() for column in _CROSSWALK]
    for column, value in zip(_CROSSWALK, values, strict=True):
        if not value:
            raise ConfigError(f"[identity] crosswalk: {path.name} line {line} has no {column}.")
        if "ukprn" in column and value not in providers:
            raise ConfigError(
                f"[identity] crosswalk: {path.name} line {line}: the {column} is not your college's. If it belongs to "
                "a college that merged into yours, add it to [college] former_ukprns; otherwise correct it."
            )
    return values


def _end(links: Mapping[str, str], start: str, path: Path) -> str:
    """Follow the links to the last identity."""
    end = links[start]
    for _ in links:
        if end not in links:
            return end
        end = links[end]
    raise ConfigError(f"[identity] crosswalk: {path.name} has references that form a circle.")
