"""`sync`, `sweep`, `status` and `year`: a night, the morning after, and September."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import click

from fingerpost import College
from fingerpost.reports import RunReport, StatusReport, SweepPreview
from fingerpost_cli._app import Answer, question
from fingerpost_cli._output import counted, day, local, many, say, show_table
from fingerpost_cli._progress import shown_progress

_ENDS = {
    0: "Done.",
    3: "A source failed, stopped or is incomplete, or records were rejected: fingerpost status says what to do.",
    4: "Some digests or items were not delivered: fingerpost status says what to do.",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Do everything, keep nothing and send nothing.")
@click.option("--only", multiple=True, metavar="NAME", help="Read only this source. May be given several times.")
@click.option("--full", is_flag=True, help="Read everything, including what has not changed since the last run.")
@click.option("--no-deliver", is_flag=True, help="Write the digests but leave them in the store's outbox.")
@functools.partial(question, level=lambda: "error" if sys.stderr.isatty() else "info")
def sync(college: College, dry_run: bool, only: tuple[str, ...], full: bool, no_deliver: bool) -> Iterator[Answer]:
    """Read every source, judge the learners whose records changed, and deliver the digests.

    Run it every night. A run that was cut short loses nothing: the next one carries on.
    """
    with shown_progress() as progress:
        report = college.sync(dry_run=dry_run, only=only, full=full, deliver=not no_deliver, progress=progress)
    yield Answer(report, report.exit_code)
    describe(report)
    click.echo(_ENDS.get(report.exit_code, ""))


def describe(report: RunReport) -> None:
    """Print what a run did."""
    click.echo(f"Run {report.run}, as of {day(report.as_of)}: {report.status}.")
    show_table(("source", "stream", "state", "read", "new", "changed", "gone", "rejected", "warnings"), [
        (one.connector, one.stream, one.state, one.read, one.new, one.changed, one.deleted, one.rejected, one.warnings)
        for one in report.streams
    ])  # fmt: skip
    for message in (*(one.message for one in report.streams if one.message), *report.messages):
        say(message, mark="- ")
    click.echo("Now held: " + ", ".join(f"{count:,} {name}" for name, count in report.records.items()) + ".")
    digests = report.digests
    became = counted({
        "planned": digests.planned, "sent": digests.sent, "waiting": digests.deferred, "held": digests.held,
        "without an answer": digests.unknown, "refused": digests.failed,
    })  # fmt: skip
    click.echo(f"Digests: {became or 'none, as there is no news that this week has not told yet'}.")
    _describe_items(report)
    if report.dry_run:
        click.echo("This was a dry run: nothing was kept and nothing was sent.")


def _describe_items(report: RunReport) -> None:
    """Print what became of the items on learners' pages, where anything did, and what a dry run would write."""
    items = report.items
    became = counted({
        "planned": items.planned, "written": items.written, "changed by a tutor and left alone": items.edited,
        "for learners who are not in the ILP": items.no_page, "refused": items.failed, "waiting": items.deferred,
        "without an answer": items.unknown, "left for the next runs by the ceiling": items.over_ceiling,
    })  # fmt: skip
    if became:
        click.echo(f"Items on learners' pages: {became}.")
    for one in report.would_write:
        click.echo(f"\n{one.channel} would {one.operation} the item of learner {one.learner}:")
        click.echo("\n".join(f"    {line}" for line in one.text.splitlines()))


@click.command()
@click.option("--confirm", is_flag=True, help="Remove what is held.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this source. May be given several times.")
@question
def sweep(college: College, confirm: bool, only: tuple[str, ...]) -> Iterator[Answer]:
    """List the removals that were held back because too much had gone at once, or confirm them."""
    held = college.held_sweeps(only=only)
    effect = college.preview_sweep(only=only) if held and not confirm else None
    if confirm:
        held = college.confirm_sweep(only=only)
    said = None if effect is None else effect.as_dict()
    yield Answer({"confirmed": confirm, "held": [one.as_dict() for one in held], "effect": said})
    if not held:
        click.echo("No removals are waiting to be confirmed.")
        return
    show_table(("source", "stream", "gone", "of"), [(one.connector, one.stream, one.rows, one.of) for one in held])
    for one in held:
        for year, count in one.ending.items():
            what = "memberships" if one.stream == "assignments" else "enrolments"
            say(f"{one.connector}: {count:,} {what} of {year} end. What was recorded for them stays.", mark="- ")
    if effect is None:
        click.echo("They were removed. The next fingerpost sync will judge the learners again.")
        return
    _describe_effect(effect)
    click.echo("If that is right, run fingerpost sweep --confirm; if not, correct the export and sync again.")


def _describe_effect(effect: SweepPreview) -> None:
    """Print what confirming would change."""
    if effect.learners_gone:
        say(f"{many(effect.learners_gone, 'learner')} would be gone.", mark="- ")
    changes = [
        (one.criterion, _plain(one.before), _plain(one.after), one.learners)
        for one in effect.changes
        if one.after is not None
    ]
    if changes:
        click.echo("Verdicts would change:")
        show_table(("criterion", "from", "to", "learners"), changes)
    else:
        say("No verdict on a learner who stays would change.", mark="- ")


def _plain(status: str | None) -> str:
    return "nothing" if status is None else "due soon" if status == "at_risk" else status.replace("_", " ")


@click.command()
@question
def year(college: College) -> Iterator[Answer]:
    """Show how far the academic year has turned: what is this year's, what is awaited and what is held."""
    report = college.year()
    yield Answer(report)
    click.echo(f"{report.academic_year}, as of {day(report.as_of)}.")
    if report.lists:
        show_table(("list of tutors and groups", "year", "rows", "new this year", "held"), [
            (one.connector, one.year, one.rows, one.new, one.held) for one in report.lists
        ])  # fmt: skip
    click.echo(
        f"{many(report.learners, 'learner')}: {report.enrolled:,} enrolled today, {report.awaited:,} awaited, "
        f"{report.without_tutor:,} without a tutor."
    )
    click.echo("Next:" if report.todo else "The year has turned: nothing is awaited and nothing is held.")
    for sentence in report.todo:
        say(sentence, mark="- ")


@click.command()
@click.option("--runs", default=7, show_default=True, type=click.IntRange(1, 1000), help="How many runs to list.")
@click.option("--data-quality", is_flag=True, help="List every fault in the data instead, for the MIS team.")
@question
def status(college: College, runs: int, data_quality: bool) -> Iterator[Answer]:
    """Show what the last runs did, how fresh each source is, and what to do next."""
    if data_quality:
        faults = college.data_quality()
        yield Answer({"faults": faults})
        if faults:
            rows = [(one.connector, one.stream, one.key, one.field, one.code, one.where) for one in faults]
            show_table(("source", "stream", "record", "field", "fault", "where"), rows)
        else:
            click.echo("No faults in the data are known.")
    else:
        report = college.status(runs=runs)
        yield Answer(report)
        _describe_status(report)


def _describe_status(report: StatusReport) -> None:
    zone = ZoneInfo(report.timezone)
    click.echo(f"{report.college}. Times are in {zone}.\nStore: {report.store}")
    if report.runs:
        click.echo()
        show_table(("run", "started", "ended", "status", "exit", "what it did"), [
            (str(one.run or "-"), local(one.started_at, zone), local(one.finished_at, zone)[-5:], one.status,
             one.exit_code, one.summary) for one in report.runs
        ])  # fmt: skip
    click.echo()
    show_table(("source", "stream", "state", "last complete", "data of", "rows", "rejected", "warnings"), [
        (one.connector, one.stream, _standing(one.state, one.stale, one.configured), local(one.complete_at, zone),
         local(one.data_at, zone), one.live, one.quarantined, sum(one.warnings.values())) for one in report.sources
    ])  # fmt: skip
    for one in report.sources:
        if one.warnings:
            warnings = ", ".join(f"{code} {count:,}" for code, count in one.warnings.items())
            say(f"{one.connector}, {one.stream}: {warnings}", mark="  warnings: ")
    for one in report.sources:
        if one.of_nobody:
            rows = many(one.of_nobody, "row")
            say(f"{one.connector}, {one.stream}: {rows} of learners who are in no source any more", mark="  kept: ")
    click.echo()
    click.echo(f"Digests: {counted(dict(sorted(report.outbox.items()))) or 'none yet'}.")
    if report.items:
        click.echo(f"Items on learners' pages: {counted(dict(sorted(report.items.items())))}.")
    click.echo("Next:" if report.todo else "Nothing needs your attention.")
    for sentence in report.todo:
        say(sentence, mark="- ")


def _standing(state: str | None, stale: bool, configured: bool) -> str:
    if not configured:
        return "removed"
    if state is None:
        return "never read"
    return "out of date" if stale and state != "failed" else state
