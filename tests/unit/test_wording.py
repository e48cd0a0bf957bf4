"""What tutors read, and what `explain` says of every reason code."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

import fingerpost_mappings
from fingerpost._benchmarks.evaluate import UseReason
from fingerpost._benchmarks.framework import Criterion, Framework, FrameworkLibrary
from fingerpost._benchmarks.standing import VerdictReason
from fingerpost._benchmarks.verdicts import Verdict
from fingerpost._benchmarks.wording import REASONS, closes, explain_reason, needs, needs_together
from fingerpost._record.models import CHECKLIST

ROOT = Path(__file__).parents[2]
COLLEGES = FrameworkLibrary((Path(fingerpost_mappings.__file__).parent / "frameworks").glob("*.toml")).load(
    "gatsby-colleges-2025"
)
LEARNER = [criterion for criterion, _ in COLLEGES.rules]
JARGON = re.compile(
    r"criteri|gap|at risk|curricul|benchmark|gatsby|encounter|\blmi\b|meaningful|verdict|evidence|[{}]", re.IGNORECASE
)


def gap(criterion: Criterion, have: int = 0) -> Verdict:
    return Verdict(criterion.id, "2025/26", "at_risk", have, criterion.need, due=date(2026, 7, 31))


def told(framework: Framework = COLLEGES, **have: int) -> list[tuple[str, str]]:
    pairs = [(framework.criterion(key[1:].replace("_", ".")), count) for key, count in have.items()]
    return [(line.needs, line.closes) for line in needs_together([(one, gap(one, n)) for one, n in pairs])]


@pytest.mark.parametrize("criterion", LEARNER, ids=lambda one: one.id)
def test_tutors_read_no_jargon(criterion: Criterion) -> None:
    for have in range(criterion.need):
        verdict = gap(criterion, have)
        for text in (needs(criterion, verdict), closes(criterion), closes(criterion, verdict)):
            assert not JARGON.search(text), text
            assert text[0].isupper() or text[0].isdigit()
            assert not text.endswith(".")


def test_the_count_is_told_as_long_as_there_is_one() -> None:
    criterion = COLLEGES.criterion("5.1")
    assert needs(criterion, gap(criterion, 1)) == "1 of 2 meetings with employers this year"
    assert needs(criterion, gap(criterion)) == "No meeting with an employer yet this year: 2 needed"
    assert closes(criterion) == "One more talk, visit or project with an employer"
    assert closes(criterion, gap(criterion)) == "A talk, visit or project with an employer"


def test_both_halves_of_one_thing_are_told_in_one_line() -> None:
    through_course = "A talk, visit or project with an employer as part of their course"
    assert told(_5_1=1, _5_2=0) == [
        ("1 of 2 meetings with employers this year; the one through their course is missing", through_course)
    ]
    assert told(_5_2=0, _5_1=0) == [
        ("No meeting with an employer yet this year: 2 needed, one of them through their course", through_course)
    ]
    assert told(_5_2=0) == [("No meeting with an employer through their course yet this year", through_course)]
    assert [line for line, _ in told(_5_1=1)] == ["1 of 2 meetings with employers this year"]


def test_lines_keep_their_order_and_know_what_they_speak_of() -> None:
    criteria = [COLLEGES.criterion(one) for one in ("8.1", "5.1", "6.1", "5.2")]
    lines = needs_together([(one, gap(one)) for one in criteria])
    assert [[verdict.criterion for verdict in line.verdicts] for line in lines] == [["8.1"], ["5.1", "5.2"], ["6.1"]]
    assert needs_together([]) == []


def test_a_question_to_the_college_is_never_told_to_a_tutor() -> None:
    with pytest.raises(ValueError, match="answered by the college"):
        closes(COLLEGES.criterion("1.1"))


CODES = {*get_args(VerdictReason), *get_args(UseReason)}


def test_every_reason_has_its_sentence_and_no_sentence_is_left_over() -> None:
    assert set(REASONS) == CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_reason_is_a_sentence(code: str) -> None:
    sentence = explain_reason(code)
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert code not in sentence or "_" not in code


@pytest.mark.parametrize("element", CHECKLIST)
def test_a_missing_element_is_said_in_words(element: str) -> None:
    sentence = explain_reason(f"not_meaningful:{element}")
    assert sentence.startswith("It is recorded as not meaningful: ")
    assert element not in sentence or "_" not in element


def test_a_missing_attribute_is_said_in_words() -> None:
    assert explain_reason("attribute_not_recorded:via_curriculum").endswith(
        "is not recorded on them: whether they were part of the learner's course."
    )


def test_an_unknown_code_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        explain_reason("because")


# --------------------------------------------------------------------------------------------- docs/benchmarks.md

PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def rows(heading: str) -> set[str]:
    section = re.split(r"\n##+ ", PAGE.split(f"\n## {heading}\n")[1])[0]
    return set(re.findall(r"^\| `?([^`|]+?)`? +\|", section, re.MULTILINE)) - {"Code", "Name", "No.", "---"}


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Reason codes", CODES),
        ("Our settings", set(COLLEGES.settings)),
        ("What is judged from learners' records", {criterion.id for criterion in LEARNER}),
        ("What the college answers about itself", {one.id for one in COLLEGES.criteria if one.scope == "institution"}),
        ("What is unconfirmed", {one.id for one in COLLEGES.criteria if one.mark != "C"}),
    ],
)
def test_the_page_explains_them_all_and_nothing_else(heading: str, names: set[str]) -> None:
    assert rows(heading) == names


def test_the_page_explains_every_setting_with_its_default() -> None:
    for name, value in COLLEGES.values.items():
        assert re.search(rf"^\| `{name}` +\| `{value}` +\|", PAGE, re.MULTILINE)


def test_the_page_explains_every_status() -> None:
    assert rows("What a status means") >= {
        "met", "not_met", "at_risk", "not_due", "not_applicable", "unknown", "lapsed", "self_assessed",
    }  # fmt: skip
