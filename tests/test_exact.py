"""check_exact() against one cast at a time, and content_hash() against everything that must and must not change it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors, sql

from tests.support import Cluster

REAL, DOUBLE = "real", "double precision"
HOSTILE = "a \"%s' %1$s\u00fc"

#: Hash of _everything_there_is(): the same literal on every version.
EVERYTHING = "8b0855c2ea5199682290bdb5dfe5cf33"


@pytest.fixture(scope="module")
def database(cluster: Cluster, migrated_template: str) -> str:
    return cluster.create_database("dbperf_test_exact", migrated_template)


@pytest.fixture
def conn(cluster: Cluster, database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.dsn(database), autocommit=True) as conn:
        conn.execute("CREATE SCHEMA s")
        conn.execute("SET search_path = s")
        yield conn
        conn.execute("DROP SCHEMA s CASCADE")


def _inexact(conn: psycopg.Connection, table: str, columns: list[str], target: str) -> list[tuple[Any, ...]]:
    query = "SELECT column_name, row_key, value, reason FROM dbperf.check_exact(%s, %s::name[], %s::regtype)"
    return conn.execute(query, [table, columns, target]).fetchall()


def _survives(conn: psycopg.Connection, value: str, declared: str, target: str) -> bool:
    """Whether one value comes back from the target as the text that it was, by nothing but casts."""
    try:
        with conn.transaction():
            row = conn.execute(
                f"SELECT v::text, v::numeric::{target}::numeric::{declared}::text FROM (SELECT %s::{declared} AS v) AS r".encode(),
                [value],
            ).fetchone()
    except psycopg.errors.DataError:
        return False
    assert row is not None
    return bool(row[0] == row[1]) and row[0] not in ("NaN", "Infinity", "-Infinity")


digits = st.integers(1, 18).flatmap(lambda n: st.integers(0, 10**n - 1))
plain = st.builds(lambda n, scale: f"{n}e-{scale}", st.one_of(digits, digits.map(int.__neg__)), st.integers(0, 18))
zeros = st.builds(lambda n, places, more: f"{n}.{places}{'0' * more}", digits, st.integers(0, 999), st.integers(0, 6))
# denormals are always answered, whether or not they would come back
huge = st.builds(
    lambda n, e: f"{n}e{e}", digits, st.one_of(st.integers(-400, -340), st.integers(-280, 270), st.integers(310, 400))
)
special = st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "0", "0.000", "-0.00", "1.79769313486231e308", "1.79769313486232e308",
     "-1.79769313486232e308", "123456789012345", "1234567890123456", "12345678901234567", "999999999999999", "9999999999999999", "0.1", "1.50"]
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.one_of(plain, zeros, huge, special), min_size=5, max_size=30))
@pytest.mark.parametrize("target", [DOUBLE, REAL])
def test_numeric_without_scale(conn: psycopg.Connection, values: list[str], target: str) -> None:
    _compare(conn, values, "numeric", target)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("target", [DOUBLE, REAL])
@pytest.mark.parametrize(
    ("declared", "largest"),
    [("numeric(38,18)", 10**19), ("numeric(16,4)", 10**11), ("numeric(20,0)", 10**19), ("numeric(5,-2)", 10**6),
     ("bigint", 2**63 - 1), ("integer", 2**31 - 1), ("smallint", 2**15 - 1)],
)  # fmt: skip
def test_declared(conn: psycopg.Connection, data: st.DataObject, declared: str, largest: int, target: str) -> None:
    whole = st.one_of(st.integers(-largest, largest), digits.filter(lambda n: n <= largest))
    scale = 18 if declared == "numeric(38,18)" else 4 if declared == "numeric(16,4)" else 0
    fraction = st.integers(0, 10**scale - 1).map(lambda n: f".{n}" if scale else "")
    values = data.draw(st.lists(st.builds(lambda n, part: f"{n}{part}", whole, fraction), min_size=5, max_size=30))
    _compare(conn, values, declared, target)


def _compare(conn: psycopg.Connection, values: list[str], declared: str, target: str) -> None:
    conn.execute("DROP TABLE IF EXISTS t")
    conn.execute(f"CREATE TABLE t (id integer PRIMARY KEY, v {declared})".encode())
    conn.execute(
        f"INSERT INTO t SELECT place, v::{declared} FROM unnest(%s::text[]) WITH ORDINALITY AS u (v, place)".encode(),
        [[*values, None]],
    )
    found = {row[1]["id"]: row[3] for row in _inexact(conn, "t", ["v"], target)}
    smallest = "1.1754944e-38" if target == REAL else "2.2250738585073e-308"
    for place, value, is_denormal in conn.execute(
        f"SELECT id, v::text, v <> 0 AND abs(v) < {smallest} FROM t WHERE v IS NOT NULL".encode()
    ).fetchall():
        if is_denormal:
            assert found[place] == "smaller than the type holds"
        else:
            assert (place not in found) == _survives(conn, value, declared, target), (value, found.get(place))
    assert len(values) + 1 not in found


def test_reasons(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t (v numeric, w numeric(38,18))")
    conn.execute(
        "INSERT INTO t (v) VALUES ('NaN'), ('-Infinity'), (1e400), (1e-400), (1234567890.123456), (1.50), (1.5), (NULL)"
    )
    conn.execute("INSERT INTO t (w) VALUES (1.5), (0.000000000000000001), (12345678901234567890)")
    found = [(row[0], row[2], row[3]) for row in _inexact(conn, "t", ["v", "w"], DOUBLE)]
    assert found == [
        ("v", "NaN", "NaN"),
        ("v", "-Infinity", "infinity"),
        ("v", "1" + "0" * 400, "larger than the type holds"),
        ("v", "0." + "0" * 399 + "1", "smaller than the type holds"),
        ("v", "1234567890.123456", "more than 15 digits"),
        ("v", "1.50", "scale: comes back as 1.5"),
        ("w", "12345678901234567890.000000000000000000", "more than 15 digits"),
    ]


def test_rows_are_named(conn: psycopg.Connection) -> None:
    name = sql.Identifier(HOSTILE)
    conn.execute(
        sql.SQL("CREATE TABLE {0} ({0} numeric, b text, more text, PRIMARY KEY (b, {0}) INCLUDE (more))").format(name)
    )
    conn.execute(sql.SQL("INSERT INTO {} VALUES (1.50, 'x')").format(name))
    table = name.as_string(conn)
    assert _inexact(conn, table, [HOSTILE], DOUBLE)[0][1] == {"b": "x", HOSTILE: 1.5}
    conn.execute("CREATE TABLE parted (v numeric) PARTITION BY LIST (v); CREATE TABLE leaf PARTITION OF parted DEFAULT")
    conn.execute("INSERT INTO parted VALUES (1.50), (1.5)")
    assert _inexact(conn, "parted", ["v"], DOUBLE)[0][1] == {"table": "s.leaf", "ctid": "(0,1)"}


def test_settled_money_stays(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE parted (v numeric, w numeric, n integer) PARTITION BY LIST (n)")
    conn.execute("CREATE TABLE leaf PARTITION OF parted DEFAULT")
    conn.execute("SELECT dbperf.settle_column('parted', 'v')")
    conn.execute("SELECT dbperf.settle_column('parted', 'v')")
    for table in ("parted", "leaf"):
        for columns in (["v"], ["w", "v"]):
            with pytest.raises(psycopg.Error, match="settled money") as refused:
                _inexact(conn, table, columns, DOUBLE)
            assert refused.value.sqlstate == "DP004"
        assert not _inexact(conn, table, ["w", "n"], DOUBLE)
    for column in ("n", "nothing", "tableoid"):
        with pytest.raises(errors.UndefinedColumn):
            conn.execute("SELECT dbperf.settle_column('parted', %s)", [column])
    conn.execute("DELETE FROM dbperf.settled_column")
    assert not _inexact(conn, "leaf", ["v"], DOUBLE)


def test_no_column_is_no_proof(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE none (a numeric)")
    for columns in ("'{}'", "NULL"):
        with pytest.raises(errors.FeatureNotSupported):
            conn.execute(f"SELECT dbperf.check_exact('none', {columns}, 'double precision')".encode())


def test_what_cannot_be_proved_is_refused(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t (v numeric, b text)")
    for columns, target, error in (
        (["v"], "bigint", errors.FeatureNotSupported),
        (["gone"], DOUBLE, errors.UndefinedColumn),
        (["ctid"], DOUBLE, errors.UndefinedColumn),
        (["b"], DOUBLE, errors.DatatypeMismatch),
    ):
        with pytest.raises(error):
            _inexact(conn, "t", columns, target)


def test_policies_hide_nothing(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t (v numeric); INSERT INTO t VALUES (1.50); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    assert len(_inexact(conn, "t", ["v"], DOUBLE)) == 1
    assert _hash(conn, "t")[0] == 1
    conn.execute("ALTER TABLE t FORCE ROW LEVEL SECURITY")
    for call in (lambda: _inexact(conn, "t", ["v"], DOUBLE), lambda: _hash(conn, "t")):
        with pytest.raises(errors.InsufficientPrivilege):
            call()


def _hash(conn: psycopg.Connection, table: str) -> tuple[int, str]:
    row = conn.execute("SELECT rows, hash FROM dbperf.content_hash(%s)", [table]).fetchone()
    assert row is not None
    return row[0], row[1]


def _everything_there_is(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TYPE mood AS ENUM ('sad', 'it''s \"fine\"'); CREATE TYPE pair AS (a integer, b text)")
    conn.execute(
        """CREATE TABLE t (id bigint, n numeric(20,4), u numeric, f double precision, r real, s text, c char(5), at timestamptz, local timestamp,
               day date, t time, tz timetz, i interval, b boolean, y bytea, j json, jb jsonb, g uuid, a integer[], ta text[], fa float8[], m money,
               ip inet, mac macaddr, bits bit varying, ts tsvector, rng tstzrange, multi int4multirange, e mood, p pair, rel regclass, pt point, x "char")"""
    )
    conn.execute(
        r"""INSERT INTO t SELECT n, n / 7.0, 'NaN', 1.0 / (n + 2), 0.1::real * n, E'a,"b"\\ (' || n || E')\n\u20ac', 'x', timestamptz '2024-03-31 02:30:00.123456+01' + n * interval '1 hour',
               '2024-02-29 23:59:59.999999', 'infinity', '24:00', '12:00:00.5-03:30', '-1 year 2 mons -3 days 04:05:06.7', n % 2 = 0, '\x00ff5c27', '{"b": 1,  "a": 1.0}',
               '{"b": 1,  "a": 1.0}', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '[0:1]={1,NULL}', ARRAY['', 'NULL', NULL, E'"\\'], ARRAY[0.1, 'NaN', '-Infinity', '-0', 5e-324], '1234.56',
               '10.0.0.1/8', '08:00:2b:01:02:03', '1011', 'b:2A a', '[2024-01-01 00:00+02,)', '{[1,3),[5,)}', 'it''s "fine"', ROW(NULL, '')::pair, 's.t', '(1.5,-2)', E'\\'
           FROM generate_series(1, 9) AS n"""
    )
    conn.execute("INSERT INTO t DEFAULT VALUES")


def test_the_same_on_every_version_and_in_every_session(conn: psycopg.Connection) -> None:
    _everything_there_is(conn)
    assert _hash(conn, "t") == (10, EVERYTHING)
    for setting in ("TimeZone = 'Asia/Kathmandu'", "DateStyle = 'German, DMY'", "IntervalStyle = 'iso_8601'", "extra_float_digits = -10",
                    "bytea_output = 'escape'", "search_path = pg_catalog, s", "quote_all_identifiers = on"):  # fmt: skip
        conn.execute(f"SET {setting}".encode())
        assert _hash(conn, "s.t") == (10, EVERYTHING), setting
    conn.execute("SET search_path = s")
    names = [
        row[0]
        for row in conn.execute(
            "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0"
        )
    ]
    conn.execute(f"CREATE TABLE turned AS SELECT {', '.join(reversed(names))} FROM t ORDER BY random()".encode())
    assert _hash(conn, "turned") == (10, EVERYTHING)


def test_what_changes_the_hash(conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t (id integer, a text, b text); INSERT INTO t SELECT n, n % 10, n % 7 FROM generate_series(1, 200) AS n"
    )
    conn.execute("INSERT INTO t VALUES (0, '', NULL), (0, '', NULL)")
    seen = {_hash(conn, "t")}
    for change in (
        "UPDATE t SET a = 'x' WHERE id = 5",
        "UPDATE t SET b = '' WHERE id = 5",
        "UPDATE t SET b = NULL WHERE id = 5",
        "UPDATE t SET a = b, b = a WHERE id = 9",
        "UPDATE t AS x SET a = y.a FROM t AS y WHERE x.id IN (3, 4) AND y.id = 7 - x.id",
        "DELETE FROM t WHERE id = 5",
        "DELETE FROM t WHERE id = 0",
        "INSERT INTO t SELECT * FROM t WHERE id = 5",
        "INSERT INTO t SELECT * FROM t WHERE id = 0",
        "INSERT INTO t SELECT * FROM t",
        "DELETE FROM t",
    ):
        with conn.transaction(force_rollback=True):
            conn.execute(change.encode())
            found = _hash(conn, "t")
        assert found not in seen, change
        assert found[1] not in {known[1] for known in seen}
        seen.add(found)
    assert _hash(conn, "t") in seen
    conn.execute("CREATE TABLE u (id integer, a text, b text) PARTITION BY RANGE (id)")
    conn.execute("CREATE TABLE u1 PARTITION OF u DEFAULT; CREATE TABLE u2 (b text, id integer, a text)")
    conn.execute("ALTER TABLE u ATTACH PARTITION u2 FOR VALUES FROM (50) TO (100); INSERT INTO u SELECT * FROM t")
    assert _hash(conn, "u") == _hash(conn, "t")


@pytest.mark.parametrize("columns", ["", ", deleted_batch bigint, deleted_at timestamptz"])
@pytest.mark.parametrize("partitioned", ["", " PARTITION BY RANGE (id)"])
def test_soft_delete(conn: psycopg.Connection, columns: str, partitioned: str) -> None:
    conn.execute(f"CREATE TABLE t (id integer PRIMARY KEY, a text{columns}){partitioned}".encode())
    if partitioned:
        conn.execute("CREATE TABLE leaf PARTITION OF t DEFAULT")
    conn.execute("INSERT INTO t SELECT n, n FROM generate_series(1, 50) AS n")
    before = _hash(conn, "t")
    conn.execute("SELECT dbperf.enable_soft_delete('t')")
    assert _hash(conn, "t") == before
    conn.execute("DELETE FROM t WHERE id < 9")
    deleted = _hash(conn, "t")
    assert deleted[0] == 50
    assert deleted[1] != before[1]
    conn.execute("SELECT dbperf.undelete(batch) FROM dbperf.deletion WHERE relation = 't'::regclass")
    assert _hash(conn, "t") == before
    conn.execute("SELECT dbperf.disable_soft_delete('t')")
    assert _hash(conn, "t") == before
