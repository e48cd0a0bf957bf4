"""Live a college's nights: write its files, sync, and compare what Fingerpost says with the truth."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from colleges import SmallCollege
from lived.calendar import ONE_WEEK, in_the_summer, year_of
from lived.college import SOURCES, Flavour, Learner, LivedCollege
from lived.exports import Content, files, text_of
from lived.judge import CAREERS_LEADER, CRITERIA, STATUSES, expected, tutors_of

from fingerpost import College
from fingerpost._store import schema

FED = (
    "employer_encounter", "workplace_experience", "provider_encounter", "guidance_meeting", "lmi_use",
    "curriculum_link",
)  # fmt: skip

Delivery: TypeAlias = tuple[str, Mapping[str, Content]]
"""What arrives of a source: all its files, by name."""

Said: TypeAlias = dict[int, dict[str, tuple[str, str]]]
"""Period and status of each criterion, by the learner's number."""

Gap: TypeAlias = tuple[int, str, str]
"""A learner's number, a criterion and a period."""


@dataclass
class DifferenceError(AssertionError):
    """Something that Fingerpost says and that is not true."""

    day: date
    kind: Literal["file", "verdict", "digest", "explanation"]
    about: str
    said: str
    truth: str

    def __str__(self) -> str:
        return f"{self.day:%a %d %b %Y}, {self.about}: Fingerpost says {self.said}, the truth is {self.truth}"


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a digest."""

    recipient: str
    gap: Gap | None
    change: str


LEARNERS: Mapping[Flavour, list[dict[str, Any]]] = {
    "csv": [
        {"type": "csv", "name": "mis", "stream": "learners", "path": "data/mis.csv", "mapping": "learners"},
        {"type": "csv", "name": "courses", "stream": "programmes", "path": "data/courses.csv", "mapping": "programmes"},
    ],
    "ilr": [{"type": "ilr", "name": "mis", "path": "data/ILR-*.xml"}],
}


def small_college(lived: LivedCollege, folder: Path) -> SmallCollege:
    """Return a college with the sources of the lived one, and none of their files there yet."""
    college = SmallCollege(folder)
    college.keep = True
    (folder / "data").mkdir()
    college.tables["alerts"] |= {"careers_leader": CAREERS_LEADER, "learners_per_digest": 200}
    college.connectors = [
        *LEARNERS[lived.flavour],
        {"type": "csv", "name": "tutors", "stream": "assignments", "path": "data/tutors.csv", "mapping": "assignments"},
        {"type": "csv", "name": "careers-log", "stream": "activities", "path": "data/careers-log*.csv",
         "mapping": "careers-log", "feeds": list(FED),
         **({"holds": "year_a_file"} if lived.troubles.log_file_a_year else {})},
    ]  # fmt: skip
    if not lived.troubles.undated_lists:
        dated = {"key": ["learner_ref", "tutor_group", "tutor_email", "start_date"]}
        college.connectors[-2] = college.connectors[-2] | dated
    return college


class Simulation:
    """A lived college and its Fingerpost, night by night."""

    def __init__(self, lived: LivedCollege, folder: Path, *, brisk: bool = True) -> None:
        self.lived = lived
        self.brisk = brisk
        self.college = small_college(lived, folder)
        self.known: dict[str, date] = {}
        self.files: dict[str, dict[str, Content]] = {}
        self.before: dict[str, dict[str, Content]] = {}
        self.told: set[tuple[str, Gap]] = set()
        self.new: set[tuple[str, Gap]] = set()
        self.said: Said = {}
        self.chance = random.Random(f"{lived.seed}/looks")

    def live(self, until: date = date.max) -> None:
        """Live every night and compare after each; raise the first `DifferenceError`."""
        with self.college.open() as college:
            for day in self.lived.nights(brisk=self.brisk):
                if day > until:
                    return
                self.night(college, day, self.deliveries(day))

    def deliveries(self, day: date) -> list[Delivery]:
        """Return the files that arrive before a night."""
        sources = SOURCES[self.lived.flavour]
        return [(one, files(self.lived, one, day)) for one in sources if (one, day) not in self.lived.late]

    def night(self, college: College, day: date, deliveries: Sequence[Delivery]) -> None:
        """Receive some files, sync, and compare."""
        self.receive(day, deliveries)
        self._sync(college, day)
        self.compare(college, day)
        self.confirm(college, day)

    def receive(self, day: date, deliveries: Sequence[Delivery]) -> None:
        """Let files arrive before a night."""
        self.before = dict(self.files)
        self.college.now = datetime.combine(day, time(4), UTC)
        for source, arrived in deliveries:
            for name, content in arrived.items():
                path = self.college.folder / "data" / f"{name}.{'xml' if isinstance(content, str) else 'csv'}"
                path.write_text(text_of(name, content), encoding="utf-8")
                os.utime(path, (self.college.now.timestamp(),) * 2)
            for name in self.files.get(source, {}).keys() - arrived.keys():
                next((self.college.folder / "data").glob(f"{name}.*")).unlink()
            self.files[source] = dict(arrived)
            self.known |= (
                {"mis": day, "courses": day} if self.lived.flavour == "ilr" and source == "mis" else {source: day}
            )

    def _sync(self, college: College, day: date) -> None:
        report = college.sync()
        for one in report.streams:
            if one.state == "failed" or one.rejected:
                said = f"{one.state}, {one.rejected} rejected: {one.message}"
                raise DifferenceError(day, "file", one.connector, said, "every file can be read")

    def confirm(self, college: College, day: date) -> None:
        """Confirm what the sweep holds: in September on its day, otherwise at once."""
        year = year_of(day)
        wait = in_the_summer(day) and year > 2025 and day < self.lived.confirmation(year)
        if not wait and college.held_sweeps():
            college.confirm_sweep()

    # What Fingerpost says

    def people(self, connection: sa.Connection) -> dict[int, Learner]:
        """Return who the learners of the store are, by their numbers there."""
        learner, alias = schema.learner, schema.identity_link
        known = sa.select(learner.c.identity, learner.c.id).where(learner.c.deleted_run.is_(None))
        numbers: dict[str, int] = dict(connection.execute(known).all())
        for identity, same_as in connection.execute(sa.select(alias.c.identity, alias.c.same_as)):
            if same_as in numbers:
                numbers.setdefault(identity, numbers[same_as])
        found = {}
        for one in self.lived.learners:
            number = numbers.get(f"99999999:{one.reference_on(self.known['mis'])}")
            if number is not None and one.is_on_record(self.known["mis"]):
                found[number] = one
        return found

    def verdicts(self, connection: sa.Connection, people: Mapping[int, Learner], day: date) -> Said:
        """Return the stored verdicts of the periods that are current."""
        table, year = schema.verdict, year_of(day)
        found: Said = {learner.number: {} for learner in people.values()}
        for who, criterion, period, status in connection.execute(
            sa.select(table.c.learner_id, table.c.criterion, table.c.period, table.c.status)
        ):
            if who in people and period.startswith(("programme:", str(year))):
                found[people[who].number][criterion] = (period, status)
        return found

    def digests(self, connection: sa.Connection, people: Mapping[int, Learner]) -> Iterator[Told]:
        """Yield every line of the digests of the newest run."""
        told, outbox, episode, run = schema.told, schema.outbox, schema.episode, schema.run
        newest = sa.select(sa.func.max(run.c.id)).scalar_subquery()
        for recipient, change, who, criterion, period in connection.execute(
            sa.select(outbox.c.recipient, told.c.change, episode.c.learner_id, episode.c.criterion, episode.c.period)
            .join_from(told, outbox, told.c.outbox_id == outbox.c.id)
            .join(episode, episode.c.gap_key == told.c.gap_key)
            .where(outbox.c.planned_run == newest)
        ):
            yield Told(recipient, (people[who].number, criterion, period) if who in people else None, change)

    # Whether it is true

    def look(self, college: College, day: date) -> tuple[dict[int, Learner], list[Told]]:
        """Look at what the store holds after a night: who is there, and what the newest run told whom."""
        with college._opened.store.reading() as connection:
            people = self.people(connection)
            self.said = self.verdicts(connection, people, day)
            return people, list(self.digests(connection, people))

    def compare(self, college: College, day: date) -> None:
        """Compare the verdicts and the digests of a night with the truth; raise the first difference."""
        people, lines = self.look(college, day)
        for learner in self.lived.learners:
            if self.lived.lists_learner(learner, self.known["mis"]) and learner not in people.values():
                raise DifferenceError(day, "verdict", f"learner {learner.number}", "nobody", "in the export")
        for learner in people.values():
            self._compare_verdicts(learner, day)
        self._compare_digests({one.number: one for one in people.values()}, day, lines)
        if people and self.chance.random() < 0.1:
            self._compare_explanation(college, self.chance.choice(list(people.values())), day)

    def _compare_verdicts(self, learner: Learner, day: date) -> None:
        if self._may_be_either(learner, day):
            return
        said = self.said[learner.number]
        for criterion, truth in expected(self.lived, learner, day, self.known).items():
            period, status = said.get(criterion, ("none", "unknown"))
            if (STATUSES[status], period if truth.period else None) != truth:
                raise DifferenceError(
                    day, "verdict", f"learner {learner.number}, {criterion}", f"{status} ({period})",
                    f"{truth.answer} ({truth.period})",
                )  # fmt: skip

    def _may_be_either(self, learner: Learner, day: date) -> bool:
        """Say whether nobody knows: last year's rows still say that the learner continues, and their sweep is held."""
        year = year_of(day)
        if not self.lived.troubles.never_closed or year == 2025 or day > self.lived.confirmation(year) + ONE_WEEK:
            return False
        return not any(one.starts <= day <= one.last for one in learner.enrolments)

    def _compare_digests(self, people: Mapping[int, Learner], day: date, lines: Sequence[Told]) -> None:
        for number, said in self.said.items():
            for criterion, (period, status) in said.items():
                if status == "met":  # it may be missing once more, and that is news
                    self.new = {(who, gap) for who, gap in self.new if gap != (number, criterion, period)}
        for line in lines:
            if line.gap is None:
                about = f"a digest to {line.recipient}"
                raise DifferenceError(day, "digest", about, "something of somebody who is not there", "nothing")
            number, criterion, _ = line.gap
            right = tutors_of(self.lived, people[number], day, self.known)
            about = f"learner {number}, {criterion}, told as {line.change}"
            if line.recipient not in right:
                raise DifferenceError(day, "digest", about, line.recipient, " or ".join(sorted(right)))
            if line.change == "new":
                if (line.recipient, line.gap) in self.new:
                    raise DifferenceError(day, "digest", about, f"new to {line.recipient} again", "told before")
                self.new.add((line.recipient, line.gap))
            self.told.add((line.recipient, line.gap))
        if day.weekday() == 0:
            self._compare_with_what_is_open(people, day)

    def _compare_with_what_is_open(self, people: Mapping[int, Learner], day: date) -> None:
        """See that whoever should know of a gap was told of it, on the night on which the week's digests go."""
        for number, said in self.said.items():
            right = tutors_of(self.lived, people[number], day, self.known)
            for criterion, (period, status) in said.items():
                gap = (number, criterion, period)
                if status in ("at_risk", "not_met") and not any((who, gap) in self.told for who in right):
                    about, truth = f"learner {number}, {criterion}", f"told to {sorted(right)}"
                    raise DifferenceError(day, "digest", about, "nothing to the tutor", truth)

    def _compare_explanation(self, college: College, learner: Learner, day: date) -> None:
        said = self.said[learner.number]
        explained = college.explain(learner.reference_on(self.known["mis"]))
        for one in explained.criteria:
            if one.criterion in CRITERIA and said.get(one.criterion) not in (None, (one.period, one.status)):
                raise DifferenceError(
                    day, "explanation", f"learner {learner.number}, {one.criterion}", f"{one.status} ({one.period})",
                    f"as stored, {said[one.criterion]}",
                )  # fmt: skip
        wrong = set(explained.tutors) - tutors_of(self.lived, learner, day, self.known)
        if wrong:
            raise DifferenceError(
                day, "explanation", f"learner {learner.number}", f"tutors {sorted(wrong)}", "not these"
            )
