"""Explain one learner: what each source said, which value counts, and why each criterion has its status."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from fingerpost._alerts.audience import Audiences
from fingerpost._benchmarks.verdicts import Evidence, EvidenceUse, Verdict
from fingerpost._benchmarks.wording import explain_reason
from fingerpost._config.opened import Opened
from fingerpost._contract.facts import SocVersion
from fingerpost._market.in_mind import line_report, occupations_of
from fingerpost._market.market import Market, market_line
from fingerpost._market.occupations import How
from fingerpost._store import schema
from fingerpost._sync.facts import Membership
from fingerpost._sync.history import OPEN_END
from fingerpost._sync.judge import Judge
from fingerpost._words.errors import ConfigError
from fingerpost._words.printed import Printed


@dataclass(frozen=True, slots=True)
class SaidBy:
    """One source's value for one field of the learner; `counts` marks the one that is used."""

    field: str
    connector: str
    value: Any = dataclasses.field(repr=False)
    counts: bool


@dataclass(frozen=True, slots=True)
class ExplainedEvidence:
    """One record, and whether it counted for one criterion; `why` is a sentence if there is something to say."""

    record: str
    day: str
    kind: str
    title: str | None = dataclasses.field(repr=False)
    state: str
    outcome: str
    why: str | None


@dataclass(frozen=True, slots=True)
class ExplainedCriterion:
    """The learner's status for one criterion, and the records behind it."""

    criterion: str
    title: str
    period: str
    status: str
    have: int
    need: int
    due: str | None
    why: str | None
    quality_not_recorded: bool
    evidence: tuple[ExplainedEvidence, ...]


@dataclass(frozen=True, slots=True)
class ExplainedMembership:
    """A group that the learner is or was in, and the records of its activities that are evidence for that reason."""

    connector: str
    group: str
    first: str
    last: str | None
    brought: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExplainedOccupation:
    """What the learner has in mind, the occupation found for it and how, and what is known about it.

    `soc` and `title` are None if none was found; `line` is None if there is nothing honest to say.
    """

    words: str | None = dataclasses.field(repr=False)
    soc_code: str | None = dataclasses.field(repr=False)
    how: How
    soc: str | None = dataclasses.field(default=None, repr=False)
    soc_version: SocVersion | None = None
    title: str | None = dataclasses.field(default=None, repr=False)
    line: str | None = dataclasses.field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Explanation(Printed):
    """Everything that is known about one learner, and the reasons for each status."""

    learner: str
    name: str = dataclasses.field(repr=False)
    as_of: str
    framework: str
    said: tuple[SaidBy, ...]
    also_known_as: tuple[str, ...] = dataclasses.field(repr=False)
    programmes: tuple[dict[str, Any], ...]
    assignments: tuple[dict[str, Any], ...] = dataclasses.field(repr=False)
    memberships: tuple[ExplainedMembership, ...]
    tutors: tuple[str, ...] = dataclasses.field(repr=False)
    criteria: tuple[ExplainedCriterion, ...]
    warnings: tuple[dict[str, Any], ...]
    in_mind: ExplainedOccupation | None = dataclasses.field(default=None, repr=False)


def explain(opened: Opened, market: Market, who: str, as_of: date | None) -> Explanation:
    """Return everything that is known about a learner, and the reasons for the status of each criterion.

    `who` is a reference, "ukprn:reference" or a ULN. Raises `ConfigError` if nobody has it. `market` answers from
    memory: explaining asks no service.
    """
    day = opened.today(as_of)
    with opened.store.reading() as connection:
        person = _find(opened, connection, who)
        judge = Judge(connection, opened, opened.now())
        connectors = judge.facts.connectors
        ((facts, verdicts),) = judge.verdicts([person.id], day)
        evidence = {item.ref: item for item in facts.evidence}
        audiences = Audiences(connection, opened, day)
        tutors = tuple(audience.person.email for audience in audiences if person.id in audience.learners)
        return Explanation(
            learner=person.reference or person.uln or person.identity,
            name=f"{person.given_names or ''} {person.family_name or ''}".strip(),
            as_of=day.isoformat(),
            framework=opened.framework.name,
            said=_said(connection, person, connectors),
            also_known_as=_also_known_as(connection, person),
            programmes=_rows(
                connection, schema.source_programme, person.id, connectors,
                ("code", "title", "type", "level", "starts_on", "planned_end", "actual_end", "ended_on", "status"),
            ),
            assignments=_rows(
                connection, schema.source_assignment, person.id, connectors,
                ("group", "tutor_name", "tutor_email", "role", "starts_on", "ends_on"),
            ),
            memberships=tuple(_membership(one, facts.evidence) for one in judge.facts.memberships(person.id)),
            tutors=tutors,
            criteria=tuple(_criterion(opened, verdict, evidence) for verdict in verdicts),
            warnings=_warnings(connection, person.id, connectors),
            in_mind=_in_mind(opened, market, person.soc_code, person.intended_occupation),
        )  # fmt: skip


def _find(opened: Opened, connection: sa.Connection, who: str) -> Any:
    """Find a learner by reference, "ukprn:reference" or ULN, including the references of linked identities."""
    learner, alias = schema.learner, schema.identity_link
    who = who.strip()
    names = {who, f"{opened.config.settings.college.ukprn}:{who}"}
    linked = sa.select(alias.c.same_as).where(alias.c.identity.in_(names))
    for condition in (
        sa.or_(learner.c.identity.in_(names), learner.c.identity.in_(linked)), learner.c.reference == who,
        learner.c.uln == who,
    ):  # fmt: skip
        found = connection.execute(sa.select(learner).where(condition, learner.c.deleted_run.is_(None))).all()
        if len(found) == 1:
            return found[0]
        if found:
            known = ", ".join(sorted(row.identity for row in found)[:10])
            raise ConfigError(f"More than one learner matches: say which one, as ukprn:reference. They are: {known}.")
    raise ConfigError(
        "No learner has this reference or ULN. Write the reference as the MIS does, ukprn:reference, or the ULN; "
        "fingerpost status shows which sources were read."
    )


def _in_mind(opened: Opened, market: Market, code: str | None, words: str | None) -> ExplainedOccupation | None:
    """Return what is known about the occupation in mind, from memory alone: explaining asks no service."""
    if code is None and words is None:
        return None
    settings = opened.config.settings.labour_market
    (one,) = occupations_of({(code, words): 1}, opened.config, market)
    occupation = one.found.occupation
    if occupation is None:
        return ExplainedOccupation(words, code, one.found.how)
    report = line_report(market, occupation, settings.region)
    return ExplainedOccupation(
        words, code, one.found.how, occupation.soc, occupation.soc_version, report.title, market_line(report)
    )


def _also_known_as(connection: sa.Connection, person: Any) -> tuple[str, ...]:
    """Return the learner's other references, as ukprn:reference, former ones too."""
    alias = schema.identity_link
    linked = connection.scalars(sa.select(alias.c.identity).where(alias.c.same_as == person.identity))
    others = {person.identity, *linked} - {f"{person.ukprn}:{person.reference}"}
    return tuple(sorted(other for other in others if not other.startswith("uln:")))


def _said(connection: sa.Connection, person: Any, connectors: Mapping[int, str]) -> tuple[SaidBy, ...]:
    """Return every source's value for every field, marking the one that is used."""
    source = schema.source_learner
    rows = connection.execute(
        sa.select(source)
        .where(source.c.learner_id == person.id, source.c.deleted_run.is_(None))
        .order_by(source.c.connector, source.c.part.desc())
    ).all()
    return tuple(
        SaidBy(name, connectors.get(row.connector, "?"), value, counts=value == getattr(person, name))
        for name in ("uln", *schema.learner_fields)
        for row in rows
        if (value := getattr(row, name)) is not None
    )


def _rows(
    connection: sa.Connection, table: sa.Table, learner: int, connectors: Mapping[int, str], names: tuple[str, ...]
) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"connector": connectors.get(row.connector, "?"), "key": row.key} | {name: getattr(row, name) for name in names}
        for row in connection.execute(
            sa.select(table)
            .where(table.c.learner_id == learner, table.c.deleted_run.is_(None))
            .order_by(table.c.connector, table.c.key)
        )
    )


def _membership(one: Membership, evidence: Iterable[Evidence]) -> ExplainedMembership:
    through = (item for item in evidence if item.subject == "group" and item.through == one.group)
    brought = tuple(item.ref for item in through if one.first <= item.starts_on.isoformat() <= (one.last or OPEN_END))
    return ExplainedMembership(*one, brought)


def _criterion(opened: Opened, verdict: Verdict, evidence: Mapping[str, Evidence]) -> ExplainedCriterion:
    criterion = opened.framework.criterion(verdict.criterion)
    return ExplainedCriterion(
        criterion=verdict.criterion,
        title=criterion.title,
        period=verdict.period,
        status=verdict.status,
        have=verdict.have,
        need=verdict.need,
        due=None if verdict.due is None else verdict.due.isoformat(),
        why=None if verdict.reason is None else explain_reason(verdict.reason),
        quality_not_recorded=verdict.quality_not_recorded,
        evidence=tuple(_evidence(use, evidence[use.ref]) for use in verdict.uses),
    )


def _evidence(use: EvidenceUse, item: Evidence) -> ExplainedEvidence:
    why = None if use.reason is None else explain_reason(use.reason)
    if item.duplicate_of is not None:
        why = f"{why or ''} The other record is {item.duplicate_of}.".strip()
    return ExplainedEvidence(use.ref, item.starts_on.isoformat(), item.kind, item.title, item.state, use.outcome, why)


def _warnings(connection: sa.Connection, learner: int, connectors: Mapping[int, str]) -> tuple[dict[str, Any], ...]:
    """Return what is wrong with the learner's data, so that it can be corrected at its source."""
    warning = schema.warning
    names = ("stream", "key", "field", "code")
    return tuple(
        {"connector": connectors.get(row.connector, "?")} | {name: getattr(row, name) for name in names}
        for stream, table in schema.SOURCE_TABLES.items()
        for row in connection.execute(
            sa.select(warning)
            .join(table, sa.and_(table.c.connector == warning.c.connector, table.c.key == warning.c.key))
            .where(warning.c.stream == stream, table.c.learner_id == learner, table.c.deleted_run.is_(None))
            .order_by(warning.c.connector, warning.c.key, warning.c.field)
        )
    )
