"""The connection that migrates: its budget for locks, its watcher, its settings."""

from __future__ import annotations

import logging
import threading
import time

import psycopg
import pytest
from psycopg import sql

from dbperf import errors
from dbperf.migrations import migrate, rollback, session, status
from tests import catalogue
from tests.support import BUDGET_MS


def test_the_watcher_says_for_whom_it_waits(
    legacy_db: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "WATCH_AFTER_S", 0.05)
    with psycopg.connect(legacy_db) as writer:
        pid = writer.info.backend_pid
        writer.execute("LOCK TABLE market_data IN ROW EXCLUSIVE MODE")
        run = threading.Thread(target=migrate, args=[legacy_db])
        with caplog.at_level(logging.WARNING, "dbperf"):
            run.start()
            while not caplog.records and run.is_alive():
                run.join(0.05)
        writer.commit()
        run.join()
    assert f"waiting for the transaction of pid {pid} (idle in transaction" in caplog.text
    with psycopg.connect(legacy_db) as conn:
        assert status(conn).code == 0


def test_a_locked_table_is_given_up_within_the_budget(migrated_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropping the tables that dbperf made needs ACCESS EXCLUSIVE; a reader must not queue behind it for long."""
    monkeypatch.setattr(session, "LOCK_PAUSE_S", 0.0)
    with psycopg.connect(migrated_db) as reader, psycopg.connect(migrated_db, autocommit=True) as conn:
        before = catalogue.dump(conn)
        reader.execute("SELECT * FROM instruments")
        started = time.monotonic()
        with pytest.raises(errors.LockedError, match="nothing was changed"):
            rollback(migrated_db, to="0000")
        assert time.monotonic() - started < 10
        assert catalogue.dump(conn) == before
        reader.rollback()
        rollback(migrated_db, to="0000")


def test_writers_and_readers_go_on_while_it_migrates(legacy_db: str) -> None:
    """Nobody waits for longer than the budget, though every statement of theirs would show it."""
    stop = threading.Event()
    waits: list[float] = []
    failures: list[psycopg.Error] = []

    def write() -> None:
        # a prepared SELECT fails after each swap: its result has other types
        with psycopg.connect(legacy_db, autocommit=True, prepare_threshold=None) as conn:
            conn.execute(f"SET lock_timeout = '{BUDGET_MS}ms'".encode())
            while not stop.is_set():
                started = time.monotonic()
                try:
                    conn.execute('INSERT INTO market_data ("timestamp", instrument_id, price) VALUES (now(), 1, 1)')
                    conn.execute("UPDATE instruments SET last_tick = now() WHERE id = 1")
                    conn.execute('SELECT id, "timestamp" FROM alert_logs ORDER BY "timestamp" DESC LIMIT 5')
                except psycopg.Error as error:
                    failures.append(error)
                waits.append(time.monotonic() - started)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        migrate(legacy_db)
        rollback(legacy_db, to="0000")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(waits) > 20
    with psycopg.connect(legacy_db) as conn:
        row = conn.execute("SELECT count(*) FROM market_data WHERE price = 1").fetchone()
    assert row == (len(waits),)


def test_limits_of_the_role_do_not_end_a_migration(legacy_db: str) -> None:
    """A role may set its own limits, here for this database; the run puts them aside."""
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        setting = sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET statement_timeout = '5ms'")
        conn.execute(setting.format(sql.Identifier(conn.info.dbname)))
        before = catalogue.dump(conn)
    with psycopg.connect(legacy_db) as conn, pytest.raises(psycopg.errors.QueryCanceled):
        conn.execute("SELECT pg_sleep(1)")
    migrate(legacy_db)
    rollback(legacy_db, to="0000")
    with psycopg.connect(f"{legacy_db} options='-c statement_timeout=0'", autocommit=True) as conn:
        assert catalogue.dump(conn) == before
