"""Steps that nobody breaks off, not even with Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Handlers of signals, such as the one that raises KeyboardInterrupt, run when the block has ended.

    Only the main thread runs them; in another one there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: dict[int, FrameType | None] = {}
    held = _handlers()
    try:
        for number in held:
            signal.signal(number, came.__setitem__)
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for number, frame in came.items():
            held[number](number, frame)


def _handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """By the signal's number; what SIGINT has is last, because it may run as soon as it is there again."""
    numbers = sorted(signal.valid_signals(), key=lambda number: number == signal.SIGINT)
    return {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
