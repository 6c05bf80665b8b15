"""on_conflict: true counts, duplicates within a batch, soft-deleted rows, and writers that do not deadlock."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg_errors

import dbperf
from dbperf.errors import ColumnError, UsageError
from tests.support import both_apis

T, SECOND = dt.datetime(2026, 7, 1, 9, 30), dt.timedelta(seconds=1)

Copy = Callable[..., dbperf.CopyResult]


@pytest.fixture(params=both_apis("copy_rows"), ids=["sync", "async"])
def copy(request: pytest.FixtureRequest) -> Copy:
    chosen: Copy = request.param
    return chosen


@pytest.fixture(params=["ordinary", "partitioned"])
def bars(request: pytest.FixtureRequest, upgraded_db: str) -> Iterator[psycopg.Connection]:
    """A table of bars with the natural key, partitioned or not."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        columns = (
            '(instrument_id integer, "timestamp" timestamp, close double precision, volume integer, seen timestamp'
        )
        if request.param == "ordinary":
            conn.execute(f'CREATE TABLE bar {columns}, PRIMARY KEY ("timestamp", instrument_id))'.encode())
        else:
            conn.execute(
                f'CREATE TABLE bar {columns}, PRIMARY KEY ("timestamp", instrument_id)) PARTITION BY RANGE ("timestamp")'.encode()
            )
            for month in (7, 8):
                conn.execute(
                    f"CREATE TABLE bar_{month} PARTITION OF bar FOR VALUES FROM ('2026-{month}-01') TO ('2026-{month + 1}-01')".encode()
                )
        yield conn


def _bar(minute: int, close: float, instrument: int = 1, **more: Any) -> dict[str, Any]:
    return {"instrument_id": instrument, "timestamp": T + dt.timedelta(minutes=minute), "close": close, **more}


def _counts(result: dbperf.CopyResult) -> tuple[int, int, int, int]:
    assert result.rows == result.inserted + result.updated + result.ignored + result.quarantined
    return result.rows, result.inserted, result.updated, result.ignored


def _closes(conn: psycopg.Connection) -> list[float]:
    return [close for (close,) in conn.execute('SELECT close FROM bar ORDER BY "timestamp", instrument_id')]


def test_ignore_and_update(bars: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    assert _counts(copy(upgraded_db, "bar", [_bar(n, n) for n in range(3)])) == (3, 3, 0, 0)
    more = [_bar(2, 20), _bar(3, 30), _bar(60 * 24 * 31, 40)]
    assert _counts(copy(upgraded_db, "bar", more, on_conflict="ignore")) == (3, 2, 0, 1)
    assert _closes(bars) == [0, 1, 2, 30, 40]
    assert _counts(copy(upgraded_db, "bar", [_bar(0, 5), _bar(9, 9)], on_conflict="update")) == (2, 1, 1, 0)
    assert _closes(bars) == [5, 1, 2, 30, 9, 40]
    with pytest.raises(pg_errors.UniqueViolation):
        copy(upgraded_db, "bar", [_bar(0, 5)])


def test_duplicates_within_a_batch(bars: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    rows = [_bar(0, 1), _bar(0, 2), _bar(1, 3), _bar(0, 4)]
    assert _counts(copy(upgraded_db, "bar", rows, on_conflict="ignore")) == (4, 2, 0, 2)
    assert _closes(bars) == [1, 3]
    assert _counts(copy(upgraded_db, "bar", rows, on_conflict="update")) == (4, 0, 2, 2)
    assert _closes(bars) == [4, 3]


def test_only_if_newer_and_chosen_columns(bars: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    copy(upgraded_db, "bar", [_bar(0, 1, volume=1, seen=T), _bar(1, 1, volume=1, seen=None)])
    late, later = T + dt.timedelta(1), T + dt.timedelta(2)
    rows = [_bar(0, 9, volume=9, seen=later), _bar(0, 8, volume=8, seen=late), _bar(1, 7, volume=7, seen=T)]
    options = {"on_conflict": "update", "newer": "seen", "update": ["close", "seen"]}
    assert _counts(copy(upgraded_db, "bar", rows, **options)) == (3, 0, 2, 1)
    assert bars.execute('SELECT close, volume, seen FROM bar ORDER BY "timestamp"').fetchall() == [
        (9, 1, later),
        (7, 1, T),
    ]
    assert _counts(copy(upgraded_db, "bar", rows, **options)) == (3, 0, 0, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_conflict": "update", "key": ["close"]}, "no unique index of public.bar"),
        ({"on_conflict": "update", "newer": "nothing"}, "nothing"),
    ],
)
def test_keys_that_are_none(bars: psycopg.Connection, options: Any, words: str) -> None:
    with pytest.raises(psycopg.Error, match=words), bars.transaction():
        dbperf.copy_rows(bars, "bar", [_bar(0, 1)], **options)
    assert _closes(bars) == []


@pytest.mark.parametrize(
    "options",
    [
        {"on_conflict": "replace"}, {"key": ["a"]}, {"on_conflict": "ignore", "newer": "a"},
        {"on_conflict": "ignore", "key": "a"}, {"max_errors": 3}, {"batch_id": ""},
        {"on_error": "quarantine", "max_errors": -1}, {"on_deleted": "keep"}, {"batch_id": 5},
        {"on_conflict": "ignore", "on_deleted": "revive"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant(conn: psycopg.Connection, options: Any) -> None:
    with pytest.raises(UsageError):
        dbperf.copy_rows(conn, "market_data", [], **options)


def test_partial_nullable_and_generated(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TYPE side AS ENUM ('buy', 'sell')")
        conn.execute("CREATE DOMAIN size AS integer CHECK (VALUE > 0)")
        conn.execute(
            "CREATE TABLE trade (n bigint GENERATED ALWAYS AS IDENTITY, venue text, number integer, side side, size size,"
            " live boolean DEFAULT true, twice integer GENERATED ALWAYS AS (number * 2) STORED)"
        )
        conn.execute("CREATE UNIQUE INDEX ON trade (venue, number) WHERE live")
        names = ["venue", "number", "side", "size", "live"]
        rows = [
            ("x", 1, "buy", 1, True),
            ("x", 1, "sell", 2, False),
            ("x", 1, "sell", 3, False),
            ("x", 1, "sell", 4, True),
        ]
        options: Any = {"on_conflict": "update", "key": ["number", "venue"]}
        assert _counts(dbperf.copy_rows(conn, "trade", rows, names, **options)) == (4, 3, 0, 1)
        assert _counts(dbperf.copy_rows(conn, "trade", rows, names, **options)) == (4, 2, 1, 1)
        assert conn.execute("SELECT size FROM trade ORDER BY n").fetchall() == [(2,), (3,), (4,), (2,), (3,)]
        with pytest.raises(psycopg.Error, match=r"lacks columns.*live"):
            dbperf.copy_rows(conn, "trade", [("x", 1)], ["venue", "number"], **options)
        conn.execute("CREATE UNIQUE INDEX ON trade (side, venue) WHERE number IS NULL")  # a full one goes first
        conn.execute("DELETE FROM trade")
        conn.execute("CREATE UNIQUE INDEX ON trade (venue, side)")
        nulls = [(None, "buy", 1), (None, "buy", 2), ("x", "buy", 3), ("x", "buy", 4)]
        options["key"] = ["venue", "side"]
        assert _counts(dbperf.copy_rows(conn, "trade", nulls, ["venue", "side", "size"], **options)) == (4, 3, 0, 1)


@pytest.mark.parametrize(
    ("kind", "given", "stored"),
    [
        ("timestamp(0)", [T, T + 0.4 * SECOND, T + 0.6 * SECOND, T + 1.5 * SECOND], [T, T + SECOND, T + 2 * SECOND]),
        ("seconds", [T, T + 0.4 * SECOND, T + 0.6 * SECOND, T + 1.5 * SECOND], [T, T + SECOND, T + 2 * SECOND]),
        ("interval hour", [dt.timedelta(hours=1), dt.timedelta(minutes=119)], [dt.timedelta(hours=1)]),
        ("numeric(6,2)", [Decimal("1.00"), Decimal("1.004"), Decimal("1.006")], [Decimal("1.00"), Decimal("1.01")]),
    ],
)
def test_keys_that_are_one_once_rounded(
    upgraded_db: str, copy: Copy, kind: str, given: list[Any], stored: list[Any]
) -> None:
    """As the server rounds them, before duplicates are looked for and what is there is met."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE DOMAIN seconds AS timestamp(0)")
        conn.execute(f"CREATE TABLE rounded (key {kind} PRIMARY KEY, place integer)".encode())
        rows = list(zip(given, range(len(given)), strict=True))
        for mode, counted in (("ignore", 0), ("update", 1)):
            for others in ([], rows[:1]):
                conn.execute("TRUNCATE rounded")
                copy(upgraded_db, "rounded", others, on_conflict=mode)
                result = copy(upgraded_db, "rounded", rows, on_conflict=mode, round=["key"])
                found = conn.execute("SELECT key, place FROM rounded ORDER BY key").fetchall()
                assert [key for key, _ in found] == stored
                assert _counts(result)[:2] == (len(given), len(stored) - len(others))
                assert found[0][1] == counted  # of those that are the first key


def test_padded_keys(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE padded (key char(4) PRIMARY KEY, place integer)")
        result = dbperf.copy_rows(conn, "padded", [("ab", 1), ("ab  ", 2), ("abcd", 3)], on_conflict="update")
        assert _counts(result) == (3, 2, 0, 1)
        assert conn.execute("SELECT * FROM padded ORDER BY key").fetchall() == [("ab  ", 2), ("abcd", 3)]


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("CREATE TABLE odd (dbperf_row integer PRIMARY KEY, value integer)", r"called dbperf_row.*\n.*Rename it"),
        ("CREATE TABLE odd (dbperf_place integer PRIMARY KEY, value integer)", r"called dbperf_row.*\n.*Rename it"),
        (
            "CREATE TABLE odd (key integer PRIMARY KEY, value integer); CREATE TEMPORARY TABLE dbperf_settling ()",
            r"dbperf_settling.*\n.*DROP TABLE",
        ),
        (
            "CREATE TABLE odd (key integer, value integer, deleted_at date); CREATE UNIQUE INDEX ON odd (key) WHERE deleted_at IS NULL",
            r"lacks columns.*deleted_at\n.*\n.*NULL for deleted_at",
        ),
        (
            "CREATE TABLE odd (key integer, value integer); CREATE UNIQUE INDEX ON odd (key) WHERE value > 0; CREATE UNIQUE INDEX ON odd (key) WHERE value < 5",
            r"several unique indexes.*\n.*odd_key_idx, public.odd_key_idx1.*\n.*without WHERE",
        ),
    ],
)
def test_tables_that_cannot_be_settled(upgraded_db: str, definition: str, words: str) -> None:
    """In words, with what to do."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute(definition.encode())
        names = [
            row[0]
            for row in conn.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'odd'::regclass AND attnum IN (1, 2)"
            )
        ]
        with pytest.raises(psycopg.Error, match=words):
            dbperf.copy_rows(conn, "odd", [(1, 1)], names, on_conflict="update", key=names[:1], on_error="quarantine")
        assert conn.execute("SELECT FROM odd").rowcount == 0


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "not hot"])
def test_deleted_rows(bars: psycopg.Connection, upgraded_db: str, copy: Copy, hot: bool) -> None:
    bars.execute("SELECT dbperf.enable_soft_delete('bar', hot => %s)", [hot])
    copy(upgraded_db, "bar", [_bar(n, n) for n in range(3)])
    bars.execute("DELETE FROM bar WHERE close = 1")
    rows = [_bar(1, 10), _bar(2, 20)]
    for mode in ("ignore", "update"):
        with pytest.raises(pg_errors.UniqueViolation):
            copy(upgraded_db, "bar", rows, on_conflict=mode)
    assert _counts(copy(upgraded_db, "bar", rows, on_conflict="ignore", on_deleted="keep")) == (2, 0, 0, 2)
    assert _counts(copy(upgraded_db, "bar", rows, on_conflict="update", on_deleted="keep")) == (2, 0, 1, 1)
    assert [row[0] for row in bars.execute("SELECT close FROM bar_active ORDER BY 1")] == [0, 20]
    assert _counts(copy(upgraded_db, "bar", rows, on_conflict="update", on_deleted="revive")) == (2, 0, 2, 0)
    assert [row[0] for row in bars.execute("SELECT close FROM bar_active ORDER BY 1")] == [0, 10, 20]


@pytest.mark.parametrize("on_error", ["stop", "quarantine"])
def test_eight_writers_on_the_same_keys(
    bars: psycopg.Connection, upgraded_db: str, rng: random.Random, on_error: Any
) -> None:
    """Whatever the order of their rows, whether they ignore or update, and what is bad: nobody deadlocks, and the counts are true."""
    bars.execute("ALTER TABLE bar ADD CHECK (close >= 0)")
    rounds, failures, results = 12, list[str](), list[dbperf.CopyResult]()
    start = threading.Barrier(8)

    def write(number: int, seed: int) -> None:
        own = random.Random(seed)
        try:
            with psycopg.connect(upgraded_db, autocommit=True) as conn:
                start.wait()
                for _ in range(rounds):
                    rows = [_bar(own.randrange(200), number, own.randrange(3)) for _ in range(150)]
                    if on_error == "quarantine":
                        rows[::9] = [row | {"close": -1.0} for row in rows[::9]]
                    mode: Any = own.choice(["ignore", "update"])
                    results.append(dbperf.copy_rows(conn, "bar", rows, on_conflict=mode, on_error=on_error))
        except psycopg.Error as error:
            failures.append(str(error))

    threads = [threading.Thread(target=write, args=(number, rng.random())) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert bars.execute("SELECT count(*) FROM bar").fetchone() == (sum(result.inserted for result in results),)
    quarantined = sum(result.quarantined for result in results)
    assert bars.execute("SELECT count(*) FROM dbperf.quarantine").fetchone() == (quarantined,)
    assert (quarantined > 0) == (on_error == "quarantine")


@pytest.mark.parametrize(
    "options", [{"round": ["clsoe"]}, {"scale": {"clsoe": 2}}, {"on_conflict": "update", "update": ["volume"]}]
)
def test_columns_that_the_batch_does_not_have(bars: psycopg.Connection, options: Any) -> None:
    with pytest.raises(ColumnError, match="which the batch does not fill"):
        dbperf.copy_rows(bars, "bar", [_bar(0, 1)], **options)


def test_keys_that_were_renamed_include_and_own_identity(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE odd (k integer, s jsonb, w integer CHECK (w > 0), n bigint GENERATED ALWAYS AS IDENTITY)"
        )
        conn.execute("CREATE UNIQUE INDEX ON odd (k) INCLUDE (w)")
        conn.execute("ALTER TABLE odd RENAME k TO key")
        conn.execute(
            "CREATE TRIGGER z BEFORE UPDATE ON odd FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )
        options: Any = {"on_conflict": "update", "key": ["key"]}
        first = [{"key": 1, "s": {}, "w": 1, "n": 5}, {"key": 2, "s": {}, "w": 2, "n": 6}]
        assert _counts(dbperf.copy_rows(conn, "odd", first, **options)) == (2, 2, 0, 0)
        assert conn.execute("SELECT key, w FROM odd ORDER BY key").fetchall() == [(1, 1), (2, 2)]
        result = dbperf.copy_rows(
            conn,
            "odd",
            [{"key": 1, "s": {}, "w": 9}, {"key": 3, "s": {"z": 1}, "w": -1}],
            on_error="quarantine",
            **options,
        )
        assert (result.inserted, result.updated, result.quarantined) == (0, 1, 1)
        assert conn.execute("SELECT w FROM odd WHERE key = 1").fetchone() == (9,)
        assert conn.execute("SELECT row_data FROM dbperf.quarantine").fetchone() == (
            {"key": 3, "s": {"z": 1}, "w": -1},
        )
        same = dbperf.copy_rows(conn, "odd", [{"key": 1, "w": 9}], batch_id="b", **options)
        assert min(same.inserted, same.updated, same.ignored) >= 0  # the trigger leaves it out


def test_triggers_run_as_they_expect(upgraded_db: str, copy: Copy) -> None:
    """Under the caller's search_path; what they miss is not said to be dbperf's."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE audited (k integer PRIMARY KEY, seen text)")
        conn.execute("CREATE TABLE audit (k integer)")
        conn.execute(
            "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO audit VALUES (NEW.k); NEW.seen := current_schema(); RETURN NEW; END'"
        )
        conn.execute("CREATE TRIGGER audit BEFORE INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit()")
        ways: list[dict[str, Any]] = [
            {"on_conflict": "ignore"},
            {"on_conflict": "update"},
            {"on_error": "quarantine"},
            {"on_conflict": "update", "on_error": "quarantine"},
        ]
        for number, way in enumerate(ways):
            copy(upgraded_db, "audited", [(number, ""), (number + 10, "")], **way)
        assert conn.execute("SELECT DISTINCT seen, (SELECT count(*) FROM audit) FROM audited").fetchall() == [
            ("public", 8)
        ]
        conn.execute("DROP TABLE audit")
        conn.execute("CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2'")
        conn.execute(
            "CREATE OR REPLACE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM thrice(2); RETURN NEW; END'"
        )
        with pytest.raises(pg_errors.UndefinedFunction, match="thrice"):
            copy(upgraded_db, "audited", [(77, "")], on_conflict="ignore")


def test_newer_keeps_what_it_compares(bars: psycopg.Connection, upgraded_db: str, copy: Copy) -> None:
    """Also if it is not among the columns to update."""
    for seconds, close in ((1, 1.0), (9, 9.0), (5, 5.0)):
        row = _bar(0, close, seen=T + seconds * SECOND)
        copy(upgraded_db, "bar", [row], on_conflict="update", newer="seen", update=["close"])
    assert bars.execute("SELECT close, seen FROM bar").fetchall() == [(9.0, T + 9 * SECOND)]


@pytest.mark.parametrize("on_error", ["stop", "quarantine"])
def test_updates_that_a_trigger_skips(bars: psycopg.Connection, upgraded_db: str, copy: Copy, on_error: str) -> None:
    """They are ignored, and the rows between them are counted as what they are."""
    leaf = "bar_7" if bars.execute("SELECT relkind FROM pg_class WHERE relname = 'bar'").fetchone() == ("p",) else "bar"
    bars.execute(
        f"CREATE TRIGGER z BEFORE UPDATE ON {leaf} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()".encode()
    )
    bars.execute("ALTER TABLE bar ADD CHECK (close >= 0)")
    copy(upgraded_db, "bar", [_bar(n, 0) for n in range(0, 10, 2)])
    rows = [_bar(n, float(n == 4)) for n in range(10)] + [_bar(3, -1.0)] * (on_error == "quarantine")
    for seen in ((5, 1, 4), (0, 0, 10)):
        result = copy(upgraded_db, "bar", rows, on_conflict="update", on_error=on_error)
        assert (result.inserted, result.updated, result.ignored) == seen
    assert copy(upgraded_db, "bar", rows[:9], ["instrument_id", "timestamp"], on_conflict="update").ignored == 9


def test_keys_that_an_update_writes_otherwise(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE priced (key numeric PRIMARY KEY, place integer)")
        conn.execute(
            "CREATE TRIGGER z BEFORE UPDATE ON priced FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )
        options: Any = {"on_conflict": "update", "update": ["key", "place"]}
        dbperf.copy_rows(conn, "priced", [(Decimal(1), 0), (Decimal(2), 0)], **options)
        rows = [(Decimal("1.00"), 1), (Decimal("2.0"), 0), (Decimal(3), 0)]
        assert _counts(dbperf.copy_rows(conn, "priced", rows, **options)) == (3, 1, 2, 0)
        assert conn.execute("SHOW dbperf.met").fetchone() == ("",)


def test_a_temporary_table_that_hides_none(upgraded_db: str) -> None:
    """Its name is that of another one, which search_path finds first."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept (k integer PRIMARY KEY); CREATE TEMPORARY TABLE kept (k integer PRIMARY KEY)")
        conn.execute("SET search_path = public, pg_temp")
        for mode in ("ignore", "update"):
            dbperf.copy_rows(conn, "pg_temp.kept", [(1,), (2,)], on_conflict=mode)
        assert conn.execute(
            "SELECT (SELECT count(*) FROM pg_temp.kept), (SELECT count(*) FROM public.kept)"
        ).fetchone() == (2, 0)


def test_columns_of_the_index(upgraded_db: str) -> None:
    """Those of its key are needed, be it that of a constraint; those that it includes are not."""
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        conn.execute("CREATE TABLE part (id serial PRIMARY KEY, k integer NOT NULL, more integer)")
        conn.execute("CREATE UNIQUE INDEX ON part (k) INCLUDE (more)")
        with pytest.raises(psycopg.Error, match=r"lacks columns.*id"):
            dbperf.copy_rows(conn, "part", [(1,)], ["k"], on_conflict="update")
        assert dbperf.copy_rows(conn, "part", [(1,)], ["k"], on_conflict="update", key=["k"]).inserted == 1


def test_an_index_with_a_collation_of_its_own(upgraded_db: str) -> None:
    with psycopg.connect(upgraded_db, autocommit=True) as conn:
        try:
            conn.execute("CREATE COLLATION same (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        except pg_errors.FeatureNotSupported:
            pytest.skip("this server was built without ICU, and so has no collation of which this is true")
        conn.execute("CREATE TABLE word (k text, n integer); CREATE UNIQUE INDEX ON word (k COLLATE same)")
        options: Any = {"on_conflict": "update", "key": ["k"]}
        assert _counts(dbperf.copy_rows(conn, "word", [("a", 1), ("A", 2)], **options)) == (2, 1, 0, 1)
        assert conn.execute("SELECT * FROM word").fetchall() == [("A", 2)]
