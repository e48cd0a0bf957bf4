"""The channel itself: which transport, which templates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import ClassVar, Literal

from fingerpost import (
    Channel,
    ConfigError,
    ConnectorConfig,
    Context,
    ContractError,
    Digest,
    DigestLearner,
    DigestLine,
    DigestSource,
    Finding,
    FingerpostError,
    Item,
    Payload,
    Person,
    Receipt,
    hookimpl,
)
from fingerpost_email._config import EmailConfig
from fingerpost_email._files import FileOutbox
from fingerpost_email._message import TEMPLATES, environment, message
from fingerpost_email._smtp import SmtpTransport


class EmailChannel(Channel):
    """Send digests by e-mail, or write them to a folder as `.eml` files.

    A message is rendered once; every delivery sends those very bytes.
    """

    name: ClassVar[str] = "email"
    Config: ClassVar[type[ConnectorConfig]] = EmailConfig
    accepts: ClassVar[Literal["digest", "gap_item"]] = "digest"
    config: EmailConfig

    def __init__(self, config: EmailConfig, *, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(config)
        self._sleep = sleep

    @hookimpl
    def check(self, context: Context) -> Iterator[Finding]:
        """Try the folder or the mail server, and the templates; write and send nothing."""
        yield from self._transport(context).check()
        try:
            message(_SAMPLE, context, self.config, environment(self._templates(context)))
        except FingerpostError as error:
            yield Finding("error", error.message)

    @hookimpl
    def render(self, item: Item, context: Context) -> Payload:
        """Render a digest to the bytes of one message.

        Raises `RecordError` for a recipient address that is not one plain address, `ConfigError` for a template that
        cannot be rendered and `ContractError` for an item that is not a digest.
        """
        if not isinstance(item, Digest):
            raise ContractError("The email channel delivers digests to people, not items to an ILP page.")
        return message(item, context, self.config, environment(self._templates(context)))

    @hookimpl
    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Deliver messages and yield one receipt for each."""
        return self._transport(context).deliver(payloads)

    @hookimpl
    def reconcile(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Look for messages in the folder; a mail server cannot be asked what became of one."""
        return self._transport(context).reconcile(payloads)

    def _transport(self, context: Context) -> FileOutbox | SmtpTransport:
        if self.config.transport == "smtp":
            return SmtpTransport(self.config, context, self._sleep)
        return FileOutbox(context.base_dir / self.config.path)

    def _templates(self, context: Context) -> Path | None:
        if self.config.templates is None:
            return None
        folder = context.base_dir / self.config.templates
        # Falling back in silence would leave the college believing that its own words are sent.
        if not any((folder / name).is_file() for name in TEMPLATES):
            raise ConfigError(
                f"Connector {self.config.name!r}: `templates` ({folder}) holds neither {' nor '.join(TEMPLATES)}; "
                "put one there, or leave the key out."
            )
        return folder


# What `check` renders: every part of a digest once, about nobody.
_SAMPLE_LINE = DigestLine(
    "sample", "sample", "new", "sample", "1 of 2 meetings with employers this year", "A talk or visit",
    due=date(2026, 7, 31), overdue=True, booked="Careers fair, 12 March 2026",
)  # fmt: skip
_SAMPLE_LEARNER = DigestLearner("A. Sample", "000000", "Group", (_SAMPLE_LINE,), link="https://ilp.example.ac.uk/")
_SAMPLE = Digest(
    key="sample", recipient=Person("A. Tutor", "a.tutor@example.ac.uk"), role="tutor", college="Sample College",
    academic_year="2025/26", as_of=date(2026, 3, 2), learners=(_SAMPLE_LEARNER,), closed=(_SAMPLE_LEARNER,),
    on_track=1, group_size=4, cannot_tell=1, sources=(DigestSource("mis", "2 March 2026", stale=True),),
    careers_leader=Person("Careers", "careers@example.ac.uk"), record_where="the ILP",
    unreachable=(Person("A. Former", "a.former@example.ac.uk"),),
)  # fmt: skip
