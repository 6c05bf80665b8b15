"""Parquet columns that their table takes as they lie there, for `copy_arrow`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dbperf.copy.catalog import Column
from dbperf.copy.oids import BOOLEAN, DATE, DOUBLE, INTEGERS, REAL, TEXTS, TIMESTAMP, TIMESTAMPTZ
from dbperf.errors import FileError
from dbperf.load import int96
from dbperf.load.values import NOT_FINITE

#: By type of the column, what needs no look at its values but `copy_arrow`'s own, and here that floats are finite.
_WHOLE: dict[int, Callable[[pa.DataType], bool]] = {
    **dict.fromkeys(INTEGERS, pa.types.is_integer),
    **dict.fromkeys((REAL, DOUBLE), lambda kind: pa.types.is_float32(kind) or pa.types.is_float64(kind)),
    **dict.fromkeys((TIMESTAMP, TIMESTAMPTZ), pa.types.is_timestamp),
    **dict.fromkeys(TEXTS, lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind)),
    BOOLEAN: pa.types.is_boolean,
    DATE: pa.types.is_date32,
}

#: What an error is made of: row, column, value, reason.
Fail = Callable[[int, str, object, str], FileError]


def is_whole(column: Column, kind: pa.DataType) -> bool:
    """Whether *column* takes every value of this Arrow type as `load` would, or refuses it for the same reason."""
    return column.oid in _WHOLE and _WHOLE[column.oid](kind)


class Whole:
    """Record batches with the names of the table, as something that has Arrow's interface.

    Args:
        fields: name in the batches, and column.
        constants: values of further columns.
        kinds: types of the batches, by name.
        batches: read once.
        fail: makes the error of a value.
    """

    def __init__(
        self,
        fields: Sequence[tuple[str, Column]],
        constants: dict[str, int],
        kinds: dict[str, pa.DataType],
        batches: Iterable[pa.RecordBatch],
        fail: Fail,
    ) -> None:
        self._fields, self._constants, self._batches, self._fail = fields, constants, batches, fail
        own: list[tuple[str, pa.DataType]] = [(column.name, _kind(column, kinds[name])) for name, column in fields]
        self._schema = pa.schema([*own, *((name, pa.int32()) for name in constants)])
        self._error: BaseException | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return pa.RecordBatchReader.from_batches(self._schema, self._converted()).__arrow_c_stream__(requested_schema)

    def __enter__(self) -> Whole:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error and self._error:  # Arrow's interface made a text of it
            raise self._error from None

    def _converted(self) -> Iterator[pa.RecordBatch]:
        done = 0
        try:
            for batch in self._batches:
                arrays = [self._array(column, batch.column(name), done) for name, column in self._fields]
                arrays += [
                    pa.repeat(pa.scalar(value, pa.int32()), batch.num_rows) for value in self._constants.values()
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=self._schema)
                done += batch.num_rows
        except BaseException as error:  # KeyboardInterrupt, too
            self._error = error
            raise

    def _array(self, column: Column, array: pa.Array, done: int) -> pa.Array:
        if pa.types.is_floating(array.type):
            finite = pc.fill_null(pc.is_finite(array), True)
            if (place := pc.index(finite, False).as_py()) >= 0:
                raise self._fail(done + place + 1, column.name, array[place], NOT_FINITE)
        if pa.types.is_struct(array.type):
            array = self._micros(column, array, done)
        return array.view(_kind(column, array.type))

    def _micros(self, column: Column, pair: pa.StructArray, done: int) -> pa.Array:
        """Times of INT96."""
        micro, nanoseconds, nulls = int96.micros(pair)
        if (missed := (nanoseconds != 0) & ~nulls).any():
            place = int(missed.argmax())
            reason = f"is out of range for type {column.type_name}"
            if nanoseconds[place] > 0:
                reason = f"has nanoseconds and PostgreSQL stores microseconds: --round {column.name} rounds half-even"
            raise self._fail(done + place + 1, column.name, int96.shown(micro[place], nanoseconds[place]), reason)
        return pa.array(micro, mask=nulls)


def _kind(column: Column, kind: pa.DataType) -> pa.DataType:
    """The type as the column has it: its times are UTC with a time zone and without."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit, "UTC" if column.oid == TIMESTAMPTZ else None)
    return kind
