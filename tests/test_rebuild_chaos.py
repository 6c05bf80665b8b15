"""``kill -9`` while a table is rebuilt and written to, in each state: it goes on and ends equal, or all is as before."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo

from dbperf import legacy
from dbperf.migrations import migrate
from dbperf.server import Server
from tests import catalogue
from tests.conftest import BEFORE_REBUILDS, OWNER
from tests.rebuild_traffic import MARKET_DATA, Traffic, Writer
from tests.shapes import value
from tests.support import Cluster
from tests.test_partition_load import _recovered
from tests.test_rebuild_load import Rebuilder, settle

pytestmark = pytest.mark.chaos

ROWS = 1000
KILLS = int(os.environ.get("DBPERF_KILLS", "50"))  # that meet a statement under way; 500 runs too
ROUNDS, MOST = (
    6,
    KILLS // 3,
)  # lives, of either victim in turn: nine kills and more in each, of which some come too late
SMALL = 100  # rows and changes of a batch: many transactions

#: What is killed, by the statement that is on its way.
STATES = {
    "start": MARKET_DATA.start,
    "aborting": "SELECT dbperf.rebuild_abort('market_data')",
    "copying": f"CALL dbperf.rebuild_run('market_data', {SMALL})",
    "draining": f"CALL dbperf.rebuild_run('market_data', {SMALL})",
    "verifying": "SELECT * FROM dbperf.rebuild_verify('market_data')",
    "swapping": "SELECT dbperf.rebuild_cutover('market_data')",
    "draining back": f"CALL dbperf.rebuild_run('market_data', {SMALL})",
    "reverting": "SELECT dbperf.rebuild_revert('market_data')",
    "finalizing": "SELECT dbperf.rebuild_finalize('market_data')",
}

_CLIENT = """
import sys, psycopg
statement = sys.stdin.readline()
with psycopg.connect(sys.argv[1], autocommit=True, application_name="rebuilder") as conn:
    conn.execute(statement)
"""

_ACTIVE = "SELECT max(pid) FROM pg_stat_activity WHERE application_name = 'rebuilder' AND state = 'active'"


class HardyWriter(Writer):
    """Connects again, and finds out what became of the transaction that was under way."""

    count = 0

    def _before_commit(self, conn: psycopg.Connection) -> None:
        conn.execute("UPDATE public.progress SET n = n + 1 WHERE writer = %s", [self.number])

    def run(self, stop: Any) -> None:
        is_known = False
        while not (is_known and stop.is_set()):
            try:
                with psycopg.connect(
                    make_conninfo(self.traffic.dsn, application_name="writer"), autocommit=True
                ) as conn:
                    self._find_out(conn)
                    is_known = True
                    conn.isolation_level = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ][self.number]
                    while not stop.is_set():
                        is_known = False
                        self.attempt(conn)
                        self.count, is_known = value(conn, *self._progress), True
                        self._redo = []
                        stop.wait(0.03)  # light
            except psycopg.OperationalError as error:
                if isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.LockNotAvailable):
                    raise

    @property
    def _progress(self) -> tuple[Any, ...]:
        return "SELECT n FROM public.progress WHERE writer = %s", self.number

    def _find_out(self, conn: psycopg.Connection) -> None:
        count = value(conn, *self._progress)
        if count != self.count and self._was_taken_back:
            for key, row, is_deleted in list(self._redo):
                self._put(key, row, is_deleted=is_deleted)
        self.count = count
        self._redo = []

    _redo: list[Any] = []  # noqa: RUF012
    _was_taken_back = False

    def _take_back(self) -> None:
        super()._take_back()
        self._was_taken_back = True

    def transaction(self, conn: psycopg.Connection) -> None:
        self._was_taken_back = False
        try:
            super().transaction(conn)
        except psycopg.Rollback as error:  # the connection was lost while it rolled back
            raise psycopg.OperationalError from error


class HardyTraffic(Traffic):
    def _writer(self, number: int) -> Writer:
        return HardyWriter(self, number)

    def _beside(self) -> list[Callable[[], None]]:
        return []


@pytest.fixture(scope="module")
def crashing(scratch: Path, bin_dir: Path | None) -> Iterator[tuple[Server, Cluster]]:
    settings = {
        "fsync": "off",
        "max_connections": "40",
        "client_connection_check_interval": "10ms",
        "autovacuum": "off",
    }
    server = Server(scratch / "rebuild", bin_dir, settings)
    server.start()
    cluster = Cluster(server.url("postgres"), OWNER)
    cluster.create_owner()
    template = cluster.create_database("rebuild_template")
    with psycopg.connect(cluster.dsn(template), autocommit=True) as conn:
        legacy.create(conn, ticks=ROWS, instruments=8)
    migrate(cluster.dsn(template), to=BEFORE_REBUILDS)
    with psycopg.connect(cluster.dsn(template), autocommit=True) as conn:
        conn.execute("CREATE TABLE public.progress (writer integer PRIMARY KEY, n integer NOT NULL)")
        conn.execute("INSERT INTO public.progress VALUES (0, 0), (1, 0)")
    yield server, cluster
    cluster.close()
    server.stop()


class Life:
    """A rebuild from start to finalize; each of its statements is killed, unless there is no *victim*, and called again."""

    def __init__(self, crashing: tuple[Server, Cluster], name: str, seed: int, victim: str | None) -> None:
        self.server, self.cluster = crashing
        self.name, self.victim = name, victim
        self.rng = random.Random(f"{seed} {name}")
        self.dsn = self.cluster.dsn(self.cluster.create_database(name, "rebuild_template"))
        self.traffic = HardyTraffic(self.dsn, "", MARKET_DATA, seed, writers=2)
        self.took: dict[str, float] = {}
        self.met: Counter[str] = Counter()
        self.rebuilder = Rebuilder(self.dsn, MARKET_DATA)
        self.traffic.own_what_is_there(self.rebuilder.conn)
        self.before = _catalogue(self.rebuilder.conn)
        self._spawn()

    def _spawn(self) -> None:
        """Ahead of time: an interpreter takes longer to start than what it is killed in."""
        self.client = subprocess.Popen(
            [sys.executable, "-c", _CLIENT, self.dsn], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )  # fmt: skip

    def __enter__(self) -> Life:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_client()
        self.rebuilder.conn.close()
        self.cluster.drop_database(self.name)

    def _end_client(self) -> None:
        self.client.kill()
        self.client.wait()
        assert self.client.stdin
        self.client.stdin.close()

    def live(self, took: dict[str, float]) -> None:
        self.took = took
        r = self.rebuilder
        r.prepare()
        for _ in range(2):
            self.step(
                "start", lambda r: value(r.conn, "SELECT EXISTS (SELECT FROM dbperf.rebuild WHERE ended_at IS NULL)")
            )
            self.step(
                "aborting",
                lambda r: not value(r.conn, "SELECT EXISTS (SELECT FROM dbperf.rebuild WHERE ended_at IS NULL)"),
            )
            self.as_before()
            if not self.victim or (self.met["start"] and self.met["aborting"]):
                break
        self.rebuilder.start()
        self.step("copying")
        self.touch()
        self.step("draining")
        self.step("verifying")
        self.step("swapping", lambda r: value(r.conn, "SELECT state = 'cut over' FROM dbperf.rebuild ORDER BY id DESC"))
        self.touch()
        self.step("draining back")
        self.step("reverting", lambda r: value(r.conn, "SELECT state = 'copying' FROM dbperf.rebuild ORDER BY id DESC"))
        self.rebuilder.cutover()
        settle(self.traffic, self.rebuilder)
        self.step(
            "finalizing", lambda r: value(r.conn, "SELECT ended_at IS NOT NULL FROM dbperf.rebuild ORDER BY id DESC")
        )

    def touch(self) -> None:
        """Log all keys."""
        self.rebuilder.conn.execute("UPDATE market_data SET bid_size = bid_size")

    def as_before(self) -> None:
        conn = self.rebuilder.conn
        conn.execute("DROP TABLE md_next")
        assert _catalogue(conn) == self.before
        conn.execute("DELETE FROM dbperf.partition_policy")
        self.rebuilder.prepare()

    def step(self, state: str, is_done: Callable[[Rebuilder], bool] = lambda _: False) -> None:
        """Kill it under way; look at what is left; call it again, unless it was done; compare."""
        with self.traffic.running():
            if self.victim:
                self.kill(state)
                self.recover()
                self.is_consistent(state)
            if not (self.victim and is_done(self.rebuilder)):
                started = time.perf_counter()
                self.rebuilder._insist(state, STATES[state])
                self.took.setdefault(state, min(time.perf_counter() - started, 0.3))
        if value(self.rebuilder.conn, "SELECT EXISTS (SELECT FROM dbperf.rebuild WHERE ended_at IS NULL)"):
            settle(self.traffic, self.rebuilder)
        else:
            self.traffic.check(self.rebuilder.conn, shadow=False)

    def kill(self, state: str) -> None:
        assert self.client.stdin
        with self.cluster.admin(self.name) as admin:
            self.client.stdin.write(STATES[state].encode() + b"\n")
            self.client.stdin.flush()
            while self.client.poll() is None and not value(admin, _ACTIVE):
                pass
            time.sleep(self.rng.random() * self.took[state] * 0.8)  # the random moment of the kill
            self.met[state] += value(admin, _ACTIVE) is not None
            if self.victim == "client":
                self.client.kill()
                self.client.wait()
                while value(admin, _ACTIVE):
                    pass
            else:  # a backend takes every session down with it
                os.kill((self.rng.random() < 0.5 and value(admin, _ACTIVE)) or self.server.pid() or 0, signal.SIGKILL)
        self._end_client()
        self._spawn()

    def recover(self) -> None:
        self.rebuilder.conn.close()
        _recovered(self.server, self.dsn).close()
        self.rebuilder = Rebuilder(self.dsn, MARKET_DATA)

    def is_consistent(self, state: str) -> None:
        """As many logs, and tables with triggers, as rebuilds."""
        conn = self.rebuilder.conn
        rebuilds = value(conn, "SELECT count(*) FROM dbperf.rebuild WHERE ended_at IS NULL")
        logs = "SELECT count(*) FROM pg_class WHERE relname ~ '^rebuild_log_[0-9]+$' AND relkind = 'r'"
        assert value(conn, logs) == rebuilds, state
        logged = "SELECT count(*) FROM pg_trigger WHERE tgname = 'dbperf_rebuild_insert' AND tgrelid = 'market_data'::regclass"
        assert value(conn, logged) == rebuilds, state


def _catalogue(conn: psycopg.Connection) -> set[str]:
    """Without the numbers of sequences, which go on."""
    dumped = catalogue.dump(conn)
    dumped["sequences"] = [row[:-1] for row in dumped["sequences"]]
    return {f"{kind}: {row}" for kind, rows in dumped.items() for row in rows}


def test_killed_in_every_state(crashing: tuple[Server, Cluster], request: pytest.FixtureRequest) -> None:
    seed = request.config.option.seed
    took: dict[str, float] = {}
    kills: dict[str, Counter[str]] = {"client": Counter(), "server": Counter()}
    with Life(crashing, "rebuild_measured", seed, None) as measured:
        measured.live(took)
    started, number = time.monotonic(), 0
    while number < ROUNDS or (not _is_enough(kills) and number < MOST):
        victim = ("client", "server")[number % 2]
        with Life(crashing, f"rebuild_{number}", seed, victim) as life:
            life.live(took)
        kills[victim] += life.met
        number += 1
    lines = [f"  {kills['client'][state]:>3} {kills['server'][state]:>3}  {state}" for state in STATES]
    total = sum(counter.total() for counter in kills.values())
    print(f"\n{total} kills under way, {number * len(STATES)} in all, {time.monotonic() - started:.0f} s, seed {seed}")
    print("client server\n" + "\n".join(lines))
    assert _is_enough(kills)


def _is_enough(kills: dict[str, Counter[str]]) -> bool:
    """Three in each state, and so many that met a statement under way."""
    each = all(kills["client"][state] + kills["server"][state] >= 3 for state in STATES)
    return each and sum(counter.total() for counter in kills.values()) >= KILLS
