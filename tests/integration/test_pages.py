"""What stands on learners' pages in the ILP, and what tutors answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from colleges import activity, usual_college
from ilp_board import Board, Listing, host
from mails import text_of

from fingerpost import ConfigError, item_key, mark_item, read_mark
from fingerpost_cli._run import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from colleges import SmallCollege


@pytest.fixture(autouse=True)
def _clean_board() -> None:
    Board.clear()


def small(folder: Path, *, kind: str = "board", learners: int = 6, **keys: Any) -> SmallCollege:
    """Return a college of six learners with a page each; every one of them lacks something."""
    college = usual_college(folder, learners=learners)
    college.host = host
    college.connectors.append({"type": kind, "name": "ilp", "write": True, **keys})
    return college


@pytest.fixture
def college(tmp_path: Path) -> SmallCollege:
    return small(tmp_path)


@pytest.fixture
def listing(tmp_path: Path) -> SmallCollege:
    """Return a college whose ILP can list its items, after the first night."""
    made = small(tmp_path, kind="listing")
    made.sync()
    return made


# Planning: one item for each learner with something open


def test_one_item_stands_on_the_page_of_each_learner_and_a_second_night_writes_nothing(college: SmallCollege) -> None:
    first = college.sync()
    assert (first.items.planned, first.items.written, first.exit_code) == (6, 6, 0)
    assert {ref: len(texts) for ref, texts in Board.open_items().items()} == {f"L00{n}": 1 for n in range(1, 7)}
    (text,) = Board.pages["L002"]
    mark = read_mark(text)
    assert mark is not None
    assert (mark.key, mark.intact, mark.closed) == (item_key(99999999, "L002"), True, False)
    before = college.dump()
    second = college.sync()
    assert (second.items.planned, second.items.written, len(Board.writes)) == (0, 0, 6)
    assert college.dump() == before


def test_the_words_are_for_the_learner_and_a_parent(tmp_path: Path) -> None:
    small(tmp_path).sync()
    lines = Board.pages["L002"][0].splitlines()
    assert lines[0].endswith("] Careers programme 2025/26: still to do")
    assert "- Meet employers, at a talk, a visit or in a project: 1 of 2 so far this year (by 10 July 2026)" in lines
    assert lines[-1].startswith("Already done? Tell your tutor")
    said = " ".join(lines).casefold()
    for word in ("criterion", "gap", "at risk", "benchmark", "gatsby", "they ", "their ", "family", "given"):
        assert word not in said


def test_an_item_is_updated_as_gaps_come_and_go(college: SmallCollege) -> None:
    college.sync()
    college.add("careers-log", activity("new", "L002", "Careers interview", "2026-02-20"))
    assert college.sync().items.written == 1
    assert Board.writes[-1] == ("L002", "update")
    (text,) = Board.open_items()["L002"]
    assert "careers adviser" not in text
    college.rows["careers-log"].pop()
    college.source("careers-log")["mode"] = "snapshot"  # so that what is gone from the file is gone
    college.write("careers-log")
    college.sync()
    (text,) = Board.open_items()["L002"]
    assert "careers adviser" in text


def test_the_last_gap_closes_the_item_and_a_later_one_opens_another(college: SmallCollege) -> None:
    college.sync()
    college.amend("courses", "L003", status="Withdrawn", actual_end_date="2026-02-27")
    college.sync()
    assert Board.writes[-1] == ("L003", "close")
    assert "L003" not in Board.open_items()
    college.amend("courses", "L003", status="Current", actual_end_date="")
    college.sync()
    assert Board.writes[-1] == ("L003", "open")
    assert [read_mark(text).closed for text in Board.pages["L003"]] == [True, False]  # type: ignore[union-attr]


def test_a_learner_who_is_gone_leaves_no_open_item(college: SmallCollege) -> None:
    college.sync()
    college.drop("mis", "L001")
    college.sync()
    assert sorted(Board.open_items()) == ["L002", "L003", "L004", "L005", "L006"]


def test_a_source_that_is_out_of_date_changes_no_item(college: SmallCollege) -> None:
    college.source("careers-log")["fresh_for"] = 3
    college.sync()
    before = dict(Board.open_items())
    college.later(days=10)
    for name in ("mis", "courses", "tutors"):
        college.write(name)
    report = college.sync()
    assert report.verdicts["8.1"]["unknown"] == 3
    assert (report.items.planned, Board.open_items()) == (0, before)


def test_nothing_is_written_until_it_is_switched_on(tmp_path: Path) -> None:
    college = small(tmp_path, write=False)
    report = college.sync()
    assert (report.items.planned, report.exit_code, Board.pages) == (0, 0, {})
    trial = college.sync(dry_run=True)
    assert (trial.items.planned, len(trial.would_write), Board.pages) == (6, 6, {})
    shown = trial.would_write[0]
    assert (shown.channel, shown.operation) == ("ilp", "open")
    assert shown.text.startswith("Careers programme 2025/26: still to do")
    assert (college.sync().items.planned, Board.pages) == (0, {})


def test_switched_off_again_nothing_that_waits_is_written(college: SmallCollege) -> None:
    Board.fault = "down"
    assert college.sync().items.deferred == 6
    Board.fault = ""
    college.source("ilp")["write"] = False
    college.sync()
    assert Board.writes == []


def test_a_ceiling_spreads_the_first_items_over_several_nights(tmp_path: Path) -> None:
    college = small(tmp_path, ceiling=4)
    first = college.sync()
    assert (first.items.written, first.items.over_ceiling, first.exit_code) == (4, 2, 4)
    second = college.sync()
    assert (second.items.written, second.items.over_ceiling, second.exit_code) == (2, 0, 0)
    assert len(Board.open_items()) == 6


def test_a_ceiling_that_was_lowered_holds_for_what_waits(college: SmallCollege) -> None:
    Board.fault = "down"
    assert college.sync().items.deferred == 6
    Board.fault = ""
    college.source("ilp")["ceiling"] = 1
    report = college.sync()
    assert (report.items.written, report.items.deferred, report.exit_code) == (1, 5, 4)
    college.source("ilp")["ceiling"] = 3
    assert [college.sync().items.written for _ in range(3)] == [3, 2, 0]


def test_what_the_ceiling_keeps_back_is_counted_also_while_the_ilp_is_down(tmp_path: Path) -> None:
    college = small(tmp_path, ceiling=4)
    Board.fault = "down"
    for _ in range(2):
        items = college.sync().items
        assert (items.written, items.deferred, items.over_ceiling) == (0, 4, 2)
    Board.fault = ""
    assert [college.sync().items.written for _ in range(2)] == [4, 2]


def test_what_closes_goes_before_what_opens(tmp_path: Path) -> None:
    college = small(tmp_path, ceiling=3)
    college.sync()
    gone = Board.writes[0][0]
    college.drop("mis", gone)
    college.sync()
    assert Board.writes[3] == (gone, "close")


def test_the_default_folder_of_digests_is_there_beside_an_ilp(college: SmallCollege) -> None:
    assert college.sync().digests.sent > 0
    assert len(college.outbox) == 2


# Delivering


def test_a_channel_that_is_down_is_tried_again_and_nothing_is_doubled(college: SmallCollege) -> None:
    Board.fault = "down"
    first = college.sync()
    assert (first.items.deferred, first.items.written, first.exit_code) == (6, 0, 4)
    college.add("careers-log", activity("new", "L002", "Careers interview", "2026-02-20"))
    Board.fault = ""
    second = college.sync()
    assert (second.items.written, second.items.deferred, second.exit_code) == (6, 0, 0)
    (text,) = Board.open_items()["L002"]
    assert "careers adviser" not in text  # what waited was out of date and was never written
    assert all(len(texts) == 1 for texts in Board.pages.values())


def test_a_channel_that_is_refused_is_told_once_and_given_no_more(tmp_path: Path) -> None:
    college = small(tmp_path, learners=45)
    Board.fault = "denied"
    report = college.sync()
    assert (report.items.written, report.items.deferred, report.items.unknown) == (1, 44, 0)
    assert [one for one in report.messages if "ilp" in one] == ["Channel ilp: the login may not do that"]
    Board.fault = ""
    assert college.sync().items.written == 44


@pytest.mark.parametrize("kind", ["board", "read-back"])
def test_a_lost_answer_doubles_nothing(tmp_path: Path, kind: str) -> None:
    college = small(tmp_path, kind=kind)
    Board.fault = "lost"
    assert college.sync().items.unknown == 6
    Board.fault = ""
    college.later(days=1)
    report = college.sync()
    assert (report.items.unknown, report.exit_code) == (0, 0)
    assert all(len(texts) == 1 for texts in Board.pages.values())
    assert len(Board.writes) == 6


def test_what_was_given_up_without_an_answer_is_closed_all_the_same(college: SmallCollege) -> None:
    Board.fault = "lost"
    college.sync()
    college.later(days=1)
    college.sync()  # sent once more, and lost again
    Board.fault = ""
    college.later(days=4)  # given up
    college.rows["mis"].pop(0)
    for name in ("mis", "courses", "tutors", "careers-log"):
        college.write(name)
    college.sync()
    assert sorted(Board.open_items()) == ["L002", "L003", "L004", "L005", "L006"]
    assert all(len(texts) == 1 for texts in Board.pages.values())


def test_an_item_that_a_tutor_changed_is_never_written_again(college: SmallCollege) -> None:
    college.sync()
    Board.pages["L002"][0] += " Spoke with L. about it."
    theirs = Board.pages["L002"][0]
    college.add("careers-log", activity("new", "L002", "Careers interview", "2026-02-20"))
    report = college.sync()
    assert (report.items.edited, report.items.failed, report.exit_code) == (1, 0, 0)
    assert college.sync().items.planned == 0  # and nobody tries every night
    college.drop("mis", "L002")
    college.sync()
    assert Board.pages["L002"] == [theirs]


def test_a_learner_who_is_not_in_the_ilp_is_tried_again_after_a_week(college: SmallCollege) -> None:
    Board.unknown_learners = {"L004"}
    report = college.sync()
    assert (report.items.written, report.items.no_page, report.exit_code) == (5, 1, 0)
    college.later(days=1)
    assert college.sync().items.planned == 0
    Board.unknown_learners = set()
    college.later(days=7)
    assert college.sync().items.written == 1
    assert "L004" in Board.open_items()


def test_a_new_store_finds_the_items_of_the_old_one(tmp_path: Path) -> None:
    college = small(tmp_path)
    college.sync()
    written = list(Board.writes)
    lose_the_store(college)
    assert college.sync().items.written == 6
    assert Board.writes == written  # the channel looked, and nothing had to be written
    assert all(len(texts) == 1 for texts in Board.pages.values())


# What a store knows nothing of


def lose_the_store(college: SmallCollege) -> None:
    for path in college.folder.glob("fingerpost.db*"):
        path.unlink()


def rename_the_connector(college: SmallCollege) -> None:
    college.source("ilp")["name"] = "promonitor-writeback"


FORGETTING = pytest.mark.parametrize("forget", [lose_the_store, rename_the_connector])


@FORGETTING
def test_what_stands_there_without_our_knowing_is_closed_all_the_same(
    listing: SmallCollege, forget: Callable[[SmallCollege], None]
) -> None:
    Board.pages["L004"][0] += " Spoke with L. about it."
    theirs = Board.pages["L004"][0]
    forget(listing)
    listing.drop("mis", "L002", "L004")
    listing.amend("courses", "L003", status="Withdrawn", actual_end_date="2026-02-27")
    report = listing.sync()
    assert (report.items.written, report.exit_code) == (5, 0)
    assert Board.writes[6:] == [("L002", "close"), ("L003", "close")]  # of the others nothing had to be written
    assert sorted(Board.open_items()) == ["L001", "L004", "L005", "L006"]
    assert Board.pages["L004"] == [theirs]
    again = listing.sync()
    assert (again.items.planned, again.exit_code, len(Board.writes)) == (0, 0, 8)


def test_the_ilp_is_asked_once_a_night_and_a_usual_one_writes_nothing(tmp_path: Path) -> None:
    college = small(tmp_path, kind="listing")
    Listing.lists = 0
    college.sync()
    before = college.dump()
    college.sync()
    assert (Listing.lists, college.dump()) == (2, before)
    college.source("ilp")["write"] = False
    college.sync()
    assert Listing.lists == 2


def test_what_was_opened_again_behind_our_back_is_closed_again(listing: SmallCollege) -> None:
    (opened,) = Board.pages["L002"]
    listing.drop("mis", "L002")
    listing.sync()
    Board.pages["L002"] = [opened]
    assert listing.sync().items.written == 1
    assert "L002" not in Board.open_items()


def test_what_is_found_to_close_counts_within_the_ceiling(listing: SmallCollege) -> None:
    lose_the_store(listing)
    listing.drop("mis", "L001", "L002", "L003", "L004", "L005", "L006")
    listing.source("ilp")["ceiling"] = 4
    first, second = listing.sync(), listing.sync()
    assert (first.items.written, first.items.over_ceiling) == (4, 2)
    assert (second.items.written, second.items.over_ceiling) == (2, 0)
    assert Board.open_items() == {}


def test_items_of_another_college_are_let_be(tmp_path: Path) -> None:
    college = small(tmp_path, kind="listing")
    theirs = mark_item(item_key(10000001, "X1"), "Of another college")
    copied = mark_item(item_key(99999999, "L001"), "Copied onto the page of somebody else")
    Board.pages |= {"X1": [theirs], "X2": [copied]}
    college.sync()
    assert (Board.pages["X1"], Board.pages["X2"]) == ([theirs], [copied])


def test_items_of_a_college_that_merged_into_ours_are_closed(tmp_path: Path) -> None:
    college = small(tmp_path, kind="listing")
    college.tables["college"]["former_ukprns"] = [10000001]
    Board.pages["X1"] = [mark_item(item_key(10000001, "X1"), "Of the college that was")]
    college.sync()
    assert "X1" not in Board.open_items()


def test_who_cannot_be_judged_now_keeps_the_item(listing: SmallCollege) -> None:
    before = dict(Board.open_items())
    lose_the_store(listing)
    listing.source("careers-log")["fresh_for"] = 3
    listing.later(days=10)
    for name in ("mis", "courses", "tutors"):
        listing.write(name)
    report = listing.sync()
    assert report.verdicts["8.1"]["unknown"] == 3
    assert "close" not in {operation for _, operation in Board.writes}
    assert Board.open_items().keys() == before.keys()


@pytest.mark.parametrize("broken", ["mis", "courses", "careers-log"])
def test_nobody_is_taken_for_gone_while_a_source_fails(listing: SmallCollege, broken: str) -> None:
    before = dict(Board.open_items())
    lose_the_store(listing)
    path = next(listing.folder.rglob(f"{broken}*.csv"))
    content = path.read_bytes()
    path.write_text("nothing that is known\n", encoding="utf-8")
    assert listing.sync().exit_code == 3
    assert Board.open_items().keys() == before.keys()
    path.write_bytes(content)
    listing.drop("mis", "L002")
    listing.sync()
    assert sorted(Board.open_items()) == ["L001", "L003", "L004", "L005", "L006"]


def test_whose_record_was_rejected_keeps_the_item(listing: SmallCollege) -> None:
    lose_the_store(listing)
    (path,) = listing.folder.rglob("mis*.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line}{',,,a,b' if 'L002' in line else ''}\n" for line in lines), encoding="utf-8")
    report = listing.sync()
    assert [one.rejected for one in report.streams if one.connector == "mis"] == [1]
    assert "L002" in Board.open_items()


def test_a_list_that_is_cut_is_told_and_what_it_held_is_used(listing: SmallCollege) -> None:
    lose_the_store(listing)
    listing.drop("mis", "L001", "L002")
    Board.fault = "cut"
    messages = listing.sync().messages
    assert [one for one in messages if one.startswith("Channel")] == ["Channel ilp: the ILP is down"]
    assert "L001" not in Board.open_items()
    assert "L002" in Board.open_items()


def test_a_dry_run_lists_what_would_be_closed(listing: SmallCollege) -> None:
    lose_the_store(listing)
    listing.drop("mis", "L002")
    trial = listing.sync(dry_run=True)
    assert ("close", "L002") in {(one.operation, one.learner) for one in trial.would_write}
    assert "L002" in Board.open_items()


# Answers


def answer(college: SmallCollege, ref: str, response: str, **more: str) -> None:
    """Have the tutor answer; a later answer of the same learner takes the place of an earlier one."""
    rows = [row for row in college.rows.get("answers", []) if row["learner_ref"] != ref]
    rows.append({"learner_ref": ref, "response": response, **more})
    if not any(table["name"] == "answers" for table in college.connectors):
        college.add_csv("answers", "responses", "canonical-responses", rows, key=["learner_ref"])
    college.rows["answers"] = rows
    college.write("answers", header=("learner_ref", "response", "until"))


def listed(college: SmallCollege) -> set[str]:
    """Return the learners that this week's digests list."""
    texts = []
    for path in college.outbox:
        texts.append(text_of(path.read_bytes()))
        path.unlink()
    return {ref for row in college.rows["mis"] if any((ref := row["learner_ref"]) in text for text in texts)}


def week(college: SmallCollege) -> set[str]:
    """Go on by a week in which something happens to L001 and to L002, so that both tutors have news."""
    college.later(days=7)
    number = len(college.rows["careers-log"])
    for index, ref in enumerate(("L001", "L002")):
        day, firm = f"{college.now:%Y-%m-%d}", f"Firm {number}"
        college.add("careers-log", activity(f"{ref}-{number}", ref, "Employer talk", day, employer=firm))
        for name in ("mis", "courses", "tutors"):
            college.add(name, college.rows[name][index] | {"learner_ref": f"{'NM'[index]}{number}"})
    college.sync()
    return listed(college)


def test_an_acknowledged_learner_is_listed_again_only_when_something_has_changed(college: SmallCollege) -> None:
    college.sync()
    assert {"L003", "L004"} <= listed(college)
    answer(college, "L004", "acknowledged")
    found = week(college)
    assert "L004" not in found
    assert {"L003", "L006"} <= found
    college.amend("courses", "L004", planned_end_date="2026-06-26")
    assert "L004" in week(college)
    assert len(Board.open_items()["L004"]) == 1  # the item on the page is the learner's, whatever the tutor says


def test_a_snooze_ends_by_itself(college: SmallCollege) -> None:
    college.sync()
    listed(college)
    answer(college, "L004", "snoozed", until="2026-03-20")
    assert "L004" not in week(college)  # 9 March
    assert "L004" not in week(college)
    assert "L004" in week(college)  # 23 March


def test_a_snooze_lasts_two_weeks_where_no_day_is_named_and_six_at_most(college: SmallCollege) -> None:
    college.sync()
    listed(college)
    answer(college, "L003", "snoozed")
    answer(college, "L004", "snoozed", until="2027-03-01")
    weeks = [week(college) for _ in range(8)]
    assert ["L003" in found for found in weeks] == [False] * 3 + [True] * 5
    assert ["L004" in found for found in weeks] == [False] * 7 + [True]


def test_an_answer_says_nothing_about_what_came_later(college: SmallCollege) -> None:
    answer(college, "L004", "acknowledged")
    college.sync()
    assert "L004" in listed(college)


def test_an_answer_that_is_taken_back_counts_no_more(college: SmallCollege) -> None:
    college.sync()
    listed(college)
    answer(college, "L004", "acknowledged")
    assert "L004" not in week(college)
    answer(college, "L004", "none")
    assert "L004" in week(college)


def test_a_hushed_learner_is_not_said_to_be_on_track(college: SmallCollege) -> None:
    college.sync()
    answer(college, "L004", "acknowledged")
    college.later(days=7)
    college.sync()
    with college.open() as opened:
        digests = [one.digest for one in opened.preview()]
    assert sum(digest.on_track for digest in digests) == 0
    assert sum(digest.group_size for digest in digests) == 6


# Links


PAGE = "https://ilp.example.ac.uk/details.aspx?pmstudentid={token}"


def links(college: SmallCollege) -> dict[str, str | None]:
    college.sync()
    with college.open() as opened:
        return {one.reference: one.link for preview in opened.preview() for one in preview.digest.learners}


def test_a_digest_links_to_the_page_of_a_learner_who_has_one(tmp_path: Path) -> None:
    college = small(tmp_path)
    college.tables["alerts"]["learner_page"] = PAGE
    college.source("mis")["mapping"] = "with-token"
    base = 'schema_version = 1\nstream = "learners"\nextends = "learners"\n[fields.page_token]\nfrom = "token"\n'
    college.add_mapping("with-token", base)
    tokens = ["kq3/5+A=", "", "@evil.example", "../../x?y#z", "é 1", "a"]
    for row, token in zip(college.rows["mis"], tokens, strict=True):
        row["token"] = token
    college.write("mis")
    start = PAGE.removesuffix("{token}")
    assert links(college) == {
        "L001": f"{start}kq3%2F5%2BA%3D", "L002": None, "L003": f"{start}%40evil.example",
        "L004": f"{start}..%2F..%2Fx%3Fy%23z", "L005": f"{start}%C3%A9%201", "L006": f"{start}a",
    }  # fmt: skip
    assert any(f"{start}kq3%2F5%2BA%3D" in text_of(path.read_bytes()) for path in college.outbox)


def test_a_link_may_use_the_reference_instead(college: SmallCollege) -> None:
    college.tables["alerts"]["learner_page"] = "https://ilp.example.ac.uk/learner/{reference}"
    assert links(college)["L003"] == "https://ilp.example.ac.uk/learner/L003"


@pytest.mark.parametrize(
    "pattern",
    ["http://ilp.example.ac.uk/{token}", "https://{token}.example.ac.uk/", "https://ilp.example.ac.uk/",
     "https://{token}@ilp.example.ac.uk/{token}", "https://ilp.example.ac.uk/{uln}", "javascript:alert({token})",
     "https:///{token}", "ilp.example.ac.uk/{token}", "https://ilp.example.ac.uk{token}/", "https://[{token}]/"],
)  # fmt: skip
def test_an_address_that_could_lead_elsewhere_is_refused(college: SmallCollege, pattern: str) -> None:
    college.tables["alerts"]["learner_page"] = pattern
    with pytest.raises(ConfigError, match="learner_page"):
        college.sync()


# The command line


def test_a_dry_run_prints_what_would_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    describe(small(tmp_path, write=False).sync(dry_run=True))
    printed = capsys.readouterr().out
    assert "Items on learners' pages: 6 planned." in printed
    assert "ilp would open the item of learner L001:\n    Careers programme 2025/26: still to do\n    - " in printed


def test_status_says_what_waits_for_a_person(college: SmallCollege) -> None:
    Board.fault = "down"
    college.sync()
    with college.open() as opened:
        status = opened.status()
    assert status.items == {"pending": 6}
    assert status.outbox == {"sent": 2}
    assert any(one.startswith("6 items are not delivered yet") for one in status.todo)
