"""The instrument whose id a file does not have."""

from __future__ import annotations

import psycopg
from psycopg import sql

from dbperf.errors import UsageError
from dbperf.load.options import Options


def instrument(conn: psycopg.Connection, options: Options) -> tuple[int, bool]:
    """The id of the instrument that *options* name, and whether it was created just now.

    Raises:
        UsageError: there is none and it shall not be created, or there are several.
    """
    row = conn.execute(
        "SELECT relnamespace::regnamespace::text FROM pg_catalog.pg_class WHERE oid = to_regclass(%s)",
        [options.table],
    ).fetchone()
    assert row is not None
    # the schema's name comes quoted from the server
    table = sql.SQL(row[0] + ".instruments")
    if options.create_instrument:  # two loads at once must not create it twice: nothing else forbids that
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"dbperf {options.instrument}"])
    found = conn.execute(
        sql.SQL("SELECT id FROM {} WHERE symbol = %s ORDER BY id").format(table), [options.instrument]
    ).fetchall()
    if len(found) > 1:
        ids = ", ".join(str(identity) for (identity,) in found)
        raise UsageError(
            f"symbol {options.instrument} belongs to {len(found)} instruments (ids {ids}): "
            "make it unique, or give the file a field instrument_id"
        )
    if found:
        return found[0][0], False
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
