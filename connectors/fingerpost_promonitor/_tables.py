"""The tables of ProSolution and ProMonitor, as far as they are publicly known.

One definition serves everybody: the queries of the connector, its write-back, and the fake database that the
demonstration and the tests read. No vendor publishes the schema; this one was pieced together from the reports that
colleges publish. A college whose tables differ says so in its configuration.

A column marked *inferred* is documented nowhere in public: the connector uses it where the database has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

PROSUITE: Final = sa.MetaData()
"""Every table, in one of four places: ``prosolution``, ``promonitor``, ``learner_information`` and ``ilp``."""

SCHEMAS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "mssql": {
        "prosolution": "ProSolution.dbo",
        "promonitor": "ProMonitor.dbo",
        "learner_information": "ProMonitor.LearnerInformation",
        "ilp": "ProMonitor.ILP",
    },
    "postgresql": {
        "prosolution": "ProSolution",
        "promonitor": "ProMonitor",
        "learner_information": "LearnerInformation",
        "ilp": "ILP",
    },
    "sqlite": dict.fromkeys(("prosolution", "promonitor", "learner_information", "ilp")),
}
"""Where the four places are by default: on SQL Server a database and a schema in it."""

_INFERRED: Final = {"inferred": True}


def _table(place: str, name: str, *contents: sa.Column[Any] | sa.Index) -> None:
    sa.Table(name, PROSUITE, *contents, schema=place)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _char(name: str, length: int) -> sa.Column[str]:
    """Return a column that the vendor pads with spaces."""
    return sa.Column(name, sa.CHAR(length))


def _text(name: str, length: int = 100, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Unicode(length), **options)


def _integer(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, **options)


def _date(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime, **options)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean)


# One row for each learner and academic year.
_table(
    "prosolution", "StudentDetail",
    _key("StudentDetailID"), _integer("StudentID"), _char("RefNo", 12), _char("AcademicYearID", 10),
    _text("Surname", 50), _text("FirstForename", 50), _date("DateOfBirth"), _char("Sex", 1),
    *map(_flag, ("HasEducationHealthCarePlan", "HighNeedsStudent", "CareLeaver", "LookedAfter")),
    _integer("LocalDestinationID"),
    *(_text(f"UserDefined{number}", 255) for number in range(1, 13)),
    _text("LastModifiedBy", 50), _date("LastModifiedDate"),
    _text("ULN", 10, info=_INFERRED), _text("CollegeEmail", 100, info=_INFERRED),
    sa.Index("IX_StudentDetail_Ref", "RefNo"),
)  # fmt: skip

# The tree of faculties, departments and teams.
_table("prosolution", "CollegeLevel", _key("SID"), _integer("ParentSID"), _char("Code", 12), _text("Name"))

# A course as it runs in one year.
_table(
    "prosolution", "Offering",
    _key("OfferingID"), _char("Code", 24), _text("Name", 255), _char("AcademicYearID", 10), _integer("SID"),
    _integer("SiteID"), _char("QualID", 8), _integer("OfferingTypeID"), _integer("ProgrammeTypeID"),
    _date("StartDate"), _date("EndDate"), _text("Level", 10, info=_INFERRED),
)  # fmt: skip

_table("prosolution", "Site", _key("SiteID"), _text("Description", info=_INFERRED))

_table(
    "prosolution", "Enrolment",
    _key("EnrolmentID"), _integer("StudentDetailID", index=True), _integer("OfferingID", index=True),
    _integer("OfferingGroupID"), _char("CompletionStatusID", 2), _char("OutcomeID", 2), _text("Grade", 20),
    _date("StartDate"), _date("ExpectedEndDate"), _date("ActualEndDate"), _char("AimTypeID", 2), _char("FundingID", 4),
    *(_text(f"UserDefined{number}", 255) for number in range(20, 26)),
)  # fmt: skip

_table(
    "prosolution", "Staff",
    _key("StaffID"), _integer("SystemUserID"), _text("UserName", 50), _text("FirstForename", 50, info=_INFERRED),
    _text("Surname", 50, info=_INFERRED), _text("Email", 100, info=_INFERRED),
)  # fmt: skip

_table("prosolution", "OfferingStaff", _key("OfferingID"), _key("StaffID"))

# The college's own list.
_table(
    "prosolution", "LocalDestination",
    _key("LocalDestinationID"), _char("Code", 10), _text("Description", 255), _flag("Enabled"),
)  # fmt: skip

# Destinations; they belong to the person, not to a year.
_table(
    "prosolution", "StudentOutcome",
    _key("StudentOutcomeID"), _integer("StudentID", index=True), _integer("LocalDestinationID"),
    _date("StartDate"), _date("EndDate"), _date("CollectionDate"), _flag("IsActualDestination"),
    _char("ReturnYearID", 10), _flag("IncludeInILR"), _text("CreatedBy", 50), _date("CreatedDate"),
    _text("UserDefined1", 255),
)  # fmt: skip

# -- ProMonitor -------------------------------------------------------------------------------------------------------

# A view of the table Student; StudentID is the learner's reference.
_table(
    "promonitor", "vStudent",
    _char("StudentID", 12), _char("AcademicYearID", 10), _key("PMStudentID"),
    sa.Index("IX_vStudent_Student", "StudentID"),
)  # fmt: skip

_table("promonitor", "vStaff", _key("StaffID"), _text("StaffName"))

# The token of a learner's page; a learner may have several.
_table(
    "promonitor", "StudentCodeMapping", _char("StudentID", 12), _char("AcademicYearID", 10), _text("StudentCode", 50)
)

_table("learner_information", "Tutorial", _key("TutorialID"), _integer("TutorialTypeID"))

# A comment or action about a learner, perhaps within a meeting.
_table(
    "learner_information", "ActionPlan",
    sa.Column("ActionPlanID", sa.Integer, sa.Identity(), primary_key=True),  # the database numbers what is written
    _integer("ActionTypeID"), _integer("CommentTypeID"), _integer("CommentStaffID"), _date("CommentDate", index=True),
    _integer("PMStudentID", index=True), _integer("TutorialID", index=True), _text("Comment", 4000, info=_INFERRED),
)  # fmt: skip

_table(
    "learner_information", "ActionPlan_ActionType",
    _key("ID"), _text("ActionDescription"), _integer("OrderBy"), _flag("IsObsolete"),
)  # fmt: skip

_table("learner_information", "ActionPlan_CommentType", _key("CommentTypeID"), _text("Title"), _flag("IsObsolete"))

_table("learner_information", "Badge", _key("BadgeID"), _text("Name"))

_table(
    "learner_information", "BadgeValue",
    _key("BadgeValueID"), _integer("BadgeID"), _text("Name"), _char("BadgeCode", 10), _flag("IsObsolete"),
)  # fmt: skip

_table(
    "learner_information", "BadgeStudent",
    _integer("PMStudentID", index=True), _integer("BadgeValueID"), _integer("BadgeID"), _date("AuditDateCreated"),
)  # fmt: skip

_table("ilp", "MeetingCategory", _key("MeetingCategoryID"), _text("MeetingCategoryName"))

_table(
    "ilp", "MeetingType",
    _key("MeetingTypeID"), _text("MeetingTypeName"), _flag("IsObsolete"), _integer("MeetingCategoryID"),
)  # fmt: skip


def table_named(name: str) -> sa.Table:
    """Return the definition of a table by the vendor's name for it."""
    return next(table for table in PROSUITE.tables.values() if table.name == name)


def is_inferred(column: sa.Column[Any]) -> bool:
    """Say whether a database may well lack this column."""
    return bool(column.info.get("inferred"))


def located(table: sa.Table, schemas: Mapping[str, str | None], names: Mapping[str, str] | None = None) -> sa.Table:
    """Return a table as one database has it: in its schema there, and under its name there."""
    name, schema = (names or {}).get(table.name, table.name), schemas[table.schema or ""]
    return table.to_metadata(sa.MetaData(), schema=schema, name=name)  # type: ignore[arg-type]  # None is a schema
