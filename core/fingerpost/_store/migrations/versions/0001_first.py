"""Make the first schema."""

from __future__ import annotations

from alembic import op

from fingerpost._store.schema import DEFERRED_INDEXES, metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    metadata.create_all(op.get_bind())
    for index in DEFERRED_INDEXES:
        index.drop(op.get_bind())
