"""Build the legacy trading database: the one that dbperf takes over, faults included.

The structure is the one of the baseline migration, the rows come from ``sql/legacy``. The same
arguments give the same rows on every server version.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from dbperf import sqlfiles
from dbperf.errors import NotEmptyError, UsageError
from dbperf.migrations import files

#: The newest plausible tick: "now" for the queries, which must not mean the planted tick of 2099.
NOW = "2026-06-30 21:00:00"

#: Filled in the order of their foreign keys.
TABLES = ("instruments", "alert_rules", "market_data", "alert_logs")

_SCRATCH = "dbperf_baseline"  # the baseline migration builds there

_RELATIONS = """
SELECT c.oid::regclass::text FROM pg_catalog.pg_class AS c
WHERE c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_|^information_schema$')
ORDER BY 1 LIMIT 3
"""


def create(
    conn: psycopg.Connection,
    *,
    ticks: int = 100_000,
    instruments: int = 20,
    seed: int = 1,
    schema: str = "public",
) -> dict[str, int]:
    """Create the legacy tables and fill them, in one transaction; then VACUUM (ANALYZE) them.

    Args:
        conn: an autocommit connection to an empty database.
        ticks: rows of ``market_data``, at least 20; a tenth as many alerts are logged.
        instruments: rows of ``instruments``, 2 to 1000.
        seed: another one gives other rows of the same kind.
        schema: created when it is missing.

    Returns:
        rows by table.

    Raises:
        NotEmptyError: the database holds a relation already.
        UsageError: a number is out of range.
    """
    if ticks < 20 or not 2 <= instruments <= 1000:
        raise UsageError("the legacy database needs at least 20 ticks and 2 to 1000 instruments")
    with conn.transaction():
        _refuse_content(conn)
        baseline = _baseline_statements()
        for statement in baseline:
            if not statement.startswith(("ALTER TABLE", "CREATE INDEX")):
                conn.execute(statement.encode())
        conn.execute("SELECT set_config('search_path', %s, true)", [_SCRATCH])
        rows = {}
        for table in TABLES:
            _fill(conn, table, ticks=ticks, instruments=instruments, seed=seed)
            rows[table] = _finish_sequence(conn, table)
        for statement in baseline:  # keys and indexes once the rows are there: four times faster
            if statement.startswith(("ALTER TABLE", "CREATE INDEX")):
                conn.execute(statement.encode())
        _move(conn, schema)
    for table in TABLES:
        conn.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(schema, table)))
    return rows


def _refuse_content(conn: psycopg.Connection) -> None:
    found = [row[0] for row in conn.execute(_RELATIONS)]
    if found:
        raise NotEmptyError(
            f"database {conn.info.dbname} is not empty (it has {', '.join(found)}): "
            "name an empty one, the legacy database is never mixed with anything"
        )


def _baseline_statements() -> list[str]:
    baseline = next(m for m in files.migrations() if m.number == "0002")
    return [statement for statement in baseline.statements if "adopt_trading_tables" not in statement]


def _fill(conn: psycopg.Connection, table: str, **numbers: int) -> None:
    cursor = psycopg.ClientCursor(conn)  # several statements with parameters: bound on the client
    cursor.execute(sqlfiles.read(f"legacy/{table}.sql").encode(), numbers)


def _finish_sequence(conn: psycopg.Connection, table: str) -> int:
    row = conn.execute(
        sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)), count(*) FROM {}").format(
            sql.Literal(table), sql.Identifier(table)
        )
    ).fetchone()
    assert row is not None
    return int(row[1])


def _move(conn: psycopg.Connection, schema: str) -> None:
    target = sql.Identifier(schema)
    exists = conn.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema]).fetchone()
    if not exists:
        conn.execute(sql.SQL("CREATE SCHEMA {}").format(target))
    for table in TABLES:
        source = sql.Identifier(_SCRATCH, table)
        conn.execute(sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(source, target))
    conn.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(_SCRATCH)))
