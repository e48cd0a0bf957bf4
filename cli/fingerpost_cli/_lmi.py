"""`lmi`: what services say about occupations, and what is remembered of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from fingerpost import FACT_KINDS, Suggestions
from fingerpost_cli._app import App, pass_app
from fingerpost_cli._output import WIDTH, as_json, day, many, paragraph, print_json, table
from fingerpost_cli._progress import progress_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fingerpost import (
        ComparedFigure,
        Comparison,
        Fact,
        FactKind,
        MarketReport,
        Occupation,
        SocVersion,
        UnknownOccupations,
    )

__all__ = ["REASONS", "lmi"]

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

_region = click.option("--region", metavar="NAME", help='Figures for this region, such as "West Midlands".')
_soc = click.option(
    "--soc",
    type=click.Choice(["2010", "2020"]),
    help="The edition of the SOC that the code belongs to.  [default: that of [labour_market]]",
)


def _edition(soc: str | None) -> SocVersion | None:
    return cast("SocVersion", int(soc)) if soc else None


@click.group()
def lmi() -> None:
    """Look up occupations: pay, hours, prospects, skills; and keep what services said about them."""


# -- figures


@lmi.command()
@click.argument("occupation")
@_region
@_soc
@as_json
@pass_app
def show(app: App, occupation: str, region: str | None, soc: str | None, as_json: bool) -> None:
    """Show what services know about OCCUPATION: a SOC code of four digits, or a title that a service lists."""
    with app.open() as college:
        report = college.labour_market(occupation, region=region, soc_version=_edition(soc))
        year = college.today().year
    if as_json:
        print_json(report.as_dict())
    else:
        _describe(report, year)


def _describe(report: MarketReport, year: int) -> None:
    click.echo(paragraph(f"{_name(report)}, {report.region or 'the whole UK'}", mark=f"{report.occupation.soc}  "))
    whole = report.figures(year)
    for kind in FACT_KINDS:
        figures = [fact for fact in whole if fact.kind == kind]
        words = [fact for fact in report.of(kind) if fact.text and (fact.value is None or kind in _WORDS)]
        parts = [fact for fact in report.of(kind) if fact.value is not None and fact.split and kind not in _WORDS]
        if figures or words or parts:
            click.echo(f"\n{_HEADINGS[kind]}")
            _print_figures([*figures, *(fact for fact in parts[:_PARTS] if fact not in figures)])
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


def _print_figures(facts: Sequence[Fact]) -> None:
    if facts:
        rows = [(_figure(fact), _about(fact), fact.year, fact.region, fact.source) for fact in facts]
        click.echo(table(("figure", "what it is", "year", "region", "source"), rows, indent="  "))


def _print_words(facts: Sequence[Fact]) -> None:
    """Print words, those of one sort by one service together: a line each where they are long, else in one."""
    sorts: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
    for fact in facts:
        sorts[fact.statistic, fact.split, fact.source, fact.year, fact.region].append(fact)
    for (statistic, split, *where), found in sorts.items():
        label = " ".join(part for part in (statistic, f"({split})" if split else "") if part)
        click.echo(paragraph(f"{label or 'listed'}, {', '.join(part for part in where if part)}:", mark="  "))
        told = list(dict.fromkeys(_words(fact) for fact in found))
        if any(len(one) > WIDTH // 2 for one in told):
            for one in told[:_PARTS]:
                click.echo(paragraph(one, mark="  - "))
        else:
            click.echo(paragraph(", ".join(told[:_PARTS]), mark="    "))
        _print_more(len(told) - _PARTS)


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
    """Say what kind of figure it is, and what one must know of it."""
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
    """Say shortly what services have nothing of; where that is all of it, what to ask instead."""
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
            told = f"{source}: {', '.join(kinds)} ({REASONS.get(reason, reason)})"
            click.echo(paragraph(told, mark="  "))
    if not report.facts and lines and all(reason == "soc_version" for _, reason in lines):
        version = report.occupation.soc_version
        other = 2010 if version == 2020 else 2020
        click.echo(paragraph(
            f"{report.occupation.soc} was taken for a code of SOC {version}. If it is one of SOC {other}, ask with "
            f"--soc {other}: the same number may mean another job there. The connector occupationalmaps converts "
            "codes, where it is configured."
        ))  # fmt: skip


def _print_warnings(warnings: Iterable[str]) -> None:
    for warning in dict.fromkeys(warnings):
        click.echo(paragraph(warning, mark="Warning: "), err=True)


def _print_attributions(lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        click.echo(("\n" if not number else "") + paragraph(line))


@lmi.command()
@click.argument("occupations", nargs=-1, required=True)
@_region
@_soc
@as_json
@pass_app
def compare(app: App, occupations: tuple[str, ...], region: str | None, soc: str | None, as_json: bool) -> None:
    """Put pay, hours and prospects of OCCUPATIONS side by side.

    Two figures stand in one line only where one service gives them in one way for one region.
    """
    with app.open() as college:
        found = college.compare_occupations(occupations, region=region, soc_version=_edition(soc))
    if as_json:
        print_json(found.as_dict())
    else:
        _describe_comparison(found)


def _describe_comparison(found: Comparison) -> None:
    for report in found.reports:
        click.echo(paragraph(_name(report), mark=f"{report.occupation.soc}  "))
    if found.figures:
        codes = [report.occupation.soc for report in found.reports]
        shown = [fact for line in found.figures for fact in line.facts if fact is not None]
        profiles = list(dict.fromkeys(_profile(fact) for fact in shown if _profile(fact)))
        for source, region in dict.fromkeys((line.source, line.region) for line in found.figures):
            rows = [
                (_sort(line), *(_compared(fact, profiles) for fact in line.facts))
                for line in found.figures
                if (line.source, line.region) == (source, region)
            ]
            click.echo(f"\n{source}, {region}")
            click.echo(table(("figure", *codes), rows, indent="  "))
        for number, profile in enumerate(profiles, start=1):
            click.echo(paragraph(f"of the {profile} alone", mark=f"[{number}] "))
        if any(fact.coarse for fact in shown):
            click.echo("* of a wider group of occupations")
        for text in dict.fromkeys(day(fact.retrieved.isoformat()) for fact in shown if fact.stale):
            click.echo(f"+ as it was on {text}, when the service last answered")
    else:
        click.echo("\nNo service has a figure for any of them.")
    _print_warnings(warning for report in found.reports for warning in report.warnings)
    _print_attributions(found.attributions)


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
@as_json
@pass_app
def suggest(app: App, words: tuple[str, ...], as_json: bool) -> None:
    """Suggest occupations that WORDS may mean, or list what learners wrote that means none yet.

    WORDS go to the services. What learners wrote never does: it is compared with the titles that services list.
    """
    typed = " ".join(words)
    with app.open() as college:
        crosswalk = college.config.settings.labour_market.crosswalk
        found = college.suggest_occupations(typed) if typed else college.unknown_occupations()
    if as_json:
        print_json(found.as_dict())
        return
    if isinstance(found, Suggestions):
        _list_suggestions(found)
    else:
        _list_unknown(found, crosswalk)
    _print_warnings(found.warnings)


def _list_suggestions(found: Suggestions) -> None:
    if found.suggestions:
        rows = [
            (str(one.occupation.soc_version), one.occupation.soc, one.occupation.title, one.source)
            for one in found.suggestions
        ]
        click.echo(table(("SOC", "code", "title", "suggested by"), rows))
        click.echo("fingerpost lmi show CODE --soc EDITION tells more of one.")
    elif found.warnings:
        click.echo("No service that could be asked knows an occupation by these words.")
    else:
        click.echo("No service knows an occupation by these words.")


def _list_unknown(found: UnknownOccupations, crosswalk: Path | None) -> None:
    if not found.unknown:
        click.echo("Every occupation that a learner has in mind is known.")
        return
    rows: list[tuple[object, ...]] = []
    for one in found.unknown:
        first, *others = one.suggestions[:3] or [None]
        rows.append((one.words, one.learners, *_suggested(first, several=one.several)))
        rows += [("", None, *_suggested(other, several=one.several)) for other in others]
    click.echo(table(("what learners wrote", "learners", "SOC", "code", "perhaps"), rows))
    where = f"the file {crosswalk}" if crosswalk else "a CSV file that [labour_market] crosswalk names"
    click.echo(paragraph(
        f"Nothing is guessed. Write what is meant into {where}, with the columns occupation and soc; "
        "fingerpost lmi suggest WORDS searches further. What learners wrote may be personal data."
    ))  # fmt: skip
    if found.warnings:
        click.echo("Services that could not be asked may know some of them.")


def _suggested(occupation: Occupation | None, *, several: bool) -> tuple[str, str, str]:
    if occupation is None:
        return "", "", ""
    return str(occupation.soc_version), occupation.soc, f"{occupation.title}{' (one of several)' if several else ''}"


# -- what is remembered


@lmi.command()
@click.option("--force", is_flag=True, help="Ask for everything again, also what is not out of date.")
@as_json
@click.pass_context
@pass_app
def refresh(app: App, ctx: click.Context, force: bool, as_json: bool) -> None:
    """Ask services about every occupation that learners have in mind, where what they said is out of date.

    What a service cannot say again is kept. Exits 3 where a service failed.
    """
    with app.open() as college, progress_of(app) as progress:
        report = college.refresh_labour_market(force=force, progress=progress)
    if as_json:
        print_json(report.as_dict())
    else:
        requests = ", ".join(f"{count:,} to {name}" for name, count in sorted(report.requests.items()))
        click.echo(paragraph(
            f"{many(report.occupations, 'occupation')}, {many(report.facts, 'fact')}. "
            f"Requests: {requests or 'none'}."
        ))  # fmt: skip
        _print_warnings(report.warnings)
    ctx.exit(3 if report.warnings else 0)


_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@lmi.command()
@_file
@as_json
@pass_app
def export(app: App, file: Path, as_json: bool) -> None:
    """Write what services said into FILE, for another machine or another college. No learner is in it."""
    with app.open() as college:
        count = college.export_labour_market(file)
    if as_json:
        print_json({"exported": count})
    else:
        click.echo(f"{many(count, 'answer')} written to {file}.")


@lmi.command("import")
@_file
@as_json
@pass_app
def import_(app: App, file: Path, as_json: bool) -> None:
    """Take in what `fingerpost lmi export` wrote; the newer of two answers to one question stays."""
    with app.open() as college:
        taken, older = college.import_labour_market(file)
    if as_json:
        print_json({"taken": taken, "older": older})
    else:
        click.echo(f"{many(taken, 'answer')} taken in, {older:,} not newer than what is here.")


@lmi.command()
@click.option("--service", metavar="NAME", help="What this service said alone, such as lmiforall.")
@as_json
@pass_app
def forget(app: App, service: str | None, as_json: bool) -> None:
    """Forget what services said, to be asked for again.

    What a service that is gone once said cannot be had again: export it first.
    """
    with app.open() as college:
        count = college.forget_labour_market(service)
    if as_json:
        print_json({"forgotten": count})
    else:
        click.echo(f"{many(count, 'answer')} forgotten.")
