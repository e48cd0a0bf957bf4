"""The store is locked only while the host writes, and a run that lost its lock writes no more."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from colleges import SmallCollege, activity, play, stream
from databases import rows, with_driver

from fingerpost import Checkpoint, Record, StoreError
from fingerpost._store import schema
from fingerpost._words.days import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fingerpost import Context, Cursor, Message


def records(first: int, count: int) -> list[Message]:
    return [Record(f"k{number:05}", activity(f"k{number:05}", "L1")) for number in range(first, first + count)]


def scripted_college(folder: Path, address: Path | str, *steps: Message | Callable[[], object]) -> SmallCollege:
    college = SmallCollege(folder)
    college.keep = True
    college.tables["store"] = {"url": address} if isinstance(address, str) else {"path": str(address)}
    college.add_scripted("ilp", play(*steps))
    college.configure()
    return college


@pytest.mark.parametrize(
    "before",
    [[], records(0, 3), [*records(0, 3), Checkpoint()], [*records(0, 2_500), Checkpoint()]],
    ids=["nothing", "records", "a page", "a large page"],
)
def test_nobody_is_locked_out_while_a_source_waits(tmp_path: Path, before: list[Message]) -> None:
    waited = []

    def another_writes() -> None:
        connection = sqlite3.connect(tmp_path / "college" / "fingerpost.db", timeout=0)
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()
        connection.close()
        waited.append(True)

    def script(_cursor: Cursor | None, _context: Context) -> Iterator[Message]:
        time.sleep(0.05)  # as a network does
        yield from before
        another_writes()
        yield from records(90_000, 2)

    college = SmallCollege(tmp_path / "college")
    college.keep = True
    college.add_scripted("ilp", script)
    college.sync()
    assert waited == [True]
    assert (
        len(college.snapshot(live=True)["source_activity"]) == len([one for one in before if type(one) is Record]) + 2
    )


def test_a_postgresql_server_does_not_idle_in_a_transaction_while_a_source_waits(
    tmp_path: Path, postgres_schema: Callable[[], str]
) -> None:
    address = postgres_schema()
    states: list[list[str]] = []

    def look() -> None:
        query = "SELECT state FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        states.append([state for (state,) in rows(with_driver(address), query)])

    college = scripted_college(tmp_path, address, *records(0, 3), Checkpoint(), look, *records(3, 3))
    college.sync()
    assert states
    assert not [state for state in states[0] if state and "transaction" in state]


def test_a_run_that_lost_its_lock_stops_and_the_next_one_carries_on(
    tmp_path: Path, postgres_schema: Callable[[], str]
) -> None:
    """The server may end the backend that holds the lock while the run goes on; then another run may begin."""
    address = postgres_schema()
    other: list[int] = []

    def end_backend() -> None:
        holders = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        assert rows(with_driver(address), holders) == [(True,)]
        second = scripted_college(tmp_path, address, *records(0, 2))
        other.append(second.sync().exit_code)

    college = scripted_college(tmp_path, address, *records(0, 3), end_backend, *records(3, 3))
    with pytest.raises(StoreError, match="lost"):
        college.sync()
    assert other == [0]
    last = scripted_college(tmp_path, address, *records(0, 6))
    report = last.sync()
    assert (stream(report, "ilp").new, stream(report, "ilp").unchanged) == (4, 2)
    with last.open() as opened, opened._opened.store.reading() as connection:
        keys = list(connection.scalars(sa.select(schema.source_activity.c.key)))
    assert sorted(keys) == [f"k{number:05}" for number in range(6)]


def test_an_instant_is_spelt_in_utc_whatever_its_zone() -> None:
    noon = datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=1)))
    assert utc_text(noon) == "2026-07-01T11:00:00Z"
    assert utc_text(noon.astimezone(UTC)) == "2026-07-01T11:00:00Z"
    with pytest.raises(ValueError, match="time zone"):
        utc_text(datetime(2026, 7, 1, 12, 0))


def test_the_end_of_a_run_is_of_the_clock_that_was_handed_in(tmp_path: Path) -> None:
    college = scripted_college(tmp_path, tmp_path / "store.db", *records(0, 1))
    college.now = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
    college.sync()
    with college.open() as opened:
        (run,) = opened.status().runs
    assert run.finished_at == "2026-03-02T04:00:00Z"
