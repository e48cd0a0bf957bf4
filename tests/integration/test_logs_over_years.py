"""Careers logs over the years: one numbering for good, a log that begins anew, and a numbering for each file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from colleges import SmallCollege, activity, stream

from fingerpost import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from colleges import Row

LAST = [activity(str(number), f"L{number % 4}", "Employer talk", f"2024-11-{number:02d}", employer=f"Bakery {number}")
        for number in range(1, 13)]  # fmt: skip
THIS = [activity(str(number), f"L{(number + 1) % 4}", "Careers interview", f"2026-01-{number:02d}")
        for number in range(1, 13)]  # fmt: skip


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    made = SmallCollege(tmp_path)
    refs = [{"learner_ref": f"L{number}"} for number in range(4)]
    made.add_csv("mis", "learners", "learners", refs)
    made.connectors.append(
        {"type": "csv", "name": "log", "stream": "activities", "path": "data/log*.csv", "mapping": "careers-log"}
    )
    return made


def put(college: SmallCollege, name: str, rows: list[Row]) -> None:
    college.put(name, rows)


def keys(college: SmallCollege) -> list[str]:
    return sorted(dict(row)["key"] for row in college.snapshot(live=True)["source_activity"])


def days(college: SmallCollege) -> list[str]:
    return sorted(dict(row)["starts_on"] for row in college.snapshot(live=True)["source_activity"])


def both(*logs: list[Row]) -> list[str]:
    return sorted(row["date"] for rows in logs for row in rows)


def codes(college: SmallCollege) -> set[str]:
    return {dict(row)["code"] for row in college.snapshot()["warning"]}


# -- files that number alike -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_files_that_number_alike_are_refused_by_name_and_lose_nothing(college: SmallCollege, mode: str) -> None:
    college.source("log")["mode"] = mode
    put(college, "log-2425", LAST)
    assert stream(college.sync(), "log").new == 12
    before = college.snapshot()
    put(college, "log-2526", THIS)
    report = college.sync()
    said = stream(report, "log").message or ""
    assert report.exit_code == 3
    assert all(
        part in said for part in ("log-2526.csv", "log-2425.csv", 'holds = "year_a_file"', 'holds = "all_years"')
    )
    assert "Bakery" not in said
    assert college.snapshot() == before
    with college.open() as opened:
        findings = [one for made in opened.check().connectors if made.name == "log" for one in made.findings]
    (error,) = [one for one in findings if one.level == "error"]
    assert "log-2526.csv and log-2425.csv" in error.message
    assert "year_a_file" in error.hint


@pytest.mark.parametrize(
    "newer",
    [
        [*LAST, activity("13", "L1", day="2025-01-20")],
        [row | {"hours": "2"} for row in LAST],
        [row | {"date": "2025-05-05", "employer": "Garage", "hours": "3"} for row in LAST[:5]],
        [row | {"date": "2025-05-05", "employer": "Garage"} if int(row["activity_id"]) < 9 else row for row in LAST],
        [row | {"activity_id": str(100 + int(row["activity_id"]))} for row in THIS],
    ],
    ids=["goes on", "one value corrected", "a few reused", "many corrected, some repeated", "other numbers"],
)
def test_a_later_export_of_one_numbering_is_read_as_before(college: SmallCollege, newer: list[Row]) -> None:
    put(college, "log-2425", LAST)
    put(college, "log-2526", newer)
    report = college.sync()
    assert report.exit_code == 0
    assert stream(report, "log").new == len({row["activity_id"] for row in [*LAST, *newer]})


def test_all_years_says_that_the_newest_file_counts(college: SmallCollege) -> None:
    college.source("log")["holds"] = "all_years"
    put(college, "log-2425", LAST)
    put(college, "log-2526", THIS)
    assert stream(college.sync(), "log").new == 12
    assert days(college) == both(THIS)
    assert "duplicate_key" in codes(college)


# -- a numbering for each file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_a_year_a_file_keeps_both_apart(college: SmallCollege, mode: str) -> None:
    college.source("log").update(mode=mode, holds="year_a_file")
    put(college, "log-2425", LAST)
    put(college, "log-2526", THIS)
    assert stream(college.sync(), "log").new == 24
    assert keys(college)[0] == "log-2425.csv/1"
    assert days(college) == both(LAST, THIS)
    assert "duplicate_key" not in codes(college)
    before = college.snapshot()
    again = stream(college.sync(full=True), "log")
    assert (again.new, again.changed, again.deleted) == (0, 0, 0)
    assert college.snapshot() == before
    put(college, "log-2526", THIS[1:])
    assert stream(college.sync(), "log").deleted == (1 if mode == "snapshot" else 0)
    (college.folder / "data" / "log-2425.csv").unlink()  # last year's file may go
    assert stream(college.sync(), "log").deleted == 0
    assert set(both(LAST)) <= set(days(college))


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_setting_it_later_leaves_no_record_twice(college: SmallCollege, mode: str) -> None:
    college.source("log")["mode"] = mode
    put(college, "log-2425", LAST)
    college.sync()
    put(college, "log-2526", THIS)
    college.sync()
    college.source("log")["holds"] = "year_a_file"
    report = college.sync()
    assert report.exit_code == 0
    assert (stream(report, "log").new, stream(report, "log").deleted) == (24, 12)
    assert days(college) == both(LAST, THIS)


def test_setting_it_after_a_few_numbers_were_taken_for_reused_leaves_no_record_twice(college: SmallCollege) -> None:
    put(college, "log-2425", LAST)
    college.sync()
    put(college, "log-2526", THIS[:3])
    college.sync()
    assert "key_reused" in codes(college)
    assert days(college) == both(LAST, THIS[:3])
    college.source("log")["holds"] = "year_a_file"
    put(college, "log-2526", THIS)
    college.sync()
    assert days(college) == both(LAST, THIS)
    assert all(key.startswith("log-2") for key in keys(college))


def test_what_a_file_held_that_has_gone_since_stays_when_it_is_set_later(college: SmallCollege) -> None:
    older = [activity(str(number), "L3", "Work experience", f"2023-10-{number:02d}") for number in range(1, 8)]
    put(college, "log", older)
    college.sync()
    (college.folder / "data" / "log.csv").unlink()
    college.source("log")["holds"] = "year_a_file"
    put(college, "log-2425", LAST)
    put(college, "log-2526", THIS)
    college.sync()
    assert days(college) == both(older, LAST, THIS)


@pytest.mark.parametrize("moved", ["export", "archive/export"])
def test_the_folders_that_path_spells_out_are_no_part_of_a_key(college: SmallCollege, moved: str) -> None:
    college.source("log").update(holds="year_a_file", path="data/**/log.csv")
    for year, rows in (("2024-25", LAST), ("2025-26", THIS)):
        put(college, "log", rows)
        (college.folder / "data" / year).mkdir()
        (college.folder / "data" / "log.csv").rename(college.folder / "data" / year / "log.csv")
    college.sync()
    assert {key.rpartition("/")[0] for key in keys(college)} == {"2024-25/log.csv", "2025-26/log.csv"}
    (college.folder / moved).parent.mkdir(exist_ok=True)
    (college.folder / "data").rename(college.folder / moved)
    college.source("log")["path"] = f"{moved}/**/log.csv"
    college.connectors = [one for one in college.connectors if one["name"] == "log"]
    assert stream(college.sync(), "log").new == 0


# -- a log that begins anew each year ----------------------------------------------------------------------------------


def night(college: SmallCollege, rows: list[Row], day: str | None = None) -> Any:
    if day is not None:
        college.tables["college"]["as_of"] = day
    put(college, "log", rows)
    return stream(college.sync(), "log")


@pytest.mark.parametrize(
    "renumbered", [lambda row: row, lambda row: row | {"activity_id": f"N{row['activity_id']}"}], ids=["alike", "other"]
)
@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_what_earlier_years_held_stays_when_the_log_begins_anew(
    college: SmallCollege, mode: str, renumbered: Any
) -> None:
    college.source("log").update(mode=mode, holds="this_year")
    this = [renumbered(row) for row in THIS]
    night(college, LAST, "2025-06-30")
    night(college, this, "2026-02-02")
    assert days(college) == both(LAST, THIS)
    assert "key_reused" not in codes(college)
    before = college.snapshot()
    report = stream(college.sync(full=True), "log")
    assert (report.state, report.new, report.changed, report.deleted) == ("complete", 0, 0, 0)
    assert college.snapshot() == before
    assert night(college, this[2:]).deleted == (2 if mode == "snapshot" else 0)


def test_the_same_interview_a_year_later_under_the_same_number_is_another_one(college: SmallCollege) -> None:
    college.source("log")["holds"] = "this_year"
    night(college, [activity("1", "L1", "Careers interview", "2024-11-05")], "2025-06-30")
    night(college, [activity("1", "L1", "Careers interview", "2025-11-05")], "2026-02-02")
    assert days(college) == ["2024-11-05", "2025-11-05"]


def test_a_record_that_is_moved_to_another_day_of_its_year_is_corrected(college: SmallCollege) -> None:
    college.source("log").update(holds="this_year", mode="snapshot")
    night(college, [activity("1", "L1", "Careers interview", "2025-11-05")], "2026-02-02")
    night(college, [activity("1", "L2", "Careers interview", "2025-11-06")])
    assert days(college) == ["2025-11-06"]


def test_next_year_s_log_before_the_first_of_august_removes_nothing_of_this_year(college: SmallCollege) -> None:
    college.source("log").update(holds="this_year", mode="snapshot")
    night(college, LAST[:4], "2025-07-20")
    assert night(college, [activity("90", "L1", "Employer talk", "2025-09-10", employer="Garage")]).deleted == 0
    assert len(days(college)) == 5


def test_an_empty_export_of_a_log_that_begins_anew_is_held_while_the_year_has_records(college: SmallCollege) -> None:
    college.source("log").update(holds="this_year", mode="snapshot")
    night(college, THIS, "2026-02-02")
    put(college, "log", [])
    college.write("log", header=["activity_id", "learner_ref", "activity_type", "date", "hours", "employer", "notes"])
    report = stream(college.sync(), "log")
    assert report.state == "held"
    assert days(college) == both(THIS)


# -- the setting -------------------------------------------------------------------------------------------------------


def test_only_a_log_of_activities_has_it(college: SmallCollege) -> None:
    college.source("mis")["holds"] = "this_year"
    with pytest.raises(ConfigError, match="'mis': has holds, which is only for activities"):
        college.sync()


def test_check_suggests_it_for_a_snapshot(college: SmallCollege) -> None:
    college.source("log")["mode"] = "snapshot"
    put(college, "log", LAST)

    def hints() -> list[str]:
        with college.open() as opened:
            found = opened.check().connectors
        return [one.hint for made in found if made.name == "log" for one in made.findings if "holds" in one.hint]

    assert ["this_year" in hint for hint in hints()] == [True]
    college.source("log")["holds"] = "this_year"
    assert hints() == []
