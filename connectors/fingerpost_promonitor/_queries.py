"""The queries of the connector: one for each thing that is read, built from the tables as the database has them."""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import sqlalchemy as sa

from fingerpost import MARK_PATTERN
from fingerpost_promonitor._catalogue import Catalogue, find
from fingerpost_promonitor._config import PromonitorConfig, Responses, Screen
from fingerpost_promonitor._query import (
    KEYS,
    Conditions,
    Expression,
    Query,
    as_text,
    bound_text,
    in_years,
    is_open_item,
    trimmed,
)


def query_for(name: str, catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of a stream other than the activities."""
    if name == "assignments":
        rules = {"offering_staff": _by_offering, "field": _by_field, "group_table": _by_group_table}
        return rules[config.tutors.rule](catalogue, config)
    if name == "responses":
        return _responses(catalogue, config)
    return {"learners": _learners, "programmes": _programmes, "destinations": _destinations}[name](catalogue)


def known_learners(catalogue: Catalogue) -> Query:
    """Return the query of the learners whom ProMonitor knows.

    The caller compares them with ProSolution's, not the database: padded columns of two databases have no index that
    could join them, and a planner without statistics about trimmed texts may take hours where we take a second.
    """
    student, given, where = _student(catalogue)
    return Query("known", student, given, (), student.c.PMStudentID, ("PMStudentID",), where)


def page_tokens(catalogue: Catalogue) -> Query:
    """Return the query of the tokens by which ProMonitor identifies learners in the addresses of their pages.

    The table may hold several for one learner and numbers nothing, so it is read in one go.
    """
    (code,) = _tables(catalogue, "StudentCodeMapping")
    given = {"RefNo": trimmed(code.c.StudentID), "AcademicYearID": trimmed(code.c.AcademicYearID),
             "PageToken": trimmed(code.c.StudentCode)}  # fmt: skip
    return Query("tokens", code, given, (), None, (), (in_years(code.c.AcademicYearID),))


def activity_queries(catalogue: Catalogue, config: PromonitorConfig) -> list[Query]:
    """Return the queries of the activities: of meetings, comments and badges as configured, and of the screens."""
    build = {"meetings": _meetings, "comments": _comments, "badges": _badges}
    return [
        *(build[name](catalogue, config) for name in config.activities if name not in config.queries),
        *(_screen(catalogue, screen) for screen in config.screens),
    ]


def _tables(catalogue: Catalogue, *names: str) -> list[sa.FromClause]:
    """Return tables under names of this statement alone: SQL Server deprecates columns named in four parts."""
    return [catalogue.table(name).alias() for name in names]


def _if_there(table: sa.FromClause, **columns: str) -> dict[str, Expression]:
    """Return those columns, by the names that a mapping reads, that this database has."""
    return {name: table.c[column] for name, column in columns.items() if column in table.c}


# -- ProSolution ------------------------------------------------------------------------------------------------------


def _person(detail: sa.FromClause) -> dict[str, Expression]:
    return {"RefNo": trimmed(detail.c.RefNo), "AcademicYearID": trimmed(detail.c.AcademicYearID)}


def _learners(catalogue: Catalogue) -> Query:
    (detail,) = _tables(catalogue, "StudentDetail")
    return Query(
        "learners", detail, _person(detail), (detail,), detail.c.StudentDetailID, KEYS["learners"],
        (in_years(detail.c.AcademicYearID),), detail.c.LastModifiedDate,
    )  # fmt: skip


def _programmes(catalogue: Catalogue) -> Query:
    detail, enrolment, offering, level, site = _tables(
        catalogue, "StudentDetail", "Enrolment", "Offering", "CollegeLevel", "Site"
    )
    source = (
        enrolment.join(detail, detail.c.StudentDetailID == enrolment.c.StudentDetailID)
        .outerjoin(offering, offering.c.OfferingID == enrolment.c.OfferingID)
        .outerjoin(level, level.c.SID == offering.c.SID)
        .outerjoin(site, site.c.SiteID == offering.c.SiteID)
    )
    given = {
        **_person(detail),
        "OfferingCode": trimmed(offering.c.Code),
        "OfferingName": offering.c.Name,
        "Area": level.c.Name,
        "AreaCode": trimmed(level.c.Code),
        **_if_there(offering, OfferingLevel="Level"),
        **_if_there(site, Site="Description"),
    }
    return Query(
        "programmes", source, given, (enrolment, offering, detail), enrolment.c.EnrolmentID, KEYS["programmes"],
        (in_years(detail.c.AcademicYearID),),
    )  # fmt: skip


def _destinations(catalogue: Catalogue) -> Query:
    """Return the query of destinations: they belong to a person, and that person's newest year says which learner."""
    detail, person, outcome, destination = _tables(
        catalogue, "StudentDetail", "StudentDetail", "StudentOutcome", "LocalDestination"
    )
    newest = (
        sa.select(person.c.StudentID, sa.func.max(person.c.StudentDetailID).label("StudentDetailID"))
        .where(in_years(person.c.AcademicYearID))
        .group_by(person.c.StudentID)
        .subquery("newest")
    )
    source = (
        outcome.join(newest, newest.c.StudentID == outcome.c.StudentID)
        .join(detail, detail.c.StudentDetailID == newest.c.StudentDetailID)
        .outerjoin(destination, destination.c.LocalDestinationID == outcome.c.LocalDestinationID)
    )
    given = {
        **_person(detail), "DestinationCode": trimmed(destination.c.Code), "Destination": destination.c.Description
    }  # fmt: skip
    return Query("destinations", source, given, (outcome,), outcome.c.StudentOutcomeID, KEYS["destinations"])


# -- who tutors whom --------------------------------------------------------------------------------------------------


def _joined(*parts: Expression) -> Expression:
    """Join numbers and codes to one key of text."""
    texts: list[Expression] = [sa.func.coalesce(as_text(part), bound_text(None, "")) for part in parts]
    return functools.reduce(lambda key, text: key + bound_text(None, "/") + text, texts)


def _tutor(staff: sa.FromClause, config: PromonitorConfig) -> dict[str, Expression]:
    user_name, domain = trimmed(staff.c.UserName), config.tutors.email_domain
    given = {
        "TutorUserName": user_name,
        **_if_there(staff, TutorForename="FirstForename", TutorSurname="Surname", TutorEmail="Email"),
    }
    if domain is not None:
        given["TutorEmail"] = user_name + bound_text("email_domain", f"@{domain}")
    return given


def _by_offering(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    detail, enrolment, offering, teaches, staff = _tables(
        catalogue, "StudentDetail", "Enrolment", "Offering", "OfferingStaff", "Staff"
    )
    source = (
        enrolment.join(detail, detail.c.StudentDetailID == enrolment.c.StudentDetailID)
        .join(offering, offering.c.OfferingID == enrolment.c.OfferingID)
        .outerjoin(teaches, teaches.c.OfferingID == enrolment.c.OfferingID)
        .outerjoin(staff, staff.c.StaffID == teaches.c.StaffID)
    )
    given = {
        **_person(detail),
        "AssignmentKey": _joined(enrolment.c.EnrolmentID, teaches.c.StaffID),
        "GroupCode": trimmed(offering.c.Code),
        **{name: enrolment.c[name] for name in ("StartDate", "ExpectedEndDate", "ActualEndDate")},
        **_tutor(staff, config),
    }
    return Query(
        "assignments", source, given, (enrolment, offering, staff), enrolment.c.EnrolmentID, KEYS["assignments"],
        (in_years(detail.c.AcademicYearID),),
    )  # fmt: skip


def _staff_by(catalogue: Catalogue, config: PromonitorConfig) -> tuple[sa.FromClause, Expression]:
    """Return the staff, and the column in which a tutor is found."""
    (staff,) = _tables(catalogue, "Staff")
    column = catalogue.column(catalogue.table("Staff"), config.tutors.matches, what="[connector.tutors] matches")
    return staff, as_text(staff.c[column.name])


def _by_field(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    staff, matches = _staff_by(catalogue, config)
    table, (detail,) = catalogue.table("StudentDetail"), _tables(catalogue, "StudentDetail")
    tutor = catalogue.column(table, str(config.tutors.field), what="[connector.tutors] field")
    named = as_text(detail.c[tutor.name])
    given = {
        **_person(detail), "AssignmentKey": _joined(detail.c.StudentDetailID), "TutorField": named,
        **_tutor(staff, config),
    }  # fmt: skip
    if config.tutors.group_field is not None:
        group = catalogue.column(table, config.tutors.group_field, what="[connector.tutors] group_field")
        given["GroupCode"] = as_text(detail.c[group.name])
    return Query(
        "assignments", detail.outerjoin(staff, matches == named), given, (detail, staff), detail.c.StudentDetailID,
        KEYS["assignments"], (in_years(detail.c.AcademicYearID),),
    )  # fmt: skip


def _by_group_table(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of a group table, which has no number to cut it into pages by."""
    rule = config.tutors
    staff, matches = _staff_by(catalogue, config)
    table = catalogue.own_table(rule.place, str(rule.table))
    keys = ("reference", "group", "staff", "academic_year")
    named = {key: name for key in keys if (name := getattr(rule, key)) is not None}
    columns = {key: catalogue.column(table, name, what=f"[connector.tutors] {key}").name for key, name in named.items()}
    member = table.alias()
    texts = {key: as_text(member.c[column]) for key, column in columns.items()}
    given = {
        "RefNo": texts["reference"],
        "GroupCode": texts["group"],
        "AssignmentKey": _joined(*(member.c[column] for column in columns.values())),
        **_tutor(staff, config),
    }
    where: Conditions = ()
    if "academic_year" in columns:
        given["AcademicYearID"] = texts["academic_year"]
        where = (in_years(member.c[columns["academic_year"]]),)
    return Query(
        "assignments", member.outerjoin(staff, matches == texts["staff"]), given, (staff,), None, KEYS["assignments"],
        where,
    )  # fmt: skip


# -- ProMonitor -------------------------------------------------------------------------------------------------------


def _student(catalogue: Catalogue) -> tuple[sa.FromClause, dict[str, Expression], Conditions]:
    (student,) = _tables(catalogue, "vStudent")
    given = {"RefNo": trimmed(student.c.StudentID), "AcademicYearID": trimmed(student.c.AcademicYearID),
             "PMStudentID": student.c.PMStudentID}  # fmt: skip
    return student, given, (in_years(student.c.AcademicYearID),)


class _Plan(NamedTuple):
    """ActionPlan, joined with the learner, the meeting and the member of staff of each row."""

    rows: sa.FromClause
    meetings: sa.FromClause
    source: sa.Join
    given: dict[str, Expression]
    where: Conditions
    changed: Expression


def _action_plan(catalogue: Catalogue, config: PromonitorConfig, *, in_meetings: bool) -> _Plan:
    """Return what meetings and comments share; what write-back wrote is left out.

    The text that tells is compared by the server and does not leave it.
    """
    student, given, where = _student(catalogue)
    plan, meeting, kind, category, staff = _tables(
        catalogue, "ActionPlan", "Tutorial", "MeetingType", "MeetingCategory", "vStaff"
    )
    source = (
        plan.join(student, student.c.PMStudentID == plan.c.PMStudentID)
        .join(meeting, meeting.c.TutorialID == plan.c.TutorialID, isouter=not in_meetings)
        .outerjoin(kind, kind.c.MeetingTypeID == meeting.c.TutorialTypeID)
        .outerjoin(category, category.c.MeetingCategoryID == kind.c.MeetingCategoryID)
        .outerjoin(staff, staff.c.StaffID == plan.c.CommentStaffID)
    )
    given |= {
        "EventKey": plan.c.TutorialID,
        "Category": category.c.MeetingCategoryName,
        "MeetingType": kind.c.MeetingTypeName,
        "MeetingCategory": category.c.MeetingCategoryName,
        "MeetingObsolete": kind.c.IsObsolete,
        "Date": plan.c.CommentDate,
        "Staff": staff.c.StaffName,
    }
    if "marker_column" in config.model_fields_set or find(plan, config.marker_column) is not None:
        text = _plan_column(catalogue, plan, config.marker_column, "marker_column")
        where = (*where, sa.or_(text.is_(None), text.not_like(bound_text("mark", MARK_PATTERN))))
    changed = _plan_column(catalogue, plan, config.comment_modified, "comment_modified")
    return _Plan(plan, meeting, source, given, where, changed)


def _plan_column(catalogue: Catalogue, plan: sa.FromClause, name: str, what: str) -> Expression:
    """Return a column of ActionPlan that the configuration names."""
    column: Expression = plan.c[catalogue.column(catalogue.table("ActionPlan"), name, what=what).name]
    return column


def _with_type(
    catalogue: Catalogue, plan: sa.FromClause, source: sa.Join, name: Literal["ActionType", "CommentType"]
) -> tuple[sa.Join, Expression]:
    """Join one of the two types that a row of ActionPlan may have, and return its title as well."""
    key, title = {"ActionType": ("ID", "ActionDescription"), "CommentType": ("CommentTypeID", "Title")}[name]
    (kind,) = _tables(catalogue, f"ActionPlan_{name}")
    return source.outerjoin(kind, kind.c[key] == plan.c[f"{name}ID"]), kind.c[title]


def _meetings(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of meetings: a meeting is one activity, however many comments were made in it."""
    plan = _action_plan(catalogue, config, in_meetings=True)
    number = plan.meetings.c.TutorialID
    given = {
        **plan.given,
        "TutorialID": number,
        "EventKey": number,
        "Type": plan.given["MeetingType"],
        "Date": sa.func.min(plan.given["Date"]),
        "Staff": sa.func.min(plan.given["Staff"]),
    }
    return Query(
        "meetings", plan.source, given, (plan.meetings,), number, KEYS["meetings"], plan.where,
        sa.func.max(plan.changed), grouped=True,
    )  # fmt: skip


def _comments(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of comments and actions: a row may be both, and each of its types may say what it was."""
    plan = _action_plan(catalogue, config, in_meetings=False)
    source, comment = _with_type(catalogue, plan.rows, plan.source, "CommentType")
    source, action = _with_type(catalogue, plan.rows, source, "ActionType")
    given = {**plan.given, "CommentType": comment, "ActionType": action}
    return Query(
        "comments", source, given, (plan.rows,), plan.rows.c.ActionPlanID, KEYS["comments"], plan.where, plan.changed
    )


def _badges(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of badges: one that was awarded twice is one activity, on the day of the first award."""
    student, given, where = _student(catalogue)
    award, badge, value = _tables(catalogue, "BadgeStudent", "Badge", "BadgeValue")
    source = (
        award.join(student, student.c.PMStudentID == award.c.PMStudentID)
        .outerjoin(badge, badge.c.BadgeID == award.c.BadgeID)
        .outerjoin(value, value.c.BadgeValueID == award.c.BadgeValueID)
    )
    given |= {
        "BadgeID": award.c.BadgeID,
        "BadgeValueID": award.c.BadgeValueID,
        "Badge": badge.c.Name,
        "BadgeValue": value.c.Name,
        "Date": sa.func.min(award.c.AuditDateCreated),
    }
    return Query(
        "badges", source, given, (), award.c.PMStudentID, KEYS["badges"], where,
        sa.func.max(award.c.AuditDateCreated), grouped=True,
    )  # fmt: skip


def _screen(catalogue: Catalogue, screen: Screen) -> Query:
    student, given, where = _student(catalogue)
    table = catalogue.own_table(screen.place, screen.table)

    def name_of(column: str) -> str:
        return catalogue.column(table, column, what=f"[[connector.screens]] {screen.table}").name

    columns = {name: name_of(column) for name, column in screen.columns.items()}
    owner = name_of(screen.student)
    number = owner if screen.key is None else name_of(screen.key)
    changed = None if screen.modified is None else name_of(screen.modified)
    by_text = isinstance(table.c[number].type, sa.String)  # where 'a' is 'A', only the server can tell pages apart
    rows = table.alias()
    given |= {name: rows.c[column] for name, column in columns.items()}
    given["RowKey"] = rows.c[number]
    return Query(
        f"{screen.table}-{screen.name}" if screen.name else screen.table,
        rows.join(student, student.c.PMStudentID == rows.c[owner]), given, (), None if by_text else rows.c[number],
        ("RowKey",), where, None if changed is None else rows.c[changed], activity=screen.activity,
    )  # fmt: skip


def _responses(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of what tutors may have answered: a row for each open item of ours.

    The answer comes out as the title that the tutor chose. An item may stand on the page of a year that is not read, so
    the years do not limit it.
    """
    rule = config.responses or Responses()
    student, given, _ = _student(catalogue)
    (plan,) = _tables(catalogue, "ActionPlan")
    text = _plan_column(catalogue, plan, config.marker_column, "marker_column")
    source = plan.join(student, student.c.PMStudentID == plan.c.PMStudentID)
    source, title = _with_type(catalogue, plan, source, rule.column)
    given |= {"ActionPlanID": plan.c.ActionPlanID, "Response": title}
    if rule.until_column is not None:
        given["Until"] = _plan_column(catalogue, plan, rule.until_column, "until_column")
    if rule.staff_column is not None:
        (staff,) = _tables(catalogue, "vStaff")
        who = _plan_column(catalogue, plan, rule.staff_column, "staff_column")
        source = source.outerjoin(staff, as_text(staff.c.StaffID) == as_text(who))
        given["Staff"] = staff.c.StaffName
    return Query("responses", source, given, (), plan.c.ActionPlanID, KEYS["responses"], is_open_item(text))
