"""List the learners who continue in last year's records of a source and are missing from this year's.

They may have left without anybody entering it, gone to another college, or finished a course whose result was never
entered. None of that is known, so nobody is said to have stayed; but somebody should look.
"""

from __future__ import annotations

import sqlalchemy as sa

from fingerpost._store import schema
from fingerpost._sync.history import parts_by_year
from fingerpost._sync.run import Run
from fingerpost._sync.set_aside import replace_warnings

MISSING = "missing_from_this_year"
"""The code under which they are listed, by their key in last year's records."""


def missing_sentence(connector: str, count: int) -> str:
    """Say how many they are, and what to do about them."""
    who, are, they = (
        ("1 learner continues", "is", "the learner counts")
        if count == 1
        else (f"{count:,} learners continue", "are", "they count")
    )
    return (
        f"{connector}: {who} in last year's records and {are} missing from this year's: {they} as having left. "
        "fingerpost status --data-quality lists them; pass the list on to the MIS team."
    )


def list_missing(run: Run) -> None:
    """List them, and count them in the report; those who have turned up since are no longer listed."""
    state, names = schema.stream_state, {number: name for name, number in run.connector_ids.items()}
    with run.unit.transaction() as connection:
        select = sa.select(state.c.connector, state.c.year)
        turned = select.where(state.c.stream == "programmes", state.c.year.is_not(None)).order_by(state.c.connector)
        found = {
            (number, key) for number, year in connection.execute(turned) for key in _missing(connection, number, year)
        }
        replace_warnings(run, "learners", "", MISSING, found)
    for number, name in sorted(names.items()):
        if count := sum(source == number for source, _ in found):
            run.report.say(missing_sentence(name, count))


def _missing(connection: sa.Connection, number: int, year: str) -> set[str]:
    """Return the keys of the learners whom one source lacks this year."""
    row, person = schema.source_programme.c, schema.source_learner.c
    parts = connection.scalars(sa.select(row.part).where(row.connector == number).distinct())
    years = parts_by_year(parts)
    earlier = max((one for one in years if one < year), default=None)
    if earlier is None or year not in years:
        return set()
    continues = sa.or_(row.status.is_(None), row.status == "continuing")
    gone = (
        sa.select(row.learner_id)
        .where(row.connector == number, row.part == years[earlier], row.deleted_run.is_(None))
        .where(row.ended_on.is_not(None), row.learner_id.is_not(None), continues)
    )
    goes_on = sa.and_(row.actual_end.is_(None), row.ended_on.is_(None), row.connector != number)
    this_year = sa.and_(row.part == years[year], row.connector == number)
    here = (
        sa.select(row.learner_id)
        .where(row.deleted_run.is_(None), row.learner_id.is_not(None))
        .where(sa.or_(goes_on, this_year))
    )
    keys = (
        sa.select(sa.func.min(person.key))
        .where(person.connector == number, person.part == years[earlier], person.deleted_run.is_(None))
        .where(person.learner_id.in_(gone), person.learner_id.not_in(here))
        .group_by(person.learner_id)
    )
    return set(connection.scalars(keys))
