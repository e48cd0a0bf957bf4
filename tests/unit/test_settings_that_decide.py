"""What a store remembers of a source's settings: another text would have every source read whole once."""

import pytest

from fingerpost import SourceConfig
from fingerpost._sync.sync import _settings_that_decide
from fingerpost.files import FileConfig
from fingerpost_csv import CsvConfig
from fingerpost_ilr._source import IlrConfig
from fingerpost_jsonl import JsonlConfig


class OfVendor(FileConfig):
    """A vendor's file source, which has neither a key nor streams."""

    path: str = "x"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            CsvConfig(
                type="csv", name="log", stream="activities", path="é.csv", mapping="m", mode="append", feeds=["lmi_use"]
            ),
            ('{"type":"csv","stream":"activities","path":"é.csv","mapping":"m","key":[],"mode":"append",'
            '"encoding":"utf-8-sig","delimiter":",","header":[],"skip_lines":0,"member":"*.csv"}'),
        ),
        (
            JsonlConfig(type="jsonl", name="feed", url="https://x.example/a", token="secret", streams=["activities"]),
            ('{"type":"jsonl","path":null,"url":"https://x.example/a","streams":["activities"],"mode":null,"mapping":{},'
            '"token":"**********","header":"Authorization","since":null,"cursor":"instant"}'),
        ),
        (
            IlrConfig(type="ilr", name="mis", path="a.xml"),
            '{"type":"ilr","path":"a.xml","member":"*.xml","mapping":{}}',
        ),
        (OfVendor(type="acme", name="ilp", mode="append"), '{"type":"acme","path":"x","mode":"append"}'),
    ],
    ids=["csv", "jsonl", "ilr", "vendor"],
)  # fmt: skip
def test_the_text_stays_as_stores_remember_it(config: SourceConfig, text: str) -> None:
    assert _settings_that_decide(config) == text
