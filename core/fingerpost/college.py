"""One college: its configuration, its store, and every question that can be asked about them.

The command line is a thin layer over this class; a Python caller can do everything that it can.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from fingerpost._alerts.notify import notify
from fingerpost._benchmarks.framework import FrameworkLibrary
from fingerpost._config.configuration import default_config_path
from fingerpost._config.opened import Opened, compile_mappings, utc_now
from fingerpost._config.reader import load_config
from fingerpost._contract.facts import FACT_KINDS, FactKind, SocVersion
from fingerpost._market.in_mind import LearnerOccupation
from fingerpost._market.market import MarketReport
from fingerpost._market.services import Services
from fingerpost._plugins.host import Host
from fingerpost._sync.report import Progress, RunReport
from fingerpost._sync.run import SyncOptions
from fingerpost._sync.sync import sync
from fingerpost._views import check, digests, explain, gaps, identity, lmi, mapping, quarantine, status, sweeps, year
from fingerpost._views.check import CheckReport
from fingerpost._views.digests import DigestPreview
from fingerpost._views.explain import Explanation
from fingerpost._views.gaps import CriterionWords, GapReport
from fingerpost._views.identity import IdentityExplanation, IdentityLink
from fingerpost._views.lmi import Comparison, RefreshReport, Suggestions, UnknownOccupations
from fingerpost._views.mapping import MappingCheck, RowTrace
from fingerpost._views.quarantine import QuarantinedRecord, RetryReport, ShownRecord
from fingerpost._views.status import DataFault, StatusReport
from fingerpost._views.sweeps import HeldSweep, SweepPreview
from fingerpost._views.year import YearReport
from fingerpost._words.errors import ConfigError
from fingerpost._words.faults import config_error
from fingerpost._words.logs import configure_logging, log_safely


class College:
    """Everything that can be done for one college; open it with `College.open`, use it as a context manager."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._services = Services(opened)

    @classmethod
    def open(
        cls, path: Path | None = None, *, host: Host | None = None, clock: Callable[[], datetime] = utc_now
    ) -> College:
        """Open the college that a configuration file describes; by default `fingerpost.toml` in this folder.

        Raises `ConfigError` with all problems in configuration, mappings and framework at once, one per line.
        """
        log_safely()
        host = host if host is not None else Host.load()
        config = load_config(path if path is not None else default_config_path(), host)
        log_safely(config.secrets)
        problems: list[str] = []
        framework = None
        try:
            library = FrameworkLibrary(host.framework_files())
            framework = library.load(config.settings.benchmarks.framework, config.base_dir)
            framework = framework.configure(config.settings.benchmarks.settings)
        except ConfigError as error:
            problems.append(f"[benchmarks]: {error.message}")
        mappings = compile_mappings(host, config, problems)
        if problems or framework is None:
            raise config_error(config.path, problems)
        return cls(Opened(host, config, framework, mappings, clock))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store, the remembered answers of services, and the connections to them."""
        self._services.close()
        self._opened.close()

    @property
    def host(self) -> Host:
        """The plugins and what they provide."""
        return self._opened.host

    @property
    def name(self) -> str:
        """The college's name."""
        return self._opened.config.settings.college.name

    @property
    def timezone(self) -> ZoneInfo:
        """The college's time zone."""
        return self._opened.timezone

    @property
    def criteria(self) -> tuple[CriterionWords, ...]:
        """The criteria that the college is judged by, in the order of the framework."""
        return gaps.criteria(self._opened)

    @property
    def outboxes(self) -> tuple[Path, ...]:
        """The folders of the channels that write digests to files."""
        return digests.outboxes(self._opened)

    @property
    def left_out(self) -> list[str]:
        """One sentence for each thing that the configuration names but that could not be loaded."""
        return check.left_out(self._opened)

    def configure_logging(
        self, level: str | None = None, *, otherwise: str = "error", json_lines: bool = False
    ) -> tuple[str, bool]:
        """Log from `level` on, or as ``[logging]`` says, or else from `otherwise`; return level and `json_lines`."""
        settings, secrets = self._opened.config.settings.logging, self._opened.config.secrets
        configured = settings.level if "level" in settings.model_fields_set else otherwise
        chosen = (level or configured, json_lines or settings.json_lines)
        configure_logging(*chosen, secrets)
        return chosen

    def today(self) -> date:
        """Return the day to judge by: the configured one, or today in the college's time zone."""
        return self._opened.today()

    def sync(
        self,
        *,
        dry_run: bool = False,
        only: Collection[str] = (),
        full: bool = False,
        deliver: bool = True,
        progress: Progress | None = None,
    ) -> RunReport:
        """Run once: read, link, judge, plan and deliver.

        Raises `LockHeld` during another run, `ConfigError` if `only` names an unknown connector.
        """
        for name in only:
            self._opened.source(name)
        options = SyncOptions(dry_run=dry_run, only=tuple(only), full=full, deliver=deliver)
        return sync(self._opened, self._services.market(offline=dry_run), notify, options, progress)

    def check(self) -> CheckReport:
        """Try every connector and the store, without reading data, writing data or sending anything."""
        return check.check(self._opened)

    def gaps(self, *, as_of: date | None = None, criteria: Collection[str] = ()) -> GapReport:
        """Return the open gaps: as they were last judged, or, with `as_of`, as today's records stood on that day.

        `criteria` chooses some; raises `ConfigError` where the framework has none of that name.
        """
        return gaps.gaps(self._opened, as_of, criteria)

    def explain(self, learner: str, *, as_of: date | None = None) -> Explanation:
        """Return everything that is known about a learner, and the reasons for the status of each criterion.

        `learner` is a reference, "ukprn:reference" or a ULN. Raises `ConfigError` if nobody has it.
        """
        return explain.explain(self._opened, self._services.market(offline=True), learner, as_of)

    def identities(self) -> list[IdentityLink]:
        """Return the references that are one learner, and those that somebody decided are two, with the evidence."""
        return identity.identities(self._opened)

    def explain_identity(self, learner: str) -> IdentityExplanation:
        """Return every reference of one learner, what joins them and what keeps others apart.

        `learner` is a reference, "ukprn:reference" or a ULN, also of somebody who is in no source any more. Raises
        `ConfigError` if nobody has or had it.
        """
        return identity.why(self._opened, learner)

    def join_identities(self, one: str, other: str, *, author: str, reason: str) -> IdentityLink:
        """Decide that two references are one learner; the next sync applies it.

        Raises `ConfigError` if one of them is in no source and never was, `LockHeld` during a run.
        """
        return identity.decide(self._opened, "join", one, other, author=author, reason=reason)

    def split_identities(self, one: str, other: str, *, author: str, reason: str) -> IdentityLink:
        """Decide that two references are two learners, whatever their ULN; the next sync applies it.

        Raises as `join_identities`, and `ConfigError` where the crosswalk file or another decision joins them.
        """
        return identity.decide(self._opened, "split", one, other, author=author, reason=reason)

    def status(self, *, runs: int = 10) -> StatusReport:
        """Return what the last runs did, how fresh each source is, and what needs a person."""
        return status.status(self._opened, runs)

    def year(self) -> YearReport:
        """Return how far the academic year has turned: what is this year's, what is awaited and what is held."""
        return year.year(self._opened)

    def data_quality(self) -> list[DataFault]:
        """Return every fault in the sources' data that cost a field, so that it can be corrected there."""
        return status.data_quality(self._opened)

    def preview(self, *, recipient: str | None = None, as_of: date | None = None) -> list[DigestPreview]:
        """Return the digests that people would get if nothing had been sent to them yet; nothing is marked as sent."""
        return digests.preview(self._opened, recipient, as_of)

    def labour_market(
        self,
        who: str,
        *,
        region: str | None = None,
        soc_version: SocVersion | None = None,
        kinds: Collection[FactKind] = FACT_KINDS,
    ) -> MarketReport:
        """Return what services know about an occupation: a four-digit SOC code, or a title that one of them lists.

        Region and SOC edition default to those in ``[labour_market]``. Raises `ConfigError` if no service is
        configured, or if no occupation has the title or several have it; `SourceUnavailable` if no service is known
        to list the title but one could not be asked.
        """
        return lmi.ask_about(self._services, who, region, soc_version, kinds)

    def compare_occupations(
        self, whos: Sequence[str], *, region: str | None = None, soc_version: SocVersion | None = None
    ) -> Comparison:
        """Return the pay, hours and prospects of several occupations, side by side where they can be compared.

        Each is given as in `labour_market`, and the same errors are raised.
        """
        return lmi.compare(self._services, whos, region, soc_version)

    def occupations(self) -> list[LearnerOccupation]:
        """Return what learners have in mind, most frequent first, and the occupation found for each."""
        return lmi.learner_occupations(self._services)

    def suggest_occupations(self, words: str, *, ask: bool = True) -> Suggestions:
        """Return occupations that some words may mean, for a person to choose from, and which services failed.

        With `ask` false the words are not sent anywhere but compared with known titles: use that for what a learner
        wrote.
        """
        return lmi.suggest(self._services, words, ask=ask)

    def unknown_occupations(self) -> UnknownOccupations:
        """Return learners' words for which no occupation was found, most frequent first, with suggestions.

        A service that could not be asked may know some of them, and is in the warnings. The words are not sent
        anywhere: they are compared with the titles in services' lists.
        """
        return lmi.unknown_occupations(self._services)

    def refresh_labour_market(self, *, force: bool = False, progress: Progress | None = None) -> RefreshReport:
        """Ask services about the occupations that learners have in mind, where their answers are out of date.

        With `force` everything is asked again. An answer that cannot be renewed is kept. It takes as long as the
        services' limits require.
        """
        return lmi.refresh(self._services, force=force, progress=progress)

    def export_labour_market(self, path: Path) -> int:
        """Write what services said to one file, for another machine or college; return the number of answers.

        It contains nothing about a learner. Raises `ConfigError` if the file cannot be written.
        """
        return self._services.answers().export(path)

    def import_labour_market(self, path: Path) -> tuple[int, int]:
        """Import such a file; return how many answers were new or newer, and how many were not.

        Raises `ConfigError` if the file is not an export or is damaged; then nothing is imported.
        """
        return self._services.answers().import_(path)

    def forget_labour_market(self, service: str | None = None) -> int:
        """Forget what all services said, or one of them; return how many answers there were.

        `service` is a connector's type, such as "lmiforall". Raises `ConfigError`, listing those with answers, if it
        is not one of them.
        """
        return lmi.forget(self._services, service)

    def held_sweeps(self, *, only: Collection[str] = ()) -> list[HeldSweep]:
        """Return the removals that wait for a person, of these sources or of all."""
        return sweeps.held_sweeps(self._opened, only)

    def preview_sweep(self, *, only: Collection[str] = ()) -> SweepPreview:
        """Return what confirming the held removals would change; nothing is kept. Raises `LockHeld` during a run."""
        return sweeps.preview_sweep(self._opened, only)

    def confirm_sweep(self, *, only: Collection[str] = ()) -> list[HeldSweep]:
        """Carry out the held removals, for these connectors or all; the next sync judges the learners again.

        Raises `LockHeld` during a run.
        """
        return sweeps.confirm_sweep(self._opened, only)

    def quarantine(self) -> list[QuarantinedRecord]:
        """Return the rejected records, oldest first."""
        return quarantine.quarantined(self._opened)

    def show_quarantined(self, number: int) -> ShownRecord:
        """Return one rejected record with its content; raise `ConfigError` if there is none with this number."""
        return quarantine.show(self._opened, number)

    def retry_quarantine(self) -> RetryReport:
        """Try today's mappings on every rejected record and store those now valid. Raises `LockHeld` during a run."""
        return quarantine.retry(self._opened)

    def discard_quarantine(self, numbers: Iterable[int]) -> int:
        """Forget rejected records by number; return how many there were."""
        return quarantine.discard(self._opened, list(numbers))

    def check_mapping(
        self, connector: str, *, stream: str | None = None, limit: int | None = None
    ) -> list[MappingCheck]:
        """Map what a source holds now, without writing anything, and count the outcomes."""
        return mapping.check_mapping(self._opened, connector, stream, limit)

    def explain_mapping(self, connector: str, row: str, *, stream: str | None = None) -> RowTrace:
        """Show how each field of one source row is mapped; `row` is a key, or a number from 1."""
        return mapping.explain_row(self._opened, connector, row, stream)
