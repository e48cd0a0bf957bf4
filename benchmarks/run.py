"""Measure `fingerpost sync` against a bare, tuned SQLite load of the same rows, side by side.

    python benchmarks/run.py --sizes S L --runs 3 --out results

For each size four syncs follow each other on one store: the first; one whose files hold the same rows in other bytes;
one whose files are the same bytes; one in which about one activity in a hundred changed. `raw_sqlite.py` does the same
beside it, the two taking turns in going first. Row counts are checked after each. Compare ratios, never seconds: they
come from one machine, one hour and the same files.

Every program runs as a process of its own, so that CPU time and peak memory are its own. (This one stays small for
that: what a process had mapped when it started another counts towards the other's peak on Linux.)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
MIB = 1024 * 1024
WORK = Path(tempfile.gettempdir()) / "fingerpost-bench"

CONFIG = """\
[college]
name = "Benchmark College"
ukprn = 99999999
as_of = 2026-07-31

[store]
path = "fingerpost.db"

[[connector]]
type = "csv"
name = "learners"
stream = "learners"
path = "data/learners.csv"
mapping = "learners-bench"

[[connector]]
type = "csv"
name = "programmes"
stream = "programmes"
path = "data/learners.csv"
mapping = "programmes-bench"

[[connector]]
type = "csv"
name = "assignments"
stream = "assignments"
path = "data/learners.csv"
mapping = "assignments-bench"

[[connector]]
type = "csv"
name = "careers-log"
stream = "activities"
path = "data/activities.csv"
mapping = "careers-bench"
key = ["activity_id"]
mode = "append"
feeds = [
  "curriculum_link", "employer_encounter", "guidance_meeting", "lmi_use", "provider_encounter", "workplace_experience",
]

[alerts]
careers_leader = "careers@staff.example.ac.uk"
"""


@dataclass(frozen=True)
class Case:
    """One sync: its name and the files that it finds."""

    name: str
    learners: str
    activities: str


FIRST, OTHER_BYTES, SAME_BYTES, CHANGED = CASES = (
    Case("first", "learners.csv", "activities.csv"),
    Case("no change, other bytes", "learners_requoted.csv", "activities_requoted.csv"),
    Case("no change, same bytes", "learners_requoted.csv", "activities_requoted.csv"),
    Case("1 % changed", "learners_requoted.csv", "activities_delta.csv"),
)


@dataclass(frozen=True)
class Cost:
    """What a whole process cost; CPU and peak memory are None if the system does not report them."""

    wall: float
    cpu: float | None
    peak_mib: float | None


@dataclass(frozen=True)
class Result:
    """One measured sync. `seconds` is the time from reading to commit, without evaluation, delivery and start-up."""

    size: str
    run: int
    case: str
    program: str
    seconds: float
    wall: float
    cpu: float | None
    peak_mib: float | None
    phases: dict[str, float]


class Wrong(Exception):  # noqa: N818 - it is said to a person, not caught by a program
    """Report that a program did not do what is measured, so that its time means nothing."""


def measure(command: Sequence[object], log: Path) -> tuple[int, str, Cost]:
    """Run a command; return its exit code, its output and what it cost. Its standard error goes to `log`."""
    with log.open("wb") as errors:
        start = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        with process.stdout as stream:
            output = stream.read().decode("utf-8")
        if not hasattr(os, "wait4"):
            code = process.wait()
            return code, output, Cost(time.perf_counter() - start, None, None)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = code = os.waitstatus_to_exitcode(status)
        unit = MIB if sys.platform == "darwin" else 1024
        return code, output, Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


class Bench:
    """One size on one machine: its files and the folder in which the syncs happen."""

    def __init__(self, size: str, work: Path, fingerpost: Path | None) -> None:
        self.size = size
        self.fingerpost = fingerpost
        self.files = work / size
        self.now = work / "now"
        manifest = self.files / "manifest.json"
        if not manifest.exists():
            subprocess.run(
                [sys.executable, HERE / "generate.py", "--size", size, "--out", self.files],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        self.manifest: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))

    def run(self, number: int) -> Iterable[Result]:
        """Do all four syncs with each program on new stores; the programs take turns at going first."""
        shutil.rmtree(self.now, ignore_errors=True)
        (self.now / "data").mkdir(parents=True)
        shutil.copytree(HERE / "mappings", self.now / "mappings")
        (self.now / "fingerpost.toml").write_text(CONFIG, encoding="utf-8")
        programs: dict[str, Callable[[Case], tuple[float, dict[str, float], Cost]]] = {"raw": self.raw}
        if self.fingerpost:
            programs["fingerpost"] = self.sync
        for turn, case in enumerate(CASES):
            shutil.copyfile(self.files / case.learners, self.now / "data" / "learners.csv")
            shutil.copyfile(self.files / case.activities, self.now / "data" / "activities.csv")
            for name in sorted(programs, reverse=bool((number + turn) % 2)):
                seconds, phases, cost = programs[name](case)
                yield Result(self.size, number, case.name, name, seconds, **asdict(cost), phases=phases)
        shutil.rmtree(self.now)

    def sync(self, case: Case) -> tuple[float, dict[str, float], Cost]:
        """Run Fingerpost's own sync through its command line and check what it says it did."""
        assert self.fingerpost is not None
        command = [self.fingerpost, "--config", self.now / "fingerpost.toml", "sync", "--no-deliver", "--json"]
        said, cost = self._run(command, (0, 4))
        streams = said["streams"]
        done = {
            "records": {stream: said["records"][stream] for stream in self._rows()},
            "new": sum(stream["new"] for stream in streams),
            "changed": sum(stream["changed"] for stream in streams),
            "deleted or rejected": sum(stream["deleted"] + stream["rejected"] for stream in streams),
        }
        first, changed = case is FIRST, self.manifest["changed"] if case is CHANGED else 0
        wanted = {
            "records": self._rows(),
            "new": sum(self._rows().values()) if first else 0,
            "changed": changed,
            "deleted or rejected": 0,
        }
        self._compare("fingerpost", case, done, wanted)
        phases = said["phases"]
        return phases.get("read", 0.0) + phases.get("link", 0.0), phases, cost

    def raw(self, case: Case) -> tuple[float, dict[str, float], Cost]:
        """Run the bare load and check what it wrote."""
        command = [sys.executable, HERE / "raw_sqlite.py", "--data", self.now / "data", "--store", self.now / "raw.db"]
        said, cost = self._run(command, (0,))
        written = sum(self._rows().values()) if case is FIRST else self.manifest["changed"] if case is CHANGED else 0
        self._compare(
            "raw", case, {"rows": said["rows"], "written": said["written"]}, {"rows": self._rows(), "written": written}
        )
        return said["seconds"], {}, cost

    def _rows(self) -> dict[str, int]:
        learners = self.manifest["learners"]
        return {
            "learners": learners,
            "programmes": learners,
            "assignments": learners,
            "activities": self.manifest["activities"],
        }

    def _run(self, command: Sequence[object], good: Sequence[int]) -> tuple[dict[str, Any], Cost]:
        log = self.now / "stderr.log"
        code, output, cost = measure(command, log)
        if code not in good:
            raise Wrong(f"{command[0]} ended with {code}:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        said: dict[str, Any] = json.loads(output)
        return said, cost

    @staticmethod
    def _compare(program: str, case: Case, done: dict[str, Any], wanted: dict[str, Any]) -> None:
        if done != wanted:
            raise Wrong(f"{program}, {case.name}: did {done}, should have done {wanted}")


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median, and the range if there is one."""
    middle = f"{median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


PAIRS = (
    *((f"{case.name}: Fingerpost / raw SQLite", (case, "fingerpost"), (case, "raw")) for case in CASES),
    *((f"{case.name} / first: Fingerpost", (case, "fingerpost"), (FIRST, "fingerpost")) for case in CASES[1:]),
    *((f"{case.name} / first: raw SQLite", (case, "raw"), (FIRST, "raw")) for case in CASES[1:]),
)
"""What is compared with what: a name, and a case and a program for each side."""


def ratios(results: Sequence[Result]) -> list[tuple[str, str, list[float]]]:
    """Return what to compare with a budget: a name, a size and one value a run, of two syncs in the same run."""
    seconds = {(r.size, r.run, r.case, r.program): r.seconds for r in results}
    rounds = sorted({(r.size, r.run) for r in results})
    found: dict[tuple[str, str], list[float]] = {}
    for name, (case, program), (other_case, other_program) in PAIRS:
        for size, run in rounds:
            above = seconds.get((size, run, case.name, program))
            below = seconds.get((size, run, other_case.name, other_program))
            if above is not None and below:
                found.setdefault((name, size), []).append(above / below)
    return [(name, size, values) for (name, size), values in found.items()]


def growth(results: Sequence[Result]) -> list[tuple[str, float]]:
    """Return how many MiB higher each case's peak is for the largest size than for the smallest."""
    sizes = list(dict.fromkeys(r.size for r in results))
    peaks: dict[tuple[str, str, str], list[float]] = {}
    for r in results:
        if r.peak_mib is not None:
            peaks.setdefault((r.program, r.case, r.size), []).append(r.peak_mib)
    return [
        (f"{program}, {case}", median(values) - median(peaks[program, case, sizes[0]]))
        for (program, case, size), values in peaks.items()
        if len(sizes) > 1 and size == sizes[-1] and (program, case, sizes[0]) in peaks
    ]


def markdown(results: Sequence[Result]) -> str:
    """Return the tables for docs/performance.md."""
    lines = [
        "| Size | Sync | Program | n | Read to commit, s | Wall, s | CPU, s | Peak, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for r in results:
        groups.setdefault((r.size, r.case, r.program), []).append(r)
    for key, group in groups.items():
        cpu = [r.cpu for r in group if r.cpu is not None]
        peak = [r.peak_mib for r in group if r.peak_mib is not None]
        cells = (
            *key, str(len(group)), spread([r.seconds for r in group]), spread([r.wall for r in group]),
            spread(cpu) if cpu else "-", spread(peak, 0) if peak else "-",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| Ratio, from reading to commit, paired | Size | Median (range) |", "|---|---|---|"]
    lines += [f"| {name} | {size} | {spread(values, 3)} |" for name, size, values in ratios(results)]
    if grown := growth(results):
        lines += ["", "| Peak of the largest size minus peak of the smallest | MiB |", "|---|---|"]
        lines += [f"| {name} | {mib:.0f} |" for name, mib in grown]
    return "\n".join(lines) + "\n"


def machine() -> dict[str, Any]:
    """Return what a reader needs to know about where this was measured."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def main() -> None:
    """Read the arguments, measure, print the tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=("XS", "S", "L"), default=["S", "L"], help="smallest first")
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured")
    parser.add_argument("--work", type=Path, default=WORK, help=f"a folder on a local disk, 2 GB for L; {WORK}")
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md too")
    parser.add_argument("--fingerpost", type=Path, help="the command to measure; by default the one beside this Python")
    parser.add_argument("--baseline-only", action="store_true", help="measure the bare load alone")
    wish = parser.parse_args()
    beside = shutil.which("fingerpost", path=str(Path(sys.executable).parent))
    command = None if wish.baseline_only else wish.fingerpost or (Path(beside) if beside else None)
    if command is None and not wish.baseline_only:
        parser.error("there is no fingerpost beside this Python: install the project, or name it with --fingerpost")
    results: list[Result] = []
    try:
        for size in wish.sizes:
            bench = Bench(size, wish.work, command)
            for number in range(wish.runs):
                for result in bench.run(number):
                    results.append(result)
                    print(
                        f"{size} run {number + 1}, {result.case}, {result.program}: {result.seconds:.2f} s",
                        file=sys.stderr,
                    )
    except Wrong as wrong:
        sys.exit(str(wrong))
    tables = markdown(results)
    print(tables)
    if wish.out:
        wish.out.parent.mkdir(parents=True, exist_ok=True)
        written = {"machine": machine(), "results": [asdict(result) for result in results]}
        wish.out.with_suffix(".json").write_text(json.dumps(written, indent=2), encoding="utf-8")
        wish.out.with_suffix(".md").write_text(tables, encoding="utf-8")


if __name__ == "__main__":
    main()
