"""What soft delete costs an insert into a hot table: nothing but the null bitmap of rows that had no NULL.

Counted by the server (EXPLAIN with WAL and BUFFERS), not timed: the same statements on two copies of one
database, with and without soft delete.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from dbperf.migrations import migrate
from tests.conftest import BEFORE_REBUILDS
from tests.support import Cluster

ROWS = 500
#: t_hoff is 24 bytes without a null bitmap, 32 with one of 14 columns: the header of a row grows by this.
NULL_BITMAP = 8

WITH_A_NULL = "now(), 1 + g % 8, 100.25, 7, 100, 101, 5, 5, 1, 1, NULL"
WITHOUT_NULL = "now(), 1 + g % 8, 100.25, 7, 100, 101, 5, 5, 1, 1, 1"


def _insert(conn: psycopg.Connection, values: str) -> dict[str, Any]:
    statement = (
        'INSERT INTO market_data ("timestamp", instrument_id, price, volume, bid, ask, bid_size, ask_size,'
        f" open_price, high_price, low_price) SELECT {values} FROM generate_series(1, {ROWS}) AS g"
    )
    while True:  # a checkpoint between two tries adds full-page images, which say nothing about the row
        row = conn.execute(f"EXPLAIN (ANALYZE, WAL, BUFFERS, TIMING OFF, FORMAT JSON) {statement}".encode()).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        if not plan.get("WAL FPI"):
            return {
                "records": plan["WAL Records"],
                "bytes": plan["WAL Bytes"],
                "buffers": plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
                "triggers": {t["Trigger Name"] for t in row[0][0].get("Triggers", [])},
            }


@pytest.mark.parametrize(("values", "extra"), [(WITH_A_NULL, 0), (WITHOUT_NULL, NULL_BITMAP)])
def test_wal_and_buffers_of_an_insert(cluster: Cluster, legacy_db: str, values: str, extra: int) -> None:
    migrate(legacy_db, to="0007")
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        name = conn.info.dbname
        conn.execute("VACUUM FREEZE market_data")
    twin = cluster.create_database(f"{name}_twin", name)
    try:
        migrate(cluster.dsn(twin), to=BEFORE_REBUILDS)
        found = []
        for dsn in (legacy_db, cluster.dsn(twin)):
            with psycopg.connect(dsn, autocommit=True) as conn:
                _insert(conn, values)  # fills caches
                found.append(_insert(conn, values))
        plain, guarded = found
        assert guarded["triggers"] == plain["triggers"]
        assert guarded["bytes"] - plain["bytes"] == extra * ROWS
        assert guarded["records"] == plain["records"]
        assert abs(guarded["buffers"] - plain["buffers"]) <= extra  # wider rows may begin one page more
    finally:
        cluster.drop_database(twin)
