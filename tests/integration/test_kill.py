"""A run that is killed anywhere loses nothing and doubles nothing: the next one carries on.

Two nights: the first load, and a week later one with all kinds of changes. Each is killed at every failpoint, and in
the last step of writing a message, at the first to the third time; after one more run everything must be as if nothing
had happened.
"""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import sqlalchemy as sa
from colleges import activity, snapshot, usual_college
from nights import KILLED, Death, run_night, small_steps

import fingerpost
from fingerpost import College
from fingerpost._store import schema
from fingerpost._sync.failpoints import FAILPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from colleges import SmallCollege, Snapshot

pytestmark = pytest.mark.slow

LEARNERS = 24
TUTORS = 6

ONCE_A_RUN = frozenset({"run_started", "link_written", "link_committed", "run_finishing"})
TWICE_A_RUN = frozenset({"claim_committed"})  # the second night's digests make two batches
DEATHS: list[Death] = [
    (name, count)
    for name in (*FAILPOINTS, "before_rename", "after_rename")
    for count in ((1,) if name in ONCE_A_RUN else (1, 2) if name in TWICE_A_RUN else (1, 2, 3))
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
    with College.open(college.config_path, clock=lambda: college.now) as opened:
        status = opened.sync().status
        return Night(before, college.now, status, *seen(opened))


def seen(college: College) -> tuple[Snapshot, list[tuple[object, ...]], dict[str, tuple[str, str]]]:
    """Return what is in the store, what the next run would start from, and the messages by file name."""
    state, names = schema.stream_state, schema.connector
    with college._opened.store.reading() as connection:
        states = connection.execute(
            sa.select(names.c.name, state.c.stream, state.c.fingerprint, state.c.cursor, state.c.digests)
            .join(names, names.c.id == state.c.connector)
            .order_by(names.c.name)
        ).all()
    return snapshot(college._opened.store), [tuple(row) for row in states], messages(college._opened.config.base_dir)


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
    die_and_carry_on(nights[which], tmp_path / "college", death)


@pytest.mark.parametrize(
    "deaths",
    [
        (("chunk_written", 3), ("chunk_written", 2)),
        (("checkpoint_committed", 2), ("merge_committed", 1)),
        (("merge_committed", 1), ("evaluation_committed", 2)),
        (("evaluation_committed", 1), ("planning_committed", 3)),
        (("planning_committed", 2), ("claim_committed", 1)),
        (("claim_committed", 1), ("delivered", 1)),
        (("delivered", 2), ("delivered", 2)),
        (("before_rename", 2), ("after_rename", 1)),
    ],
    ids=lambda deaths: "-".join(name for name, _ in deaths),
)
def test_so_does_the_one_after_two_that_were_killed(
    nights: dict[str, Night], tmp_path: Path, deaths: tuple[Death, ...]
) -> None:
    die_and_carry_on(nights["second"], tmp_path / "college", *deaths)


def die_and_carry_on(night: Night, folder: Path, *deaths: Death) -> None:
    """Kill one run after the other; the next one must leave all as the undisturbed run did."""
    shutil.copytree(night.before, folder)
    for death in deaths:
        assert run_night(folder, night.now, death) == KILLED, "the run never came by there"
    with College.open(folder / "fingerpost.toml", clock=lambda: night.now + timedelta(minutes=30)) as college:
        *dead, status = (run.status for run in reversed(college.status().runs[: len(deaths)]))
        assert (dead, status) == (["interrupted"] * (len(deaths) - 1), "running")

        report = college.sync()

        assert report.interrupted == [report.run - 1]
        assert report.status == night.status
        store, states, sent = seen(college)
        assert store == night.store
        assert states == night.states
        assert sent == night.messages
        statuses = [run.status for run in college.status().runs[: len(deaths) + 1]]
        assert statuses == [night.status, *["interrupted"] * len(deaths)]


def test_every_point_in_the_code_is_listed() -> None:
    files = Path(fingerpost.__file__).parent.rglob("*.py")
    found = {name for file in files for name in re.findall(r'\bhit\("(\w+)"\)', file.read_text(encoding="utf-8"))}
    assert found == {*FAILPOINTS}


@pytest.mark.parametrize(
    ("value", "code"),
    [("", 0), ("merge_written", 0), ("run_started", KILLED), ("run_started:2", 0), ("no_such_point", 1)],
)
def test_the_environment_sets_a_failpoint(value: str, code: int) -> None:
    program = "from fingerpost._sync import failpoints; failpoints.hit('run_started')"
    environment = os.environ | {"FINGERPOST_FAILPOINT": value}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert done.returncode == code
    assert (b"no_such_point" in done.stderr) == (code == 1)
