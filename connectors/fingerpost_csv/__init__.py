"""The built-in connector `csv`: one stream of a college from text files, plain, gzipped or in a zip archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from fingerpost import (
    Checkpoint,
    ConfigError,
    ConnectorConfig,
    Context,
    Cursor,
    Finding,
    ManyStreamSource,
    Message,
    StreamName,
    StreamSpec,
    hookimpl,
)
from fingerpost.files import chunks, digest, find_files, open_texts
from fingerpost_csv._check import check_files
from fingerpost_csv._config import CsvConfig
from fingerpost_csv._rows import read_rows
from fingerpost_csv._years import name_of, numbered_alike, of_one_file

__all__ = ["CsvConfig", "CsvSource", "connectors"]


class CsvSource(ManyStreamSource):
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
        self.streams = (StreamSpec(name=config.stream, mode=config.kept(config.stream), mapping=config.mapping),)

    @hookimpl
    def check(self, context: Context) -> Iterable[Finding]:
        """Say which files were found, and whether their encoding, delimiter, header and first rows can be read."""
        return check_files(self._options, context)

    def read_stream(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the rows of every file, unless no file has changed."""
        options = self._options
        files = find_files(options.path, context)
        context.data_from(max(file.modified for file in files))
        # A corrected option must reach files that did not change, so it is part of their digests.
        seed = options.fingerprint(context.key)
        if context.unchanged({file.label: digest(file, context, seed) for file in files}):
            return
        if alike := numbered_alike(files, options, context):
            raise ConfigError(
                f"Connector {context.name}: {alike}, so nothing was read. If each file starts its numbers again, set "
                'holds = "year_a_file"; if the newer file corrects the older one, set holds = "all_years"'
            )
        for file in files:
            for label, text in open_texts(file, context, options.member):
                rows = read_rows(chunks(text), label, options, context)
                apart = options.holds == "year_a_file"
                yield from of_one_file(rows, name_of(file, label, options, context)) if apart else rows
        yield Checkpoint()


@hookimpl
def connectors() -> list[type[CsvSource]]:
    """Offer the connector `csv`."""
    return [CsvSource]
