"""Rows as callers pass them: the values of each column, in the columns' order, and nothing invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import iconcat
from typing import Any

from dbperf.copy.catalog import Column
from dbperf.copy.reasons import show
from dbperf.errors import RowError

#: Rows of one batch of work: many enough for whole columns, few enough for the socket to take what they make while the
#: next ones are made.
ROWS = 1280

#: And what they weigh, about: rows of long texts are fewer.
BYTES = 1 << 22


@dataclass(frozen=True)
class RowShape:
    """What every row of a batch looks like, by the first one.

    Attributes:
        columns: the columns to fill, in order.
        by_name: whether rows are mappings.
        allow_extra: whether a mapping may hold keys that are no column.
    """

    columns: Sequence[Column]
    by_name: bool
    allow_extra: bool


class Rows:
    """Some rows, one after the other.

    Args:
        shape: see `RowShape`.
        rows: as the caller passes them.
        numbers: of the rows in the batch, from 1.
    """

    def __init__(self, shape: RowShape, rows: Sequence[Any], numbers: Sequence[int]) -> None:
        self.numbers = numbers
        self._shape, self._rows = shape, rows

    def __len__(self) -> int:
        return len(self._rows)

    def part(self, first: int, stop: int) -> Rows:
        """Rows *first* to *stop*, from 0."""
        return Rows(self._shape, self._rows[first:stop], self.numbers[first:stop])

    def pick(self, places: Sequence[int]) -> Rows:
        """The rows at *places*, from 0."""
        return Rows(self._shape, [self._rows[place] for place in places], [self.numbers[place] for place in places])

    def row(self, place: int) -> Any:
        """Row *place*, from 0, as it was passed."""
        row = self._rows[place]
        if self._shape.by_name or not _is_sequence(row) or len(row) != len(self._shape.columns):
            return row
        return {column.name: value for column, value in zip(self._shape.columns, row, strict=True)}

    def columns(self) -> list[Sequence[Any]]:
        """The values of each column.

        Raises:
            RowError: a row has other columns than the first one of all.
        """
        values, count = self.flat(), len(self._shape.columns)
        return [values[place::count] for place in range(count)]

    def flat(self) -> list[Any]:
        """The values of the first row, then of the next, and so on: a new list; `RowError` as from `columns`."""
        rows, count = self._rows, len(self._shape.columns)
        if self._shape.by_name:
            rows = [self._by_name(place, row) for place, row in enumerate(rows)]
        elif not self._are_plain(rows, count):
            self._check(rows)
        return reduce(iconcat, rows, [])  # half of what chain.from_iterable takes

    @staticmethod
    def _are_plain(rows: Sequence[Any], count: int) -> bool:
        """Whether all are tuples or all are lists, of so many values; counting is the fastest way to ask."""
        kinds = list(map(type, rows))
        if kinds[0] not in (tuple, list) or kinds.count(kinds[0]) != len(rows):
            return False
        return list(map(len, rows)).count(count) == len(rows)

    def _by_name(self, place: int, row: Any) -> list[Any]:
        number, names = self.numbers[place], [column.name for column in self._shape.columns]
        if not isinstance(row, Mapping):
            raise RowError(number, None, row, f"expected a mapping like the first row, got {show(row)}")
        for name in names:  # not by KeyError: a defaultdict would invent the value
            if name not in row:
                raise RowError(number, name, None, "is missing: pass None for NULL")
        if not self._shape.allow_extra and len(row) != len(names):
            extra = next(key for key in row if key not in names)
            raise RowError(number, str(extra), row[extra], "is not in the first row: name the columns to leave it out")
        return [row[name] for name in names]

    def _check(self, rows: Sequence[Any]) -> None:
        names = ", ".join(column.name for column in self._shape.columns)
        for number, row in zip(self.numbers, rows, strict=True):
            if not _is_sequence(row):
                raise RowError(number, None, row, f"expected a sequence of values like the first row, got {show(row)}")
            if len(row) != len(self._shape.columns):
                raise RowError(number, None, row, f"has {len(row)} values for columns {names}")


def _is_sequence(row: object) -> bool:
    return isinstance(row, Sequence) and not isinstance(row, (str, bytes))


def weight(row: Any) -> int:
    """About what *row* takes, in bytes; the same each time, because it decides what the pieces of a batch are."""
    values = row.values() if isinstance(row, Mapping) else row if isinstance(row, (tuple, list)) else ()
    return 64 + sum(len(value) for value in values if isinstance(value, (str, bytes)))
