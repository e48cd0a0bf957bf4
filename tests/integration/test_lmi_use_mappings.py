"""The example mappings of usage exports of careers software: what they make of a small file each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from colleges import usual_college

from fingerpost._store import schema

if TYPE_CHECKING:
    from colleges import Row

COACH: list[Row] = [
    {"Session ID": "1", "Student ID": "L001", "Product": "Career Coach", "Activity": "Careers", "Session Date":
     "06/10/2025 09:12", "Duration": "15 mins", "ULN": "", "Email": "l001@example.ac.uk"},
    {"Session ID": "2", "Student ID": "L002", "Product": "", "Activity": "", "Session Date": "2025-10-07",
     "Duration": "", "ULN": "", "Email": ""},
    {"Session ID": "3", "Student ID": "L003", "Product": "Career Coach", "Activity": "login", "Session Date":
     "07/10/2025", "Duration": "", "ULN": "", "Email": ""},
    {"Session ID": "4", "Student ID": "", "Product": "Career Coach", "Activity": "Careers", "Session Date":
     "07/10/2025", "Duration": "", "ULN": "", "Email": "somebody@example.ac.uk"},
    {"Session ID": "5", "Student ID": "L004", "Product": "Career Coach", "Activity": "Careers", "Session Date":
     "32/10/2025", "Duration": "", "ULN": "", "Email": ""},
]  # fmt: skip
KUDOS: list[Row] = [
    {"UPN/Ref": "L001", "Name": "Given Family", "Last Used": "06/10/2025", "Careers Viewed": "12", "ULN": ""},
    {"UPN/Ref": "L002", "Name": "Given Family", "Last Used": "Never", "Careers Viewed": "0", "ULN": ""},
    {"UPN/Ref": "L002", "Name": "Given Family", "Last Used": "", "Careers Viewed": "3", "ULN": ""},
    {"UPN/Ref": "L003", "Name": "Given Family", "Last Used": "2025-10-08 10:00", "Careers Viewed": "0", "ULN": ""},
    {"UPN/Ref": "L004", "Name": "Given Family", "Last Used": "2025-10-08 10:00", "Careers Viewed": "1", "ULN": ""},
]  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "rows", "stored", "rejected"),
    [
        ("lmi-use-career-coach", COACH,
         [("L001", "lmi_use", "Career Coach: Careers", "2025-10-06", 0.25, "attended", "virtual"),
          ("L002", "lmi_use", "Career Coach", "2025-10-07", None, "attended", "virtual")], 2),
        ("lmi-use-kudos", KUDOS,
         [("L001", "lmi_use", "Kudos", "2025-10-06", None, "attended", "virtual"),
          ("L004", "lmi_use", "Kudos", "2025-10-08", None, "attended", "virtual")], 0),
    ],
)  # fmt: skip
def test_a_usage_export_tells_who_used_information(
    tmp_path: Path, mapping: str, rows: list[Row], stored: list[tuple[object, ...]], rejected: int
) -> None:
    college = usual_college(tmp_path, learners=4)
    college.add_csv("usage", "activities", mapping, rows)
    report = college.sync()
    (stream,) = [one for one in report.streams if one.connector == "usage"]
    assert (stream.new, stream.rejected) == (len(stored), rejected)
    table = schema.source_activity
    with college.open() as opened, opened._opened.store.reading() as connection:
        learner = schema.learner
        names = dict(connection.execute(sa.select(learner.c.id, learner.c.reference)).all())
        found = [
            (names[row.learner_id], row.kind, row.title, row.starts_on, row.hours, row.state, row.mode)
            for row in connection.execute(sa.select(table).where(table.c.kind == "lmi_use"))
        ]
        status = {one.criterion: one.status for one in opened.explain(str(stored[0][0])).criteria}
    assert sorted(found) == stored
    assert status["2.1"] == "met"


NEVER = ("Never", "never", "Never used", "N/A", "n/a", "NA", "-", "", " ", "NULL")


def test_who_never_used_it_does_not_stop_the_export(tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=100)
    rows: list[Row] = [
        {"UPN/Ref": row["learner_ref"], "Last Used": "06/10/2025", "Careers Viewed": "7"} for row in college.rows["mis"]
    ]
    for number in range(40):
        rows[number] |= {"Last Used": NEVER[number % len(NEVER)], "Careers Viewed": ""}
    college.add_csv("usage", "activities", "lmi-use-kudos", rows)
    (stream,) = [one for one in college.sync().streams if one.connector == "usage"]
    assert (stream.state, stream.new, stream.skipped, stream.rejected) == ("complete", 60, 40, 0)


def test_an_export_whose_columns_have_other_names_is_read_as_documented(tmp_path: Path) -> None:
    college = usual_college(tmp_path, learners=4)
    text = (Path(__file__).parents[2] / "docs" / "lmi.md").read_text(encoding="utf-8")
    ours = text.partition("```toml mappings/our-kudos.toml\n")[2].partition("```")[0]
    college.add_mapping("our-kudos", ours)
    rows: list[Row] = [
        {"Reference": row["learner_ref"], "Last visit": visit}
        for row, visit in zip(college.rows["mis"], ("06/10/2025", "", "07/10/2025", "-"), strict=True)
    ]
    college.add_csv("usage", "activities", "our-kudos", rows)
    (stream,) = [one for one in college.sync().streams if one.connector == "usage"]
    assert (stream.state, stream.new, stream.skipped, stream.rejected) == ("complete", 2, 2, 0)
