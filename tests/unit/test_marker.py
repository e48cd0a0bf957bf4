"""The mark in what we write: found again, and broken by any change of a word."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fingerpost import MARK_PATTERN, item_key, mark_item, read_mark

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200)
KEYS = st.builds(item_key, st.integers(10_000_000, 99_999_999), st.text(min_size=1, max_size=12))


@given(KEYS, TEXTS, st.booleans())
def test_a_mark_is_read_as_it_was_written(key: str, text: str, closed: bool) -> None:
    assert read_mark(mark_item(key, text, closed=closed)) == (key, closed, True)


@given(KEYS, TEXTS, TEXTS, st.booleans())
def test_another_text_is_not_intact(key: str, text: str, other: str, closed: bool) -> None:
    assume(" ".join(text.split()) != " ".join(other.split()))
    marked = mark_item(key, text, closed=closed)
    mark = read_mark(marked[: len(marked) - len(text)] + other)
    assert mark is None or not mark.intact or other.split() == text.split()


@given(KEYS, st.lists(st.sampled_from(["Meet", "an", "employer", "ä", "2026"]), min_size=1), st.data())
def test_blanks_and_line_ends_may_change(key: str, words: list[str], data: st.DataObject) -> None:
    blanks = st.sampled_from([" ", "\n", "\r\n", "  ", "\t", "\u00a0"])
    marked = mark_item(key, "\n".join(words))
    changed = "".join(data.draw(blanks) if char == "\n" else char for char in marked)
    assert read_mark(f"{changed}\r\n") == (key, False, True)


@given(KEYS, TEXTS)
def test_words_in_front_of_the_mark_are_a_change(key: str, text: str) -> None:
    mark = read_mark("Seen. " + mark_item(key, text))
    assert mark is not None
    assert (mark.key, mark.intact) == (key, False)


@given(KEYS, TEXTS, st.booleans())
def test_every_marked_text_matches_the_pattern(key: str, text: str, closed: bool) -> None:
    pattern = re.escape(MARK_PATTERN).replace("%", ".*").replace("_", ".")
    assert re.fullmatch(pattern, mark_item(key, text, closed=closed), re.DOTALL)


def test_a_closed_item_cannot_be_made_of_an_open_one_by_a_word() -> None:
    marked = mark_item("4XATZ8SV", "Text")
    mark = read_mark(marked.replace("] ", " closed] "))
    assert mark is not None
    assert (mark.closed, mark.intact) == (True, False)


@pytest.mark.parametrize(
    "text", ["", "Fingerpost", "[Fingerpost]", "[Fingerpost 1-2]", "[Fingerpost UUUUUUUU-ILOUILOU]"]
)
def test_other_texts_have_no_mark(text: str) -> None:
    assert read_mark(text) is None


def test_the_key_of_a_learner_is_always_the_same() -> None:
    assert item_key(10000001, "P000001") == item_key(10000001, "P000001     ")
    assert len({item_key(10000001, f"P{number:06}") for number in range(50_000)}) == 50_000
