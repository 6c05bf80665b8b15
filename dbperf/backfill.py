"""Fill partitions with history before they are partitions: the SQL of ``sql/lib/backfill``, called.

Rows go into bare tables, with ``dbperf.copy_rows``, ``copy_columns`` or ``copy_arrow`` into one load table that hands
them on; indexes and keys come afterwards, and all of a partition's rows become visible at once. Everything is
remembered in the database: interrupted anywhere, call the same again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors as pg_errors
from psycopg.rows import dict_row

from dbperf.errors import DbperfError, LockedError, PartitionError, sentence
from dbperf.integrity import qualified
from dbperf.migrations.run import own_errors
from dbperf.migrations.session import (
    Notify,
    open_session,
    refuse_missing,
    refuse_shared_sessions,
    search_path,
    sibling,
    value,
)

_PROGRESS = """
SELECT relation::text, leaf::text, load_table::text, lower_bound::text, upper_bound::text, state, estimated_rows, bytes,
       steps_left, started_at, ended_at
FROM dbperf.backfill_progress
WHERE %(table)s::regclass IS NULL AND state = 'loading' OR relation = %(table)s::regclass
ORDER BY relation::text, lower_bound, started_at
"""

_START = "SELECT dbperf.backfill_range(%s, %s, %s, %s)::text"

_ABORT = "CALL dbperf.run_online(format('SELECT dbperf.backfill_abort(%%L, %%L)', %s::text, %s::boolean))"


def start(
    conn: psycopg.Connection, table: str, begin: datetime, end: datetime, *, accept_triggers: bool = False
) -> str | None:
    """Make a bare table for each partition of *table* between two times; call it again to go on after an interruption.

    Args:
        conn: of the table's owner, in autocommit.
        table: as in SQL; it needs a partition policy.
        begin, end: a range in the past, its end exclusive; naive times are UTC.
        accept_triggers: the table's own INSERT triggers need not fire for these rows.

    Returns:
        name of the load table, schema first: COPY into it, rows of all those partitions in any order. None if
        all of them were finished already.

    Raises:
        PartitionError: the range has other partitions, or the table cannot be filled; nothing was changed.
        PartitionBoundsError: a partition of the range is not past (``DP005``).
        LockedError: somebody makes partitions of the table, and did not end within 5 s.
    """
    refuse_missing(conn, "backfill")
    name = qualified(conn, table)
    with _errors(), conn.transaction(), search_path(conn):
        return value(conn, _START, name, _utc(begin), _utc(end), accept_triggers)  # type: ignore[no-any-return]


def finish(
    conn: psycopg.Connection,
    table: str,
    *,
    connections: int = 2,
    maintenance_work_mem: str | None = None,
    notify: Notify = lambda _: None,
) -> list[str]:
    """Make what was started and filled for *table* its partitions, several at a time.

    Indexes, keys and statistics of each are made while nobody sees its rows; then all of them are visible at once.
    Interrupted anywhere, the next call goes on. One that fails does not stop the others.

    Args:
        conn: of the table's owner; the work is done on connections of its own like it.
        table: as in SQL.
        connections: how many leaves at a time.
        maintenance_work_mem: for each of them, as in SQL; None: the role's.
        notify: gets notices of the server, and the name of each leaf when it is attached.

    Returns:
        the leaves that became partitions.

    Raises:
        psycopg.IntegrityError: rows are doubled, or reference what is not there: the message names some, and the
            remedy. Of several errors the first; the others are its notes.
        PartitionError: the table was changed, rebuilt or partitioned otherwise meanwhile.
        LockedError: somebody holds a lock for too long.
    """
    refuse_missing(conn, "backfill")
    refuse_shared_sessions(conn)
    leaves = [row["leaf"] for row in progress(conn, table) if row["state"] == "loading"]
    address = sibling(conn)

    def one(leaf: str) -> psycopg.Error | DbperfError | None:
        try:
            with _errors(), open_session(address, notify) as own:
                if maintenance_work_mem is not None:
                    own.execute("SELECT set_config('maintenance_work_mem', %s, false)", [maintenance_work_mem])
                own.execute("CALL dbperf.backfill_finish(%s)", [leaf])
        except (psycopg.Error, DbperfError) as error:
            return error
        notify(f"{leaf} is a partition of {table}")
        return None

    with ThreadPoolExecutor(max_workers=max(connections, 1)) as workers:
        failed = [error for error in workers.map(one, leaves) if error is not None]
    if failed:
        for other in failed[1:]:
            failed[0].add_note(sentence(other))
        raise failed[0]
    return leaves


def abort(conn: psycopg.Connection, table: str, at: datetime | None = None, *, discard_rows: bool = False) -> list[str]:
    """Drop what was started for *table*, or what of it is for the time *at*; returns what was dropped.

    Raises:
        NotEmptyError: it holds rows, and nobody said that they are to be discarded.
        PartitionError: nothing was started for *at*.
    """
    refuse_missing(conn, "backfill")
    moment = None if at is None else _utc(at).replace(tzinfo=None)
    leaves = [
        row["leaf"]
        for row in progress(conn, table)
        if row["state"] == "loading"
        and (moment is None or _moment(row["lower_bound"]) <= moment < _moment(row["upper_bound"]))
    ]
    if moment is not None and not leaves:
        raise PartitionError(f"nothing of {table} is being filled for {moment}: dbperf backfill list shows what is")
    for leaf in leaves:
        with _errors():
            conn.execute(_ABORT.encode(), [leaf, discard_rows])
    return leaves


def progress(conn: psycopg.Connection, table: str | None = None) -> list[dict[str, Any]]:
    """Every backfill of *table*, or all that are not over: rows of ``dbperf.backfill_progress``."""
    refuse_missing(conn, "backfill")
    name = qualified(conn, table) if table else None
    with conn.transaction(), search_path(conn), conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_PROGRESS, {"table": name}).fetchall()


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        with own_errors():
            yield
    except pg_errors.LockNotAvailable as error:
        raise LockedError(sentence(error)) from None
    except (pg_errors.ObjectNotInPrerequisiteState, pg_errors.ProgramLimitExceeded) as error:
        raise PartitionError(sentence(error)) from None
