"""copy_columns and aio.copy_columns: arrays there and back, and the same bytes as copy_rows sends."""

from __future__ import annotations

import array
import datetime as dt
import io
import random
import sys
import uuid
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

import dbperf
from dbperf.copy.blocks import PlainEncoder
from dbperf.copy.catalog import CATALOG, Column
from dbperf.copy.columns import BLOCK_ROWS
from dbperf.copy.options import Policy
from dbperf.copy.rows import ROWS, Rows, RowShape
from dbperf.copy.vectors import VectorEncoder
from dbperf.errors import ColumnError, RowError, UsageError
from tests.support import both_apis
from tests.test_copy import _VALUES

Copy = Callable[..., dbperf.CopyResult]


@pytest.fixture(params=both_apis("copy_columns"), ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    chosen: Copy = request.param
    return chosen


@pytest.fixture
def table(conn: psycopg.Connection) -> psycopg.Connection:
    conn.execute(
        """CREATE TABLE t (position serial, small smallint, number integer, big bigint, price double precision, little real,
            at timestamp, day date, flag boolean, name text, exact numeric(12,4), zoned timestamptz, key uuid, tags text[],
            took interval, exacts numeric[], notes jsonb)"""
    )
    return conn


def _stored(conn: psycopg.Connection, names: str) -> list[tuple[Any, ...]]:
    return conn.execute(f"SELECT {names} FROM t ORDER BY position".encode()).fetchall()


def test_arrays_arrive(table: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    count = 2 * BLOCK_ROWS + 7
    numbers = np.arange(count)
    at = np.datetime64("2026-05-01", "us") + numbers.astype("m8[s]")
    prices = numbers / 4
    result = copy(
        legacy_db,
        "t",
        {"number": numbers, "price": prices, "at": at, "flag": numbers % 2 == 0, "day": at.astype("M8[D]")},
    )
    assert (result.rows, result.inserted) == (count, count)
    assert result.bytes == 19 + 2 + count * (2 + 5 * 4 + 4 + 8 + 8 + 1 + 4)
    for row in (0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, count - 1):
        assert _stored(table, "number, price, at, flag, day")[row] == (
            row, row / 4, at[row].item(), row % 2 == 0, at[row].item().date(),
        )  # fmt: skip


def test_nulls_of_every_kind(table: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    copy(
        legacy_db,
        "t",
        {
            "number": np.ma.MaskedArray([1, 2, 3], [False, True, False]),
            "price": [None, 1.5, float("nan")],
            "at": np.array(["2026-05-01T00:00:00.000001", "NaT", "0001-01-01"], "M8[us]"),
            "name": ["a", None, ""],
            "exact": np.array([1.25, None, Decimal("2.5")], object),
            "flag": [True, None, False],
            "big": [None, None, None],
        },
    )
    found = _stored(table, "number, price::text, at, name, exact, flag, big")
    assert found == [
        (1, None, dt.datetime(2026, 5, 1, microsecond=1), "a", Decimal("1.25"), True, None),
        (None, "1.5", None, None, None, None, None),
        (3, "NaN", dt.datetime(1, 1, 1), "", Decimal("2.5"), False, None),
    ]


def test_what_numpy_has_no_type_for(table: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    zoned = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    key = uuid.uuid4()
    copy(
        legacy_db,
        "t",
        {
            "name": np.array(["grün", "x" * 3000]),
            "zoned": [zoned, None],
            "key": [key, key],
            "tags": [["a", None], []],
            "took": np.array([1_500_000, 0], "m8[us]"),
            "exact": np.array([0.1, 0.25], "f4"),
        },
    )
    found = _stored(table, "name, zoned AT TIME ZONE 'UTC', key, tags, took, exact")
    assert found == [
        ("grün", zoned.replace(tzinfo=None), key, ["a", None], dt.timedelta(seconds=1.5), Decimal("0.1")),
        ("x" * 3000, None, key, [], dt.timedelta(), Decimal("0.25")),
    ]


@pytest.mark.parametrize(
    ("column", "values", "row", "words"),
    [
        ("small", np.array([1, 2**15]), 2, "out of range for type smallint"),
        ("number", np.array([1, 2**31], "u8"), 2, "out of range for type integer"),
        ("big", np.array([2**63], "u8"), 1, "out of range for type bigint"),
        ("big", [2**64], 1, "out of range for type bigint"),
        ("number", np.array([1.0]), 1, "does not fit type integer"),
        ("number", np.array([True]), 1, "does not fit type integer"),
        ("price", np.array([1, 2**53 + 1]), 2, "no exact double precision value"),
        ("price", ["1.5"], 1, "does not fit type double precision"),
        ("little", np.array([1.0, 1e300]), 2, "does not fit type real"),
        ("little", np.array([1e-300]), 1, "does not fit type real"),
        ("little", np.array([2**24 + 1]), 1, "does not fit type real"),
        ("at", np.array(["2026-05-01T00:00:00.000000001"], "M8[ns]"), 1, "pass nanoseconds="),
        ("at", np.array(["-6000-01-01"], "M8[us]"), 1, "out of range for type timestamp"),
        ("at", np.array([2**62], "M8[s]"), 1, "out of range for type timestamp"),
        ("day", np.array(["2026-05-01T12"], "M8[h]"), 1, "has a time of day"),
        ("day", np.array([2**40], "M8[D]"), 1, "out of range for type date"),
        ("zoned", np.array(["2026-05-01"], "M8[us]"), 1, "pass aware datetimes"),
        ("name", np.array([b"a"]), 1, "does not fit type text"),
        ("flag", np.array([1]), 1, "does not fit type boolean"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_named(
    table: psycopg.Connection, column: str, values: Any, row: int, words: str
) -> None:
    with table.transaction(), pytest.raises(RowError) as caught:
        dbperf.copy_columns(table, "t", {column: values})
    assert (caught.value.row, caught.value.column) == (row, column)
    assert words in str(caught.value)
    assert _stored(table, "position") == []


def test_a_value_that_does_not_fit_in_a_later_block(table: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    numbers = np.arange(BLOCK_ROWS * 2)
    numbers[BLOCK_ROWS + 5] = 2**40
    with pytest.raises(RowError) as caught:
        copy(legacy_db, "t", {"number": numbers})
    assert caught.value.row == BLOCK_ROWS + 6
    assert _stored(table, "position") == []


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"number": [1], "price": [1.0, 2.0]}, "of several lengths: number 1, price 2"),
        ({"nothing": [1]}, "has no column nothing"),
        ({}, "no column named"),
    ],
)
def test_columns_are_checked_before_a_byte_is_sent(legacy_db: str, table: object, columns: Any, words: str) -> None:
    with psycopg.connect(legacy_db) as conn:
        with pytest.raises(ColumnError, match=words):
            dbperf.copy_columns(conn, "t", columns)
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_no_rows_and_pools(table: psycopg.Connection, legacy_db: str) -> None:
    with ConnectionPool(legacy_db, min_size=1, max_size=1) as pool:
        assert dbperf.copy_columns(pool, "t", {"number": []}).rows == 0
        assert dbperf.copy_columns(pool, "t", {"number": (1, 2)}).rows == 2
    assert _stored(table, "number") == [(1,), (2,)]


def test_arrays_of_arrays(table: psycopg.Connection) -> None:
    dbperf.copy_columns(table, "t", {"tags": np.array([["a", "b"], ["c", "d"]])})
    assert _stored(table, "tags") == [(["a", "b"],), (["c", "d"],)]
    with table.transaction(), pytest.raises(RowError, match="column number"):
        dbperf.copy_columns(table, "t", {"number": np.array([[1, 2]])})


class _Polars:
    """A column of polars: NumPy sees NaN where it has NULL."""

    def __init__(self, values: list[Any], dtype: str) -> None:
        self.values, self.dtype = values, dtype

    def __arrow_c_stream__(self) -> object:
        raise NotImplementedError

    def __array__(self, *_: object) -> Any:
        return np.array([float("nan") if value is None else value for value in self.values])

    def to_list(self) -> list[Any]:
        return self.values


class _Pandas:
    """A column of pandas: what its own types call missing may be NaN; NumPy's types have no such thing."""

    def __init__(self, values: list[Any], dtype: Any) -> None:
        self.values, self.dtype = values, dtype

    def __arrow_c_stream__(self) -> object:
        raise NotImplementedError

    def __array__(self, *_: object, **__: object) -> Any:
        return np.array(self.values, self.dtype)

    def tolist(self) -> list[Any]:
        return self.values

    def isna(self) -> list[bool]:
        return [value is None or value != value for value in self.values]


SINGLE, NAN = float(np.float32(0.1)), float("nan")


@pytest.mark.parametrize(
    ("name", "values", "stored"),
    [
        ("price", _Polars([1.5, None], "Float64"), [1.5, None]),
        ("price", _Polars([SINGLE, None], "Float32"), [SINGLE, None]),
        ("exact", _Polars([SINGLE, None], "Float32"), [Decimal("0.1"), None]),
        ("exact", pa.array([SINGLE, None], pa.float32()), [Decimal("0.1"), None]),
        ("exacts", _Polars([[SINGLE], None], "List(Float32)"), [[Decimal("0.1")], None]),
        ("name", _Pandas(["a", NAN], "str"), ["a", None]),
        ("price", _Pandas([SINGLE, NAN], "Float32"), [SINGLE, None]),
        ("exact", _Pandas([SINGLE, NAN], "Float32"), [Decimal("0.1"), None]),
        ("exact::text", _Pandas([SINGLE, NAN], np.dtype("f4")), ["0.1000", "NaN"]),
        ("exact::text", _Pandas([0.5, NAN, None], np.dtype("O")), ["0.5000", "NaN", None]),
        ("price::text", _Pandas([0.5, NAN, None], np.dtype("O")), ["0.5", "NaN", None]),
        ("number", _Pandas([1, None], np.dtype("O")), [1, None]),
        ("at", _Pandas([0, np.datetime64("NaT", "us")], np.dtype("M8[us]")), [dt.datetime(1970, 1, 1), None]),
    ],
)
def test_columns_of_frames(table: psycopg.Connection, name: str, values: Any, stored: list[Any]) -> None:
    """Are as NumPy's of their types; NULL is what their own types have for it."""
    dbperf.copy_columns(table, "t", {name.partition(":")[0]: values})
    assert [value for (value,) in _stored(table, name)] == stored


@pytest.mark.parametrize("column", ["name", "number", "at", "flag", "tags", "notes", "took"])
def test_nan_where_there_is_none(table: psycopg.Connection, column: str) -> None:
    """It is refused, if it is not NULL by policy."""
    values = _Pandas([None, NAN], np.dtype("O"))
    for write, data in (("copy_columns", {column: values}), ("copy_rows", [{column: None}, {column: NAN}])):
        with table.transaction(), pytest.raises(RowError, match="pass None") as caught:
            getattr(dbperf, write)(table, "t", data)
        assert (caught.value.row, caught.value.column) == (2, column)
        getattr(dbperf, write)(table, "t", data, nan_is_null=True)
    assert _stored(table, column) == [(None,)] * 4


@pytest.mark.parametrize("values", ["ab", b"ab", 5, None, (number for number in (1, 2)), np.array(7)])
def test_what_is_no_column(table: psycopg.Connection, values: Any) -> None:
    with pytest.raises(ColumnError, match="no array and no sequence"):
        dbperf.copy_columns(table, "t", {"name": values})


def test_without_numpy(table: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dbperf.copy.vectors", None)
    with pytest.raises(UsageError, match="pip install"):
        dbperf.copy_columns(table, "t", {"number": [1]})


def test_what_is_no_number_after_numbers(table: psycopg.Connection) -> None:
    """Rows of numbers are encoded at once, but none of them is what it is not, and a good one is stored after it."""
    names, at = ["big", "price", "at"], dt.datetime(2026, 5, 1)
    good = [(number, number / 4, at) for number in range(ROWS)]
    for place, value in [
        (0, True), (0, 1.0), (0, 2**63), (1, True), (1, "1.5"), (1, np.float32(1.1)), (2, 8), (2, at.date()),
    ]:  # fmt: skip
        bad = tuple(value if each == place else good[0][each] for each in range(len(names)))
        with table.transaction(), pytest.raises(RowError) as refused:
            dbperf.copy_rows(table, "t", [*good, bad], names)
        assert (refused.value.row, refused.value.column) == (ROWS + 1, names[place])
    mixed = [(None, 0.5, None), (7, None, at), (2**40, 3, at)]
    dbperf.copy_rows(table, "t", [*good, *mixed, *good], names)
    assert _stored(table, ", ".join(names)) == [*good, *mixed, *good]


def test_policies(table: psycopg.Connection) -> None:
    prices = np.ma.MaskedArray([1.25, 1.23456, 2.675, 1e300], [False, True, False, False])
    dbperf.copy_columns(table, "t", {"price": prices}, scale={"price": 3})
    with table.transaction(), pytest.raises(RowError, match="more than 2 decimals"):
        dbperf.copy_columns(table, "t", {"price": prices}, scale={"price": 2})
    dbperf.copy_columns(table, "t", {"price": prices}, scale={"price": 2}, round=["price"])
    assert [price for (price,) in _stored(table, "price")][4:] == [1.25, None, round(2.675, 2), 1e300]
    times = np.array(["2026-05-01T00:00:00.000001999"], "M8[ns]")
    for policy, micro in (("truncate", 1), ("round", 2)):
        table.execute("TRUNCATE t")
        dbperf.copy_columns(table, "t", {"at": times, "zoned": times}, nanoseconds=policy, naive_is_utc=True)  # type: ignore[arg-type]
        at = dt.datetime(2026, 5, 1, microsecond=micro)
        assert _stored(table, "at, zoned AT TIME ZONE 'UTC'") == [(at, at)]
    with table.transaction(), pytest.raises(RowError, match="pass nanoseconds="):
        dbperf.copy_columns(table, "t", {"at": times})
    table.execute("TRUNCATE t")
    dbperf.copy_columns(table, "t", {"price": np.array([1.0, np.nan]), "exact": [float("nan"), 2.5]}, nan_is_null=True)
    assert _stored(table, "price, exact") == [(1.0, None), (None, Decimal("2.5"))]
    with table.transaction(), pytest.raises(RowError):
        dbperf.copy_columns(table, "t", {"little": np.array([2**53 + 1])})


_COMMON = {name: strategy for name, strategy in _VALUES.items() if name not in ("colour", "cents")}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(*(st.none() | strategy for strategy in _COMMON.values())), min_size=1, max_size=5))
def test_the_bytes_are_those_of_psycopg(conn: psycopg.Connection, rows: list[tuple[Any, ...]]) -> None:
    with conn.transaction(force_rollback=True):
        columns = ", ".join(f"c{number} {name}" for number, name in enumerate(_COMMON))
        conn.execute(f"CREATE TABLE bytes_of_all_types ({columns})".encode())
        found = [Column(*row) for row in conn.execute(CATALOG.encode(), {"name": "bytes_of_all_types"})]
        part = Rows(RowShape(found, False, False), rows, range(8, 8 + len(rows)))
        for numbered in (False, True):
            plain = PlainEncoder(found, conn, Policy(), numbered).encode(part)
            assert bytes(VectorEncoder(found, conn, Policy(), numbered).encode(part)) == plain
            if not numbered:
                assert plain == _by_psycopg(conn, found, rows)


def _by_psycopg(conn: psycopg.Connection, columns: list[Column], rows: list[tuple[Any, ...]]) -> bytes:
    written = io.BytesIO()
    with psycopg.Copy(conn.cursor(), binary=True, writer=psycopg.copy.FileWriter(written)) as copy:
        copy.set_types([column.oid for column in columns])
        for row in rows:
            copy.write_row(row)
    return written.getvalue()[19:-2]


def test_frames(table: psycopg.Connection) -> None:
    """Columns by name, whatever holds them; NumPy's own truth values in rows."""
    columns = {"price": [1.5, 2.5], "flag": [True, None]}
    for frame in (columns, pa.table(columns)):
        dbperf.copy_columns(table, "t", frame)
    assert _stored(table, "price, flag") == [(1.5, True), (2.5, None)] * 2
    with pytest.raises(ColumnError, match="pass a mapping or a frame"):
        dbperf.copy_columns(table, "t", [1, 2])
    with pytest.raises(ColumnError, match="copy_arrow"):
        dbperf.copy_columns(table, "t", pa.table({"at": pa.array([1501], pa.timestamp("ns"))}))
    table.execute("TRUNCATE t")
    dbperf.copy_rows(table, "t", [(np.True_,), (np.False_,)], ["flag"])
    assert _stored(table, "flag") == [(True,), (False,)]


def test_what_is_missing_within_arrays(conn: psycopg.Connection) -> None:
    """Is NULL there alone, and not the row."""
    conn.execute("CREATE TABLE nested (prices float8[], spans interval[])")
    prices = np.array([[0.5, NAN], [1.5, 2.5]])
    spans = np.array([[1, 2], [3, 4]], "m8[s]")
    spans[1, 1] = "NaT"
    dbperf.copy_columns(conn, "nested", {"prices": prices, "spans": spans}, nan_is_null=True)
    masked = np.ma.MaskedArray(prices, [[True, False], [False, False]])
    dbperf.copy_columns(conn, "nested", {"prices": masked, "spans": [None, None]}, nan_is_null=True)
    seconds = [dt.timedelta(seconds=n) for n in range(4)]
    assert conn.execute("SELECT * FROM nested ORDER BY ctid").fetchall() == [
        ([0.5, None], [seconds[1], seconds[2]]), ([1.5, 2.5], [seconds[3], None]),
        ([None, None], None), ([1.5, 2.5], None),
    ]  # fmt: skip


def test_values_that_have_the_scale(table: psycopg.Connection, rng: random.Random) -> None:
    """However NumPy would round them."""
    values = [round(rng.uniform(1e8, 1e12), 8) for _ in range(2000)]
    for write in (dbperf.copy_columns, dbperf.copy_rows):
        data: Any = {"price": np.array(values)} if write is dbperf.copy_columns else [{"price": v} for v in values]
        write(table, "t", data, scale={"price": 8})
    assert [value for (value,) in _stored(table, "price")] == values * 2


class _Frame:
    """Has its columns as attributes, too, as pandas' frames have."""

    columns = ("number", "name")
    name = ("a", "b")

    def __init__(self) -> None:
        self.column_names = [1, 2]

    def __getitem__(self, name: str) -> Any:
        return [1, 2] if name == "number" else self.name


def test_other_frames_and_sequences(table: psycopg.Connection) -> None:
    dbperf.copy_columns(table, "t", _Frame())
    assert _stored(table, "number, name") == [(1, "a"), (2, "b")]
    table.execute("TRUNCATE t")
    dbperf.copy_columns(table, "t", {"number": deque([1, 2]), "exact": array.array("f", [0.1, 0.5])})
    assert _stored(table, "number, exact") == [(1, Decimal("0.1")), (2, Decimal("0.5"))]
    with table.transaction(), pytest.raises(ColumnError, match="copy_arrow"):
        dbperf.copy_columns(table, "t", {"at": pa.array([2**62], pa.timestamp("us"))})
