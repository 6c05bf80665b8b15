"""``dbperf backfill``."""

from __future__ import annotations

from typing import Any

import click

from dbperf import backfill
from dbperf.cli.context import Context, note, parse_time, pass_context


@click.group("backfill")
def backfill_group() -> None:
    """Fill partitions with history while nobody sees it."""


@backfill_group.command("start")
@click.argument("table")
@click.option("--from", "begin", required=True, metavar="TS", help="Where the history begins (ISO 8601; UTC).")
@click.option("--to", "end", required=True, metavar="TS", help="Where it ends, exclusive.")
@click.option("--accept-triggers", is_flag=True, help="TABLE's INSERT triggers need not fire for these rows.")
@pass_context
def start(context: Context, table: str, begin: str, end: str, accept_triggers: bool) -> None:
    """Make the bare tables for the partitions of TABLE between two times, and say where to write rows."""
    first, last = parse_time(begin), parse_time(end)
    with context.session() as conn:
        target = backfill.start(conn, table, first, last, accept_triggers=accept_triggers)
    said = f"write rows into {target}, then: backfill finish {table}" if target else "all of it was finished already"
    context.show({"load_table": target}, said)


@backfill_group.command("finish")
@click.argument("table")
@click.option("--connections", default=2, show_default=True, help="How many partitions at a time.")
@click.option("--maintenance-work-mem", metavar="256MB", help="Memory of each index build; the role's by default.")
@pass_context
def finish(context: Context, table: str, connections: int, maintenance_work_mem: str | None) -> None:
    """Index, check and attach what was filled for TABLE; interrupted, call it again."""
    with context.session() as conn:
        done = backfill.finish(
            conn, table, connections=connections, maintenance_work_mem=maintenance_work_mem, notify=note
        )
    context.show({"attached": done}, f"{len(done)} partitions of {table} were filled")


@backfill_group.command("abort")
@click.argument("table")
@click.option("--at", metavar="TS", help="Only what is for this time.")
@click.option("--discard-rows", is_flag=True, help="Also if it holds rows.")
@pass_context
def abort(context: Context, table: str, at: str | None, discard_rows: bool) -> None:
    """Drop what was started for TABLE and not finished."""
    moment = None if at is None else parse_time(at)
    with context.session() as conn:
        done = backfill.abort(conn, table, moment, discard_rows=discard_rows)
    context.show({"aborted": done}, f"{len(done)} tables were dropped")


@backfill_group.command("list")
@click.argument("table", required=False)
@pass_context
def list_backfills(context: Context, table: str | None) -> None:
    """Show every backfill of TABLE, or all that are under way."""
    with context.connect(announce=False) as conn:
        found = backfill.progress(conn, table)
    context.show(found, "\n".join(map(_in_words, found)) or "nothing is being filled")


def _in_words(row: dict[str, Any]) -> str:
    rows = "?" if row["estimated_rows"] is None else f"~{row['estimated_rows']:,}"
    size = "?" if row["bytes"] is None else f"{row['bytes'] / 1e6:,.1f}"
    words = f"{row['leaf']}  {row['lower_bound']} - {row['upper_bound']}  {row['state']}  {rows} rows  {size} MB"
    return words + (f"  {row['steps_left']} steps left" if row["state"] == "loading" else "")
