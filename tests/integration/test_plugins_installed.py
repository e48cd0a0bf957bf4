"""Broken plugins beside good ones, installed as pip leaves them, seen by a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from plugins import install

if TYPE_CHECKING:
    from pathlib import Path

CONNECTOR = """
from fingerpost import Source, StreamSpec, hookimpl

class Vendor(Source):
    name = "{name}"
    api = {api}
    streams = (StreamSpec("learners"),)

    @hookimpl
    def {hook}(self, cursor, context):
        yield from ()

@hookimpl
def connectors():
    return [Vendor]
"""

LIST = """
import json
from fingerpost._plugins.host import Host

host = Host.load()
print(json.dumps({"plugins": [plugin.as_dict() for plugin in host.plugins], "types": host.connector_types()}))
"""


def connector(name: str, *, api: int = 1, hook: str = "read_learners") -> str:
    return CONNECTOR.format(name=name, api=api, hook=hook)


PLUGINS = {
    "broken": ("broken-mis", "1.0.1", "import a_driver_that_is_not_installed\n"),
    "quitter": ("quitter-ilp", "2.0", "import sys\nsys.exit('no licence')\n"),
    "csv": ("better-csv", "7.7", connector("csv")),
    "future": ("future-ilp", "0.4b1", connector("future", api=99)),
    "speller": ("speller-ilp", "5", connector("speller", hook="read_learner")),
    "good": ("good-ilp", "3.2.1", connector("good")),
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, (distribution, version, source) in PLUGINS.items():
        install(tmp_path, distribution, name, f"vendor_{name}", source, version=version)
    return tmp_path


def run(site: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def listed(site: Path, **environment: str) -> dict[str, Any]:
    code = "from fingerpost._words.logs import configure_logging\nconfigure_logging('info', True, [])\n" + LIST
    done = run(site, code, **environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"log": [json.loads(line) for line in done.stderr.splitlines()]}


def test_each_broken_plugin_is_named_and_the_good_ones_work(site: Path) -> None:
    found = listed(site)
    assert set(found["types"]) >= {"csv", "email", "ilr", "good"}
    assert set(found["types"]).isdisjoint({"broken", "quitter", "future", "speller"})
    rows = {row["distribution"]: row for row in found["plugins"] if not row["builtin"]}
    wanted = {
        "broken-mis": ("broken", "1.0.1", "failed", "No module named 'a_driver_that_is_not_installed'"),
        "quitter-ilp": ("quitter", "2.0", "failed", "tried to end the program while being imported"),
        "better-csv": ("csv", "7.7", "duplicate", "'csv', is reserved"),
        "future-ilp": (
            "future",
            "0.4b1",
            "incompatible",
            "version 99 of the plugin contract, but this Fingerpost supports",
        ),
        "speller-ilp": ("speller", "5", "failed", "Did you mean 'read_learners'?"),
        "good-ilp": ("good", "3.2.1", "loaded", ""),
    }
    for distribution, (name, version, state, cause) in wanted.items():
        row = rows[distribution]
        assert (row["name"], row["version"], row["state"]) == (name, version, state)
        assert cause in row["cause"]
    builtin = {row["name"]: row["state"] for row in found["plugins"] if row["builtin"]}
    names = (
        "fingerpost", "apprenticeships", "csv", "email", "ilr", "jsonl", "lmiforall", "ncs", "occupationalmaps",
        "promonitor", "rest",
    )  # fmt: skip
    assert builtin == dict.fromkeys(names, "loaded")
    # Nothing is silent either: each broken one is a line in the log.
    assert {line["distribution"] for line in found["log"]} >= set(wanted) - {"good-ilp"}


def test_the_built_in_csv_is_ours(site: Path) -> None:
    code = "from fingerpost._plugins.host import Host\nprint(Host.load().connector_class('csv').__module__)"
    assert run(site, code).stdout.splitlines()[-1] == "fingerpost_csv"


def test_a_plugin_can_be_switched_off_from_outside(site: Path) -> None:
    found = listed(site, FINGERPOST_DISABLE_PLUGINS="good,quitter")
    states = {row["name"]: row["state"] for row in found["plugins"]}
    assert (states["good"], states["quitter"], states["broken"]) == ("blocked", "blocked", "failed")
    assert "good" not in found["types"]


def test_developers_may_want_to_stop_at_the_first(site: Path) -> None:
    done = run(site, LIST, FINGERPOST_STRICT_PLUGINS="1")
    assert done.returncode != 0
    assert "ContractError" in done.stderr
