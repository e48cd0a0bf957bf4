"""Read what the Display Advert API answers; whatever JSON comes, nothing here raises.

Names are in camelCase and what is not set is left out. Adverts that the service took over from elsewhere have no
course, national ones no address; the amount of a wage has always been missing, so that it stands in words only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from fingerpost import plain_text

__all__ = ["Advert", "Page", "kept_page", "page"]

_KEPT = ("title", "employerName", "closingDate", "vacancyUrl", "applicationUrl", "isNationalVacancy")
# Names, telephone numbers and e-mail addresses of people stand in an advert too, and are not for keeping.
_KEPT_OF_ADDRESS = ("addressLine1", "addressLine2", "addressLine3", "addressLine4", "postcode")
_YEARLY = re.compile(r"£([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{3,6})(\.[0-9]{2})? a year", re.IGNORECASE)
_MOST = 20


@dataclass(frozen=True, slots=True)
class Advert:
    """One advert; `wage` is what the advert says in words, and `yearly` the GBP a year where it says so plainly."""

    title: str
    employer: str = ""
    place: str = ""
    closes: date | None = None
    wage: str = ""
    yearly: float | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page: how many adverts and pages there are for what was asked, and the adverts of this one."""

    total: int
    pages: int
    adverts: tuple[Advert, ...]


def kept_page(value: Any) -> Any:
    """Return what is worth remembering of a page: the numbers, and what `page` reads of the first adverts.

    None where it does not say how many adverts there are: it is no page then.
    """
    if not isinstance(value, dict) or _count(value.get("totalFiltered")) is None:
        return None
    rows = value.get("vacancies")
    adverts = [_kept_advert(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    usable = [advert for advert in adverts if _advert(advert)]
    return {"totalFiltered": _count(value.get("totalFiltered")), "totalPages": _count(value.get("totalPages")),
            "vacancies": usable[:_MOST]}  # fmt: skip


def page(value: Any) -> Page | None:
    """Read a page; None where it does not say how many adverts there are."""
    total, pages = _count(_in(value, "totalFiltered")), _count(_in(value, "totalPages"))
    if total is None:
        return None
    rows = _in(value, "vacancies")
    found = (_advert(row) for row in rows) if isinstance(rows, list) else ()
    return Page(total, pages or 0, tuple(advert for advert in found if advert))


def _kept_advert(row: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: _cut(row[key]) for key in _KEPT if key in row}
    if isinstance(wage := _in(row.get("wage"), "wageAdditionalInformation"), str):
        kept["wage"] = {"wageAdditionalInformation": _cut(wage)}
    addresses = row.get("addresses")
    if isinstance(addresses, list) and addresses and isinstance(addresses[0], dict):
        kept["addresses"] = [{key: _cut(addresses[0][key]) for key in _KEPT_OF_ADDRESS if key in addresses[0]}]
    return kept


def _advert(row: Any) -> Advert | None:
    title = plain_text(_in(row, "title"))
    if not title:
        return None
    wage = plain_text(_in(_in(row, "wage"), "wageAdditionalInformation"))
    yearly = _YEARLY.fullmatch(wage)
    return Advert(
        title,
        plain_text(_in(row, "employerName")),
        _place(row),
        _day(_in(row, "closingDate")),
        wage,
        float(yearly[1].replace(",", "") + (yearly[2] or "")) if yearly else None,
        _link(_in(row, "vacancyUrl"), deep=True) or _link(_in(row, "applicationUrl")),
    )


def _in(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _cut(value: Any) -> Any:
    """Return a value that is small enough to keep."""
    return value[:1000] if isinstance(value, str) else value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10_000_000
    return value if is_count else None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _place(row: Any) -> str:
    """Return the town and the postcode; the town is the last line of an address that holds anything."""
    if _in(row, "isNationalVacancy") is True:
        return "across England"
    addresses = _in(row, "addresses")
    first = addresses[0] if isinstance(addresses, list) and addresses else None
    lines = [plain_text(_in(first, f"addressLine{number}")) for number in (4, 3, 2, 1)]
    town = next((line for line in lines if line), "")
    return " ".join(part for part in (town, plain_text(_in(first, "postcode"))) if part)


def _link(value: Any, *, deep: bool = False) -> str | None:
    """Return an https address; with `deep` only one that leads further than to the front page."""
    if not isinstance(value, str) or not value.startswith("https://") or len(value) > 500:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    plain = value.isprintable() and " " not in value and bool(parts.hostname)
    return value if plain and (not deep or parts.path.strip("/")) else None
