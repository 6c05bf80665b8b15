"""A table becomes another one while four writers write it: nothing is lost, nobody waits long, no kill matters."""

from __future__ import annotations

import os
import threading
from collections import Counter
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dbperf import legacy
from dbperf.migrations import migrate
from tests import catalogue
from tests.conftest import BEFORE_REBUILDS
from tests.rebuild_traffic import MARKET_DATA, NAMES, QUOTE, Shape, Traffic, make_quote
from tests.shapes import Blocked, value
from tests.support import BUDGET_MS, Cluster

ROWS = int(os.environ.get("DBPERF_REBUILD_ROWS", "20000"))  # of the marked tests; 1000000 runs too
SHAPES = pytest.mark.parametrize("shape", [MARKET_DATA, QUOTE], ids=lambda shape: shape.table)


class Rebuilder:
    """A session that rebuilds, and calls again what gave up."""

    def __init__(self, dsn: str, shape: Shape) -> None:
        self.shape = shape
        self.gave_up: Counter[str] = Counter()
        self.conn = psycopg.connect(make_conninfo(dsn, application_name="rebuilder"), autocommit=True)
        self.conn.prepare_threshold = None  # the type of a result changes with a swap
        self.conn.execute("SET client_min_messages = error")

    def __enter__(self) -> Rebuilder:
        return self

    def __exit__(self, *_: object) -> None:
        self.conn.close()

    def prepare(self) -> None:
        for statement in self.shape.ddl:
            self.conn.execute(statement.encode())

    def start(self) -> None:
        self._insist("start", self.shape.start)

    def run(self, *arguments: int) -> None:
        numbers = "".join(f", {argument}" for argument in arguments)
        self._insist("run", f"CALL dbperf.rebuild_run('{self.shape.table}'{numbers})")

    def verify(self) -> list[tuple[Any, ...]]:
        return self.conn.execute(f"SELECT * FROM dbperf.rebuild_verify('{self.shape.table}')".encode()).fetchall()

    def cutover(self) -> None:
        self._insist("cutover", f"SELECT dbperf.rebuild_cutover('{self.shape.table}')")

    def revert(self, *, unverified: bool = False) -> None:
        self._insist("revert", f"SELECT dbperf.rebuild_revert('{self.shape.table}', {unverified})")

    def finalize(self) -> None:
        self._insist("finalize", f"SELECT dbperf.rebuild_finalize('{self.shape.table}')")

    def abort(self) -> None:
        self._insist("abort", f"SELECT dbperf.rebuild_abort('{self.shape.table}')")

    def _insist(self, name: str, statement: str) -> None:
        for _ in range(30):
            try:
                self.conn.execute(statement.encode())
            except psycopg.errors.LockNotAvailable as error:
                self.gave_up[f"{name}: {error.diag.message_detail or error}"] += 1
                if "rebuild_run" in (error.diag.message_hint or ""):
                    self.run()
            else:
                return
        raise AssertionError(f"{statement} gave up thirty times: {self.gave_up}")


def admin_dsn(cluster: Cluster, dsn: str) -> str:
    return make_conninfo(cluster.admin_dsn, dbname=conninfo_to_dict(dsn)["dbname"])


def prepared(dsn: str, shape: Shape, rows: int = 3000) -> Rebuilder:
    """The table, and beside it the one that it is to become."""
    rebuilder = Rebuilder(dsn, shape)
    if shape is QUOTE:
        make_quote(rebuilder.conn, rows)
    rebuilder.prepare()
    return rebuilder


def live(traffic: Traffic, rebuilder: Rebuilder) -> None:
    """The whole life, the writers always there; they pause to have their ledgers compared."""
    conn = rebuilder.conn
    with traffic.running():
        traffic.months.append(datetime(2025, 9, 1))  # the target has no partition for it yet
        traffic.written(20)
        traffic.months.pop()
        rebuilder.start()
        rebuilder.run()
        traffic.written(20)
        assert rebuilder.verify() == []
        rebuilder.cutover()
        traffic.written(20)
    settle(traffic, rebuilder)
    with traffic.running():
        rebuilder.run()
        traffic.written(20)
        assert rebuilder.verify() == []
        rebuilder.revert()
        traffic.written(20)
    settle(traffic, rebuilder)
    with traffic.running():
        rebuilder.run()
        assert rebuilder.verify() == []
        rebuilder.cutover()
        rebuilder.run()
        assert rebuilder.verify() == []
        traffic.written(20)
        rebuilder.finalize()
        traffic.written(20)
    traffic.check(conn, shadow=False)
    assert not conn.execute(
        f"SELECT FROM dbperf.verify('{traffic.shape.table}') WHERE severity = 'problem'".encode()
    ).fetchall()


def settle(traffic: Traffic, rebuilder: Rebuilder) -> None:
    rebuilder.run()
    assert rebuilder.verify() == []
    traffic.check(rebuilder.conn)


def report(traffic: Traffic, rebuilder: Rebuilder) -> None:
    longest, what = traffic.longest
    print(f"{dict(traffic.met)}; longest wait {longest:.0f} ms ({what}); gave up: {dict(rebuilder.gave_up)}")
    assert longest <= BUDGET_MS


def _under_load(dsn: str, admin: str, shape: Shape, seed: int, rows: int) -> None:
    with prepared(dsn, shape, rows) as rebuilder:
        traffic = Traffic(dsn, admin, shape, seed)
        traffic.own_what_is_there(rebuilder.conn, stride=max(1, rows // 20_000))
        live(traffic, rebuilder)
        report(traffic, rebuilder)


@SHAPES
@pytest.mark.superuser
def test_nothing_is_lost_under_load(
    trading_db: str, cluster: Cluster, shape: Shape, request: pytest.FixtureRequest
) -> None:
    """Superuser: sees everybody's locks."""
    _under_load(trading_db, admin_dsn(cluster, trading_db), shape, request.config.option.seed, 3000)


@pytest.mark.chaos
@SHAPES
@pytest.mark.superuser
def test_swaps_at_once_one_after_the_other(
    trading_db: str, cluster: Cluster, shape: Shape, request: pytest.FixtureRequest
) -> None:
    """Superuser: sees everybody's locks. Nothing tidies up between them."""
    traffic = Traffic(trading_db, admin_dsn(cluster, trading_db), shape, request.config.option.seed)
    with prepared(trading_db, shape) as rebuilder:
        traffic.own_what_is_there(rebuilder.conn)
        with traffic.running():
            rebuilder.start()
            rebuilder.run()
            for _ in range(2):
                assert rebuilder.verify() == []
                rebuilder.cutover()
                traffic.written(5)
                rebuilder.revert(unverified=True)
                traffic.written(5)
            assert rebuilder.verify() == []
            rebuilder.cutover()
            traffic.written(5)
            rebuilder.run()
            rebuilder.finalize()
            traffic.written(5)
        traffic.check(rebuilder.conn, shadow=False)
        report(traffic, rebuilder)


@SHAPES
@pytest.mark.chaos
@pytest.mark.superuser
def test_nothing_is_lost_of_more_rows(cluster: Cluster, shape: Shape, request: pytest.FixtureRequest) -> None:
    """Superuser: sees everybody's locks."""
    dsn = cluster.dsn(cluster.create_database("dbperf_test_rebuild"))
    with psycopg.connect(dsn, autocommit=True) as conn:
        legacy.create(conn, ticks=ROWS if shape is MARKET_DATA else 20, instruments=8)
    migrate(dsn, to=BEFORE_REBUILDS)
    _under_load(dsn, admin_dsn(cluster, dsn), shape, request.config.option.seed, ROWS)
    cluster.drop_database("dbperf_test_rebuild")


# -- who stands in the way -------------------------------------------------------------------


def _state(conn: psycopg.Connection) -> tuple[Any, ...]:
    tables = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
    triggers = "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY oid"
    rebuild = "SELECT state, is_tidy, swapped_at FROM dbperf.rebuild"
    return tuple(conn.execute(query.encode()).fetchall() for query in (tables, triggers, rebuild))


@pytest.mark.chaos
@pytest.mark.parametrize("statement", ["SELECT count(*) FROM {}", "UPDATE {} SET volume = 0 WHERE id = -1"])
@pytest.mark.superuser
def test_a_long_transaction_delays_the_cutover_and_nobody_else(
    trading_db: str, cluster: Cluster, statement: str, request: pytest.FixtureRequest
) -> None:
    """Superuser: sees everybody's locks."""
    shape = MARKET_DATA
    traffic = Traffic(trading_db, admin_dsn(cluster, trading_db), shape, request.config.option.seed)
    with prepared(trading_db, shape) as rebuilder, psycopg.connect(trading_db) as idle:
        traffic.own_what_is_there(rebuilder.conn)
        rebuilder.start()
        rebuilder.run()
        assert rebuilder.verify() == []
        idle.execute(statement.format(shape.table).encode())
        before = _state(rebuilder.conn)
        with traffic.running():
            with pytest.raises(psycopg.errors.LockNotAvailable) as gave_up:
                rebuilder.conn.execute("SELECT dbperf.rebuild_cutover('market_data')")
            assert f"process {idle.info.backend_pid} has held a lock" in str(gave_up.value.diag.message_detail)
            assert _state(rebuilder.conn) == before
            idle.rollback()
            rebuilder.run()
            rebuilder.cutover()
            traffic.written(20)
        settle(traffic, rebuilder)
        report(traffic, rebuilder)


@pytest.mark.chaos
@pytest.mark.superuser
def test_a_reader_who_goes_while_it_pauses_is_forgotten(
    trading_db: str, cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    """Superuser: sees everybody's locks. The next attempt judges sessions by what they do then."""
    traffic = Traffic(trading_db, admin_dsn(cluster, trading_db), MARKET_DATA, request.config.option.seed)
    with prepared(trading_db, MARKET_DATA) as rebuilder, psycopg.connect(trading_db) as reader:
        rebuilder.start()
        rebuilder.run()
        assert rebuilder.verify() == []
        reader.execute("SELECT count(*) FROM market_data")
        with psycopg.connect(admin_dsn(cluster, trading_db), autocommit=True) as admin, traffic.running():
            thread = threading.Thread(target=rebuilder.cutover)  # again, if a writer was in the way three times
            thread.start()
            pausing = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s"
            while not value(admin, pausing, rebuilder.conn.info.backend_pid):
                assert thread.is_alive()
            while thread.is_alive():  # short transactions, each younger than the first look at it
                reader.rollback()
                reader.execute("SELECT count(*) FROM market_data")
                traffic.stop.wait(0.01)
            reader.rollback()
            thread.join()
        assert not [reason for reason in rebuilder.gave_up if f"process {reader.info.backend_pid} " in reason]
        assert value(rebuilder.conn, "SELECT state FROM dbperf.rebuild") == "cut over"


def test_who_changes_what_the_target_references_does_not_stop_the_start(trading_db: str) -> None:
    """It would be waited for while it waits: such transactions hold the parent, and want the table."""
    with prepared(trading_db, QUOTE) as rebuilder, psycopg.connect(trading_db) as other:
        other.execute("INSERT INTO venue VALUES (99)")
        rebuilder.conn.execute(QUOTE.start.encode())
        other.execute("INSERT INTO quote (at, venue_id) VALUES ('2026-05-05', 1)")
        release = b"SELECT dbperf.rebuild_release('quote')"
        with pytest.raises(psycopg.errors.LockNotAvailable):
            rebuilder.conn.execute(release)
        other.commit()
        rebuilder.conn.execute(release)
        keys = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'quote_next'::regclass AND contype = 'f'"
        assert value(rebuilder.conn, keys) == 0
        rebuilder.run()
        assert rebuilder.verify() == []


@SHAPES
def test_a_snapshot_older_than_the_swap_may_not_write(trading_db: str, shape: Shape) -> None:
    with prepared(trading_db, shape) as rebuilder:
        rebuilder.start()
        rebuilder.run()
        assert rebuilder.verify() == []
        for swap, names in ((rebuilder.cutover, NAMES), (rebuilder.revert, shape.names), (rebuilder.cutover, NAMES)):
            with psycopg.connect(trading_db) as old:
                old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                old.execute("SELECT 1")
                if swap == rebuilder.revert:
                    rebuilder.run()
                else:
                    assert rebuilder.verify() == []
                swap()
                for statement in _writes(rebuilder.conn, shape, names):
                    with pytest.raises(psycopg.errors.SerializationFailure, match="exchanged after"), old.transaction():
                        old.execute(statement.encode())
                old.rollback()
                for statement in _writes(rebuilder.conn, shape, names):  # a new snapshot
                    old.execute(statement.encode())
                old.commit()
            rebuilder.run()
            assert rebuilder.verify() == []


def _writes(conn: psycopg.Connection, shape: Shape, names: tuple[str, ...]) -> list[str]:
    """Of the table, and of its first partition."""
    key, time, instrument, price, _ = names
    query = "SELECT x::regclass::text FROM dbperf.table_tree(%s) AS x"
    tables = [shape.table]
    tables += [row[0] for row in conn.execute(query, [shape.table]) if row[0].endswith("2026_05")]
    return [
        statement
        for table in tables
        for statement in (
            f"INSERT INTO {table} ({time}, {instrument}, {price}) VALUES ('2026-05-05', 1, 1.25)",
            f"UPDATE {table} SET {price} = 1.5 WHERE {key} = 1700",
            f"UPDATE {table} SET {key} = -{key} WHERE {key} = 1701",
            f"DELETE FROM {table} WHERE {key} = 1702",
        )
    ]


def test_a_snapshot_older_than_the_copy_delays_the_cutover(trading_db: str) -> None:
    """It would not see all rows; it has no lock on the table."""
    with prepared(trading_db, MARKET_DATA) as rebuilder, psycopg.connect(trading_db) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rebuilder.start()
        assert old.execute("SELECT 1").fetchone()
        rebuilder.run()
        assert rebuilder.verify() == []
        before = _state(rebuilder.conn)
        with pytest.raises(psycopg.errors.LockNotAvailable) as gave_up:
            rebuilder.conn.execute("SELECT dbperf.rebuild_cutover('market_data')")
        assert "before the rows were copied" in str(gave_up.value.diag.message_detail)
        assert _state(rebuilder.conn) == before
        old.rollback()
        rebuilder.cutover()


@pytest.mark.superuser
@pytest.mark.parametrize("level", [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ])
def test_a_write_that_waited_for_the_swap_is_not_lost(
    trading_db: str, cluster: Cluster, level: psycopg.IsolationLevel
) -> None:
    """Superuser: sees that it waits."""
    with (
        prepared(trading_db, MARKET_DATA) as rebuilder,
        psycopg.connect(trading_db) as writer,
        psycopg.connect(admin_dsn(cluster, trading_db), autocommit=True) as watch,
    ):
        rebuilder.start()
        rebuilder.run()
        assert rebuilder.verify() == []
        writer.isolation_level = level
        with rebuilder.conn.transaction():
            rebuilder.cutover()
            query = b"UPDATE market_data SET price = 7.25 WHERE id = 1700"
            blocked = Blocked(watch, writer, lambda: writer.execute(query).rowcount)
        found = blocked.finish()
        if level is psycopg.IsolationLevel.READ_COMMITTED:
            assert found == 1
            writer.commit()
            assert value(rebuilder.conn, "SELECT price FROM market_data WHERE id = 1700") == 7.25
        else:
            assert isinstance(blocked.error, psycopg.errors.SerializationFailure)


# -- verify finds what is wrong --------------------------------------------------------------

MUTATIONS = {
    "differs": "UPDATE {table} SET {price} = {price} + 0.25 WHERE {key} = (SELECT min({key}) FROM {table} WHERE {price} > 0 AND {key} > 10) RETURNING {key}",
    "missing": "DELETE FROM {table} WHERE {key} = 2000 RETURNING {key}",
    "differs ": "UPDATE {table} SET {price} = NULL WHERE {key} = (SELECT max({key}) FROM {table} WHERE {price} > 0 AND {key} < 2900) RETURNING {key}",
    "differs  ": "UPDATE {table} SET {volume} = CASE WHEN {volume} IS NULL THEN 0 END WHERE {key} = 1234 RETURNING {key}",
    "differs   ": "UPDATE {table} SET {time} = {time} + interval '1 microsecond' WHERE {key} = 1500 RETURNING {key}",
    "extra": "INSERT INTO {table} ({key}, {time}, {instrument}, {price}) VALUES (777777, '2026-05-05', 1, 1) RETURNING {key}",
}


def _mutate(conn: psycopg.Connection, table: str, names: tuple[str, ...]) -> list[tuple[int, str]]:
    words = dict(zip(("key", "time", "instrument", "price", "volume"), names, strict=True), table=table)
    return sorted((value(conn, query.format(**words)), kind.strip()) for kind, query in MUTATIONS.items())


def test_verify_finds_every_mutation(trading_db: str) -> None:
    with prepared(trading_db, MARKET_DATA) as rebuilder:
        rebuilder.start()
        rebuilder.run()
        assert rebuilder.verify() == []
        wanted = _mutate(rebuilder.conn, "md_next", NAMES)
        assert sorted((row[0]["id"], row[1]) for row in rebuilder.verify()) == wanted
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            rebuilder.cutover()
        rebuilder.conn.execute("UPDATE market_data SET id = id")  # logged, so copied again
        rebuilder.conn.execute("DELETE FROM md_next WHERE id = 777777")
        rebuilder.run()
        assert rebuilder.verify() == []
        rebuilder.cutover()
        rebuilder.run()
        wanted = _mutate(rebuilder.conn, "market_data_old", NAMES)
        assert sorted((row[0]["id"], row[1]) for row in rebuilder.verify()) == wanted


def test_verify_finds_every_mutation_under_other_names(trading_db: str) -> None:
    with prepared(trading_db, QUOTE) as rebuilder:
        rebuilder.start()
        rebuilder.run()
        assert rebuilder.verify() == []
        wanted = [row for row in _mutate(rebuilder.conn, "quote_next", NAMES) if row[0] != 1500]
        found = sorted((row[0]["no"], row[1]) for row in rebuilder.verify())
        assert [row for row in found if row[0] == 1500] == [(1500, "extra"), (1500, "missing")]  # its key
        assert [row for row in found if row[0] != 1500] == wanted


# -- and back --------------------------------------------------------------------------------


def _differences(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Without the sequences of dbperf's own tables, which count on."""
    return {
        f"{kind}: {row}"
        for kind in before
        for row in set(map(str, before[kind])) ^ set(map(str, after[kind]))
        if not (kind == "sequences" and row.startswith("('dbperf."))
    }


@SHAPES
def test_an_aborted_rebuild_leaves_the_table_as_it_was(trading_db: str, shape: Shape) -> None:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        if shape is QUOTE:
            make_quote(conn, 3000)
        before = catalogue.dump(conn)
    with Rebuilder(trading_db, shape) as rebuilder:
        rebuilder.prepare()
        for is_cut_over in (False, True):
            rebuilder.start()
            rebuilder.run()
            if is_cut_over:
                assert rebuilder.verify() == []
                rebuilder.cutover()
                rebuilder.run()
                assert rebuilder.verify() == []
                rebuilder.revert()
                rebuilder.run()
            rebuilder.abort()
            rebuilder.conn.execute(f"DROP TABLE {shape.target}".encode())
            assert _differences(before, catalogue.dump(rebuilder.conn)) == set()
            rebuilder.conn.execute("DELETE FROM dbperf.partition_policy")
            rebuilder.prepare()
