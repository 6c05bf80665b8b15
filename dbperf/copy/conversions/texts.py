"""What PostgreSQL does not store in texts, enums, JSON and addresses, or would cut."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dbperf.copy.catalog import Column
from dbperf.copy.conversions.steps import Converter
from dbperf.copy.oids import JSONB, VARCHAR
from dbperf.copy.reasons import show

#: Labels of an enum that a message names.
_SHOWN = 10

#: An escaped zero character, not an escaped backslash before letters.
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Labels(dict[str, str]):
    """The *labels* of an enum, each by itself: a lookup is all that a good one costs."""

    def __init__(self, column: Column, labels: list[str]) -> None:
        super().__init__(zip(labels, labels, strict=True))
        self._type = column.type_name

    def __missing__(self, value: str) -> str:
        shown = ", ".join(map(show, list(self)[:_SHOWN])) + f" and {len(self) - _SHOWN} more" * (len(self) > _SHOWN)
        raise ValueError(f"{show(value)} is no label of type {self._type}: pass one of {shown or 'none, it has none'}")


def text_of_length(column: Column, length: int) -> Converter:
    """A text that the server would not cut; blanks at the end of a ``char(n)`` mean nothing."""
    measure: Callable[[str], int] = len if column.oid == VARCHAR else lambda value: len(value.rstrip(" "))

    def convert(value: str) -> str:
        if len(value) > length and measure(value) > length:
            raise ValueError(
                f"{show(value)} has {len(value)} characters and type {column.type_name} keeps {length}: shorten it"
            )
        return value

    return convert


def check_text(value: str) -> None:
    """Raises ValueError for what PostgreSQL does not store in text."""
    if "\0" in value:
        raise ValueError(f"{show(value)} holds a zero character, which PostgreSQL does not store")


def check_json(oid: int, data: bytes) -> None:
    """Raises ValueError for what Python's json writes and PostgreSQL does not read."""
    if b"NaN" in data or b"Infinity" in data:
        json.loads(data, parse_constant=_no_constant)
    if oid != JSONB:
        return
    if _ZERO.search(data):
        raise ValueError("holds a zero character, which PostgreSQL does not store in jsonb")
    if b"\\ud" in data:
        json.dumps(json.loads(data), ensure_ascii=False).encode()  # half of a pair has no UTF-8


def _no_constant(name: str) -> None:
    raise ValueError(f"holds {name}, which JSON does not have: pass None")


def address(value: Any) -> Any:
    """Raises ValueError for an IPv6 address with a scope."""
    if getattr(value, "scope_id", None) is not None:
        raise ValueError(f"{show(value)} has a scope, which PostgreSQL does not store")
    return value
