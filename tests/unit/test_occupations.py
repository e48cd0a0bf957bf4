"""Which occupation a learner has in mind: by what is written down, and never by a guess."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fingerpost import ConfigError
from fingerpost._market.occupations import Found, Occupations, Titles, fold_title, load_occupations
from fingerpost.lmi import Occupation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fingerpost.lmi import SocVersion

ELECTRICIANS = Occupation("5241", 2010, "Electricians and electrical fitters")
LISTED = [
    ELECTRICIANS,
    Occupation("5241", 2010, "Engineer, electrical (building)"),
    Occupation("2311", 2010, "Lecturer (further education)"),
    Occupation("3539", 2010, "Planner, production, n.e.c."),
    Occupation("5241", 2010, "Jointer"),
    Occupation("5249", 2020, "Electricians and electrical fitters"),
    Occupation("6121", 2010, "Nursery nurses and assistants"),
    Occupation("2315", 2010, "Teacher, nursery"),
    Occupation("5319", 2010, "Construction trades n.e.c."),
    Occupation("5442", 2010, "Jointer (cable)"),
    Occupation("9999", 2010),
]


def known(version: SocVersion = 2010, crosswalk: Mapping[str, Occupation] = {}) -> Occupations:
    return Occupations(crosswalk, version, Titles(LISTED))


# -- in order


def test_the_crosswalk_goes_before_the_code_and_the_title() -> None:
    mine = Occupation("1111", 2010, "sparky")
    assert known(crosswalk={"sparky": mine}).of("5241", " Sparky ") == Found(mine, "crosswalk")
    title = Occupation("2222", 2010, "")
    titled = known(crosswalk={"nursery nurses and assistants": title})
    assert titled.of(None, "Nursery nurses and assistants").occupation is title


SAID = {
    "nursery nurses AND  assistants": "6121",
    "Engineer, electrical (building)": "5241",
    "electrical engineer (building)": "5241",
    "lecturer (Further Education)": "2311",
    "production planner": "3539",
    "nursery teacher": "2315",
    "Teacher, nursery": "2315",
    "Construction trades": "5319",
    "construction trades nec": "5319",
}
MINE = Occupation("5249", 2010, "5241")
FITTERS, NURSES = "Electricians and electrical fitters", "Nursery nurses and assistants"


@pytest.mark.parametrize(
    ("occupations", "code", "words", "found"),
    [
        pytest.param(known(crosswalk={"5241": MINE}), "5241", None, Found(MINE, "crosswalk"), id="code-is-corrected"),
        pytest.param(known(2020), "6121", "Jointer", Found(Occupation("6121", 2020), "code"), id="code-before-title"),
        pytest.param(known(), None, FITTERS, Found(Occupation("5241", 2010, FITTERS), "title"), id="edition-2010"),
        pytest.param(known(2020), None, FITTERS, Found(Occupation("5249", 2020, FITTERS), "title"), id="edition-2020"),
        pytest.param(known(2020), None, NURSES, Found(Occupation("6121", 2010, NURSES), "title"), id="other-edition"),
        pytest.param(known(), None, "jointer", Found(None, "several"), id="several"),
        # A title counts in the forms in which people say it, and what is not the very title is unknown.
        *((known(), None, words, Found(Occupation(soc, 2010, words), "title")) for words, soc in SAID.items()),
        *((known(), None, words, Found(None, "unknown"))
          for words in (None, "", "something with cars", "electric", "nursery", "Electrician", "electrical engineer",
                        "lecturer", "Lecturer (", "Engineer, electrical")),
    ],
)  # fmt: skip
def test_what_is_found(occupations: Occupations, code: str | None, words: str | None, found: Found) -> None:
    assert occupations.of(code, words) == found


def test_a_title_with_something_in_brackets_is_not_that_of_all_without() -> None:
    teacher = Occupation("2311", 2020, "Teacher (further education)")
    listed = Titles([teacher, Occupation("1221", 2020, "Manager (hotel)")])
    for words in ("teacher", "Manager"):
        assert Occupations({}, 2020, listed).of(None, words) == Found(None, "unknown")
        assert len(listed.near(words)) == 1


@given(st.text(string.ascii_letters + string.digits + " ,.()-&'", max_size=40))
@example("Jointer (cabl)")
def test_nothing_is_ever_guessed(words: str) -> None:
    found = known().of(None, words)
    titles = {fold_title(one.title) for one in LISTED if one.title}
    told = titles | {"electrical engineer (building)", "nursery teacher", "production planner"}
    assert (found.how == "unknown") == (fold_title(words) not in told)
    assert (found.occupation is None) == (found.how in ("unknown", "several"))


@given(st.sampled_from([one.title for one in LISTED if one.title]), st.data())
def test_case_and_blanks_of_a_title_do_not_matter(title: str, data: st.DataObject) -> None:
    odd = "".join(data.draw(st.sampled_from([letter, letter.upper(), letter.lower()])) for letter in title)
    odd = odd.replace(" ", data.draw(st.sampled_from([" ", "  ", "\t", "\u00a0"])))
    usual, spelt = known().of(None, title), known().of(None, f" {odd} ")
    assert usual.how == spelt.how
    assert (usual.occupation and usual.occupation.soc) == (spelt.occupation and spelt.occupation.soc)


# -- suggestions


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("electrician", "Electricians and electrical fitters"),
        ("electrical engineers", "Engineer, electrical (building)"),
        ("Nursery nurse", "Nursery nurses and assistants"),
        ("jointr", "Jointer"),
    ],
)
def test_suggestions_resemble_the_words_and_keep_the_spelling_of_the_titles(words: str, title: str) -> None:
    near = Titles(LISTED).near(words)
    assert near[0].title == title
    assert near[0]._replace(title="") in Titles(LISTED).codes(title)


def test_suggestions_are_few_and_none_where_nothing_is_like_it() -> None:
    many = Titles(Occupation(str(1000 + n), 2020, f"Welder number {n}") for n in range(50))
    assert len(many.near("welder", count=5)) == 5
    assert Titles(LISTED).near("zzz qqq xxx") == []
    assert Titles([]).near("welder") == []


# -- the crosswalk file


def crosswalk(folder: Path, text: str, *, encoding: str = "utf-8-sig") -> dict[str, Occupation]:
    path = folder / "occupations.csv"
    path.write_bytes(text.encode(encoding))
    return load_occupations(path, 2020)


def test_a_crosswalk_is_read(tmp_path: Path) -> None:
    found = crosswalk(tmp_path, "note,occupation,soc\r\n,Sparky,5249\r\nasked, Café  owner ,5436 \r\n,sparky,5249\r\n")
    assert found == {
        "sparky": Occupation("5249", 2020, "sparky"), "café owner": Occupation("5436", 2020, "Café owner")
    }  # fmt: skip
    assert load_occupations(None, 2020) == {}
    assert crosswalk(tmp_path, "occupation,soc\n") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what,soc\nSparky,5249\n", "needs the columns occupation and soc"),
        ("occupation,soc\nSparky,5249\nBaker\n", "line 3: write an occupation and a SOC code of four digits"),
        ("occupation,soc\nSparky,524\n", "line 2"),
        ("occupation,soc\nSparky,0249\n", "line 2"),
        ("occupation,soc\n,5249\n", "line 2"),
        ("occupation,soc\nSparky,5249\nSPARKY,5241\n", "line 3: an earlier line has this occupation with another code"),
    ],
)
def test_a_wrong_crosswalk_is_refused_with_its_line_and_without_its_words(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        crosswalk(tmp_path, text)
    assert "occupations.csv" in caught.value.message
    assert "sparky" not in caught.value.message.casefold()


def test_a_crosswalk_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a CSV file in UTF-8"):
        crosswalk(tmp_path, "occupation,soc\nCafé,5249\n", encoding="cp1252")
