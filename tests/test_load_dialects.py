"""``dbperf load`` of files as venues and terminals write them: other separators, no header, other times, words for NULL."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from dbperf.load.targets import columns_of
from dbperf.load.times import time_parser
from dbperf.migrations.session import value
from tests.support import dbperf as run_dbperf

TICKS = "CREATE TABLE tick (at timestamp, price numeric(12, 4), size numeric, side text, zoned timestamptz, day date)"

#: Files, the options that they need, and the first of their two rows.
FILES: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "trades without header, ms": (
        "1,42283.58,0.0066,279.07,1704067200001,True,True\n2,42283.59,0.0057,241.01,1704067200123,False,True\n",
        ["--fields", "-,price,size,-,at,side,-", "--time", "at=ms"],
        {"at": "2024-01-01 00:00:00.001", "price": "42283.5800", "size": "0.0066", "side": "True"},
    ),
    "seconds with a fraction": (
        "1381095255.5,122.0,0.1\n1381179030,123.61,0.1\n",
        ["--fields", "at,price,size", "--time", "at=s"],
        {"at": "2013-10-06 21:34:15.5", "price": "122.0000", "size": "0.1"},
    ),
    "nanoseconds": (
        "price,at\n4.5,1704067200000000000\n5,1704067200000001000\n",
        ["--time", "at=ns"],
        {"at": "2024-01-01 00:00:00", "price": "4.5000"},
    ),
    "terminal, semicolons, tenths of microseconds": (
        "20220103 093000 1230000;4766.25;1\n20220103 093001 0000000;4766.5;2\n",
        ["--delimiter", ";", "--fields", "at,price,size", "--time", "at=%Y%m%d %H%M%S %f"],
        {"at": "2022-01-03 09:30:00.123", "price": "4766.2500", "size": "1"},
    ),
    "digits without a break": (
        "20120201 000000660,1.3066\n20120201 235959001,1.3067\n",
        ["--fields", "at,price", "--time", "at=%Y%m%d %H%M%S%f"],
        {"at": "2012-02-01 00:00:00.66", "price": "1.3066"},
    ),
    "day first, tabs": (
        "Gmt time\tAsk\n03.01.2022 00:00:00.123\t1.1379\n04.01.2022 00:00:00.000\t1.138\n",
        ["--delimiter", r"\t", "--map", "at=Gmt time", "--map", "price=Ask", "--time", "at=%d.%m.%Y %H:%M:%S.%f"],
        {"at": "2022-01-03 00:00:00.123", "price": "1.1379"},
    ),
    "month first, twelve hours": (
        "1/3/2022 9:30:01 PM|4.5\n12/31/2022 12:00:00 AM|5\n",
        ["--delimiter", "|", "--fields", "at,price", "--time", "at=%m/%d/%Y %I:%M:%S %p"],
        {"at": "2022-01-03 21:30:01", "price": "4.5000"},
    ),
    "names of months, an offset": (
        "at,zoned\n03-Jan-22 093000+0100,2022-01-03T09:30:00Z\n04-Feb-22 093000Z,\n",
        ["--time", "at=%d-%b-%y %H%M%S%z", "--time", "zoned=%Y-%m-%dT%H:%M:%S%z"],
        {"at": "2022-01-03 08:30:00", "zoned": "2022-01-03 09:30:00+00"},
    ),
    "day and time apart, joined by sed": (
        "01/03/2022 09:30:01,4.5\n01/04/2022 09:30:01,5\n",
        ["--fields", "at,price", "--time", "at=%m/%d/%Y %H:%M:%S"],
        {"at": "2022-01-03 09:30:01", "price": "4.5000"},
    ),
    "an offset by sed": (
        "20120201 000000660 -0500,1.3066\n20120202 000000660 -0500,1\n",
        ["--fields", "at,price", "--time", "at=%Y%m%d %H%M%S%f %z"],
        {"at": "2012-02-01 05:00:00.66", "price": "1.3066"},
    ),
    "days": (
        "day,zoned\n20220103,2022003\n20220104,2022004\n",
        ["--time", "day=%Y%m%d", "--time", "zoned=%Y%j"],
        {"day": "2022-01-03", "zoned": "2022-01-03 00:00:00+00"},
    ),
    "words for NULL": (
        'at,price,size,side\n2022-01-03,NaN,"NaN","NaN"\n2022-01-04,1,null,null\n',
        ["--null", "NaN", "--null", "null"],
        {"at": "2022-01-03 00:00:00", "side": "NaN"},
    ),
    "NDJSON, ms": (
        '{"at": 1704067200001, "price": "1.5"}\n{"at": null, "price": null}\n',
        ["--time", "at=ms"],
        {"at": "2024-01-01 00:00:00.001", "price": "1.5000"},
    ),
}


@pytest.fixture
def ticks(upgraded_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(f"{upgraded_db} options='-c timezone=UTC'", autocommit=True) as conn:
        conn.execute(TICKS)
        yield conn


def _load(dsn: str, path: Path, *options: str, check: int = 0) -> str:
    done = run_dbperf("load", str(path), "--table", "tick", *options, dsn=dsn, check=check)
    return done.stderr if check else done.stdout


@pytest.mark.parametrize("name", FILES)
def test_files(ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path, name: str) -> None:
    text, options, expected = FILES[name]
    path = tmp_path / ("ticks.ndjson" if name.startswith("NDJSON") else "ticks.csv")
    path.write_text(text)
    _load(upgraded_db, path, *options)
    texts = ", ".join(f"{column}::text" for column in ("at", "price", "size", "side", "zoned", "day"))
    (first, count), *_ = ticks.execute(
        f"SELECT jsonb_strip_nulls(to_jsonb(t)), count(*) OVER () FROM (SELECT {texts} FROM tick) AS t".encode()
    )
    assert (first, count) == (expected, 2)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("250000 20220103", ["--time", "at=%H%M%S %Y%m%d"], "'250000 20220103': not a time written as %H%M%S %Y%m%d"),
        ("20221303", ["--time", "at=%Y%m%d"], "'20221303': not a time written as %Y%m%d"),
        ("2022133", ["--time", "at=%Y%m%d"], "not a time written as"),
        ("\u0662\u0660\u0662\u06620103", ["--time", "at=%Y%m%d"], "not a time written as"),
        ("2022-01-03 00:00:60", ["--time", "at=%Y-%m-%d %H:%M:%S"], "not a time written as"),
        ("2022-01-03 EST", ["--time", "at=%Y-%m-%d %Z"], "--time: load does not read %Z, but %m"),
        ("09:30", ["--time", "at=%H:%M"], "it needs a year and a day"),
        ("2022-01-03 9", ["--time", "at=%Y-%m-%d %I"], "%I and %p together or not at all"),
        ("2022-01-03 13 PM", ["--time", "at=%Y-%m-%d %H %p"], "%I and %p together or not at all"),
        ("2022 2022-01-03", ["--time", "at=%Y %Y-%m-%d"], "has nothing twice"),
        (
            "1700000000.0000001",
            ["--time", "at=s"],
            "finer than type timestamp without time zone keeps; --round at rounds",
        ),
        ("1700000000000000001", ["--time", "at=ns"], "finer than type"),
        ("2022-01-03 0.1234567", ["--time", "at=%Y-%m-%d %S.%f"], "finer than type"),
        ("1704067200000", ["--time", "at=s"], "not within the years 1 to 9999: is the unit of --time another one?"),
        ("1e999", ["--time", "at=s"], "not within the years 1 to 9999"),
        ("1704067200", ["--time", "at=ms"], "a time of 1966 to 1973: is the unit of --time another one"),
        ("0", ["--time", "at=ns"], "does --null say that it is none?"),
        ("soon", ["--time", "at=s"], "line 1, column at: 'soon': not a finite decimal number"),
        ("1700000000", ["--time", "at=seconds"], "is not COLUMN=FORM"),
        ("1700000000", ["--time", "ms"], "is not COLUMN=FORM"),
        ("1700000000", ["--time", "price=s"], "--time price: the file does not fill this column"),
        ("1700000000", ["--time", "at=s", "--delimiter", "ab"], "'ab' is not one character"),
        ("1700000000", ["--time", "at=s", "--delimiter", '"'], "cannot separate fields"),
        ("1700000000", ["--time", "at=s", "--format", "ndjson"], "are for CSV, and a.csv is ndjson"),
        ("1700000000,2", ["--time", "at=s"], "line 1: has 2 fields, --fields has 1"),
        (
            "1700000000",
            [],
            "not an ISO 8601 time such as 2022-01-31 23:59:00.123456 (--round rounds, --time reads others)",
        ),
    ],
)
def test_what_is_refused(
    ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path, text: str, options: list[str], words: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    wrong = words.startswith(("--time", "it needs", "%I", "has nothing", "is not COLUMN", "'ab'", "cannot", "are for"))
    said = _load(upgraded_db, path, "--fields", "at", *options, check=64 if wrong else 1)
    assert words in said
    assert value(ticks, "SELECT count(*) FROM tick") == 0


def test_columns_that_keep_no_times(ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("price\n1\n")
    assert "keeps no times of a calendar" in _load(upgraded_db, path, "--time", "price=s", check=64)


@pytest.mark.parametrize(
    ("header", "options", "words"),
    [
        ("1701,2,3", [], "or give all of them names with --fields if the file has no header line"),
        ("at;price", [], "fields are separated by commas, or by what --delimiter says, such as ';'"),
        ("at,price", ["--fields", "at,at"], "two fields named 'at'"),
    ],
)
def test_what_helps(
    ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path, header: str, options: list[str], words: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n2022-01-01,1\n")
    assert words in _load(upgraded_db, path, *options, check=64)


def test_rounded(ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path) -> None:
    """Half-even and once, from what is written."""
    path = tmp_path / "a.csv"
    path.write_text("1700000000000000500\n1700000000000001500\n1700000000000001000\n1700000000000001501\n")
    said = _load(upgraded_db, path, "--fields", "at", "--time", "at=ns", "--round", "at")
    assert "3 values of at were rounded" in said
    kept = ticks.execute("SELECT extract(microseconds FROM at)::bigint % 1000 FROM tick").fetchall()
    assert kept == [(0,), (2,), (1,), (2,)]


def test_parquet(ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path) -> None:
    """Of integers; what is a time there needs no form."""
    path = tmp_path / "a.parquet"
    write_table(pa.table({"at": [1704067200001, None], "zoned": [-(10**15), 10**15], "day": [0, 86400]}), path)
    _load(upgraded_db, path, "--time", "at=ms", "--time", "zoned=us", "--time", "day=s")
    rows = ticks.execute("SELECT at::text, zoned::text, day::text FROM tick ORDER BY day").fetchall()
    assert rows == [
        ("2024-01-01 00:00:00.001", "1938-04-24 22:13:20+00", "1970-01-01"),
        (None, "2001-09-09 01:46:40+00", "1970-01-02"),
    ]
    write_table(pa.table({"at": pa.array([1], pa.timestamp("ms"))}), path)
    assert "a datetime, not a number" in _load(upgraded_db, path, "--time", "at=ms", check=1)
    assert "are for CSV, and a.parquet is parquet" in _load(upgraded_db, path, "--null", "NaN", check=64)


def test_other_options_make_other_content(ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1700000000;1\n")
    way = ["--delimiter", ";", "--fields", "at,price", "--time"]
    _load(upgraded_db, path, *way, "at=s")
    assert "was loaded before" in _load(upgraded_db, path, *way, "at=s")
    for other in (["at=%Y%m%d%H"], ["at=s", "--null", "1"]):
        assert "was loaded before with other options" in _load(upgraded_db, path, *way, *other, check=1)
    assert value(ticks, "SELECT count(*) FROM tick") == 1


def test_bad_rows_and_partitions(ticks: psycopg.Connection, upgraded_db: str, tmp_path: Path) -> None:
    """Into a table whose partitions are made for the times that can be read."""
    path = tmp_path / "a.csv"
    path.write_text("1262304000000,5\n126230400000x,6\n1262304000001,-\n")
    way = ["--fields", "timestamp,price", "--time", "timestamp=ms", "--null", "-", "--on-error", "quarantine"]
    done = run_dbperf("load", str(path), "--table", "market_data", "--instrument", "ES", *way, dsn=upgraded_db)
    assert "1 bad rows are in dbperf.quarantine" in done.stdout
    kept = (
        "SELECT price FROM market_data WHERE \"timestamp\" < '2010-01-02' AND \"timestamp\" >= '2010-01-01' ORDER BY 1"
    )
    assert ticks.execute(kept).fetchall() == [(5.0,), (None,)]
    assert value(ticks, "SELECT row_data ->> 'timestamp' FROM dbperf.quarantine") == "126230400000x"


PATTERNS = [
    "%Y%m%d%H%M%S%f",
    "%d/%m/%y %H.%M.%S,%f",
    "%b %d %Y %I:%M:%S.%f %p",
    "%Y-%jT%H%M%S.%f%z",
    "%f %S %M %H %d %B %Y",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_time_comes_back(ticks: psycopg.Connection, pattern: str, rng: random.Random) -> None:
    column = next(column for column in columns_of(ticks, "tick") if column.name == "at")
    parse = time_parser(column, pattern, (), rounds=False).parse
    for _ in range(3000):
        seconds = rng.randrange(0, 2 * 10**9) if "%y" in pattern else rng.randrange(-3 * 10**10, 2 * 10**11)
        at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds, microseconds=rng.randrange(10**6))
        text = (
            at.strftime(pattern)
            if "%z" not in pattern
            else at.astimezone(dt.timezone(dt.timedelta(hours=3))).strftime(pattern)
        )
        assert parse(text.replace("%Y", "")) == at.replace(tzinfo=None), text


def test_digits_that_are_no_time_become_none(ticks: psycopg.Connection, rng: random.Random) -> None:
    column = next(column for column in columns_of(ticks, "tick") if column.name == "at")
    parse = time_parser(column, "%Y%m%d%H%M%S%f", (), rounds=False).parse
    read = 0
    for _ in range(20_000):
        text = "".join(rng.choices("0012345", k=rng.choice([14, 15, 17, 20])))
        year, month, day, hour, minute, second = int(text[:4]), *(int(text[n : n + 2]) for n in range(4, 14, 2))
        try:
            micro = int(text[14:].ljust(6, "0")) if text[14:] else -1
            expected = dt.datetime(year, month, day, hour, minute, second, micro)
        except ValueError:
            expected = None
        if expected is None:
            with pytest.raises(ValueError, match="not a time written as"):
                parse(text)
        else:
            read += 1
            assert parse(text) == expected
    assert read
