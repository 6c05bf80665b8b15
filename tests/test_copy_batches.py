"""batch_id: the same batch again is a no-op that says so, whatever happened to its COMMIT."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors as pg_errors

import dbperf
from dbperf.errors import BatchError, MigrationError, RightsError
from dbperf.migrations.session import value
from tests.support import Cluster, both_apis

T = dt.datetime(2026, 6, 1, 9, 30)

Copy = Callable[..., dbperf.CopyResult]


NAMES = ["timestamp", "instrument_id", "price"]


@pytest.fixture(params=both_apis("copy_rows"), ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    chosen: Copy = request.param
    return chosen


@pytest.fixture
def upgraded(upgraded_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        yield conn


def _ticks(count: int, price: float = 1.5) -> list[tuple[Any, ...]]:
    return [(T + dt.timedelta(seconds=n), 1, price) for n in range(count)]


def _count(conn: psycopg.Connection) -> int:
    row = conn.execute('SELECT count(*) FROM market_data WHERE price = 1.5 AND "timestamp" >= %s', [T]).fetchone()
    assert row is not None
    return int(row[0])


def test_the_same_batch_again(upgraded: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    before = _count(upgraded)
    first = copy(upgraded_db, "market_data", iter(_ticks(5000)), NAMES, batch_id="b")
    again = copy(upgraded_db, "market_data", iter(_ticks(5000)), NAMES, batch_id="b")
    assert (first.inserted, first.duplicate_batch) == (5000, False)
    assert (again.inserted, again.rows, again.duplicate_batch) == (5000, 5000, True)
    assert _count(upgraded) == before + 5000
    with pytest.raises(BatchError, match="other content"):
        copy(upgraded_db, "market_data", _ticks(5001), NAMES, batch_id="b")
    with pytest.raises(BatchError, match="for another table"):
        copy(upgraded_db, "alert_rules", [(1,)], ["instrument_id"], batch_id="b")
    assert upgraded.execute("SELECT target, rows, inserted FROM dbperf.batch_ledger").fetchall() == [
        ("public.market_data", 5000, 5000)
    ]


def test_a_batch_that_failed_is_not_known(upgraded: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        copy(upgraded_db, "market_data", [(T, 12345, 1.5)], NAMES, batch_id="b")
    assert not copy(upgraded_db, "market_data", _ticks(1), NAMES, batch_id="b").duplicate_batch


def test_a_retry_waits_for_the_transaction_in_doubt(upgraded: psycopg.Connection, upgraded_db: str) -> None:
    """What a lost COMMIT leaves: a server process that may still commit. The retry must not pass it by."""
    before = _count(upgraded)
    results: list[dbperf.CopyResult] = []
    with psycopg.connect(upgraded_db) as first:
        dbperf.copy_rows(first, "market_data", _ticks(10), NAMES, batch_id="b")

        def retry() -> None:
            with psycopg.connect(upgraded_db) as second:
                results.append(dbperf.copy_rows(second, "market_data", _ticks(10), NAMES, batch_id="b"))

        thread = threading.Thread(target=retry)
        thread.start()
        while not upgraded.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).rowcount:
            assert thread.is_alive()
        first.commit()
        thread.join()
    assert results[0].duplicate_batch
    assert _count(upgraded) == before + 10


def test_a_savepoint_takes_it_back(upgraded: psycopg.Connection, upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db) as conn:
        with conn.transaction(force_rollback=True):
            dbperf.copy_rows(conn, "market_data", _ticks(10), NAMES, batch_id="b")
        assert not dbperf.copy_rows(conn, "market_data", _ticks(10), NAMES, batch_id="b").duplicate_batch
        conn.rollback()
    assert upgraded.execute("SELECT FROM dbperf.batch_ledger").rowcount == 0


def test_partitions_that_are_missing(upgraded: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    upgraded.execute(
        "UPDATE dbperf.partition_policy SET max_ahead = '3 years' WHERE relation = 'market_data'::regclass"
    )
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    later = [now + dt.timedelta(days=days) for days in (0, 200, 400)]
    rows = [(at, 1, 1.5) for at in later]
    with pytest.raises(psycopg.errors.CheckViolation):
        copy(upgraded_db, "market_data", rows, NAMES)
    assert copy(upgraded_db, "market_data", rows, NAMES, ensure_partitions=True).inserted == 3
    rows.append((dt.datetime(2099, 1, 1), 1, 1.5))
    with pytest.raises(dbperf.errors.PartitionBoundsError, match="2099"):
        copy(upgraded_db, "market_data", rows, NAMES, ensure_partitions=True)
    result = copy(upgraded_db, "market_data", rows, NAMES, ensure_partitions=True, on_error="quarantine")
    assert (result.inserted, result.quarantined) == (3, 1)


def test_a_time_that_is_rounded_into_the_next_partition(upgraded: psycopg.Connection) -> None:
    upgraded.execute(
        "UPDATE dbperf.partition_policy SET max_ahead = '3 years' WHERE relation = 'market_data'::regclass"
    )
    after = np.datetime64("now", "M").astype("M8[ns]") + np.timedelta64(400, "D")
    end = (after.astype("M8[M]") + 1).astype("M8[ns]") - np.timedelta64(1, "ns")
    ticks = {"timestamp": np.array([end]), "instrument_id": [1], "price": [1.5]}
    result = dbperf.copy_columns(upgraded, "market_data", ticks, nanoseconds="round", ensure_partitions=True)
    assert result.inserted == 1


def test_instruments_are_touched(upgraded: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    upgraded.execute("UPDATE instruments SET last_tick = NULL, last_price = NULL")
    rows = [(T + dt.timedelta(seconds=n), 1 + n % 2, 10 + n) for n in range(10)]
    copy(upgraded_db, "market_data", rows, NAMES, touch_instruments=True)
    copy(upgraded_db, "market_data", [(T, 1, 99.0)], NAMES, touch_instruments=True)  # older than what is there
    touched = upgraded.execute(
        "SELECT id, last_tick, last_price FROM instruments WHERE last_tick IS NOT NULL ORDER BY id"
    )
    assert touched.fetchall() == [(1, T + dt.timedelta(seconds=8), 18), (2, T + dt.timedelta(seconds=9), 19)]


def test_a_tick_that_was_rounded_touches_its_instrument(upgraded: psycopg.Connection) -> None:
    upgraded.execute("UPDATE instruments SET last_tick = NULL, last_price = NULL")
    at = np.array([np.datetime64(T, "ns") + np.timedelta64(900, "ns")])
    columns = {"timestamp": at, "instrument_id": [1], "price": [5.0]}
    dbperf.copy_columns(upgraded, "market_data", columns, nanoseconds="round", touch_instruments=True)
    touched = upgraded.execute("SELECT id, last_tick FROM instruments WHERE last_tick IS NOT NULL").fetchall()
    assert touched == [(1, T + dt.timedelta(microseconds=1))]


def test_a_tick_without_an_instrument_touches_none(upgraded: psycopg.Connection) -> None:
    columns = {"timestamp": [T, T], "instrument_id": np.array([1, float("nan")], object), "price": [5.0, 6.0]}
    options: Any = {"on_error": "quarantine", "nan_is_null": True, "touch_instruments": True}
    result = dbperf.copy_columns(upgraded, "market_data", columns, **options)
    assert (result.inserted, result.quarantined) == (1, 1)


def test_progress(upgraded: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    seen: list[dbperf.Progress] = []

    def rows() -> Iterator[tuple[Any, ...]]:
        yield from _ticks(60_000)

    result = copy(upgraded_db, "market_data", rows(), NAMES, progress=seen.append)
    assert [p.rows for p in seen] == sorted(p.rows for p in seen)
    assert all(0 < p.rows <= result.rows and p.bytes <= result.bytes and p.rate > 0 for p in seen)


def test_without_migrations(legacy_db: str) -> None:
    with psycopg.connect(legacy_db) as conn, pytest.raises(MigrationError, match="run dbperf migrate"):
        dbperf.copy_rows(conn, "market_data", _ticks(1), NAMES, batch_id="b")


def test_the_rights_of_docs_writing(upgraded: psycopg.Connection, cluster: Cluster) -> None:
    """Superuser: makes a role, which gets what docs/writing.md says, and nothing else."""
    with cluster.admin(upgraded.info.dbname) as admin:
        admin.execute("DROP ROLE IF EXISTS dbperf_test_writer")
        admin.execute("CREATE ROLE dbperf_test_writer LOGIN")
    try:
        upgraded.execute("CREATE TABLE bar (at date PRIMARY KEY, close integer CHECK (close > 0))")
        for grant in (
            "SELECT, INSERT, UPDATE ON bar",
            "SELECT, INSERT ON market_data",
            "USAGE ON SEQUENCE market_data_id_seq",
            "SELECT, UPDATE ON instruments",
            "USAGE ON SCHEMA dbperf",
            "INSERT ON dbperf.quarantine",
            "SELECT, INSERT, UPDATE ON dbperf.batch_ledger",
            "EXECUTE ON FUNCTION dbperf.ensure_partition",
            "EXECUTE ON FUNCTION dbperf.partition_for",
            "SELECT ON dbperf.partition_policy",
        ):
            upgraded.execute(f"GRANT {grant} TO dbperf_test_writer".encode())
        with psycopg.connect(cluster.dsn(upgraded.info.dbname, "dbperf_test_writer")) as conn:
            everything: Any = {"on_error": "quarantine", "batch_id": "b"}
            rows = [{"at": T.date(), "close": 1}, {"at": T.date(), "close": -1}, {"at": T.date(), "close": "x"}]
            result = dbperf.copy_rows(conn, "bar", rows, on_conflict="update", **everything)
            assert (result.inserted, result.quarantined) == (1, 2)
            ticks: Any = {"ensure_partitions": True, "touch_instruments": True, "batch_id": "t"}
            assert dbperf.copy_rows(conn, "market_data", _ticks(3), NAMES, **ticks).inserted == 3
            conn.commit()
            everything["batch_id"] = "c"
            for right, holder in (
                ("INSERT ON public.bar", "dbperf_test_writer"),
                ("TEMPORARY ON DATABASE " + upgraded.info.dbname, "PUBLIC"),
                ("USAGE ON SCHEMA dbperf", "dbperf_test_writer"),
                ("INSERT ON dbperf.quarantine", "dbperf_test_writer"),
                ("SELECT, INSERT, UPDATE ON dbperf.batch_ledger", "dbperf_test_writer"),
            ):
                upgraded.execute(f"REVOKE {right} FROM {holder}".encode())
                with pytest.raises(pg_errors.InsufficientPrivilege, match="permission denied") as caught:
                    dbperf.copy_rows(conn, "bar", rows, on_conflict="update", **everything)
                assert isinstance(caught.value, RightsError)
                assert "GRANT to role dbperf_test_writer" in str(caught.value)
                assert right.replace("INSERT ON public", "SELECT, INSERT, UPDATE ON public") in str(caught.value)
                conn.rollback()
                upgraded.execute(f"GRANT {right} TO {holder}".encode())
            assert dbperf.copy_rows(conn, "bar", rows[:1], on_conflict="update", **everything).updated == 1
            conn.commit()
            upgraded.execute("REVOKE SELECT, UPDATE ON bar FROM dbperf_test_writer")
            with pytest.raises(RightsError, match=r"SELECT, INSERT ON public\.bar"):
                dbperf.copy_rows(conn, "bar", rows[:1], on_conflict="ignore")
            conn.rollback()
            upgraded.execute("GRANT SELECT (at) ON bar TO dbperf_test_writer")
            assert dbperf.copy_rows(conn, "bar", rows[:1], on_conflict="ignore").ignored == 1
            conn.commit()
            upgraded.execute("ALTER TABLE bar ENABLE ROW LEVEL SECURITY")
            upgraded.execute("CREATE POLICY later ON bar USING (true) WITH CHECK (close > 5)")
            with pytest.raises(pg_errors.InsufficientPrivilege) as caught:  # no GRANT would help
                dbperf.copy_rows(conn, "bar", [{"at": T.date() + dt.timedelta(1), "close": 1}], on_conflict="ignore")
            assert not isinstance(caught.value, RightsError)
            refused = [{"at": T.date() + dt.timedelta(days), "close": 6} for days in (2, 3)]
            with pytest.raises(RightsError, match=r"row-level security.*on_error='quarantine'"):
                dbperf.copy_rows(conn, "bar", refused)
            assert dbperf.copy_rows(conn, "bar", refused, on_error="quarantine").inserted == 2
    finally:
        with cluster.admin(upgraded.info.dbname) as admin:
            admin.execute("DROP OWNED BY dbperf_test_writer")
            admin.execute("DROP ROLE dbperf_test_writer")
        upgraded.execute("DROP TABLE IF EXISTS bar")


def test_from_psql(upgraded: psycopg.Connection) -> None:
    """As docs/writing.md has it."""
    upgraded.execute("CREATE TABLE bar (at date PRIMARY KEY, close integer)")
    with upgraded.transaction():
        staging = value(upgraded, "SELECT dbperf.make_staging('bar', '{at,close}')::text")
        with (
            upgraded.cursor() as cursor,
            cursor.copy(f"COPY {staging} (at, close) FROM STDIN (FORMAT CSV)".encode()) as copy,
        ):
            copy.write("2026-01-01,1\n2026-01-02,2\n2026-01-01,3\n")
        assert upgraded.execute(
            "SELECT * FROM dbperf.settle_staging('bar', %s, 'update', max_errors => 100)", [staging]
        ).fetchone() == (2, 0, 1, 0)
    with upgraded.transaction():
        assert upgraded.execute("SELECT * FROM dbperf.begin_batch('x', 'bar')").fetchone() is None
        upgraded.execute("SELECT dbperf.end_batch('x', 'hash', inserted => 1000)")
    assert upgraded.execute("SELECT * FROM dbperf.begin_batch('x', 'bar')").fetchone() == ("hash", 1000, 0, 0, 0)
    with pytest.raises(psycopg.Error, match=r"not begun by this transaction\n.*ROLLBACK"):
        upgraded.execute("SELECT dbperf.end_batch('x', 'hash', inserted => 1000)")
