"""Writers, maintainers and a clock that runs: no insert fails, nobody waits long, and no kill leaves a gap.

The clock is a row of a table, so that months of hours pass in seconds.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from dbperf import legacy
from dbperf.migrations import migrate
from dbperf.server import Server
from tests.conftest import OWNER
from tests.shapes import value
from tests.support import BUDGET_MS, Cluster
from tests.test_partitions import add_policy, make_table

START = datetime(2026, 10, 31)
WRITERS, MAINTAINERS = 4, 8

#: Longest wait of a writer for a session that maintains; what waits for another writer, or a maintainer for another, is not
#: its matter.
_WAITS = """
SELECT max(extract(epoch FROM clock_timestamp() - w.waitstart) * 1000)::float8
FROM pg_locks AS w JOIN pg_stat_activity AS a ON a.pid = w.pid
WHERE NOT w.granted AND w.waitstart IS NOT NULL AND a.datname = current_database()
  AND a.application_name = 'writer'
  AND EXISTS (SELECT FROM unnest(pg_blocking_pids(w.pid)) AS b (pid) JOIN pg_stat_activity AS m ON m.pid = b.pid
              WHERE m.application_name = 'maintainer')
"""


def prepare(conn: psycopg.Connection) -> None:
    """Table md, with a foreign key and soft delete, in partitions of an hour; the clock stands at `START`."""
    conn.execute("CREATE TABLE public.clock (at timestamp NOT NULL)")
    conn.execute("INSERT INTO public.clock VALUES (%s)", [START])
    conn.execute(
        "CREATE OR REPLACE FUNCTION dbperf.utc_now() RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT c.at FROM public.clock AS c'"
    )
    make_table(conn)
    add_policy(conn, every="1 hour", ahead="3 hours", max_ahead="6 hours", max_behind="10 days", id_column="id")
    conn.execute("SELECT dbperf.enable_soft_delete('md')")
    conn.execute("SELECT dbperf.make_template('md')")
    conn.execute("ALTER TABLE md_template SET (fillfactor = 90)")
    conn.execute("CALL dbperf.maintain('md')")


class Traffic:
    """What runs beside the maintenance; `failed` is what must stay empty."""

    def __init__(self, dsn: str, admin: str, seed: int) -> None:
        self.dsn, self.admin, self.seed = dsn, admin, seed
        self.stop = threading.Event()
        self.written = 0
        self.longest_ms = 0.0
        self.failed: list[str] = []
        self.logged: Counter[str | None] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def running(self, *, maintainers: int = MAINTAINERS) -> Iterator[None]:
        work: list[Callable[[], None]] = [self._sample]
        work += [lambda number=number: self._write(number) for number in range(WRITERS)]  # type: ignore[misc]
        work += [self._maintain] * maintainers
        threads = [threading.Thread(target=self._guarded, args=[one]) for one in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.failed.append(repr(error))
            self.stop.set()

    def _write(self, number: int) -> None:
        """Transactions of a COPY at times around now and an UPDATE of the instruments, as ingest does."""
        rng = random.Random(self.seed + number)
        with psycopg.connect(make_conninfo(self.dsn, application_name="writer"), autocommit=True) as conn:
            while not self.stop.is_set():
                now = value(conn, "SELECT at FROM public.clock")
                # of the hour that was made at least one step ago: a commit is seen a moment before other sessions are told
                # to forget what they know of the table
                rows = [(now + timedelta(seconds=rng.randrange(3600)), rng.randrange(1, 9), 1.5) for _ in range(50)]
                with conn.transaction():
                    with conn.cursor().copy("COPY md (at, instrument_id, price) FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row(row)
                    conn.execute("UPDATE instruments SET last_price = 1 WHERE id = %s", [rng.randrange(1, 9)])
                with self._lock:
                    self.written += len(rows)
                self.stop.wait(0.005)  # moderate: what all of them do without rest is to wait for a processor

    def _maintain(self) -> None:
        with psycopg.connect(make_conninfo(self.dsn, application_name="maintainer"), autocommit=True) as conn:
            conn.execute("SET client_min_messages = error")
            while not self.stop.is_set():
                conn.execute("CALL dbperf.maintain('md')")
                self.stop.wait(0.01)

    def _sample(self) -> None:
        with psycopg.connect(self.admin, autocommit=True) as conn:
            while not self.stop.is_set():
                self.longest_ms = max(self.longest_ms, value(conn, _WAITS) or 0.0)
                self.stop.wait(0.003)

    def advance(self, hours: int, rng: random.Random) -> None:
        """Let the clock run, hour by hour, as soon as the next hours are there; at random moments otherwise."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            for _ in range(hours):
                while not self.stop.is_set() and not value(
                    conn, "SELECT dbperf.runway_until('md') >= at + interval '3 hours' FROM public.clock"
                ):
                    self.stop.wait(0.005)
                if self.stop.is_set():
                    return
                self.stop.wait(rng.random() * 0.03)
                conn.execute("UPDATE public.clock SET at = at + interval '1 hour'")


def _check(conn: psycopg.Connection, traffic: Traffic, hours: int) -> None:
    assert traffic.failed == []
    conn.execute("CALL dbperf.maintain('md')")  # the clock's last hour
    assert value(conn, "SELECT count(*) FROM md") == traffic.written > 0
    gaps = "SELECT count(*) FROM dbperf.partition_gaps('md', '1 hour', %s, %s)"
    assert value(conn, gaps, START, START + timedelta(hours=hours + 3)) == 0
    twice = "SELECT count(*) - count(DISTINCT lower_bound) FROM dbperf.partitions WHERE relation = 'md'::regclass"
    assert value(conn, twice) == 0
    assert not conn.execute("SELECT FROM dbperf.verify('md') WHERE severity = 'problem'").fetchall()


def _under_load(dsn: str, admin: str, seed: int, hours: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        prepare(conn)
        before = value(conn, "SELECT count(*) FROM dbperf.partitions WHERE relation = 'md'::regclass")
        traffic = Traffic(dsn, admin, seed)
        with traffic.running():
            traffic.advance(hours, random.Random(seed))
        _check(conn, traffic, hours)
        made = value(conn, "SELECT count(*) FROM dbperf.partitions WHERE relation = 'md'::regclass") - before
        log = Counter(row[0] for row in conn.execute("SELECT sqlstate FROM dbperf.maintenance_log"))
        print(
            f"{made} partitions beside {traffic.written:,} rows; longest wait {traffic.longest_ms:.0f} ms; log {dict(log)}"
        )
        assert made >= hours
        assert traffic.longest_ms <= BUDGET_MS
        assert set(log) <= {None, "55P03"}  # somebody else made it while this one waited
        assert log[None] > log["55P03"]


@pytest.mark.superuser
def test_writers_and_maintainers_at_once(trading_db: str, cluster: Cluster, request: pytest.FixtureRequest) -> None:
    """Superuser: sees everybody's locks."""
    admin = make_conninfo(cluster.admin_dsn, dbname=psycopg.conninfo.conninfo_to_dict(trading_db)["dbname"])
    _under_load(trading_db, admin, request.config.option.seed, 20)


# -- chaos -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crashing(scratch: Path, bin_dir: Path | None) -> Iterator[tuple[Server, Cluster]]:
    server = Server(scratch / "partitions", bin_dir, {"fsync": "off", "max_connections": "60"})
    server.start()
    cluster = Cluster(server.url("postgres"), OWNER)
    cluster.create_owner()
    yield server, cluster
    cluster.close()
    server.stop()


def _database(cluster: Cluster, name: str) -> str:
    dsn = cluster.dsn(cluster.create_database(name))
    with psycopg.connect(dsn, autocommit=True) as conn:
        legacy.create(conn, ticks=100, instruments=8)
    migrate(dsn)
    return dsn


def _recovered(server: Server, dsn: str) -> psycopg.Connection:
    """A connection as soon as the server, which may have crashed, takes one."""
    deadline = time.monotonic() + 60
    while True:
        server.start()
        try:
            return psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "the server did not come back"


@pytest.mark.chaos
def test_two_hundred_creations_under_load(crashing: tuple[Server, Cluster], request: pytest.FixtureRequest) -> None:
    _, cluster = crashing
    dsn = _database(cluster, "load")
    _under_load(dsn, make_conninfo(cluster.admin_dsn, dbname="load"), request.config.option.seed, 200)


@pytest.mark.chaos
@pytest.mark.parametrize("victim", ["client", "server"])
def test_killed_anywhere(crashing: tuple[Server, Cluster], rng: random.Random, victim: str) -> None:
    """``kill -9`` of ``dbperf partitions maintain`` or of the server: the next run ends what was begun."""
    server, cluster = crashing
    dsn = _database(cluster, f"kill_{victim}")
    with psycopg.connect(dsn, autocommit=True) as conn:
        prepare(conn)
    met: Counter[str] = Counter()
    there = "SELECT count(*) FROM dbperf.partitions WHERE relation = 'md'::regclass"
    for number in range(8 if victim == "client" else 4):
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("UPDATE public.clock SET at = at + interval '24 hours'")
            before = value(conn, there)
            run = subprocess.Popen(
                [sys.executable, "-m", "dbperf", "--dsn", dsn, "partitions", "maintain"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            begun = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CALL dbperf.maintain%')"
            while run.poll() is None and not value(conn, begun):
                pass
            while number % 2 and run.poll() is None and value(conn, there) == before:
                pass
            time.sleep(rng.random() * (0.05 if number % 2 else 0.3))  # the random moment of the kill
            if (
                victim == "server"
            ):  # its backend, which takes every session down with it; a postmaster's end it would outlive
                pid = value(conn, begun.replace("EXISTS (SELECT FROM", "(SELECT max(pid) FROM"))
                os.kill(pid or server.pid() or 0, signal.SIGKILL)
            else:
                run.send_signal(signal.SIGKILL)
                run.wait()
                conn.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'CALL dbperf.maintain%' AND pid <> pg_backend_pid()"
                )
        run.wait()
        with _recovered(server, dsn) as conn:
            made = value(conn, there) - before
            met["nothing made" if made == 0 else "all made" if made >= 24 else "some made"] += 1
            stray = (
                "SELECT count(*) FROM pg_class WHERE relname LIKE 'md\\_p%%' AND relkind = 'r' AND NOT relispartition"
            )
            assert value(conn, stray) == 0
            conn.execute("CALL dbperf.maintain()")
            assert value(conn, "SELECT missing FROM dbperf.partition_runway") == 0
            assert value(conn, "SELECT sqlstate FROM dbperf.maintenance_log ORDER BY id DESC LIMIT 1") is None
            assert not conn.execute("SELECT FROM dbperf.verify('md') WHERE severity = 'problem'").fetchall()
    print(f"killed {victim}: {dict(met)}")
    assert met["some made"] > 0
