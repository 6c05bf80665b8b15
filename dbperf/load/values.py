"""From what stands in a file, text or a value of Python, to the value of a column; never a silent change."""

from __future__ import annotations

import datetime as dt
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from dbperf.copy.catalog import Column
from dbperf.copy.conversions.steps import as_is
from dbperf.copy.oids import DATE, DOUBLE, INTEGERS, INTERVAL, JSONS, NUMERIC, REAL, TIME, TIMESTAMP, TIMESTAMPTZ
from dbperf.errors import UsageError
from dbperf.load import jsontext

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?(\d+))?", re.ASCII)

# fromisoformat reads much more, an epoch in milliseconds too: 1701050400000 would be the year 1701
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d{1,6}0*)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)

# as PostgreSQL; UUID() also reads underscores, signs, blanks, 0x and hyphens anywhere
_UUID = re.compile(r"(\{)?[0-9a-f]{4}(-?[0-9a-f]{4}){7}(?(1)\})", re.ASCII | re.IGNORECASE)

_NANOSECONDS = re.compile(r"(-?\d{1,25}) nanoseconds( after midnight)?", re.ASCII)

_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d{1,30})(?!\d)", re.ASCII)

MICROSECOND, _DAY = dt.timedelta(microseconds=1), dt.timedelta(days=1)

#: numeric(p, s) has at most 1000 digits; the default context would refuse more than 28.
PRECISE = Context(prec=2200)

#: ``real`` and ``double precision``, and of how many digits each keeps every decimal number.
FLOATS = {REAL: 6, DOUBLE: 15}

#: Why NaN and the infinities are refused.
NOT_FINITE = "not a finite decimal number"
_TRUE, _FALSE = {"t", "true", "yes", "on", "1"}, {"f", "false", "no", "off", "0"}


@dataclass
class FieldParser:
    """Parses what fills one column.

    Attributes:
        column: its name.
        parse: text, or a value of Python, to the column's value; ValueError says in words why not.
        rounded: how many values rounding changed so far.
    """

    column: str
    parse: Callable[[Any], object] = field(repr=False)
    rounded: int = 0


def is_parsed(column: Column) -> bool:
    """Whether `parser` knows the type of *column*."""
    return column.oid in INTEGERS or column.oid == NUMERIC or column.oid in FLOATS or column.oid in _PARSERS


def is_rounded(column: Column) -> bool:
    """Whether `parser` rounds to the type of *column*, if that is asked for."""
    return column.oid in (*INTEGERS, NUMERIC, *FLOATS, *_MOMENTS, INTERVAL, TIME)


def parser(column: Column, *, rounds: bool) -> FieldParser:
    """The parser for *column*.

    Args:
        column: as the catalogue has it.
        rounds: round numbers and times half-even to what the column keeps; otherwise they are refused.

    Raises:
        UsageError: text cannot be turned into this type, or *rounds* makes no sense for it.
    """
    if column.oid in INTEGERS or column.oid == NUMERIC:
        return _decimal_parser(column.name, 0 if column.oid in INTEGERS else column.scale, rounds=rounds)
    if column.oid in FLOATS:
        return _float_parser(column, rounds=rounds)
    if rounds and column.oid in _MOMENTS:
        return _rounding_parser(column, _MOMENTS[column.oid])
    if rounds:
        reason = f"type {column.type_name} keeps no fixed number of decimals, there is nothing to round"
        raise UsageError(f"--round {column.name}: {reason}")
    simple = _PARSERS.get(column.oid)
    if simple is None:
        raise UsageError(
            f"column {column.name} has type {column.type_name}, which load does not read from text: leave it out"
        )
    return FieldParser(column.name, simple)


def _decimal_parser(column: str, scale: int | None, *, rounds: bool) -> FieldParser:
    result = FieldParser(column, number_of)
    if scale is None:
        return result
    step = Decimal(1).scaleb(-scale)
    kept = "whole numbers" if scale == 0 else f"{scale} decimals"

    def parse(value: Any) -> object:
        if type(value) is int and scale >= 0:
            return value
        number = number_of(value)
        try:
            fitted = number.quantize(step, ROUND_HALF_EVEN, PRECISE)
        except InvalidOperation:
            raise ValueError("has more digits than any column keeps") from None
        if fitted != number:
            if not rounds:
                raise ValueError(f"the column keeps {kept}; --round {column} rounds half-even")
            result.rounded += 1
        return int(fitted) if scale == 0 else fitted

    result.parse = parse
    return result


def _float_parser(column: Column, *, rounds: bool) -> FieldParser:
    """To the nearest value of the type, as in SQL; but an integer changes only if *rounds* says so.

    An integer counts or names something, and is written without a point and an exponent; every other number is one that
    the type only ever keeps as nearly as it can. Neither becomes 0 or infinite.
    """
    result = FieldParser(column.name, number_of)

    def parse(value: Any) -> object:
        if type(value) is float and math.isfinite(value):
            return value
        number = number_of(value)
        nearest = _nearest_real(number) if column.oid == REAL else float(number)
        if math.isinf(nearest) or (nearest == 0) != (number == 0):
            raise ValueError(f"out of range for type {column.type_name}")
        if number.adjusted() >= FLOATS[column.oid] and number.as_tuple().exponent == 0 and not _means(nearest, number):
            if not rounds:
                raise ValueError(f"no {column.type_name} means this integer; --round {column.name} takes the nearest")
            result.rounded += 1
        return nearest

    result.parse = parse
    return result


def _nearest_real(number: Decimal) -> float:
    """The nearest ``real``, and not the one nearest to the nearest double."""
    result = float(number)
    try:
        kept: float = struct.unpack("f", struct.pack("f", result))[0]
        in_middle = kept != result and 2 * result - kept == struct.unpack("f", struct.pack("f", 2 * result - kept))[0]
        if in_middle and Decimal(result) != number:  # it does not say on which side of it the number is
            toward = math.inf if number > Decimal(result) else -math.inf
            kept = struct.unpack("f", struct.pack("f", math.nextafter(result, toward)))[0]
    except OverflowError:
        return math.inf
    return kept


def _means(nearest: float, integer: Decimal) -> bool:
    """Whether *nearest*, written with as many digits as *integer* has, is that again."""
    digits = len(str(int(integer)).strip("-").rstrip("0"))
    return Decimal(f"{nearest:.{digits}g}") == integer


def _rounding_parser(column: Column, simple: Callable[[Any], dt.datetime]) -> FieldParser:
    """For times, to what *column* keeps, once: not first to a microsecond."""
    result = FieldParser(column.name, simple)

    def parse(value: Any) -> object:
        fraction = _FRACTION.search(value) if isinstance(value, str) else None
        at = simple(value[: fraction.start()] + value[fraction.end() :] if fraction else value)
        given = Decimal(f"0.{fraction[1]}").scaleb(6, PRECISE) if fraction else Decimal(at.microsecond)
        kept, is_rounded = microseconds_of(given, column, rounds=True)
        result.rounded += is_rounded
        return at.replace(microsecond=0) + dt.timedelta(microseconds=kept)

    result.parse = parse
    return result


def span_parser(column: Column, *, rounds: bool) -> FieldParser:
    """For an interval or a time of day; as `parser`.

    Of spans and times, and of those that Python does not have as texts: ``1001 nanoseconds``, ``1001 nanoseconds after
    midnight``.
    """
    result = FieldParser(column.name, as_is)

    def parse(value: Any) -> object:
        if isinstance(value, dt.time):
            value = dt.datetime.combine(dt.date.min, value) - dt.datetime.min
        if isinstance(value, dt.timedelta):
            given = Decimal(value // MICROSECOND)
        elif isinstance(value, str) and (nanoseconds := _NANOSECONDS.fullmatch(value)):
            given = Decimal(nanoseconds[1]).scaleb(-3)
        else:
            raise unfit(value, "span of time")
        kept, is_rounded = microseconds_of(given, column, rounds=rounds)
        if column.oid == TIME and not 0 <= kept < _DAY // MICROSECOND:
            raise ValueError("not within a day")
        result.rounded += is_rounded
        return (dt.datetime.min + kept * MICROSECOND).time() if column.oid == TIME else kept * MICROSECOND

    result.parse = parse
    return result


def microseconds_of(given: Decimal, column: Column, *, rounds: bool) -> tuple[int, bool]:
    """*given* microseconds as *column* keeps them, and whether that are others.

    Raises:
        ValueError: they are finer, and not to be rounded.
    """
    unit = column.unit or 1
    kept = int((given / unit).quantize(1, ROUND_HALF_EVEN, PRECISE)) * unit
    if kept != given and not rounds:
        raise ValueError(f"finer than type {column.type_name} keeps; --round {column.name} rounds half-even")
    return kept, kept != given


def finite(value: Any) -> Any:
    """*value*, a list of lists of whatever.

    Raises:
        ValueError: NaN or an infinity is within.
    """
    if isinstance(value, list):
        for each in value:
            finite(each)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(NOT_FINITE)
    return value


def number_of(value: Any) -> Decimal:
    """*value*, a number or the text of one, as it is written.

    Raises:
        ValueError: it is none, or not finite.
    """
    if isinstance(value, str):
        value = value.strip()
        if not (number := _NUMBER.fullmatch(value)):
            raise ValueError(NOT_FINITE)
        if len(number[3] or "") > 3:
            raise ValueError("load reads exponents of at most three digits: write the number without one")
        return Decimal(value)
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(NOT_FINITE)
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)  # the shortest that means it
    raise unfit(value, "number")


def unfit(value: Any, wanted: str) -> ValueError:
    """That *value* is of a type which is not *wanted*."""
    return ValueError(f"a {type(value).__name__}, not a {wanted}")


def _boolean(value: Any) -> bool:
    word = str(value).strip().lower() if isinstance(value, (str, bool)) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("neither true nor false")


def _datetime(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)
    text = value.strip() if isinstance(value, str) else ""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return dt.datetime.fromisoformat(text)
    except ValueError:
        reason = "not an ISO 8601 time such as 2022-01-31 23:59:00.123456 (--round rounds, --time reads others)"
        raise ValueError(reason) from None


def _naive(value: Any) -> dt.datetime:
    """For ``timestamp``: an offset is applied, because naive times are UTC."""
    at = _datetime(value)
    return at.astimezone(dt.UTC).replace(tzinfo=None) if at.tzinfo else at


def _aware(value: Any) -> dt.datetime:
    """For ``timestamptz``: a time without an offset is UTC."""
    at = _datetime(value)
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        if value != dt.datetime(value.year, value.month, value.day):
            raise ValueError("has a time of day, and the column keeps dates")
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = value.strip() if isinstance(value, str) else ""
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 date such as 2022-01-31") from None


def _uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        if isinstance(value, bytes):  # of Parquet, whose type for it is 16 bytes
            return UUID(bytes=value)
        if not (isinstance(value, str) and _UUID.fullmatch(value)):
            raise ValueError
        return UUID(value)
    except ValueError:
        raise ValueError("not a UUID") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise unfit(value, "text")
    if "\x00" in value:
        raise ValueError("holds a zero byte, which PostgreSQL does not store in text")
    return str(value)


def _json(value: Any) -> Jsonb:
    """The text of JSON as it is: decoding it only tells whether it is one."""
    if not isinstance(value, str):
        raise unfit(value, "JSON text")
    jsontext.decode(value)
    return Jsonb(str(value), dumps=as_is)


_MOMENTS = {TIMESTAMP: _naive, TIMESTAMPTZ: _aware}

#: For types of days and times, what makes them of a ``datetime``.
TIMES: dict[int, Callable[[Any], dt.date]] = {**_MOMENTS, DATE: _date}

_PARSERS: dict[int, Callable[[Any], object]] = {
    **TIMES,
    16: _boolean,
    25: _text,
    1043: _text,
    2950: _uuid,
    **dict.fromkeys(JSONS, _json),
}
