"""``dbperf verify``: every way to break a database behind dbperf's back is found; rollback keeps deleted rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from dbperf import legacy
from dbperf.migrations import migrate, rollback
from tests import catalogue
from tests.conftest import BEFORE_REBUILDS
from tests.shapes import make, value
from tests.support import Cluster
from tests.support import dbperf as run_dbperf


@pytest.fixture
def trading(trading_db: str) -> Iterator[psycopg.Connection]:
    """The migrated legacy database with a partitioned table beside it."""
    with psycopg.connect(trading_db, autocommit=True) as conn:
        make(conn, "partitioned")
        conn.execute("DELETE FROM tick WHERE id = 1; DELETE FROM market_data WHERE id < 10")
        yield conn


def _verify(conn: psycopg.Connection, *arguments: str, code: int | None = None) -> dict[str, Any]:
    done = run_dbperf("--json", "verify", *arguments, dsn=conn.info.dsn, check=code)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["sound"] else 1)
    return found


def _problems(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(f["check"], f["subject"]) for f in found["findings"] if f["severity"] == "problem"}


def test_a_sound_database(trading: psycopg.Connection) -> None:
    found = _verify(trading, code=0)
    assert _problems(found) == set()
    assert {f["check"] for f in found["findings"]} == {"owner"}
    assert found["tables"]["public.market_data"]["rows"] == 3000
    assert set(found["tables"]) == {f"public.{name}" for name in (*legacy.TABLES, "tick", "venue")}
    assert _verify(trading, "tick", "--no-hash")["tables"] == {"public.tick": {"rows": None, "hash": None}}
    assert "market_data" in run_dbperf("verify", dsn=trading.info.dsn).stdout


def test_every_guard_that_is_dropped_disabled_or_changed_is_found(trading: psycopg.Connection) -> None:
    """All guards of both forms, one by one; enabling again mends each."""
    guards = trading.execute(
        "SELECT g.tgrelid::regclass::text, g.tgname::text, g.tgparentid <> 0, g.tgconstraint <> 0 FROM pg_trigger AS g"
        " WHERE NOT g.tgisinternal AND g.tgname LIKE 'dbperf\\_%' AND g.tgname <> 'dbperf_delete_active'"
        " AND g.tgrelid::regclass::text ~ '^(tick|alert_rules)'"
    ).fetchall()
    assert len(guards) > 25
    for table, name, inherited, is_constraint in guards:
        root = "alert_rules" if table == "alert_rules" else "tick"
        query = f"SELECT check_name FROM dbperf.verify_guards('{root}') WHERE severity = 'problem' AND subject = %s"
        assert value(trading, query, name) is None
        trading.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}".encode())
        assert value(trading, query, name) == "guard disabled", (table, name)
        trading.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}".encode())
        if inherited:
            continue
        if not is_constraint:
            definition = value(
                trading,
                f"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND tgname = %s",
                name,
            )
            head, _, tail = definition.partition(" EXECUTE FUNCTION ")
            head = head.partition(" WHEN (")[0].replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER")
            trading.execute(f"{head} WHEN (false) EXECUTE FUNCTION {tail}".encode())
            assert value(trading, query, name) == "guard changed", (table, name)
        trading.execute(f"DROP TRIGGER {name} ON {table}".encode())
        assert value(trading, query, name) == "guard missing", (table, name)
        trading.execute(f"SELECT dbperf.enable_soft_delete('{root}', hot => {root == 'tick'})".encode())
    assert _problems(_verify(trading)) == set()


@pytest.mark.parametrize(
    ("mutation", "problem"),
    [
        ("DROP VIEW tick_active", ("view missing", "public.tick_active")),
        ("DROP TRIGGER dbperf_delete_active ON alert_rules_active", ("view changed", "public.alert_rules_active")),
        ("CREATE OR REPLACE VIEW tick_active WITH (security_invoker = true) AS SELECT id, venue_id, at, size, note FROM tick", ("view changed", "public.tick_active")),
        ("CREATE TABLE tick_3 PARTITION OF tick FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')", ("guard missing", "dbperf_keep_deleted")),
        ("CREATE TABLE fee (id integer REFERENCES alert_logs)", ("guard missing", "dbperf_restrict_deletion")),
        ("CREATE TABLE fee (venue_id integer REFERENCES venue); SELECT dbperf.enable_soft_delete('venue'); SELECT dbperf.soft_delete('venue', 'id = 1', \"cascade\" => true); INSERT INTO fee VALUES (1)", ("child of a deleted row", "fee_venue_id_fkey")),
        ("DROP TRIGGER deletion_check_cascade ON dbperf.deletion", ("guard missing", "deletion_check_cascade")),
        ("ALTER TABLE alert_rules ADD COLUMN colour text", ("view changed", "public.alert_rules_active")),
        ("SELECT dbperf.settle_column('market_data', 'price'); DROP VIEW market_data_active; ALTER TABLE market_data RENAME price TO paid", ("settled column missing", "price")),
        ("ALTER TABLE alert_rules ADD CHECK (id > 0) NOT VALID", ("constraint not valid", "alert_rules_id_check")),
        ("ALTER TABLE market_data ADD FOREIGN KEY (volume) REFERENCES alert_rules ON DELETE CASCADE NOT VALID", ("soft delete unsafe", "public.market_data")),
        ("ALTER TABLE tick FORCE ROW LEVEL SECURITY", ("soft delete unsafe", "public.tick")),
        ("DROP TABLE alert_logs CASCADE", ("table missing", "alert_logs")),
        ("CREATE OR REPLACE FUNCTION dbperf.queue_deletion() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'", ("library changed", "queue_deletion")),
        ("INSERT INTO market_data (\"timestamp\", instrument_id, deleted_at) SELECT now(), 1, now()", ("unknown mark", "deleted_batch")),
        ("INSERT INTO market_data (\"timestamp\", instrument_id, deleted_at, deleted_batch) SELECT now(), 1, now(), 5", ("unknown mark", "deleted_batch")),
        ("DELETE FROM tick WHERE venue_id = 1; DELETE FROM venue WHERE id = 1; INSERT INTO tick VALUES (99, 1, '2026-01-08')", ("child of a deleted row", "tick_venue_id_fkey")),
    ],
)  # fmt: skip
def test_mutations_by_the_owner(trading: psycopg.Connection, mutation: str, problem: tuple[str, str]) -> None:
    trading.execute(mutation.encode())
    assert problem in _problems(_verify(trading, code=1))


@pytest.mark.superuser
@pytest.mark.parametrize(
    ("mutation", "problem", "difference"),
    [
        ("DELETE FROM instruments WHERE id = 2", ("orphan", "market_data_instrument_id_fkey"), "public.instruments has 7 rows, it had 8"),
        ("DELETE FROM market_data WHERE id = 77", None, "public.market_data has 2999 rows, it had 3000"),
        ("UPDATE market_data SET price = price + 0.0001 WHERE id = 77", None, "public.market_data has other content"),
        ("UPDATE tick SET note = NULL WHERE id = 7", None, "public.tick has other content"),
        ("UPDATE market_data SET deleted_at = NULL, deleted_batch = NULL WHERE id = 3", None, "public.market_data has other content"),
        ("UPDATE market_data SET deleted_at = '1970-01-01' WHERE id = 3", ("unknown mark", "deleted_batch"), "public.market_data has other content"),
        ("UPDATE alert_rules SET deleted_at = now(), deleted_batch = 1 WHERE id = 3", ("child of a deleted row", "alert_logs_rule_id_fkey"), "public.alert_rules has other content"),
        ("UPDATE alert_logs SET rule_id = CASE id WHEN 5 THEN b.rule_id ELSE a.rule_id END FROM (SELECT rule_id FROM alert_logs WHERE id = 5) AS a, (SELECT rule_id FROM alert_logs WHERE id = 6) AS b WHERE id IN (5, 6)", None, "public.alert_logs has other content"),
    ],
)  # fmt: skip
def test_mutations_behind_the_back(
    trading: psycopg.Connection,
    cluster: Cluster,
    tmp_path: Path,
    mutation: str,
    problem: tuple[str, str] | None,
    difference: str,
) -> None:
    """Superuser: in replica mode no trigger fires, as with a damaged disk or a careless restore."""
    report = tmp_path / "before.json"
    report.write_text(run_dbperf("--json", "verify", dsn=trading.info.dsn).stdout)
    assert _verify(trading, "--against", str(report), code=0)["differences"] == []
    with cluster.admin(trading.info.dbname) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute(mutation.encode())
    found = _verify(trading, "--against", str(report), code=1)
    assert any(difference in sentence for sentence in found["differences"])
    assert problem is None or problem in _problems(found)


def test_what_is_no_report_is_a_usage_error(trading: psycopg.Connection, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    for text in ("", "{}", "[]", '{"tables": {"a": 1}}'):
        wrong.write_text(text)
        assert "is no report" in run_dbperf("verify", "--against", str(wrong), dsn=trading.info.dsn, check=64).stderr
    run_dbperf("verify", "--no-hash", "--against", str(wrong), dsn=trading.info.dsn, check=64)
    run_dbperf("verify", "nonsense", dsn=trading.info.dsn, check=64)
    run_dbperf("verify", "a.b.c.d", dsn=trading.info.dsn, check=64)


def test_a_database_without_dbperf(empty_db: str) -> None:
    for command in (["verify"], ["soft-delete", "list"], ["integrity", "hash"]):
        assert "run dbperf migrate" in run_dbperf(*command, dsn=empty_db, check=1).stderr


# -- the commands ----------------------------------------------------------------------------


def test_soft_delete_from_the_command_line(trading: psycopg.Connection) -> None:
    dsn = trading.info.dsn
    trading.execute('CREATE TABLE "my order" (id integer PRIMARY KEY)')
    trading.execute('INSERT INTO "my order" SELECT generate_series(1, 5)')
    run_dbperf("soft-delete", "enable", '"my order"', "--on-deleted-key", "revive", dsn=dsn)
    assert value(trading, "SELECT dbperf.deleted_index('\"my order\"') IS NOT NULL")
    trading.execute("SELECT set_config('dbperf.reason', 'mistake', false)")
    trading.execute('DELETE FROM "my order" WHERE id < 4')
    listed = json.loads(run_dbperf("--json", "soft-delete", "list", dsn=dsn).stdout)
    assert [t["deleted_rows"] for t in listed["tables"] if t["table"] == 'public."my order"'] == [3]
    newest = listed["deletions"][0]
    assert (newest["table"], newest["reason"], newest["ordinal"]) == ('public."my order"', "mistake", 1)
    assert "(mistake)" in run_dbperf("soft-delete", "list", "--limit", "1", dsn=dsn).stdout
    purge = ["soft-delete", "purge", '"my order"', "--older-than", "0s"]
    assert json.loads(run_dbperf("--json", *purge, "--dry-run", dsn=dsn).stdout) == {"purged": 3, "dry_run": True}
    assert json.loads(run_dbperf("--json", "soft-delete", "undelete", str(newest["batch"]), dsn=dsn).stdout) == {
        'public."my order"': 3
    }
    trading.execute('DELETE FROM "my order" WHERE id < 4')
    assert "3 rows erased" in run_dbperf(*purge, dsn=dsn).stdout
    trading.execute('DELETE FROM "my order" WHERE id = 4')
    done = json.loads(run_dbperf("--json", "soft-delete", "disable", '"my order"', dsn=dsn).stdout)
    assert value(trading, f"SELECT id FROM {done['deleted_rows_in']}") == 4
    assert trading.execute('DELETE FROM "my order"').rowcount == 1


def test_integrity_from_the_command_line(trading: psycopg.Connection) -> None:
    dsn = trading.info.dsn
    trading.execute("CREATE TABLE coin (id integer PRIMARY KEY, price numeric(38, 18), fee numeric)")
    trading.execute("INSERT INTO coin VALUES (1, 0.5, 1), (2, 61234.123456789012345678, 'NaN')")
    trading.execute("CREATE TABLE lot (id integer PRIMARY KEY, coin_id integer REFERENCES coin ON DELETE CASCADE)")
    found = json.loads(run_dbperf("--json", "integrity", "exact", "coin", dsn=dsn, check=1).stdout)
    assert found["count"] == 2
    assert {v["reason"] for v in found["values"]} == {"more than 15 digits", "NaN"}
    run_dbperf("integrity", "settle", "coin", "fee", dsn=dsn)
    assert json.loads(run_dbperf("--json", "integrity", "exact", "coin", dsn=dsn, check=1).stdout)["count"] == 1
    assert "settled money" in run_dbperf("integrity", "exact", "coin", "--column", "fee", dsn=dsn, check=1).stderr
    hashes = run_dbperf("integrity", "hash", "coin", "market_data", dsn=dsn).stdout
    assert hashes.count("\n") == 2
    planned = run_dbperf("integrity", "cascades", "--dry-run", dsn=dsn).stdout
    assert "ALTER TABLE public.lot DROP CONSTRAINT lot_coin_id_fkey;" in planned
    assert run_dbperf("integrity", "cascades", dsn=dsn).stdout == planned
    definition = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'lot_coin_id_fkey'"
    assert value(trading, definition).endswith("ON DELETE RESTRICT")
    done = run_dbperf("integrity", "cascades", "--restore", dsn=dsn, check=1)
    assert "while the table has soft delete" in done.stderr
    assert value(trading, definition).endswith("ON DELETE RESTRICT")


# -- the way back ----------------------------------------------------------------------------


def test_rollback_keeps_deleted_rows_beside_the_tables(legacy_db: str) -> None:
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        before = catalogue.dump(conn)
        migrate(legacy_db, to=BEFORE_REBUILDS)
        conn.execute("SELECT dbperf.soft_delete('instruments', 'id = 3', 'delisted', \"cascade\" => true)")
        kept = {
            t: conn.execute(f"SELECT * FROM {t} WHERE deleted_at IS NOT NULL ORDER BY id".encode()).fetchall()
            for t in legacy.TABLES
        }
        alive = {t: value(conn, f"SELECT count(*) FROM {t}_active") for t in legacy.TABLES}
        assert all(kept.values())
        notices: list[str] = []
        rollback(legacy_db, to="0000", notify=notices.append)
        for table, rows in kept.items():
            assert conn.execute(f"SELECT * FROM {table}_deleted ORDER BY id".encode()).fetchall() == rows
            assert value(conn, f"SELECT count(*) FROM {table}") == alive[table]
            assert f"kept: the deleted rows of public.{table} are in table public.{table}_deleted" in notices
        assert value(conn, "SELECT min(reason) FROM dbperf_deletion") == "delisted"
        assert any("dbperf_deletion" in notice for notice in notices)
        migrate(legacy_db, to=BEFORE_REBUILDS)
        conn.execute("DELETE FROM market_data WHERE id = (SELECT max(id) FROM market_data)")
        rollback(legacy_db, to="0000")
        assert value(conn, "SELECT count(*) FROM market_data_deleted_2") == 1
        for table in (
            *(f"{t}_deleted" for t in legacy.TABLES),
            "dbperf_deletion",
            "market_data_deleted_2",
            "dbperf_deletion_2",
        ):
            conn.execute(f"DROP TABLE {table}".encode())
        assert catalogue.dump(conn) == before


def test_rollback_refuses_while_other_tables_depend_on_it(trading: psycopg.Connection) -> None:
    before = catalogue.dump(trading)
    done = run_dbperf("rollback", "--to", "0000", dsn=trading.info.dsn, check=1)
    assert "tables still have soft delete: public.venue, public.tick" in done.stderr
    assert catalogue.dump(trading) == before
    run_dbperf("rollback", "--to", "0006", dsn=trading.info.dsn)
    assert value(trading, "SELECT dbperf.has_soft_delete('tick')")


def test_deleted_rows_below_live_orphans_stop_a_rollback(legacy_db: str) -> None:
    """A tick that arrived after its instrument was deleted still needs the instrument's row."""
    migrate(legacy_db, to=BEFORE_REBUILDS)
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        conn.execute("SELECT dbperf.soft_delete('instruments', 'id = 3', NULL, true)")
        conn.execute('INSERT INTO market_data ("timestamp", instrument_id, price) VALUES (now(), 3, 1)')
        before = catalogue.dump(conn)
        done = run_dbperf("rollback", "--to", "0006", dsn=legacy_db, check=1)
        assert "rows of public.market_data reference them" in done.stderr
        assert catalogue.dump(conn) == before, "something was rolled back before it was refused"
        with pytest.raises(errors.ForeignKeyViolation, match="reference them"):
            conn.execute("SELECT dbperf.disable_soft_delete('alert_rules')")
        conn.execute("SELECT dbperf.undelete((SELECT max(batch) FROM dbperf.deletion))")
        run_dbperf("rollback", "--to", "0006", dsn=legacy_db)
        assert value(conn, "SELECT count(*) FROM market_data WHERE instrument_id = 3 AND price = 1") == 1
