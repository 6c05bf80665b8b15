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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Handlers of signals, such as the one that raises KeyboardInterrupt, run when the block has ended.

    Only the main thread runs them; in another one there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: dict[int, FrameType | None] = {}
    held, is_over = _handlers(), False

    def note(number: int, frame: FrameType | None) -> None:
        if is_over:  # a handler that raised was in the way of setting this one's back
            held[number](number, frame)
        else:
            came[number] = frame

    try:
        for number in held:
            signal.signal(number, note)
        yield
    finally:
        is_over = True
        for number, handler in held.items():
            signal.signal(number, handler)
        for number, frame in came.items():
            held[number](number, frame)


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
    """By the signal's number; what SIGINT has is last, because it may run as soon as it is there again."""
    numbers = sorted(signal.valid_signals(), key=lambda number: number == signal.SIGINT)
    return {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
