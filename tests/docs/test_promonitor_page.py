"""`docs/promonitor.md`: a stranger who types what it shows gets to a green check, and its examples are read."""

from __future__ import annotations

import re
import shlex
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import run

from fingerpost import College, item_key, mark_item, read_mark
from fingerpost_promonitor import PROSUITE
from fingerpost_promonitor._items import _PARAMETERS

if TYPE_CHECKING:
    from click.testing import Result

PAGE = (Path(__file__).parents[2] / "docs" / "promonitor.md").read_text(encoding="utf-8")
COLLEGE = '[college]\nname = "Example College"\nukprn = 99999999\n'
SECRETS = dict.fromkeys(re.findall(r'env = "(\w+)"', PAGE), "a password")


def blocks(language: str, text: str = PAGE) -> list[tuple[str, str]]:
    """Return the name and the text of every fenced block of a language."""
    return re.findall(rf"^```{language} ?(.*)\n((?:.*\n)*?)^```$", text, re.MULTILINE)


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


# From an empty folder to a green check


class Shell:
    """An empty folder in which commands are typed; it remembers where `cd` led."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch

    def type(self, line: str) -> Result | None:
        """Run a command as a person types it: nothing but `cd` and `fingerpost` is on the page."""
        program, *arguments = shlex.split(line)
        if program == "cd":
            self.folder = self.folder / arguments[0]
            return None
        assert program == "fingerpost", line
        self._monkeypatch.chdir(self.folder)
        return run(*arguments)


def console_lines(text: str) -> list[str]:
    return [line for _, block in blocks("console", text) for line in block.splitlines()]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("FINGERPOST_CONFIG", raising=False)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    return Shell(tmp_path, monkeypatch)


def words(text: str) -> str:
    """Return a text without its numbers, paths and line ends, as one line."""
    return " ".join(re.sub(r"\S*[/\\]\S*", "PATH", re.sub(r"[\d,]*\d", "N", text)).split())


def test_from_an_empty_folder_to_a_green_check_and_on(shell: Shell) -> None:
    section_lines, every_line = console_lines(section("Try it without a database")), console_lines(PAGE)
    assert [line.split()[:2] for line in section_lines] == [
        ["fingerpost", "demo"], ["cd", "college"], ["fingerpost", "check"],
    ]  # fmt: skip
    assert every_line[:3] == section_lines
    assert {"fingerpost map check promonitor", "fingerpost sync --dry-run"} <= {*every_line}
    results = {line: shell.type(line) for line in every_line}
    failed = {line: result.output for line, result in results.items() if result is not None and result.exit_code}
    assert not failed
    checked = results["fingerpost check"]
    assert checked is not None
    judge_check(checked.stdout)


def judge_check(checked: str) -> None:
    """The page shows what is printed, and says of each warning what it means."""
    assert "error" not in checked
    assert checked.rstrip().endswith("Ready for fingerpost sync.")
    told = section("Try it without a database")
    (shown,) = [text for _, text in blocks("text", told)]
    assert words(shown) == words(checked)
    below = " ".join(told.rpartition("```")[2].split())
    for warning in re.findall(r"^  warning (.*?)$", checked, re.MULTILINE):
        assert re.sub(r"^[\d,]+ ", "", warning).partition(";")[0] in below


# The configurations and mappings


def configurations() -> list[str]:
    return [text for name, text in blocks("toml") if not name.startswith("mappings/")]


def the_mappings(folder: Path) -> list[Path]:
    """Put the mappings of the page where a college has them."""
    (folder / "mappings").mkdir()
    made = []
    for name, text in blocks("toml"):
        if name.startswith("mappings/"):
            (folder / name).write_text(text, encoding="utf-8")
            made.append(folder / name)
    return made


@pytest.mark.parametrize("text", configurations(), ids=range(len(configurations())))
@pytest.mark.usefixtures("secrets")
def test_a_configuration_is_read(text: str, tmp_path: Path) -> None:
    the_mappings(tmp_path)
    whole = text if "[college]" in text else f"{COLLEGE}\n{text}"
    config = tmp_path / "fingerpost.toml"
    config.write_text(whole, encoding="utf-8")
    with College.open(config) as college:
        named = {one["name"] for one in tomllib.loads(whole).get("connector", [])}
        assert named <= {one.name for one in (*college._opened.config.instances, *college._opened.config.channels)}


@pytest.mark.usefixtures("secrets")
def test_the_mappings_compile(tmp_path: Path) -> None:
    made = the_mappings(tmp_path)
    config = tmp_path / "fingerpost.toml"
    (connector,) = [text for name, text in blocks("toml") if name == "fingerpost.toml"]
    assert len(made) >= 3
    for path in made:
        stream = "destinations" if "destinations" in path.stem else "activities"
        mapped = connector.replace("feeds =", f'mapping = {{ {stream} = "{path.stem}" }}\nfeeds =')
        config.write_text(mapped, encoding="utf-8")
        College.open(config).close()


# What a database administrator is given


def granted() -> set[str]:
    text = "\n".join(sql for _, sql in blocks("sql", section("The login that reads")))
    return set(re.findall(r"GRANT SELECT ON \w+\.(\w+) TO fingerpost_read", text)) - {"vFingerpostActionPlan"}


def test_the_reading_login_may_read_every_table_that_is_read_and_nothing_more() -> None:
    assert granted() == {table.name for table in PROSUITE.tables.values()}
    told = set(re.findall(r"`(\w+)`", section("What is read, and what never").rpartition("\n|")[0]))
    assert {table.name for table in PROSUITE.tables.values()} <= told


def test_the_reading_login_is_given_no_right_but_to_read() -> None:
    text = "\n".join(sql for _, sql in blocks("sql", section("The login that reads")))
    rights = set(re.findall(r"GRANT (\w+)", text))
    assert rights == {"SELECT"}
    assert not re.search(r"\b(INSERT|UPDATE|DELETE|ALTER|db_owner|db_datareader)\b", text)


def test_the_inferred_columns_are_named() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section("What to ask your database administrator"), re.M))
    told = {table: set(re.findall(r"`(\w+)`", columns)) for table, columns in rows.items()}
    inferred = {
        table.name: {column.name for column in table.columns if column.info.get("inferred")}
        for table in PROSUITE.tables.values()
    }
    assert told == {table: columns for table, columns in inferred.items() if columns}


def test_the_procedure_takes_what_write_back_gives() -> None:
    (procedure,) = [sql for _, sql in blocks("sql") if "CREATE PROCEDURE" in sql]
    taken = re.findall(r"^    @(\w+) ", procedure.partition("\nAS\n")[0], re.MULTILINE)
    assert tuple(taken) == _PARAMETERS
    assert re.findall(r"^GRANT (\w+)", procedure, re.MULTILINE) == ["EXECUTE"]
    (login,) = [sql for _, sql in blocks("sql") if "CREATE LOGIN fingerpost_write" in sql]
    assert set(re.findall(r"GRANT (\w+)", login)) == {"SELECT"}


def test_nothing_that_is_given_to_the_database_deletes() -> None:
    for _, sql in blocks("sql"):
        assert not re.search(r"\b(DELETE|DROP|TRUNCATE)\b", sql, re.IGNORECASE)


def test_the_view_without_words_has_the_other_columns() -> None:
    (view,) = [sql for _, sql in blocks("sql") if "CREATE VIEW" in sql]
    named = {name.strip() for name in view.partition("SELECT ")[2].partition("FROM")[0].split(",")}
    plan = next(table for table in PROSUITE.tables.values() if table.name == "ActionPlan")
    assert named == {column.name for column in plan.columns if not column.info.get("inferred")}


def stuff(text: str, start: int, length: int, new: str) -> str:
    """Do what STUFF does on SQL Server."""
    return text[: start - 1] + new + text[start - 1 + length :]


def patindex(pattern: str, text: str | None) -> int | None:
    """Do what PATINDEX does on SQL Server, as far as the statement asks for it."""
    wanted = re.escape(pattern.strip("%").replace("[[]", "[")).replace("_", ".")
    found = None if text is None else re.search(wanted, text)
    return None if text is None else found.start() + 1 if found else 0


def test_the_statement_that_backs_out_closes_every_item_and_takes_no_words_away() -> None:
    """Run it on SQLite, which is taught the two functions of SQL Server."""
    (script,) = [sql for _, sql in blocks("sql", section("Back out"))]
    statement = f"UPDATE {script.partition('UPDATE ')[2].partition(';')[0]}".replace("LearnerInformation.", "")
    statement = statement.replace("N'", "'").replace("LIKE '%[[]", "LIKE '%[")
    key = item_key(99999999, "P000001")
    texts = [
        mark_item(key, "Meet an employer"), f"{mark_item(key, 'Meet')} somebody", f"HTML {mark_item(key, 'Meet')}",
        "Said by a tutor", None, mark_item(key, "Done", closed=True),
    ]  # fmt: skip
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("STUFF", 4, stuff)
        connection.create_function("PATINDEX", 2, patindex)
        connection.execute("CREATE TABLE ActionPlan (Comment TEXT)")
        connection.executemany("INSERT INTO ActionPlan VALUES (?)", [(text,) for text in texts])
        connection.execute(statement)
        after = [text for (text,) in connection.execute("SELECT Comment FROM ActionPlan")]
    assert after[3:] == texts[3:]
    for before, text in zip(texts[:3], after[:3], strict=True):
        mark = read_mark(text)
        assert mark is not None
        assert (mark.key, mark.closed) == (key, True)
        assert text.replace(" closed] Withdrawn by the college.", "]") == before
