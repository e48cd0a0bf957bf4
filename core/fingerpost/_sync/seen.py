"""Mark which rows of a table one read has seen."""

from __future__ import annotations


class SeenRows:
    """Mark rows of a table by number; rows that this read wrote, from `first_new` on, are marked from the start."""

    def __init__(self, first_new: int) -> None:
        self.first_new = first_new
        self._bits = bytearray(first_new // 8 + 1)
        self._unmarked: set[int] = set()

    def add(self, number: int) -> bool:
        """Mark a row; return whether it was already marked."""
        if number >= self.first_new:
            marked = number not in self._unmarked
            self._unmarked.discard(number)
            return marked
        byte, bit = number >> 3, 1 << (number & 7)
        if self._bits[byte] & bit:
            return True
        self._bits[byte] |= bit
        return False

    def remove(self, number: int) -> None:
        """Remove a row's mark."""
        if number >= self.first_new:
            self._unmarked.add(number)
        else:
            self._bits[number >> 3] &= ~(1 << (number & 7))

    def __contains__(self, number: int) -> bool:
        if number >= self.first_new:
            return number not in self._unmarked
        return bool(self._bits[number >> 3] & (1 << (number & 7)))
