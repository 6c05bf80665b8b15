"""What is set on the template of a table arrives on its partitions: on those that are there, and on new ones."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.shapes import ids, make, value
from tests.support import Cluster

#: Each kind of setting: what the DBA runs on the template {t}, and how he takes it back.
SETTINGS = {
    "fillfactor": ("ALTER TABLE {t} SET (fillfactor = 70, autovacuum_enabled = off)", "ALTER TABLE {t} RESET (fillfactor, autovacuum_enabled)"),
    "toast": ("ALTER TABLE {t} SET (toast.autovacuum_vacuum_threshold = 77)", "ALTER TABLE {t} RESET (toast.autovacuum_vacuum_threshold)"),
    "statistics": ("ALTER TABLE {t} ALTER COLUMN size SET STATISTICS 777", "ALTER TABLE {t} ALTER COLUMN size SET STATISTICS -1"),
    "n_distinct": ("ALTER TABLE {t} ALTER COLUMN size SET (n_distinct = -0.5)", "ALTER TABLE {t} ALTER COLUMN size RESET (n_distinct)"),
    "storage": ("ALTER TABLE {t} ALTER COLUMN note SET STORAGE EXTERNAL", "ALTER TABLE {t} ALTER COLUMN note SET STORAGE EXTENDED"),
    "compression": ("ALTER TABLE {t} ALTER COLUMN note SET COMPRESSION pglz", "ALTER TABLE {t} ALTER COLUMN note SET COMPRESSION default"),
    "privileges": ("GRANT SELECT, INSERT ON {t} TO PUBLIC", "REVOKE ALL ON {t} FROM PUBLIC"),
    "column privileges": ("GRANT SELECT (size), UPDATE (note) ON {t} TO PUBLIC", "REVOKE ALL ON {t} FROM PUBLIC"),
    "fewer privileges": ("GRANT SELECT ON {t} TO PUBLIC; GRANT SELECT (size) ON {t} TO PUBLIC", "REVOKE SELECT ON {t} FROM PUBLIC; GRANT SELECT (size) ON {t} TO PUBLIC"),
    "row security": ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "ALTER TABLE {t} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"),
    "policy": (
        "CREATE POLICY \"p'1\" ON {t} AS RESTRICTIVE FOR UPDATE TO PUBLIC USING (size > 0 AND note <> '%s')"
        " WITH CHECK (EXISTS (SELECT FROM venue AS v WHERE v.id = {t}.venue_id)); CREATE POLICY p2 ON {t} USING (true)",
        "DROP POLICY \"p'1\" ON {t}; ALTER POLICY p2 ON {t} USING (size > 1)",
    ),
    "replica identity": ("ALTER TABLE {t} REPLICA IDENTITY FULL", "ALTER TABLE {t} REPLICA IDENTITY DEFAULT"),
    "replica index": ("ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_pkey", "ALTER TABLE {t} REPLICA IDENTITY NOTHING"),
    "cluster": ("ALTER TABLE {t} CLUSTER ON {t}_pkey", "ALTER TABLE {t} SET WITHOUT CLUSTER"),
    "triggers": (
        "CREATE TRIGGER \"a ON b\" BEFORE UPDATE OF size ON {t} FOR EACH ROW WHEN (NEW.size > 5) EXECUTE FUNCTION note_it('x ON public.y');"
        "CREATE TRIGGER b AFTER INSERT ON {t} REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION note_it(); ALTER TABLE {t} DISABLE TRIGGER b;"
        "CREATE CONSTRAINT TRIGGER c AFTER INSERT ON {t} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_it()",
        "DROP TRIGGER \"a ON b\" ON {t}; ALTER TABLE {t} ENABLE ALWAYS TRIGGER b; DROP TRIGGER c ON {t};"
        "CREATE CONSTRAINT TRIGGER c AFTER UPDATE ON {t} FOR EACH ROW EXECUTE FUNCTION note_it()",
    ),
}  # fmt: skip

#: What partitions have, without their names; written anew here, to be compared with the library's own.
STATE = """
SELECT c.relrowsecurity, c.relforcerowsecurity, c.relreplident, ARRAY(SELECT unnest(c.reloptions) ORDER BY 1),
       (SELECT ARRAY(SELECT unnest(t.reloptions) ORDER BY 1) FROM pg_class AS t WHERE t.oid = c.reltoastrelid),
       ARRAY(SELECT x.grantee::regrole || x.privilege_type || x.is_grantable FROM aclexplode(c.relacl) AS x WHERE x.grantee <> c.relowner ORDER BY 1),
       ARRAY(SELECT row(a.attname, nullif(a.attstattarget, -1), a.attoptions, a.attstorage, a.attcompression, a.attacl)::text
             FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname),
       ARRAY(SELECT concat_ws('|', p.policyname, p.permissive, p.roles, p.cmd, p.qual, replace(p.with_check, quote_ident(c.relname) || '.', 'T.'))
             FROM pg_policies AS p WHERE p.tablename = c.relname ORDER BY 1),
       ARRAY(SELECT t.tgenabled::text || replace(pg_get_triggerdef(t.oid), format(' ON %I.%I ', 'public', c.relname), ' ON T ')
             FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname NOT LIKE 'dbperf%' ORDER BY 1),
       ARRAY(SELECT i.indisclustered || ' ' || i.indisreplident FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_class AS c WHERE c.oid = %s::regclass
""".replace("'dbperf%'", "'dbperf%%'").replace("%I.%I", "%%I.%%I")

LEAVES = "SELECT leaf::text FROM dbperf.partition_leaves('tick') AS leaf"


@pytest.fixture
def conn(migrated_db: str) -> Iterator[psycopg.Connection]:
    """Table ``tick`` with soft delete, a policy and a template; partitions on two levels, one with a hostile name."""
    with psycopg.connect(migrated_db, autocommit=True) as connection:
        make(connection, "partitioned")
        connection.execute('ALTER TABLE tick_2b RENAME TO "it\'s %s a ""partition"""')
        connection.execute("CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        connection.execute(
            "INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind)"
            " VALUES ('tick', '1 month', '1 month', '1 year', '20 years')"
        )
        connection.execute("SELECT dbperf.make_template('tick')")
        connection.execute("UPDATE dbperf.partition_policy SET paused = true")
        yield connection


def new_leaf(conn: psycopg.Connection, month: int) -> str:
    leaf = value(
        conn,
        "SELECT dbperf.create_partition('tick', make_date(2027, %s, 1), make_date(2027, %s, 1))::text",
        month,
        month + 1,
    )
    assert isinstance(leaf, str)
    return leaf


def leaves(conn: psycopg.Connection) -> list[str]:
    return [row[0] for row in conn.execute(LEAVES.encode())]


def state(conn: psycopg.Connection, table: str) -> object:
    with conn.transaction():
        conn.execute("SET LOCAL search_path = ''")
        name = table if "." in table else f"public.{table}"
        return conn.execute(STATE.encode(), [name]).fetchone()


def assert_in_step(conn: psycopg.Connection) -> None:
    wanted = state(conn, "tick_template")
    for leaf in leaves(conn):
        assert state(conn, leaf) == wanted, leaf
        assert not conn.execute("SELECT dbperf.template_differences('tick', %s)", [leaf]).fetchall()


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_setting_arrives_and_goes(conn: psycopg.Connection, kind: str) -> None:
    before = state(conn, "tick_template")
    for number, statement in enumerate(SETTINGS[kind]):
        conn.execute(statement.format(t="tick_template").encode())
        assert state(conn, "tick_template") != before, "the test says nothing"
        before = state(conn, "tick_template")
        leaf = new_leaf(conn, number * 2 + 1)
        assert state(conn, leaf) == before
        old = leaves(conn)[0]
        for row in conn.execute("SELECT dbperf.template_differences('tick', %s)", [old]).fetchall():
            conn.execute(row[0].encode())
        conn.execute("CALL dbperf.apply_template('tick')")
        assert_in_step(conn)


def test_all_settings_at_once_with_maintain(conn: psycopg.Connection) -> None:
    for set_it, _ in SETTINGS.values():
        conn.execute(set_it.format(t="tick_template").encode())
    conn.execute("UPDATE dbperf.partition_policy SET paused = false")
    conn.execute("CALL dbperf.maintain()")
    assert_in_step(conn)
    created, changed, state_ = conn.execute("SELECT created, changed, sqlstate FROM dbperf.maintenance_log").fetchall()[
        -1
    ]
    assert created > 0
    assert (changed, state_) == (3, None)
    conn.execute("CALL dbperf.maintain()")
    assert conn.execute(
        "SELECT created, changed, sqlstate FROM dbperf.maintenance_log ORDER BY id DESC LIMIT 1"
    ).fetchone() == (0, 0, None)


def test_grant_options_and_hostile_roles(conn: psycopg.Connection, cluster: Cluster) -> None:
    """Superuser: makes roles."""
    with cluster.admin(conn.info.dbname) as admin:
        for role in ('"r ""1"" TO x"', "r2"):
            admin.execute(f"DROP ROLE IF EXISTS {role}".encode())
            admin.execute(f"CREATE ROLE {role}".encode())
    try:
        for statement in (
            'GRANT SELECT, DELETE ON tick_template TO "r ""1"" TO x" WITH GRANT OPTION; GRANT UPDATE (size) ON tick_template TO r2 WITH GRANT OPTION',
            'REVOKE GRANT OPTION FOR SELECT ON tick_template FROM "r ""1"" TO x"; REVOKE DELETE ON tick_template FROM "r ""1"" TO x"; GRANT INSERT ON tick_template TO r2',
            'REVOKE ALL ON tick_template FROM "r ""1"" TO x", r2',
        ):
            conn.execute(statement.encode())
            conn.execute("CALL dbperf.apply_template('tick')")
            assert_in_step(conn)
            mine = "SELECT has_table_privilege('tick_1', 'SELECT'), has_table_privilege('tick_1', 'TRUNCATE')"
            assert conn.execute(mine.encode()).fetchone() == (True, True)
    finally:
        with cluster.admin(conn.info.dbname) as admin:
            admin.execute('DROP OWNED BY "r ""1"" TO x", r2')
            admin.execute('DROP ROLE "r ""1"" TO x", r2')


def test_the_template_takes_no_rows_and_begins_as_the_last_partition(conn: psycopg.Connection) -> None:
    assert_in_step(conn)
    with pytest.raises(psycopg.errors.CheckViolation, match="a_template_for_partitions_has_no_rows"):
        conn.execute("INSERT INTO tick_template SELECT * FROM tick LIMIT 1")
    assert value(conn, "SELECT dbperf.make_template('tick')::text") == "tick_template"
    conn.execute("CREATE TABLE other (at date) PARTITION BY RANGE (at)")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no partition policy"):
        conn.execute("SELECT dbperf.make_template('other')")
    leaf = new_leaf(conn, 1)
    conn.execute(f"ALTER TABLE {leaf} SET (fillfactor = 55); DROP TABLE tick_template".encode())
    assert not conn.execute("SELECT dbperf.template_differences('tick', 'tick_1')").fetchall(), (
        "without a template nothing is taken away"
    )
    assert value(conn, "SELECT dbperf.make_template('tick')::text") == "tick_template"
    assert value(conn, "SELECT reloptions FROM pg_class WHERE oid = 'tick_template'::regclass") == ["fillfactor=55"]


def test_soft_delete_and_the_tables_own_triggers_stay(conn: psycopg.Connection) -> None:
    query = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tick_1'::regclass AND NOT tgisinternal"
    conn.execute("CREATE TRIGGER of_the_table AFTER UPDATE ON tick FOR EACH ROW EXECUTE FUNCTION note_it()")
    before = value(conn, query)
    conn.execute("CREATE TRIGGER mine AFTER UPDATE ON tick_template FOR EACH STATEMENT EXECUTE FUNCTION note_it()")
    conn.execute("CALL dbperf.apply_template('tick')")
    assert value(conn, query) == before + 1
    conn.execute("DROP TRIGGER mine ON tick_template")
    conn.execute("CALL dbperf.apply_template('tick')")
    assert value(conn, query) == before
    leaf = new_leaf(conn, 1)
    conn.execute("INSERT INTO tick (id, venue_id, at) VALUES (99, 1, '2027-01-05')")
    conn.execute(f"DELETE FROM {leaf}".encode())
    assert value(conn, f"SELECT count(*) FROM {leaf} WHERE deleted_at IS NOT NULL") == 1
    assert 99 not in ids(conn)
    assert not conn.execute("SELECT * FROM dbperf.verify_guards('tick') WHERE severity = 'problem'").fetchall()


def test_columns_are_matched_by_name(conn: psycopg.Connection) -> None:
    conn.execute("ALTER TABLE tick ADD COLUMN later text")
    conn.execute("ALTER TABLE tick_1 ALTER COLUMN later SET STATISTICS 5")  # the template knows nothing of it
    conn.execute("ALTER TABLE tick_template ADD COLUMN nobody_has text")
    conn.execute("ALTER TABLE tick_template ALTER COLUMN nobody_has SET STATISTICS 5, DROP COLUMN size")
    conn.execute("GRANT SELECT (nobody_has, note) ON tick_template TO PUBLIC")
    conn.execute("CALL dbperf.apply_template('tick')")
    assert (
        value(conn, "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'tick_1'::regclass AND attname = 'later'")
        == 5
    )
    assert not conn.execute(
        "SELECT * FROM dbperf.template_changes('tick', ARRAY(SELECT dbperf.partition_leaves('tick')))"
    ).fetchall()


@pytest.mark.chaos
def test_a_failure_is_logged_and_resumed(conn: psycopg.Connection, migrated_db: str) -> None:
    """A reader of one partition: the others that came before it have the setting, it gets it with the next run."""
    conn.execute("ALTER TABLE tick_template ENABLE ROW LEVEL SECURITY")
    conn.execute("UPDATE dbperf.partition_policy SET paused = false, every = '1 year', ahead = '1 year'")
    with psycopg.connect(migrated_db) as reader:
        reader.execute("SELECT FROM tick_2a")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute("CALL dbperf.apply_template('tick')")
        assert value(conn, "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relispartition") > 0
        conn.execute("CALL dbperf.maintain()")
        assert conn.execute(
            "SELECT sqlstate, changed FROM dbperf.maintenance_log ORDER BY id DESC LIMIT 1"
        ).fetchone() == ("55P03", 0)
    conn.execute("CALL dbperf.maintain()")
    assert value(conn, "SELECT sqlstate FROM dbperf.maintenance_log ORDER BY id DESC LIMIT 1") is None
    assert_in_step(conn)


@pytest.mark.chaos
def test_eight_maintainers_at_once(conn: psycopg.Connection, migrated_db: str, rng: random.Random) -> None:
    """They make partitions and change old ones, and nobody fails."""
    wanted = list(SETTINGS.values())
    rng.shuffle(wanted)
    for set_it, _ in wanted:
        conn.execute(set_it.format(t="tick_template").encode())
    conn.execute("UPDATE dbperf.partition_policy SET paused = false, ahead = '6 months'")
    failures: list[psycopg.Error] = []

    def maintain() -> None:
        try:
            with psycopg.connect(migrated_db, autocommit=True) as one:
                one.execute("CALL dbperf.maintain()")
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=maintain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert (
        conn.execute("SELECT sqlstate, message FROM dbperf.maintenance_log WHERE sqlstate <> '55P03'").fetchall() == []
    )
    assert value(conn, "SELECT count(*) FROM dbperf.maintenance_log WHERE sqlstate IS NULL") > 0
    assert len(leaves(conn)) > 9
    assert_in_step(conn)
