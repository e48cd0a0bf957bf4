"""Suggest the known name that was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return a hint to follow an unknown name, with a space before it.

    It is ``Did you mean 'x'?`` where known names are near, else a list of all: ``Choose from: x, y.`` Empty where there
    is nothing to choose from.
    """
    near = _with_all_words_of(word, known)
    if not near and (nearest_word := nearest(word, known)):
        near = [nearest_word]
    if near:
        return f" Did you mean {' or '.join(map(repr, near))}?"
    return f" Choose from: {', '.join(sorted(known))}." if known else ""


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that is spelt most like it, or None; `cutoff` 1 accepts only the same.

    Case and what separates words are ignored, because people mix them up; of two equally near, the one with the same
    letters wins.
    """
    folded = {_fold(name): name for name in known}
    typed = _fold(word)
    near = difflib.get_close_matches(typed, folded, n=3, cutoff=cutoff)
    near.sort(key=lambda name: sorted(name) != sorted(typed))
    return folded[near[0]] if near else None


def _with_all_words_of(phrase: str, known: Iterable[str]) -> list[str]:
    """Return the names that "Yorkshire" may be short for: those with all its words, where they are few."""
    words = set(_fold(phrase).split())
    near = [name for name in known if words and words <= set(_fold(name).split())]
    return near if len(near) <= 3 else []


def _fold(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))
