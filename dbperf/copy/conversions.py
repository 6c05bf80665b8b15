"""Which Python types a column takes, and how a value gets there without changing.

psycopg's binary encoders trust their caller. The ones for integers wrap around silently, within
arrays and ranges too, and a value of a type that merely resembles the column's is encoded as it
comes. What is not listed here is left to its own encoder.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import struct
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from psycopg.types.json import Json, Jsonb

Converter = Callable[[Any], Any]

#: Integer types by OID: the struct code that has their range.
INTEGERS = {21: "h", 23: "i", 20: "q"}

REAL, DOUBLE, NUMERIC, DATE, TIME = 700, 701, 1700, 1082, 1083
TIMESTAMP, TIMESTAMPTZ = 1114, 1184
BYTEA, TEXTS = 17, (25, 1043)

_ACCEPTED: dict[int, tuple[type, ...]] = {
    16: (bool,),
    17: (bytes, bytearray, memoryview),
    20: (int,),
    21: (int,),
    23: (int,),
    19: (str,),
    25: (str,),
    1043: (str,),
    REAL: (float, int, Decimal),
    DOUBLE: (float, int, Decimal),
    NUMERIC: (Decimal, int, float),
    DATE: (dt.date,),
    TIME: (dt.time,),
    TIMESTAMP: (dt.datetime,),
    TIMESTAMPTZ: (dt.datetime,),
    1186: (dt.timedelta,),
    1266: (dt.time,),
    2950: (UUID,),
    # not str: text that is JSON already, and a string that shall become JSON, look alike
    114: (dict, list, int, float, bool, Json, Jsonb),
    3802: (dict, list, int, float, bool, Json, Jsonb),
}

#: Arrays, ranges and multiranges by OID: bits of the integers in them.
_NESTED_INTEGERS = {1005: 16, 1007: 32, 3904: 32, 3905: 32, 4451: 32, 6150: 32}

_FLOAT_ARRAYS = (1021, 1022)
_ARRAYS = (1005, 1007, 3905, 6150, *_FLOAT_ARRAYS)


def as_is(value: Any) -> Any:
    """The value itself: what most columns need."""
    return value


def converter(oid: int, kind: type) -> Converter | None:
    """How a *kind* gets into a column of type *oid*; None if it does not.

    The converter raises ValueError or TypeError, in words, for a value that it would change.
    """
    accepted = _ACCEPTED.get(oid)
    if accepted is None:
        return _nested_converter(oid)
    if kind is bool and bool not in accepted:
        return None
    if oid in INTEGERS and not issubclass(kind, int):
        return operator.index if hasattr(kind, "__index__") else None  # numpy's integers
    if not issubclass(kind, accepted) or (oid == DATE and issubclass(kind, dt.datetime)):
        return None
    if oid == NUMERIC and issubclass(kind, float):
        return _float_to_decimal
    if oid == REAL:
        return _to_real
    if oid == DOUBLE and not issubclass(kind, float):
        return _to_float
    if oid == TIME:
        return _without_time_zone
    return _without_nanoseconds if hasattr(kind, "nanosecond") else as_is


def _nested_converter(oid: int) -> Converter:
    check: Converter
    if oid in _NESTED_INTEGERS:
        check = partial(_integer_within, limit=1 << (_NESTED_INTEGERS[oid] - 1))
    elif oid in _FLOAT_ARRAYS:
        check = _to_real if oid == _FLOAT_ARRAYS[0] else _to_float
    else:
        return as_is
    return partial(_array if oid in _ARRAYS else _checked, check=check)


def _array(value: Any, check: Converter) -> Any:
    if not isinstance(value, list):
        raise TypeError(f"{show(value)} is no list, and the column is an array")
    return _checked(value, check)


def _checked(value: Any, check: Converter) -> Any:
    """*value* itself, once *check* has passed over every scalar in it."""
    if isinstance(value, (list, tuple)):
        for item in value:
            _checked(item, check)
    elif hasattr(value, "lower_inc"):  # psycopg's Range
        _checked([value.lower, value.upper], check)
    elif value is not None:
        if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):  # its Multirange
            _checked(list(value), check)
        else:
            check(value)
    return value


def _integer_within(value: Any, limit: int) -> None:
    if isinstance(value, bool) or not -limit <= operator.index(value) < limit:
        raise ValueError(f"{show(value)} is out of range")


def _float_to_decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))  # the shortest decimal that means this float


def _to_float(value: Any) -> float:
    """A number as a double that means the same: an int exactly, a Decimal of up to 15 digits always."""
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    same = result == value if isinstance(value, int) else _same_decimal(result, value)
    if not same:
        raise ValueError(f"{show(value)} has no exact double precision value")
    return result


def _same_decimal(result: float, value: Any) -> bool:
    if isinstance(value, Decimal) and value.is_finite():
        return Decimal(repr(result)) == value
    return True  # a float, NaN or an infinity of its own


def _to_real(value: Any) -> float:
    """A number that ``real`` can hold: it keeps six digits, but never turns one into 0 or infinity."""
    result = value if isinstance(value, float) else _to_float(value)
    try:
        kept = struct.unpack("f", struct.pack("f", result))[0]
    except OverflowError:
        kept = math.inf
    lost = (kept == 0) != (result == 0) or math.isinf(kept) != math.isinf(result)
    if lost or (isinstance(value, int) and kept != result):
        raise ValueError(f"{show(value)} does not fit type real")
    return result


def _without_time_zone(value: dt.time) -> dt.time:
    if value.tzinfo is not None:
        raise ValueError(f"{show(value)} has a time zone and the column has none")
    return value


def _without_nanoseconds(value: Any) -> dt.datetime:
    if value.nanosecond != 0:  # pandas.Timestamp; its NaT has NaN here
        raise ValueError(f"{show(value)} has nanoseconds or is no time: PostgreSQL stores microseconds, round it first")
    result: dt.datetime = value.to_pydatetime()
    return result


def time_zone_reason(value: dt.datetime, oid: int) -> str:
    """Why a datetime does not go into a timestamp column with or without time zone."""
    if oid == TIMESTAMP:
        return f"{show(value)} has a time zone and the column has none: pass naive UTC datetimes"
    return f"{show(value)} has no time zone: pass aware datetimes"


def show(value: Any) -> str:
    """*value* for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
