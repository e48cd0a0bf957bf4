"""The built-in connectors `rest` and `rest-writeback`: an ILP or MIS with an HTTP API, declared without code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from fingerpost import (
    Connector,
    ConnectorConfig,
    Context,
    Cursor,
    Finding,
    FingerpostError,
    ManyStreamSource,
    Message,
    StreamName,
    StreamSpec,
    hookimpl,
)
from fingerpost_rest._config import RestConfig, declarations
from fingerpost_rest._pages import Client
from fingerpost_rest._reading import Reader, record_key
from fingerpost_rest._writing import RestChannel
from fingerpost_rest._writing_config import WritebackConfig
from fingerpost_rest._years import year_findings

__all__ = ["RestChannel", "RestConfig", "RestSource", "WritebackConfig", "connectors", "declarations"]


class RestSource(ManyStreamSource):
    """Read any service that answers with lists of JSON objects.

    Limits, retries and refusals are those of the host's HTTP helper. A token that expires while a stream is read is
    replaced once for each request that it costs. A service that needs more than the configuration offers needs a
    connector of its own.
    """

    name: ClassVar[str] = "rest"
    Config: ClassVar[type[ConnectorConfig]] = RestConfig

    def __init__(self, config: RestConfig) -> None:
        super().__init__(config)
        self._options = config
        self._client = Client(config)
        self.streams = tuple(
            StreamSpec(
                name=name,
                cursor=stream.incremental.cursor if stream.incremental else None,
                ordered=stream.incremental is not None and stream.incremental.ordered,
                mode=stream.kept(name),
                mapping=stream.mapping,
            )
            for name, stream in config.streams.items()
            if stream.enabled
        )

    @hookimpl
    def check(self, context: Context) -> Iterable[Finding]:
        """Sign in, fetch the first page of every stream, and report what is on it."""
        for spec in self.streams:
            yield from year_findings(spec.name, self._options.streams[spec.name].asked, context.as_of)
            try:
                yield self._check(spec.name, context)
            except FingerpostError as error:
                yield Finding("error", f"{spec.name}: {error.message}")

    def read_stream(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the records of one stream."""
        return self._reader(stream, context).messages(cursor)

    def _reader(self, name: StreamName, context: Context) -> Reader:
        return Reader(self._client, self._options.streams[name], context, name=name)

    def _check(self, name: StreamName, context: Context) -> Finding:
        page = next(self._reader(name, context).pages(None))
        rows = page.records
        if not page.listed:
            return Finding(
                "warning", f"{name}: the first page is empty", "check whether the account may see any records"
            )
        if not rows:
            return Finding(
                "warning",
                f"{name}: records takes none of the {page.listed:,} records on the first page",
                f"check its filter in streams.{name}",
            )
        stream = self._options.streams[name]
        if stream.key and stream.expand is None:
            lost = sum(not isinstance(row, dict) or bool(record_key(row, stream.key)[1]) for row in rows)
            if lost:
                return Finding(
                    "error",
                    f"{name}: {lost:,} of the first {len(rows):,} records have nothing at {' and '.join(stream.key)}",
                    f"correct key in streams.{name}",
                )
        if page.last and page.listed == stream.pagination.size:
            return Finding(
                "warning",
                f"{name}: the first page is full, with the {page.listed:,} records that size asks for, and the answer "
                "does not name a next page",
                f"check whether there are more, and correct pagination in streams.{name}",
            )
        return Finding("ok", f"{name}: the first page holds {len(rows):,} records")


@hookimpl
def connectors() -> list[type[Connector]]:
    """Offer the connectors `rest` and `rest-writeback`."""
    return [RestSource, RestChannel]
