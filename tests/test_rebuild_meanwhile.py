"""What somebody changes between the steps of a rebuild: it is refused by name, and an abort leaves the table as it was."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from tests import catalogue
from tests.shapes import value

NEXT = "id bigint NOT NULL, at timestamp NOT NULL, venue_id integer NOT NULL REFERENCES venue, price double precision"
ORDINARY = f"CREATE TABLE quote_next ({NEXT}, PRIMARY KEY (id))"
PARTITIONED = f"""
    CREATE TABLE quote_next ({NEXT}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE quote_leaf PARTITION OF quote_next FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""


@pytest.fixture
def conn(migrated_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(migrated_db, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(
            """
            CREATE TABLE venue (id integer PRIMARY KEY);
            INSERT INTO venue SELECT g FROM generate_series(1, 20) AS g;
            CREATE TABLE quote (id serial PRIMARY KEY, at timestamp NOT NULL,
                venue_id integer NOT NULL CONSTRAINT of_venue REFERENCES venue, price numeric(12,4));
            INSERT INTO quote (at, venue_id, price) SELECT timestamp '2026-02-20' + g * interval '2 hours', g % 20 + 1, g
            FROM generate_series(1, 200) AS g;
            CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            """
        )
        yield connection


def start(conn: psycopg.Connection, table: str = "quote") -> None:
    conn.execute("SELECT dbperf.rebuild_start(%s, %s)", [table, f"{table}_next"])


def run(conn: psycopg.Connection, table: str = "quote") -> None:
    conn.execute("CALL dbperf.rebuild_run(%s)", [table])


def refused(call: object, words: str) -> None:
    diagnosis = call.value.diag  # type: ignore[attr-defined]
    assert words in f"{diagnosis.message_primary} {diagnosis.message_detail}"


TARGET_CHANGES = [
    ("CREATE TABLE kid (quote_id bigint REFERENCES quote_next ON DELETE CASCADE)", "references public.quote_next"),
    ("ALTER TABLE quote_next SET UNLOGGED", "temporary or unlogged"),
    ("CREATE RULE r AS ON UPDATE TO quote_next DO INSTEAD NOTHING", "has rules"),
    ("CREATE TRIGGER own AFTER INSERT ON quote_next FOR EACH ROW EXECUTE FUNCTION see()", "trigger own of its own"),
    ("CREATE TABLE elder (); ALTER TABLE quote_next INHERIT elder", "by INHERITS"),
    ("ALTER TABLE quote_next DROP CONSTRAINT quote_next_pkey", "no index of public.quote_next begins with id"),
]
TABLE_CHANGES = [
    (
        "ALTER TABLE quote_next ADD CONSTRAINT other FOREIGN KEY (id) REFERENCES venue NOT VALID",
        "has got foreign key other",
    ),
    ("ALTER TABLE quote ADD CONSTRAINT other FOREIGN KEY (id) REFERENCES venue NOT VALID", "has got foreign key other"),
    ("ALTER TABLE quote DROP CONSTRAINT of_venue", "has no foreign key of_venue any more"),
    ("CREATE RULE r AS ON DELETE TO quote DO INSTEAD NOTHING", "has rules"),
    ("ALTER TABLE quote_next SET SCHEMA elsewhere", "in another schema"),
    ("ALTER TABLE quote ADD COLUMN note text", "columns of public.quote"),
]


@pytest.mark.parametrize(("change", "words"), TARGET_CHANGES)
def test_targets_that_lose_rows_are_not_begun_with(conn: psycopg.Connection, change: str, words: str) -> None:
    conn.execute(ORDINARY.encode())
    conn.execute(change.encode())
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as call:
        start(conn)
    refused(call, words)


@pytest.mark.parametrize("is_copied", [False, True])
@pytest.mark.parametrize(("change", "words"), TARGET_CHANGES + TABLE_CHANGES)
def test_changes_after_the_start_stop_it(conn: psycopg.Connection, change: str, words: str, is_copied: bool) -> None:
    """Before the first run they stop that, later the cutover; both can be aborted."""
    conn.execute("CREATE SCHEMA elsewhere")
    before = set(map(str, catalogue.dump(conn)["triggers"]))
    conn.execute(ORDINARY.encode())
    start(conn)
    if is_copied:
        run(conn)
        assert conn.execute("SELECT * FROM dbperf.rebuild_verify('quote')").fetchall() == []
    conn.execute(change.encode())
    step = "SELECT dbperf.rebuild_cutover('quote')" if is_copied else "CALL dbperf.rebuild_run('quote')"
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as call:
        conn.execute(step.encode())
    if is_copied or "references" not in words:
        refused(call, words)
    conn.execute("SELECT dbperf.rebuild_abort('quote')")
    conn.execute("DROP RULE IF EXISTS r ON quote; ALTER TABLE quote DROP CONSTRAINT IF EXISTS other")
    conn.execute("DROP TABLE IF EXISTS quote_next, elsewhere.quote_next CASCADE")
    assert set(map(str, catalogue.dump(conn)["triggers"])) - before == set()
    assert value(conn, "SELECT count(*) FROM quote") == 200


def test_children_of_the_copy_are_not_deleted_with_it(conn: psycopg.Connection) -> None:
    conn.execute(ORDINARY.encode())
    start(conn)
    run(conn)
    conn.execute("CREATE TABLE kid (quote_id bigint REFERENCES quote_next ON DELETE CASCADE)")
    conn.execute("INSERT INTO kid VALUES (3)")
    conn.execute("UPDATE quote SET price = 7 WHERE id = 3")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="only kept in step"):
        run(conn)
    assert value(conn, "SELECT count(*) FROM kid") == 1


@pytest.mark.parametrize("change", ["SET UNLOGGED", "trigger"])
def test_partitions_of_the_target_are_looked_at_too(conn: psycopg.Connection, change: str) -> None:
    conn.execute(PARTITIONED.encode())
    if change == "trigger":
        conn.execute("CREATE TRIGGER own AFTER INSERT ON quote_leaf FOR EACH ROW EXECUTE FUNCTION see()")
    else:
        conn.execute("ALTER TABLE quote_leaf SET UNLOGGED")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        start(conn)


@pytest.mark.parametrize("first", ["venue", "quote"])
def test_tables_that_reference_each_other_are_rebuilt_one_after_the_other(conn: psycopg.Connection, first: str) -> None:
    """Each remembers its foreign keys as they were when it began."""
    conn.execute("CREATE TABLE venue_next (id bigint PRIMARY KEY)")
    conn.execute(ORDINARY.encode())
    start(conn, first)
    second = "quote" if first == "venue" else "venue"
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as call:
        start(conn, second)
    refused(call, "is being rebuilt, or was and is not finalized")
    run(conn, first)
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify(%s)", [first]).fetchall() == []
    conn.execute("SELECT dbperf.rebuild_cutover(%s)", [first])
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        start(conn, second)
    run(conn, first)
    conn.execute("SELECT dbperf.rebuild_finalize(%s)", [first])
    if first == "venue":  # the author wrote it when the table was another one
        conn.execute("DROP TABLE quote_next")
        conn.execute(ORDINARY.encode())
    start(conn, second)
    run(conn, second)
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify(%s)", [second]).fetchall() == []
    conn.execute("SELECT dbperf.rebuild_cutover(%s)", [second])
    run(conn, second)
    with pytest.raises(errors.ForeignKeyViolation):
        conn.execute("INSERT INTO quote (at, venue_id) VALUES ('2026-03-01', 99)")
    with pytest.raises(errors.ForeignKeyViolation):
        conn.execute("DELETE FROM venue WHERE id = 5")


def test_what_the_target_cannot_be_given_is_found_at_the_start(conn: psycopg.Connection) -> None:
    conn.execute("ALTER TABLE quote ADD COLUMN flag integer DEFAULT 0")
    conn.execute(ORDINARY.encode())
    conn.execute("ALTER TABLE quote_next ADD COLUMN flag boolean")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="cannot be given what"):
        start(conn)
    conn.execute("ALTER TABLE quote_next ALTER flag SET DEFAULT false")
    start(conn)
    run(conn)
    assert conn.execute("SELECT * FROM dbperf.rebuild_verify('quote')").fetchall() == []


def test_long_names_of_columns_that_begin_alike(conn: psycopg.Connection) -> None:
    one, other = "c" * 58 + "a", "c" * 58 + "b"
    conn.execute(f"ALTER TABLE quote ADD COLUMN {one} integer, ADD COLUMN {other} integer".encode())
    conn.execute(ORDINARY.encode())
    conn.execute(f"ALTER TABLE quote_next ADD COLUMN {one} bigint, ADD COLUMN {other} bigint".encode())
    start(conn)
    run(conn)
    fits = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'quote_next'::regclass AND conname LIKE 'dbperf\\_fits\\_c%'"
    assert value(conn, fits) == 2


def test_generated_keys_are_refused(conn: psycopg.Connection) -> None:
    for name in ("calc", "calc_next"):
        conn.execute(
            f"CREATE TABLE {name} (a integer, id integer GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY)".encode()
        )
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as call:
        start(conn, "calc")
    refused(call, "the key column id of public.calc is generated")


@pytest.mark.parametrize("dropped", ["quote", "quote_next"])
def test_a_dropped_table_ends_it(conn: psycopg.Connection, dropped: str) -> None:
    conn.execute(ORDINARY.encode())
    start(conn)
    run(conn)
    conn.execute(f"DROP TABLE {dropped} CASCADE".encode())
    left = "quote" if dropped == "quote_next" else "quote_next"
    for statement in (
        "CALL dbperf.rebuild_run(%s)",
        "SELECT dbperf.rebuild_verify(%s)",
        "SELECT dbperf.rebuild_abort(%s)",
    ):
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="was dropped") as call:
            conn.execute(statement.encode(), [left])
        assert "dbperf.rebuild_forget(" in str(call.value.diag.message_hint)
    conn.execute("SELECT dbperf.rebuild_forget(id) FROM dbperf.rebuild WHERE ended_at IS NULL")
    conn.execute(f"INSERT INTO {left} (id, at, venue_id) VALUES (5000000000 % 4000000000, '2026-03-01', 1)".encode())
    assert value(conn, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbperf\\_rebuild\\_%'") == 0


def test_an_abort_before_the_first_run_changes_no_key(conn: psycopg.Connection) -> None:
    conn.execute(ORDINARY.encode())
    start(conn)
    conn.execute("SELECT dbperf.rebuild_abort('quote')")
    keys = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'quote_next'::regclass AND contype = 'f'"
    assert value(conn, keys) == 1
    conn.execute("ALTER TABLE quote_next DROP CONSTRAINT quote_next_venue_id_fkey")
    conn.execute("ALTER TABLE quote DROP CONSTRAINT of_venue")
    start(conn)
    run(conn)
