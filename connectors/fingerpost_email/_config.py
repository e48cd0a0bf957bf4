"""What a ``[[connector]]`` table with ``type = "email"`` may say."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from fingerpost import ConnectorConfig
from fingerpost_email._address import usable

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class EmailConfig(ConnectorConfig):
    """The keys of the e-mail channel.

    The default writes `.eml` files and sends nothing, so that a college sees its digests before anybody else does.
    """

    transport: Literal["file", "smtp"] = Field(
        default="file", description='"file" writes each message to a folder; "smtp" sends it.'
    )
    path: Path = Field(default=Path("outbox"), description='The folder of the messages, for transport = "file".')
    sender: str | None = Field(
        default=None, description='The address that messages come from. Needed for transport = "smtp".'
    )
    sender_name: str | None = Field(
        default=None, max_length=60, description='The name beside `sender`; by default "Careers at" and the college.'
    )
    reply_to: str | None = Field(default=None, description="Where answers go; by default to the careers leader.")
    host: str | None = Field(default=None, description="The mail server.")
    port: int | None = Field(
        default=None, ge=1, le=65535, description='The port; by default 587, and 465 where security = "tls".'
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description='"starttls" (required, never skipped), "tls" from the first byte, or "none" for a mail server on '
        "this machine.",
    )
    username: str | None = Field(default=None, description="The user to sign in as, if the server wants one.")
    password: SecretStr | None = Field(default=None, description="The password, as a secret reference.")
    ca_file: Path | None = Field(
        default=None, description="A PEM file of extra certificate authorities, beside the operating system's own."
    )
    timeout: float = Field(default=60.0, gt=0, le=600, description="Seconds to wait for each answer of the server.")
    final_timeout: float = Field(
        default=600.0,
        gt=0,
        le=3600,
        description="Seconds to wait for the answer to a whole message. Ten minutes, as RFC 5321 asks: a sender that "
        "gives up sooner cannot know whether the message was taken.",
    )
    per_minute: int = Field(
        default=30, ge=1, le=6000, description="Messages a minute; Microsoft 365 takes 30 from one mailbox."
    )
    templates: Path | None = Field(
        default=None, description="A folder with your own digest.html.j2 or digest.txt.j2, instead of the shipped ones."
    )

    @field_validator("sender", "reply_to")
    @classmethod
    def _one_address(cls, value: str | None) -> str | None:
        if value is not None and not usable(value):
            raise ValueError('is not one plain e-mail address; write one such as "careers@example.ac.uk"')
        return value

    @field_validator("host")
    @classmethod
    def _host_name(cls, value: str | None) -> str | None:
        if value is not None and not _HOST.fullmatch(value) and not _is_loopback(value):
            raise ValueError('is not a host name; write one such as "smtp.example.ac.uk", without http:// and port')
        return value

    @field_validator("password")
    @classmethod
    def _ascii_password(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().isascii():
            raise ValueError("holds letters that SMTP sign-in cannot carry; use ASCII characters only")
        return value

    @model_validator(mode="after")
    def _complete(self) -> EmailConfig:
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` go together; give both or neither")
        if self.transport == "smtp":
            if self.host is None:
                raise ValueError('transport = "smtp" needs `host`, the name of the mail server')
            if self.sender is None:
                raise ValueError('transport = "smtp" needs `sender`, the address that messages come from')
            if self.security == "none" and not _is_loopback(self.host):
                raise ValueError(
                    'security = "none" is for a mail server on this machine (localhost) only, since learners\' names '
                    'would cross the network unencrypted; use "starttls" or "tls"'
                )
        return self

    @property
    def effective_port(self) -> int:
        """The port to connect to, with the default of the chosen security."""
        return self.port or (465 if self.security == "tls" else 587)
