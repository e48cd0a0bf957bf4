"""`lmi`: what services say about occupations, and what is remembered of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import click

from fingerpost import College
from fingerpost.lmi import FACT_KINDS, Fact, FactKind, Occupation, SocVersion
from fingerpost.reports import ComparedFigure, Comparison, MarketReport, Suggestions, UnknownOccupations
from fingerpost_cli._app import Answer, question
from fingerpost_cli._output import WIDTH, day, many, say, show_table
from fingerpost_cli._progress import shown_progress

_HEADINGS: dict[FactKind, str] = {
    "occupation": "The occupation",
    "pay": "Pay before tax",
    "hours": "Hours",
    "annual_change": "Change of pay in a year",
    "employment": "Jobs, now and projected",
    "replacement": "Workers to be replaced",
    "unemployment": "Unemployment",
    "shortage": "Vacancies that are hard to fill",
    "skill": "Skills",
    "course": "Courses",
    "vacancy": "Vacancies",
    "profile": "About the work",
}
REASONS = {
    "none": "nothing is known there",
    "soc_version": "it codes occupations by another edition of the SOC",
    "region": "it has no region of that name",
    "soc": "it takes no such code",
    "no_course": "no course is configured for this occupation",
    "no_profile": "no profile names this occupation",
    "no_occupation": "no occupation there has this code",
}
"""What the codes of `NoData` mean; a code that a vendor made is printed as it is."""
_PARTS = 8
"""How many parts of a breakdown, skills, courses or tasks are printed; all of them are in the JSON."""


def _to_edition(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> SocVersion | None:
    return cast("SocVersion", int(value)) if value else None


_region = click.option("--region", metavar="NAME", help='Figures for this region, such as "West Midlands".')
_soc = click.option(
    "--soc",
    type=click.Choice(["2010", "2020"]),
    callback=_to_edition,
    help="The edition of the SOC that the code belongs to.  [default: that of [labour_market]]",
)


@click.group()
def lmi() -> None:
    """Look up occupations: pay, hours, prospects, skills; and manage what services said about them."""


# -- figures


@lmi.command()
@click.argument("occupation")
@_region
@_soc
@question
def show(college: College, occupation: str, region: str | None, soc: SocVersion | None) -> Iterator[Answer]:
    """Show what services know about OCCUPATION: a SOC code of four digits, or a title that a service lists."""
    report = college.labour_market(occupation, region=region, soc_version=soc)
    whole = report.figures(college.today().year)
    yield Answer(report)
    say(f"{_name(report)}, {report.region or 'the whole UK'}", mark=f"{report.occupation.soc}  ")
    for kind in FACT_KINDS:
        figures = [fact for fact in whole if fact.kind == kind]
        words = [fact for fact in report.of(kind) if fact.text and (fact.value is None or kind in _WORDS)]
        parts = [fact for fact in report.of(kind) if fact.value is not None and fact.split and kind not in _WORDS]
        if figures or words or parts:
            click.echo(f"\n{_HEADINGS[kind]}")
            shown = [*figures, *(fact for fact in parts[:_PARTS] if fact not in figures)]
            if shown:
                rows = [(_figure(fact), _about(fact), fact.year, fact.region, fact.source) for fact in shown]
                show_table(("figure", "what it is", "year", "region", "source"), rows, indent="  ")
            _print_words(words)
            _print_more(len(parts) - _PARTS)
    _print_no_data(report)
    _print_warnings(report.warnings)
    _print_attributions(report.attributions)


def _name(report: MarketReport) -> str:
    one = report.occupation
    title = report.title if report.is_titled else "no title is known"
    return f"{title} (SOC {one.soc_version})"


_WORDS = ("occupation", "skill", "course", "vacancy", "profile")
"""The kinds of fact that are words with a figure beside them."""


def _print_words(facts: Sequence[Fact]) -> None:
    """Print words, those of one sort by one service together: a line each where they are long, else in one."""
    sorts: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
    for fact in facts:
        sorts[fact.statistic, fact.split, fact.source, fact.year, fact.region].append(fact)
    for (statistic, split, *where), found in sorts.items():
        label = " ".join(part for part in (statistic, f"({split})" if split else "") if part)
        say(f"{label or 'listed'}, {', '.join(part for part in where if part)}:", mark="  ")
        entries = list(dict.fromkeys(_words(fact) for fact in found))
        if any(len(one) > WIDTH // 2 for one in entries):
            for one in entries[:_PARTS]:
                say(one, mark="  - ")
        else:
            say(", ".join(entries[:_PARTS]), mark="    ")
        _print_more(len(entries) - _PARTS)


def _words(fact: Fact) -> str:
    beside = f" ({_figure(fact)})" if fact.value is not None else ""
    link = f" {fact.link}" if fact.link and fact.kind in ("vacancy", "profile") else ""
    return f"{fact.text}{beside}{link}"


def _print_more(count: int) -> None:
    if count > 0:
        click.echo(f"    and {count:,} more, with --json")


def _figure(fact: Fact) -> str:
    """Say a figure with its unit."""
    value = fact.value or 0.0
    if fact.unit.startswith("GBP"):
        pence = 0 if value >= 100 else 2
        return f"£{value:,.{pence}f}{fact.unit.removeprefix('GBP')}"
    if fact.kind in ("employment", "vacancy"):
        return f"{value:,.0f} {fact.unit}".rstrip()
    number = f"{value:,.1f}".removesuffix(".0")
    return f"{number}%" if fact.unit == "percent" else f"{number} {fact.unit}".rstrip()


def _about(fact: Fact) -> str:
    """Say what kind of figure it is, and what one must know about it."""
    parts = [fact.statistic, fact.scope]
    if fact.text and fact.text != fact.statistic and fact.text not in fact.scope:
        parts.append(fact.text)
    if fact.projected and "projection" not in fact.statistic:
        parts.append("projection")
    if fact.coarse:
        parts.append("of a wider group of occupations")
    if fact.stale:
        parts.append(f"as it was on {day(fact.retrieved.isoformat())}")
    return ", ".join(part for part in parts if part)


def _print_no_data(report: MarketReport) -> None:
    """Say briefly what services have no data on; where that is all of it, what to ask instead."""
    reasons: dict[tuple[str, FactKind], set[str]] = defaultdict(set)
    for one in report.no_data:
        reasons[one.source, one.kind].add(one.reason)
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (source, kind), found in reasons.items():
        # Asked in both editions, a service answers in its own: that it does not know the other one says nothing.
        for reason in sorted(found - {"soc_version"} or found):
            lines[source, reason].append(kind.replace("_", " "))
    if lines:
        click.echo("\nNo data")
        for (source, reason), kinds in lines.items():
            say(f"{source}: {', '.join(kinds)} ({REASONS.get(reason, reason)})", mark="  ")
    if not report.facts and lines and all(reason == "soc_version" for _, reason in lines):
        version = report.occupation.soc_version
        other = 2010 if version == 2020 else 2020
        say(
            f"{report.occupation.soc} was read as a code of SOC {version}. If it is one of SOC {other}, ask with "
            f"--soc {other}: the same number may mean a different job there. The connector occupationalmaps converts "
            "codes, where it is configured."
        )


def _print_warnings(warnings: Iterable[str]) -> None:
    for warning in dict.fromkeys(warnings):
        say(warning, mark="Warning: ", err=True)


def _print_attributions(lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        if not number:
            click.echo()
        say(line)


@lmi.command()
@click.argument("occupations", nargs=-1, required=True)
@_region
@_soc
@question
def compare(
    college: College, occupations: tuple[str, ...], region: str | None, soc: SocVersion | None
) -> Iterator[Answer]:
    """Put pay, hours and prospects of OCCUPATIONS side by side.

    Two figures share a line only where one service gives both in the same way for the same region.
    """
    found = college.compare_occupations(occupations, region=region, soc_version=soc)
    yield Answer(found)
    for report in found.reports:
        say(_name(report), mark=f"{report.occupation.soc}  ")
    if found.figures:
        _print_comparison(found)
    else:
        click.echo("\nNo service has a figure for any of them.")
    _print_warnings(warning for report in found.reports for warning in report.warnings)
    _print_attributions(found.attributions)


def _print_comparison(found: Comparison) -> None:
    codes = [report.occupation.soc for report in found.reports]
    shown = [fact for line in found.figures for fact in line.facts if fact is not None]
    profiles = list(dict.fromkeys(_profile(fact) for fact in shown if _profile(fact)))
    for source, region in dict.fromkeys((line.source, line.region) for line in found.figures):
        click.echo(f"\n{source}, {region}")
        show_table(("figure", *codes), [
            (_sort(line), *(_compared(fact, profiles) for fact in line.facts))
            for line in found.figures if (line.source, line.region) == (source, region)
        ], indent="  ")  # fmt: skip
    for number, profile in enumerate(profiles, start=1):
        say(f"of the {profile} alone", mark=f"[{number}] ")
    if any(fact.coarse for fact in shown):
        click.echo("* of a wider group of occupations")
    for text in dict.fromkeys(day(fact.retrieved.isoformat()) for fact in shown if fact.stale):
        click.echo(f"+ as it was on {text}, when the service last answered")


def _sort(line: ComparedFigure) -> str:
    """Say what kind of figure a line holds, with its unit, so that the cells need say no more than number and year."""
    unit = "" if line.unit == "percent" else line.unit.replace("GBP", "£")
    return ", ".join(part for part in (line.kind.replace("_", " "), line.statistic, line.split, unit) if part)


def _profile(fact: Fact) -> str:
    """Name the job profile that a figure is of; its part of a breakdown is said beside the line."""
    return fact.scope.removeprefix(fact.split).removeprefix(", ")


def _compared(fact: Fact | None, profiles: Sequence[str]) -> str:
    if fact is None:
        return "n/a"
    unit = fact.unit if fact.unit == "percent" else fact.unit.partition(" ")[0]
    figure = _figure(replace(fact, unit=unit if unit in ("percent", "GBP") else ""))
    year = f" ({fact.year})" if fact.year else ""
    profile = f" [{profiles.index(_profile(fact)) + 1}]" if _profile(fact) else ""
    return f"{figure}{year}{'*' if fact.coarse else ''}{'+' if fact.stale else ''}{profile}"


# -- what words mean


@lmi.command()
@click.argument("words", nargs=-1)
@question
def suggest(college: College, words: tuple[str, ...]) -> Iterator[Answer]:
    """Suggest occupations that WORDS may mean, or list what learners wrote that means none yet.

    WORDS go to the services. What learners wrote never does: it is compared with the titles that services list.
    """
    typed = " ".join(words)
    found = college.suggest_occupations(typed) if typed else college.unknown_occupations()
    yield Answer(found)
    if isinstance(found, Suggestions):
        _list_suggestions(found)
    else:
        _list_unknown(found)
    _print_warnings(found.warnings)


def _list_suggestions(found: Suggestions) -> None:
    if found.suggestions:
        rows = [(*_suggested(one.occupation), one.source) for one in found.suggestions]
        show_table(("SOC", "code", "title", "suggested by"), rows)
        click.echo("fingerpost lmi show CODE --soc EDITION says more about one.")
    elif found.warnings:
        click.echo("No service that could be asked knows an occupation by these words.")
    else:
        click.echo("No service knows an occupation by these words.")


def _list_unknown(found: UnknownOccupations) -> None:
    if not found.unknown:
        click.echo("Every occupation that a learner has in mind is known.")
        return
    rows: list[tuple[object, ...]] = []
    for one in found.unknown:
        first, *others = one.suggestions[:3] or [None]
        rows.append((one.words, one.learners, *_suggested(first, several=one.several)))
        rows += [("", None, *_suggested(other, several=one.several)) for other in others]
    show_table(("what learners wrote", "learners", "SOC", "code", "perhaps"), rows)
    where = f"the file {found.crosswalk}" if found.crosswalk else "a CSV file that [labour_market] crosswalk names"
    say(
        f"Nothing is guessed. Write what is meant into {where}, with the columns occupation and soc; "
        "fingerpost lmi suggest WORDS searches further. What learners wrote may be personal data."
    )
    if found.warnings:
        click.echo("Services that could not be asked may know some of them.")


def _suggested(occupation: Occupation | None, *, several: bool = False) -> tuple[str, str, str]:
    if occupation is None:
        return "", "", ""
    return str(occupation.soc_version), occupation.soc, f"{occupation.title}{' (one of several)' if several else ''}"


# -- what is remembered


@lmi.command()
@click.option("--force", is_flag=True, help="Ask for everything again, including what is not out of date.")
@question
def refresh(college: College, force: bool) -> Iterator[Answer]:
    """Ask services about every occupation that learners have in mind, where what they said is out of date.

    What a service cannot say again is kept. Exits 3 where a service failed.
    """
    with shown_progress() as progress:
        report = college.refresh_labour_market(force=force, progress=progress)
    yield Answer(report, 3 if report.warnings else 0)
    requests = ", ".join(f"{count:,} to {name}" for name, count in sorted(report.requests.items()))
    say(f"{many(report.occupations, 'occupation')}, {many(report.facts, 'fact')}. Requests: {requests or 'none'}.")
    _print_warnings(report.warnings)


_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@lmi.command()
@_file
@question
def export(college: College, file: Path) -> Iterator[Answer]:
    """Write what services said to FILE, for another machine or another college. It holds nothing about learners."""
    count = college.export_labour_market(file)
    yield Answer({"exported": count})
    click.echo(f"{many(count, 'answer')} written to {file}.")


@lmi.command("import")
@_file
@question
def import_(college: College, file: Path) -> Iterator[Answer]:
    """Take in what `fingerpost lmi export` wrote; the newer of two answers to one question stays."""
    taken, older = college.import_labour_market(file)
    yield Answer({"taken": taken, "older": older})
    click.echo(f"{many(taken, 'answer')} taken in, {older:,} not newer than what is already held.")


@lmi.command()
@click.option("--service", metavar="NAME", help="Only what this service said, such as lmiforall.")
@question
def forget(college: College, service: str | None) -> Iterator[Answer]:
    """Forget what services said, to be asked for again.

    What a service that has closed once said cannot be had again: export it first.
    """
    count = college.forget_labour_market(service)
    yield Answer({"forgotten": count})
    click.echo(f"{many(count, 'answer')} forgotten.")
