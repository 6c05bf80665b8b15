"""The trading upgrade: market_data and alert_logs as partitions, for the application that goes on, and back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

import dbperf
from benchmarks import workload
from dbperf import legacy, rebuild
from dbperf.migrations import migrate, rollback
from dbperf.migrations.session import open_session
from tests import catalogue
from tests.shapes import value
from tests.support import Cluster, rows_hash
from tests.support import dbperf as run_dbperf

TICKS = 'SELECT id, "timestamp", price::numeric(12,4), bid::numeric(12,4) FROM market_data ORDER BY id'


def test_what_the_tables_become(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        kinds = "SELECT relname::text, relkind FROM pg_class WHERE relname IN ('market_data', 'alert_logs') ORDER BY 1"
        assert conn.execute(kinds).fetchall() == [("alert_logs", "p"), ("market_data", "p")]
        types = "SELECT DISTINCT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'market_data'::regclass AND attname ~ 'price|bid$|ask$'"
        assert conn.execute(types).fetchall() == [("double precision",)]
        names = "SELECT count(*) FROM pg_class WHERE relname = ANY (%s)"
        assert value(conn, names, ["market_data_pkey", "ix_market_data_latest", "market_data_timestamp_idx", "alert_logs_pkey", "ix_alert_logs_recent", "market_data_id_seq"]) == 6  # fmt: skip
        assert (
            value(conn, "SELECT partition::text FROM dbperf.partitions WHERE state = 'outside'")
            == "market_data_outside_2099_12"
        )
        assert value(conn, "SELECT count(*) FROM market_data_outside_2009_01") == 1
        assert conn.execute("SELECT missing, is_long_enough FROM dbperf.partition_runway").fetchall() == [(0, True)] * 2
        for table in legacy.TABLES:
            assert not conn.execute("SELECT FROM dbperf.verify(%s) WHERE severity = 'problem'", [table]).fetchall()


@pytest.mark.parametrize("finalized", [False, True])
def test_both_ways_with_every_write(trading_db: str, finalized: bool) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("CREATE VIEW dear AS SELECT id, price FROM market_data WHERE price > 100")
        conn.execute("DELETE FROM market_data WHERE id BETWEEN 10 AND 19")
        before = conn.execute(TICKS).fetchall()
        hashes = rows_hash(conn, legacy.TABLES)
        migrate(trading_db)
        assert conn.execute(TICKS).fetchall() == before
        assert rows_hash(conn, legacy.TABLES) == hashes
        assert value(conn, "SELECT count(*) FROM market_data_active") == len(before) - 10
        batch = value(conn, "SELECT max(batch) FROM dbperf.deletion")
        conn.execute("SELECT dbperf.undelete(%s)", [batch])
        conn.execute("DELETE FROM market_data WHERE id = 30")
        conn.execute("UPDATE market_data SET \"timestamp\" = '2026-05-05 05:05', price = 1.5 WHERE id = 31")
        ticks = [{"timestamp": dt.datetime(2026, 6, 1), "instrument_id": 1, "price": 2.25, "volume": 3}] * 20
        dbperf.copy_rows(conn, "market_data", ticks)
        after, hashes = conn.execute(TICKS).fetchall(), rows_hash(conn, legacy.TABLES)
        if finalized:
            with open_session(trading_db, print) as session:
                for table in ("market_data", "alert_logs"):
                    rebuild.finalize(session, table)
            conn.execute("INSERT INTO market_data (\"timestamp\", instrument_id, price) VALUES ('2026-06-02', 1, 9.75)")
            after, hashes = conn.execute(TICKS).fetchall(), rows_hash(conn, legacy.TABLES)
        rollback(trading_db, to="0010")
        assert conn.execute(TICKS).fetchall() == after
        assert rows_hash(conn, legacy.TABLES) == hashes
        assert value(conn, "SELECT relkind FROM pg_class WHERE oid = 'market_data'::regclass") == "r"
        assert value(conn, "SELECT count(*) FROM dear") > 0
        assert value(conn, "SELECT count(*) FROM market_data_active") == len(after) - 1
        assert not conn.execute("SELECT FROM dbperf.verify('market_data') WHERE severity = 'problem'").fetchall()
        assert value(conn, "SELECT nextval(pg_get_serial_sequence('market_data', 'id'))") > max(
            row[0] for row in after if row[0] < 10**6
        )
        rollback(trading_db, to="0000")
        assert (
            value(conn, "SELECT count(*) FROM market_data") == len(after) - 1
        )  # the deleted one is in market_data_deleted


def test_a_rollback_that_would_lose_digits_refuses(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        with open_session(upgraded_db, print) as session:
            rebuild.finalize(session, "market_data")
        conn.execute("INSERT INTO market_data (\"timestamp\", instrument_id, price) VALUES ('2026-06-02', 1, 9.123456)")
        assert "differs" in run_dbperf("rollback", "--to", "0010", dsn=upgraded_db, check=1).stderr
        assert value(conn, "SELECT price FROM market_data ORDER BY id DESC LIMIT 1") is not None
        conn.execute("UPDATE market_data SET price = 9.1235 WHERE price = 9.123456")
        run_dbperf("rollback", "--to", "0010", dsn=upgraded_db)
        assert value(conn, "SELECT count(*) FROM market_data WHERE price = 9.1235") == 1


def test_settled_money_and_columns_of_ones_own_stay(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute(
            "ALTER TABLE market_data ADD COLUMN venue text DEFAULT 'x' NOT NULL, ADD COLUMN mid numeric GENERATED ALWAYS AS ((bid + ask) / 2) STORED"
        )
        conn.execute("CREATE INDEX mine ON market_data (venue, instrument_id)")
        conn.execute("SELECT dbperf.settle_column('market_data', 'open_price')")
        mids = conn.execute("SELECT id, mid::numeric(12,4) FROM market_data ORDER BY id").fetchall()
        assert "column mid is computed otherwise" in run_dbperf("migrate", dsn=trading_db, check=1).stderr
        migrate(trading_db, accept=["generated"])
        assert conn.execute("SELECT id, mid::numeric(12,4) FROM market_data ORDER BY id").fetchall() == mids
        types = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'market_data'::regclass AND attname = %s"
        assert value(conn, types, "open_price") == "numeric(12,4)"
        assert value(conn, types, "venue") == "text"
        assert value(conn, "SELECT relkind FROM pg_class WHERE oid = 'mine'::regclass") == "I"


@pytest.mark.parametrize(
    ("ddl", "name"),
    [
        ("ADD COLUMN ext text UNIQUE", "market_data_ext_key"),
        ("ADD COLUMN cents numeric GENERATED ALWAYS AS (round(bid, 2)) STORED", "column cents"),
    ],
)
def test_what_cannot_be_carried_over_is_named(trading_db: str, ddl: str, name: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute(f"ALTER TABLE market_data {ddl}".encode())
        before = catalogue.dump(conn)
        refused = run_dbperf("migrate", dsn=trading_db, check=1).stderr
        assert name in refused
        assert "Nothing was changed" in refused
        columns = [row for row in catalogue.dump(conn)["columns"] if not row[0].startswith("dbperf.")]
        assert columns == [row for row in before["columns"] if not row[0].startswith("dbperf.")]


def test_unique_keys_without_the_time_become_indexes_where_that_is_accepted(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("ALTER TABLE market_data ADD COLUMN ext text UNIQUE, ADD CHECK (volume >= 0) NO INHERIT")
        conn.execute('CREATE UNIQUE INDEX mine ON market_data ("timestamp", id)')
        run_dbperf("migrate", "--accept", "unique", dsn=trading_db)
        query = "SELECT array_agg(indisunique ORDER BY 1) FROM pg_index WHERE indrelid = 'market_data'::regclass AND %s = ANY (indkey)"
        numbers = "SELECT attnum FROM pg_attribute WHERE attrelid = 'market_data'::regclass AND attname = %s"
        assert value(conn, query, value(conn, numbers, "ext")) == [False]
        assert value(conn, query, value(conn, numbers, "id")) == [True, True]
        rows = "INSERT INTO market_data (\"timestamp\", instrument_id, volume, ext) VALUES ('2026-06-02', 1, %s, 'a')"
        conn.execute(rows, [1])
        conn.execute(rows, [2])
        with pytest.raises(errors.CheckViolation):
            conn.execute(rows, [-1])
        run_dbperf("rollback", "--to", "0010", dsn=trading_db)
        assert value(conn, "SELECT count(*) FROM market_data WHERE ext = 'a'") == 1
        assert value(conn, "SELECT count(*) FROM market_data_set_aside") == 1
        with pytest.raises(errors.UniqueViolation):
            conn.execute(rows, [3])


@pytest.mark.superuser
def test_partitions_are_whose_the_table_is(trading_db: str, cluster: Cluster) -> None:
    """Superuser: somebody else than the owner migrates, under default privileges of its own."""
    name = psycopg.conninfo.conninfo_to_dict(trading_db)["dbname"]
    with cluster.admin(str(name)) as conn:
        conn.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
        migrate(psycopg.conninfo.make_conninfo(cluster.admin_dsn, dbname=name))
        query = """
            SELECT t.relation FROM unnest('{market_data,alert_logs}'::regclass[]) AS r CROSS JOIN LATERAL dbperf.table_tree(r) AS t (relation)
            JOIN pg_class AS c ON c.oid = t.relation
            WHERE pg_get_userbyid(c.relowner) <> %s OR EXISTS (SELECT FROM aclexplode(c.relacl) AS g WHERE g.grantee = 0)
        """
        assert conn.execute(query, [cluster.owner]).fetchall() == []
        conn.execute("CALL dbperf.maintain()")
        conn.execute("SELECT dbperf.ensure_partition('market_data', now() + interval '8 months')")
        assert conn.execute(query, [cluster.owner]).fetchall() == []


def test_constraints_that_rows_break_stop_it_before_it_begins(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("ALTER TABLE market_data ADD CONSTRAINT traded CHECK (volume > 1000000) NOT VALID")
        assert "never validated: traded" in run_dbperf("migrate", dsn=trading_db, check=1).stderr
        assert value(conn, "SELECT to_regclass('market_data_next')") is None


def test_the_applications_queries_answer_the_same(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True, prepare_threshold=None) as conn:
        answers = {name: _answer(conn, name) for name in workload.QUERIES}
        migrate(trading_db)
        for name, answer in answers.items():
            assert _answer(conn, name) == answer, name


def _answer(conn: psycopg.Connection, name: str) -> list[tuple[str, ...]]:
    """Rows as the application reads them: prices with four decimals, columns by name."""
    text = workload.application_text(name)
    cursor = conn.execute(text.encode(), workload.parameters(conn, name), prepare=False)
    names = [column.name for column in cursor.description or []]
    return [
        tuple(
            f"{n}={v:.4f}" if isinstance(v, float) or n in ("price", "avg") else f"{n}={v}"
            for n, v in sorted(zip(names, row, strict=True))
        )
        for row in _as_floats(cursor.fetchall())
    ]


def _as_floats(rows: list[tuple[object, ...]]) -> list[list[object]]:
    return [[float(v) if isinstance(v, Decimal) else v for v in row] for row in rows]


def test_an_instrument_is_deleted_with_its_ticks(upgraded_db: str) -> None:
    """The copy that is only kept in step does not count."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("SELECT dbperf.soft_delete('instruments', 'id = 3', 'delisted', \"cascade\" => true)")
        assert value(conn, "SELECT count(*) FROM market_data_active WHERE instrument_id = 3") == 0
        conn.execute("CALL dbperf.rebuild_run('market_data')")
        assert conn.execute("SELECT * FROM dbperf.rebuild_verify('market_data')").fetchall() == []
        conn.execute("SELECT dbperf.undelete((SELECT max(batch) FROM dbperf.deletion))")
        assert value(conn, "SELECT count(*) FROM market_data_active WHERE instrument_id = 3") > 0


def test_loading_history_makes_its_partitions(upgraded_db: str, tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    lines = [f"2022-{month:02}-10 10:00:00,{month}.5,1" for month in (1, 2, 7)]
    file.write_text("timestamp,close,volume\n" + "\n".join(lines) + "\n")
    words = ["load", str(file), "--table", "market_data", "--instrument", "NEW", "--create-instrument"]
    assert "3 of them were only read" in run_dbperf(*words, "--dry-run", dsn=upgraded_db).stdout
    run_dbperf(*words, dsn=upgraded_db)
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        query = "SELECT tableoid::regclass::text FROM market_data WHERE \"timestamp\" BETWEEN '2022-01-01' AND '2023-01-01' ORDER BY \"timestamp\""
        assert [row[0][-7:] for row in conn.execute(query.encode())] == ["2022_01", "2022_02", "2022_07"]
        with pytest.raises(errors.CheckViolation):
            conn.execute("INSERT INTO market_data (\"timestamp\", instrument_id) VALUES ('2022-03-01', 1)")
