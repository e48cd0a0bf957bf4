"""The connector `jsonl`: lines, files and addresses, the published schemas, and whole nights."""

from __future__ import annotations

import gzip
import json
import os
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import contexts
import jsonschema
import pytest
import responses
from canonical_files import MAPPINGS, paths, schema
from colleges import SmallCollege, stream, usual_college
from contexts import keys
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from structlog.testing import capture_logs

from fingerpost import (
    STREAMS,
    AuthError,
    Checkpoint,
    Cursor,
    Deleted,
    Message,
    Record,
    Rejected,
    SourceUnavailable,
    StreamName,
)
from fingerpost._mapping.compiled import CompiledMapping, Reject
from fingerpost._mapping.compiler import compile_mapping
from fingerpost._mapping.document import MappingLibrary
from fingerpost._record.kinds import load_kinds
from fingerpost._record.models import MODELS
from fingerpost_jsonl import JsonlConfig, JsonlSource, connectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

URL = "https://feed.example.ac.uk/fingerpost"
TOKEN = "canary-token-19ab"
SIGN_IN = "<!DOCTYPE html><title>Sign in</title>"


@dataclass
class HostContext(contexts.HostContext):
    """What the host hands to a source; a line has no header."""

    columns: frozenset[str] = frozenset({"learner_ref", "kind", "starts_on"})
    name: str = "feed"
    secrets: Sequence[str] = (TOKEN,)
    forbidden: frozenset[str] = frozenset({"header"})


def source(**options: Any) -> JsonlSource:
    place = {} if "url" in options else {"path": "*.jsonl*"}
    return JsonlSource(JsonlConfig(**{"type": "jsonl", "name": "feed", **place, **options}))


def read(
    context: HostContext, name: StreamName = "activities", cursor: Cursor | None = None, **options: Any
) -> list[Message]:
    hook = getattr(source(**options), f"read_{name}")
    return list(hook(cursor=cursor, context=context))


def line(key: object = "A1", name: str | None = "activities", **record: Any) -> dict[str, Any]:
    said = {"key": key, "record": {"learner_ref": "L1", "kind": "lmi_use", "starts_on": "2025-10-06", **record}}
    return said if name is None else {"stream": name, **said}


def body(*lines: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def write(folder: Path, *lines: object, name: str = "feed.jsonl", end: bytes = b"\n") -> Path:
    parts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    path = folder / name
    path.write_bytes(b"".join(part + end for part in parts))
    return path


def faults(messages: Sequence[Message]) -> list[tuple[str, str, str]]:
    return [(one.reason, one.key, one.where) for one in messages if isinstance(one, Rejected)]


# -- lines -------------------------------------------------------------------------------------------------------------


def test_the_plugin_offers_the_connector_named_jsonl() -> None:
    assert [connector.name for connector in connectors()] == ["jsonl"]


def test_a_line_becomes_a_record_with_every_column(context: HostContext) -> None:
    write(context.base_dir, {"stream": "activities", "key": "A1", "record": {"kind": "lmi_use"}})
    assert read(context) == [Record("A1", {"kind": "lmi_use", "learner_ref": None, "starts_on": None}), Checkpoint()]


def test_each_stream_takes_its_own_lines(context: HostContext) -> None:
    write(context.base_dir, *(line(f"K{n}", name) for n, name in enumerate(STREAMS)))
    assert {name: keys(read(context, name)) for name in STREAMS} == {name: [f"K{n}"] for n, name in enumerate(STREAMS)}


def test_a_file_of_one_stream_need_not_name_it(context: HostContext) -> None:
    write(context.base_dir, line("A1", None), line("A2"), {"deleted": "A3"}, {"checkpoint": True})
    messages = read(context, streams=["activities"])
    assert keys(messages) == ["A1", "A2"]
    assert messages[2:] == [Checkpoint(), Deleted("A3"), Checkpoint()]


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [(b"", b"\n", b"\n"), (b"", b"\r\n", b"\r\n"), (b"", b"\n\n  \n", b"\n\n  \n"), (b"\xef\xbb\xbf", b"\n", b"\n"),
     (b"", b"\n", b"")],
    ids=["usual", "Windows", "blank lines", "a byte order mark", "no end of the last line"],
)  # fmt: skip
def test_what_stands_around_lines_does_not_matter(
    context: HostContext, before: bytes, between: bytes, after: bytes
) -> None:
    write(context.base_dir, before + body(line("A1")).rstrip() + between + body(line("A2")).rstrip() + after, end=b"")
    assert keys(read(context)) == ["A1", "A2"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("length", [1, 40, -2, -40])
def test_a_file_that_ends_in_the_middle_of_a_line_is_no_whole_one(
    context: HostContext, length: int, pack: Callable[[bytes], bytes]
) -> None:
    """Whatever stream the line would have been of: there may have been any lines after it."""
    path = write(context.base_dir, line("A1"), line("L1", "learners"), line("A2"))
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    path.write_bytes(pack(whole[: start + length if length > 0 else length]))
    for name in ("learners", "activities"):
        with pytest.raises(
            SourceUnavailable, match=r"feed\.jsonl ends in the middle of a line; copy or export it again"
        ):
            read(context, name)


def test_an_overlong_line_that_does_not_end_is_cut_and_one_that_ends_is_bad(context: HostContext) -> None:
    long = line("A2", title="x" * 2_000_000)
    path = write(context.base_dir, line("A1"), long)
    assert faults(read(context)) == [("line_too_long", "A2", "feed.jsonl line 2")]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceUnavailable, match="ends in the middle of a line"):
        read(context)


@pytest.mark.parametrize(
    ("last", "reason"),
    [(b'{"stream": "activities", "key": "A2", "record": {"hours": NaN}}', "bad_json"),
     (b'{"stream": "activities", "key": "A2", "record": {"title": "\xe9"}}', "bad_encoding"),
     (b'{"stream": "activities", "key": "A2", "record": {"title": "a\tb"}}', "bad_json"),
     (b'{"stream": "activities", "key": "A2", "record": {"n": ' + b"9" * 5000 + b"}}", "bad_json"),
     (b"[1, 2]", "bad_line")],
)  # fmt: skip
def test_a_bad_line_at_the_end_is_whole_all_the_same(context: HostContext, last: bytes, reason: str) -> None:
    path = write(context.base_dir, line("A1"), last)
    path.write_bytes(path.read_bytes().rstrip())
    messages = read(context, streams=["activities"])
    assert (keys(messages), [fault[0] for fault in faults(messages)]) == (["A1"], [reason])


def test_a_file_in_another_encoding_is_bad_and_not_cut(context: HostContext) -> None:
    (context.base_dir / "feed.jsonl").write_bytes(f"{json.dumps(line('A1'))}\r\n".encode("utf-16"))
    assert {reason for reason, _, _ in faults(read(context, streams=["activities"]))} == {"bad_encoding", "bad_json"}


def test_a_whole_number_is_a_key(context: HostContext) -> None:
    write(context.base_dir, line(17), line(" A2 "), line(18.0), {"stream": "activities", "deleted": 19.0})
    messages = read(context)
    assert (keys(messages), messages[-2]) == (["17", "A2", "18"], Deleted("19"))


BAD: list[tuple[bytes, str, str]] = [
    (b'{"stream": "activities", "key": "A2", "record": {"kind"', "bad_json", "A2"),
    (b"not json", "bad_json", ""),
    (b"[1, 2]", "bad_line", ""),
    (b"7", "bad_line", ""),
    (b'{"stream": "activities", "key": "A2", "record": {"hours": NaN}}', "bad_json", "A2"),
    (b'{"stream": "activities", "key": "A2", "record": {"title": "\xe9"}}', "bad_encoding", "A2"),
    (b'{"stream": "activities", "key": "A2", "record": ' + b"[" * 100_000, "bad_json", "A2"),
    (b'{"stream": "activities", "key": "A2", "record": {"title": "' + b"x" * 2_000_000 + b'"}}', "line_too_long", "A2"),
    (b'{"stream": "activities", "key": "A2", "record": {"n": ' + b"9" * 5000 + b"}}", "bad_json", "A2"),
    (b'{"stream": "activities", "key": "A2"}', "bad_line", "A2"),
    (b'{"stream": "activities", "key": "A2", "record": [1]}', "bad_line", "A2"),
    (b'{"stream": "activities", "record": {}}', "missing_key", ""),
    (b'{"stream": "activities", "key": "", "record": {}}', "missing_key", ""),
    (b'{"stream": "activities", "key": true, "record": {}}', "missing_key", ""),
    (b'{"stream": "activities", "key": 1.5, "record": {}}', "missing_key", ""),
    (b'{"stream": "activities", "key": 1e999, "record": {}}', "missing_key", ""),
    (b'{"stream": "activities", "key": {"id": 1}, "record": {}}', "missing_key", ""),
    (b'{"stream": "activities", "key": "a\\u0000b", "record": {}}', "bad_key", ""),
    (b'{"stream": "activities", "key": "\\ud800", "record": {}}', "bad_key", ""),
    (b'{"stream": "activities", "deleted": null}', "missing_key", ""),
    (b'{"key": "A2", "record": {}}', "missing_stream", ""),
    (b'{"stream": "actions", "key": "A2", "record": {}}', "unknown_stream", ""),
    (b'{"stream": ["activities"], "key": "A2", "record": {}}', "missing_stream", ""),
]


@pytest.mark.parametrize(("bad", "reason", "key"), BAD, ids=[f"{n}-{reason}" for n, (_, reason, _) in enumerate(BAD)])
def test_a_bad_line_costs_only_itself(context: HostContext, bad: bytes, reason: str, key: str) -> None:
    write(context.base_dir, line("A1"), bad, line("A3"))
    messages = read(context, streams=["activities", "learners"])
    assert keys(messages) == ["A1", "A3"]
    assert faults(messages) == [(reason, key, "feed.jsonl line 2")]
    assert read(context, "learners", streams=["activities", "learners"]) == [Checkpoint()]


def test_a_bad_line_is_told_by_the_stream_that_it_names(context: HostContext) -> None:
    write(context.base_dir, b'{"stream": "learners", "key": "L1", "record": {')
    both = ["activities", "learners"]
    assert faults(read(context, "activities", streams=both)) == []
    assert faults(read(context, "learners", streams=both)) == [("bad_json", "L1", "feed.jsonl line 1")]


def test_a_stream_that_nobody_reads_is_warned_of_once(context: HostContext) -> None:
    write(context.base_dir, line("A1"), line("P1", "programmes"), line("P2", "programmes"))
    assert keys(read(context, streams=["activities", "learners"])) == ["A1"]
    assert context.warnings == [("unread_stream", "", "programmes", "feed.jsonl")]


def test_an_unknown_field_is_warned_of_once(context: HostContext) -> None:
    write(context.base_dir, line("A1", mood="happy"), line("A2", mood="sad"), {**line("A3"), "version": 2})
    messages = read(context)
    assert keys(messages) == ["A1", "A2", "A3"]
    assert "mood" not in messages[0].data  # type: ignore[union-attr]
    assert context.warnings == [
        ("unread_column", "", "mood", "feed.jsonl"),
        ("unread_column", "", "version", "feed.jsonl"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LINES = st.one_of(
    st.binary(max_size=40),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {}, optional={"stream": st.sampled_from([*STREAMS, "x"]) | JSON, "key": JSON, "record": JSON, "deleted": JSON,
                      "cursor": JSON}
    ).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(LINES, max_size=8))
def test_no_line_breaks_the_reading_and_every_good_one_comes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    whole = [part.replace(b"\n", b" ") for part in lines]
    # A file that begins like an archive is taken for one, so that it begins with a good line.
    write(folder, *(part for bad in whole for part in (line("good"), bad)))
    for name in STREAMS:
        messages = read(HostContext(folder), name)
        assert keys(messages).count("good") == (len(whole) if name == "activities" else 0)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["feed.jsonl", "*.jsonl", "**/*.jsonl", "sub"])
def test_a_file_a_pattern_or_a_folder_may_be_named(context: HostContext, path: str) -> None:
    (context.base_dir / "sub").mkdir()
    for folder in (context.base_dir, context.base_dir / "sub"):
        write(folder, line("A1"))
    assert set(keys(read(context, path=path))) == {"A1"}


def test_a_folder_holds_plain_and_gzipped_files(context: HostContext) -> None:
    folder = context.base_dir / "data"
    folder.mkdir()
    write(folder, line("A1"), name="a.jsonl")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(body(line("A2")).rstrip()))
    (folder / "readme.txt").write_text("not ours", encoding="utf-8")
    assert keys(read(context, path="data")) == ["A2", "A1"]


def test_a_gzipped_file_is_read_whatever_it_is_called(context: HostContext) -> None:
    lines = body(*(line(f"A{n}") for n in range(5000)))
    (context.base_dir / "feed.jsonl").write_bytes(gzip.compress(lines))
    assert len(keys(read(context))) == 5000


@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: data[:30] + b"\0\0\0\0" + data[34:]])
def test_a_damaged_archive_is_told_as_such(context: HostContext, spoil: Any) -> None:
    lines = body(*(line(f"A{n}") for n in range(50)))
    (context.base_dir / "feed.jsonl.gz").write_bytes(spoil(gzip.compress(lines)))
    with pytest.raises(SourceUnavailable, match=r"feed\.jsonl\.gz is a damaged or incomplete archive"):
        read(context)


def test_an_archive_that_is_a_bomb_is_given_up(context: HostContext) -> None:
    with gzip.open(context.base_dir / "feed.jsonl.gz", "wb", compresslevel=9) as packed:
        for _ in range(40):
            packed.write(b" " * (1 << 20))
    with pytest.raises(SourceUnavailable, match="packed far more tightly"):
        read(context)


def test_no_file_is_told_with_pattern_and_folder(context: HostContext) -> None:
    with pytest.raises(SourceUnavailable, match=r"no file matches gone\*\.jsonl in the folder"):
        read(context, path="gone*.jsonl")


def test_the_newest_name_speaks_first_and_its_deletions_hold(context: HostContext) -> None:
    write(context.base_dir, line("A1"), line("A2"), name="2026-02.jsonl")
    write(context.base_dir, {"stream": "activities", "deleted": "A1"}, line("A3"), name="2026-03.jsonl")
    messages = read(context)
    assert keys(messages) == ["A3", "A2"]
    assert messages[1] == Deleted("A1")


def test_in_one_file_a_deletion_is_about_the_lines_before_it(context: HostContext) -> None:
    """So that a file that only ever grows says what is so now."""
    gone = [{"stream": "activities", "deleted": key} for key in ("A1", "A2", "A3", "A1")]
    bad = b'{"stream": "activities", "key": "A4", "record": {'
    lines = [line("A1", n="1"), line("A2"), *gone[:3], line("A1"), gone[3], line("A3"), bad]
    write(context.base_dir, *lines, {"stream": "activities", "deleted": "A4"})
    messages = read(context, streams=["activities"])
    assert keys(messages) == ["A3"]
    assert [one for one in messages if isinstance(one, Deleted)] == [Deleted("A1"), Deleted("A2"), Deleted("A4")]
    assert faults(messages) == []


def test_a_bad_line_after_a_deletion_keeps_the_record(context: HostContext) -> None:
    bad = b'{"stream": "activities", "key": "A1", "record": {'
    write(context.base_dir, line("A1"), {"stream": "activities", "deleted": "A1"}, bad)
    messages = read(context, streams=["activities"])
    assert faults(messages) == [("bad_json", "A1", "feed.jsonl line 3")]
    assert Deleted("A1") not in messages


def test_the_age_of_the_newest_file_counts(context: HostContext) -> None:
    for name, day in (("a.jsonl", 1), ("b.jsonl", 2)):
        path = write(context.base_dir, line("A1"), name=name)
        at = datetime(2026, 3, day, tzinfo=UTC).timestamp()
        os.utime(path, (at, at))
    read(context)
    assert context.data_at == datetime(2026, 3, 2, tzinfo=UTC)


def test_unchanged_files_are_not_read_again(context: HostContext) -> None:
    write(context.base_dir, line("A1"))
    read(context)
    context.known = context.digests
    assert read(context) == []
    write(context.base_dir, line("A2"))
    assert keys(read(context)) == ["A2"]


def test_a_long_file_may_be_committed_on_the_way(context: HostContext) -> None:
    write(context.base_dir, *(line(f"A{n}") for n in range(45_000)))
    assert read(context).count(Checkpoint()) == 3


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, lambda data: b"\xef\xbb\xbf" + data])
def test_lines_come_from_an_address(context: HostContext, web: responses.RequestsMock, pack: Any) -> None:
    signed = responses.matchers.header_matcher({"Authorization": f"Bearer {TOKEN}"})
    web.get(URL, body=pack(body(line("A1"), line("A2"))), match=[signed])
    assert keys(read(context, url=URL, token=TOKEN)) == ["A1", "A2"]


def test_each_stream_may_have_its_own_address_and_the_key_a_header_of_its_own(
    context: HostContext, web: responses.RequestsMock
) -> None:
    signed = responses.matchers.header_matcher({"X-Key": TOKEN})
    web.get(f"{URL}/activities.jsonl", body=body(line("A1")), match=[signed])
    assert keys(read(context, url=f"{URL}/{{stream}}.jsonl", token=TOKEN, header="X-Key")) == ["A1"]


def test_an_answer_that_did_not_change_is_not_read_again(context: HostContext, web: responses.RequestsMock) -> None:
    for _ in range(2):
        web.get(URL, body=body(line("A1")))
    read(context, url=URL)
    context.known = context.digests
    assert read(context, url=URL) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [({"body": SIGN_IN, "content_type": "text/html"}, "a web page instead of data"),
     ({"body": SIGN_IN, "content_type": "application/x-ndjson"}, "a web page instead of data"),
     ({"body": body(line("A1"), line("A2"))[:-20]}, r"feed\.example\.ac\.uk ends in the middle of a line")],
)  # fmt: skip
def test_a_log_in_page_with_status_200_or_half_an_answer_is_no_data(
    context: HostContext, web: responses.RequestsMock, said: dict[str, Any], words: str
) -> None:
    web.get(URL, **said)
    with pytest.raises(SourceUnavailable, match=words):
        read(context, url=URL)


@pytest.mark.parametrize(("status", "error"), [(401, AuthError), (404, SourceUnavailable), (500, SourceUnavailable)])
def test_an_address_that_does_not_answer_is_told(context: HostContext, status: int, error: type[Exception]) -> None:
    with responses.RequestsMock() as web, capture_logs() as logs:
        web.get(URL, status=status)
        with pytest.raises(error) as caught:
            read(context, url=URL, token=TOKEN)
    assert TOKEN not in repr(logs) + repr(caught.value) + str(caught.value) + repr(vars(caught.value))


def test_a_cursor_is_sent_and_the_one_in_the_lines_taken(context: HostContext, web: responses.RequestsMock) -> None:
    asked = responses.matchers.query_param_matcher({"since": "2026-02-01T00:00:00Z"})
    cursor = {"stream": "activities", "cursor": "2026-03-01T00:00:00Z"}
    web.get(URL, body=body(line("A1"), cursor, line("A2")), match=[asked])
    messages = read(context, cursor="2026-02-01T00:00:00Z", url=URL, since="since")
    assert [one for one in messages if isinstance(one, Checkpoint)] == [
        Checkpoint("2026-03-01T00:00:00Z"),
        Checkpoint(),
    ]
    assert source(url=URL, since="since").streams[0].cursor == "instant"


def by_cursor(kind: str) -> JsonlSource:
    return source(url=URL, since="since", cursor=kind, streams=["activities"])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("instant", "soon"),
        ("instant", 7),
        ("date", "2026-13-01"),
        ("integer", "7"),
        ("integer", True),
        ("integer", 7.5),
        ("instant", "0001-01-01T00:00:00"),
        ("date", "1899-12-30"),
    ],
)
def test_a_cursor_that_is_none_is_a_bad_line(
    context: HostContext, web: responses.RequestsMock, kind: str, value: object
) -> None:
    web.get(URL, body=body({"stream": "activities", "cursor": value}))
    messages = list(by_cursor(kind).read_activities(None, context))
    assert faults(messages) == [("bad_cursor", "", "feed.example.ac.uk line 1")]


def test_a_whole_number_is_a_cursor(context: HostContext, web: responses.RequestsMock) -> None:
    web.get(URL, body=body({"cursor": 7.0}))
    assert list(by_cursor("integer").read_activities(None, context)) == [Checkpoint(7), Checkpoint()]


def test_in_files_a_cursor_is_a_checkpoint_and_no_more(context: HostContext) -> None:
    write(context.base_dir, {"stream": "activities", "cursor": "whatever"})
    assert read(context) == [Checkpoint(), Checkpoint()]
    assert source().streams[0].cursor is None


# -- the configuration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "says"),
    [({"path": None}, "needs either path or url"), ({"path": "x", "url": URL}, "needs either path or url"),
     ({"url": "http://feed.example.ac.uk/x"}, "must begin with https://"), ({"url": "feed"}, "not a web address"),
     ({"url": "https://[x"}, "not a web address"), ({"url": "https://u:p@feed.example.ac.uk"}, "hold a user name"),
     ({"token": TOKEN}, "uses token and since"), ({"since": "since"}, "uses token and since"),
     ({"streams": []}, "at least 1"), ({"streams": ["learners", "learners"]}, "names a stream twice"),
     ({"streams": ["learners"], "mapping": {"activities": "x"}}, "mapping for activities"),
     ({"streams": ["people"]}, "learners")],
)  # fmt: skip
def test_a_wrong_table_is_refused(said: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        source(**said)
    assert TOKEN not in str(caught.value)


def test_streams_are_kept_as_is_usual_for_them() -> None:
    assert {spec.name: spec.mode for spec in source().streams} == {
        "learners": "snapshot", "programmes": "snapshot", "assignments": "snapshot", "activities": "append",
        "destinations": "append", "responses": "snapshot"}  # fmt: skip
    assert {spec.mode for spec in source(mode="snapshot").streams} == {"snapshot"}


@pytest.mark.parametrize(
    ("lines", "level", "says"),
    [([line("A1"), line("A2")], "ok", "activities: 2 records"), ([], "warning", "activities: 0 records"),
     ([line("A1"), line("A2"), b"x"], "warning", "2 records, and 1 line that cannot be read (bad_json 1)"),
     ([b"x", b"y", line("A1")], "error", "cannot be read")],
)  # fmt: skip
def test_check_says_what_it_found(context: HostContext, lines: list[object], level: str, says: str) -> None:
    write(context.base_dir, *lines)
    (finding,) = source(streams=["activities"]).check(context)
    assert (finding.level, says in finding.message) == (level, True)


# -- what is published -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
def test_the_published_files_follow_from_the_models(name: StreamName) -> None:
    """After a change to a model, run tests/canonical_files.py."""
    for path, text in paths(name).items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_nothing_else_is_published_as_a_schema() -> None:
    found = {path.name for path in (MAPPINGS / "schemas").iterdir()}
    assert found == {f"{name}.schema.json" for name in STREAMS}


def values(spec: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that a field's schema accepts."""
    if "anyOf" in spec:
        return st.one_of([values(one) for one in spec["anyOf"]])
    if "enum" in spec:
        return st.sampled_from(spec["enum"])
    if spec["type"] == "string" and spec.get("format") == "date":
        return st.dates(date(1990, 1, 1), date(2050, 1, 1)).map(date.isoformat)
    if spec["type"] == "string":
        text = st.from_regex(spec["pattern"], fullmatch=True) if "pattern" in spec else st.text(
            "abcÉß '-", min_size=spec.get("minLength", 0), max_size=min(20, spec.get("maxLength", 20)))  # fmt: skip
        return text.filter(lambda value: value.strip() != "" and len(value) <= spec.get("maxLength", 10**6))
    if spec["type"] == "number":
        return st.floats(spec["minimum"], spec["maximum"]).map(lambda value: round(value, 4))
    if spec["type"] == "integer":
        return st.integers(spec["minimum"], spec["maximum"])
    return {"boolean": st.booleans(), "null": st.none()}[spec["type"]]


@cache
def canonical(name: StreamName) -> CompiledMapping:
    library = MappingLibrary(sorted((MAPPINGS / "sources").glob("canonical-*.toml")))
    found = library.load(f"canonical-{name}", MAPPINGS)
    return compile_mapping(found, converters={}, kinds=load_kinds(), timezone=ZoneInfo("UTC"))


@cache
def validator(name: StreamName) -> jsonschema.Draft202012Validator:
    published = (MAPPINGS / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(published), format_checker=jsonschema.FormatChecker())


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", STREAMS)
def test_what_the_schema_accepts_arrives_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, name: StreamName, data: st.DataObject
) -> None:
    """The whole way: from a line that fits the schema, through connector and mapping, to the record."""
    fields = schema(name)["$defs"]["record"]["properties"]
    fixed = {"learner_ref": st.just("L1"), "tutor_email": st.just("t@example.ac.uk"), "uln": st.just("1000000043"),
             "subject": st.just("learner"), "email": st.just("a@example.ac.uk"), "ends_on": st.none(),
             "planned_end": st.none(), "actual_end": st.none(), "academic_year": st.just("2025/26")}  # fmt: skip
    record = data.draw(st.fixed_dictionaries({key: fixed.get(key, values(spec)) for key, spec in fields.items()}))
    assert validator(name).is_valid({"stream": name, "key": "K", "record": record})
    mapping = canonical(name)
    folder = tmp_path_factory.mktemp("record")
    write(folder, {"stream": name, "key": "K", "record": record})
    context = HostContext(folder, columns=mapping.columns)
    ((_, row, _),) = [message for message in read(context, name) if isinstance(message, Record)]
    mapped = mapping.apply([row])
    assert mapped.issues == []
    assert context.warnings == []
    wanted = MODELS[name].model_validate(record).model_dump()
    got = mapped.records[0]
    assert isinstance(got, MODELS[name])
    assert {key: _folded(value) for key, value in got.model_dump().items()} == {
        key: _folded(value) for key, value in wanted.items()
    }


def taken(folder: Path, name: StreamName, lines: Sequence[dict[str, Any]]) -> list[bool]:
    """Say of each line whether it is read and mapped, and not rejected."""
    mapping = canonical(name)
    write(folder, *lines)
    context = HostContext(folder, columns=mapping.columns)
    bad = {int(where.rpartition(" ")[2]) for _, _, where in faults(read(context, name, streams=[name], mode="append"))}
    found = []
    for number, said in enumerate(lines, start=1):
        raw = said.get("record")
        record = {column: raw.get(column) for column in mapping.columns} if isinstance(raw, dict) else None
        rejected = record is not None and isinstance(mapping.apply([record]).records[0], Reject)
        found.append(number not in bad and not rejected)
    return found


TALK = {"kind": "lmi_use", "starts_on": "2025-10-06"}
LINES_OF: list[tuple[StreamName, bool, dict[str, Any]]] = [
    ("learners", True, {"key": 1, "record": {"learner_ref": "L1"}}),
    ("learners", True, {"key": 1.0, "record": {"learner_ref": "L1"}}),
    ("learners", False, {"key": 1.5, "record": {"learner_ref": "L1"}}),
    ("learners", False, {"key": True, "record": {"learner_ref": "L1"}}),
    ("learners", False, {"key": "", "record": {"learner_ref": "L1"}}),
    ("learners", False, {"key": " \u00a0", "record": {"learner_ref": "L1"}}),
    ("learners", False, {"key": "a\0b", "record": {"learner_ref": "L1"}}),
    ("learners", False, {"key": "\ud800", "record": {"learner_ref": "L1"}}),
    ("learners", True, {"key": " Zo\u00eb\U0001f600 ", "record": {"learner_ref": "L1"}}),
    ("learners", False, {"key": "a", "record": {}}),
    ("learners", False, {"key": "a", "record": {"learner_ref": None, "uln": None}}),
    ("learners", False, {"key": "a", "record": {"learner_ref": " ", "given_names": "Z"}}),
    ("learners", False, {"key": "a", "record": {"learner_ref": None, "uln": "9999999999"}}),
    ("learners", True, {"key": "a", "record": {"learner_ref": None, "uln": "1000000043"}}),
    ("learners", True, {"deleted": 7.0}),
    ("learners", False, {"deleted": "\t"}),
    ("learners", False, {"deleted": None}),
    ("learners", False, {"key": "a", "record": [1]}),
    ("learners", False, {"key": "a"}),
    ("programmes", True, {"key": "a", "record": {"learner_ref": "L1", "starts_on": "2025-09-01"}}),
    ("programmes", False, {"key": "a", "record": {"learner_ref": None, "starts_on": "2025-09-01"}}),
    ("programmes", False, {"key": "a", "record": {"learner_ref": "L1", "starts_on": "0001-01-01"}}),
    ("programmes", False, {"key": "a", "record": {"learner_ref": "L1", "starts_on": "2025-02-29"}}),
    ("assignments", True, {"key": "a", "record": {"group": "G1"}}),
    ("assignments", False, {"key": "a", "record": {"learner_ref": "L1"}}),
    ("assignments", False, {"key": "a", "record": {"learner_ref": "L1", "tutor_email": None}}),
    ("assignments", True, {"key": "a", "record": {"learner_ref": "L1", "tutor_email": "t@example.ac.uk"}}),
    ("assignments", False, {"key": "a", "record": {"group": None, "tutor_email": "t@example.ac.uk"}}),
    ("activities", True, {"key": "a", "record": {"learner_ref": "L1", **TALK}}),
    ("activities", False, {"key": "a", "record": {"learner_ref": "L1", **TALK, "starts_on": None}}),
    ("activities", False, {"key": "a", "record": {"learner_ref": "L1", **TALK, "kind": "nonsense"}}),
    ("activities", False, {"key": "a", "record": {"group": "G1", **TALK}}),
    ("activities", True, {"key": "a", "record": {"subject": "group", "group": "G1", **TALK}}),
    ("activities", False, {"key": "a", "record": {"subject": "group", "learner_ref": "L1", **TALK}}),
    ("activities", False, {"key": "a", "record": {"subject": "group", "group": " ", **TALK}}),
    ("activities", True, {"key": "a", "record": {"subject": "programme", "programme": "C1", **TALK}}),
    ("activities", True, {"key": "a", "record": {"learner_ref": "L1", **TALK, "adviser_level": 6.0}}),
    ("destinations", False, {"key": "a", "record": {"uln": None}}),
    ("responses", True, {"key": "a", "record": {"learner_ref": "L1", "response": "none"}}),
    ("responses", False, {"key": "a", "record": {"learner_ref": "L1", "response": None}}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "good", "said"), LINES_OF)
def test_schema_and_reader_are_of_one_mind(tmp_path: Path, name: StreamName, good: bool, said: dict[str, Any]) -> None:
    whole = {"stream": name, **said}
    assert (validator(name).is_valid(whole), taken(tmp_path, name, [whole])) == (good, [good])


@pytest.mark.parametrize("name", STREAMS)
def test_the_schemas_are_schemas_and_want_the_stream_in_every_line(name: StreamName) -> None:
    validator(name).check_schema(schema(name))
    (said,) = [said for one, good, said in LINES_OF if one == name and good][:1] or [{"deleted": "a"}]
    assert validator(name).is_valid({"stream": name, **said})
    assert not validator(name).is_valid(said)
    assert not validator(name).is_valid({"stream": "other", **said})


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", " ", "\t", "a", "\0", "\ufeff", "\ud800", "L1", True, False, 0, 6, 6.0, 1.5, 1e30, -3, "9999999999",
     "1000000043", "t@example.ac.uk", "2025-10-06", "1899-12-30", "2025-13-01", "group", "programme", "learner", "none",
     "lmi_use", "tutor", "actual", [], {}, "x" * 41]
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", STREAMS)
def test_what_the_schema_accepts_is_not_rejected(
    tmp_path_factory: pytest.TempPathFactory, name: StreamName, data: st.DataObject
) -> None:
    said = schema(name)["$defs"]["record"]
    parties = {"learner_ref", "uln", "subject", "group", "programme", "tutor_email"} & said["properties"].keys()
    record = st.fixed_dictionaries(
        {field: ODD | values(said["properties"][field]) for field in said.get("required", ())},
        optional=dict.fromkeys(sorted(parties), ODD),
    )
    line_of = st.one_of(
        st.fixed_dictionaries({"stream": st.just(name), "key": ODD, "record": record}),
        st.fixed_dictionaries({"stream": st.just(name)}, optional={"key": ODD, "deleted": ODD, "cursor": ODD}),
    )
    lines = [one for one in data.draw(st.lists(line_of, max_size=20)) if validator(name).is_valid(one)]
    assert all(taken(tmp_path_factory.mktemp("lines"), name, lines))


def _folded(value: object) -> object:
    return " ".join(value.split()) if isinstance(value, str) else value


@pytest.mark.parametrize("name", STREAMS)
def test_the_identity_mapping_reads_every_field_and_nothing_else(name: StreamName) -> None:
    said = tomllib.loads((MAPPINGS / "sources" / f"canonical-{name}.toml").read_text(encoding="utf-8"))
    assert {field: table["from"] for field, table in said["fields"].items()} == {
        field: field for field in MODELS[name].model_fields
    }


# -- whole nights ------------------------------------------------------------------------------------------------------


def lines_of(made: SmallCollege) -> list[dict[str, Any]]:
    """Return the lines that say what the CSV files of a usual college say."""
    kinds = {"Employer talk": "employer_encounter", "Employer visit": "employer_encounter",
             "Careers interview": "guidance_meeting"}  # fmt: skip
    lines: list[dict[str, Any]] = [
        {"stream": "learners", "key": row["learner_ref"], "record": dict(row)} for row in made.rows["mis"]
    ]
    record: dict[str, Any]
    for row in made.rows["courses"]:
        record = {"learner_ref": row["learner_ref"], "title": "Catering", "starts_on": "2025-09-01",
                  "planned_end": "2026-07-10", "type": "study_programme", "status": "continuing",
                  "area": "Catering"}  # fmt: skip
        key = f"{row['learner_ref']}|Catering|2025-09-01"  # as the mapping of the CSV file makes it
        lines.append({"stream": "programmes", "key": key, "record": record})
    for row in made.rows["tutors"]:
        record = {"learner_ref": row["learner_ref"], "group": row["tutor_group"], "tutor_name": row["tutor_name"],
                  "tutor_email": row["tutor_email"]}  # fmt: skip
        lines.append({"stream": "assignments", "key": row["learner_ref"], "record": record})
    for row in made.rows["careers-log"]:
        record = {"learner_ref": row["learner_ref"], "kind": kinds[row["activity_type"]], "starts_on": row["date"],
                  "hours": 1, "organisation": row["employer"] or None}  # fmt: skip
        lines.append({"stream": "activities", "key": row["activity_id"], "record": record})
    return lines


@pytest.fixture
def fed(tmp_path: Path) -> SmallCollege:
    """Return a college that one JSON lines file feeds."""
    feeds = ["employer_encounter", "workplace_experience", "provider_encounter", "guidance_meeting", "lmi_use"]
    made = feeding(tmp_path, path="feed.jsonl", feeds=feeds)
    write(made.folder, *lines_of(usual_college(tmp_path / "twin")))
    return made


def test_a_college_fed_by_lines_has_the_gaps_of_one_fed_by_csv(tmp_path: Path, fed: SmallCollege) -> None:
    report = fed.sync()
    assert [(one.stream, one.state, one.new, one.rejected, one.warnings) for one in report.streams] == [
        ("learners", "complete", 20, 0, 0), ("programmes", "complete", 20, 0, 0),
        ("assignments", "complete", 20, 0, 0), ("activities", "complete", 40, 0, 0),
        ("destinations", "complete", 0, 0, 0), ("responses", "complete", 0, 0, 0)]  # fmt: skip
    twin = usual_college(tmp_path / "other")
    twin.sync()
    with fed.open() as one, twin.open() as other:
        assert one.gaps().gaps == other.gaps().gaps
        assert one.gaps().gaps
    assert len(fed.outbox) == len(twin.outbox) > 0


def test_a_second_night_writes_nothing_and_a_changed_line_is_read(fed: SmallCollege) -> None:
    fed.sync()
    before = fed.snapshot()
    fed.later()
    assert {one.state for one in fed.sync().streams} == {"unchanged"}
    assert fed.snapshot() == before
    path = fed.folder / "feed.jsonl"
    lines = [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines()]
    activity = next(one for one in lines if one["stream"] == "activities")
    activity["record"]["hours"] = 3
    gone = next(one for one in reversed(lines) if one["stream"] == "activities")
    lines.remove(gone)
    write(fed.folder, *lines, {"stream": "activities", "deleted": gone["key"]})
    fed.later()
    done = {one.stream: (one.new, one.changed, one.deleted) for one in fed.sync().streams}
    assert done["activities"] == (0, 1, 1)
    assert done["learners"] == (0, 0, 0)


def test_bad_lines_wait_in_quarantine_with_their_place(fed: SmallCollege) -> None:
    path = fed.folder / "feed.jsonl"
    path.write_bytes(path.read_bytes() + b'{"stream": "activities", "key": "L001-1", "record": {\nnonsense\n')
    report = fed.sync()
    assert report.exit_code == 3
    with fed.open() as opened:
        found = {(one.stream, one.key, one.reason) for one in opened.quarantine()}
        places = {one.key: one.where for one in opened.quarantine()}
    (other,) = places.keys() - {"L001-1"}
    assert found == {("activities", "L001-1", "bad_json"), ("learners", other, "bad_json")}
    assert (places[other], other[0]) == ("feed.jsonl line 102", "#")


def test_a_bad_line_without_a_key_is_known_again_wherever_it_stands(fed: SmallCollege) -> None:
    lines = lines_of(usual_college(fed.folder / "twin"))
    write(fed.folder, b"nonsense", *lines)
    assert fed.sync().exit_code == 3
    fed.later()
    write(fed.folder, *lines, b"nonsense")
    assert fed.sync().exit_code == 0
    fed.later()
    write(fed.folder, *lines, b"other", b"nonsense", b"nonsense")
    assert fed.sync().exit_code == 3
    with fed.open() as opened:
        assert sorted(one.where for one in opened.quarantine()) == [f"feed.jsonl line {n}" for n in (101, 102, 103)]


def said(*keys: str, deleted: Sequence[str] = ()) -> list[dict[str, Any]]:
    return [*(line(key, learner_ref="L001") for key in keys),
            *({"stream": "activities", "deleted": key} for key in deleted)]  # fmt: skip


def live(college: SmallCollege) -> list[str]:
    return sorted(dict(row)["key"] for row in college.snapshot(live=True)["source_activity"])


def feeding(folder: Path, **table: Any) -> SmallCollege:
    """Return a college that has nothing but one feed of lines."""
    made = SmallCollege(folder / "college")
    made.connectors.append({"type": "jsonl", "name": "feed", **table})
    return made


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_an_older_file_does_not_take_away_what_a_newer_one_says(tmp_path: Path, mode: str) -> None:
    made = feeding(tmp_path, path="*.jsonl", streams=["activities"], mode=mode)
    write(made.folder, *said("E1", "E9"), name="2026-03-01.jsonl")
    write(made.folder, *said("E2", deleted=["E1", "E9"]), name="2026-03-02.jsonl")
    write(made.folder, *said("E1"), name="2026-03-03.jsonl")
    for number in range(3):
        report = made.sync()
        assert live(made) == (["E1", "E2", "E4"] if number else ["E1", "E2"])
        assert (stream(report, "feed").changed, stream(report, "feed").deleted) == (0, 0)
        made.later()
        write(made.folder, *said("E4"), name="2026-03-04.jsonl")
    assert {dict(row)["code"] for row in made.snapshot()["warning"]} == {"duplicate_key", "unknown_learner"}


def test_a_file_that_only_grows_may_delete_what_it_said(tmp_path: Path) -> None:
    made = feeding(tmp_path, path="feed.jsonl", streams=["activities"])
    write(made.folder, *said("E1", "E2"))
    made.sync()
    lines = said("E1", "E2", deleted=["E1"])
    write(made.folder, *lines)
    assert stream(made.sync(), "feed").deleted == 1
    write(made.folder, *lines, *said("E3"))
    report = made.sync()
    assert (stream(report, "feed").new, stream(report, "feed").changed, stream(report, "feed").deleted) == (1, 0, 0)
    write(made.folder, *lines, *said("E3", "E1"))
    made.sync()
    assert live(made) == ["E1", "E2", "E3"]


def test_a_file_that_was_cut_takes_nothing_away(tmp_path: Path) -> None:
    made = feeding(tmp_path, path="feed.jsonl", streams=["learners"])
    lines = [{"key": f"L{n}", "record": {"learner_ref": f"L{n}"}} for n in range(100)]
    path = write(made.folder, *lines)
    made.sync()
    path.write_bytes(path.read_bytes()[:-700])
    report = made.sync()
    assert (stream(report, "feed").state, report.records["learners"], report.exit_code) == ("failed", 100, 3)


def test_a_college_may_leave_out_a_field(fed: SmallCollege) -> None:
    """`never_ingest` keeps a column out; the mapping that would read it is overlaid."""
    fed.tables["privacy"] = {"never_ingest": ["email"]}
    (fed.folder / "mappings").mkdir()
    (fed.folder / "mappings" / "no-email.toml").write_text(
        'schema_version = 1\nextends = "canonical-learners"\n[fields.email]\n', encoding="utf-8"
    )
    fed.source("feed")["mapping"] = {"learners": "no-email"}
    report = fed.sync()
    assert report.streams[0].new == 20
    assert b"l001@example.ac.uk" not in fed.store_path.read_bytes()


def test_an_address_is_read_by_cursor_and_its_key_stays_out_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEED_TOKEN", TOKEN)
    made = feeding(tmp_path, url=URL, streams=["learners"], since="since", token={"env": "FEED_TOKEN"})
    person = {"key": "L1", "record": {"learner_ref": "L1", "given_names": "A"}}
    with responses.RequestsMock() as web, capture_logs() as logs:
        web.get(URL, body=body(person, {"cursor": "2026-03-01T12:00:00Z"}))
        assert stream(made.sync(), "feed").new == 1
        made.later()
        changed = {"key": "L1", "record": {"learner_ref": "L1", "given_names": "B"}}
        web.replace("GET", URL, body=body(changed, {"cursor": "2026-03-02T12:00:00Z"}))
        assert stream(made.sync(), "feed").changed == 1
        made.later()
        web.replace("GET", URL, status=403)
        assert stream(made.sync(), "feed").state == "failed"
        asked = [str(call.request.url) for call in web.calls]
    # The look-back of a day is the host's.
    assert [one.partition("?")[2] for one in asked[:2]] == ["", "since=2026-02-28T12%3A00%3A00Z"]
    captured = capfd.readouterr()
    assert TOKEN not in repr(logs) + captured.out + captured.err
    assert TOKEN.encode() not in made.store_path.read_bytes()
