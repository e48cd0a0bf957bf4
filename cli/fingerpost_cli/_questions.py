"""`gaps` and `explain`: who is missing what, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import click

from fingerpost import College
from fingerpost.reports import ExplainedOccupation, Gap
from fingerpost_cli._app import Answer, question
from fingerpost_cli._output import day, many, period, say, show_table

_LISTED = 50
_FOUND = {
    "crosswalk": "by the college's crosswalk file",
    "code": "the code on record",
    "title": "the title that a service lists",
}
_NOT_FOUND = {"several": "more than one occupation is called that", "unknown": "no occupation is known by these words"}


def _to_day(_ctx: click.Context, _parameter: click.Parameter, value: datetime | None) -> date | None:
    return None if value is None else value.date()


_as_of = click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    callback=_to_day,
    help="What today's records say as of this day (YYYY-MM-DD), ignoring anything dated later.",
)


@click.command()
@click.option("--criterion", multiple=True, metavar="ID", help="This criterion, such as 5.1. May be repeated.")
@click.option("--tutor", metavar="EMAIL", help="Only this tutor's learners.")
@click.option("--group", metavar="NAME", help="Only the learners of this tutor group.")
@click.option("--learner", metavar="REF", help="Only this learner, by reference.")
@_as_of
@click.option("--limit", type=click.IntRange(min=0), help=f"List this many; 0 means all.  [default: {_LISTED}]")
@question
def gaps(
    college: College, criterion: tuple[str, ...], as_of: date | None, limit: int | None, **wanted: str | None
) -> Iterator[Answer]:
    """List what learners are still missing.

    With --json everything is printed unless --limit says otherwise.
    """
    report = college.gaps(as_of=as_of, criteria=criterion)
    found = [gap for gap in report.gaps if _matches(gap, wanted)]
    yield Answer(replace(report, gaps=tuple(found[: limit or None])))
    shown = found[: _LISTED if limit is None else limit or None]
    click.echo(f"As of {day(report.as_of)}, by {report.framework}: {many(len(found), 'gap')}.")
    if shown:
        show_table(("learner", "group", "criterion", "period", "has", "due", "tutor"), [
            (gap.learner, gap.group, gap.criterion, period(gap.period), f"{gap.have} of {gap.need}", gap.due,
             ", ".join(gap.tutors)) for gap in shown
        ])  # fmt: skip
        for known in college.criteria:
            if any(gap.criterion == known.id for gap in shown):
                say(known.title, mark=f"  {known.id:<5}")
    if len(shown) < len(found):
        click.echo(f"{len(found) - len(shown):,} more are not listed; --limit 0 lists all.")


def _matches(gap: Gap, wanted: dict[str, str | None]) -> bool:
    has = {"tutor": gap.tutors, "group": (gap.group or "",), "learner": (gap.learner,)}
    return all(
        value is None or value.casefold() in {one.casefold() for one in has[name]} for name, value in wanted.items()
    )


@click.command()
@click.argument("learner")
@_as_of
@question
def explain(college: College, learner: str, as_of: date | None) -> Iterator[Answer]:
    """Show what is known about LEARNER (a reference or ULN) and why each criterion stands as it does.

    What it prints is personal data.
    """
    found = college.explain(learner, as_of=as_of)
    yield Answer(found)
    click.echo(f"{found.learner} {found.name}, as of {day(found.as_of)}, by {found.framework}")
    if found.also_known_as:
        click.echo(f"Also known as {', '.join(found.also_known_as)}.")
    click.echo(f"Digests about them go to: {', '.join(found.tutors) or 'nobody'}.")
    if found.in_mind is not None:
        say(_say_occupation(found.in_mind), mark="Has in mind: ")
        if found.in_mind.line:
            say(found.in_mind.line, mark="  ")
    _section("What each source says (* stands)", ("field", "source", "value", ""),
             [(one.field, one.connector, one.value, "*" if one.counts else "") for one in found.said])  # fmt: skip
    _records("Programmes", found.programmes)
    _records("Assignments", found.assignments)
    if found.memberships:
        _section("Groups, and how many activities each brought", ("group", "source", "from", "to", "activities"), [
            (one.group, one.connector, one.first, one.last, len(one.brought)) for one in found.memberships
        ])  # fmt: skip
    click.echo("\nCriteria")
    for one in found.criteria:
        due = f", due {day(one.due)}" if one.due else ""
        standing = "due soon" if one.status == "at_risk" else one.status.replace("_", " ")
        line = f"{one.title} ({period(one.period)}): {standing}, {one.have} of {one.need}{due}"
        say(line, mark=f"  {one.criterion:<4}")
        if one.why:
            say(one.why, mark="      ")
        for item in one.evidence:
            what = f"{item.day} {item.title or item.kind} [{item.record}]"
            say(f"{what} {item.why or ''}", mark=f"      {item.outcome:<9} ")
    _records("Faults in the data", found.warnings)


def _say_occupation(one: ExplainedOccupation) -> str:
    """Say what a learner has in mind, and which occupation that was found to be, and by what."""
    words = one.words or one.soc_code or ""
    if one.soc is None:
        return f"{words} ({_NOT_FOUND.get(one.how, 'not known')}; fingerpost lmi suggest helps to settle it)."
    title = one.title if one.title not in (words, f"SOC {one.soc}") else ""
    code = f"{one.soc} in SOC {one.soc_version}"
    return f"{words} ({', '.join(part for part in (title, code, _FOUND.get(one.how, one.how)) if part)})."


def _records(title: str, rows: tuple[dict[str, Any], ...]) -> None:
    """Print rows of which all have the same fields, without the fields that nobody fills."""
    if rows:
        names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
        _section(title, tuple(names), [tuple(row[name] for name in names) for row in rows])


def _section(title: str, headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    click.echo(f"\n{title}")
    show_table(headings, rows, indent="  ")
