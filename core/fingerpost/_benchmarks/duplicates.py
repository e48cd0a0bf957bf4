"""Find records of the same event in several sources, so that it counts once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache

from fingerpost._benchmarks.verdicts import Evidence

# --------------------------------------------------------------------------------- the same event, recorded twice

_LEGAL_FORM = re.compile(r"\b(?:ltd|limited|plc|llp|inc|cic)\b")
_NOT_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Normalise a name so that "Acme Ltd." and "ACME Limited" are the same."""
    words = _NOT_WORD.sub(" ", name.casefold()).strip()
    return " ".join(_LEGAL_FORM.sub(" ", words).split()) or words


def mark_duplicates(evidence: list[Evidence], rank: Mapping[str, int]) -> None:
    """Mark, in place, the records of an event that another record of this learner already represents.

    `rank` is each connector's place in the order of trust, the most trusted lowest. In this order:

    * A learner's own ``missed`` or ``cancelled`` beats a group or programme record: the one with the same `event_key`,
      or the same kind, day and organisation (or, if one of them has none, title), takes that state.
    * Records of one kind with the same `event_key` are one event, whatever their connectors.
    * Records of the same kind, day and organisation from different connectors are one event. Two in one connector are
      two: a morning talk and an afternoon visit. If one connector has two and another three, there were three.

    The surest record stays: attended before planned before missed, then more attributes, then the more trusted
    connector. The others get its `ref` as `duplicate_of`. Marking again changes nothing.
    """
    for item in evidence:
        item.duplicate_of = None
    _apply_absences(evidence)
    order = sorted(evidence, key=lambda item: _surety(item, rank))
    by_event: dict[tuple[str, str], Evidence] = {}
    for item in order:
        if item.event_key is not None:
            first = by_event.setdefault((item.kind, item.event_key), item)
            if first is not item:
                item.duplicate_of = first.ref
    stands_for = _match_across_connectors(item for item in order if item.duplicate_of is None)
    for item in evidence:
        same = item.duplicate_of or item.ref
        item.duplicate_of = stands_for.get(same, item.duplicate_of)


_STATES = {"attended": 0, "planned": 1}


def _surety(item: Evidence, rank: Mapping[str, int]) -> tuple[object, ...]:
    return (
        _STATES.get(item.state, 2),
        -len(item.attributes),
        rank.get(item.connector, len(rank)),
        item.subject != "learner",
        item.ref,
    )


def _apply_absences(evidence: Sequence[Evidence]) -> None:
    absences = [item for item in evidence if item.subject == "learner" and item.state in ("missed", "cancelled")]
    if not absences:
        return
    absences.sort(key=lambda item: (item.state == "cancelled", item.ref))
    for item in evidence:
        if item.subject == "learner" or item.state not in _STATES:
            continue
        for absence in absences:
            if _same_event(item, absence):
                item.state = absence.state
                break


def _same_event(one: Evidence, other: Evidence) -> bool:
    if one.event_key is not None and one.event_key == other.event_key:
        return True
    if one.kind != other.kind or one.starts_on != other.starts_on:
        return False
    names = organisation_of(one), organisation_of(other)
    if None not in names:
        return names[0] == names[1]
    return one.title is not None and other.title is not None and plain_name(one.title) == plain_name(other.title)


def organisation_of(item: Evidence) -> str | None:
    found = item.attributes.get("organisation")
    return None if not found else plain_name(str(found))


def _match_across_connectors(order: Iterable[Evidence]) -> dict[str, str]:
    """Return the `ref` of each duplicate and that of the record that represents the event."""
    places: defaultdict[tuple[date, str, str], list[Evidence]] = defaultdict(list)
    for item in order:
        name = organisation_of(item)
        if name is not None:
            places[item.starts_on, item.kind, name].append(item)
    stands_for: dict[str, str] = {}
    for items in places.values():
        # Match the surest record of each connector, then the second surest, and so on.
        seen: defaultdict[str, int] = defaultdict(int)
        events: list[str] = []
        for item in items:
            number = seen[item.connector]
            seen[item.connector] += 1
            if number < len(events):
                stands_for[item.ref] = events[number]
            else:
                events.append(item.ref)
    return stands_for
