"""copy_arrow and aio.copy_arrow: Arrow data of every kind there and back; what does not fit is named."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dbperf
from dbperf.copy.columns import BLOCK_ROWS
from dbperf.errors import ColumnError, RowError, UsageError
from tests.support import both_apis

Copy = Callable[..., dbperf.CopyResult]
UTC = dt.UTC


@pytest.fixture(params=both_apis("copy_arrow"), ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    chosen: Copy = request.param
    return chosen


@pytest.fixture
def table(conn: psycopg.Connection) -> psycopg.Connection:
    conn.execute(
        """CREATE TABLE t (position serial, small smallint, number integer, big bigint, price double precision, little real,
            at timestamp, day date, flag boolean, name text, exact numeric(12,4), zoned timestamptz, raw bytea, tags text[],
            took interval, hour time, notes jsonb, hours time[], exacts numeric[])"""
    )
    conn.execute("SET timezone = 'UTC'")
    return conn


def _stored(conn: psycopg.Connection, names: str) -> list[tuple[Any, ...]]:
    return conn.execute(f"SELECT {names} FROM t ORDER BY position".encode()).fetchall()


T = dt.datetime(2026, 5, 1, 9, 30, 0, 1)

EVERYTHING: dict[str, tuple[pa.DataType, list[Any]]] = {
    "small": (pa.int16(), [1, None, -(2**15)]),
    "number": (pa.uint16(), [1, 2, 65535]),
    "big": (pa.int64(), [None, 2**62, -(2**63)]),
    "price": (pa.float64(), [0.1, None, float("inf")]),
    "little": (pa.float32(), [0.5, None, 0.25]),
    "at": (pa.timestamp("us"), [T, None, dt.datetime(1, 1, 1)]),
    "day": (pa.date32(), [T.date(), None, dt.date(1, 1, 1)]),
    "flag": (pa.bool_(), [True, None, False]),
    "name": (pa.string(), ["grün", None, ""]),
    "exact": (pa.decimal128(12, 4), [Decimal("1.2500"), None, Decimal("-0.0001")]),
    "zoned": (pa.timestamp("ms", "America/New_York"), [dt.datetime(2026, 5, 1, 9, 30, tzinfo=UTC), None, None]),
    "raw": (pa.large_binary(), [b"\x00a", None, b""]),
    "tags": (pa.list_(pa.string()), [["a", None], None, []]),
    "took": (pa.duration("us"), [dt.timedelta(seconds=1.5), None, dt.timedelta()]),
    "hour": (pa.time64("us"), [dt.time(9, 30), None, dt.time(0)]),
    "notes": (pa.struct([("a", pa.int64())]), [{"a": 1}, None, {"a": None}]),
}


def _everything() -> pa.Table:
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in EVERYTHING.items()})


@pytest.mark.parametrize("sliced", [False, True])
def test_every_type_there_and_back(table: psycopg.Connection, legacy_db: str, copy: Copy, sliced: bool) -> None:
    data = _everything()
    if sliced:  # offsets into buffers and bits
        data = pa.concat_tables([data, data, data]).combine_chunks().slice(4, 3)
    result = copy(legacy_db, "t", data)
    assert (result.rows, result.inserted) == (3, 3)
    order = [1, 2, 0] if sliced else [0, 1, 2]
    wanted = [tuple(values[row] for _, values in EVERYTHING.values()) for row in order]
    assert _stored(table, ", ".join(EVERYTHING)) == wanted


def test_batches_blocks_and_streams(table: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    sizes = [BLOCK_ROWS + 3, 0, 5]
    schema = pa.schema([("number", pa.int32()), ("name", pa.dictionary(pa.int8(), pa.string()))])

    def batches() -> Any:
        first = 0
        for size in sizes:
            numbers = pa.array(np.arange(first, first + size), pa.int32())
            names = pa.DictionaryArray.from_arrays(pa.array(np.arange(size) % 2, pa.int8()), pa.array(["ES", "NQ"]))
            yield pa.record_batch([numbers, names], schema=schema)
            first += size

    result = copy(legacy_db, "t", pa.RecordBatchReader.from_batches(schema, batches()))
    assert result.rows == sum(sizes)
    found = _stored(table, "number, name")
    assert [number for number, _ in found] == list(range(sum(sizes)))
    assert found[0][1] == "ES"
    assert found[-1][1] == "ES"
    assert found[-2][1] == "NQ"


def test_one_record_batch_and_no_rows(table: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    batch = pa.record_batch({"number": pa.array([1], pa.int8())})
    assert copy(legacy_db, "t", batch).rows == 1
    assert copy(legacy_db, "t", pa.table({"number": pa.array([], pa.int8())})).rows == 0
    assert copy(legacy_db, "t", pa.table({"number": pa.nulls(2)})).rows == 2
    assert _stored(table, "number") == [(1,), (None,), (None,)]


#: Its last value is a time for Arrow, and none for NumPy.
NAT = pa.array([0, None, -(2**63)])


@pytest.mark.parametrize(
    ("column", "values", "row", "words"),
    [
        ("small", pa.array([1, None, 2**15]), 3, "out of range for type smallint"),
        ("number", pa.array([1.0]), 1, "does not fit type integer"),
        ("price", pa.array([2**53 + 1]), 1, "no exact double precision value"),
        ("price", pa.array([Decimal("0.12345678901234567")]), 1, "no exact double precision value"),
        ("at", pa.array([None, 1], pa.timestamp("ns")), 2, "pass nanoseconds="),
        ("at", pa.array([None, 0], pa.timestamp("us", "UTC")), 2, "one of them has a time zone"),
        ("zoned", pa.array([0], pa.timestamp("us")), 1, "one of them has a time zone"),
        ("flag", pa.array([1]), 1, "does not fit type boolean"),
        ("hours", pa.array([[1], None, [2, 90_000]], pa.list_(pa.time32("s"))), 3, "90000 of time32"),
        *[(column, NAT.view(kind), 3, f"{-2**63} of {kind} is out of range") for column, kind in [
            ("at", pa.timestamp("s")), ("at", pa.timestamp("ns")), ("zoned", pa.timestamp("us", "UTC")),
            ("took", pa.duration("ms")), ("took", pa.duration("ns")), ("day", pa.date64()), ("hour", pa.time64("us")),
        ]],
        ("hours", pa.ListArray.from_arrays([0, 0, 0, 3], NAT.view(pa.time64("ns"))), 3, f"{-2**63} of time64"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_named(
    table: psycopg.Connection, column: str, values: pa.Array, row: int, words: str
) -> None:
    with table.transaction(), pytest.raises(RowError) as caught:
        dbperf.copy_arrow(table, "t", pa.table({column: values}))
    assert (caught.value.row, caught.value.column) == (row, column)
    assert words in str(caught.value)
    assert _stored(table, "position") == []


def test_views_and_dictionaries_of_them(table: psycopg.Connection) -> None:
    """As polars has its texts and categories."""
    names = pa.array(["grün", None, "x" * 40], pa.string_view())
    raw = pa.array([b"a", None, b""], pa.binary_view())
    dbperf.copy_arrow(table, "t", pa.table({"name": names, "raw": raw}))
    category = pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0], pa.uint32()), pa.array(["a", "b"], pa.string_view())
    )
    dbperf.copy_arrow(table, "t", pa.table({"name": category}))
    assert _stored(table, "name, raw") == [
        ("grün", b"a"), (None, None), ("x" * 40, b""), ("b", None), (None, None), ("a", None),
    ]  # fmt: skip


def test_bytes_that_belong_to_a_null(table: psycopg.Connection) -> None:
    """Arrow allows them, and elements too."""
    validity, offsets, data = pa.py_buffer(b"\x05"), pa.py_buffer(np.array([0, 1, 3, 4], "i4")), pa.py_buffer(b"abbc")
    names = pa.StringArray.from_buffers(3, offsets, data, validity)
    hours = pa.ListArray.from_buffers(
        pa.list_(pa.time64("ns")), 3, [validity, offsets], children=[pa.array([0, 1, 2, 1000]).cast(pa.time64("ns"))]
    )
    dbperf.copy_arrow(table, "t", pa.table({"name": names, "hours": hours}))
    assert _stored(table, "name, hours") == [("a", [dt.time()]), (None, None), ("c", [dt.time(0, 0, 0, 1)])]


def test_short_floats_within_lists(table: psycopg.Connection) -> None:
    """Have their shortest decimals, as those outside."""
    lists, outside = pa.array([[0.1, None], None], pa.list_(pa.float32())), pa.array([0.1, None], pa.float32())
    notes = pa.array([{"a": 0.1}, None], pa.struct({"a": pa.float32()}))
    dbperf.copy_arrow(table, "t", pa.table({"exacts": lists, "exact": outside, "notes": notes}))
    assert _stored(table, "exacts, exact, notes") == [([Decimal("0.1"), None], Decimal("0.1"), {"a": 0.1}), (None,) * 3]


@pytest.mark.parametrize(
    ("data", "words"),
    [({"number": [1]}, "has no Arrow data"), (pa.table({"nothing": [1]}), "has no column nothing")],
)
def test_what_cannot_be_written_so(table: psycopg.Connection, data: Any, words: str) -> None:
    with pytest.raises(ColumnError, match=words):
        dbperf.copy_arrow(table, "t", data)


def _named(name: str) -> pa.Table:
    """As it comes where nobody has registered the extension type."""
    field = pa.field("number", pa.int32(), metadata={"ARROW:extension:name": name})
    return pa.table({"number": pa.array([1], pa.int32())}, schema=pa.schema([field]))


class _Objects:
    """As a frame of polars'."""

    dtypes = ("Object",)

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return pa.table({"raw": pa.array([b"12345678"], pa.binary(8))}).__arrow_c_stream__(schema)


TENSOR = pa.ExtensionArray.from_storage(
    pa.fixed_shape_tensor(pa.int32(), [2, 2]), pa.array([[1, 2, 3, 4]], pa.list_(pa.int32(), 4))
)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_named("duckdb.hugeint"), "column number is of extension type duckdb.hugeint"),
        (pa.table({"numbers": TENSOR}), "column numbers is of extension type arrow.fixed_shape_tensor"),
        (pa.table({"notes": pa.StructArray.from_arrays([TENSOR], ["a"])}), "column notes is of extension type arrow.f"),
        (_Objects(), "column raw holds objects"),
        (pa.table({"number": pa.array([1])}).schema, "pyarrow cannot read this Schema|has no Arrow data"),
    ],
)
def test_what_stores_something_else(table: psycopg.Connection, data: Any, words: str) -> None:
    with pytest.raises(ColumnError, match=words):
        dbperf.copy_arrow(table, "t", data)


def test_extension_types_that_are_known(table: psycopg.Connection) -> None:
    given = uuid4()
    table.execute("CREATE TABLE known (id uuid, notes text, is_up boolean)")
    columns = [pa.array([given.bytes, None], pa.uuid()), pa.array(['{"a": 1}', None], pa.json_())]
    ups = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8()))
    dbperf.copy_arrow(table, "known", pa.table([*columns, ups], names=["id", "notes", "is_up"]))
    assert table.execute("SELECT * FROM known").fetchall() == [(given, '{"a": 1}', True), (None, None, None)]


NS = [0, 500, 1_500, 1_501, None, 86_399_999_999_499]

#: Type of the column, Arrow's, and what NS is there by policy: microseconds.
FINER = [("timestamp", pa.timestamp("ns")), ("interval", pa.duration("ns")), ("time", pa.time64("ns"))]


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize(("kind", "arrow"), FINER, ids=["timestamp", "interval", "time"])
def test_nanoseconds(table: psycopg.Connection, kind: str, arrow: pa.DataType, depth: int) -> None:
    """Refused with their remedy, or truncated, or rounded half to even; within arrays too."""
    table.execute(f"CREATE TABLE finer (n {kind}{'[]' * depth})".encode())
    array = pa.array([7, *NS]).cast(arrow)
    for make in (pa.ListArray, pa.LargeListArray)[:depth]:
        array = make.from_arrays(range(len(array) + 1), array, mask=array.is_null())
    array = array[1:]
    for policy, expected in [
        ("truncate", [0, 0, 1, 1, None, 86_399_999_999]),
        ("round", [0, 0, 2, 2, None, 86_399_999_999]),
    ]:
        with table.transaction(force_rollback=True):
            dbperf.copy_arrow(table, "finer", pa.table({"n": array}), nanoseconds=policy)  # type: ignore[arg-type]
            stored = table.execute(
                f"SELECT (extract(epoch FROM n{'[1]' * depth}) * 1000000)::bigint FROM finer ORDER BY ctid".encode()
            ).fetchall()
            assert [n for (n,) in stored] == expected
    with table.transaction(), pytest.raises(RowError, match="pass nanoseconds=") as caught:
        dbperf.copy_arrow(table, "finer", pa.table({"n": array}))
    assert (caught.value.row, caught.value.column) == (2, "n")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("time", pa.array([0, None, 86_399], pa.time32("s")), pa.array([86_400], pa.time32("s"))),
        ("time", pa.array([1], pa.time64("us")), pa.array([-1], pa.time64("us"))),
        ("date", pa.array([0, None, -86_400_000], pa.date64()), pa.array([86_400_001], pa.date64())),
        ("interval", pa.array([-1, None], pa.duration("s")), pa.array([2**60], pa.duration("s"))),
    ],
    ids=["time32", "time64", "date64", "duration"],
)
def test_what_pyarrow_would_make_another_value(
    table: psycopg.Connection, kind: str, good: pa.Array, bad: pa.Array
) -> None:
    table.execute(f"CREATE TABLE other (v {kind})".encode())
    dbperf.copy_arrow(table, "other", pa.table({"v": good}))
    assert _stored_values(table) == good.to_pylist()
    with table.transaction(), pytest.raises(RowError):
        dbperf.copy_arrow(table, "other", pa.table({"v": bad}))


def _stored_values(conn: psycopg.Connection) -> list[Any]:
    return [value for (value,) in conn.execute("SELECT v FROM other ORDER BY ctid").fetchall()]


def test_without_pyarrow(table: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "dbperf.copy.arrow", raising=False)
    monkeypatch.delattr("dbperf.copy.arrow", raising=False)
    with pytest.raises(UsageError, match="pip install"):
        dbperf.copy_arrow(table, "t", None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.integers(-(2**31), 2**31 - 1),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
            st.none() | st.datetimes(),
            st.none() | st.booleans(),
        ),
        max_size=20,
    ),
    cut=st.integers(0, 5),
)
def test_random_rows_there_and_back(table: psycopg.Connection, rows: list[tuple[Any, ...]], cut: int) -> None:
    kinds = {
        "number": pa.int64(),
        "price": pa.float64(),
        "name": pa.large_string(),
        "at": pa.timestamp("us"),
        "flag": pa.bool_(),
    }
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    data = pa.table({name: pa.array(values, kind) for (name, kind), values in zip(kinds.items(), columns, strict=True)})
    with table.transaction(force_rollback=True):
        dbperf.copy_arrow(table, "t", data.slice(cut))
        assert _stored(table, ", ".join(kinds)) == rows[cut:]


def test_the_clients_encoding(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE encoded (text text)")
    conn.execute("SET client_encoding = 'LATIN1'")
    dbperf.copy_arrow(conn, "encoded", pa.table({"text": ["é"]}))
    with pytest.raises(RowError, match="row 1, column text"):
        dbperf.copy_arrow(conn, "encoded", pa.table({"text": ["€"]}))
    assert conn.execute("SELECT text FROM encoded").fetchall() == [("é",)]


def _runs(values: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(values) + 1), pa.int32()), values)


def test_runs(table: psycopg.Connection) -> None:
    """Are what they stand for."""
    names, short = pa.array(["a", None, "b"]), pa.array([0.1, None, 0.5], pa.float32())
    data = pa.table({"name": _runs(names), "exact": _runs(short)})
    dbperf.copy_arrow(table, "t", data)
    assert _stored(table, "name, exact") == [("a", Decimal("0.1")), (None, None), ("b", Decimal("0.5"))]
    finer = _runs(pa.array([1], pa.time64("ns")))
    for column, values in (("hour", finer), ("hours", pa.ListArray.from_arrays([0, 1], finer))):
        with table.transaction(), pytest.raises(RowError, match="pass nanoseconds="):
            dbperf.copy_arrow(table, "t", pa.table({column: values}))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("hours", pa.array([[1]], pa.list_view(pa.time64("ns")))),
        ("notes", pa.array([[("a", 0.1)]], pa.map_(pa.string(), pa.float32()))),
        ("hour", pa.UnionArray.from_dense(
            pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1], pa.time64("ns"))]
        )),
    ],
    ids=["list_view", "map", "union"],
)  # fmt: skip
def test_what_holds_values_that_python_changes(table: psycopg.Connection, column: str, values: pa.Array) -> None:
    with table.transaction(), pytest.raises(ColumnError, match="cast it"):
        dbperf.copy_arrow(table, "t", pa.table({column: values}))
    harmless = pa.array([[("a", 0.5)]], pa.map_(pa.string(), pa.float64()))
    dbperf.copy_arrow(table, "t", pa.table({"notes": harmless}))
    assert _stored(table, "notes") == [([["a", 0.5]],)]


def test_texts_that_are_none(upgraded_db: str) -> None:
    offsets, data = pa.py_buffer(np.array([0, 2, 4], "i4")), pa.py_buffer(b"ok\xff\xfe")
    names = pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TYPE word AS ENUM ('ok'); CREATE TABLE t (name text, word word)")
        for column in ("name", "word"):
            table = pa.table({column: names})
            with pytest.raises(RowError, match=f"row 2, column {column}"):
                dbperf.copy_arrow(conn, "t", table)
            assert dbperf.copy_arrow(conn, "t", table, on_error="quarantine").inserted == 1
        assert conn.execute("SELECT DISTINCT row_data->>'name' FROM dbperf.quarantine ORDER BY 1").fetchall() == [
            ("\\xff\\xfe",), (None,),
        ]  # fmt: skip
