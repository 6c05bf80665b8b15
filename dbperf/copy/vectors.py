"""From the values of columns to encoded rows: whole arrays where NumPy has the type, else one by one.

Nothing is changed on the way but by a `Policy` that the caller has named: what a column cannot hold raises a
`RowError`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg.abc import AdaptContext

from dbperf.copy.alike import AlikeEncoder, is_alike
from dbperf.copy.blocks import Part, PlainEncoder
from dbperf.copy.catalog import Column
from dbperf.copy.columnar import Field, Fixed, Joiner, Variable
from dbperf.copy.conversions import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGERS,
    INTERVAL,
    REAL,
    TIMESTAMP,
    TIMESTAMPTZ,
    finer_reason,
    show,
    too_fine,
)
from dbperf.copy.marshalled import is_number, numbers
from dbperf.copy.options import Policy
from dbperf.copy.rows import Rows
from dbperf.copy.values import Encoded, ValueEncoder
from dbperf.errors import ColumnError, RowError

Array = npt.NDArray[Any]

#: Rows of one block: many enough for NumPy, few enough for the cache.
BLOCK_ROWS = 8192

#: Rows that are encoded value by value before what NumPy needs for them is made.
_FEW = 16

#: PostgreSQL counts from 2000-01-01, NumPy from 1970-01-01.
_EPOCH_DAYS = 10_957
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000

#: The first and the last day that PostgreSQL has, counted from 1970; the last timestamp is beyond NumPy's.
_FIRST_DAY, _LAST_DAY = _EPOCH_DAYS - 2_451_545, _EPOCH_DAYS + 2_145_031_948
_FIRST_US = _FIRST_DAY * 86_400_000_000

#: NumPy's units that are finer.
_PER_MICROSECOND = {"ns": 10**3, "ps": 10**6, "fs": 10**9, "as": 10**12}

#: In what polars and pyarrow call a type that has nanoseconds.
_FINER = re.compile(r"\bns\b|\bTime\b")

#: In what pandas, polars and pyarrow call a type that has floats of 32 bits, and one that has others beside.
_SINGLE, _DOUBLE = re.compile(r"\b(Float32|float)\b"), re.compile(r"Float64|double")

#: Whole numbers up to here are doubles exactly.
_EXACT = 2**53

#: Bytes of a value, by OID, where all have the same: what is encoded one by one needs no look at its length.
_WIDTHS = {16: 1, 20: 8, 21: 2, 23: 4, 700: 4, 701: 8, 1082: 4, 1083: 8, 1114: 8, 1184: 8, 1186: 16, 2950: 16}

#: An array's values as they are sent, and which of them would be changed by that (None: none).
Sent = tuple[Array, Array | None]


class Columns:
    """Some rows of a batch that came as columns, one after the other.

    Args:
        names: of the columns.
        values: of each column, an array, masked or not, or a sequence; all of one length.
        numbers: of the rows in the batch, from 1; by default these are all.
    """

    def __init__(self, names: Sequence[str], values: Sequence[Any], numbers: Sequence[int] | None = None) -> None:
        self.numbers = range(1, 1 + len(values[0])) if numbers is None else numbers
        self._names, self._values = names, values

    def __len__(self) -> int:
        return len(self._values[0])

    def part(self, first: int, stop: int) -> Columns:
        """Rows *first* to *stop*, from 0."""
        return Columns(self._names, [values[first:stop] for values in self._values], self.numbers[first:stop])

    def pick(self, places: Sequence[int]) -> Columns:
        """The rows at *places*, from 0."""
        picked = [
            values[places] if isinstance(values, np.ndarray) else [values[place] for place in places]
            for values in self._values
        ]
        return Columns(self._names, picked, [self.numbers[place] for place in places])

    def columns(self) -> Sequence[Any]:
        """The values of each column."""
        return self._values

    def row(self, place: int) -> dict[str, Any]:
        """Row *place*, from 0."""
        values = (column[place] for column in self._values)
        return {name: None if value is np.ma.masked else value for name, value in zip(self._names, values, strict=True)}


def names_of(columns: Any) -> list[str]:
    """The names of *columns*, a mapping or a frame.

    Raises:
        ColumnError: it is neither.
    """
    if isinstance(columns, Mapping):
        return list(columns)
    for names in ("column_names", "columns"):  # of pyarrow; of pandas and polars
        if hasattr(columns, names):
            return list(getattr(columns, names))
    raise ColumnError(f"{type(columns).__name__} has no columns by name: pass a mapping or a frame")


def parts_of(columns: Sequence[Column], values: Sequence[Any]) -> Iterator[Columns]:
    """*values* of each column, in parts of `BLOCK_ROWS`.

    Raises:
        ColumnError: one is no column, or they are of several lengths.
    """
    whole = [_plain(column, each) for column, each in zip(columns, values, strict=True)]
    if len(set(map(len, whole))) > 1:
        shown = ", ".join(f"{column.name} {len(each)}" for column, each in zip(columns, whole, strict=True))
        raise ColumnError(f"columns are of several lengths: {shown}")
    everything = Columns([column.name for column in columns], whole)
    return (everything.part(start, start + BLOCK_ROWS) for start in range(0, len(everything), BLOCK_ROWS))


class VectorEncoder:
    """Encodes parts of a batch, whatever their columns are.

    Args:
        columns: the columns to fill, in order.
        context: the connection; its registered adapters count.
        policy: see `Policy`.
        numbered: put each row's number before it, as a ``bigint``.
    """

    def __init__(self, columns: Sequence[Column], context: AdaptContext, policy: Policy, numbered: bool) -> None:
        self._plain = PlainEncoder(columns, context, policy, numbered)
        self._context, self._numbered = context, numbered
        self._joiner = Joiner()

    def encode(self, part: Part) -> bytes | memoryview:
        """See `BlockEncoder`."""
        if isinstance(part, Rows) and len(part) < _FEW:
            return self._plain.encode(part)
        fields: list[Field] = []
        if self._numbered:
            fields.append(Fixed(np.fromiter(part.numbers, np.int64, len(part)), np.dtype(">i8")))
        columns = self._columns(part) if isinstance(part, Rows) else part.columns()
        for encoder, values in zip(self._encoders, columns, strict=True):
            fields.append(self.field(encoder, values, part.numbers))
        return self._joiner.join(fields).data

    @cached_property
    def _encoders(self) -> list[FieldEncoder]:
        return [FieldEncoder(values, self._context) for values in self._plain.encoders]

    def _columns(self, rows: Rows) -> Sequence[Any]:
        """The columns of *rows*: those of numbers, all at once, as arrays."""
        values, count = rows.flat(), len(self._encoders)
        dtypes = tuple(map(FieldEncoder.number, self._encoders, values))
        columns: list[Any] = [None if dtype else values[place::count] for place, dtype in enumerate(dtypes)]
        if not any(dtypes):
            return columns
        nothing = [None] * len(rows)
        for place, dtype in enumerate(dtypes):
            if dtype is None:
                values[place::count] = nothing
        found = numbers(values, dtypes)
        if found is None:
            return rows.columns()
        return [array if dtype else column for dtype, array, column in zip(dtypes, found, columns, strict=True)]

    def field(self, encoder: FieldEncoder, values: Any, numbers: Sequence[int]) -> Field:
        """The field of one column, of rows with these *numbers*."""
        if isinstance(values, np.ma.MaskedArray) and values.ndim > 1:  # of an array's elements, some are NULL
            return encoder.sequence(_masked(values), numbers)
        if isinstance(values, np.ma.MaskedArray):
            return encoder.array(values.data, np.ma.getmaskarray(values), numbers)
        if isinstance(values, np.ndarray):
            return encoder.array(values, None, numbers)
        return encoder.sequence(values, numbers)


class FieldEncoder:
    """Encodes values of one column: an array as a whole, what NumPy has no type for one by one, by *values*."""

    def __init__(self, values: ValueEncoder, context: AdaptContext) -> None:
        self.column, self.policy = column, policy = values.column, values.policy
        self._context, self._values = context, values
        self._alike: AlikeEncoder | None = None
        self._scale = policy.scale.get(column.name)
        self._unit = None if column.name in policy.round else column.unit
        self._are_numbers = True  # until something else was among them
        self._numbers = {
            kind: dtype for kind, dtype in _PLAIN.items() if is_number(dtype) and (column.oid, dtype[0]) in _ENCODERS
        }

    def array(self, block: Array, nulls: Array | None, numbers: Sequence[int], *, is_utc: bool = False) -> Field:
        """*block*, of which *nulls* are NULL, of rows with these *numbers*.

        Args:
            is_utc: times without a time zone are known to be UTC.

        Raises:
            RowError: a value does not fit.
        """
        kind, oid = block.dtype.kind, self.column.oid
        if kind in "Mm" or (kind == "f" and self.policy.nan_is_null):
            missing = np.isnat(block) if kind in "Mm" else np.isnan(block)
            nulls = missing if nulls is None else nulls | missing
        if nulls is not None and not nulls.any():
            nulls = None
        block = self.fitted(block)
        if oid == TIMESTAMPTZ and (is_utc or self.policy.naive_is_utc):
            oid = TIMESTAMP
        encode, sent = _ENCODERS.get((oid, kind), (None, ""))
        if kind == "m" and oid == INTERVAL:
            self._check_spans(numbers, block, nulls)
        if encode is None or block.ndim > 1:
            return self._one_by_one(objects(block), numbers, nulls)
        items, changed = encode(block)
        if self._scale is not None and kind == "f":
            items, lossy = self._of_scale(items, self._scale)
            changed = lossy if changed is None else changed | lossy
        if changed is not None and nulls is not None:
            changed = changed & ~nulls
        if changed is not None and changed.any():
            raise self._refusal(numbers, block, changed)
        if self._unit is not None:
            self._check_unit(numbers, block, items, nulls)
        return Fixed(items, np.dtype(sent), nulls)

    def sequence(self, values: Sequence[Any], numbers: Sequence[int], nulls: Array | None = None) -> Field:
        """Python *values*, of which None, too, is NULL."""
        block, missing = self._array(values) if nulls is None else (None, None)
        return self._one_by_one(values, numbers, nulls) if block is None else self.array(block, missing, numbers)

    def number(self, value: Any) -> str | None:
        """The dtype of *value* if it is a number that goes into the column, as all before it were."""
        return self._numbers.get(type(value)) if self._are_numbers else None

    def _array(self, values: Sequence[Any]) -> tuple[Array | None, Array | None]:
        """*values* as an array, if NumPy has their type and encodes it, and which of them are NULL."""
        dtype = self._numbers.get(type(next(iter(values), None)))
        if dtype is not None and isinstance(values, (tuple, list)):
            if (found := numbers(values, (dtype,))) is not None:
                return found[0], None
            self._are_numbers = False
        return _array(values, self.column.oid)

    def _one_by_one(self, values: Sequence[Any], numbers: Sequence[int], nulls: Array | None) -> Field:
        if nulls is not None:
            values = [None if missing else value for value, missing in zip(values, nulls.tolist(), strict=True)]
        width = _WIDTHS.get(self.column.oid)
        if width is not None and is_alike(self._values.dumper(values)):
            self._alike = self._alike or AlikeEncoder(self.column.oid, width, self._context)
            if (items := self._alike.encode(values)) is not None:
                return Fixed(items, items.dtype)
        return _field(self._values.encode(values, numbers), width)

    def fitted(self, block: Array) -> Array:
        """Times and spans without the nanoseconds that the policy gives up; rounded half to even."""
        kind = block.dtype.kind
        if self.policy.nanoseconds == "error" or kind not in "Mm":
            return block
        unit = np.datetime_data(block.dtype)[0]
        per = _PER_MICROSECOND.get(unit)
        if per is None:
            return block
        whole, rest = np.divmod(block.astype(f"{kind}8[{unit}]").view("i8"), per)
        if self.policy.nanoseconds == "round":
            whole += 2 * rest + (whole & 1) > per
        return whole.view(f"{kind}8[us]")

    def _of_scale(self, items: Array, scale: int) -> Sent:
        """Rounded if the policy says so, as Python does it; else which of them would have to be."""
        with np.errstate(over="ignore", invalid="ignore"):
            kept = np.round(items, scale)
        lossy = (kept != items) & np.isfinite(kept) & np.isfinite(items)
        if self.column.name in self.policy.round:
            items = items.copy()
            for place in np.flatnonzero(lossy):
                items[place] = round(float(items[place]), scale)
            lossy[:] = False
        return items, lossy

    def _check_unit(self, numbers: Sequence[int], block: Array, items: Array, nulls: Array | None) -> None:
        """Raise RowError for times, sent as *items*, that the server would round."""
        finer = items % self._unit != 0
        if nulls is not None:
            finer &= ~nulls
        if finer.any():
            place = int(finer.argmax())
            raise self._values.refusal(numbers[place], block[place], too_fine(block[place], self.column))

    def _check_spans(self, numbers: Sequence[int], block: Array, nulls: Array | None) -> None:
        """Raise RowError for what `datetime.timedelta` does not hold."""
        changed = block.astype("m8[us]").astype(block.dtype) != block
        if nulls is not None:
            changed &= ~nulls
        if changed.any():
            raise self._refusal(numbers, block, changed)

    def _refusal(self, numbers: Sequence[int], block: Array, changed: Array) -> RowError:
        place = int(changed.argmax())
        if block.dtype.kind in "Mm":
            return RowError(numbers[place], self.column.name, block[place], _time_reason(self.column, block[place]))
        value = block[place].item()
        try:
            self._values.encode([value], [numbers[place]])  # knows better what is wrong
        except RowError as error:
            return error
        return self._values.refusal(numbers[place], value)


def _time_reason(column: Column, value: Any) -> str:
    """Why a time or span of NumPy's does not fit into a column that takes others."""
    kind, unit = value.dtype.kind, np.datetime_data(value.dtype)[0]
    if unit in _PER_MICROSECOND and value.astype(f"{kind}8[us]") != value:
        return finer_reason(value)
    if column.oid == DATE and value.astype("M8[D]") != value:
        return f"{show(value)} has a time of day and column {column.name} keeps dates"
    return f"{show(value)} is out of range for type {column.type_name}"


def _field(encoded: list[Encoded], width: int | None) -> Field:
    """A list of encoded values as one field."""
    try:
        data = b"".join(encoded)  # type: ignore[arg-type]
    except TypeError:
        pass  # some are NULL
    else:
        if width is not None:
            return Fixed(np.frombuffer(data, f"V{width}"), np.dtype(f"V{width}"))
        return Variable(np.fromiter(map(len, encoded), np.int64, len(encoded)), np.frombuffer(data, np.uint8))  # type: ignore[arg-type]
    nulls = np.fromiter((value is None for value in encoded), bool, len(encoded))
    there = [b"" if value is None else value for value in encoded]
    lengths = np.fromiter(map(len, there), np.int64, len(there))
    return Variable(lengths, np.frombuffer(b"".join(there), np.uint8), nulls)


def _plain(column: Column, values: Any) -> Any:
    """An array or a sequence; NumPy would make NaN of the NULLs of Arrow's and polars'."""
    if isinstance(values, (str, bytes)):
        raise _no_column(column, values)
    if isinstance(values, np.ndarray):
        if values.ndim == 0:
            raise _no_column(column, values)
        return values
    if isinstance(values, Sequence):
        return values
    dtype = getattr(values, "dtype", getattr(values, "type", None))
    if hasattr(values, "isna"):
        return _of_pandas(column, values, dtype)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        if _FINER.search(str(dtype)):
            raise _drops_nanoseconds(column)
        return _of_type(values.to_pylist() if hasattr(values, "to_pylist") else values.to_list(), dtype)
    return _plain(column, np.asanyarray(values))


def _of_pandas(column: Column, values: Any, dtype: Any) -> Any:
    """NumPy's array, if it is one, in which NaN is a number; else NULL for what is missing, which may be NaN there."""
    plain = getattr(dtype, "subtype", dtype)  # of a sparse one
    if isinstance(plain, np.dtype):
        return np.asarray(values, plain)
    if "time64[ns]" in str(dtype):
        raise _drops_nanoseconds(column)
    listed = zip(values.tolist(), values.isna(), strict=True)
    return _of_type([None if missing else value for value, missing in listed], dtype)


def _drops_nanoseconds(column: Column) -> ColumnError:
    return ColumnError(f"column {column.name} has nanoseconds, which Python drops: pass the frame to copy_arrow")


def _of_type(values: list[Any], dtype: Any) -> Any:
    """Python *values*; floats that had 32 bits have them again, within lists their shortest decimals."""
    if not _SINGLE.search(str(dtype)) or _DOUBLE.search(str(dtype)):
        return values
    if any(isinstance(value, (list, dict)) for value in values):
        return [_shortest(value) for value in values]
    nulls = [value is None for value in values]
    return np.ma.MaskedArray(np.array([0 if value is None else value for value in values], "f4"), nulls)


def _shortest(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortest(each) for each in value]
    if isinstance(value, dict):
        return {name: _shortest(each) for name, each in value.items()}
    return float(str(np.float32(value))) if isinstance(value, float) else value


def _no_column(column: Column, values: Any) -> ColumnError:
    return ColumnError(f"column {column.name} is given {show(values)}, which is no array and no sequence")


def _array(values: Sequence[Any], oid: int) -> tuple[Array | None, Array | None]:
    """*values* as an array, if NumPy has their type and encodes it, and which of them are NULL."""
    if type(next(iter(values), None)) not in (*_PLAIN, type(None)):
        return None, None
    kinds = set(map(type, values))
    has_nulls = type(None) in kinds
    kinds.discard(type(None))
    dtype = _PLAIN.get(kinds.pop()) if len(kinds) == 1 else None
    if dtype is None or (oid, dtype[0]) not in _ENCODERS:
        return None, None
    try:
        if not has_nulls:
            return np.array(values, dtype), None
        is_null = np.fromiter((value is None for value in values), bool, len(values))
        return np.array([0 if value is None else value for value in values], dtype), is_null
    except OverflowError:
        return None, None  # an int beyond 64 bits


_PLAIN: dict[type, str] = {int: "i8", float: "f8", bool: "b1"}


def objects(block: Array) -> Sequence[Any]:
    """Python values of an array, none of them changed."""
    if block.dtype.kind == "f" and block.dtype.itemsize < 8:
        if block.ndim > 1:
            return [objects(row) for row in block]
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


def _masked(block: np.ma.MaskedArray[Any, Any]) -> Sequence[Any]:
    """Python values of a masked array, with None for what is masked."""
    whole = np.empty(block.shape, object)
    whole[...] = objects(np.ma.getdata(block))
    whole[np.ma.getmaskarray(block)] = None
    values: list[Any] = whole.tolist()
    return values


def _as_they_are(block: Array) -> Sent:
    return block, None


def _integers(width: int) -> Callable[[Array], Sent]:
    limit = 1 << (8 * width - 1)

    def encode(block: Array) -> Sent:
        if block.dtype.itemsize + (block.dtype.kind == "u") <= width:
            return block, None
        if block.min() >= -limit and block.max() < limit:
            return block, None
        return block, (block < -limit) | (block >= limit)

    return encode


def _doubles(block: Array) -> Sent:
    items = block.astype("f8", copy=False)
    return items, None if block.dtype.itemsize <= 8 else items != block


def _doubles_of_integers(block: Array) -> Sent:
    changed = (block > _EXACT) | (block < -_EXACT)
    for place in np.flatnonzero(changed):
        changed[place] = float(int(block[place])) != int(block[place])
    return block, changed


def _reals(block: Array) -> Sent:
    with np.errstate(over="ignore", under="ignore"):
        items = block.astype("f4")
    if block.dtype.kind != "f":
        _, lossy = _doubles_of_integers(block)
        assert lossy is not None
        return items, lossy | (items.astype("f8") != block)
    return items, ((items == 0) != (block == 0)) | (np.isinf(items) != np.isinf(block))


def _timestamps(block: Array) -> Sent:
    items = block.astype("M8[us]")
    counted = items.view("i8")
    changed = counted < _FIRST_US
    if block.dtype != items.dtype:
        changed |= items.astype(block.dtype) != block
    return counted - _EPOCH_US, changed


def _dates(block: Array) -> Sent:
    items = block.astype("M8[D]")
    counted = items.view("i8")
    changed = (counted < _FIRST_DAY) | (counted > _LAST_DAY)
    if block.dtype != items.dtype:
        changed |= items.astype(block.dtype) != block
    return counted - _EPOCH_DAYS, changed


#: By type of the column and kind of the array: how it is encoded, and the dtype that is sent.
_ENCODERS: dict[tuple[int, str], tuple[Callable[[Array], Sent], str]] = {
    (BOOLEAN, "b"): (_as_they_are, "?"),
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
    for _kind in "iu":
        _ENCODERS[_oid, _kind] = _integers(struct.calcsize("=" + _code)), ">" + _code
