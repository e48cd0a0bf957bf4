"""A run that is killed anywhere loses nothing and doubles nothing: the next one carries on.

Two nights: the first load, and a week later one with all kinds of changes. Each is killed at every failpoint, and in
the last step of writing a message, at the first to the third time; after one more run everything must be as if nothing
had happened.
"""

from __future__ import annotations

import email
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
import sqlalchemy as sa
from tests.colleges import activity, snapshot, usual_college
from tests.nights import KILLED, Death, run_night, small_steps

from fingerpost import College, RunReport
from fingerpost._failpoints import FAILPOINTS
from fingerpost._store import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from tests.colleges import SmallCollege, Snapshot

pytestmark = pytest.mark.slow

LEARNERS = 24
TUTORS = 6

ONCE_A_RUN = frozenset({"run_started", "link_written", "link_committed", "run_finishing"})
DEATHS: list[Death] = [
    (name, count)
    for name in (*FAILPOINTS, "before_rename", "after_rename")
    for count in ((1,) if name in ONCE_A_RUN else (1, 2, 3))
]


def new_college(folder: Path) -> SmallCollege:
    """Return a college with several of everything: streams, chunks, checkpoints, batches, tutors, a bad row."""
    college = usual_college(folder, learners=LEARNERS)
    for index, row in enumerate(college.rows["tutors"]):
        row.update(tutor_group=f"G{index % TUTORS}", tutor_email=f"tutor{index % TUTORS}@example.ac.uk")
    college.rows["careers-log"].append(activity("bad", "L001", "Juggling"))
    college.rows["careers-log"].append(activity("talk", "", "Employer talk", tutor_group="G1"))
    for name in ("tutors", "careers-log"):
        college.write(name)
    college.configure()
    return college


def change(college: SmallCollege) -> None:
    """Change something of every kind: learners come, go and change, gaps open, change and close."""
    college.later(days=7)
    mis, courses, tutors, log = (college.rows[name] for name in ("mis", "courses", "tutors", "careers-log"))
    del mis[3]
    for row in mis:
        row["email"] = f"new.{row['email']}"
    mis.append(mis[0] | {"learner_ref": "L100", "given_names": "Newly", "family_name": "Come"})
    courses.append(courses[0] | {"learner_ref": "L100"})
    courses[5] = courses[5] | {"status": "Withdrawn", "actual_end_date": "2026-03-05"}
    for row in courses[8:]:
        row["area"] = "Baking"
    tutors.append(tutors[0] | {"learner_ref": "L100"})
    for row in tutors[10:]:
        row["tutor_name"] = "Another Name"
    del log[0]
    for number in range(1, LEARNERS + 1):
        ref = f"L{number:03d}"
        kind = "Careers interview" if number % 2 else "Work experience"
        log.append(activity(f"{ref}-9", ref, kind, "2026-03-04"))
    for name in college.rows:
        college.write(name)


class Night(NamedTuple):
    """A folder as it is before a night, when that is, and what an undisturbed run makes of it."""

    before: Path
    now: datetime
    status: str
    store: Snapshot
    states: list[tuple[object, ...]]
    messages: dict[str, tuple[str, str]]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        small_steps(patch.setattr)
        yield


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Night]:
    folder = tmp_path_factory.mktemp("nights")
    college = new_college(folder / "college")
    first = undisturbed(folder, "first", college)
    change(college)
    return {"first": first, "second": undisturbed(folder, "second", college)}


def undisturbed(folder: Path, name: str, college: SmallCollege) -> Night:
    """Keep a copy of the college as it is, then run."""
    before = shutil.copytree(college.folder, folder / name)
    report = sync(college.folder, college.now)
    return Night(before, college.now, report.status, *seen(college.folder))


def sync(folder: Path, now: datetime) -> RunReport:
    """Run a night in this process."""
    with College.open(folder / "fingerpost.toml", clock=lambda: now) as college:
        return college.sync()


def runs(folder: Path) -> list[tuple[int, str]]:
    """Return number and status of every run, the last one first."""
    with College.open(folder / "fingerpost.toml") as college:
        return [(run.run, run.status) for run in college.status().runs]


def seen(folder: Path) -> tuple[Snapshot, list[tuple[object, ...]], dict[str, tuple[str, str]]]:
    """Return what is in the store, what the next run would start from, and the messages by file name."""
    state, names = schema.stream_state, schema.connector
    with College.open(folder / "fingerpost.toml") as college:
        with college.store.reading() as connection:
            states = connection.execute(
                sa.select(names.c.name, state.c.stream, state.c.fingerprint, state.c.cursor, state.c.digests)
                .join(names, names.c.id == state.c.connector)
                .order_by(names.c.name)
            )
            states_seen: list[tuple[object, ...]] = [tuple(row) for row in states]
        return snapshot(college.store), states_seen, messages(folder)


def messages(folder: Path) -> dict[str, tuple[str, str]]:
    """Return recipient and Message-ID of every file in the outbox; a message that is not whole would lack them."""
    found = {}
    for path in (folder / "outbox").iterdir():
        mail = email.message_from_bytes(path.read_bytes())
        assert mail.is_multipart(), path.name
        found[path.name] = (mail["To"], mail["Message-ID"])
    return found


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death[0]}-{death[1]}")
def test_what_a_killed_run_left_undone_the_next_one_does(
    nights: dict[str, Night], tmp_path: Path, which: str, death: Death
) -> None:
    night = nights[which]
    folder = shutil.copytree(night.before, tmp_path / "college")

    assert run_night(folder, night.now, death) == KILLED, "the run never came by there"
    dead, status = runs(folder)[0]
    assert status == "running"

    report = sync(folder, night.now + timedelta(minutes=30))
    assert report.interrupted == [dead]
    assert report.status == night.status
    store, states, sent = seen(folder)
    _DEBUG(night.store, store)
    assert store == night.store
    assert states == night.states
    assert sent == night.messages
    assert runs(folder)[:2] == [(dead + 1, night.status), (dead, "interrupted")]


def _DEBUG(a, b):
    for t in a:
        x, y = set(map(repr, a[t])), set(map(repr, b[t]))
        for r in sorted(x - y)[:6]:
            print("-", t, r)
        for r in sorted(y - x)[:6]:
            print("+", t, r)
