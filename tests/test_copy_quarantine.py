"""on_error="quarantine": every bad row is found and kept, every good one is stored, whatever is wrong."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

import dbperf
from dbperf.errors import BadRowsError
from tests.support import both_apis

Copy = Callable[..., dbperf.CopyResult]

NAMES = ["number", "parent", "side", "size", "note", "at", "data"]


@pytest.fixture(params=both_apis("copy_rows"), ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    chosen: Copy = request.param
    return chosen


@pytest.fixture
def trades(upgraded_db: str) -> Iterator[psycopg.Connection]:
    """Everything that a row can be wrong in: keys, deferred ones, checks, domains, enums, lengths, triggers, bounds."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TYPE side AS ENUM ('buy', 'sell')")
        conn.execute("CREATE DOMAIN size AS integer CHECK (VALUE > 0)")
        conn.execute("CREATE TABLE parent (id integer PRIMARY KEY)")
        conn.execute("INSERT INTO parent VALUES (1), (2)")
        conn.execute(
            "CREATE TABLE trade (number integer, parent integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED, side side,"
            " size size, note varchar(5), at date NOT NULL CHECK (at <> '2026-01-13'), data jsonb, UNIQUE (number, at))"
            " PARTITION BY RANGE (at)"
        )
        conn.execute("CREATE TABLE trade_2026 PARTITION OF trade FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN IF NEW.number = 666 THEN RAISE 'not this one'; END IF; RETURN NEW; END$$"
        )
        conn.execute("CREATE TRIGGER refuse BEFORE INSERT ON trade FOR EACH ROW EXECUTE FUNCTION refuse()")
        yield conn


def _row(number: int, **changes: Any) -> tuple[Any, ...]:
    row = {"number": number, "parent": 1, "side": "buy", "size": 1, "note": "a", "at": dt.date(2026, 1, 2), "data": {}}
    return tuple((row | changes).values())


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a key without its parent": ({"parent": 9}, "23503"),
    "no such label": ({"side": "hold"}, "22000"),
    "the domain's check": ({"size": 0}, "23514"),
    "too long": ({"note": "abcdef"}, "22000"),
    "NULL": ({"at": None}, "23514"),
    "a check": ({"at": dt.date(2026, 1, 13)}, "23514"),
    "no partition": ({"at": dt.date(2031, 1, 1)}, "23514"),
    "a trigger": ({"number": 666}, "P0001"),
    "a key twice": ({"number": 0}, "23505"),
    "an integer": ({"parent": 2**40}, "22000"),
    "another type": ({"note": 5}, "22000"),
    "a zero character": ({"note": "a\0"}, "22000"),
    "JSON": ({"data": {"x": float("nan")}}, "22000"),
}


def _quarantine(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT row_number, sqlstate FROM dbperf.quarantine ORDER BY row_number").fetchall()


@pytest.mark.parametrize("on_conflict", ["error", "ignore"])
def test_every_kind_of_bad_row(trades: psycopg.Connection, upgraded_db: str, copy: Copy, on_conflict: str) -> None:
    rows, wanted = [_row(n) for n in range(500)], []
    for place, (changes, sqlstate) in enumerate(BAD.values()):
        if on_conflict == "ignore" and sqlstate == "23505":
            continue
        rows.insert(7 + place * 37, _row(**{"number": 5000 + place} | changes))
        wanted.append(sqlstate)
    key = {"on_conflict": "ignore", "key": ["number", "at"]} if on_conflict == "ignore" else {}
    result = copy(upgraded_db, "trade", rows, NAMES, on_error="quarantine", batch_id="b1", **key)
    assert (result.rows, result.inserted, result.quarantined) == (len(rows), 500, len(wanted))
    found = _quarantine(trades)
    places = [n for n, row in enumerate(rows, 1) if row[0] >= 5000 or row[0] == 666 or (row[0] == 0 and n > 1)]
    assert [number for number, _ in found] == places
    assert sorted(sqlstate for _, sqlstate in found) == sorted(wanted)
    assert trades.execute("SELECT count(*), count(DISTINCT number) FROM trade").fetchone() == (500, 500)
    kept = trades.execute(
        "SELECT target, batch_id, reason, row_data FROM dbperf.quarantine WHERE sqlstate = '23503'"
    ).fetchone()
    assert kept is not None
    assert kept[:2] == ("public.trade", "b1")
    assert 'Key (parent)=(9) is not present in table "parent"' in kept[2]
    assert kept[3]["parent"] == 9


def test_the_budget(trades: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    rows = [_row(n, parent=1 + 8 * (n % 10 == 3)) for n in range(100)]
    with pytest.raises(BadRowsError, match="than max_errors allows"):
        copy(upgraded_db, "trade", rows, NAMES, on_error="quarantine", max_errors=9)
    with pytest.raises(BadRowsError, match="than max_errors allows"):
        copy(
            upgraded_db, "trade", [(*row[:4], 5, *row[5:]) for row in rows], NAMES, on_error="quarantine", max_errors=9
        )
    assert trades.execute("SELECT count(*) FROM trade").fetchone() == (0,)
    assert _quarantine(trades) == []
    assert copy(upgraded_db, "trade", rows, NAMES, on_error="quarantine", max_errors=10).quarantined == 10
    assert len(_quarantine(trades)) == 10


@pytest.mark.parametrize(("mode", "stored"), [("update", "d"), ("ignore", "b")])
def test_a_bad_row_gives_way_to_the_next_of_its_key(trades: psycopg.Connection, mode: Any, stored: str) -> None:
    notes = [("a", 0), ("b", 1), ("c", 1), ("d", 1), ("e", 0), ("f", 0)]
    rows = [_row(1, note=note, size=size) for note, size in notes] + [_row(2), _row(3, size=0)]
    options: Any = {"on_conflict": mode, "key": ["number", "at"], "on_error": "quarantine"}
    result = dbperf.copy_rows(trades, "trade", rows, NAMES, **options)
    assert trades.execute("SELECT number, note FROM trade ORDER BY number").fetchall() == [(1, stored), (2, "a")]
    wanted = [1, 8] if mode == "ignore" else [5, 6, 8]
    assert [number for number, _ in _quarantine(trades)] == wanted
    assert (result.inserted, result.updated, result.quarantined) == (2, 0, len(wanted))


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("mode", ["ignore", "update", "newer"])
def test_each_key_has_its_first_good_row(
    upgraded_db: str, copy: Copy, rng: random.Random, mode: str, is_there: bool
) -> None:
    """As a model in Python says; NULLs are keys of their own."""
    keys = [rng.choice([None, *range(12)]) for _ in range(120)]
    rows = [(key, number, rng.random(), rng.random() < 0.6) for number, key in enumerate(keys, 1)]
    chosen, bad = list[int](), list[int]()
    for key in range(12):
        turns = [row for row in rows if row[0] == key]
        turns.sort(key=lambda row: row[1] if mode == "ignore" else -row[1] if mode == "update" else -row[2])
        good = next((place for place, row in enumerate(turns) if row[3]), len(turns))
        bad += [row[1] for row in turns[:good]]
        chosen += [row[1] for row in turns[good : good + 1]]
    apart = [row for row in rows if row[0] is None]
    bad += [row[1] for row in apart if not row[3]]
    chosen += [row[1] for row in apart if row[3]]
    options: Any = {"on_conflict": "update", "newer": "seen"} if mode == "newer" else {"on_conflict": mode}
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE k (key integer UNIQUE, number integer, seen double precision, good boolean CHECK (good))"
        )
        if is_there:
            conn.execute("INSERT INTO k SELECT n, 0, -1, true FROM generate_series(0, 5) AS n")
        result = copy(upgraded_db, "k", rows, key=["key"], on_error="quarantine", **options)
        assert [number for number, _ in _quarantine(conn)] == sorted(bad)
        found = [number for (number,) in conn.execute("SELECT number FROM k WHERE number > 0 ORDER BY 1")]
        kept = [
            n
            for n in chosen
            if mode == "ignore" and is_there and (rows[n - 1][0] or 0) < 6 and rows[n - 1][0] is not None
        ]
        assert found == sorted(set(chosen) - set(kept))
        assert (result.inserted + result.updated, result.quarantined) == (len(found), len(bad))


def test_what_a_policy_refuses_is_an_error(trades: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """Nobody can tell it from a missing right, which would put every row aside."""
    trades.execute("ALTER TABLE trade ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    trades.execute("CREATE POLICY own ON trade USING (true) WITH CHECK (note <> 'b')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        copy(upgraded_db, "trade", [_row(1), _row(2, note="b")], NAMES, on_error="quarantine")
    assert copy(upgraded_db, "trade", [_row(1)], NAMES, on_error="quarantine").inserted == 1


def test_a_deferred_constraint_of_a_partition(trades: psycopg.Connection) -> None:
    trades.execute("ALTER TABLE trade_2026 ADD UNIQUE (note) DEFERRABLE INITIALLY DEFERRED")
    rows = [_row(1, note="a"), _row(2, note="a"), _row(3, note="b")]
    result = dbperf.copy_rows(trades, "trade", rows, NAMES, on_error="quarantine")
    assert (result.inserted, _quarantine(trades)) == (2, [(2, "23505")])


def test_partitions_without_rows_are_not_locked(trades: psycopg.Connection) -> None:
    """Or each batch would stand in the way of whoever detaches an old one, and need a lock for every one of them."""
    trades.execute("CREATE TABLE trade_2027 PARTITION OF trade FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
    options: Any = {"on_conflict": "update", "key": ["number", "at"], "on_error": "quarantine"}
    with trades.transaction():
        result = dbperf.copy_rows(trades, "trade", [_row(1), _row(2, size=0), _row(3, parent=9)], NAMES, **options)
        locked = trades.execute("SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid()")
        names = {name for (name,) in locked}
    assert (result.inserted, result.quarantined) == (1, 2)
    assert "trade_2026" in names
    assert "trade_2027" not in names


def test_a_trigger_that_makes_one_key_of_two_rows(trades: psycopg.Connection) -> None:
    trades.execute(
        "CREATE FUNCTION even() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.number := NEW.number / 2 * 2; RETURN NEW; END$$"
    )
    trades.execute("CREATE TRIGGER even BEFORE INSERT ON trade FOR EACH ROW EXECUTE FUNCTION even()")
    options: Any = {"on_conflict": "update", "key": ["number", "at"], "on_error": "quarantine"}
    result = dbperf.copy_rows(trades, "trade", [_row(n, note=str(n)) for n in range(2, 7)], NAMES, **options)
    assert (result.inserted, result.updated) == (3, 2)
    assert trades.execute("SELECT number, note FROM trade ORDER BY 1").fetchall() == [(2, "3"), (4, "5"), (6, "6")]


def test_a_constraint_that_cannot_be_named(trades: psycopg.Connection) -> None:
    trades.execute("CREATE TABLE other (parent integer CONSTRAINT trade_parent_fkey REFERENCES parent)")
    with pytest.raises(psycopg.errors.DuplicateObject, match=r"another one has that name\n.*of other.*\n.*Rename one"):
        dbperf.copy_rows(trades, "trade", [_row(1)], NAMES, on_error="quarantine")
    assert trades.execute("SELECT FROM trade").rowcount == 0


def test_deferred_keys_are_deferred_again(trades: psycopg.Connection) -> None:
    with trades.transaction():
        dbperf.copy_rows(trades, "trade", [_row(1), _row(2, parent=9)], NAMES, on_error="quarantine")
        trades.execute("INSERT INTO trade (number, parent, at) VALUES (3, 7, '2026-02-02')")
        trades.execute("INSERT INTO parent VALUES (7)")
    assert trades.execute("SELECT number FROM trade ORDER BY 1").fetchall() == [(1,), (3,)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 299)), size=st.integers(1, 300))
def test_any_rows_may_be_bad(trades: psycopg.Connection, bad: set[int], size: int) -> None:
    with trades.transaction(force_rollback=True):
        rows = [
            _row(n, size=0 if n in bad and n % 2 else 1, note=5 if n in bad and not n % 2 else "a") for n in range(size)
        ]
        result = dbperf.copy_rows(trades, "trade", rows, NAMES, on_error="quarantine")
        wanted = sorted(n + 1 for n in bad if n < size)
        assert [number for number, _ in _quarantine(trades)] == wanted
        assert (result.inserted, result.quarantined) == (size - len(wanted), len(wanted))


def test_arrays_and_frames(trades: psycopg.Connection) -> None:
    numbers = np.arange(20_000) + 1000
    numbers[[5, 12_000]] = 2**40
    columns = {"number": numbers, "at": np.full(20_000, np.datetime64("2026-03-01"))}
    for name, data in (("copy_columns", columns), ("copy_arrow", pa.table(columns))):
        with trades.transaction(force_rollback=True):
            result = getattr(dbperf, name)(trades, "trade", data, on_error="quarantine")
            assert (result.inserted, result.quarantined) == (19_998, 2)
            assert _quarantine(trades) == [(6, "22000"), (12_001, "22000")]
            row = trades.execute("SELECT row_data FROM dbperf.quarantine ORDER BY id").fetchone()
            assert row == ({"number": 2**40, "at": "2026-03-01"},)
    data = {"number": [2**40], "at": [dt.date(2026, 3, 1)], "size": np.ma.MaskedArray([7], [True])}
    assert dbperf.copy_columns(trades, "trade", data, on_error="quarantine").quarantined == 1
    row = trades.execute("SELECT row_data -> 'size' FROM dbperf.quarantine").fetchone()
    assert row == (None,)


def test_times_that_python_does_not_have(trades: psycopg.Connection) -> None:
    """Beside a bad row they are shown as text, and good ones are stored."""
    trades.execute("CREATE TABLE far (at timestamp, n integer)")
    seconds = pa.array([0, 10**12, 10**13], pa.timestamp("s"))
    data = pa.table({"at": seconds, "n": pa.array([1, 2**40, 3])})
    result = dbperf.copy_arrow(trades, "far", data, on_error="quarantine")
    assert (result.inserted, result.quarantined) == (1, 2)
    assert [number for number, _ in _quarantine(trades)] == [2, 3]
    trades.execute("TRUNCATE dbperf.quarantine; CREATE TABLE spans (hours time[])")
    hours = pa.array([[0, 1000], [1, None], None]).cast(pa.list_(pa.time64("ns")))
    result = dbperf.copy_arrow(trades, "spans", pa.table({"hours": hours}), on_error="quarantine")
    assert (result.inserted, result.quarantined) == (2, 1)
    row = trades.execute("SELECT row_number, row_data FROM dbperf.quarantine").fetchone()
    assert row is not None
    assert (row[0], row[1]["hours"][1]) == (2, None)
    data = pa.table({"at": seconds[1:2], "n": pa.array([2])})
    assert dbperf.copy_arrow(trades, "far", data, on_error="quarantine", ensure_partitions=True).inserted == 1


def test_an_array_of_a_checked_domain(trades: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    trades.execute("CREATE TABLE sizes (sizes size[])")
    result = copy(upgraded_db, "sizes", [([1],), ([2, -1],), ([3],)], ["sizes"], on_error="quarantine")
    assert (result.inserted, result.quarantined) == (2, 1)
    assert _quarantine(trades) == [(2, "23514")]


def test_what_the_clients_encoding_has_not(trades: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    dsn = make_conninfo(upgraded_db, client_encoding="LATIN1")
    result = copy(dsn, "trade", [_row(1, note="é"), _row(2, note="5 €")], NAMES, on_error="quarantine")
    assert (result.inserted, result.quarantined) == (1, 1)
    assert trades.execute("SELECT row_number, row_data->>'note' FROM dbperf.quarantine").fetchall() == [
        (2, "5 \\u20ac")
    ]


def test_rows_that_are_too_long_or_too_deep(upgraded_db: str, copy: Copy) -> None:
    deep: list[Any] = []
    deep.append(deep)
    rows = [
        ("good", [1.5], None), ("n" * 64, [1.5], None), ("array", np.array([1.5]), None), ("deep", [1.5], deep),
        ("json", "x", Jsonb({"a": 1})), ("dumped", "x", Jsonb(0, dumps=lambda _: '{"a": 1.5}')),
    ]  # fmt: skip
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE called (name name, prices float8[], data jsonb)")
        result = copy(upgraded_db, "called", rows, on_error="quarantine")
        assert (result.inserted, result.quarantined) == (1, 5)
        found = "SELECT sqlstate, row_data->>'prices', row_data->'data' FROM dbperf.quarantine ORDER BY row_number"
        assert conn.execute(found).fetchall() == [
            ("42622", "[1.5]", None), ("22000", "[1.5]", None), ("22000", None, None),
            ("22000", "x", {"a": 1}), ("22000", "x", {"a": 1.5}),
        ]  # fmt: skip
