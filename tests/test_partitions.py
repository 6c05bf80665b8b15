"""Partitions by policy: the calendar, what is made and what is refused."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from dbperf import partitions
from dbperf.errors import LockedError, PartitionBoundsError, PartitionError, UsageError
from tests.conftest import OWNER
from tests.shapes import Blocked, value
from tests.support import Cluster
from tests.support import dbperf as run_dbperf

NOW = datetime(2026, 11, 1, 5, 30)  # an hour that New York has twice

#: encoding → type of the key, and how it stands for a naive UTC time
KEYS: dict[str, tuple[str, Callable[[datetime], Any]]] = {
    "date": ("date", lambda at: at.date()),
    "timestamp": ("timestamp", lambda at: at),
    "timestamptz": ("timestamptz", lambda at: f"{at}+00"),
    "s": ("bigint", lambda at: round((at - datetime(1970, 1, 1)) / timedelta(seconds=1))),
    "ms": ("bigint", lambda at: round((at - datetime(1970, 1, 1)) / timedelta(milliseconds=1))),
    "us": ("bigint", lambda at: round((at - datetime(1970, 1, 1)) / timedelta(microseconds=1))),
    "ns": ("bigint", lambda at: round((at - datetime(1970, 1, 1)) / timedelta(microseconds=1)) * 1000),
    "uuidv7": ("uuid", lambda at: _uuid7(at)),
}


def _uuid7(at: datetime) -> uuid.UUID:
    milliseconds = round((at - datetime(1970, 1, 1)) / timedelta(milliseconds=1))
    return uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | 12345)


@pytest.fixture
def conn(trading_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(trading_db, autocommit=True, options="-c TimeZone=America/New_York") as connection:
        yield connection


def set_clock(conn: psycopg.Connection, now: datetime) -> None:
    """Partitions take *now* (UTC) for now."""
    conn.execute(
        f"CREATE OR REPLACE FUNCTION dbperf.utc_now() RETURNS timestamp LANGUAGE sql STABLE AS $$ SELECT timestamp '{now}' $$".encode()
    )


def make_table(conn: psycopg.Connection, name: str = "md", key: str = "timestamp") -> None:
    """A partitioned table like market_data, without a partition."""
    conn.execute(
        f"CREATE TABLE {name} (id bigserial, at {key} NOT NULL, instrument_id integer NOT NULL REFERENCES instruments,"
        " price double precision, PRIMARY KEY (id, instrument_id, at)) PARTITION BY RANGE (at)".encode()
    )
    conn.execute(f"CREATE INDEX ON {name} (instrument_id, at, price)".encode())


def add_policy(conn: psycopg.Connection, name: str = "md", **settings: Any) -> None:
    policy = {"every": "1 month", "ahead": "3 months", "max_ahead": "1 year", "max_behind": "1 year", **settings}
    columns = ", ".join(policy)
    conn.execute(
        f"INSERT INTO dbperf.partition_policy (relation, {columns}) VALUES (%s{', %s' * len(policy)})".encode(),
        [name, *policy.values()],
    )


def bounds(conn: psycopg.Connection, name: str = "md") -> list[tuple[str, str, str]]:
    query = "SELECT partition::text, lower_bound::text, upper_bound::text FROM dbperf.partitions WHERE relation = %s::regclass ORDER BY 2"
    return conn.execute(query.encode(), [name]).fetchall()


def log(conn: psycopg.Connection) -> list[Any]:
    query = "SELECT relation::text, created, closed, sqlstate FROM dbperf.maintenance_log ORDER BY id"
    return conn.execute(query).fetchall()


# -- the calendar ----------------------------------------------------------------------------


INTERVALS = [
    ("1 hour", "2026-11-01 05:59:59.999999", "2026-11-01 05:00:00", "2026-11-01 06:00:00"),
    ("6 hours", "2026-03-08 07:30:00", "2026-03-08 06:00:00", "2026-03-08 12:00:00"),
    ("1 day", "2024-02-29 23:59:59", "2024-02-29 00:00:00", "2024-03-01 00:00:00"),
    ("7 days", "2026-11-23 00:00:00", "2026-11-23 00:00:00", "2026-11-30 00:00:00"),  # a Monday
    ("7 days", "1999-12-31 12:00:00", "1999-12-27 00:00:00", "2000-01-03 00:00:00"),
    ("1 month", "2024-02-29 12:00:00", "2024-02-01 00:00:00", "2024-03-01 00:00:00"),
    ("1 month", "2026-12-31 23:59:59", "2026-12-01 00:00:00", "2027-01-01 00:00:00"),
    ("3 months", "2026-11-23 00:00:00", "2026-10-01 00:00:00", "2027-01-01 00:00:00"),
    ("6 months", "2026-06-30 23:00:00", "2026-01-01 00:00:00", "2026-07-01 00:00:00"),
    ("1 year", "1969-07-20 20:17:00", "1969-01-01 00:00:00", "1970-01-01 00:00:00"),
]


def test_where_intervals_begin(conn: psycopg.Connection) -> None:
    query = "SELECT dbperf.partition_floor(%s, %s)::text, (dbperf.partition_floor(%s, %s) + %s::interval)::text"
    for every, at, lower, upper in INTERVALS:
        assert conn.execute(query, [every, at, every, at, every]).fetchone() == (lower, upper), (every, at)


@pytest.mark.parametrize("encoding", KEYS)
def test_every_type_of_key(conn: psycopg.Connection, encoding: str) -> None:
    """Rows at both edges of an interval go where UTC says, under a TimeZone that has daylight saving."""
    for every in ("1 day", "1 hour", "3 months"):
        with conn.transaction(force_rollback=True):
            _edges(conn, encoding, every)


def _edges(conn: psycopg.Connection, encoding: str, every: str) -> None:
    kind, literal = KEYS[encoding]
    set_clock(conn, NOW)
    make_table(conn, key=kind)
    width = {"1 day": "2 days", "1 hour": "3 hours", "3 months": "6 months"}[every]
    settings = {"every": every, "ahead": width, "max_ahead": width, "max_behind": width}
    if encoding == "date" and every == "1 hour":
        with pytest.raises(errors.InvalidParameterValue), conn.transaction():
            add_policy(conn, **settings)
        return
    add_policy(conn, **settings, **({"encoding": encoding} if kind == "bigint" else {}))
    conn.execute("SELECT dbperf.create_partition('md', w.lower, w.upper) FROM dbperf.wanted_partitions('md') AS w")
    assert len(bounds(conn)) >= 3
    for leaf, lower, upper in bounds(conn):
        first, last = datetime.fromisoformat(lower), datetime.fromisoformat(upper)
        step = timedelta(days=1) if encoding == "date" else timedelta(milliseconds=1) if encoding in ("ms", "uuidv7") else timedelta(seconds=1) if encoding == "s" else timedelta(microseconds=1)  # fmt: skip
        for at in (first, last - step):
            conn.execute("INSERT INTO md (at, instrument_id) VALUES (%s, 1)", [literal(at)])
            assert value(conn, "SELECT tableoid::regclass::text FROM md ORDER BY id DESC LIMIT 1") == leaf
    with pytest.raises(errors.CheckViolation, match="no partition"), conn.transaction():
        conn.execute("INSERT INTO md (at, instrument_id) VALUES (%s, 1)", [literal(last)])


def test_values_stand_for_times_both_ways(conn: psycopg.Connection) -> None:
    days = ["1970-01-01", "2024-02-29", "2026-03-08", "2026-11-01", "2262-01-01"]
    query = "SELECT dbperf.partition_time(%s, dbperf.partition_value(%s, %s))::date::text"
    for encoding in KEYS:
        assert [value(conn, query, encoding, encoding, day) for day in days] == days


# -- what is made ----------------------------------------------------------------------------


def test_ahead_whether_or_not_data_arrives(conn: psycopg.Connection) -> None:
    set_clock(conn, NOW)
    make_table(conn)
    add_policy(conn)
    for month in range(11, 15):
        set_clock(conn, datetime(2026 + (month - 1) // 12, (month - 1) % 12 + 1, 15))
        conn.execute("CALL dbperf.maintain()")
    assert [name for name, _, _ in bounds(conn)] == [
        "md_p2026_11", "md_p2026_12", "md_p2027_01", "md_p2027_02", "md_p2027_03", "md_p2027_04", "md_p2027_05"
    ]  # fmt: skip
    assert [row[1:] for row in log(conn)] == [(4, 0, None), (1, 0, None), (1, 0, None), (1, 0, None)]
    row = conn.execute(
        "SELECT inserts_succeed_until::text, is_long_enough, missing FROM dbperf.partition_runway"
    ).fetchone()
    assert row == ("2027-06-01 00:00:00", True, 0)
    set_clock(conn, datetime(2027, 8, 1))
    row = conn.execute("SELECT inserts_succeed_until, is_long_enough, missing FROM dbperf.partition_runway").fetchone()
    assert row == (None, False, 5)  # June, July: nobody maintained


def test_gaps_are_cut_to_fit_their_neighbours(conn: psycopg.Connection) -> None:
    set_clock(conn, NOW)
    make_table(conn)
    conn.execute("CREATE TABLE odd PARTITION OF md FOR VALUES FROM ('2026-11-10 12:00') TO ('2026-12-24')")
    conn.execute("CREATE TABLE far PARTITION OF md FOR VALUES FROM ('2027-01-31 23:59:59') TO (MAXVALUE)")
    conn.execute("CREATE TABLE old PARTITION OF md FOR VALUES FROM (MINVALUE) TO ('2026-10-31')")
    add_policy(conn)
    conn.execute("CALL dbperf.maintain()")
    assert bounds(conn) == [
        ("old", "-infinity", "2026-10-31 00:00:00"),
        ("md_p2026_10_31_000000", "2026-10-31 00:00:00", "2026-11-01 00:00:00"),
        ("md_p2026_11_01_000000", "2026-11-01 00:00:00", "2026-11-10 12:00:00"),
        ("odd", "2026-11-10 12:00:00", "2026-12-24 00:00:00"),
        ("md_p2026_12_24_000000", "2026-12-24 00:00:00", "2027-01-01 00:00:00"),
        ("md_p2027_01_01_000000", "2027-01-01 00:00:00", "2027-01-31 23:59:59"),
        ("far", "2027-01-31 23:59:59", "infinity"),
    ]
    assert value(conn, "SELECT inserts_succeed_until::text FROM dbperf.partition_runway") == "infinity"


def test_a_clock_years_ahead_makes_no_decades(conn: psycopg.Connection) -> None:
    set_clock(conn, NOW)
    make_table(conn)
    add_policy(conn, max_behind="2 months")
    conn.execute("CALL dbperf.maintain()")
    conn.execute("INSERT INTO md (at, instrument_id) VALUES ('2026-11-05', 1)")
    set_clock(conn, datetime(2046, 7, 1))
    conn.execute("CALL dbperf.maintain()")
    assert len(bounds(conn)) == 4 + 5  # two months behind, and three from the current one on
    assert value(conn, "SELECT count(*) FROM dbperf.partitions WHERE state = 'closed'") == 4
    set_clock(conn, datetime(2026, 12, 1))
    conn.execute("CALL dbperf.maintain()")
    assert value(conn, "SELECT count(*) FROM dbperf.partitions WHERE state = 'closed'") == 0
    assert value(conn, "SELECT count(*) FROM dbperf.partitions WHERE state = 'outside'") == 5
    assert value(conn, "SELECT inserts_succeed_until::text FROM dbperf.partition_runway") == "2027-03-01 00:00:00"


def test_closed_partitions_are_recorded(conn: psycopg.Connection) -> None:
    set_clock(conn, datetime(2026, 6, 1))
    make_table(conn)
    add_policy(conn, id_column="id", max_behind="10 days")
    conn.execute("CALL dbperf.maintain()")
    conn.execute(
        "INSERT INTO md (at, instrument_id) SELECT '2026-06-05'::timestamp + g * interval '1 hour', 1 FROM generate_series(1, 50) AS g"
    )
    set_clock(conn, datetime(2026, 8, 5))
    conn.execute("CALL dbperf.maintain()")
    row = conn.execute(
        "SELECT partition::text, rows, rows_are_exact, first_at::text, last_at::text, first_id, last_id"
        " FROM dbperf.partitions WHERE state = 'closed'"
    ).fetchall()
    assert row == [("md_p2026_06", 50, True, "2026-06-05 01:00:00", "2026-06-07 02:00:00", 1, 50)]


def test_a_policy_changed_under_way(conn: psycopg.Connection) -> None:
    set_clock(conn, NOW)
    make_table(conn)
    add_policy(conn)
    conn.execute("CALL dbperf.maintain()")
    conn.execute("UPDATE dbperf.partition_policy SET every = '7 days', ahead = '120 days'")
    conn.execute("CALL dbperf.maintain()")
    assert log(conn)[-1][3] is None
    assert value(conn, "SELECT missing FROM dbperf.partition_runway") == 0
    assert bounds(conn)[4] == ("md_p2027_03_01", "2027-03-01 00:00:00", "2027-03-08 00:00:00")
    conn.execute("UPDATE dbperf.partition_policy SET paused = true, ahead = '200 days'")
    before = bounds(conn)
    conn.execute("CALL dbperf.maintain()")
    assert bounds(conn) == before


def test_one_bad_table_stops_no_other(conn: psycopg.Connection) -> None:
    """The complaint about every other partition manager."""
    set_clock(conn, NOW)
    for name in ("a_dropped", "b_default", "c_taken", "d_good"):
        make_table(conn, name)
        add_policy(conn, name)
    conn.execute("DROP TABLE a_dropped")
    conn.execute("CREATE TABLE b_rest PARTITION OF b_default DEFAULT")
    conn.execute("CREATE TYPE c_taken_p2026_11 AS (x integer)")  # a type takes the name of a table
    found = {done.table: done for done in partitions.maintain(conn)}
    states = {row[0]: row[3] for row in log(conn)}
    assert sorted(state for state in states.values() if state) == ["42P01", "55000"]
    assert (found["public.d_good"].created, found["public.d_good"].sqlstate) == (4, None)
    assert found["public.c_taken"].created == 4  # under another name
    assert "drain_default" in str(found["public.b_default"])
    assert run_dbperf("partitions", "maintain", dsn=conn.info.dsn, check=1).returncode == 1


def test_soft_delete_comes_along(conn: psycopg.Connection) -> None:
    make_table(conn)
    add_policy(conn)
    conn.execute("CALL dbperf.maintain()")
    conn.execute("SELECT dbperf.enable_soft_delete('md')")
    name = partitions.ensure(conn, "md", datetime.now() + timedelta(days=200))
    conn.execute(
        "INSERT INTO md (at, instrument_id) SELECT lower_bound, 1 FROM dbperf.partitions WHERE partition = %s::regclass",
        [name],
    )
    conn.execute(f"DELETE FROM {name}".encode())
    assert value(conn, "SELECT count(*) FROM md WHERE deleted_at IS NOT NULL") == 1
    assert not conn.execute("SELECT FROM dbperf.verify('md') WHERE severity = 'problem'").fetchall()


@pytest.mark.chaos
def test_what_cannot_be_done_stops_nothing_else(trading_db: str, conn: psycopg.Connection) -> None:
    """A locked leaf or an interrupted DETACH: the other tables, and what is ahead, go on."""
    set_clock(conn, NOW)
    for name in ("a_locked", "b_pending", "d_good"):
        make_table(conn, name)
        add_policy(conn, name, max_behind="1 month")
    conn.execute("CREATE TABLE a_old PARTITION OF a_locked FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')")
    conn.execute("CREATE TABLE b_old PARTITION OF b_pending FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')")
    with psycopg.connect(trading_db) as reader, psycopg.connect(trading_db, autocommit=True) as detacher:
        reader.execute("SELECT FROM b_pending")
        blocked = Blocked(
            conn, detacher, lambda: detacher.execute("ALTER TABLE b_pending DETACH PARTITION b_old CONCURRENTLY")
        )
        detacher.cancel()
        blocked.finish()
    assert value(conn, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 1
    with psycopg.connect(trading_db) as holder:
        holder.execute("LOCK TABLE a_old IN ACCESS EXCLUSIVE MODE")
        found = {done.table: done for done in partitions.maintain(conn)}
    assert (found["public.a_locked"].created, found["public.a_locked"].sqlstate) == (5, "55P03")
    assert (found["public.b_pending"].created, found["public.b_pending"].sqlstate) == (4, None)
    assert (found["public.d_good"].created, found["public.d_good"].sqlstate) == (4, None)
    assert value(conn, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 0


def test_whatever_the_connection_is_like(trading_db: str, conn: psycopg.Connection) -> None:
    make_table(conn)
    add_policy(conn)
    with psycopg.connect(trading_db, autocommit=True, row_factory=dict_row) as dicts:
        dicts.execute("SET default_transaction_isolation = 'repeatable read'")
        assert partitions.ensure(dicts, "md", datetime.now()).startswith("public.md_p")  # type: ignore[arg-type]
        with pytest.raises(errors.ActiveSqlTransaction):
            dicts.execute("SELECT dbperf.ensure_partition('md', now() + '90 days')")
        assert partitions.maintain(dicts)[0].sqlstate is None  # type: ignore[arg-type]
        assert partitions.listing(dicts)["runway"]  # type: ignore[arg-type]


def test_bounds_finer_than_a_timestamp(conn: psycopg.Connection) -> None:
    """A UUID with its version, nanoseconds: what comes beside them fits exactly."""
    set_clock(conn, NOW)
    for key, encoding, lower, upper in (
        ("uuid", None, "019a3c5e-7000-7000-8000-000000000000", "019a4c5e-7000-7000-8000-000000000001"),
        ("bigint", "ns", "1762000000000000001", "1762100000000000999"),
    ):
        make_table(conn, "fine", key)
        conn.execute(f"CREATE TABLE old PARTITION OF fine FOR VALUES FROM ('{lower}') TO ('{upper}')".encode())
        add_policy(conn, "fine", **({"encoding": encoding} if encoding else {}), max_behind="14 months")
        conn.execute("CALL dbperf.maintain('fine')")
        assert log(conn)[-1][3] is None
        conn.execute(
            "SELECT dbperf.create_partition('fine', '2025-10-15', l.lower) FROM dbperf.partition_bounds('fine') AS l WHERE l.leaf = 'old'::regclass"
        )
        rows = conn.execute(
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE 'fine%'"
        ).fetchall()
        edges = " ".join(row[0] for row in rows)
        assert f"TO ('{lower}')" in edges
        assert f"FROM ('{upper}')" in edges
        conn.execute("DELETE FROM dbperf.partition_policy; DROP TABLE fine")


def test_dates_that_no_timestamp_holds(conn: psycopg.Connection) -> None:
    make_table(conn, key="date")
    conn.execute("CREATE TABLE far PARTITION OF md FOR VALUES FROM ('2026-01-01') TO ('300000-01-01')")
    add_policy(conn)
    assert bounds(conn) == [("far", "2026-01-01 00:00:00", "infinity")]
    assert partitions.maintain(conn)[0].sqlstate is None


def test_an_encoding_that_the_partitions_do_not_have(conn: psycopg.Connection) -> None:
    make_table(conn, key="bigint")
    conn.execute("CREATE TABLE old PARTITION OF md FOR VALUES FROM (1767225600000) TO (1769904000000)")
    for wrong in ("s", "us", "ns"):
        with pytest.raises(errors.InvalidParameterValue, match="which is no time in"):
            add_policy(conn, encoding=wrong)
    add_policy(conn, encoding="ms")
    with pytest.raises(errors.InvalidParameterValue, match="which is no time in"):
        conn.execute("UPDATE dbperf.partition_policy SET encoding = 's'")


def test_a_template_that_does_not_fit_stops_no_partition(conn: psycopg.Connection) -> None:
    set_clock(conn, NOW)
    make_table(conn)
    add_policy(conn)
    conn.execute("SELECT dbperf.make_template('md')")
    conn.execute("CREATE POLICY own ON md_template USING (price > 0); ALTER TABLE md RENAME price TO paid")
    done = partitions.maintain(conn)[0]
    assert (done.created, done.sqlstate) == (4, "42703")
    conn.execute("ALTER TABLE md_template RENAME price TO paid")
    assert partitions.maintain(conn)[0].sqlstate is None
    assert value(conn, "SELECT count(*) FROM pg_policy WHERE polname = 'own'") == 5


def test_what_inserts_need_comes_first_for_every_table(conn: psycopg.Connection) -> None:
    """Closing and changing the first table wait until the last one has its partitions."""
    set_clock(conn, NOW)
    for name in ("a", "b"):
        make_table(conn, name)
        add_policy(conn, name, max_behind="1 day")
        conn.execute(
            f"CREATE TABLE {name}_old PARTITION OF {name} FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')".encode()
        )
    conn.execute("CALL dbperf.maintain()")
    created = "SELECT min(xmin::text::bigint), max(xmin::text::bigint) FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '^[ab]_p'"
    row = conn.execute(created).fetchone()
    assert row is not None
    closed = value(conn, "SELECT min(xmin::text::bigint) FROM dbperf.closed_partition")
    assert row[1] < closed
    assert [entry[1:] for entry in log(conn)] == [(5, 1, None), (5, 1, None)]


def test_sizes_and_new_partitions_wait_for_no_locked_one(trading_db: str, conn: psycopg.Connection) -> None:
    set_clock(conn, NOW)
    make_table(conn)
    add_policy(conn)
    conn.execute("SELECT dbperf.enable_soft_delete('md')")
    conn.execute("CREATE TABLE old PARTITION OF md FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')")
    with psycopg.connect(trading_db) as holder:
        holder.execute("LOCK TABLE old IN ACCESS EXCLUSIVE MODE")
        conn.execute("SET lock_timeout = '50ms'")
        done = partitions.maintain(conn)[0]
        assert (done.created, done.sqlstate) == (3, None)
        listed = {row["partition"]: row["bytes"] for row in partitions.listing(conn, "md")["partitions"]}
        assert listed.pop("public.old") is None
        assert None not in listed.values()
        assert "? MB" in run_dbperf("partitions", "list", "md", dsn=conn.info.dsn).stdout


@pytest.mark.superuser
def test_ensure_as_the_role_that_was_set(cluster: Cluster, trading_db: str) -> None:
    """Needs a role that is a member of the owner."""
    with psycopg.connect(trading_db, autocommit=True) as owner, cluster.admin("postgres") as admin:
        make_table(owner)
        add_policy(owner)
        admin.execute(f"CREATE ROLE member LOGIN IN ROLE {OWNER} NOINHERIT".encode())
        try:
            with psycopg.connect(make_conninfo(trading_db, user="member"), autocommit=True) as conn:
                conn.execute(f"SET ROLE {OWNER}".encode())
                assert partitions.ensure(conn, "md", datetime.now()).startswith("public.md_p")
        finally:
            admin.execute("DROP ROLE member")


def test_the_alert_comes_before_inserts_fail(conn: psycopg.Connection) -> None:
    """Also where the policy wants no more than one interval."""
    set_clock(conn, datetime(2026, 11, 2))
    make_table(conn)
    add_policy(conn, ahead="1 month")
    conn.execute("CREATE TABLE now_ PARTITION OF md FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')")
    long_enough = "SELECT is_long_enough FROM dbperf.partition_runway"
    assert value(conn, long_enough)
    set_clock(conn, datetime(2026, 11, 26))
    assert not value(conn, long_enough)


def test_a_locked_table_keeps_no_other_waiting(trading_db: str, conn: psycopg.Connection) -> None:
    """Not even under a timeout that ends the second attempt; what was done is logged."""
    set_clock(conn, NOW)
    make_table(conn, "a_blocked")
    conn.execute("CREATE TABLE z_plain (at timestamp NOT NULL) PARTITION BY RANGE (at)")
    for name in ("a_blocked", "z_plain"):
        add_policy(conn, name)
    with psycopg.connect(trading_db) as writer:
        writer.execute("UPDATE instruments SET last_price = 1 WHERE id = 1")
        conn.execute("SET statement_timeout = '1s'")
        with pytest.raises(errors.QueryCanceled):
            conn.execute("CALL dbperf.maintain()")
    assert sorted(log(conn)) == [("a_blocked", 0, 0, "55P03"), ("z_plain", 4, 0, None)]


@pytest.mark.parametrize(
    "trigger",
    [
        "CREATE TRIGGER t AFTER INSERT ON md_template REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION nothing()",
        "CREATE TRIGGER t AFTER INSERT ON md FOR EACH ROW EXECUTE FUNCTION nothing();"
        " CREATE TRIGGER t AFTER INSERT ON md_template FOR EACH ROW EXECUTE FUNCTION nothing()",
    ],
)
def test_a_trigger_that_no_partition_can_have(conn: psycopg.Connection, trigger: str) -> None:
    set_clock(conn, NOW)
    make_table(conn)
    add_policy(conn)
    conn.execute("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    conn.execute("SELECT dbperf.make_template('md')")
    conn.execute(trigger.encode())
    done = partitions.maintain(conn)[0]
    assert done.created == 4
    assert done.sqlstate in ("0A000", "42710")


def test_names_that_begin_alike(conn: psycopg.Connection) -> None:
    set_clock(conn, NOW)
    tables = ["m" * 60 + "a", "m" * 60 + "b"]
    for name in tables:
        make_table(conn, name)
        add_policy(conn, name)
        conn.execute("CALL dbperf.maintain()")
    found = [{leaf for leaf, _, _ in bounds(conn, name)} for name in tables]
    assert len(found[0] | found[1]) == 8
    assert all(len(leaf) <= 63 for leaf in found[0] | found[1])
    stems = {leaf[: leaf.rindex("_p2026")] for leaf in found[0] | found[1] if "_p2026" in leaf}
    assert len(stems) == 2


def test_ensure_only_by_itself(trading_db: str, conn: psycopg.Connection) -> None:
    make_table(conn)
    add_policy(conn)
    with psycopg.connect(trading_db) as writer:
        writer.execute("SELECT 1")
        with pytest.raises(errors.ActiveSqlTransaction):
            writer.execute("SELECT dbperf.ensure_partition('md', now())")
    assert bounds(conn) == []
    conn.execute(
        "CREATE TABLE sub PARTITION OF md FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY RANGE (at)"
    )
    with pytest.raises(errors.WrongObjectType, match="or a partition itself"):
        add_policy(conn, "sub")
    with psycopg.connect(trading_db) as writer, pytest.raises(UsageError, match="autocommit"):
        partitions.maintain(writer)


@pytest.mark.superuser
def test_a_writer_that_may_make_partitions(cluster: Cluster, trading_db: str) -> None:
    """Needs a role that owns nothing."""
    with psycopg.connect(trading_db, autocommit=True) as owner, cluster.admin("postgres") as admin:
        make_table(owner)
        add_policy(owner)
        admin.execute("CREATE ROLE ingest LOGIN")
        try:
            owner.execute("GRANT INSERT ON md TO ingest; GRANT USAGE ON SCHEMA dbperf TO ingest")
            owner.execute("GRANT EXECUTE ON FUNCTION dbperf.ensure_partition, dbperf.partition_for TO ingest")
            with psycopg.connect(make_conninfo(trading_db, user="ingest"), autocommit=True) as conn:
                made = partitions.ensure(conn, "md", datetime.now())
                assert partitions.ensure(conn, "md", datetime.now()) == made
                with pytest.raises(errors.InsufficientPrivilege):
                    conn.execute("CALL dbperf.maintain()")
        finally:
            with cluster.admin(owner.info.dbname) as here:
                here.execute("DROP OWNED BY ingest")
            admin.execute("DROP ROLE ingest")


# -- what is refused -------------------------------------------------------------------------


REFUSED: list[tuple[dict[str, Any], type[psycopg.Error]]] = [
    ({"every": "25 hours"}, errors.CheckViolation),
    (
        {"every": "90 minutes", "ahead": "3 hours", "max_ahead": "1 day", "max_behind": "1 day"},
        errors.CheckViolation,
    ),
    ({"every": "5 months"}, errors.CheckViolation),
    ({"every": "1 month 1 day"}, errors.CheckViolation),
    ({"every": "-1 day"}, errors.CheckViolation),
    ({"every": "2 years"}, errors.CheckViolation),
    ({"ahead": "1 day"}, errors.CheckViolation),
    ({"max_ahead": "1 month"}, errors.CheckViolation),
    ({"max_behind": "-1 day"}, errors.CheckViolation),
    ({"every": "1 year", "ahead": "1 year", "max_behind": "300 years"}, errors.CheckViolation),
    ({"retain": "6 months"}, errors.CheckViolation),
    ({"retain_bytes": 0}, errors.CheckViolation),
    ({"every": "1 hour"}, errors.ProgramLimitExceeded),
    ({"id_column": "price"}, errors.UndefinedColumn),
    ({"id_column": "nothing"}, errors.UndefinedColumn),
]


def test_policies_that_cannot_be(conn: psycopg.Connection) -> None:
    make_table(conn)
    for settings, error in REFUSED:
        with pytest.raises(error):
            add_policy(conn, **settings)


def test_a_template_is_a_table_of_the_same_owner(conn: psycopg.Connection) -> None:
    make_table(conn)
    conn.execute("CREATE VIEW v AS SELECT 1 AS id")
    with pytest.raises(errors.WrongObjectType, match="no template"):
        add_policy(conn, template="v")
    add_policy(conn)
    conn.execute("SELECT dbperf.make_template('md')")


def test_tables_that_cannot_have_one(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE by_list (at timestamp) PARTITION BY LIST (at)")
    conn.execute("CREATE TABLE by_two (at timestamp, id integer) PARTITION BY RANGE (at, id)")
    conn.execute("CREATE TABLE by_expression (at timestamp) PARTITION BY RANGE ((at + interval '1 day'))")
    for table in ("by_list", "by_two", "by_expression", "instruments"):
        with pytest.raises(errors.WrongObjectType):
            add_policy(conn, table)
    conn.execute("CREATE TABLE by_number (at bigint) PARTITION BY RANGE (at)")
    conn.execute("CREATE TABLE by_text (at text) PARTITION BY RANGE (at)")
    for table in ("by_number", "by_text"):
        with pytest.raises(errors.InvalidParameterValue):
            add_policy(conn, table)


def test_more_partitions_than_the_lock_table_holds(conn: psycopg.Connection) -> None:
    """Also when they came behind the policy's back."""
    make_table(conn)
    add_policy(conn)
    conn.execute(
        "CREATE OR REPLACE FUNCTION dbperf.partition_capacity(relation regclass) RETURNS integer LANGUAGE sql STABLE AS 'SELECT 2'"
    )
    done = partitions.maintain(conn)
    assert (done[0].created, done[0].sqlstate) == (4, None)  # an INSERT that fails would be worse
    assert value(conn, "SELECT room FROM dbperf.partition_runway") == -2


def test_out_of_bounds(conn: psycopg.Connection) -> None:
    make_table(conn)
    with pytest.raises(PartitionError, match="no partition policy"):
        partitions.ensure(conn, "md", datetime.now())
    add_policy(conn)
    for far in (datetime(2099, 1, 1), datetime(1999, 1, 1)):
        with pytest.raises(PartitionBoundsError, match="too far from now"):
            partitions.ensure(conn, "md", far)
    for never in ("infinity", "-infinity"):
        with pytest.raises(psycopg.Error) as refused:
            conn.execute("SELECT dbperf.ensure_partition('md', %s)", [never])
        assert refused.value.sqlstate == "DP005"
    assert bounds(conn) == []


def test_not_in_a_transaction_that_has_written(trading_db: str, conn: psycopg.Connection) -> None:
    make_table(conn)
    add_policy(conn)
    with psycopg.connect(trading_db) as writer:
        writer.execute("SELECT count(*) FROM instruments")
        assert partitions.ensure(writer, "md", datetime.now()).startswith("public.md_p")
        writer.execute("UPDATE instruments SET last_price = 1 WHERE id = 1")
        partitions.ensure(writer, "md", datetime.now())  # it is there
        with pytest.raises(PartitionError, match=r"has already written public\.instruments"):
            partitions.ensure(writer, "md", datetime.now() + timedelta(days=60))
        with pytest.raises(errors.ActiveSqlTransaction):
            writer.execute("SELECT dbperf.ensure_partition('md', now() + '90 days')")
        writer.rollback()
        writer.execute("UPDATE instruments SET last_price = 1 WHERE id = 1")
        with pytest.raises(LockedError, match="somebody holds a lock"):
            partitions.ensure(conn, "md", datetime.now() + timedelta(days=60))
        writer.commit()
    assert len(bounds(conn)) == 1


def test_eight_who_need_the_same_partition(trading_db: str, conn: psycopg.Connection) -> None:
    make_table(conn)
    add_policy(conn)
    names: list[str] = []
    barrier = threading.Barrier(8)

    def need() -> None:
        with psycopg.connect(trading_db, autocommit=True) as mine:
            barrier.wait()
            names.append(partitions.ensure(mine, "md", datetime.now()))

    threads = [threading.Thread(target=need) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 8
    assert len(set(names)) == len(bounds(conn)) == 1


def test_a_rollback_forgets_no_policy(conn: psycopg.Connection) -> None:
    make_table(conn)
    add_policy(conn)
    conn.execute("CALL dbperf.maintain()")
    done = run_dbperf("rollback", "--to", "0008", dsn=conn.info.dsn, check=1)
    assert "tables still have a partition policy: public.md" in done.stderr
    conn.execute("DELETE FROM dbperf.partition_policy")
    run_dbperf("rollback", "--to", "0008", dsn=conn.info.dsn)
    assert value(conn, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'md'::regclass") == 4


def test_from_the_command_line(conn: psycopg.Connection) -> None:
    dsn = conn.info.dsn
    assert "no table has a partition policy" in run_dbperf("partitions", "list", dsn=dsn).stdout
    make_table(conn)
    add_policy(conn)
    assert "inserts fail now; 4 partitions are missing" in run_dbperf("partitions", "list", dsn=dsn).stdout
    assert "public.md: 4 made, 0 closed" in run_dbperf("partitions", "maintain", dsn=dsn).stdout
    assert "inserts succeed until" in run_dbperf("partitions", "list", "md", dsn=dsn).stdout
    made = run_dbperf("partitions", "ensure", "md", "2026-03-08T02:30:00", dsn=dsn).stdout
    assert made == "public.md_p2026_03\n"
    run_dbperf("partitions", "index", "md", "ix_md_price", "btree (price)", dsn=dsn)
    assert value(conn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_md_price'::regclass")
    for wrong in (["ensure", "md", "tomorrow"], ["maintain", "--every", "1x"], ["list", "nowhere"]):
        run_dbperf("partitions", *wrong, dsn=dsn, check=64)
