"""The instrument whose id a file does not have."""

from __future__ import annotations

import psycopg
from psycopg import sql

from dbperf.errors import UsageError
from dbperf.load.options import Options
from dbperf.migrations.session import value


def instrument(conn: psycopg.Connection, options: Options) -> tuple[int, bool]:
    """The id of the instrument that *options* name, and whether it was created just now.

    Raises:
        UsageError: there is none and it shall not be created, or there are several, or it is deleted.
    """
    schema = "SELECT relnamespace::regnamespace::text FROM pg_catalog.pg_class WHERE oid = to_regclass(%s)"
    name = f"{value(conn, schema, options.table)}.instruments"  # the schema's comes quoted from the server
    table = sql.SQL(name)
    marks = sql.SQL("deleted_at IS NULL, deleted_batch" if _has_soft_delete(conn, name) else "true, NULL")
    if options.create_instrument:  # two loads at once must not create it twice: nothing else forbids that
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"dbperf {options.instrument}"])
    found = conn.execute(
        sql.SQL("SELECT id, {} FROM {} WHERE symbol = %s ORDER BY id").format(marks, table), [options.instrument]
    ).fetchall()
    live = [identity for identity, is_live, _ in found if is_live]
    if len(live) > 1:
        ids = ", ".join(map(str, live))
        raise UsageError(
            f"symbol {options.instrument} belongs to {len(live)} instruments (ids {ids}): "
            "make it unique, or give the file a field instrument_id"
        )
    if live:
        return live[0], False
    if found:
        identity, _, batch = found[-1]
        raise UsageError(
            f"instrument {options.instrument} (id {identity}) is deleted: bring it back with dbperf soft-delete "
            f"undelete {batch}, or insert another one with this symbol"
        )
    if not options.create_instrument:
        raise UsageError(f"there is no instrument {options.instrument}: check the symbol, or add --create-instrument")
    made = conn.execute(
        sql.SQL(
            "INSERT INTO {} (symbol, name, type, status, created_at, updated_at) VALUES"
            " (%(symbol)s, %(symbol)s, 'future', 'active', now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')"
            " RETURNING id"
        ).format(table),
        {"symbol": options.instrument},
    ).fetchone()
    assert made is not None
    return made[0], True


def _has_soft_delete(conn: psycopg.Connection, table: str) -> bool:
    if value(conn, "SELECT to_regprocedure('dbperf.has_soft_delete(regclass)')") is None:  # not migrated
        return False
    return bool(value(conn, "SELECT dbperf.has_soft_delete(to_regclass(%s))", table))
