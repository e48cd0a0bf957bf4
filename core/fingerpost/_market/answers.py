"""Ask services about occupations, each no more often than it allows, and remember what they said.

All threads and processes together ask a service each question once within its time to live. When it is down or gone,
or no longer has what it had, its last answer is served with its date.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple

from fingerpost._contract.facts import Reply
from fingerpost._market.cache import DAY, Answer, Cache
from fingerpost._words.errors import AuthError, ConfigError, ContractError, RateLimited, SourceUnavailable
from fingerpost._words.faults import unknown

KEEP_DAYS: Final[Mapping[str, int]] = {
    "codes": 180,  # code lists and filters change with an edition of a classification
    "occupation": 365,  # titles and tasks change with the classification itself, every ten years
    "pay": 90, "hours": 90, "annual_change": 90, "employment": 90, "replacement": 90, "unemployment": 90,
    "shortage": 90,  # published once a year: new figures arrive within a term
    "skill": 180, "course": 180,  # revised once or twice a year
    "vacancy": 1,  # an advert may close on any day
    "profile": 30,  # edited by hand all year round
}  # fmt: skip
"""Days after which each kind of answer is asked for again, unless ``[labour_market] keep_days`` says otherwise."""

NOTHING_DAYS: Final = 7
"""Days after which a service that had nothing is asked again, however long the kind is kept.

A service that is being rebuilt may have nothing for an afternoon, which must not be believed for a year.
"""

REST_SECONDS: Final = 600.0
"""How long a service is left alone after failing to answer twice in a row.

A single failure may be due to the question: that one is not asked again, but all others are.
"""

REST_LIMITED_SECONDS: Final = 300.0
"""How long a service that asked us to slow down is left alone if it did not say for how long."""

SAME_QUESTION_SECONDS: Final = 120.0
"""How long to wait for another thread's or process's answer to the same question.

If a call takes longer, a waiting caller may make it again, and it is counted again.
"""


class _Question(NamedTuple):
    service: str
    key: str
    kind: str
    limit: tuple[int, float] | None
    remember: bool


@dataclass(eq=False, repr=False)
class Answers(Cache):
    """The remembered answers of all services of one college: the `Reference` that enrichers are given.

    `keep_days` overrides `KEEP_DAYS`, kind by kind; 0 always asks. `offline` never asks; `refresh` asks once for
    everything that is fetched, however fresh. `max_wait` is how many seconds a call may wait, with `sleep`, until a
    service's limit allows it. Raises `ConfigError` as `Cache` does, and if `keep_days` names a kind that does not
    exist.

    Several threads may use it, and several processes its file. `asked` counts this process's calls to each service;
    `failures` holds the first thing that went wrong with each service in this process: ``unavailable``,
    ``rate_limited`` or ``auth``. `met` counts the questions that ran into each of the three.
    """

    _: KW_ONLY
    keep_days: Mapping[str, int] = field(default_factory=dict)
    offline: bool = False
    refresh: bool = False
    max_wait: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    asked: Counter[str] = field(default_factory=Counter, init=False)
    failures: dict[str, str] = field(default_factory=dict, init=False)
    met: Counter[str] = field(default_factory=Counter, init=False)
    _renewed: set[tuple[str, str]] = field(default_factory=set, init=False)
    _refused: dict[str, str] = field(default_factory=dict, init=False)
    _failed: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    _faltering: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        for kind, days in self.keep_days.items():
            if kind not in KEEP_DAYS:
                raise ConfigError(unknown("[labour_market] keep_days", "kind", kind, KEEP_DAYS))
            if not 0 <= days <= 36_500:
                raise ConfigError(f"[labour_market] keep_days: {kind} needs a number of days from 0 to 36500.")
        super().__post_init__()

    # Asking

    def fetch(
        self, service: str, key: str, kind: str, ask: Callable[[], Any], *, limit: tuple[int, float] | None = None,
        remember: bool = True,
    ) -> Reply:  # fmt: skip
        """Return what a service says to a question, as `Reference.fetch` describes it."""
        if kind not in KEEP_DAYS:
            raise ContractError(f"{service} asks for the kind of fact '{kind}', which does not exist.")
        if limit is not None and not (limit[0] >= 1 and 0 < limit[1] < DAY):
            raise ContractError(f"{service} sets a limit that is not a number of calls and seconds of up to a day.")
        if not remember:
            key = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        question = _Question(service, key, kind, limit, remember)
        answer = self.find(service, key)
        if answer is not None and (self.offline or self._is_fresh(question, answer)):
            return answer.reply(stale=self.offline and self._is_old(answer, kind))
        if self.offline:
            raise SourceUnavailable(f"{service} cannot be asked now, and has not been asked this question before.")
        try:
            return self._ask_in_turn(question, answer, ask).reply()
        except (AuthError, SourceUnavailable) as error:
            with self._lock:
                self.failures.setdefault(service, _code(error))
                self.met[_code(error)] += 1
            answer = self.find(service, key)
            if answer is None:
                raise
            return answer.reply(stale=True)

    def _ask_in_turn(self, question: _Question, before: Answer | None, ask: Callable[[], Any]) -> Answer:
        """Ask when it is our turn, or take the answer that another thread or process got in the meantime."""
        service, key = question.service, question.key
        waited = 0.0
        while True:
            with self.alone(service, key, SAME_QUESTION_SECONDS):
                answer = self.find(service, key)
                if answer is not None and (answer != before or self._is_fresh(question, answer)):
                    return answer
                self._refuse(question)
                wait, call = self.count_call(service, question.limit)
                if not wait:
                    return self._ask(question, call, ask)
            if waited + wait > self.max_wait:
                raise RateLimited(
                    f"The request limit of {service} is used up; it can be asked again in {math.ceil(wait)} seconds.",
                    retry_after=wait,
                )  # fmt: skip
            waited += wait
            self.sleep(wait)

    def _ask(self, question: _Question, call: int | None, ask: Callable[[], Any]) -> Answer:
        service, key = question.service, question.key
        with self._lock:
            self.asked[service] += 1
        try:
            text = _as_json(service, ask())
        except (AuthError, SourceUnavailable) as error:
            self._note_failure(question, error)
            raise
        finally:
            if call is not None:
                self.end_call(call)
        self._faltering.discard(service)
        self.end_rest(service)
        answer = Answer(question.kind, text, self._now())
        if question.remember:
            answer = self.keep(service, key, answer)
            self._renewed.add((service, key))
        return answer

    def _note_failure(self, question: _Question, error: AuthError | SourceUnavailable) -> None:
        service = question.service
        if isinstance(error, AuthError):
            self._refused[service] = error.message
        elif isinstance(error, RateLimited):
            asked_for = REST_LIMITED_SECONDS if error.retry_after is None else error.retry_after
            self.begin_rest(service, _code(error), min(max(asked_for, 0.0), DAY))
        else:
            self._failed[service, question.key] = error.message
            if service in self._faltering:
                self.begin_rest(service, _code(error), REST_SECONDS)
            self._faltering.add(service)

    def _refuse(self, question: _Question) -> None:
        """Raise if the service is being left alone, or the question failed before."""
        service = question.service
        if service in self._refused:
            raise AuthError(self._refused[service])
        code, left = self.rest(service) or ("", 0.0)
        if code == "rate_limited":
            message = f"{service} asked us to slow down just now; it will be left alone for {_minutes(left)}."
            raise RateLimited(message, retry_after=left)
        if code:
            raise SourceUnavailable(f"{service} did not answer just now; it will be left alone for {_minutes(left)}.")
        if (service, question.key) in self._failed:
            raise SourceUnavailable(self._failed[service, question.key])

    def _is_fresh(self, question: _Question, answer: Answer) -> bool:
        if self.refresh:
            return (question.service, question.key) in self._renewed
        return not self._is_old(answer, question.kind)

    def _is_old(self, answer: Answer, kind: str) -> bool:
        days = self.keep_days.get(kind, KEEP_DAYS.get(kind, 0))
        if answer.is_nothing or answer.emptied is not None:
            days = min(days, NOTHING_DAYS)
        return not -timedelta(days=1) < self._now() - answer.heard < timedelta(days=days)

    # What is remembered

    def peek(self, service: str, key: str) -> Reply | None:
        """Return what is remembered, without asking."""
        answer = self.find(service, key)
        return answer.reply(stale=self._is_old(answer, answer.kind)) if answer else None

    def forget(self, service: str | None = None) -> int:
        self._failed.clear()
        self._faltering.clear()
        return super().forget(service)


def _code(error: AuthError | SourceUnavailable) -> str:
    if isinstance(error, AuthError):
        return "auth"
    return "rate_limited" if isinstance(error, RateLimited) else "unavailable"


def _minutes(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes} more minute{'s' if minutes > 1 else ''}"


def _as_json(service: str, value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractError(f"The connector for {service} returned an answer that is not JSON.") from error
