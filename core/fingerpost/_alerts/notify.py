"""Notify people at the end of a run: settle what is waiting, plan what is news, and deliver it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from fingerpost._alerts.digests import Planner, plan
from fingerpost._alerts.outbox import count_waiting, deliver, recover
from fingerpost._alerts.pages import plan_items
from fingerpost._market.in_mind import InMind
from fingerpost._sync.run import Run, SyncOptions


def notify(run: Run, options: SyncOptions, occupations: Mapping[InMind, str]) -> None:
    """Plan what every channel sends, and deliver it if this run may."""
    delivers = options.deliver and not options.dry_run
    with contextlib.ExitStack() as stack:
        channels = [
            (channel, stack.enter_context(contextlib.closing(run.context(channel)))) for channel in run.config.channels
        ]
        with run.phase("plan"):
            if delivers:
                recover(run, channels)
            for channel, context in channels:
                with run.unit.transaction() as connection:
                    planner = Planner(connection, run.opened, run.as_of, run.now, occupations)
                plans = plan if channel.accepts == "digest" else plan_items
                plans(run, planner, channel, context)
        with run.phase("deliver"):
            for channel, context in channels if delivers else ():
                deliver(run, channel, context)
            if not options.dry_run:  # what a dry run planned is not kept
                count_waiting(run)
