"""`quarantine`: the records that were rejected, and what to do with them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from fingerpost import College
from fingerpost_cli._app import Answer, question
from fingerpost_cli._output import local, many, say, show_table


@click.group()
def quarantine() -> None:
    """List, look at, retry or forget the records that were rejected."""


@quarantine.command("list")
@question
def list_(college: College) -> Iterator[Answer]:
    """List the rejected records and why each was rejected, without their content."""
    found = college.quarantine()
    yield Answer({"records": found})
    if not found:
        say("There are no rejected records.")
        return
    rows = [(one.number, one.connector, one.stream, one.key, one.reason, one.field, one.where) for one in found]
    show_table(("no.", "source", "stream", "key", "reason", "field", "where"), rows)
    say(
        f"{many(len(found), 'record')}. fingerpost quarantine show NUMBER prints one. Correct them in the source, or "
        "correct the mapping and run fingerpost quarantine retry."
    )


@quarantine.command()
@click.argument("number", type=int)
@question
def show(college: College, number: int) -> Iterator[Answer]:
    """Print the content of the rejected record NUMBER. It is personal data."""
    shown = college.show_quarantined(number)
    zone = college.timezone
    yield Answer(shown)
    one = shown.record
    field = f" in {one.field}" if one.field else ""
    where = f", {one.where}" if one.where else ""
    since = local(one.since, zone)
    say(f"{one.connector}, {one.stream}, key {one.key}{where}: {one.reason}{field}, since {since}.")
    if one.kept:
        show_table(("column", "value"), list(shown.raw.items()))
    else:
        say("Its content is no longer kept.")


@quarantine.command()
@question
def retry(college: College) -> Iterator[Answer]:
    """Try today's mappings on every rejected record, and store those that are now valid."""
    report = college.retry_quarantine()
    yield Answer(report)
    click.echo(
        f"{many(report.stored, 'record was', 'records were')} stored, {report.skipped:,} turned out not to be records, "
        f"{report.rejected:,} are still rejected."
    )
    if report.left:
        say(f"{report.left:,} could not be tried: correct them in the source.")
    if report.stored:
        say("The next fingerpost sync will judge the learners.")


@quarantine.command()
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget all of them.")
@question
def discard(college: College, numbers: tuple[int, ...], everything: bool) -> Iterator[Answer]:
    """Forget the rejected records NUMBERS. What a source still holds is rejected again when it is next read."""
    if bool(numbers) == everything:
        raise click.UsageError("Name the numbers of the records to forget, or give --all.")
    count = college.discard_quarantine([one.number for one in college.quarantine()] if everything else numbers)
    yield Answer({"discarded": count})
    say(f"{many(count, 'record was', 'records were')} forgotten.")
