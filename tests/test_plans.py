"""The application's queries keep their indexes: bounds on plans, never on time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from benchmarks import workload
from dbperf import legacy, sqlfiles
from dbperf.migrations import migrate
from tests.support import Cluster

#: The most rows that any scan of a plan may touch, for 60,000 ticks and 6,000 alerts. A window over all instruments reads
#: two ranges of 32 pages at most.
BOUNDS = {
    "latest_tick": 100, "ticks_of_an_hour": 100, "summary_of_a_day": 100, "ticks_of_five_minutes": 6000, "latest_ticks": 2000,
    "ticks_in_price_range": 200, "ticks_in_price_range_of_a_day": 100, "tick_by_id": 1, "newest_alert_logs": 50,
    "alert_logs_of_a_rule": 100, "alert_logs_of_an_instrument": 100, "pending_alert_logs": 100, "alert_logs_by_status": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def migrated(cluster: Cluster) -> Iterator[psycopg.Connection]:
    dsn = cluster.dsn(cluster.create_database("dbperf_test_plans"))
    with psycopg.connect(dsn, autocommit=True) as conn:
        legacy.create(conn, ticks=60_000)
        migrate(dsn)
        conn.execute("ANALYZE")  # autovacuum would, sooner or later
        yield conn


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Scan" in plan["Node Type"]:
        yield plan
    for child in plan.get("Plans", []):
        yield from _scans(child)


@pytest.mark.parametrize("name", workload.QUERIES)
def test_queries_touch_few_rows(migrated: psycopg.Connection, name: str) -> None:
    query = workload.application_text(name)  # a function would show no plan
    cursor = psycopg.ClientCursor(migrated)
    row = cursor.execute(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {query}".encode(), workload.parameters(migrated, name)
    ).fetchone()
    assert row is not None
    for scan in _scans(row[0][0]["Plan"]):
        removed = scan.get("Rows Removed by Filter", 0) + scan.get("Rows Removed by Index Recheck", 0)
        touched = (scan["Actual Rows"] + removed) * scan["Actual Loops"]
        assert touched <= BOUNDS[name], scan
        if scan["Relation Name" if "Relation Name" in scan else "Index Name"] == "market_data":
            assert scan["Node Type"] != "Seq Scan"


def test_bounds_are_for_every_query() -> None:
    assert BOUNDS.keys() == workload.QUERIES.keys()
    assert {path.stem for path in (sqlfiles.sql_dir() / "queries").glob("*.sql")} == set(BOUNDS)
