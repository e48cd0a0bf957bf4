"""One read of a database, and the names that its rows and the mappings share.

Nothing but names that the catalogue knows goes into a statement; values from data or configuration are bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from fingerpost import MARK_PATTERN
from fingerpost_promonitor._catalogue import find

Expression: TypeAlias = "sa.ColumnElement[Any]"
Conditions: TypeAlias = "tuple[sa.ColumnElement[bool], ...]"

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
"""The columns that identify a row of each query; a query of the college's own must return them too."""

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
"""Names that a mapping may read, although not every college's tables, screens and rules provide them all."""

OPTIONAL: Final = frozenset({"PageToken", "Until", "Staff", "StartDate", "ExpectedEndDate", "ActualEndDate"})
"""Those of them that a college may well do without: their absence is not reported."""


@dataclass(frozen=True, slots=True)
class Query:
    """One read.

    `source` is a FROM clause with its joins, and `where` limits every read of it. `given` holds its columns by the
    names that a mapping reads; a name that is not among them is looked for in `tables`, in that order. Rows are cut
    into pages by `number`, which ascends and may repeat; without one they are read in one go. `changed` is when a row
    was last changed, if the database knows. Where `grouped`, the rows of one key are merged. `activity` is the type of
    every row where no column holds it.
    """

    name: str
    source: sa.FromClause
    given: Mapping[str, Expression]
    tables: Sequence[sa.FromClause]
    number: Expression | None
    key: tuple[str, ...]
    where: Conditions = ()
    changed: Expression | None = None
    grouped: bool = False
    activity: str | None = None

    def column(self, name: str) -> Expression | None:
        """Return the column that the mapping knows by this name, or None."""
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
            # A row without a date may have changed.
            late = sa.or_(self.changed.is_(None), self.changed >= sa.bindparam("since", type_=sa.DateTime))
            (having if self.grouped else conditions).append(late)
        statement = sa.select(*(found.label(name) for name, found in columns.items())).select_from(self.source)
        if self.grouped:
            plain = [one for one in (*columns.values(), self.number) if one is not None and not _is_aggregate(one)]
            statement = statement.group_by(*dict.fromkeys(plain)).having(*having)
        if self.number is None:
            return statement.where(*conditions)
        statement = statement.add_columns(self.number.label("page_number"))
        return statement.where(self.number.is_not(None), *conditions).order_by(self.number).limit(size)


def _is_aggregate(expression: Expression) -> bool:
    return isinstance(expression, sa.FunctionElement) and expression.name in {"min", "max"}


def trimmed(column: Expression) -> Expression:
    """Strip a padded column in a way that every release of SQL Server knows; TRIM came in 2017."""
    return sa.func.ltrim(sa.func.rtrim(column))


def as_text(column: Expression) -> Expression:
    """Return a number or code as text without padding, so that it equals the same one of another type."""
    return trimmed(sa.cast(column, sa.Unicode(100)))


def bound_text(name: str | None, value: str | None) -> sa.BindParameter[str]:
    """Bind a text as Unicode: a driver may otherwise replace the letters that its code page lacks."""
    return sa.bindparam(name, value, type_=sa.Unicode)


def is_open_item(text: Expression) -> Conditions:
    """Limit a read to the items that write-back wrote and has not closed."""
    return (
        text.like(bound_text("mark", MARK_PATTERN)),
        text.not_like(bound_text("closed", f"{MARK_PATTERN.removesuffix('%')} closed%")),
    )


def in_years(column: Expression) -> sa.ColumnElement[bool]:
    """Limit a read to the academic years that it is asked for."""
    return trimmed(column).in_(sa.bindparam("academic_years", expanding=True))
