"""What `fingerpost demo` can show, by the source that it reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from fingerpost_demo.college import make_college
from fingerpost_demo.people import AS_OF, UKPRN
from fingerpost_demo.prosuite import CONNECTOR, WRITEBACK, make_prosuite

if TYPE_CHECKING:
    from collections.abc import Callable

DATABASE: Final = "prosuite.db"
"""The file that holds ProSolution and ProMonitor, beside the configuration."""

_CONFIG: Final = f"""\
# A college that does not exist, with ProSolution and ProMonitor in the file {DATABASE}.
# Look at everything, change anything, then run: fingerpost sync

[college]
name = "Example College"
ukprn = {UKPRN}
as_of = {AS_OF} # the day this college is looked at; leave it out to look at today

[alerts]
careers_leader = "careers@example.ac.uk"
allowed_domains = ["example.ac.uk"]
learner_page = "https://promonitor.example.ac.uk/ilp/information/details.aspx?pmstudentid={{token}}"
"""


def _make_databases(folder: Path, *, learners: int) -> None:
    """Make the databases first: where that is cut short, no configuration says that they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    make_prosuite(f"sqlite:///{folder / DATABASE}", learners=learners)
    connectors = [text.replace("{url}", f"sqlite:///{DATABASE}") for text in (CONNECTOR, WRITEBACK)]
    (folder / "fingerpost.toml").write_text("\n".join((_CONFIG, *connectors)), encoding="utf-8", newline="\n")


class Demonstration(NamedTuple):
    """One demonstration: where and how large it is by default, how its configuration begins, and who makes it."""

    folder: Path
    learners: int
    mark: str
    make: Callable[..., object]
    change: str


DEMONSTRATIONS: Final = {
    "csv": Demonstration(
        Path("fingerpost-demo"), 1200, "# A college that does not exist. ", make_college, "Then edit a file in data"
    ),
    "promonitor": Demonstration(
        Path("fingerpost-demo-promonitor"), 400, "# A college that does not exist, with ProSolution", _make_databases,
        f"Then change a row of {DATABASE}",
    ),
}  # fmt: skip
"""The demonstrations; `make` takes a folder and `learners`, and writes `fingerpost.toml` among the rest."""
