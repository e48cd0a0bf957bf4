"""Make the ProSolution and ProMonitor databases of a college that does not exist.

The demonstration and the tests read them. The tables are those that are publicly known, plus two of the kind that every
college adds: a table of tutor groups and an information screen on which careers activities are kept. Everything follows
from the seed. It is as untidy as the real thing: references padded with blanks, a row for each learner and year,
obsolete types, doubled codes, and NULL wherever the database lets it stand.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from fingerpost import ConfigError
from fingerpost_cli._fake_college import _FAMILY, _GIVEN, AS_OF, _ulns
from fingerpost_promonitor import PROSUITE, SCHEMAS, located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["CONNECTOR", "WRITEBACK", "FakeProSuite", "build"]

CONNECTOR: Final = """\
[[connector]]
type = "promonitor"
name = "promonitor"
url = "{url}"
feeds = ["employer_encounter", "workplace_experience", "provider_encounter", "guidance_meeting", "lmi_use"]

[connector.tutors]
rule = "offering_staff"
email_domain = "example.ac.uk"

[connector.responses]
acknowledged = ["Seen by tutor"]
snoozed = ["Not now"]

[[connector.screens]]
table = "CareersRecord"
key = "ID"
modified = "LastModifiedDate"
columns = { Type = "Information1", Date = "Information2", Hours = "Information3", Organisation = "Information4", \
State = "Information6" }
"""
"""The configuration that reads what `build` makes; ``{url}`` stands for the address."""

WRITEBACK: Final = """\
[[connector]]
type = "promonitor-writeback"
name = "promonitor-writeback"
url = "{url}"
write = true
ceiling = 5000
values = { CommentTypeID = 4, CommentStaffID = 1 }
"""
"""The configuration that writes gaps back to it, as comments of the type Support by the first member of staff."""

_CHUNK: Final = 5_000
_DOMAIN: Final = "example.ac.uk"

_COLLEGE: Final = sa.MetaData()
"""Tables of the kind that a college makes for itself."""

sa.Table(
    "TutorGroup",
    _COLLEGE,
    sa.Column("RefNo", sa.CHAR(12)),
    sa.Column("AcademicYearID", sa.CHAR(10)),
    sa.Column("GroupCode", sa.CHAR(12)),
    sa.Column("StaffID", sa.Integer),
    schema="prosolution",
)
sa.Table(
    "CareersRecord",  # an information screen: what its fields mean is known to the college alone
    _COLLEGE,
    sa.Column("ID", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("PMStudentID", sa.Integer, index=True),
    *(sa.Column(f"Information{number}", sa.Unicode(4000)) for number in range(1, 9)),
    sa.Column("LastModifiedDate", sa.DateTime, index=True),
    schema="learner_information",
)
sa.Table(
    "Progression",
    _COLLEGE,
    sa.Column("PMStudentID", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("Information1", sa.Unicode(4000)),
    schema="learner_information",
)

_AREAS: Final = (
    ("HSC", "Health and Care"), ("CON", "Construction"), ("DIG", "Digital"), ("BUS", "Business"),
    ("CRE", "Creative Arts"), ("ENG", "Engineering"), ("SPO", "Sport"), ("SCI", "Science"),
)  # fmt: skip
_COURSES: Final = (
    # code, name, ILR FundModel, ILR ProgType, level, share
    ("ST", "Level 3 Diploma in {}", "25", None, "3", 55),
    ("TL", "T Level in {}", "25", 31, "3", 15),
    ("AP", "Apprenticeship in {}", "36", 25, "2", 10),
    ("AD", "Certificate in {}", "38", None, "2", 20),
)
_MEETING_TYPES: Final = (
    # name, obsolete, category, share; the fourth of these has lost its category
    ("Progress review", False, 1, 40), ("Tutorial", False, 1, 28), ("Attendance meeting", False, 2, 10),
    ("Induction", False, None, 4), ("Careers interview", False, 3, 10), ("Careers guidance interview", True, 3, 3),
    ("Mock interview", False, 3, 2), ("Parents' careers evening", False, 3, 1), ("Stage 1 disciplinary", True, 2, 2),
)  # fmt: skip
_MEETING_CATEGORIES: Final = ("Tutorial", "Conduct", "Careers")
_COMMENT_TYPES: Final = (
    # title, obsolete, share
    ("General", False, 40), ("Praise", False, 14), ("Concern", False, 14), ("Support", False, 8), ("Old log", True, 3),
    ("Employer talk", False, 7), ("Careers research", False, 6), ("University visit", False, 3),
    ("Work experience", False, 3), (None, True, 2),
)  # fmt: skip
_ACTION_TYPES: Final = (
    "Attendance", "Behaviour", "Careers action plan", "Homework",
    "Seen by tutor", "Not now",  # only what is written back is answered with these
)  # fmt: skip
_BADGES: Final = (
    ("Careers", ("Not started", "Under way", "Complete")),
    ("Career aspiration", ()),
    ("Risk", ("A", "B")),
)
_SCREEN_TYPES: Final = (
    "Employer visit", "Employer talk", "Work experience", "University open day", "Apprenticeship talk",
    "Careers research", "Enrichment trip", "Volunteering day",
)  # fmt: skip
_EMPLOYERS: Final = ("Blue Kite Software", "Elm Court Care Home", "Northway Homes", "Riverside Bank", "Volt & Sons")
_DESTINATIONS: Final = (
    ("EDU6", "University"), ("EDU4", "Further education, full time"), ("EDU2", "Apprenticeship"),
    ("EMP1", "Paid work, 16 hours or more"), ("NPE1", "Looking for work"), ("OTH4", "Not known"),
    ("XUNI", "Uni abroad"),
)  # fmt: skip


class _Row(NamedTuple):
    """A learner in one academic year, as far as other tables need to know."""

    pm_student: int
    detail: int
    person: int
    year: int
    area: int
    course: int
    group: int


@dataclass(frozen=True, slots=True)
class FakeProSuite:
    """What was made."""

    learners: int
    student_details: int
    enrolments: int
    ilp_rows: int
    staff: int


def build(
    target: str | sa.Engine,
    *,
    learners: int = 400,
    years: Sequence[str] = ("24/25", "25/26"),
    ilp_rows: int | None = None,
    seed: int = 1,
    as_of: date = AS_OF,
) -> FakeProSuite:
    """Make the tables in an empty SQLite or PostgreSQL database and fill them, in flat memory but for an index.

    `learners` are people; nearly half of them are there in two years. `ilp_rows` counts comments, badges and entries of
    the careers screen. Nothing is dated after `as_of`. Raises `ConfigError` where the database holds such tables.
    """
    engine = sa.create_engine(target) if isinstance(target, str) else target
    try:
        return _Builder(engine, learners, tuple(years), ilp_rows, seed, as_of).build()
    finally:
        if isinstance(target, str):
            engine.dispose()


class _Builder:
    def __init__(
        self, engine: sa.Engine, learners: int, years: tuple[str, ...], ilp_rows: int | None, seed: int, as_of: date
    ) -> None:
        self.engine = engine
        self.learners = learners
        self.years = years
        self.ilp_rows = 20 * learners if ilp_rows is None else ilp_rows
        self.seed = seed
        self.as_of = as_of
        self.staff = max(5, learners // 35)
        self.groups = max(1, learners // (len(_AREAS) * len(_COURSES) * 22))
        self.rows: list[_Row] = []
        schemas = SCHEMAS[engine.dialect.name]
        tables = [*PROSUITE.tables.values(), *_COLLEGE.tables.values()]
        self.tables = {table.name: located(table, schemas) for table in tables}

    def rng(self, what: str) -> random.Random:
        """Return the dice of one table, so that no table depends on the size of another."""
        return random.Random(f"{self.seed} {what}")  # noqa: S311 - invented people need no strong randomness

    def build(self) -> FakeProSuite:
        self._create()
        with self.engine.begin() as connection:
            put = self._putter(connection)
            put("CollegeLevel", self._levels())
            put("Site", [{"SiteID": 1, "Description": "Main site"}, {"SiteID": 2, "Description": None}])
            put("Staff", self._staff_rows())
            put("vStaff", self._v_staff())
            put("Offering", self._offerings())
            put("OfferingStaff", self._offering_staff())
            put("LocalDestination", self._local_destinations())
            details = put("StudentDetail", self._details())
            put("vStudent", self._v_students())
            put("StudentCodeMapping", self._codes())
            put("TutorGroup", self._tutor_groups())
            enrolments = put("Enrolment", self._enrolments())
            put("StudentOutcome", self._outcomes())
            made = self._ilp(put)
            self._number_on(connection)
        return FakeProSuite(self.learners, details, enrolments, made, self.staff)

    def _create(self) -> None:
        with self.engine.begin() as connection:
            inspector = sa.inspect(connection)
            for table in self.tables.values():
                if inspector.has_table(table.name, schema=table.schema):
                    raise ConfigError(f"The database already has a table {table.name}; choose an empty one.")
            for schema in dict.fromkeys(table.schema for table in self.tables.values()):
                if schema is not None:
                    connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
            for table in self.tables.values():
                table.create(connection)

    def _putter(self, connection: sa.Connection) -> Callable[[str, Iterable[dict[str, Any]]], int]:
        def put(name: str, rows: Iterable[dict[str, Any]]) -> int:
            count, iterator = 0, iter(rows)
            while chunk := list(islice(iterator, _CHUNK)):
                connection.execute(sa.insert(self.tables[name]), chunk)
                count += len(chunk)
            return count

        return put

    def _number_on(self, connection: sa.Connection) -> None:
        """Let the database go on where the comments end; SQLite does so of itself."""
        if connection.dialect.name == "postgresql":
            plan = self.tables["ActionPlan"]
            name = connection.dialect.identifier_preparer.format_table(plan)
            sequence = sa.func.pg_get_serial_sequence(name, "ActionPlanID")
            connection.execute(sa.select(sa.func.setval(sequence, sa.func.max(plan.c.ActionPlanID))))

    # -- ProSolution -------------------------------------------------------------------------------------------------

    def _levels(self) -> Iterator[dict[str, Any]]:
        yield {"SID": 1, "ParentSID": None, "Code": _padded("COLL", 12), "Name": "Example College"}
        for number, (code, name) in enumerate(_AREAS):
            yield {"SID": 10 + number, "ParentSID": 1, "Code": _padded(code, 12), "Name": name}

    def _staff_rows(self) -> Iterator[dict[str, Any]]:
        rng = self.rng("staff")
        for number in range(1, self.staff + 1):
            user = None if rng.random() < 0.02 else f"tutor{number:04}"
            yield {
                "StaffID": number, "SystemUserID": number if rng.random() < 0.9 else None, "UserName": user,
                "FirstForename": rng.choice(_GIVEN), "Surname": rng.choice(_FAMILY),
                "Email": f"tutor{number:04}@{_DOMAIN}" if rng.random() < 0.95 else None,
            }  # fmt: skip

    def _v_staff(self) -> Iterator[dict[str, Any]]:
        for row in self._staff_rows():
            yield {"StaffID": row["StaffID"], "StaffName": f"{row['FirstForename']} {row['Surname']}"}

    def _offering_id(self, year: int, area: int, course: int, group: int) -> int:
        return 1 + group + self.groups * (course + len(_COURSES) * (area + len(_AREAS) * year))

    def _extra_id(self, year: int, subject: int) -> int:
        return self._offering_id(len(self.years), 0, 0, 0) + year * 2 + subject

    def _offerings(self) -> Iterator[dict[str, Any]]:
        for year, label in enumerate(self.years):
            begin = _first_day(label)
            common = {"AcademicYearID": _padded(label, 10), "StartDate": begin, "EndDate": begin + timedelta(days=300)}
            for area, (_, name) in enumerate(_AREAS):
                for course, (prefix, title, _, prog, level, _) in enumerate(_COURSES):
                    for group in range(self.groups):
                        yield {
                            **common, "OfferingID": self._offering_id(year, area, course, group),
                            "Code": _padded(self._group_code(area, course, group), 24), "Name": title.format(name),
                            "SID": 10 + area, "SiteID": 1 + group % 2, "QualID": _padded("60311834", 8),
                            "OfferingTypeID": 1, "ProgrammeTypeID": prog, "Level": level if prefix != "AD" else None,
                        }  # fmt: skip
            for subject, name in enumerate(("English", "Mathematics")):
                yield {
                    **common, "OfferingID": self._extra_id(year, subject), "Code": _padded(name[:4].upper(), 24),
                    "Name": f"GCSE {name}", "SID": None, "SiteID": None, "QualID": _padded("60146084", 8),
                    "OfferingTypeID": None, "ProgrammeTypeID": None, "Level": "2",
                }  # fmt: skip

    def _group_code(self, area: int, course: int, group: int) -> str:
        return f"{_AREAS[area][0]}-{_COURSES[course][0]}{group + 1}"

    def _tutor_of(self, offering: int) -> int:
        return 1 + (offering * 7919 + self.seed) % self.staff

    def _offering_staff(self) -> Iterator[dict[str, Any]]:
        """Give every course of an area a tutor, and each thirtieth two; English and mathematics have none."""
        for offering in range(1, self._offering_id(len(self.years), 0, 0, 0)):
            tutor = self._tutor_of(offering)
            yield {"OfferingID": offering, "StaffID": tutor}
            if offering % 30 == 0:
                yield {"OfferingID": offering, "StaffID": 1 + tutor % self.staff}

    def _local_destinations(self) -> Iterator[dict[str, Any]]:
        for number, (code, description) in enumerate(_DESTINATIONS, start=1):
            yield {"LocalDestinationID": number, "Code": _padded(code, 10), "Description": description, "Enabled": True}
        yield {"LocalDestinationID": 99, "Code": None, "Description": None, "Enabled": None}

    def _details(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each person and year, and remember what the other tables need."""
        rng, ulns = self.rng("people"), _ulns(self.rng("ulns"))
        weights = [course[-1] for course in _COURSES]
        detail = 0
        last = len(self.years) - 1
        for person in range(1, self.learners + 1):
            course = rng.choices(range(len(_COURSES)), weights)[0]
            area, group = rng.randrange(len(_AREAS)), rng.randrange(self.groups)
            first = rng.choices(range(last + 1), [3] * last + [5])[0] if last else 0
            stays = first < last and rng.random() < 0.75
            age = rng.randint(19, 50) if _COURSES[course][0] == "AD" else rng.choices((16, 17, 18), (70, 20, 10))[0]
            start = _first_day(self.years[first])
            born = date(start.year - age, 8, 31) - timedelta(days=rng.randint(0, 364))
            given, family, uln = rng.choice(_GIVEN), rng.choice(_FAMILY), next(ulns)
            ref = self.reference(person)
            for year in range(first, first + 1 + stays):
                detail += 1
                changed = self._day(rng, year)
                self.rows.append(_Row(100_000 + detail, detail, person, year, area, course, group))
                yield {
                    "StudentDetailID": detail, "StudentID": person, "RefNo": _padded(ref, 12),
                    "AcademicYearID": _padded(self.years[year], 10), "Surname": family, "FirstForename": given,
                    "DateOfBirth": None if rng.random() < 0.01 else datetime(born.year, born.month, born.day),  # noqa: DTZ001
                    "Sex": rng.choice("FM"), "HasEducationHealthCarePlan": _maybe(rng, 0.05),
                    "HighNeedsStudent": _maybe(rng, 0.05), "CareLeaver": _maybe(rng, 0.02),
                    "LookedAfter": _maybe(rng, 0.02), "LocalDestinationID": None,
                    "UserDefined1": f"tutor{self._tutor_of(self._offering_id(year, area, course, group)):04}  ",
                    "UserDefined2": self._group_code(area, course, group), "LastModifiedBy": "mis",
                    "LastModifiedDate": None if rng.random() < 0.02 else changed,
                    "ULN": "9999999999" if rng.random() < 0.02 else None if rng.random() < 0.02 else uln,
                    "CollegeEmail": None if rng.random() < 0.05 else f"{ref.lower()}@{_DOMAIN}",
                }  # fmt: skip

    @staticmethod
    def reference(person: int) -> str:
        """Return a learner's reference: shorter than its column, so that it is padded."""
        return f"P{person:06}"

    def _v_students(self) -> Iterator[dict[str, Any]]:
        """ProMonitor knows everybody but each hundredth, who only applied."""
        for row in self.rows:
            if row.person % 100:
                yield {"StudentID": _padded(self.reference(row.person), 12),
                       "AcademicYearID": _padded(self.years[row.year], 10), "PMStudentID": row.pm_student}  # fmt: skip

    def _codes(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            for number in range(2 if row.person % 9 == 0 else 1):
                yield {"StudentID": _padded(self.reference(row.person), 12),
                       "AcademicYearID": _padded(self.years[row.year], 10),
                       "StudentCode": f"{row.pm_student * 7 + number:09x}AB="}  # fmt: skip

    def _tutor_groups(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            if row.person % 17:
                tutor = self._tutor_of(self._offering_id(row.year, row.area, row.course, row.group))
                yield {"RefNo": _padded(self.reference(row.person), 12),
                       "AcademicYearID": _padded(self.years[row.year], 10),
                       "GroupCode": _padded(self._group_code(row.area, row.course, row.group), 12),
                       "StaffID": tutor if row.person % 13 else None}  # fmt: skip

    def _enrolments(self) -> Iterator[dict[str, Any]]:
        """Yield the main course of everybody, and English and mathematics for a third."""
        rng = self.rng("enrolments")
        number = 0
        for row in self.rows:
            offerings: list[int | None] = [self._offering_id(row.year, row.area, row.course, row.group)]
            if row.person % 3 == 0:
                offerings += [self._extra_id(row.year, 0), self._extra_id(row.year, 1)]
            if rng.random() < 0.01 and len(offerings) > 1:
                offerings[-1] = None
            begin = _first_day(self.years[row.year]) + timedelta(days=rng.randint(0, 20))
            over = begin + timedelta(days=290) < datetime(self.as_of.year, self.as_of.month, self.as_of.day)  # noqa: DTZ001
            status = "2" if over else "3" if rng.random() < 0.03 else "1"
            for offering in offerings:
                number += 1
                yield {
                    "EnrolmentID": number, "StudentDetailID": row.detail, "OfferingID": offering,
                    "OfferingGroupID": None, "CompletionStatusID": None if rng.random() < 0.01 else _padded(status, 2),
                    "OutcomeID": None, "Grade": None, "StartDate": None if rng.random() < 0.001 else begin,
                    "ExpectedEndDate": begin + timedelta(days=290),
                    "ActualEndDate": begin + timedelta(days=290 if over else 60) if status != "1" else None,
                    "AimTypeID": "1 ", "FundingID": _padded(_COURSES[row.course][2], 4),
                }  # fmt: skip

    def _outcomes(self) -> Iterator[dict[str, Any]]:
        rng = self.rng("outcomes")
        number = 0
        for row in self.rows:
            if rng.random() < 0.3:
                number += 1
                day = self._day(rng, row.year)
                yield {
                    "StudentOutcomeID": number, "StudentID": row.person,
                    "LocalDestinationID": None if rng.random() < 0.02 else rng.randint(1, len(_DESTINATIONS)),
                    "StartDate": day, "EndDate": None, "CollectionDate": day if rng.random() < 0.9 else None,
                    "IsActualDestination": None if rng.random() < 0.005 else row.year < len(self.years) - 1,
                    "ReturnYearID": None, "IncludeInILR": None, "CreatedBy": "careers", "CreatedDate": day,
                    "UserDefined1": None,
                }  # fmt: skip

    # -- ProMonitor --------------------------------------------------------------------------------------------------

    def _ilp(self, put: Callable[[str, Iterable[dict[str, Any]]], int]) -> int:
        put("MeetingCategory", [
            {"MeetingCategoryID": number, "MeetingCategoryName": name}
            for number, name in enumerate(_MEETING_CATEGORIES, start=1)
        ])  # fmt: skip
        put("MeetingType", [
            {"MeetingTypeID": number, "MeetingTypeName": name, "IsObsolete": old, "MeetingCategoryID": category}
            for number, (name, old, category, _) in enumerate(_MEETING_TYPES, start=1)
        ])  # fmt: skip
        put("ActionPlan_CommentType", [
            {"CommentTypeID": number, "Title": title, "IsObsolete": old}
            for number, (title, old, _) in enumerate(_COMMENT_TYPES, start=1)
        ])  # fmt: skip
        put("ActionPlan_ActionType", [
            {"ID": number, "ActionDescription": name, "OrderBy": number, "IsObsolete": False}
            for number, name in enumerate(_ACTION_TYPES, start=1)
        ])  # fmt: skip
        put("Badge", [{"BadgeID": number, "Name": name} for number, (name, _) in enumerate(_BADGES, start=1)])
        values = [(badge, name) for badge, (_, names) in enumerate(_BADGES, start=1) for name in names]
        put("BadgeValue", [
            {"BadgeValueID": number, "BadgeID": badge, "Name": name, "BadgeCode": None, "IsObsolete": False}
            for number, (badge, name) in enumerate(values, start=1)
        ])  # fmt: skip
        known = [row for row in self.rows if row.person % 100]
        if not known:
            return 0
        badges, screens = self.ilp_rows * 8 // 100, self.ilp_rows * 12 // 100
        comments = self.ilp_rows - badges - screens
        put("Tutorial", self._tutorials(comments))
        made = put("ActionPlan", self._comments(known, comments))
        made += put("BadgeStudent", self._badges(known, badges, values))
        made += put("CareersRecord", self._screens(known, screens))
        put("Progression", (
            {"PMStudentID": row.pm_student, "Information1": "I would like to work with people."}
            for row in known if row.person % 4 == 0
        ))  # fmt: skip
        return made

    def _tutorials(self, comments: int) -> Iterator[dict[str, Any]]:
        """Half of all comments were made in meetings, two in each."""
        rng = self.rng("tutorials")
        kinds, weights = range(1, len(_MEETING_TYPES) + 1), [kind[-1] for kind in _MEETING_TYPES]
        for number in range(1, comments // 4 + 1):
            kind = None if rng.random() < 0.01 else rng.choices(kinds, weights)[0]
            yield {"TutorialID": number, "TutorialTypeID": kind}

    def _comments(self, known: Sequence[_Row], comments: int) -> Iterator[dict[str, Any]]:
        rng = self.rng("comments")
        kinds, weights = range(1, len(_COMMENT_TYPES) + 1), [kind[-1] for kind in _COMMENT_TYPES]
        meetings = comments // 4
        about, day = rng.choice(known), self._day(rng, 0)
        for number in range(1, comments + 1):
            meeting = (number + 1) // 2 if number <= 2 * meetings else None
            if meeting is None or number % 2 or meeting % 11 == 0:  # each eleventh meeting is with two learners
                about = rng.choice(known)
                day = self._day(rng, about.year)
            yield {
                "ActionPlanID": number, "ActionTypeID": rng.randint(1, 4) if rng.random() < 0.3 else None,
                "CommentTypeID": None if rng.random() < 0.1 else rng.choices(kinds, weights)[0],
                "CommentStaffID": rng.randint(1, self.staff) if rng.random() < 0.98 else None,
                "CommentDate": None if rng.random() < 0.002 else day, "PMStudentID": about.pm_student,
                "TutorialID": meeting, "Comment": "Something private was said.",
            }  # fmt: skip

    def _badges(
        self, known: Sequence[_Row], badges: int, values: Sequence[tuple[int, str]]
    ) -> Iterator[dict[str, Any]]:
        rng = self.rng("badges")
        for _ in range(badges):
            row = rng.choice(known)
            value = rng.randint(1, len(values)) if rng.random() < 0.7 else None
            badge = 2 if value is None else values[value - 1][0]
            yield {"PMStudentID": row.pm_student, "BadgeValueID": value, "BadgeID": badge,
                   "AuditDateCreated": self._day(rng, row.year)}  # fmt: skip

    def _screens(self, known: Sequence[_Row], screens: int) -> Iterator[dict[str, Any]]:
        rng = self.rng("screens")
        for number in range(1, screens + 1):
            row = rng.choice(known)
            day = self._day(rng, row.year)
            yield {
                "ID": number, "PMStudentID": row.pm_student,
                "Information1": None if rng.random() < 0.01 else rng.choice(_SCREEN_TYPES),
                "Information2": f"{day:%d/%m/%Y}" if rng.random() < 0.995 else "last week",
                "Information3": rng.choice((None, "1", "2", "7.5")),
                "Information4": rng.choice((None, *_EMPLOYERS)),
                "Information5": "I learned something private.",
                "Information6": rng.choice((None, "Attended", "Attended", "Planned", "Did not attend")),
                "LastModifiedDate": None if rng.random() < 0.01 else day,
            }  # fmt: skip

    def _day(self, rng: random.Random, year: int) -> datetime:
        """Return an instant of an academic year, not after the day on which the college is looked at."""
        begin = _first_day(self.years[year])
        until = datetime(self.as_of.year, self.as_of.month, self.as_of.day)  # noqa: DTZ001 - local, as in the database
        days = max(1, min(310, (until - begin).days))
        return begin + timedelta(days=rng.randrange(days), hours=rng.randint(9, 16), minutes=rng.randrange(60))


def _padded(text: str, length: int) -> str:
    return text.ljust(length)


def _first_day(year: str) -> datetime:
    """Return the first day of teaching of a year such as 25/26."""
    return datetime(2000 + int(year[:2]), 9, 1)  # noqa: DTZ001 - local, as in the database


def _maybe(rng: random.Random, share: float) -> bool | None:
    return None if rng.random() < 0.1 else rng.random() < share
