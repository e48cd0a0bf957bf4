"""People whose address is refused, or has changed: who is told instead, and that nobody is told twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from colleges import usual_college
from mailboxes import by_smtp, mailbox
from mails import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from colleges import SmallCollege
    from mailboxes import Mailbox

LEADER = "careers@example.ac.uk"
HELEN, IVO = "helen.hale@example.ac.uk", "ivo.inch@example.ac.uk"
GONE = "550 5.1.1 no such user"


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    """Return a college of six learners: Helen Hale has the odd ones, Ivo Inch the even ones."""
    made = usual_college(tmp_path, learners=6)
    made.amend("tutors", "L001", "L003", "L005", tutor_name="Helen Hale", tutor_email=HELEN)
    made.amend("tutors", "L002", "L004", "L006", tutor_name="Ivo Inch", tutor_email=IVO)
    return made


@pytest.fixture
def box(college: SmallCollege) -> Iterator[Mailbox]:
    with mailbox() as (made, port):
        by_smtp(college, port)
        yield made


def arrived(box: Mailbox) -> dict[str, str]:
    """Return what arrived since this was last asked, by recipient."""
    found = {who: text_of(content) for who, content in box.taken}
    assert len(found) == len(box.taken), "at most one message to a person"
    box.taken.clear()
    return found


def learners(text: str) -> set[str]:
    return set(re.findall(r"\bL\d{3}\b", text))


def joins(college: SmallCollege, ref: str) -> None:
    """Let a learner join L004's group."""
    for name in ("mis", "courses", "tutors"):
        college.add(name, college.rows[name][3] | {"learner_ref": ref})


def todo(college: SmallCollege) -> str:
    with college.open() as opened:
        return "\n".join(opened.status().todo)


# An address that is refused


def test_the_careers_leader_is_told_from_the_week_after_and_nothing_twice(college: SmallCollege, box: Mailbox) -> None:
    box.refuses[IVO] = GONE
    college.sync()
    assert set(arrived(box)) == {HELEN}
    assert "Ivo Inch" in todo(college)

    college.later(days=1)
    assert college.sync().exit_code == 0
    assert arrived(box) == {}, "the same week waits"
    assert "Ivo Inch" in todo(college), "but it is not forgotten"
    assert "Helen" not in todo(college)

    college.later(days=6)
    college.sync()
    letters = arrived(box)
    assert set(letters) == {LEADER}
    said = " ".join(letters[LEADER].split())
    assert f"The tutor Ivo Inch cannot be reached at {IVO}" in said
    assert "learners with no tutor who can be reached need something" in said
    assert "(G1, tutor Ivo Inch cannot be reached, ref. L002)" in said
    assert learners(said) == {"L002", "L004", "L006"}
    assert box.asked.count(IVO) == 2, "the address is tried once a week"

    college.later(days=7)
    college.sync()
    assert arrived(box) == {}, "there is no news for the careers leader"
    assert "Ivo Inch" in todo(college)


def test_learners_without_a_tutor_and_those_of_one_who_left_come_in_one_message(
    college: SmallCollege, box: Mailbox
) -> None:
    box.refuses[IVO] = GONE
    college.sync()
    arrived(box)
    college.drop("tutors", "L001")
    college.later(days=7)
    college.sync()
    text = arrived(box)[LEADER]
    assert learners(text) == {"L001", "L002", "L004", "L006"}
    assert "(ref. L001)" in text
    assert "tutor Ivo Inch cannot be reached, ref. L004)" in text
    assert "Helen" not in text


def test_a_second_tutor_who_can_be_reached_is_enough(college: SmallCollege, box: Mailbox) -> None:
    college.tables["precedence"] = {"tutor": ["tutors"]}
    college.source("tutors")["key"] = ["learner_ref", "tutor_email"]
    college.add("tutors", *(row | {"tutor_name": "Helen Hale", "tutor_email": HELEN}
                            for row in college.rows["tutors"] if row["tutor_email"] == IVO))  # fmt: skip
    box.refuses[IVO] = GONE
    college.sync()
    arrived(box)
    college.later(days=7)
    college.sync()
    assert LEADER not in arrived(box)
    assert "Ivo Inch" in todo(college)


@pytest.mark.parametrize("how", ["another address", "another tutor", "the mailbox is back"])
def test_what_puts_it_right_gives_the_learners_back(how: str, college: SmallCollege, box: Mailbox) -> None:
    box.refuses[IVO] = GONE
    college.sync()
    college.later(days=7)
    college.sync()
    assert learners(arrived(box)[LEADER]) == {"L002", "L004", "L006"}

    college.later(days=7)
    theirs = ("L002", "L004", "L006")
    if how == "another address":
        college.amend("tutors", *theirs, tutor_email="ivo.inch2@example.ac.uk")
    elif how == "another tutor":
        college.amend("tutors", *theirs, tutor_name="Jo Judd", tutor_email="jo.judd@example.ac.uk")
    else:
        box.refuses.clear()
    college.sync()
    ((who, text),) = arrived(box).items()
    assert who == {"another address": "ivo.inch2@example.ac.uk", "another tutor": "jo.judd@example.ac.uk"}.get(how, IVO)
    assert learners(text) == set(theirs)
    assert todo(college) == ""

    joins(college, "L008")
    college.later(days=1)
    college.sync()
    assert arrived(box) == {}, "the careers leader is not told what the tutor will be"
    college.later(days=6)
    college.sync()
    assert set(arrived(box)) == {who}


def test_a_refused_careers_leader_is_named_too(college: SmallCollege, box: Mailbox) -> None:
    college.drop("tutors", "L001")
    box.refuses[LEADER] = box.refuses[IVO] = GONE
    for _ in range(2):
        college.sync()
        assert set(arrived(box)) <= {HELEN}
        assert "Careers leader cannot be reached" in todo(college)
        assert "Ivo Inch cannot be reached" in todo(college)
        college.later(days=7)


# An address that has changed


def married(college: SmallCollege, *refs: str, email: str = "ivo.ivory@example.ac.uk") -> str:
    """Let Ivo Inch, or some of his rows, have another surname and address; return that."""
    college.amend("tutors", *(refs or ("L002", "L004", "L006")), tutor_name="Ivo Ivory", tutor_email=email)
    return email


def test_who_has_a_new_address_is_told_nothing_anew(college: SmallCollege, box: Mailbox) -> None:
    college.sync()
    arrived(box)
    college.later(days=2)
    now = married(college)
    college.tables["alerts"]["same_person"] = {"Ivo.Inch@Example.ac.uk": now}
    joins(college, "L008")
    report = college.sync()
    assert (report.digests.planned, report.exit_code) == (0, 0)
    assert arrived(box) == {}, "this week is served"

    college.later(days=5)
    college.sync()
    text = arrived(box)[now]
    assert text.count("* New:") == text.count("* Still open:") / 3 > 0, "what was told is no news"
    college.later(days=7)
    college.sync()
    assert arrived(box) == {}

    college.add("careers-log", *(row | {"activity_id": "new", "date": "2026-03-05"} for row in
                                 college.rows["careers-log"] if row["activity_id"] == "L001-3"
                                 for row in [row | {"learner_ref": "L002"}]))  # fmt: skip
    college.later(days=7)
    college.sync()
    text = arrived(box)[now]
    assert "* Done:" in text, "what was told as missing, at the old address, is settled at the new one"
    assert "* Still open:" in text
    assert "* New:" not in text


def test_addresses_may_change_more_than_once_and_half_the_source_may_lag_behind(
    college: SmallCollege, box: Mailbox
) -> None:
    college.sync()
    arrived(box)
    college.later(days=7)
    last = married(college, "L002", email="ivo@example.ac.uk")
    college.tables["alerts"]["same_person"] = {IVO: "ivo.ivory@example.ac.uk", "ivo.ivory@example.ac.uk": last}
    joins(college, "L008")
    college.sync()
    ((who, text),) = arrived(box).items()
    assert who == last
    assert learners(text) == {"L002", "L004", "L006", "L008"}
    assert text.count("* New:") == text.count("* Still open:") / 3 > 0, "only L008 is new"


def test_a_refused_address_that_is_corrected_gets_its_digest_in_the_same_week(
    college: SmallCollege, box: Mailbox
) -> None:
    box.refuses[IVO] = GONE
    college.sync()
    arrived(box)
    college.later(days=1)
    now = married(college)
    college.tables["alerts"]["same_person"] = {IVO: now}
    college.sync()
    assert set(arrived(box)) == {now}
    assert todo(college) == ""


def test_a_likely_change_of_surname_is_asked_about_and_waits_for_the_week(college: SmallCollege, box: Mailbox) -> None:
    college.sync()
    arrived(box)
    college.later(days=1)
    now = married(college)
    for _ in range(2):
        report = college.sync()
        assert (report.digests.planned, report.exit_code) == (0, 0)
        assert any("new address" in message and "@" not in message for message in report.messages)
        assert arrived(box) == {}
        assert f'same_person = {{ "{IVO}" = "{now}" }}' in todo(college)
        college.later(days=1)

    college.later(days=5)
    report = college.sync()
    assert report.messages == []
    text = arrived(box)[now]
    assert "* New:" in text, "nobody said that they are one person"
    assert "* Still open:" not in text
    assert todo(college) == ""


@pytest.mark.parametrize(
    ("refs", "name", "email"),
    [
        (("L002", "L004", "L006"), "Jo Inch", "jo.inch@example.ac.uk"),
        (("L002", "L004", "L006"), "Jo Inch", "ivo.inch2@example.ac.uk"),
        (("L002", "L004", "L006"), "Ivo Ivory", "iivory@example.ac.uk"),
        (("L002", "L004"), "Ivo Ivory", "ivo.ivory@example.ac.uk"),
    ],
    ids=["another given name", "another person's name", "no given name in the address", "one learner fewer"],
)
def test_a_newcomer_who_is_not_likely_to_be_the_same_is_told_at_once(
    refs: tuple[str, ...], name: str, email: str, college: SmallCollege, box: Mailbox
) -> None:
    college.sync()
    arrived(box)
    college.later(days=1)
    college.amend("tutors", "L006", tutor_name="Helen Hale", tutor_email=HELEN)
    college.amend("tutors", *refs, tutor_name=name, tutor_email=email)
    assert college.sync().messages == []
    assert set(arrived(box)) == {email}
    assert todo(college) == ""


def test_who_was_written_to_before_is_no_newcomer(college: SmallCollege, box: Mailbox) -> None:
    college.amend("tutors", "L001", "L003", "L005", tutor_name="Ivo Ivory", tutor_email="ivo.ivory@example.ac.uk")
    college.sync()
    arrived(box)
    college.later(days=1)
    married(college)
    assert college.sync().messages == []
    assert arrived(box) == {}
    assert todo(college) == ""
