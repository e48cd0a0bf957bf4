"""Let the episodes of a gap follow a learner who was two: what was told of one must not be told again of the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from fingerpost._store import schema
from fingerpost._sync.identities import keyed_as
from fingerpost._sync.judge import gap_key

_episode = schema.episode

Gap: TypeAlias = tuple[str, str, str]


def follow(
    connection: sa.Connection, own: Mapping[str, int], kept_with: Mapping[str, str], goes_to: Mapping[str, str]
) -> None:
    """Move the episodes of identities whose learner has changed.

    `own` gives the learner that an identity itself is, `kept_with` the main identity that it was joined to until now,
    `goes_to` the one that it is joined to from now on. Episodes keep their keys, so that nobody is told of them anew.
    """
    names, told_of = keyed_as(connection), _with_episodes(connection, own.values())
    for identity, main in _both_known(kept_with, own):
        if not told_of.isdisjoint((own[identity], own[main])):
            _return(connection, names(identity), own[main], own[identity])
            _return(connection, names(main), own[identity], own[main])
            told_of.add(own[identity])
    for identity, main in _both_known(goes_to, own):
        if own[identity] in told_of:
            _hand_over(connection, own[identity], own[main])


def _both_known(links: Mapping[str, str], own: Mapping[str, int]) -> list[tuple[str, str]]:
    return sorted((identity, main) for identity, main in links.items() if identity in own and main in own)


def _with_episodes(connection: sa.Connection, learners: Collection[int]) -> set[int]:
    """Return which of these learners have episodes at all: on a first night nobody has."""
    numbers = sorted(set(learners))
    found: set[int] = set()
    for start in range(0, len(numbers), 500):
        some = _episode.c.learner_id.in_(numbers[start : start + 500])
        found.update(connection.scalars(sa.select(_episode.c.learner_id).distinct().where(some)))
    return found


def _return(connection: sa.Connection, name: str, learner: int, home: int) -> None:
    """Give an identity the episodes back that it brought: their keys are made from it."""
    for gap, rows in _by_gap(connection, learner).items():
        ours = {gap_key(name, *gap, number) for number in range(1, 1 + max(row.number for row in rows))}
        _give(connection, [row.gap_key for row in rows if row.gap_key in ours], home)


def _hand_over(connection: sa.Connection, home: int, learner: int) -> None:
    """Give a learner another one's episodes; where both have an open one, that of which more is done stands for both.

    What is done by either is done by the one, so that the person who was told of it is told of no change.
    """
    theirs, done = _by_gap(connection, learner), _done(connection, (home, learner))
    for gap, rows in _by_gap(connection, home).items():
        there = theirs.get(gap, [])
        ours, stands = _open(rows), _open(there)
        if ours is not None and stands is not None:
            if done.get((home, *gap), 0) > done.get((learner, *gap), 0):
                _give(connection, [stands.gap_key], home)
                there.remove(stands)
                ours, stands = stands, ours
            else:
                rows.remove(ours)
            _tell(connection, ours.gap_key, stands.gap_key)
        _give(connection, [row.gap_key for row in rows], learner)
        _renumber(connection, [*there, *rows])


def _open(rows: Sequence[Any]) -> Any:
    return next((row for row in rows if row.closed_on is None), None)


def _done(connection: sa.Connection, learners: Collection[int]) -> dict[tuple[int, str, str, str], int]:
    """Return how much each of these learners had done, by learner and gap, when last judged."""
    table = schema.verdict
    columns = (table.c.learner_id, table.c.framework, table.c.criterion, table.c.period)
    select = sa.select(*columns, table.c.have).where(table.c.learner_id.in_(learners))
    return {(row[0], row[1], row[2], row[3]): row.have for row in connection.execute(select)}


def _give(connection: sa.Connection, keys: Collection[str], learner: int) -> None:
    connection.execute(sa.update(_episode).where(_episode.c.gap_key.in_(keys)).values(learner_id=learner))


def _renumber(connection: sa.Connection, rows: Sequence[Any]) -> None:
    """Give the episodes of one gap numbers in their order, an open one last: it is the last that goes on."""
    ordered = sorted(rows, key=lambda row: (row.closed_on is None, row.opened_run, row.number))
    for number, row in enumerate(ordered, start=1):
        if row.number != number:
            connection.execute(sa.update(_episode).where(_episode.c.gap_key == row.gap_key).values(number=number))


def _tell(connection: sa.Connection, key: str, stands: str) -> None:
    """Let what people were told of one gap hold for another one, unless they were told of that one, too."""
    told, outbox = schema.told, schema.outbox
    who = (outbox.c.channel, outbox.c.recipient)
    select = sa.select(told, *who).join(outbox, outbox.c.id == told.c.outbox_id)
    knows = {(row.channel, row.recipient) for row in connection.execute(select.where(told.c.gap_key == stands))}
    for row in connection.execute(select.where(told.c.gap_key == key)).all():
        if (row.channel, row.recipient) not in knows:
            values = {"outbox_id": row.outbox_id, "content_hash": row.content_hash, "change": row.change}
            connection.execute(sa.insert(told).values(gap_key=stands, **values))


def _by_gap(connection: sa.Connection, learner: int) -> dict[Gap, list[Any]]:
    found: dict[Gap, list[Any]] = defaultdict(list)
    select = sa.select(_episode).where(_episode.c.learner_id == learner).order_by(_episode.c.number)
    for row in connection.execute(select):
        found[row.framework, row.criterion, row.period].append(row)
    return dict(found)
