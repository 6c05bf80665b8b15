"""Load a file through `copy_rows`: all of its rows, or none, and once."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from dbperf import partitions
from dbperf.copy import CopyResult, copy_arrow, copy_rows
from dbperf.copy.catalog import PARTITION_COLUMN, Column
from dbperf.copy.conversions import Unreadable
from dbperf.copy.moments import hours_of
from dbperf.copy.options import Options as CopyOptions
from dbperf.errors import DbperfError, FileError, RightsError, RowError, UsageError, sentence
from dbperf.load import advice
from dbperf.load.csvfile import Dialect, parse_dialect
from dbperf.load.instrument import instrument
from dbperf.load.options import LoadResult, Options, parse_mapping
from dbperf.load.reader import Reader, Record
from dbperf.load.readers import FORMATS, reader_of
from dbperf.load.source import STDIN, Progress, Source, unnoticed
from dbperf.load.targets import check_filled, columns_of, targets_of
from dbperf.load.times import parse_forms, time_parser
from dbperf.load.values import FieldParser, is_rounded
from dbperf.migrations.session import sibling, value

__all__ = [
    "FORMATS",
    "STDIN",
    "Dialect",
    "LoadResult",
    "Options",
    "Source",
    "load",
    "parse_dialect",
    "parse_forms",
    "parse_mapping",
    "reader_of",
]

_Writers = psycopg.Connection | ConnectionPool


def load(
    conn: psycopg.Connection,
    source: Source,
    options: Options,
    progress: Progress = unnoticed,
) -> LoadResult:
    """Load a file in one transaction; with ``parallel`` in several that end together, a new instrument before them.

    The file's content is the batch's name in ``dbperf.batch_ledger``, together with table and instrument: the same file
    again changes nothing, and is refused if fields or rounding are others. Without a ledger it is stored again. Times
    without an offset are UTC. Partitions that the rows need, as far ahead as the policy allows, are made first, on a
    connection of their own, and stay even if the file does not; not with ``dry_run``.

    Args:
        conn: a connection, in autocommit or in the caller's transaction.
        source: CSV, NDJSON or Parquet.
        options: see `Options`.
        progress: called with the number of bytes read since the last call, as they lie in the file.

    Raises:
        UsageError: file, table and options do not go together; nothing was begun.
        FileError: a line does not fit; it names file, line, column and value, or the file alone where the server does
            not say which line it is. Nothing was loaded.
        BatchError: the batch was stored before, with other content, fields or rounding. Nothing was loaded.
        psycopg.Error: the server refused something that no line explains.
    """
    file = reader_of(source, options.format, options.dialect)
    columns = columns_of(conn, options.table)
    targets = targets_of(file, columns, options)
    check_filled(columns, targets, options)
    loading = _Loading(file, columns, targets, options)
    loading.make_partitions(conn)
    if options.is_parallel:
        return loading.run_parallel(conn, progress)
    is_own = conn.info.transaction_status == TransactionStatus.IDLE
    with conn.transaction(force_rollback=options.dry_run):
        return loading.run(conn, progress, settles=is_own or options.dry_run)


class _Loading:
    """One file on its way into one table."""

    def __init__(
        self, file: Reader, columns: Sequence[Column], targets: Sequence[tuple[int, str]], options: Options
    ) -> None:
        self._file = file
        self._options = options
        self._partitioned: str | None = None  # the column that partitions are chosen by, if the file fills it
        self._unmade: set[dt.datetime] = set()  # hours without partition in a dry run: their rows are only read
        self._only_read = 0
        by_name = {column.name: column for column in columns}
        self._filled = [(position, by_name[name]) for position, name in targets]
        self._fields = [(position, self._parser(position, column)) for position, column in self._filled]
        filled = {field.column for _, field in self._fields}
        for option, names in (("--round", options.rounded), ("--time", options.times)):
            if unfilled := [name for name in names if name not in filled]:
                raise UsageError(f"{option} {unfilled[0]}: the file does not fill this column")

    def _parser(self, position: int, column: Column) -> FieldParser:
        rounds = column.name in self._options.rounded
        if form := self._options.times.get(column.name):
            return time_parser(column, form, self._file.nulls, rounds=rounds)
        return self._file.parser(position, column, rounds=rounds)

    def make_partitions(self, conn: psycopg.Connection) -> None:
        """Let rows find their partitions, if the policy allows these; reads the times once more than the rest.

        A dry run makes none, and does not try to store what would be in them.
        """
        key = value(conn, PARTITION_COLUMN, self._options.table)
        for position, column in self._filled:
            if column.name == key:
                self._partitioned = key
                field = self._parser(position, column)
                hours = hours_of(_readable(self._file.field(position), field))
                if self._options.dry_run:
                    self._unmade = partitions.unmade(conn, self._options.table, hours)
                else:
                    partitions.cover(conn, self._options.table, hours)

    def run(self, conn: psycopg.Connection, progress: Progress, *, settles: bool) -> LoadResult:
        """Copy the rows; in the caller's transaction, whose deferred constraints are checked if that *settles* them."""
        constants, created, writing = self._begun(conn)
        return self._result(self._copied(conn, constants, writing, progress, settles), created, writing)

    def run_parallel(self, conn: psycopg.Connection, progress: Progress) -> LoadResult:
        """Copy the rows over several connections like *conn*, to which what it does has to be visible.

        Raises:
            UsageError: *conn* is in a transaction.
        """
        if conn.info.transaction_status != TransactionStatus.IDLE:
            raise UsageError("other connections do not see this one's transaction: end it, or leave parallel out")
        with conn.transaction():
            constants, created, writing = self._begun(conn)
        count = writing["parallel"]
        with ConnectionPool(sibling(conn), min_size=count, max_size=count, open=True) as pool:
            return self._result(self._copied(pool, constants, writing, progress), created, writing)

    def _begun(self, conn: psycopg.Connection) -> tuple[dict[str, int], bool, CopyOptions]:
        """Values that are the same in all rows, whether the instrument was made for them, and how to write."""
        has_ledger = _has_ledger(conn)  # says first which rights are missing
        if not self._options.instrument:
            return {}, False, self._writing(None, has_ledger=has_ledger)
        identity, created = instrument(conn, self._options)
        return {"instrument_id": identity}, created, self._writing(identity, has_ledger=has_ledger)

    def _copied(
        self,
        conn: _Writers,
        constants: dict[str, int],
        writing: CopyOptions,
        progress: Progress,
        settles: bool = False,
    ) -> CopyResult:
        try:
            copied = self._copy(conn, constants, writing, progress)
            if settles and isinstance(conn, psycopg.Connection):  # here, where an error can say of which file it is
                conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return replace(copied, rows=copied.rows + self._only_read, inserted=copied.inserted + self._only_read)
        except RowError as error:
            given = error.value.given if isinstance(error.value, Unreadable) else None
            column = next((column for _, column in self._filled if column.name == error.column), None)
            reason = advice.of_value(error.reason, error.column, rounds=column is not None and is_rounded(column))
            raise self._file.error(self._record(error.row)[0], error.column, given, reason) from None
        except DbperfError:
            raise
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise self._from_server(error) from None

    def _result(self, copied: CopyResult, created: bool, writing: CopyOptions) -> LoadResult:
        asked = self._options
        changed = {field.column: field.rounded for _, field in self._fields if field.column in asked.rounded}
        made = asked.instrument if created else None
        return LoadResult(copied, changed, made, asked.dry_run, "batch_id" in writing, self._only_read)

    def _copy(self, conn: _Writers, constants: dict[str, int], writing: CopyOptions, progress: Progress) -> CopyResult:
        asked, whole = self._options, None
        # what fails on the way to Arrow stops everything, and nobody would count there what is rounded
        if writing.get("on_error", "stop") == "stop" and not (asked.rounded or asked.times or self._unmade):
            whole = self._file.whole(self._filled, constants, progress)
        if whole is not None:
            with whole as data:
                return copy_arrow(conn, asked.table, data, **writing)
        names = [column.name for _, column in self._filled] + list(constants)
        return copy_rows(conn, asked.table, self._rows(tuple(constants.values()), progress), names, **writing)

    def _writing(self, identity: int | None, *, has_ledger: bool) -> CopyOptions:
        """With the batch's name, where there is a ledger: which file goes where; its hash says what is made of it."""
        asked, given = self._options, self._options.writing.copy()
        if not asked.is_parallel:
            given.pop("parallel", None)
        if not has_ledger:
            return given
        content = self._file.source.digest()
        fields = sorted((column.name, self._file.header[position]) for position, column in self._filled)
        target = _digest(self._filled[0][1].table, identity)
        how = _digest(content, identity, fields, sorted(set(asked.rounded)), sorted(asked.times.items()), asked.dialect)
        return {"batch_id": f"file {content} {target[:16]}", "content_hash": how, **given}

    def _rows(self, tail: tuple[int, ...], progress: Progress) -> Iterator[tuple[Any, ...]]:
        for _, record in self._file.records(progress):
            values = self._values(record)
            if self._unmade and self._is_only_read(values):
                self._only_read += 1
            else:
                yield (*values, *tail)
        self._file.source.check_unchanged()

    def _values(self, record: Sequence[Any]) -> list[Any]:
        values: list[Any] = []
        for position, field in self._fields:
            try:
                values.append(field.parse(record[position]))
            except (ValueError, ArithmeticError) as error:
                values.append(Unreadable(record[position], str(error)))
        return values

    def _is_only_read(self, values: Sequence[Any]) -> bool:
        """Whether a dry run has no partition for a row that can be read."""
        named = zip(self._fields, values, strict=True)
        times = [given for (_, field), given in named if field.column == self._partitioned]
        return bool(hours_of(times) & self._unmade) and not any(isinstance(given, Unreadable) for given in values)

    def _record(self, number: int) -> Record:
        """Record *number*, from 1, of those that are written."""
        if not self._unmade:
            return self._file.record(number)
        written = (record for record in self._file.records() if not self._is_only_read(self._values(record[1])))
        return next(islice(written, number - 1, None))

    def _from_server(self, error: psycopg.Error) -> FileError:
        """Name the line that the server complains of, if there is one, in whatever language it does so."""
        # "COPY market_data, line 3, column price: …" counts rows
        context = "" if self._options.is_parallel else error.diag.context or ""  # each connection counts its own
        row = re.search(r"COPY .+?, \S+ (\d+)(?:, \S+ ([^:\n]+))?", context)
        # "Key (instrument_id)=(999) is not present …": a foreign key is checked after the last row
        key = re.search(r"\((\w+)\)=\((.*?)\)", error.diag.message_detail or "")
        if row:
            place, record = self._record(int(row[1]))
            column, reason = row[2] or error.diag.column_name, sentence(error)
            if self._partitioned and _finds_no_partition(error):
                column, reason = self._partitioned, f"{reason}; {advice.NO_PARTITION}"
            given = next((record[position] for position, field in self._fields if field.column == column), None)
            return self._file.error(place, column, given, reason)
        place_of_key = self._at_key(key[1], key[2], error) if key else None
        return place_of_key or self._file.error(None, error.diag.column_name, None, advice.of_batch(sentence(error)))

    def _at_key(self, column: str, key: str, error: psycopg.Error) -> FileError | None:
        """*error* at the first record that has this *key*."""
        for position, field in self._fields:
            if field.column == column:
                for number, given in enumerate(self._file.field(position), 1):
                    if str(field.parse(given)) == key:
                        return self._file.error(self._file.record(number)[0], column, given, sentence(error))
        return None


def _has_ledger(conn: psycopg.Connection) -> bool:
    """Whether the database is migrated so far that it knows what was loaded.

    Raises:
        RightsError: the role may not even ask.
    """
    try:
        return value(conn, "SELECT to_regclass('dbperf.batch_ledger')") is not None
    except psycopg.errors.InsufficientPrivilege as error:
        needs = "USAGE ON SCHEMA dbperf; SELECT, INSERT, UPDATE ON dbperf.batch_ledger"
        raise RightsError(f"{sentence(error)}: GRANT to role {conn.info.user} what it lacks of {needs}") from None


def _finds_no_partition(error: psycopg.Error) -> bool:
    """A CHECK has a name, and a trigger that raises this names no table."""
    diag = error.diag
    return isinstance(error, psycopg.errors.CheckViolation) and bool(diag.table_name) and not diag.constraint_name


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _readable(values: Iterator[Any], field: FieldParser) -> Iterator[Any]:
    """What *field* makes of *values*, without those that are none: these are said when the rows are read."""
    for given in values:
        with suppress(ValueError, ArithmeticError):
            yield field.parse(given)
