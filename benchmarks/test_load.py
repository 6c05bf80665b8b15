"""What `dbperf load` takes from standard input into a heap without an index: rows a second, and memory that stays flat.

``LOAD_ROWS`` sets the size of the larger file (2 M rows by default; the promise is for 20 M); the smaller one has a
twentieth of them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import workload
from dbperf.server import Server, default_home

ROWS = int(os.environ.get("LOAD_ROWS", "2_000_000"))
SIZES = (ROWS // 20, ROWS)
FLAT_MB = 50


def _batches(count: int) -> Iterator[pa.Table]:
    for start in range(0, count, 100_000):
        numbers = np.arange(start, min(start + 100_000, count))
        columns: dict[str, object] = {}
        for name in workload.TICK_COLUMNS:
            if name == "timestamp":
                columns[name] = np.datetime64("2026-07-01", "us") + numbers.astype("m8[ms]")
            elif name.endswith(("_size", "_id", "volume")):
                columns[name] = (numbers % 1000).astype("i4")
            else:
                columns[name] = numbers % 100_000 / 4
        yield pa.table(columns)


def _text_file(path: Path, kind: str, count: int) -> None:
    with path.open("w") as handle:
        if kind == "csv":
            handle.write(",".join(workload.TICK_COLUMNS) + "\n")
        for table in _batches(count):
            columns = [column.to_numpy().tolist() for column in table.columns]
            for row in zip(*columns, strict=True):
                texts = [str(row[0]), *row[1:]]
                if kind == "csv":
                    handle.write(",".join(map(str, texts)) + "\n")
                else:
                    handle.write(json.dumps(dict(zip(workload.TICK_COLUMNS, texts, strict=True))) + "\n")


def _parquet_file(path: Path, count: int) -> None:
    """As one row group, larger than what may be held of it."""
    pq.write_table(pa.concat_tables(_batches(count)), path, row_group_size=count, compression="zstd")


def _load(dsn: str, path: Path) -> tuple[float, float]:
    """Seconds, and the most memory of the process in MB."""
    started = time.perf_counter()
    with path.open("rb") as handle:
        command = [sys.executable, "-m", "dbperf", "--dsn", dsn, "load", "-", "--table", "heap"]
        process = subprocess.Popen(command, stdin=handle, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most = 0
        while process.poll() is None:
            # not ru_maxrss, in which the parent's memory counts
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            most = int(found[1]) if found else most
            time.sleep(0.02)
    assert process.returncode == 0
    return time.perf_counter() - started, most / 1024


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        ("csv", "double precision"),
        ("csv.gz", "double precision"),
        ("csv.zst", "double precision"),
        ("ndjson", "double precision"),
        ("parquet", "double precision"),
        ("parquet", "numeric(12,4)"),  # row by row
    ],
)
def test_memory_stays_flat(tmp_path: Path, kind: str, prices: str) -> None:
    dsn = Server(default_home()).start()
    columns = [f'"{name}" {_kind(name, prices)}' for name in workload.TICK_COLUMNS]
    memory = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        for count in SIZES:
            conn.execute("DROP TABLE IF EXISTS heap")
            conn.execute(f"CREATE UNLOGGED TABLE heap ({', '.join(columns)})".encode())
            seconds, most = _load(dsn, _file(tmp_path / f"ticks.{kind}", kind, count))
            assert conn.execute("SELECT count(*) FROM heap").fetchone() == (count,)
            print(f"{kind:8} into {prices:17} {count:>10,} rows {count / seconds:>9,.0f} rows/s {most:>5.0f} MB")
            memory.append(most)
        conn.execute("DROP TABLE heap")
    assert memory[1] - memory[0] < FLAT_MB


def _kind(name: str, prices: str) -> str:
    if name == "timestamp":
        return name
    return "integer" if name.endswith(("_size", "_id", "volume")) else prices


def _file(path: Path, kind: str, count: int) -> Path:
    if kind == "parquet":
        _parquet_file(path, count)
        return path
    plain = path.with_name("plain")
    _text_file(plain, kind.split(".")[0], count)
    if kind == "csv.gz":
        subprocess.run(f"gzip -1 -c {plain} > {path}", shell=True, check=True)
    elif kind == "csv.zst":
        with plain.open("rb") as source, pa.CompressedOutputStream(str(path), "zstd") as target:
            target.upload(source)
    else:
        plain.rename(path)
    return path
