"""The tables of ProSolution and ProMonitor, as far as they are publicly known.

One definition for all who need one: the queries of the connector, its write-back, and the fake database that the
demonstration and the tests read. No vendor publishes the schema; what stands here was pieced together from what
colleges publish of their own reports. A college names what is different at its own place in its configuration.

A column that is marked *inferred* is not documented anywhere public: the connector uses it where the database has it.
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
"""Where the four places are unless a configuration says otherwise: on SQL Server a database and a schema in it."""

_INFERRED: Final = {"inferred": True}


def _integer(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, **options)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _char(name: str, length: int, **options: Any) -> sa.Column[str]:
    """Return a column that the vendor pads with blanks."""
    return sa.Column(name, sa.CHAR(length), **options)


def _text(name: str, length: int = 100, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Unicode(length), **options)


def _date(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime, **options)


def _flag(name: str, **options: Any) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, **options)


# -- ProSolution ------------------------------------------------------------------------------------------------------

sa.Table(
    "StudentDetail",  # one row for each learner and academic year
    PROSUITE,
    _key("StudentDetailID"),
    _integer("StudentID"),
    _char("RefNo", 12),
    _char("AcademicYearID", 10),
    _text("Surname", 50),
    _text("FirstForename", 50),
    _date("DateOfBirth"),
    _char("Sex", 1),
    _flag("HasEducationHealthCarePlan"),
    _flag("HighNeedsStudent"),
    _flag("CareLeaver"),
    _flag("LookedAfter"),
    _integer("LocalDestinationID"),
    *(_text(f"UserDefined{number}", 255) for number in range(1, 13)),
    _text("LastModifiedBy", 50),
    _date("LastModifiedDate"),
    _text("ULN", 10, info=_INFERRED),
    _text("CollegeEmail", 100, info=_INFERRED),
    sa.Index("IX_StudentDetail_Ref", "RefNo"),
    schema="prosolution",
)

sa.Table(
    "CollegeLevel",  # the tree of faculties, departments and teams
    PROSUITE,
    _key("SID"),
    _integer("ParentSID"),
    _char("Code", 12),
    _text("Name"),
    schema="prosolution",
)

sa.Table(
    "Offering",  # a run of a course
    PROSUITE,
    _key("OfferingID"),
    _char("Code", 24),
    _text("Name", 255),
    _char("AcademicYearID", 10),
    _integer("SID"),
    _integer("SiteID"),
    _char("QualID", 8),
    _integer("OfferingTypeID"),
    _integer("ProgrammeTypeID"),
    _date("StartDate"),
    _date("EndDate"),
    _text("Level", 10, info=_INFERRED),
    schema="prosolution",
)

sa.Table("Site", PROSUITE, _key("SiteID"), _text("Description", info=_INFERRED), schema="prosolution")

sa.Table(
    "Enrolment",
    PROSUITE,
    _key("EnrolmentID"),
    _integer("StudentDetailID", index=True),
    _integer("OfferingID", index=True),
    _integer("OfferingGroupID"),
    _char("CompletionStatusID", 2),
    _char("OutcomeID", 2),
    _text("Grade", 20),
    _date("StartDate"),
    _date("ExpectedEndDate"),
    _date("ActualEndDate"),
    _char("AimTypeID", 2),
    _char("FundingID", 4),
    *(_text(f"UserDefined{number}", 255) for number in range(20, 26)),
    schema="prosolution",
)

sa.Table(
    "Staff",
    PROSUITE,
    _key("StaffID"),
    _integer("SystemUserID"),
    _text("UserName", 50),
    _text("FirstForename", 50, info=_INFERRED),
    _text("Surname", 50, info=_INFERRED),
    _text("Email", 100, info=_INFERRED),
    schema="prosolution",
)

sa.Table(
    "OfferingStaff",
    PROSUITE,
    _integer("OfferingID", primary_key=True, autoincrement=False),
    _integer("StaffID", primary_key=True, autoincrement=False),
    schema="prosolution",
)

sa.Table(
    "LocalDestination",  # the college's own list
    PROSUITE,
    _key("LocalDestinationID"),
    _char("Code", 10),
    _text("Description", 255),
    _flag("Enabled"),
    schema="prosolution",
)

sa.Table(
    "StudentOutcome",  # destinations; it belongs to the person, not to a year
    PROSUITE,
    _key("StudentOutcomeID"),
    _integer("StudentID", index=True),
    _integer("LocalDestinationID"),
    _date("StartDate"),
    _date("EndDate"),
    _date("CollectionDate"),
    _flag("IsActualDestination"),
    _char("ReturnYearID", 10),
    _flag("IncludeInILR"),
    _text("CreatedBy", 50),
    _date("CreatedDate"),
    _text("UserDefined1", 255),
    schema="prosolution",
)

# -- ProMonitor -------------------------------------------------------------------------------------------------------

sa.Table(
    "vStudent",  # a view of the table Student; StudentID is the learner's reference
    PROSUITE,
    _char("StudentID", 12),
    _char("AcademicYearID", 10),
    _key("PMStudentID"),
    sa.Index("IX_vStudent_Student", "StudentID"),
    schema="promonitor",
)

sa.Table("vStaff", PROSUITE, _key("StaffID"), _text("StaffName"), schema="promonitor")

sa.Table(
    "StudentCodeMapping",  # the token of a learner's page; a learner may have several
    PROSUITE,
    _char("StudentID", 12),
    _char("AcademicYearID", 10),
    _text("StudentCode", 50),
    schema="promonitor",
)

sa.Table("Tutorial", PROSUITE, _key("TutorialID"), _integer("TutorialTypeID"), schema="learner_information")

sa.Table(
    "ActionPlan",  # a comment or action about a learner, perhaps within a meeting
    PROSUITE,
    sa.Column("ActionPlanID", sa.Integer, sa.Identity(), primary_key=True),  # the database numbers what is written
    _integer("ActionTypeID"),
    _integer("CommentTypeID"),
    _integer("CommentStaffID"),
    _date("CommentDate", index=True),
    _integer("PMStudentID", index=True),
    _integer("TutorialID", index=True),
    _text("Comment", 4000, info=_INFERRED),
    schema="learner_information",
)

sa.Table(
    "ActionPlan_ActionType",
    PROSUITE,
    _key("ID"),
    _text("ActionDescription"),
    _integer("OrderBy"),
    _flag("IsObsolete"),
    schema="learner_information",
)

sa.Table(
    "ActionPlan_CommentType",
    PROSUITE,
    _key("CommentTypeID"),
    _text("Title"),
    _flag("IsObsolete"),
    schema="learner_information",
)

sa.Table("Badge", PROSUITE, _key("BadgeID"), _text("Name"), schema="learner_information")

sa.Table(
    "BadgeValue",
    PROSUITE,
    _key("BadgeValueID"),
    _integer("BadgeID"),
    _text("Name"),
    _char("BadgeCode", 10),
    _flag("IsObsolete"),
    schema="learner_information",
)

sa.Table(
    "BadgeStudent",
    PROSUITE,
    _integer("PMStudentID", index=True),
    _integer("BadgeValueID"),
    _integer("BadgeID"),
    _date("AuditDateCreated"),
    schema="learner_information",
)

sa.Table("MeetingCategory", PROSUITE, _key("MeetingCategoryID"), _text("MeetingCategoryName"), schema="ilp")

sa.Table(
    "MeetingType",
    PROSUITE,
    _key("MeetingTypeID"),
    _text("MeetingTypeName"),
    _flag("IsObsolete"),
    _integer("MeetingCategoryID"),
    schema="ilp",
)


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
