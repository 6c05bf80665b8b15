"""CASCADE, SET NULL and SET DEFAULT become RESTRICT and come back, without a moment without a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from tests import catalogue
from tests.support import Cluster

SCHEMA = "\u00fc 100%s 'it''s' \"x".replace("''", "'")
LONG = "k" * 63
WIDE = "\u9375" * 21  # 63 bytes

#: Parents that every scenario has.
PARENTS = """
    CREATE TABLE parent (id integer PRIMARY KEY, code text COLLATE "C" UNIQUE, a integer, b integer, UNIQUE (a, b));
    INSERT INTO parent SELECT n, n::text, n, n FROM generate_series(1, 20) AS n;
"""

#: DDL, and statements that no moment may let through.
SCENARIOS: dict[str, tuple[str, list[str]]] = {
    "every action": (
        """CREATE TABLE child (id integer PRIMARY KEY, c integer, n integer, d integer DEFAULT 1, u integer, x integer, plain integer REFERENCES parent,
               CONSTRAINT c FOREIGN KEY (c) REFERENCES parent ON DELETE CASCADE, CONSTRAINT n FOREIGN KEY (n) REFERENCES parent ON DELETE SET NULL,
               CONSTRAINT d FOREIGN KEY (d) REFERENCES parent ON DELETE SET DEFAULT ON UPDATE CASCADE,
               CONSTRAINT u FOREIGN KEY (u) REFERENCES parent ON UPDATE SET NULL, CONSTRAINT x FOREIGN KEY (x) REFERENCES parent ON DELETE RESTRICT ON UPDATE SET DEFAULT);
           INSERT INTO child SELECT n, n, n, n, n, n, n FROM generate_series(1, 20) AS n;
           COMMENT ON CONSTRAINT c ON child IS 'it''s 100% {meant} \\'""",
        [f"INSERT INTO child (id, {column}) VALUES (99, 99)" for column in "cndux"],
    ),
    "two keys": (
        """CREATE TABLE child (c integer, n integer, CONSTRAINT c FOREIGN KEY (c) REFERENCES parent ON DELETE CASCADE,
               CONSTRAINT n FOREIGN KEY (n) REFERENCES parent ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
           COMMENT ON CONSTRAINT n ON child IS 'why'""",
        ["INSERT INTO child VALUES (99, 1)", "INSERT INTO child VALUES (1, 99)"],
    ),
    "hostile names": (
        f"""CREATE TABLE "it's ""1%%" ("a ""%s" integer, "b'" integer, "{LONG}" integer, "{WIDE}" integer, "SELECT %" bigint,
               CONSTRAINT "%s ""it's" FOREIGN KEY ("a ""%s") REFERENCES parent ON DELETE CASCADE,
               CONSTRAINT "{LONG}" FOREIGN KEY ("b'") REFERENCES parent ON DELETE CASCADE,
               CONSTRAINT "{LONG[1:]}x" FOREIGN KEY ("{LONG}") REFERENCES parent ON DELETE SET NULL ("{LONG}"),
               CONSTRAINT "{WIDE}" FOREIGN KEY ("{WIDE}") REFERENCES parent ON DELETE SET NULL,
               CONSTRAINT "{WIDE[1:]}\u00e9" FOREIGN KEY ("SELECT %") REFERENCES parent ON DELETE CASCADE)""",
        [
            f"""INSERT INTO "it's ""1%%" ("{column}") VALUES (99)"""
            for column in ('a ""%s', "b'", LONG, WIDE, "SELECT %")
        ],
    ),
    "kinds of keys": (
        """CREATE TABLE child (id bigint PRIMARY KEY, a integer, b integer, c integer, d integer, e text, f bigint, boss bigint, self integer,
               CONSTRAINT simple FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE SET NULL (b) ON UPDATE CASCADE,
               CONSTRAINT "full" FOREIGN KEY (c, d) REFERENCES parent (a, b) MATCH FULL ON DELETE CASCADE,
               CONSTRAINT collated FOREIGN KEY (e) REFERENCES parent (code) ON UPDATE CASCADE,
               CONSTRAINT wider FOREIGN KEY (f) REFERENCES parent ON DELETE CASCADE DEFERRABLE,
               CONSTRAINT twin FOREIGN KEY (f) REFERENCES parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
               CONSTRAINT boss FOREIGN KEY (boss) REFERENCES child ON DELETE CASCADE);
           ALTER TABLE child ADD CONSTRAINT unchecked FOREIGN KEY (self) REFERENCES child ON DELETE SET NULL NOT VALID;
           INSERT INTO child SELECT n, n, n, n, n, n, n, n, n FROM generate_series(1, 20) AS n;
           INSERT INTO child (id, a) VALUES (21, 99)""",
        [
            "INSERT INTO child (id, a, b) VALUES (99, 1, 2)",
            "INSERT INTO child (id, c) VALUES (99, 1)",
            "INSERT INTO child (id, e) VALUES (99, 'x')",
            "INSERT INTO child (id, f) VALUES (99, 99)",
            "INSERT INTO child (id, boss) VALUES (99, 98)",
            "INSERT INTO child (id, self) VALUES (99, 98)",
        ],
    ),
    "inheritance": (
        """CREATE TABLE child (id integer, p integer REFERENCES parent ON DELETE CASCADE); CREATE TABLE heir () INHERITS (child);
           INSERT INTO heir VALUES (1, 99)""",
        ["INSERT INTO child VALUES (99, 99)"],
    ),
    "partitions": (
        f"""CREATE TABLE child (at integer, p integer, q integer) PARTITION BY RANGE (at);
           CREATE TABLE leaf_1 (q integer, p integer, at integer NOT NULL, CONSTRAINT "leaf's own" FOREIGN KEY (p) REFERENCES parent ON DELETE CASCADE,
               CONSTRAINT q FOREIGN KEY (q) REFERENCES parent ON DELETE SET NULL);
           COMMENT ON CONSTRAINT "leaf's own" ON leaf_1 IS 'of the leaf';
           ALTER TABLE child ATTACH PARTITION leaf_1 FOR VALUES FROM (0) TO (10);
           CREATE TABLE middle PARTITION OF child FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (at);
           CREATE TABLE leaf_2 PARTITION OF middle FOR VALUES FROM (10) TO (15); CREATE TABLE leaf_3 PARTITION OF middle DEFAULT;
           ALTER TABLE child ADD CONSTRAINT "{WIDE}" FOREIGN KEY (p) REFERENCES parent ON DELETE CASCADE;
           ALTER TABLE middle ADD CONSTRAINT m FOREIGN KEY (q) REFERENCES parent ON DELETE SET NULL;
           ALTER TABLE leaf_3 RENAME CONSTRAINT "{WIDE}" TO differs; ALTER TABLE leaf_2 RENAME CONSTRAINT m TO "m of 2";
           INSERT INTO child SELECT n, n, n FROM generate_series(1, 19) AS n""",
        [f"INSERT INTO child VALUES ({at}, {value})" for at in (1, 10, 19) for value in ("99, 1", "1, 99")],
    ),
    "both partitioned": (
        """CREATE TABLE parted (id integer PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
           CREATE TABLE child (p integer CONSTRAINT c REFERENCES parted ON DELETE CASCADE) PARTITION BY RANGE (p);
           CREATE TABLE leaf_1 PARTITION OF child DEFAULT; ALTER TABLE leaf_1 RENAME CONSTRAINT c TO differs;
           CREATE TABLE middle PARTITION OF child FOR VALUES FROM (1) TO (5) PARTITION BY RANGE (p); CREATE TABLE leaf_2 PARTITION OF middle DEFAULT;
           COMMENT ON CONSTRAINT differs ON leaf_1 IS 'it differs'; COMMENT ON CONSTRAINT c ON child IS 'why'""",
        ["INSERT INTO child VALUES (1)", "INSERT INTO child VALUES (30)"],
    ),
    "partitioned parent": (
        """CREATE TABLE parted (id integer PRIMARY KEY) PARTITION BY RANGE (id);
           CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (50);
           INSERT INTO parted SELECT generate_series(1, 20);
           CREATE TABLE child (p integer CONSTRAINT c REFERENCES parted ON DELETE CASCADE ON UPDATE SET NULL); INSERT INTO child VALUES (1), (11);
           CREATE TABLE two (p integer CONSTRAINT b REFERENCES parted ON DELETE SET NULL) PARTITION BY RANGE (p);
           CREATE TABLE two_1 PARTITION OF two DEFAULT; ALTER TABLE two_1 RENAME CONSTRAINT b TO "b of 1"; INSERT INTO two VALUES (1), (11)""",
        ["INSERT INTO child VALUES (30)", "INSERT INTO two VALUES (30)"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def database(cluster: Cluster, migrated_template: str) -> str:
    return cluster.create_database("dbperf_test_keys", migrated_template)


@pytest.fixture
def conn(cluster: Cluster, database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.dsn(database), autocommit=True) as conn:
        schema = sql.Identifier(SCHEMA)
        conn.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        _in_schema(conn, PARENTS)
        yield conn
        conn.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
        conn.execute("DELETE FROM dbperf.key_change_leaf WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = relation)")
        conn.execute("DELETE FROM dbperf.key_change WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = relation)")


def _in_schema(conn: psycopg.Connection, statements: str) -> None:
    with conn.transaction():
        conn.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(SCHEMA)))
        conn.execute(statements.encode())


def _restrict(conn: psycopg.Connection, dry_run: bool = False) -> None:
    conn.execute("CALL dbperf.restrict_cascades(%s, %s)", [SCHEMA, dry_run])


def _restore(conn: psycopg.Connection) -> None:
    conn.execute("CALL dbperf.restore_cascades(%s)", [SCHEMA])


def _keys(conn: psycopg.Connection) -> list[Any]:
    """Constraints and triggers of the schema, without two marks of the server's own.

    PostgreSQL 15 calls the rows that it keeps for the partitions of a referenced table NOT VALID after VALIDATE, and
    connoinherit of a partition's key says whether it was made before its parent.
    """
    of_partition = {
        tuple(row)
        for row in conn.execute("SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE conparentid <> 0")
    }
    with conn.transaction():  # two parts of catalogue.dump()
        conn.execute("SET LOCAL search_path = pg_catalog")
        rows = [row for part in ("constraints", "triggers") for row in conn.execute(catalogue._QUERIES[part].encode())]
    mine = [row for row in rows if not str(row[0]).startswith("dbperf.")]
    return sorted(
        (
            (*row[:4], row[4].removesuffix(" NOT VALID"), *row[6:10], *row[11:])
            if (str(row[0]), row[2]) in of_partition
            else row
            for row in mine
        ),
        key=repr,
    )


def _tables(conn: psycopg.Connection) -> list[int]:
    query = "SELECT unnest(dbperf.referencing_tables_of(%s))::oid"
    return [row[0] for row in conn.execute(query, [SCHEMA])]


def _plan(conn: psycopg.Connection, direction: str) -> list[str]:
    query = f"SELECT statement FROM unnest(%s::oid[]) AS t, dbperf.{direction}_keys(t::regclass) WHERE statement NOT LIKE 'SELECT %%'"
    return [row[0] for row in conn.execute(query.encode(), [_tables(conn)])]


def _changes(conn: psycopg.Connection) -> list[Any]:
    """What dbperf.key_change says of the schema's keys."""
    query = "SELECT x.* FROM dbperf.key_change AS x WHERE relation IN (SELECT unnest(dbperf.referencing_tables_of(%s)))"
    return conn.execute(query, [SCHEMA]).fetchall()


def _cascading(conn: psycopg.Connection) -> list[Any]:
    return conn.execute(
        "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'f' AND connamespace = to_regnamespace(quote_ident(%s))"
        " AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))",
        [SCHEMA],
    ).fetchall()


def _refuses(conn: psycopg.Connection, orphans: list[str]) -> None:
    for orphan in orphans:
        with pytest.raises(errors.ForeignKeyViolation):
            _in_schema(conn, orphan)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_there_and_back(conn: psycopg.Connection, scenario: str) -> None:
    ddl, orphans = SCENARIOS[scenario]
    _in_schema(conn, ddl)
    before = _keys(conn)
    _refuses(conn, orphans)

    notices: list[str | None] = []
    conn.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    _restrict(conn, dry_run=True)
    assert _keys(conn) == before
    assert not _changes(conn)
    assert len([n for n in notices if n and n.startswith("ALTER TABLE ")]) >= len(_cascading(conn))

    _restrict(conn)
    restricted = _keys(conn)
    assert not _cascading(conn)
    assert not _plan(conn, "restrict")
    _refuses(conn, orphans)
    _restrict(conn)
    assert _keys(conn) == restricted
    _restore(conn)
    assert _keys(conn) == before
    assert not _changes(conn)
    _restore(conn)
    assert _keys(conn) == before


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_moment_without_a_key(conn: psycopg.Connection, scenario: str) -> None:
    ddl, orphans = SCENARIOS[scenario]
    _in_schema(conn, ddl)
    for direction in ("restrict", "restore"):
        while plan := _plan(conn, direction):
            conn.execute(plan[0].encode())
            _refuses(conn, orphans)


@pytest.mark.parametrize("scenario", ["two keys", "both partitioned"])
def test_interrupted_anywhere(conn: psycopg.Connection, scenario: str) -> None:
    """After the first k statements of a plan, for every k, both ways are open."""
    _in_schema(conn, SCENARIOS[scenario][0])
    before = _keys(conn)
    _restrict(conn)
    restricted = _keys(conn)
    for direction, go_on, turn_back, start, end in (
        ("restore", _restore, _restrict, restricted, before),
        ("restrict", _restrict, _restore, before, restricted),
    ):
        for k in range(1, len(_plan(conn, direction)) + 1):
            for finish, outcome in ((turn_back, start), (go_on, end)):
                for statement in _plan(conn, direction)[:k]:
                    conn.execute(statement.encode())
                finish(conn)
                assert _keys(conn) == outcome, (direction, k, finish.__name__)
            turn_back(conn)
        assert _keys(conn) == start
        go_on(conn)


def test_tables_renamed_and_partitions_that_came_and_went(conn: psycopg.Connection) -> None:
    _in_schema(conn, SCENARIOS["partitions"][0])
    _restrict(conn)
    _in_schema(
        conn,
        "ALTER TABLE child RENAME TO offspring; ALTER TABLE parent RENAME TO ancestor; ALTER TABLE leaf_3 RENAME TO leaf;"
        "CREATE TABLE leaf_4 PARTITION OF offspring FOR VALUES FROM (20) TO (30); ALTER TABLE offspring DETACH PARTITION leaf_1",
    )
    _restore(conn)
    found = {(row[0], row[1]) for row in _cascading(conn)}
    of = sql.Identifier(SCHEMA).as_string(conn) + "."
    assert found == {
        (of + "offspring", WIDE), (of + "middle", WIDE), (of + "leaf_2", WIDE), (of + "leaf", "differs"), (of + "leaf_4", WIDE),
        (of + "middle", "m"), (of + "leaf_2", "m of 2"), (of + "leaf", "m"), (of + "leaf_1", "q"),
    }  # fmt: skip


def test_a_key_that_was_renamed_is_not_forgotten(conn: psycopg.Connection) -> None:
    _in_schema(conn, "CREATE TABLE a (id integer PRIMARY KEY);"
               "CREATE TABLE b (a integer CONSTRAINT k REFERENCES a ON DELETE CASCADE)")  # fmt: skip
    _restrict(conn)
    _in_schema(conn, "ALTER TABLE b RENAME CONSTRAINT k TO other")
    with pytest.raises(errors.UndefinedObject, match="dropped or renamed"):
        _restore(conn)
    _in_schema(conn, "ALTER TABLE b RENAME CONSTRAINT other TO k")
    _restore(conn)
    assert len(_cascading(conn)) == 1
    assert _changes(conn) == []


@pytest.mark.superuser
@pytest.mark.parametrize("unchecked", [False, True])
@pytest.mark.parametrize(
    ("ddl", "orphan"),
    [
        ("CREATE TABLE child (a integer, b integer, {} REFERENCES parent (a, b) ON DELETE CASCADE)", "99, 1"),
        ("CREATE TABLE child (a integer, b integer, {} REFERENCES parent (a, b) MATCH FULL ON DELETE CASCADE)", "1, NULL"),
        ("CREATE TABLE child (a integer, b integer PRIMARY KEY, {} REFERENCES parent (a, b) ON UPDATE CASCADE)", "99, 1"),
        ("CREATE TABLE child (a integer, b integer, {} REFERENCES parent (a, b) ON DELETE SET NULL) PARTITION BY RANGE (a);"
         "CREATE TABLE leaf PARTITION OF child DEFAULT", "99, 1"),
    ],
)  # fmt: skip
def test_orphans(
    cluster: Cluster, database: str, conn: psycopg.Connection, ddl: str, orphan: str, unchecked: bool
) -> None:
    """A superuser, because only replication gets a row past a key."""
    if unchecked and "PARTITION" in ddl and conn.info.server_version < 180000:
        pytest.skip("no NOT VALID key on partitioned tables before 18")
    _in_schema(conn, ddl.format("CONSTRAINT checked FOREIGN KEY (a, b)"))
    _in_schema(conn, "CREATE TABLE aaa (p integer REFERENCES parent ON DELETE CASCADE)")  # would be the first to change
    with cluster.admin(database) as admin:
        admin.execute("SET session_replication_role = replica")
        _in_schema(admin, f"INSERT INTO child VALUES ({orphan})")
    if unchecked:
        _in_schema(conn, "ALTER TABLE child RENAME CONSTRAINT checked TO other")
        definition = conn.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'other' AND conparentid = 0"
        ).fetchone()
        assert definition
        _in_schema(
            conn,
            f"ALTER TABLE child DROP CONSTRAINT other; ALTER TABLE child ADD CONSTRAINT checked {definition[0]} NOT VALID",
        )
    before = _keys(conn)
    notices: list[str] = []
    conn.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    for dry_run in (True, False):
        if unchecked:
            notices.clear()
            _restrict(conn, dry_run)
            assert len([text for text in notices if text.startswith("orphans: 1 rows")]) == 1
        else:
            with pytest.raises(psycopg.Error) as refused:
                _restrict(conn, dry_run)
            assert refused.value.sqlstate == "DP003"
            assert str(refused.value).startswith("1 rows of")
        if dry_run or not unchecked:
            assert _keys(conn) == before
            assert not _changes(conn)
    if unchecked:
        assert not _cascading(conn)
        valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'checked' AND connamespace = to_regnamespace(quote_ident(%s))"
        assert set(conn.execute(valid, [SCHEMA])) == {(False,)}
        _restore(conn)
        assert _keys(conn) == before


@pytest.mark.chaos
def test_somebody_holds_a_lock(cluster: Cluster, database: str, conn: psycopg.Connection) -> None:
    _in_schema(conn, SCENARIOS["two keys"][0])
    with psycopg.connect(cluster.dsn(database)) as other:
        other.execute("SELECT 1")  # begins a transaction
        _in_schema(other, "LOCK TABLE child IN ROW EXCLUSIVE MODE")
        conn.execute("SET statement_timeout = '30s'")
        with pytest.raises(errors.LockNotAvailable, match="somebody holds a lock that ALTER TABLE "):
            _restrict(conn)
        assert len(_cascading(conn)) == 2
    _restrict(conn)
    assert not _cascading(conn)


def test_no_cascade_into_soft_delete(conn: psycopg.Connection) -> None:
    _in_schema(conn, SCENARIOS["two keys"][0] + "; CREATE TABLE aaa (p integer REFERENCES parent ON DELETE CASCADE)")
    before = _keys(conn)
    _restrict(conn)
    _in_schema(conn, "SELECT dbperf.enable_soft_delete('child')")
    restricted = _keys(conn)
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match="cannot cascade again while the table has soft delete"
    ):
        _restore(conn)
    assert _keys(conn) == restricted
    _in_schema(conn, "SELECT dbperf.disable_soft_delete('child')")
    _restore(conn)
    assert _keys(conn) == before


def test_keys_that_are_not_enforced(conn: psycopg.Connection) -> None:
    if conn.info.server_version < 180000:
        pytest.skip("new in 18")
    _in_schema(
        conn,
        "CREATE TABLE child (p integer REFERENCES parent ON DELETE CASCADE NOT ENFORCED); INSERT INTO child VALUES (99)",
    )
    before = _keys(conn)
    _restrict(conn)
    assert _keys(conn) == before


def test_no_such_schema(conn: psycopg.Connection) -> None:
    for procedure in ("restrict_cascades", "restore_cascades"):
        with pytest.raises(errors.InvalidSchemaName):
            conn.execute(f"CALL dbperf.{procedure}('nowhere')".encode())


def test_validation_locks_out_no_writer(cluster: Cluster, database: str, conn: psycopg.Connection) -> None:
    """VALIDATE runs beside a transaction that has written and not ended."""
    _in_schema(conn, SCENARIOS["two keys"][0])
    add, validate = _plan(conn, "restrict")[:2]
    conn.execute(add.encode())
    with psycopg.connect(cluster.dsn(database)) as other:
        other.execute("SELECT 1")  # begins a transaction
        _in_schema(other, "INSERT INTO child VALUES (1, 1)")
        conn.execute("SET lock_timeout = '5s'")
        conn.execute(validate.encode())
        _in_schema(other, "INSERT INTO child VALUES (2, 2)")
    conn.execute("RESET lock_timeout")
    _restrict(conn)
    assert not _cascading(conn)
