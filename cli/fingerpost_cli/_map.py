"""`map`: try a mapping on a source, and explain one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fingerpost_cli._app import App, pass_app
from fingerpost_cli._output import as_json, paragraph, print_json, table

if TYPE_CHECKING:
    from fingerpost import MappingCheck, RowTrace

__all__ = ["map_"]

_stream = click.option("--stream", metavar="NAME", help="This stream alone, such as activities.")


@click.group("map")
def map_() -> None:
    """Try a mapping on what a source holds now; nothing is stored."""


@map_.command()
@click.argument("connector")
@_stream
@click.option("--limit", type=click.IntRange(min=1), metavar="ROWS", help="Read only so many rows of each stream.")
@as_json
@pass_app
def check(app: App, connector: str, stream: str | None, limit: int | None, as_json: bool) -> None:
    """Map every row of the source CONNECTOR and count what became of it.

    Codes that the mapping does not know are printed as the source spells them.
    """
    with app.open() as college:
        found = college.check_mapping(connector, stream=stream, limit=limit)
    if as_json:
        print_json({"streams": [one.as_dict() for one in found]})
        return
    for one in found:
        _describe(one)


def _describe(one: MappingCheck) -> None:
    rejected = sum(count.rows for count in one.rejected)
    counts = f"{one.rows:,} rows, {one.ok:,} records, {one.skipped:,} skipped, {rejected:,} rejected"
    click.echo(paragraph(f"{one.connector}, {one.stream}, by the mapping {one.mapping}: {counts}."))
    faults = [("rejected", one.rejected), ("field lost", one.issues)]
    rows = [(what, count.field, count.code, count.rows) for what, counts in faults for count in counts]
    if rows:
        click.echo(table(("what", "field", "reason", "rows"), rows))
    if one.unmatched:
        click.echo("Codes that the mapping does not know:")
        click.echo(table(("field", "code", "rows"), [(code.field, code.value, code.rows) for code in one.unmatched]))
    if one.unread:
        click.echo(paragraph(f"Columns that nothing reads: {', '.join(one.unread)}."))
    if one.remarks:
        told = ", ".join(f"{code} {count:,}" for code, count in one.remarks.items())
        click.echo(paragraph(f"The connector remarks: {told}."))


@map_.command()
@click.argument("connector")
@click.argument("row")
@_stream
@as_json
@pass_app
def explain(app: App, connector: str, row: str, stream: str | None, as_json: bool) -> None:
    """Show what became of each field of one ROW of the source CONNECTOR: its key, or its number from 1.

    What it prints is personal data.
    """
    with app.open() as college:
        found = college.explain_mapping(connector, row, stream=stream)
    if as_json:
        print_json(found.as_dict())
    else:
        _describe_row(found)


def _describe_row(found: RowTrace) -> None:
    reason = f" ({found.reason})" if found.reason else ""
    where = f"{found.connector}, {found.stream}, row {found.key}, by the mapping {found.mapping}"
    click.echo(paragraph(f"{where}: {found.outcome}{reason}."))
    empty = []
    for one in found.fields:
        if not one.problem and one.result is None and not any(one.raw):
            empty.append(one.field)
            continue
        problem = f"   PROBLEM: {one.problem}" if one.problem else ""
        click.echo(paragraph(f"{'nothing' if one.result is None else one.result}{problem}", mark=f"{one.field} = "))
        given = ", ".join(
            f"{column}: {value!r}"
            for column, value in zip(one.columns, one.raw, strict=True)
            if value not in (None, "")
        )
        if given:
            click.echo(paragraph(given, mark="    given  "))
        for step in one.steps:
            click.echo(paragraph(step, mark="    then   "))
    if empty:
        click.echo(paragraph(f"Nothing is given for {', '.join(empty)}."))
