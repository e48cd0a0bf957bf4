"""The documentation: what it shows is run, what it lists is compared with the code."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast, get_args

import pytest
from colleges import usual_college
from command_line import PROGRAM, run
from http_server import Answer, HttpServer, Request, json_answer
from plugins import install as install_plugin
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import fingerpost
import fingerpost.files
import fingerpost.lmi
from fingerpost import STREAMS, College, Context, Host
from fingerpost._benchmarks.framework import FrameworkLibrary
from fingerpost._config.settings import Settings
from fingerpost._contract import hooks
from fingerpost._mapping import compiler
from fingerpost._mapping.document import Condition, FieldDocument, MappingDocument
from fingerpost._plugins.admission import RESERVED_NAMES, PluginState
from fingerpost._record import models
from fingerpost._record.kinds import load_kinds
from fingerpost._store import schema
from fingerpost._sync.failpoints import FAILPOINTS
from fingerpost._web import http
from fingerpost_apprenticeships import ApprenticeshipsConfig
from fingerpost_cli import _lmi, main
from fingerpost_csv import CsvConfig
from fingerpost_demo import make_college
from fingerpost_email._config import EmailConfig
from fingerpost_ilr._source import IlrConfig
from fingerpost_lmiforall import LmiForAllConfig
from fingerpost_ncs import NcsConfig
from fingerpost_occupationalmaps import OccupationalMapsConfig
from fingerpost_promonitor import PromonitorConfig, PromonitorWriteConfig
from fingerpost_promonitor._config import Responses, Screen, Tutors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[2]
OURS = [ROOT / "README.md"] + [
    ROOT / "docs" / f"{name}.md"
    for name in ("it", "tutors", "connectors", "mappings", "privacy", "how-it-works", "configuration")
]
EVERY_PAGE = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

COLLEGE = '[college]\nname = "Example College"\nukprn = 99999999\n\n[alerts]\ncareers_leader = "c@example.ac.uk"\n\n'
SECRETS = {
    "BEACON_TOKEN": "let-me-in",
    "FINGERPOST_SMTP_PASSWORD": "hunter2",
    "FINGERPOST_STORE_URL": "postgresql://fingerpost@localhost/fingerpost",
}


# What a page holds


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the name that follows it, and its text."""

    page: Path
    line: int
    language: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, *languages: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\w*) ?(.*)\n((?:.*\n)*?)^```$", text, re.MULTILINE):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[1], match[2].strip(), match[3]))
    return [block for block in found if not languages or block.language in languages]


def block(page: str, name: str) -> str:
    (found,) = [one for one in blocks(ROOT / "docs" / page) if one.name == name]
    return found.text


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, down to the next heading of its level or above."""
    level = heading.partition(" ")[0]
    assert f"\n{heading}\n" in text, heading
    below = text.partition(f"\n{heading}\n")[2]
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def own_text(text: str, heading: str) -> str:
    """Return what stands directly below a heading, down to the next heading of any level."""
    return re.split(r"^#+ ", section(text, heading), maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the rows of the tables in a text, without their headings."""
    found = []
    lines = text.splitlines()
    for before, line in itertools.pairwise(lines):
        if line.startswith("|") and not line.startswith("|---") and not before.startswith("#"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return [row for row in found if row[0].startswith("`") or row[0][:1].isdigit()]


def code_in(text: str) -> set[str]:
    """Return what stands in `backticks`."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)))


# Links


def slugs(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")
        anchors.add(plain if plain not in found else f"{plain}-{found[plain]}")
        found[plain] = found.get(plain, 0) + 1
    return anchors


def broken_links(path: Path, text: str) -> list[str]:
    problems = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        goal = path.parent / name if name else path
        if not goal.exists():
            problems.append(f"{path.name}: {target}: no such file")
        elif anchor and anchor not in slugs(goal.read_text(encoding="utf-8")):
            problems.append(f"{path.name}: {target}: no such heading")
    return problems


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: path.name)
def test_links_inside_the_project_resolve(path: Path) -> None:
    assert not broken_links(path, path.read_text(encoding="utf-8"))


def test_a_broken_link_would_be_seen() -> None:
    here = ROOT / "docs" / "it.md"
    assert len(broken_links(here, "[a](nowhere.md) [b](#no-such) [c](it.md#install) [d](#install)")) == 2


# Configurations and mappings


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the plugins of the documentation are installed."""
    return install(tmp_path_factory.mktemp("plugins") / "site")


@pytest.fixture
def plugins(site: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return a host that knows the plugins of the documentation, too."""
    monkeypatch.syspath_prepend(str(site))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    host = Host.load()
    loaded = {plugin.name for plugin in host.plugins if plugin.state == "loaded"}
    assert {"acme", "beacon", "noticeboard", "college-tools"} <= loaded
    return host


def mappings_of(path: Path, folder: Path) -> None:
    """Put the mappings that a page shows where a college has its own."""
    for one in blocks(path, "toml"):
        if "schema_version" in one.text and one.name.startswith("mappings/"):
            target = folder / one.name
            target.parent.mkdir(exist_ok=True, parents=True)
            target.write_text(one.text, encoding="utf-8")


CONFIGURATIONS = [
    one
    for path in OURS
    for one in blocks(path, "toml")
    if "schema_version" not in one.text and "[project]" not in one.text
]


@pytest.mark.parametrize("shown", CONFIGURATIONS, ids=str)
def test_configurations_load(shown: Block, tmp_path: Path, plugins: Host) -> None:
    text = shown.text
    if "[college]" not in text:
        text = COLLEGE + text if "[alerts]" not in text else COLLEGE.partition("[alerts]")[0] + text
    config = tmp_path / "fingerpost.toml"
    config.write_text(text, encoding="utf-8")
    mappings_of(shown.page, tmp_path)
    College.open(config, host=plugins).close()


def test_a_configuration_that_is_wrong_would_be_seen(tmp_path: Path, plugins: Host) -> None:
    shown = next(one for one in CONFIGURATIONS if "allowed_domains" not in one.text and "[college]" in one.text)
    wrong = Block(shown.page, shown.line, "toml", "", shown.text.replace("ukprn", "upkrn"))
    with pytest.raises(fingerpost.ConfigError, match="Did you mean 'ukprn'"):
        test_configurations_load(wrong, tmp_path, plugins)


@pytest.mark.parametrize(
    "shown", [one for path in OURS for one in blocks(path, "toml") if one.name.startswith("mappings/")], ids=str
)
def test_mappings_compile(shown: Block, tmp_path: Path, plugins: Host) -> None:
    mappings_of(shown.page, tmp_path)
    config = tmp_path / "fingerpost.toml"
    config.write_text(
        f'{COLLEGE}[[connector]]\ntype = "csv"\nname = "x"\npath = "x.csv"\nstream = "activities"\n'
        f'mapping = "{Path(shown.name).stem}"\n',
        encoding="utf-8",
    )
    with College.open(config, host=plugins) as college:
        assert college._opened.source("x").name == "x"


def test_every_toml_block_is_one_that_we_try() -> None:
    for path in OURS:
        for one in blocks(path, "toml"):
            document = tomllib.loads(one.text)
            known = set(Settings.model_fields) | {"project", "schema_version"}
            assert known & set(document), f"{one}: what is this?"


# Commands


def commands(path: Path) -> list[tuple[Block, list[str]]]:
    """Return the fingerpost commands in the console blocks of a page, as lists of arguments."""
    found = []
    for one in blocks(path, "console"):
        for line in one.text.splitlines():
            for part in line.partition(" #")[0].split("&&"):
                words = shlex.split(part)
                at = [n for n, word in enumerate(words) if re.fullmatch(r"(.*/)?fingerpost", word)]
                if at:
                    found.append((one, words[at[0] + 1 :]))
    return found


def refused(arguments: list[str]) -> str:
    """Return what the command line has against a command and its options; nothing where they exist."""
    result = run(*arguments, "--help")
    return "" if result.exit_code == 0 else result.output


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    assert not {str(one): said for one, arguments in commands(path) if (said := refused(arguments))}


def test_a_command_that_does_not_exist_would_be_seen() -> None:
    assert "No such option" in refused(["sync", "--debug"])
    assert "No such command" in refused(["sinc"])


def test_scheduled_commands_exist() -> None:
    lines = [
        line.partition("fingerpost.exe ")[2] or line.partition("bin/fingerpost ")[2]
        for one in blocks(ROOT / "docs" / "it.md", "bat", "ini", "text")
        for line in one.text.splitlines()
        if "fingerpost.exe " in line or "bin/fingerpost " in line
    ]
    assert len(lines) == 3
    for line in lines:
        assert not refused(re.split(r" 2?>", line)[0].split())


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a demo college of 60 learners after its first night."""
    folder = tmp_path_factory.mktemp("docs") / "demo"
    make_college(folder, learners=60)
    with College.open(folder / "fingerpost.toml") as college:
        college.sync()
    return folder


def _runs_on_the_demo(arguments: list[str]) -> bool:
    """Leave out what makes a college of its own, and what speaks of another one's connector."""
    return not {"init", "demo", "--config"} & set(arguments) and arguments[-1] not in ("events", "ilp", "1001")


ON_THE_DEMO = {
    " ".join(arguments): arguments
    for path in OURS[1:]
    for _, arguments in commands(path)
    if _runs_on_the_demo(arguments)
}


@pytest.mark.parametrize("arguments", ON_THE_DEMO.values(), ids=ON_THE_DEMO)
def test_commands_run_on_the_demo(
    arguments: list[str], demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(demo, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FINGERPOST_CONFIG", raising=False)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert result.output.strip()


# Plugins, as pip leaves them


def install(site: Path) -> Path:
    """Put every plugin of the documentation into a folder, with the metadata that an installation writes."""
    site.mkdir(parents=True)
    documents = [one.text for path in OURS for one in blocks(path, "toml") if one.name == "pyproject.toml"]
    projects = [tomllib.loads(text)["project"] for text in documents]
    entries = {
        module: (project["name"], project["version"], entry)
        for project in projects
        for entry, module in project["entry-points"]["fingerpost"].items()
    }
    for path in OURS:
        for one in blocks(path, "python", "toml"):
            if one.name.endswith(".py"):
                module = one.name.removesuffix(".py")
                entry = module.removeprefix("fingerpost_")
                name, version, entry = entries.get(module, (f"fingerpost-{entry}", "1.0", entry))
                install_plugin(site, name, entry, module, one.text, version=version)
            elif one.name == "beacon-activities.toml":
                (site / one.name).write_text(one.text, encoding="utf-8")
    return site


class Installed:
    """A machine on which the plugins of the documentation are installed, or some of them."""

    def __init__(self, folder: Path, *, only: str | None = None) -> None:
        self.site = install(folder / "site")
        if only is not None:
            for info in self.site.glob("*.dist-info"):
                if not info.name.startswith(only):
                    shutil.rmtree(info)

    def run(self, *arguments: str, cwd: Path, exit_code: int = 0) -> str:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=cwd,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("FINGERPOST")},
                **SECRETS,
                "PYTHONPATH": os.pathsep.join([str(self.site), *filter(None, sys.path)]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUTF8": "1",
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout


def test_the_first_connector_is_listed_and_synced(tmp_path: Path) -> None:
    machine = Installed(tmp_path, only="fingerpost_acme")
    python = [line for line in block("connectors.md", "fingerpost_acme.py").splitlines() if line.strip()]
    shown_pyproject, _ = [one.text for path in OURS for one in blocks(path, "toml") if one.name == "pyproject.toml"]
    assert len(python) <= 21
    assert len([line for line in shown_pyproject.splitlines() if line.strip()]) == 6
    for name in ("acme.json", "fingerpost.toml"):
        (tmp_path / name).write_text(block("connectors.md", name), encoding="utf-8")

    listed = [line.split() for line in machine.run("plugins", cwd=tmp_path).splitlines()]
    (told,) = [one.text for one in blocks(ROOT / "docs" / "connectors.md", "") if "plugin " in one.text]
    expected = [line.replace("0.1.0", fingerpost.__version__).split() for line in told.splitlines()]
    assert sorted(listed) == sorted(expected)

    assert "offers no check" in machine.run("check", cwd=tmp_path)
    assert "2 rows, 2 records" in machine.run("map", "check", "ilp", cwd=tmp_path)
    report = json.loads(machine.run("sync", "--json", cwd=tmp_path))
    (stream,) = report["streams"]
    assert (stream["connector"], stream["new"], stream["rejected"]) == ("ilp", 2, 0)
    assert report["records"]["activities"] == 2
    assert any("refer to a learner in none of the sources" in message for message in report["messages"])


class Beacon(HttpServer):
    """The web interface of a product that does not exist: two pages of events, for whoever has the token."""

    def answer(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {SECRETS['BEACON_TOKEN']}":
            return json_answer({}, status=401)
        if request.path == "/me":
            return json_answer({"name": "Fingerpost"})
        if "page" in request.query:
            return json_answer({"events": [self._event(2, "IAG", "2026-02-03T10:00:00Z")]})
        events = [self._event(1, "TALK", "2026-02-02T10:00:00Z")]
        return json_answer({"events": events, "next": f"{self.url}/events?page=2"})

    def _event(self, number: int, category: str, day: str) -> dict[str, Any]:
        return {"id": number, "category": category, "held_at": day, "changed_at": day,
                "person": {"reference": f"L{number}"}, "host": {"name": "Bakery"}}  # fmt: skip


def test_the_source_on_the_web_reads_in_steps(tmp_path: Path) -> None:
    machine = Installed(tmp_path)
    with Beacon() as beacon:
        text = block("connectors.md", "beacon-college.toml").replace("https://example.beacon.example", beacon.url)
        (tmp_path / "fingerpost.toml").write_text(COLLEGE + text, encoding="utf-8")
        assert "takes the token" in machine.run("check", cwd=tmp_path)
        first = json.loads(machine.run("sync", "--json", cwd=tmp_path))
        assert [(one["state"], one["new"], one["warnings"]) for one in first["streams"]] == [("complete", 2, 2)]
        beacon.requests.clear()
        second = json.loads(machine.run("sync", "--json", cwd=tmp_path))
        # A day of look-back.
        assert beacon.asked == [("GET", "/events?since=2026-02-02T10%3A00%3A00Z"), ("GET", "/events?page=2")]
    assert [(one["new"], one["changed"], one["unchanged"]) for one in second["streams"]] == [(0, 0, 2)]


def test_the_channel_delivers_once(tmp_path: Path) -> None:
    machine = Installed(tmp_path)
    college = usual_college(tmp_path / "college")
    college.tables["college"]["as_of"] = "2026-03-02"
    college.connectors.append({"type": "noticeboard", "name": "board"})
    config = college.configure()
    config.write_text(config.read_text(encoding="utf-8").replace('"2026-03-02"', "2026-03-02"), encoding="utf-8")
    report = json.loads(machine.run("sync", "--json", cwd=college.folder))
    notices = sorted((college.folder / "notices").iterdir())
    assert report["digests"]["sent"] == len(notices) == 2
    assert "GivenL" in notices[0].read_text(encoding="utf-8")
    again = json.loads(machine.run("sync", "--json", cwd=college.folder))
    assert again["digests"]["planned"] == 0


def test_the_mapping_by_example_does_what_is_said(tmp_path: Path) -> None:
    machine = Installed(tmp_path)
    mappings_of(ROOT / "docs" / "mappings.md", tmp_path)
    for name in ("events.csv", "fingerpost.toml"):
        (tmp_path / name).write_text(block("mappings.md", name), encoding="utf-8")
    assert machine.run("map", "check", "events", cwd=tmp_path) == block("mappings.md", "map check events")
    traced = json.loads(machine.run("map", "explain", "events", "1001", "--json", cwd=tmp_path))
    made = {one["field"]: one["result"] for one in traced["fields"]}
    assert (made["kind"], made["hours"], made["starts_on"]) == ("employer_encounter", 1.5, "2025-10-06")


def test_the_mapping_that_extends_another_does_what_is_said(tmp_path: Path, plugins: Host) -> None:
    mappings_of(ROOT / "docs" / "mappings.md", tmp_path)
    (tmp_path / "x.csv").write_text(
        "activity_id,learner_ref,activity_type,Held,recorded_by\n"
        "1,L1,Bring a boss,06/10/2025,A. Person\n"
        "2,L1,Careers interview,07/10/2025,A. Person\n",
        encoding="utf-8",
    )
    config = tmp_path / "fingerpost.toml"
    config.write_text(
        f'{COLLEGE}[[connector]]\ntype = "csv"\nname = "x"\npath = "x.csv"\nstream = "activities"\n'
        'mapping = "careers-log"\n',
        encoding="utf-8",
    )
    with College.open(config, host=plugins) as college:
        rows_made = [
            {one.field: one.result for one in college.explain_mapping("x", number).fields} for number in ("1", "2")
        ]
    assert [row["kind"] for row in rows_made] == ["employer_encounter", "guidance_meeting"]
    assert [str(row["starts_on"]) for row in rows_made] == ["2025-10-06", "2025-10-07"]
    assert "recorded_by" not in rows_made[0]


# Signatures


def signature_problems(stubs: str, documented: type | ModuleType, *, unneeded: Iterable[str] = ()) -> list[str]:
    """Compare the signatures in a page with those of a class or module; say what differs, is missing or is too much."""
    module = documented.__name__ if isinstance(documented, ModuleType) else documented.__module__
    namespace = dict(vars(sys.modules[module]))
    exec(f"from __future__ import annotations\n{stubs}", namespace)
    told = {node.name: namespace[node.name] for node in ast.parse(stubs).body if isinstance(node, ast.FunctionDef)}
    real = {
        name: value
        for name, value in vars(documented).items()
        if not name.startswith("_") and _callable(value) and getattr(value, "__module__", module) == module
    }
    problems = [f"{name} is not documented" for name in real.keys() - told.keys() - set(unneeded)]
    problems += [f"{name} does not exist" for name in told.keys() - real.keys()]
    for name in told.keys() & real.keys():
        if isinstance(told[name], property) != isinstance(real[name], property):
            problems.append(f"{name} is a property in one place alone")
        elif inspect.signature(_function(told[name])) != inspect.signature(_function(real[name])):
            problems.append(f"{name}{inspect.signature(_function(real[name]))}")
    return problems


def _callable(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, property)


def _function(value: Any) -> Callable[..., Any]:
    return cast("Callable[..., Any]", value.fget if isinstance(value, property) else value)


DOCUMENTED: dict[str, tuple[type | ModuleType, tuple[str, ...]]] = {
    "DiscoveryHooks": (hooks.DiscoveryHooks, ()),
    "ResolverHooks": (hooks.ResolverHooks, ()),
    "EventHooks": (hooks.EventHooks, ()),
    "DataHooks": (hooks.DataHooks, ()),
    "Context": (Context, ()),
    "Http": (http.Http, ("close",)),
    "Reference": (fingerpost.lmi.Reference, ()),
    "files": (fingerpost.files, ()),
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_signatures_are_those_of_the_code(name: str) -> None:
    documented, unneeded = DOCUMENTED[name]
    assert not signature_problems(block("connectors.md", f"signatures {name}"), documented, unneeded=unneeded)


def test_every_hook_is_in_a_documented_layer() -> None:
    layers = {value for value in vars(hooks).values() if isinstance(value, type) and value.__name__.endswith("Hooks")}
    assert layers == {documented for documented, _ in DOCUMENTED.values()} & layers


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("question: LabourMarketQuestion", "question: Occupation", "labour_market("),
        (
            "cursor: Cursor | None, context: Context) -> Iterator[Message]",
            "context: Context) -> Iterator[Message]",
            "read_",
        ),
        ("def reconcile", "def reconciled", "reconciled does not exist"),
        ("def render(self, item: Item, context: Context) -> Payload: ...\n", "", "render is not documented"),
    ],
)
def test_a_wrong_signature_would_be_seen(right: str, wrong: str, said: str) -> None:
    stubs = block("connectors.md", "signatures DataHooks")
    assert right in stubs
    assert any(said in one for one in signature_problems(stubs.replace(right, wrong, 1), hooks.DataHooks))


OF_THE_HOST = {
    "College", "Host", "PluginInfo", "Progress", "__version__", "configure_logging", "default_config_path",
    "init_template",
}  # fmt: skip
FOR_VENDORS = {name: vars(module)[name] for module in (fingerpost, fingerpost.lmi) for name in module.__all__}
"""Public names for those who call Fingerpost; every other one is for vendors."""


def test_every_public_name_for_vendors_is_documented() -> None:
    words = set(re.findall(r"\w+", " ".join(code_in(page("connectors.md")))))
    shown = set(re.findall(r"\w+", block("connectors.md", "fingerpost_noticeboard.py")))
    assert set(fingerpost.__all__) >= OF_THE_HOST
    assert not FOR_VENDORS.keys() - OF_THE_HOST - words - shown


def test_calls_are_shown_with_their_arguments_and_defaults() -> None:
    shown = {
        match[1]: match[2]
        for match in (re.fullmatch(r"(\w+)\((.*)\)", code) for code in code_in(page("connectors.md")))
        if match and match[1] in FOR_VENDORS.keys() - {"Json"}
    }
    assert shown.keys() == {
        "Record", "Deleted", "Rejected", "Checkpoint", "StreamSpec", "Finding", "Payload", "Receipt", "FingerpostError",
        "did_you_mean", "item_key", "mark_item", "read_mark", "Occupation", "NoData", "json_of", "plain_text",
        "fold_region",
    }  # fmt: skip
    for name, arguments in shown.items():
        told = inspect.signature(eval(f"lambda {arguments}: None"))  # our own page
        real = inspect.signature(FOR_VENDORS[name])
        assert _plain(told) == _plain(real), name


def _plain(signature: inspect.Signature) -> list[tuple[str, object]]:
    return [(one.name, one.default) for one in signature.parameters.values()]


def test_items_are_shown_with_their_fields() -> None:
    told = {
        row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in rows(section(page("connectors.md"), "## Channels"))
    }
    for name in ("Digest", "DigestLearner", "DigestLine", "DigestSource", "GapItem"):
        assert told[name] == [field.name for field in fields(getattr(fingerpost, name))]
    assert told["Person"] == list(fingerpost.Person._fields)
    assert {"sent", "temporary", "permanent", "unknown"} <= told.keys()
    assert set(get_args(fingerpost.ReceiptStatus)) <= told.keys()


def test_streams_states_names_and_options_are_those_of_the_code() -> None:
    text = page("connectors.md")
    spec = [row[0].strip("`") for row in rows(section(text, "## Streams"))]
    assert spec == [field.name for field in fields(fingerpost.StreamSpec) if field.name != "name"]
    names = section(text, "## States, names and versions")
    assert {row[0].strip("`") for row in rows(names)} == set(get_args(PluginState))
    reserved = re.search(r"Reserved names.*?:(.*?)\.\n", names, re.DOTALL)
    assert reserved is not None
    assert code_in(reserved[1]) == RESERVED_NAMES
    assert f"`API_VERSION` is {fingerpost.API_VERSION}." in names
    options = {name for row in rows(section(text, "## The HTTP helper")) for name in re.findall(r"`(\w+)`", row[0])}
    assert options == set(http.RequestOptions.__annotations__)


# Configuration


def default_of(field: FieldInfo) -> str:
    """Spell a default as the tables do."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{value:g}`"
    if value in ((), {}) or isinstance(value, BaseModel):
        return "`[]`" if value == () else "`{}`"
    if isinstance(value, tuple):
        return "all but responses" if value == STREAMS[:-1] else f"`{json.dumps(value)}`"
    assert isinstance(value, str | Path)
    return f'`"{value}"`'


def configuration_problems(
    text: str, heading: str, model: type[BaseModel], inherited: type[BaseModel] | None
) -> list[str]:
    """Compare a table of keys with a model."""
    told = {row[0].strip("`"): row[1] for row in rows(own_text(text, heading)) if len(row) == 3 and row[1] != ""}
    skip = set() if inherited is None else set(inherited.model_fields)
    real = {
        str(field.validation_alias or name): default_of(field)
        for name, field in model.model_fields.items()
        if name not in skip
    }
    problems = [f"{heading}: {key} is not documented" for key in real.keys() - told.keys()]
    problems += [
        f"{heading}: {key}: {told[key]} instead of {default}" for key, default in real.items()
        if key in told and told[key] != default
    ]  # fmt: skip
    return problems + [f"{heading}: there is no key {key}" for key in told.keys() - real.keys() - settings_named()]


def settings_named() -> set[str]:
    framework = FrameworkLibrary(Host.load().framework_files()).load("gatsby-colleges-2025", ROOT)
    return set(framework.settings)


TABLES: dict[str, tuple[type[BaseModel], type[BaseModel] | None]] = {
    **{
        f"## `[{name}]`": (cast("type[BaseModel]", field.annotation), None)
        for name, field in Settings.model_fields.items()
        if name not in ("precedence", "connector")
    },
    "## `[[connector]]`": (fingerpost.ConnectorConfig, None),
    "### Every source": (fingerpost.SourceConfig, fingerpost.ConnectorConfig),
    '### `type = "csv"`': (CsvConfig, fingerpost.SourceConfig),
    '### `type = "ilr"`': (IlrConfig, fingerpost.SourceConfig),
    '### `type = "promonitor"`': (PromonitorConfig, fingerpost.SourceConfig),
    "#### `[connector.tutors]`": (Tutors, None),
    "#### `[[connector.screens]]`": (Screen, None),
    "#### `[connector.responses]`": (Responses, None),
    '### `type = "promonitor-writeback"`': (PromonitorWriteConfig, fingerpost.ConnectorConfig),
    '### `type = "lmiforall"`': (LmiForAllConfig, fingerpost.ConnectorConfig),
    '### `type = "ncs"`': (NcsConfig, fingerpost.ConnectorConfig),
    '### `type = "apprenticeships"`': (ApprenticeshipsConfig, fingerpost.ConnectorConfig),
    '### `type = "occupationalmaps"`': (OccupationalMapsConfig, fingerpost.ConnectorConfig),
    '### `type = "email"`': (EmailConfig, fingerpost.ConnectorConfig),
}


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_documented_with_its_default(heading: str) -> None:
    model, inherited = TABLES[heading]
    assert not configuration_problems(page("configuration.md"), heading, model, inherited)


def test_a_wrong_default_and_a_forgotten_key_would_be_seen() -> None:
    text = page("configuration.md").replace("| `max_age_hours` | `48` |", "| `max_age_hours` | `24` |")
    text = re.sub(r"^\| `record_where`.*\n", "", text, flags=re.MULTILINE)
    model, inherited = TABLES["## `[alerts]`"]
    problems = configuration_problems(text, "## `[alerts]`", model, inherited)
    assert len(problems) == 2
    assert "max_age_hours: `24` instead of `48`" in problems[1]


def test_the_settings_of_the_framework_are_documented() -> None:
    told = {row[0].strip("`") for row in rows(own_text(page("configuration.md"), "## `[benchmarks]`"))}
    assert settings_named() <= told
    assert "## `[precedence]`" in page("configuration.md")


# Mappings


def test_every_operation_of_a_mapping_is_documented() -> None:
    text = page("mappings.md")
    told = {name for row in rows(text) for name in re.findall(r"`(\w+)`", row[0])}
    file_keys = set(MappingDocument.model_fields) - {"name", "file"} | {"extends"}
    assert file_keys <= {row[0].strip("`") for row in rows(section(text, "## The file"))}
    operations = {field.alias or name for name, field in FieldDocument.model_fields.items()}
    assert operations <= {row[0].strip("`") for row in rows(own_text(text, "## The operations of a field"))}
    tests = {field.alias or name for name, field in Condition.model_fields.items()} - {"field"}
    assert tests == {row[0].strip("`") for row in rows(section(text, "### Conditions"))}
    types = set(get_args(get_args(FieldDocument.model_fields["type"].annotation)[0]))
    assert types == {name for row in rows(section(text, "### Types")) for name in re.findall(r"`(\w+)`", row[0])}
    assert "values" in told


def test_canonical_fields_words_and_kinds_are_documented() -> None:
    text = section(page("mappings.md"), "## The canonical fields")
    told = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in rows(text) if " " not in row[0]}
    words = {row[0].replace("`", ""): re.findall(r"`(\w+)`", row[1]) for row in rows(text) if " " in row[0]}
    common = list(models.CanonicalRecord.model_fields)
    closed = {}
    for stream in STREAMS:
        model = models.MODELS[stream]
        assert told[stream] == [name for name in model.model_fields if name not in common]
        for name, field in model.model_fields.items():
            choices = _choices(field.annotation)
            if choices:
                closed[f"{stream} {name}"] = choices
    assert words == closed
    kinds = text.partition("The kinds of activity:")[2]
    assert code_in(kinds) == set(load_kinds())


def _choices(annotation: Any) -> list[str]:
    """Return the words of a Literal, alone or in a union with None."""
    parts = get_args(annotation)
    if parts and all(isinstance(part, str) for part in parts):
        return list(parts)
    return [word for part in parts for word in _choices(part)]


def test_the_shipped_mappings_are_named() -> None:
    shipped = {path.stem for path in Host.load().mapping_files()}
    assert shipped <= code_in(section(page("mappings.md"), "## How mappings are found"))


# For IT


def test_exit_codes_are_documented() -> None:
    told = {int(row[0]) for row in rows(section(page("it.md"), "## Exit codes"))}
    errors = {
        value.exit_code
        for value in vars(fingerpost).values()
        if isinstance(value, type) and issubclass(value, fingerpost.FingerpostError)
    }
    epilog = {int(code) for code in re.findall(r"(\d+) [a-z]", main.epilog or "")}
    assert told == epilog | errors | {0}


def codes_in_the_program() -> set[str]:
    """Return the reason codes that stand in calls which report a fault, and those of pydantic's error types."""
    calls = {"BadValue", "BadCell", "warn", "Rejected", "reject", "replace_warnings", "rejected"}
    found: set[str] = set()
    for path in [*ROOT.glob("core/**/*.py"), *ROOT.glob("connectors/*/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in calls:
                parts: list[ast.expr] = [*node.args, *(keyword.value for keyword in node.keywords)]
                found |= {str(one.value) for one in parts if isinstance(one, ast.Constant)}
            elif _sets_a_reason(node):
                found |= {str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant)}
    names = {name for model in models.MODELS.values() for name in model.model_fields}
    return {one for one in found if re.fullmatch(r"[a-z]+(_[a-z]+)+", one)} - names - {"end_date"}


def _sets_a_reason(node: ast.AST) -> bool:
    """Say whether this sets a `reason`, the table of pydantic's error types, or the code of an unreadable row."""
    if isinstance(node, ast.FunctionDef):
        return node.name == "_unreadable"
    targets = [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
    return isinstance(node, ast.Assign) and not {"reason", "_CODES"}.isdisjoint(targets)


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


_OF_PYDANTIC = {key for key in compiler._CODES if key not in compiler._CODES.values()}


def test_reason_codes_are_documented() -> None:
    told = {row[0].strip("`") for row in rows(section(page("it.md"), "## Reason codes"))}
    program = codes_in_the_program()
    assert {"bad_uln", "duplicate_key", "ambiguous_uln", "missing_reference", "ragged_row", "too_long"} <= program
    assert not program - told - _OF_PYDANTIC - set(_lmi.REASONS)
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in [*ROOT.glob("core/**/*.py"), *ROOT.glob("connectors/*/*.py")]
    )
    made = {"year_disagrees", "ukprn_disagrees"}
    assert '_disagrees"' in source
    assert not [code for code in told - made if f'"{code}"' not in source]


def test_the_backup_is_whole(demo: Path, tmp_path: Path) -> None:
    lines = [line for one in blocks(ROOT / "docs" / "it.md", "sh") for line in one.text.splitlines()]
    (line,) = [line for line in lines if line.startswith("python -c")]
    folder = tmp_path / "demo"
    shutil.copytree(demo, folder)
    subprocess.run([sys.executable, *shlex.split(line)[1:]], cwd=folder, check=True)
    counts = []
    for name in ("fingerpost.db", "backup.db"):
        connection = sqlite3.connect(folder / name)
        counts.append(connection.execute("SELECT count(*) FROM learner").fetchone())
        connection.close()
    assert counts[0] == counts[1] == (60,)


# For tutors and the data-protection officer


def test_every_part_of_the_message_is_explained(demo: Path) -> None:
    text = page("tutors.md")
    with College.open(demo / "fingerpost.toml") as college:
        found = college.preview()
    assert found
    headings = set()
    for one in found:
        lines = re.sub(r"=\r?\n", "", one.payload.content.decode("utf-8")).splitlines()
        for before, line in itertools.pairwise(lines):
            if line and set(line) == {"-"}:
                headings.add(before)
    assert headings
    assert not [heading for heading in headings if heading not in text]
    from fingerpost_email._words import _MARKS

    assert not [mark for mark in _MARKS.values() if f"*{mark}*" not in text]


@pytest.mark.parametrize("column", ["learner_ref", "row_number"])
def test_a_column_that_is_kept_out_is_read_by_no_mapping_and_is_no_key(tmp_path: Path, column: str) -> None:
    config = tmp_path / "fingerpost.toml"
    config.write_text(
        f'{COLLEGE}[[connector]]\ntype = "csv"\nname = "x"\npath = "x.csv"\nstream = "learners"\n'
        f'mapping = "learners"\nkey = ["row_number"]\n[privacy]\nnever_ingest = ["{column}"]\n',
        encoding="utf-8",
    )
    with pytest.raises(fingerpost.ConfigError, match=f'the column "{column}", which .* never_ingest keeps out'):
        College.open(config)


def test_every_table_of_the_store_is_accounted_for() -> None:
    told = {row[0].strip("`") for row in rows(section(page("privacy.md"), "## The tables of the store"))}
    assert told == set(schema.metadata.tables)


def test_the_phases_and_points_are_those_of_a_run(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo, tmp_path / "demo")
    with College.open(tmp_path / "demo" / "fingerpost.toml") as college:
        phases = list(college.sync().phases)
    text = page("how-it-works.md")
    *before, last = (f"`{phase}`" for phase in phases)
    assert f"are {', '.join(before)} and {last}" in text
    assert f"every one of {len(FAILPOINTS)}\npoints" in text or f"every one of {len(FAILPOINTS)} points" in text
