"""Databases that a fresh reader broke dbperf with: taken names, missing rights, encodings, other hands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import dbperf
from dbperf import errors, legacy
from dbperf.migrations import files, migrate, repair, rollback, status
from tests import catalogue
from tests.conftest import BEFORE_REBUILDS
from tests.shapes import value
from tests.support import Cluster, rows_hash
from tests.support import dbperf as run_dbperf


@pytest.fixture
def legacy_catalogue(as_it_was: tuple[catalogue.Catalogue, dict[str, tuple[Any, ...]]]) -> catalogue.Catalogue:
    return as_it_was[0]


def _there_and_back(dsn: str, to: str | None = None) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        before, rows = catalogue.dump(conn), rows_hash(conn, legacy.TABLES)
        migrate(dsn, to=to)
        assert status(conn).code == (1 if to else 0)
        rollback(dsn, to="0000")
        assert catalogue.dump(conn) == before
        assert rows_hash(conn, legacy.TABLES) == rows


@pytest.mark.parametrize(
    "change",
    [
        'DROP INDEX ix_market_data_latest; CREATE INDEX ix_market_data_latest ON market_data (instrument_id, "timestamp" DESC)',
        "CREATE INDEX ix_market_data_instrument_price ON market_data (instrument_id) WHERE price > 0",
        "DROP INDEX ix_market_data_timestamp; ALTER INDEX ix_market_data_instrument RENAME TO ix_market_data_timestamp",
        "CREATE TABLE ix_market_data_instrument_price (a integer)",
        "CREATE INDEX ix_market_data_instrument_price_1 ON market_data (volume); CREATE VIEW ix_market_data_instrument_price AS SELECT 1 AS a",
        "DROP INDEX ix_alert_logs_recent, ix_alert_logs_rule_timestamp; CREATE INDEX ix_alert_logs_recent ON alert_rules (name)",
    ],
)
def test_names_that_somebody_else_has(legacy_db: str, change: str) -> None:
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute(change.encode())
    _there_and_back(legacy_db, "0005")  # the last one that retires indexes


def test_the_name_of_a_retired_index_was_taken_since(trading_db: str, legacy_catalogue: catalogue.Catalogue) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("CREATE INDEX ix_market_data_price ON market_data (price DESC)")
        between = catalogue.dump(conn)
        done = run_dbperf("rollback", "--to", "0000", dsn=trading_db, check=1)
        assert "ix_market_data_price is taken by something else" in done.stderr
        assert catalogue.dump(conn) == between  # refused before its first step
        conn.execute("DROP INDEX ix_market_data_price")
        rollback(trading_db, to="0000")
        assert catalogue.dump(conn) == legacy_catalogue


def test_a_retired_index_that_somebody_made_again(trading_db: str, legacy_catalogue: catalogue.Catalogue) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("CREATE INDEX ix_market_data_price ON market_data (price)")
        rollback(trading_db, to="0000")
        assert catalogue.dump(conn) == legacy_catalogue


def test_rows_that_a_policy_hides_are_rows(migrated_db: str) -> None:
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO instruments (symbol, name, type, status, created_at, updated_at) VALUES ('A', 'a', 'index', 'active', now(), now())"
        )
        conn.execute("ALTER TABLE instruments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        run_dbperf("rollback", "--to", "0000", dsn=migrated_db, check=1)
        conn.execute("ALTER TABLE instruments NO FORCE ROW LEVEL SECURITY")
        assert conn.execute("SELECT count(*) FROM instruments").fetchone() == (1,)


def test_renamed_and_dropped_tables(trading_db: str, upgraded_db: str, legacy_catalogue: catalogue.Catalogue) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("ALTER TABLE alert_logs RENAME TO alert_history")
        rollback(trading_db, to="0000")
        conn.execute("ALTER TABLE alert_history RENAME TO alert_logs")
        assert catalogue.dump(conn) == legacy_catalogue
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("DROP TABLE alert_logs CASCADE")  # and the view of its live rows
        rollback(upgraded_db, to="0000")
        assert status(conn).code == 1


@pytest.mark.superuser
def test_rights_that_a_rollback_would_miss_are_asked_for_first(cluster: Cluster, legacy_db: str) -> None:
    """Superuser: gives the schema of the tables to itself."""
    database = str(psycopg.conninfo.conninfo_to_dict(legacy_db)["dbname"])
    with cluster.admin(database) as admin:
        admin.execute(sql.SQL("CREATE SCHEMA own AUTHORIZATION {}").format(sql.Identifier(cluster.owner)))
        admin.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    dsn = make_conninfo(legacy_db, options="-c search_path=own,public")
    with psycopg.connect(dsn, autocommit=True) as conn:
        before = catalogue.dump(conn)
        done = run_dbperf("migrate", "--schema", "public", dsn=dsn, check=1)
        assert "GRANT CREATE ON SCHEMA" in done.stderr
        assert catalogue.dump(conn) == before


def test_work_that_yoyo_alone_marked_is_done_after_repair(legacy_db: str) -> None:
    migrate(legacy_db, to="0002")
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        for migration in files.migrations()[2:]:
            conn.execute("INSERT INTO _yoyo_migration VALUES (%s, %s, now())", [migration.yoyo.hash, migration.id])
        assert status(conn).code == 3
        for migration in files.migrations()[2:]:
            assert "completes it" in repair(legacy_db, migration.number)
        assert status(conn).code == 1
        migrate(legacy_db)
        assert status(conn).code == 0
        names = [r[0] for r in conn.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'instruments'")]
        assert "ix_instruments_last_tick" not in names


def test_somebody_elses_build_is_let_alone(legacy_db: str) -> None:
    """A DBA builds the very index that 0003 wants, and fails: the left-over stays the DBA's."""
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute(
            "CREATE FUNCTION failing(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1 / $1; END'"
        )
        conn.execute('INSERT INTO market_data ("timestamp", instrument_id, price) VALUES (now(), 1, 1)')
        with psycopg.connect(legacy_db) as writer, psycopg.connect(legacy_db, autocommit=True) as builder:
            writer.execute("LOCK TABLE market_data IN ROW EXCLUSIVE MODE")
            builder.execute("SET statement_timeout = '300ms'")
            with pytest.raises(psycopg.errors.QueryCanceled):
                builder.execute(
                    "CREATE INDEX CONCURRENTLY ix_market_data_instrument_price ON market_data (instrument_id, price)"
                )
    _there_and_back(legacy_db, BEFORE_REBUILDS)


def test_tables_in_another_schema_are_not_missed(empty_db: str) -> None:
    with psycopg.connect(empty_db, autocommit=True) as conn:
        legacy.create(conn, ticks=100, schema="trading")
        before = catalogue.dump(conn)
        done = run_dbperf("migrate", dsn=empty_db, check=64)
        assert "seem to be in schema trading: name it with --schema" in done.stderr
        assert catalogue.dump(conn) == before
        migrate(empty_db, schema="trading", to=BEFORE_REBUILDS)
        rollback(empty_db, to="0001")
        run_dbperf("migrate", dsn=empty_db, check=64)
        rollback(empty_db, to="0000")
        assert rollback(empty_db) == []
        assert catalogue.dump(conn) == before


def test_another_applications_numbers_do_not_block_an_adoption(legacy_db: str) -> None:
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE _yoyo_migration (migration_hash varchar(64) PRIMARY KEY, migration_id varchar(255), applied_at_utc timestamp)"
        )
        conn.execute("CREATE TABLE _yoyo_version (version integer PRIMARY KEY, installed_at_utc timestamp)")
        conn.execute("INSERT INTO _yoyo_version VALUES (2, now())")
        conn.execute("INSERT INTO _yoyo_migration VALUES ('h', '0010_add_orders', now())")
        assert status(conn).code == 1


def test_grants_to_a_reader_are_no_drift(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("GRANT USAGE ON SCHEMA dbperf TO PUBLIC")
        conn.execute("GRANT SELECT ON ALL TABLES IN SCHEMA dbperf TO PUBLIC")
        conn.execute("SET quote_all_identifiers = on")
        assert status(conn).code == 0


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def other_encoding(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    name = f"dbperf_test_{request.param.lower()}"
    with psycopg.connect(cluster.admin_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        statement = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C' OWNER {}"
        names = (sql.Identifier(name), sql.Literal(request.param), sql.Identifier(cluster.owner))
        admin.execute(sql.SQL(statement).format(*names))
    yield make_conninfo(cluster.dsn(name), client_encoding="UTF8")
    with psycopg.connect(cluster.admin_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_databases_that_are_not_utf8(other_encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(other_encoding, autocommit=True) as conn:
        legacy.create(conn, ticks=100)
        conn.execute('ALTER INDEX ix_market_data_instrument RENAME TO "größe"')
        conn.execute("COMMENT ON INDEX ix_market_data_price IS 'Prüfung'")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    _there_and_back(other_encoding)


def test_bad_rows_that_are_not_of_the_databases_encoding(other_encoding: str) -> None:
    migrate(other_encoding)
    with psycopg.connect(other_encoding, autocommit=True) as conn:
        conn.execute("CREATE TABLE note (number smallint, text text)")
        result = dbperf.copy_rows(conn, "note", [(1, "a"), (99_999, "5 €")], on_error="quarantine")
        assert (result.inserted, result.quarantined) == (1, 1)
        assert value(conn, "SELECT row_data->>'text' FROM dbperf.quarantine") == "5 \\u20ac"


def test_dry_run_refuses_as_the_run_does(legacy_db: str) -> None:
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute("ALTER TABLE market_data DROP COLUMN bid")
    for dry_run in (True, False):
        with pytest.raises(errors.AdoptionError):
            migrate(legacy_db, dry_run=dry_run)
