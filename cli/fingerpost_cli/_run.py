"""`sync`, `sweep` and `status`: a night, and the morning after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fingerpost_cli._app import App, pass_app
from fingerpost_cli._output import as_json, day, local, paragraph, print_json, table
from fingerpost_cli._progress import progress_of

if TYPE_CHECKING:
    from fingerpost import DataFault, RunReport, StatusReport

__all__ = ["describe", "status", "sweep", "sync"]

_ENDS = {
    0: "Done.",
    3: "A source failed or new records were rejected: fingerpost status says what to do.",
    4: "Some digests or items were not delivered: fingerpost status says what to do.",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Do everything, keep nothing and send nothing.")
@click.option("--only", multiple=True, metavar="NAME", help="Read this source alone. May be given several times.")
@click.option("--full", is_flag=True, help="Read everything, also what has not changed since the last run.")
@click.option("--no-deliver", is_flag=True, help="Write the digests but leave them in the store's outbox.")
@as_json
@click.pass_context
@pass_app
def sync(
    app: App, ctx: click.Context, dry_run: bool, only: tuple[str, ...], full: bool, no_deliver: bool, as_json: bool
) -> None:
    """Read every source, judge the learners whose records changed, and deliver the digests.

    Run it every night. A run that was cut short loses nothing: the next one carries on.
    """
    with app.open(level="error" if sys.stderr.isatty() else "info") as college, progress_of(app) as progress:
        report = college.sync(dry_run=dry_run, only=only, full=full, deliver=not no_deliver, progress=progress)
    if as_json:
        print_json(report.as_dict())
    else:
        describe(report)
        click.echo(_ENDS.get(report.exit_code, ""))
    ctx.exit(report.exit_code)


def describe(report: RunReport) -> None:
    """Print what a run did."""
    click.echo(f"Run {report.run}, as of {day(report.as_of)}: {report.status}.")
    headings = ("source", "stream", "state", "read", "new", "changed", "gone", "rejected", "warnings")
    rows = [
        (one.connector, one.stream, one.state, one.read, one.new, one.changed, one.deleted, one.rejected, one.warnings)
        for one in report.streams
    ]
    click.echo(table(headings, rows))
    for message in (*(one.message for one in report.streams if one.message), *report.messages):
        click.echo(paragraph(message, mark="- "))
    click.echo("Now held: " + ", ".join(f"{count:,} {name}" for name, count in report.records.items()) + ".")
    digests = report.digests
    counts = {"planned": digests.planned, "sent": digests.sent, "waiting": digests.deferred, "held": digests.held,
              "without an answer": digests.unknown, "refused": digests.failed}  # fmt: skip
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    click.echo(f"Digests: {', '.join(told) or 'none, as there is no news'}.")
    _describe_items(report)
    if report.dry_run:
        click.echo("This was a dry run: nothing was kept and nothing was sent.")


def _describe_items(report: RunReport) -> None:
    """Print what became of the items on learners' pages, where anything did, and what a dry run would write."""
    items = report.items
    counts = {"planned": items.planned, "written": items.written, "changed by a tutor and left alone": items.edited,
              "for learners who are not in the ILP": items.no_page, "refused": items.failed,
              "waiting": items.deferred, "without an answer": items.unknown,
              "left for the next runs by the ceiling": items.over_ceiling}  # fmt: skip
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    if told:
        click.echo(f"Items on learners' pages: {', '.join(told)}.")
    for one in report.would_write:
        click.echo(f"\n{one.channel} would {one.operation} the item of learner {one.learner}:")
        click.echo("\n".join(f"    {line}" for line in one.text.splitlines()))


@click.command()
@click.option("--confirm", is_flag=True, help="Remove what is held.")
@click.option("--only", multiple=True, metavar="NAME", help="This source alone. May be given several times.")
@as_json
@pass_app
def sweep(app: App, confirm: bool, only: tuple[str, ...], as_json: bool) -> None:
    """List the removals that were held back because too much had gone at once, or confirm them."""
    with app.open() as college:
        for name in only:
            college.source(name)
        held = college.confirm_sweep(only=only) if confirm else college.held_sweeps()
    held = [one for one in held if not only or one.connector in only]
    if as_json:
        rows = [{"connector": one.connector, "stream": one.stream, "rows": one.rows, "of": one.of} for one in held]
        print_json({"confirmed": confirm, "held": rows})
        return
    if not held:
        click.echo("No removal waits for you.")
        return
    click.echo(
        table(("source", "stream", "gone", "of"), [(one.connector, one.stream, one.rows, one.of) for one in held])
    )
    if confirm:
        click.echo("They were removed. The next fingerpost sync judges the learners again.")
    else:
        click.echo("If that is right, run fingerpost sweep --confirm; if not, correct the export and sync again.")


@click.command()
@click.option("--runs", default=7, show_default=True, type=click.IntRange(1, 1000), help="How many runs to list.")
@click.option("--data-quality", is_flag=True, help="List every fault in the data instead, for the MIS team.")
@as_json
@pass_app
def status(app: App, runs: int, data_quality: bool, as_json: bool) -> None:
    """Say what the last runs did, how fresh each source is, and what to do next."""
    with app.open() as college:
        if data_quality:
            _list_faults(college.data_quality(), as_json=as_json)
            return
        report = college.status(runs=runs)
    if as_json:
        print_json(report.as_dict())
    else:
        _describe_status(report)


def _list_faults(faults: list[DataFault], *, as_json: bool) -> None:
    if as_json:
        print_json({"faults": [fault.as_dict() for fault in faults]})
    elif faults:
        rows = [(one.connector, one.stream, one.key, one.field, one.code, one.where) for one in faults]
        click.echo(table(("source", "stream", "record", "field", "fault", "where"), rows))
    else:
        click.echo("No fault in the data is known.")


def _describe_status(report: StatusReport) -> None:
    zone = report.timezone
    click.echo(f"{report.college}. Times are those of {zone}.\nStore: {report.store}")
    if report.runs:
        click.echo()
        rows = [
            (str(one.run), local(one.started_at, zone), local(one.finished_at, zone)[-5:], one.status, one.exit_code,
             one.summary)
            for one in report.runs
        ]  # fmt: skip
        click.echo(table(("run", "started", "ended", "status", "exit", "what it did"), rows))
    click.echo()
    standing = [
        (one.connector, one.stream, _standing(one.state, one.stale, one.configured), local(one.complete_at, zone),
         local(one.data_at, zone), one.live, one.quarantined, sum(one.warnings.values()))
        for one in report.sources
    ]  # fmt: skip
    click.echo(
        table(("source", "stream", "state", "last complete", "data of", "rows", "rejected", "warnings"), standing)
    )
    for one in report.sources:
        if one.warnings:
            told = ", ".join(f"{code} {count:,}" for code, count in one.warnings.items())
            click.echo(paragraph(f"{one.connector}, {one.stream}: {told}", mark="  warnings: "))
    click.echo()
    outbox = ", ".join(f"{count:,} {state}" for state, count in sorted(report.outbox.items()))
    click.echo(f"Digests: {outbox or 'none yet'}.")
    if report.items:
        told = ", ".join(f"{count:,} {state}" for state, count in sorted(report.items.items()))
        click.echo(f"Items on learners' pages: {told}.")
    click.echo("Next:" if report.todo else "Nothing waits for you.")
    for sentence in report.todo:
        click.echo(paragraph(sentence, mark="- "))


def _standing(state: str | None, stale: bool, configured: bool) -> str:
    if not configured:
        return "removed"
    if state is None:
        return "never read"
    return "out of date" if stale and state != "failed" else state
