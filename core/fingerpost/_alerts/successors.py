"""Somebody new who may be somebody known with a new surname and address.

Names prove nothing, so nothing is concluded from them but a pause: the newcomer hears nothing in a week in which the
same learners were told of already, and IT is asked. Only `[alerts] same_person` makes two addresses one person.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from fingerpost._alerts.audience import Audience
from fingerpost._config.settings import AlertSettings
from fingerpost._contract.items import Person
from fingerpost._store import schema


class Successor(NamedTuple):
    """A newcomer, and the address in whose place they seem to be."""

    person: Person
    former: str


def likely_successors(
    connection: sa.Connection, alerts: AlertSettings, channel: str, week: str, audiences: Collection[Audience]
) -> list[Successor]:
    """Return the newcomers who share a given name with somebody told this week who is nobody's tutor any more.

    A newcomer was never written to, and has all the learners whom the other was told about.
    """
    present = {audience.person.email for audience in audiences}
    outbox, told, episode = schema.outbox, schema.told, schema.episode
    gone: dict[str, set[int]] = defaultdict(set)
    for recipient, learner in connection.execute(
        sa.select(outbox.c.recipient, episode.c.learner_id)
        .join(told, told.c.outbox_id == outbox.c.id)
        .join(episode, episode.c.gap_key == told.c.gap_key)
        .where(outbox.c.channel == channel, outbox.c.week == week, outbox.c.state.not_in(("failed", "expired")))
        .distinct()
    ):
        if alerts.address_now(recipient) not in present:
            gone[recipient].add(learner)
    if not gone:
        return []
    known = set(connection.scalars(sa.select(outbox.c.recipient).where(outbox.c.channel == channel).distinct()))
    return [
        Successor(audience.person, former)
        for audience in audiences
        if audience.role != "careers_leader" and audience.person.email not in known
        for former, learners in sorted(gone.items())
        if learners <= audience.learners.keys() and _share_a_given_name(audience.person, former)
    ]


def _share_a_given_name(person: Person, former: str) -> bool:
    given = re.match(r"[a-z]{2,}(?=[._-])", former)
    return (
        given is not None
        and re.match(rf"{given[0]}[._-]", person.email) is not None
        and given[0] in re.findall(r"\w+", person.name.casefold())
    )
