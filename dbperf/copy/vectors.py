"""From the values of one column to a `Field`: whole arrays where NumPy has the type, else one by one.

Nothing is changed on the way: what a column cannot hold raises a `RowError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg.abc import AdaptContext, Dumper
from psycopg.pq import Format

from dbperf.copy.columnar import Field, Fixed, Joiner, Variable
from dbperf.copy.conversions import (
    DATE,
    DOUBLE,
    INTEGERS,
    REAL,
    TIMESTAMP,
    TIMESTAMPTZ,
    Converter,
    converter,
    show,
)
from dbperf.copy.encoding import ENCODING_ERRORS, Column
from dbperf.errors import ColumnError, RowError

Array = npt.NDArray[Any]

#: Rows of one block: many enough for NumPy, few enough for the cache.
BLOCK_ROWS = 8192

_BOOLEAN = 16

#: PostgreSQL counts from 2000-01-01, NumPy from 1970-01-01.
_EPOCH_DAYS = 10_957
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000

#: The first and the last day that PostgreSQL has, counted from 1970; the last timestamp is beyond NumPy's.
_FIRST_DAY, _LAST_DAY = _EPOCH_DAYS - 2_451_545, _EPOCH_DAYS + 2_145_031_948
_FIRST_US = _FIRST_DAY * 86_400_000_000

#: Whole numbers up to here are doubles exactly.
_EXACT = 2**53

#: An array's values as they are sent, and which of them would be changed by that (None: none).
Encoded = tuple[Array, Array | None]


def blocks_of(
    columns: Sequence[Column], values: Sequence[Any], context: AdaptContext
) -> Iterator[tuple[int, memoryview]]:
    """Rows of binary COPY from the values of each column: how many rows, and their bytes, again and again.

    Raises:
        ColumnError: columns are of several lengths.
        RowError: when its turn comes: a value does not fit.
    """
    vectors = [Vector(column, each, context) for column, each in zip(columns, values, strict=True)]
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1:
        shown = ", ".join(f"{vector.column.name} {len(vector)}" for vector in vectors)
        raise ColumnError(f"columns are of several lengths: {shown}")
    return _blocks(vectors, lengths.pop())


def _blocks(vectors: Sequence[Vector], rows: int) -> Iterator[tuple[int, memoryview]]:
    joiner = Joiner()
    for start in range(0, rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, rows)
        yield stop - start, joiner.join([vector.field(start, stop) for vector in vectors]).data


class Vector:
    """The values of one column, encoded a block at a time.

    Args:
        column: where they go.
        values: an array, masked or not, or a sequence.
        context: the connection; its registered adapters count.
    """

    def __init__(self, column: Column, values: Any, context: AdaptContext) -> None:
        self.column = column
        self._values = _plain(values)
        if isinstance(values, (str, bytes)) or getattr(self._values, "ndim", 1) == 0:
            raise ColumnError(f"column {column.name} is given {show(values)}, which is no array and no sequence")
        self._encoder = FieldEncoder(column, context)

    def __len__(self) -> int:
        return len(self._values)

    def field(self, start: int, stop: int) -> Field:
        """Rows *start* to *stop*, from 0.

        Raises:
            RowError: a value does not fit.
        """
        return self._encoder.field(*_array(self._values[start:stop]), start, self.column.oid)


class FieldEncoder:
    """Encodes values for one column: an array as a whole, or what NumPy has no type for one by one, as `copy_rows`."""

    def __init__(self, column: Column, context: AdaptContext) -> None:
        self.column, self._context = column, context
        self._known: dict[type, tuple[Converter, Dumper]] = {}

    def field(self, block: Array, nulls: Array | None, start: int, oid: int) -> Field:
        """*block* as type *oid*; its first value is that of row *start*, from 0.

        Raises:
            RowError: a value does not fit.
        """
        kind = block.dtype.kind
        if kind in "Mm":
            missing = np.isnat(block)
            nulls = missing if nulls is None else nulls | missing
        if nulls is not None and not nulls.any():
            nulls = None
        encode, sent = _ENCODERS.get((oid, kind), (None, ""))
        if encode is None or block.ndim > 1:
            return self.one_by_one(_objects(block), nulls, start)
        items, changed = encode(block)
        if changed is not None and nulls is not None:
            changed = changed & ~nulls
        if changed is not None and changed.any():
            place = int(changed.argmax())
            raise _refusal(self.column, start + place, block[place])
        return Fixed(items, np.dtype(sent), nulls)

    def one_by_one(self, values: Sequence[Any], nulls: Array | None, start: int) -> Variable:
        """Python *values*, of which None, too, is NULL."""
        encoded: list[bytes] = []
        missing = np.zeros(len(values), bool) if nulls is None else nulls.copy()
        for place, value in enumerate(values):
            if missing[place] or _is_missing(value):
                missing[place] = True
                encoded.append(b"")
            else:
                encoded.append(self._encode(value, start + place))
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return Variable(lengths, np.frombuffer(b"".join(encoded), np.uint8), missing if missing.any() else None)

    def _encode(self, value: Any, place: int) -> bytes:
        kind = type(value)
        try:
            known = self._known.get(kind)
            if known is None:
                known = self._known[kind] = self._learn(value, place)
            convert, dumper = known
            value = convert(value)
            if self.column.oid in INTEGERS:
                return struct.pack(">" + INTEGERS[self.column.oid], value)
            return bytes(dumper.dump(value) or b"")
        except RowError:
            raise
        except ENCODING_ERRORS as error:
            raise _refusal(self.column, place, value, error) from None

    def _learn(self, value: Any, place: int) -> tuple[Converter, Dumper]:
        convert = converter(self.column.oid, type(value))
        if convert is None:
            raise _refusal(self.column, place, value)
        dumper = self._context.adapters.get_dumper_by_oid(self.column.oid, Format.BINARY)(type(value), self._context)
        return convert, dumper


def _refusal(column: Column, place: int, value: Any, error: Exception | None = None) -> RowError:
    reason = f"{show(value)} does not fit type {column.type_name}" + (f" ({error})" if error else "")
    if column.oid == TIMESTAMPTZ and isinstance(value, np.datetime64):
        reason = f"{show(value)} has no time zone: pass aware datetimes"
    return RowError(place + 1, column.name, value, reason)


def _plain(values: Any) -> Any:
    """An array or a sequence; NumPy would make NaN of the NULLs of Arrow's."""
    if isinstance(values, (np.ndarray, Sequence)):
        return values
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        listed = values.to_pylist() if hasattr(values, "to_pylist") else values.to_list()
        if hasattr(values, "isna") and getattr(values.dtype, "kind", "O") != "f":  # pandas has NaN for a missing text
            return [None if missing else value for value, missing in zip(listed, values.isna(), strict=True)]
        return listed
    return np.asanyarray(values)


def _is_missing(value: Any) -> bool:
    """None, and what pandas has for it."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _array(values: Any) -> tuple[Array, Array | None]:
    """*values* as an array, and which of them are NULL."""
    if isinstance(values, np.ma.MaskedArray):
        return values.data, np.ma.getmaskarray(values)
    if isinstance(values, np.ndarray):
        return values, None
    kinds = set(map(type, values))
    is_null = None
    if type(None) in kinds:
        is_null = np.fromiter((value is None for value in values), bool, len(values))
        kinds.discard(type(None))
    if len(kinds) == 1 and (dtype := _PLAIN.get(kinds.pop())):
        try:
            return np.array(
                [0 if value is None else value for value in values] if is_null is not None else values, dtype
            ), is_null
        except OverflowError:
            pass  # an int beyond 64 bits
    boxed = np.empty(len(values), object)
    boxed[:] = values
    return boxed, is_null


_PLAIN: dict[type, str] = {int: "i8", float: "f8", bool: "?"}


def _objects(block: Array) -> Sequence[Any]:
    """Python values of an array, none of them changed."""
    if block.dtype.kind == "f" and block.dtype.itemsize == 4:
        return [float(str(value)) for value in block]  # the shortest decimal that means it, not its 53 bits
    if (
        block.dtype.kind == "m"
        and not ((micro := block.astype("m8[us]")).astype(block.dtype) != block)[~np.isnat(block)].any()
    ):
        block = micro
    elif block.dtype.kind in "Mm":
        return list(block)
    values: list[Any] = block.tolist()
    return values


def _as_they_are(block: Array) -> Encoded:
    return block, None


def _integers(smallest: int, largest: int) -> Callable[[Array], Encoded]:
    def encode(block: Array) -> Encoded:
        info = np.iinfo(block.dtype)
        is_narrow = info.min >= smallest and info.max <= largest
        if is_narrow or (block.min() >= smallest and block.max() <= largest):
            return block, None
        return block, (block < smallest) | (block > largest)

    return encode


def _doubles(block: Array) -> Encoded:
    items = block.astype("f8", copy=False)
    return items, None if block.dtype.itemsize <= 8 else items != block


def _doubles_of_integers(block: Array) -> Encoded:
    changed = (block > _EXACT) | (block < -_EXACT)
    for place in np.flatnonzero(changed):
        changed[place] = float(int(block[place])) != int(block[place])
    return block, changed


def _reals(block: Array) -> Encoded:
    with np.errstate(over="ignore", under="ignore"):
        items = block.astype("f4")
    if block.dtype.kind != "f":
        return items, items.astype("f8") != block
    return items, ((items == 0) != (block == 0)) | (np.isinf(items) != np.isinf(block))


def _timestamps(block: Array) -> Encoded:
    items = block.astype("M8[us]")
    counted = items.view("i8")
    changed = counted < _FIRST_US
    if block.dtype != items.dtype:
        changed |= items.astype(block.dtype) != block
    return counted - _EPOCH_US, changed


def _dates(block: Array) -> Encoded:
    items = block.astype("M8[D]")
    counted = items.view("i8")
    changed = (counted < _FIRST_DAY) | (counted > _LAST_DAY)
    if block.dtype != items.dtype:
        changed |= items.astype(block.dtype) != block
    return counted - _EPOCH_DAYS, changed


#: By type of the column and kind of the array: how it is encoded, and the dtype that is sent.
_ENCODERS: dict[tuple[int, str], tuple[Callable[[Array], Encoded], str]] = {
    (_BOOLEAN, "b"): (_as_they_are, "?"),
    (DOUBLE, "f"): (_doubles, ">f8"),
    (DOUBLE, "i"): (_doubles_of_integers, ">f8"),
    (DOUBLE, "u"): (_doubles_of_integers, ">f8"),
    (REAL, "f"): (_reals, ">f4"),
    (REAL, "i"): (_reals, ">f4"),
    (REAL, "u"): (_reals, ">f4"),
    (TIMESTAMP, "M"): (_timestamps, ">i8"),
    (DATE, "M"): (_dates, ">i4"),
}
for _oid, _code in INTEGERS.items():
    _limit = 1 << (8 * struct.calcsize("=" + _code) - 1)
    for _kind in "iu":
        _ENCODERS[_oid, _kind] = _integers(-_limit, _limit - 1), ">" + _code
