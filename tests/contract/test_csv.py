"""The connector `csv`, through its hooks and on real files."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import contexts
import pytest
from contexts import keys, records, rejected
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fingerpost import (
    STREAMS,
    Checkpoint,
    ConfigError,
    Deleted,
    Finding,
    Message,
    Record,
    Rejected,
    SourceUnavailable,
    StreamName,
)
from fingerpost_csv import CsvConfig, CsvSource, connectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
COLUMNS = frozenset({"id", "kind", "title"})


@dataclass
class HostContext(contexts.HostContext):
    """What the host hands to a source; it insists on the columns of the key."""

    columns: frozenset[str] = COLUMNS
    key: tuple[str, ...] = ("id",)
    name: str = "careers-log"

    def header(self, columns: Sequence[str], *, where: str) -> None:
        super().header(columns, where=where)
        missing = [name for name in self.key if name not in columns]
        if missing:
            raise ConfigError(f"{where} has no column {missing[0]}.")


def source(**options: Any) -> CsvSource:
    table = {"type": "csv", "name": "careers-log", "stream": "activities", "path": "log*", "mapping": "careers-log"}
    return CsvSource(CsvConfig(**{**table, **options}))


def read(context: HostContext, **options: Any) -> list[Message]:
    return list(source(**options).read_activities(None, context))


def read_text(folder: Path, text: str | bytes, context: HostContext | None = None, **options: Any) -> list[Message]:
    (folder / "log.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return read(context or HostContext(folder), **options)


def faults(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.reason, message.where) for message in rejected(messages)]


# -- what it offers ----------------------------------------------------------------------------------------------------


def test_the_plugin_offers_the_connector_named_csv() -> None:
    assert [connector.name for connector in connectors()] == ["csv"]


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_can_be_read(tmp_path: Path, stream: StreamName) -> None:
    (tmp_path / "log.csv").write_text("id,kind,title\n1,talk,ACME\n", encoding="utf-8")
    connector = source(stream=stream)
    assert [spec.name for spec in connector.streams] == [stream]
    messages = getattr(connector, f"read_{stream}")(None, HostContext(tmp_path))
    assert list(messages) == [Record("1", {"id": "1", "kind": "talk", "title": "ACME"}), Checkpoint()]


@pytest.mark.parametrize(
    ("stream", "mode", "kept"),
    [
        ("learners", None, "snapshot"),
        ("programmes", None, "snapshot"),
        ("assignments", None, "snapshot"),
        ("activities", None, "append"),
        ("destinations", None, "append"),
        ("activities", "snapshot", "snapshot"),
        ("learners", "append", "append"),
    ],
)
def test_evidence_is_appended_unless_the_configuration_says_otherwise(stream: str, mode: str | None, kept: str) -> None:
    (spec,) = source(stream=stream, mode=mode).streams
    assert (spec.mode, spec.mapping, spec.cursor) == (kept, "careers-log", None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoding": "auto"}, "fingerpost check"),
        ({"encoding": "klingon"}, "is not a text encoding"),
        ({"encoding": "rot13"}, "is not a text encoding"),
        ({"encoding": "base64"}, "is not a text encoding"),
        ({"delimiter": "::"}, "delimiter"),
        ({"header": ["id", "kind", " id"]}, "names a column twice"),
        ({"key": ["id", "id"]}, "names a column twice"),
        ({"mode": "replace"}, "mode"),
        ({"skip_lines": -1}, "skip_lines"),
        ({"seperator": ";"}, "seperator"),
    ],
)
def test_a_wrong_option_is_refused_with_a_reason(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        source(**options)


# -- what it reads -----------------------------------------------------------------------------------------------------


def test_it_hands_over_only_what_the_mapping_reads(tmp_path: Path, context: HostContext) -> None:
    messages = read_text(tmp_path, "id,notes, kind ,title,\n1,private,talk,ACME,\n", context)
    assert records(messages) == [Record("1", {"id": "1", "kind": "talk", "title": "ACME"})]
    assert context.headers == [(("id", "notes", "kind", "title"), "log.csv")]


def test_one_mapped_column_of_many(tmp_path: Path) -> None:
    context = HostContext(tmp_path, columns=frozenset({"title"}))
    assert records(read_text(tmp_path, "id,kind,title\n1,talk,ACME\n", context)) == [Record("1", {"title": "ACME"})]


@pytest.mark.parametrize("bom", ["\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path, bom: str, encoding: str) -> None:
    text = f'{bom}"id",kind,title\n1,talk,Café\n'
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    messages = read_text(tmp_path, text.encode(codec), encoding=encoding)
    assert records(messages) == [Record("1", {"id": "1", "kind": "talk", "title": "Café"})]


def test_quoted_newlines_belong_to_the_field(tmp_path: Path, context: HostContext) -> None:
    messages = read_text(tmp_path, 'id,kind,title\r\n1,talk,"ACME\r\nand ""friends"""\r\n2,fair,\r\n', context)
    assert [record.data["title"] for record in records(messages)] == ['ACME\r\nand "friends"', ""]
    assert context.warnings == []


def test_blank_rows_and_repeated_headers_are_no_records(tmp_path: Path) -> None:
    messages = read_text(tmp_path, "\n,,\nid,kind,title\n\n1,talk,A\n , ,\t\n,\nid,kind,title\n,,,,\n2,talk,B\n")
    assert messages == [
        Record("1", {"id": "1", "kind": "talk", "title": "A"}),
        Record("2", {"id": "2", "kind": "talk", "title": "B"}),
        Checkpoint(),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "id,kind,title\n", "id,kind,title"])
def test_a_file_without_rows_yields_none(tmp_path: Path, text: str) -> None:
    assert read_text(tmp_path, text) == [Checkpoint()]


@pytest.mark.parametrize(("delimiter", "written"), [("tab", "\t"), ("\t", "\t"), (";", ";"), ("|", "|"), (",", ",")])
def test_every_delimiter(tmp_path: Path, delimiter: str, written: str) -> None:
    text = "id,kind,title\n1,talk,A B\n".replace(",", written)
    assert keys(read_text(tmp_path, text, delimiter=delimiter)) == ["1"]


def test_the_line_that_excel_is_told_the_delimiter_in_is_no_header(tmp_path: Path) -> None:
    assert keys(read_text(tmp_path, "sep=;\r\nid;kind;title\r\n1;talk;A\r\n", delimiter=";")) == ["1"]


def test_a_header_from_the_configuration(tmp_path: Path) -> None:
    messages = read_text(tmp_path, "1,talk,,A\n2,fair,,B\n", header=["id", "kind", "", "title"])
    assert [record.data["title"] for record in records(messages)] == ["A", "B"]


def test_lines_above_the_header_are_left_out_and_counted(tmp_path: Path) -> None:
    text = 'Careers "export\nof Monday\nid,kind,title\n1,talk,A\n2,talk\n'
    messages = read_text(tmp_path, text, skip_lines=2)
    assert keys(messages) == ["1"]
    assert faults(messages) == [("ragged_row", "log.csv line 5")]
    assert read_text(tmp_path, text, skip_lines=900) == [Checkpoint()]


def test_a_checkpoint_comes_about_every_twenty_thousand_rows(tmp_path: Path) -> None:
    text = "id,kind,title\n" + "".join(f"{number},talk,A\n" for number in range(50_000))
    messages = read_text(tmp_path, text)
    at = [index for index, message in enumerate(messages) if isinstance(message, Checkpoint)]
    assert len(records(messages)) == 50_000
    assert len(at) == 3
    assert at[-1] == len(messages) - 1
    assert max(after - before for before, after in pairwise(at)) <= 25_000
    assert all(message == Checkpoint(None) for message in messages if isinstance(message, Checkpoint))


ANY_TEXT = st.characters(codec="utf-8", exclude_characters="\0")
FOREIGN = {
    **dict.fromkeys(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"], ANY_TEXT),
    "cp1252": st.sampled_from("\xa0é€Šÿ"),
    "iso8859-15": st.sampled_from("\x85é€Šÿ"),  # 0x85 ends a line in Unicode, and none in a CSV file
    "shift_jis": st.sampled_from("表ソあ"),  # the second byte of two of them is a backslash in ASCII
}
ROW_ENDS: list[tuple[str, Literal[0, 1]]] = [
    # Only what it ends rows with itself does the writer know that it must quote.
    ("\r\n", csv.QUOTE_MINIMAL),
    ("\r\n", csv.QUOTE_ALL),
    ("\n", csv.QUOTE_ALL),
    ("\r", csv.QUOTE_ALL),
]


def written(rows: Sequence[Mapping[str, str]], **said: Any) -> str:
    """Return what `csv.writer` writes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, **said)
    writer.writerow(["id", "kind", "title"])
    writer.writerows(row.values() for row in rows)
    return text.getvalue()


@st.composite
def written_tables(draw: st.DrawFn) -> tuple[str, str, list[dict[str, str]], bytes]:
    """Draw a table and write it with `csv.writer`: delimiter, encoding, rows, bytes."""
    encoding = draw(st.sampled_from(sorted(FOREIGN)))
    delimiter = draw(st.sampled_from([",", "\t", ";", "|"]))
    ending, quoting = draw(st.sampled_from(ROW_ENDS))
    cell = st.text(st.sampled_from(" a\"'\n\r" + delimiter) | FOREIGN[encoding], max_size=12)
    cells = draw(st.lists(st.tuples(cell, cell), max_size=8))
    rows = [{"id": f"k{number}", "kind": kind, "title": title} for number, (kind, title) in enumerate(cells)]
    text = written(rows, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    return delimiter, encoding, rows, text.encode(encoding)


@untimed
@given(table=written_tables())
def test_what_csv_writer_writes_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[str, str, list[dict[str, str]], bytes]
) -> None:
    delimiter, encoding, rows, content = table
    folder = tmp_path_factory.mktemp("table")
    messages = read_text(folder, content, delimiter=delimiter, encoding=encoding)
    assert messages == [*(Record(row["id"], row) for row in rows), Checkpoint()]


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_a_large_file_is_read_back_exactly_whatever_ends_its_lines(tmp_path: Path, ending: str) -> None:
    rows = [
        {"id": f"k{number}", "kind": "Café" * (number % 9), "title": f'the "end"{ending}of {number}\u2028{ending}'}
        for number in range(6_000)
    ]
    text = written(rows, lineterminator=ending, quoting=csv.QUOTE_ALL)
    assert records(read_text(tmp_path, text)) == [Record(row["id"], row) for row in rows]


# -- keys --------------------------------------------------------------------------------------------------------------


def test_the_key_is_made_of_the_stripped_key_columns(tmp_path: Path) -> None:
    context = HostContext(tmp_path, key=("kind", "id"))
    assert keys(read_text(tmp_path, "id,kind,title\n 1 , talk,A\n2,,B\n", context)) == ["talk|1", "|2"]


PARTS = st.lists(st.tuples(*[st.text("p|\\", max_size=4)] * 3).filter(any), min_size=2, max_size=2, unique=True)


@untimed
@given(rows=PARTS)
def test_other_parts_make_another_key_and_no_row_removes_another(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    text = "".join(f"{','.join(row)}\n" for row in rows)
    messages = read_text(folder, f"id,kind,title\n{text}", HostContext(folder, key=("id", "kind", "title")))
    assert len(set(keys(messages))) == 2
    assert not {message.key for message in messages if isinstance(message, Deleted)} & set(keys(messages))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("p", "r"), [Record("p|r", {})]),
        (("DOMAIN\\user\\", "r"), [Record("DOMAIN\\user\\|r", {})]),
        (("p|q", "r"), [Deleted("p|q|r", mistake=True), Record("p\\|q|r", {})]),
        (("p", "q|r"), [Deleted("p|q|r", mistake=True), Record("p|q\\|r", {})]),
        (("p\\", "q|r"), [Record("p\\\\|q\\|r", {})]),  # the key of p|q and r
    ],
)
def test_a_separator_within_a_part_is_escaped(tmp_path: Path, parts: tuple[str, str], expected: list[Message]) -> None:
    context = HostContext(tmp_path, columns=frozenset(), key=("id", "kind"))
    assert read_text(tmp_path, f"id,kind\n{','.join(parts)}\n", context) == [*expected, Checkpoint()]


def test_a_key_of_one_column_is_what_stands_there(tmp_path: Path) -> None:
    messages = read_text(tmp_path, "id,kind,title\np\\|q|r,talk,A\n")
    assert [type(message) for message in messages] == [Record, Checkpoint]
    assert keys(messages) == ["p\\|q|r"]


def test_a_row_without_a_key_is_rejected(tmp_path: Path) -> None:
    for key in [("id",), ("id", "kind")]:
        messages = read_text(tmp_path, "id,kind,title\n  ,,A\n2,talk,B\n", HostContext(tmp_path, key=key))
        assert faults(messages) == [("missing_key", "log.csv line 2")]
        assert rejected(messages)[0].raw == {"id": "  ", "kind": "", "title": "A"}
        assert rejected(messages)[0].key
        assert len(records(messages)) == 1


def test_without_key_columns_the_values_are_the_key(tmp_path: Path) -> None:
    def read_keys(text: str) -> list[str]:
        return keys(read_text(tmp_path, text, HostContext(tmp_path, key=())))

    first, second, third = read_keys("id,kind,title\n1,talk,A\n1,talk,B\n1,talk,A\n")
    assert first == third != second
    assert read_keys("title,id,kind\nA,1,talk\n\nB,1,talk\n,,\n") == [first, second]


# -- rows that cannot be read ------------------------------------------------------------------------------------------


def test_a_ragged_row_is_rejected_with_what_could_be_read(tmp_path: Path) -> None:
    messages = read_text(tmp_path, 'id,kind,notes,title\n1,talk\n2,"a\nb",c,d\n3,talk,x,A,B\n4,talk,,C\n')
    assert keys(messages) == ["2", "4"]
    assert rejected(messages) == [
        Rejected("1", "ragged_row", "log.csv line 2", {"id": "1", "kind": "talk"}),
        Rejected("3", "ragged_row", "log.csv line 5", {"id": "3", "kind": "talk", "title": "A"}),
    ]


@untimed
@given(
    rows=st.lists(
        st.one_of(st.just(3), st.sampled_from([1, 2, 4, 7])).map(lambda width: ["x"] * width), min_size=1, max_size=30
    )
)
def test_ragged_rows_cost_no_other(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    lines = [",".join([f"k{number}", *row[1:]]) for number, row in enumerate(rows)]
    messages = read_text(tmp_path_factory.mktemp("ragged"), "id,kind,title\n" + "\n".join(lines))
    assert keys(messages) == [f"k{number}" for number, row in enumerate(rows) if len(row) == 3]
    assert faults(messages) == [
        ("ragged_row", f"log.csv line {number + 2}") for number, row in enumerate(rows) if len(row) != 3
    ]


@untimed
@given(rows=st.lists(st.booleans(), min_size=1, max_size=30), quoted=st.booleans())
def test_a_stray_quote_costs_no_other_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bool], quoted: bool
) -> None:
    good = '"k{0}","talk","A B"' if quoted else "k{0},talk,A B"
    lines = [(good if is_good else 'k{0},talk,"A B').format(number) for number, is_good in enumerate(rows)]
    messages = read_text(tmp_path_factory.mktemp("quotes"), "id,kind,title\n" + "\n".join(lines) + "\n")
    assert keys(messages) == [f"k{number}" for number, is_good in enumerate(rows) if is_good]
    bad = [number for number, is_good in enumerate(rows) if not is_good]
    assert [(message.key, message.where) for message in rejected(messages)] == [
        (f"k{number}", f"log.csv line {number + 2}") for number in bad
    ]
    assert {message.reason for message in rejected(messages)} <= {"unclosed_quote", "bad_quote"}


@pytest.mark.parametrize("size_limit", [131_072, 2**31 - 1])
def test_a_quote_that_would_swallow_the_rest_is_found(tmp_path: Path, size_limit: int) -> None:
    rows = [f"{number},talk,{'A' * 90}\n" for number in range(30_000)]
    rows[100] = '100,"talk,A\n'
    before = csv.field_size_limit(size_limit)  # another plugin may have set it for the whole process
    try:
        messages = read_text(tmp_path, "id,kind,title\n" + "".join(rows))
    finally:
        csv.field_size_limit(before)
    assert len(records(messages)) == 29_999
    assert faults(messages) == [("unclosed_quote", "log.csv line 102")]
    assert rejected(messages)[0].key == "100"


@pytest.mark.parametrize(
    ("content", "options", "good", "bad"),
    [('id,kind,title\n1,"talk,A\n2,talk,B\n3,talk,C\n4,fair",talk,D\n5,talk,E\n', {}, ["2", "3", "5"],
      [("unclosed_quote", "log.csv line 2"), ("ragged_row", "log.csv line 5")]),
     (f"id,kind,title\n1,talk,{'A' * 140_000}\n2,talk,B\n", {}, ["2"], [("field_too_long", "log.csv line 2")]),
     (b"id,kind,title\n1,talk,\x81\n2,talk,\x80\n", {"encoding": "cp1252"}, ["2"],
      [("bad_encoding", "log.csv line 2")]),
     ("id,kind,title\n1,talk,A\n2,talk,B".encode("utf-16") + b"!", {"encoding": "utf-16"}, ["1"],
      [("bad_encoding", "log.csv line 3")])],
    ids=["stray quotes that pair up", "a field beyond all limits", "no byte of cp1252", "half a pair of utf-16"],
)  # fmt: skip
def test_a_row_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], good: list[str], bad: list[tuple[str, str]]
) -> None:
    messages = read_text(tmp_path, content, **options)
    assert (keys(messages), faults(messages)) == (good, bad)


def test_a_record_that_seems_to_hold_other_rows_is_reported(tmp_path: Path, context: HostContext) -> None:
    messages = read_text(tmp_path, 'id,kind,title\n1,",A\n2,talk,B\n3,",C\n', context)
    assert keys(messages) == ["1"]
    assert context.warnings == [("quote_spans_rows", "1", "", "log.csv line 2")]


def test_text_after_a_closing_quote_is_rejected(tmp_path: Path) -> None:
    messages = read_text(tmp_path, 'id,kind,title\n1,talk,"The "best" talk"\n2,talk,5" pipe\n')
    assert faults(messages) == [("bad_quote", "log.csv line 2")]
    assert records(messages) == [Record("2", {"id": "2", "kind": "talk", "title": '5" pipe'})]


def test_a_file_without_line_ends_is_given_up_and_not_held(tmp_path: Path) -> None:
    messages = read_text(tmp_path, b"id,kind,title\n1," + b"A" * 5_000_000)
    assert records(messages) == []
    assert rejected(messages)[0] == Rejected(rejected(messages)[0].key, "field_too_long", "log.csv line 2", {})


def test_undecodable_bytes_cost_their_row(tmp_path: Path) -> None:
    text = b"id,kind,title\n1,talk,Caf\xc3\xa9\n2,talk,Caf\xe9 X\n3,talk,\xef\xbf\xbd kept\n4,ta\xff\n"
    messages = read_text(tmp_path, text)
    assert [record.data["title"] for record in records(messages)] == ["Café", "\ufffd kept"]
    assert rejected(messages) == [
        Rejected("2", "bad_encoding", "log.csv line 3", {"id": "2", "kind": "talk", "title": "Caf\ufffd X"}),
        Rejected("4", "bad_encoding", "log.csv line 5", {"id": "4", "kind": "ta\ufffd"}),
    ]


def test_a_nul_costs_its_row(tmp_path: Path) -> None:
    messages = read_text(tmp_path, "id,kind,title\n1,talk,A\n2,ta\0lk,B\n3,talk,C\n")
    assert keys(messages) == ["1", "3"]
    assert rejected(messages) == [
        Rejected("2", "nul_character", "log.csv line 3", {"id": "2", "kind": "ta\ufffdlk", "title": "B"})
    ]


def test_faults_are_found_far_into_a_large_file(tmp_path: Path) -> None:
    rows = [f"{number},talk,Zoë Café {number}\r\n".encode() for number in range(20_000)]
    rows[7_000] = b"7000,talk,\xff\r\n"
    rows[15_000] = b"15000,talk\r\n"
    messages = read_text(tmp_path, b"id,kind,title\r\n" + b"".join(rows))
    assert len(records(messages)) == 19_998
    assert faults(messages) == [("bad_encoding", "log.csv line 7002"), ("ragged_row", "log.csv line 15002")]


def test_no_value_of_a_row_is_in_a_reason_or_a_place(tmp_path: Path) -> None:
    text = b'id,kind,title\n1,Canary\n,Canary,X\n3,Canary,"Canary\n4,Can\xffary,X\n5,"Canary" Canary,X\n6,Can\0ary,X\n'
    messages = read_text(tmp_path, text)
    assert len(rejected(messages)) == 6
    assert all("Can" not in message.reason + message.where + message.key for message in rejected(messages))


# -- headers that cannot be used ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,kind,title,kind,kind\n1,a,b,c,d\n", "log.csv has more than one column named kind;"),
        ("id;kind;title\n1;a;b\n", 'log.csv is not separated by ","; set delimiter = ";"'),
        ("id\tkind\ttitle\n", 'set delimiter = "tab"'),
        ("id,ki\0nd,title\n1,a,b\n", 'not written in the encoding "utf-8-sig"; run fingerpost check'),
        ("id,kind,title\n1,a,b\n".encode("utf-16"), 'not written in the encoding "utf-8-sig"; run fingerpost check'),
        ('id,kind,"title\n1,a,b\n', "the header row of log.csv cannot be read; set skip_lines"),
    ],
)
def test_a_header_that_cannot_be_used_says_what_to_do(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_text(tmp_path, text)
    assert words in error.value.message
    assert error.value.message.startswith("Connector careers-log: ")


def test_a_first_row_that_is_no_header_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set header to the names of the columns") as error:
        read_text(tmp_path, "17,Canary,Canary\n")
    assert "Canary" not in f"{error.value.message}{error.value.detail}"


def test_a_tab_is_named_and_not_printed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='not separated by "tab"; set delimiter = ","'):
        read_text(tmp_path, "id,kind,title\n", delimiter="tab")


def test_what_the_host_says_of_a_header_ends_the_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no column id"):
        read_text(tmp_path, "number,kind,title\n1,a,b\n")


# -- several files -----------------------------------------------------------------------------------------------------


def write_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"id,kind,title\n{name},talk,A\nshort\n", encoding="utf-8")


def test_files_come_in_descending_order_of_name(tmp_path: Path) -> None:
    write_files(tmp_path, "log-2024.csv", "log-2026.csv", "log-2025.csv", "other.csv")
    messages = read(HostContext(tmp_path), path="log*.csv")
    assert keys(messages) == ["log-2026.csv", "log-2025.csv", "log-2024.csv"]
    assert [place for _, place in faults(messages)] == [f"log-{year}.csv line 3" for year in (2026, 2025, 2024)]


def test_files_of_one_name_are_told_apart_by_their_folder(tmp_path: Path, context: HostContext) -> None:
    write_files(tmp_path, "2025/log.csv", "2026/deep/log.csv", "2026/notes.txt")
    messages = read(context, path="**/log.csv")
    assert [place for _, place in faults(messages)] == ["2026/deep/log.csv line 3", "2025/log.csv line 3"]
    assert set(context.digests) == {"2026/deep/log.csv", "2025/log.csv"}


def test_a_path_may_be_absolute_or_hold_what_a_pattern_means(tmp_path: Path) -> None:
    write_files(tmp_path, "elsewhere/log.csv", "log [final].csv")
    context = HostContext(tmp_path / "config")
    assert keys(read(context, path=str(tmp_path / "elsewhere" / "*.csv"))) == ["elsewhere/log.csv"]
    assert keys(read(HostContext(tmp_path), path="log [final].csv")) == ["log [final].csv"]


def test_no_file_is_named_with_pattern_and_folder(tmp_path: Path) -> None:
    (tmp_path / "log.csv.d").mkdir()
    with pytest.raises(SourceUnavailable) as error:
        read(HostContext(tmp_path))
    assert "log*" in error.value.message
    assert str(tmp_path) in error.value.message


def test_the_newest_file_tells_the_age_of_the_data(tmp_path: Path, context: HostContext) -> None:
    write_files(tmp_path, "log1.csv", "log2.csv")
    for name, instant in (("log1.csv", NOW - timedelta(days=2)), ("log2.csv", NOW - timedelta(days=9))):
        os.utime(tmp_path / name, (instant.timestamp(), instant.timestamp()))
    read(context)
    assert context.data_at == NOW - timedelta(days=2)


def test_files_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    write_files(tmp_path, "log1.csv", "log2.csv")
    first = HostContext(tmp_path)
    assert read(first)
    assert set(first.digests) == {"log1.csv", "log2.csv"}

    again = HostContext(tmp_path, known=first.digests)
    assert read(again) == []
    assert again.data_at is not None

    (tmp_path / "log2.csv").write_text("id,kind,title\n2,talk,A\n", encoding="utf-8")
    assert "2" in keys(read(HostContext(tmp_path, known=first.digests)))


@pytest.mark.parametrize(
    ("option", "key"),
    [({"encoding": "cp1252"}, ("id",)), ({"skip_lines": 1}, ("id",)), ({"header": ["id", "kind", "title"]}, ("id",)),
     ({"member": "*.txt"}, ("id",)), ({}, ("id", "kind"))],
)  # fmt: skip
def test_a_corrected_option_or_key_reaches_files_that_did_not_change(
    tmp_path: Path, option: dict[str, Any], key: tuple[str, ...]
) -> None:
    (tmp_path / "log.csv").write_text("id,kind,title\nid,kind,title\n1,talk,Café\n", encoding="utf-8")
    first = HostContext(tmp_path)
    read(first)
    assert read(HostContext(tmp_path, key=key, known=first.digests), **option) != []


# -- archives ----------------------------------------------------------------------------------------------------------


def write_zip(path: Path, members: Mapping[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_gzipped_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(gzip.compress(b"id,kind,title\n1,talk,A\nshort\n"))
    messages = read(HostContext(tmp_path))
    assert (keys(messages), faults(messages)) == (["1"], [("ragged_row", "log.csv line 3")])


def test_members_of_a_zip_come_in_descending_order_of_name(tmp_path: Path) -> None:
    table = "id,kind,title\n{0},talk,A\nshort\n"
    write_zip(
        tmp_path / "log.zip",
        {
            "in/b.csv": table.format("b"),
            "in/C.CSV": table.format("c"),
            "readme.txt": "no table",
            "in/d.csv/": "",
            "__MACOSX/in/._b.csv": "\0\0",
        },
    )
    messages = read(HostContext(tmp_path))
    assert keys(messages) == ["b", "c"]
    assert [place for _, place in faults(messages)] == ["log.zip/in/b.csv line 3", "log.zip/in/C.CSV line 3"]
    assert keys(read(HostContext(tmp_path), member="in/c*")) == ["c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.zip"]


def unreadable_zip(path: Path) -> None:
    write_zip(path, {"a.csv": "id,kind,title\n" + "1,talk,A\n" * 500})
    content = bytearray(path.read_bytes())
    content[60:70] = bytes(10)
    path.write_bytes(content)


def encrypted_zip(path: Path) -> None:
    write_zip(path, {"a.csv": "id,kind,title\n"})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's own header, and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (unreadable_zip, "damaged or incomplete archive"),
        (encrypted_zip, "log/a.csv is protected by a password"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "damaged or incomplete archive"),
        (lambda path: path.write_bytes(gzip.compress(os.urandom(99_999))[:-500]), "damaged or incomplete archive"),
        (lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(50)), "damaged or incomplete archive"),
        (lambda path: path.write_bytes(gzip.compress(bytes(30 << 20))), "packed far more tightly"),
        (lambda path: write_zip(path, {"a.csv": "A" * (30 << 20)}), "packed far more tightly"),
        (lambda path: write_zip(path, {f"{number}.csv": "" for number in range(1001)}), "holds 1,001 files"),
        (lambda path: write_zip(path, {"a.txt": ""}), "holds no file that matches *.csv; set member"),
        (lambda path: write_zip(path, {}), "holds no file that matches"),
        (lambda path: write_zip(path, {"[Content_Types].xml": "", "xl/workbook.xml": ""}), "spreadsheet workbook"),
        (lambda path: write_zip(path, {"mimetype": "", "content.xml": ""}), "spreadsheet workbook"),
        (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)), "save it as"),
    ],
)
def test_an_archive_that_cannot_be_read_says_why(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "log")
    with pytest.raises(SourceUnavailable) as error:
        read(HostContext(tmp_path), header=["id"])
    assert words in error.value.message
    assert error.value.message.startswith("Connector careers-log: log")


def test_a_tightly_packed_honest_export_is_read(tmp_path: Path) -> None:
    rows = "".join(f"{number},talk,The same title in every row of this export\n" for number in range(200_000))
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(f"id,kind,title\n{rows}".encode()))
    assert len(records(read(HostContext(tmp_path)))) == 200_000


# -- check -------------------------------------------------------------------------------------------------------------


def check(folder: Path, content: str | bytes, keyed_by: tuple[str, ...] = ("id",), **options: Any) -> list[Finding]:
    (folder / "log.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(folder / "log.csv", (NOW.timestamp() - 3 * 3600, NOW.timestamp() - 3 * 3600))
    return list(source(**options).check(HostContext(folder, key=keyed_by)))


def problems(findings: Sequence[Finding]) -> Iterator[str]:
    return (f"{finding.level}: {finding.message} / {finding.hint}" for finding in findings if finding.level != "ok")


def test_check_says_what_is_there(tmp_path: Path) -> None:
    findings = check(tmp_path, "id,kind,title\n1,talk,Café\n2,talk,B\n")
    assert findings == [
        Finding("ok", "1 file: log.csv (36 bytes, 3 hours old)"),
        Finding("ok", "log.csv: the first 2 rows can be read"),
    ]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (
            "id,kind,title\n1,talk,Zoë\u2019s £20 \u2013 \u201cgood\u201d\n".encode("cp1252"),
            {},
            'error: .*set encoding = "cp1252"',
        ),
        ("id,kind,title\n1,talk,A\n".encode("utf-16"), {}, 'error: .*set encoding = "utf-16"'),
        ("id,kind,title\n1,talk,Zoë\n", {"encoding": "ascii"}, 'error: .*set encoding = "utf-8-sig"'),
        ("id,kind,title\n1,talk,Zoë\n", {"encoding": "cp1252"}, 'warning: .*set encoding = "utf-8-sig"'),
        ("id;kind;title\n1;talk;A\n", {}, 'error: .*set delimiter = ";"'),
        ("number,kind,title\n1;talk;A\n", {}, "error: .*has no column id"),
        (
            "id,kind,title\n1,talk\n,talk,A\n3,talk,B\n",
            {},
            "error: .*2 of the first 3 rows .*ragged_row 1, missing_key 1",
        ),
        ("id,kind,title\n1,talk\n2,talk,A\n3,talk,B\n", {}, "warning: .*1 of the first 3 rows"),
        ("id,kind,title\n", {}, "warning: .*no rows"),
        ("", {}, "warning: .*empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {}, "error: .*spreadsheet workbook"),
        ("id,kind,title\n1,talk,A\n", {"key": []}, "warning: .*no column identifies a row"),
    ],
)
def test_check_says_what_is_wrong(tmp_path: Path, content: str | bytes, options: dict[str, Any], words: str) -> None:
    key = tuple(options.get("key", ("id",)))
    found = "\n".join(problems(check(tmp_path, content, key, **options)))
    assert re.search(words, found), found


def test_check_goes_on_after_a_bad_file(tmp_path: Path) -> None:
    write_zip(tmp_path / "log2.zip", {"a.txt": ""})
    findings = check(tmp_path, "id,kind,title\n1,talk,A\n")
    assert [finding.level for finding in findings] == ["ok", "error", "ok"]


def test_check_reads_no_more_than_the_first_rows(tmp_path: Path) -> None:
    rows = [f"{number},talk,A\n" for number in range(5_000)]
    findings = check(tmp_path, "id,kind,title\n" + "".join(rows) + "ragged\n")
    assert findings[-1] == Finding("ok", "log.csv: the first 2,000 rows can be read")
    assert all(finding.level == "ok" for finding in findings)
