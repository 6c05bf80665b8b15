"""What exact decimals cost copy_rows: client CPU beside psycopg's bare write_row, which checks nothing.

Rows without decimals are compared in ``test_peers.py``.
"""

from __future__ import annotations

import statistics
import time
from functools import partial

import psycopg

import dbperf
from benchmarks import workload
from dbperf.server import Server, default_home

ROWS = 50_000
ROUNDS = 9
TYPES = [1114, 23, 1700, 23, 1700, 1700, 23, 23, 1700, 1700, 1700]  # of TICK_COLUMNS
MOST = 2.5


def _bare(conn: psycopg.Connection, rows: list[workload.Values]) -> None:
    names = ", ".join(workload.TICK_COLUMNS)
    with conn.cursor() as cursor, cursor.copy(f"COPY heap ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.set_types(TYPES)
        for row in rows:
            copy.write_row(row)


def _checked(conn: psycopg.Connection, rows: list[workload.Values]) -> None:
    dbperf.copy_rows(conn, "heap", rows, workload.TICK_COLUMNS)


def test_checking_decimals_costs_little() -> None:
    rows = list(workload.ticks(ROWS))

    def measure(conn: psycopg.Connection, write: workload.Writer) -> float:
        conn.execute("TRUNCATE heap")
        started = time.process_time()
        write(conn, rows)
        return (time.process_time() - started) / ROWS * 1e6

    with psycopg.connect(Server(default_home()).start(), autocommit=True) as conn:
        numeric = "price bid ask open_price high_price low_price"
        columns = [f"{name} numeric(12,4)" if name in numeric else f"{name} integer" for name in workload.TICK_COLUMNS]
        conn.execute(f'CREATE TEMPORARY TABLE heap ("timestamp" timestamp, {", ".join(columns[1:])})'.encode())
        taken = workload.in_turn((_bare, _checked), ROUNDS, partial(measure, conn))
    bare, checked = (statistics.median(taken[write]) for write in (_bare, _checked))
    ratio = workload.median_ratio(taken[_checked], taken[_bare])
    print(f"client CPU: write_row {bare:.2f} µs a row   copy_rows {checked:.2f} µs a row   ratio {ratio:.2f}")
    assert ratio < MOST
