"""Which connection of a parallel batch takes which rows, and what they may wait for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zlib import crc32

from psycopg.abc import AdaptContext

from dbperf.copy.blocks import Part
from dbperf.copy.catalog import Column
from dbperf.copy.moments import listed
from dbperf.copy.onlooker import Onlooker
from dbperf.copy.options import Settings
from dbperf.copy.values import Encoded, ValueEncoder
from dbperf.errors import LockedError, RowError
from dbperf.migrations.session import AnyConnection

#: The columns of a table's primary key, in its order.
PRIMARY_KEY = """
SELECT dbperf.index_columns(i.indexrelid)::text[] FROM pg_catalog.pg_index AS i
WHERE i.indrelid = to_regclass(%s) AND i.indisprimary
"""

# Pairs of these sessions of which one waits for the other, be it by way of strangers.
_TANGLED = """
WITH RECURSIVE blocked (pid, holder) AS (
    SELECT w.pid, h.pid
    FROM unnest(%(pids)s::integer[]) AS w (pid), LATERAL unnest(pg_catalog.pg_blocking_pids(w.pid)) AS h (pid)
    UNION
    SELECT b.pid, h.pid FROM blocked AS b, LATERAL unnest(pg_catalog.pg_blocking_pids(b.holder)) AS h (pid)
)
SELECT pid, holder FROM blocked WHERE holder = ANY (%(pids)s)
"""


class Router:
    """Splits parts by the values of one column.

    Args:
        columns: the columns of the batch.
        place: which of them.
        context: a connection; its registered adapters count.
        settings: see `Settings`.
    """

    def __init__(self, columns: Sequence[Column], place: int, context: AdaptContext, settings: Settings) -> None:
        self._place, self._workers = place, settings.parallel
        self._encoder = ValueEncoder(columns[place], context, settings.policy)

    def split(self, part: Part) -> Iterator[tuple[int, Part]]:
        """The rows of each connection, by its number."""
        places: list[list[int]] = [[] for _ in range(self._workers)]
        for place, worker in enumerate(self._of(part)):
            places[worker].append(place)
        for worker, picked in enumerate(places):
            if picked:
                yield worker, part.pick(picked)

    def _of(self, part: Part) -> list[int]:
        try:
            encoded = self._encoder.encode(listed(part.columns()[self._place]), part.numbers)
        except RowError:  # who writes the row says what is wrong with it
            if len(part) == 1:
                return [0]
            middle = len(part) // 2
            return self._of(part.part(0, middle)) + self._of(part.part(middle, len(part)))
        return [self._worker(value) for value in encoded]

    def _worker(self, value: Encoded) -> int:
        return 0 if value is None else crc32(value) % self._workers


class Watch:
    """Looks whether sessions that will end together wait for each other, which the server cannot see.

    Args:
        pids: of the sessions.
        like: one of them; a connection of its own like it looks at them.
    """

    def __init__(self, pids: Sequence[int], like: AnyConnection) -> None:
        self._pids, self._onlooker = list(pids), Onlooker([like])
        self._seen: set[tuple[int, int]] = set()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._onlooker.close()

    def look(self) -> None:
        """Look once; blocks.

        Raises:
            LockedError: two of them wait, and did the last time.
        """
        rows = self._onlooker.ask(_TANGLED, {"pids": self._pids})
        if rows is None:
            return  # they may get on without
        tangled = {(pid, holder) for pid, holder in rows}
        if tangled & self._seen:
            raise LockedError(
                "connections of this batch wait for each other's rows, so nothing of it was stored: they have a key "
                "in common, or a trigger changes one row for both; pass commit='each', or leave parallel out"
            )
        self._seen = tangled
