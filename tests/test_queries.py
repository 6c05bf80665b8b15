"""The application's queries: the same rows from partitions as from one table, however those are cut."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from benchmarks import workload
from dbperf import queries
from dbperf.errors import UsageError
from tests.shapes import value
from tests.support import Cluster

APP = "dbperf_test_reader"

#: Bounds of the partitions of market_data, in the order in which they are made; None for DEFAULT.
LAYOUTS: dict[str, list[tuple[str, str] | None]] = {
    "monthly": [("2009-01-01", "2009-02-01"), *[(f"2026-0{n}-01", f"2026-0{n + 1}-01") for n in range(4, 9)], ("2099-12-01", "2100-01-01")],
    "default": [None, ("2026-05-01", "2026-06-01")],
    "gap": [("2026-06-10", "2026-07-01"), None, ("2026-04-01", "2026-05-01"), ("2026-07-01", "2026-08-01")],
    "open": [("MINVALUE", "2026-04-01"), ("2026-04-01", "2026-06-30 20:00"), ("2026-06-30 20:00", "MAXVALUE")],
    "reverse": [("2099-01-01", "2100-01-01"), *[(f"2026-06-{n:02}", f"2026-06-{n + 1:02}") for n in range(29, 0, -1)], None],
}  # fmt: skip


def _partition(conn: psycopg.Connection, table: str, bounds: list[tuple[str, str] | None]) -> None:
    for number, bound in enumerate(bounds):
        low, high = (f"{x}" if x and "VALUE" in x else f"'{x}'" for x in bound or ("", ""))
        words = f"FOR VALUES FROM ({low}) TO ({high})" if bound else "DEFAULT"
        conn.execute(f"CREATE TABLE {table}_{number} PARTITION OF {table} {words}".encode())


def _copy(conn: psycopg.Connection, bounds: list[tuple[str, str] | None]) -> None:
    """Schema ``part`` with the tables of alerts and ticks, partitioned."""
    conn.execute("CREATE SCHEMA part")
    for table in ("market_data", "alert_logs"):
        conn.execute(
            f'CREATE TABLE part.{table} (LIKE {table} INCLUDING DEFAULTS) PARTITION BY RANGE ("timestamp")'.encode()
        )
        conn.execute(f'CREATE INDEX ON part.{table} (instrument_id, "timestamp")'.encode())
        conn.execute(f"ALTER TABLE part.{table} ADD FOREIGN KEY (instrument_id) REFERENCES instruments".encode())
        _partition(conn, f"part.{table}", bounds)
        conn.execute(f"INSERT INTO part.{table} SELECT * FROM {table}".encode())


def _search(conn: psycopg.Connection, path: str) -> None:
    conn.execute("SELECT set_config('search_path', %s, false)", [path])


def _answers(conn: psycopg.Connection) -> dict[str, list[Any]]:
    """Every query's rows, in its order where it names one."""
    found = {}
    for name in queries.names():
        values = workload.parameters(conn, name)
        rows = conn.execute(queries.query(name), values).fetchall()
        found[name] = rows if "ORDER BY" in queries.query(name) else sorted(rows, key=str)
    return found


@pytest.fixture(params=LAYOUTS)
def db(trading_db: str, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("SET TimeZone = 'America/New_York'")
        _copy(conn, LAYOUTS[request.param])
        yield conn


def test_every_query_gives_the_rows_of_the_plain_table(db: psycopg.Connection) -> None:
    plain = _answers(db)
    assert {name for name, rows in plain.items() if not rows} <= {"ticks_of_five_minutes"}  # 3,000 ticks are too few
    for name in ("latest_tick", "latest_ticks", "tick_by_id", "newest_alert_logs", "alert_logs_of_a_rule"):
        rows = db.execute(workload.application_text(name).encode(), workload.parameters(db, name)).fetchall()
        assert sorted(rows, key=str) == sorted(plain[name], key=str), name
    _search(db, "part, public")
    assert _answers(db) == plain
    assert (
        value(db, "SELECT max(\"timestamp\")::text FROM dbperf.latest('market_data', NULL::market_data)")
        == "2099-12-31 23:59:59"
    )
    oldest = "SELECT \"timestamp\"::text FROM dbperf.by_id('market_data', NULL::market_data, 3000)"
    assert value(db, oldest) == "2009-01-02 09:30:00"


def test_empty_tables(migrated_db: str) -> None:
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        _copy(conn, LAYOUTS["gap"])
        for path in ("public", "part, public"):
            _search(conn, path)
            for name in ("latest_tick", "latest_ticks", "tick_by_id", "newest_alert_logs"):
                assert conn.execute(queries.query(name), {"instrument_id": 2, "id": 5}).fetchall() == []


def test_deleted_rows_are_seen_in_the_table_and_not_in_its_view(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("CREATE SCHEMA part")
        conn.execute(
            "CREATE TABLE part.tick (id bigint, at timestamp, instrument_id integer, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"
        )
        _partition(conn, "part.tick", LAYOUTS["monthly"])
        conn.execute(
            "INSERT INTO part.tick SELECT g, timestamp '2026-04-01' + g * interval '1 day', g % 3 FROM generate_series(0, 99) AS g"
        )
        conn.execute("SELECT dbperf.enable_soft_delete('part.tick', hot => true)")
        conn.execute("DELETE FROM part.tick WHERE id > 50")
        newest = "SELECT id FROM dbperf.latest('part.{0}', NULL::part.{0}, '{{\"instrument_id\": 0}}')"
        assert value(conn, newest.format("tick")) == 99
        assert value(conn, newest.format("tick_active")) == 48
        each = (
            "SELECT array_agg(id ORDER BY id) FROM dbperf.latest_of_each('part.{0}', NULL::part.{0}, 'instrument_id')"
        )
        assert value(conn, each.format("tick")) == [97, 98, 99]
        assert value(conn, each.format("tick_active")) == [48, 49, 50]
        gone = "SELECT count(*) FROM dbperf.by_id('part.{0}', NULL::part.{0}, 60)"
        assert [value(conn, gone.format(name)) for name in ("tick", "tick_active")] == [1, 0]


@pytest.mark.superuser
def test_a_role_that_may_read_only_the_table_itself(cluster: Cluster, trading_db: str) -> None:
    """Makes a role, which a plain owner may not."""
    with psycopg.connect(trading_db, autocommit=True) as conn, cluster.admin("postgres") as admin:
        _copy(conn, LAYOUTS["gap"])
        _search(conn, "part, public")
        role = sql.Identifier(APP)
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        try:
            conn.execute(f"GRANT USAGE ON SCHEMA part, dbperf TO {APP}".encode())
            conn.execute(f"GRANT SELECT ON part.market_data, part.alert_logs TO {APP}".encode())
            statements = [
                "SELECT id FROM dbperf.latest('market_data', NULL::market_data, '{\"instrument_id\": 2}')",
                "SELECT id FROM dbperf.latest_of_each('market_data', NULL::market_data, 'instrument_id') ORDER BY 1",
                "SELECT id FROM dbperf.by_id('market_data', NULL::market_data, 1500)",
            ]
            expected = [conn.execute(s.encode()).fetchall() for s in statements]
            assert all(expected)
            with psycopg.connect(make_conninfo(trading_db, user=APP), autocommit=True) as app:
                _search(app, "part")
                assert [app.execute(s.encode()).fetchall() for s in statements] == expected
                with pytest.raises(errors.InsufficientPrivilege):
                    app.execute("SELECT FROM part.market_data_0")
                conn.execute("ALTER TABLE part.market_data ENABLE ROW LEVEL SECURITY")
                conn.execute(f"CREATE POLICY own ON part.market_data TO {APP} USING (instrument_id = 3)".encode())
                assert [len(app.execute(s.encode()).fetchall()) for s in statements[:2]] == [0, 1]
        finally:
            with cluster.admin(conn.info.dbname) as here:
                here.execute(sql.SQL("DROP OWNED BY {}").format(role))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))


def test_recorded_ids_are_only_a_hint(trading_db: str) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        _copy(conn, LAYOUTS["monthly"])
        _search(conn, "part, public")
        conn.execute(
            "INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind, id_column)"
            " VALUES ('market_data', '1 month', '1 month', '1 year', '0', 'id')"
        )
        assert conn.execute("SELECT dbperf.close_partition('market_data', 'market_data_2')")
        find = "SELECT \"timestamp\"::date::text FROM dbperf.by_id('market_data', NULL::market_data, %s)"
        middle = value(conn, "SELECT (first_id + last_id) / 2 FROM dbperf.closed_partition")
        assert value(conn, find, middle).startswith("2026-05")
        conn.execute("UPDATE market_data SET \"timestamp\" = '2026-07-04' WHERE id = %s", [middle])
        assert value(conn, find, middle) == "2026-07-04"
        conn.execute("UPDATE dbperf.closed_partition SET first_id = -5, last_id = 1000000")
        conn.execute("INSERT INTO market_data (id, \"timestamp\", instrument_id) VALUES (-3, '2009-01-03', 1)")
        assert value(conn, find, -3) == "2009-01-03"
        assert conn.execute(find.encode(), [123456]).fetchall() == []
        conn.execute("ALTER TABLE market_data DETACH PARTITION market_data_2; DROP TABLE market_data_2")
        assert value(conn, find, -3) == "2009-01-03"


#: Types of the key, and a number of days as a value of it.
KEYS = {
    "timestamp": "timestamp '2026-01-01' + {} * interval '1 day'",
    "timestamptz": "timestamptz '2026-01-01 00:00+00' + {} * interval '1 day'",
    "date": "date '2026-01-01' + {}",
    "bigint": "{}::bigint * 86400",
    "integer": "{}::integer",
    "uuid": "lpad(to_hex({} + 100000), 32, '0')::uuid",
    "numeric": "{}::numeric / 8",
}


@pytest.mark.parametrize("key", KEYS)
def test_random_partitions_and_rows(migrated_db: str, rng: random.Random, key: str) -> None:
    """As the plain query answers, for every way to cut the time."""
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute(f"SET TimeZone = '{rng.choice(['America/New_York', 'Asia/Kolkata', 'UTC'])}'".encode())
        conn.execute(f"SET DateStyle = '{rng.choice(['ISO, MDY', 'SQL, DMY', 'Postgres, DMY'])}'".encode())
        conn.execute("CREATE TABLE venue (id integer PRIMARY KEY)")
        conn.execute("INSERT INTO venue SELECT generate_series(0, 12)")
        for number in range(4):
            references = rng.choice(["", "REFERENCES venue"])
            conn.execute(
                f"CREATE TABLE tick (id bigint, at {key}, venue_id integer {references}) PARTITION BY RANGE (at)".encode()
            )
            if rng.random() < 0.7:
                conn.execute("CREATE INDEX ON tick (venue_id, at)")
            cuts = sorted(rng.sample(range(-200, 400), rng.choice([3, 20, 150])))
            pairs = [pair for pair in pairwise(cuts) if rng.random() < 0.9]
            rng.choice([list.sort, rng.shuffle, list.reverse])(pairs)  # type: ignore[operator]
            for place, pair in enumerate(pairs):
                low, high = (value(conn, f"SELECT ({KEYS[key].format(f'({n})')})::text") for n in pair)
                statement = sql.SQL("CREATE TABLE {} PARTITION OF tick FOR VALUES FROM ({}) TO ({})")
                conn.execute(statement.format(sql.Identifier(f"tick_{place}"), low, high))
            conn.execute("CREATE TABLE tick_default PARTITION OF tick DEFAULT")
            days = rng.sample(range(-300, 500), rng.choice([1, 30, 300]))
            for n, day in enumerate(days):
                row = sql.SQL(f"INSERT INTO tick VALUES ({{}}, {KEYS[key].format(f'({day})')}, {{}})")
                conn.execute(row.format(n, rng.choice([None, *range(10)])))
            conn.execute("INSERT INTO tick VALUES (9999, NULL, 3)")
            conn.execute("CREATE TABLE plain AS SELECT * FROM tick")
            for relation in ("tick", "plain"):
                for rows in (1, 7, 1000):
                    venue = rng.choice([None, *range(12)])
                    found = conn.execute(
                        f"SELECT id FROM dbperf.latest('{relation}', NULL::tick, %s, %s, 'at')".encode(),
                        [json.dumps({"venue_id": venue}), rows],
                    ).fetchall()
                    wanted = "SELECT id FROM plain WHERE venue_id IS NOT DISTINCT FROM %s AND at IS NOT NULL ORDER BY at DESC LIMIT %s"
                    assert found == conn.execute(wanted.encode(), [venue, rows]).fetchall(), (number, relation)
                each = f"SELECT venue_id, id FROM dbperf.latest_of_each('{relation}', NULL::tick, 'venue_id', time_column => 'at') ORDER BY 1"
                wanted = "SELECT DISTINCT ON (venue_id) venue_id, id FROM plain WHERE venue_id IS NOT NULL AND at IS NOT NULL ORDER BY venue_id, at DESC"
                assert conn.execute(each.encode()).fetchall() == conn.execute(wanted.encode()).fetchall(), (
                    number,
                    relation,
                )
                for wanted_id in (0, len(days) - 1, len(days), 9999):
                    one = f"SELECT count(*) FROM dbperf.by_id('{relation}', NULL::tick, %s)"
                    assert value(conn, one, wanted_id) == (wanted_id != len(days))
            conn.execute("DROP TABLE tick, plain")


def test_values_are_compared_as_they_are(migrated_db: str) -> None:
    """Casts to varchar(3), numeric(4,1) or char would cut or round what is looked for."""
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute(
            'CREATE TABLE "Odd" (id bigint, at timestamp, "a b" varchar(3), n numeric(4,1), c char(3), b boolean, t timestamptz, gone text)'
        )
        conn.execute('ALTER TABLE "Odd" DROP COLUMN gone')
        conn.execute(
            """INSERT INTO "Odd" VALUES (1, '2026-01-01', 'abc', 1.3, 'xy', true, '2026-01-01 00:00-05'), (2, '2025-01-01', '''"', 2, NULL, false, NULL)"""
        )
        conn.execute("SET TimeZone = 'America/New_York'")
        for given, expected in (
            ({"a b": "abc"}, 1), ({"a b": "abcd"}, None), ({"n": 1.3}, 1), ({"n": 1.28}, None), ({"c": "xy"}, 1), ({"c": "x"}, None), ({"c": None}, 2),
            ({"b": True}, 1), ({"t": "2026-01-01 00:00"}, 1), ({"t": "2026-01-01T05:00Z"}, 1), ({"a b": "'\""}, 2), ({"a b": "'\"", "n": 2, "b": False}, 2), ({}, 1),
        ):  # fmt: skip
            row = conn.execute(
                "SELECT id FROM dbperf.latest('\"Odd\"', NULL::\"Odd\", %s, time_column => 'at')", [json.dumps(given)]
            ).fetchone()
            assert (row[0] if row else None) == expected, given


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("latest('venue', NULL::venue)", "has no column by which it is partitioned"),
        ("latest('venue', NULL::venue, time_column => 'x')", "has no column x"),
        ("latest('venue', NULL::venue, '{\"x\": 1}', time_column => 'at')", "has no column x"),
        ("latest('venue', NULL::venue, '[1]', time_column => 'at')", "a filter has to be a JSON object"),
        ("latest('venue', NULL::venue, NULL, time_column => 'at')", "a filter has to be a JSON object"),
        ("latest('venue', NULL::venue, rows => -1, time_column => 'at')", "rows has to be a number"),
        ("latest_of_each('venue', NULL::venue, 'x', time_column => 'at')", "has no column x"),
        ("latest(NULL, NULL::venue)", "cannot have the shape"),
    ],
)
def test_what_cannot_be_meant(migrated_db: str, call: str, message: str) -> None:
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE venue (id integer, at timestamp)")
        with pytest.raises(errors.DatabaseError, match=message):
            conn.execute(f"SELECT * FROM dbperf.{call}".encode())


def test_a_shape_names_the_columns(migrated_db: str) -> None:
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE tick (r integer, gone integer, id bigint, at timestamp, venue_id integer) PARTITION BY RANGE (at); ALTER TABLE tick DROP COLUMN gone"
        )
        conn.execute("CREATE TABLE tick_1 PARTITION OF tick DEFAULT; CREATE TYPE pair AS (venue_id integer, id bigint)")
        conn.execute("INSERT INTO tick VALUES (5, 1, '2026-01-01', 7)")
        for call in (
            "latest('tick', NULL::tick)",
            "latest_of_each('tick', NULL::tick, 'venue_id')",
            "by_id('tick', NULL::tick, 1)",
        ):
            assert value(conn, f"SELECT t::text FROM dbperf.{call} AS t") == '(5,1,"2026-01-01 00:00:00",7)'
        assert conn.execute("SELECT * FROM dbperf.latest('tick', NULL::pair)").fetchall() == [(7, 1)]
        assert conn.execute("SELECT * FROM dbperf.latest_of_each('tick', NULL::pair, 'venue_id')").fetchall() == [
            (7, 1)
        ]
        assert conn.execute("SELECT * FROM dbperf.by_id('tick', NULL::pair, 1)").fetchall() == [(7, 1)]


def test_few_partitions_are_locked(migrated_db: str) -> None:
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE tick (id bigint, at timestamp, venue_id integer) PARTITION BY RANGE (at); CREATE INDEX ON tick (venue_id, at)"
        )
        _partition(
            conn,
            "tick",
            [
                (f"{year}-{month:02}-01", f"{year + month // 12}-{month % 12 + 1:02}-01")
                for year in range(2010, 2026)
                for month in range(1, 13)
            ],
        )
        conn.execute(
            "INSERT INTO tick SELECT g, timestamp '2025-12-31' - g * interval '1 day', g % 5 FROM generate_series(0, 5000) AS g"
        )
        locked = "SELECT count(DISTINCT relation) FROM pg_locks AS l JOIN pg_inherits AS i ON i.inhrelid = l.relation WHERE pid = pg_backend_pid() AND inhparent = 'tick'::regclass"
        for call in ("latest('tick', NULL::tick, '{\"venue_id\": 3}')", "by_id('tick', NULL::tick, 3)"):
            with conn.transaction():
                assert len(conn.execute(f"SELECT * FROM dbperf.{call}".encode()).fetchall()) == 1
                assert value(conn, locked) <= 16  # of 192


def test_values_pass_through_text_unharmed(migrated_db: str) -> None:
    """Whatever the session shows of them."""
    with psycopg.connect(migrated_db, autocommit=True) as conn:
        conn.execute("SET extra_float_digits = 0; SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'")
        conn.execute("CREATE TABLE tick (at timestamp, f double precision, t timestamptz) PARTITION BY RANGE (at)")
        _partition(conn, "tick", [(f"2026-01-{day:02}", f"2026-01-{day + 1:02}") for day in range(1, 17)])
        conn.execute(
            "INSERT INTO tick SELECT timestamp '2026-01-01' + g * interval '1 day', 0.1::float8 + 0.2::float8, '2026-05-01 00:00+00'"
            " FROM generate_series(0, 15) AS g"
        )
        for column in ("f", "t"):
            assert value(conn, f"SELECT count(*) FROM dbperf.latest_of_each('tick', NULL::tick, '{column}')") == 1


def test_names_and_what_is_not_one() -> None:
    assert set(queries.names()) == set(workload.QUERIES)
    with pytest.raises(UsageError, match="there is no query 'x'"):
        queries.query("x")
    assert all(queries.query(name).startswith("-- ") for name in queries.names())
