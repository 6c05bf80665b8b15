"""Indexes of partitioned tables: built without a lock that writers notice, resumed from anywhere."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from dbperf import partition_indexes
from dbperf.errors import LockedError
from dbperf.migrations import session
from tests.shapes import value
from tests.support import BUDGET_MS

DEFINITION = "btree (instrument_id, at DESC) INCLUDE (price) WHERE price > 0"


@pytest.fixture
def conn(migrated_db: str) -> Iterator[psycopg.Connection]:
    """A table with partitions on two levels; names that need quotes, and long ones that differ at their end."""
    with session.open_session(migrated_db, lambda _: None) as connection:
        connection.execute(
            "CREATE TABLE tick (id bigint, instrument_id integer, at date NOT NULL, price float8, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"
        )
        long = "p" * 62
        for number, name in enumerate(['"O\'Brien ON ONLY ""x"" CONCURRENTLY %s"', f"{long}1", f"{long}2"], 1):
            connection.execute(
                f"CREATE TABLE {name} PARTITION OF tick FOR VALUES FROM ('2026-0{number}-01') TO ('2026-0{number + 1}-01')".encode()
            )
        connection.execute(
            "CREATE TABLE tick_4 PARTITION OF tick FOR VALUES FROM ('2026-04-01') TO ('2026-06-01') PARTITION BY RANGE (at)"
        )
        connection.execute("CREATE TABLE tick_4a PARTITION OF tick_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')")
        connection.execute("CREATE TABLE tick_4b PARTITION OF tick_4 FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')")
        connection.execute(
            "INSERT INTO tick SELECT g, g % 5, '2026-01-01'::date + g % 150, g FROM generate_series(1, 2000) AS g"
        )
        yield connection


def plan(conn: psycopg.Connection, name: str = "ix", definition: str = DEFINITION) -> list[str]:
    rows = conn.execute("SELECT statement FROM dbperf.ensure_partitioned_index('tick', %s, %s)", [name, definition])
    return [row[0] for row in rows]


def assert_complete(conn: psycopg.Connection, name: str = "ix", definition: str = DEFINITION) -> None:
    assert plan(conn, name, definition) == []
    rows = conn.execute(
        "SELECT i.indrelid::regclass::text, i.indisvalid FROM pg_partition_tree('tick') AS t"
        " JOIN pg_index AS i ON i.indrelid = t.relid JOIN pg_partition_tree(%s) AS x ON x.relid = i.indexrelid",
        [name],
    ).fetchall()
    assert len(rows) == value(conn, "SELECT count(*) FROM pg_partition_tree('tick')")
    assert all(is_valid for _, is_valid in rows), rows
    assert not value(conn, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "a left-over"


@pytest.mark.parametrize(
    "definition", [DEFINITION, "(instrument_id)", "UNIQUE btree (id, instrument_id, at)", "using brin (at)"]
)
def test_the_whole_tree_gets_it(conn: psycopg.Connection, definition: str) -> None:
    said: list[str] = []
    done = partition_indexes.ensure_index(conn, "tick", 'ix "1"', definition, said.append)
    assert said == done
    assert len(done) == 1 + 2 * 6
    assert_complete(conn, '"ix ""1"""', definition)
    assert partition_indexes.ensure_index(conn, "tick", "another", definition) == []


def test_interrupted_after_each_statement(conn: psycopg.Connection) -> None:
    """As kill -9 would: what was committed stays, nothing else is remembered."""
    total = len(plan(conn))
    for stop_after in range(total):
        for statement in plan(conn)[:stop_after]:
            conn.execute(statement.encode())
        left = plan(conn)
        assert len(left) == total - stop_after
        partition_indexes.ensure_index(conn, "tick", "ix", DEFINITION)
        assert_complete(conn)
        conn.execute("DROP INDEX ix")


def test_left_overs_are_replaced(conn: psycopg.Connection, migrated_db: str) -> None:
    """A cancelled CREATE INDEX CONCURRENTLY leaves an invalid index, which IF NOT EXISTS would take."""
    first, *rest = plan(conn)
    conn.execute(first.encode())
    for statement in [s for s in rest if "CONCURRENTLY" in s and s.startswith("CREATE")][:2]:
        with psycopg.connect(migrated_db) as old, psycopg.connect(migrated_db, autocommit=True) as watch:
            old.execute("UPDATE tick SET price = price WHERE id < 100")  # what it has to wait for
            build = threading.Thread(target=_cancelled, args=[conn, statement])
            build.start()
            while not value(
                watch,
                "SELECT cardinality(pg_blocking_pids(%s)) > 0 AND EXISTS (SELECT FROM pg_index WHERE NOT indisvalid AND indrelid <> 'tick'::regclass)",
                conn.info.backend_pid,
            ):
                assert build.is_alive()
            watch.execute("SELECT pg_cancel_backend(%s)", [conn.info.backend_pid])
            build.join()
    assert (
        value(
            conn,
            "SELECT count(*) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE NOT indisvalid AND c.relkind = 'i'",
        )
        == 2
    )
    assert sum(s.startswith("DROP INDEX CONCURRENTLY") for s in plan(conn)) == 2
    partition_indexes.ensure_index(conn, "tick", "ix", DEFINITION)
    assert_complete(conn)


def _cancelled(conn: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        conn.execute(statement.encode())


def test_indexes_that_are_there_are_attached(conn: psycopg.Connection) -> None:
    conn.execute(f"CREATE INDEX mine ON tick_4b USING {DEFINITION}".encode())
    conn.execute("CREATE INDEX other ON tick_4a USING btree (instrument_id)")  # not equal
    done = partition_indexes.ensure_index(conn, "tick", "ix", DEFINITION)
    assert not [s for s in done if s.startswith("CREATE") and "tick_4b" in s]
    assert (
        value(conn, "SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = 'mine'::regclass")
        == "tick_4_ix"
    )
    assert value(conn, "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'other'::regclass") == 0
    assert_complete(conn)


def test_an_index_that_others_made_invalid_is_mended(conn: psycopg.Connection) -> None:
    """CREATE INDEX on the table takes a left-over of a partition, and stays invalid with it."""
    conn.execute("ALTER TABLE tick DROP CONSTRAINT tick_pkey")
    conn.execute("INSERT INTO tick VALUES (1, 1, '2026-04-07', 1), (1, 1, '2026-04-07', 1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute("CREATE UNIQUE INDEX CONCURRENTLY left_over ON tick_4a (id, at)")
    conn.execute("DELETE FROM tick WHERE id = 1 AND at = '2026-04-07'")
    conn.execute("CREATE UNIQUE INDEX ix ON tick (id, at)")
    assert not value(conn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass")
    statements = plan(conn, definition="UNIQUE (id, at)")
    assert statements == ["REINDEX INDEX CONCURRENTLY public.left_over"]
    conn.execute(statements[0].encode())  # and interrupted here
    assert partition_indexes.rebuild_invalid(conn, "tick")
    assert_complete(conn, definition="UNIQUE (id, at)")


def test_invalid_indexes_are_rebuilt(conn: psycopg.Connection) -> None:
    conn.execute("INSERT INTO tick VALUES (-1, 7, '2026-04-07', 1), (-2, 7, '2026-04-07', 1)")
    for _ in range(2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute("CREATE UNIQUE INDEX CONCURRENTLY ON tick_4a (instrument_id) WHERE id < 0")
    conn.execute("ALTER INDEX tick_4a_instrument_id_idx RENAME TO tick_4a_ccnew1")
    conn.execute("DELETE FROM tick WHERE id = -1")
    done = partition_indexes.rebuild_invalid(conn, "tick")
    assert sorted(s.split(" ", 1)[0] for s in done) == ["DROP", "REINDEX"]
    assert not value(conn, "SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    assert partition_indexes.rebuild_invalid(conn, "tick") == []


@pytest.mark.parametrize(
    ("name", "definition", "error"),
    [
        ("tick", "(id)", psycopg.errors.DuplicateTable),
        ("tick_pkey", "(id)", psycopg.errors.DuplicateTable),
        ("ix", "id", psycopg.errors.SyntaxError),
        ("ix", "(nothing)", psycopg.errors.UndefinedColumn),
        ("ix", "UNIQUE (id)", psycopg.errors.FeatureNotSupported),
    ],
)
def test_what_cannot_be_is_refused(
    conn: psycopg.Connection, name: str, definition: str, error: type[psycopg.Error]
) -> None:
    with pytest.raises(error):
        partition_indexes.ensure_index(conn, "tick", name, definition)
    assert value(conn, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0


def test_only_the_index_is_taken_from_the_definition(conn: psycopg.Connection) -> None:
    """The server's own words are run, not the caller's: what follows goes with the probe."""
    assert plan(conn, "ix", "(id); CREATE TABLE public.evil ()") == plan(conn, "ix", "(id)")
    assert value(conn, "SELECT to_regclass('evil')") is None


def test_a_partition_that_comes_meanwhile_has_it(conn: psycopg.Connection) -> None:
    conn.execute(
        "INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind) VALUES ('tick', '1 month', '1 month', '1 year', '1 year')"
    )
    for number, statement in enumerate(plan(conn)):
        conn.execute(statement.encode())
        if number == 3:
            conn.execute("SELECT dbperf.create_partition('tick', '2026-07-01', '2026-08-01')")
    assert_complete(conn)


@pytest.mark.chaos
def test_writers_go_on(conn: psycopg.Connection, migrated_db: str, rng: random.Random) -> None:
    """No writer waits for a lock of ours for longer than the budget, sampled while it is built again and again."""
    stop = threading.Event()
    failures: list[psycopg.Error] = []
    written = [0, 0]

    def write(number: int, seed: int) -> None:
        random_one = random.Random(seed)
        with psycopg.connect(migrated_db, autocommit=True) as writer:
            while not stop.is_set():
                try:
                    with writer.transaction():
                        for _ in range(random_one.randint(1, 5)):
                            day = random_one.randrange(150)
                            writer.execute(
                                "INSERT INTO tick VALUES (nextval('numbers'), %s, '2026-01-01'::date + %s::integer, 1)",
                                [number, day],
                            )
                            writer.execute(
                                "UPDATE tick SET price = price + 1 WHERE id = %s", [random_one.randint(1, 2000)]
                            )
                    written[number] += 1
                except psycopg.errors.DeadlockDetected:
                    pass  # of the two writers
                except psycopg.Error as error:
                    failures.append(error)

    longest: list[float] = [0.0]

    def sample() -> None:
        with psycopg.connect(migrated_db, autocommit=True) as watch:
            while not stop.is_set():
                row: Any = value(
                    watch,
                    "SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart))::float8 FROM pg_locks AS l"
                    " WHERE NOT l.granted AND l.pid <> %s AND %s = ANY (pg_blocking_pids(l.pid))",
                    conn.info.backend_pid,
                    conn.info.backend_pid,
                )
                longest[0] = max(longest[0], row or 0.0)

    conn.execute("CREATE SEQUENCE numbers START 10000")
    threads = [threading.Thread(target=write, args=[n, rng.randrange(2**32)]) for n in range(2)]
    threads.append(threading.Thread(target=sample))
    for thread in threads:
        thread.start()
    try:
        for number in range(2):
            definition = f"btree (instrument_id, at, (price + {number}))"
            while plan(conn, f"ix{number}", definition):
                with contextlib.suppress(
                    LockedError
                ):  # it gives up rather than let writers wait; the next call goes on
                    partition_indexes.ensure_index(conn, "tick", f"ix{number}", definition)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert min(written) > 10
    print(f"longest wait of a writer for the build: {longest[0] * 1000:.0f} ms, {sum(written)} transactions")
    assert longest[0] * 1000 < BUDGET_MS
    for number in range(2):
        assert_complete(conn, f"ix{number}", f"btree (instrument_id, at, (price + {number}))")
