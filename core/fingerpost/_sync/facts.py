"""Gather what the evaluator needs to know about learners, a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from fingerpost._benchmarks.verdicts import Evidence, LearnerFacts, ProgrammeFacts
from fingerpost._config.opened import Opened
from fingerpost._store import schema
from fingerpost._sync.freshness import Freshness, fed
from fingerpost._sync.groups import GroupHomes
from fingerpost._sync.history import OPEN_END, is_or_was
from fingerpost._sync.providers import providers
from fingerpost._words.days import academic_year_bounds, academic_year_of

_ATTRIBUTES = (
    "hours", "via_curriculum", "mode", "organisation", "organisation_id", "provider_type", "sector", "size",
    "meaningful", "stem", "adviser_level",
)  # fmt: skip
_CHECKLIST = len(_ATTRIBUTES)
_STARTS_ON = 5
"""Where an activity's first day stands in a row of `_ACTIVITY_COLUMNS` after the learner."""

_activity, _hold = schema.source_activity, schema.sweep_hold
_ACTIVITY_COLUMNS = (
    _activity.c.connector, _activity.c.key, _activity.c.kind, _activity.c.state, _activity.c.starts_on,
    _activity.c.ends_on, _activity.c.title, _activity.c.event_key, _activity.c.subject,
    *(_activity.c[name] for name in _ATTRIBUTES), _activity.c.checklist,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Feed:
    connector: str
    kinds: frozenset[str]
    areas: frozenset[str]
    freshness: Literal["fresh", "stale"]


class Feeds:
    """Know which kinds of activity are fed, for whom, and which sources are stale."""

    def __init__(self, feeds: Sequence[_Feed]) -> None:
        self._feeds = feeds
        self._by_area = any(feed.areas for feed in feeds)
        self._everybody = self._of(frozenset())

    @property
    def stale(self) -> tuple[str, ...]:
        """Return the names of the stale sources."""
        return tuple(sorted({feed.connector for feed in self._feeds if feed.freshness == "stale"}))

    @property
    def fingerprint(self) -> str:
        """Return as text everything that decides what is fed."""
        return repr([(f.connector, sorted(f.kinds), sorted(f.areas), f.freshness) for f in self._feeds])

    def for_areas(self, areas: Iterable[str | None]) -> Mapping[str, Literal["fresh", "stale"]]:
        """Return what is fed for a learner in these curriculum areas."""
        return self._of(frozenset(area for area in areas if area)) if self._by_area else self._everybody

    def _of(self, areas: frozenset[str]) -> Mapping[str, Literal["fresh", "stale"]]:
        fed: dict[str, Literal["fresh", "stale"]] = {}
        for feed in self._feeds:
            if feed.areas and not feed.areas & areas:
                continue
            for kind in feed.kinds:
                if feed.freshness == "fresh" or kind not in fed:
                    fed[kind] = feed.freshness
        return fed


def read_feeds(connection: sa.Connection, opened: Opened, now: datetime) -> Feeds:
    """Return what the configured sources feed, and which of them are stale as of `now`."""
    config, freshness = opened.config, Freshness(connection, opened, now)
    # A kind that is fed only by a connector that did not load is out of date, not unfed.
    feeds = [_Feed(one.name, frozenset(one.feeds), frozenset(), "stale") for one in config.broken if one.feeds]
    for instance in config.instances:
        settings: Any = instance.config
        for spec in instance.streams:
            kinds = fed(opened, instance, spec)
            if not kinds:
                continue
            is_fresh = freshness.of((instance.name, spec.name)) == "fresh"
            feeds.append(
                _Feed(instance.name, frozenset(kinds), frozenset(settings.areas), "fresh" if is_fresh else "stale")
            )
    return Feeds(feeds)


class Membership(NamedTuple):
    """A learner's membership of a group, by one source: `last` is the last day so far as is known."""

    connector: str
    group: str
    first: str
    last: str | None


class Facts:
    """Gather facts about learners for one pass over them: what does not depend on a learner is read once."""

    def __init__(self, connection: sa.Connection, opened: Opened, now: datetime) -> None:
        self.connection = connection
        self.connectors = opened.store.connector_names(connection)
        self.feeds = read_feeds(connection, opened, now)
        whose = providers(connection, opened.config)
        self._groups = GroupHomes.of_groups(connection, whose)
        self._programmes = GroupHomes.of_programmes(connection, whose)
        self._listed_until = _listed_until(connection)
        count = sa.select(_hold.c.connector, _hold.c.ended_on, sa.func.count()).where(_hold.c.stream == "assignments")
        self._held = sorted(
            map(tuple, connection.execute(count.group_by(_hold.c.connector, _hold.c.ended_on))), key=str
        )

    @property
    def fingerprint(self) -> str:
        """Return as text everything besides the records that decides a learner's facts."""
        homes = f"{self._groups.fingerprint}{self._programmes.fingerprint}"
        return f"{self.feeds.fingerprint}{homes}{sorted(self._listed_until.items())}{self._held or ''}"

    def of(self, batch: Sequence[int]) -> list[LearnerFacts]:
        """Return the facts about the live learners among `batch`, in order of number.

        It takes six queries, however many learners. A group's activity is evidence for those who belonged to the group
        on its first day, for ever; a programme's activity for those enrolled then.
        """
        learner = schema.learner
        people = self.connection.execute(
            sa.select(learner.c.id, learner.c.date_of_birth, learner.c.ehc_plan)
            .where(learner.c.id.in_(batch), learner.c.deleted_run.is_(None))
            .order_by(learner.c.id)
        ).all()
        programmes = _programmes(self.connection, batch)
        evidence = self._evidence(batch, programmes)
        return [
            LearnerFacts(
                learner_id=row.id,
                date_of_birth=_day(row.date_of_birth),
                ehc_plan=row.ehc_plan,
                programmes=programmes.get(row.id, ()),
                evidence=evidence.get(row.id, []),
                fed=self.feeds.for_areas(one.area for one in programmes.get(row.id, ()) if one.is_listed),
            )
            for row in people
        ]

    def _evidence(
        self, batch: Sequence[int], programmes: Mapping[int, Sequence[ProgrammeFacts]]
    ) -> dict[int, list[Evidence]]:
        found: dict[int, list[Evidence]] = {}
        live = _activity.c.deleted_run.is_(None)
        own = sa.select(_activity.c.learner_id, *_ACTIVITY_COLUMNS).where(
            _activity.c.learner_id.in_(batch), _activity.c.subject == "learner", live
        )
        for row in self.connection.execute(own):
            found.setdefault(row[0], []).append(_activity_evidence(row, self.connectors))
        for homes, select in ((self._groups, _of_groups(batch)), (self._programmes, _of_programmes(batch))):
            counted = set()  # two sources may list a learner in one group
            for holder, code, is_open, undated_from, joined, *shared in self.connection.execute(select.where(live)):
                learner, connector, key = shared[:3]
                day = shared[_STARTS_ON]
                if is_open and joined <= self._listed_until.get(holder, OPEN_END) < day:
                    continue
                if undated_from is not None and day < _began(programmes.get(learner, ()), undated_from):
                    continue
                if (learner, connector, key) not in counted and homes.means(connector, code, holder):
                    counted.add((learner, connector, key))
                    evidence = _activity_evidence(shared, self.connectors)
                    evidence.through = code
                    found.setdefault(learner, []).append(evidence)
        _add_destinations(self.connection, batch, self.connectors, found)
        return found

    def memberships(self, learner: int) -> list[Membership]:
        """Return the groups that a learner is or was in, in order of the first day."""
        table = schema.source_assignment
        where = table.c.learner_id == learner, table.c.group.is_not(None), is_or_was(table)
        select = sa.select(table, _hold.c.ended_on.label("held")).outerjoin(_hold, _is_held(table)).where(*where)
        return [
            Membership(self.connectors.get(row.connector, "?"), row.group, row.joined_on, self._until(row))
            for row in self.connection.execute(select.order_by(table.c.joined_on, table.c.group, table.c.key))
        ]

    def _until(self, row: Any) -> str | None:
        ends = [day for day in (row.ends_on, row.held, row.ended_on) if day is not None]
        until = self._listed_until.get(row.connector)
        return min(ends) if ends else until if until is not None and until >= row.joined_on else None


def _listed_until(connection: sa.Connection) -> dict[int, str]:
    """Return the last day of the academic year that each source's list of groups is known to be of."""
    state = schema.stream_state
    select = sa.select(state.c.connector, state.c.year).where(
        state.c.stream == "assignments", state.c.year.is_not(None)
    )
    return {number: academic_year_bounds(year)[1].isoformat() for number, year in connection.execute(select)}


def _of_groups(batch: Sequence[int]) -> sa.Select[*tuple[Any, ...]]:
    """Select the activities of the groups that learners were in on the day.

    Each comes with the source of the membership, the group, whether nothing says when the membership ends, the day from
    which it is taken to run if its source does not say when it began, and the first day.
    """
    member = schema.source_assignment
    is_open = sa.and_(member.c.deleted_run.is_(None), member.c.ends_on.is_(None)).label("is_open")
    undated_from = sa.case((member.c.starts_on.is_(None), member.c.joined_on)).label("undated_from")
    return (
        sa.select(
            member.c.connector, member.c.group, is_open, undated_from, member.c.joined_on, member.c.learner_id,
            *_ACTIVITY_COLUMNS,
        )
        .distinct()
        .join_from(member, _activity, sa.and_(_activity.c.group == member.c.group, _activity.c.group.is_not(None)))
        .outerjoin(_hold, _is_held(member))
        .where(
            member.c.learner_id.in_(batch), is_or_was(member), _activity.c.subject == "group",
            member.c.joined_on <= _activity.c.starts_on,
            sa.or_(member.c.ends_on.is_(None), member.c.ends_on >= _activity.c.starts_on),
            sa.or_(member.c.deleted_run.is_(None), member.c.ended_on >= _activity.c.starts_on),
            sa.or_(_hold.c.ended_on.is_(None), _hold.c.ended_on >= _activity.c.starts_on),
        )
    )  # fmt: skip


def _is_held(member: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that joins a membership to the hold on it: its list no longer has it since that day."""
    return sa.and_(
        _hold.c.connector == member.c.connector, _hold.c.stream == "assignments", _hold.c.row_id == member.c.id
    )


def _began(programmes: Sequence[ProgrammeFacts], day: str) -> str:
    """Return the first day of the studies that went on after a day; empty if none is known."""
    return min((one.starts_on.isoformat() for one in programmes if str(one.actual_end or OPEN_END) >= day), default="")


def _of_programmes(batch: Sequence[int]) -> sa.Select[*tuple[Any, ...]]:
    """Select the activities of the programmes that learners were on that day, in the same way."""
    programme = schema.source_programme
    dated = sa.false().label("is_open"), sa.null().label("undated_from"), programme.c.starts_on
    return (
        sa.select(programme.c.connector, programme.c.code, *dated, programme.c.learner_id, *_ACTIVITY_COLUMNS)
        .distinct()
        .join_from(
            programme, _activity, sa.and_(_activity.c.programme == programme.c.code, _activity.c.programme.is_not(None))
        )
        .where(
            programme.c.learner_id.in_(batch), is_or_was(programme), _activity.c.subject == "programme",
            programme.c.starts_on <= _activity.c.starts_on,
            sa.or_(programme.c.actual_end.is_(None), programme.c.actual_end >= _activity.c.starts_on),
            sa.or_(programme.c.ended_on.is_(None), programme.c.ended_on >= _activity.c.starts_on),
        )
    )  # fmt: skip


def _programmes(connection: sa.Connection, batch: Sequence[int]) -> dict[int, tuple[ProgrammeFacts, ...]]:
    table = schema.source_programme
    found: dict[int, tuple[ProgrammeFacts, ...]] = {}
    for row in connection.execute(
        sa.select(
            table.c.learner_id, table.c.key, table.c.code, table.c.title, table.c.type, table.c.level, table.c.area,
            table.c.starts_on, table.c.planned_end, table.c.actual_end, table.c.status, table.c.ended_on,
        )
        .where(table.c.learner_id.in_(batch), is_or_was(table))
        .order_by(table.c.learner_id, table.c.starts_on, table.c.key)
    ):  # fmt: skip
        number, key, code, title, kind, level, area, starts_on, planned_end, actual_end, status, ended_on = row
        if ended_on is not None:  # no longer listed as going on: it ran until then at the latest
            actual_end = min(day for day in (actual_end, planned_end, ended_on) if day is not None)
        programme = ProgrammeFacts(
            key, title or code, kind, level, area, date.fromisoformat(starts_on), _day(planned_end), _day(actual_end),
            status, is_listed=ended_on is None,
        )  # fmt: skip
        found[number] = (*found.get(number, ()), programme)
    return found


def _activity_evidence(row: Sequence[Any], connectors: Mapping[int, str]) -> Evidence:
    _, number, key, kind, state, starts_on, ends_on, title, event_key, subject, *values = row
    attributes = {name: value for name, value in zip(_ATTRIBUTES, values, strict=False) if value is not None}
    if values[_CHECKLIST] is not None:
        attributes.update(json.loads(values[_CHECKLIST]))
    name = connectors.get(number, "")
    day = date.fromisoformat(starts_on)
    event = event_key and f"{academic_year_of(day)} {event_key}"  # systems number their events anew each year
    return Evidence(f"{name}:{key}", name, kind, state, day, _day(ends_on), title, event, subject, attributes)


def _add_destinations(
    connection: sa.Connection, batch: Sequence[int], connectors: Mapping[int, str], found: dict[int, list[Evidence]]
) -> None:
    table = schema.source_destination
    for row in connection.execute(sa.select(table).where(table.c.learner_id.in_(batch), table.c.deleted_run.is_(None))):
        day = row.collected_on or row.starts_on
        if day is None or row.type in (None, "not_known"):
            continue
        name = connectors.get(row.connector, "")
        found.setdefault(row.learner_id, []).append(
            Evidence(
                f"{name}:{row.key}", name, f"destination_{row.stage}", "attended", date.fromisoformat(day),
                title=row.title or row.type,
            )
        )  # fmt: skip


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
