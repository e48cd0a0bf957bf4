"""What the Occupational Maps API answers; whatever JSON comes, nothing here raises.

SOC codes are numbers, and 0 means that an occupation has none in that edition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fingerpost.lmi import Json, Occupation, SocVersion

_KEPT = ("stdCode", "name", "level", "status", "soc", "typicalJobTitles")
_CODE = re.compile(r"[A-Za-z]{2,5}[0-9]{1,6}[A-Za-z]?")
_STANDARD = re.compile(r"(ST[0-9]{4})[A-Za-z]?")
_APPROVED = 1
_NO_LONGER_OFFERED = ("retired", "withdrawn")


@dataclass(frozen=True, slots=True)
class MapOccupation:
    """One occupation of the maps, and its SOC codes and their titles by edition."""

    code: str
    name: str
    level: str
    socs: dict[SocVersion, tuple[str, str]]
    job_titles: tuple[str, ...]

    def is_coded(self, occupation: Occupation) -> bool:
        """Say whether the maps give this occupation the code that is asked about."""
        return self.socs.get(occupation.soc_version, ("",))[0] == occupation.soc

    @property
    def title(self) -> str:
        """The name, with the level of education where that is known."""
        return f"{self.name} (level {self.level})" if self.level else self.name


@dataclass(frozen=True, slots=True)
class Product:
    """One product of technical education, such as an apprenticeship standard."""

    code: str
    name: str
    level: str
    type: str
    lars: int | None = None

    @property
    def standard(self) -> str:
        """The code of the apprenticeship standard that it is, or ""; a letter after the digits is not part of it."""
        found = _STANDARD.fullmatch(self.code)
        return found[1] if found else ""

    @property
    def title(self) -> str:
        """The name with its code, level and type, and the LARS code where that is known."""
        level, lars = f"level {self.level}" if self.level else "", f"LARS {self.lars}" if self.lars else ""
        known = ", ".join(part for part in (self.code, level, self.type, lars) if part)
        return f"{self.name} ({known})" if known else self.name


def kept_list(value: Any) -> Any:
    """Return what is worth remembering of the list of occupations: what `map_occupations` reads."""
    return [row.only(*_KEPT) for row in Json(value) if isinstance(row.value, dict)] or None


def map_occupations(value: Any) -> list[MapOccupation]:
    """Read the list of occupations; those that are not, or no longer, approved are left out."""
    approved = (row for row in Json(value) if row["status"].value in (_APPROVED, None))
    return [found for row in approved if (found := _map_occupation(row))]


def products(value: Any) -> list[Product]:
    """Read what there is to train for one occupation; what is no longer offered is left out."""
    return list(dict.fromkeys(found for row in Json(value)["products"] if (found := _product(row))))


def kept_lars_code(value: Any, code: str) -> Any:
    """Return what is worth remembering of the standard with this code: what `lars_code` reads."""
    said = Json(value)
    number = said["larsCode"].whole(0, 99_999)
    is_it = said["referenceNumber"].text().upper() == code
    return {"larsCode": number} if is_it and number is not None else None


def lars_code(value: Any) -> int | None:
    """Read the LARS code of a standard, which may be a text; 0 stands for none."""
    return Json(value)["larsCode"].whole(1, 99_999)


def next_occupations(value: Any, code: str) -> list[str]:
    """Read the titles of the occupations that one may go on to from the one with this code."""
    said = Json(value)
    titles = {found.code: found.title for row in said["occupations"] if (found := _map_occupation(row))}
    steps = [(row["stdCodeFrom"].text(), row["stdCodeTo"].text()) for row in said["progressions"]]
    onward = dict.fromkeys(end for start, end in steps if start == code != end)
    return [titles[each] for each in onward if each in titles]


def kept_lists(value: Any, *, keys: Sequence[str]) -> Any:
    """Return the lists at these keys; None where one is missing, since the answer is then something else."""
    kept = Json(value).only(*keys)
    return kept if all(isinstance(kept.get(key), list) for key in keys) else None


def _map_occupation(row: Json) -> MapOccupation | None:
    code, name, soc = row["stdCode"].text(), row["name"].text(), row["soc"]
    if not name or not _CODE.fullmatch(code):
        return None
    socs: dict[SocVersion, tuple[str, str]] = {
        2010: (soc["soc2010Code"].soc(), soc["soc2010Description"].text()),
        2020: (soc["soc2020Code"].soc(), soc["soc2020Description"].text()),
    }
    # Consumers have seen job titles as plain text and as objects.
    titles = (each.text() or each["name"].text() or each["title"].text() for each in row["typicalJobTitles"])
    return MapOccupation(
        code=code,
        name=name,
        level=_level(row),
        socs={version: coded for version, coded in socs.items() if coded[0]},
        job_titles=tuple(title for title in dict.fromkeys(titles) if title),
    )


def _product(row: Json) -> Product | None:
    name, status = row["name"].text(), row["statusName"].text().casefold()
    if not name or any(word in status for word in _NO_LONGER_OFFERED):
        return None
    return Product(code=row["productCode"].text(), name=name, level=_level(row), type=row["typeName"].text())


def _level(row: Json) -> str:
    """Return the level of education, which may be a text, or ""."""
    return str(row["level"].whole(1, 9) or "")
