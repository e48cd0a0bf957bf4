"""The room of words: near spellings, the sentences about faults, and the reading of TOML documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fingerpost import ConfigError, did_you_mean
from fingerpost._words.faults import explained, fault_sentences
from fingerpost._words.nearest import nearest
from fingerpost._words.packaged import Library, packaged_file, read_document

if TYPE_CHECKING:
    from pathlib import Path


# -- near spellings


@pytest.mark.parametrize(
    ("known", "word", "answer"),
    [
        *((["ilr", "csv", "careers-log"], word, answer) for word, answer in {
            "cvs": " Did you mean 'csv'?", "careers_log": " Did you mean 'careers-log'?",
            "CSV": " Did you mean 'csv'?", "log": " Did you mean 'careers-log'?",
            "[[careers log]]": " Did you mean 'careers-log'?", "x": " Choose from: careers-log, csv, ilr.",
            "": " Choose from: careers-log, csv, ilr.",
        }.items()),
        # What a word may be short for is named unless it is too much.
        (["East Midlands", "East of England"], "East", " Did you mean 'East Midlands' or 'East of England'?"),
        (["a car", "a bus", "a van", "a tram"], "a", " Choose from: a bus, a car, a tram, a van."),
        ([], "x", ""),
    ],
)  # fmt: skip
def test_a_word_that_is_not_known_is_helped_with(known: list[str], word: str, answer: str) -> None:
    assert did_you_mean(word, known) == answer


def test_of_two_that_are_as_near_the_one_with_the_same_letters_is_meant() -> None:
    assert nearest("cvs", ["cvx", "csv"]) == "csv"
    assert nearest("ilr", ["csv"]) is None
    assert nearest("read_lerner", ["read_learners"], cutoff=0.95) is None


# -- sentences about faults


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    of: list[int] = []
    kind: Annotated[str, Field(pattern=r"^[a-z]+$")] = "a"

    @model_validator(mode="after")
    def _together(self) -> Row:
        if self.kind == "refused":
            raise ValueError("`id` and `kind` do not go together.")
        return self


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(description="What it is called.")
    table: Row
    named: dict[str, Row] = {}
    row: list[Row] = Field(default=[], min_length=1)
    size: Literal["small", "large"] = "small"
    many: int = Field(default=1, le=5, description="ULN count.")


WHOLE: dict[str, Any] = {"title": "T", "table": {"id": "a"}}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"titel": "T"}, "There is no table or key 'titel'. Did you mean 'title'?"),
        ({"of": []}, "The key 'of' is outside its table; put it below the line [table]."),
        ({"title": None}, "title must be text in quotes."),
        ({"title": ...}, "The key title is missing: what it is called."),
        ({"table": ...}, "The table [table] is missing: write [table] on a line of its own, and id below it."),
        ({"table": 3}, "The table [table] is missing: write [table] on a line of its own, and id below it."),
        ({"table": {}}, "[table] needs the key id."),
        ({"table": {"id": "a", "kind": "A"}}, "[table] kind must be small letters."),
        ({"table": {"id": "a", "kind": "refused"}}, "[table]: `id` and `kind` do not go together."),
        ({"named": 3}, "The table [named.NAME] is missing: write [named.NAME] on a line of its own, and id below it."),
        ({"named": {"x": {"id": 1}}}, "[named.x] id must be text in quotes."),
        ({"row": []}, "The table [[row]] is missing: write [[row]] on a line of its own, and id below it."),
        ({"row": {"id": "a"}}, "The table [[row]] is missing: write [[row]] on a line of its own, and id below it."),
        ({"row": [{"id": "a", "of": [1, "x"]}]}, "[[row]] number 1 of item 2 must be a whole number, without quotes."),
        ({"row": [{"id": "a"}, 3]}, "[[row]] number 2 must be a table of keys and values."),
        ({"size": "huge"}, "size must be 'small' or 'large'."),
        ({"many": 9}, "many must be at most 5: ULN count."),
    ],
)  # fmt: skip
def test_a_fault_is_said_with_place_and_remedy(change: dict[str, Any], sentence: str) -> None:
    data = {key: value for key, value in {**WHOLE, **change}.items() if value is not ...}
    with pytest.raises(ValidationError) as caught:
        File.model_validate(data)
    assert fault_sentences(caught.value, File, data, hints={r"^[a-z]+$": "small letters"}) == [sentence]


def test_a_key_that_is_missing_because_it_is_misspelt_is_one_problem() -> None:
    data = {"titel": "T", "table": {"idd": "a"}}
    with (
        pytest.raises(ConfigError, match=r"^f\.toml: \[table\] has no key 'idd'\. Did you mean 'id'\?$"),
        explained("f.toml", File, data),
    ):
        File.model_validate(data)
    with pytest.raises(ValidationError) as caught:
        File.model_validate(data)
    assert len(fault_sentences(caught.value, File, data)) == 2


# -- documents


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"list\.toml is empty\. Write one\."),
        (b"a = 1\na = 2", "may appear only once"),
        (b'a = "C:\\data"', "write paths with /"),
        (b"a = yes", r"not valid TOML at line 1, column 5: invalid value\. Text needs quotes"),
        (b"# caf\xe9", "is not UTF-8 text; save it again"),
    ],
)
def test_a_document_that_cannot_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "list.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_document(path, "list", " Write one.")


def test_a_document_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no list .*gone\.toml\. Write one\."):
        read_document(tmp_path / "gone.toml", "list", " Write one.")
    with pytest.raises(ConfigError, match="is a folder; name the list in it"):
        read_document(tmp_path, "list")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    (tmp_path / "list.toml").write_text("a = 1\n", encoding="utf-8-sig")
    assert read_document(tmp_path / "list.toml", "list") == {"a": 1}


def test_what_is_packaged_lies_on_disk() -> None:
    assert read_document(packaged_file("fingerpost_mappings", "kinds.toml"), "list of kinds")["kinds"]


class Lists(Library):
    what, folder = "list", "lists"

    def overlay(self, base: dict[str, Any], top: dict[str, Any], *, files: tuple[Path, Path]) -> dict[str, Any]:
        return {**base, **top, "over": files[0].name}


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    (tmp_path / "lists").mkdir()
    for path, text in {
        "one.toml": 'name = "shipped"',
        "two.toml": 'name = "two"\nextends = "one"', "lists/one.toml": 'extends = "one"',
        "lists/a.toml": 'extends = "b"', "lists/b.toml": 'extends = "a"', "lists/old.toml": "schema_version = 2",
        "lists/wrong.toml": "extends = 3", "lists/lost.toml": 'extends = "onee"',
    }.items():  # fmt: skip
        (tmp_path / path).write_text(text, encoding="utf-8")
    return Lists([tmp_path / "one.toml", tmp_path / "two.toml"])


def test_a_name_means_the_own_document_first_and_a_path_is_one(lists: Lists, tmp_path: Path) -> None:
    assert lists.names() == ("one", "two")
    assert lists.read("one", None) == (tmp_path / "one.toml", {"name": "shipped"})
    assert lists.read("one", tmp_path) == (tmp_path / "lists/one.toml", {"name": "shipped", "over": "one.toml"})
    assert lists.read("two.toml", tmp_path)[1]["name"] == "two"
    assert lists.read("two", None)[1] == {"name": "two", "over": "one.toml"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("on", r"There is no list 'on'\. Did you mean 'one'\? A list of your own would be .*lists.on\.toml\.$"),
        ("hm/x", r"There is no list 'hm/x'\. Choose from: a, b, lost, old, one, two, wrong\. A list .* be .*hm.x\.$"),
        ("a", r"b\.toml: extends leads back to this file; remove one extends line"),
        ("old", r"old\.toml: schema_version must be 1"),
        ("wrong", r"wrong\.toml: extends must be the name of one list, in quotes"),
        ("lost", r"lost\.toml: extends names the list 'onee', which does not exist\. Did you mean 'one'\?"),
    ],
)
def test_a_document_that_cannot_be_found(lists: Lists, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lists.read(name, tmp_path)
