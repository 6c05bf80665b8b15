"""Partitions that are always there: the SQL of ``sql/lib/partition``, called.

Everything is decided in the database, by ``dbperf.partition_policy``; this module names tables, repeats, and keeps a
new partition out of the caller's transaction.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import errors as pg_errors
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, tuple_row

from dbperf import database
from dbperf.errors import (
    DbperfError,
    LockedError,
    PartitionBoundsError,
    PartitionError,
    UsageError,
    sentence,
)
from dbperf.integrity import qualified
from dbperf.migrations.run import own_errors
from dbperf.migrations.session import Notify, refuse_missing, refuse_shared_sessions, search_path, sibling, value

_LIST = """
SELECT relation::text, partition::text, lower_bound::text, upper_bound::text, state, rows, rows_are_exact, bytes
FROM dbperf.partitions
WHERE relation = %(table)s::regclass
   OR %(table)s::text IS NULL AND relation IN (SELECT p.relation FROM dbperf.partition_policy AS p)
ORDER BY relation::text, lower_bound
"""

_RUNWAY = """
SELECT relation::text, inserts_succeed_until::text, runway::text, wanted::text, is_long_enough, missing, has_default,
       last_maintained_at, last_sqlstate
FROM dbperf.partition_runway
WHERE relation = coalesce(%(table)s::regclass, relation)
ORDER BY relation::text
"""

# Of this session's runs; others may maintain at the same time.
_LOG = """
SELECT relation::text, created, closed, sqlstate, message, hint
FROM dbperf.maintenance_log WHERE id > %s AND pid = pg_backend_pid() ORDER BY id
"""

# What ATTACH needs SHARE ROW EXCLUSIVE on, and the caller's transaction holds more than a reader's lock on.
_WRITTEN = """
SELECT l.relation FROM pg_catalog.pg_locks AS l
WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.granted
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  AND l.relation IN (
      SELECT k.confrelid FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = %s::regclass AND k.contype = 'f'
  )
ORDER BY 1 LIMIT 1
"""

# Of these times, those that the policy allows.
_ALLOWED = """
SELECT u.at FROM unnest(%(times)s::timestamp[]) AS u (at)
JOIN dbperf.partition_policy AS p ON p.relation = %(table)s::regclass AND u.at <= dbperf.utc_now() + p.max_ahead
"""

# Of these hours, those whose partition _MISSING makes.
_UNMADE = f"""
WITH bounds AS MATERIALIZED (SELECT b.lower, b.upper FROM dbperf.partition_bounds(%(table)s::regclass) AS b)
{_ALLOWED}
WHERE NOT EXISTS (SELECT FROM bounds AS b WHERE b.lower <= u.at AND u.at < b.upper)
"""

_MISSING = f"SELECT m.statement FROM dbperf.missing_partitions(%(table)s::regclass, ARRAY({_ALLOWED})) AS m"

_NAME = """
SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = %s
"""


@dataclass(frozen=True)
class Maintenance:
    """What one run of maintenance did with one table.

    Attributes:
        table: its name, schema first.
        created, closed: partitions made, and recorded as closed.
        sqlstate, message, hint: what went wrong, or None.
    """

    table: str
    created: int
    closed: int
    sqlstate: str | None
    message: str | None
    hint: str | None

    def __str__(self) -> str:
        if self.sqlstate:
            return f"{self.table}: {self.message} ({self.sqlstate})" + (f"; {self.hint}" if self.hint else "")
        return f"{self.table}: {self.created} made, {self.closed} closed"


def listing(conn: psycopg.Connection, table: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Partitions and runway of *table*, or of all tables with a policy.

    Returns:
        ``partitions``: relation, partition, lower_bound, upper_bound (text, UTC), state, rows, rows_are_exact, bytes;
        ``runway``: relation, inserts_succeed_until, runway, wanted, is_long_enough, missing, has_default, ….
    """
    name = qualified(conn, table) if table else None
    with conn.transaction(), search_path(conn), conn.cursor(row_factory=dict_row) as cursor:
        refuse_missing(conn, "partition_policy")
        return {
            "partitions": cursor.execute(_LIST, {"table": name}).fetchall(),
            "runway": cursor.execute(_RUNWAY, {"table": name}).fetchall(),
        }


def maintain(conn: psycopg.Connection, table: str | None = None) -> list[Maintenance]:
    """Make the partitions that the policies ask for, of *table* or all; a table that fails stops no other.

    Args:
        conn: an autocommit connection of the tables' owner, in no transaction.
        table: as in SQL.

    Raises:
        UsageError: *conn* is in a transaction.
        PoolerError: the session is not ours alone.
        PartitionError: *table* has no policy.
    """
    if not conn.autocommit or conn.info.transaction_status != TransactionStatus.IDLE:
        raise UsageError("maintenance commits: give it a connection in autocommit, in no transaction")
    refuse_shared_sessions(conn)
    name = qualified(conn, table) if table else None
    with conn.transaction():
        refuse_missing(conn, "partition_policy")
        last = value(conn, "SELECT coalesce(max(id), 0) FROM dbperf.maintenance_log")
    # those of the role or the database would end it; not every version has each of them
    conn.execute("SET statement_timeout = 0")
    conn.execute(
        "SELECT set_config(s.name, v.value, false) FROM pg_catalog.pg_settings AS s JOIN (VALUES"
        " ('transaction_timeout', '0'), ('default_transaction_isolation', 'read committed')"
        ") AS v (name, value) USING (name)"
    )
    conn.execute("CALL dbperf.maintain(%s)", [name])
    with conn.transaction(), search_path(conn), conn.cursor(row_factory=tuple_row) as cursor:
        done = [Maintenance(*found) for found in cursor.execute(_LOG, [last])]
    if name and not done:
        raise PartitionError(f"{name} has no partition policy, or is paused: look at dbperf.partition_policy")
    return done


def maintain_every(
    dsn: str | None, every: timedelta, stop: threading.Event, notify: Notify, table: str | None = None
) -> None:
    """Maintain now and then *every* so often until *stop* is set.

    Each round has a connection of its own, so a server that restarts or fails over costs a round at most; what goes
    wrong is said to *notify* and tried again in the next one.
    """
    while True:
        try:
            with database.connect(dsn, autocommit=True) as conn:
                for done in maintain(conn, table):
                    notify(str(done))
        except (psycopg.Error, DbperfError) as error:
            notify(f"maintenance failed, next try in {every}: {sentence(error)}")
        if stop.wait(every.total_seconds()):
            return


def ensure(conn: psycopg.Connection, table: str, at: datetime) -> str:
    """The partition of *table* for a row of the time *at*, made if it is missing.

    It is made in a transaction of its own on a connection of its own, because its locks on the tables that *table*
    references last as long as the transaction. So *conn* may be in one, as long as that has written none of those.

    Args:
        conn: the writer's connection.
        table: as in SQL.
        at: naive times are UTC.

    Returns:
        name of the partition, schema first.

    Raises:
        PartitionBoundsError: *at* is further from now than the policy allows (``DP005``).
        PartitionError: the transaction of *conn* has written a table that *table* references, or there is no policy.
        LockedError: somebody else has, and did not end within the lock budget.
    """
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    name = qualified(conn, table)
    found = value(conn, "SELECT dbperf.partition_for(%s, %s)::oid", name, moment)
    if found:
        return str(value(conn, _NAME, found))
    written = value(conn, _WRITTEN, name)
    if written:
        raise PartitionError(
            f"this transaction has already written {value(conn, _NAME, written)}, which {name} references: "
            "a new partition would wait for it in vain; call ensure() before the transaction writes"
        )
    # One message: its statements begin together, and the settings, which a pooler would leave to others, end with it.
    call = sql.SQL(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL ROLE {}; SELECT dbperf.ensure_partition({}, {})::oid; COMMIT"
    ).format(sql.Identifier(value(conn, "SELECT current_user::text")), sql.Literal(name), sql.Literal(moment))
    with psycopg.connect(sibling(conn), autocommit=True) as own:
        try:
            cursor = own.execute(call)
            while cursor.description is None:
                cursor.nextset()
            made = cursor.fetchall()[0][0]
            return str(value(own, _NAME, made))
        except pg_errors.LockNotAvailable as error:
            raise LockedError(sentence(error)) from None
        except psycopg.Error as error:
            if error.sqlstate == "DP005":
                raise PartitionBoundsError(sentence(error)) from None
            if isinstance(error, pg_errors.ObjectNotInPrerequisiteState | pg_errors.ProgramLimitExceeded):
                raise PartitionError(sentence(error)) from None
            raise


def ensure_hours(conninfo: str, table: str, hours: Iterable[datetime]) -> dict[datetime, str]:
    """Make the partitions of *table* that these *hours* (naive UTC) need, on a connection of its own.

    Returns:
        the hours that the partition policy does not allow, each with the reason.

    Raises:
        PartitionError, LockedError: as `ensure`.
    """
    refused = {}
    with psycopg.connect(conninfo, autocommit=True) as own:
        for hour in sorted(hours):
            try:
                ensure(own, table, hour)
            except PartitionBoundsError as error:
                refused[hour] = str(error)
    return refused


def cover(conn: psycopg.Connection, table: str, times: Iterable[datetime]) -> int:
    """Make the partitions of *table* that rows of these *times* need: one for each interval.

    However long ago, for who loads history, but not further ahead than the policy's ``max_ahead``: a row of such a time
    finds none. A writer that meets an odd time calls `ensure`, which has bounds both ways. On a connection of its own,
    as `ensure`; returns how many were missing. A table without a policy needs none.
    """
    moments = sorted({at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at for at in times})
    name = qualified(conn, table)
    with psycopg.connect(sibling(conn), autocommit=True) as own, own_errors():
        if value(own, "SELECT to_regclass('dbperf.partition_policy')") is None:
            return 0
        statements = [row[0] for row in own.execute(_MISSING, {"table": name, "times": moments})]
        own.execute("SET statement_timeout = 0")
        for statement in statements:
            own.execute("CALL dbperf.run_online(%s)", [statement])
    return len(statements)


def unmade(conn: psycopg.Connection, table: str, hours: Iterable[datetime]) -> set[datetime]:
    """Of these *hours* (naive UTC) those whose partition of *table* `cover` would make."""
    name = qualified(conn, table)
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
        if value(conn, "SELECT to_regclass('dbperf.partition_policy')") is None:
            return set()
        return {at for (at,) in cursor.execute(_UNMADE, {"table": name, "times": list(hours)})}


def drain_default(conn: psycopg.Connection, table: str) -> int:
    """Give the rows of the DEFAULT partition of *table* partitions of their own; returns how many moved."""
    return int(value(conn, "CALL dbperf.drain_default(%s)", qualified(conn, table)))


def duration(text: str) -> timedelta:
    """``90s``, ``15m``, ``1h``, ``1d`` as a duration.

    Raises:
        UsageError: it is none, or shorter than a second.
    """
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if not match or not int(match[1]):
        raise UsageError(f"{text!r} is no duration: write 90s, 15m, 1h or 1d")
    return timedelta(**{units[match[2]]: int(match[1])})
