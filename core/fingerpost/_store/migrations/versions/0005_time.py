"""Keep what has ended: memberships, enrolments, former references, and what a person decided about identities."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from alembic import op

from fingerpost._words.days import academic_year_of, spell_academic_year

revision = "0005"
down_revision = "0004"

_COLUMNS = {
    "source_learner": ("previous_ref", "previous_ukprn"),
    "source_programme": ("ended_on",),
    "source_assignment": ("since", "joined_on", "ended_on"),
    "stream_state": ("year",),
    "sweep_hold": ("ended_on",),
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
    year = "CAST(substr(since, 1, 4) AS INTEGER) - CASE WHEN substr(since, 6, 2) < '08' THEN 1 ELSE 0 END"
    op.execute(f"UPDATE source_assignment SET joined_on = coalesce(starts_on, CAST({year} AS TEXT) || '-08-01')")  # noqa: S608
    for table in ("source_assignment", "source_programme"):
        op.execute(
            f"UPDATE {table} SET ended_on = (SELECT as_of FROM run WHERE run.id = deleted_run) "  # noqa: S608
            "WHERE deleted_run IS NOT NULL AND (starts_on IS NULL OR starts_on <= "
            "(SELECT as_of FROM run WHERE run.id = deleted_run))"
        )
    _date_lists()


def _date_lists() -> None:
    """Say of which academic year each list of groups is: that of its last complete read.

    After 1 August it is still last year's, unless one in five of its rows is new.
    """
    connection = op.get_bind()
    state = sa.table("stream_state", *(sa.column(name) for name in ("connector", "stream", "complete_at", "year")))
    row = sa.table(
        "source_assignment", *(sa.column(name) for name in ("connector", "deleted_run", "since", "starts_on"))
    )
    lists = sa.and_(state.c.stream == "assignments", state.c.complete_at.is_not(None))
    for number, instant in connection.execute(sa.select(state.c.connector, state.c.complete_at).where(lists)).all():
        year = academic_year_of(date.fromisoformat(instant[:10]))
        if instant[5:7] in ("08", "09", "10"):
            listed = sa.and_(row.c.connector == number, row.c.deleted_run.is_(None))
            is_new = sa.or_(row.c.since >= f"{year[:4]}-08-01", row.c.starts_on >= f"{year[:4]}-08-01")
            counts = sa.select(sa.func.count(), sa.func.count().filter(is_new)).where(listed)
            total, new = connection.execute(counts).one()
            year = year if new * 5 >= total else spell_academic_year(int(year[:4]) - 1)
        connection.execute(sa.update(state).where(lists, state.c.connector == number).values(year=year))
