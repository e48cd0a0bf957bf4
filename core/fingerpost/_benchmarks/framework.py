"""Frameworks: versioned rule packs as data, read from TOML, overlaid, and set up as the college decides.

A framework says for each criterion what counts, how much of it is needed, by when and in what words a tutor is told.
How those rules are applied is in `_evaluate`.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
import tomllib
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fingerpost._record.models import CHECKLIST
from fingerpost._words.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fingerpost._config.settings import BenchmarkSettings


RULES_VERSION = 1
"""Raised when the evaluator judges the same file differently, so that every learner is judged again."""

_FOLDER = "frameworks"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)

_Kind: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_Id: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")]
_Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]
_Value: TypeAlias = int | str


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Words(_Table):
    """What a tutor is told about one criterion, in plain words.

    `needs` may use ``{have}`` and ``{need}``, `closes` only ``{need}``; a text ending in ``_none`` takes its place
    while nothing counts yet. `done` says what was achieved, once it is. `together` follows the sentence of the
    criterion that this one is told with, ``{first}``. `learner` says the same to the learner, on their page in the ILP,
    where a parent may read it too; without it they read what the tutor reads.
    """

    needs: _Text
    needs_none: _Text | None = None
    closes: _Text
    closes_none: _Text | None = None
    done: _Text | None = None
    together: _Text | None = None
    together_none: _Text | None = None
    learner: _Text | None = None
    learner_none: _Text | None = None

    @field_validator("needs", "needs_none", "learner", "learner_none")
    @classmethod
    def _counts(cls, text: str | None) -> str | None:
        return _placeholders(text, frozenset({"have", "need"}))

    @field_validator("closes", "closes_none")
    @classmethod
    def _need(cls, text: str | None) -> str | None:
        return _placeholders(text, frozenset({"need"}))

    @field_validator("together", "together_none")
    @classmethod
    def _first(cls, text: str | None) -> str | None:
        return _placeholders(text, frozenset({"first", "have", "need"}))


def _placeholders(text: str | None, allowed: frozenset[str]) -> str | None:
    names = " and ".join(f"{{{name}}}" for name in sorted(allowed))
    try:
        parts = list(string.Formatter().parse(text or ""))
    except ValueError as error:
        raise ValueError(f"has a brace without its partner; the placeholders are {names}") from error
    for _, name, spec, conversion in parts:
        if name is not None and (name not in allowed or spec or conversion):
            raise ValueError(f"has an unknown placeholder; write {names} and nothing else in braces")
    return text


class Criterion(_Table):
    """One numbered rule of a framework.

    A criterion of scope ``institution`` is a `question` that the college answers about itself; it never becomes a
    percentage of learners. The other keys describe one of scope ``learner``; `docs/benchmarks.md` explains them.
    """

    id: _Id
    title: _Text = Field(description="What the careers leader reads.")
    scope: Literal["learner", "institution"] = Field(description="Judged from records, or answered by the college.")
    mark: Literal["C", "U", "I"] = Field(description="Confirmed, unconfirmed or inferred; the weakest of its parts.")
    source: _Text = Field(description="Where the rule was found.")
    note: _Text | None = Field(default=None, description="What a careers leader should know about it.")
    question: _Text | None = Field(default=None, description="What the college answers about itself.")

    enabled_by_default: bool = Field(
        default=True, description="False: it is not judged, as its wording is unconfirmed; an overlay may turn it on."
    )
    advisory: bool = Field(default=False, description="Shown, but nothing is ever missing because of it.")
    priority: int = Field(default=50, ge=0, le=1000, description="Smaller comes first where two are equally urgent.")
    told_with: _Id | None = Field(default=None, description="The criterion with which it is told in one sentence.")
    words: Words | None = Field(default=None, description="What a tutor is told.")

    kinds: tuple[_Kind, ...] = Field(default=(), description="The activity kinds that count.")
    never_kinds: dict[_Kind, Literal["part_time_job"]] = Field(
        default_factory=dict, description="Kinds that never count, listed as rejected with this reason."
    )
    need: int = Field(default=1, ge=1, le=100, description="How many are needed.")
    distinct: Literal["kind", "provider_type", "organisation"] | None = Field(
        default=None, description="Count different ones of this, not records."
    )
    distinct_values: dict[str, str] = Field(
        default_factory=dict, description="The values that count, and as which; empty means every value as itself."
    )
    period: Literal["academic_year", "programme"] = Field(
        default="programme", description="The stretch of time in which it is counted."
    )
    early_weeks: int = Field(default=0, ge=0, le=52, description="Weeks before the period that count for it as well.")

    requires: tuple[Literal["via_curriculum", "stem"], ...] = Field(
        default=(), description="What must be recorded as true of an activity."
    )
    never_modes: tuple[Literal["simulated", "virtual"], ...] = Field(
        default=(), description="Modes in which an activity never counts."
    )
    meaningful: bool = Field(default=False, description="Whether an activity has to be meaningful.")
    checklist: tuple[str, ...] = Field(
        default=(), description="What makes it meaningful where nobody recorded a judgement: all of these."
    )
    virtual: Literal["count_if_meaningful", "not_alone", "never"] = Field(
        default="count_if_meaningful", description="How an online activity counts."
    )
    adviser_level: int | None = Field(
        default=None, ge=1, le=8, description="Below this level of adviser it counts, with a remark."
    )

    min_programme_weeks: int = Field(
        default=0, ge=0, le=520, description="Studies planned shorter than this are not judged."
    )
    apprentice_job_counts: Literal["ask", "yes", "no"] = Field(
        default="no", description="Whether an apprentice's own job meets it; `ask` leaves apprentices at unknown."
    )
    due_weeks_after_start: int | None = Field(
        default=None, ge=1, le=520, description="Due so many weeks after the start, not at the end of the programme."
    )
    final_year_due_month: int | None = Field(
        default=None, ge=1, le=12, description="Due at the end of this month in the year in which the studies end."
    )
    due_soon_weeks: int = Field(
        default=26, ge=0, le=104, description="Weeks before the last day from which it is due soon."
    )

    @cached_property
    def reads_attributes(self) -> bool:
        """Say whether more than the kind, day and state of an activity decides if it counts."""
        asks = self.meaningful or self.distinct or self.requires or self.never_modes or self.adviser_level
        return bool(asks) or self.virtual == "never"

    @field_validator("checklist")
    @classmethod
    def _known_elements(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in CHECKLIST:
                raise ValueError(f"may only name {', '.join(CHECKLIST)}{_meant(name, CHECKLIST)}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.scope == "institution":
            if self.question is None or self.kinds or self.words is not None:
                raise ValueError("a criterion of scope institution has a question, and neither kinds nor words")
            return self
        if not self.kinds or self.words is None or self.question is not None:
            raise ValueError("a criterion of scope learner has kinds and words, and no question")
        if self.checklist and not self.meaningful:
            raise ValueError("a checklist says what is meaningful; write meaningful = true beside it")
        if self.distinct == "kind" and self.need > len(self.kinds):
            raise ValueError("need is more than there are kinds, so nobody could meet it")
        if self.told_with is not None and self.words.together is None:
            raise ValueError("told_with needs the words `together`")
        return self


class Setting(_Table):
    """One number or choice that the framework leaves to the college, by default as in the file."""

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
        """Say in words what may be written."""
        if self.type == "choice":
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        if self.minimum is not None and self.maximum is not None:
            return f"a whole number from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"a whole number, {self.minimum} or more"
        return "a whole number" if self.maximum is None else f"a whole number, {self.maximum} or less"


class CountsAs(_Table):
    """Let one kind of activity serve criteria that ask for another; `assume` fills what its records leave open."""

    kinds: tuple[_Kind, ...] = Field(min_length=1)
    assume: dict[str, str | bool] = Field(default_factory=dict)


class Scope(_Table):
    """Say which learners are meant, by age in years on 31 August of the academic year.

    Learners without a date of birth are taken to be in scope on the programme types of `types_without_age`.
    """

    max_age: int = Field(ge=10, le=120)
    max_age_with_ehc_plan: int = Field(ge=10, le=120)
    types_without_age: tuple[str, ...] = ()


class _File(_Table):
    """A framework file after its overlays are applied, with references to settings still in the criteria."""

    schema_version: Literal[1]
    title: _Text
    description: _Text
    valid_from: date
    sources: tuple[_Text, ...]
    scope: Scope
    settings: dict[str, Setting] = Field(default_factory=dict)
    counts_as: dict[_Kind, CountsAs] = Field(default_factory=dict)
    criterion: tuple[dict[str, Any], ...] = Field(min_length=1)


_M = TypeVar("_M", bound=BaseModel)

_TABLES: dict[str, type[BaseModel]] = {"scope": Scope, "settings": Setting, "counts_as": CountsAs, "words": Words}
"""The models of the tables inside a file or criterion, for the nearest spelling of a key in them."""


@dataclass(frozen=True, eq=False)
class Framework:
    """A rule pack, ready to judge by: every setting has its value.

    `values` are the settings in force, `fingerprint` changes whenever a verdict could.
    """

    name: str
    title: str
    description: str
    valid_from: date
    sources: tuple[str, ...]
    scope: Scope
    settings: Mapping[str, Setting]
    values: Mapping[str, _Value]
    counts_as: Mapping[str, CountsAs]
    criteria: tuple[Criterion, ...]
    fingerprint: str
    _raw: Mapping[str, Any] = field(repr=False)

    def criterion(self, criterion_id: str) -> Criterion:
        """Return one criterion; raise `ConfigError` with the nearest spelling where there is none."""
        for criterion in self.criteria:
            if criterion.id == criterion_id:
                return criterion
        ids = [criterion.id for criterion in self.criteria]
        raise ConfigError(f'Framework {self.name} has no criterion "{criterion_id}"{_meant(criterion_id, ids)}.')

    def configure(self, settings: BenchmarkSettings) -> Framework:
        """Return this framework with the college's own numbers in place.

        Raises `ConfigError` for a setting that the framework does not have or a value that it does not allow.
        """
        values = dict(self.values)
        for name, value in settings.settings.items():
            spec = self.settings.get(name)
            if spec is None:
                raise ConfigError(
                    f'[benchmarks.settings]: framework {self.name} has no setting "{name}"'
                    f"{_meant(name, self.settings)}. It has: {', '.join(sorted(self.settings)) or 'none'}."
                )
            if not spec.accepts(value):
                raise ConfigError(f"[benchmarks.settings]: {name} must be {spec.allowed}.")
            values[name] = value
        return _build(self.name, f"framework {self.name}", self._raw, values)

    @cached_property
    def rules(self) -> tuple[tuple[Criterion, tuple[str, ...]], ...]:
        """The criteria that are judged from records, each with every kind that it has to look at."""
        return tuple(
            (criterion, self._kinds_of(criterion)) for criterion in self.criteria if criterion.scope == "learner"
        )

    def _kinds_of(self, criterion: Criterion) -> tuple[str, ...]:
        serving = [kind for kind, as_ in self.counts_as.items() if not set(as_.kinds).isdisjoint(criterion.kinds)]
        return tuple(dict.fromkeys([*criterion.kinds, *serving, *criterion.never_kinds]))


class FrameworkLibrary:
    """Every framework that installed plugins ship, and those that a college keeps beside its configuration."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files: dict[str, Path] = {}
        for file in files:
            self._files.setdefault(file.stem, file)

    def names(self, base_dir: Path | None = None) -> list[str]:
        """List the names that `load` knows, the college's own included where `base_dir` is given."""
        own = (base_dir / _FOLDER).glob("*.toml") if base_dir is not None else ()
        return sorted({*self._files, *(file.stem for file in own)})

    def load(self, name: str, base_dir: Path | None = None) -> Framework:
        """Read a framework with the defaults of its settings.

        ``frameworks/NAME.toml`` beside the configuration wins over a shipped framework of that name, and may extend it.
        Raises `ConfigError` where the framework is unknown, unreadable or wrong.
        """
        raw, label = self._read(name, base_dir, [])
        return _build(name, label, raw, {})

    def _read(self, name: str, base_dir: Path | None, chain: list[Path]) -> tuple[dict[str, Any], str]:
        file = self._find(name, base_dir, chain)
        raw = _parse(file)
        base_name = raw.pop("extends", None)
        if base_name is None:
            return raw, file.name
        if not isinstance(base_name, str):
            raise ConfigError(f'{file.name}: extends must be the name of a framework, such as "gatsby-colleges-2025".')
        base, base_label = self._read(base_name, base_dir, [*chain, file])
        _build(base_name, base_label, base, {})  # a mistake in the base is reported as the base's
        return _overlay(base, raw, file.name), file.name

    def _find(self, name: str, base_dir: Path | None, chain: list[Path]) -> Path:
        candidates = []
        if base_dir is not None and _NAME.fullmatch(name):
            candidates.append(base_dir / _FOLDER / f"{name}.toml")
        if name in self._files:
            candidates.append(self._files[name])
        candidates = [file for file in candidates if file.is_file()]
        for file in candidates:
            if file not in chain:
                return file
        if candidates:
            raise ConfigError(f"{chain[-1].name}: extends leads back to itself; a framework cannot extend itself.")
        place = f"{chain[-1].name}: extends" if chain else "[benchmarks] framework"
        names = self.names(base_dir)
        raise ConfigError(
            f'{place}: there is no framework "{name}"{_meant(name, names)}. '
            f"There are: {', '.join(names) or 'none'}. Your own go into frameworks/NAME.toml beside fingerpost.toml."
        )


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file.name} cannot be read: {error.strerror or 'unknown reason'}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file.name} is not in UTF-8; save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file.name} is not valid TOML: {error}.") from error


def _overlay(base: Mapping[str, Any], over: dict[str, Any], label: str) -> dict[str, Any]:
    """Lay a file over the one that it extends: criteria by id, settings and kinds by name, then key by key."""
    criteria = {row["id"]: row for row in base["criterion"]}
    base_ids = list(criteria)
    for dropped in _list_of(over.pop("drop", []), str, label, "drop", "a list of criterion ids"):
        if dropped not in criteria:
            raise ConfigError(f'{label}: drop: the framework has no criterion "{dropped}"{_meant(dropped, criteria)}.')
        del criteria[dropped]
    dropped_ids = set(base_ids) - criteria.keys()
    for row in _list_of(over.pop("criterion", []), dict, label, "criterion", "written as [[criterion]] tables"):
        criterion_id = _id_of(row, label)
        criteria[criterion_id] = {**criteria.get(criterion_id, {}), **row}
    alone = dropped_ids - criteria.keys()
    rows = [
        {key: value for key, value in row.items() if key != "told_with" or value not in alone}
        for row in criteria.values()
    ]
    merged = {**base, "criterion": rows}
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merged[key] = {**base[key], **{name: _deep(base[key].get(name), item) for name, item in value.items()}}
        else:
            merged[key] = value
    return merged


def _deep(base: object, over: object) -> object:
    return {**base, **over} if isinstance(base, dict) and isinstance(over, dict) else over


def _list_of(value: object, type_: type, label: str, key: str, wanted: str) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(item, type_) for item in value):
        raise ConfigError(f"{label}: {key} must be {wanted}.")
    return value


def _id_of(row: Mapping[str, Any], label: str) -> str:
    if not isinstance(row.get("id"), str):
        raise ConfigError(f'{label}: every [[criterion]] needs an id, such as id = "5.1".')
    return str(row["id"])


def _build(name: str, label: str, raw: Mapping[str, Any], given: Mapping[str, _Value]) -> Framework:
    file = _validate(_File, raw, label)
    values = {key: given.get(key, spec.default) for key, spec in file.settings.items()}
    criteria = tuple(_criterion(row, file, values, label) for row in file.criterion)
    _check_together(criteria, label)
    digest = hashlib.sha256(_json({"rules": RULES_VERSION, "file": raw, "values": values}).encode())
    return Framework(
        name=name,
        title=file.title,
        description=file.description,
        valid_from=file.valid_from,
        sources=file.sources,
        scope=file.scope,
        settings=file.settings,
        values=values,
        counts_as=file.counts_as,
        criteria=criteria,
        fingerprint=digest.hexdigest()[:16],
        _raw=raw,
    )


def _criterion(row: Mapping[str, Any], file: _File, values: Mapping[str, _Value], label: str) -> Criterion:
    place = f"{label}: criterion {_id_of(row, label)}"
    resolved = {}
    for key, value in row.items():
        if isinstance(value, dict) and value.keys() == {"setting"}:
            name = str(value["setting"])
            if name not in values:
                raise ConfigError(f'{place}, key {key}: there is no setting "{name}"{_meant(name, file.settings)}.')
            resolved[key] = values[name]
        else:
            resolved[key] = value
    return _validate(Criterion, resolved, place)


def _check_together(criteria: tuple[Criterion, ...], label: str) -> None:
    by_id: dict[str, Criterion] = {}
    for criterion in criteria:
        if criterion.id in by_id:
            raise ConfigError(f"{label}: criterion {criterion.id} is there twice; give each its own id.")
        by_id[criterion.id] = criterion
    for criterion in criteria:
        other = by_id.get(criterion.told_with or criterion.id)
        if other is None or (criterion.told_with is not None and (other is criterion or other.scope != "learner")):
            raise ConfigError(
                f"{label}: criterion {criterion.id}, key told_with: it must be the id of another criterion that is "
                f"judged for learners{_meant(str(criterion.told_with), by_id)}."
            )


def _validate(model: type[_M], raw: Mapping[str, Any], place: str) -> _M:
    try:
        return model.model_validate_json(_json(raw))  # as JSON: strict about types, while a list may fill a tuple
    except ValidationError as error:
        raise ConfigError(f"{place}{_first_error(model, error)}.") from None


def _first_error(model: type[BaseModel], error: ValidationError) -> str:
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    # A misspelt key is also missing under its right name; the misspelling is what to say.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    path = [str(part) for part in first["loc"] if part not in ("int", "str")]
    if first["type"] == "extra_forbidden":
        known = _TABLES.get(path[0], model) if len(path) > 1 else model
        return f"{_key(path)}: there is no such key{_meant(path[-1], known.model_fields)}"
    if first["type"] == "missing":
        return f"{_key(path)}: it is missing"
    return f"{_key(path)}: {first['msg'].removeprefix('Value error, ')}"


def _key(path: list[str]) -> str:
    return f", key {'.'.join(path)}" if path else ""


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
