"""The tables of the store.

Three kinds. *Data tables* hold the careers record from each source, the learners merged from it, the verdicts and what
was sent; a run without changes writes nothing to them. *Ledger tables* say what each run did. *State tables* hold what
the next run needs.

Days are stored as ISO text (``2026-03-02``) and instants as UTC text (``2026-03-02T04:00:00Z``), in every database:
both sort correctly and mean the same everywhere.
"""

from __future__ import annotations

from typing import Any

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

from fingerpost._contract.messages import StreamName

metadata = MetaData()


def _required(kind: type[Any], *names: str) -> list[Column[Any]]:
    """Make columns that every row fills."""
    return [Column(name, kind, nullable=False) for name in names]


def _optional(kind: type[Any], *names: str) -> list[Column[Any]]:
    """Make columns that are null where nobody says anything."""
    return [Column(name, kind) for name in names]


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
        *_required(Text, "key", "part"),
        Column("row_hash", BigInteger, nullable=False),
        *_required(Integer, "first_run", "changed_run"),
        Column("deleted_run", Integer),
        *_optional(Text, "identity", "uln"),
        Column("learner_id", Integer),
        *columns,
        UniqueConstraint("connector", "key", name=f"uq_{name}_key"),
    )


connector = Table(
    "connector",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # Whose records it holds, for when it is no longer configured; null if it never ran with this known.
    Column("ukprn", Integer),
)

learner_fields = (
    "given_names", "family_name", "date_of_birth", "email", "ehc_plan", "looked_after", "care_leaver",
    "intended_destination", "intended_occupation", "soc_code",
    "page_token",
)  # fmt: skip
"""The fields of a learner that are merged from its source rows."""

_boolean_fields = {"ehc_plan", "looked_after", "care_leaver"}


def _learner_columns() -> list[Column[object]]:
    return [Column(name, Boolean if name in _boolean_fields else Text) for name in learner_fields]


source_learner = _source_table(
    "source_learner",
    *_learner_columns(),
    # What the provider called the learner before, and that provider if it was another.
    *_optional(Text, "previous_ref", "previous_ukprn"),
)

source_programme = _source_table(
    "source_programme",
    *_optional(Text, "academic_year", "code", "title", "level", "mode", "type", "area", "site"),
    Column("starts_on", Text, nullable=False),
    *_optional(Text, "planned_end", "actual_end", "status"),
    # The last day of an enrolment that its source no longer lists: it has ended, it is not untrue.
    Column("ended_on", Text),
)

source_assignment = _source_table(
    "source_assignment",
    *_optional(Text, "group", "tutor_name", "tutor_email"),
    Column("role", Text, nullable=False),
    *_optional(Text, "starts_on", "ends_on"),
    # The day on which we first saw this learner in this group, and the first day in the group: a new tutor restarts
    # nothing. `ended_on` is the last day once the source no longer lists it.
    *_optional(Text, "since", "joined_on", "ended_on"),
)

source_activity = _source_table(
    "source_activity",
    Column("subject", Text, nullable=False),
    *_optional(Text, "group", "programme"),
    Column("kind", Text, nullable=False),
    Column("title", Text),
    Column("starts_on", Text, nullable=False),
    Column("ends_on", Text),
    Column("hours", Float),
    Column("state", Text, nullable=False),
    Column("via_curriculum", Boolean),
    *_optional(Text, "mode", "organisation", "organisation_id", "provider_type", "sector", "size"),
    Column("meaningful", Boolean),
    # The elements of "meaningful" that were recorded, as a JSON object: most logs have none.
    Column("checklist", Text),
    Column("stem", Boolean),
    Column("adviser_level", Integer),
    *_optional(Text, "recorded_by", "event_key"),
)

source_destination = _source_table(
    "source_destination",
    Column("stage", Text, nullable=False),
    *_optional(Text, "type", "title", "starts_on", "ends_on", "collected_on"),
)

source_response = _source_table(
    "source_response",
    Column("response", Text, nullable=False),
    *_optional(Text, "until", "recorded_by"),
    # The run in which it was answered, as far as we know: the last one that changed the answer itself.
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
    *_optional(Text, "reference", "uln"),
    *_learner_columns(),
    *_required(Integer, "first_run", "changed_run"),
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
    *_required(Integer, "have", "need"),
    *_optional(Text, "due", "programme", "reason"),
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
    *_required(Text, "framework", "criterion", "period"),
    Column("number", Integer, nullable=False),
    # What is said of it: a changed hash is news about the same gap.
    *_required(Text, "content_hash", "opened_on"),
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
    *_required(Text, "same_as", "evidence"),
    Column("run", Integer, nullable=False),
)

# What a person decided about two identities: that they are one learner, or two.
identity_decision = Table(
    "identity_decision",
    metadata,
    Column("id", Integer, primary_key=True),
    # join or split
    *_required(Text, "decision", "identity", "other", "author", "reason", "made_at"),
)

warning = Table(
    "warning",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("connector", Integer, ForeignKey("connector.id"), nullable=False),
    *_required(Text, "stream", "key", "field", "code", "where"),
    Column("first_run", Integer, nullable=False),
    UniqueConstraint("connector", "stream", "key", "field", "code", "where", name="uq_warning"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("connector", Integer, ForeignKey("connector.id"), nullable=False),
    *_required(Text, "stream", "key", "part"),
    # The record before mapping, mapped columns only, as JSON: a corrected mapping can be tried on it.
    Column("raw", Text, nullable=False),
    Column("raw_hash", BigInteger, nullable=False),
    *_required(Text, "reason", "field", "where"),
    *_required(Integer, "first_run", "last_run"),
    Column("since", Text, nullable=False),
    UniqueConstraint("connector", "stream", "key", name="uq_quarantine"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    *_required(Text, "channel", "key", "item", "operation", "recipient"),
    # The ISO week it was planned for ("2026-W10"): at most one digest a week goes to a person.
    *_required(Text, "week", "subject", "message_id", "content_type"),
    # The frozen bytes; removed once delivered, the hash stays.
    Column("content", LargeBinary),
    Column("content_hash", Text, nullable=False),
    # pending, sending, sent, unknown, held, failed or expired
    Column("state", Text, nullable=False),
    *_required(Integer, "attempts", "planned_run"),
    Column("planned_at", Text, nullable=False),
    *_optional(Text, "attempted_at", "settled_at", "external_ref", "detail"),
    UniqueConstraint("channel", "key", name="uq_outbox_key"),
)
Index("ix_outbox_state", outbox.c.state)
Index("ix_outbox_recipient", outbox.c.channel, outbox.c.recipient, outbox.c.week)

told = Table(
    "told",
    metadata,
    Column("outbox_id", Integer, ForeignKey("outbox.id"), primary_key=True),
    Column("gap_key", Text, primary_key=True),
    *_required(Text, "content_hash", "change"),
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
    *_required(Text, "as_of", "version"),
    Column("summary", Text),
)

stream_run = Table(
    "stream_run",
    metadata,
    Column("run", Integer, ForeignKey("run.id"), primary_key=True),
    Column("connector", Integer, ForeignKey("connector.id"), primary_key=True),
    Column("stream", Text, primary_key=True),
    # reading, complete, unchanged, held, incomplete or failed
    Column("state", Text, nullable=False),
    *_required(Integer, "read", "new", "changed", "unchanged", "deleted", "rejected", "warnings", "skipped"),
    Column("message", Text),
)

stream_state = Table(
    "stream_state",
    metadata,
    Column("connector", Integer, ForeignKey("connector.id"), primary_key=True),
    Column("stream", Text, primary_key=True),
    # Validates the cursor and the digests: another fingerprint means a full read.
    Column("fingerprint", Text, nullable=False),
    *_optional(Text, "cursor", "digests", "complete_at", "full_at", "data_at"),
    # The academic year that the source's rows are known to be of: it turns some time after 1 August.
    Column("year", Text),
)

sweep_hold = Table(
    "sweep_hold",
    metadata,
    Column("connector", Integer, ForeignKey("connector.id"), primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("row_id", Integer, primary_key=True, autoincrement=False),
    # The row's last day if its removal is confirmed.
    Column("ended_on", Text),
)

state = Table("state", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

DATA_TABLES: tuple[Table, ...] = (
    *SOURCE_TABLES.values(), learner, identity_link, verdict, episode, dirty, warning, quarantine, outbox, told,
)  # fmt: skip
"""The tables to which a run without changes writes nothing."""

DEFERRED_INDEXES: tuple[Index, ...] = tuple(
    index for table in SOURCE_TABLES.values() for index in sorted(table.indexes, key=lambda index: str(index.name))
)
"""The secondary indexes of the source tables, made once the first load is in."""
