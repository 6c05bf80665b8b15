"""Which connection of a parallel batch takes which rows, and what they may wait for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import psycopg
from psycopg.abc import AdaptContext

from dbperf.copy.blocks import Part
from dbperf.copy.catalog import Column
from dbperf.copy.moments import listed
from dbperf.copy.oids import BOOLEAN, BYTEA, DATE, INTEGERS, TEXTS, TIMES
from dbperf.copy.onlooker import Onlooker
from dbperf.copy.options import Policy, Settings
from dbperf.copy.values import Encoded, ValueEncoder
from dbperf.errors import LockedError, RowError, UsageError, sentence
from dbperf.migrations.session import AnyConnection

#: The columns of a key, by default the primary key's, in order, and whether only the same characters are equal there.
KEY = """
SELECT a.attname::text, c.collisdeterministic IS NOT FALSE
FROM unnest(coalesce(
    %(key)s::name[],
    (SELECT dbperf.index_columns(i.indexrelid) FROM pg_catalog.pg_index AS i
     WHERE i.indrelid = to_regclass(%(table)s) AND i.indisprimary)
)) WITH ORDINALITY AS k (name, place)
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = to_regclass(%(table)s) AND a.attname = k.name
LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation
ORDER BY k.place
"""

# Types of which equal values have the same bytes, unlike 1.0 and 1.00; text but for blanks at the end of a char(n).
_SAME_BYTES = (BOOLEAN, *INTEGERS, 26, *TEXTS, BYTEA, DATE, *TIMES, 2950)

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


def routing_place(columns: Sequence[Column], key: Sequence[tuple[Any, ...]], policy: Policy) -> int | None:
    """Which of *columns* tells keys apart; None if the batch does not fill the key.

    Args:
        key: what `KEY` returns.
        policy: what it rounds tells nothing apart before.

    Raises:
        UsageError: none of the key's does.
    """
    places = {column.name: place for place, column in enumerate(columns)}
    filled = [(columns[places[name]], is_exact) for name, is_exact in key if name in places]
    usable = [
        column
        for column, is_exact in filled
        if is_exact and column.oid in _SAME_BYTES and not _is_rounded(column, policy)
    ]
    if filled and not usable:
        column, _ = filled[0]
        raise UsageError(
            f"parallel deals rows out by a column of the key, and equal values of {column.name}, a {column.type_name}, "
            "may differ before they are rounded, or in their bytes: leave parallel out"
        )
    return places[usable[0].name] if usable else None


def _is_rounded(column: Column, policy: Policy) -> bool:
    return column.name in policy.round or (policy.nanoseconds != "error" and column.oid in TIMES)


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
        policy = replace(settings.policy, naive_is_utc=True)  # so are Arrow's times here
        self._encoder = ValueEncoder(columns[place], context, policy)

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
        return 0 if value is None else crc32(bytes(value).rstrip(b" ")) % self._workers


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

    def begin(self) -> None:
        """Connect; blocks.

        Raises:
            UsageError: there is no connection left for it.
        """
        try:
            self._onlooker.connect()
        except psycopg.OperationalError as error:
            raise UsageError(
                "connections that commit together need one more beside them, to see whether they wait for each other: "
                f"make room for it, or pass commit='each' ({sentence(error)})"
            ) from None

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
