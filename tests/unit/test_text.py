"""Plain text of what services answer."""

from __future__ import annotations

import pytest

from fingerpost.lmi import plain_text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<p>a&nbsp;b</p>\t\n c", "a b c"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("up to 5 < 6 and 7 > 3", "up to 5 < 6 and 7 > 3"),
        ("<script>alert('x')</script>safe<!-- no -->", "safe"),
        ("<style>p {}", ""),
        ("zero\u200bwidth\x00\ud800\x07", "zerowidth"),
        ("x" * 400, "x" * 299 + "…"),
        (None, ""),
        (5, ""),
        ([], ""),
    ],
)
def test_text_is_cleaned(text: object, cleaned: str) -> None:
    assert plain_text(text, 300) == cleaned
