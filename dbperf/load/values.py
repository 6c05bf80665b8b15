"""From the text of a CSV field to the value of a column; never a silent change."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID

from dbperf.errors import UsageError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
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


def parser(column: str, type_oid: int, type_name: str, scale: int | None, *, rounds: bool) -> FieldParser:
    """The parser for a column.

    Args:
        column: its name.
        type_oid: OID of its (base) type.
        type_name: the type in words.
        scale: decimals that a numeric column keeps; None for as many as there are.
        rounds: round numbers half-even to what the column keeps; otherwise they are refused.

    Raises:
        UsageError: text cannot be turned into this type, or *rounds* makes no sense for it.
    """
    if type_oid in (20, 21, 23, 1700):
        return _decimal_parser(column, 0 if type_oid != 1700 else scale, whole=type_oid != 1700, rounds=rounds)
    if rounds:
        raise UsageError(
            f"--round {column}: type {type_name} keeps no fixed number of decimals, there is nothing to round"
        )
    simple = _PARSERS.get(type_oid)
    if simple is None:
        raise UsageError(f"column {column} has type {type_name}, which load does not read from text: leave it out")
    return FieldParser(column, simple)


def _decimal_parser(column: str, scale: int | None, *, whole: bool, rounds: bool) -> FieldParser:
    result = FieldParser(column, lambda text: text)
    step = None if scale is None else Decimal(1).scaleb(-scale)
    kept = "whole numbers" if scale == 0 else f"{scale} decimals"

    def parse(text: str) -> object:
        number = Decimal(_checked(text))
        if step is not None:
            # a quantum too small for 28 digits cannot be meant for a column: let the server say its range
            fitted = number.quantize(step, ROUND_HALF_EVEN) if number.adjusted() < 20 else number
            if fitted != number:
                if not rounds:
                    raise ValueError(f"the column keeps {kept}; --round {column} rounds half-even")
                result.rounded += 1
                number = fitted
        return int(number) if whole else number

    result.parse = parse
    return result


def _checked(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a finite decimal number")
    return text


def _boolean(text: str) -> bool:
    word = text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("neither true nor false")


def _datetime(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 time such as 2022-01-31 23:59:00") from None


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
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 date such as 2022-01-31") from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("not a UUID") from None


def _text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a zero byte, which PostgreSQL does not store in text")
    return text


_PARSERS: dict[int, Callable[[str], object]] = {
    16: _boolean,
    25: _text,
    1042: _text,
    1043: _text,
    700: lambda text: float(_checked(text)),
    701: lambda text: float(_checked(text)),
    1082: _date,
    1114: _naive,
    1184: _aware,
    2950: _uuid,
}
