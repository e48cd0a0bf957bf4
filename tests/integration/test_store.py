"""The store on both databases, SQLite and a real PostgreSQL: the same nights leave the same records."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from colleges import SmallCollege, activity, dump, snapshot, stream, usual_college
from nights import run_at_once

from fingerpost import ConfigError, LockHeld, StoreError
from fingerpost._store import schema
from fingerpost._store.dialect import dialect_for
from fingerpost._store.store import SCHEMA_REVISION, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from colleges import Snapshot


def new_college(folder: Path, address: Path | str, *, learners: int = 12) -> SmallCollege:
    """Return the usual college, its records in the store at this address, and with rows of every sort."""
    college = usual_college(folder, learners=learners)
    college.keep = True
    college.tables["store"] = {"url": address} if isinstance(address, str) else {"path": str(address)}
    college.rows["mis"][0]["uln"] = "1061484016"
    college.rows["mis"][1]["given_names"] = "Zoë\x01 Łukasz\u200b %s %(x)s ?"
    college.add_csv(
        "ilp", "learners", "learners",
        [{"learner_ref": "P1", "uln": "1061484016", "soc_code": "2231"}, {"learner_ref": "L002", "email": "not one"}],
    )  # fmt: skip
    college.add_csv("leavers", "destinations", "destinations", [
        {"learner_ref": "L003", "destination_type": "University", "start_date": "2025-09-01"},
        {"learner_ref": "NOBODY", "destination_type": "Job", "start_date": "2025-09-01"},
    ], key=["learner_ref", "start_date"])  # fmt: skip
    college.rows["careers-log"] += [
        activity("bad", "L001", "Juggling"),
        activity("group", "", "Employer talk", "2025-11-17", tutor_group="G1", employer="Farm"),
        activity("by-uln", "", "Careers interview", "2025-11-18", uln="1061484016"),
        activity("judged", "L004", "Work experience", "2025-11-19", meaningful="yes", purpose="yes", feedback="no"),
        activity("bad-hours", "L005", "Employer talk", "2025-11-20", hours="many", via_course="no"),
    ]
    for name in college.rows:
        college.write(name)
    return college


@pytest.fixture
def college(tmp_path: Path, store_address: Path | str) -> SmallCollege:
    return new_college(tmp_path / "college", store_address)


def first(college: SmallCollege) -> None:
    report = college.sync()
    assert report.exit_code == 3, "the unknown kind of activity is news"
    assert report.records["learners"] == 12
    assert report.digests.sent == 2


def unchanged(college: SmallCollege) -> None:
    report = college.sync()
    assert report.exit_code == 0
    assert {one.state for one in report.streams} == {"unchanged"}


def much_changes(college: SmallCollege) -> None:
    college.later(days=7)
    college.rows["mis"][2]["given_names"] = "New name"
    del college.rows["mis"][11]
    college.rows["ilp"][0]["uln"] = ""
    college.rows["tutors"][0]["tutor_group"] = "G1"
    college.rows["careers-log"] = [activity("L002-9", "L002", "Careers interview", "2026-02-02")]
    for name in ("mis", "ilp", "tutors", "careers-log"):
        college.write(name)
    report = college.sync()
    assert (stream(report, "mis").changed, stream(report, "mis").deleted) == (1, 1)
    assert stream(report, "careers-log").deleted == 0
    assert report.digests.sent == 1


def many_vanish(college: SmallCollege) -> None:
    college.put("tutors", college.rows["tutors"][:3])
    report = college.sync()
    assert stream(report, "tutors").state == "held"
    assert report.exit_code == 3


def a_person_says_so(college: SmallCollege) -> None:
    with college.open() as opened:
        assert [(one.connector, one.rows) for one in opened.confirm_sweep()] == [("tutors", 9)]
    assert college.sync().records["assignments"] == 3


def the_kind_is_known(college: SmallCollege) -> None:
    known = '[fields.kind.values]\n"Juggling" = "employer_encounter"\n'
    college.add_mapping("our-log", f'schema_version = 1\nextends = "careers-log"\n{known}')
    college.source("careers-log")["mapping"] = "our-log"
    with college.open() as opened:
        report = opened.retry_quarantine()
    assert (report.stored, report.left) == (1, 0)
    college.sync()


NIGHTS: tuple[Callable[[SmallCollege], None], ...] = (
    first, unchanged, much_changes, many_vanish, a_person_says_so, the_kind_is_known,
)  # fmt: skip


def test_the_same_nights_leave_the_same_records_in_both_databases(
    tmp_path: Path, postgres_schema: Callable[[], str]
) -> None:
    colleges = [new_college(tmp_path / "one", tmp_path / "one.db"), new_college(tmp_path / "two", postgres_schema())]
    for night in NIGHTS:
        left: list[Snapshot] = []
        for college in colleges:
            night(college)
            left.append(college.snapshot())
        assert left[0] == left[1], night.__name__


# -- what holds on each ------------------------------------------------------------------------------------------


def test_a_night_without_news_writes_to_no_data_table(college: SmallCollege) -> None:
    first(college)
    before = college.dump()
    unchanged(college)
    assert college.dump() == before
    college.later(days=0.1)
    for name in college.rows:
        college.write(name, newline="\n")  # the same rows in other bytes
    report = college.sync()
    assert {(one.state, one.new, one.changed) for one in report.streams} == {("complete", 0, 0)}
    assert college.dump() == before


def test_a_dry_run_reports_the_same_and_leaves_nothing(college: SmallCollege) -> None:
    before = college.dump(schema.metadata.sorted_tables)
    dry = college.sync(dry_run=True)
    assert college.dump(schema.metadata.sorted_tables) == before
    wet = college.sync()
    assert dry.records == wet.records
    assert dry.verdicts == wet.verdicts
    assert dry.digests.planned == wet.digests.planned
    assert (dry.digests.sent, wet.digests.sent) == (0, 2)


def test_a_failing_source_fails_alone(college: SmallCollege) -> None:
    first(college)
    (college.folder / "data" / "mis.csv").unlink()
    college.add("careers-log", activity("new", "L002", "Careers interview", "2026-02-02"))
    report = college.sync()
    assert (stream(report, "mis").state, stream(report, "careers-log").new) == ("failed", 1)
    assert report.exit_code == 3
    assert report.records["learners"] == 12


def test_a_refused_write_fails_its_stream_and_the_others_go_on(college: SmallCollege) -> None:
    with college.open() as opened, opened._opened.store.writing() as connection:
        connection.execute(sa.text("CREATE UNIQUE INDEX one_only ON source_destination (connector)"))
    report = college.sync()
    leavers = stream(report, "leavers")
    assert leavers.state == "failed"
    assert leavers.message == "The store refused a write (IntegrityError)."
    assert report.records["learners"] == 12
    assert report.records["destinations"] == 0
    with college.open() as opened, opened._opened.store.writing() as connection:
        connection.execute(sa.text("DROP INDEX one_only"))
    assert college.sync().records["destinations"] == 2


def test_two_runs_of_one_college_do_not_meet(college: SmallCollege) -> None:
    first(college)
    with college.open() as opened:
        with opened._opened.store.locked(), pytest.raises(LockHeld, match="Another run of this college is still going"):
            opened.sync()
        assert opened.sync().exit_code == 0


def test_a_run_that_died_reads_interrupted(college: SmallCollege) -> None:
    first(college)
    with college.open() as opened, opened._opened.store.writing() as connection:
        connection.execute(
            sa.insert(schema.run).values(
                started_at="2026-03-02T04:00:00Z", status="running", as_of="2026-03-02", version="0"
            )
        )
    report = college.sync()
    assert len(report.interrupted) == 1
    assert report.messages[0].endswith("was interrupted; this run continues from where it stopped.")
    with college.open() as opened:
        assert [one.status for one in opened.status().runs] == ["succeeded", "interrupted", "partial"]


def test_everything_that_can_be_asked_can_be_asked(college: SmallCollege) -> None:
    first(college)
    with college.open() as opened:
        assert opened.check().ok
        assert opened.explain("L001").also_known_as == ("99999999:P1",)
        assert {gap.learner for gap in opened.gaps().gaps} >= {"L001", "L002"}
        assert len(opened.preview()) == 2
        assert [one.reason for one in opened.quarantine()] == ["unmatched_code"]
        assert opened.held_sweeps() == []
        assert len(opened.status().runs) == 1


# -- opening -----------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(store_address: Path | str) -> Iterator[Store]:
    store = Store.open(store_address)
    yield store
    store.close()


def test_a_new_store_has_every_table_and_opens_again(opened: Store, store_address: Path | str) -> None:
    with opened.reading() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == SCHEMA_REVISION
    assert tables == {"alembic_version", *schema.metadata.tables}
    before = dump(opened, schema.metadata.sorted_tables)
    again = Store.open(store_address)
    assert dump(again, schema.metadata.sorted_tables) == before
    again.close()


def test_the_migrations_make_what_the_code_expects(opened: Store) -> None:
    deferred = {index.name for index in schema.DEFERRED_INDEXES}
    with opened.writing() as connection:
        assert differences(connection) == {("add_index", name) for name in deferred}
        opened.ensure_indexes(connection)
        assert differences(connection) == set()
        opened.ensure_indexes(connection)  # and again, as every night


def test_a_store_of_an_earlier_release_is_migrated_with_its_rows(store_address: Path | str) -> None:
    """A column that is dropped takes nothing else with it."""
    config = Config()
    config.set_main_option("script_location", "fingerpost:_store/migrations")
    config.set_main_option("path_separator", "os")
    engine = dialect_for(store_address).engine()
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(sa.text("INSERT INTO connector (id, name) VALUES (1, 'mis'), (2, 'log')"))
        said = "1, 'k', '', 0, 1, 1, '99999998:L1'"
        names = "id, connector, key, part, row_hash, first_run, changed_run, identity"
        connection.execute(sa.text(f"INSERT INTO source_learner ({names}) VALUES (1, {said})"))
        columns = "identity, ukprn, reference, considering_he, family_name, first_run, changed_run"
        values = "'99999999:L1', 99999999, 'L1', true, 'Archer', 1, 1"
        connection.execute(sa.text(f"INSERT INTO learner (id, {columns}) VALUES (7, {values})"))
    engine.dispose()
    store = Store.open(store_address)
    try:
        with store.writing() as connection:
            store.ensure_indexes(connection)
            assert differences(connection) == set()
            (row,) = connection.execute(sa.select(schema.learner)).all()
            assert (row.id, row.reference, row.family_name) == (7, "L1", "Archer")
            providers = dict(connection.execute(sa.select(schema.connector.c.name, schema.connector.c.ukprn)).all())
            assert providers == {"mis": 99999998, "log": None}
    finally:
        store.close()


def test_the_comparison_sees_a_missing_column(opened: Store) -> None:
    with opened.writing() as connection:
        opened.ensure_indexes(connection)
        connection.execute(sa.text("ALTER TABLE learner DROP COLUMN soc_code"))
        assert differences(connection) == {("add_column", "soc_code")}


def differences(connection: sa.Connection) -> set[tuple[str, str | None]]:
    """Return how a database's schema differs from what the code expects."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found = set()
    for entry in compare_metadata(context, schema.metadata):
        change = entry if isinstance(entry, tuple) else entry[0]
        if change[0] == "remove_table" and change[1].name == "alembic_version":
            continue
        found.add((change[0], getattr(change[-1], "name", None)))
    return found


def test_a_store_of_a_newer_release_is_refused(opened: Store, store_address: Path | str) -> None:
    with opened.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"was written by a newer release of Fingerpost \(schema 9999; this one knows"):
        Store.open(store_address)


@pytest.mark.parametrize("content", [b"learner_ref,uln\r\n1,2\r\n" * 100, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fingerpost.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"The store .*fingerpost\.db cannot be used: .*last backup"):
        Store.open(path)
    assert path.read_bytes() == content


def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fingerpost.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE learner (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(path)
    with sqlite3.connect(path) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["learner"]
    connection.close()


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(tmp_path)


@pytest.mark.skipif("sys.platform == 'win32'", reason="Windows keeps rights in another way")
def test_the_file_is_for_the_service_account_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "deep" / "fingerpost.db")
    with store.writing() as connection:
        connection.execute(sa.insert(schema.connector).values(name="mis"))
        modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "deep").iterdir()}
    store.close()
    assert set(modes.values()) == {0}


def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    with pytest.raises(
        StoreError, match=r"The store postgresql://me:\*\*\*@127\.0\.0\.1:1/x cannot be reached"
    ) as caught:
        Store.open("postgresql://me:s3cret@127.0.0.1:1/x")
    assert "s3cret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("mysql://server/db", r"begins with mysql://, but only postgresql:// is supported"),
        ("sqlite:///fingerpost.db", "write .store. path instead"),
        ("not an address", r"\[store\] url is not an address"),
    ],
)
def test_an_address_of_another_sort_is_refused(address: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Store.open(address)


def test_a_server_without_the_college_s_schema_is_refused(postgres: str) -> None:
    address = sa.make_url(postgres).set(drivername="postgresql").update_query_dict({"options": "-csearch_path=missing"})
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(address.render_as_string(hide_password=False))


def test_colleges_in_two_schemas_do_not_meet(tmp_path: Path, postgres_schema: Callable[[], str]) -> None:
    one = new_college(tmp_path / "one", postgres_schema(), learners=2)
    two = new_college(tmp_path / "two", postgres_schema(), learners=3)
    with one.open() as opened, opened._opened.store.locked():
        assert two.sync().records["learners"] == 3
    assert one.sync().records["learners"] == 2
    with two.open() as opened:
        assert len(snapshot(opened._opened.store)["learner"]) == 4  # one of them is the same as another


def test_several_processes_may_make_a_new_store_at_once(tmp_path: Path) -> None:
    for number in range(2):
        assert run_at_once(4, Store.open, tmp_path / f"{number}.db") == [0] * 4
