"""Write rows or columns with binary COPY."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Unpack

import psycopg
from psycopg_pool import AsyncConnectionPool

from dbperf.aio.batch import Batch as AsyncBatch
from dbperf.aio.interrupts import ainterrupted_once
from dbperf.aio.iterate import atake, each
from dbperf.aio.lookup import catalog_of as acatalog_of
from dbperf.aio.parallel import Parallel as AsyncParallel
from dbperf.copy.catalog import TableName, choose_columns
from dbperf.copy.encoders import encoder_for
from dbperf.copy.interrupts import nothing_half_open
from dbperf.copy.options import CopyResult, Options, Settings, settings_of
from dbperf.copy.rows import BYTES, ROWS, Rows, RowShape, weight
from dbperf.errors import UsageError

#: Rows that are taken at once, before one of them is weighed.
_STEP = 256


async def copy_rows(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
    table: TableName,
    rows: Any,
    columns: Sequence[str] | None = None,
    **options: Unpack[Options],
) -> CopyResult:
    """Write *rows* into *table* with binary COPY, all or none.

    The column types come from the catalogue. A value arrives as it is or not at all, except that ``real`` rounds it as
    any INSERT does. Table, columns and the first rows are checked before COPY begins, every other row before its bytes
    are sent, and table and columns again before the batch ends. Whole columns are encoded at once where NumPy is
    installed (``pip install 'dbperf[numpy]'``).

    Args:
        conn: a connection: the COPY belongs to its transaction, which stays the caller's to commit
            (outside one, psycopg begins it, or autocommit makes the COPY its own). Or a pool: the
            rows are committed when this returns.
        table: a name as in SQL, or ``(schema, name)`` taken literally.
        rows: an iterable of sequences, or of mappings that all have the same keys. It is consumed in pieces of 1,280
            rows, or some 4 MiB of texts, and never held as a whole: a row must not change once it was given.
        columns: names for the values, or the keys to take from each mapping. By default the first
            mapping's keys, or for sequences every column that is not generated.
        **options: what becomes of conflicts, bad rows and repeated batches, and how values are fitted: see
            `dbperf.copy.options.Options`.

    Returns:
        a `CopyResult`.

    Raises:
        TypeError, UsageError: there is no such option, or it cannot be meant; nothing was begun.
        ColumnError: table or columns cannot be written so; nothing was begun. Or they were altered meanwhile.
        RowError: a value does not fit its column; it names row, column and value.
        BadRowsError, BatchError, PartitionBoundsError, MigrationError: see the options.
        psycopg.Error: the server refused a row or the connection broke. After it, as after the others, nothing of
            *rows* is stored, and the caller's transaction is as it was before.
    """
    settings = settings_of(options)
    source = each(rows)
    async with _connection(conn) as connection:
        catalog = await acatalog_of(connection, table)
        first = await atake(source, 1)
        chosen = choose_columns(table, catalog, columns, first[0] if first else None)
        shape = RowShape(chosen, bool(first) and isinstance(first[0], Mapping), columns is not None)
        parts = _parts(shape, first, source)
        encoders = partial(encoder_for, chosen, policy=settings.policy, numbered=settings.is_staged)
        if not settings.is_split:
            return await AsyncBatch(connection, chosen, encoders(connection), settings).write(parts)
    return await AsyncParallel(_pool(conn, settings), chosen, encoders, settings).write(parts)


async def copy_columns(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
    table: TableName,
    columns: Any,
    **options: Unpack[Options],
) -> CopyResult:
    """Write rows, given as columns, into *table* with binary COPY, all or none.

    As `copy_rows`, at a fraction of its cost: whole arrays are encoded at once. Needs NumPy
    (``pip install 'dbperf[numpy]'``).

    Args:
        conn: as of `copy_rows`.
        table: as of `copy_rows`.
        columns: values by column name, a mapping or a frame, all of one length: NumPy arrays, masked arrays, whose
            masked values are NULL, sequences of Python values, in which None is. NaN is a number, NaT is NULL.
            ``datetime64`` goes into ``timestamp`` and ``date``; for ``timestamptz`` pass aware datetimes.
        **options: as of `copy_rows`.

    Returns:
        a `CopyResult`.

    Raises:
        ColumnError: table or columns cannot be written so, or are of several lengths; nothing was begun.
        RowError: a value does not fit its column (out of range, nanoseconds, a fraction of a day, an integer that no
            double means); it names row, column and value. Of the first 8,192 rows before COPY begins.
        psycopg.Error and others: as of `copy_rows`.
    """
    try:
        from dbperf.copy.columns import names_of, parts_of
        from dbperf.copy.vectors import VectorEncoder
    except ImportError:
        raise UsageError("copy_columns needs NumPy: pip install 'dbperf[numpy]'") from None
    settings = settings_of(options)
    async with _connection(conn) as connection:
        chosen = choose_columns(table, await acatalog_of(connection, table), names_of(columns), ())
        parts = parts_of(chosen, [columns[column.name] for column in chosen])
        encoders = partial(VectorEncoder, chosen, policy=settings.policy, numbered=settings.is_staged)
        if not settings.is_split:
            return await AsyncBatch(connection, chosen, encoders(connection), settings).write(parts)
    return await AsyncParallel(_pool(conn, settings), chosen, encoders, settings).write(parts)


async def copy_arrow(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
    table: TableName,
    data: Any,
    **options: Unpack[Options],
) -> CopyResult:
    """Write Arrow data into *table* with binary COPY, all or none; its columns by their names.

    As `copy_columns`, from anything with Arrow's PyCapsule interface: tables, record batches and readers of pyarrow,
    frames of polars, pandas and DuckDB. Batch after batch: never held as a whole. Needs pyarrow
    (``pip install 'dbperf[arrow]'``).

    Args:
        conn: as of `copy_rows`.
        table: as of `copy_rows`.
        data: what has ``__arrow_c_stream__`` or ``__arrow_c_array__``. What Arrow says is null is NULL; NaN is a
            number. A timestamp with a time zone goes into ``timestamptz``, one without into ``timestamp``.
        **options: as of `copy_rows`.

    Returns:
        a `CopyResult`.

    Raises:
        ColumnError: table or columns cannot be written so; nothing was begun.
        RowError: a value does not fit its column; it names row, column and value. Of the first block before COPY
            begins.
        psycopg.Error and others: as of `copy_rows`.
    """
    try:
        from dbperf.copy import arrow
    except ImportError:
        raise UsageError("copy_arrow needs pyarrow: pip install 'dbperf[arrow]'") from None
    settings = settings_of(options)
    reader = arrow.reader_of(data)
    async with _connection(conn) as connection:
        chosen = choose_columns(table, await acatalog_of(connection, table), reader.schema.names, ())
        parts = arrow.parts_of(reader)
        encoders = partial(arrow.ArrowEncoder, chosen, policy=settings.policy, numbered=settings.is_staged)
        if not settings.is_split:
            return await AsyncBatch(connection, chosen, encoders(connection), settings).write(parts)
    return await AsyncParallel(_pool(conn, settings), chosen, encoders, settings).write(parts)


async def _parts(shape: RowShape, first: list[Any], source: Any) -> AsyncIterator[Rows]:
    rows, done = first, 0
    while rows:
        held = weight(rows[0])
        while len(rows) < ROWS and held < BYTES:
            more = await atake(source, min(ROWS - len(rows), _STEP, 1 + (BYTES - held) // weight(rows[-1])))
            if not more:
                break
            rows += more
            held += len(more) * weight(more[-1])
        yield Rows(shape, rows, range(done + 1, done + 1 + len(rows)))
        done += len(rows)
        rows = await atake(source, 1)


def _pool(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any], settings: Settings
) -> AsyncConnectionPool[Any]:
    if isinstance(conn, psycopg.AsyncConnection) or 0 < conn.max_size < settings.parallel:
        raise UsageError(f"parallel and commit='each' need a pool of {settings.parallel} connections or more: pass one")
    return conn


@asynccontextmanager
async def _connection(
    conn: psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    if isinstance(conn, psycopg.AsyncConnection):
        with nothing_half_open([conn]):
            yield conn
    else:
        with ainterrupted_once():
            async with conn.connection() as borrowed:
                with nothing_half_open([borrowed]):
                    yield borrowed
