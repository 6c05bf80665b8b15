"""Soft delete on ordinary and partitioned tables: what each kind of statement does, and who is refused."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from tests.shapes import SHAPES, Blocked, ids, make, value

ALL = set(range(1, 21))


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dsn(migrated_db: str) -> str:
    return migrated_db


@pytest.fixture
def db(dsn: str, shape: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        make(conn, shape)
        yield conn


def _marked(conn: psycopg.Connection, cursor: psycopg.Cursor, shape: str) -> int:
    """How many rows a DELETE marked, as it is reported for this kind of table."""
    if shape == "partitioned":
        return cursor.rowcount
    assert cursor.rowcount == 0
    return int(value(conn, "SHOW dbperf.deleted_rows"))


# -- statements ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tick WHERE id <= 7",
        "DELETE FROM tick USING generate_series(1, 3) AS twice WHERE id <= 7",
        "WITH gone AS (DELETE FROM tick WHERE id <= 7 RETURNING id) SELECT count(*) FROM gone",
        "MERGE INTO tick AS t USING generate_series(1, 7) AS s (id) ON t.id = s.id WHEN MATCHED THEN DELETE",
        "COPY (DELETE FROM tick WHERE id <= 7 RETURNING id) TO STDOUT",
        "DELETE FROM tick WHERE id IN (SELECT id FROM tick_active WHERE size <= 7)",
        "PREPARE gone AS DELETE FROM tick WHERE id <= $1; EXECUTE gone (7)",
        "DO $$ BEGIN DELETE FROM tick WHERE id <= 7; END $$",
    ],
)
def test_every_statement_that_deletes_only_marks(db: psycopg.Connection, statement: str) -> None:
    if statement.startswith("COPY"):
        with db.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            list(copy)
    else:
        db.execute(statement.encode())
    assert ids(db, "tick") == ALL
    assert ids(db) == ALL - set(range(1, 8))
    assert value(db, "SELECT count(DISTINCT (deleted_at, deleted_batch)) FROM tick WHERE deleted_at IS NOT NULL") == 1


def test_counts_and_returned_rows(db: psycopg.Connection, shape: str) -> None:
    assert _marked(db, db.execute("DELETE FROM tick WHERE id <= 4"), shape) == 4
    assert _marked(db, db.execute("DELETE FROM tick WHERE id = 99"), shape) == 0
    returned = db.execute("DELETE FROM tick WHERE id IN (5, 6) RETURNING id").fetchall()
    assert sorted(returned) == ([(5,), (6,)] if shape == "partitioned" else [])
    merge = "MERGE INTO tick AS t USING generate_series(7, 9) AS s (id) ON t.id = s.id WHEN MATCHED THEN DELETE"
    assert _marked(db, db.execute(merge.encode()), shape) == 3
    found = db.execute("DELETE FROM tick_active WHERE id > 15 RETURNING id")
    assert (found.rowcount, {row[0] for row in found}) == (5, set(range(16, 21)))
    assert db.execute("DELETE FROM tick_active WHERE id > 15").rowcount == 0
    assert db.execute("DELETE FROM tick_active USING generate_series(1, 3) WHERE id = 10").rowcount == 1
    assert ids(db) == {11, 12, 13, 14, 15}
    assert ids(db, "tick") == ALL


def test_what_comes_after_enabling_loses_nothing(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        make(conn, "partitioned")
        conn.execute("CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        for change in (
            "CREATE TRIGGER skip BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION skip()",
            "CREATE RULE skip AS ON INSERT TO tick DO INSTEAD NOTHING",
        ):
            conn.execute(change.encode())
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match="from being put back"):
                conn.execute("DELETE FROM tick WHERE id = 1")
            assert (
                value(conn, "SELECT count(*) FROM dbperf.verify('tick') WHERE check_name = 'soft delete unsafe'") == 1
            )
            conn.execute(f"DROP {change.split()[1]} skip ON tick".encode())
        conn.execute('ALTER TABLE tick RENAME COLUMN note TO "100 %"')
        conn.execute("SELECT dbperf.enable_soft_delete('tick')")
        assert value(conn, 'SELECT "100 %" FROM tick_active WHERE id = 1') == "row 1"
        conn.execute("CREATE TABLE late (LIKE tick)")
        conn.execute("ALTER TABLE late DROP COLUMN deleted_at, DROP COLUMN deleted_batch, ADD PRIMARY KEY (id, at)")
        conn.execute(
            'ALTER TABLE late RENAME COLUMN venue_id TO "v %s"; ALTER TABLE late ADD FOREIGN KEY ("v %s") REFERENCES venue'
        )
        conn.execute("SELECT dbperf.enable_soft_delete('late', hot => false)")
        conn.execute(
            "INSERT INTO late VALUES (50, 1, '2027-01-01'); CREATE TABLE q (LIKE late) PARTITION BY RANGE (at)"
        )
        conn.execute("ALTER TABLE q ATTACH PARTITION late FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
        conn.execute("CREATE TABLE q_2 PARTITION OF q FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
        for statement in ("UPDATE q SET at = '2026-01-31'", "DELETE FROM q"):
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match="became a partition"):
                conn.execute(statement.encode())
        conn.execute("SELECT dbperf.enable_soft_delete('q')")
        assert conn.execute("UPDATE q SET at = '2026-01-31'").rowcount == 1
        assert conn.execute("DELETE FROM q").rowcount == 1
        assert (ids(conn, "q"), ids(conn, "q_active")) == ({50}, set())
        assert value(conn, "SELECT count(*) FROM dbperf.soft_delete_table WHERE relation = 'late'::regclass") == 0


def test_the_first_mark_stays(db: psycopg.Connection) -> None:
    db.execute("DELETE FROM tick WHERE id = 1")
    first = db.execute("SELECT deleted_at, deleted_batch FROM tick WHERE id = 1").fetchall()
    db.execute("DELETE FROM tick WHERE id = 1")
    db.execute("DELETE FROM tick")
    db.execute("SELECT * FROM dbperf.soft_delete('tick', 'true')")
    assert db.execute("SELECT deleted_at, deleted_batch FROM tick WHERE id = 1").fetchall() == first
    assert ids(db) == set()
    assert ids(db, "tick") == ALL


def test_updates_move_rows_between_partitions(db: psycopg.Connection) -> None:
    db.execute("DELETE FROM tick WHERE id = 2")
    assert db.execute("UPDATE tick SET at = at + 31").rowcount == 20
    assert db.execute("UPDATE tick_active SET at = at + 1, id = id + 100 WHERE id = 1").rowcount == 1
    assert ids(db) == ALL - {1, 2} | {101}
    assert value(db, "SELECT count(*) FROM tick WHERE deleted_at IS NOT NULL") == 1


@pytest.mark.parametrize("leaf", ["tick_1", "tick_2", "tick_2b"])
def test_partitions_are_guarded_themselves(dsn: str, leaf: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        make(conn, "partitioned")
        inside = ids(conn, leaf)
        assert conn.execute(f"DELETE FROM {leaf}".encode()).rowcount == len(inside) > 0
        assert ids(conn, leaf) == inside
        assert ids(conn) == ALL - inside
        batch = value(conn, "SELECT DISTINCT deleted_batch FROM tick WHERE deleted_at IS NOT NULL")
        assert conn.execute("SELECT relation::text, rows FROM dbperf.undelete(%s)", [batch]).fetchall() == [
            ("tick", len(inside))
        ]
        with pytest.raises(errors.ObjectNotInPrerequisiteState):
            conn.execute(f"TRUNCATE {leaf}".encode())


def test_truncate_is_refused(db: psycopg.Connection) -> None:
    for statement in ("TRUNCATE tick", "TRUNCATE venue CASCADE", "TRUNCATE tick, venue"):
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="is not truncated"):
            db.execute(statement.encode())
    assert ids(db) == ALL


def test_who_when_whence_and_why(dsn: str, db: psycopg.Connection) -> None:
    with psycopg.connect(dsn, application_name="desk 7") as conn:
        conn.execute("SELECT set_config('dbperf.reason', 'fat finger', true)")
        conn.execute("DELETE FROM tick WHERE id = 1")
        conn.execute("SELECT * FROM dbperf.soft_delete('tick', 'id = 2', 'asked by a client')")
        conn.execute("DELETE FROM tick WHERE id = 3")
        began = value(conn, "SELECT now()")
    rows = db.execute(
        "SELECT ordinal, relation::text, deleted_at, deleted_by::text, application, reason FROM dbperf.deletion"
    ).fetchall()
    user = value(db, "SELECT current_user::text")
    assert rows == [
        (1, "tick", began, user, "desk 7", "fat finger"),
        (2, "tick", began, user, "desk 7", "asked by a client"),
        (3, "tick", began, user, "desk 7", "fat finger"),
    ]
    assert value(db, "SELECT count(DISTINCT deleted_batch) FROM tick WHERE deleted_at IS NOT NULL") == 1


def test_a_savepoint_takes_marks_and_record_back(dsn: str, db: psycopg.Connection) -> None:
    with psycopg.connect(dsn) as conn:
        with conn.transaction(force_rollback=True):
            conn.execute("DELETE FROM tick WHERE id = 1")
        conn.execute("DELETE FROM tick WHERE id = 2")
    assert ids(db) == ALL - {2}
    assert value(db, "SELECT count(*) FROM dbperf.deletion") == 1


# -- parents and children --------------------------------------------------------------------


def test_parents_of_live_rows_are_refused(db: psycopg.Connection) -> None:
    for statement in (
        "DELETE FROM venue WHERE id = 1",
        "DELETE FROM venue_active WHERE id = 1",
        "SELECT * FROM dbperf.soft_delete('venue', 'id = 1')",
        "UPDATE venue SET deleted_at = now(), deleted_batch = dbperf.current_batch() WHERE id = 1",
    ):
        with pytest.raises(errors.ForeignKeyViolation, match=r"still referenced by live rows of public\.tick"):
            db.execute(statement.encode())
    db.execute("DELETE FROM tick WHERE venue_id = 1")
    assert db.execute("DELETE FROM venue_active WHERE id = 1").rowcount == 1
    assert ids(db, "venue") == {1, 2, 3}


def test_a_partitioned_parent(dsn: str) -> None:
    """Its key waits for COMMIT, because a DELETE takes rows out and puts them back; the triggers do not wait."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE book (id integer PRIMARY KEY) PARTITION BY RANGE (id)")
        conn.execute("CREATE TABLE book_0 PARTITION OF book DEFAULT")
        conn.execute("CREATE TABLE entry (id integer PRIMARY KEY, book integer REFERENCES book ON DELETE CASCADE)")
        conn.execute("CALL dbperf.restrict_cascades('public')")
        conn.execute("SELECT dbperf.enable_soft_delete('book'), dbperf.enable_soft_delete('entry')")
        conn.execute("INSERT INTO book VALUES (1), (2), (3); INSERT INTO entry VALUES (1, 1)")
        for table in ("book", "book_0", "book_active"):
            with pytest.raises(errors.ForeignKeyViolation, match="live rows of public"):
                conn.execute(f"DELETE FROM {table} WHERE id = 1".encode())
        for table in ("book", "book_0"):
            with pytest.raises(errors.ForeignKeyViolation, match="live rows of public"):
                conn.execute(f"SELECT dbperf.soft_delete('{table}', 'id = 1')".encode())
        conn.execute("SET default_transaction_isolation = 'repeatable read'")
        with pytest.raises(errors.FeatureNotSupported):
            conn.execute("DELETE FROM book_0 WHERE id = 2")
        conn.execute("RESET default_transaction_isolation")
        rows = conn.execute(
            "SELECT relation::text, rows FROM dbperf.soft_delete('book_0', 'id = 1', NULL, true)"
        ).fetchall()
        assert rows == [("book_0", 1), ("entry", 1)]
        assert conn.execute("CALL dbperf.purge('book_0', '0')").fetchone() == (0,)
        assert conn.execute("DELETE FROM book WHERE id = 2").rowcount == 1
        assert ids(conn, "book_active") == {3}
        assert ids(conn, "book") == {1, 2, 3}


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_older_snapshot_deletes_no_parent(dsn: str, db: psycopg.Connection, level: str) -> None:
    db.execute("DELETE FROM tick WHERE venue_id = 1")
    with psycopg.connect(dsn) as old:
        old.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        assert value(old, "SELECT count(*) FROM tick_active WHERE venue_id = 1") == 0
        db.execute("INSERT INTO tick VALUES (99, 1, '2026-01-09')")
        with pytest.raises(errors.FeatureNotSupported):
            old.execute("DELETE FROM venue WHERE id = 1")
        old.rollback()
        old.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        old.execute("DELETE FROM tick WHERE id = 99")  # what nobody references goes at every level
    assert 99 not in ids(db)


def test_cascade_takes_the_children_along_and_undelete_brings_them_back(db: psycopg.Connection) -> None:
    db.execute("DELETE FROM tick WHERE id = 3")  # venue 1, in a batch of its own
    before = ids(db)
    rows = db.execute(
        "SELECT relation::text, rows FROM dbperf.soft_delete('venue', 'id = 1', 'closed', \"cascade\" => true)"
    ).fetchall()
    children = {i for i in before if i % 3 == 0}
    assert rows == [("venue", 1), ("tick", len(children))]
    assert ids(db) == before - children
    batch = value(db, "SELECT max(batch) FROM dbperf.deletion")
    back = db.execute("SELECT relation::text, rows FROM dbperf.undelete(%s) ORDER BY 1", [batch]).fetchall()
    assert back == [("tick", len(children)), ("venue", 1)]
    assert ids(db) == before
    assert db.execute("SELECT rows FROM dbperf.undelete(%s)", [batch]).fetchall() == [(0,), (0,)]


def test_undelete_refuses_children_of_deleted_rows(db: psycopg.Connection) -> None:
    db.execute("DELETE FROM tick WHERE venue_id = 1")
    children = value(db, "SELECT max(batch) FROM dbperf.deletion")
    db.execute("DELETE FROM venue WHERE id = 1")
    parent = value(db, "SELECT max(batch) FROM dbperf.deletion")
    with pytest.raises(errors.ForeignKeyViolation, match=rf"undelete\({parent}\) first"):
        db.execute("SELECT dbperf.undelete(%s)", [children])
    db.execute("SELECT dbperf.undelete(%s)", [parent])
    db.execute("SELECT dbperf.undelete(%s)", [children])
    assert ids(db) == ALL
    with pytest.raises(errors.NoDataFound):
        db.execute("SELECT dbperf.undelete(0)")


def test_a_child_without_soft_delete_holds_its_parent(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE fee (id integer PRIMARY KEY, venue_id integer REFERENCES venue)")
    db.execute("INSERT INTO fee VALUES (1, 1)")
    db.execute("DELETE FROM tick WHERE venue_id = 1")
    for statement in (
        "DELETE FROM venue WHERE id = 1",
        "SELECT dbperf.soft_delete('venue', 'id = 1', \"cascade\" => true)",
    ):
        with pytest.raises(errors.ForeignKeyViolation, match=r"live rows of public\.fee"):
            db.execute(statement.encode())


def test_trees_and_circles_go_together(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE a (id integer PRIMARY KEY, up integer REFERENCES a, b integer)")
        conn.execute("CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a DEFERRABLE)")
        conn.execute("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b")
        conn.execute("SELECT dbperf.enable_soft_delete('a'), dbperf.enable_soft_delete('b')")
        conn.execute("INSERT INTO a VALUES (1, NULL), (2, 1), (3, 2), (9, NULL)")
        conn.execute("INSERT INTO b VALUES (1, 3)")
        conn.execute("UPDATE a SET b = 1 WHERE id IN (1, 9)")
        with pytest.raises(errors.ForeignKeyViolation):
            conn.execute("DELETE FROM a WHERE id = 2")
        with pytest.raises(errors.ForeignKeyViolation):
            conn.execute("SELECT dbperf.soft_delete('a', 'id = 1')")
        rows = conn.execute(
            "SELECT batch, relation::text, rows FROM dbperf.soft_delete('a', 'id = 2', \"cascade\" => true)"
        ).fetchall()
        assert [row[1:] for row in rows] == [("a", 4), ("b", 1)]
        assert ids(conn, "a_active") == ids(conn, "b_active") == set()
        conn.execute("SELECT dbperf.undelete(%s)", [rows[0][0]])
        assert ids(conn, "a_active") == {1, 2, 3, 9}


def test_a_child_that_is_being_inserted_is_waited_for(dsn: str, db: psycopg.Connection) -> None:
    for statement in (
        "DELETE FROM venue WHERE id = 1",
        "SELECT dbperf.soft_delete('venue', 'id = 1')",
        # no lock but the UPDATE's own: as where soft_delete() meets a row that began to match after it had locked
        "UPDATE venue SET deleted_at = now(), deleted_batch = pg_current_xact_id()::text::bigint WHERE id = 1",
    ):
        db.execute("DELETE FROM tick WHERE venue_id = 1")
        with psycopg.connect(dsn) as writer, psycopg.connect(dsn, autocommit=True) as deleter:
            writer.execute("INSERT INTO tick SELECT max(id) + 1, 1, '2026-01-09' FROM tick")
            blocked = Blocked(db, deleter, lambda d=deleter, s=statement: d.execute(s))  # type: ignore[misc]
            writer.commit()
            blocked.finish()
        assert isinstance(blocked.error, errors.ForeignKeyViolation)
        assert value(db, "SELECT deleted_at IS NULL FROM venue WHERE id = 1")


def test_a_parent_that_is_being_deleted_is_waited_for(dsn: str, db: psycopg.Connection, shape: str) -> None:
    db.execute("SELECT dbperf.enable_soft_delete('tick', hot => false)")
    db.execute("DELETE FROM tick WHERE venue_id = 1")
    with psycopg.connect(dsn) as deleter, psycopg.connect(dsn, autocommit=True) as writer:
        deleter.execute("DELETE FROM venue WHERE id = 1")
        blocked = Blocked(db, writer, lambda: writer.execute("INSERT INTO tick VALUES (99, 1, '2026-01-09')"))
        deleter.commit()
        blocked.finish()
    assert isinstance(blocked.error, errors.ForeignKeyViolation)
    with pytest.raises(errors.ForeignKeyViolation, match="is deleted"):
        db.execute("UPDATE tick SET venue_id = 1 WHERE id = 1")


def test_undelete_waits_for_who_changes_the_parent(dsn: str, db: psycopg.Connection) -> None:
    db.execute("SELECT dbperf.enable_soft_delete('tick', hot => false)")
    for statement in (
        "INSERT INTO venue VALUES (7, 'seven')",
        "DELETE FROM venue WHERE id = 7",
        "DELETE FROM tick WHERE id = 1",
    ):
        db.execute(statement.encode())
    batch = value(db, "SELECT max(batch) FROM dbperf.deletion")
    with psycopg.connect(dsn) as writer, psycopg.connect(dsn, autocommit=True) as mine:
        writer.execute("UPDATE tick SET venue_id = 7 WHERE id = 1")
        blocked = Blocked(db, mine, lambda: mine.execute("SELECT dbperf.undelete(%s)", [batch]))
        writer.commit()
        blocked.finish()
    assert isinstance(blocked.error, errors.ForeignKeyViolation)
    assert 1 not in ids(db)


def test_hot_tables_have_no_trigger_on_insert_and_verify_finds_the_orphan(db: psycopg.Connection) -> None:
    db.execute("SELECT dbperf.enable_soft_delete('tick', hot => true)")
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'tick%' AND NOT tgisinternal AND tgtype & 4 <> 0"
    assert value(db, triggers) == 0
    db.execute("DELETE FROM tick WHERE venue_id = 1")
    db.execute("DELETE FROM venue WHERE id = 1")
    assert value(db, "SELECT count(*) FROM dbperf.orphans('tick')") == 0
    db.execute("INSERT INTO tick VALUES (99, 1, '2026-01-09')")
    found = db.execute("SELECT check_name, rows FROM dbperf.verify('tick') WHERE severity = 'problem'").fetchall()
    assert found == [("child of a deleted row", 1)]


def test_two_who_delete_the_same_row_count_it_once(dsn: str, db: psycopg.Connection) -> None:
    with psycopg.connect(dsn) as first, psycopg.connect(dsn, autocommit=True) as second:
        assert first.execute("DELETE FROM tick_active WHERE id = 1").rowcount == 1
        blocked = Blocked(db, second, lambda: second.execute("DELETE FROM tick_active WHERE id = 1").rowcount)
        first.commit()
        assert blocked.finish() == 0
    assert value(db, "SELECT count(*) FROM tick WHERE id = 1") == 1
    with psycopg.connect(dsn) as first, psycopg.connect(dsn, autocommit=True) as second:
        first.execute("DELETE FROM tick WHERE id = 2")
        blocked = Blocked(db, second, lambda: second.execute("UPDATE tick_active SET size = 0 WHERE id = 2").rowcount)
        first.commit()
        assert blocked.finish() == 0


# -- keys ------------------------------------------------------------------------------------


def test_an_upsert_that_meets_a_deleted_key_is_refused_or_revives(dsn: str) -> None:
    upsert = b"INSERT INTO coin VALUES (1, 'BTC', 7) ON CONFLICT (symbol) DO UPDATE SET size = EXCLUDED.size"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE coin (id integer PRIMARY KEY, symbol text UNIQUE, size integer)")
        conn.execute("INSERT INTO coin VALUES (1, 'BTC', 1), (2, 'ETH', 1)")
        conn.execute("SELECT dbperf.enable_soft_delete('coin')")
        conn.execute("DELETE FROM coin WHERE id = 1")
        for statement in (
            upsert,
            b"INSERT INTO coin VALUES (3, 'BTC', 7)",
            b"INSERT INTO coin VALUES (3, 'BTC', 7) ON CONFLICT DO NOTHING",
        ):
            with pytest.raises(errors.UniqueViolation, match=r"a deleted row of public\.coin has this key"):
                conn.execute(statement)
        conn.execute("SELECT dbperf.enable_soft_delete('coin', on_deleted_key => 'revive')")
        conn.execute(upsert)
        assert conn.execute("SELECT * FROM coin_active ORDER BY 1").fetchall() == [(1, "BTC", 7), (2, "ETH", 1)]
        with psycopg.connect(dsn) as deleter, psycopg.connect(dsn, autocommit=True) as writer:
            deleter.execute("DELETE FROM coin WHERE id = 1")
            blocked = Blocked(conn, writer, lambda: writer.execute(upsert).rowcount)
            deleter.commit()
            assert blocked.finish() == 1
        assert ids(conn, "coin_active") == {1, 2}


def test_rows_that_are_not_marked_are_an_error(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        make(conn, "ordinary")
        conn.execute("CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        conn.execute("CREATE TRIGGER skip BEFORE UPDATE ON tick FOR EACH ROW EXECUTE FUNCTION skip()")
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="from being marked"):
            conn.execute("DELETE FROM tick WHERE id = 1")
        assert ids(conn) == ALL


def test_a_nested_delete_does_not_eat_a_revival(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE coin (id integer PRIMARY KEY, size integer); INSERT INTO coin VALUES (1, 1), (2, 1)")
        conn.execute("SELECT dbperf.enable_soft_delete('coin', on_deleted_key => 'revive')")
        conn.execute(
            "CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN DELETE FROM coin WHERE id = 2; RETURN NEW; END'"
        )
        conn.execute("CREATE TRIGGER e BEFORE INSERT ON coin FOR EACH ROW EXECUTE FUNCTION nested()")
        conn.execute("DELETE FROM coin WHERE id = 1")
        conn.execute("INSERT INTO coin VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET size = EXCLUDED.size")
        assert conn.execute("SELECT * FROM coin_active").fetchall() == [(1, 9)]


def test_rows_without_a_primary_key(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE log (line json, place point, n integer)")
        conn.execute("INSERT INTO log SELECT '{}', '(1,2)', g / 2 FROM generate_series(0, 5) AS g")
        conn.execute("INSERT INTO log VALUES (NULL, NULL, NULL)")
        conn.execute("SELECT dbperf.enable_soft_delete('log')")
        assert conn.execute("DELETE FROM log_active WHERE n = 1").rowcount == 2
        assert conn.execute("DELETE FROM log_active WHERE n IS NULL").rowcount == 1
        assert value(conn, "SELECT count(*) FROM log_active") == 4
        assert value(conn, "SELECT count(*) FROM log") == 7


def test_a_view_deletes_nothing_that_changed_meanwhile(dsn: str, db: psycopg.Connection, shape: str) -> None:
    with psycopg.connect(dsn) as writer, psycopg.connect(dsn, autocommit=True) as deleter:
        writer.execute("UPDATE tick SET note = 'keep' WHERE id = 1")
        blocked = Blocked(db, deleter, lambda: deleter.execute("DELETE FROM tick_active WHERE note = 'row 1'"))
        writer.commit()
        cursor = blocked.finish()
    if shape == "ordinary":
        assert isinstance(blocked.error, errors.SerializationFailure)
    else:
        assert cursor.rowcount == 0
    assert ids(db) == ALL


def test_a_cascade_is_checked_when_it_is_complete(dsn: str, db: psycopg.Connection) -> None:
    """What soft_delete() sets, anybody can set: the check comes at the latest with COMMIT."""
    mark = "UPDATE venue SET deleted_at = now(), deleted_batch = pg_current_xact_id()::text::bigint WHERE id = 1"
    with psycopg.connect(dsn, options="-c dbperf.cascade=on") as conn:
        conn.execute("SET CONSTRAINTS ALL DEFERRED")
        conn.execute(mark.encode())
        with pytest.raises(errors.ForeignKeyViolation):
            conn.commit()
        conn.execute(mark.encode())
        conn.execute("SELECT dbperf.soft_delete('tick', 'venue_id = 1')")
    assert value(db, "SELECT deleted_at IS NOT NULL FROM venue WHERE id = 1")
    with psycopg.connect(dsn) as conn:
        conn.execute("SELECT dbperf.soft_delete('venue', 'id = 2', \"cascade\" => true)")
        with pytest.raises(errors.ForeignKeyViolation):  # it does not inherit the first one's patience
            conn.execute("SELECT dbperf.soft_delete('venue', 'id = 3')")
        conn.rollback()
    assert ids(db, "venue_active") == {2, 3}


def test_only_what_marks_is_recorded(db: psycopg.Connection) -> None:
    """An ORM may name every column in each UPDATE."""
    for statement in ("SELECT statement FROM dbperf.soft_delete_index('tick')",):
        for (index,) in db.execute(statement.encode()).fetchall():
            db.execute(index)
    db.execute("DELETE FROM tick WHERE id = 1")
    before = value(db, "SELECT count(*) FROM dbperf.deletion")
    for table in ("tick", "venue"):
        db.execute(f"UPDATE {table} SET deleted_at = deleted_at, deleted_batch = deleted_batch, id = id".encode())
        db.execute(f"UPDATE {table} SET deleted_at = NULL WHERE deleted_at IS NULL".encode())
        db.execute(f"UPDATE {table} SET deleted_at = NULL WHERE false".encode())
    assert value(db, "SELECT count(*) FROM dbperf.deletion") == before


@pytest.mark.parametrize(
    "trigger",
    [
        "own_trigger AFTER DELETE ON own FOR EACH ROW",
        "protect BEFORE DELETE ON own FOR EACH ROW",
        "own_trigger AFTER DELETE ON own REFERENCING OLD TABLE AS gone FOR EACH STATEMENT",
        "normalise BEFORE INSERT ON own FOR EACH ROW",
    ],
)
def test_triggers_that_would_do_something_else_need_acceptance(dsn: str, trigger: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE own (id integer PRIMARY KEY)")
        conn.execute("CREATE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        conn.execute(f"CREATE TRIGGER {trigger} EXECUTE FUNCTION public.own()".encode())
        with pytest.raises(errors.ObjectNotInPrerequisiteState) as refused:
            conn.execute("SELECT dbperf.enable_soft_delete('own')")
        assert trigger.split()[0] in str(refused.value.diag.message_detail)
        conn.execute("SELECT dbperf.enable_soft_delete('own', accept_triggers => true)")
        assert not conn.execute("SELECT FROM dbperf.verify('own') WHERE severity = 'problem'").fetchall()


def test_disabling_brings_nothing_back_to_life(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        make(conn, "ordinary")
        conn.execute("DELETE FROM tick WHERE id = 1")
        conn.execute("CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        conn.execute("CREATE TRIGGER a_keep BEFORE DELETE ON tick FOR EACH ROW EXECUTE FUNCTION public.keep()")
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="keeps deleted rows"):
            conn.execute("SELECT dbperf.disable_soft_delete('tick')")
        assert ids(conn) == ALL - {1}


def test_a_deleted_row_does_not_take_the_key_of_a_live_one(db: psycopg.Connection) -> None:
    """Its children would hang below it; UPDATEs that leave the key alone pass."""
    db.execute("INSERT INTO venue VALUES (7, 'seven')")
    db.execute("DELETE FROM venue WHERE id = 7")
    db.execute("UPDATE venue SET name = 'x', id = id")
    db.execute("SELECT dbperf.soft_delete('tick', 'venue_id = 1')")
    for statement in (
        "UPDATE venue SET id = CASE id WHEN 1 THEN 100 ELSE 1 END WHERE id IN (1, 7)",
        "UPDATE venue SET id = 50 WHERE id = 7",
    ):
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="stays as it is"):
            db.execute(statement.encode())
    assert not db.execute("SELECT FROM dbperf.orphans('tick')").fetchall()


def test_a_row_that_references_itself_is_purged(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE node (id integer PRIMARY KEY, up integer REFERENCES node)")
        conn.execute("INSERT INTO node VALUES (1, 1), (2, 1), (3, 3)")
        conn.execute("SELECT dbperf.enable_soft_delete('node')")
        conn.execute("SELECT dbperf.soft_delete('node', 'true')")
        conn.execute("SELECT dbperf.undelete(max(batch)) FROM dbperf.deletion")
        conn.execute("SELECT dbperf.soft_delete('node', 'id = 3')")
        assert conn.execute("CALL dbperf.purge('node', '0')").fetchone() == (1,)
        assert ids(conn, "node") == {1, 2}


def test_names_are_cut_by_bytes(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        name = "ü" * 31
        conn.execute(f'CREATE TABLE "{name}" (id integer PRIMARY KEY)'.encode())
        conn.execute(f'INSERT INTO "{name}" VALUES (1), (2)'.encode())
        conn.execute("SELECT dbperf.enable_soft_delete(%s)", [f'"{name}"'])
        for (index,) in conn.execute("SELECT statement FROM dbperf.soft_delete_index(%s)", [f'"{name}"']).fetchall():
            conn.execute(index)
        conn.execute(f'DELETE FROM "{name}" WHERE id = 1'.encode())
        side = value(conn, "SELECT dbperf.disable_soft_delete(%s)::text", f'"{name}"')
        assert ids(conn, side) == {1}


def test_generated_identity_and_strange_columns(dsn: str) -> None:
    """The partitioned form puts whole rows back: each column as it was."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            'CREATE TABLE "T %s" ("Id ""x" bigint GENERATED ALWAYS AS IDENTITY, at date NOT NULL, gone integer, "select" text,'
            ' doubled bigint GENERATED ALWAYS AS ("Id ""x" * 2) STORED, stamp timestamptz DEFAULT now(), r int4range)'
            " PARTITION BY RANGE (at)"
        )
        conn.execute('ALTER TABLE "T %s" DROP COLUMN gone')
        conn.execute("CREATE TABLE part (z integer, r int4range, doubled bigint, stamp timestamptz, at date NOT NULL, "
                     '"select" text, "Id ""x" bigint NOT NULL)')  # fmt: skip
        conn.execute("DROP TABLE part")
        conn.execute("CREATE TABLE part PARTITION OF \"T %s\" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
        conn.execute(
            "INSERT INTO \"T %s\" (at, \"select\", r) SELECT '2026-01-01'::date + g, 'x', '[1,2)' FROM generate_series(1, 9) AS g"
        )
        before = conn.execute('SELECT * FROM "T %s" ORDER BY 1').fetchall()
        conn.execute("SELECT dbperf.enable_soft_delete('\"T %s\"')")
        assert conn.execute('DELETE FROM "T %s_active" WHERE "Id ""x" < 5').rowcount == 4
        rows = conn.execute('SELECT * FROM "T %s" ORDER BY 1').fetchall()
        assert [row[:-2] for row in rows] == before
