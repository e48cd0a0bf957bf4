"""LMI for All on the loopback interface: its documented shapes with their quirks, and the ways in which it may be gone.

`LmiServer` knows every occupation from 1111 to 9279; all others come back with the title "Missing". What it says of
5241 in the West Midlands, London and the UK stands below; other figures follow from the code. `instead` maps the path
of a request, with its query or without, or without its last part ("ashe/estimatePay", "soc/code"), to an answer in its
place; `always` answers everything. Every request is kept in `requests`, and counted in `calls` by what it asked for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from http_server import Answer, HttpServer, Request, json_answer, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BASE = "/api/v1/"

ASHE_REGIONS = {
    1: "London", 2: "North East", 3: "North West", 4: "Yorkshire & Humber", 5: "East Midlands", 6: "West Midlands",
    7: "East of England", 8: "South East", 9: "South West", 10: "Wales", 11: "Scotland", 12: "Northern Ireland",
}  # fmt: skip
"""How ASHE numbers the regions."""

REGIONS = {
    1: "London", 2: "South East", 3: "East of England", 4: "South West", 5: "West Midlands", 6: "East Midlands",
    7: "Yorkshire and The Humber", 8: "North West", 9: "North East", 10: "Wales", 11: "Scotland",
    12: "Northern Ireland",
}  # fmt: skip
"""How Working Futures and the Employer Skills Survey number them."""

_SPLITS: dict[str, list[tuple[int, str | None]]] = {
    "region": [*REGIONS.items()],
    "industry": [(1, "Construction"), (2, "Manufacturing"), (3, None)],
    "status": [(1, "Full-time"), (2, "Part-time"), (3, "Self-employed")],
    "qualification": [(1, "No qualification"), (4, "QCF Level 3"), (6, "QCF Level 6")],
    "gender": [(1, "Male"), (2, "Female")],
}  # fmt: skip

ELECTRICIANS: dict[str, Any] = {
    "soc": 5241,
    "title": "Electricians and electrical fitters n.e.c.",
    "description": "<p>They install,\tmaintain &amp; repair\nelectrical plant.</p>",
    "qualifications": "There are no formal entry requirements.",
    "tasks": "examines drawings;\n selects, cuts &amp; lays wires;\n\ttests the result.",
    "add_titles": ["Engineer, electrical (building)", "Jointer"],
}


def slow(seconds: float) -> Answer:
    """Answer late."""
    return Answer(b"{}", 200, {"Content-Type": "application/json"}, late=seconds)


def huge(mebibytes: int = 3) -> Answer:
    """Answer with one advert that is far too long."""
    return json_answer([{"id": 1, "title": "Electrician", "summary": "x" * (mebibytes << 20)}])


def too_many_requests() -> Answer:
    """Answer as the adverts do when they were asked too often: with an advert."""
    return json_answer([{"id": 0, "title": "Too Many Requests", "summary": "", "company": ""}])


class LmiServer(HttpServer):
    """Serve the documented endpoints."""

    def __init__(self, *, instead: Mapping[str, Answer] | None = None, always: Answer | None = None) -> None:
        super().__init__()
        self.instead = dict(instead or {})
        self.always = always

    @property
    def url(self) -> str:
        """What `base_url` is to be."""
        return super().url + BASE

    @property
    def calls(self) -> Counter[str]:
        """How often each thing was asked for: path and query, as the service documents them."""
        return Counter(_target(request) for request in list(self.requests))

    def answer(self, request: Request) -> Answer:
        if self.always is not None:
            return self.always
        path = request.path.removeprefix(BASE)
        ways = (_target(request), path, path.rpartition("/")[0])
        return next((self.instead[way] for way in ways if way in self.instead), None) or answer(path, request.query)


def answer(path: str, query: Mapping[str, str]) -> Answer:
    """Return what the service answers when it is well."""
    parts = path.split("/")
    ends = _number(parts[-1])
    if path == "ess/regions":
        return json_answer({name: code for code, name in REGIONS.items()})
    if path.startswith("ess/region/") and len(parts) == 4:
        return _survey(ends, _number(parts[2]), query)
    known: dict[str, Callable[[], Answer]] = {
        "soc/code": lambda: json_answer(_occupation(ends)),
        "ess/uk": lambda: _survey(ends, None, query),
        "o-net/soc2onet": lambda: json_answer({"soc": ends, "onetCodes": _onet(ends)}),
        "o-net/skills": lambda: json_answer(_skills(parts[-1])),
        "hesa/courses": lambda: json_answer(_courses(ends)),
        "wf/predict/breakdown": lambda: json_answer(_split(_soc(query), parts[-1])),
    }
    if (one := known.get(path.rpartition("/")[0])) is not None:
        return one()
    soc = _soc(query)
    plain: dict[str, Callable[[], Answer]] = {
        "soc/search": lambda: json_answer(_search(query.get("q", ""))),
        "ashe/estimatePay": lambda: _pay(soc, query),
        "ashe/estimateHours": lambda: _hours(soc, query),
        "ashe/annualChanges": lambda: json_answer(
            {"soc": soc, "annual_changes": [{"year": 2021, "change": 2.4}, {"year": 2019, "change": -0.5}]}
        ),
        "ashe/filters/all": lambda: json_answer(
            [
                {"name": "gender", "codings": [{"name": "Male", "value": 1}, {"name": "Female", "value": 2}]},
                {"name": "region", "codings": [{"name": name, "value": code} for code, name in ASHE_REGIONS.items()]},
            ]
        ),
        "lfs/unemployment": lambda: json_answer(
            {"soc": soc, "years": [{"year": 2020, "unemprate": 4.1}, {"year": 2021, "unemprate": None},
                                   {"year": 2022, "unemprate": 0}]}
        ),
        "wf/predict": lambda: json_answer(
            {"soc": soc, "predictedEmployment": [
                {"year": 2026, "employment": 100.0 * soc + 0.77}, {"year": 2024, "employment": 99.0 * soc}]}
        ),
        "wf/replacement_demand": lambda: json_answer({"soc": soc, "start_year": 2017, "end_year": 2027, "rate": 33.1}),
        "wf/filters/info/region": lambda: json_answer(
            {"name": "region", "description": "Region",
             "coding": [{"code": code, "description": name} for code, name in REGIONS.items()]}
        ),
        "vacancies/search": lambda: json_answer(_adverts(query.get("keywords", ""))),
    }  # fmt: skip
    one = plain.get(path)
    return one() if one is not None else refusal()


# -- what it says ------------------------------------------------------------------------------------------------------


def _is_known(soc: int) -> bool:
    return 1111 <= soc <= 9279


def _occupation(soc: int) -> dict[str, Any]:
    if soc == 5241:
        return ELECTRICIANS
    title = f"Workers of kind {soc}" if _is_known(soc) else "Missing"
    return {"soc": soc, "title": title, "description": "", "qualifications": "", "tasks": "", "add_titles": []}


def _search(words: str) -> list[dict[str, Any]]:
    if "electric" not in words:
        return []
    return [ELECTRICIANS, _occupation(5249), ELECTRICIANS, {"soc": 9999, "title": "Missing"}, {"soc": -1, "title": ""}]


def _pay(soc: int, query: Mapping[str, str]) -> Answer:
    """Years are out of order and some are skipped; 5 and 6 are other regions than elsewhere."""
    pay = {"": 655.5, "region:1": 790, "region:5": 601, "region:6": 623.25}.get(
        query.get("filters", ""), 500 + soc % 97
    )
    series = [{"year": 2020, "estpay": pay - 30}, {"year": 2022, "estpay": pay}, {"year": 2017, "estpay": pay - 80}]
    return json_answer({"soc": soc, "series": series if _is_known(soc) else []})


def _hours(soc: int, query: Mapping[str, str]) -> Answer:
    """Nothing is known of one occupation alone: only of the wider group."""
    if query.get("coarse") != "true":
        return json_answer({"error": "No data available for this occupation"})
    return json_answer({"soc": soc, "series": [{"year": 2022, "hours": 39.5}, {"year": 2023, "hours": None}]})


def _survey(soc: int, region: int | None, query: Mapping[str, str]) -> Answer:
    said: dict[str, Any] = {"soc": soc, "year": 2019, "percentHTF": 38.0, "percentHTFisSSV": 56.3, "reliability": 3}
    said["percentSSV"] = 21.4 if region is None else 20.0 + region
    if region is not None:
        said["region"] = {"name": REGIONS.get(region, "nowhere"), "code": region}
    return json_answer(said)


def _split(soc: int, by: str) -> dict[str, Any]:
    """Every part of the later year is a tenth larger; the later year comes first."""
    parts = _SPLITS.get(by, [])
    years = [
        {"year": year, "breakdown": [
            {"code": code, "name": name, "note": None, "employment": 1000.0 * code * factor} for code, name in parts]}
        for year, factor in ((2026, 1.1), (2024, 1.0))
    ]  # fmt: skip
    return {"soc": soc, "breakdown": by, "note": "", "predictedEmployment": years}


def _onet(soc: int) -> list[dict[str, str]]:
    codes = ["47-2111.00", "49-2095.00"] if soc == 5241 else [f"11-{soc}.00"]
    return [{"code": code} for code in codes]


def _skills(code: str) -> dict[str, Any]:
    skills = [{"id": "2.B.3.k", "name": "Troubleshooting", "value": 3.5}, {"id": "2.B.3.l", "name": "Repairing",
              "value": 3.75}]  # fmt: skip
    return {"scales": [{"id": "LV", "skills": skills}] if code != "49-2095.00" else []}


def _courses(soc: int) -> dict[str, Any]:
    old = [{"name": "(H6) Electronic engineering", "percentage": 44.0}]
    new = [{"name": "(K2) Building", "percentage": 12.5},
           {"name": "(H6) Electronic &amp; electrical engineering", "percentage": 31.0}]  # fmt: skip
    return {"soc": soc, "years": [{"year": "2014/15", "courses": new}, {"year": "2013/14", "courses": old}]}


def _adverts(words: str) -> list[dict[str, Any]]:
    advert = {"id": 123, "title": f"{words[:11]} &amp; mate", "summary": "<b>Now</b>", "company": "Sparks Ltd",
              "activedate": {"start": "2023-05-01T09:00:00Z", "end": "2030-05-31T09:00:00Z"},
              "location": {"location": "LS1 1AA", "city": ""},
              "link": "https://findajob.dwp.gov.uk/details/123"}  # fmt: skip
    ended = {**advert, "id": 124, "title": "Long ago", "activedate": {"end": "2023-05-31T09:00:00Z"}}
    return [advert, ended]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _soc(query: Mapping[str, str]) -> int:
    return _number(query.get("soc", ""))


def _target(request: Request) -> str:
    path = request.path.removeprefix(BASE)
    query = "&".join(f"{name}={value}" for name, value in sorted(request.query.items()))
    return f"{path}?{query}" if query else path
