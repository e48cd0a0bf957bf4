"""Which source's group or programme a code means: two groups called G0 are two groups."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fingerpost._store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fingerpost._config.configuration import Configuration


class GroupHomes:
    """Know whose group or programme a source means by a code.

    A code belongs to a provider and a source. Where the source that uses the code has members under it, they are meant.
    A careers log, which has none, means those of its provider: of the most trusted source where several have the code.
    `holders` are pairs of a connector and a code under which it has members.
    """

    def __init__(self, config: Configuration, names: Mapping[int, str], holders: Iterable[tuple[int, str]]) -> None:
        own = {instance.name: getattr(instance.config, "ukprn", None) for instance in config.instances}
        college = config.settings.college.ukprn
        self._provider = {number: own.get(name) or college for number, name in names.items()}
        self._holders: dict[str, list[int]] = defaultdict(list)
        for number, code in sorted(holders, key=lambda one: (config.rank(names.get(one[0], "")), one[0])):
            self._holders[code].append(number)

    @classmethod
    def of_groups(cls, connection: sa.Connection, config: Configuration, names: Mapping[int, str]) -> GroupHomes:
        """Return whose members a group's activities are for."""
        table = schema.source_assignment
        rows = sa.select(table.c.connector, table.c.group).where(table.c.identity.is_not(None))
        return cls._live(connection, config, names, table, rows)

    @classmethod
    def of_programmes(cls, connection: sa.Connection, config: Configuration, names: Mapping[int, str]) -> GroupHomes:
        """Return whose enrolments a programme's activities are for."""
        table = schema.source_programme
        return cls._live(connection, config, names, table, sa.select(table.c.connector, table.c.code))

    @classmethod
    def of_tutors(cls, connection: sa.Connection, config: Configuration, names: Mapping[int, str]) -> GroupHomes:
        """Return whose tutors a group's members have."""
        table = schema.source_assignment
        rows = sa.select(table.c.connector, table.c.group)
        rows = rows.where(table.c.identity.is_(None), table.c.tutor_email.is_not(None))
        return cls._live(connection, config, names, table, rows)

    @classmethod
    def _live(
        cls,
        connection: sa.Connection,
        config: Configuration,
        names: Mapping[int, str],
        table: sa.Table,
        rows: sa.Select[Any],
    ) -> GroupHomes:
        live = connection.execute(rows.where(table.c.deleted_run.is_(None)).distinct())
        return cls(config, names, ((number, code) for number, code in live if code is not None))

    def home(self, connector: int, code: str) -> int | None:
        """Return the connector whose group is meant by a code that `connector` uses, or None where nobody has it."""
        holders = self._holders.get(code, ())
        if connector in holders:
            return connector
        provider = self._provider.get(connector)
        return next((number for number in holders if self._provider.get(number) == provider), None)

    @property
    def fingerprint(self) -> str:
        """Spell what decides between several homes of a code; empty where every code has one."""
        several = {code: numbers for code, numbers in self._holders.items() if len(numbers) > 1}
        return repr((sorted(several.items()), sorted(self._provider.items()))) if several else ""
