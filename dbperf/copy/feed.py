"""Work that is done at once in threads, each fed by one source; its twin for asyncio is ``dbperf/aio/feed.py``.

A handler that raises KeyboardInterrupt does so between any two instructions of the main thread: where that holds a lock
of `threading`, `queue.Queue` or `concurrent.futures`, the lock stays taken. So it waits in C, for a `SimpleQueue`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

import psycopg

from dbperf.copy.interrupts import uninterrupted

Item = TypeVar("Item")
T = TypeVar("T")

#: Items that wait for each worker.
_WAITING = 2

#: Times the number of workers: how many items after one that is not done yet are given out.
AHEAD = 2

#: Seconds without any movement before somebody looks why, and between two cancel requests.
_PATIENCE, _AGAIN = 1.0, 0.1

_Work = Callable[[psycopg.Connection[Any], Iterator[Item]], T]


def feed(
    conns: Sequence[psycopg.Connection[Any]],
    work: _Work[Item, T],
    deal: Iterator[tuple[int, Item]],
    look: Callable[[], None] | None,
) -> list[T]:
    """Do *work* on each of *conns* with the items that *deal* has for it; what each returned, when all have ended.

    *deal* is asked in the caller's thread. An item is done when its worker asks for the next one. It is given when the
    one that is `AHEAD` times the number of workers before it is done: so much, and no more, is done out of turn.

    Args:
        look: called in each second without movement, and may block; raises if they wait in vain.

    Raises:
        BaseException: what the first of them, *deal* or *look* raised; all have ended then.
    """
    moved: SimpleQueue[None] = SimpleQueue()
    workers = [_Worker(conn, work, moved) for conn in conns]
    given: deque[Callable[[], bool]] = deque()

    def wait(until: Callable[[], bool]) -> None:
        while True:
            for worker in workers:
                if worker.error is not None:
                    raise worker.error
            if until():
                return
            try:
                moved.get(timeout=_PATIENCE)
            except Empty:
                if look is not None:
                    look()

    with uninterrupted() as signals:
        try:
            for worker in workers:
                worker.thread.start()
            try:
                signals.let_one_through()
                for place, item in deal:
                    if len(given) == AHEAD * len(workers):
                        wait(given.popleft())
                    wait(workers[place].has_room)
                    given.append(workers[place].give(item))
                for worker in workers:
                    worker.give_no_more()
                wait(lambda: all(worker.results for worker in workers))
            finally:
                signals.hold()
        finally:  # an interrupt may have come before `hold`, and no other one comes in here
            _stop(workers)
    return [worker.results[0] for worker in workers]


def finish(stack: ExitStack) -> None:
    """Leave all contexts of *stack*; an interrupt meanwhile comes when that is done."""
    with uninterrupted():
        stack.pop_all().close()


class _StoppedError(Exception):
    """In a worker: another one has failed."""


class _Worker(Generic[Item, T]):
    """A thread, and what waits for it.

    Args:
        conn: what it works on.
        work: what it does.
        moved: told when it has taken an item, or ended.

    Attributes:
        results: what *work* returned, when it has.
        error: what it raised instead.
    """

    def __init__(self, conn: psycopg.Connection[Any], work: _Work[Item, T], moved: SimpleQueue[None]) -> None:
        self.conn = conn
        self.thread = Thread(target=self._run, name="dbperf parallel", daemon=True)
        self.results: list[T] = []
        self.error: BaseException | None = None
        self._work, self._moved = work, moved
        self._queue: SimpleQueue[list[Item]] = SimpleQueue()  # an item; none: that was all
        self._given = self._done = 0
        self._is_stopped = False

    def has_ended(self) -> bool:
        return bool(self.results) or self.error is not None

    def has_room(self) -> bool:
        return self.has_ended() or self._queue.qsize() < _WAITING

    def give(self, item: Item) -> Callable[[], bool]:
        """Tells whether it is done."""
        self._queue.put([item])
        self._given += 1
        number = self._given
        return lambda: self.has_ended() or self._done >= number

    def give_no_more(self) -> None:
        self._queue.put([])

    def stop(self) -> None:
        self._is_stopped = True
        self.give_no_more()

    def _run(self) -> None:
        try:
            self.results.append(self._work(self.conn, self._items()))
        except BaseException as error:
            self.error = error
        self._moved.put(None)

    def _items(self) -> Iterator[Item]:
        while items := self._queue.get():
            if self._is_stopped:
                break
            self._moved.put(None)
            yield items[0]
            self._done += 1
            self._moved.put(None)
        if self._is_stopped:
            raise _StoppedError


def _stop(workers: Sequence[_Worker[Any, Any]]) -> None:
    """Wait until all have ended, whatever they do."""
    for worker in workers:
        worker.stop()
    while running := [worker for worker in workers if worker.thread.is_alive()]:
        for worker in running:
            if not worker.has_ended():
                with suppress(psycopg.Error):  # it may wait for a lock that another one of them holds
                    worker.conn.cancel_safe()
        running[0].thread.join(_AGAIN)
