"""What arrives with the key of a deleted row, and rows that come with marks."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from tests.shapes import ids, make, value


@pytest.fixture
def conn(migrated_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(migrated_db, autocommit=True) as connection:
        yield connection


KEYS = {
    "a column": ("", "(symbol)", "('btc', 'x')"),
    "an expression": ("", "(lower(symbol))", "('BTC', 'x')"),
    "a predicate": ("", "(symbol) WHERE venue <> 'y'", "('btc', 'x')"),
    "NULLS NOT DISTINCT": ("", "(symbol, note) NULLS NOT DISTINCT", "('btc', 'x')"),
    "a collation": ("", '(symbol COLLATE "C")', "('btc', 'x')"),
    "a generated column": (", key text GENERATED ALWAYS AS (lower(symbol)) STORED", "(key)", "('Btc', 'x')"),
    "expression and column": ("", "(venue, upper(symbol) text_pattern_ops) INCLUDE (id)", "('Btc', 'x')"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_an_upsert_never_updates_a_hidden_row(conn: psycopg.Connection, kind: str) -> None:
    """By every kind of unique index: refused, or revived with the values of the upsert."""
    column, key, arriving = KEYS[kind]
    conn.execute(
        f"CREATE TABLE coin (id integer GENERATED ALWAYS AS IDENTITY, symbol text, venue text, note text{column})".encode()
    )
    conn.execute(f"CREATE UNIQUE INDEX coin_key ON coin {key}".encode())
    conn.execute("SELECT dbperf.enable_soft_delete('coin')")
    conn.execute("INSERT INTO coin (symbol, venue) VALUES ('btc', 'x'), ('eth', 'x'), (NULL, 'x')")
    conn.execute("DELETE FROM coin WHERE symbol = 'btc'")

    target = key.partition(" INCLUDE")[0].replace(" NULLS NOT DISTINCT", "").replace(" text_pattern_ops", "")
    upsert = f"INSERT INTO coin (symbol, venue) VALUES {arriving} ON CONFLICT {target} DO UPDATE SET venue = 'z'"
    with pytest.raises(errors.UniqueViolation, match="a deleted row of"):
        conn.execute(upsert.encode())
    with pytest.raises(errors.UniqueViolation, match="a deleted row of"):
        conn.execute(f"INSERT INTO coin (symbol, venue) VALUES {arriving}".encode())
    conn.execute("INSERT INTO coin (symbol, venue) VALUES ('doge', 'x')")

    conn.execute("SELECT dbperf.enable_soft_delete('coin', on_deleted_key => 'revive')")
    conn.execute(upsert.encode())
    assert conn.execute("SELECT symbol, venue FROM coin_active WHERE id = 1").fetchall() == [("btc", "z")]
    assert value(conn, "SELECT count(*) FROM coin WHERE deleted_at IS NOT NULL") == 0


def test_the_predicate_holds_for_both_rows(conn: psycopg.Connection) -> None:
    """A deleted row outside a partial index is no conflict, nor is one that arrives outside."""
    conn.execute("CREATE TABLE coin (id integer, symbol text, open boolean)")
    conn.execute("CREATE UNIQUE INDEX coin_key ON coin (symbol) WHERE open")
    conn.execute("SELECT dbperf.enable_soft_delete('coin')")
    conn.execute("INSERT INTO coin VALUES (1, 'btc', true), (2, 'eth', false)")
    conn.execute("DELETE FROM coin")
    conn.execute("INSERT INTO coin VALUES (3, 'btc', false), (4, 'eth', true)")
    with pytest.raises(errors.UniqueViolation):
        conn.execute("INSERT INTO coin VALUES (5, 'btc', true)")
    assert ids(conn, "coin_active") == {3, 4}


def test_the_lookup_uses_the_index(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE coin (id integer, symbol text)")
    conn.execute("CREATE UNIQUE INDEX coin_key ON coin (lower(symbol))")
    conn.execute("INSERT INTO coin SELECT g, 'c' || g FROM generate_series(1, 5000) AS g; ANALYZE coin")
    condition = value(conn, "SELECT dbperf.unique_meeting('coin_key', 'ROW(1, ''C7'')::coin')")
    plan = conn.execute(f"EXPLAIN SELECT FROM coin AS t WHERE {condition}".encode()).fetchall()
    assert any("coin_key" in line for (line,) in plan), plan


def test_a_row_does_not_arrive_with_marks(conn: psycopg.Connection) -> None:
    """A copy of a deleted row's marks would come alive with its batch."""
    make(conn, "ordinary", hot=False)
    conn.execute("DELETE FROM tick WHERE id = 1")
    for columns in ("deleted_at, deleted_batch", "NULL, deleted_batch", "deleted_at, NULL"):
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute(f"INSERT INTO tick SELECT 99, 1, at, size, note, {columns} FROM tick WHERE id = 1".encode())
    batch = value(conn, "SELECT max(batch) FROM dbperf.deletion")
    assert conn.execute("SELECT rows FROM dbperf.undelete(%s)", [batch]).fetchall() == [(1,)]
