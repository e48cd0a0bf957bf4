"""Keep what tutors answer in the ILP, and what a learner's page is called there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table of responses and the column of page tokens."""
    op.add_column("learner", sa.Column("page_token", sa.Text(), nullable=True))
    op.add_column("source_learner", sa.Column("page_token", sa.Text(), nullable=True))
    op.create_table(
        "source_response",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("connector", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("row_hash", sa.BigInteger(), nullable=False),
        sa.Column("first_run", sa.Integer(), nullable=False),
        sa.Column("changed_run", sa.Integer(), nullable=False),
        sa.Column("deleted_run", sa.Integer(), nullable=True),
        sa.Column("identity", sa.Text(), nullable=True),
        sa.Column("uln", sa.Text(), nullable=True),
        sa.Column("learner_id", sa.Integer(), nullable=True),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=True),
        sa.Column("answered_run", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["connector"], ["connector.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connector", "key", name="uq_source_response_key"),
    )
