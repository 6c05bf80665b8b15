"""Look after soft delete, foreign keys, exact types and content: the SQL of ``sql/lib/integrity``, called.

Everything is decided in the database; this module names tables, keeps the lock budget and compares reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors as pg_errors
from psycopg import sql
from psycopg.rows import dict_row, tuple_row

from dbperf.errors import MigrationError, UsageError
from dbperf.migrations import library, session

#: Tables that dbperf looks after: the trading tables and all others with soft delete.
_TABLES = """
SELECT r.relation::text FROM (
    SELECT relation FROM dbperf.trading_table UNION SELECT relation FROM dbperf.soft_delete_table
) AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.relation ORDER BY 1
"""

_TRADING_TABLES = """
SELECT t.name::text, c.relname::text FROM dbperf.trading_table AS t
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.relation WHERE c.relname IS DISTINCT FROM t.name ORDER BY 1
"""


def qualified(conn: psycopg.Connection, table: str) -> str:
    """*table* as the server spells it, schema first.

    Raises:
        UsageError: there is no such table.
    """
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
        try:
            row = cursor.execute("SELECT to_regclass(%s)::oid", [table]).fetchone()
        except (pg_errors.InvalidName, pg_errors.SyntaxError):
            row = None
        if row is None or row[0] is None:
            raise UsageError(f"there is no table {table}: name it as in SQL, with its schema if need be")
        with session.search_path(conn):
            name = cursor.execute("SELECT %s::oid::regclass::text", [row[0]]).fetchone()
    assert name is not None
    return str(name[0])


def looked_after(conn: psycopg.Connection) -> list[str]:
    """The trading tables and every other table with soft delete.

    Raises:
        MigrationError: dbperf is not installed here.
    """
    with conn.transaction(), session.search_path(conn):
        if conn.execute("SELECT to_regclass('dbperf.soft_delete_table')").fetchone() == (None,):
            raise MigrationError(f"database {conn.info.dbname} has no dbperf of this version: run dbperf migrate")
        return [row[0] for row in conn.execute(_TABLES)]


# -- soft delete -----------------------------------------------------------------------------


def enable(
    conn: psycopg.Connection, table: str, *, hot: bool | None, on_deleted_key: str, accept_triggers: bool
) -> None:
    """Enable soft delete and build its index, within the lock budget.

    Args:
        conn: from `dbperf.migrations.session.open_session`.
        table: as in SQL.
        hot: True if no trigger may fire on INSERT; None: only of a partitioned table.
        on_deleted_key: ``refuse`` or ``revive``.
        accept_triggers: the table's own INSERT triggers may fire again for deleted rows.

    Raises:
        psycopg.errors.ObjectNotInPrerequisiteState: rows could be lost or orphaned; the detail says how.
        LockedError: somebody holds a lock on the table.
    """
    name = qualified(conn, table)
    call = "SELECT dbperf.enable_soft_delete(%s, %s, %s, %s)"
    with session.exclusive(conn):
        session.within_budget(conn, lambda: conn.execute(call, [name, hot, on_deleted_key, accept_triggers]))
        plan = sql.SQL("SELECT statement FROM dbperf.soft_delete_index({})").format(sql.Literal(name))
        session.run_plan(conn, plan.as_string(conn), "pg_catalog")


def disable(conn: psycopg.Connection, table: str) -> str | None:
    """Disable soft delete within the lock budget; returns the table that now holds its deleted rows, if any."""
    name = qualified(conn, table)
    with session.exclusive(conn):
        row = session.within_budget(
            conn, lambda: conn.execute("SELECT dbperf.disable_soft_delete(%s)::text", [name]).fetchone()
        )
    return row[0] if row else None


def deletions(conn: psycopg.Connection, limit: int) -> dict[str, list[dict[str, Any]]]:
    """Tables with soft delete and their marked rows; the newest *limit* statements that deleted."""
    looked_after(conn)
    with conn.transaction(), session.search_path(conn), conn.cursor(row_factory=dict_row) as cursor:
        tables = cursor.execute(
            "SELECT relation::text AS table, hot, on_deleted_key, enabled_at, enabled_by::text"
            " FROM dbperf.soft_delete_table WHERE dbperf.has_soft_delete(relation) ORDER BY 1"
        ).fetchall()
        for table in tables:
            query = f"SELECT count(*) AS rows FROM {table['table']} WHERE deleted_at IS NOT NULL"
            table["deleted_rows"] = cursor.execute(query.encode()).fetchall()[0]["rows"]
        statements = cursor.execute(
            "SELECT batch, ordinal, relation::text AS table, deleted_at, deleted_by::text, acting_as::text,"
            " application, client::text, reason, undeleted_at, undeleted_by::text FROM dbperf.deletion"
            " ORDER BY deleted_at DESC, batch DESC, ordinal LIMIT %s",
            [limit],
        ).fetchall()
    return {"tables": tables, "deletions": statements}


def undelete(conn: psycopg.Connection, batch: int) -> dict[str, int]:
    """Bring back what *batch* removed; returns rows by table."""
    with conn.transaction(), session.search_path(conn):
        rows = conn.execute("SELECT relation::text, rows FROM dbperf.undelete(%s) ORDER BY 1", [batch])
        return dict(rows.fetchall())


def purge(conn: psycopg.Connection, table: str, *, older_than: str, batch_size: int, dry_run: bool) -> int:
    """Erase, or only count, rows that were deleted longer ago than *older_than*, in committed batches.

    Args:
        conn: an autocommit connection.
        table: as in SQL.
        older_than: an interval, ``90 days``.
        batch_size: rows of one transaction.
        dry_run: count only.

    Returns:
        the number of rows.
    """
    name = qualified(conn, table)
    row = conn.execute(
        "CALL dbperf.purge(%s, %s::interval, %s, %s)", [name, older_than, batch_size, dry_run]
    ).fetchone()
    assert row is not None
    return int(row[0])


# -- foreign keys and types ------------------------------------------------------------------


def cascades(conn: psycopg.Connection, schema: str, *, restore: bool, dry_run: bool) -> list[str]:
    """Replace the cascading foreign keys of *schema* by RESTRICT, or put them back; returns the statements.

    Args:
        conn: from `dbperf.migrations.session.open_session`.
        schema: of the referencing tables.
        restore: put back what was replaced.
        dry_run: only return the statements.

    Raises:
        OrphanError: rows have lost the row they reference (``DP003``); nothing was changed.
        LockedError: somebody holds a lock on a table.
    """
    plan, procedure = ("restore_keys", "restore_cascades") if restore else ("restrict_keys", "restrict_cascades")
    with session.exclusive(conn):
        with conn.transaction(force_rollback=True), session.search_path(conn):
            rows = conn.execute(
                f"SELECT p.statement FROM unnest(dbperf.referencing_tables_of(%s)) AS t (relation)"
                f" CROSS JOIN LATERAL dbperf.{plan}(t.relation) AS p".encode(),
                [schema],
            )
            statements = [row[0] for row in rows]
        if not dry_run:
            conn.execute(f"CALL dbperf.{procedure}(%s)".encode(), [schema])
    return statements


def inexact(
    conn: psycopg.Connection, table: str, columns: Sequence[str], target: str, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many values of *columns* (all numeric ones that are not settled, if empty) do not survive as *target*.

    Returns:
        their number, and the first *limit* of them: column_name, row_key, value, reason.
    """
    name = qualified(conn, table)
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        chosen = list(columns) or [
            row["attname"]
            for row in cursor.execute(
                "SELECT a.attname::text FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = %s::regclass"
                " AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'numeric'::regtype AND a.attname NOT IN"
                " (SELECT s.column_name FROM dbperf.settled_column AS s WHERE s.relation = a.attrelid)"
                " ORDER BY a.attnum",
                [name],
            )
        ]
        rows = cursor.execute(
            "SELECT count(*) OVER () AS n, c.* FROM dbperf.check_exact(%s, %s::name[], %s) AS c LIMIT %s",
            [name, chosen, target, limit],
        ).fetchall()
    return (rows[0].pop("n") if rows else 0), [{k: v for k, v in row.items() if k != "n"} for row in rows]


def settle(conn: psycopg.Connection, table: str, columns: Sequence[str]) -> None:
    """Mark *columns* as settled money: they stay numeric."""
    name = qualified(conn, table)
    conn.execute("SELECT dbperf.settle_column(%s, VARIADIC %s::name[])", [name, list(columns)])


# -- verify ----------------------------------------------------------------------------------


@dataclass
class Finding:
    """Something that `verify` saw; *severity* is problem or note."""

    severity: str
    table: str
    check: str
    subject: str
    rows: int | None
    message: str


@dataclass
class Report:
    """What `verify` found.

    Attributes:
        tables: rows and hash by table; hash is None if it was not asked for.
        findings: problems and notes.
        differences: sentences about what an earlier report had otherwise.
    """

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether there is no problem and no difference."""
        return not self.differences and all(f.severity != "problem" for f in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; a later `verify` compares itself with it."""
        return asdict(self) | {"sound": self.sound}


def content(conn: psycopg.Connection, tables: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Rows and content hash of *tables*, names as the server spells them."""
    found = {}
    for table in tables:
        row = conn.execute("SELECT rows, hash FROM dbperf.content_hash(%s)", [table]).fetchone()
        assert row is not None
        found[table] = {"rows": row[0], "hash": row[1]}
    return found


def verify(conn: psycopg.Connection, tables: Sequence[str], *, hashes: bool, against: Path | None) -> Report:
    """Check *tables*, or all that dbperf looks after, in one snapshot.

    Args:
        conn: an autocommit connection of the tables' owner.
        tables: as in SQL; none for all.
        hashes: read every row and hash its content too.
        against: an earlier report as JSON, of this database or another one.
    """
    mine = looked_after(conn)
    names = [qualified(conn, table) for table in tables] or mine
    report = Report()
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with session.search_path(conn):
            if not tables:
                report.findings += _of_the_installation(conn)
            for name in names:
                found = conn.execute("SELECT * FROM dbperf.verify(%s)", [name])
                report.findings += [Finding(row[0], name, *row[1:]) for row in found]
            report.tables = content(conn, names) if hashes else {name: {"rows": None, "hash": None} for name in names}
    if against:
        report.differences = _differences(_read_report(against), report.tables)
    return report


def _of_the_installation(conn: psycopg.Connection) -> list[Finding]:
    remedy = "was changed in the database: run dbperf migrate"
    found = [
        Finding("problem", "", "library changed", name, None, f"dbperf.{name} {remedy}")
        for name in library.outdated(conn)[1]
    ]
    for name, now in conn.execute(_TRADING_TABLES).fetchall():
        if now is None:
            found.append(Finding("problem", name, "table missing", name, None, f"trading table {name} was dropped"))
        else:
            found.append(Finding("note", name, "table renamed", name, None, f"trading table {name} is now {now}"))
    return found


def _read_report(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
        return {name: {"rows": entry["rows"], "hash": entry["hash"]} for name, entry in tables.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no report of dbperf --json verify: {error}") from error


def _differences(before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> list[str]:
    """Sentences about tables that are in both but differ, or in one only."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now or name not in before:
            found.append(f"{name} is only in the {'earlier' if name in before else 'later'} report")
        elif before[name]["rows"] != now[name]["rows"]:
            found.append(f"{name} has {now[name]['rows']} rows, it had {before[name]['rows']}")
        elif before[name]["hash"] != now[name]["hash"]:
            found.append(f"{name} has other content in the same number of rows")
    return found
