"""`demo`: a college that does not exist, one night of it, and what to try next."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerpost import College, ConfigError
from fingerpost.reports import Gap, RunReport
from fingerpost_cli._app import App, pass_app
from fingerpost_cli._output import day, many, say, show_table
from fingerpost_cli._progress import shown_progress

if TYPE_CHECKING:
    from fingerpost_demo import Demonstration

_SOURCES = ("csv", "promonitor")
_EXPORTS = (
    "last year's ILR file, complete",
    "this year's ILR file",
    "this year's groups and tutors, in place of last year's",
    "a new careers log, numbered from 1 again, in place of the old ones",
)
"""What each export of the following September is."""
_SEPTEMBER = (
    ("sync", "read the new exports; what is gone from a list is held"),
    ("year", "how far the year has turned"),
    ("sweep", "what confirming would end, and which verdicts would change"),
    ("sweep --confirm", "carry it out"),
    ("sync", "judge those whom it concerns again"),
)


@click.command()
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--source", type=click.Choice(_SOURCES), default="csv", show_default=True,
    help="What it reads: an ILR file and CSV files, or databases of ProSolution and ProMonitor.",
)  # fmt: skip
@click.option(
    "--learners", type=click.IntRange(20, 50_000), help="How large it is: 1,200 learners, or 400 with promonitor."
)
@click.option(
    "--next-september", is_flag=True,
    help="Give the college that is there the exports of the following September, and run nothing.",
)  # fmt: skip
@pass_app
def demo(app: App, directory: Path | None, source: str, learners: int | None, next_september: bool) -> None:
    """Make an invented college in DIRECTORY and run one night of it.

    By default DIRECTORY is fingerpost-demo, or fingerpost-demo-promonitor where it reads databases. A college that is
    already there is synchronised again.
    """
    from fingerpost_demo import DEMONSTRATIONS  # the other commands do not need it, and it takes time to import

    kind = DEMONSTRATIONS[source]
    directory = directory or kind.folder
    given, learners = learners, learners or kind.learners
    config = directory / "fingerpost.toml"
    again = _begins_with(config, kind.mark)
    if next_september:
        if given is not None:
            raise click.UsageError("--next-september keeps a demonstration as large as it is: leave out --learners.")
        _turn(kind, directory, is_there=again)
        return
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


def _turn(kind: Demonstration, directory: Path, *, is_there: bool) -> None:
    """Let the next academic year begin, and say how to live through it."""
    if kind.next_september is None:
        raise click.UsageError("--next-september is for a demonstration that reads files: leave out --source.")
    if not is_there:
        raise ConfigError(
            f"The folder {directory} holds no demonstration that reads files; make one first: fingerpost demo DIR."
        )
    made = kind.next_september(directory)
    if made is None:
        say(f"It is September in {directory} already: nothing was written.")
        return
    say(
        f"It is now {day(made.day.isoformat())} in {directory}. {many(made.learners, 'learner')} are there, "
        f"{made.stayed:,} of them since last year."
    )
    show_table(("export in data", "what it is"), list(zip(made.exports, _EXPORTS, strict=True)))
    click.echo("What Fingerpost has recorded stays. Live through September:")
    _show_tries(directory, [*_SEPTEMBER, (f"explain {made.example}", "one who stayed: what counts from last year")])


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
    click.echo("\nTry next:")
    tutors = Counter(tutor for gap in gaps for tutor in gap.tutors)
    examples = [gap for gap in gaps if gap.due is not None and gap.due >= as_of] or list(gaps)
    tries = [("status", "what the last runs did, and what needs your attention")]
    if tutors:
        tries.append((f"digest preview --tutor {tutors.most_common(1)[0][0]}", "one digest, as text"))
    if examples:
        tries.append((f"gaps --learner {examples[0].learner}", "what one learner is missing"))
        tries.append((f"explain {examples[0].learner}", "and why: what counted and what did not"))
    tries.append(("quarantine list", "rows that were rejected, for the MIS team"))
    _show_tries(directory, tries)


def _show_tries(directory: Path, tries: Sequence[tuple[str, str]]) -> None:
    """Print commands to try, each with what it shows."""
    run, width = f"{_uv()}fingerpost", max(len(command) for command, _ in tries)
    click.echo(f"  cd {directory}")
    for command, why in tries:
        click.echo(f"  {run} {command:<{width}}  {why}")
