"""`demo`: a college that does not exist, one night of it, and what to try next."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

import click

from fingerpost import College, ConfigError
from fingerpost.reports import Gap, RunReport
from fingerpost_cli._app import App, pass_app
from fingerpost_cli._output import day, many, say, show_table
from fingerpost_cli._progress import shown_progress

_SOURCES = ("csv", "promonitor")


@click.command()
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--source", type=click.Choice(_SOURCES), default="csv", show_default=True,
    help="What it reads: an ILR file and CSV files, or databases of ProSolution and ProMonitor.",
)  # fmt: skip
@click.option(
    "--learners", type=click.IntRange(20, 50_000), help="How large it is: 1,200 learners, or 400 with promonitor."
)
@pass_app
def demo(app: App, directory: Path | None, source: str, learners: int | None) -> None:
    """Make an invented college in DIRECTORY and run one night of it.

    By default DIRECTORY is fingerpost-demo, or fingerpost-demo-promonitor where it reads databases. A college that is
    already there is synchronised again.
    """
    from fingerpost_demo import DEMONSTRATIONS  # the other commands do not need it, and it takes time to import

    kind = DEMONSTRATIONS[source]
    directory = directory or kind.folder
    learners = learners or kind.learners
    config = directory / "fingerpost.toml"
    again = _begins_with(config, kind.mark)
    if not again:
        if directory.is_dir() and any(directory.iterdir()):
            raise ConfigError(
                f"The folder {directory} holds other files; name an empty or a new one: fingerpost demo DIR."
            )
        click.echo(f"Making a college of {learners:,} invented learners in {directory} ...", err=True)
        kind.make(directory, learners=learners)
    with app.open(config=config) as college:
        with shown_progress() as progress:
            report = college.sync(progress=progress)
        gaps = college.gaps().gaps
        _describe(college, report, gaps, directory, again=again)
    say(f"{kind.change}, or fingerpost.toml, and run {_uv()}fingerpost sync.")


def _begins_with(config: Path, mark: str) -> bool:
    try:
        return config.read_text(encoding="utf-8-sig").startswith(mark)
    except (OSError, UnicodeDecodeError):
        return False


def _describe(college: College, report: RunReport, gaps: tuple[Gap, ...], directory: Path, *, again: bool) -> None:
    read = sum(one.read for one in report.streams)
    found = report.records
    if again and not _has_news(report):
        click.echo("Synchronised again: nothing has changed since, so nothing was written and nobody was notified.")
    click.echo(
        f"{college.name} on {day(report.as_of)}: {many(found['learners'], 'learner')}, "
        f"{many(found['programmes'], 'programme')}, "
        f"{many(found['activities'], 'careers activity', 'careers activities')}"
        f"{f' (read {read:,} rows)' if read else ''}."
    )
    show_table(("source", "stream", "state", "rows", "rejected", "warnings"), [
        (one.connector, one.stream, one.state, one.read, one.rejected, one.warnings)
        for one in report.streams if one.read or one.state != "complete"
    ])  # fmt: skip
    _describe_gaps(college, gaps)
    _describe_outbox(college)
    _describe_pages(report, directory)
    _describe_next(gaps, directory, report.as_of)


def _has_news(report: RunReport) -> bool:
    """Say whether a night found anything new or had anything to send."""
    changes = sum(one.new + one.changed + one.deleted for one in report.streams)
    return bool(changes or report.digests.planned or report.items.planned)


def _describe_gaps(college: College, gaps: tuple[Gap, ...]) -> None:
    learners: dict[str, set[str]] = defaultdict(set)
    for gap in gaps:
        learners[gap.criterion].add(gap.learner)
    need = many(len({gap.learner for gap in gaps}), "learner still needs", "learners still need")
    click.echo(f"\n{need} something for the Gatsby Benchmarks:")
    rows = [
        (len(learners[one.id]), one.closes, one.id) for one in college.criteria if one.id in learners and one.closes
    ]
    show_table(("learners", "what would settle it", "criterion"), rows)


def _describe_outbox(college: College) -> None:
    for folder in college.outboxes:
        files = sorted(folder.glob("*.eml"))
        if files:
            waiting = many(len(files), "message is", "messages are")
            click.echo(
                f"\nEach tutor gets one message about their own learners. {waiting} waiting in\n"
                f"  {folder}\nOpen one in a mail program, for example {files[len(files) // 2].name}"
            )


def _describe_pages(report: RunReport, directory: Path) -> None:
    """Say how many items this night wrote to learners' pages, and how to read one."""
    from fingerpost_demo import DATABASE

    if report.items.written:
        look = "SELECT Comment FROM ActionPlan WHERE Comment LIKE ?"
        found = f"sqlite3.connect('{DATABASE}').execute('{look}', ['[Fingerpost %'])"
        click.echo(
            f"\nWritten to learners' pages in ProMonitor: {many(report.items.written, 'item')}. To read one,\n"
            f"run this in the folder {directory}:\n"
            f'  {_uv()}python -c "import sqlite3; print({found}.fetchone()[0])"'
        )


def _uv() -> str:
    """Return what stands before a command where uv runs this one."""
    return "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""


def _describe_next(gaps: tuple[Gap, ...], directory: Path, as_of: str) -> None:
    run = f"{_uv()}fingerpost"
    click.echo(f"\nTry next:\n  cd {directory}")
    tutors = Counter(tutor for gap in gaps for tutor in gap.tutors)
    examples = [gap for gap in gaps if gap.due is not None and gap.due >= as_of] or list(gaps)
    tries = [("status", "what the last runs did, and what needs your attention")]
    if tutors:
        tries.append((f"digest preview --tutor {tutors.most_common(1)[0][0]}", "one digest, as text"))
    if examples:
        tries.append((f"gaps --learner {examples[0].learner}", "what one learner is missing"))
        tries.append((f"explain {examples[0].learner}", "and why: what counted and what did not"))
    tries.append(("quarantine list", "rows that were rejected, for the MIS team"))
    for command, why in tries:
        click.echo(f"  {run} {command:<{max(len(one) for one, _ in tries)}}  {why}")
