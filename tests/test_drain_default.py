"""A table that comes with a DEFAULT partition loses it, and no row, while writers go on."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.shapes import ids, value
from tests.support import BUDGET_MS

KINDS = {
    "timestamp": ("timestamp", "{t}", "NULL"),
    "timestamptz": ("timestamptz", "(({t}) AT TIME ZONE 'UTC')", "NULL"),
    "date": ("date", "({t})::date", "NULL"),
    "ms": ("bigint", "(extract(epoch FROM {t}) * 1000)::bigint", "'ms'"),
}
NOW = "(now() AT TIME ZONE 'UTC')"


@pytest.fixture
def db(trading_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        conn.execute("SET TimeZone = 'America/New_York'")
        yield conn


def key(kind: str, time_: str) -> str:
    return KINDS[kind][1].format(t=time_)


def make(conn: psycopg.Connection, kind: str = "timestamptz", *, soft: bool = False, every: str = "1 day") -> None:
    """Table ``tick`` with nothing but a DEFAULT partition and a policy."""
    type_, _, encoding = KINDS[kind]
    conn.execute(
        "CREATE TABLE tick (id bigint NOT NULL, instrument_id integer NOT NULL REFERENCES instruments,"
        f" at {type_} NOT NULL, price numeric(12, 4), note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)".encode()
    )
    conn.execute("CREATE INDEX ON tick (instrument_id, at)")
    conn.execute("CREATE TABLE tick_default PARTITION OF tick DEFAULT")
    conn.execute(
        "INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind, encoding)"
        f" VALUES ('tick', '{every}', '3 days', '5 days', '7 days', {encoding})".encode()
    )
    if soft:
        conn.execute("SELECT dbperf.enable_soft_delete('tick')")


def fill(conn: psycopg.Connection, kind: str, rows: int, first: str, last: str, *, start: int = 1) -> None:
    """Rows with ids from *start*, spread over the range of time."""
    moment = f"({first})::timestamp + (({last})::timestamp - ({first})::timestamp) * ((g - {start}) / {rows}::float8)"
    conn.execute(
        f"INSERT INTO tick (id, instrument_id, at, price, note) SELECT g, (SELECT min(id) FROM instruments) + g % 8, {key(kind, moment)}, g, 'row ' || g"
        f" FROM generate_series({start}, {start + rows - 1}) AS g".encode()
    )


def plant(conn: psycopg.Connection, kind: str, id_: int, moment: str) -> None:
    fill(conn, kind, 1, f"timestamp '{moment}'", f"timestamp '{moment}'", start=id_)


def drain(conn: psycopg.Connection) -> int:
    return int(value(conn, "CALL dbperf.drain_default('tick')"))


def parts(conn: psycopg.Connection) -> dict[str, int]:
    """Partitions with their number of rows."""
    names = [
        row[0]
        for row in conn.execute(
            "SELECT partition::text FROM dbperf.partitions WHERE relation = 'tick'::regclass ORDER BY lower_bound"
        )
    ]
    return {name: value(conn, f"SELECT count(*) FROM {name}") for name in names}


def complete(conn: psycopg.Connection, wanted: set[int]) -> None:
    """All rows there once, the DEFAULT partition gone with everything that the drain needed, and maintenance succeeds."""
    assert ids(conn, "tick") == wanted
    assert conn.execute("SELECT has_default, missing, is_long_enough FROM dbperf.partition_runway").fetchone() == (
        False,
        0,
        True,
    )
    conn.execute("CALL dbperf.maintain('tick')")
    assert value(conn, "SELECT sqlstate FROM dbperf.maintenance_log ORDER BY id DESC LIMIT 1") is None
    assert value(conn, "SELECT count(*) FROM pg_constraint WHERE conname = 'dbperf_drain'") == 0
    assert value(conn, "SELECT count(*) FROM dbperf.delete_ticket") == 0
    assert (
        value(conn, "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'tick%' AND NOT relispartition")
        == 0
    )
    # every partition has what the table has
    wrong = """SELECT c.oid::regclass FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid WHERE h.inhparent = 'tick'::regclass AND (
        (SELECT count(*) FROM pg_index AS i JOIN pg_inherits AS x ON x.inhrelid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisvalid) <> 2
        OR (SELECT count(*) FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid <> 0 AND k.convalidated) <> 1)"""
    assert conn.execute(wrong.encode()).fetchall() == []


# -- shapes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_a_small_one(db: psycopg.Connection, kind: str, soft: bool) -> None:
    make(db, kind, soft=soft)
    fill(db, kind, 300, f"{NOW} - interval '2 days'", NOW)
    plant(db, kind, 301, "2099-05-05 12:00")
    plant(db, kind, 302, "1999-12-31 23:59")
    marked: set[int] = set()
    if soft:
        db.execute("DELETE FROM tick WHERE id % 10 = 0 OR id = 301")
        marked = {i for i in range(1, 303) if i % 10 == 0 or i == 301}
    before = db.execute("SELECT t.* FROM tick AS t ORDER BY id").fetchall()
    assert drain(db) == 2
    complete(db, set(range(1, 303)))
    assert db.execute("SELECT t.* FROM tick AS t ORDER BY id").fetchall() == before
    found = parts(db)
    assert found["tick_outside_1999_12_31"] == found["tick_outside_2099_05_05"] == 1
    assert value(db, "SELECT to_regclass('tick_default')") is None
    if soft:
        assert ids(db, "tick_active") == set(range(1, 303)) - marked
        problems = db.execute(
            "SELECT check_name, subject, message FROM dbperf.verify('tick') WHERE severity = 'problem'"
        ).fetchall()
        assert problems == []
        db.execute("DELETE FROM tick WHERE id IN (1, 302)")
        assert ids(db, "tick") == set(range(1, 303))
        assert ids(db, "tick_active") == set(range(2, 302)) - marked


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_a_large_one_becomes_a_partition(db: psycopg.Connection, kind: str, soft: bool) -> None:
    make(db, kind, soft=soft)
    fill(db, kind, 12000, f"{NOW} - interval '40 days'", NOW)
    plant(db, kind, 12001, "2099-05-05 12:00")
    plant(db, kind, 12002, "1999-12-31 23:59")
    db.execute("CREATE INDEX note_of_default ON tick_default (note)")
    if soft:
        db.execute("DELETE FROM tick WHERE id % 10 = 0 OR id = 12001")
    oid = value(db, "SELECT 'tick_default'::regclass::oid")
    before = db.execute("SELECT t.* FROM tick AS t ORDER BY id").fetchall()
    assert drain(db) == 2
    db.execute("DROP INDEX note_of_default")  # still there
    complete(db, set(range(1, 12003)))
    assert db.execute("SELECT t.* FROM tick AS t ORDER BY id").fetchall() == before
    found = parts(db)
    assert found["tick_outside_1999_12_31"] == found["tick_outside_2099_05_05"] == 1
    kept = value(db, "SELECT %s::oid::regclass::text", oid)
    assert found[kept] == 12000
    assert kept.startswith("tick_p20")
    if soft:
        assert (
            db.execute("SELECT check_name, message FROM dbperf.verify('tick') WHERE severity = 'problem'").fetchall()
            == []
        )
        db.execute("DELETE FROM tick WHERE id IN (1, 12002)")
        assert ids(db, "tick") == set(range(1, 12003))


def test_many_outside_go_in_several_rounds(db: psycopg.Connection) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 12000, f"{NOW} - interval '10 days'", NOW)
    for day in range(1, 21):
        plant(db, "timestamp", 12000 + day, f"2099-05-{day} 12:00")
    assert drain(db) == 20
    complete(db, set(range(1, 12021)))
    assert sum(name.startswith("tick_outside_2099_05_") for name in parts(db)) == 20


def test_between_other_partitions(db: psycopg.Connection) -> None:
    """Now has its partition; what is in the DEFAULT one belongs to gaps, one of them of an odd size."""
    make(db, "timestamp")
    db.execute("CREATE TABLE tick_now PARTITION OF tick FOR VALUES FROM ('2026-01-03 10:30') TO ('2090-01-01')")
    db.execute("CREATE TABLE tick_old PARTITION OF tick FOR VALUES FROM ('2020-01-01') TO ('2026-01-02 10:15')")
    fill(db, "timestamp", 200, "timestamp '2026-01-02 10:15'", "timestamp '2026-01-03 10:30'")
    plant(db, "timestamp", 201, "2099-05-05")
    plant(db, "timestamp", 202, "2019-12-31")
    assert drain(db) == 202
    complete(db, set(range(1, 203)))
    bounds = db.execute(
        "SELECT lower_bound::text, upper_bound::text FROM dbperf.partitions WHERE relation = 'tick'::regclass AND lower_bound >= '2026-01-02' AND upper_bound <= '2026-01-03 10:30'"
    )
    assert bounds.fetchall() == [
        ("2026-01-02 10:15:00", "2026-01-03 00:00:00"),
        ("2026-01-03 00:00:00", "2026-01-03 10:30:00"),
    ]


def test_a_large_one_between_other_partitions(db: psycopg.Connection) -> None:
    make(db, "timestamp")
    db.execute("CREATE TABLE tick_now PARTITION OF tick FOR VALUES FROM ('2026-02-03 10:30') TO ('2090-01-01')")
    fill(db, "timestamp", 25000, "timestamp '2026-01-01'", "timestamp '2026-02-03 10:30'")
    plant(db, "timestamp", 25001, "2099-05-05")
    plant(db, "timestamp", 25002, "2009-12-31")
    assert drain(db) == 2
    complete(db, set(range(1, 25003)))
    assert 25000 in parts(db).values()


def test_a_large_one_that_is_bloat_goes(db: psycopg.Connection) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 12000, f"{NOW} - interval '5 days'", NOW)
    db.execute("DELETE FROM tick WHERE id > 100")
    db.execute("DELETE FROM tick WHERE at > now() AT TIME ZONE 'UTC' - interval '1 hour'")
    left = ids(db, "tick")
    drain(db)
    complete(db, left)


def test_an_empty_one_becomes_the_partition_of_now(db: psycopg.Connection) -> None:
    make(db)
    assert drain(db) == 0
    complete(db, set())
    assert drain(db) == 0


def test_an_empty_one_is_dropped(db: psycopg.Connection) -> None:
    make(db, soft=True)
    db.execute(
        "CREATE TABLE tick_now PARTITION OF tick FOR VALUES FROM (now() - interval '1 day') TO (now() + interval '9 days')"
    )
    assert drain(db) == 0
    complete(db, set())
    assert value(db, "SELECT to_regclass('tick_default')") is None
    assert (
        value(
            db,
            "SELECT count(*) FROM dbperf.soft_delete_guard AS g LEFT JOIN pg_class AS c ON c.oid = g.guarded WHERE c.oid IS NULL",
        )
        == 0
    )


def test_what_was_made_for_it_alone_is_not_dropped(db: psycopg.Connection) -> None:
    make(db)
    db.execute(
        "CREATE TABLE tick_now PARTITION OF tick FOR VALUES FROM (now() - interval '1 day') TO (now() + interval '9 days')"
    )
    db.execute("CREATE VIEW of_default AS SELECT * FROM tick_default")
    fill(db, "timestamptz", 50, "timestamp '2020-02-02'", "timestamp '2020-02-03'")
    assert drain(db) == 50
    assert value(db, "SELECT count(*) FROM of_default") == 0
    db.execute("DROP TABLE tick_default CASCADE")
    complete(db, set(range(1, 51)))


# -- refusals --------------------------------------------------------------------------------


def test_keys_without_a_time_are_refused(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE loose (id bigint, at timestamp) PARTITION BY RANGE (at)")
    db.execute("CREATE TABLE loose_default PARTITION OF loose DEFAULT")
    db.execute("INSERT INTO loose VALUES (1, NULL), (2, NULL), (3, 'infinity'), (4, now())")
    db.execute(
        "INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind) VALUES ('loose', '1 day', '1 day', '1 day', '1 day')"
    )
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState,
        match=r"^3 rows of public\.loose_default have a key that is NULL or no time",
    ):
        db.execute("CALL dbperf.drain_default('loose')")
    assert value(db, "SELECT count(*) FROM loose") == 4


def test_triggers_and_keys_are_refused_by_name(db: psycopg.Connection) -> None:
    make(db)
    fill(db, "timestamptz", 5, NOW, NOW)
    db.execute("CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    db.execute("CREATE TRIGGER audited AFTER DELETE ON tick FOR EACH ROW EXECUTE FUNCTION audit()")
    db.execute(
        "CREATE TABLE fill (id bigint, at timestamptz, CONSTRAINT fill_tick_fkey FOREIGN KEY (id, at) REFERENCES tick)"
    )
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as caught:
        drain(db)
    assert (
        caught.value.diag.message_detail
        == "foreign key fill_tick_fkey of public.fill references public.tick; trigger audited of public.tick_default would fire for rows that move"
    )


def test_without_policy_or_at_another_isolation_level(db: psycopg.Connection) -> None:
    make(db)
    db.execute("SET default_transaction_isolation = 'repeatable read'")
    with pytest.raises(errors.FeatureNotSupported):
        drain(db)
    db.execute("RESET default_transaction_isolation")
    db.execute("DELETE FROM dbperf.partition_policy")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="has no partition policy"):
        drain(db)


def test_nobody_but_dbperf_lets_rows_go(db: psycopg.Connection) -> None:
    """The ticket is for the DEFAULT partition and its DELETE; it is gone with that."""
    make(db, soft=True)
    fill(db, "timestamptz", 20, NOW, NOW)
    with db.transaction():
        db.execute(
            "SELECT dbperf.drain_move('tick', 'tick_default', (now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + 1)"
        )
        fill(db, "timestamptz", 20, NOW, NOW, start=21)
        db.execute("DELETE FROM tick")
        assert ids(db, "tick") == set(range(21, 41))
        raise psycopg.Rollback
    assert ids(db, "tick_active") == set(range(1, 21))


# -- beside others ---------------------------------------------------------------------------


class Writers:
    """Threads that insert rows of now, until they are stopped; each error is kept."""

    def __init__(self, dsn: str, kind: str, number: int = 4) -> None:
        self._statement = (
            f"INSERT INTO tick (id, instrument_id, at, price) SELECT %s, (SELECT min(id) FROM instruments) + %s %% 8, {key(kind, 'clock_timestamp() AT TIME ZONE $$UTC$$')}, 1"
        ).encode()
        self._dsn = dsn
        self._next = itertools.count(1_000_001)
        self._stop = threading.Event()
        self.written: list[list[int]] = [[] for _ in range(number)]
        self.errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=[mine]) for mine in self.written]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        self.more()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, rows: int = 50) -> None:
        """Until each has written so many rows more."""
        wanted = [len(mine) + rows for mine in self.written]
        while not self.errors and any(len(mine) < w for mine, w in zip(self.written, wanted, strict=True)):
            time.sleep(0.001)

    def ids(self) -> set[int]:
        return {i for mine in self.written for i in mine}

    def _run(self, mine: list[int]) -> None:
        try:
            with psycopg.connect(self._dsn, autocommit=True) as conn:
                while not self._stop.is_set():
                    number = next(self._next)
                    conn.execute(self._statement, [number, number])
                    mine.append(number)
        except BaseException as error:
            self.errors.append(error)


class Watch:
    """Longest wait for a lock of which the process *pid* is a cause, as pg_locks shows it."""

    def __init__(self, dsn: str, pid: int) -> None:
        self.longest = 0.0
        self.samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[dsn, pid])

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self, dsn: str, pid: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            while not self._stop.is_set():
                waited = value(
                    conn,
                    "SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart))::float8 FROM pg_locks AS l"
                    " WHERE NOT l.granted AND l.waitstart IS NOT NULL AND %s = ANY (pg_blocking_pids(l.pid))",
                    pid,
                )
                self.samples += 1
                self.longest = max(self.longest, waited or 0.0)


@pytest.mark.parametrize("kind", ["timestamptz", pytest.param("ms", marks=pytest.mark.chaos)])
@pytest.mark.parametrize("size", [300, 60000], ids=["small", "large"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_writers_go_on(db: psycopg.Connection, trading_db: str, kind: str, size: int, soft: bool) -> None:
    make(db, kind, soft=soft)
    fill(db, kind, size, f"{NOW} - interval '3 days'", NOW)
    plant(db, kind, size + 1, "2099-05-05 12:00")
    plant(db, kind, size + 2, "1999-12-31 23:59")
    with Writers(trading_db, kind) as writers, Watch(trading_db, db.info.backend_pid) as watch:
        drain(db)
        writers.more()
    assert writers.errors == []
    print(f"{watch.longest * 1000:.0f} ms, {watch.samples} samples, {len(writers.ids())} rows written")
    assert watch.longest * 1000 <= BUDGET_MS
    complete(db, set(range(1, size + 3)) | writers.ids())


@pytest.mark.chaos
def test_two_at_once(db: psycopg.Connection, trading_db: str) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 30000, f"{NOW} - interval '10 days'", NOW)
    for day in range(1, 13):
        plant(db, "timestamp", 30000 + day, f"2099-05-{day} 12:00")
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with psycopg.connect(trading_db, autocommit=True) as conn:
                drain(conn)
        except BaseException as error:
            failed.append(error)

    with Writers(trading_db, "timestamp") as writers:
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert writers.errors == []
    assert all(isinstance(error, errors.LockNotAvailable) for error in failed), failed
    complete(db, set(range(1, 30013)) | writers.ids())


@pytest.mark.chaos
def test_a_held_table_stops_it_and_nothing_is_left(db: psycopg.Connection, trading_db: str) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 12000, f"{NOW} - interval '10 days'", NOW)
    with psycopg.connect(trading_db) as holder:
        holder.execute("LOCK TABLE ONLY tick IN ACCESS SHARE MODE")
        with pytest.raises(errors.LockNotAvailable) as caught:
            drain(db)
    assert caught.value.diag.message_primary == "somebody holds a lock that draining tick needs"
    assert value(db, "SELECT count(*) FROM pg_constraint WHERE conname = 'dbperf_drain'") == 0
    drain(db)
    complete(db, set(range(1, 12001)))


def test_an_update_of_a_row_that_moves_is_not_lost(db: psycopg.Connection, trading_db: str) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 12000, f"{NOW} - interval '10 days'", NOW)
    plant(db, "timestamp", 12001, "2099-05-05 12:00")
    stop = threading.Event()
    counts: list[int] = []
    refused = []

    def update() -> None:
        with psycopg.connect(trading_db, autocommit=True) as conn:
            while not stop.is_set():
                try:
                    counts.append(conn.execute("UPDATE tick SET price = price + 1 WHERE id = 12001").rowcount)
                except errors.CheckViolation as error:
                    refused.append(error)

    thread = threading.Thread(target=update)
    thread.start()
    while not counts:
        time.sleep(0.001)
    try:
        drain(db)
    finally:
        stop.set()
        thread.join()
    assert set(counts) == {1}
    assert value(db, "SELECT price FROM tick WHERE id = 12001") == 12001 + len(counts)
    complete(db, set(range(1, 12002)))


@pytest.mark.chaos
def test_an_older_snapshot_is_waited_for(db: psycopg.Connection, trading_db: str) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 9, NOW, NOW)
    plant(db, "timestamp", 10, "2099-05-05 12:00")
    with psycopg.connect(trading_db) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM instruments")
        with pytest.raises(
            errors.LockNotAvailable, match=f"a transaction of process {reader.info.backend_pid} keeps an older snapshot"
        ):
            drain(db)
        assert value(reader, "SELECT count(*) FROM tick") == 10
    drain(db)
    complete(db, set(range(1, 11)))


# -- interruptions ---------------------------------------------------------------------------

CLIENT = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True, application_name='drain').execute(\"CALL dbperf.drain_default('tick')\")"
BUSY = "SELECT pid FROM pg_stat_activity WHERE application_name = 'drain' AND datname = current_database() AND state = 'active'"


def _interrupted(db: psycopg.Connection, dsn: str, reached: Callable[[], Any], victim: str) -> None:
    """Start a drain, kill it when *reached* says so or it is done."""
    run = subprocess.Popen([sys.executable, "-c", CLIENT, dsn], stderr=subprocess.DEVNULL)
    while run.poll() is None:
        if reached():
            break
    if victim == "client":
        run.send_signal(signal.SIGKILL)
        run.wait()
        db.execute(
            f"SELECT pg_terminate_backend(pid) FROM ({BUSY}) AS b".encode()
        )  # as client_connection_check_interval would
    else:
        db.execute(f"SELECT pg_terminate_backend(pid) FROM ({BUSY}) AS b".encode())
        run.wait()
    while value(
        db, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'drain' AND datname = current_database()"
    ):
        pass


@pytest.mark.chaos
@pytest.mark.parametrize("victim", ["client", "backend"])
def test_killed_between_its_transactions(db: psycopg.Connection, trading_db: str, victim: str) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 12000, f"{NOW} - interval '10 days'", NOW)
    plant(db, "timestamp", 12001, "2099-05-05 12:00")
    with psycopg.connect(trading_db) as holder:
        holder.execute("LOCK TABLE ONLY tick IN ACCESS SHARE MODE")
        _interrupted(
            db, trading_db, lambda: value(db, "SELECT 1 FROM pg_constraint WHERE conname = 'dbperf_drain'"), victim
        )
    assert ids(db, "tick") == set(range(1, 12002))
    drain(db)
    complete(db, set(range(1, 12002)))


@pytest.mark.chaos
@pytest.mark.parametrize("victim", ["client", "backend"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_killed_anywhere(db: psycopg.Connection, trading_db: str, rng: random.Random, victim: str, soft: bool) -> None:
    """The random moment is the kill's, not a wait for anything."""
    make(db, "timestamp", soft=soft)
    fill(db, "timestamp", 20000, f"{NOW} - interval '10 days'", NOW)
    for day in range(1, 13):
        plant(db, "timestamp", 20000 + day, f"2099-05-{day} 12:00")
    wanted = set(range(1, 20013))
    for _ in range(6):
        until: list[float] = []

        def reached(until: list[float] = until) -> bool:
            if not until and value(db, BUSY):
                until.append(time.monotonic() + rng.random() * 0.4)
            return bool(until) and time.monotonic() >= until[0]

        _interrupted(db, trading_db, reached, victim)
        assert ids(db, "tick") == wanted
    drain(db)
    complete(db, wanted)


def test_a_cancelled_one_lets_rows_in_again(db: psycopg.Connection, trading_db: str) -> None:
    make(db, "timestamp")
    fill(db, "timestamp", 12000, f"{NOW} - interval '10 days'", NOW)
    with psycopg.connect(trading_db) as holder, psycopg.connect(trading_db, autocommit=True) as other:
        holder.execute("LOCK TABLE tick_default IN SHARE UPDATE EXCLUSIVE MODE")
        db.execute("SET statement_timeout = '1s'")
        with pytest.raises(errors.QueryCanceled):
            drain(db)
        assert value(other, "SELECT count(*) FROM pg_constraint WHERE conname = 'dbperf_drain'") == 0
    db.execute("RESET statement_timeout")
    drain(db)
    complete(db, set(range(1, 12001)))


# -- what it reads ---------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["date", "timestamp", "timestamptz", "s", "ms", "us", "ns", "uuidv7"])
def test_hours_are_those_of_the_keys(db: psycopg.Connection, encoding: str, rng: random.Random) -> None:
    type_ = {"s": "bigint", "ms": "bigint", "us": "bigint", "ns": "bigint", "uuidv7": "uuid"}.get(encoding, encoding)
    db.execute(f"CREATE TABLE keyed (at {type_}) PARTITION BY RANGE (at)".encode())
    db.execute("CREATE TABLE keyed_default PARTITION OF keyed DEFAULT")
    db.execute(
        "INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind, encoding) VALUES ('keyed', '1 day', '1 day', '1 day', '1 day', %s)",
        [encoding],
    )
    first = 0 if encoding == "uuidv7" else -2_000_000_000
    seconds = [rng.randrange(first, 9_000_000_000) for _ in range(200)] + [0, 3599, 3600]
    db.execute(
        f"INSERT INTO keyed SELECT dbperf.partition_value(%s, timestamp 'epoch' + s * interval '1 second')::{type_} FROM unnest(%s::bigint[]) AS s".encode(),
        [encoding, seconds],
    )
    wrong = db.execute(
        """SELECT * FROM (SELECT date_trunc('hour', dbperf.partition_time(%s, at::text)) AS hour, count(*) FROM keyed GROUP BY 1) AS k
           FULL JOIN dbperf.drain_hours('keyed', 'keyed_default') AS h ON h.hour = k.hour AND h.rows = k.count
           WHERE h.hour IS NULL OR k.hour IS NULL""",
        [encoding],
    )
    assert wrong.fetchall() == []
    if type_ == "bigint":
        db.execute("INSERT INTO keyed VALUES (9223372036854775807)")
        assert value(db, "SELECT count(*) FROM dbperf.drain_hours('keyed', 'keyed_default')") > 0
