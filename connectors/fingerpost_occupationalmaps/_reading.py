"""Read what the Occupational Maps API answers; whatever JSON comes, nothing here raises.

SOC codes are numbers, and 0 means that an occupation has none in that edition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fingerpost import plain_text

if TYPE_CHECKING:
    from fingerpost import Occupation, SocVersion

__all__ = [
    "Product", "Standard", "kept_lars_code", "kept_list", "kept_products", "kept_progression", "lars_code",
    "next_standards", "products", "standards",
]  # fmt: skip

_KEPT = ("stdCode", "name", "level", "status", "soc", "typicalJobTitles")
_STANDARD = re.compile(r"(ST[0-9]{4})[A-Za-z]?", re.ASCII)
_APPROVED = 1
_OVER = ("retired", "withdrawn")


@dataclass(frozen=True, slots=True)
class Standard:
    """One occupation of the maps, and its SOC codes and their titles by edition."""

    code: str
    name: str
    level: str
    socs: dict[SocVersion, tuple[str, str]]
    job_titles: tuple[str, ...] = ()

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
        """The code of the apprenticeship standard that it is, or nothing; a letter behind it is none of the code."""
        found = _STANDARD.fullmatch(self.code)
        return found[1] if found else ""

    @property
    def title(self) -> str:
        """The name with its code, level and type, and the LARS code where that is known."""
        level, lars = f"level {self.level}" if self.level else "", f"LARS {self.lars}" if self.lars else ""
        more = (self.code, level, self.type, lars)
        said = ", ".join(part for part in more if part)
        return f"{self.name} ({said})" if said else self.name


def kept_list(value: Any) -> Any:
    """Return what is worth remembering of the list of occupations: what `standards` reads."""
    rows = value if isinstance(value, list) else []
    return [{key: row[key] for key in _KEPT if key in row} for row in rows if isinstance(row, dict)] or None


def standards(value: Any) -> list[Standard]:
    """Read the list of occupations; those that are not approved, or no longer, are left out."""
    rows = value if isinstance(value, list) else []
    return [each for row in rows if (each := _standard(row)) and _in(row, "status") in (_APPROVED, None)]


def kept_products(value: Any) -> Any:
    """Return what is worth remembering of an occupation's products: what `products` reads."""
    offered = _in(value, "products")
    return {"products": offered} if isinstance(offered, list) else None


def products(value: Any) -> list[Product]:
    """Read what there is to train for one occupation; what is no longer offered is left out."""
    offered = (_product(row) for row in _rows(_in(value, "products")))
    return list(dict.fromkeys(each for each in offered if each))


def kept_lars_code(value: Any, code: str) -> Any:
    """Return what is worth remembering of the standard with this code: what `lars_code` reads."""
    number = _number(_in(value, "larsCode"))
    is_it = plain_text(_in(value, "referenceNumber")).upper() == code
    return {"larsCode": number} if is_it and number is not None else None


def lars_code(value: Any) -> int | None:
    """Read the LARS code of a standard, which may be a text; 0 stands for none."""
    return _number(_in(value, "larsCode")) or None


def kept_progression(value: Any) -> Any:
    """Return what is worth remembering of what may come next; None where the answer is something else."""
    keys = ("occupations", "progressions")
    return {key: value[key] for key in keys} if all(isinstance(_in(value, key), list) for key in keys) else None


def next_standards(value: Any, code: str) -> list[str]:
    """Read the titles of the occupations that one may go on to from the one with this code."""
    named = {each.code: each.title for row in _rows(_in(value, "occupations")) if (each := _standard(row))}
    links = _rows(_in(value, "progressions"))
    onward = [plain_text(_in(row, "stdCodeTo")) for row in links if plain_text(_in(row, "stdCodeFrom")) == code]
    return [named[each] for each in dict.fromkeys(onward) if each in named and each != code]


def _standard(row: Any) -> Standard | None:
    code, name = plain_text(_in(row, "stdCode")), plain_text(_in(row, "name"))
    if not name or not re.fullmatch(r"[A-Za-z]{2,5}[0-9]{1,6}[A-Za-z]?", code, re.ASCII):
        return None
    soc = _in(row, "soc")
    socs: dict[SocVersion, tuple[str, str]] = {
        2010: (_soc(_in(soc, "soc2010Code")), plain_text(_in(soc, "soc2010Description"))),
        2020: (_soc(_in(soc, "soc2020Code")), plain_text(_in(soc, "soc2020Description"))),
    }
    coded = {version: named for version, named in socs.items() if named[0]}
    return Standard(code, name, _level(_in(row, "level")), coded, _job_titles(row))


def _job_titles(row: Any) -> tuple[str, ...]:
    # Consumers have seen them as plain text and as objects.
    titles = _rows(_in(row, "typicalJobTitles"))
    named = (plain_text(each) or plain_text(_in(each, "name")) or plain_text(_in(each, "title")) for each in titles)
    return tuple(dict.fromkeys(name for name in named if name))


def _product(row: Any) -> Product | None:
    name, status = plain_text(_in(row, "name")), plain_text(_in(row, "statusName")).casefold()
    if not name or any(word in status for word in _OVER):
        return None
    code, kind = plain_text(_in(row, "productCode")), plain_text(_in(row, "typeName"))
    return Product(code, name, _level(_in(row, "level")), kind)


def _in(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _rows(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _soc(value: Any) -> str:
    number = value.strip() if isinstance(value, str) else value
    if isinstance(number, str) and re.fullmatch(r"[0-9]{4}", number, re.ASCII):
        number = int(number)
    return str(number) if isinstance(number, int) and 1000 <= number <= 9999 else ""


def _number(value: Any) -> int | None:
    """Return a LARS code, or the 0 in its place."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value.strip(), re.ASCII):
        return int(value)
    is_code = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 99_999
    return value if is_code else None


def _level(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10:
        return str(value)
    return value.strip() if isinstance(value, str) and re.fullmatch(r"[1-9]", value.strip(), re.ASCII) else ""
