"""Every type both ways through every writer, its bytes, and values that were never meant for it."""

from __future__ import annotations

import datetime as dt
import enum
import io
import ipaddress
import json
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

import dbperf
from dbperf.copy import alike
from dbperf.copy.blocks import PlainEncoder
from dbperf.copy.catalog import CATALOG, Column
from dbperf.copy.columns import Columns
from dbperf.copy.options import Policy
from dbperf.copy.rows import Rows, RowShape
from dbperf.copy.vectors import VectorEncoder
from dbperf.errors import ColumnError, RowError
from tests.test_copy import _VALUES

D, T, UTC = dt.date(2026, 7, 1), dt.datetime(2026, 7, 1, 9, 30, 0, 1), dt.UTC
INT4, INT8 = st.integers(-(2**31), 2**31 - 2), st.integers(-(2**63), 2**63 - 2)
_ZONES = st.integers(-15 * 3600, 15 * 3600).map(lambda seconds: dt.timezone(dt.timedelta(seconds=seconds)))


def _ranges(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Range[Any]]:
    """Ranges as PostgreSQL writes them, so that they compare; unbounded and empty ones too."""
    pairs = st.tuples(bounds, bounds).map(sorted).filter(lambda pair: pair[0] < pair[1])
    bounded = pairs.map(lambda pair: Range(*pair))
    return st.just(Range(empty=True)) | st.just(Range(None, None, "()")) | bounded | bounds.map(lambda low: Range(low))


def _multiranges(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Multirange[Any]]:
    ends = st.lists(bounds, max_size=6, unique=True).map(sorted)
    return ends.map(lambda e: Multirange([Range(*e[n : n + 2]) for n in range(0, len(e) - 1, 2)]))


def _table(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Arrays of one dimension and of two."""
    items = st.none() | values
    deep = st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(items, min_size=n, max_size=n), min_size=1, max_size=3)
    )
    return st.lists(items, max_size=4) | deep


_REALS = st.floats(width=32, allow_nan=False).map(lambda value: float(str(np.float32(value))))
_DECIMALS: st.SearchStrategy[Any] = st.decimals(
    allow_nan=False, min_value=-(10**20), max_value=10**20
) | st.sampled_from([Decimal("Infinity"), Decimal("1e300"), Decimal("1e-300")])
_TIMES = st.datetimes()
_INSTANTS = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1), timezones=st.just(UTC))
_ADDRESSES = st.ip_addresses().filter(lambda address: getattr(address, "scope_id", None) is None)
_DAYS = st.dates(max_value=dt.date(9999, 12, 30))

VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{name: values for name, values in _VALUES.items() if name not in ("colour", "cents")},
    "numeric(1000,500)": _VALUES["numeric"],
    "numeric": _DECIMALS,
    "real": _REALS,
    "timetz": st.builds(lambda time, zone: time.replace(tzinfo=zone), st.times(), _ZONES),
    "char(4)": st.text("abc", min_size=4, max_size=4),
    "name": st.text("abc é", max_size=30),
    "oid": st.integers(0, 2**32 - 1),
    "json": st.recursive(st.booleans() | st.integers() | _VALUES["text"], st.lists, max_leaves=4).map(lambda v: {"v": v}),
    "inet": _ADDRESSES,
    "cidr": st.builds(
        lambda address, bits: ipaddress.ip_network((address, bits), strict=False), _ADDRESSES, st.integers(0, 32)
    ),
    "int4range": _ranges(INT4),
    "int8range": _ranges(INT8),
    "numrange": _ranges(_VALUES["numeric"]),
    "tsrange": _ranges(_TIMES),
    "tstzrange": _ranges(_INSTANTS),
    "daterange": _ranges(_DAYS),
    "int4multirange": _multiranges(INT4),
    "int8multirange": _multiranges(INT8),
    "nummultirange": _multiranges(_VALUES["numeric"]),
    "tsmultirange": _multiranges(_TIMES),
    "tstzmultirange": _multiranges(_INSTANTS),
    "datemultirange": _multiranges(_DAYS),
    **{
        name + "[]": _table(_VALUES[name])
        for name in ("bigint", "smallint", "double precision", "text", "uuid", "date", "timestamp", "timestamptz",
                     "boolean", "bytea", "interval", "time", "integer")
    },
    "numeric[]": _table(_DECIMALS),
    "real[]": _table(_REALS),
    "inet[]": _table(_ADDRESSES),
    "int4range[]": _table(_ranges(INT4)),
    "jsonb[]": _table(_VALUES["jsonb"]),
}  # fmt: skip

#: Read as text without their types registered: the array that is sent, and what is read.
_OWN = {"colour": _VALUES["colour"], "cents": _VALUES["cents"]}
_NAMES = [f"c{number}" for number in range(len(VALUES) + 4)]
_KINDS = [*VALUES, *_OWN, *(name + "[]" for name in _OWN)]
_ROWS = st.lists(
    st.tuples(*(st.none() | values for values in [*VALUES.values(), *_OWN.values(), *map(_table, _OWN.values())])),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def table(conn: psycopg.Connection) -> psycopg.Connection:
    conn.execute("SET timezone = 'UTC'")
    conn.execute("CREATE TYPE colour AS ENUM ('red', 'grün', 'it''s')")
    conn.execute("CREATE DOMAIN positive AS bigint CHECK (VALUE >= 0)")
    conn.execute("CREATE DOMAIN cents AS bigint CHECK (VALUE >= 0)")
    conn.execute(
        "CREATE DOMAIN tenths AS timestamp(1); CREATE DOMAIN whole AS timestamp(0); CREATE DOMAIN seconds AS whole"
    )
    conn.execute("CREATE DOMAIN symbol AS varchar(3); CREATE DOMAIN amount AS numeric(6,2)")
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(_NAMES, _KINDS, strict=True))
    conn.execute(f"CREATE TABLE t ({columns}, n serial)".encode())
    return conn


def _objects(values: tuple[Any, ...]) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _by_rows(conn: psycopg.Connection, rows: list[tuple[Any, ...]]) -> None:
    dbperf.copy_rows(conn, "t", rows, _NAMES)


def _by_lists(conn: psycopg.Connection, rows: list[tuple[Any, ...]]) -> None:
    dbperf.copy_columns(conn, "t", dict(zip(_NAMES, zip(*rows, strict=True), strict=True)))


def _by_arrays(conn: psycopg.Connection, rows: list[tuple[Any, ...]]) -> None:
    dbperf.copy_columns(conn, "t", dict(zip(_NAMES, map(_objects, zip(*rows, strict=True)), strict=True)))


@pytest.mark.parametrize("write", [_by_rows, _by_lists, _by_arrays])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=_ROWS)
def test_every_type_both_ways(
    table: psycopg.Connection, write: Callable[..., None], rows: list[tuple[Any, ...]]
) -> None:
    casts = [name + ("::text[]" if kind == "colour[]" else "::bigint[]" if kind == "cents[]" else "")
             for name, kind in zip(_NAMES, _KINDS, strict=True)]  # fmt: skip
    with table.transaction(force_rollback=True):
        write(table, rows)
        stored = table.execute(f"SELECT {', '.join(casts)} FROM t ORDER BY n".encode()).fetchall()
        for row, found in zip(rows, stored, strict=True):
            assert dict(zip(_KINDS, found, strict=True)) == dict(zip(_KINDS, row, strict=True))


_ARROW: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "smallint": (pa.int16(), _VALUES["smallint"]),
    "bigint": (pa.int64(), _VALUES["bigint"]),
    "real": (pa.float32(), _REALS),
    "double precision": (pa.float64(), _VALUES["double precision"]),
    "numeric": (pa.decimal128(38, 6), _VALUES["numeric"]),
    "text": (pa.string(), _VALUES["text"]),
    "bytea": (pa.binary(), _VALUES["bytea"]),
    "date": (pa.date32(), _VALUES["date"]),
    "time": (pa.time64("us"), _VALUES["time"]),
    "timestamp": (pa.timestamp("us"), _VALUES["timestamp"]),
    "timestamptz": (pa.timestamp("us", "UTC"), _VALUES["timestamptz"]),
    "interval": (pa.duration("us"), _VALUES["interval"]),
    "bigint[]": (pa.list_(pa.int64()), st.lists(st.none() | _VALUES["bigint"], max_size=3)),
    "numeric[]": (pa.list_(pa.decimal128(38, 6)), st.lists(st.none() | _VALUES["numeric"], max_size=3)),
    "text[]": (pa.list_(pa.string()), st.lists(st.none() | _VALUES["text"], max_size=3)),
    "date[]": (pa.list_(pa.date32()), st.lists(st.none() | _VALUES["date"], max_size=3)),
}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.tuples(*(st.none() | values for _, values in _ARROW.values())), min_size=1, max_size=5))
def test_arrow_both_ways(table: psycopg.Connection, rows: list[tuple[Any, ...]]) -> None:
    names = [_NAMES[_KINDS.index(kind)] for kind in _ARROW]
    arrays = [pa.array(v, kind) for v, (kind, _) in zip(zip(*rows, strict=True), _ARROW.values(), strict=True)]
    with table.transaction(force_rollback=True):
        dbperf.copy_arrow(table, "t", pa.table(dict(zip(names, arrays, strict=True))))
        assert table.execute(f"SELECT {', '.join(names)} FROM t ORDER BY n".encode()).fetchall() == rows


# -- arrays of arrays --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "stored"),
    [
        ("real[]", np.array([[1.1, 2]], "f4"), [[1.1, 2]]),
        ("numeric[]", np.array([[1.1, 2]], "f4"), [[Decimal("1.1"), 2]]),
        ("integer[]", np.ma.MaskedArray([[1, 2], [3, 4]], [[True, False], [False, False]]), [[None, 2], [3, 4]]),
        ("real[]", np.ma.MaskedArray(np.array([[1.1, 2]], "f4"), [[False, True]]), [[1.1, None]]),
        ("bigint[]", np.array([[[1], [2]]]), [[[1], [2]]]),
    ],
)
def test_arrays_of_two_dimensions(conn: psycopg.Connection, kind: str, values: Any, stored: list[Any]) -> None:
    conn.execute(f"CREATE TABLE one (value {kind}, n serial)".encode())
    dbperf.copy_columns(conn, "one", {"value": values})
    assert [row[0] for row in conn.execute("SELECT value FROM one ORDER BY n")] == stored


# -- bytes -------------------------------------------------------------------------------

BYTES: list[tuple[str, Any, str]] = [
    ("smallint", -2, "fffe"),
    ("integer", 2**31 - 1, "7fffffff"),
    ("bigint", -(2**63), "8000000000000000"),
    ("oid", 2**32 - 1, "ffffffff"),
    ("numeric", Decimal("12345.678900"), "0003000100000006000109291a85"),
    ("numeric", Decimal("-0.00001"), "0001fffe4000000503e8"),
    ("numeric", Decimal("NaN"), "00000000c0000000"),
    ("numeric", Decimal("-Infinity"), "00000000f0000000"),
    ("numeric(6,2)", Decimal("1.25"), "0002000000000002000109c4"),
    ("real", 0.1, "3dcccccd"),
    ("double precision", 0.1, "3fb999999999999a"),
    ("boolean", True, "01"),
    ("text", "grün", "6772c3bc6e"),
    ("character varying(9)", "", ""),
    ("char(4)", "abcd", "61626364"),
    ("name", "tick", "7469636b"),
    ("bytea", b"\0\xff", "00ff"),
    ("date", D, "000025ce"),
    ("date", dt.date(1, 1, 1), "fff4dbf9"),
    ("time", dt.time(23, 59, 59, 999999), "000000141dd75fff"),
    ("timetz", dt.time(1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))), "00000000dde878c0ffffe3e0"),
    ("timestamp", T, "0002f8881aa9d601"),
    ("timestamptz", T.replace(tzinfo=UTC), "0002f8881aa9d601"),
    ("interval", dt.timedelta(days=-3, seconds=5, microseconds=7), "00000000004c4b47fffffffd00000000"),
    ("uuid", uuid.UUID(int=7), "00000000000000000000000000000007"),
    ("json", {"a": [1, None]}, "7b2261223a205b312c206e756c6c5d7d"),
    ("jsonb", {"a": [1, None]}, "017b2261223a205b312c206e756c6c5d7d"),
    ("inet", ipaddress.ip_address("10.0.0.1"), "022000040a000001"),
    ("inet", ipaddress.ip_interface("::1/64"), "0340001000000000000000000000000000000001"),
    ("cidr", ipaddress.ip_network("10.0.0.0/8"), "020801040a000000"),
    ("int4range", Range(1, 5), "0200000004000000010000000400000005"),
    ("int8range", Range(None, 5, "()"), "08000000080000000000000005"),
    (
        "numrange",
        Range(Decimal("1.5"), Decimal(2), "(]"),
        "040000000c0002000000000001000113880000000a00010000000000000002",
    ),
    ("tsrange", Range(T, None), "12000000080002f8881aa9d601"),
    ("tstzrange", Range(T.replace(tzinfo=UTC), None), "12000000080002f8881aa9d601"),
    ("daterange", Range(D, dt.date(2026, 7, 4)), "0200000004000025ce00000004000025d1"),
    ("int4range", Range(empty=True), "01"),
    (
        "int4multirange",
        Multirange([Range(1, 5), Range(7, 9)]),
        "00000002000000110200000004000000010000000400000005000000110200000004000000070000000400000009",
    ),
    ("nummultirange", Multirange([]), "00000000"),
    ("colour", "grün", "6772c3bc6e"),
    ("cents", 7, "0000000000000007"),
    (
        "integer[]",
        [[1, None], [2, 3]],
        "000000020000000100000017000000020000000100000002000000010000000400000001ffffffff00000004000000020000000400000003",
    ),
    ("smallint[]", [], "000000000000000000000015"),
    ("bigint[]", [2**40], "0000000100000000000000140000000100000001000000080000010000000000"),
    ("numeric[]", [Decimal("1.5")], "0000000100000000000006a400000001000000010000000c000200000000000100011388"),
    ("double precision[]", [0.1, None], "0000000100000001000002bd0000000200000001000000083fb999999999999affffffff"),
    ("real[]", [1.5], "0000000100000000000002bc0000000100000001000000043fc00000"),
    ("text[]", ["a", None, ""], "00000001000000010000001900000003000000010000000161ffffffff00000000"),
    ("boolean[]", [True, False], "000000010000000000000010000000020000000100000001010000000100"),
    ("uuid[]", [uuid.UUID(int=7)], "000000010000000000000b8600000001000000010000001000000000000000000000000000000007"),
    ("date[]", [D], "00000001000000000000043a000000010000000100000004000025ce"),
    ("timestamp[]", [T], "00000001000000000000045a0000000100000001000000080002f8881aa9d601"),
    (
        "int4range[]",
        [Range(1, 5)],
        "000000010000000000000f400000000100000001000000110200000004000000010000000400000005",
    ),
    ("text", None, ""),
]


def _columns(conn: psycopg.Connection) -> list[Column]:
    return [Column(*row) for row in conn.execute(CATALOG, {"name": "one"})]


@pytest.mark.parametrize(("kind", "value", "expected"), BYTES)
def test_bytes(conn: psycopg.Connection, kind: str, value: Any, expected: str) -> None:
    """The same from both encoders, and what the server writes of the value once it is stored."""
    conn.execute("CREATE TYPE colour AS ENUM ('red', 'grün')")
    conn.execute("CREATE DOMAIN cents AS bigint CHECK (VALUE >= 0)")
    conn.execute(f"CREATE TABLE one (value {kind})".encode())
    columns = _columns(conn)
    plain = PlainEncoder(columns, conn, Policy(), False).encode(Rows(RowShape(columns, False, False), [(value,)], [1]))
    vector = bytes(VectorEncoder(columns, conn, Policy(), False).encode(Columns(["value"], [[value]])))
    assert (plain[6:].hex(), vector) == (expected, plain)
    dbperf.copy_rows(conn, "one", [(value,)])
    written = io.BytesIO()
    with conn.cursor().copy("COPY one TO STDOUT (FORMAT BINARY)") as copy:
        written.writelines(copy)
    if value != Decimal("-Infinity"):  # of which the server keeps a scale that means nothing
        assert written.getvalue()[19:-2] == plain


# -- fuzz --------------------------------------------------------------------------------

_ATOMS: st.SearchStrategy[Any] = st.one_of(
    st.booleans(), st.integers(), st.sampled_from([2**15, 2**31, 2**31 - 1, 2**63, 2**64, 10**400, -(2**31), -(2**63)]),
    st.floats(), st.decimals(), st.text(), st.sampled_from(["red", "a\0", "\ud800", "", "1", "null"]), st.binary(),
    st.dates(), st.times(), st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.timedeltas(), st.uuids(),
    st.ip_addresses(), st.sampled_from([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_address("fe80::1%eth0")]),
    st.builds(object), st.just({1, 2}), st.just(range(3)), st.just((1, 2)), st.dictionaries(st.text(), st.integers()),
    st.builds(Json, st.floats()), st.sampled_from([np.int64(5), np.float32(1.1), np.float64(0.1), np.bool_(True)]),
)  # fmt: skip
_BOUND = st.none() | _ATOMS
_RANGE = st.builds(Range, _BOUND, _BOUND, st.sampled_from(["[)", "(]", "[]", "()"])) | st.integers().map(
    lambda low: Range(low, low + 5, "[]")
)
_ANYTHING = st.one_of(
    st.none(), _ATOMS, _RANGE, st.recursive(st.none() | _ATOMS, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    st.lists(_RANGE, max_size=2), st.lists(st.integers(), max_size=4), st.lists(st.floats(), max_size=4),
    st.lists(_ATOMS, max_size=1), st.lists(st.integers() | st.decimals(), max_size=3),
)  # fmt: skip


def _number(value: Any, kind: str) -> Any:
    """A float or decimal as *kind* has it, for comparing."""
    exact = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)
    if exact.is_nan():
        return "NaN"
    if kind.startswith("real"):
        return struct.pack(">f", float(exact))
    return exact


def _same(kind: str, given: Any, stored: Any) -> bool:
    """Whether *stored* means what was *given*; written without looking at how it is sent."""
    if given is None or stored is None:
        return given is None and stored is None
    if isinstance(given, Json):
        given = given.obj
    if kind.endswith("[]"):
        alike = isinstance(given, list) and len(given) == len(stored)
        return alike and all(
            _same(kind if isinstance(s, list) else kind[:-2], g, s) for g, s in zip(given, stored, strict=True)
        )
    if kind in ("json", "jsonb"):
        numbers: dict[str, Any] = {"parse_float": Decimal, "parse_int": Decimal}
        return bool(json.loads(json.dumps(given), **numbers) == json.loads(json.dumps(stored), **numbers))
    if kind.endswith("range"):
        return type(given) is Range and _same_range(kind, given, stored)
    if kind in ("real", "double precision") and type(given) is int:
        width = "f" if kind == "real" else "d"
        return bool(struct.unpack(width, struct.pack(width, stored))[0] == given)
    if kind.startswith(("numeric", "real", "double")):
        return not isinstance(given, bool) and bool(_number(given, kind) == _number(stored, kind))
    if kind.startswith("char"):
        return isinstance(given, str) and given.rstrip(" ") == stored.rstrip(" ")
    if isinstance(given, np.generic):
        given = given.item()
    return type(given) is type(stored) and bool(given == stored)


def _same_range(kind: str, given: Range[Any], stored: Range[Any]) -> bool:
    lower: Any = given.lower
    upper: Any = given.upper
    if lower is not None and upper is not None and (lower > upper or (lower == upper and given.bounds != "[]")):
        return stored.isempty
    step: Any = {"int4range": 1, "int8range": 1, "daterange": dt.timedelta(1)}.get(kind)
    if step is None:
        return given.isempty == stored.isempty and (lower, upper) == (stored.lower, stored.upper)
    lower = lower + step if lower is not None and not given.lower_inc else lower
    upper = upper + step if upper is not None and given.upper_inc else upper
    return (
        stored.isempty
        if None not in (lower, upper) and lower >= upper
        else (lower, upper) == (stored.lower, stored.upper)
    )


_FUZZED = [
    "smallint", "integer", "bigint", "numeric", "numeric(6,2)", "real", "double precision", "boolean", "text", "bytea",
    "name", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb", "oid", "inet",
    "cidr", "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "colour", "char(9)",
    "smallint[]", "integer[]", "bigint[]", "numeric[]", "numeric(6,2)[]", "real[]", "double precision[]", "boolean[]",
    "text[]", "date[]", "timestamp[]", "timestamptz[]", "uuid[]", "jsonb[]", "int4range[]",
]  # fmt: skip


def _fuzz(conn: psycopg.Connection, kind: str, value: Any, write: str) -> None:
    data = [(value,)] if write == "copy_rows" else {"value": [value]}
    with conn.transaction(force_rollback=True):
        conn.execute(f"CREATE TEMPORARY TABLE one (value {kind})".encode())
        try:
            with conn.transaction():
                getattr(dbperf, write)(conn, "one", data)
        except (RowError, psycopg.DataError) as error:
            _check_refusal(kind, error)
            return
        row = conn.execute("SELECT value FROM one").fetchone()
    assert row is not None
    assert _same(kind, value, row[0]), row


def _check_refusal(kind: str, error: psycopg.DataError) -> None:
    if isinstance(error, RowError):
        assert (error.row, error.column) == (1, "value")
    else:  # lengths of names are the server's to refuse
        assert (error.sqlstate, kind) == ("42622", "name"), error


@pytest.mark.parametrize("write", ["copy_rows", "copy_columns"])
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(_FUZZED), value=_ANYTHING)
def test_anything_anywhere(table: psycopg.Connection, write: str, kind: str, value: Any) -> None:
    _fuzz(table, kind, value, write)


# -- enums -------------------------------------------------------------------------------


class _Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize("write", ["copy_rows", "copy_columns", "copy_arrow"])
@pytest.mark.parametrize("kind", ["colour", "shade", "colour[]", "shade[]", "shades"])
def test_labels(table: psycopg.Connection, write: str, kind: str) -> None:
    """Others are refused here, by what the enum has now."""
    table.execute("CREATE DOMAIN shade AS colour; CREATE DOMAIN shades AS shade[]")
    table.execute(f"CREATE TABLE one (value {kind}, n serial)".encode())

    def copy(*values: str | None) -> None:
        column = [[value] if kind[-1] in "]s" else value for value in values]
        data: Any = {"value": column}
        if write != "copy_columns":
            data = [(value,) for value in column] if write == "copy_rows" else pa.table(data)
        with table.transaction():
            getattr(dbperf, write)(table, "one", data, *[["value"]] * (write == "copy_rows"))

    def refused(label: str, words: str) -> None:
        with pytest.raises(RowError) as caught:
            copy("red", None, label)
        assert (caught.value.row, caught.value.column) == (3, "value")
        assert f"{label!r} is no label of type {kind}: pass one of {words}" in str(caught.value)

    copy("red", None, "grün", "it's", *[_Colour.RED] * (write != "copy_arrow"))
    refused("Red", "'red', 'grün', \"it's\"")
    refused("x" * 70, "'red'")
    refused("a\0", "'red'")
    table.execute("ALTER TYPE colour ADD VALUE 'blue' BEFORE 'grün'")
    copy("blue")
    table.execute("ALTER TYPE colour RENAME VALUE 'blue' TO 'azure'")
    refused("blue", "'red', 'azure', 'grün'")
    copy("azure")
    for number in range(8):
        table.execute(f"ALTER TYPE colour ADD VALUE 'c{number}'".encode())
    refused("blue", "'red', 'azure', 'grün', \"it's\", 'c0', 'c1', 'c2', 'c3', 'c4', 'c5' and 2 more")


def test_categories(table: psycopg.Connection) -> None:
    """Are refused where they are used."""
    table.execute("CREATE TABLE one (value colour, n serial)")
    values = pa.DictionaryArray.from_arrays(pa.array([1, None, 1, 0]), pa.array(["black", "red"]))
    dbperf.copy_arrow(table, "one", pa.table({"value": values[:3]}))
    with pytest.raises(RowError, match="row 4, column value: 'black' is no label"):
        dbperf.copy_arrow(table, "one", pa.table({"value": values}))
    assert table.execute("SELECT value FROM one ORDER BY n").fetchall() == [("red",), (None,), ("red",)]


@pytest.mark.parametrize(
    "kind", ["integer", "text", "timestamp", "bigint[]", "int4range", "numeric[]", "numrange", "real"]
)
def test_a_scale_of_what_has_no_decimals(conn: psycopg.Connection, kind: str) -> None:
    conn.execute(f"CREATE TABLE one (value {kind})".encode())
    for write, data in (("copy_rows", [(None,)]), ("copy_columns", {"value": [None]})):
        if kind in ("numeric[]", "numrange", "real"):
            getattr(dbperf, write)(conn, "one", data, scale={"value": 2})
            continue
        with pytest.raises(ColumnError, match="scale names column value, whose type"):
            getattr(dbperf, write)(conn, "one", data, scale={"value": 2})


# -- what the server would round or cut -----------------------------------------------------


def _of_units(times: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Times and some that end with a unit."""
    return times | st.builds(
        lambda at, unit: at.replace(microsecond=at.microsecond // unit * unit),
        times,
        st.sampled_from([10**n for n in range(7)]),
    )


_SPANS = st.timedeltas(dt.timedelta(days=-99999), dt.timedelta(days=99999)) | st.builds(
    lambda count, unit: count * unit, st.integers(-9999, 9999),
    st.sampled_from([dt.timedelta(days=1), dt.timedelta(hours=1), dt.timedelta(minutes=1), dt.timedelta(microseconds=1000)]),
)  # fmt: skip
_SHORT = st.text("aé ", max_size=5)

#: By type without a modifier: modified ones, and values.
_MODIFIED: dict[str, tuple[list[str], st.SearchStrategy[Any]]] = {
    "timestamp": (["timestamp(0)", "timestamp(5)", "seconds", "tenths"], _of_units(_TIMES)),
    "timestamptz": (["timestamptz(3)", "timestamptz(0)"], _of_units(_INSTANTS)),
    "time": (["time(0)", "time(2)"], _of_units(st.times())),
    "timetz": (["timetz(1)", "timetz(4)"], _of_units(VALUES["timetz"])),
    "interval": (
        ["interval(0)", "interval(4)", "interval day to second", "interval minute to second(2)", "interval hour to minute",
         "interval minute", "interval day to hour", "interval day", "interval month", "interval year to month"], _SPANS,
    ),
    "text": (["varchar(3)", "char(3)", "symbol"], _SHORT),
    "numeric": (["numeric(6,2)", "amount"], st.decimals(-9999, 9999, places=2) | st.decimals(-9999, 9999, places=3)),
}  # fmt: skip
_MODIFIED_KINDS = [(base, kind, values) for base, (kinds, values) in _MODIFIED.items() for kind in kinds]


def _modified(draw: st.DrawFn) -> tuple[str, str, Any]:
    base, kind, values = draw(st.sampled_from(_MODIFIED_KINDS))
    value = draw(values)
    return (base + "[]", kind + "[]", [None, value]) if draw(st.booleans()) else (base, kind, value)


def _as_numpy(value: Any) -> Any:
    kind = {dt.datetime: "M8[us]", dt.timedelta: "m8[us]", str: "U"}.get(type(value))
    return np.array([value], kind) if kind and getattr(value, "tzinfo", None) is None else [value]


_WRITES: dict[str, Callable[[Any], Any]] = {
    "copy_rows": lambda value: [(value,)],
    "copy_columns": lambda value: {"value": _as_numpy(value)},
    "copy_arrow": lambda value: pa.table({"value": pa.array([value])}),
}


@pytest.mark.parametrize("write", _WRITES)
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.composite(_modified)())
def test_what_the_server_would_change_is_refused(
    table: psycopg.Connection, write: str, case: tuple[str, str, Any]
) -> None:
    base, kind, value = case
    if write == "copy_arrow" and base.startswith("timetz"):
        return  # Arrow has no such type
    # blanks at the end of a char(n) mean nothing: compared as such
    compared = base.replace("text", "bpchar") if kind.startswith("char") else base
    parameters = {"value": value}
    kept = f"CAST(CAST(%(value)s AS {base}) AS {kind})"
    with table.transaction(force_rollback=True):
        table.execute(f"CREATE TEMPORARY TABLE one (value {kind})".encode())
        row = table.execute(
            f"SELECT CAST({kept} AS {compared}) = CAST(CAST(%(value)s AS {base}) AS {compared})".encode(), parameters
        ).fetchone()
        data = _WRITES[write](value)
        if row == (False,):
            with pytest.raises(RowError, match="round=" if not base.startswith("text") else "shorten") as caught:
                getattr(dbperf, write)(table, "one", data)
            assert (caught.value.row, caught.value.column) == (1, "value")
            assert table.execute("SELECT FROM one").rowcount == 0
        if row == (True,) or base.startswith(("time", "interval")):
            getattr(dbperf, write)(table, "one", data, round=["value"] if row == (False,) else [])
            found = table.execute(f"SELECT value = {kept} FROM one".encode(), parameters).fetchall()
            assert found == [(True,)]


# -- columns of one type ------------------------------------------------------------------


class _Local(dt.datetime):
    """A time of another class, which is one all the same."""


class _Nano(dt.datetime):
    """As pandas has times."""

    nanosecond = 5

    def floor(self, unit: str) -> _Nano:
        return self

    def to_pydatetime(self) -> dt.datetime:
        return dt.datetime(self.year, self.month, self.day, self.hour, self.minute, self.second, self.microsecond)


_ODD = st.one_of(
    st.none(), _ATOMS, st.builds(_Local, st.integers(1, 9999), st.just(1), st.just(1)), st.just(_Nano(2026, 7, 1)),
    st.datetimes(timezones=_ZONES), st.sampled_from([dt.date.min, dt.date.max, dt.datetime.min, dt.datetime.max]),
    st.sampled_from([at.replace(tzinfo=UTC) for at in (dt.datetime.min, dt.datetime.max)]),
    st.sampled_from([dt.timedelta.min, dt.timedelta.max, float("inf"), "infinity", np.datetime64("2026-07-01", "us")]),
)  # fmt: skip
_COLUMNS = {
    **{kind: VALUES[kind] for kind in ("boolean", "smallint", "bigint", "double precision", "real", "date", "time",
                                       "timestamp", "timestamptz", "interval", "uuid", "numeric")},
    **{kind: values for _, kind, values in _MODIFIED_KINDS},
}  # fmt: skip
_POLICIES = st.sampled_from(
    [Policy(), Policy(round=["value"]), Policy(naive_is_utc=True), Policy(nanoseconds="truncate"), Policy(nan_is_null=True)]
)  # fmt: skip


def _column(draw: st.DrawFn) -> tuple[str, list[Any], Policy]:
    """Many values, of one type but for some."""
    kind = draw(st.sampled_from(list(_COLUMNS)))
    values = draw(st.lists(_COLUMNS[kind], min_size=1, max_size=3)) * 20
    if draw(st.booleans()):
        values = [draw(_ODD)] * 20
    for value in draw(st.lists(_ODD, max_size=2)):
        values.insert(draw(st.integers(0, len(values))), value)
    return kind, values, draw(_POLICIES)


def _outcome(encode: Callable[[], Any]) -> Any:
    """The bytes, or which row is refused."""
    try:
        return bytes(encode())
    except RowError as error:
        return error.row, error.column


@pytest.fixture
def columns(table: psycopg.Connection) -> dict[str, Column]:
    """One of each type, all of one name."""
    table.execute(f"CREATE TABLE one ({', '.join(f'c{n} {kind}' for n, kind in enumerate(_COLUMNS))})".encode())
    return {kind: each._replace(name="value") for kind, each in zip(_COLUMNS, _columns(table), strict=True)}


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.composite(_column)())
def test_a_column_is_its_values(
    table: psycopg.Connection, columns: dict[str, Column], case: tuple[str, list[Any], Policy]
) -> None:
    """However many are encoded at once: the bytes that each by itself has, or the refusal of the first that has none."""
    kind, values, policy = case
    column = [columns[kind]]
    shape, numbers = RowShape(column, False, False), range(1, len(values) + 1)
    rows = [(value,) for value in values]
    plain = PlainEncoder(column, table, policy, False)
    expected = _outcome(
        lambda: b"".join(plain.encode(Rows(shape, [row], [n])) for n, row in zip(numbers, rows, strict=True))
    )
    for part in (Rows(shape, rows, numbers), Columns(["value"], [values])):
        vector = VectorEncoder(column, table, policy, False)
        assert [_outcome(lambda: vector.encode(part)) for _ in range(2)] == [expected] * 2  # noqa: B023


def test_what_psycopg_would_encode_otherwise_is_encoded_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    dumper = psycopg.adapters.get_dumper_by_oid(1082, psycopg.pq.Format.BINARY)(dt.date)
    assert alike.is_alike(dumper) == (psycopg.pq.__impl__ != "python")
    assert not alike.is_alike(None)
    for other in (None, lambda values, transformer, row: row.extend(b"\0\2" + b"\0\0\0\4\0\0\0\1" * 2)):
        monkeypatch.setattr(alike, "format_row_binary", other)
        assert not alike._is_known()


@pytest.mark.parametrize("kind", ["integer", "double precision", "numeric(6,2)", "jsonb", "bigint[]", "int8range"])
def test_an_integer_too_long_to_print(table: psycopg.Connection, kind: str) -> None:
    number = 10**5000
    value = {"bigint[]": [number], "int8range": Range(number, None), "jsonb": {"a": number}}.get(kind, number)
    _fuzz(table, kind, value, "copy_rows")


@pytest.mark.parametrize("kind", ["macaddr", "money", "bit(4)", "xml", "point", "tsvector", "pg_lsn", "regclass"])
def test_types_without_an_encoder_are_refused(conn: psycopg.Connection, kind: str) -> None:
    conn.execute(f"CREATE TABLE one (value {kind})".encode())
    for write, data in (
        ("copy_rows", [("1",)]),
        ("copy_columns", {"value": ["1"]}),
        ("copy_arrow", pa.table({"value": ["1"]})),
    ):
        with pytest.raises(ColumnError, match=r"column value has type .* no binary encoder"):
            getattr(dbperf, write)(conn, "one", data)
