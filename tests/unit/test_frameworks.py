"""Framework files: what ships, what is refused and in which words, overlays and the college's own settings."""

from __future__ import annotations

from pathlib import Path

import pytest

import fingerpost_mappings
from fingerpost._benchmarks.framework import Framework, FrameworkLibrary
from fingerpost._words.errors import ConfigError

SHIPPED = Path(fingerpost_mappings.__file__).parent / "frameworks"
COLLEGES = "gatsby-colleges-2025"

SMALL = """
schema_version = 1
title = "Ours"
description = "Ours"
valid_from = 2025-09-01
sources = ["Us"]
scope = { max_age = 18, max_age_with_ehc_plan = 25 }

[settings.talks]
type = "integer"
default = 3
minimum = 1
maximum = 9
description = "How many talks."

[[criterion]]
id = "A"
title = "Talks"
scope = "learner"
kinds = ["employer_encounter"]
need = { setting = "talks" }
period = "academic_year"
mark = "I"
source = "Us"
words = { needs = "{have} of {need} talks", closes = "A talk" }
"""

CRITERION = SMALL[SMALL.index("[[criterion]]") :]
NEED = '{ setting = "talks" }'


@pytest.fixture
def library() -> FrameworkLibrary:
    return FrameworkLibrary(SHIPPED.glob("*.toml"))


@pytest.fixture
def colleges(library: FrameworkLibrary) -> Framework:
    return library.load(COLLEGES)


def own(base: Path, name: str, text: str | bytes) -> Path:
    folder = base / "frameworks"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return base


def refused(base: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        FrameworkLibrary(SHIPPED.glob("*.toml")).load("ours", own(base, "ours", text))
    return caught.value.message


# ------------------------------------------------------------------------------------------------ what ships


def test_every_criterion_of_the_college_set_is_there(colleges: Framework) -> None:
    learner = {one.id for one in colleges.criteria if one.scope == "learner"}
    institution = {one.id for one in colleges.criteria if one.scope == "institution"}
    assert learner == {"2.1", "3.2", "3.3", "3.4", "3.5", "4.1", "5.1", "5.2", "5.V", "6.1", "7.1", "8.1"}
    assert institution == {"1.1", "1.2", "1.3", "1.4", "2.2", "3.1", "3.6", "4.2", "8.3"}


def test_the_college_rules_are_not_the_school_rules(colleges: Framework) -> None:
    assert colleges.criterion("5.1").need == 2
    assert colleges.criterion("5.1").period == "academic_year"
    assert colleges.criterion("5.2").requires == ("via_curriculum",)
    assert {colleges.criterion(one).period for one in ("2.1", "4.1", "6.1", "7.1", "8.1")} == {"programme"}
    assert {colleges.criterion(one).need for one in ("2.1", "4.1", "6.1", "8.1")} == {1}
    assert "guidance_offer" not in colleges.criterion("8.1").kinds
    assert not any("he_visit" in one.kinds for one in colleges.criteria)


def test_what_is_unconfirmed_is_not_judged_unless_the_college_turns_it_on(colleges: Framework) -> None:
    assert {one.id for one in colleges.criteria if not one.enabled_by_default} == {"3.2", "3.3", "3.4"}


def test_numbers_that_the_text_does_not_give_are_settings_and_say_so(colleges: Framework) -> None:
    assert colleges.values["provider_types_needed"] == 2
    assert "Our setting" in colleges.settings["provider_types_needed"].description
    assert "Our setting" in colleges.settings["min_programme_weeks"].description


def test_the_kinds_of_a_rule_include_what_counts_as_them_and_what_never_does(colleges: Framework) -> None:
    kinds = {criterion.id: set(kinds) for criterion, kinds in colleges.rules}
    assert "mock_interview" in kinds["5.1"]
    assert "he_visit" in kinds["7.1"]
    assert "parttime_job" in kinds["6.1"]
    assert "1.1" not in kinds


# ------------------------------------------------------------------------------------------ finding and naming


def test_an_unknown_framework_is_answered_with_the_nearest(library: FrameworkLibrary, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'gatsby-colleges-2025'"):
        library.load("gatsby-college-2025", tmp_path)


@pytest.mark.parametrize("name", ["../secret", "a/b", "a\\b", "", "C:x"])
def test_a_name_without_a_file_is_refused(library: FrameworkLibrary, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.toml").write_text(SMALL, encoding="utf-8")
    with pytest.raises(ConfigError, match="There is no framework"):
        library.load(name, tmp_path)


def test_an_unknown_criterion_is_answered_with_the_nearest(colleges: Framework) -> None:
    with pytest.raises(ConfigError, match=r"no criterion '5\.v'\. Did you mean '5\.V'"):
        colleges.criterion("5.v")


def test_own_frameworks_are_listed_and_win_over_shipped_ones(library: FrameworkLibrary, tmp_path: Path) -> None:
    own(tmp_path, "ours", SMALL)
    own(tmp_path, COLLEGES, SMALL)
    assert library.names(tmp_path) == (COLLEGES, "ours")
    assert library.names() == (COLLEGES,)
    assert library.load(COLLEGES, tmp_path).title == "Ours"


def test_a_file_saved_by_a_windows_editor_loads(library: FrameworkLibrary, tmp_path: Path) -> None:
    own(tmp_path, "ours", b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert library.load("ours", tmp_path).criterion("A").need == 3


# ------------------------------------------------------------------------------------------------- overlays


OVERLAY = """
extends = "gatsby-colleges-2025"
title = "Ours, on top of Gatsby"
drop = ["7.1", "5.1"]

[settings.employers_wanted]
default = 4

[counts_as.live_brief]
kinds = ["employer_encounter"]

[[criterion]]
id = "3.2"
enabled_by_default = true

[[criterion]]
id = "L.8"
title = "A practice interview with feedback"
scope = "learner"
kinds = ["mock_interview"]
need = 1
mark = "C"
source = "Our strategy"
words = { needs = "No practice interview yet", closes = "A practice interview" }
"""


def test_an_overlay_changes_adds_and_drops_by_id(library: FrameworkLibrary, tmp_path: Path) -> None:
    base = library.load(COLLEGES)
    ours = library.load("ours", own(tmp_path, "ours", OVERLAY))
    ids = {one.id for one in ours.criteria}
    assert ours.title == "Ours, on top of Gatsby"
    assert ids == ({one.id for one in base.criteria} - {"7.1", "5.1"}) | {"L.8"}
    assert ours.criterion("3.2").enabled_by_default
    assert ours.criterion("3.2").kinds == base.criterion("3.2").kinds
    assert ours.criterion("5.V").need == 4
    assert ours.settings["employers_wanted"].minimum == 2
    assert "live_brief" in {one.id: kinds for one, kinds in ours.rules}["5.2"]
    assert ours.criterion("5.2").told_with is None  # what it was told with is gone
    assert ours.fingerprint != base.fingerprint


def test_what_is_dropped_and_given_again_starts_afresh(library: FrameworkLibrary, tmp_path: Path) -> None:
    text = CRITERION.replace('id = "A"', 'id = "5.1"').replace(NEED, "1")
    ours = library.load("ours", own(tmp_path, "ours", f'extends = "{COLLEGES}"\ndrop = ["5.1"]\n{text}'))
    assert ours.criterion("5.1").title == "Talks"
    assert not ours.criterion("5.1").meaningful
    assert ours.criterion("5.2").told_with == "5.1"


def test_an_own_file_may_extend_the_shipped_one_of_its_name(library: FrameworkLibrary, tmp_path: Path) -> None:
    own(tmp_path, COLLEGES, f'extends = "{COLLEGES}"\ntitle = "Ours"')
    loaded = library.load(COLLEGES, tmp_path)
    assert loaded.title == "Ours"
    assert len(loaded.criteria) == len(library.load(COLLEGES).criteria)


def test_overlays_may_be_stacked(library: FrameworkLibrary, tmp_path: Path) -> None:
    own(tmp_path, "one", f'extends = "{COLLEGES}"\ndrop = ["8.3"]')
    own(tmp_path, "two", 'extends = "one"\ndrop = ["8.1"]')
    ids = {one.id for one in library.load("two", tmp_path).criteria}
    assert not ids & {"8.1", "8.3"}
    assert "6.1" in ids


def test_a_circle_of_overlays_is_refused(library: FrameworkLibrary, tmp_path: Path) -> None:
    own(tmp_path, "one", 'extends = "two"')
    own(tmp_path, "two", 'extends = "one"')
    with pytest.raises(ConfigError, match="leads back to this file"):
        library.load("one", tmp_path)


# ------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title = ", "titel = ", "There is no table or key 'titel'. Did you mean 'title'?"),
        ('kinds = ["employer_encounter"]', 'kind = ["x"]', "'A' has no key 'kind'. Did you mean 'kinds'?"),
        ('id = "A"\n', "", "[[criterion]] number 1 needs the key id: its name"),
        ('source = "Us"\nwords', "words", "[[criterion]] 'A' needs the key source: where the rule was found."),
        (NEED, '{ setting = "talk" }', "[[criterion]] 'A' need: there is no setting 'talk'. Did you mean 'talks'?"),
        (NEED, '"two"', "[[criterion]] 'A' need must be a whole number"),
        (NEED, "0", "[[criterion]] 'A' need must be at least 1: how many are needed."),
        ("{have} of", "{got} of", "[[criterion]] 'A' words.needs has an unknown placeholder; write {have} and {need}"),
        ("{have} of", "{have!r} of", "[[criterion]] 'A' words.needs has an unknown placeholder"),
        ("{have} of", "{have of", "[[criterion]] 'A' words.needs has an unmatched brace"),
        ("closes = ", "close = ", "[[criterion]] 'A' words has no key 'close'. Did you mean 'closes'?"),
        ("default = 3", "default = 99", "[settings.talks]: the default is not allowed; it must be a whole number from"),
        ("default = 3", "default = true", "[settings.talks] default must be a whole number"),
        ("default = 3", "defualt = 3", "[settings.talks] has no key 'defualt'. Did you mean 'default'?"),
        ("schema_version = 1", "schema_version = 2", "schema_version must be 1"),
        ("valid_from = 2025-09-01", 'valid_from = "soon"', "valid_from must be a date"),
        ('scope = "learner"', 'scope = "institution"', "'A': a criterion of scope institution needs a question"),
        ('mark = "I"', 'mark = "I"\ntold_with = "B"', "[[criterion]] 'A': told_with needs the words"),
        ('mark = "I"', 'mark = "I"\nchecklist = ["purpose"]', "[[criterion]] 'A': a checklist says what is meaningful"),
        ('mark = "I"', 'mark = "I"\nmeaningful = true\nchecklist = ["purpos"]', "no element 'purpos'. Did you mean"),
        ('mark = "I"', 'mark = "I"\nrequires = ["meaningful"]', "'A' requires item 1 must be 'via_curriculum'"),
        ('mark = "I"', 'mark = "I"\ndistinct = "kind"', "need is more than the number of kinds"),
        ('A talk" }', 'A talk", together = "{first} too" }\ntold_with = "B"', "'A' told_with must be the id"),
        ("[[criterion]]", "[criterion]", "The table [[criterion]] is missing: write [[criterion]] on a line"),
        ('title = "Ours"', 'title = "Ours', "ours.toml: not valid TOML at line"),
        (CRITERION, f"{CRITERION}\n{CRITERION}", "[[criterion]] 'A' appears twice"),
        (SMALL, 'extends = "gatsby"', "extends names the framework 'gatsby', which does not exist. Did you mean"),
        (SMALL, "extends = 3", "extends must be the name of one framework"),
        (SMALL, f'extends = "{COLLEGES}"\ndrop = ["5.3"]', "drop: the framework has no criterion '5.3'"),
        (SMALL, f'extends = "{COLLEGES}"\ndrop = "5.1"', "drop must be a list"),
        (SMALL, f'extends = "{COLLEGES}"\ncriterion = 1', "The table [[criterion]] is missing: write"),
        (SMALL, f'extends = "{COLLEGES}"\n[[criterion]]\nneed = 1', "[[criterion]] number 1 needs the key id"),
        (SMALL, f'extends = "{COLLEGES}"\n[[criterion]]\nid = "5.1"\nneed = 0',
         "[[criterion]] '5.1' need must be at least 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_criterion_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SMALL
    message = refused(tmp_path, SMALL.replace(old, new, 1))
    assert "ours.toml" in message
    assert said in message


def test_a_mistake_in_the_base_is_reported_as_the_bases(tmp_path: Path) -> None:
    own(tmp_path, "base", SMALL.replace("default = 3", "default = 99"))
    assert refused(tmp_path, 'extends = "base"').startswith(str(tmp_path / "frameworks" / "base.toml"))


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    assert "not UTF-8 text" in refused(tmp_path, SMALL.encode() + b"# caf\xe9")


# -------------------------------------------------------------------------------------- the college's settings


def test_a_setting_reaches_the_criteria_and_the_fingerprint(colleges: Framework) -> None:
    ours = colleges.configure({"provider_types_needed": 3, "virtual": "never"})
    assert ours.criterion("7.1").need == 3
    assert ours.criterion("6.1").virtual == "never"
    assert colleges.criterion("7.1").need == 2
    assert ours.fingerprint != colleges.fingerprint
    assert colleges.configure({}).fingerprint == colleges.fingerprint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"provider_type_needed": 3}, "has no setting 'provider_type_needed'. Did you mean 'provider_types_needed'"),
        ({"provider_types_needed": 9}, "provider_types_needed must be a whole number from 1 to 5"),
        ({"provider_types_needed": True}, "provider_types_needed must be a whole number"),
        ({"provider_types_needed": "3"}, "provider_types_needed must be a whole number"),
        ({"virtual": "maybe"}, 'virtual must be one of "count_if_meaningful", "not_alone", "never"'),
        ({"virtual": ["never"]}, "virtual must be one of"),
    ],
)
def test_a_wrong_setting_is_refused_without_printing_it(
    colleges: Framework, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        colleges.configure(settings)
    assert said in caught.value.message
    assert "maybe" not in caught.value.message
