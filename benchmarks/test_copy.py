"""What copy_rows, copy_columns and copy_arrow cost: against psycopg's bare write_row, into a heap without any index."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import psycopg
import pyarrow as pa
from pytest_benchmark.fixture import BenchmarkFixture

import dbperf
from benchmarks import workload
from dbperf.server import Server, default_home

ROWS = 100_000
TYPES = [1114, 23, 1700, 23, 1700, 1700, 23, 23, 1700, 1700, 1700]  # of TICK_COLUMNS


def _bare(conn: psycopg.Connection, rows: list[workload.Values], oids: list[int] = TYPES) -> None:
    names = ", ".join(workload.TICK_COLUMNS)
    with conn.cursor() as cursor, cursor.copy(f"COPY heap ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.set_types(oids)
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


def _timed(work: Callable[[], object]) -> float:
    """Seconds that this process computed."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _kind(name: str) -> str:
    if name == "timestamp":
        return name
    return "integer" if name.endswith(("_size", "_id", "volume")) else "double precision"


def test_columns_cost_a_fraction_of_rows() -> None:
    """Client CPU, of the columns of a tick with prices as double precision."""
    names = workload.TICK_COLUMNS
    numbers = np.arange(ROWS)
    values = {
        "timestamp": np.datetime64("2026-07-01", "us") + numbers.astype("m8[s]"),
        "integer": (numbers % 1000).astype("i4"),
        "double precision": numbers % 1000 / 4,
    }
    columns = {name: values[_kind(name)] for name in names}
    rows = list(zip(*(column.tolist() for column in columns.values()), strict=True))
    frame = pa.table(columns)
    oids = [{"timestamp": 1114, "integer": 23, "double precision": 701}[_kind(name)] for name in names]
    with psycopg.connect(Server(default_home()).start(), autocommit=True) as conn:
        columns_sql = ", ".join(f'"{name}" {_kind(name)}' for name in names)
        conn.execute(f"CREATE TEMPORARY TABLE heap ({columns_sql})".encode())
        writers: dict[str, Callable[[], object]] = {
            "copy_columns": lambda: dbperf.copy_columns(conn, "heap", columns),
            "copy_arrow": lambda: dbperf.copy_arrow(conn, "heap", frame),
            "copy_rows": lambda: dbperf.copy_rows(conn, "heap", rows, names),
            "write_row": lambda: _bare(conn, rows, oids),
        }
        times: dict[str, list[float]] = {name: [] for name in writers}
        for _ in range(9):
            for name, write in writers.items():
                conn.execute("TRUNCATE heap")
                times[name].append(_timed(write))
    cpu = {name: statistics.median(taken) / ROWS * 1e6 for name, taken in times.items()}
    print("client CPU a row: " + ", ".join(f"{name} {taken:.2f} µs" for name, taken in cpu.items()))
    assert max(cpu["copy_columns"], cpu["copy_arrow"]) < cpu["write_row"] / 2
