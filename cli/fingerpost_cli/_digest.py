"""`digest`: read what people would get."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import click

from fingerpost import College, ConfigError, Payload
from fingerpost.reports import DigestPreview
from fingerpost_cli._app import Answer, question
from fingerpost_cli._output import many, show_table

_Form: TypeAlias = Literal["text", "html"]


@click.group()
def digest() -> None:
    """Look at the digests."""


@digest.command()
@click.option("--tutor", metavar="EMAIL", help="Only this person's digest.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each digest to this folder, as .eml, .html and .txt.",
)
@click.option("--html/--text", "html", default=False, help="What to print.  [default: --text]")
@question
def preview(college: College, tutor: str | None, out: Path | None, html: bool) -> Iterator[Answer]:
    """Show the digests that people would get if none had been sent yet.

    Nothing is sent and nothing is marked as sent. Without --tutor the digests are listed.
    """
    found = college.preview(recipient=tutor)
    if out is not None:
        _write(found, out)
    form: _Form = "html" if html else "text"
    yield Answer({"digests": [_as_dict(one, form if tutor else None) for one in found]})
    if not found:
        click.echo(f"There is nothing to send to {'this person' if tutor else 'anybody'}.")
    elif tutor is None or out is not None:
        show_table(("to", "role", "listed", "of", "subject"), [
            (one.digest.recipient.email, one.digest.role, len(one.digest.learners), one.digest.group_size,
             one.payload.subject) for one in found
        ])  # fmt: skip
        where = f"Written to {out}." if out else "fingerpost digest preview --tutor EMAIL prints one."
        click.echo(f"{many(len(found), 'digest')}. {where}")
    else:
        for one in found:
            click.echo(f"To: {one.digest.recipient.email}\nSubject: {one.payload.subject}\n")
            click.echo(part_of(one.payload, form))


def part_of(payload: Payload, form: _Form) -> str:
    """Return one form of a payload; what is not a message is returned as it is."""
    if payload.content_type.partition(";")[0].strip() != "message/rfc822":
        return payload.content.decode("utf-8", "replace")
    message = email.message_from_bytes(payload.content, policy=email.policy.default)
    body = message.get_body(("plain",) if form == "text" else ("html",))
    return str(body.get_content()) if body is not None else ""


def _as_dict(one: DigestPreview, form: _Form | None) -> dict[str, object]:
    listed: dict[str, object] = {
        "channel": one.channel, "recipient": one.digest.recipient.email, "role": one.digest.role,
        "subject": one.payload.subject, "learners": [learner.reference for learner in one.digest.learners],
        "group_size": one.digest.group_size, "on_track": one.digest.on_track, "not_listed": one.digest.not_listed,
    }  # fmt: skip
    return listed if form is None else listed | {form: part_of(one.payload, form)}


def _write(found: list[DigestPreview], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(found, start=1):
            who = re.sub(r"[^a-z0-9]+", "-", one.digest.recipient.email.partition("@")[0].lower()).strip("-")
            stem = folder / f"{number:03d}-{who}"
            stem.with_suffix(".eml").write_bytes(one.payload.content)
            stem.with_suffix(".html").write_text(part_of(one.payload, "html"), encoding="utf-8")
            stem.with_suffix(".txt").write_text(part_of(one.payload, "text"), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be written to: {error.strerror}.") from error
