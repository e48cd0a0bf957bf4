"""`fingerpost.files`: what connectors that read files share."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, cast

import pytest

from fingerpost import SourceUnavailable
from fingerpost.files import digest, find_files, open_text, open_texts

if TYPE_CHECKING:
    from pathlib import Path

    from fingerpost import Context


@dataclass(frozen=True)
class Answer:
    """Bytes in memory."""

    content: bytes
    label: str = "answer"

    def raw(self) -> IO[bytes]:
        return io.BytesIO(self.content)


def context(folder: Path | None = None) -> Context:
    return cast("Context", SimpleNamespace(name="mis", base_dir=folder))


def zipped(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.txt", content)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content", [b"text", gzip.compress(b"text"), zipped(a="text")], ids=["plain", "gzipped", "zipped"]
)
def test_one_text_is_opened_however_it_is_packed(content: bytes) -> None:
    for _ in range(2):  # as often as it is asked for
        with open_text(Answer(content), context(), "*.txt") as text:
            assert text.read() == b"text"


def test_texts_come_with_their_labels_the_last_name_first() -> None:
    answer = Answer(zipped(a="1", b="2"))
    assert [(label, text.read()) for label, text in open_texts(answer, context(), "*.TXT")] == [
        ("answer/b.txt", b"2"),
        ("answer/a.txt", b"1"),
    ]
    with pytest.raises(SourceUnavailable, match=r"answer holds 2 files that match \*\.txt; set member"):
        open_text(answer, context(), "*.txt").__enter__()
    with open_text(answer, context()) as text:  # nobody said what to take
        assert text.read() == answer.content


def test_a_fault_while_reading_is_worded() -> None:
    content = gzip.compress(bytes(range(256)) * 1000)[:-20]
    with (
        open_text(Answer(content), context()) as text,
        pytest.raises(SourceUnavailable, match="Connector mis: answer is a damaged or incomplete archive"),
    ):
        text.read()


def test_a_file_that_is_gone_is_worded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"text")
    (found,) = find_files("*.txt", context(tmp_path))
    found.path.unlink()
    for use in (digest, lambda *given: open_text(*given).__enter__()):
        with pytest.raises(SourceUnavailable, match=r"a\.txt cannot be read \(No such file or directory\)"):
            use(found, context(tmp_path))


def test_a_digest_is_of_the_bytes_and_of_the_seed() -> None:
    digests = {digest(Answer(content), context(), seed) for content in (b"a", b"b") for seed in (b"", b"seed")}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("pattern", "options", "labels"),
    [
        ("[ab].txt", {}, ["b.txt", "a.txt"]),
        ("*.txt", {"any_case": True}, ["b.txt", "a.txt", "C.TXT"]),
        ("in/*.txt", {}, ["d.txt", "a.txt"]),
        ("in/*.txt", {"full_labels": True}, ["in/d.txt", "in/a.txt"]),
        ("**/[ab].txt", {}, ["in/a.txt", "b.txt", "a.txt"]),
        ("in", {"endings": ["*.txt", "*.gz"]}, ["d.txt", "c.gz", "a.txt"]),
    ],
)
def test_files_are_found(tmp_path: Path, pattern: str, options: dict[str, Any], labels: list[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.txt", "C.TXT", "in/a.txt", "in/c.gz", "in/d.txt"):
        (tmp_path / name).write_bytes(b"")
    found = find_files(pattern, context(tmp_path), **options)
    assert all(one.path.is_file() for one in found)
    assert [one.label for one in found] == labels
