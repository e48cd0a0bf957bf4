"""No name and no secret where none belongs.

Canaries are planted in every source, good rows and bad ones, in secrets, in what a mail server answers and in what a
vendor's connector holds while it breaks. Then everything is run, and whatever comes out is searched for them.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from colleges import activity, usual_college
from command_line import run, unlog
from ilr_files import SAMPLE
from plugins import install
from smtp_faults import Fault, FaultServer, free_port

from fingerpost import College, ConfigError, FingerpostError, Record
from fingerpost._web.http import Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from colleges import SmallCollege

pytestmark = pytest.mark.slow


def uln(nine: str) -> str:
    """Return a valid ULN: nine digits and the check digit."""
    return nine + str(10 - sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11)


GIVEN, FAMILY, EMAIL = "Zephyrine", "Quackenbush", "zq-learner@example.ac.uk"
ULN, BAD_ULN, BORN = uln("471623990"), "4716239919", "2008-02-29"
TUTOR, TUTOR_EMAIL = "Wilhelmina Oystercatcher", "w.oystercatcher@example.ac.uk"
PASSWORD, TOKEN = "swordfish&plankton=42", "tok/9f8e7d6c5b"

LEARNERS = {GIVEN, FAMILY, "zq-learner", ULN, BAD_ULN, BORN}
STAFF = {"Wilhelmina", "oystercatcher"}
SECRETS = {PASSWORD, TOKEN, "swordfish", "9f8e7d6c5b"}
CANARIES = LEARNERS | STAFF | SECRETS


def leaks(text: object, canaries: set[str] = CANARIES) -> set[str]:
    """Return the canaries that stand in a text, however it is spelt: in JSON, as bytes, percent-encoded."""
    plain = str(text).casefold()
    return {canary for canary in canaries if canary.casefold() in plain}


VENDOR = f'''
    """A vendor's connectors that hold names and secrets in their hands and drop everything."""

    import json
    from pathlib import Path
    from typing import Literal

    from pydantic import SecretStr

    from fingerpost import (
        Channel, ConnectorConfig, Payload, Receipt, Record, Rejected, Source, SourceConfig, StreamSpec, hookimpl,
    )

    GIVEN, FAMILY, EMAIL, ULN, TUTOR = {GIVEN!r}, {FAMILY!r}, {EMAIL!r}, {ULN!r}, {TUTOR!r}
    told = Path(__file__).with_name("told.jsonl")


    def remember(**what):
        with told.open("a", encoding="utf-8") as file:
            file.write(json.dumps(what, default=str) + "\\n")


    class GossipConfig(SourceConfig):
        does: str
        url: SecretStr | None = None
        token: SecretStr | None = None


    class Gossip(Source):
        name = "gossip"
        Config = GossipConfig
        streams = (StreamSpec("activities", mapping="careers-log", feeds=("employer_encounter",)),)

        @hookimpl
        def check(self, context):
            learner = dict(given_names=GIVEN, email=EMAIL)
            raise RuntimeError(f"no such learner: {{learner}}, {{self.config.token}}")
            yield

        @hookimpl
        def read_activities(self, cursor, context):
            name, token = f"{{GIVEN}} {{FAMILY}}", self.config.token.get_secret_value()
            row = dict(activity_id="g1", learner_ref="L001", activity_type="Employer talk", date="2025-10-06")
            yield Record("g1", row | dict(recorded_by=TUTOR))
            getattr(self, self.config.does)(context, name, token)
            yield from getattr(self, f"yield_{{self.config.does}}", lambda: ())()

        def raises(self, context, name, token):
            try:
                raise KeyError(name)
            except KeyError as error:
                raise ValueError(f"cannot read {{name}} <{{EMAIL}}> with {{token}}") from error

        def logs(self, context, name, token):
            try:
                raise ValueError(name)
            except ValueError as error:
                context.log.error("no_luck", exc_info=True, error=error, name=name, email=EMAIL, uln=ULN, token=token)
            record = Record("k", dict(x=name))
            context.log.warning("asked " + token, data=dict(x=name), record=record, learner_name=name)
            context.log.debug("row", raw=[name], given_names=GIVEN, headers=dict(Authorization=token), key="L001")

        def fetches(self, context, name, token):
            context.http.get(self.config.url.get_secret_value() + "/learners", params=dict(token=token))

        def rejects(self, context, name, token):
            pass

        def yield_rejects(self):
            yield Rejected("g2", "ragged_row", "line 2", dict(learner=GIVEN, title=FAMILY))

        def talks(self, context, name, token):
            pass

        def yield_talks(self):
            yield Rejected("g3", f"No such learner: {{GIVEN}}", "line 3", {{}})

        def warns(self, context, name, token):
            context.warn(f"{{GIVEN}} again", key="g4")

        def yields_junk(self, context, name, token):
            pass

        def yield_yields_junk(self):
            yield dict(name=GIVEN, family=FAMILY)

        def leaves(self, context, name, token):
            raise SystemExit(f"{{name}} {{token}}")

        def leaks(self, context, name, token):
            context.log.error("it is about " + name)


    class PostConfig(ConnectorConfig):
        token: SecretStr | None = None
        breaks: Literal["render", "deliver"]


    class Post(Channel):
        name = "post"
        Config = PostConfig
        accepts = "digest"

        @hookimpl
        def render(self, item, context):
            if self.config.breaks == "render":
                raise ValueError(f"{{item.recipient.name}} {{item.learners[0].name}}")
            return Payload(item.key, item.recipient.email, EMAIL.encode(), "text/plain", f"<{{item.key}}@x>", "digest")

        @hookimpl
        def deliver(self, payloads, context):
            yield Receipt(payloads[0].key, "sent")
            raise OSError(f"{{payloads[1].recipient}} {{self.config.token.get_secret_value()}} {{GIVEN}}")


    @hookimpl
    def connectors():
        return [Gossip, Post]


    @hookimpl
    def run_started(run, as_of):
        remember(run=run, as_of=as_of)


    @hookimpl
    def record_quarantined(connector, stream, reason, field):
        remember(connector=connector, stream=stream, reason=reason, field=field)


    @hookimpl
    def run_finished(run, summary):
        remember(run=run, summary=summary)
        raise RuntimeError(f"{{GIVEN}} {{FAMILY}}")
'''


def secret(name: str) -> dict[str, str]:
    return {"env": name}


GOSSIPS = ("raises", "logs", "fetches", "rejects", "talks", "warns", "yields_junk", "leaves")


def planted(folder: Path, mail_port: int) -> SmallCollege:
    """Return a college with canaries in every place where something could be picked up."""
    college = usual_college(folder, learners=8)
    mis, courses, tutors, log = (college.rows[name] for name in ("mis", "courses", "tutors", "careers-log"))
    person = {"given_names": GIVEN, "family_name": FAMILY, "email": EMAIL, "date_of_birth": BORN, "uln": ""}
    for row in mis:
        row.update(person)
    mis[0]["uln"] = ULN
    mis += [
        {"learner_ref": "", **person, "uln": BAD_ULN},
        {"learner_ref": "B1", **person, "uln": BAD_ULN},
        {"learner_ref": "B2", **person, "date_of_birth": f"{GIVEN}'s birthday"},
        {"learner_ref": "B3", **person, "email": f"{EMAIL} or {FAMILY}"},
        {"learner_ref": "B4", **person, "given_names": GIVEN * 30},
        {"learner_ref": "L001", **person},
    ]
    courses += [
        courses[0] | {"start_date": f"when {FAMILY} came"},
        courses[1] | {"status": f"{GIVEN} left", "programme_type": FAMILY},
    ]
    for row in tutors:
        row.update(tutor_name=TUTOR, tutor_email=TUTOR_EMAIL, role="")
    tutors[1]["tutor_email"] = TUTOR_EMAIL.replace("w.", "w2.")
    tutors[2]["tutor_email"] = TUTOR_EMAIL.replace("example.ac.uk", "elsewhere.example")
    tutors[3]["tutor_email"] = TUTOR_EMAIL.replace("@", " at ")
    tutors[4]["role"] = f"{GIVEN}'s aunt"
    log += [
        activity("c1", "L001", f"Chat with {GIVEN}"),
        activity("c2", "L001", "Employer talk", f"{FAMILY} day"),
        activity("c3", "L001", "Employer talk", hours=FAMILY, title=f"{GIVEN}'s talk", notes=f"{FAMILY} cried"),
        activity("c4", "L001", "Employer talk", status=f"{GIVEN} missed it", recorded_by=TUTOR),
        activity("c5", "nobody", "Employer talk"),
        activity("c5", "L001", "Employer talk", recorded_by=TUTOR),
    ]
    leaver = {"learner_ref": "L001", "uln": "", "destination_type": "University", "start_date": "2026-09-01"}
    college.add_csv(
        "leavers", "destinations", "destinations",
        [leaver | {"stage": f"{GIVEN} says", "title": ""},
         leaver | {"learner_ref": "", "uln": ULN, "stage": "Actual", "title": f"With {FAMILY}"}],
    )  # fmt: skip
    for name in ("mis", "courses", "tutors", "careers-log", "leavers"):
        path = college.write(name)
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(f'{GIVEN},{FAMILY},{EMAIL},{ULN},{TUTOR},too,many,columns,in,this,row\r\n"{FAMILY}')
    text = SAMPLE.read_text(encoding="utf-8")
    for tag, value in (("GivenNames", GIVEN), ("FamilyName", FAMILY), ("Email", EMAIL), ("DateOfBirth", BORN)):
        text = re.sub(f"<{tag}>[^<]*<", f"<{tag}>{value}<", text)
    text = re.sub("<LearnStartDate>[^<]*<", f"<LearnStartDate>{FAMILY}<", text, count=2)
    (folder / "data" / SAMPLE.name).write_text(text, encoding="utf-8")
    college.connectors.append({"type": "ilr", "name": "ilr", "path": f"data/{SAMPLE.name}"})
    secrets = {"url": secret("FP_URL"), "token": secret("FP_TOKEN")}
    college.connectors += [{"type": "gossip", "name": f"vendor-{does}", "does": does, **secrets} for does in GOSSIPS]
    college.connectors += [
        {"type": "email", "name": "folder"},
        {"type": "email", "name": "mail", "transport": "smtp", "host": "127.0.0.1", "port": mail_port,
         "security": "none", "sender": "careers@example.ac.uk", "per_minute": 6000, "username": "careers",
         "password": secret("FP_PASSWORD")},
        {"type": "post", "name": "breaks-making", "breaks": "render", "token": secret("FP_TOKEN")},
        {"type": "post", "name": "breaks-sending", "breaks": "deliver", "token": secret("FP_TOKEN")},
    ]  # fmt: skip
    college.tables["privacy"] = {"never_ingest": ["notes"]}
    college.configure()
    return college


class Said(NamedTuple):
    """What one command printed."""

    code: int
    out: str
    err: str


class Night(NamedTuple):
    """Everything that came out of a college."""

    college: SmallCollege
    said: dict[str, Said]
    told: str
    reprs: dict[str, str]


# What a person gets as an answer may hold a person's data; what a night prints may not.
NIGHT = (
    "check", "sync", "sync --json", "sync --full", "status", "status --json", "sweep", "plugins --json",
    "quarantine list", "quarantine list --json", "quarantine retry",
)  # fmt: skip
ANSWERS = (
    "explain L001",
    f"digest preview --tutor {TUTOR_EMAIL}",
    "quarantine show 1",
    "map explain mis L001",
    "gaps --json",
)
CHECKS = tuple(f"map check {name}" for name in ("mis", "courses", "tutors", "careers-log", "leavers", "ilr"))
COMMANDS = [
    *((options, line) for line in NIGHT for options in ("--debug", "--debug --log-json")),
    *(("--debug", line) for line in (*CHECKS, *ANSWERS)),
]


def command(college: SmallCollege, options: str, line: str) -> Said:
    result = run(*options.split(), *line.split(), config=college.config_path)
    return Said(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module", autouse=True)
def _nobody_waits() -> Iterator[None]:
    """Try again at once what the HTTP helper would try again after a while."""
    defaults = Http.__init__.__kwdefaults__
    assert defaults is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(defaults, "sleep", lambda seconds: None)
        yield


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    site = tmp_path_factory.mktemp("vendor") / "site"
    install(site, "gossip", "gossip", "gossip_vendor", dedent(VENDOR), version="1.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("FP_PASSWORD", PASSWORD)
        patch.setenv("FP_TOKEN", TOKEN)
        patch.setenv("FP_URL", f"http://127.0.0.1:{free_port()}/{TOKEN}")
        importlib.invalidate_caches()
        yield site
        sys.modules.pop("gossip_vendor", None)


@pytest.fixture(scope="module")
def night(vendor: Path, tmp_path_factory: pytest.TempPathFactory) -> Night:
    answer = f"5.1.1 {TUTOR_EMAIL} {GIVEN} {PASSWORD}".encode()
    faults = [
        Fault("auth", "reply", b"535 5.7.8 " + PASSWORD.encode()), Fault("rcpt", "reply", b"450 " + answer),
        Fault("rcpt", "reply", b"550 " + answer), Fault("final", "fin"),
    ]  # fmt: skip
    with FaultServer([fault for fault in faults for _ in range(2)], extensions=[b"AUTH PLAIN"]) as server:
        college = planted(tmp_path_factory.mktemp("canaries") / "college", server.port)
        said = {}
        for options, line in COMMANDS:
            said[f"{options} {line}"] = command(college, options, line)
            college.later(days=0.02)
        reprs = {name: repr(one) for name, one in objects(college)}
    return Night(college, said, (vendor / "told.jsonl").read_text(encoding="utf-8"), reprs)


def objects(college: SmallCollege) -> Iterator[tuple[str, object]]:
    """Return everything that a Python caller or a connector is given, so that its `repr` may land in a log."""
    with College.open(college.config_path, clock=lambda: college.now) as opened:
        yield "college", opened
        yield "host", opened.host
        yield "plugins", opened.host.plugins
        yield "configuration", opened._opened.config
        yield "settings", opened._opened.config.settings
        for instance in (*opened._opened.config.instances, *opened._opened.config.channels):
            yield f"instance {instance.name}", (instance, instance.connector, instance.config, vars(instance.config))
            yield f"context {instance.name}", opened._opened.context(instance)
        yield "mappings", opened._opened.mappings
        yield "store", (opened._opened.store, opened._opened.store.engine, opened._opened.store.dialect)
        yield "report", opened.sync(deliver=False)
        yield "check", opened.check()
        yield "status", opened.status()
        yield "gaps", opened.gaps()
        yield "explanation", opened.explain("L001")
        yield "previews", opened.preview()
        yield "quarantined", opened.quarantine()
        yield "shown", opened.show_quarantined(1)
        for name in ("mis", "careers-log", "ilr"):
            yield f"check of {name}", opened.check_mapping(name)
            instance = opened._opened.source(name)
            for spec in instance.streams:
                mapping = opened._opened.mappings[name, spec.name]
                messages = list(instance.read(spec.name, None, opened._opened.context(instance, mapping)))
                yield f"messages of {name}", messages
                rows = [message.data for message in messages if isinstance(message, Record)]
                yield f"records of {name}", mapping.apply(rows)
        yield "trace", opened.explain_mapping("mis", "L001")


def test_the_night_was_a_bad_one(night: Night) -> None:
    """What is searched below must have had the chance to leak."""
    first = night.said["--debug sync"]
    assert first.code == 3
    rows = json.loads(night.said["--debug quarantine list --json"].out)["records"]
    rejected = {row["connector"] for row in rows}
    assert rejected >= {"mis", "courses", "tutors", "careers-log", "leavers", "vendor-rejects"}
    report = json.loads(night.said["--debug sync --json"].out)
    assert {stream["connector"] for stream in report["streams"] if stream["warnings"]} >= {"mis", "careers-log", "ilr"}
    assert report["digests"]["failed"]
    assert report["digests"]["held"]
    failed = {stream["connector"]: stream["message"] for stream in report["streams"] if stream["state"] == "failed"}
    assert {*failed} == {f"vendor-{does}" for does in GOSSIPS} - {"vendor-logs", "vendor-rejects"}
    assert all(failed.values())
    assert "breaks-sending" in first.out
    assert "breaks-making" in first.out


@pytest.mark.parametrize(("options", "line"), COMMANDS)
def test_nothing_is_said_on_standard_error(night: Night, options: str, line: str) -> None:
    said = night.said[f"{options} {line}"]
    assert not leaks(said.err)
    assert "Traceback" not in said.err
    assert said.code in ((0, 2) if line == "check" else (0, 3, 4)), said.err


@pytest.mark.parametrize("line", NIGHT)
def test_nothing_is_said_on_standard_output(night: Night, line: str) -> None:
    assert not leaks(night.said[f"--debug {line}"].out, LEARNERS | SECRETS)
    # The key of a row of assignments holds the tutor's address, and status names whose address is refused.
    if not line.startswith(("quarantine", "status")):
        assert not leaks(night.said[f"--debug {line}"].out, STAFF)


@pytest.mark.parametrize("line", ANSWERS)
def test_an_answer_holds_what_was_asked_for_and_no_secret(night: Night, line: str) -> None:
    out = night.said[f"--debug {line}"].out
    assert leaks(out, LEARNERS if line != "gaps --json" else STAFF)
    assert not leaks(out, SECRETS)


def test_plugins_are_told_no_more(night: Night) -> None:
    assert night.told.count("\n") > 10
    assert not leaks(night.told)


def test_no_repr_shows_anything(night: Night) -> None:
    assert len(night.reprs) > 30
    assert {name: leaks(text) for name, text in night.reprs.items() if leaks(text)} == {}


# Where canaries may be: by table, the columns.
BELONGS = {
    "source_learner": {"given_names", "family_name", "email", "date_of_birth", "uln", "identity"},
    "source_programme": {"type", "identity"},
    "source_assignment": {"tutor_name", "tutor_email", "key", "identity"},
    "source_activity": {"title", "recorded_by", "identity"},
    "source_destination": {"title", "uln", "identity"},
    "learner": {"given_names", "family_name", "email", "date_of_birth", "uln", "identity"},
    "identity_link": {"identity", "same_as"},
    "quarantine": {"raw", "key"},
    "warning": {"key"},
    "outbox": {"recipient", "content"},
}


def in_store(path: Path) -> dict[tuple[str, str], set[str]]:
    """Return by table and column the canaries that are in a store."""
    found: dict[tuple[str, str], set[str]] = {}
    connection = sqlite3.connect(path)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    if hit := leaks(value):
                        found.setdefault((table, column), set()).update(hit)
    finally:
        connection.close()
    return found


def test_the_store_holds_them_only_where_they_belong(night: Night) -> None:
    found = in_store(night.college.store_path)
    stray = {place: canaries for place, canaries in found.items() if place[1] not in BELONGS.get(place[0], set())}
    assert stray == {}
    assert found["learner", "given_names"] == {GIVEN}
    assert found["quarantine", "raw"] >= {GIVEN, FAMILY}
    assert ("outbox", "content") in found
    assert not set.union(*found.values()) & SECRETS


def test_a_key_shows_no_learner(night: Night) -> None:
    found = in_store(night.college.store_path)
    assert not (found.get(("quarantine", "key"), set()) | found.get(("warning", "key"), set())) & LEARNERS


# Configuration errors


WRONG: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("in clear", lambda table: table.update(password=PASSWORD)),
    ("misspelt", lambda table: table.update(pasword=PASSWORD)),
    ("wrong type", lambda table: table.update(password=[PASSWORD])),
    ("not a reference", lambda table: table.update(password={"envv": PASSWORD})),
    ("in an address", lambda table: table.update(host=f"https://careers:{PASSWORD}@mail.example.ac.uk")),
    ("in a port", lambda table: table.update(port=PASSWORD)),
    ("in a sender", lambda table: table.update(sender=f"{PASSWORD} {TOKEN}")),
]


@pytest.mark.parametrize(("what", "change"), WRONG, ids=[what for what, _ in WRONG])
def test_a_wrong_configuration_is_refused_without_its_values(
    tmp_path: Path, what: str, change: Callable[[dict[str, Any]], object]
) -> None:
    college = usual_college(tmp_path, learners=1)
    table = {"type": "email", "name": "mail", "transport": "smtp", "host": "localhost", "security": "none",
             "sender": "careers@example.ac.uk"}  # fmt: skip
    change(table)
    college.connectors.append(table)
    with pytest.raises(ConfigError) as caught:
        college.open()
    assert chain(caught.value)
    assert not leaks(chain(caught.value))
    assert not leaks(command(college, "--debug", "sync").err)


def test_bad_toml_is_refused_without_its_line(tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=1)
    path = college.configure()
    path.write_text(path.read_text(encoding="utf-8") + f'\npassword = "{PASSWORD}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        College.open(path)
    assert not leaks(chain(caught.value))


def chain(error: BaseException | None) -> str:
    """Return all that an error and what caused it would say, in a log or in a person's terminal."""
    told = []
    while error is not None:
        told.append(f"{error} {error!r} {error.args} {getattr(error, 'detail', '')}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(told)


# A Python caller


@pytest.fixture
def quiet_vendor(vendor: Path, tmp_path: Path) -> SmallCollege:
    """Return a college of which no command has set up any logging."""
    unlog()
    college = planted(tmp_path / "college", free_port())
    shutil.rmtree(college.folder / "outbox", ignore_errors=True)
    return college


def test_a_python_caller_who_sets_up_no_logging_hears_nothing_either(
    quiet_vendor: SmallCollege, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        with College.open(quiet_vendor.config_path, clock=lambda: quiet_vendor.now) as college:
            report = college.sync()
    finally:
        unlog()
    out, err = capfd.readouterr()
    assert report.exit_code == 3
    assert out == ""
    assert "vendor-raises" in err
    assert not leaks(err)
    assert not leaks(report.as_dict())
    assert not leaks(repr(report))


def test_errors_that_reach_a_python_caller_say_nothing(quiet_vendor: SmallCollege) -> None:
    try:
        with College.open(quiet_vendor.config_path, clock=lambda: quiet_vendor.now) as college:
            for name in ("vendor-raises", "vendor-talks", "vendor-yields_junk", "vendor-fetches", "vendor-leaves"):
                try:
                    college.check_mapping(name)
                except FingerpostError as error:
                    assert not leaks(f"{error} {error!r} {error.detail}"), name
    finally:
        unlog()


# The search finds what is there to be found


def test_a_connector_that_leaks_is_caught(vendor: Path, tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=2)
    college.connectors.append({"type": "gossip", "name": "vendor-leaks", "does": "leaks", "token": secret("FP_TOKEN")})
    college.configure()
    for options in ("--debug", "--debug --log-json"):
        assert leaks(command(college, options, "sync --full").err) == {GIVEN, FAMILY}


def test_a_store_that_leaks_is_caught(night: Night, tmp_path: Path) -> None:
    path = shutil.copy(night.college.store_path, tmp_path / "copy.db")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE quarantine SET reason = ? WHERE id = 1", [f"no date for {GIVEN}"])
    connection.execute("UPDATE stream_state SET cursor = ?", [json.dumps(EMAIL)])
    connection.commit()
    connection.close()
    found = in_store(Path(path))
    assert found["quarantine", "reason"] == {GIVEN}
    assert found["stream_state", "cursor"] == {"zq-learner"}


def test_the_search_sees_through_spellings() -> None:
    assert leaks(json.dumps({"x": GIVEN.upper()})) == {GIVEN}
    assert leaks(EMAIL.encode()) == {"zq-learner"}
    assert leaks(f"https://x/?t={TOKEN.replace('/', '%2F')}") == {"9f8e7d6c5b"}
    assert leaks("nothing") == set()
