"""What `fingerpost demo` can show, by the source that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from fingerpost_demo.college import make_college
from fingerpost_demo.people import UKPRN
from fingerpost_demo.prosuite import make_prosuite
from fingerpost_demo.september import NextSeptember, next_september
from fingerpost_demo.terms import AS_OF

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

[[connector]]
type = "promonitor"
name = "promonitor"
url = "sqlite:///{DATABASE}"
feeds = ["employer_encounter", "workplace_experience", "provider_encounter", "guidance_meeting", "lmi_use"]

[connector.tutors]
rule = "offering_staff"
email_domain = "example.ac.uk"

[connector.responses]
acknowledged = ["Seen by tutor"]
snoozed = ["Not now"]

[[connector.screens]]
table = "CareersRecord"
key = "ID"
modified = "LastModifiedDate"
columns = {{ Type = "Information1", Date = "Information2", Hours = "Information3", Organisation = "Information4", \
State = "Information6" }}

[[connector]]
type = "promonitor-writeback"
name = "promonitor-writeback"
url = "sqlite:///{DATABASE}"
write = true
ceiling = 5000
values = {{ CommentTypeID = 4, CommentStaffID = 1 }}
"""


def _make_databases(folder: Path, *, learners: int) -> None:
    """Make the databases first: where that is cut short, no configuration says that they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    make_prosuite(f"sqlite:///{folder / DATABASE}", learners=learners)
    (folder / "fingerpost.toml").write_text(_CONFIG, encoding="utf-8", newline="\n")


class Demonstration(NamedTuple):
    """One demonstration: where and how large it is by default, how its configuration begins, and who makes it.

    `next_september` writes the exports of the following September, where there is such a thing.
    """

    folder: Path
    learners: int
    mark: str
    make: Callable[..., object]
    change: str
    next_september: Callable[[Path], NextSeptember | None] | None = None


DEMONSTRATIONS: Final = {
    "csv": Demonstration(
        Path("fingerpost-demo"), 1200, "# A college that does not exist. ", make_college, "Then edit a file in data",
        next_september,
    ),
    "promonitor": Demonstration(
        Path("fingerpost-demo-promonitor"), 400, "# A college that does not exist, with ProSolution", _make_databases,
        f"Then change a row of {DATABASE}",
    ),
}  # fmt: skip
"""The demonstrations; `make` takes a folder and `learners`, and writes `fingerpost.toml` among the rest."""
