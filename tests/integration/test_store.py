"""The store on SQLite and on a real PostgreSQL: the same nights leave the same records in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from colleges import SmallCollege, usual_college

from fingerpost import LockHeld, StoreError
from fingerpost._store import Store, schema
from fingerpost._store.store import SCHEMA_REVISION

if TYPE_CHECKING:
    from pathlib import Path


def at(college: SmallCollege, address: Path | str) -> SmallCollege:
    """Put a college's store at an address."""
    college.tables["store"] = {"url": address} if isinstance(address, str) else {"path": str(address)}
    college.configure()
    return college


@pytest.fixture
def college(store_address: Path | str, tmp_path: Path) -> SmallCollege:
    return at(usual_college(tmp_path / "college"), store_address)


def test_a_night_and_the_next(college: SmallCollege) -> None:
    first = college.sync()
    assert first.exit_code == 0
    assert first.records["learners"] == 20
    assert first.digests.sent > 0
    before = college.snapshot()
    second = college.sync()
    assert [(one.new, one.changed, one.deleted) for one in second.streams] == [(0, 0, 0)] * len(second.streams)
    assert second.digests.planned == 0
    assert college.snapshot() == before


def test_both_databases_hold_the_same(tmp_path: Path, postgres: str) -> None:
    here = usual_college(tmp_path / "sqlite")
    here.sync()
    url = sa.make_url(postgres).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("twin"))
    there_url = url.set(drivername="postgresql").update_query_dict({"options": "-csearch_path=twin"})
    there = at(usual_college(tmp_path / "postgresql"), there_url.render_as_string(hide_password=False))
    there.sync()
    assert there.snapshot() == here.snapshot()
    with engine.begin() as connection:
        connection.execute(sa.schema.DropSchema("twin", cascade=True))
    engine.dispose()


def test_a_dry_run_leaves_nothing(college: SmallCollege) -> None:
    college.sync()
    before = college.snapshot()
    with college.open() as opened:
        report = opened.sync(dry_run=True, full=True)
    assert report.dry_run
    assert college.snapshot() == before


def test_only_one_run_at_a_time(college: SmallCollege) -> None:
    with college.open() as one, college.open() as other:
        with one.store.dialect.lock(), pytest.raises(LockHeld):
            other.sync()
        assert other.sync().exit_code == 0


def test_a_dead_run_reads_interrupted(college: SmallCollege) -> None:
    college.sync()
    with college.open() as opened, opened.store.writing() as connection:
        connection.execute(
            sa.insert(schema.run).values(
                started_at="2026-03-01T02:00:00Z", status="running", as_of="2026-03-01", version="0"
            )
        )
    assert college.sync().interrupted == [2]
    with college.open() as opened:
        assert [run.status for run in opened.status().runs] == ["succeeded", "interrupted", "succeeded"]


def test_the_migrations_make_what_the_code_expects(store_address: Path | str) -> None:
    store = Store.open(store_address)
    with store.writing() as connection:
        deferred = {index.name for index in schema.DEFERRED_INDEXES}
        assert differences(connection) == {("add_index", name) for name in deferred}
        store.ensure_indexes(connection)
        assert differences(connection) == set()
        store.ensure_indexes(connection)  # and again, as every night
    store.close()


def test_the_comparison_sees_a_missing_column(store_address: Path | str) -> None:
    store = Store.open(store_address)
    with store.writing() as connection:
        store.ensure_indexes(connection)
        connection.execute(sa.text("ALTER TABLE learner DROP COLUMN soc_code"))
        assert differences(connection) == {("add_column", "soc_code")}
    store.close()


def test_a_store_of_a_newer_release_is_refused(store_address: Path | str) -> None:
    store = Store.open(store_address)
    with store.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match=rf"newer release.*9999.*{SCHEMA_REVISION}"):
        Store.open(store_address)


def test_what_is_no_store_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("This is no database.\n" * 100, encoding="utf-8")
    with pytest.raises(StoreError, match=r"notes\.db cannot be used: file is not a database"):
        Store.open(path)


def differences(connection: sa.Connection) -> set[tuple[str, str | None]]:
    """Return how a database's schema differs from what the code expects."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found = set()
    for entry in compare_metadata(context, schema.metadata):
        change = entry if isinstance(entry, tuple) else entry[0]
        if change[0] == "remove_table" and change[1].name == "alembic_version":
            continue
        found.add((change[0], getattr(change[-1], "name", None)))
    return found
