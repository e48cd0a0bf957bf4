"""What a person said about identities: the crosswalk file, and decisions that two of them are one learner, or two."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import sqlalchemy as sa

from fingerpost._config.configuration import Configuration
from fingerpost._store import schema
from fingerpost._words.errors import ConfigError

Pair: TypeAlias = tuple[str, str]

_CROSSWALK = ("ukprn", "learner_ref", "same_as_ukprn", "same_as_learner_ref")


@dataclass(frozen=True, slots=True)
class Decisions:
    """The pairs of identities that somebody decided are one learner, and those that are two."""

    joins: tuple[Pair, ...] = ()
    splits: tuple[Pair, ...] = ()

    def forbid(self, identities: Collection[str]) -> bool:
        """Say whether two of these identities may not be one learner."""
        return any(one in identities and other in identities for one, other in self.splits)


def load_decisions(connection: sa.Connection) -> Decisions:
    """Read the decisions that stand: the last one about each pair."""
    table = schema.identity_decision
    last: dict[Pair, str] = {}
    for row in connection.execute(sa.select(table).order_by(table.c.id)):
        last[min(row.identity, row.other), max(row.identity, row.other)] = row.decision
    pairs = sorted(last.items())
    return Decisions(
        tuple(pair for pair, decision in pairs if decision == "join"),
        tuple(pair for pair, decision in pairs if decision == "split"),
    )


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
