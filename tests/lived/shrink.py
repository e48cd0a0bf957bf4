"""Find the smallest college that shows a difference, and print it with its files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from lived.college import Flavour, Learner, LivedCollege, Subject, live
from lived.exports import text_of
from lived.simulation import DifferenceError, Simulation
from lived.troubles import Troubles


@dataclass(frozen=True, slots=True)
class Case:
    """A college to live: some of the learners of a seed, with some troubles."""

    seed: int
    size: int
    troubles: Troubles
    only: frozenset[int]
    brisk: bool = True
    events: frozenset[int] | None = None
    flavour: Flavour = "csv"

    @classmethod
    def whole(cls, seed: int, size: int, troubles: Troubles, *, brisk: bool = True, flavour: Flavour = "csv") -> Case:
        return cls(seed, size, troubles, frozenset(range(size)), brisk, flavour=flavour)

    def college(self) -> LivedCollege:
        return live(
            self.seed, size=self.size, troubles=self.troubles, only=self.only, events=self.events, flavour=self.flavour
        )

    def difference(self, folder: Path, until: date = date.max) -> tuple[DifferenceError | None, Simulation]:
        """Live the college; return the first difference, and the simulation as it was then."""
        simulation = Simulation(self.college(), folder, brisk=self.brisk)
        try:
            simulation.live(until)
        except DifferenceError as difference:
            return difference, simulation
        return None, simulation


def shrink(case: Case, *, tries: int = 100) -> Case:
    """Return a smaller case that differs as well, and no later: fewer troubles, fewer learners and, at last, events."""
    return _Shrinker(case, tries).smallest()


class _Shrinker:
    def __init__(self, case: Case, tries: int) -> None:
        self.case = case
        self.until = date.max
        self.kind = ""
        self.tries = tries

    def smallest(self) -> Case:
        self.try_(self.case)
        before = None
        while before != self.case:
            before = self.case
            for name in self.case.troubles.names:
                self.try_(replace(self.case, troubles=self.case.troubles.without(name)))
            self.fewest(sorted(self.case.only), lambda some: replace(self.case, only=some))
        self.fewest([one.number for one in self.case.college().events], lambda some: replace(self.case, events=some))
        return self.case

    def fewest(self, members: list[int], with_: Callable[[frozenset[int]], Case]) -> None:
        """Leave out as many members as possible, first large pieces, then single ones."""
        piece = len(members)
        while piece:
            start = 0
            while start < len(members):
                fewer = members[:start] + members[start + piece :]
                if self.try_(with_(frozenset(fewer))):
                    members = fewer
                else:
                    start += piece
            piece //= 2

    def try_(self, smaller: Case) -> bool:
        """Keep a smaller case if it differs from the truth, too."""
        if self.tries <= 0 or not smaller.only:
            return False
        self.tries -= 1
        with tempfile.TemporaryDirectory() as folder:
            difference, _ = smaller.difference(Path(folder) / "college", self.until)
        if difference is None or difference.kind != (self.kind or difference.kind):
            return False
        self.case, self.until, self.kind = smaller, difference.day, difference.kind
        return True


def report(case: Case) -> str:
    """Describe the smallest college: the first night that differs, the learners, and the files of that week."""
    with tempfile.TemporaryDirectory() as folder:
        difference, simulation = case.difference(Path(folder) / "college")
    lines = [
        f"seed {case.seed}, size {case.size}, {case.flavour}, learners {sorted(case.only)}, troubles: {case.troubles}",
        str(difference or "no difference"),
    ]
    if difference is None:
        return "\n".join(lines)
    for learner in simulation.lived.learners:
        lines.append(
            f"learner {learner.number}, born {learner.born}, {[f'{day} {ref}' for day, ref in learner.references]}"
        )
        lines += [
            f"  enrolled on {one.course.code}, {one.starts} to {one.planned_end}"
            + (f", left {one.left}" if one.left else "")
            for one in learner.enrolments
        ]
        lines += [f"  in group {one.group.code}, {one.begins} to {one.ends}" for one in learner.memberships]
    lines += [
        f"{_name(event.subject)} on {event.day}: " + "; ".join(f"from {since} {said}" for since, said in event.says)
        for event in simulation.lived.events
    ]
    for source, arrived in simulation.files.items():
        for name, content in arrived.items():
            before = simulation.before.get(source, {}).get(name)
            if before not in (None, content):
                lines += ["", f"{name}, the night before", text_of(name, before)]
            lines += ["", name, text_of(name, content)]
    return "\n".join(lines)


def _name(subject: Subject) -> str:
    return f"learner {subject.number}" if isinstance(subject, Learner) else f"everybody on {subject.code}"
