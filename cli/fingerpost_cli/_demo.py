"""`demo`: a college that does not exist, one night of it, and what to try next."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerpost import ConfigError
from fingerpost_cli._app import App, pass_app
from fingerpost_cli._fake_college import make_college
from fingerpost_cli._output import day, many, paragraph, table
from fingerpost_cli._progress import progress_of

if TYPE_CHECKING:
    from fingerpost import College, Gap, RunReport

__all__ = ["demo"]

_MARK = "# A college that does not exist."


@click.command()
@click.argument("directory", default="fingerpost-demo", type=click.Path(file_okay=False, path_type=Path))
@click.option("--learners", default=1200, show_default=True, type=click.IntRange(20, 50_000), help="How large it is.")
@pass_app
def demo(app: App, directory: Path, learners: int) -> None:
    """Make a college that does not exist in DIRECTORY (default: fingerpost-demo) and run one night of it.

    In a folder that holds one already, it is synchronised again.
    """
    config = directory / "fingerpost.toml"
    again = _is_demo(config)
    if not again:
        _refuse_full(directory)
        click.echo(f"Making a college of {learners:,} invented learners in {directory} ...", err=True)
        make_college(directory, learners=learners)
    with app.open(config=config) as college:
        with progress_of(app) as progress:
            report = college.sync(progress=progress)
        gaps = college.gaps().gaps
        _describe(college, report, gaps, directory, again=again)


def _is_demo(config: Path) -> bool:
    try:
        return config.read_text(encoding="utf-8-sig").startswith(_MARK)
    except (OSError, UnicodeDecodeError):
        return False


def _refuse_full(directory: Path) -> None:
    if directory.is_dir() and any(directory.iterdir()):
        raise ConfigError(f"The folder {directory} holds other files; name an empty or a new one: fingerpost demo DIR.")


def _describe(college: College, report: RunReport, gaps: tuple[Gap, ...], directory: Path, *, again: bool) -> None:
    read = sum(one.read for one in report.streams)
    found = report.records
    if again and not (report.digests.planned or any(one.new + one.changed + one.deleted for one in report.streams)):
        click.echo("Synchronised again: nothing has changed since, so nothing was written and nobody is told anything.")
    click.echo(
        f"{college.config.settings.college.name} on {day(report.as_of)}: {many(found['learners'], 'learner')}, "
        f"{many(found['programmes'], 'programme')}, "
        f"{many(found['activities'], 'careers activity', 'careers activities')}"
        f"{f' (read {read:,} rows)' if read else ''}."
    )
    headings = ("source", "stream", "state", "rows", "rejected", "warnings")
    click.echo(table(headings, [
        (one.connector, one.stream, one.state, one.read, one.rejected, one.warnings)
        for one in report.streams if one.read or one.state != "complete"
    ]))  # fmt: skip
    _describe_gaps(college, gaps)
    _describe_outbox(college)
    _describe_next(gaps, directory, report.as_of)


def _describe_gaps(college: College, gaps: tuple[Gap, ...]) -> None:
    learners: dict[str, set[str]] = defaultdict(set)
    for gap in gaps:
        learners[gap.criterion].add(gap.learner)
    click.echo(
        f"\n{many(len({gap.learner for gap in gaps}), 'learner')} still need something for the Gatsby Benchmarks:"
    )
    rows = [
        (len(learners[one.id]), (one.words.closes_none or one.words.closes).format(need=one.need), one.id)
        for one in college.framework.criteria
        if one.id in learners and one.words is not None
    ]
    click.echo(table(("learners", "what would settle it", "criterion"), rows))


def _describe_outbox(college: College) -> None:
    for channel in college.config.channels:
        folder = college.config.base_dir / str(getattr(channel.config, "path", "outbox"))
        files = sorted(folder.glob("*.eml"))
        if files:
            click.echo(
                f"\nEach tutor gets one message about their own learners. {many(len(files), 'message')} wait in\n"
                f"  {folder}\nOpen one in a mail program, for example {files[len(files) // 2].name}"
            )


def _describe_next(gaps: tuple[Gap, ...], directory: Path, as_of: str) -> None:
    run = f"{'uv run ' if 'UV_RUN_RECURSION_DEPTH' in os.environ else ''}fingerpost"
    click.echo(f"\nTry next:\n  cd {directory}")
    tutors = Counter(tutor for gap in gaps for tutor in gap.tutors)
    examples = [gap for gap in gaps if gap.due is not None and gap.due >= as_of] or list(gaps)
    tries = [("status", "what the last runs did, and what waits for you")]
    if tutors:
        tries.append((f"digest preview --tutor {tutors.most_common(1)[0][0]}", "one digest, as text"))
    if examples:
        tries.append((f"gaps --learner {examples[0].learner}", "what one learner is missing"))
        tries.append((f"explain {examples[0].learner}", "and why: what counted and what did not"))
    tries.append(("quarantine list", "rows that were rejected, for the MIS team"))
    for command, why in tries:
        click.echo(f"  {run} {command:<{max(len(one) for one, _ in tries)}}  {why}")
    click.echo(paragraph("Then edit a file in data, or fingerpost.toml, and run fingerpost sync."))
