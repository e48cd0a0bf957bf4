"""Run by Alembic: apply the migrations on the connection that the store handed over."""

from __future__ import annotations

from alembic import context

from fingerpost._store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
