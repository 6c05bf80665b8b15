"""INT96, which Spark, Hive and Impala write: nanoseconds of every year, and pyarrow's 64 bits have 1677 to 2262.

pyarrow wraps the others around. So it reads these columns twice: in milliseconds, which hold every day that INT96 has,
and in nanoseconds modulo 2⁶⁴. Together they say all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_PER_MILLI = 1_000_000

#: Milliseconds that are microseconds in 64 bits, of either sign.
_MOST_MILLIS = 2**63 // 1000 - 1


def with_millis(batches: Iterator[pa.RecordBatch], millis: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """*batches* with both readings of the columns that *millis* has: a struct of each, of any number of rows."""
    rest: list[pa.RecordBatch] = []
    for batch in batches:
        while not rest or sum(each.num_rows for each in rest) < batch.num_rows:
            if (more := next(millis, None)) is None:
                raise ValueError("a column has fewer rows")
            rest.append(more)
        table = pa.Table.from_batches(rest)
        for name in table.column_names:
            coarse = table.column(name).slice(0, batch.num_rows).combine_chunks()
            fine = batch.column(name)
            pair = pa.StructArray.from_arrays([fine, coarse], ["ns", "ms"])
            batch = batch.set_column(batch.schema.get_field_index(name), name, pair)
        rest = table.slice(batch.num_rows).to_batches()
        yield batch


def micros(pair: pa.StructArray) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Times without their nanoseconds, as ``M8[us]``; these nanoseconds, -1 where it is no time; which are NULL."""
    fine, coarse = (pc.fill_null(each.view(pa.int64()), 0).to_numpy() for each in pair.flatten())
    beyond = fine - coarse * _PER_MILLI  # wraps around as *fine* did
    wrong = (beyond < 0) | (beyond >= _PER_MILLI) | (abs(coarse) > _MOST_MILLIS)
    whole = (coarse * 1000 + beyond // 1000).view("M8[us]")
    return whole, np.where(wrong, -1, beyond % 1000), pair.field(0).is_null().to_numpy(zero_copy_only=False)


def shown(micro: np.datetime64, nanoseconds: int) -> str:
    """One of `micros`, as text."""
    return "a time of no year that PostgreSQL has" if nanoseconds < 0 else f"{micro}{nanoseconds:03}"


def wrapped(pair: pa.StructArray) -> int | None:
    """The first place of a nested column where a time within is none of nanoseconds in 64 bits."""
    fine, coarse = pair.flatten()
    if _is_wrapped(fine, coarse):
        return next(place for place in range(len(pair)) if _is_wrapped(fine.slice(place, 1), coarse.slice(place, 1)))
    return None


def _is_wrapped(fine: pa.Array, coarse: pa.Array) -> bool:
    if pa.types.is_nested(fine.type):
        within = [array.flatten() for array in (fine, coarse)]
        if pa.types.is_struct(fine.type):
            return any(map(_is_wrapped, *within))
        return _is_wrapped(*within)
    if not pa.types.is_timestamp(fine.type) or fine.type == coarse.type:
        return False
    given, millis = (array.view(pa.int64()).drop_null().to_numpy() for array in (fine, coarse))
    return bool((given // _PER_MILLI != millis).any())
