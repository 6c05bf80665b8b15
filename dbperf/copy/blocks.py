"""From parts of a batch to encoded rows, in plain Python.

A row of binary COPY is its number of fields in 16 bits, then of each field its length in 32 bits (-1: NULL) and its
bytes, all big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Protocol

from psycopg.abc import AdaptContext

from dbperf.copy.catalog import Column
from dbperf.copy.options import Policy
from dbperf.copy.values import Encoded, ValueEncoder
from dbperf.errors import RowError

_LENGTH = struct.Struct(">i").pack
_NUMBER = struct.Struct(">iq").pack
_NULL = _LENGTH(-1)


class Part(Protocol):
    """Some rows of a batch, one after the other; *numbers* is the number of each in the batch, from 1, ascending."""

    numbers: Sequence[int]

    def __len__(self) -> int: ...

    def part(self, first: int, stop: int) -> Part:
        """Rows *first* to *stop*, from 0."""
        ...

    def pick(self, places: Sequence[int]) -> Part:
        """The rows at *places*, from 0, ascending."""
        ...

    def columns(self) -> Sequence[Any]:
        """The values of each column."""
        ...

    def row(self, place: int) -> Any:
        """Row *place*, from 0, for people."""
        ...


class BlockEncoder(Protocol):
    """Encodes parts of a batch."""

    def encode(self, part: Part) -> bytes | memoryview:
        """The rows of *part*, good until the next call.

        Raises:
            RowError: a value does not fit.
        """
        ...


class PlainEncoder:
    """Without NumPy, and quicker where there are few rows.

    Args:
        columns: the columns to fill, in order.
        context: the connection; its registered adapters count.
        policy: see `Policy`.
        numbered: put each row's number before it, as a ``bigint``.

    Attributes:
        encoders: of each column.
    """

    def __init__(self, columns: Sequence[Column], context: AdaptContext, policy: Policy, numbered: bool) -> None:
        self.encoders = [ValueEncoder(column, context, policy) for column in columns]
        self._numbered = numbered
        self._count = struct.pack(">h", len(columns) + numbered)

    def encode(self, part: Part) -> bytes:
        """See `BlockEncoder`."""
        columns: list[Iterable[bytes]] = [repeat(self._count, len(part))]
        if self._numbered:
            columns.append(_NUMBER(8, number) for number in part.numbers)
        for encoder, values in zip(self.encoders, part.columns(), strict=True):
            columns.append(map(_field, encoder.encode(values, part.numbers)))
        return b"".join(chain.from_iterable(zip(*columns, strict=True)))


def _field(value: Encoded) -> bytes:
    return _NULL if value is None else _LENGTH(len(value)) + value


def good_parts(
    part: Part, encoder: BlockEncoder, refuse: Callable[[RowError, Any], object]
) -> Iterator[tuple[Part, bytes | memoryview]]:
    """*part* in pieces without the rows that do not fit, which *refuse* gets; with their bytes, good until the next."""
    while len(part):
        try:
            data = encoder.encode(part)
        except RowError as error:
            place = part.numbers.index(error.row)
            refuse(error, part.row(place))
            yield from good_parts(part.part(0, place), encoder, refuse)
            part = part.part(place + 1, len(part))
        else:
            yield part, data
            return
