"""Which encoder there is for the parts of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.abc import AdaptContext

from dbperf.copy.blocks import BlockEncoder, PlainEncoder
from dbperf.copy.catalog import Column
from dbperf.copy.options import Policy


def encoder_for(columns: Sequence[Column], context: AdaptContext, policy: Policy, *, numbered: bool) -> BlockEncoder:
    """NumPy's encoder if it is installed, else the plain one; both write the same bytes.

    Raises:
        ColumnError: nothing encodes a column's type.
    """
    try:
        from dbperf.copy.vectors import VectorEncoder
    except ImportError:
        return PlainEncoder(columns, context, policy, numbered)
    return VectorEncoder(columns, context, policy, numbered)
