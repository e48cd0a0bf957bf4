"""References change while people stay, and people change while references stay: nobody is lost, and nobody inherits."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from colleges import SmallCollege, activity, dump, snapshot, stream, usual_college
from command_line import run, run_json
from ilr_files import ilr
from ilr_files import learner as ilr_learner
from mails import text_of
from nights import KILLED, Death, run_night, small_steps
from ulns import valid_uln

from fingerpost import ConfigError
from fingerpost._store import schema

if TYPE_CHECKING:
    from pathlib import Path

    from fingerpost.reports import Explanation, RunReport


TEMPORARY = "9999999999"


def new_college(folder: Path, *, learners: int = 12) -> SmallCollege:
    """Return a college whose learners have a ULN each; the source of learners also has their former references."""
    college = usual_college(folder, learners=learners)
    college.keep = True
    for number, row in enumerate(college.rows["mis"]):
        row.update(uln=valid_uln(100 * number), previous_learner_ref="")
    college.write("mis")
    return college


def call_anew(college: SmallCollege, names: dict[str, str], **more: str) -> None:
    """Let every source but the careers log have other references for these learners."""
    for source in ("mis", "courses", "tutors"):
        for old, new in names.items():
            college.amend(source, old, learner_ref=new)
            if source == "mis" and more:
                college.amend(source, new, **more)


def explain(college: SmallCollege, who: str) -> Explanation:
    with college.open() as opened:
        return opened.explain(who)


def evidence(college: SmallCollege, who: str) -> set[str]:
    """Return the records that are a learner's, whatever they count for."""
    return {one.record for criterion in explain(college, who).criteria for one in criterion.evidence}


def is_one(college: SmallCollege, one: str, other: str) -> bool:
    try:
        return explain(college, one).learner == explain(college, other).learner
    except ConfigError:
        return False


def gaps(college: SmallCollege) -> dict[str, str]:
    """Return the learner of every open gap, by key."""
    with college.open() as opened:
        return {gap.key: gap.learner for gap in opened.gaps().gaps}


def faults(college: SmallCollege, code: str) -> list[str]:
    """Return the keys of the rows that have this fault."""
    with college.open() as opened:
        return [one.key for one in opened.data_quality() if one.code == code]


def told(college: SmallCollege) -> list[tuple[str, str, str]]:
    """Return learner, criterion and change of what the digests of the last run that sent any listed."""
    box, log, episode, person = schema.outbox, schema.told, schema.episode, schema.learner
    with college.open() as opened, opened._opened.store.reading() as connection:
        last = sa.select(sa.func.max(box.c.planned_run)).scalar_subquery()
        select = (
            sa.select(person.c.reference, episode.c.criterion, log.c.change)
            .join_from(log, box, box.c.id == log.c.outbox_id)
            .join(episode, episode.c.gap_key == log.c.gap_key)
            .join(person, person.c.id == episode.c.learner_id)
            .where(box.c.planned_run == last)
        )
        return sorted(tuple(row) for row in connection.execute(select))


def next_week(college: SmallCollege) -> RunReport:
    college.later(days=7)
    return college.sync()


def assert_at_rest(college: SmallCollege) -> None:
    """Run again: nothing may be written to any table of records, and nothing sent."""
    with college.open() as opened:
        store = opened._opened.store
        before = dump(store)
        report = opened.sync()
        assert dump(store) == before
    assert report.digests.sent == 0


# -- a new reference ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_new_reference_with_the_same_uln_is_the_same_learner(tmp_path: Path, count: int) -> None:
    """All twelve at once are more than a sweep believes, so that the old references wait to be removed."""
    college = new_college(tmp_path)
    college.sync()
    before = gaps(college)
    names = {f"L{number:03d}": f"N{number:03d}" for number in range(1, 1 + count)}
    call_anew(college, names)
    report = next_week(college)
    assert stream(report, "mis").state == ("held" if count == 12 else "complete")
    assert gaps(college) == {key: names.get(who, who) for key, who in before.items()}
    assert report.digests.sent == 0
    for old, new in names.items():
        found = explain(college, old)
        assert (found.learner, found.also_known_as) == (new, (f"99999999:{old}",))
        assert explain(college, new) == found
        assert f"careers-log:{old}-1" in evidence(college, new)
    assert_at_rest(college)


def test_what_is_recorded_under_either_reference_counts(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    call_anew(college, {"L002": "N002"})
    college.add("careers-log", activity("late", "L002", day="2026-01-12"), activity("n", "N002", day="2026-02-02"))
    next_week(college)
    assert evidence(college, "N002") == {"careers-log:L002-1", "careers-log:late", "careers-log:n"}


def test_a_third_reference_is_still_the_same_learner(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    before = gaps(college)
    call_anew(college, {"L001": "N001"})
    next_week(college)
    call_anew(college, {"N001": "M001"})
    next_week(college)
    assert gaps(college) == {key: "M001" if who == "L001" else who for key, who in before.items()}
    assert explain(college, "L001").also_known_as == ("99999999:L001", "99999999:N001")


def test_a_learner_who_comes_back_under_a_new_reference_has_what_was_theirs(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    row = next(one for one in college.rows["mis"] if one["learner_ref"] == "L001")
    college.drop("mis", "L001")
    next_week(college)
    college.add("mis", row | {"learner_ref": "N001"})
    next_week(college)
    assert evidence(college, "N001") == {"careers-log:L001-1", "careers-log:L001-2", "careers-log:L001-3"}


def test_without_a_permanent_uln_a_new_reference_is_a_new_learner(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.amend("mis", "L001", uln=TEMPORARY)
    college.amend("mis", "L002", uln="")
    college.sync()
    call_anew(college, {"L001": "N001", "L002": "N002"})
    next_week(college)
    assert evidence(college, "N001") == evidence(college, "N002") == set()
    with college.open() as opened:
        kept = {one.connector: one.of_nobody for one in opened.status().sources}
    assert kept == {"mis": 0, "courses": 0, "tutors": 0, "careers-log": 4}


def test_an_ilr_s_reference_of_last_year_is_succeeded_by_this_year_s(tmp_path: Path) -> None:
    college = SmallCollege(tmp_path)
    college.keep = True
    college.connectors.append({"type": "ilr", "name": "mis", "path": "ILR-*.xml"})
    college.add_csv("log", "activities", "careers-log", [activity("a", "A1"), activity("b", "B1")])
    first, both = valid_uln(10), valid_uln(20)
    write_ilr(college, "2526", ilr_learner("A1", uln=first), ilr_learner("C1", uln=both), ilr_learner("D1", uln=both))
    college.sync()
    write_ilr(college, "2627", ilr_learner("B1", uln=first))
    college.sync()
    assert evidence(college, "B1") == {"log:a", "log:b"}
    assert explain(college, "A1").learner == "B1"
    assert not is_one(college, "C1", "D1")
    assert sorted(faults(college, "ambiguous_uln")) == ["2526/C1", "2526/D1"]
    again = SmallCollege(tmp_path / "again")
    again.connectors, again.rows = college.connectors, {}
    shutil.copytree(tmp_path / "data", again.folder / "data")
    for path in tmp_path.glob("ILR-*.xml"):
        shutil.copy(path, again.folder)
    again.sync()
    assert again.snapshot(live=True)["learner"] == college.snapshot(live=True)["learner"]


def write_ilr(college: SmallCollege, year: str, *learners: str) -> None:
    prepared = f"20{year[2:]}-02-27T01:02:03"
    name = f"ILR-99999999-{year}-20{year[2:]}0227-010203-01.xml"
    (college.folder / name).write_text(ilr(*learners, year=year, prepared=prepared), encoding="utf-8")


# -- two at once -------------------------------------------------------------------------------------------------


def test_two_references_at_once_are_two_until_one_is_deleted_and_its_records_follow_the_uln(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.amend("mis", "L003", uln=valid_uln(0))
    college.sync()
    assert not is_one(college, "L001", "L003")
    assert faults(college, "ambiguous_uln") == ["L001", "L003"]
    row = next(one for one in college.rows["mis"] if one["learner_ref"] == "L001")
    college.drop("mis", "L001")
    next_week(college)
    assert explain(college, "L001").learner == "L003"
    assert {"careers-log:L001-1", "careers-log:L003-1"} < evidence(college, "L003")
    assert faults(college, "ambiguous_uln") == []
    college.add("mis", row)
    next_week(college)
    assert not is_one(college, "L001", "L003")


def test_references_whose_removal_was_held_and_that_are_back_are_two_again(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    before, rows = gaps(college), college.rows["mis"]
    college.put("mis", [row | {"learner_ref": row["learner_ref"].replace("L", "N")} for row in rows])
    next_week(college)
    assert is_one(college, "L001", "N001")
    college.put("mis", [*rows, *college.rows["mis"]])
    next_week(college)
    assert not is_one(college, "L001", "N001")
    assert before.items() <= gaps(college).items()


# -- dates of birth ----------------------------------------------------------------------------------------------


def second_source(folder: Path, **more: str) -> SmallCollege:
    """Return a college whose ILP has references of its own, and one learner with a ULN of the MIS."""
    college = new_college(folder)
    page = {"learner_ref": "P1", "uln": valid_uln(0), "date_of_birth": "2008-05-17", "given_names": "Ash"}
    college.add_csv("ilp", "learners", "learners", [page | more])
    college.add("careers-log", activity("p", "P1", day="2026-02-02"))
    return college


@pytest.mark.parametrize(
    ("born", "joined"), [("2008-05-17", True), ("", True), ("2008-05-18", False), ("1990-01-01", False)]
)
def test_a_uln_on_the_page_of_a_learner_with_another_date_of_birth_joins_nobody(
    tmp_path: Path, born: str, joined: bool
) -> None:
    college = second_source(tmp_path, date_of_birth=born)
    college.sync()
    assert is_one(college, "L001", "P1") == joined
    assert faults(college, "uln_birth_date_disagrees") == ([] if joined else ["P1", "L001"])
    college.amend("ilp", "P1", date_of_birth="2008-05-17")
    next_week(college)
    assert is_one(college, "L001", "P1")
    assert faults(college, "uln_birth_date_disagrees") == []


def test_a_new_reference_with_another_date_of_birth_is_another_learner(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    call_anew(college, {"L001": "N001"}, date_of_birth="2009-09-09")
    next_week(college)
    assert evidence(college, "N001") == set()
    assert faults(college, "uln_birth_date_disagrees") == ["N001"]


# -- a former reference that the provider names ------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers", [("", ""), (TEMPORARY, TEMPORARY), (valid_uln(50), valid_uln(60)), (valid_uln(50), "")]
)
def test_a_former_reference_joins_whatever_the_uln(tmp_path: Path, numbers: tuple[str, str]) -> None:
    college = new_college(tmp_path)
    college.amend("mis", "L001", uln=numbers[0])
    college.sync()
    before = gaps(college)
    call_anew(college, {"L001": "N001"}, previous_learner_ref="L001", uln=numbers[1])
    report = next_week(college)
    assert gaps(college) == {key: "N001" if who == "L001" else who for key, who in before.items()}
    assert report.digests.sent == 0
    with college.open() as opened:
        (link,) = opened.identities()
    assert (link.identity, link.other, link.evidence) == ("99999999:N001", "99999999:L001", "previous_reference")
    assert_at_rest(college)


def test_a_former_reference_that_only_a_log_knows_belongs_to_its_successor_from_the_first_night(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    call_anew(college, {"L001": "N001"}, previous_learner_ref="L001")
    college.sync()
    assert evidence(college, "N001") == {"careers-log:L001-1", "careers-log:L001-2", "careers-log:L001-3"}
    college.add("careers-log", activity("late", "L001", day="2026-02-02"))
    next_week(college)
    assert "careers-log:late" in evidence(college, "N001")


def test_a_former_reference_outranks_a_uln_that_two_share(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.amend("mis", "L003", uln=valid_uln(0), previous_learner_ref="L001")
    college.sync()
    assert is_one(college, "L001", "L003")
    assert faults(college, "ambiguous_uln") == []


def test_a_former_reference_of_somebody_born_on_another_day_joins_nobody(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.amend("mis", "L003", date_of_birth="2007-07-07", previous_learner_ref="L001")
    college.sync()
    assert not is_one(college, "L001", "L003")
    assert faults(college, "previous_ref_birth_date_disagrees") == ["L003"]


def test_a_former_reference_that_two_learners_name_is_neither_s(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    for who in ("L003", "L004"):
        college.amend("mis", who, previous_learner_ref="L900")
    college.add("careers-log", activity("x", "L900", day="2026-02-02"))
    college.sync()
    assert faults(college, "ambiguous_previous_ref") == ["L003", "L004"]
    assert "careers-log:x" not in evidence(college, "L003") | evidence(college, "L004")


# -- two that were judged apart ----------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", ["mis", "ilp"])
def test_two_who_turn_out_to_be_one_are_told_of_once(tmp_path: Path, trusted: str) -> None:
    """Whichever identity stays, the tutor has been told of these gaps, and is not told anew."""
    college = second_source(tmp_path, uln="")
    if trusted == "ilp":
        college.connectors.insert(0, college.connectors.pop())
    for source in ("courses", "tutors"):
        row = college.rows[source][1]
        college.add(source, row | {"learner_ref": "P1"})
    college.amend("mis", "L002", uln="")
    college.amend("careers-log", "P1", learner_ref="L001")
    college.sync()
    assert {who for who, _, _ in told(college)} >= {"L002", "P1"}
    ours = {key for key, who in gaps(college).items() if who in ("L002", "P1")}
    college.amend("ilp", "P1", uln=valid_uln(100))
    college.amend("mis", "L002", uln=valid_uln(100))
    report = next_week(college)
    assert is_one(college, "L002", "P1")
    kept = {key for key, who in gaps(college).items() if who in ("L002", "P1")}
    assert kept < ours
    assert report.digests.sent == 0, told(college)
    college.amend("ilp", "P1", uln="")
    next_week(college)
    assert {key for key, who in gaps(college).items() if who in ("L002", "P1")} == ours
    college.amend("ilp", "P1", uln=valid_uln(100))
    next_week(college)
    assert {key for key, who in gaps(college).items() if who in ("L002", "P1")} == kept
    assert_at_rest(college)


def test_a_gap_that_only_one_of_two_had_goes_on_under_its_key(tmp_path: Path) -> None:
    """The gap of the one who disappears stays open under its key, is told as changed at most, and is told as done."""
    college = second_source(tmp_path, uln="")
    for source in ("courses", "tutors"):
        college.add(source, college.rows[source][1] | {"learner_ref": "P1"})
    college.drop("courses", "L002")
    college.amend("careers-log", "P1", learner_ref="L001")
    college.sync()
    theirs = {key for key, who in gaps(college).items() if who == "P1"}
    assert theirs
    assert "L002" not in gaps(college).values()
    college.amend("ilp", "P1", uln=valid_uln(100))
    next_week(college)
    ours = {key for key, who in gaps(college).items() if who == "L002"}
    assert ours
    assert ours <= theirs
    news = [one for one in told(college) if one[0] in ("L002", "P1") and one[2] != "open"]
    assert {change for _, _, change in news} <= {"changed", "closed"}
    college.add("careers-log", activity("done", "P1", "Careers interview", "2026-03-04"))
    next_week(college)
    assert ("L002", "8.1", "closed") in told(college)
    assert any("GivenL002" in text_of(path.read_bytes()) for path in college.outbox)


# -- a reference that changed hands ------------------------------------------------------------------------------

OTHER = {"uln": valid_uln(9_000), "date_of_birth": "2009-12-24", "family_name": "Quill", "given_names": "Noor"}


def test_whoever_is_given_a_reference_inherits_nothing(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    before = gaps(college)
    college.amend("mis", "L001", **OTHER)
    college.amend("courses", "L001", start_date="2026-03-02", programme="Joinery")
    report = next_week(college)
    assert "1 reference was given to somebody else" in str(stream(report, "mis").message)
    assert faults(college, "reference_changed_hands") == ["L001"]
    found = explain(college, "L001")
    assert found.name == "Noor Quill"
    assert evidence(college, "L001") == set()
    assert [row["title"] for row in found.programmes] == ["Joinery"]
    assert found.tutors == ("tutor0@example.ac.uk",)
    theirs = {key for key, who in gaps(college).items() if who == "L001"}
    assert theirs
    assert theirs.isdisjoint(before)
    assert ("L001", "5.1", "new") in told(college)
    assert_at_rest(college)


def test_the_earlier_learner_comes_back_under_another_reference(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    row = dict(college.rows["mis"][0])
    college.amend("mis", "L001", **OTHER)
    next_week(college)
    college.add("mis", row | {"learner_ref": "N001"})
    college.add("courses", college.rows["courses"][0] | {"learner_ref": "N001"})
    next_week(college)
    assert evidence(college, "N001") == {"careers-log:L001-1", "careers-log:L001-2", "careers-log:L001-3"}
    assert evidence(college, "L001") == set()
    assert explain(college, "L001").name == "Noor Quill"


def test_a_reference_that_was_free_for_a_while_is_not_inherited_either(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    for source in ("mis", "courses", "tutors"):
        row = dict(college.rows[source][0])
        college.drop(source, "L001")
        college.rows[f"kept-{source}"] = [row]
    next_week(college)
    college.add("mis", college.rows["kept-mis"][0] | OTHER)
    college.add("courses", college.rows["kept-courses"][0] | {"start_date": "2026-03-02"})
    next_week(college)
    assert evidence(college, "L001") == set()
    assert faults(college, "reference_changed_hands") == ["L001"]


def test_next_year_s_ilr_gives_a_reference_to_somebody_else(tmp_path: Path) -> None:
    college = SmallCollege(tmp_path)
    college.keep = True
    college.connectors.append({"type": "ilr", "name": "mis", "path": "ILR-*.xml"})
    college.add_csv("log", "activities", "careers-log", [activity("a", "A1")])
    write_ilr(college, "2526", ilr_learner("A1", uln=valid_uln(10)), ilr_learner("B1", uln=valid_uln(20)))
    college.sync()
    other = ilr_learner("A1", uln=valid_uln(30), FamilyName="Quill", DateOfBirth="2009-12-24")
    write_ilr(college, "2627", other, ilr_learner("B1", uln=valid_uln(20)))
    next_week(college)
    assert evidence(college, "A1") == set()
    assert [row["key"][:4] for row in explain(college, "A1").programmes] == ["2627"]
    assert faults(college, "reference_changed_hands") == ["2627/A1"]
    with college.open() as opened:
        opened.sync(full=True)
    assert [row["key"][:4] for row in explain(college, "A1").programmes] == ["2627"]
    assert evidence(college, "A1") == set()


def test_a_third_person_inherits_nothing_from_the_second(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    for number in (1, 2):
        college.add("careers-log", activity(f"x{number}", "L001", day="2026-02-02"))
        college.sync()
        third = {
            "uln": valid_uln(9_000 + 10 * number),
            "date_of_birth": f"2009-12-2{number}",
            "family_name": f"Q{number}",
        }
        college.amend("mis", "L001", **third)
        college.sync()  # on the same day
    assert evidence(college, "L001") == set()
    with college.open() as opened:
        assert len(opened.explain_identity("L001").identities) == 1


@pytest.mark.parametrize("kept", ["uln", "date_of_birth", "family_name"])
def test_a_correction_is_no_other_person(tmp_path: Path, kept: str) -> None:
    college = new_college(tmp_path)
    college.sync()
    before = gaps(college)
    college.amend("mis", "L001", **{name: value for name, value in OTHER.items() if name != kept})
    next_week(college)
    assert gaps(college) == before
    assert "careers-log:L001-1" in evidence(college, "L001")
    assert faults(college, "reference_changed_hands") == []


@pytest.mark.parametrize("unknown", [{"uln": TEMPORARY}, {"uln": ""}, {"date_of_birth": ""}, {"family_name": ""}])
def test_what_was_not_known_before_proves_no_other_person(tmp_path: Path, unknown: dict[str, str]) -> None:
    college = new_college(tmp_path)
    college.amend("mis", "L001", **unknown)
    college.sync()
    college.amend("mis", "L001", **OTHER)
    next_week(college)
    assert "careers-log:L001-1" in evidence(college, "L001")


def test_rows_that_are_mapped_again_stay_with_the_earlier_learner(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.sync()
    college.amend("mis", "L001", **OTHER)
    next_week(college)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "ours.toml").write_text(
        'schema_version = 1\nextends = "careers-log"\nstream = "activities"\n[fields.sector]\nfrom = "employer"\n',
        encoding="utf-8",
    )
    college.source("careers-log")["mapping"] = "ours"
    report = next_week(college)
    assert stream(report, "careers-log").changed > 0
    assert evidence(college, "L001") == set()


def test_a_second_source_that_follows_later_moves_with_the_person(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.add_csv("ilp", "learners", "learners", [dict(row) for row in college.rows["mis"]])
    college.sync()
    college.amend("mis", "L001", **OTHER)
    next_week(college)
    assert explain(college, "L001").name == "Noor Quill"
    assert {one.connector for one in explain(college, "L001").said} == {"mis"}
    college.amend("ilp", "L001", **OTHER)
    next_week(college)
    assert {one.connector for one in explain(college, "L001").said} == {"mis", "ilp"}
    assert evidence(college, "L001") == set()
    assert_at_rest(college)


# -- what a person decides ---------------------------------------------------------------------------------------


def decide(college: SmallCollege, what: str, one: str, other: str) -> Any:
    college.configure()
    arguments = ("identity", what, one, other, "--author", "Jo Fern", "--reason", "asked the MIS team")
    return run_json(*arguments, config=college.config_path)


def test_a_join_is_applied_by_the_next_sync_and_undone_by_a_split(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.keep = False
    college.sync()
    before = gaps(college)
    link = decide(college, "join", "L001", "99999999:L002")
    assert (link["decision"], link["evidence"], link["author"], link["waits"]) == ("join", "decision", "Jo Fern", True)
    next_week(college)
    assert is_one(college, "L001", "L002")
    assert {"careers-log:L001-1", "careers-log:L002-1"} < evidence(college, "L001")
    (shown,) = run_json("identity", "list", config=college.config_path)["links"]
    assert (shown["identity"], shown["other"], shown["reason"], shown["waits"]) == (
        "99999999:L001", "99999999:L002", "asked the MIS team", False,
    )  # fmt: skip
    assert decide(college, "join", "L002", "L001") == shown
    assert_at_rest(college)
    decide(college, "split", "L002", "L001")
    next_week(college)
    assert not is_one(college, "L001", "L002")
    assert sorted(gaps(college).values()) == sorted(before.values())


def test_a_split_outweighs_a_uln_and_a_former_reference_until_it_is_taken_back(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.keep = False
    college.sync()
    call_anew(college, {"L001": "N001", "L003": "N003"})
    college.amend("mis", "N003", previous_learner_ref="L003")
    next_week(college)
    assert is_one(college, "L001", "N001")
    for old, new in (("L001", "N001"), ("L003", "N003")):
        assert decide(college, "split", new, old)["waits"]
    next_week(college)
    assert evidence(college, "N001") == evidence(college, "N003") == set()
    college.amend("mis", "N001", email="new@example.ac.uk")
    next_week(college)
    assert evidence(college, "N001") == set()
    decide(college, "join", "L001", "N001")
    next_week(college)
    assert "careers-log:L001-1" in evidence(college, "N001")


def test_the_crosswalk_is_listed_with_its_file_and_a_split_cannot_contradict_it(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.keep = False
    (tmp_path / "same.csv").write_text(
        "ukprn,learner_ref,same_as_ukprn,same_as_learner_ref\n99999999,L001,99999999,L002\n", encoding="utf-8"
    )
    college.tables["identity"] = {"crosswalk": "same.csv"}
    college.sync()
    (link,) = run_json("identity", "list", config=college.config_path)["links"]
    assert (link["evidence"], link["author"]) == ("crosswalk", "same.csv")
    refused = run("identity", "split", "L001", "L002", "--author", "Jo", "--reason", "no", config=college.config_path)
    assert refused.exit_code == 2
    assert "take its line out" in refused.stderr


def test_a_split_cannot_contradict_other_decisions(tmp_path: Path) -> None:
    college = new_college(tmp_path)
    college.keep = False
    college.sync()
    decide(college, "join", "L001", "L002")
    decide(college, "join", "L002", "L003")
    refused = run("identity", "split", "L001", "L003", "--author", "Jo", "--reason", "no", config=college.config_path)
    assert refused.exit_code == 2
    assert "Other decisions" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("L999", "L001"), "The first reference is in none of the sources"),
        (("L001", "99999999:L999"), "The second reference is in none of the sources"),
        (("L001", " 99999999:L001"), "Both are the same reference"),
        (("L1", "L001", "--author", " "), "needs its author and a reason"),
    ],
)
def test_a_decision_that_cannot_be_meant_is_refused(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    college = new_college(tmp_path)
    college.keep = False
    college.sync()
    found = run("identity", "join", "--author", "Jo", "--reason", "x", *arguments, config=college.config_path)
    assert found.exit_code == 2
    assert sentence in " ".join(found.stderr.split())


def test_why_shows_every_reference_and_what_is_in_doubt(tmp_path: Path) -> None:
    college = second_source(tmp_path, date_of_birth="1990-01-01")
    college.keep = False
    college.sync()
    call_anew(college, {"L001": "N001"})
    next_week(college)
    found = run_json("identity", "why", "L001", config=college.config_path)
    assert found["learner"] == "N001"
    first, second = found["identities"]
    assert (first["identity"], first["evidence"], first["sources"][0]["state"]) == ("99999999:L001", None, "gone")
    assert (second["identity"], second["evidence"], second["sources"][0]["state"]) == ("99999999:N001", "uln", "listed")
    assert [(one["key"], one["code"]) for one in found["doubts"]] == [("N001", "uln_birth_date_disagrees")]
    shown = run("identity", "why", "99999999:N001", config=college.config_path)
    assert shown.exit_code == 0, shown.output
    assert "the same ULN" in shown.stdout
    assert "another learner has the same ULN, but another date of birth" in " ".join(shown.stdout.split())


# -- both databases, and a power cut anywhere --------------------------------------------------------------------


def everything(college: SmallCollege) -> None:
    """Let all of it happen in one night: new references, former ones, a late ULN, and one that changes hands."""
    call_anew(college, {"L003": "N003", "L004": "N004"})
    college.amend("mis", "N004", uln="", previous_learner_ref="L004")
    college.amend("mis", "L001", **OTHER)
    college.amend("ilp", "P1", uln=valid_uln(400))
    college.later(days=7)


def everybody(folder: Path) -> SmallCollege:
    college = second_source(folder, uln="")
    for source in ("courses", "tutors"):
        college.add(source, college.rows[source][1] | {"learner_ref": "P1"})
    return college


def test_both_databases_hold_the_same(tmp_path: Path, store_address: Path | str) -> None:
    """The nights on either database end with what a file on disk holds."""
    plain, other = everybody(tmp_path / "plain"), everybody(tmp_path / "other")
    if isinstance(store_address, str):
        other.tables["store"] = {"url": store_address}
    for college in (plain, other):
        college.sync()
        everything(college)
        college.sync()
        assert_at_rest(college)
    assert other.snapshot() == plain.snapshot()


@pytest.mark.slow
@pytest.mark.parametrize(
    "death",
    [
        ("chunk_written", 1), ("chunk_written", 2), ("checkpoint_committed", 1), ("checkpoint_committed", 2),
        ("stream_written", 1), ("stream_written", 2), ("stream_committed", 1), ("stream_committed", 2),
        ("link_written", 1), ("link_committed", 1), ("merge_written", 1), ("evaluation_committed", 1),
    ],
    ids=str,
)  # fmt: skip
def test_a_run_that_is_killed_is_carried_on_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: Death
) -> None:
    small_steps(monkeypatch.setattr)
    college = everybody(tmp_path / "killed")
    college.keep = False
    college.sync()
    everything(college)
    college.configure()
    shutil.copytree(college.folder, tmp_path / "whole")
    whole = SmallCollege(tmp_path / "whole", now=college.now)
    whole.tables, whole.connectors, whole.rows = college.tables, college.connectors, college.rows
    assert run_night(college.folder, college.now, death) == KILLED
    for one in (college, whole):
        one.sync()
    with college.open() as killed, whole.open() as undisturbed:
        assert snapshot(killed._opened.store, live=True) == snapshot(undisturbed._opened.store, live=True)
