"""Forget whether a learner considers higher education: no rule reads it, and what no rule reads is not held."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Drop the column from the learners and from what sources said of them."""
    for table in ("learner", "source_learner"):
        op.drop_column(table, "considering_he")
