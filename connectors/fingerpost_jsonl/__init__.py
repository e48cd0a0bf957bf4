"""The built-in connector `jsonl`: canonical records as JSON lines, from any system in any language."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from fingerpost import (
    Checkpoint,
    ConnectorConfig,
    Context,
    Cursor,
    Finding,
    FingerpostError,
    Message,
    Record,
    Rejected,
    Source,
    StreamName,
    StreamSpec,
    hookimpl,
)
from fingerpost_jsonl._config import JsonlConfig
from fingerpost_jsonl._inputs import Download, InputFile, download, find_files
from fingerpost_jsonl._lines import LineReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["JsonlConfig", "JsonlSource", "connectors"]


class JsonlSource(Source):
    """Read records that are canonical already, one JSON object a line.

    The lines are those that the published JSON Schemas describe. A line that cannot be read is handed over as
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
        """Read every line, and say how many records of each stream there are and how many lines are bad."""
        for name in self._options.streams:
            try:
                yield self._check(name, context)
            except FingerpostError as error:
                yield Finding("error", f"{name}: {error.message}")

    @hookimpl
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the lines about learners."""
        return self._read("learners", cursor, context)

    @hookimpl
    def read_programmes(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the lines about enrolments on programmes."""
        return self._read("programmes", cursor, context)

    @hookimpl
    def read_assignments(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the lines about assignments of tutors and groups."""
        return self._read("assignments", cursor, context)

    @hookimpl
    def read_activities(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the lines about careers activities."""
        return self._read("activities", cursor, context)

    @hookimpl
    def read_destinations(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the lines about destinations."""
        return self._read("destinations", cursor, context)

    @hookimpl
    def read_responses(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the lines about what tutors answered in the ILP."""
        return self._read("responses", cursor, context)

    def _read(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        inputs = self._inputs(stream, cursor, context)
        # What an incremental request answers is never all there is, so that it says nothing about having seen all.
        if self._options.since is None and context.unchanged({one.label: one.digest(context) for one in inputs}):
            return
        yield from self._messages(stream, inputs, context)
        yield Checkpoint()

    def _inputs(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Sequence[InputFile | Download]:
        if self._options.path is None:
            return [download(self._options, stream, cursor, context)]
        files = find_files(self._options.path, context)
        context.data_from(max(file.modified for file in files))
        return files

    def _messages(
        self, stream: StreamName, inputs: Sequence[InputFile | Download], context: Context
    ) -> Iterator[Message]:
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
            told = ", ".join(f"{reason} {count}" for reason, count in faults.most_common())
            return Finding(
                "error" if faults.total() > records else "warning",
                f"{stream}: {records:,} records, and {faults.total():,} lines that cannot be read ({told})",
                "have those lines put right where the file is made; docs/jsonl.md says what a line may hold",
            )
        return Finding("ok" if records else "warning", f"{stream}: {records:,} records")


@hookimpl
def connectors() -> list[type[JsonlSource]]:
    """Offer the connector `jsonl`."""
    return [JsonlSource]
