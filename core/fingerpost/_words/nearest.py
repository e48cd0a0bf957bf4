"""Say which known word was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return the sentence that helps after a word that is not known, with a blank before it.

    It asks ``Did you mean 'x'?`` where known words are near, and otherwise lists all of them: ``Choose from: x, y.``
    It is empty where there is nothing to choose from.
    """
    near = _with_all_words_of(word, known)
    if not near and (nearest_word := nearest(word, known)):
        near = [nearest_word]
    if near:
        return f" Did you mean {' or '.join(map(repr, near))}?"
    return f" Choose from: {', '.join(sorted(known))}." if known else ""


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known word whose spelling is nearest, or None where none is near; `cutoff` 1 asks for the same.

    Case and what stands between words are ignored, because these are what people mix up; of two that are as near, the
    one with the same letters is meant.
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
