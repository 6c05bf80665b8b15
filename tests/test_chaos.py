"""``kill -9`` of a migration, client and server, at random points and in named states.

After each kill the state is read from the database. Then migrating again, or rolling back at
once, must complete: the same catalogue, the same rows, as if nothing had happened.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from dbperf import legacy
from dbperf.migrations import files, migrate, rollback, status
from dbperf.server import Server
from tests import catalogue
from tests.conftest import BEFORE_REBUILDS, OWNER
from tests.support import Cluster, rows_hash

pytestmark = pytest.mark.chaos

#: What a kill can leave, as the database shows it; each must be met with either victim.
STATES = {
    "nothing of dbperf": "killed before or inside the bootstrap transaction",
    "bootstrapped": "adopted, no other migration begun",
    "begun": "an index migration is recorded as begun, every index is valid",
    "half-dropped index": "DROP INDEX CONCURRENTLY left an invalid index",
    "half-built index": "CREATE INDEX CONCURRENTLY left an invalid index",
    "two keys": "a foreign key and its replacement are both there",
    "some tables guarded": "soft delete is enabled on some tables only",
    "between migrations": "some migrations complete, the next one not begun",
    "rollback begun": "a rollback is recorded as begun, every index is valid",
    "two keys again": "a cascading key is back, its replacement not yet gone",
    "some tables unguarded": "soft delete is disabled on some tables already",
    "half-restored index": "CREATE INDEX CONCURRENTLY of a rollback left an invalid index",
    "complete": "nothing was left to do",
}

ROUNDS = 4  # of each victim, at random; then aimed at what was not met yet
MOST = 6 * len(STATES)  # of each victim


@dataclass
class Bench:
    """A server of its own, with what every round must come back to."""

    server: Server
    cluster: Cluster
    template: str
    reference: str
    original: dict[str, Any]
    migrated: dict[str, Any]
    rows: dict[str, Any]


@pytest.fixture(scope="module")
def bench(scratch: Path, bin_dir: Path | None) -> Iterator[Bench]:
    server = Server(scratch / "chaos", bin_dir, {"fsync": "off", "autovacuum": "off"})
    server.start()
    cluster = Cluster(server.url("postgres"), OWNER)
    cluster.create_owner()
    template = cluster.create_database("chaos_template")
    with psycopg.connect(cluster.dsn(template), autocommit=True) as conn:
        legacy.create(conn, ticks=3000, instruments=8)
        original, rows = catalogue.dump(conn), rows_hash(conn, legacy.TABLES)
    reference = cluster.create_database("chaos_reference", template)
    migrate(cluster.dsn(reference), to=BEFORE_REBUILDS)  # those are killed in tests/test_rebuild_chaos.py
    with psycopg.connect(cluster.dsn(reference), autocommit=True) as conn:
        migrated = catalogue.dump(conn)
    yield Bench(server, cluster, template, reference, original, migrated, rows)
    cluster.close()
    server.stop()


class Steering:
    """Leads a run into a state before it is killed, by locks that its statements wait for."""

    def __init__(self, dsn: str, rng: random.Random) -> None:
        self._dsn = dsn
        self._rng = rng
        self._holder = psycopg.connect(make_conninfo(dsn, application_name="steering"))
        self._watch = psycopg.connect(make_conninfo(dsn, application_name="steering"), autocommit=True)

    def hold(self, table: str, mode: str) -> None:
        try:
            self._holder.execute(f"LOCK TABLE {table} IN {mode} MODE".encode())
        except psycopg.errors.DeadlockDetected:  # the run was faster, and waits for what is held already: let it go on
            self._holder.rollback()

    def wait(self, run: subprocess.Popen[bytes], query: str) -> None:
        """Until *query* gives true, or the run ends by itself."""
        while run.poll() is None:
            try:
                row = self._watch.execute(query.encode()).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None
            if row and row[0]:
                return
            time.sleep(0.001)  # who looks without rest takes the processor from the run

    def reserve(self, run: subprocess.Popen[bytes], migration: str) -> None:
        """Until the run is about to record that it begins *migration*, and waits for a record of ours."""
        insert = "INSERT INTO dbperf.migration (id, checksum) VALUES (%s, '') ON CONFLICT DO NOTHING"
        while run.poll() is None:
            try:
                self._holder.execute(insert, [migration])
                break
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                self._holder.rollback()
                time.sleep(0.001)
        self.wait(run, WAITING)

    def pause(self, longest: float) -> None:
        """A random moment more: this is the randomness of the kill, not a wait for anything."""
        time.sleep(self._rng.random() * longest)

    def close(self) -> None:
        for conn in (self._holder, self._watch):
            conn.close()


#: The one index that the migrations create.
CREATED = "ix_market_data_instrument_price"

WAITING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dbperf' AND wait_event_type = 'Lock')"
#: It has begun to change an index and waits for a transaction of ours: not just a build that is passing by.
WAITING_INSIDE = f"{WAITING} AND EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)"
BEGUN = "SELECT EXISTS (SELECT FROM dbperf.migration WHERE id LIKE '{}%' AND applied_at IS NULL)"
MIGRATIONS = [m for m in files.migrations() if m.id[:4] <= BEFORE_REBUILDS]
#: How many of them are in the bootstrap transaction, and the ids of the others.
BOOTSTRAP, STEPS = sum(m.bootstrap for m in MIGRATIONS), [m.id for m in MIGRATIONS if not m.bootstrap]

Steer = Callable[[Steering, subprocess.Popen[bytes], random.Random], None]


def anywhere(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    steering.pause(1.8)


def waiting_to_begin(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    """It has recorded what it is about to do, and waits for its first lock on the table."""
    steering.hold(rng.choice(["market_data", "alert_logs", "instruments"]), "SHARE UPDATE EXCLUSIVE")
    steering.wait(run, WAITING)
    steering.pause(0.02)


def inside_concurrently(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    steering.hold(rng.choice(["alert_logs", "instruments"]), "ROW EXCLUSIVE")
    steering.wait(run, WAITING_INSIDE)
    steering.pause(0.02)


def inside_a_build(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    """It creates an index before it drops others."""
    steering.hold("market_data", "ROW EXCLUSIVE")
    steering.wait(run, WAITING_INSIDE)
    steering.pause(0.02)


def after_a_migration(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    """One is complete, the next not begun."""
    steering.reserve(run, rng.choice(STEPS[1:]))


def after_the_bootstrap(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    steering.reserve(run, STEPS[0])


def before_a_key_goes(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Keys can be added and validated beside a reader, but not dropped; no index migration touches this table."""
    steering.hold("alert_rules", "ACCESS SHARE")
    steering.wait(run, WAITING)


def before_a_key_goes_again(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    steering.wait(run, BEGUN.format("0007"))
    before_a_key_goes(steering, run, rng)


def to_the_end(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    run.wait()


def before_the_next_table(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Soft delete comes, or goes, table by table."""
    steering.wait(run, BEGUN.format("0008"))
    steering.hold("market_data", "ACCESS SHARE")
    steering.wait(run, WAITING)


def back_to_indexes(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Once a rollback has rehearsed, which needs every lock for a moment."""
    steering.wait(run, BEGUN.format("0005"))
    steering.hold("instruments", "SHARE UPDATE EXCLUSIVE")
    steering.wait(run, WAITING)


def inside_a_build_again(steering: Steering, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    steering.wait(run, BEGUN.format("0005"))
    steering.hold("alert_logs", "ROW EXCLUSIVE")
    steering.wait(run, WAITING_INSIDE)
    steering.pause(0.02)


UP: list[Steer] = [
    anywhere,
    waiting_to_begin,
    inside_concurrently,
    inside_a_build,
    after_a_migration,
    after_a_migration,
    before_a_key_goes,
    before_the_next_table,
]
DOWN: list[Steer] = [
    anywhere,
    back_to_indexes,
    inside_a_build_again,
    before_a_key_goes_again,
    before_the_next_table,
]

#: How a state can be aimed at.
AIM: dict[str, tuple[str, Steer]] = {
    "nothing of dbperf": ("up", anywhere),
    "bootstrapped": ("up", after_the_bootstrap),
    "begun": ("up", waiting_to_begin),
    "half-dropped index": ("up", inside_concurrently),
    "two keys": ("up", before_a_key_goes),
    "some tables guarded": ("up", before_the_next_table),
    "between migrations": ("up", after_a_migration),
    "rollback begun": ("down", back_to_indexes),
    "two keys again": ("down", before_a_key_goes_again),
    "some tables unguarded": ("down", before_the_next_table),
    "half-built index": ("up", inside_a_build),
    "half-restored index": ("down", inside_a_build_again),
    "complete": ("down", to_the_end),
}


# Whether a replacement of a foreign key is there under its own name; how many tables have soft delete.
_BETWEEN = """
SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conname LIKE 'dbperf\\_%'),
       (SELECT count(*) FROM pg_trigger WHERE tgname = 'dbperf_mark_deleted')
"""


def classify(conn: psycopg.Connection, direction: str) -> str:
    """Which of `STATES` the database is in."""
    if conn.execute("SELECT to_regclass('dbperf.migration') IS NOT NULL").fetchone() != (True,):
        return "nothing of dbperf" if direction == "up" else "complete"
    found = status(conn)
    invalid = {row[0] for row in conn.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")}
    states = Counter(m.state for m in found.migrations)
    if states["interrupted"]:
        if invalid and direction == "up":
            return "half-built index" if CREATED in invalid else "half-dropped index"
        if invalid:
            return "half-dropped index" if CREATED in invalid else "half-restored index"
        row = conn.execute(_BETWEEN).fetchone()
        assert row is not None
        if row[0]:
            return "two keys" if direction == "up" else "two keys again"
        if 0 < row[1] < len(legacy.TABLES):
            return "some tables guarded" if direction == "up" else "some tables unguarded"
        return "begun" if direction == "up" else "rollback begun"
    if direction == "down":
        return "between migrations"
    if states["applied"] == BOOTSTRAP:
        return "bootstrapped"
    done = all(m.state == "applied" for m in found.migrations if m.id[:4] <= BEFORE_REBUILDS)
    return "complete" if done else "between migrations"


def kill_client(bench: Bench, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    run.kill()


def kill_server(bench: Bench, run: subprocess.Popen[bytes], rng: random.Random) -> None:
    """The postmaster, or the backend of the run, which takes every session down with it."""
    postmaster = bench.server.pid()
    assert postmaster
    victim = postmaster
    if rng.random() < 0.5:
        with bench.cluster.admin("postgres") as admin:
            row = admin.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'dbperf' AND state IS NOT NULL"
            ).fetchone()
            victim = row[0] if row else postmaster
    os.kill(victim, signal.SIGKILL)


def wait_until_gone(bench: Bench, database: str) -> None:
    """Until the server is up and has noticed that the run's client is gone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        bench.server.start()
        try:
            with bench.cluster.admin("postgres") as admin:
                query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'dbperf'"
                if admin.execute(query, [database]).fetchone() == (0,):
                    return
        except psycopg.OperationalError:  # still recovering
            continue
    raise AssertionError("a session outlived its client")


def one_round(bench: Bench, number: int, kill: Callable[..., None], rng: random.Random, aim: str | None) -> str:
    """Run, steer, kill; check that whatever comes next completes. Returns the state that was hit."""
    direction = rng.choice(["up", "up", "down"])
    steer = rng.choice(UP if direction == "up" else DOWN)
    if aim:
        direction, steer = AIM[aim]
    database = f"chaos_{number}"
    bench.cluster.create_database(database, bench.template if direction == "up" else bench.reference)
    dsn = bench.cluster.dsn(database)
    steering = Steering(dsn, rng)
    command = [
        sys.executable,
        "-m",
        "dbperf",
        "--dsn",
        dsn,
        *(["migrate", "--to", BEFORE_REBUILDS] if direction == "up" else ["rollback", "--to", "0000"]),
    ]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        steer(steering, run, rng)
        kill(bench, run, rng)
        if kill is kill_client:
            run.wait()
        wait_until_gone(bench, database)
    finally:
        run.wait()
        steering.close()
    with psycopg.connect(dsn, autocommit=True) as conn:
        state = classify(conn, direction)
    for step in rng.choice([("migrate", "rollback"), ("rollback", "migrate")]):
        if step == "migrate":
            migrate(dsn, to=BEFORE_REBUILDS)
        else:
            rollback(dsn, to="0000")
        with psycopg.connect(dsn, autocommit=True) as conn:
            assert catalogue.dump(conn) == (bench.migrated if step == "migrate" else bench.original), (
                number,
                state,
                step,
            )
            assert rows_hash(conn, legacy.TABLES) == bench.rows, (number, state, step)
            pending = {m.id[:4] for m in status(conn).migrations if m.state != "applied"}
            assert (min(pending) > BEFORE_REBUILDS) == (step == "migrate")
    bench.cluster.drop_database(database)
    return state


@pytest.mark.parametrize("kill", [kill_client, kill_server])
def test_kill_migrate_and_run_again(bench: Bench, kill: Callable[..., None], request: pytest.FixtureRequest) -> None:
    seed, met, started = request.config.option.seed, Counter[str](), time.monotonic()
    number = 0
    while number < ROUNDS or (not all(met[state] for state in STATES) and number < MOST):
        number += 1
        rng = random.Random(f"{seed} {kill.__name__} {number}")
        missing = [state for state in STATES if not met[state]]
        aim = rng.choice(missing) if number > ROUNDS and missing else None
        met[one_round(bench, number, kill, rng, aim)] += 1
    report = "\n".join(f"  {met[state]:>4} × {state}: {meaning}" for state, meaning in STATES.items())
    print(f"\n{kill.__name__}: {number} rounds in {time.monotonic() - started:.0f} s, seed {seed}\n{report}")
    assert all(met[state] for state in STATES), "a named state was not met"
