"""Remember whose records a source holds, so that it is known when the source is no longer configured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NAMING = ("source_learner", "source_programme", "source_assignment", "source_activity", "source_destination")


def upgrade() -> None:
    """Add the column; a source whose rows name learners by reference tells its provider by them."""
    op.add_column("connector", sa.Column("ukprn", sa.Integer(), nullable=True))
    connection = op.get_bind()
    connector = sa.table("connector", sa.column("id"), sa.column("ukprn"))
    for (number,) in connection.execute(sa.select(connector.c.id)).all():
        for name in _NAMING:
            rows = sa.table(name, sa.column("connector"), sa.column("identity"))
            named = rows.c.identity.is_not(None), rows.c.identity.not_like("uln:%")
            one = connection.scalar(sa.select(rows.c.identity).where(rows.c.connector == number, *named).limit(1))
            if one is not None:
                ukprn = int(one.partition(":")[0])
                connection.execute(sa.update(connector).where(connector.c.id == number).values(ukprn=ukprn))
                break
