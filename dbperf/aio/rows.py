"""Write rows with binary COPY."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
from psycopg.copy import AsyncLibpqWriter
from psycopg_pool import AsyncConnectionPool

from dbperf.aio.iterate import each
from dbperf.copy.encoding import (
    CATALOG,
    NO_ROW,
    Column,
    CopyResult,
    Encoder,
    Row,
    TableName,
    choose_columns,
    regclass_name,
)

#: What an encoder raises for a value that it cannot encode.
ENCODING_ERRORS = (
    ArithmeticError, AttributeError, BufferError, LookupError, TypeError, ValueError, struct.error, psycopg.DataError,
)  # fmt: skip


async def copy_rows(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
    table: TableName,
    rows: Any,
    columns: Sequence[str] | None = None,
) -> CopyResult:
    """Insert *rows* into *table* with one binary COPY, all or none.

    The column types come from the catalogue. A value arrives as it is or not at all, except that
    ``numeric(p, s)`` and ``real`` round it as any INSERT does. Table, columns and the first row are checked before
    COPY begins, every other row before its bytes are sent.

    Args:
        conn: a connection: the COPY belongs to its transaction, which stays the caller's to commit
            (outside one, psycopg begins it, or autocommit makes the COPY its own). Or a pool: the
            rows are committed when this returns.
        table: a name as in SQL, or ``(schema, name)`` taken literally.
        rows: an iterable of sequences, or of mappings that all have the same keys. It is consumed
            row by row and never held as a whole.
        columns: names for the values, or the keys to take from each mapping. By default the first
            mapping's keys, or for sequences every column that is not generated.

    Returns:
        a `CopyResult`.

    Raises:
        ColumnError: table or columns cannot be written so; nothing was begun.
        RowError: a value does not fit its column; it names row, column and value.
        psycopg.Error: the server refused a row or the connection broke. After it, and after a
            `RowError` for any row but the first, the transaction is aborted as by any failed
            statement: nothing of *rows* is stored.
    """
    async with _connection(conn) as connection:
        return await _copy(connection, table, rows, columns)


async def _copy(
    conn: psycopg.AsyncConnection[Any], table: TableName, rows: Any, columns: Sequence[str] | None
) -> CopyResult:
    catalog = await _catalog(conn, table)
    source = each(rows)
    first: Row | object = await anext(source, NO_ROW)
    chosen = choose_columns(table, catalog, columns, first)
    if first is NO_ROW:
        return CopyResult(rows=0, inserted=0, bytes=0, seconds=0.0)
    by_name = isinstance(first, Mapping)
    encoder = Encoder(chosen, by_name=by_name, allow_extra=columns is not None, context=conn)
    values = encoder.encode(1, cast(Row, first))

    started = time.perf_counter()
    number = 1
    async with conn.cursor() as cursor:
        writer = _CountingWriter(cursor)
        async with cursor.copy(encoder.statement(), writer=writer) as copy:
            copy.set_types(encoder.oids)
            await _write(copy, encoder, number, values)
            async for row in source:
                number += 1
                await _write(copy, encoder, number, encoder.encode(number, row))
        inserted = cursor.rowcount
    return CopyResult(number, inserted, writer.bytes, time.perf_counter() - started)


async def _write(copy: psycopg.AsyncCopy, encoder: Encoder, number: int, values: Sequence[Any]) -> None:
    try:
        await copy.write_row(values)
    except ENCODING_ERRORS as error:
        raise encoder.explain(number, values, error) from None


async def _catalog(conn: psycopg.AsyncConnection[Any], table: TableName) -> list[Column]:
    async with conn.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        await cursor.execute(CATALOG, {"name": regclass_name(table)})
        return [Column(*row) for row in await cursor.fetchall()]


@asynccontextmanager
async def _connection(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    if isinstance(conn, psycopg.AsyncConnection):
        yield conn
    else:
        async with conn.connection() as borrowed:
            yield borrowed


class _CountingWriter(AsyncLibpqWriter):
    """psycopg's writer, counting the bytes."""

    def __init__(self, cursor: psycopg.AsyncCursor[Any]) -> None:
        super().__init__(cursor)
        self.bytes = 0

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        self.bytes += len(data)
        await super().write(data)
