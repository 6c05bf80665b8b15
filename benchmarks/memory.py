"""The peak memory of one writer in a process of its own.

``python -m benchmarks.memory SOURCE ROWS URL`` prints bytes.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

import dbperf
from benchmarks.peers import TABLE
from benchmarks.workload import TICK_COLUMNS, Values


def _ticks(count: int) -> Iterator[Values]:
    start, step = dt.datetime(2026, 7, 1), dt.timedelta(milliseconds=3)
    for number in range(count):
        price = number % 1000 / 4
        yield (start + step * number, 1 + number % 20, price, 3, price, price, 5, 7, price, price, price)


def _generator(conn: psycopg.Connection, count: int) -> None:
    dbperf.copy_rows(conn, TABLE, _ticks(count), TICK_COLUMNS)


#: Where rows can come from that nobody holds as a whole; each writes that many into the heap of `benchmarks.peers`.
SOURCES: dict[str, Callable[[psycopg.Connection, int], None]] = {"generator": _generator}


def _peak() -> int:
    """Bytes of this process, the most that were resident."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    source, rows, url = sys.argv[1:]
    with psycopg.connect(url, autocommit=True) as connection:
        SOURCES[source](connection, int(rows))
    print(_peak())
