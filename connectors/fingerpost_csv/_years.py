"""How a log is kept over the years: tell files that go on numbering from files that each start again."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, cast

from fingerpost import Context, Deleted, Message, Record, Rejected
from fingerpost.files import FoundFile, chunks, open_texts
from fingerpost_csv._config import CsvConfig
from fingerpost_csv._rows import read_rows

_ROWS = 2000
"""How many of the first rows of a file are compared."""

_FEW = 5
"""So many keys may stand for different records in two files: they are listed as duplicates."""


def numbered_alike(files: Sequence[FoundFile], options: CsvConfig, context: Context) -> str | None:
    """Say in which two files, one after the other, the same keys stand for different records; None if in none.

    They do if a fifth of one file's keys are in the other too, and hardly any of those rows is the same but for one
    value: a later export of the same log corrects some rows, and repeats most.
    """
    if options.holds is not None or options.stream != "activities" or not context.key:
        return None
    before: tuple[str, dict[str, Mapping[str, Any]]] = "", {}
    for file in files:
        for label, text in open_texts(file, context, options.member):
            if len(files) == 1 and label == file.label:  # nor is it in an archive with others
                return None
            rows = islice(read_rows(chunks(text), label, options, cast("Context", _Quiet(context))), _ROWS)
            here = {row.key: row.data for row in rows if isinstance(row, Record)}
            newer, known = before
            shared = here.keys() & known.keys()
            others = sum(_is_another(here[key], known[key]) for key in shared)
            enough = max(_FEW, 0.2 * min(len(here), len(known)), 0.8 * len(shared))
            if others > enough:
                return (
                    f"{newer} and {label} have the same keys for different records ({others:,} of the {len(shared):,} "
                    "that were compared)"
                )
            before = label, here
    return None


class _Quiet:
    """A context that passes no warning on: what is odd about a row is reported when it is read for good."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def warn(self, code: str, **about: str) -> None:
        """Keep it back."""


def _is_another(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two rows with one key differ in more than one value: a correction seldom does."""
    differing = [name for name in one.keys() & other.keys() if one[name] != other[name]]
    return len(differing) > 1


def of_one_file(messages: Iterable[Message], name: str) -> Iterator[Message]:
    """Give what was read from one file the file's name as its part, and as the beginning of every key."""
    for message in messages:
        if isinstance(message, Record):
            yield message._replace(key=f"{name}/{message.key}", part=name)
        elif isinstance(message, Rejected):
            yield message._replace(key=f"{name}/{message.key}")
        elif not isinstance(message, Deleted):  # a key as an earlier release spelt it never began with a file's name
            yield message


def name_of(file: FoundFile, label: str, options: CsvConfig, context: Context) -> str:
    """Return what a file is called below the folders that `path` spells out: moving those changes no key."""
    folder = takewhile(lambda part: not glob.has_magic(part), Path(options.path).parent.parts)
    name = file.path.relative_to(context.base_dir.joinpath(*folder)).as_posix()
    return name + label.removeprefix(file.label)  # and the member of an archive
