"""`quarantine`: the records that were rejected, and what to do with them."""

from __future__ import annotations

import click

from fingerpost_cli._app import App, pass_app
from fingerpost_cli._output import as_json, local, many, paragraph, print_json, table

__all__ = ["quarantine"]


@click.group()
def quarantine() -> None:
    """List, look at, retry or forget the records that were rejected."""


@quarantine.command("list")
@as_json
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List the rejected records and why each was rejected, without what they say."""
    with app.open() as college:
        found = college.quarantine()
    if as_json:
        print_json({"records": [one.as_dict() for one in found]})
        return
    if not found:
        click.echo("No record is rejected.")
        return
    rows = [(one.number, one.connector, one.stream, one.key, one.reason, one.field, one.where) for one in found]
    click.echo(table(("no.", "source", "stream", "key", "reason", "field", "where"), rows))
    click.echo(paragraph(
        f"{many(len(found), 'record')}. fingerpost quarantine show NUMBER prints one. Correct them in the source, or "
        "correct the mapping and run fingerpost quarantine retry."
    ))  # fmt: skip


@quarantine.command()
@click.argument("number", type=int)
@as_json
@pass_app
def show(app: App, number: int, as_json: bool) -> None:
    """Print what the rejected record NUMBER says. It is personal data."""
    with app.open() as college:
        shown = college.show_quarantined(number)
        zone = college.config.settings.college.timezone
    if as_json:
        print_json(shown.as_dict())
        return
    one = shown.record
    field = f" in {one.field}" if one.field else ""
    where = f", {one.where}" if one.where else ""
    since = local(one.since, zone)
    click.echo(paragraph(f"{one.connector}, {one.stream}, key {one.key}{where}: {one.reason}{field}, since {since}."))
    if one.kept:
        click.echo(table(("column", "value"), list(shown.raw.items())))
    else:
        click.echo("Its content is no longer kept.")


@quarantine.command()
@as_json
@pass_app
def retry(app: App, as_json: bool) -> None:
    """Try today's mappings on every rejected record, and store what is good now."""
    with app.open() as college:
        report = college.retry_quarantine()
    if as_json:
        print_json(report.as_dict())
        return
    click.echo(f"{many(report.stored, 'record was', 'records were')} stored, {report.skipped:,} turned out to be no "
               f"records, {report.rejected:,} are still rejected.")  # fmt: skip
    if report.left:
        click.echo(f"{report.left:,} could not be tried: correct them in the source.")
    if report.stored:
        click.echo("The next fingerpost sync judges the learners.")


@quarantine.command()
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget all of them.")
@as_json
@pass_app
def discard(app: App, numbers: tuple[int, ...], everything: bool, as_json: bool) -> None:
    """Forget the rejected records NUMBERS. What a source still holds is rejected anew when it is next read."""
    if bool(numbers) == everything:
        raise click.UsageError("Name the numbers of the records to forget, or give --all.")
    with app.open() as college:
        count = college.discard_quarantine([one.number for one in college.quarantine()] if everything else numbers)
    if as_json:
        print_json({"discarded": count})
    else:
        click.echo(f"{many(count, 'record was', 'records were')} forgotten.")
