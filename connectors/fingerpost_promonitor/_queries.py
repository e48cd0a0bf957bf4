"""The reads of the connector: one query for each thing that is read, built from the tables as they are.

Every query can be cut into pages by an ascending number. Nothing but names that the catalogue knows goes into a
statement; what comes from data or configuration is bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from fingerpost import MARK_PATTERN
from fingerpost_promonitor._catalogue import Catalogue, find
from fingerpost_promonitor._config import PromonitorConfig, Responses, Screen

Expression: TypeAlias = "sa.ColumnElement[Any]"

_CLOSED: Final = f"{MARK_PATTERN.removesuffix('%')} closed%"
"""What the text of an item matches that write-back has closed."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "learners": ("AcademicYearID", "RefNo"),
    "programmes": ("EnrolmentID",),
    "assignments": ("AssignmentKey",),
    "meetings": ("TutorialID", "PMStudentID"),
    "comments": ("ActionPlanID",),
    "badges": ("PMStudentID", "BadgeID", "BadgeValueID"),
    "destinations": ("StudentOutcomeID",),
    "responses": ("ActionPlanID",),
}
"""The columns that identify a row of each query; a query of the college's own must give them too."""

OFFERED: Final[Mapping[str, frozenset[str]]] = {
    "learners": frozenset({"RefNo", "AcademicYearID", "ULN", "CollegeEmail", "PageToken"}),
    "programmes": frozenset(
        {"RefNo", "AcademicYearID", "OfferingCode", "OfferingName", "OfferingLevel", "Area", "AreaCode", "Site"}
    ),
    "assignments": frozenset(
        {"RefNo", "AcademicYearID", "GroupCode", "TutorForename", "TutorSurname", "TutorUserName", "TutorEmail",
         "StartDate", "ExpectedEndDate", "ActualEndDate"}
    ),
    "activities": frozenset(
        {"RefNo", "AcademicYearID", "Source", "Type", "Category", "Date", "EndDate", "Staff", "EventKey", "Title",
         "Hours", "State", "Mode", "Organisation", "OrganisationID", "ProviderType", "ViaCourse", "Meaningful",
         "CommentType", "ActionType", "MeetingType", "MeetingCategory", "MeetingObsolete", "Badge", "BadgeValue"}
    ),
    "destinations": frozenset({"RefNo", "AcademicYearID", "DestinationCode", "Destination"}),
    "responses": frozenset({"RefNo", "AcademicYearID", "Until", "Staff"}),
}  # fmt: skip
"""Names that a mapping may read although a college's tables, screens or rules do not give them all."""

OPTIONAL: Final = frozenset({"PageToken", "Until", "Staff"})
"""Those of them that a college may well do without: nobody is told where they are missing."""


@dataclass(frozen=True, slots=True)
class Query:
    """One read.

    `source` is a FROM clause with its joins, `where` what every read of it is limited to. `given` holds its columns by
    the names that a mapping reads, and a name that is not among them is looked for in `tables`, in that order. Rows are
    cut into pages by `number`, which ascends and may repeat; without one they are read in one go. `changed` is when a
    row was last changed, if the database knows. Where `grouped`, rows of one key are taken together. `activity` is what
    every row is, where no column says so, and `values` what the statement's own parameters are.
    """

    name: str
    source: sa.FromClause
    given: Mapping[str, Expression]
    tables: Sequence[sa.FromClause]
    number: Expression | None
    key: tuple[str, ...]
    where: tuple[sa.ColumnElement[bool], ...] = ()
    changed: Expression | None = None
    grouped: bool = False
    activity: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> Expression | None:
        """Return what the mapping calls by this name, or None."""
        if name in self.given:
            return self.given[name]
        return next((found for table in self.tables if (found := find(table, name)) is not None), None)

    def page(self, names: Sequence[str], *, size: int, after: bool, since: bool) -> sa.Select[Any]:
        """Return the statement of one page.

        It takes the parameters ``academic_years``, with `after` the ``after`` of the page before, and with `since` an
        instant ``since``. The last column of a row is its number.
        """
        columns = {name: found for name in names if (found := self.column(name)) is not None}
        conditions = [*self.where]
        having: list[sa.ColumnElement[bool]] = []
        if after and self.number is not None:
            conditions.append(self.number > sa.bindparam("after"))
        if since and self.changed is not None:
            # What was never dated may have changed.
            late = sa.or_(self.changed.is_(None), self.changed >= sa.bindparam("since", type_=sa.DateTime))
            (having if self.grouped else conditions).append(late)
        statement = sa.select(*(found.label(name) for name, found in columns.items())).select_from(self.source)
        if self.grouped:
            single = [
                found for found in (*columns.values(), self.number) if found is not None and not _is_aggregate(found)
            ]
            statement = statement.group_by(*dict.fromkeys(single)).having(*having)
        if self.number is None:
            return statement.where(*conditions)
        statement = statement.add_columns(self.number.label("page_number"))
        return statement.where(self.number.is_not(None), *conditions).order_by(self.number).limit(size)


def _is_aggregate(expression: Expression) -> bool:
    return isinstance(expression, sa.sql.functions.FunctionElement) and expression.name in {"min", "max"}


def trimmed(column: Expression) -> Expression:
    """Strip a padded column in a way that every release of SQL Server knows; TRIM came in 2017."""
    return sa.func.ltrim(sa.func.rtrim(column))


def _plain(column: Expression) -> Expression:
    """Return a number or code as text without padding, so that it equals the same one of another type."""
    return trimmed(sa.cast(column, sa.Unicode(100)))


def _in_years(column: Expression) -> sa.ColumnElement[bool]:
    return trimmed(column).in_(sa.bindparam("academic_years", expanding=True))


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

    It is compared with ProSolution here and not in the database: padded columns of two databases have no index that
    could join them, and a planner without statistics about trimmed texts may take hours where we take a second.
    """
    student, given, where = _student(catalogue)
    return Query("known", student, given, (), student.c.PMStudentID, ("PMStudentID",), where)


def page_tokens(catalogue: Catalogue) -> Query:
    """Return the query of the tokens by which ProMonitor calls learners in the addresses of their pages.

    The table may hold several for one learner and numbers nothing, so it is read in one go.
    """
    code = catalogue.table("StudentCodeMapping").alias("cm")
    given = {"RefNo": trimmed(code.c.StudentID), "AcademicYearID": trimmed(code.c.AcademicYearID),
             "PageToken": trimmed(code.c.StudentCode)}  # fmt: skip
    return Query("tokens", code, given, (), None, (), (_in_years(code.c.AcademicYearID),))


def activity_queries(catalogue: Catalogue, config: PromonitorConfig) -> list[Query]:
    """Return the queries of the activities: of meetings, comments and badges as configured, and of the screens."""
    made = {"meetings": _meetings, "comments": _comments, "badges": _badges}
    wanted = [name for name in config.activities if name not in config.queries]
    return [
        *(made[name](catalogue, config) for name in wanted),
        *(_screen(catalogue, screen) for screen in config.screens),
    ]


# -- ProSolution ------------------------------------------------------------------------------------------------------


def _people(detail: sa.FromClause) -> dict[str, Expression]:
    return {"RefNo": trimmed(detail.c.RefNo), "AcademicYearID": trimmed(detail.c.AcademicYearID)}


def _learners(catalogue: Catalogue) -> Query:
    detail = catalogue.table("StudentDetail").alias("sd")
    return Query(
        "learners", detail, _people(detail), (detail,), detail.c.StudentDetailID, KEYS["learners"],
        (_in_years(detail.c.AcademicYearID),), detail.c.LastModifiedDate,
    )  # fmt: skip


def _programmes(catalogue: Catalogue) -> Query:
    detail = catalogue.table("StudentDetail").alias("sd")
    enrolment, offering = catalogue.table("Enrolment").alias("e"), catalogue.table("Offering").alias("o")
    level, site = catalogue.table("CollegeLevel").alias("cl"), catalogue.table("Site").alias("si")
    source = (
        enrolment.join(detail, detail.c.StudentDetailID == enrolment.c.StudentDetailID)
        .outerjoin(offering, offering.c.OfferingID == enrolment.c.OfferingID)
        .outerjoin(level, level.c.SID == offering.c.SID)
        .outerjoin(site, site.c.SiteID == offering.c.SiteID)
    )
    given = {
        **_people(detail),
        "OfferingCode": trimmed(offering.c.Code),
        "OfferingName": offering.c.Name,
        "Area": level.c.Name,
        "AreaCode": trimmed(level.c.Code),
        **_if_there(offering, OfferingLevel="Level"),
        **_if_there(site, Site="Description"),
    }
    return Query(
        "programmes", source, given, (enrolment, offering, detail), enrolment.c.EnrolmentID, KEYS["programmes"],
        (_in_years(detail.c.AcademicYearID),),
    )  # fmt: skip


def _destinations(catalogue: Catalogue) -> Query:
    """Return the query of destinations: they belong to a person, whose newest year says which learner that is."""
    detail, person = catalogue.table("StudentDetail").alias("sd"), catalogue.table("StudentDetail").alias("person")
    outcome = catalogue.table("StudentOutcome").alias("so")
    destination = catalogue.table("LocalDestination").alias("ld")
    newest = (
        sa.select(person.c.StudentID, sa.func.max(person.c.StudentDetailID).label("StudentDetailID"))
        .where(_in_years(person.c.AcademicYearID))
        .group_by(person.c.StudentID)
        .subquery("newest")
    )
    source = (
        outcome.join(newest, newest.c.StudentID == outcome.c.StudentID)
        .join(detail, detail.c.StudentDetailID == newest.c.StudentDetailID)
        .outerjoin(destination, destination.c.LocalDestinationID == outcome.c.LocalDestinationID)
    )
    given = {
        **_people(detail),
        "DestinationCode": trimmed(destination.c.Code),
        "Destination": destination.c.Description,
    }
    return Query("destinations", source, given, (outcome,), outcome.c.StudentOutcomeID, KEYS["destinations"])


# -- who tutors whom --------------------------------------------------------------------------------------------------


def _key(*parts: Expression) -> Expression:
    """Join numbers and codes to one key of text."""
    texts: list[Expression] = [sa.func.coalesce(_plain(part), sa.bindparam(None, "", sa.Unicode)) for part in parts]
    key = texts[0]
    for text in texts[1:]:
        key = key + sa.bindparam(None, "/", sa.Unicode) + text
    return key


def _tutor(staff: sa.FromClause, config: PromonitorConfig) -> dict[str, Expression]:
    given = {
        "TutorUserName": trimmed(staff.c.UserName),
        **_if_there(staff, TutorForename="FirstForename", TutorSurname="Surname", TutorEmail="Email"),
    }
    if config.tutors.email_domain is not None:
        given["TutorEmail"] = trimmed(staff.c.UserName) + sa.bindparam("email_domain", type_=sa.Unicode)
    return given


def _domain(config: PromonitorConfig) -> dict[str, Any]:
    domain = config.tutors.email_domain
    return {} if domain is None else {"email_domain": f"@{domain}"}


def _by_offering(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    detail = catalogue.table("StudentDetail").alias("sd")
    enrolment, offering = catalogue.table("Enrolment").alias("e"), catalogue.table("Offering").alias("o")
    teaches, staff = catalogue.table("OfferingStaff").alias("os"), catalogue.table("Staff").alias("st")
    source = (
        enrolment.join(detail, detail.c.StudentDetailID == enrolment.c.StudentDetailID)
        .join(offering, offering.c.OfferingID == enrolment.c.OfferingID)
        .outerjoin(teaches, teaches.c.OfferingID == enrolment.c.OfferingID)
        .outerjoin(staff, staff.c.StaffID == teaches.c.StaffID)
    )
    given = {
        **_people(detail),
        "AssignmentKey": _key(enrolment.c.EnrolmentID, teaches.c.StaffID),
        "GroupCode": trimmed(offering.c.Code),
        "StartDate": enrolment.c.StartDate,
        "ExpectedEndDate": enrolment.c.ExpectedEndDate,
        "ActualEndDate": enrolment.c.ActualEndDate,
        **_tutor(staff, config),
    }
    return Query(
        "assignments", source, given, (enrolment, offering, staff), enrolment.c.EnrolmentID, KEYS["assignments"],
        (_in_years(detail.c.AcademicYearID),), values=_domain(config),
    )  # fmt: skip


def _matched(catalogue: Catalogue, config: PromonitorConfig) -> tuple[sa.FromClause, Expression]:
    staff = catalogue.table("Staff").alias("st")
    column = catalogue.column(catalogue.table("Staff"), config.tutors.matches, what="[connector.tutors] matches")
    return staff, _plain(staff.c[column.name])


def _by_field(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    staff, matches = _matched(catalogue, config)
    table = catalogue.table("StudentDetail")
    detail = table.alias("sd")
    tutor = catalogue.column(table, str(config.tutors.field), what="[connector.tutors] field")
    named = _plain(detail.c[tutor.name])
    given = {
        **_people(detail), "AssignmentKey": _key(detail.c.StudentDetailID), "TutorField": named, **_tutor(staff, config)
    }  # fmt: skip
    if config.tutors.group_field is not None:
        group = catalogue.column(table, config.tutors.group_field, what="[connector.tutors] group_field")
        given["GroupCode"] = _plain(detail.c[group.name])
    return Query(
        "assignments", detail.outerjoin(staff, matches == named), given, (detail, staff), detail.c.StudentDetailID,
        KEYS["assignments"], (_in_years(detail.c.AcademicYearID),), values=_domain(config),
    )  # fmt: skip


def _by_group_table(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of a group table, which nothing numbers: it is read in one go."""
    rule = config.tutors
    staff, matches = _matched(catalogue, config)
    table = catalogue.own_table(rule.place, str(rule.table))
    keys = ("reference", "group", "staff", "academic_year")
    named = {key: name for key in keys if (name := getattr(rule, key)) is not None}
    columns = {key: catalogue.column(table, name, what=f"[connector.tutors] {key}").name for key, name in named.items()}
    member = table.alias("g")
    texts = {key: _plain(member.c[column]) for key, column in columns.items()}
    given = {
        "RefNo": texts["reference"],
        "GroupCode": texts["group"],
        "AssignmentKey": _key(*(member.c[column] for column in columns.values())),
        **_tutor(staff, config),
    }
    where: tuple[sa.ColumnElement[bool], ...] = ()
    if "academic_year" in columns:
        given["AcademicYearID"] = texts["academic_year"]
        where = (_in_years(member.c[columns["academic_year"]]),)
    return Query(
        "assignments", member.outerjoin(staff, matches == texts["staff"]), given, (staff,), None, KEYS["assignments"],
        where, values=_domain(config),
    )  # fmt: skip


# -- ProMonitor -------------------------------------------------------------------------------------------------------


def _student(catalogue: Catalogue) -> tuple[sa.FromClause, dict[str, Expression], tuple[sa.ColumnElement[bool], ...]]:
    student = catalogue.table("vStudent").alias("v")
    given = {"RefNo": trimmed(student.c.StudentID), "AcademicYearID": trimmed(student.c.AcademicYearID),
             "PMStudentID": student.c.PMStudentID}  # fmt: skip
    return student, given, (_in_years(student.c.AcademicYearID),)


def _not_ours(
    catalogue: Catalogue, config: PromonitorConfig, plan: sa.FromClause
) -> tuple[tuple[sa.ColumnElement[bool], ...], dict[str, Any]]:
    """Leave out what write-back wrote; the text is compared by the server and does not leave it."""
    table = catalogue.table("ActionPlan")
    if "marker_column" not in config.model_fields_set and find(table, config.marker_column) is None:
        return (), {}
    text = plan.c[catalogue.column(table, config.marker_column, what="marker_column").name]
    return (sa.or_(text.is_(None), text.not_like(_bound("mark"))),), {"mark": MARK_PATTERN}


def _bound(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Unicode)


def _meetings(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of meetings: known by the comments made in it, a meeting is one activity, however many."""
    student, given, where = _student(catalogue)
    plan, tutorial = catalogue.table("ActionPlan").alias("a"), catalogue.table("Tutorial").alias("t")
    kind, category = catalogue.table("MeetingType").alias("mt"), catalogue.table("MeetingCategory").alias("mc")
    staff = catalogue.table("vStaff").alias("vs")
    changed = catalogue.column(catalogue.table("ActionPlan"), config.comment_modified, what="comment_modified")
    source = (
        plan.join(tutorial, tutorial.c.TutorialID == plan.c.TutorialID)
        .join(student, student.c.PMStudentID == plan.c.PMStudentID)
        .outerjoin(kind, kind.c.MeetingTypeID == tutorial.c.TutorialTypeID)
        .outerjoin(category, category.c.MeetingCategoryID == kind.c.MeetingCategoryID)
        .outerjoin(staff, staff.c.StaffID == plan.c.CommentStaffID)
    )
    given |= {
        "TutorialID": tutorial.c.TutorialID,
        "EventKey": tutorial.c.TutorialID,
        "Type": kind.c.MeetingTypeName,
        "Category": category.c.MeetingCategoryName,
        "MeetingType": kind.c.MeetingTypeName,
        "MeetingCategory": category.c.MeetingCategoryName,
        "MeetingObsolete": kind.c.IsObsolete,
        "Date": sa.func.min(plan.c.CommentDate),
        "Staff": sa.func.min(staff.c.StaffName),
    }
    theirs, values = _not_ours(catalogue, config, plan)
    return Query(
        "meetings", source, given, (tutorial,), tutorial.c.TutorialID, KEYS["meetings"], (*where, *theirs),
        sa.func.max(plan.c[changed.name]), grouped=True, values=values,
    )  # fmt: skip


def _comments(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of comments and actions: a row may be both, and each of its types may say what it was."""
    student, given, where = _student(catalogue)
    plan, tutorial = catalogue.table("ActionPlan").alias("a"), catalogue.table("Tutorial").alias("t")
    comment, action = (
        catalogue.table("ActionPlan_CommentType").alias("ct"),
        catalogue.table("ActionPlan_ActionType").alias("at"),
    )
    kind, category = catalogue.table("MeetingType").alias("mt"), catalogue.table("MeetingCategory").alias("mc")
    staff = catalogue.table("vStaff").alias("vs")
    changed = catalogue.column(catalogue.table("ActionPlan"), config.comment_modified, what="comment_modified")
    source = (
        plan.join(student, student.c.PMStudentID == plan.c.PMStudentID)
        .outerjoin(comment, comment.c.CommentTypeID == plan.c.CommentTypeID)
        .outerjoin(action, plan.c.ActionTypeID == action.c.ID)
        .outerjoin(tutorial, tutorial.c.TutorialID == plan.c.TutorialID)
        .outerjoin(kind, kind.c.MeetingTypeID == tutorial.c.TutorialTypeID)
        .outerjoin(category, category.c.MeetingCategoryID == kind.c.MeetingCategoryID)
        .outerjoin(staff, staff.c.StaffID == plan.c.CommentStaffID)
    )
    given |= {
        "EventKey": plan.c.TutorialID,
        "Category": category.c.MeetingCategoryName,
        "CommentType": comment.c.Title,
        "ActionType": action.c.ActionDescription,
        "MeetingType": kind.c.MeetingTypeName,
        "MeetingCategory": category.c.MeetingCategoryName,
        "MeetingObsolete": kind.c.IsObsolete,
        "Date": plan.c.CommentDate,
        "Staff": staff.c.StaffName,
    }
    theirs, values = _not_ours(catalogue, config, plan)
    return Query(
        "comments", source, given, (plan,), plan.c.ActionPlanID, KEYS["comments"], (*where, *theirs),
        plan.c[changed.name], values=values,
    )  # fmt: skip


def _badges(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of badges: one that was given twice is one activity, on the day when it was given first."""
    student, given, where = _student(catalogue)
    given_to, badge = catalogue.table("BadgeStudent").alias("bs"), catalogue.table("Badge").alias("b")
    value = catalogue.table("BadgeValue").alias("bv")
    source = (
        given_to.join(student, student.c.PMStudentID == given_to.c.PMStudentID)
        .outerjoin(badge, badge.c.BadgeID == given_to.c.BadgeID)
        .outerjoin(value, value.c.BadgeValueID == given_to.c.BadgeValueID)
    )
    given |= {
        "BadgeID": given_to.c.BadgeID,
        "BadgeValueID": given_to.c.BadgeValueID,
        "Badge": badge.c.Name,
        "BadgeValue": value.c.Name,
        "Date": sa.func.min(given_to.c.AuditDateCreated),
    }
    return Query(
        "badges", source, given, (), given_to.c.PMStudentID, KEYS["badges"], where,
        sa.func.max(given_to.c.AuditDateCreated), grouped=True,
    )  # fmt: skip


def _screen(catalogue: Catalogue, screen: Screen) -> Query:
    student, given, where = _student(catalogue)
    table = catalogue.own_table(screen.place, screen.table)
    what = f"[[connector.screens]] {screen.table}"
    columns = {name: catalogue.column(table, column, what=what).name for name, column in screen.columns.items()}
    owner = catalogue.column(table, screen.student, what=what).name
    number = owner if screen.key is None else catalogue.column(table, screen.key, what=what).name
    by_text = isinstance(table.c[number].type, sa.String)  # where 'a' is 'A', only the server can tell pages apart
    changed = None if screen.modified is None else catalogue.column(table, screen.modified, what=what).name
    page = table.alias("s")
    given |= {name: page.c[column] for name, column in columns.items()}
    given["RowKey"] = page.c[number]
    name = f"{screen.table}-{screen.name}" if screen.name else screen.table
    return Query(
        name, page.join(student, student.c.PMStudentID == page.c[owner]), given, (),
        None if by_text else page.c[number], ("RowKey",), where, None if changed is None else page.c[changed],
        activity=screen.activity,
    )  # fmt: skip


def _responses(catalogue: Catalogue, config: PromonitorConfig) -> Query:
    """Return the query of what tutors may have answered: a row for each open item of ours.

    The answer comes out as the title that the tutor chose. An item may stand on the page of a year that is not read, so
    the years do not limit it.
    """
    rule = config.responses or Responses()
    student, given, _ = _student(catalogue)
    table = catalogue.table("ActionPlan")
    plan = table.alias("a")
    text = plan.c[catalogue.column(table, config.marker_column, what="marker_column").name]
    source = plan.join(student, student.c.PMStudentID == plan.c.PMStudentID)
    if rule.column == "ActionType":
        kind = catalogue.table("ActionPlan_ActionType").alias("at")
        source, title = source.outerjoin(kind, plan.c.ActionTypeID == kind.c.ID), kind.c.ActionDescription
    else:
        kind = catalogue.table("ActionPlan_CommentType").alias("ct")
        source, title = source.outerjoin(kind, kind.c.CommentTypeID == plan.c.CommentTypeID), kind.c.Title
    given |= {"ActionPlanID": plan.c.ActionPlanID, "Response": title}
    if rule.until_column is not None:
        given["Until"] = plan.c[catalogue.column(table, rule.until_column, what="until_column").name]
    if rule.staff_column is not None:
        staff = catalogue.table("vStaff").alias("vs")
        who = plan.c[catalogue.column(table, rule.staff_column, what="staff_column").name]
        source = source.outerjoin(staff, _plain(staff.c.StaffID) == _plain(who))
        given["Staff"] = staff.c.StaffName
    return Query(
        "responses", source, given, (), plan.c.ActionPlanID, KEYS["responses"],
        (text.like(_bound("mark")), text.not_like(_bound("closed"))), values={"mark": MARK_PATTERN, "closed": _CLOSED},
    )  # fmt: skip


def _if_there(table: sa.FromClause, **columns: str) -> dict[str, Expression]:
    """Return those columns, by the names that a mapping reads, that this database has."""
    return {name: table.c[column] for name, column in columns.items() if column in table.c}
