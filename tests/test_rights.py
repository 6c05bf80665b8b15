"""Who may delete, mark, undelete and purge; what a table must be like; what replication sees."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from tests.shapes import SHAPES, Blocked, ids, make, value
from tests.support import Cluster

APP, CLERK = "dbperf_test_app", "dbperf_test_clerk"
ALL = set(range(1, 21))

pytestmark = pytest.mark.superuser  # makes the two roles, which a plain owner may not


@pytest.fixture(scope="module")
def roles(cluster: Cluster) -> Iterator[None]:
    with cluster.admin("postgres") as admin:
        for role in (APP, CLERK):
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        yield
        for role in (APP, CLERK):
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture(params=SHAPES)
def db(roles: None, migrated_db: str, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """The owner's connection; the application may write the tables and use schema dbperf."""
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        make(conn, request.param)
        conn.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON venue, tick, tick_active, venue_active TO {APP}".encode()
        )
        conn.execute(f"GRANT USAGE ON SCHEMA dbperf TO {APP}, {CLERK}".encode())
        yield conn


def _as(db: psycopg.Connection, role: str) -> psycopg.Connection:
    return psycopg.connect(make_conninfo(db.info.dsn, user=role), autocommit=True)


def test_delete_alone_is_enough_to_mark(db: psycopg.Connection) -> None:
    db.execute(f"REVOKE ALL ON tick, tick_active FROM {APP}".encode())
    db.execute(f"GRANT SELECT, DELETE ON tick, tick_active TO {APP}".encode())
    with _as(db, APP) as app:
        app.execute("DELETE FROM tick WHERE id = 1")
        assert app.execute("DELETE FROM tick_active WHERE id IN (1, 2)").rowcount == 1
        with pytest.raises(errors.InsufficientPrivilege):
            app.execute("SELECT dbperf.soft_delete('tick', 'id = 3')")
    assert ids(db) == ALL - {1, 2}
    assert value(db, "SELECT array_agg(DISTINCT deleted_by::text) FROM dbperf.deletion") == [APP]


def test_an_application_may_delete_softly_and_nothing_more(db: psycopg.Connection) -> None:
    with _as(db, APP) as app:
        app.execute("SELECT dbperf.soft_delete('tick', 'id <= 2')")
        batch = value(db, "SELECT max(batch) FROM dbperf.deletion")
        for statement in (
            "CALL dbperf.purge('tick', '0')",
            "CALL dbperf.purge('tick', '0', dry_run => true)",
            "SELECT dbperf.purge_batch('tick', now(), 10)",
            f"SELECT dbperf.undelete({batch})",
            "INSERT INTO dbperf.delete_ticket VALUES (pg_current_xact_id(), 'tick', 'remove', 'infinity')",
            "DELETE FROM dbperf.deletion",
            "UPDATE tick SET deleted_at = NULL, deleted_batch = NULL WHERE id = 1",
            "UPDATE tick SET deleted_at = '1970-01-01', deleted_batch = 1 WHERE id = 5",
            "UPDATE tick SET deleted_at = now(), deleted_batch = 1 WHERE id = 5",
            "UPDATE tick SET deleted_at = now() WHERE id = 5",
            "INSERT INTO tick VALUES (5, 1, '2026-01-20') ON CONFLICT (id, at) DO UPDATE SET deleted_at = '1970-01-01'",
            "ALTER TABLE tick DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "SELECT dbperf.note_deletion('tick', false)",
            "SELECT dbperf.disable_soft_delete('tick')",
            "SELECT dbperf.clear_marks('tick', 'true')",
            "DROP VIEW tick_active",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                app.execute(statement.encode())
    assert ids(db, "tick") == ALL
    assert ids(db) == ALL - {1, 2}


def test_partitions_are_not_for_applications(db: psycopg.Connection) -> None:
    if value(db, "SELECT to_regclass('tick_1') IS NULL"):
        return
    with _as(db, APP) as app, pytest.raises(errors.InsufficientPrivilege):
        app.execute("DELETE FROM tick_1")
    db.execute(f"GRANT DELETE ON tick_1 TO {APP}".encode())
    notes = db.execute(
        "SELECT message FROM dbperf.verify('tick') WHERE check_name = 'rights on a partition'"
    ).fetchall()
    assert notes == [(f"{APP} may write public.tick_1 directly",)]


def test_purge_is_for_whom_it_was_granted_to(db: psycopg.Connection) -> None:
    db.execute(f"GRANT EXECUTE ON FUNCTION dbperf.purge_batch TO {CLERK}".encode())
    db.execute("DELETE FROM tick WHERE id <= 7")
    with _as(db, CLERK) as clerk:
        for wrong in (
            "CALL dbperf.purge('tick', '-1 day')",
            "CALL dbperf.purge('tick', '0', 0)",
            "CALL dbperf.purge(NULL, '0')",
        ):
            with pytest.raises(errors.InvalidParameterValue):
                clerk.execute(wrong.encode())
        assert clerk.execute("CALL dbperf.purge('tick', '1 hour')").fetchone() == (0,)
        assert clerk.execute("CALL dbperf.purge('tick', '0', 2)").fetchone() == (7,)
    assert ids(db, "tick") == ids(db) == ALL - set(range(1, 8))
    assert value(db, "SELECT array_agg(rows ORDER BY id) FROM dbperf.purge_log") == [2, 2, 2, 1]
    assert value(db, "SELECT min(purged_by::text) FROM dbperf.purge_log") == CLERK
    assert value(db, "SELECT count(*) FROM dbperf.delete_ticket") == 0


def test_purge_runs_nobody_elses_triggers(db: psycopg.Connection) -> None:
    db.execute(
        f"GRANT EXECUTE ON FUNCTION dbperf.purge_batch TO {CLERK}; CREATE SCHEMA own AUTHORIZATION CURRENT_USER".encode()
    )
    db.execute(f"GRANT CREATE, USAGE ON SCHEMA own TO {CLERK}".encode())
    with _as(db, CLERK) as clerk:
        clerk.execute("CREATE TABLE own.mine (deleted_at timestamptz, deleted_batch bigint)")
        clerk.execute(
            "CREATE FUNCTION own.evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE division_by_zero; END'"
        )
        clerk.execute("CREATE TRIGGER dbperf_mark_deleted AFTER DELETE ON own.mine EXECUTE FUNCTION own.evil()")
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="has no soft delete"):
            clerk.execute("SELECT dbperf.purge_batch('own.mine', now(), 10)")
        clerk.execute("DROP TABLE own.mine; DROP FUNCTION own.evil()")


def test_the_ticket_ends_with_the_batch(db: psycopg.Connection) -> None:
    db.execute("DELETE FROM tick WHERE id <= 3")
    with db.transaction():
        assert value(db, "SELECT dbperf.purge_batch('tick', now(), 2)") == 2
        db.execute("DELETE FROM tick")
    assert len(ids(db, "tick")) == 18
    with pytest.raises(errors.InvalidParameterValue):
        db.execute("SELECT dbperf.purge_batch('tick', 'infinity', 10)")
    with pytest.raises(errors.InvalidTransactionTermination), db.transaction():
        db.execute("CALL dbperf.purge('tick', '0')")
    assert len(ids(db, "tick")) == 18


def test_a_transaction_that_began_long_ago_does_not_age_what_it_deletes(db: psycopg.Connection) -> None:
    with psycopg.connect(db.info.dsn) as old:
        began = value(old, "SELECT now()")
        cutoff = value(db, "SELECT clock_timestamp()")
        old.execute("DELETE FROM tick WHERE id = 1")
    assert began < cutoff
    assert value(db, "SELECT dbperf.purge_batch('tick', %s, 10)", cutoff) == 0
    assert value(db, "SELECT dbperf.purgeable_rows('tick', %s)", cutoff) == 0
    assert value(db, "SELECT dbperf.purgeable_rows('tick', clock_timestamp())") == 1


def test_a_purge_that_is_killed_goes_on_where_it_was(db: psycopg.Connection) -> None:
    db.execute("DELETE FROM tick WHERE id <= 7")
    with psycopg.connect(db.info.dsn, autocommit=True) as purger, psycopg.connect(db.info.dsn) as holder:
        holder.execute("LOCK TABLE dbperf.purge_log IN EXCLUSIVE MODE")  # the batch is erased, its record waits
        blocked = Blocked(db, purger, lambda: purger.execute("CALL dbperf.purge('tick', '0', 3)"))
        db.execute("SELECT pg_terminate_backend(%s)", [purger.info.backend_pid])
        blocked.finish()
        assert isinstance(blocked.error, errors.AdminShutdown)
    assert ids(db, "tick") == ALL
    assert value(db, "SELECT count(*) FROM dbperf.delete_ticket") == 0
    assert db.execute("CALL dbperf.purge('tick', '0', 3)").fetchone() == (7,)
    assert ids(db, "tick") == ALL - set(range(1, 8))


def test_purge_keeps_what_is_referenced(db: psycopg.Connection) -> None:
    db.execute("SELECT dbperf.soft_delete('venue', 'id = 1', \"cascade\" => true)")
    assert db.execute("CALL dbperf.purge('venue', '0', dry_run => true)").fetchone() == (0,)
    assert db.execute("CALL dbperf.purge('venue', '0')").fetchone() == (0,)
    count = value(db, "SELECT count(*) FROM tick WHERE deleted_at IS NOT NULL")
    assert db.execute("CALL dbperf.purge('tick', '0', dry_run => true)").fetchone() == (count,)
    assert db.execute("CALL dbperf.purge('tick', '0')").fetchone() == (count,)
    assert db.execute("CALL dbperf.purge('venue', '0')").fetchone() == (1,)
    db.execute("CREATE TABLE fee (venue_id integer REFERENCES venue ON DELETE CASCADE)")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="would change rows there"):
        db.execute("CALL dbperf.purge('venue', '0')")


def _rows(conn: psycopg.Connection) -> Counter[int]:
    """How often each id is there: the key has two columns."""
    return Counter(row[0] for row in conn.execute("SELECT id FROM tick"))


def test_random_sql_of_an_application_loses_nothing(db: psycopg.Connection, rng: random.Random) -> None:
    """Every id that was ever committed is there for ever, once, whatever the application tries."""
    pieces = [
        "DELETE FROM {t} WHERE {c}", "DELETE FROM {t}_active WHERE {c}", "DELETE FROM {t} USING venue AS v, generate_series(1, 2) WHERE {c}",
        "TRUNCATE {t}", "TRUNCATE venue CASCADE", "UPDATE {t} SET size = size + 1 WHERE {c}", "UPDATE {t} SET at = at + {n} WHERE {c}",
        "UPDATE {t} SET deleted_at = {m} WHERE {c}", "UPDATE {t} SET deleted_batch = {n}, deleted_at = {m} WHERE {c}",
        "SELECT dbperf.soft_delete('{t}', '{c}')", "SELECT dbperf.soft_delete('venue', 'id = {n} % 3', NULL, true)", "SELECT dbperf.undelete({n})",
        "CALL dbperf.purge('{t}', '0')", "SELECT dbperf.purge_batch('{t}', now(), 100)", "INSERT INTO {t} SELECT 1000 + {n}, {n} % 3 + 1, '2026-03-01', 1",
        "INSERT INTO {t} SELECT {n}, 1, at FROM tick WHERE {c} ON CONFLICT DO NOTHING",
        "INSERT INTO {t} (id, venue_id, at) VALUES ({n}, 1, '2026-01-08') ON CONFLICT (id, at) DO UPDATE SET size = 7, deleted_at = {m}",
        "WITH d AS (DELETE FROM {t} WHERE {c} RETURNING *) INSERT INTO {t} SELECT * FROM d",
        "WITH d AS (DELETE FROM {t} WHERE {c}) UPDATE {t} SET size = 0 WHERE {c}",
        "MERGE INTO {t} AS x USING generate_series(1, {n}) AS s ON x.id = s WHEN MATCHED THEN DELETE", "DELETE FROM venue", "DELETE FROM venue_active WHERE id = {n} % 3",
        "SET CONSTRAINTS ALL DEFERRED", "SET session_replication_role = replica", "SET dbperf.deleted_rows = 'x'", "SET dbperf.reason = 'x'",
        "ALTER TABLE {t} DISABLE TRIGGER USER", "DROP TABLE {t}", "DROP TRIGGER dbperf_queue_deletion ON {t}", "SET ROLE {owner}", "LOCK TABLE {t} IN EXCLUSIVE MODE",
        "SET search_path = pg_temp, public", "CREATE TEMP TABLE delete_ticket (xid xid8)",
        "CREATE DOMAIN pg_temp.regclass AS pg_catalog.regclass CHECK (pg_temp.act())", "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.act())",
        "CREATE FUNCTION pg_temp.act() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN IF current_user <> session_user THEN TRUNCATE dbperf.soft_delete_guard; END IF; RETURN true; END'", "SAVEPOINT s", "ROLLBACK TO s", "BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE", "COMMIT", "ROLLBACK",
    ]  # fmt: skip
    conditions = ["id = {n}", "id < {n}", "true", "size % 3 = 1", "at > '2026-02-01'"]
    owner = value(db, "SELECT current_user::text")
    known = _rows(db)
    with _as(db, APP) as app:
        for _ in range(400):
            number = rng.randrange(30)
            condition = rng.choice(conditions).format(n=number)
            mark = rng.choice(["NULL", "now()", "'1970-01-01'", "'infinity'"])
            statement = rng.choice(pieces).format(t="tick", c=condition, n=number, m=mark, owner=owner)
            try:
                app.execute(statement.encode())
            except psycopg.Error:
                if app.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                    app.execute("ROLLBACK")
            found = _rows(db)
            assert found >= known, statement
            known = found
        app.execute("ROLLBACK")
    assert value(db, "SELECT count(*) FROM venue") == 3
    assert value(db, "SELECT count(*) FROM dbperf.orphans('tick') WHERE reason = 'missing'") == 0
    assert (
        value(
            db,
            "SELECT count(*) FROM dbperf.verify('tick') WHERE severity = 'problem' AND check_name <> 'child of a deleted row'",
        )
        == 0
    )


def test_types_of_the_sessions_own_never_run_as_the_owner(db: psycopg.Connection) -> None:
    """An empty search_path still looks for types among the session's temporary ones first."""
    with _as(db, APP) as app:
        app.execute(
            "CREATE FUNCTION pg_temp.act() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN IF current_user <> session_user"
            f" THEN EXECUTE 'GRANT ALL ON dbperf.delete_ticket TO {APP}'; END IF; RETURN true; END $$".encode()
        )
        for name in (
            "regclass",
            "text",
            "bigint",
            "timestamptz",
            "xid8",
            "tid",
            "record",
            "int8",
            "bool",
            "name",
            "oid",
        ):
            with contextlib.suppress(psycopg.Error):
                app.execute(f"CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.act())".encode())
        for statement in (
            "DELETE FROM public.tick WHERE id = 1", "DELETE FROM public.tick_active WHERE id = 2",
            "SELECT dbperf.soft_delete('public.tick', 'id = 3')", "SELECT dbperf.soft_delete('public.venue', 'id = 1', NULL, true)",
            "INSERT INTO public.venue VALUES (9, 'nine') ON CONFLICT (id) DO UPDATE SET name = 'nine'", "TRUNCATE public.tick",
            "UPDATE public.venue SET deleted_at = NULL", "UPDATE public.venue SET id = id + 100",
        ):  # fmt: skip
            with contextlib.suppress(psycopg.Error):
                app.execute(statement.encode())
    assert not value(db, f"SELECT has_table_privilege('{APP}', 'dbperf.delete_ticket', 'SELECT')")


def test_a_policy_that_keeps_a_row_is_no_conflict(db: psycopg.Connection) -> None:
    db.execute("ALTER TABLE tick ENABLE ROW LEVEL SECURITY")
    db.execute(f"CREATE POLICY sees ON tick TO {APP} USING (true)".encode())
    db.execute(f"CREATE POLICY deletes ON tick AS RESTRICTIVE FOR DELETE TO {APP} USING (id = 1)".encode())
    with _as(db, APP) as app:
        assert app.execute("DELETE FROM tick_active WHERE id < 4").rowcount == 1
    assert ids(db) == ALL - {1}


def test_policies(db: psycopg.Connection) -> None:
    db.execute("ALTER TABLE tick ENABLE ROW LEVEL SECURITY")
    db.execute(f"CREATE POLICY own ON tick TO {APP} USING (size <= 10)".encode())
    with _as(db, APP) as app:
        app.execute("DELETE FROM tick")
        assert value(app, "SELECT count(*) FROM tick_active") == 0
    assert ids(db) == set(range(11, 21))
    assert ids(db, "tick") == ALL
    db.execute("ALTER TABLE tick FORCE ROW LEVEL SECURITY")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        db.execute("SELECT dbperf.enable_soft_delete('tick')")
    found = db.execute("SELECT check_name FROM dbperf.verify('tick') WHERE severity = 'problem'").fetchall()
    assert ("not readable",) in found
    assert ("soft delete unsafe",) in found


def test_replica_mode_is_for_superusers_and_erases(db: psycopg.Connection, cluster: Cluster) -> None:
    """Triggers of this kind must not fire when a subscription applies changes; so they do not in this mode either."""
    with cluster.admin(db.info.dbname) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute("DELETE FROM tick WHERE id = 1")
    assert ids(db, "tick") == ALL - {1}


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("CREATE VIEW x AS SELECT 1 AS id", "is not a table"),
        ("CREATE TEMP TABLE x (id integer)", "is a temporary table"),
        ("CREATE TABLE y (id integer) PARTITION BY LIST (id); CREATE TABLE x PARTITION OF y DEFAULT", "is a partition: enable it on public.y"),
        ("CREATE TABLE y (id integer); CREATE TABLE x () INHERITS (y)", "table inheritance"),
        ("CREATE TABLE x (id integer, deleted_at timestamp)", "has a column deleted_at that is not"),
        ("CREATE TABLE x (id integer, deleted_batch bigint NOT NULL)", "has a column deleted_batch that is not"),
        ("CREATE TABLE x (id integer, deleted_at timestamptz)", "public.x has a column deleted_at of its own"),
        ("CREATE TABLE x (id integer); CREATE TABLE x_active (id integer)", "public.x_active is there"),
        ("CREATE TABLE x (id integer REFERENCES venue ON DELETE CASCADE)", "foreign key x_id_fkey of public.x is ON DELETE CASCADE"),
        ("CREATE TABLE x (id integer PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE y (x integer REFERENCES x)", "y_x_fkey of public.y references a partitioned table"),
        ("CREATE TABLE x (id integer); CREATE RULE r AS ON DELETE TO x DO INSTEAD NOTHING", "rule r of public.x rewrites INSERT or DELETE"),
        ("CREATE TABLE x (id integer) PARTITION BY LIST (id); CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", "trigger t of public.x fires on INSERT"),
    ],
)  # fmt: skip
def test_tables_on_which_it_would_not_be_safe(migrated_db: str, definition: str, reason: str) -> None:
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE venue (id integer PRIMARY KEY)")
        conn.execute(definition.encode())
        before = conn.execute("SELECT count(*) FROM pg_attribute").fetchone()
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="would not be safe") as caught:
            conn.execute("SELECT dbperf.enable_soft_delete('x')")
        assert reason in (caught.value.diag.message_detail or "")
        assert conn.execute("SELECT count(*) FROM pg_attribute").fetchone() == before
