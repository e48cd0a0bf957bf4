"""What leaves the outbox: every digest once, whatever the mail server, the folder or the channel does."""

from __future__ import annotations

import importlib.metadata
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest
from colleges import activity, usual_college
from mailboxes import by_smtp, mailbox
from mails import text_of
from smtp_faults import Fault, FaultServer, free_port

import fingerpost._alerts.outbox
from fingerpost import Channel, College, ConfigError, ConnectorConfig, Context, Host, Item, Payload, Receipt, hookimpl
from fingerpost.reports import RunReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from colleges import SmallCollege

    from fingerpost import Connector

HOUR = 1 / 24
MINUTES = HOUR / 60


def small(folder: Path, *, tutors: int = 1) -> SmallCollege:
    """Return a college of six learners and some tutors; every learner lacks something."""
    college = usual_college(folder, learners=6)
    assign(college, tutors)
    return college


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    return small(tmp_path)


def assign(college: SmallCollege, tutors: int) -> None:
    for index, row in enumerate(college.rows["tutors"]):
        number = index % tutors
        row.update(tutor_group=f"G{number}", tutor_email=f"tutor{number}@example.ac.uk")
    college.write("tutors")


def guided(college: SmallCollege, *refs: str) -> None:
    """Record that learners met a careers adviser, which settles something for those who had not."""
    college.add("careers-log", *(activity(f"{ref}-g", ref, "Careers interview", "2026-02-20") for ref in refs))


def outbox(college: SmallCollege) -> list[dict[str, Any]]:
    """Return the rows of the outbox, in the order in which they were planned."""
    connection = sqlite3.connect(college.store_path)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM outbox ORDER BY id")]
    finally:
        connection.close()


def states(college: SmallCollege) -> list[str]:
    return [row["state"] for row in outbox(college)]


# An answer that never came


def test_a_lost_answer_is_sent_again_once_and_to_the_byte(college: SmallCollege) -> None:
    with FaultServer([Fault("final", "fin")]) as server:
        by_smtp(college, server.port)
        first = college.sync()
        assert (first.digests.unknown, first.exit_code, states(college)) == (1, 4, ["unknown"])
        assert len(server.mails) == 1

        college.later(days=5 * MINUTES)
        guided(college, "L002")  # what is known by now must not change what was frozen
        assert college.sync().exit_code == 4
        assert len(server.mails) == 1, "too soon: the server may still be working on it"

        college.later(days=15 * MINUTES)
        again = college.sync()
        assert (again.digests.sent, again.exit_code, states(college)) == (1, 0, ["sent"])
        assert len(server.mails) == 2
        assert server.mails[0] == server.mails[1]
    assert outbox(college)[0]["content"] is None


def test_an_answer_lost_twice_is_not_tried_a_third_time_and_told_again_next_week(college: SmallCollege) -> None:
    with FaultServer([Fault("final", "fin"), Fault("final", "rst")]) as server:
        by_smtp(college, server.port)
        for minutes in (0, 20, 40, 600):
            college.later(days=minutes * MINUTES)
            report = college.sync()
            assert (report.digests.unknown, report.exit_code) == (1, 4)
        assert len(server.mails) == 2

        college.later(days=2)
        late = college.sync()
        assert states(college) == ["expired"]
        assert (late.digests.planned, late.exit_code) == (0, 0), "it may have arrived: it was this week's"

        college.later(days=5)
        assert college.sync().digests.sent == 1
        assert len(server.mails) == 3
        assert text_of(server.mails[2].content).count("* New:") == text_of(server.mails[0].content).count("* New:") > 6
        assert server.mails[2].content != server.mails[0].content


def test_a_refusal_before_a_lost_answer_does_not_use_up_the_second_try(college: SmallCollege) -> None:
    faults = [*[Fault("rcpt", "reply", b"450 4.2.0 greylisted")] * 4, Fault("final", "fin"), None]
    with FaultServer(faults) as server:
        by_smtp(college, server.port)
        counts = []
        for _ in range(3):
            digests = college.sync().digests
            counts.append((digests.deferred, digests.unknown, digests.sent))
            college.later(days=20 * MINUTES)
        assert counts == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        assert len({mail.content for mail in server.mails}) == 1


# A refusal


def test_what_is_put_off_waits_for_the_next_run_and_keeps_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerpost._alerts.outbox, "BATCH", 2)
    college = small(tmp_path, tutors=5)
    with mailbox({"tutor0@example.ac.uk": "450 4.2.0 greylisted"}) as (box, port):
        by_smtp(college, port)
        first = college.sync()
        assert (first.digests.sent, first.digests.deferred, first.exit_code) == (4, 1, 4)
        assert box.asked.count("tutor0@example.ac.uk") == 3
        assert college.waits == [60, 300], "minutes at most, and only once everybody else was served"
        assert {who for who, _ in box.taken} == {f"tutor{number}@example.ac.uk" for number in range(1, 5)}

        frozen = outbox(college)[0]["content"]
        box.refuses.clear()
        college.later(days=1)
        guided(college, "L002")
        assert college.sync().exit_code == 0
        assert box.taken[-1] == ("tutor0@example.ac.uk", frozen)
    assert Counter(states(college)) == {"sent": 5}


@pytest.mark.parametrize("tries", [1, 2])
def test_greylisted_recipients_get_theirs_in_the_same_run(
    tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerpost._alerts.outbox, "BATCH", 2)
    college = small(tmp_path, tutors=5)
    with mailbox() as (box, port):
        box.greylists = tries
        by_smtp(college, port)
        report = college.sync()
    assert (report.digests.sent, report.digests.deferred, report.exit_code) == (5, 0, 0)
    everybody = [f"tutor{number}@example.ac.uk" for number in range(5)]
    assert box.asked == everybody * (tries + 1), "nobody comes twice before all came once"
    assert [who for who, _ in box.taken] == everybody
    assert college.waits == [60, 300][:tries]
    assert all(row["attempts"] == 1 for row in outbox(college))


def test_a_run_does_not_wait_for_a_server_that_is_away(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    by_smtp(college, free_port())
    assert college.sync().digests.deferred == 3
    assert college.waits == []


@pytest.mark.parametrize(
    ("step", "answer", "word"),
    [
        ("mail", b"550 5.1.8 bad sender domain", "`sender`"),
        ("rcpt", b"554 5.7.1 relaying denied", "relay"),
        ("final", b"550 5.2.252 send as denied", "send as"),
        ("final", b"554 5.7.1 looks like spam", "a rule of its own"),
    ],
)
def test_a_refusal_of_the_sender_keeps_all_digests_until_it_is_put_right(
    step: Any, answer: bytes, word: str, tmp_path: Path
) -> None:
    college = small(tmp_path, tutors=3)
    with FaultServer([Fault(step, "reply", answer)] * 3) as server:
        by_smtp(college, server.port)
        first = college.sync()
    assert (first.digests.deferred, first.digests.failed, first.exit_code) == (3, 0, 4)
    (sentence,) = [one for one in first.messages if "Channel post" in one]
    assert word in sentence
    with college.open() as opened:
        assert sentence in opened.status().todo

    college.later(days=1)
    with mailbox() as (box, port):
        college.source("post")["port"] = port
        second = college.sync()
        assert (second.digests.sent, second.exit_code, second.messages) == (3, 0, [])
        assert len(box.taken) == 3
    with college.open() as opened:
        assert opened.status().todo == ()


def test_a_rule_that_meets_one_recipient_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    with mailbox({"tutor0@example.ac.uk": "550 5.7.129 not on the list of senders"}) as (box, port):
        by_smtp(college, port)
        first = college.sync()
        assert (first.digests.sent, first.digests.deferred, first.digests.failed) == (2, 1, 0)
        box.refuses.clear()
        college.later(days=1)
        assert college.sync().digests.sent == 1
    assert Counter(states(college)) == {"sent": 3}


def test_a_refused_recipient_fails_alone_and_is_told_again_next_week(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    with mailbox({"tutor1@example.ac.uk": "550 5.1.1 no such user"}) as (box, port):
        by_smtp(college, port)
        first = college.sync()
        assert (first.digests.sent, first.digests.failed, first.exit_code) == (2, 1, 4)
        assert states(college) == ["sent", "failed", "sent"]

        college.later(days=1)
        second = college.sync()
        assert (second.digests.planned, second.exit_code) == (0, 0)
        assert box.asked.count("tutor1@example.ac.uk") == 1, "the same week does not knock again"

        box.refuses.clear()
        college.later(days=6)
        third = college.sync()
        assert (third.digests.planned, third.digests.sent, third.exit_code) == (2, 2, 0)
        told = dict(box.taken[2:])
        assert set(told) == {"tutor1@example.ac.uk", "careers@example.ac.uk"}, "nobody knew yet that it works again"
        content = told["tutor1@example.ac.uk"]
        assert "* New:" in text_of(content)
        assert "Still open" not in text_of(content)


def test_a_server_that_is_away_costs_nothing_but_time(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    port = free_port()
    by_smtp(college, port)
    first = college.sync()
    assert (first.digests.deferred, first.exit_code) == (3, 4)
    frozen = {row["recipient"]: row["content"] for row in outbox(college)}

    college.later(days=1)
    with mailbox() as (box, port):
        college.source("post")["port"] = port
        assert college.sync().exit_code == 0
        assert dict(box.taken) == frozen
        assert len(box.taken) == 3


def test_a_digest_that_waited_too_long_makes_way_for_a_true_one(college: SmallCollege) -> None:
    by_smtp(college, free_port())
    college.sync()
    (old,) = outbox(college)

    college.later(days=2.1)
    guided(college, "L002")
    with mailbox() as (box, port):
        college.source("post")["port"] = port
        report = college.sync()
        assert (report.digests.planned, report.digests.sent, report.exit_code) == (1, 1, 0)
        ((_, content),) = box.taken
    assert content != old["content"]
    assert "Still open" not in text_of(content), "nobody had been told of it"
    assert "Done since" not in text_of(content), "what closed meanwhile was never told as missing"


def test_what_waits_for_a_channel_that_is_gone_expires_too(college: SmallCollege) -> None:
    by_smtp(college, free_port())
    assert college.sync().exit_code == 4
    college.connectors.pop()
    college.later(days=3)
    assert college.sync().exit_code == 0
    assert Counter(states(college)) == {"expired": 1, "sent": 1}


# Who may be written to


def test_an_address_elsewhere_is_held_until_it_may_be_written_to(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    for row in college.rows["tutors"]:
        if row["tutor_email"] == "tutor1@example.ac.uk":
            row["tutor_email"] = "tutor1@elsewhere.example"
    college.write("tutors")
    with mailbox() as (box, port):
        by_smtp(college, port)
        first = college.sync()
        assert (first.digests.sent, first.digests.held, first.exit_code) == (2, 1, 4)
        with college.open() as opened:
            assert any("allowed_domains" in sentence for sentence in opened.status().todo)

        college.later(days=1)
        assert college.sync().exit_code == 4
        assert "tutor1@elsewhere.example" not in box.asked

        college.tables["alerts"]["allowed_domains"] = ["example.ac.uk", "elsewhere.example"]
        assert college.sync().exit_code == 0
        assert box.asked.count("tutor1@elsewhere.example") == 1
    assert Counter(states(college)) == {"sent": 3}


def test_a_domain_that_is_taken_off_the_list_keeps_what_waits_for_it(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=2)
    for row in college.rows["tutors"]:
        row["tutor_email"] = row["tutor_email"].replace("1@example.ac.uk", "1@elsewhere.example")
    college.write("tutors")
    college.tables["alerts"]["allowed_domains"] = ["example.ac.uk", "elsewhere.example"]
    by_smtp(college, free_port())
    assert college.sync().digests.deferred == 2
    with mailbox() as (box, port):
        college.source("post")["port"] = port
        college.tables["alerts"]["allowed_domains"] = ["example.ac.uk"]
        report = college.sync()
    assert (report.digests.sent, report.digests.held, report.exit_code) == (1, 1, 4)
    assert box.asked == ["tutor0@example.ac.uk"]


# Several channels, and none


def test_the_folder_never_marks_mail_as_told(college: SmallCollege) -> None:
    college.connectors.append({"type": "email", "name": "folder"})
    by_smtp(college, free_port())
    first = college.sync()
    assert (first.digests.planned, first.digests.sent, first.digests.deferred, first.exit_code) == (2, 1, 1, 4)
    assert len(college.outbox) == 1

    college.later(days=7)
    with mailbox() as (box, port):
        college.source("post")["port"] = port
        second = college.sync()
    assert (second.digests.planned, second.digests.sent, second.exit_code) == (1, 1, 0)
    assert len(college.outbox) == 1, "the folder has nothing new to tell"
    assert "Still open" not in text_of(box.taken[0][1])


def test_without_delivery_the_digests_wait(college: SmallCollege) -> None:
    first = college.sync(deliver=False)
    assert (first.digests.planned, first.digests.deferred, first.exit_code) == (1, 1, 4)
    assert not college.outbox
    frozen = outbox(college)[0]["content"]
    assert college.sync().exit_code == 0
    assert [path.read_bytes() for path in college.outbox] == [frozen]


def test_a_dry_run_plans_but_leaves_nothing(tmp_path: Path) -> None:
    college = small(tmp_path)
    assert college.sync(dry_run=True).digests.planned == 1
    assert outbox(college) == []
    assert not (tmp_path / "outbox").exists()


def test_a_folder_that_cannot_be_written_to_puts_off(tmp_path: Path) -> None:
    college = small(tmp_path)
    (tmp_path / "outbox").write_text("in the way", encoding="utf-8")
    report = college.sync()
    assert (report.digests.deferred, report.exit_code) == (1, 4)
    (tmp_path / "outbox").unlink()
    assert college.sync().exit_code == 0
    assert len(college.outbox) == 1


# A channel that a vendor wrote

AMELIA = "Amelia Canary"


class PigeonConfig(ConnectorConfig):
    """The keys of a pigeon: none."""


class Pigeon(Channel):
    """A channel that does with payloads what the test says, and cannot be asked afterwards."""

    name: ClassVar[str] = "pigeon"
    Config: ClassVar[type[ConnectorConfig]] = PigeonConfig
    accepts: ClassVar[Literal["digest", "gap_item"]] = "digest"
    flies: ClassVar[Callable[[Sequence[Payload]], Iterator[Any]]]

    @hookimpl
    def render(self, item: Item, context: Context) -> Payload:
        who = item.recipient.email  # type: ignore[union-attr]
        return Payload(item.key, who, b"coo", "text/plain", f"<{item.key}@pigeon>", "coo")

    @hookimpl
    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        yield from type(self).flies(payloads)


@hookimpl
def connectors() -> list[type[Connector]]:
    return [Pigeon]


def fly(college: SmallCollege, flies: Callable[[Sequence[Payload]], Iterator[Any]]) -> RunReport:
    """Run once with a pigeon."""
    if college.connectors[-1]["type"] != "pigeon":
        college.connectors.append({"type": "pigeon", "name": "loft"})
    installed = importlib.metadata.entry_points(group="fingerpost")
    own = importlib.metadata.EntryPoint("pigeon", __name__, "fingerpost")
    Pigeon.flies = staticmethod(flies)
    host = Host.load(entry_points=[*installed, own])
    with College.open(college.configure(), host=host, clock=lambda: college.now) as opened:
        return opened.sync()


def arrive(payloads: Sequence[Payload]) -> Iterator[Receipt]:
    for payload in payloads:
        yield Receipt(payload.key, "sent")


def test_a_payload_is_claimed_before_it_is_handed_over(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    claimed: list[tuple[str, int]] = []

    def flies(payloads: Sequence[Payload]) -> Iterator[Receipt]:
        claimed.extend((row["state"], row["attempts"]) for row in outbox(college))
        yield from arrive(payloads)

    assert fly(college, flies).digests.sent == 3
    assert claimed == [("sending", 1)] * 3


def test_each_receipt_is_kept_as_soon_as_it_comes(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    known: list[list[str]] = []

    def flies(payloads: Sequence[Payload]) -> Iterator[Receipt]:
        for payload in payloads:
            known.append(states(college))
            yield Receipt(payload.key, "sent")

    fly(college, flies)
    assert known == [["sending"] * 3, ["sent", "sending", "sending"], ["sent", "sent", "sending"]]


def breaks(payloads: Sequence[Payload]) -> Iterator[Receipt]:
    yield Receipt(payloads[0].key, "sent")
    raise ValueError(AMELIA)


def stops(payloads: Sequence[Payload]) -> Iterator[Receipt]:
    yield Receipt(payloads[0].key, "sent")
    raise ConfigError("The loft is locked. Open it.")


def answers_twice(payloads: Sequence[Payload]) -> Iterator[Receipt]:
    yield Receipt(payloads[0].key, "sent")
    yield Receipt(payloads[0].key, "permanent")


def says_nothing(payloads: Sequence[Payload]) -> Iterator[Receipt]:
    yield Receipt(payloads[0].key, "sent")


def talks_nonsense(payloads: Sequence[Payload]) -> Iterator[Any]:
    yield Receipt(payloads[0].key, "sent")
    yield AMELIA


@pytest.mark.parametrize("flies", [breaks, stops, answers_twice, says_nothing, talks_nonsense])
def test_a_channel_that_goes_wrong_leaves_what_it_did_not_answer_for_unknown(
    flies: Callable[[Sequence[Payload]], Iterator[Any]], tmp_path: Path
) -> None:
    college = small(tmp_path, tutors=3)
    report = fly(college, flies)
    assert states(college) == ["sent", "unknown", "unknown"]
    assert (report.digests.sent, report.digests.unknown, report.exit_code) == (1, 2, 4)
    assert AMELIA not in str(report.as_dict())
    assert any("loft" in message for message in report.messages) is (flies is not says_nothing)

    handed: list[Payload] = []

    def arrive_again(payloads: Sequence[Payload]) -> Iterator[Receipt]:
        handed.extend(payloads)
        return arrive(payloads)

    college.later(days=20 * MINUTES)
    again = fly(college, arrive_again)
    assert (again.digests.sent, again.exit_code) == (2, 0)
    assert len(handed) == 2
    assert states(college) == ["sent"] * 3


# A message that cannot be made


def test_a_message_that_cannot_be_made_is_said_once_and_made_when_it_can_be(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=3)
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "digest.txt.j2").write_text("{{ no_such_thing }}", encoding="utf-8")
    college.connectors.append({"type": "email", "name": "folder", "templates": "templates"})
    report = college.sync()
    assert (report.digests.planned, report.digests.failed, report.exit_code) == (0, 3, 4)
    assert report.records["learners"] == 6, "the night went on"
    (sentence,) = [one for one in report.messages if "digest.txt.j2" in one]
    assert "folder" in sentence

    (templates / "digest.txt.j2").write_text("{{ title }}", encoding="utf-8")
    college.later(days=1)
    assert college.sync().digests.sent == 3


def test_the_bytes_are_forgotten_once_they_are_delivered_and_their_hash_stays(tmp_path: Path) -> None:
    college = small(tmp_path, tutors=2)
    college.sync()
    for row in outbox(college):
        assert row["content"] is None
        assert row["content_hash"]
        assert row["external_ref"] == row["message_id"]
