"""Colleges live two years, night by night, and Fingerpost never says anything of them that is not true.

Twenty seeds by default; ``pytest tests/lived --lived-seeds 200`` or ``python -m lived`` live more of them.
"""

from __future__ import annotations

import random
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from lived import simulation as lived_simulation
from lived.college import LivedCollege, live
from lived.exports import files
from lived.shrink import Case, report, shrink
from lived.simulation import Said, Simulation
from lived.troubles import NAMES, Troubles

if TYPE_CHECKING:
    from lived.college import Flavour
    from lived.exports import Content

LEARNERS = 20

QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without making a failing example smaller, which takes minutes here: `python -m lived` does that better."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("lived_seeds")))


def assert_lives(case: Case, folder: Path) -> None:
    difference, _ = case.difference(folder)
    if difference is not None:
        pytest.fail(f"{difference}\n\nThe smallest such college:\n{report(shrink(case))}", pytrace=False)


@pytest.mark.slow
def test_all_that_is_said_of_a_college_is_true(seed: int, tmp_path: Path) -> None:
    troubles = Troubles.some(random.Random(seed))
    flavour: Flavour = "ilr" if seed % 4 == 3 else "csv"
    assert_lives(Case.whole(seed, LEARNERS, troubles, flavour=flavour), tmp_path / "college")


@pytest.mark.slow
def test_all_that_is_said_of_an_ideal_college_is_true(tmp_path: Path) -> None:
    assert_lives(Case.whole(0, LEARNERS, Troubles(), brisk=False), tmp_path / "college")


def test_what_is_not_true_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has lost every careers interview differs from the truth; one learner is enough to show it."""

    def forgetful(college: LivedCollege, source: str, day: date) -> dict[str, Content]:
        return {
            name: [row for row in rows if isinstance(row, dict) and row.get("activity_type") != "Careers interview"]
            for name, rows in files(college, source, day).items()
        }

    monkeypatch.setattr(lived_simulation, "files", forgetful)
    smallest = shrink(Case.whole(1, LEARNERS, Troubles.only("moves", "leavers")))
    assert len(smallest.only) == 1
    assert smallest.troubles == Troubles()
    said = report(smallest)
    assert "8.1: Fingerpost says" in said
    assert "careers-log" in said


# Nights and time


def week_by_week(lived: LivedCollege, folder: Path, until: date, order: random.Random | None) -> list[Said]:
    """Live some weeks, and return what is said at the end of each: all files come on Monday, or each on its own day."""
    simulation = Simulation(lived, folder)
    ends = []
    with simulation.college.open() as college:
        for day in lived.nights(brisk=True):
            if day.weekday() != 0 or day > until:
                continue
            deliveries = simulation.deliveries(day)
            days = {source: day + timedelta(days=order.randrange(5) if order else 0) for source, _ in deliveries}
            for today in sorted({*days.values(), day + timedelta(days=5)}):
                simulation.receive(today, [one for one in deliveries if days[one[0]] == today])
                college.sync()
            simulation.known |= {source: day for source, _ in deliveries}
            simulation.look(college, today)
            simulation.confirm(college, day)
            ends.append(simulation.said)
    return ends


@pytest.mark.slow
@settings(max_examples=2, phases=QUICKLY)
@given(st.integers(0, 999), st.randoms(use_true_random=False))
def test_files_of_a_week_may_come_in_any_order(seed: int, order: random.Random) -> None:
    """Another store, which gets the same files in any order within each week, says the same at the end of it."""
    lived = live(seed, size=8, troubles=Troubles.some(random.Random(seed)).without("late_files"))
    until = date(2026, 10, 5)
    with tempfile.TemporaryDirectory() as folder:
        on_mondays = week_by_week(lived, Path(folder) / "one", until, None)
        on_any_day = week_by_week(lived, Path(folder) / "other", until, order)
    assert on_any_day == on_mondays


@pytest.mark.slow
@settings(max_examples=4, phases=QUICKLY)
@given(
    st.integers(0, 999), st.sets(st.sampled_from([name for name in NAMES if name not in ("corrections", "years_out")]))
)
def test_what_was_met_for_the_programme_stays_met(seed: int, troubles: set[str]) -> None:
    """No change of group, tutor, reference, enrolment or academic year loses what a learner has done."""
    lived = live(seed, size=10, troubles=Troubles.only(*sorted(troubles)))
    met: set[tuple[int, str]] = set()
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(lived, Path(folder) / "college")
        with simulation.college.open() as college:
            for day in lived.nights(brisk=True):
                simulation.receive(day, simulation.deliveries(day))
                college.sync()
                simulation.look(college, day)
                for learner, said in simulation.said.items():
                    for criterion, (period, status) in said.items():
                        if status == "met" and period.startswith("programme:"):
                            met.add((learner, criterion))
                        elif status in ("not_met", "at_risk", "not_due"):
                            assert (learner, criterion) not in met, f"learner {learner}, {criterion} on {day}"
                simulation.confirm(college, day)
