"""Rebuild a table as another one: what is carried over, what is refused, both ways, from SQL and the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg import errors

from dbperf import rebuild
from dbperf.errors import LockedError, RebuildError
from dbperf.migrations.session import open_session
from tests.shapes import Blocked, value
from tests.support import dbperf as run_dbperf
from tests.test_pooler import Pooler, pooler

__all__ = ["pooler"]  # a fixture


@pytest.fixture
def conn(migrated_db: str) -> Iterator[psycopg.Connection]:
    """A table ``tick`` of 300 rows and an empty ``tick_next`` with other names, types and partitions."""
    with psycopg.connect(migrated_db, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE venue (id integer PRIMARY KEY, name text);
            INSERT INTO venue SELECT g, 'venue ' || g FROM generate_series(1, 5) AS g;
            CREATE TABLE tick (id serial PRIMARY KEY, at timestamp NOT NULL, price numeric(12,4), venue_id integer NOT NULL REFERENCES venue, note varchar(10));
            CREATE INDEX ix_tick_venue ON tick (venue_id, at);
            COMMENT ON TABLE tick IS 'Ticks.';
            INSERT INTO tick (at, price, venue_id, note)
            SELECT timestamp '2026-01-15' + g * interval '7 hours', CASE WHEN g % 7 > 0 THEN g / 8.0 END, g % 5 + 1, 'n' || g FROM generate_series(1, 300) AS g;
            CREATE TABLE tick_next (
                id bigint NOT NULL, at timestamp NOT NULL, paid double precision, venue_id integer NOT NULL REFERENCES venue, note text, extra integer DEFAULT 7,
                PRIMARY KEY (id, at)
            ) PARTITION BY RANGE (at);
            CREATE INDEX ON tick_next (venue_id, at);
            INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind) VALUES ('tick_next', '1 month', '1 month', '1 year', '1 year');
            """
        )
        yield connection


MAPPING = {"paid": "price"}


def start(conn: psycopg.Connection, target: str = "tick_next", **mapping: str | None) -> None:
    conn.execute("SELECT dbperf.rebuild_start('tick', %s, %s)", [target, json.dumps(mapping or MAPPING)])


def ready(conn: psycopg.Connection) -> None:
    conn.execute("CALL dbperf.rebuild_run('tick')")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('tick')").fetchall() == []


def rows(conn: psycopg.Connection, price: str) -> list[tuple[object, ...]]:
    return conn.execute(
        f"SELECT id, at, {price}::numeric(12,4), venue_id, note FROM tick ORDER BY id, at".encode()
    ).fetchall()


def obstacles(conn: psycopg.Connection, target: str = "tick_next") -> list[tuple[str, str]]:
    query = "SELECT kind, reason FROM dbperf.rebuild_obstacles('tick', %s, %s)"
    return conn.execute(query, [target, json.dumps(MAPPING if target == "tick_next" else {})]).fetchall()


# -- there and back --------------------------------------------------------------------------


def test_there_and_back_with_every_write(conn: psycopg.Connection) -> None:
    conn.execute("GRANT SELECT ON tick TO PUBLIC")
    conn.execute("CREATE VIEW cheap WITH (security_barrier = true) AS SELECT id, venue_id FROM tick WHERE price < 5")
    conn.execute("CREATE VIEW cheapest AS SELECT count(*) AS rows FROM cheap")
    conn.execute("COMMENT ON VIEW cheap IS 'Cheap ones.'; GRANT SELECT ON cheap TO PUBLIC")
    oid = value(conn, "SELECT 'tick'::regclass::oid")
    conn.execute("ALTER TABLE tick_next RENAME paid TO price")
    start(conn, price="price")
    ready(conn)
    before = rows(conn, "price")
    conn.execute("SELECT dbperf.rebuild_cutover('tick')")
    assert rows(conn, "price") == before
    assert value(conn, "SELECT relkind FROM pg_class WHERE oid = 'tick'::regclass") == "p"
    assert value(conn, "SELECT obj_description('tick'::regclass)") == "Ticks."
    assert value(conn, "SELECT pg_get_serial_sequence('tick', 'id')") == "public.tick_id_seq"
    assert value(conn, "SELECT data_type FROM pg_sequences WHERE sequencename = 'tick_id_seq'") == "bigint"
    assert value(conn, "SELECT has_table_privilege('pg_monitor', 'tick', 'SELECT')")
    assert value(conn, "SELECT 'tick_pkey'::regclass IS NOT NULL AND 'ix_tick_venue'::regclass IS NOT NULL")
    assert value(conn, "SELECT rows FROM cheapest") == len([row for row in before if row[2] is not None and row[2] < 5])  # type: ignore[operator]
    assert value(conn, "SELECT obj_description('cheap'::regclass)") == "Cheap ones."
    assert (
        value(conn, "SELECT reloptions::text FROM pg_class WHERE oid = 'cheap'::regclass") == "{security_barrier=true}"
    )
    assert value(conn, "SELECT has_table_privilege('pg_monitor', 'cheap', 'SELECT')")
    added = value(conn, "INSERT INTO tick (at, price, venue_id) VALUES ('2026-02-02', 1.5, 1) RETURNING id")
    assert added == 301
    conn.execute(
        "DELETE FROM tick WHERE id <= 3; UPDATE tick SET at = at + interval '40 days', price = 9 WHERE id = 50"
    )
    after = rows(conn, "price")
    ready(conn)
    conn.execute("SELECT dbperf.rebuild_revert('tick', unverified => true)")
    assert value(conn, "SELECT 'tick'::regclass::oid") == oid
    assert rows(conn, "price") == after
    assert value(conn, "SELECT data_type FROM pg_sequences WHERE sequencename = 'tick_id_seq'") == "integer"
    assert value(conn, "INSERT INTO tick (at, price, venue_id) VALUES ('2026-02-02', 1.5, 1) RETURNING id") == 302
    assert value(conn, "SELECT rows FROM cheapest") > 0
    ready(conn)
    conn.execute("SELECT dbperf.rebuild_cutover('tick')")
    after = rows(conn, "price")
    conn.execute("CALL dbperf.rebuild_run('tick')")
    conn.execute("SELECT dbperf.rebuild_finalize('tick')")
    assert rows(conn, "price") == after
    left = "SELECT count(*) FROM pg_class WHERE relname ~ '^(tick_old|rebuild_log)' OR relname = 'tick_next'"
    assert value(conn, left) == 0
    assert value(conn, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbperf%'") == value(
        conn, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbperf%' AND NOT tgname LIKE 'dbperf_rebuild%'"
    )
    assert value(conn, "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'dbperf_fits%'") == 0


def test_abort_leaves_the_table_as_it_was(conn: psycopg.Connection) -> None:
    before = rows(conn, "price")
    start(conn)
    conn.execute("CALL dbperf.rebuild_run('tick')")
    conn.execute("SELECT dbperf.rebuild_abort('tick')")
    assert rows(conn, "price") == before
    assert value(conn, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tick'::regclass AND NOT tgisinternal") == 0
    conn.execute("TRUNCATE tick_next")
    start(conn)  # once more
    ready(conn)


def test_what_the_table_as_it_was_could_not_hold(conn: psycopg.Connection) -> None:
    """Refused until it is finalized, or it could not be taken back; equal ids are set aside."""
    start(conn)
    ready(conn)
    conn.execute("SELECT dbperf.rebuild_cutover('tick')")
    for wrong in (
        "(3000000000, '2026-02-02', 1, 1)",
        "(400, '2026-02-02', 1e9, 1)",
        "(400, '2026-02-02', 'Infinity', 1)",
    ):
        with pytest.raises(errors.CheckViolation, match="dbperf_fits"):
            conn.execute(f"INSERT INTO tick (id, at, paid, venue_id) VALUES {wrong}".encode())
    conn.execute(
        "INSERT INTO tick (id, at, paid, venue_id) VALUES (400, '2026-02-02', 'NaN', 1), (401, '2026-02-02', 1.00004, 1)"
    )
    conn.execute("INSERT INTO tick (id, at, paid, venue_id) VALUES (7, '2026-02-02', 1, 1)")
    conn.execute("CALL dbperf.rebuild_run('tick')")
    found = conn.execute("SELECT row_key ->> 'id', difference FROM dbperf.rebuild_verify('tick')").fetchall()
    assert ("401", "rounded") in found
    assert {difference for key, difference in found if key == "7"} == {"stuck"}
    conn.execute("SELECT dbperf.rebuild_revert('tick')")
    assert value(conn, "SELECT count(*) FROM tick WHERE id = 7") == 1
    assert value(conn, "SELECT count(*) FROM tick_set_aside WHERE id = 7") == 2
    assert value(conn, "SELECT count(*) FROM tick WHERE price = 'NaN'") == 1


def test_ordinary_tables_with_identity_triggers_and_references(conn: psycopg.Connection) -> None:
    conn.execute(
        """
        CREATE TABLE account (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, gone integer, size integer GENERATED ALWAYS AS (length(name)) STORED);
        ALTER TABLE account DROP COLUMN gone;
        CREATE TABLE trade (id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES account ON DELETE CASCADE);
        INSERT INTO account (name) SELECT 'account ' || g FROM generate_series(1, 50) AS g;
        INSERT INTO trade SELECT g, g FROM generate_series(1, 50) AS g;
        CREATE TABLE seen (name text);
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (NEW.name); RETURN NEW; END';
        CREATE TRIGGER see AFTER INSERT OR UPDATE ON account FOR EACH ROW EXECUTE FUNCTION see();
        ALTER TABLE account ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON account USING (name <> 'account 3');
        CREATE TABLE account_next (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(20) NOT NULL UNIQUE, size integer GENERATED ALWAYS AS (length(name)) STORED);
        """
    )
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match="cannot be rebuilt"
    ):  # text, then varchar, in length()
        conn.execute("SELECT dbperf.rebuild_start('account', 'account_next')")
    conn.execute("SELECT dbperf.rebuild_start('account', 'account_next', NULL, '{generated}')")
    conn.execute("CALL dbperf.rebuild_run('account')")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('account')").fetchall() == []
    conn.execute("SELECT dbperf.rebuild_cutover('account')")
    conn.execute("CALL dbperf.rebuild_run('account')")
    assert value(conn, "SELECT count(*) FROM seen") == 0
    assert value(conn, "INSERT INTO account (name) VALUES ('new') RETURNING id") == 51
    assert value(conn, "SELECT count(*) FROM seen") == 1
    assert value(conn, "SELECT count(*) FROM pg_policies WHERE tablename = 'account'") == 1
    assert value(conn, "SELECT convalidated FROM pg_constraint WHERE conname = 'trade_account_id_fkey'")
    conn.execute("DELETE FROM account WHERE id = 5")
    assert value(conn, "SELECT count(*) FROM trade") == 49
    with pytest.raises(errors.ForeignKeyViolation):
        conn.execute("INSERT INTO trade VALUES (99, 5)")
    conn.execute("SELECT dbperf.rebuild_revert('account', unverified => true)")
    conn.execute("CALL dbperf.rebuild_run('account')")
    assert value(conn, "INSERT INTO account (name) VALUES ('newer') RETURNING id") == 52
    assert value(conn, "SELECT count(*) FROM seen") == 2
    assert value(conn, "SELECT count(*) FROM account") == 51
    conn.execute("SELECT dbperf.rebuild_abort('account')")
    assert value(
        conn, "SELECT confrelid = 'account'::regclass FROM pg_constraint WHERE conname = 'trade_account_id_fkey'"
    )


# -- what is refused -------------------------------------------------------------------------


OBSTACLES = [
    ("ALTER TABLE tick DROP CONSTRAINT tick_pkey", "key", "tick has no primary key"),
    ("ALTER TABLE tick ADD COLUMN more text", "column", "more of public.tick has no place"),
    ("ALTER TABLE tick_next ALTER note SET NOT NULL", "column", "note of public.tick may be NULL"),
    ("ALTER TABLE tick_next ADD COLUMN must integer NOT NULL", "column", "nothing fills it"),
    ("ALTER TABLE tick_next ALTER paid TYPE date USING NULL", "column", "does not become date"),
    ("ALTER TABLE tick_next DROP CONSTRAINT tick_next_venue_id_fkey", "foreign key", "no foreign key like"),
    ("ALTER TABLE tick ADD UNIQUE (note)", "unique", "no unique key like public.tick_note_key"),
    ("ALTER TABLE tick ADD CONSTRAINT positive CHECK (price > -1)", "check", "no constraint like positive"),
    ("CREATE TABLE ref (tick_id integer REFERENCES tick)", "reference", "no unique key of public.tick_next"),
    (
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM tick",
        "dependent",
        "materialized view public.m depends on public.tick",
    ),
    (
        "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM tick; END",
        "dependent",
        "function public.f",
    ),
    ("CREATE TABLE t (x tick)", "dependent", "uses the row type of public.tick"),
    ("CREATE RULE r AS ON DELETE TO tick DO INSTEAD NOTHING", "table", "has rules"),
    ("ALTER TABLE tick FORCE ROW LEVEL SECURITY", "table", "FORCE ROW LEVEL SECURITY"),
    ("CREATE TABLE child () INHERITS (tick)", "table", "by INHERITS"),
    ("CREATE SCHEMA other; ALTER TABLE tick_next SET SCHEMA other", "table", "in another schema"),
    ("CREATE PUBLICATION p FOR TABLE tick", "publication", "published by p"),
]


def test_what_cannot_be_carried_over_is_named(conn: psycopg.Connection) -> None:
    for change, kind, reason in OBSTACLES:
        with conn.transaction(force_rollback=True):
            conn.execute(change.encode())
            target = "other.tick_next" if "other" in change else "tick_next"
            assert any(k == kind and reason in r for k, r in obstacles(conn, target)), obstacles(conn, target)
            with pytest.raises(errors.ObjectNotInPrerequisiteState), conn.transaction():
                start(conn, target)
            assert value(conn, "SELECT count(*) FROM dbperf.rebuild") == 0
            triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tick'::regclass AND tgname LIKE 'dbperf%'"
            assert value(conn, triggers) == 0


def test_a_view_that_the_target_cannot_have_stops_the_cutover(conn: psycopg.Connection) -> None:
    start(conn)
    ready(conn)
    conn.execute("CREATE VIEW rounded AS SELECT id, round(price, 2) AS price FROM tick")
    with pytest.raises(errors.Error):  # the other table calls it paid
        conn.execute("SELECT dbperf.rebuild_cutover('tick')")
    assert value(conn, "SELECT relkind FROM pg_class WHERE oid = 'tick'::regclass") == "r"
    assert value(conn, "SELECT count(*) FROM rounded") == 300
    conn.execute("ALTER TABLE tick ADD COLUMN late integer")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="were changed since the rebuild began"):
        conn.execute("SELECT dbperf.rebuild_cutover('tick')")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="TRUNCATE would not be copied"):
        conn.execute("TRUNCATE tick")


def test_nothing_to_rebuild(conn: psycopg.Connection) -> None:
    for call in (
        "CALL dbperf.rebuild_run('venue')",
        "SELECT dbperf.rebuild_cutover('venue')",
        "SELECT dbperf.rebuild_abort('venue')",
    ):
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="venue is not being rebuilt"):
            conn.execute(call.encode())
    start(conn)
    for call, message in (
        ("SELECT dbperf.rebuild_cutover('tick')", "are not copied yet"),
        ("SELECT dbperf.rebuild_finalize('tick')", "is not cut over"),
    ):
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match=message):
            conn.execute(call.encode())


# -- who is in the way -----------------------------------------------------------------------


def test_a_long_reader_delays_nobody_but_the_cutover(migrated_db: str, conn: psycopg.Connection) -> None:
    start(conn)
    ready(conn)
    with psycopg.connect(migrated_db) as reader:
        reader.execute("SELECT count(*) FROM tick")
        with open_session(migrated_db, print) as session, pytest.raises(LockedError, match="could not be swapped"):
            rebuild.cut_over(session, "tick", wait=timedelta())
        with psycopg.connect(migrated_db, autocommit=True) as writer:
            writer.execute("SET lock_timeout = '150ms'")
            writer.execute("UPDATE tick SET note = 'x' WHERE id = 1")
    with open_session(migrated_db, print) as session:
        rebuild.cut_over(session, "tick")
    assert value(conn, "SELECT note FROM tick WHERE id = 1") == "x"


def test_older_snapshots_are_told_to_begin_again(migrated_db: str, conn: psycopg.Connection) -> None:
    start(conn)
    conn.execute("CALL dbperf.rebuild_run('tick')")
    with psycopg.connect(migrated_db) as old, psycopg.connect(migrated_db) as prepared:
        prepared.autocommit = True
        prepared.execute("SELECT * FROM tick WHERE id = %s", [5], prepare=True)
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT 1")
        ready(conn)
        conn.execute("SELECT dbperf.rebuild_cutover('tick')")
        for statement in (
            "UPDATE tick SET note = 'lost' WHERE id = 5", "DELETE FROM tick WHERE id = 5", "INSERT INTO tick (at, venue_id) VALUES ('2026-02-02', 1)"
        ):  # fmt: skip
            with pytest.raises(errors.SerializationFailure, match="was exchanged"), old.transaction():
                old.execute(statement.encode())
        with pytest.raises(errors.FeatureNotSupported):
            prepared.execute("SELECT * FROM tick WHERE id = %s", [5], prepare=True)
        prepared.execute("DEALLOCATE ALL")
        prepared.prepare_threshold = None
        assert prepared.execute("SELECT paid FROM tick WHERE id = %s", [5]).fetchall() == [(0.625,)]


@pytest.mark.skipif("DBPERF_TEST_DSN" in os.environ, reason="the pooler needs a server that trusts it")
def test_clients_of_a_pooler_go_on(migrated_db: str, conn: psycopg.Connection, pooler: Pooler) -> None:
    """In transaction mode, without prepared statements: no error through cutover and revert."""
    start(conn)
    ready(conn)
    with psycopg.connect(pooler(migrated_db, "transaction"), autocommit=True, prepare_threshold=None) as client:
        for swap in (
            "SELECT 1",
            "SELECT dbperf.rebuild_cutover('tick')",
            "SELECT dbperf.rebuild_revert('tick', unverified => true)",
        ):
            conn.execute(swap.encode())
            conn.execute("CALL dbperf.rebuild_run('tick')")
            client.execute("INSERT INTO tick (at, venue_id) VALUES ('2026-02-02', 1)")
            with client.transaction():
                assert client.execute("SELECT count(*) > 300 FROM tick WHERE id > %s", [0]).fetchone() == (True,)
                client.execute("UPDATE tick SET note = %s WHERE id = 5", [swap[:10]])
    assert value(conn, "SELECT count(*) FROM tick") == 303


# -- from the command line -------------------------------------------------------------------


def test_from_the_command_line(migrated_db: str, conn: psycopg.Connection) -> None:
    def run(*words: str, check: int = 0) -> str:
        return run_dbperf("rebuild", *words, dsn=migrated_db, check=check).stdout

    assert "nothing is being rebuilt" in run("status")
    run("start", "tick", "--target", "tick_next", "--map", "price=price", check=1)
    run("start", "tick", "--target", "tick_next", "--map", "paid=price")
    assert "copying" in run("status")
    assert "300 of about" in run("run", "tick")
    assert "300 rows compared, 0 differences" in run("verify", "tick")
    run("cutover", "tick")
    assert value(conn, "SELECT count(paid) FROM tick") == 258
    run("revert", "tick", "--wait", "0", check=1)
    run("verify", "tick")
    run("revert", "tick", "--wait", "0")
    conn.execute("UPDATE tick_next SET paid = 0 WHERE id = 9")
    assert "differs" in run("verify", "tick", check=1)
    run("cutover", "tick", check=1)
    run("abort", "tick")
    run("abort", "tick", check=1)
    run("status", "nowhere", check=64)
    with open_session(migrated_db, print) as session, pytest.raises(RebuildError, match="holds rows"):
        rebuild.start(session, "tick", "tick_next", MAPPING)


def test_a_publication_that_is_accepted_follows(conn: psycopg.Connection) -> None:
    conn.execute("CREATE PUBLICATION p FOR TABLE tick")
    conn.execute("SELECT dbperf.rebuild_start('tick', 'tick_next', %s, '{publication}')", [json.dumps(MAPPING)])
    ready(conn)
    conn.execute("SELECT dbperf.rebuild_cutover('tick')")
    assert conn.execute("SELECT tablename FROM pg_publication_tables").fetchall() != []
    assert value(conn, "SELECT prrelid = 'tick'::regclass FROM pg_publication_rel")


# -- who comes at the same time --------------------------------------------------------------


@pytest.mark.parametrize(
    "waiting",
    ["CALL dbperf.rebuild_run('tick')", "SELECT dbperf.rebuild_abort('tick')", "SELECT dbperf.rebuild_cutover('tick')"],
)
def test_what_waited_for_a_swap_sees_that_it_happened(migrated_db: str, conn: psycopg.Connection, waiting: str) -> None:
    """Or a drain would take the rows of the table that is used for those of its copy."""
    start(conn)
    ready(conn)
    with psycopg.connect(migrated_db) as swapping, psycopg.connect(migrated_db, autocommit=True) as other:
        swapping.execute("SELECT dbperf.rebuild_cutover('tick')")
        swapping.execute("UPDATE tick SET note = 'mine' WHERE id <= 10; DELETE FROM tick WHERE id = 11")
        blocked = Blocked(conn, other, lambda: other.execute(waiting.encode()))
        swapping.commit()
        blocked.finish()
    assert value(conn, "SELECT count(*) FROM tick WHERE note = 'mine'") == 10
    assert value(conn, "SELECT count(*) FROM tick") == 299
    assert value(conn, "SELECT state FROM dbperf.rebuild") == "cut over"
    ready(conn)
    conn.execute("SELECT dbperf.rebuild_revert('tick', unverified => true)")
    assert value(conn, "SELECT count(*) FROM tick WHERE note = 'mine'") == 10
    assert value(conn, "SELECT count(*) FROM tick") == 299


def test_values_that_change_places_do_not_stick(conn: psycopg.Connection) -> None:
    conn.execute(
        """
        CREATE TABLE place (id integer PRIMARY KEY, n integer NOT NULL UNIQUE); INSERT INTO place SELECT g, g FROM generate_series(1, 3000) AS g;
        CREATE TABLE place_next (id bigint PRIMARY KEY, n integer NOT NULL UNIQUE)
        """
    )
    conn.execute("SELECT dbperf.rebuild_start('place', 'place_next')")
    conn.execute("CALL dbperf.rebuild_run('place')")
    conn.execute("UPDATE place SET n = n - 1")
    conn.execute("CALL dbperf.rebuild_run('place', 500)")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('place')").fetchall() == []
    conn.execute("SELECT dbperf.rebuild_cutover('place')")
    conn.execute("UPDATE place SET n = -n")
    conn.execute("SELECT dbperf.rebuild_revert('place', unverified => true)")
    assert value(conn, "SELECT count(*) FROM place") == 3000


def test_changes_are_applied_by_the_index(conn: psycopg.Connection) -> None:
    """A table that has just been filled has no statistics, and would be read as a whole for each batch of changes."""
    conn.execute("INSERT INTO tick (at, venue_id) SELECT '2026-01-15', 1 FROM generate_series(1, 5000)")
    start(conn)
    conn.execute("CREATE TABLE tick_next_all PARTITION OF tick_next FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
    conn.execute("SELECT dbperf.rebuild_copy('tick', 100000)")
    conn.execute("UPDATE tick SET venue_id = 2 WHERE id % 100 = 0")
    read = "SELECT sum(pg_stat_get_xact_tuples_returned(x)) FROM dbperf.table_tree('tick_next') AS x"
    with conn.transaction():
        assert value(conn, "SELECT dbperf.rebuild_drain('tick', 5000)") == 53
        assert value(conn, read) == 0  # by reading whole tables
    ready(conn)


def test_two_runs_at_once_end_with_all_rows(migrated_db: str, conn: psycopg.Connection) -> None:
    """The other one comes between the last batch and the note that it was the last."""
    conn.execute("CREATE TABLE tick_next_all PARTITION OF tick_next FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
    start(conn)
    with psycopg.connect(migrated_db) as first, psycopg.connect(migrated_db, autocommit=True) as second:
        first.execute("SELECT dbperf.rebuild_copy('tick', 5000)")
        conn.execute("INSERT INTO tick (id, at, venue_id) VALUES (1001, '2026-02-02', 1)")
        blocked = Blocked(conn, second, lambda: second.execute("SELECT dbperf.rebuild_drain('tick', 5000)"))
        first.commit()
        blocked.finish()
        first.execute("SELECT dbperf.rebuild_copied('tick')")
    ready(conn)


def test_writes_that_no_trigger_logged_stop_the_swap(conn: psycopg.Connection) -> None:
    start(conn)
    ready(conn)
    conn.execute("ALTER TABLE tick DISABLE TRIGGER dbperf_rebuild_insert")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="were not all logged"):
        conn.execute("SELECT dbperf.rebuild_cutover('tick')")


def test_whatever_the_session_shows(migrated_db: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE f (id double precision PRIMARY KEY, t timestamptz); INSERT INTO f VALUES (0.1::float8 + 0.2, '2026-05-01 00:00+00'), (0.3, NULL)"
    )
    conn.execute("CREATE TABLE f_next (LIKE f INCLUDING ALL)")
    conn.execute(
        "SET extra_float_digits = 0; SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'"
    )
    conn.execute("SELECT dbperf.rebuild_start('f', 'f_next')")
    conn.execute("CALL dbperf.rebuild_run('f')")
    conn.execute("UPDATE f SET t = now()")
    conn.execute("CALL dbperf.rebuild_run('f')")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('f')").fetchall() == []
    assert value(conn, "SELECT verified_rows FROM dbperf.rebuild") == 2
