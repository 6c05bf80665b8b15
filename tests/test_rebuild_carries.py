"""What a rebuild hands on to the target, what it rehearses, what it refuses; foreign keys of the table and of its copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from dbperf.migrations import migrate, rollback
from tests import catalogue
from tests.conftest import BEFORE_REBUILDS
from tests.shapes import value

ORDINARY = """
CREATE TABLE quote_next (id bigint PRIMARY KEY, at timestamp NOT NULL, venue_id integer NOT NULL REFERENCES venue ON DELETE RESTRICT, price numeric(20,8), note text, kind text, flag boolean)
"""
PARTITIONED = """
CREATE TABLE quote_next (id bigint NOT NULL, at timestamp NOT NULL, venue_id integer NOT NULL REFERENCES venue ON DELETE RESTRICT, price numeric(20,8), note text, kind text, flag boolean, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE quote_next_a PARTITION OF quote_next FOR VALUES FROM (MINVALUE) TO ('2026-03-01');
CREATE TABLE quote_next_b PARTITION OF quote_next FOR VALUES FROM ('2026-03-01') TO (MAXVALUE)
"""
TARGETS = pytest.mark.parametrize("target", [ORDINARY, PARTITIONED], ids=["ordinary", "partitioned"])


@pytest.fixture
def conn(migrated_db: str) -> Iterator[psycopg.Connection]:
    """A table ``quote`` of 200 rows below ``venue``, with all kinds of things that hang on it."""
    with psycopg.connect(migrated_db, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TYPE mood AS ENUM ('calm', 'wild');
            CREATE TABLE venue (id integer PRIMARY KEY);
            INSERT INTO venue SELECT g FROM generate_series(1, 20) AS g;
            CREATE TABLE quote (id serial PRIMARY KEY, at timestamp NOT NULL, venue_id integer NOT NULL CONSTRAINT of_venue REFERENCES venue ON DELETE CASCADE,
                price numeric(12,4), note varchar(10), kind mood, flag boolean NOT NULL DEFAULT false) WITH (fillfactor = 80);
            COMMENT ON CONSTRAINT of_venue ON quote IS 'Where it was made.';
            CREATE INDEX quote_at ON quote (at);
            INSERT INTO quote (at, venue_id, price, note, kind) SELECT timestamp '2026-02-20' + g * interval '2 hours', g % 20 + 1, g, 'n', 'calm' FROM generate_series(1, 200) AS g;
            """
        )
        yield connection


def start(conn: psycopg.Connection, accept: str = "{}") -> None:
    conn.execute("SELECT dbperf.rebuild_start('quote', 'quote_next', NULL, %s)", [accept])


def cut_over(conn: psycopg.Connection) -> None:
    conn.execute("CALL dbperf.rebuild_run('quote')")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('quote')").fetchall() == []
    conn.execute("SELECT dbperf.rebuild_cutover('quote')")


def revert(conn: psycopg.Connection) -> None:
    conn.execute("CALL dbperf.rebuild_run('quote')")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('quote')").fetchall() == []
    conn.execute("SELECT dbperf.rebuild_revert('quote')")


def without_numbers(conn: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """The catalogue; sequences have gone on."""
    dumped = catalogue.dump(conn)
    dumped["sequences"] = [row[:-1] for row in dumped["sequences"]]
    return dumped


KEYS = """
SELECT conname, convalidated, confdeltype::text, obj_description(oid, 'pg_constraint') FROM pg_constraint
WHERE contype = 'f' AND conrelid = 'quote'::regclass ORDER BY 1
"""


@TARGETS
def test_the_copy_keeps_nobody_from_deleting_what_the_table_references_no_more(
    conn: psycopg.Connection, target: str
) -> None:
    """The copy is a moment behind: as long as nothing is drained."""
    conn.execute(target.encode())
    start(conn)
    conn.execute("CALL dbperf.rebuild_run('quote')")
    conn.execute("DELETE FROM quote WHERE venue_id = 1; DELETE FROM venue WHERE id = 1")
    cut_over(conn)
    conn.execute("DELETE FROM quote WHERE venue_id = 2; DELETE FROM venue WHERE id = 2")  # nothing was tidied up
    revert(conn)
    conn.execute("DELETE FROM quote WHERE venue_id = 3; DELETE FROM venue WHERE id = 3")
    conn.execute("CALL dbperf.rebuild_settle('quote')")
    conn.execute("SELECT dbperf.rebuild_abort('quote')")
    conn.execute("DELETE FROM quote WHERE venue_id = 4; DELETE FROM venue WHERE id = 4")
    assert value(conn, "SELECT count(*) FROM quote") == 160


@TARGETS
def test_foreign_keys_are_there_whoever_is_used(conn: psycopg.Connection, target: str) -> None:
    before = without_numbers(conn)
    conn.execute(target.encode())
    start(conn)
    cut_over(conn)
    for _ in range(2):
        with pytest.raises(errors.ForeignKeyViolation):
            conn.execute("INSERT INTO quote (at, venue_id) VALUES ('2026-03-01', 99)")
        with pytest.raises((errors.ForeignKeyViolation, errors.RestrictViolation)):
            conn.execute("DELETE FROM venue WHERE id = 5")
        conn.execute("CALL dbperf.rebuild_run('quote')")
        assert conn.execute(KEYS).fetchall() == [("of_venue", True, "r", "Where it was made.")] or _has_no_comment(conn)
        revert(conn)
        cut_over(conn)
        revert(conn)
        conn.execute("CALL dbperf.rebuild_run('quote')")
        assert conn.execute(KEYS).fetchall() == [("of_venue", True, "c", "Where it was made.")]
        conn.execute("DELETE FROM venue WHERE id = (SELECT max(id) FROM venue)")  # cascades
        cut_over(conn)
    inherited = (
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text ~ '^quote(_next)?_[ab]$'"
    )
    conn.execute("CALL dbperf.rebuild_run('quote')")
    if target == PARTITIONED:
        assert value(conn, inherited + " AND conparentid <> 0") == value(conn, inherited) == 2
    revert(conn)
    conn.execute("CALL dbperf.rebuild_settle('quote')")
    conn.execute("SELECT dbperf.rebuild_abort('quote'); DROP TABLE quote_next")
    assert without_numbers(conn) == before


def _has_no_comment(conn: psycopg.Connection) -> bool:
    """The author gave the target's key none."""
    return conn.execute(KEYS).fetchall() == [("of_venue", True, "r", None)]


@TARGETS
def test_settings_that_the_author_left_out(conn: psycopg.Connection, target: str) -> None:
    conn.execute(
        """
        ALTER TABLE quote ALTER note SET STATISTICS 500, ALTER note SET (n_distinct = 10);
        CREATE STATISTICS quote_places (ndistinct, mcv) ON venue_id, flag FROM quote;
        COMMENT ON INDEX quote_at IS 'By time.';
        COMMENT ON CONSTRAINT quote_pkey ON quote IS 'Ids.';
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER see BEFORE INSERT ON quote FOR EACH ROW EXECUTE FUNCTION see();
        COMMENT ON TRIGGER see ON quote IS 'Sees.';
        CREATE VIEW calm AS SELECT id, at, venue_id, kind FROM quote WHERE kind::text = 'calm';
        ALTER VIEW calm ALTER kind SET DEFAULT 'calm';
        CREATE POLICY cheap ON quote USING (price < 500);
        """
    )
    calm = value(conn, "SELECT pg_get_viewdef('calm'::regclass)")
    conn.execute(target.encode())
    conn.execute("CREATE INDEX ON quote_next (at)")
    start(conn)
    cut_over(conn)
    assert value(conn, "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'quote'::regclass AND attname = 'note'") == 500  # fmt: skip
    assert value(conn, "SELECT attoptions::text FROM pg_attribute WHERE attrelid = 'quote'::regclass AND attname = 'note'") == "{n_distinct=10}"  # fmt: skip
    if target == ORDINARY:
        assert value(conn, "SELECT reloptions::text FROM pg_class WHERE oid = 'quote'::regclass") == "{fillfactor=80}"
    statistics = "SELECT stxrelid::regclass::text FROM pg_statistic_ext WHERE stxname = 'quote_places'"
    assert value(conn, statistics) == "quote"
    assert value(conn, "SELECT obj_description('quote_at'::regclass)") == "By time."
    assert value(conn, "SELECT obj_description(oid) FROM pg_constraint WHERE conname = 'quote_next_pkey' OR conrelid = 'quote'::regclass AND contype = 'p'") == "Ids."  # fmt: skip
    assert value(conn, "SELECT obj_description(oid) FROM pg_trigger WHERE tgrelid = 'quote'::regclass AND tgname = 'see'") == "Sees."  # fmt: skip
    conn.execute("INSERT INTO calm (at, venue_id) VALUES ('2026-03-01', 5)")
    assert value(conn, "SELECT count(*) FROM calm") == 201
    revert(conn)
    assert value(conn, statistics) == "quote"
    assert value(conn, "SELECT pg_get_viewdef('calm'::regclass)") == calm  # as it was, not translated there and back
    assert value(conn, "SELECT qual FROM pg_policies WHERE tablename = 'quote'") == "(price < (500)::numeric)"


def test_what_is_wider_is_kept_so_that_it_can_go_back(conn: psycopg.Connection) -> None:
    """Longer texts, larger numbers, other labels, no NULL where there was none: refused until it is finalized."""
    conn.execute(ORDINARY.encode())
    start(conn)
    cut_over(conn)
    for column, wrong in (("note", "'12345678901'"), ("price", "123456789"), ("kind", "'bored'"), ("flag", "NULL")):
        with pytest.raises((errors.CheckViolation, errors.NumericValueOutOfRange, errors.InvalidTextRepresentation)):
            conn.execute(f"UPDATE quote SET {column} = {wrong} WHERE id = 1".encode())
    conn.execute("UPDATE quote SET note = '1234567890', price = 99999999.9999, kind = 'wild', flag = true WHERE id = 1")
    conn.execute("CALL dbperf.rebuild_run('quote'); ")
    conn.execute("SELECT dbperf.rebuild_finalize('quote')")
    conn.execute("UPDATE quote SET note = '12345678901', price = 123456789, kind = 'bored', flag = NULL WHERE id = 1")


REFUSED = [
    ("CREATE VIEW rounded AS SELECT round(price, 2) AS price FROM quote", "view rounded cannot be made of quote_next"),
    ("CREATE VIEW grouped AS SELECT id, note, count(*) FROM quote GROUP BY id", None),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER rising BEFORE UPDATE ON quote FOR EACH ROW WHEN (round(NEW.price, 2) > 1) EXECUTE FUNCTION f()",
        "trigger rising cannot be made of quote_next",
    ),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER own BEFORE UPDATE ON quote_next FOR EACH ROW EXECUTE FUNCTION f()",
        "quote_next has a trigger own of its own",
    ),
    (
        "CREATE VIEW calm AS SELECT id FROM quote; CREATE FUNCTION calm_ones() RETURNS SETOF calm LANGUAGE sql AS 'SELECT id FROM calm'",
        "function calm_ones() uses the row type of public.calm",
    ),
    (
        "ALTER TABLE quote ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON quote USING (id > (SELECT min(id) FROM quote))",
        "policy p of public.quote reads the table itself",
    ),
    ("CREATE POLICY p ON quote USING (round(price, 2) > 1)", "policy p cannot be made of quote_next"),
    (
        "CREATE POLICY p ON quote FOR INSERT WITH CHECK (round(price, 2) > 1)",
        "policy p cannot be made of quote_next",
    ),
    (
        "ALTER TABLE quote ADD COLUMN before integer REFERENCES quote; ALTER TABLE quote_next ADD COLUMN before integer REFERENCES quote",
        "quote_before_fkey of public.quote references the table itself",
    ),
    (
        "ALTER TABLE quote DROP CONSTRAINT of_venue, ADD CONSTRAINT of_venue FOREIGN KEY (venue_id) REFERENCES venue NOT VALID",
        "foreign key of_venue of public.quote was never validated",
    ),
    (
        "ALTER TABLE quote DROP CONSTRAINT of_venue",
        "nobody has checked its rows",
    ),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED)
def test_what_would_be_found_at_the_cutover_is_found_at_the_start(
    conn: psycopg.Connection, change: str, reason: str | None
) -> None:
    conn.execute(ORDINARY.encode())
    conn.execute("ALTER TABLE quote_next ALTER price TYPE double precision")
    conn.execute(change.encode())
    before = catalogue.dump(conn)
    if reason is None:
        start(conn)
        cut_over(conn)
        return
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as refused:
        start(conn)
    assert reason.replace("quote_next cannot", "public.quote_next cannot") in str(refused.value.diag.message_detail).replace("public.rounded", "rounded").replace("of public.quote_next", "of quote_next").replace("function public.", "function "), refused.value.diag.message_detail  # fmt: skip
    assert catalogue.dump(conn) == before


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE quote DROP CONSTRAINT of_venue",
        "ALTER TABLE quote_next DROP CONSTRAINT quote_next_venue_id_fkey",
        "ALTER TABLE quote ADD CONSTRAINT again FOREIGN KEY (venue_id) REFERENCES venue",
    ],
)
def test_foreign_keys_without_a_partner(conn: psycopg.Connection, change: str) -> None:
    """Accepted, they stay with the table whose they are."""
    conn.execute(ORDINARY.encode())
    conn.execute(change.encode())
    keys = conn.execute(KEYS).fetchall()
    start(conn, "{foreign key}")
    cut_over(conn)
    revert(conn)
    cut_over(conn)
    revert(conn)
    conn.execute("CALL dbperf.rebuild_run('quote')")
    assert conn.execute(KEYS).fetchall() == keys


@TARGETS
def test_what_changes_while_it_is_cut_over(conn: psycopg.Connection, target: str) -> None:
    """Keys that go, tables that get other names, triggers that are replaced, children that are dropped."""
    conn.execute(
        """
        CREATE FUNCTION f1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE FUNCTION f2() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER tg BEFORE INSERT ON quote FOR EACH ROW EXECUTE FUNCTION f1();
        """
    )
    if target == ORDINARY:
        conn.execute("CREATE TABLE child (quote_id integer REFERENCES quote); INSERT INTO child VALUES (1)")
    conn.execute(target.encode())
    start(conn)
    cut_over(conn)
    conn.execute("DROP TABLE IF EXISTS child")
    conn.execute("ALTER TABLE venue RENAME TO place")
    conn.execute("CREATE OR REPLACE TRIGGER tg BEFORE INSERT ON quote FOR EACH ROW EXECUTE FUNCTION f2()")
    revert(conn)
    assert value(conn, "SELECT tgfoid::regproc::text FROM pg_trigger WHERE tgname = 'tg' AND tgrelid = 'quote'::regclass") == "f2"  # fmt: skip
    conn.execute("CALL dbperf.rebuild_run('quote')")
    assert [key[1] for key in conn.execute(KEYS).fetchall()] == [True]
    cut_over(conn)
    conn.execute("CALL dbperf.rebuild_run('quote')")
    conn.execute("ALTER TABLE quote DROP CONSTRAINT of_venue")
    conn.execute("CALL dbperf.rebuild_run('quote')")
    revert(conn)
    conn.execute("CALL dbperf.rebuild_run('quote')")
    conn.execute("SELECT dbperf.rebuild_abort('quote')")


@TARGETS
def test_checks_that_are_put_off(conn: psycopg.Connection, target: str) -> None:
    """A key that is INITIALLY DEFERRED, a trigger, and changes that the swap itself has to apply."""
    conn.execute(
        """
        ALTER TABLE quote DROP CONSTRAINT of_venue, ADD CONSTRAINT of_venue FOREIGN KEY (venue_id) REFERENCES venue DEFERRABLE INITIALLY DEFERRED;
        CREATE FUNCTION f1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER tg AFTER INSERT ON quote FOR EACH ROW EXECUTE FUNCTION f1();
        """
    )
    conn.execute(target.replace("ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED").encode())
    start(conn)
    conn.execute("CALL dbperf.rebuild_run('quote')")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('quote')").fetchall() == []
    for swap in ("cutover", "revert", "cutover"):
        conn.execute("UPDATE quote SET price = price + 1 WHERE id <= 50")
        conn.execute(f"SELECT dbperf.rebuild_{swap}('quote', unverified => true)".encode())
    conn.execute("CALL dbperf.rebuild_run('quote')")
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('quote')").fetchall() == []


def test_identity_goes_on_under_its_name(conn: psycopg.Connection) -> None:
    conn.execute(
        """
        CREATE TABLE o (id integer GENERATED BY DEFAULT AS IDENTITY (INCREMENT BY 2) PRIMARY KEY, v numeric(12,4));
        INSERT INTO o (v) SELECT g FROM generate_series(1, 10) AS g;
        CREATE TABLE o_next (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v double precision);
        SELECT dbperf.rebuild_start('o', 'o_next');
        """
    )
    number = 19
    conn.execute("CALL dbperf.rebuild_run('o')")
    conn.execute("SELECT * FROM dbperf.rebuild_verify('o')")
    for swap in ("cutover", "revert", "cutover"):
        conn.execute(f"SELECT dbperf.rebuild_{swap}('o', unverified => true)".encode())
        assert value(conn, "INSERT INTO o (v) VALUES (1) RETURNING id") == number + 2
        assert value(conn, "SELECT nextval('o_id_seq')") == number + 4
        number += 4
        conn.execute("CALL dbperf.rebuild_run('o')")


def test_a_restored_dump_can_be_written(conn: psycopg.Connection) -> None:
    """There transactions have other numbers than where the names were swapped."""
    conn.execute(ORDINARY.encode())
    start(conn)
    cut_over(conn)
    definition = value(
        conn,
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'dbperf_rebuild_snapshot' AND tgrelid = 'quote'::regclass",
    )
    number = value(conn, "SELECT swapped_xid::text FROM dbperf.rebuild")
    assert f"'{number}'" in definition
    conn.execute("CREATE TABLE restored (id integer)")
    conn.execute(definition.replace(f"'{number}'", "'99999999999'").replace(" ON public.quote ", " ON restored "))
    conn.execute("INSERT INTO restored VALUES (1)")
    assert value(conn, "SELECT count(*) FROM restored") == 1


def test_revert_asks_for_a_verify(conn: psycopg.Connection) -> None:
    conn.execute(ORDINARY.encode())
    start(conn)
    cut_over(conn)
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="has not been verified"):
        conn.execute("SELECT dbperf.rebuild_revert('quote')")
    conn.execute("CALL dbperf.rebuild_run('quote')")
    conn.execute("DELETE FROM quote_old WHERE id = 9")
    assert len(conn.execute("SELECT * FROM dbperf.rebuild_verify('quote')").fetchall()) == 1
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="differs in 1 row"):
        conn.execute("SELECT dbperf.rebuild_revert('quote')")
    conn.execute("UPDATE quote SET flag = true WHERE id = 9")
    revert(conn)
    assert value(conn, "SELECT count(*) FROM quote") == 200


# -- migrations ------------------------------------------------------------------------------


def test_a_rebuild_that_is_refused_leaves_nothing_and_can_be_accepted(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("CREATE PUBLICATION ticks FOR TABLE market_data")
        before = without_numbers(conn)
        with pytest.raises(errors.ObjectNotInPrerequisiteState):
            migrate(trading_db)  # dbperf's own tables come first, in a transaction of their own
        with_own = without_numbers(conn)
        with pytest.raises(errors.ObjectNotInPrerequisiteState) as refused:
            migrate(trading_db)
        assert "published by ticks" in str(refused.value.diag.message_detail)
        assert without_numbers(conn) == with_own
        migrate(trading_db, accept=["publication"])
        assert value(conn, "SELECT prrelid = 'market_data'::regclass FROM pg_publication_rel")
        rollback(trading_db, to=BEFORE_REBUILDS, accept=["publication"])
        assert without_numbers(conn) == before


def _somebody_elses(conn: psycopg.Connection, name: str, refused: Callable[[], Any]) -> None:
    conn.execute(f"CREATE TABLE {name} (precious text)".encode())
    conn.execute(f"INSERT INTO {name} VALUES ('mine')".encode())
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="not from dbperf"):
        refused()
    assert value(conn, f"SELECT precious FROM {name}") == "mine"
    conn.execute(f"DROP TABLE {name}".encode())


def test_tables_of_somebody_else_are_not_taken_for_ours(trading_db: str) -> None:
    """Neither on the way up nor on the way back; without them it goes on."""
    with psycopg.connect(trading_db, autocommit=True) as conn:
        for name in ("market_data_next", "alert_logs_next"):
            _somebody_elses(conn, name, lambda: migrate(trading_db))
        migrate(trading_db)
        for table in ("market_data", "alert_logs"):
            conn.execute("CALL dbperf.rebuild_run(%s)", [table])
            conn.execute("SELECT dbperf.rebuild_finalize(%s)", [table])
        _somebody_elses(conn, "market_data_back", lambda: rollback(trading_db, to=BEFORE_REBUILDS))
        rollback(trading_db, to=BEFORE_REBUILDS)


def test_an_aborted_rebuild_in_reverse_begins_anew(trading_db: str, upgraded_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        before = without_numbers(conn)
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        for table in ("market_data", "alert_logs"):
            conn.execute("CALL dbperf.rebuild_run(%s)", [table])
            conn.execute("SELECT dbperf.rebuild_finalize(%s)", [table])
        for _ in range(2):
            for (statement,) in conn.execute("SELECT statement FROM dbperf.downgrade_table('market_data')").fetchall():
                if "rebuild_verify" in statement:
                    break
                conn.execute(statement.encode())
            conn.execute("SELECT dbperf.rebuild_abort('market_data')")
        rollback(upgraded_db, to=BEFORE_REBUILDS)
        assert without_numbers(conn) == before
