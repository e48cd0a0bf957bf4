"""Keys of several CSV columns whose parts hold the separator, over several nights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from colleges import SmallCollege, activity, stream

from fingerpost._store import schema

if TYPE_CHECKING:
    from pathlib import Path

TALKS = [activity("1", "L1", employer="p|q"), activity("q|1", "L1", employer="p"), activity("1", "L1", employer="r")]


@pytest.fixture(params=["append", "snapshot"])
def college(request: pytest.FixtureRequest, tmp_path: Path) -> SmallCollege:
    made = SmallCollege(tmp_path)
    made.add_csv("log", "activities", "careers-log", TALKS, key=["employer", "activity_id"], mode=request.param)
    return made


def live(college: SmallCollege) -> list[str]:
    return sorted(dict(row)["key"] for row in college.snapshot(live=True)["source_activity"])


def test_two_rows_whose_parts_join_alike_are_two_records(college: SmallCollege) -> None:
    assert stream(college.sync(), "log").new == 3
    assert live(college) == ["p\\|q|1", "p|q\\|1", "r|1"]
    before = college.snapshot()
    college.later()
    report = stream(college.sync(full=True), "log")
    assert (report.new, report.changed, report.deleted, report.unchanged) == (0, 0, 0, 3)
    assert college.snapshot() == before


def test_a_store_that_holds_the_former_key_holds_nothing_twice(college: SmallCollege) -> None:
    college.rows["log"] = TALKS[::2]
    college.write("log")
    college.sync()
    table = schema.source_activity
    with college.open() as opened, opened._opened.store.engine.begin() as connection:  # as an earlier release wrote it
        connection.execute(sa.update(table).where(table.c.key == "p\\|q|1").values(key="p|q|1"))
    assert live(college) == ["p|q|1", "r|1"]
    college.later()
    college.rows["log"] = TALKS
    college.write("log")
    report = stream(college.sync(), "log")
    assert (report.new, report.deleted) == (2, 1)
    assert "duplicate_key" not in {dict(row)["code"] for row in college.snapshot()["warning"]}
    assert live(college) == ["p\\|q|1", "p|q\\|1", "r|1"]
    college.later()
    report = stream(college.sync(full=True), "log")
    assert (report.new, report.changed, report.deleted) == (0, 0, 0)
