"""A backfill of ticks against the same COPY into a bare heap: whole months, with indexes and keys, until they are seen.

Every figure is a median of ratios taken in turn within one run. ``BENCH_BACKFILL_ROWS`` ticks in each of two months
(1,000,000 by default), ``BENCH_BACKFILL_ROUNDS`` rounds (5).
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import dbperf
from dbperf import backfill, legacy, rebuild
from dbperf.migrations import migrate
from dbperf.migrations.session import open_session
from dbperf.server import Server

ROWS = int(os.environ.get("BENCH_BACKFILL_ROWS", "1_000_000"))
ROUNDS = int(os.environ.get("BENCH_BACKFILL_ROUNDS", "5"))
MONTHS = (datetime(2019, 1, 1), datetime(2019, 2, 1), datetime(2019, 3, 1))
MEMORY = "64MB"  # more gains nothing
BATCH = 20_000  # rows in the order of instruments, then times: half the work of the indexes on (instrument_id, …)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The migrated trading tables, rebuilt for good; WAL as a server with a standby writes it."""
    home = Path(tempfile.mkdtemp(prefix="dbperf-bench-"))
    home.chmod(0o711)  # the server's system user has to enter it
    settings = {"shared_buffers": "1GB", "max_wal_size": "16GB", "wal_level": "replica", "autovacuum": "off"}
    made = Server(home / "server", settings=settings)
    with psycopg.connect(made.start(), autocommit=True) as conn:
        legacy.create(conn, ticks=1_000)
    migrate(made.url())
    with open_session(made.url(), lambda _: None) as conn:
        for table in ("market_data", "alert_logs"):
            rebuild.finalize(conn, table)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(home, ignore_errors=True)


def ticks(month: datetime) -> dict[str, Any]:
    """Columns of `ROWS` ticks of 20 instruments in the order of time, as a venue's file has them."""
    rng, numbers = np.random.default_rng(month.month), np.arange(ROWS)
    instruments = rng.integers(1, 21, ROWS).astype("i4")
    price = np.round(instruments * 50 + 100 + rng.standard_normal(ROWS).cumsum() / 10, 2)
    quotes = {"bid": -1, "ask": 1, "open_price": 0, "high_price": 2, "low_price": -2}
    return {
        "timestamp": np.datetime64(month, "us") + (numbers * (28 * 86_400_000_000 // ROWS)).astype("m8[us]"),
        "instrument_id": instruments,
        "price": price,
        "volume": (numbers % 250).astype("i4"),
        **{name: price + shift for name, shift in quotes.items()},
        "bid_size": (numbers % 9).astype("i4"),
        "ask_size": (numbers % 7).astype("i4"),
    }


def in_batches(columns: dict[str, Any], batch: int) -> dict[str, Any]:
    """Sorted by instrument and time within each *batch*: what is near in time stays near on disk."""
    numbers = np.arange(len(columns["timestamp"]))
    order = np.lexsort((columns["timestamp"], columns["instrument_id"], numbers // batch))
    return {name: values[order] for name, values in columns.items()}


class Loads:
    """The same two months, loaded in each way; seconds that each takes."""

    def __init__(self, server: Server, conn: psycopg.Connection) -> None:
        self.server, self.conn = server, conn
        self.months = [ticks(month) for month in MONTHS[:2]]

    def copy(self, table: str, connections: int, batch: int = 0) -> None:
        with ThreadPoolExecutor(connections) as workers:
            list(workers.map(lambda columns: self._copy(table, columns, batch), self.months))

    def _copy(self, table: str, columns: dict[str, Any], batch: int) -> None:
        if batch:
            columns = in_batches(columns, batch)
        with psycopg.connect(self.server.url(), autocommit=True) as conn:
            dbperf.copy_columns(conn, table, columns)

    def heap(self, connections: int) -> float:
        self.conn.execute("DROP TABLE IF EXISTS heap; CREATE TABLE heap (LIKE market_data INCLUDING DEFAULTS)")
        return self._timed(lambda: self.copy("heap", connections))

    def backfill(self, connections: int, batch: int = 0) -> float:
        def work() -> None:
            target = backfill.start(self.conn, "market_data", MONTHS[0], MONTHS[2])
            assert target is not None
            self.copy(target, connections, batch)
            backfill.finish(self.conn, "market_data", connections=connections, maintenance_work_mem=MEMORY)

        taken = self._timed(work)
        window = "\"timestamp\" BETWEEN '2019-01-01' AND '2019-12-31'"
        assert self.conn.execute(f"SELECT count(*) FROM market_data WHERE {window}".encode()).fetchone() == (2 * ROWS,)
        for leaf in ("market_data_p2019_01", "market_data_p2019_02"):
            self.conn.execute(f"ALTER TABLE market_data DETACH PARTITION {leaf}".encode())
            self.conn.execute(f"DROP TABLE {leaf}".encode())
        return taken

    def _timed(self, work: Callable[[], None]) -> float:
        self.conn.execute("CHECKPOINT")
        started = time.perf_counter()
        work()
        return time.perf_counter() - started


def test_backfill_against_the_bare_heap(server: Server) -> None:
    with psycopg.connect(server.url(), autocommit=True) as conn:
        taken = _in_turn(Loads(server, conn))
    print()
    for way, times in taken.items():
        print(f"{way:26} {2 * ROWS / statistics.median(times) / 1000:7,.0f} k rows/s")
    ratios = {}
    for over in [way for way in taken if way.startswith("backfill")]:
        for under in ("heap, one connection", "heap, two connections"):
            pairs = zip(taken[under], taken[over], strict=True)
            ratios[over, under] = statistics.median(heap / whole for heap, whole in pairs)
            print(f"{over:26} / {under}: {ratios[over, under]:.2f}")
    assert ratios["backfill, two connections", "heap, one connection"] >= 0.35


def _in_turn(loads: Loads) -> dict[str, list[float]]:
    ways: dict[str, Callable[[], float]] = {
        "heap, one connection": lambda: loads.heap(1),
        "backfill, one connection": lambda: loads.backfill(1),
        "heap, two connections": lambda: loads.heap(2),
        "backfill, two connections": lambda: loads.backfill(2),
        "backfill, sorted": lambda: loads.backfill(1, BATCH),
        "backfill, two, sorted": lambda: loads.backfill(2, BATCH),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            taken[way].append(ways[way]())
    return taken
