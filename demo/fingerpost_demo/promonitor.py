"""What ProMonitor, the ILP, holds of an invented college: meetings, comments, badges and a careers screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fingerpost_demo.prosolution import LearnerYear, Plan, Row, instant

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


def ilp_tables(plan: Plan) -> Iterator[tuple[str, Iterable[Row]]]:
    """Yield each table's name and its rows; the learners must have been written before."""
    yield "MeetingCategory", _numbered("MeetingCategoryID", "MeetingCategoryName", _MEETING_CATEGORIES)
    yield "MeetingType", [
        {"MeetingTypeID": number, "MeetingTypeName": name, "IsObsolete": old, "MeetingCategoryID": category}
        for number, (name, old, category, _) in enumerate(_MEETING_TYPES, start=1)
    ]  # fmt: skip
    yield (
        "ActionPlan_CommentType",
        [
            {"CommentTypeID": number, "Title": title, "IsObsolete": old}
            for number, (title, old, _) in enumerate(_COMMENT_TYPES, start=1)
        ],
    )
    yield (
        "ActionPlan_ActionType",
        [
            {"ID": number, "ActionDescription": name, "OrderBy": number, "IsObsolete": False}
            for number, name in enumerate(_ACTION_TYPES, start=1)
        ],
    )
    yield "Badge", _numbered("BadgeID", "Name", [name for name, _ in _BADGES])
    values = [(badge, name) for badge, (_, names) in enumerate(_BADGES, start=1) for name in names]
    yield (
        "BadgeValue",
        [
            {"BadgeValueID": number, "BadgeID": badge, "Name": name, "BadgeCode": None, "IsObsolete": False}
            for number, (badge, name) in enumerate(values, start=1)
        ],
    )
    known = [row for row in plan.rows if row.person % 100]
    if known:
        badges, screens = plan.ilp_rows * 8 // 100, plan.ilp_rows * 12 // 100
        comments = plan.ilp_rows - badges - screens
        yield "Tutorial", _tutorials(plan, comments)
        yield "ActionPlan", _comments(plan, known, comments)
        yield "BadgeStudent", _badges(plan, known, badges, values)
        yield "CareersRecord", _screens(plan, known, screens)
        yield "Progression", [
            {"PMStudentID": row.pm_student, "Information1": "I would like to work with people."}
            for row in known if row.person % 4 == 0
        ]  # fmt: skip


def _numbered(number: str, column: str, names: Sequence[str]) -> list[Row]:
    return [{number: index, column: name} for index, name in enumerate(names, start=1)]


def _tutorials(plan: Plan, comments: int) -> Iterator[Row]:
    """Half of all comments were made in meetings, two in each."""
    rng = plan.rng("tutorials")
    kinds, weights = range(1, len(_MEETING_TYPES) + 1), [kind[-1] for kind in _MEETING_TYPES]
    for number in range(1, comments // 4 + 1):
        kind = None if rng.random() < 0.01 else rng.choices(kinds, weights)[0]
        yield {"TutorialID": number, "TutorialTypeID": kind}


def _comments(plan: Plan, known: Sequence[LearnerYear], comments: int) -> Iterator[Row]:
    rng = plan.rng("comments")
    kinds, weights = range(1, len(_COMMENT_TYPES) + 1), [kind[-1] for kind in _COMMENT_TYPES]
    meetings = comments // 4
    about, day = rng.choice(known), instant(rng, 0)
    for number in range(1, comments + 1):
        meeting = (number + 1) // 2 if number <= 2 * meetings else None
        if meeting is None or number % 2 or meeting % 11 == 0:  # each eleventh meeting is with two learners
            about = rng.choice(known)
            day = instant(rng, about.year)
        yield {
            "ActionPlanID": number, "ActionTypeID": rng.randint(1, 4) if rng.random() < 0.3 else None,
            "CommentTypeID": None if rng.random() < 0.1 else rng.choices(kinds, weights)[0],
            "CommentStaffID": rng.randint(1, plan.staff) if rng.random() < 0.98 else None,
            "CommentDate": None if rng.random() < 0.002 else day, "PMStudentID": about.pm_student,
            "TutorialID": meeting, "Comment": "Something private was said.",
        }  # fmt: skip


def _badges(plan: Plan, known: Sequence[LearnerYear], badges: int, values: Sequence[tuple[int, str]]) -> Iterator[Row]:
    rng = plan.rng("badges")
    for _ in range(badges):
        row = rng.choice(known)
        value = rng.randint(1, len(values)) if rng.random() < 0.7 else None
        badge = 2 if value is None else values[value - 1][0]
        yield {"PMStudentID": row.pm_student, "BadgeValueID": value, "BadgeID": badge,
               "AuditDateCreated": instant(rng, row.year)}  # fmt: skip


def _screens(plan: Plan, known: Sequence[LearnerYear], screens: int) -> Iterator[Row]:
    rng = plan.rng("screens")
    for number in range(1, screens + 1):
        row = rng.choice(known)
        day = instant(rng, row.year)
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
