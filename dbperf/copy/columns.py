"""Columns as their callers have them, sequences, arrays, pandas' and polars' Series, and rows of them."""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dbperf.copy.catalog import Column
from dbperf.copy.reasons import show
from dbperf.errors import ColumnError

#: Rows of one block: many enough for NumPy, few enough for the cache.
BLOCK_ROWS = 8192

#: In what polars and pyarrow call a type that has nanoseconds.
_FINER = re.compile(r"\bns\b|\bTime\b")

#: In what pandas, polars and pyarrow call a type that has floats of 32 bits or 16, and one that has others beside.
_SHORT, _DOUBLE = re.compile(r"\b(Float16|Float32|halffloat|float)\b"), re.compile(r"Float64|double")


class Columns:
    """Some rows of a batch that came as columns, one after the other.

    Args:
        names: of the columns.
        values: of each column, an array, masked or not, or a sequence; all of one length.
        numbers: of the rows in the batch, from 1; by default these are all.
    """

    def __init__(self, names: Sequence[str], values: Sequence[Any], numbers: Sequence[int] | None = None) -> None:
        self.numbers = range(1, 1 + len(values[0])) if numbers is None else numbers
        self._names, self._values = names, values

    def __len__(self) -> int:
        return len(self._values[0])

    def part(self, first: int, stop: int) -> Columns:
        """Rows *first* to *stop*, from 0."""
        return Columns(self._names, [values[first:stop] for values in self._values], self.numbers[first:stop])

    def pick(self, places: Sequence[int]) -> Columns:
        """The rows at *places*, from 0."""
        picked = [
            values[places] if isinstance(values, np.ndarray) else [values[place] for place in places]
            for values in self._values
        ]
        return Columns(self._names, picked, [self.numbers[place] for place in places])

    def columns(self) -> Sequence[Any]:
        """The values of each column."""
        return self._values

    def row(self, place: int) -> dict[str, Any]:
        """Row *place*, from 0."""
        values = (column[place] for column in self._values)
        return {name: None if value is np.ma.masked else value for name, value in zip(self._names, values, strict=True)}


def names_of(columns: Any) -> list[str]:
    """The names of *columns*, a mapping or a frame.

    Raises:
        ColumnError: it is neither.
    """
    if isinstance(columns, Mapping):
        return list(columns)
    for names in ("column_names", "columns"):  # of pyarrow; of pandas and polars
        if hasattr(type(columns), names):  # a frame of pandas has its columns as attributes, too
            return list(getattr(columns, names))
    raise ColumnError(f"{type(columns).__name__} has no columns by name: pass a mapping or a frame")


def parts_of(columns: Sequence[Column], values: Sequence[Any]) -> Iterator[Columns]:
    """*values* of each column, in parts of `BLOCK_ROWS`.

    Raises:
        ColumnError: one is no column, or they are of several lengths.
    """
    whole = [_plain(column, each) for column, each in zip(columns, values, strict=True)]
    if len(set(map(len, whole))) > 1:
        shown = ", ".join(f"{column.name} {len(each)}" for column, each in zip(columns, whole, strict=True))
        raise ColumnError(f"columns are of several lengths: {shown}")
    everything = Columns([column.name for column in columns], whole)
    return (everything.part(start, start + BLOCK_ROWS) for start in range(0, len(everything), BLOCK_ROWS))


def _plain(column: Column, values: Any) -> Any:
    """An array or a sequence; NumPy would make NaN of the NULLs of Arrow's and polars'."""
    if isinstance(values, (str, bytes)):
        raise _no_column(column, values)
    if isinstance(values, np.ndarray):
        if values.ndim == 0:
            raise _no_column(column, values)
        return values
    if isinstance(values, array):
        return np.asarray(values)
    if isinstance(values, Sequence):
        return list(values) if isinstance(values, deque) else values
    dtype = getattr(values, "dtype", getattr(values, "type", None))
    if hasattr(values, "isna"):
        return _of_pandas(column, values, dtype)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        if _FINER.search(str(dtype)):
            raise _drops_nanoseconds(column)
        try:
            listed = values.to_pylist() if hasattr(values, "to_pylist") else values.to_list()
        except (ValueError, ArithmeticError) as error:
            raise ColumnError(
                f"column {column.name} has what Python has not ({error}): pass the frame to copy_arrow"
            ) from None
        return _of_type(listed, dtype)
    return _plain(column, np.asanyarray(values))


def _of_pandas(column: Column, values: Any, dtype: Any) -> Any:
    """NumPy's array, if it is one, in which NaN is a number; else NULL for what is missing, which may be NaN there."""
    plain = getattr(dtype, "subtype", dtype)  # of a sparse one
    if isinstance(plain, np.dtype):
        return np.asarray(values, plain)
    if "time64[ns]" in str(dtype):
        raise _drops_nanoseconds(column)
    listed = zip(values.tolist(), values.isna(), strict=True)
    return _of_type([None if missing else value for value, missing in listed], dtype)


def _drops_nanoseconds(column: Column) -> ColumnError:
    return ColumnError(f"column {column.name} has nanoseconds, which Python drops: pass the frame to copy_arrow")


def _of_type(values: list[Any], dtype: Any) -> Any:
    """Python *values*; short floats have their 32 or 16 bits again, within lists their shortest decimals."""
    found = _SHORT.search(str(dtype))
    if not found or _DOUBLE.search(str(dtype)):
        return values
    short = np.float16 if found[0] in ("Float16", "halffloat") else np.float32
    if any(isinstance(value, (list, dict)) for value in values):
        return [_shortest(value, short) for value in values]
    nulls = [value is None for value in values]
    return np.ma.MaskedArray(np.array([0 if value is None else value for value in values], short), nulls)


def _shortest(value: Any, short: type[np.floating[Any]]) -> Any:
    if isinstance(value, list):
        return [_shortest(each, short) for each in value]
    if isinstance(value, dict):
        return {name: _shortest(each, short) for name, each in value.items()}
    return float(str(short(value))) if isinstance(value, float) else value


def _no_column(column: Column, values: Any) -> ColumnError:
    return ColumnError(f"column {column.name} is given {show(values)}, which is no array and no sequence")
