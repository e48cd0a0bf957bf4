"""What services said is remembered: asked once, within their limits, dated, and carried to another machine."""

from __future__ import annotations

import gzip
import json
import logging
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from contexts import Clock
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fingerpost import AuthError, ConfigError, ContractError, RateLimited, SourceUnavailable
from fingerpost._market import answers
from fingerpost._market.answers import SAME_QUESTION_SECONDS
from fingerpost._market.answers import Answers as Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "ashe/estimatePay?soc=5241"
CANARY = "canary-4711"
START = datetime(2026, 11, 2, 21, 30, tzinfo=UTC)


class Service:
    """A service that counts its calls and answers, or raises, what it is told to."""

    def __init__(self, answer: Any = 1) -> None:
        self.answer = answer
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "labour-market.db"


def opened(file: Path, clock: Clock, **options: Any) -> Reference:
    return Reference(file, clock=clock, sleep=clock.sleep, **options)


@pytest.fixture(name="reference")
def _reference(file: Path, clock: Clock) -> Iterator[Reference]:
    with opened(file, clock) as made:
        yield made


def down() -> SourceUnavailable:
    return SourceUnavailable("The service does not answer.")


def fail_twice(reference: Reference, service: str = "ncs") -> None:
    """Let two questions in a row fail, so that the service is left alone."""
    for key in ("first", "second"):
        with pytest.raises(SourceUnavailable):
            reference.fetch(service, f"fails {key}", "profile", Service(down()))


# Asked once


def test_an_answer_is_asked_for_once_within_its_time_to_live(file: Path, clock: Clock) -> None:
    service = Service({"years": [2022, 2021]})
    with opened(file, clock) as reference:
        first = reference.fetch("lmiforall", KEY, "pay", service)
        clock.later(days=89)
        assert reference.fetch("lmiforall", KEY, "pay", service) == first
        assert first == ({"years": [2022, 2021]}, date(2026, 11, 2), False)
    with opened(file, clock) as reference:
        assert reference.fetch("lmiforall", KEY, "pay", service) == first
        assert (service.calls, reference.asked) == (1, {})
        clock.later(days=1)
        service.answer = 2
        assert reference.fetch("lmiforall", KEY, "pay", service) == (2, date(2027, 1, 31), False)
        assert (service.calls, reference.asked) == (2, {"lmiforall": 1})


@pytest.mark.parametrize(
    ("answer", "kind", "days"),
    [
        *(
            ("something", kind, days)
            for kind, days in (("vacancy", 1), ("profile", 30), ("codes", 180), ("occupation", 365))
        ),
        *((None, kind, days) for kind, days in (("vacancy", 1), ("codes", 7), ("occupation", 7))),
    ],
)
def test_kinds_are_kept_as_long_as_they_last_and_nothing_for_a_week(
    reference: Reference, clock: Clock, answer: str | None, kind: str, days: int
) -> None:
    service, calls = Service(answer), []
    for passed in (0, days * 86_400 - 1, 1):
        clock.later(seconds=passed)
        reference.fetch("ncs", KEY, kind, service)
        calls.append(service.calls)
    assert calls == [1, 1, 2]


def test_a_college_may_keep_answers_for_another_time_or_always_ask(file: Path, clock: Clock) -> None:
    service = Service()
    with opened(file, clock, keep_days={"pay": 2, "skill": 0}) as reference:
        for _ in range(3):
            reference.fetch("lmiforall", KEY, "pay", service)
            clock.later(days=1)
        assert service.calls == 2
        for _ in range(3):
            assert reference.fetch("lmiforall", "skills", "skill", service).stale is False
        assert service.calls == 5


@pytest.mark.parametrize(("keep_days", "said"), [({"pya": 3}, "Did you mean 'pay'"), ({"pay": -1}, "pay needs")])
def test_nonsense_in_keep_days_is_refused(file: Path, clock: Clock, keep_days: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        opened(file, clock, keep_days=keep_days)


def test_nothing_is_an_answer_too(reference: Reference) -> None:
    service = Service(None)
    for _ in range(2):
        assert reference.fetch("lmiforall", KEY, "pay", service) == (None, date(2026, 11, 2), False)
    assert service.calls == 1


def test_a_refresh_asks_once_for_what_is_fresh(file: Path, clock: Clock) -> None:
    service = Service()
    with opened(file, clock) as reference:
        reference.fetch("lmiforall", KEY, "pay", service)
    with opened(file, clock, refresh=True) as reference:
        for _ in range(3):
            reference.fetch("lmiforall", KEY, "pay", service)
    assert service.calls == 2


def test_an_answer_is_the_same_however_often_it_is_handed_over(reference: Reference) -> None:
    first = reference.fetch("ncs", KEY, "profile", lambda: {"pay": (1, 2), 3: "three"})
    assert first.value == {"pay": [1, 2], "3": "three"}
    first.value["pay"].append("scribbled")
    again = reference.fetch("ncs", KEY, "profile", Service())
    assert again.value == {"pay": [1, 2], "3": "three"}


def test_a_connector_that_breaks_the_rules_is_told(reference: Reference, clock: Clock) -> None:
    with pytest.raises(ContractError, match="not JSON"):
        reference.fetch("vendor", KEY, "pay", lambda: {CANARY})
    with pytest.raises(ContractError, match="kind of fact"):
        reference.fetch("vendor", KEY, "salary", Service())
    with pytest.raises(ContractError, match="limit"):
        reference.fetch("vendor", KEY, "pay", Service(), limit=(0, 300))
    with pytest.raises(ZeroDivisionError):
        reference.fetch("vendor", KEY, "pay", lambda: 1 / 0)
    assert reference.fetch("vendor", KEY, "pay", Service()).value == 1
    assert (reference.failures, clock.slept) == ({}, 0.0)


# Down or gone


def test_a_dead_service_is_answered_for_with_the_date(reference: Reference, clock: Clock) -> None:
    service = Service("said once")
    reference.fetch("lmiforall", KEY, "pay", service)
    clock.later(days=100)
    service.answer = down()
    assert reference.fetch("lmiforall", KEY, "pay", service) == ("said once", date(2026, 11, 2), True)
    with pytest.raises(SourceUnavailable):
        reference.fetch("lmiforall", "other", "pay", service)
    assert reference.failures == {"lmiforall": "unavailable"}


@pytest.mark.parametrize(
    ("error", "minutes", "code"),
    [
        (down(), 10, "unavailable"),
        (RateLimited("Slower."), 5, "rate_limited"),
        (RateLimited("Slower.", retry_after=120), 2, "rate_limited"),
    ],
)
def test_a_service_that_failed_rests_for_every_process(
    file: Path, clock: Clock, error: SourceUnavailable, minutes: int, code: str
) -> None:
    service = Service(error)
    with opened(file, clock) as one, opened(file, clock) as other:
        for key in range(2 if code == "unavailable" else 1):
            with pytest.raises(type(error), match=error.message):
                one.fetch("ncs", str(key), "profile", service)
        calls = service.calls
        clock.later(minutes=minutes, seconds=-1)
        for reference in (one, other):
            with pytest.raises(type(error), match="1 more minute"):
                reference.fetch("ncs", "another", "profile", service)
            assert reference.failures == {"ncs": code}
        assert (service.calls, other.asked) == (calls, {})
        assert other.fetch("lmiforall", KEY, "pay", Service()).value == 1
        clock.later(seconds=1)
        service.answer = "back"
        assert other.fetch("ncs", KEY, "profile", service).value == "back"


def test_a_success_ends_the_rest(reference: Reference, file: Path, clock: Clock) -> None:
    service = Service("slow, but there")

    def slow() -> Any:
        with opened(file, clock) as other:
            fail_twice(other)
            with pytest.raises(SourceUnavailable, match="left alone"):
                other.fetch("ncs", "other", "profile", service)
        return service()

    assert reference.fetch("ncs", KEY, "profile", slow).value == "slow, but there"
    assert reference.fetch("ncs", "other", "profile", service).value == "slow, but there"


def test_a_question_that_fails_is_not_asked_again_and_stands_in_nobodys_way(file: Path, clock: Clock) -> None:
    broken, well = Service(down()), Service("well")
    with opened(file, clock) as reference:
        for number in range(3):
            with pytest.raises(SourceUnavailable, match=down().message):
                reference.fetch("lmiforall", KEY, "pay", broken)
            assert reference.fetch("lmiforall", str(number), "pay", well).value == "well"
            clock.later(hours=1)
        assert (broken.calls, well.calls) == (1, 3)
    with opened(file, clock) as reference:
        broken.answer = "mended"
        assert reference.fetch("lmiforall", KEY, "pay", broken).value == "mended"


def test_what_a_failing_question_once_said_is_served_and_not_asked_for_again(file: Path, clock: Clock) -> None:
    service = Service("kept")
    with opened(file, clock, keep_days={"pay": 0}) as reference:
        reference.fetch("lmiforall", KEY, "pay", service)
        service.answer = down()
        for _ in range(3):
            assert reference.fetch("lmiforall", KEY, "pay", service) == ("kept", date(2026, 11, 2), True)
        assert service.calls == 2


def test_an_answer_between_two_failures_says_that_the_service_is_there(reference: Reference) -> None:
    for number in range(4):
        with pytest.raises(SourceUnavailable, match=down().message):
            reference.fetch("ncs", f"broken {number}", "profile", Service(down()))
        assert reference.fetch("ncs", f"well {number}", "profile", Service("well")).value == "well"


def test_asking_for_patience_is_no_fault_of_the_question(reference: Reference, clock: Clock) -> None:
    service = Service(RateLimited("Slower.", retry_after=60))
    with pytest.raises(RateLimited):
        reference.fetch("ncs", KEY, "profile", service)
    clock.later(seconds=60)
    service.answer = "now"
    assert reference.fetch("ncs", KEY, "profile", service).value == "now"


def test_what_is_forgotten_may_be_asked_again_at_once(reference: Reference) -> None:
    service = Service("kept")
    reference.fetch("ncs", "other", "profile", service)
    fail_twice(reference)
    reference.forget()
    assert reference.fetch("ncs", "fails first", "profile", service).value == "kept"


# Nothing where there was something


def test_an_answer_of_nothing_leaves_what_was_said_before(reference: Reference, clock: Clock) -> None:
    service = Service("said once")
    reference.fetch("lmiforall", KEY, "pay", service)
    service.answer = None
    clock.later(days=100)
    for day in range(7):
        assert reference.fetch("lmiforall", KEY, "pay", service) == ("said once", date(2026, 11, 2), True)
        assert reference.peek("lmiforall", KEY) == ("said once", date(2026, 11, 2), True)
        assert service.calls == 2, day
        clock.later(days=1)
    assert reference.fetch("lmiforall", KEY, "pay", service).stale is True
    assert service.calls == 3
    service.answer = "said anew"
    clock.later(days=7)
    assert reference.fetch("lmiforall", KEY, "pay", service) == ("said anew", date(2027, 2, 24), False)
    clock.later(days=89)
    assert reference.fetch("lmiforall", KEY, "pay", service).stale is False
    assert service.calls == 4


def test_after_a_year_nothing_is_believed(reference: Reference, clock: Clock) -> None:
    service = Service("said once")
    reference.fetch("lmiforall", KEY, "pay", service)
    service.answer = None
    for days, value in ((360, "said once"), (4, "said once"), (3, None)):
        clock.later(days=days)
        assert reference.fetch("lmiforall", KEY, "pay", service).value == value
    assert reference.peek("lmiforall", KEY) == (None, date(2027, 11, 4), False)


def test_a_refresh_keeps_what_a_service_has_no_longer(file: Path, clock: Clock) -> None:
    with opened(file, clock) as reference:
        reference.fetch("lmiforall", KEY, "pay", Service("said once"))
    clock.later(days=1)
    with opened(file, clock, refresh=True) as reference:
        service = Service(None)
        for _ in range(2):
            assert reference.fetch("lmiforall", KEY, "pay", service) == ("said once", date(2026, 11, 2), True)
        assert service.calls == 1


# Words that somebody typed


def test_what_is_not_to_be_remembered_is_nowhere(reference: Reference, file: Path, tmp_path: Path) -> None:
    service = Service([CANARY])

    def asks() -> Any:
        seen.append(everything_in(file.parent))
        return service()

    seen: list[bytes] = []
    for _ in range(2):
        reply = reference.fetch("ncs", f"search/{CANARY}", "codes", asks, remember=False)
        assert reply == ([CANARY], date(2026, 11, 2), False)
    service.answer = down()
    with pytest.raises(SourceUnavailable):
        reference.fetch("ncs", f"search/{CANARY}", "codes", asks, remember=False)
    assert service.calls == 3
    assert list(reference.entries()) == []
    assert reference.export(tmp_path / "export") == 0
    assert all(found and CANARY.encode() not in found for found in [*seen, everything_in(file.parent)])


def everything_in(folder: Path) -> bytes:
    # A lock file is empty; while it is held, Windows lets nobody read it.
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock")


def test_what_is_not_to_be_remembered_keeps_limits_and_rests(file: Path, clock: Clock) -> None:
    with opened(file, clock, max_wait=0) as reference:
        reference.fetch("ncs", "words", "codes", Service(), limit=(1, 60), remember=False)
        with pytest.raises(RateLimited):
            reference.fetch("ncs", "words", "codes", Service(), limit=(1, 60), remember=False)
        fail_twice(reference)
        with pytest.raises(SourceUnavailable, match="left alone"):
            reference.fetch("ncs", "words", "codes", Service(), remember=False)
    with opened(file, clock, offline=True) as reference, pytest.raises(SourceUnavailable, match="cannot be asked now"):
        reference.fetch("maps", "words", "codes", Service(), remember=False)


def test_refused_credentials_end_it_for_this_process_alone(file: Path, clock: Clock) -> None:
    service = Service("kept")
    with opened(file, clock) as reference:
        reference.fetch("ncs", KEY, "profile", service)
        clock.later(days=40)
        service.answer = AuthError("The key was refused.")
        assert reference.fetch("ncs", KEY, "profile", service) == ("kept", date(2026, 11, 2), True)
        clock.later(days=1)
        with pytest.raises(AuthError, match="The key was refused"):
            reference.fetch("ncs", "other", "profile", service)
        assert (service.calls, reference.failures) == (2, {"ncs": "auth"})
    service.answer = "a new key"
    with opened(file, clock) as reference:
        assert reference.fetch("ncs", "other", "profile", service).value == "a new key"


def test_offline_asks_nobody(file: Path, clock: Clock) -> None:
    with opened(file, clock, offline=True) as reference, pytest.raises(SourceUnavailable, match="cannot be asked now"):
        reference.fetch("ncs", KEY, "profile", Service())
    assert not file.exists()
    with opened(file, clock) as reference:
        reference.fetch("ncs", KEY, "profile", Service())
    with opened(file, clock, offline=True) as reference:
        assert reference.fetch("ncs", KEY, "profile", Service(down())).stale is False
        clock.later(days=31)
        assert reference.fetch("ncs", KEY, "profile", Service(down())).stale is True
        assert (reference.asked, reference.failures) == ({}, {})


# Limits


def test_a_limit_holds_for_all_who_share_the_file(file: Path, clock: Clock) -> None:
    made: list[datetime] = []
    with opened(file, clock) as one, opened(file, clock) as other:
        for number in range(20):
            reference = (one, other)[number % 3 == 0]
            reference.fetch("adverts", str(number), "vacancy", lambda: made.append(clock.now), limit=(3, 10))
            clock.later(seconds=number % 4)
    assert len(made) == 20
    assert all(later - earlier >= timedelta(seconds=10) for earlier, later in zip(made, made[3:], strict=False))


def test_who_would_wait_too_long_gets_what_is_remembered(reference: Reference, clock: Clock) -> None:
    service = Service()
    reference.fetch("adverts", "old", "vacancy", service)
    clock.later(days=2)
    for number in range(2):
        reference.fetch("adverts", str(number), "vacancy", service, limit=(2, 300))
    assert reference.fetch("adverts", "old", "vacancy", service, limit=(2, 300)).stale is True
    with pytest.raises(RateLimited, match="300 seconds") as caught:
        reference.fetch("adverts", "new", "vacancy", service, limit=(2, 300))
    assert caught.value.retry_after == pytest.approx(300)
    assert (service.calls, clock.slept, reference.failures) == (3, 0.0, {"adverts": "rate_limited"})
    clock.later(seconds=280)
    assert reference.fetch("adverts", "new", "vacancy", service, limit=(2, 300)).value == 1
    assert clock.slept == pytest.approx(20)


def test_a_call_counts_until_the_service_has_answered(file: Path, clock: Clock) -> None:
    with opened(file, clock, max_wait=0) as reference:
        reference.fetch("adverts", "slow", "vacancy", lambda: clock.later(seconds=8), limit=(1, 10))
        clock.later(seconds=9)
        with pytest.raises(RateLimited):
            reference.fetch("adverts", "next", "vacancy", Service(), limit=(1, 10))
        clock.later(seconds=1)
        assert reference.fetch("adverts", "next", "vacancy", Service(), limit=(1, 10)).value == 1


def test_a_clock_that_stands_still_hangs_nothing(file: Path, clock: Clock) -> None:
    slept: list[float] = []
    with Reference(file, clock=clock, sleep=slept.append) as reference:
        reference.fetch("adverts", "1", "vacancy", Service(), limit=(1, 10))
        with pytest.raises(RateLimited):
            reference.fetch("adverts", "2", "vacancy", Service(), limit=(1, 10))
    assert sum(slept) <= 30


def test_a_clock_that_was_years_ahead_blocks_nothing(file: Path, clock: Clock) -> None:
    clock.now += timedelta(days=3650)
    with opened(file, clock) as reference:
        reference.fetch("adverts", "1", "vacancy", Service(), limit=(1, 10))
        fail_twice(reference)
        clock.now -= timedelta(days=3650)
        assert reference.fetch("adverts", "1", "vacancy", Service("now"), limit=(1, 10)).value == "now"
        assert reference.fetch("ncs", KEY, "profile", Service("now")).value == "now"


# Several threads and processes


def test_twenty_threads_ask_once(file: Path) -> None:
    service, replies = Service("asked"), []
    gate = threading.Barrier(20)

    def ask() -> Any:
        threading.Event().wait(0.2)
        return service()

    def work() -> None:
        gate.wait()
        replies.append(reference.fetch("lmiforall", KEY, "pay", ask))

    with Reference(file, clock=lambda: datetime.now(UTC)) as reference:
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert service.calls == reference.asked["lmiforall"] == 1
    assert [reply.value for reply in replies] == ["asked"] * 20
    assert not any(reply.stale for reply in replies)


@contextmanager
def somebody_asks(reference: Reference) -> Iterator[threading.Event]:
    """Have another thread ask the service, which answers when the event is set, or in the end."""
    asked, answer = threading.Event(), threading.Event()

    def slow() -> str:
        asked.set()
        answer.wait()
        return "asked"

    thread = threading.Thread(target=reference.fetch, args=("lmiforall", KEY, "pay", slow))
    thread.start()
    asked.wait()
    yield answer
    answer.set()
    thread.join()


def test_who_stands_in_line_takes_the_answer_that_came_meanwhile(file: Path, clock: Clock) -> None:
    with opened(file, clock, keep_days={"pay": 0}) as reference, somebody_asks(reference) as answer:
        threading.Timer(0.2, answer.set).start()
        assert reference.fetch("lmiforall", KEY, "pay", Service("asked again")).value == "asked"


def test_who_stands_in_line_too_long_asks_as_well(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SAME_QUESTION_SECONDS", 0.1)
    with somebody_asks(reference):
        assert reference.fetch("lmiforall", KEY, "pay", Service("asked too")).value == "asked too"


PROCESS = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from fingerpost._market.answers import Answers as Reference

file, log, keys, limit, takes = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(","), *sys.argv[4:]

def ask():
    with log.open("a", encoding="ascii") as lines:
        lines.write(f"{time.time()}\\n")
    print("asking", flush=True)
    time.sleep(float(takes))
    return "an answer"

print("ready", flush=True)
sys.stdin.readline()
with Reference(file, clock=lambda: datetime.now(UTC)) as reference:
    for key in keys:
        reply = reference.fetch("adverts", key, "vacancy", ask, limit=(int(limit), 0.4) if limit != "none" else None)
        assert (reply.value, reply.stale) == ("an answer", False)
"""


def processes(file: Path, log: Path, *keys: str, limit: str = "none", takes: str = "0") -> list[subprocess.Popen[str]]:
    """Start one process for each list of keys, and let them go when all are there."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(file), str(log), each, limit, takes],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )
        for each in keys
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return started


def finished(started: list[subprocess.Popen[str]]) -> list[int]:
    for process in started:
        process.communicate()
    return [process.returncode for process in started]


def test_two_processes_ask_once(file: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    assert finished(processes(file, log, "same", "same", takes="0.5")) == [0, 0]
    assert len(log.read_text(encoding="ascii").splitlines()) == 1


def test_two_processes_keep_one_limit(file: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    assert finished(processes(file, log, "a,b,c,d,e,f", "g,h,i,j,k,l", limit="4")) == [0, 0]
    made = sorted(float(line) for line in log.read_text(encoding="ascii").splitlines())
    assert len(made) == 12
    assert all(later - earlier >= 0.4 for earlier, later in zip(made, made[4:], strict=False))


def test_a_killed_process_frees_its_question_and_its_call_counts(file: Path, tmp_path: Path, clock: Clock) -> None:
    [process] = processes(file, tmp_path / "calls", "same", limit="1", takes="600")
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    process.kill()
    finished([process])
    clock.now = datetime.now(UTC)
    with opened(file, clock, max_wait=0) as reference:
        with pytest.raises(RateLimited):
            reference.fetch("adverts", "other", "vacancy", Service(), limit=(1, 3600))
        started = time.monotonic()
        assert reference.fetch("adverts", "same", "vacancy", Service("mine")).value == "mine"
        assert time.monotonic() - started < SAME_QUESTION_SECONDS / 2
    assert list(file.parent.glob("*.lock")) == []


# What is remembered


def test_what_is_remembered_can_be_looked_at_and_forgotten(reference: Reference, file: Path, clock: Clock) -> None:
    assert reference.peek("ncs", KEY) is None
    assert (list(reference.entries()), reference.forget(), file.exists()) == ([], 0, False)
    for service in ("ncs", "lmiforall", "maps"):
        reference.fetch(service, KEY, "codes", Service(service))
    assert reference.peek("ncs", KEY) == ("ncs", date(2026, 11, 2), False)
    clock.later(days=181)
    assert reference.peek("ncs", KEY) == ("ncs", date(2026, 11, 2), True)
    at = datetime(2026, 11, 2, 21, 30, tzinfo=UTC)
    assert sorted(reference.entries()) == [(name, KEY, "codes", at) for name in ("lmiforall", "maps", "ncs")]
    assert reference.forget("ncs") == 1
    assert (reference.peek("ncs", KEY), reference.forget(), list(reference.entries())) == (None, 2, [])


def test_the_file_is_made_with_the_first_answer_and_private(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "new folder" / "labour-market.db"
    with opened(file, clock) as reference:
        assert not file.parent.exists()
        reference.fetch("ncs", KEY, "codes", Service())
        assert file.with_name("labour-market.db-wal").exists()
        if sys.platform != "win32":
            assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}


def test_a_damaged_file_is_refused_with_what_to_do(file: Path, clock: Clock) -> None:
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigError, match=r"labour-market\.db.* can be deleted.*imported from an export"):
        opened(file, clock)


def test_a_folder_in_place_of_the_file_is_refused(file: Path, clock: Clock) -> None:
    file.mkdir()
    with pytest.raises(ConfigError, match="cannot be used"):
        opened(file, clock)


def run_sql(file: Path, script: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.executescript(script)


def test_a_newer_file_is_refused(file: Path, clock: Clock) -> None:
    with opened(file, clock) as reference:
        reference.fetch("ncs", KEY, "codes", Service())
    run_sql(file, "PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="newer release"):
        opened(file, clock)


def test_a_file_of_the_first_version_opens_with_all_that_is_in_it(file: Path, clock: Clock) -> None:
    run_sql(file, FIRST_VERSION)
    with opened(file, clock, max_wait=0) as reference:
        assert reference.fetch("ncs", KEY, "pay", Service("new")) == ("kept", date(2026, 11, 1), False)
        with pytest.raises(SourceUnavailable, match="10 more minutes"):
            reference.fetch("maps", KEY, "codes", Service())
        with pytest.raises(RateLimited):
            reference.fetch("adverts", KEY, "vacancy", Service(), limit=(1, 60))
        assert reference.fetch("lmiforall", KEY, "pay", Service("asked")).value == "asked"


FIRST_VERSION = f"""
    CREATE TABLE answer (
        service TEXT, key TEXT, kind TEXT NOT NULL, value TEXT NOT NULL, retrieved TEXT NOT NULL, emptied TEXT,
        PRIMARY KEY (service, key)
    ) WITHOUT ROWID;
    CREATE TABLE claim (
        service TEXT, key TEXT, holder TEXT NOT NULL, ends REAL NOT NULL, PRIMARY KEY (service, key)
    ) WITHOUT ROWID;
    CREATE TABLE call (id INTEGER PRIMARY KEY, service TEXT NOT NULL, made REAL NOT NULL);
    CREATE INDEX call_made ON call (service, made);
    CREATE TABLE rest (service TEXT PRIMARY KEY, code TEXT NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
    INSERT INTO answer VALUES ('ncs', '{KEY}', 'pay', '"kept"', '2026-11-01T00:00:00.000000+00:00', NULL);
    INSERT INTO claim VALUES ('lmiforall', '{KEY}', 'somebody', {START.timestamp() + 60});
    INSERT INTO call (service, made) VALUES ('adverts', {START.timestamp()});
    INSERT INTO rest VALUES ('maps', 'unavailable', {START.timestamp() + 600});
    PRAGMA application_id={0x46504C4D};
    PRAGMA user_version=1
"""


def test_another_programs_file_is_left_alone(file: Path, clock: Clock) -> None:
    run_sql(file, "CREATE TABLE learner (id INTEGER)")
    before = file.read_bytes()
    with pytest.raises(ConfigError, match="belongs to another program"):
        opened(file, clock)
    assert file.read_bytes() == before


def test_a_network_share_is_refused(clock: Clock) -> None:
    with pytest.raises(ConfigError, match=r"\[labour_market\] cache is on a network share"):
        opened(Path("//server/share/labour-market.db"), clock)


# Carried to another machine

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["ncs", "lmiforall", "maps"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
ANSWERS = st.dictionaries(st.tuples(NAMES, TEXTS), st.tuples(st.integers(0, 3), JSON), max_size=5)


def remembering(folder: Path, name: str, answers: dict[tuple[str, str], tuple[int, Any]]) -> Path:
    """Export a file of these answers: (service, key) to (day, value)."""
    clock = Clock(START)
    with opened(folder / f"{name}.db", clock) as reference:
        for (service, key), (day, value) in answers.items():
            clock.now = START + timedelta(days=day)
            reference.fetch(service, key, "codes", Service(value))
        assert reference.export(folder / name) == len(answers)
    return folder / name


def everything(reference: Reference) -> dict[tuple[str, str], Any]:
    return {(service, key): (kind, at, reference.peek(service, key)) for service, key, kind, at in reference.entries()}


@settings(max_examples=25)
@given(ANSWERS, ANSWERS)
@example({("ncs", KEY): (1, "said at once")}, {("ncs", KEY): (1, "otherwise elsewhere")})
@example({("ncs", KEY): (1, "said")}, {("ncs", KEY): (2, None)})
@example({("ncs", KEY): (1, "old"), ("maps", KEY): (2, "new")}, {("ncs", KEY): (2, "new"), ("maps", KEY): (1, "old")})
def test_the_newest_answers_win_in_whatever_order_and_however_often(
    one: dict[tuple[str, str], tuple[int, Any]], other: dict[tuple[str, str], tuple[int, Any]]
) -> None:
    clock = Clock(START)
    clock.later(days=4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [remembering(folder, "one", one), remembering(folder, "other", other)]
        with opened(folder / "a.db", clock) as a, opened(folder / "b.db", clock) as b:
            assert a.import_(files[0]) == (len(one), 0)
            taken, older = a.import_(files[1])
            assert taken + older == len(other)
            for file in reversed(files):
                b.import_(file)
            merged = everything(a)
            assert everything(b) == merged
            assert merged.keys() == one.keys() | other.keys()
            for question, (_, at, reply) in merged.items():
                told = [answers[question] for answers in (one, other) if question in answers]
                said = [(day, value) for day, value in told if value is not None]
                told = said or told  # nothing never takes the place of something
                newest = max(day for day, _ in told)
                assert at == START + timedelta(days=newest)
                assert reply.value in [value for day, value in told if day == newest]
            assert [a.import_(file) for file in files] == [(0, len(one)), (0, len(other))]
            assert everything(a) == merged


def exported(tmp_path: Path, clock: Clock) -> Path:
    with opened(tmp_path / "old.db", clock) as reference:
        reference.fetch("ncs", KEY, "pay", Service("kept"))
        reference.export(tmp_path / "export")
    return tmp_path / "export"


def test_an_export_carries_a_dead_services_answers(tmp_path: Path, clock: Clock) -> None:
    export = exported(tmp_path, clock)
    with gzip.open(export, "rt", encoding="utf-8") as lines:
        header, answer = map(json.loads, lines)
    assert header == {
        "format": "fingerpost-labour-market", "version": 1, "exported": "2026-11-02T21:30:00.000000+00:00"
    }  # fmt: skip
    assert answer["value"] == "kept"
    clock.later(days=200)
    with opened(tmp_path / "new.db", clock) as reference:
        assert reference.import_(export) == (1, 0)
        assert reference.fetch("ncs", KEY, "pay", Service(down())) == ("kept", date(2026, 11, 2), True)


def test_an_export_of_nothing_makes_no_database(reference: Reference, file: Path, tmp_path: Path) -> None:
    assert reference.export(tmp_path / "export") == 0
    assert not file.exists()
    assert reference.import_(tmp_path / "export") == (0, 0)


def test_an_export_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "taken").mkdir()
    with opened(tmp_path / "new.db", clock) as reference:
        for path in (tmp_path / "taken", tmp_path / "nowhere" / "export"):
            with pytest.raises(ConfigError, match="cannot be written"):
                reference.export(path)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


GOOD = {"service": "ncs", "key": KEY, "kind": "pay", "retrieved": "2026-10-01T09:00:00+00:00", "value": CANARY}


@pytest.mark.parametrize(
    "wrong",
    [
        "", "{", "[]", "null", "[" * 100_000, "9" * 5_000,
        *(json.dumps({name: value for name, value in GOOD.items() if name != gone}) for gone in GOOD),
        *(json.dumps(GOOD | {name: bad}) for name in ("service", "key", "kind", "retrieved") for bad in (7, "", None)),
        json.dumps(GOOD | {"key": "\ud800"}), json.dumps(GOOD | {"retrieved": "2026-10-01T09:00:00"}),
        json.dumps(GOOD | {"retrieved": "2126-10-01T09:00:00Z"}),
        json.dumps(GOOD | {"retrieved": "0001-01-01T00:00:00+14:00"}),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_and_nothing_is_taken(tmp_path: Path, clock: Clock, wrong: str) -> None:
    export = exported(tmp_path, clock)
    with gzip.open(export, "at", encoding="utf-8") as lines:
        lines.write(f"{wrong}\n")
    with opened(tmp_path / "new.db", clock) as reference:
        with pytest.raises(ConfigError, match=r"export line 3 ") as caught:
            reference.import_(export)
        assert CANARY not in str(caught.value)
        assert list(reference.entries()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1"),
        (b"plain text", "damaged"),
        (gzip.compress(b'{"format": "fingerpost-labour-market", "version": 1}\n' * 99)[:-9], "damaged|line 2"),
        (gzip.compress(b"{}\n"), "line 1"),
        (gzip.compress(b'{"format": "other", "version": 1}\n'), "line 1"),
        (gzip.compress(b'{"format": "fingerpost-labour-market", "version": "1"}\n'), "line 1"),
        (gzip.compress(b'{"format": "fingerpost-labour-market", "version": 2}\n'), "newer release"),
        (gzip.compress(b" " * (40 << 20)), "compressed far more"),
        (gzip.compress(b'{"format": "fingerpost-labour-market", "version": 1}\n' + b"0" * (20 << 20)), "far more"),
    ],
    ids=["empty", "text", "cut", "header", "other", "version", "newer", "one-line", "bomb"],
)
def test_what_is_no_export_is_refused(tmp_path: Path, clock: Clock, content: bytes, said: str) -> None:
    (tmp_path / "export").write_bytes(content)
    with opened(tmp_path / "new.db", clock) as reference, pytest.raises(ConfigError, match=said):
        reference.import_(tmp_path / "export")


def test_an_export_that_is_not_there_is_named(tmp_path: Path, clock: Clock) -> None:
    with opened(tmp_path / "new.db", clock) as reference, pytest.raises(ConfigError, match=r"nowhere.* cannot be read"):
        reference.import_(tmp_path / "nowhere")


# Nothing is told


def test_no_question_and_no_answer_is_logged_or_told(
    file: Path, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    def fails(ask: Callable[[], Any], key: str, **options: Any) -> None:
        with pytest.raises((SourceUnavailable, AuthError, ContractError)) as caught:
            reference.fetch("ncs", f"{CANARY}{key}", "pay", ask, **options)
        told.append(f"{caught.value} {caught.value.__dict__}")

    with opened(file, clock, max_wait=0) as reference:
        reference.fetch("ncs", CANARY, "pay", Service({CANARY: CANARY}), limit=(1, 60))
        fails(Service(), "full", limit=(1, 60))
        fails(Service({CANARY}), "not JSON")
        fails(Service(down()), "down")
        fails(Service(down()), "down too")
        fails(Service(), "resting")
        reference.export(tmp_path / "export")
        told.append(repr(reference) + repr(reference.failures) + repr(reference.asked))
    assert len(told) == 6
    assert CANARY not in "".join([*told, caplog.text, *capsys.readouterr()])
