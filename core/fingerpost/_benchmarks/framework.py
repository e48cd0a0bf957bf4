"""Frameworks: versioned rule packs as data, read from TOML, overlaid, and set as the college decides.

A framework says for each criterion what counts, how much is needed, by when, and the words for a tutor. `evaluate`
applies those rules.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from fingerpost._record.models import CHECKLIST
from fingerpost._words.errors import ConfigError
from fingerpost._words.faults import explained
from fingerpost._words.nearest import did_you_mean
from fingerpost._words.packaged import Library

RULES_VERSION = 2
"""Raised when the evaluator changes, so that every learner is judged again."""

_Kind: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_Id: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")]
_Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]
_Value: TypeAlias = int | str


def _only(*allowed: str) -> AfterValidator:
    """Make a check that a text has only these placeholders in braces."""
    names = " and ".join(f"{{{name}}}" for name in allowed)

    def check(text: str) -> str:
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"has an unmatched brace; the placeholders are {names}") from error
        if any(name is not None and (name not in allowed or spec or conversion) for _, name, spec, conversion in parts):
            raise ValueError(f"has an unknown placeholder; write {names} and nothing else in braces")
        return text

    return AfterValidator(check)


_Counting: TypeAlias = Annotated[_Text, _only("have", "need")]
_Needing: TypeAlias = Annotated[_Text, _only("need")]
_Following: TypeAlias = Annotated[_Text, _only("first", "have", "need")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Words(_Table):
    """The plain words for a tutor about one criterion.

    `needs` may use ``{have}`` and ``{need}``, `closes` only ``{need}``; a text ending in ``_none`` takes its place
    while nothing counts yet. `done` says what was achieved. `together` joins this one to the sentence ``{first}`` of
    the criterion in `told_with`. `learner` says the same to the learner, on their page in the ILP, where a parent may
    read it too; without it they see the tutor's words.
    """

    needs: _Counting
    needs_none: _Counting | None = None
    closes: _Needing
    closes_none: _Needing | None = None
    done: _Text | None = None
    together: _Following | None = None
    together_none: _Following | None = None
    learner: _Counting | None = None
    learner_none: _Counting | None = None


class Criterion(_Table):
    """One numbered rule of a framework.

    One of scope ``institution`` is a `question` that the college answers about itself, never a percentage of learners.
    The other keys are for scope ``learner``; the description of each explains it.
    """

    id: _Id
    title: _Text = Field(description="What the careers leader reads.")
    scope: Literal["learner", "institution"] = Field(description="Judged from records, or answered by the college.")
    mark: Literal["C", "U", "I"] = Field(description="Confirmed, unconfirmed or inferred; the weakest of its parts.")
    source: _Text = Field(description="Where the rule was found.")
    note: _Text | None = Field(default=None, description="A note for the careers leader.")
    question: _Text | None = Field(default=None, description="What the college answers about itself.")

    enabled_by_default: bool = Field(
        default=True, description="False: not judged, as its wording is unconfirmed; an overlay may turn it on."
    )
    advisory: bool = Field(default=False, description="Shown, but nothing is ever missing because of it.")
    priority: int = Field(default=50, ge=0, le=1000, description="The smaller comes first if two are equally urgent.")
    told_with: _Id | None = Field(default=None, description="The criterion that shares its sentence.")
    words: Words | None = Field(default=None, description="The words for a tutor.")

    kinds: tuple[_Kind, ...] = Field(default=(), description="The activity kinds that count.")
    never_kinds: dict[_Kind, Literal["part_time_job"]] = Field(
        default_factory=dict, description="Kinds that never count, listed as rejected with this reason."
    )
    need: int = Field(default=1, ge=1, le=100, description="How many are needed.")
    distinct: Literal["kind", "provider_type", "organisation"] | None = Field(
        default=None, description="Count different values of this, not records."
    )
    distinct_values: dict[str, str] = Field(
        default_factory=dict, description="The values that count, and as which; empty means every value as itself."
    )
    period: Literal["academic_year", "programme"] = Field(
        default="programme", description="The period in which it is counted."
    )
    early_weeks: int = Field(default=0, ge=0, le=52, description="Weeks before the period that also count.")

    requires: tuple[Literal["via_curriculum", "stem"], ...] = Field(
        default=(), description="What must be recorded as true of an activity."
    )
    never_modes: tuple[Literal["simulated", "virtual"], ...] = Field(
        default=(), description="Modes in which an activity never counts."
    )
    meaningful: bool = Field(default=False, description="Whether an activity must be meaningful.")
    checklist: tuple[str, ...] = Field(
        default=(), description="What makes it meaningful without a recorded judgement: all of these."
    )
    virtual: Literal["count_if_meaningful", "not_alone", "never"] = Field(
        default="count_if_meaningful", description="How an online activity counts."
    )
    adviser_level: int | None = Field(
        default=None, ge=1, le=8, description="Below this level of adviser it counts, with a remark."
    )

    min_programme_weeks: int = Field(
        default=0, ge=0, le=520, description="Programmes planned to be shorter are not judged."
    )
    apprentice_job_counts: Literal["ask", "yes", "no"] = Field(
        default="no", description="Whether an apprentice's own job meets it; `ask` leaves apprentices unknown."
    )
    due_weeks_after_start: int | None = Field(
        default=None, ge=1, le=520, description="Due this many weeks after the start, not at the end of the programme."
    )
    final_year_due_month: int | None = Field(
        default=None, ge=1, le=12, description="Due at the end of this month in the final year."
    )
    due_soon_weeks: int = Field(
        default=26, ge=0, le=104, description="Weeks before the last day from which it is due soon."
    )

    @cached_property
    def reads_attributes(self) -> bool:
        """Say whether anything but kind, day and state decides if an activity counts."""
        asks = self.meaningful or self.distinct or self.requires or self.never_modes or self.adviser_level
        return bool(asks) or self.virtual == "never"

    @field_validator("checklist")
    @classmethod
    def _known_elements(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in CHECKLIST:
                raise ValueError(f"has no element '{name}'.{did_you_mean(name, CHECKLIST)}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.scope == "institution":
            if self.question is None or self.kinds or self.words is not None:
                raise ValueError("a criterion of scope institution needs a question, and neither kinds nor words")
            return self
        if not self.kinds or self.words is None or self.question is not None:
            raise ValueError("a criterion of scope learner needs kinds and words, and not a question")
        if self.checklist and not self.meaningful:
            raise ValueError("a checklist says what is meaningful; write meaningful = true as well")
        if self.distinct == "kind" and self.need > len(self.kinds):
            raise ValueError("need is more than the number of kinds, so nobody could meet it")
        if self.told_with is not None and self.words.together is None:
            raise ValueError("told_with needs the words `together`")
        return self


class Setting(_Table):
    """One number or choice that the framework leaves to the college, with its default."""

    type: Literal["integer", "choice"]
    default: _Value
    description: _Text
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fitting_default(self) -> Self:
        if self.type == "choice" and not self.choices:
            raise ValueError("a choice needs choices")
        if not self.accepts(self.default):
            raise ValueError(f"the default is not allowed; it must be {self.allowed}")
        return self

    def accepts(self, value: object) -> bool:
        """Say whether a college may write this value."""
        if self.type == "choice":
            return isinstance(value, str) and value in self.choices
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    @property
    def allowed(self) -> str:
        """Describe the allowed values."""
        if self.type == "choice":
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        if self.minimum is not None and self.maximum is not None:
            return f"a whole number from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"a whole number, {self.minimum} or more"
        return "a whole number" if self.maximum is None else f"a whole number, {self.maximum} or less"


class CountsAs(_Table):
    """Let one kind of activity count as another; `assume` fills what its records leave open."""

    kinds: tuple[_Kind, ...] = Field(min_length=1)
    assume: dict[str, str | bool] = Field(default_factory=dict)


class Scope(_Table):
    """Which learners are covered, by age on 31 August of the academic year.

    Learners without a date of birth are in scope on the programme types in `types_without_age`.
    """

    max_age: int = Field(ge=10, le=120)
    max_age_with_ehc_plan: int = Field(ge=10, le=120)
    types_without_age: tuple[str, ...] = ()


class _Row(BaseModel):
    """A criterion of which only the name is known yet."""

    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True)

    id: _Id = Field(description='Its name, such as "5.1".')


class _Overlay(BaseModel):
    """The lists in an overlay."""

    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)

    drop: tuple[str, ...] = ()
    criterion: tuple[_Row, ...] = ()


class _File(_Table):
    """A framework file with its overlays, and with references to settings still in the criteria."""

    extends: None = Field(default=None, description="The framework to lay this over; taken out beforehand.")
    schema_version: Literal[1]
    title: _Text
    description: _Text
    valid_from: date
    sources: tuple[_Text, ...]
    scope: Scope
    settings: dict[str, Setting] = Field(default_factory=dict)
    counts_as: dict[_Kind, CountsAs] = Field(default_factory=dict)
    criterion: tuple[_Row, ...] = Field(min_length=1)


_M = TypeVar("_M", bound=BaseModel)

_HINTS = {
    r"^[a-z][a-z0-9_]{0,39}$": "a kind of up to 40 small letters, digits and _",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$": "up to 20 letters, digits, dots, - and _",
}
"""What a value must be, by the pattern it should match."""


@dataclass(frozen=True, eq=False)
class Framework:
    """A rule pack, ready to use: every setting has its value.

    `values` are the settings in force; `fingerprint` changes whenever a verdict could.
    """

    name: str
    title: str
    scope: Scope
    settings: Mapping[str, Setting]
    values: Mapping[str, _Value]
    counts_as: Mapping[str, CountsAs]
    criteria: tuple[Criterion, ...]
    fingerprint: str
    _raw: Mapping[str, Any] = field(repr=False)

    def criterion(self, criterion_id: str) -> Criterion:
        """Return one criterion; raise `ConfigError` with the nearest spelling if it does not exist."""
        for criterion in self.criteria:
            if criterion.id == criterion_id:
                return criterion
        ids = [criterion.id for criterion in self.criteria]
        raise ConfigError(f"Framework {self.name} has no criterion '{criterion_id}'.{did_you_mean(criterion_id, ids)}")

    def configure(self, given: Mapping[str, Any]) -> Framework:
        """Return this framework with the college's own values, by the names of its settings.

        Raises `ConfigError` for an unknown setting or a value that is not allowed.
        """
        for name, value in given.items():
            spec = self.settings.get(name)
            if spec is None:
                meant = did_you_mean(name, self.settings)
                raise ConfigError(f"Framework {self.name} has no setting '{name}'.{meant}")
            if not spec.accepts(value):
                raise ConfigError(f"The setting {name} must be {spec.allowed}.")
        return _build(self.name, f"framework {self.name}", self._raw, {**self.values, **given})

    @cached_property
    def rules(self) -> tuple[tuple[Criterion, tuple[str, ...]], ...]:
        """The criteria of scope ``learner``, each with every kind it looks at."""
        return tuple(
            (criterion, self._kinds_of(criterion)) for criterion in self.criteria if criterion.scope == "learner"
        )

    def _kinds_of(self, criterion: Criterion) -> tuple[str, ...]:
        serving = [kind for kind, as_ in self.counts_as.items() if not set(as_.kinds).isdisjoint(criterion.kinds)]
        return tuple(dict.fromkeys([*criterion.kinds, *serving, *criterion.never_kinds]))


class FrameworkLibrary(Library):
    """The frameworks of installed plugins, and a college's own beside its configuration."""

    what, folder = "framework", "frameworks"

    def load(self, name: str, base_dir: Path | None = None) -> Framework:
        """Read a framework with the defaults of its settings; see `Library.read` for names.

        Raises `ConfigError` if the framework is unknown, unreadable or wrong.
        """
        path, raw = self.read(name, base_dir)
        return _build(path.stem, path, raw, {})

    def overlay(self, base: dict[str, Any], top: dict[str, Any], *, files: tuple[Path, Path]) -> dict[str, Any]:
        """Lay criteria over each other by id, settings and kinds by name, then key by key."""
        _build(files[0].stem, files[0], base, {})  # a mistake in the base is reported as the base's
        overlay = _validate(_Overlay, top, files[1])
        criteria = {row["id"]: row for row in base["criterion"]}
        for dropped in overlay.drop:
            if dropped not in criteria:
                meant = did_you_mean(dropped, criteria)
                raise ConfigError(f"{files[1]}: drop: the framework has no criterion '{dropped}'.{meant}")
            del criteria[dropped]
        top.pop("drop", None)
        for row in top.pop("criterion", ()):
            criteria[row["id"]] = {**criteria.get(row["id"], {}), **row}
        alone = set(overlay.drop) - criteria.keys()
        rows = [
            {key: value for key, value in row.items() if key != "told_with" or value not in alone}
            for row in criteria.values()
        ]
        return {**_lay_over(base, top), "criterion": rows}


def _lay_over(base: Any, over: Any, levels: int = 3) -> Any:
    """Lay tables over each other: those of a file, those in them, and their keys."""
    if levels == 0 or not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: _lay_over(base.get(key), value, levels - 1) for key, value in over.items()}}


def _build(name: str, label: str | Path, raw: Mapping[str, Any], given: Mapping[str, _Value]) -> Framework:
    file = _validate(_File, raw, label)
    values = {key: given.get(key, spec.default) for key, spec in file.settings.items()}
    criteria = tuple(_criterion(row, values, label) for row in raw["criterion"])
    _check_together(criteria, label)
    digest = hashlib.sha256(_json({"rules": RULES_VERSION, "file": raw, "values": values}).encode())
    return Framework(
        name=name,
        title=file.title,
        scope=file.scope,
        settings=file.settings,
        values=values,
        counts_as=file.counts_as,
        criteria=criteria,
        fingerprint=digest.hexdigest()[:16],
        _raw=raw,
    )


def _criterion(row: Mapping[str, Any], values: Mapping[str, _Value], label: str | Path) -> Criterion:
    place = f"[[criterion]] '{row['id']}'"
    resolved = dict(row)
    for key, value in row.items():
        if isinstance(value, dict) and value.keys() == {"setting"}:
            name = str(value["setting"])
            if name not in values:
                raise ConfigError(f"{label}: {place} {key}: there is no setting '{name}'.{did_you_mean(name, values)}")
            resolved[key] = values[name]
    return _validate(Criterion, resolved, label, place)


def _check_together(criteria: tuple[Criterion, ...], label: str | Path) -> None:
    by_id: dict[str, Criterion] = {}
    for criterion in criteria:
        if criterion.id in by_id:
            raise ConfigError(f"{label}: [[criterion]] '{criterion.id}' appears twice; give each its own id.")
        by_id[criterion.id] = criterion
    for criterion in criteria:
        other = by_id.get(criterion.told_with or criterion.id)
        if other is None or (criterion.told_with is not None and (other is criterion or other.scope != "learner")):
            raise ConfigError(
                f"{label}: [[criterion]] '{criterion.id}' told_with must be the id of another criterion that is judged "
                f"for learners.{did_you_mean(str(criterion.told_with), by_id.keys() - {criterion.id})}"
            )


def _validate(model: type[_M], raw: Mapping[str, Any], file: str | Path, place: str = "") -> _M:
    with explained(file, model, raw, place, _HINTS):
        return model.model_validate_json(_json(raw))  # as JSON: strict about types, but a list may fill a tuple


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
