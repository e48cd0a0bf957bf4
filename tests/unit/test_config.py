"""The configuration: what a right one gives, and one sentence for each way to get it wrong."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fingerpost import ConfigError, ContractError
from fingerpost._config.configuration import Configuration, default_config_path, init_template
from fingerpost._config.reader import load_config
from fingerpost._config.settings import Settings
from fingerpost._plugins.host import Host
from fingerpost._store.disks import _filesystem, refuse_network_share
from fingerpost._words.faults import config_error, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Load = Callable[[str], Configuration]
    Problem = Callable[[str], str]

COLLEGE = """
[college]
name = "Example College"
ukprn = 99999999
"""

PLUGIN = """
from typing import Annotated
from fingerpost import Channel, ConfigError, ConnectorConfig, Enricher, Source, SourceConfig, StreamSpec, hookimpl
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

class Login(BaseModel):
    user: str
    password: Annotated[SecretStr, Field(min_length=1)]

class AcmeConfig(SourceConfig):
    url: str = Field(default="https://ilp.example.ac.uk", description="Where the ILP answers.")
    token: SecretStr | None = None
    headers: dict[str, SecretStr] = {}
    logins: tuple[Login, ...] = ()
    limit: int = Field(default=10, ge=1, le=100, description="How many at a time.")
    mode: str = "plain"

    @field_validator("mode")
    @classmethod
    def _mode(cls, value, info):
        if value == "echo":
            raise ValueError("is not a mode: " + info.data["token"].get_secret_value())
        return value

    @model_validator(mode="after")
    def _both(self):
        if self.mode == "both":
            raise ValueError("`mode` and `limit` go together")
        return self

class Acme(Source):
    name = "acme"
    Config = AcmeConfig
    streams = (StreamSpec("learners"),)

    def __init__(self, config):
        super().__init__(config)
        if config.mode == "refuse":
            raise ConfigError("this cannot be")
        if config.mode == "crash":
            raise RuntimeError("boom")

    @hookimpl
    def read_learners(self, cursor, context):
        yield from ()

class Market(Enricher):
    name = "market"

class Post(Channel):
    name = "post"

    @hookimpl
    def render(self, item, context):
        pass

    @hookimpl
    def deliver(self, payloads, context):
        yield from ()

@hookimpl
def connectors():
    return [Acme, Market, Post]
"""

ACME = '\n[[connector]]\ntype = "acme"\nname = "ilp"\n'


@pytest.fixture(scope="module")
def entry_points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[importlib.metadata.EntryPoint]]:
    """Our own connectors, and a vendor's with every kind of secret."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "configurable_plugin.py").write_text(PLUGIN, encoding="utf-8")
    sys.path.insert(0, str(folder))
    own = importlib.metadata.entry_points(group="fingerpost")
    yield [*own, importlib.metadata.EntryPoint("acme", "configurable_plugin", "fingerpost")]
    sys.path.remove(str(folder))


@pytest.fixture
def load(tmp_path: Path, entry_points: list[importlib.metadata.EntryPoint]) -> Load:
    def _load(text: str) -> Configuration:
        path = tmp_path / "fingerpost.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, Host.load(entry_points=entry_points))

    return _load


@pytest.fixture
def problem(load: Load, tmp_path: Path) -> Problem:
    """Return the one sentence that a wrong configuration gets, without the file's name."""

    def _problem(text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load(text)
        message = caught.value.message
        assert message.startswith(f"{tmp_path / 'fingerpost.toml'}: "), message
        assert "\n" not in message
        return message.removeprefix(f"{tmp_path / 'fingerpost.toml'}: ")

    return _problem


# What a right one gives


def test_the_smallest_configuration(load: Load, tmp_path: Path) -> None:
    loaded = load(COLLEGE)
    assert loaded.settings.college.ukprn == 99999999
    assert loaded.settings.store.path == tmp_path / "fingerpost.db"
    assert loaded.base_dir == tmp_path
    assert loaded.instances == ()
    assert [(channel.name, channel.config.type) for channel in loaded.channels] == [("outbox", "email")]
    assert loaded.store_url is None
    assert loaded.secrets == ()
    assert loaded.allowed_domains == ()


def test_without_an_email_connector_there_is_no_implicit_outbox(tmp_path: Path) -> None:
    path = tmp_path / "fingerpost.toml"
    path.write_text(COLLEGE, encoding="utf-8")
    assert load_config(path, Host.load(entry_points=[])).channels == ()


def test_connectors_keep_their_order_and_their_kind(load: Load) -> None:
    tables = [("acme", "b"), ("post", "told"), ("acme", "a"), ("market", "lmi"), ("nothing-we-know", "off")]
    text = COLLEGE + "".join(f'[[connector]]\ntype = "{type_}"\nname = "{name}"\n' for type_, name in tables)
    loaded = load(text + "enabled = false\n")
    assert [instance.name for instance in loaded.instances] == ["b", "a"]
    assert [instance.name for instance in loaded.channels] == ["told"]
    assert [instance.name for instance in loaded.enrichers] == ["lmi"]


def test_the_implicit_outbox_gives_way_to_a_connector_of_its_name(load: Load) -> None:
    loaded = load(COLLEGE + ACME.replace("ilp", "outbox"))
    assert [channel.name for channel in loaded.channels] == ["file-outbox"]


@pytest.mark.parametrize("prefix", ["\ufeff", ""])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_file_as_notepad_saves_it(load: Load, prefix: str, ending: str) -> None:
    text = (prefix + COLLEGE.replace("Example", "Llangefni Coleg Môn")).replace("\n", ending)
    assert load(text).settings.college.name == "Llangefni Coleg Môn College"


def test_the_careers_leaders_domain_is_allowed_unless_others_are(load: Load) -> None:
    alerts = '[alerts]\ncareers_leader = "careers@Example.ac.uk"\n'
    assert load(COLLEGE + alerts).allowed_domains == ("example.ac.uk",)
    assert load(COLLEGE + alerts + 'allowed_domains = ["A.uk", "@b.uk"]').allowed_domains == ("a.uk", "b.uk")


def test_addresses_that_took_others_places_are_followed_to_the_last(load: Callable[[str], Configuration]) -> None:
    same = '[alerts.same_person]\n"One@A.uk" = "two@a.uk"\n"two@a.uk" = "Three@a.uk"\n"other@a.uk" = "three@A.uk"\n'
    alerts = load(COLLEGE + same).settings.alerts
    assert [alerts.address_now(old) for old in ("ONE@a.uk", "two@a.uk", "three@a.uk", "x@a.uk")] == [
        "three@a.uk", "three@a.uk", "three@a.uk", "x@a.uk",
    ]  # fmt: skip
    assert set(alerts.addresses_of("three@a.uk")) == {"one@a.uk", "two@a.uk", "other@a.uk", "three@a.uk"}
    assert alerts.addresses_of("x@a.uk") == ("x@a.uk",)


@pytest.mark.parametrize(
    ("same", "word"),
    [
        ('"a@x.uk" = "A@x.uk"', "circle"),
        ('"a@x.uk" = "b@x.uk", "b@x.uk" = "c@x.uk", "c@x.uk" = "a@x.uk"', "circle"),
        ('"start@x.uk" = "b@x.uk", "b@x.uk" = "c@x.uk", "c@x.uk" = "b@x.uk"', "circle"),
        ('"a@x.uk" = "b@x.uk", "A@x.uk" = "c@x.uk"', "two new ones"),
        ('"a@x.uk" = "b"', "not an e-mail address"),
        ('"Ash Alder" = "b@x.uk"', "not an e-mail address"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused_and_not_shown(
    same: str, word: str, problem: Callable[[str], str]
) -> None:
    said = problem(f"{COLLEGE}[alerts]\nsame_person = {{ {same} }}\n")
    assert said.startswith("[alerts] same_person ")
    assert word in said
    assert "x.uk" not in said


@pytest.mark.parametrize(
    "precedence",
    [
        'email = ["ilp"]\ntutor = ["ilp"]',
        '"learner.email" = ["ilp"]\ntutor = ["ilp"]',
        'learner.email = ["ilp"]\ntutor = ["ilp"]',
    ],
)
def test_precedence_in_each_spelling(load: Load, precedence: str) -> None:
    loaded = load(f"{COLLEGE}{ACME}[precedence]\n{precedence}\n")
    assert loaded.settings.precedence == {"email": ("ilp",), "tutor": ("ilp",)}


def test_precedence_may_name_a_connector_that_is_switched_off(load: Load) -> None:
    loaded = load(f'{COLLEGE}{ACME}enabled = false\n[precedence]\nemail = ["ilp"]\n')
    assert loaded.instances == ()


def test_the_default_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FINGERPOST_CONFIG", raising=False)
    assert default_config_path() == Path("fingerpost.toml")
    monkeypatch.setenv("FINGERPOST_CONFIG", "/etc/fingerpost/college.toml")
    assert default_config_path() == Path("/etc/fingerpost/college.toml")


def test_what_init_writes_is_a_configuration(load: Load, tmp_path: Path) -> None:
    loaded = load(init_template())
    assert [instance.name for instance in loaded.instances] == ["mis", "tutors", "careers-log"]
    assert [channel.name for channel in loaded.channels] == ["outbox"]
    assert loaded.settings.store.path == tmp_path / "fingerpost.db"


def test_what_init_writes_explains_every_table_and_all_its_remarks_are_right(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = init_template()
    for table in Settings.model_fields:
        assert f"[{table}]" in text
    for name in ("college-ca.pem", "crosswalk.csv", "occupations.csv"):
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.setenv("FINGERPOST_SMTP_PASSWORD", "swordfish")
    monkeypatch.setenv("FINGERPOST_STORE_URL", "postgresql://careers@db/careers")
    # Take every suggestion: the "# " before a table or a key goes.
    suggested = re.sub(r"^# (?=\[|\w+ = )", "", text.partition("[college]")[2], flags=re.MULTILINE)
    loaded = load("[college]" + suggested)
    assert [channel.name for channel in loaded.channels] == ["mail"]
    assert loaded.store_url == "postgresql://careers@db/careers"
    assert loaded.settings.precedence == {"email": ("careers-log", "mis")}
    assert loaded.settings.logging.json_lines


# Secrets


def test_secrets_are_resolved_wherever_a_model_has_one(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ILP_TOKEN", "token-1")
    monkeypatch.setenv("ILP_HEADER", "header-2")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login.txt").write_text("login-3\n", encoding="utf-8")
    loaded = load(
        COLLEGE
        + ACME
        + 'token = { env = "ILP_TOKEN" }\nheaders = { Key = { env = "ILP_HEADER" } }\n'
        + '[[connector.logins]]\nuser = "careers"\npassword = { file = "secrets/login.txt" }\n'
    )
    config = cast("Any", loaded.instances[0].config)
    assert config.token == SecretStr("token-1")
    assert config.headers == {"Key": SecretStr("header-2")}
    assert config.logins[0].password == SecretStr("login-3")
    assert set(loaded.secrets) == {"token-1", "header-2", "login-3"}
    for secret in loaded.secrets:
        assert secret not in repr(loaded)
        assert secret not in repr(config)


def test_a_keyring_reference(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {("college/ilp", "careers"): "swordfish"}
    keyring = SimpleNamespace(get_password=lambda service, user: held.get((service, user)))
    monkeypatch.setitem(sys.modules, "keyring", cast("Any", keyring))
    loaded = load(COLLEGE + ACME + 'token = { keyring = "college/ilp/careers" }\n')
    assert cast("Any", loaded.instances[0].config).token == SecretStr("swordfish")
    with pytest.raises(ConfigError, match="has no password for user other of service college/ilp"):
        load(COLLEGE + ACME + 'token = { keyring = "college/ilp/other" }\n')


def test_a_keyring_reference_without_the_extra(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", cast("Any", None))
    assert "pip install fingerpost[keyring]" in problem(COLLEGE + ACME + 'token = { keyring = "a/b" }\n')


def test_an_unset_variable_is_named_with_table_and_key(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ILP_TOKEN", raising=False)
    said = problem(COLLEGE + ACME + 'token = { env = "ILP_TOKEN" }\n')
    assert said == (
        "[[connector]] 'ilp' token: the environment variable ILP_TOKEN is not set; set it for the account that runs "
        "Fingerpost."
    )


@pytest.mark.parametrize("value", ['"hunter2-canary"', "1234567890", "true", '["hunter2-canary"]'])
def test_a_secret_in_clear_is_refused_and_not_repeated(problem: Problem, value: str) -> None:
    said = problem(f"{COLLEGE}{ACME}token = {value}\n")
    assert said.startswith(
        "[[connector]] 'ilp' token is a secret and must not be written in the file; write token = { env = "
    )
    assert value.strip('"[]') not in said


def test_a_vendors_validator_cannot_tell_a_secret(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILP_TOKEN", "hunter2-canary")
    said = problem(COLLEGE + ACME + 'token = { env = "ILP_TOKEN" }\nmode = "echo"\n')
    assert said == "[[connector]] 'ilp' mode is not a mode: [redacted]."


def test_a_database_address_is_a_secret(load: Load, problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://careers:pa%20ss@db.example.ac.uk/careers"
    monkeypatch.setenv("STORE_URL", url)
    loaded = load(COLLEGE + '[store]\nurl = { env = "STORE_URL" }\n')
    assert loaded.store_url == url
    assert {url, "pa%20ss", "pa ss"} <= set(loaded.secrets)
    assert "pa%20ss" not in repr(loaded) + repr(loaded.settings)
    plain = load(COLLEGE + '[store]\nurl = "postgresql://careers@db.example.ac.uk/careers"\n')
    assert plain.store_url == "postgresql://careers@db.example.ac.uk/careers"
    said = problem(f'{COLLEGE}[store]\nurl = "{url}"\n')
    assert "holds a password" in said
    assert "pa%20ss" not in said
    assert "must begin with postgresql://" in problem(COLLEGE + '[store]\nurl = "mysql://db/careers"\n')


# One sentence for each way to get it wrong


WRONG: dict[str, list[tuple[str, str]]] = {
    "": [
        ('careers_leader = "x"' + COLLEGE, "is outside its table; put it below the line [alerts]."),
        ("[alerts]",
         "The table [college] is missing: write [college] on a line of its own, and name and ukprn below it."),
        ('[college]\nname = "X"', "[college] needs the key ukprn: the UK provider reference number, eight digits."),
        ('[college]\nname = "X"\nukprn = "many"', "[college] ukprn must be a whole number, without quotes."),
        ('[college]\nname = "X"\nukprn = 1', "[college] ukprn must be at least 10000000: the UK provider"),
        ('[college]\nname = ""\nukprn = 99999999', "[college] name must not be empty."),
        ("college = 3", "The table [college] is missing: write [college] on"),
        ("connector = [1]" + COLLEGE, "[[connector]] number 1 must be a table of keys and values."),
        ("[college]\nname = Example", "not valid TOML at line 2, column 8: invalid value. Text needs quotes"),
        ('[college]\nname = "Example', "not valid TOML at "),
        ("[college\n", "not valid TOML at line 1, column 9"),
    ],
    COLLEGE: [
        ('[alerts]\ncarers_leader = "x"', "[alerts] has no key 'carers_leader'. Did you mean 'careers_leader'?"),
        ("[network]\nzzz = 1", "[network] has no key 'zzz'. Choose from: ca_file, proxy, timeout."),
        ("[allerts]", "There is no table or key 'allerts'. Did you mean 'alerts'?"),
        ('[[connectors]]\ntype = "csv"', "There is no table or key 'connectors'. Did you mean 'connector'?"),
        ("[zzz]", "There is no table or key 'zzz'. Choose from: alerts, benchmarks, "),
        ("timezone = 'London'", "[college] timezone is not a time zone; write one such as Europe/London."),
        ("as_of = 'soon'", "[college] as_of must be a date such as 2026-03-02"),
        ("[network]\ntimeout = 0", "[network] timeout must be more than 0"),
        ("[logging]\njson = 'perhaps'", "[logging] json must be true or false"),
        ("[logging]\nlevel = 'loud'", "[logging] level must be 'debug', 'info', 'warning' or 'error'."),
        ("[privacy]\nnever_ingest = 'Notes'", '[privacy] never_ingest must be a list, such as ["one", "two"].'),
        ("[privacy]\nnever_ingest = ['A', 3]", "[privacy] never_ingest item 2 must be text in quotes."),
        ("[store]\nurl = 3", "[store] url must be text in quotes."),
        ("[store]\npath = 3", "[store] path must be a path in quotes."),
        ('[network]\nca_file = "none.pem"', "[network] ca_file: there is no file "),
        ('[identity]\ncrosswalk = "none.csv"', "[identity] crosswalk: there is no file "),
        ("[precedence]\nemial = []", "[precedence] has no field 'emial'. Did you mean 'email'?"),
        ("[precedence]\nemail = []\nlearner.email = []", "'email' and 'learner.email', which are the same"),
        ('[connector]\ntype = "acme"', "The table [[connector]] is missing: write [[connector]] on a line of its own"),
        ("[[connector]]\nname = 'x'",
         "[[connector]] 'x' needs the key type, one of: acme, apprenticeships, csv, email,"),
        (ACME.replace('name = "ilp"', ""), "[[connector]] number 1 needs the key name: your own name for this"),
        (ACME.replace("ilp", "My ILP"), "name must be up to 40 small letters, digits, - and _."),
        (ACME.replace('"acme"', '"acne"'),
         "[[connector]] 'ilp': There is no connector type 'acne'. Did you mean 'acme'?"),
        (ACME.replace('"acme"', '"csv"') + 'stream = "activities"\nmapping = "x"',
         "[[connector]] 'ilp' needs the key path"),
        (r"[store]" + "\n" + r"path = '\\files\careers\fingerpost.db'", "[store] path is on a network share"),
        ('[store]\npath = "//files/careers/fingerpost.db"', "[store] path is on a network share"),
        (r"[store]" + "\n" + r'path = "C:\data\careers.db"', "write paths with / or in single quotes."),
        (COLLEGE, "A table or key may appear only once."),
    ],
    COLLEGE + ACME: [
        ("[precedence]\nemail = ['ipl']",
         "[precedence] email names the connector 'ipl', which does not exist. Did you mean 'ilp'?"),
        (ACME, "[[connector]] 'ilp' appears 2 times; give each connector a name of its own."),
        ("tokn = 1", "[[connector]] 'ilp' has no key 'tokn'. Did you mean 'token'?"),
        ("limit = 101", "[[connector]] 'ilp' limit must be at most 100: how many at a time."),
        ("enabled = 'maybe'", "[[connector]] 'ilp' enabled must be true or false"),
        ("logins = [{ user = 'x' }]", "[[connector]] 'ilp' logins item 1 needs the key password."),
        ("mode = 'both'", "[[connector]] 'ilp': `mode` and `limit` go together."),
        ("mode = 'refuse'", "[[connector]] 'ilp': this cannot be"),
        ("token = { envv = 'X' }", "[[connector]] 'ilp' token: no plugin knows secrets of the kind 'envv'"),
        ("token = {}", "[[connector]] 'ilp' token: write one of { env ="),
        ("feeds = ['employer_encouter']",
         ("[[connector]] 'ilp' feeds names the activity kind 'employer_encouter', which does not exist. "
          "Did you mean 'employer_encounter'?")),
    ],
}  # fmt: skip
"""Texts that are wrong, by what stands before them, and words of the one sentence that each gets."""


@pytest.mark.parametrize(
    ("text", "words"), [(before + text, words) for before, cases in WRONG.items() for text, words in cases]
)
def test_one_sentence_that_says_what_to_write(problem: Problem, text: str, words: str) -> None:
    assert words in problem(textwrap.dedent(text) + "\n")


def test_several_problems_are_told_together(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load('[college]\nname = "X"\n[alerts]\nx = 1\n' + ACME + "tokn = 1\nlimit = 0\n" + ACME.replace("ilp", "b c"))
    first, *rest = caught.value.message.splitlines()
    assert first == f"{tmp_path / 'fingerpost.toml'} has 5 problems:"
    assert [line.split()[0] for line in rest] == ["[college]", "[alerts]", *["[[connector]]"] * 3]


def test_nothing_is_registered_from_a_wrong_file(
    tmp_path: Path, entry_points: list[importlib.metadata.EntryPoint]
) -> None:
    host = Host.load(entry_points=entry_points)
    path = tmp_path / "fingerpost.toml"
    path.write_text(COLLEGE + ACME + "[alerts]\nx = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_config(path, host)
    path.write_text(COLLEGE + ACME, encoding="utf-8")
    assert [instance.name for instance in load_config(path, host).instances] == ["ilp"]


def test_a_constructor_that_fails_is_the_vendors_matter(load: Load) -> None:
    with pytest.raises(ContractError, match="'acme' failed during set-up") as caught:
        load(COLLEGE + ACME + "mode = 'crash'\n")
    assert caught.value.detail == "RuntimeError"


def test_no_connector_is_made_without_its_secret(problem: Problem) -> None:
    assert "no plugin knows" in problem(COLLEGE + ACME + "mode = 'crash'\ntoken = { vault = 'x' }\n")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    host = Host.load(entry_points=[])
    path = tmp_path / "fingerpost.toml"
    with pytest.raises(ConfigError, match=r"no configuration file .*fingerpost\.toml.*fingerpost init"):
        load_config(path, host)
    with pytest.raises(ConfigError, match="is a folder"):
        load_config(tmp_path, host)
    with pytest.raises(ConfigError, match=r"cannot be read|no configuration file"):
        load_config(tmp_path / ("x" * 1000), host)
    path.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty"):
        load_config(path, host)
    path.write_bytes(COLLEGE.encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(path, host)


CANARY = "Zq7canaryZq7"


@given(data=st.data())
def test_no_value_is_ever_repeated(
    data: st.DataObject, entry_points: list[importlib.metadata.EntryPoint], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Put a canary as the value of any key of any table: whatever is wrong with it, it is not shown."""
    shapes = [f'"{CANARY}"', f'["{CANARY}"]', f'{{ x = "{CANARY}" }}', f'[{{ x = "{CANARY}" }}]']
    fields = {table: getattr(field.annotation, "model_fields", {}) for table, field in Settings.model_fields.items()}
    table, key = data.draw(st.sampled_from([(table, key) for table in fields for key in fields[table]]))
    acme = data.draw(
        st.sampled_from(["url", "token", "headers", "logins", "limit", "mode", "ukprn", "feeds", "enabled"])
    )
    value, other = data.draw(st.sampled_from(shapes)), data.draw(st.sampled_from(shapes))
    college = {"name": '"X"', "ukprn": "99999999"} | ({key: value} if table == "college" else {})
    text = "[college]\n" + "".join(f"{name} = {given}\n" for name, given in college.items())
    text += "" if table == "college" else f"[{table}]\n{key} = {value}\n"
    path = tmp_path_factory.mktemp("canary") / "fingerpost.toml"
    path.write_text(f"{text}{ACME}{acme} = {other}\n", encoding="utf-8")
    try:
        load_config(path, Host.load(entry_points=entry_points))
    except ConfigError as error:
        # What does not exist is named, or nobody could put it right; a file's name and a kind are no secret.
        shown = [
            line
            for line in error.message.splitlines()
            if not ("there is no file" in line or "which does not exist" in line)
        ]
        assert CANARY not in "\n".join(shown)


def test_a_password_that_stands_where_a_port_belongs_is_not_repeated(problem: Problem) -> None:
    url = f"mssql+pymssql://fingerpost:{CANARY}"
    said = problem(f'{COLLEGE}[[connector]]\ntype = "promonitor"\nname = "ilp"\nurl = "{url}"\n')
    assert "is not a database address" in said
    assert CANARY not in said


# Network shares


@pytest.mark.parametrize(
    "path", [r"\\files\careers\fingerpost.db", "//files/careers/fingerpost.db", r"\\?\UNC\files\careers\fingerpost.db"]
)
def test_a_network_share_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="network share"):
        refuse_network_share(cast("Path", path))


def test_a_local_path_is_not_refused(tmp_path: Path) -> None:
    refuse_network_share(tmp_path / "fingerpost.db")


MOUNTS = r"""/dev/vda / ext4 rw 0 0
proc /proc proc rw 0 0
files:/careers /srv/careers nfs4 rw 0 0
//files/it /srv/it\040share cifs rw 0 0
/dev/vdb /srv/careers/local ext4 rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/it/fingerpost.db", "ext4"),
        ("/srv/careers/fingerpost.db", "nfs4"),
        ("/srv/careers-too/fingerpost.db", "ext4"),
        ("/srv/it share/fingerpost.db", "cifs"),
        ("/srv/careers/local/fingerpost.db", "ext4"),
    ],
)
def test_the_file_system_of_the_deepest_mount_point(path: str, kind: str) -> None:
    assert _filesystem(Path(path), MOUNTS) == kind


def test_errors_of_other_files_read_alike() -> None:
    assert config_error("m.toml", ["a"]).message == "m.toml: a"
    assert config_error("m.toml", ["a", "b"]).message == "m.toml has 2 problems:\n  a\n  b"
    assert unknown("[benchmarks] framework", "framework", "schools", ["gatsby-colleges-2025", "other"]) == (
        "[benchmarks] framework names the framework 'schools', which does not exist. "
        "Choose from: gatsby-colleges-2025, other."
    )
