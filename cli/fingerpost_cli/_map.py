"""`map`: try a mapping on a source, and explain one row."""

from __future__ import annotations

from collections.abc import Iterator

import click

from fingerpost import College
from fingerpost.reports import MappingCheck
from fingerpost_cli._app import Answer, question
from fingerpost_cli._output import say, show_table

_stream = click.option("--stream", metavar="NAME", help="Only this stream, such as activities.")


@click.group("map")
def map_() -> None:
    """Try a mapping on what a source holds now; nothing is stored."""


@map_.command()
@click.argument("connector")
@_stream
@click.option("--limit", type=click.IntRange(min=1), metavar="ROWS", help="Read at most this many rows of each stream.")
@question
def check(college: College, connector: str, stream: str | None, limit: int | None) -> Iterator[Answer]:
    """Map every row of the source CONNECTOR and count what became of it.

    Codes that the mapping does not know are printed as the source spells them.
    """
    found = college.check_mapping(connector, stream=stream, limit=limit)
    yield Answer({"streams": found})
    for one in found:
        _describe(one)


def _describe(one: MappingCheck) -> None:
    rejected = sum(count.rows for count in one.rejected)
    counts = f"{one.rows:,} rows, {one.ok:,} records, {one.skipped:,} skipped, {rejected:,} rejected"
    say(f"{one.connector}, {one.stream}, with the mapping {one.mapping}: {counts}.")
    faults = [("rejected", one.rejected), ("field lost", one.issues)]
    rows = [(what, count.field, count.code, count.rows) for what, counts in faults for count in counts]
    if rows:
        show_table(("what", "field", "reason", "rows"), rows)
    if one.unmatched:
        click.echo("Codes that the mapping does not know:")
        show_table(("field", "code", "rows"), [(code.field, code.value, code.rows) for code in one.unmatched])
    if one.unread:
        say(f"Columns that nothing reads: {', '.join(one.unread)}.")
    if one.remarks:
        remarks = ", ".join(f"{code} {count:,}" for code, count in one.remarks.items())
        say(f"Remarks from the connector: {remarks}.")


@map_.command()
@click.argument("connector")
@click.argument("row")
@_stream
@question
def explain(college: College, connector: str, row: str, stream: str | None) -> Iterator[Answer]:
    """Show what became of each field of one ROW of the source CONNECTOR: its key, or its number from 1.

    What it prints is personal data.
    """
    found = college.explain_mapping(connector, row, stream=stream)
    yield Answer(found)
    reason = f" ({found.reason})" if found.reason else ""
    where = f"{found.connector}, {found.stream}, row {found.key}, with the mapping {found.mapping}"
    say(f"{where}: {found.outcome}{reason}.")
    empty = []
    for one in found.fields:
        if not one.problem and one.result is None and not any(one.raw):
            empty.append(one.field)
            continue
        problem = f"   PROBLEM: {one.problem}" if one.problem else ""
        say(f"{'nothing' if one.result is None else one.result}{problem}", mark=f"{one.field} = ")
        given = ", ".join(
            f"{column}: {value!r}"
            for column, value in zip(one.columns, one.raw, strict=True)
            if value not in (None, "")
        )
        if given:
            say(given, mark="    given  ")
        for step in one.steps:
            say(step, mark="    then   ")
    if empty:
        say(f"Nothing is given for {', '.join(empty)}.")
