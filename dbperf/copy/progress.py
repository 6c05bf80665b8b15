"""How far a batch is, for who asked to be told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import psycopg

from dbperf.copy.options import Progress
from dbperf.migrations.session import sibling

Connection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]

#: Seconds between two calls.
_EVERY = 0.1

_PROCESSED = "SELECT tuples_processed FROM pg_catalog.pg_stat_progress_copy WHERE pid = %s"


class Meter:
    """Counts what was sent, and tells it now and then.

    Args:
        report: what is told; None: nobody.
        conn: that copies; a connection of its own like it looks at the server's process.
    """

    def __init__(self, report: Callable[[Progress], object] | None, conn: Connection) -> None:
        self.rows = self.bytes = 0
        self.started = self._told = time.perf_counter()
        self._report, self._copying = report, conn
        self._own: psycopg.Connection | None = None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self.started

    def count(self, rows: int, size: int) -> None:
        """Note what was sent."""
        self.rows += rows
        self.bytes += size

    @property
    def is_due(self) -> bool:
        """Whether somebody wants to be told now."""
        return self._report is not None and time.perf_counter() - self._told >= _EVERY

    def look(self) -> int | None:
        """Rows that the server has processed; blocks."""
        try:
            if self._own is None:
                self._own = psycopg.connect(sibling(self._copying), autocommit=True)
            row = self._own.execute(_PROCESSED, [self._copying.info.backend_pid]).fetchone()
        except psycopg.Error:
            return None
        return row[0] if row else None

    def tell(self, server_rows: int | None) -> None:
        """Tell how far it is."""
        if self._report is not None:
            self._report(Progress(self.rows, self.bytes, self.seconds, server_rows))
        self._told = time.perf_counter()

    def close(self) -> None:
        """End the connection."""
        if self._own is not None:
            with contextlib.suppress(psycopg.Error):
                self._own.close()
