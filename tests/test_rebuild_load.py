"""A table becomes another one while four writers write it: nothing is lost, nobody waits long, no kill matters."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dbperf import legacy
from dbperf.migrations import migrate
from tests.rebuild_traffic import MARKET_DATA, QUOTE, Shape, Traffic, make_quote
from tests.shapes import value
from tests.support import Cluster

BUDGET_MS = 150.0
ROWS = int(os.environ.get("DBPERF_REBUILD_ROWS", "20000"))  # of the marked tests; 1000000 runs too
SHAPES = pytest.mark.parametrize("shape", [MARKET_DATA, QUOTE], ids=lambda shape: shape.table)


class Rebuilder:
    """A session that rebuilds, and calls again what gave up."""

    def __init__(self, dsn: str, shape: Shape) -> None:
        self.shape = shape
        self.gave_up: Counter[str] = Counter()
        self.conn = psycopg.connect(make_conninfo(dsn, application_name="rebuilder"), autocommit=True)
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

    def revert(self) -> None:
        self._insist("revert", f"SELECT dbperf.rebuild_revert('{self.shape.table}')")

    def finalize(self) -> None:
        self._insist("finalize", f"SELECT dbperf.rebuild_finalize('{self.shape.table}')")

    def abort(self) -> None:
        self._insist("abort", f"SELECT dbperf.rebuild_abort('{self.shape.table}')")

    def _insist(self, name: str, statement: str) -> None:
        for _ in range(10):
            try:
                self.conn.execute(statement.encode())
            except psycopg.errors.LockNotAvailable as error:
                self.gave_up[f"{name}: {error.diag.message_detail or error}"] += 1
            else:
                return
        raise AssertionError(f"{statement} gave up ten times: {self.gave_up}")


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


@SHAPES
@pytest.mark.chaos
@pytest.mark.superuser
def test_nothing_is_lost_of_more_rows(cluster: Cluster, shape: Shape, request: pytest.FixtureRequest) -> None:
    """Superuser: sees everybody's locks."""
    dsn = cluster.dsn(cluster.create_database("dbperf_test_rebuild"))
    with psycopg.connect(dsn, autocommit=True) as conn:
        legacy.create(conn, ticks=ROWS if shape is MARKET_DATA else 20, instruments=8)
    migrate(dsn)
    _under_load(dsn, admin_dsn(cluster, dsn), shape, request.config.option.seed, ROWS)
    cluster.drop_database("dbperf_test_rebuild")
