"""The `ilr` connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from fingerpost import (
    Checkpoint,
    Context,
    Cursor,
    Finding,
    Message,
    Source,
    SourceConfig,
    SourceUnavailable,
    StreamSpec,
    hookimpl,
)
from fingerpost.files import FoundFile, digest, find_files
from fingerpost_ilr._header import IlrFile, describe, newest_of_each_year
from fingerpost_ilr._reading import Reading

_StreamName: TypeAlias = Literal["learners", "programmes", "activities", "destinations"]

_OLD_AFTER_DAYS = 60
"""Providers return the ILR about every four weeks; twice that without a new file is worth a warning."""


class IlrConfig(SourceConfig):
    """The keys of a ``[[connector]]`` table with ``type = "ilr"``."""

    path: str = Field(
        min_length=1,
        description="The ILR files, such as data/ILR-*.xml; zip files are read as they are. The newest of each "
        "academic year is read.",
    )
    member: str = Field(default="*.xml", min_length=1, description="Which file inside a zip is the ILR.")
    mapping: dict[_StreamName, str] = Field(
        default_factory=dict, description="Your own mapping for a stream, by the stream's name."
    )


class IlrSource(Source):
    """Read the newest ILR file of each academic year.

    Keys begin with the academic year and the learner's reference (``2526/25000123``), and each year is a part of its
    own, so that a new file for this year removes nothing of the last one. Work placements in an ILR are *planned*
    hours (ILR provider support manual, Work Placement entity): they come as planned activities and prove nothing.
    Destinations are in files up to 2023/24 only.
    """

    name: ClassVar[str] = "ilr"
    Config = IlrConfig
    config: IlrConfig
    streams = (
        StreamSpec("learners", mapping="ilr-learners"),
        StreamSpec("programmes", mapping="ilr-programmes"),
        StreamSpec("activities", mapping="ilr-activities"),
        StreamSpec("destinations", mapping="ilr-destinations"),
    )

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Say which files would be read, how old they are and what is odd about them."""
        files: list[IlrFile] = []
        for found in self._find(context):
            try:
                files.append(describe(found, self.config.member, context))
            except SourceUnavailable as error:
                yield Finding("error", error.message)
        newest = newest_of_each_year(files)
        for file in newest:
            yield Finding(
                "ok",
                f"{file.name}: academic year {_spelt(file.year)}, {file.file.size / 1e6:,.1f} MB, "
                f"prepared on {file.prepared:%Y-%m-%d}.",
            )
            for field in self._disagreements(file):
                yield Finding(
                    "warning",
                    f"{file.name}: its name, header and content disagree on the {field}.",
                    "The header is used; let the MIS team know.",
                )
        if newest:
            yield from _age(newest[0], context.now.astimezone(context.timezone))

    @hookimpl
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield each learner of each year."""
        newer: set[str] = set()

        def read(reading: Reading) -> Iterator[Message]:
            for field in self._disagreements(reading.file):
                context.warn(f"{field.lower()}_disagrees", field=field, where=reading.file.name)
            return reading.learners(newer)

        return self._read(context, read)

    @hookimpl
    def read_programmes(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the programmes that each learner's aims make up."""
        return self._read(context, Reading.programmes)

    @hookimpl
    def read_activities(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield each work placement as a planned activity."""
        return self._read(context, Reading.placements)

    @hookimpl
    def read_destinations(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield each destination outcome, also of learners whom the file does not hold."""
        return self._read(context, Reading.outcomes)

    def _read(self, context: Context, read: Callable[[Reading], Iterator[Message]]) -> Iterator[Message]:
        files = newest_of_each_year(describe(found, self.config.member, context) for found in self._find(context))
        context.data_from(max(file.prepared for file in files))
        if context.unchanged({file.name: digest(file.file, context) for file in files}):
            return
        for file in files:
            yield from read(Reading(file, self.config.member, context))
            yield Checkpoint()

    def _find(self, context: Context) -> list[FoundFile]:
        return find_files(self.config.path, context, any_case=True, full_labels=True)

    def _disagreements(self, file: IlrFile) -> Iterator[str]:
        if file.year_disagrees:
            yield "Year"
        if file.ukprn_disagrees or (self.config.ukprn and file.ukprn and file.ukprn != str(self.config.ukprn)):
            yield "UKPRN"


def _age(newest: IlrFile, now: datetime) -> Iterator[Finding]:
    started = now.year if now.month >= 8 else now.year - 1
    current = f"{started % 100:02}{(started + 1) % 100:02}"
    days = (now - newest.prepared).days
    if newest.year < current:
        yield Finding(
            "warning",
            f"The newest ILR file is for {_spelt(newest.year)}, but the academic year is now {_spelt(current)}.",
            "Put this year's file beside it; the old one may stay.",
        )
    elif days > _OLD_AFTER_DAYS:
        yield Finding("warning", f"The newest ILR file is {days} days old.", "Ask the MIS team for a new export.")


def _spelt(year: str) -> str:
    return f"20{year[:2]}/{year[2:]}"
