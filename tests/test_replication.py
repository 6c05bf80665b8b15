"""Logical replication: what a publisher's soft deletes become on a subscriber that has soft delete too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dbperf.migrations import migrate
from dbperf.server import Server
from tests.shapes import SHAPES, make, value
from tests.support import Cluster

pytestmark = pytest.mark.superuser  # before 16 only a superuser may subscribe


@pytest.fixture(scope="module")
def logical(scratch: Path, bin_dir: Path | None) -> Iterator[Cluster]:
    """A server that decodes its log; it subscribes to itself, one database to the other."""
    settings = {"fsync": "off", "wal_level": "logical", "wal_retrieve_retry_interval": "100ms"}
    server = Server(scratch / "logical", bin_dir, settings)
    server.start()
    made = Cluster(server.url("postgres"), "postgres")
    migrate(made.dsn(made.create_database("migrated")))
    yield made
    made.close()
    server.stop()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_subscriber_ends_with_the_same_rows(logical: Cluster, shape: str) -> None:
    """Its triggers do not fire while changes are applied: it follows the publisher, purges included."""
    names = [logical.create_database(f"{side}_{shape}", "migrated") for side in ("publisher", "subscriber")]
    slot = f"slot_{shape}"
    publisher, subscriber = (psycopg.connect(logical.dsn(name), autocommit=True) for name in names)
    with publisher, subscriber:
        for conn in (publisher, subscriber):
            make(conn, shape)
        publisher.execute("CREATE PUBLICATION p FOR TABLE tick, venue WITH (publish_via_partition_root = true)")
        publisher.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
        subscriber.execute(
            f"CREATE SUBSCRIPTION s CONNECTION '{_for_the_server(publisher)}' PUBLICATION p"
            f" WITH (create_slot = false, slot_name = '{slot}', copy_data = false)".encode()
        )
        for statement in (
            "DELETE FROM tick WHERE id <= 5",
            "SELECT dbperf.soft_delete('venue', 'id = 2', NULL, true)",
            "UPDATE tick SET at = at + 31 WHERE id > 10",
            "SELECT dbperf.undelete((SELECT max(batch) FROM dbperf.deletion))",
            "DELETE FROM tick WHERE id = 6",
            "DELETE FROM tick_active WHERE id = 7",
            "CALL dbperf.purge('tick', '0', 2)",
        ):
            publisher.execute(statement.encode())
            _catch_up(publisher, slot)
            for table in ("tick", "venue"):
                query = f"SELECT hash FROM dbperf.content_hash('{table}')"
                assert value(subscriber, query) == value(publisher, query), (statement, table)
        assert value(publisher, "SELECT count(*) FROM tick") < 20
        subscriber.execute("DELETE FROM tick WHERE id = 20")  # its own sessions are guarded
        assert value(subscriber, "SELECT count(*) FROM tick WHERE id = 20") == 1
        subscriber.execute("DROP SUBSCRIPTION s")
    for name in names:
        logical.drop_database(name)


def _for_the_server(conn: psycopg.Connection) -> str:
    """Without what only this client's libpq knows."""
    info = conn.info
    return f"host={info.host} port={info.port} dbname={info.dbname} user={info.user}"


def _catch_up(publisher: psycopg.Connection, slot: str) -> None:
    """Until the subscriber has confirmed what the publisher has written."""
    written = value(publisher, "SELECT pg_current_wal_flush_lsn()::text")
    query = "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s"
    deadline = time.monotonic() + 60
    while not value(publisher, query, written, slot):
        assert time.monotonic() < deadline, "the subscriber does not follow"
