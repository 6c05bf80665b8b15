"""From columns to rows of binary COPY, thousands of rows at a time.

A row of the format is its number of fields in 16 bits, then of each field its length in 32 bits (-1: NULL) and its
bytes, all big-endian. NumPy puts whole columns in their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

#: Above this average, values are put in their places one by one: an index for each byte takes eight times its memory.
_LONG = 64

Array = npt.NDArray[Any]


class Fixed(NamedTuple):
    """Values of one width: *items* as they are here, *sent* the big-endian dtype that they are sent as."""

    items: Array
    sent: np.dtype[Any]
    nulls: Array | None = None


class Variable(NamedTuple):
    """Values of any length: *data* holds them one after the other, NULLs with length 0."""

    lengths: Array
    data: Array
    nulls: Array | None = None


Field = Fixed | Variable


class Joiner:
    """Puts the fields of one block after the other together; what rows of one shape have in common is written once."""

    def __init__(self) -> None:
        self._runs: dict[int, _Run] = {}

    def join(self, fields: Sequence[Field]) -> Array:
        """Encoded rows as bytes, good until the next call.

        Args:
            fields: one for each column, all of the same number of rows.
        """
        count = _count(fields[0])
        runs = [list(run) for _, run in groupby(fields, key=_is_alike)]
        if not _is_alike(fields[0]):
            runs.insert(0, [])  # the number of fields, by itself
        parts = [
            self._run(place, run, count, len(fields)) if not place or _is_alike(run[0]) else run
            for place, run in enumerate(runs)
        ]
        if len(parts) == 1 and isinstance(parts[0], np.ndarray):
            return parts[0].view(np.uint8)
        return _scattered(parts, count)

    def _run(self, place: int, run: Sequence[Field], count: int, fields: int) -> Array:
        """Fields whose rows have one shape: a structured array is their bytes; the first has the number of fields."""
        alike = [field for field in run if isinstance(field, Fixed)]
        sent = [field.sent for field in alike]
        kept = self._runs.get(place)
        if kept is None or kept.sent != sent or len(kept.rows) < count:
            kept = self._runs[place] = _Run(sent, count, None if place else fields)
        for values, field in zip(kept.values, alike, strict=True):
            values[:count] = field.items
        return kept.rows[:count]


class _Run:
    """Room for *count* rows of values next to each other, what goes before each written already.

    Args:
        sent: the dtype of each.
        fields: the number of fields, if it goes before them.
    """

    def __init__(self, sent: Sequence[np.dtype[Any]], count: int, fields: int | None) -> None:
        shape: list[tuple[str, Any]] = [] if fields is None else [("count", ">i2")]
        for number, dtype in enumerate(sent):
            shape += [(f"length{number}", ">i4"), (f"value{number}", dtype)]
        self.sent, self.rows = sent, np.empty(count, shape)
        if fields is not None:
            self.rows["count"] = fields
        for number, dtype in enumerate(sent):
            self.rows[f"length{number}"] = dtype.itemsize
        self.values = [self.rows[f"value{number}"] for number in range(len(sent))]


def _scattered(parts: Sequence[Array | list[Field]], count: int) -> Array:
    """Rows of several lengths: each part of one goes to its place."""
    sizes = np.zeros(count, np.int64)
    for part in parts:
        sizes += part.itemsize if isinstance(part, np.ndarray) else sum(4 + _lengths(field) for field in part)
    out = np.empty(sizes.sum(), np.uint8)
    at = np.cumsum(sizes) - sizes
    for part in parts:
        if isinstance(part, np.ndarray):
            _put(out, at, part)
            at += part.itemsize
            continue
        for field in part:
            _put_fixed(out, at, field) if isinstance(field, Fixed) else _put_variable(out, at, field)
            at += 4 + _lengths(field)
    return out


def _is_alike(field: Field) -> bool:
    return isinstance(field, Fixed) and field.nulls is None


def _count(field: Field) -> int:
    return len(field.items if isinstance(field, Fixed) else field.lengths)


def _lengths(field: Field) -> Array:
    if isinstance(field, Variable):
        return field.lengths
    lengths = np.full(len(field.items), field.sent.itemsize, np.int64)
    if field.nulls is not None:
        lengths[field.nulls] = 0
    return lengths


def _put(out: Array, at: Array, items: Array) -> None:
    """Write each of *items* at its place, whatever its alignment."""
    size = items.itemsize
    if len(items):
        places = np.ndarray((len(out) - size + 1,), f"V{size}", out, strides=(1,))
        places[at] = items.view(f"V{size}")


def _put_fixed(out: Array, at: Array, field: Fixed) -> None:
    """Of which some are NULL."""
    assert field.nulls is not None
    pairs = np.empty(len(field.items), [("length", ">i4"), ("value", field.sent)])
    pairs["length"] = field.sent.itemsize
    pairs["value"] = field.items
    there = ~field.nulls
    _put(out, at[there], pairs[there])
    _put(out, at[field.nulls], np.full(int(field.nulls.sum()), -1, ">i4"))


def _put_variable(out: Array, at: Array, field: Variable) -> None:
    lengths = field.lengths
    shown = lengths if field.nulls is None else np.where(field.nulls, -1, lengths)
    _put(out, at, shown.astype(">i4"))
    ends = np.cumsum(lengths)
    if len(field.data) > _LONG * len(lengths):
        for place, end, length in zip((at + 4).tolist(), ends.tolist(), lengths.tolist(), strict=True):
            out[place : place + length] = field.data[end - length : end]
    else:
        out[np.repeat(at + 4 - (ends - lengths), lengths) + np.arange(len(field.data))] = field.data
