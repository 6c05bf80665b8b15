"""How dates, times and intervals get into their columns: no time zone, no fraction is lost."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from dbperf.copy.catalog import Column
from dbperf.copy.conversions.steps import Converter, chained
from dbperf.copy.oids import INTERVAL, TIME, TIMESTAMP, TIMESTAMPTZ, TIMETZ
from dbperf.copy.options import Nanoseconds, Policy
from dbperf.copy.reasons import finer_reason, show, too_fine


def time_converter(column: Column, kind: type, policy: Policy) -> Converter:
    """How a *kind* of time or interval gets into *column*."""
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
    return chained(steps)


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


def _to_naive_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def _to_aware_utc(value: dt.datetime) -> dt.datetime:
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
