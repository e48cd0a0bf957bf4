"""Who is told what, and when: at most once a week, only news, the right person, nothing twice."""

from __future__ import annotations

import email
import email.policy
import random
import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from colleges import activity, dump, usual_college
from mails import text_of

import fingerpost_mappings
from fingerpost._store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from colleges import Row, SmallCollege

    from fingerpost import College
    from fingerpost.reports import RunReport

NEED = {"2.1": 1, "5.1": 2, "6.1": 1, "7.1": 2, "8.1": 1}
"""The criteria that these colleges feed, and so the only ones that anybody may be told of."""

KINDS = ("LMI session", "Employer talk", "Work experience", "Careers interview", "University visit", "College visit")


def sentences() -> dict[str, tuple[str, int]]:
    """Return what each sentence of a digest is about, and how much of it there is, in the framework's own words."""
    file = Path(fingerpost_mappings.__file__).parent / "frameworks" / "gatsby-colleges-2025.toml"
    found = {}
    for criterion in tomllib.loads(file.read_text(encoding="utf-8"))["criterion"]:
        if need := NEED.get(criterion["id"]):
            words = criterion["words"]
            found[words["done"]] = criterion["id"], 0
            for have in range(need):
                text = words["needs"] if have else words.get("needs_none", words["needs"])
                found[text.format(have=have, need=need)] = criterion["id"], have
    return found


SENTENCES = sentences()


@dataclass
class Letter:
    """What one message says: by learner, criterion and how much of it there is, how it is marked."""

    to: str
    text: str
    lines: dict[tuple[str, str, int], str] = field(default_factory=dict)

    @property
    def learners(self) -> set[str]:
        return {learner for learner, _, _ in self.lines}

    def marked(self, mark: str) -> set[tuple[str, str]]:
        return {(learner, criterion) for (learner, criterion, _), said in self.lines.items() if said == mark}


def read(content: bytes) -> Letter:
    mail = email.message_from_bytes(content, policy=email.policy.default)
    text = text_of(content)
    letter, learner = Letter(mail["To"].addresses[0].addr_spec, text), ""
    for line in text.splitlines():
        if heading := re.fullmatch(r".* \(.*ref\. (\w+)\)", line):
            learner = heading[1]
        elif item := re.fullmatch(r"  \* ([A-Z][a-z ]+): (.*)", line):
            key = (learner, *SENTENCES[item[2]])
            assert key not in letter.lines, "said twice"
            letter.lines[key] = item[1]
    return letter


class Post:
    """Everything that comes out of a college's folder, read as it comes."""

    def __init__(self, college: SmallCollege) -> None:
        self.college = college
        self._seen: set[str] = set()

    def sync(self, *, exit_code: int = 0) -> dict[str, Letter]:
        """Run once; return the new messages by recipient, of which each got one at most."""
        assert self.college.sync().exit_code == exit_code
        return self.collect()

    def collect(self) -> dict[str, Letter]:
        found: dict[str, Letter] = {}
        for path in self.college.outbox:
            if path.name not in self._seen:
                self._seen.add(path.name)
                letter = read(path.read_bytes())
                assert letter.to not in found
                found[letter.to.partition("@")[0]] = letter
        return found


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    """Six learners of two tutors: L001, L003 and L005 lack 2.1, 6.1 and 7.1; the others 5.1 and 8.1, too."""
    return usual_college(tmp_path, learners=6)


@pytest.fixture
def post(college: SmallCollege) -> Post:
    return Post(college)


def guidance(learner: str, day: str = "2026-02-20") -> Row:
    return activity(f"{learner}-guidance", learner, "Careers interview", day)


def everything(learner: str) -> list[Row]:
    """Return what settles all that a learner may lack."""
    return [activity(f"{learner}-{kind}", learner, kind, f"2026-02-{day}") for day, kind in enumerate(KINDS, start=10)]


# When


def test_the_first_digest_lists_all_that_is_missing_as_new(post: Post) -> None:
    letters = post.sync()
    assert set(letters) == {"tutor0", "tutor1"}
    assert letters["tutor0"].learners == {"L001", "L003", "L005"}
    assert letters["tutor1"].lines == {
        (learner, criterion, have): "New"
        for learner in ("L002", "L004", "L006")
        for criterion, have in (("2.1", 0), ("5.1", 1), ("6.1", 0), ("7.1", 0), ("8.1", 0))
    }


def test_news_waits_for_the_next_week(college: SmallCollege, post: Post) -> None:
    assert len(post.sync()) == 2
    college.later()
    college.add("careers-log", guidance("L002"))
    for _ in range(6):
        assert post.sync() == {}
        college.later()
    letters = post.sync()
    assert set(letters) == {"tutor1"}
    assert letters["tutor1"].marked("Done") == {("L002", "8.1")}


def test_without_news_there_is_no_message(college: SmallCollege, post: Post) -> None:
    post.sync()
    for _ in range(3):
        college.later(days=7)
        assert post.sync() == {}


@pytest.mark.parametrize(("weekday", "first"), [("monday", 0), ("wednesday", 2), ("friday", 4)])
def test_a_week_s_digest_goes_out_from_its_weekday_on(
    college: SmallCollege, post: Post, weekday: str, first: int
) -> None:
    college.tables["alerts"]["weekday"] = weekday
    went = []
    for day in range(7):
        if post.sync():
            went.append(day)
        college.later()
    assert went == [first]


def test_a_week_whose_day_was_missed_is_not_lost(college: SmallCollege, post: Post) -> None:
    college.later(days=5)  # the first run is on a Saturday
    assert len(post.sync()) == 2
    college.later(days=2)
    college.add("careers-log", guidance("L002"))
    assert set(post.sync()) == {"tutor1"}, "Monday is another week"


# What


def test_a_gap_that_changed_is_told_as_changed(college: SmallCollege, post: Post) -> None:
    post.sync()
    college.add("careers-log", activity("uni", "L001", "University visit", "2026-03-03"))
    college.later(days=7)
    letters = post.sync()
    assert set(letters) == {"tutor0"}
    assert letters["tutor0"].marked("Changed") == {("L001", "7.1")}
    assert ("L001", "7.1", 1) in letters["tutor0"].lines
    assert letters["tutor0"].marked("New") == set()
    assert letters["tutor0"].marked("Still open") >= {("L001", "6.1"), ("L003", "7.1")}
    college.later(days=7)
    assert post.sync() == {}


def test_what_is_settled_is_told_once(college: SmallCollege, post: Post) -> None:
    post.sync()
    college.add("careers-log", guidance("L002"))
    college.later(days=7)
    assert post.sync()["tutor1"].marked("Done") == {("L002", "8.1")}
    college.later(days=7)
    college.add("careers-log", guidance("L004"))
    assert post.sync()["tutor1"].marked("Done") == {("L004", "8.1")}
    college.later(days=7)
    assert post.sync() == {}


def test_what_was_never_told_as_missing_is_never_told_as_done(college: SmallCollege, post: Post) -> None:
    college.source("careers-log")["mode"] = "snapshot"
    post.sync()
    log = college.rows["careers-log"]
    interview = next(row for row in log if row["activity_id"] == "L001-3")
    log.remove(interview)
    college.write("careers-log")
    college.later()
    assert post.sync() == {}
    with college.open() as opened:
        assert ("L001", "8.1") in {(gap.learner, gap.criterion) for gap in opened.gaps().gaps}
    college.add("careers-log", interview)
    college.later()
    assert post.sync() == {}
    college.later(days=5)
    assert post.sync() == {}, "it opened and closed between two digests"


def test_a_gap_that_opens_again_is_new_again(college: SmallCollege, post: Post) -> None:
    college.source("careers-log")["mode"] = "snapshot"
    post.sync()
    college.add("careers-log", guidance("L002"))
    college.later(days=7)
    assert post.sync()["tutor1"].marked("Done") == {("L002", "8.1")}
    college.rows["careers-log"].pop()
    college.write("careers-log")
    college.later(days=7)
    assert post.sync()["tutor1"].marked("New") == {("L002", "8.1")}


def test_a_message_of_good_news_only_goes_once(college: SmallCollege, post: Post) -> None:
    college.amend("tutors", "L002", tutor_group="G9", tutor_email="tutor9@example.ac.uk")
    assert set(post.sync()) == {"tutor0", "tutor1", "tutor9"}
    college.add("careers-log", *everything("L002"))
    college.later(days=7)
    letter = post.sync()["tutor9"]
    assert letter.lines == {("L002", criterion, 0): "Done" for criterion in NEED}
    assert "Nothing is asked of you this time." in letter.text
    college.later(days=7)
    assert post.sync() == {}


def test_who_left_is_never_told_as_done(college: SmallCollege, post: Post) -> None:
    post.sync()
    college.amend("courses", "L002", status="Withdrawn", actual_end_date="2026-03-04")
    college.drop("mis", "L004")
    college.later(days=7)
    assert post.sync() == {}
    college.add("careers-log", guidance("L006"))
    college.later(days=7)
    letter = post.sync()["tutor1"]
    assert letter.learners == {"L006"}
    assert "1 of your 1 learner" in letter.text or "Your learner" in letter.text


def test_a_year_that_is_over_is_never_told_as_done(tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=6, now=datetime(2026, 7, 27, 4, tzinfo=UTC))
    college.amend("courses", planned_end_date="2027-07-09")
    post = Post(college)
    assert post.sync()["tutor1"].marked("New") >= {("L002", "5.1")}
    college.later(days=7)
    assert post.sync() == {}
    with college.open() as opened:
        assert not [gap for gap in opened.gaps().gaps if gap.criterion == "5.1" and gap.period == "2025/26"]


def test_what_nobody_records_is_never_told(college: SmallCollege, post: Post) -> None:
    college.source("careers-log")["feeds"] = ["guidance_meeting"]
    letters = post.sync()
    assert set(letters) == {"tutor1"}
    assert {criterion for _, criterion, _ in letters["tutor1"].lines} == {"8.1"}


def test_a_stale_source_opens_and_closes_nothing(college: SmallCollege, post: Post) -> None:
    college.source("careers-log")["fresh_for"] = 3.0
    post.sync()
    college.later(days=7)  # nobody wrote the log for a week
    assert post.sync(exit_code=3) == {}
    with college.open() as opened:
        assert not opened.gaps().gaps
    college.later(days=7)
    college.write("careers-log")
    assert post.sync() == {}, "the same gaps, once it is fresh again, are no news"
    with college.open() as opened:
        assert opened.gaps().gaps


def test_a_digest_names_the_source_that_is_out_of_date(college: SmallCollege, post: Post) -> None:
    college.source("tutors")["fresh_for"] = 3.0
    assert "Older than it should be" not in post.sync()["tutor1"].text
    college.later(days=7)
    college.add("careers-log", guidance("L002"))
    text = post.sync(exit_code=3)["tutor1"].text
    assert "tutors as of 2 March 2026, careers-log as of 9 March 2026." in text
    assert "Older than it should be, so the latest may be missing here: tutors." in text


def test_advice_is_never_told(college: SmallCollege, post: Post) -> None:
    post.sync()
    with college.open() as opened:
        assert any(judged.criterion == "5.V" for judged in opened.explain("L002").criteria)
        episodes = dump(opened._opened.store, [schema.episode])["episode"]
    assert episodes
    assert "5.V" not in str(episodes)


# Who


def test_a_learner_who_moves_is_new_to_the_new_tutor_and_gone_from_the_old(college: SmallCollege, post: Post) -> None:
    post.sync()
    college.amend("tutors", "L001", tutor_group="G1", tutor_email="tutor1@example.ac.uk")
    college.later(days=7)
    letters = post.sync()
    assert set(letters) == {"tutor1"}
    assert letters["tutor1"].marked("New") == {("L001", "2.1"), ("L001", "6.1"), ("L001", "7.1")}
    assert letters["tutor1"].learners == {"L001", "L002", "L004", "L006"}

    college.add("careers-log", *everything("L001"))
    college.later(days=7)
    letters = post.sync()
    assert set(letters) == {"tutor1"}, "who was told before, but is not their tutor now, hears nothing"
    assert letters["tutor1"].marked("Done") == {("L001", "2.1"), ("L001", "6.1"), ("L001", "7.1")}


def test_cover_takes_the_tutor_s_place_while_it_lasts(college: SmallCollege, post: Post) -> None:
    post.sync()
    for row in list(college.rows["tutors"]):
        row.setdefault("role", "")
        if row["tutor_group"] == "G1":
            dates = {"start_date": "2026-03-09", "end_date": "2026-03-22"}
            college.rows["tutors"].append(
                row | {"tutor_name": "Cover", "tutor_email": "cover@example.ac.uk", "role": "Covering"} | dates
            )
    college.write("tutors")

    college.later(days=7)
    letters = post.sync()
    assert set(letters) == {"cover"}
    assert set(letters["cover"].lines.values()) == {"New"}
    assert letters["cover"].learners == {"L002", "L004", "L006"}
    assert "recorded as covering" in letters["cover"].text

    college.add("careers-log", guidance("L002"))
    college.later(days=7)
    assert set(post.sync()) == {"cover"}

    college.later(days=7)
    letters = post.sync()
    assert set(letters) == {"tutor1"}, "the tutor is back and hears what happened meanwhile"
    assert letters["tutor1"].marked("Done") == {("L002", "8.1")}


def test_learners_without_a_tutor_go_to_the_careers_leader(college: SmallCollege, post: Post) -> None:
    college.drop("tutors", "L002")
    letters = post.sync()
    assert set(letters) == {"careers", "tutor0", "tutor1"}
    assert letters["careers"].learners == {"L002"}
    assert letters["tutor1"].learners == {"L004", "L006"}
    assert "No tutor is on record" in letters["careers"].text


def test_without_a_careers_leader_nobody_is_told_of_them(college: SmallCollege, post: Post) -> None:
    college.tables["alerts"] = {"allowed_domains": ["example.ac.uk"]}
    college.drop("tutors", "L002")
    assert set(post.sync()) == {"tutor0", "tutor1"}
    with college.open() as opened:
        findings = [finding for one in opened.check().connectors for finding in one.findings]
    assert any("nobody is notified" in finding.message for finding in findings)


def test_a_careers_leader_who_tutors_gets_one_message_about_all(college: SmallCollege, post: Post) -> None:
    college.drop("tutors", "L006")
    college.amend("tutors", "L002", "L004", tutor_email="Careers@example.ac.uk", tutor_group="G7")
    letters = post.sync()
    assert set(letters) == {"careers", "tutor0"}
    assert letters["careers"].learners == {"L002", "L004", "L006"}
    assert "(no tutor on record, ref. L006)" in letters["careers"].text
    assert "(G7, ref. L004)" in letters["careers"].text
    with college.open() as opened:
        findings = [finding for one in opened.check().connectors for finding in one.findings]
    assert any(finding.message.startswith("1 enrolled learners have no tutor") for finding in findings)
    college.later(days=7)
    assert post.sync() == {}


def test_two_spellings_of_one_address_are_one_person(college: SmallCollege, post: Post) -> None:
    college.amend("tutors", "L001", tutor_email="Tutor0@Example.AC.UK")
    letters = post.sync()
    assert set(letters) == {"tutor0", "tutor1"}
    assert letters["tutor0"].learners == {"L001", "L003", "L005"}
    college.amend("tutors", "L001", tutor_email="tutor0@example.ac.uk")
    college.later(days=7)
    assert post.sync() == {}


# How much


def test_who_does_not_fit_is_counted_and_comes_next_week(college: SmallCollege, post: Post) -> None:
    college.tables["alerts"]["learners_per_digest"] = 2
    college.amend("tutors", tutor_email="tutor0@example.ac.uk", tutor_group="G0")
    told: list[set[str]] = []
    for week in range(3):
        letter = post.sync()["tutor0"]
        assert len(letter.learners) == 2
        assert set(letter.lines.values()) == {"New"}
        assert "All 6 of your learners" in letter.text
        assert "4 more learners need something. They were listed before or will be next time." in letter.text, week
        told.append(letter.learners)
        college.later(days=7)
    assert len(set.union(*told)) == 6
    assert post.sync() == {}


# Looking on


def test_a_preview_shows_what_will_go_and_marks_nothing(college: SmallCollege, post: Post) -> None:
    college.sync(deliver=False)
    with college.open() as opened:
        before = dump(opened._opened.store)
        previews = opened.preview()
        (one,) = opened.preview(recipient="TUTOR1@example.ac.uk")
        assert dump(opened._opened.store) == before
    assert not college.outbox
    shown = {preview.payload.recipient.partition("@")[0]: read(preview.payload.content) for preview in previews}
    assert read(one.payload.content).lines == shown["tutor1"].lines
    sent = post.sync()
    assert {who: letter.lines for who, letter in shown.items()} == {who: letter.lines for who, letter in sent.items()}

    college.later(days=7)
    with college.open() as opened:
        again = [read(preview.payload.content) for preview in opened.preview()]
    assert {line for letter in again for line in letter.lines.values()} == {"New"}, "as if nothing had been told"
    assert post.sync() == {}


# A term


@dataclass
class Learner:
    """What the model knows of one learner."""

    ref: str
    tutor: str
    left: bool = False
    records: dict[str, Row] = field(default_factory=dict)

    def have(self, criterion: str) -> int:
        kinds = [row["activity_type"] for row in self.records.values()]
        if criterion == "7.1":
            return len({kind for kind in kinds if kind in ("University visit", "College visit")})
        return kinds.count(dict(zip(("2.1", "5.1", "6.1", "8.1"), KINDS, strict=False))[criterion])

    def status(self, criterion: str) -> str:
        if self.left:
            return "left"
        return "met" if self.have(criterion) >= NEED[criterion] else "gap"


class Model:
    """The policy in its simplest form: what each person should read each week."""

    def __init__(self) -> None:
        self.closed_as: dict[tuple[str, str], str | None] = {}
        self.episode: dict[tuple[str, str], int] = defaultdict(int)
        self.told: dict[str, dict[tuple[str, str, int], int | str]] = defaultdict(dict)
        self.written_to: set[tuple[str, int]] = set()

    def night(self, learners: Iterable[Learner]) -> None:
        """Open and close episodes: a new one only after the last was closed as met."""
        for learner in learners:
            for criterion in NEED:
                key, status = (learner.ref, criterion), learner.status(criterion)
                if status == "gap":
                    if self.closed_as.get(key, "met") == "met":
                        self.episode[key] += 1
                    self.closed_as[key] = None
                elif key in self.closed_as and self.closed_as[key] is None:
                    self.closed_as[key] = status

    def letters(self, learners: Iterable[Learner], week: int) -> dict[str, dict[tuple[str, str, int], str]]:
        """Return the message of everybody who gets one now, as `Letter.lines`, and remember it as told."""
        letters: dict[str, dict[tuple[str, str, int], str]] = defaultdict(dict)
        remember: dict[str, dict[tuple[str, str, int], int | str]] = defaultdict(dict)
        for learner in learners:
            for criterion in NEED:
                status, have = learner.status(criterion), learner.have(criterion)
                episode = (learner.ref, criterion, self.episode[learner.ref, criterion])
                told = self.told[learner.tutor].get(episode)
                if status == "gap":
                    mark = "New" if told is None else "Still open" if told == have else "Changed"
                    letters[learner.tutor][learner.ref, criterion, have] = mark
                    remember[learner.tutor][episode] = have
                elif status == self.closed_as.get((learner.ref, criterion)) == "met" and told not in (None, "done"):
                    letters[learner.tutor][learner.ref, criterion, 0] = "Done"
                    remember[learner.tutor][episode] = "done"
        news = {
            who: lines
            for who, lines in letters.items()
            if {*lines.values()} - {"Still open"} and (who, week) not in self.written_to
        }
        for who in news:
            self.told[who].update(remember[who])
            self.written_to.add((who, week))
        return news


class Term:
    """A college in which things happen at random, and the model beside it."""

    TUTORS = ("tutor0", "tutor1", "tutor2", "careers")

    def __init__(self, college: SmallCollege, seed: int) -> None:
        self.college = college
        self.random = random.Random(seed)
        self.learners: list[Learner] = []
        self.count = 0
        for name in college.rows:
            college.rows[name] = []
        for _ in range(12):
            self.join()
        for _ in range(15):
            self.attend()
        self.write()

    def join(self) -> None:
        """Let somebody join who has met an employer through their course, of which no more is to be said."""
        learner = Learner(f"L{len(self.learners):03d}", self.random.choice(self.TUTORS))
        first = activity(f"{learner.ref}-first", learner.ref, "Employer talk", "2025-10-06", via_course="yes")
        learner.records[first["activity_id"]] = first
        self.learners.append(learner)

    def attend(self) -> None:
        learner, self.count = self.random.choice(self.learners), self.count + 1
        day = self.college.now.date().isoformat()
        row = activity(f"a{self.count}", learner.ref, self.random.choice(KINDS), day)
        row["employer"] = f"Employer {self.count}"
        learner.records[row["activity_id"]] = row

    def correct(self) -> None:
        learner = self.random.choice(self.learners)
        wrong = [key for key in sorted(learner.records) if not key.endswith("-first")]
        if wrong:
            del learner.records[self.random.choice(wrong)]

    def move(self) -> None:
        self.random.choice(self.learners).tutor = self.random.choice(self.TUTORS)

    def leave_or_return(self) -> None:
        learner = self.random.choice(self.learners)
        learner.left = not learner.left

    def happen(self) -> None:
        actions = [self.attend] * 6 + [self.correct] * 3 + [self.move, self.leave_or_return, self.join]
        for action in self.random.choices(actions, k=self.random.randrange(7)):
            action()
        self.write()

    def write(self) -> None:
        rows, everybody = self.college.rows, self.learners
        rows["mis"] = [
            {"learner_ref": one.ref, "given_names": f"Given{one.ref}", "family_name": "X",
             "date_of_birth": "2008-05-17"}
            for one in everybody
        ]  # fmt: skip
        rows["courses"] = [
            {"learner_ref": one.ref, "programme": "Catering", "start_date": "2025-09-01",
             "planned_end_date": "2026-07-10", "programme_type": "Study programme",
             "status": "Withdrawn" if one.left else "Current", "actual_end_date": "2026-01-09" if one.left else ""}
            for one in everybody
        ]  # fmt: skip
        rows["tutors"] = [
            {"learner_ref": one.ref, "tutor_group": f"G {one.tutor}", "tutor_name": one.tutor,
             "tutor_email": f"{one.tutor}@example.ac.uk"}
            for one in everybody if one.tutor != "careers"
        ]  # fmt: skip
        rows["careers-log"] = [row for one in everybody for row in one.records.values()]
        for name in rows:
            self.college.write(name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_term_of_random_weeks_tells_every_gap_once_to_the_right_person(tmp_path: Path, seed: int) -> None:
    college = usual_college(tmp_path, learners=0, now=datetime(2026, 1, 12, 4, tzinfo=UTC))
    college.source("careers-log")["mode"] = "snapshot"
    college.tables["alerts"]["learners_per_digest"] = 200
    term, model, post = Term(college, seed), Model(), Post(college)
    marks: set[str] = set()
    with college.open() as opened:
        for week in range(12):
            for days in (3, 4):  # a run on Monday and one on Thursday
                model.night(term.learners)
                sync(opened)
                letters = {who: letter.lines for who, letter in post.collect().items()}
                assert letters == model.letters(term.learners, week), college.now
                marks |= {mark for lines in letters.values() for mark in lines.values()}
                college.later(days=days)
                term.happen()
    assert marks == {"New", "Changed", "Still open", "Done"}


def sync(college: College) -> RunReport:
    """Run, and confirm what is removed: a few rows are many in a small college."""
    report = college.sync()
    if any(stream.state == "held" for stream in report.streams):
        college.confirm_sweep()
        report = college.sync()
    return report
