"""Times that are written in another way than ISO 8601: as numbers since 1970, or by a pattern."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from dbperf.copy.catalog import Column
from dbperf.copy.conversions.steps import as_is
from dbperf.errors import UsageError
from dbperf.load.values import MICROSECOND, PRECISE, TIMES, FieldParser, microseconds_of, number_of, unfit

#: By name, digits after the point of a second in a number since 1970.
_UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}

_EPOCH = dt.datetime(1970, 1, 1)

#: What each directive of a pattern may stand for; two digits may be one, where what is beside them is no directive.
_DIRECTIVES = {
    **dict.fromkeys("mdHIMS", r"\d\d"),
    "Y": r"\d{4}",
    "y": r"\d\d",
    "j": r"\d{3}",
    "f": r"\d{1,9}",
    "b": r"[^\W\d]+",
    "B": r"[^\W\d]+",
    "p": r"[^\W\d]+",
    "z": r"Z|[+-]\d\d:?\d\d",
}

#: Of them, what together makes a day.
_DAYS = ({"Y", "y"}, {"m", "b", "B", "j"}, {"d", "j"})


def parse_forms(pairs: Sequence[str]) -> dict[str, str]:
    """``column=form`` strings, by column.

    Raises:
        UsageError: one has no ``=``, or no form that is known.
    """
    forms: dict[str, str] = {}
    for pair in pairs:
        column, _, form = pair.partition("=")
        if not column.strip() or (form not in _UNITS and "%" not in form):
            raise UsageError(
                f"--time {pair!r} is not COLUMN=FORM: s, ms, us or ns since 1970, or a pattern such as "
                "'%d.%m.%Y %H:%M:%S.%f'"
            )
        forms[column.strip()] = form
    return forms


def time_parser(column: Column, form: str, nulls: Sequence[str], *, rounds: bool) -> FieldParser:
    """The parser for a field of times in *form*; those without an offset are UTC.

    Args:
        column: of a type of days or times.
        form: ``s``, ``ms``, ``us`` or ``ns`` since 1970-01-01 00:00 UTC, or a pattern of `strptime`, whose ``%f`` reads
            up to nine digits here.
        nulls: texts that are NULL.
        rounds: round half-even to what the column keeps; otherwise finer times are refused.

    Raises:
        UsageError: the column keeps no times.
    """
    if column.oid not in TIMES:
        raise UsageError(f"--time {column.name}: type {column.type_name} keeps no times of a calendar")
    result = FieldParser(column.name, as_is)
    given_in, kept_as = _since_1970(_UNITS[form]) if form in _UNITS else _by_pattern(form), TIMES[column.oid]

    def parse(value: Any) -> object:
        if value is None or value in nulls:
            return None
        kept, is_rounded = microseconds_of(given_in(value), column, rounds=rounds)
        try:
            at = _EPOCH + kept * MICROSECOND
        except OverflowError:
            raise ValueError("not within the years 1 to 9999: is the unit of --time another one?") from None
        result.rounded += is_rounded
        return kept_as(at)

    result.parse = parse
    return result


def _since_1970(digits: int) -> Callable[[Any], Decimal]:
    """Microseconds of a number, which is no time of early 1970: so look seconds that are taken for a finer unit."""
    least = 10 ** (8 + digits) if digits else 0

    def microseconds(value: Any) -> Decimal:
        number = number_of(value)
        if abs(number) < least:
            raise ValueError(
                "a time of 1966 to 1973: is the unit of --time another one, or does --null say that it is none?"
            )
        return number.scaleb(6 - digits, PRECISE)

    return microseconds


def _by_pattern(pattern: str) -> Callable[[Any], Decimal]:
    """Microseconds of a text.

    `strptime` alone would read 25:00:00, written as 250000, as 02:50:00; here each directive has its own digits.
    """
    written, directives = _expression(pattern)
    separate = " ".join(f"%{directive}" for directive in directives)

    def microseconds(value: Any) -> Decimal:
        if not isinstance(value, str):
            raise unfit(value, "text")
        found = written.fullmatch(value.strip())
        finer = Decimal(0)
        try:
            parts = list(found.groups()) if found else []
            if "f" in directives and found:
                place = directives.index("f")
                finer, parts[place] = Decimal(f"0.{parts[place][6:]}0"), parts[place][:6]
            at = dt.datetime.strptime(" ".join(parts), separate)
        except ValueError:
            raise ValueError(f"not a time written as {pattern}") from None
        if at.tzinfo:
            at = at.astimezone(dt.UTC).replace(tzinfo=None)
        return (at - _EPOCH) // MICROSECOND + finer

    return microseconds


def _expression(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """What matches texts in *pattern*, a group for each directive, and these.

    Raises:
        UsageError: it has others than `_DIRECTIVES`, or they do not make one time.
    """
    literals, directives = re.split(r"%.", pattern), re.findall(r"%(.)", pattern)
    given = set(directives)
    if unknown := [each for each in directives if each not in _DIRECTIVES]:
        raise UsageError(f"--time: load does not read %{unknown[0]}, but %{', %'.join(_DIRECTIVES)}")
    if len(given) < len(directives) or not all(given & some for some in _DAYS) or ("I" in given) != ("p" in given):
        raise UsageError(
            f"--time {pattern!r} makes no time: it needs a year and a day (%m and %d, or %j), has nothing twice, and "
            "%I and %p together or not at all"
        )
    expression = re.escape(literals[0])
    for place, directive in enumerate(directives):
        digits = _DIRECTIVES[directive]
        is_tight = (place > 0 and not literals[place]) or (place + 1 < len(directives) and not literals[place + 1])
        if digits == r"\d\d" and directive != "y" and not is_tight:
            digits = r"\d\d?"
        expression += f"({digits})" + re.escape(literals[place + 1])
    return re.compile(expression, re.ASCII), directives
