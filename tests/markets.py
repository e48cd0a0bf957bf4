"""A service that knows the labour market, for tests: what it says stands in a JSON file; without the file it is gone.

This module is a plugin: `install` puts it where a host finds it. Everything that the service is asked is written into a
file beside its own, a line each. It is remembered under its configured name, so that one college may have several.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import plugins

from fingerpost import ConnectorConfig, Context, Enricher, SourceUnavailable, hookimpl
from fingerpost.lmi import Fact, LabourMarketQuestion, NoData, Occupation, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pytest
    from colleges import SmallCollege

__all__ = ["ATTRIBUTION", "ScriptedMarket", "Service", "connectors", "install"]

ATTRIBUTION = "Figures by the Bureau of Work."


class ScriptedMarketConfig(ConnectorConfig):
    """The keys of the scripted service: where its answers stand."""

    path: str = "service.json"
    address: str | None = None
    """What is asked beside that, and not through the host's memory: no connector should."""
    limit: tuple[int, float] | None = None


class ScriptedMarket(Enricher):
    """Say what stands in the file."""

    name: ClassVar[str] = "scripted-market"
    Config: ClassVar[type[ConnectorConfig]] = ScriptedMarketConfig

    config: ScriptedMarketConfig

    @hookimpl
    def labour_market(
        self, question: LabourMarketQuestion, reference: Reference, context: Context
    ) -> Iterator[Fact | NoData]:
        if self.config.address:
            context.http.json(self.config.address)
        for occupation in question.occupations:
            code = f"{occupation.soc_version}:{occupation.soc}"
            key = f"facts/{code}?region={question.region or ''}"
            ask = partial(self._ask, context, key, code)
            reply = reference.fetch(context.name, key, "pay", ask, limit=self.config.limit)
            for said in reply.value or []:
                if said["kind"] not in question.kinds:
                    continue
                if "reason" in said:
                    yield NoData(said["kind"], occupation.soc, context.name, said["reason"])
                else:
                    terms = {"source": context.name, "attribution": ATTRIBUTION, "licence": "Open Government Licence"}
                    yield Fact(
                        soc=occupation.soc, soc_version=occupation.soc_version, retrieved=reply.retrieved,
                        stale=reply.stale, **(terms | said),
                    )  # fmt: skip

    @hookimpl
    def find_occupations(self, words: str, reference: Reference, context: Context) -> Iterator[Occupation]:
        key = f"find?{words}"
        reply = reference.fetch(context.name, key, "codes", lambda: self._ask(context, key, key), remember=False)
        yield from _occupations(reply.value)

    @hookimpl
    def list_occupations(self, reference: Reference, context: Context) -> Iterator[Occupation]:
        yield from _occupations(
            reference.fetch(context.name, "list", "codes", lambda: self._ask(context, "list")).value
        )

    @hookimpl
    def convert_occupation(
        self, occupation: Occupation, reference: Reference, context: Context
    ) -> Iterator[Occupation]:
        key = f"convert/{occupation.soc_version}:{occupation.soc}"
        yield from _occupations(reference.fetch(context.name, key, "codes", lambda: self._ask(context, key)).value)

    def _ask(self, context: Context, key: str, answer: str | None = None) -> Any:
        path = context.base_dir / self.config.path
        with path.with_suffix(".asked").open("a", encoding="utf-8") as asked:
            asked.write(f"{key}\n")
        if not path.exists():
            raise SourceUnavailable("The Bureau of Work does not answer.")
        return json.loads(path.read_text(encoding="utf-8")).get(answer or key)


def _occupations(rows: list[tuple[Any, ...]] | None) -> list[Occupation]:
    return [Occupation(*row) for row in rows or []]


@hookimpl
def connectors() -> list[type[ScriptedMarket]]:
    """Offer the connector `scripted-market`."""
    return [ScriptedMarket]


class Service:
    """The service of one college, as the test sees it; `says` is the content of its file."""

    def __init__(self, college: SmallCollege, says: Mapping[str, Any], *, name: str = "bureau") -> None:
        self.path = college.folder / f"{name}.json"
        college.connectors.append({"type": "scripted-market", "name": name, "path": self.path.name})
        self.says: dict[str, Any] = dict(says)
        self.write()

    def write(self) -> None:
        """Let the service say what `says` holds."""
        self.path.write_text(json.dumps(self.says), encoding="utf-8")

    def say(self, more: Mapping[str, Any]) -> None:
        """Let the service say something else of some things."""
        self.says |= more
        self.write()

    def close_down(self) -> None:
        """Let the service be gone."""
        self.path.unlink()

    @property
    def asked(self) -> list[str]:
        """Everything that it was asked until now."""
        path = self.path.with_suffix(".asked")
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put this plugin where a host finds it."""
    plugins.install(folder, "scripted-market", "scripted-market", __name__)
    monkeypatch.syspath_prepend(str(folder))
