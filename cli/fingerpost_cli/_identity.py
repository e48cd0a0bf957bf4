"""`identity`: which references are one learner and why, and what a person decides about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import click

from fingerpost import College
from fingerpost.reports import IdentityLink
from fingerpost_cli._app import Answer, question
from fingerpost_cli._output import local, many, say, show_table

_EVIDENCE = {
    "uln": "the same ULN",
    "previous_reference": "named as a former reference",
    "crosswalk": "the crosswalk file",
    "decision": "a decision",
}
_DOUBTS = {
    "ambiguous_uln": "several learners share its ULN, so that nobody is joined by it",
    "uln_birth_date_disagrees": "another learner has the same ULN, but another date of birth",
    "ambiguous_previous_ref": "several learners name the same former reference",
    "previous_ref_birth_date_disagrees": "its former reference is that of somebody with another date of birth",
    "reference_changed_hands": "another learner had this reference before",
}


@click.group()
def identity() -> None:
    """Show which references are one learner, and why; join two, or split them."""


@identity.command("list")
@question
def list_(college: College) -> Iterator[Answer]:
    """List all references that are one learner, and those that somebody decided are two."""
    found = college.identities()
    yield Answer({"links": found})
    if not found:
        say("Every learner has one reference, and nobody has decided otherwise.")
        return
    _show(found, college.timezone)
    joins = sum(one.decision == "join" for one in found)
    say(
        f"{many(joins, 'join')}, {many(len(found) - joins, 'split')}. fingerpost identity why REF explains one learner."
    )


@identity.command()
@click.argument("learner")
@question
def why(college: College, learner: str) -> Iterator[Answer]:
    """Explain which references LEARNER (a reference or ULN) has, what joins them, and what is in doubt."""
    found = college.explain_identity(learner)
    zone = college.timezone
    yield Answer(found)
    click.echo(f"{found.learner} is known under {many(len(found.identities), 'reference')}.")
    rows = []
    for one in found.identities:
        places = [(f"{by.connector} {by.part}", by.state, local(by.since, zone)) for by in one.sources]
        because = _EVIDENCE.get(one.evidence or "", "is the first")
        rows += [(_plain(one.identity), *place, because) for place in places or [("",) * 3]]
    show_table(("reference", "source", "state", "since", "joined by"), rows)
    if found.links:
        click.echo("\nJoins and splits")
        _show(found.links, zone)
    for former in found.before:
        say(f"{_plain(former)} is the learner who had this reference before.", mark="- ")
    for doubt in found.doubts:
        code = doubt["code"]
        say(f"{_plain(doubt['identity'])} in {doubt['connector']}: {_DOUBTS[code]} ({code}).", mark="- ")


def _decision(command: Callable[..., Any]) -> Any:
    for option in (
        click.option("--reason", required=True, metavar="TEXT", help="Why, in a few words."),
        click.option("--author", required=True, metavar="NAME", help="Who decides it."),
        click.argument("other"),
        click.argument("reference"),
    ):
        command = option(command)
    return command


@identity.command()
@_decision
@question
def join(college: College, reference: str, other: str, author: str, reason: str) -> Iterator[Answer]:
    """Decide that REFERENCE and OTHER are one learner."""
    link = college.join_identities(reference, other, author=author, reason=reason)
    yield Answer(link)
    say(f"{_plain(link.identity)} and {_plain(link.other)} are one learner. {_when(link)}")


@identity.command()
@_decision
@question
def split(college: College, reference: str, other: str, author: str, reason: str) -> Iterator[Answer]:
    """Decide that REFERENCE and OTHER are two learners, and stay so whatever their ULN."""
    link = college.split_identities(reference, other, author=author, reason=reason)
    yield Answer(link)
    say(f"{_plain(link.identity)} and {_plain(link.other)} are two learners. {_when(link)}")


def _when(link: IdentityLink) -> str:
    return "The next fingerpost sync will apply it." if link.waits else "It is so already."


def _show(links: Sequence[IdentityLink], zone: ZoneInfo) -> None:
    show_table(("", "reference", "with", "because of", "since", "by", "reason"), [
        (one.decision, _plain(one.identity), _plain(one.other), _EVIDENCE.get(one.evidence, one.evidence),
         "next sync" if one.waits else local(one.since, zone), one.author, one.reason) for one in links
    ])  # fmt: skip


def _plain(identity: str) -> str:
    """Return an identity as people write it."""
    return f"ULN {identity[4:]}" if identity.startswith("uln:") else identity
