"""What a ``[[connector]]`` table of type `promonitor` may say."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from sqlalchemy import exc, make_url

from fingerpost import ConnectorConfig, SourceConfig, StreamName
from fingerpost_promonitor._select import PARAMETERS, checked_name, checked_select

Name: TypeAlias = Annotated[str, AfterValidator(checked_name)]
Place: TypeAlias = Literal["prosolution", "promonitor", "learner_information", "ilp"]
QueryName: TypeAlias = Literal[
    "learners", "programmes", "assignments", "meetings", "comments", "badges", "destinations", "responses"
]

_DEFAULT_STREAMS: tuple[StreamName, ...] = ("learners", "programmes", "assignments", "activities", "destinations")


def _checked_location(location: str) -> str:
    if location:
        parts = location.split(".")
        if len(parts) > 2:
            raise ValueError("has more than two parts; write DATABASE.SCHEMA, or SCHEMA alone")
        for part in parts:
            _checked_part(part)
    return location


_PART: Final = re.compile(r"[A-Za-z_][\w$ ]*(?:-[\w$ ]+)*")


def _checked_part(name: str) -> str:
    """Check the name of a database, schema or procedure. It may hold single hyphens, as it is always quoted."""
    if len(name) > 128 or name != name.strip() or not _PART.fullmatch(name):
        raise ValueError(
            "is not a plain name: letters, digits, _, $, spaces, single hyphens, beginning with a letter, at most 128"
        )
    return name


def _without_password(address: str) -> str:
    try:
        url = make_url(address)
    except (exc.ArgumentError, ValueError):  # ValueError: a port that is not a number, and perhaps a password
        raise ValueError("is not a database address; write, say, mssql+pymssql://login@server/ProMonitor") from None
    named = {key.casefold() for key in url.query}
    if url.password or named & {"password", "pwd", "odbc_connect", "sslpassword", "passfile"}:
        raise ValueError(
            'must not hold a password; take it out and write password = { env = "FINGERPOST_SQL_PASSWORD" }'
        )
    return address


Address: TypeAlias = Annotated[str, AfterValidator(_without_password)]
Database: TypeAlias = Annotated[str, AfterValidator(_checked_part)]
Location: TypeAlias = Annotated[str, AfterValidator(_checked_location)]
Select: TypeAlias = Annotated[str, AfterValidator(checked_select)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Procedure(_Table):
    """A stored procedure that returns the rows of a query."""

    procedure: Location = Field(min_length=1, description='Its name, such as "dbo.SPR_Fingerpost_Meetings".')
    database: Database | None = Field(default=None, description="The database that holds it, if not that of the URL.")
    parameters: dict[Name, Literal["academic_year", "since"]] = Field(
        default={name: name for name in PARAMETERS},
        description="What each of its parameters is given, by the parameter's name without @.",
    )


class Tutors(_Table):
    """``[connector.tutors]``: how a learner's tutor and group are found."""

    rule: Literal["offering_staff", "field", "group_table"] = Field(
        default="offering_staff",
        description="offering_staff: the staff of the courses that the learner is enrolled on. field: a column of "
        "StudentDetail. group_table: a table of groups.",
    )
    field: Name | None = Field(default=None, description="For field: the column that names the tutor.")
    group_field: Name | None = Field(default=None, description="For field: the column that names the group.")
    matches: Name = Field(
        default="UserName", description="For field and group_table: the column of Staff in which the tutor is found."
    )
    table: Name | None = Field(default=None, description="For group_table: the table, one row for each learner.")
    place: Place = Field(default="prosolution", description="For group_table: where the table is.")
    reference: Name = Field(default="RefNo", description="For group_table: the column of the learner's reference.")
    academic_year: Name | None = Field(
        default="AcademicYearID", description="For group_table: the column of the academic year."
    )
    group: Name = Field(default="GroupCode", description="For group_table: the column of the group.")
    staff: Name = Field(default="StaffID", description="For group_table: the column that names the tutor.")
    email_domain: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]{2,}$",
        description="Makes addresses of user names: jsmith becomes jsmith@DOMAIN. Without it, Staff.Email is read.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Tutors:
        if self.rule == "field" and self.field is None:
            raise ValueError('needs field = "the column that names the tutor" beside rule = "field"')
        if self.rule == "group_table" and self.table is None:
            raise ValueError('needs table = "the table of groups" beside rule = "group_table"')
        return self


class Screen(_Table):
    """``[[connector.screens]]``: an information screen on which learners or tutors record careers activities."""

    table: Name = Field(description='The table, such as "CareersRecord".')
    place: Place = Field(default="learner_information", description="Where the table is.")
    name: str = Field(
        default="",
        pattern=r"^[a-z0-9_-]{0,40}$",
        description="Tells two entries for one table apart, where a row holds several activities.",
    )
    activity: str | None = Field(
        default=None,
        max_length=60,
        description="What every row is, where no column says so; the mapping reads it as Type.",
    )
    columns: dict[Name, Name] = Field(
        min_length=1,
        description='What the columns hold, by the name that the mapping reads: { Type = "Information1", Date = '
        '"Information2" }.',
    )
    student: Name = Field(default="PMStudentID", description="The column of the learner's key in ProMonitor.")
    key: Name | None = Field(
        default=None, description="The column that numbers the rows. Without it, there is one row for each learner."
    )
    modified: Name | None = Field(default=None, description="The column that says when a row was last changed.")

    @model_validator(mode="after")
    def _typed(self) -> Screen:
        if (self.activity is None) == ("Type" not in self.columns):
            raise ValueError("needs either activity or a column for Type, to say what kind of activity a row is")
        return self


class Responses(_Table):
    """``[connector.responses]``: how a tutor answers to what write-back put on a learner's page."""

    acknowledged: tuple[str, ...] = Field(
        default=(), description='Titles that say "known": { acknowledged = ["Seen by tutor"] }.'
    )
    snoozed: tuple[str, ...] = Field(default=(), description='Titles that say "not now".')
    column: Literal["ActionType", "CommentType"] = Field(
        default="ActionType", description="Which of an item's two types a tutor changes in order to answer."
    )
    until_column: Name | None = Field(
        default=None, description="The column of ActionPlan that holds the last day of a snooze."
    )
    staff_column: Name | None = Field(
        default=None,
        description="The column of ActionPlan that holds the StaffID of whoever answered. Without it nobody is named: "
        "CommentStaffID is whoever wrote the item.",
    )

    @property
    def answers(self) -> dict[str, str]:
        """What each title means; padding and case are ignored."""
        named = {"acknowledged": self.acknowledged, "snoozed": self.snoozed}
        return {_folded(title): answer for answer, titles in named.items() for title in titles}

    @model_validator(mode="after")
    def _distinct(self) -> Responses:
        if {_folded(title) for title in self.acknowledged} & {_folded(title) for title in self.snoozed}:
            raise ValueError("names one title as acknowledged and as snoozed; leave it in one of the two")
        return self


def _folded(title: str) -> str:
    return title.strip().casefold()


class Access(ConnectorConfig):
    """The keys that say where ProMonitor's database is; reading and writing back share them, not their login."""

    url: Address = Field(
        description='The database, without a password: "mssql+pymssql://fingerpost_read@sql01/ProMonitor".'
    )
    password: SecretStr | None = Field(default=None, description="The password of the login, as a secret reference.")
    schemas: dict[Place, Location] = Field(
        default_factory=dict,
        description='Where the tables are, as DATABASE.SCHEMA: { prosolution = "ProSolution.dbo" }. Empty means the '
        "login's own schema.",
    )
    tables: dict[Name, Name] = Field(
        default_factory=dict, description='Other names of tables at your college: { vStudent = "Student" }.'
    )
    timeout: float = Field(default=60.0, ge=1, le=3600, description="Seconds that one statement may take.")


class PromonitorConfig(Access, SourceConfig):
    """The keys of a ``[[connector]]`` table with ``type = "promonitor"``."""

    prosolution_url: Address | None = Field(
        default=None, description="The server of ProSolution, where it is not that of ProMonitor."
    )
    prosolution_password: SecretStr | None = Field(
        default=None, description="The password there, as a secret reference."
    )
    streams: tuple[StreamName, ...] = Field(
        default=_DEFAULT_STREAMS,
        min_length=1,
        description="What to read, beside responses where [connector.responses] is there.",
    )
    activities: tuple[Literal["meetings", "comments", "badges"], ...] = Field(
        default=("meetings", "comments", "badges"), description="What to read activities from, beside the screens."
    )
    screens: tuple[Screen, ...] = Field(default=(), description="Information screens that hold careers activities.")
    academic_years: tuple[Annotated[str, Field(min_length=4, max_length=9)], ...] = Field(
        default=(), description='The years to read, as the database spells them: ["24/25", "25/26"]. Empty means the '
        "current year and the one before it.",
    )  # fmt: skip
    learners: Literal["promonitor", "prosolution"] = Field(
        default="promonitor",
        description="promonitor: learners whom both systems hold. prosolution: everybody in ProSolution.",
    )
    tutors: Tutors = Field(default=Tutors(), description="How a learner's tutor and group are found.")
    queries: dict[QueryName, Select | Procedure] = Field(
        default_factory=dict,
        description='Your own SELECT, or { procedure = "NAME" }, in place of one of ours. It may use '
        ":academic_year and :since.",
    )
    mapping: dict[StreamName, str] = Field(
        default_factory=dict, description="Your own mapping for a stream, by the stream's name."
    )
    comment_modified: Name = Field(
        default="CommentDate", description="The column of ActionPlan that says when a comment was last changed."
    )
    marker_column: Name = Field(
        default="Comment",
        description="The column of ActionPlan in which write-back marks what it wrote, so that it is not read. It is "
        "compared by the database and not fetched.",
    )
    responses: Responses | None = Field(
        default=None, description="How a tutor answers to what was written back. Without it, answers are not read."
    )

    @property
    def wanted(self) -> tuple[StreamName, ...]:
        """The streams to read; responses are read wherever [connector.responses] is there."""
        if self.responses is None or "responses" in self.streams:
            return self.streams
        return (*self.streams, "responses")

    @field_validator("academic_years")
    @classmethod
    def _stripped(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(year.strip() for year in value))

    @model_validator(mode="after")
    def _consistent(self) -> PromonitorConfig:
        names = [(screen.place, screen.table, screen.name) for screen in self.screens]
        if len(set(names)) < len(names):
            raise ValueError("has two screens of one table; give each its own name")
        if self.responses is None and ("responses" in self.streams or "responses" in self.queries):
            raise ValueError(
                'reads responses and lacks [connector.responses] with acknowledged = ["TITLE"] or snoozed = ["TITLE"]'
            )
        if self.responses is not None and not self.responses.answers and "responses" not in self.queries:
            raise ValueError("has [connector.responses] without a title; name one for acknowledged or for snoozed")
        return self
