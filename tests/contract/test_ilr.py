"""The ILR connector, through its hooks and its shipped mappings: the real sample, and the traps of real files."""

from __future__ import annotations

import os
import random
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import contexts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ilr_files import DATA, NAME, SAMPLE, aim, ilr, learner, outcome, placement, tags

import fingerpost_mappings
from fingerpost import Checkpoint, Connector, Record, Rejected, SourceUnavailable
from fingerpost._mapping.compiled import Reject
from fingerpost._mapping.compiler import compile_mapping
from fingerpost._mapping.document import MappingLibrary
from fingerpost._record.kinds import load_kinds
from fingerpost_ilr import IlrConfig, IlrSource, connectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fingerpost import Context, Message

LONDON = ZoneInfo("Europe/London")


@dataclass
class HostContext(contexts.HostContext):
    """What the host hands to a source."""

    name: str = "mis"
    known: Mapping[str, str] | None = field(default_factory=dict)

    @property
    def codes(self) -> Counter[str]:
        return Counter(code for code, *_ in self.warnings)


class College:
    """A folder with ILR files and the connector configured to read them."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.source = IlrSource(IlrConfig(type="ilr", name="mis", **{"path": "ILR-*", **config}))
        self.context = HostContext(folder)

    def put(self, content: str | bytes, name: str = NAME) -> College:
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def messages(self, stream: str) -> Iterator[Message]:
        hook = getattr(self.source, f"read_{stream}")
        return cast("Iterator[Message]", hook(None, cast("Context", self.context)))

    def read(self, stream: str) -> list[Message]:
        self.context.warnings.clear()
        return list(self.messages(stream))

    def records(self, stream: str) -> list[Record]:
        return [message for message in self.read(stream) if isinstance(message, Record)]

    def keys(self, stream: str) -> list[str]:
        return [record.key for record in self.records(stream)]

    def mapped(self, stream: str) -> list[Any]:
        """Return what the shipped mapping makes of a stream, which must lose nothing."""
        found, issues = mapped(stream, self.records(stream))
        assert issues == []
        return found

    def check(self) -> list[tuple[str, str]]:
        findings = self.source.check(cast("Context", self.context))
        return [(finding.level, finding.message) for finding in findings]


@pytest.fixture
def college(tmp_path: Path) -> College:
    return College(tmp_path)


def mapped(stream: str, records: Sequence[Record]) -> tuple[list[Any], list[tuple[str, str]]]:
    """Return what the shipped mapping makes of records, and the fields and codes of what it lost."""
    library = MappingLibrary((Path(fingerpost_mappings.__file__).parent / "sources").glob("*.toml"))
    document = library.load(f"ilr-{stream}", Path())
    mapping = compile_mapping(document, converters={}, kinds=load_kinds(), timezone=LONDON)
    result = mapping.apply([record.data for record in records])
    return result.records, [(issue.field, issue.code) for issue in result.issues]


# -- the contract -----------------------------------------------------------------------------------------------------


def test_the_plugin_offers_the_connector() -> None:
    assert list(connectors()) == [IlrSource]
    assert issubclass(IlrSource, Connector)
    assert IlrSource.name == "ilr"


def test_every_stream_is_a_snapshot_with_a_shipped_mapping_and_a_hook(college: College) -> None:
    library = MappingLibrary((Path(fingerpost_mappings.__file__).parent / "sources").glob("*.toml"))
    for stream in college.source.streams:
        assert stream.mode == "snapshot"
        assert stream.cursor is None
        assert library.load(str(stream.mapping), Path()).stream == stream.name
        assert callable(getattr(college.source, f"read_{stream.name}"))


def test_planned_placements_vouch_for_no_kind(college: College) -> None:
    (activities,) = (stream for stream in college.source.streams if stream.name == "activities")
    assert activities.feeds == ()


# -- the real sample --------------------------------------------------------------------------------------------------


@pytest.fixture
def sample() -> College:
    return College(DATA, path="ILR-*.xml")


def test_the_sample_has_18_learners(sample: College) -> None:
    records = sample.records("learners")
    assert len({record.key for record in records}) == 18
    assert {record.part for record in records} == {"1819"}
    learners, issues = mapped("learners", records)
    assert issues == []
    by_ref = {each.learner_ref: each for each in learners}
    assert by_ref["18Learner"].ehc_plan is True
    assert by_ref["16Learner"].ehc_plan is False
    assert by_ref["16Learner"].date_of_birth == date(1999, 2, 27)
    assert by_ref["16Learner"].uln == "1061484016"
    assert sample.context.warnings == []


def test_the_sample_has_two_planned_placements(sample: College) -> None:
    assert sample.keys("activities") == ["1819/TshipLearn17/2/wp1", "1819/TshipLearn19/2/wp1"]
    activities = sample.mapped("activities")
    assert {(each.kind, each.state, each.mode) for each in activities} == {
        ("workplace_experience", "planned", "in_person")
    }
    assert [each.ends_on for each in activities] == [date(2015, 4, 14), None]


def test_the_sample_has_four_outcomes_two_of_which_name_an_absent_learner(sample: College) -> None:
    destinations = sample.mapped("destinations")
    present = {record.data["LearnRefNumber"] for record in sample.records("learners")}
    assert [(each.learner_ref, each.type, each.learner_ref in present) for each in destinations] == [
        ("16Learner", "apprenticeship", True),
        ("IndSpLearn", "independent_living", False),
        ("IndSpLearn", "further_education", False),
        ("TshipLearn17", "apprenticeship", True),
    ]
    assert destinations[2].starts_on == date(2015, 6, 15)
    assert destinations[2].collected_on == date(2015, 6, 17)


def test_every_learner_of_the_sample_has_a_programme(sample: College) -> None:
    programmes = sample.mapped("programmes")
    found = {(each.learner_ref, each.type, each.status, each.code) for each in programmes}
    assert {each.learner_ref for each in programmes} == {
        record.data["LearnRefNumber"] for record in sample.records("learners")
    }
    assert {each[1:] for each in found if each[0] == "16Learner"} == {
        ("study_programme", "withdrawn", "50023408"),
        ("study_programme", "continuing", "50022246"),
    }
    assert {each[1:] for each in found if each[0] == "18Learner"} == {("study_programme", "continuing", "50022246")}
    assert {each[1:3] for each in found if each[0] == "TshipLearn17"} == {
        ("traineeship", "completed"),
        ("apprenticeship", "continuing"),
    }
    assert ("Levy", "apprenticeship", "continuing", "28") in found
    assert ("AdultLearner", "adult", "continuing", "60105069") in found
    names = sample.keys("programmes")
    assert len(set(names)) == len(names)


# -- which files, which year ------------------------------------------------------------------------------------------


def test_only_the_newest_file_of_each_year_is_read_and_the_latest_year_first(college: College) -> None:
    college.put(ilr(learner("old"), prepared="2025-10-01T09:00:00"), "ILR-99999999-2526-20251001-090000-01.xml")
    college.put(ilr(learner("new"), prepared="2026-02-01T09:00:00"), "ILR-99999999-2526-20260201-090000-01.xml")
    college.put(ilr(learner("last"), year="2425", namespace="ESFA/ILR/2024-25"), "ILR-99999999-2425-x.xml")
    assert college.keys("learners") == ["2526/new", "2425/last"]
    assert [record.part for record in college.records("programmes")] == ["2526", "2425"]
    assert set(college.context.digests) == {"ILR-99999999-2526-20260201-090000-01.xml", "ILR-99999999-2425-x.xml"}


def test_files_prepared_at_the_same_moment_are_told_apart_by_name(college: College) -> None:
    college.put(ilr(learner("first")), "ILR-99999999-2526-20260227-010203-01.xml")
    college.put(ilr(learner("second")), "ILR-99999999-2526-20260227-010203-02.xml")
    assert college.keys("learners") == ["2526/second"]


def test_a_checkpoint_comes_only_after_a_whole_file(college: College) -> None:
    college.put(ilr(learner("a"), learner("b")))
    assert [type(message) for message in college.read("learners")] == [Record, Record, Checkpoint]


def test_the_header_wins_when_name_namespace_and_header_disagree_on_the_year(college: College) -> None:
    content = SAMPLE.read_text(encoding="utf-8").replace("<Year>1819</Year>", "<Year>1920</Year>")
    name = "ILR-99999999-2122-20180626-144401-01.xml"
    records = college.put(content, name).records("learners")
    assert len(records) == 18
    assert {record.part for record in records} == {"1920"}
    assert college.context.warnings == [("year_disagrees", "", "Year", name)]
    assert any(level == "warning" and "Year" in message for level, message in college.check())


def test_without_a_year_in_the_header_the_namespace_says_it_and_then_the_name(college: College) -> None:
    college.put(ilr(learner(), year=None, namespace="ILR/2026-27"), "ILR-1.xml")
    college.put(ilr(learner(), year="", namespace="urn:ilr"), "ILR-99999999-2324-20240101-000000-01.xml")
    assert college.keys("learners") == ["2627/25000001", "2324/25000001"]


@pytest.mark.parametrize(("configured", "named"), [(None, 10000001), (10000001, 99999999)])
def test_another_provider_than_in_the_name_or_the_configuration_is_reported(
    tmp_path: Path, configured: int | None, named: int
) -> None:
    college = College(tmp_path, ukprn=configured).put(ilr(learner(), ukprn=named))
    assert len(college.records("learners")) == 1
    assert college.context.warnings == [("ukprn_disagrees", "", "UKPRN", NAME)]


def test_two_providers_in_one_year_are_not_silently_made_one(college: College) -> None:
    college.put(ilr(learner("a"), ukprn=10000001), "ILR-10000001-2526-20260101-000000-01.xml")
    college.put(ilr(learner("b"), ukprn=10000002), "ILR-10000002-2526-20260102-000000-01.xml")
    with pytest.raises(SourceUnavailable, match=r"two providers \(10000001, 10000002\)"):
        college.read("learners")


@pytest.mark.parametrize("absolute", [True, False])
def test_names_are_compared_without_regard_to_case(tmp_path: Path, *, absolute: bool) -> None:
    (tmp_path / "da[t]a").mkdir()
    pattern = f"{tmp_path}/*/ilr-*.xml" if absolute else "*/ilr-*.xml"
    college = College(tmp_path, path=pattern)
    (tmp_path / "da[t]a" / NAME.replace(".xml", ".XML")).write_text(ilr(learner()), encoding="utf-8")
    assert college.keys("learners") == ["2526/25000001"]


def test_an_unchanged_file_is_not_read_again(college: College) -> None:
    college.put(ilr(learner()))
    assert len(college.read("learners")) == 2
    college.context.known = dict(college.context.digests)
    for stream in ("learners", "programmes", "activities", "destinations"):
        assert college.read(stream) == []
    college.put(ilr(learner("25000002")))
    assert college.keys("learners") == ["2526/25000002"]


@pytest.mark.parametrize(
    ("prepared", "data_at"),
    [
        ("2025-07-01T10:00:00", datetime(2025, 7, 1, 9, tzinfo=UTC)),
        (None, datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)),
    ],
)
def test_the_age_of_the_data_is_the_header_s_time_in_the_college_s_zone_or_else_the_file_s(
    college: College, prepared: str | None, data_at: datetime
) -> None:
    college.put(ilr(learner(), prepared=prepared))
    os.utime(college.folder / NAME, (1_760_000_000, 1_760_000_000))
    college.read("learners")
    assert college.context.data_at == data_at


# -- the traps of real files ------------------------------------------------------------------------------------------


def test_two_namespaces_in_one_file_load_with_a_warning(college: College) -> None:
    content = SAMPLE.read_text(encoding="utf-8")
    content = content.replace("<Learner>", '<Learner xmlns="ESFA/ILR/2017-18">', 9)
    college.put(content, SAMPLE.name)
    assert len(college.records("learners")) == 18
    assert college.context.codes == {"mixed_namespaces": 1}
    assert len(college.records("activities")) == 2
    assert len(college.records("destinations")) == 4
    assert len(college.records("programmes")) == 22


def test_two_namespaces_inside_one_learner_load(college: College) -> None:
    inner = aim(placement()).replace("<LearnAimRef>", '<LearnAimRef xmlns="ILR/2026-27">')
    college.put(
        ilr(learner("a", inner.replace("<LearningDeliveryWorkPlacement>", '<LearningDeliveryWorkPlacement xmlns="x">')))
    )
    assert college.keys("learners") == ["2526/a"]
    assert college.keys("activities") == ["2526/a/1/wp1"]
    (programme,) = college.records("programmes")
    assert programme.data["Code"] == "60172186"
    assert college.context.codes == {"mixed_namespaces": 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_byte_order_mark_or_a_comment_before_the_root_does_no_harm(college: College, encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    comment = "<!-- made by hand, not a <!DOCTYPE -->\n<?xml-stylesheet href='x.xsl'?>"
    content = ilr(learner(), before=declared + comment).encode(encoding)
    (record,) = college.put(content, NAME.replace(".xml", ".XML")).records("learners")
    assert record.data["GivenNames"] == "Zoë"


def test_comments_and_blank_lines_inside_a_learner_do_no_harm(college: College) -> None:
    college.put(ilr(learner().replace("<ULN>", "<!-- a comment -->\n\n\t<ULN>\n  ").replace("</ULN>", "  </ULN>")))
    (record,) = college.records("learners")
    assert record.data["ULN"] == "1061484016"


def test_padded_references_are_stripped(college: College) -> None:
    college.put(ilr(learner(" 25000001  ", aim(placement())), outcome("25000001 ", tags(OutType="EDU", OutCode=4))))
    assert college.keys("learners") == ["2526/25000001"]
    assert college.keys("programmes") == ["2526/25000001/25"]
    assert college.keys("activities") == ["2526/25000001/1/wp1"]
    assert college.keys("destinations") == ["2526/25000001/EDU4//1"]


def test_1089_learners_who_share_three_ulns_all_come(college: College) -> None:
    ulns = (1061484016, 1061484466, 1061484679)
    college.put(ilr(*(learner(f"L{number}", uln=ulns[number % 3]) for number in range(1089))))
    assert len(set(college.keys("learners"))) == 1089
    learners = college.mapped("learners")
    assert len({each.uln for each in learners}) == 3


def test_a_reference_that_comes_twice_loses_no_aim_and_no_placement(college: College) -> None:
    college.put(ilr(*(learner("a", aim(placement(), LearnAimRef=ref)) for ref in ("60000001", "60000002", "60000003"))))
    assert college.keys("learners") == ["2526/a"] * 3  # the host keeps the first and says so
    assert college.keys("programmes") == ["2526/a/25", "2526/a~2/25", "2526/a~3/25"]
    assert college.keys("activities") == ["2526/a/1/wp1", "2526/a~2/1/wp1", "2526/a~3/1/wp1"]
    assert {record.data["LearnRefNumber"] for record in college.records("activities")} == {"a"}


def test_a_bad_uln_an_impossible_outcome_and_2343_hours_cost_fields_and_no_record(college: College) -> None:
    college.put(
        ilr(
            learner("a", aim(placement(WorkPlaceHours=2343)), uln=1061484017),
            outcome("a", tags(OutType="OUT", OutCode=123, OutStartDate="2024-09-01"), uln=1061484016),
        )
    )
    expected = {
        "learners": ("uln", "bad_uln"),
        "activities": ("hours", "out_of_range"),
        "destinations": ("type", "unmatched_code"),
    }
    for stream, (name, _) in expected.items():
        (record,), issues = mapped(stream, college.records(stream))
        assert not isinstance(record, Reject)
        assert getattr(record, name) is None
        assert [each for each, _ in issues] == [name]
    assert mapped("learners", college.records("learners"))[1] == [expected["learners"]]
    assert mapped("destinations", college.records("destinations"))[1] == [expected["destinations"]]


def test_a_learner_without_a_reference_is_handed_over_as_rejected(college: College) -> None:
    college.put(ilr(learner("a"), learner("")))
    rejected = [message for message in college.read("learners") if isinstance(message, Rejected)]
    assert [(each.reason, each.where) for each in rejected] == [("missing_required", f"{NAME}, record 2")]
    assert college.keys("programmes") == ["2526/a/25"]
    assert college.context.codes == {"missing_reference": 1}


def test_one_sequence_number_twice_still_gives_each_placement_its_own_key(college: College) -> None:
    college.put(ilr(learner("a", aim(placement(), placement()), aim(placement()), aim(placement(), AimSeqNumber=None))))
    assert college.keys("activities") == ["2526/a/1/wp1", "2526/a/1/wp2", "2526/a/1~2/wp1", "2526/a/aim/wp1"]


def test_placements_say_mode_employer_and_what_they_are(college: College) -> None:
    placements = (
        placement(WorkPlaceMode=1, WorkPlaceEmpId=999999999),
        placement(WorkPlaceEmpId=123456789),
        placement(WorkPlaceEmpId=123456780, WorkPlaceMode=7),
    )
    college.put(ilr(learner("a", aim(*placements, LearnAimRef="ZWRKX003"))))
    activities, issues = mapped("activities", college.records("activities"))
    assert college.context.warnings == [("bad_employer_id", "2526/a/1/wp3", "WorkPlaceEmpId", NAME)]
    assert issues == [("mode", "unmatched_code")]
    assert [(each.mode, each.organisation_id) for each in activities] == [
        ("simulated", None),
        ("in_person", "123456789"),
        (None, "123456780"),
    ]
    assert {each.title for each in activities} == {"T Level industry placement"}
    assert {each.state for each in activities} == {"planned"}


def test_outcome_codes_mean_what_the_code_list_says(college: College) -> None:
    codes = ["EDU1", "EDU6", "EMP1", "EMP3", "GAP1", "NPE2", "OTH1", "OTH3", "OTH4", "SDE1", "VOL1"]
    outcomes = (tags(OutType=code[:3], OutCode=code[3:], OutStartDate="2019-09-01") for code in codes)
    college.put(ilr(outcome("gone", *outcomes), year="1920"))
    destinations = college.mapped("destinations")
    assert [each.type for each in destinations] == [
        "traineeship", "higher_education", "employment", "self_employment", "gap_year", "not_employed_not_looking",
        "other", "not_known", "not_known", "supported_living", "voluntary_work",
    ]  # fmt: skip


def test_one_outcome_recorded_twice_has_two_keys(college: College) -> None:
    once = tags(OutType="EDU", OutCode=6, OutStartDate="2019-09-01")
    college.put(ilr(outcome("a", once, once), outcome("a", once), year="1920"))
    assert len(set(college.keys("destinations"))) == 3


def test_a_plan_is_denied_only_by_the_learner_s_latest_year(college: College) -> None:
    plan = f"<LearnerFAM>{tags(LearnFAMType='EHC', LearnFAMCode=1)}</LearnerFAM>"
    college.put(ilr(learner("stays", aim()), learner("planned", plan, aim())))
    college.put(ilr(learner("stays", plan, aim()), learner("left", plan, aim()), year="2425"), "ILR-2425.xml")
    learners, _ = mapped("learners", college.records("learners"))
    assert [(each.learner_ref, each.ehc_plan) for each in learners] == [
        ("stays", False),
        ("planned", True),
        ("stays", None),
        ("left", True),
    ]


def test_a_mapping_may_ask_for_more_of_the_learner(college: College) -> None:
    college.context.columns = frozenset({"LearnRefNumber", "Ethnicity"})
    (record,) = college.put(ilr(learner("a", "<Ethnicity>31</Ethnicity>", aim()))).records("learners")
    assert record.data["Ethnicity"] == "31"


# -- programmes -------------------------------------------------------------------------------------------------------


def programmes_of(college: College, *aims: str) -> list[Any]:
    return college.put(ilr(learner("a", *aims))).mapped("programmes")


def test_overlapping_16_to_19_aims_are_one_study_programme_named_by_the_core_aim(college: College) -> None:
    (programme,) = programmes_of(
        college,
        aim(LearnAimRef="60146084", LearnStartDate="2025-09-01", LearnPlanEndDate="2026-07-10"),
        aim(LearnAimRef="ZWRKX001", LearnPlanEndDate="2027-07-31"),
        aim(LearnAimRef="60172186", AimType=5, AimSeqNumber=3, LearnPlanEndDate="2026-06-26"),
    )
    assert (programme.type, programme.code, programme.status) == ("study_programme", "60172186", "continuing")
    assert (programme.starts_on, programme.planned_end) == (date(2025, 9, 1), date(2027, 7, 31))
    assert programme.academic_year == "2025/26"


def test_without_a_core_aim_the_longest_that_is_no_placement_names_it(college: College) -> None:
    (programme,) = programmes_of(
        college,
        aim(LearnAimRef="Z0007835", AimType=5, LearnPlanEndDate="2027-07-31"),
        aim(LearnAimRef="60146084", LearnPlanEndDate="2025-12-31"),
        aim(LearnAimRef="60147635", LearnPlanEndDate="2026-06-26"),
    )
    assert programme.code == "60147635"


def test_a_programme_has_ended_when_all_its_aims_have(college: College) -> None:
    done = {"CompStatus": 2, "LearnActEndDate": "2026-01-30"}
    (programme,) = programmes_of(college, aim(**done), aim(CompStatus=3, LearnActEndDate="2026-02-13"))
    assert (programme.status, programme.actual_end) == ("completed", date(2026, 2, 13))
    (programme,) = programmes_of(college, aim(**done), aim(CompStatus=6))
    assert (programme.status, programme.actual_end) == ("on_break", None)


def test_a_programme_left_before_the_next_began_is_another_one(college: College) -> None:
    first, second = programmes_of(
        college,
        aim(LearnAimRef="60000002", LearnStartDate="2025-11-03"),
        aim(LearnAimRef="60000001", CompStatus=3, LearnActEndDate="2025-10-17"),
    )
    assert (first.code, first.status) == ("60000001", "withdrawn")
    assert (second.code, second.status) == ("60000002", "continuing")
    assert college.keys("programmes") == ["2526/a/25", "2526/a/25~2"]


def test_a_t_level_with_its_maths_is_one_programme(college: College) -> None:
    (programme,) = programmes_of(
        college,
        aim(LearnAimRef="ZPROG001", AimType=1, ProgType=31),
        aim(LearnAimRef="60358300", AimType=5, ProgType=31),
        aim(LearnAimRef="60146084"),
    )
    assert (programme.type, programme.code, programme.level) == ("t_level", "60358300", "3")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"ProgType": 30}, "study_programme"),
        ({"FundModel": 82}, "study_programme"),
        ({"LearnAimRef": "Z0002347"}, "supported_internship"),
        ({"LearnAimRef": "Z0002347", "FundModel": 99}, "supported_internship"),
        ({"FundModel": 36, "ProgType": 25, "StdCode": 102, "AimType": 1}, "apprenticeship"),
        ({"FundModel": 36, "ProgType": 25, "StdCode": 102, "AimType": 3}, "apprenticeship"),
        ({"FundModel": 36, "AimType": 3}, "apprenticeship"),
        ({"ProgType": 24, "AimType": 1}, "traineeship"),
        ({"FundModel": 38}, "adult"),
        ({"FundModel": 11, "AimType": 3}, "adult"),
        ({"FundModel": 35, "AimType": 7}, "adult"),
        ({"FundModel": 35, "AimType": 0}, "adult"),
        ({"FundModel": 99, "AimType": 9}, "other"),
        ({"FundModel": 39, "ProgType": 34}, "other"),
        ({"FundModel": 35, "LearnAimRef": "ZWRKX001"}, "other"),
        ({"FundModel": None}, "other"),
    ],
)
def test_one_aim_makes_one_programme_of_its_type(college: College, values: dict[str, object], expected: str) -> None:
    (programme,) = programmes_of(college, aim(**values))
    assert programme.type == expected


def test_components_belong_to_their_programme_aim(college: College) -> None:
    framework = {"FundModel": 36, "ProgType": 3, "FworkCode": 488, "PwayCode": 1}
    area = tags(ProvSpecDelMonOccur="A", ProvSpecDelMon="Business")
    mon = f"<ProviderSpecDeliveryMonitoring>{area}</ProviderSpecDeliveryMonitoring>"
    (programme,) = programmes_of(
        college,
        aim(mon, LearnAimRef="60135621", AimType=3, **framework),
        aim(LearnAimRef="ZPROG001", AimType=1, LearnPlanEndDate="2027-01-31", **framework),
    )
    assert (programme.code, programme.level, programme.area) == ("488/1", "2", "Business")
    assert programme.planned_end == date(2027, 1, 31)


def test_a_bad_date_of_an_aim_is_reported_and_costs_no_programme(college: College) -> None:
    (programme,) = programmes_of(college, aim(LearnPlanEndDate="31/07/2026"), aim(LearnPlanEndDate="2026-06-26Z"))
    assert programme.planned_end == date(2026, 6, 26)
    assert ("bad_date", "2526/a", "LearnPlanEndDate", NAME) in college.context.warnings


_DAYS = st.dates(date(2024, 8, 1), date(2027, 7, 31)).map(date.isoformat)
_AIMS = st.lists(
    st.fixed_dictionaries(
        {
            "LearnAimRef": st.sampled_from(["60000001", "60000002", "ZPROG001", "Z0007835", "Z0002347", "ZWRKX003"]),
            "AimType": st.sampled_from([0, 1, 3, 4, 5, 7, 9, None]),
            "LearnStartDate": _DAYS,
            "LearnPlanEndDate": _DAYS,
            "LearnActEndDate": st.none() | _DAYS,
            "FundModel": st.sampled_from([25, 35, 36, 38, 82, 99, None]),
            "ProgType": st.sampled_from([None, 2, 24, 25, 30, 31, 34]),
            "StdCode": st.sampled_from([None, 102]),
            "CompStatus": st.sampled_from([1, 2, 3, 6]),
        }
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=60, deadline=None)
@given(learners=st.lists(_AIMS, min_size=1, max_size=8), seed=st.integers())
def test_no_learner_with_an_aim_is_left_without_a_programme(learners: list[list[dict[str, object]]], seed: int) -> None:
    shuffled = [random.Random(seed).sample(aims, len(aims)) for aims in learners]
    found = []
    for whole in (learners, shuffled):
        with tempfile.TemporaryDirectory() as folder:
            people = (learner(f"L{n}", *(aim(**values) for values in aims)) for n, aims in enumerate(whole))
            found.append(College(Path(folder)).put(ilr(*people)).records("programmes"))
    records, others = found
    assert len({record.key for record in records}) == len(records)
    assert sorted(record.key for record in records) == sorted(record.key for record in others)
    programmes, issues = mapped("programmes", records)
    assert not any(isinstance(each, Reject) for each in programmes)
    assert {name for name, _ in issues} <= {"planned_end", "actual_end"}  # an end before the start is the file's fault
    for number, aims in enumerate(learners):
        own = [each for each in programmes if each.learner_ref == f"L{number}"]
        assert own
        starts = {values["LearnStartDate"] for values in aims}
        assert {each.starts_on.isoformat() for each in own} <= starts


# -- files that must not be read --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE Message SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Message [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        "<!DOCTYPE Message>",
    ],
)
def test_a_document_type_is_refused(college: College, doctype: str) -> None:
    college.put(ilr(learner(GivenNames="x"), before=doctype))
    with pytest.raises(SourceUnavailable, match="declares a document type"):
        college.read("learners")
    assert [level for level, _ in college.check()] == ["error"]


def test_a_truncated_file_says_where_it_stops(college: College) -> None:
    whole = ilr(*(learner(f"L{number}") for number in range(200)))
    part = whole[: len(whole) * 2 // 3]
    college.put(part)
    for stream in ("learners", "programmes", "activities", "destinations"):
        messages: list[Message] = []
        with pytest.raises(SourceUnavailable) as caught:
            messages.extend(college.messages(stream))
        line = part.count("\n") + 1
        assert caught.value.message == f"{NAME} stops in the middle, at line {line}; ask for a complete export."
        assert not any(isinstance(message, Checkpoint) for message in messages)


def test_broken_xml_is_named_by_line_and_quotes_nobody(college: College) -> None:
    college.put(ilr(learner("a"), learner("b").replace("</FamilyName>", "</Zaphod>")))
    with pytest.raises(SourceUnavailable, match="is not valid XML at line 3") as caught:
        college.read("learners")
    shown = f"{caught.value!r} {caught.value.detail} {caught.value.__cause__!r}"
    assert "Zaphod" not in shown
    assert "Okafor" not in shown


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no file matches ILR-\*"),
        ({NAME: ""}, f"{NAME} is empty"),
        ({NAME: "<html><body>Sign in</body></html>"}, f"{NAME} is not an ILR file"),
        ({NAME: "learner_ref,name\n1,x\n"}, f"{NAME} is not valid XML at line 1"),
        ({NAME: ilr(learner()).removesuffix("</Message>")}, f"{NAME} stops in the middle"),
        ({"ILR-1.xml": ilr(learner(), year="soon", namespace="urn:ilr")}, r"ILR-1\.xml does not say its academic year"),
    ],
)
def test_what_is_no_ilr_file_is_refused(college: College, files: dict[str, str], message: str) -> None:
    for name, content in files.items():
        college.put(content, name)
    with pytest.raises(SourceUnavailable, match=message):
        college.read("learners")


# -- zip files --------------------------------------------------------------------------------------------------------


def zipped(folder: Path, members: Mapping[str, str | bytes], name: str = NAME.replace(".xml", ".zip")) -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return folder / name


def test_a_zip_with_one_file_is_read_as_it_is(college: College) -> None:
    zipped(college.folder, {NAME.upper(): SAMPLE.read_bytes(), "readme.txt": "no XML"})
    assert len(college.records("learners")) == 18
    assert len(college.records("activities")) == 2
    assert [path.suffix for path in college.folder.iterdir()] == [".zip"]


def test_member_says_which_file_of_a_zip(tmp_path: Path) -> None:
    zipped(tmp_path, {"a.xml": ilr(learner("a")), "b.xml": ilr(learner("b"))})
    with pytest.raises(SourceUnavailable, match=r"holds 2 files that match \*\.xml"):
        College(tmp_path).read("learners")
    assert College(tmp_path, member="b.xml").keys("learners") == ["2526/b"]
    with pytest.raises(SourceUnavailable, match=r"holds no file that matches c\.xml"):
        College(tmp_path, member="c.xml").read("learners")


def test_a_zip_bomb_is_not_opened(college: College) -> None:
    zipped(college.folder, {NAME: ilr(learner(), before="<!--" + " " * 30_000_000 + "-->")})
    with pytest.raises(SourceUnavailable, match="packed far more tightly"):
        college.read("learners")


def test_a_zip_with_a_password_is_refused(college: College) -> None:
    path = zipped(college.folder, {NAME: ilr(learner())})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(SourceUnavailable, match="protected by a password"):
        college.read("learners")


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_zip_is_refused(college: College, damage: str) -> None:
    path = zipped(college.folder, {NAME: ilr(*(learner(f"L{number}") for number in range(500)))})
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    else:
        for at in range(len(content) // 2, len(content) // 2 + 40):
            content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(SourceUnavailable, match=r"damaged or incomplete|is not valid XML|stops in the middle"):
        college.read("learners")


# -- check ------------------------------------------------------------------------------------------------------------


def test_check_says_what_would_be_read(college: College) -> None:
    college.put(ilr(learner()))
    assert college.check() == [("ok", f"{NAME}: academic year 2025/26, 0.0 MB, prepared on 2026-02-27.")]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"year": "2425"}, "for 2024/25, but the academic year is now 2025/26."),
        ({"prepared": "2025-10-20T00:00:00"}, "133 days old."),
    ],
)
def test_check_says_that_the_newest_file_is_old(college: College, said: dict[str, str], words: str) -> None:
    college.put(ilr(learner(), **said), "ILR-1.xml")
    assert ("warning", f"The newest ILR file is {words}") in college.check()


def test_check_goes_on_past_a_broken_file(college: College) -> None:
    college.put(ilr(learner())).put("", "ILR-0.xml")
    assert [level for level, _ in college.check()] == ["error", "ok"]
