"""The bytes of values of one type, by one call of psycopg's C in place of one for each.

What psycopg encodes a row of COPY with is given a whole column for a row. It is private (there since 3.2.0 at least):
where it is missing, is not in C or writes anything else, values are encoded one by one.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg.abc import AdaptContext, Dumper
from psycopg.adapt import Transformer
from psycopg.pq import Format

from dbperf.copy.oids import DATE
from dbperf.copy.values import ENCODING_ERRORS

try:
    from psycopg._copy_base import format_row_binary
except ImportError:
    format_row_binary = None

#: Bytes of the number of values, before the first.
_HEAD = 2


class AlikeEncoder:
    """Encodes values of one type, which all have the same number of bytes.

    Args:
        oid: the type of their column.
        width: bytes of each.
        context: the connection; its registered adapters count.
    """

    def __init__(self, oid: int, width: int, context: AdaptContext | None) -> None:
        self._oid, self._width, self._context = oid, width, context
        self._record = np.dtype([("length", ">i4"), ("value", f"V{width}")])
        self._transformer, self._count = Transformer(context), 0

    def encode(self, values: Sequence[Any]) -> npt.NDArray[Any] | None:
        """The bytes of each of *values*; None if they have to be looked at one by one: one has none, or others."""
        row = bytearray()
        try:
            if self._count != len(values):
                self._transformer.set_dumper_types([self._oid] * len(values), Format.BINARY)
                self._count = len(values)
            format_row_binary(values, self._transformer, row)
        except ENCODING_ERRORS:
            return None
        if len(row) != _HEAD + len(values) * self._record.itemsize:
            return None
        records = np.frombuffer(row, self._record, offset=_HEAD)
        items: npt.NDArray[Any] = records["value"]
        return items if (records["length"] == self._width).all() else None


def is_alike(dumper: Dumper | None) -> bool:
    """Whether `AlikeEncoder` writes what *dumper* does: it is psycopg's own, in C, for the type of its column."""
    return _IS_KNOWN and type(dumper).__module__ == format_row_binary.__module__


def _is_known() -> bool:
    """Whether this psycopg encodes a row so."""
    days = [dt.date(2000, 1, 2), dt.date(1999, 12, 31)]
    try:
        found = AlikeEncoder(DATE, 4, None).encode(days)
    except Exception:
        return False
    return found is not None and found.tobytes() == struct.pack(">ii", 1, -1)


_IS_KNOWN = _is_known()
