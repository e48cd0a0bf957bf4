"""Know which provider's records each source holds: its own `ukprn`, or the college's."""

from __future__ import annotations

import sqlalchemy as sa

from fingerpost._config.configuration import Configuration
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema


def provider_of(instance: Instance, config: Configuration) -> int:
    """Return the UKPRN of the provider whose records an instance holds."""
    return getattr(instance.config, "ukprn", None) or config.settings.college.ukprn


def providers(connection: sa.Connection, config: Configuration) -> dict[int, int]:
    """Return the provider of every connector in the store by its number.

    One that is disabled, removed or broken has what its last run said: its records are still that provider's.
    """
    table = schema.connector
    own = {instance.name: provider_of(instance, config) for instance in config.instances}
    return {
        row.id: own.get(row.name) or row.ukprn or config.settings.college.ukprn
        for row in connection.execute(sa.select(table))
    }
