"""A connection beside the one that writes, to look at what the server does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from dbperf.migrations.session import AnyConnection, sibling


class Onlooker:
    """Asks on a connection of its own, made when it is first needed.

    Args:
        likes: connections, of which the first one is what its own is like.
    """

    def __init__(self, likes: Sequence[AnyConnection]) -> None:
        self._likes = likes
        self._own: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def ask(self, query: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any] | None:
        """The rows of *query*; None if there is no connection left for it, or it failed. Blocks."""
        with self._lock:
            try:
                if self._own is None:
                    self._own = psycopg.connect(sibling(self._likes[0]), autocommit=True)
                return self._own.execute(query.encode(), values).fetchall()
            except psycopg.Error:
                return None

    def close(self) -> None:
        """End the connection."""
        if self._own is not None:
            with contextlib.suppress(psycopg.Error):
                self._own.close()
