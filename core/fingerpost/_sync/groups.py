"""Decide which source's group or programme a code refers to: two sources' groups G0 are two groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from fingerpost._store import schema


class GroupHomes:
    """Know which group or programme a source's code refers to.

    A code belongs to a provider and a source. If the source that uses the code has members under it, only they are
    meant. A careers log, which has none, means the members under it in any source of its provider. `holders` are pairs
    of a connector and a code under which it has members; `providers` gives the provider of every connector.
    """

    def __init__(self, providers: Mapping[int, int], holders: Iterable[tuple[int, str]] = ()) -> None:
        self._provider = providers
        self._holders: dict[str, set[int]] = defaultdict(set)
        for number, code in holders:
            self._holders[code].add(number)

    @classmethod
    def of_groups(cls, connection: sa.Connection, providers: Mapping[int, int]) -> GroupHomes:
        """Return which source's members a group's activities are for."""
        table = schema.source_assignment
        return cls._of(connection, providers, table.c.group, table.c.identity.is_not(None))

    @classmethod
    def of_programmes(cls, connection: sa.Connection, providers: Mapping[int, int]) -> GroupHomes:
        """Return which source's enrolments a programme's activities are for."""
        return cls._of(connection, providers, schema.source_programme.c.code)

    @classmethod
    def _of(
        cls, connection: sa.Connection, providers: Mapping[int, int], code: sa.Column[Any],
        *where: sa.ColumnElement[bool],
    ) -> GroupHomes:  # fmt: skip
        row = code.table.c
        rows = sa.select(row.connector, code).where(code.is_not(None), row.deleted_run.is_(None), *where)
        return cls(providers, connection.execute(rows.distinct()))

    def means(self, connector: int, code: str, holder: int) -> bool:
        """Say whether a code used by `connector` refers to what `holder` has under it."""
        if connector in self._holders.get(code, ()):
            return holder == connector
        return self._provider.get(holder) == self._provider.get(connector)

    @property
    def fingerprint(self) -> str:
        """Return as text what decides which home a code has; empty if there is nothing to decide."""
        several = sorted((code, sorted(numbers)) for code, numbers in self._holders.items() if len(numbers) > 1)
        if not several and len(set(self._provider.values())) < 2:
            return ""
        return repr((several, sorted(self._provider.items())))
