"""From the values of columns to encoded rows: whole arrays where NumPy has the type, else one by one.

Nothing is changed on the way but by a `Policy` that the caller has named: what a column cannot hold raises a
`RowError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from psycopg.abc import AdaptContext

from dbperf.copy.alike import AlikeEncoder, is_alike
from dbperf.copy.arrays import ENCODERS, PLAIN, Array, Sent, array_of, masked, objects, time_reason, without_nanoseconds
from dbperf.copy.blocks import Part, PlainEncoder
from dbperf.copy.catalog import Column
from dbperf.copy.joiner import Field, Fixed, Joiner, Variable
from dbperf.copy.marshalled import is_number, numbers
from dbperf.copy.oids import INTERVAL, TIMESTAMP, TIMESTAMPTZ
from dbperf.copy.options import Policy
from dbperf.copy.reasons import too_fine
from dbperf.copy.rows import Rows
from dbperf.copy.values import Encoded, ValueEncoder
from dbperf.errors import RowError

#: Rows that are encoded value by value before what NumPy needs for them is made.
_FEW = 16

#: Bytes of a value, by OID, where all have the same: what is encoded one by one needs no look at its length.
_WIDTHS = {16: 1, 20: 8, 21: 2, 23: 4, 700: 4, 701: 8, 1082: 4, 1083: 8, 1114: 8, 1184: 8, 1186: 16, 2950: 16}


class VectorEncoder:
    """Encodes parts of a batch, whatever their columns are.

    Args:
        columns: the columns to fill, in order.
        context: the connection; its registered adapters count.
        policy: see `Policy`.
        numbered: put each row's number before it, as a ``bigint``.
    """

    def __init__(self, columns: Sequence[Column], context: AdaptContext, policy: Policy, numbered: bool) -> None:
        self._plain = PlainEncoder(columns, context, policy, numbered)
        self._context, self._numbered = context, numbered
        self._joiner = Joiner()

    def encode(self, part: Part) -> bytes | memoryview:
        """See `BlockEncoder`."""
        if isinstance(part, Rows) and len(part) < _FEW:
            return self._plain.encode(part)
        fields: list[Field] = []
        if self._numbered:
            fields.append(Fixed(np.fromiter(part.numbers, np.int64, len(part)), np.dtype(">i8")))
        columns = self._columns(part) if isinstance(part, Rows) else part.columns()
        for encoder, values in zip(self._encoders, columns, strict=True):
            fields.append(self.field(encoder, values, part.numbers))
        return self._joiner.join(fields).data

    @cached_property
    def _encoders(self) -> list[FieldEncoder]:
        return [FieldEncoder(values, self._context) for values in self._plain.encoders]

    def _columns(self, rows: Rows) -> Sequence[Any]:
        """The columns of *rows*: those of numbers, all at once, as arrays."""
        values, count = rows.flat(), len(self._encoders)
        dtypes = tuple(map(FieldEncoder.number, self._encoders, values))
        columns: list[Any] = [None if dtype else values[place::count] for place, dtype in enumerate(dtypes)]
        if not any(dtypes):
            return columns
        nothing = [None] * len(rows)
        for place, dtype in enumerate(dtypes):
            if dtype is None:
                values[place::count] = nothing
        found = numbers(values, dtypes)
        if found is None:
            return rows.columns()
        return [array if dtype else column for dtype, array, column in zip(dtypes, found, columns, strict=True)]

    def field(self, encoder: FieldEncoder, values: Any, numbers: Sequence[int]) -> Field:
        """The field of one column, of rows with these *numbers*."""
        if isinstance(values, np.ma.MaskedArray) and values.ndim > 1:  # of an array's elements, some are NULL
            return encoder.sequence(masked(values), numbers)
        if isinstance(values, np.ma.MaskedArray):
            return encoder.array(values.data, np.ma.getmaskarray(values), numbers)
        if isinstance(values, np.ndarray):
            return encoder.array(values, None, numbers)
        return encoder.sequence(values, numbers)


class FieldEncoder:
    """Encodes values of one column: an array as a whole, what NumPy has no type for one by one, by *values*."""

    def __init__(self, values: ValueEncoder, context: AdaptContext) -> None:
        self.column, self.policy = column, policy = values.column, values.policy
        self._context, self._values = context, values
        self._alike: AlikeEncoder | None = None
        self._scale = policy.scale.get(column.name)
        self._unit = None if column.name in policy.round else column.unit
        self._are_numbers = True  # until something else was among them
        self._numbers = {
            kind: dtype for kind, dtype in PLAIN.items() if is_number(dtype) and (column.oid, dtype[0]) in ENCODERS
        }

    def array(self, block: Array, nulls: Array | None, numbers: Sequence[int], *, is_utc: bool = False) -> Field:
        """*block*, of which *nulls* are NULL, of rows with these *numbers*.

        Args:
            is_utc: times without a time zone are known to be UTC.

        Raises:
            RowError: a value does not fit.
        """
        if block.ndim > 1:
            return self.sequence(objects(block), numbers)  # what is missing within is NULL there alone
        kind, oid = block.dtype.kind, self.column.oid
        if kind in "Mm" or (kind == "f" and self.policy.nan_is_null):
            missing = np.isnat(block) if kind in "Mm" else np.isnan(block)
            nulls = missing if nulls is None else nulls | missing
        if nulls is not None and not nulls.any():
            nulls = None
        block = without_nanoseconds(block, self.policy.nanoseconds)
        if oid == TIMESTAMPTZ and (is_utc or self.policy.naive_is_utc):
            oid = TIMESTAMP
        encode, sent = ENCODERS.get((oid, kind), (None, ""))
        if kind == "m" and oid == INTERVAL:
            self._check_spans(numbers, block, nulls)
        if encode is None:
            return self._one_by_one(objects(block), numbers, nulls)
        items, changed = encode(block)
        if self._scale is not None and kind == "f":
            items, lossy = self._of_scale(items, self._scale)
            changed = lossy if changed is None else changed | lossy
        if changed is not None and nulls is not None:
            changed = changed & ~nulls
        if changed is not None and changed.any():
            raise self._refusal(numbers, block, changed)
        if self._unit is not None:
            self._check_unit(numbers, block, items, nulls)
        return Fixed(items, np.dtype(sent), nulls)

    def sequence(self, values: Sequence[Any], numbers: Sequence[int], nulls: Array | None = None) -> Field:
        """Python *values*, of which None, too, is NULL."""
        block, missing = self._array(values) if nulls is None else (None, None)
        return self._one_by_one(values, numbers, nulls) if block is None else self.array(block, missing, numbers)

    def number(self, value: Any) -> str | None:
        """The dtype of *value* if it is a number that goes into the column, as all before it were."""
        return self._numbers.get(type(value)) if self._are_numbers else None

    def _array(self, values: Sequence[Any]) -> tuple[Array | None, Array | None]:
        """*values* as an array, if NumPy has their type and encodes it, and which of them are NULL."""
        dtype = self._numbers.get(type(next(iter(values), None)))
        if dtype is not None and isinstance(values, (tuple, list)):
            if (found := numbers(values, (dtype,))) is not None:
                return found[0], None
            self._are_numbers = False
        return array_of(values, self.column.oid)

    def _one_by_one(self, values: Sequence[Any], numbers: Sequence[int], nulls: Array | None) -> Field:
        if nulls is not None:
            values = [None if missing else value for value, missing in zip(values, nulls.tolist(), strict=True)]
        width = _WIDTHS.get(self.column.oid)
        if width is not None and is_alike(self._values.dumper(values)):
            self._alike = self._alike or AlikeEncoder(self.column.oid, width, self._context)
            if (items := self._alike.encode(values)) is not None:
                return Fixed(items, items.dtype)
        return _field(self._values.encode(values, numbers), width)

    def _of_scale(self, items: Array, scale: int) -> Sent:
        """Rounded if the policy says so, as Python does it; else which of them would have to be."""
        with np.errstate(over="ignore", invalid="ignore"):
            kept = np.round(items, scale)
        lossy = (kept != items) & np.isfinite(kept) & np.isfinite(items)
        rounds = self.column.name in self.policy.round
        if rounds:
            items = items.copy()
        for place in np.flatnonzero(lossy):  # NumPy's own rounding is another one, and not exact
            rounded = round(float(items[place]), scale)
            lossy[place] = not rounds and rounded != items[place]
            if rounds:
                items[place] = rounded
        return items, lossy

    def _check_unit(self, numbers: Sequence[int], block: Array, items: Array, nulls: Array | None) -> None:
        """Raise RowError for times, sent as *items*, that the server would round."""
        finer = items % self._unit != 0
        if nulls is not None:
            finer &= ~nulls
        if finer.any():
            place = int(finer.argmax())
            raise self._values.refusal(numbers[place], block[place], too_fine(block[place], self.column))

    def _check_spans(self, numbers: Sequence[int], block: Array, nulls: Array | None) -> None:
        """Raise RowError for what `datetime.timedelta` does not hold."""
        changed = block.astype("m8[us]").astype(block.dtype) != block
        if nulls is not None:
            changed &= ~nulls
        if changed.any():
            raise self._refusal(numbers, block, changed)

    def _refusal(self, numbers: Sequence[int], block: Array, changed: Array) -> RowError:
        place = int(changed.argmax())
        if block.dtype.kind in "Mm":
            return RowError(numbers[place], self.column.name, block[place], time_reason(self.column, block[place]))
        value = block[place].item()
        try:
            self._values.encode([value], [numbers[place]])  # knows better what is wrong
        except RowError as error:
            return error
        return self._values.refusal(numbers[place], value)


def _field(encoded: list[Encoded], width: int | None) -> Field:
    """A list of encoded values as one field."""
    try:
        data = b"".join(encoded)  # type: ignore[arg-type]
    except TypeError:
        pass  # some are NULL
    else:
        if width is not None:
            return Fixed(np.frombuffer(data, f"V{width}"), np.dtype(f"V{width}"))
        return Variable(np.fromiter(map(len, encoded), np.int64, len(encoded)), np.frombuffer(data, np.uint8))  # type: ignore[arg-type]
    nulls = np.fromiter((value is None for value in encoded), bool, len(encoded))
    there = [b"" if value is None else value for value in encoded]
    lengths = np.fromiter(map(len, there), np.int64, len(there))
    return Variable(lengths, np.frombuffer(b"".join(there), np.uint8), nulls)
