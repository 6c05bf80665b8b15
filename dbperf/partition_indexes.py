"""Indexes of partitioned tables, without a lock that writers would notice: the plans of ``sql/lib/indexes``, run."""

from __future__ import annotations

import psycopg
from psycopg import sql

from dbperf.integrity import qualified
from dbperf.migrations import session
from dbperf.migrations.run import own_errors


def ensure_index(
    conn: psycopg.Connection, table: str, name: str, definition: str, notify: session.Notify | None = None
) -> list[str]:
    """Build an index on the whole tree of a partitioned table; interrupted anywhere, the next call goes on.

    Args:
        conn: from `dbperf.migrations.session.open_session`.
        table: as in SQL.
        name: of the table's index; those of the partitions follow from it.
        definition: what follows ``ON table`` in CREATE INDEX: ``btree (instrument_id, at)``, ``UNIQUE btree (id, at)``.
            Names of functions in it need their schema.
        notify: gets each statement before it runs.

    Returns:
        the statements that were run; none if the table has such an index, whatever its name.

    Raises:
        UsageError: there is no such table.
        LockedError: somebody holds a lock on a table or partition.
        psycopg.Error: the definition is none, the name is taken, rows contradict UNIQUE.
    """
    return _run(conn, "ensure_partitioned_index", notify, qualified(conn, table), name, definition)


def rebuild_invalid(conn: psycopg.Connection, table: str, notify: session.Notify | None = None) -> list[str]:
    """Rebuild what is invalid on *table* and its partitions; as `ensure_index`."""
    return _run(conn, "rebuild_invalid_indexes", notify, qualified(conn, table))


def _run(conn: psycopg.Connection, plan: str, notify: session.Notify | None, *arguments: str) -> list[str]:
    query = sql.SQL("SELECT statement FROM dbperf.{}({})").format(
        sql.Identifier(plan), sql.SQL(", ").join(map(sql.Literal, arguments))
    )
    with session.exclusive(conn), own_errors():
        return session.run_plan(conn, query.as_string(conn), "pg_catalog", notify)
