"""The base of sources that read the streams their configuration names, all in one way."""

from __future__ import annotations

from collections.abc import Iterator

from fingerpost._contract.connector import Context, Source, hookimpl
from fingerpost._contract.messages import Cursor, Message, StreamName


class ManyStreamSource(Source):
    """A source whose streams differ in name alone: it implements `read_stream` and gets the hooks of all.

    Its `__init__` sets `streams` to those that its configuration names; the host calls only their hooks.
    """

    def read_stream(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the messages of one stream; see the hook `read_learners`."""
        raise NotImplementedError

    @hookimpl
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield learners."""
        return self.read_stream("learners", cursor, context)

    @hookimpl
    def read_programmes(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield enrolments on programmes."""
        return self.read_stream("programmes", cursor, context)

    @hookimpl
    def read_assignments(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield assignments of tutors and groups."""
        return self.read_stream("assignments", cursor, context)

    @hookimpl
    def read_activities(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield careers activities."""
        return self.read_stream("activities", cursor, context)

    @hookimpl
    def read_destinations(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield destinations."""
        return self.read_stream("destinations", cursor, context)

    @hookimpl
    def read_responses(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield tutors' answers in the ILP."""
        return self.read_stream("responses", cursor, context)
