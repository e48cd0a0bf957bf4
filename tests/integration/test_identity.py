"""Who is who: what several sources say of one learner, which word counts, and how their rows find one another."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from colleges import Row, SmallCollege, Snapshot, activity, stream, usual_college
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fingerpost import ConfigError
from fingerpost._store import schema

if TYPE_CHECKING:
    from pathlib import Path

    from fingerpost.reports import Explanation, RunReport


def uln(number: int) -> str:
    """Return the valid ULN that begins with these digits, or the next one (rule ULN_04 of the ILR)."""
    for base in itertools.count(100_000_000 + number):
        rest = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), str(base), strict=True)) % 11
        if rest:
            return f"{base}{10 - rest}"
    raise AssertionError


ULN_1, ULN_2, TEMPORARY = uln(10), uln(20), "9999999999"
FEEDS = ["employer_encounter", "workplace_experience", "provider_encounter", "guidance_meeting", "lmi_use"]


def learner(ref: str, **more: str) -> Row:
    return {"learner_ref": ref, "given_names": f"Given{ref}", "date_of_birth": "2008-05-17", "uln": "",
            "email": f"{ref.lower()}@example.ac.uk"} | more  # fmt: skip


def two_sources(folder: Path, mis: list[Row], ilp: list[Row], log: list[Row] | None = None) -> SmallCollege:
    """Return a college with two sources of learners, `mis` trusted before `ilp`, and a careers log."""
    college = new_college(folder)
    college.add_csv("mis", "learners", "learners", mis)
    college.add_csv("ilp", "learners", "learners", ilp)
    college.add_csv("log", "activities", "careers-log", log or [activity("x", "NOBODY")], feeds=FEEDS)
    return college


def new_college(folder: Path) -> SmallCollege:
    college = SmallCollege(folder)
    college.keep = True
    return college


def change(college: SmallCollege, **files: list[Row]) -> RunReport:
    """Put other rows into the files and run again."""
    for name, rows in files.items():
        college.rows[name] = rows
        college.write(name)
    return college.sync()


def explain(college: SmallCollege, who: str) -> Explanation:
    with college.open() as opened:
        return opened.explain(who)


def nobody(college: SmallCollege, who: str) -> bool:
    try:
        explain(college, who)
    except ConfigError:
        return True
    return False


def said(college: SmallCollege, who: str, field: str) -> dict[str, tuple[Any, bool]]:
    """Return what each source says of a field, and whether its word counts."""
    return {one.connector: (one.value, one.counts) for one in explain(college, who).said if one.field == field}


def records(college: SmallCollege, who: str) -> list[str]:
    """Return the keys of the activities that are the learner's, whatever they count for."""
    person = explain(college, who).learner
    identity = f"{who.partition(':')[0] if ':' in who else college.tables['college']['ukprn']}:{person}"
    activities = schema.source_activity
    with college.open() as opened, opened._opened.store.reading() as connection:
        select = (
            sa.select(activities.c.key)
            .join(schema.learner, schema.learner.c.id == activities.c.learner_id)
            .where(schema.learner.c.identity == identity)
        )
        return sorted(connection.scalars(select))


def unknown(report: RunReport) -> list[str]:
    """Return how many rows of what refer to a learner in none of the sources, as reported."""
    return [message.partition(" refer to ")[0] for message in report.messages if "in none of the sources" in message]


def warned(college: SmallCollege, code: str) -> list[tuple[str, str]]:
    """Return the stream and key of every warning with this code."""
    with college.open() as opened:
        return sorted(
            (row["stream"], row["key"])
            for who in ("L1", "L2", "P1", "P2")
            if not nobody(college, who)
            for row in opened.explain(who).warnings
            if row["code"] == code
        )


# -- whose word counts -------------------------------------------------------------------------------------------


def test_the_first_source_decides_and_each_word_is_kept(tmp_path: Path) -> None:
    college = two_sources(
        tmp_path,
        [learner("L1", email="mis@example.ac.uk", family_name="Okafor")],
        [learner("L1", email="ilp@example.ac.uk", family_name="Okafor", soc_code="2231")],
    )
    report = college.sync()
    assert report.records["learners"] == 1
    assert said(college, "L1", "email") == {"mis": ("mis@example.ac.uk", True), "ilp": ("ilp@example.ac.uk", False)}
    assert said(college, "L1", "family_name") == {"mis": ("Okafor", True), "ilp": ("Okafor", True)}
    assert said(college, "L1", "soc_code") == {"ilp": ("2231", True)}


def test_the_order_of_the_sources_in_the_configuration_is_the_order_of_trust(tmp_path: Path) -> None:
    college = two_sources(tmp_path, [learner("L1", email="mis@x.ac.uk")], [learner("L1", email="ilp@x.ac.uk")])
    college.connectors[:2] = reversed(college.connectors[:2])
    college.sync()
    assert said(college, "L1", "email") == {"mis": ("mis@x.ac.uk", False), "ilp": ("ilp@x.ac.uk", True)}


@pytest.mark.parametrize("spelling", ["email", "learner.email"])
def test_precedence_decides_for_one_field_also_when_it_is_set_later(tmp_path: Path, spelling: str) -> None:
    college = two_sources(
        tmp_path,
        [learner("L1", email="mis@x.ac.uk", given_names="Zoe")],
        [learner("L1", email="ilp@x.ac.uk", given_names="Zoë")],
    )
    college.sync()
    college.tables["precedence"] = {spelling: ["ilp"]}
    report = college.sync()
    assert [one.state for one in report.streams[:2]] == ["unchanged", "unchanged"]
    assert said(college, "L1", "email") == {"mis": ("mis@x.ac.uk", False), "ilp": ("ilp@x.ac.uk", True)}
    assert said(college, "L1", "given_names") == {"mis": ("Zoe", True), "ilp": ("Zoë", False)}
    del college.tables["precedence"]
    college.sync()
    assert said(college, "L1", "email")["mis"] == ("mis@x.ac.uk", True)


def test_a_source_that_says_nothing_leaves_the_word_to_the_next(tmp_path: Path) -> None:
    college = two_sources(tmp_path, [learner("L1", email="")], [learner("L1", email="ilp@x.ac.uk")])
    college.sync()
    assert said(college, "L1", "email") == {"ilp": ("ilp@x.ac.uk", True)}
    change(college, mis=[learner("L1", email="mis@x.ac.uk")])
    assert said(college, "L1", "email") == {"mis": ("mis@x.ac.uk", True), "ilp": ("ilp@x.ac.uk", False)}


def test_a_temporary_uln_says_less_than_a_less_trusted_source_s_own(tmp_path: Path) -> None:
    college = two_sources(tmp_path, [learner("L1", uln=TEMPORARY)], [learner("L1", uln=ULN_1)])
    college.sync()
    assert said(college, "L1", "uln") == {"mis": (TEMPORARY, False), "ilp": (ULN_1, True)}
    assert explain(college, ULN_1).learner == "L1"


def test_without_one_source_s_row_the_other_s_word_counts(tmp_path: Path) -> None:
    others = [learner(f"X{number}") for number in range(5)]
    college = two_sources(tmp_path, [learner("L1", email="mis@x.ac.uk"), *others], [learner("L1", email="i@x.ac.uk")])
    college.sync()
    assert stream(change(college, mis=others), "mis").deleted == 1
    assert said(college, "L1", "email") == {"ilp": ("i@x.ac.uk", True)}
    change(college, ilp=others)
    assert nobody(college, "L1")
    report = change(college, mis=[learner("L1", email="again@x.ac.uk"), *others])
    assert report.records["learners"] == 6
    assert said(college, "L1", "email") == {"mis": ("again@x.ac.uk", True)}


def two_tutors(folder: Path) -> SmallCollege:
    college = new_college(folder)
    college.add_csv("mis", "learners", "learners", [learner(ref) for ref in ("L1", "L2", "L3", "L4", "L5", "L6")])
    college.add_csv(
        "timetable", "assignments", "assignments",
        [{"learner_ref": ref, "tutor_group": "G1", "tutor_name": "", "tutor_email": ""} for ref in ("L1", "L2")]
        + [{"learner_ref": "", "tutor_group": "G1", "tutor_name": "A", "tutor_email": "a@example.ac.uk"}],
    )  # fmt: skip
    college.add_csv(
        "ilp", "assignments", "assignments",
        [{"learner_ref": ref, "tutor_group": "", "tutor_name": "B", "tutor_email": "b@example.ac.uk"}
         for ref in ("L1", "L3", "L4", "L5", "L6")],
    )  # fmt: skip
    return college


def test_the_most_trusted_source_that_names_a_tutor_decides_who_is_told(tmp_path: Path) -> None:
    college = two_tutors(tmp_path)
    college.sync()
    assert {ref: explain(college, ref).tutors for ref in ("L1", "L2", "L3")} == {
        "L1": ("a@example.ac.uk",), "L2": ("a@example.ac.uk",), "L3": ("b@example.ac.uk",),
    }  # fmt: skip
    kept = explain(college, "L1").assignments
    assert [(row["connector"], row["group"], row["tutor_email"]) for row in kept] == [
        ("timetable", "G1", None), ("ilp", None, "b@example.ac.uk"),
    ]  # fmt: skip


def test_precedence_may_name_whose_tutors_are_told(tmp_path: Path) -> None:
    college = two_tutors(tmp_path)
    college.tables["precedence"] = {"tutor": ["ilp"]}
    college.sync()
    assert {ref: explain(college, ref).tutors for ref in ("L1", "L2", "L3")} == {
        "L1": ("b@example.ac.uk",), "L2": ("a@example.ac.uk",), "L3": ("b@example.ac.uk",),
    }  # fmt: skip
    change(college, ilp=college.rows["ilp"][1:])
    assert explain(college, "L1").tutors == ("a@example.ac.uk",)


def test_the_source_that_names_the_head_of_a_group_counts_not_the_one_that_names_its_members(tmp_path: Path) -> None:
    college = two_tutors(tmp_path)
    college.put("ilp", [{"learner_ref": "", "tutor_group": "G1", "tutor_name": "B", "tutor_email": "b@example.ac.uk"}])
    college.sync()
    assert explain(college, "L1").tutors == ("a@example.ac.uk",)
    college.tables["precedence"] = {"tutor": ["ilp"]}
    college.sync()
    assert explain(college, "L1").tutors == ("b@example.ac.uk",)


# -- the unique learner number -----------------------------------------------------------------------------------


def test_a_source_with_references_of_its_own_links_by_uln(tmp_path: Path) -> None:
    college = two_sources(
        tmp_path,
        [learner("L1", uln=ULN_1, email="mis@x.ac.uk"), learner("L2", uln=ULN_2)],
        [learner("P1", uln=ULN_1, email="ilp@x.ac.uk"), learner("P2", uln=ULN_2)],
        [activity("a", "P1"), activity("b", "L1", day="2025-11-01"), activity("c", "P2")],
    )
    report = college.sync()
    assert report.records["learners"] == 2
    assert records(college, "L1") == ["a", "b"]
    assert records(college, "L2") == ["c"]
    found = explain(college, "P1")
    assert (found.learner, found.also_known_as) == ("L1", ("99999999:P1",))
    assert said(college, "L1", "email") == {"mis": ("mis@x.ac.uk", True), "ilp": ("ilp@x.ac.uk", False)}


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        pytest.param(TEMPORARY, TEMPORARY, id="temporary"),
        pytest.param("1234567890", "1234567890", id="bad check digit"),
        pytest.param("", "", id="none"),
        pytest.param(ULN_1, ULN_2, id="different"),
    ],
)
def test_what_is_not_the_same_uln_links_nobody(tmp_path: Path, mine: str, theirs: str) -> None:
    college = two_sources(tmp_path, [learner("L1", uln=mine)], [learner("P1", uln=theirs)], [activity("a", "P1")])
    report = college.sync()
    assert report.records["learners"] == 2
    assert records(college, "L1") == []
    assert records(college, "P1") == ["a"]


@pytest.mark.parametrize("shared_in", ["mis", "ilp"])
def test_a_uln_that_two_learners_of_one_source_share_links_nobody(tmp_path: Path, shared_in: str) -> None:
    both = {"mis": [learner("L1", uln=ULN_1)], "ilp": [learner("P1", uln=ULN_1)]}
    both[shared_in].append(learner("L2" if shared_in == "mis" else "P2", uln=ULN_1))
    college = two_sources(tmp_path, both["mis"], both["ilp"])
    report = college.sync()
    assert report.records["learners"] == 3
    assert len(warned(college, "ambiguous_uln")) == 3
    change(college, **{shared_in: both[shared_in][:1]})
    assert warned(college, "ambiguous_uln") == []
    assert explain(college, "P1").learner == "L1"


def test_numbers_that_would_make_two_learners_of_one_source_one_link_nobody(tmp_path: Path) -> None:
    """The ILP has one person with both numbers in turn, the MIS two: somebody is wrong, and nobody knows who."""
    college = new_college(tmp_path)
    college.add_csv("mis", "learners", "learners", [learner("L1", uln=ULN_1), learner("L2", uln=ULN_2)])
    for name, number in (("ilp", ULN_1), ("old-ilp", ULN_2)):
        college.add_csv(name, "learners", "learners", [learner("P1", uln=number)])
    assert college.sync().records["learners"] == 3
    assert len(warned(college, "ambiguous_uln")) == 4


def test_a_chain_of_sources_is_one_learner(tmp_path: Path) -> None:
    """A second source knows the number of the first and that of the third: a ULN that was corrected in between."""
    college = new_college(tmp_path)
    college.add_csv("mis", "learners", "learners", [learner("L1", uln=ULN_1)])
    college.add_csv("ilp", "learners", "learners", [learner("P1", uln=ULN_1)])
    college.add_csv("old-ilp", "learners", "learners", [learner("P1", uln=ULN_2)])
    college.add_csv("library", "learners", "learners", [learner("B1", uln=ULN_2)])
    college.add_csv("log", "activities", "careers-log", [activity("a", "B1")], feeds=FEEDS)
    assert college.sync().records["learners"] == 1
    assert records(college, "L1") == ["a"]
    assert set(explain(college, "L1").also_known_as) == {"99999999:P1", "99999999:B1"}


@pytest.mark.parametrize("loss", ["changed", "temporary", "shared", "gone"])
def test_a_link_is_undone_when_its_reason_goes_and_made_again_when_it_is_back(tmp_path: Path, loss: str) -> None:
    mis, others = learner("L1", uln=ULN_1), [learner(f"X{number}") for number in range(5)]
    ilp = [learner("P1", uln=ULN_1), *others]
    college = two_sources(tmp_path, [mis], ilp, [activity("a", "P1"), activity("b", "L1", day="2025-11-01")])
    college.sync()
    assert records(college, "L1") == ["a", "b"]
    without = {
        "changed": [learner("P1", uln=ULN_2), *others],
        "temporary": [learner("P1", uln=TEMPORARY), *others],
        "shared": [*ilp, learner("P2", uln=ULN_1)],
        "gone": others,
    }[loss]
    change(college, ilp=without)
    assert records(college, "L1") == ["b"]
    assert said(college, "L1", "email").keys() == {"mis"}
    assert nobody(college, "P1") if loss == "gone" else records(college, "P1") == ["a"]
    change(college, ilp=ilp)
    assert records(college, "L1") == ["a", "b"]
    assert explain(college, "P1").learner == "L1"


# -- rows that name a learner in another way ---------------------------------------------------------------------


def test_a_row_with_a_uln_alone_is_for_the_learner_who_has_it(tmp_path: Path) -> None:
    log = [activity("a", "", uln=ULN_1), activity("b", "", uln=TEMPORARY), activity("c", "", uln=ULN_2)]
    college = two_sources(tmp_path, [learner("L1", uln=ULN_1)], [learner("X1")], log)
    report = college.sync()
    assert records(college, "L1") == ["a"]
    assert any(
        message.startswith("log: 1 activities refer to a learner in none of the sources") for message in report.messages
    )
    change(college, mis=[learner("L1", uln=ULN_1), learner("L2", uln=ULN_2)])
    assert records(college, "L2") == ["c"]


def test_a_row_with_an_unknown_reference_is_for_the_learner_with_its_uln_until_the_reference_is_known(
    tmp_path: Path,
) -> None:
    college = two_sources(tmp_path, [learner("L1", uln=ULN_1)], [learner("X1")], [activity("a", "P1", uln=ULN_1)])
    college.sync()
    assert records(college, "L1") == ["a"]
    change(college, ilp=[learner("X1"), learner("P1", uln=TEMPORARY)])
    assert records(college, "L1") == []
    assert records(college, "P1") == ["a"]


def test_a_row_s_link_by_uln_is_undone_when_the_learner_has_another_one(tmp_path: Path) -> None:
    mis = [learner("L1", uln=ULN_1)]
    college = two_sources(
        tmp_path, mis, [learner("X1")], [activity("a", "", uln=ULN_1), activity("b", "P1", uln=ULN_1)]
    )
    college.sync()
    assert records(college, "L1") == ["a", "b"]
    report = change(college, mis=[learner("L1", uln=ULN_2)])
    assert records(college, "L1") == []
    assert unknown(report) == ["log: 2 activities"]
    change(college, mis=mis)
    assert records(college, "L1") == ["a", "b"]


def test_a_reference_that_comes_with_the_ulns_of_two_learners_is_for_neither(tmp_path: Path) -> None:
    log = [activity("a", "P1", uln=ULN_1), activity("b", "P1", uln=ULN_2)]
    college = two_sources(tmp_path, [learner("L1", uln=ULN_1), learner("L2", uln=ULN_2)], [learner("X1")], log)
    college.sync()
    assert records(college, "L1") == records(college, "L2") == []


def test_padding_does_not_part_a_learner_from_their_rows(tmp_path: Path) -> None:
    college = two_sources(
        tmp_path,
        [learner("L1       ", email="mis@x.ac.uk")],
        [learner("  L1", email="ilp@x.ac.uk")],
        [activity("a", " L1 "), activity("b ", "L1\t", day="2025-11-01")],
    )
    assert college.sync().records["learners"] == 1
    assert records(college, "L1") == ["a", "b"]


# -- mergers of colleges -----------------------------------------------------------------------------------------


def crosswalk(college: SmallCollege, *rows: str) -> None:
    path = college.folder / "crosswalk.csv"
    path.write_text("\n".join(["ukprn,learner_ref,same_as_ukprn,same_as_learner_ref", *rows]), encoding="utf-8")
    college.tables["identity"] = {"crosswalk": "crosswalk.csv"}


def merged_college(folder: Path) -> SmallCollege:
    """Return a college that another one has joined, whose MIS is still read, with references of its own."""
    college = two_sources(folder, [learner("L1"), learner("L2")], [learner("L1", email="other@x.ac.uk")])
    college.source("ilp")["ukprn"] = 10000001
    college.add_csv("old-log", "activities", "careers-log", [activity("a", "L1")], ukprn=10000001)
    college.put("log", [activity("b", "L1", day="2025-11-01")])
    return college


def test_the_same_reference_at_two_providers_is_two_learners(tmp_path: Path) -> None:
    college = merged_college(tmp_path)
    assert college.sync().records["learners"] == 3
    assert records(college, "99999999:L1") == ["b"]
    assert records(college, "10000001:L1") == ["a"]


def test_the_crosswalk_makes_two_references_one_learner_and_can_be_taken_back(tmp_path: Path) -> None:
    college = merged_college(tmp_path)
    college.sync()
    before = college.snapshot(live=True)
    crosswalk(college, "10000001, L1 ,99999999,L2")
    report = college.sync()
    assert report.records["learners"] == 2
    assert all(one.state == "unchanged" for one in report.streams)
    assert records(college, "L2") == ["a"]
    assert explain(college, "10000001:L1").learner == "L2"
    assert said(college, "L2", "email") == {"mis": ("l2@example.ac.uk", True), "ilp": ("other@x.ac.uk", False)}
    again = college.snapshot(live=True)
    assert college.sync().records["learners"] == 2
    assert college.snapshot(live=True) == again
    crosswalk(college)
    assert college.sync().records["learners"] == 3
    assert records(college, "10000001:L1") == ["a"]
    assert college.snapshot(live=True) == before


def test_the_crosswalk_holds_from_the_first_run_and_reaches_rows_that_are_no_longer_in_a_file(tmp_path: Path) -> None:
    college = merged_college(tmp_path / "one")
    crosswalk(college, "10000001,L1,10000001,L9", "10000001,L9,99999999,L2")
    assert college.sync().records["learners"] == 2
    assert records(college, "L2") == ["a"]

    college = merged_college(tmp_path / "two")
    college.sync()
    change(college, **{"old-log": [activity("c", "L1", day="2025-12-01")]})  # kept in append mode: `a` stays
    crosswalk(college, "10000001,L1,99999999,L2")
    college.sync()
    assert records(college, "L2") == ["a", "c"]


def test_a_learner_whom_only_the_crosswalk_names_anew_bears_the_new_name(tmp_path: Path) -> None:
    college = two_sources(tmp_path, [learner("L1")], [learner("X1")], [activity("a", "L1"), activity("b", "NEW")])
    crosswalk(college, "99999999,L1,99999999,NEW")
    assert college.sync().records["learners"] == 2
    assert explain(college, "L1").learner == "NEW"
    assert records(college, "NEW") == ["a", "b"]


def test_the_crosswalk_and_the_ulns_work_together(tmp_path: Path) -> None:
    """L1 and L2 are one by the crosswalk, so that a number which both have is no longer two people's."""
    college = two_sources(tmp_path, [learner("L1", uln=ULN_1), learner("L2", uln=ULN_1)], [learner("P1", uln=ULN_1)])
    assert college.sync().records["learners"] == 3
    crosswalk(college, "99999999,L2,99999999,L1")
    assert college.sync().records["learners"] == 1
    assert explain(college, "P1").learner == explain(college, "L2").learner == "L1"
    assert warned(college, "ambiguous_uln") == []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["10000001,L1,99999999,"], r"crosswalk\.csv line 2 has no same_as_learner_ref"),
        (["10000001,L1,99999999,L2", "10000001,L3"], r"crosswalk\.csv line 3 has no same_as_ukprn"),
        (["10000001,L1,99999999,L2", "99999999,L2,10000001,L1"], r"crosswalk\.csv has references that form a circle"),
        (["10000001,L1,10000001,L1"], r"crosswalk\.csv has references that form a circle"),
        (["10000002,L1,99999999,L2"], r"line 2: the ukprn is not your college.s\. .* former_ukprns"),
        (["10000001,L1,99999998,L2"], r"line 2: the same_as_ukprn is not your college.s\. .* former_ukprns"),
    ],
)
def test_a_crosswalk_that_cannot_be_right_is_refused(tmp_path: Path, rows: list[str], sentence: str) -> None:
    college = merged_college(tmp_path)
    crosswalk(college, *rows)
    with pytest.raises(ConfigError, match=sentence):
        college.sync()


def test_a_crosswalk_without_its_columns_is_refused(tmp_path: Path) -> None:
    college = merged_college(tmp_path)
    crosswalk(college)
    (tmp_path / "crosswalk.csv").write_text("old,new\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"crosswalk\.csv has no column ukprn, learner_ref"):
        college.sync()


def test_the_crosswalk_may_name_a_college_that_merged_into_this_one(tmp_path: Path) -> None:
    college = two_sources(tmp_path, [learner("L1")], [learner("X1")])
    college.tables["college"]["former_ukprns"] = [10000001]
    crosswalk(college, "10000001,L7,99999999,L1")
    assert college.sync().exit_code == 0


# -- one event in two sources ------------------------------------------------------------------------------------


def criterion(college: SmallCollege, who: str, number: str) -> tuple[int, list[tuple[str, str, str | None]]]:
    """Return how many count for a criterion, and what became of each record."""
    found = next(one for one in explain(college, who).criteria if one.criterion == number)
    return found.have, [(item.record, item.outcome, item.why) for item in found.evidence]


def two_logs(folder: Path, log: list[Row], platform: list[Row]) -> SmallCollege:
    college = usual_college(folder, learners=2)
    college.keep = True
    college.put("careers-log", log)
    college.add_csv("platform", "activities", "careers-log", platform, feeds=FEEDS)
    return college


SAME = {"day": "2025-10-06", "employer": "The Bakery"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(SAME, SAME, id="same day, kind and organisation"),
        pytest.param(SAME, {"day": "2025-10-06", "employer": "the  BAKERY "}, id="spelt otherwise"),
        pytest.param(
            {"day": "2025-10-06", "event_key": "E1"}, {"day": "2025-10-07", "event_key": "E1"}, id="shared event key"
        ),
    ],
)
def test_one_talk_in_two_sources_counts_once_and_explain_says_so(
    tmp_path: Path, one: dict[str, str], other: dict[str, str]
) -> None:
    college = two_logs(tmp_path, [activity("a", "L001", **one)], [activity("b", "L001", **other)])
    college.sync()
    have, uses = criterion(college, "L001", "5.1")
    assert have == 1
    counted, rejected = sorted(uses, key=lambda use: use[1] == "rejected")
    assert counted[:2] in {("careers-log:a", "counted"), ("careers-log:a", "possible")}
    assert rejected[:2] == ("platform:b", "rejected")
    assert rejected[2] is not None
    assert "The other record is careers-log:a." in rejected[2]


@pytest.mark.parametrize(
    ("one", "other", "log"),
    [
        pytest.param(SAME, SAME | {"day": "2025-10-07"}, "platform", id="another day"),
        pytest.param(SAME, SAME | {"employer": "The Garage"}, "platform", id="another organisation"),
        pytest.param(SAME, {"day": "2025-10-06"}, "platform", id="an organisation unknown"),
        pytest.param(SAME, SAME, "careers-log", id="twice in one source"),
    ],
)
def test_two_events_are_two(tmp_path: Path, one: dict[str, str], other: dict[str, str], log: str) -> None:
    college = two_logs(tmp_path, [activity("a", "L001", **one)], [])
    college.rows[log].append(activity("b", "L001", **other))
    college.write(log)
    college.sync()
    assert criterion(college, "L001", "5.1")[0] == 2


def test_a_duplicate_counts_when_the_record_that_stood_for_it_goes(tmp_path: Path) -> None:
    college = two_logs(tmp_path, [activity("a", "L001", **SAME)], [activity("b", "L001", **SAME)])
    college.source("careers-log")["mode"] = "snapshot"
    others = [activity(f"x{number}", "L002", day=f"2025-10-{number + 10}") for number in range(6)]
    college.add("careers-log", *others)
    college.sync()
    change(college, **{"careers-log": others})
    have, uses = criterion(college, "L001", "5.1")
    assert have == 1
    assert [use[0] for use in uses] == ["platform:b"]


# -- the order of arrival ----------------------------------------------------------------------------------------

MIS = [learner("L1", uln=ULN_1), learner("L2", uln=ULN_2), learner("L3", uln=TEMPORARY)]
ILP = [learner("P1", uln=ULN_1, soc_code="2231"), learner("L2", email="ilp@x.ac.uk"), learner("P4", uln=uln(40))]
PARTS: dict[str, list[Row]] = {
    "mis": MIS,
    "ilp": ILP,
    "courses": [
        {"learner_ref": ref, "programme": "Catering", "programme_code": "CAT", "start_date": "2025-09-01",
         "planned_end_date": "2026-07-10", "programme_type": "Study programme"} for ref in ("L1", "L2", "P4")
    ],
    "tutors": [
        {"learner_ref": ref, "tutor_group": group, "tutor_email": f"{group}@example.ac.uk", "tutor_name": group}
        for ref, group in (("P1", "g1"), ("L2", "g1"), ("L3", "g2"))
    ],
    "log": [
        activity("a", "P1", employer="Bakery"), activity("b", "L1", "Careers interview"),
        activity("c", "", tutor_group="g1", day="2025-11-03", employer="Garage"),
        activity("d", "", programme="CAT", day="2025-11-04", employer="Farm"),
        activity("e", "P9", uln=uln(40), day="2025-11-05"), activity("f", "", uln=ULN_2, day="2025-11-06"),
        activity("g", "NOBODY"),
    ],
    "platform": [activity("z", "L1", employer="Bakery"), activity("y", "", uln=ULN_1, day="2025-11-07")],
}  # fmt: skip
_STREAMS = {"mis": "learners", "ilp": "learners", "courses": "programmes", "tutors": "assignments"}
_MAPPINGS = {"learners": "learners", "programmes": "programmes", "assignments": "assignments"}


def of_parts(folder: Path) -> SmallCollege:
    college = new_college(folder)
    for name, rows in PARTS.items():
        kind = _STREAMS.get(name, "activities")
        feeds = {"feeds": FEEDS} if kind == "activities" else {}
        college.add_csv(name, kind, _MAPPINGS.get(kind, "careers-log"), rows, mode="append", **feeds)
    return college


def alive(college: SmallCollege) -> Snapshot:
    """Return what is live in the store, but for what tells its history: when a gap opened, who was told of it."""
    found = college.snapshot(live=True)
    return {name: rows for name, rows in found.items() if name not in {"outbox", "told", "dirty", "episode"}}


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    college = of_parts(tmp_path_factory.mktemp("at-once"))
    report = college.sync(deliver=False)
    assert report.records == {"learners": 4, "programmes": 3, "assignments": 3, "activities": 9, "destinations": 0,
                              "responses": 0}  # fmt: skip
    return alive(college)


ARRIVALS = [(name, row) for name, rows in PARTS.items() for row in rows]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, phases=[Phase.generate])
@given(
    order=st.permutations(range(len(ARRIVALS))),
    cuts=st.lists(st.integers(1, len(ARRIVALS) - 1), min_size=1, max_size=2, unique=True).map(sorted),
)
def test_the_order_in_which_rows_arrive_does_not_matter(
    at_once: Snapshot, tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: list[int]
) -> None:
    college = of_parts(tmp_path_factory.mktemp("apart"))
    for start, end in itertools.pairwise([0, *cuts, len(order)]):
        arrived = [ARRIVALS[number] for number in order[start:end]]
        for name, rows in PARTS.items():
            college.rows[name] = [row for source, row in arrived if source == name]
            college.write(name, header=list(dict.fromkeys(column for row in rows for column in row)))
        college.sync(deliver=False)
        college.later(days=0.01)
    assert alive(college) == at_once
