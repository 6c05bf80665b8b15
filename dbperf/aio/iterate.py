"""One way to iterate over what may or may not be asynchronous; its twin is ``dbperf/copy/iterate.py``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def each(rows: Iterable[Any] | AsyncIterable[Any]) -> Iterator[Any] | AsyncIterator[Any]:
    """An iterator over *rows*, an ordinary iterable or an asynchronous one."""
    return aiter(rows) if isinstance(rows, AsyncIterable) else iter(rows)


async def atake(rows: Iterator[Any] | AsyncIterator[Any], count: int) -> list[Any]:
    """The next *count* of *rows*, or as many as there are."""
    if isinstance(rows, Iterator):
        return list(islice(rows, count))
    taken = []
    async for row in rows:
        taken.append(row)
        if len(taken) == count:
            break
    return taken


async def arun(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What *work*, which blocks, returns."""
    return await asyncio.to_thread(work, *args, **kwargs)
