"""The canonical careers record: what Fingerpost knows about a learner, one model for each stream.

These are the targets of mappings. A field that no source feeds is None: unknown is not false. The description of a
field that comes from the ILR gives its name there (ILR specification 2025-26).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from fingerpost._contract.messages import StreamName

_Ref: TypeAlias = Annotated[str, Field(min_length=1, max_length=40)]
_Uln: TypeAlias = Annotated[str, Field(pattern=r"^[1-9][0-9]{9}$")]
_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]
_Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=300)]
_Code: TypeAlias = Annotated[str, Field(min_length=1, max_length=60)]
_Email: TypeAlias = Annotated[str, Field(pattern=r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\"]+$", max_length=254)]

TEMPORARY_ULN = "9999999999"
"""What the ILR has for a ULN that is not known yet (ILR field ULN); it identifies nobody."""

SCHEMA_VERSION = 3
"""Raised when a model changes, so that unchanged rows are read again."""


class CanonicalRecord(BaseModel):
    """The base of the six models: strict about names, with spaces stripped and input never shown in an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    stream: ClassVar[StreamName]

    learner_ref: _Ref | None = Field(
        default=None, description="The provider's own reference for the learner (ILR LearnRefNumber), without padding."
    )
    uln: _Uln | None = Field(
        default=None, description="Unique learner number (ILR ULN); 9999999999 means that it is not known yet."
    )

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Show the learner's reference, and nothing else."""
        yield "learner_ref", self.learner_ref


class Learner(CanonicalRecord):
    """A person who learns at the college. Each source has a row; the merged learner is made from all."""

    stream: ClassVar[StreamName] = "learners"

    given_names: _Name | None = Field(default=None, description="Given names (ILR GivenNames).")
    family_name: _Name | None = Field(default=None, description="Family name (ILR FamilyName).")
    date_of_birth: date | None = Field(default=None, description="Date of birth (ILR DateOfBirth).")
    email: _Email | None = Field(default=None, description="The learner's e-mail address (ILR Email).")
    ehc_plan: bool | None = Field(
        default=None,
        description="Has a current education, health and care plan (ILR LearnerFAM EHC1). Extends the entitlement to "
        "careers guidance from 18 to 25.",
    )
    looked_after: bool | None = Field(default=None, description="Is looked after by a local authority.")
    care_leaver: bool | None = Field(default=None, description="Has left care.")
    intended_destination: _Text | None = Field(default=None, description="What the learner wants to do next.")
    intended_occupation: _Text | None = Field(default=None, description="The occupation the learner has in mind.")
    soc_code: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = Field(
        default=None, description="The four-digit SOC code of the intended occupation."
    )
    page_token: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="What the ILP calls the learner in the address of their page; `[alerts] learner_page` uses it.",
    )
    previous_ref: _Ref | None = Field(
        default=None, description="What the provider called the learner before (ILR PrevLearnRefNumber)."
    )
    previous_ukprn: Annotated[str, Field(pattern=r"^[1-9][0-9]{7}$")] | None = Field(
        default=None, description="The provider of that reference (ILR PrevUKPRN); None means the same one."
    )


class Programme(CanonicalRecord):
    """A learner's enrolment on one programme; a learner may have several."""

    stream: ClassVar[StreamName] = "programmes"

    academic_year: Annotated[str, Field(pattern=r"^20[0-9]{2}/[0-9]{2}$")] | None = Field(
        default=None, description="The academic year in which the source reports it, spelt 2025/26."
    )
    code: _Code | None = Field(default=None, description="The college's code for the course, or an aim reference.")
    title: _Text | None = Field(default=None, description="The name of the programme.")
    level: Annotated[str, Field(max_length=10)] | None = Field(default=None, description="Level: E, 1 to 8.")
    mode: Literal["full_time", "part_time"] | None = Field(default=None, description="Full or part time.")
    type: (
        Literal["study_programme", "t_level", "apprenticeship", "traineeship", "supported_internship", "adult", "other"]
        | None
    ) = Field(default=None, description="The type of programme (ILR FundModel and ProgType).")
    area: _Text | None = Field(default=None, description="Curriculum area or department.")
    site: _Text | None = Field(default=None, description="The site or campus.")
    starts_on: date = Field(description="First day (ILR LearnStartDate).")
    planned_end: date | None = Field(default=None, description="Planned last day (ILR LearnPlanEndDate).")
    actual_end: date | None = Field(default=None, description="Actual last day (ILR LearnActEndDate).")
    status: Literal["continuing", "completed", "withdrawn", "on_break"] | None = Field(
        default=None, description="How far the learner has got (ILR CompStatus 1, 2, 3, 6)."
    )


class Assignment(CanonicalRecord):
    """Who tutors whom, and who belongs to which group.

    A learner with a tutor, a learner in a group, a group with a tutor, or all at once. Nothing else says who gets a
    digest: the ILR does not name tutors.
    """

    stream: ClassVar[StreamName] = "assignments"

    group: _Code | None = Field(default=None, description="The tutor group or class.")
    tutor_name: _Name | None = Field(default=None, description="The member of staff.")
    tutor_email: _Email | None = Field(default=None, description="Where a digest for them goes.")
    role: Literal["tutor", "cover", "careers_leader"] = Field(default="tutor", description="Their role.")
    starts_on: date | None = Field(default=None, description="First day; None means always.")
    ends_on: date | None = Field(default=None, description="Last day; None means still.")


class Activity(CanonicalRecord):
    """Any careers event: a talk, a placement, a guidance meeting, the use of labour market information.

    Its subject is a learner, a group (everybody who belongs to it on the day, less those marked as missed) or a
    programme (everybody enrolled on it on the day).
    """

    stream: ClassVar[StreamName] = "activities"

    subject: Literal["learner", "group", "programme"] = Field(default="learner", description="Whom it was for.")
    group: _Code | None = Field(default=None, description="The group, where the subject is one.")
    programme: _Code | None = Field(default=None, description="The programme's code, where the subject is one.")
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = Field(
        description="What kind of activity it was; `kinds.toml` lists them."
    )
    title: _Text | None = Field(default=None, description="What it was called.")
    starts_on: date = Field(description="The day, or the first day of a period.")
    ends_on: date | None = Field(default=None, description="The last day of a period.")
    hours: Annotated[float, Field(ge=0, le=2000)] | None = Field(
        default=None, description="Length in hours, at most 2,000 (ILR WorkPlaceHours, which are planned hours)."
    )
    state: Literal["planned", "attended", "missed", "cancelled"] = Field(
        default="attended", description="Its state; only attended activities count."
    )
    via_curriculum: bool | None = Field(default=None, description="It was part of the learner's course.")
    mode: Literal["in_person", "virtual", "mixed", "simulated"] | None = Field(
        default=None, description="How it was held (ILR WorkPlaceMode 1 is simulated)."
    )
    organisation: _Text | None = Field(default=None, description="The employer or provider.")
    organisation_id: _Code | None = Field(default=None, description="Its number (ILR WorkPlaceEmpId), if known.")
    provider_type: (
        Literal["sixth_form", "fe_college", "university", "training_provider", "apprenticeship_provider", "other"]
        | None
    ) = Field(default=None, description="What kind of provider of education or training it is.")
    sector: _Text | None = Field(default=None, description="The employer's sector.")
    size: Literal["self_employed", "micro", "small", "medium", "large"] | None = Field(
        default=None, description="The employer's size by staff: micro to 9, small to 49, medium to 249."
    )
    meaningful: bool | None = Field(
        default=None, description="The college's own judgement that it was meaningful; None if nobody recorded one."
    )
    purpose: bool | None = Field(default=None, description="It had a clear purpose, shared with host and learner.")
    outcomes: bool | None = Field(default=None, description="It had learning outcomes that fit the learner.")
    two_way: bool | None = Field(default=None, description="Learner and host talked to each other.")
    range_of_people: bool | None = Field(default=None, description="The learner met a range of people.")
    task: bool | None = Field(default=None, description="The learner did a task that the host set.")
    feedback: bool | None = Field(default=None, description="The host gave feedback on it.")
    reflection: bool | None = Field(default=None, description="There was time to reflect afterwards.")
    met_staff: bool | None = Field(default=None, description="The learner met staff of the provider.")
    met_learners: bool | None = Field(default=None, description="The learner met learners of the provider.")
    stem: bool | None = Field(default=None, description="It was about science, technology, engineering or maths.")
    adviser_level: Annotated[int, Field(ge=1, le=8)] | None = Field(
        default=None, description="The level of the careers adviser's qualification; 6 is the standard."
    )
    recorded_by: _Name | None = Field(default=None, description="Who recorded it.")
    event_key: _Code | None = Field(
        default=None, description="A key that all records of one event share, so that it counts once."
    )


CHECKLIST: tuple[str, ...] = (
    "purpose", "outcomes", "two_way", "range_of_people", "task", "feedback", "reflection", "met_staff", "met_learners",
)  # fmt: skip
"""The elements of "meaningful" in the updated Gatsby Benchmarks, each three-valued: yes, no, not recorded."""


class Destination(CanonicalRecord):
    """Where a learner intends to go, or went."""

    stream: ClassVar[StreamName] = "destinations"

    stage: Literal["intended", "actual"] = Field(default="actual", description="What the record is about.")
    type: (
        Literal[
            "traineeship",
            "apprenticeship",
            "supported_internship",
            "further_education",
            "higher_education",
            "employment",
            "self_employment",
            "gap_year",
            "not_employed_looking",
            "not_employed_not_looking",
            "voluntary_work",
            "supported_living",
            "independent_living",
            "returning_home",
            "long_term_care",
            "other",
            "not_known",
        ]
        | None
    ) = Field(default=None, description="What it is (ILR OutType and OutCode); not_known is not a destination.")
    title: _Text | None = Field(default=None, description="Course, employer or free words.")
    starts_on: date | None = Field(default=None, description="First day (ILR OutStartDate).")
    ends_on: date | None = Field(default=None, description="Last day (ILR OutEndDate).")
    collected_on: date | None = Field(default=None, description="When it was collected (ILR OutCollDate).")


class Response(CanonicalRecord):
    """A tutor's answer to our item on a learner's page in the ILP.

    It covers everything that was open for the learner when it was first read, and nothing later.
    """

    stream: ClassVar[StreamName] = "responses"

    response: Literal["none", "acknowledged", "snoozed"] = Field(
        description="none takes an earlier answer back. acknowledged: known, silent unless it changes. snoozed: "
        "not now."
    )
    until: date | None = Field(
        default=None,
        description="The last day of a snooze, at most six weeks after it was first read; without one it is two weeks.",
    )
    recorded_by: _Name | None = Field(default=None, description="Who answered.")


MODELS: dict[StreamName, type[CanonicalRecord]] = {
    model.stream: model for model in (Learner, Programme, Assignment, Activity, Destination, Response)
}
"""The model of each stream."""
