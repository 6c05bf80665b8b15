"""The queries and inserts that the trading application runs, and how they are measured."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import psycopg

import dbperf
from dbperf import legacy, queries, sqlfiles

#: The queries of the legacy application, named after their files in ``sql/queries``.
QUERIES = {
    "latest_tick": "latest tick of one instrument",
    "ticks_of_an_hour": "ticks of an hour",
    "summary_of_a_day": "avg/min/max of a day",
    "ticks_of_five_minutes": "five minutes, all instruments",
    "latest_ticks": "latest tick of every instrument",
    "ticks_in_price_range": "price in a range, all time",
    "ticks_in_price_range_of_a_day": "price in a range, one day",
    "tick_by_id": "one tick by id",
    "newest_alert_logs": "newest 50 alerts",
    "alert_logs_of_a_rule": "alerts of a rule",
    "alert_logs_of_an_instrument": "alerts of an instrument, one day",
    "pending_alert_logs": "pending alerts",
    "alert_logs_by_status": "alerts of a day by status",
}

TICK_COLUMNS: tuple[str, ...] = (
    "timestamp", "instrument_id", "price", "volume", "bid", "ask", "bid_size", "ask_size",
    "open_price", "high_price", "low_price",
)  # fmt: skip

_INSERT = f"INSERT INTO market_data ({', '.join(TICK_COLUMNS)}) VALUES ({', '.join(['%s'] * len(TICK_COLUMNS))})"

#: Discarded before timing: the server decides about a generic plan after five executions.
WARM_UP = 7


#: How long the time window of a query is that has one; a day where nothing else is said.
WINDOWS = {"ticks_of_an_hour": dt.timedelta(hours=1), "ticks_of_five_minutes": dt.timedelta(minutes=5)}


def parameters(conn: psycopg.Connection, name: str) -> dict[str, Any]:
    """Parameters for one of `QUERIES`, taken from the rows that are there.

    "Now" is the newest plausible tick, the instrument a busy one, the price range around its last
    price so that a few hundred ticks of a million match.
    """
    now = conn.execute('SELECT max("timestamp") FROM market_data WHERE "timestamp" <= %s', [legacy.NOW]).fetchone()
    instrument = 2
    last = conn.execute("SELECT last_price, id FROM instruments WHERE id = %s", [instrument]).fetchone()
    middle = conn.execute("SELECT (min(id) + max(id)) / 2 FROM market_data").fetchone()
    assert now is not None
    assert last is not None
    assert middle is not None
    return {
        "instrument_id": instrument,
        "rule_id": instrument * 5 - 2,
        "id": middle[0],
        "start": now[0] - WINDOWS.get(name, dt.timedelta(days=1)),
        "stop": now[0],
        "low": last[0] * Decimal("0.99999"),
        "high": last[0] * Decimal("1.00001"),
    }


def application_text(name: str) -> str:
    """One of `QUERIES` as the application had it, without functions."""
    before = sqlfiles.sql_dir() / "legacy" / "queries" / f"{name}.sql"
    return before.read_text(encoding="utf-8") if before.exists() else queries.query(name)


def run(conn: psycopg.Connection, query: str, values: dict[str, Any]) -> list[Any]:
    """Run a query, prepared."""
    return conn.execute(query.encode(), values, prepare=True).fetchall()


def median_ms(conn: psycopg.Connection, query: str, values: dict[str, Any], repeat: int = 40) -> float:
    """Median time of a query in milliseconds, prepared and warm."""
    times = []
    for number in range(WARM_UP + repeat):
        started = time.perf_counter()
        run(conn, query, values)
        if number >= WARM_UP:
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


Side = TypeVar("Side", bound=Hashable)
Figure = TypeVar("Figure")


def in_turn(sides: Iterable[Side], rounds: int, measure: Callable[[Side], Figure]) -> dict[Side, list[Figure]]:
    """What *measure* gives for each side in each round, to and fro: a machine whose speed drifts slows all alike."""
    taken: dict[Side, list[Figure]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(taken)[:: 1 if number % 2 else -1]:
            taken[side].append(measure(side))
    return taken


def median_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Of the rounds of two sides."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


Values = tuple[Any, ...]


def ticks(count: int, instruments: int = 20, first: int = 0) -> Iterator[Values]:
    """Yield *count* new ticks in the order of time, after the newest plausible one and *first* others."""
    start = dt.datetime.fromisoformat(legacy.NOW)
    price = Decimal("4321.2500")
    for number in range(first, first + count):
        at = start + dt.timedelta(milliseconds=3 * number)
        shifted = price + Decimal(number % 97) / 4
        quote = (shifted, 1 + number % 250, shifted - 1, shifted + 1, 5, 7, price, shifted + 2, price - 2)
        yield (at, 1 + number % instruments, *quote)


ALERT_COLUMNS: tuple[str, ...] = (
    "timestamp", "rule_id", "instrument_id", "trigger_value", "threshold_value", "fired_status", "delivery_status",
    "evaluation_time_ms", "rule_condition", "alert_message",
)  # fmt: skip


def alerts(count: int, rules: int = 100) -> Iterator[Values]:
    """Yield *count* new alerts in the order of time, after the newest plausible tick."""
    start = dt.datetime.fromisoformat(legacy.NOW)
    value = Decimal("4321.2500")
    for number in range(count):
        rule = number % rules
        at = start + dt.timedelta(milliseconds=30 * number)
        ids = (at, 1 + rule, 1 + rule // 5)
        yield (*ids, value, value, "fired", "in_app_sent", number % 47, "above", "a price is above a threshold")


def insert_committed(conn: psycopg.Connection, rows: list[Values]) -> None:
    """One committed INSERT for each row: what the application does today."""
    for row in rows:
        conn.execute(_INSERT.encode(), row)


def insert_many(conn: psycopg.Connection, rows: list[Values]) -> None:
    """``executemany`` in one transaction."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(_INSERT.encode(), rows)


def copy_ticks(conn: psycopg.Connection, rows: list[Values]) -> None:
    """`dbperf.copy_rows` into ``market_data``."""
    dbperf.copy_rows(conn, "market_data", rows, TICK_COLUMNS)


def copy_alerts(conn: psycopg.Connection, rows: list[Values]) -> None:
    """`dbperf.copy_rows` into ``alert_logs``."""
    dbperf.copy_rows(conn, "alert_logs", rows, ALERT_COLUMNS)


Writer = Callable[[psycopg.Connection, list[Values]], None]


def rate(conn: psycopg.Connection, write: Writer, rows: list[Values]) -> float:
    """Rows per second of *write*; the rows stay in the table, as in life."""
    started = time.perf_counter()
    write(conn, rows)
    return len(rows) / (time.perf_counter() - started)
