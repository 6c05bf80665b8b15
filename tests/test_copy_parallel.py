"""parallel: one batch over several connections, together or piece by piece, stored once whatever happens."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from types import FrameType
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import dbperf
from dbperf.copy.rows import ROWS
from dbperf.errors import BadRowsError, BatchError, LockedError, RowError, UsageError
from tests.support import Cluster

T = dt.datetime(2026, 6, 1)
SECOND = dt.timedelta(seconds=1)
COUNT = 50_001
ALL = (COUNT, COUNT * (COUNT - 1) // 2, COUNT)
NOTHING = (0, None, 0)

EACH: dict[str, Any] = {"commit": "each", "batch_id": "b"}
TORN: dict[str, Any] = {"parallel": 2, "content_hash": "of the file", **EACH}

#: Sessions of the pool, and of them those that write.
SESSIONS = "FROM pg_stat_activity WHERE application_name = 'parallel'"
WRITERS = f"{SESSIONS} AND xact_start IS NOT NULL"

Copy = Callable[..., dbperf.CopyResult]


def _sync(dsn: str, name: str, *arguments: Any, size: int = 4, **options: Any) -> dbperf.CopyResult:
    with ConnectionPool(f"{dsn} application_name=parallel", min_size=1, max_size=size, open=True) as pool:
        result: dbperf.CopyResult = getattr(dbperf, name)(pool, *arguments, **options)
        return result


def _async(dsn: str, name: str, *arguments: Any, size: int = 4, **options: Any) -> dbperf.CopyResult:
    async def run() -> dbperf.CopyResult:
        dsn_of_test = f"{dsn} application_name=parallel"
        async with AsyncConnectionPool(dsn_of_test, min_size=1, max_size=size, open=False) as pool:
            result: dbperf.CopyResult = await getattr(dbperf.aio, name)(pool, *arguments, **options)
            return result

    return asyncio.run(run())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    chosen: Copy = request.param
    return chosen


@pytest.fixture
def numbers(upgraded_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE number (n integer PRIMARY KEY, at timestamp)")
        yield conn


def _stored(conn: psycopg.Connection) -> Any:
    return conn.execute("SELECT count(*), sum(n), count(DISTINCT n) FROM number").fetchone()


def _rows() -> Iterator[tuple[int, dt.datetime]]:
    return ((n, T) for n in range(COUNT))


@pytest.mark.parametrize("name", ["copy_rows", "copy_columns", "copy_arrow"])
@pytest.mark.parametrize(
    "options", [{}, {"batch_id": "b"}, EACH, {"on_conflict": "ignore"}, {"on_error": "quarantine"}]
)
def test_every_row_once(
    numbers: psycopg.Connection, upgraded_db: str, copy: Copy, name: str, options: dict[str, Any]
) -> None:
    columns = {"n": np.arange(COUNT), "at": np.full(COUNT, np.datetime64(T, "us"))}
    data = {"copy_rows": _rows(), "copy_columns": columns, "copy_arrow": pa.table(columns)}[name]
    result = copy(upgraded_db, name, "number", data, parallel=3, **options)
    assert (result.rows, result.inserted, result.duplicate_batch) == (COUNT, COUNT, False)
    assert _stored(numbers) == ALL
    writers = numbers.execute("SELECT count(DISTINCT xmin::text) FROM number").fetchone()
    assert writers is not None
    assert writers[0] >= 3
    if "batch_id" in options and name != "copy_rows":
        again = copy(upgraded_db, name, "number", data, parallel=3, **options)
        assert (again.rows, again.inserted, again.duplicate_batch) == (COUNT, COUNT, True)
        assert _stored(numbers) == ALL


def test_a_pool_in_autocommit(numbers: psycopg.Connection, upgraded_db: str) -> None:
    def rows() -> Iterator[tuple[int, dt.datetime]]:
        yield from _rows()
        assert _stored(numbers) == NOTHING
        raise OSError("the feed")

    with ConnectionPool(upgraded_db, min_size=3, kwargs={"autocommit": True}, open=True) as pool:
        with pytest.raises(OSError, match="the feed"):
            dbperf.copy_rows(pool, "number", rows(), parallel=3)
        assert _stored(numbers) == NOTHING
        dbperf.copy_rows(pool, "number", _rows(), parallel=3)
    assert _stored(numbers) == ALL


@pytest.mark.parametrize("bad", [(17, "x"), (0, T)], ids=["a value", "a key"])
def test_together_is_all_or_nothing(numbers: psycopg.Connection, upgraded_db: str, copy: Copy, bad: Any) -> None:
    """The key is that of the first row: of two connections one waits for the other, which waits for it to get ready."""
    rows = [(n, T) for n in range(COUNT)]
    rows[30_000] = bad
    with pytest.raises((RowError, LockedError)):
        copy(upgraded_db, "copy_rows", "number", rows, parallel=3)
    assert _stored(numbers) == NOTHING


def test_a_constraint_that_waits_for_commit(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """It fails while nobody has committed, whoever has the row."""
    numbers.execute("CREATE TABLE other (n integer PRIMARY KEY)")
    numbers.execute(b"INSERT INTO other SELECT n FROM generate_series(0, %s) AS n WHERE n <> 20000", [COUNT])
    numbers.execute("ALTER TABLE number ADD FOREIGN KEY (n) REFERENCES other DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3)
    assert _stored(numbers) == NOTHING


def test_a_trigger_that_changes_one_row_for_all(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    numbers.execute("CREATE TABLE total (rows bigint)")
    numbers.execute("INSERT INTO total VALUES (0)")
    numbers.execute(
        "CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE total SET rows = rows + (SELECT count(*) FROM added); RETURN NULL; END'"
    )
    numbers.execute(
        "CREATE TRIGGER count_rows AFTER INSERT ON number REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION count_rows()"
    )
    with pytest.raises(LockedError, match="commit='each'"):
        copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3)
    assert _stored(numbers) == NOTHING
    copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3, **EACH)
    assert _stored(numbers) == ALL
    assert numbers.execute("SELECT rows FROM total").fetchone() == (COUNT,)


def test_each_goes_on_where_it_stopped(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    rows: list[tuple[Any, ...]] = [(n, T) for n in range(100_000)]
    broken = [*rows[:95_000], (95_000, "x"), *rows[95_001:]]
    with pytest.raises(RowError) as caught:
        copy(upgraded_db, "copy_rows", "number", broken, parallel=2, **EACH)
    assert caught.value.row == 95_001
    assert 0 < _stored(numbers)[0] < 95_000
    for way in ({"parallel": 3, **EACH}, {"parallel": 2, "batch_id": "b"}, {"batch_id": "b"}):
        with pytest.raises(BatchError, match="and not ended"):
            copy(upgraded_db, "copy_rows", "number", rows, **way)
    result = copy(upgraded_db, "copy_rows", "number", rows, parallel=2, **EACH)
    assert (result.inserted, result.duplicate_batch) == (100_000, False)
    assert _stored(numbers)[0] == 100_000
    assert copy(upgraded_db, "copy_rows", "number", iter(rows), parallel=2, **EACH).duplicate_batch
    for way in ({"parallel": 3, **EACH}, {"batch_id": "b"}):
        with pytest.raises(BatchError, match="other content"):
            copy(upgraded_db, "copy_rows", "number", rows, **way)
    with pytest.raises(BatchError, match="other content"):
        copy(upgraded_db, "copy_rows", "number", rows[:-1], parallel=2, **EACH)
    assert _stored(numbers)[0] == 100_000


@pytest.mark.parametrize("way", [EACH, {"batch_id": "b"}], ids=["each", "together"])
def test_a_batch_without_rows(numbers: psycopg.Connection, upgraded_db: str, copy: Copy, way: dict[str, Any]) -> None:
    for was_there in (False, True, True):
        result = copy(upgraded_db, "copy_rows", "number", [], ["n", "at"], parallel=2, **way)
        assert (result.rows, result.duplicate_batch) == (0, was_there)
    with pytest.raises(BatchError, match="other content"):
        copy(upgraded_db, "copy_rows", "number", [(1, T)], parallel=2, **way)
    assert _stored(numbers) == NOTHING


def test_a_batch_that_became_shorter(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """Than the pieces of it that are stored."""
    broken = [*((n, T) for n in range(95_000)), (95_000, "x")]
    with pytest.raises(RowError):
        copy(upgraded_db, "copy_rows", "number", broken, parallel=2, **EACH)
    before = _stored(numbers)
    with pytest.raises(BatchError, match="other content"):
        copy(upgraded_db, "copy_rows", "number", broken[:32_768], parallel=2, **EACH)
    assert _stored(numbers) == before


def test_a_hash_of_ones_own(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """Tells the content whatever the pieces are; the rows are not even looked at."""
    options = {"batch_id": "b", "content_hash": "h"}
    copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3, **options)
    for way in ({"parallel": 2}, {"parallel": 3, "commit": "each"}, {}):
        again = copy(upgraded_db, "copy_rows", "number", [(1, T)], **way, **options)
        assert (again.inserted, again.duplicate_batch) == (COUNT, True)
    with pytest.raises(BatchError):
        copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3, batch_id="b", content_hash="other")
    assert _stored(numbers) == ALL


@pytest.mark.parametrize("options", [{}, {"content_hash": "h"}], ids=["hashed", "a hash of ones own"])
def test_a_crash_between_two_commits(
    numbers: psycopg.Connection, upgraded_db: str, copy: Copy, options: dict[str, Any]
) -> None:
    """As it leaves them: the last connection's rows and piece are stored, the batch has not ended."""
    copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3, batch_id="b", **options)
    with numbers.transaction():
        numbers.execute(
            "DELETE FROM number WHERE xmin IN (SELECT xmin FROM dbperf.batch_ledger WHERE batch_id IN ('b / 1 of 3', 'b / 2 of 3'))"
        )
        numbers.execute("DELETE FROM dbperf.batch_ledger WHERE batch_id IN ('b / 1 of 3', 'b / 2 of 3')")
        numbers.execute(
            "UPDATE dbperf.batch_ledger SET content_hash = '3 connections, commit together', rows = NULL,"
            " inserted = NULL, updated = NULL, ignored = NULL, quarantined = NULL WHERE batch_id = 'b'"
        )
        assert 0 < _stored(numbers)[0] < COUNT / 2
    result = copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3, batch_id="b", **options)
    assert (result.inserted, result.duplicate_batch) == (COUNT, False)
    assert _stored(numbers) == ALL


@pytest.mark.parametrize("commit", ["together", "each"])
@pytest.mark.parametrize("count", [100, COUNT + 100, 3 * COUNT])
def test_other_content(numbers: psycopg.Connection, upgraded_db: str, copy: Copy, commit: str, count: int) -> None:
    """Of which the pieces that were stored may be a part."""
    options: dict[str, Any] = {"parallel": 2, "commit": commit, "batch_id": "b"}
    copy(upgraded_db, "copy_rows", "number", _rows(), **options)
    with pytest.raises(BatchError, match="other content"):
        copy(upgraded_db, "copy_rows", "number", ((n, T) for n in range(count)), **options)
    assert _stored(numbers) == ALL


def test_an_idle_session_is_not_ended(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """While it waits for the others, whatever the role's timeout."""
    numbers.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2.5); RETURN NULL; END'"
    )
    numbers.execute("CREATE TRIGGER wait AFTER INSERT ON number FOR EACH ROW WHEN (new.n = 0) EXECUTE FUNCTION wait()")
    dsn = f"{upgraded_db} options='-c idle_in_transaction_session_timeout=1s -c default_transaction_isolation=serializable'"
    copy(dsn, "copy_rows", "number", _rows(), parallel=3)
    assert _stored(numbers) == ALL


@pytest.mark.parametrize("commit", ["together", "each"])
def test_two_batches_with_the_same_keys(numbers: psycopg.Connection, upgraded_db: str, copy: Copy, commit: str) -> None:
    numbers.execute("INSERT INTO number SELECT n, 'epoch' FROM generate_series(0, 50000) AS n")
    results: list[dbperf.CopyResult] = []

    def call(name: str) -> None:
        options: dict[str, Any] = {"on_conflict": "update", "commit": commit, "batch_id": name}
        results.append(copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3, **options))

    threads = [threading.Thread(target=call, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.updated for result in results] == [COUNT] * 3


@pytest.mark.parametrize("commit", ["together", "each"])
def test_a_session_that_is_killed(
    numbers: psycopg.Connection, upgraded_db: str, copy: Copy, rng: random.Random, commit: str
) -> None:
    """Whatever is stored then, the same call again stores the rest."""
    at = rng.randrange(COUNT // 2, COUNT)
    sessions = WRITERS if commit == "together" else SESSIONS  # not the one that looks on
    killed: list[Any] = []

    def rows() -> Iterator[tuple[int, dt.datetime]]:
        for n in range(COUNT):
            if n == at:
                killed.extend(numbers.execute(f"SELECT pg_terminate_backend(pid) {sessions} LIMIT 1".encode()))
            yield n, T

    options = {"parallel": 3, "commit": commit, "batch_id": commit}
    with suppress(psycopg.OperationalError):  # of "each", it may have stored all its pieces
        copy(upgraded_db, "copy_rows", "number", rows(), **options)
        assert commit == "each"
    assert killed == [(True,)]
    if commit == "together":
        assert _stored(numbers) == NOTHING
    copy(upgraded_db, "copy_rows", "number", _rows(), **options)
    assert _stored(numbers) == ALL


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_caller(
    numbers: psycopg.Connection, upgraded_db: str, copy: Copy, error: type[BaseException]
) -> None:
    def rows() -> Iterator[tuple[int, dt.datetime]]:
        yield from _rows()
        raise error

    with pytest.raises(error):
        copy(upgraded_db, "copy_rows", "number", rows(), parallel=3)
    assert _stored(numbers) == NOTHING
    assert numbers.execute(f"SELECT {WRITERS}".encode()).rowcount == 0


def test_a_cancelled_task(numbers: psycopg.Connection, upgraded_db: str) -> None:
    """While its sessions wait for a lock."""

    async def run() -> None:
        async with AsyncConnectionPool(f"{upgraded_db} application_name=parallel", min_size=3, open=False) as pool:
            with numbers.transaction():
                numbers.execute("LOCK TABLE number")
                task = asyncio.create_task(
                    dbperf.aio.copy_rows(pool, "number", [(n, T) for n in range(COUNT)], parallel=3)
                )
                while (
                    numbers.execute("SELECT FROM pg_locks WHERE relation = 'number'::regclass AND NOT granted").rowcount
                    < 3
                ):
                    await asyncio.sleep(0)
                    assert not task.done()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await (await (await pool.getconn()).execute("SELECT 1")).fetchone() == (1,)

    asyncio.run(run())
    assert _stored(numbers) == NOTHING


def _wait_until_nobody_writes(conn: psycopg.Connection) -> None:
    deadline = time.monotonic() + 60
    while conn.execute(f"SELECT {WRITERS}".encode()).rowcount:
        assert time.monotonic() < deadline, "a session is left in a transaction"


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of an interrupt in a weakref's callback
@pytest.mark.parametrize("options", [{}, {"on_conflict": "ignore"}], ids=str)
def test_interrupted_at_any_moment(
    numbers: psycopg.Connection, upgraded_db: str, rng: random.Random, options: dict[str, Any]
) -> None:
    """All or nothing, and no session is left in a transaction."""
    rows = [(n, T) for n in range(12_000)]
    before, stored = signal.signal(signal.SIGALRM, _raise_interrupt), set()
    try:
        for _ in range(60):
            numbers.execute("TRUNCATE number")
            with ConnectionPool(f"{upgraded_db} application_name=parallel", min_size=3, open=True) as pool:
                pool.wait()
                try:
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.08))
                    dbperf.copy_rows(pool, "number", rows, parallel=3, **options)
                    # within the block: it may have gone off while what was written is freed
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except (KeyboardInterrupt, psycopg.Error):  # psycopg may close what it was interrupted in
                    pass
            _wait_until_nobody_writes(numbers)
            stored.add(_stored(numbers)[0])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert stored <= {0, 12_000}


def test_interrupted_several_times(
    numbers: psycopg.Connection, upgraded_db: str, rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while the first one is dealt with leaves no thread at work on a connection that was given back."""
    rows = [(n, T) for n in range(12_000)]
    came: list[int] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # pytest's own may be interrupted, too

    def interrupt(number: int, frame: FrameType | None) -> None:
        while frame is not None and f"{os.sep}dbperf{os.sep}copy" not in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is not None and len(came) < 3:  # one that falls into this test is the last
            came.append(number)
            signal.setitimer(signal.ITIMER_REAL, 10 ** rng.uniform(-4.5, -2.5))
            raise KeyboardInterrupt

    before, stored, several = signal.signal(signal.SIGALRM, interrupt), set(), 0
    try:
        for _ in range(60):
            came.clear()
            numbers.execute("TRUNCATE number")
            with ConnectionPool(f"{upgraded_db} application_name=parallel", min_size=3, open=True) as pool:
                pool.wait()
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.08))
                with suppress(KeyboardInterrupt, psycopg.Error):
                    dbperf.copy_rows(pool, "number", rows, parallel=3)
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert "dbperf parallel" not in {thread.name for thread in threading.enumerate()}
            several += len(came) > 1
            _wait_until_nobody_writes(numbers)
            stored.add(_stored(numbers)[0])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert stored <= {0, 12_000}
    assert several


def test_cancelled_at_any_moment(numbers: psycopg.Connection, upgraded_db: str, rng: random.Random) -> None:
    rows = [(n, T) for n in range(12_000)]

    async def run() -> None:
        async with AsyncConnectionPool(f"{upgraded_db} application_name=parallel", min_size=3, open=False) as pool:
            for _ in range(100):
                numbers.execute("TRUNCATE number")
                task = asyncio.create_task(dbperf.aio.copy_rows(pool, "number", rows, parallel=3))
                await asyncio.wait([task], timeout=rng.uniform(0.001, 0.08))
                task.cancel()
                await asyncio.wait([task])
                assert _stored(numbers)[0] in (0, 12_000)

    asyncio.run(run())


@pytest.mark.parametrize("on_conflict", ["ignore", "update"])
def test_conflicts_as_on_one_connection(
    numbers: psycopg.Connection, upgraded_db: str, copy: Copy, rng: random.Random, on_conflict: str
) -> None:
    rows = [(rng.randrange(3_000), T + dt.timedelta(seconds=rng.randrange(10**6))) for _ in range(20_000)]
    stored = []
    for way in ({}, {"parallel": 4}, {"parallel": 4, **EACH}):
        numbers.execute("TRUNCATE number")
        numbers.execute("INSERT INTO number SELECT n, 'epoch' FROM generate_series(0, 999) AS n")
        result = copy(upgraded_db, "copy_rows", "number", rows, on_conflict=on_conflict, **way)
        found = numbers.execute("SELECT n, at FROM number ORDER BY n").fetchall()
        stored.append((found, result.inserted, result.rows))
    assert stored[0] == stored[1] == stored[2]


#: Keys that are equal and look different, in turns; and the column that deals them out, if one can.
KEYS: dict[str, tuple[str, list[Any], str | None]] = {
    "char": ("k char(3) PRIMARY KEY", ["a", "a ", "a  "], "k"),
    "numeric": ("k numeric PRIMARY KEY", [Decimal("1.0"), Decimal("1.00"), 1], None),
    "numeric and more": ("k numeric, n integer, PRIMARY KEY (k, n)", [Decimal("1.0"), Decimal("1.00"), 1], "n"),
    "jsonb": ("k jsonb PRIMARY KEY", [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"b": 2, "a": 1.0}], None),
    "interval": ("k interval PRIMARY KEY", [dt.timedelta(days=1)] * 3, None),
    "rounded": ("k timestamp(0) PRIMARY KEY", [T, T + SECOND / 4, T - SECOND / 4], None),
    "double": ("k double precision PRIMARY KEY", [0.0, -0.0, 0], None),
    "collation": ('k text COLLATE "same" PRIMARY KEY', ["\u00e9", "e\u0301", "\u00e9"], None),
}


@pytest.mark.parametrize("case", KEYS)
def test_keys_that_look_different(numbers: psycopg.Connection, upgraded_db: str, copy: Copy, case: str) -> None:
    """Go through one connection, or they are refused."""
    definition, keys, by = KEYS[case]
    if case == "collation":
        try:
            numbers.execute("CREATE COLLATION same (provider = icu, locale = 'und', deterministic = false)")
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("this server was built without ICU, and so has no collation of which this is true")
    numbers.execute(f"CREATE TABLE alike ({definition}, at timestamp)".encode())
    rows: list[Any] = [(keys[n % 3], *([7] if "n integer" in definition else []), T + n * SECOND) for n in range(9_000)]
    options: dict[str, Any] = {"parallel": 3, "on_conflict": "update"}
    if case == "rounded":
        options["round"] = ["k"]
    if by is None:
        with pytest.raises(UsageError, match="leave parallel out"):
            copy(upgraded_db, "copy_rows", "alike", rows, **options)
        return
    for way in ({}, EACH):
        copy(upgraded_db, "copy_rows", "alike", rows, **options, **way)
        assert numbers.execute("SELECT at FROM alike").fetchall() == [(rows[-1][-1],)]


def test_cursors_of_ones_own(numbers: psycopg.Connection, upgraded_db: str) -> None:
    """Whose placeholders or rows are others."""
    for number, factory in enumerate((psycopg.RawCursor, psycopg.ClientCursor)):
        kwargs = {"cursor_factory": factory, "row_factory": psycopg.rows.dict_row}
        rows = [(number * COUNT + n, T) for n in range(COUNT)] + [(number * COUNT, T), (None, T)]
        with ConnectionPool(upgraded_db, min_size=2, kwargs=kwargs, open=True) as pool:
            options: dict[str, Any] = {"on_conflict": "ignore", "on_error": "quarantine", "batch_id": str(number)}
            result = dbperf.copy_rows(pool, "number", rows, parallel=2, **options)
            assert (result.inserted, result.ignored, result.quarantined) == (COUNT, 1, 1)
            result = dbperf.copy_rows(pool, "number", rows, on_conflict="ignore", on_error="quarantine")
            assert (result.ignored, result.quarantined) == (COUNT + 1, 1)


def test_two_calls_that_need_the_whole_pool(numbers: psycopg.Connection, upgraded_db: str) -> None:
    """Neither takes a part of it and waits for the rest."""
    results: list[dbperf.CopyResult] = []
    with ConnectionPool(upgraded_db, min_size=3, max_size=3, open=True) as pool:

        def call(name: str) -> None:
            options: dict[str, Any] = {"on_conflict": "ignore", "batch_id": name}
            results.append(dbperf.copy_rows(pool, "number", _rows(), parallel=3, **options))

        threads = [threading.Thread(target=call, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(result.inserted for result in results) == [0, 0, 0, COUNT]


def test_bad_rows(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    rows = [(n, "x" if n % 10_000 == 7 else T) for n in range(COUNT)] + [(1, T), (None, T)]
    options: dict[str, Any] = {"on_error": "quarantine", "parallel": 3}
    with pytest.raises(BadRowsError):
        copy(upgraded_db, "copy_rows", "number", rows, max_errors=6, **options)
    assert _stored(numbers) == NOTHING
    result = copy(upgraded_db, "copy_rows", "number", rows, max_errors=7, batch_id="b", **options)
    assert (result.inserted, result.quarantined) == (COUNT - 5, 7)
    bad = numbers.execute("SELECT row_number FROM dbperf.quarantine WHERE batch_id = 'b' ORDER BY 1").fetchall()
    assert [number for (number,) in bad] == [*range(8, COUNT, 10_000), COUNT + 1, COUNT + 2]


def test_progress(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    seen: list[dbperf.Progress] = []
    copy(upgraded_db, "copy_rows", "number", ((n, T) for n in range(300_000)), parallel=2, progress=seen.append)
    assert seen
    assert [each.rows for each in seen] == sorted(each.rows for each in seen)
    assert all(0 < each.rows <= 300_000 for each in seen)


def test_two_calls_at_once(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """Of the same batch: as after a call whose client is not sure that it ended."""
    results: list[dbperf.CopyResult] = []

    def call() -> None:
        results.append(copy(upgraded_db, "copy_rows", "number", _rows(), parallel=3, **EACH))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.inserted for result in results] == [COUNT] * 3
    assert _stored(numbers) == ALL


def test_instruments_are_touched(upgraded_db: str, copy: Copy) -> None:
    rows = [(T + dt.timedelta(seconds=n), 1 + n % 5, n % 100 + 0.5) for n in range(60_000)]
    names = ["timestamp", "instrument_id", "price"]
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("UPDATE instruments SET last_tick = NULL")
        with pytest.raises(UsageError, match="touch_instruments"):
            copy(upgraded_db, "copy_rows", "market_data", rows, names, touch_instruments=True, parallel=3)
        copy(upgraded_db, "copy_rows", "market_data", rows, names, touch_instruments=True, parallel=3, **EACH)
        newest = conn.execute("SELECT last_tick FROM instruments WHERE last_tick IS NOT NULL ORDER BY last_tick")
        assert newest.fetchall() == [(at,) for at, _, _ in rows[-5:]]


def test_what_cannot_be(numbers: psycopg.Connection, upgraded_db: str) -> None:
    for options in ({"parallel": 2}, {"parallel": 0}, {"commit": "each"}, EACH):
        with pytest.raises(UsageError):
            dbperf.copy_rows(numbers, "number", [(1, T)], **options)
    with pytest.raises(UsageError, match="a pool of 5 connections"):
        _sync(upgraded_db, "copy_rows", "number", [(1, T)], parallel=5)


@pytest.fixture
def torn(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> pa.Table:
    """A batch in two chunks for each piece but the last; table `number` has it as a call leaves it that was cut off.

    While one connection was at the first piece, the other one stored the second and the fourth.
    """
    numbers.execute("DROP TABLE number; CREATE TABLE number (n integer, at timestamp)")
    whole = pa.table({"n": pa.array(range(COUNT), pa.int32())})
    chunks = pa.Table.from_batches(whole.to_batches(max_chunksize=8192))
    copy(upgraded_db, "copy_arrow", "number", chunks, **TORN)
    numbers.execute("DELETE FROM number WHERE n / 8192 NOT IN (1, 3, 5)")
    numbers.execute(
        "DELETE FROM dbperf.batch_ledger WHERE batch_id IN ('b / piece 1, parallel 2', 'b / piece 3, parallel 2')"
    )
    numbers.execute(
        "UPDATE dbperf.batch_ledger SET content_hash = '2 connections, commit each, 16384 rows, 2 ahead',"
        " rows = NULL, inserted = NULL, updated = NULL, ignored = NULL, quarantined = NULL WHERE batch_id = 'b'"
    )
    return chunks


@pytest.mark.parametrize("how", ["in other chunks", "in another order", "cut off"])
def test_a_retry_with_other_pieces(
    torn: pa.Table, numbers: psycopg.Connection, upgraded_db: str, copy: Copy, how: str
) -> None:
    """Nothing of it is stored, whatever hash the caller says."""
    before = _stored(numbers)
    data = torn.combine_chunks()
    if how == "in other chunks":
        data = pa.Table.from_batches(data.to_batches(max_chunksize=5000))
    elif how == "in another order":
        data = data.sort_by([("n", "descending")])
    else:
        data = data[: 2 * 8192]
    with pytest.raises(BatchError, match="other content"):
        copy(upgraded_db, "copy_arrow", "number", data, **TORN)
    assert _stored(numbers) == before


def test_a_retry_of_what_is_missing(torn: pa.Table, numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    assert copy(upgraded_db, "copy_arrow", "number", torn, **TORN).rows == COUNT
    assert _stored(numbers) == ALL
    assert copy(upgraded_db, "copy_arrow", "number", torn, **TORN).duplicate_batch
    assert _stored(numbers) == ALL


def test_pieces_are_not_stored_far_ahead(numbers: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """Of two connections, one waits with the first piece; while it does, the sixth is not begun."""

    piece = -(-16384 // ROWS) * ROWS
    begun = 6 * piece - ROWS  # rows in blocks, dealt out in turn: the fifth has all of its own then

    def rows() -> Iterator[tuple[int, dt.datetime]]:
        for n in range(begun + ROWS):
            if n == begun - 1:
                other.rollback()
            if n == begun:
                stored = numbers.execute(
                    "SELECT FROM dbperf.batch_ledger WHERE batch_id = 'b / piece 1, parallel 2' AND rows > 0"
                )
                done.append(stored.rowcount)
            yield n, T

    done: list[int] = []
    with psycopg.connect(upgraded_db) as other:
        other.execute("INSERT INTO number VALUES (0, now())")
        copy(upgraded_db, "copy_rows", "number", rows(), parallel=2, **EACH)
    assert done == [1]
    assert _stored(numbers)[0] == 6 * piece


def test_without_a_connection_to_look(numbers: psycopg.Connection, upgraded_db: str, cluster: Cluster) -> None:
    """Batches that end together could wait for each other for ever."""
    with cluster.admin(numbers.info.dbname) as admin:
        admin.execute("CREATE ROLE dbperf_test_few LOGIN CONNECTION LIMIT 2")
        admin.execute("GRANT INSERT ON number TO dbperf_test_few")
    try:
        with pytest.raises(UsageError, match="one more beside them"):
            _sync(make_conninfo(upgraded_db, user="dbperf_test_few"), "copy_rows", "number", _rows(), parallel=2)
        assert _stored(numbers) == NOTHING
    finally:
        with cluster.admin(numbers.info.dbname) as admin:
            admin.execute("DROP OWNED BY dbperf_test_few; DROP ROLE dbperf_test_few")


def test_texts_of_polars_and_prepared_statements(numbers: psycopg.Connection, upgraded_db: str) -> None:
    numbers.execute("CREATE TABLE named (k integer PRIMARY KEY, name text)")
    data = pa.table({"k": range(100), "name": pa.array(map(str, range(100)), pa.string_view())})
    with ConnectionPool(upgraded_db, min_size=2, kwargs={"prepare_threshold": 0}, open=True) as pool:
        assert dbperf.copy_arrow(pool, "named", data, parallel=2, on_conflict="ignore").inserted == 100


def test_a_task_that_is_cancelled_in_copy(numbers: psycopg.Connection, upgraded_db: str, rng: random.Random) -> None:
    """Its connection holds nothing, and can be used or is closed."""

    async def run() -> None:
        conn = await psycopg.AsyncConnection.connect(upgraded_db, autocommit=True)
        for number in range(60):
            options: Any = {"on_conflict": "ignore", "batch_id": f"b{number}"}
            rows = [(number * 1000 + n, T) for n in range(1000)]
            task = asyncio.create_task(dbperf.aio.copy_rows(conn, "number", rows, **options))
            await asyncio.sleep(rng.random() * 0.015)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if conn.closed:
                conn = await psycopg.AsyncConnection.connect(upgraded_db, autocommit=True)
            assert conn.info.transaction_status == TransactionStatus.IDLE
            async with await psycopg.AsyncConnection.connect(upgraded_db, autocommit=True) as other:
                again = await asyncio.wait_for(dbperf.aio.copy_rows(other, "number", rows, **options), 60)
            assert again.inserted == 1000
        await conn.close()

    asyncio.run(run())
    assert _stored(numbers)[::2] == (60_000, 60_000)
