"""One way to iterate for the writers; its twin for asyncio is ``dbperf/aio/iterate.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def take(rows: Iterator[Any], count: int) -> list[Any]:
    """The next *count* of *rows*, or as many as there are."""
    return list(islice(rows, count))


def run(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What *work* returns: here nothing else is waiting."""
    return work(*args, **kwargs)
