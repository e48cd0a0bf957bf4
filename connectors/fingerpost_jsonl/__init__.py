"""The built-in connector `jsonl`: canonical records as JSON lines, from any system in any language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from fingerpost import (
    Checkpoint,
    ConnectorConfig,
    Context,
    Cursor,
    Finding,
    FingerpostError,
    ManyStreamSource,
    Message,
    Record,
    Rejected,
    StreamName,
    StreamSpec,
    hookimpl,
)
from fingerpost.files import Readable, digest, find_files
from fingerpost_jsonl._config import JsonlConfig
from fingerpost_jsonl._download import download
from fingerpost_jsonl._lines import LineReader

__all__ = ["JsonlConfig", "JsonlSource", "connectors"]


class JsonlSource(ManyStreamSource):
    """Read records that are canonical already, one JSON object a line.

    The published JSON Schemas describe the lines. A line that cannot be read is handed over as
    `Rejected` with its file and number, and the lines after it are read all the same. Files that are byte for byte
    what the last run saw are not read again.
    """

    name: ClassVar[str] = "jsonl"
    Config: ClassVar[type[ConnectorConfig]] = JsonlConfig

    def __init__(self, config: JsonlConfig) -> None:
        super().__init__(config)
        self._options = config
        self.streams = tuple(
            StreamSpec(
                name=name,
                cursor=config.cursor if config.since is not None else None,
                mode=config.kept(name),
                mapping=f"canonical-{name}",
            )
            for name in config.streams
        )

    @hookimpl
    def check(self, context: Context) -> Iterable[Finding]:
        """Read every line, and count the records and the bad lines of each stream."""
        for name in self._options.streams:
            try:
                yield self._check(name, context)
            except FingerpostError as error:
                yield Finding("error", f"{name}: {error.message}")

    def read_stream(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the lines of the stream, unless nothing has changed."""
        inputs = self._inputs(stream, cursor, context)
        # What an incremental request answers is never everything, so it cannot say that everything was seen.
        if self._options.since is None and context.unchanged({one.label: digest(one, context) for one in inputs}):
            return
        yield from self._messages(stream, inputs, context)
        yield Checkpoint()

    def _inputs(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Sequence[Readable]:
        if self._options.path is None:
            return [download(self._options, stream, cursor, context)]
        files = find_files(self._options.path, context, endings=("*.jsonl", "*.jsonl.gz"))
        context.data_from(max(file.modified for file in files))
        return files

    def _messages(self, stream: StreamName, inputs: Sequence[Readable], context: Context) -> Iterator[Message]:
        reader = LineReader(self._options, stream, context)
        for one in inputs:
            yield from reader.read(one)

    def _check(self, stream: StreamName, context: Context) -> Finding:
        records, faults = 0, Counter[str]()
        for message in self._messages(stream, self._inputs(stream, None, context), context):
            records += isinstance(message, Record)
            if isinstance(message, Rejected):
                faults[message.reason] += 1
        if faults:
            bad = faults.total()
            reasons = ", ".join(f"{reason} {count}" for reason, count in faults.most_common())
            return Finding(
                "error" if bad > records else "warning",
                f"{stream}: {records:,} records, and {bad:,} {'line' if bad == 1 else 'lines'} that cannot be read "
                f"({reasons})",
                "have those lines corrected where the file is made; docs/jsonl.md says what a line may hold",
            )
        return Finding("ok" if records else "warning", f"{stream}: {records:,} records")


@hookimpl
def connectors() -> list[type[JsonlSource]]:
    """Offer the connector `jsonl`."""
    return [JsonlSource]
