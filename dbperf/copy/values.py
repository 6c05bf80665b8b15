"""From Python values of one column to the bytes that binary COPY has for them.

Nothing is changed on the way but by a `Policy` that the caller has named: what a column cannot hold raises a
`RowError`.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.abc import AdaptContext, Dumper
from psycopg.pq import Format

from dbperf.copy.catalog import Column
from dbperf.copy.conversions import converter, keeps_decimals
from dbperf.copy.conversions.steps import Converter, as_is
from dbperf.copy.conversions.texts import check_json
from dbperf.copy.oids import INTEGERS, JSONS, TEXTS, TIMESTAMP, TIMESTAMPTZ
from dbperf.copy.options import Policy
from dbperf.copy.reasons import show, time_zone_reason
from dbperf.errors import ColumnError, RowError

#: What an encoder raises for a value that it cannot encode.
ENCODING_ERRORS = (
    ArithmeticError, AttributeError, BufferError, LookupError, RecursionError, TypeError, ValueError, struct.error,
    psycopg.DataError,
)  # fmt: skip

#: The bytes of a value; None for NULL.
Encoded = bytes | bytearray | memoryview | None


class _Known(NamedTuple):
    """How values of one Python type become bytes; *dumper*: what alone makes them, if nothing is changed or checked."""

    convert: Converter
    dump: Callable[[Any], Encoded]
    dumper: Dumper | None = None


class ValueEncoder:
    """Encodes the values of one column.

    Args:
        column: where they go.
        context: the connection; its registered adapters count.
        policy: see `Policy`.

    Raises:
        ColumnError: nothing encodes the column's type, or the policy has a scale for one without decimals.
    """

    def __init__(self, column: Column, context: AdaptContext, policy: Policy) -> None:
        self.column, self.policy = column, policy
        self._context = context
        self._is_text = column.oid in TEXTS
        self._known: dict[type, _Known] = {}
        self._dumper()
        if column.name in policy.scale and not keeps_decimals(column.oid):
            raise ColumnError(f"scale names column {column.name}, whose type {column.type_name} has no decimals")

    def encode(self, values: Sequence[Any], numbers: Sequence[int]) -> list[Encoded]:
        """The bytes of each of *values*, of rows with these *numbers*.

        Raises:
            RowError: a value does not fit.
        """
        kinds = set(map(type, values))
        if len(kinds) == 1:
            try:
                convert, dump, _ = self._of(kinds.pop())
                encoded = list(map(dump, values if convert is as_is else map(convert, values)))
                if not self._is_text or b"\0" not in b"".join(encoded):  # type: ignore[arg-type]
                    return encoded
            except (RowError, *ENCODING_ERRORS):
                pass  # one by one: which is it
        return [self._one(value, number) for value, number in zip(values, numbers, strict=True)]

    def dumper(self, values: Sequence[Any]) -> Dumper | None:
        """What alone encodes all *values*; None if they are of several types, or something else is done to them."""
        kinds = set(map(type, values))
        try:
            return self._of(kinds.pop()).dumper if len(kinds) == 1 else None
        except ENCODING_ERRORS:
            return None

    def refusal(self, number: int, value: Any, error: Exception | None = None) -> RowError:
        """The error for *value* in row *number*, from 1."""
        reason = f"{show(value)} does not fit type {self.column.type_name}" + (f" ({error})" if error else "")
        if isinstance(error, struct.error):
            reason = f"{show(value)} is out of range for type {self.column.type_name}"
        elif isinstance(error, ValueError) and not isinstance(error, UnicodeError):
            reason = str(error)  # a converter's
        elif self.column.oid == TIMESTAMPTZ and type(value).__name__ == "datetime64":
            reason = time_zone_reason(value, TIMESTAMPTZ)
        elif isinstance(value, dt.datetime) and self.column.oid in (TIMESTAMP, TIMESTAMPTZ):
            reason = time_zone_reason(value, self.column.oid)
        return RowError(number, self.column.name, value, reason)

    def _one(self, value: Any, number: int) -> Encoded:
        try:
            convert, dump, _ = self._of(type(value))
            encoded = dump(convert(value))
            if self._is_text and encoded is not None and b"\0" in bytes(encoded):
                raise ValueError(f"{show(value)} holds a zero character, which PostgreSQL does not store")
            return encoded
        except ENCODING_ERRORS as error:
            raise self.refusal(number, value, error) from None

    def _of(self, kind: type) -> _Known:
        known = self._known.get(kind)
        if known is None:
            known = self._known[kind] = self._learn(kind)
        return known

    def _learn(self, kind: type) -> _Known:
        if kind is type(None) or kind.__name__ in ("NAType", "NaTType"):  # what pandas has for it
            return _Known(as_is, _null)
        convert = converter(self.column, kind, self.policy)
        if convert is None:
            raise TypeError(f"no {kind.__name__} does")
        dump, dumper = self._dump(kind)
        if self.policy.nan_is_null and issubclass(kind, (float, Decimal)):
            return _Known(convert, lambda value: None if value is None else dump(value))
        return _Known(convert, dump, dumper if convert is as_is and not self._is_text else None)

    def _dump(self, kind: type) -> tuple[Callable[[Any], Encoded], Dumper | None]:
        """How a *kind* that fits becomes bytes, and what alone does that."""
        if self.column.oid in INTEGERS:
            return struct.Struct(">" + INTEGERS[self.column.oid]).pack, None
        dumper = self._dumper()(kind, self._context)
        if self.column.oid in JSONS:
            return lambda value: _checked_json(self.column.oid, dumper.dump(value)), None
        if self.column.element is not None:
            return lambda value: self._as_elements(dumper.dump(value)), None
        return dumper.dump, dumper

    def _as_elements(self, array: Encoded) -> Encoded:
        """An array of the base type as one of the column's own element type, whose binary form is the same."""
        if array is None or len(array) < 12:
            return array
        return bytes(array[:8]) + struct.pack(">I", self.column.element) + bytes(array[12:])

    def _dumper(self) -> type[Dumper]:
        try:
            if not self.column.receivable:
                raise psycopg.ProgrammingError
            return self._context.adapters.get_dumper_by_oid(self.column.oid, Format.BINARY)
        except psycopg.ProgrammingError:
            raise ColumnError(
                f"column {self.column.name} has type {self.column.type_name}, which has no binary encoder here: "
                "register one with psycopg on this connection, or leave the column out"
            ) from None


def _null(_: object) -> None:
    return None


def _checked_json(oid: int, text: Encoded) -> Encoded:
    check_json(oid, bytes(text or b"").lstrip(b"\x01"))
    return text
