"""Which Python types a column takes, and how a value gets there without changing.

psycopg's binary encoders trust their caller. The ones for integers wrap around silently, within
arrays and ranges too, and a value of a type that merely resembles the column's is encoded as it
comes. What is not listed here is left to its own encoder.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

Converter = Callable[[Any], Any]

#: Integer types by OID: the struct code that has their range.
INTEGERS = {21: "h", 23: "i", 20: "q"}

_NUMERIC, _DATE, _FLOATS = 1700, 1082, (700, 701)
TIMESTAMP, TIMESTAMPTZ = 1114, 1184

_ACCEPTED: dict[int, tuple[type, ...]] = {
    16: (bool,),
    17: (bytes, bytearray, memoryview),
    20: (int,),
    21: (int,),
    23: (int,),
    19: (str,),
    25: (str,),
    1042: (str,),
    1043: (str,),
    700: (float, int, Decimal),
    701: (float, int, Decimal),
    _NUMERIC: (Decimal, int, float),
    _DATE: (dt.date,),
    1083: (dt.time,),
    TIMESTAMP: (dt.datetime,),
    TIMESTAMPTZ: (dt.datetime,),
    1186: (dt.timedelta,),
    1266: (dt.time,),
    2950: (UUID,),
}

#: Arrays, ranges and multiranges by OID: bits of the integers in them.
_NESTED_INTEGERS = {1005: 16, 1007: 32, 3904: 32, 3905: 32, 4451: 32, 6150: 32}

_FLOAT_ARRAYS = (1021, 1022)


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
    if not issubclass(kind, accepted) or (oid == _DATE and issubclass(kind, dt.datetime)):
        return None
    if oid == _NUMERIC and issubclass(kind, float):
        return _float_to_decimal
    if oid in _FLOATS and not issubclass(kind, float):
        return _to_float
    return _without_nanoseconds if hasattr(kind, "nanosecond") else as_is


def _nested_converter(oid: int) -> Converter:
    if oid in _NESTED_INTEGERS:
        limit = 1 << (_NESTED_INTEGERS[oid] - 1)
        return lambda value: _checked(value, lambda item: _integer_within(item, limit))
    if oid in _FLOAT_ARRAYS:
        return lambda value: _checked(value, _to_float)
    return as_is


def _checked(value: Any, check: Converter) -> Any:
    """*value* itself, once *check* has passed over every scalar in it."""
    if isinstance(value, (list, tuple)):
        for item in value:
            _checked(item, check)
    elif hasattr(value, "lower_inc"):  # psycopg's Range
        _checked([value.lower, value.upper], check)
    elif value is not None and not isinstance(value, float):
        if hasattr(value, "__iter__"):  # its Multirange
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
    """An int exactly, a Decimal to the nearest double; neither becomes infinite."""
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    exact = not isinstance(value, int) or (math.isfinite(result) and int(result) == value)
    if not exact or (math.isinf(result) and not (isinstance(value, Decimal) and value.is_infinite())):
        raise ValueError(f"{show(value)} has no exact double precision value")
    return result


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
