"""A digest as the bytes of one e-mail message: the same digest in the same context gives the same bytes."""

from __future__ import annotations

import functools
import hashlib
from email.headerregistry import Address, HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fingerpost import ConfigError, Context, Digest, Payload, RecordError
from fingerpost_email._address import display_name, domain_of, usable
from fingerpost_email._config import EmailConfig
from fingerpost_email._words import words

TEMPLATES = ("digest.html.j2", "digest.txt.j2")
"""The templates of a message; a college may replace either."""


@functools.lru_cache(maxsize=4)
def environment(folder: Path | None) -> jinja2.Environment:
    """Return the template environment: the college's `folder` first, then what is shipped.

    Sandboxed, since the college's templates are edited by people who do not review code; every name that is not a text
    template's is escaped for HTML; a misspelt name is an error and not an empty string.
    """
    shipped = jinja2.PackageLoader("fingerpost_email", "templates")
    own = [jinja2.FileSystemLoader(folder, encoding="utf-8")] if folder is not None else []
    return ImmutableSandboxedEnvironment(
        loader=jinja2.ChoiceLoader([*own, shipped]),
        autoescape=jinja2.select_autoescape((), ("txt.j2",), default_for_string=True, default=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def message(digest: Digest, context: Context, config: EmailConfig, templates: jinja2.Environment) -> Payload:
    """Return the frozen message for `digest`.

    Message-ID and Date are fixed here, not when it is sent: mail systems recognise a second copy by the two together.

    Raises `RecordError` for a recipient address that is not one plain address and `ConfigError` for a template that
    cannot be rendered.
    """
    recipient = digest.recipient.email
    if not usable(recipient):
        raise RecordError(
            f"A digest of connector {config.name!r} has a recipient whose e-mail address is not one plain address; "
            "correct it in the source of the tutor assignments.",
            reason="bad_address",
            field="tutor_email",
        )
    sender = _sender(digest, config)
    said = words(digest)
    mail = EmailMessage(policy=_policy())
    mail["From"] = Address(display_name(config.sender_name or f"Careers at {digest.college}"), addr_spec=sender)
    mail["To"] = Address(display_name(digest.recipient.name), addr_spec=recipient)
    if reply_to := _reply_to(digest, config, sender):
        mail["Reply-To"] = Address(addr_spec=reply_to)
    mail["Subject"] = said["subject"]
    mail["Date"] = context.now.astimezone(context.timezone)
    message_id = _identifier("digest", digest.key, at=domain_of(sender))
    mail["Message-ID"] = message_id
    # A message that never existed is the root of the recipient's thread for the year: mail programs group by it.
    root = _identifier("thread", recipient.lower(), digest.academic_year, at=domain_of(sender))
    mail["In-Reply-To"] = root
    mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail.set_content(_render(templates, "digest.txt.j2", said, config), charset="utf-8", cte="quoted-printable")
    mail.add_alternative(
        _render(templates, "digest.html.j2", said, config), subtype="html", charset="utf-8", cte="quoted-printable"
    )
    mail["Content-Language"] = "en-GB"
    # The standard library draws a random boundary. "=_" cannot occur in quoted-printable text.
    mail.set_boundary("=_" + _digest("boundary", digest.key))
    return Payload(digest.key, recipient, mail.as_bytes(), "message/rfc822", message_id, said["subject"])


def _sender(digest: Digest, config: EmailConfig) -> str:
    if config.sender is not None:
        return config.sender
    leader = digest.careers_leader
    if leader is not None and usable(leader.email):
        return leader.email
    return f"no-reply@{domain_of(digest.recipient.email)}"


def _reply_to(digest: Digest, config: EmailConfig, sender: str) -> str | None:
    leader = digest.careers_leader
    if config.reply_to is not None or leader is None:
        return config.reply_to
    return leader.email if usable(leader.email) and leader.email != sender else None


def _render(templates: jinja2.Environment, name: str, said: dict[str, Any], config: EmailConfig) -> str:
    try:
        return templates.get_template(name).render(said)
    except jinja2.TemplateSyntaxError as error:
        place = f"{error.name or name} line {error.lineno}"
        sentence = f"Connector {config.name!r}: the template {place} is not valid Jinja2; correct it or remove it."
    except Exception as error:  # a college's template can raise anything
        sentence = (
            f"Connector {config.name!r}: the template {name} could not be rendered ({type(error).__name__}); compare "
            "it with the shipped one, or remove it to use that."
        )
    # Raised outside the handlers: the cause could quote a learner's data.
    raise ConfigError(sentence)


def _policy() -> Any:
    # The standard library would break a long message identifier into encoded words in these two headers.
    registry = HeaderRegistry()
    registry.map_to_type("in-reply-to", MessageIDHeader)  # type: ignore[arg-type]  # typeshed has no base for it
    registry.map_to_type("references", MessageIDHeader)  # type: ignore[arg-type]
    return SMTP.clone(header_factory=registry)


def _identifier(*parts: str, at: str) -> str:
    return f"<{_digest(*parts)}@{at}>"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8")).hexdigest()[:32]
