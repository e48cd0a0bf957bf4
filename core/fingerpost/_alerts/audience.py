"""Who is notified about whom on a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerpost._contract.items import Person


@dataclass(slots=True)
class Audience:
    """One recipient and their learners, each with the group they are in."""

    person: Person
    role: Literal["tutor", "cover", "careers_leader"]
    learners: dict[int, str | None] = field(default_factory=dict)
    # Those among the learners whom nobody tutors: they are here because the person is the careers leader.
    untutored: frozenset[int] = frozenset()


class TutorRow(NamedTuple):
    """Who tutors a learner or a group, by which source."""

    connector: int
    group: str | None
    tutor_name: str | None
    tutor_email: str
    role: str


def allowed(address: str, domains: Sequence[str]) -> bool:
    """Say whether an address may be written to: its domain is on the list, or below one that is."""
    _, _, domain = address.rpartition("@")
    domain = domain.casefold()
    return any(domain == one.casefold() or domain.endswith("." + one.casefold()) for one in domains)
