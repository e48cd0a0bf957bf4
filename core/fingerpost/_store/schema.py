"""The tables of the store.

Three kinds. *Data tables* hold the careers record from each source, the learners merged from it, the verdicts and what
was sent; a run without changes writes nothing to them. *Ledger tables* say what each run did. *State tables* hold what
the next run needs.

Days are stored as ISO text (``2026-03-02``) and instants as UTC text (``2026-03-02T04:00:00Z``), in every database:
both sort correctly and mean the same everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

if TYPE_CHECKING:
    from fingerpost._contract.messages import StreamName


metadata = MetaData()


def _source_table(name: str, *columns: Column[object]) -> Table:
    """Make the table of one stream: each source's rows, with their provenance.

    The host assigns `id`, so that the rows of one read can be marked in a bitmap. `identity` is the learner named in
    the row ("ukprn:reference", or "uln:…" without one), `learner_id` the learner it was linked to. `row_hash` covers
    the raw row and everything that decides its outcome.
    """
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("connector", Integer, ForeignKey("connector.id"), nullable=False),
        Column("key", Text, nullable=False),
        Column("part", Text, nullable=False),
        Column("row_hash", BigInteger, nullable=False),
        Column("first_run", Integer, nullable=False),
        Column("changed_run", Integer, nullable=False),
        Column("deleted_run", Integer),
        Column("identity", Text),
        Column("uln", Text),
        Column("learner_id", Integer),
        *columns,
        UniqueConstraint("connector", "key", name=f"uq_{name}_key"),
    )


connector = Table(
    "connector",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

learner_fields = (
    "given_names", "family_name", "date_of_birth", "email", "ehc_plan", "looked_after", "care_leaver",
    "intended_destination", "considering_he", "intended_occupation", "soc_code",
    "page_token",
)  # fmt: skip
"""The fields of a learner that are merged from its source rows."""

_boolean_fields = {"ehc_plan", "looked_after", "care_leaver", "considering_he"}


def _learner_columns() -> list[Column[object]]:
    return [Column(name, Boolean if name in _boolean_fields else Text) for name in learner_fields]


source_learner = _source_table("source_learner", *_learner_columns())

source_programme = _source_table(
    "source_programme",
    Column("academic_year", Text),
    Column("code", Text),
    Column("title", Text),
    Column("level", Text),
    Column("mode", Text),
    Column("type", Text),
    Column("area", Text),
    Column("site", Text),
    Column("starts_on", Text, nullable=False),
    Column("planned_end", Text),
    Column("actual_end", Text),
    Column("status", Text),
)

source_assignment = _source_table(
    "source_assignment",
    Column("group", Text),
    Column("tutor_name", Text),
    Column("tutor_email", Text),
    Column("role", Text, nullable=False),
    Column("starts_on", Text),
    Column("ends_on", Text),
)

source_activity = _source_table(
    "source_activity",
    Column("subject", Text, nullable=False),
    Column("group", Text),
    Column("programme", Text),
    Column("kind", Text, nullable=False),
    Column("title", Text),
    Column("starts_on", Text, nullable=False),
    Column("ends_on", Text),
    Column("hours", Float),
    Column("state", Text, nullable=False),
    Column("via_curriculum", Boolean),
    Column("mode", Text),
    Column("organisation", Text),
    Column("organisation_id", Text),
    Column("provider_type", Text),
    Column("sector", Text),
    Column("size", Text),
    Column("meaningful", Boolean),
    # The elements of "meaningful" that were recorded, as a JSON object: most logs have none.
    Column("checklist", Text),
    Column("stem", Boolean),
    Column("adviser_level", Integer),
    Column("recorded_by", Text),
    Column("event_key", Text),
)

source_destination = _source_table(
    "source_destination",
    Column("stage", Text, nullable=False),
    Column("type", Text),
    Column("title", Text),
    Column("starts_on", Text),
    Column("ends_on", Text),
    Column("collected_on", Text),
)

source_response = _source_table(
    "source_response",
    Column("response", Text, nullable=False),
    Column("until", Text),
    Column("recorded_by", Text),
    # The run in which it was answered, as far as we know: the last that changed the answer.
    Column("answered_run", Integer, nullable=False),
)

SOURCE_TABLES: dict[StreamName, Table] = {
    "learners": source_learner,
    "programmes": source_programme,
    "assignments": source_assignment,
    "activities": source_activity,
    "destinations": source_destination,
    "responses": source_response,
}

# Made after the first load: an index built in one go costs a third of one maintained as rows arrive.
for _table in SOURCE_TABLES.values():
    Index(f"ix_{_table.name}_learner", _table.c.learner_id)
Index("ix_source_learner_identity", source_learner.c.identity)
Index("ix_source_learner_uln", source_learner.c.uln)
Index("ix_source_assignment_group", source_assignment.c.group)
Index("ix_source_programme_code", source_programme.c.code)
Index(
    "ix_source_activity_group",
    source_activity.c.group,
    sqlite_where=source_activity.c.group.is_not(None),
    postgresql_where=source_activity.c.group.is_not(None),
)
Index(
    "ix_source_activity_programme",
    source_activity.c.programme,
    sqlite_where=source_activity.c.programme.is_not(None),
    postgresql_where=source_activity.c.programme.is_not(None),
)
for _name in ("programmes", "assignments", "activities", "destinations", "responses"):
    _table = SOURCE_TABLES[_name]
    Index(
        f"ix_{_table.name}_unlinked",
        _table.c.identity,
        sqlite_where=_table.c.learner_id.is_(None),
        postgresql_where=_table.c.learner_id.is_(None),
    )

learner = Table(
    "learner",
    metadata,
    Column("id", Integer, primary_key=True),
    # The merged learner's identity: that of its most trusted source.
    Column("identity", Text, nullable=False, unique=True),
    Column("ukprn", Integer),
    Column("reference", Text),
    Column("uln", Text),
    *_learner_columns(),
    Column("first_run", Integer, nullable=False),
    Column("changed_run", Integer, nullable=False),
    Column("deleted_run", Integer),
    # The day from which the learner is judged again even without changes.
    Column("next_change", Text),
)
Index("ix_learner_next_change", learner.c.next_change)

verdict = Table(
    "verdict",
    metadata,
    Column("learner_id", Integer, nullable=False, primary_key=True, autoincrement=False),
    Column("framework", Text, nullable=False, primary_key=True),
    Column("criterion", Text, nullable=False, primary_key=True),
    Column("period", Text, nullable=False, primary_key=True),
    Column("status", Text, nullable=False),
    Column("have", Integer, nullable=False),
    Column("need", Integer, nullable=False),
    Column("due", Text),
    Column("programme", Text),
    Column("reason", Text),
    Column("quality_not_recorded", Boolean, nullable=False),
    # The planned activity that would settle it, as "connector:key".
    Column("booked", Text),
    Column("changed_run", Integer, nullable=False),
)

episode = Table(
    "episode",
    metadata,
    Column("gap_key", Text, primary_key=True),
    Column("learner_id", Integer, nullable=False),
    Column("framework", Text, nullable=False),
    Column("criterion", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("number", Integer, nullable=False),
    # A hash of what it says: a changed one is news about the same gap.
    Column("content_hash", Text, nullable=False),
    Column("opened_on", Text, nullable=False),
    Column("opened_run", Integer, nullable=False),
    Column("closed_on", Text),
    Column("closed_run", Integer),
    # met, lapsed or not_applicable; only met is ever sent.
    Column("outcome", Text),
)
Index("ix_episode_learner", episode.c.learner_id)
Index("ix_episode_open", episode.c.closed_on)

dirty = Table(
    "dirty",
    metadata,
    Column("learner_id", Integer, primary_key=True, autoincrement=False),
    # The merged learner must be rebuilt from its source rows before it is judged.
    Column("merge", Boolean, nullable=False),
)

# Other identities of a learner, and the evidence: a link that can be undone.
identity_link = Table(
    "identity_link",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("same_as", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("run", Integer, nullable=False),
)

warning = Table(
    "warning",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("connector", Integer, ForeignKey("connector.id"), nullable=False),
    Column("stream", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("where", Text, nullable=False),
    Column("first_run", Integer, nullable=False),
    UniqueConstraint("connector", "stream", "key", "field", "code", "where", name="uq_warning"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("connector", Integer, ForeignKey("connector.id"), nullable=False),
    Column("stream", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("part", Text, nullable=False),
    # The record before mapping, mapped columns only, as JSON: a corrected mapping can be tried on it.
    Column("raw", Text, nullable=False),
    Column("raw_hash", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("where", Text, nullable=False),
    Column("first_run", Integer, nullable=False),
    Column("last_run", Integer, nullable=False),
    Column("since", Text, nullable=False),
    UniqueConstraint("connector", "stream", "key", name="uq_quarantine"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    # The ISO week it was planned for ("2026-W10"): at most one digest a week to a person.
    Column("week", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    # The frozen bytes; removed once delivered, the hash stays.
    Column("content", LargeBinary),
    Column("content_hash", Text, nullable=False),
    # pending, sending, sent, unknown, held, failed or expired
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("planned_run", Integer, nullable=False),
    Column("planned_at", Text, nullable=False),
    Column("attempted_at", Text),
    Column("settled_at", Text),
    Column("external_ref", Text),
    Column("detail", Text),
    UniqueConstraint("channel", "key", name="uq_outbox_key"),
)
Index("ix_outbox_state", outbox.c.state)
Index("ix_outbox_recipient", outbox.c.channel, outbox.c.recipient, outbox.c.week)

told = Table(
    "told",
    metadata,
    Column("outbox_id", Integer, ForeignKey("outbox.id"), primary_key=True),
    Column("gap_key", Text, primary_key=True),
    Column("content_hash", Text, nullable=False),
    Column("change", Text, nullable=False),
)
Index("ix_told_gap", told.c.gap_key)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    # running, succeeded, partial, failed or interrupted
    Column("status", Text, nullable=False),
    Column("exit_code", Integer),
    Column("as_of", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("summary", Text),
)

stream_run = Table(
    "stream_run",
    metadata,
    Column("run", Integer, ForeignKey("run.id"), primary_key=True),
    Column("connector", Integer, ForeignKey("connector.id"), primary_key=True),
    Column("stream", Text, primary_key=True),
    # reading, complete, unchanged, held or failed
    Column("state", Text, nullable=False),
    Column("read", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("warnings", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("message", Text),
)

stream_state = Table(
    "stream_state",
    metadata,
    Column("connector", Integer, ForeignKey("connector.id"), primary_key=True),
    Column("stream", Text, primary_key=True),
    # Validates the cursor and the digests: another fingerprint means a full read.
    Column("fingerprint", Text, nullable=False),
    Column("cursor", Text),
    Column("digests", Text),
    Column("complete_at", Text),
    Column("full_at", Text),
    Column("data_at", Text),
)

sweep_hold = Table(
    "sweep_hold",
    metadata,
    Column("connector", Integer, ForeignKey("connector.id"), primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("row_id", Integer, primary_key=True, autoincrement=False),
)

state = Table(
    "state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

DATA_TABLES: tuple[Table, ...] = (
    *SOURCE_TABLES.values(), learner, identity_link, verdict, episode, dirty, warning, quarantine, outbox, told,
)  # fmt: skip
"""The tables to which a run without changes writes nothing."""

DEFERRED_INDEXES: tuple[Index, ...] = tuple(
    index for table in SOURCE_TABLES.values() for index in sorted(table.indexes, key=lambda index: str(index.name))
)
"""The secondary indexes of the source tables, made once the first load is in."""
