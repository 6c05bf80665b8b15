"""``dbperf load``: all rows or none, every bad line named."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from pyarrow.csv import write_csv
from pyarrow.parquet import write_table

from dbperf.migrations.session import value
from tests.support import dbperf as run_dbperf
from tests.support import rows_hash

BARS = """timestamp,open,high,low,close,volume
2022-01-01 00:00:00.000000,46319.0,46385.0,46319.0,46377.0,2300413.5
2022-01-01 00:01:00.000000,46377.0,46411.0,46377.0,46411.0,1829623.4
2022-01-01 00:02:00.000000,46411.0,46425.0,46411.0,46425.0,466452.5
2022-01-01 00:03:00.000000,46425.0,46425.0,46420.0,,12
"""


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "some bars.csv"
    path.write_text(BARS)
    return path


LOAD = ["--table", "market_data", "--instrument", "ES"]
LEFT_OUT = [word for name in BARS.split("\n", 1)[0].split(",") for word in ("--map", f"-={name}")]


@pytest.mark.parametrize("kind", ["legacy_db", "trading_db"])
def test_bars_are_loaded_and_rounded_half_even(kind: str, bars: Path, request: pytest.FixtureRequest) -> None:
    dsn = request.getfixturevalue(kind)
    done = run_dbperf("--json", "load", str(bars), *LOAD, "--round", "volume", dsn=dsn)
    result = json.loads(done.stdout)
    assert (result["rows"], result["inserted"], result["rounded"]) == (4, 4, {"volume": 3})
    with psycopg.connect(dsn) as conn:
        rows = conn.execute(
            """SELECT "timestamp"::text, instrument_id, open_price, high_price, low_price, price, volume
               FROM market_data WHERE "timestamp" BETWEEN '2022-01-01' AND '2022-01-02' ORDER BY 1"""
        ).fetchall()
    assert [row[6] for row in rows] == [2300414, 1829623, 466452, 12]
    assert rows[0][:6] == ("2022-01-01 00:00:00", 1, *map(Decimal, ("46319", "46385", "46319", "46377")))
    assert rows[3][5] is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "", "line 2, column volume: '2300413.5': the column keeps whole numbers; --round volume rounds"),
        (".5\n", "\n", "line 3, column volume: '1829623.4'"),
        ("46319.0,46385.0", "46319.00001,46385.0", "line 2, column open_price: '46319.00001': the column keeps 4 decimals"),
        ("46377.0,46411.0,", "nan,46411.0,", "line 3, column open_price: 'nan': not a finite decimal number"),
        ("46377.0,46411.0,", "4_6377,46411.0,", "line 3, column open_price: '4_6377'"),
        ("2022-01-01 00:02", "01/02/2022 00:02", "line 4, column timestamp: '01/02/2022 00:02:00.000000': not an ISO 8601 time"),
        (",466452.5", "", "line 4: has 5 fields, the header has 6"),
        (",466452.5", ",1,2", "line 4: has 7 fields"),
        ("46425.0,46411.0", '"46425.0,46411.0', "line 4: is not CSV"),
        (",466452.5", ",4664523333", "line 4, column volume: 4664523333 is out of range for type integer"),
        ("46411.0,46425.0,46411.0", "46411.0,464250000000.0,46411.0", "line 4, column high_price: Decimal('464250000000.0000') is out of range: the column has 12 digits"),
        ("2022-01-01 00:02:00.000000", "", "line 4, column timestamp: null value in column"),
        ("\n2022-01-01 00:02", '\n\n\n2022-01-01 99:02', "line 6, column timestamp"),
        ("timestamp,", "time,", "field 'time' of some bars.csv has no column"),
        ("close", "price", "line 2, column volume"),
        ("open,", "close,", "has two fields named 'close'"),
        ("open,", "price,", "two fields fill column price"),
        ("2022-01-01 00:02:00.000000", "1701050400000", "line 4, column timestamp: '1701050400000': not an ISO 8601 time"),
        ("2022-01-01 00:02:00.000000", "2022-01-01 00:02:00.123456789", "line 4, column timestamp"),
        ("2022-01-01 00:02:00.000000", "0001-01-01T00:00:00+14:00", "line 4, column timestamp: '0001-01-01T00:00:00+14:00': date value out of range"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_and_nothing_is_loaded(legacy_db: str, bars: Path, old: str, new: str, words: str) -> None:
    bars.write_text(BARS.replace(old, new) if old else BARS)
    extra = ["--round", "volume"] if "volume: '" not in words and words != "line 2, column volume" else []
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        before = rows_hash(conn, ["market_data", "instruments"])
        arguments = [
            "load",
            str(bars),
            "--table",
            "market_data",
            "--instrument",
            "NEW",
            "--create-instrument",
            *extra,
        ]
        done = run_dbperf(*arguments, dsn=legacy_db, check=None)
        assert done.returncode in (1, 64)
        assert words in done.stderr.replace(f"{bars} ", ""), done.stderr
        assert rows_hash(conn, ["market_data", "instruments"]) == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--table", "nowhere"], 64, "there is no table nowhere"),
        (["--table", "market_data"], 64, "nothing fills column instrument_id of market_data"),
        (["--table", "market_data", "--instrument", "XX"], 64, "there is no instrument XX"),
        (["--table", "market_data", "--create-instrument"], 64, "needs --instrument"),
        (["--table", "market_data", *LEFT_OUT], 64, "every field of the file is left out"),
        ([*LOAD, *LEFT_OUT], 64, "every field of the file is left out"),
        ([*LOAD, "--map", "price"], 64, "is not COLUMN=FIELD"),
        ([*LOAD, "--map", "prize=close"], 64, "no column prize"),
        ([*LOAD, "--map", "price=shut"], 64, "no field shut"),
        ([*LOAD, "--round", "bid"], 64, "the file does not fill this column"),
        ([*LOAD, "--on-conflict", "replace"], 64, "Invalid value"),
        ([*LOAD, "--newer", "volume"], 64, "dbperf: --newer says nothing with --on-conflict error"),
        ([*LOAD, "--key", "volume"], 64, "dbperf: --key says nothing with --on-conflict error"),
        ([*LOAD, "--max-errors", "1"], 64, "dbperf: --max-errors says nothing with --on-error stop"),
        ([*LOAD, "--max-errors", "-1", "--on-error", "quarantine"], 64, "dbperf: --max-errors cannot be negative"),
        ([*LOAD, "--batch-id", ""], 64, "dbperf: --batch-id is empty"),
        ([*LOAD, "--parallel", "0"], 64, "not in the range"),
        (["--instrument", "ES"], 64, "Missing option '--table'"),
    ],
)
def test_wrong_usage(legacy_db: str, bars: Path, arguments: list[str], code: int, words: str) -> None:
    done = run_dbperf("load", str(bars), *arguments, dsn=legacy_db, check=code)
    assert words in done.stderr


def test_a_symbol_of_two_instruments_is_refused(legacy_db: str, bars: Path) -> None:
    with psycopg.connect(legacy_db) as conn:
        row = conn.execute("SELECT symbol FROM instruments GROUP BY symbol HAVING count(*) > 1").fetchone()
    assert row is not None
    done = run_dbperf("load", str(bars), "--table", "market_data", "--instrument", row[0], dsn=legacy_db, check=64)
    assert "belongs to 2 instruments (ids 7, 8)" in done.stderr


def test_a_deleted_instrument_is_none(upgraded_db: str, bars: Path) -> None:
    arguments = ["load", str(bars), "--table", "market_data", "--instrument", "OLD", "--round", "volume"]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        listed = (
            "INSERT INTO instruments (symbol, name, type, status, created_at, updated_at)"
            " VALUES ('OLD', 'OLD', 'future', 'active', now(), now()) RETURNING id"
        )
        old = value(conn, listed)
        batch = value(conn, "SELECT batch FROM dbperf.soft_delete('instruments', 'symbol = $$OLD$$', 'delisted')")
        for more in ([], ["--create-instrument"]):
            said = run_dbperf(*arguments, *more, dsn=upgraded_db, check=64).stderr
            assert f"OLD (id {old}) is deleted: bring it back with dbperf soft-delete undelete {batch}, or" in said
        new = value(conn, listed)
        run_dbperf(*arguments, dsn=upgraded_db)
        count = "SELECT count(*) FROM market_data WHERE instrument_id = %s"
        assert (value(conn, count, old), value(conn, count, new)) == (0, 4)


def test_files_that_are_none(legacy_db: str, tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty.csv", tmp_path / "binary.csv"
    empty.write_text("")
    binary.write_bytes(b"timestamp,price\n2022-01-01,1\n\xff\xfe,2\n")
    assert "does not exist" in run_dbperf("load", str(tmp_path / "nope.csv"), *LOAD, dsn=legacy_db, check=64).stderr
    assert "is a directory" in run_dbperf("load", str(tmp_path), *LOAD, dsn=legacy_db, check=64).stderr
    assert "there is no header line" in run_dbperf("load", str(empty), *LOAD, dsn=legacy_db, check=1).stderr
    assert "line 3: is not UTF-8" in run_dbperf("load", str(binary), *LOAD, dsn=legacy_db, check=1).stderr


def test_dry_run_and_create_instrument(legacy_db: str, bars: Path) -> None:
    arguments = [
        "load",
        str(bars),
        "--table",
        "market_data",
        "--instrument",
        "BTC",
        "--create-instrument",
        "--round",
        "volume",
    ]
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        before = rows_hash(conn, ["market_data", "instruments"])
        assert "rolled back" in run_dbperf(*arguments, "--dry-run", dsn=legacy_db).stdout
        assert rows_hash(conn, ["market_data", "instruments"]) == before
        assert "instrument BTC was created" in run_dbperf(*arguments, dsn=legacy_db).stdout
        assert "created" not in run_dbperf(*arguments, dsn=legacy_db).stdout
        assert conn.execute("SELECT count(*) FROM instruments WHERE symbol = 'BTC'").fetchone() == (1,)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("n,t\n1,a\n".encode("utf-16"), "line 1: is UTF-16, and load reads UTF-8: iconv -f UTF-16 -t UTF-8 FILE"),
        ("n,t\n1,a\n".encode("utf-16-le"), "line 1: holds zero bytes: if it is UTF-16, iconv"),
        (b"n,t\r1,a\r", "line 1: is not CSV: a carriage return ends no line"),
        (b"n;t\n1;a\n", "by commas, or by what --delimiter says, such as ';'"),
        (b"n\tt\n1\ta\n", "by commas, or by what --delimiter says, such as '\\t'"),
        (b"n,t\n1,\xfc\n", "line 2: is not UTF-8: if it is Latin-1, iconv -f LATIN1 -t UTF-8 FILE | dbperf load - …"),
        (b"n,t\n1e1000,a\n", "'1e1000': load reads exponents of at most three digits: write the number without one"),
        (b"n,t,\n1,a,\n", "field '' of strange.csv has no column in strange: leave it out with --map -=\n"),
        (b"n,t\n" + b"1" * 3000 + b",a\n", "has more digits than any column keeps; nothing was loaded"),
    ],
    ids=range(9),
)  # fmt: skip
def test_strange_files_are_refused_in_words(legacy_db: str, tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "strange.csv"
    path.write_bytes(data)
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE strange (n integer, t text)")
        assert words in run_dbperf("load", str(path), "--table", "strange", dsn=legacy_db, check=None).stderr
        assert value(conn, "SELECT count(*) FROM strange") == 0


def _load_into(
    dsn: str, definition: str, text: str, path: Path, *arguments: str
) -> tuple[int, str, list[tuple[object, ...]]]:
    path.write_bytes(text.encode())
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"CREATE TABLE t ({definition})".encode())
        done = run_dbperf("load", str(path), "--table", "t", *arguments, dsn=dsn, check=None)
        rows = conn.execute("SELECT * FROM t").fetchall()
        conn.execute("DROP TABLE t")
    return done.returncode, done.stderr, rows


PLAIN_UUID = "a0eebc999c0b4ef8bb6d6bb9bd380a11"


@pytest.mark.parametrize(
    ("kind", "text", "stored"),
    [
        ("double precision", "0.1", 0.1),
        ("double precision", "0.10000000000000000555", 0.1),
        ("double precision", "9.9999999999999992e+22", 1e23),
        ("double precision", "-1234567890.12345678901", -1234567890.12345678901),
        ("double precision", "1e-310", 1e-310),
        ("double precision", "1e999", None),
        ("double precision", "9007199254740992", 2.0**53),
        ("double precision", "9007199254740993", None),
        ("double precision", "99999999999999991611392", 1e23),
        ("double precision", "100000000000000000000000", 1e23),
        ("double precision", "-100000000000000000000001", None),
        ("double precision", "9007199254740993.5", 2.0**53 + 2),
        ("double precision", "1e-999", None),
        ("double precision", "0e-999", 0.0),
        ("real", "1e300", None),
        ("real", "1e-60", None),
        ("real", "3.40282357e38", None),
        ("real", "0.1", pytest.approx(0.1)),
        ("real", "16777216", 2.0**24),
        ("real", "16777217", None),
        ("real", "100000000000", 1e11),
        ("real", "1.000000059604644775390626", 1.0000001),
        ("text", "  padded  ", "  padded  "),
        ("text", "   ", "   "),
        ("text", '""', ""),
        ("text", '"  "', "  "),
        ("text", '""""', '"'),
        ("varchar", '""', ""),
        ("integer", " 5 ", 5),
        ("integer", "   ", None),
        ("double precision", "   ", None),
        ("timestamp", "   ", None),
        ("uuid", '"  "', None),
        ("boolean", "\t", None),
        ("jsonb", "  ", None),
        ("char(3)", "ab", "ab "),
        ("numeric(30,18)", "123456789012.123456789012345678", Decimal("123456789012.123456789012345678")),
        ("numeric(5,-2)", "12345", None),
        ("numeric(5,-2)", "12300", Decimal("12300")),
        ("integer", "1e999", None),
        ("date", "20220101", None),
        ("timestamp", "2022-W05", None),
        ("timestamp", "2026-01-01x00", None),
        ("uuid", "nonsense", None),
        ("uuid", PLAIN_UUID.upper(), UUID(PLAIN_UUID)),
        ("uuid", "{a0eebc99-9c0b4ef8-bb6d-6bb9-bd38-0a11}", UUID(PLAIN_UUID)),
        ("uuid", "{" + PLAIN_UUID, None),
        ("uuid", PLAIN_UUID + "-", None),
        ("uuid", "a0-" + PLAIN_UUID[2:], None),
        ("uuid", "a0ee_" + PLAIN_UUID[5:], None),
        ("uuid", "0x" + PLAIN_UUID[2:], None),
        ("uuid", "+" + PLAIN_UUID[1:], None),
        ("uuid", " " + PLAIN_UUID[1:], None),
        ("uuid", PLAIN_UUID + " ", None),
        ("uuid", "\uff11" + PLAIN_UUID[1:], None),
        ("uuid", "urn:uuid:" + PLAIN_UUID, None),
        ("boolean", "maybe", None),
    ],
)
def test_a_value_arrives_as_it_is_or_not_at_all(
    legacy_db: str, tmp_path: Path, kind: str, text: str, stored: object
) -> None:
    code, message, rows = _load_into(legacy_db, f"v {kind}", f"v\n{text}\n", tmp_path / "one.csv")
    if stored is None:
        assert (code, rows) == (1, [])
        assert "line 2, column v" in message
    else:
        assert (code, rows) == (0, [(stored,)])


NULLS = 't,n,u\na,1,x\n,2,\n"",3,""\n"x,"",",4,"\r\n"\n" ",, \n"","",\n'


def test_null_of_csv_is_a_field_with_nothing_in_it(legacy_db: str, tmp_path: Path) -> None:
    """Not even quotes, which make it an empty text; where no text goes, they do not matter."""
    code, message, rows = _load_into(legacy_db, "t text, n integer, u varchar", NULLS, tmp_path / "nulls.csv")
    wanted = [("a", 1, "x"), (None, 2, None), ("", 3, ""), ('x,",', 4, "\r\n"), (" ", None, " "), ("", None, None)]
    assert (code, rows) == (0, wanted), message


@pytest.mark.parametrize("size", [1 << 17, 1 << 20, (1 << 24) - 3])
def test_a_field_of_csv_may_fill_the_longest_line(legacy_db: str, tmp_path: Path, size: int) -> None:
    text = "t\n" + "x" * size + "\n" + '"' + "y" * (size // 2) + "\n" + "y" * (size // 2 - 3) + '"\n'
    code, message, rows = _load_into(legacy_db, "t text", text, tmp_path / "long.csv")
    assert (code, [len(str(row[0])) for row in rows]) == (0, [size, size // 2 * 2 - 2]), message


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_an_integer_that_no_float_means_is_rounded_if_that_is_asked_for(
    legacy_db: str, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"floats.{kind}"
    integers = [2**53 + 1, 2**24 + 1, 5]
    if kind == "parquet":
        write_table(pa.table({"d": integers, "r": integers}), path)
    elif kind == "csv":
        path.write_text("d,r\n" + "".join(f"{number},{number}\n" for number in integers))
    else:
        path.write_text("".join(f'{{"d": {number}, "r": "{number}"}}\n' for number in integers))
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE f (d double precision, r real)")
        command = ["--json", "load", str(path), "--table", "f"]
        failed = run_dbperf(*command, "--round", "d", dsn=legacy_db, check=1)
        assert "column r: '9007199254740993': no real means this integer; --round r takes the nearest" in failed.stderr
        done = run_dbperf(*command, "--round", "d", "--round", "r", dsn=legacy_db)
        assert json.loads(done.stdout)["rounded"] == {"d": 1, "r": 2}
        assert conn.execute("SELECT d, r::float FROM f").fetchall() == [
            (2.0**53, 2.0**53),
            (2.0**24 + 1, 2.0**24),
            (5.0, 5.0),
        ]


def test_one_field_may_fill_several_columns(legacy_db: str, tmp_path: Path) -> None:
    arguments = ["--map", "bid=p", "--map", "ask=p", "--map", "-="]
    code, message, rows = _load_into(legacy_db, "bid integer, ask integer", ",p\n0,5\n", tmp_path / "p.csv", *arguments)
    assert (code, rows) == (0, [(5, 5)]), message


def test_a_broken_foreign_key_is_named_by_line(legacy_db: str, tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text("timestamp,instrument_id\n2022-01-01,1\n\n2022-01-01,999\n")
    done = run_dbperf("load", str(path), "--table", "market_data", dsn=legacy_db, check=1)
    assert "line 4, column instrument_id: '999': " in done.stderr


def test_two_loads_do_not_create_an_instrument_twice(legacy_db: str, bars: Path) -> None:
    arguments = [
        "load",
        str(bars),
        "--table",
        "market_data",
        "--instrument",
        "BTC",
        "--create-instrument",
        "--round",
        "volume",
    ]
    commands = [[sys.executable, "-m", "dbperf", "--dsn", legacy_db, *arguments] for _ in range(4)]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    assert [process.wait() for process in running] == [0] * 4
    with psycopg.connect(legacy_db) as conn:
        assert conn.execute("SELECT count(*) FROM instruments WHERE symbol = 'BTC'").fetchone() == (1,)


def test_mapping_leaving_out_and_other_types(legacy_db: str, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text('﻿When,F,D,B,Z,T,rest\n2022-01-01T05:00:00+05:00,1e-3,2022-01-31,yes,2022-01-01,"a\nb",x\n')
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute('CREATE TABLE "All" (at timestamp, f double precision, d date, b boolean, z timestamptz, t text)')
        run_dbperf("load", str(path), "--table", '"All"', "--map", "at=When", "--map", "-=rest", dsn=legacy_db)
        conn.execute("SET timezone = 'UTC'")
        row = conn.execute('SELECT at::text, f, d::text, b, z::text, t FROM "All"').fetchone()
    assert row == ("2022-01-01 00:00:00", 0.001, "2022-01-31", True, "2022-01-01 00:00:00+00", "a\nb")


def test_the_same_file_again_changes_nothing(upgraded_db: str, bars: Path) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        count = "SELECT count(*) FROM market_data"
        before = value(conn, count)
        run_dbperf("load", str(bars), *LOAD, "--round", "volume", dsn=upgraded_db)
        loaded = value(conn, count)
        assert loaded > before
        again = run_dbperf("load", str(bars), *LOAD, "--round", "volume", dsn=upgraded_db)
        assert "was loaded before" in again.stdout
        assert "give it a --batch-id that was not used yet" in again.stdout
        bars.with_suffix(".gz").write_bytes(gzip.compress(bars.read_bytes()))
        assert (
            "was loaded before"
            in run_dbperf("load", str(bars.with_suffix(".gz")), *LOAD, "--round", "volume", dsn=upgraded_db).stdout
        )
        assert value(conn, count) == loaded
        run_dbperf("load", str(bars), *LOAD, "--round", "volume", "--batch-id", "once more", dsn=upgraded_db)
        assert value(conn, count) == 2 * loaded - before


@pytest.mark.parametrize("way", [[], ["--parallel", "2"]], ids=["one", "parallel"])
def test_the_same_file_with_other_options_is_refused(upgraded_db: str, tmp_path: Path, way: list[str]) -> None:
    file = tmp_path / "bars.csv"
    file.write_text("at,close\n2026-01-01,1.5\n2026-01-02,2\n")
    load = ["load", str(file), "--table", "bar", *way]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE bar (at date, close numeric(6,2), instrument_id integer)")
        run_dbperf(*load, dsn=upgraded_db)
        for more in (["--round", "close"], ["--map", "-=at"]):
            said = run_dbperf(*load, *more, dsn=upgraded_db, check=1).stderr
            assert (
                "dbperf: the file was loaded before with other options (--map, --round, --time, --null …): delete those rows"
                in said
            )
        assert value(conn, "SELECT count(*) FROM bar") == 2
        for symbol in ("ES", "ES", "NQ", "NQ"):  # one file of two instruments is two batches
            run_dbperf(*load, "--instrument", symbol, "--create-instrument", dsn=upgraded_db)
        assert value(conn, "SELECT count(*) FROM bar") == 6
        conn.execute("TRUNCATE bar")
        conn.execute(re.findall(r"\((DELETE .*)\),", said)[0].encode())
        run_dbperf(*load, "--map", "-=at", dsn=upgraded_db)
        assert value(conn, "SELECT count(*) FROM bar") == 2


def test_a_batch_id_is_of_one_content_instrument_and_mapping(upgraded_db: str, bars: Path) -> None:
    load = ["load", str(bars), "--table", "market_data", "--create-instrument", "--batch-id", "b", "--round", "volume"]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        before = value(conn, "SELECT count(*) FROM market_data")
        run_dbperf(*load, "--instrument", "A1", dsn=upgraded_db)
        for more in (["A2"], ["A1", "--map", "-=open"], ["A1", "--round", "price"]):
            said = run_dbperf(*load, "--instrument", *more, dsn=upgraded_db, check=1).stderr
            assert (
                "stored before with other content, --instrument, --map, --round, --time or --null: give this one another id"
                in said
            )
        assert value(conn, "SELECT count(*) FROM market_data") == before + 4


def test_without_a_ledger_once_is_not_promised(legacy_db: str, upgraded_db: str, bars: Path) -> None:
    again = "dbperf: the same file again would be stored again"
    load = ["load", str(bars), *LOAD, "--round", "volume"]
    assert again in run_dbperf(*load, dsn=legacy_db).stderr
    assert again not in run_dbperf(*load, "--dry-run", dsn=legacy_db).stderr
    assert again not in run_dbperf(*load, dsn=upgraded_db).stderr


def test_the_same_table_by_another_name(upgraded_db: str, bars: Path) -> None:
    """And what a mapping says that goes without saying; another table of that name is another one."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        for schema in ("public", "other"):
            conn.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
            conn.execute(f'CREATE TABLE {schema}."Bar" (timestamp timestamp, close float)'.encode())
        rest = [each for name in ("open", "high", "low", "volume") for each in ("--map", f"-={name}")]
        for table, more in (
            ('"Bar"', []),
            ('public."Bar"', []),
            (' "public" . "Bar"', ["--map", "close=close"]),
            ('other."Bar"', []),
        ):
            run_dbperf("load", str(bars), "--table", table, *rest, *more, dsn=upgraded_db)
        assert value(conn, 'SELECT count(*) FROM "Bar"') == 4
        assert value(conn, 'SELECT count(*) FROM other."Bar"') == 4


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("way", [[], ["--parallel", "2"]], ids=["one", "parallel"])
def test_a_file_that_grows_is_refused(upgraded_db: str, tmp_path: Path, kind: str, way: list[str]) -> None:
    path = tmp_path / f"ticks.{kind}"
    table = pa.table({"k": range(300_000)})  # more than waits for its connection
    write_csv(table, path) if kind == "csv" else write_table(table, path)
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE growing (k bigint)")
        # when the first row is there, somebody appends to the file
        conn.execute(
            "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN NEW; END'"
        )
        conn.execute(
            "CREATE TRIGGER pause BEFORE INSERT ON growing FOR EACH ROW WHEN (new.k = 0) EXECUTE FUNCTION pause()"
        )
        failed: list[str] = []
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(77)")
            load = ["load", str(path), "--table", "growing", *way]
            thread = threading.Thread(target=lambda: failed.append(run_dbperf(*load, dsn=upgraded_db, check=1).stderr))
            thread.start()
            waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted"
            while not conn.execute(waiting).rowcount:
                assert thread.is_alive()
            with path.open("ab") as file:
                file.write(b"50000\n")
        thread.join()
        assert "was changed while it was loaded" in failed[0]
        assert value(conn, "SELECT count(*) FROM growing") == 0


def test_conflicts_and_bad_rows(upgraded_db: str, tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text("at,close,seen\n2026-01-01,1,1\n2026-01-02,x,1\n2026-01-01,3,2\n2026-01-03,-1,1\n")
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE bar (at date PRIMARY KEY, close integer CHECK (close > 0), seen integer)")
        options = ["--table", "bar", "--on-conflict", "update", "--newer", "seen", "--on-error", "quarantine"]
        result = json.loads(run_dbperf("--json", "load", str(file), *options, dsn=upgraded_db).stdout)
        wanted = {"rows": 4, "inserted": 1, "updated": 0, "ignored": 1, "quarantined": 2}
        assert {name: result[name] for name in wanted} == wanted
        assert conn.execute("SELECT close FROM bar").fetchall() == [(3,)]
        found = conn.execute(
            "SELECT row_number, column_name, row_data FROM dbperf.quarantine ORDER BY row_number"
        ).fetchall()
        assert found == [
            (2, "close", {"at": "2026-01-02", "close": "x", "seen": 1}),
            (4, None, {"at": "2026-01-03", "close": -1, "seen": 1}),
        ]
        too_many = run_dbperf(
            "load", str(file), *options, "--max-errors", "1", "--batch-id", "b", dsn=upgraded_db, check=1
        )
        assert "than --max-errors allows" in too_many.stderr
        assert "or raise --max-errors" in too_many.stderr
        dealt = ["--parallel", "2", "--batch-id", "c", "--on-conflict", "ignore"]
        conn.execute("CREATE TABLE priced (close numeric PRIMARY KEY)")
        refused = run_dbperf(
            "load",
            str(file),
            "--table",
            "priced",
            "--map",
            "-=at",
            "--map",
            "-=seen",
            *dealt,
            dsn=upgraded_db,
            check=64,
        )
        assert "dbperf: --parallel deals rows out" in refused.stderr
        assert "leave --parallel out" in refused.stderr


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_parallel(upgraded_db: str, tmp_path: Path, kind: str) -> None:
    times = np.datetime64("2026-05-31", "us") + np.arange(30_000).astype("m8[s]") * 4
    table = pa.table({"timestamp": times, "price": np.arange(30_000) % 500 + 1.5})
    broken = table.set_column(1, "price", pa.array([1.5] * 29_999 + [float("nan")]))
    good, bad = tmp_path / f"good.{kind}", tmp_path / f"bad.{kind}"
    for path, content in ((good, table), (bad, broken)):
        write_csv(content, path) if kind == "csv" else write_table(content, path, row_group_size=10_000)
    options = ["--table", "market_data", "--instrument", "NEW", "--create-instrument"]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        before = rows_hash(conn, ["market_data"])
        failed = run_dbperf("load", str(bad), *options, "--parallel", "3", dsn=upgraded_db, check=1)
        assert "nothing was loaded" in failed.stderr
        run_dbperf("load", str(good), *options, "--parallel", "3", "--dry-run", dsn=upgraded_db)
        assert rows_hash(conn, ["market_data"]) == before
        done = run_dbperf("--json", "load", str(good), *options, "--parallel", "3", dsn=upgraded_db)
        assert json.loads(done.stdout)["inserted"] == 30_000
        loaded = "FROM market_data WHERE instrument_id = (SELECT id FROM instruments WHERE symbol = 'NEW')"
        sums = f"SELECT count(*), count(DISTINCT timestamp), sum(price), count(DISTINCT xmin::text) {loaded}"
        assert conn.execute(sums.encode()).fetchone() == (30_000, 30_000, 30_000 * 251, 3)
        for way in (["--parallel", "2"], []):
            assert "was loaded before" in run_dbperf("load", str(good), *options, *way, dsn=upgraded_db).stdout
        assert value(conn, f"SELECT count(*) {loaded}") == 30_000


def test_the_past_gets_its_partitions_and_the_far_future_none(upgraded_db: str, tmp_path: Path) -> None:
    file = tmp_path / "ticks.csv"
    far = f"{dt.date.today().year + 2}-07-03"
    file.write_text(f"timestamp,instrument_id\n1985-07-03,1\n{far},1\n{far},1\n")
    load = ["load", str(file), "--table", "market_data"]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'market_data'::regclass"
        before = value(conn, count)
        said = run_dbperf(*load, dsn=upgraded_db, check=1).stderr
        assert f"line 3, column timestamp: '{far}': no partition of relation" in said
        assert "as far ahead as max_ahead in dbperf.partition_policy; nothing was loaded" in said
        assert value(conn, count) == before + 1
        result = json.loads(run_dbperf("--json", *load, "--on-error", "quarantine", dsn=upgraded_db).stdout)
        assert (result["inserted"], result["quarantined"]) == (1, 2)
        conn.execute("UPDATE dbperf.partition_policy SET max_ahead = '4 years'")
        assert json.loads(run_dbperf("--json", *load, "--batch-id", "b", dsn=upgraded_db).stdout)["inserted"] == 3
        assert value(conn, count) == before + 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_dry_run_makes_no_partition_and_misses_none(upgraded_db: str, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"ticks.{kind}"

    def write(*days: str, instrument: int = 1) -> None:
        at = pa.array([dt.datetime.fromisoformat(day) for day in days], pa.timestamp("us"))
        table = pa.table({"timestamp": at, "instrument_id": [1] * (len(days) - 1) + [instrument]})
        write_csv(table, file) if kind == "csv" else write_table(table, file)

    load = ["--json", "load", str(file), "--table", "market_data", "--dry-run"]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'market_data'::regclass"
        before = value(conn, count), rows_hash(conn, ["market_data"])
        now, far = (f"{dt.date.today().year + years}-{dt.date.today():%m}-01" for years in (0, 2))
        write("1985-07-03", now, "1985-08-31")
        result = json.loads(run_dbperf(*load, dsn=upgraded_db).stdout)
        assert (result["rows"], result["inserted"], result["only_read"]) == (3, 3, 2)
        write("1985-07-03", now, "1985-08-31", far)
        assert (
            f"{'line 5' if kind == 'csv' else 'row 4'}, column timestamp: '{far}"
            in run_dbperf(*load, dsn=upgraded_db, check=1).stderr
        )
        write("1985-07-03", now, instrument=999)
        assert "column instrument_id: '999': " in run_dbperf(*load, dsn=upgraded_db, check=1).stderr
        assert (value(conn, count), rows_hash(conn, ["market_data"])) == before


@pytest.mark.parametrize("way", [[], ["--dry-run"], ["--parallel", "2"], ["--on-conflict", "ignore"]], ids=str)
def test_what_is_checked_last_names_the_file(upgraded_db: str, tmp_path: Path, way: list[str]) -> None:
    keys, checks = tmp_path / "keys.csv", tmp_path / "checks.csv"
    keys.write_text("k,f\n1,1\n2,424242\n")
    checks.write_text("k,f\n1,1\n-2,1\n")
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE late (k integer PRIMARY KEY CHECK (k > 0),"
            " f integer REFERENCES instruments DEFERRABLE INITIALLY DEFERRED)"
        )
        said = run_dbperf("load", str(keys), "--table", "late", *way, dsn=upgraded_db, check=1).stderr
        assert f"{keys} line 3, column f: '424242': " in said
        said = run_dbperf("load", str(checks), "--table", "late", *way, dsn=upgraded_db, check=1).stderr
        assert f"dbperf: {checks}" in said
        assert value(conn, "SELECT count(*) FROM late") == 0


#: `dbperf.__main__`, after a word that tells when it begins: an interrupt of Python's own start is Python's.
TELLING = """
import os, sys
import dbperf.__main__
sys.addaudithook(lambda event, given: event == "import" and given[0] == "dbperf.cli" and os.write(1, b"begun\\n"))
dbperf.__main__.main()
"""


@pytest.mark.parametrize("way", [[], ["--parallel", "2"], ["--on-conflict", "ignore"]], ids=str)
@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_interrupted_at_any_moment(
    upgraded_db: str, tmp_path: Path, rng: random.Random, kind: str, way: list[str]
) -> None:
    path = tmp_path / f"t.{kind}"
    numbers = range(5000 if kind != "parquet" else 50_000)
    if kind == "parquet":
        write_table(pa.table({"k": numbers}), path)
    else:
        path.write_text(
            "k\n" + "\n".join(map(str, numbers)) if kind == "csv" else "\n".join(f'{{"k": {n}}}' for n in numbers)
        )
    command = [sys.executable, "-c", TELLING, "--dsn", upgraded_db, "load", str(path), "--table", "t", *way]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        longest = 1.0
        for _ in range(6):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            begun = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, longest))
                longest = time.monotonic() - begun
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
            stored = value(conn, "SELECT count(*) FROM t")
            assert "Traceback" not in said, said
            assert (process.returncode, said.splitlines()[-1]) == (
                130,
                "dbperf: interrupted",
            ) or process.returncode == 0
            assert stored == len(numbers) or (stored == 0 and process.returncode == 130)
            conn.execute("TRUNCATE t")
            conn.execute("DELETE FROM dbperf.batch_ledger")
