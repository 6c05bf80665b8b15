"""How far a batch is, for who asked to be told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from dbperf.copy.onlooker import Onlooker
from dbperf.copy.options import Progress
from dbperf.migrations.session import AnyConnection

#: Seconds between two calls.
_EVERY = 0.1

_PROCESSED = "SELECT sum(tuples_processed)::bigint FROM pg_catalog.pg_stat_progress_copy WHERE pid = ANY (%s)"


class Meter:
    """Counts what was sent, by one connection or several at once, and tells it now and then.

    Args:
        report: what is told; None: nobody.
        conns: that copy; a connection of its own like them looks at the server's processes.
    """

    def __init__(self, report: Callable[[Progress], object] | None, conns: Sequence[AnyConnection]) -> None:
        self._rows = self._bytes = 0
        self._started = self._told = time.perf_counter()
        self._report, self._copying = report, conns
        self._onlooker = Onlooker(conns)
        self._lock = threading.RLock()  # what is told may ask for more

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._started

    def count(self, rows: int, size: int) -> None:
        """Note what was sent."""
        with self._lock:
            self._rows += rows
            self._bytes += size

    def is_due(self) -> bool:
        """Whether somebody wants to be told now; of several that ask, one gets yes."""
        now = time.perf_counter()
        with self._lock:
            if self._report is None or now - self._told < _EVERY:
                return False
            self._told = now
            return True

    def look(self) -> int | None:
        """Rows that the server has processed; blocks."""
        rows = self._onlooker.ask(_PROCESSED, [[conn.info.backend_pid for conn in self._copying]])
        return rows[0][0] if rows else None

    def tell(self, server_rows: int | None) -> None:
        """Tell how far it is."""
        with self._lock:
            if self._report is not None:
                self._report(Progress(self._rows, self._bytes, self.seconds, server_rows))
            self._told = time.perf_counter()

    def close(self) -> None:
        """End the connection."""
        self._onlooker.close()
