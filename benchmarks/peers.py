"""The same rows into the same bare heap: by this library, and by the eight libraries that people use today.

Each way is a context manager that makes its connection and whatever shape of the rows its library takes, and gives a
function that writes all of them and commits. A peer is imported only there, so that one that is missing is reported.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

import dbperf
from benchmarks.workload import TICK_COLUMNS, Values

TABLE = "heap"
NAMES = ", ".join(TICK_COLUMNS)
OIDS = {"timestamp": 1114, "integer": 23, "double precision": 701}
BATCH_ROWS = 8192
TEXT = f"COPY {TABLE} ({NAMES}) FROM STDIN".encode()
BINARY = TEXT + b" (FORMAT BINARY)"


def kind(name: str) -> str:
    """The type of a column of the heap: a tick's, with prices as double precision."""
    if name == "timestamp":
        return name
    return "integer" if name.endswith(("_size", "_id", "volume")) else "double precision"


#: Unlogged: the faster the server, the more a client shows.
CREATE = f"CREATE UNLOGGED TABLE {TABLE} ({', '.join(f'{name} {kind(name)}' for name in TICK_COLUMNS)})"


class Rows:
    """*count* rows in the shapes that writers take: ``columns`` of NumPy, an Arrow ``table``, a list of ``tuples``."""

    def __init__(self, count: int) -> None:
        numbers = np.arange(count)
        values = {
            "timestamp": np.datetime64("2026-07-01", "us") + numbers.astype("m8[s]"),
            "integer": (numbers % 1000).astype("i4"),
            "double precision": numbers % 1000 / 4,
        }
        self.count = count
        self.columns: dict[str, Any] = {name: values[kind(name)] for name in TICK_COLUMNS}

    @cached_property
    def table(self) -> pa.Table:
        return pa.table(self.columns)

    @cached_property
    def tuples(self) -> list[Values]:
        return list(zip(*(column.tolist() for column in self.columns.values()), strict=True))

    @cached_property
    def mappings(self) -> list[dict[str, Any]]:
        return [dict(zip(TICK_COLUMNS, row, strict=True)) for row in self.tuples]


Write = Callable[[], object]
Opener = Callable[[str, Rows], AbstractContextManager[Write]]


@dataclass(frozen=True)
class Way:
    """One way to write rows.

    Args:
        of: the library.
        how: its function, or what tells it from the other ways.
        opened: given the server's URL and the rows.
        by_row: whether it takes Python rows, not columns.
        share: of the rows that it writes, where all of them would take too long.
    """

    of: str
    how: str
    opened: Opener
    by_row: bool
    share: float = 1

    @property
    def name(self) -> str:
        return f"{self.of} {self.how}"


# -- this library ----------------------------------------------------------------------


@contextmanager
def _copy_columns(url: str, rows: Rows) -> Iterator[Write]:
    with psycopg.connect(url, autocommit=True) as conn:
        yield lambda: dbperf.copy_columns(conn, TABLE, rows.columns)


@contextmanager
def _copy_arrow(url: str, rows: Rows) -> Iterator[Write]:
    with psycopg.connect(url, autocommit=True) as conn:
        yield lambda: dbperf.copy_arrow(conn, TABLE, rows.table)


@contextmanager
def _copy_rows(url: str, rows: Rows) -> Iterator[Write]:
    with psycopg.connect(url, autocommit=True) as conn:
        yield lambda: dbperf.copy_rows(conn, TABLE, rows.tuples, TICK_COLUMNS)


@contextmanager
def _sending(url: str, rows: Rows) -> Iterator[Write]:
    """What nobody who uses psycopg's COPY can go below: bytes that are encoded already, in blocks like ours."""
    with psycopg.connect(url, autocommit=True) as conn:
        dbperf.copy_columns(conn, TABLE, rows.columns)
        with conn.cursor() as cursor, cursor.copy(f"COPY {TABLE} ({NAMES}) TO STDOUT (FORMAT BINARY)".encode()) as copy:
            data = b"".join(copy)
        conn.execute(f"TRUNCATE {TABLE}".encode())
        size = -(-len(data) * BATCH_ROWS // rows.count)
        blocks = [data[start : start + size] for start in range(0, len(data), size)]

        def write() -> None:
            with conn.cursor() as cursor, cursor.copy(BINARY) as copy:
                for block in blocks:
                    copy.write(block)

        yield write


# -- its peers -------------------------------------------------------------------------


def _psycopg(*, binary: bool) -> Opener:
    @contextmanager
    def opened(url: str, rows: Rows) -> Iterator[Write]:
        with psycopg.connect(url, autocommit=True) as conn:

            def write() -> None:
                with conn.cursor() as cursor, cursor.copy(BINARY if binary else TEXT) as copy:
                    if binary:
                        copy.set_types([OIDS[kind(name)] for name in TICK_COLUMNS])
                    for row in rows.tuples:
                        copy.write_row(row)

            yield write

    return opened


@contextmanager
def _asyncpg(url: str, rows: Rows) -> Iterator[Write]:
    import asyncpg

    with asyncio.Runner() as runner:
        conn = runner.run(asyncpg.connect(url))
        yield lambda: runner.run(conn.copy_records_to_table(TABLE, records=rows.tuples, columns=TICK_COLUMNS))
        runner.run(conn.close())


@contextmanager
def _pgcopy(url: str, rows: Rows) -> Iterator[Write]:
    import pgcopy
    import psycopg2

    conn = psycopg2.connect(url)

    def write() -> None:
        pgcopy.CopyManager(conn, TABLE, TICK_COLUMNS).copy(rows.tuples, io.BytesIO)
        conn.commit()

    yield write
    conn.close()


@contextmanager
def _pgpq(url: str, rows: Rows) -> Iterator[Write]:
    import pgpq

    with psycopg.connect(url, autocommit=True) as conn:

        def write() -> None:
            encoder = pgpq.ArrowToPostgresBinaryEncoder(rows.table.schema)
            with conn.cursor() as cursor, cursor.copy(BINARY) as copy:
                copy.write(encoder.write_header())
                for batch in rows.table.to_batches(BATCH_ROWS):
                    copy.write(encoder.write_batch(batch))
                copy.write(encoder.finish())

        yield write


@contextmanager
def _adbc(url: str, rows: Rows) -> Iterator[Write]:
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(url) as conn, conn.cursor() as cursor:

        def write() -> None:
            cursor.adbc_ingest(TABLE, rows.table, mode="append")
            conn.commit()

        yield write


@contextmanager
def _polars_adbc(url: str, rows: Rows) -> Iterator[Write]:
    import adbc_driver_postgresql.dbapi as adbc
    import polars

    frame = polars.DataFrame(rows.columns)
    with adbc.connect(url) as conn:
        yield lambda: frame.write_database(TABLE, conn, if_table_exists="append")


@contextmanager
def _pandas_adbc(url: str, rows: Rows) -> Iterator[Write]:
    import adbc_driver_postgresql.dbapi as adbc
    import pandas

    frame = pandas.DataFrame(rows.columns)
    with adbc.connect(url) as conn:
        yield lambda: frame.to_sql(TABLE, conn, if_exists="append", index=False)


@contextmanager
def _engine(url: str) -> Iterator[Any]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    engine.dispose()


@contextmanager
def _pandas_sqlalchemy(url: str, rows: Rows) -> Iterator[Write]:
    import pandas

    frame = pandas.DataFrame(rows.columns)
    with _engine(url) as engine:
        yield lambda: frame.to_sql(TABLE, engine, if_exists="append", index=False)


@contextmanager
def _polars_sqlalchemy(url: str, rows: Rows) -> Iterator[Write]:
    import polars

    frame = polars.DataFrame(rows.columns)
    with _engine(url) as engine:
        yield lambda: frame.write_database(TABLE, engine, if_table_exists="append")


@contextmanager
def _sqlalchemy(url: str, rows: Rows) -> Iterator[Write]:
    import sqlalchemy

    with _engine(url) as engine:
        heap = sqlalchemy.Table(TABLE, sqlalchemy.MetaData(), autoload_with=engine)

        def write() -> None:
            with engine.begin() as conn:
                conn.execute(heap.insert(), rows.mappings)

        yield write


OURS = (
    Way("dbperf", "copy_columns", _copy_columns, by_row=False),
    Way("dbperf", "copy_arrow", _copy_arrow, by_row=False),
    Way("dbperf", "copy_rows", _copy_rows, by_row=True),
)

SENDING = Way("(only sending)", "encoded before", _sending, by_row=False)

#: In their fastest sensible forms. Left out as slower: pgcopy's ``threading_copy`` (1.1 ×), pandas' ``method="multi"``
#: (10 ×), SQLAlchemy over psycopg2 (1.5 ×).
PEERS = (
    Way("psycopg", "binary write_row", _psycopg(binary=True), by_row=True),
    Way("psycopg", "text write_row", _psycopg(binary=False), by_row=True, share=0.2),
    Way("asyncpg", "copy_records_to_table", _asyncpg, by_row=True),
    Way("pgcopy", "CopyManager", _pgcopy, by_row=True, share=0.1),
    Way("pgpq", "encoder, psycopg's COPY", _pgpq, by_row=False),
    Way("ADBC", "adbc_ingest", _adbc, by_row=False),
    Way("pandas", "to_sql, ADBC", _pandas_adbc, by_row=False),
    Way("pandas", "to_sql, SQLAlchemy", _pandas_sqlalchemy, by_row=False, share=0.05),
    Way("polars", "write_database, ADBC", _polars_adbc, by_row=False),
    Way("polars", "write_database, SQLAlchemy", _polars_sqlalchemy, by_row=False, share=0.05),
    Way("SQLAlchemy", "insert", _sqlalchemy, by_row=True, share=0.05),
)

#: What pip calls them.
DISTRIBUTIONS = {
    name: {"ADBC": "adbc-driver-postgresql"}.get(name, name.lower()) for name in dict.fromkeys(w.of for w in PEERS)
}
