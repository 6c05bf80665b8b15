"""What settling conflicts costs on a table of bars: ``ignore`` and ``update`` beside plain batches in the same table.

Everything is measured in turn, round by round, and compared by medians of one run: absolute rates drift.
``BENCH_BARS`` (50,000) at once go into a table that has ``BENCH_BARS_HELD`` (1,000,000) of ``INSTRUMENTS`` already, in
the order of time, as feeds send them, which is not that of the key.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pytest

import dbperf
from benchmarks import workload
from benchmarks.conftest import database
from dbperf.copy.options import Options

BARS = int(os.environ.get("BENCH_BARS", "50_000"))
HELD = int(os.environ.get("BENCH_BARS_HELD", "1_000_000"))
INSTRUMENTS = 500
ROUNDS = 9
DATABASE = "dbperf_bench_conflicts"
START = np.datetime64("2026-01-01", "us")
PROMISED = 0.5

TABLES = {
    "ordinary": "",
    "ordinary, fillfactor 50": " WITH (fillfactor = 50)",
    "partitioned": ' PARTITION BY RANGE ("timestamp")',
}

Columns = dict[str, "np.ndarray[Any, Any]"]


def bars(first: int, count: int, traded: int = 0) -> Columns:
    """*count* bars after *first* others, a minute of all instruments after the other; more *traded* in them."""
    numbers = np.arange(first, first + count)
    prices = numbers % 1000 / 4 + traded
    return {
        "instrument_id": (1 + numbers % INSTRUMENTS).astype("i4"),
        "timestamp": START + (numbers // INSTRUMENTS).astype("m8[m]"),
        "open": prices,
        "high": prices + 2,
        "low": prices - 2,
        "close": prices + 1,
        "volume": numbers % 250 + 1 + traded,
    }


@dataclass(frozen=True)
class Case:
    """A batch, settled as *options* say, of which the part *there* is in the table already."""

    name: str
    options: Options
    there: float


PLAIN = Case("plain, all new", {}, 0)
WAYS: dict[str, Options] = {
    "ignore": {"on_conflict": "ignore"},
    "update": {"on_conflict": "update"},
    "update, newer": {"on_conflict": "update", "newer": "volume"},
}
SHARES = {"all new": 0, "half there": 0.5, "all there": 1}
CASES = {
    case.name: case
    for case in (
        PLAIN,
        *(Case(f"{way}, {share}", WAYS[way], SHARES[share]) for way in WAYS for share in SHARES),
    )
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a migrated database."""
    with database(DATABASE) as made:
        dbperf.migrate(made)
        yield made


@pytest.fixture
def conn(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as made:
        yield made


def _make(conn: psycopg.Connection, table: str) -> None:
    conn.execute(
        'CREATE TABLE bar (instrument_id integer, "timestamp" timestamp, open double precision, high double precision, '
        'low double precision, close double precision, volume bigint, PRIMARY KEY (instrument_id, "timestamp"))'
        f"{TABLES[table]}".encode()
    )
    if table == "partitioned":
        for month in range(1, 12):
            values = f"FOR VALUES FROM ('2026-{month}-01') TO ('2026-{month + 1}-01')"
            conn.execute(f"CREATE TABLE bar_{month} PARTITION OF bar {values}".encode())
    dbperf.copy_columns(conn, "bar", bars(0, HELD))
    conn.execute("VACUUM ANALYZE bar")


@pytest.mark.parametrize("table", TABLES)
def test_settling_takes_at_most_twice_as_long(conn: psycopg.Connection, table: str) -> None:
    _make(conn, table)
    sent = HELD

    def measure(name: str) -> float:
        nonlocal sent
        case, there = CASES[name], int(BARS * CASES[name].there)
        if there:
            dbperf.copy_columns(conn, "bar", bars(sent, there))
        batch = bars(sent, BARS, traded=1)
        sent += BARS
        started = time.perf_counter()
        result = dbperf.copy_columns(conn, "bar", batch, **case.options)
        seconds = time.perf_counter() - started
        known = (0, there) if case.options.get("on_conflict") == "ignore" else (there, 0)
        assert (result.inserted, result.updated, result.ignored) == (BARS - there, *known)
        return BARS / seconds

    taken = workload.in_turn(CASES, ROUNDS, measure)
    conn.execute("DROP TABLE bar")
    print(f"\n{table}: {BARS:,} bars at once into {HELD:,}, {ROUNDS} rounds, medians")
    failures = []
    for name in CASES:
        ratio = workload.median_ratio(taken[name], taken[PLAIN.name])
        print(f"{name:30}{statistics.median(taken[name]):12,.0f} /s   {ratio:.2f} × plain")
        if ratio < PROMISED:
            failures.append(f"{name}: {ratio:.2f}, promised {PROMISED}")
    assert not failures
