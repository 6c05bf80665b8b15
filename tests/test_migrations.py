"""Every migration up, down and up again with rows in the tables; drift; concurrency; yoyo itself."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import dbperf
from dbperf import errors, legacy, sqlfiles
from dbperf.migrations import files, migrate, rollback, session, status
from dbperf.migrations.ledger import YOYO_TABLES
from tests import catalogue
from tests.support import Cluster, rows_hash
from tests.support import dbperf as run_dbperf

NUMBERS = [m.number for m in files.migrations()]


@pytest.fixture(scope="module")
def stairs(cluster: Cluster, legacy_template: str) -> str:
    """DSN of a legacy database that one test after the other takes a step up."""
    return cluster.dsn(cluster.create_database("dbperf_test_stairs", legacy_template))


def _catalogue(conn: psycopg.Connection) -> list[str]:
    """All of it but the numbers of rebuilds and logs, which go on counting."""
    lines = [f"{kind}: {row}" for kind, rows in catalogue.dump(conn).items() for row in rows]
    lines = [line for line in lines if not re.match(r"sequences: .*'dbperf\.(rebuild|maintenance_log)_id_seq", line)]
    return sorted(re.sub(r"rebuild_log_\d+|'\d+'::xid8|refuse_snapshot\('\d+'\)", "#", line) for line in lines)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_migration_goes_up_down_and_up_with_rows(stairs: str, number: str) -> None:
    below = f"{int(number) - 1:04d}"
    rollback(stairs, to=below)  # nothing to do, unless the tests run in another order
    with psycopg.connect(stairs, autocommit=True) as conn:
        if below != "0000":
            migrate(stairs, to=below)
        before, rows = _catalogue(conn), rows_hash(conn, legacy.TABLES)
        migrate(stairs, to=number)
        above = _catalogue(conn)
        assert rollback(stairs, to=below) == [m.id for m in files.migrations() if m.number == number]
        assert _catalogue(conn) == before
        assert rows_hash(conn, legacy.TABLES) == rows
        assert migrate(stairs, to=number)
        assert _catalogue(conn) == above
        assert rows_hash(conn, legacy.TABLES) == rows


def test_rollback_of_everything_leaves_an_adopted_database_as_it_was(
    upgraded_db: str, as_it_was: tuple[catalogue.Catalogue, dict[str, tuple[Any, ...]]]
) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        assert [(m.id, m.state) for m in status(conn).migrations] == [(m.id, "applied") for m in files.migrations()]
        assert catalogue.of_schema(catalogue.dump(conn), "dbperf")
        assert rollback(upgraded_db, to="0000") == [m.id for m in reversed(files.migrations())]
        after = catalogue.dump(conn)
        assert (after, rows_hash(conn, legacy.TABLES)) == as_it_was
        assert not any(str(row[0]).endswith(YOYO_TABLES) for row in after["relations"])


def test_an_empty_database_gets_the_tables_and_loses_them_again(empty_db: str) -> None:
    with psycopg.connect(empty_db, autocommit=True) as conn:
        before = catalogue.dump(conn)
        migrate(empty_db)
        assert conn.execute("SELECT count(*) FROM market_data").fetchone() == (0,)
        assert status(conn).code == 0
        rollback(empty_db, to="0000")
        assert catalogue.dump(conn) == before


def test_made_tables_equal_the_legacy_ones(legacy_db: str, empty_db: str) -> None:
    migrate(empty_db, to="0002")
    with (
        psycopg.connect(empty_db, autocommit=True) as made,
        psycopg.connect(legacy_db, autocommit=True) as old,
    ):
        for kind in ("columns", "constraints", "indexes"):
            expected = catalogue.dump(old)[kind]
            assert [
                row for row in catalogue.dump(made)[kind] if "dbperf" not in str(row) and "yoyo" not in str(row)
            ] == expected


def test_rollback_refuses_to_drop_rows_and_changes_nothing(migrated_db: str) -> None:
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO instruments (symbol, name, type, status, created_at, updated_at)"
            " VALUES ('ES', 'ES', 'future', 'active', now(), now())"
        )
        before = catalogue.dump(conn)
        with pytest.raises(errors.NotEmptyError, match="no rollback of dbperf drops a row"):
            rollback(migrated_db, to="0000")
        assert catalogue.dump(conn) == before
        assert status(conn).code == 1  # the rebuilds are to come
        # down to the baseline it goes, with the row
        rollback(migrated_db, to="0002")
        assert conn.execute("SELECT symbol FROM instruments").fetchall() == [("ES",)]


def test_rollback_refuses_to_drop_what_somebody_put_into_the_schema(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE dbperf.mine (id integer)")
        before = catalogue.dump(conn)
        done = run_dbperf("rollback", "--to", "0000", dsn=trading_db, check=1)
        assert "cannot drop schema dbperf" in done.stderr
        assert "mine" in done.stderr
        assert catalogue.dump(conn) == before


def test_rollback_without_target_undoes_the_last_one(upgraded_db: str) -> None:
    assert rollback(upgraded_db) == [files.migrations()[-1].id]
    with psycopg.connect(upgraded_db) as conn:
        assert [m.state for m in status(conn).migrations] == ["applied"] * (len(NUMBERS) - 1) + ["pending"]


@pytest.mark.parametrize("kind", ["legacy_db", "empty_db"])
def test_eight_migrators_at_once_end_in_one_applied_set(kind: str, request: pytest.FixtureRequest) -> None:
    dsn = request.getfixturevalue(kind)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(lambda _: migrate(dsn), range(8)))
    assert sorted(name for names in applied for name in names) == [m.id for m in files.migrations()]
    with psycopg.connect(dsn, autocommit=True) as conn:
        assert status(conn).code == 0
        assert conn.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
        assert conn.execute("SELECT count(*), count(DISTINCT migration_id) FROM _yoyo_migration").fetchone() == (
            len(NUMBERS),
            len(NUMBERS),
        )
        deadlocks = conn.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
        assert deadlocks == (0,)


def _yoyo_list(dsn: str) -> dict[str, str]:
    """What stock yoyo says: migration → A(pplied) or U(napplied)."""
    given = conninfo_to_dict(dsn)
    url = f"postgresql+psycopg://{given['user']}@/{given['dbname']}?host={given['host']}&port={given['port']}"
    done = subprocess.run(
        [sys.executable, "-m", "yoyo", "list", "--no-config-file", "--batch", "-d", url, str(sqlfiles.sql_dir() / "migrations")],
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[1]: row[0] for row in rows if row and row[0] in ("A", "U")}


@pytest.mark.skipif("DBPERF_TEST_DSN" in os.environ, reason="yoyo's URL form knows sockets and trust only")
def test_stock_yoyo_agrees_with_every_kind_of_step(upgraded_db: str) -> None:
    migrations = files.migrations()
    for applied in (len(migrations), 3, 1):
        rollback(upgraded_db, to=NUMBERS[applied - 1])
        expected = {m.id: "A" if position < applied else "U" for position, m in enumerate(migrations)}
        assert _yoyo_list(upgraded_db) == expected
    migrate(upgraded_db, to="0003")
    assert list(_yoyo_list(upgraded_db).values()) == ["A"] * 3 + ["U"] * (len(migrations) - 3)


def test_status_writes_nothing(legacy_db: str) -> None:
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        before = catalogue.dump(conn)
        conn.execute("SET default_transaction_read_only = on")
        assert status(conn).code == 1
        conn.execute("RESET default_transaction_read_only")
        assert catalogue.dump(conn) == before


def _codes(dsn: str) -> tuple[int, dict[str, str]]:
    done = run_dbperf("--json", "status", dsn=dsn, check=None)
    return done.returncode, {m["id"]: m["state"] for m in json.loads(done.stdout)["migrations"]}


def test_a_changed_file_is_drift_until_repaired(upgraded_db: str) -> None:
    changed = files.migrations()[2].id
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("UPDATE dbperf.migration SET checksum = 'of another file' WHERE id = %s", [changed])
    assert _codes(upgraded_db) == (
        3,
        {m.id: "drift" if m.id == changed else "applied" for m in files.migrations()},
    )
    for command in (["migrate"], ["migrate", "--dry-run"], ["rollback"]):
        done = run_dbperf(*command, dsn=upgraded_db, check=1)
        assert f"dbperf repair {changed[:4]}" in done.stderr
    run_dbperf("repair", changed[:4], dsn=upgraded_db)
    assert _codes(upgraded_db)[0] == 0


def test_checksums_ignore_comments_and_white_space_but_nothing_else() -> None:
    one = files.checksum(["SELECT 'a  b' -- why\n FROM t"])
    assert files.checksum(["/* licence */ SELECT 'a  b'\n\tFROM   t"]) == one
    assert files.checksum(["SELECT 'a b' FROM t"]) != one
    assert files.checksum(["SELECT $$ -- in a body $$"]) != files.checksum(["SELECT $$ $$"])


def test_marks_made_by_yoyo_alone_are_drift(legacy_db: str) -> None:
    migrate(legacy_db, to="0004")
    last = files.migrations()[4]
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc) VALUES (%s, %s, now())",
            [last.yoyo.hash, last.id],
        )
        assert status(conn).migrations[4].state == "drift"
        conn.execute("DELETE FROM _yoyo_migration WHERE migration_id IN (%s, %s)", [last.id, files.migrations()[3].id])
        assert status(conn).migrations[3].state == "drift"
        run_dbperf("repair", "0004", dsn=legacy_db)
        assert status(conn).code == 1
        migrate(legacy_db)
        assert status(conn).code == 0


@pytest.mark.parametrize(
    "table",
    [
        "dbperf.migration (id, checksum, applied_at)",
        "_yoyo_migration (migration_id, migration_hash, applied_at_utc)",
    ],
)
def test_a_newer_database_is_refused(trading_db: str, table: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute(f"INSERT INTO {table} VALUES ('9999_from_the_future', 'x', now())".encode())
    assert run_dbperf("status", dsn=trading_db, check=3).stdout.count("newer") == 2
    for command in (["migrate"], ["rollback"], ["migrate", "--dry-run"]):
        assert "9999_from_the_future" in run_dbperf(*command, dsn=trading_db, check=1).stderr


def test_another_applications_yoyo_migrations_are_left_alone(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc) VALUES ('h', '20240101_01_abcde-users', now())"
        )
        assert status(conn).code == 0
        done = run_dbperf("rollback", "--to", "0000", dsn=upgraded_db)
        assert "20240101_01_abcde-users" in done.stderr
        assert conn.execute("SELECT migration_id FROM _yoyo_migration").fetchall() == [("20240101_01_abcde-users",)]
        assert status(conn).code == 1


def test_the_library_follows_the_code_and_drift_shows(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("COMMENT ON FUNCTION dbperf.retire_index(regclass, name[]) IS 'mine now'")
        conn.execute("DROP VIEW dbperf.trading_indexes")
        conn.execute("CREATE FUNCTION dbperf.gone() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        conn.execute("INSERT INTO dbperf.library VALUES ('gone', 'x', 'x')")
        found = status(conn)
        assert (found.code, found.library_changed, found.library_pending) == (
            3,
            ["retire_index", "trading_indexes"],
            ["backfill_progress", "gone"],  # its table comes with a later migration
        )
        before = {f.name for f in files.library()}
        migrate(trading_db)
        assert status(conn).code == 0
        names = {r[0] for r in conn.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'dbperf'::regnamespace")}
        views = {r[0] for r in conn.execute("SELECT viewname FROM pg_views WHERE schemaname = 'dbperf'")}
        assert (names | views, "trading_indexes" in views) == (before, True)


def test_a_routine_with_other_arguments_replaces_the_old_one(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("DROP FUNCTION dbperf.plain_index_columns(regclass)")
        conn.execute(
            "CREATE FUNCTION dbperf.plain_index_columns(text, text) RETURNS integer LANGUAGE sql AS 'SELECT 1'"
        )
        conn.execute("DROP FUNCTION dbperf.forget_trading_tables()")
        conn.execute("CREATE FUNCTION dbperf.forget_trading_tables() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        migrate(upgraded_db)
        query = "SELECT oid::regprocedure::text FROM pg_proc WHERE proname IN ('plain_index_columns', 'forget_trading_tables')"
        assert {r[0] for r in conn.execute(query.encode())} == {
            "dbperf.plain_index_columns(regclass)", "dbperf.forget_trading_tables()",
        }  # fmt: skip
        assert status(conn).code == 0


def test_migrate_to_stops_there_and_wrong_targets_are_usage_errors(legacy_db: str) -> None:
    assert migrate(legacy_db, to="0003") == [m.id for m in files.migrations()[:3]]
    assert migrate(legacy_db, to=files.migrations()[3].id) == [files.migrations()[3].id]
    assert migrate(legacy_db, to="0001") == []
    for wrong in ("0099", "three", "0000", ""):
        run_dbperf("migrate", "--to", wrong, dsn=legacy_db, check=64)
    run_dbperf("rollback", "--to", "0099", dsn=legacy_db, check=64)
    run_dbperf("repair", "0005", dsn=legacy_db, check=64)


def test_a_running_migration_makes_others_wait_and_then_say_who(legacy_db: str) -> None:
    with (
        session.open_session(legacy_db, print) as first,
        session.exclusive(first),
        session.open_session(legacy_db, print) as second,
        pytest.raises(errors.LockedError, match=f"pid {first.info.backend_pid}"),
        session.exclusive(second, timeout=0.3),
    ):
        raise AssertionError("two runs at once")


def test_updates_of_instruments_become_heap_only(legacy_db: str, upgraded_db: str) -> None:
    def hot_updates(dsn: str) -> int:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("VACUUM FULL instruments")  # the row has room on its page, then
            query = "SELECT pg_stat_get_tuples_hot_updated('instruments'::regclass)"
            before = conn.execute(query.encode()).fetchone()
            for _ in range(20):
                conn.execute("UPDATE instruments SET last_tick = last_tick + interval '1 second' WHERE id = 3")
            conn.execute("SELECT pg_stat_force_next_flush()")
            after = conn.execute(query.encode()).fetchone()
        assert before is not None
        assert after is not None
        return int(after[0] - before[0])

    assert hot_updates(legacy_db) == 0
    assert hot_updates(upgraded_db) == 20


def test_versions_out_of_range(legacy_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[str] = []
    monkeypatch.setattr(session, "NEWEST", 14)
    migrate(legacy_db, to="0001", notify=notices.append)
    assert "newer than the newest" in notices[0]
    monkeypatch.setattr(session, "OLDEST", 99)
    with pytest.raises(errors.MigrationError, match="needs 99 or later"):
        migrate(legacy_db)


def test_python_api_is_the_same(legacy_db: str) -> None:
    assert dbperf.migrate(legacy_db, to="0001") == ["0001_create_schema"]
    lines = dbperf.migrate(legacy_db, dry_run=True)
    assert any("DROP INDEX CONCURRENTLY" in line for line in lines)


def test_a_role_without_rights_gets_one_sentence(legacy_db: str) -> None:
    done = run_dbperf("migrate", dsn=make_conninfo(legacy_db, user="nobody_at_all"), check=1)
    assert done.stderr.count("\n") == 1
    assert "nobody_at_all" in done.stderr


def test_sql_is_found_from_a_checkout() -> None:
    assert sqlfiles.sql_dir() == Path(__file__).resolve().parents[1] / "sql"
