"""The built-in connector `csv`: one stream of a college from text files, plain, gzipped or in a zip archive."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from fingerpost import (
    Checkpoint,
    ConnectorConfig,
    Context,
    Cursor,
    Finding,
    Message,
    Source,
    StreamSpec,
    hookimpl,
)
from fingerpost_csv._check import check_files
from fingerpost_csv._config import CsvConfig
from fingerpost_csv._files import digest, find_files, open_texts
from fingerpost_csv._rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CsvConfig", "CsvSource", "connectors"]


class CsvSource(Source):
    """Read one stream from every file that a pattern matches, the last name first.

    Files are streamed: memory does not grow with their size. A row that cannot be read is handed over as `Rejected`
    with its file and line, and the rows after it are read all the same. Files that are byte for byte what the last
    run saw are not read again.
    """

    name: ClassVar[str] = "csv"
    Config: ClassVar[type[ConnectorConfig]] = CsvConfig

    def __init__(self, config: CsvConfig) -> None:
        super().__init__(config)
        self._options = config
        self.streams = (StreamSpec(name=config.stream, mode=config.kept, mapping=config.mapping),)

    @hookimpl
    def check(self, context: Context) -> Iterable[Finding]:
        """Say which files were found, and whether their encoding, delimiter, header and first rows can be read."""
        return check_files(self._options, context)

    @hookimpl
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the rows as learners."""
        return self._read(context)

    @hookimpl
    def read_programmes(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the rows as enrolments on programmes."""
        return self._read(context)

    @hookimpl
    def read_assignments(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the rows as assignments of tutors and groups."""
        return self._read(context)

    @hookimpl
    def read_activities(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the rows as careers activities."""
        return self._read(context)

    @hookimpl
    def read_destinations(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the rows as destinations."""
        return self._read(context)

    @hookimpl
    def read_responses(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the rows as what tutors answered in the ILP."""
        return self._read(context)

    def _read(self, context: Context) -> Iterator[Message]:
        options = self._options
        files = find_files(options.path, context)
        context.data_from(max(file.modified for file in files))
        # A corrected option must reach files that did not change, so it is part of their digests.
        seed = options.fingerprint(context.key)
        if context.unchanged({file.label: digest(file, seed, context) for file in files}):
            return
        texts = chain.from_iterable(open_texts(file, options.member, context) for file in files)
        for label, chunks in texts:
            yield from read_rows(chunks, label, options, context)
        yield Checkpoint()


@hookimpl
def connectors() -> list[type[CsvSource]]:
    """Offer the connector `csv`."""
    return [CsvSource]
