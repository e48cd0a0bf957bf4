"""The troubles of a real college's files, each of which can be switched on by itself."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Troubles:
    """What is less than ideal about a college and its exports.

    With none of them, learners stay where they are, every row has its dates, and no file ever forgets: what a vendor
    shows at an exhibition. Each trouble takes one of these comforts away.
    """

    # What happens at the college.
    moves: bool = False
    """Some learners change group in the middle of a year."""
    tutor_changes: bool = False
    """Some groups get another tutor in the middle of a year."""
    tutor_renames: bool = False
    """Some tutors get another surname and address."""
    leavers: bool = False
    """Some learners leave in the middle of a year, or do not come back in September."""
    late_starters: bool = False
    """Some learners start in the middle of a year."""
    years_out: bool = False
    """Some learners come back after a whole year elsewhere."""
    breaks: bool = False
    """Some learners take a break in learning."""
    long_summer: bool = False
    """The summer is longer than 62 days: 26 June to 2 September."""

    # How systems name people and groups.
    reused_codes: bool = False
    """The codes of groups are the same every year, with other learners in them."""
    yearly_enrolment: bool = False
    """A two-year programme is enrolled anew each year."""
    new_references: bool = False
    """Some learners get another reference in September, under the same permanent ULN."""
    reused_references: bool = False
    """The reference of a learner who left is given to another person."""
    late_ulns: bool = False
    """Some learners have the temporary ULN for some weeks."""
    duplicates: bool = False
    """Some learners are on record twice for a while, until the two records are merged."""

    # What the files say.
    undated_lists: bool = False
    """The list of tutors has no dates, and holds only what is true today."""
    heads_apart: bool = False
    """An undated list names a group's tutor in a row of its own."""
    this_year_programmes: bool = False
    """The export of programmes holds this year only."""
    this_year_learners: bool = False
    """The export of learners holds only those who are here this year."""
    never_closed: bool = False
    """Nobody enters that a programme is completed: last year's rows say "Current" until they are gone."""
    log_this_year: bool = False
    """The careers log is overwritten each September."""
    log_restarts: bool = False
    """The numbers of the careers log start again from 1 each September."""
    log_file_a_year: bool = False
    """The careers log is a file a year, all of which stay in the folder."""
    late_lists: bool = False
    """In September, last year's list of tutors still lies there for two weeks."""
    late_files: bool = False
    """Now and then a file arrives a week late."""
    late_confirmation: bool = False
    """In September, nobody confirms what the sweep holds for three weeks."""
    corrections: bool = False
    """Some rows of the careers log are corrected afterwards."""

    @classmethod
    def every(cls) -> Troubles:
        return cls(**dict.fromkeys(NAMES, True))

    @classmethod
    def only(cls, *names: str) -> Troubles:
        """Switch on some troubles, and those without which they could not show."""
        wanted = set(names)
        for name in names:
            wanted.update(_NEEDS.get(name, ()))
        return cls(**dict.fromkeys(wanted, True))

    @classmethod
    def some(cls, chance: random.Random) -> Troubles:
        """Switch on most troubles, each by a throw of the dice."""
        return cls.only(*(name for name in NAMES if chance.random() < 0.6))

    def without(self, name: str) -> Troubles:
        return dataclasses.replace(self, **{name: False})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in NAMES if getattr(self, name))

    def __str__(self) -> str:
        return ", ".join(self.names) or "none"


NAMES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Troubles))

_NEEDS: dict[str, Collection[str]] = {
    "heads_apart": ["undated_lists"],
    "late_lists": ["undated_lists"],
    "late_confirmation": ["undated_lists"],
    "never_closed": ["this_year_programmes"],
    "log_restarts": ["log_this_year"],
    "reused_references": ["leavers", "this_year_learners"],
}
"""What a trouble can only show together with. A log that restarts is overwritten, unless it is a file a year."""
