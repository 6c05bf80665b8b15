"""Tables that are altered between two batches, and while one is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

import dbperf
from dbperf.errors import ColumnError, RowError
from tests.support import both_apis

Copy = Callable[..., dbperf.CopyResult]

#: Plain, by way of a staging table, and in pieces.
WAYS: list[dict[str, Any]] = [{}, {"batch_id": "b"}, {"on_conflict": "update"}, {"on_error": "quarantine"}]


@pytest.fixture(params=both_apis("copy_rows"), ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    chosen: Copy = request.param
    return chosen


@pytest.mark.parametrize(
    ("ddl", "stored"),
    [
        ("ALTER TABLE k ALTER v TYPE real", 1.0),
        ("ALTER TABLE k ALTER v TYPE text", RowError),
        ("ALTER TABLE k DROP v, ADD v double precision", 1.0),
        ("DROP TABLE k; CREATE TABLE k (v double precision, w integer)", 1.0),
        ("ALTER TABLE k RENAME v TO x; ALTER TABLE k RENAME w TO v", 1),
        ("ALTER TABLE k RENAME TO j; CREATE TABLE k (v bigint[])", RowError),
        ("ALTER SCHEMA own RENAME TO other; CREATE SCHEMA own; CREATE TABLE own.k (v numeric(3,1))", Decimal("1.0")),
        ("ALTER TABLE k ALTER v TYPE numeric(3,2); ALTER TABLE k ALTER v TYPE numeric(9,2)", Decimal("1.00")),
        ("SET search_path = public; CREATE TABLE public.k (v date)", RowError),
        ("BEGIN; ALTER TABLE k ALTER v TYPE real; ROLLBACK", 1),
    ],
)
def test_ddl_between_two_calls(conn: psycopg.Connection, ddl: str, stored: Any) -> None:
    conn.execute("CREATE SCHEMA own; SET search_path = own; CREATE TABLE k (v integer, w bigint)")
    conn.commit()
    dbperf.copy_rows(conn, "k", [(1,)], ["v"])
    conn.commit()
    conn.execute("SET search_path = own")
    conn.commit()
    conn.autocommit = True
    conn.execute(ddl.encode())
    if isinstance(stored, type):
        with pytest.raises(stored):
            dbperf.copy_rows(conn, "k", [(1,)], ["v"])
        return
    dbperf.copy_rows(conn, "k", [(1,)], ["v"])
    found = [value for (value,) in conn.execute("SELECT v FROM k").fetchall()]
    assert found[-1] == stored
    assert type(found[-1]) is type(stored)


def test_ddl_twice_in_one_transaction(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE k (v integer)")
    stored: list[Any] = []
    for ddl in ("ALTER v TYPE bigint", "ALTER v TYPE real", "RENAME v TO w", "ALTER w TYPE numeric(9,2)"):
        dbperf.copy_rows(conn, "k", [(1,)])
        conn.execute(f"ALTER TABLE k {ddl}".encode())
        dbperf.copy_rows(conn, "k", [(1,)])
        stored = conn.execute("SELECT * FROM k").fetchall()
        assert {value for (value,) in stored} == {1}
    conn.execute("ALTER TABLE k RENAME TO j")
    conn.execute("CREATE TABLE k (w numeric(9,2))")
    dbperf.copy_rows(conn, "k", [(2,)])
    assert conn.execute("SELECT * FROM k").fetchall() == [(2,)]
    dbperf.copy_rows(conn, "j", [(1,)])
    assert len(conn.execute("SELECT * FROM j").fetchall()) == len(stored) + 1


def test_what_is_known_is_not_asked_again(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE k (v integer)")
    dbperf.copy_rows(conn, "k", [(1,)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dbperf.copy.lookup.CATALOG", "SELECT FROM nowhere")
        dbperf.copy_rows(conn, "k", [(1,)])
        conn.execute("ALTER TABLE k ALTER v TYPE bigint")
        with pytest.raises(psycopg.errors.UndefinedTable):
            dbperf.copy_rows(conn, "k", [(1,)])


@pytest.fixture
def owner(upgraded_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE k (key integer PRIMARY KEY, v bigint, w numeric(9,2))")
        yield conn


@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize(
    "ddl",
    [
        "ALTER v TYPE double precision",  # of the same width: every bit pattern is some number
        "ALTER v TYPE integer",
        "ALTER v TYPE numeric",
        "ALTER w TYPE numeric(5,1)",
        "DROP v, ADD v timestamp",
    ],
)
def test_altered_before_the_first_row(
    owner: psycopg.Connection, upgraded_db: str, copy: Copy, ddl: str, options: Any
) -> None:
    def rows() -> Iterator[tuple[int, int, Decimal]]:
        owner.execute(f"ALTER TABLE k {ddl}".encode())
        yield 1, 1_000_000, Decimal("1.25")

    with pytest.raises(ColumnError, match="altered meanwhile"):
        copy(upgraded_db, "k", rows(), **options)
    assert owner.execute("SELECT FROM k").rowcount == 0
    assert owner.execute("SELECT FROM dbperf.quarantine").rowcount == 0
    assert copy(upgraded_db, "k", [(1,)], ["key"], **options).inserted == 1


@pytest.mark.parametrize(
    "options", [*WAYS, {"parallel": 2}, {"parallel": 2, "commit": "each", "batch_id": "b"}], ids=str
)
@pytest.mark.parametrize(("ddl", "is_other"), [("ALTER v TYPE double precision", True), ("ADD x integer", False)])
def test_altered_while_copy_waits(
    owner: psycopg.Connection, upgraded_db: str, options: Any, ddl: str, is_other: bool
) -> None:
    outcome: list[Any] = []

    def write() -> None:
        with ConnectionPool(upgraded_db, min_size=2, open=True) as pool:
            try:
                outcome.append(dbperf.copy_rows(pool, "k", [(n, n, n) for n in range(10)], **options).inserted)
            except ColumnError:
                outcome.append(ColumnError)

    with owner.transaction():
        owner.execute(f"ALTER TABLE k {ddl}".encode())
        writer = threading.Thread(target=write)
        writer.start()
        _wait_for(upgraded_db, owner, writer)
    writer.join()
    stored = 0 if is_other else 10
    assert outcome == ([ColumnError] if is_other else [10])
    assert owner.execute("SELECT FROM k").rowcount == stored


def test_the_callers_transaction_goes_on(owner: psycopg.Connection, upgraded_db: str) -> None:
    def rows() -> Iterator[tuple[int, int, int]]:
        owner.execute("ALTER TABLE k ALTER v TYPE double precision")
        yield 2, 2, 2

    with psycopg.connect(upgraded_db) as conn:
        with pytest.raises(ColumnError):
            dbperf.copy_rows(conn, "k", rows())
        assert conn.info.transaction_status is TransactionStatus.INTRANS
        dbperf.copy_rows(conn, "k", [(1, 1, 1)])
    assert owner.execute("SELECT key, v FROM k").fetchall() == [(1, 1.0)]


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_another_table_gets_the_name_while_a_batch_waits(
    owner: psycopg.Connection, upgraded_db: str, options: Any
) -> None:
    """As by a rebuild: rows are in the table that has the name then, or nowhere."""
    owner.execute("CREATE UNIQUE INDEX ON k (v) WHERE w > 0")  # a partial one makes the server wait before it inserts
    owner.execute("CREATE TABLE other (LIKE k INCLUDING ALL)")
    key: dict[str, Any] = {"key": ["v"]} if "on_conflict" in options else {}
    outcome: list[Any] = []

    def write() -> None:
        with psycopg.connect(upgraded_db, autocommit=True) as conn:
            try:
                outcome.append(dbperf.copy_rows(conn, "k", [(n, n, 1) for n in range(10)], **options, **key).inserted)
            except ColumnError:
                outcome.append(0)

    with owner.transaction():
        owner.execute("LOCK TABLE k; ALTER TABLE k RENAME TO was; ALTER TABLE other RENAME TO k")
        writer = threading.Thread(target=write)
        writer.start()
        _wait_for(upgraded_db, owner, writer)
    writer.join()
    assert owner.execute("SELECT (SELECT count(*) FROM k), (SELECT count(*) FROM was)").fetchone() == (outcome[0], 0)
    assert outcome == [0 if options.get("on_conflict") or options.get("on_error") else 10]


def _wait_for(dsn: str, holder: psycopg.Connection, writer: threading.Thread) -> None:
    """Until somebody waits for a lock of *holder*."""
    with psycopg.connect(dsn, autocommit=True) as watch:
        while not watch.execute(
            "SELECT FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))", [holder.info.backend_pid]
        ).rowcount:
            assert writer.is_alive()
