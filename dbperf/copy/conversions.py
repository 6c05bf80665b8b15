"""Which Python types a column takes, and how a value gets there without changing.

psycopg's binary encoders trust their caller. The ones for integers wrap around silently, within
arrays and ranges too, a value of a type that merely resembles the column's is encoded as it
comes, and what is false (0, an empty string) is an empty range. What is not listed here is left to
its own encoder.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import operator
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Json, Jsonb
from psycopg.types.multirange import Multirange, MultirangeInfo
from psycopg.types.numeric import Int4, Int8
from psycopg.types.range import Range, RangeInfo

from dbperf.copy.catalog import Column
from dbperf.copy.options import Nanoseconds, Policy

Converter = Callable[[Any], Any]

#: Integer types by OID: the struct code that has their range.
INTEGERS = {21: "h", 23: "i", 20: "q"}

BOOLEAN, REAL, DOUBLE, NUMERIC, DATE = 16, 700, 701, 1700, 1082
TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL = 1083, 1266, 1114, 1184, 1186
BYTEA, VARCHAR, TEXTS = 17, 1043, (19, 25, 1043)
JSONB = 3802
JSONS = (114, JSONB)
_NUMBERS = (REAL, DOUBLE, NUMERIC)
TIMES = (TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ)

_ACCEPTED: dict[int, tuple[type, ...]] = {
    BOOLEAN: (bool,),
    17: (bytes, bytearray, memoryview),
    20: (int,),
    21: (int,),
    23: (int,),
    19: (str,),
    25: (str,),
    26: (int,),
    650: (IPv4Network, IPv6Network),
    869: (IPv4Address, IPv6Address),
    VARCHAR: (str,),
    REAL: (float, int, Decimal),
    DOUBLE: (float, int, Decimal),
    NUMERIC: (Decimal, int, float),
    DATE: (dt.date,),
    TIME: (dt.time,),
    TIMESTAMP: (dt.datetime,),
    TIMESTAMPTZ: (dt.datetime,),
    TIMETZ: (dt.time,),
    INTERVAL: (dt.timedelta,),
    2950: (UUID,),
    # not str: text that is JSON already, and a string that shall become JSON, look alike
    114: (dict, list, int, float, bool, Json, Jsonb),
    JSONB: (dict, list, int, float, bool, Json, Jsonb),
}

#: Arrays by OID: what their elements are; likewise ranges and their bounds, multiranges and their ranges.
_ELEMENTS = {info.array_oid: info.oid for info in psycopg.adapters.types if info.array_oid}
_BOUNDS = {info.oid: info.subtype_oid for info in psycopg.adapters.types if isinstance(info, RangeInfo)}
_RANGES = {info.oid: info.range_oid for info in psycopg.adapters.types if isinstance(info, MultirangeInfo)}

_AS_BOUND = {23: Int4, 20: Int8}

#: PostgreSQL's MAXDIM.
_DIMENSIONS = 6

#: numeric(p, s) has at most 1000 digits.
_DIGITS = 2200

#: Labels of an enum that a message names.
_SHOWN = 10

_FIFTEEN = Context(15, traps=[Inexact])


class Unreadable:
    """Stands in a row for what was no value of its column when it was read.

    Attributes:
        given: what was there.
        reason: why it is none.
    """

    def __init__(self, given: object, reason: str) -> None:
        self.given, self.reason = given, reason

    def __repr__(self) -> str:
        return repr(self.given)

    def __str__(self) -> str:
        return str(self.given)


def _unreadable(value: Unreadable) -> None:
    raise ValueError(value.reason)


def as_is(value: Any) -> Any:
    """The value itself: what most columns need."""
    return value


def converter(column: Column, kind: type, policy: Policy) -> Converter | None:
    """How a *kind* gets into *column*; None if it does not.

    The converter raises ValueError, in words, for a value that it would change and may not by the *policy*. It returns
    None for NULL.
    """
    if kind is Unreadable:
        return _unreadable
    convert = _converter(column, kind, policy)
    if not issubclass(kind, (float, Decimal)):
        return convert
    if convert is None:
        convert = partial(_no_number, column=column)
    return _chained([_nan_as_none, convert]) if policy.nan_is_null else convert


def _converter(column: Column, kind: type, policy: Policy) -> Converter | None:
    oid = column.oid
    accepted = _ACCEPTED.get(oid)
    if accepted is None:
        return _nested_converter(column, kind, policy)
    if kind is bool and bool not in accepted:
        return None
    if oid == BOOLEAN and kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"):
        return bool
    if oid in INTEGERS and not issubclass(kind, int):
        return operator.index if hasattr(kind, "__index__") else None  # numpy's integers
    if not issubclass(kind, accepted) or (oid == DATE and issubclass(kind, dt.datetime)):
        return None
    if oid in _NUMBERS:
        return _number_converter(column, kind, policy)
    if oid in TIMES or oid == INTERVAL:
        return _time_converter(column, kind, policy)
    if column.labels is not None:
        return _Labels(column, column.labels).__getitem__
    if column.length is not None:
        return _text_of_length(column, column.length)
    if issubclass(kind, memoryview):
        return bytes  # its length is in items
    return _address if oid == 869 else as_is


def keeps_decimals(oid: int) -> bool:
    """Whether a type is one of numbers with decimals, or holds such."""
    for within in (_ELEMENTS, _RANGES, _BOUNDS):
        oid = within.get(oid, oid)
    return oid in _NUMBERS


def _number_converter(column: Column, kind: type, policy: Policy) -> Converter:
    steps: list[Converter] = []
    scale = policy.scale.get(column.name, column.scale)
    rounds = column.name in policy.round
    if column.oid == NUMERIC and issubclass(kind, float):
        steps.append(_float_to_decimal)
    if scale is not None and column.oid != NUMERIC and issubclass(kind, float):
        steps.append(partial(_float_of_scale, scale=scale, rounds=rounds))
    elif scale is not None:
        steps.append(_decimal_of_scale(column.precision or _DIGITS, scale, rounds))
    if column.oid == REAL:
        steps.append(_to_real)
    elif column.oid == DOUBLE and not issubclass(kind, float):
        steps.append(_to_float)
    return _chained(steps)


def _time_converter(column: Column, kind: type, policy: Policy) -> Converter:
    steps: list[Converter] = []
    if hasattr(kind, "nanosecond") or hasattr(kind, "nanoseconds"):  # pandas.Timestamp, pandas.Timedelta
        steps.append(partial(_without_nanoseconds, policy=policy.nanoseconds))
    if column.oid == TIME:
        steps.append(_without_time_zone)
    elif column.oid == TIMETZ:
        steps.append(_with_whole_offset)
    elif policy.naive_is_utc and column.oid != INTERVAL:
        steps.append(_to_naive_utc if column.oid == TIMESTAMP else _to_aware_utc)
    if column.unit is not None and column.name not in policy.round:
        steps.append(_time_of_unit(column, column.unit))
    return _chained(steps)


def _chained(steps: list[Converter]) -> Converter:
    steps = [step for step in steps if step is not as_is]
    if len(steps) < 2:
        return steps[0] if steps else as_is

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value)
            if value is None:
                return None
        return value

    return convert


def _nested_converter(column: Column, kind: type, policy: Policy) -> Converter | None:
    """How arrays, ranges and multiranges get into *column*: what is in them as a column of its type has it."""
    if (element := _ELEMENTS.get(column.oid)) is not None:
        return partial(_array, convert=_inner(column._replace(oid=element), policy))
    if (bound := _BOUNDS.get(column.oid)) is not None:
        inner, exact = column._replace(oid=bound), replace(policy, nan_is_null=False)  # None would be no bound
        return _range_converter(inner, exact) if issubclass(kind, Range) else None
    if (ranges := _RANGES.get(column.oid)) is not None:
        return (
            partial(_multirange, convert=_inner(column._replace(oid=ranges), policy))
            if issubclass(kind, Multirange)
            else None
        )
    return as_is


def _array(value: Any, convert: Converter, depth: int = 1) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"{show(value)} is no list, and the column is an array{_remedy(value)}")
    if depth > _DIMENSIONS:
        raise ValueError(f"an array has at most {_DIMENSIONS} dimensions")
    if not any(isinstance(item, list) for item in value):
        return [None if item is None else convert(item) for item in value]
    return [_array(item, convert, depth + 1) for item in value]  # all, or a list would be taken for an element


def _multirange(value: Multirange[Any], convert: Converter) -> Multirange[Any]:
    return Multirange(map(convert, value))


def _range_converter(column: Column, policy: Policy) -> Converter:
    convert = _inner(column, policy)

    def convert_range(value: Range[Any]) -> Range[Any]:
        if value.isempty:
            return value
        lower, upper = (None if bound is None else convert(bound) for bound in (value.lower, value.upper))
        if lower is not None and upper is not None and _is_above(lower, upper):
            raise ValueError(f"{show(value)} ends before it begins")
        if column.oid in INTEGERS:  # stored as [lower, upper)
            _integer_within(column.oid, 0 if lower is None else lower + (not value.lower_inc))
            _integer_within(column.oid, 0 if upper is None else upper + value.upper_inc)
            # psycopg before 3.3 sends a small bound in two bytes otherwise, whatever the range is of
            lower, upper = (None if bound is None else _AS_BOUND[column.oid](bound) for bound in (lower, upper))
        return Range(lower, upper, value.bounds)

    return convert_range


def _is_above(lower: Any, upper: Any) -> bool:
    """NaN is above every other number."""
    return bool(upper == upper and (lower != lower or lower > upper))


def _inner(column: Column, policy: Policy) -> Converter:
    """How a value within another one gets there; it has no encoder of its own that would notice what does not fit."""
    known: dict[type, Converter | None] = {}

    def convert(value: Any) -> Any:
        kind = type(value)
        if kind not in known:
            known[kind] = converter(column, kind, policy)
        step = known[kind]
        if step is None:
            raise ValueError(f"{show(value)} does not fit into type {column.type_name}")
        converted = step(value)
        if converted is not None:
            _check_inner(column.oid, converted)
        return converted

    return convert


def _check_inner(oid: int, value: Any) -> None:
    if oid in INTEGERS:
        _integer_within(oid, value)
    elif oid in TEXTS:
        check_text(value)
    elif oid in (TIMESTAMP, TIMESTAMPTZ) and (value.utcoffset() is None) != (oid == TIMESTAMP):
        raise ValueError(time_zone_reason(value, oid))
    elif oid in JSONS:
        check_json(oid, json.dumps(value.obj if isinstance(value, (Json, Jsonb)) else value).encode())


def _integer_within(oid: int, value: int) -> None:
    limit = 1 << (8 * struct.calcsize("=" + INTEGERS[oid]) - 1)
    if not -limit <= value < limit:
        raise ValueError(f"{show(value)} is out of range")


def check_text(value: str) -> None:
    """Raises ValueError for what PostgreSQL does not store in text."""
    if "\0" in value:
        raise ValueError(f"{show(value)} holds a zero character, which PostgreSQL does not store")


def check_json(oid: int, data: bytes) -> None:
    """Raises ValueError for what Python's json writes and PostgreSQL does not read."""
    if b"NaN" in data or b"Infinity" in data:
        json.loads(data, parse_constant=_no_constant)
    if oid != JSONB:
        return
    if _ZERO.search(data):
        raise ValueError("holds a zero character, which PostgreSQL does not store in jsonb")
    if b"\\ud" in data:
        json.dumps(json.loads(data), ensure_ascii=False).encode()  # half of a pair has no UTF-8


def _no_constant(name: str) -> None:
    raise ValueError(f"holds {name}, which JSON does not have: pass None")


#: An escaped zero character, not an escaped backslash before letters.
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def _address(value: Any) -> Any:
    if getattr(value, "scope_id", None) is not None:
        raise ValueError(f"{show(value)} has a scope, which PostgreSQL does not store")
    return value


def _no_number(value: Any, column: Column) -> None:
    raise ValueError(f"{show(value)} does not fit type {column.type_name}{_remedy(value)}")


def _remedy(value: Any) -> str:
    is_nan = isinstance(value, float) and math.isnan(value)
    return ": pass None for NULL, or nan_is_null=True" if is_nan else ""


def _nan_as_none(value: Any) -> Any:
    return value if value == value else None


def _float_to_decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))  # the shortest decimal that means this float


def _decimal_of_scale(precision: int, scale: int, rounds: bool) -> Converter:
    """A Decimal or int that a numeric of so many digits and decimals holds."""
    step = Decimal(1).scaleb(-scale)
    context = Context(precision, ROUND_HALF_EVEN, traps=[InvalidOperation] if rounds else [InvalidOperation, Inexact])

    def convert(value: Any) -> Any:
        try:
            kept = context.quantize(value, step)
        except Inexact:
            raise _too_many_decimals(value, scale) from None
        except InvalidOperation:
            if precision == _DIGITS and not isinstance(value, int) and value.is_infinite():
                return value
            raise ValueError(f"{show(value)} is out of range: the column has {precision} digits") from None
        return kept if rounds else value

    return convert


def _float_of_scale(value: float, scale: int, rounds: bool) -> float:
    kept = round(value, scale) if math.isfinite(value) else value
    if kept != value and math.isfinite(value) and not rounds:
        raise _too_many_decimals(value, scale)
    return kept


def _too_many_decimals(value: Any, scale: int) -> ValueError:
    return ValueError(f"{show(value)} has more than {scale} decimals: round it, or name its column in round=[…]")


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
    if not isinstance(value, Decimal) or not value.is_finite():
        return True  # a float, NaN or an infinity of its own
    try:
        _FIFTEEN.plus(value)
    except Inexact:
        return Decimal(repr(result)) == value
    return 1e-290 < abs(result) < 1e290 or Decimal(repr(result)) == value  # a double has 15 digits between these


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


def _with_whole_offset(value: dt.time) -> dt.time:
    offset = value.utcoffset()
    if offset is not None and offset.microseconds:
        raise ValueError(f"{show(value)} has a time zone with a fraction of a second, which PostgreSQL does not store")
    return value


def _without_nanoseconds(value: Any, policy: Nanoseconds) -> dt.datetime | dt.timedelta:
    is_span = isinstance(value, dt.timedelta)
    finer = value.nanoseconds if is_span else value.nanosecond
    if finer != finer:  # its NaT has NaN here
        raise ValueError(f"{show(value)} is no time")
    if finer and policy == "error":
        raise ValueError(finer_reason(value))
    if finer:
        value = value.round("us") if policy == "round" else value.floor("us")
    result: dt.datetime | dt.timedelta = value.to_pytimedelta() if is_span else value.to_pydatetime()
    return result


def _time_of_unit(column: Column, unit: int) -> Converter:
    """A time or interval that the server would not round."""
    rest = _RESTS.get(column.oid, operator.attrgetter("microsecond"))
    if not unit:  # nothing but months, of which Python's intervals have none
        rest, unit = bool, 2

    def convert(value: Any) -> Any:
        if rest(value) % unit:
            raise too_fine(value, column)
        return value

    return convert


def _rest_of_instant(value: dt.datetime) -> int:
    if value.tzinfo is dt.UTC or (offset := value.utcoffset()) is None:
        return value.microsecond
    return value.microsecond - offset.microseconds


def _rest_of_interval(value: dt.timedelta) -> int:
    return value.seconds * 1_000_000 + value.microseconds


#: By type, the microseconds of a value that its column's unit may not divide.
_RESTS: dict[int, Callable[[Any], int]] = {TIMESTAMPTZ: _rest_of_instant, INTERVAL: _rest_of_interval}


def too_fine(value: Any, column: Column) -> ValueError:
    """The error for a time that *column* would round."""
    return ValueError(
        f"{show(value)} is finer than type {column.type_name} keeps: round it, or pass round=[{column.name!r}]"
    )


class _Labels(dict[str, str]):
    """The *labels* of an enum, each by itself: a lookup is all that a good one costs."""

    def __init__(self, column: Column, labels: list[str]) -> None:
        super().__init__(zip(labels, labels, strict=True))
        self._type = column.type_name

    def __missing__(self, value: str) -> str:
        shown = ", ".join(map(show, list(self)[:_SHOWN])) + f" and {len(self) - _SHOWN} more" * (len(self) > _SHOWN)
        raise ValueError(f"{show(value)} is no label of type {self._type}: pass one of {shown or 'none, it has none'}")


def _text_of_length(column: Column, length: int) -> Converter:
    """A text that the server would not cut; blanks at the end of a ``char(n)`` mean nothing."""
    measure: Callable[[str], int] = len if column.oid == VARCHAR else lambda value: len(value.rstrip(" "))

    def convert(value: str) -> str:
        if len(value) > length and measure(value) > length:
            raise ValueError(
                f"{show(value)} has {len(value)} characters and type {column.type_name} keeps {length}: shorten it"
            )
        return value

    return convert


def _to_naive_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def _to_aware_utc(value: dt.datetime) -> dt.datetime:
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)


def time_zone_reason(value: Any, oid: int) -> str:
    """Why a datetime does not go into a timestamp column with or without time zone."""
    if oid == TIMESTAMP:
        return f"{show(value)} has a time zone and the column has none: pass naive UTC datetimes, or naive_is_utc=True"
    return f"{show(value)} has no time zone: pass aware datetimes, or naive_is_utc=True"


def finer_reason(value: Any) -> str:
    """Why a time or span that has nanoseconds does not go into any column."""
    return f"{show(value)} has nanoseconds and PostgreSQL stores microseconds: pass nanoseconds='round' or 'truncate'"


def show(value: Any) -> str:
    """*value* for a message, cut to a readable length."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = f"{type(value).__name__} that is too long to show"
    return text if len(text) <= 80 else text[:77] + "..."
