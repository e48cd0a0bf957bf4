"""Writing gaps back into ProMonitor, through the channel's hooks, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import threading
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, cast

import contexts
import psycopg
import pytest
import sqlalchemy as sa
from databases import fresh_postgres, spelt
from pydantic import ValidationError
from sqlalchemy.dialects import mssql, postgresql
from sqlalchemy.engine.default import DefaultDialect

from fingerpost import (
    AuthError,
    ConfigError,
    ContractError,
    Digest,
    GapItem,
    Payload,
    Person,
    Receipt,
    Record,
    item_key,
    mark_item,
    read_mark,
)
from fingerpost_demo import make_prosuite
from fingerpost_promonitor import PromonitorChannel, PromonitorConfig, PromonitorSource, PromonitorWriteConfig
from fingerpost_promonitor._catalogue import Catalogue
from fingerpost_promonitor._config import Responses
from fingerpost_promonitor._items import ItemStatements
from fingerpost_promonitor._rights import procedure_rights, table_rights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fingerpost import Context, Finding

VALUES = {"CommentTypeID": 4, "CommentStaffID": 1}
REFERENCE = "P000001"
KEY = item_key(10000000, REFERENCE)


@dataclass
class HostContext(contexts.HostContext):
    """What the host hands to a channel or source; neither has faulty data to report."""

    columns: frozenset[str] = frozenset({"RefNo"})
    name: str = "writeback"
    now: datetime = datetime(2026, 6, 2, 2, tzinfo=UTC)
    forbidden: frozenset[str] = frozenset({"warn"})


def configured(**config: Any) -> PromonitorWriteConfig:
    return PromonitorWriteConfig(
        **{"type": "promonitor-writeback", "name": "writeback", "url": "sqlite:///prosuite.db", "write": True, **config}
    )


def item(operation: str = "open", text: str = "You still need: 1 of 2 meetings", reference: str = REFERENCE) -> GapItem:
    return GapItem(
        key=item_key(10000000, reference), operation=operation, learner_reference=reference, text=text,  # type: ignore[arg-type]
        lines=(), as_of=date(2026, 6, 2),
    )  # fmt: skip


class College:
    """A fake college and the channel that writes to it."""

    def __init__(self, folder: Path, url: str, engine: sa.Engine) -> None:
        self.folder = folder
        self.url = url
        self.engine = engine

    @property
    def table(self) -> str:
        return self.named("ActionPlan", "LearnerInformation")

    def named(self, table: str, schema: str) -> str:
        return f'"{schema}"."{table}"' if self.engine.dialect.name == "postgresql" else f'"{table}"'

    def channel(self, **config: Any) -> PromonitorChannel:
        if not {"procedure", "values"} & set(config):
            config["values"] = VALUES
        return PromonitorChannel(configured(**{"url": self.url, **config}))

    def context(self, **keys: Any) -> Context:
        return cast("Context", HostContext(self.folder, **keys))

    def payloads(self, *items: GapItem, **config: Any) -> list[Payload]:
        """Render items as the host does, which then gives each delivery a key of its own."""
        rendered = [self.channel(**config).render(one, self.context()) for one in items]
        return [_keyed(one, number) for number, one in enumerate(rendered)]

    def deliver(self, *items: GapItem, **config: Any) -> list[Receipt]:
        payloads = self.payloads(*items, **config)
        receipts = list(self.channel(**config).deliver(payloads, self.context()))
        assert [receipt.key for receipt in receipts] == [payload.key for payload in payloads]
        return receipts

    def reconcile(self, *items: GapItem, **config: Any) -> list[Receipt]:
        return list(self.channel(**config).reconcile(self.payloads(*items, **config), self.context()))

    def check(self, **config: Any) -> list[Finding]:
        return list(self.channel(**config).check(self.context()))

    def execute(self, statement: str, **values: Any) -> Any:
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return result.all() if result.returns_rows else result.rowcount

    def items(self, key: str = KEY) -> list[tuple[int, int, str]]:
        """Return what bears a key, the oldest first: its number, its page and its text."""
        found = self.execute(f'SELECT "ActionPlanID", "PMStudentID", "Comment" FROM {self.table} ORDER BY 1')
        marks = [(one, read_mark(one[2] or "")) for one in found]
        return [tuple(one) for one, mark in marks if mark is not None and mark.key == key]

    def values_of(self, number: int, *columns: str) -> tuple[Any, ...]:
        """Return what some columns hold for one item."""
        names = ", ".join(f'"{column}"' for column in columns)
        (row,) = self.execute(f'SELECT {names} FROM {self.table} WHERE "ActionPlanID" = {number}')
        return tuple(row)

    def edit(self, text: str) -> None:
        """Let a tutor write something else over the one item."""
        ((number, *_),) = self.items()
        self.execute(f'UPDATE {self.table} SET "Comment" = :text WHERE "ActionPlanID" = {number}', text=text)

    def plant(self, page: int, text: str) -> None:
        """Let something stand on a page that this store knows nothing of."""
        self.execute(f'INSERT INTO {self.table} ("PMStudentID", "Comment") VALUES (:page, :text)', page=page, text=text)

    def open_texts(self, key: str = KEY) -> list[str]:
        return [text for _, _, text in self.items(key) if not cast("Any", read_mark(text)).closed]

    def pages(self, reference: str = REFERENCE) -> list[int]:
        view = self.named("vStudent", "ProMonitor")
        return [
            page for (page,) in self.execute(
                f'SELECT "PMStudentID" FROM {view} WHERE trim("StudentID") = :ref ORDER BY 1', ref=reference
            )
        ]  # fmt: skip

    def read(self, stream: str, *columns: str) -> list[Record]:
        config = PromonitorConfig(
            type="promonitor", name="ilp", url=self.url,
            responses=Responses(acknowledged=("Seen by tutor",), snoozed=("Not now",)),
        )  # fmt: skip
        messages = getattr(PromonitorSource(config), f"read_{stream}")(
            None, self.context(columns=frozenset({"RefNo", *columns}))
        )  # fmt: skip
        return [one for one in messages if isinstance(one, Record)]


def _keyed(payload: Payload, number: int) -> Payload:
    return Payload(
        key=f"delivery-{number}", recipient=payload.recipient, content=payload.content,
        content_type=payload.content_type, message_id=payload.message_id, subject=payload.subject,
    )  # fmt: skip


@pytest.fixture(scope="session")
def template_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a fake college once; each test has a copy of its own."""
    path = tmp_path_factory.mktemp("writeback") / "prosuite.db"
    make_prosuite(f"sqlite:///{path}", learners=12, ilp_rows=60)
    return path


@pytest.fixture(scope="session")
def template_database(postgres: str) -> Iterator[sa.URL]:
    """Make the same college as a database to copy; return its address."""
    with fresh_postgres(postgres) as url:
        make_prosuite(spelt(url), learners=12, ilp_rows=60)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def college(request: pytest.FixtureRequest) -> College:
    """Make a fake college on each database."""
    made: College = request.getfixturevalue("on_sqlite" if request.param == "sqlite" else "on_postgres")
    return made


@pytest.fixture
def on_postgres(postgres: str, template_database: sa.URL, tmp_path: Path) -> Iterator[College]:
    with fresh_postgres(postgres, template=template_database) as url:
        engine = sa.create_engine(url)
        yield College(tmp_path, spelt(url), engine)
        engine.dispose()


@pytest.fixture
def on_sqlite(template_file: Path, tmp_path: Path) -> Iterator[College]:
    shutil.copy(template_file, tmp_path / "prosuite.db")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'prosuite.db'}")
    yield College(tmp_path, "sqlite:///prosuite.db", engine)
    engine.dispose()


@contextmanager
def login(college: College, *grants: str) -> Iterator[str]:
    """Make a login that may look, and what is granted beside that; return the address."""
    role = f"writer_{uuid.uuid4().hex[:8]}"
    college.execute(f"CREATE ROLE {role} LOGIN")
    for schema in ("ProMonitor", "LearnerInformation"):
        college.execute(f'GRANT USAGE ON SCHEMA "{schema}" TO {role}')
    for grant in grants:
        college.execute(f"GRANT {grant} TO {role}")
    url = college.engine.url.set(username=role, password="")
    yield url.render_as_string(hide_password=False)
    college.execute(f"DROP OWNED BY {role}")
    college.execute(f"DROP ROLE {role}")


LOOK = ('SELECT ON "ProMonitor"."vStudent"', 'SELECT ON "LearnerInformation"."ActionPlan"')
TWO = (item(), item(reference="P000002"))
NOT_ALLOWED = [("temporary", "not_allowed")] * 2


def statuses(receipts: list[Receipt]) -> list[tuple[str, str]]:
    return [(one.status, one.detail) for one in receipts]


def stopped(
    college: College, *items: GapItem, error: type[Exception] = AuthError, words: str = "rights", **config: Any
) -> list[tuple[str, str]]:
    """Deliver what ends in an error; return the statuses before it.

    The first refusal puts everything off and is told once: what a human mends today is written tonight.
    """
    payloads, receipts = college.payloads(*items, **config), list[Receipt]()
    with pytest.raises(error, match=words):
        receipts.extend(college.channel(**config).deliver(payloads, college.context()))
    return statuses(receipts)


def deliver_while_held(college: College, held: sa.Executable, one: GapItem, **config: Any) -> list[tuple[str, str]]:
    """Deliver while somebody else holds what `held` changed, who lets go only when we wait for it."""
    payloads = college.payloads(one, **config)
    channel, receipts = college.channel(**config), list[Receipt]()
    run = threading.Thread(target=lambda: receipts.extend(channel.deliver(payloads, college.context())))
    with college.engine.connect() as other:
        other.execute(held)
        run.start()
        while not college.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^UPDATE|write_item'"
        ):
            assert run.is_alive()
        other.commit()
    run.join()
    return statuses(receipts)


# -- the life of an item ----------------------------------------------------------------------------------------------


def test_an_item_is_opened_updated_closed_and_opened_again(college: College) -> None:
    (opened,) = college.deliver(item())
    ((number, page, text),) = college.items()
    assert (opened.status, opened.external_ref) == ("sent", str(number))
    assert page == max(college.pages())
    assert text == mark_item(KEY, "You still need: 1 of 2 meetings")
    row = college.values_of(number, "CommentTypeID", "CommentStaffID", "ActionTypeID", "TutorialID", "CommentDate")
    assert row[:4] == (4, 1, None, None)
    assert str(row[4]).startswith("2026-06-02 03:00:00")  # two in UTC is three in London's summer

    (updated,) = college.deliver(item("update", "You still need: 2 of 2 meetings"))
    assert (updated.status, updated.external_ref) == ("sent", str(number))
    assert [one[2] for one in college.items()] == [mark_item(KEY, "You still need: 2 of 2 meetings")]

    (closed,) = college.deliver(item("close", "All done."), closed_values={"ActionTypeID": 5}, values=VALUES)
    assert (closed.status, closed.external_ref) == ("sent", str(number))
    assert [one[2] for one in college.items()] == [mark_item(KEY, "All done.", closed=True)]
    assert college.values_of(number, "ActionTypeID") == (5,)

    (again,) = college.deliver(item(text="You still need: guidance"))
    assert again.status == "sent"
    assert again.external_ref != str(number)
    assert college.open_texts() == [mark_item(KEY, "You still need: guidance")]
    assert len(college.items()) == 2


@pytest.mark.parametrize("operation", ["open", "update"])
def test_the_same_payload_twice_writes_once(college: College, operation: str) -> None:
    first = college.deliver(item(operation))
    college.execute(f'UPDATE {college.table} SET "CommentDate" = NULL WHERE "ActionPlanID" = {college.items()[0][0]}')
    assert college.deliver(item(operation)) == first
    assert len(college.items()) == 1
    # Nothing was written: the date is still gone.
    assert college.values_of(college.items()[0][0], "CommentDate") == (None,)


def test_closing_what_is_not_there_is_done(college: College) -> None:
    assert statuses(college.deliver(item("close"))) == [("sent", "")]
    assert college.items() == []
    college.deliver(item())
    assert statuses(college.deliver(item("close"))) == statuses(college.deliver(item("close"))) == [("sent", "")]
    assert college.open_texts() == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("1 of 2", "0 of 2"),
        lambda text: f"Spoken to the learner. {text}",
        lambda text: f"{text} Done on Monday.",
    ],
)
@pytest.mark.parametrize("operation", ["open", "update", "close"])
def test_what_a_tutor_edited_is_never_overwritten(on_sqlite: College, edit: Any, operation: str) -> None:
    on_sqlite.deliver(item())
    ((*_, text),) = on_sqlite.items()
    on_sqlite.edit(edit(text))
    assert statuses(on_sqlite.deliver(item(operation, "Something new"))) == [("permanent", "edited_by_tutor")]
    assert [one[2] for one in on_sqlite.items()] == [edit(text)]


def test_other_blanks_are_no_edit(college: College) -> None:
    college.deliver(item(text="First line\nsecond line"))
    ((*_, text),) = college.items()
    changed = "  " + text.replace("\n", " \r\n ") + "  "
    college.edit(changed)
    assert statuses(college.deliver(item("update", "First line\nsecond line"))) == [("sent", "")]
    assert [one[2] for one in college.items()] == [changed]
    assert statuses(college.deliver(item("update", "Something new"))) == [("sent", "")]
    assert [one[2] for one in college.items()] == [mark_item(KEY, "Something new")]


def test_of_several_items_the_oldest_stays(college: College) -> None:
    college.deliver(item())
    ((first, page, _),) = college.items()
    for text in ("You still need: 1 of 2 meetings", "An older text"):
        college.plant(page, mark_item(KEY, text))
    assert [one.external_ref for one in college.deliver(item("update", "New"))] == [str(first)]
    texts = [text for _, _, text in college.items()]
    assert texts[0] == mark_item(KEY, "New")
    assert texts[1:] == [
        mark_item(KEY, text, closed=True) for text in ("You still need: 1 of 2 meetings", "An older text")
    ]


def test_an_item_of_an_earlier_year_moves_to_the_page_of_this_one(college: College) -> None:
    twice = next(ref for ref in (f"P{number:06}" for number in range(1, 13)) if len(college.pages(ref)) == 2)
    key = item_key(10000000, twice)
    college.plant(college.pages(twice)[0], mark_item(key, "Of last year"))
    assert statuses(college.deliver(item("update", "Of this year", twice))) == [("sent", "")]
    pages = college.pages(twice)
    assert [(page, text) for _, page, text in college.items(key)] == [
        (pages[0], mark_item(key, "Of last year", closed=True)), (pages[1], mark_item(key, "Of this year")),
    ]  # fmt: skip


def test_each_learner_has_a_page_or_none(college: College) -> None:
    view = college.named("vStudent", "ProMonitor")
    college.execute(f'UPDATE {view} SET "StudentID" = trim("StudentID") WHERE trim("StudentID") = \'P000002\'')
    college.execute(f"UPDATE {view} SET \"StudentID\" = ' P000003' WHERE trim(\"StudentID\") = 'P000003'")
    receipts = college.deliver(
        item(reference="P000001"), item(reference="P000002"), item(reference="P000003"), item(reference="NOBODY"),
        item("close", reference="NOBODY"), item(reference="P000004 "),
    )  # fmt: skip
    unknown = ("permanent", "no_learner_page")
    assert statuses(receipts) == [("sent", "")] * 3 + [unknown] * 2 + [("sent", "")]


def test_two_runs_at_once_write_one_item(college: College) -> None:
    payloads = college.payloads(*(item(reference=f"P{number:06}") for number in range(1, 9)))
    receipts: list[Receipt] = []
    start = threading.Barrier(3)

    def run() -> None:
        start.wait()
        receipts.extend(college.channel().deliver(payloads, college.context()))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(receipt.status for receipt in receipts) == {"sent": 24}
    assert len({receipt.external_ref for receipt in receipts}) == 8
    marked = college.execute(f"SELECT count(*) FROM {college.table} WHERE \"Comment\" LIKE '%[Fingerpost %'")
    assert marked == [(8,)]


# -- reading back -----------------------------------------------------------------------------------------------------


def test_what_became_of_a_payload_is_read_back(college: College) -> None:
    one, other, close = item(), item("update", "Other"), item("close", "Done")
    assert statuses(college.reconcile(one, close)) == [("temporary", "not_there"), ("sent", "")]
    sent = college.deliver(one)
    assert [(a.status, a.external_ref) for a in college.reconcile(one)] == [("sent", sent[0].external_ref)]
    assert statuses(college.reconcile(other, close)) == [("temporary", "not_there"), ("temporary", "still_open")]
    college.deliver(other)
    assert statuses(college.reconcile(one, other)) == [("temporary", "not_there"), ("sent", "")]
    college.deliver(close)
    assert [(a.status, a.external_ref) for a in college.reconcile(close)] == [("sent", sent[0].external_ref)]
    assert statuses(college.reconcile(other, item(reference="NOBODY"))) == [("temporary", "not_there")] * 2
    assert len(college.items()) == 1


# -- what is found without any memory of it ---------------------------------------------------------------------------


def listed(college: College, **config: Any) -> list[tuple[str, str]]:
    return sorted((key, ref) for key, ref in college.channel(**config).list_items(college.context()))


def test_every_item_that_stands_open_as_we_wrote_it_is_listed(college: College) -> None:
    assert listed(college) == []
    references = [f"P{number:06}" for number in range(1, 6)]
    college.deliver(*(item(reference=one) for one in references))
    college.deliver(item("close", reference="P000002"))
    ((edited, *_),) = college.items(item_key(10000000, "P000003"))
    college.execute(f'UPDATE {college.table} SET "Comment" = "Comment" || \' Mine.\' WHERE "ActionPlanID" = {edited}')
    ((blank, *_),) = college.items(item_key(10000000, "P000004"))
    college.execute(f'UPDATE {college.table} SET "Comment" = "Comment" || \'  \' WHERE "ActionPlanID" = {blank}')
    # Another college's: whether it is one of ours is for the host to say, by its key.
    college.plant(college.pages("P000006")[0], mark_item(item_key(10000001, "P000006"), "Theirs"))
    ours = [(item_key(10000000, one), one) for one in ("P000001", "P000004", "P000005")]
    assert listed(college) == sorted([*ours, (item_key(10000001, "P000006"), "P000006")])


def test_a_list_that_cannot_be_read_is_told(on_postgres: College) -> None:
    with login(on_postgres) as url, pytest.raises(AuthError, match="rights"):
        listed(on_postgres, url=url)


# -- what is read of it -----------------------------------------------------------------------------------------------


def test_what_was_written_is_no_activity(college: College) -> None:
    before = college.read("activities", "Type", "Date")
    assert before
    items = [item(reference=f"P{number:06}") for number in range(1, 9)]
    college.deliver(*items)
    college.deliver(item("close"))
    assert college.read("activities", "Type", "Date") == before


def test_a_tutors_answer_is_read(college: College) -> None:
    references = ["P000001", "P000002", "P000003", "P000004"]
    college.deliver(*(item(reference=one) for one in references))
    college.deliver(item("close", reference="P000004"))
    for reference, action in (("P000001", 5), ("P000002", 6), ("P000004", 5)):
        ((number, *_),) = college.items(item_key(10000000, reference))
        college.execute(f'UPDATE {college.table} SET "ActionTypeID" = {action} WHERE "ActionPlanID" = {number}')
    answers = {one.data["RefNo"]: one.data["Response"] for one in college.read("responses", "Response")}
    assert answers == {"P000001": "acknowledged", "P000002": "snoozed"}  # what is closed needs no answer


# -- a procedure of the college's own ---------------------------------------------------------------------------------

PROCEDURE = """
CREATE FUNCTION "LearnerInformation"."write_item"(
  operation text, pm_student int, item int, before text, "text" text, written_on timestamp
) RETURNS TABLE (id int) LANGUAGE plpgsql AS $$
BEGIN
  IF operation = 'insert' THEN
    RETURN QUERY INSERT INTO "LearnerInformation"."ActionPlan" AS a
      ("PMStudentID", "Comment", "CommentDate", "CommentTypeID") VALUES (pm_student, "text", written_on, 8)
      RETURNING a."ActionPlanID";
  ELSE
    RETURN QUERY UPDATE "LearnerInformation"."ActionPlan" AS a
      SET "Comment" = "text", "CommentDate" = written_on,
          "ActionTypeID" = CASE WHEN operation = 'close' THEN 5 ELSE a."ActionTypeID" END
      WHERE a."ActionPlanID" = item AND a."Comment" = before RETURNING a."ActionPlanID";
  END IF;
END $$
"""
CALLED = "LearnerInformation.write_item"


def test_a_procedure_writes_instead_of_us(on_postgres: College) -> None:
    on_postgres.execute(PROCEDURE)
    assert {one.level for one in on_postgres.check(procedure=CALLED)} == {"ok"}
    (opened,) = on_postgres.deliver(item(), procedure=CALLED)
    ((number, page, _),) = on_postgres.items()
    assert (opened.status, opened.external_ref, page) == ("sent", str(number), max(on_postgres.pages()))
    on_postgres.deliver(item("update", 'It\'s "new"; -- :text'), procedure=CALLED)
    assert [text for *_, text in on_postgres.items()] == [mark_item(KEY, 'It\'s "new"; -- :text')]
    assert statuses(on_postgres.deliver(item("close", "Done"), procedure=CALLED)) == [("sent", "")]
    assert statuses(on_postgres.reconcile(item("close", "Done"), procedure=CALLED)) == [("sent", "")]
    assert on_postgres.open_texts() == []
    assert on_postgres.values_of(number, "CommentTypeID", "ActionTypeID") == (8, 5)


@pytest.mark.parametrize(
    ("line", "otherwise", "detail"),
    [
        ('"text", written_on, 8', 'left("text", 30), written_on, 8', "not_kept"),
        ("BEGIN\n", "BEGIN\n RAISE EXCEPTION 'not in August';\n", "refused"),
    ],
)
def test_a_procedure_that_writes_something_else_or_refuses_is_not_asked_again(
    on_postgres: College, line: str, otherwise: str, detail: str
) -> None:
    on_postgres.execute(PROCEDURE.replace(line, otherwise, 1))
    assert statuses(on_postgres.deliver(item(), procedure=CALLED)) == [("permanent", detail)]
    assert on_postgres.items() == []


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (psycopg.errors.RaiseException("not in August"), ("permanent", "refused")),
        (psycopg.OperationalError("server closed the connection unexpectedly"), ("unknown", "unreachable")),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), ("unknown", "timeout")),
    ],
)
def test_an_error_that_comes_after_the_first_result_of_a_procedure_is_one_like_others(
    on_postgres: College, monkeypatch: pytest.MonkeyPatch, error: psycopg.Error, outcome: tuple[str, str]
) -> None:
    on_postgres.execute(PROCEDURE)
    payloads = on_postgres.payloads(item(), item(reference="P000002"), procedure=CALLED)
    channel, whole, errors = on_postgres.channel(procedure=CALLED), psycopg.Cursor.nextset, [error]

    def nextset(cursor: psycopg.Cursor[Any]) -> bool | None:
        if errors:
            raise errors.pop()
        return whole(cursor)

    monkeypatch.setattr(psycopg.Cursor, "nextset", nextset)
    first, second = statuses(list(channel.deliver(payloads, on_postgres.context())))
    assert first == outcome
    assert second == (("temporary", "timeout") if outcome[1] == "timeout" else ("sent", ""))
    assert on_postgres.items() == []


def test_a_procedure_that_is_not_there_is_told(on_postgres: College, on_sqlite: College) -> None:
    (error,) = [one for one in on_postgres.check(procedure="dbo.nothing") if one.level == "error"]
    assert "no procedure" in error.message
    (error,) = on_sqlite.check(procedure="dbo.nothing")
    assert "has no procedures" in error.message
    told = stopped(on_sqlite, item(), error=ConfigError, words="has no procedures", procedure="dbo.nothing")
    assert [status for status, _ in told] == ["temporary"]


# -- faults -----------------------------------------------------------------------------------------------------------


def test_a_database_that_is_not_there_puts_everything_off(tmp_path: Path) -> None:
    college = College(tmp_path, "postgresql://writer@127.0.0.1:1/college", sa.create_engine("sqlite://"))
    config = {"password": "hunter2hunter2", "timeout": 2}
    items = [item(reference=f"P{number:06}") for number in range(20)]
    assert statuses(college.deliver(*items, **config)) == [("temporary", "unreachable")] * 20
    assert statuses(college.reconcile(*items, **config)) == [("unknown", "unreachable")] * 20
    (error,) = college.check(**config)
    assert error.level == "error"
    assert "hunter2" not in error.message
    # Nor is a file made where there is none.
    nowhere = College(tmp_path, "sqlite:///none.db", college.engine)
    assert statuses(nowhere.deliver(*items[:2])) == [("temporary", "unreachable")] * 2
    assert not list(tmp_path.iterdir())


def test_a_locked_file_puts_everything_off(on_sqlite: College) -> None:
    with on_sqlite.engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        receipts = on_sqlite.deliver(item(), item(reference="P000002"), timeout=1)
    assert statuses(receipts) == [("temporary", "busy")] * 2
    assert statuses(on_sqlite.deliver(item(), timeout=1)) == [("sent", "")]


def test_an_item_that_another_run_holds_is_put_off(on_postgres: College) -> None:
    statements = ItemStatements(
        Catalogue(configured(), "postgresql"), configured(), on_postgres.engine.dialect
    ).lock(KEY, 1)  # fmt: skip
    with on_postgres.engine.connect() as other:
        for statement in statements:
            other.execute(statement)
        receipts = on_postgres.deliver(item(), item(reference="P000002"), timeout=1)
    assert statuses(receipts) == [("temporary", "timeout")] * 2


def test_a_row_that_a_tutor_holds_open_is_read_back_later(on_postgres: College) -> None:
    on_postgres.deliver(item())
    with on_postgres.engine.connect() as tutor:
        tutor.exec_driver_sql(f'UPDATE {on_postgres.table} SET "ActionTypeID" = 5')
        receipts = on_postgres.deliver(item("update", "New"), item(reference="P000002"), timeout=1)
    assert statuses(receipts) == [("unknown", "timeout"), ("temporary", "timeout")]
    assert statuses(on_postgres.reconcile(item("update", "New"))) == [("temporary", "not_there")]


@pytest.mark.parametrize("config", [{}, {"procedure": CALLED}], ids=["table", "procedure"])
@pytest.mark.parametrize("operation", ["update", "close"])
def test_what_a_tutor_saves_while_we_write_stays(on_postgres: College, config: dict[str, Any], operation: str) -> None:
    on_postgres.execute(PROCEDURE)
    on_postgres.deliver(item(), **config)
    held = sa.text(f'UPDATE {on_postgres.table} SET "Comment" = \'Mine. \' || "Comment"')
    assert deliver_while_held(on_postgres, held, item(operation, "New"), **config) == [("permanent", "edited_by_tutor")]
    assert on_postgres.open_texts() == ["Mine. " + mark_item(KEY, "You still need: 1 of 2 meetings")]


def test_what_another_run_writes_while_we_write_is_taken_into_account(on_postgres: College) -> None:
    on_postgres.deliver(item())
    ((number, *_),) = on_postgres.items()
    update = sa.text(f'UPDATE {on_postgres.table} SET "Comment" = :text WHERE "ActionPlanID" = {number}')
    held = update.bindparams(text=mark_item(KEY, "Other"))
    assert deliver_while_held(on_postgres, held, item("update", "New")) == [("sent", "")]
    assert on_postgres.open_texts() == [mark_item(KEY, "New")]


def test_a_connection_lost_at_the_commit_leaves_it_unknown(on_postgres: College) -> None:
    on_postgres.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.\"Comment\" LIKE '%fatal%' THEN "
        "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); END IF; RETURN NEW; END $$"
    )
    on_postgres.execute(
        f"CREATE CONSTRAINT TRIGGER t AFTER INSERT ON {on_postgres.table} DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION die()"
    )
    fatal, other = item(text="fatal"), item(reference="P000002")
    assert statuses(on_postgres.deliver(fatal, other)) == [("unknown", "unreachable"), ("sent", "")]
    assert statuses(on_postgres.reconcile(fatal, other)) == [("temporary", "not_there"), ("sent", "")]


def test_an_answer_lost_after_the_commit_is_settled_by_looking(
    on_postgres: College, monkeypatch: pytest.MonkeyPatch
) -> None:
    college, commit = on_postgres, psycopg.Connection.commit

    def lose_the_answer(connection: psycopg.Connection[Any]) -> None:
        commit(connection)
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    payloads = college.payloads(item())
    channel = college.channel()
    monkeypatch.setattr(psycopg.Connection, "commit", lose_the_answer)
    assert statuses(list(channel.deliver(payloads, college.context()))) == [("unknown", "unreachable")]
    monkeypatch.undo()
    assert statuses(list(channel.reconcile(payloads, college.context()))) == [("sent", "")]
    assert statuses(list(channel.deliver(payloads, college.context()))) == [("sent", "")]
    assert len(college.items()) == 1


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_lost_on_the_way_one_item_says_what_is_open(
    on_sqlite: College, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Commits that fail, commits whose answer is lost and payloads that are sent again end as if nothing had been."""
    dice, college = random.Random(seed), on_sqlite
    whole: Any = DefaultDialect.do_commit
    fate = [""]

    def commit(dialect: DefaultDialect, connection: Any) -> None:
        if fate[0] == "before":
            connection.rollback()
            raise sqlite3.OperationalError("disk I/O error")
        whole(dialect, connection)
        if fate[0] == "after":
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(DefaultDialect, "do_commit", commit)
    last = None
    for number in range(6):
        operation = dice.choice(["open", "update", "update", "close"])
        last = item(operation, f"Text {number}")
        for _ in range(dice.randint(1, 2)):  # a run that was killed before it wrote the receipt down does it again
            fate[0] = dice.choice(["", "before", "after"])
            (receipt,) = college.deliver(last)
            fate[0] = ""
            assert receipt.status in ("sent", "unknown")
            if receipt.status == "unknown" and college.reconcile(last)[0].status == "temporary":
                assert college.deliver(last)[0].status == "sent"
        assert college.open_texts() == ([] if operation == "close" else [mark_item(KEY, f"Text {number}")])
    assert statuses(college.reconcile(cast("GapItem", last))) == [("sent", "")]


def test_what_the_table_refuses_is_not_tried_again(college: College) -> None:
    table = college.table
    if college.engine.dialect.name == "postgresql":
        college.execute(f"ALTER TABLE {table} ADD CHECK (\"Comment\" NOT LIKE '%forbidden%')")
    else:
        college.execute(
            f"CREATE TRIGGER no BEFORE INSERT ON {table} WHEN NEW.\"Comment\" LIKE '%forbidden%' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    receipts = college.deliver(item(text="forbidden"), item(reference="P000002"))
    assert statuses(receipts) == [("permanent", "refused"), ("sent", "")]
    assert college.items() == []


def test_a_change_between_look_and_write_wins(college: College) -> None:
    """A tutor's change that our own UPDATE would cover is seen: here, a trigger makes it at that moment."""
    college.deliver(item())
    if college.engine.dialect.name == "postgresql":
        college.execute(
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            'NEW."Comment" = OLD."Comment" || \' by tutor\'; RETURN NEW; END $$'
        )
        college.execute(f"CREATE TRIGGER t BEFORE UPDATE ON {college.table} FOR EACH ROW EXECUTE FUNCTION mine()")
    else:
        college.execute(
            f"CREATE TRIGGER t AFTER UPDATE OF Comment ON {college.table} BEGIN UPDATE ActionPlan SET Comment = "
            "OLD.Comment || ' by tutor' WHERE ActionPlanID = NEW.ActionPlanID; END"
        )
    assert statuses(college.deliver(item("update", "New"))) == [("temporary", "changed_meanwhile")]
    assert college.open_texts() == [mark_item(KEY, "You still need: 1 of 2 meetings")]


def test_a_table_with_a_trigger_can_be_written_to(on_postgres: College) -> None:
    on_postgres.execute("CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
    on_postgres.execute(f"CREATE TRIGGER t AFTER INSERT ON {on_postgres.table} FOR EACH ROW EXECUTE FUNCTION audit()")
    assert statuses(on_postgres.deliver(item())) == [("sent", "")]


# -- logins -----------------------------------------------------------------------------------------------------------


def test_the_login_needs_few_rights(on_postgres: College) -> None:
    columns = '"Comment", "CommentDate", "ActionTypeID"'
    grants = (
        *LOOK, 'INSERT ON "LearnerInformation"."ActionPlan"', f'UPDATE ({columns}) ON "LearnerInformation"."ActionPlan"'
    )  # fmt: skip
    with login(on_postgres, *grants) as url:
        config: dict[str, Any] = {"url": url, "values": VALUES, "closed_values": {"ActionTypeID": 5}}
        assert {one.level for one in on_postgres.check(**config)} == {"ok"}
        for one in (item(), item("update", "New"), item("close")):
            assert statuses(on_postgres.deliver(one, **config)) == [("sent", "")]


def test_a_login_that_may_only_look_is_told(on_postgres: College) -> None:
    with login(on_postgres, *LOOK) as url:
        (error,) = [one for one in on_postgres.check(url=url) if one.level != "ok"]
        assert error.level == "error"
        assert "INSERT on ActionPlan, UPDATE of Comment in ActionPlan" in error.message
        assert "administrator" in error.hint
        assert stopped(on_postgres, *TWO, url=url) == NOT_ALLOWED
    assert on_postgres.items() == []


def test_a_login_that_may_add_and_not_change_is_told_at_the_first_change(on_postgres: College) -> None:
    with login(on_postgres, *LOOK, 'INSERT ON "LearnerInformation"."ActionPlan"') as url:
        found = stopped(on_postgres, item(), item("update", "New"), item(reference="P000002"), url=url)
    assert found == [("sent", ""), *NOT_ALLOWED]


def test_a_login_that_may_not_even_look_stops_everything(on_postgres: College) -> None:
    with login(on_postgres) as url:
        assert stopped(on_postgres, *TWO, url=url) == NOT_ALLOWED
        assert any("SELECT on vStudent" in one.message for one in on_postgres.check(url=url))


def test_a_login_may_be_barred_from_the_procedure(on_postgres: College) -> None:
    on_postgres.execute(PROCEDURE)
    on_postgres.execute('REVOKE EXECUTE ON FUNCTION "LearnerInformation".write_item FROM PUBLIC')
    with login(on_postgres, *LOOK) as url:
        (error,) = [one for one in on_postgres.check(url=url, procedure=CALLED) if one.level != "ok"]
        assert "EXECUTE on" in error.message
        assert stopped(on_postgres, *TWO, url=url, procedure=CALLED) == NOT_ALLOWED
    assert on_postgres.items() == []


# -- configuration, check, rendering ----------------------------------------------------------------------------------


def test_check_says_whether_anything_will_be_written(college: College) -> None:
    assert {one.level for one in college.check()} == {"ok"}
    (warning,) = [one for one in college.check(write=False) if one.level != "ok"]
    assert warning.level == "warning"
    assert "nothing is written until write = true" in warning.message
    assert "--dry-run" in warning.hint
    assert college.items() == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"text_column": "Nowhere"}, "text_column names the column Nowhere"),
        ({"date_column": "Nowhere"}, "date_column names the column Nowhere"),
        ({"values": {"Nowhere": 1}}, "values names the column Nowhere"),
        ({"closed_values": {"Nowhere": 1}}, "closed_values names the column Nowhere"),
        ({"tables": {"ActionPlan": "Nowhere"}}, "no table or view Nowhere"),
    ],
)
def test_what_is_written_to_must_be_there(on_sqlite: College, config: dict[str, Any], named: str) -> None:
    (error,) = on_sqlite.check(**config)
    assert (error.level, named in error.message) == ("error", True)
    told = stopped(on_sqlite, item(), error=ConfigError, words=named, **config)
    assert told == [("temporary", "misconfigured")]


HOSTILE = ['a"; DROP TABLE ActionPlan; --', "a]", "[a]", "a'b", "a;b", "a\nb", "", " a", "1a", "a" * 129, "a--"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "config",
    [
        lambda name: {"procedure": name},
        lambda name: {"procedure": f"dbo.{name}"},
        lambda name: {"text_column": name},
        lambda name: {"date_column": name},
        lambda name: {"values": {name: 1}},
        lambda name: {"closed_values": {name: 1}},
        lambda name: {"tables": {"ActionPlan": name}},
        lambda name: {"schemas": {"promonitor": f"x.{name}"}},
    ],
)
def test_a_hostile_name_is_refused(name: str, config: Any) -> None:
    with pytest.raises(ValidationError):
        configured(**config(name))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"procedure": "dbo.p", "values": VALUES}, "beside procedure"),
        ({"procedure": "dbo.p", "closed_values": VALUES}, "beside procedure"),
        ({"values": {"comment": "x"}}, "sets comment"),
        ({"values": {"PMSTUDENTID": 1}}, "sets PMSTUDENTID"),
        ({"values": {"CommentTypeID": 1.5}}, "values"),
        ({"values": {"CommentTypeID": None}}, "values"),
        ({"date_column": "Comment"}, "fewer than four"),
        ({"url": "mssql://login:secret@server/ProMonitor"}, "must not hold a password"),
        ({"url": "mssql+pyodbc://server/ProMonitor?PWD=secret"}, "must not hold a password"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        configured(**config)
    assert "secret" not in str(caught.value)


def test_windows_signs_in_without_a_password() -> None:
    url = "mssql+pyodbc://sql01/ProMonitor?driver=ODBC+Driver+18+for+SQL+Server&Trusted_Connection=yes"
    assert configured(url=url).password is None
    assert PromonitorConfig(type="promonitor", name="ilp", url=url).password is None


def test_nothing_is_written_by_default() -> None:
    assert PromonitorWriteConfig(type="promonitor-writeback", name="x", url="sqlite:///x.db").write is False


@pytest.mark.parametrize("value", ["'; DROP TABLE ActionPlan; --", "%(x)s", ":text", "O'Brien"])
def test_constants_are_bound(college: College, value: str) -> None:
    values = {**VALUES, "Note": value, "Flag": True}
    college.execute(f'ALTER TABLE {college.table} ADD COLUMN "Note" VARCHAR(100)')
    college.execute(f'ALTER TABLE {college.table} ADD COLUMN "Flag" BOOLEAN')
    assert statuses(college.deliver(item(text=value), values=values)) == [("sent", "")]
    assert college.values_of(college.items()[0][0], "Note", "Flag") == (value, True)
    assert college.open_texts() == [mark_item(KEY, value)]


def test_a_payload_tells_nobody_anything_and_holds_everything(tmp_path: Path) -> None:
    channel, context = PromonitorChannel(configured()), cast("Context", HostContext(tmp_path))
    payload = channel.render(item(text="Für Zoë: 1 of 2"), context)
    assert (payload.key, payload.message_id, payload.subject, payload.recipient) == (KEY, KEY, "", REFERENCE)
    assert mark_item(KEY, "Für Zoë: 1 of 2") in payload.content.decode()
    assert "Zoë" not in repr(payload)
    assert not list(tmp_path.iterdir())
    digest = Digest("k", Person("A", "a@example.ac.uk"), "tutor", "College", "2025/26", date(2026, 6, 2), ())
    with pytest.raises(ContractError, match="not digests"):
        channel.render(digest, context)


# -- SQL Server -------------------------------------------------------------------------------------------------------


def every_statement() -> Iterator[tuple[str, sa.Executable]]:
    """Yield each statement of write-back on SQL Server, in every form."""
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    now = datetime(2026, 6, 2, 3)
    direct = configured(values={**VALUES, "Origin": "constant"}, closed_values={"ActionTypeID": 5, "Done": True})
    for name, config in (("table", direct), ("procedure", configured(procedure="dbo.Fingerpost_WriteItem"))):
        items = ItemStatements(Catalogue(config, "mssql"), config, dialect)
        yield f"{name}: pages", items.pages({"P000001", "P000002"})
        for number, statement in enumerate(items.lock(KEY, 60)):
            yield f"{name}: lock {number}", statement
        yield f"{name}: look", items.look([100001, 100013], KEY)
        yield f"{name}: list", items.listed()
        yield f"{name}: insert", items.write("insert", page=1, item=None, text="secret", before=None, now=now)
        yield f"{name}: update", items.write("update", page=1, item=7, text="secret", before="old secret", now=now)
        yield f"{name}: close", items.write("close", page=1, item=7, text="secret", before="old secret", now=now)
        rights = table_rights(items, dialect)
        assert rights is not None
        yield f"{name}: rights", rights
    yield "procedure: may be called", procedure_rights("[dbo].[Fingerpost_WriteItem]", dialect)


def test_every_statement_compiles_for_sql_server() -> None:
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    seen: dict[str, str] = {}
    for form, statement in every_statement():
        text = seen[form] = str(statement.compile(dialect=dialect))  # type: ignore[attr-defined]
        print(f"-- {form}\n{text}\n")  # pytest -s shows them
        for value in ("secret", "constant", KEY, "P000001", "2026", "100001", "Exclusive", "insert", "Fingerpost "):
            assert value not in text
        assert "'" not in text
        assert "OUTPUT" not in text
        if "rights" not in form and "procedure" not in form and "lock 1" not in form:
            assert re.search(r"\[ProMonitor\]\.(dbo|\[LearnerInformation\])\.", text)
    assert "sp_getapplock @Resource = :resource" in seen["table: lock 1"]
    assert seen["procedure: insert"].startswith(
        "SET NOCOUNT ON; EXEC [dbo].[Fingerpost_WriteItem] @operation=:operation, @pm_student=:pm_student, "
    )
    assert seen["table: insert"].startswith("INSERT INTO [ProMonitor].[LearnerInformation].[ActionPlan] (")
    assert seen["table: update"].startswith("UPDATE [ProMonitor].[LearnerInformation].[ActionPlan] SET ")
    assert "@before=:before" in seen["procedure: update"]
    # NTEXT cannot be compared, and most collations take an edit of case alone for none.
    assert seen["table: update"].endswith("AS NVARCHAR(max)) COLLATE Latin1_General_BIN2) = :before")
    assert "[ActionTypeID]" not in seen["table: update"]
    assert "[ActionTypeID]" in seen["table: close"]
    assert not any("DELETE" in text or "MERGE" in text for text in seen.values())
    # On PostgreSQL, the procedure is a function, and its name is quoted too.
    there = postgresql.dialect()  # type: ignore[no-untyped-call]
    config = configured(procedure="Own.Write Item")
    call = ItemStatements(Catalogue(config, "postgresql"), config, there).write(
        "insert", page=1, item=None, text="x", before=None, now=datetime(2026, 6, 2)
    )  # fmt: skip
    assert str(call.compile(dialect=there)).startswith('SELECT * FROM "Own"."Write Item"(operation => ')  # type: ignore[attr-defined]
