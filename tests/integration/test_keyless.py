"""Rejected records that show no key of their own: they are known again by what they say, not by where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from colleges import SmallCollege, activity, play, stream

from fingerpost import Checkpoint, Message, Record, Rejected

if TYPE_CHECKING:
    from pathlib import Path


def bad(who: str, place: int, **more: object) -> Rejected:
    raw = {"learner_ref": who, "activity_type": "Employer talk", **more}
    return Rejected("", "missing_key", f"page 1 record {place}", raw)


def good(key: str) -> Record:
    return Record(key, activity(key, "L1"))


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    made = SmallCollege(tmp_path)
    made.keep = True
    made.add_scripted("ilp", play())
    return made


def night(college: SmallCollege, *messages: Message) -> int:
    """Read these; return how many of them are news to IT."""
    college.scripts["ilp"] = play(*messages, Checkpoint())
    report = stream(college.sync(), "ilp")
    college.later()
    return report.newly_rejected


def waiting(college: SmallCollege) -> list[tuple[str, str]]:
    """Return whom the rejected records are about, and where they stand."""
    with college.open() as opened:
        found = opened.quarantine()
        return sorted((opened.show_quarantined(one.number).raw["learner_ref"], one.where) for one in found)


def test_a_bad_record_that_moves_is_no_news_and_its_new_place_is_told(college: SmallCollege) -> None:
    assert night(college, bad("LA", 1), good("a")) == 1
    assert night(college, good("b"), bad("LA", 2), good("a")) == 0
    assert waiting(college) == [("LA", "page 1 record 2")]


def test_the_same_night_again_writes_nothing(college: SmallCollege) -> None:
    night(college, bad("LA", 1), bad("LA", 2), good("a"))
    before = college.snapshot()
    assert night(college, bad("LA", 1), bad("LA", 2), good("a")) == 0
    assert college.snapshot() == before


def test_another_bad_record_in_the_same_place_is_another(college: SmallCollege) -> None:
    night(college, bad("LA", 1))
    assert night(college, bad("LB", 1)) == 1
    assert waiting(college) == [("LB", "page 1 record 1")]  # a whole read: the first is there no more


def test_an_incremental_read_keeps_those_of_earlier_nights(college: SmallCollege) -> None:
    college.source("ilp")["cursor"] = "integer"
    for number, who in enumerate(["LA", "LB", "LA"]):
        assert night(college, bad(who, 1), Checkpoint(number)) == (who not in ("LA", "LB")[:number])
    assert waiting(college) == [("LA", "page 1 record 1"), ("LB", "page 1 record 1")]


def test_records_that_say_the_same_are_counted(college: SmallCollege) -> None:
    assert night(college, bad("LA", 1), bad("LA", 2), bad("LB", 3)) == 3
    assert night(college, bad("LB", 1), bad("LA", 2), good("a")) == 0
    assert waiting(college) == [("LA", "page 1 record 2"), ("LB", "page 1 record 1")]
    assert night(college, bad("LB", 1), bad("LA", 2), bad("LA", 3)) == 1


def test_what_nobody_reads_makes_no_other_record(college: SmallCollege) -> None:
    assert night(college, bad("LA", 1, seen=17)) == 1
    assert night(college, bad("LA", 1, seen=18)) == 0


def test_no_key_shows_what_a_record_says(college: SmallCollege) -> None:
    night(college, bad("Zoe Example", 1), Rejected("Zoe Example", "ragged_row", "line 2"))
    keys = [dict(row)["key"] for row in college.snapshot()["quarantine"]]
    assert len(set(keys)) == 2
    assert all(key.startswith("#") for key in keys)
