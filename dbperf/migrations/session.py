"""The one connection that migrates: its settings, its advisory lock, its lock budget."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import tuple_row

from dbperf import database
from dbperf.errors import LockedError, MigrationError, PoolerError

logger = logging.getLogger("dbperf")
Result = TypeVar("Result")

AnyConnection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]

#: Gets what the server or a run has to say beside its result.
Notify = Callable[[str], None]

#: Major versions that are tested; a newer one is a notice, an older one is refused.
OLDEST, NEWEST = 15, 18

#: Key of the advisory lock around every run: "dbperf" in ASCII, then 1.
ADVISORY_KEY = int.from_bytes(b"dbperf\x00\x01")

#: Writers queue behind a waiting ALTER TABLE: so it waits 50 ms, three times, 2 s apart (150 ms in all).
LOCK_TIMEOUT_MS = 50
LOCK_ATTEMPTS = 3
LOCK_PAUSE_S = 2.0

#: Seconds for which a run waits for another one, and how often it looks. It must not wait inside
#: pg_advisory_lock(): that holds a snapshot, for which CREATE INDEX CONCURRENTLY waits in turn.
OTHER_RUN_TIMEOUT_S = 600.0
OTHER_RUN_POLL_S = 0.1

#: After how many seconds of waiting the watcher says for whom.
WATCH_AFTER_S = 5.0

#: Statements that no writer queues behind, and procedures, which keep the budget; a name may hold such words too.
_WAITS_FOR_NOBODY = re.compile(
    r"(CREATE (UNIQUE )?|DROP |RE)INDEX (INDEX )?CONCURRENTLY |ALTER TABLE .* VALIDATE CONSTRAINT |CALL |VACUUM "
)

# A role's or database's own limits must not end a long index build, and no query of the
# catalogue shall be compiled while it holds locks. Timeouts that a server does not have are left out.
_SETTINGS = """
SELECT set_config(s.name, v.value, false)
FROM pg_catalog.pg_settings AS s
JOIN (VALUES ('lock_timeout', '0'), ('transaction_timeout', '0'),
             ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'),
             ('check_function_bodies', 'off'), ('default_tablespace', ''),
             ('default_transaction_isolation', 'read committed'),
             ('jit', 'off')) AS v (name, value) ON v.name = s.name
"""


@contextmanager
def open_session(dsn: str | None, notify: Notify) -> Iterator[psycopg.Connection]:
    """Connect for migrating: autocommit, no timeouts, the server's notices go to *notify*."""
    with database.connect(dsn, autocommit=True) as conn:
        _check_version(conn, notify)
        conn.add_notice_handler(lambda diag: notify(diag.message_primary or ""))
        conn.execute("SET statement_timeout = 0")  # first: a short one would end even the next statement
        conn.execute(_SETTINGS)
        # Ends a statement of ours once this process is killed; not every platform has it.
        with suppress(errors.InvalidParameterValue):
            conn.execute("SET client_connection_check_interval = '1s'")
        yield conn


def accept(conn: psycopg.Connection, kinds: Sequence[str]) -> None:
    """Let plans that rebuild a table go on in spite of these kinds of obstacles."""
    conn.execute("SELECT set_config('dbperf.accept', %s, false)", [",".join(kinds)])


def _check_version(conn: psycopg.Connection, notify: Notify) -> None:
    major = conn.info.server_version // 10000
    if major < OLDEST:
        raise MigrationError(f"this server is PostgreSQL {major}: dbperf needs {OLDEST} or later")
    if major > NEWEST:
        notify(f"PostgreSQL {major} is newer than the newest that dbperf was tested on, {NEWEST}")


@contextmanager
def exclusive(conn: psycopg.Connection, timeout: float = OTHER_RUN_TIMEOUT_S) -> Iterator[None]:
    """Hold the advisory lock of this database: one run at a time.

    Raises:
        LockedError: another session held it for *timeout* seconds.
        PoolerError: the session is not ours alone.
    """
    refuse_shared_sessions(conn)
    started = time.monotonic()
    deadline, said = started + timeout, False
    while not value(conn, "SELECT pg_try_advisory_lock(%s)", ADVISORY_KEY):
        if not said and time.monotonic() > started + WATCH_AFTER_S:
            logger.warning("waiting for another session (%s) that migrates this database", _holder(conn))
            said = True
        if time.monotonic() > deadline:
            raise LockedError(
                f"another session ({_holder(conn)}) is migrating this database: wait for it, or end it "
                "with pg_terminate_backend() if its client is gone"
            )
        time.sleep(OTHER_RUN_POLL_S)
    try:
        yield
    finally:
        with suppress(psycopg.OperationalError):
            conn.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_KEY])


def refuse_shared_sessions(conn: psycopg.Connection) -> None:
    """Refuse a pooler that shares sessions between clients: locks and settings would go astray.

    A pooler shows by a process id that is not the backend's. One in session mode is harmless: so
    a second connection is opened, and only if it meets the first one's backend is it refused.

    Raises:
        PoolerError: it does.
    """
    mine = value(conn, "SELECT pg_backend_pid()")
    if conn.info.backend_pid == mine:
        return
    with psycopg.connect(sibling(conn), autocommit=True) as other:
        if value(other, "SELECT pg_backend_pid()") == mine:
            raise PoolerError(
                "this connection goes through a pooler in transaction mode (PgBouncer?), where a session "
                "has no locks of its own: migrate over a direct connection to the server"
            )


def assert_exclusive(conn: psycopg.Connection) -> None:
    """Make sure that this very backend holds the advisory lock.

    Raises:
        PoolerError: it does not; a pooler handed the session to somebody else.
    """
    held = value(
        conn,
        "SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
        " AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32 | objid::bigint) = %s AND objsubid = 1",
        ADVISORY_KEY,
    )
    if not held:
        raise PoolerError("the session lost its advisory lock: migrate over a direct connection to the server")


def within_budget(conn: psycopg.Connection, work: Callable[[], Result]) -> Result:
    """Run *work* in one transaction whose waits for locks stay within the budget.

    Raises:
        LockedError: every attempt met a lock that somebody holds.
    """
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            with conn.transaction():
                conn.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}".encode())
                assert_exclusive(conn)
                return work()
        except errors.LockNotAvailable as error:
            logger.info("attempt %d met a lock: %s", attempt, error)
            if attempt < LOCK_ATTEMPTS:
                time.sleep(LOCK_PAUSE_S)
    raise LockedError(
        "somebody holds a lock on the table; nothing was changed: look for long transactions in "
        "pg_stat_activity and run this again"
    )


@contextmanager
def search_path(conn: psycopg.Connection, *schemas: str) -> Iterator[None]:
    """Let unqualified names mean *schemas*, inside the caller's transaction; none: only pg_catalog's.

    After an error the transaction ends, and the setting with it.
    """
    before = value(conn, "SHOW search_path")
    path = ", ".join(sql.Identifier(schema).as_string(conn) for schema in schemas or ("pg_catalog",))
    conn.execute("SELECT set_config('search_path', %s, true)", [path])
    yield
    conn.execute("SELECT set_config('search_path', %s, true)", [before])


def run_plan(conn: psycopg.Connection, plan: str, schema: str, notify: Notify | None = None) -> list[str]:
    """Run what *plan* returns until it returns nothing: then the database is as it asks.

    Args:
        plan: a SELECT whose rows are statements, each to be committed by itself.
        schema: what its unqualified names mean.
        notify: gets each statement before it runs.

    Returns:
        the statements that were run.
    """
    done: list[str] = []
    last: list[str] = []
    while rows := _plan(conn, plan, schema):
        if rows == last:
            raise MigrationError(f"running {rows[0]!r} changed nothing: another session undoes it, end that first")
        last = rows
        for statement in rows:
            assert_exclusive(conn)
            if notify:
                notify(statement)
            _run_online(conn, statement)
            done.append(statement)
    return done


def _run_online(conn: psycopg.Connection, statement: str) -> None:
    """Run a statement of a plan: if writers would queue behind it, within the lock budget."""
    if _WAITS_FOR_NOBODY.match(statement):
        with watcher(conn):
            conn.execute(statement.encode())
    else:
        within_budget(conn, lambda: conn.execute(statement.encode()))


def _plan(conn: psycopg.Connection, plan: str, schema: str) -> list[str]:
    with conn.transaction(), search_path(conn, schema):
        assert_exclusive(conn)
        return [row[0] for row in conn.execute(plan.encode())]


@contextmanager
def watcher(conn: psycopg.Connection) -> Iterator[None]:
    """While a CONCURRENTLY statement runs, say for whom it waits.

    It waits without a timeout, because one would leave an invalid index; its wait blocks no writer.
    """
    stop = threading.Event()
    pid, address = conn.info.backend_pid, sibling(conn)
    thread = threading.Thread(target=_watch, args=(pid, address, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def refuse_missing(conn: psycopg.Connection, name: str) -> None:
    """Raise MigrationError if the database has no table dbperf.*name* yet."""
    if value(conn, "SELECT to_regclass(%s)", f"dbperf.{name}") is None:
        raise MigrationError(f"database {conn.info.dbname} has no dbperf of this version: run dbperf migrate")


def sibling(conn: AnyConnection) -> str:
    """The connection string of another session like *conn*, password included: never print it."""
    return make_conninfo(conn.info.dsn, password=conn.info.password or None)


def _watch(pid: int, address: str, stop: threading.Event) -> None:
    if stop.wait(WATCH_AFTER_S):
        return
    seen: set[int] = set()
    with suppress(psycopg.OperationalError), psycopg.connect(address, autocommit=True) as conn:
        while not stop.wait(1):
            for blocker, state, since in conn.execute(
                "SELECT pid, state, date_trunc('second', now() - xact_start)::text FROM pg_stat_activity"
                " WHERE pid = ANY (pg_blocking_pids(%s))",
                [pid],
            ):
                if blocker not in seen:
                    logger.warning("waiting for the transaction of pid %s (%s, open for %s)", blocker, state, since)
                seen.add(blocker)


def _holder(conn: psycopg.Connection) -> str:
    pid = value(
        conn,
        "SELECT min(pid) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted"
        " AND (classid::bigint << 32 | objid::bigint) = %s",
        ADVISORY_KEY,
    )
    return f"pid {pid}" if pid else "just gone"


def value(conn: psycopg.Connection, query: str, *arguments: object) -> Any:
    """First column of the first row of *query*; None if there is none."""
    with conn.cursor(row_factory=tuple_row) as cursor:  # whatever the caller's connection has
        row = cursor.execute(query.encode(), arguments).fetchone()
    return row[0] if row else None
