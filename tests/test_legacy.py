"""The legacy database: the same everywhere, plausible, with its faults."""

from __future__ import annotations

import psycopg
import pytest

from dbperf import errors, legacy
from tests import catalogue
from tests.support import dbperf as run_dbperf
from tests.support import rows_hash

#: Rows and hashes of `legacy create --ticks 500 --instruments 5`, on every version alike.
EXPECTED = {
    "instruments": "12680619490122621507",
    "alert_rules": "21327194744279659009",
    "market_data": "93636533280929008953",
    "alert_logs": "-15029297832890000768",
}


def test_the_rows_are_the_same_on_every_version(empty_db: str) -> None:
    with psycopg.connect(empty_db, autocommit=True) as conn:
        assert legacy.create(conn, ticks=500, instruments=5) == {
            "instruments": 5, "alert_rules": 25, "market_data": 500, "alert_logs": 50,
        }  # fmt: skip
        found = {table: str(value[1]) for table, value in rows_hash(conn, legacy.TABLES).items()}
    assert found == EXPECTED


def test_another_seed_gives_other_rows(empty_db: str) -> None:
    with psycopg.connect(empty_db, autocommit=True) as conn:
        legacy.create(conn, ticks=500, instruments=5, seed=2)
        assert str(rows_hash(conn, ["market_data"])["market_data"][1]) != EXPECTED["market_data"]


def test_faults_are_planted(conn: psycopg.Connection) -> None:
    def value(query: str) -> object:
        row = conn.execute(query.encode()).fetchone()
        return row[0] if row else None

    assert value("SELECT count(*) - count(DISTINCT symbol) FROM instruments") == 1
    assert value("SELECT count(*) FROM market_data WHERE \"timestamp\" > '2099-01-01'") == 1
    assert value("SELECT count(*) FROM market_data WHERE \"timestamp\" < '2010-01-01'") == 1
    assert value("SELECT count(*) FROM alert_logs WHERE delivery_status = 'pending'") != 0


def test_missing_prices_are_planted(empty_db: str) -> None:
    with psycopg.connect(empty_db, autocommit=True) as conn:
        legacy.create(conn, ticks=10_000)
        assert conn.execute("SELECT count(*) FROM market_data WHERE price IS NULL").fetchone() == (1,)


def test_prices_walk(conn: psycopg.Connection) -> None:
    """One step is at most two tick sizes, and they do not stay where they began."""
    row = conn.execute(
        """SELECT max(abs(price - before) / price), min(price), count(DISTINCT price)
           FROM (SELECT price, lag(price) OVER (PARTITION BY instrument_id ORDER BY id) AS before
                 FROM market_data WHERE "timestamp" BETWEEN '2026-01-01' AND '2027-01-01') AS walk
           WHERE before IS NOT NULL AND price IS NOT NULL"""
    ).fetchone()
    assert row is not None
    assert row[0] < 0.001
    assert row[1] > 0
    assert row[2] > 50


def test_inserting_goes_on_where_the_ids_end(conn: psycopg.Connection) -> None:
    row = conn.execute('INSERT INTO market_data ("timestamp", instrument_id) VALUES (now(), 1) RETURNING id').fetchone()
    assert row == (3001,)


def test_a_database_that_is_not_empty_is_refused(legacy_db: str) -> None:
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        before = catalogue.dump(conn)
        done = run_dbperf("legacy", "create", "--schema", "other", dsn=legacy_db, check=1)
        assert "is not empty" in done.stderr
        assert catalogue.dump(conn) == before


@pytest.mark.parametrize(
    "arguments", [["--ticks", "19"], ["--instruments", "1"], ["--instruments", "1001"], ["--ticks", "many"]]
)
def test_numbers_out_of_range(empty_db: str, arguments: list[str]) -> None:
    run_dbperf("legacy", "create", *arguments, dsn=empty_db, check=64)


def test_smallest_and_widest(empty_db: str) -> None:
    with psycopg.connect(empty_db, autocommit=True) as conn:
        with pytest.raises(errors.UsageError):
            legacy.create(conn, ticks=0)
        assert legacy.create(conn, ticks=20, instruments=1000)["alert_rules"] == 5000
