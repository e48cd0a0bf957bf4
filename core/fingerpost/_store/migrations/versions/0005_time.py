"""Keep what has ended: memberships, enrolments, former references, and what a person decided about identities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_COLUMNS = {
    "source_learner": ("previous_ref", "previous_ukprn"),
    "source_programme": ("ended_on",),
    "source_assignment": ("since", "ended_on", "joined_on"),
    "stream_state": ("year",),
    "sweep_hold": ("since",),
}


def upgrade() -> None:
    """Add the columns; the runs that first saw a row, and removed it, say when that was."""
    for table, names in _COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True))
    op.create_table(
        "identity_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("decision", "identity", "other", "author", "reason", "made_at")
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("UPDATE source_assignment SET since = (SELECT as_of FROM run WHERE run.id = first_run)")
    for table in ("source_assignment", "source_programme"):
        op.execute(
            f"UPDATE {table} SET ended_on = (SELECT as_of FROM run WHERE run.id = deleted_run) "  # noqa: S608
            "WHERE deleted_run IS NOT NULL"
        )
