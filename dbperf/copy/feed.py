"""Work that is done at once in threads, each fed by one source; its twin for asyncio is ``dbperf/aio/feed.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from queue import Empty, Full, Queue
from typing import Any, TypeVar

import psycopg

Item = TypeVar("Item")
T = TypeVar("T")

#: Items that wait for each worker.
_WAITING = 2

#: Seconds without any movement before somebody looks why, and between two cancel requests.
_PATIENCE, _AGAIN = 1.0, 0.1

_Work = Callable[[psycopg.Connection[Any], Iterator[Item]], T]


class _StoppedError(Exception):
    """In a worker: another one has failed."""


def feed(
    conns: Sequence[psycopg.Connection[Any]],
    work: _Work[Item, T],
    deal: Iterator[tuple[int, Item]],
    look: Callable[[], None] | None,
) -> list[T]:
    """Do *work* on each of *conns* with the items that *deal* has for it; what each returned, when all have ended.

    *deal* is asked in the caller's thread.

    Args:
        look: called in each second without movement, and may block; raises if they wait in vain.

    Raises:
        BaseException: what the first of them, *deal* or *look* raised; all have ended then.
    """
    queues: list[Queue[list[Item] | None]] = [Queue(_WAITING) for _ in conns]
    running: list[Future[T]] = []
    with ThreadPoolExecutor(len(conns)) as threads:
        try:
            for conn, queue in zip(conns, queues, strict=True):
                running.append(threads.submit(work, conn, _items(queue)))
            for worker, item in deal:
                _put(queues[worker], [item], worker, running, look)
            for worker, queue in enumerate(queues):
                _put(queue, [], worker, running, look)
            while pending := _pending(running):
                if not wait(pending, _PATIENCE, FIRST_COMPLETED).done and look is not None:
                    look()
            return [each.result() for each in running]
        finally:
            _end(conns, queues, running)


def _end(
    conns: Sequence[psycopg.Connection[Any]], queues: Sequence[Queue[list[Item] | None]], running: Sequence[Future[Any]]
) -> None:
    """Stop all that run, and wait for them, even if the caller is interrupted again."""

    def stop() -> None:
        for queue in queues:
            _stop(queue)
        while pending := [each for each in running if not each.done()]:
            for each in pending:
                with suppress(psycopg.Error):  # it may wait for a lock that another one of them holds
                    conns[running.index(each)].cancel_safe()
            wait(pending, _AGAIN)

    _whole(stop)


def finish(stack: ExitStack) -> None:
    """Leave all contexts of *stack*; an interrupt meanwhile waits until that is done."""
    with ThreadPoolExecutor(1) as threads:
        _whole(threads.submit(stack.pop_all().close).result)


def _whole(step: Callable[[], object]) -> None:
    """Do *step*, again whenever it is interrupted; an interrupt comes when it is done."""
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            step()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _items(queue: Queue[list[Item] | None]) -> Iterator[Item]:
    while items := queue.get():
        yield items[0]
    if items is None:
        raise _StoppedError


def _pending(running: Sequence[Future[Any]]) -> list[Future[Any]]:
    """Those that have not ended; raises what one of them raised."""
    for each in running:
        if each.done():
            each.result()
    return [each for each in running if not each.done()]


def _put(
    queue: Queue[list[Item] | None],
    items: list[Item],
    worker: int,
    running: Sequence[Future[Any]],
    look: Callable[[], None] | None,
) -> None:
    while running[worker] in _pending(running):  # one that has ended needs no more
        try:
            queue.put(items, timeout=_PATIENCE)
            return
        except Full:
            if look is not None:
                look()


def _stop(queue: Queue[list[Item] | None]) -> None:
    with suppress(Empty):
        while True:
            queue.get_nowait()
    queue.put_nowait(None)
