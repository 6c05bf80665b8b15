"""A conversion: a function of a value, or a chain of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Gives the value as its column takes it, None for NULL; raises ValueError, in words, for one that it would change.
Converter = Callable[[Any], Any]


def as_is(value: Any) -> Any:
    """The value itself: what most columns need."""
    return value


def chained(steps: list[Converter]) -> Converter:
    """One converter after the other; None ends it."""
    steps = [step for step in steps if step is not as_is]
    if len(steps) < 2:
        return steps[0] if steps else as_is

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value)
            if value is None:
                return None
        return value

    return convert
