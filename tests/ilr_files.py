"""ILR files as text: learners with aims, placements and outcomes, in the wire format; and the real sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from fingerpost_demo import write_ilr

DATA = Path(__file__).parent / "data" / "ilr"
SAMPLE = DATA / "ILR-99999999-1819-20180626-144401-01.xml"
NAME = "ILR-99999999-2526-20260227-010203-01.xml"


def tags(**values: object) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items() if value is not None)


def aim(*children: str, **values: object) -> str:
    plain: dict[str, object] = {
        "LearnAimRef": "60172186", "AimType": 4, "AimSeqNumber": 1, "LearnStartDate": "2025-09-03",
        "LearnPlanEndDate": "2026-06-26", "FundModel": 25, "CompStatus": 1,
    }  # fmt: skip
    return f"<LearningDelivery>{tags(**plain | values)}{''.join(children)}</LearningDelivery>"


def placement(**values: object) -> str:
    plain: dict[str, object] = {"WorkPlaceStartDate": "2026-01-12", "WorkPlaceHours": 35, "WorkPlaceMode": 2}
    return f"<LearningDeliveryWorkPlacement>{tags(**plain | values)}</LearningDeliveryWorkPlacement>"


def learner(ref: str = "25000001", *children: str, uln: object = 1061484016, **values: object) -> str:
    plain: dict[str, object] = {
        "LearnRefNumber": ref, "ULN": uln, "FamilyName": "Okafor", "GivenNames": "Zoë", "DateOfBirth": "2008-11-30",
    }  # fmt: skip
    return f"<Learner>{tags(**plain | values)}{''.join(children or (aim(),))}</Learner>"


def outcome(ref: str, *outcomes: str, uln: object = 9999999999) -> str:
    return (
        f"<LearnerDestinationandProgression>{tags(LearnRefNumber=ref, ULN=uln)}"
        f"{''.join(f'<DPOutcome>{each}</DPOutcome>' for each in outcomes)}</LearnerDestinationandProgression>"
    )


def ilr(
    *learners: str,
    year: str | None = "2526",
    namespace: str | None = None,
    prepared: str | None = "2026-02-27T01:02:03",
    ukprn: object = 99999999,
    before: str = '<?xml version="1.0" encoding="utf-8"?>',
) -> str:
    """Return a file; its namespace is that of its year unless another is given."""
    usual = f"ESFA/ILR/20{year[:2]}-{year[2:]}" if year else ""
    return (
        f'{before}<Message xmlns="{usual if namespace is None else namespace}"><Header>'
        f"<CollectionDetails>{tags(Collection='ILR', Year=year)}</CollectionDetails>"
        f"<Source>{tags(UKPRN=ukprn, DateTime=prepared)}</Source></Header>"
        f"<LearningProvider>{tags(UKPRN=ukprn)}</LearningProvider>\n{chr(10).join(learners)}\n</Message>"
    )


def write_large(path: Path, count: int, **said: Any) -> None:
    """Write a file of so many learners, which the published schema must accept."""
    path.parent.mkdir(parents=True)
    write_ilr(path, learners=count, seed=count, **said)
    schema = etree.XMLSchema(etree.parse(DATA / "ILR-2025-26.xsd"))
    for _, element in etree.iterparse(path, tag="{*}Learner", schema=schema):  # raises at the first fault
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
