"""NumPy's arrays as PostgreSQL's values: in its units, and which of them would be changed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dbperf.copy.catalog import Column
from dbperf.copy.oids import BOOLEAN, DATE, DOUBLE, INTEGERS, REAL, TIMESTAMP
from dbperf.copy.options import Nanoseconds
from dbperf.copy.reasons import finer_reason, show

Array = npt.NDArray[Any]

#: PostgreSQL counts from 2000-01-01, NumPy from 1970-01-01.
_EPOCH_DAYS = 10_957
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000

#: The first and the last day that PostgreSQL has, counted from 1970; the last timestamp is beyond NumPy's.
_FIRST_DAY, _LAST_DAY = _EPOCH_DAYS - 2_451_545, _EPOCH_DAYS + 2_145_031_948
_FIRST_US = _FIRST_DAY * 86_400_000_000

#: NumPy's units that are finer.
_PER_MICROSECOND = {"ns": 10**3, "ps": 10**6, "fs": 10**9, "as": 10**12}

#: Whole numbers up to here are doubles exactly.
_EXACT = 2**53

#: Python's numbers that NumPy has, and as what.
PLAIN: dict[type, str] = {int: "i8", float: "f8", bool: "b1"}

#: An array's values as they are sent, and which of them would be changed by that (None: none).
Sent = tuple[Array, Array | None]


def array_of(values: Sequence[Any], oid: int) -> tuple[Array | None, Array | None]:
    """*values* as an array, if NumPy has their type and encodes it, and which of them are NULL."""
    if type(next(iter(values), None)) not in (*PLAIN, type(None)):
        return None, None
    kinds = set(map(type, values))
    has_nulls = type(None) in kinds
    kinds.discard(type(None))
    dtype = PLAIN.get(kinds.pop()) if len(kinds) == 1 else None
    if dtype is None or (oid, dtype[0]) not in ENCODERS:
        return None, None
    try:
        if not has_nulls:
            return np.array(values, dtype), None
        is_null = np.fromiter((value is None for value in values), bool, len(values))
        return np.array([0 if value is None else value for value in values], dtype), is_null
    except OverflowError:
        return None, None  # an int beyond 64 bits


def objects(block: Array) -> Sequence[Any]:
    """Python values of an array, none of them changed."""
    if block.ndim > 1 and block.dtype.kind in "fMm":
        return [objects(row) for row in block]
    if block.dtype.kind == "f" and block.dtype.itemsize < 8:
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


def masked(block: np.ma.MaskedArray[Any, Any]) -> Sequence[Any]:
    """Python values of a masked array, with None for what is masked."""
    if block.ndim > 1:
        return [masked(row) for row in block]
    values = list(objects(np.ma.getdata(block)))
    for place in np.flatnonzero(np.ma.getmaskarray(block)):
        values[place] = None
    return values


def without_nanoseconds(block: Array, policy: Nanoseconds) -> Array:
    """Times and spans without the nanoseconds that the *policy* gives up; rounded half to even."""
    kind = block.dtype.kind
    if policy == "error" or kind not in "Mm":
        return block
    unit = np.datetime_data(block.dtype)[0]
    per = _PER_MICROSECOND.get(unit)
    if per is None:
        return block
    whole, rest = np.divmod(block.astype(f"{kind}8[{unit}]").view("i8"), per)
    if policy == "round":
        whole += 2 * rest + (whole & 1) > per
    return whole.view(f"{kind}8[us]")


def time_reason(column: Column, value: Any) -> str:
    """Why a time or span of NumPy's does not fit into a column that takes others."""
    kind, unit = value.dtype.kind, np.datetime_data(value.dtype)[0]
    if unit in _PER_MICROSECOND and value.astype(f"{kind}8[us]") != value:
        return finer_reason(value)
    if column.oid == DATE and value.astype("M8[D]") != value:
        return f"{show(value)} has a time of day and column {column.name} keeps dates"
    return f"{show(value)} is out of range for type {column.type_name}"


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
ENCODERS: dict[tuple[int, str], tuple[Callable[[Array], Sent], str]] = {
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
        ENCODERS[_oid, _kind] = _integers(struct.calcsize("=" + _code)), ">" + _code
