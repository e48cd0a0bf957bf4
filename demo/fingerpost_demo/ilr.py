"""The ILR file of an invented college; it passes the published schema of 2025-26."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

from fingerpost_demo.people import DOMAIN, EMPLOYERS, UKPRN, Aim, Person, ascii_letters, make_people
from fingerpost_demo.terms import START

PREPARED = date(START + 1, 2, 27)
"""The day on which the file is prepared."""


def ilr_name(year: int, prepared: date) -> str:
    """Return the name of the file of an academic year, as the specification of the ILR has it."""
    return f"ILR-{UKPRN}-{_year(year)}-{prepared:%Y%m%d}-010203-01.xml"


def _year(year: int) -> str:
    """Return an academic year as the ILR spells it."""
    return f"{year % 100}{year % 100 + 1}"


def write_ilr(
    path: Path, *, learners: int, seed: int = 1, placements: float = 0.3, deliveries: tuple[int, int] = (3, 6)
) -> None:
    """Write an ILR file of that many learners, in flat memory.

    Each learner has from `deliveries[0]` to `deliveries[1]` aims; `placements` is the share of learners with a work
    placement, all of them on 16 to 19 programmes.
    """
    rng = random.Random(seed)  # noqa: S311 - invented people need no strong randomness
    write_people(path, rng, make_people(rng, learners, placements=placements, deliveries=deliveries))


def write_people(
    path: Path, rng: random.Random, people: Iterable[Person], *, year: int = START, prepared: date = PREPARED
) -> None:
    """Write the ILR file of these people, each as it comes, for the academic year that begins in `year`."""
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(f'<?xml version="1.0" encoding="utf-8"?>\n<Message xmlns="ESFA/ILR/{year}-{_year(year)[2:]}">\n')
        details = _group("CollectionDetails", Collection="ILR", Year=_year(year), FilePreparationDate=prepared)
        source = _group(
            "Source", ProtectiveMarking="OFFICIAL-SENSITIVE-Personal", UKPRN=UKPRN, SoftwareSupplier="Fingerpost",
            SoftwarePackage="Fake college", Release=1, SerialNo="01", DateTime=f"{prepared}T01:02:03",
        )  # fmt: skip
        out.write(f"<Header>\n{details}{source}</Header>\n{_group('LearningProvider', UKPRN=UKPRN)}")
        for person in people:
            out.write(_learner(rng, person))
        out.write("</Message>\n")


def _tags(**values: object) -> str:
    return "".join(f"<{name}>{value}</{name}>\n" for name, value in values.items() if value not in {None, ""})


def _group(tag: str, **values: object) -> str:
    return f"<{tag}>\n{_tags(**values)}</{tag}>\n"


def _learner(rng: random.Random, person: Person) -> str:
    young = person.young
    begin = min(aim.starts_on for aim in person.aims)
    postcode = f"QX{rng.randint(1, 9)} {rng.randint(1, 9)}{rng.choice('ABDEFGH')}{rng.choice('JLNPQRS')}"
    parts = [_tags(
        LearnRefNumber=person.ref,
        ULN=person.uln,
        FamilyName=escape(person.family),
        GivenNames=escape(person.given),
        DateOfBirth=person.born,
        Ethnicity=rng.choice((31, 31, 31, 34, 35, 38, 39, 40, 41, 44, 98)),
        Sex=person.sex,
        LLDDHealthProb=1 if person.ehc else rng.choice((1, 2, 2, 2, 2, 9)),
        PlanLearnHours=rng.randint(480, 640) if young else None,
        PlanEEPHours=rng.randint(40, 120) if young else None,
        MathGrade=rng.choice("3456") if young else None,
        EngGrade=rng.choice("3456") if young else None,
        PostcodePrior=postcode,
        Postcode=postcode,
        AddLine1=f"{rng.randint(1, 199)} Weir Lane",
        AddLine2="Bridgeford",
        TelNo=f"07700900{rng.randint(0, 999):03}",
        Email=f"{ascii_letters(person.given)}.{ascii_letters(person.family)}{person.ref[-4:]}@{DOMAIN}",
    )]  # fmt: skip
    parts.append(_group("PriorAttain", PriorLevel=2 if young else rng.choice((1, 2, 3)), DateLevelApp=begin))
    if person.ehc:
        parts.append(_group("LLDDandHealthProblem", LLDDCat=rng.choice((12, 13, 14)), PrimaryLLDD=1))
        parts.append(_group("LearnerFAM", LearnFAMType="EHC", LearnFAMCode=1))
    if young:
        parts.append(_group("LearnerFAM", LearnFAMType="LSR", LearnFAMCode=rng.choice((36, 55, 56))))
    if person.group:
        parts.append(_group("ProviderSpecLearnerMonitoring", ProvSpecLearnMonOccur="A", ProvSpecLearnMon=person.group))
    if not young:
        status = 10 if person.kind == "apprenticeship" else rng.choice((10, 11, 12))
        since = begin - timedelta(days=rng.randint(1, 60))
        parts.append(_group("LearnerEmploymentStatus", EmpStat=status, DateEmpStatApp=since))
    parts += [_delivery(rng, person, number, aim) for number, aim in enumerate(person.aims, start=1)]
    return f"<Learner>\n{''.join(parts)}</Learner>\n"


def _delivery(rng: random.Random, person: Person, number: int, aim: Aim) -> str:
    parts = [_tags(
        LearnAimRef=aim.ref,
        AimType=aim.kind,
        AimSeqNumber=number,
        LearnStartDate=aim.starts_on,
        LearnPlanEndDate=aim.planned_end,
        FundModel=aim.fund,
        ProgType=aim.prog,
        StdCode=aim.standard,
        DelLocPostCode="QX1 1AA",
        CompStatus=aim.status,
        LearnActEndDate=aim.actual_end,
        WithdrawReason=rng.choice((2, 3, 40, 98)) if aim.status == 3 else None,
        Outcome={2: 1, 3: 3}.get(aim.status),
        SWSupAimId=uuid.UUID(int=rng.getrandbits(128), version=4),
    )]  # fmt: skip
    sof = {25: 107}.get(aim.fund, 105)
    parts.append(_group("LearningDeliveryFAM", LearnDelFAMType="SOF", LearnDelFAMCode=sof))
    if (placement := aim.placement) is not None:
        parts.append(_group(
            "LearningDeliveryWorkPlacement",
            WorkPlaceStartDate=placement.starts_on, WorkPlaceEndDate=placement.ends_on,
            WorkPlaceHours=placement.hours, WorkPlaceMode=1 if placement.simulated else 2,
            WorkPlaceEmpId=_employer_id(placement.employer),
        ))  # fmt: skip
    parts.append(_group("ProviderSpecDeliveryMonitoring", ProvSpecDelMonOccur="A", ProvSpecDelMon=person.area.name))
    return f"<LearningDelivery>\n{''.join(parts)}</LearningDelivery>\n"


def _employer_id(employer: str | None) -> str:
    """Return an employer number with a valid check digit (ILR derived data DD14)."""
    if employer is None:
        return "999999999"
    number = 10_000_000 + 137 * EMPLOYERS.index(employer)
    while True:
        total = sum(weight * int(digit) for weight, digit in zip((9, 8, 7, 6, 5, 4, 3, 2), str(number), strict=True))
        check = (11 - total % 11) % 11
        if check < 10:
            return f"{number}{check}"
        number += 1
