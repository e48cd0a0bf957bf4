"""Unique learner numbers for tests."""

from __future__ import annotations

import itertools


def valid_uln(number: int) -> str:
    """Return the valid ULN that begins with these digits, or the next one (rule ULN_04 of the ILR)."""
    for base in itertools.count(200_000_000 + number):
        rest = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), str(base), strict=True)) % 11
        if rest:
            return f"{base}{10 - rest}"
    raise AssertionError
