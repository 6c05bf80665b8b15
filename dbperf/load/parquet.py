"""Parquet, batch by batch. Its times are UTC, with a time zone or without."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dbperf.copy.arrow import check_known, faithful
from dbperf.copy.catalog import Column
from dbperf.copy.conversions.steps import as_is
from dbperf.copy.oids import INTERVAL, JSONS, TIME
from dbperf.errors import RowError
from dbperf.load import advice, int96
from dbperf.load.jsontext import encode
from dbperf.load.reader import Reader, Record
from dbperf.load.source import Progress, Source, unnoticed
from dbperf.load.values import FLOATS, FieldParser, finite, is_parsed, parser, span_parser
from dbperf.load.whole import Whole, is_whole

#: Of one batch, which is held as a whole; fewer rows if they are long.
_BATCH_ROWS, _BATCH_BYTES = 1 << 14, 1 << 25

#: Bytes of a column that are read at once: its part of a row group may be larger than the memory.
_READ_AHEAD = 1 << 20

#: What pyarrow raises for a file that is not right, and for a value that Python does not have.
_TROUBLE = (pa.ArrowException, OSError, ValueError, OverflowError)

#: Why a time of INT96 within a list or struct is refused; pyarrow would have another year for it.
_OUTSIDE = "holds a time of INT96 outside 1677 to 2262: store TIMESTAMP(MICROS) where the file is made"

#: Of a unit of Arrow's.
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}

#: What Python's datetime has.
_FIRST_TIME, _LAST_TIME = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")


class ParquetReader(Reader):
    """A table, counted in rows; null is NULL.

    Raises:
        FileError: the file is no Parquet, or has no columns.
    """

    unit = "row"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        try:
            plain = pa.PythonFile(source.seekable(), mode="r")
            self._file = _opened(plain)
            self._batch_rows = _batch_rows(self._file.metadata)
            self._schema = self._file.schema_arrow
            self.header = list(self._schema.names)
            self._millis = _opened(plain, metadata=self._file.metadata, coerce_int96_timestamp_unit="ms")
            pairs = zip(self._schema, self._millis.schema_arrow, strict=True)
            self._int96 = {field.name for field, other in pairs if field.type != other.type}
        except _TROUBLE as error:
            raise self._damaged(error) from None
        if not self.header:
            raise self.error(None, None, None, "has no columns")

    def records(self, progress: Progress = unnoticed) -> Iterator[Record]:
        """Python's values of every row; a time that Python does not have, or with nanoseconds, is a text."""
        number = 0
        for batch in self._batches(None, progress):
            columns = [
                self._listed(array, name, number) for name, array in zip(self.header, batch.columns, strict=True)
            ]
            for values in zip(*columns, strict=True):
                number += 1
                yield number, values

    def field(self, position: int) -> Iterator[Any]:
        """The values of one column, which alone is read."""
        name = self.header[position]
        done = 0
        for batch in self._batches([name], unnoticed):
            yield from self._listed(batch.column(name), name, done)
            done += batch.num_rows

    def parser(self, position: int, column: Column, *, rounds: bool) -> FieldParser:
        """Values as they are; those that are texts as of CSV."""
        check_known(self.header[position], self._schema.field(position))
        kind = self._schema.field(position).type
        if (column.oid == INTERVAL and pa.types.is_duration(kind)) or (column.oid == TIME and pa.types.is_time(kind)):
            field = span_parser(column, rounds=rounds)
        elif rounds or is_parsed(column):
            field = parser(column, rounds=rounds)
        else:
            field = FieldParser(column.name, finite if pa.types.is_nested(kind) else as_is)
        parse = field.parse
        if column.oid in JSONS:
            field.parse = lambda value: None if value is None else parse(_json_text(value))
        elif pa.types.is_float32(kind) and column.oid not in FLOATS:
            # the shortest decimal that means it, not its 53 bits
            field.parse = lambda value: None if value is None else parse(float(str(np.float32(value))))
        else:
            field.parse = lambda value: None if value is None else parse(value)
        return field

    def record(self, number: int) -> Record:
        """Row *number*, from 1, without a look at those before it."""
        done = 0
        for batch in self._batches(None, unnoticed):
            if number <= done + batch.num_rows:
                row = batch.slice(number - done - 1, 1)
                return number, [
                    self._listed(array, name, number - 1)[0]
                    for name, array in zip(self.header, row.columns, strict=True)
                ]
            done += batch.num_rows
        raise IndexError(number)

    def whole(
        self, filled: Sequence[tuple[int, Column]], constants: dict[str, int], progress: Progress
    ) -> Whole | None:
        """What `copy_arrow` takes, if no value has to be looked at by itself."""
        fields = [(self.header[position], column) for position, column in filled]
        if not all(is_whole(column, self._schema.field(name).type) for name, column in fields):
            return None
        names = list(dict.fromkeys(name for name, _ in fields))
        kinds = {name: pa.timestamp("us") if name in self._int96 else self._schema.field(name).type for name in names}
        return Whole(fields, constants, kinds, self._batches(names, progress), self.error)

    def _batches(self, names: Sequence[str] | None, progress: Progress) -> Iterator[pa.RecordBatch]:
        total, done, reported = self._file.metadata.num_rows, 0, 0
        batches = self._read(names)
        while True:
            try:
                batch = next(batches, None)
            except _TROUBLE as error:
                raise self._damaged(error) from None
            if batch is None:
                break
            yield batch
            done += batch.num_rows
            read = self.source.size * done // max(total, 1)
            progress(read - reported)
            reported = read
        self.source.check_unchanged()
        if done < total:
            raise self.error(None, None, None, f"has {done:,} rows of the {total:,} that it says it has")

    def _read(self, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """Batches of pyarrow's, and those of INT96 as `int96.with_millis` has them, but nested ones."""
        batches = self._file.iter_batches(self._batch_rows, columns=names)
        twice = [name for name in (self.header if names is None else names) if name in self._int96]
        if not twice:
            yield from batches
            return
        done = 0
        for batch in int96.with_millis(batches, self._millis.iter_batches(self._batch_rows, columns=twice)):
            for position, name in enumerate(batch.schema.names):
                if name in twice and pa.types.is_nested(self._schema.field(name).type):
                    if (place := int96.wrapped(batch.column(position))) is not None:
                        raise self.error(done + place + 1, name, None, _OUTSIDE)
                    batch = batch.set_column(position, name, batch.column(position).field("ns"))
            yield batch
            done += batch.num_rows

    def _listed(self, array: pa.Array, name: str, done: int) -> list[Any]:
        """Python's values of one column, of which *done* came before."""
        if name in self._int96 and pa.types.is_timestamp(self._schema.field(name).type):
            return _long_times(array)
        if pa.types.is_timestamp(array.type):
            return _times(array)
        if pa.types.is_duration(array.type) and array.type.unit == "ns":
            return _spans(array)
        if pa.types.is_time(array.type):
            return _times_of_day(array)
        if pa.types.is_nested(array.type):
            try:
                array = faithful(array, range(done + 1, done + 1 + len(array)), name, "error")
            except RowError as error:
                raise self.error(error.row, name, None, advice.of_value(error.reason, name, rounds=False)) from None
        try:
            if pa.types.is_decimal(array.type):
                listed: list[Any] = array.to_numpy(zero_copy_only=False).tolist()  # twice as fast
                return listed
            return array.to_pylist()  # type: ignore[no-any-return]
        except _TROUBLE:
            for number, scalar in enumerate(array, done + 1):
                try:
                    scalar.as_py()
                except _TROUBLE as error:
                    raise self.error(number, name, None, f"Python has no such value ({error})") from None
            raise

    def _damaged(self, error: Exception) -> Exception:
        if isinstance(error, OSError) and error.errno:  # of the disk
            return error
        return self.error(None, None, None, f"is no Parquet, not all of it, or damaged ({error})")


def _opened(plain: pa.NativeFile, **options: Any) -> pq.ParquetFile:
    return pq.ParquetFile(plain, buffer_size=_READ_AHEAD, pre_buffer=False, page_checksum_verification=True, **options)


def _batch_rows(metadata: Any) -> int:
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return int(max(1, min(_BATCH_ROWS, _BATCH_BYTES * metadata.num_rows // max(size, 1))))


def _times(array: pa.Array) -> list[Any]:
    """Naive datetimes in UTC."""
    given = array.view(pa.timestamp(array.type.unit)).to_numpy(zero_copy_only=False)
    micro = given.astype("M8[us]")
    listed: list[Any] = micro.tolist()
    missed = ((micro.astype(given.dtype) != given) | (micro < _FIRST_TIME) | (micro > _LAST_TIME)) & ~np.isnat(given)
    for place in np.flatnonzero(missed).tolist():
        listed[place] = str(given[place])
    return listed


def _long_times(pair: pa.StructArray) -> list[Any]:
    """The same of INT96, which may have years and nanoseconds at once."""
    micro, nanoseconds, nulls = int96.micros(pair)
    micro[nulls] = np.datetime64("NaT")
    listed: list[Any] = micro.tolist()
    missed = ((nanoseconds != 0) | (micro < _FIRST_TIME) | (micro > _LAST_TIME)) & ~nulls
    for place in np.flatnonzero(missed).tolist():
        listed[place] = int96.shown(micro[place], nanoseconds[place])
    return listed


def _spans(array: pa.Array) -> list[Any]:
    """Timedeltas, and texts of those with nanoseconds; pyarrow's own depend on whether pandas is there."""
    numbers = array.view(pa.int64()).to_pylist()
    return [
        number if number is None else f"{number} nanoseconds" if number % 1000 else dt.timedelta(0, 0, number // 1000)
        for number in numbers
    ]


def _times_of_day(array: pa.Array) -> list[Any]:
    """Times, and texts of those that Python does not have; pyarrow makes 01:00 of 25:00."""
    numbers = array.view(pa.int32() if pa.types.is_time32(array.type) else pa.int64()).to_pylist()
    return [number if number is None else _time_of_day(number * _NANOSECONDS[array.type.unit]) for number in numbers]


def _time_of_day(nanoseconds: int) -> dt.time | str:
    if nanoseconds % 1000 or not 0 <= nanoseconds < 86_400 * 10**9:
        return f"{nanoseconds} nanoseconds after midnight"
    return (dt.datetime.min + dt.timedelta(0, 0, nanoseconds // 1000)).time()


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value)
