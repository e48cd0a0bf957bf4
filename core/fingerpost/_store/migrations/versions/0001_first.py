"""Make the first schema, as it was released: a migration never follows later changes of `schema.py`.

The secondary indexes of the source tables are not made here, but once the first load is in (`Store.ensure_indexes`).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _null(kind: type[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind(), nullable=True) for name in names]


def _not_null(kind: type[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind(), nullable=False) for name in names]


def _source(name: str, *columns: sa.Column[Any]) -> None:
    """Make the table of one stream."""
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *_not_null(sa.Integer, "connector"),
        *_not_null(sa.Text, "key", "part"),
        *_not_null(sa.BigInteger, "row_hash"),
        *_not_null(sa.Integer, "first_run", "changed_run"),
        *_null(sa.Integer, "deleted_run"),
        *_null(sa.Text, "identity", "uln"),
        *_null(sa.Integer, "learner_id"),
        *columns,
        sa.ForeignKeyConstraint(["connector"], ["connector.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connector", "key", name=f"uq_{name}_key"),
    )


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "connector",
        *_not_null(sa.Integer, "id"),
        *_not_null(sa.Text, "name"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "dirty",
        sa.Column("learner_id", sa.Integer(), autoincrement=False, nullable=False),
        *_not_null(sa.Boolean, "merge"),
        sa.PrimaryKeyConstraint("learner_id"),
    )
    op.create_table(
        "episode",
        *_not_null(sa.Text, "gap_key"),
        *_not_null(sa.Integer, "learner_id"),
        *_not_null(sa.Text, "framework", "criterion", "period"),
        *_not_null(sa.Integer, "number"),
        *_not_null(sa.Text, "content_hash", "opened_on"),
        *_not_null(sa.Integer, "opened_run"),
        *_null(sa.Text, "closed_on"),
        *_null(sa.Integer, "closed_run"),
        *_null(sa.Text, "outcome"),
        sa.PrimaryKeyConstraint("gap_key"),
    )
    op.create_index("ix_episode_learner", "episode", ["learner_id"], unique=False)
    op.create_index("ix_episode_open", "episode", ["closed_on"], unique=False)
    op.create_table(
        "identity_link",
        *_not_null(sa.Text, "identity", "same_as", "evidence"),
        *_not_null(sa.Integer, "run"),
        sa.PrimaryKeyConstraint("identity"),
    )
    op.create_table(
        "learner",
        *_not_null(sa.Integer, "id"),
        *_not_null(sa.Text, "identity"),
        *_null(sa.Integer, "ukprn"),
        *_null(sa.Text, "reference", "uln", "given_names", "family_name", "date_of_birth", "email"),
        *_null(sa.Boolean, "ehc_plan", "looked_after", "care_leaver"),
        *_null(sa.Text, "intended_destination"),
        *_null(sa.Boolean, "considering_he"),
        *_null(sa.Text, "intended_occupation", "soc_code"),
        *_not_null(sa.Integer, "first_run", "changed_run"),
        *_null(sa.Integer, "deleted_run"),
        *_null(sa.Text, "next_change"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
    )
    op.create_index("ix_learner_next_change", "learner", ["next_change"], unique=False)
    op.create_table(
        "outbox",
        *_not_null(sa.Integer, "id"),
        *_not_null(
            sa.Text, "channel", "key", "item", "operation", "recipient", "week", "subject", "message_id", "content_type"
        ),
        *_null(sa.LargeBinary, "content"),
        *_not_null(sa.Text, "content_hash", "state"),
        *_not_null(sa.Integer, "attempts", "planned_run"),
        *_not_null(sa.Text, "planned_at"),
        *_null(sa.Text, "attempted_at", "settled_at", "external_ref", "detail"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "key", name="uq_outbox_key"),
    )
    op.create_index("ix_outbox_recipient", "outbox", ["channel", "recipient", "week"], unique=False)
    op.create_index("ix_outbox_state", "outbox", ["state"], unique=False)
    op.create_table(
        "run",
        *_not_null(sa.Integer, "id"),
        *_not_null(sa.Text, "started_at"),
        *_null(sa.Text, "finished_at"),
        *_not_null(sa.Text, "status"),
        *_null(sa.Integer, "exit_code"),
        *_not_null(sa.Text, "as_of", "version"),
        *_null(sa.Text, "summary"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table("state", *_not_null(sa.Text, "name", "value"), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "verdict",
        sa.Column("learner_id", sa.Integer(), autoincrement=False, nullable=False),
        *_not_null(sa.Text, "framework", "criterion", "period", "status"),
        *_not_null(sa.Integer, "have", "need"),
        *_null(sa.Text, "due", "programme", "reason"),
        *_not_null(sa.Boolean, "quality_not_recorded"),
        *_null(sa.Text, "booked"),
        *_not_null(sa.Integer, "changed_run"),
        sa.PrimaryKeyConstraint("learner_id", "framework", "criterion", "period"),
    )
    op.create_table(
        "quarantine",
        *_not_null(sa.Integer, "id", "connector"),
        *_not_null(sa.Text, "stream", "key", "part", "raw"),
        *_not_null(sa.BigInteger, "raw_hash"),
        *_not_null(sa.Text, "reason", "field", "where"),
        *_not_null(sa.Integer, "first_run", "last_run"),
        *_not_null(sa.Text, "since"),
        sa.ForeignKeyConstraint(["connector"], ["connector.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connector", "stream", "key", name="uq_quarantine"),
    )
    _source(
        "source_activity",
        *_not_null(sa.Text, "subject"),
        *_null(sa.Text, "group", "programme"),
        *_not_null(sa.Text, "kind"),
        *_null(sa.Text, "title"),
        *_not_null(sa.Text, "starts_on"),
        *_null(sa.Text, "ends_on"),
        *_null(sa.Float, "hours"),
        *_not_null(sa.Text, "state"),
        *_null(sa.Boolean, "via_curriculum"),
        *_null(sa.Text, "mode", "organisation", "organisation_id", "provider_type", "sector", "size"),
        *_null(sa.Boolean, "meaningful"),
        *_null(sa.Text, "checklist"),
        *_null(sa.Boolean, "stem"),
        *_null(sa.Integer, "adviser_level"),
        *_null(sa.Text, "recorded_by", "event_key"),
    )
    _source(
        "source_assignment",
        *_null(sa.Text, "group", "tutor_name", "tutor_email"),
        *_not_null(sa.Text, "role"),
        *_null(sa.Text, "starts_on", "ends_on"),
    )
    _source(
        "source_destination",
        *_not_null(sa.Text, "stage"),
        *_null(sa.Text, "type", "title", "starts_on", "ends_on", "collected_on"),
    )
    _source(
        "source_learner",
        *_null(sa.Text, "given_names", "family_name", "date_of_birth", "email"),
        *_null(sa.Boolean, "ehc_plan", "looked_after", "care_leaver"),
        *_null(sa.Text, "intended_destination"),
        *_null(sa.Boolean, "considering_he"),
        *_null(sa.Text, "intended_occupation", "soc_code"),
    )
    _source(
        "source_programme",
        *_null(sa.Text, "academic_year", "code", "title", "level", "mode", "type", "area", "site"),
        *_not_null(sa.Text, "starts_on"),
        *_null(sa.Text, "planned_end", "actual_end", "status"),
    )
    op.create_table(
        "stream_run",
        *_not_null(sa.Integer, "run", "connector"),
        *_not_null(sa.Text, "stream", "state"),
        *_not_null(sa.Integer, "read", "new", "changed", "unchanged", "deleted", "rejected", "warnings", "skipped"),
        *_null(sa.Text, "message"),
        sa.ForeignKeyConstraint(["connector"], ["connector.id"]),
        sa.ForeignKeyConstraint(["run"], ["run.id"]),
        sa.PrimaryKeyConstraint("run", "connector", "stream"),
    )
    op.create_table(
        "stream_state",
        *_not_null(sa.Integer, "connector"),
        *_not_null(sa.Text, "stream", "fingerprint"),
        *_null(sa.Text, "cursor", "digests", "complete_at", "full_at", "data_at"),
        sa.ForeignKeyConstraint(["connector"], ["connector.id"]),
        sa.PrimaryKeyConstraint("connector", "stream"),
    )
    op.create_table(
        "sweep_hold",
        *_not_null(sa.Integer, "connector"),
        *_not_null(sa.Text, "stream"),
        sa.Column("row_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["connector"], ["connector.id"]),
        sa.PrimaryKeyConstraint("connector", "stream", "row_id"),
    )
    op.create_table(
        "told",
        *_not_null(sa.Integer, "outbox_id"),
        *_not_null(sa.Text, "gap_key", "content_hash", "change"),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"]),
        sa.PrimaryKeyConstraint("outbox_id", "gap_key"),
    )
    op.create_index("ix_told_gap", "told", ["gap_key"], unique=False)
    op.create_table(
        "warning",
        *_not_null(sa.Integer, "id", "connector"),
        *_not_null(sa.Text, "stream", "key", "field", "code", "where"),
        *_not_null(sa.Integer, "first_run"),
        sa.ForeignKeyConstraint(["connector"], ["connector.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connector", "stream", "key", "field", "code", "where", name="uq_warning"),
    )
