"""The plugin host: what it loads, what it refuses and in which words, and how it calls one connector alone."""

from __future__ import annotations

import importlib.metadata
import itertools
import sys
import textwrap
from typing import TYPE_CHECKING, Any, cast

import plugins
import pytest

from fingerpost import (
    AuthError,
    Channel,
    Checkpoint,
    ConfigError,
    Connector,
    ConnectorConfig,
    Context,
    ContractError,
    Cursor,
    Enricher,
    Finding,
    Message,
    Payload,
    Receipt,
    Record,
    Source,
    SourceConfig,
    StreamSpec,
    hookimpl,
)
from fingerpost._plugins.admission import RESERVED_NAMES, PluginInfo
from fingerpost._plugins.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CONTEXT = cast("Context", None)  # no connector here looks at it
_serial = itertools.count()

GOOD = """
from fingerpost import Source, StreamSpec, hookimpl

class Acme(Source):
    name = "{name}"
    streams = (StreamSpec("learners"),)

    @hookimpl
    def read_learners(self, cursor, context):
        yield from ()

@hookimpl
def connectors():
    return [Acme]
"""


def named(line: str) -> str:
    """Return a good plugin with this line in place of its connector's name."""
    return GOOD.replace('name = "{name}"', line)


HOOK = "import sys, pathlib\nfrom fingerpost import Connector, hookimpl\n@hookimpl\ndef "
"""How a plugin begins whose one hook is all that matters of it."""


class Site:
    """A folder of installed distributions, as pip would leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, source: str, *, dist: str = "", version: str = "1.2", entry: str = "") -> str:
        """Install one plugin and return the name of its module."""
        module = f"plugin_{next(_serial)}"
        text = textwrap.dedent(source).replace("{name}", name)
        (self.folder / f"{module}.py").write_text(text, encoding="utf-8")
        plugins.install(self.folder, dist or f"{name}-dist", name, entry or module, version=version)
        return module

    def load(self) -> Host:
        distributions = importlib.metadata.distributions(path=[str(self.folder)])
        return Host.load(entry_points=[point for dist in distributions for point in dist.entry_points])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("FINGERPOST_STRICT_PLUGINS", raising=False)
    monkeypatch.delenv("FINGERPOST_DISABLE_PLUGINS", raising=False)
    yield Site(folder)
    for name in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[name]


def plugin(host: Host, name: str) -> PluginInfo:
    (found,) = [info for info in host.plugins if info.name == name]
    return found


# Loading


def test_a_good_plugin_is_loaded_and_its_connector_found(site: Site) -> None:
    site.install("acme", GOOD, dist="acme-ilp", version="2.5")
    host = site.load()
    assert plugin(host, "acme").as_dict() == {
        "name": "acme",
        "distribution": "acme-ilp",
        "version": "2.5",
        "state": "loaded",
        "cause": "",
        "connectors": ["acme"],
        "api": 1,
        "builtin": False,
    }
    assert host.connector_types() == ("acme",)
    assert host.connector_class("acme").__name__ == "Acme"


@pytest.mark.parametrize(
    ("source", "state", "words"),
    [
        ("raise RuntimeError('no licence\\nsecond line')", "failed", ["imported", "RuntimeError: no licence."]),
        ("import no_such_module_here", "failed", ["imported", "No module named 'no_such_module_here'"]),
        ("def broken(:", "failed", ["imported", "SyntaxError"]),
        ("import sys; sys.exit(3)", "failed", ["tried to end the program", "imported"]),
        ("x = 1", "failed", ["no hook", "@hookimpl"]),
        (f"{HOOK}connectors():\n    raise KeyError('x')", "failed", ["connectors() was called", "KeyError"]),
        (f"{HOOK}connectors():\n    sys.exit()", "failed", ["tried to end the program", "connectors()"]),
        (f"{HOOK}connectors():\n    return ['Acme']", "failed", ["type str", "Source, Enricher or Channel"]),
        (f"{HOOK}connectors():\n    return [Connector]", "failed", ["Source, Enricher or Channel"]),
        (named("pass"), "failed", ["class Acme", "needs a name"]),
        (named('name = "No Good"'), "failed", ["class Acme", "needs a name"]),
        (named('name = "acme"; Config = dict'), "failed", ["Config", "ConnectorConfig"]),
        (GOOD.replace("[Acme]", "[Acme, Acme]"), "failed", ["'acme' twice"]),
        (named('name = "acme"; api = 99'), "incompatible", ["version 99", "version 1", "update F"]),
        (named('name = "acme"; api = 0'), "incompatible", ["version 0", "update the plugin"]),
        (f"{HOOK}mappings():\n  return [pathlib.Path('nowhere.toml')]", "failed", ["mappings()", "nowhere.toml"]),
        (f"{HOOK}converters():\n    return {{'x': 3}}", "failed", ["converters()", "functions"]),
    ],
)
def test_a_bad_plugin_is_one_sentence_and_hurts_nobody(site: Site, source: str, state: str, words: list[str]) -> None:
    site.install("acme", source, dist="acme-ilp", version="0.9")
    site.install("zenith", GOOD)
    host = site.load()
    bad = plugin(host, "acme")
    assert (bad.state, bad.distribution, bad.version) == (state, "acme-ilp", "0.9")
    for word in words:
        assert word in bad.cause
    assert "\n" not in bad.cause
    assert "Traceback" not in bad.cause
    assert bad.cause.endswith(".")
    assert host.connector_types() == ("zenith",)


def test_nothing_is_kept_of_a_plugin_that_fails_halfway(site: Site) -> None:
    (site.folder / "careers.toml").write_text("", encoding="utf-8")
    site.install(
        "acme",
        GOOD
        + """
from pathlib import Path

@hookimpl
def mappings():
    return [Path(__file__).with_name("careers.toml")]

@hookimpl
def run_started(run, as_of):
    raise AssertionError("called although the plugin is not loaded")

@hookimpl
def converters():
    raise ValueError("late")
""",
    )
    host = site.load()
    assert plugin(host, "acme").state == "failed"
    assert host.connector_types() == ()
    assert "careers" not in [path.stem for path in host.mapping_files()]
    host.run_started(1, "2026-03-02")


@pytest.mark.parametrize("entry", ["plugin:object", "not a module", "a..b"])
def test_an_entry_point_must_name_a_module(site: Site, entry: str) -> None:
    site.install("acme", GOOD, entry=entry)
    assert "must name a module" in plugin(site.load(), "acme").cause


# Names


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_reserved_name_is_refused_without_even_importing_the_plugin(site: Site, name: str) -> None:
    module = site.install(name, "raise AssertionError('imported')", dist="evil")
    refused = [info for info in site.load().plugins if info.distribution == "evil"]
    assert [info.state for info in refused] == ["duplicate"]
    assert "reserved" in refused[0].cause
    assert f"'{name}'" in refused[0].cause
    assert module not in sys.modules


@pytest.mark.parametrize(
    ("name", "words"), [("csv", "'csv'"), ("acme", "acme (acme-ilp 2.5)")], ids=["reserved", "taken"]
)
def test_a_name_that_a_connector_may_not_have_is_refused(site: Site, name: str, words: str) -> None:
    site.install("acme", GOOD, dist="acme-ilp", version="2.5")
    site.install("other", GOOD.replace("{name}", name))
    host = site.load()
    assert [plugin(host, one).state for one in ("acme", "other")] == ["loaded", "duplicate"]
    assert words in plugin(host, "other").cause
    assert host.connector_types() == ("acme",)


def test_two_distributions_with_one_entry_point_name(site: Site) -> None:
    site.install("acme", GOOD, dist="b-second")
    site.install("acme", GOOD, dist="a-first")
    states = {info.distribution: info.state for info in site.load().plugins}
    assert states["a-first"] == "loaded"
    assert states["b-second"] == "duplicate"


def test_a_converter_that_another_plugin_has_is_a_status_and_not_a_crash(site: Site) -> None:
    source = f"{HOOK}converters():\n    return {{'grade': int}}"
    site.install("one", source)
    site.install("two", source)
    host = site.load()
    assert [plugin(host, name).state for name in ("one", "two")] == ["loaded", "duplicate"]
    assert host.converters()["grade"] is int
    assert "converter, 'grade'" in plugin(host, "two").cause


def test_a_plugin_can_be_switched_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    module = site.install("acme", GOOD)
    monkeypatch.setenv("FINGERPOST_DISABLE_PLUGINS", "other, acme")
    monkeypatch.setenv("FINGERPOST_STRICT_PLUGINS", "1")  # what was asked for is no failure
    host = site.load()
    assert plugin(host, "acme").state == "blocked"
    assert module not in sys.modules


def test_strict_mode_raises_what_the_list_would_have_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("acme", "raise RuntimeError('no licence')", dist="acme-ilp", version="2.5")
    monkeypatch.setenv("FINGERPOST_STRICT_PLUGINS", "1")
    with pytest.raises(ContractError, match=r"acme \(acme-ilp 2\.5\) is failed: .*no licence"):
        site.load()


def test_an_unknown_type_names_the_nearest_and_the_broken(site: Site) -> None:
    site.install("acme", GOOD)
    site.install("broken", "import sys; sys.exit(1)", dist="broken-dist", version="3.1")
    host = site.load()
    with pytest.raises(ConfigError) as near:
        host.connector_class("acmee")
    assert "Did you mean 'acme'?" in near.value.message
    assert "broken (broken-dist 3.1)" in near.value.message
    with pytest.raises(ContractError, match=r"'broken' is unavailable because .*tried to end the program"):
        host.connector_class("broken")


# Spelling of hooks


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("@hookimpl\ndef connectors", "@hookimpl\ndef connector", ["connector()", "Did you mean 'connectors'?"]),
        ("@hookimpl\ndef connectors", "def connectors", ["connectors()", "not marked", "@hookimpl"]),
        ("@hookimpl\ndef connectors", "def connector", ["connector()", "looks like the hook 'connectors'"]),
        ("@hookimpl\ndef connectors():", "@hookimpl\ndef connectors(host):", ["'host'", "It takes no arguments."]),
        ("def read_learners", "def read_learner", ["class Acme", "read_learner()", "Did you mean 'read_learners'?"]),
        ("def read_learners", "def read_activity", ["read_activity()", "Did you mean 'read_activities'?"]),
        ("    @hookimpl\n    def read_learners", "    def read_learners", ["read_learners()", "not marked"]),
        (
            "    @hookimpl\n    def read_learners",
            "    def readLearners",
            ["readLearners()", "like the hook 'read_learners'"],
        ),
        ("cursor, context", "cursor, contxt", ["'contxt'", "which it is not given. Did you mean 'context'?"]),
        ("cursor, context", "cursor, context=None", ["never receive 'context'", "without a default"]),
        ("cursor, context", "cursor, *, context", ["never receive 'context'", "plain argument"]),
        ("def read_learners(self, cursor, context)", "def mappings(self)", ["mappings()", "out of the class"]),
        (
            "def connectors():",
            "def check(context):\n    pass\n\ndef connectors():",
            ["check()", "into the connector's"],
        ),
        (
            "@hookimpl\n    def read",
            "@hookimpl(specname='read_learner')\n    def read",
            ["Did you mean 'read_learners'?"],
        ),
        (
            "[Acme]",
            "[Better]\n\nclass Better(Acme):\n    def read_learners(self, cursor, context):\n        pass",
            ["not marked"],
        ),
    ],
)
def test_a_misspelt_hook_is_named_with_the_right_spelling(site: Site, old: str, new: str, words: list[str]) -> None:
    assert old in GOOD
    site.install("acme", GOOD.replace(old, new))
    bad = plugin(site.load(), "acme")
    assert bad.state == "failed"
    for word in words:
        assert word in bad.cause


def test_helpers_properties_and_optional_arguments_are_nobodys_business(site: Site) -> None:
    site.install(
        "acme",
        GOOD.replace("cursor, context):", "context, page_size=100, *more, **others):")
        + """
from os.path import join as reads

def _connector():
    return None

class Helper:
    pass

Acme._read_learner = lambda self: None
Acme.session = property(lambda self: 1 / 0)
Acme.open_file = lambda self: None
""",
    )
    assert plugin(site.load(), "acme").state == "loaded"


def test_the_api_version_explains_a_hook_of_a_later_contract(site: Site) -> None:
    source = named('name = "acme"; api = 2')
    site.install("acme", source + "\n@hookimpl\ndef dashboards():\n    return []\n")
    assert plugin(site.load(), "acme").state == "incompatible"


# Secrets and events


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host.load(entry_points=[])
    monkeypatch.setenv("CAREERS_PASSWORD", "pa ss")
    (tmp_path / "password.txt").write_text("\ufeffswordfish \r\n", encoding="utf-8")
    assert host.resolve_secret({"env": "CAREERS_PASSWORD"}) == "pa ss"
    assert host.resolve_secret({"file": str(tmp_path / "password.txt")}) == "swordfish "


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"env": "CAREERS_UNSET"}, "CAREERS_UNSET is not set"),
        ({"file": "no/such/file"}, "there is no file"),
        ({"keyring": "no-slash"}, "service/user"),
        ({"vault": "x"}, "no plugin knows secrets of the kind 'vault'"),
        ({"env": "A", "file": "B"}, "write one of"),
        ({"env": 3}, "write one of"),
        ({}, "write one of"),
    ],
)
def test_a_secret_that_is_not_there_is_explained(
    reference: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAREERS_UNSET", raising=False)
    with pytest.raises(ConfigError, match=words):
        Host.load(entry_points=[]).resolve_secret(reference)


def test_a_plugin_may_know_other_secrets_and_may_fail(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("avault", f"{HOOK}resolve_secret(reference):\n    raise RuntimeError('no connection')\n")
    answer = "return 'from the vault' if 'vault' in reference else None"
    site.install("vault", f"{HOOK}resolve_secret(reference):\n    {answer}\n")
    host = site.load()
    monkeypatch.setenv("CAREERS_PASSWORD", "swordfish")
    assert host.resolve_secret({"vault": "x"}) == "from the vault"
    assert host.resolve_secret({"env": "CAREERS_PASSWORD"}) == "swordfish"
    with pytest.raises(ConfigError, match=r"\(avault failed"):
        host.resolve_secret({"other": "x"})


def test_every_plugin_hears_of_an_event_whatever_another_raises(site: Site) -> None:
    source = """
        import sys
        from fingerpost import hookimpl

        heard = []

        @hookimpl
        def run_started(run, as_of):
            heard.append((run, as_of))
            {raising}

        @hookimpl
        def record_quarantined(connector, reason):
            heard.append((connector, reason))

        @hookimpl
        def run_finished(summary):
            heard.append(summary)
    """
    loud = site.install("loud", source.replace("{raising}", "sys.exit(1)"))
    angry = site.install("angry", source.replace("{raising}", "raise ValueError"))
    calm = site.install("calm", source.replace("{raising}", "pass"))
    host = site.load()
    host.run_started(7, "2026-03-02")
    host.record_quarantined("mis", "learners", "missing_required", "learner_ref")
    host.run_finished(7, {"status": "succeeded"})
    for module in (loud, angry, calm):
        heard = sys.modules[module].heard
        assert heard == [(7, "2026-03-02"), ("mis", "missing_required"), {"status": "succeeded"}]


# Instances


class Reader(Source):
    name = "reader"
    streams: tuple[StreamSpec, ...] = (StreamSpec("learners"), StreamSpec("activities"))
    answer: Any = ()

    @hookimpl
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        answer = self.answer() if callable(self.answer) else self.answer
        return cast("Iterator[Message]", answer)

    @hookimpl
    def read_activities(self, cursor: Cursor | None) -> Iterator[Message]:
        yield Checkpoint(cursor)


class Post(Channel):
    name = "post"
    receipts: Any = ()
    rendered: Any = None

    @hookimpl
    def render(self, item: object) -> Any:
        return self.rendered

    @hookimpl
    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        yield from self.receipts


def reader(name: str = "mis", answer: Any = (), kind: type[Reader] = Reader) -> Reader:
    made = kind(SourceConfig(type="reader", name=name))
    made.answer = answer
    return made


def post(receipts: Any = (), rendered: Any = None) -> Post:
    made = Post(ConnectorConfig(type="post", name="mail"))
    made.receipts, made.rendered = receipts, rendered
    return made


def payload(key: str) -> Payload:
    return Payload(key, "a@example.ac.uk", b"", "message/rfc822", f"<{key}>", "Careers")


@pytest.fixture
def host() -> Host:
    return Host.load(entry_points=[])


def test_an_instance_is_called_alone(host: Host) -> None:
    def explode() -> None:
        raise RuntimeError("the other one")

    good = host.add(reader("good", [Record("1", {}), Checkpoint("2026-03-02")]))
    bad = host.add(reader("bad", explode))
    assert list(good.read("learners", None, CONTEXT)) == [Record("1", {}), Checkpoint("2026-03-02")]
    assert list(bad.read("activities", "2026-01-01", CONTEXT)) == [Checkpoint("2026-01-01")]
    with pytest.raises(RuntimeError, match="the other one"):
        list(bad.read("learners", None, CONTEXT))
    assert good.has("read_learners")
    assert not good.has("check")
    assert not good.has("deliver")
    assert [spec.name for spec in good.streams] == ["learners", "activities"]


def test_an_instance_shows_no_configuration(host: Host) -> None:
    assert repr(host.add(reader("mis"))) == "Instance(name='mis', type='reader')"


def test_the_generator_is_closed_when_the_host_has_had_enough(host: Host) -> None:
    closed = []

    def endless() -> Iterator[Message]:
        try:
            while True:
                yield Record("1", {})
        finally:
            closed.append(True)

    kept = endless()  # so that it is the host, and not the end of the last reference, that closes it
    messages = host.add(reader("mis", kept)).read("learners", None, CONTEXT)
    next(messages)
    messages.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_what_was_read_before_an_exception_was_read(host: Host) -> None:
    def cut() -> Iterator[Message]:
        yield Record("1", {})
        raise OSError("cut off")

    messages = host.add(reader("mis", cut)).read("learners", None, CONTEXT)
    assert next(messages) == Record("1", {})
    with pytest.raises(OSError, match="cut off"):
        next(messages)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "returned nothing"),
        (7, "an object of type int instead of yielding"),
        ([{"GivenNames": "Aroha"}], "an object of type dict; it may yield only Record, Checkpoint, Rejected, Deleted"),
        ([("1", {})], "an object of type tuple"),
        ("Aroha", "an object of type str"),
    ],
)
def test_anything_but_the_four_messages_breaks_the_contract(host: Host, answer: object, words: str) -> None:
    instance = host.add(reader("mis", answer))
    with pytest.raises(ContractError, match=words) as caught:
        list(instance.read("learners", None, CONTEXT))
    assert "read_learners of the connector 'mis' (type 'reader')" in caught.value.message
    assert "Aroha" not in caught.value.message


def test_a_connector_cannot_end_the_program(host: Host) -> None:
    def leave() -> Iterator[Message]:
        yield Record("1", {})
        sys.exit(0)

    lazy = host.add(reader("lazy", leave))
    eager = host.add(reader("eager", sys.exit))
    for instance in (lazy, eager):
        with pytest.raises(ContractError, match="tried to end the program"):
            list(instance.read("learners", None, CONTEXT))


def test_check_turns_every_failure_into_a_finding(host: Host) -> None:
    class Checked(Reader):
        trouble: BaseException | None = None

        @hookimpl
        def check(self, context: Context) -> Iterator[Finding]:
            yield Finding("ok", "the server answers")
            if self.trouble:
                raise self.trouble

    def check(trouble: BaseException | None, name: str) -> list[Finding]:
        made = cast("Checked", reader(name, kind=Checked))
        made.trouble = trouble
        return host.add(made).check(CONTEXT)

    ok = Finding("ok", "the server answers")
    assert check(None, "fine") == [ok]
    assert check(AuthError("The password was refused."), "auth") == [ok, Finding("error", "The password was refused.")]
    strange = check(ValueError("Aroha Ngata"), "strange")
    assert [finding.level for finding in strange] == ["ok", "error"]
    assert "ValueError" in strange[1].message
    assert "Aroha" not in strange[1].message
    assert check(SystemExit(3), "leaving")[1].level == "error"
    assert host.add(reader("unchecked")).check(CONTEXT)[0].level == "warning"


def test_receipts_are_for_what_was_handed_over(host: Host) -> None:
    given = [payload("a"), payload("b")]
    fine = host.add(post([Receipt("b", "sent"), Receipt("a", "temporary")]))
    assert [receipt.key for receipt in fine.deliver(given, CONTEXT)] == ["b", "a"]
    assert [receipt.status for receipt in fine.reconcile(given, CONTEXT)] == ["unknown", "unknown"]


@pytest.mark.parametrize(
    ("receipts", "words"),
    [
        ([Receipt("z", "sent")], "not given"),
        ([Receipt("a", "sent"), Receipt("a", "sent")], "two for one"),
        ([Receipt("a", cast("Any", "delivered"))], "unknown status"),
        ([("a", "sent")], "may yield only Receipt"),
    ],
)
def test_a_wrong_receipt_breaks_the_contract(host: Host, receipts: list[Any], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        list(host.add(post(receipts)).deliver([payload("a")], CONTEXT))


def test_render_returns_a_payload(host: Host) -> None:
    item = cast("Any", object())
    assert host.add(post(rendered=payload("a"))).render(item, CONTEXT) == payload("a")
    other = Host.load(entry_points=[])
    with pytest.raises(ContractError, match="type str instead of a Payload"):
        other.add(post(rendered="text")).render(item, CONTEXT)


def test_a_name_can_be_given_once(host: Host) -> None:
    host.add(reader("mis"))
    with pytest.raises(ConfigError, match="Two connectors are called 'mis'"):
        host.add(reader("mis"))


def declaring(*streams: Any) -> type[Reader]:
    return type("Declaring", (Reader,), {"streams": streams})


class Unmarked(Reader):
    def read_learners(self, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        yield from ()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            declaring(StreamSpec("learners")),
            "has the hook read_activities but does not declare the stream 'activities'",
        ),
        (
            declaring(*Reader.streams, StreamSpec("destinations")),
            "declares the stream 'destinations' but lacks the hook read_destinations",
        ),
        (declaring(*Reader.streams, StreamSpec("learners")), "'learners' twice"),
        (declaring(*Reader.streams, StreamSpec(cast("Any", "learner"))), "Did you mean 'learners'?"),
        (declaring("learners"), "tuple of StreamSpec"),
        (Unmarked, "not marked as a hook"),
    ],
)
def test_a_source_keeps_its_word_about_its_streams(host: Host, kind: type[Reader], words: str) -> None:
    with pytest.raises(ContractError, match=words.replace("?", r"\?")) as caught:
        host.add(reader("mis", kind=kind))
    assert "'reader'" in caught.value.message


def test_an_instance_may_choose_among_its_hooks(host: Host) -> None:
    chosen = reader("mis")
    chosen.streams = (StreamSpec("activities"),)
    assert [spec.name for spec in host.add(chosen).streams] == ["activities"]


def test_a_channel_needs_its_two_hooks_and_a_connector_its_config(host: Host) -> None:
    class Mute(Channel):
        name = "mute"

    class Forgetful(Enricher):
        name = "forgetful"

        def __init__(self, config: ConnectorConfig) -> None:
            pass

    with pytest.raises(ContractError, match="render and deliver"):
        host.add(Mute(ConnectorConfig(type="mute", name="mute")))
    with pytest.raises(ContractError, match="super"):
        host.add(Forgetful(ConnectorConfig(type="forgetful", name="forgetful")))


def test_a_property_of_a_connector_is_not_executed(host: Host) -> None:
    class Lazy(Reader):
        @property
        def session(self) -> object:
            raise AssertionError("a connection was opened")

    assert isinstance(host.add(reader("mis", kind=Lazy)).connector, Connector)
