"""Work that is done at once, each worker fed by one source; its twin with threads is ``dbperf/copy/feed.py``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import psycopg

from dbperf.copy.feed import AHEAD

Item = TypeVar("Item")
T = TypeVar("T")

#: Items that wait for each worker.
_WAITING = 2

#: Seconds without any movement before somebody looks why.
_PATIENCE = 1.0

#: An item and what to tell when it is done; None: that was all.
_Queue = asyncio.Queue[tuple[Item, asyncio.Event] | None]

_Work = Callable[[psycopg.AsyncConnection[Any], AsyncIterator[Item]], Awaitable[T]]


async def afeed(
    conns: Sequence[psycopg.AsyncConnection[Any]],
    work: _Work[Item, T],
    deal: AsyncIterator[tuple[int, Item]],
    look: Callable[[], None] | None,
) -> list[T]:
    """Do *work* on each of *conns* with the items that *deal* has for it; what each returned, when all have ended.

    An item is done when its worker asks for the next one. It is given when the one that is `AHEAD` times the number of
    workers before it is done: so much, and no more, is done out of turn.

    Args:
        look: called in each second without movement, and may block; raises if they wait in vain.

    Raises:
        BaseException: what the first of them, *deal* or *look* raised; all have ended then.
    """
    queues: list[_Queue[Item]] = [asyncio.Queue(_WAITING) for _ in conns]
    given: deque[tuple[asyncio.Event, asyncio.Future[T]]] = deque()
    running = [asyncio.ensure_future(work(conn, _items(queue))) for conn, queue in zip(conns, queues, strict=True)]
    try:
        async for worker, item in deal:
            if len(given) == AHEAD * len(conns):
                done, whose = given.popleft()
                await _done(done.wait(), whose, running, look)
            done = asyncio.Event()
            await _done(queues[worker].put((item, done)), running[worker], running, look)
            given.append((done, running[worker]))
        for worker, queue in enumerate(queues):
            await _done(queue.put(None), running[worker], running, look)
        for each in running:
            await _done(each, each, running, look)
        return [each.result() for each in running]
    finally:
        for each in running:
            each.cancel()
        await _all_ended(running)


async def afinish(stack: AsyncExitStack) -> None:
    """Leave all contexts of *stack*: a task that is cancelled meanwhile, is when that is done."""
    ending = asyncio.ensure_future(stack.pop_all().aclose())
    await _all_ended([ending])
    ending.result()


async def _all_ended(running: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until all have ended, however; a task that is cancelled meanwhile, is when they have."""
    cancelled: asyncio.CancelledError | None = None
    while waiting := [each for each in running if not each.done()]:
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
    await asyncio.gather(*running, return_exceptions=True)  # so that nobody is told that nobody looked
    if cancelled is not None:
        raise cancelled


async def _items(queue: _Queue[Item]) -> AsyncIterator[Item]:
    while given := await queue.get():
        item, done = given
        yield item
        done.set()


async def _done(
    wanted: Awaitable[Any],
    worker: asyncio.Future[Any],
    running: Sequence[asyncio.Future[Any]],
    look: Callable[[], None] | None,
) -> None:
    """Wait until *wanted* is done, or *worker*, who then needs no more; raise what one of *running* raised."""
    waited = asyncio.ensure_future(wanted)
    try:
        while True:
            for each in running:
                if each.done():
                    each.result()
            if waited.done() or worker.done():
                return
            waiting = {waited, *(each for each in running if not each.done())}
            moved, _ = await asyncio.wait(waiting, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if not moved and look is not None:
                await asyncio.to_thread(look)
    finally:
        waited.cancel()
