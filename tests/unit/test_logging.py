"""What is logged: canaries planted wherever a secret or a learner can hide, looked for in everything that comes out."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from fingerpost import Record, SourceUnavailable
from fingerpost._words.logs import configure_logging, mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2/canary&1"
NAME = "Zaphira Canaryson"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was: it belongs to the process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@dataclasses.dataclass
class Person:
    name: str


class Pupil(BaseModel):
    name: str


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""  # standard output is for results
    return err


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(capsys).splitlines()]


def test_json_lines_with_utc_times(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", True, [])
    log = structlog.get_logger().bind(connector="mis")
    log.info("stream done", stream="learners", read=18, partial=False, cursor=None)
    log.debug("not heard")
    (line,) = lines(capsys)
    stamp = datetime.fromisoformat(line.pop("timestamp"))
    assert stamp.utcoffset() == UTC.utcoffset(None)
    assert line == {
        "event": "stream done",
        "level": "info",
        "connector": "mis",
        "stream": "learners",
        "read": 18,
        "partial": False,
        "cursor": None,
    }


def test_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", False, [])
    structlog.get_logger().info("stream done", stream="learners", read=18, partial=False)
    text = said(capsys)
    assert text.endswith('Z level=info event="stream done" stream=learners read=18 partial=false\n')
    assert text.startswith("timestamp=2")


@pytest.mark.parametrize("json_lines", [True, False])
def test_no_canary_comes_out(capsys: pytest.CaptureFixture[str], json_lines: bool) -> None:
    configure_logging("debug", json_lines, [SECRET])
    structlog.contextvars.bind_contextvars(given_names=NAME, note=SECRET)
    log = structlog.get_logger().bind(token=SECRET)
    log.debug(f"signed in with {SECRET}", url=f"https://x/?key={SECRET}", quoted="hunter2%2Fcanary%261")
    log.debug("keys", **dict.fromkeys(("name", "GivenNames", "FAMILY_NAME", "Date of Birth", "e-mail", "uln"), NAME))
    log.debug(
        "more keys", password="x1canary", Authorization="x1canary", api_key="x1canary", smtp_password=["x1canary"]
    )
    log.debug(
        "nested", rows=[{"row": {"FamilyName": NAME, "code": 1}}, ({"tutor_name": NAME},)], deep={SECRET: {SECRET}}
    )
    log.debug(
        "objects", a=Person(NAME), b=Pupil(name=NAME), c=Record("1", {"x": NAME}), d=NAME.encode(), e=iter([NAME])
    )
    log.debug("plain things", f=SecretStr(SECRET), g=ValueError(NAME), h=PurePosixPath(SECRET), i=date(2026, 3, 2))
    log.debug("positional %s", SECRET)
    text = said(capsys)
    assert text.count("\n") == 7
    for canary in (SECRET, NAME, "Zaphira", "Canaryson", "hunter2", "x1canary"):
        assert canary not in text
    for wanted in ("[redacted]", "<Person>", "<Record>", "ValueError", "2026-03-02", "code"):
        assert wanted in text


def _fail(learner: str, password: str) -> None:
    local = {"learner": learner, "password": password}
    try:
        int(local["learner"])
    except ValueError as error:
        raise KeyError(f"no {learner} with {password}") from error


@pytest.mark.parametrize("json_lines", [True, False])
def test_an_exception_is_told_by_type_and_place_alone(capsys: pytest.CaptureFixture[str], json_lines: bool) -> None:
    configure_logging("debug", json_lines, [SECRET])
    try:
        _fail(NAME, SECRET)
    except KeyError as error:
        structlog.get_logger().exception("it failed")
        structlog.get_logger().error("it failed", exc_info=error, stack_info=True)
        logging.getLogger("sqlalchemy").exception("it failed")
    text = said(capsys)
    assert text.count("\n") == 3
    assert NAME not in text
    assert SECRET not in text
    for line in text.splitlines():
        assert "KeyError in " in line
        assert "_fail (" in line
        assert "because of ValueError in _fail" in line


def test_the_message_of_our_own_errors_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", True, [SECRET])
    try:
        raise SourceUnavailable(f"ilp.example.ac.uk does not answer {SECRET}.")
    except SourceUnavailable:
        structlog.get_logger().exception("the stream failed")
    (line,) = lines(capsys)
    assert "SourceUnavailable: ilp.example.ac.uk does not answer [redacted]." in line["exception"]


def test_one_entry_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", False, [])
    structlog.get_logger().info("a\nlevel=error event=forged", b="c\r\nd\x1b[2J", **{"e f=": 1})
    text = said(capsys)
    assert text.count("\n") == 1
    assert "\r" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "alembic.runtime", "sqlalchemy.engine", "anything"])
def test_libraries_are_heard_from_warnings_on_and_redacted(capsys: pytest.CaptureFixture[str], name: str) -> None:
    configure_logging("debug", True, [SECRET])
    library = logging.getLogger(name)
    library.debug("GET /learner/%s", NAME)
    library.info("SELECT %s", NAME)
    library.warning("refused %s", SECRET)
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("refused [redacted]", "warning")


def test_the_last_call_holds(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", True, [])
    configure_logging("error", True, [SECRET])
    structlog.get_logger().warning("not heard")
    logging.getLogger("urllib3").warning("not heard")
    logging.getLogger("urllib3").error(SECRET)
    assert [line["event"] for line in lines(capsys)] == ["[redacted]"]


def test_any_text_reaches_a_console_of_any_code_page() -> None:
    code = (
        "import structlog\n"
        "from fingerpost._words.logs import configure_logging\n"
        "configure_logging('info', False, [])\n"
        "structlog.get_logger().info('Llanfair \\u0175 \\u2026', connector='\\u4e2d')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "cp1252"}, check=False
    )
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"Llanfair" in done.stderr


@given(
    secrets=st.lists(st.text(min_size=1, max_size=6), max_size=5),
    parts=st.lists(st.text(max_size=6), max_size=5),
    data=st.data(),
)
def test_no_secret_is_left_where_one_holds_another(secrets: list[str], parts: list[str], data: st.DataObject) -> None:
    """Whatever stands around it: a secret that was put into a text is not in it afterwards."""
    secrets = [f"«{secret}»" for secret in secrets] + [f"«{secret}»x" for secret in secrets]
    text = "".join(part + (data.draw(st.sampled_from(secrets)) if secrets else "") for part in parts)
    masked = mask_secrets(text, secrets)
    for secret in secrets:
        assert secret not in masked
    if not secrets:
        assert masked == text


def test_the_longest_secret_goes_first() -> None:
    assert mask_secrets("key=abcdef", ["abc", "abcdef", ""]) == "key=[redacted]"
