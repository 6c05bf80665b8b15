"""Connections cut, clients killed, tasks cancelled in the middle of a copy: nothing half-written, nothing doubled."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import dbperf
from dbperf.copy.interrupts import uninterrupted
from tests.proxy import Cut, Proxy
from tests.support import both_apis

T = dt.datetime(2026, 6, 1, 9, 30)
COUNT = 10_000  # more than a socket buffers
ROWS = [(number, T + dt.timedelta(seconds=number), number / 4, "x" * (number % 50)) for number in range(COUNT)]
NAMES = ("id", "at", "price", "note")

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "staged": {"on_conflict": "ignore", "key": ["id"]},
    "quarantine": {"on_error": "quarantine"},
}

Copy = Callable[..., dbperf.CopyResult]


def _from_rows(copy: Copy) -> Copy:
    return lambda dsn, **options: copy(dsn, "tick", iter(ROWS), NAMES, **options)


def _from_columns(copy: Copy) -> Copy:
    columns = dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))
    return lambda dsn, **options: copy(dsn, "tick", columns, **options)


@pytest.fixture(
    params=[*map(_from_rows, both_apis("copy_rows")), *map(_from_columns, both_apis("copy_columns"))],
    ids=["rows", "rows async", "columns", "columns async"],
)
def copy(request: pytest.FixtureRequest) -> Copy:
    """Writes `ROWS` through a connection of its own, which is committed."""
    chosen: Copy = request.param
    return chosen


@pytest.fixture(params=list(OPTIONS.values()), ids=list(OPTIONS))
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture
def watch(upgraded_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        # no unique index: a row that is doubled shall show
        conn.execute("CREATE TABLE tick (id integer, at timestamp, price double precision, note text)")
        yield conn


@pytest.fixture
def keyed(watch: psycopg.Connection, options: dict[str, Any]) -> psycopg.Connection:
    if "key" in options:
        watch.execute("CREATE UNIQUE INDEX ON tick (id)")
    return watch


@pytest.fixture
def proxy(upgraded_db: str) -> Iterator[Proxy]:
    with Proxy(upgraded_db) as made:
        yield made


def _stored(watch: psycopg.Connection) -> tuple[int, int]:
    row = watch.execute("SELECT count(*)::integer, count(DISTINCT id)::integer FROM tick").fetchone()
    assert row is not None
    return row[0], row[1]


def _alone(watch: psycopg.Connection) -> None:
    """Return when no other client's session is left."""
    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    while watch.execute(others.encode()).rowcount:
        pass


def _check_retry(watch: psycopg.Connection, copy: Copy, dsn: str, options: dict[str, Any], committed: bool) -> None:
    """What was stored is all or nothing, and the same batch again ends with exactly one of each row, truly told."""
    again = copy(dsn, batch_id="b", **options)
    assert again.duplicate_batch == committed
    assert (again.rows, again.inserted) == (COUNT, COUNT)
    assert _stored(watch) == (COUNT, COUNT)
    assert copy(dsn, batch_id="b", **options).duplicate_batch
    assert _stored(watch) == (COUNT, COUNT)
    assert watch.execute("SELECT rows, inserted FROM dbperf.batch_ledger").fetchall() == [(COUNT, COUNT)]


@pytest.mark.parametrize("cut", [0, "early", "late", "before commit", "after commit"])
def test_a_cut_connection(
    keyed: psycopg.Connection, proxy: Proxy, copy: Copy, options: dict[str, Any], cut: Any, rng: random.Random
) -> None:
    places: dict[str, Cut] = {"early": rng.randrange(20_000), "late": rng.randrange(20_000, 500_000)}
    proxy.cut = places.get(cut, cut)
    with pytest.raises(psycopg.OperationalError):
        copy(proxy.dsn, batch_id="b", **options)
    assert proxy.cut is None
    if cut == "after commit":
        assert _stored(keyed) == (COUNT, COUNT)
    else:
        _alone(keyed)
        assert _stored(keyed) == (0, 0)
    _check_retry(keyed, copy, proxy.dsn, options, committed=cut == "after commit")


def test_a_retry_that_does_not_wait(
    keyed: psycopg.Connection, proxy: Proxy, copy: Copy, options: dict[str, Any]
) -> None:
    """The old session may still be at it: the ledger makes the retry wait for it."""
    for cut in (1, 300_000, "before commit"):
        proxy.cut = cut
        with pytest.raises(psycopg.OperationalError):
            copy(proxy.dsn, batch_id="b", **options)
    _check_retry(keyed, copy, proxy.dsn, options, committed=False)


def test_a_cut_without_a_batch_id(keyed: psycopg.Connection, proxy: Proxy, copy: Copy, options: dict[str, Any]) -> None:
    proxy.cut = 123_456
    with pytest.raises(psycopg.OperationalError):
        copy(proxy.dsn, **options)
    _alone(keyed)
    assert _stored(keyed) == (0, 0)


@pytest.mark.chaos
def test_cuts_anywhere(
    keyed: psycopg.Connection, proxy: Proxy, copy: Copy, options: dict[str, Any], rng: random.Random
) -> None:
    for _ in range(20):
        proxy.cut = rng.choice([rng.randrange(500_000), "before commit"])
        with pytest.raises(psycopg.OperationalError):
            copy(proxy.dsn, batch_id="b", **options)
        assert _stored(keyed) == (0, 0)
    proxy.cut = "after commit"
    with pytest.raises(psycopg.OperationalError):
        copy(proxy.dsn, batch_id="b", **options)
    _check_retry(keyed, copy, proxy.dsn, options, committed=True)


# -- killed --------------------------------------------------------------------------------

_CLIENT = """
import sys, psycopg, dbperf
from tests.test_copy_hostile import NAMES, OPTIONS, ROWS
dsn, options, place = sys.argv[1], OPTIONS[sys.argv[2]], int(sys.argv[3])
def halt():
    print("here", flush=True)
    sys.stdin.read()
def rows():
    for number, row in enumerate(ROWS):
        if number == place:
            halt()
        yield row
with psycopg.connect(dsn) as conn:
    dbperf.copy_rows(conn, "tick", rows(), NAMES, batch_id="b", **options)
    halt()
"""


@pytest.mark.parametrize("place", [1, COUNT // 2, COUNT], ids=["at the start", "in COPY", "before COMMIT"])
@pytest.mark.parametrize("name", OPTIONS)
def test_a_killed_client(watch: psycopg.Connection, upgraded_db: str, name: str, place: int) -> None:
    watch.execute("CREATE UNIQUE INDEX ON tick (id)")
    command = [sys.executable, "-c", _CLIENT, upgraded_db, name, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "here\n"
        client.send_signal(signal.SIGKILL)
    _alone(watch)
    assert _stored(watch) == (0, 0)
    _check_retry(watch, _from_rows(both_apis("copy_rows")[0]), upgraded_db, OPTIONS[name], committed=False)


@pytest.mark.parametrize("place", [1, COUNT // 2, COUNT], ids=["at the start", "in COPY", "before COMMIT"])
def test_a_terminated_server_process(
    keyed: psycopg.Connection, upgraded_db: str, options: dict[str, Any], place: int
) -> None:
    def terminate(conn: psycopg.Connection) -> None:
        keyed.execute("SELECT pg_terminate_backend(%s, 10000)", [conn.info.backend_pid])

    def rows(conn: psycopg.Connection) -> Iterator[tuple[Any, ...]]:
        for number, row in enumerate(ROWS):
            if number == place:
                terminate(conn)
            yield row

    def write() -> None:
        with psycopg.connect(upgraded_db) as conn:
            dbperf.copy_rows(conn, "tick", rows(conn), NAMES, batch_id="b", **options)
            terminate(conn)

    with pytest.raises(psycopg.OperationalError):
        write()
    _alone(keyed)
    assert _stored(keyed) == (0, 0)
    _check_retry(keyed, _from_rows(both_apis("copy_rows")[0]), upgraded_db, options, committed=False)


# -- interrupted ---------------------------------------------------------------------------


def _interrupted_rows(place: int, error: BaseException) -> Iterator[tuple[Any, ...]]:
    for number, row in enumerate(ROWS):
        if number == place:
            raise error
        yield row


@pytest.mark.parametrize("autocommit", [True, False], ids=["autocommit", "transaction"])
@pytest.mark.parametrize("by", ["rows", "progress"])
def test_keyboard_interrupt(
    keyed: psycopg.Connection, upgraded_db: str, options: dict[str, Any], by: str, autocommit: bool, rng: random.Random
) -> None:
    def told(_: dbperf.Progress) -> None:
        raise KeyboardInterrupt

    def endless() -> Iterator[tuple[Any, ...]]:
        while True:
            yield from ROWS

    with psycopg.connect(upgraded_db, autocommit=autocommit) as conn:
        rows = endless() if by == "progress" else _interrupted_rows(rng.randrange(1, COUNT), KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt), conn.transaction():
            dbperf.copy_rows(conn, "tick", rows, NAMES, batch_id="b", progress=told, **options)
        assert conn.execute("SELECT count(*) FROM tick").fetchone() == (0,)  # usable again
        with pytest.raises(KeyboardInterrupt):
            dbperf.copy_rows(conn, "tick", _interrupted_rows(3000, KeyboardInterrupt()), NAMES, **options)
        conn.rollback()
        assert conn.info.transaction_status == TransactionStatus.IDLE
        dbperf.copy_rows(conn, "tick", ROWS, NAMES, batch_id="b", **options)
    assert _stored(keyed) == (COUNT, COUNT)


def test_keyboard_interrupt_in_a_pool(keyed: psycopg.Connection, upgraded_db: str, options: dict[str, Any]) -> None:
    with ConnectionPool(upgraded_db, min_size=1, max_size=1, open=True) as pool:
        for place in (1, 2048, COUNT - 1):
            with pytest.raises(KeyboardInterrupt):
                dbperf.copy_rows(
                    pool, "tick", _interrupted_rows(place, KeyboardInterrupt()), NAMES, batch_id="b", **options
                )
            assert _stored(keyed) == (0, 0)
        assert not dbperf.copy_rows(pool, "tick", ROWS, NAMES, batch_id="b", **options).duplicate_batch
    assert _stored(keyed) == (COUNT, COUNT)


def test_a_signal_while_handlers_are_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler raises; the others are set back all the same, and nothing is lost."""
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)}

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    def note(number: int, _: object) -> None:
        came.append(number)

    def set_back(number: int, handler: Any) -> Any:
        was = set_signal(number, handler)
        if handler is fail and not came:
            signal.raise_signal(signal.SIGUSR2)
            signal.raise_signal(number)
        return was

    set_signal = signal.signal
    try:
        signal.signal(signal.SIGUSR1, fail)
        signal.signal(signal.SIGUSR2, note)
        with monkeypatch.context() as patch:
            patch.setattr(signal, "signal", set_back)
            with pytest.raises(ZeroDivisionError), uninterrupted():
                pass
        assert (signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR2)) == (fail, note)
        assert signal.getsignal(signal.SIGINT) == before[signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert came == [signal.SIGUSR2]


@pytest.mark.parametrize("error", [GeneratorExit(), ZeroDivisionError(), asyncio.CancelledError()], ids=repr)
def test_what_an_asynchronous_generator_raises(
    keyed: psycopg.Connection, upgraded_db: str, options: dict[str, Any], error: BaseException
) -> None:
    async def rows(place: int) -> AsyncIterator[tuple[Any, ...]]:
        for row in _interrupted_rows(place, error):
            yield row

    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(upgraded_db, autocommit=True) as conn:
            for place in (0, 1, 5000, COUNT - 1):
                with pytest.raises(type(error)):
                    await dbperf.aio.copy_rows(conn, "tick", rows(place), NAMES, batch_id="b", **options)
                assert conn.info.transaction_status == TransactionStatus.IDLE
                assert _stored(keyed) == (0, 0)
            await dbperf.aio.copy_rows(conn, "tick", rows(COUNT), NAMES, batch_id="b", **options)

    asyncio.run(run())
    assert _stored(keyed) == (COUNT, COUNT)


# -- cancelled -----------------------------------------------------------------------------


async def _cancel_after(work: asyncio.Task[Any], turns: int) -> bool:
    """Whether *work* was cancelled, after so many turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        return True
    return False


async def _cancelled(dsn: str, kind: str, options: dict[str, Any], turns: int) -> bool:
    """Whether a copy was cancelled before it had ended; what it used is used again, or is a connection that is closed."""
    if kind == "pool":
        async with AsyncConnectionPool(dsn, min_size=1, max_size=1, open=False) as pool:
            work = asyncio.create_task(dbperf.aio.copy_rows(pool, "tick", ROWS, NAMES, batch_id="b", **options))
            was = await _cancel_after(work, turns)
            async with pool.connection() as conn:
                await conn.execute("SELECT 1")
            return was
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=kind == "autocommit") as conn:

        async def copy() -> None:
            if kind == "autocommit":
                await dbperf.aio.copy_rows(conn, "tick", ROWS, NAMES, batch_id="b", **options)
            else:
                async with conn.transaction():
                    await dbperf.aio.copy_rows(conn, "tick", ROWS, NAMES, batch_id="b", **options)

        was = await _cancel_after(asyncio.create_task(copy()), turns)
        if was and conn.closed:  # what psycopg leaves in a COPY, or in a transaction, ends
            return was
        assert conn.info.transaction_status == TransactionStatus.IDLE
        await conn.execute("SELECT 1")
        return was


@pytest.mark.parametrize("kind", ["autocommit", "transaction", "pool"])
def test_a_cancelled_task(
    keyed: psycopg.Connection, upgraded_db: str, options: dict[str, Any], kind: str, rng: random.Random
) -> None:
    cancelled = 0
    for _ in range(8):
        was = asyncio.run(_cancelled(upgraded_db, kind, options, int(2 ** rng.uniform(0, 9))))
        cancelled += was
        stored = _stored(keyed)
        # cancelled while COMMIT is on its way, it may be stored all the same: then the ledger says so
        assert stored in ((0, 0), (COUNT, COUNT))
        assert was or stored == (COUNT, COUNT)
        assert keyed.execute("SELECT FROM dbperf.batch_ledger").rowcount == (stored != (0, 0))
        keyed.execute("TRUNCATE tick, dbperf.batch_ledger")
    assert cancelled
