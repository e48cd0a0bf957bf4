"""Find the occupation that a learner has in mind from what is written down somewhere, never by guessing.

In this order: the college's crosswalk file; the SOC code on the learner's record; a title in a service's list, if it
matches exactly. Anything else is left to a person, who gets suggestions.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from fingerpost._contract.facts import Occupation, SocVersion
from fingerpost._words.errors import ConfigError

How: TypeAlias = Literal["crosswalk", "code", "title", "several", "unknown"]
"""How an occupation was found; `several` means that more than one has the title, and nobody has chosen yet."""

_SOC = re.compile(r"[1-9][0-9]{3}")
_NEC = re.compile(r"[\s,]*\bn\.?e\.?c\.?\s*$")
_BRACKETS = re.compile(r"\s*\([^)]*\)")
_TURNED = re.compile(r"([^,(]+), ([^,(]+?)((?: \(.*)?)")
_COLUMNS = ("occupation", "soc")


class Found(NamedTuple):
    """Hold the occupation, or None, and how it was found."""

    occupation: Occupation | None
    how: How


def fold_title(title: str) -> str:
    """Return a title without what does not matter when spellings are compared: case, extra spaces and "n.e.c."."""
    return _NEC.sub("", " ".join(title.casefold().split()))


class Titles:
    """The titles in the services' lists, and the occupations they belong to.

    An index of occupations has "Teacher, nursery", which "nursery teacher" finds as well.
    """

    def __init__(self, listed: Iterable[Occupation]) -> None:
        self._codes: dict[str, set[Occupation]] = defaultdict(set)
        self._wider: dict[str, set[Occupation]] = defaultdict(set)
        self._shown: dict[str, str] = {}
        self._titles: dict[tuple[str, SocVersion], str] = {}
        for occupation in listed:
            if occupation.title:
                self._titles.setdefault((occupation.soc, occupation.soc_version), occupation.title)
                for form in _forms(occupation.title):
                    self._codes[form].add(occupation._replace(title=""))
                    self._wider[_BRACKETS.sub("", form)].add(occupation._replace(title=""))
                    self._shown.setdefault(form, occupation.title)

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, title: str) -> set[Occupation]:
        """Return the occupations with exactly this title, in each edition of the SOC.

        Titles that add something in brackets, such as "Jointer (cable)", are included: a learner who wrote "Jointer"
        may mean either.
        """
        folded = fold_title(title)
        return self._codes[folded] | self._wider[folded] if folded in self._codes else set()

    def title(self, occupation: Occupation) -> str:
        """Return the first title listed with an occupation's code; "" if there is none."""
        return self._titles.get((occupation.soc, occupation.soc_version), "")

    def near(self, words: str, *, count: int = 8) -> list[Occupation]:
        """Return occupations whose titles resemble some words, likeliest first: those that contain all of the words.

        "Electricians and electrical fitters" contains "electrician".
        """
        folded = fold_title(words)
        parts = {word for word in _singulars(folded) if len(word) > 2}
        holding = [title for title in self._codes if parts and parts <= _singulars(title)]
        alike = difflib.get_close_matches(folded, self._codes, n=count, cutoff=0.6)
        found: dict[Occupation, None] = {}
        for title in dict.fromkeys([*sorted(holding, key=len), *alike]):
            for code in sorted(self._codes[title]):
                found.setdefault(code._replace(title=self._shown[title]))
        return list(found)[:count]


def _singulars(words: str) -> set[str]:
    return {word.removesuffix("s") for word in re.findall(r"\w+", words)}


def _forms(title: str) -> set[str]:
    """Return a title as it is listed and, if it is inverted, as people say it.

    Text in brackets is kept: "Teacher (further education)" is not every teacher.
    """
    folded = fold_title(title)
    turned = _TURNED.fullmatch(folded)
    return {folded, f"{turned[2]} {turned[1]}{turned[3]}"} if turned else {folded}


class Occupations:
    """Find the occupations of learners for one college."""

    def __init__(self, crosswalk: Mapping[str, Occupation], version: SocVersion, titles: Titles) -> None:
        self._crosswalk = crosswalk
        self._version: Final = version
        self.titles = titles

    def of(self, soc_code: str | None, words: str | None) -> Found:
        """Return the occupation that a learner's SOC code and words refer to."""
        for said in (words, soc_code):
            if said and (known := self._crosswalk.get(fold_title(said))):
                return Found(known, "crosswalk")
        if soc_code:
            return Found(Occupation(soc_code, self._version), "code")
        codes = self.titles.codes(words) if words else set()
        editions = {code.soc_version for code in codes}
        if codes and len(codes) == len(editions):
            # The same title in both editions: the one that the college uses.
            best = min(codes, key=lambda code: code.soc_version != self._version)
            return Found(best._replace(title=words or ""), "title")
        return Found(None, "several" if codes else "unknown")


def load_occupations(path: Path | None, version: SocVersion) -> dict[str, Occupation]:
    """Read the college's crosswalk from what learners write to SOC codes; empty without a path.

    Raises `ConfigError` naming file and line.
    """
    if path is None:
        return {}
    where = f"[labour_market] crosswalk {path.name}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{where} cannot be read: it must be a CSV file in UTF-8 ({type(error).__name__}).") from None
    if rows and not set(_COLUMNS) <= rows[0].keys():
        raise ConfigError(f"{where} needs the columns {' and '.join(_COLUMNS)} in its first line.")
    found: dict[str, Occupation] = {}
    for number, row in enumerate(rows, start=2):
        words, soc = fold_title(row["occupation"] or ""), (row["soc"] or "").strip()
        if not words or not _SOC.fullmatch(soc):
            raise ConfigError(f"{where}, line {number}: write an occupation and a SOC code of four digits.")
        if words in found and found[words].soc != soc:
            raise ConfigError(
                f"{where}, line {number}: an earlier line has this occupation with another code; keep one of them."
            )
        found[words] = Occupation(soc, version, " ".join((row["occupation"] or "").split()))
    return found
