"""What marking costs: soft_delete() and DELETE against the same UPDATE, 600,000 rows, partitioned and ordinary."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import database
from dbperf.migrations import migrate

ROWS, ROUNDS = 600_000, 5
DATABASE = "dbperf_bench_soft_delete"
COLUMNS = (
    "id bigint NOT NULL, instrument_id integer NOT NULL, at timestamp NOT NULL,"
    " price double precision, bid double precision, ask double precision, volume integer, PRIMARY KEY (id, at)"
)
MARK = "SET deleted_at = now(), deleted_batch = 1"

#: What is timed, on which of the two tables: one with soft delete, one with only its columns and index.
STATEMENTS = {
    "UPDATE": f"UPDATE bare {MARK}",
    "soft_delete()": "SELECT * FROM dbperf.soft_delete('guarded', 'true')",
    "DELETE": "DELETE FROM guarded",
}


@pytest.fixture(scope="module")
def conn() -> Iterator[psycopg.Connection]:
    with database(DATABASE) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


def _make(conn: psycopg.Connection, name: str, *, partitioned: bool) -> None:
    conn.execute(f"DROP TABLE IF EXISTS {name} CASCADE".encode())
    kind = " PARTITION BY RANGE (at)" if partitioned else ""
    conn.execute(f"CREATE TABLE {name} ({COLUMNS}){kind}".encode())
    for month in range(1, 7) if partitioned else ():
        bounds = f"FROM ('2026-0{month}-01') TO ('2026-0{month + 1}-01')"
        conn.execute(f"CREATE TABLE {name}_{month} PARTITION OF {name} FOR VALUES {bounds}".encode())
    conn.execute(
        f"INSERT INTO {name} SELECT g, g % 20, timestamp '2026-01-01' + g * interval '25 seconds', 1, 2, 3, 4"
        f" FROM generate_series(1, {ROWS}) AS g".encode()
    )
    if name == "bare":
        conn.execute("ALTER TABLE bare ADD COLUMN deleted_at timestamptz, ADD COLUMN deleted_batch bigint")
        conn.execute("CREATE INDEX ON bare (deleted_at, deleted_batch) WHERE deleted_at IS NOT NULL")
        return
    conn.execute("SELECT dbperf.enable_soft_delete('guarded', hot => true)")
    while plan := conn.execute("SELECT statement FROM dbperf.soft_delete_index('guarded')").fetchall():
        for (statement,) in plan:
            conn.execute(statement.encode())


def _seconds(conn: psycopg.Connection, statement: str) -> float:
    with conn.transaction(force_rollback=True):
        started = time.perf_counter()
        conn.execute(statement.encode())
        taken = time.perf_counter() - started
    conn.execute("VACUUM bare, guarded")
    return taken


@pytest.mark.parametrize("partitioned", [True, False], ids=["partitioned", "ordinary"])
def test_marking_costs_little_more_than_an_update(
    conn: psycopg.Connection, benchmark: BenchmarkFixture, partitioned: bool
) -> None:
    for name in ("bare", "guarded"):
        _make(conn, name, partitioned=partitioned)
    conn.execute("VACUUM (ANALYZE) bare, guarded")
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            times[name].append(_seconds(conn, statement))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ratios = {name: round(taken / medians["UPDATE"], 2) for name, taken in medians.items()}
    shown = "   ".join(f"{name} {medians[name]:.2f} s ({ratios[name]} ×)" for name in STATEMENTS)
    print(f"\n{'partitioned' if partitioned else 'ordinary'}, {ROWS:,} rows: {shown}")
    benchmark.extra_info.update(ratios)
    benchmark.pedantic(_seconds, args=(conn, STATEMENTS["soft_delete()"]), rounds=1)  # type: ignore[no-untyped-call]
    assert ratios["soft_delete()"] <= 2
    assert ratios["DELETE"] <= (2 if partitioned else 6)
