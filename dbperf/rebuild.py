"""Rebuild a live table as another one: the SQL of ``sql/lib/rebuild``, called.

Everything is decided and remembered in the database (`dbperf.rebuild`); this module names tables, waits for a moment
in which nobody is in the way, and vacuums, which no function can.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import errors as pg_errors
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from dbperf.errors import DbperfError, LockedError, RebuildError, sentence
from dbperf.integrity import qualified
from dbperf.migrations.session import Notify, open_session, refuse_missing, refuse_shared_sessions, search_path, value

#: Seconds between two attempts to cut over; the routine itself tries three times within four seconds.
PAUSE_S = 2.0

_PROGRESS = """
SELECT source::text, target::text, state, started_at, ended_at, estimated_rows, copied_rows, copied_at, rows_per_second,
       remaining::text, applied_changes, waiting_changes, stuck_changes, verified_at, verified_rows, differences,
       swapped_at, summary
FROM dbperf.rebuild_progress
WHERE %(table)s::regclass IS NULL AND ended_at IS NULL OR %(table)s::regclass IN (source, target)
ORDER BY id
"""

_VACUUM = """
SELECT s.shadow::regclass::text FROM dbperf.rebuild_sides(%s) AS s
JOIN dbperf.rebuild AS b ON b.id = s.id
WHERE NOT s.is_cut_over AND b.copied_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    WHERE c.relkind = 'r' AND c.relallvisible > 0 AND c.oid IN (SELECT dbperf.table_tree(s.shadow))
)
"""


def start(
    conn: psycopg.Connection,
    table: str,
    target: str,
    mapping: Mapping[str, Any] | None = None,
    accept: Sequence[str] = (),
    *,
    wait: timedelta = timedelta(minutes=5),
) -> None:
    """Begin to rebuild *table* as *target*, an empty table in the same schema: changes are logged from now on.

    Args:
        conn: from `dbperf.migrations.session.open_session`.
        table, target: as in SQL.
        mapping: column of the target → column of the table where their names differ; None: not copied.
        accept: kinds of obstacles to accept: ``publication``, ``unique``, ``check``, ``foreign key``,
            ``generated``.
        wait: how long to wait for a moment in which nobody is in the way.

    Raises:
        RebuildError: something cannot be carried over; the message names all of it, and nothing was changed.
        LockedError: somebody holds a lock on the table.
    """
    names = [qualified(conn, table), qualified(conn, target)]
    given = None if mapping is None else Jsonb(dict(mapping))
    _insist(conn, "SELECT dbperf.rebuild_start(%s, %s, %s, %s)", [*names, given, list(accept)], wait)


def run(conn: psycopg.Connection, table: str, batch_size: int = 5000) -> None:
    """Copy what is left to copy and apply what was changed meanwhile; interrupted anywhere, the next call goes on.

    Args:
        conn: from `open_session`, which passes on how far it is; or any in autocommit.
        table: as in SQL.
        batch_size: rows of one transaction at most; fewer if they take longer than 0.2 s.
    """
    refuse_shared_sessions(conn)
    name = qualified(conn, table)
    _call(conn, "CALL dbperf.rebuild_run(%s, %s)", [name, batch_size])
    with conn.transaction(), search_path(conn):
        copied = value(conn, _VACUUM, name)
    if copied:  # index-only scans need what it writes, the moment the names are swapped
        conn.execute(f"VACUUM (ANALYZE) {copied}".encode())


def run_every(dsn: str | None, table: str, every: timedelta, stop: threading.Event, notify: Notify) -> None:
    """Keep both tables in step: `run` now and then *every* so often, until *stop* is set.

    What goes wrong is said to *notify* and tried again in the next round.
    """
    while True:
        try:
            with open_session(dsn, notify) as conn:
                run(conn, table)
        except (psycopg.Error, DbperfError) as error:
            notify(f"rebuild failed, next try in {every}: {sentence(error)}")
        if stop.wait(every.total_seconds()):
            return


def progress(conn: psycopg.Connection, table: str | None = None) -> list[dict[str, Any]]:
    """How far the rebuilds of *table* are, or all that are not over: rows of ``dbperf.rebuild_progress``."""
    refuse_missing(conn, "rebuild")
    name = qualified(conn, table) if table else None
    with conn.transaction(), search_path(conn), conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_PROGRESS, {"table": name}).fetchall()


def verify(conn: psycopg.Connection, table: str) -> list[dict[str, Any]]:
    """Compare every row of both tables; returns what differs: ``row_key``, ``difference``. Empty if they are equal."""
    name = qualified(conn, table)
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT row_key, difference FROM dbperf.rebuild_verify(%s)", [name]).fetchall()


def cut_over(
    conn: psycopg.Connection, table: str, *, wait: timedelta = timedelta(minutes=5), unverified: bool = False
) -> None:
    """Let the target take the place of *table*, in a moment in which nobody is in the way.

    Args:
        conn: from `open_session`.
        table: as in SQL.
        wait: how long to wait for such a moment; whoever reads or writes meanwhile waits for 150 ms at most.
        unverified: do it without a `verify` that found nothing.

    Raises:
        RebuildError: it is not copied, not verified, or differs.
        LockedError: there was no such moment; nothing was changed.
    """
    _swap(conn, table, "SELECT dbperf.rebuild_cutover(%s, %s)", [unverified], wait)


def revert(
    conn: psycopg.Connection, table: str, *, wait: timedelta = timedelta(minutes=5), unverified: bool = False
) -> None:
    """Take a cutover back, with every write since; as `cut_over`."""
    _swap(conn, table, "SELECT dbperf.rebuild_revert(%s, %s)", [unverified], wait)


def finalize(conn: psycopg.Connection, table: str) -> None:
    """Drop the way back: the table as it was, whose rows are all in the one that is used."""
    run(conn, table)
    _call(conn, "SELECT dbperf.rebuild_finalize(%s)", [qualified(conn, table)])


def abort(conn: psycopg.Connection, table: str) -> None:
    """End a rebuild that is not cut over; *table* is as it was, the target stays as a copy."""
    _call(conn, "CALL dbperf.rebuild_settle(%s)", [qualified(conn, table)])
    _call(conn, "SELECT dbperf.rebuild_abort(%s)", [qualified(conn, table)])


def _swap(conn: psycopg.Connection, table: str, query: str, arguments: list[Any], wait: timedelta) -> None:
    name = qualified(conn, table)
    # before: few changes are left to apply while everybody waits
    _insist(conn, query, [name, *arguments], wait, lambda: run(conn, name))
    run(conn, name)  # triggers of the table that is not used any more go, foreign keys are validated


def _insist(
    conn: psycopg.Connection,
    query: str,
    arguments: list[Any],
    wait: timedelta,
    before: Callable[[], None] = lambda: None,
) -> None:
    deadline = time.monotonic() + wait.total_seconds()
    while True:
        before()
        try:
            _call(conn, query, arguments)
            return
        except LockedError:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_S)


def _call(conn: psycopg.Connection, query: str, arguments: list[Any]) -> None:
    try:
        conn.execute(query.encode(), arguments)
    except pg_errors.LockNotAvailable as error:
        raise LockedError(sentence(error)) from None
    except pg_errors.ObjectNotInPrerequisiteState as error:
        raise RebuildError(sentence(error)) from None
