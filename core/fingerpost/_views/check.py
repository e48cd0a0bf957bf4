"""Try every connection and report what was found, without reading data, writing data or sending anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fingerpost._alerts.audience import Audiences, allowed
from fingerpost._config.opened import Opened
from fingerpost._contract.connector import Finding
from fingerpost._contract.facts import doubt_region
from fingerpost._plugins.instance import Instance
from fingerpost._sync.freshness import CHECK_EXPORT, Freshness
from fingerpost._sync.nights import pause
from fingerpost._words.errors import FingerpostError


@dataclass(frozen=True, slots=True)
class CheckedConnector:
    """What was found for one connector, or for the store or the alerts."""

    name: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found."""

    connectors: tuple[CheckedConnector, ...]

    @property
    def ok(self) -> bool:
        """Say whether a sync can go ahead."""
        return all(finding.level != "error" for one in self.connectors for finding in one.findings)


def left_out(opened: Opened) -> list[str]:
    """Name the connectors that are left out, and the plugins that did not load and that the configuration may mean."""
    config = opened.config
    configured = {one.config.type for one in (*config.instances, *config.channels, *config.enrichers)}
    return [f"{broken.name} is left out. {broken.message}" for broken in config.broken] + [
        f"the plugin {plugin} was not loaded ({plugin.state}): {plugin.cause}"
        for plugin in opened.host.plugins
        if plugin.state not in ("loaded", "blocked") and configured & {plugin.name, *plugin.connectors}
    ]


def check(opened: Opened) -> CheckReport:
    """Try every connector and the store, without reading data, writing data or sending anything."""
    return CheckReport(tuple(CheckedConnector(name, tuple(findings)) for name, findings in _checked(opened)))


def _checked(opened: Opened) -> Iterator[tuple[str, list[Finding]]]:
    config = opened.config
    yield "store", _store(opened)
    for broken in config.broken:
        yield broken.name, [Finding("error", broken.message, "Run fingerpost plugins, and contact its vendor.")]
    stopped = _stopped(opened)
    for instance in (*config.instances, *config.channels):
        yield instance.name, [*_instance(opened, instance), *stopped.get(instance.name, [])]
    for instance in config.enrichers:
        # A sync can do without it, so its faults are only warnings.
        found = _instance(opened, instance)
        yield instance.name, [replace(one, level="warning") if one.level == "error" else one for one in found]
    region = config.settings.labour_market.region
    advice = doubt_region(region) if region and config.enrichers else None
    if advice:  # a service would just have no figures
        sentence = f"[labour_market] region: '{region}' is not among the regions that services are known to cover."
        yield "labour_market", [Finding("warning", sentence, advice)]
    yield "alerts", list(_alerts(opened)) or [Finding("ok", "Nothing has been read yet.")]


def _store(opened: Opened) -> list[Finding]:
    try:
        findings = [Finding("ok", f"The store {opened.store.where} exists and is up to date.")]
        with opened.store.reading() as connection:
            gap = pause(connection, opened)
    except FingerpostError as error:
        return [Finding("error", error.message)]
    return findings if gap is None else [*findings, Finding("warning", gap.sentence)]


def _stopped(opened: Opened) -> dict[str, list[Finding]]:
    """Return a warning for each export that was no longer made when it was last read, by connector."""
    found: dict[str, list[Finding]] = {}
    with contextlib.suppress(FingerpostError), opened.store.reading() as connection:  # the store has its own finding
        gap = pause(connection, opened)
        freshness = Freshness(connection, opened, opened.now() if gap is None else gap.since)
        for key, _ in freshness.stopped():
            sentence = f"When last read, the {key[1]} were of {freshness.age(key)}."
            found.setdefault(key[0], []).append(Finding("warning", sentence, CHECK_EXPORT))
    return found


def _instance(opened: Opened, instance: Instance) -> list[Finding]:
    findings: list[Finding] = []
    for spec in instance.streams or (None,):
        mapping = None if spec is None else opened.mappings[instance.name, spec.name]
        found = instance.check(opened.context(instance, mapping))
        findings.extend(finding for finding in found if finding not in findings)
    return findings


def _alerts(opened: Opened) -> Iterator[Finding]:
    """Report how many people would be notified, and how many learners have no tutor."""
    if opened.config.settings.alerts.careers_leader is None:
        yield Finding(
            "warning",
            "No careers leader is configured, so nobody is notified about learners without a tutor.",
            'Write careers_leader = "name@your-college.ac.uk" under [alerts].',
        )
    with opened.store.reading() as connection:
        everybody = Audiences(connection, opened, opened.today())
        audiences, enrolled = list(everybody), everybody.enrolled()
    if audiences:
        people = sum(1 for audience in audiences if audience.role != "careers_leader")
        yield Finding("ok", f"{people} tutors have learners assigned to them.")
    without = sum(len(audience.untutored & enrolled) for audience in audiences)
    if without:
        yield Finding(
            "warning",
            f"{without} enrolled learners have no tutor on record; the careers leader is notified about them.",
            "Add a source of assignments: the ILR, for example, does not contain tutors.",
        )
    outside = sum(1 for one in audiences if not allowed(one.person.email, opened.config.allowed_domains))
    if outside:
        yield Finding(
            "error",
            f"{outside} recipients have addresses outside the allowed domains; digests are held.",
            "Correct the addresses, or add the domain to [alerts] allowed_domains.",
        )
