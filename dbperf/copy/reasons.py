"""In which words a value is refused."""

from __future__ import annotations

from typing import Any

from dbperf.copy.catalog import Column
from dbperf.copy.oids import TIMESTAMP


def show(value: Any) -> str:
    """*value* for a message, cut to a readable length."""
    try:
        text = repr(value)
    except Exception:  # Python writes no integer of more than 4,300 digits, and others' code is others'
        text = f"{type(value).__name__} that is too long to show"
    return text if len(text) <= 80 else text[:77] + "..."


def time_zone_reason(value: Any, oid: int) -> str:
    """Why a datetime does not go into a timestamp column with or without time zone."""
    if oid == TIMESTAMP:
        return f"{show(value)} has a time zone and the column has none: pass naive UTC datetimes, or naive_is_utc=True"
    return f"{show(value)} has no time zone: pass aware datetimes, or naive_is_utc=True"


def finer_reason(value: Any) -> str:
    """Why a time or span that has nanoseconds does not go into any column."""
    return f"{show(value)} has nanoseconds and PostgreSQL stores microseconds: pass nanoseconds='round' or 'truncate'"


def too_fine(value: Any, column: Column) -> ValueError:
    """The error for a time that *column* would round."""
    return ValueError(
        f"{show(value)} is finer than type {column.type_name} keeps: round it, or pass round=[{column.name!r}]"
    )


def too_many_decimals(value: Any, scale: int) -> ValueError:
    """The error for a number that its column would round."""
    return ValueError(f"{show(value)} has more than {scale} decimals: round it, or name its column in round=[…]")
