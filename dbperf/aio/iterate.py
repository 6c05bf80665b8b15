"""One way to iterate over what may or may not be asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any


async def each(rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Yield from *rows*, an ordinary iterable or an asynchronous one."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row
