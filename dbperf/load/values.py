"""From the text of a CSV field to the value of a column; never a silent change."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from uuid import UUID

from dbperf.copy.catalog import Column
from dbperf.copy.conversions import INTEGERS, converter
from dbperf.copy.options import Policy
from dbperf.errors import UsageError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)

# fromisoformat reads much more, an epoch in milliseconds too: 1701050400000 would be the year 1701
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d{1,6}0*)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)

#: numeric(p, s) has at most 1000 digits; the default context would refuse more than 28.
_PRECISE = Context(prec=2200)

_NUMERIC, _FLOATS = 1700, (700, 701)
_TRUE, _FALSE = {"t", "true", "yes", "on", "1"}, {"f", "false", "no", "off", "0"}


@dataclass
class FieldParser:
    """Parses the fields of one column.

    Attributes:
        column: its name.
        parse: text to value; ValueError says in words why not.
        rounded: how many values rounding changed so far.
    """

    column: str
    parse: Callable[[str], object] = field(repr=False)
    rounded: int = 0


def parser(column: Column, *, rounds: bool) -> FieldParser:
    """The parser for *column*.

    Args:
        column: as the catalogue has it.
        rounds: round numbers half-even to what the column keeps; otherwise they are refused.

    Raises:
        UsageError: text cannot be turned into this type, or *rounds* makes no sense for it.
    """
    if column.oid in INTEGERS or column.oid == _NUMERIC:
        return _decimal_parser(column.name, 0 if column.oid in INTEGERS else column.scale, rounds=rounds)
    if rounds:
        reason = f"type {column.type_name} keeps no fixed number of decimals, there is nothing to round"
        raise UsageError(f"--round {column.name}: {reason}")
    if column.oid in _FLOATS:
        to_float = converter(column, Decimal, Policy())
        assert to_float is not None
        return FieldParser(column.name, lambda text: to_float(_number(text)))
    simple = _PARSERS.get(column.oid)
    if simple is None:
        raise UsageError(
            f"column {column.name} has type {column.type_name}, which load does not read from text: leave it out"
        )
    return FieldParser(column.name, simple)


def _decimal_parser(column: str, scale: int | None, *, rounds: bool) -> FieldParser:
    result = FieldParser(column, _number)
    if scale is None:
        return result
    step = Decimal(1).scaleb(-scale)
    kept = "whole numbers" if scale == 0 else f"{scale} decimals"

    def parse(text: str) -> object:
        number = _number(text)
        fitted = number.quantize(step, ROUND_HALF_EVEN, _PRECISE)
        if fitted != number:
            if not rounds:
                raise ValueError(f"the column keeps {kept}; --round {column} rounds half-even")
            result.rounded += 1
        return int(fitted) if scale == 0 else fitted

    result.parse = parse
    return result


def _number(text: str) -> Decimal:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a finite decimal number")
    return Decimal(text)


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("neither true nor false")


def _datetime(text: str) -> dt.datetime:
    text = text.strip()
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return dt.datetime.fromisoformat(text)
    except ValueError:
        reason = "not an ISO 8601 time of at most microseconds, such as 2022-01-31 23:59:00.123456"
        raise ValueError(reason) from None


def _naive(text: str) -> dt.datetime:
    """For ``timestamp``: an offset is applied, because naive times are UTC."""
    value = _datetime(text)
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def _aware(text: str) -> dt.datetime:
    """For ``timestamptz``: a time without an offset is UTC."""
    value = _datetime(text)
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)


def _date(text: str) -> dt.date:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip(), re.ASCII):
            raise ValueError
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("not an ISO 8601 date such as 2022-01-31") from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise ValueError("not a UUID") from None


def _text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a zero byte, which PostgreSQL does not store in text")
    return text


_PARSERS: dict[int, Callable[[str], object]] = {
    16: _boolean,
    25: _text,
    1043: _text,
    1082: _date,
    1114: _naive,
    1184: _aware,
    2950: _uuid,
}
