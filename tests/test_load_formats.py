"""``dbperf load``: the same rows as CSV, NDJSON and Parquet, compressed or not, from a file or standard input."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import os
import resource
import struct
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbperf import load
from dbperf.load.reader import LONGEST_LINE
from dbperf.load.targets import columns_of
from dbperf.load.values import parser
from dbperf.migrations.session import value as value_of
from tests.support import dbperf as run_dbperf

pytestmark = pytest.mark.once  # files are parsed here, and what is written is tested in test_load.py and test_copy*.py

Rows = list[tuple[Any, ...]]

COLUMNS = {
    "at": "timestamp",
    "zoned": "timestamptz",
    "n": "integer",
    "id": "bigint",
    "price": "numeric(12,4)",
    "f": "double precision",
    "t": "text",
    "b": "boolean",
    "d": "date",
    "u": "uuid",
    "j": "jsonb",
}

ARROW = {
    "at": pa.timestamp("us"),
    "zoned": pa.timestamp("ns", "Europe/Berlin"),
    "n": pa.int32(),
    "id": pa.int64(),
    "price": pa.decimal128(20, 4),
    "f": pa.float64(),
    "t": pa.string(),
    "b": pa.bool_(),
    "d": pa.date32(),
    "u": pa.string(),
    "j": pa.string(),
}

NOON = dt.datetime(2022, 1, 31, 12, 0, 0, 123456)
ROWS: Rows = [
    (NOON, NOON.replace(tzinfo=dt.UTC), 1, 2**40, Decimal("5000.2500"), 0.1, "a, \"b\"\nü", True, NOON.date(), UUID(int=7), {"a": [1, {"b": None}]}),
    (None,) * 11,
    (NOON, NOON.replace(tzinfo=dt.UTC), -1, -(2**63), Decimal("-0.0001"), -1e300, "null", False, NOON.date(), UUID(int=8), [1.5, "x", True]),
]  # fmt: skip


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value) if name == "j" else str(value)


def as_csv(rows: Rows, names: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([names, *[map(_text, names, row) for row in rows]])
    return out.getvalue().encode()


def as_ndjson(rows: Rows, names: list[str]) -> bytes:
    """Numbers as numbers, what JSON has no type for as text, and every second NULL by leaving the key out."""
    lines = []
    for row in rows:
        members = []
        for place, (name, value) in enumerate(zip(names, row, strict=True)):
            if value is not None or place % 2:
                plain = value is None or name == "j" or isinstance(value, (bool, int, float))
                shown = str(value) if isinstance(value, Decimal) else json.dumps(value if plain else str(value))
                members.append(f"{json.dumps(name)}: {shown}")
        lines.append("{" + ", ".join(members) + "}\n")
    return "".join(lines).encode()


def as_parquet(rows: Rows, names: list[str]) -> bytes:
    """Two rows a row group."""
    columns = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        texts = name in ("u", "j")
        columns.append(pa.array([_text(name, value) for value in values] if texts else values, ARROW[name]))
    out = io.BytesIO()
    pq.write_table(pa.table(columns, names=names), out, row_group_size=2)
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(data)
    plain: bytes = out.getvalue().to_pybytes()
    return plain


WRITERS: dict[str, Callable[[Rows, list[str]], bytes]] = {"csv": as_csv, "ndjson": as_ndjson, "parquet": as_parquet}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress, "zstd": zstd}


def _table(conn: psycopg.Connection, name: str, columns: dict[str, str]) -> None:
    definition = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    conn.execute(f"CREATE TABLE {name} ({definition})".encode())


def _all(dsn: str, table: str = "t") -> Rows:
    with psycopg.connect(dsn) as conn:
        conn.execute("SET timezone = 'UTC'")
        return conn.execute(f"SELECT * FROM {table}".encode()).fetchall()


@pytest.fixture
def kinds_db(empty_db: str) -> str:
    """A database with a table t of every kind of column."""
    with psycopg.connect(empty_db, autocommit=True) as conn:
        _table(conn, "t", COLUMNS)
    return empty_db


@pytest.mark.parametrize("way", ["path", "stdin"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_compressed_or_not(kinds_db: str, tmp_path: Path, kind: str, compression: str, way: str) -> None:
    path = tmp_path / "no name tells anything"
    path.write_bytes(COMPRESSIONS[compression](WRITERS[kind](ROWS, list(COLUMNS))))
    if way == "path":
        done = run_dbperf("--json", "load", str(path), "--table", "t", dsn=kinds_db)
    else:
        with path.open("rb") as handle:
            done = run_dbperf("--json", "load", "-", "--table", "t", dsn=kinds_db, stdin=handle)
    assert json.loads(done.stdout)["inserted"] == len(ROWS)
    assert _all(kinds_db) == ROWS


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", WRITERS)
def test_a_pipe_gets_its_partitions(upgraded_db: str, tmp_path: Path, kind: str, compression: str) -> None:
    times = [dt.datetime(2022, month, 1) for month in range(1, 7)]
    rows: Rows = [(at, 1, 5000.25) for at in times]
    ARROW.update({"timestamp": pa.timestamp("ms"), "instrument_id": pa.int64(), "close": pa.float64()})
    data = COMPRESSIONS[compression](WRITERS[kind](rows, ["timestamp", "instrument_id", "close"]))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    done = run_dbperf("load", str(pipe), "--table", "market_data", dsn=upgraded_db)
    writer.join()
    assert "6 rows of pipe loaded" in done.stdout
    with psycopg.connect(upgraded_db) as conn:
        found = conn.execute(
            """SELECT "timestamp", instrument_id, price FROM market_data WHERE "timestamp" < '2022-07-01' ORDER BY 1"""
        ).fetchall()
    assert found[-6:] == rows


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_compressed_parts_one_after_the_other(kinds_db: str, tmp_path: Path, kind: str, compression: str) -> None:
    data = WRITERS[kind](ROWS, list(COLUMNS))
    compress = COMPRESSIONS[compression]
    path = tmp_path / "parts"
    path.write_bytes(b"".join(compress(part) for part in (data[:100], b"", data[100:])))
    run_dbperf("load", str(path), "--table", "t", dsn=kinds_db)
    assert _all(kinds_db) == ROWS


def test_zstd_that_begins_with_a_frame_to_skip(kinds_db: str, tmp_path: Path) -> None:
    path = tmp_path / "skip"
    path.write_bytes(b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd(as_csv(ROWS, list(COLUMNS))))
    run_dbperf("load", str(path), "--table", "t", dsn=kinds_db)
    assert _all(kinds_db) == ROWS


@pytest.mark.parametrize("damage", ["cut", "flipped", "tail"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_compression_loads_nothing(
    kinds_db: str, tmp_path: Path, kind: str, compression: str, damage: str
) -> None:
    data = COMPRESSIONS[compression](WRITERS[kind](ROWS * 500, list(COLUMNS)))
    middle = len(data) // 2
    damaged = {
        "cut": data[:-9],
        "flipped": data[:middle] + bytes(255 - byte for byte in data[middle : middle + 20]) + data[middle + 20 :],
        "tail": data + b"rubbish",
    }
    path = tmp_path / f"t.{kind}"
    path.write_bytes(damaged[damage])
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1)
    # what the damaged part turned into may be seen first
    assert damage == "flipped" or "its compressed data end early or are damaged" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"dbperf: {path}")
    assert "nothing was loaded" in done.stderr
    assert _all(kinds_db) == []


@pytest.mark.parametrize("keep", [4, 100, -1, -5, -100])
def test_half_a_parquet_loads_nothing(kinds_db: str, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(as_parquet(ROWS, list(COLUMNS))[:keep])
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1)
    assert "is no Parquet, not all of it, or damaged" in done.stderr
    assert _all(kinds_db) == []


def test_a_damaged_page_loads_nothing(kinds_db: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    out = io.BytesIO()
    table = pa.table({"n": pa.array([-(2**31), 0x12345678, 2**31 - 1], pa.int32())})
    pq.write_table(table, out, compression="none", use_dictionary=False, write_page_checksum=True)
    data = out.getvalue()
    assert data.count(b"\x78\x56\x34\x12") == 1
    path.write_bytes(data.replace(b"\x78\x56\x34\x12", b"\x79\x56\x34\x12"))
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1)
    assert "damaged" in done.stderr
    assert "nothing was loaded" in done.stderr
    assert _all(kinds_db) == []


@pytest.mark.parametrize(
    ("magic", "words"),
    [(b"PK\x03\x04", "unzip -p FILE"), (b"\xfd7zXZ\x00", "xz -dc FILE"), (b"BZh91AY&SY", "bzip2 -dc FILE")],
)
def test_other_compressions_name_their_remedy(kinds_db: str, tmp_path: Path, magic: bytes, words: str) -> None:
    path = tmp_path / "t.csv.other"
    path.write_bytes(magic + b"\0" * 100)
    assert words in run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1).stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"n": 1}\n\n{"n": 2.5}\n', "line 3, column n: '2.5': the column keeps whole numbers; --round n rounds half-even"),
        ('{"n": 1}\n{"n": "x"}\n', "line 2, column n: 'x': not a finite decimal number"),
        ('{"n": 1}\n{"n": ""}\n', "line 2, column n: '': not a finite decimal number"),
        ('{"n": 1}\n{"n": true}\n', "line 2, column n: 'True': not a finite decimal number"),
        ('{"n": 1}\n{"n": 2147483648}\n', "line 2, column n: 2147483648 is out of range for type integer"),
        ('{"n": 1}\n{"n": [2]}\n', '''line 2, column n: "['2']": nested values go into json and jsonb columns, not into integer'''),
        ('{"f": 0.1}\n{"f": 9007199254740993}\n', "line 2, column f: '9007199254740993': no double precision means this integer"),
        ('{"f": 0.1}\n{"f": "-1e-999"}\n', "line 2, column f: '-1e-999': out of range for type double precision"),
        ('{"f": 0.1}\n{"f": 1e999}\n', "line 2, column f: "),
        ('{"f": 0.1}\n{"f": NaN}\n', "line 2: holds NaN, which is no JSON"),
        ('{"f": 0.1}\n{"f": -Infinity}\n', "line 2: holds -Infinity, which is no JSON"),
        ('{"n": 1}\n{"n": 1, "n": 1}\n', "line 2: has the key 'n' twice"),
        ('{"j": 1}\n{"j": {"a": 1, "a": 2}}\n', "line 2: has the key 'a' twice"),
        ('{"j": 1}\n{"j": "\\u0000"}\n', "line 2, column j: "),
        ('{"n": 1}\n{"m": 1}\n', "field 'm' of t.ndjson line 2 has no column in t"),
        ('{"n": 1}\n{"n": 1\n', "line 2: is not JSON: "),
        ('{"n": 1} {"n": 2}\n', "line 1: is not JSON: Extra data at character 10"),
        ('[{"n": 1}, {"n": 2}]\n', "line 1: is no JSON object, and load reads one a line: jq -c '.[]'"),
        ('{"n": 1}\n7\n', "line 2: is no JSON object"),
        ('{"at": 1701050400000}\n', "line 1, column at: '1701050400000': not an ISO 8601 time"),
        ('{"t": "a"}\n{"t": "a\\u0000b"}\n', "line 2, column t: "),
        ('{"t": "a"}\n{"t": "\\ud800"}\n', "line 2, column t: "),
        ('{"t": "a"}\n{"t": "\x00"}\n', "line 2: is not JSON: "),
        ('{"t": "a"}\n{"t": "\udcff"}\n', "line 2: is not UTF-8"),
        ('{"j": 1}\n{"j": ' + "[" * 100_000 + "]" * 100_000 + "}\n", "line 2: is nested too deeply"),
        ('{"j": 1}\n{"j": ' + '{"a":' * 700 + "1" + "}" * 700 + "}\n", "line 2, column j: "),
        ('{"n": ' + "1" * 1_000_000 + "}\n", "line 1, column n: '1111"),
        ("\n \n", "line 1: there is no JSON object with a key"),
        ("", "line 1: there is no JSON object with a key"),
        ("{}\n{}\n", "line 1: there is no JSON object with a key"),
        ("".join(f'{{"k{number}": 1}}\n' for number in range(10_001)), "line 10001: "),
    ],
    ids=range(31),
)  # fmt: skip
def test_a_bad_line_of_ndjson_is_named(kinds_db: str, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.ndjson"
    path.write_bytes(text.encode(errors="surrogateescape"))
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=None)
    assert done.returncode in (1, 64)
    assert words in done.stderr
    assert len(done.stderr) < 1000
    assert _all(kinds_db) == []


def test_ndjson_as_it_comes(kinds_db: str, tmp_path: Path) -> None:
    """A byte order mark, CRLF, blank lines, keys that come late or not at all, an empty text, long digits, a mapping."""
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"t": "", "n": "5"}\r\n\r\n  \n{"price": 12345678.9012, "j": 0.1000000000000000055511151231257827, "X": 1}\r\n'
        b'{"j": null, "t": null, "b": "yes", "f": 1, "at": "2022-01-31", "zoned": "2022-01-31T01:00:00+01:00", "X": {}}'
    )
    run_dbperf("load", str(path), "--table", "t", "--map", "-=X", dsn=kinds_db)
    with psycopg.connect(kinds_db) as conn:
        rows = conn.execute(
            "SELECT t, n, price, j::text, b, f, at, extract(epoch FROM zoned)::bigint FROM t"
        ).fetchall()
    assert rows == [
        ("", 5, None, None, None, None, None, None),
        (None, None, Decimal("12345678.9012"), "0.1000000000000000055511151231257827", None, None, None, None),
        (None, None, None, None, True, 1.0, dt.datetime(2022, 1, 31), 1643587200),
    ]


def test_json_text_in_csv(kinds_db: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('n,j\n1,"{""a"": 1.10}"\n2,\n3,"""x"""\n')
    run_dbperf("load", str(path), "--table", "t", dsn=kinds_db)
    assert [row[-1] for row in _all(kinds_db)] == [{"a": 1.1}, None, "x"]
    path.write_text("n,j\n1,{}\n2,{a}\n")
    assert (
        "line 3, column j: '{a}': is not JSON"
        in run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1).stderr
    )


BIG = LONGEST_LINE + 10


@pytest.mark.parametrize("data", [b"t\n" + b"x" * BIG, b"t\n" + b'{"t": "' + b"x" * BIG + b'"}\n', b"\0" * BIG])
@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_line_without_end(kinds_db: str, tmp_path: Path, kind: str, data: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(gzip.compress(data.removeprefix(b"t\n") if kind == "ndjson" else data, 1))
    done = run_dbperf("load", str(path), "--table", "t", "--format", kind, dsn=kinds_db, check=1)
    assert "is longer than 16 MiB; nothing was loaded" in done.stderr


@pytest.mark.parametrize("before", ["", '"x\n\n",1\n'])
def test_a_quote_that_is_not_closed(kinds_db: str, tmp_path: Path, before: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f't,n\n{before}"' + "b,2\n" * (BIG // 4))
    line = 2 + before.count("\n")
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1)
    assert f"line {line}: begins a record of more than 16 MiB: is there a quote that is not closed?" in done.stderr


def _parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def _ns(*values: int | None) -> pa.Array:
    return pa.array(values, pa.timestamp("ns"))


@pytest.mark.parametrize("by_itself", [True, False], ids=["row by row", "whole"])
@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("at", _ns(None, 5000, 5001), "row 3, column at: "),
        ("zoned", _ns(None, 5000, 5001), "row 3, column zoned: "),
        ("f", pa.array([1.5, None, float("nan")]), "row 3, column f: 'nan': not a finite decimal number"),
        ("f", pa.array([1.5, None, float("-inf")], pa.float32()), "row 3, column f: '-inf': not a finite decimal number"),
        ("n", pa.array([1, None, 2**31]), "row 3, column n: "),
        ("id", pa.array([1, None, 2**63], pa.uint64()), "row 3, column id: "),
        ("t", pa.array(["a", None, "\0"]), "row 3, column t: "),
        ("t", pa.array([b"a", None, b"\xff"]).view(pa.string()), "row 3, column t: "),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_bad_row_of_parquet_is_named(
    kinds_db: str, tmp_path: Path, column: str, values: pa.Array, words: str, by_itself: bool
) -> None:
    more = {"u": pa.array(["00000000-0000-0000-0000-000000000001"] * 3)} if by_itself else {}
    path = _parquet(tmp_path / "t.parquet", **{column: values}, **more)
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1)
    assert words in done.stderr
    assert "nothing was loaded" in done.stderr
    assert _all(kinds_db) == []


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("n", pa.array([1.0, None, 2.5]), "row 3, column n: '2.5': the column keeps whole numbers"),
        ("n", pa.array(["1", None, "x"]), "row 3, column n: 'x': not a finite decimal number"),
        ("n", pa.array([True]), "row 1, column n: 'True': a bool, not a number"),
        ("price", pa.array([1, None, 2.00001]), "row 3, column price: '2.00001': the column keeps 4 decimals"),
        ("price", pa.array([1, None, 2.00001], pa.float32()), "row 3, column price: '2.00001"),
        ("price", pa.array([Decimal("1.000001")]), "row 1, column price: '1.000001': the column keeps 4 decimals"),
        ("price", pa.array([1e9]), "is out of range: the column has 12 digits"),
        ("f", pa.array([Decimal("9007199254740993")]), "row 1, column f: "),
        ("at", pa.array([7]), "row 1, column at: '7': not an ISO 8601 time"),
        ("d", pa.array([None, 5000], pa.timestamp("ms")), "row 2, column d: '1970-01-01 00:00:05': has a time of day"),
        ("t", pa.array([5]), "row 1, column t: '5': a int, not a text"),
        ("t", pa.array([[5]]), "row 1, column t: '[5]': a list, not a text"),
        ("b", pa.array([1]), "row 1, column b: '1': neither true nor false"),
        ("u", pa.array(["x"]), "row 1, column u: 'x': not a UUID"),
        ("j", pa.array(["{"]), "row 1, column j: '{': is not JSON"),
        ("j", pa.array([{"at": NOON}]), "row 1, column j: "),
        ("other", pa.array([5]), "field 'other' of t.parquet has no column in t"),
    ],
    ids=range(17),
)  # fmt: skip
def test_a_bad_value_of_parquet_is_named(
    kinds_db: str, tmp_path: Path, column: str, values: pa.Array, words: str
) -> None:
    path = _parquet(tmp_path / "t.parquet", **{column: values})
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=None)
    assert done.returncode in (1, 64)
    assert words in done.stderr
    assert _all(kinds_db) == []


def test_parquet_as_it_comes(kinds_db: str, tmp_path: Path) -> None:
    """Dates as times, floats and texts as numbers, structures as JSON, a mapping, one field in two columns."""
    path = _parquet(
        tmp_path / "t.parquet",
        **{
            "a.b": pa.array([Decimal("1.50000000000000000001"), Decimal("2.5")]),
            "d": pa.array([0, 86_400_000], pa.timestamp("ms")),
            "price": pa.array([0.1, None], pa.float32()),
            "n": pa.array(["5", None]).dictionary_encode(),
            "j": pa.array([{"a": [1, 2], "b": "x"}, None]),
            "at": pa.array([dt.date(2022, 1, 31), None]),
        },
    )
    arguments = ["--map", "f=a.b", "--map", "id=a.b", "--round", "id"]
    done = run_dbperf("--json", "load", str(path), "--table", "t", *arguments, dsn=kinds_db)
    assert json.loads(done.stdout)["rounded"] == {"id": 2}
    with psycopg.connect(kinds_db) as conn:
        rows = conn.execute("SELECT f, id, d, price, n, j, at FROM t").fetchall()
    assert rows == [
        (1.5, 2, dt.date(1970, 1, 1), Decimal("0.1000"), 5, {"a": [1, 2], "b": "x"}, dt.datetime(2022, 1, 31)),
        (2.5, 2, dt.date(1970, 1, 2), None, None, None, None),
    ]


MOMENTS = ["2022-01-31T12:00:59.999999500", "2022-01-31T12:00:00.001499999", "2022-01-31T12:00:00.002500000", None]


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_times_are_rounded_once_half_even(kinds_db: str, tmp_path: Path, kind: str) -> None:
    """Nanoseconds to the microseconds or milliseconds of the column, not to those by way of these."""
    path = tmp_path / "ticks"
    if kind == "parquet":
        array = pa.array(MOMENTS).cast(pa.timestamp("ns"))
        pq.write_table(pa.table({"at": array, "ms": array, "n": [0, 1, 2, 3]}), path)
    elif kind == "csv":
        path.write_text("at,ms,n\n" + "".join(f"{at or ''},{at or ''},{n}\n" for n, at in enumerate(MOMENTS)))
    else:
        path.write_text("".join(json.dumps({"at": at, "ms": at, "n": n}) + "\n" for n, at in enumerate(MOMENTS)))
    with psycopg.connect(kinds_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE moment (at timestamp, ms timestamptz(3), n integer)")
        load = ["--json", "load", str(path), "--table", "moment"]
        assert "column at" in run_dbperf(*load, "--round", "ms", dsn=kinds_db, check=1).stderr
        done = run_dbperf(*load, "--round", "at", "--round", "ms", dsn=kinds_db)
        assert json.loads(done.stdout)["rounded"] == {"at": 2, "ms": 3}
        found = conn.execute("SELECT at::text, extract(epoch FROM ms) % 60 FROM moment ORDER BY n").fetchall()
    assert found == [
        ("2022-01-31 12:01:00", 0),
        ("2022-01-31 12:00:00.0015", Decimal("0.001")),
        ("2022-01-31 12:00:00.0025", Decimal("0.002")),
        (None, None),
    ]


def _int96(path: Path, **columns: pa.Array) -> Path:
    """As Spark, Hive and Impala write times."""
    plain = {"compression": "none", "use_dictionary": False}
    pq.write_table(pa.table(columns), path, use_deprecated_int96_timestamps=True, row_group_size=2, **plain)
    return path


FAR = [dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None, dt.datetime(1, 1, 1), NOON, dt.datetime(3000, 1, 1)]


@pytest.mark.parametrize("by_itself", [True, False], ids=["row by row", "whole"])
def test_int96_has_every_year(kinds_db: str, tmp_path: Path, by_itself: bool) -> None:
    """pyarrow's nanoseconds end in 2262, and go on in 1677."""
    more = {"u": pa.array([str(UUID(int=1))] * 5)} if by_itself else {}
    path = _int96(tmp_path / "t.parquet", at=pa.array(FAR, pa.timestamp("us")), **more)
    run_dbperf("load", str(path), "--table", "t", "--map", "zoned=at", "--map", "at=at", dsn=kinds_db)
    assert [row[:2] for row in _all(kinds_db)] == [(at, at and at.replace(tzinfo=dt.UTC)) for at in FAR]


@pytest.mark.parametrize("by_itself", [True, False], ids=["row by row", "whole"])
def test_nanoseconds_of_int96_are_seen(kinds_db: str, tmp_path: Path, by_itself: bool) -> None:
    more = {"u": pa.array([str(UUID(int=1))] * 3)} if by_itself else {}
    path = _int96(tmp_path / "t.parquet", at=_ns(None, 5000, 5500), **more)
    assert "row 3, column at: '1970-01-01T00:00:00.000005500'" in (
        run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1).stderr
    )
    done = run_dbperf("--json", "load", str(path), "--table", "t", "--round", "at", dsn=kinds_db)
    assert json.loads(done.stdout)["rounded"] == {"at": 1}
    assert [row[0] and row[0].microsecond for row in _all(kinds_db)] == [None, 5, 6]


def test_int96_that_no_reading_of_pyarrow_has(kinds_db: str, tmp_path: Path) -> None:
    """Nanoseconds in year 9999, and a day beyond all years: pyarrow writes neither."""
    path = _int96(tmp_path / "t.parquet", at=_ns(1, 2))
    days = path.read_bytes().replace(struct.pack("<qi", 1, 2440588), struct.pack("<qi", 1, 5373484))
    assert days.count(struct.pack("<qi", 1, 5373484)) == 1
    path.write_bytes(days.replace(struct.pack("<qi", 2, 2440588), struct.pack("<qi", 0, 2**31 - 1)))
    for arguments, words in (
        ((), "row 1, column at: '9999-12-31T00:00:00.000000001'"),
        (("--round", "at"), "row 2, column at: 'a time of no year that PostgreSQL has'"),
    ):
        assert words in run_dbperf("load", str(path), "--table", "t", *arguments, dsn=kinds_db, check=1).stderr


def test_int96_within_lists(kinds_db: str, tmp_path: Path) -> None:
    with psycopg.connect(kinds_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE l (l timestamp[])")
    near = [[NOON, None], None, []]
    path = _int96(tmp_path / "t.parquet", l=pa.array(near, pa.list_(pa.timestamp("us"))))
    run_dbperf("load", str(path), "--table", "l", dsn=kinds_db)
    assert [row[0] for row in _all(kinds_db, "l")] == near
    _int96(path, l=pa.array([*near, [NOON, FAR[0]]], pa.list_(pa.timestamp("us"))))
    failed = run_dbperf("load", str(path), "--table", "l", dsn=kinds_db, check=1)
    assert "row 4, column l: holds a time of INT96 outside 1677 to 2262: store TIMESTAMP(MICROS)" in failed.stderr


def test_spans_are_rounded_once_half_even(kinds_db: str, tmp_path: Path) -> None:
    """Nanoseconds, with pandas and without, to what the column keeps."""
    spans = pa.array([1500, 2500, -1500, -1_000_000_500, 3000, None], pa.duration("ns"))
    path = _parquet(tmp_path / "spans.parquet", i=spans, s=spans)
    with psycopg.connect(kinds_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE spans (i interval, s interval(0))")
        command = ["--json", "load", str(path), "--table", "spans"]
        failed = run_dbperf(*command, dsn=kinds_db, check=1)
        words = "row 1, column i: '1500 nanoseconds': finer than type interval keeps; --round i rounds half-even"
        assert words in failed.stderr
        failed = run_dbperf(*command, "--round", "i", dsn=kinds_db, check=1)
        assert "column s: '1500 nanoseconds': finer than type interval(0) keeps; --round s" in failed.stderr
        done = run_dbperf(*command, "--round", "i", "--round", "s", dsn=kinds_db)
        assert json.loads(done.stdout)["rounded"] == {"i": 4, "s": 5}
        found = conn.execute("SELECT extract(epoch FROM i) * 1000000, extract(epoch FROM s) FROM spans").fetchall()
    assert found == [(2, 0), (2, 0), (-2, 0), (-1_000_000, -1), (3, 0), (None, None)]


def test_times_of_day_are_rounded_once_half_even(kinds_db: str, tmp_path: Path) -> None:
    """Nanoseconds, which pandas cuts where it is installed; what is not within a day is refused."""
    times = pa.array([1500, 2500, 1_500_000_000, 3000, None], pa.time64("ns"))
    path = _parquet(tmp_path / "times.parquet", v=times, s=times)
    with psycopg.connect(kinds_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE times (v time, s time(0))")
        command = ["--json", "load", str(path), "--table", "times"]
        failed = run_dbperf(*command, dsn=kinds_db, check=1)
        words = "row 1, column v: '1500 nanoseconds after midnight': finer than type time without time zone keeps; --round v"
        assert words in failed.stderr
        done = run_dbperf(*command, "--round", "v", "--round", "s", dsn=kinds_db)
        assert json.loads(done.stdout)["rounded"] == {"v": 2, "s": 4}
        found = conn.execute("SELECT extract(epoch FROM v) * 1000000, extract(epoch FROM s) FROM times").fetchall()
        assert found == [(2, 0), (2, 0), (1_500_000, 2), (3, 0), (None, None)]
        for beyond in (pa.array([25 * 3600], pa.time32("s")), pa.array([86_399_999_999_500], pa.time64("ns"))):
            _parquet(path, v=beyond)
            failed = run_dbperf(*command, "--round", "v", dsn=kinds_db, check=1)
            assert "nanoseconds after midnight': not within a day" in failed.stderr


def test_nested_values_as_those_of_copy_arrow(kinds_db: str, tmp_path: Path) -> None:
    """Short floats within are the shortest that mean them; NaN and infinities are refused."""
    short = pa.array([0.1, 16777216, None, -0.3], pa.float32())
    lists = pa.LargeListArray.from_arrays([0, 2, 3, 3, 4], short)
    path = _parquet(
        tmp_path / "nested.parquet",
        n=lists,
        d=lists,
        tm=pa.array([[1000], [None], None, []], pa.list_(pa.time64("ns"))),
        j=pa.StructArray.from_arrays([short, lists], ["x", "l"]),
    )
    with psycopg.connect(kinds_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE nested (n numeric[], d double precision[], tm time[], j jsonb)")
        load = ["load", str(path), "--table", "nested"]
        run_dbperf(*load, dsn=kinds_db)
        assert conn.execute("SELECT n::text, d::text, tm::text, j::text FROM nested").fetchall() == [
            ("{0.1,16777216.0}", "{0.1,16777216}", "{00:00:00.000001}", '{"l": [0.1, 16777216.0], "x": 0.1}'),
            ("{NULL}", "{NULL}", "{NULL}", '{"l": [null], "x": 16777216.0}'),
            ("{}", "{}", None, '{"l": [], "x": null}'),
            ("{-0.3}", "{-0.3}", "{}", '{"l": [-0.3], "x": -0.3}'),
        ]
        for column, value in ("d", float("nan")), ("n", float("inf")):
            _parquet(path, **{column: pa.array([[[1.0]], [[1.0, value]]])})
            failed = run_dbperf(*load, dsn=kinds_db, check=1)
            assert f"row 2, column {column}: '[[1.0, {value}]]': " in failed.stderr


@pytest.mark.parametrize(
    ("column", "kind", "values", "words"),
    [
        ("at", "timestamp", _ns(1001), "--round at rounds half-even; nothing"),
        ("ms", "timestamptz(3)", pa.array([1001], pa.timestamp("us")), "--round ms rounds half-even; nothing"),
        ("tm", "time", pa.array([1001], pa.time64("ns")), "--round tm rounds half-even; nothing"),
        ("tm", "time(3)", pa.array([1001], pa.time64("us")), "--round tm rounds half-even; nothing"),
        ("l", "time[]", pa.array([[1001]], pa.list_(pa.time64("ns"))), "has nanoseconds and PostgreSQL stores microseconds: round it where the file is made; nothing"),
        ("l", "timestamp[]", pa.array([[1001]], pa.list_(pa.timestamp("ns"))), "round it where the file is made; nothing"),
        ("l", "timestamp[]", pa.array([[1001]], pa.list_(pa.timestamp("us", "UTC"))), "has a time zone and the column has none; nothing"),
        ("l", "numeric(6,2)[]", pa.array([[Decimal("1.234")]]), "has more than 2 decimals: round it where the file is made; nothing"),
    ],
    ids=range(8),
)  # fmt: skip
def test_advice_names_options_of_the_command(
    kinds_db: str, tmp_path: Path, column: str, kind: str, values: pa.Array, words: str
) -> None:
    with psycopg.connect(kinds_db, autocommit=True) as conn:
        conn.execute(f"CREATE TABLE advised ({column} {kind})".encode())
    path = _parquet(tmp_path / "t.parquet", **{column: values})
    said = run_dbperf("load", str(path), "--table", "advised", dsn=kinds_db, check=1).stderr
    assert words in said
    assert "=" not in said.replace("tzinfo=", "").replace("key=", "")


@pytest.mark.parametrize(
    "uuids", [pa.array([UUID(int=7).bytes, None], pa.binary(16)), pa.array([UUID(int=7).bytes, None])]
)
@pytest.mark.parametrize("extended", [False, True])
def test_a_uuid_of_sixteen_bytes(kinds_db: str, tmp_path: Path, uuids: pa.Array, extended: bool) -> None:
    if extended:
        if not hasattr(pa, "uuid"):
            pytest.skip("this pyarrow has no type for it")
        uuids = pa.ExtensionArray.from_storage(pa.uuid(), uuids.cast(pa.binary(16)))
    path = _parquet(tmp_path / "t.parquet", u=uuids)
    run_dbperf("load", str(path), "--table", "t", "--map", "u=u", dsn=kinds_db)
    assert [row[9] for row in _all(kinds_db)] == [UUID(int=7), None]
    path = _parquet(tmp_path / "t.parquet", u=pa.array([UUID(int=7).bytes[1:]]))
    assert "not a UUID" in run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1).stderr


@pytest.mark.parametrize("name", ["t", "d"])
def test_what_has_nothing_to_round(kinds_db: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{name}\n1\n")
    done = run_dbperf("load", str(path), "--table", "t", "--round", name, dsn=kinds_db, check=64)
    assert "nothing to round" in done.stderr


def test_parquet_without_rows_or_columns(kinds_db: str, tmp_path: Path) -> None:
    path = _parquet(tmp_path / "t.parquet", n=pa.array([], pa.int32()))
    assert "0 rows" in run_dbperf("load", str(path), "--table", "t", dsn=kinds_db).stdout
    _parquet(path)
    assert "has no columns" in run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=1).stderr


@pytest.mark.parametrize("kind", WRITERS)
def test_a_foreign_key_is_named_by_its_place(legacy_db: str, tmp_path: Path, kind: str) -> None:
    ARROW.update({"timestamp": pa.timestamp("s"), "instrument_id": pa.int32()})
    rows: Rows = [(dt.datetime(2022, 1, 1), identity) for identity in (1, 2, 999)]
    path = tmp_path / "ticks"
    path.write_bytes(WRITERS[kind](rows, ["timestamp", "instrument_id"]))
    done = run_dbperf("load", str(path), "--table", "market_data", dsn=legacy_db, check=1)
    place = {"csv": "line 4", "ndjson": "line 3", "parquet": "row 3"}[kind]
    assert f"{place}, column instrument_id: '999': " in done.stderr


@pytest.mark.parametrize("kind", WRITERS)
def test_an_instrument_fills_every_format(legacy_db: str, tmp_path: Path, kind: str) -> None:
    ARROW.update({"timestamp": pa.timestamp("s")})
    path = tmp_path / "ticks"
    path.write_bytes(WRITERS[kind]([(dt.datetime(2022, 1, 1),), (dt.datetime(2022, 1, 2),)], ["timestamp"]))
    run_dbperf("load", str(path), "--table", "market_data", "--instrument", "ES", dsn=legacy_db)
    with psycopg.connect(legacy_db) as conn:
        found = conn.execute("SELECT instrument_id FROM market_data WHERE \"timestamp\" = '2022-01-02'").fetchall()
    assert found == [(1,)]


def test_the_format_is_known_by_magic_name_and_brace(kinds_db: str, tmp_path: Path) -> None:
    for name, data, words in [
        ("t.csv", as_parquet(ROWS, list(COLUMNS)), None),
        ("T.NDJSON.GZ", b'"n"\n1\n', "line 1: is no JSON object"),
        ("t.csv", b'{"n": 1}\n', "has no column"),
        ("t.parquet", b"n\n1\n", "is no Parquet"),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=None)
        assert (done.returncode == 0) == (words is None), done.stderr
        assert (words or "") in done.stderr
    path.write_bytes(b"n\n1\n")
    run_dbperf("load", str(path), "--table", "t", "--format", "csv", dsn=kinds_db)
    assert len(_all(kinds_db)) == len(ROWS) + 1


def test_standard_input_that_is_none(kinds_db: str, tmp_path: Path) -> None:
    with Path(os.devnull).open("rb") as nothing:
        done = run_dbperf("load", "-", "--table", "t", dsn=kinds_db, check=1, stdin=nothing)
    assert "standard input line 1: there is no header line" in done.stderr
    command = ["load", "-", "--table", "t"]
    done = run_dbperf(*command, dsn=kinds_db, check=64, preexec_fn=lambda: os.close(0))
    assert "standard input is closed: name a file" in done.stderr
    dash = tmp_path / "-"
    dash.write_text("n\n1\n")
    run_dbperf("load", "./-", "--table", "t", dsn=kinds_db, cwd=tmp_path, env=_environment())
    assert len(_all(kinds_db)) == 1


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(load.__file__).resolve().parents[2]), **more}


def test_a_spool_without_room_says_so(kinds_db: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n\n" + "1\n" * 1_000_000)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    with path.open("rb") as handle:
        done = run_dbperf("load", "-", "--table", "t", dsn=kinds_db, check=1, stdin=handle, preexec_fn=limited)
    assert "standard input: it cannot be spooled to " in done.stderr
    assert "set TMPDIR to a directory with more room; nothing was loaded" in done.stderr
    with path.open("rb") as handle:
        elsewhere = _environment(TMPDIR=str(tmp_path / "nowhere"))
        done = run_dbperf("load", "-", "--table", "t", dsn=kinds_db, check=1, stdin=handle, env=elsewhere)
    assert "nowhere" in done.stderr
    assert _all(kinds_db) == []


@pytest.mark.parametrize(("name", "data"), [("t.csv.zst", zstd(b"n\n1\n")), ("t.parquet", as_parquet([(1,)], ["n"]))])
def test_without_pyarrow(
    kinds_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for module in ("pyarrow", "dbperf.load.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    done = run_dbperf("load", str(path), "--table", "t", dsn=kinds_db, check=64)
    assert f"{path} is " in done.stderr
    assert "which needs pyarrow: pip install 'dbperf[arrow]'" in done.stderr


_DECIMALS = st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.floats(
    allow_nan=False, allow_infinity=False, width=32
).flatmap(
    lambda real: st.sampled_from(["", "1", "9", "49", "50000000001"]).map(lambda more: f"{Decimal(real):f}{more}")
)


@pytest.mark.parametrize("kind", ["real", "double precision"])
def test_a_decimal_becomes_the_float_that_it_is_in_sql(property_db: str, kind: str) -> None:
    with psycopg.connect(property_db) as conn:
        conn.execute(f"CREATE TEMP TABLE of_floats (v {kind})".encode())
        (column,) = columns_of(conn, "of_floats")
        parse = parser(column, rounds=True).parse

        @settings(max_examples=500, deadline=None)
        @given(text=_DECIMALS)
        def check(text: str) -> None:
            try:
                with conn.transaction():
                    wanted = value_of(conn, f"SELECT (%s::{kind})::double precision", text)
            except psycopg.errors.NumericValueOutOfRange:
                with pytest.raises(ValueError, match="out of range"):
                    parse(text)
            else:
                assert parse(text) == wanted

        check()


_TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "at": _TIMES,
    "zoned": _TIMES.map(lambda at: at.replace(tzinfo=dt.UTC)),
    "n": st.integers(-(2**31), 2**31 - 1),
    "id": st.integers(-(2**63), 2**63 - 1),
    "price": st.decimals(-(10**7), 10**7, places=4),
    "f": st.floats(allow_nan=False, allow_infinity=False),
    "t": _TEXTS,
    "b": st.booleans(),
    "d": st.dates(),
    "u": st.uuids(),
    "j": st.recursive(
        st.integers(-(2**70), 2**70) | _TEXTS | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
        max_leaves=5,
    ),
}
_AT_ONCE = ["at", "zoned", "n", "id", "f", "t", "b", "d"]  # what Parquet has as the table has it


@pytest.fixture(scope="module")
def property_db(cluster: Any, empty_template: str) -> Any:
    name = "dbperf_test_formats"
    cluster.create_database(name, empty_template)
    yield cluster.dsn(name)
    cluster.drop_database(name)


@pytest.mark.parametrize("names", [list(COLUMNS), _AT_ONCE], ids=["row by row", "whole"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_equal_rows_make_equal_tables(property_db: str, tmp_path: Path, names: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(*(st.none() | _VALUES[name] for name in names)), min_size=1, max_size=6))
    if all(value is None for row in rows for value in row):
        rows.append(tuple(data.draw(_VALUES[name]) for name in names))
    with psycopg.connect(property_db, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        _table(conn, "pg_temp.t", {name: COLUMNS[name] for name in names})
        for kind, write in WRITERS.items():
            path = tmp_path / kind
            path.write_bytes(write(rows, names))
            with load.Source(path) as source:
                load.load(conn, source, load.Options("t"))
            assert conn.execute("SELECT * FROM t").fetchall() == rows, kind
            conn.execute("TRUNCATE t")
