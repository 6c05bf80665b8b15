"""copy_rows and aio.copy_rows: values there and back, errors before and after the first byte."""

from __future__ import annotations

import array
import asyncio
import collections
import datetime as dt
import enum
import ipaddress
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import dbperf
from dbperf.errors import ColumnError, RowError

T = dt.datetime(2026, 7, 1, 9, 30)
Copy = Callable[..., dbperf.CopyResult]


def _sync(dsn: str, prepare: str, *arguments: Any, **keywords: Any) -> dbperf.CopyResult:
    with psycopg.connect(dsn) as conn:
        conn.execute(prepare.encode())
        return dbperf.copy_rows(conn, *arguments, **keywords)


def _async(dsn: str, prepare: str, *arguments: Any, **keywords: Any) -> dbperf.CopyResult:
    async def run() -> dbperf.CopyResult:
        async with await psycopg.AsyncConnection.connect(dsn) as conn:
            await conn.execute(prepare.encode())
            return await dbperf.aio.copy_rows(conn, *arguments, **keywords)

    return asyncio.run(run())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    """Either API, on a connection of its own that commits when all went well."""
    chosen: Copy = request.param
    return chosen


def test_rows_arrive(conn: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    rows = [(T + dt.timedelta(seconds=n), 1, Decimal("1.2345"), n, None) for n in range(1000)]
    result = copy(legacy_db, "", "market_data", iter(rows), ["timestamp", "instrument_id", "price", "volume", "bid"])
    assert (result.rows, result.inserted) == (1000, 1000)
    assert result.bytes > 1000 * 40
    assert result.seconds > 0
    stored = conn.execute(
        'SELECT "timestamp", instrument_id, price, volume, bid FROM market_data WHERE "timestamp" >= %s ORDER BY volume',
        [T],
    )
    assert [row for row in stored if row[0].year == 2026] == rows


def test_mappings_and_sequences_without_columns(conn: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    conn.execute(
        "CREATE TABLE bar (at timestamp, price double precision, twice double precision GENERATED ALWAYS AS (price * 2) STORED)"
    )
    copy(legacy_db, "", "bar", [{"price": 1.5, "at": T}, {"at": None, "price": 2}])
    copy(legacy_db, "", ("public", "bar"), [(T, Decimal("0.1")), [None, float("nan")]])
    copy(legacy_db, "", "bar", [{"price": 9.0, "at": T, "other": 1}], columns=["price"])
    assert [row[1:] for row in conn.execute("SELECT * FROM bar ORDER BY price")] == [
        (0.1, 0.2), (1.5, 3.0), (2.0, 4.0), (9.0, 18.0), pytest.approx((float("nan"),) * 2, nan_ok=True),
    ]  # fmt: skip


def test_nothing_to_copy(legacy_db: str, copy: Copy) -> None:
    assert copy(legacy_db, "", "market_data", []).rows == 0
    with pytest.raises(ColumnError):
        copy(legacy_db, "", "no_such_table", [])


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12),
    "double precision": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "text": st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    "character varying(9)": st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=9),
    "bytea": st.binary(),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes(
        min_value=dt.datetime(2, 1, 1), max_value=dt.datetime(9998, 1, 1), timezones=st.just(dt.UTC)
    ),
    "interval": st.timedeltas(dt.timedelta(days=-99999), dt.timedelta(days=99999)),
    "uuid": st.uuids(),
    "jsonb": st.dictionaries(
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
        st.integers(-(2**50), 2**50),
    ),
    "integer[]": st.lists(st.integers(-(2**31), 2**31 - 1)),
    "colour": st.sampled_from(["red", "grün", "it's"]),
    "cents": st.integers(0, 10**9),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(*(st.none() | strategy for strategy in _VALUES.values())), min_size=1, max_size=5))
def test_every_type_there_and_back(conn: psycopg.Connection, rows: list[tuple[Any, ...]]) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute("CREATE TYPE colour AS ENUM ('red', 'grün', 'it''s')")
        conn.execute("CREATE DOMAIN positive AS bigint CHECK (VALUE >= 0)")
        conn.execute("CREATE DOMAIN cents AS positive")
        columns = ", ".join(f"c{number} {name}" for number, name in enumerate(_VALUES))
        conn.execute(f"CREATE TABLE values_of_all_types (position integer, {columns})".encode())
        conn.execute("SET LOCAL timezone = 'UTC'")
        dbperf.copy_rows(conn, "values_of_all_types", [(n, *row) for n, row in enumerate(rows)])
        stored = conn.execute("SELECT * FROM values_of_all_types ORDER BY position").fetchall()
        assert [row[1:] for row in stored] == rows


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("integer", Level.LOW, 1),
        ("numeric", 0.1, Decimal("0.1")),
        ("numeric(6,2)", 0.12, Decimal("0.12")),
        ("double precision", 2**53, float(2**53)),
        ("double precision", Decimal("0.1"), 0.1),
        ("double precision", Decimal("Infinity"), float("inf")),
        ("integer[]", [[1, None], [2, 3]], [[1, None], [2, 3]]),
        ("int4range", Range(1, 5), Range(1, 5)),
        ("int4multirange", Multirange([Range(None, 5)]), Multirange([Range(None, 5)])),
        ("double precision[]", [1, 2.5, float("inf")], [1.0, 2.5, float("inf")]),
        ("timestamp", T, T),
        ("date", T.date(), T.date()),
        ("char(3)", "ab", "ab "),
        ("jsonb", Jsonb("text"), "text"),
        ("jsonb", [1, {"a": None}], [1, {"a": None}]),
        ("uuid", uuid.UUID(int=7), uuid.UUID(int=7)),
        ("bytea", memoryview(array.array("i", [1, 2])), array.array("i", [1, 2]).tobytes()),
    ],
)
def test_values_that_are_converted(conn: psycopg.Connection, kind: str, value: Any, stored: Any) -> None:
    conn.execute(f"CREATE TEMPORARY TABLE one (value {kind})".encode())
    dbperf.copy_rows(conn, "one", [(value,)])
    assert conn.execute("SELECT value FROM one").fetchone() == (stored,)


class _Nanoseconds(dt.datetime):
    nanosecond = 5

    def to_pydatetime(self) -> dt.datetime:
        raise AssertionError("would lose nanoseconds")


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("integer", 2**31, "out of range for type integer"),
        ("integer", -(2**31) - 1, "out of range"),
        ("smallint", 2**15, "out of range for type smallint"),
        ("bigint", 2**63, "out of range for type bigint"),
        ("integer", 1.0, "does not fit type integer"),
        ("integer", Decimal(1), "does not fit type integer"),
        ("integer", True, "does not fit type integer"),
        ("integer", "1", "does not fit type integer"),
        ("boolean", 1, "does not fit type boolean"),
        ("numeric(6,2)", 0.125, "more than 2 decimals"),
        ("numeric(6,2)", Decimal("0.125"), "more than 2 decimals"),
        ("numeric(6,2)", Decimal("12345.6"), "is out of range: the column has 6 digits"),
        ("numeric(6,2)", 10**5, "is out of range: the column has 6 digits"),
        ("numeric(6,2)", Decimal("Infinity"), "is out of range"),
        ("text", "a\x00b", "holds a zero character"),
        ("jsonb", {"a": "\x00"}, "holds a zero character"),
        ("jsonb", {"a": float("nan")}, "holds NaN, which JSON does not have"),
        ("numeric", "1.5", "does not fit type numeric"),
        ("numeric", True, "does not fit type numeric"),
        ("double precision", 2**53 + 1, "no exact double precision value"),
        ("double precision", 10**400, "no exact double precision value"),
        ("double precision", "1", "does not fit type double precision"),
        ("text", b"bytes", "does not fit type text"),
        ("text", "\ud800", "does not fit type text"),
        ("timestamp", T.replace(tzinfo=dt.UTC), "pass naive UTC datetimes"),
        ("timestamptz", T, "pass aware datetimes"),
        ("timestamp", T.date(), "does not fit type timestamp"),
        ("date", T, "does not fit type date"),
        ("timestamp", _Nanoseconds(2026, 1, 1), "PostgreSQL stores microseconds"),
        ("double precision", Decimal("1e400"), "no exact double precision value"),
        ("integer[]", [1, 2**31], "2147483648 is out of range"),
        ("integer[]", [[1], [-(2**31) - 1]], "is out of range"),
        ("integer[]", [True], "True does not fit into type integer"),
        ("smallint[]", [None, 2**15], "is out of range"),
        ("smallint[]", [[[[[[[1]]]]]]], "at most 6 dimensions"),
        ("boolean[]", [None, []], "None is no list"),
        ("jsonb[]", [None, [1]], "None is no list"),
        ("jsonb[]", [float("nan")], "which JSON does not have"),
        ("text[]", ["a\x00"], "holds a zero character"),
        ("numeric(6,2)[]", [0.125], "more than 2 decimals"),
        ("integer[]", [ipaddress.ip_network("10.0.0.0/8")], "does not fit into type integer"),
        ("timestamp[]", [T.replace(tzinfo=dt.UTC)], "has a time zone and the column has none"),
        ("int4range", 0, "does not fit type int4range"),
        ("int4range", Range(5, 1), "ends before it begins"),
        ("int4range", Range(1, 2**31 - 1, "[]"), "is out of range"),
        ("daterange", Range(T, None), "does not fit into type daterange"),
        ("tsrange", Range(T.replace(tzinfo=dt.UTC), None), "has a time zone and the column has none"),
        ("int4multirange", [None], "does not fit type int4multirange"),
        ("jsonb", ["\ud800"], "does not fit type jsonb"),
        ("name", "a\x00", "holds a zero character"),
        ("oid", True, "does not fit type oid"),
        ("inet", ipaddress.ip_address("fe80::1%eth0"), "has a scope"),
        ("double precision[]", [1.5, 2**53 + 1], "no exact double precision value"),
        ("int4range", Range(1, 2**31), "is out of range"),
        ("int4multirange", Multirange([Range(1, 5), Range(7, 2**31)]), "is out of range"),
        ("oid", 2**33, "out of range for type oid"),
        ("real", 1e300, "does not fit type real"),
        ("real", 1e-60, "does not fit type real"),
        ("real", 2**24 + 1, "does not fit type real"),
        ("double precision", Decimal("9007199254740993"), "no exact double precision value"),
        ("double precision[]", [Decimal("1e400")], "no exact double precision value"),
        ("time", dt.time(1, tzinfo=dt.UTC), "has a time zone and the column has none"),
        ("jsonb", '{"a": 1}', "does not fit type jsonb"),
        ("integer[]", (1, 2), "is no list, and the column is an array"),
        ("integer[]", "12", "is no list, and the column is an array"),
        ("uuid", "00000000-0000-0000-0000-000000000000", "does not fit type uuid"),
    ],
)
def test_values_that_do_not_fit_are_named(conn: psycopg.Connection, kind: str, value: Any, words: str) -> None:
    conn.execute(f"CREATE TEMPORARY TABLE one (n integer, value {kind})".encode())
    with pytest.raises(RowError, match=words) as caught:
        dbperf.copy_rows(conn, "one", [(0, None), (1, None), (2, value)])
    assert (caught.value.row, caught.value.column) == (3, "value")
    assert isinstance(caught.value, psycopg.DataError)
    assert conn.execute("SELECT count(*) FROM one").fetchone() == (0,)


@pytest.mark.parametrize(
    ("rows", "row", "column"),
    [
        ([(T, 1), (T, 1, 1)], 2, None),
        ([(T, 1), (T,)], 2, None),
        ([(T, 1), "ab"], 2, None),
        ([(T, 1), {"timestamp": T, "instrument_id": 1}], 2, None),
        ([{"timestamp": T, "instrument_id": 1}, (T, 1)], 2, None),
        ([{"timestamp": T, "instrument_id": 1}, {"timestamp": T}], 2, "instrument_id"),
        (
            [{"timestamp": T, "instrument_id": 1}, {"timestamp": T, "instrument_id": 1, "price": 1}],
            2,
            "price",
        ),
        ([(T, 1), None], 2, None),
        ([None, (T, 1)], 1, None),
        (
            [{"timestamp": T, "instrument_id": 1}, collections.defaultdict(dt.datetime.now, timestamp=T)],
            2,
            "instrument_id",
        ),
    ],
)
def test_rows_of_another_shape(
    conn: psycopg.Connection, legacy_db: str, copy: Copy, rows: list[Any], row: int, column: str | None
) -> None:
    before = conn.execute("SELECT count(*) FROM market_data").fetchone()
    columns = None if isinstance(rows[0], dict) else ["timestamp", "instrument_id"]
    with pytest.raises(RowError) as caught:
        copy(legacy_db, "", "market_data", rows, columns)
    assert (caught.value.row, caught.value.column) == (row, column)
    assert conn.execute("SELECT count(*) FROM market_data").fetchone() == before


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        ("nowhere", ["a"], "no table nowhere"),
        ("public.nowhere", ["a"], "no table public.nowhere"),
        (("public", "Market_Data"), ["price"], "no table public.Market_Data"),
        ("market_data", ["prize", "price"], "no column prize: it has id, timestamp"),
        ("market_data", ["price", "price"], "named twice"),
        ("market_data", [], "no column named"),
        ("with_generated", ["twice"], "is generated"),
        ("with_odd_type", ["odd"], "no binary encoder"),
    ],
)
def test_columns_are_checked_before_a_byte_is_sent(legacy_db: str, table: Any, columns: list[str], words: str) -> None:
    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        raise AssertionError("asked for a second row")

    with psycopg.connect(legacy_db) as conn:
        conn.execute("CREATE TABLE with_generated (a integer, twice integer GENERATED ALWAYS AS (a * 2) STORED)")
        conn.execute("CREATE TABLE with_odd_type (odd txid_snapshot)")
        with pytest.raises(ColumnError, match=words):
            dbperf.copy_rows(conn, table, rows(), columns)
        # the caller's transaction is as it was
        assert conn.info.transaction_status == TransactionStatus.INTRANS
        conn.execute("SELECT 1")


def test_a_wrong_first_row_leaves_the_transaction_usable(legacy_db: str) -> None:
    with psycopg.connect(legacy_db) as conn:
        with pytest.raises(RowError):
            dbperf.copy_rows(conn, "market_data", [(T, "x")], ["timestamp", "instrument_id"])
        conn.execute("SELECT 1")


def test_it_belongs_to_the_callers_transaction(conn: psycopg.Connection, legacy_db: str) -> None:
    before = conn.execute("SELECT count(*) FROM market_data").fetchone()
    with psycopg.connect(legacy_db) as writer:
        dbperf.copy_rows(writer, "market_data", [(T, 1)], ["timestamp", "instrument_id"])
        writer.rollback()
        with writer.transaction():
            dbperf.copy_rows(writer, "market_data", [(T, 1)], ["timestamp", "instrument_id"])
            with pytest.raises(psycopg.errors.ForeignKeyViolation), writer.transaction():
                dbperf.copy_rows(writer, "market_data", [(T, 1), (T, 12345)], ["timestamp", "instrument_id"])
        writer.rollback()
        assert conn.execute("SELECT count(*) FROM market_data").fetchone() == (before[0] + 1,)  # type: ignore[index]


def test_what_iterates_may_fail_and_nothing_is_stored(conn: psycopg.Connection, legacy_db: str, copy: Copy) -> None:
    def rows() -> Iterator[tuple[Any, ...]]:
        for _ in range(5000):
            yield (T, 1)
        raise ZeroDivisionError

    before = conn.execute("SELECT count(*) FROM market_data").fetchone()
    with pytest.raises(ZeroDivisionError):
        copy(legacy_db, "", "market_data", rows(), ["timestamp", "instrument_id"])
    assert conn.execute("SELECT count(*) FROM market_data").fetchone() == before


def test_a_trigger_that_leaves_rows_out_shows_in_inserted(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE odd_only (n integer)")
    conn.execute(
        "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN NEW.n % 2 = 1 THEN NEW END; END'"
    )
    conn.execute("CREATE TRIGGER odd BEFORE INSERT ON odd_only FOR EACH ROW EXECUTE FUNCTION odd()")
    result = dbperf.copy_rows(conn, "odd_only", [(n,) for n in range(10)])
    assert (result.rows, result.inserted) == (10, 5)


def test_a_killed_session_stores_nothing(conn: psycopg.Connection, legacy_db: str) -> None:
    before = conn.execute("SELECT count(*) FROM market_data").fetchone()
    with psycopg.connect(legacy_db) as writer:

        def rows() -> Iterator[tuple[Any, ...]]:
            for number in range(200_000):
                if number == 100_000:
                    conn.execute("SELECT pg_terminate_backend(%s)", [writer.info.backend_pid])
                yield (T, 1)

        with pytest.raises(psycopg.OperationalError):
            dbperf.copy_rows(writer, "market_data", rows(), ["timestamp", "instrument_id"])
    assert conn.execute("SELECT count(*) FROM market_data").fetchone() == before


def test_pools_commit(conn: psycopg.Connection, legacy_db: str) -> None:
    conn.execute("CREATE TABLE one (n integer)")
    with ConnectionPool(legacy_db, min_size=1, open=True) as pool:
        dbperf.copy_rows(pool, "one", [(1,)])
        with pytest.raises(RowError):
            dbperf.copy_rows(pool, "one", [(2,), ("x",)])

    async def run() -> None:
        async def rows() -> AsyncIterator[tuple[int]]:
            for number in (3, 4):
                yield (number,)

        async with AsyncConnectionPool(legacy_db, min_size=1, open=False) as pool:
            await dbperf.aio.copy_rows(pool, "one", rows())

    asyncio.run(run())
    assert conn.execute("SELECT n FROM one ORDER BY n").fetchall() == [(1,), (3,), (4,)]


def test_unknown_options_are_refused(conn: psycopg.Connection) -> None:
    with pytest.raises(TypeError, match="on_conflicts"):
        dbperf.copy_rows(conn, "market_data", [], on_conflicts="ignore")  # type: ignore[call-arg]


def test_partitioned_tables_and_names_that_need_quotes(conn: psycopg.Connection) -> None:
    conn.execute('CREATE SCHEMA "odd {schema}"')
    conn.execute('CREATE TABLE "odd {schema}"."Tick %s" ("the ""id""" integer, at date) PARTITION BY RANGE (at)')
    conn.execute(
        """CREATE TABLE leaf PARTITION OF "odd {schema}"."Tick %s" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"""
    )
    dbperf.copy_rows(conn, ("odd {schema}", "Tick %s"), [{'the "id"': 1, "at": T.date()}])
    dbperf.copy_rows(conn, '"odd {schema}"."Tick %s"', [(2, T.date())])
    assert conn.execute("SELECT * FROM leaf ORDER BY 1").fetchall() == [(1, T.date()), (2, T.date())]


@pytest.mark.parametrize("by_name", [False, True])
def test_long_texts_do_not_fill_the_memory(conn: psycopg.Connection, by_name: bool) -> None:
    """As short ones do not: 300 MB go through, and never more than a few at once."""
    conn.execute("CREATE TABLE long (n integer, text text)")
    texts = (str(n).ljust(1 << 20) for n in range(300))
    rows = ({"n": n, "text": text} if by_name else (n, text) for n, text in enumerate(texts))
    tracemalloc.start()
    try:
        assert dbperf.copy_rows(conn, "long", rows).inserted == 300
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
    found = conn.execute("SELECT count(*), bool_and(text = rpad(n::text, 1048576)) FROM long").fetchone()
    assert found == (300, True)
