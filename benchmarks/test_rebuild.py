"""What a rebuild costs while it runs: the backfill beside one INSERT … SELECT, writers beside themselves without it.

``BENCH_REBUILD_ROWS`` is the size of the table (200,000 by default; the promises are for 1_000_000 and 5_000_000).
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from dbperf import legacy, rebuild
from dbperf.migrations import migrate
from dbperf.migrations.session import open_session
from dbperf.server import Server

ROWS = int(os.environ.get("BENCH_REBUILD_ROWS", "200_000"))
INSERT = 'INSERT INTO market_data ("timestamp", instrument_id, price, volume) VALUES (%s, 1, 100.25, 1)'
AT = "2026-06-30 20:00:00"


@pytest.fixture
def dsn() -> Iterator[str]:
    """A legacy database with its ticks, migrated up to the rebuilds, and the empty target of market_data."""
    home = Path(tempfile.mkdtemp(prefix="dbperf-bench-"))
    home.chmod(0o711)  # the server's system user has to enter it
    server = Server(home / "server", settings={"shared_buffers": "1GB", "max_wal_size": "8GB"})
    url = server.start()
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            legacy.create(conn, ticks=ROWS)
        migrate(url, to="0010")
        with psycopg.connect(url, autocommit=True) as conn:
            for name in ("market_data_next", "market_data_once"):
                conn.execute("SELECT dbperf.make_market_data('market_data', %s)", [f"public.{name}"])
                conn.execute("CALL dbperf.maintain(%s)", [name])
            conn.execute("VACUUM (ANALYZE)")
            conn.execute("CHECKPOINT")
        yield url
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def legacy_columns(conn: psycopg.Connection) -> list[str]:
    query = "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = 'market_data'::regclass AND attnum > 0"
    return [row[0] for row in conn.execute(query)]


def test_backfill_against_one_insert_select(dsn: str) -> None:
    with open_session(dsn, print) as conn:
        conn.execute("SELECT dbperf.rebuild_start('market_data', 'market_data_next')")
        statements = conn.execute("SELECT statement FROM dbperf.rebuild_missing_partitions('market_data')").fetchall()
        for (statement,) in statements:
            conn.execute("CALL dbperf.run_online(%s)", [statement])
            conn.execute("CALL dbperf.run_online(%s)", [statement.replace("market_data_next", "market_data_once")])
        columns = ", ".join(legacy_columns(conn))
        started = time.perf_counter()
        conn.execute(f"INSERT INTO market_data_once ({columns}) SELECT {columns} FROM market_data".encode())
        once = time.perf_counter() - started
        started = time.perf_counter()
        conn.execute("CALL dbperf.rebuild_run('market_data')")
        run = time.perf_counter() - started
        started = time.perf_counter()
        assert rebuild.verify(conn, "market_data") == []
        verified = time.perf_counter() - started
    print(
        f"\n{ROWS:,} rows: INSERT … SELECT {once:.1f} s, backfill {run:.1f} s, ratio {once / run:.2f};"
        f" verify {verified:.1f} s"
    )
    assert once / run >= 0.5


class Writer:
    """Commits one row after the other, and remembers how long each took."""

    def __init__(self, dsn: str) -> None:
        self.taken: list[float] = []
        self._dsn = dsn
        self._stop = threading.Event()

    def __enter__(self) -> Writer:
        self._thread = threading.Thread(target=self._write)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as conn:
            while not self._stop.is_set():
                started = time.perf_counter()
                conn.execute(INSERT, [AT])
                self.taken.append((time.perf_counter() - started) * 1000)


def _watched(dsn: str, words: str, work: Callable[[], None]) -> float:
    with Writer(dsn) as first, Writer(dsn) as second:
        work()
    taken = sorted(first.taken + second.taken)
    at = taken[min(int(len(taken) * 0.999), len(taken) - 1)]
    print(
        f"{words:22} {len(taken):7,} inserts, median {statistics.median(taken):6.2f} ms,"
        f" p99.9 {at:8.2f} ms, longest {taken[-1]:8.1f} ms"
    )
    return statistics.median(taken)


def test_writers_beside_a_rebuild_and_beside_alter_table(dsn: str) -> None:
    print()
    calm = _watched(dsn, "nothing beside them", lambda: time.sleep(5))

    def whole() -> None:
        with open_session(dsn, lambda text: None) as conn:
            rebuild.start(conn, "market_data", "market_data_next")
            rebuild.run(conn, "market_data")
            assert rebuild.verify(conn, "market_data") == []
            rebuild.cut_over(conn, "market_data")
            assert rebuild.verify(conn, "market_data") == []
            rebuild.revert(conn, "market_data")
            rebuild.abort(conn, "market_data")

    busy = _watched(dsn, "a rebuild, both ways", whole)

    def alter() -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("SELECT dbperf.drop_soft_delete_guards('market_data')")
            conn.execute("DROP VIEW market_data_active")
            columns = ("price", "bid", "ask", "open_price", "high_price", "low_price")
            changes = ", ".join(f"ALTER {column} TYPE double precision" for column in columns)
            conn.execute(f"ALTER TABLE market_data {changes}".encode())

    _watched(dsn, "ALTER TABLE", alter)
    print(f"median beside a rebuild: {busy / calm:.2f} x")
    assert busy <= 2 * calm
