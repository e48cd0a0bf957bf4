"""The published files that follow from the canonical models: one JSON Schema and one identity mapping per stream.

Run this file to write them anew after a model changed; the tests of `jsonl` compare them with what it would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fingerpost import STREAMS, StreamName
from fingerpost._record.kinds import load_kinds
from fingerpost._record.models import MODELS, TEMPORARY_ULN

MAPPINGS = Path(__file__).parents[1] / "mappings" / "fingerpost_mappings"

_DAY = "^(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
_CONTROLS = r"\u0000-\u001f\u007f-\u009f\ud800-\udfff"
_SAID = {"type": "string", "pattern": rf"[^\s\ufeff{_CONTROLS}]"}
_ULN = {"type": "string", "not": {"const": TEMPORARY_ULN}}


def _said(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a record that says these fields, and not merely null or blanks."""
    return {"required": list(fields), "properties": fields}


_PERSON = [_said(learner_ref=_SAID), _said(uln=_ULN)]
_OF_A_LEARNER = {"subject": {"const": "learner"}}  # or not there
_NEEDS: dict[StreamName, list[dict[str, Any]]] = {
    "learners": _PERSON,
    "programmes": _PERSON,
    "assignments": [
        _said(group=_SAID), _said(learner_ref=_SAID, tutor_email=_SAID), _said(uln=_ULN, tutor_email=_SAID),
    ],
    "activities": [
        *({**one, "properties": _OF_A_LEARNER | one["properties"]} for one in _PERSON),
        *(_said(subject={"const": name}, **{name: _SAID}) for name in ("group", "programme")),
    ],
    "destinations": _PERSON,
    "responses": _PERSON,
}  # fmt: skip
"""What a record must say at least, beyond the types of its fields."""


def schema(stream: StreamName) -> dict[str, Any]:
    """Return the JSON Schema of a line of this stream."""
    record = MODELS[stream].model_json_schema()
    record.pop("title", None)
    for field in record["properties"].values():
        field.pop("title", None)
        for one in (field, *field.get("anyOf", ())):
            if one.get("format") == "date":
                one["pattern"] = _DAY
    if stream == "activities":
        kind = record["properties"]["kind"]
        kind.pop("pattern")
        kind["enum"] = sorted(load_kinds())
    record["anyOf"] = _NEEDS[stream]
    key = {"description": "The source's own key of the record: stable, and unique in the stream.",
           "type": ["string", "integer"],
           "pattern": rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*$"}  # fmt: skip
    name = {"const": stream}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Fingerpost JSON lines: {stream}",
        "description": "One line of a JSON lines file: a record, the deletion of one, or a cursor.",
        "type": "object",
        "oneOf": [
            {"required": ["stream", "key", "record"], "additionalProperties": False,
             "properties": {"stream": name, "key": key, "record": {"$ref": "#/$defs/record"}}},
            {"required": ["stream", "deleted"], "additionalProperties": False,
             "properties": {"stream": name, "deleted": key, "mistake": {
                 "description": "true if the record was never so; otherwise a membership or enrolment has ended.",
                 "type": "boolean"}}},
            {"required": ["stream", "cursor"], "additionalProperties": False,
             "properties": {"stream": name, "cursor": {
                 "description": "Everything before this line is complete up to here: an instant, a date or a growing "
                                "integer.",
                 "type": ["string", "integer"], "pattern": "^(19|[2-9][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}"}}},
        ],
        "$defs": {"record": record},
    }  # fmt: skip


def schema_text(stream: StreamName) -> str:
    """Return what the published schema of a stream must hold."""
    return json.dumps(schema(stream), indent=2, ensure_ascii=False) + "\n"


def mapping_text(stream: StreamName) -> str:
    """Return what the identity mapping of a stream must hold."""
    lines = ["schema_version = 1", f'stream = "{stream}"',
             f'description = "Canonical {stream}: every field is called what it is"']  # fmt: skip
    for name in MODELS[stream].model_fields:
        lines += ["", f"[fields.{name}]", f'from = "{name}"']
    return "\n".join([*lines, ""])


def paths(stream: StreamName) -> dict[Path, str]:
    """Return the published files of a stream and what they must hold."""
    return {
        MAPPINGS / "schemas" / f"{stream}.schema.json": schema_text(stream),
        MAPPINGS / "sources" / f"canonical-{stream}.toml": mapping_text(stream),
    }


if __name__ == "__main__":
    for one in STREAMS:
        for path, text in paths(one).items():
            path.write_text(text, encoding="utf-8", newline="\n")
