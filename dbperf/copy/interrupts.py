"""Steps that nobody breaks off, not even with Ctrl-C, and what is left of those that were."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from psycopg.pq import TransactionStatus

from dbperf.migrations.session import AnyConnection

#: Signals that break programs off; to look at all 64 takes 0.1 ms.
_BREAKING = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)  # Windows has fewer
]


class Signals:
    """Handlers of signals, held back while `uninterrupted`; those that came meanwhile run after it.

    Args:
        handlers: by the signal's number.
    """

    def __init__(self, handlers: dict[int, Callable[[int, FrameType | None], Any]]) -> None:
        self.handlers, self.came = handlers, dict[int, FrameType | None]()
        self._passes = self._is_over = False

    def let_one_through(self) -> None:
        """Until `hold`, run handlers at once; after one that raises, hold back again, so that it can be cleaned up."""
        self._passes = True
        for number in list(self.came):
            self(number, self.came.pop(number))

    def hold(self) -> None:
        """Hold handlers back again."""
        self._passes = False

    def set_back(self) -> None:
        """Set the handlers back and run those whose signals came; raise what the first of them raises."""
        self._is_over = True
        raised: BaseException | None = None
        left = list(self.handlers.items())
        while left:
            try:
                while left:
                    signal.signal(*left[-1])
                    left.pop()
            except BaseException as error:  # of a handler that is back, or runs from here
                raised = raised or error
        for number, frame in self.came.items():
            self.handlers[number](number, frame)
        if raised is not None:
            raise raised

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """As the handler of every signal."""
        if self._is_over:
            self.handlers[number](number, frame)
        elif self._passes:
            self._passes = False
            self.handlers[number](number, frame)
            self._passes = True
        else:
            self.came[number] = frame


@contextmanager
def uninterrupted() -> Iterator[Signals]:
    """Handlers of signals, such as the one that raises KeyboardInterrupt, run when the block has ended.

    Only the main thread runs them; in another one there is nothing to hold back.
    """
    signals = Signals(_handlers() if threading.current_thread() is threading.main_thread() else {})
    try:
        for number in signals.handlers:
            signal.signal(number, signals)
        yield signals
    finally:
        signals.set_back()


@contextmanager
def interrupted_once() -> Iterator[None]:
    """A block that one interrupt may break off; those that come while it is cleaned up run after it."""
    with uninterrupted() as signals:
        try:
            signals.let_one_through()
            yield
        finally:
            signals.hold()


@contextmanager
def nothing_half_open(conns: Sequence[AnyConnection]) -> Iterator[None]:
    """End connections that Ctrl-C or a cancelled task leaves within a COPY, or in a transaction of psycopg's alone.

    The one would keep its locks, and the other refuse every transaction.
    """
    before = [_depth(conn) for conn in conns]
    try:
        yield
    except Exception:
        raise
    except BaseException:
        for conn, depth in zip(conns, before, strict=True):
            if conn.info.transaction_status == TransactionStatus.ACTIVE or _depth(conn) != depth:
                conn.pgconn.finish()
        raise


def _depth(conn: AnyConnection) -> int:
    """Of transactions within each other, as psycopg counts them."""
    return int(getattr(conn, "_num_transactions", 0))


def _handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """Python's handlers, by the signal's number."""
    return {number: handler for number in _BREAKING if callable(handler := signal.getsignal(number))}
