"""Tables for the tests of soft delete: the same columns, ordinary or partitioned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg

SHAPES = ("ordinary", "partitioned")

_ROWS = "SELECT g, g % 3 + 1, '2026-01-05'::date + g * 3, g, 'row ' || g FROM generate_series(1, 20) AS g"


def make(conn: psycopg.Connection, shape: str, *, hot: bool | None = None) -> None:
    """Table ``venue`` (3 rows), and ``tick`` of *shape* that references it (20 rows over three months)."""
    conn.execute("CREATE TABLE venue (id integer PRIMARY KEY, name text NOT NULL)")
    conn.execute("INSERT INTO venue SELECT g, 'venue ' || g FROM generate_series(1, 3) AS g")
    columns = "id integer, venue_id integer NOT NULL REFERENCES venue, at date NOT NULL, size integer, note text"
    if shape == "ordinary":
        conn.execute(f"CREATE TABLE tick ({columns}, PRIMARY KEY (id, at))".encode())
    else:
        conn.execute(f"CREATE TABLE tick ({columns}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)".encode())
        conn.execute("CREATE TABLE tick_1 PARTITION OF tick FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')")
        conn.execute(
            "CREATE TABLE tick_2 PARTITION OF tick FOR VALUES FROM ('2026-02-01') TO ('2026-06-01') PARTITION BY RANGE (at)"
        )
        conn.execute("CREATE TABLE tick_2a PARTITION OF tick_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')")
        conn.execute("CREATE TABLE tick_2b PARTITION OF tick_2 FOR VALUES FROM ('2026-03-01') TO ('2026-06-01')")
    conn.execute(f"INSERT INTO tick (id, venue_id, at, size, note) {_ROWS}".encode())
    conn.execute("SELECT dbperf.enable_soft_delete('venue'), dbperf.enable_soft_delete('tick', hot => %s)", [hot])


def ids(conn: psycopg.Connection, relation: str = "tick_active") -> set[int]:
    """Ids in *relation*; each must be there once."""
    found = [row[0] for row in conn.execute(f"SELECT id FROM {relation}".encode())]
    assert len(found) == len(set(found)), "a row was doubled"
    return set(found)


def value(conn: psycopg.Connection, query: str, *arguments: object) -> Any:
    row = conn.execute(query.encode(), arguments or None).fetchone()
    return row[0] if row else None


class Blocked:
    """A statement that has to wait for somebody, run in a thread; known to wait before anything else happens."""

    def __init__(self, watch: psycopg.Connection, conn: psycopg.Connection, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: psycopg.Error | None = None
        self._thread = threading.Thread(target=self._run, args=[work])
        self._thread.start()
        while self._thread.is_alive():
            if value(watch, "SELECT cardinality(pg_blocking_pids(%s)) > 0", conn.info.backend_pid):
                return

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.result = work()
        except psycopg.Error as error:
            self.error = error

    def finish(self) -> Any:
        self._thread.join()
        return self.result
