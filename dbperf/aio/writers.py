"""Write rows or columns with binary COPY."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, cast

import psycopg
from psycopg.copy import AsyncLibpqWriter
from psycopg_pool import AsyncConnectionPool

from dbperf.aio.iterate import each
from dbperf.copy.encoding import (
    CATALOG,
    ENCODING_ERRORS,
    HEADER,
    NO_ROW,
    TRAILER,
    Column,
    CopyResult,
    Encoder,
    Row,
    TableName,
    choose_columns,
    copy_statement,
    regclass_name,
)
from dbperf.errors import UsageError


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


async def copy_columns(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
    table: TableName,
    columns: Mapping[str, Any],
) -> CopyResult:
    """Insert rows, given as columns, into *table* with one binary COPY, all or none.

    As `copy_rows`, at a fraction of its cost: whole arrays are encoded at once. Needs NumPy
    (``pip install 'dbperf[numpy]'``).

    Args:
        conn: as of `copy_rows`.
        table: as of `copy_rows`.
        columns: values by column name, all of one length: NumPy arrays, masked arrays, whose masked values are NULL,
            sequences of Python values, in which None is, or a frame. NaN is a number, NaT is NULL.
            ``datetime64`` goes into ``timestamp`` and ``date``; for ``timestamptz`` pass aware datetimes.

    Returns:
        a `CopyResult`.

    Raises:
        ColumnError: table or columns cannot be written so, or are of several lengths; nothing was begun.
        RowError: a value does not fit its column (out of range, nanoseconds, a fraction of a day, an integer that no
            double means); it names row, column and value. Of the first 8,192 rows before COPY begins.
        psycopg.Error: as of `copy_rows`.
    """
    try:
        from dbperf.copy.vectors import blocks_of
    except ImportError:
        raise UsageError("copy_columns needs NumPy: pip install 'dbperf[numpy]'") from None
    async with _connection(conn) as connection:
        chosen = choose_columns(table, await _catalog(connection, table), list(columns), ())
        values = [columns[column.name] for column in chosen]
        return await _copy_blocks(connection, chosen, blocks_of(chosen, values, connection))


async def copy_arrow(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any], table: TableName, data: Any
) -> CopyResult:
    """Insert Arrow data into *table* with one binary COPY, all or none; its columns by their names.

    As `copy_columns`, from anything with Arrow's PyCapsule interface: tables, record batches and readers of pyarrow,
    frames of polars, pandas and DuckDB. Batch after batch: never held as a whole. Needs pyarrow
    (``pip install 'dbperf[arrow]'``).

    Args:
        conn: as of `copy_rows`.
        table: as of `copy_rows`.
        data: what has ``__arrow_c_stream__`` or ``__arrow_c_array__``. What Arrow says is null is NULL; NaN is a
            number. A timestamp with a time zone goes into ``timestamptz``, one without into ``timestamp``.

    Returns:
        a `CopyResult`.

    Raises:
        ColumnError: table or columns cannot be written so; nothing was begun.
        RowError: a value does not fit its column; it names row, column and value. Of the first block before COPY
            begins.
        psycopg.Error: as of `copy_rows`.
    """
    try:
        from dbperf.copy import arrow
    except ImportError:
        raise UsageError("copy_arrow needs pyarrow: pip install 'dbperf[arrow]'") from None
    reader = arrow.reader_of(data)
    async with _connection(conn) as connection:
        chosen = choose_columns(table, await _catalog(connection, table), reader.schema.names, ())
        return await _copy_blocks(connection, chosen, arrow.blocks_of(chosen, reader, connection))


async def _copy_blocks(
    conn: psycopg.AsyncConnection[Any], columns: Sequence[Column], blocks: Iterator[tuple[int, memoryview]]
) -> CopyResult:
    first = next(blocks, None)
    if first is None:
        return CopyResult(rows=0, inserted=0, bytes=0, seconds=0.0)
    started = time.perf_counter()
    rows, size = 0, len(HEADER) + len(TRAILER)
    async with conn.cursor() as cursor:
        async with cursor.copy(copy_statement(columns)) as copy:
            await copy.write(HEADER)
            for count, data in chain([first], blocks):
                await copy.write(data)
                rows += count
                size += len(data)
            await copy.write(TRAILER)
        inserted = cursor.rowcount
    return CopyResult(rows, inserted, size, time.perf_counter() - started)


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
        async with cursor.copy(copy_statement(chosen), writer=writer) as copy:
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
