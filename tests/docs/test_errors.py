"""`docs/errors.md` lists every message of the code, and its smallest causes are carried out."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import error_page as errors
import pytest
from click.testing import CliRunner

from fingerpost_cli import main

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = errors.collected()
PAGE = errors.Page.parse(errors.PAGE.read_text(encoding="utf-8"))


# The page and the code


def test_the_page_is_what_the_code_says() -> None:
    """Run `python tests/error_page.py --write` where this fails, and write cause and repair of what is new."""
    assert errors.PAGE.read_text(encoding="utf-8") == PAGE.renewed(MESSAGES).written(MESSAGES)


def test_every_message_is_there_once_and_nothing_else_is() -> None:
    text = errors.PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \| ", text, re.MULTILINE)
    assert len(rows) == len(set(rows)) == len(PAGE.rows) > 350
    assert set(PAGE.rows) == {message.text for message in MESSAGES}
    assert list(PAGE.groups) == list(errors.ORDER)


def test_every_message_has_a_cause_and_a_sentence_that_repairs_it() -> None:
    assert not [text for text, row in PAGE.rows.items() if errors.TO_DO in (row.cause, row.repair)]
    assert not [row.repair for row in PAGE.rows.values() if not row.repair.endswith(".")]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a copy of one file of the source, below a root of its own."""
    place = tmp_path / "core" / "fingerpost" / "_store"
    place.mkdir(parents=True)
    shutil.copy(errors.ROOT / "core" / "fingerpost" / "_store" / "disks.py", place)
    return place / "disks.py"


@pytest.mark.parametrize(
    ("planted", "template"),
    [
        ('raise ConfigError("There is a planted fault.")', "There is a planted fault."),
        (
            'raise StoreError(f"{path.name} has a {what!r}" f" in {len(path)} places.")',
            "{path} has a {what} in … places.",
        ),
        ('said = "one thing" if path else "another thing"; raise AuthError(said)', "another thing"),
        ('problems.append(f"{where}: is planted.")', "{where}: is planted."),
        ('problems += [f"{name} is planted." for name in path]', "{name} is planted."),
        ('raise self.refuse(place, "has been planted here")', "has been planted here"),
        ('raise Refused("failed", "It was planted.")', "It was planted."),
        ('run.report.say("A planted message.")', "A planted message."),
        ('report.message = "A planted message."', "A planted message."),
        ('raise ValueError("must be planted elsewhere")', "must be planted elsewhere"),
    ],
)
def test_a_message_that_is_planted_is_found_missing(copied: Path, planted: str, template: str) -> None:
    before = {message.text for message in errors.collected(copied.parents[3])}
    with copied.open("a", encoding="utf-8") as file:
        file.write(f"\n\ndef planted(path, problems, report, run, self, what, where):\n    {planted}\n")
    found = {message.text for message in errors.collected(copied.parents[3])} - before
    assert template in found
    assert template not in PAGE.rows


def test_a_reworded_message_keeps_its_words_and_a_new_one_has_none() -> None:
    old, *others = MESSAGES
    reworded = errors.Message(old.text + " Then try again.", old.file, old.kind)
    new = errors.Message("Quite a different fault.", old.file, old.kind)
    renewed = PAGE.renewed([reworded, new, *others])
    assert renewed.rows[reworded.text] == PAGE.rows[old.text]
    assert renewed.rows[new.text] == errors.Row()
    assert old.text not in renewed.rows


# The smallest causes, carried out

COLLEGE = '[college]\nname = "Example College"\nukprn = 99999999\n'
LOG = COLLEGE + '[[connector]]\ntype = "csv"\nname = "log"\nstream = "activities"\n'
OWN_LOG = LOG + 'path = "log.csv"\nmapping = "own"\n'
TALKS = """
schema_version = 1
title = "Ours"
description = "Ours"
valid_from = 2025-09-01
sources = ["Us"]
scope = { max_age = 18, max_age_with_ehc_plan = 25 }
settings.talks = { type = "integer", default = 3, minimum = 1, maximum = 9, description = "How many talks." }
"""
CRITERION = '\n[[criterion]]\nid = "A"\ntitle = "Talks"\nmark = "I"\nsource = "Us"\n'
FOR_LEARNERS = CRITERION + (
    'scope = "learner"\nkinds = ["employer_encounter", "guidance_meeting"]\n'
    'words.needs = "{have} of {need} talks"\nwords.closes = "A talk"\n'
)
SERVICE = 'base_url = "https://ilp.example.ac.uk"\n'
LISTED = 'streams.learners = { path = "x", mapping = "learners", key = ["id"] }\n'
LOOK = 'look = { path = "learners/{learner}", id = "id", text = "text" }\n'
OPEN = 'open = { path = "learners/{learner}", body = { text = "{text}" } }\n'
UPDATE = 'update = { path = "items/{id}", body = { text = "{text}" } }\n'
DATABASE = 'url = "sqlite:///ilp.db"\n'


def connector(kind: str, *lines: str) -> dict[str, str]:
    return {"fingerpost.toml": f'{COLLEGE}[[connector]]\ntype = "{kind}"\nname = "log"\n{"".join(lines)}\n'}


def mapping(text: str, *fields: str, stream: str = "activities") -> dict[str, str]:
    tables = "".join(f'[fields.{name}]\nfrom = "Column"\n' for name in fields)
    head = f'schema_version = 1\nstream = "{stream}"\nkey = ["Ref"]\n'
    whole = f"{head}{tables}{text}" if text.startswith("[") else f"{head}{text}\n{tables}"
    return {"fingerpost.toml": OWN_LOG.replace("activities", stream), "mappings/own.toml": whole}


def framework(*lines: str) -> dict[str, str]:
    return OURS | {"frameworks/ours.toml": TALKS + "".join(lines)}


LOGGED = {"fingerpost.toml": LOG + 'path = "log.csv"\nmapping = "careers-log"\n'}
SAME = {"fingerpost.toml": f'{COLLEGE}[identity]\ncrosswalk = "same.csv"\n'}
OURS = {"fingerpost.toml": f'{COLLEGE}[benchmarks]\nframework = "ours"\n'}
ILR = connector("ilr", 'path = "ilr.xml"\n')
ACTIVITY = ("learner_ref", "kind", "starts_on")
BENCHES: dict[str, dict[str, str]] = {
    "file": {"fingerpost.toml": "CAUSE\n"},
    "college": {"fingerpost.toml": f"{COLLEGE}CAUSE\n"},
    "name of the college": {"fingerpost.toml": "[college]\nukprn = 99999999\nCAUSE\n"},
    **{
        name: {"fingerpost.toml": f"{COLLEGE}[{name}]\nCAUSE\n"}
        for name in ("alerts", "benchmarks", "labour_market", "network", "precedence", "store")
    },
    "keep_days": {"fingerpost.toml": f"{COLLEGE}[labour_market]\nCAUSE\n"},
    "crosswalk": SAME | {"same.csv": "ukprn,learner_ref,same_as_ukprn,same_as_learner_ref\nCAUSE\n"},
    "header of a crosswalk": SAME | {"same.csv": "CAUSE\n"},
    "occupations": {
        "fingerpost.toml": f'{COLLEGE}[labour_market]\ncrosswalk = "jobs.csv"\n',
        "jobs.csv": "occupation,soc\nCAUSE\n",
    },
    "mail": connector("email", "CAUSE"),
    "host": connector("email", 'transport = "smtp"\nsender = "a@example.ac.uk"\n', "CAUSE"),
    "templates": connector("email", "CAUSE") | {"mappings/own.toml": ""},
    "smtp": connector("email", 'transport = "smtp"\nhost = "localhost"\nsender = "a@example.ac.uk"\n', "CAUSE"),
    "csv": {"fingerpost.toml": LOG + 'path = "log.csv"\nmapping = "careers-log"\nCAUSE\n', "log.csv": "activity_id\n"},
    "path": {"fingerpost.toml": LOG + 'mapping = "careers-log"\nCAUSE\n'},
    "name of a mapping": {"fingerpost.toml": LOG + 'path = "log.csv"\nCAUSE\n'},
    "log.csv": LOGGED | {"log.csv": "CAUSE\n"},
    "jsonl": connector("jsonl", "CAUSE"),
    "ilr": ILR | {"ilr.xml": "CAUSE\n<Message/>"},
    "empty ILR file": ILR | {"ilr.xml": ""},
    "in an ILR file": ILR
    | {"ilr.xml": "<Message>CAUSE<Learner><LearnRefNumber>A1</LearnRefNumber></Learner></Message>"},
    "rest": connector("rest", "CAUSE\n", LISTED),
    "rest service": connector("rest", SERVICE, "CAUSE\n", LISTED),
    "rest streams": connector("rest", SERVICE, "CAUSE\n"),
    "rest stream": connector(
        "rest", SERVICE, '[connector.streams.learners]\npath = "x"\nmapping = "learners"\nCAUSE\n'
    ),
    "look": connector("rest-writeback", SERVICE, OPEN, UPDATE, "CAUSE"),
    "open": connector("rest-writeback", SERVICE, LOOK, UPDATE, "CAUSE"),
    "update": connector("rest-writeback", SERVICE, LOOK, OPEN, "CAUSE"),
    "rest-writeback": connector("rest-writeback", SERVICE, LOOK, OPEN, UPDATE, "CAUSE"),
    "promonitor": connector("promonitor", DATABASE, "CAUSE"),
    "promonitor url": connector("promonitor", "CAUSE"),
    "query": connector("promonitor", DATABASE, "queries.learners = '''CAUSE'''"),
    "promonitor-writeback": connector("promonitor-writeback", DATABASE, "CAUSE"),
    "apprenticeships": connector("apprenticeships", 'key = { file = "fingerpost.toml" }\n', "CAUSE"),
    "mapping": mapping("CAUSE", *ACTIVITY),
    "version": mapping("", *ACTIVITY) | {"mappings/own.toml": "CAUSE\nstream = 'activities'\n"},
    "mapping of learners": mapping("CAUSE", "learner_ref", stream="learners"),
    "end of mapping": mapping("[fields.hours]\nfrom = 'Column'\nCAUSE\n", *ACTIVITY),
    "a text": mapping("[fields.title]\nCAUSE\n", *ACTIVITY),
    "a text of a column": mapping("[fields.title]\nfrom = 'Column'\nCAUSE\n", *ACTIVITY),
    "a date": mapping("[fields.ends_on]\nCAUSE\n", *ACTIVITY),
    "a date of a column": mapping("[fields.ends_on]\nfrom = 'Column'\nCAUSE\n", *ACTIVITY),
    "mode": mapping("[fields.mode]\nfrom = 'Column'\nCAUSE\n", *ACTIVITY),
    "kind": mapping("[fields.kind]\nCAUSE\n", "learner_ref", "starts_on"),
    "kind of a column": mapping("[fields.kind]\nfrom = 'Column'\nCAUSE\n", "learner_ref", "starts_on"),
    "framework": framework("CAUSE\n", FOR_LEARNERS),
    "criterion": framework(CRITERION, "CAUSE\n"),
    "criterion for learners": framework(FOR_LEARNERS, "CAUSE\n"),
    "overlay": OURS | {"frameworks/ours.toml": 'schema_version = 1\nextends = "gatsby-colleges-2025"\nCAUSE\n'},
    "a folder": {},
    "strangers": LOGGED | {"log.csv": "activity_id,learner_ref,activity_type,date\nE1,A1,Employer talk,2025-10-06\n"},
    "a college": LOGGED | {"log.csv": "activity_id,learner_ref,activity_type,date\n"},
}
"""Where a cause is put: files by name, with CAUSE where it goes. A cause that is a command is run there."""

COMMANDS = {"templates": "check", "keep_days": "lmi export answers.jsonl"}
"""What shows a fault that `sync` does not meet."""

CAUSES: dict[str, tuple[str, ...]] = {
    "file": ("`name = Example College`", "`[alert]`"),
    "college": ('`timezone = "GMT+1"`', '`as_of = "March"`', "`former_ukprns = 10000001`"),
    "name of the college": ("`name = 7`",),
    "alerts": (
        '`wekday = "monday"`', '`weekday = "someday"`', '`careers_leader = "Jo Bloggs"`', "`learners_per_digest = 0`",
        '`learner_page = "https://[ilp/{reference}"`', '`learner_page = "http://ilp', '`learner_page = "https://ilp.',
        '`learners_per_digest = "many"`', "`learners_per_digest = 500`",
    ),
    "benchmarks": ("`settings = 3`", "`settings = { wekes = 4 }`", '`settings = { due_soon_weeks = "many" }`'),
    "keep_days": ("`keep_days = { pay = -1 }`",),
    "labour_market": ('`in_digests = "perhaps"`',),
    "crosswalk": ("A line `99999999,A1", "A line `99999998,A1"),
    "header of a crosswalk": ("The first line of the file says `old,new`",),
    "occupations": ("`Plumber,531`",),
    "network": ('`timeout = "long"`', "`timeout = 0`", '`ca_file = "proxy.pem"`'),
    "precedence": ('`shoe_size = ["mis"]`', '`uln = ["mis"]` and `"learner.uln" = ["mis"]`'),
    "store": ("`path = 7`", '`url = "fingerpost.db"`', '`url = "postgresql://fp:letmein@db/fp"`',
              '`path = "fingerpost.toml/fingerpost.db"`', '`path = "//server/share/fingerpost.db"`', '`url = "postgresql://db:port/fp"`'),
    "mail": (
        '`transport = "smtp"` without `host`', '`host = "http://mail', '`sender = "Careers <',
        '`username = "Zoë"`',
    ),
    "host": ('`host = "mail.example.ac.uk"`',),
    "templates": ('`templates = "mappings"`',),
    "smtp": (
        '`password = "letmein"`', '`password = { keyring = "smtp" }`', '`password = { env = "SMTP_PASSWORD" }`',
        '`password = { file = "secret.txt" }`', "`password = {}`", '`password = { vault = "smtp" }`',
        '`username = "fingerpost"`',
    ),
    "csv": ('`encoding = "auto"`', '`encoding = "latin-99"`', '`key = ["Ref", "Ref"]`', '`feeds = ["employer_talk"]`'),
    "path": ('`path = "lgo.csv"`',),
    "name of a mapping": ('`mapping = "careers-lgo"`',),
    "log.csv": ("`A1,2026-03-02,talk`", "`activity_id,kind,kind`", "`activity_id;kind`", '`"activity_id`'),
    "jsonl": (
        '`streams = ["learners"]` with neither', '`streams = ["learners", "learners"]`',
        '`mapping = { learners = "learners" }`', '`path = "feed.jsonl"` and', '`url = "feed.example.ac.uk"`',
        '`url = "http://feed', '`url = "https://user:secret@feed',
    ),
    "empty ILR file": ("A file of no bytes",),
    "ilr": ("`<!DOCTYPE", "`<html/>`"),
    "in an ILR file": ("`<Header/>`",),
    "rest": (
        '`base_url = "api.example.ac.uk"`', '`base_url = "http://api', '`base_url = "https://api.example.ac.uk/v1 "`',
        '`base_url = "https://api.example.ac.uk/?key=abc"`', '`base_url = "https://{tenant}', '`declaration = "wond"`',
    ),
    "rest service": (
        "`headers = {", '`auth = { kind = "bearer"', '`auth = { kind = "none"', '`auth = { kind = "api_key"',
        '`auth = { kind = "oauth2"',
    ),
    "rest streams": (
        '`streams.learners = { path = "x", mapping = "learners", enabled', '`streams.learners = { path = "x", records',
        '`streams.learners = { path = "https:', '`declaration = "wonde"',
    ),
    "rest stream": (
        '`pagination = { kind = "page", size', '`pagination = { kind = "cursor"', '`pagination = { kind = "page" }',
        '`incremental = { parameter = "after"',
    ),
    "look": ('`look = { path = "items"', '`look = { path = "learners'),
    "open": ('`open = { path = "items"',),
    "update": ('`update = { path = "items", ', '`update = { path = "items/{id}", body = { text',
               '`update = { path = "items/{id}", body = { title'),
    "rest-writeback": ('`variables = { learner = "x" }`', '`idempotency_header = "X Key"`'),
    "promonitor": (
        '`schemas = { ilp = "Server', '`schemas = { ilp = "dbo--x"', "`screens = [{ table = \"C\", activity",
        "`screens = [{ table = \"C\", columns", "`responses = {}`", "`responses = { acknowledged",
        '`streams = ["responses"]`', '`tutors = { rule = "field" }`', '`tutors = { rule = "group_table" }`',
    ),
    "promonitor url": (
        '`url = "ProMonitor"`', '`url = "mssql+pymssql://login:letmein', '`url = "sqlite:///missing.db"`',
    ),
    "query": (
        "`SELECT [LEN]", "`SELECT Ref) FROM", "`SELECT (Ref FROM", "`SELECT Ref::int", "`SELECT 'a FROM",
        "`SELECT x'41'", "`SELECT ? FROM", "`SELECT Ref FROM Student;`", "`Student`", "`SELECT Ref -- the key`",
        "`SELECT @year`", "`SELECT Ref INTO x", "`SELECT xp_dirtree", "`SELECT Ref FROM Student WHERE Year",
    ),
    "promonitor-writeback": (
        '`text_column = "PMStudentID"`', '`text_column = "1Text"`', '`procedure = "AddComment"` and',
        "`values = { Comment",
    ),
    "apprenticeships": ("`lat = 53.8`",),
    "mapping": (
        '`extends = ["careers-log", "events"]`', "`skip = [{ if = [{ field = \"Status\", is",
        "`skip = [{ if = [{ field = \"Status\", matches",
    ),
    "version": ("`schema_version = 2`",),
    "mapping of learners": ('`feeds = ["guidance_meeting"]`',),
    "end of mapping": ("`[fields.title]`", "`[fields.shoe_size]`"),
    "a text": ('`const = "X"` and `default', '`const = "X"` and `split', '`const = "X"` and `join'),
    "a text of a column": (
        '`formats = ["%d/%m/%Y"]` for a text', '`otherwise = "null"` for a plain text', '`convert = "shout"`',
        '`type = "text"` and', '`sep = ", "`',
    ),
    "a date": ('`const = "2025"`',),
    "a date of a column": (
        '`type = "int"`', '`formats = ["%d/%m %d"]`', '`formats = ["%d/%m/%Q"]`',
        '`formats = ["%m/%Y"]`', '`formats = ["%d/%Y"]`', '`formats = ["%d/%m"]`', '`formats = ["%d/%m/%Y %d"]`',
    ),
    "mode": ("`values = { X", "`values = { E"),
    "kind": ('`const = "employer_talk"`',),
    "kind of a column": ('`otherwise = "null"` for `kind`',),
    "framework": ("`settings.colour", "`settings.words"),
    "criterion": ('`scope = "institution"`', '`scope = "learner"`'),
    "criterion for learners": (
        '`meaningful = false`', '`checklist = ["lunch"]`', '`distinct = "kind"`', '`told_with = "9.9"`',
        '`told_with = "B"`', "`need = { setting", "`words.needs_none = \"{have of", "`words.needs_none = \"{name}",
    ),
    "overlay": ('`drop = ["9.9"]`',),
    "strangers": ("The careers log holds learners",),
    "a folder": ("`fingerpost check` in a folder",),
    "a college": (
        "`fingerpost gaps --criterion 9.9`", "`fingerpost map check tutor`", "`fingerpost explain NOBODY`",
        "`fingerpost quarantine discard`", "`fingerpost quarantine show 999`",
        "`fingerpost sweep --confirm --only log`",
        "`fingerpost map check log --stream learners`", "`fingerpost map explain log 99999`",
        "`fingerpost lmi show 5315`", "`fingerpost lmi forget --service promonitor`",
        "`fingerpost lmi import answers.jsonl`", "`fingerpost lmi export nowhere/answers.jsonl`", "`fingerpost init .`",
        "`fingerpost demo .`", "`fingerpost digest preview --out log.csv/digests`",
    ),
}  # fmt: skip
"""Which causes are carried out where, by their beginning on the page."""


def spans(cause: str) -> str:
    """Return what a cause says in code: its first piece, and every other one that sets a key."""
    pieces = ["".join(pair) for pair in re.findall(r"`` (.+?) ``|`(.+?)`", cause)]
    return "\n".join(pieces[:1] + [piece for piece in pieces[1:] if " = " in piece])


def one_row(beginning: str) -> tuple[str, errors.Row]:
    alike = {text: row for text, row in PAGE.rows.items() if row.cause.startswith(beginning)}
    found = [(text, row) for text, row in alike.items() if len(alike) == 1 or row.cause == beginning]
    assert len(found) == 1, f"{len(found)} causes on the page begin with {beginning}"
    return found[0]


def printed(folder: Path, command: str) -> str:
    """Return all that a command says, on one line."""
    result = CliRunner().invoke(main, ["--config", str(folder / "fingerpost.toml"), *shlex.split(command)])
    return " ".join(f"{result.output} {texts(result.stdout)}".split())


def texts(output: str) -> str:
    """Return the texts of what was printed as JSON, as a person reads them."""

    def walk(value: Any) -> list[str]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [value] if isinstance(value, str) else [text for each in inner for text in walk(each)]

    return "\n".join(walk(json.loads(output))) if output.startswith("{") else ""


def pattern(template: str) -> str:
    """Return what finds a message, whatever stands in its holes."""
    pieces = re.split(r"\{\w+\}|…", " ".join(template.split()))
    return ".*?".join(re.escape(piece).replace(r"\ ", r"\s+") for piece in pieces)


@pytest.mark.parametrize(("bench", "beginning"), [(bench, one) for bench, all_ in CAUSES.items() for one in all_])
def test_the_smallest_cause_has_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: str, beginning: str
) -> None:
    monkeypatch.chdir(tmp_path)
    template, row = one_row(beginning)
    cause = spans(row.cause).replace("\\|", "|")
    typed = cause.startswith("fingerpost ")
    command = cause.removeprefix("fingerpost ") if typed else COMMANDS.get(bench, "sync --json")
    for name, text in BENCHES[bench].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("CAUSE", cause), encoding="utf-8")
    said = printed(tmp_path, command)
    assert re.search(pattern(template), said), said


def test_another_message_would_not_do() -> None:
    assert re.search(pattern("{around} has no key '{key}'."), "[alerts] has no key 'wekday'. Did you mean 'weekday'?")
    assert not re.search(pattern("must be at most {le}"), "[alerts] learners_per_digest must be at least 1: learners.")
