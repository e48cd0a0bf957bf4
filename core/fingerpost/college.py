"""One college: its configuration, its store, and everything that can be asked of them.

The command line is a thin layer over this class; a Python caller misses nothing.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog

from fingerpost._alerts.audience import allowed
from fingerpost._alerts.digests import Planner
from fingerpost._benchmarks.framework import Framework, FrameworkLibrary
from fingerpost._config.configuration import Configuration, default_config_path
from fingerpost._config.opened import compile_mappings, make_http
from fingerpost._config.reader import load_config
from fingerpost._contract.connector import Finding
from fingerpost._contract.facts import FACT_KINDS, doubt_region
from fingerpost._market.answers import Answers
from fingerpost._market.market import Market
from fingerpost._plugins.context import HookContext, key_columns
from fingerpost._plugins.host import Host
from fingerpost._store import schema
from fingerpost._store.store import Store
from fingerpost._sync.facts import read_feeds
from fingerpost._sync.run import SyncOptions
from fingerpost._sync.sync import sync
from fingerpost._views.check import CheckedConnector, CheckReport
from fingerpost._views.digests import DigestPreview
from fingerpost._words.errors import ConfigError, FingerpostError, SourceUnavailable
from fingerpost._words.faults import config_error
from fingerpost._words.logs import log_safely

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from fingerpost._contract.facts import FactKind, SocVersion
    from fingerpost._mapping.compiled import CompiledMapping
    from fingerpost._market.in_mind import LearnerOccupation
    from fingerpost._market.market import MarketReport
    from fingerpost._plugins.instance import Instance
    from fingerpost._sync.report import Progress, RunReport
    from fingerpost._views.explain import Explanation
    from fingerpost._views.gaps import GapReport
    from fingerpost._views.held import HeldSweep, QuarantinedRecord, RetryReport, ShownRecord
    from fingerpost._views.lmi import Comparison, RefreshReport, Suggestions, UnknownOccupations
    from fingerpost._views.mapping import MappingCheck, RowTrace
    from fingerpost._views.status import DataFault, StatusReport
    from fingerpost._web.http import Http


class College:
    """Everything that can be done for one college; open it with `College.open`, use it as a context manager."""

    def __init__(
        self,
        host: Host,
        config: Configuration,
        framework: Framework,
        mappings: Mapping[tuple[str, str], CompiledMapping],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.host = host
        self.config = config
        self.framework = framework
        self.mappings = mappings
        self._clock = clock
        self._store: Store | None = None
        self._reference: Answers | None = None
        self._markets: list[Market] = []
        self._memory: Answers | None = None

    @classmethod
    def open(
        cls,
        path: Path | None = None,
        *,
        host: Host | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> College:
        """Open the college that a configuration file describes; default: `fingerpost.toml` here.

        Raises `ConfigError` with every problem of configuration, mappings and framework at once, a line each.
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
            framework = framework.configure(config.settings.benchmarks)
        except ConfigError as error:
            problems.append(f"[benchmarks]: {error.message}")
        mappings = compile_mappings(host, config, problems)
        if problems or framework is None:
            raise config_error(config.path, problems)
        return cls(host, config, framework, mappings, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store, what services said, and the connections to them."""
        for market in self._markets:
            market.close()
        self._markets.clear()
        for reference in (self._reference, self._memory):
            if reference is not None:
                reference.close()
        self._reference = self._memory = None
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def store(self) -> Store:
        """The store, opened, and made or migrated where necessary, when first asked for."""
        if self._store is None:
            self._store = Store.open(self.config.store_url or self.config.settings.store.path)
        return self._store

    @property
    def timezone(self) -> ZoneInfo:
        """The college's time zone."""
        return ZoneInfo(self.config.settings.college.timezone)

    def today(self, as_of: date | None = None) -> date:
        """Return the day that is judged: the one asked for, the configured one, or today in the college's zone."""
        return as_of or self.config.settings.college.as_of or self._clock().astimezone(self.timezone).date()

    # -- a run ---------------------------------------------------------------------------------------------------

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

        Raises `LockHeld` while another run works, `ConfigError` when `only` names no connector.
        """
        names = [instance.name for instance in self.config.instances]
        for name in only:
            if name not in names:
                raise ConfigError(f"There is no source called '{name}'. The sources are: {', '.join(names)}.")
        options = SyncOptions(dry_run=dry_run, only=tuple(only), full=full, deliver=deliver)
        return sync(
            self.store, self.host, self.config, self.framework, self.mappings, self.market(offline=dry_run),
            options=options, now=self._clock(), as_of=self.today(), progress=progress,
        )  # fmt: skip

    def check(self) -> CheckReport:
        """Try every connector and the store, without reading data, writing data or sending anything."""
        checked = [CheckedConnector("store", self._check_store())]
        for broken in self.config.broken:
            finding = Finding("error", broken.message, "Run fingerpost plugins, and ask its vendor.")
            checked.append(CheckedConnector(broken.name, (finding,)))
        for instance in (*self.config.instances, *self.config.channels):
            checked.append(CheckedConnector(instance.name, self._check_instance(instance)))
        for instance in self.config.enrichers:
            # A night does without it, so nothing that is wrong with it stands in the way of one.
            findings = tuple(
                replace(one, level="warning") if one.level == "error" else one for one in self._check_instance(instance)
            )
            checked.append(CheckedConnector(instance.name, findings))
        checked += self._check_region()
        checked.append(CheckedConnector("alerts", self._check_alerts()))
        return CheckReport(tuple(checked))

    def _check_store(self) -> tuple[Finding, ...]:
        try:
            return (Finding("ok", f"The store {self.store.where} is there and up to date."),)
        except FingerpostError as error:
            return (Finding("error", error.message),)

    def _check_instance(self, instance: Instance) -> tuple[Finding, ...]:
        findings: list[Finding] = []
        streams = instance.streams or (None,)
        for spec in streams:
            mapping = None if spec is None else self.mappings[instance.name, spec.name]
            context = self.hook_context(instance, mapping)
            found = instance.check(context)
            findings.extend(finding for finding in found if finding not in findings)
        return tuple(findings)

    def _check_region(self) -> Iterator[CheckedConnector]:
        """Say which region is probably meant where the configured one is none: a service would just have no figures."""
        region = self.config.settings.labour_market.region
        advice = doubt_region(region) if region and self.config.enrichers else None
        if advice:
            sentence = f"[labour_market] region: '{region}' is no region that services are known to have."
            yield CheckedConnector("labour_market", (Finding("warning", sentence, advice),))

    def _check_alerts(self) -> tuple[Finding, ...]:
        """Say how many learners have nobody who would be told about them."""
        settings = self.config.settings.alerts
        findings: list[Finding] = []
        if settings.careers_leader is None:
            findings.append(
                Finding("warning", "No careers leader is configured, so learners without a tutor are told to nobody.",
                        'Write careers_leader = "name@your-college.ac.uk" under [alerts].')
            )  # fmt: skip
        with self.store.reading() as connection:
            planner = self.planner(connection)
            audiences = list(planner.audiences())
            enrolled = planner.enrolled()
        people = sum(1 for audience in audiences if audience.role != "careers_leader")
        without = sum(len(audience.untutored & enrolled) for audience in audiences)
        if audiences:
            findings.append(Finding("ok", f"{people} tutors have learners assigned to them."))
        if without:
            findings.append(
                Finding(
                    "warning",
                    f"{without} enrolled learners have no tutor on record; the careers leader is told of them.",
                    "Feed assignments: the ILR, for one, holds no tutors.",
                )
            )  # fmt: skip
        outside = sum(1 for one in audiences if not allowed(one.person.email, self.config.allowed_domains))
        if outside:
            findings.append(
                Finding("error", f"{outside} recipients have addresses outside the allowed domains; digests are held.",
                        "Correct the addresses, or add the domain to [alerts] allowed_domains.")
            )  # fmt: skip
        return tuple(findings) or (Finding("ok", "Nothing has been read yet."),)

    def hook_context(self, instance: Instance, mapping: CompiledMapping | None) -> HookContext:
        """Return a context for calling an instance's hooks outside a run."""
        key = key_columns(instance.config, mapping.key if mapping is not None else ())
        log = structlog.get_logger("fingerpost").bind(connector=instance.name)
        return HookContext(
            name=instance.name, base_dir=self.config.base_dir, now=self._clock(), as_of=self.today(),
            timezone=self.timezone, make_http=lambda: make_http(self.config, instance.config, log), mapping=mapping,
            key=key, columns=frozenset() if mapping is None else mapping.columns | frozenset(key), log=log,
        )  # fmt: skip

    # -- questions -----------------------------------------------------------------------------------------------

    def gaps(self, *, as_of: date | None = None) -> GapReport:
        """Return every open gap: as it was last judged, or, with `as_of`, as today's records stood on that day."""
        from fingerpost._views.gaps import gaps

        return gaps(self, as_of)

    def explain(self, learner: str, *, as_of: date | None = None) -> Explanation:
        """Return everything that is known of a learner and why each criterion stands as it does.

        `learner` is a reference, "ukprn:reference" or a ULN. Raises `ConfigError` when nobody has it.
        """
        from fingerpost._views.explain import explain

        return explain(self, learner, as_of)

    def status(self, *, runs: int = 10) -> StatusReport:
        """Return what the last runs did, how fresh each source is, and what waits for a person."""
        from fingerpost._views.status import status

        return status(self, runs)

    def data_quality(self) -> list[DataFault]:
        """Return every fault in the sources' data that cost a field, for those who can correct it there."""
        from fingerpost._views.status import data_quality

        return data_quality(self)

    def preview(self, *, recipient: str | None = None, as_of: date | None = None) -> list[DigestPreview]:
        """Return the digests that people would get if they had been told nothing yet; nothing is marked as told."""
        previews = []
        with self.store.reading() as connection:
            planner = self.planner(connection, as_of)
            for channel in self.config.channels:
                if getattr(channel.connector, "accepts", "") != "digest":
                    continue
                for audience in planner.audiences():
                    if recipient is not None and audience.person.email.casefold() != recipient.casefold():
                        continue
                    digest = planner.digest(audience, f"preview of {channel.name}", news_only=False)
                    if digest is not None:
                        context = self.hook_context(channel, None)
                        payload = channel.render(digest, context)
                        previews.append(DigestPreview(channel.name, digest, payload))
                break  # one channel renders like another of its kind
        return previews

    def planner(self, connection: sa.Connection, as_of: date | None = None) -> Planner:
        """Return the planner of digests, which also knows who tutors whom on the day."""
        return Planner(
            connection, self.store, self.config, self.framework, self.today(as_of), self._clock(),
            self.connector_names(connection),
        )  # fmt: skip

    # -- the labour market ---------------------------------------------------------------------------------------

    @property
    def reference(self) -> Answers:
        """What services said about occupations, opened when first asked for."""
        if self._reference is None:
            self._reference = self.open_reference()
        return self._reference

    def open_reference(
        self, *, refresh: bool = False, offline: bool = False, max_wait: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Answers:  # fmt: skip
        """Open what services said: to ask everything anew, or to ask nothing at all.

        `max_wait` is how many seconds a question may wait for room in a service's limit, with `sleep`.
        """
        settings = self.config.settings.labour_market
        return Answers(
            settings.cache, clock=self._clock, keep_days=settings.keep_days, refresh=refresh, offline=offline,
            max_wait=max_wait, sleep=sleep,
        )  # fmt: skip

    @property
    def memory(self) -> Answers:
        """The same as `reference`, but no service is asked, however old an answer is."""
        if self._memory is None:
            self._memory = self.open_reference(offline=True)
        return self._memory

    def market(self, reference: Answers | None = None, *, offline: bool = False) -> Market:
        """Return the enrichers, ready to be asked; `offline` they speak from memory and reach no network."""
        contexts = [self.hook_context(instance, None) for instance in self.config.enrichers]
        if offline:
            contexts = [replace(context, make_http=_no_http) for context in contexts]
        market = Market(
            list(zip(self.config.enrichers, contexts, strict=True)),
            lambda: reference or (self.memory if offline else self.reference),
        )
        self._markets.append(market)
        return market

    def labour_market(
        self,
        who: str,
        *,
        region: str | None = None,
        soc_version: SocVersion | None = None,
        kinds: Collection[FactKind] = FACT_KINDS,
    ) -> MarketReport:
        """Return what services know about an occupation: a SOC code of four digits, or a title that one of them lists.

        The region and the edition of the SOC are those of ``[labour_market]`` unless said otherwise. Raises
        `ConfigError` where no service is configured, and for a title that is nobody's or more than one's;
        `SourceUnavailable` for a title that nobody is known to list where a service could not be asked.
        """
        from fingerpost._views.lmi import ask_about

        return ask_about(self, who, region, soc_version, kinds)

    def compare_occupations(
        self, whos: Sequence[str], *, region: str | None = None, soc_version: SocVersion | None = None
    ) -> Comparison:
        """Return the pay, hours and prospects of several occupations, side by side where they can be compared.

        Each is named as in `labour_market`, which says what this raises.
        """
        from fingerpost._views.lmi import compare

        return compare(self, whos, region, soc_version)

    def occupations(self) -> list[LearnerOccupation]:
        """Return what learners have in mind, the most frequent first, and which occupation that was found to be."""
        from fingerpost._views.lmi import learner_occupations

        return learner_occupations(self)

    def suggest_occupations(self, words: str, *, ask: bool = True) -> Suggestions:
        """Return occupations that some words may mean, for a person to choose from, and which services failed.

        With `ask` false the words stay here and are compared with titles that are known already: that is the way for
        what a learner wrote.
        """
        from fingerpost._views.lmi import suggest

        return suggest(self, words, ask=ask)

    def unknown_occupations(self) -> UnknownOccupations:
        """Return the words of learners that mean no occupation yet, the most frequent first, with suggestions.

        A service that could not be asked may know some of them: it is in the warnings. The words stay here: they are
        compared with titles that services list.
        """
        from fingerpost._views.lmi import unknown_occupations

        return unknown_occupations(self)

    def refresh_labour_market(self, *, force: bool = False, progress: Progress | None = None) -> RefreshReport:
        """Ask services about the occupations that learners have in mind, where what they said is out of date.

        With `force` everything is asked again. What a service cannot say again is kept. It takes as long as the limits
        of the services ask.
        """
        from fingerpost._views.lmi import refresh

        return refresh(self, force=force, progress=progress)

    def export_labour_market(self, path: Path) -> int:
        """Write what services said into one file, for another machine or college; return how many answers.

        Nothing about a learner is in it. Raises `ConfigError` where the file cannot be written.
        """
        return self.reference.export(path)

    def import_labour_market(self, path: Path) -> tuple[int, int]:
        """Take in such a file; return how many answers were new or newer, and how many were not.

        Raises `ConfigError` where the file is no export or is damaged; then nothing is taken in.
        """
        return self.reference.import_(path)

    def forget_labour_market(self, service: str | None = None) -> int:
        """Forget what all services said, or one of them; return how many answers that were.

        `service` is a connector's type, such as "lmiforall". Raises `ConfigError` listing those that said something
        where this is none of them.
        """
        from fingerpost._views.lmi import forget

        return forget(self, service)

    def connector_names(self, connection: sa.Connection) -> dict[int, str]:
        """Return the configured name of every connector number in the store."""
        table = schema.connector
        return dict(connection.execute(sa.select(table.c.id, table.c.name)).all())

    def feeds(self, connection: sa.Connection) -> Any:
        """Return which kinds of activity are fed, for whom, and by whom too late."""
        return read_feeds(connection, self.config, self.mappings, self._clock())

    # -- a person's decisions ------------------------------------------------------------------------------------

    def held_sweeps(self) -> list[HeldSweep]:
        """Return the removals that wait for a person."""
        from fingerpost._views.held import held_sweeps

        return held_sweeps(self)

    def confirm_sweep(self, *, only: Collection[str] = ()) -> list[HeldSweep]:
        """Remove what is held, of these connectors or of all; the next sync judges the learners again.

        Raises `LockHeld` while a run works.
        """
        from fingerpost._views.held import confirm_sweep

        return confirm_sweep(self, only, self._clock())

    def quarantine(self) -> list[QuarantinedRecord]:
        """Return the rejected records, oldest first."""
        from fingerpost._views.held import quarantined

        return quarantined(self)

    def show_quarantined(self, number: int) -> ShownRecord:
        """Return one rejected record with what it says; raise `ConfigError` where there is none of this number."""
        from fingerpost._views.held import show

        return show(self, number)

    def retry_quarantine(self) -> RetryReport:
        """Try today's mappings on every rejected record; what is good now is stored. Raises `LockHeld`."""
        from fingerpost._views.held import retry

        return retry(self, self._clock())

    def discard_quarantine(self, numbers: Iterable[int]) -> int:
        """Forget rejected records by number; return how many there were."""
        from fingerpost._views.held import discard

        return discard(self, list(numbers))

    # -- mappings ------------------------------------------------------------------------------------------------

    def check_mapping(
        self, connector: str, *, stream: str | None = None, limit: int | None = None
    ) -> list[MappingCheck]:
        """Map what a source holds now, write nothing, and count what became of it."""
        from fingerpost._views.mapping import check_mapping

        return check_mapping(self, connector, stream, limit)

    def explain_mapping(self, connector: str, row: str, *, stream: str | None = None) -> RowTrace:
        """Show for one source row, by key or by number from 1, what became of each field."""
        from fingerpost._views.mapping import explain_row

        return explain_row(self, connector, row, stream)

    def source(self, name: str) -> Instance:
        """Return a configured source by name; raise `ConfigError` listing them where there is none."""
        for instance in self.config.instances:
            if instance.name == name:
                return instance
        names = ", ".join(instance.name for instance in self.config.instances)
        raise ConfigError(f"There is no source called '{name}'. The sources are: {names}.")


def _no_http() -> Http:
    raise SourceUnavailable("No service is asked now.")
