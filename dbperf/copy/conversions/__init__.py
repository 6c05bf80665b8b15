"""Which Python types a column takes, and how a value gets there without changing.

psycopg's binary encoders trust their caller. The ones for integers wrap around silently, within
arrays and ranges too, a value of a type that merely resembles the column's is encoded as it
comes, and what is false (0, an empty string) is an empty range. What is not listed here is left to
its own encoder.
"""

from __future__ import annotations

import datetime as dt
import json
import operator
import struct
from dataclasses import replace
from decimal import Decimal
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
from dbperf.copy.conversions.numbers import nan_as_none, nan_remedy, no_number, number_converter
from dbperf.copy.conversions.steps import Converter, as_is, chained
from dbperf.copy.conversions.texts import Labels, address, check_json, check_text, text_of_length
from dbperf.copy.conversions.times import time_converter
from dbperf.copy.oids import (
    BOOLEAN,
    BYTEA,
    DATE,
    DOUBLE,
    FRACTIONS,
    INET,
    INTEGERS,
    INTERVAL,
    JSONB,
    JSONS,
    NUMERIC,
    REAL,
    TEXTS,
    TIME,
    TIMES,
    TIMESTAMP,
    TIMESTAMPTZ,
    TIMETZ,
    VARCHAR,
)
from dbperf.copy.options import Policy
from dbperf.copy.reasons import show, time_zone_reason

_ACCEPTED: dict[int, tuple[type, ...]] = {
    BOOLEAN: (bool,),
    BYTEA: (bytes, bytearray, memoryview),
    20: (int,),
    21: (int,),
    23: (int,),
    19: (str,),
    25: (str,),
    26: (int,),
    650: (IPv4Network, IPv6Network),
    INET: (IPv4Address, IPv6Address),
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
        convert = partial(no_number, column=column)
    return chained([nan_as_none, convert]) if policy.nan_is_null else convert


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
    if oid in FRACTIONS:
        return number_converter(column, kind, policy)
    if oid in TIMES or oid == INTERVAL:
        return time_converter(column, kind, policy)
    if column.labels is not None:
        return Labels(column, column.labels).__getitem__
    if column.length is not None:
        return text_of_length(column, column.length)
    if issubclass(kind, memoryview):
        return bytes  # its length is in items
    return address if oid == INET else as_is


def keeps_decimals(oid: int) -> bool:
    """Whether a type is one of numbers with decimals, or holds such."""
    for within in (_ELEMENTS, _RANGES, _BOUNDS):
        oid = within.get(oid, oid)
    return oid in FRACTIONS


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
        raise ValueError(f"{show(value)} is no list, and the column is an array{nan_remedy(value)}")
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
