"""How numbers get into columns that have decimals: as what they mean, or not at all."""

from __future__ import annotations

import math
import struct
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from functools import partial
from typing import Any

from dbperf.copy.catalog import Column
from dbperf.copy.conversions.steps import Converter, chained
from dbperf.copy.oids import DOUBLE, NUMERIC, REAL
from dbperf.copy.options import Policy
from dbperf.copy.reasons import show, too_many_decimals

#: numeric(p, s) has at most 1000 digits.
_DIGITS = 2200

_FIFTEEN = Context(15, traps=[Inexact])


def number_converter(column: Column, kind: type, policy: Policy) -> Converter:
    """How a *kind* of number gets into *column*."""
    steps: list[Converter] = []
    scale = policy.scale.get(column.name, column.scale)
    rounds = column.name in policy.round
    if column.oid == NUMERIC and issubclass(kind, float):
        steps.append(_float_to_decimal)
    if scale is not None and column.oid != NUMERIC and issubclass(kind, float):
        steps.append(partial(_float_of_scale, scale=scale, rounds=rounds))
    elif scale is not None:
        steps.append(_decimal_of_scale(column.precision or _DIGITS, scale, rounds))
    if column.oid == REAL:
        steps.append(_to_real)
    elif column.oid == DOUBLE and not issubclass(kind, float):
        steps.append(_to_float)
    return chained(steps)


def no_number(value: Any, column: Column) -> None:
    """Raises ValueError: *column* takes none."""
    raise ValueError(f"{show(value)} does not fit type {column.type_name}{nan_remedy(value)}")


def nan_remedy(value: Any) -> str:
    """What to do with *value* if it is NaN."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return ": pass None for NULL, or nan_is_null=True" if is_nan else ""


def nan_as_none(value: Any) -> Any:
    """None for NaN."""
    return value if value == value else None


def _float_to_decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))  # the shortest decimal that means this float


def _decimal_of_scale(precision: int, scale: int, rounds: bool) -> Converter:
    """A Decimal or int that a numeric of so many digits and decimals holds."""
    step = Decimal(1).scaleb(-scale)
    context = Context(precision, ROUND_HALF_EVEN, traps=[InvalidOperation] if rounds else [InvalidOperation, Inexact])

    def convert(value: Any) -> Any:
        try:
            kept = context.quantize(value, step)
        except Inexact:
            raise too_many_decimals(value, scale) from None
        except InvalidOperation:
            if precision == _DIGITS and not isinstance(value, int) and value.is_infinite():
                return value
            raise ValueError(f"{show(value)} is out of range: the column has {precision} digits") from None
        return kept if rounds else value

    return convert


def _float_of_scale(value: float, scale: int, rounds: bool) -> float:
    kept = round(value, scale) if math.isfinite(value) else value
    if kept != value and math.isfinite(value) and not rounds:
        raise too_many_decimals(value, scale)
    return kept


def _to_float(value: Any) -> float:
    """A number as a double that means the same: an int exactly, a Decimal of up to 15 digits always."""
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    same = result == value if isinstance(value, int) else _same_decimal(result, value)
    if not same:
        raise ValueError(f"{show(value)} has no exact double precision value")
    return result


def _same_decimal(result: float, value: Any) -> bool:
    if not isinstance(value, Decimal) or not value.is_finite():
        return True  # a float, NaN or an infinity of its own
    try:
        _FIFTEEN.plus(value)
    except Inexact:
        return Decimal(repr(result)) == value
    return 1e-290 < abs(result) < 1e290 or Decimal(repr(result)) == value  # a double has 15 digits between these


def _to_real(value: Any) -> float:
    """A number that ``real`` can hold: it keeps six digits, but never turns one into 0 or infinity."""
    result = value if isinstance(value, float) else _to_float(value)
    try:
        kept = struct.unpack("f", struct.pack("f", result))[0]
    except OverflowError:
        kept = math.inf
    lost = (kept == 0) != (result == 0) or math.isinf(kept) != math.isinf(result)
    if lost or (isinstance(value, int) and kept != result):
        raise ValueError(f"{show(value)} does not fit type real")
    return result
