"""Which times and instruments the rows of a batch have, whatever they came as."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from numbers import Number
from typing import Any

from dbperf.copy.blocks import Part
from dbperf.copy.catalog import Column
from dbperf.errors import ColumnError

_SECOND = dt.timedelta(seconds=1)


def listed(values: Any) -> list[Any]:
    """Values of a column as Python has them, without nanoseconds, Arrow's times in UTC; None for NULL."""
    if hasattr(values, "to_pylist"):  # Arrow's
        if not str(values.type).startswith("timestamp"):
            return list(values.to_pylist())
        values = values.to_numpy(zero_copy_only=False)  # in UTC; Python does not have all of Arrow's years
    if hasattr(values, "dtype") and values.dtype.kind == "M":
        values = values.astype("M8[us]")
    return list(values.tolist()) if hasattr(values, "tolist") else list(values)


def utc(value: Any) -> dt.datetime | None:
    """A date or time as a naive UTC datetime; None for what is none."""
    if isinstance(value, dt.datetime):
        try:
            return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        except OverflowError:
            return None  # before year 1 or after 9999 in UTC
    return dt.datetime(value.year, value.month, value.day) if isinstance(value, dt.date) else None


def hours_of(values: Iterable[Any], *, are_rounded: bool = False) -> set[dt.datetime]:
    """The hours, naive UTC, in which dates and times are, or may be once they *are_rounded*: to a second at most."""
    moments = [at for at in map(utc, values) if at is not None]
    if are_rounded:
        moments += [at + _SECOND for at in moments if at < dt.datetime.max - _SECOND]
    return {at.replace(minute=0, second=0, microsecond=0) for at in moments}


class Touched:
    """The instruments of a batch, and between which times its rows are.

    Raises:
        ColumnError: the batch has no ``instrument_id`` or no ``timestamp``.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        names = [column.name for column in columns]
        if not {"instrument_id", "timestamp"} <= set(names):
            raise ColumnError("touch_instruments needs the columns instrument_id and timestamp in the batch")
        self._positions = names.index("instrument_id"), names.index("timestamp")
        self.ids: set[int] = set()
        self._since, self._until = dt.datetime.max, dt.datetime.min

    def between(self) -> tuple[dt.datetime, dt.datetime]:
        """The first and the last time that a row can have once it is rounded: to a second at most."""
        first, last = dt.datetime.min + _SECOND, dt.datetime.max - _SECOND
        return max(self._since, first) - _SECOND, min(self._until, last) + _SECOND

    def add(self, part: Part) -> None:
        """Note the rows of *part*."""
        columns = part.columns()
        ids, times = (listed(columns[position]) for position in self._positions)
        moments = [at for at in map(utc, times) if at is not None]
        self.ids.update(int(each) for each in set(ids) if _is_number(each))
        self._since, self._until = min([self._since, *moments]), max([self._until, *moments])


def _is_number(value: Any) -> bool:
    """Whether it is none of what stands for NULL: None, pandas.NA, NaN."""
    return isinstance(value, Number) and value == value
