"""What the Display Advert API answers; whatever JSON comes, nothing here raises.

Names are in camelCase, and what is not set is left out. Adverts that the service took over from elsewhere have no
course, national ones no address. The amount of a wage has always been missing, so it stands in words only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from fingerpost.lmi import Json

_KEPT = ("title", "employerName", "closingDate", "vacancyUrl", "applicationUrl", "isNationalVacancy")
# An advert also holds the names, telephone numbers and e-mail addresses of people, which are not for keeping.
_KEPT_OF_ADDRESS = ("addressLine1", "addressLine2", "addressLine3", "addressLine4", "postcode")
_KEPT_OF_WAGE = ("wageAdditionalInformation",)
_YEARLY = re.compile(r"(£[0-9,]+(?:\.[0-9]{2})?) a year", re.IGNORECASE)
_MOST_ADVERTS = 20
_LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Advert:
    """One advert: what is shown of it in a line, and the GBP a year where it says so plainly."""

    title: str
    line: str
    closes: date | None
    yearly: float | None
    link: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page: how many adverts and pages there are for what was asked, and the adverts of this one."""

    total: int
    pages: int
    adverts: tuple[Advert, ...]


def kept_page(value: Any) -> Any:
    """Return what is worth remembering of a page: the numbers, and what `page` reads of the first adverts.

    None where it does not say how many adverts there are, and so is not a page.
    """
    said = Json(value)
    total, pages = _count(said["totalFiltered"]), _count(said["totalPages"])
    if total is None:
        return None
    adverts = [_kept_advert(row) for row in said["vacancies"] if _advert(row)]
    return {"totalFiltered": total, "totalPages": pages, "vacancies": adverts[:_MOST_ADVERTS]}


def page(value: Any) -> Page | None:
    """Read a page; None where it does not say how many adverts there are."""
    said = Json(value)
    total = _count(said["totalFiltered"])
    if total is None:
        return None
    adverts = tuple(advert for row in said["vacancies"] if (advert := _advert(row)))
    return Page(total, _count(said["totalPages"]) or 0, adverts)


def _count(said: Json) -> int | None:
    """Return a count, which this service never writes as text."""
    return said.whole(0, 9_999_999) if isinstance(said.value, int) else None


def _kept_advert(row: Json) -> dict[str, Any]:
    kept = _short(row.only(*_KEPT))
    kept["wage"] = _short(row["wage"].only(*_KEPT_OF_WAGE))
    kept["addresses"] = [_short(row["addresses"].first.only(*_KEPT_OF_ADDRESS))]
    return kept


def _short(said: dict[str, Any]) -> dict[str, Any]:
    """Return texts, cut where they are too long to keep, and what is true or false."""
    texts = {key: value[:_LONGEST_TEXT] for key, value in said.items() if isinstance(value, str)}
    return texts | {key: value for key, value in said.items() if isinstance(value, bool)}


def _advert(row: Json) -> Advert | None:
    title, wage = row["title"].text(), row["wage"]["wageAdditionalInformation"].text()
    if not title:
        return None
    closes, yearly = row["closingDate"].day(), _YEARLY.fullmatch(wage)
    until = f"closes {closes.day} {closes:%B %Y}" if closes else ""
    return Advert(
        title=title,
        line="; ".join(part for part in (title, row["employerName"].text(), _where(row), until, wage) if part),
        closes=closes,
        yearly=Json(yearly[1]).number(100, 999_999) if yearly else None,
        link=_link_to_advert(row["vacancyUrl"]) or row["applicationUrl"].link(),
    )


def _where(row: Json) -> str:
    """Return the town and the postcode; the town is the last line of an address that holds anything."""
    if row["isNationalVacancy"].value is True:
        return "across England"
    address = row["addresses"].first
    lines = (address[f"addressLine{number}"].text() for number in (4, 3, 2, 1))
    town = next((line for line in lines if line), "")
    return " ".join(part for part in (town, address["postcode"].text()) if part)


def _link_to_advert(said: Json) -> str | None:
    """Return an address, unless it leads no further than to the front page."""
    link = said.link()
    return link if link and urlsplit(link).path.strip("/") else None
