"""What tutors answer in the ILP: as of when an answer counts, and which of several does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from colleges import usual_college
from mails import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from colleges import SmallCollege


def answered(college: SmallCollege, *answers: tuple[object, str], name: str = "answers.jsonl") -> None:
    """Have the tutors answer about L004; each answer has a key of its own."""
    lines: Iterable[dict[str, Any]] = (
        {"key": key, "record": {"learner_ref": "L004", "response": response}} for key, response in answers
    )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (college.folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    """Return a college whose tutors have heard of every gap, and have not answered yet."""
    made = usual_college(tmp_path, learners=4)
    made.keep = True
    made.connectors.append({"type": "jsonl", "name": "ilp", "path": "answers.jsonl", "streams": ["responses"]})
    answered(made)
    made.sync()
    listed(made)
    return made


def listed(college: SmallCollege) -> bool:
    """Say whether the newest digests list L004."""
    found = False
    for path in college.outbox:
        found = found or "L004" in text_of(path.read_bytes())
        path.unlink()
    return found


def week(college: SmallCollege) -> bool:
    """Go on by a week with news about others of both groups; say whether L004 is listed with them."""
    college.later(days=7)
    number = len(college.rows["mis"])
    for index in (0, 1):
        for name in ("mis", "courses", "tutors"):
            college.add(name, college.rows[name][index] | {"learner_ref": f"N{number}-{index}"})
    college.sync()
    return listed(college)


def something_changes(college: SmallCollege) -> None:
    college.amend("courses", "L004", planned_end_date="2026-06-26")


def respell(college: SmallCollege) -> None:
    """Change a setting, so that everything is read again."""
    college.source("ilp")["path"] = "./answers.jsonl"


def remap(college: SmallCollege) -> None:
    college.add_mapping("ours", 'schema_version = 1\nextends = "canonical-responses"\n')
    college.source("ilp")["mapping"] = {"responses": "ours"}


@pytest.mark.parametrize("change", [respell, remap])
def test_an_acknowledgement_does_not_become_new_with_the_settings(college: SmallCollege, change: Any) -> None:
    answered(college, ("R1", "acknowledged"))
    assert not week(college)
    something_changes(college)
    assert week(college)
    change(college)
    assert week(college)
    assert week(college)


def test_a_snooze_does_not_begin_again_with_the_settings(college: SmallCollege) -> None:
    answered(college, ("R1", "snoozed"))
    assert [week(college) for _ in range(4)] == [False, False, False, True]
    respell(college)
    assert week(college)


def test_a_snooze_that_a_wrong_clock_read_does_not_last_until_then(college: SmallCollege) -> None:
    answered(college, ("R1", "snoozed"))
    college.later(days=60)
    college.sync(deliver=False)
    college.later(days=-60)
    assert week(college)


def test_an_acknowledgement_holds_although_the_settings_change(college: SmallCollege) -> None:
    answered(college, ("R1", "acknowledged"))
    assert not week(college)
    respell(college)
    assert not week(college)


def test_who_answered_may_change_and_the_answer_is_no_newer(college: SmallCollege) -> None:
    answered(college, ("R1", "acknowledged"))
    week(college)
    something_changes(college)
    assert week(college)
    path = college.folder / "answers.jsonl"
    line = json.loads(path.read_text(encoding="utf-8"))
    line["record"]["recorded_by"] = "Somebody Else"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert week(college)


@pytest.mark.parametrize("between", [[("R1", "none")], []])
def test_an_answer_that_is_given_again_is_a_new_one(college: SmallCollege, between: list[tuple[object, str]]) -> None:
    answered(college, ("R1", "acknowledged"))
    assert not week(college)
    answered(college, *between)
    something_changes(college)
    assert week(college)
    answered(college, ("R1", "acknowledged"))
    assert not week(college)


@pytest.mark.parametrize(
    ("answers", "hushed"),
    [
        ([(9, "acknowledged"), (10, "none")], False),
        ([(10, "none"), (9, "acknowledged")], False),
        ([(9, "none"), (10, "acknowledged")], True),
        ([("R9", "acknowledged"), ("R10", "none")], False),
        ([("R10", "none"), ("R9", "acknowledged")], True),
        ([("9" * 5000, "none"), ("R9", "acknowledged")], True),
    ],
)
def test_of_answers_read_in_one_night_the_last_counts(
    college: SmallCollege, answers: list[tuple[object, str]], hushed: bool
) -> None:
    """The last by number, where the ILP numbers them; else as they come."""
    answered(college, *answers)
    assert week(college) != hushed


def test_an_answer_of_a_later_night_counts_whatever_its_number(college: SmallCollege) -> None:
    answered(college, (10, "acknowledged"))
    assert not week(college)
    answered(college, (10, "acknowledged"), (9, "none"))
    assert week(college)
