"""The writers beside the libraries that people use today, what migrated tables take beside legacy ones, and memory.

Everything is measured in turn, round by round, and compared by medians of one run: absolute rates drift.
``BENCH_PEER_ROWS`` (200,000) go into a bare heap, ``BENCH_PEER_TICKS`` (50,000) into ``market_data`` of
``BENCH_TICKS`` (1,000,000), ``BENCH_MEMORY_ROWS`` (5,000,000; the promise is for 20,000,000) and a twentieth of them
come from a generator.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
import psycopg
import pytest

import dbperf
from benchmarks import memory, peers, workload
from benchmarks.conftest import Pair, database

ROWS = int(os.environ.get("BENCH_PEER_ROWS", "200_000"))
TICKS = int(os.environ.get("BENCH_PEER_TICKS", "50_000"))
MEMORY_ROWS = int(os.environ.get("BENCH_MEMORY_ROWS", "5_000_000"))
ROUNDS = 9
DATABASE = "dbperf_bench_peers"

#: Client CPU in µs a row that is enough, whatever the peers need; those without one have to need less than a peer.
ENOUGH = {"dbperf copy_columns": 0.10, "dbperf copy_arrow": 0.15}
FLAT = 50_000_000

_PRICE_INDEX = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = 'market_data'::regclass AND indexrelid::regclass::text LIKE '%instrument_price%'
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a database with the bare heap."""
    with database(DATABASE) as made:
        with psycopg.connect(made, autocommit=True) as conn:
            conn.execute(peers.CREATE.encode())
        yield made


# -- beside the peers ------------------------------------------------------------------


@dataclass
class Report:
    """µs a row, of each round: client CPU, and from call to commit; why the others did not run."""

    cpu: dict[str, list[float]] = field(default_factory=dict)
    wall: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def best_peer(self, taken: dict[str, list[float]], *, by_row: bool | None = None) -> str:
        """The name of the one with the lowest median, of those that take Python rows, or of all."""
        names = [way.name for way in peers.PEERS if way.name in taken and by_row in (None, way.by_row)]
        return min(names, key=lambda name: statistics.median(taken[name]))


@pytest.fixture(scope="module")
def report(url: str) -> Report:
    made = Report()
    writers: dict[str, tuple[peers.Write, int]] = {}
    rows: dict[float, peers.Rows] = {}
    with psycopg.connect(url, autocommit=True) as conn, ExitStack() as stack:
        for way in (*peers.OURS, peers.SENDING, *peers.PEERS):
            part = rows.setdefault(way.share, peers.Rows(int(ROWS * way.share)))
            try:
                write = stack.enter_context(way.opened(url, part))
                write()
            except Exception as error:  # whatever keeps a peer from running is its line of the report
                if way in peers.OURS:
                    raise
                made.absent[way.name] = f"{type(error).__name__}: {error}"
                continue
            stored = conn.execute(f"SELECT count(*), sum(low_price) FROM {peers.TABLE}".encode()).fetchone()
            assert stored == (part.count, part.columns["low_price"].sum()), way.name
            conn.execute(f"TRUNCATE {peers.TABLE}".encode())
            writers[way.name] = (write, part.count)

        def measure(name: str) -> tuple[float, float]:
            write, count = writers[name]
            conn.execute(f"TRUNCATE {peers.TABLE}".encode())
            cpu, wall = time.process_time(), time.perf_counter()
            write()
            return (time.process_time() - cpu) / count * 1e6, (time.perf_counter() - wall) / count * 1e6

        gc.collect()
        gc.freeze()  # a million values of the others are no part of what one writer costs
        order = random.Random(ROUNDS)
        for _ in range(ROUNDS):  # each in another order: whoever writes first leaves dirty pages to the next
            for name in order.sample(list(writers), len(writers)):
                cpu, wall = measure(name)
                made.cpu.setdefault(name, []).append(cpu)
                made.wall.setdefault(name, []).append(wall)
        gc.unfreeze()
        _print(made, conn)
    return made


def _print(made: Report, conn: psycopg.Connection) -> None:
    shown = []
    for of, distribution in peers.DISTRIBUTIONS.items():
        if any(way.name in made.cpu for way in peers.PEERS if way.of == of):
            shown.append(f"{of} {metadata.version(distribution)}")
    server = conn.info.parameter_status("server_version")
    print(f"\nPostgreSQL {server}, {os.cpu_count()} processors, {ROWS:,} rows of 11 columns, {ROUNDS} rounds, medians")
    print(f"{len(shown)} of {len(peers.DISTRIBUTIONS)} peers ran: {', '.join(shown)}")
    for name, reason in made.absent.items():
        print(f"did not run: {name}: {reason}")
    print(f"{'':40}{'client CPU':>12}{'end to end':>12}  µs a row")
    for name in sorted(made.cpu, key=lambda name: statistics.median(made.cpu[name])):
        print(f"{name:40}{statistics.median(made.cpu[name]):12.2f}{statistics.median(made.wall[name]):12.2f}")


def test_no_client_computes_less(report: Report) -> None:
    failures = []
    for way in peers.OURS:
        best = "asyncpg copy_records_to_table" if way.by_row else report.best_peer(report.cpu)
        ours, ratio = statistics.median(report.cpu[way.name]), np.inf
        if best in report.cpu:
            ratio = workload.median_ratio(report.cpu[way.name], report.cpu[best])
        print(f"client CPU: {way.name} {ours:.2f} µs a row, {ratio:.2f} × {best}")
        if ours > ENOUGH.get(way.name, 0) and ratio > 1:
            failures.append(f"{way.name}: {ours:.2f} µs, {ratio:.2f} × {best}")
    assert not failures


def test_nobody_is_faster_end_to_end(report: Report) -> None:
    """Beyond the noise: the quartiles of the best peer's own rounds, apart from each other, beside its median.

    The writers of columns meet all peers, the writer of Python rows those that take them.
    """
    failures = []
    for way in peers.OURS:
        best = report.best_peer(report.wall, by_row=way.by_row or None)
        low, middle, high = statistics.quantiles(report.wall[best], n=4)
        noise = (high - low) / middle
        ratio = workload.median_ratio(report.wall[way.name], report.wall[best])
        print(f"end to end: {way.name} {ratio:.2f} × {best} (noise {noise:.2f})")
        if ratio > 1 + noise:
            failures.append(f"{way.name}: {ratio:.2f} × {best}, noise {noise:.2f}")
    assert not failures


# -- beside the legacy table -----------------------------------------------------------


def _copied_out(conn: psycopg.Connection, options: str, ticks: list[workload.Values]) -> bytes:
    """*ticks* as the COPY of its ``market_data`` reads them: what the server takes, whatever encodes it."""
    conn.execute("CREATE TEMPORARY TABLE batch AS SELECT * FROM market_data WITH NO DATA")
    dbperf.copy_rows(conn, "batch", ticks, workload.TICK_COLUMNS)
    with conn.cursor() as cursor, cursor.copy(f"COPY batch ({peers.NAMES}) TO STDOUT {options}".encode()) as copy:
        data = b"".join(copy)
    conn.execute("DROP TABLE batch")
    return data


def _copy(conn: psycopg.Connection, options: str, data: bytes) -> None:
    statement = f"COPY market_data ({peers.NAMES}) FROM STDIN {options}".encode()
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(data)


#: Ticks that a database has got so far.
_written: Counter[psycopg.Connection] = Counter()

Columns = dict[str, "np.ndarray[Any, Any]"]


def _columns(ticks: list[workload.Values]) -> Columns:
    """With prices as double precision, as the migrated table has them."""
    dtypes = {"timestamp": "M8[us]", "integer": "i4", "double precision": "f8"}
    by_name = zip(workload.TICK_COLUMNS, zip(*ticks, strict=True), strict=True)
    return {name: np.array(values, dtypes[peers.kind(name)]) for name, values in by_name}


def _halves(columns: Columns) -> list[Columns]:
    return [{name: np.array_split(each, 2)[half] for name, each in columns.items()} for half in range(2)]


@dataclass(frozen=True)
class Side:
    """A way to write ticks into one of the two tables.

    Args:
        conn: of which database.
        prepare: makes of ticks what is written, before the clock starts.
        write: writes it.
        least: how many times as many rows a second `dbperf.copy_columns` has to write into the migrated table.
        most: where this way has to be faster, the same.
        ticks: how many.
    """

    conn: psycopg.Connection
    prepare: Callable[[list[workload.Values]], Any]
    write: Callable[[Any], object]
    least: float = 0
    most: float = np.inf
    ticks: int = TICKS


def _sides(
    before: psycopg.Connection, after: psycopg.Connection, pool: Executor, second: psycopg.Connection
) -> dict[str, Side]:
    def copied(options: str, least: float) -> Side:
        return Side(before, partial(_copied_out, before, options), partial(_copy, before, options), least)

    def both(halves: list[Columns]) -> None:
        list(pool.map(dbperf.copy_columns, (after, second), ["market_data"] * 2, halves))

    return {
        "legacy, the same binary COPY": copied("(FORMAT BINARY)", 1.5),
        "legacy, text COPY": copied("", 2),
        "legacy, executemany": Side(before, list, partial(workload.insert_many, before), 3, ticks=min(TICKS, 5_000)),
        "legacy, one committed INSERT each": Side(
            before, list, partial(workload.insert_committed, before), 50, ticks=min(TICKS, 500)
        ),
        "migrated, two connections": Side(after, lambda ticks: _halves(_columns(ticks)), both, most=1 / 1.4),
        "migrated": Side(after, _columns, partial(dbperf.copy_columns, after, "market_data")),
    }


@pytest.fixture(params=[True, False], ids=["as migrated", "without (instrument_id, price)"])
def migrated(request: pytest.FixtureRequest, pair: Pair) -> Iterator[Pair]:
    """And without the index that whoever asks for no range of prices over all time can drop."""
    if request.param:
        yield pair
        return
    row = pair.after.execute(_PRICE_INDEX).fetchone()
    assert row is not None
    pair.after.execute(f"DROP INDEX {row[0]}".encode())
    yield pair
    pair.after.execute(row[1].encode())


def test_migrated_ticks_take_more(migrated: Pair) -> None:
    """Rows a second; ticks that are newer than all before, as in life."""
    pair = migrated

    def measure(name: str) -> float:
        side = sides[name]
        given = side.prepare(list(workload.ticks(side.ticks, first=_written[side.conn])))
        _written[side.conn] += side.ticks
        started = time.perf_counter()
        side.write(given)
        return side.ticks / (time.perf_counter() - started)

    with psycopg.connect(pair.after.info.dsn, autocommit=True) as second, ThreadPoolExecutor() as pool:
        sides = _sides(pair.before, pair.after, pool, second)
        taken = workload.in_turn(sides, ROUNDS, measure)

    print(f"{TICKS:,} ticks at once into market_data, {ROUNDS} rounds, medians")
    failures = []
    for name, side in sides.items():
        ratio = workload.median_ratio(taken["migrated"], taken[name])
        print(f"{name:36}{statistics.median(taken[name]):12,.0f} /s   migrated {ratio:.2f} × as many")
        if not side.least <= ratio <= side.most:
            failures.append(f"{name}: {ratio:.2f}, promised {side.least or side.most:.2f}")
    assert not failures


# -- memory ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", memory.SOURCES)
def test_memory_is_flat(url: str, source: str) -> None:
    peaks = []
    for rows in (MEMORY_ROWS // 20, MEMORY_ROWS):
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(f"TRUNCATE {peers.TABLE}".encode())
        command = [sys.executable, "-m", "benchmarks.memory", source, str(rows), url]
        started = time.perf_counter()
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(f"{source}: {rows:,} rows in {time.perf_counter() - started:.0f} s, at most {peaks[-1] / 1e6:.0f} MB")
    assert abs(peaks[1] - peaks[0]) <= FLAT
