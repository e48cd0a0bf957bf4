"""The e-mail channel, through its hooks: real sockets, real certificates, real folders."""

from __future__ import annotations

import email
import email.policy
import itertools
import re
import socket
import ssl
import string
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, cast, get_args

import contexts
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mails import text_of
from pydantic import ValidationError
from smtp_faults import Fault, FaultServer, free_port
from structlog.testing import capture_logs

from fingerpost import (
    Change,
    ConfigError,
    Context,
    ContractError,
    Digest,
    DigestLearner,
    DigestLine,
    DigestSource,
    Finding,
    GapItem,
    Payload,
    Person,
    Receipt,
    RecordError,
)
from fingerpost_email import EmailChannel, connectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SECRET = "correct-horse-battery"  # what must never show


def channel(sleep: Callable[[float], None] = lambda _: None, **keys: Any) -> EmailChannel:
    table = {"type": "email", "name": "post", **keys}
    return EmailChannel(EmailChannel.Config.model_validate(table), sleep=sleep)  # type: ignore[arg-type]


def line(**changed: Any) -> DigestLine:
    base = DigestLine("key", "hash", "new", "B5", "1 of 2 meetings with employers this year", "One more employer talk")
    return replace(base, **changed)


def learner(name: str = "Amelia K.", *lines: DigestLine, **changed: Any) -> DigestLearner:
    return replace(DigestLearner(name, "100231", "Health 12A", lines or (line(),)), **changed)


def digest(**changed: Any) -> Digest:
    base = Digest(
        key="digest-1",
        recipient=Person("Alison Tutor", "a.tutor@example.ac.uk"),
        role="tutor",
        college="Example College",
        academic_year="2025/26",
        as_of=date(2026, 3, 2),
        learners=(learner(),),
        on_track=18,
        group_size=25,
        cannot_tell=2,
        sources=(DigestSource("mis", "2 March 2026"), DigestSource("careers-log", "27 February 2026")),
        careers_leader=Person("Sam Carter", "careers@example.ac.uk"),
        record_where="the careers page in ProMonitor",
    )
    return replace(base, **changed)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """What the host hands to a channel, as far as a channel looks at it."""
    said = frozenset({"warn", "header", "data_from"})
    host = contexts.HostContext(tmp_path, name="post", now=datetime(2026, 7, 6, 6, 30, tzinfo=UTC), forbidden=said)
    return cast("Context", host)


def parsed(payload: Payload) -> EmailMessage:
    message = email.message_from_bytes(payload.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(payload: Payload, kind: str) -> str:
    return text_of(payload.content, kind)


class Blocks(HTMLParser):
    """The text of a page, one entry for each block, and what its tags say."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = [""]
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._in_head = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_head = tag == "head" or (self._in_head and tag != "body")
        if tag not in {"span", "b", "a"}:
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if not self._in_head:
            self.texts[-1] += data

    @property
    def filled(self) -> list[str]:
        return [text for text in map(squeezed, self.texts) if text]


def squeezed(text: str) -> str:
    return " ".join(text.split())


# The message


def test_the_plugin_offers_one_channel_for_digests() -> None:
    (cls,) = connectors()
    assert cls is EmailChannel
    assert (EmailChannel.name, EmailChannel.accepts) == ("email", "digest")


def test_headers(context: Context) -> None:
    payload = channel(sender="careers-office@example.ac.uk").render(digest(), context)
    mail = parsed(payload)
    assert mail["From"] == "Careers at Example College <careers-office@example.ac.uk>"
    assert mail["To"] == "Alison Tutor <a.tutor@example.ac.uk>"
    assert mail["Reply-To"] == "careers@example.ac.uk"
    assert mail["Subject"] == payload.subject
    assert mail["Date"] == "Mon, 06 Jul 2026 07:30:00 +0100"  # college time
    assert mail["Message-ID"] == payload.message_id
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.ac\.uk>", payload.message_id)
    assert mail["References"] == mail["In-Reply-To"] != payload.message_id
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert (mail["Cc"], mail["Bcc"]) == (None, None)
    assert (payload.key, payload.recipient) == ("digest-1", "a.tutor@example.ac.uk")
    assert mail.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in mail.iter_parts()] == ["text/plain", "text/html"]
    assert {p["Content-Transfer-Encoding"] for p in mail.iter_parts()} <= {"quoted-printable", "base64"}


def test_one_thread_for_each_recipient_and_year(context: Context) -> None:
    def root(**changed: Any) -> str:
        return str(parsed(channel().render(digest(**changed), context))["References"])

    assert root() == root(key="digest-2")
    assert root() != root(academic_year="2026/27")
    assert root() != root(recipient=Person("B", "b@example.ac.uk"))


def test_a_file_needs_no_sender(context: Context) -> None:
    assert "<careers@example.ac.uk>" in parsed(channel().render(digest(), context))["From"]
    alone = parsed(channel().render(digest(careers_leader=None), context))
    assert "<no-reply@example.ac.uk>" in alone["From"]
    assert alone["Reply-To"] is None


def test_long_names_and_domains_keep_every_header_whole(context: Context) -> None:
    domain = "students-and-staff.northern-and-southern-and-western-colleges-group.ac.uk"
    name = 'Zoë, "the" <tutor@elsewhere.example>; ' * 8
    payload = channel(sender=f"careers@{domain}").render(
        digest(recipient=Person(name, f"a.tutor@{domain}"), college="Lincoln, Grantham & Newark <x@y.zz> College" * 3),
        context,
    )
    mail = parsed(payload)
    assert [a.addr_spec for a in mail["To"].addresses] == [f"a.tutor@{domain}"]
    assert [a.addr_spec for a in mail["From"].addresses] == [f"careers@{domain}"]
    assert f"References: {mail['References']}\r\n".encode() in payload.content
    assert f"Message-ID: {payload.message_id}\r\n".encode() in payload.content


def test_rendering_twice_gives_the_same_bytes(context: Context) -> None:
    first = channel().render(digest(), context)
    again = channel().render(digest(), context)
    assert first == again
    assert first.content.isascii()
    assert max(map(len, first.content.split(b"\r\n"))) <= 200
    assert b"\n" not in first.content.replace(b"\r\n", b"")
    other = channel().render(digest(key="digest-2"), context)
    assert other.message_id != first.message_id


def test_only_digests_are_taken(context: Context) -> None:
    item = GapItem("k", "open", "100231", "Careers", (line(),), date(2026, 3, 2))
    with pytest.raises(ContractError):
        channel().render(item, context)


BAD_ADDRESSES = [
    "",
    "a.tutor",
    "a.tutor@localhost",
    "a@b@example.ac.uk",
    "a.tutor@example.ac.uk, b@example.ac.uk",
    "a.tutor@example.ac.uk\r\nBcc: all@example.ac.uk",
    "a.tutor@example.ac.uk\n",
    "<a.tutor@example.ac.uk>",
    '"a, b"@example.ac.uk',
    "a.tutor@exa mple.ac.uk",
    "ünal@example.ac.uk",
    "a" * 65 + "@example.ac.uk",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_address_that_is_not_one_plain_address_is_refused(address: str, context: Context) -> None:
    with pytest.raises(RecordError) as refused:
        channel().render(digest(recipient=Person("A", address)), context)
    assert refused.value.reason == "bad_address"
    assert not address or address not in str(refused.value)


# The words


def test_a_tutor_reads_what_by_when_and_how(context: Context) -> None:
    people = (
        learner("Later L.", line(change="open", due=date(2026, 7, 31)), reference="1"),
        learner("Soon S.", line(change="changed", due=date(2026, 3, 27), booked="Careers fair, 12 March 2026")),
        learner("Overdue O.", line(change="reminder", due=date(2026, 1, 30), overdue=True), reference="3"),
    )
    done = (learner("Done D.", line(change="closed", needs="2 of 2 meetings with employers")),)
    payload = channel().render(
        digest(learners=people, closed=done, on_track=18, cannot_tell=4, sources=(
            DigestSource("mis", "2 March 2026"), DigestSource("careers-log", "2 February 2026", stale=True))),
        context,
    )  # fmt: skip
    text = part(payload, "plain")
    assert payload.subject == "Careers: 3 learners need something"
    for said in (
        "3 of your 25 learners need something from the careers programme",
        "Something is overdue for 1 learner",
        "Still open: 1 of 2 meetings with employers this year",
        "Due by 31 July\n",
        "Changed: 1 of 2 meetings",
        "Due by 27 March\n",
        "Already booked: Careers fair, 12 March 2026",
        "Reminder: 1 of 2 meetings",
        "Overdue: it was due by 30 January",
        "What would settle it: One more employer talk",
        "Done: 2 of 2 meetings with employers",
        "18 of your 25 learners have everything they need for now.",
        "For 4 of your 25 learners we cannot tell: some of what",
        "Based on mis as of 2 March 2026, careers-log as of 2 February 2026.",
        "may be missing here: careers-log.",
        "Record it in the careers page in ProMonitor.",
        "Tell Sam Carter at careers@example.ac.uk.",
        "recorded as the tutor of these learners",
    ):
        assert said in text
    order = [text.index(name) for name in ("Overdue O.", "Soon S.", "Later L.", "Done D.", "In numbers")]
    assert order == sorted(order)
    assert not re.search(r"gatsby|benchmark|criterion|\bgaps?\b|at risk|curriculum", text, re.IGNORECASE)


@pytest.mark.parametrize(
    ("changed", "subject", "said", "unsaid"),
    [({"learners": (learner("A", line(due=date(2027, 7, 31))),)},
      "1 learner needs something, 1 new", "Due by 31 July 2027", []),
     ({"on_track": 10, "group_size": 25, "cannot_tell": 2, "not_listed": 12},
      "13 learners need something, 1 new",
      "12 more learners need something. They were listed before or will be next time.", []),
     ({"role": "careers_leader", "on_track": 22},
      "1 learner with no tutor needs something, 1 new", "No tutor is on record for these learners",
      ["your learners", "recorded as the tutor"]),
     ({"learners": (), "closed": (learner(),), "on_track": 25, "group_size": 25, "cannot_tell": 0},
      "done since last time for 1 learner", "Nothing is asked of you this time.", ["What they need"])],
    ids=["a day of another year", "more than are listed", "nobody tutors them", "good news only"],
)  # fmt: skip
def test_the_message_fits_what_there_is_to_say(
    changed: dict[str, Any], subject: str, said: str, unsaid: list[str], context: Context
) -> None:
    payload = channel().render(digest(**changed), context)
    text, page = part(payload, "plain"), " ".join(Blocks(part(payload, "html")).filled)
    assert payload.subject == f"Careers: {subject}"
    assert (said in text, said in page) == (True, True)
    assert not [words for words in unsaid if words in text]


@pytest.mark.parametrize("role", ["careers_leader", "tutor"])
def test_the_careers_leader_is_told_who_cannot_be_reached(role: str, context: Context) -> None:
    left = (Person("Bea\nLeft", "b.left@example.ac.uk"), Person("Cal Gone", "c.gone@example.ac.uk"))
    payload = channel().render(digest(role=role, unreachable=left), context)
    text = " ".join(part(payload, "plain").split())
    assert "The tutor Bea Left cannot be reached at b.left@example.ac.uk" in text
    assert "The tutor Cal Gone cannot be reached at c.gone@example.ac.uk" in text
    assert ("1 learner with no tutor who can be reached needs something" in payload.subject) is (
        role == "careers_leader"
    )
    assert ("No other tutor is on record for these learners" in text) is (role == "careers_leader")
    assert "Left" not in payload.subject


def test_no_name_in_the_subject_or_in_what_a_mail_program_previews(context: Context) -> None:
    payload = channel().render(digest(), context)
    page = " ".join(Blocks(part(payload, "html")).filled)
    assert "Amelia" not in payload.subject
    assert page.index("Amelia") > 200
    assert part(payload, "plain").index("Amelia") > 200


ALPHABET = st.characters(exclude_categories=["Cs"])
WORDS = st.text(ALPHABET, min_size=1, max_size=60).filter(lambda text: any(c.isalnum() for c in text))
LINES = st.builds(
    DigestLine,
    gap_key=st.just("k"),
    content_hash=st.just("h"),
    change=st.sampled_from(get_args(Change)),
    criterion=st.just("B5"),
    needs=WORDS,
    closes=WORDS,
    due=st.none() | st.dates(),
    overdue=st.booleans(),
    booked=st.none() | WORDS,
)
PEOPLE = st.lists(
    st.builds(
        DigestLearner,
        name=WORDS,
        reference=WORDS,
        group=st.none() | WORDS,
        lines=st.lists(LINES, min_size=1, max_size=3).map(tuple),
        link=st.none() | st.just("https://ilp.example.ac.uk/l?a=1&b=2") | WORDS,
    ),
    max_size=4,
).map(tuple)
DIGESTS = st.builds(
    Digest,
    key=WORDS,
    recipient=st.builds(Person, name=WORDS, email=st.just("a.tutor@example.ac.uk")),
    role=st.sampled_from(["tutor", "cover", "careers_leader"]),
    college=WORDS,
    academic_year=st.just("2025/26"),
    as_of=st.dates(),
    learners=PEOPLE,
    closed=PEOPLE,
    on_track=st.integers(0, 30),
    group_size=st.integers(0, 60),
    cannot_tell=st.integers(0, 5),
    sources=st.lists(st.builds(DigestSource, name=WORDS, as_of=WORDS, stale=st.booleans()), max_size=3).map(tuple),
    careers_leader=st.none() | st.builds(Person, name=WORDS, email=st.just("careers@example.ac.uk")),
    record_where=st.none() | WORDS,
    unreachable=st.lists(st.builds(Person, name=WORDS, email=st.just("b.left@example.ac.uk")), max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(item=DIGESTS)
def test_both_parts_say_the_same(item: Digest, context: Context) -> None:
    payload = channel().render(item, context)
    assert payload == channel().render(item, context)
    text, page = squeezed(part(payload, "plain")), Blocks(part(payload, "html"))
    for block in page.filled:
        assert block.replace("Open the record", "Open the record:") in text
    whole = " ".join(page.filled)
    for person in (*item.learners, *item.closed):
        for said in (person.name, *(one.needs for one in person.lines)):
            assert visible(said) in whole
            assert visible(said) in text
    for person in item.learners:
        for one in person.lines:
            assert visible(one.closes) in whole
            assert visible(one.booked or "") in whole
            assert one.due is None or str(one.due.day) in whole
    for _, attributes in page.tags:
        assert (attributes.get("href") or "https://").startswith("https://")
        assert "src" not in attributes


def visible(text: str) -> str:
    """What a cleaned word shows: its printable characters, which is all that the channel promises to keep."""
    kept = "".join(c if c.isprintable() or c in "\u200c\u200d" else " " if c.isspace() else "" for c in text)
    return squeezed(kept)


def test_the_page_is_accessible_and_fetches_nothing(context: Context) -> None:
    people = (learner(link="https://ilp.example.ac.uk/learners/1"),)
    page = part(channel().render(digest(learners=people, closed=people), context), "html")
    tags = Blocks(page).tags
    assert ("html", {"lang": "en-GB", "dir": "ltr"}) in tags
    names = [tag for tag, _ in tags]
    assert not {"img", "script", "link", "style", "iframe", "form", "table"} & set(names)
    levels = [int(tag[1]) for tag in names if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert "url(" not in page
    assert re.findall(r"https?://[^\"<]+", page) == ["https://ilp.example.ac.uk/learners/1"]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_text_stands_out_from_its_ground(context: Context) -> None:
    people = tuple(
        learner("A", line(change=change, due=date(2026, 1, 1), overdue=True), link="https://x.example/")
        for change in get_args(Change)
    )
    page = part(channel().render(digest(learners=people), context), "html")
    styles = [style for style in re.findall(r'style="([^"]*)"', page) if re.search(r"(?<!-)\bcolor:", style)]
    assert len(styles) > 10
    for style in styles:
        ink = re.search(r"(?<!-)\bcolor:(#[0-9a-f]{6})", style)
        ground = re.search(r"background-color:(#[0-9a-f]{6})", style)
        assert ink is not None
        assert contrast(ink[1], ground[1] if ground else "#ffffff") >= 4.5


# What people paste into names

CORPUS = [
    "Eve\r\nBcc: all@example.ac.uk\r\n\r\nHello",
    "Eve\nX-Evil: 1",
    "Eve\u2028Subject: x\u0085y",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "{{ ''.__class__.__mro__ }}",
    "=cmd|' /C calc'!A0",
    "Eve \u202edlrow olleh\u202c \u2066x\u2069 \u200f",
    "'; DROP TABLE learners; --",
    "Ng\u0303u'gi\u0303 wa Thiong'o " * 15,
    "x" * 10_000,
    "\x00\x07\x1b[31mEve",
    ".\r\n.\r\n",
    "\ud800Eve",
]


@pytest.mark.parametrize("evil", CORPUS)
def test_pasted_text_stays_text(evil: str, context: Context) -> None:
    item = digest(
        recipient=Person(evil, "a.tutor@example.ac.uk"),
        college=evil,
        learners=(learner(evil, line(needs=evil, closes=evil, booked=evil), group=evil, reference=evil, link=evil),),
        closed=(learner(evil),),
        sources=(DigestSource(evil, evil),),
        careers_leader=Person(evil, "careers@example.ac.uk"),
        record_where=evil,
    )
    plain = parsed(channel().render(digest(), context))
    payload = channel().render(item, context)
    mail = parsed(payload)
    assert mail.keys() == plain.keys()
    assert not mail.defects
    assert [a.addr_spec for a in mail["To"].addresses] == ["a.tutor@example.ac.uk"]
    assert [a.addr_spec for a in mail["From"].addresses] == ["careers@example.ac.uk"]
    assert mail["Subject"] == plain["Subject"]
    page, text = part(payload, "html"), part(payload, "plain")
    assert {tag for tag, _ in Blocks(page).tags} <= {tag for tag, _ in Blocks(part_of_plain(context)).tags}
    assert "49" not in page
    for hidden in "\u202e\u202c\u2066\u2069\u200f\x00\x07\x1b\u2028\u0085":
        assert hidden not in page + text
    assert not re.search(r"^(Bcc|X-Evil|Subject):", text, re.MULTILINE)


def part_of_plain(context: Context) -> str:
    return part(channel().render(digest(closed=(learner(),)), context), "html")


@pytest.mark.parametrize(
    "link",
    [
        "http://ilp.example.ac.uk/1",
        "javascript:alert(1)",
        "data:text/html,x",
        "//ilp.example.ac.uk",
        "https://",
        "https://user@ilp.example.ac.uk/",
        "https://ilp.example.ac.uk/a b",
        "https://ilp.example.ac.uk/\r\nx",
        "https://[::1",
    ],
)
def test_only_plain_https_links(link: str, context: Context) -> None:
    payload = channel().render(digest(learners=(learner(link=link),)), context)
    assert "Open the record" not in part(payload, "plain") + part(payload, "html")


# A college's own templates


def own_template(context: Context, kind: str, source: str) -> None:
    folder = context.base_dir / "own"
    folder.mkdir()
    (folder / f"digest.{kind}.j2").write_text(source, encoding="utf-8")


def test_own_templates_replace_the_shipped_one(context: Context) -> None:
    own_template(context, "html", "<p>Über {{ learners[0].name }}</p>")
    payload = channel(templates="own").render(digest(learners=(learner("<b>"),)), context)
    assert part(payload, "html").strip() == "<p>Über &lt;b&gt;</p>"
    assert "What would settle it" in part(payload, "plain")


@pytest.mark.parametrize(
    "source",
    [
        "{{ learners.__class__.__mro__ }}",
        "{{ ''.__class__.__subclasses__() }}",
        "{% if learners.clear() %}{% endif %}",
        "{{ learnerz }}",
        "{{ learners[0].name | int(default=none) + 1 }}",
        "{% if %}",
        "{% include '../secret.txt' %}",
        "{% for i in range(999999) %}{% endfor %}",
    ],
)
def test_a_bad_template_is_named_and_quotes_nothing(source: str, context: Context) -> None:
    (context.base_dir / "secret.txt").write_text(SECRET, encoding="utf-8")
    own_template(context, "txt", source)
    with pytest.raises(ConfigError) as refused:
        channel(templates="own").render(digest(), context)
    assert "digest.txt.j2" in refused.value.message
    assert "Amelia" not in refused.value.message
    assert refused.value.__context__ is None
    findings = list(channel(templates="own").check(context))
    assert any(f.level == "error" and "digest.txt.j2" in f.message for f in findings)


def test_a_templates_folder_without_templates_is_not_passed_over(context: Context) -> None:
    with pytest.raises(ConfigError, match="holds neither"):
        channel(templates="nowhere").render(digest(), context)


# Configuration


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"transport": "smtp", "sender": "a@example.ac.uk"}, "host"),
        ({"transport": "smtp", "host": "smtp.example.ac.uk"}, "sender"),
        ({"transport": "smtp", "host": "smtp.example.ac.uk", "sender": "a@b.uk", "security": "none"}, "security"),
        ({"transport": "smtp", "host": "10.0.0.5", "sender": "a@b.uk", "security": "none"}, "security"),
        ({"transport": "smtp", "host": "https://smtp.example.ac.uk", "sender": "a@b.uk"}, "host"),
        ({"transport": "smtp", "host": "a b", "sender": "a@b.uk"}, "host"),
        ({"sender": "a@example.ac.uk, b@example.ac.uk"}, "sender"),
        ({"sender": "a@example.ac.uk\r\nBcc: x@example.ac.uk"}, "sender"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"username": "u"}, "password"),
        ({"password": SECRET}, "username"),
        ({"username": "u", "password": SECRET + "é"}, "password"),
        ({"per_minute": 0}, "per_minute"),
        ({"security": "ssl"}, "security"),
        ({"recipient": "x"}, "recipient"),
    ],
)
def test_wrong_configuration_names_the_key_and_no_value(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        channel(**keys)
    said = str(refused.value)
    assert named in said
    assert SECRET not in said
    assert "Bcc" not in said


def test_the_port_follows_the_security() -> None:
    base: dict[str, Any] = {"transport": "smtp", "host": "h.example.ac.uk", "sender": "a@example.ac.uk"}
    ports = [channel(**base, **more).config.effective_port for more in ({}, {"security": "tls"}, {"port": 25})]
    assert ports == [587, 465, 25]


# Files


def outbox(context: Context) -> list[Path]:
    return sorted((context.base_dir / "outbox").iterdir())


@pytest.fixture
def payload(context: Context) -> Payload:
    return channel().render(digest(), context)


def test_a_message_becomes_one_file(context: Context, payload: Payload) -> None:
    post = channel()
    assert list(post.reconcile([payload], context)) == [Receipt("digest-1", "temporary", None, "file_not_there")]
    (receipt,) = post.deliver([payload], context)
    assert receipt == Receipt("digest-1", "sent", payload.message_id)
    (file,) = outbox(context)
    assert file.read_bytes() == payload.content
    assert file.name == f"a-tutor-{payload.message_id[1:13]}.eml"
    assert [r.status for r in post.reconcile([payload], context)] == ["sent"]


def test_delivering_again_changes_nothing(context: Context, payload: Payload) -> None:
    post = channel()
    list(post.deliver([payload], context))
    before = outbox(context)[0].stat()
    assert [r.status for r in post.deliver([payload], context)] == ["sent"]
    after = outbox(context)[0].stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert len(outbox(context)) == 1


def test_a_half_written_or_different_file_is_replaced(context: Context, payload: Payload) -> None:
    post = channel()
    list(post.deliver([payload], context))
    (file,) = outbox(context)
    file.write_bytes(payload.content[:100])
    assert [r.status for r in post.reconcile([payload], context)] == ["temporary"]
    assert [r.status for r in post.deliver([payload], context)] == ["sent"]
    assert outbox(context) == [file]
    assert file.read_bytes() == payload.content


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    local=st.sampled_from(["con", "nul", "com1", "a..", "../../x", "..", "A.B", "x" * 64, "~", "*?"])
    | st.text(string.ascii_letters + string.digits + ".!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=64)
)
def test_file_names_are_safe_everywhere(local: str, context: Context) -> None:
    payload = replace(channel().render(digest(), context), recipient=f"{local}@example.ac.uk")
    assert [r.status for r in channel().deliver([payload], context)] == ["sent"]
    for file in outbox(context):
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}\.eml", file.name)
        assert file.stem not in {"con", "nul", "com1"}
    assert [r.status for r in channel().reconcile([payload], context)] == ["sent"]


def test_a_folder_that_cannot_be_written_defers(context: Context) -> None:
    (context.base_dir / "outbox").write_text("a file, not a folder", encoding="utf-8")
    post = channel()
    payloads = [post.render(digest(key=str(n)), context) for n in range(2)]
    receipts = list(post.deliver(payloads, context))
    assert [(r.key, r.status) for r in receipts] == [("0", "temporary"), ("1", "temporary")]
    assert all("outbox folder cannot be used" in r.detail and "a-tutor" not in r.detail for r in receipts)
    (finding,) = post.check(context)
    assert finding.level == "error"
    assert "cannot be written to" in finding.message


@pytest.mark.parametrize("exists", [True, False])
def test_check_of_a_folder_leaves_nothing_behind(exists: bool, context: Context) -> None:
    if exists:
        (context.base_dir / "outbox").mkdir()
    before = sorted(context.base_dir.rglob("*"))
    assert [f.level for f in channel().check(context)] == ["ok"]
    assert sorted(context.base_dir.rglob("*")) == before


# SMTP: what each fault means


def smtp(port: int, **keys: Any) -> EmailChannel:
    base: dict[str, Any] = {
        "transport": "smtp",
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "careers@example.ac.uk",
    }
    return channel(**(base | keys))


def mails(post: EmailChannel, context: Context, count: int) -> list[Payload]:
    return [
        post.render(digest(key=f"d{n}", recipient=Person("T", f"t{n}@example.ac.uk")), context) for n in range(count)
    ]


def delivered(context: Context, count: int, server: FaultServer, **keys: Any) -> list[Receipt]:
    """Send so many messages through a server; return what became of each."""
    with server:
        post = smtp(server.port, **keys)
        return list(post.deliver(mails(post, context, count), context))


FAULTS: list[tuple[str, Fault | None, str, bool]] = [
    ("421 greeting", Fault("greeting", "reply", b"421 4.3.2 busy"), "temporary", False),
    ("drop at greeting", Fault("greeting", "fin"), "temporary", False),
    ("452 mail", Fault("mail", "reply", b"452 4.3.1 full"), "temporary", False),
    ("450 rcpt", Fault("rcpt", "reply", b"450 4.2.0 greylisted"), "put_off", False),
    ("550 rcpt", Fault("rcpt", "reply", b"550 5.1.1 <t0@example.ac.uk> unknown"), "permanent", False),
    ("451 after dot", Fault("final", "reply", b"451 4.3.0 later"), "put_off", False),
    ("421 after dot", Fault("final", "reply", b"421 4.3.2 closing"), "temporary", False),
    ("554 after dot", Fault("final", "reply", b"554 5.6.0 no"), "temporary", False),
    ("fin after dot", Fault("final", "fin"), "unknown", True),
    ("rst after dot", Fault("final", "rst"), "unknown", True),
    ("hang after dot", Fault("final", "hang"), "unknown", True),
    ("garbage after dot", Fault("final", "reply", b"OK, got it"), "unknown", True),
    ("250, then drop at quit", Fault("quit", "fin"), "sent", True),
    ("no fault", None, "sent", True),
    # beyond the fourteen
    ("hang at greeting", Fault("greeting", "hang"), "temporary", False),
    ("554 greeting", Fault("greeting", "reply", b"554 5.3.2 go away"), "temporary", False),
    ("500 ehlo", Fault("ehlo", "reply", b"500 5.5.1 what?"), "temporary", False),
    ("552 mail, too large", Fault("mail", "reply", b"552 5.3.4 too large"), "temporary", False),
    ("drop at rcpt", Fault("rcpt", "rst"), "temporary", False),
    ("garbage at rcpt", Fault("rcpt", "reply", b"fine by me"), "temporary", False),
    ("451 data", Fault("data", "reply", b"451 4.3.0 later"), "put_off", False),
    ("554 data", Fault("data", "reply", b"554 5.5.1 no"), "temporary", False),
    ("250 instead of 354", Fault("data", "reply", b"250 ok"), "temporary", False),
    ("endless line after dot", Fault("final", "reply", b"250 " + b"x" * 9000), "unknown", True),
    ("multi-line, cut", Fault("final", "reply", b"250-half an answer\r\n250-"), "unknown", True),
]


@pytest.mark.parametrize(("fault", "status", "taken"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_verdicts(fault: Fault | None, status: str, taken: bool, context: Context) -> None:
    with FaultServer([fault]) as server:
        # A server that hangs is waited for in vain, so the wait is short for those faults only.
        wait = 0.3 if fault and (fault.action == "hang" or fault.text.endswith(b"250-")) else 60
        post = smtp(server.port, timeout=wait, final_timeout=wait)
        (payload,) = mails(post, context, 1)
        (receipt,) = post.deliver([payload], context)
        assert (receipt.key, receipt.status) == ("d0", status)
        assert receipt.external_ref == (payload.message_id if status == "sent" else None)
        assert "example.ac.uk" not in receipt.detail
    assert [mail.content for mail in server.mails] == ([payload.content] if taken else [])


def test_a_connection_lost_within_the_message_is_safe_to_try_again(context: Context) -> None:
    # So large that the kernel cannot swallow it: the loss shows before the final dot is out.
    with FaultServer([Fault("body", "rst")]) as server:
        post = smtp(server.port)
        (payload,) = mails(post, context, 1)
        large = replace(payload, content=payload.content + b"x" * 70 * 1024 * 1024)
        (receipt,) = post.deliver([large], context)
    assert receipt.status == "temporary"
    assert not server.mails


def test_nobody_listens(context: Context) -> None:
    post = smtp(free_port())
    receipts = list(post.deliver(mails(post, context, 2), context))
    assert [r.status for r in receipts] == ["temporary", "temporary"]
    (finding,) = post.check(context)
    assert finding.level == "error"
    assert "firewall" in finding.hint


def test_the_frozen_bytes_arrive_unchanged(context: Context) -> None:
    with FaultServer() as server:
        post = smtp(server.port)
        payloads = mails(post, context, 3)
        dots = replace(payloads[0], content=b"A: b\r\n\r\n.\r\n..\r\n.x\r\nx.\r\n\r\n.\r\n")
        assert [r.status for r in post.deliver([dots, *payloads[1:]], context)] == ["sent"] * 3
    assert [m.content for m in server.mails] == [dots.content, *(p.content for p in payloads[1:])]
    assert [m.recipient for m in server.mails] == [p.recipient for p in payloads]
    assert {m.sender for m in server.mails} == {"careers@example.ac.uk"}
    assert server.connections == 1


def test_one_bad_recipient_costs_no_other(context: Context) -> None:
    with FaultServer([Fault("rcpt", "reply", b"550 5.1.1 unknown")]) as server:
        post = smtp(server.port)
        payloads = mails(post, context, 1)
        assert [r.status for r in post.deliver(payloads, context)] == ["permanent"]
        bad = replace(payloads[0], key="bad", recipient="a@example.ac.uk>\r\nRCPT TO:<b@example.ac.uk")
        receipts = list(post.deliver([bad, *payloads], context))
    assert [(r.key, r.status) for r in receipts] == [("bad", "permanent"), ("d0", "sent")]
    assert len(server.mails) == 1
    assert not any(b"b@example" in command for command in server.lines)


def test_a_lost_connection_is_opened_again_for_the_next(context: Context) -> None:
    server = FaultServer([Fault("final", "fin"), Fault("mail", "fin"), None])
    statuses = [r.status for r in delivered(context, 4, server)]
    assert statuses == ["unknown", "temporary", "sent", "sent"]
    assert server.connections == 3


def test_an_idle_connection_that_the_server_closed_costs_no_message(context: Context) -> None:
    server = FaultServer([Fault("rset", "fin"), None])
    assert [r.status for r in delivered(context, 2, server)] == ["sent", "sent"]
    assert server.connections == 2


def test_a_server_lost_again_and_again_is_left_alone(context: Context) -> None:
    server = FaultServer([Fault("greeting", "fin")] * 10)
    with capture_logs() as logs:
        receipts = delivered(context, 8, server)
    assert [r.status for r in receipts] == ["temporary"] * 8
    assert server.connections == 3
    assert [entry["event"] for entry in logs] == ["smtp_stopped"]


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault("auth", "reply", b"535 5.7.3 Authentication unsuccessful"), "user name"),
        (Fault("auth", "reply", b"535 5.7.139 SmtpClientAuthentication is disabled"), "relay connector"),
        (
            Fault("auth", "reply", b"550 5.7.30 Basic authentication is not supported for Client Submission."),
            "switched off",
        ),
        (Fault("mail", "reply", b"530 5.7.57 Client not authenticated to send mail"), "sign-in"),
        (Fault("mail", "reply", b"550 5.1.8 bad sender"), "`sender`"),
        (Fault("rcpt", "reply", b"550 5.7.68 TenantInboundAttribution; Direct Send not allowed"), "Direct Send"),
        (Fault("final", "reply", b"550 5.7.60 Client may not send as this sender"), "send as"),
    ],
)
def test_what_only_a_person_can_change_stops_the_delivery(fault: Fault, word: str, context: Context) -> None:
    server = FaultServer([fault] * 10, extensions=[b"AUTH PLAIN"])
    with capture_logs() as logs:
        receipts = delivered(context, 5, server, username="sender", password=SECRET)
    assert [r.status for r in receipts] == ["temporary"] * 5
    assert all(word in r.detail for r in receipts)
    assert server.connections == 1
    assert not server.mails
    (entry,) = logs
    assert (entry["event"], entry["waiting"]) == ("smtp_stopped", 5)
    assert SECRET not in repr((logs, receipts, smtp(1, username="sender", password=SECRET).config))
    assert "@" not in repr(logs)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault("mail", "reply", b"550 5.7.510 access denied"), "`sender`"),
        (Fault("rcpt", "reply", b"554 5.7.1 <t0@example.ac.uk>: Relay access denied"), "relay"),
        (Fault("rcpt", "reply", b"550 relay not permitted"), "relay"),
        (Fault("rcpt", "reply", b"550 5.7.133 sender not authenticated"), "rule"),
        (Fault("rcpt", "reply", b"550 5.1.90 daily limit reached"), "as much as"),
        (Fault("data", "reply", b"554 5.3.2 not accepting messages"), "rule"),
        (Fault("final", "reply", b"550 5.4.5 Daily user sending limit exceeded"), "as much as"),
        (Fault("final", "reply", b"550 5.2.0 Submission.Exception:SendAsDeniedException.MapiException"), "send as"),
        (Fault("final", "reply", b"554 no thank you"), "rule"),
        (Fault("final", "reply", b"552 5.2.3 longer than allowed"), "size"),
        (Fault("final", "reply", b"550 5.6.11 bare line feeds"), "content"),
    ],
)
def test_a_refusal_that_is_not_about_the_address_waits_and_says_what_to_do(
    fault: Fault, word: str, context: Context
) -> None:
    with FaultServer([fault]) as server:
        post = smtp(server.port)
        (receipt,) = post.deliver(mails(post, context, 1), context)
    assert receipt.status == "temporary"
    assert word in receipt.detail
    assert f"({fault.at}: {fault.text[:3].decode()}" in receipt.detail
    assert receipt.detail.endswith(").")
    assert "@" not in receipt.detail


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rcpt", "reply", b"550 no such user here"),
        Fault("rcpt", "reply", b"550 5.4.1 Recipient address rejected: Access denied"),
        Fault("rcpt", "reply", b"550 5.1.10 RecipientNotFound"),
        Fault("rcpt", "reply", b"552 5.2.2 <relay@example.ac.uk> mailbox full"),
        Fault("final", "reply", b"554 5.2.1 mailbox disabled"),
        Fault("final", "reply", b"550 5.1.1 no such mailbox"),
    ],
)
def test_a_refusal_of_the_address_is_for_good_at_every_stage(fault: Fault, context: Context) -> None:
    with FaultServer([fault]) as server:
        post = smtp(server.port)
        (receipt,) = post.deliver(mails(post, context, 1), context)
    assert receipt.status == "permanent"
    assert not receipt.detail.endswith(".")


def test_a_refusal_for_now_at_sign_in_is_no_wrong_password(context: Context) -> None:
    fault = Fault("auth", "reply", b"454 4.7.0 Temporary authentication failure")
    server = FaultServer([fault, None], extensions=[b"AUTH PLAIN"])
    receipts = delivered(context, 2, server, username="sender", password=SECRET)
    assert [r.status for r in receipts] == ["temporary", "sent"]


def test_sending_keeps_its_pace(context: Context) -> None:
    waits: list[float] = []
    delivered(context, 3, FaultServer(), per_minute=1, sleep=waits.append)
    assert len(waits) == 2
    assert all(0 < wait <= 60 for wait in waits)


def test_a_reader_that_stops_early_leaves_no_connection_open(context: Context) -> None:
    with FaultServer() as server:
        post = smtp(server.port)
        receipts = post.deliver(mails(post, context, 3), context)
        assert next(iter(receipts)).status == "sent"
        receipts.close()  # type: ignore[attr-defined]
        assert server.lines[-1].upper() == b"QUIT"
    assert len(server.mails) == 1


def test_smtp_cannot_be_asked_afterwards(context: Context) -> None:
    post = smtp(free_port())
    assert [r.status for r in post.reconcile(mails(post, context, 2), context)] == ["unknown", "unknown"]


# SMTP: who is on the other side


class Keeper:
    """Take every message."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes, bool]] = []

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append((str(envelope.mail_from), list(envelope.rcpt_tos), content, session.ssl is not None))
        return "250 taken"


@contextmanager
def mail_server(authority: trustme.CA, *, tls: bool = True, **certificate: Any) -> Iterator[tuple[Keeper, int]]:
    """A well-behaved server: STARTTLS and a sign-in, both required."""
    keeper, port = Keeper(), free_port()

    def sign_in(_: object, __: object, ___: object, ____: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given == LoginPassword(b"sender", SECRET.encode()), handled=False)

    keys: dict[str, Any] = {}
    if tls:
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = certificate.pop("names", ["localhost", "127.0.0.1"])
        authority.issue_cert(*names, **certificate).configure_cert(server_side)
        keys = {"tls_context": server_side, "require_starttls": True, "auth_required": True, "authenticator": sign_in}
    controller = Controller(keeper, hostname="127.0.0.1", port=port, **keys)
    controller.start()
    try:
        yield keeper, port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    path = tmp_path_factory.mktemp("ca") / "college-ca.pem"
    made = trustme.CA()
    made.cert_pem.write_to_path(str(path))
    return made, path


def over_tls(port: int, ca_file: Path | None, **keys: Any) -> EmailChannel:
    trust = {} if ca_file is None else {"ca_file": str(ca_file)}
    return smtp(port, **({"security": "starttls", "username": "sender", "password": SECRET} | trust | keys))


def levels(findings: Sequence[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def assert_refused(post: EmailChannel, context: Context, words: str) -> None:
    """Nothing is sent for now, each receipt says why, and the check finds it too."""
    receipts = list(post.deliver(mails(post, context, 3), context))
    assert [(r.status, words in r.detail) for r in receipts] == [("temporary", True)] * 3
    assert levels(list(post.check(context))) == ["error"]


def test_starttls_and_sign_in(authority: tuple[trustme.CA, Path], context: Context) -> None:
    made, path = authority
    with mail_server(made) as (keeper, port):
        post = over_tls(port, path)
        assert levels(list(post.check(context))) == ["ok"]
        assert not keeper.taken
        payloads = mails(post, context, 2)
        assert [r.status for r in post.deliver(payloads, context)] == ["sent", "sent"]
    assert keeper.taken == [("careers@example.ac.uk", [p.recipient], p.content, True) for p in payloads]


def test_a_wrong_password(authority: tuple[trustme.CA, Path], context: Context) -> None:
    made, path = authority
    with mail_server(made) as (keeper, port):
        post = over_tls(port, path, password="wrong")
        (finding,) = post.check(context)
        receipts = list(post.deliver(mails(post, context, 2), context))
    assert (finding.level, "user name" in finding.hint) == ("error", True)
    assert [r.status for r in receipts] == ["temporary", "temporary"]
    assert not keeper.taken


@pytest.mark.parametrize(
    ("trusted", "certificate"),
    [
        (False, {}),
        (True, {"names": ["mail.elsewhere.example"]}),
        (True, {"not_after": datetime.now(UTC) - timedelta(days=1)}),
    ],
    ids=["unknown authority", "another host", "expired"],
)
def test_a_certificate_that_is_not_good_is_refused(
    trusted: bool, certificate: dict[str, Any], authority: tuple[trustme.CA, Path], context: Context
) -> None:
    made, path = authority
    with mail_server(made, **certificate) as (keeper, port):
        assert_refused(over_tls(port, path if trusted else None), context, "certificate was refused")
    assert not keeper.taken


def test_without_starttls_nothing_goes_out_in_clear(context: Context) -> None:
    with FaultServer(extensions=[b"AUTH PLAIN LOGIN"]) as server:
        assert_refused(over_tls(server.port, None), context, "STARTTLS")
    assert all(command[:4].upper() in {b"EHLO", b"QUIT"} for command in server.lines)


@pytest.mark.parametrize("good", [True, False])
def test_tls_from_the_first_byte(good: bool, authority: tuple[trustme.CA, Path], context: Context) -> None:
    made, path = authority
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("127.0.0.1" if good else "mail.elsewhere.example").configure_cert(server_side)
    keeper, port = Keeper(), free_port()
    trusting = ssl.create_default_context(cafile=path)
    trusting.check_hostname = good
    controller = TlsController(keeper, hostname="127.0.0.1", port=port, ssl_context=server_side)
    controller.trusting = trusting
    controller.start()
    try:
        post = smtp(port, security="tls", ca_file=str(path))
        (receipt,) = post.deliver(mails(post, context, 1), context)
    finally:
        controller.stop()
    assert receipt.status == ("sent" if good else "temporary")
    assert len(keeper.taken) == int(good)


class TlsController(Controller):
    """A server with TLS from the first byte, which it tries itself before it says that it is up."""

    trusting: ssl.SSLContext

    def _trigger_server(self) -> None:
        with (
            socket.create_connection((self.hostname, self.port)) as plain,
            self.trusting.wrap_socket(plain, server_hostname=self.hostname) as wrapped,
        ):
            wrapped.recv(1024)


def test_a_server_that_speaks_no_tls_here(context: Context) -> None:
    receipts = delivered(context, 2, FaultServer(), security="tls")
    assert all((r.status, "does not speak TLS" in r.detail) == ("temporary", True) for r in receipts)


def test_an_authority_file_that_cannot_be_read(context: Context) -> None:
    with capture_logs() as logs:
        assert_refused(over_tls(free_port(), context.base_dir / "nowhere.pem"), context, "`ca_file`")
    assert len(logs) == 1


@pytest.mark.parametrize(("host", "warned"), [("smtp.office365.com", True), ("smtp.example.ac.uk", False)])
def test_a_microsoft_password_is_warned_of(
    host: str, warned: bool, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> socket.socket:
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    findings = list(smtp(587, host=host, security="starttls", username="u", password=SECRET).check(context))
    assert levels(findings) == ["error", "warning"][: 1 + warned]
    assert ("December 2026" in findings[-1].message) == warned
    assert SECRET not in repr(findings)
