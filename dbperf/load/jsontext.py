"""JSON without changes: numbers stay the digits that they are, and what JSON does not have is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


class Number(str):
    """A number, as it is written in the text."""

    __slots__ = ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"has the key {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=Number, parse_int=Number, parse_constant=_no_constant
)


def decode(text: str) -> Any:
    """The value of a JSON text; its numbers are `Number`.

    Raises:
        ValueError: what is wrong, in words: no JSON, NaN or Infinity, a key twice in one object, nested too deeply.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def encode(value: Any) -> str:
    """The JSON text of what `decode` returns, and of Python's own values.

    Raises:
        ValueError: a value that JSON does not have, or nested too deeply.
    """
    try:
        return _encode(value)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _encode(value: Any) -> str:
    if isinstance(value, (Number, Decimal)):
        return str(value)
    if isinstance(value, dict):
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_encode(item)}" for key, item in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([_encode(item) for item in value]) + "]"
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except TypeError:
        raise ValueError(f"holds a {type(value).__name__}, which is no JSON") from None
