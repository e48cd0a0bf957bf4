"""Turn the elements of one ILR file into records, with the ILR's own names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fingerpost import Context, Message, Record, Rejected, SourceUnavailable
from fingerpost.files import open_text
from fingerpost_ilr._elements import DESTINATIONS, LEARNER, LocalNames, elements, text, texts
from fingerpost_ilr._header import IlrFile
from fingerpost_ilr._programmes import Aim, iso_day, programmes

if TYPE_CHECKING:
    from lxml import etree


_LEARNER_FIELDS = (
    "LearnRefNumber", "PrevLearnRefNumber", "PrevUKPRN", "ULN", "FamilyName", "GivenNames", "DateOfBirth", "Email",
    "EHC",
)  # fmt: skip
_AIM_CODES = ("LearnAimRef", "AimType", "FundModel", "ProgType", "CompStatus")
_AIM_DATES = ("LearnStartDate", "LearnPlanEndDate", "LearnActEndDate")
_AIM_FIELDS = (*_AIM_CODES, *_AIM_DATES, "StdCode", "FworkCode", "PwayCode")
_PROGRAMME_FIELDS = ("Code", "Title", "Type", "Level", "Area", *_AIM_DATES, "Status")
"""What a mapping calls the fields of `Programme` that follow its slug."""
_AIM_NAME_FIELDS = ("LearnAimRef", "AimSeqNumber")
_PLACEMENT_FIELDS = ("WorkPlaceStartDate", "WorkPlaceEndDate", "WorkPlaceHours", "WorkPlaceMode", "WorkPlaceEmpId")
_OUTCOME_FIELDS = ("OutType", "OutCode", "OutStartDate", "OutEndDate", "OutCollDate")
_MONITORING_FIELDS = ("ProvSpecDelMonOccur", "ProvSpecDelMon")
_FAM_FIELDS = ("LearnFAMType", "LearnFAMCode")

_EMPLOYER_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2)
_EMPLOYER_UNKNOWN = "999999999"


class Reading:
    """One pass over one file, for one stream.

    A learner who appears twice in a file keeps both sets of aims and placements: the second set's keys call the
    learner ``REF~2``.
    """

    def __init__(self, file: IlrFile, member: str, context: Context) -> None:
        self.file = file
        self._member = member
        self._context = context
        self._names = LocalNames()
        self._count = 0
        self._seen: set[str] = set()
        self._again: Counter[str] = Counter()

    def learners(self, newer: set[str]) -> Iterator[Message]:
        """Yield learners; `newer` holds those of later years and is added to.

        Without the code EHC1 in their latest year a learner has no plan; an earlier year does not say what holds now.
        Raises SourceUnavailable where the file has no learner: the schema requires one, and a year that came
        empty must not look as if it had been read.
        """
        template = dict.fromkeys((*_LEARNER_FIELDS, *self._context.columns), "")
        for element in self._elements(LEARNER):
            data = self._learner(element, template)
            ref = data["LearnRefNumber"]
            if not ref:
                key = f"{self.file.year}/record {self._count}"
                yield Rejected(key, reason="missing_required", where=self._where(), raw=data)
                continue
            if ref in newer:
                data["EHC"] = ""
            self._seen.add(ref)
            yield Record(f"{self.file.year}/{ref}", data, self.file.year)
        if not self._count:
            raise SourceUnavailable(
                f"{self.file.name} holds no learner, and an ILR file always does; ask for a new export."
            )
        newer |= self._seen

    def programmes(self) -> Iterator[Message]:
        """Yield the programmes that each learner's aims make up."""
        year = self.file.year
        for element, ref, who in self._named(LEARNER):
            aims = [self._aim(child, who) for child in element if self._names[child.tag] == "LearningDelivery"]
            slugs: Counter[str] = Counter()
            for programme in programmes(aims):
                slug, *said = programme
                data = {"LearnRefNumber": ref, "AcademicYear": year, **dict(zip(_PROGRAMME_FIELDS, said, strict=True))}
                yield Record(f"{year}/{who}/{_numbered(slug, slugs)}", data, year)

    def placements(self) -> Iterator[Message]:
        """Yield work placements, in the order of the file within each aim."""
        for element, ref, who in self._named(LEARNER):
            if next(element.iterdescendants("{*}LearningDeliveryWorkPlacement"), None) is None:
                continue
            sequence: Counter[str] = Counter()
            for delivery in element:
                if self._names[delivery.tag] == "LearningDelivery":
                    yield from self._placements(delivery, ref, who, sequence)

    def outcomes(self) -> Iterator[Message]:
        """Yield destination outcomes, also of learners whom the file does not hold."""
        year = self.file.year
        for element, ref, who in self._named(DESTINATIONS):
            uln = text(element, "ULN", self._names)
            slugs: Counter[str] = Counter()
            for child in element:
                if self._names[child.tag] != "DPOutcome":
                    continue
                data = texts(child, _OUTCOME_FIELDS, self._names)
                slug = f"{data['OutType']}{data['OutCode']}/{data['OutStartDate']}"
                slugs[slug] += 1
                data |= {"LearnRefNumber": ref, "ULN": uln}
                yield Record(f"{year}/{who}/{slug}/{slugs[slug]}", data, year)

    def _elements(self, wanted: str) -> Iterator[etree._Element]:
        with open_text(self.file.file, self._context, self._member) as source:
            for element in elements(source, self.file.name, wanted, self._names):
                self._count += 1
                yield element
        if len(self._names.namespaces | {self.file.namespace}) > 1:
            self._context.warn("mixed_namespaces", where=self.file.name)

    def _named(self, wanted: str) -> Iterator[tuple[etree._Element, str, str]]:
        """Yield each element with the learner's reference and what keys call the learner; warn of one without."""
        for element in self._elements(wanted):
            ref = text(element, "LearnRefNumber", self._names)
            if not ref:
                self._context.warn("missing_reference", field="LearnRefNumber", where=self._where())
            elif ref not in self._seen:
                self._seen.add(ref)
                yield element, ref, ref
            else:
                self._again[ref] += 1
                yield element, ref, f"{ref}~{self._again[ref] + 1}"

    def _learner(self, element: etree._Element, template: dict[str, str]) -> dict[str, str]:
        data = template.copy()
        names = self._names
        plan = "0"
        for child in element:
            name = names[child.tag]
            if name == "LearnerFAM":
                fam = texts(child, _FAM_FIELDS, names)
                if fam["LearnFAMType"] == "EHC":
                    plan = fam["LearnFAMCode"]
            elif name in data:
                data[name] = (child.text or "").strip()
            elif name == "LearnerContact" and (email := text(child, "Email", names)):
                data["Email"] = email  # where files up to 2016/17 have it
        data["EHC"] = plan
        return data

    def _aim(self, delivery: etree._Element, who: str) -> Aim:
        data = dict.fromkeys(_AIM_FIELDS, "")
        names = self._names
        area = ""
        for child in delivery:
            name = names[child.tag]
            if name in data:
                data[name] = (child.text or "").strip()
            elif name == "ProviderSpecDeliveryMonitoring" and not area:
                monitoring = texts(child, _MONITORING_FIELDS, names)
                if monitoring["ProvSpecDelMonOccur"].upper() == "A":
                    area = monitoring["ProvSpecDelMon"]
        ref, kind, fund, prog, status = (data[name] for name in _AIM_CODES)
        start, planned_end, actual_end = (self._day(data[name], name, who) for name in _AIM_DATES)
        framework = "/".join(part for part in (data["FworkCode"], data["PwayCode"]) if part)
        course = data["StdCode"] or framework
        return Aim(ref, kind, fund, prog, course, status, start, planned_end, actual_end, area)

    def _placements(self, delivery: etree._Element, ref: str, who: str, sequence: Counter[str]) -> Iterator[Message]:
        year = self.file.year
        aim = texts(delivery, _AIM_NAME_FIELDS, self._names)
        aim_key = _numbered(aim["AimSeqNumber"] or "aim", sequence)
        number = 0
        for child in delivery:
            if self._names[child.tag] != "LearningDeliveryWorkPlacement":
                continue
            number += 1
            key = f"{year}/{who}/{aim_key}/wp{number}"
            data = texts(child, _PLACEMENT_FIELDS, self._names)
            employer = data["WorkPlaceEmpId"]
            if employer and not valid_employer_id(employer):
                self._context.warn("bad_employer_id", key=key, field="WorkPlaceEmpId", where=self.file.name)
            data |= {"LearnRefNumber": ref, "LearnAimRef": aim["LearnAimRef"]}
            yield Record(key, data, year)

    def _day(self, value: str, name: str, who: str) -> str:
        day = iso_day(value)
        if value and not day:
            self._context.warn("bad_date", key=f"{self.file.year}/{who}", field=name, where=self.file.name)
        return day

    def _where(self) -> str:
        """Say where we are by counting records: libxml2 loses count of lines after 65,535."""
        return f"{self.file.name}, record {self._count}"


def _numbered(slug: str, used: Counter[str]) -> str:
    """Return `slug` the first time, then ``slug~2``, ``slug~3`` and so on."""
    used[slug] += 1
    return slug if used[slug] == 1 else f"{slug}~{used[slug]}"


def valid_employer_id(text: str) -> bool:
    """Say whether an employer number has the right check digit (ILR derived data DD14), or is the one for unknown."""
    if text == _EMPLOYER_UNKNOWN:
        return True
    if len(text) != 9 or not (text.isascii() and text.isdigit()):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_EMPLOYER_WEIGHTS, text[:8], strict=True))
    return (11 - total % 11) % 11 == int(text[8])
