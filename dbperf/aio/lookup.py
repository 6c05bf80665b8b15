"""What the writers ask the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from dbperf.copy.catalog import CATALOG, KNOWN, VERSION, Column, TableName, regclass_name
from dbperf.errors import ColumnError, MigrationError


async def catalog_of(conn: psycopg.AsyncConnection[Any], table: TableName) -> list[Column]:
    """The columns of *table*; none, if there is no such table."""
    name = {"name": regclass_name(table)}
    version = next(iter(await rows_of(conn, VERSION, name)), None)
    columns = KNOWN.get(conn, version)
    if columns is None:
        columns = [Column(*row) for row in await rows_of(conn, CATALOG, name)]
        KNOWN.keep(conn, version, columns)
    return columns


async def check_unchanged(conn: psycopg.AsyncConnection[Any], columns: Sequence[Column], *, is_staged: bool) -> None:
    """Look at *columns* again, in the transaction that has filled them: while it lasts nobody can alter them.

    A COPY goes to whatever table has the name. What goes through a temporary table (*is_staged*) must be in the table
    that still has it, because the server knew that by its OID while it waited for who renamed it.

    Raises:
        ColumnError: they are not what they were when the rows were encoded.
    """
    now = await catalog_of(conn, columns[0].table)
    is_other = is_staged and {column.relation for column in now} != {columns[0].relation}
    if is_other or not {column.form for column in now}.issuperset(column.form for column in columns):
        raise ColumnError(
            f"table {columns[0].table} was altered meanwhile, and nothing of the batch is stored: call again"
        )


async def ask(conn: psycopg.AsyncConnection[Any], query: str, *arguments: Any) -> tuple[Any, ...] | None:
    """The row that *query* returns.

    Raises:
        MigrationError: schema dbperf, or a routine of it, is not there.
    """
    try:
        rows = await rows_of(conn, query, arguments)
    except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName) as error:
        if "dbperf" not in (error.diag.message_primary or ""):  # of a trigger
            raise
        raise MigrationError(
            f"this database lacks what the options need ({error.diag.message_primary}): run dbperf migrate"
        ) from None
    return rows[0] if rows else None


async def rows_of(
    conn: psycopg.AsyncConnection[Any], query: str, arguments: Sequence[Any] | Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """The rows that *query* returns, whatever the connection's own cursors and rows are."""
    async with psycopg.AsyncCursor(conn, row_factory=psycopg.rows.tuple_row) as cursor:
        await cursor.execute(query.encode(), arguments)
        return await cursor.fetchall()
