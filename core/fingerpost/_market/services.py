"""A college's labour market services and their remembered answers, opened when first needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from fingerpost._config.opened import Opened
from fingerpost._market.answers import Answers
from fingerpost._market.market import Market
from fingerpost._words.errors import SourceUnavailable

if TYPE_CHECKING:
    from fingerpost._web.http import Http


class Services:
    """Provide the markets of one college and their remembered answers; `close` closes them all."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self._answers: dict[bool, Answers] = {}
        self._markets: list[Market] = []

    def answers(self, *, offline: bool = False) -> Answers:
        """Return what services said, opened at first use; `offline` no service is asked, however old an answer is."""
        if offline not in self._answers:
            self._answers[offline] = self.open_answers(offline=offline)
        return self._answers[offline]

    def open_answers(
        self,
        *,
        refresh: bool = False,
        offline: bool = False,
        max_wait: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Answers:
        """Open what services said: to ask everything again, or to ask nothing at all.

        `max_wait` is how many seconds a question may wait, with `sleep`, until a service's limit allows it.
        """
        settings = self.opened.config.settings.labour_market
        return Answers(
            settings.cache, clock=self.opened.clock, keep_days=settings.keep_days, refresh=refresh, offline=offline,
            max_wait=max_wait, sleep=sleep,
        )  # fmt: skip

    def market(self, answers: Answers | None = None, *, offline: bool = False) -> Market:
        """Return the enrichers, ready to be asked; `offline` they answer from memory and use no network."""
        enrichers = self.opened.config.enrichers
        contexts = [self.opened.context(instance) for instance in enrichers]
        if offline:
            contexts = [replace(context, make_http=_no_http) for context in contexts]
        market = Market(list(zip(enrichers, contexts, strict=True)), lambda: answers or self.answers(offline=offline))
        self._markets.append(market)
        return market

    def close(self) -> None:
        """Close what services said, and the connections to them."""
        for market in self._markets:
            market.close()
        for answers in self._answers.values():
            answers.close()
        self._markets.clear()
        self._answers.clear()


def _no_http() -> Http:
    raise SourceUnavailable("Services cannot be asked while offline.")
