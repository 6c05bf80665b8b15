"""From Arrow data to rows of binary COPY: its buffers are NumPy's, without a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbperf.copy.arrays import Array, objects, without_nanoseconds
from dbperf.copy.catalog import Column
from dbperf.copy.columns import BLOCK_ROWS
from dbperf.copy.joiner import Field, Variable
from dbperf.copy.oids import BYTEA, TEXTS, TIMESTAMPTZ
from dbperf.copy.options import Nanoseconds
from dbperf.copy.reasons import finer_reason
from dbperf.copy.vectors import FieldEncoder, VectorEncoder
from dbperf.errors import ColumnError, RowError

#: Extension types whose values pyarrow gives as Python's. Others store a number or bytes that mean another value.
_EXTENSIONS = {"arrow.bool8", "arrow.json", "arrow.uuid"}


def reader_of(data: Any) -> pa.RecordBatchReader:
    """A stream of record batches from whatever has Arrow's PyCapsule interface.

    Raises:
        ColumnError: *data* has it not, or Arrow has no such data, or it means another value than it stores.
    """
    try:
        reader = _stream(data)
    except (pa.ArrowException, TypeError) as error:
        raise ColumnError(f"pyarrow cannot read this {type(data).__name__}: {error}") from None
    # polars exports the addresses of its objects, as bytes
    for name, kind in zip(reader.schema.names, getattr(data, "dtypes", ()), strict=False):
        if str(kind) == "Object":
            raise ColumnError(f"column {name} holds objects, which Arrow does not: cast it to a type of polars'")
    for field in reader.schema:
        check_known(field.name, field)
    return reader


def _stream(data: Any) -> pa.RecordBatchReader:
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    if hasattr(data, "__arrow_c_array__"):
        batch = pa.record_batch(data)
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    raise ColumnError(f"{type(data).__name__} has no Arrow data: no __arrow_c_stream__ and no __arrow_c_array__")


def check_known(column: str, field: pa.Field) -> None:
    """Look at the extension types of *field*, and within it.

    Raises:
        ColumnError: one is not known.
    """
    kind = field.type
    name = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()  # where nobody has registered it
    if isinstance(kind, pa.BaseExtensionType):
        name = kind.extension_name
    if name and name not in _EXTENSIONS:
        raise ColumnError(f"column {column} is of extension type {name}, which stores something else: cast it")
    for place in range(kind.num_fields):
        check_known(column, kind.field(place))


class Records:
    """Some rows of a stream of record batches, one after the other, with their numbers in the batch."""

    def __init__(self, batch: pa.RecordBatch, numbers: Sequence[int]) -> None:
        self.numbers = numbers
        self._batch = batch

    def __len__(self) -> int:
        count: int = self._batch.num_rows
        return count

    def part(self, first: int, stop: int) -> Records:
        """Rows *first* to *stop*, from 0."""
        return Records(self._batch.slice(first, stop - first), self.numbers[first:stop])

    def pick(self, places: Sequence[int]) -> Records:
        """The rows at *places*, from 0."""
        columns = [_simple(column).take(pa.array(places)) for column in self._batch.columns]
        picked = pa.RecordBatch.from_arrays(columns, self._batch.schema.names)
        return Records(picked, [self.numbers[place] for place in places])

    def columns(self) -> Sequence[Any]:
        """The values of each column."""
        columns: Sequence[Any] = self._batch.columns
        return columns

    def row(self, place: int) -> dict[str, Any]:
        """Row *place*, from 0."""
        return {name: _shown(self._batch.column(name)[place]) for name in self._batch.schema.names}


def _shown(scalar: pa.Scalar) -> Any:
    """The value; what Python has no value for, as text."""
    try:
        return scalar.as_py()
    except (ValueError, ArithmeticError):
        if isinstance(scalar, pa.ListScalar):
            return [_shown(each) for each in scalar.values]
        if isinstance(scalar, pa.StructScalar):
            return {name: _shown(each) for name, each in scalar.items()}
        if isinstance(scalar, (pa.StringScalar, pa.LargeStringScalar)):  # which is none
            return bytes(scalar.as_buffer()).decode(errors="backslashreplace")
        return str(scalar.cast(pa.string()))


def parts_of(reader: pa.RecordBatchReader) -> Iterator[Records]:
    """The rows of *reader*, in parts of at most `BLOCK_ROWS`."""
    done = 0
    for batch in reader:
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            rows = batch.slice(start, BLOCK_ROWS)
            yield Records(rows, range(done + 1, done + 1 + rows.num_rows))
            done += rows.num_rows


class ArrowEncoder(VectorEncoder):
    """Encodes Arrow's columns."""

    @cached_property
    def _sends_utf8(self) -> bool:
        """Whether texts go as Arrow has them."""
        conn = self._context.connection
        return conn is None or conn.info.encoding == "utf-8"

    def field(self, encoder: FieldEncoder, values: Any, numbers: Sequence[int]) -> Field:
        """The field of one column, of rows with these *numbers*."""
        column, array = encoder.column, _simple(values)
        nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
        is_zoned = pa.types.is_timestamp(array.type) and array.type.tz is not None
        if (
            pa.types.is_timestamp(array.type)
            and not encoder.policy.naive_is_utc
            and is_zoned != (column.oid == TIMESTAMPTZ)
        ):
            raise _wrong_zone(column, array, nulls, numbers)
        items = _values(array)
        if items is not None:
            _check_nat(column.name, array, items, nulls, numbers)
            return encoder.array(items, nulls, numbers, is_utc=is_zoned)
        array = faithful(array, numbers, column.name, encoder.policy.nanoseconds)
        texts = _texts(column, array, nulls) if self._sends_utf8 else None
        return texts if texts is not None else encoder.sequence(_listed(column, array, numbers), numbers, nulls)


def _simple(array: pa.Array) -> pa.Array:
    """Without a dictionary or runs, and without views, which neither NumPy nor all of pyarrow knows."""
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_dictionary(array.type):
        array = pa.DictionaryArray.from_arrays(array.indices, _simple(array.dictionary)).dictionary_decode()
    if pa.types.is_string_view(array.type):
        return array.cast(pa.large_string())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(array.type) else array


def _wrong_zone(column: Column, array: pa.Array, nulls: Array | None, numbers: Sequence[int]) -> RowError:
    place = 0 if nulls is None else int((~nulls).argmax())
    reason = (
        f"{array.type} does not fit type {column.type_name}: one of them has a time zone and the other has not; "
        "convert it, or pass naive_is_utc=True"
    )
    return RowError(numbers[place], column.name, str(array[place]), reason)


def _check_nat(column: str, array: pa.Array, items: Array, nulls: Array | None, numbers: Sequence[int]) -> None:
    """Raise RowError for a time or span that is one for Arrow, and that NumPy takes for none."""
    if items.dtype.kind not in "Mm":
        return
    missing = np.isnat(items) if nulls is None else np.isnat(items) & ~nulls
    if missing.any():
        place = int(missing.argmax())
        value = int(items.view("i8")[place])
        raise RowError(numbers[place], column, value, f"{value} of {array.type} is out of range")


def _is_changed(kind: pa.DataType) -> bool:
    """Whether pyarrow may make another value of one of this type, or of one within."""
    if isinstance(kind, pa.BaseExtensionType):
        return _is_changed(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _is_changed(kind.value_type)
    if kind.num_fields:
        return any(_is_changed(kind.field(place).type) for place in range(kind.num_fields))
    is_short = kind in (pa.float16(), pa.float32())
    return is_short or any(is_so(kind) for is_so in (pa.types.is_time, pa.types.is_timestamp, pa.types.is_duration))


def _is_list(kind: pa.DataType) -> bool:
    return any(is_so(kind) for is_so in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def faithful(array: pa.Array, numbers: Sequence[int], column: str, nanoseconds: Nanoseconds) -> pa.Array:
    """An array that pyarrow makes the same Python values of, and the policy for nanoseconds applied.

    It drops those of times, has no Python value for those of timestamps, and gives all 53 bits of a short float.

    Args:
        array: of one column.
        numbers: of its rows.
        column: its name, for errors.
        nanoseconds: as of `Policy`.

    Raises:
        RowError: nanoseconds, or a time that is none.
        ColumnError: Python would change values within this type of Arrow's.
    """
    array = _simple(array)
    kind = array.type
    if not _is_changed(kind):
        return array
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_struct(kind):
        within = [faithful(each, numbers, column, nanoseconds) for each in array.flatten()]
        return pa.StructArray.from_arrays(within, [field.name for field in kind], mask=pa.array(nulls))
    if _is_list(kind):
        lengths = pc.list_value_length(array).fill_null(0).to_numpy()
        elements = faithful(array.flatten(), np.repeat(numbers, lengths).tolist(), column, nanoseconds)
        ends = pa.array(np.append(0, np.cumsum(lengths)), pa.int64())
        return pa.LargeListArray.from_arrays(ends, elements, mask=pa.array(nulls))
    if pa.types.is_time(kind):
        return _times_of_day(array, nulls, numbers, column, nanoseconds)
    items = _values(array)
    if items is None:
        raise ColumnError(
            f"column {column} is of Arrow's type {kind}, of whose values Python would change some: cast it"
        )
    if items.dtype.kind == "f":
        return pa.array(objects(items), pa.float64(), mask=nulls)
    _check_nat(column, array, items, nulls, numbers)
    return _microseconds(array, items, nulls, numbers, column, nanoseconds) if kind.unit == "ns" else array


def _microseconds(
    array: pa.Array, given: Array, nulls: Array, numbers: Sequence[int], column: str, nanoseconds: Nanoseconds
) -> pa.Array:
    """Timestamps or durations of nanoseconds, *given*, without them."""
    micro = without_nanoseconds(given, nanoseconds).astype(f"{given.dtype.kind}8[us]")
    finer = (micro != given) & ~nulls
    if finer.any() and nanoseconds == "error":
        place = int(finer.argmax())
        raise RowError(numbers[place], column, given[place], finer_reason(given[place]))
    kind = pa.duration("us") if pa.types.is_duration(array.type) else pa.timestamp("us", array.type.tz)
    return pa.array(micro.view("i8"), mask=nulls).cast(kind)


def _times_of_day(
    array: pa.Array, nulls: Array, numbers: Sequence[int], column: str, nanoseconds: Nanoseconds
) -> pa.Array:
    """Times as Python has them: within a day, in microseconds; pyarrow makes 01:00 of 25:00."""
    unit = array.type.unit
    width = "i4" if pa.types.is_time32(array.type) else "i8"
    given = _buffer(array, np.dtype(width)).astype(f"m8[{unit}]")
    micro = without_nanoseconds(given, nanoseconds).astype("m8[us]")
    outside = (given.view("i8") < 0) | (micro >= np.timedelta64(1, "D"))  # what NumPy takes for no time is negative
    finer = (micro != given) & (nanoseconds == "error")
    changed = (outside | finer) & ~nulls
    if changed.any():
        place = int(changed.argmax())
        shown = f"{given.view('i8')[place]} of {array.type}"
        reason = f"{shown} is out of range" if outside[place] else finer_reason(given[place])
        raise RowError(numbers[place], column, given[place], reason)
    return pa.array(micro.view("i8"), mask=nulls).cast(pa.time64("us"))


def _listed(column: Column, array: pa.Array, numbers: Sequence[int]) -> list[Any]:
    """Values as Python has them."""
    try:
        return list(array.to_pylist())
    except (ValueError, ArithmeticError):
        for number, scalar in zip(numbers, array, strict=True):
            try:
                scalar.as_py()
            except (ValueError, ArithmeticError) as error:
                raise RowError(number, column.name, None, f"Python has no such {array.type} ({error})") from None
        raise


def _values(array: pa.Array) -> Array | None:
    """The values as NumPy has them; None if it has no such type."""
    kind = array.type
    if pa.types.is_boolean(kind):
        first, shift = divmod(array.offset, 8)
        packed = np.frombuffer(array.buffers()[1], np.uint8)[first : (array.offset + len(array) + 7) // 8]
        return np.unpackbits(packed, bitorder="little")[shift : shift + len(array)].view(bool)
    if pa.types.is_timestamp(kind):
        dtype = f"M8[{kind.unit}]"
    elif pa.types.is_duration(kind):
        dtype = f"m8[{kind.unit}]"
    elif pa.types.is_date64(kind):
        dtype = "M8[ms]"
    elif pa.types.is_date32(kind):
        return _buffer(array, np.dtype("i4")).astype("M8[D]")
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        dtype = kind.to_pandas_dtype()
    else:
        return None
    return _buffer(array, np.dtype(dtype))


def _buffer(array: pa.Array, dtype: np.dtype[Any]) -> Array:
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def _is_utf8(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _texts(column: Column, array: pa.Array, nulls: Array | None) -> Variable | None:
    """Text or bytes as they lie there; None if they have to be looked at one by one."""
    kind = array.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if not ((is_text and column.oid in TEXTS) or (is_binary and column.oid == BYTEA)):
        return None
    if column.labels is not None and not pc.all(pc.is_in(array.drop_null(), pa.array(column.labels, kind))).as_py():
        return None
    wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    offsets = np.frombuffer(array.buffers()[1], "i8" if wide else "i4")[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets).astype(np.int64)
    if nulls is not None and lengths[nulls].any():  # bytes that belong to nobody
        return None
    if is_text and ((data == 0).any() or not _is_utf8(array)):
        return None
    if column.length is not None and lengths.max(initial=0) > column.length < pc.max(pc.utf8_length(array)).as_py():
        return None
    return Variable(lengths, data, nulls)
