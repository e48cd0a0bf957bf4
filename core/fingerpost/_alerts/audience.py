"""Who is notified about whom on a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

import sqlalchemy as sa

from fingerpost._config.opened import Opened
from fingerpost._contract.items import Person
from fingerpost._store import schema
from fingerpost._sync.groups import GroupHomes
from fingerpost._sync.providers import providers
from fingerpost._words.days import academic_year_bounds, academic_year_of, iso_week


@dataclass(slots=True)
class Audience:
    """One recipient and their learners, each with the group they are in."""

    person: Person
    role: Literal["tutor", "cover", "careers_leader"]
    learners: dict[int, str | None] = field(default_factory=dict)
    # Learners without a tutor: they are here because the person is the careers leader.
    untutored: frozenset[int] = frozenset()
    # Tutors who cannot be reached: the person is told about their learners, as the careers leader.
    unreachable: tuple[Person, ...] = ()


class TutorRow(NamedTuple):
    """Who tutors a learner or a group, and which source says so; `is_held` if its newest list no longer does."""

    connector: int
    group: str | None
    tutor_name: str | None
    tutor_email: str
    role: str
    is_held: bool


def _of_last_year(year: str) -> sa.Select[int]:
    """Select the rows whose removal is held because a list that is this year's no longer has them."""
    hold, state = schema.sweep_hold, schema.stream_state
    of_it = sa.and_(state.c.connector == hold.c.connector, state.c.stream == hold.c.stream)
    begins = academic_year_bounds(year)[0].isoformat()
    where = hold.c.stream == "assignments", state.c.year >= year, hold.c.ended_on < begins
    return sa.select(hold.c.row_id).join(state, of_it).where(*where)


def allowed(address: str, domains: Sequence[str]) -> bool:
    """Say whether messages may go to an address: its domain, or one above it, is on the list."""
    _, _, domain = address.rpartition("@")
    domain = domain.casefold()
    return any(domain == one.casefold() or domain.endswith("." + one.casefold()) for one in domains)


def refused_addresses(connection: sa.Connection, channel: str, before: str | None = None) -> dict[str, str]:
    """Return the addresses where the last settled digest of a channel was refused, each with the reason.

    With `before`, only those refused in an earlier week than that one.
    """
    table = schema.outbox
    last = (
        sa.select(sa.func.max(table.c.id))
        .where(table.c.channel == channel, table.c.item == "digest", table.c.state.in_(("sent", "failed")))
        .group_by(table.c.recipient)
    )
    if before is not None:
        last = last.where(table.c.week < before)
    rows = connection.execute(
        sa.select(table.c.recipient, table.c.detail).where(table.c.id.in_(last), table.c.state == "failed")
    )
    return {row.recipient: row.detail or "" for row in rows}


class Audiences:
    """Decide who is notified about whom on a day."""

    def __init__(self, connection: sa.Connection, opened: Opened, as_of: date) -> None:
        self.connection = connection
        self.config = opened.config
        self.as_of = as_of
        self._names = opened.store.connector_names(connection)
        self._homes = GroupHomes.of_groups(connection, providers(connection, opened.config))
        alerts = self.config.settings.alerts
        self.leader = (
            Person(alerts.careers_leader_name, alerts.address_now(alerts.careers_leader))
            if alerts.careers_leader
            else None
        )
        self._address_now = alerts.address_now

    def __iter__(self) -> Iterator[Audience]:
        """Yield every recipient with their learners on the day, in order of address.

        For each learner the most trusted source with a tutor decides. While somebody covers, the digest goes to them.
        Learners without a tutor go to the careers leader, who gets a single message even if they tutor too. Addresses
        that differ only in case belong to one person, as do those that the college says are the same person's.
        """
        found: dict[str, Audience] = {}
        owned: set[int] = set()
        for learner, group, people in self._tutors():
            owned.add(learner)
            for person, role in people:
                audience = found.setdefault(person.email, Audience(person, role))
                audience.learners[learner] = group
        rest = frozenset(self._live_learners()) - owned if self.leader is not None else frozenset()
        if self.leader is not None and rest:
            audience = found.setdefault(self.leader.email, Audience(self.leader, "careers_leader"))
            audience.learners.update(dict.fromkeys(sorted(rest)))
            audience.untutored = rest
        for address in sorted(found):
            yield found[address]

    def to_notify(self, channel: str) -> list[Audience]:
        """Return every recipient on a channel; what a tutor who cannot be reached would be told, the leader is too.

        That is so from the week after the refusal, and for learners whom nobody else is told about. The tutor remains a
        recipient: a digest a week finds out whether the address works again.
        """
        everybody = {audience.person.email: audience for audience in self}
        leader = self.leader
        refused = self._refused_for_weeks(channel) & everybody.keys()
        reached = {number for email in everybody.keys() - refused for number in everybody[email].learners}
        for email in sorted(refused):
            tutor = everybody[email]
            lost = [number for number in tutor.learners if number not in reached]
            if leader is None or not lost or email == leader.email:
                continue
            audience = everybody.setdefault(leader.email, Audience(leader, "careers_leader"))
            audience.unreachable += (tutor.person,)
            said = f"tutor {tutor.person.name} cannot be reached"
            for number in lost:
                audience.learners[number] = ", ".join(filter(None, (tutor.learners[number], said)))
        return [everybody[email] for email in sorted(everybody)]

    def _refused_for_weeks(self, channel: str) -> frozenset[str]:
        """Return the addresses that are refused now, and were in an earlier week."""
        now = refused_addresses(self.connection, channel)
        return frozenset(now.keys() & refused_addresses(self.connection, channel, before=iso_week(self.as_of)).keys())

    def enrolled(self) -> frozenset[int]:
        """Return the learners who are on a programme on the day; one that goes on beyond its planned end still is."""
        table, today = schema.source_programme, self.as_of.isoformat()
        return frozenset(
            self.connection.scalars(
                sa.select(table.c.learner_id).where(
                    table.c.deleted_run.is_(None),
                    table.c.learner_id.is_not(None),
                    table.c.starts_on <= today,
                    sa.or_(table.c.actual_end.is_(None), table.c.actual_end >= today),
                    sa.or_(table.c.ended_on.is_(None), table.c.ended_on >= today),
                    sa.or_(table.c.planned_end.is_(None), table.c.planned_end >= today, table.c.status == "continuing"),
                )
            )
        )

    def _live_learners(self) -> list[int]:
        learner = schema.learner
        return list(
            self.connection.scalars(
                sa.select(learner.c.id).where(learner.c.deleted_run.is_(None)).order_by(learner.c.id)
            )
        )

    def _tutors(self) -> Iterator[tuple[int, str | None, list[tuple[Person, Literal["tutor", "cover"]]]]]:
        """Yield, for each learner with a tutor, the group and who is notified about them today."""
        rank = self._tutor_rank()
        by_group: dict[str | None, list[TutorRow]] = defaultdict(list)
        years = self._years_of_lists()
        table = schema.source_assignment
        today = self.as_of.isoformat()
        current = sa.and_(
            table.c.deleted_run.is_(None),
            table.c.role != "careers_leader",
            sa.or_(table.c.starts_on.is_(None), table.c.starts_on <= today),
            sa.or_(table.c.ends_on.is_(None), table.c.ends_on >= today),
            table.c.id.not_in(_of_last_year(academic_year_of(self.as_of))),
        )
        hold = schema.sweep_hold
        held = sa.select(hold.c.row_id).where(hold.c.stream == "assignments")
        is_held = table.c.id.in_(held).label("is_held")
        select = sa.select(
            table.c.learner_id, table.c.connector, table.c.group, table.c.tutor_name, table.c.tutor_email, table.c.role,
            is_held,
        ).where(current)  # fmt: skip
        heads_of_groups = select.where(table.c.identity.is_(None), table.c.tutor_email.is_not(None))
        for row in self.connection.execute(heads_of_groups.order_by(table.c.key)):
            by_group[row.group].append(TutorRow(*row[1:]))
        rows: list[TutorRow] = []
        learner: int | None = None
        ordered = select.where(table.c.learner_id.is_not(None)).order_by(table.c.learner_id, table.c.key)
        for row in self.connection.execute(ordered.execution_options(yield_per=5_000)):
            if row.learner_id != learner:
                if learner is not None and rows:
                    yield (learner, *self._tutors_of(rows, rank))
                rows, learner = [], row.learner_id
            if row.tutor_email is not None:
                rows.append(TutorRow(*row[1:]))
                continue
            rows += (
                head._replace(is_held=head.is_held or row.is_held)
                for head in by_group.get(row.group, ())
                if self._homes.means(head.connector, row.group, row.connector)
                and years.get(head.connector, "")
                <= years.get(row.connector, "9")  # not this year's of last year's group
            )
        if learner is not None and rows:
            yield (learner, *self._tutors_of(rows, rank))

    def _years_of_lists(self) -> dict[int, str]:
        """Return the academic year that each source's list is known to be of."""
        state = schema.stream_state.c
        lists = sa.select(state.connector, state.year).where(state.stream == "assignments", state.year.is_not(None))
        return dict(self.connection.execute(lists).all())

    def _tutors_of(
        self, rows: Sequence[TutorRow], rank: Mapping[int, tuple[int, int]]
    ) -> tuple[str | None, list[tuple[Person, Literal["tutor", "cover"]]]]:
        """Return one learner's group and who is notified: those whom the most trusted source gives for either.

        What a source's newest list lacks counts only for a learner whom that list gives nobody: it may be broken.
        """
        best = min(rank[row.connector] for row in rows)
        trusted = [row for row in rows if rank[row.connector] == best]
        trusted = [row for row in trusted if not row.is_held] or trusted
        role: Literal["tutor", "cover"] = "cover" if any(row.role == "cover" for row in trusted) else "tutor"
        people = {
            address: Person(row.tutor_name or row.tutor_email, address)
            for row, address in ((row, self._address_now(row.tutor_email)) for row in trusted if row.role == role)
        }
        group = next((row.group for row in trusted if row.group), None)
        return group, [(person, role) for person in people.values()]

    def _tutor_rank(self) -> dict[int, tuple[int, int]]:
        order = self.config.settings.precedence.get("tutor", ())
        return {
            number: (0, order.index(name)) if name in order else (1, self.config.rank(name))
            for number, name in self._names.items()
        }
