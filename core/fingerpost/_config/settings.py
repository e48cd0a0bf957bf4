"""The settings of `fingerpost.toml`: one model for each table, with its defaults.

The connectors' own tables are validated by the class that the host found for them; see `reader`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _is_address(text: str) -> bool:
    return text.count("@") == 1 and text.strip() == text and "." in text.split("@")[1]


class CollegeSettings(_Table):
    """``[college]``: the college itself."""

    name: str = Field(min_length=1, description="The college's name, as digests show it.")
    ukprn: int = Field(ge=10000000, le=99999999, description="The UK provider reference number, eight digits.")
    former_ukprns: tuple[int, ...] = Field(
        default=(), description="Numbers of colleges that merged into this one: the crosswalk may name their learners."
    )
    timezone: str = Field(default="Europe/London", description="The zone of source times without one.")
    as_of: date | None = Field(
        default=None, description="Judge every run as of this day instead of today. For demonstrations and tests."
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("is not a time zone; write one such as Europe/London") from error
        return value


class StoreSettings(_Table):
    """``[store]``: where records are kept. One college is one SQLite file or one PostgreSQL schema."""

    path: Path = Field(default=Path("fingerpost.db"), description="The SQLite file, on a local disk.")
    url: str | dict[str, str] | None = Field(
        default=None,
        description="A postgresql:// address instead of `path`; give it as a secret reference if it holds a password.",
    )


class NetworkSettings(_Table):
    """``[network]``: the way out to the web. Certificates are always verified."""

    proxy: str | None = Field(default=None, description="http://host:port of the web proxy.")
    ca_file: Path | None = Field(
        default=None, description="A PEM file of extra certificate authorities, besides the operating system's own."
    )
    timeout: float = Field(default=30.0, gt=0, le=600, description="The most seconds that one request may take.")


class IdentitySettings(_Table):
    """``[identity]``: how one learner is recognised in several systems."""

    crosswalk: Path | None = Field(
        default=None, description="A CSV file with the columns ukprn, learner_ref, same_as_ukprn, same_as_learner_ref."
    )


class BenchmarkSettings(_Table):
    """``[benchmarks]``: the framework, and what the college decides for itself."""

    framework: str = Field(default="gatsby-colleges-2025", description="The name of a framework.")
    meaningful_unrecorded: Literal["count", "unknown"] = Field(
        default="count",
        description="Whether an activity counts, marked as such, if nobody recorded how meaningful it was, or "
        "leaves the learner unknown.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Numbers that the framework leaves to the college, by name."
    )


class AlertSettings(_Table):
    """``[alerts]``: who gets digests, where and how often."""

    careers_leader: str | None = Field(
        default=None, description="The careers leader's e-mail address; learners without a tutor go there."
    )
    careers_leader_name: str = Field(default="Careers leader", description="How digests address the careers leader.")
    allowed_domains: tuple[str, ...] = Field(
        default=(), description="Domains that may get messages. Empty means the domain of `careers_leader`."
    )
    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday"] = Field(
        default="monday", description="The day from which a week's digest may go out; at most one a week."
    )
    learners_per_digest: int = Field(default=25, ge=1, le=200, description="Learners listed in full; more are counted.")
    show_names: Literal["full", "first_and_initial", "reference"] = Field(
        default="first_and_initial", description="How a digest names a learner."
    )
    record_where: str | None = Field(
        default=None, description='Where tutors should record activities, such as "the careers page in ProMonitor".'
    )
    learner_page: str | None = Field(
        default=None,
        description="The address of a learner's page in the ILP, with {token} (the ILP's name for the page) or "
        "{reference} in its place; digests link to it.",
    )
    max_age_hours: float = Field(default=48.0, gt=0, description="Hours after which an undelivered digest is dropped.")
    same_person: dict[str, str] = Field(
        default_factory=dict,
        description="For people whose address has changed: the old address, and the one that took its place.",
    )

    def address_now(self, address: str) -> str:
        """Return the address that a person uses now, in lower case."""
        address = address.lower()
        while address in self.same_person:
            address = self.same_person[address]
        return address

    def addresses_of(self, address: str) -> tuple[str, ...]:
        """Return an address that is in use now, and every one that it took the place of."""
        return (address, *(old for old in self.same_person if self.address_now(old) == address))

    @field_validator("same_person")
    @classmethod
    def _no_circle(cls, value: dict[str, str]) -> dict[str, str]:
        newer: dict[str, str] = {}
        for old, new in ((old.lower(), new.lower()) for old, new in value.items()):
            if not _is_address(old) or not _is_address(new):
                raise ValueError('holds something that is not an e-mail address; write { "old@…" = "new@…" }')
            if newer.setdefault(old, new) != new:
                raise ValueError("gives one old address two new ones, which differ only in case; keep one")
        for start in newer:
            passed, address = {start}, newer[start]
            while address in newer and address not in passed:
                passed.add(address)
                address = newer[address]
            if address in passed:
                raise ValueError("leads in a circle; let every old address lead to the one that is in use now")
        return newer

    @field_validator("careers_leader")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not _is_address(value):
            raise ValueError("is not an e-mail address")
        return value

    @field_validator("learner_page")
    @classmethod
    def _page(cls, value: str | None) -> str | None:
        if value is None:
            return None
        filled = value.replace("{token}", "x").replace("{reference}", "x")
        try:
            parts, host = urlsplit(filled), urlsplit(value).hostname
        except ValueError:
            raise ValueError("is not an address") from None
        if parts.scheme != "https" or not parts.hostname or parts.username is not None:
            raise ValueError("must begin with https:// and the ILP's own host name")
        if filled == value or set("{}") & {*(host or ""), *filled} or "@" in parts.netloc:
            raise ValueError("needs {token} or {reference} after the host, and no other braces")
        return value


class LabourMarketSettings(_Table):
    """``[labour_market]``: facts about the occupations that learners have in mind."""

    cache: Path = Field(
        default=Path("labour-market.db"), description="The file in which the services' answers are remembered."
    )
    region: str | None = Field(
        default=None, description='The region of the figures shown, by name: "West Midlands". Empty: the UK.'
    )
    soc_version: Literal[2010, 2020] = Field(
        default=2020, description="The SOC edition of the codes of learners and the crosswalk."
    )
    crosswalk: Path | None = Field(
        default=None, description="A CSV file with the columns occupation and soc: what learners write, and its code."
    )
    keep_days: dict[str, int] = Field(
        default_factory=dict, description="Days after which a kind of fact is fetched again: { pay = 90, vacancy = 1 }."
    )
    in_digests: bool = Field(default=True, description="Whether digests show a line about the occupation in mind.")


class PrivacySettings(_Table):
    """``[privacy]``: what is never read and how long things are kept."""

    never_ingest: tuple[str, ...] = Field(
        default=(), description="Source columns that are never read: a mapping or key that uses one is refused."
    )
    quarantine_days: int = Field(default=30, ge=1, le=365, description="Days that a rejected record is kept.")


class LoggingSettings(_Table):
    """``[logging]``: what is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least severe level.")
    json_lines: bool = Field(default=False, alias="json", description="One JSON object a line instead of text.")


class Settings(_Table):
    """A whole `fingerpost.toml`, except for the connectors' own keys."""

    college: CollegeSettings
    store: StoreSettings = StoreSettings()
    network: NetworkSettings = NetworkSettings()
    identity: IdentitySettings = IdentitySettings()
    benchmarks: BenchmarkSettings = BenchmarkSettings()
    alerts: AlertSettings = AlertSettings()
    labour_market: LabourMarketSettings = LabourMarketSettings()
    privacy: PrivacySettings = PrivacySettings()
    logging: LoggingSettings = LoggingSettings()
    precedence: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="For a field of the learner, or for tutor: connector names, the most trusted first.",
    )
    connector: tuple[dict[str, Any], ...] = Field(default=(), description="The connectors, in order of trust.")
