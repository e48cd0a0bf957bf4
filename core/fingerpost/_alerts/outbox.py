"""Deliver what is waiting in the outbox, so that nothing is lost and nothing arrives twice.

A payload is claimed before it is sent, and its frozen bytes never change. One left claimed by an interrupted run, or
without a clear answer, is *unknown*: if the channel can look for it, it does; otherwise the same bytes are sent again,
once; failing that it expires, and the next digest includes what it said.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from fingerpost._alerts.audience import allowed
from fingerpost._alerts.digests import ADDRESS_NOT_ALLOWED, MAY_HAVE_ARRIVED
from fingerpost._alerts.pages import EDITED, NO_PAGE
from fingerpost._contract.items import Payload, Receipt
from fingerpost._plugins.context import HookContext
from fingerpost._plugins.instance import Instance
from fingerpost._store import schema
from fingerpost._sync.failpoints import hit
from fingerpost._sync.run import Run
from fingerpost._words.days import utc_text
from fingerpost._words.errors import AuthError, ConfigError, FingerpostError

BATCH = 20
"""Payloads claimed together: after a kill, at most this many are unknown."""

RESEND_AFTER = timedelta(minutes=15)
"""How long to wait before the same bytes are sent once more after an unknown outcome."""

_outbox = schema.outbox


def recover(run: Run, channels: Sequence[tuple[Instance, HookContext]]) -> None:
    """Settle what earlier runs left in the outbox, before anything new is planned.

    A person whose digest is dropped may need a new one, so this comes first. Reconciling comes before dropping: what is
    found has been delivered, however old it is.
    """
    with run.unit.transaction() as connection:
        # Claimed by an interrupted run: it may have been sent, and under the lock nobody is sending it now.
        connection.execute(
            sa.update(_outbox).where(_outbox.c.state == "sending").values(state="unknown", detail="interrupted")
        )
    for channel, context in channels:
        _settle_unknown(run, channel, context)
    _expire(run)


def deliver(run: Run, channel: Instance, context: HookContext) -> None:
    """Deliver what is waiting for one channel, items up to its ceiling; the next run retries what is put off."""
    settings: Any = channel.config
    left = sys.maxsize
    if channel.accepts == "digest":
        _check_addresses(run, channel)
    elif settings.write:
        left = settings.ceiling  # it may have been lowered since these were planned
    else:
        return  # it was switched off: what is still waiting expires
    last = 0
    while left and (claimed := _claim(run, channel, last, min(BATCH, left))):
        goes_on = _hand_over(run, channel, context, claimed)
        last, left = max(claimed), left - len(claimed)
        if not goes_on or _all_put_off(run, claimed):
            break  # the channel is down: the rest would get the same answer


def _check_addresses(run: Run, channel: Instance) -> None:
    """Hold digests whose address is not allowed, and release those whose address now is."""
    waiting = (_outbox.c.id, _outbox.c.recipient, _outbox.c.state)
    with run.unit.transaction() as connection:
        rows = connection.execute(
            sa.select(*waiting).where(
                _outbox.c.channel == channel.name,
                sa.or_(
                    _outbox.c.state == "pending",
                    sa.and_(_outbox.c.state == "held", _outbox.c.detail == ADDRESS_NOT_ALLOWED),
                ),
            )
        ).all()
    for row in rows:
        if allowed(row.recipient, run.config.allowed_domains):
            if row.state == "held":
                _set(run, row.id, state="pending", detail=None)
        elif row.state == "pending":
            _set(run, row.id, state="held", detail=ADDRESS_NOT_ALLOWED)


def _expire(run: Run) -> None:
    """Drop what is too old to be true, even for a removed channel: the next digest includes what it said.

    What was planned by a clock that was ahead of us was never true.
    """
    limit = run.now - timedelta(hours=run.config.settings.alerts.max_age_hours)
    planned = _outbox.c.planned_at
    with run.unit.transaction() as connection:
        expired = connection.execute(
            sa.update(_outbox)
            .where(
                _outbox.c.state.in_(("pending", "unknown", "held")),
                sa.or_(planned < utc_text(limit), planned > run.now_text),
            )
            .values(
                state="expired", content=None, settled_at=run.now_text,
                detail=sa.case((_outbox.c.state == "unknown", MAY_HAVE_ARRIVED), else_=_outbox.c.detail),
            )
        ).rowcount  # fmt: skip
    if expired:
        run.log.warning("digests_expired", count=expired)


def _settle_unknown(run: Run, channel: Instance, context: HookContext) -> None:
    """Look for what may have been delivered; send again, once, what cannot be traced."""
    with run.unit.transaction() as connection:
        rows = connection.execute(
            sa.select(_outbox).where(_outbox.c.channel == channel.name, _outbox.c.state == "unknown")
        ).all()
    if not rows:
        return
    answers: dict[str, Receipt] = {}
    if channel.has("reconcile"):
        try:
            answers = {answer.key: answer for answer in channel.reconcile([_payload(row) for row in rows], context)}
        except FingerpostError as error:
            run.log.warning("reconcile_failed", channel=channel.name, message=error.message)
    for row in rows:
        answer = answers.get(row.key)
        status = answer.status if answer is not None else "unknown"
        if answer is not None and status in ("sent", "permanent"):
            _settle(run, row, answer)
        elif status == "temporary" or (row.attempts < 2 and _rested(row, run.now)):
            _set(run, row.id, state="pending", detail=f"again after {row.detail}")


def _rested(row: Any, now: datetime) -> bool:
    return row.attempted_at is None or now - datetime.fromisoformat(row.attempted_at) >= RESEND_AFTER


def _claim(run: Run, channel: Instance, last: int, most: int) -> dict[int, Any]:
    """Take the next payloads, and record that in the store before anything is sent."""
    with run.unit.transaction() as connection:
        rows = connection.execute(
            sa.select(_outbox)
            .where(_outbox.c.channel == channel.name, _outbox.c.state == "pending", _outbox.c.id > last)
            .order_by(_outbox.c.id)
            .limit(most)
        ).all()
        if rows:
            connection.execute(
                sa.update(_outbox)
                .where(_outbox.c.id.in_([row.id for row in rows]))
                .values(state="sending", attempts=_outbox.c.attempts + 1, attempted_at=run.now_text)
            )
    hit("claim_committed")
    return {row.id: row for row in rows}


def _hand_over(run: Run, channel: Instance, context: HookContext, claimed: dict[int, Any]) -> bool:
    """Deliver what was claimed; return whether to go on, or stop until a person has acted."""
    goes_on = True
    rows = {row.key: row for row in claimed.values()}
    try:
        for receipt in channel.deliver([_payload(row) for row in claimed.values()], context):
            hit("delivered")
            row = rows.pop(receipt.key, None)
            if row is not None:
                _settle(run, row, receipt)
                hit("receipt_committed")
                run.progress.advance(1)
    except FingerpostError as error:
        run.report.say(f"Channel {channel.name}: {error.message}")
        run.log.error("delivery_failed", channel=channel.name, message=error.message)
        goes_on = not isinstance(error, AuthError | ConfigError)
    except Exception as error:
        run.report.messages.append(f"Channel {channel.name} crashed while delivering ({type(error).__name__}).")
        run.log.error("delivery_broke", channel=channel.name, error=type(error).__name__)
        run.log.debug("delivery_broke_details", exc_info=True)
    for row in rows.values():
        _set(run, row.id, state="unknown", detail="no_receipt")
    return goes_on


def _settle(run: Run, row: Any, receipt: Receipt) -> None:
    """Record the outcome for one payload; its bytes are no longer needed once it is delivered."""
    number = row.id
    _count(run, row.item, receipt)
    if receipt.status == "sent":
        _set(run, number, state="sent", content=None, external_ref=receipt.external_ref, settled_at=run.now_text,
             detail=None)  # fmt: skip
    elif receipt.status == "permanent":
        _set(run, number, state="failed", content=None, settled_at=run.now_text, detail=receipt.detail)
    elif receipt.status == "temporary":
        # It was certainly not sent: only attempts that may have reached somebody count.
        _set(run, number, state="pending", attempts=_outbox.c.attempts - 1, detail=receipt.detail)
    else:
        _set(run, number, state="unknown", detail=receipt.detail)


def _count(run: Run, item: str, receipt: Receipt) -> None:
    """Count what is settled; an item edited by a tutor, or for a learner who is not in the ILP, is not a failure."""
    digests, items = run.report.digests, run.report.items
    if receipt.status == "sent":
        if item == "digest":
            digests.sent += 1
        else:
            items.written += 1
    elif receipt.status == "permanent":
        if item == "digest":
            digests.failed += 1
        elif receipt.detail == EDITED:
            items.edited += 1
        elif receipt.detail == NO_PAGE:
            items.no_page += 1
        else:
            items.failed += 1


def _set(run: Run, number: int, **values: Any) -> None:
    with run.unit.transaction() as connection:
        connection.execute(sa.update(_outbox).where(_outbox.c.id == number).values(**values))


def _all_put_off(run: Run, claimed: dict[int, Any]) -> bool:
    with run.unit.transaction() as connection:
        found = set(connection.scalars(sa.select(_outbox.c.state).where(_outbox.c.id.in_(claimed))))
    return found == {"pending"}


def count_waiting(run: Run) -> None:
    """Count what is waiting in the outbox, from this run and earlier ones."""
    with run.unit.transaction() as connection:
        counts: Counter[tuple[str, str]] = Counter()
        for item, state, count in connection.execute(
            sa.select(_outbox.c.item, _outbox.c.state, sa.func.count())
            .where(_outbox.c.state.in_(("pending", "held", "unknown")))
            .group_by(_outbox.c.item, _outbox.c.state)
        ):
            counts[item, state] = count
    digests, items = run.report.digests, run.report.items
    digests.deferred, digests.held = counts["digest", "pending"], counts["digest", "held"]
    digests.unknown = counts["digest", "unknown"]
    items.deferred, items.unknown = counts["gap_item", "pending"], counts["gap_item", "unknown"]


def _payload(row: Any) -> Payload:
    return Payload(
        key=row.key, recipient=row.recipient, content=row.content, content_type=row.content_type,
        message_id=row.message_id, subject=row.subject,
    )  # fmt: skip
