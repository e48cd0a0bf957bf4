"""Items on learners' pages when things go wrong, over many nights: never two, never a wrong one, none left behind.

The ILP is a database with the vendor's tables. Faults happen where they happen in life: at the commit, just before it
or just after it, with the process killed or the connection lost, or with a second machine at work with an older store.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import sqlite3
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from colleges import SmallCollege, activity, usual_college

from fingerpost import College, read_mark
from fingerpost._sync.report import ItemCounts
from fingerpost.reports import RunReport
from fingerpost_promonitor import PROSUITE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LEARNERS = 4
STEP = 20 / (24 * 60)
"""Days between two nights here: long enough for what got no answer to be looked for again."""
TRIALS = 500
CHUNKS = 10
FAULTS = (
    "none", "commit lost", "commit answered too late", "statement lost", "killed before commit", "killed after commit",
    "killed between two", "second machine",
)  # fmt: skip


class Ilp:
    """The part of a ProMonitor database that write-back needs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        engine = sa.create_engine(f"sqlite:///{path}")
        metadata = sa.MetaData()
        tables = [PROSUITE.tables[name].to_metadata(metadata, schema=None)  # type: ignore[arg-type]  # None is a schema
                  for name in ("promonitor.vStudent", "learner_information.ActionPlan")]  # fmt: skip
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(
                sa.insert(tables[0]),
                [{"StudentID": f"L00{n}".ljust(12), "AcademicYearID": year.ljust(10), "PMStudentID": 10 * n + later}
                 for n in range(1, LEARNERS + 1) for later, year in enumerate(("24/25", "25/26"))],
            )  # fmt: skip
        engine.dispose()

    def items(self) -> list[tuple[str, str]]:
        """Return every item: the learner it is about, and its text."""
        connection = sqlite3.connect(self.path)
        try:
            found = connection.execute(
                "SELECT TRIM(v.StudentID), a.Comment FROM ActionPlan a JOIN vStudent v USING (PMStudentID)"
            )
            return [(str(ref), str(text)) for ref, text in found]
        finally:
            connection.close()

    def open_items(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for ref, text in self.items():
            mark = read_mark(text)
            assert mark is not None
            if not mark.closed:
                found.setdefault(ref, []).append(text)
        return found


class Night:
    """A college whose nights follow each other quickly: it is read once, and its files stay open meanwhile."""

    def __init__(self, small: SmallCollege) -> None:
        self.small = small
        self.folder = small.folder
        self._college: College | None = None

    def open(self) -> College:
        if self._college is None:
            self._college = self.small.open()
        return self._college

    def close(self) -> None:
        """Close every file, so that another process or another store may take its turn."""
        if self._college is not None:
            self._college.close()

    def sync(self) -> RunReport:
        self.small.later(days=STEP)
        return self.open().sync()


def college_with(folder: Path) -> tuple[Night, Ilp]:
    college = usual_college(folder, learners=LEARNERS)
    college.tables["alerts"]["weekday"] = "friday"  # digests are none of our business here
    college.source("careers-log")["mode"] = "snapshot"
    ilp = Ilp(folder / "ilp.db")
    college.connectors.append(
        {"type": "promonitor-writeback", "name": "ilp", "write": True, "url": "sqlite:///ilp.db",
         "values": {"CommentTypeID": 1}}
    )  # fmt: skip
    return Night(college), ilp


def change(night: Night, dice: random.Random) -> None:
    """Let something happen to one to three learners: a meeting is recorded or struck out, they leave or come back."""
    college = night.small
    log, courses = college.rows["careers-log"], college.rows["courses"]
    for number in dice.sample(range(1, LEARNERS + 1), dice.randint(1, 3)):
        ref = f"L00{number}"
        happens = dice.choice(("guidance", "guidance", "course"))
        key = f"{ref}-guidance"
        if happens == "course":
            course = next(row for row in courses if row["learner_ref"] == ref)
            left = course["status"] == "Withdrawn"
            course["status"] = "Current" if left else "Withdrawn"
            course["actual_end_date"] = "" if left else "2026-02-27"
        elif any(row["activity_id"] == key for row in log):
            log[:] = [row for row in log if row["activity_id"] != key]
        else:
            log.append(activity(key, ref, "Careers interview", "2026-02-20"))
    for row in courses:
        row.setdefault("actual_end_date", "")
    college.write("careers-log")
    college.write("courses")


# -- faults -----------------------------------------------------------------------------------------------------------


@contextmanager
def at_commit(count: int, act: Callable[[Callable[[], None]], None]) -> Iterator[None]:
    """Let `act` do the `count`-th commit to the ILP in its own way."""
    left = [count]
    dialect: Any = sa.dialects.sqlite.dialect
    commit = dialect.do_commit

    def do_commit(self: Any, connection: Any) -> None:
        if not _is_ilp(connection):
            commit(self, connection)
            return
        left[0] -= 1
        if left[0] == 0:
            act(lambda: commit(self, connection))
        else:
            commit(self, connection)

    dialect.do_commit = do_commit
    try:
        yield
    finally:
        del dialect.do_commit


@contextmanager
def lost_statement(count: int) -> Iterator[None]:
    """Lose the connection at the `count`-th statement that writes to the ILP, before it is carried out."""
    left = [count]
    dialect: Any = sa.dialects.sqlite.dialect
    execute = dialect.do_execute

    def do_execute(self: Any, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        if _is_ilp(cursor.connection) and statement.startswith(("INSERT", "UPDATE")):
            left[0] -= 1
            if left[0] == 0:
                raise sqlite3.OperationalError("connection lost")
        execute(self, cursor, statement, parameters, context)

    dialect.do_execute = do_execute
    try:
        yield
    finally:
        del dialect.do_execute


def _is_ilp(connection: Any) -> bool:
    raw = getattr(connection, "driver_connection", connection)
    return str(raw.execute("PRAGMA database_list").fetchone()[2]).endswith("ilp.db")


def _lost(commit: Callable[[], None]) -> None:
    raise sqlite3.OperationalError("connection lost")


def _late(commit: Callable[[], None]) -> None:
    commit()
    raise sqlite3.OperationalError("connection lost")


def _killed_before(commit: Callable[[], None]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _killed_after(commit: Callable[[], None]) -> None:
    commit()
    os.kill(os.getpid(), signal.SIGKILL)


def killed_night(night: Night, count: int, act: Callable[[Callable[[], None]], None]) -> bool:
    """Run a night in a process that is killed; return whether it came to that."""
    night.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of the test runner: the child has none
        child = os.fork()
    if child == 0:
        gc.disable()  # it would touch, and so copy, all that the test runner holds
        code = 70
        try:
            with at_commit(count, act):
                night.sync()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    night.small.later(days=STEP)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, "the night itself failed"
    return status != 0


def second_machine(night: Night, dice: random.Random) -> None:
    """Run the night twice with stores that do not know of each other, and carry on with either."""
    older, newer = night.folder / "older", night.folder / "newer"
    night.close()
    _copy(night.folder, older)
    night.sync()
    night.close()
    _copy(night.folder, newer)
    _copy(older, night.folder)
    night.sync()
    if dice.random() < 0.5:
        night.close()
        _copy(newer, night.folder)


def _copy(from_: Path, to: Path) -> None:
    """Put the store of one folder in the place of another's."""
    to.mkdir(exist_ok=True)
    for path in to.glob("fingerpost.db*"):
        path.unlink()
    for path in from_.glob("fingerpost.db*"):
        shutil.copy(path, to)


def bad_night(night: Night, fault: str, dice: random.Random) -> None:
    """Run a night that something befalls."""
    count = dice.randint(1, 3)
    if fault == "second machine":
        second_machine(night, dice)
    elif fault == "killed between two":
        killed_night(night, count + 1, _killed_before)
    elif fault.startswith("killed"):
        killed_night(night, count, _killed_before if fault == "killed before commit" else _killed_after)
    elif fault == "statement lost":
        with lost_statement(count):
            night.sync()
    elif fault.startswith("commit"):
        with at_commit(count, _lost if fault == "commit lost" else _late):
            night.sync()
    else:
        night.sync()


# -- what must be so ---------------------------------------------------------------------------------------------------


def check(night: Night, ilp: Ilp) -> None:
    """Compare the pages with the gaps: one open item for each learner with gaps, saying these, and no other."""
    college = night.open()
    gaps = college.gaps().gaps
    criteria = {one.id: one for one in college._opened.framework.criteria}
    wanted: dict[str, set[str]] = {}
    for gap in gaps:
        words = criteria[gap.criterion].words
        assert words is not None
        wanted.setdefault(gap.learner, set()).add(str(words.learner)[:20])
    found = ilp.open_items()
    assert found.keys() == wanted.keys()
    for ref, texts in found.items():
        (text,) = texts
        mark = read_mark(text)
        assert mark is not None
        assert mark.intact
        lines = [line for line in text.splitlines() if line.startswith("- ")]
        assert len(lines) == len(wanted[ref])
        assert all(any(line.startswith(f"- {start}") for line in lines) for start in wanted[ref])


def settle(night: Night, ilp: Ilp) -> None:
    """Run quiet nights until there is nothing to do, as the scheduler would, and see that all is right then."""
    for _ in range(3):
        before = ilp.items()
        items = night.sync().items
        if items == ItemCounts():
            assert ilp.items() == before
            check(night, ilp)
            return
    raise AssertionError("three nights after a fault there is still something to do")


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.skipif(sys.platform == "win32", reason="it kills forked processes")
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_befalls_a_night_each_learner_has_the_one_right_item(tmp_path: Path, chunk: int) -> None:
    night, ilp = college_with(tmp_path)
    for trial in range(chunk, TRIALS, CHUNKS):
        dice = random.Random(f"write-back {trial}")
        change(night, dice)
        bad_night(night, dice.choice(FAULTS), dice)
        try:
            settle(night, ilp)
        except AssertionError as error:
            raise AssertionError(f"trial {trial}") from error
    night.close()


@pytest.mark.skipif(sys.platform == "win32", reason="it kills forked processes")
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_by_itself(tmp_path: Path, fault: str) -> None:
    night, ilp = college_with(tmp_path)
    bad_night(night, fault, random.Random(1))
    settle(night, ilp)
    change(night, random.Random(2))
    bad_night(night, fault, random.Random(3))
    settle(night, ilp)
    night.close()


@pytest.mark.skipif(sys.platform == "win32", reason="it kills forked processes")
def test_the_faults_do_happen(tmp_path: Path) -> None:
    night, ilp = college_with(tmp_path)
    assert killed_night(night, 2, _killed_after)
    assert len(ilp.items()) == 2
    assert killed_night(night, 1, _killed_before)
    assert len(ilp.items()) == 2
    with at_commit(1, _late):
        night.sync()
    assert len(ilp.items()) > 2
    settle(night, ilp)
    night.close()
