"""Blocks that are not broken off twice; its twin for threads is in ``dbperf/copy/interrupts.py``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


def ainterrupted_once() -> AbstractContextManager[None]:
    """A block that one interrupt may break off: asyncio makes it the end of a task, which `finally` blocks outlive."""
    return nullcontext()
