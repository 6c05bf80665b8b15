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
        self._is_closed = False
        self._lock = threading.Lock()

    def ask(self, query: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any] | None:
        """The rows of *query*; None if there is no connection left for it, or it failed. Blocks."""
        with self._lock:
            try:
                return self._connected().execute(query.encode(), values).fetchall()
            except psycopg.Error:
                return None

    def connect(self) -> None:
        """Connect at once. Blocks.

        Raises:
            psycopg.OperationalError: there is no connection left for it.
        """
        with self._lock:
            self._connected()

    def _connected(self) -> psycopg.Connection:
        if self._own is None or self._own.closed:
            self._own = psycopg.connect(sibling(self._likes[0]), autocommit=True)
            if self._is_closed:  # meanwhile, by a task that waits no more
                self._own.close()
        return self._own

    def close(self) -> None:
        """End the connection."""
        self._is_closed = True
        if self._own is not None:
            with contextlib.suppress(psycopg.Error):
                self._own.close()
