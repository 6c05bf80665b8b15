"""What checking costs copy_rows: against psycopg's bare write_row, exact decimals, into a heap without any index."""

from __future__ import annotations

import statistics
import time

import psycopg
from pytest_benchmark.fixture import BenchmarkFixture

import dbperf
from benchmarks import workload
from dbperf.server import Server, default_home

ROWS = 100_000
TYPES = [1114, 23, 1700, 23, 1700, 1700, 23, 23, 1700, 1700, 1700]  # of TICK_COLUMNS


def _bare(conn: psycopg.Connection, rows: list[workload.Values]) -> None:
    names = ", ".join(workload.TICK_COLUMNS)
    with conn.cursor() as cursor, cursor.copy(f"COPY heap ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.set_types(TYPES)
        for row in rows:
            copy.write_row(row)


def _checked(conn: psycopg.Connection, rows: list[workload.Values]) -> None:
    dbperf.copy_rows(conn, "heap", rows, workload.TICK_COLUMNS)


def test_checking_costs_little(benchmark: BenchmarkFixture) -> None:
    rows = list(workload.ticks(ROWS))
    with psycopg.connect(Server(default_home()).start(), autocommit=True) as conn:
        numeric = "price bid ask open_price high_price low_price"
        columns = [f"{name} numeric(12,4)" if name in numeric else f"{name} integer" for name in workload.TICK_COLUMNS]
        conn.execute(f'CREATE TEMPORARY TABLE heap ("timestamp" timestamp, {", ".join(columns[1:])})'.encode())
        times: dict[str, list[float]] = {"bare": [], "checked": []}
        for _ in range(9):
            for name, write in (("bare", _bare), ("checked", _checked)):
                conn.execute("TRUNCATE heap")
                started = time.perf_counter()
                write(conn, rows)
                times[name].append(time.perf_counter() - started)
        bare, checked = (statistics.median(times[name]) / ROWS * 1e6 for name in ("bare", "checked"))
        print(f"write_row {bare:.2f} µs a row   copy_rows {checked:.2f} µs a row   ratio {checked / bare:.2f}")
        benchmark.extra_info.update(bare_us=round(bare, 2), checked_us=round(checked, 2))
        benchmark.pedantic(_checked, args=(conn, rows), rounds=3)  # type: ignore[no-untyped-call]
        assert checked < 2 * bare
