"""Say which known word was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` with a leading blank, or nothing where no known word is near.

    Case is ignored and ``-`` equals ``_``, because these are what people mix up; of two that are as near, the one with
    the same letters is meant.
    """
    folded = {name.casefold().replace("-", "_"): name for name in known}
    typed = word.casefold().replace("-", "_")
    near = difflib.get_close_matches(typed, folded, n=3, cutoff=0.6)
    near.sort(key=lambda name: sorted(name) != sorted(typed))
    return f" Did you mean '{folded[near[0]]}'?" if near else ""
